"""Training data of any kind, cut into batches of any size.

`Arrays` have an order of their own for each epoch, the same in both engines and on each backend.
`Stream` is a `tf.data.Dataset` or a `keras.utils.PyDataset`: it brings its own order and is cut
into the batch size asked for, whatever batches it came in.
"""

import math
import zlib

import keras
import numpy as np

DEVICE_BYTES = 2 * 2**30  # arrays larger than this stay out of the device's memory


def batch_order(seed, epoch, num_examples):
    """Order in which an epoch visits the examples.

    Args:
        seed: int, the seed of the trial.
        epoch: int, counted from 0.
        num_examples: int, n.

    Returns:
        int32 array (n,), a permutation; batch i of size b takes its elements i·b to (i + 1)·b.

    """
    return np.random.default_rng([seed, epoch]).permutation(num_examples).astype("int32")


def as_data(data, what, model=None):
    """Wrap what the user gave.

    Args:
        data: (x, y) or (x, y, sample_weight) of arrays or nested arrays with n rows each, a
            `tf.data.Dataset`, or a `keras.utils.PyDataset`.
        what: str for error messages, such as "train".
        model: the model to be trained; the rank of its input tells whether a dataset is batched.

    Returns:
        `Arrays` or `Stream`.

    Raises:
        ValueError: if it is anything else, empty, or of unequal lengths.

    """
    if isinstance(data, (Arrays, Stream)):
        return data
    if isinstance(data, keras.utils.PyDataset) or hasattr(data, "element_spec"):
        return Stream(data, what, model)
    if isinstance(data, (tuple, list)) and 1 <= len(data) <= 3:
        return Arrays(tuple(data), what)
    raise ValueError(
        f"`{what}` must be (x, y), (x, y, sample_weight), a tf.data.Dataset or a "
        f"keras.utils.PyDataset; got {type(data).__name__}."
    )


def _to_array(leaf):
    array = np.asarray(keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else leaf)
    if array.dtype == object or array.ndim == 0:
        raise ValueError(f"expected arrays, got {type(leaf).__name__} of dtype {array.dtype}")
    is_double = array.dtype == np.float64
    return array.astype(keras.config.floatx()) if is_double else array  # as `fit` does


class Arrays:
    """Arrays in memory: `parts` is (x, y) or (x, y, sample_weight), `num_examples` is n."""

    def __init__(self, parts, what):
        parts = tuple(part for part in parts if part is not None)
        try:
            self.parts = tuple(
                _to_array(part)
                if isinstance(part, list) and np.isscalar(part[0] if part else 0)
                else keras.tree.map_structure(_to_array, part)
                for part in parts
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"`{what}` cannot be used: {error}.") from None
        lengths = [len(leaf) for leaf in keras.tree.flatten(self.parts)]
        if len(set(lengths)) != 1:
            raise ValueError(f"The arrays of `{what}` have unequal lengths: {lengths}.")
        if lengths[0] == 0:
            raise ValueError(f"`{what}` is empty.")
        self.num_examples = lengths[0]
        self._converted = {}
        self.bytes = sum(leaf.nbytes for leaf in keras.tree.flatten(self.parts))

    def head(self, rows):
        """Return the first examples, as (x, y[, sample_weight])."""
        return keras.tree.map_structure(lambda leaf: leaf[:rows], self.parts)

    def converted(self, convert):
        """Return `convert(array)` of all arrays; done once, so that models share what it returns.

        Args:
            convert: function of an array, such as one that puts it into the device's memory.

        """
        if convert not in self._converted:
            self._converted[convert] = keras.tree.map_structure(convert, self.parts)
        return self._converted[convert]

    def batches(self, batch_size, seed=None):
        """Batches as something that `fit` takes; in the order of the seed, or as they stand."""
        return ArrayBatches(self, batch_size, seed)

    def fingerprint(self):
        """Return a short description in which other data of the same shape reads differently."""
        leaves = keras.tree.flatten(self.parts)
        checksum = 0
        for leaf in leaves:
            checksum = zlib.crc32(np.ascontiguousarray(leaf), checksum)
        shapes = " ".join(str(leaf.shape).replace(" ", "") for leaf in leaves)
        return f"{shapes} checksum {checksum:08x}"


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays in the order of an epoch, which `set_epoch` chooses."""

    def __init__(self, arrays, batch_size, seed):
        super().__init__()
        self._arrays, self._batch_size, self._seed = arrays, batch_size, seed
        self._order, self._rows = None, None
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Choose the epoch, counted from 0; without a seed the order is that of the arrays."""
        if self._seed is not None:
            self._order = batch_order(self._seed, epoch, self._arrays.num_examples)
            if self._rows is not None:
                self._rows.assign(self._order)

    def pipeline(self):
        """Return the same batches as a `tf.data.Dataset`: `fit` needs half the time for an epoch.

        On other backends, and of arrays too large to be held twice, return this object.
        """
        if keras.backend.backend() != "tensorflow" or self._arrays.bytes > DEVICE_BYTES:
            return self
        import tensorflow as tf

        num_examples = self._arrays.num_examples
        with tf.device("CPU:0"):
            order = np.arange(num_examples) if self._order is None else self._order
            self._rows = tf.Variable(order, dtype=tf.int32)
            parts = keras.tree.lists_to_tuples(self._arrays.parts)  # tf.data would stack a list
            parts = keras.tree.map_structure(tf.convert_to_tensor, parts)

        def batch(start):
            rows = self._rows[start : start + self._batch_size]
            return keras.tree.map_structure(lambda leaf: tf.gather(leaf, rows), parts)

        starts = tf.data.Dataset.range(0, num_examples, self._batch_size, output_type=tf.int32)
        return starts.map(batch).prefetch(2)

    def __len__(self):
        return math.ceil(self._arrays.num_examples / self._batch_size)

    def __getitem__(self, index):
        rows = slice(index * self._batch_size, (index + 1) * self._batch_size)
        rows = rows if self._order is None else self._order[rows]
        return keras.tree.map_structure(lambda leaf: leaf[rows], self._arrays.parts)


