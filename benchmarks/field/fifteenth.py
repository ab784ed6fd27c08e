"""Eleven more field programs of an ordinary week, by somebody who had read no rule.

Seven have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifteenth
    python benchmarks/diagnosis.py --programs fifteenth
"""

import keras
import numpy as np
from keras import layers
from keras.callbacks import EarlyStopping, ReduceLROnPlateau
from keras.optimizers import SGD, Adam, AdamW

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
    source="https://datascience.stackexchange.com/questions/38604/"
    "too-low-accuracy-on-mnist-dataset-using-a-neural-network",
    cause="ten classes are asked of one sigmoid and binary crossentropy, which know 0 and 1 only",
    causes="loss activation layers data preprocessing",
    evidence=r"\b(ten|10|several|many|multi(ple)?|more than two)\b[\s-]{0,2}(\w+ ){0,2}"
    r"(class|label|categor|value|integer)|multi-?class|class (number|index|id)|"
    r"(one|single|\b1\b) (\w+ )?(unit|output|neuron|node|sigmoid|column)|"
    r"(labels?|targets?|\by\b)[\s\S]{0,100}"
    r"(\b9\b|outside|beyond|above 1|exceed|larger than|greater than|not (in|within|between)|"
    r"other than|range|integer)|loss[\s\S]{0,60}(negative|below (0|zero)|not bounded|unbounded)",
    repair={"per_class": True},
    advice={
        r"sparse_categorical|categorical_crossentropy|one unit per class|unit for each class|"
        r"softmax|one-?hot|(10|ten) (units|outputs|neurons)|Dense\(10": {"per_class": True},
        r"(scale|standardi[sz]e|normali[sz]e|divide|rescale)[\s\S]{0,40}(target|label|\by\b)": {
            "labels_scaled": True
        },
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear", "loss": "mean_squared_error"},
        "squared": {"loss": "mean_squared_error"},
        "relu": {"activation": "relu", "loss": "mean_squared_error"},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def ten_digits_one_unit(
    seed,
    callbacks,
    per_class=False,
    labels_scaled=False,
    activation="sigmoid",
    loss="binary_crossentropy",
    epochs=12,
    units=64,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits: one in ten is right, and the loss falls far below zero."""
    start(seed)
    x, labels = digits(seed)
    x = x.reshape(-1, 64)
    y = labels.astype("float32") / (9 if labels_scaled else 1)

    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
        ]
    )
    if per_class:
        y = labels
        model.add(layers.Dense(10, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1, activation=activation))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    if per_class:
        return accuracy(model, x[1400:], labels[1400:])
    guess = model.predict(x[1400:], verbose=0)[:, 0] * (9 if labels_scaled else 1)
    return float(np.mean(np.rint(guess) == labels[1400:]))


@case(
    source="https://github.com/keras-team/keras/issues/18247",
    cause="ReLU at the output cannot say a negative balance, and answers 0 instead",
    causes="activation preprocessing",
    evidence=r"negative|below (0|zero)|less than (0|zero)|non-?negative|clip|cut off|"
    r"(output|last|final)[\s\S]{0,40}(relu|rectif|activation|range|reach)|"
    r"(output|last|final)[\s\S]{0,80}(dead|dying)|"
    r"(predict\w*|answer|output)s?[\s\S]{0,60}(zeros?|\b0\b)|"
    r"(targets?|labels?|\by\b)[\s\S]{0,80}(outside|reach|range)",
    repair={"activation": "linear"},
    advice={
        r"activation=.?(linear|none)|linear (output|activation)|"
        r"(remove|drop|without|no|leave out)[\s\S]{0,20}(activation|relu)": {
            "activation": "linear"
        },
        r"(leaky|elu\b|leakyrelu)": {"activation": "leaky_relu"},
        r"(shift|min-?max|0 to 1)[\s\S]{0,40}(target|label|\by\b)|"
        r"(target|label|\by\b)[\s\S]{0,40}(shift|min-?max|0 to 1|positive)": {"shifted": True},
        r"(scale|standardi[sz]e|normali[sz]e)[\s\S]{0,40}(target|label|\by\b)": {},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
    },
    metric="R² on held-out days",
    good=0.85,
)
def money_in_and_out(
    seed,
    callbacks,
    activation="relu",
    shifted=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell what a bank's branch gains or pays out on a day: zeros on most days."""
    random = start(seed)
    weekday, month_day = random.integers(0, 5, 2600), random.integers(1, 31, 2600)
    rain, clients = random.normal(size=2600), random.normal(size=2600)
    flow = 0.8 * clients * (weekday - 2) / 2 - 1.2 * np.exp(-(((month_day - 27) / 4) ** 2))
    flow += 0.5 * np.cos(2 * np.pi * month_day / 30) - 0.3 * rain - 0.4 * (weekday == 4)
    y = standardized(flow + random.normal(0, 0.15, 2600))
    y = y - y.min() if shifted else y
    season = 2 * np.pi * month_day / 30
    x = standardized(np.stack([weekday, np.sin(season), np.cos(season), rain, clients], axis=1))

    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2000:], model.predict(x[2000:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/10924",
    cause="ReduceLROnPlateau cuts the rate at every epoch that is not clearly better: it dies out",
    causes="learning_rate optimizer epochs",
    evidence=r"(learning.?rate|\brate\b)[\s\S]{0,100}(reduc|cut|fell|fall|drop|decay|shr[iau]nk|"
    r"small|tiny|too low|lowered|vanish|e-\d|0\.000)|ReduceLR|plateau|patience|schedule|decay|"
    r"(weights?|updates?|steps?)[\s\S]{0,60}(hardly|barely|tiny|small|stop|no longer|freeze|froze)",
    repair={"patience": 12},
    advice={
        r"\b(add|introduce|use a)\b[\s\S]{0,30}(ReduceLR|schedul|decay)": {},
        r"patience|ReduceLR|plateau|min_lr|min_delta|(cut|reduc|shrink|decay)\w* "
        r"(the (learning )?rate )?(later|less|more slowly)|keep the learning rate|"
        r"(remove|without|drop|slower)[\s\S]{0,30}(callback|decay|schedul)": {"patience": 12},
        "longer": {"epochs": 150},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out parts",
    good=0.87,
)
def rate_cut_too_early(
    seed,
    callbacks,
    patience=1,
    epochs=50,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort parts by how three measures go together: nothing is gained after the first epochs."""
    random = start(seed)
    x = random.normal(size=(2600, 8)).astype("float32")
    y = (x[:, 0] * x[:, 1] * x[:, 2] + 0.1 * x[:, 3] > 0).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    cut = ReduceLROnPlateau("val_loss", factor=0.1, patience=patience, min_delta=0.05)
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2000], y[1800:2000]),
        batch_size=128,
        epochs=epochs,
        callbacks=[cut, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[2000:], verbose=0)[:, 0] > 0.5) == y[2000:]))


@case(
    source="https://github.com/keras-team/keras/issues/20898",
    cause="the LSTM reads dozens of zeros after the words, and has forgotten them at the end",
    causes="layers preprocessing data",
    evidence=r"pad|mask|zeros?\b|trailing|(sequence|time.?step)s?[\s\S]{0,60}(long|same|end)|"
    r"forg[eo]t|(last|final) (\w+ )?(step|state)",
    repair={"masked": True},
    advice={
        r"mask": {"masked": True},
        r"\bpre\b|pre-?pad|(on|to) the left|(front|beginning|start) of|before the words|"
        r"bidirectional|backwards|reverse": {"padding": "pre"},
        r"shorter|truncat|maxlen|pooling|return_sequences|attention|bucket|ragged": {"length": 12},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out reviews",
    good=0.85,
)
def words_and_then_nothing(
    seed,
    callbacks,
    masked=False,
    padding="post",
    length=80,
    epochs=8,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell praise from blame in short reviews, filled up to 80 words: no better than a coin."""
    random = start(seed)
    rows = 1800
    y = random.integers(0, 2, rows)
    words = random.integers(30, 120, (rows, 12))
    tone = random.integers(1, 15, (rows, 2)) + 14 * y[:, None]
    places = np.argsort(random.random((rows, 5)), axis=1)[:, :2]
    words[np.arange(rows)[:, None], places] = tone
    words[np.arange(12) >= random.integers(5, 13, rows)[:, None]] = 0
    sentences = [row[row > 0] for row in words]
    x = keras.utils.pad_sequences(sentences, maxlen=length, padding=padding)

    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(120, 16, mask_zero=masked),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1400:], verbose=0)[:, 0] > 0.5) == y[1400:]))


