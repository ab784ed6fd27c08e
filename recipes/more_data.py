# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""More data: draw the learning curve first; it tells whether more data will help at all.

Symptom   Validation accuracy disappoints, and somebody proposes to collect more data. That costs
          much; whether it pays can be seen with the data at hand.
Remedy    Train on 5 % ... 100 % of the training data and plot both scores against the size. A gap
          that closes, with a validation score still rising, is high variance: get more data.
Look for  The wide network gains with every step, and its gap closes: high variance. With 3 units
          the two curves meet far below the goal: high bias, where the last doubling adds little.
Not when  Both curves lie close together below your goal: take a larger model instead, or train
          longer. Data of another kind than the field's needs recipes/data_mismatch.py.
Source    Cortes, Jackel, Solla, Vapnik & Denker (1993), Learning Curves: Asymptotic Values and Rate
          of Convergence, NIPS. Hestness et al. (2017), Deep Learning Scaling is Predictable,
          Empirically.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

# For your own data and network, change the settings, load_data and build_model.
SYMPTOM = "high variance"
DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10")  # all but the first are downloaded
SHARES = (5, 10, 25, 50, 100)  # % of the training data
WIDTHS = (128, 3)  # hidden units: one network that can learn the task, one that cannot
VARIANTS = {f"{s} %, {units} units": (s, units) for units in WIDTHS for s in SHARES}
SELECT = ["validation accuracy (%)"]  # the variant with the most of it is the only one tested
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "5 %, 128 units", "100 %, 128 units", +1),
    ("validation accuracy (%)", "50 %, 128 units", "100 %, 128 units", +1),
    ("generalization gap (points)", "5 %, 128 units", "100 %, 128 units", -1),
]
EPOCHS, QUICK_EPOCHS = 30, 1


def load_data(dataset, seed):
    """Return {"train", "validation", "test"}: pixels (n, features) in 0..1, labels (n,)."""
    if dataset == "digits":
        x, y = load_digits(return_X_y=True)
    else:
        x, y = getattr(keras.datasets, dataset).load_data()[0]
    x, y = x.reshape(len(x), -1).astype("float32") / x.max(), y.ravel().astype("int64")
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    return {"train": (x, y), "validation": (x_val, y_val), "test": (x_test, y_test)}


def build_model(units, num_features, num_classes=10):
    """Return a compiled MLP with one hidden layer of so many units."""
    hidden = layers.Dense(units, activation="leaky_relu")  # so that none of the few dies
    output = layers.Dense(num_classes, activation="softmax")
    model = keras.Sequential([keras.Input((num_features,)), hidden, output])
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def accuracy(model, x, y):
    """Return the accuracy in percent."""
    return 100 * model.evaluate(x, y, batch_size=2000, verbose=0, return_dict=True)["accuracy"]


def train(variant, data, epochs):
    """Train one variant; return its numbers, its curves, and a function that tests it."""
    share, units = VARIANTS[variant]
    x, y = data["train"]  # in random order: a part of it is a fair sample
    size = int(len(x) * share / 100)
    model = build_model(units, num_features=x.shape[1])
    full = np.resize(np.arange(size), len(x))  # repeated, so that all take equally many steps
    history = model.fit(batches((x[full], y[full]), 64), epochs=epochs, shuffle=False, verbose=0)
    train_score = accuracy(model, x[:size], y[:size])  # <- the remedy: these two against the size
    validation_score = accuracy(model, *data["validation"])
    numbers = {
        "train accuracy (%)": train_score,
        "validation accuracy (%)": validation_score,
        "generalization gap (points)": train_score - validation_score,
        "training images": size,
    }
    return numbers, history.history, lambda: accuracy(model, *data["test"])


def plot(runs):
    """Return the figure: the learning curve of each network."""
    figure, axes = plt.subplots(1, len(WIDTHS), figsize=(11, 4.8), sharex=True, sharey=True)
    for axis, units in zip(axes, WIDTHS, strict=True):
        names = [f"{share} %, {units} units" for share in SHARES]
        sizes = [np.mean(column(runs, name, "training images")) for name in names]
        for kind, color in (("train", "tab:blue"), ("validation", "tab:orange")):
            scores = [interval(column(runs, name, f"{kind} accuracy (%)")) for name in names]
            mean, half = np.transpose(scores)
            axis.errorbar(sizes, mean, half, color=color, label=kind, marker="o", capsize=3)
        axis.set(title=f"{units} hidden units", xlabel="training images", xscale="log")
        axis.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
        axis.minorticks_off()
    axes[0].set_ylabel("accuracy (%)")
    axes[0].legend(title="mean, 95 % interval")
    figure.suptitle("Learning curves: does more data help?")
    return figure


# ---- From here on every recipe is the same, letter for letter: options, seeds, table, files ----


def batches(data, batch_size):
    """Return batches, shuffled anew here (not in `fit`, which takes three times as long)."""
    return tf.data.Dataset.from_tensor_slices(data).shuffle(len(data[0])).batch(batch_size)


def draw(axis, runs, variant, curve, label, color):
    """Draw one curve of a variant: its mean over the seeds, and their range as a band."""
    values = np.array([run["curves"][curve] for run in runs if run["variant"] == variant], float)
    steps = np.arange(1, values.shape[1] + 1)
    axis.plot(steps, values.mean(0), color=color, label=label)
    axis.fill_between(steps, values.min(0), values.max(0), color=color, alpha=0.2, linewidth=0)


def interval(values):
    """Return the mean and the half-width of its 95 % t interval (NaN for a single value)."""
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1) if len(values) > 1 else np.nan
    return float(np.mean(values)), float(half)


