"""GradientMonitor on TensorFlow, checked against an independent tf.GradientTape."""

import concurrent.futures
import contextlib
import csv
import doctest
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from callbacks.gradient_monitor import GradientMonitor

tf = pytest.importorskip("tensorflow")

ROOT = Path(__file__).parent.parent
BATCH = 8
STEPS = 5


def data(features=4, outputs=1, steps=STEPS, seed=0):
    random = np.random.default_rng(seed)
    shape = (BATCH * steps, features) if isinstance(features, int) else (BATCH * steps, *features)
    return (
        random.normal(size=shape).astype("float32"),
        random.normal(size=(BATCH * steps, outputs)).astype("float32"),
    )


def mlp(loss="mse", optimizer=None, seed=1, **compile_options):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, "tanh", name="a"),
            layers.Dense(5, "relu", name="b"),
            layers.Dense(1, name="c"),
        ]
    )
    options = {"jit_compile": False, **compile_options}  # XLA takes a second where it is not tested
    model.compile(optimizer or keras.optimizers.SGD(0.05), loss, **options)
    return model


def fit(model, x, y, monitor, epochs=1, **options):
    monitors = monitor if isinstance(monitor, list) else [monitor] if monitor else []
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **options}
    return model.fit(x, y, epochs=epochs, callbacks=monitors, **options)


def tape_norms(twin, x, y, groups, loss_fn=None, batch=BATCH, epochs=1, accumulate=1):
    """Train the twin by hand; norm per step of the gradients of each group of variables."""
    loss_fn = loss_fn or (lambda t, p: tf.reduce_mean(tf.square(t - p)))
    rows, total = [], None
    length = len(tf.nest.flatten(x)[0])
    starts = [s for _ in range(epochs) for s in range(0, length, batch)]
    for number, start in enumerate(starts):
        bx, by = tf.nest.map_structure(lambda v, s=start: v[s : s + batch], (x, y))
        weights = twin.trainable_variables
        with tf.GradientTape() as tape:
            loss = loss_fn(by, twin(bx, training=True))
        grads = tape.gradient(loss, weights)
        dense = [None if g is None else tf.convert_to_tensor(g).numpy() for g in grads]
        if accumulate > 1:
            total = dense if total is None else [a + b for a, b in zip(total, dense, strict=True)]
            dense = [t / accumulate for t in total]
        twin.optimizer.apply(grads, weights)
        if (number + 1) % accumulate == 0:
            index = {id(v): g for v, g in zip(weights, dense, strict=True)}
            rows.append([norm([index[id(v)] for v in group]) for group in groups])
            total = None
    return np.array(rows)


def norm(arrays):
    present = [a.astype("float64").ravel() for a in arrays if a is not None]
    return np.sqrt(sum(a @ a for a in present)) if present else np.nan


def by_layer(model):
    return [layer.trainable_variables for layer in model.layers if layer.trainable_variables]


def check(make, x, y, loss_fn=None, groups=by_layer, **options):
    fit_options = options.pop("fit", {})
    monitor = GradientMonitor()
    model = make()
    fit(model, x, y, monitor, **fit_options)
    twin = make()
    expected = tape_norms(twin, x, y, groups(twin), loss_fn, **options)
    assert monitor.norms.dtype == np.float32
    assert monitor.norms.shape == expected.shape == (len(monitor.steps), len(monitor.layer_names))
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-5)
    return monitor, model


def weights_of(model):
    return [np.array(w) for w in model.get_weights()]


def assert_same(a, b):
    for one, two in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, two)


