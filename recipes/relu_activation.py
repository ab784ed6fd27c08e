# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""ReLU in the hidden layers: let the gradient arrive at the first layer of a deep network.

Symptom   A deep net's loss stands still at the loss of guessing, and the weights of the first
          layers hardly change: w_new = w_old - learning rate * gradient ≈ w_old.
Remedy    `activation="relu"` in the hidden layers, not sigmoid, tanh or softmax. The gradient is a
          product with one factor per layer; sigmoid' <= 0.25, tanh' <= 1, and ReLU' = 1 where the
          unit is active (with `he_normal`, meant for ReLU: weight_initialization.py).
Look for  The gradient norm falls by a constant factor per layer under sigmoid and softmax (straight
          lines on the log axis) and stays level under ReLU. The weights multiply the 0.25.
Not when  The network is shallow, or tanh keeps its inputs near zero, where tanh' is 1: with Glorot
          initialization it does here what ReLU does. In recurrent layers ReLU can explode.
Source    Hochreiter (1991), thesis, TU München; Glorot, Bordes & Bengio (2011), AISTATS.
"""

import os
import sys
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

sys.path.append(str(Path(__file__).resolve().parents[1]))  # callbacks/ of the repository
try:
    from callbacks.gradient_monitor import GradientMonitor
except ModuleNotFoundError as error:
    print(f"error: {error}: copy the folder callbacks/ beside this file", file=sys.stderr)
    sys.exit(2)

SYMPTOM = "vanishing gradient"
VARIANTS = {  # activation of the hidden layers, and the initialization that suits it
    "sigmoid": ("sigmoid", "glorot_uniform"),
    "tanh": ("tanh", "glorot_uniform"),
    "softmax": ("softmax", "glorot_uniform"),
    "relu": ("relu", "he_normal"),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "sigmoid", "relu", +1),
    ("validation accuracy (%)", "softmax", "relu", +1),
    ("log10 first/last gradient", "sigmoid", "relu", +1),
]
SEEDS, EPOCHS, NUM_LAYERS = 3, 25, 8  # NUM_LAYERS hidden layers


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=0.6, stratify=y, random_state=seed)
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model(activation, initializer):
    """Return a compiled deep MLP with this activation in its hidden layers."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(NUM_LAYERS):
        hidden = layers.Dense(64, activation, kernel_initializer=initializer)  # <- the remedy
        model.add(hidden)
    model.add(layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its curves."""
    training, validation = batches(data[0], 128), batches(data[1], 2000)
    model, monitor = build_model(*VARIANTS[variant]), GradientMonitor()
    before = model.layers[0].get_weights()[0]
    log = model.fit(training, epochs=epochs, shuffle=False, verbose=0, callbacks=[monitor])
    change = np.linalg.norm(model.layers[0].get_weights()[0] - before)
    gradient = monitor.norms[0]  # in the first step, of each layer
    numbers = {
        "training accuracy (%)": 100 * model.evaluate(training, verbose=0)[1],
        "validation accuracy (%)": 100 * model.evaluate(validation, verbose=0)[1],
        "log10 first/last gradient": np.log10(gradient[0] / gradient[-1]),
        "first-layer weights moved (%)": 100 * change / np.linalg.norm(before),
    }
    return numbers, {"gradient": gradient, "loss": log.history["loss"]}


def plot(runs):
    """Return the figure: gradient per layer in the first step, first-layer movement, loss."""
    figure = plt.figure(figsize=(13, 4.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    depth = np.arange(1, NUM_LAYERS + 2)
    for number, (variant, results) in enumerate(runs.items()):
        for _, curves in results:
            left.plot(depth, curves["gradient"], f"C{number}")
            right.plot(curves["loss"], f"C{number}")
        right.lines[-1].set_label(variant)
        moved = [numbers["first-layer weights moved (%)"] for numbers, _ in results]
        middle.bar(f"{variant}\n{np.mean(moved):.2g} %", np.mean(moved), color=f"C{number}")
    if "sigmoid" in runs:
        last = np.mean([curves["gradient"][-1] for _, curves in runs["sigmoid"]])
        left.plot(depth, last * 0.25 ** (depth[::-1] - 1), "k:", label="0.25 per layer (sigmoid')")
        left.legend(loc="lower right")
    left.set(yscale="log", title="Gradient in the first step", ylabel="L2 norm per layer")
    left.set(xlabel=f"layer ({NUM_LAYERS + 1}: output)", xticks=depth)
    middle.set(yscale="log", title="How far the first layer moved", ylabel="change (% of its norm)")
    right.set(title="Training", xlabel="epoch (from 0)", ylabel="cross-entropy (nats)")
    right.legend(title="a line for each seed", loc="center right")
    figure.suptitle(f"{NUM_LAYERS} hidden layers: does the gradient arrive?")
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
