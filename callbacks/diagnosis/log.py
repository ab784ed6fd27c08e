"""Judge a run by the log of its metrics alone."""

import csv
import os

import numpy as np

from . import verdict
from .finding import apply, rules_at
from .rules_of_training import non_finite_loss
from .run import Run
from .scores import WELL, judge_scores


def diagnose_history(history, target=None):
    """Bias and variance from metrics alone.

    Args:
        history: dict from metric name to list of values per epoch, with "loss".
        target: dict from metric name to the wanted value; by default 0.7 of accuracies.

    Returns:
        list of Finding

    """
    return judged_history(history, target)[0]


def judged_history(history, target=None):
    """Return the findings of `diagnose_history` and the headline over them."""
    run = Run()
    run.history, run.epoch_losses, run.epoch = history, history["loss"], len(history["loss"]) - 1
    run.has_validation = any(name.startswith("val_") for name in history)
    bad = np.flatnonzero(~np.isfinite(history["loss"]))
    if len(bad):
        run.non_finite_at = int(bad[0]), history["loss"][bad[0]]
        run.largest_loss = max(history["loss"][: bad[0]], default=np.nan)
    judge_scores(run, target, [])
    if not target:
        names = [n for n in history if "acc" in n and not n.startswith("val_") and history[n]]
        run.targets = [(name, history[name][-1], None, WELL) for name in names]
    for train, _, _, accuracy in run.curves or [(history["loss"], None, "loss", False)]:
        run.gain = min(run.known_gain, train[-1] if accuracy else 1 - train[-1] / train[0])
    findings = apply([non_finite_loss, *rules_at("end")], run)
    findings = verdict.judge(findings, run.known_gain, True)
    return findings, verdict.headline(findings, run)[1]


def read_csv(path):
    """Read a log of `CSVLogger` into a dict of lists.

    Raises:
        ValueError: if the file cannot be read, has no rows or no column "loss".

    """
    log = f"The log {os.fspath(path)!r}"
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{log} cannot be read: {error}.") from error
    if not rows:
        raise ValueError(f"{log} has no rows: no epoch has ended.")
    columns = list(rows[0])
    if "loss" not in columns:
        raise ValueError(f"{log} needs the column 'loss'; it has {columns}.")
    try:
        return {
            n: [float(r[n]) for r in rows if r[n] not in ("", "NA", None)] for n in columns if n
        }
    except ValueError as error:
        raise ValueError(f"{log} has a value that is no number: {error}.") from error
