"""A search on JAX and PyTorch: its scores are those of a new model trained with `fit`.

Run with KERAS_BACKEND=jax or KERAS_BACKEND=torch; on TensorFlow, what no other test covers.
"""

import keras
import numpy as np
import pytest
from keras import layers

from tuning import load, search
from tuning.inputs.data import as_data, batch_order
from tuning.training.one_by_one import Engine

EPOCHS, BATCH = 2, 16
other_backends = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="tests/test_tuning_*.py cover it"
)


def data(size, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(size, 5)).astype("float32")
    return x, (x[:, 0] > x[:, 1]).astype("int32")


TRAIN, VALIDATION = data(40, 0), data(20, 1)


def build_model(optimizer="adam"):
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, "relu"), layers.Dense(2, "softmax")]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def with_statistics():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6), layers.BatchNormalization(), layers.Dense(2)]
    )
    if keras.backend.backend() != "torch":  # whose dropout draws from PyTorch's own generator
        model.add(layers.Dropout(0.5))
    model.compile("nadam", "mse")
    return model


def losses_of_a_new_model(rate, schedule=None):
    keras.utils.set_random_seed(0)
    model = build_model("adam" if schedule is None else keras.optimizers.SGD(schedule(rate)))
    if schedule is None:
        model.optimizer.learning_rate = rate
    losses = []
    for epoch in range(EPOCHS):
        order = batch_order(0, epoch, len(TRAIN[0]))
        fit = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "validation_data": VALIDATION}
        losses += model.fit(TRAIN[0][order], TRAIN[1][order], **fit).history["val_loss"]
    return losses


@other_backends
def test_scores_are_those_of_a_new_model(tmp_path):
    result = search(
        build_model,
        TRAIN,
        VALIDATION,
        test=VALIDATION,
        learning_rate=(1e-3, 1e-1),
        batch_size=(BATCH,),
        max_trials=2,
        epochs=EPOCHS,
        seeds=1,
        objective="val_loss",
        directory=tmp_path,
        verbose=False,
    )
    engines = {row["engine"] for row in result.trials}
    wanted = "graph" if keras.backend.backend() == "tensorflow" else "fit"
    assert engines == {wanted}
    for row in load(result.project).trials:
        wanted = losses_of_a_new_model(row["learning_rate"])
        np.testing.assert_allclose(row["scores"], wanted, rtol=1e-4)
    assert len(result.best["rerun_scores"]) == 1
    assert (result.project / "best.weights.h5").exists()
    assert np.isfinite(result.test["mean"]["test_loss"])


@other_backends
def test_a_saved_state_goes_on_as_if_never_interrupted():
    x, y = TRAIN
    train = as_data((x, np.eye(2, dtype="float32")[y]), "train")
    engine = Engine(with_statistics, train, train)

    def losses(start, epochs):
        found = []
        engine.train(0.01, BATCH, epochs, 0, start, lambda _, logs, *times: found.append(logs))
        return [logs["val_loss"] for logs in found]

    engine.find_untrained_loss(0, BATCH)  # as before every first trial
    engine.reset(0)
    whole = losses(0, 3)
    engine.reset(0)
    first = losses(0, 1)
    state = engine.read()
    losses(1, 2)
    engine.write(state)
    np.testing.assert_allclose(first + losses(1, 3), whole, rtol=1e-5)


@other_backends
def test_a_schedule_has_another_largest_rate_in_every_training():
    def schedule(peak):
        return keras.optimizers.schedules.PolynomialDecay(peak, 8, peak / 10)

    train, validation = as_data(TRAIN, "train"), as_data(VALIDATION, "validation")
    engine = Engine(lambda: build_model(keras.optimizers.SGD(schedule(1.0))), train, validation)
    found = []
    for rate in (0.05, 0.5):
        losses = []
        engine.reset(0)
        engine.train(rate, BATCH, EPOCHS, 0, 0, lambda _, logs, *times, to=losses: to.append(logs))
        found.append([logs["val_loss"] for logs in losses])
        np.testing.assert_allclose(found[-1], losses_of_a_new_model(rate, schedule), rtol=1e-4)
    assert not np.allclose(*found, rtol=1e-2)
