"""Thirteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fourteenth
    python benchmarks/diagnosis.py --programs fourteenth
"""

import keras
import numpy as np
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam
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
    source="https://stackoverflow.com/questions/46355068/"
    "keras-loss-function-for-360-degree-prediction",
    cause="359 and 1 degrees are neighbours, and the squared error holds them for far apart",
    causes="preprocessing loss data",
    evidence=r"angle|degree|circular|cyclic|periodic|wrap|discontinu|modul|360|"
    r"\bsin|(two|both|opposite) ends|bimodal|two (clusters|peaks|modes|humps|groups)|"
    r"(targets?|labels?)[\s\S]{0,80}(near|at|edge|end|extreme)[\s\S]{0,60}(range|limit|bound|end)",
    repair={"circular": True},
    advice={
        r"\bsin|cos|circular|cyclic|periodic|angle|wrap|modul|unit (vector|circle)": {
            "circular": True
        },
        r"mean_absolute_error|\bmae\b|huber": {"loss": "mean_absolute_error"},
        "longer": {"epochs": 45},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
    },
    metric="share of held-out directions met within 20 degrees",
    good=0.85,
)
def wind_direction(
    seed,
    callbacks,
    circular=False,
    loss="mean_squared_error",
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
    activation="linear",
):
    """Tell whence the wind blows, mostly from the north: south is often answered."""
    random = start(seed)
    angle = random.vonmises(0, 3, 3000) % (2 * np.pi)
    gauges = np.arange(8) * np.pi / 4
    x = np.cos(angle[:, None] - gauges) + random.normal(0, 0.35, (3000, 8))
    x = x.astype("float32")
    if circular:
        y = np.stack([np.sin(angle), np.cos(angle)], axis=1).astype("float32")
    else:
        y = (angle / (2 * np.pi)).astype("float32")[:, None]

    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(y.shape[1], activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2200], y[1800:2200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2200:], verbose=0)
    guess = np.arctan2(guess[:, 0], guess[:, 1]) if circular else 2 * np.pi * guess[:, 0]
    return float(np.mean(np.cos(guess - angle[2200:]) > np.cos(np.deg2rad(20))))


def pretrained_on_pixels(seed):
    """Return what a classifier of the digits 0 to 4 sees; it scales pixels of 0 to 255 itself."""
    x, y = digits(seed, classes=range(5))
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(255 * x, y, epochs=8, verbose=0)
    return keras.Model(model.inputs, model.layers[-2].output)


