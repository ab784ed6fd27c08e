"""Twelve more field programs, of what people ask most, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.sixty_second
    python benchmarks/diagnosis.py --programs sixty_second
"""

import keras
import numpy as np
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam, RMSprop
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score

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
    source="https://github.com/keras-team/keras/issues/4897",
    cause="RMSprop's rate of 0.1 is too high for a CNN; 0.001 trains it",
    causes="learning_rate optimizer",
    evidence=r"(learning.?rate|\brate\b|steps?|updates?)[\s\S]{0,100}(large|high|big|great|too|"
    r"jump|0\.1|overshoot|times)|(large|high|big|huge|too)[\s\S]{0,40}(learning.?rate|\brate\b|"
    r"steps?|updates?)|diverg|explod|blew up|overshoot|unstable|oscillat|\bdead\b|never fire|"
    r"always (0|zero)|loss[\s\S]{0,60}(rise|rose|jump|spike|grew|worse)",
    repair={"learning_rate": 0.001},
    advice={
        r"(RMSprop|Adam)\(learning_rate=0?\.0*1\b|learning_rate=(0?\.001|1e-0?3)": {
            "learning_rate": 0.001
        },
        r"learning_rate=(0?\.0001|1e-0?4)": {"learning_rate": 1e-4},
        r"momentum|\bSGD\b": {"optimizer": "sgd", "learning_rate": 0.01},
        r"leaky|\belu\b|gelu": {"activation": "leaky_relu"},
        r"clip": {"clipnorm": 1.0},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 0.01},
        "faster": {"learning_rate": 1.0},
        "longer": {"epochs": 24},
        "wider": {"units": 128},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"centered": True},
    },
    metric="accuracy on held-out pictures",
    good=0.9,
)
def an_example_with_rmsprop(
    seed,
    callbacks,
    learning_rate=0.1,
    optimizer="rmsprop",
    clipnorm=None,
    epochs=12,
    units=64,
    dropout=0.25,
    activation="relu",
    initializer="glorot_uniform",
    centered=False,
):
    """Sort small pictures by a CNN of an example: with rmsprop it fails to converge."""
    start(seed)
    x, y = digits(seed)
    if centered:
        x = (x - x[:1200].mean()) / x[:1200].std()
    wanted = one_hot(y, 10)

    model = keras.Sequential([keras.Input((8, 8, 1))])
    for filters in (16, 32):
        conv = layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer)
        model.add(conv)
        model.add(layers.Activation(activation))
    model.add(layers.MaxPooling2D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation=activation, kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    rules = {"rmsprop": RMSprop, "sgd": keras.optimizers.SGD}
    rule = rules[optimizer](learning_rate, clipnorm=clipnorm)
    model.compile(rule, "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], wanted[:1200]),
        validation_data=(x[1200:1400], wanted[1200:1400]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@case(
    source="https://github.com/keras-team/keras/issues/3753",
    cause="the last layer is a relu, and half of the standardized targets are below 0",
    causes="activation layers",
    evidence=r"(output|last|final|answer|predict|head)\w*[\s\S]{0,120}(relu|negative|"
    r"below (0|zero)|never below|exactly (0|zero)|cannot|can not|range|reach|clip|flat|"
    r"always (0|zero))|(targets?|labels?|\by\b)[\s\S]{0,100}(negative|below (0|zero)|outside|"
    r"out of reach|cannot be reached|relu)|relu[\s\S]{0,80}(output|last|final|negative|target)",
    repair={"last": "linear"},
    advice={
        r"activation=.?linear|linear (output|activation|last)|activation=None|without (an )?"
        r"activation|(remove|drop)[\s\S]{0,40}(activation|relu)|no activation": {"last": "linear"},
        r"activation=.?tanh": {"last": "tanh"},
        r"leaky|\belu\b": {"last": "leaky_relu"},
        "linear": {"last": "linear"},
        "sigmoid": {"last": "sigmoid"},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out patches",
    good=0.75,
)
def red_of_a_patch(
    seed,
    callbacks,
    last="relu",
    epochs=20,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Estimate a light's red from patches of 4 by 4 pixels: a hard time to train."""
    random = start(seed)
    light = random.normal(size=(3000, 1))
    slope = random.normal(size=(3000, 2))
    down, right = np.mgrid[-1.5:2, -1.5:2].reshape(2, 1, 16)
    pixels = light + 0.3 * (slope[:, :1] * down + slope[:, 1:] * right)
    x = standardized(pixels + random.normal(0, 0.4, pixels.shape))
    red = light[:, 0] + 0.6 * np.abs(slope[:, 0]) - 0.5 * slope[:, 1] * light[:, 0]
    y = standardized(red)

    model = keras.Sequential([keras.Input((16,))])
    for size in (units, units // 2):
        model.add(layers.Dense(size, kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.add(layers.Activation(last))
    model.compile(RMSprop(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0)[:, 0])


@case(
    source="https://github.com/jinglescode/time-series-forecasting-tensorflowjs/issues/5",
    cause="the later prices are above all that were seen; changes from the last price stay alike",
    causes="data preprocessing",
    evidence=r"(valid|held-?out|later|unseen)\w*[\s\S]{0,160}(range|mean|scale|spread|outside|"
    r"above|beyond|larger|higher|shift|differ|drift|trend|distribut|deviat|unlike|not seen|"
    r"never seen)|(range|distribut|scale|shift|differ|drift|outside|beyond)\w*[\s\S]{0,100}(valid|"
    r"held-?out|later|unseen)|trend|extrapolat|stationar|last value|persist|naive|previous value|"
    r"(level|targets?)[\s\S]{0,40}(drift|rise|wander)",
    repair={"changes": True},
    advice={
        r"change|differenc|\bdiff\b|return|last value|last price|previous|residual|stationar|"
        r"detrend|trend|relative|subtract": {"changes": True},
        r"same (way|range|scal|distribut)|all (rows|data|prices)|shuffl|random split": {
            "all_known": True
        },
        "scaled": {"all_known": True},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="R² of the later prices",
    good=0.8,
)
def prices_to_come(
    seed,
    callbacks,
    changes=False,
    all_known=False,
    epochs=15,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a share's price from twenty days: a flat line for the days not trained on."""
    random = start(seed)
    day = np.arange(1020)
    price = 20 * np.exp(0.004 * day + 0.06 * np.sin(day / 11) + random.normal(0, 0.006, 1020))
    rows = price[day[:1000, None] + np.arange(20)]
    wanted = price[20:]

    known = price if all_known else price[:620]
    if changes:
        base, size = rows[:, -1:], 0.03 * rows[:, -1:]
    else:
        base, size = known.min(), known.max() - known.min()
    x = ((rows - base) / size)[..., None].astype("float32")
    y = ((wanted[:, None] - base) / size).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((20, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse")
    model.fit(
        *(x[:600], y[:600]),
        validation_data=(x[600:750], y[600:750]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = (model.predict(x, verbose=0) * size + base)[750:, 0]
    return r_squared(wanted[750:], guess)


@case(
    source="https://intellipaat.com/community/17161/keras-model-evaluate-vs-model-predict-"
    "accuracy-difference-in-multi-class-nlp-task",
    cause="one of 16 subjects by sigmoids and binary cross-entropy: all say no for long; softmax",
    causes="loss activation metric layers",
    evidence=r"sigmoid|softmax|binary.?(cross|accuracy)|categorical.?cross|one.?hot|"
    r"(exactly|only) one (class|label)|(class|label|output|answer)\w*[\s\S]{0,60}(sum to|exclusive|"
    r"add up)|multi.?(class|label)",
    repair={"activation": "softmax", "loss": "categorical_crossentropy"},
    advice={
        r"categorical_crossentropy|softmax[\s\S]*loss|loss[\s\S]*softmax": {
            "activation": "softmax",
            "loss": "categorical_crossentropy",
        },
        r"activation=.?softmax|softmax": {"activation": "softmax"},
        r"categorical_accuracy|metric": {"metric": "categorical_accuracy"},
        "softmax": {"activation": "softmax"},
        "longer": {"epochs": 12},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="share of held-out texts whose subject is told",
    good=0.8,
)
def subjects_of_texts(
    seed,
    callbacks,
    activation="sigmoid",
    loss="binary_crossentropy",
    metric="binary_accuracy",
    epochs=5,
    units=24,
    learning_rate=0.001,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Tell the subject of texts: evaluate says 0.94, but far fewer of the texts are right."""
    random = start(seed)
    subject = random.integers(0, 16, 3200)
    x = random.integers(160, 600, (3200, 16))
    telling = random.random(x.shape) < 0.3
    x[telling] = (10 * subject[:, None] + random.integers(0, 10, x.shape))[telling]
    y = one_hot(subject, 16)

    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Embedding(600, 24),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(16, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=[metric])
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2500], y[2200:2500]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2500:], subject[2500:])


def placed(pictures, random):
    """Pictures (N, 8, 8, 1), each somewhere on a noisy ground (N, 14, 14, 1)."""
    grounds = random.normal(0, 0.1, (len(pictures), 14, 14, 1))
    for ground, picture in zip(grounds, pictures, strict=True):
        down, right = random.integers(0, 7, 2)
        ground[down : down + 8, right : right + 8] += picture
    return grounds.astype("float32")


@case(
    source="https://github.com/duggalrahul/AlexNet-Experiments-Keras/issues/4",
    cause="a large network learns 140 pictures by heart; shifted copies and dropout make it look",
    causes="data layers regularization epochs",
    evidence=r"overfit|by heart|memori[sz]|generali[sz]|"
    r"(valid|held-?out|unseen)\w*[\s\S]{0,140}(rise|rises|rising|rose|grow|increas|worse|higher|"
    r"above|gap|below|fall|far|behind|best|lower)|(gap|difference)[\s\S]{0,60}(train|valid)|"
    r"too (few|little) (data|rows|pictures|images|examples|samples)|"
    r"(weights|parameters)[\s\S]{0,60}(per|than|rows|examples|samples|images)",
    repair={"shifts": True, "dropout": 0.2, "epochs": 60},
    advice={
        r"augment|RandomTranslation|RandomCrop|shift": {"shifts": True, "epochs": 60},
        r"more (data|rows|examples|samples|pictures|images)|collect": {"rows": 320},
        r"early.?stop|best epoch|restore_best|fewer epochs|stop (at|when|train)": {"stop": True},
        r"fewer units|smaller (network|model|layer)|fewer (weights|parameters)|less capacity": {
            "units": 16
        },
        r"dropout": {"dropout": 0.5},
        r"weight.?decay|\bl2\b|regulari[sz]er": {"decay": 0.003},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 80},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 4e-4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"centered": True},
    },
    metric="accuracy on held-out pictures",
    good=0.82,
)
def two_kinds_of_pictures(
    seed,
    callbacks,
    shifts=False,
    rows=140,
    stop=False,
    decay=0.0,
    centered=False,
    epochs=40,
    units=128,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell two kinds of pictures apart: 1.00 in training, far lower in validation."""
    random = start(seed)
    pictures, labels = digits(seed, classes=(1, 3, 4, 6))
    x, y = placed(pictures, random), np.isin(labels, (1, 4)).astype("float32")
    if centered:
        x = (x - x.mean()) / x.std()

    penalty = keras.regularizers.L2(decay)
    model = keras.Sequential([keras.Input((14, 14, 1))])
    if shifts:
        model.add(layers.RandomTranslation(0.4, 0.4, fill_mode="wrap", seed=seed))
    model.add(layers.Conv2D(24, 3, activation="relu", kernel_initializer=initializer))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    dense = {"kernel_initializer": initializer, "kernel_regularizer": penalty}
    model.add(layers.Dense(units, activation="relu", **dense))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=5, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[400 : 400 + rows], y[400 : 400 + rows]),
        validation_data=(x[:100], y[:100]),
        batch_size=32,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[100:400], verbose=0)[:, 0] > 0.5) == y[100:400]))


@case(
    source="https://github.com/keras-team/keras/issues/10979",
    cause="the base knows two other shapes and is frozen: what it finds does not tell seven kinds",
    causes="layers weights",
    evidence=r"frozen|freez|trainable|pre-?train|\bbase\b|transfer|fine.?tun|not trained|"
    r"(few|small|low)[\s\S]{0,60}(capacity|features)|features[\s\S]{0,60}(do not|too|not tell|"
    r"alike|separate)|(capacity|bottleneck|underfit)",
    repair={"frozen": False},
    advice={
        r"trainable|unfreez|fine.?tun|un-?frozen|thaw": {"frozen": False},
        r"from scratch|without (the )?(pre-?trained|base)": {"frozen": False, "known": False},
        "longer": {"epochs": 75},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {"centered": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out seeds",
    good=0.85,
)
def seeds_of_seven_kinds(
    seed,
    callbacks,
    frozen=True,
    known=True,
    centered=False,
    epochs=25,
    units=48,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort seven kinds by a base trained before: worse than a network trained from scratch."""
    start(seed)
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(12, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
        ]
    )
    if known:
        earlier, shapes = digits(seed, classes=(0, 1))
        teacher = keras.Sequential([base, layers.Dense(1, activation="sigmoid")])
        teacher.compile(Adam(0.005), "binary_crossentropy")
        teacher.fit(earlier, shapes, epochs=8, verbose=0)
    base.trainable = not frozen

    x, y = digits(seed, classes=range(3, 10))
    y = y - 3
    if centered:
        x = (x - x[:800].mean()) / x[:800].std()
    inputs = keras.Input((8, 8, 1))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(base(inputs))
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(7, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:800], one_hot(y[:800], 7)),
        validation_data=(x[800:950], one_hot(y[800:950], 7)),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[950:], y[950:])


@case(
    source="https://github.com/t-davidson/hate-speech-and-offensive-language/issues/8",
    cause="6 % of the messages are of the first class; class_weight makes them count",
    causes="data loss metric",
    evidence=r"imbalanc|unbalanc|balanced|\brare|majority|minority|share of|class.?weight|"
    r"class shares|frequen|few (rows|examples|samples)|(class|label)\w*[\s\S]{0,80}(never|rarely|"
    r"seldom|hardly|most of|of the rows|predicted|recall|%)|(never|rarely|seldom)[\s\S]{0,40}"
    r"(class|predict)",
    repair={"weighted": True},
    advice={
        r"class_weight|sample_weight|oversampl|over-?sampl|resampl|undersampl|threshold|focal|"
        r"balance": {"weighted": True},
        "longer": {"epochs": 20},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="balanced accuracy on held-out messages",
    good=0.7,
)
def three_kinds_of_messages(
    seed,
    callbacks,
    weighted=False,
    epochs=6,
    units=24,
    learning_rate=0.002,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Tell hateful, rude and harmless messages: poor results for the first class."""
    random = start(seed)
    y = random.choice(3, 6000, p=[0.06, 0.77, 0.17])
    x = random.integers(120, 500, (6000, 12))
    shares = np.array([[0.16, 0.12, 0.0], [0.05, 0.2, 0.01], [0.0, 0.03, 0.2]])[y]
    drawn = random.random(x.shape)
    ends = np.cumsum(shares, axis=1)
    for kind in range(3):
        end, share = ends[:, kind, None], shares[:, kind, None]
        told = (drawn < end) & (drawn >= end - share)
        x[told] = random.integers(40 * kind, 40 * kind + 40, x.shape)[told]

    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Embedding(500, 16),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    counts = np.bincount(y[:4000], minlength=3)
    weights = {kind: float(4000 / 3 / count) for kind, count in enumerate(counts)}
    model.fit(
        *(x[:4000], y[:4000]),
        validation_data=(x[4000:4500], y[4000:4500]),
        batch_size=64,
        epochs=epochs,
        class_weight=weights if weighted else None,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[4500:], verbose=0).argmax(axis=1)
    return float(balanced_accuracy_score(y[4500:], guess))


@case(
    source="https://github.com/keras-team/keras/issues/2576",
    cause="targets of up to 2000 need weights of up to 100, at 0.001 a step; scaled, they are near",
    causes="preprocessing data learning_rate epochs optimizer",
    evidence=r"(targets?|labels?|\by\b|outputs?)[\s\S]{0,120}(large|big|huge|scale|range|spread|"
    r"deviation|magnitude|far|thousand|reach|\d{3,}|not (standardi[sz]ed|normali[sz]ed))|"
    r"(standardi[sz]e|normali[sz]e|scale)[\s\S]{0,40}(target|label|\by\b)|"
    r"(learning.?rate|\brate\b)[\s\S]{0,100}(small|tiny|low|slow|0\.001)|"
    r"still (falling|improving|learning|decreas|going down)|too few (updates|steps|epochs)|"
    r"(predict|answer)\w*[\s\S]{0,80}(below|far|too small|smaller|spread)|slow(ly)?\b|"
    r"not (yet )?(finished|converged)|(more|longer)[\s\S]{0,20}(epochs|updates|training)",
    repair={"scaled": True},
    advice={
        r"(standardi[sz]e|normali[sz]e|scale|divide|rescale)[\s\S]{0,60}(targets?|labels?|\by\b)|"
        r"(targets?|labels?|\by\b|y_train)[\s\S]{0,60}(standardi[sz]|normali[sz]|scale|mean|std)|"
        r"y_train": {"scaled": True},
        r"learning_rate=(0?\.1|1e-0?1)\b": {"learning_rate": 0.1},
        r"learning_rate=(0?\.01|1e-0?2)\b": {"learning_rate": 0.01},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 40},
        "wider": {"hidden": 64},
        "scaled": {},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out rows",
    good=0.9,
)
def no_hidden_layer(
    seed,
    callbacks,
    scaled=False,
    learning_rate=0.001,
    epochs=10,
    hidden=0,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Repeat a linear regression with one Dense layer: the answers keep between -70 and 70."""
    start(seed)
    x, sums = datasets.make_regression(5000, 100, n_informative=100, noise=100, random_state=seed)
    x = x.astype("float32")
    mean, spread = (sums[:3500].mean(), sums[:3500].std()) if scaled else (0.0, 1.0)
    y = ((sums - mean) / spread).astype("float32")

    model = keras.Sequential([keras.Input((100,))])
    if hidden:
        model.add(layers.Dense(hidden, activation="relu", kernel_initializer=initializer))
    if dropout:
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, kernel_initializer=initializer))
    model.compile(RMSprop(learning_rate), "mse")
    model.fit(
        *(x[:3500], y[:3500]),
        validation_data=(x[3500:4000], y[3500:4000]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(sums[4000:], model.predict(x[4000:], verbose=0)[:, 0] * spread + mean)


@sound(
    source="https://github.com/keras-team/keras/issues/2344",
    metric="accuracy on held-out digits",
    good=0.93,
)
def lower_from_the_first_epoch(seed, callbacks):
    """Noise: pictures are shifted and blurred in training only, so its loss is the higher one."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomTranslation(0.1, 0.1, seed=seed),
            layers.GaussianNoise(0.25, seed=seed),
            layers.Conv2D(24, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=32,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://github.com/keras-team/keras/issues/3372",
    metric="share of held-out tumours on the right side of 0",
    good=0.93,
)
def labels_of_minus_one(seed, callbacks):
    """Margin: hinge loss, labels of -1 and 1 and one linear output, as in a support machine."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), (2 * y[rows] - 1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(16, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.003)),
            layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.003)),
        ]
    )
    model.compile(Adam(0.003), "hinge")
    model.fit(
        *(x[:340], y[:340]),
        validation_data=(x[340:420], y[340:420]),
        batch_size=32,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[420:], verbose=0)[:, 0] > 0) == (y[420:] > 0)))


@sound(
    source="https://github.com/NLeSC/mcfly/issues/40",
    metric="accuracy on held-out wines",
    good=0.9,
)
def wines_as_they_were_measured(seed, callbacks):
    """Scale: raw measurements up to 1680 enter, and the first layer is a BatchNormalization."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = x[rows].astype("float32"), y[rows]
    model = keras.Sequential(
        [
            keras.Input((13,)),
            layers.BatchNormalization(momentum=0.9),
            layers.Dense(12, activation="relu", kernel_regularizer=keras.regularizers.L2(0.003)),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:100], y[:100]),
        validation_data=(x[100:128], y[100:128]),
        batch_size=20,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[128:], y[128:])


@sound(
    source="https://github.com/tensorflow/recommenders/issues/235",
    metric="R² of held-out ratings, noise left out",
    good=0.85,
)
def three_epochs_of_ratings(seed, callbacks):
    """Epochs: three rounds of 60,000 ratings are all that two tables of vectors need."""
    random = start(seed)
    people, films = random.normal(size=(150, 3)), random.normal(size=(100, 3))
    who, what = random.integers(0, 150, 70_000), random.integers(0, 100, 70_000)
    truth = 3 + 0.5 * np.sum(people[who] * films[what], axis=1) + 0.4 * films[what, 0]
    y = (truth + random.normal(0, 0.5, 70_000)).astype("float32")
    inputs = [keras.Input((), name="person"), keras.Input((), name="film")]
    vectors = [
        layers.Embedding(count, 8)(part) for count, part in zip((150, 100), inputs, strict=True)
    ]
    level = layers.Flatten()(layers.Embedding(100, 1)(inputs[1]))
    liking = layers.Dot(axes=1)(vectors)
    rating = layers.Dense(1, bias_initializer=keras.initializers.Constant(3.0))(
        layers.Concatenate()([liking, level])
    )
    model = keras.Model(inputs, rating)
    model.compile(Adam(0.005), "mse")
    part = {"train": slice(60_000), "valid": slice(60_000, 65_000), "test": slice(65_000, None)}
    model.fit(
        *([who[part["train"]], what[part["train"]]], y[part["train"]]),
        validation_data=([who[part["valid"]], what[part["valid"]]], y[part["valid"]]),
        batch_size=64,
        epochs=3,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([who[part["test"]], what[part["test"]]], verbose=0)[:, 0]
    return r_squared(truth[part["test"]], guess)


PROGRAMS = [
    an_example_with_rmsprop,
    red_of_a_patch,
    prices_to_come,
    subjects_of_texts,
    two_kinds_of_pictures,
    seeds_of_seven_kinds,
    three_kinds_of_messages,
    no_hidden_layer,
]
SOUND = [
    lower_from_the_first_epoch,
    labels_of_minus_one,
    wines_as_they_were_measured,
    three_epochs_of_ratings,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
