# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Data mismatch: when the field differs from the training data, train on data like the field's.

Symptom   Training and test accuracy are high, and yet it fails in the field.
Remedy    Hold out a train-dev part of the training source. If that is high and validation (from
          the field) is low, it is data mismatch: train on data like the field's.
Look for  The step from train-dev to validation. More images from the old source do not help; images
          like the field's (gray background, low contrast, noise) close most of it.
Not when  Train-dev is low as well: first the variance (dropout.py). Or the split: data_leakage.py.
Source    Ng (2018), Machine Learning Yearning, chapters 36-43.
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

SYMPTOM = "data mismatch"
# Training images from the lab and from the field (<- as many as you have); remedy: the third.
VARIANTS = {"lab only": (500, 0), "more from the lab": (700, 0), "field data added": (500, 200)}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "lab only", "field data added", +1),
    ("validation accuracy (%)", "more from the lab", "field data added", +1),
    ("mismatch (points)", "lab only", "field data added", -1),
]
PARTS = ("training", "train-dev", "validation", "field test")
SEEDS, EPOCHS = 3, 40


def load_data(seed):
    """Return {part: (x, y)}: pixels (n, 64), about 0..1, and labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data; train-dev is of the lab alone
    x, data, rng = x / 16, {}, np.random.default_rng(seed)  # <- the scale of yours
    sizes = {"lab": 700, "train-dev": 250, "field": 200, "validation": 250, "field test": 250}
    for part, size in sizes.items():
        x_one, x, y_one, y = train_test_split(x, y, train_size=size, stratify=y, random_state=seed)
        if part in ("field", "validation", "field test"):  # gray background, low contrast, noise
            x_one = 0.4 + 0.4 * x_one + rng.normal(0, 0.1, x_one.shape)
        data[part] = (x_one, y_one)
    return data


def build_model():
    """Return a compiled MLP."""
    model = keras.Sequential([keras.Input((64,)), layers.Dense(128, activation="relu")])
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and, as curves, some images of both sources."""
    num_lab, num_field = VARIANTS[variant]
    x = np.concatenate([data["lab"][0][:num_lab], data["field"][0][:num_field]])
    y = np.concatenate([data["lab"][1][:num_lab], data["field"][1][:num_field]])
    model = build_model()
    model.fit(batches((x, y), 64), epochs=epochs, shuffle=False, verbose=0)
    scores = {}
    for part in PARTS:
        scores[part] = 100 * model.evaluate(batches(data.get(part, (x, y)), 2000), verbose=0)[1]
    numbers = {f"{part} accuracy (%)": score for part, score in scores.items()}
    numbers["mismatch (points)"] = scores["train-dev"] - scores["validation"]
    return numbers, {"lab": data["lab"][0][:4], "field": data["validation"][0][:4]}


def plot(runs):
    """Return the figure: images of both sources, and the four accuracies of each variant."""
    figure = plt.figure(figsize=(12, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    images = next(iter(runs.values()))[0][1]
    both = np.hstack([images["lab"].reshape(32, 8), images["field"].reshape(32, 8)])  # <- size
    left.imshow(both, cmap="gray", vmin=0, vmax=1)
    left.set(xticks=(3.5, 11.5), xticklabels=("lab", "field"), yticks=(), title="Some images")
    for place, part in enumerate(PARTS):
        name = f"{part} accuracy (%)"
        scores = [interval([numbers[name] for numbers, _ in results]) for results in runs.values()]
        mean, half = np.transpose(scores)
        right.bar(np.arange(len(runs)) + 0.2 * place, mean, 0.19, yerr=half, label=part)
    right.set_xticks(np.arange(len(runs)) + 0.3, list(runs))
    right.set(ylabel="accuracy (%)", ylim=(0, 125), yticks=range(0, 101, 20))
    right.legend(ncols=4, loc="upper center", title="accuracy on (mean, 95 % interval)")
    figure.suptitle("From training to train-dev: variance. From train-dev to validation: mismatch")
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
