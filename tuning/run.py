"""Search the learning rate and batch size of a model with keras-tuner."""

import contextlib
import json
import math
import numbers
import os
from pathlib import Path

import keras

from tuning import report
from tuning.checks import check_folder
from tuning.lock import LOCK, locked
from tuning.machine import prepare_devices
from tuning.oracle import ORACLES
from tuning.progress import progress
from tuning.rerun import rerun, save_weights, test_once
from tuning.settings import differences
from tuning.state import read_json
from tuning.tuner import make_tuner, role

ENGINES = ("auto", "graph", "fit")


def search(
    build_model,
    train,
    validation=None,
    test=None,
    learning_rate=None,
    batch_size=None,
    tuner="random",
    max_trials=40,
    epochs=20,
    steps=None,
    seconds=None,
    seeds=3,
    seed=0,
    objective=None,
    callbacks=(),
    engine="auto",
    population=None,
    directory="tuning_runs",
    name="search",
    overwrite=False,
    mixed_precision=False,
    tensorboard=None,
    verbose=True,
):
    """Search, train the best of each batch size again on fresh seeds, and report.

    Run again with the same arguments after an interruption, it goes on where it was stopped.

    Args:
        build_model: function without arguments, or with `hp` (`keras_tuner.HyperParameters`), that
            returns a compiled `keras.Model`. What it declares with `hp` is searched, too, except
            "learning_rate" and "batch_size", for which it gets what the arguments below say.
        train: (x, y) or (x, y, sample_weight) of arrays with n rows, a `tf.data.Dataset` or a
            `keras.utils.PyDataset`. Datasets are cut into the batch sizes searched.
        validation: likewise; the score comes from it.
        test: likewise, or None; used once, for the best setting, with the weights of its trainings
            on fresh seeds (so not at all with `seeds=0`). That it fits is tried before the search,
            with an untrained model.
        learning_rate: (low, high), or None for what learning rate range tests with the smallest and
            the largest batch size suggest, widened by a decade if half of the trials find the best
            rate at its edge. With a schedule it is the schedule's largest value.
        batch_size: sizes to choose from, or None for those of 16, 32, 64, 128 and 256 that the data
            has examples for.
        tuner: "random", "grid", "bayesian" or "hyperband".
        max_trials: int, number of trainings; a grid may have fewer points, and Hyperband ends with
            its brackets, which for short trainings hold few trials.
        epochs: int, length of each (of the longest, for Hyperband).
        steps: optimizer steps of each instead of epochs, the same number for each batch size; the
            last epoch is cut where they are used up.
        seconds: each training ends after the epoch in which this time is used up; None: no limit.
        seeds: int, trainings on fresh seeds for the best trial of each batch size, and as many on
            others for the best of these, whose mean is the score to quote; 0 for none.
        seed: int ≥ 0 of the search; the trainings on fresh seeds have the next ones.
        objective: name of a metric such as "val_loss", or `keras_tuner.Objective`; by default
            "val_accuracy" if there is one, else "val_loss".
        callbacks: `keras.callbacks.Callback`s, copied for each training. With callbacks, a trial
            that was interrupted starts over, since what they count is not saved.
        engine: "auto", "graph" or "fit" (see `tuning/engine.py`).
        population: number of trials to train at once (`tuning/vectorized_tuner.py`), "auto", or
            None for one after the other. At most a quarter of `max_trials` for "bayesian", and half
            of them while the range of rates is a guess, since these learn from earlier trials.
        directory: folder of searches.
        name: folder in it, in which this search is kept.
        overwrite: delete what an earlier search left there, once this one is ready to begin.
        mixed_precision: train in mixed_float16.
        tensorboard: folder for TensorBoard's HParams table, or None.
        verbose: whether to show progress and the report.

    Returns:
        `report.Result`, or None in a worker process, whose chief has the results.

    Raises:
        ValueError: if an argument cannot work, before any training; or if directory/name holds a
            search with other settings, or one that another process is at.
        RuntimeError: if all trials failed.

    """
    if "KERASTUNER_ORACLE_IP" in os.environ or "KERASTUNER_ORACLE_PORT" in os.environ:
        from tuning.workers import chief_address

        chief_address()
    _check_numbers(max_trials, epochs, steps, seconds, seeds, seed)
    # NumPy's integers are no numbers of JSON
    max_trials, epochs, seeds, seed = map(int, (max_trials, epochs, seeds, seed))
    steps = steps and int(steps)
    learning_rate = _check_learning_rate(learning_rate)
    batch_size = _check_batch_size(batch_size)
    for what, value, known in (("tuner", tuner, ORACLES), ("engine", engine, ENGINES)):
        if value not in list(known):
            raise ValueError(f"Unknown {what} {value!r}; choose one of {', '.join(known)}.")
    if tuner == "hyperband" and (steps or seconds):
        raise ValueError("Hyperband divides a budget of epochs; leave `steps` and `seconds` out.")
    if validation is None:
        raise ValueError("`validation` is missing: the search needs data to compare settings on.")
    if population is not None and mixed_precision:
        raise ValueError(
            "In mixed precision trials cannot be trained at once, since the loss scale skips steps "
            "for each at another time; leave `population` (--vectorized) or `mixed_precision` out."
        )
    prepare_devices()
    with contextlib.ExitStack() as stack:
        stack.callback(keras.config.set_dtype_policy, keras.config.dtype_policy())
        if mixed_precision:
            keras.config.set_dtype_policy("mixed_float16")
        project, is_search = _find_project(directory, name)
        if role() == "worker":
            from tuning.workers import attending_chief

            stack.enter_context(attending_chief())

        def begin():
            """Check what leaves a trace, so last."""
            if tensorboard:
                from tuning.hparams import import_tensorboard

                import_tensorboard()
                check_folder(tensorboard, "tensorboard")
            stack.enter_context(locked(project))

        runner = make_tuner(
            build_model,
            train,
            validation,
            project,
            learning_rate=learning_rate,
            batch_size=batch_size,
            tuner=tuner,
            max_trials=max_trials,
            epochs=epochs,
            steps=steps,
            seconds=seconds,
            seed=seed,
            objective=objective,
            callbacks=callbacks,
            engine=engine,
            population=population,
            test=test,
            overwrite=overwrite and is_search and role() != "worker",
            on_checked=begin,
            verbose=verbose,
        )
        if role() == "worker":
            _check_same_settings(runner.settings, project)
        return _run(runner, seeds, tensorboard, verbose)


