# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Target scaling: let a regression learn targets of mean 0 and standard deviation 1.

Symptom   A regression hardly moves: a huge first loss, predictions near 0, and after many epochs
          still worse than always predicting the mean (R2 below 0).
Remedy    `Normalization(invert=True)`, adapted to the training targets, as the last layer: the
          network learns numbers near 0 and the layer turns them into the unit of the targets.
Look for  R2 far above 0 within a few epochs, in the unit of the targets, with the same rate.
Not when  The targets are of order 1 already. Under SGD the gradient stays that of the large unit:
          scale the targets before `fit` and put the layer on afterwards. For targets of several
          orders of magnitude learn the logarithm; for inputs see input_normalization.py.
Source    LeCun, Bottou, Orr & Müller (1998), Efficient BackProp.
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
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

SYMPTOM = "high bias"
VARIANTS = {"raw targets": False, "scaled targets": True}  # scaled inside the network?
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation R2 (%)", "raw targets", "scaled targets", +1),
]
SEEDS, EPOCHS = 3, 40


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: measurements (n, 10), score (n,)."""
    x, y = load_diabetes(return_X_y=True, scaled=False)  # <- your own data; y from 25 to 346
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=seed)
    scaler = StandardScaler().fit(x)  # training rows alone; inputs are scaled for both variants
    return (scaler.transform(x), y[:, None]), (scaler.transform(x_val), y_val[:, None])


def build_model(scaled, y):
    """Return a compiled MLP for targets like `y` (n, 1), with their scale built in if `scaled`."""
    model = keras.Sequential([keras.Input((10,))])
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(1))
    if scaled:
        to_unit = layers.Normalization(invert=True)
        to_unit.adapt(y)
        model.add(to_unit)  # <- the remedy
    model.compile("adam", "mse", metrics=[keras.metrics.R2Score(name="r2")])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers, its learning curves and its predictions."""
    training, validation = batches(data[0], 32), batches(data[1], 200)
    model = build_model(VARIANTS[variant], data[0][1])
    log = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0)
    x_val, y_val = data[1]
    numbers = {
        "first loss": log.history["loss"][0],
        "validation R2 (%)": 100 * log.history["val_r2"][-1],
    }
    return numbers, log.history | {"true": y_val, "predicted": model(x_val).numpy()}


def plot(runs):
    """Return the figure: learning curves of all seeds; predictions of the first seed."""
    figure = plt.figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for variant in runs:
        values = np.array([curves["val_r2"] for _, curves in runs[variant]])
        epochs = np.arange(1, values.shape[1] + 1)
        (line,) = left.plot(epochs, values.mean(axis=0), label=variant)
        left.fill_between(epochs, values.min(axis=0), values.max(axis=0), alpha=0.2)
        curves = runs[variant][0][1]
        color = line.get_color()
        right.plot(curves["true"], curves["predicted"], ".", color=color, label=variant)
    left.axhline(0, color="gray", linestyle="--", label="always the mean")
    left.set(xlabel="epoch", ylabel="validation R2 (1: perfect)", title="Mean and range of seeds")
    right.axline((0, 0), slope=1, color="gray", linestyle="--", label="perfect")
    right.set(xlabel="true progression of the disease", ylabel="predicted", title="First seed")
    left.legend()
    right.legend()
    figure.suptitle("A regression of targets from 25 to 346, raw and scaled")
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
