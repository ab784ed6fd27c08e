"""A model that is trained briefly, again and again from the same start."""

import time

import keras
import numpy as np

from .graph import flat_layers

PREDICT_ROWS = 256  # at once


class OutOfTime(Exception):
    """An experiment needs more time than is left."""


class Clock:
    """Seconds since it was made, and until the limit."""

    def __init__(self, seconds):
        self.seconds, self.began = seconds, time.monotonic()

    def passed(self):
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def left(self):
        """Seconds until the limit."""
        return self.seconds - self.passed()


class _Recorder(keras.callbacks.Callback):
    """Keeps the loss after each batch, and ends the training when the clock runs out."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.losses = clock, []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float((logs or {}).get("loss", np.nan)))
        if self.clock is not None and self.clock.left() < 0:
            self.model.stop_training = True


class Learner:
    """A compiled model with the weights and the optimizer's state that it starts from.

    Tracing costs more than a short training, so that one model serves all trials that do not
    change it.

    Args:
        model: compiled `keras.Model`, built; it is trained.

    """

    def __init__(self, model):
        self.model = model
        if keras.backend.backend() == "tensorflow":
            model.jit_compile = False  # XLA compiles for longer than these trainings last
        self.has_own_step = type(model).train_step is not keras.Model.train_step
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._start = [keras.ops.convert_to_numpy(v) for v in self._variables()]
        rate = model.optimizer.get_config().get("learning_rate")
        self.rate = None if isinstance(rate, dict) else float(rate)

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def restart(self, rate=1.0):
        """Go back to the start, with `rate` times the learning rate."""
        for variable, value in zip(self._variables(), self._start, strict=True):
            variable.assign(value)
        if rate != 1:
            self.model.optimizer.learning_rate = self.rate * rate

    def train(self, rows, places, clock, class_weight=None):
        """Train on batches with `train_on_batch`: it traces once, and the user's step is used.

        Args:
            rows: `Rows`.
            places: iterable of arrays, the rows of each batch.
            clock: `Clock`, or None.
            class_weight: dict as for `fit`, or None.

        Returns:
            float array, the loss of each batch with penalties.

        Raises:
            OutOfTime: if the clock runs out.

        """
        if self.has_own_step:
            return self._fit(rows, list(places), clock, class_weight)
        losses = []
        for index in places:
            if clock is not None and clock.left() < 0:
                raise OutOfTime("the time was over")
            batch = rows.take(index)
            weights = {"class_weight": class_weight}
            if batch.weights is not None:
                weights = {"sample_weight": batch.weights}
            logs = self.model.train_on_batch(batch.x, batch.y, return_dict=True, **weights)
            losses.append(float(logs["loss"]) if "loss" in logs else np.nan)
        return np.array(losses)

    def _fit(self, rows, places, clock, class_weight):
        """Train with `fit`: a user's own step may count on a pair (x, y), as only `fit` gives."""
        recorder = _Recorder(clock)

        def batches():
            for index in places:
                batch = rows.take(index)
                parts = batch.x, batch.y, batch.weights
                yield parts if batch.weights is not None else parts[:2]

        more = {"class_weight": class_weight, "callbacks": [recorder], "verbose": 0}
        more["shuffle"] = False  # the order is that of the places
        self.model.fit(batches(), steps_per_epoch=len(places), **more)
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


def get_weights(model):
    """Return the weights of each layer as a list of arrays; of the model where it has no layers."""
    return [
        [keras.ops.convert_to_numpy(weight) for weight in part.weights]
        for part in flat_layers(model) or [model]
    ]


def put_weights(model, weights, but=()):
    """Give each layer its weights where shapes agree, except the layers named in `but`."""
    for part, values in zip(flat_layers(model) or [model], weights, strict=True):
        shapes = [tuple(w.shape) for w in part.weights]
        if part.name not in but and values and shapes == [v.shape for v in values]:
            part.set_weights(values)
            if hasattr(part, "finalize_state"):  # Normalization computes with copies
                part.finalize_state()
