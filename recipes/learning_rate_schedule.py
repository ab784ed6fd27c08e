# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow>=2.21,<2.22", "keras>=3.15,<3.16", "scikit-learn>=1.5,<2",
#   "scipy>=1.13,<2", "matplotlib>=3.9,<4"]
# ///
"""Learning rate schedule: warm up, take large steps first, end with small ones.

Symptom   The training loss falls fast at first, then jitters at a level and never settles; a
          smaller constant rate settles, but needs far longer: high bias in the time there is.
Remedy    `CosineDecay` with a warm-up as the optimizer's rate, when the number of steps is known;
          the callback `ReduceLROnPlateau` when it is not: it reacts to the validation loss.
Look for  The high constant rate jitters, the low one crawls; both schedules fall as fast as the
          high rate and then settle well below it.
Not when  The loss falls smoothly to the end: a decay would only stop it sooner. A constant rate
          that was searched well (0.01 here) reaches the same validation accuracy: a schedule
          forgives a rate that is too high, but not one that is wrong from the start.
          `ReduceLROnPlateau` cannot be used together with a schedule object.
Source    Loshchilov & Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR
          (cosine). Goyal et al. (2017), Accurate, Large Minibatch SGD: Training ImageNet in
          1 Hour (warm-up).
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

# For your own data and network, change the settings, load_data and build_model.
SYMPTOM = "high bias"
DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10")  # all but the first are downloaded
VARIANTS = {"constant, high": 0.08, "constant, low": 0.001, "cosine": 0.08, "plateau": 0.08}  # peak
SELECT = ["validation accuracy (%)"]  # the variant with the most of it is the only one tested
EFFECTS = [  # (quantity, baseline, remedy, +1: more is better, -1: less is better)
    ("validation accuracy (%)", "constant, high", "cosine", +1),
    ("last training loss (nats)", "constant, high", "plateau", -1),
    ("validation accuracy (%)", "constant, low", "cosine", +1),
]
EPOCHS, QUICK_EPOCHS = 20, 2
BATCH_SIZE = 16


def load_data(dataset, seed):
    """Return {"train", "validation", "test"}: pixels (n, features) in 0..1, labels (n,)."""
    if dataset == "digits":
        x, y = load_digits(return_X_y=True)
    else:
        x, y = getattr(keras.datasets, dataset).load_data()[0]
    x, y = x.reshape(len(x), -1).astype("float32") / x.max(), y.ravel().astype("int64")
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    return {"train": (x, y), "validation": (x_val, y_val), "test": (x_test, y_test)}


def learning_rate(variant, num_steps):
    """Return the rate: a number, or a schedule over the `num_steps` steps of the training."""
    peak, warmup = VARIANTS[variant], max(1, num_steps // 10)
    if variant != "cosine":
        return peak
    decay = max(1, num_steps - warmup)
    return keras.optimizers.schedules.CosineDecay(  # <- the remedy
        initial_learning_rate=0.0, warmup_target=peak, warmup_steps=warmup, decay_steps=decay
    )


def build_model(rate, num_features, num_classes=10):
    """Return a compiled MLP whose optimizer has this learning rate."""
    hidden = [layers.Dense(64, activation="relu") for _ in range(3)]
    output = layers.Dense(num_classes, activation="softmax")
    model = keras.Sequential([keras.Input((num_features,)), *hidden, output])
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def accuracy(model, x, y):
    """Return the accuracy in percent."""
    return 100 * model.evaluate(x, y, batch_size=2000, verbose=0, return_dict=True)["accuracy"]


def train(variant, data, epochs):
    """Train one variant; return its numbers, its curves, and a function that tests it."""
    num_steps = epochs * -(-len(data["train"][0]) // BATCH_SIZE)
    model = build_model(learning_rate(variant, num_steps), data["train"][0].shape[1])
    rates = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    fit = {"validation_data": batches(data["validation"], 2000), "verbose": 0}
    fit |= {"epochs": epochs, "callbacks": [watch]}
    if variant == "plateau":
        reduce = keras.callbacks.ReduceLROnPlateau(factor=0.2, patience=2)  # <- or this
        fit["callbacks"] += [reduce]
    history = model.fit(batches(data["train"], BATCH_SIZE), shuffle=False, **fit).history
    numbers = {f"{k} accuracy (%)": accuracy(model, *data[k]) for k in ("train", "validation")}
    gap = numbers["train accuracy (%)"] - numbers["validation accuracy (%)"]
    numbers["generalization gap (points)"] = gap
    numbers["last training loss (nats)"] = history["loss"][-1]
    curves = {"rate": rates, "loss": history["loss"], "val_loss": history["val_loss"]}
    return numbers, curves, lambda: accuracy(model, *data["test"])


def plot(runs):
    """Return the figure: the learning rate above, the loss below, the same axes for all."""
    figure, axes = plt.subplots(2, len(VARIANTS), figsize=(12, 5.5), sharex=True, sharey="row")
    for place, variant in enumerate(VARIANTS):
        draw(axes[0, place], runs, variant, "rate", "learning rate", "tab:green")
        draw(axes[1, place], runs, variant, "loss", "training", "tab:blue")
        draw(axes[1, place], runs, variant, "val_loss", "validation", "tab:orange")
        axes[0, place].set_title(variant)
        axes[0, place].set_yscale("log", nonpositive="mask")  # the cosine ends at 0
        axes[1, place].set(xlabel="epoch", yscale="log")
    axes[0, 0].set_ylabel("learning rate at the epoch's end")
    axes[1, 0].set_ylabel("cross-entropy (nats)")
    axes[1, 0].legend(title="mean, range of seeds")
    figure.suptitle("Does a falling learning rate let the loss settle?")
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
