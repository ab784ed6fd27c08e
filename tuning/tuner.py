"""Set up a search: model, data and search space checked, a search to be resumed compared."""

import collections
import contextlib
import gc
import json
import os
import shutil
from pathlib import Path

import keras

from tuning.checks import (
    check_finite,
    check_labels,
    check_model,
    choose_objective,
    describe,
    takes_hp,
)
from tuning.data import Arrays, as_data
from tuning.engine import Engine, evaluate
from tuning.lock import LOCK
from tuning.oracle import make_oracle, make_space
from tuning.search_tuner import SearchTuner, role
from tuning.settings import describe_compiled, describe_space, differences, first_examples
from tuning.state import read_json, write_json
from tuning.trial import is_out_of_memory

BATCH_SIZES = (16, 32, 64, 128, 256)


def make_tuner(
    build_model,
    train,
    validation,
    project,
    *,
    learning_rate,
    batch_size,
    tuner,
    max_trials,
    epochs,
    steps=None,
    seconds=None,
    seed=0,
    objective=None,
    callbacks=(),
    engine="auto",
    population=None,
    test=None,
    overwrite=False,
    on_checked=lambda: None,
    verbose=False,
):
    """Make keras-tuner's `Tuner` of a search; the arguments are those of `search`.

    In a chief or a worker process (keras-tuner's environment variables) it is the tuner of that
    process: a worker gets the search space from its chief. `project` is the `pathlib.Path` of the
    search's folder; an interrupted search there is resumed. `on_checked` is called when all
    arguments are checked and nothing is written yet. The tuner keeps `test` as `test_data`.
    """
    with_hp = takes_hp(build_model)

    def build(hp):
        with counting_names_anew():
            return build_model(hp) if with_hp else build_model()

    low_high = learning_rate or (1e-3, 1e-3)

    def build_first():
        return check_model(build(make_space(low_high, [int(min(batch_size or BATCH_SIZES))])))

    keras.utils.set_random_seed(seed)
    with _naming("`build_model` raises"):
        model = build_first()
    with _naming("The data cannot be read,"):
        train, validation = as_data(train, "train", model), as_data(validation, "validation", model)
        test = None if test is None or role() == "worker" else as_data(test, "test", model)
    if batch_size is None:  # a default that suits small data as well
        batch_size = [b for b in BATCH_SIZES if b <= train.num_examples] or [train.num_examples]
    if max(batch_size) > train.num_examples:
        raise ValueError(
            f"Batch size {max(batch_size)} exceeds the {train.num_examples} training examples."
        )
    batch_size = sorted({int(size) for size in batch_size})
    with _naming("The model cannot be used with `train`,"):
        first = Engine(build_first, train, validation, callbacks, engine, seed)
        if first.model is model:
            raise ValueError(
                "`build_model` returned the same model twice; it must build a new one each time."
            )
        check_finite(first, train, "train")
        for data, what in ((train, "train"), (validation, "validation"), (test, "test")):
            check_labels(first.model, data, what)
    with _naming("The model cannot be evaluated on `validation`:", names_value_errors=True):
        untrained = first.evaluate(batch_size[0])
    check_finite(first, validation, "validation")
    if test is not None:  # now rather than after the whole search
        with _naming("The model cannot be evaluated on `test`:", names_value_errors=True):
            evaluate(first.model, test, batch_size[0])
    first.untrained_loss = untrained["val_loss"]
    objective = choose_objective(objective, untrained, first.model)
    if population is not None:
        from tuning.vectorized_tuner import VectorizedTuner, check_population

        population = check_population(population, first.model, batch_size[-1])
        # what the search learns from earlier trials, it learns between populations
        rounds = 4 if tuner == "bayesian" else 2 if learning_rate is None else 1
        population = min(population, max(1, max_trials // rounds))
    space = make_space(low_high, batch_size[:1])
    settings = {
        "learning_rate": learning_rate and [float(rate) for rate in learning_rate],
        "batch_size": batch_size,
        "tuner": tuner,
        "epochs": epochs,
        "steps": steps,
        "seconds": seconds,
        "seed": seed,
        "objective": [objective.name, objective.direction],
        "engine": engine,
        "precision": keras.config.dtype_policy().name,
        "model": describe(first.model),
        "num_examples": train.num_examples,
        "train": train.fingerprint(),
        "validation": validation.fingerprint(),
        "first examples": [first_examples(train), first_examples(validation)],
        "takes_hp": with_hp,
        "hyperparameters": describe_space(build, space) if with_hp else {},
        "callbacks": [type(callback).__name__ for callback in callbacks],
        **describe_compiled(model),
    }
    if role() == "worker":
        bounds = low_high
    else:
        on_checked()
        bounds = settle(
            project,
            settings,
            max_trials,
            lambda: _guess(build_first, train, batch_size, verbose),
            overwrite,
        )
    space = make_space(bounds, batch_size)
    oracle = make_oracle(
        tuner, objective, max_trials, space, seed, epochs, may_widen=learning_rate is None
    )
    arguments = (oracle, build, with_hp, first, train, validation, settings, project)
    runner = VectorizedTuner(population, *arguments) if population else SearchTuner(*arguments)
    runner.test_data = test
    return runner


@contextlib.contextmanager
def counting_names_anew():
    """Let Keras count names from the start, so that every model built has the same ones.

    Otherwise a second `keras.metrics.AUC()` is "auc_1", which no objective can know. Private:
    the public `keras.utils.clear_session` would take the user's own state with it.
    """
    from keras.src.backend.common import global_state

    name = "object_name_uids"
    own = global_state.get_global_attribute(name)  # of what the user builds beside the search
    global_state.set_global_attribute(name, collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(name, own)


@contextlib.contextmanager
def _naming(what, names_value_errors=False):
    """Turn whatever the user's code or TensorFlow raises into a ValueError that begins so.

    Our own errors and most of Keras are ValueErrors that say what is meant by themselves.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, ValueError) and not names_value_errors:
            raise
        raise ValueError(f"{what} {type(error).__name__}: {error}") from error


def _guess(build, train, batch_size, verbose):
    """Bounds from the learning rate range test: the best rate moves with the batch size."""
    from tuning.learning_rate_range import learning_rate_range

    data = train.parts if isinstance(train, Arrays) else train.source
    try:
        with _naming("The model cannot be trained on `train`:"):
            found = [
                learning_rate_range(build, data, batch_size=batch_size[0], verbose=int(verbose))
            ]
            for size in batch_size[:0:-1]:  # the largest that fits
                try:
                    test = learning_rate_range(build, data, batch_size=size, verbose=int(verbose))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                else:
                    found.append(test)
                    break
                gc.collect()  # frees what did not fit; a model is a cycle of references
    except ValueError as error:  # its advice is about arguments that a search does not have
        text, own = str(error), "give learning_rate=(low, high) (--learning-rate LOW HIGH)"
        for advice in ("raise `maximum`, `seeds` or `batch_size`", "lower `minimum`"):
            text = text.replace(advice, own)
        raise ValueError(text) from error
    return [min(float(test.low) for test in found), max(float(test.high) for test in found)]


def settle(project, settings, max_trials, guess, overwrite=False):
    """Write the settings of a new search, or compare with those of the one to be resumed.

    Args:
        project: folder of the search.
        settings: dict of what must be the same when a search is resumed.
        max_trials: int; it may change: more trials continue a search.
        guess: function that returns (low, high), called for a new search without bounds.
        overwrite: whether to delete what is there, once the new search is ready to begin.

    Returns:
        (low, high) of the learning rate.

    Raises:
        ValueError: if the settings differ; it says in what.

    """
    path = Path(project) / "settings.json"
    second = path.with_name("settings.previous.json")  # in case that somebody truncates the file
    old = None if overwrite else read_json(path) or read_json(second)
    if old is not None:
        settings = json.loads(json.dumps(settings))
        different = differences(old, settings)
        if different:
            raise ValueError(
                f"{project} holds a search with other settings: {'; '.join(different)}. "
                "Choose another name, or overwrite it (overwrite=True, --overwrite)."
            )
        bounds = old["bounds"]
    else:
        bounds = settings["learning_rate"] or guess()
    if overwrite:
        _empty(project)
    for file in (second, path):
        write_json(file, {**settings, "bounds": bounds, "max_trials": max_trials})
    # keras-tuner resumes where it finds this file; another role may have written its own
    if (Path(project) / "oracle.json").exists():
        write_json(Path(project) / f"{os.environ.get('KERASTUNER_TUNER_ID', 'tuner0')}.json", {})
    return bounds


def _empty(project):
    """Delete all but the lock; what shows that it is a search goes last, in case of a kill."""
    marks = ("settings.json", "oracle.json")
    for path in sorted(Path(project).iterdir(), key=lambda path: path.name in marks):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
