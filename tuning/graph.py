"""Whole epochs inside one compiled function, with the data on the device (TensorFlow)."""

import keras


def graph_functions(model, train, validation):
    """Compile one epoch of training and one validation of a model (TensorFlow).

    The steps are `model.train_step` and `model.test_step`, in the order that `fit` gives them. The
    batch size is a tensor, so one trace serves all sizes, and the last, smaller batch as well.

    Args:
        model: compiled `keras.Model`.
        train: (x, y[, sample_weight]) of arrays.
        validation: likewise.

    Returns:
        Two functions that return dicts of metrics: `train_epoch(order, batch_size)`, with the
        order of the examples as int32 (n,), and `validate(batch_size)`.

    """
    import tensorflow as tf

    train, validation = keras.tree.map_structure(tf.convert_to_tensor, (train, validation))

    def run(step, batch, length, size):
        for metric in model.metrics:
            metric.reset_state()

        def body(start):
            step(batch(start, tf.minimum(start + size, length)))
            return start + size

        tf.while_loop(lambda start: start < length, body, [0], parallel_iterations=1)
        return model.get_metrics_result()

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)],
    )
    def train_epoch(order, size):
        def batch(start, stop):
            rows = order[start:stop]
            return keras.tree.map_structure(lambda leaf: tf.gather(leaf, rows), train)

        return run(model.train_step, batch, tf.shape(order)[0], size)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.int32)])
    def validate(size):
        def batch(start, stop):
            return keras.tree.map_structure(lambda leaf: leaf[start:stop], validation)

        length = tf.shape(keras.tree.flatten(validation)[0])[0]
        return run(model.test_step, batch, length, size)

    return train_epoch, validate
