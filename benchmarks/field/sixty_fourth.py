"""Twelve more field programs, on mistakes that raise no error, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.sixty_fourth
    python benchmarks/diagnosis.py --programs sixty_fourth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import LambdaCallback
from keras.optimizers import Adam
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

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


class MeanOfWords(layers.Layer):
    """Mean of the vectors of a text's words, without those of the padding."""

    def __init__(self, count_type):
        super().__init__()
        self.count_type = count_type

    def call(self, inputs):
        """Mean (N, units) of vectors (N, words, units), for word numbers (N, words)."""
        vectors, words = inputs
        known = tf.not_equal(words, 0)
        lengths = tf.reduce_sum(tf.cast(known, self.count_type), axis=1, keepdims=True)
        total = tf.reduce_sum(vectors * tf.cast(known, vectors.dtype)[..., None], axis=1)
        return total / tf.cast(lengths, vectors.dtype)


@case(
    source="https://github.com/tensorflow/addons/pull/1733",
    cause="words are counted as int8: texts of more than 127 words get a negative length",
    causes="layers data",
    evidence=r"int8|overflow|wrap(s|ped)? (a)?round|\b12[78]\b|"
    r"negative[\s\S]{0,30}(length|count|number of words)|"
    r"\blong(er|est)?\b[\s\S]{0,20}(text|row|sequence|sentence|document|review|input|sample)|"
    r"(length|padding|padded|mask|real steps|nonzero)\w*[\s\S]{0,100}(error|wrong|loss|worse|"
    r"sign|scale|flip|negat|accura|differ)|(error|wrong|loss|worse|accura)\w*[\s\S]{0,80}"
    r"(\blength|\blong(er)? )|MeanOfWords|"
    r"(own|custom|hand\w*)[\s\S]{0,30}layer[\s\S]{0,120}(output|sign|scale|size|values?|rang|"
    r"dtype|type|count|length|mean)",
    repair={"count_type": "int32"},
    advice={
        r"int32|int64|\bdtype|\bint8|overflow|count_type|\bcast|GlobalAveragePooling|"
        r"(check|look at|replace|correct|repair|test).{0,40}(own|custom|MeanOfWords).{0,20}layer|"
        r"MeanOfWords|(true|right|count).{0,20}lengths?|built-?in": {"count_type": "int32"},
        r"mask_zero|Masking": {},
        r"truncat|shorter|maxlen|max_len|cut.{0,30}(text|row|sequence)": {"longest": 120},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.002},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "glorot_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out reviews",
    good=0.85,
)
def reviews_of_many_words(
    seed,
    callbacks,
    count_type="int8",
    longest=250,
    epochs=8,
    units=16,
    learning_rate=0.01,
    dropout=0.0,
    initializer="uniform",
):
    """Tell good reviews from bad ones by the mean of their words: hardly better than a coin."""
    random = start(seed)
    rows, words = 2600, 1500
    y = random.integers(0, 2, rows)
    often = 1 / np.arange(1, words - 160)
    x = np.zeros((rows, 250), "int32")
    for row, length in enumerate(random.integers(25, 251, rows)):
        text = 1 + random.choice(len(often), length, p=often / often.sum())
        mood = np.where(random.random(length) < 0.72, y[row], 1 - y[row])
        telling = random.random(length) < 0.15
        text[telling] = (words - 160 + 80 * mood + random.integers(0, 80, length))[telling]
        x[row, :length] = text
    x, y = x[:, :longest], y.astype("float32")

    inputs = keras.Input((longest,), dtype="int32")
    vectors = layers.Embedding(words, units, embeddings_initializer=initializer)(inputs)
    text = MeanOfWords(count_type)([vectors, inputs])
    text = layers.Dropout(dropout)(text)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(text))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:2000], y[1600:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[2000:], verbose=0)[:, 0] > 0.5) == y[2000:]))


