"""What a search found, told honestly: per batch size, on fresh seeds, with intervals."""

import csv
import math
from pathlib import Path

import numpy as np

from tuning.state import read_json, trial_folders, write_json
from tuning.trial import good_epochs, telling_line

LEVEL = 0.95  # of the confidence intervals
EDGE = 0.05  # share of the range, in log units, that counts as its edge


def at_edge(value, low, high):
    """Say whether a value is "low" or "high" in a range on a log scale, or neither (None)."""
    if not low < high:
        return None
    position = math.log(value / low) / math.log(high / low)
    return "low" if position <= EDGE else "high" if position >= 1 - EDGE else None


def interval(values):
    """Return mean and half width of the 95 % t-interval; the width is NaN for a single value."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), math.nan
    from scipy import stats  # half a second, which a worker need not wait for

    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values)
    return float(values.mean()), float(half)


def _tie(scores, others):
    """Whether the paired differences of two settings include zero; False if it cannot be told."""
    if len(scores) < 2 or len(scores) != len(others):
        return False
    mean, half = interval(np.subtract(scores, others))
    return abs(mean) <= half


def _read(path):
    return read_json(path, aside=False)  # a report changes nothing: the search may be running


def load(project):
    """Read a finished, running or interrupted search.

    Args:
        project: its folder, such as "tuning_runs/digits".

    Returns:
        `Result`.

    Raises:
        ValueError: if there is no search in that folder.

    """
    project = Path(project)
    settings = _read(project / "settings.json") or _read(project / "settings.previous.json")
    if settings is None:
        raise ValueError(f"There is no search in {project} (no settings.json).")
    trials = []
    for folder in trial_folders(project):
        trial = _read(folder / "trial.json") or {}
        trials.append(_row(folder, trial, settings))
    names = _read(project / "reruns.json") or {}
    reruns = {
        use: [_row(project / name, {}, settings) for name in names.get(use, [])]
        for use in ("to_choose", "to_quote")
    }
    return Result(project, settings, trials, reruns, _read(project / "test.json"))


def _row(folder, trial, settings):
    """One line of the table of trials."""
    record = _read(folder / "record.json") or {}
    values = record.get("values") or trial.get("hyperparameters", {}).get("values", {})
    values = {k: v for k, v in values.items() if not k.startswith("tuner/")}
    status = {"COMPLETED": "completed", "FAILED": "failed"}.get(trial.get("status"))
    status = status or record.get("status", "running")
    message = trial.get("message") or ""
    epochs = len(record.get("seconds", []))
    return {
        "trial": folder.name.split("_", 1)[1],
        **values,
        "values": values,
        "score": record.get("score", trial.get("score")) if status == "completed" else None,
        "best_epoch": record.get("best_epoch"),
        "scores": record.get("history", {}).get(settings["objective"][0], []),
        "last_counts": record.get("status") == "completed"
        and epochs - 1 in good_epochs(record, settings["objective"][0]),
        "epochs": epochs,
        "seconds": sum(record.get("seconds", [])),
        "epoch_seconds": record.get("seconds", []),
        "examples_per_second": _throughput(record, values, settings),
        "steps": _steps(epochs, values, settings),
        "seed": record.get("seed"),
        "engine": record.get("engine"),
        "engine_reason": record.get("engine_reason"),
        "status": status,
        "reason": record.get("reason") or record.get("note") or telling_line(message),
        "folder": str(folder),
    }


def _steps(epochs, values, settings):
    """Optimizer steps in so many epochs; the last one may be cut by a budget of steps."""
    if not epochs:
        return 0
    in_epoch = math.ceil(settings["num_examples"] / values["batch_size"])
    return min(epochs * in_epoch, settings["steps"] or math.inf)


def _throughput(record, values, settings):
    """Training examples per second: median over the whole epochs, the first (tracing) left out."""
    seconds = record.get("train_seconds", [])
    if len(seconds) > 1 and _steps(len(seconds), values, settings) == settings["steps"]:
        seconds = seconds[:-1]  # the last epoch was cut
    seconds = seconds[1:] or seconds
    return settings["num_examples"] / float(np.median(seconds)) if seconds else math.nan


def _without_nan(value):
    """Replace what JSON has no number for by None."""
    if isinstance(value, dict):
        return {name: _without_nan(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Result:
    """What a search found.

    Attributes:
        settings: dict, the settings of the search.
        trials: list of dicts, one per trial: its hyperparameters, `score`, `best_epoch`, `scores`
            (per epoch), `seconds`, `steps`, `examples_per_second`, `status`, `reason`.
        reruns: dict of two such lists, the trainings on fresh seeds: "to_choose" between the batch
            sizes, and "to_quote" the score of the one chosen.
        test: dict with the test metrics of the best setting, or None.

    """

    def __init__(self, project, settings, trials, reruns, test):
        self.project, self.settings = project, settings
        self.trials, self.reruns = trials, reruns
        self.objective, self.direction = settings["objective"]
        self._sign = 1 if self.direction == "max" else -1
        best = self.best
        self.test = test if test and best and test["values"] == best["values"] else None

    def leaderboard(self):
        """Completed trials, best first."""
        rows = [row for row in self.trials if row["score"] is not None]
        return sorted(rows, key=lambda row: -self._sign * row["score"])

    @property
    def best(self):
        """The best setting: best mean on fresh seeds, or best score where none were trained.

        A dict with the hyperparameters, `epochs`, `score` (of the search, optimistic),
        `rerun_score` and `rerun_interval` (half width, 95 %) and `rerun_scores`, from seeds by
        which nothing was chosen; None if no trial completed.
        """
        best = next((row for row in self.per_batch_size() if row["is_best"]), None)
        return best and {**best, **self._on_seeds(best, "to_quote")}

    def per_batch_size(self):
        """For each batch size its own best rate; a list of dicts, smallest size first.

        Each has the hyperparameters, `epochs`, `score`, `rerun_scores`, `rerun_score`,
        `rerun_interval`, `rerun_failed` (a setting with more failures is worse whatever the others
        scored), `examples_per_second`, `ties` (whether its difference to the best is within noise:
        paired by seed, 95 %), and `steps_to_target` and `seconds_to_target`: what it
        takes to reach the lowest score of those that tie (mean over seeds, NaN if never).
        """
        best = {}
        for row in self.leaderboard():
            best.setdefault(row["batch_size"], row)
        found = [self._setting(best[size]) for size in sorted(best)]
        if not found:
            return found
        has_fresh = all(row["rerun_scores"] or row["rerun_failed"] for row in found)
        has_fresh = has_fresh and any(row["rerun_scores"] for row in found)
        key = "rerun_score" if has_fresh else "score"

        def merit(row):
            score = self._sign * row[key]
            return -row["rerun_failed"], -math.inf if math.isnan(score) else score

        top = max(reversed(found), key=merit)  # of equal ones the largest size, which is faster
        for row in found:
            row["is_best"] = row is top
            is_pair = not (top["rerun_failed"] or row["rerun_failed"])
            tie = is_pair and _tie(top["rerun_scores"], row["rerun_scores"])
            row["ties"] = row is top or tie
        tied = [row for row in found if row["ties"]]
        target = min(tied, key=lambda row: self._sign * row[key])[key]
        for row in found:
            row["target"] = target
            row["steps_to_target"], row["seconds_to_target"] = self._to_target(row, target)
        return found

    def _setting(self, row):
        use = "to_choose" if self.reruns["to_choose"] else "to_quote"
        found = self._on_seeds(row, use)
        return {
            **row["values"],
            "values": row["values"],
            "epochs": row["best_epoch"] or self.settings["epochs"],  # or its record is lost
            "score": row["score"],
            "examples_per_second": row["examples_per_second"],
            "trial": row["trial"],
            **found,
            "runs": found["runs"] or [row],
        }

    def _on_seeds(self, setting, use):
        """Scores of a setting on fresh seeds, at the end of each training."""
        ended = [
            run
            for run in self.reruns[use]
            if run["trial"].rsplit("_", 1)[0] == setting["trial"]
            and run["status"] in ("completed", "failed")
        ]
        runs = [run for run in ended if run["status"] == "completed" and run["last_counts"]]
        failed = [run["reason"] or "diverged at the end" for run in ended if run not in runs]
        scores = [run["scores"][-1] for run in runs]
        mean, half = interval(scores) if scores else (math.nan, math.nan)
        return {
            "rerun_score": mean,
            "rerun_interval": half,
            "rerun_scores": scores,
            "rerun_failed": len(failed),
            "rerun_reason": failed[0] if failed else "",
            "folders": [run["folder"] for run in runs],
            "runs": runs,
        }

    def _to_target(self, setting, target):
        """Mean steps and seconds until the target was first reached."""
        steps, seconds = [], []
        for run in setting["runs"]:
            hits = [i for i, v in enumerate(run["scores"]) if self._sign * (v - target) >= 0]
            if hits:
                steps.append(_steps(hits[0] + 1, run["values"], self.settings))
                usual = float(np.median(run["epoch_seconds"]))  # an epoch without tracing
                seconds.append((hits[0] + 1) * usual)
        if not steps:
            return math.nan, math.nan
        return float(np.mean(steps)), float(np.mean(seconds))

    def remarks(self):
        """Return what a reader should know about these numbers, as sentences."""
        from tuning.remarks import remarks

        return remarks(self)

    def summary(self):
        """Return the report as text."""
        from tuning.remarks import summary

        return summary(self)

    def paste_lines(self):
        """Return the lines that bring the best setting into one's own project."""
        best = self.best
        others = {
            k: v for k, v in best["values"].items() if k not in ("learning_rate", "batch_size")
        }
        build = "build_model(hp)" if self.settings.get("takes_hp") else "build_model()"
        if others:
            build = "build_model(hp)  # hp.values = " + repr(others)
        rate = f"model.optimizer.learning_rate = {best['learning_rate']:.3g}"
        if "'learning_rate': {" in (self.settings.get("optimizer") or ""):
            rate = f"# the largest rate of its schedule: {best['learning_rate']:.3g}"
        size, epochs = best["batch_size"], best["epochs"]
        fit = f"model.fit(x, y, batch_size={size}, epochs={epochs}, validation_data=(x_val, y_val))"
        if " of " in self.settings.get("train", ""):  # the description of a dataset
            fit = (
                f"model.fit(train, epochs={epochs}, validation_data=validation)  # batches: {size}"
            )
        return f"model = {build}\n{rate}\n{fit}"

    def at_edge(self):
        """Say whether the best rate is at the "low" or "high" edge of its range, or None."""
        rates = [row["learning_rate"] for row in self.trials if "learning_rate" in row]
        low, high = self.settings["bounds"]
        low, high = min([low, *rates]), max([high, *rates])  # the range may have been widened
        return at_edge(self.best["learning_rate"], low, high)

    def to_csv(self, path):
        """Write one line per trial: hyperparameters, score, seconds, status, reason."""
        names = sorted({name for row in self.trials for name in row["values"]})
        columns = ["trial", *names, "score", "best_epoch", "epochs", "steps", "seconds"]
        columns += ["examples_per_second", "engine", "status", "reason", "scores"]
        path = Path(path)
        temporary = path.with_name(f".{path.name}.part")
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            for row in self.trials:
                scores = " ".join(f"{value:.6g}" for value in row["scores"])
                writer.writerow({**row, "scores": scores})
        temporary.replace(path)

    def plot(self, path=None):
        """Draw the search; see `tuning/figure.py`. Returns the matplotlib figure."""
        from tuning.figure import plot

        return plot(self, path)

    def save_best(self):
        """Write `best.json` with the best setting and what the report says about it."""
        best = {k: v for k, v in self.best.items() if k not in ("runs", "folders")}
        best |= {"objective": self.objective, "test": self.test, "remarks": self.remarks()}
        write_json(self.project / "best.json", _without_nan(best))