def _run(runner, seeds, tensorboard, verbose):
    """Search, train again and report."""
    if verbose and runner.settings["tuner"] == "grid" and role() != "worker":
        # what build_model(hp) declares is known after the first trial only
        points = math.prod(len(list(hp.values)) for hp in runner.oracle.hyperparameters.space)
        most = runner.oracle.max_trials
        if points > most:
            print(f"The grid has {points} points or more, of which {most} are tried (max_trials).")
    with progress(runner, verbose):
        runner.run()
    if role() == "worker":
        return None
    project = runner.project
    result = report.load(project)
    if not any(row["status"] == "completed" for row in result.trials):
        first = next((row for row in result.trials if row["reason"]), {"reason": "none was run"})
        raise RuntimeError(
            f"All {len(result.trials)} trials failed; the first: {first['reason']}. "
            f"Details are in {project}."
        )
    if seeds:
        rerun(runner, result, seeds, verbose)
        result = report.load(project)
    if runner.test_data is not None and seeds:
        test_once(runner, result, runner.test_data)
        result = report.load(project)
    save_weights(runner, result)
    result.save_best()
    if tensorboard:
        from tuning.hparams import write_hparams

        write_hparams(result, tensorboard)
    if verbose:
        print(result.summary())
    return result


def _check_same_settings(settings, project):
    """Refuse a worker with another model, other data or other options than its chief."""
    theirs = read_json(project / "settings.json") or {}
    words = "{} is {} in the chief's search, {} here"
    different = differences(theirs, json.loads(json.dumps(settings)), words)
    if different:
        raise ValueError(
            f"Worker and chief need the same options, model and data: {'; '.join(different)}."
        )


def _check_numbers(max_trials, epochs, steps, seconds, seeds, seed):
    for name, value, least in (
        ("max_trials", max_trials, 1),
        ("epochs", epochs, 1),
        ("steps", 1 if steps is None else steps, 1),
        ("seeds", seeds, 0),
        ("seed", seed, 0),
    ):
        if not _is_whole(value, least):
            raise ValueError(f"`{name}` must be a whole number of at least {least}, got {value!r}.")
    if seconds is not None and not (isinstance(seconds, numbers.Real) and seconds > 0):
        raise ValueError(f"`seconds` must be a positive number, got {seconds!r}.")


def _is_whole(value, least):
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_int and value >= least


def _check_learning_rate(learning_rate):
    """Return (low, high) as floats, or None for none."""
    if learning_rate is None:
        return None
    try:
        low, high = map(float, learning_rate)
    except (TypeError, ValueError):  # no two of them, or no numbers
        low = high = math.nan
    if not 0 < low <= high < math.inf:
        raise ValueError(
            f"`learning_rate` must be (low, high) with 0 < low ≤ high, got {learning_rate!r}."
        )
    return low, high


def _check_batch_size(batch_size):
    """Return the sizes as a list of int, or None for the default."""
    if batch_size is None:
        return None
    try:
        sizes = list(batch_size)
    except TypeError:  # a single number
        sizes = []
    if not sizes or not all(_is_whole(size, 1) for size in sizes):
        raise ValueError(
            f"`batch_size` must be a list of whole numbers of at least 1, got {batch_size!r}."
        )
    return [int(size) for size in sizes]


def _find_project(directory, name):
    """Return the folder of a search, and whether it holds one; never that of something else."""
    if not isinstance(directory, (str, os.PathLike)):
        raise ValueError(f"`directory` must be the path of a folder, got {directory!r}.")
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"`name` must be the plain name of a folder in `directory`; got {name!r}.")
    project = Path(directory) / name
    if project.exists() and not project.is_dir():
        raise ValueError(f"{project} is a file; choose another `name` or `directory`.")
    ours = (project / "settings.json").exists() or (project / "oracle.json").exists()
    others = project.exists() and any(path.name != LOCK for path in project.iterdir())
    if others and not ours and role() != "worker":
        raise ValueError(f"{project} holds files of something else; choose another `name`.")
    return project, ours
