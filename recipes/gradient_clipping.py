# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""Gradient clipping: shorten a gradient that is too long, so that one step cannot ruin the weights.

Symptom   A recurrent network's loss jumps up by powers of ten, or becomes NaN: through many time
          steps the gradient is a product of many factors, and it explodes.
Remedy    `clipnorm` (each weight's gradient) or `global_clipnorm` (all together, which keeps the
          direction) on any Keras optimizer. An LSTM's gated cell avoids many of the factors.
Look for  Without clipping the second step ruins the weights: some seeds end in NaN, the others
          return to the loss of the mean and stay there; a tenth of the rate has spikes as well.
          With clipping the norm, recorded before it, may still spike, and the error falls.
          The task: add the two marked numbers of a long sequence; the mean scores 0.167.
Not when  The gradient vanishes: clipping never lengthens it. A threshold far below the usual norm
          shortens nearly every step, as here: the direction is kept, the length is fixed (no
          smaller constant rate did as well). Look at the norms first. The simple net here starts at
          the identity with ReLU, which can learn this task and explodes easily.
Source    Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent neural
          networks, ICML. Le, Jaitly & Hinton (2015), A Simple Way to Initialize Recurrent Networks
          of Rectified Linear Units.
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

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
try:
    from callbacks.gradient_monitor import GradientMonitor
except ModuleNotFoundError as error:
    note = "`python -m recipes copy gradient_clipping FOLDER` copies it along"
    print(f"error: {error}; {note}", file=sys.stderr)
    sys.exit(2)

# For your own data and network, change the settings, load_data and build_model.
SYMPTOM = "exploding gradient"
DATASETS = ("adding",)  # generated
VARIANTS = {  # learning rate, options of the optimizer
    "no clipping": (0.03, {}),
    "no clipping, rate / 10": (0.003, {}),
    "clipnorm": (0.03, {"clipnorm": 0.1}),
    "global_clipnorm": (0.03, {"global_clipnorm": 0.5}),
    "LSTM, global_clipnorm": (0.3, {"global_clipnorm": 0.5}),
}
SELECT = ["validation within 0.1 (%)"]  # the variant with the most of it is the only one tested
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("validation within 0.1 (%)", "no clipping", "clipnorm", +1),
    ("validation within 0.1 (%)", "no clipping", "global_clipnorm", +1),
    ("validation within 0.1 (%)", "no clipping, rate / 10", "global_clipnorm", +1),
]
EPOCHS, QUICK_EPOCHS = 24, 1
LENGTH, NUM_TRAIN = 24, 2000  # time steps, sequences


def load_data(dataset, seed):
    """Return {"train", "validation", "test"}: sequences (n, LENGTH, 2), sums (n, 1)."""
    rng = np.random.default_rng(seed)
    x = np.zeros((NUM_TRAIN + 1000, LENGTH, 2), "float32")
    x[..., 0] = rng.random(x.shape[:2])  # the numbers, in 0..1
    for half in (0, LENGTH // 2):  # a mark in each half
        x[np.arange(len(x)), half + rng.integers(0, LENGTH // 2, len(x)), 1] = 1
    y = (x[..., 0] * x[..., 1]).sum(1, keepdims=True)
    splits = np.split(np.arange(len(x)), [NUM_TRAIN, NUM_TRAIN + 500])
    return {k: (x[i], y[i]) for k, i in zip(("train", "validation", "test"), splits, strict=True)}


def relu(x):
    """Return max(x, 0): "relu" makes TensorFlow's optimizer of graphs complain in a loop."""
    return keras.ops.maximum(x, 0.0)


def build_model(variant):
    """Return a compiled recurrent network with a linear output."""
    rate, clipping = VARIANTS[variant]
    if variant.startswith("LSTM"):
        recurrent = layers.LSTM(32)
    else:
        recurrent = layers.SimpleRNN(32, relu, recurrent_initializer="identity")
    model = keras.Sequential([keras.Input((LENGTH, 2)), recurrent, layers.Dense(1)])
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, **clipping)  # <- the remedy
    model.compile(optimizer, "mse", steps_per_execution=8)  # the same steps, in less time
    return model


def within(model, x, y):
    """Return the share of sequences (%) whose sum is met to 0.1; NaN meets nothing."""
    return 100 * float(np.mean(np.abs(keras.ops.convert_to_numpy(model(x)) - y) < 0.1))


def train(variant, data, epochs):
    """Train one variant; return its numbers, its curves, and a function that tests it."""
    model, monitor = build_model(variant), GradientMonitor(wide_range=True)
    fit = {"epochs": epochs, "verbose": 0, "callbacks": [monitor, keras.callbacks.TerminateOnNaN()]}
    history = model.fit(batches(data["train"], 50), shuffle=False, **fit)
    losses, norms = history.history["loss"], np.linalg.norm(monitor.norms.astype(float), axis=1)
    train_score, validation_score = (within(model, *data[k]) for k in ("train", "validation"))
    numbers = {
        "train within 0.1 (%)": train_score,
        "validation within 0.1 (%)": validation_score,
        "generalization gap (points)": train_score - validation_score,
        "largest gradient norm": np.max(norms[np.isfinite(norms)]),
        "lost to NaN or infinity (%)": 100 * float(not np.isfinite(losses[-1])),
    }
    return numbers, {"norm": norms, "loss": losses}, lambda: within(model, *data["test"])


def plot(runs):
    """Return the figure: gradient norm of each step above, loss below, a line for each seed."""
    figure, axes = plt.subplots(2, len(VARIANTS), figsize=(15, 6), sharex="row", sharey="row")
    for run in runs:
        place, seed = list(VARIANTS).index(run["variant"]), run["seed"]
        for axis, curve in zip(axes[:, place], ("norm", "loss"), strict=True):
            values = np.array(run["curves"][curve])
            last = np.flatnonzero(np.isfinite(values))[-1:]  # a cross on it, if the run was lost
            lost = run["numbers"]["lost to NaN or infinity (%)"] > 0 and len(last)
            mark = {"marker": "X", "ms": 9, "markevery": [last[0]]} if lost else {}
            axis.plot(np.arange(1, len(values) + 1), values, color=f"C{seed}", lw=0.8, **mark)
            axis.set_yscale("log")
    for place, variant in enumerate(VARIANTS):
        lost = np.array(column(runs, variant, "lost to NaN or infinity (%)")) > 0
        axes[0, place].set(title=variant, xlabel="optimizer step", xscale="log")
        axes[1, place].set(title=f"{lost.sum()} of {len(lost)} seeds lost", xlabel="epoch")
        axes[1, place].axhline(1 / 6, color="gray", linestyle=":")
    axes[1, 0].set_ylim(1e-4, 1e4)  # what lies above is lost anyway
    axes[0, 0].set_ylabel("L2 norm of all gradients,\nbefore clipping")
    axes[1, 0].set_ylabel("training loss: mean squared error")
    axes[0, -1].plot([], [], color="C0", label="a seed")
    axes[0, -1].plot([], [], color="C0", marker="X", linestyle="", label="lost: NaN or infinity")
    axes[0, -1].plot([], [], color="gray", linestyle=":", label="loss of the mean")
    axes[0, -1].legend()
    figure.suptitle(f"Adding problem, {LENGTH} time steps: does one step ruin the weights?")
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
