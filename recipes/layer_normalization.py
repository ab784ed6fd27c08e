# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Layer normalization: where batches are tiny, normalize each example by itself.

Symptom   With batch normalization and batches of a few examples (large images, long sequences)
          training is noisy and validation jumps and stays poor.
Remedy    `layers.LayerNormalization()` or `layers.GroupNormalization(groups)`: mean and variance
          are taken over the features (or channels) of one example, whatever the batch size, and
          in inference as in training.
Look for  With batches of 2, validation accuracy far above that of batch normalization, and steady.
Not when  Batches are large (32 and more): batch normalization is as good or better, see
          batch_normalization.py. The batch is small for want of memory only: as normalization
          sees the small batch, gradient_accumulation.py does not help batch normalization either.
Source    Ba, Kiros & Hinton (2016), Layer Normalization; Wu & He (2018), Group Normalization.
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
VARIANTS = {  # (normalization, examples in a batch)
    "batch, batches of 32": ("batch", 32),
    "batch, batches of 2": ("batch", 2),
    "layer, batches of 2": ("layer", 2),
    "group, batches of 2": ("group", 2),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "batch, batches of 2", "layer, batches of 2", +1),
    ("validation accuracy (%)", "batch, batches of 2", "group, batches of 2", +1),
]
SEEDS, EPOCHS = 3, 6


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x = (x / 16).astype("float32")  # <- the scale of yours
    x, x_val, y, y_val = train_test_split(x, y, train_size=300, stratify=y, random_state=seed)
    return (x, y), (x_val, y_val)


def build_model(normalization):
    """Return a compiled MLP with this normalization before each activation."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        model.add(layers.Dense(64))
        if normalization == "batch":
            model.add(layers.BatchNormalization(momentum=0.9))
        elif normalization == "layer":
            model.add(layers.LayerNormalization())  # <- the remedy
        else:
            model.add(layers.GroupNormalization(groups=4))  # <- or this
        model.add(layers.Activation("relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curves."""
    normalization, batch_size = VARIANTS[variant]
    training, validation = batches(data[0], batch_size), batches(data[1], 2000)
    model = build_model(normalization)
    log = model.fit(training, validation_data=validation, epochs=epochs, shuffle=False, verbose=0)
    numbers = {"validation accuracy (%)": 100 * log.history["val_accuracy"][-1]}
    return numbers, log.history


def plot(runs):
    """Return the figure: validation accuracy; lines are means, bands the range of the seeds."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    for variant in runs:
        values = np.array([curves["val_accuracy"] for _, curves in runs[variant]])
        epochs = np.arange(1, values.shape[1] + 1)
        axis.plot(epochs, values.mean(axis=0), label=variant)
        axis.fill_between(epochs, values.min(axis=0), values.max(axis=0), alpha=0.2)
    axis.set(xlabel="epoch", ylabel="validation accuracy")
    axis.set_title("Which normalization bears batches of 2 examples?")
    axis.legend(title="normalization over (mean, range of seeds)")
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
