"""Both engines against a new model trained with `model.fit`."""

import gc
import sys
import weakref

import keras
import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tuning import search
from tuning.inputs.data import Arrays, as_data, batch_order
from tuning.store import read_arrays, read_json, write_arrays
from tuning.training.graph import gather, to_gather
from tuning.training.one_by_one import Engine
from tuning.training.trial import run_trial

OPTIMIZERS = {  # the last two start from state that is not zero
    "Adam": keras.optimizers.Adam,
    "SGD with momentum": lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True),
    "Adagrad": keras.optimizers.Adagrad,
    "Nadam": keras.optimizers.Nadam,
}
# Same operations in the same order: mostly bit-equal. Where the batch size divides n, `fit` on
# arrays compiles for one fixed shape and rounds differently in the last bit (1e-7 of the loss);
# training amplifies that, measured up to 1e-4 after three epochs.
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(150, 8)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int32")
    return (x[:100], y[:100]), (x[100:], y[100:])


def builder(optimizer):
    def build():
        model = keras.Sequential(
            [
                layers.Input((8,)),
                layers.Dense(16, activation="relu"),
                layers.BatchNormalization(),
                layers.Dropout(0.3),
                layers.Dense(2, activation="softmax"),
            ]
        )
        model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


def fit_new_model(build, data, learning_rate, batch_size, epochs, seed):
    """The truth: a new model, `fit` on arrays that are put into the epoch's order beforehand."""
    (x, y), validation = data
    keras.utils.set_random_seed(seed)
    model = build()
    if learning_rate is not None:
        model.optimizer.learning_rate = learning_rate
    scores = []
    for epoch in range(epochs):
        order = batch_order(seed, epoch, len(x))
        history = model.fit(
            x[order],
            y[order],
            batch_size=batch_size,
            epochs=epoch + 1,
            initial_epoch=epoch,
            shuffle=False,
            validation_data=validation,
            verbose=0,
        ).history
        scores.append({name: values[0] for name, values in history.items()})
    return scores


def train(engine, learning_rate, batch_size, epochs, seed, start=0):
    scores = []
    engine.train(
        learning_rate,
        batch_size,
        epochs,
        seed,
        start,
        lambda epoch, logs, *seconds: scores.append(logs),
    )
    return scores


def assert_same(got, wanted, tolerance=TOLERANCE):
    assert len(got) == len(wanted)
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.keys() == theirs.keys()
        for name in theirs:
            assert ours[name] == pytest.approx(theirs[name], abs=tolerance), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_scores_of_a_reused_model_are_those_of_a_new_one(optimizer, data):
    build = builder(OPTIMIZERS[optimizer])
    train_data, validation = (as_data(part, "data") for part in data)
    engines = [Engine(build, train_data, validation, wanted="graph")]
    if optimizer == "Nadam":  # `fit` itself does the work
        engines.append(Engine(build, train_data, validation, wanted="fit"))
    wanted = fit_new_model(build, data, 0.003, 32, 2, seed=5)
    for engine in engines:
        train(engine, 0.5, 7, 1, seed=0)  # a wild trial that must leave nothing behind
        engine.reset(5)
        assert_same(train(engine, 0.003, 32, 2, seed=5), wanted)


def test_a_state_read_in_between_goes_on_bit_for_bit(data):
    train_data, validation = (as_data(part, "data") for part in data)
    for wanted in ("graph", "fit"):
        engine = Engine(builder(keras.optimizers.Nadam), train_data, validation, wanted=wanted)
        engine.reset(3)
        whole = train(engine, 0.01, 16, 3, seed=3)
        engine.reset(3)
        first = train(engine, 0.01, 16, 1, seed=3)
        state = engine.read()
        train(engine, 1.0, 16, 1, seed=3)
        engine.write(state)
        assert first + train(engine, 0.01, 16, 3, seed=3, start=1) == whole


