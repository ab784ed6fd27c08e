"""Five field programs of tables, recommenders, series and games, by somebody who had read no rule.

They are half of ten, chosen by lot, and may be opened once the rules have been counted on them; the
other half is set aside in fifth.py. The last program is sound. See
_program.py and sound.py.

    python -m benchmarks.field.fourth
    python benchmarks/diagnosis.py --programs fourth
"""

import keras
import numpy as np
from keras import layers
from keras.optimizers import Adam
from sklearn.metrics import r2_score

from benchmarks.field._program import accuracy, case, main, r_squared, sound, standardized, start


@case(
    source="https://m.jb51.cc/faq/2824428.html",
    cause="the numbers of users and articles are scaled to 0 to 1: Embedding cuts all of them to 0",
    causes="preprocessing data layers",
    evidence=r"embedding|integer|\bcast\b|rounded|truncat|fraction|index|indices|\bids?\b|categor",
    repair={"scaled_ids": False},
    advice={
        r"integer|index|indices|\bids?\b|unscaled|(not|without) .{0,20}scal|categor|lookup": {
            "scaled_ids": False
        },
        "longer": {"epochs": 40},
        "wider": {"units": 200},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.6},
        "scaled": {"scaled_ids": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="validation accuracy",
    good=0.78,
)
def scaled_ids(
    seed,
    callbacks,
    scaled_ids=True,
    epochs=10,
    units=50,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Foretell clicks from a table of users, articles, hours and prices: little above a coin."""
    random = start(seed)
    user, item = random.integers(0, 120, 5000), random.integers(0, 80, 5000)
    hour, price = random.uniform(0, 24, 5000), random.uniform(5, 60, 5000)
    active, popular = random.normal(size=120), random.normal(size=80)
    score = active[user] + popular[item] + 0.02 * (30 - price) + 0.3 * random.normal(size=5000)
    y = (score > 0).astype("float32")
    table = np.stack([user, item, hour, price], axis=1).astype("float32")
    first = 0 if scaled_ids else 2
    columns = table[:, first:]
    low, high = columns.min(axis=0), columns.max(axis=0)
    table[:, first:] = (columns - low) / (high - low)
    inputs = keras.Input((4,))
    embeddings = [
        layers.Embedding(count, 8, embeddings_initializer="he_normal")(inputs[:, column])
        for column, count in enumerate((120, 80))
    ]
    hidden = layers.Concatenate()([*embeddings, inputs[:, 2:]])
    hidden = layers.Dense(units, "relu", kernel_initializer=initializer)(hidden)
    outputs = layers.Dense(1, "sigmoid")(layers.Dropout(dropout)(hidden))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (table[4000:], y[4000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(table[:4000], y[:4000], batch_size=64, epochs=epochs, **options)
    guess = model.predict(table[4000:], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == y[4000:]))


@case(
    source="https://datascience.stackexchange.com/questions/36047/fill-missing-values-and-normalise",
    cause="missing values are -9999 when columns are standardized: all known values become alike",
    causes="preprocessing data",
    evidence=r"missing|9999|outlier|extreme|sentinel|placeholder|far (from|outside|away|below)"
    r"|heavy|skew|(most|nearly all|bulk|rest) of .{0,30}(values|rows)|squeez|tail|median|quantile",
    repair={"filled": True},
    advice={
        r"missing|9999|outlier|imput|median|quantile|robust|placeholder|extreme": {"filled": True},
        "longer": {"epochs": 80},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"twice": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on validation",
    good=0.7,
)
def missing_9999(
    seed,
    callbacks,
    filled=False,
    twice=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the yield of fields from a standardized table with gaps: no better than the mean."""
    random = start(seed)
    measured = random.normal(size=(2000, 8))
    y = 1.5 * measured[:, 0] + measured[:, 1] - measured[:, 2] + 0.7 * np.abs(measured[:, 3])
    y = (y + 0.2 * random.normal(size=2000)).astype("float32")
    table = 50 + 10 * measured
    missing = random.random(table.shape) < 0.05
    table[missing] = -9999
    if filled:
        known = np.where(missing, np.nan, table)
        table = np.where(missing, np.nanmedian(known, axis=0), table)
    x = standardized(standardized(table)) if twice else standardized(table)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, "relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, "relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    options = {"validation_data": (x[1600:], y[1600:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1600], y[:1600], epochs=epochs, **options)
    return r_squared(y[1600:], model.predict(x[1600:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/20596",
    cause="the losses stand in the order of the alphabet: age, a number, gets the cross-entropy",
    causes="loss",
    evidence=r"\bage\b.{0,120}(entropy|loss|outside|beyond|range|0 (and|to) 1|label|number)"
    r"|entropy.{0,120}(\bage\b|regress|continuous|outside|beyond|0 (and|to) 1|targets)"
    r"|negative loss|loss.{0,60}(order|swap|negative|other output)",
    repair={"losses": ("binary_crossentropy", "mse")},
    advice={
        r"(\bage\b|regress).{0,80}(mean_squared_error|\bmse\b|squared)|order|swap|by name": {
            "losses": ("binary_crossentropy", "mse")
        },
        r"targets?\b.{0,40}(scale|0 (to|and) 1|standardi|divid)|scale .{0,20}targets?": {
            "scaled": True
        },
        r"loss_weights|loss weight": {"weights": [1.0, 0.1]},
        "squared": {"losses": ("mse", "mse")},
        "binary": {"losses": ("binary_crossentropy", "binary_crossentropy")},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
    },
    metric="R² of the age on validation",
    good=0.75,
)
def losses_by_alphabet(
    seed,
    callbacks,
    losses=("mse", "binary_crossentropy"),
    weights=None,
    activation=None,
    scaled=False,
    epochs=20,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
):
    """Two answers of one network: who is sick is told well, and all are of the same age."""
    random = start(seed)
    x = random.normal(size=(1600, 8)).astype("float32")
    sick = (x[:, 0] + x[:, 1] + 0.5 * random.normal(size=1600) > 0).astype("float32")
    decades = 4.5 + 1.2 * x[:, 2] + 0.8 * x[:, 3] + 0.4 * np.abs(x[:, 4])
    if scaled:
        decades = (decades - decades.min()) / (decades.max() - decades.min())
    inputs = keras.Input((8,))
    hidden = layers.Dropout(dropout)(layers.Dense(units, "relu")(inputs))
    hidden = layers.Dense(units, "relu")(hidden)
    outputs = [
        layers.Dense(1, "sigmoid", name="sick")(hidden),
        layers.Dense(1, activation, name="age")(hidden),
    ]
    model = keras.Model(inputs, outputs)
    metrics = {"sick": "accuracy", "age": "mae"}
    model.compile(Adam(learning_rate), list(losses), loss_weights=weights, metrics=metrics)
    y = [sick[:, None], decades[:, None].astype("float32")]
    validation = x[1200:], [part[1200:] for part in y]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1200], [part[:1200] for part in y], epochs=epochs, **options)
    return r_squared(decades[1200:], model.predict(x[1200:], verbose=0)[1][:, 0])


@case(
    source="https://github.com/keras-team/keras-io/pull/2006",
    cause="one channel, pooled over the steps: the head of the transformer gets a single number",
    causes="layers",
    evidence=r"pool|averag|bottleneck|data_format|channel|layer_?norm|LayerNormalization"
    r"|(one|single|1) (number|value|unit|feature)|constant|(same|alike).{0,30}(all|every) row",
    repair={"data_format": "channels_first"},
    advice={
        r"pool|data_format|channels_first|flatten": {"data_format": "channels_first"},
        r"LayerNormalization|layer.norm": {"normalized": False},
        r"project|more (channels|features)|bottleneck|Dense.{0,20}(in front|first|before)": {
            "channels": 16
        },
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="validation accuracy",
    good=0.85,
)
def pooled_series(
    seed,
    callbacks,
    data_format="channels_last",
    normalized=True,
    channels=1,
    epochs=15,
    units=64,
    learning_rate=0.003,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Classify the noise of engines by a transformer after an example: chance."""
    random = start(seed)
    y = random.integers(0, 3, 800)
    steps = np.arange(48)
    place = 12 * (y + 1) + random.integers(-3, 4, 800)
    x = 3 * np.exp(-(((steps - place[:, None]) / 4) ** 2)) + 0.8 * random.normal(size=(800, 48))
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    x = x[..., None].astype("float32")
    inputs = keras.Input((48, 1))
    hidden = layers.Dense(channels)(inputs) if channels > 1 else inputs
    for _ in range(2):
        attended = layers.MultiHeadAttention(2, 16, dropout=dropout)(hidden, hidden)
        if normalized:
            attended = layers.LayerNormalization(epsilon=1e-6)(attended)
        hidden = hidden + attended
        wide = layers.Conv1D(4, 1, activation="relu")(hidden)
        narrow = layers.Conv1D(channels, 1)(wide)
        if normalized:
            narrow = layers.LayerNormalization(epsilon=1e-6)(narrow)
        hidden = hidden + narrow
    hidden = layers.GlobalAveragePooling1D(data_format)(hidden)
    hidden = layers.Dense(units, "relu", kernel_initializer=initializer)(hidden)
    outputs = layers.Dense(3, "softmax")(layers.Dropout(dropout)(hidden))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[600:], y[600:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:600], y[:600], epochs=epochs, **options)
    return accuracy(model, x[600:], y[600:])


@case(
    source="https://kiwix.lema.org/stackoverflow.com_en_all_2023-11/questions/66072364/"
    "why-does-my-dqn-model-makes-obviously-wrong-decisions",
    cause="the values of three actions, -10 to 4, come out of a softmax, which gives 0 to 1",
    causes="activation loss",
    evidence=r"softmax|range|sum to 1|probabilit|reach|negative|below 0|outside|beyond",
    repair={"activation": None},
    advice={
        r"(without|remove|drop|no) .{0,15}(softmax|activation)": {"activation": None},
        "linear": {"activation": None},
        r"activation=.?None": {"activation": None},
        r"categorical_crossentropy": {"loss": "categorical_crossentropy"},
        r"targets?\b": {"scaled": True},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
    },
    metric="R² of the values on validation",
    good=0.75,
)
def softmax_values(
    seed,
    callbacks,
    activation="softmax",
    loss="mse",
    scaled=False,
    epochs=20,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
):
    """Learn what left, ahead and right are worth in a game: certain of the deadly turn."""
    random = start(seed)
    x = random.normal(size=(2500, 9)).astype("float32")
    deadly = x[:, :3] + x[:, 3:6] > 0.9
    y = np.where(deadly, -10, 2 + x[:, 6:]).astype("float32")
    if scaled:
        y = (y - y.mean()) / y.std()
    model = keras.Sequential(
        [
            keras.Input((9,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(units, "relu"),
            layers.Dense(3, activation),
        ]
    )
    model.compile(Adam(learning_rate), loss)
    options = {"validation_data": (x[2000:], y[2000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2000], y[:2000], epochs=epochs, **options)
    return float(r2_score(y[2000:], np.nan_to_num(model.predict(x[2000:], verbose=0))))


# ---- a sound program ----


@sound(
    source="https://github.com/keras-team/keras-io/issues/833",
    metric="R² against the stars without their noise",
    good=0.7,
)
def stars(seed, callbacks):
    """Foretell stars as numbers of 0 to 1 with cross-entropy: the loss never falls below 0.6."""
    random = start(seed)
    user, movie = random.integers(0, 120, 9000), random.integers(0, 80, 9000)
    kind, liked = random.normal(size=120), random.normal(size=80)
    taste, genre = random.normal(size=(120, 2)), random.normal(size=(80, 2))
    score = 0.5 * kind[user] + 0.6 * liked[movie] + 0.3 * np.sum(taste[user] * genre[movie], axis=1)
    expected = 1 / (1 + np.exp(-score))
    y = np.clip(np.round(4 * expected + 0.7 * random.normal(size=9000)), 0, 4) / 4
    y = y.astype("float32")
    inputs = [keras.Input((), dtype="int32", name=name) for name in ("user", "movie")]
    small = {"embeddings_regularizer": keras.regularizers.L2(1e-6)}
    vectors = [
        layers.Embedding(count, 8, **small)(column)
        for count, column in zip((120, 80), inputs, strict=True)
    ]
    biases = [
        layers.Embedding(count, 1)(column) for count, column in zip((120, 80), inputs, strict=True)
    ]
    total = layers.Add()([layers.Dot(axes=1)(vectors), *biases])
    model = keras.Model(inputs, layers.Activation("sigmoid")(total))
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["mae"])
    validation = [user[7500:], movie[7500:]], y[7500:]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit([user[:7500], movie[:7500]], y[:7500], batch_size=64, epochs=12, **options)
    return r_squared(expected[7500:], model.predict(validation[0], verbose=0)[:, 0])


PROGRAMS = [
    scaled_ids,
    missing_9999,
    losses_by_alphabet,
    pooled_series,
    softmax_values,
]
SOUND = [stars]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
