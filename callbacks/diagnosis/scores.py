"""How well a run does: scores between trivial and perfect, and what the data can tell."""

from types import SimpleNamespace

import numpy as np

WELL = 0.7  # part of the way from the trivial to the perfect score: such a run trains well
CONVERGED = 0.95  # from here on a loss that still falls is no reason to train longer
NEIGHBOURS = 15  # rows that vote on what the data can tell
PROBE_ROWS = 256  # rows whose activations and predictions are computed


def judge_scores(run, target, static):
    """Fill in the scores of each output on the probe, the run's gain, its curves and targets."""
    run.targets = []
    if run.predictions is not None:
        for out, prediction in zip(run.outputs, run.predictions, strict=False):
            out.score, out.trivial, out.gain = gain_of(out, prediction.astype("float64"))
    run.gain = min((out.gain for out in run.outputs if out.gain is not None), default=1.0)
    if len(run.outputs) == 1:
        _judge_single_output(run, run.outputs[0], static)
    if run.non_finite_at is not None:
        run.gain = -np.inf
    for name, wanted in (target or {}).items():
        metric = name.removeprefix("val_")
        train, val = ((run.history.get(key) or [None])[-1] for key in (metric, f"val_{metric}"))
        run.targets.append((metric, train, val, wanted))
        value = val if name != metric else train
        if value is not None:
            missed = misses(metric, value, wanted)
            run.gain = min(run.gain, 0.0) if missed else max(run.gain, CONVERGED)
    run.curves = _curves(run.history)


def _judge_single_output(run, out, static):
    """Note what a validation curve is compared with, and excuse what the data cannot tell."""
    if out.kind != "regression" and out.trivial is not None and out.trivial < 1:
        run.trivial = out.trivial
    elif out.loss == "mean_squared_error":
        run.variance = float(np.mean(np.var(out.y, axis=0)))
    if 0.1 <= run.gain < WELL and all(f.severity == "note" for f in static):
        out.neighbours = vote_of_neighbours(run.table, out)
        trend, epochs = trend_of(run), len(run.epoch_losses)
        settled = trend is None or np.log(2) / trend[0] > 2 * epochs
        if settled and out.neighbours is not None and out.score >= out.neighbours:
            run.gain = CONVERGED  # as well as these data allow


def gain_of(out, prediction):
    """Return score, score of the best constant, and (score − trivial) / (1 − trivial)."""
    prediction = prediction.reshape(-1, prediction.shape[-1])
    y = out.y[: len(prediction)]
    if not np.all(np.isfinite(prediction)):
        return np.nan, 0.0, -np.inf
    if out.kind == "regression" or (prediction.shape[1] != y.shape[1] and out.kind != "sparse"):
        variance = float(np.mean(np.square(y - y.mean(axis=0))))
        score = 1 - float(np.mean(np.square(y - prediction))) / variance if variance else 1.0
        return score, 0.0, score
    if out.kind in ("onehot", "sparse"):
        labels = y[:, 0].astype(int) if out.kind == "sparse" else y.argmax(axis=1)
        guess = prediction.argmax(axis=1)
        trivial = np.bincount(np.maximum(labels, 0)).max() / len(labels)
    else:
        threshold = 0.0 if out.from_logits else 0.5
        labels, guess = y, prediction > threshold
        trivial = float(np.mean(np.maximum(y.mean(axis=0), 1 - y.mean(axis=0))))
    score = float(np.mean(labels == guess))
    return score, trivial, (score - trivial) / (1 - trivial) if trivial < 1 else score


def vote_of_neighbours(x, out):
    """Score of predicting each probe row from the other rows nearest to it, None without rows.

    Nearest neighbours get as near to the best possible score as the rows allow, whatever the rule
    behind them (Cover & Hart, 1967; Stone, 1977), and have nothing to train.
    """
    if x is None or not len(x) == len(out.y) > 4 * NEIGHBOURS or not np.all(np.isfinite(x)):
        return None
    x = x.reshape(len(x), -1).astype("float64")
    x = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    probe = x[:PROBE_ROWS]
    distances = np.square(x).sum(axis=1) - 2 * probe @ x.T
    np.fill_diagonal(distances, np.inf)  # a row does not vote on itself
    nearest = np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    y = np.eye(int(out.y.max()) + 1)[out.y[:, 0].astype(int)] if out.kind == "sparse" else out.y
    votes = SimpleNamespace(kind=out.kind, y=out.y, from_logits=False)
    return gain_of(votes, y[nearest].mean(axis=1))[0]


def trend_of(run):
    """Return (fall of the log of the loss per epoch at the end, loss now), None if none.

    The trend is that of the last quarter; a short run is judged by its batches.
    """
    epochs = len(run.epoch_losses)
    short = epochs < 4 and len(run.losses) >= 16
    losses = np.array(run.losses if short else run.epoch_losses)
    if len(losses) < 2 or not np.all(np.isfinite(losses)) or losses[-1] <= 0:
        return None
    quarter = max(1, len(losses) // 4)
    before, after = np.mean(losses[-2 * quarter : -quarter]), np.mean(losses[-quarter:])
    if not before > after > 0:
        return None
    return float(np.log(before / after)) / quarter * len(losses) / epochs, after


def misses(metric, value, wanted):
    """Tell whether a value is worse than wanted; of losses and errors, less is better."""
    less_is_better = any(word in metric for word in ("loss", "error", "mse", "mae"))
    return value > wanted if less_is_better else value < wanted


def _curves(history):
    """(training, validation, name, bigger is better) of accuracies, of the loss if none."""
    pairs = [name for name in history if f"val_{name}" in history]
    names = [name for name in pairs if "acc" in name] or [name for name in pairs if name == "loss"]
    return [(history[n], history[f"val_{n}"], n, "acc" in n) for n in names]
