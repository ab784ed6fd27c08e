"""Which labels count: the loss leaves out steps that a mask hides or whose weight is 0.

Padding is such a step: at its end a sequence has no label, though the array has a number there. So
are places of the class that a loss is told to ignore, and rows of class -1 under a step of one's
own.
"""

import keras
import numpy as np

from .graph import flat_layers, mask_of
from .own_code import has_own
from .passes import PROBE_ROWS, fixed_batch
from .rows import each, first_of
from .states import nothing_moves

FEW_ROWS = 32
NO_LABEL = -1  # as in scikit-learn's semi-supervised learning


def output_names(model):
    """Return what `fit` calls each output: of a model that returns a dict its keys."""
    try:
        given = model.output
    except (AttributeError, ValueError):  # of a `call` of one's own
        given = None
    names = getattr(model, "output_names", None) or []
    return sorted(given) if isinstance(given, dict) else list(names)


def labels_of(model, y):
    """Return a list of the labels of each output."""
    if not isinstance(y, dict):
        return keras.tree.flatten(y)
    return keras.tree.flatten([y.get(name) for name in output_names(model) or sorted(y)])


def losses_of_outputs(model, count):
    """Return the compiled loss of each of so many outputs, None where there is none."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, dict):
        loss = [loss.get(name) for name in output_names(model) or sorted(loss)]
    loss = list(loss) if isinstance(loss, (list, tuple)) else [loss] * count
    return [*loss, *[None] * count][:count]


def note_known(model, rows):
    """Note in `Rows` which labels count: `known`, a bool array (rows, steps, ...) per output.

    It is None where all of an output's labels do. Rows that count for one of several outputs have
    (rows,); those of weight 0 for all are no matter of it, see `rows.counted`.
    """
    labels = labels_of(model, rows.y)
    weights = [] if rows.weights is None else labels_of(model, rows.weights)
    losses, masks = losses_of_outputs(model, len(labels)), _masks(model, rows.x)
    own_step = has_own(model, "train_step")
    rows.known = []
    for index, (array, loss) in enumerate(zip(labels, losses, strict=True)):
        array, marks = _without_last_1(array), []
        ignored = getattr(loss, "ignore_class", None)
        if ignored is not None and (array.ndim > 1 or ignored < 0):  # a class of rows is to be told
            marks.append(array != ignored)
        below = array[array < 0] if own_step and array.dtype.kind == "i" else np.zeros(0)
        if below.size and np.all(below == NO_LABEL) and array.max() > 1:  # beside class numbers
            marks.append(array != NO_LABEL)
        for given in (masks, weights):
            mark = _without_last_1(given[index]) if index < len(given) else np.zeros(0)
            if mark.ndim > (len(labels) == 1) and mark.shape == array.shape[: mark.ndim]:
                marks.append(mark != 0)
        most = max((mark.ndim for mark in marks), default=0)  # that of a row counts for its steps
        marks = [mark.reshape(*mark.shape, *[1] * (most - mark.ndim)) for mark in marks]
        known = np.logical_and.reduce(np.broadcast_arrays(*marks)) if marks else np.zeros(0, bool)
        is_part = known.any() and not known.all()
        rows.known.append(known if is_part else None)


def _without_last_1(values):
    """Return an array without a last axis of 1; of None one of no axis."""
    values = np.asarray(values)
    return values[..., 0] if values.ndim > 1 and values.shape[-1] == 1 else values


def _masks(model, x):
    """Return the mask of each output, bool (rows, steps) or None; [] where no layer makes one.

    Of a few rows it is taken from the outputs. Where it is that of an input, whose padding is 0, it
    is taken from the input for the others: a pass of all rows takes seconds.
    """
    layers = flat_layers(model)
    makes_masks = (
        isinstance(layer, keras.layers.Masking) or getattr(layer, "mask_zero", False)
        for layer in layers
    )
    if not any(makes_masks) or not model.built or fixed_batch(model):
        return []
    leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(x) if leaf is not None]
    leaves = [leaf for leaf in leaves if leaf.ndim > 1 and leaf.dtype.kind in "fiub"]
    padding = [leaf != 0 if leaf.ndim == 2 else np.any(leaf != 0, axis=-1) for leaf in leaves]
    found, whole = [], None
    for index, mask in enumerate(_masks_of(model, x, FEW_ROWS)):
        same = [p for p in padding if mask is not None and np.array_equal(p[: len(mask)], mask)]
        if mask is not None and not same:
            whole = whole or _masks_of(model, x, len(first_of(x)))
            same = [whole[index]]
        found.append(same[0] if same else None)
    return found


def _masks_of(model, x, rows):
    """Return the mask of each output for the first rows, read off the outputs."""
    parts = []
    with nothing_moves(model):
        for start in range(0, rows, PROBE_ROWS):
            some = slice(start, min(start + PROBE_ROWS, rows))
            part = each(lambda leaf, some=some: keras.ops.convert_to_tensor(leaf[some]), x)
            outputs = keras.tree.flatten(model(part, training=False))
            parts.append([mask_of(output) for output in outputs])
    return [
        None if masks[0] is None else np.concatenate([keras.ops.convert_to_numpy(m) for m in masks])
        for masks in zip(*parts, strict=True)
    ]
