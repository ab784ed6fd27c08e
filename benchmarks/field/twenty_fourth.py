"""Fourteen more field programs, many of images, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twenty_fourth
    python benchmarks/diagnosis.py --programs twenty_fourth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adadelta, Adagrad, Adam, RMSprop
from keras.optimizers.schedules import CosineDecay

from benchmarks.field._program import (
    accuracy,
    case,
    digits,
    main,
    one_hot,
    r_squared,
    sound,
    start,
)


def glyphs(random, rows, classes, side=12, noise=0.25, shift=1):
    """Return images of blurred random signs, moved a little, and their numbers."""
    signs = random.normal(size=(classes, side + 2 * shift, side + 2 * shift))
    for axis in (1, 2):
        signs = signs + np.roll(signs, 1, axis=axis) + np.roll(signs, -1, axis=axis)
    signs = (signs - signs.min()) / (signs.max() - signs.min())
    y = random.integers(0, classes, rows)
    x = np.empty((rows, side, side, 1), "float32")
    for row, (top, left) in enumerate(random.integers(0, 2 * shift + 1, (rows, 2))):
        x[row, :, :, 0] = signs[y[row], top : top + side, left : left + side]
    return (x + random.normal(0, noise * 0.3, x.shape)).clip(0, 1).astype("float32"), y


# ---- eight reports ----


@case(
    source="https://github.com/tensorflow/tensorflow/issues/34380",
    cause="Adadelta's default rate is 0.001 here and was 1.0 there: a thousand times slower",
    causes="learning_rate optimizer",
    evidence=r"adadelta|(learning.?rate|\brate\b|step size)[\s\S]{0,100}(small|tiny|low|little|"
    r"below|0\.001|1e-0?3|too slow)|(small|tiny|low)[\s\S]{0,30}(learning.?rate|steps?|updates?)|"
    r"(weights?|updates?|steps?|layers?|kernels?)[\s\S]{0,80}(hardly|barely|tiny|small|slow|"
    r"not move|little|unchanged|per ?cent|%)|still (falling|improving|learning)|"
    r"(larger|higher|raise|times as large)[\s\S]{0,40}rate|(not (yet )?|un)(finished|converged)|"
    r"slow(ly)? (learn|train|converg|progress)|learns? (too )?slowly",
    repair={"learning_rate": 1.0},
    advice={
        r"\badam\b|\badamw\b|\badam\(|rmsprop|other optimi[sz]er|change the optimi[sz]er": {
            "optimizer": "adam"
        },
        r"=1(\.0)?\b|learning rate (of|to) 1\b|(thousand|1000|hundred|100) times|"
        r"old(er)? default": {"learning_rate": 1.0},
        "usual": {"optimizer": "adam"},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 90},
        "wider": {"units": 96},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
    },
    metric="R² of held-out images and their reconstructions",
    good=0.75,
)
def digits_through_a_bottleneck(
    seed,
    callbacks,
    learning_rate=0.001,
    optimizer="adadelta",
    epochs=30,
    units=32,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
    activation="sigmoid",
    loss="binary_crossentropy",
):
    """Reconstruct digits: the loss stays near 0.6 although the same program did well elsewhere."""
    start(seed)
    x = digits(seed)[0].reshape(-1, 64)
    inputs = keras.Input((64,))
    seen = layers.BatchNormalization()(inputs) if scaled else inputs
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(64, activation=activation)(seen))
    model.compile(Adadelta(learning_rate) if optimizer == "adadelta" else Adam(0.002), loss)
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1400], x[1200:1400]),
        batch_size=32,
        epochs=epochs,
        shuffle=True,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1400:].ravel(), model.predict(x[1400:], verbose=0).ravel())


@case(
    source="https://stats.stackexchange.com/questions/261704/"
    "training-a-neural-network-for-regression-always-predicts-the-mean",
    cause="Adam's rate is far too large for this CNN: it falls back to the mean and stays there",
    causes="learning_rate",
    evidence=r"(learning.?rate|\brate\b|step size)[\s\S]{0,100}(large|high|big|lower|smaller|"
    r"reduce|divide|usual|times)|(large|high|big)[\s\S]{0,30}(learning.?rate|steps?\b|updates?)|"
    r"(dead|dying|died|silent|never fire|always 0|all 0|all zero|inactive)[\s\S]{0,60}"
    r"(units?|relu|layers?|filters?|neurons?|channels?)|(units?|relu|layers?|filters?|neurons?|"
    r"channels?)[\s\S]{0,60}(dead|dying|died|silent|never fire|zero|inactive)|"
    r"(first|early|begin|start)[\s\S]{0,60}(explod|jump|ros[e]|spik|huge|overshoot)|"
    r"explod|overshoot|spik(e|ed)|diverg",
    repair={"learning_rate": 0.001},
    advice={
        r"batch.?norm": {"batch_norm": True},
        r"leaky": {"activation": "leaky_relu"},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 0.003},
        "faster": {"learning_rate": 0.3},
        "longer": {"epochs": 40},
        "wider": {"units": 200},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "relu": {},
    },
    metric="R² of the held-out positions of the box",
    good=0.85,
)
def where_the_box_is(
    seed,
    callbacks,
    learning_rate=0.03,
    epochs=16,
    units=100,
    batch_norm=False,
    activation="relu",
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Say where a box is in an image: always the middle."""
    random = start(seed)
    rows = 2000
    x = random.normal(0.2, 0.05, (rows, 24, 24, 1)).astype("float32")
    corner = random.integers(0, 19, (rows, 2))
    for row, (top, left) in enumerate(corner):
        x[row, top : top + 6, left : left + 6] += 0.7
    y = ((corner + 3) / 12 - 1).astype("float32")

    model = keras.Sequential([keras.Input((24, 24, 1))])
    for filters in (8, 16, 32):
        model.add(
            layers.Conv2D(
                *(filters, 5),
                strides=2,
                padding="same",
                kernel_initializer=initializer,
            )
        )
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation(activation))
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation=activation, kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(2))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1600], y[:1600]),
        validation_split=0.2,
        batch_size=64,
        epochs=epochs,
        shuffle=True,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1600:], model.predict(x[1600:], verbose=0))


