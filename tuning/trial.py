"""One training: its scores, its saved state, and why it failed if it did."""

import math
import re
import time
import traceback
from pathlib import Path

import numpy as np

from tuning.state import read_arrays, read_json, write_arrays, write_json

EXPLODED = 100  # times the untrained loss (at least 1): far above what overfitting does to a loss
ATTEMPTS = 3  # a process that dies that often in the same epoch is not given the trial again
ENDED = ("completed", "failed")
STATE = "state.npz"
# what Keras and TensorFlow write around the line that says what is wrong
HEADERS = r'\[\[|Traceback|File "|Detected at|Graph execution error|in user code|<stack traces'
HEADERS += r"|Exception encountered when|\d+ (root error|successful operation|derived error)"
SAVE_SHARE = 20  # training lasts at least this many times longer than saving its state


def good_epochs(record, objective):
    """Return the scores of the epochs that count, by their number from 0.

    An epoch counts if its losses and its score are finite and its validation loss has not
    exploded, so a NaN in one epoch does not cost a trial the others.

    Args:
        record: dict with `history` (name to list) and `untrained_loss`.
        objective: str, name of the score.

    """
    history, start = record["history"], record.get("untrained_loss")
    limit = math.inf
    if start is not None and math.isfinite(start):
        limit = start + EXPLODED * max(1.0, abs(start))
    columns = zip(history["loss"], history["val_loss"], history[objective], strict=True)
    return {
        epoch: score
        for epoch, (loss, val_loss, score) in enumerate(columns)
        if np.isfinite([loss, val_loss, score]).all() and val_loss <= limit
    }


def best_epoch(record, objective):
    """Find the epoch of the best score among those that count, from 0; None if no epoch counts.

    Args:
        record: dict with `history` (name to list) and `untrained_loss`.
        objective: `keras_tuner.Objective`.

    """
    good = good_epochs(record, objective.name)
    if not good:
        return None
    return (max if objective.direction == "max" else min)(good, key=good.get)


def why_failed(record, objective):
    """Say in a few words why no epoch of a trial counts."""
    history = record["history"]
    names = {"loss": "training loss", "val_loss": "validation loss"}
    for name, what in (names | {objective: names.get(objective, objective)}).items():
        bad = [i for i, value in enumerate(history[name]) if not math.isfinite(value)]
        if bad:
            return f"diverged: {what} is {history[name][bad[0]]} in epoch {bad[0] + 1}"
    worst = max(history["val_loss"])
    return f"exploded: validation loss {worst:.3g} (untrained {record['untrained_loss']:.3g})"


def is_out_of_memory(error):
    """Whether an exception of any backend says that memory ran out."""
    text = f"{type(error).__name__} {error}".lower()
    words = ("resourceexhausted", "resource_exhausted", "out of memory", "outofmemory")
    # of GPUs: a copy to one that is full; cuDNN without room for its work; cuBLAS or cuDNN at start
    words += ("dst tensor is not initialized", "no algorithm worked", "status_alloc_failed")
    words += ("failed to allocate",)
    return isinstance(error, MemoryError) or any(word in text for word in words)


def telling_line(text):
    """Return the line of an error message, or of a traceback, that says what is wrong."""
    text = re.sub(r"\x1b\[\d*m|{{function_node .*?}} ", "", text).strip()
    text = text.partition("Arguments received by")[0]
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not re.match(HEADERS, line)] or lines or [""]
    is_stack = text.startswith(("Graph execution error", "in user code", "Traceback"))
    return telling[-1 if is_stack else 0]


def failure(error):
    """Describe an exception as a part of a record."""
    reason = f"{type(error).__name__}: {telling_line(str(error))}".rstrip(": ")[:300]
    return {
        "status": "failed",
        "error": True,
        "out_of_memory": is_out_of_memory(error),
        "reason": f"out of memory ({reason})" if is_out_of_memory(error) else reason,
        "traceback": "".join(traceback.format_exception(error)),
    }


def begin(folder, engine, values, seed, continue_from=None, restart=False):
    """Start the record of a trial, or take up that of a trial whose process was killed.

    Args:
        folder: where the record and the state are kept.
        engine: (kind, reason), for the record.
        values: dict of hyperparameters.
        seed: int.
        continue_from: state file of an earlier, shorter training to go on from (Hyperband).
        restart: start over; a saved state of this trial only tells how far its last life got.

    Returns:
        (dict, list of arrays or None): the record, whose `status` is "running" unless the trial
        has ended, and the state to go on from.

    """
    folder = Path(folder)
    old = read_json(folder / "record.json") or {}
    if old.get("status") in ENDED:
        return old, None
    record = {
        "values": values,
        "seed": seed,
        "engine": engine[0],
        "engine_reason": engine[1],
        "history": {},
        "seconds": [],
        "train_seconds": [],
        "status": "running",
    }
    saved = read_arrays(folder / STATE)
    reached = len(saved[1]["seconds"]) if saved else 0
    if restart:
        saved = None
        (folder / STATE).unlink(missing_ok=True)
    if saved is None and continue_from is not None:
        saved = read_arrays(continue_from)
    state, earlier = saved or (None, {})
    for name in ("history", "seconds", "train_seconds", "untrained_loss"):
        record[name] = earlier.get(name, record.get(name))
    reached = max(reached, len(record["seconds"]))
    same_epoch = old.get("reached") == reached
    record["reached"], record["attempts"] = reached, old.get("attempts", 0) * same_epoch + 1
    if record["attempts"] > ATTEMPTS:
        reason = f"the process died {ATTEMPTS} times in epoch {reached + 1}"
        record |= {"status": "failed", "error": True, "reason": reason}
    write_json(folder / "record.json", record)
    return record, state


