"""The same faults in many kinds of models and data, and whether Diagnosis names each of them.

    python benchmarks/diagnosis_kinds.py
    python benchmarks/diagnosis_kinds.py --kinds subclassed,several_inputs --faults raw_inputs

Each fault is planted in the same task (1000 rows of numbers, words and a shop, generated), told by
a network that is Sequential, has several inputs or outputs, is nested, subclassed, …, or that is
fed by tf.data, a generator or a PyDataset; and in another one (scikit-learn's digits, as images or
as eight steps), told by a CNN, an LSTM, a transformer, … A row is a fault, "named" that the first
finding is one of those that it may be called; "harmless" that the network does well with it too.
"""

import argparse
import contextlib
import io
import os
import sys
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from sklearn.datasets import load_digits

from callbacks.diagnosis import Diagnosis

ROWS, TRAIN, EPOCHS, BATCH = 1000, 800, 12, 32
COSTS = 0.1  # of the way from a constant to perfect: what a fault costs that counts
FAULTS = {  # settings of `settings`, and the symptoms that name it
    "none": ({}, ()),
    "raw_inputs": ({"raw": True}, ("unnormalized_inputs",)),
    # beside another output its loss has all of the weight
    "raw_targets": (
        {"head": "number", "raw_targets": True},
        ("unscaled_targets", "unsuitable_loss"),
    ),
    "rate_too_low": ({"rate": 1e-6}, ("learning_rate_too_low", "slow_convergence")),
    "softmax_of_one": ({"head": "softmax of one"}, ("unsuitable_output_activation",)),
    "no_softmax": ({"head": "no softmax"}, ("unsuitable_output_activation",)),
    "relu_at_the_end": ({"head": "relu"}, ("unsuitable_output_activation",)),
    "weights_of_0": ({"start": "zeros"}, ("poor_initialization", "dead_relu")),
    "deep_sigmoids": ({"hidden": "sigmoid", "depth": 9}, ("vanishing_gradient",)),
    "dropout_of_0.95": ({"dropout": 0.95}, ("noise_too_strong",)),
    "penalty_of_1": ({"penalty": 1.0}, ("penalty_too_strong",)),
    "frozen": ({"frozen": True}, ("frozen_features",)),
    "shuffled_labels": ({"rows": "labels shuffled"}, ("inputs_tell_nothing", "label_problem")),
    "nan_in_a_row": ({"rows": "nan"}, ("invalid_inputs",)),
    "batches_sorted": ({"rows": "sorted"}, ("batches_in_order",)),
    "split_of_sorted": ({"rows": "split sorted"}, ("split_mismatch",)),
}
USUAL = {"rate": 0.003, "hidden": "relu", "depth": 2, "start": None, "head": "label"}
USUAL |= {"raw": False, "raw_targets": False, "rows": "", "dropout": 0, "penalty": 0}
HEADS = {  # units, activation, loss
    "label": (1, "sigmoid", "binary_crossentropy"),
    "softmax of one": (1, "softmax", "binary_crossentropy"),
    "number": (1, None, "mse"),
    "no softmax": (3, None, "sparse_categorical_crossentropy"),
    "relu": (3, "relu", "sparse_categorical_crossentropy"),
}
OF_ALL = ("several_inputs", "dict_of_inputs", "subclassed_with_dict", "subclassed_by_tensorflow")


# ---- data ----


