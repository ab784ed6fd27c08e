# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Weight averaging: validate and keep the average of the last weights, not the last ones.

Symptom   The validation score jumps from epoch to epoch, to the end: the last one's is luck.
Remedy    An optimizer with `use_ema=True` keeps an exponential moving average of the weights while
          it trains as before; `SwapEMAWeights` puts it in for validation and at the end.
Look for  A smooth validation curve above the jumping one, at no cost in steps.
Not when  The rate falls to 0 towards the end: that averages as well (learning_rate_schedule.py).
          Early in training the average lags behind; of a training that diverges it is no better.
          Statistics of BatchNormalization are not averaged with the weights: measure them anew.
          EarlyStopping(restore_best_weights=True) puts other weights in its place; a
          ModelCheckpoint saves it with SwapEMAWeights(swap_on_epoch=True) before it.
Source    Polyak & Juditsky (1992), Acceleration of Stochastic Approximation by Averaging; Izmailov
          et al. (2018), Averaging Weights Leads to Wider Optima and Better Generalization, UAI.
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
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SYMPTOM = "score depends on the seed"
VARIANTS = {"last weights": False, "moving average": True}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("accuracy of the last 5 epochs (%)", "last weights", "moving average", +1),
    ("spread of the last 10 epochs (points)", "last weights", "moving average", -1),
]
SEEDS, EPOCHS = 3, 15
NUM_TRAIN, NUM_WRONG = 600, 100  # training images; of which mislabelled


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x = (x / 16).astype("float32")  # <- the scale of yours
    x, x_val, y, y_val = train_test_split(x, y, train_size=NUM_TRAIN, stratify=y, random_state=seed)
    shift = np.random.default_rng(seed).integers(1, 10, NUM_WRONG)  # never back to the right class
    y[:NUM_WRONG] = (y[:NUM_WRONG] + shift) % 10  # <- NUM_WRONG = 0 with your own
    return (x, y), (x_val, y_val)


def build_model(average):
    """Return a compiled MLP whose optimizer keeps a moving average of the weights, or does not."""
    model = keras.Sequential([keras.Input((64,))])
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    sgd = keras.optimizers.SGD(0.5, use_ema=average, ema_momentum=0.98)  # <- the remedy
    model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    average = VARIANTS[variant]
    training, validation = batches(data[0], 10), batches(data[1], 2000)
    model = build_model(average)
    # It puts the average in for each validation; `fit` leaves it in the model at the end.
    callbacks = [keras.callbacks.SwapEMAWeights()] if average else []  # <- its other half
    options = {"epochs": epochs, "callbacks": callbacks, "shuffle": False, "verbose": 0}
    log = model.fit(training, validation_data=validation, **options)
    accuracy = 100 * np.array(log.history["val_accuracy"])
    numbers = {
        "validation accuracy (%)": accuracy[-1],  # the last epoch's: luck, without the average
        "accuracy of the last 5 epochs (%)": np.mean(accuracy[-5:]),
        "spread of the last 10 epochs (points)": np.std(accuracy[-10:]),
    }
    return numbers, log.history


def plot(runs):
    """Return the figure: validation accuracy, a line for each seed."""
    figure = plt.figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axis, variant in zip(axes, runs, strict=True):
        for seed, (_, curves) in enumerate(runs[variant], start=1):
            accuracy = 100 * np.array(curves["val_accuracy"])
            axis.plot(np.arange(1, len(accuracy) + 1), accuracy, label=f"seed {seed}")
        axis.set(title=variant, xlabel="epoch")
    figure.axes[0].set_ylabel("validation accuracy (%)")
    figure.axes[0].legend()
    figure.suptitle("The same training, validated with its last weights and with their average")
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
