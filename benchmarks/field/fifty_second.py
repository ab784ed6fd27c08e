"""Twelve more field programs, of what people ordinarily ask about, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_second
    python benchmarks/diagnosis.py --programs fifty_second
"""

import keras
import numpy as np
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
from sklearn.metrics import balanced_accuracy_score, f1_score

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


def centred(pixels):
    """Pixels of 0 to 255 as the base was trained on them: without their usual mean."""
    return (pixels - 78.0).astype("float32")


def pretrained(seed):
    """Train a base on five digits, return it without its head."""
    x, y = digits(seed, range(5))
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same"),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.Conv2D(32, 3),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
        ]
    )
    model = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    model.compile(Adam(0.002), "sparse_categorical_crossentropy")
    model.fit(centred(255 * x), y, epochs=8, verbose=0)
    return base


@case(
    source="https://9to5answer.com/"
    "keras-rescale-1-255-vs-preprocessing_function-preprocess_input-which-one-to-use",
    cause="the frozen base was trained on centred pixels up to 255 and is fed pixels up to 1",
    causes="preprocessing data",
    evidence=r"(inputs?|pixels?|images?|pictures?|features?)[\s\S]{0,120}(\bscale|\brange|spread|"
    r"deviation|too small|tiny|0 (to|and|\.\.) ?1|255|expect|prepar|preprocess|"
    r"distribut|magnitude|moving (mean|average|statistic))|preprocess_input|"
    r"(preprocess|prepar|pretrain|trained before|frozen|\bbase\b|batch.?norm|moving (mean|average))"
    r"[\s\S]{0,120}(inputs?|pixels?|images?|pictures?|255|preprocess|statistic|far from)",
    repair={"prepared": True},
    advice={
        r"preprocess_input|preprocess|prepare|255|as the (base|pretrained|frozen)|"
        r"(range|scale|way)[\s\S]{0,60}(pretrain|base|trained)|(pretrain|base|frozen)[\s\S]{0,60}"
        r"(range|scale|expects)": {"prepared": True},
        r"unfreeze|trainable ?= ?True|fine-?tune|train the (base|frozen)": {"frozen": False},
        r"standardi[sz]e|normali[sz]e|StandardScaler|Normalization\(": {"standard": True},
        "scaled": {"standard": True},
        "longer": {"epochs": 24},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out pictures",
    good=0.9,
)
def a_new_head_on_an_old_base(
    seed,
    callbacks,
    prepared=False,
    standard=False,
    frozen=True,
    epochs=8,
    units=32,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Put a new head on a base that was trained before and stays as it is: a low accuracy."""
    start(seed)
    base = pretrained(seed)
    base.trainable = not frozen
    images, y = digits(seed, range(5, 10))
    y = y - 5
    pixels = 255 * images
    x = centred(pixels) if prepared else pixels / 255
    if standard:
        x = (x - x[:500].mean()) / x[:500].std()

    inputs = keras.Input((8, 8, 1))
    seen = base(inputs)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:500], y[:500]),
        validation_data=(x[500:650], y[500:650]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[650:], y[650:])


def tools(random, count):
    """Noisy pictures (count, 16, 16, 1) with a small tool somewhere, and its kind (count,)."""
    kinds = np.zeros((5, 5, 5), "float32")
    kinds[0, 2] = kinds[0, :, 2] = 1
    kinds[1, 0] = kinds[1, 4] = kinds[1, :, 0] = kinds[1, :, 4] = 1
    kinds[2] = np.maximum(np.eye(5), np.eye(5)[::-1])
    kinds[3, 0] = kinds[3, :, 2] = 1
    kinds[4, 4] = kinds[4, :, 0] = 1
    y = random.integers(0, 5, count)
    x = random.normal(0, 0.34, (count, 16, 16, 1))
    for picture, kind, (row, column) in zip(x, y, random.integers(0, 12, (count, 2)), strict=True):
        picture[row : row + 5, column : column + 5, 0] += kinds[kind]
    return x.astype("float32"), y


@case(
    source="https://github.com/anujshah1003/own_data_cnn_implementation_keras/issues/7",
    cause="646 pictures are learned by heart; augmentation and dropout make it learn the shapes",
    causes="regularization data epochs layers",
    evidence=r"overfit|by heart|memori[sz]|generali[sz]|held-?out|unseen|"
    r"valid\w*[\s\S]{0,120}(rise|rises|rising|rose|grow|increas|worse|higher|above|gap|below|"
    r"fall|far|best|lower|behind)|(gap|difference)[\s\S]{0,60}(train|valid)|"
    r"best (epoch|validation)|too (many|large|big|long)|more (weights|parameters) than|"
    r"too few (rows|pictures|images|examples|samples)|(few|small)[\s\S]{0,40}(rows|data set)",
    repair={"augmented": True, "dropout": 0.2, "epochs": 32},
    advice={
        r"augment|RandomTranslation|RandomFlip|shift|more varied": {
            "augmented": True,
            "dropout": 0.2,
            "epochs": 32,
        },
        r"more (data|rows|examples|samples|images|pictures)|collect": {"rows": 3000},
        r"early.?stop|best epoch|restore_best|fewer epochs|stop (at|when|train)": {"stop": True},
        r"GlobalAveragePooling|GlobalMaxPooling|global pooling": {"pooled": True},
        r"fewer units|smaller (network|model|layer)|fewer (weights|parameters)|less capacity": {
            "units": 24
        },
        r"weight.?decay|\bl2\b|regulari[sz]er": {"decay": 0.003},
        r"dropout": {"dropout": 0.5},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 50},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 3e-4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out pictures",
    good=0.78,
)
def six_hundred_photographs(
    seed,
    callbacks,
    augmented=False,
    rows=646,
    stop=False,
    pooled=False,
    decay=0.0,
    epochs=16,
    units=128,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell five kinds of tools on photographs of one's own: 0.93 in training, 0.6 in the test."""
    random = start(seed)
    x, y = tools(random, 1700 + rows)

    penalty = keras.regularizers.L2(decay)
    model = keras.Sequential([keras.Input((16, 16, 1))])
    if augmented:
        model.add(layers.RandomTranslation(0.4, 0.4, fill_mode="wrap", interpolation="nearest"))
    for _ in range(2):
        model.add(layers.Conv2D(16, 3, padding="same", kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalMaxPooling2D() if pooled else layers.Flatten())
    model.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(5, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=5, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[1700:], y[1700:]),
        validation_data=(x[:162], y[:162]),
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[162:1700], y[162:1700])


@case(
    source="https://github.com/keras-team/keras/issues/2009",
    cause="the number of the next word is fitted as a quantity; a softmax over words repairs it",
    causes="loss layers activation data",
    evidence=r"(class|categor|label|word|token|index|indices|number|integer|target)\w*[\s\S]{0,140}"
    r"(squared|mse\b|regress|quantit|order|continuous|one.?hot|softmax|cross-?entropy|"
    r"one (output|unit|number)|as numbers)|(squared|mse\b|regress|mean_squared)[\s\S]{0,140}"
    r"(class|categor|label|word|integer|discrete|whole number|index|indices)|softmax|"
    r"classification|cross-?entropy",
    repair={"classes": True},
    advice={
        r"softmax|cross-?entropy|one.?hot|to_categorical|classif|one (unit|output) per": {
            "classes": True
        },
        r"(standardi[sz]e|normali[sz]e|scale|divide)[\s\S]{0,60}(target|label|\by\b)|y_train": {
            "scaled": True
        },
        "longer": {"epochs": 24},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {"activation": "relu"},
        "sigmoid": {"activation": "sigmoid"},
    },
    metric="share of next words told right, held-out windows",
    good=0.7,
)
def the_word_that_follows(
    seed,
    callbacks,
    classes=False,
    scaled=False,
    activation="linear",
    epochs=10,
    units=32,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell the next word from a window of words by an LSTM: the loss stays where it is."""
    random = start(seed)
    words, length, total = 60, 4, 5000
    follows = random.permutation(words)
    text = random.integers(0, words, total)
    for step in range(1, total):
        if random.random() < 0.85:
            text[step] = follows[text[step - 1]]
    windows = np.lib.stride_tricks.sliding_window_view(text, length + 1)
    windows = windows[random.permutation(len(windows))]
    x, y = windows[:, :-1], windows[:, -1]
    scale = float(words) if scaled else 1.0

    recurrent = layers.LSTM(units, kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((length,)), layers.Embedding(words, 24), recurrent])
    model.add(layers.Dropout(dropout))
    if classes:
        model.add(layers.Dense(words, activation="softmax"))
        model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        target = y
    else:
        model.add(layers.Dense(1, activation=activation))
        model.compile(RMSprop(learning_rate), "mse", metrics=["mae"])
        target = (y / scale).astype("float32")
    model.fit(
        *(x[:3200], target[:3200]),
        validation_data=(x[3200:3800], target[3200:3800]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    if classes:
        return accuracy(model, x[3800:], y[3800:])
    guess = model.predict(x[3800:], verbose=0)[:, 0] * scale
    return float(np.mean(np.round(guess) == y[3800:]))


@case(
    source="https://stats.stackexchange.com/questions/582452/"
    "sequential-binary-imbalanced-data-classification-with-lstm",
    cause="4 % frauds, whose probability never exceeds one half: class weights, or a threshold",
    causes="data loss weights metric",
    evidence=r"imbalanc|balanced|\brare|majority|minority|positives?|class (share|weight)|"
    r"one class|frequen|threshold|skew|\d ?%[\s\S]{0,60}(class|label|target|row)|"
    r"(class|label)\w*[\s\S]{0,60}(\d ?%|share|never predicted|same class)",
    repair={"weight": 24.0},
    advice={
        r"class_weight|sample_weight|oversampl|undersampl|resampl|reweigh|weigh\w* (the )?"
        r"(rare|positive|class)|focal": {"weight": 24.0},
        r"threshold": {"threshold": 0.1},
        "longer": {"epochs": 24},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="balanced accuracy on held-out customers",
    good=0.75,
)
def frauds_among_customers(
    seed,
    callbacks,
    weight=None,
    threshold=0.5,
    epochs=8,
    units=24,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Find frauds in what customers did: a recall of nearly zero."""
    random = start(seed)
    x = random.normal(size=(8000, 6, 4)).astype("float32")
    odd = x[:, -3:, 0].sum(axis=1) + x[:, :, 1].sum(axis=1) * 0.6 + 1.5 * x[:, -1, 2]
    risk = np.where(odd > np.quantile(odd, 0.88), 0.3, 0.005)
    y = (random.random(8000) < risk).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((6, 4)),
            layers.LSTM(units, dropout=dropout, kernel_initializer=initializer),
            layers.Dense(24, activation="relu", kernel_initializer=initializer),
            layers.Dense(12, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    metrics = [keras.metrics.Recall(), "accuracy"]
    model.compile(RMSprop(learning_rate), "binary_crossentropy", metrics=metrics)
    model.fit(
        *(x[:4500], y[:4500]),
        validation_data=(x[4500:5500], y[4500:5500]),
        batch_size=128,
        epochs=epochs,
        class_weight=None if weight is None else {0: 1.0, 1: weight},
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[5500:], verbose=0)[:, 0] > threshold
    return float(balanced_accuracy_score(y[5500:], guess))


@case(
    source="https://datascience.stackexchange.com/questions/52727/"
    "minmaxscaler-when-lstm-predictions-fall-outside-of-training-range",
    cause="scaled to 0 to 1 by its past, the growing series leaves the range of the sigmoid",
    causes="preprocessing data activation",
    evidence=r"(targets?|labels?|values?|\by\b|series|level|inputs?)[\s\S]{0,120}(above|exceed|"
    r"outside|beyond|\brange|larger|higher|reach|grow|shift|distribut|never seen|differ)|"
    r"valid\w*[\s\S]{0,100}(targets?|inputs?|values?|range|distribut|shift|never seen)|"
    r"\btrend|drift|stationar|extrapolat|"
    r"(sigmoid|output|activation|last layer|predict\w*)[\s\S]{0,100}(above 1|outside|range|reach|"
    r"0 (to|and) 1|bounded|saturat|at most 1|limit)",
    repair={"changes": True, "activation": "linear"},
    advice={
        r"differenc|changes?\b|detrend|trend|last value|stationar|return|relative to|"
        r"each window|per window|RevIN": {"changes": True, "activation": "linear"},
        r"activation=.?linear|without (an )?activation|linear (output|last|activation)|"
        r"remove.{0,30}sigmoid|activation=None": {"activation": "linear"},
        r"range|same (source|distribution)|distribut": {"changes": True, "activation": "linear"},
        "linear": {"activation": "linear"},
        "scaled": {"standard": True},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "relu": {"activation": "relu"},
    },
    metric="R² on the last year",
    good=0.85,
)
def prices_that_have_grown(
    seed,
    callbacks,
    changes=False,
    activation="sigmoid",
    standard=False,
    epochs=15,
    units=24,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Forecast a price scaled by MinMaxScaler: for the newest days the forecasts are flat."""
    random = start(seed)
    length, days = 12, np.arange(1400)
    season = 9 * np.sin(2 * np.pi * days / 24) + 4 * np.sin(2 * np.pi * days / 9)
    price = 20 + 0.13 * days + season + random.normal(0, 1.0, 1400)
    known = price[:900]
    low, width = known.min(), known.max() - known.min()
    if standard:
        low, width = known.mean(), known.std()
    series = (price - low) / width
    if changes:
        series = np.diff(price, prepend=price[0]) / np.diff(known).std()
    windows = np.lib.stride_tricks.sliding_window_view(series, length + 1).astype("float32")
    x, y = windows[:, :-1, None], windows[:, -1]
    cut, late = 900 - length, 1050 - length

    model = keras.Sequential(
        [
            keras.Input((length, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:cut], y[:cut]),
        validation_data=(x[cut:late], y[cut:late]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[late:], verbose=0)[:, 0]
    forecast = guess * width + low
    if changes:
        forecast = price[1049:-1] + guess * np.diff(known).std()
    return r_squared(price[1050:], forecast)


@case(
    source="https://stats.stackexchange.com/q/387150",
    cause="Adam at a rate of 0.00001 hardly moves the weights; from 0.001 on it learns the curve",
    causes="learning_rate optimizer epochs",
    evidence=r"(learning.?rate|\brate\b)[\s\S]{0,100}(small|tiny|\blow|slow|0\.00001|1e-0?5|"
    r"below)|(weights?|updates?|steps?|layers?|kernels?)[\s\S]{0,80}(hardly|barely|tiny|"
    r"small|slow|little|moved?)|still (falling|improving|learning|decreas)|"
    r"(larger|higher|raise|ten times|hundred times)[\s\S]{0,30}rate|"
    r"too few (updates|steps|epochs)|not (yet )?(finished|converged)|slow(ly)?\b",
    repair={"learning_rate": 0.01},
    advice={
        r"learning_rate=(0?\.01\b|1e-0?2\b)": {"learning_rate": 0.01},
        r"learning_rate=(0?\.0001\b|1e-0?4\b)": {"learning_rate": 1e-4},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 1e-4},
        "slower": {"learning_rate": 1e-6},
        "longer": {"epochs": 120},
        "wider": {"units": 64},
        "scaled": {},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out points",
    good=0.85,
)
def a_curve_and_ten_neurons(
    seed,
    callbacks,
    epochs=40,
    units=10,
    learning_rate=1e-5,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Fit a noisy sine with one hidden layer: the points should be hit, and are not."""
    random = start(seed)
    x = random.uniform(-1.7, 1.7, (1500, 1)).astype("float32")
    y = standardized(np.sin(1.5 * x[:, 0]) + random.normal(0, 0.15, 1500))

    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:900], y[:900]),
        validation_data=(x[900:1100], y[900:1100]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1100:], model.predict(x[1100:], verbose=0)[:, 0])


@case(
    source="https://datascience.stackexchange.com/questions/19365/"
    "predict-sinus-with-keras-feed-forward-neural-network",
    cause="a sigmoid is to answer from -1 to 1, and hours up to 100 come in as they are",
    causes="activation preprocessing data",
    evidence=r"(targets?|labels?|\by\b|values?)[\s\S]{0,120}(negative|below (0|zero)|outside|"
    r"sigmoid|reach|-1|range)|(sigmoid|output|last layer|final layer|predict\w*)[\s\S]{0,120}"
    r"(negative|below (0|zero)|outside|reach|0 (to|and) 1|-1|range|never)|"
    r"inputs?[\s\S]{0,80}(large|big|huge|scale|range|spread|deviation|magnitude|mean|up to|"
    r"not (centered|standardi[sz]ed|normali[sz]ed))|unscaled|saturat|"
    r"(standardi[sz]e|normali[sz]e|scale)[\s\S]{0,40}(input|data|column|feature)",
    repair={"activation": "linear", "scaled": True},
    advice={
        r"(standardi[sz]e|normali[sz]|scale|rescal)[\s\S]*(linear|activation=None)|"
        r"(linear|activation=None)[\s\S]*(standardi[sz]e|normali[sz]|scale|rescal)": {
            "activation": "linear",
            "scaled": True,
        },
        r"linear|activation=None|without (an )?activation|remove.{0,30}sigmoid": {
            "activation": "linear"
        },
        r"activation=.?tanh|\btanh\b": {"activation": "tanh"},
        r"(standardi[sz]e|normali[sz]e|scale|rescale)[\s\S]{0,40}(targets?|labels?|\by\b)": {
            "unit": True
        },
        "scaled": {"scaled": True},
        "longer": {"epochs": 120},
        "wider": {"units": 80},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {},
        "relu": {"hidden": "relu"},
    },
    metric="R² on held-out hours",
    good=0.85,
)
def a_sine_of_the_hour(
    seed,
    callbacks,
    activation="sigmoid",
    scaled=False,
    unit=False,
    hidden="tanh",
    epochs=40,
    units=20,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn a sine from the hour alone, from 0 to 100: a simple network, a bad fit."""
    random = start(seed)
    x = random.uniform(0, 100, (1600, 1)).astype("float32")
    y = np.sin(2 * np.pi * x[:, 0] / 75).astype("float32")
    if scaled:
        x = standardized(x)
    target = (y + 1) / 2 if unit else y

    model = keras.Sequential([keras.Input((1,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation=hidden, kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation=activation))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mae"])
    model.fit(
        *(x[:900], target[:900]),
        validation_data=(x[900:1100], target[900:1100]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1100:], verbose=0)[:, 0]
    return r_squared(y[1100:], 2 * guess - 1 if unit else guess)


@case(
    source="https://stats.stackexchange.com/questions/329619/"
    "learning-a-simple-sequence-with-rnn-keras",
    cause="every row is a sequence of one step, so the value two steps before is not in it",
    causes="data preprocessing layers",
    evidence=r"(one|1|single)[\s-]*(time[\s-]*)?steps?\b|time ?steps?|sequence length|window|"
    r"\bthe past\b|\blag|(earlier|previous|past) (value|step|number|row|input|point)|"
    r"\(\w+, ?1, ?1\)|axis[\s\S]{0,40}(step|length|1\b)|"
    r"length (of )?1\b|recurren\w*[\s\S]{0,80}(step|nothing|no (use|memory))|"
    r"inputs?[\s\S]{0,80}(nothing|no information|unrelated|do(es)? not (tell|determine|depend))|"
    r"(target|label)s?[\s\S]{0,80}(unrelated|not depend|independent)|stateful",
    repair={"window": 5},
    advice={
        r"window|time ?steps?|past|lag|sequence|earlier|previous|timeseries_dataset|history": {
            "window": 5
        },
        r"stateful|shuffle=False": {"shuffle": False},
        r"\bLSTM\b|\bGRU\b": {"kind": "gru"},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"standard": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {"activation": "relu"},
    },
    metric="R² on held-out numbers",
    good=0.85,
)
def the_number_before_the_last(
    seed,
    callbacks,
    window=1,
    shuffle=True,
    kind="simple",
    standard=False,
    activation="tanh",
    epochs=20,
    units=16,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Have a SimpleRNN repeat the number two places back: it answers one value for everything."""
    random = start(seed)
    numbers = random.integers(0, 100, 2605) / 100
    if standard:
        numbers = (numbers - numbers.mean()) / numbers.std()
    ends = np.arange(5, 2605)
    x = numbers[ends[:, None] + np.arange(1 - window, 1)][:, :, None].astype("float32")
    y = numbers[ends - 2].astype("float32")

    layer = layers.GRU if kind == "gru" else layers.SimpleRNN
    model = keras.Sequential(
        [
            keras.Input((window, 1)),
            layer(units, activation=activation, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=64,
        epochs=epochs,
        shuffle=shuffle,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/layers/regularization_layers/alpha_dropout/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def eight_layers_of_selu(seed, callbacks):
    """Depth: eight layers without batch normalization, self-normalizing, with AlphaDropout."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    x = standardized(x)
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(8):
        model.add(layers.Dense(48, activation="selu", kernel_initializer="lecun_normal"))
        model.add(layers.AlphaDropout(0.03))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    model.fit(
        *(x[:1250], y[:1250]),
        validation_data=(x[1250:1450], y[1250:1450]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


@sound(
    source="https://www.tensorflow.org/api_docs/python/tf/keras/losses/MSLE",
    metric="R² of the logarithm of held-out prices",
    good=0.8,
)
def houses_in_whole_euros(seed, callbacks):
    """Targets: prices of 30,000 to a million as they are, for an exponential and a log error."""
    random = start(seed)
    x = random.normal(size=(2600, 6)).astype("float32")
    worth = 0.4 * x[:, 0] + 0.25 * np.abs(x[:, 1]) - 0.3 * x[:, 2] * (x[:, 3] > 0)
    price = np.exp(12.2 + worth + random.normal(0, 0.12, 2600)).astype("float32")
    usual = float(np.log(price[:1700]).mean())
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(
                1,
                activation="exponential",
                bias_initializer=keras.initializers.Constant(usual),
            ),
        ]
    )
    model.compile(Adam(0.002), "mean_squared_logarithmic_error", metrics=["mae"])
    model.fit(
        *(x[:1700], price[:1700]),
        validation_data=(x[1700:2000], price[1700:2000]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2000:], verbose=0)[:, 0]
    return r_squared(np.log(price[2000:]), np.log(guess))


@sound(
    source="https://keras.io/api/models/model_training_apis/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def all_rows_in_one_batch(seed, callbacks):
    """Batch: one update an epoch from all rows, by SGD with much momentum, for 70 epochs."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rule = SGD(0.3, momentum=0.9, nesterov=True)
    model.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1450], y[1200:1450]),
        batch_size=1200,
        epochs=70,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


@sound(
    source="https://scikit-learn.org/stable/auto_examples/model_selection/"
    "plot_precision_recall.html",
    metric="F1 of the rare faults, held-out machines",
    good=0.8,
)
def one_fault_in_thirty(seed, callbacks):
    """Rare class: 3 % of the machines are faulty, unweighted, and they are told apart well."""
    random = start(seed)
    y = (random.random(7000) < 0.033).astype("float32")
    x = random.normal(size=(7000, 20))
    x[:, :4] += 1.8 * y[:, None] * random.choice([-1, 1], (7000, 1))
    x[:, 4] += 2.6 * y
    x = x.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(24, activation="relu", kernel_regularizer=keras.regularizers.L2(0.002)),
            layers.Dense(12, activation="relu", kernel_regularizer=keras.regularizers.L2(0.002)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    auc = keras.metrics.AUC(curve="PR")
    model.compile(Adam(0.002), "binary_crossentropy", metrics=[auc, "accuracy"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:4200], y[:4200]),
        validation_data=(x[4200:5200], y[4200:5200]),
        batch_size=64,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(f1_score(y[5200:], model.predict(x[5200:], verbose=0)[:, 0] > 0.5))


PROGRAMS = [
    a_new_head_on_an_old_base,
    six_hundred_photographs,
    the_word_that_follows,
    frauds_among_customers,
    prices_that_have_grown,
    a_curve_and_ten_neurons,
    a_sine_of_the_hour,
    the_number_before_the_last,
]
SOUND = [
    eight_layers_of_selu,
    houses_in_whole_euros,
    all_rows_in_one_batch,
    one_fault_in_thirty,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
