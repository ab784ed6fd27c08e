"""Twelve more field programs, silent mistakes, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_ninth
    python benchmarks/diagnosis.py --programs thirty_ninth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import LambdaCallback
from keras.optimizers import Adam, RMSprop
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


def pasted(pictures, corners, side=16):
    """Pictures (N, 8, 8, 1), each on a black field (side, side, 1) with its corner at a place."""
    fields = np.zeros((len(pictures), side, side, 1), "float32")
    for field, picture, (down, right) in zip(fields, pictures, corners, strict=True):
        field[down : down + 8, right : right + 8] = picture
    return fields


@case(
    source="https://github.com/tensorflow/tensorflow/issues/60848",
    cause="NumPy draws the shift in `map` once, while it is traced: all pictures are moved alike",
    causes="data preprocessing",
    evidence=r"augment|shift|moved?\b|roll|translat|position|traced?\b|tracing|\bmap\b|"
    r"np\.random|numpy[\s\S]{0,40}random|random[\s\S]{0,60}(once|same|constant|fixed|never)|"
    r"always the same|(validation|held-out|test)[\s\S]{0,100}(distribut|differ|elsewhere|"
    r"prepared|other|shift)|(distribution|covariate|domain|data)[\s-]?(shift|drift)",
    repair={"draws": "tensorflow"},
    advice={
        r"tf\.random|random\.uniform|RandomTranslation|(py|numpy)_function|augment|shift|translat|"
        r"traced?\b|np\.random|numpy|same (preprocess|distribut|way|source|pipeline)|"
        r"(training|validation)[\s\S]{0,40}(like|same|alike|match)|distribut|prepare|\bmap\b": {
            "draws": "tensorflow"
        },
        r"GlobalMaxPooling|GlobalAveragePooling|global (max |average )?pool": {"pooled": True},
        "longer": {"epochs": 24},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out digits at any place",
    good=0.65,
)
def digits_at_any_place(
    seed,
    callbacks,
    draws="numpy",
    pooled=False,
    epochs=12,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits that may be anywhere: pictures are moved at random, yet it reads few of them."""
    random = start(seed)
    x, y = digits(seed)
    middle = np.full((len(x), 2), 4)
    anywhere = random.integers(0, 9, (len(x), 2))
    x_valid, x_test = pasted(x[1200:1400], anywhere[1200:1400]), pasted(x[1400:], anywhere[1400:])
    x_train = pasted(x[:1200], middle[:1200])

    def move(picture, label):
        if draws == "numpy":
            by = np.random.randint(-4, 5, 2).tolist()  # noqa: NPY002 - as people write it
        else:
            by = tf.random.uniform((2,), -4, 5, tf.int32)
        return tf.roll(picture, by, axis=(0, 1)), label

    rows = tf.data.Dataset.from_tensor_slices((x_train, y[:1200])).shuffle(1200, seed=seed)
    pool = layers.GlobalMaxPooling2D() if pooled else layers.Flatten()
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * units, 3, activation="relu", kernel_initializer=initializer),
            pool,
            layers.Dropout(dropout),
            layers.Dense(64, activation="relu", kernel_initializer=initializer),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        rows.map(move).batch(32),
        validation_data=(x_valid, y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test, y[1400:])