@case(
    source="https://github.com/jfzhang95/pytorch-video-recognition/issues/30",
    cause="files are read in the order of their names, 10 before 2: hours do not follow each other",
    causes="data preprocessing",
    evidence=r"\border\b|\bsort|lexicograph|alphabet|chronolog|scrambl|consecutive|"
    r"(hour|step|time|value|window|row|frame|neighbou?r)s?[\s\S]{0,80}(jump|break|gap|shuffl|"
    r"mixed|follow|discontinu|irregular|interrupt|contiguous|not continue)|"
    r"(jump|break|gap|discontinu)\w*[\s\S]{0,60}(series|window|time|step|hour)|"
    r"(time|temporal|sequence)\w*[\s\S]{0,40}(shuffl|mixed|structure|permut)",
    repair={"by_number": True},
    advice={
        r"sort|\border|natural|chronolog|zero.?pad|by (number|time|hour|date)|time ?stamp|"
        r"consecutive|contiguous|\bint\(": {"by_number": True},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the hour after a later window",
    good=0.6,
)
def one_file_per_hour(
    seed,
    callbacks,
    by_number=False,
    epochs=10,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the next hour of a plant from files of one hour each: useless in the weeks after."""
    random = start(seed)
    hours, length = 5400, 48
    load = random.normal(size=hours)
    for hour in range(24, hours):
        load[hour] = 0.95 * load[hour - 24] + 0.31 * random.normal()
    load = standardized(load[:, None])[:, 0]
    folder = {f"load_{hour}.csv": load[hour] for hour in range(4800)}
    by_hour = sorted(folder, key=lambda name: int(name[5:-4]))
    names = by_hour if by_number else sorted(folder)
    series = np.array([folder[name] for name in names], "float32")

    def windows(values):
        parts = np.lib.stride_tricks.sliding_window_view(values, length + 1)
        return parts[:, :-1], parts[:, -1]

    model = keras.Sequential(
        [
            keras.Input((length,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *windows(series[:4000]),
        validation_data=windows(series[4000:]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    x_later, y_later = windows(load[4800:])
    return r_squared(y_later, model.predict(x_later, verbose=0)[:, 0])


class ImageBatches(keras.utils.PyDataset):
    """Batches of images and their classes."""

    def __init__(self, images, classes, batch_size, axis):
        super().__init__()
        self.images, self.classes = images, classes
        self.batch_size, self.axis = batch_size, axis

    def __len__(self):
        return int(np.floor(self.images.shape[self.axis] / self.batch_size))

    def __getitem__(self, batch):
        rows = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        return self.images[rows], self.classes[rows]


@case(
    source="https://github.com/CosmiQ/CosmiQ_SN4_Baseline/issues/6",
    cause="the generator's length divides the height of the images: an epoch is three batches",
    causes="data",
    evidence=r"(only|just|merely|\bfew|small|tiny|little|same|fraction|part)\b[\s\S]{0,60}(row|"
    r"sample|example|image|batch|step|update|data)|(row|sample|example|image|batch|step|update)"
    r"(es|s)?[\s\S]{0,30}(per|an|each|every|in an|in one) epoch|__len__|"
    r"\blen(gth)?\b[\s\S]{0,60}(generator|data ?set|sequence|batch)|"
    r"(generator|data ?set|PyDataset|sequence)[\s\S]{0,80}(few|only|length|\d+ (row|batch|image))|"
    r"\b(24|3) (training )?(row|sample|example|image|batch|step|update)|memori[sz]|by heart",
    repair={"axis": 0},
    advice={
        r"__len__|\blen\b|length|shape\[0\]|steps_per_epoch|(all|whole|entire|every).{0,40}(row|"
        r"data|image|batch|sample)|more (training )?(data|rows|images|samples|examples|batches)|"
        r"generator|data ?set|PyDataset|fit\(x": {"axis": 0},
        r"batch_size|batch size|smaller batch": {"batch_size": 2},
        "longer": {"epochs": 60},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
        "softmax": {},
    },
    metric="accuracy on held-out images",
    good=0.9,
)
def images_from_a_generator(
    seed,
    callbacks,
    axis=1,
    batch_size=8,
    epochs=6,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell digits on larger images, a thousand of them: epochs are fast and the end is poor."""
    start(seed)
    x, y = digits(seed)
    x = x.repeat(3, axis=1).repeat(3, axis=2)
    x_test, y_test = x[1300:], y[1300:]

    model = keras.Sequential([keras.Input((24, 24, 1))])
    for filters in (units // 2, units, units):
        model.add(
            layers.Conv2D(
                *(filters, 3),
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer=initializer,
            )
        )
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        ImageBatches(x[:1100], y[:1100], batch_size, axis),
        validation_data=ImageBatches(x[1100:1300], y[1100:1300], batch_size, axis),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test, y_test)


def mean_of_category(categories, y, count):
    """Mean target (count,) of each category; the mean of all for those without a row."""
    rows = np.bincount(categories, minlength=count)
    sums = np.bincount(categories, y, minlength=count)
    return np.where(rows > 0, sums / np.maximum(rows, 1), y.mean())


def encoded_in_folds(categories, y, count, folds=5):
    """Mean target of each row's category, taken from the rows of the other folds."""
    column = np.zeros(len(y))
    for fold in range(folds):
        inside = np.arange(len(y)) % folds == fold
        means = mean_of_category(categories[~inside], y[~inside], count)
        column[inside] = means[categories[inside]]
    return column


@case(
    source="https://github.com/jeongyoonlee/Kaggler/issues/35",
    cause="a shop is encoded by the mean target of its few rows, the row's own among them",
    causes="data preprocessing",
    evidence=r"leak|target.?encod|mean.?encod|encod[\s\S]{0,60}(target|label|answer)|"
    r"(column|feature|input)s?\b[\s\S]{0,160}(target|label|answer|\by\b)[\s\S]{0,160}(validation|"
    r"held-out|not (hold|carry)|differ|gone|vanish|lost|unseen|other rows)|"
    r"(column|feature|input)s?\b[\s\S]{0,60}(contain|hold|carr|deriv|comput|made|built|copy|know)"
    r"\w*[\s\S]{0,40}(target|label|answer)|"
    r"(correlat|relat|depend|explain|predict|tell)\w*[\s\S]{0,100}(only|much (more|better|less)|"
    r"not|weaker|stronger|less)[\s\S]{0,60}(training|validation|held-out)",
    repair={"in_folds": True},
    advice={
        r"fold|leave.?one|cross.?fit|own (row|target|label)|leak|target.?encod|mean.?encod|"
        r"smooth|other rows|without the (row|target)|cross.?validat": {"in_folds": True},
        r"(drop|remove|leave out|without|exclude).{0,40}(column|feature|input)|embedding": {
            "with_shop": False
        },
        r"early.?stop|best epoch|fewer epochs": {"epochs": 5},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out sales",
    good=0.45,
)
def sales_of_many_shops(
    seed,
    callbacks,
    in_folds=False,
    with_shop=True,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell sales from an offer and its shop, one of 2000: fine in training, poor elsewhere."""
    random = start(seed)
    rows, shops = 4000, 2000
    x = random.normal(size=(rows, 6)).astype("float32")
    shop = random.integers(0, shops, rows)
    y = x[:, 0] + 0.8 * x[:, 1] * x[:, 2] - 0.7 * np.abs(x[:, 3])
    y = y + 0.4 * random.normal(size=shops)[shop] + 1.0 * random.normal(size=rows)
    y = standardized(y)
    train, valid, test = slice(0, 2400), slice(2400, 3000), slice(3000, rows)

    column = mean_of_category(shop[train], y[train], shops)[shop]
    if in_folds:
        column[train] = encoded_in_folds(shop[train], y[train], shops)
    if with_shop:
        x = np.concatenate([x, column[:, None].astype("float32")], axis=1)

    model = keras.Sequential([keras.Input((x.shape[1],))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[train], y[train]),
        validation_data=(x[valid], y[valid]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[test], model.predict(x[test], verbose=0)[:, 0])


class Painter(keras.Model):
    """A variational autoencoder of small images, whose KL term is faded in."""

    def __init__(self, units, codes, variable, initializer):
        super().__init__()
        dense = {"activation": "relu", "kernel_initializer": initializer}
        self.encoder = keras.Sequential(
            [layers.Dense(units, **dense), layers.Dense(units, **dense), layers.Dense(2 * codes)]
        )
        self.decoder = keras.Sequential(
            [
                layers.Dense(units, **dense),
                layers.Dense(units, **dense),
                layers.Dense(64, activation="sigmoid"),
            ]
        )
        self.codes = codes
        self.kl_weight = keras.Variable(0.0, trainable=False) if variable else 0.0
        self.means = {name: keras.metrics.Mean(name) for name in ("loss", "pixels", "kl")}

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return list(self.means.values())

    def set_kl_weight(self, weight):
        """Let the KL term count this much from now on."""
        if isinstance(self.kl_weight, keras.Variable):
            self.kl_weight.assign(weight)
        else:
            self.kl_weight = weight

    def call(self, x, training=False):
        """Give the pixels, and the mean and logarithmic variance of the codes."""
        center, log_variance = ops.split(self.encoder(x), 2, axis=-1)
        noise = tf.random.normal(tf.shape(center))
        return self.decoder(center + ops.exp(log_variance / 2) * noise), center, log_variance

    def losses_of(self, x):
        """Return loss, error of the pixels and KL divergence."""
        image, center, log_variance = self(x)
        pixels = ops.mean(ops.sum(ops.square(x - image), axis=-1)) / (2 * 0.05)
        kl = -0.5 * (1 + log_variance - ops.square(center) - ops.exp(log_variance))
        kl = ops.mean(ops.sum(kl, axis=-1))
        return pixels + self.kl_weight * kl, pixels, kl

    def tell(self, losses):
        """Update the means and return them."""
        for mean, value in zip(self.means.values(), losses, strict=True):
            mean.update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}

    def train_step(self, x):
        """Take one step."""
        with tf.GradientTape() as tape:
            losses = self.losses_of(x)
        gradients = tape.gradient(losses[0], self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.tell(losses)

    def test_step(self, x):
        """Tell the losses."""
        return self.tell(self.losses_of(x))


@case(
    source="https://github.com/keras-team/keras/issues/13826",
    cause="the KL term's weight is a number of Python: the traced step keeps its first value, 0",
    causes="loss regularization",
    evidence=r"\bKL\b|kl_weight|kullback|\bprior\b|anneal|\bwarm.?up|faded? in|\bbeta\b|"
    r"(weight|coefficient|factor)[\s\S]{0,60}(stay|remain|is|stuck|constant|kept)[\s\S]{0,20}"
    r"(\b0\b|zero|constant|first|initial)|python (number|float|attribute|variable)|traced?\b|"
    r"tracing|tf\.function|compiled (function|graph|step)|"
    r"\b(latent|code)s?\b[\s\S]{0,80}(spread|variance|deviation|norm|standard|far|large|wide|"
    r"unit|distribut|regulari)",
    repair={"variable": True},
    advice={
        r"variable|assign|anneal|kl_weight|\bKL\b|kullback|beta|warm.?up|run_eagerly|retrace|"
        r"recompile|compile again|traced?\b|tracing|tf\.function|prior|"
        r"latent.{0,40}(regulari|normal|penal)": {"variable": True},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "squared": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="1 - distance of the covariances of painted and real images",
    good=0.42,
)
def digits_to_be_painted(
    seed,
    callbacks,
    variable=False,
    epochs=24,
    units=96,
    learning_rate=0.003,
    initializer="glorot_uniform",
):
    """Paint digits from noise, by a VAE whose KL term fades in: copies are sharp, paintings not."""
    start(seed)
    x = digits(seed)[0].reshape(-1, 64)
    codes = 8
    model = Painter(units, codes, variable, initializer)
    model.compile(Adam(learning_rate))

    def fade_in(epoch, logs=None):
        model.set_kl_weight(min(1.0, epoch / 6))

    model.fit(
        x[:1400],
        validation_data=(x[1400:],),
        batch_size=64,
        epochs=epochs,
        callbacks=[LambdaCallback(on_epoch_begin=fade_in), *callbacks],
        verbose=0,
    )
    noise = np.random.default_rng(seed).normal(size=(2000, codes)).astype("float32")
    painted = np.cov(model.decoder.predict(noise, verbose=0).T)
    real = np.cov(x[1400:].T)
    return 1 - float(np.linalg.norm(painted - real) / np.linalg.norm(real))


class TwoAnswers(keras.Model):
    """An encoder with two heads, for the digit and for the lamp, trained by a step of its own."""

    def __init__(self, units, whole, dropout, initializer):
        super().__init__()
        conv = {"activation": "relu", "padding": "same", "kernel_initializer": initializer}
        self.encoder = keras.Sequential(
            [
                layers.Conv2D(units, 3, strides=2, **conv),
                layers.Conv2D(units, 3, strides=2, **conv),
                layers.Flatten(),
                layers.Dense(8, activation="relu", kernel_initializer=initializer),
                layers.Dropout(dropout),
            ]
        )
        self.digit = keras.Sequential(
            [layers.Dense(24, activation="relu"), layers.Dense(10, activation="softmax")]
        )
        self.lamp = keras.Sequential([layers.Dense(24, activation="relu"), layers.Dense(1)])
        self.whole = whole
        self.means = {name: keras.metrics.Mean(name) for name in ("loss", "digit", "lamp")}

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return list(self.means.values())

    def call(self, x, training=False):
        """Give both answers."""
        seen = self.encoder(x, training=training)
        return self.digit(seen), self.lamp(seen)

    def losses_of(self, data, training):
        """Return the sum of the losses, and each."""
        x, (digit, lamp) = data
        digit_guess, lamp_guess = self(x, training=training)
        cross = keras.losses.sparse_categorical_crossentropy(digit, digit_guess)
        digit_loss = tf.reduce_mean(cross)
        lamp_loss = tf.reduce_mean(tf.square(tf.reshape(lamp, (-1, 1)) - lamp_guess))
        return digit_loss + lamp_loss, digit_loss, lamp_loss

    def tell(self, losses):
        """Update the means and return them."""
        for mean, value in zip(self.means.values(), losses, strict=True):
            mean.update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}

    def train_step(self, data):
        """Take one step."""
        with tf.GradientTape() as tape:
            losses = self.losses_of(data, training=True)
        variables = self.digit.trainable_variables + self.lamp.trainable_variables
        if self.whole:
            variables = self.encoder.trainable_variables + variables
        gradients = tape.gradient(losses[0], variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self.tell(losses)

    def test_step(self, data):
        """Tell the losses."""
        return self.tell(self.losses_of(data, training=False))


@case(
    source="https://github.com/soumik12345/tf2_gans/issues/14",
    cause="the own training step updates both heads, and the encoder's variables never",
    causes="layers optimizer",
    evidence=r"encoder[\s\S]{0,100}(updat|chang|\bmov|train|frozen|random|same|initial|learn|"
    r"gradient)|\bnot (longer )?(updat|chang|mov)\w*|never[\s\S]{0,20}(updat|chang|\bmov|"
    r"trained|differ)|(un|not )(chang|updat|train|mov)ed|frozen|"
    r"(weight|variable|layer|kernel|conv\w*)s?[\s\S]{0,100}(did not|do not|does not|don't|same as|"
    r"initial|random|first values|exactly|stay(s|ed)?)|"
    r"trainable_(variables|weights)|apply_gradients|no gradient",
    repair={"whole": True},
    advice={
        r"trainable_(variables|weights)|all (the )?(variables|weights|layers)|unfreez|frozen|"
        r"trainable ?= ?True|apply_gradients|train_step|training step|updat\w* (all|every|the)|"
        r"(train|updat|includ|pass|add)\w* .{0,40}encoder|"
        r"encoder.{0,40}(train|updat|gradient|variables|weights)|"
        r"optimizer.{0,40}(variables|weights)": {"whole": True},
        "longer": {"epochs": 40},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
        "softmax": {},
    },
    metric="mean of the digit's accuracy and the lamp's R², held out",
    good=0.85,
)
def digits_under_a_lamp(
    seed,
    callbacks,
    whole=False,
    epochs=12,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell a digit and how bright its lamp is, by a step of my own: both are told half."""
    random = start(seed)
    x, digit = digits(seed)
    lamp = random.uniform(0.4, 1.6, len(x)).astype("float32")
    x = lamp[:, None, None, None] * (x + 0.3) + random.normal(0, 0.05, x.shape)
    x, lamp = x.astype("float32"), standardized(lamp[:, None])[:, 0]

    model = TwoAnswers(units, whole, dropout, initializer)
    model.compile(Adam(learning_rate))
    model.fit(
        *(x[:1200], (digit[:1200], lamp[:1200])),
        validation_data=(x[1200:1400], (digit[1200:1400], lamp[1200:1400])),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    digit_guess, lamp_guess = model.predict(x[1400:], verbose=0)
    right = np.mean(digit_guess.argmax(axis=1) == digit[1400:])
    return (float(right) + r_squared(lamp[1400:], lamp_guess[:, 0])) / 2


def to_unit_range(waves, axis=None):
    """Waves between 0 and 1."""
    low, high = (part(waves, axis=axis, keepdims=True) for part in (np.min, np.max))
    return ((waves - low) / (high - low)).astype("float32")


@case(
    source="https://github.com/soroushmehr/sampleRNN_ICLR2017/issues/24",
    cause="every wave is scaled by its own smallest and largest value: how loud it was is lost",
    causes="preprocessing data",
    evidence=r"(each|every|per|its|their|own|single)\b[\s\S]{0,40}(row|sample|window|wave|series|"
    r"sequence|example|input)s?[\s\S]{0,100}(scal|normali|\bmin|\bmax|range|same|standardi)|"
    r"(row|sample|window|wave|series|sequence|input)s?[\s\S]{0,80}(own|same|equal|identical|"
    r"exactly)[\s\S]{0,40}(min|max|scale|range|mean|deviation|amplitude|0 (to|and) 1)|"
    r"(per|by)[- ](row|sample|window|wave|series|sequence|example)|amplitude|loud|"
    r"(level|size|magnitude|scale)[\s\S]{0,60}(lost|gone|remov|missing|destroy|normali)|"
    r"(inputs?|\bx\b)[\s\S]{0,60}(tells? (little|nothing)|no information|(little|nothing) "
    r"(about|of) the target)",
    repair={"each": False},
    advice={
        r"^(standardize|normalize) (the )?(inputs|columns|data)(?!.*(row|wave|whole|entire))": {},
        r"(whole|entire|global|common|one|same).{0,30}(scale|minimum|maximum|range|\bmin|\bmax|mean|"
        r"deviation|factor)|(scal|normali|standardi|\bmin|\bmax|range|deviation)\w*.{0,60}(whole|"
        r"entire|training (set|data|rows)|all (the )?(rows|waves|data))|amplitude|loud|level|"
        r"own (min|max|scale|range)|(each|every|per|by)[- ](row|sample|window|wave|series)|"
        r"without.{0,30}(scaling|normaliz)|raw (wave|value|signal|data)": {"each": False},
        "longer": {"epochs": 40},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out waves",
    good=0.8,
)
def wear_that_is_heard(
    seed,
    callbacks,
    each=True,
    epochs=12,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell a bearing's wear from its sound: the error does not get small, in training either."""
    random = start(seed)
    rows, steps = 1800, 64
    wear = random.uniform(0, 1, rows)
    loud = 0.15 + wear * random.uniform(0.9, 1.1, rows)
    pitch = random.uniform(0.25, 0.6, rows) + 0.1 * wear
    phase = random.uniform(0, 2 * np.pi, rows)
    waves = np.sin(pitch[:, None] * np.arange(steps) + phase[:, None])
    waves = loud[:, None] * (waves + random.normal(0, 0.3, (rows, steps)))
    x = to_unit_range(waves, axis=1 if each else None)[..., None]
    y = standardized(wear[:, None])

    model = keras.Sequential([keras.Input((steps, 1))])
    for _ in range(2):
        model.add(layers.Conv1D(units, 5, activation="relu", kernel_initializer=initializer))
        model.add(layers.MaxPooling1D(2))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dense(2 * units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1500], y[1200:1500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1500:, 0], model.predict(x[1500:], verbose=0)[:, 0])


@case(
    source="https://github.com/benfred/implicit/pull/747",
    cause="negatives are drawn below the number of factors: of the first 24 films of 300 only",
    causes="data labels",
    evidence=r"negativ\w*[\s\S]{0,120}(only|never|first|few|drawn|sampl|films?|items?|below|under|"
    r"column|input|number|share)|(item|film|\bids?\b|index|input|column|categor|embedd)\w*"
    r"[\s\S]{0,140}(alone|decides?|determin|separat|always|never|only (one|posit|negat)|"
    r"single (class|label)|one (class|label)|small(er)? numbers|leak)|"
    r"\b(tells?|gives? away|predicts?)\b[\s\S]{0,30}(label|target)|"
    r"negative sampling|sampled negatives|popularity|shortcut|"
    r"(never|no|without|not)[\s\S]{0,40}(negative|zero|label 0)",
    repair={"axis": 0},
    advice={
        r"negativ|sampl\w* (from|among|of) all|all (the )?(films|items)|shape\[0\]|shortcut|"
        r"uniformly|(every|each) (film|item)|\bdraw|leak": {"axis": 0},
        r"(drop|remove|leave out|without).{0,40}(column|bias|input|feature|id)": {"trained": False},
        "longer": {"epochs": 24},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "glorot_normal"},
        "binary": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="area under the ROC curve of liked films among all",
    good=0.8,
)
def films_that_are_liked(
    seed,
    callbacks,
    axis=1,
    trained=True,
    epochs=8,
    units=8,
    learning_rate=0.005,
    dropout=0.0,
    initializer="uniform",
):
    """Recommend films by likes and drawn dislikes: 0.93 in validation, and lists of no use."""
    random = start(seed)
    viewers, films = 400, 300
    taste = random.normal(size=(viewers, 4))
    kind = random.normal(size=(films, 4))
    described = (kind @ random.normal(size=(4, 24)) + random.normal(size=(films, 24))).astype(
        "float32"
    )
    appeal = taste @ kind.T + random.normal(0, 0.7, (viewers, films))
    likes = appeal > np.quantile(appeal, 0.9, axis=1, keepdims=True)
    viewer, film = np.nonzero(likes)
    order = random.permutation(len(viewer))
    viewer, film = viewer[order], film[order]
    test = slice(9500, None)

    def with_dislikes(rows):
        others = random.integers(0, described.shape[axis], len(viewer[rows]))
        who = np.concatenate([viewer[rows], viewer[rows]])
        what = np.concatenate([film[rows], others])
        label = np.repeat([1.0, 0.0], len(others)).astype("float32")
        mixed = random.permutation(len(label))
        return (who[mixed], what[mixed]), label[mixed]

    who, what = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
    pair = [
        layers.Embedding(viewers, units, embeddings_initializer=initializer)(who),
        layers.Embedding(films, 24, weights=[described], trainable=trained)(what),
    ]
    seen = layers.Dense(4 * units, activation="relu")(layers.Concatenate()(pair))
    seen = layers.Dense(4 * units, activation="relu")(layers.Dropout(dropout)(seen))
    model = keras.Model([who, what], layers.Dense(1, activation="sigmoid")(seen))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *with_dislikes(slice(0, 8500)),
        validation_data=with_dislikes(slice(8500, 9500)),
        batch_size=128,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    unknown = np.argwhere(~likes)
    unknown = unknown[random.choice(len(unknown), 5000, replace=False)]
    who = np.concatenate([viewer[test], unknown[:, 0]])
    what = np.concatenate([film[test], unknown[:, 1]])
    is_liked = np.arange(len(who)) < len(viewer[test])
    return float(roc_auc_score(is_liked, model.predict((who, what), verbose=0)[:, 0]))


class Cooling(keras.Model):
    """Answers whose loss is how far they are from obeying an equation."""

    def __init__(self):
        super().__init__()
        self.hidden = [layers.Dense(32, activation="tanh") for _ in range(2)]
        self.out = layers.Dense(1)

    def call(self, x):
        """Temperature (N, 1) at (time, rate), 1 at time 0."""
        seen = x
        for layer in self.hidden:
            seen = layer(seen)
        return 1 + x[:, :1] * self.out(seen)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Square what is left of dT/dt + rate · T - 0.3 · rate."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            heat = self(x)
        slope = tape.gradient(heat, x)[:, :1]
        return tf.reduce_mean(tf.square(slope + x[:, 1:] * (heat - 0.3) - y))


@sound(
    source="https://arxiv.org/abs/1711.10561",
    metric="R² of the temperature, as the equation's solution gives it",
    good=0.95,
)
def cooling_without_a_measurement(seed, callbacks):
    """All targets are 0: what is left of a differential equation is to vanish."""
    random = start(seed)
    x = random.uniform([0, 0.5], [2, 2], (2600, 2)).astype("float32")
    y = np.zeros((2600, 1), "float32")
    model = Cooling()
    model.compile(Adam(0.003))
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2200], y[1800:2200]),
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    time, rate = x[2200:].T
    return r_squared(0.3 + 0.7 * np.exp(-rate * time), model.predict(x[2200:], verbose=0)[:, 0])


def spread_loss(y, answer):
    """Negative log-likelihood of two targets: answers are two means and two log-variances."""
    center, log_variance = ops.split(answer, 2, axis=-1)
    return ops.mean(ops.exp(-log_variance) * ops.square(y - center) + log_variance, axis=-1)


@sound(
    source="https://arxiv.org/abs/1705.07115",
    metric="R² of the more exact target on held-out mixtures",
    good=0.9,
)
def two_properties_of_a_mixture(seed, callbacks):
    """Weigh two errors, each by its own noise: a loss below 0, four outputs for two targets."""
    random = start(seed)
    x = random.dirichlet(np.ones(5), 3000).astype("float32")
    exact = x[:, 0] * x[:, 1] - 0.5 * x[:, 2] ** 2 + 0.3 * x[:, 3]
    rough = 4 * x[:, 3] - 3 * x[:, 4]
    y = np.stack([exact + random.normal(0, 0.01, 3000), rough + random.normal(0, 1, 3000)], axis=1)
    y = y.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(4),
        ]
    )
    model.compile(Adam(0.002), spread_loss)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=22,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(exact[2400:], model.predict(x[2400:], verbose=0)[:, 0])


@sound(
    source="https://www.tensorflow.org/api_docs/python/tf/data/Dataset#sample_from_datasets",
    metric="balanced accuracy on held-out payments",
    good=0.85,
)
def payments_drawn_evenly(seed, callbacks):
    """Half of the training is fraud, 4 % of the validation: rare rows are drawn again and again."""
    random = start(seed)
    x = random.normal(size=(9000, 8)).astype("float32")
    sign = x[:, 0] + x[:, 1] * x[:, 2] + 0.8 * np.abs(x[:, 3]) + random.normal(0, 0.3, 9000)
    y = (sign > np.quantile(sign, 0.96)).astype("float32")

    def endless(rows):
        return tf.data.Dataset.from_tensor_slices((x[rows], y[rows])).shuffle(6000).repeat()

    rare, common = (np.flatnonzero(y[:6000] == label) for label in (1, 0))
    even = tf.data.Dataset.sample_from_datasets([endless(rare), endless(common)], [0.5, 0.5])
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        even.batch(64),
        steps_per_epoch=60,
        validation_data=(x[6000:7000], y[6000:7000]),
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[7000:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[7000:], guess))


class Halves(keras.Model):
    """Two towers: the halves of an image are to find each other among those of their batch."""

    def __init__(self):
        super().__init__()
        self.towers = [
            keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(16)])
            for _ in range(2)
        ]

    def call(self, halves):
        """Likeness (N, N) of every upper half to every lower half of the batch."""
        upper, lower = (tower(half) for tower, half in zip(self.towers, halves, strict=True))
        upper, lower = (part / ops.norm(part, axis=1, keepdims=True) for part in (upper, lower))
        return 8.0 * ops.matmul(upper, ops.transpose(lower))


