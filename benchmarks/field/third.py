"""Twelve field programs more, of other kinds, written by somebody who had read no rule.

Ten have a cause and a repaired twin, see _program.py. The last two are sound and reach what
their noisy data allow: nothing is to be blamed, see sound.py.
Three of the ten were mended after the count in docs/measured.md.

    python -m benchmarks.field.third
    python benchmarks/diagnosis.py --programs third
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.optimizers import Adam, RMSprop

from benchmarks.field._program import accuracy, case, digits, main, r_squared, sound, start


def reviews(random, count, length, behind):
    """Word numbers (count, length) of short reviews, padded with 0, and the mood (count,)."""
    mood = random.integers(0, 2, count)
    x = np.zeros((count, length), "int32")
    for row, good in zip(x, mood, strict=True):
        words = random.integers(60, 400, random.integers(5, 13))
        telling = random.random(len(words)) < 0.4
        telling[0] = True
        words[telling] = 1 + 30 * good + random.integers(0, 29, telling.sum())
        if behind:
            row[: len(words)] = words
        else:
            row[length - len(words) :] = words
    return x, mood.astype("float32")


@case(
    source="https://github.com/keras-team/keras/issues/20898",
    cause="short texts are padded behind and not masked: the LSTM ends on dozens of zeros",
    causes="layers preprocessing data",
    evidence="pad|mask|zeros? at the end|trailing|last steps|constant.{0,30}step",
    repair={"mask": True},
    advice={
        r"mask": {"mask": True},
        r"\bpad|in front": {"behind": False},
        r"GlobalMaxPooling|GlobalAveragePooling|bidirectional": {"both_ways": True},
        "longer": {"epochs": 24},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
    },
    metric="validation accuracy",
    good=0.85,
)
def padded_behind(
    seed,
    callbacks,
    mask=False,
    behind=True,
    both_ways=False,
    epochs=6,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
):
    """Tell the mood of reviews by an LSTM: it never learns, as a bag of words it does."""
    random = start(seed)
    x, y = reviews(random, 1500, 80, behind)
    recurrent = layers.LSTM(units)
    if both_ways:
        recurrent = layers.Bidirectional(recurrent)
    model = keras.Sequential(
        [
            keras.Input((80,)),
            layers.Embedding(400, 16, mask_zero=mask),
            recurrent,
            layers.Dropout(dropout),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    rows = tf.data.Dataset.from_tensor_slices((x[:1200], y[:1200])).shuffle(1200, seed=seed)
    validation = tf.data.Dataset.from_tensor_slices((x[1200:], y[1200:])).batch(100)
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(rows.batch(32), epochs=epochs, **options)
    guess = model.predict(x[1200:], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == y[1200:]))


@case(
    source="https://www.ancisoft.com/blog/understanding-tensorflow-lstm-input-shape/",
    cause="a table that holds one sensor after the other was only reshaped: steps hold one sensor",
    causes="preprocessing data",
    evidence="reshape|transpose|axis|axes|order of the (columns|steps|features)",
    repair={"transposed": True},
    advice={
        r"transpose|moveaxis|permute|reshape|axes|order of": {"transposed": True},
        "longer": {"epochs": 50},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
    },
    metric="R² on validation",
    good=0.8,
)
def reshaped_table(
    seed, callbacks, transposed=False, epochs=16, units=24, learning_rate=0.005, dropout=0.0
):
    """Fold a table of voltages and currents to steps for an LSTM: it hardly learns the energy."""
    random = start(seed)
    voltage, current = random.normal(size=(2, 2500, 10))
    energy = np.sum(voltage * current, axis=1) / np.sqrt(10)
    table = np.concatenate([voltage, current], axis=1).astype("float32")
    if transposed:
        x = np.transpose(table.reshape(-1, 2, 10), (0, 2, 1))
    else:
        x = table.reshape(-1, 10, 2)
    y = energy.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((10, 2)),
            layers.LSTM(units),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    options = {"validation_data": (x[2000:], y[2000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2000], y[:2000], epochs=epochs, **options)
    return r_squared(y[2000:], model.predict(x[2000:], verbose=0)[:, 0])


def arrows(random, count):
    """Noisy images (count, 12, 12, 1) of arrows, and 0 left, 1 right, 2 up, 3 down (count,)."""
    left = np.zeros((12, 12), "float32")
    left[5:7, 2:10] = 1
    for step in range(4):
        left[5 - step, 2 + step] = left[6 + step, 2 + step] = 1
    shapes = np.stack([left, left[:, ::-1], left.T, left.T[::-1]])
    y = random.integers(0, 4, count)
    shifts = random.integers(-1, 2, (count, 2))
    pairs = zip(shapes[y], shifts, strict=True)
    x = np.stack([np.roll(shape, shift, axis=(0, 1)) for shape, shift in pairs])
    return (x + 0.4 * random.normal(size=x.shape))[..., None].astype("float32"), y


@case(
    source="https://github.com/AlexeyAB/darknet/issues/2416",
    cause="images are flipped at random, and which way an arrow points is the class",
    causes="preprocessing layers data",
    evidence="flip|augment|mirror",
    repair={"flip": None},
    advice={
        r"flip|mirror|(remove|without|weaker|less) .{0,20}augment": {"flip": None},
        "longer": {"epochs": 40},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
    },
    metric="validation accuracy",
    good=0.9,
)
def flipped_signs(
    seed, callbacks, flip="horizontal", epochs=12, filters=8, learning_rate=0.003, dropout=0.0
):
    """Read traffic signs: up and down are told apart, left and right are not."""
    random = start(seed)
    x, y = arrows(random, 1000)
    augmentation = [layers.RandomFlip(flip, seed=seed)] if flip else []
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            *augmentation,
            layers.Conv2D(filters, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(32, "relu"),
            layers.Dense(4, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[800:], y[800:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:800], y[:800], epochs=epochs, **options)
    return accuracy(model, x[800:], y[800:])


@case(
    source="https://github.com/keras-team/keras/issues/10306",
    cause="the squared error of an income in thousands outweighs the cross-entropy beside it",
    causes="loss data preprocessing",
    evidence="outweigh|dominat|loss_weights|share of the loss|targets|income",
    repair={"scaled": True},
    advice={
        r"loss_weights|loss weight|weigh\w* .{0,20}loss": {
            "weights": {"income": 1e-3, "group": 1.0}
        },
        r"targets?\b|income": {"scaled": True},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
    },
    metric="validation accuracy of the group",
    good=0.85,
)
def louder_loss(
    seed,
    callbacks,
    scaled=False,
    weights=None,
    epochs=15,
    units=8,
    learning_rate=0.003,
    dropout=0.0,
):
    """Two inputs, two outputs: the income is learned somewhat, the group of the person is not."""
    random = start(seed)
    answers = random.normal(size=(1500, 10)).astype("float32")
    region = random.normal(size=(1500, 6)).astype("float32")
    income = 40 + 12 * answers[:, 0] + 9 * region[:, 0] * region[:, 1] + 6 * np.abs(answers[:, 1])
    group = np.argmax(answers[:, 3:6] + 0.8 * region[:, 2:5], axis=1)
    if scaled:
        income = (income - income.mean()) / income.std()
    first, second = keras.Input((10,), name="answers"), keras.Input((6,), name="region")
    hidden = layers.Dense(units, "relu")(layers.Concatenate()([first, second]))
    hidden = layers.Dense(units, "relu")(layers.Dropout(dropout)(hidden))
    outputs = {
        "income": layers.Dense(1, name="income")(hidden),
        "group": layers.Dense(3, "softmax", name="group")(hidden),
    }
    model = keras.Model({"answers": first, "region": second}, outputs)
    model.compile(
        Adam(learning_rate),
        {"income": "mse", "group": "sparse_categorical_crossentropy"},
        loss_weights=weights,
        metrics={"income": "mae", "group": "accuracy"},
    )
    x = {"answers": answers, "region": region}
    y = {"income": income[:, None].astype("float32"), "group": group}
    train, rest = (
        tuple({key: a[part] for key, a in arrays.items()} for arrays in (x, y))
        for part in (slice(1200), slice(1200, None))
    )
    options = {"validation_data": rest, "callbacks": callbacks, "verbose": 0}
    model.fit(*train, epochs=epochs, **options)
    guess = model.predict(rest[0], verbose=0)["group"].argmax(axis=1)
    return float(np.mean(guess == rest[1]["group"]))


class Rows(keras.utils.PyDataset):
    """Batches of 32 rows in an order that changes after each epoch."""

    def __init__(self, x, y, random, together):
        super().__init__()
        self.x, self.y = x.copy(), y.copy()
        self.random, self.together = random, together

    def __len__(self):
        return len(self.x) // 32

    def __getitem__(self, index):
        part = slice(32 * index, 32 * index + 32)
        return self.x[part], self.y[part]

    def on_epoch_end(self):
        """Shuffle."""
        order = self.random.permutation(len(self.x))
        self.x = self.x[order]
        if self.together:
            self.y = self.y[order]


@case(
    source="https://github.com/DrexelChatbotGroup/DrexelChatbot/issues/15",
    cause="after each epoch the images are shuffled and their labels are not",
    causes="data preprocessing",
    evidence="label.{0,60}(row|belong|input)|permut|pair|shuffl|nearest",
    repair={"together": True},
    advice={
        r"own row|label.{0,40}(row|belong|order)|shuffle|pair": {"together": True},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
    },
    metric="validation accuracy",
    good=0.85,
)
def pairs_drift(
    seed, callbacks, together=False, epochs=10, units=64, learning_rate=0.002, dropout=0.0
):
    """Read images by one's own PyDataset: good after the first epoch, chance from then on."""
    random = start(seed)
    images, labels = digits(seed)
    x = images.reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows = Rows(x[:1408], labels[:1408], random, together)
    options = {"validation_data": (x[1408:], labels[1408:]), "callbacks": callbacks, "verbose": 0}
    model.fit(rows, epochs=epochs, **options)
    return accuracy(model, x[1408:], labels[1408:])


