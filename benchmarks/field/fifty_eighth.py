"""Twelve more field programs, as they come in an ordinary week, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_eighth
    python benchmarks/diagnosis.py --programs fifty_eighth
"""

import keras
import numpy as np
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
from keras.optimizers.schedules import ExponentialDecay
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

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
    source="https://github.com/keras-team/keras/issues/12408",
    cause="SGD at 0.1 with a momentum of 0.9 blows the loss up in its first updates",
    causes="learning_rate optimizer",
    evidence=r"(learning.?rate|\brate\b|momentum|updates?|steps?)[\s\S]{0,120}(large|high|big|"
    r"too|0\.1\b|overshoot|jump|explo|diverg|blow|lower|reduc)|(too )?(large|high|big)[\s\S]{0,40}"
    r"(rate|updates?|steps?)|overshoot|diverg|explo|blew|blow|loss[\s\S]{0,60}(jump|rose|rises|"
    r"grew|spike|\bnan|not finite|infinit)|\bnan\b|gradients?[\s\S]{0,60}(large|huge|norm|explo)|"
    r"(dead|died|dying|killed)[\s\S]{0,60}(unit|relu|neuron)|(unit|relu|neuron)s?[\s\S]{0,60}"
    r"(dead|died|dying|never (fire|active)|always 0)|weights?[\s\S]{0,60}(grew|huge|far from)",
    repair={"learning_rate": 0.01},
    advice={
        r"clipnorm|clip": {"clipnorm": 1.0},
        r"SGD\(learning_rate=0?\.001\b": {"learning_rate": 0.001},
        r"SGD\(": {"learning_rate": 0.01},
        r"\badam\b|rmsprop": {"adam": True, "learning_rate": 0.001},
        r"warm.?up|(lower|smaller|reduce|divide)[\s\S]{0,30}rate|tenth": {"learning_rate": 0.01},
        r"momentum": {"momentum": 0.0},
        r"batch.?norm": {"normed": True},
        "slower": {"learning_rate": 0.01},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 1.0},
        "longer": {"epochs": 40},
        "wider": {"filters": 20},
        "scaled": {},
        "regularized": {"dropout": 0.4},
        r"glorot": {"initializer": "glorot_uniform"},
        "initialized": {},
        "relu": {},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def residual_digits(
    seed,
    callbacks,
    learning_rate=0.1,
    momentum=0.9,
    clipnorm=None,
    adam=False,
    normed=False,
    epochs=10,
    filters=8,
    dropout=0.0,
    initializer="he_normal",
):
    """Read digits with a small residual network and SGD, as the papers have it: no learning."""
    start(seed)
    x, y = digits(seed)
    x = ((x - x.mean()) / x.std()).astype("float32")

    def conv(inputs):
        options = {"padding": "same", "kernel_initializer": initializer}
        seen = layers.Conv2D(filters, 3, **options)(inputs)
        return layers.BatchNormalization(momentum=0.9)(seen) if normed else seen

    inputs = keras.Input((8, 8, 1))
    seen = layers.Activation("relu")(conv(inputs))
    for _ in range(5):
        inner = layers.Activation("relu")(conv(seen))
        seen = layers.Activation("relu")(layers.Add()([seen, conv(inner)]))
    seen = layers.Flatten()(layers.AveragePooling2D(2)(seen))
    seen = layers.Dense(32, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(seen))
    if adam:
        rule = Adam(learning_rate, clipnorm=clipnorm)
    else:
        rule = SGD(learning_rate, momentum=momentum, clipnorm=clipnorm)
    model.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@case(
    source="https://datascience.stackexchange.com/questions/31499/"
    "neural-network-only-converges-when-data-cloud-is-close-to-0",
    cause="the inputs lie about 300, far from 0: the sigmoids are saturated from the start",
    causes="preprocessing data",
    evidence=r"(inputs?|columns?|features?|\bx\b)[\s\S]{0,100}(large|big|huge|scale|range|spread|"
    r"deviation|magnitude|\bmean\b|far from|offset|cent(e|re)|hundred|\d{3,}|"
    r"not (standardi[sz]ed|normali[sz]ed))|unscaled|(standardi[sz]e|normali[sz]e|scale|cent(re|er))"
    r"[\s\S]{0,40}(input|column|feature|\bx\b)|saturat",
    repair={"scaled": True},
    advice={
        r"standardi[sz]|normali[sz]|StandardScaler|MinMax|rescal|subtract|cent(re|er)|"
        r"scale (the )?(input|data|feature)|divide the inputs": {"scaled": True},
        r"batch.?norm": {"normed": True},
        "scaled": {"scaled": True},
        "longer": {"epochs": 150},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.002},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out points",
    good=0.85,
)
def curve_through_a_cloud(
    seed,
    callbacks,
    scaled=False,
    normed=False,
    activation="sigmoid",
    epochs=50,
    units=12,
    learning_rate=0.02,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Fit a curve through a cloud of points: for some clouds the answer is a flat line."""
    random = start(seed)
    x = random.uniform(290, 310, (900, 1)).astype("float32")
    curve = np.sin((x[:, 0] - 300) / 3.2) + 0.05 * (x[:, 0] - 300)
    y = (curve + random.normal(0, 0.1, 900)).astype("float32")
    if scaled:
        x = standardized(x)

    model = keras.Sequential([keras.Input((1,))])
    if normed:
        model.add(layers.BatchNormalization())
    for _ in range(2):
        model.add(layers.Dense(units, activation=activation, kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:600], y[:600]),
        validation_data=(x[600:700], y[600:700]),
        batch_size=20,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[700:], model.predict(x[700:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/108",
    cause="a tanh is to answer with numbers between -25 and 60; a linear output can",
    causes="activation preprocessing data",
    evidence=r"(output|last|final|answer|predict)\w*[\s\S]{0,120}(tanh|-1|range|reach|bound|"
    r"between|outside|beyond|limit|saturat|linear)|tanh[\s\S]{0,100}(output|last|target|reach|"
    r"range|bound|limit)|(targets?|labels?|\by\b)[\s\S]{0,120}(range|reach|outside|beyond|"
    r"above 1|below -1|large|scale|spread|deviation|magnitude|tanh|\d{2,})",
    repair={"activation": "linear"},
    advice={
        r"(standardi[sz]e|normali[sz]e|scale|divide|rescale)[\s\S]{0,60}(targets?|labels?|\by\b)|"
        r"(targets?|labels?|\by\b)[\s\S]{0,60}(standardi[sz]|normali[sz]|scale|-1 (to|and) 1)": {
            "targets": True
        },
        r"activation=.?(None|linear)|no activation|linear (output|activation)|"
        r"(remove|without|drop)[\s\S]{0,30}(tanh|activation)": {"activation": "linear"},
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
        "sigmoid": {"activation": "sigmoid"},
        "scaled": {},
        "longer": {"epochs": 90},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
    },
    metric="R² on held-out days",
    good=0.8,
)
def warmth_in_a_plant(
    seed,
    callbacks,
    activation="tanh",
    targets=False,
    epochs=30,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a temperature from twelve readings: the error does not drop."""
    random = start(seed)
    x = random.normal(size=(2200, 12)).astype("float32")
    degrees = 16 + 9 * x[:, 0] - 6 * np.tanh(2 * x[:, 1]) + 4 * x[:, 2] * x[:, 3] + 3 * x[:, 4]
    degrees += random.normal(0, 2, 2200)
    mean, spread = (17.0, 50.0) if targets else (0.0, 1.0)
    y = ((degrees - mean) / spread).astype("float32")

    model = keras.Sequential([keras.Input((12,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="tanh", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation=activation, kernel_initializer=initializer))
    model.compile(RMSprop(learning_rate), "mse")
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1700], y[1500:1700]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(degrees[1700:], model.predict(x[1700:], verbose=0)[:, 0] * spread + mean)


@case(
    source="https://github.com/arabian9ts/VGG16/issues/7",
    cause="three epochs at a low rate are too few for a deep network",
    causes="epochs learning_rate",
    evidence=r"still (falling|improving|learning|decreas|rising|going)|(too )?few[\s\S]{0,30}"
    r"(epochs|updates|steps|iterations|batches)|(epochs|updates|iterations)[\s\S]{0,60}(few|only|"
    r"more|short|enough)|not (yet )?(finished|converged|done)|(stopp?ed|ended|ends?) (too )?(early|"
    r"soon)|under.?(fit|train)|(train|longer|more epochs)[\s\S]{0,30}(longer|epochs)|"
    r"(learning.?rate|\brate\b)[\s\S]{0,80}(small|tiny|low|slow)|(weights?|updates?|steps?)"
    r"[\s\S]{0,60}(hardly|barely|tiny|small|slow)|slow(ly)?\b",
    repair={"epochs": 25},
    advice={
        r"early.?stop": {"epochs": 25},
        "longer": {"epochs": 25},
        "faster": {"learning_rate": 0.002},
        "usual": {"learning_rate": 0.001},
        r"batch.?size[\s\S]{0,30}(smaller|lower|\b8\b|16)|smaller batch": {"batch_size": 8},
        "slower": {"learning_rate": 5e-5},
        "wider": {"filters": 16},
        "scaled": {"scaled": True},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.88,
)
def little_vgg(
    seed,
    callbacks,
    epochs=3,
    learning_rate=4e-4,
    batch_size=32,
    scaled=False,
    filters=8,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits with a network built like VGG: the loss goes down a little bit only."""
    start(seed)
    x, y = digits(seed)
    if scaled:
        x = ((x - x.mean()) / x.std()).astype("float32")

    model = keras.Sequential([keras.Input((8, 8, 1))])
    for width in (filters, 2 * filters):
        for _ in range(2):
            options = {"padding": "same", "activation": "relu"}
            model.add(layers.Conv2D(width, 3, kernel_initializer=initializer, **options))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    for _ in range(2):
        model.add(layers.Dense(4 * filters, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    labels = one_hot(y, 10)
    model.fit(
        *(x[:1200], labels[:1200]),
        validation_data=(x[1200:1400], labels[1200:1400]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


def cells(random, rows):
    """Draw noisy pictures (N, 12, 12, 1) of four kinds of stripes, a few with a wrong label."""
    kind = random.integers(0, 4, rows)
    down, right = np.mgrid[:12, :12]
    along = np.stack([down, right, down + right, down - right])[kind]
    wave = np.sin(along * 1.3 + random.uniform(0, 2 * np.pi, rows)[:, None, None])
    x = 0.5 + 0.25 * wave + random.normal(0, 0.22, wave.shape)
    label = np.where(random.random(rows) < 0.3, random.integers(0, 4, rows), kind)
    return x.astype("float32")[..., None], label


@case(
    source="https://github.com/keras-team/keras-tuner/issues/167",
    cause="a large network learns 450 pictures by heart; dropout and an early stop repair it",
    causes="regularization epochs layers data",
    evidence=r"over.?fit|by heart|memori[sz]|generali[sz]|valid\w*[\s\S]{0,120}(ris|rose|grow|"
    r"grew|worse|gap|far|above|lower|best|lowest|minimum|increas|behind|turn|fell)|"
    r"\bgap\b|best epoch|too (many epochs|long)|(only|too few|more weights than) [\s\S]{0,20}"
    r"(rows|examples|samples|pictures|images)|(weights|parameters)[\s\S]{0,40}(rows|samples)",
    repair={"dropout": 0.5, "stop": True},
    advice={
        r"early.?stop[\s\S]*dropout|dropout[\s\S]*early.?stop": {"dropout": 0.5, "stop": True},
        r"early.?stop|best epoch|restore_best|fewer epochs|stop (at|after|earlier)": {"stop": True},
        r"augment": {"moved": True},
        r"(smaller|fewer|less) [\s\S]{0,30}(network|units|filters|layers|weights|param)|narrower": {
            "units": 16
        },
        r"more (data|rows|examples|samples|pictures|images)|collect": {"rows": 2600},
        r"weight.?decay|\bl2\b|regulari[sz]er": {"decay": 0.01},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 80},
        "wider": {"units": 512},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 2e-4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out pictures",
    good=0.74,
)
def striped_pictures(
    seed,
    callbacks,
    rows=450,
    stop=False,
    moved=False,
    decay=0.0,
    scaled=False,
    epochs=50,
    units=128,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell four kinds of pictures: 0.98 in training after 50 epochs, 0.6 in validation."""
    random = start(seed)
    x, y = cells(random, 1650 + rows)
    if scaled:
        x = ((x - x.mean()) / x.std()).astype("float32")

    penalty = keras.regularizers.L2(decay)
    model = keras.Sequential([keras.Input((12, 12, 1))])
    if moved:
        model.add(layers.RandomTranslation(0.15, 0.15, fill_mode="wrap", seed=seed))
    for _ in range(2):
        options = {"padding": "same", "activation": "relu", "kernel_regularizer": penalty}
        model.add(layers.Conv2D(10, 3, kernel_initializer=initializer, **options))
    model.add(layers.MaxPooling2D())
    model.add(layers.Dropout(dropout / 2))
    model.add(layers.Flatten())
    dense = {"kernel_initializer": initializer, "kernel_regularizer": penalty}
    model.add(layers.Dense(units, activation="relu", **dense))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(4, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=5, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[1650:], y[1650:]),
        validation_data=(x[:150], y[:150]),
        batch_size=32,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[150:1650], y[150:1650])


@case(
    source="https://exchangetuts.com/"
    "keras-multi-class-prediction-output-is-limited-to-one-class-1640584924134214",
    cause="three of five classes have 5 to 8 % of the rows each and are never told: weigh them",
    causes="data loss weights metric",
    evidence=r"imbalanc|unbalanc|\bbalanced?\b|\brare|minorit|majorit|class.?weight|"
    r"(class|label)(es|s)?[\s\S]{0,80}(share|few|frequen|often|never|seldom|% of|distribut|"
    r"uneven|most common|largest)|(never|seldom|hardly)[\s\S]{0,40}(predict|told|answer|class)|"
    r"predict\w*[\s\S]{0,60}(one|same|two|common|frequent)[\s\S]{0,20}class",
    repair={"weighted": True},
    advice={
        r"class_weight|sample_weight|weigh|over.?sampl|under.?sampl|resampl|SMOTE|focal|"
        r"balanc|rare class|threshold": {"weighted": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="balanced accuracy on held-out rows",
    good=0.46,
)
def five_grades(
    seed,
    callbacks,
    weighted=False,
    scaled=False,
    epochs=20,
    units=40,
    learning_rate=0.001,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Sort rows of 20 predictors into five grades: nearly every answer is one of two."""
    random = start(seed)
    shares = [0.056, 0.077, 0.356, 0.457, 0.054]
    y = random.choice(5, 8000, p=shares)
    middle = np.random.default_rng(7).normal(0, 0.28, (5, 20))
    x = (middle[y] + random.normal(size=(8000, 20))).astype("float32")
    if scaled:
        x = standardized(x)

    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units // 4, activation="relu", kernel_initializer=initializer),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(RMSprop(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    labels = one_hot(y, 5)
    counts = labels[:4000].sum(axis=0)
    weights = {grade: float(800 / count) for grade, count in enumerate(counts)}
    model.fit(
        *(x[:4000], labels[:4000]),
        validation_data=(x[4000:5000], labels[4000:5000]),
        batch_size=32,
        epochs=epochs,
        class_weight=weights if weighted else None,
        callbacks=callbacks,
        verbose=0,
    )
    return float(
        balanced_accuracy_score(y[5000:], model.predict(x[5000:], verbose=0).argmax(axis=1))
    )


@case(
    source="https://github.com/lkulowski/LSTM_encoder_decoder/issues/3",
    cause="the series rises, so what is to be foretold lies above all that is trained on",
    causes="preprocessing data",
    evidence=r"\btrend|drift|differenc|stationar|chang(e|es|ing) (of|over|between|from)|"
    r"(valid\w*|held.?out|later|test)[\s\S]{0,140}(range|outside|beyond|above|larger|higher|shift|"
    r"mean|distribut|differ|unlike|scale|spread)|(range|outside|beyond|distribut|differ|shift)"
    r"[\s\S]{0,100}(valid|later|test)|extrapolat|last value|persist|naive|repeat",
    repair={"changes": True},
    advice={
        r"differenc|detrend|trend|\bchanges?\b|last value|stationar|relative|residual|subtract": {
            "changes": True
        },
        r"shuffl": {"shuffled": True},
        "scaled": {"standard": True},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on the last months",
    good=0.75,
)
def passengers_of_a_line(
    seed,
    callbacks,
    changes=False,
    standard=False,
    shuffled=False,
    epochs=20,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a line's passengers from the last 12 months: the curve stays below what came."""
    random = start(seed)
    month = np.arange(900)
    level = 100 + 0.6 * month + 25 * np.sin(2 * np.pi * month / 12)
    level = level + random.normal(0, 4, 900)
    low, high = level[:600].min(), level[:600].max()
    offset, scale = low, high - low
    if standard:
        offset, scale = level[:600].mean(), level[:600].std()
    series = (level - offset) / scale
    if changes:
        steps = np.diff(level, prepend=level[0])
        offset, scale = 0.0, steps[:600].std()
        series = steps / scale
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], 12)[:, :, None].astype("float32")
    y = series[12:].astype("float32")

    model = keras.Sequential(
        [
            keras.Input((12, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    order = random.permutation(688) if shuffled else np.arange(688)
    train, valid = order[:588], order[588:]
    model.fit(
        *(x[train], y[train]),
        validation_data=(x[valid], y[valid]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[688:], verbose=0)[:, 0] * scale + offset
    return r_squared(level[700:], guess + level[699:-1] if changes else guess)


def pretrained(seed, initializer):
    """Train a base on the digits 0 to 4, whose pixels are 0 to 255 less their mean."""
    x, y = digits(seed, classes=range(5))
    x = x * 255
    mean = float(x.mean())
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", kernel_initializer=initializer),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(24, 3, padding="same", kernel_initializer=initializer),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.Flatten(),
        ],
        name="base",
    )
    whole = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    whole.compile(Adam(0.003), "sparse_categorical_crossentropy")
    whole.fit(x - mean, y, batch_size=32, epochs=5, verbose=0)
    return base, mean


@case(
    source="https://github.com/keras-team/keras/issues/3622",
    cause="the base knows pixels of 0 to 255 less a mean and is given pixels of 0 to 1",
    causes="preprocessing data",
    evidence=r"(inputs?|pixels?|images?|\bx\b)[\s\S]{0,120}(small|tiny|scale|range|spread|"
    r"deviation|magnitude|0 (to|and|\.\.) 1|255|preprocess|prepar|expect|hardly var)|"
    r"preprocess|(pre.?trained|frozen|base)[\s\S]{0,120}(scale|range|input|expect|preprocess|"
    r"prepar|hardly|nearly|same|constant|output|statistic|moving|feature)|"
    r"(features?|activations?|outputs?)[\s\S]{0,80}(hardly|barely|nearly (the )?(same|constant)|"
    r"same for|tiny|var(y|ies) little|identical)|moving (mean|average|statistic|variance)",
    repair={"prepared": True},
    advice={
        r"preprocess|255|as (the|its) base|same (scal|way|range|preparation)|pre.?trained on|"
        r"expects?|what the base": {"prepared": True},
        r"unfreeze|trainable ?= ?True|fine.?tun|train the base|moving": {"trainable": True},
        "scaled": {"standard": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.005},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.7},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def five_other_digits(
    seed,
    callbacks,
    prepared=False,
    standard=False,
    trainable=False,
    epochs=15,
    units=32,
    learning_rate=5e-4,
    dropout=0.5,
    initializer="glorot_uniform",
):
    """Put a head on a frozen, trained base: worse than a small network from scratch."""
    start(seed)
    base, mean = pretrained(seed, "glorot_uniform")
    base.trainable = trainable
    x, y = digits(seed, classes=range(5, 10))
    y = y - 5
    if prepared:
        x = x * 255 - mean
    elif standard:
        x = ((x - x.mean()) / x.std()).astype("float32")

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
        *(x[:500], y[:500]),
        validation_data=(x[500:620], y[500:620]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[620:], y[620:])


@sound(
    source="https://github.com/keras-team/keras/issues/7162",
    metric="area under the curve on held-out events",
    good=0.93,
)
def signal_among_kinds_of_noise(seed, callbacks):
    """Weights: a rare kind of noise counts 15 times, so training and validation losses differ."""
    random = start(seed)
    kind = random.choice(3, 6000, p=[0.3, 0.66, 0.04])
    middle = np.array([[1.2, 0.8, 0, 0, 0, 0], [-1, 0, 0.6, 0, 0, 0], [1.2, -1.4, 0, 0.8, 0, 0]])
    x = (middle[kind] + random.normal(size=(6000, 6)) * 0.8).astype("float32")
    y = (kind == 0).astype("float32")
    weights = np.where(kind == 2, 15.0, 1.0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", weighted_metrics=[], metrics=["accuracy"])
    model.fit(
        *(x[:4000], y[:4000]),
        sample_weight=weights[:4000],
        validation_data=(x[4000:4600], y[4000:4600]),
        batch_size=32,
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return float(roc_auc_score(y[4600:], model.predict(x[4600:], verbose=0)[:, 0]))


@sound(
    source="https://github.com/keras-team/keras/issues/486",
    metric="F1 of the steps told on held-out sequences",
    good=0.9,
)
def the_same_two_steps_ago(seed, callbacks):
    """Tell steps apart: a GRU answers at each, and one answer in eight is a yes."""
    random = start(seed)
    numbers = random.integers(0, 8, (1600, 16))
    y = np.zeros((1600, 16, 1), "float32")
    y[:, 2:, 0] = numbers[:, 2:] == numbers[:, :-2]
    model = keras.Sequential(
        [
            keras.Input((16,), dtype="int32"),
            layers.Embedding(8, 8),
            layers.GRU(32, return_sequences=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(numbers[:1000], y[:1000]),
        validation_data=(numbers[1000:1200], y[1000:1200]),
        batch_size=32,
        epochs=18,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(numbers[1200:], verbose=0) > 0.5
    return float(f1_score(y[1200:].ravel() > 0, guess.ravel()))


@sound(
    source="https://keras.io/api/optimizers/learning_rate_schedules/exponential_decay/",
    metric="R² on held-out rows",
    good=0.9,
)
def a_rate_that_falls_and_falls(seed, callbacks):
    """Rate: SGD begins at 0.1 and ends below 0.0005, when all is learned."""
    random = start(seed)
    x = random.normal(size=(2200, 5)).astype("float32")
    y = x[:, 0] + 0.7 * np.abs(x[:, 1]) - 0.5 * np.maximum(x[:, 2], 0) + 0.4 * x[:, 3]
    y = (y + random.normal(0, 0.1, 2200)).astype("float32")
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(32, activation="relu"), layers.Dense(1)]
    )
    model.compile(SGD(ExponentialDecay(0.1, 50, 0.83), momentum=0.5), "mean_squared_error")
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1700], y[1500:1700]),
        batch_size=32,
        epochs=32,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1700:], model.predict(x[1700:], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/issues/605",
    metric="accuracy on held-out digits",
    good=0.93,
)
def harder_in_training(seed, callbacks):
    """Noise: the training sees moved and noisy digits, the validation clean ones, and is better."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomTranslation(0.13, 0.13, fill_mode="constant", seed=seed),
            layers.GaussianNoise(0.25, seed=seed),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=32,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


PROGRAMS = [
    residual_digits,
    curve_through_a_cloud,
    warmth_in_a_plant,
    little_vgg,
    striped_pictures,
    five_grades,
    passengers_of_a_line,
    five_other_digits,
]
SOUND = [
    signal_among_kinds_of_noise,
    the_same_two_steps_ago,
    a_rate_that_falls_and_falls,
    harder_in_training,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
