"""The batches that `fit` and `evaluate` draw for themselves, copied as they pass.

A second iterator on the user's object could cut a cache short, advance a generator or the random
state of a shuffle.
"""

import itertools
from collections import Counter
from dataclasses import dataclass

import keras
import numpy as np

from .rows import (
    SAMPLE_BYTES,
    SAMPLE_ROWS,
    Rows,
    as_array,
    each,
    first_line,
    first_of,
    joined,
    rows_of,
)

BATCHES = 64  # batches of the first epoch that are looked at
FEW_BATCHES = 8  # what an unknown number of batches is taken for: `sample` cuts what is too much
PRINT_VALUES = 64  # values of a row by which it is recognized
PRINT_ROWS = 128  # rows of a batch that are recognized


@dataclass
class Batch:
    """What is kept of a batch as training drew it."""

    size: int  # rows
    labels: np.ndarray | None  # (rows, ...) of the first output, None if they are large
    prints: list  # one number per row (of the first 128), equal for equal inputs


def batches_in_order(x, y, batch_size):
    """Return the batches of arrays that are not shuffled, as `Rows.batches` holds them."""
    leaves = [leaf for leaf in keras.tree.flatten(x) if leaf is not None]
    num_rows = leaves[0].shape[0]
    starts = range(0, num_rows, batch_size)
    chosen = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), BATCHES)).astype(int))
    batches = []
    for start in (starts[i] for i in chosen):
        rows = np.arange(start, min(start + batch_size, num_rows))
        take = keras.tree.map_structure(lambda leaf, rows=rows: rows_of(leaf, rows), (leaves, y))
        batches.append(_batch(*take))
    return batches


def _batch(x, y):
    inputs = [np.asarray(leaf) for leaf in keras.tree.flatten(x) if leaf is not None]
    labels = [leaf for leaf in keras.tree.flatten(y) if leaf is not None][:1]
    small = labels and labels[0].size <= 100 * len(labels[0])
    prints = [hash(row) for row in zip(*map(_bytes_of_rows, inputs), strict=False)]
    return Batch(len(inputs[0]), np.asarray(labels[0]) if small else None, prints)