@case(
    source="https://github.com/keras-team/keras/issues/18798",
    cause="training stops when the score rises: it is watched as if less of it were better",
    causes="epochs",
    evidence=r"stopp|ended (early|after)|EarlyStopping|\bmode\b|restor",
    repair={"mode": "max"},
    advice={
        r"\bmode\b": {"mode": "max"},
        r"val_loss": {"watched": "val_loss"},
        r"(remove|without|drop) .{0,20}(EarlyStopping|early stopping)": {"stops": False},
        r"patience": {"patience": 20},
        "longer": {"epochs": 120},
        "wider": {"units": 256},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "initialized": {"initializer": "he_normal"},
        "regularized": {"dropout": 0.3},
    },
    metric="validation accuracy",
    good=0.88,
)
def stopped_at_worst(
    seed,
    callbacks,
    stops=True,
    watched="val_recall",
    mode="min",
    patience=3,
    epochs=40,
    units=64,
    learning_rate=0.001,
    initializer="glorot_uniform",
    dropout=0.0,
):
    """Watch recall to stop early: training ends after four epochs, and the result is bad."""
    start(seed)
    images, labels = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, "relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, "softmax"),
        ]
    )
    y = keras.utils.to_categorical(labels, 10)
    recall = keras.metrics.Recall(name="recall")
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy", recall])
    stopping = keras.callbacks.EarlyStopping(
        watched, mode=mode, patience=patience, restore_best_weights=True
    )
    callbacks = [stopping, *callbacks] if stops else callbacks
    validation = images[1400:], y[1400:]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(images[:1400], y[:1400], epochs=epochs, **options)
    return accuracy(model, images[1400:], labels[1400:])