def members(model, path):
    """What is in the `.keras` file, without the date of saving and addresses in memory."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        found = {n: archive.read(n) for n in archive.namelist() if n != "metadata.json"}
    config = found.pop("config.json").decode()
    found["config.json"] = re.sub(r'"shared_object_id": \d+', "", config)
    assert set(found) == {"config.json", "model.weights.h5"}
    return found


def assert_clean(model, twin):
    """The model and its optimizer look like those of a twin that never had a monitor."""
    assert vars(model).keys() == vars(twin).keys()
    assert vars(model.optimizer).keys() == vars(twin.optimizer).keys()
    assert model.optimizer.apply.__func__ is type(twin.optimizer).apply
    assert model.train_function is None or model.train_function.__name__ == (
        twin.train_function.__name__
    )
    assert model.optimizer.get_config() == twin.optimizer.get_config()
    assert_same(
        [v.numpy() for v in model.optimizer.variables],
        [v.numpy() for v in twin.optimizer.variables],
    )


# ---- equality with the tape ----


def test_hand_computed_two_layers():
    """One step of y = w2·(w1·x), x=2, target 1: gradients on paper."""
    model = keras.Sequential(
        [keras.Input((1,)), layers.Dense(1, use_bias=False), layers.Dense(1, use_bias=False)]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.set_weights([np.array([[3.0]]), np.array([[0.5]])])
    monitor = GradientMonitor()
    model.fit(np.array([[2.0]]), np.array([[1.0]]), verbose=0, callbacks=[monitor])
    # h = 6, y = 3, dL/dy = 2·(3-1) = 4; dw2 = 4·6 = 24; dw1 = 4·0.5·2 = 4
    np.testing.assert_allclose(monitor.norms, [[4.0, 24.0]], rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"run_eagerly": True},
        {"jit_compile": True},
        {"jit_compile": False},
        {"steps_per_execution": 3},
    ],
    ids=str,
)
def test_equals_tape_for_compile_options(options):
    monitor, _ = check(lambda: mlp(**options), *data())
    assert monitor.layer_names == ["a", "b", "c"]
    np.testing.assert_array_equal(monitor.steps, np.arange(STEPS))


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda: keras.optimizers.Adam(0.01),
        lambda: keras.optimizers.SGD(0.05, clipnorm=0.01),
        lambda: keras.optimizers.SGD(0.05, global_clipnorm=0.01),
        lambda: keras.optimizers.SGD(
            0.05, clipvalue=0.001, use_ema=True, ema_overwrite_frequency=2
        ),
    ],
    ids=["adam", "clipnorm", "global_clipnorm", "clipvalue and ema"],
)
def test_equals_tape_for_optimizers(make_optimizer):
    check(lambda: mlp(optimizer=make_optimizer()), *data())


def test_static_loss_scale_is_removed():
    scaled, plain = GradientMonitor(), GradientMonitor()
    x, y = data()
    fit(mlp(optimizer=keras.optimizers.SGD(0.05, loss_scale_factor=64.0)), x, y, scaled)
    fit(mlp(), x, y, plain)
    np.testing.assert_allclose(scaled.norms, plain.norms, rtol=1e-5)


def test_gradient_accumulation_gives_one_row_per_update():
    def make():
        return mlp(optimizer=keras.optimizers.SGD(0.05, gradient_accumulation_steps=2))

    monitor, _ = check(make, *data(steps=6), accumulate=2)
    np.testing.assert_array_equal(monitor.steps, [0, 1, 2])


def functional_nested():
    keras.utils.set_random_seed(3)
    inner = keras.Sequential([layers.Dense(4, "tanh", name="dense")], name="encoder")
    first, second = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(4, "tanh", name="shared")
    a, b = inner(shared(first)), shared(second)
    joined = layers.Concatenate()([a, b])
    model = keras.Model(
        [first, second], [layers.Dense(1, name="dense")(joined), layers.Dense(1, name="other")(b)]
    )
    model.compile(keras.optimizers.SGD(0.05), ["mse", "mse"], jit_compile=False)
    return model


def test_nested_shared_several_inputs_and_outputs():
    x, y = data()
    xs, ys = [x, x[::-1].copy()], [y, y[::-1].copy()]

    def loss(targets, predictions):
        return sum(
            tf.reduce_mean(tf.square(t - p)) for t, p in zip(targets, predictions, strict=True)
        )

    monitor, _ = check(functional_nested, xs, ys, loss)
    assert monitor.layer_names == ["shared", "encoder/dense", "dense", "other"]


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.first = layers.Dense(5, "tanh")
        self.last = layers.Dense(1)

    def call(self, x):
        return self.last(self.first(x))


@keras.saving.register_keras_serializable("tests")
class OwnStep(Subclassed):
    method = "apply"

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - self(x, training=True)))
        grads = tape.gradient(loss, self.trainable_variables)
        if self.method == "apply":
            self.optimizer.apply(grads, self.trainable_variables)
        else:
            self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        return {"loss": loss}


class OwnStepGradients(OwnStep):
    method = "apply_gradients"


@pytest.mark.parametrize(
    ("cls", "built"),
    [(Subclassed, True), (Subclassed, False), (OwnStep, True), (OwnStepGradients, False)],
)
def test_subclassed_models(cls, built):
    x, y = data()

    def make(built=built):
        keras.utils.set_random_seed(5)
        model = cls()
        model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
        if built:
            model(x[:BATCH])
        return model

    monitor = GradientMonitor()
    fit(make(), x, y, monitor)
    twin = make(True)
    expected = tape_norms(twin, x, y, by_layer(twin))
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_embedding_with_repeated_indices(jit_compile):
    random = np.random.default_rng(0)
    x = random.integers(0, 4, (BATCH * STEPS, 6))  # 48 look-ups of 4 rows: many duplicates
    y = data()[1]

    def make(steps=None):
        keras.utils.set_random_seed(2)
        model = keras.Sequential(
            [keras.Input((6,)), layers.Embedding(9, 3), layers.Flatten(), layers.Dense(1)]
        )
        optimizer = keras.optimizers.SGD(0.05, gradient_accumulation_steps=steps)
        model.compile(optimizer, "mse", jit_compile=jit_compile)
        return model

    check(make, x, y)
    check(lambda: make(2), x[: 6 * BATCH], y[: 6 * BATCH], accumulate=2)
    monitor = GradientMonitor(stats=["zeros", "mean", "max"])
    model = make()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(y[:BATCH] - model(x[:BATCH])))
    gradient = tf.convert_to_tensor(tape.gradient(loss, model.trainable_variables[0])).numpy()
    fit(model, x[:BATCH], y[:BATCH], monitor)
    found = {name: values[0, 0] for name, values in monitor.stats.items()}
    np.testing.assert_allclose(found["zeros"], np.mean(gradient == 0), rtol=1e-6)
    np.testing.assert_allclose(found["mean"], np.mean(np.abs(gradient)), rtol=1e-5)
    np.testing.assert_allclose(found["max"], np.max(np.abs(gradient)), rtol=1e-6)


def test_recurrent():
    x, y = data((5, 3))

    def make():
        keras.utils.set_random_seed(2)
        model = keras.Sequential(
            [
                keras.Input((5, 3)),
                layers.LSTM(4, return_sequences=True, name="lstm"),
                layers.GRU(4, return_sequences=True, name="gru"),
                layers.SimpleRNN(4, name="simple"),
                layers.Dense(1, name="out"),
            ]
        )
        model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
        return model

    monitor, _ = check(make, x, y)
    assert monitor.layer_names == ["lstm", "gru", "simple", "out"]


def test_frozen_and_unfrozen_between_fits():
    x, y = data()
    model, twin, monitor = mlp(), mlp(), GradientMonitor()
    fit(model, x, y, monitor)
    fit(twin, x, y, None)
    assert monitor.layer_names == ["a", "b", "c"]
    for one in (model, twin):
        one.layers[1].trainable = False
    fit(model, x, y, monitor)  # as Keras says, a flag acts when the model is compiled
    fit(twin, x, y, None)
    assert_same(weights_of(model), weights_of(twin))
    assert monitor.layer_names == ["a", "b", "c"] and monitor.updated.all()
    for one in (model, twin):
        one.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
    fit(model, x, y, monitor)
    assert monitor.layer_names == ["a", "c"]
    np.testing.assert_allclose(monitor.norms, tape_norms(twin, x, y, by_layer(twin)), rtol=1e-5)
    np.testing.assert_array_equal(monitor.steps, np.arange(STEPS))
    fit(model, x, y, monitor)
    np.testing.assert_array_equal(monitor.steps, STEPS + np.arange(STEPS))


def test_layer_without_gradient_is_nan_and_named(capsys):
    class Detached(keras.Model):
        def __init__(self):
            super().__init__()
            self.lost = layers.Dense(4, name="lost")
            self.out = layers.Dense(1, name="out")

        def call(self, x):
            return self.out(keras.ops.stop_gradient(self.lost(x)))

    x, y = data()
    model = Detached()
    model.compile("sgd", "mse", jit_compile=False)
    model(x[:1])
    monitor = GradientMonitor()
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        fit(model, x, y, monitor)
    assert np.isnan(monitor.norms[:, 0]).all() and np.isfinite(monitor.norms[:, 1]).all()
    table = monitor.summary()
    assert table.endswith("No gradient reaches: lost")
    assert table == capsys.readouterr().out.strip()


def test_dynamic_loss_scaling_and_skipped_step():
    def make(initial_scale):
        optimizer = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.05), initial_scale=initial_scale
        )
        return mlp(optimizer=optimizer)

    x, y = data()
    monitor, plain = GradientMonitor(), GradientMonitor()
    fit(make(1024.0), x, y, monitor)
    fit(mlp(), x, y, plain)
    np.testing.assert_allclose(monitor.norms, plain.norms, rtol=1e-5)
    x[BATCH : 2 * BATCH] = np.inf  # the second step overflows and is skipped
    model = make(1024.0)
    fit(model, x, y, monitor)
    assert len(monitor.norms) == STEPS
    assert not np.isfinite(monitor.norms[1]).all()
    assert np.isfinite(np.delete(monitor.norms, 1, axis=0)).all()
    assert int(model.optimizer.iterations) == STEPS - 1
    assert "1 of 5 rows have a gradient that is not finite." in monitor.summary()


def test_loss_scaling_with_accumulation_shows_the_skipped_step():
    inner = keras.optimizers.SGD(0.05, gradient_accumulation_steps=2)
    model = mlp(optimizer=keras.optimizers.LossScaleOptimizer(inner, initial_scale=64.0))
    x, y = data(steps=5)
    x[:BATCH] = np.inf  # skipped; then two updates of two batches each
    monitor, plain = GradientMonitor(), GradientMonitor()
    fit(model, x, y, monitor)
    accumulating = keras.optimizers.SGD(0.05, gradient_accumulation_steps=2)
    fit(mlp(optimizer=accumulating), x[BATCH:], y[BATCH:], plain)
    assert not np.isfinite(monitor.norms[0]).all()
    np.testing.assert_allclose(monitor.norms[1:], plain.norms, rtol=1e-5)


def test_mixed_float16():
    x, y = data()

    def make():
        keras.utils.set_random_seed(1)
        with_policy = [layers.Dense(6, "tanh", dtype="mixed_float16") for _ in range(2)]
        model = keras.Sequential([keras.Input((4,)), *with_policy, layers.Dense(1)])
        model.compile(
            keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), initial_scale=1.0),
            "mse",
            jit_compile=False,
        )
        return model

    monitor = GradientMonitor()
    fit(make(), x, y, monitor)
    twin = make()
    rows = tape_norms(twin, x, y, by_layer(twin))
    np.testing.assert_allclose(monitor.norms, rows, rtol=1e-2)  # float16 carries 3 digits


MIRRORED = """
import sys
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.test_gradient_monitor import GradientMonitor, by_layer, data, fit, mlp, tape_norms

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
x, y = data()
with strategy.scope():
    model, plain = mlp(), mlp()