@case(
    source="https://github.com/mrdbourke/tensorflow-deep-learning/issues/14",
    cause="pixels are divided by 255 twice: by hand, and by the pretrained network's first layer",
    causes="preprocessing",
    evidence=r"rescal|\b255\b|twice|preprocess|double|scale of the (input|image|pixel)|"
    r"(inputs?|images?|pixels?|\bx\b|features?|activations?)[\s\S]{0,100}"
    r"(tiny|small|range|scale|alike|constant|var(y|iance|iation)|spread|deviation|0\.00)",
    repair={"divided": False},
    advice={
        r"rescal|\b255\b|twice|preprocess|double|\braw\b|undivided": {"divided": False},
        r"standardi[sz]|normali[sz]|scale": {"scaled": True},
        r"unfreeze|trainable *= *True|fine.?tun": {"trainable": True},
        "longer": {"epochs": 80},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.85,
)
def borrowed_eyes(
    seed,
    callbacks,
    divided=True,
    scaled=False,
    trainable=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Tell 5 to 9 apart on the features of a frozen network that knows 0 to 4: it is all alike."""
    start(seed)
    base = pretrained_on_pixels(seed)
    base.trainable = trainable
    keras.utils.set_random_seed(seed)
    x, y = digits(seed, classes=range(5, 10))
    x, y = (x if divided else 255 * x), y - 5
    x = standardized(x) if scaled else x

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
        *(x[:450], y[:450]),
        validation_data=(x[450:600], y[450:600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[600:], y[600:])


@case(
    source="https://stackguides.com/questions/46620813/"
    "keras-lstm-model-not-learning-binary-sequence",
    cause="softmax over a single unit is always 1",
    causes="activation layers",
    evidence=r"softmax|always (1|one)\b|sums? to (1|one)|"
    r"(output|predict)[\s\S]{0,60}(constant|same|identical|never changes?|does not (vary|depend))|"
    r"(constant|same|identical)[\s\S]{0,60}(output|predict)",
    repair={"activation": "sigmoid"},
    advice={
        r"(two|2) (units|outputs|neurons)|Dense\(2|sparse_categorical": {
            "outputs": 2,
            "loss": "sparse_categorical_crossentropy",
        },
        "sigmoid": {"activation": "sigmoid"},
        "linear": {"activation": "linear"},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out recordings",
    good=0.85,
)
def pump_about_to_fail(
    seed,
    callbacks,
    activation="softmax",
    outputs=1,
    loss="binary_crossentropy",
    epochs=10,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Hear from a recording whether a pump is about to fail: the accuracy never moves."""
    random = start(seed)
    y = random.integers(0, 2, 1800)
    period = np.where(y == 1, random.uniform(4, 5.5, 1800), random.uniform(6.5, 9, 1800))
    phase = random.uniform(0, 2 * np.pi, 1800)
    x = np.sin(2 * np.pi * np.arange(20) / period[:, None] + phase[:, None])
    x = (x + random.normal(0, 0.2, (1800, 20))).astype("float32")[:, :, None]

    model = keras.Sequential(
        [
            keras.Input((20, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(outputs, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    if outputs == 2:
        return accuracy(model, x[1300:], y[1300:])
    return float(np.mean((model.predict(x[1300:], verbose=0)[:, 0] > 0.5) == y[1300:]))


@case(
    source="https://github.com/keras-team/keras/issues/10306",
    cause="the squared error of days is hundreds of times the crossentropy of the other output",
    causes="loss preprocessing",
    evidence=r"loss.?weight|dominat|outweigh|drown|balanc|multi.?(output|task)|"
    r"(other|one|second|each|several|two) (output|loss|head|task)s?|"
    r"(targets?|\bdays\b)[\s\S]{0,100}(scale|unscaled|large|standardi|normali|range|mean|deviat)|"
    r"(share|part|per cent|%)[\s\S]{0,60}(total|sum|loss)",
    repair={"weight": 0.003},
    advice={
        r"loss.?weight|weigh[\s\S]{0,60}loss|balanc": {"weight": 0.003},
        r"(standardi[sz]e|normali[sz]e|scale|divide)[\s\S]{0,80}(target|label|days|output|\by\b)|"
        r"(target|label|days|\by\b)[\s\S]{0,80}(standardi[sz]e|normali[sz]e|scale|divide)": {
            "scaled": True
        },
        "scaled": {},
        "longer": {"epochs": 45},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy of the held-out patients' wards",
    good=0.8,
)
def ward_and_days(
    seed,
    callbacks,
    weight=1.0,
    scaled=False,
    epochs=15,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a patient's ward and days of stay by two heads: the ward is hardly learnt."""
    random = start(seed)
    x = random.normal(size=(4000, 10)).astype("float32")
    ward = 2 * (x[:, 0] * x[:, 1] > 0) + (x[:, 2] + 0.3 * x[:, 3] > 0)
    days = 25 + 12 * x[:, 4] + 10 * np.abs(x[:, 5]) + random.normal(0, 15, 4000)
    days = (standardized(days) if scaled else days.astype("float32"))[:, None]
    targets = {"ward": ward, "days": days}

    inputs = keras.Input((10,))
    trunk = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    trunk = layers.Dropout(dropout)(trunk)
    trunk = layers.Dense(units, activation="relu", kernel_initializer=initializer)(trunk)
    outputs = {
        "ward": layers.Dense(4, activation="softmax", name="ward")(trunk),
        "days": layers.Dense(1, name="days")(trunk),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        Adam(learning_rate),
        {"ward": "sparse_categorical_crossentropy", "days": "mean_squared_error"},
        loss_weights={"ward": 1.0, "days": weight},
        metrics={"ward": ["accuracy"], "days": ["mean_absolute_error"]},
    )
    model.fit(
        *(x[:2500], {name: target[:2500] for name, target in targets.items()}),
        validation_data=(x[2500:3000], {name: y[2500:3000] for name, y in targets.items()}),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[3000:], verbose=0)["ward"].argmax(axis=1)
    return float(np.mean(guess == ward[3000:]))


@case(
    source="https://github.com/keras-team/keras/issues/16393",
    cause="EarlyStopping keeps its patience of 0: one epoch without progress ends the training",
    causes="epochs",
    evidence=r"early.?stopp|patience|stopped|(ended|halted|broke off|interrupted)|too (few|short)|"
    r"(still|was) (falling|improving|rising|learning|getting better|going)|underfit|"
    r"only \d+ (of \d+ )?(epochs|updates)|not (yet )?converged",
    repair={"patience": 20},
    advice={
        r"patience|(remove|drop|without|no)[\s\S]{0,40}EarlyStopping": {"patience": 20},
        r"more (validation|held.out)|larger validation": {"rows": 300},
        r"val_loss": {"monitor": "val_loss"},
        r"smaller batch|batch_size": {"batch_size": 32},
        "longer": {"epochs": 120},
        "wider": {"units": 128},
        "usual": {},
        "faster": {"learning_rate": 0.005},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.85,
)
def stopped_at_once(
    seed,
    callbacks,
    patience=0,
    monitor="val_accuracy",
    rows=30,
    batch_size=128,
    epochs=60,
    units=32,
    learning_rate=0.001,
    dropout=0.3,
    initializer="glorot_uniform",
):
    """Read digits with early stopping as it comes: the training is over after a few epochs."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:900], y[:900]),
        validation_data=(x[900 : 900 + rows], y[900 : 900 + rows]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=[EarlyStopping(monitor, patience=patience), *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


@case(
    source="https://stackoverflow.com/questions/44601367/"
    "keras-autoencoder-simple-example-has-a-strange-output",
    cause="a sigmoid gives 0 to 1, and the columns that it should give back go from -3 to 3",
    causes="activation preprocessing",
    evidence=r"sigmoid|satura|(0|zero) (to|and) (1|one)|\[0, ?1\]|out of (reach|range)|"
    r"outside|beyond|negative|(range|reach)[\s\S]{0,60}(output|target)|"
    r"(output|target)[\s\S]{0,60}(range|reach|cannot)",
    repair={"activation": "linear"},
    advice={
        r"linear|no activation|without (an )?activation|activation *= *None": {
            "activation": "linear"
        },
        r"min.?max|(scale|squeeze|bring|rescale)[\s\S]{0,60}(0 (to|and) 1|\[0, ?1\])": {
            "squeezed": True
        },
        r"tanh": {"activation": "tanh"},
        "longer": {"epochs": 150},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
    },
    metric="share of the held-out columns' variance that is given back",
    good=0.8,
)
def cells_given_back(
    seed,
    callbacks,
    activation="sigmoid",
    squeezed=False,
    epochs=50,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Squeeze the 30 measures of a cell into eight numbers: little comes back."""
    random = start(seed)
    x = standardized(datasets.load_breast_cancer().data)
    x = x[random.permutation(len(x))]
    if squeezed:
        x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))

    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(30, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:380], x[:380]),
        validation_data=(x[380:450], x[380:450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    held_out = x[450:]
    error = np.mean((model.predict(held_out, verbose=0) - held_out) ** 2)
    return float(1 - error / np.mean((held_out - x[:380].mean(axis=0)) ** 2))


@case(
    source="https://techfeed.net/es/485530/",
    cause="dropout hides most of what the LSTM reads and of what it says: the mean is answered",
    causes="layers",
    evidence=r"drop.?out|regulari[sz]|underfit|"
    r"(training|train) (loss|error)[\s\S]{0,60}(above|higher|larger|worse)|"
    r"(validation|held.out)[\s\S]{0,60}(below|lower|better)",
    repair={"dropout": 0.0},
    advice={
        r"(less|lower|remove|reduce|smaller|weaker|without|no|drop the|halve|take out)"
        r"[\s\S]{0,40}(dropout|regulari)|"
        r"dropout[\s\S]{0,40}(less|lower|remove|reduce|smaller|0\.[012])": {"dropout": 0.0},
        "longer": {"epochs": 45},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.85},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out rivers",
    good=0.8,
)
def river_after_rain(
    seed,
    callbacks,
    dropout=0.7,
    epochs=15,
    units=24,
    learning_rate=0.005,
    initializer="glorot_uniform",
):
    """Foretell a river's level from 16 days of rain and warmth: the curve stays almost flat."""
    random = start(seed)
    rain = random.gamma(0.6, 1.0, (2200, 16))
    warmth = random.normal(0, 1, (2200, 1)) + random.normal(0, 0.4, (2200, 16))
    kept = 0.85 ** np.arange(16)[::-1]
    level = (rain * kept / (1 + np.exp(1.5 * warmth))).sum(axis=1)
    y = standardized(np.log(0.3 + level) + random.normal(0, 0.05, 2200))
    x = standardized(np.stack([np.sqrt(rain), warmth], axis=2).reshape(-1, 2)).reshape(-1, 16, 2)

    model = keras.Sequential(
        [
            keras.Input((16, 2)),
            layers.LSTM(units, dropout=dropout, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1400], y[:1400]),
        validation_data=(x[1400:1700], y[1400:1700]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1700:], model.predict(x[1700:], verbose=0)[:, 0])


@case(
    source="https://geeksmental.com/question/why-does-accuracy-remain-the-same",
    cause="salaries of tens of thousands stand beside shares of one: the inputs are raw",
    causes="preprocessing",
    evidence=r"scale|scaling|unscaled|standardi|normali|magnitude|"
    r"(inputs?|columns?|features?|\bx\b)[\s\S]{0,100}(range|large|huge|mean|deviation|differ|\d{4})",
    repair={"scaled": True},
    advice={
        r"(standardi[sz]|normali[sz])[\s\S]{0,60}(target|label)": {},
        r"normali[sz]|standardi[sz]|scal(e|ing)|divide the (salar|inputs|columns)|logarithm": {
            "scaled": True
        },
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out loans",
    good=0.83,
)
def loans_paid_back(
    seed,
    callbacks,
    scaled=False,
    epochs=20,
    units=24,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell whether a loan is paid back, from a bank's table as it is: half are wrong."""
    random = start(seed)
    salary = random.lognormal(10.7, 0.5, 3000)
    age = random.uniform(20, 70, 3000)
    owed, late = random.beta(2, 3, 3000), random.poisson(1.5, 3000)
    odds = 1.2 * np.log(salary / 44000) - 9 * (owed - 0.4) - 0.9 * (late - 1.5)
    odds -= 0.004 * ((age - 45) ** 2 - 200)
    y = (2.5 * odds + random.logistic(size=3000) > 0).astype("float32")
    x = np.stack([salary, age, owed, late], axis=1).astype("float32")
    x = standardized(x) if scaled else x

    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2200], y[1800:2200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[2200:], verbose=0)[:, 0] > 0.5) == y[2200:]))


@sound(
    source="https://stats.stackexchange.com/questions/425234/loss-function-and-encoding-for-angles",
    metric="R² of the hour's sine and cosine on held-out days",
    good=0.8,
)
def hour_of_the_day(seed, callbacks):
    """Regression: the hour is told from light and warmth, as its sine and cosine."""
    random = start(seed)
    hour = random.uniform(0, 2 * np.pi, 2500)
    light = np.maximum(0, -np.cos(hour)) + random.normal(0, 0.05, 2500)
    warmth = np.cos(hour - 3.9) + random.normal(0, 0.15, 2500)
    wind = np.cos(hour - 2.4) + random.normal(0, 0.3, 2500)
    x = standardized(np.stack([light, warmth, wind], axis=1))
    y = np.stack([np.sin(hour), np.cos(hour)], axis=1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(32, activation="gelu"),
            layers.Dense(16, activation="gelu"),
            layers.Dense(2, activation="tanh"),
        ]
    )
    model.compile(Adam(0.004), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2000:], model.predict(x[2000:], verbose=0))


@sound(
    source="https://scikit-learn.org/stable/modules/generated/"
    "sklearn.datasets.make_hastie_10_2.html",
    metric="accuracy on held-out answers, of which a fifth are wrong",
    good=0.7,
)
def answers_of_a_fifth_liars(seed, callbacks):
    """Noise: a fifth of the labels are wrong, so that no network comes beyond four in five."""
    random = start(seed)
    x = random.normal(size=(5000, 6)).astype("float32")
    true = (x[:, 0] + 0.8 * x[:, 1] * np.abs(x[:, 2]) - 0.5 * x[:, 3]) > 0
    y = np.where(random.random(5000) < 0.2, ~true, true).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(24, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(12, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:3200], y[:3200]),
        validation_data=(x[3200:4000], y[3200:4000]),
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[4000:], verbose=0)[:, 0] > 0.5) == y[4000:]))


@sound(
    source="https://keras.io/guides/understanding_masking_and_padding/",
    metric="accuracy on held-out orders",
    good=0.85,
)
def orders_in_words(seed, callbacks):
    """Sequence: sentences of 4 to 14 words, padded and masked; the word before tells the sense."""
    random = start(seed)
    length = random.integers(4, 15, 2400)
    x = random.integers(4, 40, (2400, 14))
    x[np.arange(14) >= length[:, None]] = 0
    y = random.integers(0, 2, 2400)
    place = random.integers(0, length - 1)
    x[np.arange(2400), place] = np.where(y == 1, 1, 2)
    x[np.arange(2400), place + 1] = 3
    swapped = random.random(2400) < 0.03
    y[swapped] = 1 - y[swapped]
    model = keras.Sequential(
        [
            keras.Input((14,), dtype="int32"),
            layers.Embedding(40, 12, mask_zero=True),
            layers.Bidirectional(layers.GRU(12)),
            layers.Dropout(0.2),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(Adam(0.004), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=8,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:])


@sound(
    source="https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_translation/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_moved_a_little(seed, callbacks):
    """Images: bytes scaled in the model, moved at random, separable convolutions, an average."""
    start(seed)
    x, y = digits(seed)
    x = 255 * x
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.RandomTranslation(0.08, 0.08, fill_mode="nearest", seed=seed),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.SeparableConv2D(48, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(64, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1250], y[:1250]),
        validation_data=(x[1250:1450], y[1250:1450]),
        epochs=18,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


def pinball(y, guess):
    """Loss whose minimum is the value that nine in ten stay below (Koenker and Bassett, 1978)."""
    short = y - guess
    return ops.mean(ops.maximum(0.9 * short, -0.1 * short), axis=-1)


@sound(
    source="https://github.com/keras-team/keras/issues/4125",
    metric="skill of the 90th percentile over a constant one, by the pinball loss",
    good=0.25,
)
def stock_that_suffices(seed, callbacks):
    """Unusual: a loss of its own asks for the 90th percentile, so most errors have one sign."""
    random = start(seed)
    x = random.normal(size=(5000, 4)).astype("float32")
    spread = np.exp(0.5 * x[:, 1])
    y = 0.8 * x[:, 0] + 0.4 * np.abs(x[:, 2]) + 0.6 * spread * random.normal(size=5000)
    y = standardized(y)[:, None]
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.002), pinball)
    model.fit(
        *(x[:3400], y[:3400]),
        validation_data=(x[3400:4000], y[3400:4000]),
        batch_size=64,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    held_out = y[4000:]
    guess = model.predict(x[4000:], verbose=0)
    constant = np.full_like(held_out, np.quantile(y[:3400], 0.9))
    ours, plain = (float(ops.mean(pinball(held_out, one))) for one in (guess, constant))
    return 1 - ours / plain


PROGRAMS = [
    wind_direction,
    borrowed_eyes,
    pump_about_to_fail,
    ward_and_days,
    stopped_at_once,
    cells_given_back,
    river_after_rain,
    loans_paid_back,
]
SOUND = [
    hour_of_the_day,
    answers_of_a_fifth_liars,
    orders_in_words,
    digits_moved_a_little,
    stock_that_suffices,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
