"""keras-tuner's `Tuner` for searches of learning rate and batch size."""

import contextlib
import gc
import inspect
import json
import math
import os
import re
from pathlib import Path

import keras
import keras_tuner as kt

from tuning.data import Arrays, as_data
from tuning.engine import Engine
from tuning.oracle import make_oracle, make_space
from tuning.state import read_json, write_json
from tuning.trial import failure, run_trial

BATCH_SIZES = (16, 32, 64, 128, 256)
CACHED_MODELS = 4  # architectures kept; more would fill the device's memory


def role():
    """Return "chief", "worker" or "alone", from keras-tuner's environment variables."""
    if "KERASTUNER_ORACLE_IP" not in os.environ:
        return "alone"
    return "chief" if "chief" in os.environ.get("KERASTUNER_TUNER_ID", "") else "worker"


def takes_hp(build_model):
    """Whether the user's function wants the hyperparameters.

    Raises:
        ValueError: if it is no function, or wants more than one argument.

    """
    if not callable(build_model):
        raise ValueError(f"`build_model` must be a function, got {build_model!r}.")
    parameters = inspect.signature(build_model).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]
    if len(needed) > 1:
        raise ValueError(f"`build_model` must take no argument or `hp`, but it takes {needed}.")
    return bool(needed) or any(p.name == "hp" for p in parameters)


def check_model(model):
    """Return a compiled Keras model; raise ValueError if it is anything else."""
    if not isinstance(model, keras.Model):
        kind = type(model).__name__
        raise ValueError(f"`build_model` must return a compiled keras.Model; it returned a {kind}.")
    if not model.compiled or model.optimizer is None:
        raise ValueError("The model that `build_model` returned is not compiled; call `compile`.")
    return model


def choose_objective(objective, metrics):
    """Find what is compared.

    Args:
        objective: str, `keras_tuner.Objective` or None.
        metrics: names of the model's metrics on the validation data.

    Returns:
        `keras_tuner.Objective`.

    Raises:
        ValueError: if there is no such metric, or its direction is unknown.

    """
    if objective is None:
        objective = "val_accuracy" if "val_accuracy" in metrics else "val_loss"
    name = getattr(objective, "name", objective)
    if name not in metrics:
        raise ValueError(f"No objective {name!r}; this model has {', '.join(sorted(metrics))}.")
    if isinstance(objective, kt.Objective):
        return objective
    direction = kt.engine.metrics_tracking.infer_metric_direction(name)
    if name.endswith("loss"):
        direction = "min"
    if direction is None:
        raise ValueError(
            f"Is more of {name!r} better? Give keras_tuner.Objective({name!r}, 'min' or 'max')."
        )
    return kt.Objective(name, direction)


def describe(model):
    """Describe a model so that another architecture reads differently: classes and shapes."""
    layers = [type(layer).__name__ for layer in model._flatten_layers(include_self=False)]
    shapes = "x".join(str(math.prod(w.shape)) for w in model.weights)
    return f"{' '.join(layers)} weights {shapes} {type(model.optimizer).__name__}"


def _plain(hyperparameters):
    """Return the values of a trial without keras-tuner's own entries."""
    values = hyperparameters.values
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


