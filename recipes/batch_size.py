# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Batch size: larger batches make fewer steps, so each step must be longer.

Symptom   With larger batches an epoch takes fewer seconds, but as many epochs get less far.
Remedy    Raise the learning rate with the batch, at most in proportion: the gradient is less noisy.
          If the loss jumps at first (not here), let the rate rise in the first steps (warm-up).
Look for  Left: at the rate of the small batch the large one lags behind, at 16 times the rate it
          nearly catches up. Right: in a sixteenth of the steps (the table has the seconds).
Not when  The large rate diverges: steps cannot grow for ever. No memory: gradient_accumulation.py.
Source    Goyal et al. (2017), Accurate, Large Minibatch SGD; Shallue et al. (2019), JMLR 20.
"""

import os
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's log would bury the result
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SYMPTOM = "high bias"
VARIANTS = {  # (images in a batch, learning rate, steps of warm-up)
    "8, rate 0.02": (8, 0.02, 0),
    "128, rate 0.02": (128, 0.02, 0),
    "128, rate 0.32": (128, 0.32, 0),
    "128, rate 0.32, warmed up": (128, 0.32, 8),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("training loss (nats)", "128, rate 0.02", "128, rate 0.32", -1),
    ("validation accuracy (%)", "128, rate 0.02", "128, rate 0.32", +1),
]
SEEDS, EPOCHS = 3, 6


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=1024, stratify=y, random_state=seed)
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model(rate, warmup):
    """Return a compiled MLP whose learning rate rises to `rate` in the first `warmup` steps."""
    hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
    output = layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((64,)), *hidden, output])
    if warmup:
        rate = keras.optimizers.schedules.PolynomialDecay(0.0, warmup, rate)
    sgd = keras.optimizers.SGD(rate, momentum=0.9)  # <- the remedy: the rate fits the batch
    model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    batch_size, rate, warmup = VARIANTS[variant]
    training, validation = batches(data[0], batch_size), batches(data[1], 2000)
    model = build_model(rate, warmup)
    ends = []  # of the epochs, in seconds
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.perf_counter()))
    options = {"epochs": epochs, "shuffle": False, "verbose": 0, "callbacks": [clock]}
    log = model.fit(training, validation_data=validation, **options)
    return {
        "steps": epochs * len(training),
        "seconds": ends[-1] - ends[0],  # without the first epoch, which traces the step
        "training loss (nats)": log.history["loss"][-1],
        "validation accuracy (%)": 100 * log.history["val_accuracy"][-1],
    }, log.history


def plot(runs):
    """Return the figure: training loss by epochs and by steps; means and range of seeds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    for variant, results in runs.items():
        values = np.array([curves["loss"] for _, curves in results])
        epochs = np.arange(1, values.shape[1] + 1)
        steps = epochs * results[0][0]["steps"] / len(epochs)
        for axis, places in ((left, epochs), (right, steps)):
            axis.plot(places, values.mean(axis=0), label=variant if axis is left else None)
            axis.fill_between(places, values.min(axis=0), values.max(axis=0), alpha=0.2)
    left.set(xlabel="epochs", ylabel="training loss (nats)", yscale="log")
    right.set(xlabel="steps", xscale="log")
    figure.legend(title="images in a batch", loc="outside lower center", ncols=4)
    figure.suptitle("The same epochs in small and in large batches (mean and range of seeds)")
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
