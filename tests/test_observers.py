"""A callback that watches changes nothing: twenty kinds of data, three callbacks.

Number of steps, weights, and the random state of NumPy, Python, Keras and TensorFlow are bit for
bit those of a run without the callback.
"""

import random

import keras
import numpy as np
import pytest
from keras import layers

from callbacks import ActivationMonitor, Diagnosis, GradientMonitor

tf = pytest.importorskip("tensorflow")

ROWS, BATCH = 32, 8
_generator = np.random.default_rng(0)
X = _generator.normal(size=(ROWS, 4)).astype("float32")
Y = _generator.normal(size=(ROWS, 1)).astype("float32")
IMAGES = _generator.normal(size=(ROWS, 6, 6, 1)).astype("float32")
WORDS = np.array(["red", "green", "blue", "none"])[_generator.integers(0, 4, (ROWS, 1))]


def dense(inputs=None):
    """Return a small network; its dropout draws from Keras's random state in each step."""
    inputs = keras.Input((4,)) if inputs is None else inputs
    hidden = layers.Dropout(0.3)(layers.Dense(4, "relu", name="hidden")(inputs))
    return keras.Model(inputs, layers.Dense(1, name="out")(hidden))


def two_inputs():
    first, second = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    joined = layers.Concatenate()([first, second])
    return keras.Model([first, second], layers.Dense(1)(layers.Dense(4, "relu")(joined)))


def two_named_inputs():
    inputs = {"a": keras.Input((4,), name="a"), "b": keras.Input((4,), name="b")}
    joined = layers.Concatenate()([inputs["a"], inputs["b"]])
    return keras.Model(inputs, layers.Dense(1)(layers.Dense(4, "relu")(joined)))


def of_images():
    inputs = keras.Input((6, 6, 1))
    flipped = layers.RandomFlip(seed=3)(inputs)
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(layers.Conv2D(2, 3)(flipped))))


def of_words():
    inputs = keras.Input((1,), dtype="string")
    numbers = layers.StringLookup(vocabulary=["red", "green", "blue"], output_mode="one_hot")
    return keras.Model(inputs, layers.Dense(1)(numbers(inputs)))


def optional_input():
    first, second = keras.Input((4,), name="a"), keras.Input((4,), name="b", optional=True)
    joined = Either()([first, second])
    return keras.Model([first, second], layers.Dense(1)(joined))


def without_targets():
    """Return a network whose loss is added by a layer: `fit` is given x only."""
    inputs = keras.Input((4,))
    return keras.Model(inputs, Rebuilt()(layers.Dense(4)(layers.Dense(2)(inputs))))


class Rebuilt(layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(keras.ops.square(x - 1.0)))
        return x


class Either(layers.Layer):
    def call(self, inputs):
        return inputs[0] if inputs[1] is None else inputs[0] + inputs[1]


def tensors():
    return tf.data.Dataset.from_tensor_slices((X, Y))


