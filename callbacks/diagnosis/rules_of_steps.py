"""Rules of labels that each step of a row has: of which step they are, and those of padding."""
# ruff: noqa: D401 - the docstring of a rule is its meaning

from dataclasses import replace

import numpy as np

from .finding import Seen, rule
from .scores import WELL, told_within
from .target import classes_of


def _steps(run):
    """Return inputs (rows, steps, ...) and labels (rows, steps, columns), None if steps have none.

    Labels that do not count, as a mask hides them, are taken out of the rows: then it is None too.
    """
    out = run.only_output
    x = next(iter(run.inputs.values())) if len(run.inputs) == 1 else np.zeros(0)
    if out is None or out.known is not None or x.ndim not in (2, 3) or not out.label_shape:
        return None
    rows, steps = x.shape[:2]
    if out.label_shape[0] != steps or len(out.y) != rows * steps or steps < 4:
        return None
    return x, out.y.reshape(rows, steps, -1)


@rule("label_problem", "end", "warning", change="data")
def labels_of_other_steps(run, most=3, better=0.2, pairs=2000, kinds=64):
    """Simple models tell a step's label from the inputs of a step beside it, not from its own.

    Labels that are the inputs of another step are meant so: to forecast, or to recall.

    Source: definition of a label: it is of the inputs that it stands beside.
    """
    found, out = _steps(run), run.only_output
    if found is None or out.prediction is None or run.known_gain >= WELL:
        return
    x, y = found
    if any(_are_inputs(x, y, shift) for shift in range(-most, most + 1)):
        return
    size = max(1, pairs // x.shape[1])
    guess = out.prediction.reshape(-1, x.shape[1], out.prediction.shape[-1])[:size]
    x, y, told = x[: len(guess)], y[: len(guess)], {}
    if x.ndim == 2 and run.has_ids:
        values, counts = np.unique(x, return_counts=True)
        x = (x[..., None] == values[np.argsort(-counts)[:kinds]]).astype("float64")
    for shift in range(-most, most + 1):
        own, there = _shifted(shift)
        labels, own_guess = (part[:, own].reshape(-1, part.shape[-1]) for part in (y, guess))
        seen = x[:, there].reshape(len(labels), -1)
        told[shift] = told_within(replace(out, y=labels, prediction=own_guess), seen)
    if None in told.values():
        return
    best = max(told, key=lambda shift: told[shift][0])
    plain, _, own = told[0]
    if best and told[best][0] > max(plain, own) + better:
        place = f"{abs(best)} step{'s' * (abs(best) > 1)} {'before' if best > 0 else 'after'}"
        text = f"From the input {place} simple models tell a step's label with {out.measure} "
        text += f"{told[best][0]:.2f}, from its own input with {plain:.2f}; the network has "
        text += f"{own:.2f}: the labels are shifted."
        here, there = (f"[:, {abs(best)}:]", f"[:, :-{abs(best)}]")
        here, there = (here, there) if best > 0 else (there, here)
        remedy = f"Give each step its own label: x{there} with y{here}. If it is meant so, let a "
        yield Seen(text, f"{remedy}step see its neighbours: LSTM, Conv1D.")


def _shifted(shift):
    """Return slices of the steps that have an input so many steps before, and of these inputs."""
    if shift >= 0:
        return slice(shift, None), slice(0, -shift or None)
    return slice(0, shift), slice(-shift, None)


def _are_inputs(x, y, shift):
    own, there = _shifted(shift)
    values = x.reshape(*x.shape[:2], -1)[:, there]
    return bool(np.mean(np.any(np.isclose(values, y[:, own, :1]), axis=-1)) > 0.5)


@rule("imbalanced_classes", "end", "warning", change="layers", recipe="masking")
def padding_counts(run, most=0.5):
    """Most steps are padding, whose label tells itself: it fills loss and accuracy.

    Source: Keras, Masking and padding: what a mask hides is in neither.
    """
    found, out = _steps(run), run.only_output
    if found is None or not run.has_ids or not out.of_classes or run.known_gain >= WELL:
        return
    x, y = found
    padded = (x == 0).ravel()
    labels = classes_of(out, y.reshape(len(padded), -1))
    share, of_padding = padded.mean(), np.unique(labels[padded])
    if most < share < 1 and len(of_padding) == 1 and not np.any(labels[~padded] == of_padding[0]):
        text = f"{share:.0%} of the steps are padding, all with label {of_padding[0]}, and count: "
        text += "with these alone an accuracy is that high, and the other steps are a small part "
        text += "of the loss."
        remedy = "Leave them out: Embedding(…, mask_zero=True), or a loss with "
        yield Seen(text, f"{remedy}ignore_class={of_padding[0]}.")
