"""The stacked training against the same model trained alone with `model.fit`."""

import keras
import numpy as np
import pytest
from keras import layers, ops, optimizers

from tuning.data import batch_order
from tuning.vectorized import learning_rate_sweep

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


def alone(build_model, rate, seed=0, stream=0, epochs=EPOCHS, train=TRAIN):
    """Return the model and the history of a training by `fit` that shares no code with ours."""
    keras.utils.set_random_seed(seed)
    model = build_model()
    model.optimizer.learning_rate = rate
    for variable in model.non_trainable_variables:
        if variable.name == "seed_generator_state":
            seed_and_counter = ops.convert_to_numpy(variable)
            variable.assign(seed_and_counter + np.array([stream, 0], seed_and_counter.dtype))
    rows = []
    for epoch in range(epochs):
        order = batch_order(seed, epoch, len(train[0]))
        x, y = train[0][order], train[1][order]
        fit = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "validation_data": VALIDATION}
        rows.append(model.fit(x, y, **fit).history)
    return model, {name: np.array([row[name][0] for row in rows]) for name in rows[0]}


def assert_equal_to_alone(result, build_model, seeds=(0,), tolerance=1e-5):
    assert result.reason is None
    for k, rate in enumerate(RATES):
        for s, seed in enumerate(seeds):
            model, history = alone(build_model, rate, seed, stream=k)
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
    "momentum": lambda: optimizers.SGD(momentum=0.9),
    "nesterov, clipnorm": lambda: optimizers.SGD(momentum=0.9, nesterov=True, clipnorm=0.05),
    "adam": optimizers.Adam,
    "adam, global clipnorm": lambda: optimizers.Adam(global_clipnorm=0.05),
    "adamw": lambda: optimizers.AdamW(weight_decay=0.1),
    "rmsprop": optimizers.RMSprop,
    "adagrad": optimizers.Adagrad,
    "adafactor": optimizers.Adafactor,  # not elementwise, as the next
    "lamb": optimizers.Lamb,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_equal_training_alone(name):
    build_model = mlp(OPTIMIZERS[name])
    assert_equal_to_alone(sweep(build_model), build_model)


def test_dropout_batch_normalization_and_seeds_equal_training_alone():
    build_model = mlp(optimizers.Adam, layers.BatchNormalization, lambda: layers.Dropout(0.4))
    result = sweep(build_model, seeds=[0, 3])
    assert result.history["val_loss"].shape == (EPOCHS, len(RATES), 2)
    assert_equal_to_alone(result, build_model, seeds=[0, 3])
