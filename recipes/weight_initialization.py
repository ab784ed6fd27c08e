# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Weight initialization: start every layer with signals and gradients of the same size.

Symptom   The loss stands still from the first step, or starts huge.
Remedy    `kernel_initializer="he_normal"` for ReLU layers (variance 2 / fan_in), `glorot_uniform`
          (Keras's default, variance 2 / (fan_in + fan_out)) for tanh and linear ones.
Look for  Level lines: under He the spread of the activations and the norm of the gradient stay of
          one order. Too small: the spread shrinks forwards and the gradient backwards. Too large:
          both are huge. Zeros: every hidden unit is the same, and nothing gets past the last layer.
Not when  The network is shallow, or has batch_normalization.py or residual_connections.py: it
          forgives its initialization. Then look at the learning rate and the inputs.
Source    Glorot & Bengio (2010), AISTATS; He et al. (2015), Delving Deep into Rectifiers, ICCV.
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
from keras import initializers, layers
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
VARIANTS = {  # class of the initializer, its options
    "zeros": (initializers.Zeros, {}),
    "normal, too small (0.01)": (initializers.RandomNormal, {"stddev": 0.01}),
    "normal, too large (1.0)": (initializers.RandomNormal, {"stddev": 1.0}),
    "Glorot": (initializers.GlorotUniform, {}),
    "He": (initializers.HeNormal, {}),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "zeros", "He", +1),
    ("validation accuracy (%)", "normal, too small (0.01)", "He", +1),
    ("validation accuracy (%)", "normal, too large (1.0)", "He", +1),
]
SEEDS, EPOCHS, NUM_LAYERS = 3, 25, 8  # NUM_LAYERS hidden layers


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=0.6, stratify=y, random_state=seed)
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model(initializer_class, options):
    """Return a compiled deep ReLU MLP with an initializer of this class in its hidden layers."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(NUM_LAYERS):
        start = initializer_class(**options)  # <- the remedy: "he_normal" is short for HeNormal()
        model.add(layers.Dense(64, "relu", kernel_initializer=start))
    model.add(layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), loss, metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its curves."""
    training, validation = batches(data[0], 128), batches(data[1], 2000)
    model, monitor = build_model(*VARIANTS[variant]), GradientMonitor()
    inside = keras.Model(model.inputs, [layer.output for layer in model.layers])
    spread = [np.std(outputs) for outputs in inside.predict(data[0][0][:500], verbose=0)]
    log = model.fit(training, epochs=epochs, shuffle=False, verbose=0, callbacks=[monitor])
    numbers = {
        "training accuracy (%)": 100 * model.evaluate(training, verbose=0)[1],
        "validation accuracy (%)": 100 * model.evaluate(validation, verbose=0)[1],
    }
    first = monitor.norms[0]  # in the first step, of each layer
    return numbers, {"spread": spread, "gradient": first, "loss": log.history["loss"]}


def plot(runs):
    """Return the figure: activations and gradients per layer at the start, then the loss."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.5), layout="constrained")
    for number, (variant, results) in enumerate(runs.items()):
        for _, curves in results:
            for axis, values in zip(axes, curves.values(), strict=True):
                axis.plot(np.arange(1, len(values) + 1), values, f"C{number}")
        axes[2].lines[-1].set_label(variant)
    axes[0].set(title="Activations at the start", ylabel="standard deviation (missing: zero)")
    axes[1].set(title="Gradient in the first step", ylabel="L2 norm per layer (missing: zero)")
    axes[2].set(title="Training", ylabel="cross-entropy (nats)")
    for axis, xlabel in zip(axes, ("layer", "layer", "epoch"), strict=True):
        axis.set_yscale("log", nonpositive="mask")
        axis.set_xlabel(xlabel)
    axes[2].legend(title="a line for each seed", fontsize=8)
    figure.suptitle("One initialization lets every layer see signals and gradients of one size")
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