class Stream:
    """A `tf.data.Dataset` or `PyDataset`; `num_examples` is counted by going through it once."""

    bytes = math.inf

    def __init__(self, source, what, model):
        self.source = source
        self.is_python = isinstance(source, keras.utils.PyDataset)
        if self.is_python:
            if not source.num_batches:
                raise ValueError(f"`{what}` is a PyDataset without a number of batches.")
            self._sizes = [_rows(source[i]) for i in range(source.num_batches)]
            self.num_examples = sum(self._sizes)
        else:
            if source.cardinality() == -1:
                raise ValueError(f"`{what}` never ends; use `.take(n)` to give an epoch's length.")
            self.is_batched = _is_batched(source, model)
            one = source.unbatch() if self.is_batched else source
            self.num_examples = int(one.reduce(np.int64(0), lambda count, *_: count + 1))
        if self.num_examples == 0:
            raise ValueError(f"`{what}` is empty.")

    def head(self, rows):
        """Return the first examples, as (x, y[, sample_weight])."""
        batches = self.batches(rows)
        return batches[0] if self.is_python else next(iter(batches))

    def batches(self, batch_size, seed=None):
        """Cut into batches of this size, whatever the batches were before."""
        del seed  # the order is the source's own
        if self.is_python:
            return _Rebatched(self.source, self._sizes, batch_size)
        if self.is_batched:
            return self.source.rebatch(batch_size).prefetch(2)
        return self.source.batch(batch_size).prefetch(2)

    def fingerprint(self):
        """Return a short description: the kind and the number of examples."""
        return f"{type(self.source).__name__} of {self.num_examples} examples"


def _rows(batch):
    return len(keras.tree.flatten(batch)[0])


def _is_batched(dataset, model):
    """Whether the elements of a `tf.data.Dataset` are batches rather than single examples."""
    spec = dataset.element_spec
    shapes = [leaf.shape for leaf in keras.tree.flatten(spec)]
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    ranks = [leaf.shape.rank for leaf in keras.tree.flatten(spec[0])]
    if inputs and None not in ranks:  # all of them: a dict's order is not that of the inputs
        return sum(ranks) == sum(len(tensor.shape) for tensor in inputs)
    return all(shape.rank for shape in shapes) and len({shape[0] for shape in shapes}) == 1


class _Rebatched(keras.utils.PyDataset):
    """Batches of another size out of a PyDataset, which may be asked for any of them."""

    def __init__(self, source, sizes, batch_size):
        super().__init__()
        self._source, self._batch_size = source, batch_size
        self._ends = np.cumsum(sizes)

    def __len__(self):
        return math.ceil(int(self._ends[-1]) / self._batch_size)

    def __getitem__(self, index):
        start = index * self._batch_size
        stop = min(start + self._batch_size, int(self._ends[-1]))
        pieces = []
        for item in range(
            int(np.searchsorted(self._ends, start, "right")),
            int(np.searchsorted(self._ends, stop, "left")) + 1,
        ):
            batch = self._source[item]
            first = int(self._ends[item]) - _rows(batch)
            rows = slice(max(0, start - first), stop - first)
            pieces.append(
                keras.tree.map_structure(lambda leaf, rows=rows: np.asarray(leaf)[rows], batch)
            )
        return keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *pieces)

    def on_epoch_end(self):
        self._source.on_epoch_end()
