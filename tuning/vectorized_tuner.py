"""keras-tuner's search with up to K trials trained at once (`tuning/population.py`)."""

import time
from pathlib import Path

import numpy as np
from keras import ops, tree

from tuning.data import Arrays, batch_order
from tuning.engine import learning_rate_of
from tuning.population import Population, build_metrics, largest_population, why_not_stacked
from tuning.state import read_json, write_json
from tuning.trial import best_epoch, is_out_of_memory, why_failed
from tuning.tuner import SearchTuner, role
from tuning.vectorized import build_with_seed

LARGEST_AUTO = 64  # on two CPU cores a larger population is no faster per trial


class VectorizedTuner(SearchTuner):
    """Takes up to `population` trials from the oracle, trains them together, reports each of them.

    Trials of one batch size and one architecture form a population; the learning rate is what they
    may differ in. Every trial ends as in the sequential search, up to rounding: same seed, same
    batches. What cannot be stacked is trained one after the other; `why_alone` says why. Trials
    that are killed on the way start over, since a population's state is not saved.

    Attributes:
        population: int, the largest number of trials trained at once.
        why_alone: list of str, the reasons why trials were trained one after the other.

    """

    population = LARGEST_AUTO
    why_alone = ()

    def search(self):
        """Ask for trials and run them until the oracle has no more."""
        if role() == "chief":
            super().search()
            return
        self.why_alone = []
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
            record = read_json(Path(self.get_trial_dir(trial.trial_id)) / "record.json") or {}
            if "tuner/epochs" in values or record.get("status") in ("completed", "failed"):
                continue  # Hyperband goes on from saved states, which a population does not have
            try:
                self.engine_for(trial.hyperparameters)
            except Exception:  # reported as this trial's failure when it is run
                continue
            key = (values["batch_size"], self._key(values))
            groups.setdefault(key, []).append(trial)
        return [group for group in groups.values() if len(group) > 1]

    def _train(self, trials):
        """Train trials together and write their records; leave them alone if that cannot be."""
        reason = self._obstacle()
        if reason is None:
            try:
                self._train_together(trials)
            except Exception as error:  # whatever the backend raises for what it cannot map
                if is_out_of_memory(error) and len(trials) > 2:
                    half = len(trials) // 2
                    self._train(trials[:half])
                    self._train(trials[half:])
                    return
                reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        if reason is not None and reason not in self.why_alone:
            self.why_alone.append(reason)

    def _obstacle(self):
        """Return why nothing of this search can be stacked, or None."""
        if self.callbacks:
            return "callbacks are called between batches"
        if self.settings["seconds"]:
            return "the time of each training is limited"
        for data in (self.train_data, self.validation_data):
            if not isinstance(data, Arrays):
                return "the data is not an array"
            if len(data.parts) != 2:
                return "examples have weights"
        if learning_rate_of(self.first_model.optimizer) is not None:
            return "the learning rate follows a schedule"
        return why_not_stacked(self.first_model)

    def _train_together(self, trials):
        values = [trial.hyperparameters.values for trial in trials]
        train, validation = self.train_data.parts, self.validation_data.parts
        seed, batch_size = self.settings["seed"], values[0]["batch_size"]
        hp = trials[0].hyperparameters
        model = build_with_seed(lambda: self._build(hp.copy()), seed, train[0])
        build_metrics(model, train)
        untrained = _loss(model, validation)
        rates = np.array([value["learning_rate"] for value in values])
        population = Population(
            [model], train, validation, [(0, 0)] * len(trials), {"learning_rate": rates}, batch_size
        )
        epochs = self.epochs_of(batch_size)
        logs, seconds = [], []
        for epoch in range(epochs):
            start = time.perf_counter()
            logs.append(population.epoch([batch_order(seed, epoch, population.num_train)]))
            seconds.append((time.perf_counter() - start) / len(trials))
            self.on_progress(len(trials) * (epoch + 1) / epochs)
        for member, trial in enumerate(trials):
            history = {name: [float(log[name][member]) for log in logs] for name in logs[0]}
            record = {
                "values": {k: v for k, v in values[member].items() if not k.startswith("tuner/")},
                "seed": seed,
                "engine": "vectorized",
                "engine_reason": f"{len(trials)} trials at once",
                "history": history,
                "seconds": seconds,
                "train_seconds": seconds,
                "untrained_loss": untrained,
                "status": "completed",
            }
            best = best_epoch(record, self.oracle.objective)
            if best is None:
                record |= {"status": "failed", "reason": why_failed(record)}
            else:
                score = history[self.oracle.objective.name][best]
                record |= {"best_epoch": best + 1, "score": score}
            write_json(Path(self.get_trial_dir(trial.trial_id)) / "record.json", record)

    def epochs_of(self, batch_size):
        """Return the number of epochs of a trial, from the search's epochs or steps."""
        if not self.settings["steps"]:
            return self.settings["epochs"]
        in_epoch = -(-self.train_data.num_examples // batch_size)
        return -(-self.settings["steps"] // in_epoch)


def _loss(model, data):
    x, y = tree.map_structure(ops.convert_to_tensor, data)
    return float(model.compute_loss(x, y, model(x, training=False), training=False))


def vectorize(runner, population="auto"):
    """Return a search of `tuning.tuner.make_tuner` as one that trains its trials together.

    Args:
        runner: `SearchTuner`, not yet run.
        population: trials at once, or "auto": as many as fit in memory, at most 64.

    Raises:
        ValueError: if it is less than 1 or more than memory allows.

    """
    fitting = largest_population(runner.first_model, max(runner.settings["batch_size"]))
    if population == "auto":
        population = max(1, min(LARGEST_AUTO, fitting or LARGEST_AUTO))
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
    runner.__class__ = VectorizedTuner
    runner.population = size
    return runner
