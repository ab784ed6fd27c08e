"""Train all candidates at once: the learning-rate curve for about the price of one training.

The weights of all members are stacked along a leading axis (`tuning/population.py`). Each member
ends where it would have ended had it been trained alone.

    python -m tuning sweep
    python -m tuning sweep my_module:build_model --data my_module:load_data --seeds 3
"""

import argparse
import csv
import dataclasses
import os
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops, tree

from tuning.checks import check_model, direction_of, takes_hp
from tuning.data import Arrays, batch_order
from tuning.machine import prepare_devices
from tuning.population import (
    EVALUATION_BATCH,
    Population,
    build_metrics,
    find_numbers,
    is_seed,
    largest_population,
    num_examples,
    one_thread_per_operation,
    why_not_stacked,
)
from tuning.trial import failure, is_out_of_memory

# ---- One after the other: what cannot be stacked ----


def train_alone(model, train, validation, seed, stream, numbers, batch_size, epochs):
    """Train one member with `model.fit`; yield its logs after each epoch."""
    model.optimizer.learning_rate = numbers["learning_rate"]
    for variable in model.non_trainable_variables:
        if is_seed(variable):
            variable.assign(variable + ops.convert_to_tensor([stream, 0], variable.dtype))
    places = find_numbers(model)
    for name in numbers.keys() - {"learning_rate"}:
        for owner, attribute in places[name]:
            setattr(owner, attribute, float(numbers[name]))
    for epoch in range(epochs):
        order = batch_order(seed, epoch, num_examples(train))
        x, y = tree.map_structure(lambda a, order=order: np.asarray(a)[order], train)
        options = {"shuffle": False, "verbose": 0, "validation_batch_size": EVALUATION_BATCH}
        history = model.fit(x, y, batch_size, validation_data=validation, **options).history
        yield {name: values[-1] for name, values in history.items()}


# ---- The sweep ----


@dataclasses.dataclass
class Sweep:
    """The result of `learning_rate_sweep`: K learning rates, E epochs, S seeds.

    Attributes:
        learning_rates: array (K,), as given.
        history: {metric: array (E, K, S)}, Keras's names; NaN from the epoch on in which a member
            failed or was dropped.
        failed: bool array (K, S): the loss became NaN or infinite.
        dropped: bool array (K,): left out on the way by `halve_after`.
        objective: the metric by which rates are compared.
        direction: "max" or "min".
        seconds: wall time of the whole sweep, tracing and building included.
        reason: why the members were trained one after the other, or None if they were stacked.
        numbers: {name: array (K,)} of what varied along the same axis.
        seeds: the S seeds.

    """

    learning_rates: np.ndarray
    history: dict
    failed: np.ndarray
    dropped: np.ndarray
    objective: str
    direction: str
    seconds: float
    reason: str | None = None
    numbers: dict = dataclasses.field(default_factory=dict)
    seeds: list = dataclasses.field(default_factory=list)
    build: object = dataclasses.field(default=None, repr=False)

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
        finite = ~np.isnan(means)
        rates = self.learning_rates[finite]
        rate = self.learning_rates[index]
        return {
            "index": index,
            "learning_rate": float(rate),
            **{name: float(values[index]) for name, values in self.numbers.items()},
            self.objective: float(means[index]),
            "interval": half_interval(self.scores[index]),
            "at_edge": bool(len(self.learning_rates) > 1 and rate in (rates.min(), rates.max())),
        }

    def model(self, index):
        """Return a compiled model with the final weights of rate `index` and the first seed."""
        return self.build(index)

    def best_model(self):
        """Return a compiled model with the weights of the best rate and the first seed."""
        return self.build(self.best["index"])

    def to_csv(self, path):
        """Write one row per epoch, learning rate and seed."""
        names = list(self.history)
        epochs, num_rates, num_seeds = self.history[self.objective].shape
        path = Path(path)
        part = path.with_name(f".part-{path.name}")  # renamed when whole
        with part.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", "learning_rate", *self.numbers, "seed", *names])
            for e, k, s in np.ndindex(epochs, num_rates, num_seeds):
                numbers = [float(values[k]) for values in self.numbers.values()]
                row = [e + 1, float(self.learning_rates[k]), *numbers, self.seeds[s]]
                writer.writerow(row + [float(self.history[name][e, k, s]) for name in names])
        os.replace(part, path)

    def plot(self, path=None):
        """Draw the heat map epoch × learning rate and the final scores; return the figure."""
        from tuning.figure import plot_sweep

        return plot_sweep(self, path)