@case(
    source="https://github.com/mikesj-public/convolutional_autoencoder/pull/9",
    cause="images are standardized, so half of their values are negative: relu cannot give these",
    causes="activation preprocessing data",
    evidence="negative|below 0|range|reach|targets (run|lie|go) ",
    repair={"activation": "linear"},
    advice={
        r"activation=.?(None|linear)|no activation|linear output": {"activation": "linear"},
        r"tanh": {"activation": "tanh"},
        r"\b0 (to|and) 1\b": {"standardized": False},
        "sigmoid": {"activation": "sigmoid"},
        "longer": {"epochs": 60},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² of reconstructed validation images",
    good=0.75,
)
def negative_pixels(
    seed,
    callbacks,
    activation="relu",
    standardized=True,
    epochs=15,
    filters=8,
    learning_rate=0.003,
    initializer="glorot_uniform",
):
    """Train a convolutional autoencoder: the dark half of every picture is cut off."""
    start(seed)
    x, _ = digits(seed)
    if standardized:
        x = (x - x.mean()) / x.std()
    convolution = {"padding": "same", "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(filters, 3, activation="relu", **convolution),
            layers.MaxPooling2D(),
            layers.Conv2D(filters, 3, activation="relu", **convolution),
            layers.UpSampling2D(),
            layers.Conv2D(filters, 3, activation="relu", **convolution),
            layers.Conv2D(1, 3, activation=activation, **convolution),
        ]
    )
    model.compile(Adam(learning_rate), "mse")
    options = {"validation_data": (x[1400:], x[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], x[:1400], epochs=epochs, **options)
    guess = model.predict(x[1400:], verbose=0)
    trivial = np.sum(np.square(x[1400:] - x[1400:].mean(axis=0)))
    return 1 - float(np.sum(np.square(x[1400:] - guess)) / trivial)


class Topics(keras.Model):
    """Scores of four topics, of the mean of the words."""

    def __init__(self, units, activation, dropout):
        super().__init__()
        self.words = layers.Embedding(1000, 16)
        self.mean = layers.GlobalAveragePooling1D()
        self.hidden = layers.Dense(units, "relu")
        self.dropout = layers.Dropout(dropout)
        self.scores = layers.Dense(4, activation)

    def call(self, inputs, training=False):
        """Word numbers (N, 25) to scores (N, 4)."""
        hidden = self.hidden(self.mean(self.words(inputs)))
        return self.scores(self.dropout(hidden, training=training))


@case(
    source="https://github.com/tensorflow/docs/pull/2102",
    cause="the scores have no softmax, and the loss is not told that they are logits",
    causes="loss activation",
    evidence="logits|softmax|probabilit|sum to 1",
    repair={"from_logits": True},
    advice={
        r"from_logits": {"from_logits": True},
        r"softmax": {"activation": "softmax"},
        "sigmoid": {"activation": "sigmoid"},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
    },
    metric="validation accuracy",
    good=0.85,
)
def logits_unsaid(
    seed,
    callbacks,
    from_logits=False,
    activation=None,
    epochs=10,
    units=32,
    learning_rate=0.003,
    dropout=0.2,
):
    """Sort questions into four topics by a model of one's own: hardly better than chance."""
    random = start(seed)
    y = random.integers(0, 4, 2000)
    x = random.integers(0, 1000, (2000, 25))
    telling = random.random(x.shape) < 0.25
    x = np.where(telling, 60 * y[:, None] + random.integers(0, 60, x.shape), x)
    model = Topics(units, activation, dropout)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    rows = tf.data.Dataset.from_tensor_slices((x[:1600], y[:1600])).shuffle(1600, seed=seed)
    validation = tf.data.Dataset.from_tensor_slices((x[1600:], y[1600:])).batch(64)
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(rows.batch(32), epochs=epochs, **options)
    return accuracy(model, x[1600:], y[1600:])


class Compress(layers.Layer):
    """A few weighted sums of the inputs; their weights are trained only if they are tracked."""

    def __init__(self, units, tracked, seed):
        super().__init__()
        self.units, self.tracked = units, tracked
        self.initializer = keras.initializers.GlorotUniform(seed)

    def build(self, shape):
        """Draw the weights (inputs, units)."""
        shape = (shape[-1], self.units)
        if self.tracked:
            self.sums = self.add_weight(shape=shape, initializer=self.initializer)
        else:
            self.sums = self.initializer(shape)

    def call(self, inputs):
        """Rows (N, inputs) to (N, units)."""
        return ops.tanh(inputs @ self.sums)


@case(
    source="https://github.com/haidark/WaveletDeconv/issues/1",
    cause="a layer of one's own keeps its weights as a plain tensor: they are never trained",
    causes="layers initialization",
    evidence="add_weight|tracked|no (trainable )?(weights|variables)|(not|never).{0,9}(train|upd)",
    repair={"tracked": True},
    advice={
        r"add_weight|tracked|trainable|Variable": {"tracked": True},
        "longer": {"epochs": 80},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "scaled": {"scaled": True},
    },
    metric="validation accuracy",
    good=0.85,
)
def untracked_weights(
    seed, callbacks, tracked=False, units=6, epochs=20, learning_rate=0.005, scaled=False
):
    """Put a layer of one's own in front: the network learns something and stays mediocre."""
    start(seed)
    images, labels = digits(seed)
    x = images.reshape(-1, 64)
    if scaled:
        x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            Compress(units, tracked, seed),
            layers.Dense(32, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1400:], labels[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], labels[:1400], epochs=epochs, **options)
    return accuracy(model, x[1400:], labels[1400:])


