"""One training: its scores, its saved state, and why it failed if it did."""

import math
import time
import traceback
from pathlib import Path

import numpy as np

from tuning.state import read_arrays, read_json, write_arrays, write_json

EXPLODED = 100  # times the untrained loss (at least 1): far above what overfitting does to a loss
ATTEMPTS = 3  # a process that dies that often in the same epoch is not given the trial again
SAVE_SHARE = 20  # training lasts at least this many times longer than saving its state


def best_epoch(record, objective):
    """Find the epoch of the best score among those that count, from 0; None if no epoch counts.

    An epoch counts if its losses and its score are finite and its validation loss has not
    exploded, so a NaN in one epoch does not cost a trial the others.

    Args:
        record: dict with `history` (name to list) and `untrained_loss`.
        objective: `keras_tuner.Objective`.

    """
    history, start = record["history"], record.get("untrained_loss")
    limit = math.inf
    if start is not None and math.isfinite(start):
        limit = start + EXPLODED * max(1.0, abs(start))
    columns = zip(history["loss"], history["val_loss"], history[objective.name], strict=True)
    good = {
        epoch: score
        for epoch, (loss, val_loss, score) in enumerate(columns)
        if np.isfinite([loss, val_loss, score]).all() and val_loss <= limit
    }
    if not good:
        return None
    return (max if objective.direction == "max" else min)(good, key=good.get)


def why_failed(record):
    """Say in a few words why no epoch of a trial counts."""
    history = record["history"]
    for name, what in (("loss", "training"), ("val_loss", "validation")):
        bad = [i for i, value in enumerate(history[name]) if not math.isfinite(value)]
        if bad:
            return f"diverged: {what} loss is {history[name][bad[0]]} in epoch {bad[0] + 1}"
    worst = max(history["val_loss"])
    return f"exploded: validation loss {worst:.3g} (untrained {record['untrained_loss']:.3g})"


def is_out_of_memory(error):
    """Whether an exception of any backend says that memory ran out."""
    text = f"{type(error).__name__} {error}".lower()
    words = ("resourceexhausted", "resource_exhausted", "out of memory", "outofmemory")
    return isinstance(error, MemoryError) or any(word in text for word in words)


def failure(error):
    """Describe an exception as a part of a record."""
    reason = f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
    return {
        "status": "failed",
        "error": True,
        "out_of_memory": is_out_of_memory(error),
        "reason": f"out of memory ({reason})" if is_out_of_memory(error) else reason,
        "traceback": "".join(traceback.format_exception(error)),
    }


def run_trial(
    engine,
    folder,
    values,
    objective,
    epochs,
    seed,
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
        seconds: stop after the epoch in which this much time is used up; None for no limit.
        continue_from: state file of an earlier, shorter training to go on from (Hyperband).
        keep_state: leave the final state in `state.npz`; else it is removed at the end.
        on_epoch: called with the number of epochs done.

    Returns:
        dict: the record. `status` is "completed" or "failed" (then `reason` says why).

    """
    folder = Path(folder)
    state_file = folder / "state.npz"
    old = read_json(folder / "record.json") or {}
    if old.get("status") in ("completed", "failed"):
        return old
    record = {
        "values": values,
        "seed": seed,
        "engine": engine.kind,
        "engine_reason": engine.reason,
        "history": {},
        "seconds": [],
        "train_seconds": [],
        "status": "running",
    }
    # a callback's counts (patience) are not saved, so with callbacks a trial starts over
    saved = None if engine.callbacks else read_arrays(state_file)
    if saved is None and continue_from is not None:
        saved = read_arrays(continue_from)
    engine.reset(seed)
    if engine.untrained_loss is None:
        engine.untrained_loss = engine.evaluate(values["batch_size"])["val_loss"]
        engine.reset(seed)
    record["untrained_loss"] = engine.untrained_loss
    if saved is not None:
        engine.write(saved[0])
        for name in ("history", "seconds", "train_seconds", "untrained_loss"):
            record[name] = saved[1][name]
    start = len(record["seconds"])
    same_epoch = old.get("started_at") == start
    record["started_at"], record["attempts"] = start, old.get("attempts", 0) * same_epoch + 1
    if record["attempts"] > ATTEMPTS:
        record["status"] = "failed"
        record["error"] = True
        record["reason"] = f"the process died {ATTEMPTS} times in epoch {start + 1}"
    else:
        write_json(folder / "record.json", record)
        record |= _train(engine, record, state_file, epochs, seconds, keep_state, on_epoch)
    if record["status"] == "running":
        best = best_epoch(record, objective)
        record["status"] = "failed" if best is None else "completed"
        if best is None:
            record["reason"] = why_failed(record)
        else:
            record["best_epoch"] = best + 1
            record["score"] = record["history"][objective.name][best]
    write_json(folder / "record.json", record)
    if record["status"] == "failed" or not keep_state:
        state_file.unlink(missing_ok=True)
    return record


def _train(engine, record, state_file, epochs, seconds, keep_state, on_epoch):
    """Train, fill the record's lists and save the state now and then; return what to add."""
    saving = {"seconds": 0.0, "at": -math.inf}
    added = {}

    def save():
        began = time.perf_counter()
        write_arrays(state_file, engine.read(), record)
        saving["at"] = time.perf_counter()
        saving["seconds"] = saving["at"] - began

    def end_of_epoch(epoch, logs, epoch_seconds, train_seconds):
        for name, value in logs.items():
            record["history"].setdefault(name, []).append(value)
        record["seconds"].append(epoch_seconds)
        record["train_seconds"].append(train_seconds)
        if on_epoch is not None:
            on_epoch(epoch + 1)
        if not math.isfinite(logs["loss"]):
            added["note"] = f"diverged in epoch {epoch + 1}"
            return True
        last = epoch + 1 == epochs
        waited = time.perf_counter() - saving["at"]
        if (keep_state or not last) and (last or waited >= SAVE_SHARE * saving["seconds"]):
            save()
        return seconds is not None and sum(record["seconds"]) >= seconds

    values = record["values"]
    start = len(record["seconds"])
    if start < epochs:
        try:
            engine.train(
                values["learning_rate"],
                values["batch_size"],
                epochs,
                record["seed"],
                start,
                end_of_epoch,
            )
            if keep_state and "note" not in added:
                save()  # a callback of the user may have ended the training early
        except Exception as error:  # a failed trial is a result; the search goes on
            return failure(error)
        except KeyboardInterrupt:  # the user's wish is not the trial's fault
            write_json(state_file.with_name("record.json"), {**record, "attempts": 0})
            raise
    return added
