"""Learning rate range test: which learning rates are worth searching for this model and this data.

The rate grows from step to step by a constant factor, from far too small to far too large; the
loss first stands still, then falls, then rises. Good rates for a whole training lie in the decade
below the rate at which nine tenths of this fall are reached. It is a rule of thumb, so a search
goes a decade further where the best rate turns out to lie at an edge.

`fit` owns data and loop and the rate is a schedule of Keras, so whatever trains can be tested.

    python -m tuning range my_module:build_model --data my_module:load_data --batch-size 64

Source: Smith (2017), Cyclical Learning Rates for Training Neural Networks, WACV, section 3.3.
"""

import math
from dataclasses import dataclass

import keras
import numpy as np

from .errors import InputError, naming
from .inputs.arguments import check_size, check_whole
from .inputs.data import advice_on_scale, as_data, for_fit
from .inputs.model import Builder, all_variables, build_with_seed, count_of, loss_name
from .results.figures import plot_range
from .results.words import count

DIVERGED = 4.0  # times the loss at the start


@dataclass(frozen=True)
class LearningRateRange:
    """What the test found."""

    learning_rates: np.ndarray  # (steps,), ascending by a constant factor
    losses: np.ndarray  # (seeds, steps), of each batch before its step; NaN once diverged
    low: float  # of the range to search, a decade below its upper end, or the lowest rate tested
    high: float  # the rate at which the mean loss has fallen by nine tenths
    edge: str | None = None  # "low" or "high" of the rates tested, where better ones may lie beyond

    def plot(self, path=None):
        """Draw losses and range; write the image `path` if given; return the figure."""
        return plot_range(self, mean_curve(self.losses), path)

    def words(self):
        """Return what was found as text."""
        text = f"Search between {self.low:.2g} and {self.high:.2g}, where nine tenths of the fall "
        text += f"of the loss are reached (mean of {count(len(self.losses), 'seed')})."
        if self.edge:
            text += f" This is the {self.edge} edge of those tested: better ones may lie beyond."
        return text


class NoFall(InputError):
    """The loss falls at no rate beyond its noise; a whole training may learn all the same."""


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
            called once for each seed, after `keras.utils.set_random_seed`. The test's rate takes
            the place of the model's own, schedule or not.
        train: whatever `search` takes: x, (x, y) or (x, y, sample_weight) of arrays or nested
            arrays with n rows each, a `tf.data.Dataset` of batches or a `keras.utils.PyDataset`,
            which are cut into the batch size asked for.
        batch_size: int, examples per step; good rates depend on it.
        seeds: int, how often the test is repeated (initial weights and order of the examples).
        minimum: float, first learning rate.
        maximum: float, last learning rate.
        steps: int, number of rates.
        verbose: 1 shows progress, 0 nothing.

    Returns:
        `LearningRateRange`.

    Raises:
        InputError: if an argument cannot be used, the loss is not finite at the start, no weight
            moves, or the loss falls at no rate (`NoFall`).

    """
    check_whole("batch_size", batch_size)
    check_whole("seeds", seeds)
    check_whole("steps", steps, 20)
    if not 0 < minimum < maximum < np.inf:
        raise InputError(
            f"The learning rates must be 0 < minimum < maximum; got {minimum} and {maximum}."
        )
    rates = np.geomspace(minimum, maximum, steps)
    build = Builder(build_model)
    with naming("The model cannot be trained on `train`:"):
        losses, data = _losses(build, train, batch_size, seeds, rates, verbose)
        build.put_back()
    reached, lowest = _fall(rates, losses, data)
    high = float(rates[reached])
    edge = "low" if high / 10 < minimum else "high" if lowest == steps - 1 else None
    return LearningRateRange(rates, losses, max(high / 10, float(minimum)), high, edge)


def _losses(build, train, batch_size, seeds, rates, verbose):
    """Train at one rate after the other; return the losses (seeds, steps) and the data read."""
    steps = len(rates)
    is_endless = hasattr(train, "cardinality") and train.cardinality() == -1
    data = as_data(train, "train", steps if is_endless else None)
    check_size(batch_size, data)
    if verbose:
        print(f"Learning rate range test, batch size {batch_size}, {count(seeds, 'seed')}:")
    progress = keras.utils.Progbar(seeds * steps, unit_name="step", verbose=verbose)
    losses, model = np.full((seeds, steps), np.nan), None
    for seed in range(seeds):
        other = build_with_seed(build, seed, data.head(1))
        other.optimizer.learning_rate = _Growing(rates, count_of(other.optimizer))
        if model is None:
            model = other
            model.make_train_function(force=True)  # one that was trained holds its own rate
        else:  # the model that is compiled already, with the values of the new one
            for variable, value in zip(all_variables(model), all_variables(other), strict=True):
                variable.assign(value)
        batches = data.batches(batch_size, seed, whole=True)
        test = _RangeTest(rates, losses[seed], batches, progress)
        epochs = math.ceil(steps / (data.num_examples // batch_size))
        fit = {"epochs": epochs, "shuffle": False, "verbose": 0, "callbacks": [test]}
        before = model.get_weights()
        model.fit(for_fit(batches), class_weight=data.class_weight, **fit)
        if test.step == 0 and np.isfinite(losses[seed, 0]):
            raise InputError(
                "The compiled optimizer takes no step: `train_step` updates the weights with "
                "another one, so there is no learning rate to test."
            )
        if all(map(np.array_equal, before, model.get_weights())):
            raise InputError(
                "No weight moves at any learning rate, as where all gradients are 0: look at the "
                "inputs, the labels, and at what stands between the weights and the loss."
            )
        progress.update((seed + 1) * steps)
    return losses, data


class _Growing(keras.optimizers.schedules.ExponentialDecay):
    """The rates, one a step, from the steps on that a loaded model's optimizer has taken."""

    def __init__(self, rates, taken):
        super().__init__(float(rates[0]), 1, float(rates[1] / rates[0]))
        self._taken = taken

    def __call__(self, step):
        return super().__call__(step - self._taken)