def rows_of(settings, seed):
    """Return the inputs (dict of three arrays) and the targets, as a fault has left them."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(ROWS, 6)).astype("float32")
    words, shop = random.integers(1, 30, (ROWS, 8)), random.integers(0, 6, (ROWS, 1))
    known = table[:, 0] + 0.5 * table[:, 1] * table[:, 2] + (words == 5).any(axis=1)
    known += shop[:, 0] == 2
    y = known[:, None].astype("float32")
    if HEADS[settings.head][0] == 3:
        y = np.digitize(known, [0.0, 1.0])
    elif settings.head != "number":
        y = (y > 0.5).astype("float32")
    if settings.raw:
        table = 100 + table * np.float32([1, 500, 1, 1500, 1, 10])
    return damaged({"table": table, "words": words, "shop": shop}, y, settings, random)


def damaged(x, y, settings, random):
    """Return rows with what is wrong in them."""
    x = x if isinstance(x, dict) else {"table": x}
    if settings.raw_targets:
        y = 5000 + 2000 * y
    if settings.rows == "nan":
        x["table"][7, 2] = np.nan
    train = np.arange(TRAIN)
    if settings.rows == "labels shuffled":
        y[:TRAIN] = y[random.permutation(train)]
    order = np.arange(ROWS)
    if settings.rows == "sorted":
        order[:TRAIN] = np.argsort(y[:TRAIN].ravel(), kind="stable")
    if settings.rows == "split sorted":
        order = np.argsort(y.ravel() + 0.4 * random.random(ROWS), kind="stable")
    return {name: values[order] for name, values in x.items()}, y[order]


def images_of(settings, seed):
    """Return digits (n, 8, 8) and whether, which third, or how bright, as a fault has left them."""
    random = np.random.default_rng(seed)
    x, digit = load_digits(return_X_y=True)
    rows = random.permutation(len(x))[:ROWS]
    x, digit = (x[rows] / 16).reshape(-1, 8, 8).astype("float32"), digit[rows]
    y = np.float32(digit >= 5)[:, None]
    if HEADS[settings.head][0] == 3:
        y = digit % 3
    elif settings.head == "number":
        y = y + x[:, :, :4].sum(axis=(1, 2))[:, None] / 10
    if settings.raw:
        x = 255 * x
    return damaged(x, y, settings, random)


# ---- kinds of models ----


def dense(settings, units=24):
    """Return a hidden layer."""
    start = settings.start or ("he_normal" if settings.hidden == "relu" else "glorot_uniform")
    penalty = keras.regularizers.L2(settings.penalty) if settings.penalty else None
    given = {"kernel_initializer": start, "kernel_regularizer": penalty}
    return layers.Dense(units, settings.hidden, **given)


def stack(settings):
    """Return the hidden layers, each with its dropout."""
    made = []
    for _ in range(settings.depth):
        made.append(dense(settings))
        made += [layers.Dropout(settings.dropout)] if settings.dropout else []
    return made


def last(settings):
    """Return the output layer."""
    units, activation, _ = HEADS[settings.head]
    start = settings.start or "glorot_uniform"
    return layers.Dense(units, activation, kernel_initializer=start, name="out")


def through(x, parts):
    """Call layers one after the other."""
    for part in parts:
        x = part(x)
    return x


def sequential(settings):
    """Return a line of layers."""
    return keras.Sequential([keras.Input((6,)), *stack(settings), last(settings)])


def three_inputs():
    """Return symbolic inputs by name."""
    whole = {"words": (8,), "shop": (1,)}
    inputs = {name: keras.Input(shape, dtype="int32", name=name) for name, shape in whole.items()}
    return {"table": keras.Input((6,), name="table"), **inputs}


def readers(settings):
    """Return the layers that read each of the three inputs."""
    words = [layers.Embedding(30, 8), layers.GlobalAveragePooling1D()]
    shop = [layers.Embedding(6, 3), layers.Flatten()]
    return {"table": [dense(settings, 16)], "words": words, "shop": shop}


def several_inputs(settings, as_dict=False):
    """Return a Functional model that reads numbers, words and a shop."""
    inputs, parts = three_inputs(), readers(settings)
    joined = ops.concatenate([through(inputs[name], parts[name]) for name in inputs], axis=-1)
    output = last(settings)(through(joined, stack(settings)))
    return keras.Model(inputs if as_dict else list(inputs.values()), output)


def dict_of_inputs(settings):
    """Return the same, which takes its inputs by name."""
    return several_inputs(settings, as_dict=True)


def several_outputs(settings):
    """Return a Functional model with a second output, a number."""
    x = keras.Input((6,))
    hidden = through(x, stack(settings))
    return keras.Model(x, {"out": last(settings)(hidden), "extra": layers.Dense(1)(hidden)})


def nested(settings):
    """Return a Functional model with a Sequential one in it."""
    x = keras.Input((6,))
    encoder = keras.Sequential([keras.Input((6,)), dense(settings), dense(settings)])
    return keras.Model(x, last(settings)(through(encoder(x), stack(settings))))


def nested_head(settings):
    """Return a Functional model of two Sequential ones."""
    x = keras.Input((6,))
    body, head = keras.Sequential(stack(settings)), keras.Sequential([last(settings)])
    return keras.Model(x, head(body(x)))


class Subclassed(keras.Model):
    """Layers that a `call` puts together; made in another order than called."""

    def __init__(self, settings):
        super().__init__()
        self.out, self.hidden = last(settings), stack(settings)

    def call(self, x, training=None):
        """Predict rows (n, 6)."""
        for layer in self.hidden:
            is_noise = isinstance(layer, layers.Dropout)
            x = layer(x, training=training) if is_noise else layer(x)
        return self.out(x)


class OfDict(Subclassed):
    """The same, which reads numbers, words and a shop."""

    def __init__(self, settings):
        super().__init__(settings)
        self.readers = readers(settings)

    def call(self, x, training=None):
        """Predict rows of three inputs by name."""
        parts = [through(x[name], self.readers[name]) for name in ("table", "words", "shop")]
        return super().call(ops.concatenate(parts, axis=-1), training=training)


class OfTensorFlow(OfDict):
    """The same by functions of TensorFlow."""

    def call(self, x, training=None):
        """Predict rows of three inputs by name."""
        parts = [through(x[name], self.readers[name]) for name in ("table", "words", "shop")]
        joined = tf.concat([tf.cast(part, tf.float32) for part in parts], axis=-1)
        return Subclassed.call(self, tf.reshape(joined, (-1, 27)), training=training)


class Block(layers.Layer):
    """Hidden layers in one layer."""

    def __init__(self, settings):
        super().__init__()
        self.hidden = stack(settings)

    def call(self, x, training=None):
        """Call the layers one after the other."""
        for layer in self.hidden:
            is_noise = isinstance(layer, layers.Dropout)
            x = layer(x, training=training) if is_noise else layer(x)
        return x


def own_layers(settings):
    """Return a Functional model of a layer that holds the hidden ones."""
    x = keras.Input((6,))
    return keras.Model(x, last(settings)(Block(settings)(x)))


class Head(keras.Model):
    """The output layer as a model."""

    def __init__(self, settings):
        super().__init__()
        self.out = last(settings)

    def call(self, x):
        """Predict what the hidden layers give."""
        return self.out(x)


class OfModels(keras.Model):
    """A subclassed model of a layer and a model."""

    def __init__(self, settings):
        super().__init__()
        self.body, self.head = Block(settings), Head(settings)

    def call(self, x, training=None):
        """Predict rows (n, 6)."""
        return self.head(self.body(x, training=training))


class OwnStep(keras.Model):
    """A train step of one's own, as Keras's guide has it."""

    def train_step(self, data):
        """Take a step of one's own."""
        x, y = data
        with tf.GradientTape() as tape:
            prediction = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=prediction)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            metric.update_state(*([loss] if metric.name == "loss" else [y, prediction]))
        return {metric.name: metric.result() for metric in self.metrics}


