"""Whole epochs inside one compiled function, with the data on the device (TensorFlow)."""

import contextlib
import functools

import keras

from ..inputs.model import build_metrics

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

# GPUs gather none of these, so the whole array would be copied for each batch; these they do gather
GATHERED_AS = {"int8": "float16", "uint8": "float16", "int16": "float32", "uint16": "float32"}
GATHERED_AS["int32"] = "int64"


class GraphFunctions:
    """One epoch of training and one validation of a model, each a compiled function.

    The steps are `model.train_step` and `model.test_step`, in the order that `fit` gives them, and
    compiled by XLA where `fit` does so (`model.jit_compile`): it draws other random numbers. The
    batch size is a tensor, so one trace serves all sizes, and the last, smaller batch as well.
    """

    def __init__(self, model, train, validation):
        self._model = model
        self._types = keras.tree.map_structure(lambda leaf: tf.as_dtype(leaf.dtype), train.parts)
        self._train = train.converted(to_gather)
        self._validation = validation.converted(tf.convert_to_tensor)
        # now, since XLA's functions cannot create variables; Keras converts no texts
        build_metrics(model, keras.tree.map_structure(tf.convert_to_tensor, validation.head(2)))

    @functools.cached_property
    def train_epoch(self):
        """Function of the epoch's order, int32 (n,), and the batch size; a dict of metrics."""
        order, size = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
        return _compile(self._train_epoch, self._train, order, size)

    @functools.cached_property
    def validate(self):
        """Function of the batch size; a dict of metrics."""
        return _compile(self._validate, self._validation, tf.TensorSpec([], tf.int32))

    def _train_epoch(self, data, order, size):
        def batch(start, stop):
            rows = order[start:stop]
            return keras.tree.map_structure(lambda *leaf: gather(*leaf, rows), data, self._types)

        return self._run(self._model.train_step, batch, tf.shape(order)[0], size)

    def _validate(self, data, size):
        def batch(start, stop):
            return keras.tree.map_structure(lambda leaf: leaf[start:stop], data)

        length = len(keras.tree.flatten(self._validation)[0])
        return self._run(self._model.test_step, batch, length, size)

    def _run(self, step, batch, length, size):
        for metric in self._model.metrics:
            metric.reset_state()
        if self._model.jit_compile:
            step = tf.function(step, jit_compile=True, autograph=False, reduce_retracing=True)

        def body(start):
            step(batch(start, tf.minimum(start + size, length)))
            return start + size

        tf.while_loop(lambda start: start < length, body, [0], parallel_iterations=1)
        return self._model.get_metrics_result()


def to_gather(leaf):
    """Return an array as a tensor from which the device can gather rows; see `gather`."""
    leaf = tf.convert_to_tensor(leaf)
    has_gpu = tf.config.list_physical_devices("GPU")
    return tf.cast(leaf, GATHERED_AS.get(leaf.dtype.name, leaf.dtype)) if has_gpu else leaf


def gather(leaf, dtype, rows):
    """Return rows of what `to_gather` made of an array of this type, exactly as they were."""
    taken = tf.gather(leaf, rows)
    return taken if leaf.dtype == dtype else tf.cast(taken, dtype)


def _compile(function, data, *signature):
    """Trace with the data as arguments: what a graph captures lives as long as TensorFlow does."""
    specs = keras.tree.map_structure(lambda leaf: tf.TensorSpec(leaf.shape, leaf.dtype), data)
    with _forgetting_gradients():
        function = tf.function(function, autograph=False).get_concrete_function(specs, *signature)
    return functools.partial(function, data)


@contextlib.contextmanager
def _forgetting_gradients():
    """Drop the gradients that tracing registers for the whole process: tracing alone needs them.

    Each holds its graph and the variables of a model that was dropped long ago. The registry is
    private to TensorFlow; where it is not found, they stay.
    """
    registry = {}
    with contextlib.suppress(ImportError, AttributeError):
        from tensorflow.python.framework.ops import gradient_registry

        registry = gradient_registry._registry
    before = set(registry)
    yield
    for name in set(registry) - before:
        if name.startswith("CustomGradient-"):
            del registry[name]
