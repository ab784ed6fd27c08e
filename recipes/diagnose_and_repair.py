# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Diagnose and repair: let the findings say what to change, one root cause at a time.

Symptom   The network predicts one class only. Three common mistakes hide behind one another here.
Remedy    Train with `callbacks=[Diagnosis()]`, change what its first finding names, and that only;
          train again, until the report is clean.
Look for  Accuracy stays at that of one class until the last mistake that blocks it has gone: a
          repair may be right although the network still predicts one class only.
Not when  The report is clean and it fails on new data: then look at the data (data_mismatch.py).
Source    Ng (2018), Machine Learning Yearning, chapters 20-32; Schoop et al. (2021), UMLAUT, CHI.
"""

import os
import sys
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
from sklearn.model_selection import train_test_split

sys.path.append(str(Path(__file__).resolve().parents[1]))  # callbacks/ of the repository
try:
    from callbacks.diagnosis import Diagnosis
except ModuleNotFoundError as error:
    print(f"error: {error}: copy the folder callbacks/ beside this file", file=sys.stderr)
    sys.exit(2)

SYMPTOM = "start here"
# How many mistakes are repaired: in each stage also the first finding of the stage before.
VARIANTS = {"sick": 0, "1 sigmoid output": 1, "2 normalized inputs": 2, "3 relu": 3}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "sick", "3 relu", +1),
    ("errors and warnings", "sick", "3 relu", -1),
]
SEEDS, EPOCHS = 3, 30


def load_data(seed):
    """Return (x, y) to train on, to validate on, and the seed: features (n, 30), labels 0 or 1."""
    x, y = load_breast_cancer(return_X_y=True)  # <- your own data
    y = (y == 0).astype("float32")  # malignant: 1
    x, x_val, y, y_val = train_test_split(x, y, train_size=0.6, stratify=y, random_state=seed)
    return (x, y), (x_val, y_val), seed


def build_model(x_train, num_repaired):
    """Return a compiled MLP of 8 hidden layers with the first `num_repaired` mistakes repaired."""
    model = keras.Sequential([keras.Input((30,))])
    if num_repaired >= 2:
        normalization = layers.Normalization()
        normalization.adapt(x_train)  # the training split only
        model.add(normalization)
    activation, start = "sigmoid", "glorot_uniform"
    if num_repaired >= 3:
        activation, start = "relu", "he_normal"
    for number in range(1, 9):
        model.add(layers.Dense(32, activation, kernel_initializer=start, name=f"hidden_{number}"))
    model.add(layers.Dense(1, "sigmoid" if num_repaired >= 1 else "softmax", name="output"))
    model.compile(keras.optimizers.SGD(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one stage; return its numbers and its curves. The first seed's reports are printed."""
    (x, y), held_out, seed = data
    training, validation = batches((x, y), 32), batches(held_out, 2000)
    model = build_model(x, VARIANTS[variant])
    # 0, as the next stage makes the change: else it would be tried on clones
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)  # <- the remedy
    fit = {"epochs": epochs, "shuffle": False, "verbose": 0, "callbacks": [diagnosis]}
    log = model.fit(training, validation_data=validation, **fit).history
    if seed == 0:  # one seed's reports in full; the figure and the table have the others
        print(f"\n\n{diagnosis.report()}\n")
    serious = [finding.symptom for finding in diagnosis.findings if finding.severity != "note"]
    numbers = {
        "validation accuracy (%)": 100 * model.evaluate(validation, verbose=0)[1],
        "errors and warnings": len(serious),
    }
    return numbers, log | {"findings": serious}


def plot(runs):
    """Return the figure: accuracy of each stage, and below it what Diagnosis found there."""
    figure = plt.figure(figsize=(13, 7), layout="constrained")
    above, below = figure.subfigures(2, 1)
    axes = above.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    table = below.subplots()
    findings = [curves["findings"] for results in runs.values() for _, curves in results]
    symptoms = list(dict.fromkeys(symptom for report in findings for symptom in report))
    for stage, (variant, results) in enumerate(runs.items()):
        for _, curves in results:
            axes[stage].plot(curves["accuracy"], "C0", curves["val_accuracy"], "C1", alpha=0.7)
        axes[stage].set(title=variant, xlabel="epoch (from 0)", ylabel="accuracy", ylim=(0, 1.02))
        reports = [curves["findings"] for _, curves in results]
        roots = [report[0] for report in reports if report]
        for row, symptom in enumerate(symptoms):
            count = sum(symptom in report for report in reports)
            if count:
                color = "salmon" if symptom in roots else "lightgray"
                table.barh(row, 0.9, left=stage - 0.45, color=color)
                table.text(stage, row, f"{count} of {len(reports)} seeds", ha="center", va="center")
        if not any(reports):
            table.text(stage, 0, "clean report", ha="center", va="center", fontsize=14)
    axes[0].legend(["training", "validation"], title="a line for each seed")
    table.set_xticks(range(len(runs)), list(runs))
    table.set_yticks(range(len(symptoms)), symptoms)
    table.set(xlim=(-0.5, len(runs) - 0.5), ylim=(len(symptoms) - 0.5, -0.5))
    table.set_title("Errors and warnings found (red: the root cause, treated in the next stage)")
    figure.suptitle("Diagnosed, treated, diagnosed again: one root cause at a time")
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
