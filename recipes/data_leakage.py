# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Data leakage: whatever is learned from data is learned after the split, from the training part.

Symptom   The validation score is splendid; the field, with data nobody had, gets a poor one.
Remedy    Split first; choose columns, scale and fill gaps with the training rows alone. Rows that
          belong together (patient, day, device) go to one side: `GroupShuffleSplit`.
Look for  Validation comes down to what the field gets: the number was wrong, the network stays as
          it is. Left: labels are coin tosses, 50 % is the truth. Right: eight rows of each person.
Not when  Both sides are cut from one process and the field differs from it: data_mismatch.py.
          Means and scales of many rows taken before the split leak next to nothing; targets do.
Source    Kapoor & Narayanan (2023), Leakage and the Reproducibility Crisis, Patterns 4.
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
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import GroupShuffleSplit

SYMPTOM = "honest measuring"
VARIANTS = {  # (data, what leaks)
    "columns chosen on all rows": ("coin tosses", "targets"),
    "columns chosen in training": ("coin tosses", None),
    "rows split": ("8 rows a person", "persons"),
    "persons split": ("8 rows a person", None),
}
GAP = "validation - field (points)"
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    (GAP, "columns chosen on all rows", "columns chosen in training", -1),
    (GAP, "rows split", "persons split", -1),
]
SEEDS, EPOCHS = 3, 30


def load_data(seed):
    """Return {data: (x, y, groups)}: features (n, f), labels (n,), who belongs together (n,)."""
    random = np.random.default_rng(seed)  # <- your own data; the second half is the field
    tosses = random.normal(size=(600, 2000)), random.integers(0, 2, 600), np.arange(600)
    person = np.arange(1920) // 8  # eight rows of each of 240 persons
    center = random.normal(size=(240, 20))
    x = center[person] + 0.3 * random.normal(size=(1920, 20))
    ill = center[:, 0] + random.normal(size=240) > 0
    return {"coin tosses": tosses, "8 rows a person": (x, ill[person].astype(int), person)}


def build_model(num_features):
    """Return a compiled MLP for two classes."""
    model = keras.Sequential([keras.Input((num_features,))])
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))  # <- more classes: softmax
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers (the figure needs no curves)."""
    name, leak = VARIANTS[variant]
    x, y, groups = data[name]
    x, x_field = np.split(x, 2)  # while developing, nobody has the field's half
    y, y_field = np.split(y, 2)
    all_rows = np.arange(len(x))
    together = all_rows if leak == "persons" else groups[all_rows]  # <- the remedy
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.3, random_state=0)
    training, validation = next(splitter.split(x, y, together))
    if name == "coin tosses":
        seen = all_rows if leak == "targets" else training  # <- the remedy
        best = SelectKBest(k=20).fit(x[seen], y[seen])  # the 20 columns that tell most of y
        x, x_field = best.transform(x), best.transform(x_field)
    model = build_model(x.shape[1])
    model.fit(batches((x[training], y[training]), 32), epochs=epochs, shuffle=False, verbose=0)
    _, on_validation = model.evaluate(x[validation], y[validation], batch_size=1000, verbose=0)
    _, on_field = model.evaluate(x_field, y_field, batch_size=1000, verbose=0)
    numbers = {
        "validation accuracy (%)": 100 * on_validation,
        "field accuracy (%)": 100 * on_field,
        GAP: 100 * (on_validation - on_field),
    }
    return numbers, {}


def plot(runs):
    """Return the figure: what validation promises and what the field gets, a dot for each seed."""
    figure, axis = plt.subplots(figsize=(10, 4.5), layout="constrained")
    places = np.arange(len(runs))
    for shift, part in ((-0.2, "validation"), (0.2, "field")):
        values = [[n[f"{part} accuracy (%)"] for n, _ in runs[name]] for name in runs]
        axis.bar(places + shift, np.mean(values, axis=1), 0.38, label=part)
        axis.plot(places + shift, values, "k.")
    axis.axhline(50, color="gray", linestyle="--", label="guessing, the truth for coin tosses")
    axis.set_xticks(places, [f"{name}\n({VARIANTS[name][0]})" for name in runs])
    axis.set(ylabel="accuracy (%), dots: seeds", ylim=(0, 110))
    axis.set_title("What validation promises and what the field gets")
    axis.legend(loc="upper center", ncols=3)
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
