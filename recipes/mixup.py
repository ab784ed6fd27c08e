# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Mixup: train on blends of two images, with the labels blended alike.

Symptom   Training accuracy near 100 %, validation accuracy well below it, few data: high variance.
Remedy    `layers.MixUp()` or `CutMix()` on the training batches, labels as one-hot rows; or
          `RandomErasing()`. Images come changed, and are harder to learn by heart.
Look for  A higher validation accuracy. A fifth of the training labels is wrong: what is new in each
          step cannot be learned by heart, wrong labels and all.
Not when  All labels are right and the images alike: on clean digits none of these helped. Images
          that vary in known ways: data_augmentation.py. Rows of a table: dropout.py.
Source    Zhang et al. (2018), mixup: Beyond Empirical Risk Minimization, ICLR; Yun et al. (2019),
          CutMix, ICCV; Zhong et al. (2020), Random Erasing Data Augmentation, AAAI.
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
VARIANTS = {  # a layer of Keras, and its settings
    "nothing": (None, {}),
    "MixUp": (layers.MixUp, {"alpha": 1.0}),
    "CutMix": (layers.CutMix, {}),
    "RandomErasing": (layers.RandomErasing, {"value_range": (0, 1)}),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "nothing", "MixUp", +1),
    ("validation accuracy (%)", "nothing", "CutMix", +1),
    ("validation accuracy (%)", "nothing", "RandomErasing", +1),
]
SEEDS, EPOCHS = 2, 50
NUM_TRAIN, NUM_WRONG = 200, 40  # training images, few so that it overfits; of which mislabelled


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: images (n, 8, 8, 1), one-hot (n, 10)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")  # <- the scale of yours
    one_hot = np.eye(10, dtype="float32")
    x, x_val, y, y_val = train_test_split(x, y, train_size=NUM_TRAIN, stratify=y, random_state=seed)
    shift = np.random.default_rng(seed).integers(1, 10, NUM_WRONG)  # never back to the right class
    y[:NUM_WRONG] = (y[:NUM_WRONG] + shift) % 10  # <- NUM_WRONG = 0 with your own
    return (x, one_hot[y]), (x_val, one_hot[y_val])


def changed(training, layer):
    """Return the batches, each with its images and labels as the layer changes them."""
    if len(training.element_spec[0].shape) != 4:  # the layer would take a batch for one image
        raise ValueError("Images need channels, (n, height, width, channels): take x[..., None].")

    def change(images, labels):
        both = layer({"images": images, "labels": labels})
        return both["images"], both["labels"]

    return training.map(change)


def build_model():
    """Return a compiled MLP, large enough to learn its training data by heart."""
    hidden = [layers.Dense(256, activation="relu") for _ in range(2)]
    output = layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), *hidden, output])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers, and some images as the network sees them."""
    kind, settings = VARIANTS[variant]
    training, validation = batches(data[0], 50), batches(data[1], 2000)
    if kind:
        training = changed(training, kind(**settings))  # <- the remedy
    model = build_model()
    model.fit(training, epochs=epochs, shuffle=False, verbose=0)
    images, _ = next(iter(training))
    accuracy = 100 * model.evaluate(validation, verbose=0)[1]
    return {"validation accuracy (%)": accuracy}, {"images": images[:6].numpy()}


def plot(runs):
    """Return the figure: images of the first seed, and the accuracy, a dot for each seed."""
    figure = plt.figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    rows, axis = left.subplots(len(runs), 6, squeeze=False), right.subplots()
    for place, (variant, results) in enumerate(runs.items()):
        for cell, image in zip(rows[place], results[0][1]["images"], strict=True):
            cell.imshow(image, cmap="gray", vmin=0, vmax=1)
            cell.axis("off")
        accuracy = [numbers["validation accuracy (%)"] for numbers, _ in results]
        axis.plot([place] * len(accuracy), accuracy, ".", color=f"C{place}")
        axis.plot(place, np.mean(accuracy), "_", color=f"C{place}", ms=40, mew=3)
        rows[place, 0].set_title(variant, loc="left", color=f"C{place}")
    axis.set_xticks(range(len(runs)), runs)
    axis.margins(0.2)
    axis.set_ylabel("validation accuracy (%), mean and seeds")
    figure.suptitle(f"{NUM_WRONG} of {NUM_TRAIN} labels are wrong; left: what the network sees")
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
