"""Train all candidates at once: the learning-rate curve for about the price of one training.

The weights of all members are stacked along a leading axis (`training/together.py`). Each member
ends where it would have ended had it been trained alone.

    python -m tuning sweep
    python -m tuning sweep my_module:build_model --data my_module:load_data --seeds 3
"""

import csv
import dataclasses
import math
import time

import keras
import numpy as np

from .device import prepare_devices
from .errors import InputError, is_out_of_memory, naming
from .inputs.arguments import check_size, check_whole, data_given
from .inputs.data import Arrays, as_data
from .inputs.model import (
    Builder,
    build_metrics,
    build_with_seed,
    check_labels,
    choose_objective,
    scalars,
    schedule_of,
)
from .noise import interval
from .results.figures import plot_sweep
from .results.words import count, mean_and_half
from .store import replacing
from .training.effect import Effect
from .training.first import first_engine
from .training.together import Population, why_not_stacked
from .training.trial import failure


@dataclasses.dataclass
class Sweep:
    """The result of `learning_rate_sweep`: K learning rates, E epochs, S seeds."""

    learning_rates: np.ndarray  # (K,), as given
    history: dict  # {metric: array (E, K, S)}; NaN from the epoch on in which a member failed
    failed: np.ndarray  # bool (K, S): the loss became NaN or infinite
    objective: str  # the metric by which rates are compared
    direction: str  # "max" or "min"
    seconds: float  # of the whole sweep, tracing and building included
    reason: str | None = None  # why the members were trained one after the other
    # function of a rate's index: a compiled model with its final weights of the first seed
    model: object = dataclasses.field(default=None, repr=False)

    @property
    def scores(self):
        """The objective after the last epoch, array (K, S); NaN for members that failed."""
        return self.history[self.objective][-1]

    @property
    def best(self):
        """The rate with the best mean score over the seeds; a rate that failed once is out.

        `interval` is the half-width of the 95 % t interval over the seeds (NaN for one seed). The
        score is that of a winner among K, so a little too good: confirm it with fresh seeds.
        """
        means = self.scores.mean(axis=1)
        if np.isnan(means).all():
            raise ValueError("Every learning rate failed (NaN or infinite loss): try smaller ones.")
        index = int(np.nanargmax(means) if self.direction == "max" else np.nanargmin(means))
        rates = self.learning_rates[~np.isnan(means)]
        rate = self.learning_rates[index]
        return {
            "index": index,
            "learning_rate": float(rate),
            self.objective: float(means[index]),
            "interval": interval(self.scores[index])[1],
            "at_edge": bool(len(self.learning_rates) > 1 and rate in (rates.min(), rates.max())),
        }

    def words(self):
        """Return what was found as text."""
        best = self.best
        score = mean_and_half(best[self.objective], best["interval"])
        text = (
            f"{self.failed.size} trainings in {self.seconds:.1f} s, {self.failed.sum()} failed.\n"
        )
        text += f"Best learning rate {best['learning_rate']:.3g}: {self.objective} {score}"
        seeds = count(self.failed.shape[1], "seed")
        text += f" ({seeds})." if math.isnan(best["interval"]) else f" (95 %, {seeds})."
        if best["at_edge"]:
            text += "\nIt lies at the edge of the rates that did not fail: look beyond it."
        return text

    def to_csv(self, path):
        """Write one row per epoch, learning rate and seed."""
        names = list(self.history)
        with replacing(path) as part, open(part, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", "learning_rate", "seed", *names])
            for e, k, s in np.ndindex(self.history[self.objective].shape):
                row = [e + 1, float(self.learning_rates[k]), s]
                writer.writerow(row + [float(self.history[name][e, k, s]) for name in names])

    plot = plot_sweep


def learning_rate_sweep(
    build_model,
    train,
    validation,
    learning_rates,
    batch_size=32,
    epochs=10,
    seeds=1,
    objective=None,
    verbose=1,
    validation_split=None,
):
    """Train the same model with K learning rates (and S seeds) at once.

    All K · S members are stacked and one compiled function trains them for a whole epoch, forward
    and backward pass and the optimizer's own update. Each ends with the weights, metrics and scores
    that it would have had if trained alone from the same seed, up to the rounding of float32 and to
    other masks of dropout and noise. That pays while one member leaves the machine idle, that is
    for small networks. With TensorFlow on a CPU an epoch is faster still (1.1 to 1.5 × measured) if
    the program is started with `TF_NUM_INTRAOP_THREADS=1` in its environment, as `python -m tuning
    sweep` sets it.

    A seed sets initial weights, batch order and dropout masks, the same for all rates (paired
    comparison).

    Args:
        build_model: function without arguments (or with keras-tuner's `hp`, which gets the
            defaults) that returns a compiled model; the optimizer's learning rate is replaced.
        train: (x, y), (x, y, sample_weight) or x; each may be nested (several inputs). A dataset
            that fits in memory is read into arrays.
        validation: likewise, scored after each epoch; None with `validation_split`.
        learning_rates: K positive numbers.
        batch_size: examples per step; the last batch of an epoch may be smaller.
        epochs: passes over the training data.
        seeds: number S of seeds, which are 0, 1, ...
        objective: metric to compare by, or (metric, "min" or "max"); default `val_accuracy` if
            there is one, else `val_loss`.
        verbose: 0 is silent, 1 shows progress.
        validation_split: share of the examples that is split off as validation data, at random.

    Returns:
        A `Sweep`. A model that cannot be stacked (its own `train_step`, loss scaling, PyTorch, an
        operation that the backend cannot map) is trained with one rate after the other, and
        `sweep.reason` says why.

    Raises:
        InputError: if an argument or the model cannot work, before training.

    Example:
        >>> sweep = learning_rate_sweep(build_model, (x, y), (xv, yv), np.geomspace(1e-5, 1, 64))
        >>> sweep.history["val_accuracy"].shape
        (10, 64, 1)

    """
    start = time.perf_counter()
    rates = _checked_rates(learning_rates)
    check_whole("batch_size", batch_size)
    check_whole("epochs", epochs)
    check_whole("seeds", seeds)
    prepare_devices()
    build = Builder(build_model)
    train, validation = data_given(train, validation, None, None, None, validation_split)
    train = _read(train, "train")
    if validation_split is None:
        validation = _read(validation, "validation")
    else:
        train, validation = train.split(validation_split, seed=0)
    check_size(batch_size, train)

    def build_seed(seed):
        with naming("`build_model` raises"):
            return build_with_seed(build, seed, train.head(1), with_optimizer=False)

    models = [build_seed(seed) for seed in range(seeds)]
    if schedule_of(models[0].optimizer) is not None:
        raise InputError(
            "The learning rate follows a schedule, so that there is no number to vary: compile the "
            "model with a constant learning rate, or use `search`, which scales the schedule."
        )
    reason = why_not_stacked(models[0], (train, validation))
    if reason is None:
        found = _objective(models[0], train, validation, objective)
        try:
            population = Population(models, rates, train, validation, batch_size)
            history, put_into = _train(population, epochs, verbose), population.put_into
        except Exception as error:  # whatever the backend raises for an operation it cannot map
            reason = failure(error)["reason"]
            if is_out_of_memory(error):
                raise InputError(
                    f"{len(rates)} learning rates × {seeds} seed(s) do not fit in memory "
                    f"({reason}). Use fewer, or a smaller batch size."
                ) from error
            reason = f"the backend has no such form of an operation in the model ({reason})"
    if reason is not None:
        data = train, validation, None
        engine, names, _ = first_engine(build, data, ((), "auto", 0), batch_size, verbose)
        found = choose_objective(objective, names, engine.model)
        if verbose:
            print(f"Trained one after the other, since they cannot be stacked: {reason}.")
        with naming("The model cannot be trained:"):
            history, put_into = _train_one_by_one(engine, rates, seeds, batch_size, epochs, verbose)
    build.put_back()

    def model_of(index):
        model = build_seed(0)
        put_into(model, index)
        model.optimizer.learning_rate = rates[index]
        return model

    return Sweep(
        learning_rates=rates,
        history=history,
        failed=_mark_failed(history),
        objective=found.name,
        direction=found.direction,
        seconds=time.perf_counter() - start,
        reason=reason,
        model=model_of,
    )


def _read(data, what):
    data = as_data(data, what)
    return data if isinstance(data, Arrays) else data.to_arrays(what)


def _checked_rates(learning_rates):
    """Return the rates as array (K,), or raise InputError."""
    rates = np.atleast_1d(np.asarray(learning_rates))
    is_list = rates.ndim == 1 and len(rates) and rates.dtype.kind in "fiu"
    if not is_list or not ((rates > 0) & np.isfinite(rates)).all():
        raise InputError(
            f"`learning_rates` must be one or more positive, finite numbers, got {learning_rates}."
        )
    return rates.astype("float64")


def _objective(model, train, validation, objective):
    """Check the labels; return the metric by which the rates are compared."""
    with naming("The model cannot be used with `train`,"):
        build_metrics(model, train.head(2))
    check_labels(model, train, "train")
    check_labels(model, validation, "validation")
    names = [f"val_{name}" for name in scalars(model.get_metrics_result())]
    return choose_objective(objective, names, model)


def _train(population, epochs, verbose):
    """Train a population; return {metric: array (E, K, S)}."""
    progress = keras.utils.Progbar(epochs, unit_name="epoch", verbose=verbose)
    logs = []
    for epoch in range(epochs):
        logs.append(population.epoch(epoch))
        progress.update(epoch + 1)
    return {name: np.stack([log[name] for log in logs]) for name in logs[0]}


def _train_one_by_one(engine, rates, seeds, batch_size, epochs, verbose):
    """Train all members; return {metric: array (E, K, S)} and what gives a model its weights."""
    progress = keras.utils.Progbar(len(rates) * seeds, unit_name="training", verbose=verbose)
    history, weights, effect = {}, [], Effect()
    for seed, k in np.ndindex(seeds, len(rates)):

        def keep(epoch, logs, *seconds, place=(k, seed)):
            for name, value in logs.items():
                empty = np.full((epochs, len(rates), seeds), np.nan, "float32")
                history.setdefault(name, empty)[epoch, *place] = value

        engine.reset(seed)
        steps = engine.train(rates[k], batch_size, epochs, seed, 0, keep)
        curves = zip(*(values[:, k, seed].tolist() for values in history.values()), strict=True)
        effect.check(rates[k], seed, steps, list(curves))
        weights += [engine.model.get_weights()] if seed == 0 else []
        progress.add(1)
    return history, lambda model, index: model.set_weights(weights[index])


def _mark_failed(history):
    """Set each member to NaN from its first NaN or infinite loss on; return who failed (K, S)."""
    bad = np.zeros(next(iter(history.values())).shape, bool)
    for name, values in history.items():
        if name.endswith("loss"):
            bad |= ~np.isfinite(values)
    for values in history.values():
        values[np.logical_or.accumulate(bad, axis=0)] = np.nan
    return bad.any(axis=0)
