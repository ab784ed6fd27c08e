"""The stacked training against the same model trained alone with `model.fit`."""

import csv

import keras
import matplotlib
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops, optimizers

from tuning.__main__ import main
from tuning.inputs.data import batch_order
from tuning.sweep import learning_rate_sweep
from tuning.training import together as population

RATES = [1e-3, 5e-2]
SIZE, BATCH, EPOCHS = 70, 16, 2  # the last batch has 6 examples


def data(size=SIZE, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(size, 8)).astype("float32")
    return x, (x[:, 0] + x[:, 1] ** 2 > 0.5).astype("int32") + (x[:, 2] > 1)


TRAIN, VALIDATION = data(), data(30, 1)


def mlp(optimizer, *middle, **options):
    def build_model():
        model = keras.Sequential([keras.Input((8,)), layers.Dense(12, "relu")])
        for layer in middle:
            model.add(layer())
        model.add(layers.Dense(3, "softmax", **options))
        loss = "sparse_categorical_crossentropy"
        model.compile(optimizer(), loss, metrics=["accuracy"])
        return model

    return build_model


def sweep(build_model, **options):
    options = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0, **options}
    return learning_rate_sweep(build_model, TRAIN, VALIDATION, RATES, **options)


def alone(build_model, rate, seed=0, epochs=EPOCHS, train=TRAIN):
    """Return the model and the history of a training by `fit` that shares no code with ours."""
    keras.utils.set_random_seed(seed)
    model = build_model()
    model.optimizer.learning_rate = rate
    rows = []
    for epoch in range(epochs):
        order = batch_order(seed, epoch, len(train[0]))
        x, y = train[0][order], train[1][order]
        fit = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "validation_data": VALIDATION}
        rows.append(model.fit(x, y, **fit).history)
    return model, {name: np.array([row[name][0] for row in rows]) for name in rows[0]}


def assert_equal_to_alone(result, build_model, seeds=(0,), members=(1,), tolerance=1e-5):
    for k in members:  # training alone takes longest
        rate = RATES[k]
        for s, seed in enumerate(seeds):
            model, history = alone(build_model, rate, seed)
            assert set(history) == set(result.history)
            for name, values in history.items():
                found = result.history[name][:, k, s]
                np.testing.assert_allclose(found, values, rtol=tolerance, atol=tolerance)
            if s == 0:
                for one, two in zip(
                    result.model(k).get_weights(), model.get_weights(), strict=True
                ):
                    np.testing.assert_allclose(one, two, rtol=1e-4, atol=tolerance)


