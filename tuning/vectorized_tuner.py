"""keras-tuner's search with up to K trials trained at once (`tuning/population.py`)."""

import gc
import math
import time

import numpy as np
from keras import ops, tree

from tuning.data import Arrays, batch_order
from tuning.engine import generator_state, learning_rate_of
from tuning.population import Population, build_metrics, largest_population, why_not_stacked
from tuning.search_tuner import SearchTuner, plain_values, role
from tuning.state import read_json, write_arrays
from tuning.trial import ENDED, STATE, Pace, add_epoch, begin, failure, finish, is_out_of_memory
from tuning.vectorized import build_with_seed

LARGEST_AUTO = 64  # on two CPU cores a larger population is little faster per trial
SECONDS_PER_FILE = 0.003  # to write the state of a small network


class VectorizedTuner(SearchTuner):
    """Takes up to `population` trials from the oracle, trains them together, reports each of them.

    Trials of one batch size and one architecture form a population; the learning rate is what they
    may differ in. Every trial ends as in the sequential search, up to rounding: same seed, same
    batches, same files, so that a killed population goes on from its last saved epoch. What cannot
    be stacked is trained one after the other; `why_alone` says why.

    Made by `tuning.tuner.make_tuner(..., population=K)`.

    Attributes:
        population: int, the largest number of trials trained at once.
        why_alone: list of str, the reasons why trials were trained one after the other.

    """

    def __init__(self, population, oracle, build, with_hp, first, *arguments):
        self.population = population
        self.first_model = first.model
        self.why_alone = []
        super().__init__(oracle, build, with_hp, first, *arguments)

    def search(self):
        """Ask for trials and run them until the oracle has no more."""
        if role() == "chief":
            super().search()
            return
        self.on_search_begin()
        while True:
            self.pre_create_trial()
            trials, waiting = self._take_trials()
            if not trials and not waiting:
                break
            if not trials:
                time.sleep(0.1)  # other processes' trials must end first
            for group in self._groups(trials):
                self._train(group)
            for trial in trials:  # a trial with a record is not trained again, only reported
                self.on_trial_begin(trial)
                self._try_run_and_update_trial(trial)
                self.on_trial_end(trial)
        self.on_search_end()

    def _take_trials(self):
        """Ask the oracle for a trial per member: (trials, whether it wants us to wait).

        Each member asks under a name of its own, because the oracle gives one name one trial; and
        it asks until it is told that the search is over, which is what a chief waits for.
        """
        trials = []
        for member in range(self.population):
            trial = self.oracle.create_trial(f"{self.tuner_id}_{member}")
            if trial.status == "IDLE":
                return trials, True
            if trial.status == "RUNNING":
                trials.append(trial)
        return trials, False

    def _groups(self, trials):
        """Return lists of trials that differ in nothing but the learning rate."""
        groups = {}
        for trial in trials:
            values = trial.hyperparameters.values
            record = read_json(self.folder(trial) / "record.json") or {}
            # a population whose process died twice in one epoch is trained one after the other
            if record.get("status") in ENDED or record.get("attempts", 0) > 1:
                continue
            try:
                self.engine_for(trial.hyperparameters)
            except Exception:  # reported as this trial's failure when it is run
                continue
            key = (values["batch_size"], values.get("tuner/epochs"), self._key(values))
            groups.setdefault(key, []).append(trial)
        return [group for group in groups.values() if len(group) > 1]

    def _train(self, trials):
        """Train trials together and write their records; leave them alone if that cannot be."""
        reason, is_full = self._obstacle(trials[0].hyperparameters.values["batch_size"]), False
        if reason is None:
            try:
                self._train_together(trials)
            # whatever the backend raises for what it cannot map, or the user's wish to stop
            except (Exception, KeyboardInterrupt) as error:
                for trial in trials:
                    self._forget_attempt(trial)
                if isinstance(error, KeyboardInterrupt):
                    raise
                is_full = is_out_of_memory(error) and len(trials) > 2
                reason = failure(error)["reason"]
        if is_full:  # only now is the error gone, and with it what did not fit
            gc.collect()
            half = len(trials) // 2
            self._train(trials[:half])
            self._train(trials[half:])
        elif reason is not None:
            engine = self.engine_for(trials[0].hyperparameters)
            if reason not in self.why_alone:
                self.why_alone.append(reason)
            if reason not in engine.reason:  # what the report says of these trials
                engine.reason += f"; trials one after the other: {reason}"

    def _forget_attempt(self, trial):
        """Remove an unfinished record: it counts deaths of the process, and this was none."""
        file = self.folder(trial) / "record.json"
        if (read_json(file) or {}).get("status") not in ENDED:
            file.unlink(missing_ok=True)

    def _obstacle(self, batch_size):
        """Return why nothing of this batch size can be stacked, or None."""
        if self.callbacks:
            return "callbacks are called between batches"
        if self.settings["seconds"]:
            return "the time of each training is limited"
        for data in (self.train_data, self.validation_data):
            if not isinstance(data, Arrays):
                return "the data is not an array"
            if len(data.parts) != 2:
                return "examples have weights"
        if (self.settings["steps"] or 0) % math.ceil(self.train_data.num_examples / batch_size):
            return "the budget of steps ends within an epoch"
        if learning_rate_of(self.first_model.optimizer) is not None:
            return "the learning rate follows a schedule"
        return why_not_stacked(self.first_model)

    def _train_together(self, trials):
        """Train trials of one group; those that go on from different epochs, one set at a time."""
        engine = ("vectorized", f"{len(trials)} trials at once")
        seed, sets = self.settings["seed"], {}
        for trial in trials:
            values = plain_values(trial.hyperparameters)
            earlier = self.earlier_state(trial)
            record, state = begin(self.folder(trial), engine, values, seed, earlier)
            if record["status"] in ENDED:  # in a first attempt that ended within a later set
                continue
            sets.setdefault(len(record["seconds"]), []).append((trial, record, state))
        for start, members in sorted(sets.items()):
            self._train_set(start, *zip(*members, strict=True))

    def _train_set(self, start, trials, records, states):
        hp, seed = trials[0].hyperparameters, self.settings["seed"]
        train, validation = self.train_data.parts, self.validation_data.parts
        batch_size, epochs = hp.values["batch_size"], hp.values.get("tuner/epochs")
        epochs = epochs or self.epochs_of(batch_size)
        model = build_with_seed(lambda: self._build(hp.copy()), seed, train[0])
        build_metrics(model, train)
        untrained = _loss(model, validation)
        for record in records:
            if record["untrained_loss"] is None:
                record["untrained_loss"] = untrained
        rates = np.array([record["values"]["learning_rate"] for record in records])
        members = [(0, 0)] * len(trials)
        numbers = {"learning_rate": rates}
        population = Population([model], train, validation, members, numbers, batch_size)
        variables = [*model.variables, *model.optimizer.variables]  # in the order of `Engine`
        if start:
            population.write(variables, [state[:-1] for state in states])
        folders = [self.folder(trial) for trial in trials]

        def save():
            for folder, record, state in zip(
                folders, records, population.read(variables), strict=True
            ):
                write_arrays(folder / STATE, [*state, generator_state()], record)

        pace = Pace(SECONDS_PER_FILE * len(trials))
        for epoch in range(start, epochs):
            began = time.perf_counter()
            logs = population.epoch([batch_order(seed, epoch, population.num_train)])
            seconds = (time.perf_counter() - began) / len(trials)
            for member, record in enumerate(records):
                own = {name: float(values[member]) for name, values in logs.items()}
                add_epoch(record, own, seconds, seconds)
            if epoch + 1 < epochs and pace.is_due():
                pace.time(save)
            self.on_progress(len(trials) * (epoch + 1) / epochs)
        keep_state = "tuner/epochs" in hp.values
        if keep_state:
            save()
        for folder, record in zip(folders, records, strict=True):
            finish(folder, record, self.oracle.objective, keep_state)


def _loss(model, data):
    x, y = tree.map_structure(ops.convert_to_tensor, data)
    return float(model.compute_loss(x, y, model(x, training=False), training=False))


def check_population(population, model, batch_size):
    """Return the number of trials to train at once.

    Args:
        population: int, or "auto": as many as fit in memory, at most 64.
        model: compiled model.
        batch_size: the largest one.

    Raises:
        ValueError: if it is less than 1 or more than memory allows.

    """
    fitting = largest_population(model, batch_size)
    if population == "auto":
        return max(1, min(LARGEST_AUTO, LARGEST_AUTO if fitting is None else fitting))
    try:
        size = int(population)
    except (TypeError, ValueError):
        size = 0
    if size < 1 or size != float(population):
        raise ValueError(f"`population` must be 1 or more, or 'auto'; got {population!r}.")
    if fitting is not None and size > fitting:
        raise ValueError(
            f"A population of {size} would not fit in the free memory: about {fitting} would."
        )
    return size
