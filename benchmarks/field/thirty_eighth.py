"""Twelve more field programs, as people ordinarily ask, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_eighth
    python benchmarks/diagnosis.py --programs thirty_eighth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score, f1_score

from benchmarks.field._program import (
    accuracy,
    case,
    digits,
    main,
    one_hot,
    r_squared,
    sound,
    standardized,
    start,
)


@case(
    source="https://github.com/keras-team/keras/issues/8799",
    cause="SGD with momentum at a rate of 0.5 kills the relu layers: every picture reads the same",
    causes="learning_rate optimizer",
    evidence=r"(learning.?rate|\brate\b|\bsteps?\b|updates?)[\s\S]{0,120}(large|high|big|too|0\.5|"
    r"0\.9|jump|overshoot|diverg|explo|bounc|more than|times)|(large|high|big|huge)[\s\S]{0,40}"
    r"(rate|steps?\b|updates?|gradients?)|diverg|explo|overshoot|oscillat|jumps?\b|"
    r"dead|\bdied?\b|dying|(relu|units?|activations?|layers?)[\s\S]{0,80}(never|always 0|zero|"
    r"constant|same for|inactive|silent|off)|momentum",
    repair={"learning_rate": 0.02},
    advice={
        r"(SGD\(|learning_rate ?= ?)[^)]{0,20}0?\.0[1-5]\b": {"learning_rate": 0.02},
        r"Adam\(|use adam|RMSprop\(": {"optimizer": "adam"},
        r"clipnorm|clipvalue|clip\b": {"clipnorm": 1.0},
        r"(without|remove|drop|lower|no|less) .{0,12}momentum": {"momentum": 0.0},
        r"leaky|\belu\b|\bselu\b|swish|gelu": {"activation": "leaky_relu"},
        r"batch.?norm": {"normalized": True},
        "usual": {"learning_rate": 0.01},
        "slower": {"learning_rate": 0.05},
        "faster": {"learning_rate": 5.0},
        "longer": {"epochs": 24},
        "wider": {"units": 192},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "glorot_uniform"},
        "scaled": {},
        "softmax": {},
        "relu": {},
    },
    metric="share of held-out characters that are read",
    good=0.8,
)
def three_characters_in_a_row(
    seed,
    callbacks,
    learning_rate=0.5,
    momentum=0.9,
    optimizer="sgd",
    clipnorm=None,
    activation="relu",
    normalized=False,
    epochs=12,
    units=96,
    dropout=0.25,
    initializer="he_normal",
):
    """Read three handwritten characters, an output each: a high loss that stays what it is."""
    random = start(seed)
    x, y = digits(seed)

    def rows_of_three(first, last, count):
        chosen = random.integers(first, last, (count, 3))
        pictures = np.concatenate([x[chosen[:, place]] for place in range(3)], axis=2)
        return pictures, {f"place_{place}": y[chosen[:, place]] for place in range(3)}

    inputs = keras.Input((8, 24, 1))
    seen = inputs
    for filters in (16, 24):
        seen = layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer)(seen)
        if normalized:
            seen = layers.BatchNormalization()(seen)
        seen = layers.Activation(activation)(seen)
        seen = layers.MaxPooling2D(2)(seen)
    seen = layers.Dropout(dropout)(layers.Flatten()(seen))
    seen = layers.Dense(units, activation=activation, kernel_initializer=initializer)(seen)
    names = [f"place_{place}" for place in range(3)]
    outputs = {name: layers.Dense(10, activation="softmax", name=name)(seen) for name in names}
    model = keras.Model(inputs, outputs)
    if optimizer == "adam":
        rule = Adam(0.002, clipnorm=clipnorm)
    else:
        rule = SGD(learning_rate, momentum=momentum, clipnorm=clipnorm)
    model.compile(
        rule,
        dict.fromkeys(names, "sparse_categorical_crossentropy"),
        metrics=dict.fromkeys(names, "accuracy"),
    )
    model.fit(
        *rows_of_three(0, 1200, 3000),
        validation_data=rows_of_three(1200, 1450, 400),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    pictures, read = rows_of_three(1450, len(x), 600)
    guess = model.predict(pictures, verbose=0)
    return float(np.mean([np.mean(guess[name].argmax(axis=1) == read[name]) for name in names]))


@case(
    source="https://github.com/AlexanderVNikitin/tsgm/issues/59",
    cause="a relu inside the LSTM lets its state grow from step to step until the loss explodes",
    causes="activation layers",
    evidence=r"relu|activation[\s\S]{0,80}(LSTM|recurrent|unbounded|grow|explod|tanh|bounded)|"
    r"(LSTM|recurrent|states?)[\s\S]{0,120}(activation|unbounded|grow|explo|tanh|bounded|large|"
    r"infinit|overflow)|tanh|explo",
    repair={"activation": "tanh"},
    advice={
        r"tanh|saturat|default activation|(remove|drop|without|instead of).{0,20}relu|bounded": {
            "activation": "tanh"
        },
        r"\bGRU\b": {"activation": "tanh"},
        r"sigmoid": {"activation": "sigmoid"},
        r"LayerNorm|batch.?norm": {"normalized": True},
        r"clipnorm|clipvalue|clip\b": {"clipnorm": 1.0},
        "slower": {"learning_rate": 0.001},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "longer": {"epochs": 24},
        "wider": {"units": 64},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "softmax": {},
    },
    metric="accuracy on held-out recordings",
    good=0.85,
)
def how_a_wrist_moves(
    seed,
    callbacks,
    activation="relu",
    normalized=False,
    clipnorm=None,
    learning_rate=0.01,
    epochs=8,
    units=32,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Tell four movements from a sensor at the wrist: the loss jumps to enormous numbers."""
    random = start(seed)
    rows, length = 1500, 120
    y = random.integers(0, 4, rows)
    time = np.arange(length) / length
    pace = np.array([4, 4, 8, 8])[y] + random.normal(0, 0.5, rows)
    phase = random.uniform(0, 2 * np.pi, (rows, 1))
    swing = 2 * np.pi * pace[:, None] * time + phase
    turn = np.where(y % 2 == 0, 1, -1)[:, None] * np.pi / 3
    x = np.stack([np.sin(swing), np.sin(swing + turn), np.cos(2 * swing) * 0.5], axis=2)
    x = (x * random.uniform(0.7, 1.6, (rows, 1, 1)) + random.normal(0, 0.4, x.shape) + 0.3).astype(
        "float32"
    )

    model = keras.Sequential([keras.Input((length, 3))])
    model.add(layers.Conv1D(24, 7, activation="relu", kernel_initializer=initializer))
    model.add(layers.Conv1D(24, 5, strides=2, activation="relu", kernel_initializer=initializer))
    if normalized:
        model.add(layers.LayerNormalization())
    model.add(layers.Dropout(dropout))
    model.add(layers.LSTM(units, activation=activation, return_sequences=True))
    model.add(layers.LSTM(units, activation=activation))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(4, activation="softmax"))
    model.compile(
        Adam(learning_rate, clipnorm=clipnorm), "categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(
        *(x[:800], one_hot(y[:800], 4)),
        validation_data=(x[800:1000], one_hot(y[800:1000], 4)),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1000:], y[1000:])


