# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Label smoothing: do not demand 100 %, so that 90 % sure means right in 90 of 100 cases.

Symptom   Validation loss rises while validation accuracy stays: the network is as often wrong as
          before, but ever more sure of itself.
Remedy    `CategoricalCrossentropy(label_smoothing=0.1)`: the targets are 0.91 and 0.01, not 1 and 0
          (of ten classes). Or divide the finished network's logits by one temperature, chosen for
          the least loss on data kept aside: accuracy stays exactly what it was. (Trained on, these
          300 rows would gain more: take rows that you have to keep aside anyway.)
Look for  Curves near the diagonal: as sure as right. Temperature hits it more surely; smoothing may
          overshoot and leave the network too modest (its calibration error is not always less).
Not when  Only the decision counts, not how sure it is. For too little accuracy: dropout.py. A fifth
          of the training labels is wrong here; on clean, easy data there is nothing to mend.
Source    Szegedy et al. (2016), Rethinking the Inception Architecture, CVPR; Guo et al. (2017), On
          Calibration of Modern Neural Networks, ICML.
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

SYMPTOM = "too sure of itself"
VARIANTS = {  # (label smoothing, temperature chosen afterwards?)
    "nothing": (0.0, False),
    "label smoothing 0.1": (0.1, False),
    "temperature": (0.0, True),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation loss (nats)", "nothing", "label smoothing 0.1", -1),
    ("calibration error (%)", "nothing", "temperature", -1),
]
SEEDS, EPOCHS = 3, 100
NUM_TRAIN, NUM_WRONG, NUM_ASIDE = 200, 40, 300  # images; of those to train on, mislabelled


def load_data(seed):
    """Return (x, y) to train on, to choose the temperature on, to validate on: (n, 64), (n, 10)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = (x[order] / 16).astype("float32"), np.eye(10)[y[order]]  # <- the scale of yours
    y[:NUM_WRONG] = np.roll(y[:NUM_WRONG], 1, axis=1)  # <- NUM_WRONG = 0 with your own
    ends = [NUM_TRAIN, NUM_TRAIN + NUM_ASIDE]
    return list(zip(np.split(x, ends), np.split(y, ends), strict=True))


def build_model(label_smoothing):
    """Return a compiled MLP whose outputs are logits."""
    model = keras.Sequential([keras.Input((64,))])
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.Dense(10))
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True,
        label_smoothing=label_smoothing,  # <- the remedy
    )
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    return model


def cross_entropy(logits, y):
    """Return the mean cross-entropy in nats."""
    return float(np.mean(keras.losses.categorical_crossentropy(y, logits, from_logits=True)))


def train(variant, data, epochs):
    """Train one variant; return its numbers and its reliability."""
    label_smoothing, choose = VARIANTS[variant]
    training, aside, (x_val, y_val) = data
    model = build_model(label_smoothing)
    model.fit(batches(training, 100), epochs=epochs, shuffle=False, verbose=0)
    temperature = 1.0
    if choose:
        logits = model(aside[0]).numpy()
        temperatures = np.geomspace(0.5, 10, 50)
        losses = [cross_entropy(logits / value, aside[1]) for value in temperatures]
        temperature = temperatures[np.argmin(losses)]
    logits = model(x_val).numpy() / temperature
    confidence = keras.ops.softmax(logits).numpy().max(axis=1)
    right = logits.argmax(axis=1) == y_val.argmax(axis=1)
    # Ten groups of the same size by confidence (of the same width some would be nearly empty).
    groups = np.array_split(np.argsort(confidence), 10)
    of_group = np.array([(confidence[rows].mean(), right[rows].mean()) for rows in groups])
    numbers = {
        "validation accuracy (%)": 100 * right.mean(),
        "mean confidence (%)": 100 * confidence.mean(),
        "calibration error (%)": 100 * np.abs(of_group[:, 0] - of_group[:, 1]).mean(),
        "validation loss (nats)": cross_entropy(logits, y_val),
        "temperature": temperature,
    }
    return numbers, {"confidence": of_group[:, 0], "accuracy": of_group[:, 1]}


def plot(runs):
    """Return the figure: a reliability diagram for each variant, a line for each seed."""
    figure = plt.figure(figsize=(12, 4.5), layout="constrained")
    axes = figure.subplots(1, len(runs), sharex=True, sharey=True, squeeze=False)[0]
    for axis, variant in zip(axes, runs, strict=True):
        for _, curves in runs[variant]:
            axis.plot(100 * curves["confidence"], 100 * curves["accuracy"], ".-")
        axis.axline((0, 0), slope=1, color="gray", linestyle="--", label="as sure as right")
        error = np.mean([numbers["calibration error (%)"] for numbers, _ in runs[variant]])
        axis.set_title(f"{variant}\ncalibration error {error:.1f} %")
        axis.set(xlabel="confidence (%)", xlim=(0, 102), ylim=(0, 102))
    axes[0].set_ylabel("right (%), of images of this confidence")
    axes[0].legend()
    figure.suptitle("How sure the network is, and how often it is right (a line for each seed)")
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
