"""Which labels count: the loss leaves out steps that a mask hides or whose weight is 0.

Padding is such a step: at its end a sequence has no label, though the array has a number there.
"""

import keras
import numpy as np
from keras.src.backend import get_keras_mask  # private, see `_masks`

from .graph import flat_layers
from .passes import PROBE_ROWS, fixed_batch
from .rows import each, first_of
from .states import nothing_moves


def labels_of(model, y):
    """Return a list of the labels of each output."""
    names = list(getattr(model, "output_names", None) or [])
    return keras.tree.flatten([y.get(n) for n in names] if isinstance(y, dict) else y)


def note_known(model, rows):
    """Note in `Rows` which steps count: `known`, a bool array (rows, steps) per output.

    It is None where all of an output's steps do, or where its labels have no steps.
    """
    weights = [] if rows.weights is None else labels_of(model, rows.weights)
    masks = _masks(model, rows.x)
    rows.known = []
    for index, labels in enumerate(labels_of(model, rows.y)):
        shape, known = np.shape(labels)[:2], None
        has_steps = len(shape) == 2 and shape[1] > 1
        for marks in (masks, weights):
            mark = marks[index] if has_steps and index < len(marks) else None
            if mark is not None and np.size(mark) == shape[0] * shape[1]:
                mark = np.reshape(mark, shape) != 0
                known = mark if known is None else known & mark
        is_part = known is not None and known.any() and not known.all()
        rows.known.append(known if is_part else None)


def _masks(model, x):
    """Return the mask of each output, bool (rows, steps) or None; [] where no layer makes one.

    Keras hands a mask on beside the tensor and offers no public way to read it there.
    """
    layers = flat_layers(model)
    makes_masks = (getattr(layer, "mask_zero", False) for layer in layers)
    is_masking = (isinstance(layer, keras.layers.Masking) for layer in layers)
    if not (any(makes_masks) or any(is_masking)) or not model.built or fixed_batch(model):
        return []
    parts = []
    with nothing_moves(model):
        for start in range(0, len(first_of(x)), PROBE_ROWS):
            rows = slice(start, start + PROBE_ROWS)
            part = each(lambda leaf, rows=rows: keras.ops.convert_to_tensor(leaf[rows]), x)
            outputs = keras.tree.flatten(model(part, training=False))
            parts.append([get_keras_mask(output) for output in outputs])
    return [
        None if masks[0] is None else np.concatenate([keras.ops.convert_to_numpy(m) for m in masks])
        for masks in zip(*parts, strict=True)
    ]
