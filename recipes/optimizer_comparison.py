# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["tensorflow~=2.21.0", "keras~=3.15.0", "scikit-learn", "scipy", "matplotlib"]
# ///
"""Compare optimizers: each at its own best learning rate, since a shared rate favours one of them.

Symptom   Training accuracy rises slowly or not at all, with an optimizer and a learning rate taken
          as they came: high bias. A first question is which of the two is to blame.
Remedy    Search the learning rate of every candidate in the same grid and compare the best runs;
          then choose by validation.
Look for  At Keras's default rates the gaps are wide; at each one's best rate they nearly close
          (Adam against SGD: 5 points, which five seeds do not tell from 0; each is the best of
          five on the validation data, a little too good). The best rates lie far apart: one shared
          rate would have decided the comparison.
Not when  All optimizers agree at their best rates: the limit is then the model or the data. The
          rates are good for this network and batch size only; for your own, `python -m tuning
          sweep` trains a whole, finer grid at once.
Source    Choi et al. (2019), On Empirical Comparisons of Optimizers for Deep Learning. Kingma & Ba
          (2015), Adam, ICLR. Loshchilov & Hutter (2019), Decoupled Weight Decay, ICLR (AdamW).
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
VARIANTS = {  # class of the optimizer, its options
    "SGD": (keras.optimizers.SGD, {}),
    "SGD with momentum": (keras.optimizers.SGD, {"momentum": 0.9}),
    "Adagrad": (keras.optimizers.Adagrad, {}),
    "RMSprop": (keras.optimizers.RMSprop, {}),
    "Adam": (keras.optimizers.Adam, {}),
    "AdamW": (keras.optimizers.AdamW, {}),
}
RATES = (0.0001, 0.001, 0.01, 0.1, 1.0)  # one grid for all; it holds every default rate
EFFECTS = [  # (number, baseline, remedy, +1: more is better, -1: less is better)
    ("validation at default rate (%)", "SGD", "Adam", +1),
    ("validation at default rate (%)", "Adagrad", "Adam", +1),
]
SEEDS, EPOCHS = 3, 15


def load_data(seed):
    """Return (x, y) to train on and (x, y) to validate on: pixels (n, 64) in 0..1, labels (n,)."""
    x, y = load_digits(return_X_y=True)  # <- your own data
    x, x_val, y, y_val = train_test_split(x, y, train_size=0.5, stratify=y, random_state=seed)
    return (x / 16, y), (x_val / 16, y_val)  # <- the scale of yours


def build_model(optimizer):
    """Return an MLP compiled with this optimizer."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(3):
        model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(variant, data, epochs):
    """Train one optimizer at every rate; return its numbers and its curves."""
    optimizer_class, options = VARIANTS[variant]
    optimizer = optimizer_class(**options)  # <- the remedy, with learning_rate=the best
    default_rate = float(optimizer.learning_rate)
    model = build_model(optimizer)
    optimizer.build(model.trainable_variables)
    variables = model.variables + optimizer.variables
    start = [keras.ops.copy(variable) for variable in variables]
    training, validation = batches(data[0], 64), batches(data[1], 2000)
    losses, scores = [], []
    for rate in RATES:  # compiled once and set back to its start: building anew takes far longer
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        optimizer.learning_rate = rate
        log = model.fit(training, epochs=epochs, shuffle=False, verbose=0)
        losses.append(log.history["loss"])
        scores.append(100 * model.evaluate(validation, verbose=0)[1])
    best = np.argmax(scores)
    default = np.argmin(np.abs(np.array(RATES) - default_rate))  # float32 has rounded it
    numbers = {
        "validation accuracy (%)": scores[best],
        "validation at default rate (%)": scores[default],
        "log10 of the best rate": np.log10(RATES[best]),
    }
    return numbers, {"rates": scores, "default": losses[default], "best": losses[best]}


def plot(runs):
    """Return the figure: validation accuracy of each rate, and both curves of the loss."""
    figure = plt.figure(figsize=(13, 4.8), layout="constrained")
    axes = figure.subplots(1, 3)
    for variant, results in runs.items():
        style = "--" if variant == "AdamW" else "-"  # it lies on Adam
        for axis, curve in zip(axes, ("rates", "default", "best"), strict=True):
            values = np.array([curves[curve] for _, curves in results])
            steps = np.arange(1, values.shape[1] + 1)
            axis.plot(steps, values.mean(axis=0), style, label=variant)
            axis.fill_between(steps, values.min(axis=0), values.max(axis=0), alpha=0.2)
    axes[0].set(xlabel="learning rate", ylabel="validation accuracy (%)", title="Every rate")
    axes[0].set_xticks(range(1, len(RATES) + 1), RATES)
    axes[1].set_title("Each at Keras's default rate")
    axes[2].set_title("Each at its best rate")
    axes[1].sharey(axes[2])
    for axis in axes[1:]:
        axis.set(xlabel="epoch", ylabel="training loss (nats)", yscale="log")
    axes[1].legend(title="mean, range of seeds", loc="lower left")
    figure.suptitle("One grid of learning rates for all optimizers")
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
