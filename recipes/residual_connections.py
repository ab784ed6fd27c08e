# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Residual connections: each block adds to its input, so that depth does little harm.

Symptom   The deeper network is worse than the shallow one already in training: that is no
          overfitting, the optimizer does not get there.
Remedy    `layers.Add()([x, block])`: a block learns a change of its input. What comes in, and the
          gradient going back, pass it as they are. Each block begins at zero, as if not there.
Look for  Left: plain, 40 layers hardly learn; with the additions they do as 4 layers. Right: before
          the first step the gradient is level in residual layers, be they 4 or 40; in plain ones it
          depends on the depth and on the luck of the start.
Not when  The network is shallow (below some ten layers): plain, 12 layers do as well here. Digits
          need no 40 layers: the additions undo the harm of depth and add no skill. First look at
          weight_initialization.py, relu_activation.py and batch_normalization.py.
Source    He, Zhang, Ren & Sun (2016), Deep Residual Learning for Image Recognition, CVPR.
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

SYMPTOM = "vanishing gradient"
VARIANTS = {  # (hidden layers, with residual connections?)
    "plain, 4 layers": (4, False),
    "plain, 12 layers": (12, False),
    "plain, 40 layers": (40, False),
    "residual, 4 layers": (4, True),
    "residual, 40 layers": (40, True),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("training loss (nats)", "plain, 40 layers", "residual, 40 layers", -1),
    ("validation accuracy (%)", "plain, 40 layers", "residual, 40 layers", +1),
]
SEEDS, EPOCHS = 2, 15


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x = (x / 16).astype("float32")  # <- the scale of yours
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    return (x, y), (x_val, y_val)


def build_model(num_layers, residual):
    """Return a compiled MLP of pre-activated layers, each added to its input if `residual`."""
    inputs = keras.Input((64,))
    x = layers.Dense(64)(inputs)
    for _ in range(num_layers):
        start = "zeros" if residual else "he_normal"
        block = layers.Dense(64, use_bias=False, kernel_initializer=start)(layers.ReLU()(x))
        x = layers.Add()([x, block]) if residual else block  # <- the remedy
    outputs = layers.Dense(10, activation="softmax")(layers.ReLU()(x))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.02), "sparse_categorical_crossentropy")
    return model


def gradient_norms(model, x, y):
    """Return the L2 norm of the gradient of each layer's kernel on these rows."""
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, layers.Dense)]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, model(x)))
    return [float(tf.norm(gradient)) for gradient in tape.gradient(loss, kernels)]


def train(variant, data, epochs):
    """Train one variant; return its numbers, its training loss and its gradients at the start."""
    (x, y), (x_val, y_val) = data
    model = build_model(*VARIANTS[variant])
    norms = gradient_norms(model, x, y)
    log = model.fit(batches((x, y), 16), epochs=epochs, shuffle=False, verbose=0)
    numbers = {
        "training loss (nats)": log.history["loss"][-1],
        "validation accuracy (%)": 100 * np.mean(model(x_val).numpy().argmax(1) == np.ravel(y_val)),
        "gradient of the first layer": norms[0],
    }
    return numbers, {"loss": log.history["loss"], "norms": norms}


def plot(runs):
    """Return the figure: training loss, and the gradient at the start; mean and range of seeds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for variant, results in runs.items():
        for axis, name in ((left, "loss"), (right, "norms")):
            values = np.array([curves[name] for _, curves in results])
            places = np.arange(1, values.shape[1] + 1)
            axis.plot(places, values.mean(axis=0), label=variant)
            axis.fill_between(places, values.min(axis=0), values.max(axis=0), alpha=0.2)
    left.set(xlabel="epoch", ylabel="training loss (nats)", yscale="log")
    right.set(xlabel="layer (1: at the input)", ylabel="gradient norm at the start", yscale="log")
    left.legend()
    figure.suptitle("Plain, 40 layers hardly train; residual ones do (mean and range of seeds)")
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
