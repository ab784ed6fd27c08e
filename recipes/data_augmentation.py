# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""Data augmentation: show the network each training image in the ways it may vary.

Symptom   Training accuracy is near 100 %, validation accuracy stays well below it, and there are
          few images: high variance (overfitting).
Remedy    Keras's augmentation layers as the first layers of the model. They change the images in
          training only, so `evaluate`, `predict` and the saved model need nothing more.
Look for  Shifts help here, because the digits really lie at varying places. Mirrored digits do
          not occur: flips alone hardly change the score, added to the shifts they cost ten points.
          "Differ in training" and "in inference": the images whose output changes from one call to
          the next.
Not when  The transformation changes the label (a mirrored 2 is no 2), or does not vary in the data:
          then it can only make the task harder. When the network underfits, it lowers both scores.
Source    Simard, Steinkraus & Platt (2003), Best Practices for Convolutional Neural Networks
          Applied to Visual Document Analysis, ICDAR. Shorten & Khoshgoftaar (2019), A survey on
          Image Data Augmentation for Deep Learning, J. Big Data 6.
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
DATASETS = ("digits", "mnist", "fashion_mnist")  # all but the first are downloaded
VARIANTS = {
    "none": [],
    "shifts": ["shift"],
    "flips": ["flip"],
    "shifts and flips": ["shift", "flip"],
}
SELECT = ["validation accuracy (%)"]  # the variant with the most of it is the only one tested
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "none", "shifts", +1),
    ("generalization gap (points)", "none", "shifts", -1),
    ("validation accuracy (%)", "flips", "shifts", +1),
]
EPOCHS, QUICK_EPOCHS = 60, 2
NUM_TRAIN = 200  # images; small on purpose, so that it overfits
MARGIN = 0.5  # width of the empty border around an image that moves in it, in image widths


def load_data(dataset, seed):
    """Return {"train", "validation", "test"}: images (n, size, size, 1) in 0..1, labels (n,)."""
    if dataset == "digits":
        x, y = load_digits(return_X_y=True)
        x = x.reshape(-1, 8, 8)
    else:
        x, y = getattr(keras.datasets, dataset).load_data()[0]
    x, y = place_at_random(x.astype("float32") / x.max(), seed)[..., None], y.astype("int64")
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    x, x_val, y, y_val = train_test_split(x, y, train_size=NUM_TRAIN, stratify=y, random_state=seed)
    return {"train": (x, y), "validation": (x_val, y_val), "test": (x_test, y_test)}


def place_at_random(images, seed):
    """Return the images on a larger black canvas, each at its own place."""
    size = images.shape[1]
    room = int(MARGIN * size)
    canvas = np.zeros((len(images), size + room, size + room), "float32")
    for number, (row, column) in enumerate(
        np.random.default_rng(seed).integers(0, room + 1, (len(images), 2))
    ):
        canvas[number, row : row + size, column : column + size] = images[number]
    return canvas


def build_model(names, size, num_classes=10):
    """Return a compiled MLP that sees its training images changed by these augmentations."""
    model = keras.Sequential([keras.Input((size, size, 1))])
    if "shift" in names:  # <- the remedy; whole pixels, at most half of the room there is
        reach = MARGIN / (1 + MARGIN) / 2
        model.add(layers.RandomTranslation(reach, reach, "constant", interpolation="nearest"))
    if "flip" in names:
        model.add(layers.RandomFlip("horizontal"))
    model.add(layers.Flatten())
    for _ in range(2):
        model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def accuracy(model, x, y):
    """Return the accuracy in percent, on the images as they are."""
    return 100 * model.evaluate(x, y, batch_size=2000, verbose=0, return_dict=True)["accuracy"]


def differ(model, x, training):
    """Return the share (%) of images whose output changes from one call to the next."""
    first, second = (keras.ops.convert_to_numpy(model(x, training=training)) for _ in range(2))
    return 100 * np.mean(np.abs(first - second).max(1) > 1e-6)


def train(variant, data, epochs):
    """Train one variant; return its numbers, its curves, and a function that tests it."""
    x, y = data["train"]
    model = build_model(VARIANTS[variant], size=x.shape[1])
    training, validation = batches((x, y), 50), batches(data["validation"], 2000)
    history = model.fit(
        training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0
    )
    train_score = accuracy(model, x, y)
    validation_score = accuracy(model, *data["validation"])
    numbers = {
        "train accuracy (%)": train_score,
        "validation accuracy (%)": validation_score,
        "generalization gap (points)": train_score - validation_score,
        "differ in training (%)": differ(model, x, training=True),
        "differ in inference (%)": differ(model, x, training=False),
    }
    return numbers, history.history, lambda: accuracy(model, *data["test"])


def plot(runs):
    """Return the figure: a column for each augmentation, the same axes for all."""
    figure, axes = plt.subplots(2, len(VARIANTS), figsize=(12, 5.5), sharex=True, sharey="row")
    for place, variant in enumerate(VARIANTS):
        for row, metric in enumerate(("accuracy", "loss")):
            draw(axes[row, place], runs, variant, metric, "training, augmented", "tab:blue")
            draw(axes[row, place], runs, variant, f"val_{metric}", "validation", "tab:orange")
        axes[0, place].set_title(variant)
        axes[1, place].set_xlabel("epoch")
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("cross-entropy (nats)")
    axes[1, -1].legend(title="mean, range of seeds", loc="lower left")
    figure.suptitle(f"{NUM_TRAIN} training images at varying places: which augmentation fits?")
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
