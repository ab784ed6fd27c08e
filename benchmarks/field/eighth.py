"""Thirteen field programs about what people ask most often, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. Five are sound, two of which reach
what their noisy data allow: nothing is to be blamed, see sound.py.

    python -m benchmarks.field.eighth
    python benchmarks/diagnosis.py --programs eighth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.optimizers import Adadelta, Adam

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

# ---- eight with a cause ----


def reviews(random, count, words=300, longest=30):
    """Numbers of words (count, longest), 0 behind the last, and 1 where good words outweigh bad."""
    worth = np.zeros(words + 1)
    worth[random.permutation(words)[:150] + 1] = random.normal(size=150)
    texts = random.integers(1, words + 1, (count, longest))
    lengths = random.integers(12, longest + 1, (count, 1))
    texts[np.arange(longest) >= lengths] = 0
    return texts, (worth[texts].sum(axis=1) > 0).astype("float32")


@case(
    source="https://github.com/keras-team/keras/issues/14496",
    cause="numbers of words enter a Dense layer as amounts: word 200 is not twice word 100",
    causes="preprocessing layers data",
    evidence=r"integer|whole number|\bids?\b|index|indices|\bwords?\b|token|categor|embedding|code",
    repair={"encoding": "embedding"},
    advice={
        r"multi.?hot|one.?hot|bag of words|count (the|each)": {"encoding": "multi_hot"},
        r"embedding": {"encoding": "embedding"},
        r"mask": {},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on validation",
    good=0.8,
)
def reviews_as_numbers(
    seed,
    callbacks,
    encoding="numbers",
    scaled=False,
    epochs=15,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell good reviews from bad ones: padded rows of word numbers, and hardly above chance."""
    x, y = reviews(start(seed), 4000)
    hidden = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential([keras.Input((30,))])
    if encoding == "embedding":
        model.add(layers.Embedding(301, 16, mask_zero=True))
        model.add(layers.GlobalAveragePooling1D())
    elif encoding == "multi_hot":
        model.add(layers.CategoryEncoding(301, output_mode="multi_hot"))
    elif scaled:
        x = standardized(x)
    model.add(layers.Dense(units, **hidden))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(16, **hidden))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[3000:], y[3000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:3000], y[:3000], batch_size=32, epochs=epochs, **options)
    return float(np.mean((model.predict(x[3000:], verbose=0)[:, 0] > 0.5) == y[3000:]))