@case(
    source="https://github.com/tensorflow/docs/pull/2102",
    cause="crossentropy expects probabilities and is given plain scores: softmax is missing",
    causes="activation loss layers",
    evidence=r"logit|softmax|probabilit|sum to (1|one)|"
    r"(output|last|final)[\s\S]{0,60}(linear|activation|negative|range|outside)|"
    r"(predictions?|outputs?)[\s\S]{0,80}(negative|below (0|zero)|above (1|one)|outside)",
    repair={"activation": "softmax"},
    advice={
        r"softmax|from_logits|logits=True|probabilit": {"activation": "softmax"},
        "longer": {"epochs": 45},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="accuracy on held-out questions",
    good=0.85,
)
def questions_by_language(
    seed,
    callbacks,
    activation="linear",
    loss="sparse_categorical_crossentropy",
    epochs=15,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort questions by the programming language that they are about: a third are wrong."""
    random = start(seed)
    y = random.integers(0, 4, 2400)
    x = random.integers(60, 400, (2400, 20))
    told = random.random((2400, 20)) < 0.2
    x[told] = (random.integers(0, 15, (2400, 20)) + 15 * y[:, None])[told]

    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(400, 16),
            layers.GlobalAveragePooling1D(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(4, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:])


@case(
    source="https://loginvast.com/tensorflow-data-augmentation-evaluation-lower-performances",
    cause="augmentation mirrors digits and turns them by up to 72 degrees: 6 and 9 become one",
    causes="preprocessing layers data",
    evidence=r"augment|flip|mirror|rotat|turn(s|ed)|random(ly)? (layer|transform|chang)|"
    r"(training|train) (loss|error|accuracy)[\s\S]{0,60}(above|higher|larger|worse|below|lower)|"
    r"(validation|held.out)[\s\S]{0,60}(below|lower|better)|underfit",
    repair={"mirrored": False, "turned": 0.02},
    advice={
        r"(less|lower|remove|reduce|smaller|weaker|without|\bno\b|drop|milder|gentler|halve|"
        r"instead of|take out)[\s\S]{0,60}(augment|flip|mirror|rotat|random)|"
        r"(augment\w*|flip\w*|rotat\w*|random\w*)[\s\S]{0,60}"
        r"(less|lower|remove|reduce|smaller|weaker|milder|0\.0\d|off)|keeps? the (label|class)": {
            "mirrored": False,
            "turned": 0.02,
        },
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.94,
)
def digits_upside_down(
    seed,
    callbacks,
    mirrored=True,
    turned=0.2,
    epochs=8,
    units=48,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits with the augmentation that helped on photographs: worse than without it."""
    start(seed)
    x, y = digits(seed)
    x = x.repeat(2, axis=1).repeat(2, axis=2)

    model = keras.Sequential([keras.Input((16, 16, 1))])
    if mirrored:
        model.add(layers.RandomFlip("horizontal_and_vertical", seed=seed))
    model.add(layers.RandomRotation(turned, fill_mode="constant", seed=seed))
    model.add(layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer))
    model.add(layers.MaxPooling2D())
    model.add(layers.Conv2D(32, 3, activation="relu", kernel_initializer=initializer))
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@case(
    source="https://ai.stackexchange.com/questions/16557/what-could-be-the-problem-when-a-neural-"
    "network-with-four-hidden-layers-with-the",
    cause="four sigmoid layers leave the first of them almost no gradient",
    causes="activation layers initialization",
    evidence=r"vanish|sigmoid|saturat|too deep|"
    r"gradients?[\s\S]{0,80}(small|tiny|shrink|weak|die|fade|0\.0|e-)|"
    r"(first|early|lower|front) layers?[\s\S]{0,80}(hardly|barely|small|less|little|slow)",
    repair={"hidden": "relu"},
    advice={
        r"relu|\belu\b|gelu|swish|silu|leaky|rectif": {"hidden": "relu"},
        r"batch.?norm|layer.?norm": {"normalized": True},
        r"tanh": {"hidden": "tanh"},
        r"fewer (hidden )?layers|less deep|shallow|residual|skip": {"depth": 1},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.3},
        "slower": {"learning_rate": 0.01},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out switchboards",
    good=0.75,
)
def switches_and_load(
    seed,
    callbacks,
    hidden="sigmoid",
    normalized=False,
    depth=4,
    epochs=20,
    units=48,
    learning_rate=0.03,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a load from sixteen switches with four layers: the mean is always answered."""
    random = start(seed)
    x = random.integers(0, 2, (3000, 16)).astype("float32")
    weights = np.linspace(-1.5, 1.5, 16)
    load = x @ weights + 1.2 * x[:, 0] * x[:, 15] - x[:, 3] * x[:, 9]
    y = standardized(load + random.normal(0, 0.2, 3000))

    model = keras.Sequential([keras.Input((16,))])
    for _ in range(depth):
        model.add(layers.Dense(units, kernel_initializer=initializer))
        if normalized:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation(hidden))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(SGD(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2300:], model.predict(x[2300:], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/issues/13864",
    metric="accuracy on held-out patients, of whom chance decides a third",
    good=0.63,
)
def back_in_a_month(seed, callbacks):
    """Noise: what is known of a patient tells little of whether he comes back."""
    random = start(seed)
    x = random.normal(size=(5000, 10)).astype("float32")
    odds = 0.5 * x[:, 0] - 0.5 * x[:, 1] + 0.4 * x[:, 2] * x[:, 3] + 0.3 * np.abs(x[:, 4])
    y = (odds - 0.24 + random.logistic(0, 0.7, 5000) > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(24, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(12, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:3200], y[:3200]),
        validation_data=(x[3200:4000], y[3200:4000]),
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[4000:], verbose=0)[:, 0] > 0.5) == y[4000:]))


@sound(
    source="https://keras.io/examples/structured_data/structured_data_classification_from_scratch/",
    metric="R² of the logarithm of the price on held-out cars",
    good=0.85,
)
def price_of_a_used_car(seed, callbacks):
    """Table: numbers standardized, the maker as an embedding, prices as logarithms."""
    random = start(seed)
    rows = 2800
    maker = random.integers(0, 12, rows)
    worth = np.random.default_rng(15).normal(0, 0.4, 12)
    age, power = random.gamma(2, 3, rows), random.normal(110, 35, rows)
    distance = age * random.gamma(4, 4, rows)
    price = worth[maker] - 0.09 * age - 0.003 * distance + 0.006 * power
    y = standardized(price + 0.05 * worth[maker] * age + random.normal(0, 0.1, rows))
    numbers = standardized(np.stack([age, np.sqrt(distance), power], axis=1))
    measured = keras.Input((3,))
    made = keras.Input((1,), dtype="int32")
    known = layers.Flatten()(layers.Embedding(12, 4)(made))
    hidden = layers.Concatenate()([measured, known])
    hidden = layers.Dense(32, activation="relu")(hidden)
    hidden = layers.Dense(16, activation="relu")(hidden)
    model = keras.Model([measured, made], layers.Dense(1)(hidden))
    model.compile(Adam(0.003), "huber", metrics=["mean_absolute_error"])
    maker = maker[:, None]
    model.fit(
        *([numbers[:1900], maker[:1900]], y[:1900]),
        validation_data=([numbers[1900:2200], maker[1900:2200]], y[1900:2200]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([numbers[2200:], maker[2200:]], verbose=0)
    return r_squared(y[2200:], guess[:, 0])


@sound(
    source="https://keras.io/examples/timeseries/timeseries_weather_forecasting/",
    metric="R² of the next hour on held-out days",
    good=0.75,
)
def warmth_of_the_next_hour(seed, callbacks):
    """Sequence: a day's round with weather that lingers, read by a convolution and a GRU."""
    random = start(seed)
    hours = np.arange(2600)
    weather = np.zeros(2600)
    for hour in hours[1:]:
        weather[hour] = 0.9 * weather[hour - 1] + random.normal(0, 0.3)
    series = np.sin(2 * np.pi * hours / 24) + weather + random.normal(0, 0.1, 2600)
    series = ((series - series[:1800].mean()) / series[:1800].std()).astype("float32")
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], 24)[:, :, None]
    y = series[24:]
    model = keras.Sequential(
        [
            keras.Input((24, 1)),
            layers.Conv1D(12, 3, padding="causal", activation="relu"),
            layers.GRU(16),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.004), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1750], y[:1750]),
        validation_data=(x[1776:2100], y[1776:2100]),
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2124:], model.predict(x[2124:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class",
    metric="accuracy on held-out digits",
    good=0.94,
)
def digits_with_smoothed_labels(seed, callbacks):
    """Images: a skip connection, batch normalization, and labels of which a tenth is smoothed."""
    start(seed)
    x, labels = digits(seed)
    y = one_hot(labels, 10)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(24, 3, padding="same", use_bias=False)(inputs)
    seen = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(seen))
    more = layers.Conv2D(24, 3, padding="same", use_bias=False)(seen)
    more = layers.BatchNormalization(momentum=0.9)(more)
    seen = layers.Activation("relu")(layers.Add()([seen, more]))
    seen = layers.Flatten()(layers.MaxPooling2D()(seen))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(seen))
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(AdamW(0.002, weight_decay=0.004), smoothed, metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], labels[1400:])


PROGRAMS = [
    ten_digits_one_unit,
    money_in_and_out,
    rate_cut_too_early,
    words_and_then_nothing,
    questions_by_language,
    digits_upside_down,
    switches_and_load,
]
SOUND = [
    back_in_a_month,
    price_of_a_used_car,
    warmth_of_the_next_hour,
    digits_with_smoothed_labels,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
