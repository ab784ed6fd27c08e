"""Fourteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twenty_fifth
    python benchmarks/diagnosis.py --programs twenty_fifth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adadelta, Adam, RMSprop
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


def sentences(random, y, length, told, lexicon, common, first=1):
    """Word numbers (N, length): a share `told` of words from the label's own `lexicon` words."""
    rows, classes = len(y), int(y.max()) + 1
    own = random.integers(0, lexicon, (rows, length)) + first + lexicon * y[:, None]
    other = random.integers(0, common, (rows, length)) + first + lexicon * classes
    return np.where(random.random((rows, length)) < told, own, other)


@case(
    source="https://github.com/keras-team/keras/issues/3040",
    cause="inputs up to 70 and SGD's rate of 0.001 after every row: each step overshoots, NaN",
    causes="learning_rate preprocessing optimizer data",
    evidence=r"nan\b|not a number|infinit|diverg|overshoot|explod|overflow|not finite|non-finite|"
    r"(learning.?rate|\brate\b|steps?|updates?|gradients?)[\s\S]{0,60}"
    r"(large|high|huge|big|great|too far)|"
    r"(inputs?|features?|columns?|\bx\b)[\s\S]{0,80}(scale|large|range|standardi[sz]|normali[sz])",
    repair={"scaled": True},
    advice={
        r"adam": {"optimizer": "adam"},
        r"clip": {"clipnorm": 1.0},
        r"SGD\(learning_rate=(1e-0?[4-9]|0\.000)": {"learning_rate": 1e-4},
        r"batch.?size|larger batch": {"batch_size": 32},
        r"batch.?norm": {"batch_norm": True},
        "scaled": {"scaled": True},
        "slower": {"learning_rate": 1e-4},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.01},
        "longer": {"epochs": 60},
        "wider": {"units": 32},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out trips",
    good=0.95,
)
def fares_by_distance(
    seed,
    callbacks,
    scaled=False,
    learning_rate=0.001,
    optimizer="sgd",
    clipnorm=None,
    batch_size=1,
    batch_norm=False,
    epochs=15,
    units=0,
    initializer="glorot_uniform",
):
    """Fit a straight line to fares and distances by the simplest network there is: NaN."""
    random = start(seed)
    x = random.uniform(0, 70, (280, 1)).astype("float32")
    y = 2.4 * x[:, 0] + 3 + random.normal(0, 4, 280)
    if scaled:
        x = standardized(x)

    model = keras.Sequential([keras.Input((1,))])
    if batch_norm:
        model.add(layers.BatchNormalization())
    if units:
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dense(1, kernel_initializer=initializer))
    kind = {"sgd": SGD, "adam": Adam}[optimizer]
    model.compile(kind(learning_rate, clipnorm=clipnorm), "mean_squared_error")
    model.fit(
        *(x[:200], y[:200]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[200:], model.predict(x[200:], verbose=0)[:, 0])


@case(
    source="https://community.deeplearning.ai/t/loss-values-do-not-change/324182",
    cause="a ReLU output cannot be negative, as most targets are; it dies",
    causes="activation layers",
    evidence=r"(output|last|final|answer|predict)[\s\S]{0,80}(relu|negative|below (0|zero)|clip|"
    r"dead|dying|never|only positive|range|constant)|negative (targets?|values?|labels?|y)|"
    r"targets?[\s\S]{0,60}(negative|below (0|zero)|less than (0|zero)|< ?0|outside)|"
    r"(dead|dying|died)[\s\S]{0,30}(relu|unit|neuron|output)|"
    r"relu[\s\S]{0,60}(output|last|final|dead|dying|negative)",
    repair={"activation": "linear"},
    advice={
        r"leaky": {"activation": "leaky_relu"},
        r"(no|without|remove|drop)[\s\S]{0,20}activation|activation=.?none": {
            "activation": "linear"
        },
        "linear": {"activation": "linear"},
        "longer": {"epochs": 300},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.001},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {},
        "squared": {},
    },
    metric="R² on held-out points",
    good=0.95,
)
def a_line_mostly_below_zero(
    seed,
    callbacks,
    activation="relu",
    units=8,
    epochs=100,
    learning_rate=0.01,
    scaled=False,
    initializer="glorot_uniform",
):
    """Learn y = 2x - 6 by three small layers: the loss gets stuck, whatever is changed."""
    random = start(seed)
    x = random.uniform(-1, 5, (260, 1)).astype("float32")
    y = 2 * x - 6 + random.normal(0, 0.2, (260, 1))
    if scaled:
        x = standardized(x)

    inputs = keras.Input((1,))
    hidden = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    hidden = layers.Dense(units // 2, activation="relu", kernel_initializer=initializer)(hidden)
    model = keras.Model(inputs, layers.Dense(1, activation=activation)(hidden))
    model.compile(loss=keras.losses.MeanSquaredError(), optimizer=Adam(learning_rate))
    model.fit(x[:160], y[:160], epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[160:, 0], model.predict(x[160:], verbose=0)[:, 0])


@case(
    source="https://stackoverflow.com/questions/52800582/"
    "why-do-i-fail-to-predict-y-x4-with-keras-y-x3-works",
    cause="targets of millions that the small steps never reach, inputs that saturate the sigmoids",
    causes="preprocessing data",
    evidence=r"(targets?|labels?|outputs?|\by\b)[\s\S]{0,100}(scale|large|huge|million|range|"
    r"magnitude|size|standardi[sz]|normali[sz]|deviation|spread|far|mean)|"
    r"(scale|standardi[sz]e|normali[sz]e)[\s\S]{0,40}(targets?|inputs?|data|\by\b|\bx\b)|"
    r"saturat|(inputs?|\bx\b|features?)[\s\S]{0,80}(scale|large|range|standardi[sz]|normali[sz])|"
    r"(too (slow|few|small)|far)[\s\S]{0,60}(reach|target|away)|e\+0?[5-9]",
    repair={"scale_x": True, "scale_y": True},
    advice={
        r"(inputs?|\bx\b|features?)[\s\S]{0,20}(and|,|as well as)[\s\S]{0,20}(targets?|\by\b)|"
        r"(targets?|\by\b)[\s\S]{0,20}(and|,|as well as)[\s\S]{0,20}(inputs?|\bx\b)": {
            "scale_x": True,
            "scale_y": True,
        },
        r"(standardi[sz]|normali[sz]|scale|divide)[\s\S]{0,30}(targets?|labels?|\by\b|outputs?)|"
        r"(targets?|labels?|\by\b)[\s\S]{0,30}(standardi[sz]|normali[sz]|scale|divide|log)|"
        r"y\.mean|y\.std|TransformedTarget": {"scale_y": True},
        "scaled": {"scale_x": True},
        "longer": {"epochs": 120},
        "wider": {"units": 200},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out points",
    good=0.95,
)
def the_fourth_power(
    seed,
    callbacks,
    scale_x=False,
    scale_y=False,
    activation="sigmoid",
    epochs=40,
    units=50,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn the fourth power of a number: the third went so-so, this one does not at all."""
    random = start(seed)
    x = random.uniform(-60, 60, (1600, 1)).astype("float32")
    y = x**4
    if scale_x:
        x = standardized(x)
    if scale_y:
        y = standardized(y)

    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(units, activation=activation, kernel_initializer=initializer),
            layers.Dense(units, activation="elu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_split=0.2,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1100:, 0], model.predict(x[1100:], verbose=0)[:, 0])


@case(
    source="https://www.52sbl.cn/discussion/115307.html",
    cause="softmax of a single output is 1 for every review",
    causes="activation layers loss",
    evidence=r"softmax|(one|single|\b1\b) (\w+ )?(unit|output|neuron|node|column)|"
    r"(outputs?|predict\w*|answers?)[\s\S]{0,60}(constant|always|all|the same|every|equal|"
    r"\b1(\.0+)?\b)|(no|zero|vanish\w*|without) gradients?|"
    r"gradients?[\s\S]{0,40}(zero|\b0\b|vanish|none)|"
    r"(weights?|layers?)[\s\S]{0,60}(never|not (move|change|learn)|unchanged|did not)",
    repair={"activation": "sigmoid"},
    advice={
        r"sparse_categorical|(two|2) (units|outputs)|one unit per class|Dense\(2": {
            "per_class": True
        },
        "sigmoid": {"activation": "sigmoid"},
        "softmax": {},
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
        "binary": {},
        "squared": {"loss": "mean_squared_error"},
        "longer": {"epochs": 20},
        "wider": {"units": 16},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out reviews",
    good=0.85,
)
def reviews_at_fifty_percent(
    seed,
    callbacks,
    activation="softmax",
    loss="binary_crossentropy",
    per_class=False,
    units=2,
    epochs=8,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell kind reviews from unkind ones by a tiny LSTM: 50%, and the loss does not move."""
    random = start(seed)
    y = random.integers(0, 2, 2400)
    x = sentences(random, y, length=24, told=0.25, lexicon=30, common=200)

    model = keras.Sequential(
        [
            keras.Input((24,), dtype="int32"),
            layers.Embedding(261, 4),
            layers.LSTM(units, dropout=dropout, kernel_initializer=initializer),
        ]
    )
    if per_class:
        model.add(layers.Dense(2, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1, activation=activation))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_split=0.05,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1800:], verbose=0)[:, -1] > 0.5) == y[1800:]))


