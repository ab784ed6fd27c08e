"""Fourteen more field programs, of tables and sequences, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twenty_third
    python benchmarks/diagnosis.py --programs twenty_third
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
from sklearn import datasets
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.field._program import (
    accuracy,
    case,
    main,
    one_hot,
    r_squared,
    sound,
    standardized,
    start,
)


@case(
    source="https://community.deeplearning.ai/t/loss-values-do-not-change/324182",
    cause="relu on the output cannot answer the negative half of the targets; a linear one can",
    causes="activation",
    evidence=r"relu|negative|below (0|zero)|less than (0|zero)|(never|not|cannot|can't)[\s\S]{0,40}"
    r"(reach|cover|produce|go below|answer|output)|out of (reach|range)|outside[\s\S]{0,40}range|"
    r"range of the (output|activation|last)|output[\s\S]{0,60}(range|bounded|limit|clip|cut|at 0)|"
    r"last (layer|activation)|dead|always (0|zero)",
    repair={"activation": "linear"},
    advice={
        r"linear|(no|without|remove|drop)[\s\S]{0,20}activation|activation=None": {
            "activation": "linear"
        },
        r"leaky": {"activation": "leaky_relu"},
        r"shift|non-?negative|positive targets|scale the targets to (0|\[0)": {"shift": True},
        "longer": {"epochs": 180},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "sigmoid": {"activation": "sigmoid"},
        "softmax": {"activation": "softmax"},
        "relu": {},
    },
    metric="R² at held-out points of the line",
    good=0.95,
)
def line_that_starts_below_zero(
    seed,
    callbacks,
    activation="relu",
    shift=False,
    scaled=False,
    epochs=60,
    units=32,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn y = 2x - 1 from a handful of points: the loss soon sticks at one value."""
    random = start(seed)
    x = random.uniform(-4, 4, (240, 1)).astype("float32")
    y = 2 * x - 1
    lowest = y[:40].min() if shift else 0.0
    mean, deviation = (x[:40].mean(), x[:40].std()) if scaled else (0.0, 1.0)
    x = (x - mean) / deviation

    inputs = keras.Input((1,))
    hidden = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    hidden = layers.Dropout(dropout)(hidden)
    hidden = layers.Dense(16, activation="relu", kernel_initializer=initializer)(hidden)
    model = keras.Model(inputs, layers.Dense(1, activation=activation)(hidden))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(x[:40], y[:40] - lowest, 8, epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[40:, 0], model.predict(x[40:], verbose=0)[:, 0] + lowest)


