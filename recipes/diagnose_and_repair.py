# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Diagnose and repair: let the findings say what to change, one root cause at a time.

Symptom   Something is wrong with the network, and you do not know what: it predicts one class
          only. Here three common mistakes hide behind one another.
Remedy    Train with `callbacks=[Diagnosis()]`, change what its first finding names, and that only;
          train again, until the report is clean. Each stage treats the first finding of the last.
Look for  Accuracy stays at that of one class (first the rarer one, then the other) until the last
          mistake that blocks it has gone: a repair may be right although the network still
          predicts one class only, and the findings show it.
Not when  The report is clean and the network fails on new data: then look at the data
          (data_mismatch.py).
Source    Ng (2018), Machine Learning Yearning, chapters 20-32; Schoop, Huang & Hartmann (2021),
          UMLAUT: Debugging Deep Learning Programs, CHI.
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
VARIANTS = {  # the stage, and the mistakes treated: each the first finding of the stage before
    "sick": (),
    "1 sigmoid output": ("output",),
    "2 normalized inputs": ("output", "inputs"),
    "3 relu": ("output", "inputs", "activation"),
}
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


def build_model(x_train, treated):
    """Return a compiled MLP of 8 hidden layers without the mistakes `treated`."""
    model = keras.Sequential([keras.Input((30,))])
    if "inputs" in treated:
        normalization = layers.Normalization()
        normalization.adapt(x_train)  # the training split only
        model.add(normalization)
    activation, initializer = "sigmoid", "glorot_uniform"
    if "activation" in treated:
        activation, initializer = "relu", "he_normal"
    for number in range(1, 9):
        hidden = layers.Dense(32, activation, kernel_initializer=initializer)
        hidden.name = f"hidden_{number}"
        model.add(hidden)
    output = "sigmoid" if "output" in treated else "softmax"
    model.add(layers.Dense(1, output, name="output"))
    model.compile(keras.optimizers.SGD(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one stage; return its numbers and its curves. The first seed's reports are printed."""
    (x, y), held_out, seed = data
    training, validation = batches((x, y), 32), batches(held_out, 2000)
    model = build_model(x, VARIANTS[variant])
    diagnosis = Diagnosis(verbose=False)  # <- the remedy
    fit = {"epochs": epochs, "shuffle": False, "verbose": 0, "callbacks": [diagnosis]}
    log = model.fit(training, validation_data=validation, **fit).history
    if seed == 0:  # one seed's reports in full; the figure and the table have the others
        print(f"\n\n{diagnosis.report()}\n")
    serious = [finding.symptom for finding in diagnosis.findings if finding.severity != "note"]
    numbers = {
        "training accuracy (%)": 100 * model.evaluate(training, verbose=0)[1],
        "validation accuracy (%)": 100 * model.evaluate(validation, verbose=0)[1],
        "errors and warnings": len(serious),
    }
    return numbers, log | {"findings": serious}


def plot(runs):
    """Return the figure: accuracy of each stage, and below it what Diagnosis found there."""
    figure = plt.figure(figsize=(13, 7), layout="constrained")
    above, below = figure.subfigures(2, 1)
    axes, table = above.subplots(1, len(runs), sharey=True, squeeze=False)[0], below.subplots()
    symptoms = []  # a row for each, in the order in which they are found
    for stage, (axis, (variant, results)) in enumerate(zip(axes, runs.items(), strict=True)):
        for _, curves in results:
            axis.plot(curves["accuracy"], "C0", curves["val_accuracy"], "C1", alpha=0.7)
        axis.set(title=variant, xlabel="epoch (from 0)", ylim=(0, 1.02))
        reports = [curves["findings"] for _, curves in results]
        symptoms += [s for report in reports for s in report if s not in symptoms]
        symptoms = list(dict.fromkeys(symptoms))
        for row, symptom in enumerate(symptoms):
            count = sum(symptom in report for report in reports)
            is_root = any(report[:1] == [symptom] for report in reports)
            text = f"{count} of {len(reports)} seeds" + (": treat this next" if is_root else "")
            if count == 0:
                continue
            table.barh(row, 0.9, left=stage - 0.45, color="salmon" if is_root else "lightgray")
            table.text(stage, row, text, ha="center", va="center")
        if not any(reports):
            table.text(stage, 0, "clean report", ha="center", va="center", fontsize=14)
    axes[0].set_ylabel("accuracy")
    axes[0].legend(["training", "validation"], title="a line for each seed")
    table.set_xticks(range(len(runs)), list(runs))
    table.set_yticks(range(len(symptoms)), symptoms)
    table.set(xlim=(-0.5, len(runs) - 0.5), ylim=(len(symptoms) - 0.5, -0.5))
    table.set_title("Errors and warnings found in each stage (red: the root cause, named first)")
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
        print(f"\n{name}, mean ± 95 % interval")
        for variant, results in runs.items():
            mean, half = interval([numbers[name] for numbers, _ in results])
            print(f"    {variant:32}{mean:9.4g} ± {half:.2g}")
    effects = {}
    for name, baseline, remedy, sign in EFFECTS:
        if baseline not in runs or remedy not in runs:
            continue  # a variant was taken out
        pairs = zip(runs[baseline], runs[remedy], strict=True)
        mean, half = interval([after[name] - before[name] for (before, _), (after, _) in pairs])
        verdict = "better" if sign * mean > half else "worse" if -sign * mean > half else "unclear"
        print(f"\n{remedy} against {baseline}: {name} {mean:+.3g} ± {half:.2g}, {verdict}")
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
