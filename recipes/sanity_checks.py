# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Sanity checks: five questions that tell a broken program from a hard task, before any tuning.

Symptom   It learns badly, and nobody knows whether that is a bug or the task.
Remedy    Ask: 1. Is the first loss about ln(classes)? 2. Does the loss on one batch go to 0? Is the
          score better 3. than with blank inputs, 4. with shuffled labels, 5. of a linear model?
Look for  The sound program passes; each broken one, none of which raises an error, fails.
Not when  All pass and the score is poor: it is data or network; more_data.py, model_capacity.py.
Source    Karpathy (2019), A Recipe for Training Neural Networks.
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
from sklearn.linear_model import RidgeClassifier

SYMPTOM = "start here"
VARIANTS = {  # what is wrong with the program
    "sound": None,
    "inputs not scaled": "scale",
    "softmax twice": "softmax",
    "inputs lost": "blank",
    "rows out of step": "rows",
}
CHECKS = {  # (least, most) that passes; accuracy as a share of 1
    "first loss / ln(classes)": (0.7, 1.5),
    "loss on one batch (nats)": (0, 0.1),
    "accuracy above blank inputs": (0.2, 1),
    "accuracy above shuffled labels": (0.2, 1),
    "accuracy above a linear model": (0.01, 1),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("first loss / ln(classes)", "inputs not scaled", "sound", -1),
    ("loss on one batch (nats)", "softmax twice", "sound", -1),
    ("accuracy above blank inputs", "inputs lost", "sound", +1),
    ("accuracy above shuffled labels", "rows out of step", "sound", +1),
]
SEEDS, EPOCHS = 3, 20


def load_data(seed):
    """Return pixels (n, 64) in 0..16 and labels (n,), in an order decided by the seed."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    order = np.random.default_rng(seed).permutation(len(x))
    return x[order], y[order]


def build_model(bug):
    """Return a compiled MLP."""
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64, activation="relu")])
    model.add(layers.Dense(10, activation="softmax"))
    if bug == "softmax":
        model.add(layers.Softmax())
    sgd = keras.optimizers.SGD(0.3)  # without a memory of its own: each training begins anew
    model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def learn(model, start, training, passes, judged):
    """Train anew from the weights `start`; return loss (nats) and accuracy on the judged data."""
    model.set_weights(start)
    model.fit(batches(training, 50).repeat(passes), shuffle=False, verbose=0)
    return model.evaluate(*judged, batch_size=2000, verbose=0)


def train(variant, data, epochs):
    """Ask one program the five questions; return the answers (the figure needs no curves)."""
    bug, (x, y) = VARIANTS[variant], data
    if bug == "rows":
        y = np.roll(y, 1)  # each row gets the label of its neighbour
    if bug == "blank":
        x = (x / 255).astype(int)  # all become 0
    elif bug != "scale":
        x = x / 16  # <- the scale of yours
    x, y, validation = x[:600], y[:600], (x[600:], y[600:])
    model = build_model(bug)
    start = model.get_weights()
    first_loss, _ = model.evaluate(x, y, batch_size=2000, verbose=0)
    loss_on_one_batch, _ = learn(model, start, (x[:20], y[:20]), 20 * epochs, (x[:20], y[:20]))
    _, accuracy = learn(model, start, (x, y), epochs, validation)
    _, from_blank = learn(model, start, (np.zeros_like(x), y), epochs, validation)
    shuffled = np.random.default_rng(0).permutation(y)
    _, from_shuffled = learn(model, start, (x, shuffled), epochs, validation)
    return {  # <- the remedy: ask before tuning
        "first loss / ln(classes)": first_loss / np.log(10),
        "loss on one batch (nats)": loss_on_one_batch,
        "accuracy above blank inputs": accuracy - from_blank,
        "accuracy above shuffled labels": accuracy - from_shuffled,
        "accuracy above a linear model": accuracy - RidgeClassifier().fit(x, y).score(*validation),
    }, {}


def plot(runs):
    """Return the figure: a row for each program, a column for each question."""
    figure, axis = plt.subplots(figsize=(13, 4), layout="constrained")
    passed = np.zeros((len(runs), len(CHECKS)))
    for row, results in enumerate(runs.values()):
        for column, (name, (least, most)) in enumerate(CHECKS.items()):
            value = np.mean([numbers[name] for numbers, _ in results])
            passed[row, column] = least <= value <= most
            verdict = "passed" if passed[row, column] else "failed"
            axis.text(column, row, f"{value:.2f}\n{verdict}", ha="center", va="center")
    axis.imshow(passed, cmap="RdYlGn", vmin=-0.5, vmax=1.5, aspect="auto")
    wanted = [f"{name}\n(passes: {low:g} to {high:g})" for name, (low, high) in CHECKS.items()]
    axis.set_xticks(range(len(CHECKS)), wanted, fontsize=8)
    axis.set_yticks(range(len(runs)), runs)
    axis.set_title("Five questions to a sound and to four broken programs")
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
