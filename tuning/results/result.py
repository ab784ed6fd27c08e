"""What a search found, told honestly: per batch size, on fresh seeds, with intervals."""

import base64
import csv
import html
import math
from pathlib import Path

import keras_tuner as kt
import numpy as np

from ..errors import InputError
from ..inputs.model import Builder, build_weights, check_same, describe, schedule_of
from ..noise import at_edge, interval, is_tie
from ..searching.oracle import plain_values
from ..store import read_json, replacing, write_json
from ..training.trial import good_epochs
from . import figures, words


def load(project, build=None, example=None):
    """Read a finished, running or interrupted search.

    Args:
        project: its folder, such as "tuning_runs/digits".
        build: `Builder` for `Result.best_model`, or None.
        example: one example as a training step gets it, for models that need one to be built.

    Returns:
        `Result`.

    Raises:
        InputError: if there is no search in that folder.

    """
    project = Path(project).expanduser()
    settings = read_json(project / "settings.json")
    if not settings:
        raise InputError(f"There is no search in {project} (no settings.json).")
    state = read_json(project / "oracle.json")
    known, settings["bounds"] = state.get("trials", {}), _searched(state, settings["bounds"])
    trials = [
        _row(project / f"trial_{name}", known[name]["hyperparameters"]["values"], settings)
        for name in known
    ]
    names = read_json(project / "reruns.json")
    reruns = {
        use: [_row(project / name, {}, settings) for name in names.get(use, [])]
        for use in ("to_choose", "to_quote")
    }
    test = read_json(project / "test.json") or None
    return Result(project, settings, trials, reruns, test, build, example)


def _searched(state, bounds):
    """Return the range of rates in the end: a guess, the `bounds`, may have been widened."""
    for parameter in state.get("hyperparameters", {}).get("space", []):
        config = parameter["config"]
        if config["name"] == "learning_rate" and "min_value" in config:
            return [config["min_value"], config["max_value"]]
    return bounds


def _row(folder, given, settings):
    """One line of the table of trials; `given` are keras-tuner's values, for one just begun."""
    record = read_json(folder / "record.json")
    values = record.get("values") or plain_values(given)
    seconds, objective = record.get("seconds", []), settings["objective"][0]
    scores = record.get("history", {}).get(objective, [])
    return {
        "trial": folder.name.split("_", 1)[1],
        **values,
        "values": values,
        "score": record.get("score"),
        "best_epoch": record.get("best_epoch"),
        "scores": scores,
        "last_counts": record.get("status") == "completed"
        and len(seconds) - 1 in good_epochs(record, objective),
        "kept_score": record.get("kept_score", scores[-1] if scores else None),
        "epochs": len(seconds),
        "is_short": given.get("tuner/epochs", math.inf) < settings["epochs"],
        "seconds": sum(seconds),
        "epoch_seconds": seconds,
        "seed": record.get("seed"),
        "engine": record.get("engine"),
        "engine_reason": record.get("engine_reason"),
        "status": record.get("status", "running"),
        "reason": record.get("reason") or record.get("note") or "",
        "folder": str(folder),
    }


