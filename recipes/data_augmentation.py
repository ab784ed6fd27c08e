# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Data augmentation: show the network each training image in the ways it may vary.

Symptom   Training accuracy near 100 %, validation accuracy well below it, few data: high variance.
Remedy    Keras's augmentation layers as the first layers of the model. They change the images in
          training only, so `evaluate`, `predict` and the saved model need nothing more.
Look for  Shifts help here, because the digits really lie at varying places. Mirrored digits do
          not occur: flips alone hardly change the score; added to the shifts they cost accuracy.
Not when  The transformation changes the label (a mirrored 2 is no 2) or never occurs in the data.
Source    Simard, Steinkraus & Platt (2003), Best Practices for Convolutional Networks, ICDAR.
"""

import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's log would bury the result
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, optimizers
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SYMPTOM = "high variance"
VARIANTS = {"none": "", "shifts": "shifts", "flips": "flips", "shifts and flips": "shifts, flips"}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "none", "shifts", +1),
    ("generalization gap (points)", "none", "shifts", -1),
    ("validation accuracy (%)", "flips", "shifts", +1),
]
SEEDS, EPOCHS, NUM_TRAIN = 3, 60, 200  # few training images, so that it overfits


def load_data(seed):
    """Return (x, y) to train on, to validate on: images (n, 12, 12, 1) in 0..1, labels (n,)."""
    digits, y = load_digits(return_X_y=True)  # <- your own data
    x = np.zeros((len(y), 12, 12, 1))  # each digit of 8 x 8 pixels at its own place in it
    places = np.random.default_rng(seed).integers(0, 5, (len(y), 2))
    for image, digit, (row, column) in zip(x, digits, places, strict=True):
        image[row : row + 8, column : column + 8, 0] = digit.reshape(8, 8) / 16
    x, x_val, y, y_val = train_test_split(x, y, train_size=NUM_TRAIN, stratify=y, random_state=seed)
    return (x, y), (x_val, y_val)


def build_model(augmentations):
    """Return a compiled MLP that sees its training images changed by these augmentations."""
    model = keras.Sequential([keras.Input((12, 12, 1))])
    if "shifts" in augmentations:  # <- the remedy: up to 2 of the 12 pixels each way
        model.add(layers.RandomTranslation(1 / 6, 1 / 6, "constant", interpolation="nearest"))
    if "flips" in augmentations:
        model.add(layers.RandomFlip("horizontal"))
    model.add(layers.Flatten())
    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizers.Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    training, validation = batches(data[0], 50), batches(data[1], 2000)
    model = build_model(VARIANTS[variant])
    log = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0)
    scores = [100 * model.evaluate(part, verbose=0)[1] for part in (training, validation)]
    numbers = {
        "training accuracy (%)": scores[0],
        "validation accuracy (%)": scores[1],
        "generalization gap (points)": scores[0] - scores[1],
    }
    return numbers, log.history


def plot(runs):
    """Return the figure: a column for each variant, the same axes for all."""
    figure = plt.figure(figsize=(12, 5.5), layout="constrained")
    axes = figure.subplots(2, len(runs), sharex=True, sharey="row", squeeze=False)
    for variant, (above, below) in zip(runs, axes.T, strict=True):
        for _, curves in runs[variant]:
            above.plot(curves["accuracy"], "C0", curves["val_accuracy"], "C1", alpha=0.7)
            below.plot(curves["loss"], "C0", curves["val_loss"], "C1", alpha=0.7)
        above.set(title=variant, ylabel="accuracy")
        below.set(xlabel="epoch (from 0)", ylabel="cross-entropy (nats)")
    axes[0, 0].legend(["training", "validation"], title="a line for each seed")
    figure.suptitle(f"{NUM_TRAIN} training images at varying places: which augmentation fits?")
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
