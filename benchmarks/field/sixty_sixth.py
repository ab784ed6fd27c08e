"""Sixteen more field programs, reports as they come, by somebody who had read no rule.

Ten have a cause and a repaired twin, see _program.py. The last six are sound: nothing is to be
blamed, see sound.py.

    python -m benchmarks.field.sixty_sixth
    python benchmarks/diagnosis.py --programs sixty_sixth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.optimizers import SGD, Adam, RMSprop
from sklearn import datasets

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


@case(
    source="https://github.com/keras-team/keras/issues/8346",
    cause="validation_split takes the last rows of rows sorted by class: a class is never trained",
    causes="data preprocessing",
    evidence=r"sorted|in order|ordered|shuffl|last rows|last \d+|(class|label).{0,60}"
    r"(miss|absent|only|never|none|no row|share|differ|unseen|lack|not in)|distribution",
    repair={"shuffled": True},
    advice={
        r"shuffl|permut|stratif|random (order|rows|split)|mix": {"shuffled": True},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "slower": {"learning_rate": 1e-4},
        "faster": {"learning_rate": 1e-2},
    },
    metric="accuracy on new rows",
    good=0.92,
)
def sorted_split(
    seed, callbacks, shuffled=False, dropout=0.25, epochs=12, units=32, learning_rate=0.002
):
    """Train a small VGG on five classes of images: 0.99 in training, 0 in validation."""
    random = start(seed)
    images, labels = digits(seed, classes=range(5))
    order = np.concatenate([np.flatnonzero(labels == number)[:140] for number in range(5)])
    new = np.setdiff1d(np.arange(len(labels)), order)
    if shuffled:
        order = random.permutation(order)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(dropout),
            layers.Flatten(),
            layers.Dense(units, "relu"),
            layers.Dense(5, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_split": 0.2, "callbacks": callbacks, "verbose": 0}
    model.fit(images[order], labels[order], epochs=epochs, **options)
    return accuracy(model, images[new], labels[new])


def discs(random, count):
    """Noisy images (N, 16, 16, 1) of 0 to 255 with a brighter disc, and its mask of 0 and 1."""
    axis = np.arange(16)
    row, column = random.uniform(4, 12, (2, count, 1, 1))
    distance = np.hypot(axis[:, None] - row, axis - column)
    mask = (distance < random.uniform(2, 4.5, (count, 1, 1))).astype("float32")[..., None]
    noise = random.normal(0, 25, mask.shape)
    return np.clip(100 + 60 * mask + noise, 0, 255).astype("float32"), mask


def overlap(model, x, mask):
    """Intersection over union of the mask and what is likelier than not, over all images."""
    guess = model.predict(x, verbose=0) > 0.5
    return float(np.sum(guess * mask) / np.sum((guess + mask) > 0))


@case(
    source="https://github.com/keras-team/keras/issues/10666",
    cause="BatchNormalization's momentum of 0.99 is too slow for so few updates: it validates with "
    "statistics that lag behind; 0.9 repairs it",
    causes="layers epochs batch_size",
    evidence=r"batch.?norm|momentum|moving|running|statistics",
    repair={"momentum": 0.9},
    advice={
        r"momentum": {"momentum": 0.9},
        r"smaller batch|batch_size=": {"batch_size": 8},
        r"layer.?norm|group.?norm|without batch|remove.{0,20}norm": {"normal": False},
        "longer": {"epochs": 150},
        "wider": {"filters": 32},
        "slower": {"learning_rate": 3e-4},
        "faster": {"learning_rate": 3e-2},
        r"standardize": {"standard": True},
    },
    metric="intersection over union on validation",
    good=0.7,
)
def slow_momentum(
    seed,
    callbacks,
    momentum=0.99,
    batch_size=100,
    normal=True,
    epochs=10,
    filters=8,
    learning_rate=0.01,
    standard=False,
):
    """Segment discs by a small U-Net: the loss falls, that of validation jumps up and down."""
    x, mask = discs(start(seed), 400)
    x = (x - x.mean()) / x.std() if standard else x / 255

    def block(h, size):
        h = layers.Conv2D(size, 3, padding="same")(h)
        if normal:
            h = layers.BatchNormalization(momentum=momentum)(h)
        return layers.ReLU()(h)

    images = keras.Input((16, 16, 1))
    fine = block(images, filters)
    coarse = block(layers.MaxPooling2D()(fine), 2 * filters)
    h = layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])
    outputs = layers.Conv2D(1, 1, activation="sigmoid")(block(h, filters))
    model = keras.Model(images, outputs)
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[300:], mask[300:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:300], mask[:300], batch_size=batch_size, epochs=epochs, **options)
    return overlap(model, x[300:], mask[300:])


@case(
    source="https://stackoverflow.com/questions/57200621/",
    cause="the masks are centred and divided by their deviation as the images are: the labels of "
    "a binary cross-entropy are not 0 and 1 any more",
    causes="preprocessing loss data",
    evidence=r"negative|below (0|zero)|above (1|one)|(label|target|y\b).{0,60}(range|0 (to|and) 1|"
    r"between|beyond|outside|scal|standard|deviation)|outside|\[0, 1\]",
    repair={"whitened": False},
    advice={
        r"(label|target|mask|y\b).{0,60}(0 (to|and|or) 1|\[0, 1\]|scale|raw|binary)|"
        r"0 (to|and|or) 1|do not (scale|standardize)": {"whitened": False},
        "squared": {"loss": "mse"},
        r"mean_squared|huber|mae\b": {"loss": "mse"},
        "linear": {"activation": "linear"},
        "longer": {"epochs": 40},
        "wider": {"filters": 32},
        "slower": {"learning_rate": 1e-3},
        "faster": {"learning_rate": 0.1},
    },
    metric="intersection over union on validation",
    good=0.84,
)
def whitened_masks(
    seed,
    callbacks,
    whitened=True,
    loss="binary_crossentropy",
    activation="sigmoid",
    epochs=20,
    filters=8,
    learning_rate=0.01,
):
    """Segment discs; images and masks go through the same generator: the loss is negative."""
    random = start(seed)
    x, mask = discs(random, 400)
    x, y = (x - x[:300].mean()) / x[:300].std(), mask[:300]
    if whitened:
        y = (y - y.mean()) / y.std()

    def batches():
        while True:
            rows = random.integers(0, 300, 20)
            flip = random.choice([-1, 1])
            yield x[rows, :, ::flip], y[rows, :, ::flip]

    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2D(filters, 5, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same", activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    options = {"validation_data": (x[300:], mask[300:]), "callbacks": callbacks, "verbose": 0}
    model.fit(batches(), steps_per_epoch=15, epochs=epochs, **options)
    return overlap(model, x[300:], mask[300:])


@case(
    source="https://grindskills.com/why-doesnt-mean-square-error-work-in-case-of-angular-data/",
    cause="an angle is predicted as a number by squared errors: 1 and 359 degrees count as far "
    "apart; its sine and cosine, or a loss of the difference's cosine, repair it",
    causes="loss preprocessing activation layers",
    evidence=r"angle|circular|periodic|wrap|cycl|degrees|radian|sine|2 ?pi|two (modes|peaks|ends)",
    repair={"encoded": True},
    advice={
        r"\bsin|cosine|circular|periodic|wrap|angle": {"encoded": True},
        r"mean_absolute|huber|mae\b": {"loss": "mae"},
        r"scale the target|standardize the (target|label)|target.{0,30}(scale|standard)": {
            "unit": 90.0
        },
        "longer": {"epochs": 80},
        "wider": {"units": 128},
        "slower": {"learning_rate": 3e-4},
        "faster": {"learning_rate": 3e-2},
        "regularized": {"dropout": 0.3},
    },
    metric="mean cosine of the error",
    good=0.78,
)
def angle_as_number(
    seed,
    callbacks,
    encoded=False,
    loss="mse",
    unit=180 / np.pi,
    epochs=25,
    units=64,
    learning_rate=0.003,
    dropout=0.0,
):
    """Predict an angle in radians from ten noisy readings: far too large an error."""
    random = start(seed)
    turn = random.uniform(0, 2 * np.pi, (2000, 1))
    x = np.cos(turn - np.arange(10)) + random.normal(0, 0.5, (2000, 10))
    phase = 2 * turn[:, 0]
    angle = np.degrees(phase) % 360
    y = angle / unit
    if encoded:
        y = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(units, "relu"),
            layers.Dense(2 if encoded else 1),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["mse"])
    options = {"validation_data": (x[1600:], y[1600:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1600], y[:1600], epochs=epochs, **options)
    guess = model.predict(x[1600:], verbose=0)
    guess = np.arctan2(guess[:, 1], guess[:, 0]) if encoded else np.radians(guess[:, 0] * unit)
    return float(np.mean(np.cos(guess - phase[1600:])))


@case(
    source="https://stats.stackexchange.com/questions/338923/"
    "lstm-nn-produces-shifted-forecast-low-quality-result",
    cause="the network sees one past value of a series with two seasons: it can but repeat it; "
    "a window of more steps repairs it",
    causes="preprocessing data layers",
    evidence=r"window|time ?step|one step|single step|lag|previous|last value|past|history|"
    r"persist|repeat|sequence length|steps|input.{0,40}(little|not enough|tell)",
    repair={"steps": 16},
    advice={
        r"window|time ?steps|more (past|steps|lags|inputs|columns|history)|longer (seq|hist)|lag": {
            "steps": 16
        },
        r"difference|change": {"differences": True},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "slower": {"learning_rate": 1e-3},
        "faster": {"learning_rate": 5e-2},
        "regularized": {"dropout": 0.3},
    },
    metric="R² on validation",
    good=0.85,
)
def one_step_window(
    seed,
    callbacks,
    steps=1,
    differences=False,
    epochs=12,
    units=16,
    learning_rate=0.01,
    dropout=0.0,
):
    """Forecast the sum of two sines from its last value by an LSTM: the forecast is shifted."""
    random = start(seed)
    time = np.arange(1, 1001)
    series = np.sin(time / 10) + np.sin(time) + random.normal(0, 0.1, 1000)
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], steps)[..., None]
    y = series[steps:, None]
    base = x[:, -1] if differences else 0 * y
    model = keras.Sequential(
        [
            keras.Input((steps, 1)),
            layers.LSTM(units, return_sequences=True),
            layers.Dropout(dropout),
            layers.LSTM(units),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse")
    options = {"validation_data": (x[500:], (y - base)[500:]), "callbacks": callbacks}
    model.fit(x[:500], (y - base)[:500], epochs=epochs, verbose=0, **options)
    return r_squared(y[500:], model.predict(x[500:], verbose=0) + base[500:])


class Distance(layers.Layer):
    """The Euclidean distance of two codes, with a number added below the root."""

    def __init__(self, epsilon):
        super().__init__()
        self.epsilon = epsilon

    def call(self, left, right):
        """Return one distance for each row."""
        squares = ops.sum(ops.square(left - right), axis=1, keepdims=True)
        return ops.sqrt(squares + self.epsilon)


@case(
    source="https://github.com/keras-team/keras/issues/9097",
    cause="some pairs are of one image with itself: the root has an infinite slope at their "
    "distance 0; a small number below the root repairs it",
    causes="layers loss data preprocessing",
    evidence=r"\bnan|not a number|not finite|infinit|sqrt|root|identical|distance",
    repair={"epsilon": 1e-6},
    advice={
        r"epsilon|below the root|sqrt|square root|small (number|constant)|1e-": {"epsilon": 1e-6},
        r"identical|the same (image|row)|drop.{0,20}(pair|row)": {"distinct": True},
        "slower": {"learning_rate": 1e-4},
        "scaled": {},
        "longer": {"epochs": 30},
        "wider": {"units": 128},
        "initialized": {},
    },
    metric="accuracy of new pairs",
    good=0.85,
)
def root_of_zero(
    seed, callbacks, epsilon=0.0, distinct=False, learning_rate=0.002, epochs=12, units=64
):
    """Train a siamese network on the distance of pairs: its loss is NaN."""
    random = start(seed)
    images, labels = digits(seed, classes=range(6))
    left = random.integers(0, 800, 3000)
    right = random.integers(0, 800, 3000)
    for row in range(0, 3000, 2):
        right[row] = random.choice(np.flatnonzero(labels[:800] == labels[left[row]]))
    if distinct:
        left, right = left[left != right], right[left != right]
    new = random.integers(800, len(labels), (2, 500))
    apart = [(labels[a] != labels[b]).astype("float32")[:, None] for a, b in ((left, right), new)]

    tower = keras.Sequential(
        [layers.Flatten(), layers.Dense(units, "relu"), layers.Dense(16)], name="tower"
    )
    pair = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    distance = Distance(epsilon)(tower(pair[0]), tower(pair[1]))
    model = keras.Model(pair, layers.Dense(1, "sigmoid")(distance))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    held_out = [images[new[0]], images[new[1]]], apart[1]
    options = {"validation_data": held_out, "callbacks": callbacks, "verbose": 0}
    model.fit([images[left], images[right]], apart[0], epochs=epochs, **options)
    guess = model.predict(held_out[0], verbose=0) > 0.5
    same = held_out[1] == 0
    return float(np.mean(guess[~same]) + np.mean(~guess[same])) / 2


@case(
    source="https://github.com/omoindrot/tensorflow-triplet-loss/issues/6",
    cause="the learning rate is too high for a triplet loss: all codes collapse into one point and "
    "the loss stays at the margin",
    causes="learning_rate optimizer loss",
    evidence=r"collaps|constant|same (output|value|code|prediction|for)|margin|learning rate|"
    r"too (large|high)|dead|gradient|jump|alike|hardly differ|do not differ|does not depend",
    repair={"learning_rate": 1e-3},
    advice={
        r"margin|own loss|custom loss": {"margin": 0.2},
        "usual": {"learning_rate": 1e-3},
        "slower": {"learning_rate": 0.01},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "faster": {"learning_rate": 1.0},
        "regularized": {"dropout": 0.3},
        r"leaky_relu|elu\b|gelu": {"activation": "leaky_relu"},
    },
    metric="accuracy of the nearest neighbour among the trained rows",
    good=0.85,
)
def triplet_collapse(
    seed,
    callbacks,
    learning_rate=0.1,
    margin=0.5,
    epochs=15,
    units=64,
    dropout=0.0,
    activation="relu",
):
    """Learn codes of images by the hardest triplets of a batch: the loss equals the margin."""
    start(seed)
    images, labels = digits(seed)

    def triplets(y, code):
        same = ops.equal(y[:, :1], ops.transpose(y[:, :1]))
        squares = ops.sum(ops.square(code[:, None] - code[None]), axis=2)
        distance = ops.sqrt(squares + 1e-12)
        furthest = ops.max(ops.where(same, distance, 0.0), axis=1)
        nearest = ops.min(ops.where(same, 1e9, distance), axis=1)
        return ops.maximum(furthest - nearest + margin, 0)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, activation),
            layers.Dropout(dropout),
            layers.Dense(units, activation),
            layers.Dense(16),
        ]
    )
    model.compile(Adam(learning_rate), triplets)
    y = labels[:, None].astype("float32")
    options = {"validation_data": (images[1400:], y[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(images[:1400], y[:1400], batch_size=64, epochs=epochs, **options)
    code = model.predict(images, verbose=0)
    gaps = np.square(code[1400:, None] - code[None, :1400]).sum(axis=2)
    return float(np.mean(labels[gaps.argmin(axis=1)] == labels[1400:]))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/48308",
    cause="the schedule is misused: the learning rate decays in every step as it should in every "
    "epoch, after the first epoch it is next to nothing",
    causes="learning_rate optimizer",
    evidence=r"learning rate.{0,90}(fall|fell|drop|deca|shrink|schedul|decreas|lower|small|"
    r"vanish|end|last|little|low)|schedul|deca(y|ie)|weights.{0,40}(hardly|barely|not) (mov|chang)",
    repair={"every": 24},
    advice={
        r"schedul|decay|constant learning|without.{0,20}rate": {"every": 24},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 1.0},
        "slower": {"learning_rate": 0.01},
        "longer": {"epochs": 80},
        "wider": {"units": 256},
        r"\badam": {"optimizer": Adam, "learning_rate": 0.01},
    },
    metric="share of right choices",
    good=0.82,
)
def decay_each_step(
    seed, callbacks, every=1, learning_rate=0.1, epochs=20, units=64, optimizer=SGD
):
    """Choose the best of five by a network that scores each: the loss is stuck after an epoch."""
    random = start(seed)
    x = random.normal(size=(1500, 5, 4)).astype("float32")
    best = (x[..., 0] * x[..., 1]).argmax(axis=1)
    objects = keras.Input((5, 4))
    h = layers.Dense(units, "relu")(objects)
    h = layers.Dense(units, "relu")(h)
    scores = layers.Flatten()(layers.Dense(1)(h))
    model = keras.Model(objects, layers.Softmax()(scores))
    rate = keras.optimizers.schedules.ExponentialDecay(learning_rate, every, 0.9)
    model.compile(optimizer(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_split": 0.2, "callbacks": callbacks, "verbose": 0}
    model.fit(x, best, batch_size=50, epochs=epochs, **options)
    return accuracy(model, x[1200:], best[1200:])


@case(
    source="https://datascience.stackexchange.com/questions/19365/"
    "predict-sinus-with-keras-feed-forward-neural-network",
    cause="a sigmoid output cannot be negative as half of the sine is; a linear output repairs it",
    causes="activation preprocessing",
    evidence=r"sigmoid|negative|below (0|zero)|outside|range|reach|between 0 and 1|\[0, 1\]",
    repair={"activation": "linear"},
    advice={
        r"tanh": {"activation": "tanh"},
        "linear": {"activation": "linear"},
        r"(scale|standardize|normalize|shift).{0,20}(target|label)": {"shifted": True},
        "scaled": {},
        "longer": {"epochs": 200},
        "wider": {"units": 100},
        "slower": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.3},
        r"\badam": {"optimizer": Adam, "learning_rate": 0.01},
    },
    metric="R² on new rows",
    good=0.85,
)
def sigmoid_sine(
    seed,
    callbacks,
    activation="sigmoid",
    shifted=False,
    epochs=50,
    units=20,
    learning_rate=0.1,
    optimizer=SGD,
):
    """Learn a sine: the accuracy is 0 and the curve bad, however many the epochs."""
    random = start(seed)
    x = random.uniform(-3.5, 3.5, (600, 1))
    y = np.sin(x[:, 0])
    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(units, "sigmoid"),
            layers.Dense(1, activation),
        ]
    )
    model.compile(optimizer(learning_rate), "mse", metrics=["accuracy"])
    target = (y + 1) / 2 if shifted else y
    model.fit(x[:400], target[:400], 8, epochs, 0, callbacks)
    guess = model.predict(x[400:], verbose=0)[:, 0]
    return r_squared(y[400:], 2 * guess - 1 if shifted else guess)


@case(
    source="https://ai.stackexchange.com/questions/16557/"
    "what-could-be-the-problem-when-a-neural-network-with-four-hidden-layers-with-the",
    cause="four hidden layers of sigmoids: the gradient vanishes on its way to the first",
    causes="activation initialization layers",
    evidence=r"gradient|vanish|sigmoid|saturat|first layer|slope",
    repair={"activation": "relu"},
    advice={
        r"tanh|elu\b|gelu": {"activation": "tanh"},
        "relu": {"activation": "relu"},
        r"batch.?norm|layer.?norm": {"normal": True},
        r"fewer layers|less deep|shallow": {"depth": 1},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "slower": {"learning_rate": 0.005},
        "faster": {"learning_rate": 0.5},
        "regularized": {"dropout": 0.3},
    },
    metric="R² on validation",
    good=0.6,
)
def four_sigmoids(
    seed,
    callbacks,
    activation="sigmoid",
    normal=False,
    depth=4,
    initializer="glorot_uniform",
    epochs=20,
    units=100,
    learning_rate=0.05,
    dropout=0.0,
):
    """Map vectors of bits to numbers by four hidden layers: the loss stays where it begins."""
    random = start(seed)
    x = random.integers(0, 2, (2000, 16)).astype("float32")
    y = x[:, 0] + x[:, 1] - x[:, 2] + 2 * x[:, 3] * x[:, 4] - 2 * x[:, 5] * x[:, 6]
    y = (y - y.mean()) / y.std()
    model = keras.Sequential([keras.Input((16,))])
    for _ in range(depth):
        model.add(layers.Dense(units, kernel_initializer=initializer))
        if normal:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation(activation))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(SGD(learning_rate), "mse")
    options = {"validation_split": 0.2, "callbacks": callbacks, "verbose": 0}
    model.fit(x, y, epochs=epochs, **options)
    return r_squared(y[1600:], model.predict(x[1600:], verbose=0)[:, 0])


@sound("accuracy", 0.85, source="https://stackoverflow.com/questions/56663175/")
def dropout_gap(seed, callbacks):
    """Stack LSTMs with much dropout: the loss of validation stays below that of training."""
    random = start(seed)
    y = random.integers(0, 3, 1800)
    time = np.arange(9)[None, :, None]
    pitch = (0.4 + 0.35 * y)[:, None, None] * random.uniform(0.85, 1.15, (1800, 1, 1))
    phase = random.uniform(0, 2 * np.pi, (1800, 1, 1)) + np.arange(6)
    x = np.sin(pitch * time + phase) + random.normal(0, 0.7, (1800, 9, 6))
    model = keras.Sequential([keras.Input((9, 6))])
    for units in (32, 16):
        model.add(layers.LSTM(units, return_sequences=units == 32))
        model.add(layers.BatchNormalization())
        model.add(layers.Dropout(0.4))
    model.add(layers.Dense(3, "softmax"))
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    held_out = (x[1400:], y[1400:])
    model.fit(x[:1400], y[:1400], 32, 12, 0, callbacks, validation_data=held_out)
    return accuracy(model, *held_out)


@sound(
    "share of points that the mixture puts where data are",
    0.85,
    source="https://keras.io/examples/keras_recipes/approximating_non_function_mappings/",
)
def mixture_density(seed, callbacks):
    """Learn a curve with up to three values for one x: a mixture density, the loss below 0."""
    random = start(seed)
    y = random.uniform(-1, 1, 2500)
    x = (y + 0.3 * np.sin(2 * np.pi * y) + random.normal(0, 0.12, 2500))[:, None]
    y = y[:, None].astype("float32")

    def likelihood(y, outputs):
        weight, mean, deviation = ops.split(outputs, 3, axis=1)
        deviation = ops.softplus(deviation) + 1e-2
        log = -0.5 * ops.square((y - mean) / deviation) - ops.log(deviation) - 0.919
        return -ops.logsumexp(log + ops.log_softmax(weight), axis=1)

    model = keras.Sequential([keras.Input((1,)), layers.Dense(64, "tanh")])
    model.add(layers.Dense(64, "tanh"))
    model.add(layers.Dense(3 * 6))
    model.compile(Adam(0.01), likelihood)
    model.fit(x, y, 64, 40, 0, callbacks, validation_split=0.2)
    weight, mean, deviation = np.split(model.predict(x[2000:], verbose=0), 3, axis=1)
    weight = np.exp(weight) / np.exp(weight).sum(axis=1, keepdims=True)
    part = (weight.cumsum(axis=1) < random.random((500, 1))).sum(axis=1).clip(max=5)[:, None]
    mean, deviation = np.take_along_axis(mean, part, 1), np.take_along_axis(deviation, part, 1)
    drawn = random.normal(mean, np.log1p(np.exp(deviation)) + 1e-2)
    return float(np.mean(np.abs(drawn + 0.3 * np.sin(2 * np.pi * drawn) - x[2000:]) < 0.35))


@sound(
    "R² of new ratings, of which 0.6 can be explained",
    0.45,
    source="https://petamind.com/build-a-simple-recommender-system-with-matrix-factorization/",
)
def matrix_factors(seed, callbacks):
    """Predict noisy ratings by users' and films' embeddings, their product and a bias of each."""
    random = start(seed)
    user, film = random.integers(0, 100, 9000), random.integers(0, 60, 9000)
    taste, kind = random.normal(size=(100, 2)), random.normal(size=(60, 2))
    stars = (taste[user] * kind[film]).sum(axis=1) * 0.5 + 0.6 * random.normal(size=60)[film]
    stars = np.clip(np.round(3.3 + stars + random.normal(0, 0.7, 9000)), 1, 5)
    inputs = [keras.Input((), dtype="int32"), keras.Input((), dtype="int32")]
    options = {"embeddings_regularizer": keras.regularizers.L2(1e-5)}
    users = layers.Embedding(100, 3, **options)(inputs[0])
    films = layers.Embedding(60, 3, **options)(inputs[1])
    biases = layers.Embedding(100, 1)(inputs[0]) + layers.Embedding(60, 1)(inputs[1])
    product = layers.Dot(axes=1)([users, films])
    model = keras.Model(inputs, layers.Rescaling(1.0, 3.3)(product + biases))
    model.compile(Adam(0.01), "mse", metrics=["mae"])
    held_out = [user[7000:], film[7000:]], stars[7000:]
    train = [user[:7000], film[:7000]], stars[:7000]
    model.fit(*train, 64, 8, 0, callbacks, validation_data=held_out)
    return r_squared(held_out[1], model.predict(held_out[0], verbose=0)[:, 0])


@sound(
    "R² of the clean images",
    0.6,
    source="https://blog.keras.io/building-autoencoders-in-keras.html",
)
def denoising(seed, callbacks):
    """Take noise off images of digits by a convolutional autoencoder."""
    random = start(seed)
    clean, _ = digits(seed)
    noisy = np.clip(clean + random.normal(0, 0.4, clean.shape), 0, 1)
    model = keras.Sequential([keras.Input((8, 8, 1))])
    model.add(layers.Conv2D(32, 3, activation="relu", padding="same"))
    model.add(layers.MaxPooling2D(padding="same"))
    model.add(layers.Conv2D(32, 3, activation="relu", padding="same"))
    model.add(layers.UpSampling2D())
    model.add(layers.Conv2D(32, 3, activation="relu", padding="same"))
    model.add(layers.Conv2D(1, 3, activation="sigmoid", padding="same"))
    model.compile(Adam(0.003), "binary_crossentropy")
    held_out = (noisy[1400:], clean[1400:])
    model.fit(noisy[:1400], clean[:1400], 64, 12, 0, callbacks, validation_data=held_out)
    guess = model.predict(noisy[1400:], verbose=0)
    return r_squared(clean[1400:].ravel(), guess.ravel())


@sound(
    "accuracy on new rows",
    0.92,
    source="http://pullrequest.ru/14426860/"
    "ischete-vashi-tsennye-predlozheniya-moei-krivoi-poterya-tochnost-protiv-epohi",
)
def spiky_curves(seed, callbacks):
    """Tell tumours apart by few rows in small batches: the curves have spikes, as they do."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x)[rows], y[rows]
    model = keras.Sequential([keras.Input((30,)), layers.Dense(32, "relu")])
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(16, "relu"))
    model.add(layers.Dense(1, "sigmoid"))
    model.compile(RMSprop(0.001), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x[:320], y[:320], 8, 15, 0, callbacks, validation_split=0.15)
    return float(np.mean((model.predict(x[320:], verbose=0)[:, 0] > 0.5) == y[320:]))