def test_what_python_must_see_is_trained_with_fit(data):
    class OwnStep(keras.Sequential):
        def train_step(self, batch):
            return super().train_step(batch)

    def own_step():
        model = OwnStep([layers.Input((8,)), layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    def schedule():
        rate = keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)
        return builder(lambda: keras.optimizers.SGD(rate))()

    def eager():
        model = builder(keras.optimizers.SGD)()
        model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
        return model

    def distributed():
        with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
            return builder(keras.optimizers.SGD)()

    sgd = builder(keras.optimizers.SGD)
    train_data, validation = (as_data(part, "data") for part in data)
    callbacks = [keras.callbacks.EarlyStopping("val_loss")]
    for build, used, reason in (
        (own_step, (), "train_step"),
        (schedule, (), "schedule"),
        (eager, (), "eagerly"),
        (distributed, (), "distributed"),
        (sgd, callbacks, "callbacks"),
    ):
        engine = Engine(build, train_data, validation, used)
        assert engine.kind == "fit" and reason in engine.reason
        with pytest.raises(ValueError, match=reason):
            Engine(build, train_data, validation, used, wanted="graph")
    assert Engine(sgd, train_data, validation).kind == "graph"


def warmup(peak):
    """Return a schedule whose largest rate comes after these trainings."""
    steps = {"warmup_target": peak, "warmup_steps": 10}
    return keras.optimizers.schedules.CosineDecay(0.0, 100, **steps)


def test_with_a_schedule_the_learning_rate_is_its_largest_value(data):
    def build(peak):
        return builder(lambda: keras.optimizers.SGD(warmup(peak)))()

    train_data, validation = (as_data(part, "data") for part in data)
    engine = Engine(lambda: build(1.0), train_data, validation)
    for peak, epochs in ((0.05, 2), (0.5, 1)):  # of 4 steps
        engine.reset(0)
        got = train(engine, peak, 25, epochs, seed=0)
        wanted = fit_new_model(lambda peak=peak: build(peak), data, None, 25, epochs, seed=0)
        for ours, theirs in zip(got, wanted, strict=True):
            assert ours["val_loss"] == pytest.approx(theirs["val_loss"], abs=TOLERANCE)


def test_callbacks_are_copied_for_every_training(data):
    train_data, validation = (as_data(part, "data") for part in data)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, mode="max", baseline=1e9)
    engine = Engine(builder(keras.optimizers.SGD), train_data, validation, [stop])
    for _ in range(2):
        engine.reset(0)
        assert len(train(engine, 0.01, 50, 5, seed=0)) == 2  # the first does not count
    assert stop.model is None


def test_sample_weights(data):
    (x, y), validation = data
    weights = np.linspace(0, 1, len(x)).astype("float32")
    build = builder(keras.optimizers.SGD)
    engine = Engine(build, as_data((x, y, weights), "t"), as_data(validation, "v"))
    assert engine.kind == "graph"
    engine.reset(0)
    got = train(engine, 0.1, 30, 1, seed=0)
    keras.utils.set_random_seed(0)
    model = build()
    model.optimizer.learning_rate = 0.1
    order = batch_order(0, 0, len(x))
    history = model.fit(
        x[order],
        y[order],
        sample_weight=weights[order],
        batch_size=30,
        shuffle=False,
        validation_data=validation,
        verbose=0,
    ).history
    assert_same(got, [{name: values[0] for name, values in history.items()}])


class Annealed(keras.losses.Loss):
    """A penalty that fades with the number of calls, which Keras does not track."""

    def __init__(self):
        super().__init__()
        self.calls = keras.Variable(0.0, trainable=False)

    def call(self, y_true, y_pred):
        self.calls.assign_add(1.0)
        share = keras.ops.maximum(0.0, 1 - self.calls / 10)
        return keras.ops.mean(keras.ops.square(y_true - y_pred) + 20 * share * y_pred**2, axis=-1)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a loss that counts")