class Folder(keras.utils.PyDataset):
    """Batches of images and their class numbers, in a new order each epoch."""

    def __init__(self, x, y, seed, batch_size=32):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size
        self.random = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        """Shuffle."""
        self.order = self.random.permutation(len(self.x))


@case(
    source="https://newbedev.com/cnn-with-keras-accuracy-not-improving",
    cause="a single sigmoid unit with binary crossentropy for three kinds of images",
    causes="loss layers activation data",
    evidence=r"(one|single|\b1\b) (\w+ )?(unit|output|neuron|node|sigmoid|column|value)|"
    r"(three|\b3\b|several|more than two|many|number of) (\w+ )?(class|label|categor|kind|value)|"
    r"(label|target|class|\by\b)[\s\S]{0,80}(0 to 2|0\.\.2|up to 2|0, 1 and 2|\b2\b|above 1|"
    r"larger than 1|beyond|outside|not (only )?(0|binary|between)|integer|exceed)|negative loss|"
    r"loss[\s\S]{0,40}(negative|below (0|zero)|less than 0|-\d)|binary_?[\s-]?cross|multi-?class|"
    r"sigmoid[\s\S]{0,60}(0 (to|and) 1|between|range|cannot)",
    repair={"per_class": True},
    advice={
        r"sparse_categorical|categorical_cross|softmax|(three|3) (units|outputs|neurons)|"
        r"one (unit|output) per class|Dense\(3|one.hot": {"per_class": True},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 30},
        "wider": {"units": 128},
        "regularized": {"dropout": 0.6},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
        "relu": {"activation": "relu"},
    },
    metric="accuracy on held-out images",
    good=0.9,
)
def three_folders_of_images(
    seed,
    callbacks,
    per_class=False,
    learning_rate=0.001,
    epochs=12,
    units=64,
    dropout=0.5,
    scaled=False,
    activation="sigmoid",
    loss="binary_crossentropy",
    initializer="glorot_uniform",
):
    """Tell three kinds of images apart by a CNN fed from folders: the accuracy does not improve."""
    start(seed)
    x, y = digits(seed, (3, 5, 8))
    y = np.searchsorted([3, 5, 8], y)
    model = keras.Sequential([keras.Input((8, 8, 1))])
    if scaled:
        model.add(layers.BatchNormalization())
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
    model.fit(
        Folder(x[:320], y[:320], seed),
        validation_data=Folder(x[320:400], y[320:400], seed),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[400:], verbose=0)
    guess = guess.argmax(axis=1) if per_class else np.round(guess[:, 0])
    return float(np.mean(guess == y[400:]))


