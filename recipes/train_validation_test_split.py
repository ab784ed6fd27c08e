# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Train, validation, test: choose on validation, and use the test set once, at the end.

Symptom   The reported accuracy is never met again: it was taken on the training data, or on a
          test set that had also chosen the epoch, the network or the settings.
Remedy    Three stratified parts. Train on the first; choose everything on the second; the third
          gives one number for the one network chosen, and nothing is changed after that.
Look for  Optimism: reported accuracy minus accuracy on much data that nobody has touched. The best
          of many on a test set is also the luckiest; used once, the set is right on average.
Not when  You have so much data that chance hardly matters, or only one candidate. With very little
          data prefer cross_validation.py; rows that tell of each other: data_leakage.py.
Source    Cawley & Talbot (2010), On Over-fitting in Model Selection, JMLR 11.
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

SYMPTOM = "honest measuring"
VARIANTS = {  # the part of the data that chooses the candidate, the part that is reported
    "reported on training": ("validation", "training"),
    "chosen on the test set": ("test", "test"),
    "reported on validation": ("validation", "validation"),
    "chosen on validation": ("validation", "test"),  # <- the remedy
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("optimism (points)", "reported on training", "chosen on validation", -1),
    ("optimism (points)", "chosen on the test set", "chosen on validation", -1),
    ("optimism (points)", "reported on validation", "chosen on validation", -1),
]
SEEDS, EPOCHS = 3, 15
DROPOUT_RATES = (0.0, 0.1, 0.2, 0.3, 0.4)  # a candidate: one of these, after one of the epochs
NUM_TRAIN, NUM_SMALL = 200, 60  # images for training; for validation and for the test
REPETITIONS = 200  # other splits of the images held out, for each seed


def load_data(seed):
    """Return {"training": (x, y), "held out": (x, y)}: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, rest, y, y_rest = train_test_split(x, y, train_size=NUM_TRAIN, stratify=y, random_state=seed)
    return {"training": (x / 16, y), "held out": (rest / 16, y_rest)}  # <- the scale of yours


def build_model(dropout_rate):
    """Return a compiled MLP."""
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64, activation="relu")])
    model.add(layers.Dropout(dropout_rate))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train_candidates(data, epochs):
    """Return which images each candidate classifies correctly, {part: (candidates, images)}."""
    correct = {part: [] for part in data}
    for rate in DROPOUT_RATES:
        model, training = build_model(rate), batches(data["training"], 50)
        for _ in range(epochs):  # after each of them a candidate
            model.fit(training, shuffle=False, verbose=0)
            for part, (x, y) in data.items():
                outputs = keras.ops.convert_to_numpy(model(x, training=False))
                correct[part].append(outputs.argmax(axis=1) == np.ravel(y))
    return {part: np.array(hits) for part, hits in correct.items()}


def train(variant, data, epochs):
    """Report as this variant does, over many splits; return its numbers and its curves."""
    if "correct" not in data:  # trained once for all variants, which only report differently
        data["correct"] = train_candidates(dict(data), epochs)
    choose_on, report_on = VARIANTS[variant]
    labels, correct = data["held out"][1], data["correct"]
    reported, fresh = [], []
    for repetition in range(REPETITIONS):
        split = {"train_size": NUM_SMALL, "random_state": repetition}
        small, rest = train_test_split(np.arange(len(labels)), stratify=labels, **split)
        test, rest = train_test_split(rest, stratify=labels[rest], **split)
        parts = {"validation": small, "test": test, "fresh": rest}
        scores = {part: correct["held out"][:, rows].mean(axis=1) for part, rows in parts.items()}
        scores["training"] = correct["training"].mean(axis=1)
        chosen = scores[choose_on].argmax()
        reported.append(100 * scores[report_on][chosen])
        fresh.append(100 * scores["fresh"][chosen])
    numbers = {
        "reported accuracy (%)": np.mean(reported),
        "accuracy on fresh data (%)": np.mean(fresh),
        "optimism (points)": np.mean(reported) - np.mean(fresh),
    }
    return numbers, {"optimism": np.subtract(reported, fresh)}


def plot(runs):
    """Return the figure: the optimism of each way to report."""
    figure, axis = plt.subplots(figsize=(9, 4.5), layout="constrained")
    values = [np.ravel([curves["optimism"] for _, curves in results]) for results in runs.values()]
    axis.boxplot(values, orientation="horizontal", tick_labels=list(runs), showmeans=True)
    axis.axvline(0, color="gray", linestyle=":")
    axis.set_xlabel("optimism: reported accuracy - accuracy on fresh data (points); triangle: mean")
    figure.suptitle(f"What is reported, and what is met again, with {NUM_SMALL} images each")
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