def own_step(settings):
    """Return a Functional model with a step of its own."""
    x = keras.Input((6,))
    return OwnStep(x, last(settings)(through(x, stack(settings))))


# ---- networks of images and steps ----


def convolution(settings):
    """Return a convolution."""
    start = settings.start or ("he_normal" if settings.hidden == "relu" else "glorot_uniform")
    penalty = keras.regularizers.L2(settings.penalty) if settings.penalty else None
    given = {"kernel_initializer": start, "kernel_regularizer": penalty, "padding": "same"}
    return layers.Conv2D(16, 3, activation=settings.hidden, **given)


def cnn(settings, normal=False):
    """Return convolutions and poolings, with BatchNormalization if asked for."""
    parts = [keras.Input((8, 8)), layers.Reshape((8, 8, 1))]
    for place in range(settings.depth):
        parts += [convolution(settings)]
        parts += [layers.BatchNormalization()] if normal else []
        parts += [layers.MaxPooling2D()] if place < 2 else []
        parts += [layers.Dropout(settings.dropout)] if settings.dropout else []
    return keras.Sequential([*parts, layers.Flatten(), last(settings)])


def cnn_with_norms(settings):
    """Return the same with BatchNormalization."""
    return cnn(settings, normal=True)


def recurrent(settings, both_ways=False):
    """Return an LSTM, or one each way, that reads the rows of an image as steps."""
    penalty = keras.regularizers.L2(settings.penalty) if settings.penalty else None
    given = {"kernel_initializer": settings.start or "glorot_uniform"}
    lstm = layers.LSTM(24, kernel_regularizer=penalty, dropout=settings.dropout, **given)
    deep = stack(settings) if settings.depth > 2 else []
    parts = [layers.Bidirectional(lstm) if both_ways else lstm, *deep, last(settings)]
    return keras.Sequential([keras.Input((8, 8)), *parts])