@case(
    source="https://datascience.stackexchange.com/questions/29893/"
    "high-model-accuracy-vs-very-low-validation-accuarcy",
    cause="the rows are sorted by class; validation_split takes the last ones, all of one class",
    causes="data preprocessing",
    evidence=r"shuffl|sorted|(in|by|the) order|ordered|validation_split|last (rows|samples|part|"
    r"examples|\d+)|(validation|held)[\s\S]{0,100}(one|single|other|different|another|only|"
    r"distribut|share|proportion|class)|(one|single) class|class(es)?[\s\S]{0,80}(balance|"
    r"imbalance|share|rare|differ|distribut|proportion|few)|imbalance|"
    r"permut|stratif|not (drawn )?from the same",
    repair={"shuffled": True},
    advice={
        r"shuffl|permut|stratif|random (order|split)|train_test_split|mix": {"shuffled": True},
        r"class_weight|(re)?weight|oversampl|balanc": {"weighted": True},
        "longer": {"epochs": 15},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="balanced accuracy on held-out tweets",
    good=0.92,
)
def tweets_file_after_file(
    seed,
    callbacks,
    shuffled=False,
    weighted=False,
    epochs=5,
    units=32,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell good from bad tweets out of two files: fine in training, awful in validation."""
    random = start(seed)
    y = np.repeat([1, 0], [1355, 645])
    new = random.integers(0, 2, 800)
    x = sentences(random, y, length=16, told=0.25, lexicon=60, common=300)
    new_x = sentences(random, new, length=16, told=0.25, lexicon=60, common=300)
    if shuffled:
        rows = random.permutation(2000)
        x, y = x[rows], y[rows]

    model = keras.Sequential(
        [
            keras.Input((16,), dtype="int32"),
            layers.Embedding(421, 24),
            layers.Conv1D(32, 3, padding="same", activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    share = float(np.mean(y[:1400]))
    model.fit(
        *(x, y),
        validation_split=0.3,
        epochs=epochs,
        class_weight={0: 0.5 / (1 - share), 1: 0.5 / share} if weighted else None,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(new_x, verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(new, guess))


@case(
    source="https://datascience.stackexchange.com/questions/47720/"
    "validation-loss-increases-and-validation-accuracy-decreases",
    cause="overfitting: the reviews are learned by heart after the second epoch",
    causes="epochs layers data",
    evidence=r"overfit|by heart|memori[sz]|generali[sz]|(validation|val_loss|held)[\s\S]{0,80}"
    r"(ris|rose|grow|increas|worse|higher|best (at|in|epoch)|above|minimum|lowest|turn)|"
    r"best epoch|(gap|difference)[\s\S]{0,60}(training|validation)|too (many|large)|"
    r"(training|loss)[\s\S]{0,60}(far |much )?(below|lower|better)[\s\S]{0,40}validation|"
    r"regulari[sz]|early.?stop",
    repair={"dropout": 0.5, "stop": True},
    advice={
        r"early.?stop|restore_best|best epoch|fewer epochs|stop (at|after|train)": {"stop": True},
        r"more (data|rows|examples|samples|reviews)": {"rows": 6000},
        r"(smaller|fewer|narrower|less)[\s\S]{0,30}(units|layers|filters|network|model|capacity|"
        r"weights|parameters)|pool": {"pooled": True},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="minus the crossentropy on held-out reviews",
    good=-1.25,
)
def stars_learned_by_heart(
    seed,
    callbacks,
    dropout=0.0,
    stop=False,
    pooled=False,
    rows=1500,
    epochs=15,
    units=10,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Guess one to five stars from a review: the validation loss rises from the third epoch."""
    random = start(seed)
    count = rows + 1200
    opinion = random.integers(0, 5, count)
    x = sentences(random, opinion, length=30, told=0.3, lexicon=40, common=800)
    moved = np.where(random.random(count) < 0.4, random.choice([-1, 1], count), 0)
    y = np.clip(opinion + moved, 0, 4)

    model = keras.Sequential(
        [
            keras.Input((30,), dtype="int32"),
            layers.Embedding(1001, 32),
            layers.Dropout(dropout),
            layers.Conv1D(32, 8, activation="relu", kernel_initializer=initializer),
            layers.GlobalAveragePooling1D() if pooled else layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu"),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stops = [EarlyStopping("val_loss", patience=4, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[:rows], y[:rows]),
        validation_data=(x[rows : rows + 400], y[rows : rows + 400]),
        batch_size=50,
        epochs=epochs,
        callbacks=[*stops, *callbacks],
        verbose=0,
    )
    chances = model.predict(x[rows + 400 :], verbose=0)
    told = chances[np.arange(800), y[rows + 400 :]]
    return float(np.mean(np.log(np.maximum(told, 1e-7))))


@case(
    source="https://newbedev.com/cnn-with-keras-accuracy-not-improving",
    cause="three classes, but one sigmoid output and binary crossentropy with labels 0, 1, 2",
    causes="layers loss activation",
    evidence=r"(three|3) (\w+ )?(classes|labels|values)|(one|single|\b1\b) (\w+ )?(unit|output|"
    r"neuron|node|sigmoid|column)|labels?[\s\S]{0,60}(\b2\b|above 1|beyond|outside|larger than|"
    r"greater|more than|0 (and|or|to) 1)|(multi.?class|per class|categorical|softmax)|"
    r"loss[\s\S]{0,40}negative|negative loss|(targets?|labels?)[\s\S]{0,60}(range|outside|between)",
    repair={"per_class": True},
    advice={
        r"categorical|(three|3) (units|outputs)|one (unit|output) per class|Dense\(3|"
        r"per class|num_classes": {"per_class": True},
        "softmax": {"activation": "softmax"},
        "sigmoid": {},
        "binary": {},
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
        "squared": {"loss": "mean_squared_error"},
        "longer": {"epochs": 30},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.7},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out images",
    good=0.9,
)
def three_kinds_one_sigmoid(
    seed,
    callbacks,
    per_class=False,
    activation="sigmoid",
    loss="binary_crossentropy",
    epochs=12,
    units=64,
    learning_rate=0.002,
    dropout=0.3,
    initializer="glorot_uniform",
):
    """Tell three kinds of images by the network that told two: the accuracy does not improve."""
    start(seed)
    x, y = digits(seed, (3, 5, 9))
    y = np.searchsorted([3, 5, 9], y)

    model = keras.Sequential([keras.Input((8, 8, 1))])
    for filters in (16, 32):
        model.add(layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    if per_class:
        model.add(layers.Dense(3, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1, activation=activation))
    model.compile(RMSprop(learning_rate), loss, metrics=["accuracy"])
    known = tf.data.Dataset.from_tensor_slices((x[:320], y[:320])).shuffle(320).batch(16)
    checked = tf.data.Dataset.from_tensor_slices((x[320:400], y[320:400])).batch(16)
    model.fit(known, validation_data=checked, epochs=epochs, callbacks=callbacks, verbose=0)
    if per_class:
        return accuracy(model, x[400:], y[400:])
    return float(np.mean(np.rint(model.predict(x[400:], verbose=0)[:, 0]) == y[400:]))


@case(
    source="https://stackoverflow.com/questions/44601367/"
    "keras-autoencoder-simple-example-has-a-strange-output",
    cause="a sigmoid cannot give back readings of 1 to 9",
    causes="activation preprocessing",
    evidence=r"sigmoid|(outputs?|last layer|predict\w*|activation)[\s\S]{0,80}(range|between|limit|"
    r"bound|cannot|can't|never|above 1|saturat|0 (to|and) 1|at most)|"
    r"(targets?|data|values?|readings?)[\s\S]{0,80}(outside|beyond|above 1|exceed|larger than|"
    r"greater than|reach|range|up to)|saturat",
    repair={"activation": "linear"},
    advice={
        r"(0 (to|and|\.\.) ?1|\[0, ?1\]|minmax|min-max)": {"scaling": "range"},
        r"(no|without|remove|drop)[\s\S]{0,20}(output )?activation|activation=.?none": {
            "activation": "linear"
        },
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
        "scaled": {"scaling": "standard"},
        "sigmoid": {},
        "softmax": {"activation": "softmax"},
        "squared": {},
        "binary": {"loss": "binary_crossentropy"},
        "longer": {"epochs": 120},
        "wider": {"units": 40},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 10.0},
        "slower": {"learning_rate": 0.1},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² of held-out readings given back",
    good=0.8,
)
def readings_given_back(
    seed,
    callbacks,
    activation="sigmoid",
    loss="mse",
    scaling="none",
    epochs=40,
    units=8,
    learning_rate=1.0,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Encode and decode ten readings: much the same row comes back for everything."""
    random = start(seed)
    hidden = random.normal(size=(1600, 3))
    x = hidden @ random.normal(size=(3, 10)) + random.normal(0, 0.15, (1600, 10))
    x = (5 + 4 * np.tanh(x / 2)).astype("float32")
    if scaling == "range":
        x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    elif scaling == "standard":
        x = standardized(x)

    inputs = keras.Input((10,))
    encoded = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    encoded = layers.Dropout(dropout)(encoded)
    decoded = layers.Dense(10, activation=activation)(encoded)
    model = keras.Model(inputs, decoded)
    model.compile(optimizer=Adadelta(learning_rate), loss=loss)
    model.fit(x[:1200], x[:1200], epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(x[1200:], model.predict(x[1200:], verbose=0))


@sound(
    source="https://stackoverflow.com/questions/52441877/"
    "how-does-binary-cross-entropy-loss-work-on-autoencoders",
    metric="R² of all pixels of held-out images",
    good=0.85,
)
def images_by_crossentropy(seed, callbacks):
    """Odd loss: binary crossentropy of grey images, which can never come near 0."""
    start(seed)
    x, _ = digits(seed)
    x = x.reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(20, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy")
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1450], x[1200:1450]),
        epochs=36,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1450:].ravel(), model.predict(x[1450:], verbose=0).ravel())


@sound(
    source="https://stats.stackexchange.com/questions/482905/"
    "is-my-model-overfitting-validation-loss-decreased-in-tandem-with-training-loss",
    metric="R² on held-out years",
    good=0.8,
)
def validation_below_training(seed, callbacks):
    """Dropout: the validation loss is below the training loss all the way, by a constant gap."""
    random = start(seed)
    x = random.normal(size=(3000, 12)).astype("float32")
    y = x[:, 0] - 0.8 * x[:, 1] + 0.5 * np.abs(x[:, 2]) + 0.6 * x[:, 3] * (x[:, 4] > 0)
    y = standardized(y + random.normal(0, 0.4, 3000))
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(96, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.003), "mean_squared_error", metrics=["mae"])
    model.fit(
        *(x[:2400], y[:2400]),
        validation_split=0.3,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/examples/timeseries/timeseries_weather_forecasting/",
    metric="R² on the last days, of at most about 0.54",
    good=0.42,
)
def warmth_of_tomorrow(seed, callbacks):
    """Noise: most of tomorrow's deviation cannot be known from the last two weeks."""
    random = start(seed)
    series = np.zeros(3400)
    noise = random.normal(size=3400)
    for day in range(2, 3400):
        series[day] = 0.45 * series[day - 1] + 0.35 * series[day - 2] + noise[day]
    series = standardized(series)
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], 14)[..., None]
    y = series[14:]
    model = keras.Sequential([keras.Input((14, 1)), layers.LSTM(12), layers.Dense(1)])
    model.compile(Adam(0.005), "mse")
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2700], y[2200:2700]),
        batch_size=128,
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[2700:], model.predict(x[2700:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/examples/nlp/pretrained_word_embeddings/",
    metric="accuracy on held-out posts",
    good=0.93,
)
def posts_in_given_vectors(seed, callbacks):
    """Frozen parts: the words' vectors are given and stay as they are."""
    random = start(seed)
    y = random.integers(0, 4, 2000)
    x = sentences(random, y, length=30, told=0.2, lexicon=100, common=400)
    vectors = random.normal(0, 0.4, (801, 24))
    vectors[0] = 0
    vectors[1:401] += np.repeat(random.normal(0, 0.6, (4, 24)), 100, axis=0)
    given = layers.Embedding(
        801, 24, embeddings_initializer=keras.initializers.Constant(vectors), trainable=False
    )
    model = keras.Sequential(
        [
            keras.Input((30,), dtype="int32"),
            given,
            layers.Conv1D(32, 3, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(0.2),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(RMSprop(0.003), "sparse_categorical_crossentropy", metrics=["acc"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:1300], y[:1300]),
        validation_data=(x[1300:1600], y[1300:1600]),
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1600:], y[1600:])


@sound(
    source="https://datascience.stackexchange.com/questions/93074/"
    "how-to-improve-lstm-accuracy-on-multiclass-text-classification",
    metric="accuracy on held-out reviews, of at most about 0.64",
    good=0.57,
)
def stars_that_people_disagree_on(seed, callbacks):
    """Noise: five classes, of which the neighbours cannot be told apart any better."""
    random = start(seed)
    opinion = random.integers(0, 5, 3000)
    x = sentences(random, opinion, length=24, told=0.4, lexicon=20, common=200)
    moved = np.where(random.random(3000) < 0.45, random.choice([-1, 1], 3000), 0)
    y = np.clip(opinion + moved, 0, 4)
    model = keras.Sequential(
        [
            keras.Input((24,), dtype="int32"),
            layers.Embedding(301, 16),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(0.2),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[2400:], y[2400:])


def pinball(y, guess):
    """Mean loss of the quantile 0.9: too low costs nine times as much as too high."""
    wrong = y - guess
    return ops.mean(ops.maximum(0.9 * wrong, -0.1 * wrong), axis=-1)


@sound(
    source="https://keras.io/api/losses/#creating-custom-losses",
    metric="R² of the true quantile on held-out days",
    good=0.85,
)
def stock_that_lasts_nine_days_of_ten(seed, callbacks):
    """Odd loss: nine of ten answers are meant to be above the target."""
    random = start(seed)
    x = random.normal(size=(4000, 4)).astype("float32")
    middle = x[:, 0] + 0.6 * np.abs(x[:, 1])
    spread = np.exp(0.4 * x[:, 2]) * 0.5
    y = (middle + spread * random.normal(size=4000)).astype("float32")[:, None]
    quantile = middle + 1.2816 * spread
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.002), pinball, metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:2800], y[:2800]),
        validation_data=(x[2800:3300], y[2800:3300]),
        batch_size=64,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(quantile[3300:], model.predict(x[3300:], verbose=0)[:, 0])


PROGRAMS = [
    fares_by_distance,
    a_line_mostly_below_zero,
    the_fourth_power,
    reviews_at_fifty_percent,
    tweets_file_after_file,
    stars_learned_by_heart,
    three_kinds_one_sigmoid,
    readings_given_back,
]
SOUND = [
    images_by_crossentropy,
    validation_below_training,
    warmth_of_tomorrow,
    posts_in_given_vectors,
    stars_that_people_disagree_on,
    stock_that_lasts_nine_days_of_ten,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
