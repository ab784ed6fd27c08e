"""Twelve more field programs, as people ask on any day, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_sixth
    python benchmarks/diagnosis.py --programs thirty_sixth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam, RMSprop
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score

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


def texts(random, rows, words, length, leaning):
    """Word numbers (rows, length) and moods (rows,): some words are likelier in one mood."""
    common = 1 / (60 + np.arange(words))
    mood = random.integers(0, 2, rows)
    x = np.zeros((rows, length), "int32")
    for row, good in zip(x, mood, strict=True):
        chance = common * np.exp((2 * good - 1) * leaning)
        row[:] = random.choice(words, length, p=chance / chance.sum())
    return x, mood.astype("float32")


@case(
    source="https://datascience.stackexchange.com/questions/65471/"
    "validation-loss-much-higher-than-training-loss",
    cause="wide layers learn a few noisy texts by heart; dropout and an early stop prevent it",
    causes="regularization layers units epochs data",
    evidence=r"over-?fit|by heart|memori[sz]|generali[sz]|"
    r"(validation|held-out|val_loss)[\s\S]{0,120}"
    r"(ris|rose|grow|increas|wors|above|higher|larger|gap|while|far|times|best|lowest|fell|below)|"
    r"\bgap\b|(more|many) (weights|parameters)|(weights|parameters)[\s\S]{0,60}(per|than|for)"
    r"[\s\S]{0,40}(row|sample|example)|(few|too little|\d+) (rows|samples|examples|texts)|"
    r"label noise|nois(y|e)|wrong(ly)? label",
    repair={"dropout": 0.5, "stop": True},
    advice={
        r"dropout[\s\S]*(early.?stop|best epoch|restore_best|fewer epochs)|"
        r"(early.?stop|best epoch|restore_best|fewer epochs)[\s\S]*dropout": {
            "dropout": 0.5,
            "stop": True,
        },
        r"early.?stop|restore_best|best epoch|fewer epochs|stop (earlier|train|at|when)": {
            "stop": True
        },
        r"dropout": {"dropout": 0.5},
        r"\bl2\b|weight.?decay|kernel_regularizer": {"l2": 0.003},
        r"fewer (units|layers|weights|filters|parameters)|smaller (network|model|layers)|narrow": {
            "units": 16
        },
        r"more (data|rows|samples|examples|texts)|augment": {"rows": 1600},
        r"pooling|GlobalMax|GlobalAverage": {},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="accuracy on held-out texts with their right moods",
    good=0.79,
)
def a_few_hundred_texts(
    seed,
    callbacks,
    dropout=0.0,
    stop=False,
    l2=0.0,
    units=128,
    rows=400,
    epochs=20,
    learning_rate=0.001,
    initializer="glorot_uniform",
):
    """Tell the mood of texts by a convolution: the validation loss is far above the other."""
    random = start(seed)
    words = 400
    leaning = 0.32 * random.choice([-1, 1], words)
    x, y = texts(random, rows + 1300, words, 50, leaning)
    true = y[rows + 300 :].copy()
    y = np.where(random.random(len(y)) < 0.25, 1 - y, y)  # people err
    decay = keras.regularizers.L2(l2)

    def dense(count):
        return layers.Dense(
            count, activation="relu", kernel_initializer=initializer, kernel_regularizer=decay
        )

    model = keras.Sequential(
        [
            keras.Input((50,)),
            layers.Embedding(words, units),
            layers.Dropout(dropout),
            layers.Conv1D(units, 5, activation="relu", kernel_regularizer=decay),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(dropout),
            dense(50),
            dense(50),
            dense(25),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    if stop:
        callbacks = [EarlyStopping("val_loss", patience=5, restore_best_weights=True), *callbacks]
    model.fit(
        *(x[:rows], y[:rows]),
        validation_data=(x[rows : rows + 300], y[rows : rows + 300]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[rows + 300 :], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == true))


@case(
    source="https://github.com/udacity/sdc-issue-reports/issues/623",
    cause="training images are read blue first, the car's red first: one order for both repairs",
    causes="data preprocessing",
    evidence=r"chann?el|\bRGB\b|\bBGR\b|colou?r|"
    r"(validation|held-out|test)[\s\S]{0,120}(other (data|source|distribution)|distribut|not "
    r"(like|drawn)|prepared|preprocess|shift|same (way|source)|mean|deviat|"
    r"differ\w* from (the )?training|inputs?)|"
    r"(distribution|covariate|domain|data)[\s-]?(shift|drift)|"
    r"(training|inputs?)[\s\S]{0,80}(prepared|preprocess\w*|read)[\s\S]{0,40}(differ|other|same)",
    repair={"order": "rgb"},
    advice={
        r"chann?el|\bRGB\b|\bBGR\b|colou?r|cvtColor|same (preprocess|way|order|pipeline|source|"
        r"distribution|preparation)|prepare|preprocess|differ|distribut|compare|alike|shift": {
            "order": "rgb"
        },
        "longer": {"epochs": 24},
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
    metric="R² of the angle on later images of the car",
    good=0.8,
)
def a_car_between_cones(
    seed,
    callbacks,
    order="bgr",
    epochs=12,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Steer away from the orange cone, towards the blue one: on the road it goes elsewhere."""
    random = start(seed)
    rows = 1600
    images = random.normal(0, 12, (rows, 12, 16, 3)) + np.array([95, 100, 130])
    images[:, :4] += np.array([0, 30, 60])  # the sky
    angle = np.zeros(rows, "float32")
    for row in range(rows):
        orange, blue = random.choice(14, 2, replace=False) + 1
        down = random.integers(5, 10, 2)
        images[row, down[0] : down[0] + 3, orange - 1 : orange + 2] = (235, 120, 30)
        images[row, down[1] : down[1] + 3, blue - 1 : blue + 2] = (30, 110, 235)
        angle[row] = (blue - orange) / 16
    angle = (angle * 2 + random.normal(0, 0.1, rows)).astype("float32")
    images = np.clip(images, 0, 255).astype("uint8")
    x = images[:900] if order == "rgb" else images[:900, :, :, ::-1]

    def prepared(image, target):
        return tf.cast(image, tf.float32) / 127.5 - 1, target

    def dataset(image, target):
        return tf.data.Dataset.from_tensor_slices((image, target[:, None])).map(prepared)

    model = keras.Sequential([keras.Input((12, 16, 3))])
    for count in (units, 2 * units):
        conv = layers.Conv2D(
            count, 3, padding="same", activation="relu", kernel_initializer=initializer
        )
        model.add(conv)
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(32, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        dataset(x, angle[:900]).cache().shuffle(900, seed=seed).batch(32).prefetch(1),
        validation_data=dataset(images[900:1100], angle[900:1100]).batch(100),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(dataset(images[1100:], angle[1100:]).batch(100), verbose=0)[:, 0]
    return r_squared(angle[1100:], guess)


def focal(epsilon):
    """Focal loss, written by hand, of probabilities kept `epsilon` away from 0 and 1."""

    def loss(y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        if epsilon:
            y_pred = ops.clip(y_pred, epsilon, 1 - epsilon)
        present = -0.75 * y_true * (1 - y_pred) ** 2 * ops.log(y_pred)
        absent = -0.25 * (1 - y_true) * y_pred**2 * ops.log(1 - y_pred)
        return ops.mean(present + absent, axis=-1)

    return loss


@case(
    source="https://github.com/mkocabas/focal-loss-keras/issues/17",
    cause="a loss written by hand takes the logarithm of 0 once a probability is exactly 0 or 1",
    causes="loss preprocessing activation",
    evidence=r"\blog\b|logarithm|\blog\(|epsilon|\bclip|own loss|custom loss|focal|hand-?written|"
    r"by hand|loss[\s\S]{0,100}(\bnan|not finite|infinit|non-?finite|no number|overflow|numeric)|"
    r"(probabilit|sigmoid|output|predict|answer)[\s\S]{0,80}(exactly|satur|0 or 1|0 and 1|1\.0)|"
    r"inputs?[\s\S]{0,80}(large|big|huge|scale|range|spread|deviation|outlier|heavy|up to)",
    repair={"epsilon": 1e-6},
    advice={
        r"epsilon|1e-\d|\bclip_?(by_value|\(|the (prob|pred|out))|ops\.clip|from_logits|logits|"
        r"BinaryFocalCrossentropy|built-?in|keras'?s? own|log\b|logarithm|numerical\w* stable|"
        r"(own|custom) loss|loss=": {"epsilon": 1e-6},
        r"outlier|standardi[sz]|normali[sz]|rescal|scale the|log1p": {"scaled": True},
        r"clipnorm|clipvalue|global_clipnorm|clip (the )?grad": {"clipnorm": 1.0},
        "scaled": {"scaled": True},
        "longer": {"epochs": 24},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4, "clipnorm": 1.0},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "binary": {"epsilon": 1e-6},
    },
    metric="balanced accuracy on held-out pieces of signal",
    good=0.72,
)
def pulses_with_a_focal_loss(
    seed,
    callbacks,
    epsilon=0.0,
    scaled=False,
    clipnorm=None,
    epochs=10,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find rare pulses with a focal loss: after a while the loss is no number."""
    random = start(seed)
    rows, length = 3000, 64
    y = (random.random(rows) < 0.12).astype("float32")
    x = random.normal(0, 1, (rows, length))
    loud = np.exp(random.normal(1.5, 0.8, rows))
    pulse = np.exp(-np.arange(10) / 3)
    for row in range(rows):
        at = random.integers(0, length - 10)
        if y[row]:
            x[row, at : at + 10] += 5 * pulse
        else:
            x[row, at : at + 10] += 5 * pulse[::-1] * (random.random() < 0.5)
    x = (x * loud[:, None])[:, :, None].astype("float32")
    if scaled:
        x = standardized(x)

    model = keras.Sequential([keras.Input((length, 1))])
    for count in (units, 2 * units):
        model.add(layers.Conv1D(count, 7, activation="relu", kernel_initializer=initializer))
        model.add(layers.MaxPooling1D())
    model.add(layers.GlobalMaxPooling1D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate, clipnorm=clipnorm), focal(epsilon), metrics=["accuracy"])
    model.fit(
        *(x[:1800], y[:1800, None]),
        validation_data=(x[1800:2100], y[1800:2100, None]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2100:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[2100:], guess))


@case(
    source="https://datascience.stackexchange.com/questions/104950/"
    "appropriate-loss-function-and-metrics-for-regression-task-with-mixed-outputs",
    cause="both targets are near 0.0003: smaller than an update; scaled, they are learned",
    causes="preprocessing data learning_rate",
    evidence=r"(targets?|labels?|\by\b|outputs?|out_\d)[\s\S]{0,120}(small|tiny|scale|range|spread|"
    r"deviation|magnitude|e-0?\d|0\.000|near (0|zero)|standardi[sz]|normali[sz])|"
    r"(standardi[sz]e|normali[sz]e|scale)[\s\S]{0,40}(target|label|\by\b|output)|"
    r"(update|step|learning rate)s?[\s\S]{0,80}(large|larger|big|than the target)|"
    r"loss[\s\S]{0,60}(tiny|small|e-0?\d)",
    repair={"scaled": True},
    advice={
        r"(standardi[sz]e|normali[sz]e|scale|multiply|rescale)[\s\S]{0,60}(targets?|labels?|\by\b|"
        r"outputs?)|(targets?|labels?|\by\b|y_train|outputs?)[\s\S]{0,60}(standardi[sz]|normali[sz]|"
        r"scale|std|deviation|multipl)|y_train|units of": {"scaled": True},
        r"loss_weights|weights? of the loss": {"weight": 1e6},
        r"mean_absolute_error|\bmae\b|huber": {"loss": "mean_absolute_error"},
        "scaled": {},
        "longer": {"epochs": 30},
        "wider": {"units": 32},
        "usual": {},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="smaller R² of the two displacements on held-out images",
    good=0.75,
)
def displacements_of_a_spot(
    seed,
    callbacks,
    scaled=False,
    weight=1.0,
    loss="mean_squared_error",
    epochs=10,
    units=16,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Measure by how many metres a spot was displaced, in two outputs: no better than nothing."""
    random = start(seed)
    rows = 1600
    down, right = np.mgrid[:14, :14]
    at = random.uniform(4, 9, (2, rows))
    away = (down - at[0][:, None, None]) ** 2 + (right - at[1][:, None, None]) ** 2
    x = np.exp(-away / 5) + random.normal(0, 0.1, (rows, 14, 14))
    x = x[..., None].astype("float32")
    y = (at - 6.5) * 2e-4 + random.normal(0, 3e-5, (2, rows))
    mean, spread = 0.0, 1.0
    if scaled:
        mean, spread = y[:, :1000].mean(axis=1, keepdims=True), y[:, :1000].std()
    z = ((y - mean) / spread).astype("float32")[..., None]

    inputs = keras.Input((14, 14, 1))
    seen = inputs
    for count in (units, 2 * units):
        conv = layers.Conv2D(count, 3, activation="relu", kernel_initializer=initializer)
        seen = layers.MaxPooling2D()(conv(seen))
    seen = layers.Dropout(dropout)(layers.Flatten()(seen))
    seen = layers.Dense(64, activation="relu", kernel_initializer=initializer)(seen)
    outputs = {"out_1": layers.Dense(1, name="out_1")(seen)}
    outputs["out_2"] = layers.Dense(1, name="out_2")(seen)
    model = keras.Model(inputs, outputs)
    model.compile(
        Adam(learning_rate),
        {"out_1": loss, "out_2": loss},
        loss_weights={"out_1": weight, "out_2": weight},
        metrics={"out_1": ["mean_absolute_error"], "out_2": ["mean_absolute_error"]},
    )
    model.fit(
        *(x[:1000], {"out_1": z[0, :1000], "out_2": z[1, :1000]}),
        validation_data=(x[1000:1200], {"out_1": z[0, 1000:1200], "out_2": z[1, 1000:1200]}),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1200:], verbose=0)
    guess = np.stack([guess["out_1"][:, 0], guess["out_2"][:, 0]]) * spread + mean
    return min(r_squared(true, seen) for true, seen in zip(y[:, 1200:], guess, strict=True))


class Branches(keras.Model):
    """Train with a step of its own, which adds up the losses of two branches."""

    def __init__(self, inputs, outputs, loss_of_branch, weighted):
        super().__init__(inputs, outputs)
        self.loss_of_branch = keras.losses.get(loss_of_branch)
        self.weighted = weighted
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.right = keras.metrics.BinaryAccuracy(name="accuracy")

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return [self.loss_tracker, self.right]

    def sum_of_losses(self, data, training):
        """Return the losses of both branches, the worse one counting less."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        y = tf.cast(tf.reshape(y, (-1, 1)), tf.float32)
        fine, coarse = self(x, training=training)
        rows = self.loss_of_branch(y, fine) + 0.1 * self.loss_of_branch(y, coarse)
        if self.weighted and weights is not None:
            rows *= tf.reshape(tf.cast(weights, tf.float32), (-1,))
        loss = tf.reduce_mean(rows)
        self.loss_tracker.update_state(loss)
        self.right.update_state(y, fine)
        return loss

    def train_step(self, data):
        """Take one step, tell the loss."""
        with tf.GradientTape() as tape:
            loss = self.sum_of_losses(data, training=True)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data):
        """Tell the loss."""
        self.sum_of_losses(data, training=False)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/keras-team/keras/issues/15221",
    cause="the own training step drops the class weights, so the rare class is hardly ever told",
    causes="loss data",
    evidence=r"class.?weight|sample.?weight|imbalanc|unbalanc|rare|minority|majority|frequen|"
    r"(class|label|target|row)(es|s)?[\s\S]{0,80}(\d ?%|share|few|seldom|more often|balanc|only)|"
    r"(always|nearly all|almost all|every|most)[\s\S]{0,60}(class|one answer|0\b|negative)|"
    r"(own|custom|hand\w*)[\s\S]{0,30}(train_step|training step)[\s\S]{0,120}weight|"
    r"weights?[\s\S]{0,60}(ignored|dropped|unused|no effect|not (used|applied))",
    repair={"weighted": True},
    advice={
        r"oversampl|undersampl|resampl|rejection_resample|balanced batches|repeat the rare|SMOTE": {
            "oversampled": True
        },
        r"sample.?weight|class.?weight|weight|train_step|compute_loss|imbalanc|balanc": {
            "weighted": True
        },
        r"threshold|cut-?off": {"threshold": 0.04},
        r"focal": {"loss": "binary_focal_crossentropy"},
        r"precision|recall|\bAUC\b|\bF1\b|metric": {},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="balanced accuracy on held-out machines",
    good=0.77,
)
def machines_about_to_fail(
    seed,
    callbacks,
    weighted=False,
    oversampled=False,
    threshold=0.5,
    loss="binary_crossentropy",
    epochs=12,
    units=24,
    learning_rate=0.002,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Foretell failures in two branches with class weights: it finds next to none of them."""
    random = start(seed)
    rows, columns = 9000, 12
    y = (random.random(rows) < 0.04).astype("float32")
    x = random.normal(size=(rows, columns))
    toward = random.normal(size=columns)
    x += 2.1 * y[:, None] * toward / np.linalg.norm(toward)
    x = x.astype("float32")
    part = np.arange(4500)
    if oversampled:
        part = np.concatenate([part, np.repeat(part[y[:4500] > 0], 23)])

    inputs = keras.Input((columns,))

    def dense(count):
        return layers.Dense(count, activation="relu", kernel_initializer=initializer)

    seen = layers.Dropout(dropout)(dense(units)(inputs))
    coarse = layers.Dense(1, activation="sigmoid", name="coarse")(dense(8)(inputs))
    fine = layers.Dense(1, activation="sigmoid", name="fine")(dense(units)(seen))
    model = Branches(inputs, [fine, coarse], loss, weighted)
    model.compile(Adam(learning_rate))
    options = {} if oversampled else {"class_weight": {0: 0.52, 1: 12.5}}
    model.fit(
        *(x[part], y[part]),
        validation_data=(x[4500:5500], y[4500:5500]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
        **options,
    )
    guess = model.predict(x[5500:], verbose=0)[0][:, 0] > threshold
    return float(balanced_accuracy_score(y[5500:], guess))


@case(
    source="https://stats.stackexchange.com/questions/328855/"
    "lstm-learning-a-sinus-function-with-linear-part",
    cause="the series grows out of the range seen in training; its changes stay in range",
    causes="data preprocessing",
    evidence=r"trend|grow|station|differenc|extrapol|drift|out(side)? of[\s\S]{0,40}range|"
    r"(range|values?|level|mean|scale)[\s\S]{0,80}(never|not|beyond|outside|above|unseen|higher)"
    r"[\s\S]{0,40}(train|seen|fit)|"
    r"(validation|held-out|later)[\s\S]{0,120}(range|above|higher|larger|mean|distribut|outside|"
    r"beyond|deviat|shift)|(distribution|covariate|data)[\s-]?(shift|drift)",
    repair={"changes": True},
    advice={
        r"differenc|trend|chang|return|station|last value|residual|subtract|each window|"
        r"per window|relative|increment|distribut|range|level": {"changes": True},
        "scaled": {},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on the last fifth of the series, as forecast one step ahead",
    good=0.9,
)
def a_sine_that_climbs(
    seed,
    callbacks,
    changes=False,
    epochs=12,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Forecast a sine on a slope by an LSTM: fine at first, the later the worse."""
    random = start(seed)
    length, steps = 24, 1500
    time = np.arange(steps)
    series = 0.012 * time + np.sin(2 * np.pi * time / 20) + random.normal(0, 0.05, steps)
    series = (series - series.min()) / (series.max() - series.min())
    values = np.diff(series) * 20 if changes else series
    windows = np.lib.stride_tricks.sliding_window_view(values, length + 1).astype("float32")
    x, y = windows[:, :-1, None], windows[:, -1]
    first, last = int(0.65 * len(x)), int(0.8 * len(x))

    model = keras.Sequential(
        [
            keras.Input((length, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:first], y[:first]),
        validation_data=(x[first:last], y[first:last]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess, true = model.predict(x[last:], verbose=0)[:, 0], y[last:]
    if changes:
        before = series[length:-1][last:]
        guess, true = before + guess / 20, before + true / 20
    return r_squared(true, guess)


@case(
    source="https://github.com/strongio/keras-bert/issues/11",
    cause="a rate far too high for attention layers wrecks them; a small one fine-tunes them",
    causes="learning_rate optimizer",
    evidence=r"learning.?rate|\brate\b|(step|update)s?[\s\S]{0,60}(large|big|huge|too)|"
    r"diverg|explod|jump|unstable|oscillat|"
    r"(weights?|gradients?)[\s\S]{0,60}(large|huge|grew|grow|explod|blow)",
    repair={"learning_rate": 0.001},
    advice={
        r"warm-?up|schedule|decay": {"learning_rate": 0.003},
        "longer": {"epochs": 24},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 0.005},
        "faster": {"learning_rate": 0.5},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="accuracy on held-out reviews",
    good=0.83,
)
def attention_on_word_vectors(
    seed,
    callbacks,
    learning_rate=0.05,
    epochs=8,
    units=32,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Fine-tune attention on ready word vectors: the accuracy stays at 0.53."""
    random = start(seed)
    words, length, width = 500, 24, 32
    leaning = np.where(random.random(words) < 0.3, random.normal(0, 0.9, words), 0)
    x, y = texts(random, 2100, words, length, leaning)
    vectors = random.normal(0, 0.3, (words, width))
    vectors[:, 0] += leaning * 0.5  # what was learned elsewhere

    x = np.concatenate([np.full((len(x), 1), words, "int32"), x], axis=1)
    vectors = np.concatenate([vectors, random.normal(0, 0.3, (1, width))])
    vectors = keras.initializers.Constant(vectors.astype("float32"))
    inputs = keras.Input((length + 1,), dtype="int32")
    seen = layers.Embedding(words + 1, width, embeddings_initializer=vectors)(inputs)
    for _ in range(3):
        beside = layers.MultiHeadAttention(2, 16, kernel_initializer=initializer)(seen, seen)
        seen = seen + layers.Dropout(dropout)(beside)
        beside = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        beside = layers.Dropout(dropout)(layers.Dense(width)(beside))
        seen = seen + beside
    seen = layers.Dropout(dropout)(seen[:, 0])
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(seen))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:900], y[:900]),
        validation_data=(x[900:1100], y[900:1100]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1100:], verbose=0)[:, 0] > 0.5) == y[1100:]))