def build_with_seed(build_model, seed, x):
    """Return a new model with the initial weights of this seed, its metrics and weights built."""
    keras.utils.set_random_seed(int(seed))
    try:
        model = build_model()
    except Exception as error:
        raise ValueError(f"`build_model` raises {type(error).__name__}: {error}") from error
    check_rate(model)
    if not model.built:
        model(tree.map_structure(lambda a: a[:1], x))
    return model


def check_rate(model):
    """Raise ValueError unless this is a compiled model with a learning rate that is a number."""
    optimizer = check_model(model).optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(inner.learning_rate, keras.Variable):
        raise ValueError(
            "The optimizer's learning rate is a schedule or a function, so that there is no number "
            "to vary: compile the model with a constant learning rate."
        )
    if optimizer.use_ema:
        raise ValueError("The optimizer averages weights (use_ema): set use_ema=False to sweep.")


def half_interval(values):
    """Return the half-width of the 95 % t interval of the mean (NaN for one value)."""
    from scipy import stats

    if len(values) < 2:
        return float("nan")
    return float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))


def learning_rate_sweep(
    build_model,
    train,
    validation,
    learning_rates,
    batch_size=32,
    epochs=10,
    seeds=1,
    objective=None,
    direction=None,
    vary=None,
    halve_after=(),
    verbose=1,
):
    """Train the same model with K learning rates (and S seeds) at once.

    All K · S members are stacked and one compiled function trains them for a whole epoch: the
    forward and backward pass and the optimizer's own update, mapped over the members with
    `keras.ops.vectorized_map`. Each member ends with the weights, metrics and scores it would have
    had if trained alone with the same initial weights, rate and batch order (`batch_order`), up to
    the rounding of float32. That pays while one member leaves the machine idle, that is for small
    networks; where its arithmetic fills the machine, the price is that of one after the other. With
    TensorFlow on a CPU an epoch is faster still (1.5 × measured) if the program begins with
    `tuning.population.one_thread_per_operation()`, as `python -m tuning sweep` does.

    Seed s sets the initial weights and the batch order, the same for all rates (paired
    comparison); the dropout masks differ between all members.

    Args:
        build_model: function without arguments (or with keras-tuner's `hp`, which gets the
            defaults) that returns a compiled model; the optimizer's learning rate is replaced.
        train: pair of arrays (x, y); x and y may be nested (several inputs).
        validation: pair of arrays (x, y), scored after each epoch.
        learning_rates: K positive numbers.
        batch_size: examples per step; the last batch of an epoch may be smaller.
        epochs: passes over the training data.
        seeds: number of seeds (0, 1, ...) or a list of them.
        objective: metric to compare by; default `val_accuracy` if there is one, else `val_loss`.
        direction: "max" or "min"; by default from the metric's name.
        vary: {name: K numbers} that lie along the same axis as the rates: "weight_decay" (of the
            optimizer), "l1", "l2" (of every regularizer), "dropout" (rate of every Dropout layer).
        halve_after: epochs after which the worse half of the rates (mean over the seeds) is
            dropped and the rest compacted: successive halving (Jamieson & Talwalkar, 2016). Each
            time the smaller population is compiled anew, about a second; a slow starter is lost.
        verbose: 0 is silent, 1 shows progress.

    Returns:
        A `Sweep`. If the model cannot be stacked (custom `train_step`, loss scaling, an operation
        that the backend cannot map), the members are trained one after the other and
        `sweep.reason` says why.

    Raises:
        ValueError: if an argument or the model cannot work, before training.

    Example:
        >>> sweep = learning_rate_sweep(build_model, (x, y), (xv, yv), np.geomspace(1e-5, 1, 64))
        >>> sweep.history["val_accuracy"].shape
        (10, 64, 1)

    """
    start = time.perf_counter()
    rates, seeds = check_arguments(learning_rates, batch_size, epochs, seeds)
    train, validation = check_data(train, "train"), check_data(validation, "validation")
    numbers = check_numbers(vary, len(rates))
    halve_after = check_halving(halve_after, epochs)
    prepare_devices()
    build_model = without_arguments(build_model)
    models = [build_with_seed(build_model, seed, train[0]) for seed in seeds]
    if unknown := numbers.keys() - find_numbers(models[0]).keys():
        known = sorted(find_numbers(models[0]))
        raise ValueError(f"`vary` names {sorted(unknown)}, but this model only has {known}.")
    if batch_size > num_examples(train):
        size = num_examples(train)
        raise ValueError(f"`batch_size` {batch_size} exceeds the {size} training examples.")
    check_memory(models[0], batch_size, len(rates), len(seeds))
    members = [(s, k) for k in range(len(rates)) for s in range(len(seeds))]
    columns = {"learning_rate": rates, **numbers}
    columns = {name: np.repeat(values, len(seeds)) for name, values in columns.items()}
    progress = keras.utils.Progbar(epochs, verbose=verbose)
    reason = why_not_stacked(models[0])
    if reason is None:
        build_metrics(models[0], train)
        metrics = models[0].get_metrics_result()
    else:
        one = tree.map_structure(lambda a: a[:1], validation)
        metrics = models[0].evaluate(*one, verbose=0, return_dict=True)
    metrics = [f"val_{name}" for name in metrics]
    objective, direction = choose_objective(objective, direction, metrics, models[0])
    if reason is None:
        how = (halve_after, objective, direction)
        try:
            population = Population(models, train, validation, members, columns, batch_size)
            logs, last_epoch = train_stacked(population, seeds, epochs, progress, *how)
            weights = population.weights_of
        except Exception as error:  # whatever the backend raises for an operation it cannot map
            reason = failure(error)["reason"]
            if is_out_of_memory(error):
                raise ValueError(
                    f"{len(rates)} learning rates × {len(seeds)} seed(s) do not fit in memory "
                    f"({reason}). Use fewer, or a smaller batch size."
                ) from error
    if reason is not None:
        if verbose:
            print(f"Trained one after the other, since they cannot be stacked: {reason}.")
        build = [lambda seed=seed: build_with_seed(build_model, seed, train[0]) for seed in seeds]
        data = (train, validation, batch_size, epochs)
        logs, weights = train_one_by_one(build, data, members, columns, seeds, verbose)
        last_epoch = np.full(len(rates), epochs)
    history = {
        name: np.asarray(values, "float32").reshape(epochs, len(rates), len(seeds))
        for name, values in logs.items()
    }
    dropped = last_epoch < epochs

    def build_trained(index):
        if dropped[index]:
            raise ValueError(f"Rate {index} was dropped on the way: its weights are gone.")
        model = build_with_seed(build_model, seeds[0], train[0])
        model.set_weights(weights(index * len(seeds)))
        model.optimizer.learning_rate = rates[index]
        return model

    return Sweep(
        learning_rates=rates,
        history=history,
        failed=mark_failed(history, last_epoch),
        dropped=dropped,
        objective=objective,
        direction=direction,
        seconds=time.perf_counter() - start,
        reason=reason,
        numbers=numbers,
        seeds=seeds,
        build=build_trained,
    )


