"""Training data of any kind, cut into batches of any size: the one reader of data.

`Arrays` have an order of their own for each epoch, the same in all engines and on each backend.
`Stream` is a `tf.data.Dataset` or a `keras.utils.PyDataset`: it brings its own order and is cut
into the batch size asked for, whatever batches it came in.
"""

import math
import time
import zlib

import keras
import numpy as np
from keras import tree

from ..errors import InputError

DEVICE_BYTES = 2 * 2**30  # arrays larger than this stay out of the device's memory
SHORT_READING = 10  # seconds: such a dataset is read twice, to see what changes
CHANGES = -1  # in place of a checksum of what is other in each reading
UNKNOWN = "whose rows are not compared"
MOST_COUNTING = 120  # seconds to count a dataset; one that never ends would be counted for ever


def batch_order(seed, epoch, num_examples):
    """Return the order in which an epoch visits the examples, int32 (n,); `epoch` counts from 0.

    Batch i of size b takes its elements i·b to (i + 1)·b.
    """
    return np.random.default_rng([seed, epoch]).permutation(num_examples).astype("int32")


def as_data(data, what, steps=None, class_weight=None):
    """Wrap what the user gave as `what` as `Arrays` or `Stream`; InputError if it cannot be used.

    `steps` are the batches that are an epoch of a dataset, None for all of it.
    """
    if isinstance(data, (Arrays, Stream)):
        return data
    if isinstance(data, keras.utils.PyDataset) or hasattr(data, "element_spec"):
        return Stream(data, what, steps, class_weight)
    if steps is not None and not hasattr(data, "__next__"):
        raise InputError(f"Steps per epoch are for datasets, but `{what}` holds arrays.")
    if isinstance(data, (tuple, list)) and 1 <= len(data) <= 3:
        return Arrays(tuple(data), what, class_weight)
    if hasattr(data, "shape") and len(data.shape):
        return Arrays((data,), what, class_weight)
    advice = ""
    if hasattr(data, "__next__"):
        advice = " (a generator can be read only once: wrap it in tf.data.Dataset.from_generator)"
    raise InputError(
        f"`{what}` must be (x, y), (x, y, sample_weight), x alone, a tf.data.Dataset or a "
        f"keras.utils.PyDataset; got {type(data).__name__}{advice}."
    )


# ---- arrays ----


def _to_numpy(leaf):
    return np.asarray(keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else leaf)


def _to_array(leaf):
    """Return what `fit` takes as an array as one, floats in Keras's float type."""
    if hasattr(leaf, "tocsr"):  # of SciPy
        if math.prod(leaf.shape) * 4 > DEVICE_BYTES:
            raise InputError(
                f"a sparse matrix of {leaf.shape} is too large to be made dense: give a "
                "tf.data.Dataset of batches"
            )
        leaf = leaf.toarray()
    array = _to_numpy(leaf)
    if array.dtype == object and all(isinstance(value, (str, bytes)) for value in array.flat):
        array = array.astype(str)
    if array.dtype == object and hasattr(leaf, "columns"):
        kinds = list(leaf.dtypes.items())  # pandas has types beside those of NumPy
        plain = [n for n, kind in kinds if isinstance(kind, np.dtype) and kind.kind in "iuf"]
        other = [f"{name}: {kind}" for name, kind in kinds if name not in plain]
        raise InputError(
            f"not all of its columns are plain numbers ({', '.join(other[:3])}); make them so, as "
            "frame.astype('float32') does, or give a dict of arrays, one for each input of the "
            "model"
        )
    if array.dtype.kind in "OVmM" or array.ndim == 0:
        kind = f"{type(leaf).__name__} of dtype {array.dtype}"
        raise InputError(f"expected arrays of numbers or text, got {kind}")
    return array.astype(keras.config.floatx()) if array.dtype == np.float64 else array


def _to_arrays(part):
    is_list = isinstance(part, list)  # of numbers it is one array
    if is_list and all(map(np.isscalar, tree.flatten(part)[:1])):
        return _to_array(part)
    return tree.map_structure(_to_array, part)