monitor = GradientMonitor(stats="update_ratio")
fit(model, x, y, monitor)
fit(plain, x, y, None)
twin = mlp()
np.testing.assert_allclose(monitor.norms, tape_norms(twin, x, y, by_layer(twin)), rtol=1e-5)
assert (monitor.stats["update_ratio"] > 0).all()
for one, two in zip(model.get_weights(), plain.get_weights(), strict=True):
    np.testing.assert_array_equal(one, two)

print("equal")
"""


def test_mirrored_strategy_records_the_all_reduced_gradient():
    """In a process of its own: logical devices can only be made before TensorFlow starts."""
    run = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert run.stdout.strip().endswith("equal"), run.stderr[-3000:]


# ---- a published effect ----


def test_glorot_and_bengio_2010_on_digits():
    """Back-propagated gradients shrink with depth under the old uniform start, not Glorot's.

    Their section 4.2.2: the *weight* gradients stay level at both, as activations shrink the other
    way; the bias gradient is the back-propagated one, so the bias columns show the effect.
    """
    images, digits = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    images = ((images - images.mean()) / images.std()).astype("float32")
    width, depth = 64, 6
    limit = 1 / np.sqrt(width)
    shrink = {}
    for name, start in (
        ("old", lambda seed: keras.initializers.RandomUniform(-limit, limit, seed=seed)),
        ("glorot", lambda seed: keras.initializers.GlorotUniform(seed=seed)),
    ):
        ratios = []
        for seed in range(3):
            model = keras.Sequential([keras.Input((64,))])
            for i in range(depth):
                start_of_layer = start(100 * seed + i)
                model.add(layers.Dense(width, "tanh", kernel_initializer=start_of_layer))
            model.add(layers.Dense(10, kernel_initializer=start(100 * seed + depth)))
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
            monitor = GradientMonitor(per_variable=True)
            model.fit(images, digits, batch_size=300, verbose=0, callbacks=[monitor])
            bias = [i for i, n in enumerate(monitor.layer_names) if n.endswith("bias")]
            medians = np.median(monitor.norms[:, bias], axis=0)
            ratios.append(medians[0] / medians[depth - 1])
        shrink[name] = np.mean(ratios)
    # n·Var(W) is 1/3 at the old start: (1/√3)⁵ = 0.06 over five layers
    assert shrink["old"] < 0.15
    assert 0.4 < shrink["glorot"] < 2.5


def test_docstring_example():
    from callbacks import gradient_monitor

    result = doctest.testmod(gradient_monitor)
    assert result.attempted >= 7 and result.failed == 0


# ---- options ----


def test_all_stats_equal_numpy():
    x, y = data()
    names = ["mean", "max", "zeros", "update_ratio"]
    model, monitor = mlp(), GradientMonitor(stats=names)
    fit(model, x, y, monitor)
    twin = mlp()
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y[part] - twin(x[part])))
        weights = twin.trainable_variables
        grads = tape.gradient(loss, weights)
        old = [w.numpy().copy() for w in weights]
        twin.optimizer.apply(grads, weights)
        for column in range(3):
            pair = slice(2 * column, 2 * column + 2)
            flat = np.concatenate([g.numpy().ravel() for g in grads[pair]])
            before = np.concatenate([w.ravel() for w in old[pair]])
            after = np.concatenate([w.numpy().ravel() for w in weights[pair]])
            expected = {
                "mean": np.abs(flat).mean(),
                "max": np.abs(flat).max(),
                "zeros": np.mean(flat == 0),
                "update_ratio": np.linalg.norm(after - before) / np.linalg.norm(before),
            }
            for name in names:
                found = monitor.stats[name][step, column]
                # Δw is a difference of nearly equal numbers: fewer digits survive
                rtol = 1e-3 if name == "update_ratio" else 1e-5
                np.testing.assert_allclose(found, expected[name], rtol=rtol, err_msg=name)


def test_per_variable():
    x, y = data()
    monitor = GradientMonitor(per_variable=True)
    fit(mlp(), x, y, monitor)
    assert monitor.layer_names[:3] == ["a/kernel", "a/bias", "b/kernel"]
    twin = mlp()
    expected = tape_norms(twin, x, y, [[v] for v in twin.trainable_variables])
    np.testing.assert_allclose(monitor.norms, expected, rtol=1e-5)


@pytest.mark.parametrize(("factor", "jit_compile"), [(1e-36, False), (1e25, True)])
def test_norm_whose_square_leaves_float32(factor, jit_compile):
    """The gradient of factor · (2w + b) is factor · (2, 1)."""
    monitor = GradientMonitor(stats=["max", "update_ratio"], wide_range=True)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), lambda y, p: factor * p, jit_compile=jit_compile)
    fit(model, np.full((BATCH, 1), 2.0), np.zeros((BATCH, 1)), monitor)
    np.testing.assert_allclose(monitor.norms[0], [factor * np.sqrt(5)], rtol=1e-5)
    np.testing.assert_allclose(monitor.stats["max"][0], [2 * factor], rtol=1e-5)


def test_a_long_chain_of_small_factors():
    """22 sigmoid layers of one unit, weight 0.1: each multiplies the gradient by about 1/40."""
    depth, weight = 22, 0.1
    model = keras.Sequential([keras.Input((1,))])
    start = keras.initializers.Constant(weight)
    for _ in range(depth):
        model.add(layers.Dense(1, "sigmoid", kernel_initializer=start))
    monitor, plain = GradientMonitor(wide_range=True), GradientMonitor()
    for one in (plain, monitor):
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
        fit(model, np.ones((BATCH, 1)), np.zeros((BATCH, 1)), one)
    outputs, expected = [1.0], []
    for _ in range(depth):
        outputs.append(1 / (1 + np.exp(-weight * outputs[-1])))
    back = 2 * outputs[-1]
    for before, after in zip(outputs[-2::-1], outputs[:0:-1], strict=True):
        back *= after * (1 - after)
        expected.append(back * np.hypot(before, 1))
        back *= weight
    np.testing.assert_allclose(monitor.norms[0], expected[::-1], rtol=1e-4)
    assert 1e-37 < monitor.norms[0, 0] < 1e-33
    assert plain.norms[0, 0] == 0 and "`wide_range=True` tells" in plain.summary()
    assert "wide_range" not in monitor.summary()


# ---- outputs ----


def recorded(norms):
    """Return a monitor that holds these norms (T, L)."""
    monitor = GradientMonitor()
    monitor.layer_names = [f"block_{i}/dense" for i in range(norms.shape[1])]
    monitor._kept["step"] = [np.arange(len(norms))]
    monitor._kept["norm"] = [norms.astype("float32")]
    monitor._kept["updated"] = [np.full(norms.shape, True)]
    return monitor


def test_csv(tmp_path):
    monitor = GradientMonitor(stats="max", every=2)
    fit(mlp(), *data(), monitor, epochs=2)
    monitor.to_csv(tmp_path / "norms.csv")
    with open(tmp_path / "norms.csv") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["step", "a", "b", "c", "a/max", "b/max", "c/max"]
    values = np.array(rows, "float64")
    np.testing.assert_array_equal(values[:, 0], monitor.steps)
    np.testing.assert_allclose(values[:, 1:4], monitor.norms, rtol=1e-6)
    np.testing.assert_allclose(values[:, 4:], monitor.stats["max"], rtol=1e-6)


@pytest.mark.parametrize("num_layers", [3, 150])
def test_plot(tmp_path, num_layers):
    figure = recorded(np.full((20, num_layers), 0.1)).plot(tmp_path / "figure.png")
    heat, curves = figure.axes[:2]
    assert figure._repr_png_()[:4] == b"\x89PNG"  # what a notebook shows
    assert (tmp_path / "figure.png").stat().st_size > 5000
    labels = [label.get_text() for label in heat.get_yticklabels()]
    assert labels[0] == "block_0/dense" and len(labels) <= 75
    assert [line.get_ydata()[0] for line in curves.lines] == pytest.approx([0.1, 0.1])
    assert curves.get_yscale() == "log"
    with pytest.raises(ValueError, match="Nothing recorded"):
        GradientMonitor().plot()


def test_what_has_no_gradient_stands_in_the_figure_as_that(tmp_path):
    dead = np.array([[0.0, 0.1], [np.inf, 0.2], [np.nan, 0.3]])
    heat, curves = recorded(dead).plot().axes[:2]
    first, last = (text.get_text() for text in curves.get_legend().get_texts())
    assert first == "first: block_0/dense (grey)" and last == "last: block_1/dense"
    assert curves.get_xlim() == heat.get_xlim()
    long = [f"{'a' * 40}_{i}_{'b' * 40}" for i in range(2)]
    monitor = recorded(dead)
    monitor.layer_names = long
    figure = monitor.plot(tmp_path / "long.png")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [len(label) for label in labels] == [60, 60] and "…" in labels[0]
    legend = figure.axes[1].get_legend().get_window_extent()
    assert legend.x1 <= figure.axes[1].get_window_extent().x1


def test_summary_values():
    lines = recorded(np.array([[4.0], [1.0], [2.0]])).summary().splitlines()
    assert lines[1].split() == ["block_0/dense", "2", "1", "4", "2"]


def test_every():
    x, y = data(steps=7)
    all_steps, third = GradientMonitor(), GradientMonitor(every=3, stats="update_ratio")
    fit(mlp(steps_per_execution=4), x, y, [all_steps, third], epochs=2)
    np.testing.assert_array_equal(third.steps, [0, 3, 6, 9, 12])
    np.testing.assert_array_equal(third.norms, all_steps.norms[::3])
    assert (third.stats["update_ratio"] > 0).all()


def test_more_steps_than_the_buffer_holds():
    x, y = data(steps=1300)
    monitor = GradientMonitor()
    fit(mlp(steps_per_execution=7), x, y, monitor)
    np.testing.assert_array_equal(monitor.steps, np.arange(1300))
    twin = GradientMonitor(every=50)
    fit(mlp(), x, y, twin)
    np.testing.assert_allclose(monitor.norms[::50], twin.norms, rtol=1e-5)


# ---- it leaves nothing behind ----


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_same_weights_and_same_file_with_and_without(tmp_path, options):
    x, y = data()
    runs = []
    for monitors in ([], [GradientMonitor(stats="update_ratio")]):
        keras.utils.clear_session(free_memory=False)  # the same automatic names in both runs
        model = mlp(optimizer=keras.optimizers.Adam(0.01), **options)
        history = fit(model, x, y, monitors, epochs=2)
        saved = members(model, tmp_path / f"{len(monitors)}.keras")
        runs.append((model, history.history["loss"], saved))
    assert_clean(runs[1][0], runs[0][0])
    assert_same(weights_of(runs[0][0]), weights_of(runs[1][0]))
    assert runs[0][1:] == runs[1][1:]


def test_a_checkpoint_within_fit_is_the_same_file(tmp_path):
    class Save(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                saved.append(members(self.model, tmp_path / "model.keras"))

    saved = []
    for monitors in ([], [GradientMonitor(), GradientMonitor(every=2)]):
        keras.utils.clear_session(free_memory=False)
        fit(mlp(), *data(), [*monitors, Save()])
    assert saved[0] == saved[1]


class Break(keras.callbacks.Callback):
    """End the fit with an error at the third batch, at one of Keras's calls."""

    def __init__(self, error, method):
        super().__init__()
        setattr(self, method, self.stop)
        self.error = error

    def stop(self, batch, logs=None):
        if batch == 2:
            raise self.error


