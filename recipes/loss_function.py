# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""Loss function: cross-entropy for classes, a linear output with MSE for numbers.

Symptom   The loss falls, yet the score stays poor; or a regression never leaves a narrow range.
Remedy    Classes: softmax and cross-entropy, whose gradient stays large while the network is
          wrong (that of MSE through a softmax fades when it is confidently wrong). Numbers: one
          linear unit and MSE; with outliers in the targets Huber or MAE.
Look for  Left, digits: at the same learning rate cross-entropy is there after a few epochs. Middle,
          diabetes progression: a sigmoid cannot reach targets outside 0..1. Right, a tenth of the
          training targets is corrupted on purpose: MSE chases these outliers, MAE and Huber less.
Not when  The loss already suits the output. With a rate of its own MSE comes closer on classes
          (Hui & Belkin 2021 get it level). MAE predicts the median: with skewed clean targets,
          and when large errors are what costs, MSE is the right one.
Source    Golik, Doetsch & Ney (2013), Cross-Entropy vs. Squared Error Training, Interspeech.
          Hui & Belkin (2021), Evaluation of Neural Architectures Trained with Square Loss vs
          Cross-Entropy in Classification Tasks, ICLR. Huber (1964), Robust Estimation of a Location
          Parameter.
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
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split

# For your own data and network, change the settings, load_data and build_model.
SYMPTOM = "high bias"
DATASETS = ("digits and diabetes",)
VARIANTS = {  # data, activation of the output, loss
    "classes, MSE": ("classes", "softmax", "mse"),
    "classes, cross-entropy": ("classes", "softmax", "categorical_crossentropy"),
    "numbers, sigmoid, MSE": ("numbers", "sigmoid", "mse"),
    "numbers, linear, MSE": ("numbers", "linear", "mse"),
    "outliers, MSE": ("outliers", "linear", "mse"),
    "outliers, MAE": ("outliers", "linear", "mae"),
    "outliers, Huber": ("outliers", "linear", "huber"),
}
SELECT = ["validation accuracy (%)", "validation R2 (%)"]  # the best by each is the one tested
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "classes, MSE", "classes, cross-entropy", +1),
    ("validation R2 (%)", "numbers, sigmoid, MSE", "numbers, linear, MSE", +1),
    ("validation R2 (%)", "outliers, MSE", "outliers, MAE", +1),
    ("validation R2 (%)", "outliers, MSE", "outliers, Huber", +1),
]
EPOCHS, QUICK_EPOCHS = 22, 2
OUTLIERS = 0.1  # share of the training targets that is moved up by 10 standard deviations
COLORS = ("tab:blue", "tab:orange", "tab:blue", "tab:orange", "tab:gray", "tab:green", "tab:purple")


def load_data(dataset, seed):
    """Return {task: {"train", "validation", "test"}}: inputs (n, features), targets (n, units)."""
    data = {}
    for task, (x, y) in {
        "classes": load_digits(return_X_y=True),
        "numbers": load_diabetes(return_X_y=True, scaled=False),
    }.items():
        y = np.eye(10)[y] if task == "classes" else y.reshape(-1, 1)
        x, x_test, y, y_test = train_test_split(x, y, test_size=0.2, random_state=seed)
        x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=seed)
        if task == "numbers":  # one scale, from the training rows alone
            x, x_val, x_test = ((v - x.mean(0)) / x.std(0) for v in (x, x_val, x_test))
            y, y_val, y_test = ((v - y.mean()) / y.std() for v in (y, y_val, y_test))
        else:  # pixels, to 0..1
            x, x_val, x_test = (v / 16 for v in (x, x_val, x_test))
        data[task] = {"train": (x, y), "validation": (x_val, y_val), "test": (x_test, y_test)}
    x, y = data["numbers"]["train"]
    wrong = np.random.default_rng(seed).permutation(len(y)) < OUTLIERS * len(y)
    data["outliers"] = data["numbers"] | {"train": (x, y + 10 * wrong[:, None])}
    return data


def build_model(num_features, num_outputs, activation, loss):
    """Return a compiled MLP with this activation of its output and this loss."""
    hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
    output = layers.Dense(num_outputs, activation=activation)  # <- the remedy, first half
    model = keras.Sequential([keras.Input((num_features,)), *hidden, output])
    metric = keras.metrics.CategoricalAccuracy if num_outputs > 1 else keras.metrics.R2Score
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer, loss, metrics=[metric(name="score")])  # <- and second half
    return model


def score(model, x, y):
    """Return the accuracy in percent (classes) or R2 in percent of the variance (numbers)."""
    return 100 * model.evaluate(x, y, batch_size=2000, verbose=0, return_dict=True)["score"]


def train(variant, data, epochs):
    """Train one variant; return its numbers, its curves, and a function that tests it."""
    task, activation, loss = VARIANTS[variant]
    data = data[task]
    x, y = data["train"]
    model = build_model(x.shape[1], y.shape[1], activation, loss)
    training, validation = batches((x, y), 64), batches(data["validation"], 2000)
    history = model.fit(
        training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0
    ).history
    name = "accuracy (%)" if task == "classes" else "R2 (%)"
    numbers = {f"{k} {name}": score(model, *data[k]) for k in ("train", "validation")}
    gap = numbers[f"train {name}"] - numbers[f"validation {name}"]
    numbers["generalization gap (points)"] = gap
    return numbers, history, lambda: score(model, *data["test"])


def plot(runs):
    """Return the figure: a column for each task."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.5))
    tasks = {"classes": "Digits", "numbers": "Diabetes", "outliers": "Diabetes, corrupted targets"}
    for axis, (task, title) in zip(axes, tasks.items(), strict=True):
        for number, (variant, settings) in enumerate(VARIANTS.items()):
            color = COLORS[number % len(COLORS)]
            if settings[0] == task:
                draw(axis, runs, variant, "val_score", variant.partition(", ")[2], color)
        unit = (
            "validation accuracy"
            if task == "classes"
            else "validation R2 (1: perfect, 0: the mean)"
        )
        axis.set(
            title=title, xlabel="epoch", ylabel=unit, ylim=(-5 if task == "outliers" else 0, 1)
        )
        axis.legend(title="mean, range of seeds")
    figure.suptitle("Does the loss suit the output?")
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