def draw_in_numpy():
    """Batches from a generator that draws from NumPy's and Python's global state."""
    for _ in range(ROWS // BATCH):
        rows = np.random.randint(0, ROWS, BATCH)  # noqa: NPY002 - as many programs do
        yield X[rows] * random.random(), Y[rows]


class Sequence(keras.utils.PyDataset):
    """A PyDataset that draws from NumPy's global state."""

    def __len__(self):
        return ROWS // BATCH

    def __getitem__(self, index):
        rows = np.random.randint(0, ROWS, BATCH)  # noqa: NPY002 - as many programs do
        return X[rows], Y[rows]


def from_generator():
    spec = (tf.TensorSpec((None, 4)), tf.TensorSpec((None, 1)))
    return tf.data.Dataset.from_generator(draw_in_numpy, output_signature=spec)


def noise(x, y):
    return x + tf.random.normal(tf.shape(x)), y


def sparse():
    scipy = pytest.importorskip("scipy.sparse")
    return scipy.csr_matrix(np.where(X > 0, X, 0))


# name → (model, a function that returns x and y of `fit`, its options)
KINDS = {
    "arrays": (dense, lambda: (X, Y), {}),
    "arrays, not shuffled": (dense, lambda: (X, Y), {"shuffle": False}),
    "sample weights": (dense, lambda: (X, Y), {"sample_weight": np.linspace(0, 1, ROWS)}),
    "validation split": (dense, lambda: (X, Y), {"validation_split": 0.25}),
    "tensors": (dense, lambda: (tf.constant(X), tf.constant(Y)), {}),
    "list": (two_inputs, lambda: ([X, X[::-1].copy()], Y), {}),
    "dict": (two_named_inputs, lambda: ({"a": X, "b": X[::-1].copy()}, Y), {}),
    "optional input of None": (optional_input, lambda: ([X, None], Y), {}),
    "x without y": (without_targets, lambda: (X, None), {}),
    "images": (of_images, lambda: (IMAGES, Y), {}),
    "strings": (of_words, lambda: (tf.constant(WORDS), Y), {}),
    "scipy sparse": (dense, lambda: (sparse(), Y), {}),
    "tf.data": (dense, lambda: (tensors().batch(BATCH), None), {}),
    "tf.data, shuffled": (dense, lambda: (tensors().shuffle(ROWS).batch(BATCH), None), {}),
    "tf.data, shuffled with a seed": (
        dense,
        lambda: (tensors().shuffle(ROWS, seed=1).batch(BATCH).prefetch(1), None),
        {},
    ),
    "tf.data, cache then shuffle": (
        dense,
        lambda: (tensors().cache().shuffle(ROWS).batch(BATCH), None),
        {},
    ),
    "tf.data, prefetch then cache": (
        dense,
        lambda: (tensors().batch(BATCH).shuffle(4).prefetch(2).cache(), None),
        {},
    ),
    "tf.data, random map": (dense, lambda: (tensors().batch(BATCH).map(noise), None), {}),
    "tf.data, unknown length": (
        dense,
        lambda: (tensors().batch(BATCH).filter(lambda x, y: True), None),
        {},
    ),
    "tf.data, repeated": (
        dense,
        lambda: (tensors().repeat().batch(BATCH), None),
        {"steps_per_epoch": 3},
    ),
    "from_generator": (dense, lambda: (from_generator(), None), {}),
    "generator": (dense, lambda: (draw_in_numpy(), None), {"epochs": 1}),
    "PyDataset": (dense, lambda: (Sequence(), None), {}),
}
PROBES = {two_inputs: [X, X], two_named_inputs: {"a": X, "b": X}, of_images: IMAGES}
PROBES |= {of_words: tf.constant(WORDS), optional_input: [X, None]}


class Steps(keras.callbacks.Callback):
    """Count the batches."""

    count = 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1


def run(kind, make_callbacks=()):
    """Train; return what a callback must not change."""
    make_model, data, options = KINDS[kind]
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(11)
    model = make_model()
    x, y = data()
    model.compile("adam", None if make_model is without_targets else "mse")
    steps, callbacks = Steps(), [make(make_model) for make in make_callbacks]
    is_array = not isinstance(x, (tf.data.Dataset, Sequence)) and not hasattr(x, "send")
    options = {"epochs": 2, "verbose": 0, **({"batch_size": BATCH} if is_array else {}), **options}
    model.fit(x, y, callbacks=[*callbacks, steps], **options)
    drawn = (
        keras.random.normal((3,)),
        tf.random.normal((3,)),
        tf.random.get_global_generator().state,
    )
    state = np.random.get_state()  # noqa: NPY002 - the global state is what is compared
    return {
        "steps": steps.count,
        "weights": [np.array(w) for w in model.get_weights()],
        "optimizer": [np.array(v) for v in model.optimizer.variables],
        "NumPy": [state[1], np.array(state[2])],
        "Python": [np.array(random.getstate()[1])],
        "Keras and TensorFlow": [np.array(d) for d in drawn],
        "layers": [np.array(v) for v in model.non_trainable_variables],
    }


CALLBACKS = {
    "GradientMonitor": lambda make_model: GradientMonitor(stats="mean"),
    "ActivationMonitor": lambda make_model: ActivationMonitor(PROBES.get(make_model, X)),
    "Diagnosis": lambda make_model: Diagnosis(verbose=False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_the_same_with_callbacks(kind):
    expected, found = run(kind), run(kind, CALLBACKS.values())
    assert found.pop("steps") == expected["steps"] > 0
    for name, arrays in found.items():
        for one, two in zip(arrays, expected[name], strict=True):
            np.testing.assert_array_equal(one, two, err_msg=name)


class Sampling(layers.Layer):
    """Draws in inference too, and counts its calls: watching must not move either."""

    def __init__(self):
        super().__init__(name="sampling")
        self.seeds = keras.random.SeedGenerator(1)
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.calls.assign_add(1.0)
        np.random.rand()  # noqa: NPY002 - as careless layers do
        random.random()
        self.add_loss(0.1 * keras.ops.mean(x))
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seeds) + tf.random.normal((4,))


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_layers_with_a_state_and_random_numbers(callback, run_eagerly):
    states = []
    for use in (False, True):
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(2)
        inputs = keras.Input((4,))
        model = keras.Model(inputs, layers.Dense(1)(Sampling()(layers.Dense(4)(inputs))))
        model.compile("sgd", "mse", run_eagerly=run_eagerly)
        callbacks = [CALLBACKS[callback](dense)] if use else []
        model.fit(X, Y, batch_size=BATCH, epochs=3, verbose=0, callbacks=callbacks)
        numbers = [np.random.rand(), random.random(), float(tf.random.normal(()))]  # noqa: NPY002
        states.append([*(np.array(v) for v in model.variables), *map(np.array, numbers)])
    for one, two in zip(*states, strict=True):
        np.testing.assert_array_equal(one, two)