def _bytes_of_rows(array):
    """Return what tells each of the first rows from others; of texts it is not their bytes."""
    flat = array[:PRINT_ROWS].reshape(min(len(array), PRINT_ROWS), -1)
    flat = np.ascontiguousarray(flat[:, :: max(1, flat.shape[1] // PRINT_VALUES)])
    return [tuple(row) if flat.dtype == object else row.tobytes() for row in flat]


def _labelled(batch):
    """List (print of a row, its label) of a `Batch`, [] without small labels that are numbers."""
    labels = [] if batch.labels is None else batch.labels[: len(batch.prints)]
    is_number = len(labels) and labels.dtype.kind in "fiub"
    return list(zip(batch.prints, labels, strict=False)) if is_number else []


class Passing:
    """Copies of the batches that an `EpochIterator` of Keras hands to the train or test function.

    The iterator is Keras's own, found in the running `fit`. `steps` counts the batches of an epoch,
    None to ask the iterator. The list `left_out` is told what could not be copied.
    """

    def __init__(self, epoch_iterator, steps, left_out):
        self.left_out, self.parts, self.batches = left_out, [], []
        self.spreads = []  # of the values of the first batch of each epoch that was looked at
        self.relabelled = 0.0  # how far labels of known rows moved at most, see `_moved_labels`
        self.rescaled = None  # by what all of them were multiplied
        self.steps = steps or getattr(epoch_iterator, "num_batches", None)
        self._iterator, self._most = epoch_iterator, BATCHES
        self._undo = _watch(epoch_iterator, self)

    def end(self):
        """Look no more."""
        self._most = 0
        self._undo()

    def look_again(self):
        """Look at the first batch of another epoch: how far its inputs spread, and its labels."""
        if self.spreads:  # the first epoch could be read
            self._most = -1
            self._undo = _watch(self._iterator, self)

    @property
    def wanted(self):
        """Whether the next batch is to be looked at."""
        return self._most < 0 or len(self.batches) < self._most

    def keep(self, batch):
        """Copy what is needed of one batch: (x,), (x, y) or (x, y, weights)."""
        if not self.wanted:  # several batches make one step
            return
        try:
            x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
            x, y, weights = each(as_array, (x, y, weights))
            if self._most < 0 or not self.spreads:
                first = first_of(x)  # texts do not spread
                is_number = first.dtype.kind in "fiub"
                self.spreads.append(float(np.std(first.astype("float32"))) if is_number else 0.0)
            if self._most < 0:
                self.relabelled = max(self.relabelled, self._moved_labels(_batch(x, y)))
                self.end()
                return
            self.batches.append(_batch(x, y))
            size = self.batches[-1].size
            share = -(-SAMPLE_ROWS // min(BATCHES, self.steps or FEW_BATCHES))
            row_bytes = sum(leaf.nbytes for leaf in keras.tree.flatten(x) if leaf is not None)
            share = min(share, max(1, SAMPLE_BYTES * size // (BATCHES * max(1, row_bytes))))
            rows = np.unique(np.linspace(0, size - 1, min(size, share)).astype(int))
            self.parts.append(each(lambda leaf: leaf[rows].copy(), (x, y, weights)))
        except Exception as error:  # whatever the user's batches are, training goes on
            self.left_out.append(f"the data: a batch cannot be read ({first_line(error)})")
            self.end()

    def _moved_labels(self, batch, fewest=8):
        """Compare the labels of rows that came in the first epoch with those that they have now.

        Returns how far they are apart as a part of how far labels of other rows are, 0.0 for few.
        """
        first = [pair for earlier in self.batches for pair in _labelled(earlier)]
        times = Counter(number for number, _ in first)
        known = {number: label for number, label in first if times[number] == 1}  # equal rows vary
        pairs = [(known[number], label) for number, label in _labelled(batch) if number in known]
        if len(pairs) < fewest or len({np.shape(label) for pair in pairs for label in pair}) > 1:
            return 0.0
        before, now = (np.array(labels, "float64") for labels in zip(*pairs, strict=True))
        ratio = float(np.median(now[before != 0] / before[before != 0])) if before.any() else 1.0
        self.rescaled = ratio if np.allclose(now, ratio * before, rtol=1e-3) else None
        usual = np.abs(before - np.roll(before, 1, axis=0)).mean()
        return float(np.abs(before - now).mean() / max(usual, 1e-12))

    def sample(self):
        """Return `Rows` of what has passed so far, None if nothing has."""
        if not self.parts:
            return None
        is_whole = len(self.batches) == self.steps
        num_rows = sum(batch.size for batch in self.batches) if is_whole else None
        rows = Rows(*joined(self.parts), num_rows, self.batches)
        return rows.take(np.random.default_rng(0).permutation(len(rows))[:SAMPLE_ROWS])


def _watch(epoch_iterator, passing):
    """Let `passing.keep` see the batches that this iterator gives; return what undoes it.

    Keras has no public place where a callback sees a batch. On JAX and PyTorch the iterator is a
    Python one and is wrapped. On TensorFlow the train function takes a `tf.data.Iterator`: a
    batch is drawn from it and handed on in an iterator of its own, of the same type, so that
    nothing is traced anew and the batches and their order stay as they are.
    """
    if keras.backend.backend() == "tensorflow":
        name, plain = "_enumerate_iterator", epoch_iterator._enumerate_iterator

        def watched():
            for begin, end, iterator in plain():
                if passing.wanted:
                    iterator = _handed_on(iterator, end - begin + 1, passing)
                yield begin, end, iterator
    else:
        name, plain = "_get_iterator", epoch_iterator._get_iterator

        def watched():
            for batch in plain():
                if passing.wanted:
                    passing.keep(batch)
                yield batch

    vars(epoch_iterator)[name] = watched
    return lambda: vars(epoch_iterator).pop(name, None)


def _handed_on(iterator, count, passing):
    import tensorflow as tf

    if not isinstance(iterator, tf.data.Iterator):
        text = "the data (a distributed dataset is not looked at)"
        passing.left_out.extend([text] if text not in passing.left_out else [])
        passing.end()
        return iterator
    batches = list(itertools.islice(iterator, count))
    if not batches:  # the end: let the train function find it
        return iterator
    for batch in batches:
        passing.keep(batch)
    datasets = [tf.data.Dataset.from_tensors(batch) for batch in batches]
    kinds = [tf.data.experimental.to_variant(dataset) for dataset in datasets]
    datasets = [tf.data.experimental.from_variant(k, iterator.element_spec) for k in kinds]
    whole = datasets[0]
    for dataset in datasets[1:]:
        whole = whole.concatenate(dataset)
    options = tf.data.Options()  # it holds one batch: there is nothing to optimize
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return iter(whole.with_options(options))