@pytest.mark.parametrize(
    ("error", "method"),
    [(RuntimeError, "on_train_batch_begin"), (KeyboardInterrupt, "on_train_batch_end")],
)
def test_after_an_interrupted_fit(tmp_path, error, method):
    x, y = data()
    monitor = GradientMonitor()
    runs = []
    for monitors in ([], [monitor]):
        keras.utils.clear_session(free_memory=False)
        model = mlp()
        with pytest.raises(error):
            fit(model, x, y, [*monitors, Break(error, method)])
        runs.append((model, members(model, tmp_path / "model.keras")))
    (twin, expected), (model, saved) = runs
    assert saved == expected
    num_rows = 3 if method == "on_train_batch_end" else 2
    assert len(monitor.norms) == num_rows  # what was recorded is not lost
    assert vars(model.optimizer).keys() == vars(twin.optimizer).keys()
    fit(model, x, y, None)
    fit(twin, x, y, None)
    assert_clean(model, twin)
    assert_same(weights_of(model), weights_of(twin))
    assert len(monitor.norms) == num_rows  # not one row of the fit without it
    again = GradientMonitor()
    fit(model, x, y, again)
    assert len(again.norms) == STEPS


def test_recompiled_after_an_interrupted_fit():
    x, y = data()
    model, twin = mlp(), mlp()
    for one, monitors in ((model, [GradientMonitor(), GradientMonitor()]), (twin, [])):
        with pytest.raises(RuntimeError):
            fit(one, x, y, [*monitors, Break(RuntimeError, "on_train_batch_begin")])
        one.compile(keras.optimizers.Adam(0.1, name="same"), "mae", jit_compile=False)
        fit(one, x, y, None)
    assert_clean(model, twin)
    assert_same(weights_of(model), weights_of(twin))