class _RangeTest(keras.callbacks.Callback):
    """Keeps the loss of each batch at the place of the rate with which it is trained."""

    def __init__(self, rates, losses, batches, progress):
        super().__init__()
        self._rates, self._losses, self._batches = rates, losses, batches
        self._progress = progress
        self.step = 0

    def on_epoch_begin(self, epoch, logs=None):
        if hasattr(self._batches, "set_epoch"):
            self._batches.set_epoch(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):  # JAX keeps the variables' values elsewhere
            self.model.jax_state_sync()
        rate = float(self.model.optimizer.learning_rate)
        # a step that the loss scale skips does not count
        self.step = int(np.argmin(np.abs(np.log(self._rates / rate))))
        self.model.reset_metrics()  # else the logs are means over the epoch so far

    def on_train_batch_end(self, batch, logs=None):
        name = loss_name(logs)
        if name is None:
            raise InputError(
                f"The model's training step returns no loss, only {', '.join(sorted(logs))}: give "
                "learning_rate=(low, high) (--learning-rate LOW HIGH)."
            )
        loss = float(logs[name])
        self._losses[self.step] = loss if math.isfinite(loss) else math.nan
        self._progress.add(1)
        losses = self._losses[: self.step + 1]
        start, now = np.median(losses[:5]), np.median(losses[-3:])  # one alone may be chance
        is_high = now > start + (DIVERGED - 1) * abs(start)
        if is_high or not math.isfinite(loss) or self.step == len(self._rates) - 1:
            self.model.stop_training = True


def mean_curve(losses):
    """Return the mean (steps,) over seeds and over three steps; a running mean would lag behind.

    It is NaN where a seed has diverged.
    """
    mean = losses.mean(0)
    padded = np.pad(mean[np.isfinite(mean)], 1, "edge")
    mean[np.isfinite(mean)] = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return mean


def _fall(rates, losses, data, share=0.9):
    """Return where this share of the fall of the mean loss is reached, and where it is lowest."""
    advice = advice_on_scale(data)
    if not np.isfinite(losses[:, :2]).all():
        raise InputError(
            "The loss is not finite at the first two batches, before any step of notable size: "
            "look for NaN or infinite values in the data and for labels beyond the classes."
            f"{advice}"
        )
    mean = mean_curve(losses)
    start = losses[:, : max(2, len(rates) // 10)]  # rates too small to change anything
    noise = np.nanstd(start, ddof=1) / np.sqrt(3 * len(losses))  # of the mean curve
    first = np.nanmean(start)
    # Halved, then nearly back: it has exploded. What comes after, such as dead units, is no good.
    fall = first - np.fmin.accumulate(mean)
    is_back = (fall > abs(first) / 2) & (mean > first - fall / 4)
    mean[np.logical_or.accumulate(is_back)] = np.nan
    lowest = int(np.nanargmin(mean))
    # it may fall, or explode, from the first rate on
    is_halved = 0 <= mean[lowest] < losses[:, 0].mean() / 2
    if not is_halved and first - mean[lowest] <= 3 * noise + 1e-6 * abs(first):
        raise NoFall(
            f"The loss falls at no learning rate between {rates[0]:.3g} and {rates[-1]:.3g} by "
            f"more than noise ({3 * noise:.2g}): {first:.4g} at the start, {mean[lowest]:.4g} at "
            "its lowest. Look at the scale of inputs and targets and at the labels, try other "
            "rates, or give learning_rate=(low, high) (--learning-rate LOW HIGH) to a search."
            f"{advice}"
        )
    reached = np.flatnonzero(mean <= first - share * (first - mean[lowest]))
    return int(reached[0]), lowest
