"""One training: its scores, its saved state, and why it failed if it did."""

import math
import time
import traceback

import numpy as np

from ..errors import is_out_of_memory, telling_line
from ..inputs.model import loss_name
from ..store import STATE, read_arrays, read_json, write_arrays, write_json

EXPLODED = 100  # times the untrained loss (at least 1): far above what overfitting does to a loss
ATTEMPTS = 3  # a process that dies that often in the same epoch is not given the trial again
ENDED = ("completed", "failed")
SAVE_EVERY = 30  # seconds: what a kill costs at most, beside the epoch that it cuts off


def train_loss_name(names):
    """Return the name of the training loss among those of a history."""
    return loss_name([name for name in names if not name.startswith("val_")])


def good_epochs(record, objective):
    """Return the scores of the epochs that count, by their number from 0.

    An epoch counts if its losses and its score are finite and its validation loss has not
    exploded, so a NaN in one epoch does not cost a trial the others.
    """
    history, start = record["history"], record.get("untrained_loss")
    limit = math.inf
    if start is not None and math.isfinite(start):
        limit = start + EXPLODED * max(1.0, abs(start))
    names = [name for name in _judged(history, objective) if name in history]
    good = {}
    for epoch, score in enumerate(history.get(objective, [])):
        is_finite = np.isfinite([history[name][epoch] for name in names]).all()
        if is_finite and ("val_loss" not in history or history["val_loss"][epoch] <= limit):
            good[epoch] = score
    return good


def _judged(history, objective):
    """Return the names of what must be finite, with what they are called in a sentence."""
    names = {objective: objective, "val_loss": "validation loss"}
    train = train_loss_name(history)
    return {train: "training loss", **names} if train else names


def best_epoch(record, objective):
    """Find the epoch of the best score among those that count, from 0; None if no epoch counts."""
    good = good_epochs(record, objective.name)
    return (max if objective.direction == "max" else min)(good, key=good.get, default=None)


def _why_failed(record, objective):
    history = record["history"]
    if objective not in history:
        return f"nothing wrote {objective!r} into the logs; there are {', '.join(sorted(history))}"
    for name, what in _judged(history, objective).items():
        bad = [i for i, v in enumerate(history.get(name, [])) if not math.isfinite(v)]
        if bad:
            return f"diverged: {what} is {history[name][bad[0]]} in epoch {bad[0] + 1}"
    worst = max(history["val_loss"])
    return f"exploded: validation loss {worst:.3g} (untrained {record['untrained_loss']:.3g})"


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

    `continue_from` is the state of a shorter training; with `restart` a saved state of this one
    only tells how far its last life got. Returns the record and the state to go on from, or None.
    """
    old = read_json(folder / "record.json")
    if old.get("status") in ENDED:
        return old, None
    saved = read_arrays(folder / STATE)
    reached = len(saved[1]["seconds"]) if saved else 0
    if restart:
        saved = None
        (folder / STATE).unlink(missing_ok=True)
    if saved is None and continue_from is not None:
        saved = read_arrays(continue_from)
    state, earlier = saved or (None, {})
    record = {
        "values": values,
        "seed": seed,
        "engine": engine[0],
        "engine_reason": engine[1],
        "history": earlier.get("history", {}),
        "seconds": earlier.get("seconds", []),
        "untrained_loss": earlier.get("untrained_loss"),
        "status": "running",
    }
    reached = max(reached, len(record["seconds"]))
    same_epoch = old.get("reached") == reached
    record["reached"], record["attempts"] = reached, old.get("attempts", 0) * same_epoch + 1
    if record["attempts"] > ATTEMPTS:
        reason = f"the process died {ATTEMPTS} times in epoch {reached + 1}"
        record |= {"status": "failed", "error": True, "reason": reason}
    write_json(folder / "record.json", record)
    return record, state


def _finish(folder, record, objective, keep_state):
    """Complete a record with its best epoch, or with why it failed, and write it."""
    if record["status"] == "running":
        best = best_epoch(record, objective)
        if best is None:
            record |= {"status": "failed", "reason": _why_failed(record, objective.name)}
        else:
            score = record["history"][objective.name][best]
            record |= {"status": "completed", "best_epoch": best + 1, "score": score}
    write_json(folder / "record.json", record)
    if record["status"] == "failed" or not keep_state:
        for file in folder.glob(f"*{STATE}"):  # with what a killed process had half written
            file.unlink()
    return record


def run_trial(
    engine,
    folder,
    values,
    objective,
    epochs,
    seed,
    continue_from=None,
    keep_state=False,
    on_epoch=lambda done: None,
):
    """Train once, write `record.json` and return it; go on where a killed process stopped.

    `continue_from` is the state of a shorter training to go on from (Hyperband); `keep_state`
    leaves the final one in `state.npz`; `on_epoch` is called with the number of epochs done.
    """
    # a callback's counts (patience) are not saved, so with callbacks a trial starts over
    kind = engine.kind, engine.reason
    record, state = begin(folder, kind, values, seed, continue_from, bool(engine.callbacks))
    if record["status"] in ENDED:
        return record

    saved_at = time.monotonic()

    def save():
        nonlocal saved_at
        write_arrays(folder / STATE, engine.read(), record)
        saved_at = time.monotonic()

    def end_of_epoch(epoch, logs, seconds):
        for name, value in logs.items():
            record["history"].setdefault(name, []).append(value)
        record["seconds"].append(seconds)
        on_epoch(epoch + 1)
        loss = train_loss_name(logs)
        if loss and not math.isfinite(logs[loss]):
            record["note"] = f"diverged in epoch {epoch + 1}"
            return True
        if epoch + 1 < epochs and time.monotonic() - saved_at >= SAVE_EVERY:
            save()
        return False

    rate, size, start = values["learning_rate"], values["batch_size"], len(record["seconds"])
    try:
        record["untrained_loss"] = engine.find_untrained_loss(seed, size)
        if start < epochs:
            engine.reset(seed)
            if state is not None:
                engine.write(state)
            record["optimizer_steps"] = engine.train(rate, size, epochs, seed, start, end_of_epoch)
            if keep_state and "note" not in record:
                found = engine.evaluate(size) if engine.restores else {}
                if objective.name in found:  # of weights that a callback has put back
                    record["kept_score"] = found[objective.name]
                save()
    except Exception as error:  # a failed trial is a result; the search goes on
        record |= failure(error)
    except KeyboardInterrupt:  # the user's wish is not the trial's fault
        write_json(folder / "record.json", {**record, "attempts": 0})
        raise
    return _finish(folder, record, objective, keep_state)
