# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""L1 and L2 regularization: add the size of the weights to the loss, so that large ones must pay.

Symptom   Training accuracy near 100 %, validation accuracy well below it: high variance.
Remedy    `kernel_regularizer=keras.regularizers.L2(...)` (or L1, or L1L2) in each hidden layer. L2
          adds the squares of the weights to the loss: all become small. L1 adds their absolute
          values: its pull does not weaken near zero, so many weights end there.
Look for  The gap closes, under L1 by half, where most weights stand below 0.001. (A fifth of the
          labels is wrong on purpose.)
Not when  Training accuracy is low, or the training is stopped in time (early_stopping.py). Adam
          rescales the penalty for each weight, but not the decay of AdamW (weight_decay.py).
Source    Krogh & Hertz (1991), NeurIPS (L2); Tibshirani (1996), The Lasso, JRSS B 58 (L1).
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
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SYMPTOM = "high variance"
VARIANTS = {"none": (0, 0), "L1": (5e-4, 0), "L2": (0, 1e-2), "L1 + L2": (2e-4, 5e-3)}  # strengths
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "none", "L2", +1),
    ("generalization gap (points)", "none", "L2", -1),
    ("generalization gap (points)", "none", "L1", -1),
    ("weights near zero (%)", "none", "L1", +1),
]
SEEDS, EPOCHS = 3, 60
NUM_TRAIN, NUM_WRONG = 150, 30  # training images, few so that it overfits; of which mislabelled


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=NUM_TRAIN, stratify=y, random_state=seed)
    shift = np.random.default_rng(seed).integers(1, 10, NUM_WRONG)  # never back to the right class
    y[:NUM_WRONG] = (y[:NUM_WRONG] + shift) % 10  # <- NUM_WRONG = 0 with your own
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model(l1, l2):
    """Return a compiled MLP; `l1` and `l2` are the strengths of the penalties."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        penalty = keras.regularizers.L1L2(l1, l2)  # <- the remedy
        model.add(layers.Dense(256, activation="relu", kernel_regularizer=penalty))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    training, validation = batches(data[0], 50), batches(data[1], 2000)
    model = build_model(*VARIANTS[variant])
    log = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0)
    kernels = [layer.get_weights()[0].ravel() for layer in model.layers[:-1]]
    scores = [100 * model.evaluate(part, verbose=0)[1] for part in (training, validation)]
    numbers = {
        "training accuracy (%)": scores[0],
        "validation accuracy (%)": scores[1],
        "generalization gap (points)": scores[0] - scores[1],
        "weights near zero (%)": 100 * np.mean(np.abs(np.concatenate(kernels)) < 1e-3),
    }
    return numbers, log.history


def plot(runs):
    """Return the figure: a column for each penalty, the same axes for all."""
    figure = plt.figure(figsize=(12, 5.5), layout="constrained")
    axes = figure.subplots(2, len(runs), sharex=True, sharey="row", squeeze=False)
    for variant, (above, below) in zip(runs, axes.T, strict=True):
        for _, curves in runs[variant]:
            above.plot(curves["accuracy"], "C0", curves["val_accuracy"], "C1", alpha=0.7)
            below.plot(curves["loss"], "C0", curves["val_loss"], "C1", alpha=0.7)
        near_zero = np.mean([numbers["weights near zero (%)"] for numbers, _ in runs[variant]])
        above.set(title=f"{variant}: {near_zero:.0f} % of weights near 0", ylabel="accuracy")
        below.set(xlabel="epoch (from 0)", ylabel="loss with penalty (nats)", yscale="log")
    axes[0, 0].legend(["training", "validation"], title="a line for each seed")
    figure.suptitle(f"L1 and L2 when {NUM_WRONG} of {NUM_TRAIN} training labels are wrong")
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
