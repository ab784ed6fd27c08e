"""Twenty-one reports: the field programs that the rules were first tried on.

See _program.py for what a program is.

    python -m benchmarks.field.field
    python benchmarks/diagnosis.py --programs field
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
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
    standardized,
    start,
)

# ---- eleven reports ----


@case(
    source="https://github.com/keras-team/keras/issues/6014",
    cause="after 40 updates BatchNormalization's moving averages are still far from the data's",
    causes="layers epochs",
    evidence="batch.?norm|moving|inference|training mode",
    repair={"momentum": 0.7, "epochs": 12},
    advice={
        "momentum": {"momentum": 0.9},
        "longer": {"epochs": 20},
        "slower": {"learning_rate": 1e-4},
        "faster": {"learning_rate": 1e-2},
        "more data": {"rows": 256},
    },
    metric="validation accuracy",
    good=0.9,
)
def batch_norm_few_updates(seed, callbacks, momentum=0.99, epochs=5, learning_rate=0.001, rows=64):
    """Train a CNN on 64 dark-on-white images: `fit` shows nearly 1, `evaluate` chance."""
    start(seed)
    x, y = digits(seed, classes=(3, 8))
    x, y = 1 - x.repeat(2, axis=1).repeat(2, axis=2), (y == 8).astype("float32")
    validation = x[-100:], y[-100:]
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(5, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(10, 4, strides=2, padding="same"),
            layers.BatchNormalization(momentum=momentum),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(x[:rows], y[:rows], batch_size=8, epochs=epochs, **options)
    return model.evaluate(*validation, verbose=0)[1]


class OwnStep(keras.Model):
    """A regression that computes its squared error by hand."""

    def train_step(self, data):
        """One step of gradient descent."""
        x, y = data
        with tf.GradientTape() as tape:
            error = tf.cast(y, tf.float32) - self(x, training=True)
            loss = tf.reduce_mean(tf.square(error))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@case(
    source="https://github.com/keras-team/keras/issues/16836",
    cause="targets (n,) minus predictions (n, 1) are (n, n): every prediction is drawn to the mean",
    causes="data preprocessing loss layers",
    evidence=r"shape|broadcast|\(n,|column",
    repair={"column": True},
    advice={
        r"reshape|column|shape": {"column": True},
        "longer": {"epochs": 100},
        "wider": {"units": 128},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 5e-2},
    },
    metric="R²",
    good=0.7,
)
def train_step_broadcast(seed, callbacks, column=False, units=32, epochs=40, learning_rate=0.005):
    """Square the error in one's own `train_step`: it stays far above that of `compile`."""
    start(seed)
    x, y = datasets.make_friedman1(1000, 10, noise=0.3, random_state=seed)
    x, y = standardized(x), standardized(y)
    inputs = keras.Input((10,))
    model = OwnStep(inputs, layers.Dense(1)(layers.Dense(units, "relu")(inputs)))
    model.compile(Adam(learning_rate))
    target = y[:, None] if column else y
    model.fit(x, target, epochs=epochs, verbose=0, callbacks=callbacks)
    return r_squared(y, model.predict(x, verbose=0)[:, 0])


def policy_loss_swapped(prediction, target):
    """Cross-entropy whose author expected the prediction first."""
    return -ops.sum(ops.log(prediction) * target, axis=-1)


def policy_loss(target, prediction):
    """Cross-entropy with its arguments in the order of Keras."""
    return -ops.sum(ops.log(prediction + 1e-7) * target, axis=-1)


@case(
    source="https://github.com/keras-team/keras/issues/5733",
    cause="the own loss has its arguments swapped: it takes the logarithm of labels that hold 0",
    causes="loss",
    evidence="own loss|custom loss|argument|order|policy_loss|swapped",
    repair={"swapped": False, "learning_rate": 0.003},
    advice={
        r"\by_true, *y_pred\b|argument|swap": {"swapped": False},
        "slower": {"learning_rate": 1e-4},
        "linear": {"activation": None},
        r"loss=.?categorical_crossentropy": {"known_loss": True},
    },
    metric="share of right actions",
    good=0.9,
)
def swapped_arguments(
    seed, callbacks, swapped=True, learning_rate=0.001, activation="softmax", known_loss=False
):
    """Train a policy of two actions, weighted by advantage: the loss is NaN at once."""
    random = start(seed)
    x = random.normal(size=(800, 4)).astype("float32")
    best = (x[:, 0] + x[:, 2] > 0).astype(int)
    advantage = random.uniform(0.5, 1.5, (800, 1))
    y = (one_hot(best, 2) * advantage).astype("float32")
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(32, "relu"), layers.Dense(2, activation)]
    )
    loss = policy_loss_swapped if swapped else policy_loss
    model.compile(Adam(learning_rate), "categorical_crossentropy" if known_loss else loss)
    model.fit(x, y, epochs=15, validation_split=0.2, verbose=0, callbacks=callbacks)
    guess = model.predict(x, verbose=0)
    return float(np.mean(guess.argmax(axis=1) == best)) if np.isfinite(guess).all() else 0.0


