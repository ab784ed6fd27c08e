"""Learning rate range test: which learning rates are worth searching for this model and this data.

The rate grows from step to step by a constant factor, from far too small to far too large; the
loss first stands still, then falls, then rises. Good rates for a whole training lie in the decade
below the rate at which the loss is lowest. It is a rule of thumb: in nine settings (dense and
convolutional networks, Adam and SGD, classification and regression) that decade held a rate as
good as the best of a grid in eight; in the ninth, which soon overfits, good rates were lower. So
search a decade further if the best rate turns out to lie at an edge.

`fit` owns data and loop: whatever it trains can be tested.

    python -m tuning range my_module:build_model --data my_module:load_data --batch-size 64

Source: Smith (2017), Cyclical Learning Rates for Training Neural Networks, WACV, section 3.3.
"""

import contextlib
import math
from dataclasses import dataclass

import keras
import numpy as np

from .errors import InputError
from .inputs.data import advice_on_scale, as_data
from .inputs.model import (
    Builder,
    build_weights,
    check_model,
    count_of,
    loss_name,
    schedule_of,
    scope_of,
)
from .results.figures import plot_range

SMOOTHING = 3  # steps of the centred moving mean; a running mean would shift the curve to the right
DIVERGED = 4.0  # times the loss at the start


@dataclass(frozen=True)
class LearningRateRange:
    """What the test found.

    Attributes:
        learning_rates: float array (steps,), ascending by a constant factor.
        losses: float array (seeds, steps), the loss of the batch that was trained on at each rate,
            before that step; NaN from where a seed diverged.
        low: float, lower end of the range to search, a decade below its upper end, or the lowest
            rate tested.
        high: float, upper end, the rate at which the mean loss is lowest.
        edge: "low" or "high" where that rate is at the edge of those tested, so that better ones
            may lie beyond it, or None.

    """

    learning_rates: np.ndarray
    losses: np.ndarray
    low: float
    high: float
    edge: str | None = None

    def plot(self, path=None):
        """Draw the losses over the rates, and the range to search.

        Args:
            path: str or path of the image to write, complete or not at all; None to write nothing.

        Returns:
            matplotlib figure.

        """
        return plot_range(self, mean_curve(self.losses), path)


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
        build_model: function that returns a compiled model (with `hp`, it gets the defaults); it is
            called once for each seed, after `keras.utils.set_random_seed`. Its learning rate does
            not matter and a learning rate schedule is left out. Or a compiled model of your own:
            its weights, its statistics, its optimizer's state and its dropout seeds are put back
            bit for bit, also after an error; the seeds then differ in their batches only.
        train: whatever `search` takes: x, (x, y) or (x, y, sample_weight) of arrays or nested
            arrays with n rows each, a `tf.data.Dataset` or a `keras.utils.PyDataset`, which are
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
        InputError: if an argument cannot be used, the loss is not finite at the start, or it falls
            at no rate.

    """
    _check(batch_size, seeds, minimum, maximum, steps)
    rates = np.geomspace(minimum, maximum, steps)
    is_own = isinstance(build_model, keras.Model)
    build = build_model if is_own or isinstance(build_model, Builder) else Builder(build_model)
    model = _own(build) if is_own else _built(build, 0)
    is_endless = hasattr(train, "cardinality") and train.cardinality() == -1
    data = as_data(train, "train", model, steps=int(steps) if is_endless else None)
    if batch_size > data.num_examples:
        raise InputError(
            f"`batch_size` {batch_size} is more than the {data.num_examples} examples."
        )
    head = data.head(1)
    build_weights(model, head)
    variables = [*_variables(model), *model.metrics_variables]
    state = [_read(variable) for variable in variables]
    if verbose:
        print(f"Learning rate range test, batch size {batch_size}, {seeds} seeds:")
    progress = keras.utils.Progbar(seeds * steps, unit_name="step", verbose=verbose)
    losses = np.full((seeds, steps), np.nan)
    with _put_back(model, variables, state):
        for seed in range(seeds):
            if is_own or seed == 0:
                start = state
            else:  # the same compiled model, with the values of another one
                other = _built(build, seed)
                build_weights(other, head)
                start = [_read(variable) for variable in _variables(other)]
            for variable, value in zip(variables, start, strict=False):
                variable.assign(value)
            batches = data.batches(batch_size, seed, whole=True)
            _run(model, batches, rates, losses[seed], progress)
            progress.update((seed + 1) * steps)
    lowest = _lowest(rates, losses, data)
    high = float(rates[lowest])
    edge = "low" if high / 10 < minimum else "high" if lowest == steps - 1 else None
    return LearningRateRange(rates, losses, max(high / 10, float(minimum)), high, edge)


def _built(build, seed):
    keras.utils.set_random_seed(seed)
    model = build()
    _leave_schedule_out(model)
    return model


def _own(model):
    check_model(model)
    if schedule_of(model.optimizer) is not None:
        name = type(schedule_of(model.optimizer)).__name__
        raise InputError(
            f"The optimizer follows the schedule {name}, but this test sets the learning rate "
            "itself: compile with a number, or pass the function that builds the model."
        )
    return model


def _variables(model):
    """Everything that a training step changes."""
    return [*model.variables, *model.optimizer.variables]


def _read(variable):
    return np.array(keras.ops.convert_to_numpy(variable))  # a copy: buffers are reused


@contextlib.contextmanager
def _put_back(model, variables, state):
    """Let the model be trained step by step, and put all of it back at the end."""
    own = model.steps_per_execution, model.train_function
    model.steps_per_execution, model.train_function = 1, None
    try:
        with _own_generator():
            yield
    finally:
        model.steps_per_execution, model.train_function = own
        model.reset_metrics()
        for variable, value in zip(variables, state, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def _own_generator():
    """Put PyTorch's own generator back: an unseeded Dropout draws from it, not from a variable."""
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng():
        yield


