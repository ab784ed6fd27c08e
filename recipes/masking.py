# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Masking: a recurrent layer skips the padding instead of reading it.

Symptom   Sequences of different lengths, padded to the longest, are learned badly: after the last
          real step the layer reads zeros until it has forgotten what came before.
Remedy    `layers.Masking()` in front for numbers, `layers.Embedding(..., mask_zero=True)` for
          tokens: the mask travels with the data, and the layer stops at the last real step.
          Scale before you pad: what scaling makes of the zeros is not masked.
Look for  With the mask the network tells nearly always if the last token is larger than the one
          before; without it, it gives all sequences the same answer.
Not when  All sequences have one length, or the padding stands before the sequence (`pad_sequences`
          does so by default): what is read last is then real. Layers that do not know masks, such
          as Conv1D or Flatten, drop it: look for a warning.
Source    Chollet et al. (2019), Understanding Masking and Padding, Keras developer guides.
"""

import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's log would bury the result
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from scipy import stats

SYMPTOM = "high bias"
VARIANTS = {"no mask": False, "mask": True}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "no mask", "mask", +1),
]
SEEDS, EPOCHS = 3, 8
LONGEST = 50  # steps, to which all sequences are padded
TOKENS = 9  # 1 to 8, and 0 for padding


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: tokens (n, 50), 0 or 1 (n,)."""
    random = np.random.default_rng(seed)  # <- your own data
    x = random.integers(1, TOKENS, (1500, LONGEST))
    lengths = random.integers(3, 16, 1500)
    x[np.arange(LONGEST) >= lengths[:, None]] = 0
    last = x[np.arange(1500), lengths - 1]
    before = x[np.arange(1500), lengths - 2]
    y = (last > before).astype(int)
    return (x[:1000], y[:1000]), (x[1000:], y[1000:])


def build_model(mask):
    """Return a compiled GRU that reads tokens, with or without the padding."""
    model = keras.Sequential([keras.Input((LONGEST,))])
    model.add(layers.Embedding(TOKENS, 8, mask_zero=mask))  # <- the remedy
    model.add(layers.GRU(16))
    model.add(layers.Dense(1, activation="sigmoid"))  # <- more classes: softmax
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    training, validation = batches(data[0], 50), batches(data[1], 2000)
    model = build_model(VARIANTS[variant])
    log = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0)
    numbers = {"validation accuracy (%)": 100 * log.history["val_accuracy"][-1]}
    constant = max(np.mean(data[1][1] == answer) for answer in (0, 1))
    return numbers, log.history | {"constant": constant}


def plot(runs):
    """Return the figure: learning curves; lines are means, bands the range of the seeds."""
    figure = plt.figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axis, variant in zip(axes, runs, strict=True):
        for curve, label in (("accuracy", "training"), ("val_accuracy", "validation")):
            values = np.array([curves[curve] for _, curves in runs[variant]])
            epochs = np.arange(1, values.shape[1] + 1)
            axis.plot(epochs, values.mean(axis=0), label=label)
            axis.fill_between(epochs, values.min(axis=0), values.max(axis=0), alpha=0.2)
        constant = np.mean([curves["constant"] for _, curves in runs[variant]])
        axis.axhline(constant, color="gray", linestyle="--", label="always the same answer")
        axis.set(title=variant, xlabel="epoch", ylim=(0.4, 1.02))
    figure.axes[0].set_ylabel("accuracy")
    figure.axes[0].legend()
    figure.suptitle(f"Sequences of 3 to 15 steps, padded to {LONGEST}")
    return figure


# ---- The comparison: the same in every recipe ----


def batches(data, size):
    """Return batches, shuffled anew for each epoch (for small data `fit` takes twice as long)."""
    return tf.data.Dataset.from_tensor_slices(data).shuffle(len(data[0])).batch(size)


def compare(seeds=range(SEEDS), epochs=EPOCHS):
    """Train each variant with each seed; return {variant: [(numbers, curves) of each seed]}."""
    runs = {variant: [] for variant in VARIANTS}
    for count, seed in enumerate(seeds, start=1):
        data = load_data(seed)
        for variant in VARIANTS:
            print(f"\rtraining with seed {count} of {len(seeds)}: {variant:40}", end="", flush=True)
            keras.utils.set_random_seed(seed)  # the variants of a seed share its data and start
            runs[variant].append(train(variant, data, epochs))
    return runs


def interval(values):
    """Return the mean and the half-width of its 95 % t interval (NaN for a single value)."""
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1) if len(values) > 1 else np.nan
    return np.mean(values), half


def report(runs):
    """Print the means and the paired effects; return {effect: (mean, half-width)}."""
    for name in next(iter(runs.values()))[0][0]:  # each training gives the same numbers
        print(f"\n{name}, mean ± 95 % interval (one seed has none: nan)")
        for variant, results in runs.items():
            mean, half = interval([numbers[name] for numbers, _ in results])
            print(f"    {variant:32}{mean:9.4g} ± {half:.2g}")
    effects = {}
    for name, baseline, remedy, sign in EFFECTS:
        if baseline in runs and remedy in runs:  # a reader may take a variant out
            pairs = zip(runs[baseline], runs[remedy], strict=True)
            mean, half = interval([after[name] - before[name] for (before, _), (after, _) in pairs])
            word = "better" if sign * mean > half else "worse" if -sign * mean > half else "unclear"
            print(f"\n{remedy} against {baseline}: {name} {mean:+.3g} ± {half:.2g}, {word}")
            effects[name, baseline, remedy] = mean, half
    return effects


def main(argv=None):
    """Compare the variants; print what they show and write the figure."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"default: {SEEDS}")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument("--output", type=Path, default=f"{Path(__file__).stem}.png")
    options = parser.parse_args(argv)
    if min(options.seeds, options.epochs) < 1:
        parser.error(f"--seeds {options.seeds} --epochs {options.epochs}: both must be 1 or more")
    if not options.output.parent.is_dir() or options.output.suffix not in (".png", ".pdf", ".svg"):
        parser.error(f"--output {options.output}: name a .png, .pdf or .svg in an existing folder")
    runs = compare(range(options.seeds), options.epochs)
    report(runs)
    plot(runs).savefig(options.output, dpi=120)
    print("Wrote", options.output)


if __name__ == "__main__":
    main()