def bidirectional(settings):
    """Return the same each way."""
    return recurrent(settings, both_ways=True)


def residual(settings):
    """Return convolutions that are added to what they read."""
    x = keras.Input((8, 8))
    hidden = convolution(settings)(layers.Reshape((8, 8, 1))(x))
    for place in range(settings.depth):
        more = layers.Dropout(settings.dropout)(convolution(settings)(hidden))
        hidden = hidden + convolution(settings)(more)
        hidden = layers.MaxPooling2D()(hidden) if place < 2 else hidden
    return keras.Model(x, last(settings)(layers.Flatten()(hidden)))


def transformer(settings):
    """Return two blocks of attention over the rows of an image."""
    x = keras.Input((8, 8))
    hidden = dense(settings, 16)(x) + layers.Embedding(8, 16)(ops.arange(8))
    for _ in range(2):
        seen = layers.MultiHeadAttention(2, 8, dropout=settings.dropout)(hidden, hidden)
        hidden = layers.LayerNormalization()(hidden + layers.Dropout(settings.dropout)(seen))
        more = layers.Dropout(settings.dropout)(dense(settings, 16)(hidden))
        hidden = layers.LayerNormalization()(hidden + more)
    hidden = layers.GlobalAveragePooling1D()(hidden)
    deep = stack(settings) if settings.depth > 2 else []
    return keras.Model(x, last(settings)(through(hidden, deep)))


NETWORKS = {
    "cnn": cnn,
    "cnn_with_norms": cnn_with_norms,
    "lstm": recurrent,
    "bidirectional_lstm": bidirectional,
    "residual": residual,
    "transformer": transformer,
}
KINDS = {
    "sequential": sequential,
    "several_inputs": several_inputs,
    "dict_of_inputs": dict_of_inputs,
    "several_outputs": several_outputs,
    "nested": nested,
    "nested_head": nested_head,
    "own_layers": own_layers,
    "of_models": OfModels,
    "subclassed": Subclassed,
    "subclassed_with_dict": OfDict,
    "subclassed_by_tensorflow": OfTensorFlow,
    "own_step": own_step,
    "float16": sequential,
    "tf.data": sequential,
    "generator": sequential,
    "PyDataset": sequential,
    **NETWORKS,
}


# ---- ways to give rows ----


class Batches(keras.utils.PyDataset):
    """Batches whose rows are drawn anew for each epoch, unless they stay in order."""

    def __init__(self, x, y, is_mixed):
        super().__init__()
        self.x, self.y, self.order = x, y, np.arange(len(y))
        self.is_mixed, self.random = is_mixed, np.random.default_rng(0)

    def __len__(self):
        return len(self.y) // BATCH

    def __getitem__(self, index):
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        """Draw the next order."""
        if self.is_mixed:
            self.random.shuffle(self.order)


