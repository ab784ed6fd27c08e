"""Steps whose answers belong to the labels of other steps: a loss of one's own may shift them.

Many losses of language models are given the texts themselves as labels, and compare the answer at a
step with the word of the next one. Without this they would be scored step by step.
"""

import keras
import numpy as np

from . import own_loss
from .states import nothing_moves
from .target import classes_of

KINDS = ("sparse", "binary")  # of labels
SHIFTS = (0, 1, -1, 2, -2)  # of two that do as well the nearer one
ROWS = 16
FEWEST_STEPS = 4
PADDED = 0.1  # share of rows from which on a 0 at their end is padding
CLEAR = 0.3  # more answers that agree with the label of another step
PART = 0.5  # of the loss at the step itself that is left at another


def note_lag(run, out):
    """Note in `Output` at which step the labels stand that its answers are of, and heed it.

    Where the labels are the inputs themselves the shift is meant: then labels and predictions are
    paired by it from here on, with `known` the steps that have a label.
    """
    if not out.has_own_loss or out.kind not in KINDS:
        return
    labels = _steps(out, out.y)
    if labels is None or out.prediction is None:
        return
    answers = _answers(out, out.prediction)
    agree = {lag: _agreement(labels, answers, _padding(out), lag) for lag in SHIFTS}
    best, commonest = max(agree, key=agree.get), np.unique(labels, return_counts=True)[1].max()
    if agree[best] > max(agree[0], commonest / labels.size) + CLEAR:
        out.lag = out.lag or best
    out.agreement = agree[0], agree[out.lag]
    (x,) = run.inputs.values() if len(run.inputs) == 1 else (None,)
    if out.lag and np.shape(x) == labels.shape and np.mean(x == labels) > 1 - PADDED:
        out.lag_is_meant = True
        others = None if out.validation_y is None else _steps(out, out.validation_y)
        if others is not None and out.validation_prediction is not None:
            paired = _paired(out, others, out.validation_prediction)
            out.validation_y, out.validation_prediction, out.validation_known = paired
        out.y, out.prediction, out.known = _paired(out, labels, out.prediction)
        out.training_prediction = None


def of_loss(out):
    """Return the lag at which a compiled loss is least, by far, for right answers."""
    labels = _steps(out, out.y)
    if labels is None or out.kind not in KINDS:
        return 0
    labels = labels[:ROWS]
    right = own_loss.right_answers(out, labels.reshape(-1, 1)).reshape(*labels.shape, -1)
    given, loss = labels.reshape(-1, *out.label_shape), keras.losses.get(out.function)
    with nothing_moves():
        cost = {lag: own_loss.mean_of(loss, given, np.roll(right, -lag, axis=1)) for lag in SHIFTS}
    best = min(cost, key=cost.get)
    return best if 0 <= cost[best] < PART * cost[0] else 0


def at_lag(lag):
    """Return slices of the steps that have a label so many steps later, and of these labels."""
    if lag >= 0:
        return slice(0, -lag or None), slice(lag, None)
    return slice(-lag, None), slice(0, lag)


def _steps(out, y):
    """Return labels (rows, steps), None where there is not one for each step."""
    steps, *more = out.label_shape or (1,)
    fits = steps >= FEWEST_STEPS and more in ([], [1]) and len(out.shape or ()) == 2
    fits = fits and out.known is None
    return y.reshape(-1, steps) if fits and y.size % steps == 0 else None


def _answers(out, prediction):
    """Return the classes that are predicted, (rows, steps)."""
    classes = classes_of(out, prediction.reshape(-1, prediction.shape[-1]), predicted=True)
    return classes.reshape(prediction.shape[:2])


def _padding(out):
    """Return the number that is no label: 0 where rows are padded with it, else NaN."""
    return 0 if out.padded is not None and max(out.padded[:2]) > PADDED else np.nan


def _agreement(labels, answers, padding, lag):
    here, there = at_lag(lag)
    labels, answers = labels[: len(answers), there], answers[:, here]
    counts = labels != padding
    return float(np.mean(answers[counts] == labels[counts])) if counts.any() else 0.0


def _paired(out, labels, prediction):
    """Return labels (n, 1), predictions (n, units) of these, and which steps they are of."""
    here, there = at_lag(out.lag)
    known = np.zeros(labels.shape, bool)
    known[:, here] = labels[:, there] != _padding(out)
    later = np.roll(labels, -out.lag, axis=1)
    return later[known][:, None], prediction[known[: len(prediction)]], known
