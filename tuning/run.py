"""Search the learning rate and batch size of a model with keras-tuner."""

import math
import shutil
from pathlib import Path

import keras

from tuning import report
from tuning.data import as_data
from tuning.machine import prepare_devices
from tuning.oracle import ORACLES
from tuning.progress import progress
from tuning.rerun import rerun, save_weights, test_once
from tuning.state import read_json
from tuning.tuner import BATCH_SIZES, make_tuner, role


def search(
    build_model,
    train,
    validation=None,
    test=None,
    learning_rate=None,
    batch_size=BATCH_SIZES,
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
            returns a compiled `keras.Model`. What it declares with `hp` is searched, too.
        train: (x, y) or (x, y, sample_weight) of arrays with n rows, a `tf.data.Dataset` or a
            `keras.utils.PyDataset`. Datasets are cut into the batch sizes searched.
        validation: likewise; the score comes from it.
        test: likewise, or None; used once, for the best setting, with the weights of its trainings
            on fresh seeds (so not at all with `seeds=0`).
        learning_rate: (low, high), or None for what learning rate range tests with the smallest and
            the largest batch size suggest, widened by a decade if half of the trials find the best
            rate at its edge. With a schedule it is the schedule's largest value.
        batch_size: sizes to choose from.
        tuner: "random", "grid", "bayesian" or "hyperband".
        max_trials: int, number of trainings.
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
            None for one after the other.
        directory: folder of searches.
        name: folder in it, in which this search is kept.
        overwrite: delete what an earlier search left there.
        mixed_precision: train in mixed_float16.
        tensorboard: folder for TensorBoard's HParams table, or None.
        verbose: whether to show progress and the report.

    Returns:
        `report.Result`, or None in a worker process, whose chief has the results.

    Raises:
        ValueError: if an argument cannot work, before any training; or if directory/name holds a
            search with other settings.
        RuntimeError: if all trials failed.

    """
    _check_numbers(max_trials, epochs, steps, seconds, seeds, seed, batch_size, learning_rate)
    if tuner not in ORACLES:
        raise ValueError(f"Unknown tuner {tuner!r}; choose one of {', '.join(ORACLES)}.")
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
    policy = keras.config.dtype_policy()
    if mixed_precision:
        keras.config.set_dtype_policy("mixed_float16")
    try:
        project = _open_project(directory, name, overwrite)
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
            verbose=verbose,
        )
        if role() == "worker":
            _check_precision(runner.settings, project)
        return _run(runner, seeds, test, tensorboard, verbose)
    finally:
        keras.config.set_dtype_policy(policy)


def _run(runner, seeds, test, tensorboard, verbose):
    """Search, train again and report."""
    test = None if test is None else as_data(test, "test", runner.first_model)
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
    rerun(runner, result, seeds, verbose)
    result = report.load(project)
    if test is not None and seeds:
        test_once(runner, result, test)
        result = report.load(project)
    if seeds:
        save_weights(runner, result)
    result.save_best()
    if tensorboard:
        from tuning.hparams import write_hparams

        write_hparams(result, tensorboard)
    if verbose:
        print(result.summary())
    return result


def _check_precision(settings, project):
    """Refuse a worker that trains in another precision than its chief.

    Only now is it known: the user's module or `build_model` may set it as well as the option.
    """
    here = settings["precision"]
    theirs = (read_json(project / "settings.json") or {}).get("precision", here)
    if here != theirs:
        raise ValueError(
            f"Worker and chief need the same options: the precision is {here} here, {theirs} in "
            "the chief's search (--mixed-precision)."
        )


def _check_numbers(max_trials, epochs, steps, seconds, seeds, seed, batch_size, learning_rate):
    for name, value, least in (
        ("max_trials", max_trials, 1),
        ("epochs", epochs, 1),
        ("steps", 1 if steps is None else steps, 1),
        ("seeds", seeds, 0),
        ("seed", seed, 0),
    ):
        if isinstance(value, bool) or int(value) != value or value < least:
            raise ValueError(f"`{name}` must be a whole number of at least {least}, got {value!r}.")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"`seconds` must be positive, got {seconds!r}.")
    if not batch_size or any(int(size) != size or size < 1 for size in batch_size):
        raise ValueError(f"Batch sizes must be whole numbers of at least 1, got {batch_size!r}.")
    rate = (1e-3, 1e-3) if learning_rate is None else learning_rate
    if len(rate) != 2 or not 0 < rate[0] <= rate[1] < math.inf:
        raise ValueError(f"`learning_rate` must be (low, high) with 0 < low ≤ high, got {rate!r}.")


def _open_project(directory, name, overwrite):
    """Return the folder of a search, emptied if asked for; never empties another folder."""
    project = Path(directory) / name
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"`name` must be the plain name of a folder in `directory`; got {name!r}.")
    if project.exists() and not project.is_dir():
        raise ValueError(f"{project} is a file; choose another `name` or `directory`.")
    ours = (project / "settings.json").exists() or (project / "oracle.json").exists()
    if project.exists() and any(project.iterdir()) and not ours and role() != "worker":
        raise ValueError(f"{project} holds files of something else; choose another `name`.")
    if overwrite and ours and role() != "worker":
        shutil.rmtree(project)
    return project
