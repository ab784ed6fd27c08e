"""Search the learning rate and batch size of a model: given → searched → trained again → told."""

import contextlib
import dataclasses
import functools
import gc
import json
import math
import os

import keras
import keras_tuner as kt

from .device import prepare_devices
from .errors import InputError, is_out_of_memory, naming
from .inputs.arguments import (
    check_batch_size,
    check_callbacks,
    check_class_weight,
    check_learning_rate,
    check_size,
    check_whole,
    data_given,
)
from .inputs.code import describe_code
from .inputs.data import Stream, advice_on_scale, as_data, check_columns, most_frequent
from .inputs.model import (
    SEARCHED,
    Builder,
    check_same,
    choose_objective,
    describe,
    describe_schedule,
    describe_space,
    fixed_batch_size,
    rate_of,
    values_of,
)
from .learning_rate_range import NoFall, learning_rate_range
from .results.result import load
from .results.words import count
from .searching.fresh_seeds import save_weights, test_once, train_again
from .searching.oracle import ORACLES, make_oracle, make_space
from .searching.tuner import SearchTuner
from .searching.workers import wait_for_search
from .store import LOCK, empty, find_project, is_held, locked, read_json, write_json
from .training.first import first_engine
from .training.one_by_one import Engine

ENGINES = ("auto", "graph", "fit")
BATCH_SIZES = (16, 32, 64, 128, 256)
USUAL_RATES = (1e-5, 0.1)  # where a range test tells nothing
START_RATE = 1.2345e-3  # of the first model; nobody compiles with it, so that its use is seen