class Arrays:
    """Arrays in memory: `parts` is (x,), (x, y) or (x, y, sample_weight), `num_examples` n."""

    def __init__(self, parts, what, class_weight=None):
        try:
            self.parts = tuple(_to_arrays(part) for part in parts if part is not None)
        except (ValueError, TypeError) as error:
            if "inhomogeneous" in str(error):  # NumPy's word
                error = "its rows are of unequal length; pad them with keras.utils.pad_sequences"
            raise InputError(f"`{what}` cannot be used: {error}.") from None
        lengths = [len(leaf) for leaf in tree.flatten(self.parts)]
        if len(set(lengths)) != 1:
            raise InputError(f"The arrays of `{what}` have unequal lengths: {lengths}.")
        if lengths[0] == 0:
            raise InputError(f"`{what}` is empty.")
        if class_weight and len(self.parts) != 2:
            raise InputError(f"`class_weight` needs `{what}` to be (x, y).")
        labels = self.parts[1] if class_weight else None
        is_plain = isinstance(labels, np.ndarray) and labels.dtype.kind in "iubf"
        if is_plain and np.all(np.isfinite(labels)):
            is_one_hot = labels.ndim > 1 and labels.shape[-1] > 1
            last = int(labels.argmax(-1).max() if is_one_hot else labels.max())
            if last > max(map(int, class_weight)):
                raise InputError(f"`class_weight` lacks class {last}, which `{what}` holds.")
        self.num_examples, self.class_weight = lengths[0], class_weight
        self._converted = {}
        self.bytes = sum(leaf.nbytes for leaf in tree.flatten(self.parts))
        self.has_text = any(leaf.dtype.kind in "SU" for leaf in tree.flatten(self.parts[0]))

    def rows(self, rows):
        """Return these rows of all arrays, as `parts`."""
        return tree.map_structure(lambda leaf: leaf[rows], self.parts)

    def head(self, number):
        """Return the first examples as a training step gets them."""
        return as_step(self.rows(slice(number)))

    def split(self, share, seed):
        """Return two `Arrays`: this share of the examples, drawn with the seed, is the second."""
        order = np.random.default_rng(seed).permutation(self.num_examples)
        number = round(share * self.num_examples)
        if not 0 < number < self.num_examples:
            raise InputError(
                f"`validation_split` {share} of {self.num_examples} examples leaves nothing."
            )
        rest, drawn = self.rows(order[number:]), self.rows(order[:number])
        return Arrays(rest, "train", self.class_weight), Arrays(drawn, "validation")

    def is_twice_the_same(self):
        """Whether this is (x, x), as some give the data of an autoencoder."""
        is_plain = all(isinstance(part, np.ndarray) for part in self.parts)
        return len(self.parts) == 2 and is_plain and np.array_equal(*self.parts)

    def converted(self, convert):
        """Return `convert(array)` of all arrays; done once, so that models share it."""
        if convert not in self._converted:
            self._converted[convert] = tree.map_structure(convert, self.parts)
        return self._converted[convert]

    def batches(self, batch_size, seed=None, whole=False):
        """Batches as something that `fit` takes; in the order of the seed, or as they stand.

        `whole` leaves the last one out if it is smaller.
        """
        return ArrayBatches(self, batch_size, seed, whole)

    @property
    def labels(self):
        """Labels as one array, None where they are several or none."""
        is_one = len(self.parts) > 1 and isinstance(self.parts[1], np.ndarray)
        return self.parts[1] if is_one else None

    def form(self):
        """Return how it is given to `fit`: the number of parts."""
        return len(self.parts)

    def fingerprint(self):
        """Return a short description in which other data of the same shape reads differently."""
        shapes = " ".join(str(leaf.shape).replace(" ", "") for leaf in tree.flatten(self.parts))
        return f"{shapes} checksum {_checksum(self.parts):08x}"


def for_fit(batches):
    """Return batches as `fit` trains on them fastest."""
    return batches.pipeline() if isinstance(batches, ArrayBatches) else batches


def as_step(parts):
    """Return (x, y, ...) as `fit` hands it to a training step: x itself where there is no more."""
    is_bare = len(parts) == 1 and not isinstance(parts[0], (tuple, list))
    return parts[0] if is_bare else parts


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays in the order of an epoch, which `set_epoch` chooses."""

    def __init__(self, arrays, batch_size, seed, whole):
        super().__init__()
        self._arrays, self._batch_size, self._seed = arrays, batch_size, seed
        self._used = arrays.num_examples
        if whole:
            self._used -= self._used % batch_size
        self._order, self._rows = np.arange(arrays.num_examples, dtype="int32"), None
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Choose the epoch, counted from 0; without a seed the order is that of the arrays."""
        if self._seed is not None:
            self._order = batch_order(self._seed, epoch, self._arrays.num_examples)
            if self._rows is not None:
                self._rows.assign(self._order)

    def pipeline(self):
        """Return the same batches as a `tf.data.Dataset`, with which `fit` takes half the time.

        On other backends, and of arrays too large to be held twice, return this object.
        """
        if keras.backend.backend() != "tensorflow" or self._arrays.bytes > DEVICE_BYTES:
            return self
        import tensorflow as tf

        with tf.device("CPU:0"):
            self._rows = tf.Variable(self._order)
            parts = tree.lists_to_tuples(self._arrays.parts)  # tf.data would stack a list
            parts = tree.map_structure(tf.convert_to_tensor, parts)

        def batch(start):
            rows = self._rows[start : start + self._batch_size]
            return as_step(tree.map_structure(lambda leaf: tf.gather(leaf, rows), parts))

        starts = tf.data.Dataset.range(0, self._used, self._batch_size, output_type=tf.int32)
        return starts.map(batch).prefetch(2)

    def __len__(self):
        return math.ceil(self._used / self._batch_size)

    def __getitem__(self, index):
        return self._arrays.rows(self._order[index * self._batch_size :][: self._batch_size])


