"""Fourteen more field programs, mostly of images and texts, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twenty_seventh
    python benchmarks/diagnosis.py --programs twenty_seventh
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping, ReduceLROnPlateau
from keras.optimizers import SGD, Adadelta, Adam, RMSprop
from sklearn import datasets
from sklearn.metrics import f1_score

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
    source="https://geek-questions.imtqy.com/articles/1270335/index.html",
    cause="softmax of a single unit is 1 whatever the unit says",
    causes="activation layers loss",
    evidence=r"softmax|(one|single|\b1\b|lone) (\w+ )?(unit|output|neuron|node|column|value)|"
    r"(outputs?|predictions?|answers?)[\s\S]{0,80}(always|constant|exactly|all|every\w*|same|only)"
    r"[\s\S]{0,40}(1\b|one\b|same|equal|constant)|(no|without|zero|vanish\w*) gradients?|"
    r"gradients?[\s\S]{0,60}(zero|\b0\b|vanish|none)|"
    r"(weights?|layers?)[\s\S]{0,60}(not (move|change|learn)|never|unchanged|did not)",
    repair={"activation": "sigmoid"},
    advice={
        r"(two|2) (units|outputs)|one unit per class|Dense\(2|sparse_categorical": {
            "per_class": True
        },
        "sigmoid": {"activation": "sigmoid"},
        "softmax": {},
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "longer": {"epochs": 36},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"normalized": True},
    },
    metric="accuracy on held-out windows",
    good=0.8,
)
def ten_steps_of_four_channels(
    seed,
    callbacks,
    activation="softmax",
    loss="binary_crossentropy",
    per_class=False,
    epochs=12,
    units=64,
    learning_rate=0.002,
    dropout=0.2,
    initializer="glorot_uniform",
    normalized=False,
):
    """Tell two kinds of windows of ten steps apart: every answer is the second kind."""
    random = start(seed)
    x = random.normal(size=(3000, 10, 4)).cumsum(axis=1).astype("float32") * 0.4 - 0.5
    rise = x[:, 7:, 0].mean(axis=1) - x[:, :3, 0].mean(axis=1) + x[:, 6:, 2].mean(axis=1) + 0.8
    y = (rise + random.normal(0, 0.15, 3000) > 0).astype("float32")[:, None]
    if normalized:
        x = standardized(x)

    model = keras.Sequential([keras.Input((10, 4))])
    for filters in (16, 8):
        model.add(layers.Conv1D(filters, 4, padding="same", kernel_initializer=initializer))
        model.add(layers.BatchNormalization())
        model.add(layers.LeakyReLU())
        model.add(layers.Dropout(dropout))
    model.add(layers.Flatten())
    model.add(layers.Dense(units, kernel_initializer=initializer))
    model.add(layers.BatchNormalization())
    model.add(layers.LeakyReLU())
    if per_class:
        model.add(layers.Dense(2, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1))
        model.add(layers.Activation(activation))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    plateau = ReduceLROnPlateau("val_accuracy", factor=0.9, patience=30, min_lr=1e-6)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        batch_size=64,
        epochs=epochs,
        callbacks=[plateau, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[2400:], verbose=0)[:, -1] > 0.5
    return float(np.mean(guess == y[2400:, 0]))


def striped(random, rows):
    """Noisy colour images (N, 20, 20, 3) of stripes that lie, stand or slant, and their kind."""
    kind = random.integers(0, 3, rows)
    down, right = np.mgrid[:20, :20]
    along = np.stack([down, right, (down + right) / np.sqrt(2)])[kind]
    period = random.uniform(4, 8, (rows, 1, 1))
    wave = np.sin(2 * np.pi * (along / period + random.random((rows, 1, 1))))
    colour = random.uniform(0.1, 0.35, (rows, 1, 1, 3))
    x = 0.5 + colour * wave[..., None] + random.normal(0, 0.25, (rows, 20, 20, 3))
    return np.clip(x, 0, 1).astype("float32"), kind


@case(
    source="https://newbedev.com/cnn-with-keras-accuracy-not-improving",
    cause="three classes, and one sigmoid output with binary crossentropy",
    causes="layers loss activation",
    evidence=r"(three|3) (\w+ )?(classes|kinds|labels|values|categories)|"
    r"(one|single|\b1\b|lone) (\w+ )?(unit|output|neuron|node|column)|"
    r"(labels?|targets?|classes|class numbers?|y)\b[\s\S]{0,80}(\b2\b|above 1|beyond|outside|"
    r"0 to 2|greater|larger|exceed|more than two|not (only )?0 (and|or) 1|range)|"
    r"binary_?[\s-]?cross|(negative|below (0|zero)|falls? without)[\s\S]{0,20}|sigmoid|"
    r"one unit per class|softmax",
    repair={"per_class": True},
    advice={
        r"sparse_categorical|(three|3) (units|outputs)|Dense\(3|"
        r"one (unit|output) (per|for each) class": {"per_class": True},
        "softmax": {"activation": "softmax"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
        "relu": {"activation": "relu"},
        "longer": {"epochs": 24},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.7},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out pictures",
    good=0.9,
)
def pictures_of_three_folders(
    seed,
    callbacks,
    per_class=False,
    activation="sigmoid",
    loss="binary_crossentropy",
    epochs=8,
    units=48,
    learning_rate=0.001,
    dropout=0.5,
    initializer="glorot_uniform",
):
    """Sort pictures of three folders after a recipe for two: the accuracy stays at a third."""
    random = start(seed)
    x, y = striped(random, 1700)

    model = keras.Sequential([keras.Input((20, 20, 3))])
    for filters in (12, 16):
        model.add(layers.Conv2D(filters, 3, kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(units, kernel_initializer=initializer))
    model.add(layers.Activation("relu"))
    model.add(layers.Dropout(dropout))
    if per_class:
        model.add(layers.Dense(3, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1))
        model.add(layers.Activation(activation))
    model.compile(RMSprop(learning_rate), loss, metrics=["accuracy"])
    labels = y.astype("float32")
    training = tf.data.Dataset.from_tensor_slices((x[:1000], labels[:1000]))
    validation = tf.data.Dataset.from_tensor_slices((x[1000:1200], labels[1000:1200]))
    model.fit(
        training.shuffle(1000, seed=seed).batch(16),
        validation_data=validation.batch(16),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    if per_class:
        return accuracy(model, x[1200:], y[1200:])
    guess = model.predict(x[1200:], verbose=0)[:, 0]
    return float(np.mean(np.clip(np.round(guess), 0, 2) == y[1200:]))


@case(
    source="https://github.com/keras-team/keras/issues/8346",
    cause="the rows are sorted by class; validation_split takes the whole last class away",
    causes="data",
    evidence=r"sort|order|shuffl|validation_split|last (rows|samples|examples|\d+ ?%|part|fifth)|"
    r"(validation|held[\s-]out)[\s\S]{0,80}(one|single|only|same|other|different|new|unseen) "
    r"(class|label|kind)|(class|label)\w*[\s\S]{0,80}(missing|absent|never|not (in|seen|occur)|"
    r"no (training )?(rows|samples|examples)|only in|unseen|differ)|"
    r"(training|validation)[\s\S]{0,60}(lacks?|has no|without|never (sees|saw)|does not contain|"
    r"(different|other) (distribution|classes|labels))|distribution[\s\S]{0,40}differ",
    repair={"shuffled": True},
    advice={
        r"shuffl|permut|stratif|mix the rows|sort|train_test_split|random (split|order)|"
        r"validation_data": {"shuffled": True},
        "longer": {"epochs": 20},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.6},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"normalized": True},
    },
    metric="accuracy on held-out images of all classes",
    good=0.93,
)
def five_classes_one_after_another(
    seed,
    callbacks,
    shuffled=False,
    epochs=10,
    units=64,
    learning_rate=0.001,
    dropout=0.25,
    initializer="glorot_uniform",
    normalized=False,
):
    """Read five signs with a small VGG: the training goes well, val_accuracy is exactly zero."""
    random = start(seed)
    x, y = digits(seed, range(5))
    if normalized:
        x = standardized(x)
    rows = np.concatenate([np.flatnonzero(y == kind)[:140] for kind in range(5)])
    others = np.setdiff1d(np.arange(len(y)), rows)
    x_test, y_test = x[others], y[others]
    if shuffled:
        rows = random.permutation(rows)
    x, y = x[rows], one_hot(y[rows], 5)

    model = keras.Sequential([keras.Input((8, 8, 1))])
    for filters in (12, 24):
        model.add(layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
        model.add(layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(dropout))
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(5, activation="softmax"))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x, y),
        validation_split=0.2,
        shuffle=True,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test, y_test)


def reviews(random, rows):
    """Texts (N, 60) of word numbers below 3000 whose few telling words give one to five stars."""
    stars = random.integers(0, 5, rows)
    texts = (random.random((rows, 60)) ** 2 * 2800).astype(int) + 200
    near = np.clip(stars[:, None] + random.choice([-1, 0, 0, 0, 0, 1], (rows, 60)), 0, 4)
    telling = random.random((rows, 60)) < 0.1
    texts[telling] = (1 + 24 * near + random.integers(0, 24, (rows, 60)))[telling]
    return texts, stars


@case(
    source="https://datascience.stackexchange.com/questions/47720/"
    "validation-loss-increases-and-validation-accuracy-decreases",
    cause="every place of every text has weights of its own: the texts are learned by heart",
    causes="layers epochs data",
    evidence=r"overfit|memori[sz]|by heart|generali[sz]|val_loss[\s\S]{0,60}(ris|grow|increas|"
    r"higher|above|times|worse)|validation (loss|error)[\s\S]{0,60}(ris|grow|increas|higher|above|"
    r"times|worse|best|lowest)|(training|train)[\s\S]{0,60}(far|much|well)? ?(better|lower|higher|"
    r"above|below)[\s\S]{0,30}(validation|held)|gap between|(too many|more) (weights|parameters)|"
    r"best (epoch|validation)|too (long|many epochs)",
    repair={"pooled": True, "dropout": 0.3, "stopped": True, "epochs": 20},
    advice={
        r"early.?stop|best epoch|restore|fewer epochs|stop (training )?(at|after|when|earlier)": {
            "stopped": True
        },
        r"pool": {"pooled": True},
        r"(fewer|less|smaller|narrower) (units|weights|layers|filters|parameters|model|network)|"
        r"smaller (embedding|model|network)": {"size": 8},
        r"more (data|rows|texts|samples|examples)": {"rows": 4000},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 20},
        "wider": {"units": 40},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out reviews",
    good=0.63,
)
def stars_of_a_review(
    seed,
    callbacks,
    pooled=False,
    stopped=False,
    dropout=0.0,
    size=32,
    rows=800,
    epochs=10,
    units=10,
    learning_rate=0.003,
    initializer="glorot_uniform",
):
    """Give a review its stars by a Conv1D: after the second epoch the validation gets worse."""
    random = start(seed)
    x, y = reviews(random, rows + 1400)
    labels = one_hot(y, 5)

    model = keras.Sequential(
        [
            keras.Input((60,), dtype="int32"),
            layers.Embedding(3000, size),
            layers.Conv1D(32, 8, activation="relu"),
            layers.GlobalMaxPooling1D() if pooled else layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    model.fit(
        *(x[1400:], labels[1400:]),
        validation_data=(x[:400], labels[:400]),
        batch_size=50,
        epochs=epochs,
        callbacks=[stop, *callbacks] if stopped else callbacks,
        verbose=0,
    )
    return accuracy(model, x[400:1400], y[400:1400])


@case(
    source="https://github.com/keras-team/keras/issues/13815",
    cause="Adadelta's default rate is 0.001 now; its steps are meant for a rate of 1",
    causes="learning_rate optimizer epochs",
    evidence=r"adadelta|(learning.?rate|\brate\b|steps?|updates?)[\s\S]{0,100}(small|tiny|low|"
    r"short|slow|little|thousandth|below|0\.001)|(weights?|updates?|loss)[\s\S]{0,60}(hardly|"
    r"barely|tiny|small|slow|little)|still (falling|improving|learning|rising)|"
    r"(larger|higher|raise|ten times)[\s\S]{0,30}rate|train (for )?longer|"
    r"not (yet )?(finished|converged)|underfit",
    repair={"learning_rate": 1.0},
    advice={
        r"adadelta\(learning_rate ?= ?1\b|learning_rate ?= ?1(\.0)?\b|rate (of|to|is) 1(\.0)?\b": {
            "learning_rate": 1.0
        },
        r"adadelta\(learning_rate ?= ?0?\.\d": {"learning_rate": 0.01},
        r"\badam\b|Adam\(|rmsprop|another optimi[sz]er|change the optimi[sz]er": {
            "optimizer": "adam"
        },
        "usual": {"optimizer": "adam"},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 30},
        "wider": {"units": 192},
        "regularized": {"dropout": 0.6},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"normalized": True},
    },
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_by_the_old_example(
    seed,
    callbacks,
    optimizer="adadelta",
    learning_rate=0.001,
    epochs=12,
    units=64,
    dropout=0.25,
    initializer="glorot_uniform",
    normalized=False,
):
    """Repeat the example that reads digits: nowhere near the 99 % that it promises."""
    start(seed)
    x, y = digits(seed)
    if normalized:
        x = standardized(x)
    labels = one_hot(y, 10)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(32, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Dropout(dropout),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(2 * dropout if dropout < 0.5 else dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    chosen = Adadelta(learning_rate) if optimizer == "adadelta" else Adam(0.001)
    model.compile(chosen, keras.losses.categorical_crossentropy, metrics=["accuracy"])
    model.fit(
        *(x[:1200], labels[:1200]),
        validation_data=(x[1200:1450], labels[1200:1450]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


@case(
    source="https://stackoverflow.com/questions/52800582/"
    "why-do-i-fail-to-predict-y-x4-with-keras-y-x3-works",
    cause="inputs up to 100 saturate the sigmoid, targets up to 100 million are out of reach",
    causes="preprocessing data",
    evidence=r"(inputs?|targets?|outputs?|labels?|\bx\b|\by\b|values?)[\s\S]{0,100}(scale|large|"
    r"huge|range|magnitude|spread|deviation|mean|million|standardi[sz]|normali[sz]|units of|"
    r"far from|reach|e\+?0?[78])|saturat|standardi[sz]e|normali[sz]e|"
    r"(loss|error)[\s\S]{0,60}(huge|e\+?1\d|variance)",
    repair={"scaled": "both"},
    advice={
        r"(inputs?|\bx\b|columns?|features?)[\s\S]{0,60}(targets?|\by\b|labels?)|"
        r"(targets?|\by\b|labels?)[\s\S]{0,60}(inputs?|\bx\b|columns?|features?)": {
            "scaled": "both"
        },
        r"(scale|standardi[sz]|normali[sz]|divide|subtract)[\s\S]{0,30}(targets?|\by\b|labels?)": {
            "scaled": "targets"
        },
        "scaled": {"scaled": "inputs"},
        "longer": {"epochs": 50},
        "wider": {"units": 150},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out points",
    good=0.9,
)
def fourth_power(
    seed,
    callbacks,
    scaled="nothing",
    activation="sigmoid",
    epochs=25,
    units=50,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn the fourth power of numbers up to 100: a flat line, though simpler curves went."""
    random = start(seed)
    x = random.uniform(-100, 100, (3000, 1))
    y = x**4
    factor = 1.0
    if scaled in ("inputs", "both"):
        x = standardized(x)
    if scaled in ("targets", "both"):
        factor = y[:2000].std()

    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(units, activation=activation, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="elu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:2000], y[:2000] / factor),
        validation_data=(x[2000:2400], y[2000:2400] / factor),
        batch_size=50,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], factor * model.predict(x[2400:], verbose=0)[:, 0])