class SearchTuner(kt.Tuner):
    """Runs trials on reused models; made by `make_tuner`."""

    def __init__(self, oracle, build, with_hp, first, train, validation, settings, project):
        self.project = project
        self.settings = settings
        self.first_model = first.model
        self.train_data, self.validation_data = train, validation
        self.callbacks = first.callbacks
        self.on_progress = lambda done=0.0: None
        self._build = build
        self._engines = {}
        self._in_key = None if with_hp else ()  # of rate and size, those that change the model
        if not with_hp:
            self._engines[self._key({})] = first
        with contextlib.redirect_stdout(None):  # it prints that it reloads; `progress` says more
            super().__init__(oracle, build, directory=project.parent, project_name=project.name)

    # ---- keras-tuner's extension points ----

    def on_search_begin(self):
        """Save once before the first trial, so that a kill within it is resumed as well."""
        self.save()
        gc.collect()
        gc.freeze()  # spares each later collection the objects of the imports

    def on_search_end(self):
        """Give the garbage collector its objects back."""
        gc.unfreeze()

    def run_trial(self, trial):
        """Train with the trial's values and return the metrics of its best epoch."""
        folder = Path(self.get_trial_dir(trial.trial_id))
        values = trial.hyperparameters.values
        previous = values.get("tuner/trial_id")
        record = self.train_once(
            trial.hyperparameters,
            folder,
            epochs=values.get("tuner/epochs"),
            continue_from=previous and Path(self.get_trial_dir(previous)) / "state.npz",
            keep_state="tuner/epochs" in values,
        )
        self.on_progress()
        return {self.oracle.objective.name: float(record.get("score", math.nan))}

    def save(self):
        """Write the state to files that are replaced as a whole."""
        if role() != "worker":
            self.oracle.save()
        write_json(self._get_tuner_fname(), self.get_state())

    # ---- training ----

    def run(self):
        """Search; in a chief process, hand out trials until the search is done."""
        if role() == "chief":
            from tuning import workers

            self.save()
            workers.serve(self.oracle)
        else:
            self.search()

    def train_once(self, hp, folder, epochs=None, seed=None, **options):
        """Train once with these hyperparameters; see `trial.run_trial` for the options."""
        values = _plain(hp)
        settings = self.settings
        if epochs is None:
            epochs = settings["epochs"]
            if settings["steps"]:
                in_epoch = math.ceil(self.train_data.num_examples / values["batch_size"])
                epochs = math.ceil(settings["steps"] / in_epoch)
        seed = settings["seed"] if seed is None else seed
        # a worker cannot ask its chief for more than keras-tuner's protocol offers
        ceiling = math.inf if role() == "worker" else self.oracle.batch_size_ceiling(values)
        try:
            if values["batch_size"] >= ceiling:
                raise MemoryError(f"not tried, since batch size {ceiling} did not fit")
            engine = self.engine_for(hp)
        except Exception as error:  # the user's function may fail for some hyperparameters
            record = {"values": values, "seed": seed, "history": {}, "seconds": []}
            record |= failure(error)
            write_json(folder / "record.json", record)
            return record
        record = run_trial(
            engine,
            folder,
            values,
            self.oracle.objective,
            epochs,
            seed,
            seconds=settings["seconds"],
            on_epoch=lambda done: self.on_progress(done / epochs),
            **options,
        )
        if record.get("error"):
            self._engines.pop(self._key(hp.values), None)  # whatever is left of it, free it
        return record

    def hyperparameters(self, values):
        """Return keras-tuner's object with these values."""
        hp = self.oracle.get_space()
        hp.values = dict(values)
        return hp

    def engine_for(self, hp):
        """Return the engine of an architecture, built at its first use."""
        if self._in_key is None:
            self._in_key = self._what_changes_the_model(hp)
        key = self._key(hp.values)
        if key not in self._engines:
            while len(self._engines) >= CACHED_MODELS:
                self._engines.pop(next(iter(self._engines)))
            self._engines[key] = Engine(
                lambda: check_model(self._build(hp.copy())),
                self.train_data,
                self.validation_data,
                self.callbacks,
                self.settings["engine"],
                self.settings["seed"],
            )
        return self._engines[key]

    def _key(self, values):
        """Everything that may change the graph: all but rate and size, unless those do, too."""
        skipped = {"learning_rate", "batch_size"} - set(self._in_key)
        return json.dumps(
            {
                name: value
                for name, value in sorted(values.items())
                if name not in skipped and not name.startswith("tuner/")
            }
        )

    def _what_changes_the_model(self, hp):
        """Find out whether `build_model(hp)` uses rate or size for more than the optimizer's rate.

        Otherwise a reused model would keep, say, a regularization that was computed from the
        first trial's learning rate.
        """
        names = []
        here = _configuration(self._build(hp.copy()))
        for name in ("learning_rate", "batch_size"):
            changed = hp.copy()
            changed.values = {**hp.values, name: hp.values[name] * 2}
            if here is None or _configuration(self._build(changed)) != here:
                names.append(name)
        return tuple(names)


def _configuration(model):
    """Describe a model and how it is compiled as text, without its names and learning rate.

    None if a layer of the user's cannot be described.
    """
    try:
        layers = [layer.get_config() for layer in model._flatten_layers(include_self=False)]
        compiled = model.get_compile_config() or {}
    except (NotImplementedError, TypeError):
        return None
    optimizer = model.optimizer.get_config()
    if isinstance(optimizer.get("learning_rate"), float):
        optimizer.pop("learning_rate")
    text = repr((layers, optimizer, compiled.get("loss"), compiled.get("loss_weights")))
    return re.sub(r"'name': '[^']*'", "", text)  # Keras counts them through: dense, dense_1, ...


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
    objective = choose_objective(objective, first.evaluate(batch_size[0]))
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
    return SearchTuner(oracle, build, with_hp, first, train, validation, settings, project)


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
        different = [
            f"{name} was {old.get(name)}, now {value}"
            for name, value in settings.items()
            if old.get(name) != value
        ]
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