@case(
    source="https://datascience.stackexchange.com/questions/19283/"
    "why-mlp-only-learns-bias-for-unbalanced-binary-classification",
    cause="12 % positives whose probability never exceeds one half: class weights, or a threshold",
    causes="data loss",
    evidence="imbalance|balanced|rare|majority|positive|class share|one class",
    repair={"weights": {0: 0.56, 1: 4.4}},
    advice={
        r"class_weight|sample_weight|threshold": {"weights": {0: 0.56, 1: 4.4}},
        "longer": {"epochs": 60},
        "wider": {"units": 32},
        "slower": {"learning_rate": 1e-4},
        "faster": {"learning_rate": 1e-2},
    },
    metric="balanced accuracy on validation",
    good=0.8,
)
def imbalance(seed, callbacks, weights=None, units=8, epochs=12, learning_rate=0.001):
    """Everything is predicted negative, and larger layers do not help."""
    random = start(seed)
    x = random.normal(size=(8000, 20)).astype("float32")
    total = x[:, :5].sum(axis=1)
    risk = np.where(total > np.quantile(total, 0.75), 0.42, 0.01)
    y = (random.random(8000) < risk).astype("float32")
    hidden = [layers.Dense(units, "relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((20,)), *hidden, layers.Dense(1, "sigmoid")])
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[6000:], y[6000:]), "class_weight": weights, "verbose": 0}
    model.fit(x[:6000], y[:6000], batch_size=64, epochs=epochs, callbacks=callbacks, **options)
    return balanced_accuracy_score(y[6000:], model.predict(x[6000:], verbose=0)[:, 0] > 0.5)


def wandering(random, steps=1000):
    """Make a series (steps,) about 0.01 whose changes alternate, so that they can be foreseen."""
    changes = np.zeros(steps)
    for step in range(1, steps):
        changes[step] = -0.9 * changes[step - 1] + random.normal()
    levels = np.cumsum(changes)
    return (levels - levels.min()) / (levels.max() - levels.min()) * 0.03 + 0.001


@case(
    source="https://stackguides.com/questions/51432661/"
    "time-series-keras-lstm-echoing-instead-of-predicting",
    cause="the level hardly moves, so its copy has nearly all of R²: forecast the scaled change",
    causes="preprocessing data",
    evidence="last value|repeat|persist|naive|echo|forecast",
    repair={"changes": True, "epochs": 15},
    advice={
        r"change|difference|last value": {"changes": True},
        "longer": {"epochs": 60},
        "scaled": {"scaled": True},
        "linear": {"activation": None},
        "faster": {"learning_rate": 1e-2},
        "slower": {"learning_rate": 1e-4},
    },
    metric="skill over repeating the last value",
    good=0.5,
)
def forecast_echo(
    seed,
    callbacks,
    changes=False,
    epochs=20,
    scaled=False,
    activation="relu",
    learning_rate=0.001,
):
    """Give an LSTM the last eight values as features of one step: it repeats the last of them."""
    level = wandering(start(seed))
    series, offset, scale = level, 0.0, 1.0
    if scaled:
        offset, scale = level[:700].mean(), level[:700].std()
        series = (level - offset) / scale
    if changes:
        series = np.diff(level, prepend=level[0])
        scale = series[:700].std()
        series = series / scale
    windows = np.lib.stride_tricks.sliding_window_view(series[:-1], 8).astype("float32")
    x = windows[:, :, None] if changes else windows[:, None, :]
    y = series[8:].astype("float32")
    first = [] if changes else [layers.Activation("relu")]
    last = [layers.LSTM(32), layers.Dense(1, None if changes else activation)]
    model = keras.Sequential([keras.Input(x.shape[1:]), *first, *last])
    model.compile(Adam(0.003 if changes else learning_rate), "mse")
    options = {"shuffle": changes, "validation_data": (x[700:], y[700:]), "verbose": 0}
    model.fit(x[:700], y[:700], batch_size=10, epochs=epochs, callbacks=callbacks, **options)
    guess = model.predict(x[700:], verbose=0)[:, 0] * scale + offset
    last_value, now = level[707:-1], level[708:]
    guess = guess + last_value if changes else guess
    return 1 - float(np.mean((guess - now) ** 2) / np.mean((last_value - now) ** 2))


