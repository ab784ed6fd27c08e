"""Diagnosis watches and changes nothing: against a run without it, bit for bit."""

import random

import keras
import numpy as np
import pytest
import scipy.sparse
from keras import layers

from callbacks.diagnosis import Diagnosis

X = np.random.default_rng(0).normal(size=(96, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")


def network(*more, units=1):
    return keras.Sequential(
        [layers.Dense(8, "relu"), layers.Dropout(0.2), *more, layers.Dense(units, "sigmoid")]
    )


def left_after(data, model, callbacks, **fit):
    """Weights, steps and random states after a fit."""
    fit = {"epochs": 2, "verbose": 0, **fit}
    model.fit(*data(), callbacks=callbacks, **fit)
    states = [random.random(), np.random.random(), float(keras.random.uniform(()))]  # noqa: NPY002
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        states.append(float(tf.random.uniform(())))
    return [*model.get_weights(), *map(np.array, states), np.array(model.optimizer.iterations)]


def cached():
    import tensorflow as tf

    return [tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(96).batch(16).prefetch(2).cache()]


def augmented():
    import tensorflow as tf

    def noisy(x, y):
        return x + tf.random.normal(tf.shape(x)), y

    return [tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(20).map(noisy).batch(16)]


def drawn():
    own = np.random.default_rng(2)  # Keras draws ahead of training, by as much as it finds time for

    def batches():
        while True:
            rows = own.integers(0, 96, 16)
            yield X[rows], Y[rows]

    return [batches()]


TF_ONLY = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data pipelines")


@pytest.mark.parametrize(
    ("data", "fit"),
    [
        pytest.param(cached, {}, marks=TF_ONLY),
        pytest.param(augmented, {}, marks=TF_ONLY),
        (drawn, {"steps_per_epoch": 5, "validation_data": (X, Y)}),
        (lambda: (X, Y), {"validation_split": 0.25}),
        (lambda: (X, Y), {"shuffle": False}),
        (lambda: (scipy.sparse.csr_matrix(X), Y), {}),
    ],
)
def test_training_is_the_same_with_and_without(data, fit):
    """With several steps in one call; `test_observers.py` has them one by one."""
    ends = []
    for callbacks in ([], [Diagnosis(verbose=False)]):
        keras.utils.set_random_seed(1)
        model = network()
        model.compile("adam", "binary_crossentropy", steps_per_execution=2)
        ends.append(left_after(data, model, callbacks, **fit))
    for without, with_it in zip(*ends, strict=True):
        np.testing.assert_array_equal(without, with_it)
    assert callbacks[0]._run.outputs[0].kind == "binary"  # and it has seen the labels


class Counter(layers.Layer):
    """Counts its calls."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.count.assign(self.count + 1)
        return x


def test_a_layer_that_counts_its_calls_is_not_moved():
    model = network(Counter())
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, batch_size=32, epochs=5, verbose=0, callbacks=[Diagnosis(verbose=False)])
    assert float(model.layers[2].count) == 15


def test_a_frozen_network_inside_of_the_model_is_not_moved():
    ends = []
    for callbacks in ([], [Diagnosis(verbose=False)]):
        keras.utils.set_random_seed(1)
        norm = layers.BatchNormalization(momentum=0.5)
        base = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), norm])
        base(X, training=True)
        base.trainable = False
        model = keras.Sequential([keras.Input((4,)), base, layers.Dropout(0.2), layers.Dense(1)])
        model.compile("adam", "mse")
        ends.append(left_after(lambda: (X / 255, Y), model, callbacks))
        assert "call" not in vars(norm)
    for without, with_it in zip(*ends, strict=True):
        np.testing.assert_array_equal(without, with_it)
    assert callbacks[0]._run.frozen_spread[1] < 0.1  # and what it is given was looked at


class Plain(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule without `get_config`."""

    def __call__(self, step):
        return 0.01


class NoConfig(keras.optimizers.SGD):
    def get_config(self):
        raise NotImplementedError("no settings")


class ArrayInLogs(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["confusion"] = np.eye(2)


@pytest.mark.parametrize(
    "what", ["schedule", "no config", "array", "frozen", "weightless", "two inputs", "optimizers"]
)
def test_what_runs_without_it_runs_with_it(what):
    model, data = network(), X
    if what == "weightless":
        model = keras.Sequential([layers.Rescaling(0.5), layers.GlobalAveragePooling1D()])
        data = np.abs(X[:, :, None])
    if what == "two inputs":
        first, second = keras.Input((4,)), keras.Input((4,), optional=True)
        model = keras.Model([first, second], layers.Dense(1, "sigmoid")(first))
        data = [X, None]
    parts = [keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.01)]
    optimizer = {
        "schedule": keras.optimizers.SGD(Plain()),
        "no config": NoConfig(0.1),
        "optimizers": keras.optimizers.MultiOptimizer(lambda v: parts[v.name == "bias"]),
    }
    model.compile(optimizer.get(what, "adam"), "binary_crossentropy")
    if what == "frozen":
        model.build((None, 4))
        model.trainable = False
        model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False)
    callbacks = [ArrayInLogs(), diagnosis] if what == "array" else [diagnosis]
    history = model.fit(data, Y, epochs=2, verbose=0, callbacks=callbacks)
    assert len(history.history["loss"]) == 2
    assert diagnosis.report()


@TF_ONLY
def test_a_stream_of_one_large_batch_is_scored_on_all_of_its_rows():
    """The score of the validation rows is the one that Keras has measured on all of them."""
    import tensorflow as tf

    random_rows = np.random.default_rng(1)
    x = random_rows.normal(size=(500, 4)).astype("float32")
    y = (x[:, 0] + random_rows.normal(size=500) > 0).astype("float32")
    validation = tf.data.Dataset.from_tensor_slices((x, y)).batch(500)
    model = network()
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False)
    fit = {"epochs": 3, "verbose": 0, "callbacks": [diagnosis]}
    history = model.fit(X, Y, validation_data=validation, **fit).history
    (out,) = diagnosis._run.outputs
    assert len(out.validation_y) == 500
    assert out.validation_score == pytest.approx(history["val_accuracy"][-1], abs=1e-3)


