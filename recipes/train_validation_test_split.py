# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""Train, validation, test: choose on validation, and use the test set once, at the end.

Symptom   The reported accuracy is never met again: it was taken on the training data, or on a
          test set that had also chosen the epoch, the network or the settings.
Remedy    Three stratified parts. Train on the first; choose everything on the second; the third
          gives one number for the one network chosen, and nothing is changed after that.
Look for  Optimism: reported accuracy minus accuracy on much data that nobody has touched, in
          points. On the test set the best of many candidates is also the luckiest; a test set
          used once is right on average.
Not when  You have so much data that chance hardly matters, or only one candidate: then choosing
          costs next to nothing. With very little data prefer cross-validation to one split.
Source    Cawley & Talbot (2010), On Over-fitting in Model Selection and Subsequent Selection Bias
          in Performance Evaluation, JMLR 11.
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
SYMPTOM = "honest measuring"
DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10")  # all but the first are downloaded
VARIANTS = {  # the part of the data that chooses the candidate, the part that is reported
    "reported on training": ("validation", "train"),
    "chosen on the test set": ("test", "test"),
    "reported on validation": ("validation", "validation"),
    "chosen on validation": ("validation", "test"),  # <- the remedy
}
SELECT = []  # nothing more to test: how to use a test set is what this recipe compares
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("optimism (points)", "reported on training", "chosen on validation", -1),
    ("optimism (points)", "chosen on the test set", "chosen on validation", -1),
    ("optimism (points)", "reported on validation", "chosen on validation", -1),
]
EPOCHS, QUICK_EPOCHS = 15, 2
DROPOUT_RATES = (0.0, 0.1, 0.2, 0.3, 0.4)  # a candidate: one of these, after one of the epochs
NUM_TRAIN, NUM_SMALL = 200, 60  # images for training; for validation and for the test
REPETITIONS = 200  # other splits of the held-out images, for each seed


def load_data(dataset, seed):
    """Return {"train", "held out"}: pixels (n, features) in 0..1, labels (n,)."""
    if dataset == "digits":
        x, y = load_digits(return_X_y=True)
    else:
        x, y = getattr(keras.datasets, dataset).load_data()[0]
    x, y = x.reshape(len(x), -1).astype("float32") / x.max(), y.ravel().astype("int64")
    split = {"train_size": NUM_TRAIN, "stratify": y, "random_state": seed}
    x, x_rest, y, y_rest = train_test_split(x, y, **split)  # each class has its share in both
    return {"train": (x, y), "held out": (x_rest[:5000], y_rest[:5000])}


def build_model(dropout_rate, num_features, num_classes=10):
    """Return a compiled MLP."""
    model = keras.Sequential([keras.Input((num_features,)), layers.Dense(64, activation="relu")])
    model.add(layers.Dropout(dropout_rate))
    model.add(layers.Dense(num_classes, activation="softmax"))
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train_candidates(data, epochs):
    """Return each candidate's hits on the held-out images, its training accuracy, its curves."""
    x, y = data["train"]
    meets, train_scores, curves = [], [], []

    def meet(inputs, labels):
        outputs = keras.ops.convert_to_numpy(model(inputs, training=False))
        return outputs.argmax(1) == labels

    def watch(epoch, logs):  # not Keras's running accuracy, taken with units dropped
        meets.append(meet(*data["held out"]))
        train_scores.append(meet(x, y).mean())

    for rate in DROPOUT_RATES:
        model = build_model(rate, num_features=x.shape[1])
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=watch)]
        fit = {"validation_data": batches(data["held out"], 5000), "callbacks": callbacks}
        history = model.fit(batches((x, y), 50), epochs=epochs, shuffle=False, verbose=0, **fit)
        curves.append(history.history)
    return np.array(meets), train_scores, {k: [c[k] for c in curves] for k in curves[0]}


def train(variant, data, epochs):
    """Report as this variant does, over many splits; return its numbers and its curves."""
    if "candidates" not in data:  # the same candidates for each variant
        data["candidates"] = train_candidates(data, epochs)
    meets, train_scores, curves = data["candidates"]
    choose_on, report_on = VARIANTS[variant]
    labels, reported, fresh = data["held out"][1], [], []
    for repetition in range(REPETITIONS):
        split = {"train_size": NUM_SMALL, "random_state": repetition}
        small, rest = train_test_split(np.arange(len(labels)), stratify=labels, **split)
        test, rest = train_test_split(rest, stratify=labels[rest], **split)
        parts = {"validation": small, "test": test, "rest": rest}
        scores = {name: meets[:, part].mean(1) for name, part in parts.items()}
        scores["train"] = np.array(train_scores)
        best = scores[choose_on].argmax()
        reported.append(100 * scores[report_on][best])
        fresh.append(100 * scores["rest"][best])
    optimism = np.subtract(reported, fresh)
    numbers = {
        "reported accuracy (%)": np.mean(reported),
        "accuracy on fresh data (%)": np.mean(fresh),
        "optimism (points)": np.mean(optimism),
    }
    curves = {name: np.mean(values, 0) for name, values in curves.items()}
    return numbers, curves | {"optimism": optimism}, None


def plot(runs):
    """Return the figure: the four curves to watch, and the optimism of each way to report."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.5), width_ratios=(1, 1, 1.3))
    for axis, metric in zip(axes, ("accuracy", "loss"), strict=False):
        draw(axis, runs, next(iter(VARIANTS)), metric, "training", "tab:blue")
        draw(axis, runs, next(iter(VARIANTS)), f"val_{metric}", "validation", "tab:orange")
        axis.set(xlabel="epoch", title=f"Each epoch: {metric}")
    axes[0].set_ylabel("accuracy")
    axes[1].set_ylabel("cross-entropy (nats)")
    axes[1].legend(title="mean of networks,\nrange of seeds")
    values = [
        np.ravel([r["curves"]["optimism"] for r in runs if r["variant"] == v]) for v in VARIANTS
    ]
    labels = [variant.replace(" on ", " on\n") for variant in VARIANTS]
    axes[2].boxplot(values, orientation="horizontal", tick_labels=labels, showmeans=True)
    axes[2].axvline(0, color="gray", linestyle=":")
    axes[2].set(
        xlabel="reported - fresh data (points), triangle: mean",
        title=f"Optimism with {NUM_SMALL} images each",
    )
    figure.suptitle("What is reported, and what is met again")
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
