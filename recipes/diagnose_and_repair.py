# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""Diagnose and repair: let the findings say what to change, one root cause at a time.

Symptom   Something is wrong with the network, and you do not know what: it predicts one class
          only. Here three common mistakes hide behind one another.
Remedy    Train with `callbacks=[Diagnosis()]`, change what its first finding names, and that only;
          train again, until the report is clean. Each stage below treats the first finding of the
          stage before it.
Look for  Accuracy stays at that of one class (first the rarer one, then the other) until the last
          mistake that blocks it has gone: a repair may be right although the network still
          predicts one class only, and the findings show it.
Not when  The report is clean and the network still fails on new data: then the data are to be
          looked at (recipes/data_mismatch.py), not the network.
Source    Ng (2018), Machine Learning Yearning, chapters 20-32; Schoop, Huang & Hartmann (2021),
          UMLAUT: Debugging Deep Learning Programs using Program Structure and Model Behavior, CHI.
Needs     callbacks/diagnosis.py and callbacks/gradient_monitor.py: copy them along.
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
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import train_test_split

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
try:
    from callbacks.diagnosis import Diagnosis
except ModuleNotFoundError as error:
    note = "`python -m recipes copy diagnose_and_repair FOLDER` copies it along"
    print(f"error: {error}; {note}", file=sys.stderr)
    sys.exit(2)

# For your own data and network, change the settings, load_data and build_model.
SYMPTOM = "start here"
DATASETS = ("breast_cancer", "wine")  # both embedded in scikit-learn
VARIANTS = {  # stage: what is treated from here on, the first finding of the stage before
    "sick": None,
    "1 sigmoid output": "unsuitable_output_activation",
    "2 normalized inputs": "unnormalized_inputs",
    "3 relu": "vanishing_gradient",
}
SELECT = ["validation accuracy (%)"]  # the best stage by this is tested, beside the sick one
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "sick", "3 relu", +1),
    ("errors and warnings", "sick", "3 relu", -1),
]
EPOCHS, QUICK_EPOCHS = 30, 3
NUM_LAYERS, NUM_UNITS = 8, 32  # hidden layers, units in each


def load_data(dataset, seed):
    """Return {"train", "validation", "test"}: raw features (n, features), labels 0 or 1 (n,)."""
    loaders = {"breast_cancer": load_breast_cancer, "wine": load_wine}
    x, y = loaders[dataset](return_X_y=True)
    y = (y == 0).astype("float32")  # malignant, or the first of the three wines: 1
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
    return {"train": (x, y), "validation": (x_val, y_val), "test": (x_test, y_test)}


def build_model(x_train, treated):
    """Return a compiled MLP without the mistakes whose symptoms are in `treated`."""
    model = keras.Sequential([keras.Input((x_train.shape[1],))])
    if "unnormalized_inputs" in treated:
        normalization = layers.Normalization()
        normalization.adapt(x_train)  # the training split only
        model.add(normalization)
    hidden = ("relu", "he_normal") if "vanishing_gradient" in treated else ("sigmoid", None)
    for number in range(1, NUM_LAYERS + 1):
        name = f"hidden_{number}"
        model.add(layers.Dense(NUM_UNITS, hidden[0], kernel_initializer=hidden[1], name=name))
    output = "sigmoid" if "unsuitable_output_activation" in treated else "softmax"
    model.add(layers.Dense(1, output, name="output"))
    model.compile(keras.optimizers.SGD(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model


def accuracy(model, x, y):
    """Return the accuracy in percent."""
    return 100 * model.evaluate(x, y, batch_size=2000, verbose=0, return_dict=True)["accuracy"]


def train(variant, data, epochs):
    """Train one stage; return its numbers, its curves, and a function that tests it."""
    stages = list(VARIANTS)
    treated = {VARIANTS[stage] for stage in stages[1 : stages.index(variant) + 1]}
    model = build_model(data["train"][0], treated)
    diagnosis = Diagnosis(verbose=False)  # <- the remedy
    fit = {"validation_data": batches(data["validation"], 2000), "verbose": 0}
    fit |= {"epochs": epochs, "callbacks": [diagnosis]}
    history = model.fit(batches(data["train"], 32), shuffle=False, **fit).history
    serious = [finding for finding in diagnosis.findings if finding.severity != "note"]
    print(f"\n== {variant}\n{diagnosis.report()}")
    numbers = {
        "train accuracy (%)": accuracy(model, *data["train"]),
        "validation accuracy (%)": accuracy(model, *data["validation"]),
        "errors and warnings": len(serious),
    }
    gap = numbers["train accuracy (%)"] - numbers["validation accuracy (%)"]
    numbers["generalization gap (points)"] = gap
    if variant == "sick":  # where the path begins; its end is tested when it has been selected
        numbers["test accuracy (%)"] = accuracy(model, *data["test"])
    curves = {"accuracy": history["accuracy"], "val_accuracy": history["val_accuracy"]}
    curves["findings"] = [finding.symptom for finding in serious]  # the root cause first
    return numbers, curves, lambda: accuracy(model, *data["test"])


def plot(runs):
    """Return the figure: accuracy of each stage, and below it what Diagnosis found there."""
    figure = plt.figure(figsize=(13, 7))
    grid = figure.add_gridspec(2, len(VARIANTS), height_ratios=(1, 1.2))
    path, axis = figure.add_subplot(grid[1, :]), None
    found = {name: None for run in runs for name in run["curves"]["findings"]}
    symptoms = list(dict.fromkeys([*filter(found.__contains__, VARIANTS.values()), *found]))
    for stage, variant in enumerate(VARIANTS):
        axis = figure.add_subplot(grid[0, stage], sharey=axis)
        draw(axis, runs, variant, "accuracy", "training", "tab:blue")
        draw(axis, runs, variant, "val_accuracy", "validation", "tab:orange")
        tested = column(runs, variant, "test accuracy (%)")
        title = variant + (f"\ntest accuracy {np.mean(tested):.1f} %" if tested else "\n")
        axis.set(title=title, xlabel="epoch", ylim=(0, 1.02))
        reports = [run["curves"]["findings"] for run in runs if run["variant"] == variant]
        for row, name in enumerate(symptoms):
            if count := sum(name in report for report in reports):
                is_root = any(report[0] == name for report in reports if report)
                color = "salmon" if is_root else "lightgray"
                path.barh(row, 0.9, left=stage - 0.45, color=color)
                text = f"{count} of {len(reports)} seeds" + (": treat this next" if is_root else "")
                path.text(stage, row, text, ha="center", va="center")
        if not any(reports):
            path.text(stage, (len(symptoms) - 1) / 2, "clean report", ha="center", fontsize=14)
    figure.axes[1].set_ylabel("accuracy")
    figure.axes[1].legend(title="mean, range of seeds", loc="upper left", fontsize=8)
    path.set(xlim=(-0.5, len(VARIANTS) - 0.5), ylim=(len(symptoms) - 0.5, -0.5))
    path.set_xticks(range(len(VARIANTS)), VARIANTS)
    path.set_yticks(range(len(symptoms)), symptoms)
    path.set_title("Errors and warnings found in each stage (red: the root cause, named first)")
    figure.suptitle("Diagnosed, treated, diagnosed again: one root cause at a time")
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