def _run(model, batches, rates, losses, progress):
    """Train with `fit`, one rate after the other, and fill a row of the losses."""
    source = batches.pipeline() if hasattr(batches, "pipeline") else batches
    per_epoch = len(batches) if hasattr(batches, "__len__") else int(batches.cardinality())
    before = count_of(model.optimizer)
    test = _RangeTest(rates, losses, batches, progress)
    epochs = math.ceil(len(rates) / per_epoch)
    model.fit(source, epochs=epochs, shuffle=False, verbose=0, callbacks=[test])
    is_still = count_of(model.optimizer) == before
    if is_still and not model.optimizer.gradient_accumulation_steps:
        raise InputError(
            "The compiled optimizer takes no step: `train_step` updates the weights with another "
            "one, so there is no learning rate to test."
        )


class _RangeTest(keras.callbacks.Callback):
    """Sets the rate before each step and keeps the loss of that step's batch."""

    def __init__(self, rates, losses, batches, progress):
        super().__init__()
        self._rates, self._losses, self._batches = rates, losses, batches
        self._progress = progress
        self._step = 0

    def on_epoch_begin(self, epoch, logs=None):
        if hasattr(self._batches, "set_epoch"):
            self._batches.set_epoch(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):  # JAX keeps the variables' values elsewhere
            self.model.jax_state_sync()
        self.model.optimizer.learning_rate = self._rates[self._step]
        self.model.reset_metrics()  # else the logs are means over the epoch so far

    def on_train_batch_end(self, batch, logs=None):
        name = loss_name(logs)
        if name is None:
            raise InputError(
                f"The model's training step returns no loss, only {', '.join(sorted(logs))}: give "
                "learning_rate=(low, high) (--learning-rate LOW HIGH)."
            )
        self._losses[self._step] = float(logs[name])
        self._step += 1
        self._progress.add(1)
        is_last = self._step == len(self._rates)
        if is_last or _is_diverged(self._losses[: self._step]):
            self.model.stop_training = True


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


def _lowest(rates, losses, data):
    """Return the index of the rate at which the mean loss is lowest."""
    advice = advice_on_scale(data)
    if not np.isfinite(losses[:, :2]).all():
        raise InputError(
            "The loss is not finite at the first two batches, before any step of notable size: "
            "look for NaN or infinite values in the data and for labels beyond the classes, or "
            f"lower `minimum`.{advice}"
        )
    mean = mean_curve(losses)
    lowest = int(np.nanargmin(mean))
    start = losses[:, : max(2, len(rates) // 10)]  # rates too small to change anything
    noise = np.nanstd(start, ddof=1) / np.sqrt(SMOOTHING * len(losses))  # of the mean curve
    first = np.nanmean(start)
    # it may fall, or explode, from the first rate on
    is_halved = 0 <= mean[lowest] < losses[:, 0].mean() / 2
    if not is_halved and first - mean[lowest] <= 3 * noise + 1e-6 * abs(first):
        raise InputError(
            f"The loss falls at no learning rate between {rates[0]:.3g} and {rates[-1]:.3g}: "
            f"{first:.4g} at the start, {mean[lowest]:.4g} at its lowest. Check that the "
            f"labels belong to the examples, or raise `maximum`, `seeds` or `batch_size`.{advice}"
        )
    return lowest


def _is_diverged(losses):
    """Whether the last loss is not finite, or the last three are far above the first ones."""
    if not np.isfinite(losses[-1]):
        losses[-1] = np.nan
        return True
    start = np.median(losses[:5])
    return np.median(losses[-3:]) > start + (DIVERGED - 1) * abs(start)  # one may be chance


def _leave_schedule_out(model):
    """Give the optimizer a plain learning rate in place of its schedule."""
    if schedule_of(model.optimizer) is None:
        return
    config = model.optimizer.get_config()
    rate_config = config["inner_optimizer"]["config"] if "inner_optimizer" in config else config
    rate_config["learning_rate"] = 1.0
    with scope_of(model):
        model.optimizer = type(model.optimizer).from_config(config)


def _check(batch_size, seeds, minimum, maximum, steps):
    for name, value, least in (("batch_size", batch_size, 1), ("seeds", seeds, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"`{name}` must be a whole number of at least {least}; got {value}.")
    if not isinstance(steps, (int, np.integer)) or steps < 20:
        raise InputError(f"`steps` must be a whole number of at least 20; got {steps}.")
    if not 0 < minimum < maximum < np.inf:
        raise InputError(
            f"The learning rates must be 0 < minimum < maximum; got {minimum} and {maximum}."
        )