@case(
    source="https://stackoverflow.com/questions/24732888/using-large-input-values-with-auto-encoders",
    cause="a sigmoid is to give back values up to thousands; scaled to 0 to 1 they are in reach",
    causes="preprocessing activation data",
    evidence=r"(targets?|inputs?|labels?|data|columns?|values?|\bx\b|\by\b)[\s\S]{0,120}(large|big|"
    r"huge|scale|range|spread|deviation|magnitude|reach|thousand|up to|\d{3,}|e\+0|outside|"
    r"above 1|beyond|not (standardi[sz]ed|normali[sz]ed))|sigmoid|satur|"
    r"(output|answer|predict)[\s\S]{0,80}(0 (to|and) 1|at most 1|bounded|cannot|limit|reach|flat|"
    r"constant|exactly 1)|(standardi[sz]e|normali[sz]e|scale|unscaled)[\s\S]{0,40}"
    r"(input|target|data|column)",
    repair={"scaled": "to 0 and 1"},
    advice={
        r"(standardi[sz]|normali[sz]|scal)[\s\S]*linear|linear[\s\S]*(standardi[sz]|normali[sz]|"
        r"scal)": {"scaled": "to mean 0", "activation": "linear"},
        r"min.?max|(0 (to|and|\.\.) 1)|\[0, ?1\]|(targets?|outputs?)[\s\S]{0,60}(range|scale)|"
        r"(scale|rescale|divide|normali[sz]e)[\s\S]{0,40}(targets?|outputs?)": {
            "scaled": "to 0 and 1"
        },
        r"activation=.?linear|linear|no activation|activation=None|remove the sigmoid": {
            "activation": "linear"
        },
        r"standardi[sz]|StandardScaler": {"scaled": "to mean 0"},
        r"normali[sz]|rescal|scale": {"scaled": "to 0 and 1"},
        "scaled": {"scaled": "to mean 0"},
        "longer": {"epochs": 100},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {},
        "binary": {"loss": "binary_crossentropy"},
        "sigmoid": {},
        "relu": {},
    },
    metric="R² of held-out rows, every column alike",
    good=0.7,
)
def cells_in_and_out(
    seed,
    callbacks,
    scaled=None,
    activation="sigmoid",
    loss="mean_squared_error",
    epochs=50,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Squeeze 30 measurements of cells into six numbers: what comes out is 1 for all large ones."""
    random = start(seed)
    x = datasets.load_breast_cancer().data
    x = x[random.permutation(len(x))].astype("float32")
    part = x[:360]
    shift, size = np.zeros(30, "float32"), np.ones(30, "float32")
    if scaled == "to 0 and 1":
        shift, size = part.min(axis=0), np.ptp(part, axis=0)
    elif scaled == "to mean 0":
        shift, size = part.mean(axis=0), part.std(axis=0)
    z = (x - shift) / size

    def dense(count, activation="relu"):
        return layers.Dense(count, activation=activation, kernel_initializer=initializer)

    model = keras.Sequential(
        [
            keras.Input((30,)),
            dense(units),
            layers.Dropout(dropout),
            dense(6, "linear"),
            dense(units),
            layers.Dense(30, activation=activation),
        ]
    )
    model.compile(RMSprop(learning_rate), loss)
    model.fit(
        *(z[:360], z[:360]),
        validation_data=(z[360:420], z[360:420]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(z[420:], verbose=0) * size + shift
    mean, spread = part.mean(axis=0), part.std(axis=0)
    return r_squared(((x[420:] - mean) / spread).ravel(), ((guess - mean) / spread).ravel())


@sound(
    source="https://keras.io/examples/vision/super_resolution_sub_pixel/",
    metric="R² of the fine pixels of held-out images",
    good=0.8,
)
def images_made_finer(seed, callbacks):
    """Images as targets, no activation behind: pixels between 0 and 1 come from a linear layer."""
    start(seed)
    x, _ = digits(seed)
    coarse = x.reshape(-1, 4, 2, 4, 2, 1).mean(axis=(2, 4))
    inputs = keras.Input((4, 4, 1))
    seen = layers.Conv2D(48, 3, padding="same", activation="relu")(inputs)
    seen = layers.Conv2D(48, 3, padding="same", activation="relu")(seen)
    seen = layers.Conv2D(4, 3, padding="same")(seen)
    seen = layers.Reshape((4, 4, 2, 2))(seen)
    outputs = layers.Reshape((8, 8, 1))(layers.Permute((1, 3, 2, 4))(seen))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(0.003), "mean_squared_error")
    model.fit(
        *(coarse[:1200], x[:1200]),
        validation_data=(coarse[1200:1450], x[1200:1450]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1450:].ravel(), model.predict(coarse[1450:], verbose=0).ravel())


@sound(
    source="https://keras.io/examples/structured_data/wide_deep_cross_networks/",
    metric="R² of the true probabilities on held-out views",
    good=0.75,
)
def clicks_are_rare(seed, callbacks):
    """Probabilities are wanted: one view in ten is clicked, nobody can tell which, no weights."""
    random = start(seed)
    rows = 14000
    place, hour = random.integers(0, 30, rows), random.integers(0, 24, rows)
    x = random.normal(size=(rows, 3)).astype("float32")
    liked = random.normal(0, 0.7, 30)
    logit = -2.7 + liked[place] + 0.6 * np.sin(2 * np.pi * hour / 24) + 0.6 * x[:, 0]
    true = 1 / (1 + np.exp(-logit - 0.5 * x[:, 1]))
    y = (random.random(rows) < true).astype("float32")[:, None]
    at = {"place": place[:, None], "hour": hour[:, None], "numbers": x}

    inputs = {"place": keras.Input((1,), dtype="int32"), "hour": keras.Input((1,), dtype="int32")}
    inputs["numbers"] = keras.Input((3,))
    parts = [layers.Flatten()(layers.Embedding(30, 4)(inputs["place"]))]
    parts.append(layers.Flatten()(layers.Embedding(24, 3)(inputs["hour"])))
    wide = layers.Concatenate()([*parts, inputs["numbers"]])
    deep = layers.Dropout(0.1)(layers.Dense(16, activation="relu")(wide))
    outputs = layers.Dense(1, activation="sigmoid")(layers.Concatenate()([wide, deep]))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy", "AUC"])
    stop = EarlyStopping("val_loss", patience=3, restore_best_weights=True)

    def rows_of(first, last):
        return {name: values[first:last] for name, values in at.items()}

    model.fit(
        *(rows_of(0, 10000), y[:10000]),
        validation_data=(rows_of(10000, 12000), y[10000:12000]),
        batch_size=128,
        epochs=15,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(true[12000:], model.predict(rows_of(12000, rows), verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/",
    metric="accuracy on held-out images",
    good=0.93,
)
def bytes_into_the_network(seed, callbacks):
    """Pixels of 0 to 255 go in, the network scales and moves them itself; validation is better."""
    start(seed)
    x, y = digits(seed)
    x = np.round(255 * x).astype("uint8")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.SpatialDropout2D(0.2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows = tf.data.Dataset.from_tensor_slices((x[:1100], y[:1100]))
    model.fit(
        rows.shuffle(1100, seed=seed).repeat().batch(32),
        validation_data=tf.data.Dataset.from_tensor_slices((x[1100:1350], y[1100:1350])).batch(125),
        steps_per_epoch=34,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1350:], y[1350:])


@sound(
    source="https://keras.io/examples/nlp/bidirectional_lstm_imdb/",
    metric="accuracy on the words of held-out sentences",
    good=0.88,
)
def a_tag_for_every_word(seed, callbacks):
    """Sentences padded behind and masked: a tag per word from both sides, most of them 0."""
    random = start(seed)
    rows, length, words = 1500, 16, 60
    x, y = np.zeros((rows, length), "int32"), np.zeros((rows, length), "int32")
    for row in range(rows):
        count = random.integers(5, length + 1)
        x[row, :count] = random.integers(1, words, count)
        for at in range(count):
            if x[row, at] < 20:  # such a word's tag depends on its neighbours
                before = at > 0 and x[row, at - 1] >= 40
                behind = at + 1 < count and x[row, at + 1] >= 40
                y[row, at] = 1 + before + 2 * behind
    wrong = (random.random(x.shape) < 0.03) & (x > 0)
    noisy = np.where(wrong, random.integers(0, 5, x.shape), y)
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(words, 16, mask_zero=True),
            layers.Bidirectional(layers.LSTM(24, return_sequences=True)),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1000], noisy[:1000]),
        validation_data=(x[1000:1200], noisy[1000:1200]),
        batch_size=32,
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1200:], verbose=0).argmax(axis=-1)
    return float(np.mean((guess == y[1200:])[x[1200:] > 0]))


PROGRAMS = [
    a_few_hundred_texts,
    a_car_between_cones,
    pulses_with_a_focal_loss,
    displacements_of_a_spot,
    machines_about_to_fail,
    a_sine_that_climbs,
    attention_on_word_vectors,
    cells_in_and_out,
]
SOUND = [
    images_made_finer,
    clicks_are_rare,
    bytes_into_the_network,
    a_tag_for_every_word,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