def finish(folder, record, objective, keep_state=False):
    """Complete a record with its best epoch, or with why it failed, and write it."""
    if record["status"] == "running":
        best = best_epoch(record, objective)
        if best is None:
            record |= {"status": "failed", "reason": why_failed(record, objective.name)}
        else:
            score = record["history"][objective.name][best]
            record |= {"status": "completed", "best_epoch": best + 1, "score": score}
    write_json(Path(folder) / "record.json", record)
    if record["status"] == "failed" or not keep_state:
        for file in (Path(folder) / STATE, *Path(folder).glob(f".{STATE}.*")):  # of killed savings
            file.unlink(missing_ok=True)
    return record


def add_epoch(record, logs, seconds, train_seconds):
    """Append the metrics and times of an epoch to a record."""
    for name, value in logs.items():
        record["history"].setdefault(name, []).append(value)
    record["seconds"].append(seconds)
    record["train_seconds"].append(train_seconds)


class Pace:
    """Says when to save: training lasts at least `SAVE_SHARE` times longer than saving.

    Args:
        seconds: float, how long the first time will take, roughly; 0 to save at once.

    """

    def __init__(self, seconds=0.0):
        self._saved_at, self._seconds = time.perf_counter(), seconds

    def is_due(self):
        """Whether enough time has passed since the last time."""
        return time.perf_counter() - self._saved_at >= SAVE_SHARE * self._seconds

    def time(self, save):
        """Save, and remember how long it took."""
        began = time.perf_counter()
        save()
        self._saved_at = time.perf_counter()
        self._seconds = self._saved_at - began


def run_trial(
    engine,
    folder,
    values,
    objective,
    epochs,
    seed,
    steps=None,
    seconds=None,
    continue_from=None,
    keep_state=False,
    on_epoch=None,
):
    """Train once and write `record.json`; go on where a killed process stopped.

    Args:
        engine: `Engine` of the architecture.
        folder: where the record and the state are kept.
        values: dict with `learning_rate`, `batch_size` and the other hyperparameters.
        objective: `keras_tuner.Objective`.
        epochs: int, the last epoch, counted from 1.
        seed: int.
        steps: int, ends the last epoch after so many optimizer steps in all; None for no limit.
        seconds: stop after the epoch in which this much time is used up; None for no limit.
        continue_from: state file of an earlier, shorter training to go on from (Hyperband).
        keep_state: leave the final state in `state.npz`; else it is removed at the end.
        on_epoch: called with the number of epochs done.

    Returns:
        dict: the record. `status` is "completed" or "failed" (then `reason` says why).

    """
    # a callback's counts (patience) are not saved, so with callbacks a trial starts over
    kind = engine.kind, engine.reason
    record, state = begin(folder, kind, values, seed, continue_from, bool(engine.callbacks))
    if record["status"] in ENDED:
        return record
    limits = {"epochs": epochs, "steps": steps, "seconds": seconds}
    record |= _train(engine, record, state, Path(folder) / STATE, limits, keep_state, on_epoch)
    return finish(folder, record, objective, keep_state)


def _train(engine, record, state, state_file, limits, keep_state, on_epoch):
    """Train, fill the record's lists and save the state now and then; return what to add."""
    epochs, seconds, start = limits["epochs"], limits["seconds"], len(record["seconds"])
    pace, added = Pace(), {}

    def save():
        write_arrays(state_file, engine.read(), record)

    def end_of_epoch(epoch, logs, *times):
        add_epoch(record, logs, *times)
        if on_epoch is not None:
            on_epoch(epoch + 1)
        if not math.isfinite(logs["loss"]):
            added["note"] = f"diverged in epoch {epoch + 1}"
            return True
        if epoch + 1 < epochs and pace.is_due():
            pace.time(save)
        return seconds is not None and sum(record["seconds"]) >= seconds

    values, seed = record["values"], record["seed"]
    rate, size = values["learning_rate"], values["batch_size"]
    try:
        record["untrained_loss"] = engine.find_untrained_loss(seed, size)
        if start >= epochs:
            return added
        engine.reset(seed)
        if state is not None:
            engine.write(state)
        engine.train(rate, size, epochs, seed, start, end_of_epoch, limits["steps"])
        if keep_state and "note" not in added:
            save()
    except Exception as error:  # a failed trial is a result; the search goes on
        return failure(error)
    except KeyboardInterrupt:  # the user's wish is not the trial's fault
        write_json(state_file.with_name("record.json"), {**record, "attempts": 0})
        raise
    return added
