# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Gradient clipping: shorten a gradient that is too long, so that one step cannot ruin the weights.

Symptom   A recurrent network's loss jumps up by powers of ten, or becomes NaN: through many time
          steps the gradient is a product of many factors, and it explodes.
Remedy    `clipnorm` (each weight's gradient) or `global_clipnorm` (all together, which keeps the
          direction) on any Keras optimizer. An LSTM's gated cell avoids many of the factors.
Look for  Without clipping the second step ruins the weights: some seeds end in NaN, the others
          return to the loss of the mean, 1/6, and stay there; a tenth of the rate has spikes too.
          With `clipnorm` the norm, recorded before it, may still spike, and the error falls. Of
          `global_clipnorm`, or against a tenth of the rate, five seeds do not tell as much.
Not when  The gradient vanishes: clipping never lengthens it. Look at the norms first: a threshold
          far below the usual norm, as here, shortens nearly every step.
Source    Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent neural networks,
          ICML; Le, Jaitly & Hinton (2015) (the task; start at the identity with ReLU).
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

sys.path.append(str(Path(__file__).resolve().parents[1]))  # callbacks/ of the repository
try:
    from callbacks.gradient_monitor import GradientMonitor
except ModuleNotFoundError as error:
    print(f"error: {error}: copy the folder callbacks/ beside this file", file=sys.stderr)
    sys.exit(2)

SYMPTOM = "exploding gradient"
VARIANTS = {  # learning rate, options of the optimizer
    "no clipping": (0.03, {}),
    "no clipping, rate / 10": (0.003, {}),
    "clipnorm": (0.03, {"clipnorm": 0.1}),
    "global_clipnorm": (0.03, {"global_clipnorm": 0.5}),
    "LSTM, global_clipnorm": (0.3, {"global_clipnorm": 0.5}),
}
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation within 0.1 (%)", "no clipping", "clipnorm", +1),
]
SEEDS, EPOCHS = 2, 24  # two, to end within a minute
LENGTH, NUM_TRAIN = 24, 2000  # time steps, sequences


def load_data(seed):
    """Return (x, y) to train on, to validate on: sequences (n, LENGTH, 2), sums (n, 1)."""
    rng = np.random.default_rng(seed)  # <- or your own data
    x = np.zeros((NUM_TRAIN + 1000, LENGTH, 2), "float32")
    x[..., 0] = rng.random(x.shape[:2])  # the numbers, in 0..1
    for half in (0, LENGTH // 2):  # a mark in each half; the two marked numbers are to be added
        x[np.arange(len(x)), half + rng.integers(0, LENGTH // 2, len(x)), 1] = 1
    y = (x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True)
    return (x[:NUM_TRAIN], y[:NUM_TRAIN]), (x[NUM_TRAIN:], y[NUM_TRAIN:])


def build_model(variant):
    """Return a compiled recurrent network with a linear output."""
    rate, clipping = VARIANTS[variant]
    recurrent = layers.SimpleRNN(32, "relu", recurrent_initializer="identity")
    if variant.startswith("LSTM"):
        recurrent = layers.LSTM(32)
    model = keras.Sequential([keras.Input((LENGTH, 2)), recurrent, layers.Dense(1)])
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, **clipping)  # <- the remedy
    model.compile(optimizer, "mse", steps_per_execution=8)  # the same steps, in less time
    return model


def train(variant, data, epochs):
    """Train one variant; return its numbers and its curves."""
    (x, y), (x_val, y_val) = data
    model, monitor = build_model(variant), GradientMonitor(wide_range=True)
    fit = {"epochs": epochs, "shuffle": False, "verbose": 0}
    fit["callbacks"] = [monitor, keras.callbacks.TerminateOnNaN()]
    loss = model.fit(batches((x, y), 50), **fit).history["loss"]
    norms = np.linalg.norm(monitor.norms.astype(float), axis=1)  # of all layers, in each step
    error = np.abs(np.ravel(model(x_val)) - np.ravel(y_val))
    numbers = {
        "validation within 0.1 (%)": 100 * np.mean(error < 0.1),  # NaN is within nothing
        "largest gradient norm": np.max(norms[np.isfinite(norms)]),
        "lost to NaN or infinity (%)": 0.0 if np.isfinite(loss[-1]) else 100.0,
    }
    return numbers, {"norm": norms, "loss": loss}


def plot(runs):
    """Return the figure: gradient norm of each step above, loss below, a line for each seed."""
    figure = plt.figure(figsize=(15, 6), layout="constrained")
    axes = figure.subplots(2, len(runs), sharex="row", sharey="row", squeeze=False)
    for (variant, results), (above, below) in zip(runs.items(), axes.T, strict=True):
        for seed, (_, curves) in enumerate(results):
            for axis, curve in ((above, "norm"), (below, "loss")):
                steps, values = np.arange(1, len(curves[curve]) + 1), np.array(curves[curve])
                axis.plot(steps, values, color=f"C{seed}", linewidth=0.8)
                if not np.isfinite(values[-1]):  # lost: a cross on the last finite value
                    finite = np.isfinite(values)
                    axis.plot(steps[finite][-1:], values[finite][-1:], "X", color=f"C{seed}")
        lost = sum(numbers["lost to NaN or infinity (%)"] > 0 for numbers, _ in results)
        above.set(title=variant, xlabel="optimizer step", xscale="log", yscale="log")
        below.set(title=f"{lost} of {len(results)} seeds lost (cross)", xlabel="epoch")
        below.axhline(1 / 6, color="gray", linestyle=":", label="loss of the mean")
        below.set(yscale="log", ylim=(1e-4, 1e4))  # what lies above is lost anyway
    axes[0, 0].set_ylabel("L2 norm of all gradients,\nbefore clipping")
    axes[1, 0].set_ylabel("training loss: mean squared error")
    axes[1, 0].legend()
    figure.suptitle(f"Adding problem, {LENGTH} time steps: does one step ruin the weights?")
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