def test_error_inside_the_train_step():
    class Failing(OwnStep):
        def train_step(self, data):
            super().train_step(data)
            raise RuntimeError("in the middle of the step")

    model, twin = Failing(name="same"), Failing(name="same")
    for one, monitor in ((model, GradientMonitor()), (twin, None)):
        keras.utils.clear_session(free_memory=False)
        one.compile("sgd", "mse", jit_compile=False)
        one(data()[0])
        with pytest.raises(RuntimeError, match="in the middle"):
            fit(one, *data(), monitor)
    assert_clean(model, twin)


def test_reused_on_a_second_model_and_after_recompiling():
    x, y = data()
    monitor, model = GradientMonitor(), mlp()
    fit(model, x, y, monitor)
    first = monitor.norms
    fit(mlp(), x, y, monitor)
    np.testing.assert_array_equal(monitor.norms, first)
    model.compile("adam", "mse", jit_compile=False)
    fit(model, x, y, monitor, epochs=2)
    assert monitor.norms.shape == (2 * STEPS, 3) and monitor.steps[0] == 0
    assert "apply" not in vars(model.optimizer)


# ---- every fit, and not only the first ----


class Stateful(keras.Model):
    """A step whose trace fixes a Python number, and that draws TensorFlow's random numbers."""

    def __init__(self, seed=7, draw=True):
        super().__init__()
        keras.utils.set_random_seed(seed)
        self.first, self.last = layers.Dense(5, "tanh", name="first"), layers.Dense(1, name="last")
        self.factor, self.draw, self.num_traces = 1.0, draw, 0
        self.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)

    def call(self, x):
        return self.last(self.first(x))

    def train_step(self, data):
        x, y = data
        self.num_traces += 1
        with tf.GradientTape() as tape:
            error = y - self(x + 0.1 * tf.random.normal(tf.shape(x)) if self.draw else x)
            loss = self.factor * tf.reduce_mean(tf.square(error))
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": loss}


