"""Passes through the model that move nothing: predictions, activations, what the loss adds."""

import contextlib
import time

import keras
import numpy as np

from .graph import activation_of, flat_layers, tensors_by_key, tensors_of
from .own_code import within
from .rows import each, first_of
from .states import nothing_moves

PROBE_ROWS = 256  # rows whose activations and predictions are computed
SCORED_ROWS = 1024  # rows whose predictions are computed
COMPARED_ROWS = 64  # rows predicted in other company, of large rows 16
LARGE = 16_384  # values of a row from which on it is large
SECONDS = 1.0  # for the predictions, at most


def predictions(model, x, rows, training=False, batch=PROBE_ROWS, owner=None):
    """Return a list of arrays (at most `rows`, ...), one for each output.

    After the time limit the rows so far have to do. Of `owner`, by default the model, nothing
    moves.
    """
    size = len(first_of(x))
    fixed = fixed_batch(model)
    if fixed:  # whole batches only
        batch, size = fixed, size - size % fixed
        rows = min(rows, size)
    parts, start, end = [], 0, time.monotonic() + SECONDS
    with nothing_moves(owner or model):
        while start < min(size, rows) and (not parts or time.monotonic() < end):
            parts.append(_outputs(model, x, slice(start, start + batch), training))
            start += batch
    return [np.concatenate(arrays)[:rows] for arrays in zip(*parts, strict=True)]


def _outputs(model, x, rows, training=False):
    """Return an array for each output, of one batch: these rows."""
    part = each(lambda leaf: keras.ops.convert_to_tensor(leaf[rows]), x)
    values = keras.tree.flatten(model(part, training=training))
    return [keras.ops.convert_to_numpy(_in_full_precision(value)) for value in values]


def _in_full_precision(value):
    """Return numbers of 16 bits as float32: their sums and squares would overflow."""
    is_half = keras.backend.standardize_dtype(value.dtype) in ("float16", "bfloat16")
    return keras.ops.cast(value, "float32") if is_half else value


def fixed_batch(model):
    """Rows that the model wants in a batch, None if any number will do."""
    sizes = [t.shape[0] for t in keras.tree.flatten(getattr(model, "inputs", None) or [])]
    return next((size for size in sizes if size is not None), None)


def values_of(model, tensors, x, rows):
    """Return an array (at most `rows`, ...) for each of these symbolic tensors of the model."""
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    # Named, because a name made by Keras would change those of the user's next models.
    reader = keras.Model(inputs, tensors, name="diagnosis")
    if isinstance(x, dict):
        places = {id(tensor): key for key, tensor in tensors_by_key(model, x).items()}
        x = [x[places[id(tensor)]] for tensor in model.inputs]
    if isinstance(x, (list, tuple)) and len(x) == 1:
        x = x[0]
    return predictions(reader, x, rows, owner=model)


def given_to(layer, model, x, rows):
    """Return array (rows, ...), what a layer is given, wherever in the model it is."""
    given = []
    with listening([layer], lambda _, read, made: given.append(keras.ops.convert_to_numpy(read))):
        predictions(model, x, rows)
    return np.concatenate(given)


@contextlib.contextmanager
def listening(layers, hear):
    """Call `hear(layer, inputs, outputs)` whenever one of these layers is called, meanwhile.

    Inside of nested and subclassed models no symbolic tensor leads there: `call` is wrapped, as
    Keras calls it on the layer itself.
    """

    def wrapped(layer, call):
        def listen(inputs, *args, **kwargs):
            made = call(inputs, *args, **kwargs)
            hear(layer, inputs, made)
            return made

        return listen

    try:
        for layer in layers:
            layer.call = wrapped(layer, layer.call)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def activations_of(model, x):
    """Activations of the hidden layers on the first rows, without dropout.

    Returns a dict from layer to (activation, array (rows, ..., units)); layers that are frozen, or
    within one that wraps them, are left out.
    """
    layers = within(model, wrapped=False)
    kinds = {layer: activation_of(layer) for layer in layers if layer.trainable}
    kinds = {layer: kind for layer, kind in kinds.items() if kind in ("relu", "sigmoid", "tanh")}
    heard = {}
    with (
        nothing_moves(model),
        listening(kinds, lambda layer, _, made: heard.setdefault(layer, made)),
    ):
        rows = fixed_batch(model) or PROBE_ROWS
        part = each(lambda leaf: keras.ops.convert_to_tensor(leaf[:rows]), x)
        outputs = keras.tree.flatten(model(part, training=False)) if kinds else []
    return {
        layer.name: (kinds[layer], keras.ops.convert_to_numpy(_in_full_precision(made)))
        for layer, made in heard.items()
        if not any(made is output for output in outputs)
    }


