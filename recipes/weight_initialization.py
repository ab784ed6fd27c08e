# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""Weight initialization: start every layer with signals and gradients of the same size.

Symptom   The loss stands still from the first step, or starts huge: with all weights zero every
          hidden unit is the same and no gradient gets past the last layer; with too small random
          weights signals shrink from layer to layer, with too large ones they grow.
Remedy    `kernel_initializer="he_normal"` for ReLU layers (variance 2 / fan_in), `glorot_uniform`
          (Keras's default, variance 2 / (fan_in + fan_out)) for tanh and linear ones.
Look for  Level lines: under He the spread of the activations and the norm of the gradient stay of
          one order. Too small: the spread shrinks forwards and the gradient backwards. Too large:
          the spread grows, and the gradient is huge in every layer. Zeros: nothing gets past.
Not when  The default already fits: a shallow network, or one with batch normalization or residual
          connections, forgives its initialization. Then look at the learning rate and the inputs.
Source    Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward neural
          networks, AISTATS; He, Zhang, Ren & Sun (2015), Delving Deep into Rectifiers, ICCV.
Needs     callbacks/gradient_monitor.py: copy it along.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
try:
    from callbacks.gradient_monitor import GradientMonitor
except ModuleNotFoundError as error:
    note = "`python -m recipes copy weight_initialization FOLDER` copies it along"
    print(f"error: {error}; {note}", file=sys.stderr)
    sys.exit(2)

# For your own data and network, change the settings, load_data and build_model.
SYMPTOM = "vanishing gradient"
DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10")  # all but the first are downloaded
VARIANTS = {
    "zeros": "zeros",
    "normal, too small (0.01)": 0.01,
    "normal, too large (1.0)": 1.0,
    "Glorot": "glorot_uniform",
    "He": "he_normal",
}
SELECT = ["validation accuracy (%)"]  # the variant with the most of it is the only one tested
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "zeros", "He", +1),
    ("validation accuracy (%)", "normal, too small (0.01)", "He", +1),
    ("validation accuracy (%)", "normal, too large (1.0)", "He", +1),
]
EPOCHS, QUICK_EPOCHS = 25, 2
NUM_LAYERS, NUM_UNITS = 8, 64  # hidden layers, units in each
COLORS = ("black", "tab:blue", "tab:purple", "tab:green", "tab:orange")


def load_data(dataset, seed):
    """Return {"train", "validation", "test"}: pixels (n, features) in 0..1, labels (n,)."""
    if dataset == "digits":
        x, y = load_digits(return_X_y=True)
    else:
        x, y = getattr(keras.datasets, dataset).load_data()[0]
    x, y = x.reshape(len(x), -1).astype("float32") / x.max(), y.ravel().astype("int64")
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
    return {"train": (x, y), "validation": (x_val, y_val), "test": (x_test, y_test)}


def build_model(initializer, num_features, num_classes=10):
    """Return a compiled deep ReLU MLP; `initializer` is a name or a standard deviation."""
    model = keras.Sequential([keras.Input((num_features,))])
    for number in range(1, NUM_LAYERS + 1):
        start = initializer  # <- the remedy: "he_normal"
        if isinstance(initializer, float):
            start = keras.initializers.RandomNormal(stddev=initializer)
        name = f"hidden_{number}"
        model.add(layers.Dense(NUM_UNITS, "relu", kernel_initializer=start, name=name))
    model.add(layers.Dense(num_classes, name="output"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), loss, metrics=["accuracy"])
    return model


def accuracy(model, x, y):
    """Return the accuracy in percent."""
    return 100 * model.evaluate(x, y, batch_size=2000, verbose=0, return_dict=True)["accuracy"]