@case(
    source="https://github.com/keras-team/keras/issues/18949",
    cause="few updates, and the weights end as an average of 0.999 that still holds the first ones",
    causes="optimizer epochs",
    evidence=r"\bema\b|use_ema|ema_momentum|moving average|exponential|averag\w*[\s\S]{0,40}weight|"
    r"weights?[\s\S]{0,80}(averag|overwritten|replaced|lag|behind|swapped|at the end|last update)|"
    r"(after|end of)[\s\S]{0,40}(fit|training)[\s\S]{0,80}(weight|worse|differ|other)|"
    r"(predict|evaluat)\w*[\s\S]{0,80}(differ|worse|not the)[\s\S]{0,60}(training|history|fit)",
    repair={"ema_momentum": 0.9},
    advice={
        r"use_ema ?= ?False|(without|no|remove|drop|switch off|turn off|leave out|disable).{0,40}"
        r"(\bema\b|use_ema|averag)": {"use_ema": False},
        r"ema_momentum|\bema\b|moving average|averag": {"ema_momentum": 0.9},
        "longer": {"epochs": 24},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out wave forms",
    good=0.8,
)
def waves_told_apart(
    seed,
    callbacks,
    use_ema=True,
    ema_momentum=0.999,
    epochs=8,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell six forms of waves apart: validation does well, predictions afterwards do not."""
    random = start(seed)
    rows = 2400
    y = random.integers(0, 6, rows)
    phase = (np.arange(48) / 16 + random.random((rows, 1))) % 1
    forms = [
        np.sin(2 * np.pi * phase),
        np.sign(phase - 0.5),
        2 * phase - 1,
        1 - 2 * phase,
        4 * np.abs(phase - 0.5) - 1,
        np.sign(phase - 0.8),
    ]
    x = np.stack(forms)[y, np.arange(rows)] * random.uniform(0.7, 1.3, (rows, 1))
    x = (x + random.normal(0, 0.35, x.shape)).astype("float32")[:, :, None]

    model = keras.Sequential([keras.Input((48, 1))])
    for _ in range(2):
        conv = layers.Conv1D(units, 5, activation="relu", kernel_initializer=initializer)
        model.add(conv)
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(6, activation="softmax"))
    optimizer = Adam(learning_rate, use_ema=use_ema, ema_momentum=ema_momentum)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:])


class Projection(layers.Layer):
    """A matrix that shortens rows, and whose transpose lengthens them again."""

    def __init__(self, size, initializer, tracked, **options):
        super().__init__(**options)
        self.size, self.initializer, self.tracked = size, initializer, tracked

    def build(self, shape):
        """Make the matrix."""
        shape = shape[-1], self.size
        if self.tracked:
            self.matrix = self.add_weight(shape=shape, initializer=self.initializer, name="matrix")
        else:
            first = keras.initializers.get(self.initializer)(shape)
            self.matrix = tf.Variable(first, trainable=True, name="matrix")

    def call(self, inputs):
        """Shorten."""
        return ops.matmul(inputs, ops.convert_to_tensor(self.matrix))

    def back(self, code):
        """Lengthen."""
        return ops.matmul(code, ops.transpose(ops.convert_to_tensor(self.matrix)))


class Tied(keras.Model):
    """An autoencoder whose decoder has the transposed matrix of its encoder."""

    def __init__(self, size, length, initializer, tracked, dropout):
        super().__init__()
        self.projection = Projection(size, initializer, tracked)
        self.norm = layers.BatchNormalization()
        self.dropout = layers.Dropout(dropout)
        self.length = length

    def build(self, shape):
        """Make the offset of the outputs."""
        self.projection.build(shape)
        self.norm.build((None, self.projection.size))
        self.offset = self.add_weight(shape=(self.length,), initializer="zeros", name="offset")

    def call(self, inputs, training=None):
        """Shorten and lengthen."""
        code = self.dropout(
            self.norm(self.projection(inputs), training=training), training=training
        )
        return self.projection.back(code) + self.offset


@case(
    source="https://github.com/keras-team/keras/issues/16797",
    cause="the own layer's matrix is a tf.Variable that Keras 3 does not track: never trained",
    causes="layers",
    evidence=r"track|tf\.Variable|add_weight|trainable|frozen|(matrix|kernel|weight|variable|layer|"
    r"parameter)s?[\s\S]{0,100}(never|not|no|un)[\s\S]{0,40}(updat|train|chang|move|learn|gradient|"
    r"optimi)|(few|only|hardly any|no)[\s\S]{0,20}(trainable )?(parameter|weight|variable)|"
    r"no (weights|variables|parameters)|untrained|own layer|custom layer|Projection",
    repair={"tracked": True},
    advice={
        r"add_weight|track|trainable|keras\.Variable|tf\.Variable|unfreeze|Dense layer": {
            "tracked": True
        },
        "longer": {"epochs": 40},
        "wider": {"size": 12},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
    },
    metric="R² of the values of held-out spectra",
    good=0.6,
)
def spectra_from_eight_numbers(
    seed,
    callbacks,
    tracked=False,
    epochs=20,
    size=8,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Squeeze spectra to a few numbers, by one matrix there and back: most of them is lost."""
    random = start(seed)
    rows, length = 1800, 60
    shapes = np.exp(-(((np.arange(length) - random.uniform(4, 56, (6, 1))) / 4) ** 2))
    x = standardized(random.gamma(2, 1, (rows, 6)) @ shapes + random.normal(0, 0.1, (rows, length)))
    model = Tied(size, length, initializer, tracked, dropout)
    model.build((None, length))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1500], x[1200:1500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1500:].ravel(), model.predict(x[1500:], verbose=0).ravel())