def _largest_change(before, after):
    """Largest difference as a part of the spread of the predictions; of several outputs, the most.

    `after` may be of the first rows only. A spread next to nothing (a collapsed network) makes
    rounding large: it counts as no change.
    """
    changes = [0.0]
    for a, b in zip(before, after, strict=True):
        a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
        spread = float(a.std())
        if np.all(np.isfinite(a)) and np.all(np.isfinite(b)) and spread > 1e-3 * np.abs(a).max():
            changes.append(float(np.abs(a[: len(b)] - b).max()) / spread)
    return max(changes)


def _rows_to_compare(model, x):
    rows = COMPARED_ROWS if first_of(x)[:1].size <= LARGE else 16
    return max(rows, fixed_batch(model) or 0)


def company(model, x):
    """Predict the same rows again, and a few of them alone.

    Returns a dict: "again" and "alone", the largest change as a part of the predictions' spread; {}
    for a model that takes a batch of one size only, that rounds to 16 bits, or for too few rows.
    """
    rows = min(_rows_to_compare(model, x), len(first_of(x)))
    rounds = any("16" in str(layer.compute_dtype) for layer in flat_layers(model))
    if rows < 16 or rounds or fixed_batch(model):
        return {}
    few = slice(rows // 2, rows // 2 + rows // 8)  # from the middle: what is before them may count
    with nothing_moves(model):  # once for all, so that what is random goes on from pass to pass
        parts = (slice(rows), slice(rows), few)
        together, again, alone = (_outputs(model, x, part) for part in parts)
    if any(len(a) != rows for a in together):
        return {}
    mixed = [whole.copy() for whole in together]
    for whole, part in zip(mixed, alone, strict=True):
        whole[few] = part
    changes = {"again": again, "alone": mixed}
    return {name: _largest_change(together, after) for name, after in changes.items()}


def change_from_later_steps(model, x):
    """Exchange the inputs after the middle step between rows; return the change up to there.

    The model gives a prediction (rows, steps, ...) for each step; `x` is an array (rows, steps) or
    (rows, steps, features). The float returned is the largest change as a part of the predictions'
    spread.
    """
    plain = np.asarray(first_of(x))[:COMPARED_ROWS]
    middle = plain.shape[1] // 2
    given = (plain, _exchanged(plain, slice(middle + 1, None)))
    before, after = (
        [values[:, : middle + 1] for values in predictions(model, part, COMPARED_ROWS)]
        for part in given
    )
    return _largest_change(before, after)


def _exchanged(x, steps):
    """Return rows with the inputs at these steps (a slice of axis 1) of the row before."""
    other = x.copy()
    other[:, steps] = np.roll(x[:, steps], 1, axis=0)
    return other


def effects(model, x, has_ids=False):
    """Exchange parts of the inputs between rows: what changes no prediction is not looked at.

    Parts are the inputs where there are several, and which of them is which; else the halves and
    the order of the steps, of a table the halves of its columns, of images every other line.

    Returns a dict from the part in words to the largest change as a part of the predictions'
    spread; {} where what is exchanged hardly differs. Of rows that are to come back, and no steps,
    it has at most "all": how much they vary as a part of how much the inputs do.
    """
    leaves, rows = keras.tree.flatten(x), _rows_to_compare(model, x)
    plain = [np.asarray(leaf)[:rows] for leaf in leaves]
    if len(plain[0]) < 16 or any(leaf.dtype.kind not in "fiub" for leaf in plain):  # texts
        return {}
    names = sorted(x) if isinstance(x, dict) else range(len(leaves))  # as flatten does
    parts = {}
    if len(plain) > 1:
        for i, name in enumerate(names):
            parts[f"input {name!r}"] = [*plain[:i], np.roll(plain[i], 1, axis=0), *plain[i + 1 :]]
            like = plain[i].shape == plain[0].shape  # numbers of words have their own embedding
            like &= plain[i].dtype.kind == "f" or plain[i].max() == plain[0].max()
            if i > 0 and like:
                others = [plain[i], *plain[1:i], plain[0], *plain[i + 1 :]]
                parts[f"which of the inputs {names[0]!r} and {name!r} is which"] = others
    elif plain[0].ndim == 3 or has_ids:
        (steps,) = plain
        middle = steps.shape[1] // 2
        parts["the first half of the steps"] = [_exchanged(steps, slice(middle))]
        parts["the second half of the steps"] = [_exchanged(steps, slice(middle, None))]
        order = np.random.default_rng(0).permutation(steps.shape[1])
        parts["the order of the steps"] = [steps[:, order]]
    elif plain[0].ndim == 4 and min(plain[0].shape[1:3]) >= 4:
        for first, name in enumerate(("even", "odd")):
            parts[f"the {name} lines of the images"] = [_exchanged(plain[0], slice(first, None, 2))]
    before, found = predictions(model, x, rows, batch=rows), {}
    if not parts and before[0].shape == plain[0].shape and plain[0].std(axis=0).any():
        found["all"] = float(before[0].std(axis=0).mean() / plain[0].std(axis=0).mean())
    elif not parts and plain[0].ndim == 2 and plain[0].shape[1] > 3:
        middle = plain[0].shape[1] // 2
        parts["the first half of the columns"] = [_exchanged(plain[0], slice(middle))]
        parts["the second half of the columns"] = [_exchanged(plain[0], slice(middle, None))]
    for name, other in parts.items():
        differs = max(np.mean(a != b) for a, b in zip(plain, other, strict=True))
        if differs > 0.1:
            changed = keras.tree.pack_sequence_as(x, other)
            found[name] = _largest_change(before, predictions(model, changed, rows))
    return found


def bend(model, x, activation):
    """Return how far from straight lines the predictions run between two rows.

    That is the distance of the prediction midway from the mean of the two, as a part of the spread,
    before the activation of the output; the median over rows. None where rows cannot be averaged,
    less than two layers have weights, or a hidden one is known to bend: it may be dead, say.
    """
    before = {"sigmoid": _log_odds, "softmax": _log_shares, "linear": np.asarray}.get(activation)
    rows = np.asarray(first_of(x))[: _rows_to_compare(model, x)]
    layers = flat_layers(model)
    few = sum(bool(layer.weights) for layer in layers) < 2
    few |= any(activation_of(layer) not in (None, "linear") for layer in layers[:-1])
    if before is None or few or rows.dtype.kind != "f" or len(keras.tree.flatten(x)) != 1:
        return None
    others = np.roll(rows, 1, axis=0)
    given = (keras.tree.pack_sequence_as(x, [part]) for part in (rows, others, (rows + others) / 2))
    first, second, midway = (before(predictions(model, part, len(rows))[0]) for part in given)
    off = np.abs(midway - (first + second) / 2)
    spread = float(first.std(axis=0).max())  # next to nothing, as of dead units, it tells nothing
    return float(np.median(off)) / spread if spread > 1e-3 * np.abs(first).max() else None


def _log_shares(values):
    logs = np.log(np.clip(values, 1e-7, 1))
    return logs - logs.mean(axis=-1, keepdims=True)


def _log_odds(values):
    values = np.clip(values, 1e-7, 1 - 1e-7)
    return np.log(values / (1 - values))


def row_shares(model, x, most=8, values=2**24):
    """Part of the spread of each unit that lies between rows, by layer; the rest is of the steps.

    Of the first layers that give (rows, steps, units), without those within nested models.
    """
    given = {layer.name: tensors_of(layer, "output") for layer in model.layers}
    given = {name: out[0] for name, out in given.items() if out and len(out[0].shape) == 3}
    names = list(given)[:most]
    size = sum(int(np.prod([n or 1 for n in given[name].shape])) for name in names)
    rows = min(PROBE_ROWS, values // max(1, size))
    if len(names) < 2 or rows < 2:
        return {}
    made = values_of(model, [given[name] for name in names], x, rows)
    spreads = [(part.var(axis=0).mean(), part.var(axis=(0, 1)).mean()) for part in made]
    shares = [float(between / max(whole, 1e-12)) for between, whole in spreads]
    return dict(zip(names, shares, strict=True))


def of_equal_inputs(model, x):
    """Give two inputs the same rows; return what the model makes of these, None if it varies.

    A distance is 0 then, a likeness 1, whatever the weights are.
    """
    leaves = keras.tree.flatten(x)
    if len(leaves) != 2 or np.shape(leaves[0]) != np.shape(leaves[1]):  # of numbers there are two
        return None
    first = np.asarray(leaves[0])
    both = keras.tree.pack_sequence_as(x, [first[:COMPARED_ROWS]] * 2)
    (usual,), (same,) = (predictions(model, rows, COMPARED_ROWS) for rows in (x, both))
    return float(same.mean()) if np.ptp(same) < 1e-3 * np.ptp(usual) else None


def is_difference(model, x):
    """Tell whether what one of two inputs gains by an exchange of them the other loses.

    So it is where the same network scores both, and the difference says which is the better.
    """
    leaves = keras.tree.flatten(x)
    if len(leaves) != 2 or np.shape(leaves[0]) != np.shape(leaves[1]):
        return False
    exchanged = keras.tree.pack_sequence_as(x, leaves[::-1])
    (usual,), (other,) = (predictions(model, rows, COMPARED_ROWS) for rows in (x, exchanged))
    return bool(np.ptp(usual + other) < 1e-3 * np.ptp(usual))


def added_to_loss(model, x):
    """Sum of what layers add to the loss of a batch (`add_loss`, activity), without penalties."""
    rows = fixed_batch(model) or COMPARED_ROWS
    with nothing_moves(model) as scope:
        _outputs(model, x, slice(rows), training=True)
        return float(sum(np.sum(keras.ops.convert_to_numpy(value)) for value in scope.losses))


def penalty_of(model):
    """Sum of the penalties on the weights (L1, L2 and the like), as the loss contains it."""
    with nothing_moves(model):
        terms = [
            keras.ops.convert_to_numpy(variable.regularizer(variable))
            for variable in model.trainable_variables
            if getattr(variable, "regularizer", None) is not None
        ]
    return float(sum(terms))