@case(
    source="https://datascience.stackexchange.com/questions/38604/"
    "too-low-accuracy-on-mnist-dataset-using-a-neural-network",
    cause="one sigmoid unit and binary crossentropy for ten classes",
    causes="loss layers activation data",
    evidence=r"(one|single|\b1\b) (\w+ )?(unit|output|neuron|node|sigmoid|column|value)|"
    r"(ten|10|several|more than two|many|number of|\d+) (\w+ )?(class|label|categor)|"
    r"(label|target|class|\by\b)[\s\S]{0,80}(0 to 9|0\.\.9|up to 9|above 1|larger than 1|beyond|"
    r"outside|not (only )?(0|binary|between)|integer|exceed|reach 9)|negative loss|"
    r"loss[\s\S]{0,40}(negative|below (0|zero)|less than 0|-\d)|binary_?[\s-]?cross|multi-?class|"
    r"sigmoid[\s\S]{0,60}(0 (to|and) 1|between|range|cannot)",
    repair={"per_class": True},
    advice={
        r"sparse_categorical|categorical_cross|softmax|(ten|10) (units|outputs|neurons)|"
        r"one (unit|output) per class|Dense\(10|one.hot": {"per_class": True},
        "scaled": {"scaled": True},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 50},
        "wider": {"units": 256},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
        "relu": {"activation": "relu"},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def ten_digits_by_one_unit(
    seed,
    callbacks,
    per_class=False,
    learning_rate=0.001,
    epochs=20,
    units=64,
    dropout=0.0,
    scaled=False,
    activation="sigmoid",
    loss="binary_crossentropy",
    initializer="glorot_uniform",
):
    """Read digits with one hidden layer: a tenth is right, the loss is below zero."""
    start(seed)
    x, y = digits(seed)
    x = (x if scaled else x * 16).reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax")
            if per_class
            else layers.Dense(1, activation=activation),
        ]
    )
    loss = "sparse_categorical_crossentropy" if per_class else loss
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1300], y[:1300]),
        validation_split=0.33,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    if per_class:
        return accuracy(model, x[1300:], y[1300:])
    return float(np.mean(np.round(model.predict(x[1300:], verbose=0)[:, 0]) == y[1300:]))


