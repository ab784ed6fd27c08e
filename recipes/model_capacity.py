# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Model capacity: a network too small for the task cannot even fit its training data.

Symptom   Training accuracy is low and validation accuracy is about as low: high bias
          (underfitting). Less regularization does not help, and longer training helps little.
Remedy    More units per layer (wider), then more layers (deeper).
Look for  Training accuracy rises with the capacity, and validation accuracy rises with it for as
          long as the gap stays small. With twice the epochs 2 units still lag far behind.
Not when  Training accuracy is high already: then more capacity brings nothing or widens the gap.
          If a larger network does not fit the training data better either, look at the learning
          rate, the inputs' scale, the loss and the labels.
Source    Goodfellow, Bengio & Courville (2016), Deep Learning, section 5.2.
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

SYMPTOM = "high bias"
VARIANTS = {"2 units": (2,), "8 units": (8,), "64 units": (64,), "2 x 64 units": (64, 64)}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("training accuracy (%)", "2 units", "64 units", +1),
    ("training accuracy (%)", "2 units", "2 x 64 units", +1),
    ("validation accuracy (%)", "2 units", "2 x 64 units", +1),
]
SEEDS, EPOCHS = 3, 40


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=0.5, stratify=y, random_state=seed)
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model(units):
    """Return a compiled MLP with one hidden layer for each number in `units`."""
    model = keras.Sequential([keras.Input((64,))])
    for number in units:  # <- the remedy: larger numbers, then more of them
        model.add(layers.Dense(number, activation="leaky_relu"))  # of two units none may die
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    training, validation = batches(data[0], 64), batches(data[1], 2000)
    model = build_model(VARIANTS[variant])
    log = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0)
    numbers = {
        "training accuracy (%)": 100 * model.evaluate(training, verbose=0)[1],
        "validation accuracy (%)": 100 * model.evaluate(validation, verbose=0)[1],
    }
    return numbers, log.history


def plot(runs):
    """Return the figure: a column for each size, the same axes for all."""
    figure = plt.figure(figsize=(12, 5.5), layout="constrained")
    axes = figure.subplots(2, len(runs), sharex=True, sharey="row", squeeze=False)
    for variant, (above, below) in zip(runs, axes.T, strict=True):
        for _, curves in runs[variant]:
            above.plot(curves["accuracy"], "C0", curves["val_accuracy"], "C1", alpha=0.7)
            below.plot(curves["loss"], "C0", curves["val_loss"], "C1", alpha=0.7)
        above.set(title=variant, ylabel="accuracy")
        below.set(xlabel="epoch (from 0)", ylabel="cross-entropy (nats)")
    axes[0, 0].legend(["training", "validation"], title="a line for each seed")
    figure.suptitle("From too small to wide and deep enough")
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
