# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Transfer learning: start from what a network learned where labels are plenty.

Symptom   Few labelled examples: the network knows these by heart and little else.
Remedy    Train on a related task with many labels and keep these layers. Frozen, they feed a new
          output until it has settled; then train all at a far smaller rate.
Look for  Digits 5 to 9 from ten images each, after 900 images of 0 to 4: frozen better than from
          scratch, fine-tuned better still. Ten times the old rate destroys what was learned there.
Not when  Tasks have little in common, or labels suffice: the head start melts away. No such task:
          data_augmentation.py; many images without labels: distillation.py.
Source    Yosinski et al. (2014), How Transferable Are Features in Deep Neural Networks?, NeurIPS.
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
VARIANTS = {  # (keep what the old task taught?, learning rate of these layers; 0: frozen)
    "from scratch": (False, 0.003),
    "frozen base": (True, 0.0),
    "fine-tuned, rate 0.001": (True, 0.001),
    "fine-tuned, rate 0.03": (True, 0.03),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "from scratch", "fine-tuned, rate 0.001", +1),
    ("validation accuracy (%)", "from scratch", "frozen base", +1),
    ("validation accuracy (%)", "fine-tuned, rate 0.03", "fine-tuned, rate 0.001", +1),
]
SEEDS, EPOCHS = 2, 15  # on the old task, and in each half of the new one
NUM_LABELLED = 50  # images of the new task, ten of each digit


def load_data(seed):
    """Return (x, y) of the old task, of the new one, and to validate on: (n, 12, 12, 1), (n,)."""
    pixels, y = load_digits(return_X_y=True)  # <- your own data
    x = np.zeros((len(y), 12, 12, 1), "float32")
    corners = np.random.default_rng(seed).integers(0, 5, (len(y), 2))  # digits lie anywhere
    for image, (top, left), digit in zip(x, corners, pixels, strict=True):
        image[top : top + 8, left : left + 8, 0] = digit.reshape(8, 8) / 16
    old = y < 5
    x_new, x_val, y_new, y_val = train_test_split(
        x[~old], y[~old] - 5, train_size=NUM_LABELLED, stratify=y[~old], random_state=seed
    )
    return (x[old], y[old]), (x_new, y_new), (x_val, y_val)


def build_base():
    """Return the layers that both tasks share: images (12, 12, 1) in, features (64,) out."""
    hidden = [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()]
    hidden += [layers.Conv2D(32, 3, activation="relu"), layers.Flatten()]
    hidden += [layers.Dense(64, activation="relu")]
    return keras.Sequential([keras.Input((12, 12, 1)), *hidden])


def build_model(base, rate):
    """Return a compiled model: the base with a new output for five classes on it."""
    model = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    adam = keras.optimizers.Adam(rate)
    model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its learning curve on the new task."""
    keep, rate = VARIANTS[variant]
    old, new, validation = batches(data[0], 32), batches(data[1], 10), batches(data[2], 2000)
    base = build_base()
    if keep:
        build_model(base, 0.003).fit(old, epochs=epochs, shuffle=False, verbose=0)
        base.trainable = False  # <- the remedy: first the new output alone learns
    model = build_model(base, 0.01 if keep else rate)
    options = {"validation_data": validation, "epochs": epochs, "shuffle": False, "verbose": 0}
    accuracy = model.fit(new.repeat(2), **options).history["val_accuracy"]
    if keep and rate > 0:
        base.trainable = True  # <- the remedy: then all, at a small rate; heeded once compiled
        model.compile(keras.optimizers.Adam(rate), model.loss, metrics=["accuracy"])
    accuracy += model.fit(new.repeat(2), **options).history["val_accuracy"]
    return {"validation accuracy (%)": 100 * accuracy[-1]}, {"accuracy": accuracy}


def plot(runs):
    """Return the figure: learning curves; lines are means, bands the range of the seeds."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    for variant, results in runs.items():
        values = 100 * np.array([curves["accuracy"] for _, curves in results])
        epochs = np.arange(1, values.shape[1] + 1)
        axis.plot(epochs, values.mean(axis=0), label=variant)
        axis.fill_between(epochs, values.min(axis=0), values.max(axis=0), alpha=0.2)
    axis.axvline(values.shape[1] / 2 + 0.5, color="gray", linestyle=":", label="unfrozen here")
    axis.set(xlabel="epoch on the new task", ylabel="validation accuracy (%)")
    axis.set_title(f"Digits 5 to 9 from {NUM_LABELLED} labelled images, after digits 0 to 4 or not")
    axis.legend(title="mean, range of seeds")
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