OPTIMIZERS = {
    "nesterov, clipnorm": lambda: optimizers.SGD(momentum=0.9, nesterov=True, clipnorm=0.05),
    "adam, global clipnorm": lambda: optimizers.Adam(global_clipnorm=0.05),
    "adamw": lambda: optimizers.AdamW(weight_decay=0.1),
    "adafactor": optimizers.Adafactor,  # not elementwise
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_equal_training_alone(name):
    build_model = mlp(OPTIMIZERS[name])
    members = [0, 1] if name == "adam, global clipnorm" else [1]
    result = sweep(build_model)
    assert result.reason is None
    assert_equal_to_alone(result, build_model, members=members)


def test_dropout_batch_normalization_and_seeds_equal_training_alone():
    build_model = mlp(optimizers.Adam, layers.BatchNormalization, lambda: layers.Dropout(0.4))
    result = sweep(build_model, seeds=2)
    assert result.history["val_loss"].shape == (EPOCHS, len(RATES), 2)
    assert_equal_to_alone(result, build_model, seeds=[0, 1])


class Worst(keras.metrics.Metric):
    """The largest error so far; its result is its own variable."""

    def __init__(self):
        super().__init__(name="worst")
        self.largest = self.add_variable((), "zeros")

    def update_state(self, y, prediction, sample_weight=None):
        errors = ops.abs(ops.cast(y, "float32") - ops.max(prediction, axis=-1))
        self.largest.assign(ops.maximum(self.largest, ops.max(errors)))

    def result(self):
        return self.largest


def of_a_batch(y, prediction):
    """Tell one number for a batch, so that it is another one for larger batches."""
    return ops.sqrt(ops.mean(ops.square(ops.cast(y, "float32") - prediction[:, 0])))


def compiled(loss, metrics=None):
    def build_model():
        model = mlp(optimizers.SGD)()
        model.compile(optimizers.SGD(), loss, metrics=metrics and [metrics()])
        return model

    return build_model


@pytest.mark.parametrize("loss", ["sum", of_a_batch])
def test_a_loss_that_depends_on_the_batches_equals_training_alone(loss):
    if loss == "sum":
        loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    result = sweep(compiled(loss))
    assert result.reason is None
    assert_equal_to_alone(result, compiled(loss))


def test_a_metric_that_returns_its_variable_equals_training_alone():
    """Of training rows `fit` tells the value on validation rows, which has overwritten it."""
    build_model = compiled("sparse_categorical_crossentropy", Worst)
    result = sweep(build_model)
    model, history = alone(build_model, RATES[1])
    assert result.reason is None
    np.testing.assert_allclose(result.history["val_worst"][:, 1, 0], history["val_worst"], 1e-5)
    worst = np.abs(VALIDATION[1] - model.predict(VALIDATION[0], verbose=0).max(axis=1)).max()
    assert result.history["val_worst"][-1, 1, 0] == pytest.approx(worst, rel=1e-5)


def test_failed_member_disturbs_nobody():
    """At 1e30 the loss is NaN at once; the other rates end as without it."""
    build_model = mlp(optimizers.SGD)
    rates = [1e-3, 1e30, 5e-2]
    options = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0, "seeds": 2}
    result = learning_rate_sweep(build_model, TRAIN, VALIDATION, rates, **options)
    np.testing.assert_array_equal(result.failed, [[False] * 2, [True] * 2, [False] * 2])
    assert np.isnan(result.history["val_accuracy"][-1, 1]).all()
    without = learning_rate_sweep(build_model, TRAIN, VALIDATION, rates[::2], **options)
    for name, values in without.history.items():
        np.testing.assert_allclose(result.history[name][:, ::2], values, rtol=1e-5)
    assert result.best["index"] in (0, 2) and result.best["at_edge"]


FIVE_RATES = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]


def five_rates():
    build_model = mlp(optimizers.Adam, lambda: layers.Dropout(0.4))
    options = {"batch_size": BATCH, "epochs": 2, "verbose": 0}
    return learning_rate_sweep(build_model, TRAIN, VALIDATION, FIVE_RATES, **options)


@pytest.mark.parametrize("parts", [2, 3])  # of 2 and 3 members; of 1, 2 and 2
def test_parts_side_by_side_train_as_one(parts, monkeypatch):
    monkeypatch.setattr(population, "_count_parts", lambda: 1)
    whole = five_rates().history
    monkeypatch.setattr(population, "_count_parts", lambda: parts)
    found = five_rates().history
    assert set(found) == set(whole)
    for name, values in whole.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def own_step():
    x = keras.Input((8,))
    model = OwnStep(x, layers.Dense(3, "softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Counts(keras.losses.Loss):
    def __init__(self):
        super().__init__()
        self.calls = keras.Variable(0.0, trainable=False)

    def call(self, y_true, y_pred):
        self.calls.assign_add(1.0)
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred) / self.calls


def counting():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(3, "softmax")])
    model.compile("sgd", Counts())
    return model


def trained_before():
    model = mlp(optimizers.SGD)()
    model.fit(*TRAIN, epochs=1, verbose=0)
    return model


class CountDistinct(layers.Layer):
    """Its intermediate result has another length for each member, which cannot be stacked."""

    def call(self, inputs):
        distinct, _ = tf.unique(tf.reshape(inputs, [-1]))
        return inputs + 0.0 * tf.cast(tf.size(distinct), inputs.dtype)


