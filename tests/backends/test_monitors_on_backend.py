"""GradientMonitor on JAX and PyTorch, against backpropagation written out in NumPy.

Run with KERAS_BACKEND=jax or KERAS_BACKEND=torch; on TensorFlow it works as well.
"""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from callbacks.activation_monitor import ActivationMonitor
from callbacks.gradient_monitor import GradientMonitor

BACKEND = keras.backend.backend()
BATCH, STEPS, RATE = 8, 6, 0.05


def data(steps=STEPS):
    random = np.random.default_rng(0)
    size = BATCH * steps
    return (
        random.normal(size=(size, 4)).astype("float32"),
        random.normal(size=(size, 1)).astype("float32"),
    )


def mlp(optimizer=None, **compile_options):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, "tanh", name="a"), layers.Dense(1, name="b")]
    )
    model.compile(optimizer or keras.optimizers.SGD(RATE), "mse", **compile_options)
    return model


def fit(model, x, y, *callbacks, epochs=1):
    model.fit(
        x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks)
    )


def by_hand(weights, x, y, accumulate=1):
    """Norms per layer and step of a tanh network with one hidden layer, mean squared error."""
    w1, b1, w2, b2 = (w.astype("float64") for w in weights)
    rows, total = [], [0, 0, 0, 0]
    for number, start in enumerate(range(0, len(x), BATCH)):
        bx, by = x[start : start + BATCH].astype("float64"), y[start : start + BATCH]
        h = np.tanh(bx @ w1 + b1)
        d = 2 * (h @ w2 + b2 - by) / by.size
        dh = (d @ w2.T) * (1 - h**2)
        grads = [bx.T @ dh, dh.sum(0), h.T @ d, d.sum(0)]
        total = [t + g / accumulate for t, g in zip(total, grads, strict=True)]
        if (number + 1) % accumulate == 0:
            rows.append(
                [np.sqrt((total[i] ** 2).sum() + (total[i + 1] ** 2).sum()) for i in (0, 2)]
            )
            w1, b1, w2, b2 = (w - RATE * t for w, t in zip((w1, b1, w2, b2), total, strict=True))
            total = [0, 0, 0, 0]
    return np.array(rows)


def clean(model):
    """Nothing of the monitor is in the model or among the optimizer's variables."""
    names = {"apply", "stateless_apply", "make_train_function"}
    found = names & {*vars(model), *vars(model.optimizer)}
    return not found and len(model.optimizer.variables) == 2  # iterations, learning rate


OPTIONS = [{}, {"run_eagerly": True}, {"jit_compile": False}]
if BACKEND != "torch":  # Keras has no steps_per_execution on PyTorch
    OPTIONS += [{"steps_per_execution": 4}, {"jit_compile": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_numpy(options):
    x, y = data()
    model, monitor = mlp(**options), GradientMonitor()
    expected = by_hand(model.get_weights(), x, y)
    fit(model, x, y, monitor)
    assert monitor.layer_names == ["a", "b"]
    np.testing.assert_array_equal(monitor.steps, np.arange(STEPS))
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-5)
    assert clean(model)


@pytest.mark.parametrize("options", [{"clipnorm": 1e-9}, {"loss_scale_factor": 32.0}], ids=str)
def test_first_step_before_clipping_and_unscaled(options):
    x, y = data()
    model, monitor = mlp(keras.optimizers.SGD(RATE, **options)), GradientMonitor()
    expected = by_hand(model.get_weights(), x, y)
    fit(model, x, y, monitor)
    np.testing.assert_allclose(monitor.norms[0], expected[0], rtol=1e-5)


def test_accumulation():
    x, y = data()
    optimizer = keras.optimizers.SGD(RATE, gradient_accumulation_steps=3)
    model, monitor = mlp(optimizer), GradientMonitor()
    expected = by_hand(model.get_weights(), x, y, 3)
    fit(model, x, y, monitor)
    np.testing.assert_array_equal(monitor.steps, [0, 1])
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-5)