def test_a_model_that_its_first_step_builds_is_left_to_it():
    """Looked at before that, it would be built in a scope that is thrown away."""

    class Late(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

    ends = []
    for callbacks in ([], [Diagnosis(verbose=False)]):
        keras.utils.set_random_seed(3)
        model = Late()
        model.build((None, 4))  # built it says, and has no weights yet
        model.compile("sgd", "mse")
        model.fit(X, Y, epochs=1, verbose=0, callbacks=callbacks)
        ends.append(model.get_weights())
    np.testing.assert_array_equal(ends[0][0], ends[1][0])
    assert callbacks[0].left_out == []  # once built, its `call` can be followed
    assert "nothing_trainable" not in [f.symptom for f in callbacks[0].findings]


def test_after_a_plain_fit_the_gradients_are_said_to_be_left_out():
    model = network()
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, verbose=0)
    diagnosis = Diagnosis(verbose=False)
    model.fit(X, Y, verbose=0, callbacks=[diagnosis])
    if keras.backend.backend() == "torch":  # it traces nothing
        assert diagnosis.left_out == [] and diagnosis.monitor.norms.shape == (3, 2)
        return
    (said,) = [text for text in diagnosis.left_out if text.startswith("the gradients")]
    assert "call `model.make_train_function(force=True)`" in said
    assert said in diagnosis.report()


def test_losses_of_zero():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, stop_on="high_variance")
    zeros = np.zeros(96, "float32")
    data = {"validation_data": (X, zeros), "verbose": 0, "callbacks": [diagnosis]}
    history = model.fit(X, zeros, epochs=3, **data)
    assert history.history["val_loss"] == [0.0, 0.0, 0.0]
    assert "high_variance" not in [finding.symptom for finding in diagnosis.findings]
    assert "Error" not in diagnosis.report()


@pytest.mark.parametrize("kind", ["int8", "last layer of zeros"])
def test_initial_weights_that_are_as_they_should_be(kind):
    """Weights of whole numbers stand beside a scale; zeros in the last layer get unequal slopes."""
    keras.utils.set_random_seed(0)
    start = "zeros" if kind == "last layer of zeros" else "glorot_uniform"
    hidden = layers.Dense(8, "tanh")
    model = keras.Sequential(
        [keras.Input((4,)), hidden, layers.Dense(1, "sigmoid", kernel_initializer=start)]
    )
    if kind == "int8":
        hidden.quantize("int8")
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False)
    model.fit(X, Y, epochs=20, verbose=0, callbacks=[diagnosis])
    assert "poor_initialization" not in [finding.symptom for finding in diagnosis.findings]
