"""Thirteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirteenth
    python benchmarks/diagnosis.py --programs thirteenth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops, regularizers
from keras.callbacks import EarlyStopping, ReduceLROnPlateau
from keras.optimizers import Adam
from keras.optimizers.schedules import ExponentialDecay
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

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


@case(
    source="https://github.com/keras-team/keras/issues/741",
    cause="a film has several genres, and softmax shares one probability out among them",
    causes="activation loss",
    evidence=r"multi.?label|several (labels|classes|ones|targets)|more than one|softmax|"
    r"(targets?|labels?|rows?)\b[\s\S]{0,80}sum|sum to (1|one)",
    repair={"activation": "sigmoid", "loss": "binary_crossentropy"},
    advice={
        r"sigmoid[\s\S]*binary|binary[\s\S]*sigmoid": {
            "activation": "sigmoid",
            "loss": "binary_crossentropy",
        },
        "sigmoid": {"activation": "sigmoid"},
        r"binary": {"loss": "binary_crossentropy"},
        r"class_weight|sample_weight": {},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="F1 over the genres of held-out films",
    good=0.8,
)
def film_genres(
    seed,
    callbacks,
    activation="softmax",
    loss="categorical_crossentropy",
    epochs=20,
    units=64,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Give films their genres after the words of their plots: most genres are missed."""
    random = start(seed)
    genres = (random.random((2400, 7)) < 0.3).astype("float32")
    genres[np.arange(2400), random.integers(0, 7, 2400)] = 1
    leaning = random.gamma(0.25, 0.3, (7, 200))
    x = random.poisson(0.05 + genres @ leaning).clip(0, 4).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((200,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(7, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1700], genres[:1700]),
        validation_data=(x[1700:2000], genres[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return f1_score(genres[2000:], model.predict(x[2000:], verbose=0) > 0.5, average="micro")


@case(
    source="https://github.com/IcedDoggie/Micro-Expression-with-Deep-Learning/issues/7",
    cause="reshaped, not transposed: every picture is put together from the pixels of all of them",
    causes="preprocessing data",
    evidence=r"reshap|transpos|scrambl|mixed|shuffled|neighbou?r|channels?.?(first|last)|"
    r"(inputs?|images?|\bx\b)[\s\S]{0,100}(belong|match|unrelated|nothing|relation|aligned)|"
    r"(labels?|targets?|\by\b)[\s\S]{0,100}(belong|match|unrelated|nothing|relation|aligned)|"
    r"(order|axes|axis|layout)[\s\S]{0,80}(pixel|image|picture|input|channel)|"
    r"(pixel|image|picture|input|channel)[\s\S]{0,80}\b(order|axes|axis|layout|smooth)",
    repair={"transposed": True},
    advice={
        r"transpos|moveaxis|reshap|channels?.?(first|last)|axes|axis|layout": {"transposed": True},
        r"(image|picture|input)s?[\s\S]{0,100}(look|check|plot|show|order)": {"transposed": True},
        r"(look|check|plot|show)[\s\S]{0,100}(image|picture|input)": {"transposed": True},
        r"belong|aligned|same order|match[\s\S]{0,60}(label|target)": {"transposed": True},
        "longer": {"epochs": 30},
        "wider": {"filters": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out signs",
    good=0.85,
)
def road_signs(
    seed,
    callbacks,
    transposed=False,
    epochs=9,
    filters=16,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Tell eight road signs apart, from a file whose last axis counts them: pure luck."""
    random = start(seed)
    y = random.integers(0, 8, 1300)
    rows, columns = np.mgrid[:20, :20]
    pictures = random.uniform(0, 0.5, (1300, 1, 1, 3)) + random.normal(0, 0.05, (1300, 20, 20, 3))
    for picture, kind in zip(pictures, y, strict=True):
        row, column = random.integers(6, 14, 2)
        size = random.uniform(3.5, 5.5)
        down, right = np.abs(rows - row), np.abs(columns - column)
        outline = (
            np.maximum(down, right),
            down + right,
            np.hypot(down, right),
            np.maximum(row - rows, (rows - row) / 2 + right),
        )[kind % 4]
        inside = outline < size
        if kind >= 4:
            inside &= outline > size - 2
        picture[inside] += random.uniform(0.3, 0.8, 3)
    stored = pictures.transpose(1, 2, 3, 0).astype("float32")
    x = stored.transpose(3, 0, 1, 2) if transposed else stored.reshape(-1, 20, 20, 3)

    model = keras.Sequential(
        [
            keras.Input((20, 20, 3)),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * filters, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(2 * filters, 3, activation="relu", kernel_initializer=initializer),
            layers.GlobalMaxPooling2D(),
            layers.Dropout(dropout),
            layers.Dense(8, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:900], y[:900]),
        validation_data=(x[900:1050], y[900:1050]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1050:], y[1050:])


def pretrained_on_zero_to_four(seed):
    """Return a classifier of the digits 0 to 4, trained for good."""
    x, y = digits(seed, classes=range(5))
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=8, verbose=0)
    return model


@case(
    source="https://github.com/keras-team/keras/issues/8447",
    cause="the new head stands on the old classes' probabilities: the pretrained top was kept",
    causes="layers activation",
    evidence=r"softmax|include_top|probabilit|pretrained|transfer|frozen|bottleneck|satura|"
    r"(hidden|middle|inner)[\s\S]{0,80}(few|narrow|width|units)|five (units|outputs)|5 (units|out)",
    repair={"include_top": False},
    advice={
        r"include_top|softmax|without (its|the) (top|head|last)|penultimate|"
        r"(remove|drop|cut)[\s\S]{0,60}(top|head|last|output)": {"include_top": False},
        r"unfreeze|trainable *= *True|fine.?tun": {"trainable": True},
        "longer": {"epochs": 80},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
    },
    metric="accuracy on held-out digits",
    good=0.8,
)
def other_digits(
    seed,
    callbacks,
    include_top=True,
    trainable=False,
    epochs=25,
    units=32,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Tell 5 to 9 apart with a network that knows 0 to 4: transfer brings little."""
    start(seed)
    known = pretrained_on_zero_to_four(seed)
    keras.utils.set_random_seed(seed)
    x, y = digits(seed, classes=range(5, 10))
    y = y - 5
    base = known if include_top else keras.Model(known.inputs, known.layers[-2].output)
    base.trainable = trainable

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            base,
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:400], y[:400]),
        validation_data=(x[400:550], y[400:550]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[550:], y[550:])


class VariationalAutoencoder(keras.Model):
    """Squeezes rows into a few normally distributed numbers and gives them back.

    Args:
        encoder: model from rows (N, pixels) to means and log variances (N, 2 * codes).
        decoder: model from codes (N, codes) to rows (N, pixels) of 0 to 1.
        summed: add the squared errors of the pixels up, in place of their mean.
        seed: whole number that decides the draws.

    """

    def __init__(self, encoder, decoder, summed, seed):
        super().__init__()
        self.encoder, self.decoder, self.summed = encoder, decoder, summed
        self.random = keras.random.SeedGenerator(seed)
        self.trackers = [keras.metrics.Mean(name) for name in ("loss", "reconstruction", "kl")]

    @property
    def metrics(self):
        """Means over an epoch, which Keras sets back before the next one."""
        return self.trackers

    def call(self, rows, training=None):
        """Return the rows (N, pixels) as they are decoded from the means of their codes."""
        mean, _ = ops.split(self.encoder(rows, training=training), 2, axis=-1)
        return self.decoder(mean, training=training)

    def losses_of(self, rows, training):
        """Return total loss, squared error and divergence from the normal distribution."""
        mean, log_variance = ops.split(self.encoder(rows, training=training), 2, axis=-1)
        draw = keras.random.normal(ops.shape(mean), seed=self.random)
        decoded = self.decoder(mean + ops.exp(log_variance / 2) * draw, training=training)
        squared = ops.square(rows - decoded)
        squared = 10 * ops.sum(squared, axis=-1) if self.summed else ops.mean(squared, axis=-1)
        divergence = ops.sum(ops.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1) / 2
        squared, divergence = ops.mean(squared), ops.mean(divergence)
        return squared + divergence, squared, divergence

    def told(self, losses):
        """Note the losses of a batch; return the means so far by their names."""
        for tracker, loss in zip(self.trackers, losses, strict=True):
            tracker.update_state(loss)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def train_step(self, rows):
        """Update the weights once."""
        with tf.GradientTape() as tape:
            losses = self.losses_of(rows, training=True)
        weights = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(losses[0], weights), weights, strict=True))
        return self.told(losses)

    def test_step(self, rows):
        """Return the losses."""
        return self.told(self.losses_of(rows, training=False))


@case(
    source="https://github.com/keras-team/keras/pull/3383",
    cause="the error is a mean over pixels, the divergence a sum over codes: the codes go silent",
    causes="loss",
    evidence=r"\bkl\b|diverg|posterior|collapse|"
    r"(term|part|penalt|loss)[\s\S]{0,100}(outweigh|dominat|weigh|balance|scale|sum|mean)|"
    r"(constant|same|ignore)[\s\S]{0,80}(output|predict|input|code|decoder)",
    repair={"summed": True},
    advice={
        r"\bkl\b|diverg|beta|loss.?weights|weigh[\s\S]{0,60}(term|part|loss)|"
        r"(sum|mean)[\s\S]{0,80}(pixel|reconstruct|error|loss)": {"summed": True},
        "longer": {"epochs": 100},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
    },
    metric="share of the pixels' variance that is given back of held-out digits",
    good=0.5,
)
def digits_imagined(
    seed,
    callbacks,
    summed=False,
    epochs=30,
    units=64,
    learning_rate=0.002,
    initializer="glorot_uniform",
    activation="sigmoid",
):
    """Squeeze digits into eight numbers by a variational autoencoder: all come back as a blur."""
    start(seed)
    x = digits(seed)[0].reshape(-1, 64)
    encoder = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(16),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(64, activation=activation),
        ]
    )
    model = VariationalAutoencoder(encoder, decoder, summed, seed)
    model.compile(Adam(learning_rate))
    train = tf.data.Dataset.from_tensor_slices(x[:1300]).shuffle(1300, seed=seed).batch(32)
    validation = tf.data.Dataset.from_tensor_slices(x[1300:1500]).batch(100)
    model.fit(train, validation_data=validation, epochs=epochs, callbacks=callbacks, verbose=0)
    held_out = x[1500:]
    error = np.mean((model.predict(held_out, verbose=0) - held_out) ** 2)
    return float(1 - error / np.mean((held_out - x[:1300].mean(axis=0)) ** 2))


