"""Learning rate range test: which learning rates are worth searching for this model and this data.

The rate grows from step to step by a constant factor, from far too small to far too large; the
loss first stands still, then falls, then rises. Good rates for a whole training lie in the decade
below the rate at which the loss is lowest. It is a rule of thumb: in nine settings (dense and
convolutional networks, Adam and SGD, classification and regression) that decade held a rate as
good as the best of a grid in eight; in the ninth, which soon overfits, good rates were lower. So
search a decade further if the best rate turns out to lie at an edge.

Copy this file alone: it needs Keras 3 and NumPy (matplotlib for `plot`). From a command line:

    python -m tuning range my_module:build_model --data my_module:load_data --batch-size 64

Source: Smith (2017), Cyclical Learning Rates for Training Neural Networks, WACV, section 3.3.
"""

import argparse
import importlib
import inspect
import itertools
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

SMOOTHING = 3  # steps of the centred moving mean; a running mean would shift the curve to the right
DIVERGED = 4.0  # times the loss at the start


@dataclass(frozen=True)
class LearningRateRange:
    """What the test found.

    Attributes:
        learning_rates: float array (steps,), ascending by a constant factor.
        losses: float array (seeds, steps), the loss of the batch that was trained on at each rate,
            before that step; NaN from where a seed diverged.
        low: float, lower end of the range to search, a decade below its upper end.
        high: float, upper end, the rate at which the mean loss is lowest.

    """

    learning_rates: np.ndarray
    losses: np.ndarray
    low: float
    high: float

    def plot(self, path=None):
        """Draw the losses over the rates, and the range to search.

        Args:
            path: str or path of the image to write, complete or not at all; None to write nothing.

        Returns:
            matplotlib figure.

        """
        from matplotlib.figure import Figure  # not pyplot: a notebook keeps its backend

        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axis = figure.subplots()
        mean = mean_curve(self.losses)
        axis.axvspan(self.low, self.high, color="tab:blue", alpha=0.15, linewidth=0)
        axis.semilogx(self.learning_rates, self.losses.T, color="0.7", linewidth=0.8)
        axis.semilogx(self.learning_rates, mean, color="tab:blue", linewidth=2)
        axis.axvline(self.high, color="tab:orange", linestyle="--")
        start, lowest = np.nanmedian(self.losses[:, :5]), np.nanmin(mean)
        room = max(start - lowest, 1e-3 * abs(start))
        axis.set_ylim(min(lowest, np.nanmin(self.losses)) - 0.1 * room, start + 0.8 * room)
        high_up = {"transform": axis.get_xaxis_transform(), "va": "top"}
        text = f"search here  \n{self.low:.2g} to {self.high:.2g}  "
        axis.text(self.low, 0.98, text, ha="right", color="tab:blue", **high_up)
        axis.text(self.high, 0.98, "  loss is\n  lowest", color="tab:orange", **high_up)
        axis.set_xlabel("learning rate (log scale)")
        axis.set_ylabel("training loss of one batch")
        seeds = len(self.losses)
        axis.set_title(f"Learning rate range test, {seeds} seed{'s' * (seeds > 1)} (grey) and mean")
        if path is not None:
            path = Path(path)
            temporary = path.with_name(f".part-{path.name}")
            figure.savefig(temporary, dpi=150, format=path.suffix[1:] or "png")
            os.replace(temporary, path)
        return figure


def learning_rate_range(
    build_model,
    train,
    batch_size=32,
    seeds=3,
    minimum=1e-7,
    maximum=10.0,
    steps=100,
    verbose=1,
):
    """Find the range of learning rates that is worth searching.

    Args:
        build_model: function without arguments that returns a compiled model; it is called once
            for each seed, after `keras.utils.set_random_seed`. Its learning rate does not matter
            and a learning rate schedule is left out. Or a compiled model of your own: its weights,
            its statistics, its optimizer's state and its dropout seeds are put back bit for bit,
            also after an error; the seeds then differ in their batches only.
        train: (x, y) or (x, y, sample_weight) of arrays or nested arrays with n rows each; or a
            `tf.data.Dataset`, `keras.utils.PyDataset` or another iterable of batches, which are
            cut into the batch size asked for.
        batch_size: int, examples per step; good rates depend on it.
        seeds: int, how often the test is repeated (initial weights and order of the examples).
        minimum: float, first learning rate.
        maximum: float, last learning rate.
        steps: int, number of rates.
        verbose: 1 shows progress, 0 nothing.

    Returns:
        `LearningRateRange`.

    Raises:
        ValueError: if an argument cannot be used, the loss is not finite at the start, or it falls
            at no rate.

    """
    _check(batch_size, seeds, minimum, maximum, steps)
    is_own = isinstance(build_model, keras.Model)
    if is_own and keras.backend.backend() == "torch":
        import torch

        # an unseeded Dropout draws from torch's own generator rather than from a Keras variable
        with torch.random.fork_rng():
            return _test(build_model, train, batch_size, seeds, minimum, maximum, steps, verbose)
    return _test(build_model, train, batch_size, seeds, minimum, maximum, steps, verbose)