@case(
    source="https://stackoverflow.com/questions/52800582/"
    "why-do-i-fail-to-predict-y-x4-with-keras-y-x3-works",
    cause="inputs of 100 saturate the sigmoid and targets of 1e8 are out of reach: scale both",
    causes="preprocessing data",
    evidence=r"(target|label|\by\b|output|answer|prediction|loss)s?[\s\S]{0,120}(scale|spread|"
    r"range|large|huge|big|million|magnitude|deviation|e\+?0?[5-9]|standardi[sz]e|normali[sz]e)|"
    r"(input|column|feature|\bx\b)s?[\s\S]{0,100}(scale|spread|range|large|deviation|magnitude|"
    r"standardi[sz]e|normali[sz]e|up to|from -)|saturat|(standardi[sz]e|normali[sz]e|scale)",
    repair={"scaled_inputs": True, "scaled_targets": True},
    advice={
        r"(inputs?|\bx\b|features?|columns?)[\s\S]{0,40}\band\b[\s\S]{0,20}(targets?|\by\b|labels?)|"
        r"(targets?|\by\b|labels?)[\s\S]{0,40}\band\b[\s\S]{0,20}(inputs?|\bx\b|features?)": {
            "scaled_inputs": True,
            "scaled_targets": True,
        },
        r"target|label|\by\b|y_train|TransformedTarget|log1?p?\(": {"scaled_targets": True},
        "longer": {"epochs": 75},
        "wider": {"units": 200},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled_inputs": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {"activation": "relu"},
    },
    metric="R² at held-out points of the curve",
    good=0.9,
)
def fourth_power(
    seed,
    callbacks,
    scaled_inputs=False,
    scaled_targets=False,
    activation="sigmoid",
    epochs=25,
    units=50,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn y = x⁴ between -100 and 100: the loss is astronomical and stays so."""
    random = start(seed)
    x = random.uniform(-100, 100, (1000, 1)).astype("float32")
    y = x**4
    middle, width = (x[:700].mean(), x[:700].std()) if scaled_inputs else (0.0, 1.0)
    mean, deviation = (y[:700].mean(), y[:700].std()) if scaled_targets else (0.0, 1.0)
    inputs, targets = (x - middle) / width, (y - mean) / deviation

    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(units, activation=activation, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(20, activation="elu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(inputs[:700], targets[:700]),
        validation_data=(inputs[700:800], targets[700:800]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(inputs[800:], verbose=0) * deviation + mean
    return r_squared(y[800:, 0], guess[:, 0])


@case(
    source="https://www.52sbl.cn/discussion/115307.html",
    cause="softmax of a single unit is always 1; sigmoid repairs it",
    causes="activation layers",
    evidence=r"softmax|sigmoid|(one|single|\b1\b) (\w+ )?(unit|output|neuron|node|column)|"
    r"(output|prediction|answer|probabilit)[\s\S]{0,80}(always|constant|same|all|exactly) "
    r"[\s\S]{0,20}(1\b|one|value|number)?|(no|without|zero|vanish\w*) gradients?|"
    r"gradients?[\s\S]{0,60}(zero|\b0\b|vanish|none)|sums? to (1|one)",
    repair={"activation": "sigmoid"},
    advice={
        r"\bsigmoid\b": {"activation": "sigmoid"},
        r"(two|2) (units|outputs|neurons)|one unit per class|Dense\(2|sparse_categorical": {
            "per_class": True
        },
        "longer": {"epochs": 16},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "softmax": {},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
    },
    metric="accuracy on held-out film reviews",
    good=0.85,
)
def films_all_liked(
    seed,
    callbacks,
    activation="softmax",
    per_class=False,
    loss="binary_crossentropy",
    epochs=6,
    units=12,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell liked from disliked films by their reviews: accuracy is 50% in every epoch."""
    random = start(seed)
    rows, length = 2000, 30
    y = random.integers(0, 2, rows)
    words = random.integers(60, 400, (rows, length))
    told = random.random((rows, length)) < 0.2
    words[told] = (random.integers(1, 31, (rows, length)) + 29 * y[:, None])[told]
    starts = random.integers(0, 16, rows)
    words[np.arange(length) < starts[:, None]] = 0

    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(400, 8),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
        ]
    )
    if per_class:
        model.add(layers.Dense(2, activation="softmax"))
        model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    else:
        model.add(layers.Dense(1, activation=activation))
        model.compile(Adam(learning_rate), loss, metrics=["accuracy", "binary_accuracy"])
    model.fit(
        *(words[:1400], y[:1400]),
        validation_split=0.1,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(words[1400:], verbose=0)[:, -1] > 0.5
    return float(np.mean(guess == y[1400:]))


@case(
    source="https://datascience.stackexchange.com/questions/47720/"
    "validation-loss-increases-and-validation-accuracy-decreases",
    cause="overfitting: words are learned by heart; dropout and the best epoch's weights repair it",
    causes="layers epochs data",
    evidence=r"over-?fit|memori[sz]|by heart|generali[sz]|val(idation)?[_ ]?loss[\s\S]{0,80}(ris|"
    r"increas|grow|best|higher|lowest|worse|up)|(gap|differ)[\s\S]{0,60}(training|validation)|"
    r"training[\s\S]{0,80}(better|lower|higher|above|below|than)[\s\S]{0,40}validation|"
    r"validation[\s\S]{0,80}(worse|above|higher|lower|below|than)[\s\S]{0,40}training|"
    r"best epoch|too many (weights|parameters|epochs)|too few (rows|samples|examples)",
    repair={"dropout": 0.4, "patience": 2},
    advice={
        r"early.?stop|best (epoch|weights)|restore_best|fewer epochs|stop (earlier|at|after)": {
            "patience": 2
        },
        r"dropout": {"dropout": 0.4, "patience": 2},
        r"weight decay|\bL2\b|regulari[sz]er": {"decay": 0.003},
        r"more (data|rows|examples)": {"rows": 7500},
        r"(smaller|fewer|narrower)[\s\S]{0,30}(network|model|units|weights|layers|embedding)": {
            "units": 8
        },
        "longer": {"epochs": 24},
        "wider": {"units": 100},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 3e-4},
        "faster": {"learning_rate": 0.01},
        "regularized": {"dropout": 0.4, "patience": 2},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="share of the held-out stars' log loss that is explained",
    good=0.15,
)
def stars_of_reviews(
    seed,
    callbacks,
    dropout=0.0,
    patience=None,
    decay=0.0,
    rows=2500,
    epochs=12,
    units=50,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Foretell one to five stars from a review: the validation loss rises after two epochs."""
    random = start(seed)
    vocabulary, length, held_out = 150, 16, 1500
    tone = random.normal(size=vocabulary) * (random.random(vocabulary) < 0.3)
    words = random.integers(0, vocabulary, (rows + held_out, length))
    mood = tone[words].sum(axis=1) + random.normal(0, 0.8, rows + held_out)
    y = np.digitize(mood, np.quantile(mood, [0.2, 0.4, 0.6, 0.8]))
    targets = one_hot(y, 5)

    kept = keras.regularizers.L2(decay) if decay else None
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(vocabulary, units, embeddings_regularizer=kept),
            layers.Dropout(dropout),
            layers.Conv1D(32, 8, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling1D(2),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, activation="relu", kernel_initializer=initializer),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    added = []
    if patience is not None:
        added = [EarlyStopping("val_loss", patience=patience, restore_best_weights=True)]
    checked = slice(rows, rows + 400)
    model.fit(
        *(words[:rows], targets[:rows]),
        validation_data=(words[checked], targets[checked]),
        batch_size=50,
        epochs=epochs,
        callbacks=[*added, *callbacks],
        verbose=0,
    )
    tested = slice(rows + 400, None)
    guess = model.predict(words[tested], verbose=0).astype("float64")
    guess = np.clip(guess, 1e-7, 1)
    guess /= guess.sum(axis=1, keepdims=True)
    return float(1 - log_loss(y[tested], guess, labels=range(5)) / np.log(5))


@case(
    source="https://github.com/keras-team/keras/issues/321",
    cause="softmax on a regression's outputs: they sum to 1 while the targets go from 1 to 10",
    causes="activation",
    evidence=r"softmax|sums? to (1|one)|between 0 and 1|0 (to|and|\.\.) 1|linear|range|bounded|"
    r"(never|not|cannot|can't)[\s\S]{0,40}(reach|cover|produce|exceed|go above|answer|output)|"
    r"out of reach|outside|last (layer|activation)|above (1|one)|larger than (1|one)",
    repair={"activation": "linear"},
    advice={
        r"linear|(no|without|remove|drop)[\s\S]{0,20}activation|activation=None": {
            "activation": "linear"
        },
        "longer": {"epochs": 42},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "softmax": {},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
    },
    metric="R² of the second column's next value, held out",
    good=0.9,
)
def two_saws(
    seed,
    callbacks,
    activation="softmax",
    scaled=False,
    epochs=14,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the next values of two saw-toothed columns: the loss is the same every epoch."""
    random = start(seed)
    step = np.arange(2020)
    saws = np.stack([1 + step % 10, 1 + 9 * (step % 14) / 13], axis=1)
    saws = saws + random.normal(0, 0.15, saws.shape)
    mean, deviation = (saws[:1500].mean(axis=0), saws[:1500].std(axis=0)) if scaled else (0.0, 1.0)
    read = ((saws - mean) / deviation).astype("float32")
    x = np.stack([read[i : i + 20] for i in range(2000)])
    y = saws[20:].astype("float32")

    model = keras.Sequential(
        [
            keras.Input((20, 2)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(2),
            layers.Activation(activation),
        ]
    )
    model.compile(RMSprop(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1500], y[:1500]),
        validation_split=0.05,
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1500:, 1], model.predict(x[1500:], verbose=0)[:, 1])


@case(
    source="https://github.com/keras-team/keras/issues/7724",
    cause="plain SGD at 0.001 hardly moves an LSTM; Adam at an ordinary rate does",
    causes="optimizer learning_rate",
    evidence=r"learning.?rate|\brate\b|\bSGD\b|momentum|\badam\b|(weights?|updates?|steps?|layers?)"
    r"[\s\S]{0,60}(hardly|barely|tiny|small|slow|little|scarcely|not mov)|too slow|"
    r"(hardly|barely|scarcely) (mov|chang|learn|fall)|still (falling|at its start)",
    repair={"optimizer": "adam", "learning_rate": 0.01},
    advice={
        r"\badam\b|rmsprop": {"optimizer": "adam", "learning_rate": 0.01},
        r"(hundred|100) times": {"learning_rate": 0.1},
        r"momentum": {"momentum": 0.9},
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.01, "momentum": 0.9},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.6},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out weeks",
    good=0.78,
)
def ups_and_downs(
    seed,
    callbacks,
    optimizer="sgd",
    learning_rate=0.001,
    momentum=0.0,
    epochs=12,
    units=24,
    dropout=0.3,
    initializer="glorot_uniform",
):
    """Foretell whether a figure falls, stays or rises from others that do: no better than luck."""
    random = start(seed)
    rows, columns = 2600, 15
    x = random.integers(-1, 2, (rows, columns))
    lifted = x.sum(axis=1) + x[:, 12:].sum(axis=1) + random.normal(0, 0.5, rows)
    y = one_hot(np.digitize(lifted, np.quantile(lifted, [1 / 3, 2 / 3])), 3)

    model = keras.Sequential(
        [
            keras.Input((columns,), dtype="int32"),
            layers.Embedding(3, 8),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax"),
        ]
    )
    rule = Adam(learning_rate) if optimizer == "adam" else SGD(learning_rate, momentum=momentum)
    model.compile(rule, "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2000] + 1, y[:2000]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2000:] + 1, y[2000:].argmax(axis=1))


@case(
    source="https://github.com/danielegrattarola/keras-gat/issues/14",
    cause="a paper without words is divided by its sum of 0: NaN inputs make the loss NaN",
    causes="preprocessing data",
    evidence=r"(input|data|feature|column|row|sample|batch|\bx\b|value|example)s?[\s\S]{0,100}"
    r"(\bnans?\b|not a number|missing|not finite|non-?finite|infinit|no numbers?|undefined|0/0)|"
    r"(\bnans?\b|not a number|missing|not finite|non-?finite|infinit\w*|no numbers?)[\s\S]{0,60}"
    r"(in|among|of) (the |your )?(\w+ )?(input|data|feature|column|row|\bx\b|table|sample)|"
    r"divi(ded|sion|de|ding)[\s\S]{0,30}(zero|\b0\b)",
    repair={"filled": True},
    advice={
        r"nan_to_num|isnan|isfinite|\bfill|imput|missing|not finite|non-?finite|"
        r"(drop|remove|clean|replace|look for|find|check)[\s\S]{0,60}(nan|row|input|data|value)|"
        r"divi(ded|sion|de|ding)[\s\S]{0,30}(zero|\b0\b)": {"filled": True},
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.7},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out papers",
    good=0.75,
)
def papers_that_cite(
    seed,
    callbacks,
    filled=False,
    scaled=False,
    epochs=12,
    units=32,
    learning_rate=0.005,
    dropout=0.3,
    initializer="glorot_uniform",
):
    """Sort papers by their words and those of the papers they cite: the loss is nan."""
    random = start(seed)
    papers, vocabulary = 2400, 180
    y = random.integers(0, 6, papers)
    chance = np.full((6, vocabulary), 0.04)
    for topic in range(6):
        chance[topic, topic * 20 : topic * 20 + 25] = 0.16
    words = (random.random((papers, vocabulary)) < chance[y]).astype("float32")
    words[random.choice(papers, 40, replace=False)] = 0
    with np.errstate(invalid="ignore"):
        shares = words / words.sum(axis=1, keepdims=True)
    if filled:
        shares = np.nan_to_num(shares)
    cited = np.stack([random.choice(np.flatnonzero(y == topic), 2) for topic in y])
    astray = random.random(cited.shape) < 0.2
    cited[astray] = random.integers(0, papers, astray.sum())
    x = 10 * np.concatenate([shares, shares[cited].mean(axis=1)], axis=1)
    if scaled:
        x = standardized(x)

    decay = keras.regularizers.L2(5e-4)
    model = keras.Sequential(
        [
            keras.Input((2 * vocabulary,)),
            layers.Dropout(dropout),
            layers.Dense(
                units, activation="elu", kernel_regularizer=decay, kernel_initializer=initializer
            ),
            layers.Dropout(dropout),
            layers.Dense(6, activation="softmax", kernel_regularizer=decay),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", weighted_metrics=["acc"])
    targets = one_hot(y, 6)
    model.fit(
        *(x[:1600], targets[:1600]),
        validation_data=(x[1600:1900], targets[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:])


@case(
    source="https://github.com/keras-team/keras/issues/6004",
    cause="prices of hundreds, neither read nor foretold in a scale that an LSTM can work with",
    causes="preprocessing data",
    evidence=r"(target|label|\by\b|output|input|column|feature|price|value|\bx\b|prediction)s?"
    r"[\s\S]{0,120}(scale|spread|range|large|huge|big|magnitude|deviation|hundred|mean|"
    r"standardi[sz]e|normali[sz]e|far from)|saturat|standardi[sz]e|normali[sz]e|rescal|"
    r"scale the (input|target|data)",
    repair={"scaled": "column"},
    advice={
        r"target|label|\by\b|y_train": {"scaled": "targets"},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": "column"},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the next day's price, held out",
    good=0.85,
)
def price_of_tomorrow(
    seed,
    callbacks,
    scaled="nothing",
    epochs=15,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a share's price from twelve days: the loss is huge, the forecast a flat line."""
    random = start(seed)
    days = 2000
    price, drift = np.zeros(days), random.normal(0, 6, days)
    for day in range(1, days):
        price[day] = 0.98 * price[day - 1] + drift[day]
    price = 480 + price + 25 * np.sin(2 * np.pi * np.arange(days) / 40)
    mean, deviation = price[:1400].mean(), price[:1400].std()
    small = (price - mean) / deviation
    read = small if scaled == "column" else price
    asked = price if scaled == "nothing" else small
    x = np.stack([read[i : i + 12] for i in range(days - 12)])[..., None].astype("float32")
    y = asked[12:].astype("float32")

    model = keras.Sequential(
        [
            keras.Input((12, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1250], y[:1250]),
        validation_data=(x[1250:1400], y[1250:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1400:], verbose=0)[:, 0]
    if scaled != "nothing":
        guess = guess * deviation + mean
    return r_squared(price[1412:], guess)


@sound(
    source="https://openillumi.com/?p=75188",
    metric="R² on held-out flats",
    good=0.85,
)
def rent_of_accuracy_zero(seed, callbacks):
    """Metric: a regression that is right, with an accuracy compiled that stays at 0."""
    random = start(seed)
    x = random.normal(size=(2400, 6)).astype("float32")
    rent = 0.8 * x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + 0.4 * np.abs(x[:, 3]) - 0.3 * x[:, 4]
    y = standardized(rent + random.normal(0, 0.25, 2400))
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.003), "mean_squared_error", metrics=["accuracy"])
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2000:], model.predict(x[2000:], verbose=0)[:, 0])


@sound(
    source="https://datascience.stackexchange.com/questions/77834/"
    "evaluating-a-multi-label-classification-model",
    metric="mean area under the curve of the labels, held out",
    good=0.85,
)
def six_and_twenty_labels(seed, callbacks):
    """Metric: twenty-six rare labels at once, watched by an accuracy meant for one."""
    random = start(seed)
    x = random.normal(size=(5000, 21)).astype("float32")
    odds = 3.0 * x @ random.normal(size=(21, 26)) / np.sqrt(21) - 3.0
    y = (odds + random.logistic(0, 1, odds.shape) > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((21,)),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(26, activation="sigmoid"),
        ]
    )
    model.compile(RMSprop(0.004), "binary_crossentropy", metrics=["categorical_accuracy"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:4000], y[:4000]),
        validation_split=0.2,
        batch_size=64,
        epochs=18,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(roc_auc_score(y[4000:], model.predict(x[4000:], verbose=0), average="macro"))


@sound(
    source="https://chenzhang.org/notes/developer/loss-and-accuracy-get-stuck-in-keras/",
    metric="accuracy on held-out letters",
    good=0.85,
)
def letters_at_a_rate_of_one(seed, callbacks):
    """Rate: SGD at 1.0 on shares of words, which are so small that nothing less would move."""
    random = start(seed)
    rows, vocabulary = 2400, 300
    y = random.integers(0, 4, rows)
    chance = np.ones((4, vocabulary))
    for topic in range(4):
        chance[topic, topic * 40 : topic * 40 + 40] = 2.5
    chance /= chance.sum(axis=1, keepdims=True)
    counts = np.stack([random.multinomial(80, chance[topic]) for topic in y])
    x = (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((vocabulary,)),
            layers.Dense(16, activation="tanh"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(SGD(1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=64,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:])


@sound(
    source="https://stackoverflow.com/questions/79425201",
    metric="accuracy on held-out opinions",
    good=0.7,
)
def opinions_with_borrowed_words(seed, callbacks):
    """Frozen: word vectors stay as borrowed, and an eighth of the labels is wrong."""
    random = start(seed)
    rows, vocabulary, length = 3000, 500, 12
    tone = random.normal(size=vocabulary)
    vectors = random.normal(0, 0.3, (vocabulary, 24)) + np.outer(tone, random.normal(size=24)) / 2
    words = random.integers(1, vocabulary, (rows, length))
    y = np.digitize(tone[words].sum(axis=1), [-1.5, 1.5])
    wrong = random.random(rows) < 0.2
    y[wrong] = random.integers(0, 3, wrong.sum())
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(vocabulary, 24, trainable=False, weights=[vectors]),
            layers.LSTM(16),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(Adam(0.008), "categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    targets = one_hot(y, 3)
    model.fit(
        *(words[:2200], targets[:2200]),
        validation_data=(words[2200:2500], targets[2200:2500]),
        batch_size=64,
        epochs=12,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, words[2500:], y[2500:])


@sound(
    source="https://keras.io/getting_started/faq/"
    "#why-is-my-training-loss-much-higher-than-my-testing-loss",
    metric="accuracy on held-out bottles",
    good=0.9,
)
def wine_behind_half_a_network(seed, callbacks):
    """Dropout: a hundred bottles; half the units are off, so training looks worse than testing."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(178)
    x, y = standardized(x[rows]), y[rows]
    model = keras.Sequential(
        [
            keras.Input((13,)),
            layers.GaussianNoise(0.3),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:100], y[:100]),
        validation_data=(x[100:125], y[100:125]),
        batch_size=16,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[125:], y[125:])


class Stepwise(keras.Model):
    """A model that takes its steps itself: Huber's loss, gradients cut to length 1."""

    def train_step(self, data):
        """Take one step on a batch."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess)
        gradients = tape.gradient(loss, self.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, guess)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
    metric="R² on held-out patients",
    good=0.35,
)
def patients_step_by_step(seed, callbacks):
    """Noise: the diabetes table allows an R² of a half; a custom step, Huber's loss."""
    random = start(seed)
    x, y = datasets.load_diabetes(return_X_y=True)
    rows = random.permutation(442)
    x, y = standardized(x[rows]), standardized(y[rows])
    inputs = keras.Input((10,))
    decay = keras.regularizers.L2(0.003)
    hidden = layers.Dense(16, activation="relu", kernel_regularizer=decay)(inputs)
    outputs = layers.Dense(1, kernel_regularizer=decay)(layers.Dropout(0.2)(hidden))
    model = Stepwise(inputs, outputs)
    model.compile(Adam(0.005), keras.losses.Huber(), metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=10, restore_best_weights=True)
    model.fit(
        *(x[:280], y[:280, None]),
        validation_data=(x[280:340], y[280:340, None]),
        batch_size=16,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[340:], model.predict(x[340:], verbose=0)[:, 0])


PROGRAMS = [
    line_that_starts_below_zero,
    fourth_power,
    films_all_liked,
    stars_of_reviews,
    two_saws,
    ups_and_downs,
    papers_that_cite,
    price_of_tomorrow,
]
SOUND = [
    rent_of_accuracy_zero,
    six_and_twenty_labels,
    letters_at_a_rate_of_one,
    opinions_with_borrowed_words,
    wine_behind_half_a_network,
    patients_step_by_step,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
