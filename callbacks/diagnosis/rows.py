"""Rows of the user's data: arrays are read as they are given, streams up to a limit.

`Diagnosis` itself reads arrays only; of streams it copies what passes (`passing`).
"""

import re
import textwrap
import time
from dataclasses import dataclass, field, replace

import keras
import numpy as np

SAMPLE_ROWS = 1024  # rows kept
SAMPLE_BYTES = 64 * 2**20  # of one array at most
EXPERIMENT_ROWS = 2048  # rows that experiments train on
LIGHT = 0.05  # of the mean weight: rows up to there weigh next to nothing
# what Keras and TensorFlow write around the line that says what is wrong
AROUND_AN_ERROR = r'\[\[|Traceback|File "|Detected at|Graph execution error|<stack traces'
AROUND_AN_ERROR += r"|in user code|Exception encountered when"


@dataclass
class Rows:
    """Some rows of a data set, in memory."""

    x: object  # inputs, structure of arrays (rows, ...)
    y: object  # labels, structure of arrays (rows, ...) or None
    weights: np.ndarray | None = None  # sample weights (rows,)
    num_rows: int | None = None  # of the whole set, None if it is not known
    batches: list = field(default_factory=list)  # of `passing.Batch` as the first epoch drew them
    windows: bool = False  # whether each row repeats the one before, moved on by a step
    not_finite: list = field(default_factory=list)  # texts: values outside the sample
    in_order: bool = False  # whether training takes the rows in this order, as a stream does
    batch_size: int | None = None  # rows in a batch of the stream they come from
    known: list | None = None  # of each output what counts in its loss, see `note_known`

    def __len__(self):
        return len(first_of(self.x))

    def take(self, index):
        """Return the rows at these places, in this order."""
        parts = (self.x, self.y, self.weights, self.known)
        x, y, weights, known = each(lambda leaf: leaf[index], parts)
        return replace(self, x=x, y=y, weights=weights, known=known)

    def known_of(self, index):
        """Return which steps of an output count, None if all do."""
        return self.known[index] if self.known and index < len(self.known) else None


def mean_weight(rows):
    """Return what a row weighs on average, None where rows have no weights."""
    weights = [leaf for leaf in keras.tree.flatten(rows.weights) if leaf is not None]
    return float(np.mean([np.abs(leaf).mean() for leaf in weights])) if weights else None


def counted(rows):
    """Return `Rows` without those that weigh next to nothing: their labels no loss compares.

    Together they have less than a twentieth of the weight. Where a class has no other rows all
    stay: that is no unknown label, it is not learned.
    """
    if rows.weights is None or rows.y is None:
        return rows
    weights = [np.asarray(leaf) for leaf in keras.tree.flatten(rows.weights) if leaf is not None]
    each_row = [np.abs(leaf.reshape(len(leaf), -1)).sum(axis=1) for leaf in weights]
    count = np.any([row > LIGHT * row.mean() for row in each_row], axis=0)
    if count.all() or not count.any():
        return rows
    labels = np.asarray(first_of(rows.y)).reshape(len(count), -1)
    kinds = np.array([hash(row.tobytes()) for row in labels])
    is_silent = ~np.isin(kinds, kinds[count]) & np.all(labels >= 0, axis=1)
    is_class = len(np.unique(kinds)) < len(kinds) / 4
    if is_class and is_silent.any():
        return rows
    return rows.take(np.flatnonzero(count))


def of_known(values, known):
    """Return those of the values (rows or fewer, steps, ...) that count: (known ones, ...).

    They stay as they are where all count, or where these have been chosen before.
    """
    if known is None or np.shape(values)[: known.ndim] != np.shape(known[: len(values)]):
        return values
    if known.ndim == 1 and len(values) == known.sum():
        return values
    return np.asarray(values)[known[: len(values)]]


def ends_with_0(x):
    """Return the shares of the rows (rows, steps) that begin and that end with 0."""
    return float(np.mean(x[:, 0] == 0)), float(np.mean(x[:, -1] == 0))


def first_of(structure):
    """Return the first array of a structure that may hold None."""
    return next(leaf for leaf in keras.tree.flatten(structure) if leaf is not None)


def each(function, structure):
    """Return the structure with the function applied to its arrays; None stays None."""
    return keras.tree.map_structure(
        lambda leaf: None if leaf is None else function(leaf), structure
    )


def joined(parts):
    """Return structures of arrays in one, their rows one after the other; None stays None."""
    return keras.tree.map_structure(
        lambda *leaves: None if leaves[0] is None else np.concatenate(leaves), *parts
    )


def as_array(leaf):
    """Return an array or a tensor, ragged too, as NumPy of at least one axis."""
    if hasattr(leaf, "to_tensor"):  # ragged
        leaf = leaf.to_tensor()
    return np.atleast_1d(
        keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else np.asarray(leaf)
    )


