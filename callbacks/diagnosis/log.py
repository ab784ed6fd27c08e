"""Judge a run by the log of its metrics alone."""

import csv
import itertools
import os
import warnings

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
    kind, text = verdict.headline(findings, run)
    scores = [
        f"{name} {train[-1]:.3f} in training, {val[-1]:.3f} in validation"
        for train, val, name, is_accuracy in run.curves
        if is_accuracy
    ]
    if kind == "not judged" and scores:
        text = f"Nothing wrong was found in the log: {'; '.join(scores)}. Model and data were not "
        text += "seen: train with callbacks=[Diagnosis()] to have them judged too."
    if not target and any(f.symptom == "high_bias" and f.severity != "note" for f in findings):
        text += f" An accuracy of {WELL} is taken for the target: --target accuracy=0.95 is another."
    return findings, text


def read_csv(path):
    """Read the last run in a log of `CSVLogger` into a dict of lists.

    Commas, semicolons and tabs may separate it. Where the epochs begin anew (`append=True`) another
    run begins.

    Raises:
        ValueError: if the file cannot be read, has no rows, too short ones or no column "loss".

    """
    log = f"The log {os.fspath(path)!r}"
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = file.read().splitlines() or [""]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{log} cannot be read: {why}.") from error
    separator = max(",;\t", key=lines[0].count)
    rows = _last_run(list(csv.DictReader(lines, delimiter=separator)))
    if not rows:
        raise ValueError(f"{log} has no rows: no epoch has ended.")
    if "loss" not in rows[0]:
        raise ValueError(f"{log} needs the column 'loss'; it has {lines[0].split(separator)}.")
    columns = {name: [] for name in rows[0] if name}
    for place, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise ValueError(f"{log} has another number of cells than columns in its row {place}.")
        for name, values in columns.items():
            cell = row[name] if separator == "," else row[name].replace(",", ".")
            try:
                values += [float(cell)] if cell not in ("", "NA") else []
            except ValueError:
                text = f"{log} has {cell!r} for {name!r} in its row {place}: that is no number."
                raise ValueError(text) from None
    return columns


def _last_run(rows):
    """Return the rows from the last one on at which the epochs, or the header, begin anew."""
    begins = 0
    for place, (before, row) in enumerate(itertools.pairwise(rows), 1):
        is_head = row.get("epoch") == "epoch"
        if is_head or _number(row.get("epoch")) <= _number(before.get("epoch")):
            begins = place + is_head
    if begins:
        text = f"The log holds several runs: the last {len(rows) - begins} rows are judged."
        warnings.warn(text, stacklevel=3)
    return rows[begins:]


def _number(cell):
    try:
        return float(cell)
    except (TypeError, ValueError):
        return np.nan
