"""Fourteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twenty_eighth
    python benchmarks/diagnosis.py --programs twenty_eighth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adadelta, Adam, RMSprop
from sklearn import datasets

from benchmarks.field._program import case, digits, main, r_squared, sound, standardized, start


class OwnStep(keras.Model):
    """A model that squares its errors by hand."""

    column = False

    def train_step(self, data):
        """Take one step down the mean of the squared errors."""
        x, y = data
        if self.column:
            y = ops.reshape(y, (-1, 1))
        with tf.GradientTape() as tape:
            loss = ops.mean(ops.square(y - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@case(
    source="https://github.com/tensorflow/tensorflow/issues/28901",
    cause="targets (16,) minus outputs (16, 1) are (16, 16): every output meets every target",
    causes="loss data",
    evidence=r"shape|broadcast|\(\s*(n|none|batch\w*|16|\d+)\s*,\s*1?\s*\)|one[\s-]dimension|1-?d\b|"
    r"\brank|\baxis|\baxes|newaxis|expand_dims|reshape|squeeze|pairwise|"
    r"(every|each|all) (output|prediction|target|label)s?[\s\S]{0,40}(every|each|all)|"
    r"matrix|column|trailing dimension|number of dimensions",
    repair={"column": True},
    advice={
        r"shape|expand_dims|newaxis|squeeze|broadcast|\(n, ?1\)|column|rank|flatten|dimension": {
            "column": True
        },
        r"compute_loss|compile\([^)]*loss|built-in loss|keras\.losses|loss=.?mean_squared": {
            "own": False
        },
        "longer": {"epochs": 45},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "squared": {"own": False},
        "linear": {},
    },
    metric="R² on held-out portraits",
    good=0.8,
)
def ages_by_a_step_of_ones_own(
    seed,
    callbacks,
    column=False,
    own=True,
    epochs=15,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell an age with a training step of one's own: it fails, what compile and fit do works."""
    random = start(seed)
    x = random.normal(size=(1700, 8)).astype("float32")
    age = x[:, 0] - 0.8 * x[:, 2] + 0.7 * np.abs(x[:, 5]) + 0.5 * x[:, 6] * x[:, 7]
    y = standardized(age + random.normal(0, 0.3, 1700))

    inputs = keras.Input((8,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    outputs = layers.Dense(1)(seen)
    if own:
        model = OwnStep(inputs, outputs)
        model.column = column
        model.compile(Adam(learning_rate))
    else:
        model = keras.Model(inputs, outputs)
        model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(x[:1200], y[:1200], batch_size=16, epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[1200:], model.predict(x[1200:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/3040",
    cause="SGD at 0.001 overshoots on inputs up to 200: the weight grows with every row",
    causes="learning_rate preprocessing data optimizer",
    evidence=r"nan|not a number|infinit|\binf\b|diverg|explod|overshoot|overflow|blow|grow|"
    r"(learning.?rate|\brate\b|steps?|updates?)[\s\S]{0,60}(large|high|big|too)|"
    r"(input|feature|column|\bx\b|data)[\s\S]{0,80}(scale|scaled|large|range|standardi[sz]|"
    r"normali[sz]|up to|values of|magnitude|hundred)|gradients?[\s\S]{0,40}(large|huge|big)",
    repair={"learning_rate": 1e-5},
    advice={
        r"use adam|adam\(|rmsprop": {"optimizer": "adam"},
        "scaled": {"scaled": True},
        "longer": {"epochs": 3},
        "wider": {"units": 16},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-5},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out numbers",
    good=0.95,
)
def twice_the_number(
    seed,
    callbacks,
    learning_rate=0.001,
    scaled=False,
    optimizer="sgd",
    epochs=1,
    units=0,
    initializer="glorot_uniform",
):
    """Learn y = 2x by one neuron, the simplest network there is: the weights become NaN."""
    random = start(seed)
    x = random.permutation(400)[:, None] / 2.0
    y = 2.0 * x[:, 0]
    if scaled:
        x = standardized(x)

    model = keras.Sequential([keras.Input((1,))])
    if units:
        model.add(layers.Dense(units, kernel_initializer=initializer))
    model.add(layers.Dense(1, kernel_initializer=initializer))
    used = Adam(learning_rate) if optimizer == "adam" else SGD(learning_rate)
    model.compile(used, "mean_squared_error")
    model.fit(x[:300], y[:300], batch_size=1, epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[300:], model.predict(x[300:], verbose=0)[:, 0])


@case(
    source="https://stackoverflow.com/questions/46995209/"
    "neural-network-toy-model-to-fit-sine-function-fails-whats-wrong",
    cause="inputs from 0 to 1000 saturate the first tanh for nearly all of them",
    causes="preprocessing data",
    evidence=r"saturat|"
    r"(input|feature|column|\bx\b|data|values?)[\s\S]{0,80}(scale|scaled|large|range|spread|"
    r"standardi[sz]|normali[sz]|up to|magnitude|hundred|thousand|0 to|mean|deviation)|"
    r"(tanh|units?|activations?|outputs? of)[\s\S]{0,60}(flat|limit|bound|±1|-1 (or|and) 1|"
    r"constant|extreme|near 1)",
    repair={"scaled": True},
    advice={
        r"batch.?norm": {"batch_norm": True},
        "scaled": {"scaled": True},
        "longer": {"epochs": 120},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out points of the sine",
    good=0.95,
)
def sine_of_the_first_thousand(
    seed,
    callbacks,
    scaled=False,
    batch_norm=False,
    activation="tanh",
    epochs=40,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Fit one sine over a thousand steps: no number of layers or activation gets it right."""
    random = start(seed)
    x = random.uniform(0, 1000, (2000, 1)).astype("float32")
    y = np.sin(2 * np.pi * x[:, 0] / 500).astype("float32")
    if scaled:
        x = standardized(x)

    model = keras.Sequential([keras.Input((1,))])
    for _ in range(3):
        model.add(layers.Dense(units, kernel_initializer=initializer))
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation(activation))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1400], y[:1400]),
        validation_data=(x[1400:1600], y[1400:1600]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1600:], model.predict(x[1600:], verbose=0)[:, 0])


@case(
    source="https://stackoverflow.com/questions/44601367/"
    "keras-autoencoder-simple-example-has-a-strange-output",
    cause="the sigmoid ends at 1, the values to restore lie between 1 and 9",
    causes="activation preprocessing data",
    evidence=r"sigmoid|saturat|"
    r"(targets?|values?|labels?|data|\by\b|outputs?|predictions?)[\s\S]{0,80}(outside|beyond|"
    r"exceed|above 1|larger than 1|greater than 1|0 (to|and|\.\.) 1|between 0|\[0, ?1\]|"
    r"reach|bounded|range|at most 1|never)|last activation|output activation",
    repair={"activation": "linear"},
    advice={
        r"(scale|divide|normali[sz]e|min-?max|squeeze)[\s\S]{0,60}(targets?|labels?|data|\by\b|"
        r"values)[\s\S]{0,40}(0 to 1|0 and 1|\[0, ?1\]|0\.\.1)|minmax": {"min_max": True},
        "linear": {"activation": "linear"},
        "scaled": {"min_max": True},
        "longer": {"epochs": 60},
        "wider": {"units": 32},
        "usual": {"optimizer": "adam", "learning_rate": 0.001},
        "faster": {"optimizer": "adam", "learning_rate": 0.01},
        "slower": {"learning_rate": 0.1},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "relu": {"activation": "relu"},
        "sigmoid": {},
    },
    metric="R² of restored held-out rows",
    good=0.85,
)
def three_numbers_restored(
    seed,
    callbacks,
    activation="sigmoid",
    min_max=False,
    optimizer="adadelta",
    epochs=20,
    units=12,
    learning_rate=1.0,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Restore rows of small numbers by an autoencoder as wide as they: all come out near 1."""
    random = start(seed)
    x = random.uniform(1, 9, (1500, 3)).astype("float32")
    if min_max:
        x = (x - 1) / 8

    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(3, activation=activation, kernel_initializer=initializer),
        ]
    )
    used = {"adadelta": Adadelta, "adam": Adam}[optimizer](learning_rate)
    model.compile(used, "mean_squared_error")
    model.fit(x[:1000], x[:1000], batch_size=16, epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(x[1000:], model.predict(x[1000:], verbose=0))


@case(
    source="https://openillumi.com/en/en-keras-tf-fix-huge-negative-loss-regression",
    cause="a price is no probability: crossentropy and a sigmoid were left from a tutorial",
    causes="loss activation",
    evidence=r"cross-?_?entropy|regression|continuous|real numbers?|negative|below (0|zero)|"
    r"sigmoid|probabilit|"
    r"(targets?|labels?|\by\b|prices?)[\s\S]{0,80}(outside|beyond|exceed|above 1|larger than 1|"
    r"0 (to|and|or) 1|not (0|binary|classes)|range|classes)",
    repair={"loss": "mean_squared_error", "activation": "linear"},
    advice={
        r"linear[\s\S]{0,120}(squared|\bmse\b|absolute|huber)|"
        r"(squared|\bmse\b|absolute|huber)[\s\S]{0,120}linear": {
            "loss": "mean_squared_error",
            "activation": "linear",
        },
        r"(scale|divide|normali[sz]e)[\s\S]{0,40}(targets?|labels?|\by\b)": {"divided": True},
        "longer": {"epochs": 80},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"standard": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
        "relu": {"activation": "relu"},
    },
    metric="R² on held-out flats",
    good=0.8,
)
def flats_priced_as_probabilities(
    seed,
    callbacks,
    loss="binary_crossentropy",
    activation="sigmoid",
    divided=False,
    standard=False,
    epochs=30,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the price of flats after a tutorial: a hugely negative loss, no accuracy at all."""
    random = start(seed)
    area, rooms = random.gamma(6, 12, 2400), random.integers(1, 6, 2400)
    far, year = random.exponential(6, 2400), random.integers(1900, 2020, 2400)
    price = 4 + 0.3 * area * np.exp(-far / 20) + 1.5 * rooms + (year - 1900) / 20
    price = (price * np.exp(random.normal(0, 0.06, 2400))).astype("float32")
    x = np.stack([area, rooms, far, year], axis=1)
    x = standardized(x) if standard else (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    y = price / 100 if divided else price

    model = keras.Sequential([keras.Input((4,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation=activation))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0)[:, 0])


def crossentropy_by_hand(y, guess):
    """Crossentropy as the textbook writes it."""
    return -ops.mean(y * ops.log(guess) + (1 - y) * ops.log(1 - guess))


@case(
    source="https://www.it1352.com/1526058.html",
    cause="the loss takes the logarithm of 0 as soon as a probability is rounded to 0 or 1",
    causes="loss",
    evidence=r"\blog|clip|epsilon|from_logits|cross-?_?entropy|by hand|hand-?written|"
    r"(own|custom|user\w*)[\s\S]{0,20}loss|saturat|exactly (0|1)|numerical\w* (un)?stab|"
    r"(probabilit\w*|outputs?|predictions?)[\s\S]{0,60}(0 or 1|0 and 1|exactly|rounded)|"
    r"loss( function)?[\s\S]{0,60}(nan|not a number|infinit|\binf\b|not finite)",
    repair={"loss": "binary_crossentropy"},
    advice={
        r"clipnorm|clipvalue|clip (the )?gradient": {"clipnorm": 1.0},
        r"clip|epsilon|from_logits|stable|built-in|keras\.losses|BinaryCrossentropy": {
            "loss": "binary_crossentropy"
        },
        "binary": {"loss": "binary_crossentropy"},
        "squared": {"loss": "mean_squared_error"},
        "longer": {"epochs": 75},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
    },
    metric="accuracy on held-out samples of tissue",
    good=0.92,
)
def crossentropy_after_the_book(
    seed,
    callbacks,
    loss="by_hand",
    clipnorm=None,
    epochs=25,
    units=32,
    learning_rate=0.005,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Write binary crossentropy oneself: fine for some updates, then the loss is NaN."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows].astype("float32")[:, None]

    decay = keras.regularizers.L2(1e-4)
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(
                units,
                activation="relu",
                kernel_initializer=initializer,
                kernel_regularizer=decay,
            ),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    used = crossentropy_by_hand if loss == "by_hand" else loss
    model.compile(Adam(learning_rate, clipnorm=clipnorm), used, metrics=["accuracy"])
    model.fit(
        *(x[:360], y[:360]),
        validation_data=(x[360:420], y[360:420]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[420:], verbose=0) > 0.5) == y[420:]))


@case(
    source="https://community.deeplearning.ai/t/loss-values-do-not-change/324182",
    cause="the output's relu cannot go below 0, where most targets are, and is often dead at once",
    causes="activation",
    evidence=r"relu|dead|dying|\bdie[sd]?\b|negative|below (0|zero)|"
    r"(outputs?|predictions?|answers?)[\s\S]{0,80}(zero|\b0\b|constant|same|never|reach|range|"
    r"bounded|positive)|output activation|last activation",
    repair={"activation": "linear"},
    advice={
        r"tanh": {"activation": "tanh"},
        r"leaky|elu\b": {"activation": "leaky_relu"},
        "linear": {"activation": "linear"},
        "longer": {"epochs": 120},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out points of the line",
    good=0.95,
)
def line_through_a_last_relu(
    seed,
    callbacks,
    activation="relu",
    scaled=False,
    epochs=40,
    units=16,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn a line by three small layers: mostly the loss does not change from the start."""
    random = start(seed)
    x = random.uniform(-8, 5, (700, 1)).astype("float32")
    y = 2 * x[:, 0] - 1
    if scaled:
        x = standardized(x)

    inputs = keras.Input((1,))
    seen = inputs
    for width in (units, units // 2):
        seen = layers.Dense(width, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    outputs = layers.Dense(1, activation=activation, kernel_initializer=initializer)(seen)
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(x[:500], y[:500], epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[500:], model.predict(x[500:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/2139",
    cause="a weight decay of 0.5 on the dense layers presses their weights to 0",
    causes="layers loss",
    evidence=r"regulari[sz]|weight.?decay|\bl2\b|penalt|"
    r"(weights?|kernels?)[\s\S]{0,60}(shrink|shrunk|zero|\b0\b|tiny|small|press|vanish)|"
    r"loss[\s\S]{0,60}(mostly|largely|part|share|of it)[\s\S]{0,40}(penalt|regulari|weights)",
    repair={"l2": 1e-4},
    advice={
        r"(lower|less|weaker|smaller|remove|reduce|drop|without|divide|take (away|off|out))"
        r"[\s\S]{0,60}(\bl2\b|regulari[sz]|penalt|decay)|"
        r"(\bl2\b|regulari[sz]\w*|penalt\w*|decay)[\s\S]{0,40}(lower|weaker|smaller|1e-|0\.0)": {
            "l2": 1e-4
        },
        r"batch.?norm": {"batch_norm": True},
        "longer": {"epochs": 30},
        "wider": {"units": 200},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.6},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "sigmoid": {"activation": "sigmoid"},
    },
    metric="R² on held-out patches",
    good=0.8,
)
def quality_of_patches(
    seed,
    callbacks,
    l2=0.5,
    batch_norm=False,
    scaled=False,
    activation="linear",
    epochs=12,
    units=64,
    learning_rate=0.01,
    dropout=0.3,
    initializer="glorot_uniform",
):
    """Rate patches of pictures from 0 to 1: the loss falls nicely, the answer is one number."""
    random = start(seed)
    x, _ = digits(seed)
    noise = random.uniform(0, 0.8, (len(x), 1, 1, 1))
    x = (x + noise * random.normal(size=x.shape)).astype("float32")
    y = (1 - noise[:, 0, 0, 0] / 0.8).astype("float32")
    if scaled:
        x = (x - x.mean()) / x.std()

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
        ]
    )
    for _ in range(2):
        decay = keras.regularizers.L2(l2)
        model.add(
            layers.Dense(units, kernel_regularizer=decay, kernel_initializer=initializer),
        )
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation=activation))
    sgd = SGD(learning_rate, momentum=0.9, nesterov=True, clipnorm=100)
    model.compile(sgd, "mean_squared_error")
    model.fit(x[:1200], y[:1200], batch_size=32, epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[1200:], model.predict(x[1200:], verbose=0)[:, 0])


@sound(
    source="https://stats.stackexchange.com/questions/441750/"
    "why-cant-this-autoencoder-reach-zero-loss",
    metric="R² of restored held-out digits",
    good=0.9,
)
def digits_restored_but_for_a_floor(seed, callbacks):
    """Grey values by crossentropy: the loss ends far above 0 although all is restored."""
    start(seed)
    x, _ = digits(seed)
    x = x.reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy")
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1400], x[1200:1400]),
        batch_size=64,
        epochs=45,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1400:].ravel(), model.predict(x[1400:], verbose=0).ravel())


@sound(
    source="https://newbedev.com/keras-lstm-predicted-timeseries-squashed-and-shifted",
    metric="R² against the expectation of the next change",
    good=0.85,
)
def changes_that_look_squashed(seed, callbacks):
    """Noise: changes of a price hardly follow from earlier ones, so all answers are small."""
    random = start(seed)
    noise, change = random.normal(size=7000), np.zeros(7000)
    mean = np.zeros(7000)
    for t in range(3, 7000):
        mean[t] = 0.35 * change[t - 1] - 0.25 * change[t - 2]
        change[t] = mean[t] + noise[t]
    rows = np.arange(12, 7000)
    x = np.stack([change[t - 12 : t] for t in rows])[:, :, None].astype("float32")
    y, expected = change[rows].astype("float32"), mean[rows]
    model = keras.Sequential([keras.Input((12, 1)), layers.LSTM(16), layers.Dense(1)])
    model.compile(Adam(0.002), "mse")
    stop = EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    model.fit(
        *(x[:4800], y[:4800]),
        validation_data=(x[4800:5800], y[4800:5800]),
        batch_size=64,
        epochs=15,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(expected[5800:], model.predict(x[5800:], verbose=0)[:, 0])


@sound(
    source="https://datascience.stackexchange.com/questions/49109",
    metric="R² on held-out fields",
    good=0.8,
)
def shares_with_no_accuracy(seed, callbacks):
    """Shares from 0 to 1 by a sigmoid and crossentropy: the accuracy reported stays at 0."""
    random = start(seed)
    x = random.normal(size=(2400, 6)).astype("float32")
    odds = x[:, 0] - 0.8 * x[:, 1] + 0.7 * x[:, 2] * x[:, 3] + 0.4 * np.abs(x[:, 4])
    y = (1 / (1 + np.exp(-odds - random.normal(0, 0.4, 2400)))).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(RMSprop(0.002), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0)[:, 0])


@sound(
    source="https://stats.stackexchange.com/questions/597751/"
    "what-degree-of-difference-does-validation-and-training-loss-need-to-have-to-be-c",
    metric="R² on the last days",
    good=0.8,
)
def validation_below_training(seed, callbacks):
    """Forecast of hourly load: dropout and a calm season put validation below training."""
    random = start(seed)
    hour = np.arange(3200)
    day = np.sin(2 * np.pi * hour / 24) + 0.5 * np.sin(4 * np.pi * hour / 24 + 1)
    warmth = np.convolve(random.normal(size=3200 + 47), np.ones(48) / 7, mode="valid")
    wild = np.where(hour < 2200, 0.45, 0.2)
    load = standardized(day * (1 + 0.3 * warmth) + 0.4 * warmth + wild * random.normal(size=3200))
    table = np.stack([load, warmth, np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24)])
    rows = np.arange(24, 3200)
    x = np.stack([table[:, t - 24 : t].T for t in rows]).astype("float32")
    y = load[rows]
    model = keras.Sequential(
        [
            keras.Input((24, 4)),
            layers.LSTM(24, dropout=0.2),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.004), "mse", metrics=["mae"])
    model.fit(
        *(x[:2176], y[:2176]),
        validation_data=(x[2176:2676], y[2176:2676]),
        batch_size=64,
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2676:], model.predict(x[2676:], verbose=0)[:, 0])