@pytest.mark.parametrize("watched", ["1111", "1010", "0111", "0110"])
@pytest.mark.parametrize("draw", [False, True])
def test_a_sequence_of_fits_is_the_same(watched, draw):
    """Numbers, flags and tf.random act as without the monitor, whichever of the fits have one."""
    x, y = data()
    model, twin = Stateful(draw=draw), Stateful(draw=draw)
    for number, is_watched in enumerate(watched):
        monitor = GradientMonitor() if is_watched == "1" else None
        is_unheard = monitor is not None and watched[0] == "0"  # a plain fit has traced the step
        with (
            pytest.warns(UserWarning, match="updates by the optimizer 'sgd.* are missing")
            if (is_unheard)
            else contextlib.nullcontext()
        ):
            fit(model, x, y, monitor)
        fit(twin, x, y, None)
        assert_same(weights_of(model), weights_of(twin))
        assert model.num_traces == twin.num_traces
        if monitor is not None:
            assert monitor.norms.shape == ((0, 0) if is_unheard else (STEPS, 2))
        for one in (model, twin):
            one.factor += 1
            one.first.trainable = number % 2 == 0


def test_after_a_plain_fit_the_remedy_of_the_warning_helps():
    x, y = data()
    model, twin, monitor = mlp(), mlp(), GradientMonitor()
    for one in (model, twin):
        fit(one, x, y, None)
    model.make_train_function(force=True)
    fit(model, x, y, monitor)
    np.testing.assert_allclose(monitor.norms, tape_norms(twin, x, y, by_layer(twin)), rtol=1e-5)
    np.testing.assert_array_equal(monitor.steps, STEPS + np.arange(STEPS))


def test_a_later_monitor_that_asks_for_more():
    x, y = data()
    model, first, more = mlp(), GradientMonitor(stats="mean"), GradientMonitor(stats="max")
    fit(model, x, y, first)
    with pytest.warns(UserWarning, match=r"some quantities are NaN.*make_train_function"):
        fit(model, x, y, more)
    assert np.isfinite(more.norms).all() and np.isnan(more.stats["max"]).all()
    model.make_train_function(force=True)
    fit(model, x, y, [first, more])
    assert np.isfinite(first.stats["mean"]).all() and np.isfinite(more.stats["max"]).all()
    np.testing.assert_array_equal(first.norms, more.norms)