@case(
    source="https://github.com/cjiang2/VDCNN/issues/4",
    cause="decay_steps counts batches, not epochs: within two epochs the rate is next to nothing",
    causes="learning_rate optimizer",
    evidence=r"schedule|decay|learning.rate|\brate\b|(updates?|steps?)\b[\s\S]{0,40}(small|tiny)",
    repair={"decay_steps": 380},
    advice={
        r"decay|schedule": {"decay_steps": 380},
        "longer": {"epochs": 120},
        "wider": {"units": 192},
        "usual": {"schedule": False, "learning_rate": 0.001},
        "slower": {"learning_rate": 3e-4},
        "faster": {"learning_rate": 0.02},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out fields",
    good=0.85,
)
def crops_from_above(
    seed,
    callbacks,
    decay_steps=10,
    schedule=True,
    epochs=30,
    units=48,
    learning_rate=0.002,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Name the crop of a field after ten spectral bands, the rate decays: learning ends at once."""
    random = start(seed)
    x, y = datasets.make_classification(
        2000,
        10,
        n_informative=6,
        n_redundant=2,
        n_classes=5,
        n_clusters_per_class=3,
        class_sep=2.2,
        flip_y=0,
        random_state=seed,
    )
    x = standardized(x) + random.normal(0, 0.02, x.shape).astype("float32")
    rate = ExponentialDecay(learning_rate, decay_steps, 0.5) if schedule else learning_rate

    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1500], y[1200:1500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1500:], y[1500:])


@case(
    source="https://datascience.stackexchange.com/questions/36291/"
    "using-neural-network-regression-for-skewed-data",
    cause="damages span five powers of ten: a few large ones make the whole squared error",
    causes="preprocessing loss data",
    evidence=r"skew|tail|outlier|logarithm|\blog|few (large|extreme|huge|rows|targets)|extreme|"
    r"targets?\b[\s\S]{0,100}(far|large|median|kurtosis|orders|powers)",
    repair={"logarithm": True},
    advice={
        r"\blog|skew|power transform|yeo": {"logarithm": True},
        r"huber": {"loss": "huber"},
        r"absolute_error|\bmae\b": {"loss": "mean_absolute_error"},
        r"clip[\s\S]{0,40}(target|outlier|\by\b)|(target|outlier|\by\b)[\s\S]{0,40}clip": {
            "largest": 2.0
        },
        r"clip": {"clipnorm": 1.0},
        "longer": {"epochs": 150},
        "wider": {"units": 192},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
    },
    metric="R² of the logarithms of held-out damages, estimates of at least ten dollars",
    good=0.75,
)
def storm_damages(
    seed,
    callbacks,
    logarithm=False,
    loss="mean_squared_error",
    largest=np.inf,
    clipnorm=None,
    epochs=40,
    units=48,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Estimate the damage of storms: small claims get absurd, even negative estimates."""
    random = start(seed)
    x = random.normal(size=(1800, 9)).astype("float32")
    wind, age, height, hail = x[:, :4].T
    exponent = 7 + 1.3 * wind + 0.8 * age * (hail > 0) + 0.7 * np.abs(height)
    dollars = np.exp(exponent + random.normal(0, 0.5, 1800)).clip(10)
    y = np.log(dollars) if logarithm else dollars
    mean, deviation = y[:1200].mean(), y[:1200].std()
    y = ((y - mean) / deviation).clip(max=largest).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((9,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate, clipnorm=clipnorm), loss, metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=10, restore_best_weights=True)
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1500], y[1200:1500]),
        epochs=epochs,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[1500:], verbose=0)[:, 0] * deviation + mean
    guess = guess if logarithm else np.log(guess.clip(10))
    return r_squared(np.log(dollars[1500:]), guess)