@case(
    source="https://stackoverflow.com/questions/44601367/"
    "keras-autoencoder-simple-example-has-a-strange-output",
    cause="a sigmoid cannot answer more than 1, and the values to reconstruct reach from 0 to 4",
    causes="activation preprocessing data",
    evidence=r"sigmoid|saturat|(output|prediction|answer|activation)s?[\s\S]{0,80}(at most 1|"
    r"0 (to|and|\.\.) ?1|between 0|bounded|range|cannot|can't|never (reach|exceed)|limit)|"
    r"(target|value|\by\b)s?[\s\S]{0,80}(above 1|larger than 1|beyond|outside|exceed|over 1|"
    r"out of (range|reach)|not (in|between))",
    repair={"activation": "linear"},
    advice={
        r"linear|without (an )?activation|no activation|activation=none": {"activation": "linear"},
        r"(scale|divide|normali[sz]e|standardi[sz]e)[\s\S]{0,40}(target|output|\by\b|0 (to|and) 1)|"
        r"min.?max|0 (to|and) 1|\[0, ?1\]": {"scaled": True},
        "scaled": {"scaled": True},
        "relu": {"activation": "relu"},
        "sigmoid": {},
        "softmax": {"activation": "softmax"},
        "squared": {},
        "binary": {"loss": "binary_crossentropy"},
        "usual": {"optimizer": "adam"},
        "faster": {"learning_rate": 10.0},
        "slower": {"learning_rate": 0.1},
        "longer": {"epochs": 50},
        "wider": {"units": 64},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² of held-out rows and their reconstructions, mean over the columns",
    good=0.9,
)
def three_columns_and_back(
    seed,
    callbacks,
    activation="sigmoid",
    scaled=False,
    loss="mse",
    optimizer="adadelta",
    learning_rate=1.0,
    epochs=20,
    units=16,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Reconstruct three columns with no fewer hidden units: it answers nearly 1 everywhere."""
    random = start(seed)
    x = np.array([1.0, 2.0, 3.0]) + random.uniform(-1, 1, (1200, 3))
    low, high = x.min(axis=0), x.max(axis=0)
    x = ((x - low) / (high - low) if scaled else x).astype("float32")
    inputs = keras.Input((3,))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(3, activation=activation)(seen))
    model.compile(Adadelta(learning_rate) if optimizer == "adadelta" else Adam(0.001), loss)
    model.fit(x[:800], x[:800], epochs=epochs, batch_size=4, callbacks=callbacks, verbose=0)
    return r_squared(x[800:], model.predict(x[800:], verbose=0))


@case(
    source="https://stackoverflow.com/questions/46444018/"
    "meaning-of-buffer-size-in-dataset-map-dataset-prefetch-and-dataset-shuffle",
    cause="the files lie sorted by class, and shuffle's buffer is far smaller than a class",
    causes="data",
    evidence=r"shuffl|buffer|sorted|in order|order of|ordered|"
    r"(batch|consecutive|neighbo|successive)\w*[\s\S]{0,80}(one class|same (class|label)|"
    r"single (class|label)|only)|(one class|same (class|label)|single class)[\s\S]{0,60}batch|"
    r"(loss|accuracy)[\s\S]{0,60}(within|during|inside|over) (an|each|the|every) epoch|mixed",
    repair={"buffer": 2000},
    advice={
        r"shuffl|buffer|permut|random order|\bmix(ed)?\b|reorder|sort": {"buffer": 2000},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "longer": {"epochs": 24},
        "wider": {"units": 128},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out images",
    good=0.9,
)
def folders_one_after_the_other(
    seed,
    callbacks,
    buffer=60,
    learning_rate=0.002,
    epochs=8,
    units=32,
    dropout=0.0,
    scaled=False,
    loss="binary_crossentropy",
    initializer="glorot_uniform",
):
    """Tell one folder of images from the other by tf.data: the shuffled data teach nothing."""
    start(seed)
    x, y = digits(seed)
    y = (y >= 5).astype("float32")
    held_out, folders = (x[1300:], y[1300:]), np.argsort(y[:1200], kind="stable")
    data = tf.data.Dataset.from_tensor_slices((x[folders], y[folders]))
    data = data.shuffle(buffer, seed=seed).batch(32).prefetch(2)
    validation = tf.data.Dataset.from_tensor_slices((x[1200:1300], y[1200:1300])).batch(32)

    model = keras.Sequential([keras.Input((8, 8, 1))])
    if scaled:
        model.add(layers.BatchNormalization())
    for filters in (16, 32):
        model.add(layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer))
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(data, validation_data=validation, epochs=epochs, callbacks=callbacks, verbose=0)
    guess = model.predict(held_out[0], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == held_out[1]))


MEANS = np.array([103.9, 116.8, 123.7], "float32")


@case(
    source="https://github.com/fchollet/deep-learning-models/issues/96",
    cause="the frozen base learned from pixels of -124 to 151, and is given pixels of 0 to 1",
    causes="preprocessing data",
    evidence=r"preprocess|rescal|0 (to|and|\.\.) ?1|255|pixel|(input|image|\bx\b|feature)s?"
    r"[\s\S]{0,100}(scale|small|tiny|narrow|spread|range|deviation|constant|standardi[sz]|alike|"
    r"same|hardly|normali[sz])|(base|pretrained|frozen|moving (mean|average|variance)|"
    r"batch.?norm)[\s\S]{0,100}(scale|small|tiny|narrow|range|constant|alike|same|expects?|"
    r"differ|mismatch|other|far)",
    repair={"preprocess": "as_the_base"},
    advice={
        r"preprocess_input|same (preprocess|scal|rang)|as (the|its) (base|pretrained)|"
        r"(what|as|how) the (base|frozen|pretrained)|0 (to|and|\.\.) ?255|255|subtract": {
            "preprocess": "as_the_base"
        },
        r"unfreeze|trainable ?= ?true|fine-?tun|not freeze": {"frozen": False},
        r"batch.?norm|layer.?norm|layers\.normalization": {"batch_norm": True},
        "scaled": {"preprocess": "standardized"},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 24},
        "wider": {"units": 256},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="accuracy on held-out images",
    good=0.9,
)
def rescaled_for_a_borrowed_base(
    seed,
    callbacks,
    preprocess="rescaled",
    frozen=True,
    batch_norm=False,
    learning_rate=0.001,
    epochs=8,
    units=64,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Put a new head on a borrowed network with batch normalization: half are right."""
    random = start(seed)
    x, y = digits(seed)
    x = x * random.uniform(0.7, 1.0, (len(x), 1, 1, 3)).astype("float32") * 255
    old = y < 5
    inputs = keras.Input((8, 8, 3))
    seen = inputs
    for filters in (16, 32, 32):
        seen = layers.Conv2D(filters, 3, padding="same", use_bias=False)(seen)
        seen = layers.BatchNormalization(momentum=0.9)(seen)
        seen = layers.Activation("relu")(seen)
        seen = layers.MaxPooling2D()(seen) if filters == 16 else seen
    base = keras.Model(inputs, seen)
    teacher = keras.Sequential([base, layers.Flatten(), layers.Dense(5, activation="softmax")])
    teacher.compile(Adam(0.002), "sparse_categorical_crossentropy")
    teacher.fit(x[old] - MEANS, y[old], epochs=6, verbose=0)

    x, y = x[~old], y[~old] % 2
    if preprocess == "as_the_base":
        x = x - MEANS
    elif preprocess == "standardized":
        x = (x - x.mean()) / x.std()
    else:
        x = x / 255
    base.trainable = not frozen
    model = keras.Sequential([keras.Input((8, 8, 3)), base, layers.Flatten()])
    if batch_norm:
        model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:500], y[:500]),
        validation_data=(x[500:600], y[500:600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[600:], verbose=0)[:, 0] > 0.5) == y[600:]))


