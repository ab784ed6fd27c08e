# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""Data mismatch: when the field differs from the training data, train on data like the field's.

Symptom   Training and test accuracy are high, and yet it fails in the field.
Remedy    First tell the reason: hold out a train-dev part of the training source. Train-dev low:
          high variance. Train-dev high and validation (from the field) low: data mismatch. Then add
          data like the field's to the training data, and validate on the field's.
Look for  The step from train-dev to validation: the mismatch. The same number of further images
          from the old source does not help; images like the field's close most of it.
          The lab's digits are clean; the field's have a gray background, low contrast and noise.
Not when  Train-dev is low as well: repair the variance first. If field data cannot be had, make
          the training data like it (recipes/data_augmentation.py), and validate on true field data.
Source    Ng (2018), Machine Learning Yearning, chapters 36-43. Recht et al. (2019), Do ImageNet
          Classifiers Generalize to ImageNet?, ICML.
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
SYMPTOM = "data mismatch"
DATASETS = ("digits", "mnist", "fashion_mnist")  # all but the first are downloaded
VARIANTS = {  # training images from the lab, from the field
    "lab only": (500, 0),
    "more from the lab": (700, 0),
    "field data added": (500, 200),  # <- the remedy
}
SELECT = []  # nothing is chosen here, so all may be measured in the field: its test set
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "lab only", "field data added", +1),
    ("validation accuracy (%)", "more from the lab", "field data added", +1),
    ("mismatch (points)", "lab only", "field data added", -1),
]
EPOCHS, QUICK_EPOCHS = 40, 2
PARTS = {
    "train": "tab:blue",
    "train-dev": "tab:cyan",
    "validation": "tab:orange",
    "field": "tab:red",
}


def load_data(dataset, seed):
    """Return {"lab", "field", "train-dev", "validation", "field test"}: images, labels."""
    if dataset == "digits":
        x, y = load_digits(return_X_y=True)
        x = x.reshape(-1, 8, 8)
    else:
        x, y = getattr(keras.datasets, dataset).load_data()[0]
    x, y, data = x.astype("float32") / x.max(), y.astype("int64"), {}
    rng = np.random.default_rng(seed)
    sizes = {"lab": 700, "train-dev": 250, "field": 200, "validation": 250, "field test": 250}
    for part, size in sizes.items():
        split = {"train_size": size, "stratify": y, "random_state": seed}
        x_part, x, y_part, y = train_test_split(x, y, **split)
        if part not in ("lab", "train-dev"):
            x_part = make_field(x_part, rng)
        data[part] = x_part.reshape(size, -1), y_part
    return data


def make_field(images, rng):
    """Return the images as the field takes them: low contrast on a gray background, and noise."""
    noise = rng.normal(0, 0.1, images.shape)
    return (0.4 + 0.4 * images + noise).astype("float32")


def build_model(num_features, num_classes=10):
    """Return a compiled MLP."""
    hidden = layers.Dense(128, activation="relu")
    output = layers.Dense(num_classes, activation="softmax")
    model = keras.Sequential([keras.Input((num_features,)), hidden, output])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def accuracy(model, x, y):
    """Return the accuracy in percent."""
    return 100 * model.evaluate(x, y, batch_size=2000, verbose=0, return_dict=True)["accuracy"]


def train(variant, data, epochs):
    """Train one variant; return its numbers and its curves."""
    num_lab, num_field = VARIANTS[variant]
    sources = (("lab", num_lab), ("field", num_field))
    x, y = (np.concatenate([data[k][i][:n] for k, n in sources]) for i in (0, 1))
    model = build_model(num_features=x.shape[1])
    training, validation = batches((x, y), 64), batches(data["validation"], 2000)
    history = model.fit(
        training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0
    ).history
    numbers = {
        "train accuracy (%)": accuracy(model, x, y),
        "train-dev accuracy (%)": accuracy(model, *data["train-dev"]),
        "validation accuracy (%)": accuracy(model, *data["validation"]),
        "field accuracy (%)": accuracy(model, *data["field test"]),
    }
    mismatch = numbers["train-dev accuracy (%)"] - numbers["validation accuracy (%)"]
    images = {k: data[k][0][:10] for k in ("lab", "validation")}
    return numbers | {"mismatch (points)": mismatch}, history | images, None


def plot(runs):
    """Return the figure: images of both sources, and the four numbers of each variant."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.8), width_ratios=(1, 2))
    images = [runs[0]["curves"][k] for k in ("lab", "validation")]
    size = int(np.sqrt(images[0].shape[1]))
    framed = [np.pad(i.reshape(-1, size, size), ((0, 0), (1, 1), (1, 1))) for i in images]
    columns = [np.concatenate(list(i)[:4]) for i in framed]
    axes[0].imshow(np.concatenate(columns, axis=1), cmap="gray", vmin=0, vmax=1)
    axes[0].set(xticks=[size / 2, 1.5 * size + 2], xticklabels=["lab", "field"], yticks=[])
    axes[0].set_title("Images of both sources")
    for place, (part, color) in enumerate(PARTS.items()):
        scores = [interval(column(runs, v, f"{part} accuracy (%)")) for v in VARIANTS]
        mean, half = np.transpose(scores)
        where = np.arange(len(VARIANTS)) + 0.2 * place
        axes[1].bar(where, mean, 0.19, yerr=half, color=color, label=part, capsize=3)
    axes[1].set_xticks(np.arange(len(VARIANTS)) + 0.3, list(VARIANTS))
    axes[1].set(
        ylabel="accuracy (%)", ylim=(0, 125), yticks=range(0, 101, 20), title="Mean, 95 % interval"
    )
    axes[1].legend(ncols=4, loc="upper center", title="accuracy on")
    figure.suptitle("From train to train-dev: variance. From train-dev to validation: mismatch")
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
