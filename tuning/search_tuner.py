"""keras-tuner's `Tuner` for searches of learning rate and batch size."""

import contextlib
import gc
import json
import math
import os
import re
from pathlib import Path

import keras_tuner as kt

from tuning.checks import check_model
from tuning.engine import Engine
from tuning.state import read_json, write_json
from tuning.trial import ENDED, STATE, failure, run_trial

CACHED_MODELS = 4  # architectures kept; more would fill the device's memory


def role():
    """Return "chief", "worker" or "alone", from keras-tuner's environment variables."""
    if "KERASTUNER_ORACLE_IP" not in os.environ:
        return "alone"
    return "chief" if "chief" in os.environ.get("KERASTUNER_TUNER_ID", "") else "worker"


def plain_values(hyperparameters):
    """Return the values of a trial without keras-tuner's own entries."""
    values = hyperparameters.values
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


class SearchTuner(kt.Tuner):
    """Runs trials on reused models; made by `tuner.make_tuner`."""

    def __init__(self, oracle, build, with_hp, first, train, validation, settings, project):
        self.project = project
        self.settings = settings
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

    def run_trial(self, trial):
        """Train with the trial's values and return the metrics of its best epoch."""
        values = trial.hyperparameters.values
        record = self.train_once(
            trial.hyperparameters,
            self.folder(trial),
            epochs=values.get("tuner/epochs"),
            continue_from=self.earlier_state(trial),
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

    def folder(self, trial):
        """Return the folder of a trial."""
        return Path(self.get_trial_dir(trial.trial_id))

    def earlier_state(self, trial):
        """Return the state file of the shorter training that a trial of Hyperband goes on from."""
        previous = trial.hyperparameters.values.get("tuner/trial_id")
        return previous and Path(self.get_trial_dir(previous)) / STATE

    def run(self):
        """Search; in a chief process, hand out trials until the search is done."""
        if role() == "chief":
            from tuning import chief

            self.save()
            chief.serve(self.oracle)
        else:
            try:
                self.search()
            finally:
                gc.unfreeze()

    def train_once(self, hp, folder, epochs=None, seed=None, **options):
        """Train once with these hyperparameters; see `trial.run_trial` for the options."""
        values = plain_values(hp)
        settings = self.settings
        # fresh seeds train the epochs that were chosen, however long that takes
        seconds = settings["seconds"] if seed is None else None
        epochs = epochs or self.epochs_of(values["batch_size"])
        seed = settings["seed"] if seed is None else seed
        # a worker cannot ask its chief for more than keras-tuner's protocol offers
        ceiling = math.inf if role() == "worker" else self.oracle.batch_size_ceiling(values)
        old = read_json(folder / "record.json") or {}
        has_ended = old.get("status") in ENDED
        try:
            if values["batch_size"] >= ceiling and not has_ended:
                raise MemoryError(f"not tried, since batch size {ceiling} did not fit")
            engine = self.engine_for(hp)
            values = plain_values(hp)  # with those that the model declared just now
        except Exception as error:  # the user's function may fail for some hyperparameters
            if has_ended:
                return old
            record = {"values": plain_values(hp), "seed": seed, "history": {}, "seconds": []}
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
            steps=settings["steps"],
            seconds=seconds,
            on_epoch=lambda done: self.on_progress(done / epochs),
            **options,
        )
        if record.get("error"):
            del engine
            self._release(self._key(hp.values))
        return record

    def _release(self, key=None):
        """Free an architecture and what failed trainings left, even if only the collector finds it.

        The engine that is there when the search begins is frozen. It is the only one, so where
        others are left nothing is thawed; to freeze those would keep them for the whole search.
        """
        was_last = self._engines.pop(key, None) is not None and not self._engines
        was_frozen = was_last and gc.get_freeze_count()
        if was_frozen:
            gc.unfreeze()
        gc.collect()
        if was_frozen:
            gc.freeze()

    def epochs_of(self, batch_size):
        """Return the number of epochs of a trial, the last of which may be cut by `steps`."""
        if not self.settings["steps"]:
            return self.settings["epochs"]
        in_epoch = math.ceil(self.train_data.num_examples / batch_size)
        return math.ceil(self.settings["steps"] / in_epoch)

    def hyperparameters(self, values):
        """Return keras-tuner's object with these values."""
        hp = self.oracle.get_space()
        hp.values = dict(values)
        return hp

    def engine_for(self, hp):
        """Return the engine of an architecture, built at its first use.

        What the model declares beyond the search space so far is added to `hp`, with its default;
        keras-tuner takes it into the space at the end of the trial.
        """
        if self._in_key is None:
            self._in_key = self._what_changes_the_model(hp)
        key = self._key(hp.values)
        if key not in self._engines:
            is_full = len(self._engines) >= CACHED_MODELS
            self._release(next(iter(self._engines)) if is_full else None)
            engine = Engine(
                lambda: check_model(self._build(hp)),
                self.train_data,
                self.validation_data,
                self.callbacks,
                self.settings["engine"],
                self.settings["seed"],
            )
            key = self._key(hp.values)  # the model may have declared more, as keras-tuner allows
            self._engines[key] = engine
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
            there = None
            with contextlib.suppress(Exception):  # a size or rate that the user's function refuses
                there = _configuration(self._build(changed))
            if here is None or there != here:
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
    inner = optimizer.get("inner_optimizer", {}).get("config", optimizer)  # under a loss scale
    if isinstance(inner.get("learning_rate"), float):
        inner.pop("learning_rate")
    text = repr((layers, optimizer, compiled.get("loss"), compiled.get("loss_weights")))
    return re.sub(r"'name': '[^']*'", "", text)  # Keras counts them through: dense, dense_1, ...