def _test(build_model, train, batch_size, seeds, minimum, maximum, steps, verbose):
    is_own = isinstance(build_model, keras.Model)
    if not is_own:
        keras.utils.set_random_seed(0)
    model = build_model if is_own else build_model()
    check_model(model, is_own)
    first = next(_batches(train, batch_size, 0, model))
    _build(model, first)
    own_state = [(v, _read(v)) for v in [*_variables(model), *model.metrics_variables]]
    rates = np.geomspace(minimum, maximum, steps)
    losses = np.full((seeds, steps), np.nan)
    progress = keras.utils.Progbar(seeds * steps, unit_name="step", verbose=verbose)
    try:
        for seed in range(seeds):
            start = own_state
            if not is_own and seed > 0:
                keras.utils.set_random_seed(seed)
                other = build_model()
                check_model(other, is_own)
                _build(other, first)
                start = zip(_variables(model), [_read(v) for v in _variables(other)], strict=True)
            for variable, value in start:
                variable.assign(value)
            for step, batch in zip(
                range(steps), _batches(train, batch_size, seed, model), strict=False
            ):
                losses[seed, step] = _train_step(model, rates[step], batch)
                if _is_diverged(losses[seed, : step + 1]):
                    break
                progress.update(seed * steps + step + 1)
            progress.update((seed + 1) * steps)
    finally:
        model.reset_metrics()
        for variable, value in own_state:
            variable.assign(value)
    high = _rate_of_lowest_loss(rates, losses)
    return LearningRateRange(rates, losses, high / 10, high)


def mean_curve(losses):
    """Mean over the seeds, smoothed; NaN where a seed has diverged.

    Args:
        losses: float array (seeds, steps).

    Returns:
        float array (steps,), a centred moving mean, shorter at both ends.

    """
    mean = losses.mean(0)
    half = SMOOTHING // 2
    windows = [mean[max(0, i - half) : i + half + 1] for i in range(len(mean))]
    smooth = np.array([np.nanmean(w) if np.isfinite(w).any() else np.nan for w in windows])
    return np.where(np.isnan(mean), np.nan, smooth)