def test_a_loop_of_fits_traces_once():
    x, y = data()
    model, twin = Stateful(), Stateful()
    for _ in range(4):
        monitor = GradientMonitor()
        fit(model, x, y, monitor)
        fit(twin, x, y, None)
        assert monitor.norms.shape == (STEPS, 2)
        assert_same(weights_of(model), weights_of(twin))
    assert model.num_traces == twin.num_traces
    np.testing.assert_array_equal(monitor.steps, 3 * STEPS + np.arange(STEPS))


class Rebuild(keras.callbacks.Callback):
    """Change a flag and let the step be traced anew, at one of Keras's calls."""

    def __init__(self, method, how):
        super().__init__()
        setattr(self, method, self.change)
        self.how = how

    def change(self, number, logs=None):
        if number != 2:
            return
        self.model.first.trainable = False
        self.model.factor = 5.0
        if self.how == "compile":
            self.model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
            self.model.make_train_function()
        else:
            self.model.make_train_function(force=True)


@pytest.mark.parametrize("method", ["on_train_batch_end", "on_epoch_begin", "on_epoch_end"])
@pytest.mark.parametrize("how", ["force", "compile"])
def test_train_function_rebuilt_during_fit(method, how):
    x, y = data()
    model, twin, monitor = Stateful(), Stateful(), GradientMonitor()
    fit(model, x, y, [monitor, Rebuild(method, how)], epochs=4)
    fit(twin, x, y, Rebuild(method, how), epochs=4)
    assert_same(weights_of(model), weights_of(twin))
    assert model.num_traces == twin.num_traces
    assert len(monitor.norms) == 4 * STEPS
    np.testing.assert_array_equal(monitor.updated[0], [True, True])
    np.testing.assert_array_equal(monitor.updated[-1], [False, True])
    assert np.isfinite(monitor.norms[monitor.updated]).all()


@pytest.mark.parametrize("before", [False, True])
def test_train_function_rebuilt_as_a_batch_begins(before):
    """By a callback after the monitor it cannot be heard: that is said."""
    x, y = data()
    model, twin, monitor = Stateful(), Stateful(), GradientMonitor()
    rebuild = Rebuild("on_train_batch_begin", "force")
    with contextlib.nullcontext() if before else pytest.warns(UserWarning, match="are missing"):
        fit(model, x, y, [rebuild, monitor] if before else [monitor, rebuild], epochs=2)
    fit(twin, x, y, Rebuild("on_train_batch_begin", "force"), epochs=2)
    assert_same(weights_of(model), weights_of(twin))
    assert len(monitor.norms) == (2 * STEPS if before else 2)


def test_layers_unfrozen_during_fit(tmp_path):
    """New columns stand in forward order; what was recorded before has no entry in them."""

    class Unfreeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.layers[0].trainable = True
                self.model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
                self.model.make_train_function()

    x, y = data()
    model = mlp()
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
    monitor = GradientMonitor()
    fit(model, x, y, [monitor, Unfreeze()], epochs=2)
    assert monitor.layer_names == ["a", "b", "c"] and len(monitor.norms) == 2 * STEPS
    assert not monitor.updated[:STEPS, 0].any() and monitor.updated[STEPS:].all()
    np.testing.assert_array_equal(np.isfinite(monitor.norms), monitor.updated)
    monitor.to_csv(tmp_path / "norms.csv")
    with open(tmp_path / "norms.csv") as file:
        rows = list(csv.reader(file))
    assert rows[1][1] == "" and float(rows[-1][1]) > 0


class Extra(keras.callbacks.Callback):
    """Train on one more batch at one of Keras's calls."""

    def __init__(self, method, x, y):
        super().__init__()
        setattr(self, method, lambda batch, logs=None: self.model.train_on_batch(x[:3], y[:3]))


@pytest.mark.parametrize("method", ["on_train_batch_begin", "on_train_batch_end"])
def test_train_on_batch_in_a_callback_is_recorded(method):
    x, y = data()
    model, twin, monitor = mlp(), mlp(), GradientMonitor()
    fit(model, x, y, [monitor, Extra(method, x, y)])
    fit(twin, x, y, Extra(method, x, y))
    assert_same(weights_of(model), weights_of(twin))
    assert monitor.norms.shape == (2 * STEPS, 3)
    only_batch = GradientMonitor()
    fit(mlp(), x[:3], y[:3], only_batch)
    first, second = (0, 1) if method == "on_train_batch_begin" else (1, 0)
    if method == "on_train_batch_begin":
        np.testing.assert_allclose(monitor.norms[first], only_batch.norms[0], rtol=1e-5)
    assert not np.allclose(monitor.norms[first], monitor.norms[second])


def test_train_on_batch_alone():
    x, y = data()
    model, twin, plain, monitor = mlp(), mlp(), mlp(), GradientMonitor()
    monitor.set_model(model)
    monitor.on_train_begin()
    batches = [slice(step * BATCH, (step + 1) * BATCH) for step in range(STEPS)]
    for batch in batches:
        model.train_on_batch(x[batch], y[batch])
    monitor.on_train_end()
    np.testing.assert_allclose(monitor.norms, tape_norms(twin, x, y, by_layer(twin)), rtol=1e-5)
    for batch in batches:  # a tape outside of a graph may round otherwise
        plain.train_on_batch(x[batch], y[batch])
    assert_same(weights_of(model), weights_of(plain))
    model.train_on_batch(x[:BATCH], y[:BATCH])
    assert len(monitor.norms) == STEPS


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 2}, {"jit_compile": True}])
def test_a_plain_fit_adds_nothing(options):
    x, y = data(steps=6)
    model, monitor = mlp(**options), GradientMonitor()
    fit(model, x, y, monitor)
    norms = monitor.norms
    fit(model, x, y, None, epochs=2)
    np.testing.assert_array_equal(monitor.norms, norms)
    twin, later = mlp(**options), GradientMonitor()
    fit(twin, x, y, None, epochs=3)
    assert_same(weights_of(model), weights_of(twin))
    fit(model, x, y, later)
    np.testing.assert_allclose(later.norms, tape_norms(twin, x, y, by_layer(twin)), rtol=1e-5)
    np.testing.assert_array_equal(later.steps, 18 + np.arange(6))


