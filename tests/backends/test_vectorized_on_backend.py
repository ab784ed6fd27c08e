"""The stacked training on JAX, and PyTorch one after the other, against the model trained alone.

Run with KERAS_BACKEND=jax or KERAS_BACKEND=torch.
"""

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from tuning.inputs.data import batch_order
from tuning.sweep import learning_rate_sweep

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(
    BACKEND == "tensorflow", reason="tests/test_vectorized.py covers it"
)
REASON = "the backend is torch" if BACKEND == "torch" else None
RATES = [1e-3, 5e-2]
SIZE, BATCH, EPOCHS = 38, 16, 2  # the last batch has 6 examples


def data(size, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(size, 5)).astype("float32")
    return x, (x[:, 0] > x[:, 1]).astype("int32")


TRAIN, VALIDATION = data(SIZE, 0), data(20, 1)


def network(optimizer, *middle):
    def build_model():
        model = keras.Sequential([keras.Input((5,)), layers.Dense(6, "relu")])
        for layer in middle:
            model.add(layer())
        model.add(layers.Dense(2, "softmax"))
        loss = "sparse_categorical_crossentropy"
        model.compile(optimizer(), loss, metrics=["accuracy"])
        return model

    return build_model


def alone(build_model, rate, seed):
    keras.utils.set_random_seed(seed)
    model = build_model()
    model.optimizer.learning_rate = rate
    rows = []
    for epoch in range(EPOCHS):
        order = batch_order(seed, epoch, SIZE)
        fit = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "validation_data": VALIDATION}
        rows.append(model.fit(TRAIN[0][order], TRAIN[1][order], **fit).history)
    return model, {name: [row[name][0] for row in rows] for name in rows[0]}


def sweep(build_model, **options):
    options = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0, **options}
    return learning_rate_sweep(build_model, TRAIN, VALIDATION, RATES, **options)


CASES = {
    "momentum, batch normalization": (
        lambda: optimizers.SGD(momentum=0.9, clipnorm=0.5),
        layers.BatchNormalization,
    ),
    "adam": (lambda: optimizers.Adam(global_clipnorm=0.1),),
    "adamw": (lambda: optimizers.AdamW(weight_decay=0.1),),
    "rmsprop": (optimizers.RMSprop,),
    "adagrad": (optimizers.Adagrad,),
}
if BACKEND != "torch":  # PyTorch's dropout cannot be repeated: Keras does not seed it
    CASES["dropout"] = (optimizers.SGD, lambda: layers.Dropout(0.5))


@pytest.mark.parametrize("name", CASES)
def test_equals_training_alone(name):
    build_model = network(*CASES[name])
    seeds = 2 if name == "adam" else 1
    result = sweep(build_model, seeds=seeds)
    assert result.reason == REASON
    for k, rate in enumerate(RATES):
        if k == 0 and name != "adam":
            continue  # each takes a compilation
        for s, seed in enumerate(range(seeds)):
            model, history = alone(build_model, rate, seed)
            for metric, values in history.items():
                found = result.history[metric][:, k, s]
                np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-5)
            if s == 0:
                for one, two in zip(
                    result.model(k).get_weights(), model.get_weights(), strict=True
                ):
                    np.testing.assert_allclose(one, two, atol=1e-5)


def test_failed_member():
    build_model = network(optimizers.SGD)
    options = {"batch_size": BATCH, "epochs": 3, "verbose": 0, "objective": "val_loss"}
    rates = [1e-3, 1e30, 5e-2, 1e-6]
    result = learning_rate_sweep(build_model, TRAIN, VALIDATION, rates, **options)
    assert result.failed.ravel().tolist() == [False, True, False, False]
    assert np.isnan(result.scores[1]).all() and np.isfinite(result.scores[[0, 2, 3]]).all()
