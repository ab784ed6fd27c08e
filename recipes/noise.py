# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Noise: disturb the inputs in training, so that disturbed inputs do less harm later.

Symptom   The score falls as soon as the inputs are noisier than those of the training.
Remedy    `layers.GaussianNoise(stddev)` on the inputs, of about the noise to come: new in each step
          and active in training alone.
Look for  To the right the accuracy falls later; on clean images the noise costs next to nothing.
          Between the layers it hardly helps.
Not when  Inputs stay as clean as in training: for want of rows (dropout.py) noise brought nothing
          certain. What comes is a shift or another source: data_augmentation.py, data_mismatch.py.
Source    Bishop (1995), Training with Noise Is Equivalent to Tikhonov Regularization.
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

SYMPTOM = "data mismatch"
VARIANTS = {  # standard deviation of the noise on (inputs, activations)
    "no noise": (0.0, 0.0),
    "inputs 0.15": (0.15, 0.0),
    "inputs 0.3": (0.3, 0.0),
    "activations 0.3": (0.0, 0.3),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("accuracy at noise 0.3 (%)", "no noise", "inputs 0.15", +1),
    ("accuracy at noise 0.3 (%)", "no noise", "inputs 0.3", +1),
]
SEEDS, EPOCHS = 3, 30
LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # of the noise on validation images; a pixel is in 0..1


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x = (x / 16).astype("float32")  # <- the scale of yours
    x, x_val, y, y_val = train_test_split(x, y, train_size=600, stratify=y, random_state=seed)
    return (x, y), (x_val, y_val)


def build_model(on_inputs, on_activations):
    """Return a compiled MLP that is disturbed in training."""
    model = keras.Sequential([keras.Input((64,))])
    model.add(layers.GaussianNoise(on_inputs))  # <- the remedy
    for _ in range(2):
        model.add(layers.Dense(128, activation="relu"))
        model.add(layers.GaussianNoise(on_activations))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers, and its accuracy at each level of noise."""
    (x_val, y_val), random = data[1], np.random.default_rng(0)
    model = build_model(*VARIANTS[variant])
    model.fit(batches(data[0], 50), epochs=epochs, shuffle=False, verbose=0)
    accuracy = []
    for level in LEVELS:
        noisy = x_val + level * random.normal(size=x_val.shape).astype("float32")
        accuracy.append(100 * np.mean(model(noisy).numpy().argmax(1) == np.ravel(y_val)))
    numbers = {
        "accuracy on clean images (%)": accuracy[0],
        "accuracy at noise 0.3 (%)": accuracy[LEVELS.index(0.3)],
    }
    return numbers, {"accuracy": accuracy}


def plot(runs):
    """Return the figure: accuracy by noise; lines are means, bands the range of the seeds."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    for variant, results in runs.items():
        values = np.array([curves["accuracy"] for _, curves in results])
        axis.plot(LEVELS, values.mean(axis=0), label=variant)
        axis.fill_between(LEVELS, values.min(axis=0), values.max(axis=0), alpha=0.2)
    axis.set(xlabel="noise on the validation images (standard deviation, pixels in 0..1)")
    axis.set_ylabel("validation accuracy (%), mean and range of seeds")
    axis.set_title("A network trained with noise stands noise better")
    axis.legend(title="noise in training on")
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