@case(
    source="https://stackoverflow.com/questions/46620813/"
    "keras-lstm-model-not-learning-binary-sequence",
    cause="softmax over a single unit is always 1",
    causes="activation layers loss",
    evidence=r"softmax|(one|single|\b1\b) (\w+ )?(unit|output|neuron|node)|"
    r"(output|prediction|answer)s?[\s\S]{0,60}(always|constant|exactly|all|every|same|only)"
    r"[\s\S]{0,40}(1\b|one|same|value|constant)|(no|without|zero|vanish\w*) gradients?|"
    r"gradients?[\s\S]{0,60}(zero|\b0\b|vanish|none)|"
    r"(weights?|layers?)[\s\S]{0,60}(not (move|change|learn)|never|unchanged|did not)",
    repair={"activation": "sigmoid"},
    advice={
        r"sigmoid": {"activation": "sigmoid"},
        r"(two|2) (units|outputs|neurons)|Dense\(2|one (unit|output) per class|"
        r"sparse_categorical": {"two": True},
        "usual": {"optimizer": "adam"},
        "faster": {"learning_rate": 1.0},
        "slower": {"learning_rate": 0.01},
        "longer": {"epochs": 60},
        "wider": {"units": 32},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "softmax": {},
        "relu": {"activation": "relu"},
    },
    metric="accuracy on the held-out end of the sequence",
    good=0.85,
)
def the_next_bit(
    seed,
    callbacks,
    activation="softmax",
    two=False,
    loss="binary_crossentropy",
    optimizer="adagrad",
    learning_rate=0.1,
    epochs=25,
    units=8,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the next bit from the three before it: the accuracy does not move at all."""
    random = start(seed)
    table = {0: 1, 1: 0, 2: 1, 3: 0, 4: 1, 5: 1, 6: 0, 7: 0}
    bits = [0, 1, 1]
    for wrong in random.random(3000) < 0.08:
        bits.append(table[4 * bits[-3] + 2 * bits[-2] + bits[-1]] ^ int(wrong))
    bits = np.array(bits, "float32")
    x = np.lib.stride_tricks.sliding_window_view(bits[:-1], 3)[..., None].copy()
    y = bits[3:, None]

    model = keras.Sequential(
        [
            keras.Input((3, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(2, activation="softmax") if two else layers.Dense(1, activation),
        ]
    )
    loss = "sparse_categorical_crossentropy" if two else loss
    steps = Adagrad(learning_rate) if optimizer == "adagrad" else Adam(0.003)
    model.compile(steps, loss, metrics=["accuracy"])
    model.fit(x[:2000], y[:2000], batch_size=64, epochs=epochs, callbacks=callbacks, verbose=0)
    guess = model.predict(x[2000:], verbose=0)[:, -1] > 0.5
    return float(np.mean(guess == y[2000:, 0]))


# ---- six that are sound ----


class Variational(keras.Model):
    """A variational autoencoder that adds both of its losses in its own step."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.noise = keras.random.SeedGenerator(1)
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.means = [keras.metrics.Mean(name) for name in names]

    @property
    def metrics(self):
        """The metrics to reset at the start of an epoch."""
        return self.means

    def call(self, x):
        """Reconstruct from the mean code."""
        return self.decoder(self.encoder(x)[0])

    def train_step(self, x):
        """Take one step down the sum of both losses."""
        with tf.GradientTape() as tape:
            mean, log_variance = self.encoder(x, training=True)
            noise = keras.random.normal(ops.shape(mean), seed=self.noise)
            image = self.decoder(mean + ops.exp(0.5 * log_variance) * noise, training=True)
            pixels = keras.losses.binary_crossentropy(x, image)
            pixels = ops.mean(ops.sum(pixels, axis=(1, 2)))
            spread = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
            spread = ops.mean(ops.sum(-0.5 * spread, axis=1))
            loss = pixels + spread
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        for metric, value in zip(self.means, (loss, pixels, spread), strict=True):
            metric.update_state(value)
        return {metric.name: metric.result() for metric in self.means}


@sound(
    source="https://keras.io/examples/generative/vae/",
    metric="R² of held-out digits and their reconstructions",
    good=0.7,
)
def digits_by_six_random_numbers(seed, callbacks):
    """Own step: a variational autoencoder without compiled loss or validation data."""
    start(seed)
    x = digits(seed)[0]
    image = keras.Input((8, 8, 1))
    seen = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(image)
    seen = layers.Dense(48, activation="relu")(layers.Flatten()(seen))
    encoder = keras.Model(image, [layers.Dense(6)(seen), layers.Dense(6)(seen)])
    code = keras.Input((6,))
    seen = layers.Dense(4 * 4 * 16, activation="relu")(code)
    seen = layers.Reshape((4, 4, 16))(seen)
    seen = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(seen)
    seen = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(seen)
    model = Variational(encoder, keras.Model(code, seen))
    model.compile(Adam(0.003))
    model.fit(x[:1400], epochs=30, batch_size=64, callbacks=callbacks, verbose=0)
    return r_squared(x[1400:].ravel(), model.predict(x[1400:], verbose=0).ravel())


@sound(
    source="https://stats.stackexchange.com/questions/441750/why-cant-this-autoencoder-reach-zero-loss",
    metric="R² of held-out rows and their reconstructions",
    good=0.9,
)
def grey_values_by_crossentropy(seed, callbacks):
    """Loss: binary crossentropy of grey values cannot come near 0, and need not."""
    random = start(seed)
    hidden = random.normal(size=(2400, 6))
    x = 1 / (1 + np.exp(-hidden @ random.normal(0, 0.6, (6, 30))))
    x = x.astype("float32")
    inputs = keras.Input((30,))
    seen = layers.Dense(30, activation="relu")(inputs)
    seen = layers.Dense(12, activation="relu")(seen)
    seen = layers.Dense(30, activation="relu")(seen)
    model = keras.Model(inputs, layers.Dense(30, activation="sigmoid")(seen))
    model.compile(Adam(0.003), "binary_crossentropy")
    model.fit(
        *(x[:1600], x[:1600]),
        validation_data=(x[1600:1900], x[1600:1900]),
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1900:].ravel(), model.predict(x[1900:], verbose=0).ravel())


