"""keras-tuner's four oracles, made safe: one whole file, counted seeds, failures that teach.

What this file overrides with a leading underscore is private to keras-tuner (1.4.8): its documented
methods do not let an oracle draw anew, or keep its trials elsewhere.

Processes share a search through its folder, without keras-tuner's chief: each has an oracle, and
changes the search while no other one does, from where the last one has left it. Who trains a trial
holds the lock in its folder, so that the trial of a killed process is given out again.
"""

import contextlib
import functools
import json
import math
import time
from pathlib import Path

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from ..inputs.model import SEARCHED
from ..noise import at_edge
from ..store import CHANGING, LOCK, STATE, hold, is_held, read_json, replacing

FAILURES_WITHOUT_SUCCESS = 5  # the search stops when its first trials all fail with an error
WIDEN_AT = (1 / 2, 3 / 4)  # shares of the trials after which a guessed range may grow


class SafeOracle:
    """Mixed into an oracle of keras-tuner, whose search it leaves as it is.

    The first trial has the defaults of all hyperparameters: the user's present setting. A trial
    that failed has completed for keras-tuner, with the worst score there is.
    `may_widen`: the range of the learning rate was guessed and may grow.
    """

    def __init__(self, may_widen, **options):
        super().__init__(**options)
        self.may_widen, self.widened = may_widen, 0
        self.verbose = 0
        self._written = None  # oracle.json as this process knows it
        self._held = {}  # {trial that this process trains: its lock}

    # ---- what processes share ----

    @contextlib.contextmanager
    def _alone(self):
        """Change the search while no other process does, from where the last one has left it."""
        project = Path(self._project_dir)
        with hold(project / CHANGING, wait=True):
            if (project / "oracle.json").read_text("utf-8") != self._written:
                self.reload()
            self._find_unfinished()
            yield

    def _find_unfinished(self):
        """Sort the trials that have not ended: others train them, or they are given out again."""
        names = [name for name in self.start_order if name not in self.end_order]
        locks = {name: self.folder_of(name) / LOCK for name in names}
        busy = [name for name in names if name in self._held or is_held(locks[name])]
        self.ongoing_trials = {name: self.trials[name] for name in busy}
        # keras-tuner takes the last one
        self._retry_queue = [name for name in reversed(names) if name not in busy]

    def folder_of(self, trial_id):
        """Return the folder of a trial."""
        return Path(self._get_trial_dir(trial_id))

    def let_go(self):
        """Leave the trial that is not ended to others."""
        while self._held:
            self._held.popitem()[1].close()

    def count_ended(self):
        """Return how many trials have ended, in whatever process."""
        with self._alone():
            return len(self.end_order)

    def create_trial(self, tuner_id):
        """Return the next trial; "IDLE" while another process may still leave one."""
        with self._alone():
            trial = super().create_trial(tuner_id)
            if trial.status == TrialStatus.RUNNING:
                self._held[trial.trial_id] = hold(self.folder_of(trial.trial_id) / LOCK)
            elif self.ongoing_trials:
                trial.status = TrialStatus.IDLE
        if trial.status == TrialStatus.IDLE:
            time.sleep(0.2)  # it is asked again at once
        return trial

    def end_trial(self, trial):
        """End a trial."""
        with self._alone():
            super().end_trial(trial)
        self.let_go()

    # ---- what the search learns from failures ----

    def record(self, trial_id):
        """Read what the process that ran a trial wrote about it (an empty dict if nothing)."""
        return read_json(self.folder_of(trial_id) / "record.json")

    def score_of(self, trial_id):
        """Return the score of a trial; of one that failed the worst there is."""
        worst = -math.inf if self.objective.direction == "max" else math.inf
        return self.record(trial_id).get("score", worst)

    def score_trial(self, trial):
        """Take the score from the record, which a process that reads the search anew still has."""
        trial.score = self.score_of(trial.trial_id)

    def populate_space(self, trial_id):
        """Suggest the next trial, or stop when no trial can succeed."""
        ended = self.end_order
        if len(ended) >= FAILURES_WITHOUT_SUCCESS and all(
            self.record(name).get("error") for name in ended
        ):
            return {"status": TrialStatus.STOPPED, "values": None}
        self._widen()
        return super().populate_space(trial_id) if self.start_order else self._first_trial(trial_id)

    def _first_trial(self, trial_id):
        space = self.get_space()
        values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
        return {"status": TrialStatus.RUNNING, "values": values}

    def _random_values(self):
        """Draw again (at most 20 times) while the batch size is one that ran out of memory."""
        for _ in range(20):
            values = super()._random_values()
            if values is None or values["batch_size"] < self.batch_size_ceiling(values):
                break
        return values

    def batch_size_ceiling(self, values):
        """Smallest batch size that never fitted into memory in this architecture, or infinity."""
        fitted, full = [0], []
        for name, trial in self.trials.items():
            other = trial.hyperparameters.values
            if _architecture(other) != _architecture(values):
                continue
            if has_score(trial):
                fitted.append(other["batch_size"])
            elif self.record(name).get("out_of_memory"):
                full.append(other["batch_size"])
        return min((size for size in full if size > max(fitted)), default=math.inf)

    def _widen(self):
        """Add a decade where the best rate so far is at the edge of a guess; noise would go on."""
        rate = next((p for p in self.hyperparameters.space if p.name == "learning_rate"), None)
        if not self.may_widen or self.widened == len(WIDEN_AT) or not hasattr(rate, "min_value"):
            return
        number = sum(map(has_score, self.trials.values()))
        if number < max(4, self.max_trials * WIDEN_AT[self.widened]):
            return
        self.widened += 1
        best = self.get_best_trials(1)[0].hyperparameters.values["learning_rate"]
        side = at_edge(best, rate.min_value, rate.max_value)
        if side == "low":
            rate.min_value /= 10
        elif side == "high":
            rate.max_value *= 10

    # ---- one file, with the trials in it ----

    def _save_trial(self, trial):
        """Write nothing: `save` does, at once with the rest."""

    def get_state(self):
        """State of the search with its trials; who trains them is told by their locks."""
        trials = {name: trial.get_state() for name, trial in self.trials.items()}
        own = {"ongoing_trials": {}, "retry_queue": [], "widened": self.widened, "trials": trials}
        return {**super().get_state(), **own}

    def save(self):
        """Write the state."""
        self._written = json.dumps(self.get_state(), default=float)
        with replacing(self._get_oracle_fname()) as file:
            file.write_text(self._written, "utf-8")

    def reload(self):
        """Read the state."""
        self._written = Path(self._get_oracle_fname()).read_text("utf-8")
        state = json.loads(self._written)
        self.widened = state["widened"]
        self.trials = {name: Trial.from_state(own) for name, own in state["trials"].items()}
        self.set_state(state)


