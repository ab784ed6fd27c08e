"""Twelve field programs: ordinary causes of a week's consulting, by somebody who had read no rule.

Seven have a cause and a repaired twin, see _program.py. The last five are sound, and one of
these reaches only what its noisy data allow: nothing is to be blamed, see sound.py.

    python -m benchmarks.field.eleventh
    python benchmarks/diagnosis.py --programs eleventh
"""

import keras
import numpy as np
from keras import layers
from keras.optimizers import SGD, Adam
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
    source="https://github.com/keras-team/keras/issues/2134",
    cause="a column that never changes is divided by its deviation of 0, and becomes NaN",
    causes="preprocessing data",
    evidence=r"nan|not a number|not finite|non.?finite|constant|deviation",
    repair={"epsilon": 1e-6},
    advice={
        r"epsilon|nan_to_num|constant|deviation|impute|isnan|isfinite": {"epsilon": 1e-6},
        "longer": {"epochs": 45},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out runs",
    good=0.85,
)
def constant_column(
    seed,
    callbacks,
    epsilon=0.0,
    epochs=15,
    units=32,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Tell whether a pump will fail, from sensors of which one is unplugged: the loss is NaN."""
    random = start(seed)
    sensors = random.normal(20, 5, (2000, 12)).astype("float32")
    sensors[:, 7] = 0
    state = (sensors - 20) / 5
    failed = (state[:, 0] + state[:, 1] * state[:, 2] + 0.5 * state[:, 3] > 0).astype("float32")
    mean, deviation = sensors[:1400].mean(axis=0), sensors[:1400].std(axis=0)
    with np.errstate(invalid="ignore"):
        x = (sensors - mean) / (deviation + epsilon)

    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=Adam(learning_rate), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:1400],
        failed[:1400],
        validation_data=(x[1400:], failed[1400:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    predicted = model.predict(x[1400:], verbose=0)[:, 0] > 0.5
    return float(np.mean(predicted == failed[1400:]))


@case(
    source="https://github.com/ilivans/tf-rnn-attention/issues/10",
    cause="ten topics are numbered, and a network made for two answers is trained on the numbers",
    causes="loss activation layers data",
    evidence=r"class|categor|label|target|negative|0 (and|or|to) 1|binary|sigmoid|one unit",
    repair={"outputs": 10, "activation": "softmax", "loss": "sparse_categorical_crossentropy"},
    advice={
        r"sparse_categorical|categorical_crossentropy|softmax|one.?hot|one unit per class": {
            "outputs": 10,
            "activation": "softmax",
            "loss": "sparse_categorical_crossentropy",
        },
        "longer": {"epochs": 45},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
        "squared": {"loss": "mean_squared_error"},
        "linear": {"activation": "linear"},
    },
    metric="accuracy on held-out messages",
    good=0.8,
)
def numbered_topics(
    seed,
    callbacks,
    outputs=1,
    activation="sigmoid",
    loss="binary_crossentropy",
    epochs=15,
    units=32,
    learning_rate=0.002,
    dropout=0.0,
):
    """Use a model of good and bad reviews for ten topics of news: the loss becomes negative."""
    random = start(seed)
    topics = random.integers(0, 10, 2400)
    preferred = random.random((10, 300)) < 0.07
    frequency = np.where(preferred[topics], 8.0, 1.0)
    frequency /= frequency.sum(axis=1, keepdims=True)
    limits = np.cumsum(frequency, axis=1)
    places = random.random((2400, 30))
    words = np.empty((2400, 30), "int32")
    for row in range(2400):
        words[row] = np.searchsorted(limits[row, :-1], places[row])

    model = keras.Sequential(
        [
            keras.Input((30,), dtype="int32"),
            layers.Embedding(300, units),
            layers.GlobalAveragePooling1D(),
            layers.Dense(units, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(outputs, activation=activation),
        ]
    )
    model.compile(optimizer=Adam(learning_rate), loss=loss, metrics=["accuracy"])
    model.fit(
        words[:1800],
        topics[:1800].astype("float32"),
        validation_data=(words[1800:], topics[1800:].astype("float32")),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    if outputs > 1:
        return accuracy(model, words[1800:], topics[1800:])
    predicted = np.rint(model.predict(words[1800:], verbose=0)[:, 0])
    return float(np.mean(predicted == topics[1800:]))


@case(
    source="https://github.com/raghakot/keras-resnet/issues/46",
    cause="a residual network made for classes ends in softmax, and shall predict a quantity",
    causes="activation layers",
    evidence=r"softmax|output.{0,40}(constant|same|1|range|reach)|target|activation",
    repair={"activation": "linear"},
    advice={
        r"softmax.{0,60}(linear|no activation|none)|activation=None": {"activation": "linear"},
        "linear": {"activation": "linear"},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
    },
    metric="R² on held-out curves",
    good=0.8,
)
def residual_quantity(
    seed,
    callbacks,
    activation="softmax",
    epochs=20,
    units=32,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Take a residual network for classes to estimate a strain: the loss hardly moves."""
    random = start(seed)
    x = random.normal(size=(1600, 10)).astype("float32")
    strain = 1.2 * x[:, 0] + np.sin(2 * x[:, 1]) + 0.8 * np.abs(x[:, 2])
    strain = (strain + random.normal(0, 0.15, 1600)).astype("float32")

    inputs = keras.Input((10,))
    features = layers.Dense(units, kernel_initializer=initializer)(inputs)
    for _ in range(2):
        branch = layers.Dense(units, activation="relu", kernel_initializer=initializer)(features)
        branch = layers.Dense(units, kernel_initializer=initializer)(branch)
        features = layers.Activation("relu")(layers.Add()([features, branch]))
    model = keras.Model(inputs, layers.Dense(1, activation=activation)(features))
    model.compile(optimizer=Adam(learning_rate), loss="mean_squared_error")
    model.fit(
        x[:1200],
        strain[:1200],
        validation_data=(x[1200:], strain[1200:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(strain[1200:], model.predict(x[1200:], verbose=0)[:, 0])


@case(
    source="https://stats.stackexchange.com/questions/507591/proper-shape-of-lstm-dataset-for-keras",
    cause="every value is a sequence of its own, and what came before it is never shown",
    causes="data preprocessing layers",
    evidence=r"(one|single|1) (time ?)?step|window|time ?steps|sequence|"
    r"inputs? .{0,40}(say|tell|explain)",
    repair={"window": 3},
    advice={
        r"window|time ?steps?|lag|timeseries_dataset|earlier values|past values": {"window": 3},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scale": 3.0},
    },
    metric="R² on the last quarter",
    good=0.9,
)
def single_steps(
    seed,
    callbacks,
    window=1,
    epochs=20,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    scale=10.0,
):
    """Let an LSTM average the last three of many numbers: a third of the variance, no more."""
    random = start(seed)
    numbers = random.integers(0, 10, 2002)
    averages = ((numbers[2:] + numbers[1:-1] + numbers[:-2]) / 3).astype("float32")
    x = np.lib.stride_tricks.sliding_window_view(numbers, 3)[:, 3 - window :, None]
    x = (x / scale).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((window, 1)),
            layers.LSTM(units),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=Adam(learning_rate), loss="mean_squared_error")
    model.fit(
        x[:1500],
        averages[:1500],
        validation_data=(x[1500:], averages[1500:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(averages[1500:], model.predict(x[1500:], verbose=0)[:, 0])


@case(
    source="https://github.com/getcrest/All-Conv-Keras/pull/1",
    cause="an optimizer with a rate and momentum is made, and 'sgd' is compiled in its place",
    causes="optimizer learning_rate epochs",
    evidence=r"slow|learning rate|still (falling|improving|decreasing)|momentum|small|"
    r"more (epochs|updates)",
    repair={"given": True},
    advice={
        r"momentum": {"given": True},
        r"[Aa]dam\(|use adam": {"adam": 0.001},
        "longer": {"epochs": 90},
        "faster": {"rate": 0.1},
        "slower": {"rate": 0.001},
        "usual": {"rate": 0.01},
        "wider": {"filters": 32},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def forgotten_optimizer(
    seed,
    callbacks,
    given=False,
    adam=None,
    rate=0.01,
    epochs=9,
    filters=16,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Train an all-convolutional network with the paper's optimizer, or so its author believes."""
    start(seed)
    x, labels = digits(seed)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(filters, 3, 2, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Conv2D(10, 1, kernel_initializer=initializer),
            layers.GlobalAveragePooling2D(),
            layers.Softmax(),
        ]
    )
    optimizer = SGD(0.1, momentum=0.9, nesterov=True)
    if adam:
        optimizer = Adam(adam)
    elif not given:
        optimizer = SGD(rate)  # what the string "sgd" stands for
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:1300],
        labels[:1300],
        validation_data=(x[1300:], labels[1300:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], labels[1300:])


@case(
    source="https://github.com/keras-team/keras/issues/8883",
    cause="training ends long before the new classes are learnt",
    causes="epochs learning_rate optimizer batch_size",
    evidence=r"still|slow|short|few|not (yet )?(finished|converged)|epochs|updates|learning rate",
    repair={"epochs": 60},
    advice={
        "longer": {"epochs": 60},
        r"batch_size|smaller batch": {"batch_size": 16},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.003},
        "slower": {"learning_rate": 3e-5},
        "wider": {"units": 256},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out pictures of new classes",
    good=0.85,
)
def short_retraining(
    seed,
    callbacks,
    epochs=4,
    batch_size=64,
    learning_rate=3e-4,
    units=32,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Retrain the head of a network on new classes: two of three pictures are told wrongly."""
    start(seed)
    old, old_labels = digits(seed, range(5))
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
        ]
    )
    pretraining = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    pretraining.compile(Adam(0.003), "sparse_categorical_crossentropy")
    pretraining.fit(old, old_labels, epochs=6, verbose=0)
    base.trainable = False

    x, labels = digits(seed, range(5, 10))
    labels = labels - labels.min()
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
        x[:500],
        labels[:500],
        validation_data=(x[500:], labels[500:]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[500:], labels[500:])


@case(
    source="https://github.com/keras-team/keras/issues/13517",
    cause="training pictures are scaled, and those that it is judged by are not",
    causes="preprocessing data",
    evidence=r"validation.{0,80}(scale|range|mean|deviat|large|differ|distribut)|"
    r"(scale|range|mean|deviat|large|differ|distribut).{0,80}validation",
    repair={"prepared": True},
    advice={
        r"(validation|both|same).{0,60}(scal|preproc|prepar|normali|standardi|divi)": {
            "prepared": True
        },
        "scaled": {"prepared": True},
        "longer": {"epochs": 30},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits, prepared as the program does",
    good=0.9,
)
def unprepared_validation(
    seed,
    callbacks,
    prepared=False,
    epochs=10,
    filters=16,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Read the pictures of validation in another loop: right in training, wrong far more often."""
    start(seed)
    pictures, labels = digits(seed)
    pictures = pictures * 255
    x = pictures[:1300] / 127.5 - 1
    held_out = pictures[1300:] / 127.5 - 1 if prepared else pictures[1300:]

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(32, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        labels[:1300],
        validation_data=(held_out, labels[1300:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, held_out, labels[1300:])


# ---- sound programs ----


@sound(
    source="https://keras.io/api/layers/preprocessing_layers/numerical/normalization/",
    metric="R² on held-out wells",
    good=0.9,
)
def adapted_wells(seed, callbacks):
    """Adapt a Normalization layer to columns of very different size, for training rows only."""
    random = start(seed)
    unit = random.normal(size=(2000, 4))
    y = (unit[:, 0] * unit[:, 1] + unit[:, 2] + 0.1 * random.normal(size=2000)).astype("float32")
    x = (unit * [1, 300, 0.01, 5000] + [0, 1000, 2, 1e4]).astype("float32")
    scaling = layers.Normalization()
    scaling.adapt(x[:1500])
    model = keras.Sequential(
        [
            keras.Input((4,)),
            scaling,
            layers.Dense(64, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.003), "mean_squared_error", metrics=["mae"])
    options = {"validation_data": (x[1500:], y[1500:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1500], y[:1500], epochs=30, **options)
    return r_squared(y[1500:], model.predict(x[1500:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def cosine_digits(seed, callbacks):
    """Train a small CNN by gradient descent with momentum and a rate that decays to 0."""
    start(seed)
    x, labels = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.05, 15 * 41)
    model.compile(SGD(rate, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1300:], labels[1300:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1300], labels[:1300], epochs=15, **options)
    return accuracy(model, x[1300:], labels[1300:])


@sound(
    source="https://keras.io/examples/timeseries/timeseries_classification_from_scratch/",
    metric="accuracy on held-out recordings",
    good=0.93,
)
def engine_sounds(seed, callbacks):
    """Tell four engines by the pitch in their noise, with convolutions and batch normalization."""
    random = start(seed)
    labels = random.integers(0, 4, 1600)
    phase = random.uniform(0, 2 * np.pi, (1600, 1))
    pitch = np.array([0.3, 0.6, 0.9, 1.2])[labels][:, None]
    waves = np.sin(pitch * np.arange(64) + phase) + random.normal(0, 0.6, (1600, 64))
    x = waves[..., None].astype("float32")
    model = keras.Sequential(
        [
            keras.Input((64, 1)),
            layers.Conv1D(16, 7, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.Conv1D(16, 5, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1200:], labels[1200:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1200], labels[:1200], epochs=20, **options)
    return accuracy(model, x[1200:], labels[1200:])


@sound(
    source="https://keras.io/api/callbacks/early_stopping/",
    metric="accuracy on held-out wines",
    good=0.93,
)
def patient_wines(seed, callbacks):
    """Stop a small network early, with patience, and keep its best weights."""
    random = start(seed)
    x, labels = datasets.load_wine(return_X_y=True)
    order = random.permutation(len(x))
    x, labels = standardized(x)[order], labels[order]
    model = keras.Sequential(
        [
            keras.Input((13,)),
            layers.Dense(16, "relu", kernel_regularizer=keras.regularizers.L2(1e-3)),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stopping = keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True)
    model.fit(
        x[:118],
        labels[:118],
        validation_data=(x[118:], labels[118:]),
        batch_size=16,
        epochs=60,
        callbacks=[stopping, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[118:], labels[118:])


@sound(
    source="https://keras.io/guides/functional_api/",
    metric="R² of the demand without its noise",
    good=0.9,
)
def noisy_demand(seed, callbacks):
    """Forecast a demand from weather and weekday, half of whose variance nobody can foresee."""
    random = start(seed)
    weather = random.normal(size=(3000, 3)).astype("float32")
    weekday = random.integers(0, 7, (3000, 1))
    effect = np.array([0, 0.1, 0.2, 0.3, 0.6, 1.5, 1.8])[weekday[:, 0]]
    demand = (0.8 * weather[:, 0] - 0.3 * weather[:, 1] + effect - 0.6).astype("float32")
    y = (demand + random.normal(size=3000)).astype("float32")
    inputs = [keras.Input((3,)), keras.Input((1,), dtype="int32")]
    day = layers.Flatten()(layers.Embedding(7, 3)(inputs[1]))
    hidden = layers.Dense(16, "relu")(layers.Concatenate()([inputs[0], day]))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile(Adam(0.003), "mean_squared_error", metrics=["mae"])
    model.fit(
        [weather[:2200], weekday[:2200]],
        y[:2200],
        validation_data=([weather[2200:], weekday[2200:]], y[2200:]),
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    predicted = model.predict([weather[2200:], weekday[2200:]], verbose=0)[:, 0]
    return r_squared(demand[2200:], predicted)


PROGRAMS = [
    constant_column,
    numbered_topics,
    residual_quantity,
    single_steps,
    forgotten_optimizer,
    short_retraining,
    unprepared_validation,
]
SOUND = [adapted_wells, cosine_digits, engine_sounds, patient_wines, noisy_demand]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