def test_what_cannot_be_stacked_is_trained_one_after_the_other(capsys, monkeypatch):
    monkeypatch.setattr(population, "_count_parts", lambda: 1)  # one member alone can be
    build_model = mlp(optimizers.SGD, CountDistinct)
    result = sweep(build_model, verbose=1)
    assert "Error: " in result.reason and result.reason in capsys.readouterr().out
    model, history = alone(build_model, RATES[1])
    for name, values in history.items():
        np.testing.assert_allclose(result.history[name][:, 1, 0], values, rtol=1e-6)
    np.testing.assert_allclose(result.model(1).get_weights()[0], model.get_weights()[0], rtol=1e-6)


class Reconstruction(layers.Layer):
    """Adds the squared error between its inputs as a loss, as models without labels do."""

    def call(self, x, rebuilt):
        self.add_loss(ops.mean(ops.square(x - rebuilt)))
        return rebuilt


def autoencoder():
    x = keras.Input((8,))
    model = keras.Model(x, Reconstruction()(x, layers.Dense(8)(layers.Dense(3)(x))))
    model.compile("sgd")
    return model


def test_a_model_without_labels_equals_training_alone():
    options = {"batch_size": SIZE, "epochs": EPOCHS, "verbose": 0}
    found = learning_rate_sweep(autoencoder, TRAIN[0], VALIDATION[0], RATES, **options)
    keras.utils.set_random_seed(0)
    model = autoencoder()
    model.optimizer.learning_rate = RATES[1]
    history = model.fit(TRAIN[0], validation_data=(VALIDATION[0],), **options).history
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(found.history[name][:, 1, 0], history[name], rtol=1e-5)


def test_what_is_known_not_to_stack():
    for build_model, reason in (
        (own_step, "the model has its own train_step"),
        (counting, "Keras does not track"),
        (trained_before, "has taken steps before"),
        (mlp(lambda: optimizers.LossScaleOptimizer(optimizers.SGD())), "loss scale"),
        (mlp(lambda: optimizers.SGD(gradient_accumulation_steps=2)), "accumulates gradients"),
        (mlp(lambda: optimizers.SGD(use_ema=True)), "averages weights"),
        (mlp(scheduled), "schedule"),
        (mlp(optimizers.Nadam), "its own _backend_update_step"),  # stacked it would be NaN
        (mlp(optimizers.Muon), "its own _apply_weight_decay"),
        (mlp(optimizers.ScheduleFreeAdamW), "other steps"),
    ):
        assert reason in population.why_not_stacked(build_model())
    assert population.why_not_stacked(mlp(optimizers.SGD)()) is None


def test_of_an_error_less_is_better():
    def build_model():
        model = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
        return model

    rates, options = [1e-5, 1e-2, 1e-1, 1e-4], {"batch_size": BATCH, "epochs": 2, "verbose": 0}
    (x, y), both = VALIDATION, (TRAIN, VALIDATION)
    result = learning_rate_sweep(build_model, *both, rates, objective="val_mae", **options)
    predicted = [result.model(k).predict(x, verbose=0)[:, 0] for k in range(4)]
    errors = np.abs(predicted - y).mean(axis=1)
    np.testing.assert_allclose(result.scores[:, 0], errors, rtol=1e-5)
    assert result.best["index"] == np.argmin(errors)


def test_rows_split_off_are_those_that_the_seed_draws():
    order = np.random.default_rng(0).permutation(len(TRAIN[0]))
    parts = [tuple(a[rows] for a in TRAIN) for rows in (order[14:], order[:14])]
    options = {"batch_size": BATCH, "epochs": 1, "verbose": 0}
    by_hand = learning_rate_sweep(mlp(optimizers.SGD), *parts, RATES, **options)
    options["validation_split"] = 0.2  # 14 of 70
    found = learning_rate_sweep(mlp(optimizers.SGD), TRAIN, None, RATES, **options)
    np.testing.assert_array_equal(found.scores, by_hand.scores)