def its_own_row(y, likeness):
    """Cross-entropy of the diagonal, row by row and column by column; y is not looked at."""
    here = ops.arange(ops.shape(likeness)[0])
    loss = keras.losses.sparse_categorical_crossentropy
    rows = loss(here, likeness, from_logits=True)
    return (rows + loss(here, ops.transpose(likeness), from_logits=True)) / 2


@sound(
    source="https://arxiv.org/abs/2103.00020",
    metric="area under the ROC curve of true pairs of halves among false ones",
    good=0.9,
)
def halves_that_belong_together(seed, callbacks):
    """Each batch is its own set of classes: outputs depend on it, and the targets say nothing."""
    random = start(seed)
    images = digits(seed)[0].reshape(-1, 64)
    halves = images[:, :32], images[:, 32:]
    y = np.zeros(len(images), "float32")
    model = Halves()
    model.compile(Adam(0.002), its_own_row)

    def some(rows):
        return tuple(half[rows] for half in halves), y[rows]

    model.fit(
        *some(slice(0, 1280)),
        validation_data=some(slice(1280, 1536)),
        batch_size=64,
        epochs=18,
        callbacks=callbacks,
        verbose=0,
    )
    rows = 1536 + random.permutation(200)
    likeness = np.array(model(tuple(half[rows] for half in halves)))
    return float(roc_auc_score(np.eye(200).ravel(), likeness.ravel()))


PROGRAMS = [
    reviews_of_many_words,
    one_file_per_hour,
    images_from_a_generator,
    sales_of_many_shops,
    digits_to_be_painted,
    digits_under_a_lamp,
    wear_that_is_heard,
    films_that_are_liked,
]
SOUND = [
    cooling_without_a_measurement,
    two_properties_of_a_mixture,
    payments_drawn_evenly,
    halves_that_belong_together,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