def train_one_by_one(build, data, members, columns, seeds, verbose):
    """Train all members with `fit`; return {metric: array (E, M)} and a function of the weights."""
    train, validation, batch_size, epochs = data
    progress = keras.utils.Progbar(len(members), verbose=verbose)
    logs, final_weights = [], {}
    for number, (s, k) in enumerate(members):
        model = build[s]()
        own = {name: float(values[number]) for name, values in columns.items()}
        parts = train_alone(model, train, validation, seeds[s], k, own, batch_size, epochs)
        logs.append(list(parts))
        if s == 0:
            final_weights[number] = model.get_weights()
        progress.update(number + 1)
    names = logs[0][0]
    logs = {n: np.array([[log[n] for log in member] for member in logs]).T for n in names}
    return logs, final_weights.get


def train_stacked(population, seeds, epochs, progress, halve_after, objective, direction):
    """Train a population.

    Returns:
        {metric: array (E, M)}, NaN where a member was dropped, and the number of epochs (K,) that
        each rate was trained.

    """
    num_members = len(population.kept)
    last_epoch = np.zeros(num_members, int)
    logs = {}
    for epoch in range(epochs):
        orders = [batch_order(seed, epoch, population.num_train) for seed in seeds]
        for name, values in population.epoch(orders).items():
            empty = np.full((epochs, num_members), np.nan, "float32")
            logs.setdefault(name, empty)[epoch, population.kept] = values
        last_epoch[population.kept] += 1
        if epoch + 1 in halve_after:
            scores = logs[objective][epoch, population.kept].reshape(-1, len(seeds)).mean(axis=1)
            worst_last = np.argsort(-scores if direction == "max" else scores)  # NaN comes last
            better = np.sort(worst_last[: (len(scores) + 1) // 2])
            positions = better[:, None] * len(seeds) + np.arange(len(seeds))
            population.keep(positions.ravel())
        progress.update(epoch + 1)
    return logs, last_epoch[:: len(seeds)]


def mark_failed(history, last_epoch):
    """Set each member to NaN from its first NaN or infinite loss on; return who failed (K, S).

    `last_epoch` (K,) is the number of epochs that each rate was trained.
    """
    bad = ~np.isfinite(history["loss"]) | ~np.isfinite(history["val_loss"])
    trained = np.arange(len(bad))[:, None] < last_epoch
    failed = (bad & trained[:, :, None]).any(axis=0)
    for values in history.values():
        values[np.logical_or.accumulate(bad, axis=0)] = np.nan
    return failed


def choose_objective(objective, direction, history, model):
    """Return the metric to compare by and its direction."""
    if objective is None:
        objective = "val_accuracy" if "val_accuracy" in history else "val_loss"
    if objective not in history:
        raise ValueError(f"No metric {objective!r}; there are {sorted(history)}.")
    if direction is None:
        direction = direction_of(objective, model)
    if direction not in ("min", "max"):
        raise ValueError(f"Is more of {objective!r} better? Give direction='min' or 'max'.")
    return objective, direction


def without_arguments(build_model):
    """Return `build_model` as a function without arguments; `hp` gets the defaults."""
    if not takes_hp(build_model):
        return build_model
    import keras_tuner

    return lambda: build_model(keras_tuner.HyperParameters())


def check_arguments(learning_rates, batch_size, epochs, seeds):
    """Return the rates as array (K,) and the list of seeds, or raise ValueError."""
    try:
        rates = np.atleast_1d(np.asarray(learning_rates, "float64"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`learning_rates` must be numbers, got {learning_rates!r}.") from error
    if rates.ndim != 1 or len(rates) == 0:
        raise ValueError(f"`learning_rates` must be one or more numbers, got shape {rates.shape}.")
    bad = rates[~((rates > 0) & np.isfinite(rates))]
    if len(bad):
        raise ValueError(f"`learning_rates` must be positive and finite, got {bad[:3].tolist()}.")
    for name, value in {"batch_size": batch_size, "epochs": epochs}.items():
        check_positive_integer(name, value)
    if isinstance(seeds, (int, np.integer)):
        check_positive_integer("seeds", seeds)
        seeds = range(seeds)
    seeds = [int(seed) for seed in seeds]
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError(f"`seeds` must be different integers from 0 on, got {seeds}.")
    return rates, seeds


def check_halving(halve_after, epochs):
    """Return the epochs after which half is dropped as a set, or raise ValueError."""
    halve_after = set(halve_after)
    if bad := [epoch for epoch in halve_after if epoch not in range(1, epochs)]:
        raise ValueError(f"`halve_after` must name epochs from 1 to {epochs - 1}, got {bad}.")
    return halve_after


def check_memory(model, batch_size, num_rates, num_seeds):
    """Raise ValueError if so many members would not fit in memory."""
    fitting = largest_population(model, batch_size)
    if fitting is not None and num_rates * num_seeds > fitting:
        raise ValueError(
            f"{num_rates} learning rates × {num_seeds} seed(s) would not fit in the free memory: "
            f"about {fitting // num_seeds} rates would. Use fewer, or a smaller batch size."
        )


def check_positive_integer(name, value):
    """Raise ValueError unless the value is an integer of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer of 1 or more, got {value!r}.")


def check_data(data, name):
    """Return the pair (x, y) as NumPy arrays, or raise ValueError."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ValueError(f"`{name}` must be a pair of arrays (x, y), got {type(data).__name__}.")
    return Arrays(data, name).parts


def check_numbers(vary, num_rates):
    """Return {name: array (K,)}, or raise ValueError."""
    numbers = {}
    for name, values in (vary or {}).items():
        numbers[name] = np.asarray(values, "float64")
        if numbers[name].shape != (num_rates,):
            raise ValueError(
                f"`vary[{name!r}]` must have one number for each of the {num_rates} learning "
                f"rates, got shape {numbers[name].shape}."
            )
        limit = 1 if name == "dropout" else np.inf
        if not ((numbers[name] >= 0) & (numbers[name] < limit)).all():
            raise ValueError(f"`vary[{name!r}]` must lie in [0, {limit}), got {values!r}.")
    return numbers


# ---- Command line ----


def parse_options(argv):
    """Return the options; a mistake ends in one sentence on stderr and exit code 2."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m tuning sweep", description=__doc__, formatter_class=layout
    )
    option = parser.add_argument
    example = "tuning.digits:build_model", "tuning.digits:load_data"
    option("model", nargs="?", default=example[0], metavar="MODULE:FUNCTION", help="builds a model")
    help_data = "returns a dict with train and validation, each (x, y)"
    option("--data", default=example[1], metavar="MODULE:FUNCTION", help=help_data)
    option("--from", type=float, default=1e-5, dest="low", help="smallest rate (default: 1e-5)")
    option("--to", type=float, default=1.0, dest="high", help="largest rate (default: 1)")
    option("--population", type=int, default=64, help="number of rates (default: 64)")
    option("--batch-size", type=int, default=32, help="examples per step (default: 32)")
    option("--epochs", type=int, default=10, help="of each training (default: 10)")
    option("--seeds", type=int, default=3, help="trainings per rate (default: 3)")
    option("--objective", help="metric to compare by (default: val_accuracy or val_loss)")
    option("--direction", choices=["min", "max"], help="whether less or more of it is better")
    option("--output", type=Path, default="results", help="folder to write to (default: results)")
    options = parser.parse_args(argv)
    if options.population < 1:
        parser.error(f"--population {options.population}: must be 1 or more")
    if not 0 < options.low <= options.high < np.inf:
        parser.error(f"--from {options.low} --to {options.high}: need 0 < from <= to")
    if (options.model == example[0]) != (options.data == example[1]):
        parser.error("a model needs data of its own: give both MODULE:FUNCTION and --data")
    return options


def write(path, save):
    """Let `save(path)` write a file, and say so."""
    print("Replaced" if path.exists() else "Wrote", path)
    save(path)


def main(argv=None):
    """Sweep the learning rate from the command line; write sweep.png and sweep.csv.

    Raises:
        ValueError, OSError: if the input cannot work; `tuning/__main__.py` turns them into one
            sentence and exit code 2.

    """
    from tuning.__main__ import find, load_splits

    options = parse_options(argv)
    one_thread_per_operation()
    build_model, data = find(options.model, "the model"), load_splits(options.data)
    options.output.mkdir(parents=True, exist_ok=True)
    sweep = learning_rate_sweep(
        build_model,
        data["train"],
        data["validation"],
        np.geomspace(options.low, options.high, options.population),
        batch_size=options.batch_size,
        epochs=options.epochs,
        seeds=options.seeds,
        objective=options.objective,
        direction=options.direction,
    )
    print(f"{sweep.failed.size} trainings in {sweep.seconds:.1f} s, {sweep.failed.sum()} failed.")
    write(options.output / "sweep.csv", sweep.to_csv)  # first: it is there even if all have failed
    best = sweep.best
    write(options.output / "sweep.png", sweep.plot)
    print(
        f"Best learning rate {best['learning_rate']:.3g}: {sweep.objective} "
        f"{best[sweep.objective]:.4g} ± {best['interval']:.2g} (95 %, {options.seeds} seeds)."
    )
    if best["at_edge"]:
        print("It lies at the edge of the rates that did not fail: look beyond it.")
    return 0
