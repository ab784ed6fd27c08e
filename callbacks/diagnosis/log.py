"""Judge a run by the log of its metrics alone."""

import codecs
import csv
import itertools
import json
import os
import warnings
from pathlib import Path

import numpy as np

from . import verdict
from .finding import apply, rules_at
from .rules_of_training import diverging_loss, non_finite_loss
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
    history, target = _as_shares(history, target)
    losses = history["loss"]
    run = Run()
    run.history, run.epoch_losses, run.epoch = history, losses, len(losses) - 1
    run.has_validation = any(name.startswith("val_") for name in history)
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        run.non_finite_at = int(bad[0]), losses[bad[0]]
        run.largest_loss = max(losses[: bad[0]], default=np.nan)
    judge_scores(run, target, [])
    if not target:
        names = [n for n in history if _is_accuracy(n) and not n.startswith("val_") and history[n]]
        run.targets = [(name, history[name][-1], None, WELL) for name in names]
    for train, _, _, accuracy in run.curves or [(losses, None, "loss", False)]:
        fallen = (train[0] - train[-1]) / max(abs(train[0]), 1e-12)  # a loss may be negative
        run.gain = min(run.known_gain, train[-1] if accuracy else fallen)
    findings = apply([non_finite_loss, diverging_loss, *rules_at("end")], run)
    findings = verdict.judge(findings, run.known_gain, True)
    kind, text = verdict.headline(findings, run)
    scores = [
        f"{name} {train[-1]:.3f} in training, {val[-1]:.3f} in validation"
        for train, val, name, is_accuracy in run.curves
        if is_accuracy
    ]
    if kind != "wrong":
        said = "; ".join(scores) or f"the loss went from {losses[0]:.4g} to {losses[-1]:.4g}"
        found = "Nothing wrong was found in the log"
        if kind == "disappoints":
            found = "The run disappoints, and the log does not say why"
        text = f"{found}: {said}. Model and data were not seen: train with callbacks=[Diagnosis()] "
        text += "to have them judged too."
    if not target and kind == "wrong" and findings[0].symptom == "high_bias":
        text += f" An accuracy of {WELL} is taken for the target: --target accuracy=0.95 is "
        text += "another."
    return findings, text


def _is_accuracy(name):
    return "acc" in name


def _as_shares(history, target):
    """Return both with accuracies of 0 to 1, also where they were logged in percent."""
    shares = {}
    for name, values in history.items():
        in_percent = _is_accuracy(name) and max(values, default=0) > 1.5
        shares[name] = [value / 100 for value in values] if in_percent else values
    wanted = {n: v / 100 if _is_accuracy(n) and v > 1.5 else v for n, v in (target or {}).items()}
    return shares, wanted


def read_csv(path):
    """Read the last run in a log of `CSVLogger` into a dict of lists.

    Commas, semicolons and tabs may separate it, and the newest epoch may stand first. Where the
    epochs begin anew (`append=True`) another run begins. A file of JSON is `History.history`.

    Raises:
        ValueError: if the file cannot be read, has no rows, too short ones or no column "loss".

    """
    log = f"The log {os.fspath(path)!r}"
    try:
        data = Path(path).read_bytes()
        is_utf16 = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # as of Excel
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
        rows = _rows_of_json(text) if text.lstrip()[:1] == "{" else None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{log} cannot be read: {why}.") from error
    if rows is None:
        lines = text.splitlines() or [""]
        reader = csv.reader(lines, delimiter=max(",;\t", key=lines[0].count))
        rows = [row for row in reader if row] or [[""]]
    names, rows = rows[0], rows[1:]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{log} has {names.count(twice)} columns {twice!r}: take out all but one.")
    for place, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise ValueError(f"{log} has another number of cells than columns in its row {place}.")
    rows = _last_run(names, rows)
    if not rows:
        raise ValueError(f"{log} has no rows: no epoch has ended.")
    if "loss" not in names:
        raise ValueError(f"{log} needs the column 'loss'; it has {names}.")
    columns = {name: [] for name in names if name}
    for place, row in enumerate(rows, 1):
        for name, cell in zip(names, row, strict=True):
            try:
                if name and cell not in ("", "NA"):
                    columns[name].append(float(str(cell).replace(",", ".")))
            except ValueError:
                text = f"{log} has {cell!r} for {name!r} in its row {place}: that is no number."
                raise ValueError(text) from None
    if not columns["loss"]:
        raise ValueError(f"{log} has no number in its column 'loss': no epoch has ended.")
    return columns


def _rows_of_json(text):
    """Return the names and then the rows of metrics that are lists, or dicts by epoch."""
    columns = {
        name: list(values.values()) if isinstance(values, dict) else values
        for name, values in json.loads(text).items()
    }
    if not all(isinstance(values, list) for values in columns.values()):
        raise ValueError("each metric must be a list with a number for each epoch")
    epochs = itertools.zip_longest(*columns.values(), fillvalue="")
    return [list(columns), *map(list, epochs)]


def _last_run(names, rows):
    """Return the rows from the last one on at which the epochs, or the header, begin anew."""
    place = names.index("epoch") if "epoch" in names else None
    epochs = [np.nan if place is None else _number(row[place]) for row in rows]
    if len(rows) > 1 and np.all(np.diff(epochs) < 0):  # the newest stands first
        return rows[::-1]
    begins = 0
    for at in range(1, len(rows)):
        is_head = rows[at] == names
        if is_head or epochs[at] <= epochs[at - 1]:
            begins = at + is_head
    if begins:
        text = f"The log holds several runs: the last {len(rows) - begins} rows are judged."
        warnings.warn(text, stacklevel=3)
    return rows[begins:]


def _number(cell):
    try:
        return float(cell)
    except (TypeError, ValueError):
        return np.nan