def column(runs, variant, name):
    """Return one number of a variant for every seed (empty if it has no such number)."""
    return [r["numbers"][name] for r in runs if r["variant"] == variant and name in r["numbers"]]


def report(runs, options):
    """Print the table and what it shows; write the figure and the numbers."""
    names = list(dict.fromkeys(name for run in runs for name in run["numbers"]))
    form = "{:.4g} ± {:.2g}" if options.seeds > 1 else "{:.4g}"  # one seed has no interval
    print(f"{'mean ± 95 % interval':26}" + "".join(f"  {name:>16}" for name in names))
    for variant in VARIANTS:
        values = [(name, column(runs, variant, name)) for name in names]
        cells = [(name, form.format(*interval(v)) if v else "-") for name, v in values]
        print(f"{variant:26}" + "".join(f"  {c:>{max(16, len(name))}}" for name, c in cells))
    effects, keys = [], ("quantity", "baseline", "remedy", "difference", "interval", "verdict")
    for name, baseline, remedy, sign in EFFECTS:
        mean, half = interval(np.subtract(column(runs, remedy, name), column(runs, baseline, name)))
        verdict = "better" if sign * mean > half else "worse" if -sign * mean > half else "unclear"
        effects.append(dict(zip(keys, (name, baseline, remedy, mean, half, verdict), strict=True)))
        text = f"{mean:+.3g} ± {half:.2g} (paired, 95 % interval, {options.seeds} seeds)"
        text = text if options.seeds > 1 else f"{mean:+.3g} (one seed, no interval)"
        print(f"{remedy} against {baseline}: {name} {text}: {verdict}.")
    versions = {package.__name__: package.__version__ for package in (keras, tf, np)}
    content = {"recipe": Path(__file__).stem, "title": __doc__.partition("\n")[0]}
    content |= {"symptom": SYMPTOM, "settings": vars(options), "versions": versions}
    content |= {"effects": effects, "runs": runs}
    text = json.dumps(content, default=lambda v: v.tolist() if hasattr(v, "tolist") else str(v))
    text = json.dumps(json.loads(text, parse_constant=lambda _: None))  # JSON knows no NaN
    paths = [options.output / (Path(__file__).stem + suffix) for suffix in (".json", ".png")]
    parts = [path.with_stem(f".part-{path.stem}") for path in paths]  # renamed when both are whole
    parts[0].write_text(text)
    figure = plot(runs)
    figure.tight_layout()
    figure.savefig(parts[1])
    for part, path in zip(parts, paths, strict=True):
        print("Replaced" if path.exists() else "Wrote", part.replace(path))


def parse_options(argv):
    """Return the options; a mistake ends in one sentence on stderr and exit code 2."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(None, argparse.SUPPRESS, __doc__, formatter_class=layout)
    option = parser.add_argument
    option("--epochs", type=int, default=EPOCHS, help=f"of each training (default: {EPOCHS})")
    option("--seeds", type=int, default=3, help="other splits, other weights (default: 3)")
    option("--dataset", default=DATASETS[0], choices=DATASETS, help=f"(default: {DATASETS[0]})")
    option("--output", type=Path, default="results", help="folder to write to (default: results)")
    quick = f"defaults of --seeds 1 --epochs {QUICK_EPOCHS}: a first look, no evidence"
    option("--quick", action="store_true", help=quick)
    options = parser.parse_args(argv)
    if options.quick:
        parser.set_defaults(seeds=1, epochs=QUICK_EPOCHS)
        options = parser.parse_args(argv)
    if min(options.epochs, options.seeds) < 1:
        parser.error(f"--epochs {options.epochs} --seeds {options.seeds}: both must be 1 or more")
    if unknown := {name for effect in EFFECTS for name in effect[1:3]} - set(VARIANTS):
        parser.error(f"EFFECTS names {sorted(unknown)}, not in VARIANTS: change it in this file")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=options.output).close()
        for suffix in (".json", ".png"):
            if (folder := options.output / (Path(__file__).stem + suffix)).is_dir():
                raise IsADirectoryError(f"{folder} is a folder")
        if options.dataset != DATASETS[0]:
            load_data(options.dataset, seed=0)  # downloads it, if it is not there
    except Exception as error:  # Keras raises a bare Exception when a download fails
        parser.error(f"cannot start: {error}; choose another --output or --dataset {DATASETS[0]}")
    return options


def main(argv=None):
    """Train each variant with each seed; print the table; write NAME.png and NAME.json."""
    options = parse_options(argv)
    plt.switch_backend("Agg")  # here and not on import, so that a notebook keeps its own
    runs, tests = [], []
    for seed in range(options.seeds):
        data = load_data(options.dataset, seed)
        for variant in VARIANTS:
            start = time.perf_counter()
            keras.utils.set_random_seed(seed)
            numbers, curves, test = train(variant, data, options.epochs)
            numbers["seconds"] = time.perf_counter() - start
            runs.append({"variant": variant, "seed": seed, "numbers": numbers, "curves": curves})
            tests.append(test)
            shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            total = options.seeds * len(VARIANTS)
            print(f"[{len(runs)}/{total}] {variant}, seed {seed}: {shown}", flush=True)
    for name in SELECT:  # the test set is used here only: once, for the variant selected
        scores = {v: np.mean(c) for v in VARIANTS if (c := column(runs, v, name))}
        best = max(scores, key=lambda variant: np.nan_to_num(scores[variant], nan=-np.inf))
        for run, test in zip(runs, tests, strict=True):
            if run["variant"] == best:
                run["numbers"][name.replace("validation", "test")] = test()
    report(runs, options)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(130)
