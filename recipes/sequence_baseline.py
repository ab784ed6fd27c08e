# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Sequence baseline: a forecast has to beat "as now", and learns to when it forecasts the change.

Symptom   A forecast that looks right is the last value, a step late (or worse, out of its range).
Remedy    Measure skill, 1 - error / error of the echo ("it stays as it is"): at 0 or below the
          network is worth nothing. Train on differences, add its answer to the last value.
Look for  On the raw series R2 is near 100 %, the skill negative, the echo nearer in most steps; on
          the differences the skill is above 0.
Not when  The series swings about a fixed level: then the level itself tells something. Many
          series (prices) are random walks: 0 is then all. A linear model needs no differences.
Source    Hyndman & Athanasopoulos (2021), Forecasting: Principles and Practice, 3rd ed.
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
from sklearn.metrics import r2_score

SYMPTOM = "honest measuring"
VARIANTS = {"raw series": False, "differences": True}
EFFECTS = [("nearer than the echo (%)", "raw series", "differences", +1)]  # +1: more is better
SEEDS, EPOCHS, WINDOW = 3, 20, 12  # WINDOW: steps that the network sees


def load_data(seed):
    """Return the series to train on and the one to validate on, which comes after it."""
    random = np.random.default_rng(seed)  # <- your own data
    change = random.normal(size=1800)
    for step in range(1, 1800):  # a change goes on for a while
        change[step] += 0.7 * change[step - 1]
    series = np.cumsum(change / change.std())
    return series[:1200], series[1200:]


def build_model(num_inputs):
    """Return a compiled MLP that forecasts one number from the last ones."""
    model = keras.Sequential([keras.Input((num_inputs,)), layers.Dense(32, activation="relu")])
    model.add(layers.Dense(1))
    model.compile("adam", "mae")
    return model


def windows(series):
    """Return windows (n, WINDOW) and the value after each (n,)."""
    return np.lib.stride_tricks.sliding_window_view(series, WINDOW)[:-1], series[WINDOW:]


def train(variant, data, epochs):
    """Train one variant; return its numbers and its forecast."""
    (x, y), (x_val, y_val) = (windows(series) for series in data)
    last, last_val = x[:, -1], x_val[:, -1]
    if VARIANTS[variant]:
        x, y, x_val = np.diff(x), y - last, np.diff(x_val)  # <- the remedy
    model = build_model(x.shape[1])
    model.fit(batches((x, y), 32), epochs=epochs, shuffle=False, verbose=0)
    forecast = model(x_val).numpy()[:, 0]
    if VARIANTS[variant]:
        forecast = last_val + forecast
    error, echo_error = np.abs(y_val - forecast), np.abs(y_val - last_val)
    numbers = {
        "validation skill (%)": 100 * (1 - error.mean() / echo_error.mean()),
        "nearer than the echo (%)": 100 * np.mean(error < echo_error),
        "validation R2 (%)": 100 * r2_score(y_val, forecast),
    }
    return numbers, {"true": y_val, "echo": last_val, "forecast": forecast}


def plot(runs):
    """Return the figure: the first seed's series and forecasts, and their errors."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for variant, results in runs.items():
        skill = np.mean([numbers["validation skill (%)"] for numbers, _ in results])
        curves = results[0][1]
        label = f"learned from {variant}: mean skill {skill:.0f} %"
        left.plot(curves["forecast"][:60], label=label)
        right.plot(np.abs(curves["true"] - curves["forecast"])[:60], label=label)
    left.plot(curves["true"][:60], color="black", linewidth=1, label="what came")
    right.plot(np.abs(curves["true"] - curves["echo"])[:60], color="gray", label="echo: skill 0 %")
    left.set(title="Forecasts of the next step, first seed", ylabel="value")
    right.set(title="Their errors", ylabel="absolute error")
    for axis in (left, right):
        axis.set_xlabel(f"steps, from {WINDOW} after the training data on")
        axis.legend()
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