def test_float8_scales_are_left_out():
    def make():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4,)), layers.Dense(16), layers.Dense(1)])
        model.layers[0].quantize("float8")
        model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
        return model

    x, y = data()
    model, twin, monitor = make(), make(), GradientMonitor(per_variable=True)
    fit(model, x, y, monitor)
    names = [name.split("/")[-1] for name in monitor.layer_names]
    assert names == ["kernel", "bias", "kernel", "bias"]
    old = weights_of(twin)[:2]
    fit(twin, x[:BATCH], y[:BATCH], None)
    change = [(b - a) / 0.05 for a, b in zip(old, weights_of(twin)[:2], strict=True)]
    np.testing.assert_allclose(monitor.norms[0, :2], [norm([c]) for c in change], rtol=1e-4)


def test_the_classes_of_keras_are_as_before():
    methods = [keras.optimizers.Optimizer.apply, keras.optimizers.LossScaleOptimizer.apply]
    fit(mlp(), *data(), [GradientMonitor(), GradientMonitor(every=2)])
    with pytest.raises(RuntimeError):
        fit(mlp(), *data(), [GradientMonitor(), Break(RuntimeError, "on_train_batch_begin")])
    assert methods == [keras.optimizers.Optimizer.apply, keras.optimizers.LossScaleOptimizer.apply]


def test_models_trained_in_threads_keep_apart():
    x, y = data(steps=30)
    monitors, models = [GradientMonitor() for _ in range(3)], [mlp(seed=s) for s in range(3)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda pair: fit(pair[0], x, y, pair[1]), zip(models, monitors, strict=True)))
    for seed, monitor in enumerate(monitors):
        twin = mlp(seed=seed)
        np.testing.assert_allclose(monitor.norms, tape_norms(twin, x, y, by_layer(twin)), rtol=1e-4)


# ---- the recipes find this file ----


# ---- bad input ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be a positive integer, got 0"),
        ({"every": 1.5}, "positive integer"),
        ({"stats": ["median"]}, "Unknown stats"),
        ({"stats": None}, "Unknown stats"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradientMonitor(**arguments)


@pytest.mark.parametrize("kind", ["frozen", "weightless"])
def test_nothing_to_train_is_said_and_the_run_goes_on(kind):
    x, y = data()
    model = mlp()
    if kind == "frozen":
        model.trainable = False
        model.compile("sgd", "mse", jit_compile=False)
    else:
        model = keras.Sequential([keras.Input((4,)), layers.Rescaling(2.0), layers.Lambda(abs)])
        model.compile("sgd", lambda y, p: keras.ops.mean(p), jit_compile=False)
    monitor = GradientMonitor()
    with pytest.warns(UserWarning, match="nothing is recorded, as the model has no trainable"):
        history = fit(model, x, y, monitor, epochs=2)
    assert len(history.history["loss"]) == 2
    assert monitor.norms.shape == (0, 0) and monitor.layer_names == []
    assert "nothing is recorded, as the model has no trainable weights" in monitor.summary()


def test_a_tuple_of_layers_in_the_model():
    """TensorFlow wraps it in a class of its own, which cannot be added to a list."""

    class WithTuple(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = (layers.Dense(3, name="first"), layers.Dense(1, name="last"))

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    model, monitor = WithTuple(), GradientMonitor()
    model.compile("sgd", "mse", jit_compile=False)
    fit(model, *data(), monitor)
    assert monitor.layer_names == ["first", "last"] and len(monitor.norms) == STEPS


def test_what_a_strange_optimizer_lacks_is_said_and_the_run_goes_on():
    class Strange(keras.optimizers.SGD):
        @property
        def gradient_accumulation_steps(self):
            if sys._getframe(1).f_globals["__name__"].endswith("gradient_monitor"):
                raise AttributeError("no such thing here")
            return None

        @gradient_accumulation_steps.setter
        def gradient_accumulation_steps(self, value):
            pass

    model, twin, monitor = mlp(optimizer=Strange(0.05)), mlp(), GradientMonitor()
    with pytest.warns(UserWarning, match="'strange' cannot be read: no such thing here") as caught:
        fit(model, *data(), monitor)
    fit(twin, *data(), None)
    assert sum("GradientMonitor" in str(w.message) for w in caught) == 1
    assert_same(weights_of(model), weights_of(twin))


@pytest.mark.parametrize("options", [{"jit_compile": False}, {"steps_per_execution": 2}])
def test_data_of_unknown_length(options):
    """The step that finds no batch left runs part of the graph; it must not give a row."""
    x, y = data()
    unknown = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).filter(lambda x, y: True)
    monitor, plain = GradientMonitor(), GradientMonitor()
    model = mlp(**options)
    model.fit(unknown, epochs=2, verbose=0, callbacks=[monitor])
    fit(mlp(**options), x, y, plain, epochs=2)
    np.testing.assert_array_equal(monitor.steps, np.arange(2 * STEPS))
    np.testing.assert_allclose(monitor.norms, plain.norms, rtol=1e-6)
    assert "apply" not in vars(model.optimizer)