def train(variant, data, epochs):
    """Train one variant; return its numbers, its curves, and a function that tests it."""
    x, y = data["train"]
    model = build_model(VARIANTS[variant], num_features=x.shape[1])
    inside = keras.Model(model.inputs, [layer.output for layer in model.layers])
    spread = [
        float(np.std(values)) for values in inside.predict(x[:500], verbose=0)
    ]  # at the start
    monitor = GradientMonitor()
    fit = {"epochs": epochs, "verbose": 0, "callbacks": [monitor]}
    history = model.fit(batches((x, y), 128), shuffle=False, **fit).history
    curves = {"spread": spread, "gradient": monitor.norms[0], "loss": history["loss"]}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(monitor.norms[0, 0] / monitor.norms[0, -1])
    numbers = {
        "train accuracy (%)": accuracy(model, x, y),
        "validation accuracy (%)": accuracy(model, *data["validation"]),
        "first/last gradient": ratio,
    }
    gap = numbers["train accuracy (%)"] - numbers["validation accuracy (%)"]
    numbers["generalization gap (points)"] = gap
    return numbers, curves, lambda: accuracy(model, *data["test"])


def plot(runs):
    """Return the figure: activations and gradients per layer at the start, then the loss."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.5))
    titles = ("Activations at the start", "Gradient in the first step", "Training")
    labels = (
        "standard deviation (missing: zero)",
        "L2 norm per layer (missing: zero)",
        "cross-entropy (nats; missing: NaN)",
    )
    for axis, curve, title, label in zip(
        axes, ("spread", "gradient", "loss"), titles, labels, strict=True
    ):
        for number, variant in enumerate(VARIANTS):
            color = COLORS[number % len(COLORS)]
            draw(axis, runs, variant, curve, variant, color)
        axis.lines[0].set(linestyle="--", zorder=3)  # zeros: it may lie on another line
        axis.set(title=title, ylabel=label)
        axis.set_yscale("log", nonpositive="mask")
        axis.set_xlabel("epoch" if curve == "loss" else f"layer ({NUM_LAYERS + 1}: output)")
    axes[2].legend(title="mean, range of seeds", fontsize=8, loc="lower left")
    figure.suptitle("One initialization lets every layer see signals and gradients of one size")
    return figure


# ---- From here on every recipe is the same, letter for letter: options, seeds, table, files ----


def batches(data, batch_size):
    """Return batches, shuffled anew here (not in `fit`, which takes three times as long)."""
    return tf.data.Dataset.from_tensor_slices(data).shuffle(len(data[0])).batch(batch_size)


def draw(axis, runs, variant, curve, label, color):
    """Draw one curve of a variant: its mean over the seeds, and their range as a band."""
    values = np.array([run["curves"][curve] for run in runs if run["variant"] == variant], float)
    steps = np.arange(1, values.shape[1] + 1)
    axis.plot(steps, values.mean(0), color=color, label=label)
    axis.fill_between(steps, values.min(0), values.max(0), color=color, alpha=0.2, linewidth=0)


def interval(values):
    """Return the mean and the half-width of its 95 % t interval (NaN for a single value)."""
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1) if len(values) > 1 else np.nan
    return float(np.mean(values)), float(half)


def column(runs, variant, name):
    """Return one number of a variant for every seed (empty if it has no such number)."""
    return [r["numbers"][name] for r in runs if r["variant"] == variant and name in r["numbers"]]


def report(runs, options):
    """Print the table and what it shows; write the figure and the numbers."""
    names = list(dict.fromkeys(name for run in runs for name in run["numbers"]))
    form = "{:.4g} ± {:.2g}" if options.seeds > 1 else "{:.4g}"  # one seed has no interval
    print(f"{'mean ± 95 % interval':26}" + "".join(f"  {name:>16}" for name in names))
    for variant in VARIANTS:
        values = [(name, column(runs, variant, name)) for name in names]
        cells = [(name, form.format(*interval(v)) if v else "-") for name, v in values]
        print(f"{variant:26}" + "".join(f"  {c:>{max(16, len(name))}}" for name, c in cells))
    effects, keys = [], ("quantity", "baseline", "remedy", "difference", "interval", "verdict")
    for name, baseline, remedy, sign in EFFECTS:
        mean, half = interval(np.subtract(column(runs, remedy, name), column(runs, baseline, name)))
        verdict = "better" if sign * mean > half else "worse" if -sign * mean > half else "unclear"
        effects.append(dict(zip(keys, (name, baseline, remedy, mean, half, verdict), strict=True)))
        text = f"{mean:+.3g} ± {half:.2g} (paired, 95 % interval, {options.seeds} seeds)"
        text = text if options.seeds > 1 else f"{mean:+.3g} (one seed, no interval)"
        print(f"{remedy} against {baseline}: {name} {text}: {verdict}.")
    versions = {package.__name__: package.__version__ for package in (keras, tf, np)}
    content = {"recipe": Path(__file__).stem, "title": __doc__.partition("\n")[0]}
    content |= {"symptom": SYMPTOM, "settings": vars(options), "versions": versions}
    content |= {"effects": effects, "runs": runs}
    text = json.dumps(content, default=lambda v: v.tolist() if hasattr(v, "tolist") else str(v))
    text = json.dumps(json.loads(text, parse_constant=lambda _: None))  # JSON knows no NaN
    paths = [options.output / (Path(__file__).stem + suffix) for suffix in (".json", ".png")]
    parts = [path.with_stem(f".part-{path.stem}") for path in paths]  # renamed when both are whole
    parts[0].write_text(text)
    figure = plot(runs)
    figure.tight_layout()
    figure.savefig(parts[1])
    for part, path in zip(parts, paths, strict=True):
        print("Replaced" if path.exists() else "Wrote", part.replace(path))


def parse_options(argv):
    """Return the options; a mistake ends in one sentence on stderr and exit code 2."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(None, argparse.SUPPRESS, __doc__, formatter_class=layout)
    option = parser.add_argument
    option("--epochs", type=int, default=EPOCHS, help=f"of each training (default: {EPOCHS})")
    option("--seeds", type=int, default=3, help="other splits, other weights (default: 3)")
    option("--dataset", default=DATASETS[0], choices=DATASETS, help=f"(default: {DATASETS[0]})")
    option("--output", type=Path, default="results", help="folder to write to (default: results)")
    quick = f"defaults of --seeds 1 --epochs {QUICK_EPOCHS}: a first look, no evidence"
    option("--quick", action="store_true", help=quick)
    options = parser.parse_args(argv)
    if options.quick:
        parser.set_defaults(seeds=1, epochs=QUICK_EPOCHS)
        options = parser.parse_args(argv)
    if min(options.epochs, options.seeds) < 1:
        parser.error(f"--epochs {options.epochs} --seeds {options.seeds}: both must be 1 or more")
    if unknown := {name for effect in EFFECTS for name in effect[1:3]} - set(VARIANTS):
        parser.error(f"EFFECTS names {sorted(unknown)}, not in VARIANTS: change it in this file")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=options.output).close()
        for suffix in (".json", ".png"):
            if (folder := options.output / (Path(__file__).stem + suffix)).is_dir():
                raise IsADirectoryError(f"{folder} is a folder")
        if options.dataset != DATASETS[0]:
            load_data(options.dataset, seed=0)  # downloads it, if it is not there
    except Exception as error:  # Keras raises a bare Exception when a download fails
        parser.error(f"cannot start: {error}; choose another --output or --dataset {DATASETS[0]}")
    return options


def main(argv=None):
    """Train each variant with each seed; print the table; write NAME.png and NAME.json."""
    options = parse_options(argv)
    plt.switch_backend("Agg")  # here and not on import, so that a notebook keeps its own
    runs, tests = [], []
    for seed in range(options.seeds):
        data = load_data(options.dataset, seed)
        for variant in VARIANTS:
            start = time.perf_counter()
            keras.utils.set_random_seed(seed)
            numbers, curves, test = train(variant, data, options.epochs)
            numbers["seconds"] = time.perf_counter() - start
            runs.append({"variant": variant, "seed": seed, "numbers": numbers, "curves": curves})
            tests.append(test)
            shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            total = options.seeds * len(VARIANTS)
            print(f"[{len(runs)}/{total}] {variant}, seed {seed}: {shown}", flush=True)
    for name in SELECT:  # the test set is used here only: once, for the variant selected
        scores = {v: np.mean(c) for v in VARIANTS if (c := column(runs, v, name))}
        best = max(scores, key=lambda variant: np.nan_to_num(scores[variant], nan=-np.inf))
        for run, test in zip(runs, tests, strict=True):
            if run["variant"] == best:
                run["numbers"][name.replace("validation", "test")] = test()
    report(runs, options)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(130)