@case(
    source="https://github.com/keras-team/keras/issues/3328",
    cause="a large network learns 600 letters by heart, wrongly filed ones among them",
    causes="layers data epochs",
    evidence=r"overfit|memori|by heart|generali|gap|validation loss|"
    r"(better|lower|higher)[\s\S]{0,40}(training|validation)|(few|small)[\s\S]{0,40}(rows|data|set)",
    repair={"patience": 4, "dropout": 0.5, "units": 16},
    advice={
        r"EarlyStopping|early stopping|fewer epochs|best epoch|stop": {"patience": 4},
        r"fewer (units|weights|layers)|smaller (model|network|layer)|narrower|less capacity": {
            "units": 8,
            "width": 8,
        },
        r"more (data|rows|examples|texts)|augment": {"rows": 2400},
        r"pooling|average": {"pooled": True},
        r"weight decay|\bL2\b|kernel_regularizer": {"penalty": 0.003},
        "longer": {"epochs": 100},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
    },
    metric="share of the logarithmic loss of a coin that is saved on held-out letters",
    good=0.25,
)
def letters_by_heart(
    seed,
    callbacks,
    patience=None,
    dropout=0.0,
    units=64,
    width=32,
    rows=600,
    pooled=False,
    penalty=0.0,
    epochs=60,
    learning_rate=0.003,
):
    """File letters to a town council: the validation loss rises from the third epoch on."""
    random = start(seed)
    y = random.integers(0, 2, 4000)
    frequency = 1 / np.arange(60, 860)
    leaning = random.normal(0, 0.45, 800)
    rates = [frequency * np.exp(sign * leaning) for sign in (-1, 1)]
    x = np.array([random.choice(800, 40, p=rates[kind] / rates[kind].sum()) for kind in y])
    filed = np.where(random.random(4000) < 0.1, 1 - y, y)

    model = keras.Sequential(
        [
            keras.Input((40,)),
            layers.Embedding(800, width),
            layers.Dropout(dropout),
            layers.GlobalAveragePooling1D() if pooled else layers.Flatten(),
            layers.Dense(units, "relu", kernel_regularizer=regularizers.L2(penalty)),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    stop = [] if patience is None else [EarlyStopping("val_loss", 0, patience)]
    model.fit(
        *(x[:rows], filed[:rows]),
        validation_data=(x[2400:2600], filed[2400:2600]),
        epochs=epochs,
        callbacks=[*stop, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[2600:], verbose=0)[:, 0].clip(1e-7, 1 - 1e-7)
    return float(1 - log_loss(filed[2600:], guess) / np.log(2))


@case(
    source="https://answerofmath.com/solved-lstm-nn-produces-shifted-forecast-low-quality-result/",
    cause="the LSTM is shown one hour, and the demand swings with the hours of the day",
    causes="data preprocessing layers",
    evidence=r"window|time.?steps?|history|\blags?\b|(one|single) (hour|step|value)|"
    r"look.?back|length|more of the past|longer sequence|recurren",
    repair={"window": 24},
    advice={
        r"window|time.?steps?|history|\blags?\b|look.?back|longer sequence|more of the past|"
        r"sequence": {"window": 24},
        r"change|difference|last value": {"changes": True},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
    },
    metric="skill over repeating the last hour",
    good=0.6,
)
def demand_next_hour(
    seed,
    callbacks,
    window=1,
    changes=False,
    epochs=15,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
):
    """Forecast the demand for power in the next hour: the curve comes out an hour late."""
    random = start(seed)
    hours = np.arange(1800)
    series = 2 * np.sin(2 * np.pi * hours / 24) + 1.2 * np.sin(2 * np.pi * hours / 6 + 1)
    series += random.normal(0, 0.25, 1800)
    series = ((series - series[:1200].mean()) / series[:1200].std()).astype("float32")
    shown = np.lib.stride_tricks.sliding_window_view(series[24 - window : -1], window)
    last, y = shown[:, -1], series[24:]
    x, target = shown[:, :, None], y - last if changes else y

    model = keras.Sequential(
        [
            keras.Input((window, 1)),
            layers.LSTM(units),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1176], target[:1176]),
        validation_data=(x[1200:1450], target[1200:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1474:], verbose=0)[:, 0] + (last[1474:] if changes else 0)
    error = np.mean((guess - y[1474:]) ** 2)
    return float(1 - error / np.mean((last[1474:] - y[1474:]) ** 2))


@sound(
    source="https://scikit-learn.org/stable/datasets/toy_dataset.html#diabetes-dataset",
    metric="R² on held-out patients",
    good=0.3,
)
def diabetes_after_a_year(seed, callbacks):
    """Few rows: 300 patients, a small network held by a penalty, dropout and early stopping."""
    random = start(seed)
    x, y = datasets.load_diabetes(return_X_y=True)
    order = random.permutation(len(x))
    x, y = standardized(x[order]), standardized(y[order])
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(16, activation="relu", kernel_regularizer=regularizers.L2(0.003)),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.005), "mean_squared_error", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=12, restore_best_weights=True)
    model.fit(
        *(x[:260], y[:260]),
        validation_data=(x[260:330], y[260:330]),
        epochs=60,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[330:], model.predict(x[330:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/examples/structured_data/collaborative_filtering_movielens/",
    metric="R² on held-out ratings",
    good=0.6,
)
def stars_for_recipes(seed, callbacks):
    """Two inputs: who rates and what is rated, an embedding each, and their product."""
    random = start(seed)
    tastes, flavours = random.normal(size=(120, 3)), random.normal(size=(90, 3))
    who, what = random.integers(0, 120, 6000), random.integers(0, 90, 6000)
    liking = (tastes[who] * flavours[what]).sum(axis=1) / 1.7
    liking += 0.6 * random.normal(size=90)[what] + random.normal(0, 0.4, 6000)
    stars = (3.2 + liking).clip(1, 5)
    y = ((stars - 3) / 2).astype("float32")

    cooks, recipes = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")

    def embedded(number, rows, columns):
        penalty = regularizers.L2(1e-5)
        return layers.Embedding(rows, columns, embeddings_regularizer=penalty)(number)

    product = layers.Dot(axes=1)([embedded(cooks, 120, 6), embedded(recipes, 90, 6)])
    outputs = layers.Add()([product, embedded(cooks, 120, 1), embedded(recipes, 90, 1)])
    model = keras.Model([cooks, recipes], layers.Activation("tanh")(outputs))
    model.compile(Adam(0.005), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *([who[:4500], what[:4500]], y[:4500]),
        validation_data=([who[4500:5200], what[4500:5200]], y[4500:5200]),
        batch_size=64,
        epochs=20,
        callbacks=[EarlyStopping("val_loss", patience=4, restore_best_weights=True), *callbacks],
        verbose=0,
    )
    guess = model.predict([who[5200:], what[5200:]], verbose=0)[:, 0]
    return r_squared(y[5200:], guess)


@sound(
    source="https://www.tensorflow.org/tutorials/structured_data/time_series",
    metric="skill over repeating the last hour",
    good=0.5,
)
def water_of_a_town(seed, callbacks):
    """Time series: a day of hours and the clock forecast the next, split by time."""
    random = start(seed)
    clock = 2 * np.pi * np.arange(2400) / 24
    weather = np.zeros(2400)
    for moment in range(1, 2400):
        weather[moment] = 0.97 * weather[moment - 1] + random.normal(0, 0.05)
    demand = np.exp(0.5 * np.sin(clock) + 0.4 * np.cos(2 * clock) + weather)
    demand += random.normal(0, 0.03, 2400)
    demand = (demand - demand[:1600].mean()) / demand[:1600].std()
    columns = np.stack([demand, np.sin(clock), np.cos(clock)], axis=1).astype("float32")

    def windows(begin, end):
        shown = slice(begin, end - 1)
        return keras.utils.timeseries_dataset_from_array(
            *(columns[shown], columns[begin + 24 : end, 0]),
            sequence_length=24,
            batch_size=64,
            shuffle=begin == 0,
            seed=seed,
        )

    model = keras.Sequential(
        [
            keras.Input((24, 3)),
            layers.Conv1D(24, 3, strides=2, activation="relu"),
            layers.GRU(16),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.005, clipnorm=1.0), "huber", metrics=["mean_absolute_error"])
    model.fit(
        windows(0, 1600),
        validation_data=windows(1600, 2000),
        epochs=12,
        callbacks=[ReduceLROnPlateau("val_loss", factor=0.5, patience=3), *callbacks],
        verbose=0,
    )
    guess = model.predict(windows(2000, 2400), verbose=0)[:, 0]
    now, before = columns[2024:, 0], columns[2023:-1, 0]
    return float(1 - np.mean((guess - now) ** 2) / np.mean((before - now) ** 2))


@sound(
    source="https://keras.io/examples/structured_data/imbalanced_classification/",
    metric="balanced accuracy on held-out payments",
    good=0.8,
)
def stolen_cards(seed, callbacks):
    """Five of a hundred payments are fraud: class weights, a starting bias, area under curves."""
    random = start(seed)
    fraud = (random.random(8000) < 0.05).astype("float32")
    x = random.standard_t(6, size=(8000, 12)).astype("float32")
    stolen = fraud == 1
    x[stolen, :3] += 1.4
    x[stolen, 3] *= 3
    x = standardized(x)
    share = fraud[:5000].mean()
    bias = keras.initializers.Constant(np.log(share / (1 - share)))
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid", bias_initializer=bias),
        ]
    )
    curves = [keras.metrics.AUC(name="auc"), keras.metrics.AUC(name="prc", curve="PR")]
    model.compile(Adam(0.002), "binary_crossentropy", metrics=curves)
    model.fit(
        *(x[:5000], fraud[:5000]),
        validation_data=(x[5000:6500], fraud[5000:6500]),
        batch_size=128,
        epochs=15,
        class_weight={0: 0.5 / (1 - share), 1: 0.5 / share},
        callbacks=[
            EarlyStopping("val_auc", mode="max", patience=8, restore_best_weights=True),
            *callbacks,
        ],
        verbose=0,
    )
    guess = model.predict(x[6500:], verbose=0)[:, 0] > 0.5
    return balanced_accuracy_score(fraud[6500:], guess)


class ShiftedDigits(keras.utils.PyDataset):
    """Batches of digits, each moved by up to one pixel, in a new order every epoch.

    Args:
        x: images (N, 8, 8, 1).
        y: class numbers (N,).
        seed: whole number that decides order and shifts.

    """

    def __init__(self, x, y, seed):
        super().__init__()
        self.x, self.y, self.random = x, y, np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.x) // 32)

    def __getitem__(self, index):
        """Return the images and class numbers of a batch."""
        rows = self.order[32 * index : 32 * (index + 1)]
        down, right = self.random.integers(-1, 2, 2)
        return np.roll(self.x[rows], (down, right), axis=(1, 2)), self.y[rows]

    def on_epoch_end(self):
        """Draw another order."""
        self.order = self.random.permutation(len(self.x))


