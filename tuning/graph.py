"""Whole epochs inside one compiled function, with the data on the device (TensorFlow)."""

import functools

import keras
import tensorflow as tf

ORDER, SIZE = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)


class GraphFunctions:
    """One epoch of training and one validation of a model, each a compiled function.

    The steps are `model.train_step` and `model.test_step`, in the order that `fit` gives them. The
    batch size is a tensor, so one trace serves all sizes, and the last, smaller batch as well.

    Args:
        model: compiled `keras.Model`.
        train: (x, y[, sample_weight]) of arrays.
        validation: likewise.

    """

    def __init__(self, model, train, validation):
        self._model = model
        self._train, self._validation = keras.tree.map_structure(
            tf.convert_to_tensor, (train, validation)
        )
        # function of the batch size; a dict of metrics. First of all, since what creates the
        # metrics' variables is traced twice
        self.validate = _compile(self._validate, SIZE)

    @functools.cached_property
    def train_epoch(self):
        """Function of the epoch's order, int32 (n,), and the batch size; a dict of metrics."""
        return _compile(self._train_epoch, ORDER, SIZE)

    @functools.cached_property
    def has_own_state(self):
        """Whether training holds operations such as `tf.random.normal`.

        Their state is no variable: only TensorFlow's global seed puts them back.
        """
        graph = self.train_epoch.graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        return any("seed2" in node.attr for node in nodes)

    def _train_epoch(self, order, size):
        def batch(start, stop):
            rows = order[start:stop]
            return keras.tree.map_structure(lambda leaf: tf.gather(leaf, rows), self._train)

        return self._run(self._model.train_step, batch, tf.shape(order)[0], size)

    def _validate(self, size):
        def batch(start, stop):
            return keras.tree.map_structure(lambda leaf: leaf[start:stop], self._validation)

        length = len(keras.tree.flatten(self._validation)[0])
        return self._run(self._model.test_step, batch, length, size)

    def _run(self, step, batch, length, size):
        for metric in self._model.metrics:
            metric.reset_state()

        def body(start):
            step(batch(start, tf.minimum(start + size, length)))
            return start + size

        tf.while_loop(lambda start: start < length, body, [0], parallel_iterations=1)
        return self._model.get_metrics_result()


def _compile(function, *signature):
    return tf.function(function, autograph=False).get_concrete_function(*signature)