def first_line(error):
    """Return an error in one line of at most 150 characters, without what names places inside.

    It is the first line that says what is wrong; of an error in a graph, with its stack, the last.
    """
    text = re.sub(r"\x1b\[\d*m|\{\{.*?\}\} ?", "", str(error)).strip()
    lines = [line.strip() for line in text.partition("Arguments received by")[0].splitlines()]
    lines = [line for line in lines if line and not re.match(AROUND_AN_ERROR, line)] or [""]
    line = lines[-1 if text.startswith("Graph execution error") else 0]
    return textwrap.shorten(f"{type(error).__name__}: {line}", 150, placeholder=" …")


def named(x):
    """Return {key, or place: array} of what `fit` is given as one array, a list or a dict."""
    return x if isinstance(x, dict) else dict(enumerate(keras.tree.flatten(x)))


def each_named(x, change):
    """Return the same with each array as `change(key, array)` makes it."""
    changed = {key: change(key, value) for key, value in named(x).items()}
    return changed if isinstance(x, dict) else keras.tree.pack_sequence_as(x, [*changed.values()])


def name_of(key, x):
    """Return what the input of this key is called."""
    return f"input {key!r}" if len(named(x)) > 1 else "the input"


def inputs_of(x):
    """Return {the input in words: array} of the inputs that are numbers."""
    return {
        name_of(key, x): np.asarray(value)
        for key, value in named(x).items()
        if value is not None and np.asarray(value).dtype.kind in "fiub"
    }


def is_arrays(*structures):
    """Tell whether all of it can be read by row, without drawing from it."""
    leaves = [leaf for leaf in keras.tree.flatten(structures) if leaf is not None]
    readable = all(
        hasattr(leaf, "shape") and (hasattr(leaf, "__getitem__") or hasattr(leaf, "iloc"))
        for leaf in leaves
    )
    return bool(leaves) and readable and not any(hasattr(leaf, "batch") for leaf in leaves)