def search(
    build_model,
    train=None,
    validation=None,
    test=None,
    learning_rate=None,
    batch_size=None,
    tuner="random",
    max_trials=40,
    epochs=20,
    seeds=3,
    seed=0,
    objective=None,
    callbacks=(),
    engine="auto",
    directory="tuning_runs",
    name="search",
    overwrite=False,
    verbose=True,
    *,
    x=None,
    y=None,
    validation_data=None,
    validation_split=None,
    class_weight=None,
    steps_per_epoch=None,
    validation_steps=None,
    local_workers=None,
    joins=False,
):
    """Search, train the best of each batch size again on fresh seeds, and report.

    Run again with the same arguments after an interruption, it goes on where it was stopped. The
    first trial is the present setting: the rate that the model is compiled with. Each training sets
    the seeds of Python, NumPy and Keras (`keras.utils.set_random_seed`); of arrays the search draws
    the order of the rows itself, so that `fit` with the same seed scores the same but for noise.

    Args:
        build_model: function without arguments, or with `hp` (`keras_tuner.HyperParameters`), or a
            `keras_tuner.HyperModel` with its own `build` only, that returns a compiled
            `keras.Model`. What it declares with
            `hp` is searched, too. If one of these is the optimizer's rate, it is searched in its
            own range; "batch_size" likewise, unless the argument says otherwise.
        train: x, (x, y) or (x, y, sample_weight) of arrays with n rows, a `tf.data.Dataset` of
            batches or a `keras.utils.PyDataset`. Datasets are cut into the batch sizes searched.
        validation: likewise; the score comes from it.
        test: likewise, or None; used once, for the best setting, with the weights of its trainings
            on fresh seeds (so not at all with `seeds=0`). That it fits is tried before the search,
            with an untrained model.
        learning_rate: (low, high), or None for what learning rate range tests with the smallest and
            the largest batch size suggest, widened by a decade where later trials find the best
            rate at its edge. With a schedule it is the schedule's largest value.
        batch_size: sizes to choose from, or None for those of 16, 32, 64, 128, 256 and a dataset's
            own that the data has examples for. Validation datasets stay in batches of their own.
        tuner: "random", "grid", "bayesian" or "hyperband".
        max_trials: int, number of trainings; a grid may have fewer points, and Hyperband ends with
            its brackets, which for short trainings hold few trials.
        epochs: int, length of each (of the longest, for Hyperband).
        seeds: int, trainings on fresh seeds for the best trial of each batch size, and as many on
            others for the best of these, whose mean is the score to quote; 0 for none.
        seed: int ≥ 0 of the search; the trainings on fresh seeds have the next ones.
        objective: name of a metric such as "val_loss", or (name, "min" or "max"), or
            `keras_tuner.Objective`; by default "val_accuracy" if there is one, else "val_loss". It
            may be one that a callback writes into the logs.
        callbacks: `keras.callbacks.Callback`s, copied for each training; files that they write
            are those of the last training. With callbacks, a trial that was interrupted starts
            over, since what they count is not saved.
        engine: "graph" (whole epochs in one compiled function), "fit" (`model.fit` of a model built
            once, for what Python must see in between, such as callbacks) or "auto": the first
            where it can be.
        directory: folder of searches.
        name: folder in it, in which this search is kept.
        overwrite: delete what an earlier search left there, once this one is ready to begin.
        verbose: whether to show progress and the report.
        x: as `train`, with `y`: the arguments of `fit` may stay as they are.
        y: see `x`.
        validation_data: as `validation`.
        validation_split: share of the examples that is split off as validation data, at random.
        class_weight: dict of class to weight, as in `fit`.
        steps_per_epoch: batches that are an epoch of a dataset, such as one that never ends. It is
            read from its beginning in each epoch.
        validation_steps: likewise, of the validation data.
        local_workers: `workers.LocalWorkers`, processes that train in place of this one.
        joins: train for the search that another process runs in this folder with these arguments.

    Returns:
        `results.result.Result`, or None with `joins`.

    Raises:
        ValueError: if an argument cannot work, before any training; or if directory/name holds a
            search with other settings, or one that another process is at; or if the learning rate
            turns out to have no effect.
        RuntimeError: if all trials failed.

    """
    if "KERASTUNER_ORACLE_IP" in os.environ:  # keras-tuner would wait for its chief
        raise InputError(
            "KERASTUNER_ORACLE_IP is set, but this search needs no chief and no address: unset it, "
            "and start `python -m tuning worker` on each machine."
        )
    max_trials = check_whole("max_trials", max_trials)
    epochs = check_whole("epochs", epochs)
    seeds = check_whole("seeds", seeds, 0)
    seed = check_whole("seed", seed, 0)
    learning_rate = check_learning_rate(learning_rate)
    batch_size = check_batch_size(batch_size)
    for what, value, known in (("tuner", tuner, ORACLES), ("engine", engine, ENGINES)):
        if value not in list(known):
            raise InputError(f"Unknown {what} {value!r}; choose one of {', '.join(known)}.")
    callbacks = check_callbacks(callbacks)
    check_class_weight(class_weight)
    train, validation = data_given(train, validation, x, y, validation_data, validation_split)
    prepare_devices()
    with contextlib.ExitStack() as stack:
        project, is_search = find_project(directory, name)
        if joins:
            wait_for_search(project)
        build = Builder(build_model)
        stack.callback(build.put_back)
        data = train, validation, None if joins else test
        steps_of = steps_per_epoch, validation_steps
        read = functools.partial(
            _read_data, data, seed, validation_split, steps_of, class_weight, verbose
        )
        keras.utils.set_random_seed(seed)
        how = callbacks, engine, seed
        given = read_given(build, read, learning_rate, batch_size, how, objective, verbose)
        settings = {"tuner": tuner, "engine": engine, "epochs": epochs, "seed": seed}
        settings |= given.described
        settings["callbacks"] = [type(callback).__name__ for callback in callbacks]
        weights = class_weight and [[str(k), float(v)] for k, v in class_weight.items()]
        settings["class_weight"], settings["validation_split"] = weights, validation_split
        settings = json.loads(json.dumps(settings))  # as they are read again
        if joins:
            theirs = read_json(project / "settings.json")
            check_same(settings, theirs, "A worker needs the options, model and data of its search")
            rates, max_trials = theirs["rates"], theirs["max_trials"]
        else:
            stack.enter_context(locked(project))
            earlier = {} if overwrite and is_search else read_json(project / "settings.json")
            rates = settle(project, settings, earlier, max_trials, given, verbose)
        # a list has the rates to choose from; JSON knows no other pair
        rates = rates if isinstance(given.rates, list) else tuple(rates)
        space = make_space(rates, settings["batch_size"], settings["present"])
        may_widen = given.rates is None
        oracle = make_oracle(tuner, given.objective, max_trials, space, seed, epochs, may_widen)
        if verbose and not joins:
            _say_what_is_short(oracle, tuner, epochs)
        first, given.first = given.first, None  # the runner frees it when it must
        runner = SearchTuner(oracle, build, first, given.changes, settings, project, joins)
        del first
        runner.run(verbose, local_workers)
        return None if joins else tell(runner, given, seeds, verbose)