@case(
    source="https://stats.stackexchange.com/questions/345126/"
    "lstm-inbalanced-output-classification-swamps-other-classifications",
    cause="four windows of five are of the class 'none', so the others are hardly ever answered",
    causes="data loss labels",
    evidence=r"balanc|(class|label)(es|s)?[\s\S]{0,100}(rare|frequen|common|majority|minority|"
    r"share|most|%|few|dominat|often|uneven|skew|unequal|weight)|majority|minority|"
    r"(rare|frequent|common)[\s\S]{0,30}class|class.?weight|"
    r"(predict|answer)\w*[\s\S]{0,60}(one class|same class|single class|class \d|always|never)",
    repair={"weighted": True},
    advice={
        r"class.?weight|sample.?weight|weigh": {"weighted": True},
        r"resampl|over-?sampl|under-?sampl|balanc|SMOTE|rejection": {"resampled": True},
        r"focal": {"loss": "categorical_focal_crossentropy"},
        r"threshold|prior": {"weighted": True},
        r"more (data|rows|examples|samples|windows)|collect": {"rows": 8000},
        "longer": {"epochs": 20},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "softmax": {},
    },
    metric="mean recall of the five classes on held-out windows",
    good=0.6,
)
def mostly_none(
    seed,
    callbacks,
    weighted=False,
    resampled=False,
    loss="categorical_crossentropy",
    rows=4000,
    epochs=8,
    units=16,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Name what happens in a window of a signal: 'none' is found, a, b, d and e hardly ever."""
    random = start(seed)
    total, length = rows + 3000, 16
    y = random.choice(5, total, p=[0.05, 0.05, 0.8, 0.05, 0.05])
    time = np.arange(length)
    bump = np.exp(-0.5 * ((time - 8) / 2) ** 2)
    wave = np.sin(time / 2.0)
    shapes = np.zeros((5, length, 2))
    shapes[0, :, 0], shapes[1, :, 0], shapes[3, :, 1], shapes[4, :, 1] = bump, -bump, wave, -wave
    x = (shapes[y] + random.normal(0, 1.1, (total, length, 2))).astype("float32")

    train, valid, test = slice(3000, None), slice(0, 600), slice(600, 3000)
    x_train, y_train = x[train], y[train]
    if resampled:
        share = 1 / np.bincount(y_train, minlength=5)[y_train]
        chosen = random.choice(len(y_train), len(y_train), p=share / share.sum())
        x_train, y_train = x_train[chosen], y_train[chosen]
    weights = None
    if weighted:
        counts = np.bincount(y_train, minlength=5)
        weights = {number: float(len(y_train) / (5 * n)) for number, n in enumerate(counts)}
    model = keras.Sequential(
        [
            keras.Input((length, 2)),
            layers.Bidirectional(layers.GRU(units, kernel_initializer=initializer)),
            layers.Dropout(dropout),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x_train, one_hot(y_train, 5)),
        validation_data=(x[valid], one_hot(y[valid], 5)),
        batch_size=64,
        epochs=epochs,
        class_weight=weights,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[test], verbose=0).argmax(axis=1)
    return float(balanced_accuracy_score(y[test], guess))


@case(
    source="https://github.com/keras-team/keras/issues/579",
    cause="250 filters and vectors for every word learn a few hundred texts by heart",
    causes="layers epochs data regularization",
    evidence=r"overfit|by heart|memori[sz]|generali[sz]|held-?out|unseen|"
    r"valid\w*[\s\S]{0,120}(rise|rises|rising|rose|grow|increas|worse|higher|above|gap|below|"
    r"fall|far|best|lower)|(gap|difference)[\s\S]{0,60}(train|valid)|best (epoch|validation)|"
    r"too (many|large|big|long)|more (weights|parameters) than|few (rows|texts|examples)",
    repair={"filters": 16, "dropout": 0.5, "stop": True},
    advice={
        r"dropout[\s\S]*(early.?stop|best epoch|restore_best)|"
        r"(early.?stop|best epoch|restore_best)[\s\S]*dropout": {"dropout": 0.5, "stop": True},
        r"early.?stop|best epoch|restore_best|fewer epochs|stop (at|when|train)": {"stop": True},
        r"fewer (units|filters)|smaller (network|model|layer)|fewer (weights|parameters)|"
        r"less capacity|reduce the (size|number)": {"filters": 16, "embedded": 8},
        r"dropout": {"dropout": 0.5},
        r"more (data|rows|examples|samples|texts)|augment|collect": {"rows": 4000},
        r"weight.?decay|\bl2\b|regulari[sz]er": {"decay": 3e-4},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 60},
        "wider": {"filters": 400},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out texts",
    good=0.7,
)
def six_kinds_of_texts(
    seed,
    callbacks,
    rows=800,
    filters=250,
    embedded=48,
    stop=False,
    decay=0.0,
    epochs=20,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort short texts into six kinds: all of the training is right, the rest is not."""
    random = start(seed)
    words, length, kinds = 350, 30, 6
    total = rows + 1600
    kind = random.integers(0, kinds, total)
    x = random.integers(kinds * 25, words, (total, length))
    told = random.random((total, length)) < 0.15
    x[told] = (random.integers(0, 25, (total, length)) + 25 * kind[:, None])[told]
    wrong = random.random(total) < 0.35
    y = np.where(wrong & (np.arange(total) >= 1200), random.integers(0, kinds, total), kind)

    penalty = keras.regularizers.L2(decay)
    model = keras.Sequential(
        [
            keras.Input((length,)),
            layers.Embedding(words, embedded, embeddings_regularizer=penalty if decay else None),
            layers.Dropout(dropout),
            layers.Conv1D(
                filters,
                3,
                activation="relu",
                kernel_initializer=initializer,
                kernel_regularizer=penalty,
            ),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(dropout),
            layers.Dense(
                filters,
                activation="relu",
                kernel_initializer=initializer,
                kernel_regularizer=penalty,
            ),
            layers.Dropout(dropout),
            layers.Dense(kinds, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=3, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[1600:], y[1600:]),
        validation_data=(x[1200:1600], y[1200:1600]),
        batch_size=32,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[:1200], y[:1200])


class OwnTraining(keras.Model):
    """Classify with a training step of its own, whose gradients are clipped."""

    def train_step(self, data):
        """Take one step, tell the metrics."""
        x, y = data
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=answer)
        weights = self.trainable_variables
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, weights), 5.0)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/IBM/graph2tac/pull/95",
    cause="the buffer shuffles only neighbours, and the files come one class after the other",
    causes="data",
    evidence=r"shuffl|buffer|\bsort|(class|label|row)(es|s)?[\s\S]{0,60}(in order|order|one after|"
    r"together|successi|consecutive|blocks?|neighbou?r)|(batch)(es)?[\s\S]{0,80}(one class|"
    r"single class|same class|few class|only|alike|differ|label|class|not mixed|distribut)|"
    r"forget|forgot|order of the (rows|data|examples)",
    repair={"buffer": 1200},
    advice={
        r"buffer|shuffl|permut|mix|random order|\bsort|interleave|order": {"buffer": 1200},
        r"batch.?size|larger batch": {"batch": 128},
        "longer": {"epochs": 30},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "softmax": {},
    },
    metric="accuracy on held-out pictures",
    good=0.85,
)
def read_from_folders(
    seed,
    callbacks,
    buffer=30,
    batch=10,
    epochs=6,
    units=48,
    learning_rate=0.002,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Read pictures from a folder per class with tf.data: high in training, low in validation."""
    start(seed)
    x, y = digits(seed)
    train, valid, test = slice(0, 1200), slice(1200, 1400), slice(1400, None)
    order = np.argsort(y[train], kind="stable")
    listed = tf.data.Dataset.from_tensor_slices((x[train][order], y[train][order]))

    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Flatten()(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = OwnTraining(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        listed.shuffle(buffer, seed=seed).batch(batch).prefetch(2),
        validation_data=tf.data.Dataset.from_tensor_slices((x[valid], y[valid])).batch(100),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[test], y[test])


@case(
    source="https://datascience.stackexchange.com/questions/108151/"
    "the-ltsm-does-not-predict-apple-stock-close-column-well",
    cause="later prices lie beyond all that the LSTM has seen; changes from the last price do not",
    causes="preprocessing data",
    evidence=r"trend|station|drift|distribut|(range|beyond|outside|above|higher|larger|exceed|"
    r"extrapolat)\w*[\s\S]{0,80}(train|seen|valid|target|input)|(valid\w*|later|held-?out|"
    r"test)[\s\S]{0,140}(range|beyond|outside|above|higher|larger|exceed|mean|shift|differ|"
    r"unlike|scale|spread)|extrapolat|differenc|chronolog|(shift|differ)\w*[\s\S]{0,60}valid",
    repair={"relative": True},
    advice={
        r"differenc|return|change|relative|stationar|detrend|trend|last (price|value)|ratio|"
        r"percent|residual|per window|each window|log": {"relative": True},
        r"distribut|range|same (period|source)|shuffl|split|extrapol|beyond|later": {
            "relative": True
        },
        r"early.?stop|best epoch": {"stop": True},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "squared": {},
        "linear": {},
    },
    metric="R² of the prices of the last days",
    good=0.8,
)
def the_closing_price(
    seed,
    callbacks,
    relative=False,
    stop=False,
    epochs=15,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a share's closing price from three days: it is put too low, ever more so."""
    random = start(seed)
    days, before = 3000, 3
    steps = np.zeros(days)
    noise = random.normal(0, 0.012, days)
    for day in range(1, days):
        steps[day] = 0.4 * steps[day - 1] + noise[day]
    price = 5 * np.exp(np.cumsum(steps + 0.0015 - steps.mean()))
    windows = np.lib.stride_tricks.sliding_window_view(price, before + 1)
    train, valid, test = slice(0, 1900), slice(1900, 2200), slice(2200, None)
    last = windows[:, before - 1 : before]
    table = windows / last - 1 if relative else np.sqrt(windows)
    mean, spread = table[train].mean(), table[train].std()
    table = ((table - mean) / spread).astype("float32")
    x, y = table[:, :before, None], table[:, before]

    model = keras.Sequential(
        [
            keras.Input((before, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    early = [EarlyStopping("val_loss", patience=4, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[train], y[train]),
        validation_data=(x[valid], y[valid]),
        batch_size=20,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[test], verbose=0)[:, 0] * spread + mean
    guess = last[test, 0] * (1 + guess) if relative else guess**2
    return r_squared(windows[test, before], guess)


def fruit(random, count, kinds):
    """Pictures (count, 16, 16, 3) of round things in red, green, blue, and their kinds (count,)."""
    colours = np.array(
        [
            *([0.8, 0.3, 0.3], [0.3, 0.3, 0.8], [0.3, 0.8, 0.3], [0.8, 0.7, 0.2]),
            *([0.9, 0.5, 0.2], [0.9, 0.9, 0.8], [0.6, 0.2, 0.7], [0.3, 0.8, 0.8]),
        ]
    )
    y = random.integers(0, kinds, count)
    down, right = np.mgrid[:16, :16]
    at = random.uniform(6, 10, (count, 2, 1, 1))
    size = random.uniform(3, 6, (count, 1, 1))
    inside = (np.hypot(down - at[:, 0], right - at[:, 1]) < size)[..., None]
    ground = random.uniform(0.2, 0.8, (count, 1, 1, 1))
    skin = (colours[y] + random.normal(0, 0.12, (count, 3)))[:, None, None]
    x = np.where(inside, skin * random.uniform(0.7, 1.1, (count, 1, 1, 1)), ground)
    return np.clip(x + random.normal(0, 0.08, x.shape), 0, 1).astype("float32"), y


@case(
    source="https://github.com/keras-team/keras/issues/11590",
    cause="the camera's frames list blue first, the pictures of the training list red first",
    causes="data preprocessing",
    evidence=r"channel|colou?r|\bRGB\b|\bBGR\b|(valid\w*|held-?out|frames?)[\s\S]{0,140}(differ|"
    r"distribut|prepar|preprocess|unlike|not like|other source|mean|shift|mismatch|another)|"
    r"(distribut|differ|prepar|preprocess|mismatch|shift)\w*[\s\S]{0,100}(valid|held-?out|frame)",
    repair={"red_first": True},
    advice={
        r"channel|colou?r|\bRGB\b|\bBGR\b|same (way|preprocess|prepar|pipeline|source|"
        r"distribution)|prepare|preprocess|distribut|differ|compare": {"red_first": True},
        r"unfreez|fine-?tun|trainable ?= ?True": {"frozen": False},
        r"grey|gray": {"grey": True},
        r"early.?stop|best epoch": {"epochs": 3},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 25},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "softmax": {},
    },
    metric="accuracy on held-out frames of the camera",
    good=0.8,
)
def fruit_under_a_camera(
    seed,
    callbacks,
    red_first=False,
    frozen=True,
    grey=False,
    epochs=10,
    units=32,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Tell four fruits by a trained trunk: right on files, wrong on frames of the camera."""
    random = start(seed)
    trunk = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(24, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ],
        name="trunk",
    )
    earlier = keras.Sequential([trunk, layers.Dense(8, activation="softmax")])
    earlier.compile(Adam(0.005), "sparse_categorical_crossentropy")
    for _ in range(200):  # what others have trained, on eight kinds
        earlier.train_on_batch(*fruit(random, 32, 8))
    trunk.trainable = not frozen

    x, y = fruit(random, 700, 4)
    frames, seen_y = fruit(random, 1000, 4)
    if not red_first:
        frames = frames[..., ::-1]
    if grey:
        x, frames = (np.repeat(p.mean(axis=3, keepdims=True), 3, axis=3) for p in (x, frames))

    inputs = keras.Input((16, 16, 3))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(trunk(inputs))
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x, one_hot(y, 4)),
        validation_data=(frames[:300], one_hot(seen_y[:300], 4)),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, frames[300:], seen_y[300:])


@case(
    source="https://github.com/ageron/handson-ml3/pull/20",
    cause="the columns of both inputs come in as they are, some of a few, some of thousands",
    causes="preprocessing data",
    evidence=r"(inputs?|columns?|features?|data|\bx\b)[\s\S]{0,100}(large|big|huge|scale|range|"
    r"spread|deviation|magnitude|mean|thousand|e\+0|\d{4,}|not (centered|standardi[sz]ed|"
    r"normali[sz]ed)|differ)|unscaled|(standardi[sz]e|normali[sz]e|scale)[\s\S]{0,40}(input|"
    r"data|column|feature)",
    repair={"scaled": True},
    advice={
        r"(standardi[sz]e|normali[sz]e|scale|divide)[\s\S]{0,30}(targets?|labels?|\by\b)": {},
        r"standardi[sz]e|normali[sz]|StandardScaler|MinMax|rescal|scale|batch.?norm": {
            "scaled": True
        },
        "scaled": {"scaled": True},
        "longer": {"epochs": 45},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "linear": {},
        "relu": {},
    },
    metric="R² on held-out districts",
    good=0.75,
)
def wide_and_deep_districts(
    seed,
    callbacks,
    scaled=False,
    epochs=15,
    units=30,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a district's rents by a wide and a deep path: the error stays where it was."""
    random = start(seed)
    rows = 3000
    income = random.gamma(4, 1, rows)
    age = random.uniform(1, 52, rows)
    rooms = random.normal(5.4, 1.2, rows)
    people = random.lognormal(7.2, 0.7, rows)
    north, east = random.uniform(32, 42, rows), random.uniform(-124, -114, rows)
    coast = np.abs(east + 124 - 0.6 * (42 - north))
    y = 0.5 * income - 0.35 * coast + 0.3 * np.log(people) + 0.2 * (rooms - 5.4) * (income > 4)
    y = standardized(y + 0.01 * age + random.normal(0, 0.3, rows))
    x = np.stack([income, age, rooms, people, north, east], axis=1).astype("float32")
    if scaled:
        x = ((x - x[:2000].mean(axis=0)) / x[:2000].std(axis=0)).astype("float32")
    parts = {"wide": x[:, :4], "deep": x[:, 1:]}

    def some(first, last):
        return {name: part[first:last] for name, part in parts.items()}, y[first:last]

    inputs = {"wide": keras.Input((4,), name="wide"), "deep": keras.Input((5,), name="deep")}
    seen = inputs["deep"]
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    joined = layers.Concatenate()([inputs["wide"], seen])
    joined = layers.Dense(units, activation="relu", kernel_initializer=initializer)(joined)
    model = keras.Model(inputs, layers.Dense(1)(joined))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *some(0, 2000),
        validation_data=some(2000, 2300),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    rest, answer = some(2300, rows)
    return r_squared(answer, model.predict(rest, verbose=0)[:, 0])


@sound(
    source="https://keras.io/examples/nlp/multi_label_classification/",
    metric="F1 of the tags of held-out abstracts",
    good=0.8,
)
def tags_of_abstracts(seed, callbacks):
    """Rare ones: 30 tags of which few apply, so the loss begins and ends low."""
    random = start(seed)
    tags, words, length = 30, 600, 60
    total = 4400
    y = (random.random((total, tags)) < 0.06).astype("float32")
    y[np.arange(total), random.integers(0, tags, total)] = 1
    x = random.integers(1 + tags * 8, words, (total, length))
    for row, own in zip(x, y, strict=True):
        about = np.flatnonzero(own)
        told = np.repeat(about, 4)[:length]
        row[random.permutation(length)[: len(told)]] = (
            1 + told * 8 + random.integers(0, 8, len(told))
        )
    model = keras.Sequential(
        [
            keras.Input((length,)),
            layers.Embedding(words, 32),
            layers.GlobalMaxPooling1D(),
            layers.Dense(64, activation="relu"),
            layers.Dense(tags, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.005), "binary_crossentropy", metrics=["binary_accuracy"])
    model.fit(
        *(x[:2800], y[:2800]),
        validation_data=(x[2800:3200], y[2800:3200]),
        batch_size=64,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[3200:], verbose=0) > 0.5
    return float(f1_score(y[3200:], guess, average="micro"))


@sound(
    source="https://keras.io/api/losses/hinge_losses/",
    metric="accuracy on held-out patients",
    good=0.92,
)
def tumours_by_a_margin(seed, callbacks):
    """Labels of -1 and 1: hinge loss with a linear output, as in a support vector machine."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), (2.0 * y[rows] - 1).astype("float32")[:, None]
    decay = keras.regularizers.L2(0.001)
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(24, activation="tanh", kernel_regularizer=decay),
            layers.Dense(1, kernel_regularizer=decay),
        ]
    )
    model.compile(SGD(0.05, momentum=0.9), "hinge")
    model.fit(
        *(x[:340], y[:340]),
        validation_data=(x[340:420], y[340:420]),
        batch_size=32,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[420:], verbose=0) > 0) == (y[420:] > 0)))


@sound(
    source="https://www.tensorflow.org/tutorials/keras/regression",
    metric="R² on held-out cars",
    good=0.8,
)
def cars_as_they_are(seed, callbacks):
    """Large inputs: raw columns, which a layer of the model brings to one scale."""
    start(seed)
    rows = 1600
    x, y = datasets.make_friedman1(rows, 6, noise=1.5, random_state=seed)
    x = x * [4000, 250, 12, 5000, 30, 3] + [1600, 40, 4, 0, 1970, 0]
    x, y = x.astype("float32"), y.astype("float32")
    scale = layers.Normalization()
    scale.adapt(x[:1000])
    model = keras.Sequential(
        [
            keras.Input((6,)),
            scale,
            layers.Dense(48, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(RMSprop(0.002), "mean_absolute_error", metrics=["mean_squared_error"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=50,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1200:], model.predict(x[1200:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/examples/nlp/text_classification_with_transformer/",
    metric="accuracy on held-out messages",
    good=0.9,
)
def attention_to_two_words(seed, callbacks):
    """Slow to begin: attention, normalized layers and a rate that rises before it falls."""
    random = start(seed)
    total, length, words = 3600, 24, 120
    x = random.integers(20, words, (total, length))
    y = random.integers(0, 3, total)
    for row, own in zip(x, y, strict=True):
        places = random.permutation(length)[:2]
        row[places] = random.integers(0, 6, 2) + 6 * own
    inputs = keras.Input((length,))
    place = layers.Embedding(length, 24)(np.arange(length)[None])
    seen = layers.Embedding(words, 24)(inputs) + place
    looked = layers.MultiHeadAttention(2, 12)(seen, seen)
    seen = layers.LayerNormalization()(seen + looked)
    passed = layers.Dense(24)(layers.Dense(48, activation="relu")(seen))
    seen = layers.LayerNormalization()(seen + passed)
    seen = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(seen))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(seen))
    rate = keras.optimizers.schedules.CosineDecay(1e-5, 1000, warmup_target=0.003, warmup_steps=120)
    model.compile(Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2800], y[2400:2800]),
        batch_size=32,
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2800:], y[2800:])


PROGRAMS = [
    three_characters_in_a_row,
    how_a_wrist_moves,
    mostly_none,
    six_kinds_of_texts,
    read_from_folders,
    the_closing_price,
    fruit_under_a_camera,
    wide_and_deep_districts,
]
SOUND = [
    tags_of_abstracts,
    tumours_by_a_margin,
    cars_as_they_are,
    attention_to_two_words,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