@pytest.mark.parametrize("wanted", ["graph", "fit"])
def test_what_a_loss_counts_is_put_back(data, wanted):
    floats = tuple((x, x[:, :1]) for x, _ in data)

    def build():
        model = keras.Sequential([layers.Input((8,)), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(), Annealed(), metrics=["mae"])
        return model

    train_data, validation = (as_data(part, "data") for part in floats)
    engine = Engine(build, train_data, validation, wanted=wanted)
    for seed in (0, 0, 1):
        engine.reset(seed)
        truth = fit_new_model(build, floats, 0.05, 25, 2, seed)
        assert_same(train(engine, 0.05, 25, 2, seed), truth)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a tf.data pipeline")
def test_the_pipeline_has_the_batches_of_its_source():
    rows = np.arange(70.0)
    arrays = Arrays(([rows, {"half": rows / 2}], rows * 2, rows * 3), "train")
    for seed in (None, 0):
        batches = arrays.batches(32, seed)
        pipeline = batches.pipeline()
        for epoch in (0, 1):
            batches.set_epoch(epoch)
            given = list(pipeline)
            assert len(given) == len(batches) == pipeline.cardinality() == 3
            for index, batch in enumerate(given):
                leaves = keras.tree.flatten(batch), keras.tree.flatten(batches[index])
                for one, other in zip(*leaves, strict=True):
                    np.testing.assert_array_equal(one, other)


def test_where_fit_compiles_with_xla_so_does_the_graph(data):
    """XLA draws other dropout masks: without it the scores would be those of another training."""

    def build():
        model = builder(keras.optimizers.Adam)()
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"], jit_compile=True)
        return model

    engine = Engine(build, Arrays(data[0], "train"), Arrays(data[1], "validation"))
    assert engine.kind == "graph"
    assert_same(train(engine, 0.01, 50, 2, 0), fit_new_model(build, data, 0.01, 50, 2, 0))


def test_a_dropped_engine_frees_its_model_and_data(data):
    engine = Engine(
        builder(keras.optimizers.Adam), Arrays(data[0], "train"), Arrays(data[1], "validation")
    )
    train(engine, 0.01, 32, 1, 0)
    kept = [weakref.ref(variable.value.handle) for variable in engine.model.variables]
    kept += [weakref.ref(leaf) for leaf in engine._functions._train]
    assert all(reference() is not None for reference in kept)
    del engine
    gc.collect()
    assert [reference() for reference in kept if reference() is not None] == []


def test_models_share_the_data_on_the_device(data):
    arrays = Arrays(data[0], "train"), Arrays(data[1], "validation")
    engines = [Engine(builder(keras.optimizers.Adam), *arrays) for _ in range(2)]
    used = [
        {id(leaf) for leaf in (*e._functions._train, *e._functions._validation)} for e in engines
    ]
    assert used[0] == used[1] and len(used[0]) == 4


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "int64", "float64"])
def test_rows_gathered_on_a_gpu_are_the_rows(kind, monkeypatch):
    """What changes for a GPU is the type in which it gathers: it must hold every value exactly."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    limits = np.finfo(kind) if kind == "float64" else np.iinfo(kind)
    values = np.linspace(limits.min / 2, limits.max / 2, 1001).astype(kind)
    values = np.concatenate([values, np.array([limits.min, limits.max, 0, 1], kind)])
    rows = np.random.default_rng(0).permutation(len(values))[:500].astype("int32")
    taken = gather(to_gather(values), tf.as_dtype(kind), rows).numpy()
    assert taken.dtype == kind
    np.testing.assert_array_equal(taken, values[rows])


def test_a_state_in_bfloat16_can_be_kept(tmp_path, data):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("bfloat16")
    try:
        arrays = Arrays(data[0], "train"), Arrays(data[1], "validation")
        engine = Engine(builder(keras.optimizers.Adam), *arrays)
        train(engine, 0.01, 32, 1, 0)
        before = [variable.numpy().astype("float32") for variable in engine.model.weights]
        write_arrays(tmp_path / "state.npz", engine.read(), {})
        engine.reset(0)
        engine.write(read_arrays(tmp_path / "state.npz")[0])
        after = [variable.numpy().astype("float32") for variable in engine.model.weights]
    finally:
        keras.config.set_dtype_policy(policy)
    for wanted, got in zip(before, after, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("where", ["find_untrained_loss", "reset", "train"])
def test_out_of_memory_anywhere_is_a_failed_trial(where, data, tmp_path, monkeypatch):
    arrays = Arrays(data[0], "train"), Arrays(data[1], "validation")
    engine = Engine(builder(keras.optimizers.Adam), *arrays)

    def full(*arguments, **options):
        raise tf.errors.InternalError(None, None, "Dst tensor is not initialized.")

    monkeypatch.setattr(engine, where, full)
    values = {"learning_rate": 0.1, "batch_size": 32}
    objective = kt.Objective("val_accuracy", "max")
    record = run_trial(engine, tmp_path, values, objective, epochs=1, seed=0)
    assert record["status"] == "failed" and record["out_of_memory"]
    assert read_json(tmp_path / "record.json")["status"] == "failed"


def test_the_range_test_takes_the_largest_batch_that_fits(data, monkeypatch, tmp_path):
    story = sys.modules["tuning.run"]
    tried, models, measure = [], [], story.learning_rate_range

    def limited(build, train, batch_size, **options):
        assert [model for model in models if model() is not None] == []  # what did not fit is freed
        tried.append(batch_size)
        if batch_size > 32:
            models.append(weakref.ref(builder(keras.optimizers.Adam)()))
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return measure(build, train, batch_size, seeds=1, steps=40, **options)

    monkeypatch.setattr(story, "learning_rate_range", limited)
    options = {"max_trials": 1, "epochs": 1, "seeds": 0, "directory": tmp_path, "verbose": False}
    sizes = {"batch_size": [16, 32, 64, 100]}
    found = search(builder(keras.optimizers.Adam), *data, **sizes, **options)
    low, high = found.settings["bounds"]
    assert tried == [16, 100, 64, 32] and 0 < low < high


def test_a_model_that_uses_the_rate_itself_is_built_for_each(data, tmp_path):
    def build(hp):
        rate = hp["learning_rate"]
        output = layers.Dense(2, "softmax", kernel_regularizer=keras.regularizers.L2(10 * rate))
        model = keras.Sequential([layers.Input((8,)), output])
        model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
        return model

    options = {"learning_rate": (1e-3, 1e-1), "batch_size": [32], "max_trials": 2, "epochs": 1}
    options |= {"seeds": 0, "directory": tmp_path, "verbose": False}
    rows = search(build, *data, **options).trials
    assert len({row["learning_rate"] for row in rows}) == 2
    for row in rows:
        hp = kt.HyperParameters()
        hp.Fixed("learning_rate", row["learning_rate"])
        (wanted,) = fit_new_model(lambda hp=hp: build(hp), data, None, 32, 1, seed=0)
        assert row["scores"] == pytest.approx([wanted["val_loss"]], abs=TOLERANCE)
