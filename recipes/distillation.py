# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Distillation: a small network learns from the probabilities of a large one.

Symptom   Few labels, many images without; the network that is good from them is too large to run.
Remedy    `keras.distillation.Distiller`: the large network, trained on the labels, gives the
          probabilities of all images, softened by a temperature, and the small one learns these.
Look for  The taught network comes nearer to the large one, with a fiftieth of its weights.
Not when  There are no more images: from the labelled ones alone the teacher's word brought nothing.
          Or the large network is hardly better, as on digits that all lie in the middle.
Source    Hinton, Vinyals & Dean (2015), Distilling the Knowledge in a Neural Network.
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

SYMPTOM = "few labels"
VARIANTS = {  # (size, is it taught by a large one?)
    "large": ("large", False),
    "small alone": ("small", False),
    "small, taught": ("small", True),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "small alone", "small, taught", +1),
]
SEEDS, EPOCHS = 2, 100
NUM_LABELLED, NUM_MORE = 200, 1000  # images with and without labels


def load_data(seed):
    """Return (x, y) to train on, x without labels, (x, y) to validate on: (n, 12, 12, 1), (n,)."""
    pixels, y = load_digits(return_X_y=True)  # <- your own data
    x = np.zeros((len(y), 12, 12, 1), "float32")
    corners = np.random.default_rng(seed).integers(0, 5, (len(y), 2))  # digits lie anywhere
    for image, (top, left), digit in zip(x, corners, pixels, strict=True):
        image[top : top + 8, left : left + 8, 0] = digit.reshape(8, 8) / 16
    x, rest, y, y_rest = train_test_split(x, y, train_size=NUM_LABELLED, random_state=seed)
    return (x, y), rest[:NUM_MORE], (rest[NUM_MORE:], y_rest[NUM_MORE:])


def build_model(size):
    """Return a compiled convolutional network, or a dense one; the outputs are logits."""
    model = keras.Sequential([keras.Input((12, 12, 1))])
    if size == "large":
        model.add(layers.RandomTranslation(0.2, 0.2, fill_mode="constant"))
        model.add(layers.Conv2D(32, 3, activation="relu"))
        model.add(layers.Conv2D(32, 3, activation="relu"))
        model.add(layers.Flatten())
        model.add(layers.Dropout(0.3))
        model.add(layers.Dense(128, activation="relu"))
    else:
        model.add(layers.Flatten())
        model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(10))
    return compiled(model)


def compiled(model):
    """Return the model, compiled for logits."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers (the figure needs no curves)."""
    size, taught = VARIANTS[variant]
    (x, y), x_more, (x_val, y_val) = data
    options = {"epochs": epochs, "steps_per_epoch": 6, "shuffle": False, "verbose": 0}
    model = learner = build_model(size)
    if taught:
        large = build_model("large")
        large.fit(batches((x, y), 30).repeat(), **options)
        x = np.concatenate([x, x_more])  # `fit` wants labels: where none is, the large one's guess
        y = np.concatenate([y, large(x_more).numpy().argmax(axis=1)])
        # Temperature 4 shows how likely the other classes are as well. Given by its name, the
        # default, KLDivergence would miss its softmax (Keras 3.15).
        loss = keras.distillation.LogitsDistillation(4.0, keras.losses.KLDivergence())
        distiller = keras.distillation.Distiller(large, model, loss, student_loss_weight=0.1)
        learner = compiled(distiller)  # <- the remedy: it trains `model`, which stays by itself
    learner.fit(batches((x, y), 30).repeat(), **options)
    accuracy = 100 * np.mean(model(x_val).numpy().argmax(axis=1) == np.ravel(y_val))
    return {"validation accuracy (%)": accuracy, "weights": model.count_params()}, {}


def plot(runs):
    """Return the figure: validation accuracy, a line for each seed."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    values = [[numbers["validation accuracy (%)"] for numbers, _ in runs[name]] for name in runs]
    axis.plot(values, "o-", alpha=0.6)
    names = [f"{name}\n{runs[name][0][0]['weights']} weights" for name in runs]
    axis.set_xticks(range(len(runs)), names)
    axis.set_ylabel("validation accuracy (%), a line for each seed")
    axis.set_title(f"Small, taught by large: {NUM_LABELLED} labels, {NUM_MORE} images without")
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
