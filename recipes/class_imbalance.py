# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Class imbalance: a rare class is found where the threshold, or the loss, says what it is worth.

Symptom   High accuracy, but the rare class is hardly ever predicted: "common" is right for 97 %.
Remedy    `fit(class_weight=...)`, inverse to the frequencies (it spoils the probabilities); or say
          "rare" above the share of rare rows, not above 1/2. Both move the same border.
Look for  Rare rows are found, for some false alarms; the precision-recall area stays.
Not when  A miss costs what a false alarm does; or no class is learned at all: loss_function.py.
Source    Elkan (2001), The Foundations of Cost-Sensitive Learning, IJCAI; Lin et al. (2017), ICCV.
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
from sklearn.metrics import average_precision_score, balanced_accuracy_score, recall_score

SYMPTOM = "rare class"
SHARE = 0.03  # <- share of the rows that are of the rare class: that of your own data
VARIANTS = {  # (loss, weights of the common and the rare class, threshold)
    "nothing": ("binary_crossentropy", None, 0.5),
    "focal loss": ("binary_focal_crossentropy", None, 0.5),  # alone it moves no border
    "class weights": ("binary_crossentropy", {0: 0.5 / (1 - SHARE), 1: 0.5 / SHARE}, 0.5),
    "moved threshold": ("binary_crossentropy", None, SHARE),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("balanced accuracy (%)", "nothing", "class weights", +1),
    ("balanced accuracy (%)", "nothing", "moved threshold", +1),
]
SEEDS, EPOCHS = 3, 15
GRID = np.linspace(-4, 5, 60)  # <- of the first two features (others 0), for the figure


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: features (n, 2), rare (n,) 0 or 1."""
    random = np.random.default_rng(seed)  # <- your own data
    y = (random.permutation(10000) < SHARE * 10000).astype(int)
    x = random.normal(size=(10000, 2)) + 1.1 * y[:, None]
    return (x[:4000], y[:4000]), (x[4000:], y[4000:])


def build_model(loss):
    """Return a compiled MLP that gives the probability of the rare class."""
    base_rate = keras.initializers.Constant(np.log(SHARE / (1 - SHARE)))  # not to start at 1/2
    model = keras.Sequential([keras.Input((2,)), layers.Dense(16, activation="relu")])
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid", bias_initializer=base_rate))
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers, and its border and rows for the figure."""
    loss, weights, threshold = VARIANTS[variant]
    (x, y), (x_val, y_val) = data[0], (data[1][0], np.ravel(data[1][1]))
    model, training = build_model(loss), batches((x, y), 100)
    model.fit(training, epochs=epochs, class_weight=weights, shuffle=False, verbose=0)  # <- either
    probability = model(x_val).numpy()[:, 0]
    rare = probability > threshold  # <- the remedy: or this
    numbers = {
        "accuracy (%)": 100 * np.mean(rare == y_val),
        "balanced accuracy (%)": 100 * balanced_accuracy_score(y_val, rare),
        "rare rows found (%)": 100 * recall_score(y_val, rare),
        "precision-recall area (%)": 100 * average_precision_score(y_val, probability),
    }
    plane = np.pad(np.dstack(np.meshgrid(GRID, GRID)).reshape(-1, 2), [(0, 0), (0, x.shape[1] - 2)])
    says_rare = model(plane).numpy().reshape(60, 60) > threshold
    return numbers, {"says rare": says_rare, "x": x_val, "y": y_val}


def plot(runs):
    """Return the figure: rows of the first seed, and where each variant says "rare"."""
    figure = plt.figure(figsize=(14, 4.4), layout="constrained")
    axes = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axis, variant in zip(axes, runs, strict=True):
        numbers, curves = runs[variant][0]
        x, y = curves["x"][:2000], curves["y"][:2000]
        axis.contourf(GRID, GRID, curves["says rare"], levels=[0.5, 1.5], colors=["mistyrose"])
        axis.scatter(*x[y == 0, :2].T, s=3, color="tab:blue", label="common")
        axis.scatter(*x[y == 1, :2].T, s=10, color="tab:red", label=f"rare ({SHARE:.0%})")
        axis.set_title(f"{variant}\nrare rows found: {numbers['rare rows found (%)']:.0f} %")
        axis.set(xlabel="feature 1", ylabel="feature 2", xlim=(-4, 5), ylim=(-4, 5))
    axis.legend(loc="lower right")
    figure.suptitle('Validation rows, and the region in which the network says "rare" (pink)')
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