def endless(batches):
    """Yield batch after batch, epoch after epoch."""
    while True:
        yield from (batches[index] for index in range(len(batches)))
        batches.on_epoch_end()


def fit(kind, model, train, held, is_mixed, diagnosis):
    """Train on rows given as the kind says."""
    given = {"epochs": EPOCHS, "verbose": 0, "callbacks": [diagnosis], "validation_data": held}
    if kind == "tf.data":
        data = tf.data.Dataset.from_tensor_slices(train)
        data = data.shuffle(TRAIN, seed=1) if is_mixed else data
        given["validation_data"] = tf.data.Dataset.from_tensor_slices(held).batch(64)
        model.fit(data.batch(BATCH).prefetch(2), **given)
    elif kind == "generator":
        model.fit(endless(Batches(*train, is_mixed)), steps_per_epoch=TRAIN // BATCH, **given)
    elif kind == "PyDataset":
        model.fit(Batches(*train, is_mixed), shuffle=False, **given)
    else:
        model.fit(*train, batch_size=BATCH, shuffle=is_mixed, **given)


def diagnosed(kind, fault, seed=0):
    """Train a kind of model with a fault; return the `Diagnosis`."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    settings = SimpleNamespace(**USUAL | FAULTS[fault][0])
    policy = "mixed_float16" if kind == "float16" else "float32"
    keras.config.set_dtype_policy(policy)
    model = KINDS[kind](settings)
    keras.config.set_dtype_policy("float32")
    if getattr(settings, "frozen", False):
        for layer in model._flatten_layers(include_self=False, recursive=False):
            layer.trainable = any(inner.name == "out" for inner in layer._flatten_layers())
    loss, metrics = HEADS[settings.head][2], None if settings.head == "number" else ["accuracy"]
    if kind == "several_outputs":
        loss, metrics = {"out": loss, "extra": "mse"}, {"out": metrics} if metrics else None
    model.compile(keras.optimizers.Adam(settings.rate), loss, metrics=metrics)
    x, y = (images_of if kind in NETWORKS else rows_of)(settings, seed)
    if kind == "several_inputs":
        x = list(x.values())
    elif kind not in OF_ALL:
        x = x["table"]
    if kind == "several_outputs":
        column = x[:, 3:4]
        y = {"out": y, "extra": (column - column.mean()) / column.std()}
    parts = [
        keras.tree.map_structure(lambda values, rows=rows: values[rows], (x, y))
        for rows in (slice(TRAIN), slice(TRAIN, None))
    ]
    diagnosis = Diagnosis(verbose=False)
    with contextlib.redirect_stdout(io.StringIO()):
        fit(kind, model, *parts, settings.rows != "sorted", diagnosis)
    return diagnosis


def main():
    """Print a line for each fault and kind, then how many were named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--faults", default=",".join(FAULTS))
    options = parser.parse_args()
    kinds, faults = options.kinds.split(","), options.faults.split(",")
    words, gains = {kind: [] for kind in kinds}, {}
    for fault in ["none", *(fault for fault in faults if fault != "none")]:
        for kind in kinds:
            diagnosis = diagnosed(kind, fault)
            gain = diagnosis._run.known_gain
            first = next((f for f in diagnosis.findings if f.severity != "note"), None)
            is_named = first is not None and first.symptom in FAULTS[fault][1]
            does_well = first is None and gain > gains.setdefault(kind, gain) - COSTS
            word = "named" if is_named else "harmless" if does_well else "MISSED"
            words[kind] += [word] if fault != "none" else []
            said = "quiet" if first is None else f"{first.symptom} ({first.cause})"
            print(
                f"{fault:18}{kind:26}{word:10}{gain:5.2f} {diagnosis.verdict:13}{said}", flush=True
            )
    for kind in kinds:
        named, harmless = (words[kind].count(word) for word in ("named", "harmless"))
        print(
            f"{kind:26}{named} of {len(words[kind]) - harmless} faults named, {harmless} harmless"
        )


if __name__ == "__main__":
    main()
