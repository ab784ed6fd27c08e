"""Twelve more field programs, as people ordinarily ask about them, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_fourth
    python benchmarks/diagnosis.py --programs fifty_fourth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
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

# ---- eight reports ----


@case(
    source="https://github.com/rstudio-conf-2020/dl-keras-tf/issues/9",
    cause="squared errors of prices of up to 755,000 make steps at a rate of 0.1 that overflow",
    causes="data preprocessing learning_rate loss optimizer",
    evidence=r"(targets?|labels?|\by\b|outputs?|prices?)[\s\S]{0,120}(large|big|huge|scale|range|"
    r"spread|deviation|magnitude|far|thousand|e\+0|\d{4,}|mean|not (standardi[sz]ed|normali[sz]ed))"
    r"|(standardi[sz]e|normali[sz]e|scale)[\s\S]{0,40}(target|label|\by\b)|"
    r"(learning.?rate|\brate\b|steps?|updates?)[\s\S]{0,80}(large|high|big|explod|diverg|0\.1\b)|"
    r"explod|diverg|overflow|(loss|weights?|gradients?)[\s\S]{0,60}(\bnan\b|infinit|not finite|"
    r"non-?finite|no numbers?|huge|grow|\be\+)",
    repair={"scaled": True, "learning_rate": 0.01},
    advice={
        r"(standardi[sz]e|normali[sz]e|scale|divide|rescale|log\w*)[\s\S]{0,60}(targets?|labels?|"
        r"\by\b|prices?)|(targets?|labels?|\by\b|y_train)[\s\S]{0,60}(standardi[sz]|normali[sz]|"
        r"scale|mean|std|log)|y_train": {"scaled": True, "learning_rate": 0.01},
        r"mean_squared_logarithmic_error|msle": {"loss": "mean_squared_logarithmic_error"},
        r"clip": {"clipnorm": 1.0},
        r"adam|rmsprop": {"optimizer": "adam", "learning_rate": 0.001},
        "scaled": {},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 1.0},
        "slower": {"learning_rate": 0.01},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out houses",
    good=0.7,
)
def houses_of_a_town(
    seed,
    callbacks,
    scaled=False,
    loss="mean_squared_error",
    optimizer="sgd",
    learning_rate=0.1,
    clipnorm=None,
    epochs=10,
    units=32,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Estimate the prices of houses: loss: nan, or that of the mean price, in every epoch."""
    random = start(seed)
    x = random.normal(size=(2700, 14)).astype("float32")
    worth = x[:, 0] + 0.7 * x[:, 1] + 0.5 * np.abs(x[:, 2]) + 0.4 * x[:, 3] * (x[:, 4] > 0)
    price = np.exp(12 + 0.28 * worth + random.normal(0, 0.08, 2700)).clip(35_000, 755_000)
    mean, spread = (price[:2050].mean(), price[:2050].std()) if scaled else (0.0, 1.0)
    y = ((price - mean) / spread).astype("float32")

    model = keras.Sequential([keras.Input((14,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    rule = Adam if optimizer == "adam" else SGD
    model.compile(rule(learning_rate, clipnorm=clipnorm), loss, metrics=["mae"])
    model.fit(
        *(x[:2050], y[:2050]),
        batch_size=16,
        epochs=epochs,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(price[2050:], model.predict(x[2050:], verbose=0)[:, 0] * spread + mean)


@case(
    source="https://github.com/rcmalli/keras-vggface/issues/43",
    cause="SGD at a rate of 0.00001 leaves the new layers where they began",
    causes="learning_rate optimizer epochs",
    evidence=r"(learning.?rate|\brate\b)[\s\S]{0,100}(small|tiny|low|slow|1e-0?5|0\.00001|too)|"
    r"(weights?|updates?|steps?|layers?|kernels?)[\s\S]{0,80}(hardly|barely|tiny|small|slow|"
    r"moved?)|still (falling|improving|learning|decreas)|(larger|higher|raise|ten times)"
    r"[\s\S]{0,30}rate|too few (updates|steps|epochs)|not (yet )?(finished|converged)|"
    r"slow(ly)?\b|\bsgd\b|\badam\b",
    repair={"learning_rate": 0.01},
    advice={
        r"SGD\(learning_rate=0?\.1\b": {"learning_rate": 0.1},
        r"SGD\(": {"learning_rate": 0.01},
        r"adam|rmsprop": {"optimizer": "adam", "learning_rate": 0.001},
        r"unfreez|trainable": {"frozen": False},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 1e-3},
        "slower": {"learning_rate": 1e-6},
        "longer": {"epochs": 48},
        "wider": {"units": 128},
        "scaled": {"centered": True},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out images of the seven classes",
    good=0.85,
)
def seven_classes_on_an_old_network(
    seed,
    callbacks,
    optimizer="sgd",
    learning_rate=1e-5,
    frozen=True,
    centered=False,
    epochs=16,
    units=48,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Put two layers on a network that knows three other classes: val_acc stays as it is."""
    start(seed)
    known, known_labels = digits(seed, (0, 1, 2))
    x, y = digits(seed, range(3, 10))
    y = y - 3
    if centered:
        x = x - x[:700].mean()

    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
        ]
    )
    first = keras.Sequential([base, layers.Dense(3, activation="softmax")])
    first.compile(Adam(0.003), "sparse_categorical_crossentropy")
    first.fit(known, known_labels, epochs=5, verbose=0)

    base.trainable = not frozen
    model = keras.Sequential([keras.Input((8, 8, 1)), base])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(7, activation="softmax"))
    rule = Adam(learning_rate) if optimizer == "adam" else SGD(learning_rate, momentum=0.9)
    model.compile(rule, "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:700], one_hot(y[:700], 7)),
        validation_data=(x[700:900], one_hot(y[700:900], 7)),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[900:], y[900:])


@case(
    source="https://github.com/keras-team/keras/issues/7509",
    cause="a softmax over one unit is 1 whatever comes in: a sigmoid, or two units",
    causes="activation layers loss",
    evidence=r"soft-?max|(one|single|1) (output|unit)|(output|last|final|predict)\w*[\s\S]{0,100}"
    r"(constant|always|same|\b1(\.0+)?\b for|never (chang|var)|identical|every (row|input)|flat)|"
    r"(constant|always|identical)[\s\S]{0,60}(output|predict|answer|probabilit)|"
    r"no gradient|gradients?[\s\S]{0,40}(zero|\b0\b|vanish|none)",
    repair={"activation": "sigmoid"},
    advice={
        r"sigmoid": {"activation": "sigmoid"},
        r"(two|2) (units|outputs|classes)|Dense\(2\b|sparse_categorical": {"two": True},
        "linear": {"activation": "linear"},
        "binary": {},
        "squared": {"loss": "mean_squared_error"},
        "scaled": {},
        "longer": {"epochs": 25},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out runs",
    good=0.85,
)
def runs_of_a_process(
    seed,
    callbacks,
    activation="softmax",
    two=False,
    loss="binary_crossentropy",
    epochs=10,
    units=24,
    learning_rate=0.005,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Sort runs of thirteen logged parameters into OK and KO: the accuracy never moves."""
    random = start(seed)
    y = (random.random(1100) < 0.55).astype("float32")
    x = random.normal(size=(1100, 20, 13))
    drift = np.linspace(0, 1, 20) * (2 * y[:, None] - 1)
    x[:, :, 2] += 1.2 * drift
    x[:, :, 7] -= 0.9 * drift
    x = standardized(x)

    model = keras.Sequential(
        [
            keras.Input((20, 13)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(2 if two else 1, activation=activation),
        ]
    )
    chosen = "sparse_categorical_crossentropy" if two else loss
    model.compile(Adam(learning_rate), chosen, metrics=["accuracy"])
    model.fit(
        *(x[:500], y[:500]),
        validation_data=(x[500:650], y[500:650]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[650:], verbose=0)
    told = guess.argmax(axis=1) if two else guess[:, 0] > 0.5
    return float(np.mean(told == y[650:]))


@case(
    source="https://github.com/keras-team/keras/issues/8471",
    cause="250 pictures, and the places noted wrongly for some, are learned by heart",
    causes="layers epochs data regularization preprocessing",
    evidence=r"overfit|by heart|memori[sz]|generali[sz]|held-?out|unseen|"
    r"valid\w*[\s\S]{0,120}(rise|rises|rising|rose|grow|increas|worse|higher|above|gap|below|"
    r"fall|far|best|lower)|(gap|difference)[\s\S]{0,60}(train|valid)|best (epoch|validation)|"
    r"too (many|large|big|long|few)|more (weights|parameters) than|few (rows|images|pictures)",
    repair={"dropout": 0.5, "stop": True},
    advice={
        r"dropout[\s\S]*(early.?stop|best epoch|restore_best)|"
        r"(early.?stop|best epoch|restore_best)[\s\S]*dropout": {"dropout": 0.5, "stop": True},
        r"early.?stop|best epoch|restore_best|fewer epochs|stop (at|when|train)": {"stop": True},
        r"fewer units|smaller (network|model|layer)|fewer (weights|parameters)|less capacity": {
            "units": 16
        },
        r"augment|GaussianNoise|Random(Translation|Brightness)|add noise": {"noise": 0.5},
        r"more (data|rows|examples|samples|images|pictures)|collect": {"rows": 2000},
        r"weight.?decay|\bl2\b|regulari[sz]er": {"decay": 0.01},
        r"dropout": {"dropout": 0.5},
        "regularized": {"dropout": 0.5},
        "scaled": {},
        "longer": {"epochs": 80},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 2e-4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out pictures",
    good=0.87,
)
def where_the_wrench_lies(
    seed,
    callbacks,
    rows=250,
    noise=0.0,
    decay=0.0,
    stop=False,
    epochs=40,
    units=128,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell at which of six places the wrench of size 19 lies, from pictures of my own."""
    random = start(seed)
    total = rows + 1400
    order = np.argsort(random.random((total, 6)), axis=1)
    lengths = np.array([4, 5, 6, 7, 8, 10])[order]
    y = np.argmax(order == 5, axis=1)
    x = (np.arange(12)[None, :, None] < lengths[:, None, :]) * 1.0
    x = (x + random.normal(0, 0.3, x.shape))[..., None].astype("float32")
    careless = random.random(total) < 0.4
    careless[200:1400] = False
    y = np.where(careless, random.integers(0, 6, total), y)

    penalty = keras.regularizers.L2(decay)
    model = keras.Sequential(
        [
            keras.Input((12, 6, 1)),
            layers.GaussianNoise(noise),
            layers.Flatten(),
            layers.Dense(
                2 * units,
                activation="relu",
                kernel_initializer=initializer,
                kernel_regularizer=penalty,
            ),
            layers.Dropout(dropout),
            layers.Dense(
                units, activation="relu", kernel_initializer=initializer, kernel_regularizer=penalty
            ),
            layers.Dropout(dropout),
            layers.Dense(6, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=5, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[1400:], one_hot(y[1400:], 6)),
        validation_data=(x[:200], one_hot(y[:200], 6)),
        batch_size=16,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[200:1400], y[200:1400])


@case(
    source="https://github.com/keras-team/keras/issues/3068",
    cause="5 % positives, whose probability hardly ever exceeds one half: class weights",
    causes="data loss weights metric",
    evidence=r"imbalanc|unbalanc|balanced|\brare|majority|minority|positives?\b|class (share|"
    r"weight|frequen)|(one|common|frequent|same|single) class|prevalen|\b9[45](\.\d+)? ?%|"
    r"\b5(\.\d+)? ?%|threshold|share of",
    repair={"weighted": True},
    advice={
        r"weigh|oversampl|undersampl|resampl|threshold|focal": {"weighted": True},
        r"metric|auc|recall|precision|f1": {"metric": "auc"},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
        "binary": {},
    },
    metric="balanced accuracy on held-out customers",
    good=0.7,
)
def customers_who_leave(
    seed,
    callbacks,
    weighted=False,
    metric="accuracy",
    epochs=12,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell who cancels: the accuracy is 95 %, and nobody is said to leave."""
    random = start(seed)
    x = random.normal(size=(9000, 12)).astype("float32")
    score = x[:, 0] + 0.8 * x[:, 1] - 0.6 * np.abs(x[:, 2]) + random.normal(0, 0.8, 9000)
    y = (score > np.quantile(score, 0.95)).astype("float32")
    noisy = random.random(9000) < 0.03
    y = np.where(noisy, (random.random(9000) < 0.05), y).astype("float32")
    x = x + random.normal(0, 0.5, x.shape).astype("float32")

    model = keras.Sequential([keras.Input((12,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    measured = keras.metrics.AUC() if metric == "auc" else metric
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=[measured])
    share = float(y[:5000].mean())
    weights = {0: 0.5 / (1 - share), 1: 0.5 / share} if weighted else None
    model.fit(
        *(x[:5000], y[:5000]),
        validation_data=(x[5000:6000], y[5000:6000]),
        batch_size=64,
        epochs=epochs,
        class_weight=weights,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[6000:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[6000:], guess))


@case(
    source="https://github.com/keras-team/keras/issues/1727",
    cause="batches of 450 make few updates, and sigmoids behind both LSTMs flatten what they say",
    causes="epochs batch_size activation layers learning_rate optimizer",
    evidence=r"too few (updates|steps|epochs)|few (updates|steps)|(updates|steps)[\s\S]{0,40}(few|"
    r"only)|batch[\s\S]{0,60}(large|big|450|size)|still (falling|improving|learning|decreas)|"
    r"not (yet )?(finished|converged)|(trained|training)[\s\S]{0,30}(short|briefly|longer)|"
    r"sigmoid|saturat|squash|(learning.?rate|\brate\b)[\s\S]{0,60}(small|tiny|low|slow)|"
    r"slow(ly)?\b|(weights?|layers?|kernels?)[\s\S]{0,60}(hardly|barely|moved?)|"
    r"(predict|output|forecast)\w*[\s\S]{0,80}(constant|mean|same|flat|hardly var|vary (less|"
    r"little)|spread)|underfit",
    repair={"squashed": False, "batch_size": 64, "learning_rate": 0.005, "epochs": 15},
    advice={
        r"batch_size|smaller batch|batch size": {"batch_size": 32},
        r"sigmoid|tanh|(remove|without|drop) the activation|activation": {"squashed": False},
        r"without dropout|less dropout|remove[\s\S]{0,20}dropout": {"dropout": 0.0},
        r"adam": {"optimizer": "adam", "learning_rate": 0.003},
        "longer": {"epochs": 60},
        "wider": {"units": 40},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {"squashed": False},
        "relu": {"squashed": False},
        "squared": {},
    },
    metric="R² of the five series on held-out hours",
    good=0.6,
)
def five_series_at_once(
    seed,
    callbacks,
    squashed=True,
    batch_size=450,
    optimizer="rmsprop",
    epochs=20,
    units=20,
    learning_rate=0.001,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Foretell five series from their history: nearly the same numbers at all times."""
    random = start(seed)
    time = np.arange(2100)[:, None]
    phase, pace = random.uniform(0, 6, 5), np.array([0.21, 0.33, 0.27, 0.4, 0.55])
    series = np.sin(pace * time + phase) + 0.4 * np.sin(0.5 * pace * time)
    series = standardized(series + random.normal(0, 0.25, series.shape))
    windows = np.lib.stride_tricks.sliding_window_view(series, 16, axis=0)[:-1]
    x, y = np.ascontiguousarray(windows.transpose(0, 2, 1)), series[16:]

    model = keras.Sequential([keras.Input((16, 5))])
    for more in (True, False):
        model.add(layers.LSTM(units, return_sequences=more, kernel_initializer=initializer))
        if squashed:
            model.add(layers.Activation("sigmoid"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(5))
    rule = Adam if optimizer == "adam" else RMSprop
    model.compile(rule(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1500], y[:1500]),
        batch_size=batch_size,
        epochs=epochs,
        validation_split=0.05,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1500:], model.predict(x[1500:], verbose=0))


def hands(random, count):
    """Pictures (count, 14, 14, 1) of 0 to 255 of a stone, a sheet or scissors, and which."""
    y = random.integers(0, 3, count)
    rows, columns = np.mgrid[:14, :14]
    middle = random.uniform(5, 8, (count, 2, 1, 1))
    down, right = rows - middle[:, :1, 0], columns - middle[:, 1:, 0]
    size = random.uniform(2.5, 4, (count, 1, 1))
    stone = down**2 + right**2 < size**2
    sheet = (np.abs(down) < size) & (np.abs(right) < size)
    scissors = (np.abs(np.abs(down) - np.abs(right)) < 1.2) & (np.abs(down) < size + 1)
    shape = np.stack([stone, sheet, scissors])[y, np.arange(count)]
    light = random.uniform(60, 140, (count, 1, 1))
    x = 90 + light * shape + random.normal(0, 22, shape.shape)
    return x.clip(0, 255)[..., None].astype("float32"), y


@case(
    source="https://github.com/lmoroney/dlaicourse/issues/129",
    cause="only the pictures trained on are divided by 255, the others come in from 0 to 255",
    causes="preprocessing data",
    evidence=r"(validation|held-?out|test|unseen)[\s\S]{0,140}(scale|rang|larger|bigger|distribut|"
    r"differ|prepared|same (way|preprocessing)|other (data|source)|255|mean|deviation|magnitude|"
    r"not (like|drawn|divided|normali[sz]ed|rescaled))|(distribution|covariate|domain|data)[\s-]?"
    r"(shift|drift)|(rescal|normali[sz]|divid|prepar|preprocess)\w*[\s\S]{0,80}(validation|"
    r"held-?out|test|both|same)",
    repair={"all_rescaled": True},
    advice={
        r"(same|one) (preprocessing|way|pipeline|scal|source|distribution|normali[sz])|prepare|"
        r"differ|distribut|compare|(validation|held-?out|test)[\s\S]{0,80}(scale|255|rescal|"
        r"normali[sz]|standardi[sz]|divide)|(scale|rescal|normali[sz]|standardi[sz]|divide)\w*"
        r"[\s\S]{0,80}(validation|held-?out|test|both)|Rescaling": {"all_rescaled": True},
        "longer": {"epochs": 24},
        "wider": {"filters": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on pictures that were uploaded",
    good=0.9,
)
def stone_sheet_scissors(
    seed,
    callbacks,
    all_rescaled=False,
    epochs=8,
    filters=12,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Tell three signs of a hand: right in training, mostly wrong on uploaded pictures."""
    random = start(seed)
    x, y = hands(random, 2200)
    scale = 255 if all_rescaled else 1
    x_valid, x_test = x[1200:1500] / scale, x[1500:] / scale
    rows = tf.data.Dataset.from_tensor_slices((x[:1200], y[:1200])).shuffle(1200, seed=seed)
    rows = rows.map(lambda image, label: (image / 255, label)).batch(32)

    model = keras.Sequential([keras.Input((14, 14, 1))])
    for _ in range(2):
        model.add(layers.Conv2D(filters, 3, activation="tanh", kernel_initializer=initializer))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(32, activation="tanh", kernel_initializer=initializer))
    model.add(layers.Dense(3, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        rows,
        validation_data=(x_valid, y[1200:1500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test, y[1500:])


@case(
    source="https://github.com/0bserver07/One-Hundred-Layers-Tiramisu/issues/13",
    cause="pictures with their channels first are reshaped to channels last, not transposed",
    causes="preprocessing data",
    evidence=r"reshap|transpos|moveaxis|permut|scrambl|(axis|axes)\b|channels?[\s\S]{0,60}(first|"
    r"last|order|mixed)|(neighbo|adjacent|nearby)\w*[\s\S]{0,80}(pixel|unlike|differ|unrelated|"
    r"noise|not alike)|(pixels?|positions?|spatial|layout)[\s\S]{0,60}(order|shuffl|mixed|"
    r"elsewhere|belong|moved|structure)|(labels?|masks?|targets?)[\s\S]{0,80}(other (pixel|place|"
    r"position)|do not (match|belong|fit)|misalign|elsewhere)",
    repair={"moved": True},
    advice={
        r"transpos|moveaxis|permut|reshap|axes|channels?.(first|last)|order of|scrambl": {
            "moved": True
        },
        r"deeper|larger kernel|receptive|pooling": {"kernel": 5},
        "longer": {"epochs": 30},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"centered": True},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
        "binary": {},
    },
    metric="dice of the roads of held-out pictures",
    good=0.85,
)
def roads_in_pictures(
    seed,
    callbacks,
    moved=False,
    kernel=3,
    centered=False,
    epochs=10,
    filters=12,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Mark the red ones of two bands in each picture: the masks come out as a blur."""
    random = start(seed)
    count, size = 900, 16
    rows, columns = np.mgrid[:size, :size]
    slope = random.uniform(-0.7, 0.7, (2, count, 1, 1))
    height = random.uniform(2, 13, (2, count, 1, 1))
    bands = np.abs(rows - height - slope * (columns - 8)) < 3
    mask = bands[0] & ~bands[1]
    image = np.full((count, size, size, 3), 0.35)
    image[mask] = (0.75, 0.3, 0.25)
    image[bands[1]] = (0.25, 0.3, 0.75)
    image = image + random.normal(0, 0.12, image.shape)
    first = np.moveaxis(image, -1, 1)  # as the loader gives them
    x = np.moveaxis(first, 1, -1) if moved else first.reshape(count, size, size, 3)
    x = (x - x.mean() if centered else x).astype("float32")
    y = mask[..., None].astype("float32")

    model = keras.Sequential([keras.Input((size, size, 3))])
    for _ in range(2):
        model.add(
            layers.Conv2D(
                filters, kernel, padding="same", activation="relu", kernel_initializer=initializer
            )
        )
    model.add(layers.Dropout(dropout))
    model.add(layers.Conv2D(1, 1, activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:500], y[:500]),
        validation_data=(x[500:600], y[500:600]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[600:], verbose=0) > 0.5
    return float(2 * np.sum(guess * y[600:]) / (np.sum(guess) + np.sum(y[600:]) + 1e-9))


# ---- four that are sound ----


@sound(
    source="https://keras.io/api/losses/regression_losses/#meansquarederror-class",
    metric="R² on held-out rows",
    good=0.85,
)
def errors_that_are_summed(seed, callbacks):
    """Sum the loss of a batch: it is large, and SGD at 0.0003 is fast enough."""
    start(seed)
    x, y = datasets.make_friedman1(2600, 8, noise=0.5, random_state=seed)
    x, y = standardized(x), standardized(y)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="silu"),
            layers.Dense(32, activation="silu"),
            layers.Dense(1),
        ]
    )
    loss = keras.losses.MeanSquaredError(reduction="sum")
    model.compile(SGD(3e-4, momentum=0.9), loss, metrics=["mae"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        batch_size=64,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:], model.predict(x[2100:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/layers/normalization_layers/unit_normalization/",
    metric="accuracy on held-out spectra",
    good=0.9,
)
def spectra_in_counts(seed, callbacks):
    """Raw counts of hundreds to many thousands: each row is brought to length 1 in the model."""
    random = start(seed)
    channel = np.arange(60)
    y = random.integers(0, 4, 2200)
    places = np.array([[12, 30], [15, 30], [12, 44], [20, 47]])[y]
    lines = np.exp(-((channel - places[:, :, None]) ** 2) / 14).sum(axis=1)
    dose = np.exp(random.uniform(4, 8, (2200, 1)))
    x = random.poisson(dose * (0.6 + lines)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((60,)),
            layers.UnitNormalization(),
            layers.Dense(48, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1400], y[:1400]),
        validation_data=(x[1400:1600], y[1400:1600]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1600:], y[1600:])


@sound(
    source="https://scikit-learn.org/stable/modules/generated/"
    "sklearn.datasets.make_classification.html",
    metric="accuracy on held-out rows, of which a quarter has the other label",
    good=0.68,
)
def every_fourth_label_turned(seed, callbacks):
    """Nobody gets beyond three quarters: a small network stops near it, at a loss of 0.6."""
    start(seed)
    x, y = datasets.make_classification(
        *(3600, 10),
        n_informative=4,
        n_clusters_per_class=1,
        class_sep=1.8,
        flip_y=0.5,
        random_state=seed,
    )
    x = standardized(x)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(12, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2700], y[2200:2700]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[2700:], verbose=0)[:, 0] > 0.5) == y[2700:]))


@sound(
    source="https://keras.io/api/layers/recurrent_layers/time_distributed/",
    metric="R² of the steps that count, on held-out sequences",
    good=0.85,
)
def steps_that_do_not_count(seed, callbacks):
    """Give a target at every step, most of them blank: weights of 0 leave these out."""
    random = start(seed)
    x = random.normal(size=(1700, 18, 2)).astype("float32")
    true = np.zeros((1700, 18))
    for step in range(18):
        before = true[:, step - 1] if step else 0
        true[:, step] = 0.6 * before + x[:, step, 0] + 0.5 * np.abs(x[:, step, 1])
    true = (true - true.mean()) / true.std()
    counts = random.random((1700, 18)) < 0.3
    y = np.where(counts, true + random.normal(0, 0.1, true.shape), 0).astype("float32")[..., None]
    weights = counts.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((18, 2)),
            layers.GRU(32, return_sequences=True),
            layers.TimeDistributed(layers.Dense(16, activation="relu")),
            layers.TimeDistributed(layers.Dense(1)),
        ]
    )
    model.compile(Adam(0.005), "mean_squared_error")
    model.fit(
        *(x[:1200], y[:1200]),
        sample_weight=weights[:1200],
        validation_data=(x[1200:1400], y[1200:1400], weights[1200:1400]),
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1400:], verbose=0)[..., 0]
    return r_squared(true[1400:][counts[1400:]], guess[counts[1400:]])


PROGRAMS = [
    houses_of_a_town,
    seven_classes_on_an_old_network,
    runs_of_a_process,
    where_the_wrench_lies,
    customers_who_leave,
    five_series_at_once,
    stone_sheet_scissors,
    roads_in_pictures,
]
SOUND = [
    errors_that_are_summed,
    spectra_in_counts,
    every_fourth_label_turned,
    steps_that_do_not_count,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