# ---- what is given ----


@dataclasses.dataclass
class Given:
    """What the user brought, read and checked."""

    build: Builder
    changes: list  # those of "learning_rate" and "batch_size" that change the model itself
    first: Engine  # of the first trials' model
    train: object  # `Arrays` or `Stream`, as the next
    test: object  # or None
    objective: object  # `keras_tuner.Objective`
    rates: object  # (low, high), a list of rates to choose from, or None for a guess
    described: dict  # what must be the same when the search goes on


def read_given(build, read_data, rates, sizes, how, objective, verbose):
    """Read and check what the user brought; see `Given` and `search`.

    `read_data()` returns train, validation and test; `how` are callbacks, engine and seed.
    """
    declared = build.find_own_rate()
    rates = _rates_of(rates, build.own_rate, declared)
    if sizes is None and "batch_size" in declared.values:
        sizes = values_of(next(p for p in declared.space if p.name == "batch_size"))
    hp = make_space((START_RATE, START_RATE), [min(sizes) if sizes else BATCH_SIZES[0]])
    with naming("`build_model` raises"):
        model = build(hp.copy())
    with naming("The data cannot be read,"):
        train, validation, test = read_data()
    changes = [name for name in SEARCHED if name in build.asked]  # such as for a regularizer
    sizes = _fitting_sizes(sizes, model, "batch_size" in changes, train, validation)
    hp = make_space((START_RATE, START_RATE), sizes[:1])
    data = train, validation, test
    first, untrained, data = first_engine(lambda: build(hp), data, how, sizes[0], verbose)
    objective = choose_objective(objective, untrained, first.model, bool(how[0]))
    schedule = describe_schedule(model.optimizer)
    follows = False  # whether the schedule is another one for another batch size
    if schedule is not None and "batch_size" in changes:
        largest = make_space((START_RATE, START_RATE), sizes[-1:])
        follows = describe_schedule(build(largest).optimizer) != schedule
    usual = declared.values.get("batch_size") or getattr(train, "batch_size", 32)
    described = {
        "objective": [objective.name, objective.direction],
        "learning_rate": rates and list(rates),
        "batch_size": sizes,
        "present": _present(model, build, usual, rates, sizes),
        "own_batch_size": usual,
        "precision": keras.config.dtype_policy().name,
        "num_examples": data[0].num_examples,
        "num_validation": data[1].num_examples,
        "most_frequent": most_frequent(data[1]),
        "train": data[0].fingerprint(),
        "validation": data[1].fingerprint(),
        "data": [part.form() for part in data[:2]],
        "text": data[0].has_text,
        "has_inputs": model.built,
        "build": build.words,
        "takes_hp": build.takes_hp,
        "own_rate": build.own_rate and build.own_rate.name,
        "hyperparameters": describe_space(hp),
        "schedule": schedule,
        "schedule_follows": follows,
        "code": describe_code(first.model, how[0]),
        **describe(model),
    }
    return Given(build, changes, first, data[0], data[2], objective, rates, described)


def _read_data(data, seed, split, steps, class_weight, verbose):
    train, validation, test = data
    check_columns(train, validation)
    train = as_data(train, "train", steps[0], class_weight)
    if split is None:
        validation = as_data(validation, "validation", steps[1])
    elif isinstance(train, Stream):
        raise InputError("`validation_split` is for arrays; take part of the dataset yourself.")
    else:
        number = train.num_examples
        train, validation = train.split(split, seed)
        if verbose:
            size = validation.num_examples
            print(f"{size} of {number} examples are the validation data, drawn with seed {seed}.")
    return train, validation, None if test is None else as_data(test, "test")


