"""Diagnosis on JAX and PyTorch: what it reads of the model, the data, the gradients and the loss.

Run with KERAS_BACKEND=jax or KERAS_BACKEND=torch; on TensorFlow it works as well.
"""

import keras
import numpy as np
import pytest
from keras import layers

from callbacks.diagnosis import Diagnosis

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")
Y = X[:, :1] - X[:, 1:2]


def model_with(output, hidden="relu"):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, hidden, name="hidden"), layers.Dense(1, output)]
    )


def diagnose(model, *data, **fit):
    diagnosis = Diagnosis(verbose=False, stop_on=("non_finite_loss",))
    model.fit(*data, verbose=0, callbacks=[diagnosis], **fit)
    return diagnosis, [f.symptom for f in diagnosis.findings if f.severity != "note"]


@pytest.mark.parametrize("kind", ["array", "generator", "tensor"])
def test_quiet_on_a_healthy_run(kind):
    model = model_with(None)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    data, fit = (X, Y), {"epochs": 25}
    if kind == "generator":
        batches = ((X[i : i + 32], Y[i : i + 32]) for _ in range(25) for i in (0, 32))
        data, fit = (batches,), fit | {"steps_per_epoch": 2}
    elif kind == "tensor":
        data = keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y)
    diagnosis, symptoms = diagnose(model, *data, **fit)
    assert symptoms == []
    assert diagnosis.left_out == []
    assert diagnosis.monitor.norms.shape == (50, 2)


def test_a_planted_dead_layer():
    model = model_with(None)
    model.get_layer("hidden").bias.assign(np.full(8, -100.0))
    model.compile("sgd", "mse")
    diagnosis, symptoms = diagnose(model, X, Y, epochs=2)
    assert symptoms[:2] == ["dead_relu", "no_gradient"]
    assert "100% of the 8 ReLU units of 'hidden' are dead" in diagnosis.findings[0].evidence


def test_softmax_over_one_unit_and_a_loss_that_is_nan():
    model = model_with("softmax", "tanh")
    model.compile("sgd", "mse")  # PyTorch's cross-entropy of NaN is an error, not NaN
    x = X.copy()
    x[0, 0] = np.nan
    diagnosis, symptoms = diagnose(model, x, (Y > 0).astype("float32"), epochs=3)
    assert symptoms[0] == "invalid_inputs"
    assert {"unsuitable_output_activation", "non_finite_loss"} <= set(symptoms)
    assert diagnosis.report().startswith("Training was stopped because of non_finite_loss")


class Own(keras.Model):
    """A `call` of one's own with dropout and a softmax over its one unit."""

    def __init__(self):
        super().__init__()
        self.out = layers.Dense(1, "softmax", name="out")
        self.hidden, self.drop = layers.Dense(8, "relu", name="hidden"), layers.Dropout(0.3)

    def call(self, x, training=False):
        both = keras.ops.concatenate([x, self.hidden(x)], axis=-1)
        return self.out(self.drop(both, training=training))


def test_a_call_of_ones_own_is_followed_and_left_as_it_was():
    ends = []
    for callbacks in ([], [Diagnosis(verbose=False, checkup_seconds=0)]):
        keras.utils.set_random_seed(2)
        model = Own()
        model.compile("adam", "mse")
        model.fit(X, (Y > 0).astype("float32"), epochs=2, verbose=0, callbacks=callbacks)
        ends.append(model.get_weights())
    (diagnosis,) = callbacks
    assert diagnosis.findings[0].symptom == "unsuitable_output_activation"
    assert diagnosis.findings[0].layer == "out"
    assert not [text for text in diagnosis.left_out if text.startswith("layers and activations")]
    for before, after in zip(*ends, strict=True):
        np.testing.assert_array_equal(before, after)


def test_each_loss_is_the_loss_of_its_batch():
    """At a learning rate of 0 the losses of the batches can be computed by hand."""
    model = model_with(None, "tanh")
    model.compile(keras.optimizers.SGD(0.0), "mse")
    errors = np.square(model.predict(X, verbose=0) - Y)
    diagnosis, _ = diagnose(model, X, Y, epochs=2, batch_size=16, shuffle=False)
    expected = np.tile(errors.reshape(4, 16).mean(axis=1), 2)
    np.testing.assert_allclose(diagnosis._run.losses, expected, rtol=1e-4)
