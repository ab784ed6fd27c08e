"""keras-tuner's `Tuner` for searches of learning rate and batch size.

Trials are trained one after the other on models that are used again (`training/one_by_one.py`).
"""

import contextlib
import gc
import json
import time

import keras_tuner as kt

from .. import store
from ..errors import InputError
from ..inputs.data import UNKNOWN
from ..store import STATE, read_json, write_json
from ..training.effect import Effect
from ..training.one_by_one import Engine
from ..training.trial import ENDED, failure, run_trial, train_loss_name
from .oracle import plain_values
from .progress import search_bar

CACHED_MODELS = 4  # architectures kept; more would fill the device's memory


class SearchTuner(kt.Tuner):
    """Runs the trials of an oracle; `first` is the `Engine` of the first trial's model."""

    def __init__(self, oracle, build, first, changes, settings, project, joins=False):
        self.project, self.settings, self._joins = project, settings, joins
        self.train_data, self.validation_data = first.train_data, first.validation_data
        self.callbacks = first.callbacks
        self._build, self._changes = build, changes
        self._engines = {} if build.takes_hp else {self._key({}): first}
        self._effect = Effect(self.callbacks)
        self._show = lambda part=0.0: None
        with contextlib.redirect_stdout(None):  # it prints that it reloads; `run` says more
            super().__init__(oracle, build, directory=project.parent, project_name=project.name)

    # ---- keras-tuner's extension points ----

    def on_search_begin(self):
        """Look at what has been trained already."""
        for name in self.oracle.trials:
            self._check_effect(self.oracle.record(name))

    def pre_create_trial(self):
        """End a worker with its search."""
        if not self._joins or store.is_open(self.project):
            return
        if self.oracle.count_ended() < self.oracle.max_trials:
            raise RuntimeError(
                f"The search in {self.project} has ended or was killed, so this worker ends. If it "
                "was killed, start the same command again, then this worker."
            )

    def run_trial(self, trial):
        """Train with the trial's values and return the metrics of its best epoch."""
        values, folder_of = trial.hyperparameters.values, self.oracle.folder_of
        earlier = values.get("tuner/trial_id")  # the shorter training that Hyperband goes on from
        record = self.train_once(
            trial.hyperparameters,
            folder_of(trial.trial_id),
            epochs=values.get("tuner/epochs"),
            continue_from=earlier and folder_of(earlier) / STATE,
            keep_state="tuner/epochs" in values,
        )
        self._check_effect(record)
        self._show()
        return {self.oracle.objective.name: self.oracle.score_of(trial.trial_id)}

    def save(self):
        """Do nothing: the oracle saves itself, and there is no other state."""

    def _get_tuner_fname(self):
        """Return the file whose presence tells keras-tuner to resume (private to it)."""
        return str(self.project / "oracle.json")

    # ---- the search ----

    def run(self, verbose=False, local_workers=None):
        """Search until nothing is left; with `LocalWorkers`, look after them while they run."""
        is_shown = verbose and not self._joins
        if is_shown and self.oracle.end_order:
            done = len(self.oracle.end_order)
            text = f"Going on with {self.project}; trials done: {done}."
            unknown = [n for n in ("train", "validation") if UNKNOWN in self.settings.get(n, "")]
            if unknown:
                text += f" The rows of {' and '.join(unknown)} read differently each time, or take "
                text += "long to read, and are not compared: overwrite=True if these are others."
            print(text)
        if not (self.project / "oracle.json").exists():
            self.oracle.save()  # so that a kill within the first trial is resumed as well
        if not self._joins:
            store.open_to_workers(self.project)
        try:
            with search_bar(self.oracle, is_shown) as (say, update):
                self._show = update
                if local_workers is not None:
                    self._watch(local_workers, say, update)
                self.search()
                self._show()
        finally:
            self.oracle.let_go()

    def _watch(self, local_workers, say, update):
        """Let workers train, and replace those that are killed, until all have ended."""
        if not store.is_held(self.project / store.LOCK):
            raise InputError(f"Workers need file locks, which {self.project} does not know.")
        local_workers.start()
        while number := local_workers.look_after(self.oracle.count_ended(), say):
            update(text=f"{number} workers")
            time.sleep(0.1)

    def _check_effect(self, record):
        """End the search where the learning rate has no effect: nothing could be compared."""
        if record.get("status") != "completed":
            return
        history, values = record["history"], record["values"]
        others = json.dumps(
            {**values, "learning_rate": None, "seed": record["seed"]}, sort_keys=True
        )
        names = train_loss_name(history), self.settings["objective"][0]
        curves = list(zip(*(history[name] for name in names if name in history), strict=True))
        steps = record.get("optimizer_steps")
        self._effect.check(values["learning_rate"], others, steps, curves)

    # ---- one training ----

    def train_once(self, hp, folder, epochs=None, seed=None, **options):
        """Train once with these hyperparameters; see `trial.run_trial` for the options."""
        old, values = read_json(folder / "record.json"), plain_values(hp.values)
        if old.get("status") in ENDED:
            with contextlib.suppress(Exception):  # declares in `hp` what it did in its first run
                self.engine_for(hp)
            return old
        seed = self.settings["seed"] if seed is None else seed
        epochs = epochs or self.settings["epochs"]
        try:
            ceiling = self.oracle.batch_size_ceiling(values)
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
            plain_values(hp.values),  # with those that the model declared just now
            self.oracle.objective,
            epochs,
            seed,
            on_epoch=lambda done: self._show(done / epochs),
            **options,
        )
        if record.get("error"):
            del engine
            self._release(self._key(hp.values))
        return record

    def hyperparameters(self, values):
        """Return keras-tuner's object with these values."""
        hp = self.oracle.get_space()
        hp.values = dict(values)
        return hp

    # ---- models that are used again ----

    def engine_for(self, hp):
        """Return the engine of an architecture, built at its first use.

        What the model declares beyond the search space so far is added to `hp`, with its default;
        keras-tuner takes it into the space at the end of the trial.
        """
        key = self._key(hp.values)
        if key not in self._engines:
            is_full = len(self._engines) >= CACHED_MODELS
            self._release(next(iter(self._engines)) if is_full else None)
            engine = Engine(
                lambda: self._build(hp),
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
        skipped = {"learning_rate", "batch_size"} - set(self._changes)
        used = {n: v for n, v in plain_values(values).items() if n not in skipped}
        return json.dumps(used, sort_keys=True)

    def _release(self, key=None):
        """Free an architecture, and what failed trainings left."""
        self._engines.pop(key, None)
        gc.collect()  # a model is a cycle of references