# ---- datasets ----


class Stream:
    """A `tf.data.Dataset` or `PyDataset`; `num_examples` is counted by going through it once.

    `batch_size` is the number of rows in its first batch.
    """

    bytes = math.inf
    has_text = False  # that of a dataset stands in tensors

    def __init__(self, source, what, steps, class_weight):
        self.source, self.class_weight = source, class_weight
        self.steps = steps
        self.is_python = isinstance(source, keras.utils.PyDataset)
        if self.is_python:
            self._number = source.num_batches if steps is None else steps
            if not self._number:
                raise InputError(f"`{what}` has no number of batches: give steps_per_epoch.")
            kept = vars(source).items()
            self._begun = {k: v for k, v in kept if isinstance(v, (bool, int, float, str))}
        else:
            shapes = [leaf.shape for leaf in tree.flatten(source.element_spec)]
            if 0 in [shape.rank for shape in shapes] or len({shape[0] for shape in shapes}) > 1:
                raise InputError(f"`{what}` gives single examples: add `.batch(32)` to it.")
            if steps is not None:
                self.source = source.take(steps)
            kinds = {type(leaf).__name__ for leaf in tree.flatten(source.element_spec)}
            sizes = [size for shape in shapes if shape.rank for size in shape[1:]]
            self.is_padded = kinds == {"TensorSpec"} and None in sizes  # each batch on its own
        began = time.monotonic()
        self._sizes, self._checksums, self._labels = self._read(what)
        if time.monotonic() - began < SHORT_READING:  # else whether it is the same is not known
            _, again, _ = self._read(what)
            self._checksums[self._checksums != again] = CHANGES
        else:
            self._checksums[:] = CHANGES
        self.num_examples = sum(self._sizes)
        if self.num_examples == 0:
            raise InputError(f"`{what}` is empty.")
        self.batch_size = self._sizes[0]

    def _read(self, what):
        """Return the number of rows of each batch, two checksums of all, and the labels."""
        began, sizes, labels = time.monotonic(), [], []
        checksums = np.zeros(2, "int64")
        advice = "use .take(n), or give a search steps_per_epoch and validation_steps"
        batches = self.source
        if self.is_python:
            batches = (self.source[i] for i in range(self._number))
        elif self.source.cardinality() == -1:
            raise InputError(f"`{what}` never ends: {advice}.")
        for batch in batches:
            sizes.append(_num_rows(batch))
            own = batch[1] if isinstance(batch, tuple) and len(batch) > 1 else None
            if len(getattr(own, "shape", (0, 0, 0))) <= 2:  # no maps, which would fill the memory
                labels.append(np.asarray(own))
            checksums = (checksums + _checksums_of_rows(batch)) % 2**32
            if time.monotonic() - began > MOST_COUNTING and not self.is_python:
                raise InputError(
                    f"`{what}` has not ended after {sum(sizes)} examples in {MOST_COUNTING} s: "
                    f"{advice}."
                )
        return sizes, checksums, labels

    def head(self, number):
        """Return the first examples as a training step gets them."""
        batches = self.batches(number)
        return batches[0] if self.is_python else next(iter(batches))

    def batches(self, batch_size, seed=None, whole=False):
        """Cut into batches of this size, the last one smaller; `whole` leaves that one out."""
        del seed  # the order is the source's own
        number = self.num_examples / batch_size
        number = int(number) if whole else math.ceil(number)
        if self.is_python:
            vars(self.source).update(self._begun)  # `on_epoch_end` may count epochs
            return _Rebatched(self.source, self._sizes, batch_size, number)
        import tensorflow as tf

        # else Keras warns in each training that the data ran out
        known = tf.data.experimental.assert_cardinality(number)
        if self.is_padded and batch_size != self.batch_size:
            cut = self.source.unbatch().padded_batch(batch_size, drop_remainder=whole)
        else:
            cut = self.source.rebatch(batch_size, drop_remainder=whole)
        return cut.apply(known).prefetch(2)

    @property
    def labels(self):
        """Labels as one array, None where they are several or none."""
        is_one = self._labels and len({part.shape[1:] for part in self._labels}) == 1
        return np.concatenate(self._labels) if is_one else None

    def form(self):
        """Return how it is given to `fit`, as a dict."""
        kind = "PyDataset" if self.is_python else "tf.data"
        return {"dataset": kind, "batch_size": self.batch_size, "steps": self.steps}

    def to_arrays(self, what):
        """Return all examples as `Arrays`, in the order of one reading."""
        batches = self.batches(1024)
        if self.is_python:
            batches = [batches[i] for i in range(len(batches))]
        batches = [batch if isinstance(batch, tuple) else (batch,) for batch in batches]
        parts = [tree.map_structure(_to_numpy, batch) for batch in batches]
        parts = tree.map_structure(lambda *leaves: np.concatenate(leaves), *parts)
        return Arrays(parts, what)

    def fingerprint(self):
        """Return a short description in which other rows read differently, in whatever order.

        What is drawn anew in each reading, such as augmented images, cannot be told from others.
        """
        name = f"{type(self.source).__name__} of {self.num_examples} examples"
        words = ("checksum", "checksum of the labels")
        known = [(w, n) for w, n in zip(words, self._checksums, strict=True) if n != CHANGES]
        if not known:
            return f"{name} {UNKNOWN}"
        word, number = known[0]
        return f"{name} {word} {number:08x}"