def has_score(trial):
    """Whether a trial has ended and not failed."""
    return trial.score is not None and math.isfinite(trial.score)


def plain_values(values):
    """Return the values of a trial without keras-tuner's own entries."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def _architecture(values):
    """Return the values that may change how much memory a model needs."""
    return {k: v for k, v in plain_values(values).items() if k not in SEARCHED}


class _Random(SafeOracle, kt.oracles.RandomSearchOracle):
    pass


class _Grid(SafeOracle, kt.oracles.GridSearchOracle):
    def _first_trial(self, trial_id):
        """Let keras-tuner begin: it puts the defaults first, and keeps a list of the places."""
        return super(SafeOracle, self).populate_space(trial_id)

    def reload(self):
        """Rebuild what keras-tuner's oracle does not save: the order of the trials in the grid."""
        super().reload()
        values = {n: t.hyperparameters.values for n, t in self.trials.items()}
        by_place = functools.cmp_to_key(lambda a, b: self._compare(values[a], values[b]))
        self._populate_next = sorted(values, key=by_place)
        self._ordered_ids = type(self._ordered_ids)()
        for name in self._populate_next:
            self._ordered_ids.insert(name)

    def _get_next_combination(self, values):
        """Return the next of the grid; None after one that knew less than is searched by now."""
        space = self.get_space()
        space.values = values
        is_whole = all(hp.name in values for hp in space.space if space.is_active(hp))
        return super()._get_next_combination(values) if is_whole else None


class _Bayesian(SafeOracle, kt.oracles.BayesianOptimizationOracle):
    def _vectorize_trials(self):
        """Count a failed trial as the worst of the others; keras-tuner counts infinity as 0."""
        x, losses = super()._vectorize_trials()
        finite = losses[np.isfinite(losses)]
        worst = finite.max() if len(finite) else 0.0
        return x, np.where(np.isfinite(losses), losses, worst)


class _Hyperband(SafeOracle, kt.oracles.HyperbandOracle):
    def _first_trial(self, trial_id):
        """Train the present setting in full, beside the brackets."""
        found = super()._first_trial(trial_id)
        own = {"epochs": self.max_epochs, "initial_epoch": 0, "bracket": 0, "round": 0}
        found["values"] |= {f"tuner/{name}": value for name, value in own.items()}
        return found

    def end_trial(self, trial):
        """Remove the state of the shorter training that this one went on from: disk is bounded."""
        super().end_trial(trial)
        earlier = trial.hyperparameters.values.get("tuner/trial_id")
        if earlier is not None:
            (self.folder_of(earlier) / STATE).unlink(missing_ok=True)

    def longest_training(self):
        """Return the epochs of the longest training that `max_trials` of them reach."""
        given, longest = 1, 0  # the present setting is one of them
        for bracket in reversed(range(self._get_num_brackets())):
            for number in range(self._get_num_rounds(bracket)):
                if given < self.max_trials:
                    longest = max(longest, self._get_epochs(bracket, number))
                given += self._get_size(bracket, number)
        return longest


ORACLES = {"random": _Random, "grid": _Grid, "bayesian": _Bayesian, "hyperband": _Hyperband}


def make_space(rate, batch_size, present=None):
    """Declare both: a rate in (low, high) or of a list; `present` has those of the first trial."""
    space, present = kt.HyperParameters(), present or {}
    default = present.get("learning_rate")
    if len(set(rate)) == 1:
        space.Fixed("learning_rate", rate[0])
    elif isinstance(rate, tuple):
        space.Float("learning_rate", *rate, sampling="log", default=default)
    else:
        default = default if default in rate else None
        space.Choice("learning_rate", list(rate), ordered=True, default=default)
    if len(batch_size) == 1:
        space.Fixed("batch_size", batch_size[0])
    else:
        default = present.get("batch_size")
        space.Choice("batch_size", list(batch_size), ordered=True, default=default)
    return space


def make_oracle(tuner, objective, max_trials, space, seed, epochs, may_widen=False):
    """Make one of keras-tuner's oracles, which read seed 0 as "no seed": it gets seed + 1."""
    options = {"objective": objective, "hyperparameters": space, "seed": seed + 1}
    options["may_widen"] = may_widen and tuner != "grid"
    options |= {"max_epochs": epochs} if tuner == "hyperband" else {"max_trials": max_trials}
    if tuner == "bayesian" and max_trials < 12:  # by default its first 6 or more are random
        options["num_initial_points"] = max(2, max_trials // 2)
    oracle = ORACLES[tuner](**options)
    oracle.max_trials = max_trials  # Hyperband's oracle has no argument for it
    return oracle