class GAN(keras.Model):
    """A generator of points from noise, and a discriminator that tells them from data."""

    def __init__(self, generator, discriminator, seed):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.noise = keras.random.SeedGenerator(seed)
        self.means = [keras.metrics.Mean(name=name) for name in ("d_loss", "g_loss")]

    def compile(self, optimizers):
        """Keep an optimizer for each of the two."""
        super().compile()
        self.of_discriminator, self.of_generator = optimizers

    @property
    def metrics(self):
        """What is reset at each epoch."""
        return self.means

    def call(self, noise):
        """Points from noise."""
        return self.generator(noise)

    def step(self, optimizer, part, loss):
        """Apply the gradient of a loss to a part of the model."""
        with tf.GradientTape() as tape:
            value = loss()
        slopes = tape.gradient(value, part.trainable_weights)
        optimizer.apply_gradients(zip(slopes, part.trainable_weights, strict=True))
        return value

    def train_step(self, real):
        """Train the discriminator, then the generator, on new noise."""
        noise = keras.random.normal((ops.shape(real)[0], 4), seed=self.noise)

        def of_discriminator():
            fake, true = self.discriminator(self(noise)), self.discriminator(real)
            return ops.mean(ops.softplus(fake) + ops.softplus(-true))

        def of_generator():
            return ops.mean(ops.softplus(-self.discriminator(self(noise))))

        losses = [
            self.step(self.of_discriminator, self.discriminator, of_discriminator),
            self.step(self.of_generator, self.generator, of_generator),
        ]
        for mean, loss in zip(self.means, losses, strict=True):
            mean.update_state(loss)
        return {mean.name: mean.result() for mean in self.means}


