"""Twelve more field programs, silent mistakes, written by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_fourth
    python benchmarks/diagnosis.py --programs forty_fourth
"""

import itertools

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam
from sklearn import datasets

from benchmarks.field._program import (
    accuracy,
    case,
    digits,
    main,
    r_squared,
    sound,
    standardized,
    start,
)


def house_numbers(random, pictures, labels, count):
    """Images (count, 8, 16, 1) of the numbers 1 to 20, written with two digits, and the numbers."""
    numbers = random.integers(1, 21, count)
    rows = [np.flatnonzero(labels == digit) for digit in range(10)]
    tens = [random.choice(rows[number // 10]) for number in numbers]
    ones = [random.choice(rows[number % 10]) for number in numbers]
    return np.concatenate([pictures[tens], pictures[ones]], axis=2), numbers


@case(
    source="https://github.com/pytorch/vision/issues/714",
    cause="training labels count folders sorted as text (1, 10, 11, ..., 2), the others as numbers",
    causes="data preprocessing",
    evidence=r"(label|class|target|number|code)\w*[\s\S]{0,120}(order|sort|permut|map|swap|mix|"
    r"match|differ|mean|disagree|encod|index|indices|another|other|renumber|name|shuffl|confus|"
    r"consistent|correspond)|(order|sort|permut|map|swap|mismatch|encod|index|confus)\w*"
    r"[\s\S]{0,100}(label|class|target)|alphabet|lexic|confusion",
    repair={"as_text": False},
    advice={
        r"label|class(es|_names| names| numbers| indices)|sort|order|encod|mapping|permut|"
        r"same (code|rule|way)|validation (data|set|targets)": {"as_text": False},
        "longer": {"epochs": 24},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out house numbers",
    good=0.85,
)
def numbers_on_houses(
    seed,
    callbacks,
    as_text=True,
    epochs=12,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read house numbers of 1 to 20: all is well in training, nearly nothing in validation."""
    random = start(seed)
    pictures, labels = digits(seed)
    x, numbers = house_numbers(random, pictures[:1200], labels[:1200], 2400)
    x_valid, valid = house_numbers(random, pictures[1200:1500], labels[1200:1500], 500)
    x_test, test = house_numbers(random, pictures[1500:], labels[1500:], 500)

    folders = [str(number) for number in range(1, 21)]  # a folder of training images each
    if as_text:
        folders = sorted(folders)
    y = np.array([folders.index(str(number)) for number in numbers])

    model = keras.Sequential(
        [
            keras.Input((8, 16, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(24, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(20, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x, y),
        validation_data=(x_valid, valid - 1),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test, test - 1)


class Denoiser(keras.Model):
    """Adds noise to what it is given in training, and learns to remove it."""

    def __init__(self, inputs, outputs, level, drawn_once):
        super().__init__(inputs, outputs)
        self.level, self.drawn_once = level, drawn_once

    def train_step(self, data):
        """Take one step on noisy inputs, tell the loss."""
        x, y = data
        if self.drawn_once:
            noise = np.random.normal(0, self.level, x.shape[1:]).astype("float32")  # noqa: NPY002
        else:
            noise = tf.random.normal(tf.shape(x), 0, self.level)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x + noise, training=True))
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        return {"loss": loss}


@case(
    source="https://github.com/tensorflow/tensorflow/pull/24610",
    cause="NumPy draws the noise while the step is traced: one pattern for ever; use tf.random",
    causes="data preprocessing layers",
    evidence=r"(noise|augment\w*|random\w*|corrupt\w*)[\s\S]{0,160}(once|constant|same|fixed|trac|"
    r"numpy|np\.|one pattern|repeat|never|frozen|identical|graph|every (step|batch)|valid)|"
    r"(once|constant|same|fixed|trac\w*|numpy|np\.|identical)[\s\S]{0,120}(noise|random|draw)|"
    r"(own|custom|hand\w*)[\s\S]{0,40}(train_step|training step)[\s\S]{0,200}(differ|valid|noise|"
    r"input|random|clean|test_step|not the same)|(valid\w*|clean|inputs?)[\s\S]{0,120}"
    r"(train_step|not (the )?(same|noisy)|noisy|other distribution|unlike|differ\w* from)",
    repair={"drawn_once": False},
    advice={
        r"tf\.random|keras\.random|np\.random|numpy|trac|new noise|fresh|every (step|batch)|"
        r"GaussianNoise|draw|run_eagerly|noise": {"drawn_once": False},
        "longer": {"epochs": 80},
        "wider": {"units": 192},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
        "squared": {},
        "linear": {"activation": "linear"},
        "binary": {"loss": "binary_crossentropy"},
    },
    metric="R² of the clean pixels of held-out digits",
    good=0.5,
)
def digits_behind_noise(
    seed,
    callbacks,
    drawn_once=True,
    epochs=40,
    units=96,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
    activation="sigmoid",
    loss="mean_squared_error",
):
    """Remove noise that a training step of my own adds: a tiny loss, useless on noisy scans."""
    random = start(seed)
    x = digits(seed)[0].reshape(-1, 64)
    level = 0.8
    noisy = (x + random.normal(0, level, x.shape)).astype("float32")  # what the scanner yields

    inputs = keras.Input((64,))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Dropout(dropout)(seen)
    seen = layers.Dense(24, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    outputs = layers.Dense(64, activation=activation)(seen)
    model = Denoiser(inputs, outputs, level, drawn_once)
    model.compile(Adam(learning_rate), loss)
    rows = tf.data.Dataset.from_tensor_slices((x[:1200], x[:1200])).shuffle(1200, seed=seed)
    model.fit(
        rows.batch(32, drop_remainder=True),
        validation_data=(noisy[1200:1450], x[1200:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1450:].ravel(), model.predict(noisy[1450:], verbose=0).ravel())


@case(
    source="https://github.com/timoschick/pet/pull/25",
    cause="gradients of 64 batches make one update, 15 batches an epoch: seven updates in all",
    causes="optimizer epochs learning_rate batch_size",
    evidence=r"accumul|(update|step|iteration)s?[\s\S]{0,100}(few|only|number|little|hardly|small|"
    r"\b\d+\b)|(few|only|hardly any)[\s\S]{0,60}(update|step)|still (falling|improving|learning)|"
    r"(weight|parameter)s?[\s\S]{0,80}(hardly|barely|not|never|still|as they|rarely|seldom)|"
    r"(loss|training)[\s\S]{0,60}(hardly|barely|slow|not (yet )?(finished|converged)|stair|"
    r"in jumps|flat)",
    repair={"accumulated": 1},
    advice={
        r"accumul": {"accumulated": 1},
        r"batch_size|(smaller|larger) batch": {"batch_size": 4},
        "longer": {"epochs": 120},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out wines",
    good=0.85,
)
def growers_of_wine(
    seed,
    callbacks,
    accumulated=64,
    batch_size=8,
    epochs=30,
    units=24,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Name the grower of a wine, with settings of a large model: it learns next to nothing."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows]
    model = keras.Sequential([keras.Input((13,))])
    for _ in range(3):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(3, activation="softmax"))
    steps = accumulated if accumulated > 1 else None
    optimizer = Adam(learning_rate, gradient_accumulation_steps=steps)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:118], y[:118]),
        validation_data=(x[118:138], y[118:138]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[138:], y[138:])


@case(
    source="https://github.com/maxim5/time-series-machine-learning/issues/12",
    cause='padding "same" lets a convolution see the next value, its target; use "causal"',
    causes="layers data preprocessing",
    evidence=r"future|causal|leak|look\w* ahead|look-ahead|lookahead|"
    r"\b(copy|copies|copied|contain\w*|hold\w*|sees?|seen|read\w*|"
    r"shift\w*|equal\w*|repeat\w*)\b[\s\S]{0,120}(target|label|next|later|answer)|"
    r"(target|label|next (step|value)|later)[\s\S]{0,120}(input|shift|copy|copies|contain|seen|"
    r"visible|known|window)|padding|receptive|too good|suspicious",
    repair={"padding": "causal"},
    advice={
        r"causal|padding|future|leak|look|shift|LSTM|GRU|mask|(target|label)s? (from|out of)": {
            "padding": "causal"
        },
        "longer": {"epochs": 20},
        "wider": {"filters": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² of the wait after the newest one, later on",
    good=0.85,
)
def a_dripping_tap(
    seed,
    callbacks,
    padding="same",
    epochs=7,
    filters=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell when a tap drips next: nearly no error in validation, useless for the next drop."""
    random = start(seed)
    drops, length = 9000, 250
    wait = np.zeros(drops)
    for drop in range(2, drops):
        wait[drop] = 1 - 1.4 * wait[drop - 1] ** 2 + 0.3 * wait[drop - 2]
    wait = standardized(wait[100:] + random.normal(0, 0.02, drops - 100))
    starts = np.arange(0, len(wait) - length - 1, 12)
    windows = np.stack([wait[begin : begin + length + 1] for begin in starts])[..., None]
    x, y = windows[:, :-1], windows[:, 1:]

    model = keras.Sequential([keras.Input((length, 1))])
    for dilation in (1, 2):
        model.add(
            layers.Conv1D(
                *(filters, 3),
                dilation_rate=dilation,
                padding=padding,
                activation="relu",
                kernel_initializer=initializer,
            )
        )
        model.add(layers.Dropout(dropout))
    model.add(layers.Conv1D(1, 1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:500], y[:500]),
        validation_data=(x[515:575], y[515:575]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[590:], verbose=0)
    return r_squared(y[590:, -1, 0], guess[:, -1, 0])


@case(
    source="https://thinbug.com/q/47716634",
    cause="seconds since 1970 in float32 are rounded to 128 s, the press has a cycle of 90 s",
    causes="data preprocessing units",
    evidence=r"float32|float64|precision|round|timestamp|dtype|(distinct|different|unique) value|"
    r"quanti[sz]|resolution|epoch time|unix|few values|coarse|repeat\w*[\s\S]{0,40}values?|"
    r"(column|feature|input)s?[\s\S]{0,120}(tell|inform|relat|explain|predict|depend|no use|"
    r"useless|noise|unrelated|carry|values)",
    repair={"precise": True},
    advice={
        r"float64|precision|double|timestamp|subtract|since the first|offset|round|resolution|"
        r"modulo|feature|column": {"precise": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out measurements",
    good=0.8,
)
def the_cycle_of_a_press(
    seed,
    callbacks,
    precise=False,
    epochs=30,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a press's power from the time and its heat: it finds the heat, but no cycle."""
    random = start(seed)
    seconds = 1.7e9 + random.uniform(0, 30 * 86400, 4000)
    heat = random.normal(size=4000)
    angle = 2 * np.pi * seconds / 90
    power = np.sin(angle) + 0.6 * np.cos(2 * angle) + 0.5 * heat * (1 + 0.5 * np.cos(angle))
    y = standardized(power + random.normal(0, 0.15, 4000))

    clock = seconds if precise else seconds.astype("float32")  # as small as possible
    phase = 2 * np.pi * np.mod(clock, 90) / 90
    x = np.stack([np.sin(phase), np.cos(phase), heat], axis=1).astype("float32")

    model = keras.Sequential([keras.Input((3,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:2800], y[:2800]),
        validation_data=(x[2800:3300], y[2800:3300]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[3300:], model.predict(x[3300:], verbose=0)[:, 0])


@case(
    source="https://github.com/facebookresearch/maskrcnn-benchmark/issues/1169",
    cause="numbers of 400 readers and 600 books in uint8: those from 256 on fall on smaller ones",
    causes="data preprocessing layers",
    evidence=r"uint8|\bint8\b|\b25[56]\b|wrap|overflow|modulo|dtype|collid|collision|same (id|"
    r"number|row)|(id|index|indices|number|row|embedding)s?\b[\s\S]{0,120}(never|unused|not used|"
    r"only|largest|maximum|up to|of \d+|share|merge|distinct)|(never|unused|only|distinct)"
    r"[\s\S]{0,80}(id|ids|index|indices|embedding|rows?)\b",
    repair={"kind": "int32"},
    advice={
        r"int32|int64|uint16|dtype|wrap|overflow|\bids?\b|indices|cast|input_dim|range": {
            "kind": "int32"
        },
        "longer": {"epochs": 24},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.002},
        "regularized": {"decay": 1e-4},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out marks",
    good=0.7,
)
def readers_and_their_books(
    seed, callbacks, kind="uint8", epochs=12, units=8, learning_rate=0.006, decay=0.0
):
    """Foretell how readers like books: embeddings that know only a rough mood."""
    random = start(seed)
    readers, books, rows = 400, 600, 24000
    taste = random.normal(size=(readers, 2))
    style = random.normal(size=(books, 2))
    kindness, quality = random.normal(size=readers), random.normal(size=books)
    reader, book = random.integers(0, readers, rows), random.integers(0, books, rows)
    mark = kindness[reader] + quality[book] + 0.5 * np.sum(taste[reader] * style[book], axis=1)
    y = standardized(mark + random.normal(0, 0.3, rows))
    reader, book = reader.astype(kind)[:, None], book.astype(kind)[:, None]

    inputs = [keras.Input((1,), name="reader"), keras.Input((1,), name="book")]
    sizes = readers, books
    penalty = keras.regularizers.L2(decay) if decay else None
    vectors = [
        layers.Flatten()(layers.Embedding(size, units, embeddings_regularizer=penalty)(numbers))
        for size, numbers in zip(sizes, inputs, strict=True)
    ]
    biases = [
        layers.Flatten()(layers.Embedding(size, 1, embeddings_initializer="zeros")(numbers))
        for size, numbers in zip(sizes, inputs, strict=True)
    ]
    model = keras.Model(inputs, layers.Add()([layers.Dot(1)(vectors), *biases]))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    train, valid, test = slice(0, 18000), slice(18000, 21000), slice(21000, None)
    model.fit(
        *([reader[train], book[train]], y[train]),
        validation_data=([reader[valid], book[valid]], y[valid]),
        batch_size=128,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([reader[test], book[test]], verbose=0)[:, 0]
    return r_squared(y[test], guess)


class Linear(tf.Module):
    """A kernel and a bias, without Keras."""

    def __init__(self, draw, inputs, units):
        super().__init__()
        self.kernel = tf.Variable(draw((inputs, units)))
        self.bias = tf.Variable(tf.zeros(units))

    def __call__(self, x):
        """Return what the units are given."""
        return x @ self.kernel + self.bias


class Trunk(layers.Layer):
    """Two hidden layers, from modules that were at hand or from weights of the layer's own."""

    def __init__(self, units, tracked, initializer):
        super().__init__()
        self.units, self.tracked, self.initializer = units, tracked, initializer

    def build(self, shape):
        """Make the weights."""
        sizes = (shape[-1], self.units, self.units)
        if self.tracked:
            self.pairs = [
                (
                    self.add_weight(shape=size, initializer=self.initializer),
                    self.add_weight(shape=size[1:], initializer="zeros"),
                )
                for size in itertools.pairwise(sizes)
            ]
        else:
            draw = keras.initializers.get(self.initializer)
            self.first = Linear(draw, *sizes[:2])
            self.second = Linear(draw, *sizes[1:])

    def call(self, x):
        """Compute the hidden units."""
        if self.tracked:
            for kernel, bias in self.pairs:
                x = ops.relu(ops.matmul(x, kernel) + bias)
            return x
        return ops.relu(self.second(ops.relu(self.first(x))))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/47264",
    cause="a layer does not track variables of a tf.Module: only the last Dense is trained",
    causes="layers initialization",
    evidence=r"track|tf\.Module|tf\.Variable|trainable|(not|never|n't) (being )?(train|updat|"
    r"learn|chang)|frozen|untrained|(few|no|only|without)[\s\S]{0,40}(weights|parameters|"
    r"variables)|(weights|parameters|variables)[\s\S]{0,80}(miss|fixed|random|few|only|not|"
    r"constant|stay)|random features",
    repair={"tracked": True},
    advice={
        r"track|add_weight|keras\.(layers|Variable)|layers\.Dense|trainable|tf\.Module|"
        r"sub-?layer|unfreeze|Dense": {"tracked": True},
        "longer": {"epochs": 80},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out alloys",
    good=0.8,
)
def hardness_of_alloys(
    seed,
    callbacks,
    tracked=False,
    epochs=40,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the hardness of alloys by a layer of my own: hardly better than the mean."""
    random = start(seed)
    x = random.normal(size=(3000, 6)).astype("float32")
    hard = x[:, 0] * x[:, 1] + 0.8 * x[:, 2] * x[:, 3] + 0.5 * np.sin(2 * x[:, 4])
    y = standardized(hard + random.normal(0, 0.1, 3000))
    model = keras.Sequential(
        [
            keras.Input((6,)),
            Trunk(units, tracked, initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2500], y[2200:2500]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2500:], model.predict(x[2500:], verbose=0)[:, 0])


@case(
    source="https://github.com/hyunwoongko/transformer/pull/40",
    cause="the mask hides queries, not keys: valid steps attend to what lies behind the end",
    causes="layers preprocessing data",
    evidence=r"mask|\bpad|attend|\bkeys?\b|quer|stale|behind the end|invalid|leftover|"
    r"(attention)[\s\S]{0,120}(axis|shape|broadcast|step|position)",
    repair={"keys": True},
    advice={
        r"(zero|clear|overwrite|set)\w*.{0,40}(pad|behind|stale|step|invalid|token)": {
            "cleared": True
        },
        r"mask|\bpad|\bkeys?\b|axis|attend": {"keys": True},
        "longer": {"epochs": 20},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out trips",
    good=0.88,
)
def trips_of_a_lift(
    seed,
    callbacks,
    keys=False,
    cleared=False,
    epochs=10,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
):
    """Find the trips with a jolt by attention: the buffer is longer than most of the trips."""
    random = start(seed)
    rows, length = 4000, 24
    y = random.integers(0, 2, rows).astype("float32")
    tokens = random.integers(6, 40, (rows, length))
    lengths = random.integers(5, 13, rows)
    valid = np.arange(length) < lengths[:, None]
    jolts = (random.random((rows, length)) < 0.3) & ~valid  # of earlier trips, still in there
    for row in np.flatnonzero(y):
        jolts[row, random.integers(1, lengths[row])] = True
    tokens = np.where(jolts, random.integers(1, 6, (rows, length)), tokens)
    if cleared:
        tokens = np.where(valid, tokens, 0)

    inputs = {
        "tokens": keras.Input((length,), dtype="int32", name="tokens"),
        "valid": keras.Input((length,), dtype="bool", name="valid"),
    }
    steps = layers.Embedding(40, units)(inputs["tokens"])
    shape = (1, length) if keys else (length, 1)
    mask = layers.Reshape(shape)(inputs["valid"])
    seen = layers.MultiHeadAttention(2, units)(steps, steps, attention_mask=mask)
    first = layers.Flatten()(layers.Cropping1D((0, length - 1))(seen))
    hidden = layers.Dropout(dropout)(layers.Dense(units, activation="relu")(first))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])

    def part(rows):
        x = {"tokens": tokens[rows].astype("int32"), "valid": valid[rows]}
        return tf.data.Dataset.from_tensor_slices((x, y[rows, None]))

    model.fit(
        part(slice(0, 2800)).shuffle(2800, seed=seed).batch(64),
        validation_data=part(slice(2800, 3300)).batch(100),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(part(slice(3300, None)).batch(100), verbose=0)[:, 0]
    return float(np.mean((guess > 0.5) == (y[3300:] > 0.5)))


# ---- nothing is wrong with these ----


def normal_likelihood(y_true, y_pred):
    """Negative logarithm of a normal density, of a mean and a logarithm of its deviation."""
    mean, log_width = y_pred[:, :1], y_pred[:, 1:]
    return ops.mean(log_width + 0.5 * ops.square((y_true - mean) * ops.exp(-log_width)), axis=-1)


@sound(
    source="https://arxiv.org/abs/1612.01474",
    metric="R² of the true mean on held-out days",
    good=0.9,
)
def sure_and_unsure_days(seed, callbacks):
    """Give a loss below zero: two outputs for one target, the mean and how sure it is."""
    random = start(seed)
    x = random.uniform(-2, 2, (3600, 2)).astype("float32")
    mean = np.sin(2 * x[:, 0]) + 0.4 * x[:, 1]
    width = 0.03 + 0.15 * (x[:, 1] > 0)
    y = (mean + width * random.normal(size=3600)).astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(48, activation="tanh"),
            layers.Dense(48, activation="tanh"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003), normal_likelihood)
    model.fit(
        *(x[:2600], y[:2600]),
        validation_data=(x[2600:3000], y[2600:3000]),
        batch_size=64,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(mean[3000:], model.predict(x[3000:], verbose=0)[:, 0])


@sound(
    source="https://arxiv.org/abs/1803.01271",
    metric="R² of the value after the newest one, on later days",
    good=0.8,
)
def every_next_value(seed, callbacks):
    """Targets are the inputs, one step later: causal, dilated convolutions with shortcuts."""
    random = start(seed)
    hours, length = 5200, 48
    time = np.arange(hours)
    slow = np.cumsum(random.normal(0, 0.02, hours))
    wave = np.sin(2 * np.pi * time / 24 + slow) + 0.5 * np.sin(2 * np.pi * time / 8 + 2 * slow)
    wave = standardized(wave + random.normal(0, 0.15, hours))
    starts = np.arange(0, hours - length - 1, 3)
    windows = np.stack([wave[begin : begin + length + 1] for begin in starts])[..., None]
    x, y = windows[:, :-1], windows[:, 1:]
    inputs = keras.Input((length, 1))
    seen = layers.Conv1D(16, 1)(inputs)
    for dilation in (1, 2, 4, 8):
        new = layers.Conv1D(16, 3, dilation_rate=dilation, padding="causal", activation="relu")(
            seen
        )
        seen = layers.Add()([seen, new])
    model = keras.Model(inputs, layers.Conv1D(1, 1)(seen))
    model.compile(Adam(0.003), "mean_squared_error")
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1220:1420], y[1220:1420]),
        batch_size=32,
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1440:, -1, 0], model.predict(x[1440:], verbose=0)[:, -1, 0])


class TwoTowers(keras.Model):
    """Pulls the two halves of a pair together, away from the other rows of the batch."""

    def __init__(self, left, right):
        super().__init__()
        self.left, self.right = left, right

    def call(self, pair, training=None):
        """Similarities (rows, rows) of all left halves to all right ones."""
        left = ops.normalize(self.left(pair[0], training=training), axis=-1)
        right = ops.normalize(self.right(pair[1], training=training), axis=-1)
        return ops.matmul(left, ops.transpose(right)) / 0.1


def own_partner(_, similar):
    """Cross-entropy of the own partner among the batch: it stands on the diagonal."""
    partner = ops.arange(ops.shape(similar)[0])
    return keras.losses.sparse_categorical_crossentropy(partner, similar, from_logits=True)


@sound(
    source="https://www.tensorflow.org/recommenders/examples/basic_retrieval",
    metric="share of upper halves that find their lower half's class among 397",
    good=0.75,
)
def halves_of_digits(seed, callbacks):
    """Targets that nobody reads: in-batch negatives, a loss that ends far above zero."""
    start(seed)
    x, labels = digits(seed)
    upper, lower = x[:, :4], x[:, 4:]

    def tower():
        hidden = [layers.Flatten(), layers.Dense(96, activation="relu")]
        return keras.Sequential([keras.Input((4, 8, 1)), *hidden, layers.Dense(24)])

    model = TwoTowers(tower(), tower())
    model.compile(Adam(0.002), own_partner)

    def part(rows):
        pairs = (upper[rows], lower[rows]), np.zeros(len(x[rows]), "float32")
        return tf.data.Dataset.from_tensor_slices(pairs)

    train, valid = slice(0, 1200), slice(1200, 1400)
    model.fit(
        part(train).shuffle(1200, seed=seed).batch(50, drop_remainder=True),
        validation_data=part(valid).batch(50, drop_remainder=True),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    similar = np.array(model((upper[1400:], lower[1400:])))
    nearest = similar.argmax(axis=1)
    return float(np.mean(labels[1400:][nearest] == labels[1400:]))


@sound(
    source="https://keras.io/examples/nlp/masked_language_modeling/",
    metric="accuracy on hidden steps of held-out walks",
    good=0.8,
)
def steps_that_are_hidden(seed, callbacks):
    """Sample weights: five of six steps weigh nothing, and half of the inputs are given away."""
    random = start(seed)
    rows, length, places = 2400, 18, 8
    walks = np.zeros((rows, length), "int32")
    walks[:, 0] = random.integers(0, places, rows)
    stride = random.integers(1, 4, rows)
    for step in range(1, length):
        slip = random.random(rows) < 0.03
        walks[:, step] = (walks[:, step - 1] + stride + slip) % places
    hidden = random.random((rows, length)) < 1 / 6
    x = np.where(hidden, places, walks)
    weights = hidden.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((length,)),
            layers.Embedding(places + 1, 16),
            layers.Bidirectional(layers.GRU(24, return_sequences=True)),
            layers.Dense(places, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:1600], walks[:1600]),
        sample_weight=weights[:1600],
        validation_data=(x[1600:1900], walks[1600:1900], weights[1600:1900]),
        batch_size=64,
        epochs=15,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[1900:], verbose=0).argmax(axis=-1)
    return float(np.mean((guess == walks[1900:])[hidden[1900:]]))


PROGRAMS = [
    numbers_on_houses,
    digits_behind_noise,
    growers_of_wine,
    a_dripping_tap,
    the_cycle_of_a_press,
    readers_and_their_books,
    hardness_of_alloys,
    trips_of_a_lift,
]
SOUND = [
    sure_and_unsure_days,
    every_next_value,
    halves_of_digits,
    steps_that_are_hidden,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