@case(
    source="https://github.com/keras-team/keras/issues/13815",
    cause="Adadelta's learning rate is 0.001 by default, a thousandth of what its paper has",
    causes="learning_rate optimizer epochs",
    evidence=r"adadelta|learning rate|slow|hardly|barely|small|tiny|still (fall|improv)|updates",
    repair={"learning_rate": 1.0},
    advice={
        r"adadelta.{0,60}(= ?1\b|= ?1\.0|of 1\b|1\.0)|(hundred|thousand|1000|100) times": {
            "learning_rate": 1.0
        },
        r"\badam\b|\badam\(": {"optimizer": Adam, "learning_rate": 0.001},
        "longer": {"epochs": 40},
        "wider": {"filters": 64},
        "usual": {"optimizer": Adam, "learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {"standardized": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on validation",
    good=0.9,
)
def digits_by_adadelta(
    seed,
    callbacks,
    optimizer=Adadelta,
    learning_rate=0.001,
    standardized=False,
    epochs=15,
    filters=16,
    dropout=0.25,
    initializer="glorot_uniform",
):
    """Run an old example with a newer version: it was at 99 %, now it creeps up from chance."""
    start(seed)
    x, y = digits(seed)
    if standardized:
        x = (x - x.mean()) / x.std()
    y = keras.utils.to_categorical(y, 10)
    settings = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential()
    model.add(keras.Input((8, 8, 1)))
    model.add(layers.Conv2D(filters, 3, **settings))
    model.add(layers.Conv2D(2 * filters, 3, **settings))
    model.add(layers.MaxPooling2D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Flatten())
    model.add(layers.Dense(64, **settings))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(
        loss="categorical_crossentropy",
        optimizer=optimizer(learning_rate=learning_rate),
        metrics=["accuracy"],
    )
    options = {"validation_data": (x[1300:], y[1300:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1300], y[:1300], batch_size=32, epochs=epochs, **options)
    return accuracy(model, x[1300:], y[1300:].argmax(axis=1))


@case(
    source="https://isolution.pro/pt/q/so72646307/normalizacao-de-lote-quando-o-tamanho-do-lote-1",
    cause="BatchNormalization of batches of one row: what it passes on is the same for all rows",
    causes="batch_size layers",
    evidence=r"batch.?norm|batch.?size|(one|1|single) (row|example|sample)|batch(es)? of (1|one)\b|"
    r"moving (average|mean|variance)|variance.{0,20}0",
    repair={"batch_size": 8},
    advice={
        r"layer.?norm|group.?norm": {"normalization": layers.LayerNormalization},
        r"(remove|without|drop|leave out|instead of).{0,40}batch.?norm": {"normalization": None},
        r"momentum": {"momentum": 0.9},
        r"batch.?size|larger batch|batches of": {"batch_size": 8},
        "longer": {"epochs": 15},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"standardized": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on validation",
    good=0.8,
)
def batches_of_one(
    seed,
    callbacks,
    batch_size=1,
    normalization=layers.BatchNormalization,
    momentum=0.99,
    standardized=False,
    epochs=5,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Update after every row, as in a book: the same network learnt with larger batches."""
    start(seed)
    images, labels = digits(seed)
    x = images.reshape(-1, 64)
    if standardized:
        x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3)
    inputs = keras.Input((64,))
    hidden = inputs
    for width in (units, 24):
        hidden = layers.Dense(width, kernel_initializer=initializer)(hidden)
        if normalization is layers.BatchNormalization:
            hidden = normalization(momentum=momentum)(hidden)
        elif normalization is not None:
            hidden = normalization()(hidden)
        hidden = layers.Activation("relu")(hidden)
        hidden = layers.Dropout(dropout)(hidden)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(hidden))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[600:900], labels[600:900]), "callbacks": callbacks}
    model.fit(x[:600], labels[:600], batch_size, epochs, 0, **options)
    return accuracy(model, x[600:], labels[600:])


def patients(random, count):
    """Twenty columns (count, 20), of which five tell how likely it is that the label is 1."""
    x = random.normal(size=(count, 20)).astype("float32")
    odds = x[:, :5] @ [1.2, -1.0, 0.9, 0.8, -0.7]
    return x, (random.uniform(size=count) < 1 / (1 + np.exp(-odds))).astype("float32")


def deviance_explained(labels, probabilities):
    """Share of the deviance of 0 and 1 that probabilities explain, below 0 if worse than none."""
    guess = np.clip(probabilities, 1e-6, 1 - 1e-6)
    loss = -np.mean(labels * np.log(guess) + (1 - labels) * np.log(1 - guess))
    share = labels.mean()
    return float(1 + loss / (share * np.log(share) + (1 - share) * np.log(1 - share)))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/59279",
    cause="`shuffle` before `take` and `skip` deals anew in each epoch: all rows are trained on",
    causes="data preprocessing",
    evidence=r"leak|overlap|reshuffl|shared|(same|identical|training) rows|duplicate|"
    r"(differ|change|other|new|not the same).{0,40}(each|every|time|epoch|iteration|pass)|"
    r"validation.{0,60}(contain|seen|trained on)",
    repair={"reshuffled": False},
    advice={
        r"reshuffle|leak|overlap|(take|skip)\b|(split|separate|divide).{0,60}(before|first|once|rows)|"
        r"disjoint|shuffle.{0,40}after|(same|training) rows": {"reshuffled": False},
        r"early.?stopping|best (epoch|weights)|patience": {},
        r"fewer (units|layers)|smaller (network|model)": {"units": 8},
        r"more (data|rows)": {"rows": 1200},
        "longer": {"epochs": 120},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
    },
    metric="deviance explained on rows of another year",
    good=0.15,
)
def dealt_anew(
    seed,
    callbacks,
    reshuffled=True,
    rows=450,
    epochs=60,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
):
    """Predict from twenty columns: validation gets ever better, and in the field it is poor."""
    random = start(seed)
    x, y = patients(random, rows)
    later, outcome = patients(random, 2000)
    table = tf.data.Dataset.from_tensor_slices((x, y))
    table = table.shuffle(rows, seed=seed, reshuffle_each_iteration=reshuffled)
    held_out = rows // 3
    validation = table.take(held_out).batch(50)
    training = table.skip(held_out).shuffle(rows, seed=seed).batch(32)
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(units // 2, "relu"),
            layers.Dropout(dropout),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=12, restore_best_weights=True)
    options = {"validation_data": validation, "callbacks": [*callbacks, stop], "verbose": 0}
    model.fit(training, epochs=epochs, **options)
    return deviance_explained(outcome, model.predict(later, verbose=0)[:, 0])


def sales(random, count):
    """Twelve columns (count, 12) of a shop's days and how many were sold, nothing on many days."""
    x = random.normal(size=(count, 12)).astype("float32")
    demand = 12 + 14 * x[:, 0] + 8 * x[:, 1] * (x[:, 2] > 0) + 5 * np.abs(x[:, 3])
    return x, np.maximum(demand + random.normal(size=count), 0).round().astype("float32")


@case(
    source="https://stackoverflow.com/questions/49729522/",
    cause="percentage errors are divided by targets, and those of 0 outweigh all others",
    causes="loss data preprocessing",
    evidence=r"percentage|mape|zero|\b0s?\b|relative|divid|huge|\de\+?\d|millions",
    repair={"loss": "mean_absolute_error"},
    advice={
        r"log1p|logarithm|\blog\b": {"targets": "log"},
        r"targets?.{0,50}(scale|standard|normal)|(scale|standard|normal)\w* .{0,30}target": {
            "targets": "standardized"
        },
        r"(leave out|remove|drop|without|filter).{0,60}(zero|0)": {"targets": "positive"},
        r"absolute_error|\bmae\b|huber|absolute error|percentage|mape": {
            "loss": "mean_absolute_error"
        },
        "longer": {"epochs": 60},
        "wider": {"units": 192},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "relu": {"activation": "relu"},
    },
    metric="R² on validation",
    good=0.7,
)
def percent_of_nothing(
    seed,
    callbacks,
    loss="mean_absolute_percentage_error",
    targets="raw",
    epochs=20,
    units=64,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
    activation=None,
):
    """Forecast sales and ask for small percentage errors: the forecast is nothing, everywhere."""
    x, sold = sales(start(seed), 2500)
    rows = np.arange(2000)
    y, unit = sold, 1.0
    if targets == "log":
        y = np.log1p(sold)
    elif targets == "standardized":
        unit = sold[:2000].std()
        y = (sold - sold[:2000].mean()) / unit
    elif targets == "positive":
        rows = rows[sold[:2000] > 0]
    hidden = {"activation": "relu", "kernel_initializer": initializer}
    inputs = keras.Input((12,))
    features = layers.Dense(units, **hidden)(inputs)
    features = layers.Dropout(dropout)(features)
    features = layers.Dense(32, **hidden)(features)
    model = keras.Model(inputs, layers.Dense(1, activation, name="sold")(features))
    model.compile(optimizer=Adam(learning_rate), loss=loss, metrics=["mae"])
    options = {"validation_data": (x[2000:], y[2000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[rows], y[rows], batch_size=32, epochs=epochs, **options)
    guess = model.predict(x[2000:], verbose=0)[:, 0]
    if targets == "log":
        guess = np.expm1(guess)
    elif targets == "standardized":
        guess = guess * unit + sold[:2000].mean()
    return r_squared(sold[2000:], guess)


@case(
    source="https://stats.stackexchange.com/questions/338923/"
    "lstm-nn-produces-shifted-forecast-low-quality-result",
    cause="windows of three hours do not hold what recurs after 24: no input tells that it is due",
    causes="data preprocessing layers",
    evidence=r"window|history|\blags?\b|\bpast\b|steps|look.?back|season|period|inform|"
    r"inputs?.{0,60}(tell|determine|explain|say|hold|suffice|enough)|(alike|similar|equal) inputs",
    repair={"window": 24},
    advice={
        r"window|history|look.?back|more (steps|lags|past)|longer (sequence|input)|season|period": {
            "window": 24
        },
        r"hour|calendar|time of day|more (columns|features|inputs)|inputs that": {"hours": True},
        r"lstm|gru|recurrent": {"recurrent": True},
        "longer": {"epochs": 40},
        "wider": {"filters": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on the last days",
    good=0.7,
)
def three_hours(
    seed,
    callbacks,
    window=3,
    hours=False,
    recurrent=False,
    epochs=15,
    filters=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Forecast the next hour's load of a server: a nearly flat line that misses every peak."""
    random = start(seed)
    hour = np.arange(24 * 110) % 24
    load = 0.2 + 0.5 * np.isin(hour, [3, 4, 11, 20]) * random.uniform(0.7, 1.3, len(hour))
    load = load + 0.06 * random.normal(size=len(hour))
    series = ((load - load.mean()) / load.std())[:, None]
    if hours:
        series = np.concatenate([series, np.eye(24)[(hour + 1) % 24]], axis=1)

    def windows(begin, end, shuffle):
        return keras.utils.timeseries_dataset_from_array(
            series[begin : end - 1],
            series[begin + window : end, 0],
            sequence_length=window,
            batch_size=32,
            shuffle=shuffle,
            seed=seed,
        )

    split = 24 * 90
    settings = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential([keras.Input((window, series.shape[1]))])
    if recurrent:
        model.add(layers.LSTM(filters))
    else:
        model.add(layers.Conv1D(filters, 3, padding="same", **settings))
        model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(32, **settings))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    last_days = windows(split, len(series), False)
    options = {"validation_data": last_days, "callbacks": callbacks, "verbose": 0}
    model.fit(windows(0, split, True), epochs=epochs, **options)
    guess = model.predict(last_days, verbose=0)[:, 0]
    return r_squared(series[split + window :, 0], guess)


def extractor(initializer="glorot_uniform"):
    """Sixteen features of an image of 8 x 8 pixels, by two convolutions."""
    settings = {"activation": "relu", "kernel_initializer": initializer}
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, **settings),
            layers.Conv2D(16, 3, **settings),
            layers.GlobalMaxPooling2D(),
            layers.Dense(16, **settings),
        ]
    )


@case(
    source="https://github.com/keras-team/keras/issues/9683",
    cause="weights are looked up by names that differ: none is found, the frozen base is random",
    causes="layers initialization",
    evidence=r"frozen|freez|not? .{0,20}train|random|initial|pre.?trained|untrained|"
    r"weights.{0,40}(load|name|start)",
    repair={"by_name": False},
    advice={
        r"(load|transfer|restore|copy|copied).{0,60}weights|weights.{0,40}(load|name)|by.?name|"
        r"pre.?trained": {"by_name": False},
        r"unfreeze|trainable ?=|frozen|thaw|fine.?tune": {"frozen": False},
        "longer": {"epochs": 120},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on rows of the new task",
    good=0.78,
)
def weights_by_name(
    seed,
    callbacks,
    by_name=True,
    frozen=True,
    epochs=40,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Put a new head on a base that knows digits: one hundred rows ought to do, and do not."""
    start(seed)
    x, y = digits(seed)
    base = extractor()
    teacher = keras.Sequential([base, layers.Dense(10, "softmax")])
    teacher.compile(Adam(0.005), "sparse_categorical_crossentropy")
    teacher.fit(x[:1000], y[:1000], epochs=15, verbose=0)
    saved = {layer.name: layer.get_weights() for layer in base.layers}

    base = extractor(initializer)
    if by_name:
        for layer in base.layers:
            if saved.get(layer.name):
                layer.set_weights(saved[layer.name])
    else:
        for layer, weights in zip(base.layers, saved.values(), strict=True):
            layer.set_weights(weights)
    base.trainable = not frozen
    group = y % 3
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            base,
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1100:1300], group[1100:1300]), "callbacks": callbacks}
    model.fit(x[1000:1100], group[1000:1100], 16, epochs, 0, **options)
    return accuracy(model, x[1100:], group[1100:])


@case(
    source="https://newbedev.com/"
    "improve-real-life-results-of-neural-network-trained-with-mnist-dataset",
    cause="digits to learn from are light on dark, one's own drawings are dark on light",
    causes="data preprocessing",
    evidence=r"invert|negative|bright|dark|light|distribut|differ|mismatch|shift|"
    r"\bmeans?\b|outside|unlike",
    repair={"inverted": True},
    advice={
        r"invert|1 - |negative|dark|prepar\w* .{0,60}(same|alike)|"
        r"(same|alike) .{0,40}(prepar|preprocess|prepro|scal)": {"inverted": True},
        r"(collect|add|mix|include|train on|label).{0,80}(rows|images|data|examples)": {
            "own_rows": True
        },
        r"augment": {"augmented": True},
        "longer": {"epochs": 40},
        "wider": {"filters": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"standardized": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on one's own drawings",
    good=0.8,
)
def own_drawings(
    seed,
    callbacks,
    inverted=False,
    own_rows=False,
    augmented=False,
    standardized=False,
    epochs=12,
    filters=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn digits of a public set, and try them on one's own drawings: nearly all are wrong."""
    random = start(seed)
    x, y = digits(seed)
    drawings, drawn = 1 - x[1200:], y[1200:]
    drawings = np.clip(drawings + 0.05 * random.normal(size=drawings.shape), 0, 1)
    x, y = x[:1200], y[:1200]
    if inverted:
        drawings = 1 - drawings
    if own_rows:
        x, y = np.concatenate([x, drawings[:200]]), np.concatenate([y, drawn[:200]])
    if standardized:
        drawings = (drawings - x.mean()) / x.std()
        x = (x - x.mean()) / x.std()
    settings = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential([keras.Input((8, 8, 1))])
    if augmented:
        model.add(layers.RandomTranslation(0.1, 0.1, fill_mode="constant"))
        model.add(layers.RandomRotation(0.05, fill_mode="constant"))
    model.add(layers.Conv2D(filters, 3, **settings))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(64, **settings))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    own = (drawings[200:400], drawn[200:400])
    model.fit(x, y, 32, epochs, 0, callbacks, validation_data=own)
    return accuracy(model, drawings[200:], drawn[200:])


# ---- five that are sound ----


@sound(
    source="https://answerofmath.com/solved-lstm-nn-produces-shifted-forecast-low-quality-result/",
    metric="R² against the demand without its noise",
    good=0.75,
)
def noisy_demand(seed, callbacks):
    """Forecast daily demand: the forecast is smoother than the days, as noise is not foreseen."""
    random = start(seed)
    day = np.arange(3000)
    week = np.array([-0.6, -0.4, -0.2, 0.1, 0.6, 1.0, -0.5])
    expected = week[day % 7] + 0.5 * np.sin(2 * np.pi * day / 365)
    series = (expected + 0.8 * random.normal(size=len(day))).astype("float32")
    past = np.lib.stride_tricks.sliding_window_view(series, 21)[:-1]
    x = np.concatenate([past, np.eye(7, dtype="float32")[day[21:] % 7]], axis=1)
    y, truth = series[21:], expected[21:]
    model = keras.Sequential(
        [
            keras.Input((28,)),
            layers.Dense(16, "relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.002), "mse", metrics=["mae"])
    stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    options = {"validation_data": (x[2200:], y[2200:]), "callbacks": [*callbacks, stop]}
    model.fit(x[:2200], y[:2200], 64, 40, 0, **options)
    return r_squared(truth[2200:], model.predict(x[2200:], verbose=0)[:, 0])


@sound(
    source="http://pullrequest.ru/10498683/vysokii-auc-plohie-prognozy-nesbalansirovannymi-dannymi",
    metric="correlation of predicted and true log odds",
    good=0.8,
)
def click_rates(seed, callbacks):
    """Tell how likely a click is, 8 % on average: the loss hardly falls, the probabilities fit."""
    random = start(seed)
    count = 12000
    advert = random.integers(0, 20, count)
    user = random.normal(size=(count, 4)).astype("float32")
    odds = -2.9 + random.normal(size=20)[advert] * 0.7 + user @ [0.6, -0.4, 0.3, 0.0]
    clicked = (random.uniform(size=count) < 1 / (1 + np.exp(-odds))).astype("float32")
    x = {"advert": advert, "user": user}
    number = keras.Input((), name="advert", dtype="int32")
    columns = keras.Input((4,), name="user")
    features = layers.Concatenate()([layers.Embedding(20, 4)(number), columns])
    features = layers.Dense(16, "relu")(features)
    model = keras.Model([number, columns], layers.Dense(1, "sigmoid", name="click")(features))
    model.compile(Adam(0.002), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    split = 9000
    training = {name: values[:split] for name, values in x.items()}
    held_out = {name: values[split:] for name, values in x.items()}
    options = {"validation_data": (held_out, clicked[split:]), "callbacks": callbacks}
    model.fit(training, clicked[:split], 64, 8, 0, **options)
    guess = np.clip(model.predict(held_out, verbose=0)[:, 0], 1e-6, 1 - 1e-6)
    return float(np.corrcoef(np.log(guess / (1 - guess)), odds[split:])[0, 1])


class Accumulated(keras.Model):
    """Sum the gradients of `steps` batches, then update by their mean and begin anew."""

    def __init__(self, *args, steps, **options):
        super().__init__(*args, **options)
        self.steps = steps
        self.seen = tf.Variable(0, trainable=False)
        self.sums = [
            tf.Variable(tf.zeros(w.shape), trainable=False) for w in self.trainable_weights
        ]

    def train_step(self, data):
        """One step on rows and labels; every `steps`-th updates the weights."""
        x, y = data
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs)
        gradients = tape.gradient(loss, self.trainable_weights)
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign_add(gradient / self.steps)
        self.seen.assign_add(1)
        tf.cond(self.seen % self.steps == 0, self.update, lambda: None)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, outputs)
        return {metric.name: metric.result() for metric in self.metrics}

    def update(self):
        """Update by the sums, and set these to 0."""
        self.optimizer.apply(list(self.sums), self.trainable_weights)
        for total in self.sums:
            total.assign(tf.zeros_like(total))


@sound(
    source="https://github.com/tensorflow/tensorflow/issues/47578",
    metric="accuracy on validation",
    good=0.9,
)
def gradients_of_four(seed, callbacks):
    """Update once in four small batches, by a train step of one's own: memory is short."""
    start(seed)
    x, y = digits(seed)
    inputs = keras.Input((8, 8, 1))
    features = layers.Conv2D(16, 3, activation="relu")(inputs)
    features = layers.Flatten()(layers.MaxPooling2D()(features))
    features = layers.Dense(48, "relu")(features)
    model = Accumulated(inputs, layers.Dense(10, "softmax")(features), steps=4)
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1200:], y[1200:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1200], y[:1200], batch_size=16, epochs=15, **options)
    return accuracy(model, x[1200:], y[1200:])


class Shifted(keras.utils.PyDataset):
    """Batches of images (N, 8, 8, 1), each moved by up to one pixel, in a new order each epoch."""

    def __init__(self, images, labels, batch_size, seed):
        super().__init__()
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self.random = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        padded = np.pad(self.images[rows], ((0, 0), (1, 1), (1, 1), (0, 0)))
        down, right = self.random.integers(0, 3, 2)
        return padded[:, down : down + 8, right : right + 8], self.labels[rows]

    def on_epoch_end(self):
        """Draw the order of the next epoch."""
        self.order = self.random.permutation(len(self.images))


@sound(
    source="https://stats.stackexchange.com/questions/478017/"
    "what-could-be-the-reasons-that-making-validation-loss-jumping-up-and-down",
    metric="accuracy on 1,400 images more",
    good=0.88,
)
def thirty_to_validate(seed, callbacks):
    """Few images, moved at random, and thirty to validate: their score jumps, and all is well."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    images = Shifted(x[:360], y[:360], 32, seed)
    options = {"validation_data": (x[360:390], y[360:390]), "callbacks": callbacks, "verbose": 0}
    model.fit(images, epochs=30, **options)
    return accuracy(model, x[390:], y[390:])


def gaussian(targets, outputs):
    """Negative log likelihood of targets (N, 1) by means and log deviations (N, 2)."""
    mean, log_deviation = outputs[:, :1], outputs[:, 1:]
    return ops.mean(log_deviation + 0.5 * ops.square((targets - mean) * ops.exp(-log_deviation)))


@sound(
    source="https://github.com/cpmpercussion/keras-mdn-layer/issues/26",
    metric="correlation of predicted and true log deviations",
    good=0.8,
)
def width_of_errors(seed, callbacks):
    """Predict a value and how far it may be off: the loss falls below 0, and that is right."""
    random = start(seed)
    x = random.uniform(-1, 1, (3000, 3)).astype("float32")
    log_deviation = -2.2 + 1.2 * x[:, 1]
    mean = np.sin(2 * x[:, 0]) / 2 + 0.3 * x[:, 2]
    y = (mean + np.exp(log_deviation) * random.normal(size=3000)).astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(32, "tanh"),
            layers.Dense(32, "tanh"),
            layers.Dense(2, name="mean_and_log_deviation"),
        ]
    )
    model.compile(Adam(0.003), gaussian)
    options = {"validation_data": (x[2400:], y[2400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2400], y[:2400], batch_size=64, epochs=25, **options)
    guess = model.predict(x[2400:], verbose=0)[:, 1]
    return float(np.corrcoef(guess, log_deviation[2400:])[0, 1])


PROGRAMS = [
    reviews_as_numbers,
    digits_by_adadelta,
    batches_of_one,
    dealt_anew,
    percent_of_nothing,
    three_hours,
    weights_by_name,
    own_drawings,
]
SOUND = [noisy_demand, click_rates, gradients_of_four, thirty_to_validate, width_of_errors]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