def sample_arrays(x, y, weights=None, most=SAMPLE_ROWS, mixed=True):
    """Return `Rows` drawn at random; mixed, as the first of sorted rows would be of one class."""
    leaves = [leaf for leaf in keras.tree.flatten((x, y)) if leaf is not None]
    num_rows = leaves[0].shape[0]
    row_bytes = max(int(np.prod(leaf.shape[1:], dtype="float64")) for leaf in leaves) * 4
    size = min(num_rows, most, max(32, SAMPLE_BYTES // max(1, row_bytes)))
    rows = np.random.default_rng(0).choice(num_rows, size, replace=False)
    rows = rows if mixed else np.sort(rows)
    whole = {"inputs": x, "labels": y, "sample weights": weights}
    parts = each(lambda leaf: rows_of(leaf, rows), (x, y, weights))
    sample = Rows(*parts, num_rows)
    for (name, part), taken in zip(whole.items(), parts, strict=True):
        sample.not_finite += _missed(name, part, taken)
    return sample


def _missed(name, part, taken):
    """Yield a text for each array whose values that are no finite numbers the sample missed."""
    for leaf, rows in zip(keras.tree.flatten(part), keras.tree.flatten(taken), strict=True):
        is_float = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
        if is_float and not np.isfinite(np.sum(leaf, dtype="float64")):  # needs no copy
            bad = np.argwhere(~np.isfinite(leaf))
            if len(bad) and np.all(np.isfinite(rows)):
                row = int(bad[0][0])
                yield f"{len(bad)} of {leaf.size} {name} are NaN or infinite, first in row {row}."


def rows_of(leaf, rows):
    """Take rows of an array, table, sparse matrix or tensor as NumPy, in the order asked for."""
    if keras.ops.is_tensor(leaf):
        return keras.ops.convert_to_numpy(keras.ops.take(leaf, rows, axis=0))
    if hasattr(leaf, "iloc"):
        return leaf.iloc[rows].to_numpy()
    if isinstance(leaf, np.ndarray):
        return leaf[rows]
    taken = leaf[np.sort(rows)]  # files of HDF5 give ascending rows only
    taken = taken.toarray() if hasattr(taken, "toarray") else np.asarray(taken)
    return taken[np.argsort(np.argsort(rows))]


def is_series(x):
    """Tell whether the rows are windows of a series: each repeats the last one, moved by a step."""
    leaf = first_of(x)
    if len(leaf.shape) not in (2, 3) or leaf.shape[0] < 32 or hasattr(leaf, "tocsr"):
        return False
    rows = rows_of(leaf, np.arange(32))
    flat = rows.reshape(32, -1)
    for step in {1, rows.shape[-1]}:
        moved = flat[1:, :-step], flat[:-1, step:]
        if moved[0].size and np.any(moved[0] != moved[0][0, 0]) and np.array_equal(*moved):
            return True
    return False


def read_rows(data, what, most=EXPERIMENT_ROWS, seconds=10.0):
    """Read at most `most` rows, spread over all of the data, in their order; return `Rows`.

    The data are (x, y) or (x, y, sample_weight) of arrays (nested, with n rows each), the same as a
    dict {"x", "y"} or as `Rows`, or batches with a known end: tf.data, PyDataset, DataLoader. A
    stream that takes longer than these seconds is read up to there. `what` is a name for messages,
    such as "train". Raises a `ValueError` if the data cannot be read, have no end, no labels or no
    rows.
    """
    if isinstance(data, Rows):
        data = (data.x, data.y, *([] if data.weights is None else [data.weights]))
    if isinstance(data, dict) and {"x", "y"} <= set(data):
        data = [data[key] for key in ("x", "y", "sample_weight") if key in data]
    try:
        if isinstance(data, (tuple, list)):
            return _rows_of_arrays(data, what, most)
        return _rows_of_batches(data, what, most, seconds)
    except _Unusable as error:
        raise ValueError(str(error)) from None
    except Exception as error:
        raise ValueError(f"`{what}` cannot be read: {first_line(error)}") from error


class _Unusable(ValueError):
    """The data were read, and are of no use; says why."""


def _rows_of_arrays(parts, what, most):
    if len(parts) not in (2, 3) or any(part is None for part in parts[:2]):
        text = f"`{what}` must be (x, y) or (x, y, sample_weight): an experiment needs the labels"
        raise _Unusable(f"{text}; got {len(parts)} part(s).")
    parts = [_nested(part) for part in parts if part is not None]
    lengths = sorted({leaf.shape[0] for leaf in keras.tree.flatten(parts)})
    if len(lengths) > 1:
        raise _Unusable(f"The arrays of `{what}` have {lengths} rows: give each the same number.")
    if lengths == [0]:
        raise _Unusable(f"`{what}` has no rows.")
    rows = sample_arrays(*parts, most=most, mixed=False)
    x, y, weights = each(_as_fit_does, (rows.x, rows.y, rows.weights))
    return replace(rows, x=x, y=y, weights=weights)


def _nested(part):
    """Return a list of numbers or rows as one array; keep a list of arrays, one per input."""
    is_rows = isinstance(part, (list, tuple)) and not (part and hasattr(part[0], "shape"))
    return np.asarray(part) if is_rows else part


def _as_fit_does(leaf):
    """Return an array of the precision that Keras computes with."""
    array = as_array(leaf)
    return array.astype(keras.config.floatx()) if array.dtype == np.float64 else array


def _spread(data, what, most):
    """Yield batches evenly spaced, so that about `most` rows come from all of a stream."""
    by_number = isinstance(data, keras.utils.PyDataset)
    if by_number:
        count = data.num_batches
    elif hasattr(data, "cardinality"):  # tf.data: -1 is endless, -2 unknown
        count = int(data.cardinality())
    elif hasattr(data, "__len__") and hasattr(data, "__iter__"):
        count = len(data)
    else:
        text = "arrays (x, y), or a tf.data.Dataset or PyDataset with a known end"
        raise _Unusable(f"`{what}` must be {text}; got {type(data).__name__}.")
    if count in (None, -1):
        raise _Unusable(f"`{what}` has no end: pass a part of it, such as `{what}.take(100)`.")

    def step_after(batch):
        return max(1, -(-count * len(keras.tree.flatten(batch)[0]) // most))  # 1 if not known

    if by_number:
        yield from (data[number] for number in range(0, count, step_after(data[0])))
        return
    step = None
    for number, batch in enumerate(data):
        step = step or step_after(batch)
        if number % step == 0:
            yield batch


def _rows_of_batches(data, what, most, seconds):
    end = time.monotonic() + seconds
    read, count = [], 0
    for batch in _spread(data, what, most):
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            text = "yields batches without labels" if read == [] else "has batches of another form"
            raise _Unusable(f"`{what}` {text}: an experiment needs (x, y).")
        read.append(keras.tree.map_structure(_as_fit_does, tuple(batch)))
        count += len(keras.tree.flatten(batch)[0])
        if count >= most or time.monotonic() > end:
            break
    if not count:
        raise _Unusable(f"`{what}` has no rows.")
    try:
        parts = each(lambda leaf: leaf[:most], joined(read))
    except ValueError:
        text = "rows of different shapes: pad them to one"
        raise _Unusable(f"The batches of `{what}` have {text}.") from None
    size = len(keras.tree.flatten(read[0])[0])
    return Rows(*parts, in_order=True, batch_size=size)