@sound(
    source="https://keras.io/api/utils/python_utils/#pydataset-class",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_from_a_generator(seed, callbacks):
    """Images: a PyDataset with shifts of its own, a residual network, label smoothing."""
    start(seed)
    x, y = digits(seed)
    y = keras.utils.to_categorical(y, 10)
    inputs = keras.Input((8, 8, 1))
    features = layers.Conv2D(24, 3, padding="same", activation="relu")(inputs)
    for _ in range(2):
        added = layers.Conv2D(24, 3, padding="same", use_bias=False)(features)
        added = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(added))
        features = layers.Add()([features, added])
    features = layers.Flatten()(layers.MaxPooling2D()(features))
    outputs = layers.Dense(10, activation="softmax")(layers.Dropout(0.3)(features))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.05)
    model.compile(Adam(0.002), loss, metrics=["accuracy"])
    model.fit(
        ShiftedDigits(x[:1200], y[:1200], seed),
        validation_data=(x[1200:1450], y[1200:1450]),
        epochs=8,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:].argmax(axis=1))


PROGRAMS = [
    film_genres,
    road_signs,
    other_digits,
    digits_imagined,
    crops_from_above,
    storm_damages,
    letters_by_heart,
    demand_next_hour,
]
SOUND = [
    diabetes_after_a_year,
    stars_for_recipes,
    water_of_a_town,
    stolen_cards,
    digits_from_a_generator,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