@case(
    source="https://stackoom.com/en/question/4HpqD",
    cause="the L2 penalty outweighs the loss of the data and drives the kernels to 0",
    causes="layers loss",
    evidence="penalt|regulariz|L2|weight decay",
    repair={"factor": 1e-5, "dropout": 0.2},
    advice={
        r"regulariz|penalt|\bL2\b": {"factor": 5e-5},
        "wider": {"units": 256},
        "longer": {"epochs": 100},
        "faster": {"learning_rate": 1e-2},
        "slower": {"learning_rate": 1e-4},
        "relu": {"activation": "relu"},
        r"without dropout|rate of 0\.[12]": {"dropout": 0.2},
    },
    metric="validation accuracy",
    good=0.85,
)
def l2_too_strong(
    seed,
    callbacks,
    factor=0.05,
    dropout=0.5,
    units=36,
    epochs=30,
    learning_rate=0.001,
    activation="sigmoid",
):
    """36 sigmoid units with dropout and weight decay stay at a tenth right."""
    start(seed)
    images, labels = digits(seed)
    x, y = images.reshape(-1, 64), one_hot(labels, 10)
    penalty = {"kernel_regularizer": keras.regularizers.L2(factor)}
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, activation, **penalty),
            layers.Dropout(dropout),
            layers.Dense(10, "softmax", **penalty),
        ]
    )
    model.compile(RMSprop(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1400:], y[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], y[:1400], epochs=epochs, **options)
    return accuracy(model, x[1400:], labels[1400:])