def _rates_of(rates, own, declared):
    """Return the rates to search: those given, or those that `build_model` declares."""
    for parameter in declared.space if rates is None else ():
        is_fixed = isinstance(parameter, kt.engine.hyperparameters.Fixed)
        if is_fixed and parameter.name in ("learning_rate", "lr"):
            raise InputError(
                f"`build_model` fixes the learning rate with hp.Fixed({parameter.name!r}, "
                f"{parameter.value!r}), but the search would set it: leave that out, or give "
                f"learning_rate=({parameter.value!r}, {parameter.value!r}) to search the rest."
            )
    if own is None:
        return rates
    found = sorted(map(float, values_of(own)))
    if rates is None:
        return found if isinstance(own, kt.engine.hyperparameters.Choice) else tuple(found)
    if own.name != "learning_rate":
        raise InputError(
            f"`build_model` declares the learning rate itself, {own.name!r} from {found[0]:.3g} to "
            f"{found[-1]:.3g}: leave `learning_rate` out to search it there."
        )
    return rates


def _fitting_sizes(sizes, model, follows, train, validation):
    """Return the batch sizes to search, ascending: those that the data and the model allow.

    `follows` says whether a batch size in the model's inputs is that of the search.
    """
    fixed = fixed_batch_size(model)
    number, others = train.num_examples, validation.num_examples
    if fixed is None:
        usual = {*BATCH_SIZES, getattr(train, "batch_size", BATCH_SIZES[0])}
        sizes = sizes or [b for b in usual if b <= number] or [number]
        check_size(max(sizes), train)
        return sorted({int(size) for size in sizes})
    if not follows and sizes is not None and set(sizes) != {fixed}:
        raise InputError(
            f"The model is built for batches of {fixed} (its Input has a batch size): give "
            f"batch_size=[{fixed}], or build it with hp.get('batch_size')."
        )
    allowed = (sizes or BATCH_SIZES) if follows else [fixed]
    fitting = {int(size) for size in allowed if number % size == others % size == 0}
    if not fitting or (sizes is not None and fitting != set(sizes)):
        raise InputError(
            f"The model takes whole batches of {', '.join(map(str, allowed))} only, but there are "
            f"{number} training and {others} validation examples: leave the rest out."
        )
    return sorted(fitting)


def _present(model, build, usual, rates, sizes):
    """Return the model's rate and the batch size nearest to the user's; None without a rate.

    A rate that `build_model` declares has one where a default was given.
    """
    rate, own = rate_of(model.optimizer), build.own_rate
    if own is not None:
        rate = own.default if own.name in build.defaults else math.nan
    if math.isclose(rate, START_RATE, rel_tol=1e-3) or not 0 < rate < math.inf:
        return None
    if isinstance(rates, list) and rate not in rates:
        return None
    if isinstance(rates, tuple) and rates[0] == rates[1]:
        return None
    size = min(sizes, key=lambda size: abs(math.log(size / usual)))
    return {"learning_rate": float(f"{rate:.6g}"), "batch_size": size}


# ---- what is searched ----


def settle(project, settings, earlier, max_trials, given, verbose):
    """Write the settings of a new search, or compare those of one that goes on.

    Only `max_trials` may change. Returns low and high of the learning rate, or a list of rates.
    """
    if earlier:
        what = f"{project} holds another search; overwrite it or choose another name"
        check_same(settings, earlier, what)
        rates, doubt = earlier["rates"], earlier.get("doubt")
        number = len(read_json(project / "oracle.json").get("trials", ()))
        if verbose and number > max_trials:
            print(f"There are {number} trials already, so that max_trials={max_trials} adds none.")
    else:
        if any(map(is_held, project.glob(f"trial_*/{LOCK}"))):
            raise InputError(f"A worker of the last search still trains in {project}; wait for it.")
        rates, doubt = (given.rates, None) if given.rates else _guess(given, verbose)
        empty(project)
    more = {"rates": rates, "bounds": [min(rates), max(rates)], "doubt": doubt}
    write_json(project / "settings.json", {**settings, **more, "max_trials": max_trials})
    return rates