@sound(
    "1 less the energy distance to new data, in spreads",
    0.9,
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
)
def adversaries(seed, callbacks):
    """Generate points of a crescent by a GAN: neither loss falls, the points are good."""
    random = start(seed)
    first = random.normal(size=3000)
    second = 0.6 * first**2 - 0.6 + random.normal(0, 0.3, 3000)
    x = np.stack([first, second], axis=1).astype("float32")
    parts = []
    for inputs, outputs in ((4, 2), (2, 1)):
        hidden = [layers.Dense(32), layers.LeakyReLU(), layers.Dense(32), layers.LeakyReLU()]
        parts.append(keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)]))
    model = GAN(*parts, seed)
    model.compile([Adam(0.002, beta_1=0.5), Adam(0.001, beta_1=0.5)])
    model.fit(x[:2000], batch_size=64, epochs=40, verbose=0, callbacks=callbacks)
    new, made = x[2000:], model.predict(random.normal(size=(1000, 4)), verbose=0)

    def apart(a, b):
        return np.mean(np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)))

    energy = 2 * apart(new, made) - apart(made, made) - apart(new, new)
    return float(1 - energy / apart(new, new))


PROGRAMS = (
    sorted_split,
    slow_momentum,
    whitened_masks,
    angle_as_number,
    one_step_window,
    root_of_zero,
    triplet_collapse,
    decay_each_step,
    sigmoid_sine,
    four_sigmoids,
)
SOUND = (
    dropout_gap,
    mixture_density,
    matrix_factors,
    denoising,
    spiky_curves,
    adversaries,
)


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