@sound(
    source="https://github.com/keras-team/keras/issues/3611",
    metric="Dice coefficient of held-out masks",
    good=0.85,
)
def nerves_by_their_overlap(seed, callbacks):
    """Loss: the overlap with its sign turned, thus from 0 down to -1; most pixels are empty."""
    random = start(seed)
    rows, side = 700, 24
    grid = np.arange(side)
    middle, radius = random.uniform(5, 19, (rows, 2)), random.uniform(2.5, 5, (rows, 2))
    across = ((grid - middle[:, :1]) / radius[:, :1]) ** 2
    along = ((grid - middle[:, 1:]) / radius[:, 1:]) ** 2
    masks = (across[:, :, None] + along[:, None, :] < 1).astype("float32")[..., None]
    x = (0.4 + 0.35 * masks + random.normal(0, 0.2, masks.shape)).astype("float32")

    def overlap(y, guess):
        both = ops.sum(y * guess, axis=(1, 2, 3))
        either = ops.sum(y, axis=(1, 2, 3)) + ops.sum(guess, axis=(1, 2, 3))
        return ops.mean((2 * both + 1) / (either + 1))

    def overlap_loss(y, guess):
        return -overlap(y, guess)

    inputs = keras.Input((side, side, 1))
    wide = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    deep = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(wide))
    deep = layers.Conv2D(16, 3, padding="same", activation="relu")(deep)
    seen = layers.Concatenate()([wide, layers.UpSampling2D()(deep)])
    seen = layers.Conv2D(8, 3, padding="same", activation="relu")(seen)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(seen))
    model.compile(Adam(0.003), overlap_loss, metrics=[overlap])
    model.fit(
        *(x[:450], masks[:450]),
        validation_data=(x[450:550], masks[450:550]),
        batch_size=16,
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    guess = (model.predict(x[550:], verbose=0) > 0.5).astype("float32")
    return float(2 * np.sum(guess * masks[550:]) / (guess.sum() + masks[550:].sum()))


@sound(
    source="https://keras.io/examples/vision/mixup/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_laid_over_each_other(seed, callbacks):
    """Augmentation: images and labels are mixed in pairs; training looks worse than validation."""
    start(seed)
    x, y = digits(seed)
    y = one_hot(y, 10)

    def mix(one, other):
        share = tf.random.uniform((tf.shape(one[0])[0],), 0.0, 0.5)
        pixels, labels = share[:, None, None, None], share[:, None]
        return (
            one[0] * (1 - pixels) + other[0] * pixels,
            one[1] * (1 - labels) + other[1] * labels,
        )

    rows = tf.data.Dataset.from_tensor_slices((x[:1100], y[:1100]))
    one, other = (rows.shuffle(1100, seed=seed + k).repeat().batch(32) for k in (0, 1))
    data = tf.data.Dataset.zip((one, other)).map(mix).prefetch(2)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(RMSprop(0.001), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        data,
        steps_per_epoch=35,
        validation_data=(x[1100:1300], y[1100:1300]),
        epochs=14,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:].argmax(axis=1))


@sound(
    source="https://keras.io/examples/vision/siamese_contrastive/",
    metric="accuracy of same or not on held-out pairs",
    good=0.88,
)
def the_same_digit_or_not(seed, callbacks):
    """Loss: a contrastive loss of the distance between two codes by shared layers."""
    random = start(seed)
    x, y = digits(seed)

    def pairs(first, last, rows):
        one = random.integers(first, last, rows)
        other = random.integers(first, last, rows)
        for row in np.flatnonzero(random.random(rows) < 0.45):
            other[row] = random.choice(first + np.flatnonzero(y[first:last] == y[one[row]]))
        return [x[one], x[other]], (y[one] != y[other]).astype("float32")

    def contrastive(differ, distance):
        distance = ops.squeeze(distance, -1)
        differ = ops.reshape(differ, ops.shape(distance))
        near = (1 - differ) * ops.square(distance)
        return ops.mean(near + differ * ops.square(ops.maximum(1 - distance, 0)))

    tower = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="tanh"),
            layers.Conv2D(24, 3, activation="tanh"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    one, other = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    gap = ops.sum(ops.square(tower(one) - tower(other)), axis=1, keepdims=True)
    model = keras.Model([one, other], ops.sqrt(ops.maximum(gap, 1e-7)))
    model.compile(Adam(0.001), contrastive)
    model.fit(
        *pairs(0, 1100, 4000),
        validation_data=pairs(1100, 1350, 600),
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    images, differ = pairs(1350, 1797, 1500)
    return float(np.mean((model.predict(images, verbose=0)[:, 0] > 0.5) == differ))


@sound(
    source="https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay/",
    metric="accuracy on held-out signs, of which a quarter is labelled at random",
    good=0.68,
)
def signs_often_labelled_wrongly(seed, callbacks):
    """Noise: a quarter of the labels is random; SGD at 0.2, whose rate falls to zero."""
    random = start(seed)
    x, y = glyphs(random, 3400, 10, noise=0.5)
    wrong = random.random(3400) < 0.25
    y[wrong] = random.integers(0, 10, wrong.sum())
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(24, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.Conv2D(48, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rate = CosineDecay(0.2, 12 * 38)
    model.compile(SGD(rate, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2800], y[2400:2800]),
        batch_size=64,
        epochs=12,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[2800:], y[2800:])


PROGRAMS = [
    digits_through_a_bottleneck,
    where_the_box_is,
    three_folders_of_images,
    ten_digits_by_one_unit,
    three_columns_and_back,
    folders_one_after_the_other,
    rescaled_for_a_borrowed_base,
    the_next_bit,
]
SOUND = [
    digits_by_six_random_numbers,
    grey_values_by_crossentropy,
    nerves_by_their_overlap,
    digits_laid_over_each_other,
    the_same_digit_or_not,
    signs_often_labelled_wrongly,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