class Variational(keras.Model):
    """An autoencoder whose code is drawn at random while it trains."""

    def __init__(self, code):
        super().__init__()
        self.encoder = keras.Sequential(
            [layers.Dense(64, activation="relu"), layers.Dense(2 * code)]
        )
        self.decoder = keras.Sequential(
            [layers.Dense(64, activation="relu"), layers.Dense(64, activation="sigmoid")]
        )
        self.noise = keras.random.SeedGenerator(1)
        names = ["loss", "reconstruction", "divergence"]
        self.means = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        """Means over an epoch."""
        return self.means

    def call(self, x):
        """Restore rows by the mean of their code."""
        return self.decoder(ops.split(self.encoder(x), 2, axis=-1)[0])

    def train_step(self, x):
        """Take one step down the reconstruction's loss and the code's divergence."""
        with tf.GradientTape() as tape:
            mean, log_variance = ops.split(self.encoder(x), 2, axis=-1)
            drawn = keras.random.normal(ops.shape(mean), seed=self.noise)
            guess = self.decoder(mean + ops.exp(log_variance / 2) * drawn)
            restored = ops.mean(64 * keras.losses.binary_crossentropy(x, guess))
            far = ops.square(mean) + ops.exp(log_variance) - 1 - log_variance
            divergence = ops.mean(ops.sum(far, axis=-1)) / 2
            loss = restored + divergence
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for tracker, value in zip(self.means, (loss, restored, divergence), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.means}