def test_csv_and_figure(tmp_path):
    result = sweep(mlp(optimizers.Adam), seeds=2)
    result.to_csv(tmp_path / "sweep.csv")
    with open(tmp_path / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == EPOCHS * len(RATES) * 2
    last = rows[-1]
    assert (float(last["epoch"]), float(last["learning_rate"]), last["seed"]) == (2, RATES[-1], "1")
    np.testing.assert_allclose(float(last["val_loss"]), result.history["val_loss"][-1, -1, -1])
    matplotlib.use("Agg")
    figure = result.plot(tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").stat().st_size > 10_000
    heat, final = figure.axes[:2]
    assert heat.get_xlabel() == "learning rate" and heat.get_ylabel() == "epoch"
    np.testing.assert_allclose(final.lines[0].get_ydata(), result.scores.mean(axis=1))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sweep.csv", "sweep.png"]


def scheduled():
    return optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))


def broken():
    raise RuntimeError("boom")


BAD = {
    "broken": ({"build_model": broken}, "`build_model` raises RuntimeError: boom"),
    "no rate": ({"learning_rates": []}, "one or more"),
    "rate 0": ({"learning_rates": [1e-3, 0]}, "positive, finite numbers"),
    "rate text": ({"learning_rates": ["fast"]}, "positive, finite numbers"),
    "batch size": ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
    "large batch": ({"batch_size": 71}, "exceeds the 70 training examples"),
    "epochs": ({"epochs": 1.5}, "`epochs`"),
    "seeds": ({"seeds": [0, 1]}, "`seeds` must be a whole number"),
    "no seed": ({"seeds": 0}, "`seeds`"),
    "lengths": ({"train": (TRAIN[0], TRAIN[1][:5])}, "unequal lengths"),
    "no data": ({"train": 3}, "`train` must be"),
    "schedule": ({"build_model": mlp(scheduled)}, "constant learning rate"),
    "no model": ({"build_model": lambda: 3}, "returned a int"),
    "not compiled": ({"build_model": lambda: keras.Sequential([layers.Dense(1)])}, "not compiled"),
    "arguments": ({"build_model": lambda a, b: None}, "no argument or `hp`"),
    "objective": ({"objective": "val_f1"}, "No objective 'val_f1'"),
    "split": ({"validation_split": 0.2}, "Give `validation` or `validation_split`, not both"),
    "no validation": ({"validation": None}, "`validation` is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    change, message = BAD[name]
    arguments = {"build_model": mlp(optimizers.SGD), "train": TRAIN, "validation": VALIDATION}
    arguments |= {"learning_rates": RATES, "epochs": EPOCHS, "verbose": 0} | change
    with pytest.raises(ValueError, match=message):
        learning_rate_sweep(**arguments)


def test_out_of_memory_is_one_sentence(monkeypatch):
    def full(*_):
        raise MemoryError("no more")

    monkeypatch.setattr(population.Population, "epoch", full)
    with pytest.raises(ValueError, match=r"2 learning rates × 1 seed\(s\) do not fit in memory"):
        sweep(mlp(optimizers.SGD))


def test_command_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "sweep_user.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    options = ["sweep_user:build_model", "--data", "sweep_user:load_data"]
    options += ["--epochs", "2", "--seeds", "1"]
    options += ["--population", "3", "--batch-size", "16", "--output", "out"]
    assert main(["sweep", *options]) == 0
    out = capsys.readouterr().out
    assert "3 trainings" in out and "Best learning rate" in out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["sweep.csv", "sweep.png"]
    for wrong in (["--population", "0"], ["--from", "0"], ["--from", "1", "--to", "0.1"]):
        with pytest.raises(SystemExit) as stop:
            main(["sweep", *options, *wrong])
        assert stop.value.code == 2 and "0 < --from <= --to" in capsys.readouterr().err
    assert main(["sweep", *options, "--validation-split", "0.2"]) == 2
    assert "not both" in capsys.readouterr().err  # the module gives validation data
    assert main(["sweep", *options, "--batch-size", "0"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "`batch_size`" in error


MINE = """
import keras, numpy as np
def load_data():
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    return {"train": (x[:30], x[:30, :1]), "validation": (x[30:], x[30:, :1])}
def build_model(hp):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Fixed("units", 1))])
    model.compile(keras.optimizers.SGD(hp.Float("learning_rate", 1e-4, 1e-1)), "mse")
    return model
"""
