"""Set up a search: model, data and search space checked, a search to be resumed compared."""

import json
import os
from pathlib import Path

import keras

from tuning.checks import check_model, choose_objective, describe, takes_hp
from tuning.data import Arrays, as_data
from tuning.engine import Engine
from tuning.oracle import make_oracle, make_space
from tuning.search_tuner import SearchTuner, role
from tuning.settings import describe_compiled, describe_space, differences, first_examples
from tuning.state import read_json, write_json

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
    verbose=False,
):
    """Make keras-tuner's `Tuner` of a search; the arguments are those of `search`.

    In a chief or a worker process (keras-tuner's environment variables) it is the tuner of that
    process: a worker gets the search space from its chief. `project` is the `pathlib.Path` of the
    search's folder; an interrupted search there is resumed.
    """
    with_hp = takes_hp(build_model)
    build = build_model if with_hp else (lambda hp: build_model())
    low_high = learning_rate or (1e-3, 1e-3)

    def build_first():
        return check_model(build(make_space(low_high, [int(min(batch_size))])))

    keras.utils.set_random_seed(seed)
    try:
        model = build_first()
    except ValueError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise ValueError(f"`build_model` raises {kind}: {error}") from error
    train, validation = as_data(train, "train", model), as_data(validation, "validation", model)
    if tuple(batch_size) == BATCH_SIZES:  # a default that suits small data as well
        batch_size = [b for b in BATCH_SIZES if b <= train.num_examples] or [train.num_examples]
    if max(batch_size) > train.num_examples:
        raise ValueError(
            f"Batch size {max(batch_size)} exceeds the {train.num_examples} training examples."
        )
    batch_size = sorted({int(size) for size in batch_size})
    first = Engine(build_first, train, validation, callbacks, engine, seed)
    try:
        untrained = first.evaluate(batch_size[0])
    except Exception as error:  # TensorFlow's own, say: labels beyond the classes, other shapes
        kind = type(error).__name__
        text = f"The model cannot be evaluated on `validation`: {kind}: {error}"
        raise ValueError(text) from error
    first.untrained_loss = untrained["val_loss"]
    objective = choose_objective(objective, untrained)
    if population is not None:
        from tuning.vectorized_tuner import VectorizedTuner, check_population

        population = check_population(population, first.model, batch_size[-1])
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
        "hyperparameters": describe_space(build, space) if with_hp else {},
        "callbacks": [type(callback).__name__ for callback in callbacks],
        **describe_compiled(model),
    }
    if role() == "worker":
        bounds = low_high
    else:
        bounds = settle(
            project, settings, max_trials, lambda: _guess(build_first, train, batch_size, verbose)
        )
    space = make_space(bounds, batch_size)
    oracle = make_oracle(
        tuner, objective, max_trials, space, seed, epochs, may_widen=learning_rate is None
    )
    arguments = (oracle, build, with_hp, first, train, validation, settings, project)
    return VectorizedTuner(population, *arguments) if population else SearchTuner(*arguments)


def _guess(build, train, batch_size, verbose):
    """Bounds from the learning rate range test: the best rate moves with the batch size."""
    from tuning.learning_rate_range import learning_rate_range

    data = train.parts if isinstance(train, Arrays) else train.source
    found = [
        learning_rate_range(build, data, batch_size=size, verbose=int(verbose))
        for size in sorted({batch_size[0], batch_size[-1]})
    ]
    return [min(float(test.low) for test in found), max(float(test.high) for test in found)]


def settle(project, settings, max_trials, guess):
    """Write the settings of a new search, or compare with those of the one to be resumed.

    Args:
        project: folder of the search.
        settings: dict of what must be the same when a search is resumed.
        max_trials: int; it may change: more trials continue a search.
        guess: function that returns (low, high), called for a new search without bounds.

    Returns:
        (low, high) of the learning rate.

    Raises:
        ValueError: if the settings differ; it says in what.

    """
    path = Path(project) / "settings.json"
    old = read_json(path)
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
    write_json(path, {**settings, "bounds": bounds, "max_trials": max_trials})
    # keras-tuner resumes where it finds this file; another role may have written its own
    if (Path(project) / "oracle.json").exists():
        write_json(Path(project) / f"{os.environ.get('KERASTUNER_TUNER_ID', 'tuner0')}.json", {})
    return bounds