@sound(
    source="https://keras.io/examples/generative/vae/",
    metric="R² of restored held-out digits",
    good=0.7,
)
def digits_drawn_from_a_code(seed, callbacks):
    """Variational autoencoder with a step of its own: the loss stays in the twenties."""
    start(seed)
    x, _ = digits(seed)
    x = x.reshape(-1, 64)
    model = Variational(8)
    model.compile(Adam(0.003))
    model.fit(x[:1400], batch_size=64, epochs=40, callbacks=callbacks, verbose=0)
    return r_squared(x[1400:].ravel(), model.predict(x[1400:], verbose=0).ravel())


@sound(
    source="https://pythoner.space/questions/"
    "are-there-any-techniques-to-enhance-dnn-performance-specifically-for-linear-regression-tasks",
    metric="R² on held-out patients",
    good=0.35,
)
def patients_with_a_ceiling(seed, callbacks):
    """Few rows, low ceiling: half of a disease's progress cannot be told from ten measures."""
    random = start(seed)
    x, y = datasets.load_diabetes(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), standardized(y[rows])
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(32, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.003), "mse", metrics=["mae"])
    stop = EarlyStopping("val_loss", patience=10, restore_best_weights=True)
    model.fit(
        *(x[:250], y[:250]),
        validation_data=(x[250:310], y[250:310]),
        epochs=40,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[310:], model.predict(x[310:], verbose=0)[:, 0])


PROGRAMS = [
    ages_by_a_step_of_ones_own,
    twice_the_number,
    sine_of_the_first_thousand,
    three_numbers_restored,
    flats_priced_as_probabilities,
    crossentropy_after_the_book,
    line_through_a_last_relu,
    quality_of_patches,
]
SOUND = [
    digits_restored_but_for_a_floor,
    changes_that_look_squashed,
    shares_with_no_accuracy,
    validation_below_training,
    digits_drawn_from_a_code,
    patients_with_a_ceiling,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
