# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Gradient accumulation: the step of a large batch when memory holds only a small one.

Symptom   The batch that trains well does not fit into memory; the small one that fits is too noisy
          to settle at the rate made for the large one.
Remedy    `gradient_accumulation_steps=8` in the optimizer: the gradients of 8 batches are averaged,
          then one step is made.
Look for  8 batches of 8 make the steps of a batch of 64, to rounding, which a high rate magnifies.
Not when  The small batch trains well at a smaller rate, as here at an eighth (batch_size.py): it
          makes eight steps meanwhile. Batch normalization still sees 8 rows at a time, see
          layer_normalization.py. It saves memory, not time; and the loss must be a mean over rows.
Source    Goyal et al. (2017), Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour.
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

SYMPTOM = "high bias"
VARIANTS = {  # (images in a batch, batches for one step, learning rate)
    "batches of 64": (64, None, 0.7),
    "batches of 8": (8, None, 0.7),
    "8 batches of 8": (8, 8, 0.7),
    "batches of 8, rate / 8": (8, None, 0.0875),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "batches of 8", "8 batches of 8", +1),
    ("validation loss (nats)", "batches of 8", "8 batches of 8", -1),
]
SEEDS, EPOCHS = 3, 12


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x = (x / 16).astype("float32")  # <- the scale of yours
    x, x_val, y, y_val = train_test_split(x, y, train_size=1024, stratify=y, random_state=seed)
    return (x, y), (x_val, y_val)


def build_model(accumulation_steps, rate):
    """Return a compiled MLP that averages the gradients of so many batches before a step."""
    model = keras.Sequential([keras.Input((64,))])
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.SGD(
        rate,
        gradient_accumulation_steps=accumulation_steps,  # <- the remedy
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    batch_size, accumulation_steps, rate = VARIANTS[variant]
    # Not shuffled: so that 8 batches of 8 hold the very images of one batch of 64.
    training = tf.data.Dataset.from_tensor_slices(data[0]).batch(batch_size)
    validation = batches(data[1], 2000)
    model = build_model(accumulation_steps, rate)
    log = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0)
    numbers = {
        "validation accuracy (%)": 100 * log.history["val_accuracy"][-1],
        "validation loss (nats)": log.history["val_loss"][-1],
    }
    return numbers, log.history


def plot(runs):
    """Return the figure: validation loss; lines are means, bands the range of the seeds."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    for variant, results in runs.items():
        width = 6 if variant == "batches of 64" else 2  # seen under the line of 8 batches of 8
        values = np.array([curves["val_loss"] for _, curves in results])
        epochs = np.arange(1, values.shape[1] + 1)
        axis.plot(epochs, values.mean(axis=0), label=variant, linewidth=width)
        axis.fill_between(epochs, values.min(axis=0), values.max(axis=0), alpha=0.2)
    axis.set(xlabel="epoch", ylabel="validation loss (nats)", yscale="log")
    axis.set_title("8 batches of 8 images before one step do what a batch of 64 does")
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