def _guess(given, verbose):
    """Range tests give (low, high), and a sentence if it is doubtful; it moves with the size."""
    smallest, *larger = given.described["batch_size"]

    def test(size):
        build = functools.partial(given.build, make_space((START_RATE, START_RATE), [size]))
        return learning_rate_range(build, given.train, size, verbose=int(verbose))

    try:
        found = [test(smallest)]
        for size in reversed(larger):  # the largest that fits
            try:
                found.append(test(size))
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            gc.collect()  # frees what did not fit; a model is a cycle of references
        low, high = min(test.low for test in found), max(test.high for test in found)
        edge = next((test.edge for test in found if test.edge), None)
        doubt = edge and (
            f"The range test found its lowest loss at the {edge} edge of the rates it tried: the "
            f"range {low:.2g} to {high:.2g} may miss the best.{advice_on_scale(given.train)}"
        )
    except NoFall as error:  # a whole training may learn all the same
        low, high = USUAL_RATES
        doubt = f"{error} The range test is short, so {low:.2g} to {high:.2g} is searched."
    if verbose and doubt:
        print(doubt)
    return (low, high), doubt


def _say_what_is_short(oracle, tuner, epochs):
    if tuner == "grid":
        # what build_model(hp) declares is known after the first trial only
        points = math.prod(len(list(hp.values)) for hp in oracle.hyperparameters.space)
        if points > oracle.max_trials:
            tried = f"of which {oracle.max_trials} are tried (max_trials)"
            print(f"The grid has {points} points or more, {tried}.")
    if tuner == "hyperband" and oracle.longest_training() < epochs:
        print(
            f"With max_trials={oracle.max_trials} no training of Hyperband lasts longer than "
            f"{oracle.longest_training()} of {epochs} epochs, beside the present setting's: raise "
            "max_trials, or lower epochs."
        )
    if tuner == "bayesian" and oracle.max_trials < 4:
        print(f"With {oracle.max_trials} trials the Bayesian search draws all of them at random.")


# ---- trained again, and told ----


def tell(runner, given, seeds, verbose):
    """Train the best settings again on fresh seeds, measure the test set, and report."""
    project = runner.project

    def read():
        return load(project, given.build, given.train.head(1))

    result = read()
    if not any(row["status"] == "completed" for row in result.trials):
        first = next((row for row in result.trials if row["reason"]), {"reason": "none was run"})
        raise RuntimeError(
            f"All {len(result.trials)} trials failed; the first: {first['reason']}. "
            f"Details are in {project}.{advice_on_scale(given.train)}"
        )
    if seeds:
        if verbose and "to_quote" not in read_json(project / "reruns.json"):
            text = "Training the best of each batch size again on"
            print(f"{text} {count(seeds, 'fresh seed')} ...")
        result = _on_fresh_seeds(runner, result, read, seeds)
        if given.test is not None:
            test_once(runner, result.best, result.test, given.test)
            result = read()
    save_weights(runner, result.best)
    result.save_best()
    if verbose:
        print(result.summary())
    return result


def _on_fresh_seeds(runner, result, read, seeds):
    """Train the best of each batch size on fresh seeds, and the best of them on as many others.

    The seeds are those after the search's own. With a single candidate there is nothing to choose,
    and its first fresh seeds are those to quote. The present setting is trained on those, too.
    """
    settings, seed = result.per_batch_size(), runner.settings["seed"] + 1
    names, file = {}, runner.project / "reruns.json"
    if len(settings) > 1:
        names["to_choose"] = train_again(runner, settings, range(seed, seed + seeds))
        write_json(file, names)
        result = read()
        seed += seeds
    quoted, present = [result.best], result.present
    if present is not None and present["trial"] != result.best["trial"]:
        quoted.append(present)
    names["to_quote"] = train_again(runner, quoted, range(seed, seed + seeds))
    write_json(file, names)
    return read()