def test_loss_scaling_and_a_skipped_step():
    x, y = data()
    x[BATCH : 2 * BATCH] = np.inf
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(RATE), initial_scale=64.0)
    model, monitor = mlp(optimizer), GradientMonitor()
    expected = by_hand(model.get_weights(), x[:BATCH], y[:BATCH])
    fit(model, x, y, monitor)
    np.testing.assert_allclose(monitor.norms[:1], expected, rtol=1e-5)
    assert not np.isfinite(monitor.norms[1]).all()
    assert np.isfinite(monitor.norms[2:]).all() and len(monitor.norms) == STEPS


def test_options_and_two_monitors():
    x, y = data()
    full = GradientMonitor(stats=["mean", "max", "zeros", "update_ratio"])
    some = GradientMonitor(every=2)
    model = mlp()
    old = model.get_weights()
    fit(model, x[:BATCH], y[:BATCH], full, some)
    new = model.get_weights()
    gradient = [(a - b).ravel() / RATE for a, b in zip(old, new, strict=True)]
    flat, weights = np.concatenate(gradient[:2]), np.concatenate([w.ravel() for w in old[:2]])
    found = {name: values[0, 0] for name, values in full.stats.items()}
    np.testing.assert_allclose(found["mean"], np.abs(flat).mean(), rtol=1e-4)
    np.testing.assert_allclose(found["max"], np.abs(flat).max(), rtol=1e-4)
    assert found["zeros"] == 0
    ratio = RATE * np.linalg.norm(flat) / np.linalg.norm(weights)
    np.testing.assert_allclose(found["update_ratio"], ratio, rtol=1e-4)
    fit(model, x, y, full, some, epochs=2)
    np.testing.assert_array_equal(some.steps, full.steps[::2])
    np.testing.assert_array_equal(some.norms, full.norms[::2])
    assert clean(model)


def test_a_step_traced_by_a_plain_fit():
    """In PyTorch nothing is traced; in the others it cannot be heard, and the remedy helps."""
    x, y = data()
    model, monitor = mlp(), GradientMonitor()
    fit(model, x, y)
    fit(model, x, y, monitor)
    assert len(monitor.norms) == (STEPS if BACKEND == "torch" else 0)
    model.make_train_function(force=True)
    expected = by_hand(model.get_weights(), x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(model, x, y, monitor)
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-5)


class TwoOptimizers(keras.Model):
    """A train step of JAX in which each layer has its optimizer, as in a GAN.

    The state of such optimizers is the model's, for which the step must return it.
    """

    def __init__(self):
        super().__init__()
        self.first, self.last = layers.Dense(6, "tanh", name="a"), layers.Dense(1, name="b")
        self.own = [keras.optimizers.SGD(RATE), keras.optimizers.SGD(RATE)]
        self.first.build((None, 4))
        self.last.build((None, 6))
        for layer, optimizer in zip((self.first, self.last), self.own, strict=True):
            optimizer.build(layer.trainable_variables)
        self.own_state = [v for optimizer in self.own for v in optimizer.variables]

    def call(self, x):
        return self.last(self.first(x))

    def train_step(self, state, data):
        import jax

        x, y = data[:2]
        trainable, other, compiled, metrics = state
        names = [v.path for v in self.non_trainable_variables]

        def loss_of(trainable):
            predictions, _ = self.stateless_call(trainable, other, x)
            return ops.mean(ops.square(predictions - y))

        loss, grads = jax.value_and_grad(loss_of)(trainable)
        trainable, other = list(trainable), list(other)
        for number, optimizer in enumerate(self.own):
            part = slice(2 * number, 2 * number + 2)
            places = [names.index(v.path) for v in optimizer.variables]
            own = [other[place] for place in places]
            weights, own = optimizer.stateless_apply(own, grads[part], trainable[part])
            trainable[part] = weights
            for place, value in zip(places, own, strict=True):
                other[place] = value
        return {"loss": loss}, (trainable, other, compiled, metrics)


