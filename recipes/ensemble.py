# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Ensemble: average the predictions of several networks that differ by their start or their rows.

Symptom   The same program with another seed gets a clearly different score.
Remedy    Train five from different starts, average their probabilities and decide once: errors that
          differ cancel out. Bagging draws rows for each: worse members, that differ more.
Look for  The bar of the five above nearly all dots, its members. (A fifth of the labels is wrong.)
Not when  Training and predicting five times is too dear (weight_averaging.py), or all members make
          the same errors: a bias stays. Snapshots of a run were too alike, and stacking needs rows.
Source    Hansen & Salamon (1990), Neural Network Ensembles; Breiman (1996), Bagging Predictors.
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

SYMPTOM = "score depends on the seed"
# (networks, does each draw rows of its own?)
VARIANTS = {"one network": (1, False), "mean of 5": (5, False), "bagging of 5": (5, True)}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "one network", "mean of 5", +1),
    ("validation accuracy (%)", "one network", "bagging of 5", +1),
]
SEEDS, EPOCHS = 2, 40
NUM_TRAIN, NUM_WRONG = 200, 40  # training images; of which mislabelled


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=NUM_TRAIN, stratify=y, random_state=seed)
    shift = np.random.default_rng(seed).integers(1, 10, NUM_WRONG)  # never back to the right class
    y[:NUM_WRONG] = (y[:NUM_WRONG] + shift) % 10  # <- NUM_WRONG = 0 with your own
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model():
    """Return a compiled MLP, with a start of its own each time."""
    model = keras.Sequential([keras.Input((64,))])
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    adam = keras.optimizers.Adam(0.003)
    model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers, and the accuracy of each member."""
    num_members, draw = VARIANTS[variant]
    (x, y), (x_val, y_val) = data
    members = []
    for member in range(num_members):
        rows = np.arange(len(x))
        if draw:
            rows = np.random.default_rng(member).integers(len(x), size=len(x))
        model = build_model()
        model.fit(batches((x[rows], y[rows]), 50), epochs=epochs, shuffle=False, verbose=0)
        members.append(model(x_val).numpy())
    together = np.mean(members, axis=0)  # <- the remedy: the mean of the probabilities
    of_members = [100 * np.mean(member.argmax(1) == np.ravel(y_val)) for member in members]
    accuracy = 100 * np.mean(together.argmax(1) == np.ravel(y_val))
    numbers = {"validation accuracy (%)": accuracy, "its members (%)": np.mean(of_members)}
    return numbers, {"members": of_members}


def plot(runs):
    """Return the figure: for each seed the members, and what they reach together."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    for number, (variant, results) in enumerate(runs.items()):
        for seed, (numbers, curves) in enumerate(results):
            place = seed + 0.2 * number
            for member in curves["members"]:
                axis.plot(place, member, ".", color=f"C{number}", alpha=0.6)
            label = variant if seed == 0 else None
            together = numbers["validation accuracy (%)"]
            axis.plot(place, together, "_", color=f"C{number}", ms=22, mew=3, label=label)
    axis.set_xticks(np.arange(len(results)) + 0.2, range(1, len(results) + 1))
    axis.set(xlabel="seed", ylabel="validation accuracy (%)")
    axis.set_title("Members (dots) and what they reach together (bars)")
    figure.legend(loc="outside upper center", ncols=3)
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
