# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Weight decay: at each step take a share off every weight, beside the gradient's step.

Symptom   High variance: training accuracy 100 %, validation accuracy well below it.
Remedy    `AdamW(weight_decay=...)` in the place of Adam. Keras multiplies the decay by the rate: at
          10 and a rate of 0.003 each step takes 3 % off.
Look for  The gap closes, validation accuracy stays up. (A fifth of the training labels is wrong.)
Not when  Training accuracy is low, or early_stopping.py or dropout.py has closed the gap. A penalty
          of the right strength (l1_l2_regularization.py) does as much, although Adam rescales it.
Source    Loshchilov & Hutter (2019), Decoupled Weight Decay Regularization, ICLR.
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

SYMPTOM = "high variance"
VARIANTS = {  # (L2 penalty in the loss, decay)
    "nothing": (0.0, 0.0),
    "L2 0.03": (0.03, 0.0),
    "AdamW 3": (0.0, 3.0),
    "AdamW 10": (0.0, 10.0),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "nothing", "AdamW 10", +1),
    ("generalization gap (points)", "nothing", "AdamW 10", -1),
]
SEEDS, EPOCHS = 3, 80
NUM_TRAIN, NUM_WRONG = 150, 30  # training images, few so that it overfits; of which mislabelled


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=NUM_TRAIN, stratify=y, random_state=seed)
    shift = np.random.default_rng(seed).integers(1, 10, NUM_WRONG)  # never back to the right class
    y[:NUM_WRONG] = (y[:NUM_WRONG] + shift) % 10  # <- NUM_WRONG = 0 with your own
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model(l2, decay):
    """Return a compiled MLP with weight decay, or with an L2 penalty."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        regularizer = keras.regularizers.L2(l2)
        model.add(layers.Dense(256, activation="relu", kernel_regularizer=regularizer))
    model.add(layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.AdamW(0.003, weight_decay=decay)  # <- the remedy
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    training, validation = batches(data[0], 75), batches(data[1], 2000)
    model = build_model(*VARIANTS[variant])
    options = {"validation_data": validation, "epochs": epochs, "shuffle": False, "verbose": 0}
    history = model.fit(training, **options).history
    on_training, on_validation = history["accuracy"][-1], history["val_accuracy"][-1]
    numbers = {
        "training accuracy (%)": 100 * on_training,
        "validation accuracy (%)": 100 * on_validation,
        "generalization gap (points)": 100 * (on_training - on_validation),
    }
    return numbers, history


def plot(runs):
    """Return the figure: accuracy by epoch; lines are means, bands the range of the seeds."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    for axis, curve in zip(axes, ("accuracy", "val_accuracy"), strict=True):
        for variant, results in runs.items():
            values = 100 * np.array([curves[curve] for _, curves in results])
            epochs = np.arange(1, values.shape[1] + 1)
            axis.plot(epochs, values.mean(axis=0), label=variant)
            axis.fill_between(epochs, values.min(axis=0), values.max(axis=0), alpha=0.2)
        axis.set_xlabel("epoch")
    axes[0].set(title="training, a fifth of the labels wrong", ylabel="accuracy (%)")
    axes[1].set_title("validation")
    axes[1].legend()
    figure.suptitle("Adam with L2 in the loss and with decoupled decay (mean and range of seeds)")
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