class Result:
    """What a search found.

    Attributes:
        settings: dict, the settings of the search.
        trials: list of dicts, one per trial: its hyperparameters, `score`, `best_epoch`, `scores`
            (per epoch), `seconds`, `status`, `reason`.
        reruns: dict of two such lists, the trainings on fresh seeds: "to_choose" between the batch
            sizes, and "to_quote" the score of the one chosen.
        test: dict with the test metrics of the best setting, or None.

    """

    def __init__(self, project, settings, trials, reruns, test, build=None, example=None):
        self.project, self.settings = project, settings
        self._folder = project.absolute()  # where it is, wherever the program goes
        self.trials, self.reruns = trials, reruns
        self.objective, self.direction = settings["objective"]
        self._sign = 1 if self.direction == "max" else -1
        self._build, self._example = build, example
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
        if best is None:
            return None
        row = next(row for row in self.trials if row["trial"] == best["trial"])
        return {**best, **self._setting(row, "to_quote")}

    @property
    def present(self):
        """The setting that the model came with, a dict as `best`; None if it did not complete."""
        first = self.trials[0] if self.trials and self.settings.get("present") else None
        has_score = first is not None and first["score"] is not None
        return self._setting(first, "to_quote") if has_score else None

    def gain(self):
        """Compare the best setting with the present one on the fresh seeds, paired by seed.

        Returns:
            (mean, half width of the 95 % interval, whether they tie); None without such trainings
            or where the present setting is the best one.

        """
        best, present = self.best, self.present
        if present is None or present["trial"] == best["trial"]:
            return None
        ours, theirs = best["rerun_scores"], present["rerun_scores"]
        if not ours or len(ours) != len(theirs):
            return None
        mean, half = interval(self._sign * np.subtract(ours, theirs))
        return mean, half, is_tie(ours, theirs) or mean <= 0

    def per_batch_size(self):
        """For each batch size its own best rate; a list of dicts, smallest size first.

        Each has the hyperparameters, `epochs`, `score`, `rerun_scores`, `rerun_score`,
        `rerun_interval`, `rerun_failed` (a setting with more failures is worse whatever the others
        scored), `ties` (whether its difference to the best is within noise: paired by seed, 95 %),
        and `seconds_to_target`: how long it takes to reach the lowest score of those that tie, or
        the lower end of the best one's interval if that is higher (mean over seeds, NaN if never).
        """
        best = {}
        for row in self.leaderboard():
            best.setdefault(row["batch_size"], row)
        use = "to_choose" if self.reruns["to_choose"] else "to_quote"
        found = [self._setting(best[size], use) for size in sorted(best)]
        if not found:
            return found
        has_fresh = all(row["rerun_scores"] or row["rerun_failed"] for row in found)
        has_fresh = has_fresh and any(row["rerun_scores"] for row in found)
        key = "rerun_score" if has_fresh else "score"

        def merit(row):
            score = self._sign * row[key]
            score = -math.inf if math.isnan(score) else score
            return -row["rerun_failed"], score, self._sign * row["score"]

        top = max(reversed(found), key=merit)  # of equal ones the largest size
        for row in found:
            row["is_best"] = row is top
            is_pair = not (top["rerun_failed"] or row["rerun_failed"])
            tie = is_pair and is_tie(top["rerun_scores"], row["rerun_scores"])
            row["ties"] = row is top or tie
        target = min(self._sign * row[key] for row in found if row["ties"])
        if top["rerun_interval"] >= 0:  # a tie of noisy scores may be with next to nothing
            target = max(target, self._sign * top[key] - top["rerun_interval"])
        target *= self._sign
        for row in found:
            row["target"] = target
            trial = next(trial for trial in self.trials if trial["trial"] == row["trial"])
            usual = [s for run in (trial, *row["runs"]) for s in run["epoch_seconds"]]
            epochs = self._epochs_to(target, row["runs"])
            row["seconds_to_target"] = epochs * float(np.median(usual))
        return found

    def _setting(self, row, use):
        """Return a row of trials with its scores on fresh seeds, of the weights that were kept."""
        runs, failed = [], []
        for run in self.reruns[use]:
            if run["trial"].rsplit("_", 1)[0] != row["trial"] or run["status"] == "running":
                continue
            if run["status"] == "completed" and run["last_counts"]:
                runs.append(run)
            else:
                failed.append(run["reason"] or "diverged at the end")
        scores = [run["kept_score"] for run in runs]
        mean, half = interval(scores) if scores else (math.nan, math.nan)
        is_present = row is self.trials[0] and self.settings.get("present")
        # a shorter training of Hyperband says nothing about how long to train
        takes_all = is_present or row["is_short"]
        return {
            **row["values"],
            "values": row["values"],
            "epochs": self.settings["epochs"] if takes_all else self._steady_epoch(row),
            "score": row["score"],
            "trial": row["trial"],
            "rerun_score": mean,
            "rerun_interval": half,
            "rerun_scores": scores,
            "rerun_failed": len(failed),
            "rerun_reason": failed[0] if failed else "",
            "folders": [run["folder"] for run in runs],
            "runs": runs or [row],
        }

    def _steady_epoch(self, row):
        """Return the epoch around which a trial scored best: a single score may be luck.

        The epoch itself counts twice, those beside it once.
        """
        scores = self._sign * np.array(row["scores"], float)
        is_there = np.ones(len(scores))
        sums, shares = (
            padded[:-2] + 2 * padded[1:-1] + padded[2:]
            for padded in (np.pad(scores, 1), np.pad(is_there, 1))
        )
        means = sums / shares
        means = np.where(np.isfinite(means), means, -math.inf)
        is_known = len(means) > 0 and means.max() > -math.inf
        return int(np.argmax(means)) + 1 if is_known else row["best_epoch"]

    def _epochs_to(self, target, runs):
        reached = [self._sign * (np.array(run["scores"]) - target) >= 0 for run in runs]
        found = [1 + int(np.argmax(hits)) for hits in reached if hits.any()]
        return np.mean(found) if found else math.nan

    def at_edge(self):
        """Say whether the best rate is at the "low" or "high" edge of those searched, or None."""
        # the present setting may lie far outside, and a guessed range may have been widened
        rows = self.trials[1:] if self.settings.get("present") else self.trials
        if not rows:
            return None
        rates = [*self.settings["bounds"], *(row["learning_rate"] for row in rows)]
        return at_edge(self.best["learning_rate"], min(rates), max(rates))

    # ---- what to do with it ----

    @property
    def weights(self):
        """Path of the weights of the best setting's first fresh training, or None."""
        path = self._folder / "best.weights.h5"
        return path if path.exists() else None

    def hyperparameters(self):
        """Return the best setting as `keras_tuner.HyperParameters`, as `build_model(hp)` takes."""
        hp, own = kt.HyperParameters(), self.settings.get("own_rate")
        hp.values = dict(self.best["values"])
        if own:
            hp.values[own] = hp.values["learning_rate"]
        return hp

    def best_model(self, build_model=None, x=None):
        """Return the compiled model that was quoted: the best setting's first fresh training.

        Args:
            build_model: the function given to the search; a result of `search` knows it.
            x: rows of inputs, of a model without `keras.Input`; a result of `search` knows some.

        Raises:
            InputError: if there are no weights (`seeds=0`), no function, another model than that of
                the search, or no `x` where needed.

        """
        build = self._build if build_model is None else Builder(build_model)
        if build is None:
            raise InputError("Give `build_model`: a search that was loaded does not know it.")
        if self.weights is None:
            raise InputError("No weights were kept, since nothing was trained on fresh seeds.")
        model, example = build(self.hyperparameters()), self._example if x is None else (x,)
        if not self.settings.get("takes_hp"):  # else each setting has a model of its own
            ours = {name: describe(model)[name] for name in ("model", "layers")}
            check_same(ours, self.settings, "`build_model` is not that of the search")
        if not model.built and example is None:
            raise InputError("The model has no keras.Input: give rows of inputs as `x` as well.")
        build_weights(model, example)  # and the variables of its optimizer
        if schedule_of(model.optimizer) is None:
            model.optimizer.learning_rate = self.best["learning_rate"]
        model.load_weights(self.weights)
        return model

    # functions of a result
    remarks, summary, paste_lines = words.remarks, words.summary, words.paste_lines
    plot = figures.plot

    def _repr_html_(self):
        image = base64.b64encode(figures.png(self.plot())).decode()
        text = html.escape(self.summary())
        return f'<pre>{text}</pre><img src="data:image/png;base64,{image}">'

    def to_csv(self, path):
        """Write one line per trial: hyperparameters, score, seconds, status, reason."""
        names = sorted({name for row in self.trials for name in row["values"]})
        columns = ["trial", *names, "score", "best_epoch", "epochs", "seconds"]
        columns += ["engine", "status", "reason", "scores"]
        with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            for row in self.trials:
                scores = " ".join(f"{value:.6g}" for value in row["scores"])
                writer.writerow({**row, "scores": scores})

    def save_best(self):
        """Write `best.json` with the best setting and what the report says about it."""
        best = {k: v for k, v in self.best.items() if k not in ("runs", "folders")}
        for name, value in best.items():
            if isinstance(value, float) and math.isnan(value):  # JSON has no number for it
                best[name] = None
        best |= {"objective": self.objective, "test": self.test, "remarks": self.remarks()}
        write_json(self.project / "best.json", best)
