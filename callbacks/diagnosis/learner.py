"""A model that is trained briefly, again and again from the same start."""

import keras
import numpy as np

from .graph import optimizer_of
from .own_code import has_own
from .rows import each

PREDICT_ROWS = 256  # at once
STEPS_PER_CALL = 10  # where they are compiled


class OutOfTime(Exception):
    """An experiment needs more time than is left."""


class Learner:
    """A compiled model with the weights and the optimizer's state that it starts from.

    Tracing costs more than a short training, so that one model serves all trials that do not
    change it. The `keras.Model` has to be built; it is itself trained.
    """

    def __init__(self, model):
        self.model = model
        self.has_own_step = has_own(model, "train_step")
        self._run_steps = None  # function of (parts, places, count), see `_compiled_steps`
        if keras.backend.backend() == "tensorflow" and not model.run_eagerly:
            model.jit_compile = False  # XLA compiles for longer than these trainings last
            self._run_steps = _compiled_steps(model)
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._start = [keras.ops.convert_to_numpy(v) for v in self._variables()]
        rate = optimizer_of(model).get_config()["learning_rate"]
        self.rate = None if isinstance(rate, dict) else float(rate)

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def restart(self, rate=1.0):
        """Go back to the start, with `rate` times the learning rate."""
        for variable, value in zip(self._variables(), self._start, strict=True):
            variable.assign(value)
        if rate != 1:
            self.model.optimizer.learning_rate = self.rate * rate

    def train(self, rows, places, clock=None, class_weight=None):
        """Train on batches of one size; return the losses with penalties, a float array (batches,).

        `places` is an iterable of int arrays (batch,), which of the `Rows` each batch has.
        `class_weight` is a dict as for `fit`, or None; weights of rows go before. The clock is a
        `Clock`, or None; `OutOfTime` is raised if it runs out.
        """
        places, weights = np.array(list(places), "int32"), rows.weights
        if weights is None and class_weight:
            weights = _weights_of_rows(rows.y, class_weight)
        parts = (rows.x, rows.y) if weights is None else (rows.x, rows.y, weights)
        if self._run_steps is None:
            return self._fit(parts, places, clock)
        parts, losses = each(keras.ops.convert_to_tensor, parts), []
        for begin in range(0, len(places), STEPS_PER_CALL):
            if clock is not None and clock.left() < 0:
                raise OutOfTime("the time was over")
            some = places[begin : begin + STEPS_PER_CALL]
            padded = np.resize(some, (STEPS_PER_CALL, some.shape[1]))  # one shape is one trace
            found = self._run_steps(parts, padded, np.int32(len(some)))
            losses.extend(keras.ops.convert_to_numpy(found)[: len(some)])
        return np.array(losses)

    def _fit(self, parts, places, clock):
        recorder = _Recorder(clock)
        options = {"shuffle": False, "callbacks": [recorder], "verbose": 0}
        self.model.fit(_Batches(parts, places), **options)
        if len(recorder.losses) < len(places):
            raise OutOfTime("the time was over")
        return np.array(recorder.losses)

    def predict(self, x, training=False):
        """Return one NumPy array per output; without tracing, as it is asked for once or twice."""
        parts = []
        for begin in range(0, len(keras.tree.flatten(x)[0]), PREDICT_ROWS):
            part = keras.tree.map_structure(lambda a, i=begin: a[i : i + PREDICT_ROWS], x)
            outputs = keras.tree.flatten(self.model(part, training=training))
            parts.append([keras.ops.convert_to_numpy(output) for output in outputs])
        return [np.concatenate(values) for values in zip(*parts, strict=True)]

    def data_loss(self, rows):
        """Return the compiled loss of these rows in inference mode, and the penalties in it."""
        prediction = self.model(rows.x, training=False)
        total = self.model.compute_loss(rows.x, rows.y, prediction, training=False)
        penalties = sum(float(keras.ops.convert_to_numpy(value)) for value in self.model.losses)
        return float(keras.ops.convert_to_numpy(total)) - penalties, penalties


def _compiled_steps(model):
    """Return a function that takes steps as `fit` does, within one call (TensorFlow).

    Its arguments are (x, y[, weights]) of all rows, the rows of each batch, and how many batches to
    take; it returns their losses. `train_on_batch` takes two to ten times as long for a step of a
    small network.

    None where the model is distributed: what each replica gets is decided by `fit`.
    """
    import tensorflow as tf

    is_plain = model.distribute_strategy is tf.distribute.get_strategy()
    if tf.distribute.has_strategy() or not is_plain:
        return None

    def run_steps(parts, places, count):
        def step(number, losses):
            for metric in model.metrics:
                metric.reset_state()
            logs = model.train_step(each(lambda leaf: tf.gather(leaf, places[number]), parts))
            loss = tf.cast(logs.get("loss", np.nan), "float32")
            return number + 1, tf.tensor_scatter_nd_update(losses, [[number]], [loss])

        def is_left(number, losses):
            return number < count

        start = [0, tf.zeros(STEPS_PER_CALL)]
        return tf.while_loop(is_left, step, start, parallel_iterations=1)[1]

    return tf.function(run_steps, autograph=False, reduce_retracing=True)


def _weights_of_rows(y, class_weight):
    """Return the weight of each row, as `fit` makes them of `class_weight`."""
    y = np.asarray(y)
    if y.ndim > 1:
        y = y.argmax(axis=-1) if y.shape[-1] > 1 else y[..., 0]
    return np.array([class_weight.get(round(float(label)), 1.0) for label in y], "float32")


class _Batches(keras.utils.PyDataset):
    """The rows at these places, batch by batch."""

    def __init__(self, parts, places):
        super().__init__()
        self.parts, self.places = parts, places

    def __len__(self):
        return len(self.places)

    def __getitem__(self, number):
        return each(lambda leaf: leaf[self.places[number]], self.parts)


class _Recorder(keras.callbacks.Callback):
    """Keeps the loss of each batch, and ends the training when the clock runs out."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.losses = clock, []

    def on_train_batch_begin(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):  # JAX keeps the variables' values elsewhere
            self.model.jax_state_sync()
        self.model.reset_metrics()  # else the loss is a mean over the batches so far

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float((logs or {}).get("loss", np.nan)))
        if self.clock is not None and self.clock.left() < 0:
            self.model.stop_training = True
