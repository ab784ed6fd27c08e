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


def test_each_loss_is_the_loss_of_its_batch():
    """At a learning rate of 0 the losses of the batches can be computed by hand."""
    model = model_with(None, "tanh")
    model.compile(keras.optimizers.SGD(0.0), "mse")
    errors = np.square(model.predict(X, verbose=0) - Y)
    diagnosis, _ = diagnose(model, X, Y, epochs=2, batch_size=16, shuffle=False)
    expected = np.tile(errors.reshape(4, 16).mean(axis=1), 2)
    np.testing.assert_allclose(diagnosis._run.losses, expected, rtol=1e-4)