@case(
    source="https://discuss.analyticsvidhya.com/t/"
    "why-high-model-accuracy-compared-to-very-low-validation-accuracy/65145",
    cause="`validation_split` takes the last rows, and the rows are sorted: they hold one class",
    causes="data preprocessing",
    evidence="sorted|one class|class share|single class|only.{0,20}class|last rows|classes",
    repair={"shuffled": True, "epochs": 8},
    advice={
        r"shuffle|drawn|own row": {"shuffled": True, "epochs": 8},
        "longer": {"epochs": 15},
        "regularized": {"dropout": 0.5},
        "slower": {"learning_rate": 1e-4},
    },
    metric="validation accuracy",
    good=0.85,
)
def sorted_validation_split(
    seed, callbacks, shuffled=False, epochs=4, dropout=0.0, learning_rate=0.001
):
    """Messages sorted by mood: right in training, nearly always wrong in validation."""
    random = start(seed)
    y = (np.arange(1400) >= 840).astype("float32")
    x = random.integers(200, 3000, (1400, 18))
    telling = random.random((1400, 18)) < 0.14
    own_words = random.integers(0, 100, (1400, 18)) + 100 * y[:, None].astype(int)
    x = np.where(telling, own_words, x)
    if shuffled:
        order = random.permutation(1400)
        x, y = x[order], y[order]
    model = keras.Sequential(
        [
            keras.Input((18,)),
            layers.Embedding(3000, 32),
            layers.Conv1D(32, 3, padding="same", activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(50, "relu"),
            layers.Dropout(dropout),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_split": 0.3, "callbacks": callbacks, "verbose": 0}
    history = model.fit(x, y, epochs=epochs, batch_size=64, **options)
    return history.history["val_accuracy"][-1]


@case(
    source="https://github.com/keras-team/keras/pull/7520",
    cause="features were computed in a shuffled order, labels stand in that of the folders",
    causes="data",
    evidence="label.{0,60}(row|belong|input)|permut|nearest",
    repair={"aligned": True},
    advice={
        r"own row|label.{0,40}(row|belong|order)": {"aligned": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "faster": {"learning_rate": 1e-2},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.7},
    },
    metric="validation accuracy",
    good=0.85,
)
def labels_out_of_order(
    seed, callbacks, aligned=False, units=32, epochs=15, dropout=0.5, learning_rate=0.001
):
    """Train a small head on bottleneck features: it never gets beyond chance."""
    random = start(seed)
    images, labels = digits(seed)
    features = standardized(images.reshape(-1, 64)[:, 8:56])
    if not aligned:
        labels = labels[random.permutation(len(labels))]
    y = one_hot(labels, 10)
    model = keras.Sequential(
        [
            keras.Input((48,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(RMSprop(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    validation = features[1400:], y[1400:]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(features[:1400], y[:1400], batch_size=16, epochs=epochs, **options)
    return accuracy(model, features[1400:], labels[1400:])


@case(
    source="https://www.exchangetuts.com/index.php/"
    "keras-what-does-class-weight-actually-try-to-balance-1640448663813022",
    cause="class weights of 9999 against 1: the majority does not count any more",
    causes="loss data",
    evidence="class.?weight|weights|imbalance|balanced",
    repair={"rare": 8.0, "common": 0.3, "epochs": 15},
    advice={
        r"class_weight|weights": {"rare": 8.0, "common": 0.3, "epochs": 15},
        "longer": {"epochs": 18},
        "slower": {"learning_rate": 1e-4},
        "faster": {"learning_rate": 1e-2},
        "regularized": {"dropout": 0.5},
    },
    metric="balanced accuracy on validation",
    good=0.85,
)
def class_weight_9999(
    seed, callbacks, rare=9999.0, common=1.0, epochs=6, learning_rate=0.001, dropout=0.3
):
    """Three rare classes among 97 %, each weighted with 9999: predictions are of no use."""
    random = start(seed)
    labels = random.choice(4, 4000, p=[0.01, 0.01, 0.01, 0.97])
    x = 0.6 * random.normal(size=(4000, 32))
    for label, frequency in enumerate((0.3, 0.7, 1.2)):
        phase = random.uniform(0, 2 * np.pi, (4000, 1))
        x += (labels == label)[:, None] * np.sin(frequency * np.arange(32) + phase)
    x, y = x[..., None].astype("float32"), one_hot(labels, 4)
    model = keras.Sequential(
        [
            keras.Input((32, 1)),
            layers.Conv1D(32, 5, activation="relu"),
            layers.BatchNormalization(),
            layers.Conv1D(32, 5, activation="relu"),
            layers.Dropout(dropout),
            layers.Flatten(),
            layers.Dense(4, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    weights = {0: rare, 1: rare, 2: rare, 3: common}
    options = {"validation_data": (x[3000:], y[3000:]), "class_weight": weights, "verbose": 0}
    model.fit(x[:3000], y[:3000], batch_size=64, epochs=epochs, callbacks=callbacks, **options)
    guess = model.predict(x[3000:], verbose=0).argmax(axis=1)
    return balanced_accuracy_score(labels[3000:], guess)


@case(
    source="https://github.com/tensorflow/tensorflow/issues/36626",
    cause="rows sorted by class and a shuffle buffer of 32: a batch holds one class or two",
    causes="data preprocessing batch_size",
    evidence="batch.{0,60}class|class.{0,60}batch|buffer|sorted",
    repair={"buffer": 1400, "epochs": 20, "learning_rate": 0.002},
    advice={
        r"shuffle|buffer": {"buffer": 1400},
        "longer": {"epochs": 20},
        "slower": {"learning_rate": 1e-4},
        "faster": {"learning_rate": 1e-2},
        "wider": {"units": 256},
        r"batch_size": {"batch_size": 256},
    },
    metric="validation accuracy",
    good=0.9,
)
def shuffle_buffer(
    seed, callbacks, buffer=32, epochs=5, learning_rate=0.001, units=64, batch_size=32
):
    """Read files of one class after another by tf.data: nothing holds in validation."""
    start(seed)
    images, labels = digits(seed)
    x = images.reshape(-1, 64)
    order = np.argsort(labels[:1400], kind="stable")
    rows = tf.data.Dataset.from_tensor_slices((x[:1400][order], labels[:1400][order]))
    rows = rows.shuffle(buffer, seed=seed).batch(batch_size)
    hidden = [layers.Dense(units, "relu"), layers.Dense(units, "relu")]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, "softmax")])
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1400:], labels[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(rows, epochs=epochs, **options)
    return accuracy(model, x[1400:], labels[1400:])


@case(
    source="https://coderedirect.com/questions/50948/"
    "what-function-defines-accuracy-in-keras-when-the-loss-is-mean-squared-error-mse",
    cause="120 rows learned by heart; accuracy, which says nothing of a regression, hides it",
    causes="data layers",
    evidence="validation|overfit|variance",
    repair={"rows": 3000, "units": 32, "epochs": 6, "metric": "mae"},
    advice={
        "regularized": {"rows": 3000},
        "more data": {"rows": 3000},
        r"metrics=|mean_absolute_error|\bmae\b": {"metric": "mae"},
        "longer": {"epochs": 150},
    },
    metric="R² on validation",
    good=0.8,
)
def regression_with_accuracy(seed, callbacks, rows=120, units=256, epochs=50, metric="accuracy"):
    """Ratings of 1 to 10: the loss is 0 in training and large in validation."""
    random = start(seed)
    x = random.normal(size=(rows + 300, 40)).astype("float32")
    y = 5.5 + x[:, :6].sum(axis=1) + 0.5 * random.normal(size=rows + 300)
    y = np.clip(np.round(y), 1, 10).astype("float32")
    hidden = [layers.Dense(units, "relu"), layers.Dense(units, "relu")]
    model = keras.Sequential([keras.Input((40,)), *hidden, layers.Dense(1)])
    model.compile(Adam(0.003), "mean_squared_error", metrics=[metric])
    options = {"validation_data": (x[rows:], y[rows:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:rows], y[:rows], epochs=epochs, **options)
    return r_squared(y[rows:], model.predict(x[rows:], verbose=0)[:, 0])


# ---- ten reports more ----


@case(
    source="https://datascience.stackexchange.com/questions/67599/"
    "use-lstm-to-predict-the-proportion-of-steps-with-nonzero-feature-values",
    cause="Masking(0) hides the zeros, and how many there are is what the target asks",
    causes="layers preprocessing data",
    evidence="mask",
    repair={"mask": -1.0},
    advice={
        "mask": {"mask": -1.0},
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "linear": {"activation": None},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.001},
    },
    metric="R²",
    good=0.8,
)
def masked_signal(
    seed,
    callbacks,
    mask=0.0,
    units=16,
    epochs=12,
    activation="relu",
    learning_rate=0.01,
):
    """When does a pulse come, as a share of the steps: every sequence gets the same answer."""
    random = start(seed)
    begins = random.integers(0, 16, 1000)
    steps = np.arange(20) - begins[:, None]
    x = ((steps >= 0) & (steps < 4)).astype("float32")[..., None]
    y = (begins / 20).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((20, 1)),
            layers.Masking(mask),
            layers.LSTM(units),
            layers.Dense(1, activation),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    options = {"validation_data": (x[800:], y[800:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:800], y[:800], epochs=epochs, **options)
    return r_squared(y[800:], model.predict(x[800:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/8086",
    cause="the learning rate decays with every update, not with every epoch",
    causes="learning_rate optimizer",
    evidence="schedule|decay|learning rate.{0,40}(fell|falls|end|last)",
    repair={"decay_steps": 44},
    advice={
        r"schedule|decay": {"decay_steps": 44},
        "longer": {"epochs": 80},
        "faster": {"learning_rate": 0.2},
        "wider": {"units": 256},
    },
    metric="validation accuracy",
    good=0.85,
)
def decay_per_update(seed, callbacks, decay_steps=1, learning_rate=0.02, epochs=20, units=64):
    """Mean a tenth less learning rate per epoch, and get a tenth less per update."""
    start(seed)
    images, labels = digits(seed)
    schedule = keras.optimizers.schedules.ExponentialDecay(learning_rate, decay_steps, 0.9)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )
    optimizer = SGD(schedule, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = images[1400:], labels[1400:]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(images[:1400], labels[:1400], epochs=epochs, **options)
    return accuracy(model, *validation)


@case(
    source="https://github.com/keras-team/keras/issues/6183",
    cause="KL divergence is of outputs and targets that sum to 1; of others it wants all ones",
    causes="loss activation",
    evidence="kl_divergence|kullback|divergence|sum to 1|negative",
    repair={"loss": "binary_crossentropy"},
    advice={
        "binary": {"loss": "binary_crossentropy"},
        "squared": {"loss": "mse"},
        "softmax": {"activation": "softmax"},
        "linear": {"activation": "linear"},
        "longer": {"epochs": 100},
        "wider": {"units": 256},
        "slower": {"learning_rate": 1e-4},
        "faster": {"learning_rate": 1e-2},
    },
    metric="R² on validation",
    good=0.6,
)
def kl_sigmoid(
    seed,
    callbacks,
    loss="kl_divergence",
    activation="sigmoid",
    units=64,
    epochs=25,
    learning_rate=0.001,
):
    """Survival curves of 40 half-years: the loss is negative, every curve is 1 throughout."""
    random = start(seed)
    x = random.normal(size=(1000, 30)).astype("float32")
    hazard = 0.06 * np.exp(x[:, :6].sum(axis=1) / 3)
    curves = np.exp(-hazard[:, None] * np.arange(40)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(units, "relu"),
            layers.Dropout(0.1),
            layers.Dense(40, activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    options = {"validation_data": (x[800:], curves[800:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:800], curves[:800], epochs=epochs, **options)
    return r_squared(curves[800:, 1:], model.predict(x[800:], verbose=0)[:, 1:])


@case(
    source="https://github.com/tensorflow/tensorflow/issues/41334",
    cause="inputs and labels are shuffled each for itself before they are zipped",
    causes="data preprocessing",
    evidence="label.{0,60}(row|belong|input)|permut|shuffl|nearest",
    repair={"together": True},
    advice={
        r"own row|label.{0,40}(row|belong|order)|shuffle": {"together": True},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "faster": {"learning_rate": 1e-2},
        "slower": {"learning_rate": 1e-4},
    },
    metric="validation accuracy",
    good=0.85,
)
def zip_shuffled(seed, callbacks, together=False, epochs=15, units=64, learning_rate=0.001):
    """Zip a file of images and one of labels by tf.data: accuracy is chance."""
    start(seed)
    images, labels = digits(seed)
    x, y = (tf.data.Dataset.from_tensor_slices(part[:1400]) for part in (images, labels))
    if together:
        rows = tf.data.Dataset.zip((x, y)).shuffle(1400)
    else:
        rows = tf.data.Dataset.zip((x.shuffle(1400), y.shuffle(1400)))
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(units, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = tf.data.Dataset.from_tensor_slices((images[1400:], labels[1400:])).batch(64)
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(rows.batch(32), epochs=epochs, **options)
    return accuracy(model, images[1400:], labels[1400:])


@case(
    source="https://github.com/keras-team/keras/issues/12689",
    cause="two ways of preparing: training images are centred each, validation images only divided",
    causes="preprocessing data",
    evidence="validation.{0,80}(range|mean|scale|spread|deviat|prepar)",
    repair={"alike": True},
    advice={
        r"prepare|preprocess|alike|same (way|scal)|like the training": {"alike": True},
        "longer": {"epochs": 40},
        "regularized": {"dropout": 0.5},
        "slower": {"learning_rate": 1e-4},
        "scaled": {"alike": True},
    },
    metric="validation accuracy",
    good=0.85,
)
def validation_preprocessing(
    seed, callbacks, alike=False, epochs=12, dropout=0.0, learning_rate=0.003
):
    """Tell clothes apart: 0.96 in training, 1 / classes in validation from the first epoch on."""
    random = start(seed)
    images, labels = digits(seed)
    photos = 255 * (0.4 * images + random.uniform(0.1, 0.6, (len(images), 1, 1, 1)))
    mean, deviation = (part(photos, axis=(1, 2, 3), keepdims=True) for part in (np.mean, np.std))
    x = ((photos - mean) / deviation).astype("float32")
    x_validation = x[1400:] if alike else photos[1400:] / 255
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = x_validation, labels[1400:]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], labels[:1400], epochs=epochs, **options)
    return accuracy(model, *validation)


def batch_hard(labels, embeddings):
    """Triplet loss (N,) of each row's farthest friend and nearest stranger, margin 1."""
    squares = ops.sum(ops.square(embeddings), axis=1)
    distances = squares[:, None] - 2 * embeddings @ ops.transpose(embeddings) + squares[None, :]
    distances = ops.sqrt(ops.maximum(distances, 1e-12))
    labels = ops.reshape(labels, (-1,))
    same = ops.cast(labels[:, None] == labels[None, :], "float32")
    farthest = ops.max(distances * same, axis=1)
    nearest = ops.min(distances + 1e6 * same, axis=1)
    return ops.maximum(farthest - nearest + 1.0, 0.0)


@case(
    source="https://github.com/omoindrot/tensorflow-triplet-loss/issues/18",
    cause="the learning rate is so high that all embeddings become one point: loss 1, the margin",
    causes="learning_rate",
    evidence="learning rate|same|collapse|constant|one point|dead|ReLU",
    repair={"learning_rate": 0.001},
    advice={
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 0.03},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        r"leaky_relu": {"activation": "leaky_relu"},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
    },
    metric="accuracy of the nearest training row in the embedding",
    good=0.85,
)
def triplet_collapse(
    seed,
    callbacks,
    learning_rate=0.3,
    epochs=10,
    units=64,
    activation="relu",
    initializer="glorot_uniform",
):
    """Embed images by triplets: the loss sits at its margin from the second epoch on."""
    start(seed)
    images, labels = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, activation, kernel_initializer=initializer),
            layers.Dense(units, activation, kernel_initializer=initializer),
            layers.Dense(8),
        ]
    )
    model.compile(Adam(learning_rate), batch_hard)
    validation = images[1400:], labels[1400:].astype("float32")
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    y = labels[:1400].astype("float32")
    model.fit(images[:1400], y, batch_size=64, epochs=epochs, **options)
    points = model.predict(images, verbose=0)
    if not np.all(np.isfinite(points)):
        return 0.0
    known, asked = points[:1400], points[1400:]
    nearest = np.square(asked[:, None] - known[None]).sum(axis=2).argmin(axis=1)
    return float(np.mean(labels[nearest] == labels[1400:]))


def weighted_crossentropy(weight):
    """Binary cross-entropy per pixel in which a positive counts `weight` times."""

    def loss(y, guess):
        guess = ops.clip(guess, 1e-6, 1 - 1e-6)
        pixel = -(weight * y * ops.log(guess) + (1 - y) * ops.log(1 - guess))
        return ops.mean(pixel, axis=-1)

    return loss


@case(
    source="https://github.com/NVIDIA/DeepLearningExamples/issues/263",
    cause="4 % of the pixels are of the target, and in 100 updates background is nearly right",
    causes="loss data epochs",
    evidence="imbalance|balanced|rare|majority|positive|class share|background|updates",
    repair={"weight": 8.0, "epochs": 16},
    advice={
        r"class_weight|sample_weight|weight|dice|threshold": {"weight": 8.0},
        "longer": {"epochs": 16},
        "wider": {"filters": 32},
        "faster": {"learning_rate": 1e-2},
        "slower": {"learning_rate": 1e-4},
    },
    metric="Dice coefficient on validation",
    good=0.5,
)
def segmentation_background(seed, callbacks, weight=None, epochs=4, filters=8, learning_rate=0.002):
    """Find faint spots on noisy images: every pixel is predicted background, accuracy 0.96."""
    random = start(seed)
    masks = np.zeros((500, 20, 20, 1), "float32")
    for mask, (row, column) in zip(masks, random.integers(0, 16, (500, 2)), strict=True):
        mask[row : row + 4, column : column + 4] = 1
    x = (1.1 * masks + random.normal(size=masks.shape)).astype("float32")
    convolution = {"padding": "same", "activation": "relu"}
    model = keras.Sequential(
        [
            keras.Input((20, 20, 1)),
            layers.Conv2D(filters, 5, **convolution),
            layers.Conv2D(filters, 5, **convolution),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    loss = "binary_crossentropy" if weight is None else weighted_crossentropy(weight)
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    options = {"validation_data": (x[400:], masks[400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:400], masks[:400], epochs=epochs, batch_size=16, **options)
    guess, truth = model.predict(x[400:], verbose=0) > 0.5, masks[400:] > 0.5
    return float(2 * np.sum(guess & truth) / (np.sum(guess) + np.sum(truth)))


@case(
    source="https://github.com/keras-team/keras/issues/16296",
    cause="a Normalization layer that was never adapted passes the raw features on",
    causes="preprocessing layers",
    evidence="adapt|normaliz|range|inputs",
    repair={"adapted": True},
    advice={
        r"adapt|standardize|normaliz|scale": {"adapted": True},
        "longer": {"epochs": 100},
        "wider": {"units": 128},
        "slower": {"learning_rate": 0.005},
        "faster": {"learning_rate": 0.5},
    },
    metric="validation accuracy",
    good=0.9,
)
def normalization_not_adapted(
    seed, callbacks, adapted=False, epochs=20, units=16, learning_rate=0.05
):
    """Cells measured in thousands, and a Normalization layer in front: always the majority."""
    start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order].astype("float32"), y[order]
    normalization = layers.Normalization()
    if adapted:
        normalization.adapt(x[:400])
    model = keras.Sequential(
        [
            keras.Input((30,)),
            normalization,
            layers.Dense(units, "relu"),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(SGD(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[400:], y[400:]), "callbacks": callbacks, "verbose": 0}
    history = model.fit(x[:400], y[:400], epochs=epochs, batch_size=16, **options)
    return history.history["val_accuracy"][-1]


@case(
    source="https://github.com/jadore801120/attention-is-all-you-need-pytorch/issues/19",
    cause="attention without a causal mask sees the next word, which is the target",
    causes="layers data",
    evidence="causal|leak|future|target.{0,40}input|input.{0,40}target|too good",
    repair={"causal": True},
    advice={
        r"causal|mask|leak|future": {"causal": True},
        "longer": {"epochs": 40},
        "regularized": {"dropout": 0.5},
    },
    metric="share of next words told right from the past alone",
    good=0.45,
)
def causal_leak(seed, callbacks, causal=False, epochs=15, dropout=0.0):
    """Train a language model to 0.98, in validation too: it writes nonsense."""
    random = start(seed)
    words, length = 12, 10
    follows = random.permutation(words)
    x = random.integers(0, words, (1500, length + 1))
    for step in range(length):
        kept = random.random(1500) < 0.5  # no past tells more than 0.54 of the next words
        x[:, step + 1] = np.where(kept, follows[x[:, step]], x[:, step + 1])
    inputs = keras.Input((length,))
    places = layers.Embedding(length, 32)(ops.arange(length))
    hidden = layers.Embedding(words + 1, 32)(inputs) + places
    attention = layers.MultiHeadAttention(2, 16, dropout=dropout)
    hidden = layers.LayerNormalization()(hidden + attention(hidden, hidden, use_causal_mask=causal))
    hidden = layers.LayerNormalization()(hidden + layers.Dense(32, "relu")(hidden))
    model = keras.Model(inputs, layers.Dense(words, "softmax")(hidden))
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    past, following = x[:, :-1], x[:, 1:]
    validation = past[1200:], following[1200:]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(past[:1200], following[:1200], epochs=epochs, **options)
    right = []
    for step in range(2, length):  # the words after this one are not written yet
        known = np.where(np.arange(length) <= step, past[1200:], words)
        guess = model.predict(known, verbose=0)[:, step].argmax(axis=-1)
        right.append(np.mean(guess == following[1200:, step]))
    return float(np.mean(right))


@case(
    source="https://github.com/keras-team/keras/issues/1870",
    cause="rows of one step, and a state that shuffling hands to other rows: the past is not there",
    causes="data layers preprocessing",
    evidence="stateful|state|past|one (time )?step|shuffl",
    repair={"window": 4},
    advice={
        r"window|past|time steps|stateful": {"window": 4},
        r"shuffle=False": {"shuffle": False},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
    },
    metric="R² on validation",
    good=0.8,
)
def stateful_shuffled(
    seed, callbacks, window=1, shuffle=True, epochs=15, units=16, learning_rate=0.005
):
    """Give a stateful LSTM one value per row, and let `fit` shuffle: it predicts the mean."""
    random = start(seed)
    pump, time = random.normal(size=1604), np.arange(4, 1604)
    flow = 0.7 * pump[time - 1] - 0.5 * pump[time - 2]
    rows = pump[time[:, None] + np.arange(1 - window, 1)]
    x, y = rows[:, :, None].astype("float32"), flow.astype("float32")
    stateful = window == 1
    batch = 25 if stateful else None
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(batch, window, 1)),
            layers.LSTM(units, stateful=stateful),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse")
    options = {"validation_data": (x[1200:], y[1200:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1200], y[:1200], batch_size=25, epochs=epochs, shuffle=shuffle, **options)
    return r_squared(y[1200:], model.predict(x[1200:], batch_size=25, verbose=0)[:, 0])


PROGRAMS = [
    batch_norm_few_updates,
    train_step_broadcast,
    swapped_arguments,
    imbalance,
    forecast_echo,
    l2_too_strong,
    sorted_validation_split,
    labels_out_of_order,
    class_weight_9999,
    shuffle_buffer,
    regression_with_accuracy,
    masked_signal,
    decay_per_update,
    kl_sigmoid,
    zip_shuffled,
    validation_preprocessing,
    triplet_collapse,
    segmentation_background,
    normalization_not_adapted,
    causal_leak,
    stateful_shuffled,
]


if __name__ == "__main__":
    main(PROGRAMS)
