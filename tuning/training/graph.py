"""Whole epochs inside one compiled function, with the data on the device (TensorFlow)."""

import contextlib
import functools

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

# GPUs gather none of these, so the whole array would be copied for each batch; these they do gather
GATHERED_AS = {"int8": "float16", "uint8": "float16", "int16": "float32", "uint16": "float32"}


class GraphFunctions:
    """One epoch of training and one validation of a model, each a compiled function.

    The steps are `model.train_step` and `model.test_step`, in the order that `fit` gives them, and
    compiled by XLA where `fit` does so (`model.jit_compile`): it draws other random numbers. The
    batch size is a tensor, so one trace serves all sizes, and the last, smaller batch as well.

    Args:
        model: compiled `keras.Model`.
        train, validation: `data.Arrays`; all models share their copies on the device.

    """

    def __init__(self, model, train, validation):
        self._model, self._jit = model, False
        self._types = keras.tree.map_structure(lambda leaf: tf.as_dtype(leaf.dtype), train.parts)
        self._train = train.converted(to_gather)
        self._validation = validation.converted(tf.convert_to_tensor)
        size = tf.TensorSpec([], tf.int32)
        # function of the batch size; a dict of metrics. First of all, since what creates the
        # metrics' variables is traced twice
        self.validate = _compile(self._validate, self._validation, size)
        if model.jit_compile:  # XLA's functions cannot create variables
            self._jit = True
            self.validate = _compile(self._validate, self._validation, size)

    @functools.cached_property
    def train_epoch(self):
        """Function of the epoch's order, int32 (n,), and the batch size; a dict of metrics."""
        order, size = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
        return _compile(self._train_epoch, self._train, order, size)

    @functools.cached_property
    def has_own_state(self):
        """Whether training holds operations such as `tf.random.normal`.

        Their state is no variable: only TensorFlow's global seed puts them back. The recurrent
        layers of cuDNN have the attribute, too, for a dropout that Keras does not use.
        """
        graph = self.train_epoch.func.graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        return any("seed2" in n.attr and not n.op.startswith("CudnnRNN") for n in nodes)

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
        if self._jit:
            step = tf.function(step, jit_compile=True, autograph=False, reduce_retracing=True)

        def body(start):
            step(batch(start, tf.minimum(start + size, length)))
            return start + size

        tf.while_loop(lambda start: start < length, body, [0], parallel_iterations=1)
        return self._model.get_metrics_result()


def to_gather(leaf):
    """Return an array as a tensor from which the device can gather rows; see `gather`."""
    leaf = tf.convert_to_tensor(leaf)
    if not tf.config.list_physical_devices("GPU"):
        return leaf
    if leaf.dtype == tf.int32:  # TensorFlow keeps it in the host's memory
        return tf.bitcast(leaf, tf.float32)
    return tf.cast(leaf, GATHERED_AS.get(leaf.dtype.name, leaf.dtype))


def gather(leaf, dtype, rows):
    """Return rows of what `to_gather` made of an array of this type, exactly as they were."""
    taken = tf.gather(leaf, rows)
    if leaf.dtype == dtype:
        return taken
    return tf.bitcast(taken, dtype) if dtype == tf.int32 else tf.cast(taken, dtype)


def _compile(function, data, *signature):
    """Trace with the data as arguments: what a graph captures lives as long as TensorFlow does."""
    specs = keras.tree.map_structure(lambda leaf: tf.TensorSpec(leaf.shape, leaf.dtype), data)
    with forgetting_gradients():
        function = tf.function(function, autograph=False).get_concrete_function(specs, *signature)
    return functools.partial(function, data)


@contextlib.contextmanager
def forgetting_gradients():
    """Drop the gradients that tracing registers for the whole process: tracing alone needs them.

    Each holds its graph and, by that, the variables of a model that was dropped long ago. The
    registry is private to TensorFlow; where it is not found, they stay.
    """
    try:
        from tensorflow.python.framework.ops import gradient_registry

        registry = gradient_registry._registry
    except (ImportError, AttributeError):
        registry = {}
    before = set(registry)
    try:
        yield
    finally:
        for name in set(registry) - before:
            if name.startswith("CustomGradient-"):
                del registry[name]