@case(
    source="https://stackoverflow.com/questions/46355068/keras-loss-function-for-360-degree-prediction",
    cause="359° and 1° are neighbours, and for the squared error they are the farthest apart",
    causes="loss data preprocessing",
    evidence="angle|circ|period|wrap|jump|ends? of the (range|targets?)|edge",
    repair={"circle": True},
    advice={
        r"\bsine?\b|\bcos|circ|angle|period|wrap": {"circle": True},
        "longer": {"epochs": 80},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"standardized": True},
    },
    metric="share of directions told within 20°",
    good=0.85,
)
def azimuth(
    seed,
    callbacks,
    circle=False,
    standardized=False,
    epochs=20,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
):
    """Where does a sound come from, 0 to 359°: some answers point the other way."""
    random = start(seed)
    angle = random.uniform(0, 2 * np.pi, 1500)
    microphones = np.arange(8) * np.pi / 4
    x = np.exp(np.cos(angle[:, None] - microphones)) + 0.35 * random.normal(size=(1500, 8))
    x = ((x - x.mean()) / x.std()).astype("float32")
    y = (angle[:, None] / (2 * np.pi)).astype("float32")
    if standardized:
        y = (y - 0.5) / 0.29
    if circle:
        y = np.stack([np.sin(angle), np.cos(angle)], axis=1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(units, "relu"),
            layers.Dense(y.shape[1]),
        ]
    )
    model.compile(RMSprop(learning_rate), "mse", metrics=["mae"])
    options = {"validation_data": (x[1200:], y[1200:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1200], y[:1200], epochs=epochs, **options)
    guess = model.predict(x[1200:], verbose=0)
    if circle:
        told = np.arctan2(guess[:, 0], guess[:, 1])
    else:
        told = 2 * np.pi * (0.29 * guess[:, 0] + 0.5 if standardized else guess[:, 0])
    return float(np.mean(np.cos(told - angle[1200:]) > np.cos(np.radians(20))))


# ---- sound programs whose data are hard ----


@sound(
    source="https://datascience.stackexchange.com/questions/24728/"
    "can-neural-networks-be-trained-to-smooth-values-output-the-average",
    metric="R² against the targets without their noise",
    good=0.95,
)
def noisy_line(seed, callbacks):
    """Fit a line whose values are noisy, and wonder at the error that remains."""
    random = start(seed)
    x = random.normal(size=(3000, 1)).astype("float32")
    line = (x[:, 0] + 0.3 * np.abs(x[:, 0])).astype("float32")
    y = (line + random.normal(size=3000)).astype("float32")
    model = keras.Sequential([keras.Input((1,)), layers.Dense(32, "relu"), layers.Dense(1)])
    model.compile(RMSprop(0.002), "mse", metrics=["mae"])
    options = {"validation_data": (x[2400:], y[2400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2400], y[:2400], epochs=15, **options)
    return r_squared(line[2400:], model.predict(x[2400:], verbose=0)[:, 0])


@sound(
    source="https://javaeeeee.medium.com/binary-classification-with-tensorflow-2-bc70f0cc7035",
    metric="R² of predicted against true probabilities",
    good=0.75,
)
def doubtful_patients(seed, callbacks):
    """Foretell diabetes from eight measurements: three patients of four, and no more."""
    random = start(seed)
    x = random.normal(size=(3000, 8)).astype("float32")
    score = 1.1 * x[:, 0] + 0.7 * x[:, 1] - 0.5 * x[:, 2] * x[:, 3] + 0.4 * x[:, 4] - 0.7
    risk = 1 / (1 + np.exp(-score))
    y = (random.random(3000) < risk).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(24, "relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
            layers.Dropout(0.1),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(0.005), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[2200:], y[2200:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2200], y[:2200], epochs=15, batch_size=32, **options)
    return r_squared(risk[2200:], model.predict(x[2200:], verbose=0)[:, 0])


PROGRAMS = [
    padded_behind,
    reshaped_table,
    flipped_signs,
    louder_loss,
    pairs_drift,
    stopped_at_worst,
    negative_pixels,
    logits_unsaid,
    untracked_weights,
    azimuth,
]
SOUND = [noisy_line, doubtful_patients]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