def _rate_of_lowest_loss(rates, losses):
    if not np.isfinite(losses[:, :2]).all():
        raise ValueError(
            "The loss is not finite at the first two batches, before any step of notable size: "
            "look for NaN or infinite values in the data and for labels beyond the classes, or "
            "lower `minimum`."
        )
    mean = mean_curve(losses)
    lowest = int(np.nanargmin(mean))
    start = losses[:, : max(2, len(rates) // 10)]  # rates too small to change anything
    noise = start.std(ddof=1) / np.sqrt(SMOOTHING * len(losses))  # of a point of the mean curve
    if start.mean() - mean[lowest] <= 3 * noise + 1e-6 * abs(start.mean()):
        raise ValueError(
            f"The loss falls at no learning rate between {rates[0]:.3g} and {rates[-1]:.3g}: "
            f"{start.mean():.4g} at the start, {mean[lowest]:.4g} at its lowest. Check that the "
            "labels belong to the examples, or raise `maximum`, `seeds` or `batch_size`."
        )
    return float(rates[lowest])


def _is_diverged(losses):
    """Whether the last loss is not finite, or the last three are far above the first ones."""
    if not np.isfinite(losses[-1]):
        losses[-1] = np.nan
        return True
    start = np.median(losses[:5])
    return np.median(losses[-3:]) > start + (DIVERGED - 1) * abs(start)  # one may be chance


def _train_step(model, rate, batch):
    """One step at this rate; return the loss of this batch alone.

    `train_on_batch` sets the metrics to zero first; `fit` logs means of the epoch so far.
    """
    model.optimizer.learning_rate = rate
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    logs = model.train_on_batch(x, y, sample_weight, return_dict=True)
    return float(logs["loss"])


def _variables(model):
    """Everything that a training step changes."""
    return [*model.variables, *model.optimizer.variables]


def _read(variable):
    return np.array(keras.ops.convert_to_numpy(variable))  # a copy: buffers are reused


def _build(model, batch):
    x, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
    if not model.built:
        model(x)
    if not model.trainable_variables:
        raise ValueError("The model has no trainable weights: nothing for a learning rate to do.")
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _check(batch_size, seeds, minimum, maximum, steps):
    for name, value, least in (("batch_size", batch_size, 1), ("seeds", seeds, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"`{name}` must be a whole number of at least {least}; got {value}.")
    if not isinstance(steps, (int, np.integer)) or steps < 20:
        raise ValueError(f"`steps` must be a whole number of at least 20; got {steps}.")
    if not 0 < minimum < maximum < np.inf:
        raise ValueError(
            f"The learning rates must be 0 < minimum < maximum; got {minimum} and {maximum}."
        )


def check_model(model, is_own=False):
    """Refuse what is no compiled model; give it a plain learning rate, unless it is the user's."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"build_model must return a keras.Model; got {type(model).__name__}.")
    if getattr(model, "optimizer", None) is None:
        raise ValueError("The model is not compiled: call model.compile(optimizer, loss) first.")
    config = model.optimizer.get_config()
    rate_config = config["inner_optimizer"]["config"] if "inner_optimizer" in config else config
    schedule = rate_config.get("learning_rate")
    if not isinstance(schedule, dict):
        return
    if is_own:
        raise ValueError(
            f"The optimizer follows the schedule {schedule['class_name']}, but this test sets the "
            "learning rate itself: compile with a number, or pass the function that builds the "
            "model."
        )
    rate_config["learning_rate"] = 1.0
    model.optimizer = type(model.optimizer).from_config(config)


def _batches(train, batch_size, seed, model):
    """Endless batches of exactly `batch_size` examples; arrays in another order for each seed."""
    if isinstance(train, (tuple, list)):
        return _array_batches(tuple(part for part in train if part is not None), batch_size, seed)
    return _cut(_epochs(train, batch_size, model), batch_size)


def _array_batches(parts, batch_size, seed):
    if not 1 <= len(parts) <= 3:
        raise ValueError(
            f"`train` must be (x, y) or (x, y, sample_weight); got {len(parts)} parts."
        )
    try:
        parts = keras.tree.map_structure(_as_array, parts)
    except (ValueError, TypeError):
        raise ValueError("`train` must hold arrays of numbers with one row per example.") from None
    lengths = [len(leaf) for leaf in keras.tree.flatten(parts)]
    if len(set(lengths)) != 1:
        raise ValueError(f"The arrays of `train` have unequal lengths: {lengths}.")
    if batch_size > lengths[0]:
        raise ValueError(f"`batch_size` {batch_size} is more than the {lengths[0]} examples.")

    def batches():
        random = np.random.default_rng(seed)
        order = np.empty(0, int)
        while True:
            if len(order) < batch_size:
                order = np.concatenate([order, random.permutation(lengths[0])])
            rows, order = order[:batch_size], order[batch_size:]
            yield keras.tree.map_structure(lambda leaf, rows=rows: leaf[rows], parts)

    return batches()


def _as_array(leaf):
    array = keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else np.asarray(leaf)
    if array.dtype == object or array.ndim == 0:
        raise ValueError
    return array.astype(keras.config.floatx()) if array.dtype == np.float64 else array


def _epochs(source, batch_size, model):
    """One epoch after another of a dataset; each an iterable of batches."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    if hasattr(source, "element_spec") and inputs:  # tf.data: one example or one batch each?
        ranks = [leaf.shape.rank for leaf in keras.tree.flatten(source.element_spec[0])]
        if None not in ranks and sum(ranks) == sum(len(tensor.shape) - 1 for tensor in inputs):
            source = source.batch(batch_size)
    while True:
        if isinstance(source, keras.utils.PyDataset):
            count = source.num_batches
            yield (source[i] for i in (range(count) if count else itertools.count()))
            source.on_epoch_end()
        elif hasattr(source, "__iter__") and iter(source) is not source:
            yield source
        else:
            raise ValueError(
                "`train` must be arrays (x, y), a tf.data.Dataset, a PyDataset or another iterable "
                f"that can be read more than once; got {type(source).__name__}."
            )


def _cut(epochs, batch_size):
    """Cut batches of any size into batches of `batch_size`, across the ends of epochs."""
    rest, rows = None, 0
    for epoch, batches in enumerate(epochs):
        seen = 0
        for batch in batches:
            batch = keras.tree.map_structure(_as_array, tuple(batch))
            seen += len(keras.tree.flatten(batch)[0])
            if rest is not None:
                pairs = (rest, batch)
                batch = keras.tree.map_structure(lambda *pair: np.concatenate(pair), *pairs)
            rows = len(keras.tree.flatten(batch)[0])
            start = 0
            while rows - start >= batch_size:
                cut = slice(start, start + batch_size)
                yield keras.tree.map_structure(lambda leaf, cut=cut: leaf[cut], batch)
                start += batch_size
            rest = keras.tree.map_structure(lambda leaf, start=start: leaf[start:], batch)
        if epoch == 0 and seen < batch_size:
            raise ValueError(f"`batch_size` {batch_size} is more than the {seen} examples.")


def load_function(name):
    """Import `module:function`, also from the current folder.

    Raises:
        ValueError: if there is no such module or function.

    """
    module, _, function = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise ValueError(f"There is no module {error.name!r} (needed for {name!r}).") from None
    except AttributeError:
        raise ValueError(f"Module {module!r} has no function {function!r}.") from None
    except ValueError:
        raise ValueError(f"{name!r} is not of the form module:function.") from None
    if not callable(found):
        raise ValueError(f"{name!r} is not a function but {type(found).__name__}.")
    return found


def load_model_function(build_model):
    """Return a function without arguments; one that wants `hp` gets its default values."""
    if isinstance(build_model, str):
        build_model = load_function(build_model)
    parameters = inspect.signature(build_model).parameters.values()
    if not any(p.name == "hp" or p.default is p.empty for p in parameters):
        return build_model
    import keras_tuner

    return lambda: build_model(keras_tuner.HyperParameters())


def load_training_data(name):
    """Call `module:function` and return its training data."""
    return training_data(load_function(name)(), name)


def training_data(data, name):
    """Return "train" of a dict, the first of (train, validation[, test]), or all of it."""
    if isinstance(data, dict):
        if "train" not in data:
            raise ValueError(f'{name} returns a dict without "train"; it has {sorted(data)}.')
        return data["train"]
    is_nested = isinstance(data, tuple) and len(data) > 1 and not hasattr(data[0], "shape")
    return data[0] if is_nested and not isinstance(data[0], (dict, list)) else data


def main(argv=None):
    """Run the test from a command line; a mistake is one sentence and exit code 2."""
    parser = argparse.ArgumentParser("python -m tuning range", description=__doc__.split("\n")[0])
    option = parser.add_argument
    option("build_model", nargs="?", default="tuning.digits:build_model", help="module:function")
    option("--data", default="tuning.digits:load_data", help="module:function that returns (x, y)")
    option("--batch-size", type=int, default=32, help="examples per step (default: 32)")
    option("--seeds", type=int, default=3, help="repetitions (default: 3)")
    option("--minimum", type=float, default=1e-7, help="first learning rate (default: 1e-7)")
    option("--maximum", type=float, default=10.0, help="last learning rate (default: 10)")
    option("--steps", type=int, default=100, help="number of rates (default: 100)")
    option("--output", type=Path, default=Path("learning_rate_range.png"), help="figure to write")
    options = parser.parse_args(argv)
    if not options.output.parent.is_dir():
        parser.error(f"there is no folder {str(options.output.parent)!r} for --output")
    from matplotlib.figure import Figure

    kinds = Figure().canvas.get_supported_filetypes()
    if options.output.suffix[1:].lower() not in kinds:
        parser.error(f"--output must end in one of {', '.join(kinds)}; got {options.output}")
    try:
        found = learning_rate_range(
            load_model_function(options.build_model),
            load_training_data(options.data),
            options.batch_size,
            options.seeds,
            options.minimum,
            options.maximum,
            options.steps,
        )
    except ValueError as error:
        parser.error(_one_line(error))
    # whatever the user's functions raise, or TensorFlow: labels beyond the classes, say
    except (Exception, SystemExit) as error:
        parser.error(f"{type(error).__name__}: {_one_line(error)}")
    print(
        f"Search between {found.low:.2g} and {found.high:.2g}, the rate of the lowest loss "
        f"(batch size {options.batch_size}, repeated {options.seeds} times)."
    )
    what = "Replaced" if options.output.exists() else "Wrote"
    found.plot(options.output)
    print(what, options.output)
    return 0


def _one_line(error):
    """Return the text of an exception without what Keras and TensorFlow add."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    added = r'Graph execution error:|Detected at node .*|<stack traces unavailable>|  File ".*'
    return " ".join(re.sub(added + r"|\[\[\{\{node.*", "", text).split())


if __name__ == "__main__":
    sys.exit(main())