@case(
    source="https://github.com/google-research/google-research/issues/2133",
    cause="LayerNormalization over one output is a constant: only the linear way past it counts",
    causes="layers",
    evidence=r"layer.?norm|normaliz|constant|one (feature|unit|value|output|column)|"
    r"single (feature|unit|value|output|column)|dead|no gradient|gradients?[\s\S]{0,40}(zero|0\b|"
    r"vanish|none)|(branch|decoder|layers?)[\s\S]{0,80}(never|not|no|un)[\s\S]{0,30}(updat|train|"
    r"chang|learn|contribut|reach|move)|(only|merely|just|as good as)[\s\S]{0,40}linear|"
    r"zero (variance|output)|always (0|zero|the same)",
    repair={"normalized": "hidden"},
    advice={
        r"(remove|drop|without|leave out|no|delete|take out).{0,40}norm": {"normalized": "nothing"},
        r"norm|axis": {"normalized": "hidden"},
        "longer": {"epochs": 36},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on later hours",
    good=0.7,
)
def load_of_the_next_hour(
    seed,
    callbacks,
    normalized="output",
    epochs=18,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a series by a straight line and a network added to it: a line would do as well."""
    random = start(seed)
    hours, length = 4000, 12
    series = np.zeros(hours)
    series[:2] = 0.3, 0.6
    for hour in range(2, hours):  # a map of Hénon, with noise
        series[hour] = 1 - 1.4 * series[hour - 1] ** 2 + 0.3 * series[hour - 2]
        series[hour] = np.clip(series[hour] + random.normal(0, 0.01), -1.3, 1.3)
    seen = standardized((series + random.normal(0, 0.03, hours))[:, None])[:, 0]
    windows = np.lib.stride_tricks.sliding_window_view(seen, length + 1)
    x, y = windows[:, :-1].copy(), windows[:, -1:].copy()

    inputs = keras.Input((length,))
    hidden = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    hidden = layers.Dropout(dropout)(hidden)
    hidden = layers.Dense(units, activation="relu", kernel_initializer=initializer)(hidden)
    if normalized == "hidden":
        hidden = layers.LayerNormalization()(hidden)
    answer = layers.Dense(1, kernel_initializer=initializer)(hidden)
    if normalized == "output":
        answer = layers.LayerNormalization()(answer)
    model = keras.Model(inputs, layers.add([answer, layers.Dense(1, name="line")(inputs)]))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:2600], y[:2600]),
        validation_data=(x[2600:3100], y[2600:3100]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[3100:, 0], model.predict(x[3100:], verbose=0)[:, 0])


@case(
    source="https://stackoverflow.com/questions/45123792/"
    "why-is-the-output-of-element-wise-addition-subtraction-different-depending-on-wh",
    cause="frames of uint8 are subtracted: what is below 0 comes out as up to 255",
    causes="data preprocessing",
    evidence=r"uint8|unsigned|overflow|wrap|underflow|modulo|dtype|integer|negative|255|"
    r"(two|both) (ends|extremes|peaks)|bimodal|subtract|difference|(input|pixel|value)s?"
    r"[\s\S]{0,60}(jump|extreme|noisy|noise|range|clipp|distribut)",
    repair={"cast": True},
    advice={
        r"uint8|int16|float|cast|astype|dtype|overflow|wrap|signed|negative|subtract|difference": {
            "cast": True
        },
        r"absdiff|absolute": {"cast": True, "absolute": True},
        "longer": {"epochs": 20},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out pairs of frames",
    good=0.8,
)
def which_way_it_went(
    seed,
    callbacks,
    cast=False,
    absolute=False,
    scaled=False,
    epochs=10,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell from the difference of two frames of a dim camera which way a spot went."""
    random = start(seed)
    rows, side = 1500, 16
    y = random.integers(0, 4, rows)
    at = random.uniform(4, 12, (rows, 2))
    way = np.array([(-1.5, 0), (1.5, 0), (0, -1.5), (0, 1.5)])[y]
    down, right = np.mgrid[:side, :side]

    def frame(place):
        away = (down - place[:, 0, None, None]) ** 2 + (right - place[:, 1, None, None]) ** 2
        light = 60 + 30 * np.exp(-away / 2) + random.normal(0, 3, (rows, side, side))
        return np.clip(light, 0, 255).astype("uint8")

    before, after = frame(at), frame(at + way)
    if cast:
        before, after = before.astype("int16"), after.astype("int16")
    change = np.abs(after - before) if absolute else after - before
    x = change.astype("float32")[:, :, :, None] / 255
    x = (x - x[:1000].mean()) / x[:1000].std()

    model = keras.Sequential([keras.Input((side, side, 1))])
    for width in (units, 2 * units):
        model.add(layers.Conv2D(width, 3, activation="relu", kernel_initializer=initializer))
        if scaled:
            model.add(layers.BatchNormalization())
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(4, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


class Accumulating(keras.Model):
    """Updates its weights at every fourth batch, by the gradients of four batches."""

    def __init__(self, inputs, outputs, every, cleared):
        super().__init__(inputs, outputs)
        self.every, self.cleared = every, cleared
        self.seen = tf.Variable(0, trainable=False)
        self.sums = [
            tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.trainable_weights
        ]

    def step(self):
        """Take a step by what has been summed."""
        gradients = [tf.convert_to_tensor(total) for total in self.sums]
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        if self.cleared:
            for total in self.sums:
                total.assign(tf.zeros_like(total))

    def train_step(self, data):
        """Take one batch, and perhaps a step."""
        x, y = data
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=answer)
        for total, gradient in zip(
            self.sums, tape.gradient(loss, self.trainable_weights), strict=True
        ):
            total.assign_add(gradient / self.every)
        self.seen.assign_add(1)
        tf.cond(self.seen % self.every == 0, self.step, lambda: None)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/Miraclelucy/dive_into_deep_learning/issues/6",
    cause="the sums of the gradients are never set to 0 again: steps go where old batches pointed",
    causes="optimizer",
    evidence=r"accumul|gradients?[\s\S]{0,80}(sum|never|reset|clear|zero|grow|old|stale|add|kept|"
    r"larger|earlier|previous|average)|(reset|clear|zero)\w*[\s\S]{0,40}gradient|train_step|"
    r"(own|custom)[\s\S]{0,30}(training (step|loop)|step)|oscillat|swing|overshoot|diverg|"
    r"(up and down|jumps?|bounces|unstable|instab)",
    repair={"cleared": True},
    advice={
        r"reset|clear|zeros?\b|zero_grad|gradient_accumulation_steps|accumul|assign|"
        r"(built-in|usual|keras.?|default).{0,20}(train_step|step|loop)|"
        r"(remove|without|drop|leave out).{0,20}train_step|train_step": {"cleared": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out plants",
    good=0.8,
)
def plants_in_small_batches(
    seed,
    callbacks,
    cleared=False,
    epochs=24,
    units=48,
    learning_rate=0.008,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell five kinds of plants, four small batches to a step: it goes up and down."""
    start(seed)
    x, y = datasets.make_classification(
        *(2000, 16),
        n_informative=8,
        n_redundant=2,
        n_classes=5,
        n_clusters_per_class=2,
        class_sep=2.0,
        flip_y=0.01,
        random_state=seed,
    )
    x = standardized(x)
    inputs = keras.Input((16,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = Accumulating(inputs, layers.Dense(5, activation="softmax")(seen), 4, cleared)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1280], y[:1280]),
        validation_data=(x[1280:1500], y[1280:1500]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1500:], y[1500:])


def messages(random, count, topics=5, words=260, length=14):
    """Return lists of words, as strings, and what they are about (count,)."""
    about = random.integers(0, topics, count)
    texts = []
    for topic in about:
        number = random.integers(6, length + 1)
        own = random.random(number) < 0.35
        own[random.integers(number)] = True
        drawn = np.where(own, 30 * topic + random.integers(0, 30, number), 0)
        drawn = np.where(own, drawn, random.integers(30 * topics, words, number))
        texts.append([f"word{word}" for word in drawn])
    return texts, about


def numbered(texts):
    """Numbers of words from 1, the most frequent first."""
    counts = {}
    for text in texts:
        for word in text:
            counts[word] = counts.get(word, 0) + 1
    return {word: at + 1 for at, word in enumerate(sorted(counts, key=counts.get, reverse=True))}


def padded(texts, numbers, length=14):
    """Word numbers (N, length), with zeros in front; unknown words are left out."""
    rows = np.zeros((len(texts), length), "int32")
    for row, text in zip(rows, texts, strict=True):
        known = [numbers[word] for word in text if word in numbers]
        row[length - len(known) :] = known
    return rows


@case(
    source="https://github.com/likejazz/Siamese-LSTM/issues/6",
    cause="the later messages get word numbers of their own: a number means another word there",
    causes="data preprocessing",
    evidence=r"vocabular|tokeni[sz]|word.?index|(word|token|number|id|index|indices|categor)\w*"
    r"[\s\S]{0,100}(differ|other|another|separate|own|match|same|order|permut|mapping|mapped|"
    r"encod)|mapping|encod|(validation|held-out|test)[\s\S]{0,120}(distribut|prepared|differ|"
    r"another|other (data|source)|not (like|drawn))|(distribution|covariate|domain|data)"
    r"[\s-]?(shift|drift)",
    repair={"numbers": "of the training"},
    advice={
        r"(same|one|shared|training).{0,40}(vocabular|tokeni[sz]|index|mapping|lookup|encod|"
        r"preprocess|way|pipeline|number|distribut|source)|vocabular|tokeni[sz]|prepare|mapping|"
        r"encod|distribut|compare": {"numbers": "of the training"},
        "longer": {"epochs": 24},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on later messages",
    good=0.75,
)
def what_messages_are_about(
    seed,
    callbacks,
    numbers="of each set",
    epochs=8,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort messages by topic with an LSTM: the training is learned, later messages are not."""
    random = start(seed)
    texts, y = messages(random, 2400)
    early, later = texts[:1400], texts[1400:]
    known = numbered(early)
    x = padded(early, known)
    x_later = padded(later, known if numbers == "of the training" else numbered(later))
    y_later = y[1400:]

    model = keras.Sequential(
        [
            keras.Input((14,)),
            layers.Embedding(261, 16, mask_zero=True),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(RMSprop(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x, y[:1400]),
        validation_data=(x_later[:300], y_later[:300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_later[300:], y_later[300:])


@case(
    source="https://github.com/JuliaStats/StatsBase.jl/pull/401",
    cause="the weights that fade with age begin at the first row, which is the oldest one",
    causes="data preprocessing loss",
    evidence=r"sample.?weight|weight(s|ed|ing)?[\s\S]{0,100}(row|sample|old|new|recent|age|time|"
    r"order|revers|tiny|small|zero|unequal|few|fade|decay|count)|(row|sample)s?[\s\S]{0,80}weight|"
    r"(old|oldest|first|early|few)[\s\S]{0,40}(row|week|sample|data)|recent|newest|drift|"
    r"(order|revers)\w*[\s\S]{0,40}(time|row|week)|(changed?|differ\w*)[\s\S]{0,40}"
    r"(over|with) time|"
    r"(validation|held-out|later)[\s\S]{0,100}(distribut|other|differ)|distribution shift",
    repair={"newest": "last"},
    advice={
        r"(remove|drop|without|leave out|no|equal|uniform|constant).{0,40}weight": {
            "newest": "nowhere"
        },
        r"revers|flip|\[::-1\]|newest|recent|sample.?weight|weight": {"newest": "last"},
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² of the sales of the weeks to come",
    good=0.7,
)
def sales_of_the_weeks_to_come(
    seed,
    callbacks,
    newest="first",
    epochs=15,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell what shops sell; newer weeks shall count more: the next weeks come wrong."""
    random = start(seed)
    weeks, shops = 160, 30
    week = np.repeat(np.arange(weeks), shops)
    shop = np.tile(np.arange(shops), weeks)
    facts = random.normal(size=(weeks * shops, 4)).astype("float32")
    turn = np.pi / (1 + np.exp((60 - week) / 12))  # customers' taste turns
    taste = np.cos(turn) * facts[:, 0] + np.sin(turn) * facts[:, 1]
    y = taste + 0.5 * np.abs(facts[:, 2]) + 0.6 * random.normal(size=shops)[shop]
    y = standardized((y + random.normal(0, 0.2, len(y)))[:, None])
    train, valid, test = (
        slice(0, 130 * shops),
        slice(130 * shops, 140 * shops),
        slice(140 * shops, None),
    )
    age = week[train] if newest == "first" else week[train].max() - week[train]
    weight = 0.95**age if newest != "nowhere" else np.ones(len(age))
    weight = (weight / weight.mean()).astype("float32")

    inputs = [keras.Input((1,), dtype="int32"), keras.Input((4,))]
    place = layers.Flatten()(layers.Embedding(shops, 4)(inputs[0]))
    seen = layers.concatenate([place, inputs[1]])
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error")
    x = [shop[:, None].astype("int32"), facts]
    model.fit(
        *([part[train] for part in x], y[train]),
        sample_weight=weight,
        validation_data=([part[valid] for part in x], y[valid]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([part[test] for part in x], verbose=0)[:, 0]
    return r_squared(y[test][:, 0], guess)


class Bits(layers.Layer):
    """0 or 1, with the gradient of the probability that it was rounded from."""

    def call(self, inputs):
        """Round, but let the gradient pass."""
        chance = ops.sigmoid(inputs)
        return chance + ops.stop_gradient(ops.cast(chance > 0.5, chance.dtype) - chance)


@sound(
    source="https://keras.io/examples/generative/vq_vae/",
    metric="R² of the pixels of held-out digits",
    good=0.75,
)
def digits_in_forty_bits(seed, callbacks):
    """Round a code: its step has no slope, the gradient goes past it."""
    start(seed)
    x, _ = digits(seed)
    x = x.reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(96, activation="relu"),
            layers.Dense(40),
            Bits(),
            layers.Dense(96, activation="relu"),
            layers.Dense(64),
        ]
    )
    model.compile(Adam(0.002), "mean_squared_error")
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1450], x[1200:1450]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1450:].ravel(), model.predict(x[1450:], verbose=0).ravel())


@sound(
    source="https://deepai.org/publication/on-the-resistance-of-neural-nets-to-label-noise",
    metric="accuracy on held-out digits with their true labels",
    good=0.9,
)
def digits_with_careless_labels(seed, callbacks):
    """Labels wrong in a quarter of the rows: three in four is all that it can reach on those."""
    random = start(seed)
    x, y = digits(seed)
    wrong = random.random(len(y)) < 0.25
    given = np.where(wrong, (y + random.integers(1, 10, len(y))) % 10, y)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1300], given[:1300]),
        validation_data=(x[1300:1500], given[1300:1500]),
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1500:], y[1500:])


@sound(
    source="https://keras.io/guides/working_with_rnns/",
    metric="R² on later hours",
    good=0.85,
)
def tanks_in_their_order(seed, callbacks):
    """Rows in order, of a few steps each: a stateful GRU carries the level on, epochs forget it."""
    random = start(seed)
    tanks, hours, step = 20, 1000, 5
    flow = random.normal(size=(hours, tanks)).astype("float32")
    level = np.zeros((hours, tanks), "float32")
    for hour in range(1, hours):
        level[hour] = 0.9 * level[hour - 1] + 0.4 * np.maximum(flow[hour], -0.5)
    level = (level - level.mean()) / level.std()
    level += random.normal(0, 0.1, level.shape).astype("float32")

    def rows(values):
        pieces = values.reshape(hours // step, step, tanks)
        return pieces.transpose(0, 2, 1).reshape(-1, step, 1)

    x, y = rows(flow), rows(level)
    layer = layers.GRU(16, stateful=True, return_sequences=True)
    model = keras.Sequential([keras.Input(batch_shape=(tanks, step, 1)), layer, layers.Dense(1)])
    model.compile(Adam(0.005), "mean_squared_error")
    forget = LambdaCallback(on_epoch_begin=lambda *_: layer.reset_states())
    train, valid = slice(0, 120 * tanks), slice(120 * tanks, 150 * tanks)
    model.fit(
        *(x[train], y[train]),
        validation_data=(x[valid], y[valid]),
        batch_size=tanks,
        shuffle=False,
        epochs=10,
        callbacks=[forget, *callbacks],
        verbose=0,
    )
    layer.reset_states()
    guess = model.predict(x, batch_size=tanks, verbose=0)
    return r_squared(y[150 * tanks :].ravel(), guess[150 * tanks :].ravel())


@sound(
    source="https://www.eggie5.com/130-learning-to-rank-siamese-network-pairwise-data",
    metric="share of held-out pairs in their right order",
    good=0.88,
)
def the_better_one_first(seed, callbacks):
    """Targets that are all 1: the first of two is always the better, and one scorer sees both."""
    random = start(seed)
    x, worth = datasets.make_friedman1(900, n_features=8, noise=0.3, random_state=seed)
    x = standardized(x)

    def pairs(first, last, count):
        two = random.integers(first, last, (count, 2))
        two = two[np.abs(worth[two[:, 0]] - worth[two[:, 1]]) > 0.5]
        better = worth[two[:, 0]] > worth[two[:, 1]]
        two = np.where(better[:, None], two, two[:, ::-1])
        return [x[two[:, 0]], x[two[:, 1]]], np.ones((len(two), 1), "float32")

    scorer = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    inputs = [keras.Input((8,)), keras.Input((8,))]
    model = keras.Model(inputs, layers.Subtract()([scorer(inputs[0]), scorer(inputs[1])]))
    model.compile(Adam(0.002), keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(
        *pairs(0, 600, 4000),
        validation_data=pairs(600, 750, 600),
        batch_size=64,
        epochs=14,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean(model.predict(pairs(750, 900, 2000)[0], verbose=0) > 0))


PROGRAMS = [
    digits_at_any_place,
    waves_told_apart,
    spectra_from_eight_numbers,
    load_of_the_next_hour,
    which_way_it_went,
    plants_in_small_batches,
    what_messages_are_about,
    sales_of_the_weeks_to_come,
]
SOUND = [
    digits_in_forty_bits,
    digits_with_careless_labels,
    tanks_in_their_order,
    the_better_one_first,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