@case(
    source="https://newbetuts.com/44164749-how-does-keras-handle-multilabel-classification",
    cause="softmax shares one probability among labels that occur together",
    causes="activation",
    evidence=r"softmax|(several|many|more than one|multiple|\d\.\d) (\w+ )?(labels?|ones|"
    r"classes|targets|tags)|multi[\s-]?label|(sum|add)s?[\s\S]{0,30}(to|up) (1|one)|"
    r"(rows?|targets?|labels?)[\s\S]{0,60}(sum|more than one|several)|sigmoid|"
    r"(independent|exclusive|compet)|one[\s-]hot",
    repair={"activation": "sigmoid"},
    advice={
        "sigmoid": {"activation": "sigmoid"},
        "softmax": {},
        "binary": {},
        r"categorical_cross": {"loss": "categorical_crossentropy"},
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
        "squared": {"loss": "mean_squared_error"},
        "longer": {"epochs": 60},
        "wider": {"units": 300},
        "usual": {"optimizer": "adam", "learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.003},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"normalized": True},
    },
    metric="micro F1 of the tags at 0.5 on held-out posts",
    good=0.75,
)
def tags_of_a_post(
    seed,
    callbacks,
    activation="softmax",
    loss="binary_crossentropy",
    optimizer="sgd",
    epochs=25,
    units=100,
    learning_rate=0.03,
    dropout=0.1,
    initializer="glorot_uniform",
    normalized=False,
):
    """Give posts some of twelve tags: hardly any tag gets more than one half."""
    random = start(seed)
    topics = random.normal(size=(30, 12))
    x = random.normal(size=(3600, 30)).astype("float32")
    y = (x @ topics / np.sqrt(30) + random.normal(0, 0.15, (3600, 12)) > 0.5).astype("float32")
    if normalized:
        x = standardized(x)

    model = keras.Sequential([keras.Input((30,))])
    for width in (units, units // 2):
        model.add(layers.Dense(width, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(12, activation=activation))
    chosen = Adam(learning_rate)
    if optimizer == "sgd":
        chosen = SGD(learning_rate, momentum=0.9, nesterov=True)
    model.compile(chosen, loss)
    model.fit(x[:2600], y[:2600], batch_size=64, epochs=epochs, callbacks=callbacks, verbose=0)
    guess = model.predict(x[2600:], verbose=0) > 0.5
    return float(f1_score(y[2600:], guess, average="micro", zero_division=0))


def woven(random, rows):
    """Images (N, 12, 12, 1) of lying or standing threads, of any brightness and contrast."""
    kind = random.integers(0, 2, rows)
    down, right = np.mgrid[:12, :12]
    along = np.stack([down, right])[kind]
    wave = np.sin(2 * np.pi * (along / 4 + random.random((rows, 1, 1))))
    x = wave + random.normal(0, 0.7, (rows, 12, 12))
    contrast = np.exp(random.normal(0, 1.0, (rows, 1, 1)))
    x = random.normal(0, 2, (rows, 1, 1)) + contrast * x
    return x[..., None].astype("float32"), kind


@case(
    source="https://github.com/keras-team/keras/issues/8837",
    cause="batches of one image: BatchNormalization trains by statistics it does not predict by",
    causes="batch_size layers",
    evidence=r"batch.?norm|moving (average|mean|variance)|running (average|mean|statistic)|"
    r"batch(es)? (size )?(of|is|=) ?(1\b|one)|single (row|image|sample|example)|"
    r"batch_size|small(er)? batch|larger batch|(inference|predict\w*|evaluat\w*) (mode|differ)|"
    r"training mode",
    repair={"batch_size": 8, "epochs": 10},
    advice={
        r"batch_size|larger batch|more (rows|images|samples|examples) (per|in a|in each) batch|"
        r"batch size": {"batch_size": 8, "epochs": 10},
        r"(layer|group).?norm": {"norm": "layer"},
        r"(remove|without|drop|leave out|replace|omit)[\s\S]{0,30}batch.?norm|momentum": {
            "norm": "none"
        },
        "longer": {"epochs": 12},
        "wider": {"filters": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"normalized": True},
    },
    metric="accuracy on held-out images",
    good=0.88,
)
def one_image_at_a_time(
    seed,
    callbacks,
    batch_size=1,
    norm="batch",
    epochs=6,
    filters=8,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
    normalized=False,
):
    """Tell two weaves apart, image after image: learned in training, forgotten in predict."""
    random = start(seed)
    x, y = woven(random, 900)
    if normalized:
        x = standardized(x)
    labels = one_hot(y, 2)

    model = keras.Sequential([keras.Input((12, 12, 1))])
    for width in (filters, 2 * filters):
        model.add(layers.Conv2D(width, 3, kernel_initializer=initializer))
        if norm == "batch":
            model.add(layers.BatchNormalization())
        elif norm == "layer":
            model.add(layers.LayerNormalization(axis=[1, 2, 3]))
        model.add(layers.Activation("elu"))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(2, activation="softmax"))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:320], labels[:320]),
        validation_data=(x[320:400], labels[320:400]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[400:], y[400:])


