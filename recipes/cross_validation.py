# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Cross-validation: with few rows let each of them validate once, and take the mean.

Symptom   Another random split of the same rows, another score: which of two networks is the better
          one depends on the split.
Remedy    `StratifiedKFold`: five trainings, each validated on another fifth of the rows; the mean
          is the score. (`cross_val_score` takes a `keras.wrappers.SKLearnClassifier`.)
Look for  The scores of single splits lie far apart, the means of five folds close together. How
          far other rows would move the score, they do not tell.
Not when  Thousands of rows validate: one split tells enough, for a fifth of the cost. Rows belong
          together or follow in time: folds of groups or of periods (data_leakage.py). Where the
          seed of the start moves the score more than the split does: ensemble.py.
Source    Kohavi (1995), A Study of Cross-Validation and Bootstrap, IJCAI.
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
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold, train_test_split

SYMPTOM = "score depends on the seed"
VARIANTS = {"one split": 1, "mean of 5 folds": 5}  # of the five folds of a shuffling, those used
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("spread of the score (points)", "one split", "mean of 5 folds", -1),
]
SEEDS, EPOCHS = 3, 20
NUM_ROWS, NUM_SHUFFLINGS = 100, 8  # the same rows are split anew so many times


def load_data(seed):
    """Return (x, y): measurements (n, 30), benign 1 or malignant 0 (n,)."""
    x, y = load_breast_cancer(return_X_y=True)  # <- your own data
    x, _, y, _ = train_test_split(x, y, train_size=NUM_ROWS, stratify=y, random_state=seed)
    return x, y


def build_model():
    """Return a compiled MLP for two classes."""
    model = keras.Sequential([keras.Input((30,))])
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))  # <- more classes: softmax
    sgd = keras.optimizers.SGD(0.1)  # without a memory of its own: each training begins anew
    model.compile(sgd, "binary_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Score the same rows by many splits; return how far the scores spread."""
    x, y = data
    model = build_model()
    start = model.get_weights()
    scores = []
    for shuffling in range(NUM_SHUFFLINGS):
        folds = StratifiedKFold(5, shuffle=True, random_state=shuffling).split(x, y)
        of_folds = []
        for training, validation in list(folds)[: VARIANTS[variant]]:  # <- the remedy
            scaled = (x - x[training].mean(axis=0)) / np.maximum(x[training].std(axis=0), 1e-9)
            model.set_weights(start)
            known = batches((scaled[training], y[training]), 20)
            model.fit(known.repeat(epochs), shuffle=False, verbose=0)
            _, accuracy = model.evaluate(scaled[validation], y[validation], verbose=0)
            of_folds.append(100 * accuracy)
        scores.append(np.mean(of_folds))
    numbers = {
        "score (%)": np.mean(scores),
        "spread of the score (points)": np.std(scores, ddof=1),
    }
    return numbers, {"scores": scores}


def plot(runs):
    """Return the figure: the scores of each seed's rows, a dot for each shuffling."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    for number, (variant, results) in enumerate(runs.items()):
        for seed, (_, curves) in enumerate(results):
            places = seed + 0.3 * number + np.linspace(0, 0.15, NUM_SHUFFLINGS)
            label = variant if seed == 0 else None
            axis.plot(places, curves["scores"], "o", alpha=0.5, color=f"C{number}", label=label)
    axis.set_xticks([])
    axis.set(xlabel=f"{NUM_ROWS} rows of each seed", ylabel="validation accuracy (%)")
    axis.set_title(f"One network, the same rows split {NUM_SHUFFLINGS} times: a dot for each")
    axis.legend(title="score of")
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