def _num_rows(batch):
    return len(tree.flatten(batch)[0])


def _checksums_of_rows(batch):
    """Return the sum over the rows of a number for each: of all of it, and of its labels."""
    batch = batch if isinstance(batch, tuple) else (batch,)
    sums = []
    for parts in (batch, batch[1:]):
        leaves = [np.asarray(leaf) for leaf in tree.flatten(parts)]
        sums.append(sum(_checksum(row) for row in zip(*leaves, strict=True)) if leaves else CHANGES)
    return np.array(sums)


def _checksum(batch):
    found = 0
    for leaf in map(np.asarray, tree.flatten(batch)):
        text = repr(leaf.tolist()).encode() if leaf.dtype == object else leaf.tobytes()
        found = zlib.crc32(text, found)
    return found


class _Rebatched(keras.utils.PyDataset):
    """Batches of another size out of a PyDataset, which may be asked for any of them."""

    def __init__(self, source, sizes, batch_size, number):
        super().__init__()
        self._source, self._batch_size, self._number = source, batch_size, number
        self._ends = np.cumsum(sizes)

    def __len__(self):
        return self._number

    def __getitem__(self, index):
        start = index * self._batch_size
        stop = min(start + self._batch_size, int(self._ends[-1]))
        first, last = np.searchsorted(self._ends, [start, stop - 1], "right")
        pieces = [
            tree.map_structure(np.asarray, self._source[item]) for item in range(first, last + 1)
        ]
        whole = tree.map_structure(lambda *leaves: np.concatenate(leaves), *pieces)
        begins = int(self._ends[first]) - _num_rows(pieces[0])
        return tree.map_structure(lambda leaf: leaf[start - begins : stop - begins], whole)

    def on_epoch_end(self):
        self._source.on_epoch_end()


def advice_on_scale(data):
    """Return a sentence where numbers are so large that hardly any learning rate suits them."""
    parts = data.parts if isinstance(data, Arrays) else ()
    advice = ("inputs", "scale them first, such as with keras.layers.Normalization")
    advice = (advice, ("targets", "train on (y - mean) / std, and turn that back afterwards"))
    text = ""
    for part, (name, what) in zip(parts, advice, strict=False):
        kinds = "fiu" if name == "inputs" else "f"  # whole numbers may be classes
        leaves = [leaf for leaf in tree.flatten(part) if leaf.dtype.kind in kinds]
        largest = [float(np.abs(leaf).max()) for leaf in leaves]
        largest = max([value for value in largest if math.isfinite(value)], default=0.0)
        text += f" The {name} reach {largest:.3g}: {what}." if largest >= 30 else ""
    return text


def most_frequent(data):
    """Return the share of the most frequent class, the accuracy of a constant; None without one."""
    labels = data.labels
    if labels is None or labels.ndim > 2 or labels.dtype.kind not in "fiub":
        return None
    is_one_hot = labels.ndim == 2 and labels.shape[1] > 1
    labels = labels.argmax(axis=1) if is_one_hot else labels.ravel()
    _, counts = np.unique(labels, return_counts=True)
    is_class = 1 < len(counts) <= len(labels) / 2
    return float(counts.max() / len(labels)) if is_class else None


def check_columns(train, validation):
    """Refuse frames whose columns stand in another order: they are read by their places."""
    frames = [part[0] for part in (train, validation) if isinstance(part, (tuple, list)) and part]
    names = [list(frame.columns) for frame in frames if hasattr(frame, "columns")]
    if len(names) == 2 and names[0] != names[1] and set(names[0]) == set(names[1]):
        raise InputError(
            "The columns of `validation` stand in another order than those of `train`, and are "
            "read by their places: give x_validation[x.columns]."
        )
