"""keras-tuner's four oracles, made safe: whole files, counted seeds, failures that teach."""

import contextlib
import functools
import math
from pathlib import Path

import keras_tuner as kt
from keras_tuner.engine.trial import Trial

from tuning.report import at_edge
from tuning.state import read_json, trial_folders, write_json

FAILURES_WITHOUT_SUCCESS = 5  # the search stops when its first trials all fail with an error
RUNNING, COMPLETED, FAILED, STOPPED = "RUNNING", "COMPLETED", "FAILED", "STOPPED"


class SafeOracle:
    """Mixed into an oracle of keras-tuner, whose search it leaves as it is.

    Attributes:
        may_widen: bool, whether the range of the learning rate was guessed and may grow.

    """

    may_widen = False

    # ---- what the search learns from failures ----

    def _check_consecutive_failures(self):
        """Never raise: keras-tuner would do so while it holds the lock, and its chief hangs."""

    def populate_space(self, trial_id):
        """Suggest the next trial, or stop when no trial can succeed."""
        ended = [self.trials[name] for name in self.end_order]
        if len(ended) >= FAILURES_WITHOUT_SUCCESS and all(
            trial.status == FAILED and self.record(trial.trial_id).get("error") for trial in ended
        ):
            return {"status": STOPPED, "values": None}
        self._widen()
        return super().populate_space(trial_id)

    def _random_values(self):
        """Draw again (at most 20 times) while the batch size is one that ran out of memory."""
        for _ in range(20):
            values = super()._random_values()
            if values is None or values["batch_size"] < self.batch_size_ceiling(values):
                break
        return values

    def batch_size_ceiling(self, values):
        """Smallest batch size that ran out of memory in this architecture, or infinity.

        What fitted once does not count: another process had taken the memory.
        """
        alike = [
            trial
            for trial in self.trials.values()
            if _architecture(trial.hyperparameters.values) == _architecture(values)
        ]
        sizes = {status: [0] for status in (COMPLETED, FAILED)}
        for trial in alike:
            if trial.status == COMPLETED or (
                trial.status == FAILED and self.record(trial.trial_id).get("out_of_memory")
            ):
                sizes[trial.status].append(trial.hyperparameters.values["batch_size"])
        fitted = max(sizes[COMPLETED])
        return min((size for size in sizes[FAILED] if size > fitted), default=math.inf)

    def _vectorize_trials(self):
        """Count a failed trial as the worst that completed.

        keras-tuner's Bayesian oracle leaves failures out, so it knows nothing about the region
        where training diverges and returns there.
        """
        scores = [trial.score for trial in self.trials.values() if trial.status == COMPLETED]
        worst = (min if self.objective.direction == "max" else max)(scores)
        with _failures_counted(self.trials, worst):
            return super()._vectorize_trials()

    def _widen(self):
        """Add a decade where half of the trials found their best rate at the edge of a guess."""
        rate = next((p for p in self.hyperparameters.space if p.name == "learning_rate"), None)
        completed = [trial for trial in self.trials.values() if trial.status == COMPLETED]
        if (
            not self.may_widen
            or len(completed) < max(4, self.max_trials / 2)
            or not hasattr(rate, "min_value")
        ):
            return
        self.may_widen = False  # once: a range that follows noise would never stop growing
        best = self.get_best_trials(1)[0].hyperparameters.values["learning_rate"]
        side = at_edge(best, rate.min_value, rate.max_value)
        if side == "low":
            rate.min_value, rate.default = rate.min_value / 10, rate.min_value / 10
        elif side == "high":
            rate.max_value *= 10

    # ---- files ----

    def record(self, trial_id):
        """Read what the process that ran a trial wrote about it (an empty dict if nothing)."""
        return read_json(Path(self._get_trial_dir(trial_id)) / "record.json") or {}

    def update_trial(self, trial_id, metrics, step=0):
        """Take the metrics of a trial, unless it failed: no infinity and no NaN is kept."""
        if not math.isfinite(metrics.get(self.objective.name, math.nan)):
            return self.trials[trial_id]
        return super().update_trial(trial_id, metrics, step)

    def end_trial(self, trial):
        """End a trial; why it failed is in its record, since no message comes over the network."""
        record = self.record(trial.trial_id)
        if record.get("status") == "failed":
            trial.status = FAILED
            trial.message = record.get("traceback") or record.get("reason")
        super().end_trial(trial)

    def _save_trial(self, trial):
        write_json(Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def get_state(self):
        """State of the search; the trials have files of their own."""
        return {**super().get_state(), "may_widen": self.may_widen}

    def save(self):
        """Write the state, and once more in case that somebody truncates the file."""
        path = Path(self._get_oracle_fname())
        state = self.get_state()
        write_json(path, state)
        write_json(path.with_name("oracle.previous.json"), state)

    def reload(self):
        """Read all that is whole; a damaged trial costs that trial alone."""
        project = Path(self._project_dir)
        state = read_json(project / "oracle.json") or read_json(project / "oracle.previous.json")
        if state is not None:
            self.may_widen = state["may_widen"]
            self.set_state({**state, "ongoing_trials": {}})  # they are given out again below
        for folder in trial_folders(project):
            self._reload_trial(folder)
        self._replace_lost_trials()
        self.trials = dict(sorted(self.trials.items(), key=lambda item: int(item[0])))
        ended = [name for name in self.trials if self.trials[name].status in (COMPLETED, FAILED)]
        self.start_order = _update(self.start_order, self.trials)
        self.end_order = _update(self.end_order, ended)
        waiting = [name for name in self.trials if name not in ended]
        self._retry_queue = _update(self._retry_queue, waiting)
        for trial in self.trials.values():
            if trial.hyperparameters.values:
                self._record_values(trial)

    def _reload_trial(self, folder):
        path, name = folder / "trial.json", folder.name.removeprefix("trial_")
        state, record = read_json(path), read_json(folder / "record.json")
        if state is not None:
            trial = Trial.from_state(state)
            if trial.status == COMPLETED and record is None:  # its learning curve is lost
                trial = Trial(trial.hyperparameters, name, RUNNING)
            self.trials[name] = trial
        elif record or path.with_name("trial.json.damaged").exists():
            self._restore_trial(name, (record or {}).get("values", {}))
        # else killed between making the folder and writing the file: the number is free

    def _restore_trial(self, name, values):
        """Take a trial whose file is lost from its record; without one it has failed."""
        space = self.hyperparameters.copy()
        space.values = dict(values)
        trial = Trial(space, name, RUNNING if values else FAILED)
        trial.message = None if values else "its file was damaged or deleted"
        self.trials[name] = trial
        self._save_trial(trial)

    def _replace_lost_trials(self):
        """Count trials that are gone as failed: keras-tuner would give their numbers again."""
        started = {int(name): name for name in [*self.start_order, *self.trials]}
        present = {int(name) for name in self.trials}
        width = len(str(self.max_trials))
        for number in range(max(started, default=-1) + 1):
            if number not in present:
                self._restore_trial(started.get(number, f"{number:0{width}d}"), {})


@contextlib.contextmanager
def _failures_counted(trials, score):
    """Let failed trials count as completed with this score, for as long as keras-tuner looks."""
    failed = [trial for trial in trials.values() if trial.status == FAILED]
    failed = [trial for trial in failed if trial.hyperparameters.values]  # not lost with its file
    for trial in failed:
        trial.status, trial.score = COMPLETED, score
    try:
        yield
    finally:
        for trial in failed:
            trial.status, trial.score = FAILED, None


def _architecture(values):
    """Return the values that may change how much memory a model needs."""
    free = ("learning_rate", "batch_size")
    return {k: v for k, v in values.items() if k not in free and not k.startswith("tuner/")}


def _update(order, names):
    """Return these names, each once: first those of a saved order, in that order."""
    return [name for name in dict.fromkeys([*order, *names]) if name in names]


class _Random(SafeOracle, kt.oracles.RandomSearchOracle):
    pass


class _Grid(SafeOracle, kt.oracles.GridSearchOracle):
    def reload(self):
        """Rebuild what keras-tuner's oracle does not save: the order of the trials in the grid."""
        super().reload()
        values = {n: t.hyperparameters.values for n, t in self.trials.items()}
        known = [name for name in values if values[name]]
        by_place = functools.cmp_to_key(lambda a, b: self._compare(values[a], values[b]))
        self._populate_next = sorted(known, key=by_place)
        for name in self._populate_next:
            self._ordered_ids.insert(name)

    def _get_next_combination(self, values):
        """Return the next of the grid; None after a trial that knew less than is searched by now.

        What was declared since then came with its successors, so that there is one already.
        """
        space = self.get_space()
        space.values = values
        is_whole = all(hp.name in values for hp in space.space if space.is_active(hp))
        return super()._get_next_combination(values) if is_whole else None


class _Bayesian(SafeOracle, kt.oracles.BayesianOptimizationOracle):
    pass


class _Halving(kt.oracles.HyperbandOracle):
    def populate_space(self, trial_id):
        """Count failures as the worst of a round: keras-tuner would promote so many fewer."""
        worst = -math.inf if self.objective.direction == "max" else math.inf
        with _failures_counted(self.trials, worst):
            return super().populate_space(trial_id)


class _Hyperband(SafeOracle, _Halving):
    def end_trial(self, trial):
        super().end_trial(trial)
        for bracket in self._brackets:
            for number, infos in enumerate(bracket["rounds"]):
                self._remove_states(bracket, number, [info["id"] for info in infos])

    def _remove_states(self, bracket, number, names):
        """Remove the saved states of trials that can no longer be promoted: disk is bounded.

        A round promotes as many trials as the next one has places, always the best of those left,
        so a trial that so many others surpass is out, and so is one whose successor has ended.
        """
        rounds = bracket["rounds"]
        is_last = number + 1 == len(rounds)
        places = 0 if is_last else self._get_size(bracket["bracket_num"], number + 1)
        trials = [self.trials[name] for name in names if self.trials[name].score is not None]
        trials.sort(key=lambda trial: trial.score, reverse=self.objective.direction == "max")
        done = set() if is_last else {i["past_id"] for i in rounds[number + 1] if self._ended(i)}
        for place, trial in enumerate(trials):
            if place >= places or trial.trial_id in done:
                state = Path(self._get_trial_dir(trial.trial_id)) / "state.npz"
                state.unlink(missing_ok=True)

    def _ended(self, info):
        return info["id"] in self.end_order


ORACLES = {"random": _Random, "grid": _Grid, "bayesian": _Bayesian, "hyperband": _Hyperband}


def make_space(learning_rate, batch_size):
    """Declare both hyperparameters, before the first trial.

    Args:
        learning_rate: (low, high), searched on a log scale.
        batch_size: sizes to choose from.

    Returns:
        `keras_tuner.HyperParameters`.

    """
    space = kt.HyperParameters()
    low, high = learning_rate
    if low == high:
        space.Fixed("learning_rate", low)
    else:
        space.Float("learning_rate", low, high, sampling="log")
    if len(batch_size) == 1:
        space.Fixed("batch_size", batch_size[0])
    else:
        space.Choice("batch_size", list(batch_size), ordered=True)
    return space


def make_oracle(tuner, objective, max_trials, space, seed, epochs, may_widen=False):
    """Make one of keras-tuner's oracles.

    Args:
        tuner: "random", "grid", "bayesian" or "hyperband".
        objective: `keras_tuner.Objective`.
        max_trials: int, positive.
        space: `keras_tuner.HyperParameters` with what is searched.
        seed: int ≥ 0. keras-tuner reads 0 as "no seed", so it gets seed + 1.
        epochs: int, the longest training of Hyperband.
        may_widen: whether the range of the learning rate was guessed and may be widened once.

    Returns:
        `keras_tuner.Oracle`.

    """
    options = {"objective": objective, "hyperparameters": space, "seed": seed + 1}
    if tuner == "hyperband":
        options["max_epochs"] = epochs
    else:
        options["max_trials"] = max_trials
    oracle = ORACLES[tuner](**options)
    oracle.max_trials = max_trials  # Hyperband's oracle has no argument for it
    oracle.may_widen = may_widen and tuner != "grid"
    oracle.verbose = 0
    return oracle