@sound(
    source="https://github.com/keras-team/keras/issues/503",
    metric="accuracy on held-out digits",
    good=0.94,
)
def loss_above_that_of_evaluate(seed, callbacks):
    """Dropout: a small VGG whose printed loss is far above what evaluate says of the same rows."""
    start(seed)
    x, y = digits(seed)
    labels = one_hot(y, 10)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(96, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rate = SGD(0.02, momentum=0.9, nesterov=True)
    model.compile(rate, "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], labels[:1200]),
        validation_data=(x[1200:1450], labels[1200:1450]),
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


@sound(
    source="https://github.com/keras-team/keras/issues/3889",
    metric="R² on held-out houses",
    good=0.85,
)
def a_rate_of_one(seed, callbacks):
    """Rates: Adadelta at a rate of 1, a thousand times what others use, as its inventor meant."""
    random = start(seed)
    x = random.normal(size=(2400, 8)).astype("float32")
    price = x[:, 0] + 0.8 * np.abs(x[:, 1]) + 0.6 * x[:, 2] * x[:, 3] - 0.5 * x[:, 4]
    y = standardized(price + random.normal(0, 0.2, 2400))
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adadelta(1.0), "mean_squared_error", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/examples/nlp/pretrained_word_embeddings/",
    metric="accuracy on held-out messages",
    good=0.88,
)
def words_of_another_corpus(seed, callbacks):
    """Frozen parts: a Conv1D on word vectors that came from elsewhere and are not trained."""
    random = start(seed)
    theme = random.integers(0, 5, 400)
    vectors = random.normal(size=(5, 24))[theme] + random.normal(0, 0.5, (400, 24))
    by_theme = [np.flatnonzero(theme == kind) for kind in range(5)]
    y = random.integers(0, 4, 1800)
    words = np.stack([random.choice(by_theme[4], 24) for _ in y])
    for row, kind in enumerate(y):
        told = random.random(24) < 0.2
        words[row, told] = random.choice(by_theme[kind], told.sum())
    model = keras.Sequential(
        [
            keras.Input((24,), dtype="int32"),
            layers.Embedding(400, 24, weights=[vectors], trainable=False),
            layers.Conv1D(32, 3, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(0.3),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(RMSprop(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(words[:1100], y[:1100]),
        validation_data=(words[1100:1300], y[1100:1300]),
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, words[1300:], y[1300:])


@sound(
    source="https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_diabetes.html",
    metric="R² on held-out patients",
    good=0.3,
)
def a_year_of_diabetes(seed, callbacks):
    """Few rows and noise: ten measures of 300 patients tell half of how they will fare."""
    random = start(seed)
    x, y = datasets.load_diabetes(return_X_y=True)
    rows = random.permutation(len(y))
    x, y = standardized(x[rows]), standardized(y[rows])
    decay = keras.regularizers.L2(0.01)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(16, activation="relu", kernel_regularizer=decay),
            layers.Dense(1, kernel_regularizer=decay),
        ]
    )
    model.compile(Adam(0.005), "mean_squared_error", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    model.fit(
        *(x[:250], y[:250]),
        validation_data=(x[250:310], y[250:310]),
        batch_size=16,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[310:], model.predict(x[310:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class",
    metric="accuracy on held-out pictures",
    good=0.9,
)
def pictures_never_quite_certain(seed, callbacks):
    """Losses: labels smoothed by a fifth, so that the loss stays above 0.4 while all is right."""
    random = start(seed)
    x, y = striped(random, 1700)
    labels = one_hot(y, 3)
    model = keras.Sequential(
        [
            keras.Input((20, 20, 3)),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    model.compile(Adam(0.003), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1000], labels[:1000]),
        validation_data=(x[1000:1200], labels[1000:1200]),
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


class Weighed(keras.Model):
    """A model whose own step lets mistakes on hard rows count for more (focal, by hand)."""

    def train_step(self, data):
        """Update once by the focal crossentropy."""
        x, y = data
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            right = tf.reduce_sum(answer * y, axis=-1)
            loss = tf.reduce_mean(-((1 - right) ** 2) * tf.math.log(right + 1e-7))
        self.optimizer.apply_gradients(
            zip(
                tape.gradient(loss, self.trainable_variables), self.trainable_variables, strict=True
            )
        )
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
    metric="accuracy on held-out wafers",
    good=0.88,
)
def a_step_of_ones_own(seed, callbacks):
    """Own step: train_step is overridden, its loss is another than the one compiled."""
    random = start(seed)
    x = random.normal(size=(2600, 6)).astype("float32")
    score = np.stack(
        [x[:, 0] + x[:, 1], np.abs(x[:, 2]) + 0.5 * x[:, 3], x[:, 4] - x[:, 1] + 0.3], axis=1
    )
    y = (score + random.normal(0, 0.05, (2600, 3))).argmax(axis=1)
    labels = one_hot(y, 3)
    inputs = keras.Input((6,))
    seen = layers.Dense(48, activation="relu")(inputs)
    seen = layers.Dense(24, activation="relu")(seen)
    model = Weighed(inputs, layers.Dense(3, activation="softmax")(seen))
    model.compile(Adam(0.003), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1800], labels[:1800]),
        validation_data=(x[1800:2100], labels[1800:2100]),
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2100:], y[2100:])


PROGRAMS = [
    ten_steps_of_four_channels,
    pictures_of_three_folders,
    five_classes_one_after_another,
    stars_of_a_review,
    digits_by_the_old_example,
    fourth_power,
    tags_of_a_post,
    one_image_at_a_time,
]
SOUND = [
    loss_above_that_of_evaluate,
    a_rate_of_one,
    words_of_another_corpus,
    a_year_of_diabetes,
    pictures_never_quite_certain,
    a_step_of_ones_own,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
