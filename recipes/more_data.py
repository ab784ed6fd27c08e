# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""More data: draw the learning curve first; it tells whether more data will help at all.

Symptom   Validation accuracy disappoints, and somebody proposes to collect more data.
Remedy    Train on 5 % ... 100 % of the training data and plot both scores against the size. A gap
          that closes, with a validation score still rising, is high variance: get more data.
Look for  The wide network gains with every step, and its gap closes: high variance. With 3 units
          the two curves meet far below the goal: high bias, where the last doubling adds little.
Not when  Both curves lie close together below your goal: take a larger model, or train longer.
Source    Cortes et al. (1993), Learning Curves: Asymptotic Values and Rate of Convergence, NIPS.
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
SHARES = (5, 10, 25, 50, 100)  # % of the training data
WIDTHS = (128, 3)  # hidden units: one network that can learn the task, one that cannot
VARIANTS = {f"{share} %, {units} units": (share, units) for units in WIDTHS for share in SHARES}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "5 %, 128 units", "100 %, 128 units", +1),
    ("validation accuracy (%)", "50 %, 128 units", "100 %, 128 units", +1),
    ("generalization gap (points)", "5 %, 128 units", "100 %, 128 units", -1),
]
SEEDS, EPOCHS = 3, 30


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=0.5, stratify=y, random_state=seed)
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model(units):
    """Return a compiled MLP with one hidden layer of so many units."""
    model = keras.Sequential([keras.Input((64,))])
    model.add(layers.Dense(units, activation="leaky_relu"))  # so that none of the few dies
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    (share, units), (x, y) = VARIANTS[variant], data[0]
    size = len(x) * share // 100
    part = (x[:size], y[:size])  # in random order: a part of it is a fair sample
    repeated = np.resize(np.arange(size), len(x))  # so that all take equally many steps
    model = build_model(units)
    training, validation = batches(part, 2000), batches(data[1], 2000)
    repeated = batches((x[repeated], y[repeated]), 64)
    log = model.fit(repeated, epochs=epochs, shuffle=False, verbose=0)
    scores = [100 * model.evaluate(part, verbose=0)[1] for part in (training, validation)]
    numbers = {
        "training accuracy (%)": scores[0],
        "validation accuracy (%)": scores[1],
        "generalization gap (points)": scores[0] - scores[1],
        "training images": size,
    }  # <- the remedy: look at the first two against the last
    return numbers, log.history


def plot(runs):
    """Return the figure: the learning curve of each network."""
    figure = plt.figure(figsize=(11, 4.8), layout="constrained")
    widths = list(dict.fromkeys(VARIANTS[variant][1] for variant in runs))
    axes = figure.subplots(1, len(widths), sharex=True, sharey=True, squeeze=False)[0]
    for axis, units in zip(axes, widths, strict=True):
        of_width = [results for variant, results in runs.items() if VARIANTS[variant][1] == units]
        sizes = [results[0][0]["training images"] for results in of_width]
        for part in ("training", "validation"):
            name = f"{part} accuracy (%)"
            scores = [interval([numbers[name] for numbers, _ in results]) for results in of_width]
            axis.errorbar(sizes, *np.transpose(scores), label=part, marker="o", capsize=3)
        axis.set(title=f"{units} hidden units", xlabel="training images", xscale="log")
        axis.set_xticks(sizes, sizes, minor=False)
    axes[0].set_ylabel("accuracy (%)")
    axes[0].legend(title="mean, 95 % interval")
    figure.suptitle("Learning curves: does more data help?")
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
