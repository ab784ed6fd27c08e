# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Loss function: cross-entropy for classes, a linear output with MSE for numbers.

Symptom   The loss falls, yet the score stays poor; or a regression never leaves a narrow range.
Remedy    Classes: softmax and cross-entropy, whose gradient stays large while the network is wrong.
          Numbers: one linear unit and MSE; with outliers in the targets Huber.
Look for  Cross-entropy is first (MSE at 50 times the rate); sigmoid ends at 1; MSE chases outliers.
Not when  Large errors cost most: then MSE. Only the rare class is missed: class_imbalance.py.
Source    Golik, Doetsch & Ney (2013), Interspeech. Huber (1964), Robust Estimation of Location.
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
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split

SYMPTOM = "high bias"
VARIANTS = {  # task, activation of the output, loss
    "classes, MSE": ("classes", "softmax", "mse"),
    "classes, cross-entropy": ("classes", "softmax", "categorical_crossentropy"),
    "numbers, sigmoid, MSE": ("numbers", "sigmoid", "mse"),
    "numbers, linear, MSE": ("numbers", "linear", "mse"),
    "outliers, MSE": ("outliers", "linear", "mse"),
    "outliers, Huber": ("outliers", "linear", "huber"),
}
SCORE = "validation accuracy or R2 (%)"  # of classes or of numbers
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    (SCORE, "numbers, sigmoid, MSE", "numbers, linear, MSE", +1),
    (SCORE, "classes, MSE", "classes, cross-entropy", +1),
    (SCORE, "outliers, MSE", "outliers, Huber", +1),
]
SEEDS, EPOCHS = 3, 22


def load_data(seed):
    """Return {task: ((x, y) to train on, (x, y) to validate on)}, y of shape (n, outputs)."""
    split = {"train_size": 0.6, "random_state": seed}
    x, x_val, y, y_val = train_test_split(*load_digits(return_X_y=True), **split)  # <- your own
    data = {"classes": ((x / 16, np.eye(10)[y]), (x_val / 16, np.eye(10)[y_val]))}  # <- scale
    x, x_val, y, y_val = train_test_split(*load_diabetes(return_X_y=True, scaled=False), **split)
    x_val, x = (x_val - x.mean(axis=0)) / x.std(axis=0), (x - x.mean(axis=0)) / x.std(axis=0)
    y_val, y = (y_val[:, None] - y.mean()) / y.std(), (y[:, None] - y.mean()) / y.std()
    data["numbers"] = (x, y), (x_val, y_val)
    wrong = np.random.default_rng(seed).random(y.shape) < 0.1  # 10 standard deviations too high
    return data | {"outliers": ((x, y + 10 * wrong), (x_val, y_val))}


def build_model(num_features, num_outputs, activation, loss):
    """Return a compiled MLP with this activation of its output and this loss."""
    hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
    output = layers.Dense(num_outputs, activation=activation)  # <- the remedy, with the loss
    model = keras.Sequential([keras.Input((num_features,)), *hidden, output])
    metric = keras.metrics.CategoricalAccuracy if activation == "softmax" else keras.metrics.R2Score
    model.compile(optimizers.SGD(0.01, momentum=0.9), loss, metrics=[metric(name="score")])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    task, activation, loss = VARIANTS[variant]
    (x, y), held_out = data[task]
    training, validation = batches((x, y), 64), batches(held_out, 2000)
    model = build_model(x.shape[1], y.shape[1], activation, loss)
    log = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0)
    return {SCORE: 100 * model.evaluate(validation, verbose=0)[1]}, log.history


def plot(runs):
    """Return the figure: a column for each task, a line for each seed."""
    tasks = [["classes", "numbers", "outliers"]]
    figure, axes = plt.subplot_mosaic(tasks, figsize=(13, 4.5), layout="constrained")
    for number, (variant, results) in enumerate(runs.items()):
        axis = axes[VARIANTS[variant][0]]
        for _, curves in results:
            axis.plot(curves["val_score"], f"C{number}")
        axis.lines[-1].set_label(variant)
        axis.legend(title="a line for each seed")
    axes["classes"].set(title="Digits", ylabel="validation accuracy")
    axes["numbers"].set(title="Diabetes", ylabel="validation R2 (1: perfect, 0: the mean)")
    axes["outliers"].set(title="A tenth of the targets corrupted", ylabel="R2", ylim=(-5, 1))
    figure.supxlabel("epoch (from 0)")
    figure.suptitle("The same network with an unsuitable and with a suitable loss or output")
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