@pytest.mark.skipif(BACKEND != "jax", reason="the train step of JAX; others: test_train_steps.py")
def test_optimizers_of_the_models_own():
    x, y = data()
    monitor, models = GradientMonitor(), []
    for callbacks in ([], [monitor]):
        keras.utils.set_random_seed(1)
        models.append(TwoOptimizers())
        models[-1].compile(keras.optimizers.SGD(RATE))
        start = [*models[-1].first.get_weights(), *models[-1].last.get_weights()]
        fit(models[-1], x, y, *callbacks)
    expected = by_hand(start, x, y)
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-5)
    assert sorted(monitor.optimizers.values()) == [["a"], ["b"]] and not monitor.not_recorded
    for one, two in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_wide_range(factor):
    """The gradient of factor · (2w + b) is factor · (2, 1)."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), lambda y, p: factor * p)
    monitor = GradientMonitor(wide_range=True)
    fit(model, np.full((BATCH, 1), 2.0), np.zeros((BATCH, 1)), monitor)
    np.testing.assert_allclose(monitor.norms[0], [factor * np.sqrt(5)], rtol=1e-5)


def test_long_fit_and_same_weights():
    x, y = data(600)
    model, monitor, plain = mlp(), GradientMonitor(), mlp()
    expected = by_hand(model.get_weights(), x, y)
    fit(model, x, y, monitor)
    fit(plain, x, y)
    np.testing.assert_array_equal(monitor.steps, np.arange(600))
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-3)  # rounding of 600 steps
    for one, two in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interrupted(tmp_path, error):
    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise error

    x, y = data()
    model, monitor = mlp(), GradientMonitor()
    with pytest.raises(error):
        fit(model, x, y, monitor, Break())
    assert len(monitor.norms) == 3
    assert len(model.optimizer.variables) == 2
    model.save(tmp_path / "model.keras")
    assert len(keras.saving.load_model(tmp_path / "model.keras").optimizer.variables) == 2
    fit(model, x, y)
    assert clean(model)


def test_generator_of_unknown_length():
    """Its end is an exception inside the train function, on JAX with the buffer in the state."""
    x, y = data()
    model, monitor = mlp(), GradientMonitor()
    expected = by_hand(model.get_weights(), x, y)
    model.fit(
        ((x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, len(x), BATCH)),
        verbose=0,
        callbacks=[monitor],
    )
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-5)
    assert clean(model)


def test_error_inside_the_train_step():
    """The rows fetched before are kept; the model trains on as if nothing had been."""
    x, y = data()

    def broken():
        yield x[:BATCH], y[:BATCH]
        yield x[:BATCH], y[:BATCH]
        yield x[:BATCH, :2], y[:BATCH]

    model, monitor = mlp(), GradientMonitor()
    with pytest.raises(Exception):  # noqa: B017 - each backend has its own
        model.fit(broken(), verbose=0, callbacks=[monitor])
    assert len(monitor.norms) <= 2
    assert clean(model)
    fit(model, x, y, monitor)
    assert len(monitor.norms) == STEPS


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is for JAX")
def test_distribution_is_refused():
    devices = keras.distribution.list_devices("cpu")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        with pytest.warns(UserWarning, match="does not work with keras"):
            fit(mlp(), *data(), GradientMonitor())
    finally:
        keras.distribution.set_distribution(None)


def test_checkpoint_during_fit_loads(tmp_path):
    x, y = data()
    path = str(tmp_path / "model.keras")
    model = mlp(keras.optimizers.Adam())
    fit(model, x, y, GradientMonitor(), keras.callbacks.ModelCheckpoint(path))
    loaded = keras.saving.load_model(path)
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    for one, two in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(two))


def test_recurrent_embedding_and_frozen():
    tokens = np.random.default_rng(0).integers(0, 5, (BATCH * 3, 7))
    model = keras.Sequential(
        [keras.Input((7,)), layers.Embedding(5, 3), layers.LSTM(4), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    monitor = GradientMonitor()
    fit(model, tokens, np.ones((BATCH * 3, 1)), monitor)
    assert monitor.norms.shape == (3, 3) and (monitor.norms > 0).all()
    names = monitor.layer_names
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    fit(model, tokens, np.ones((BATCH * 3, 1)), monitor)
    assert monitor.layer_names == names[1:]


def test_activation_monitor():
    x, y = data()
    model, monitor = mlp(keras.optimizers.SGD(0.0)), ActivationMonitor(x[:5])
    fit(model, x, y, monitor)
    w, b = model.get_weights()[:2]
    np.testing.assert_allclose(
        monitor.stats["mean"][0, 0], np.tanh(x[:5] @ w + b).mean(), rtol=1e-4, atol=1e-6
    )
