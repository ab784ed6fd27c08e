"""Thirteen field programs: tables, sequences, labels, small data, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last five are sound, and two of
these reach only what their noisy data allow: nothing is to be blamed, see sound.py.

    python -m benchmarks.field.ninth
    python benchmarks/diagnosis.py --programs ninth
"""

import keras
import numpy as np
from keras import layers, ops
from keras.optimizers import Adam, RMSprop
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from benchmarks.field._program import case, main, one_hot, r_squared, sound, standardized, start


@case(
    source="https://github.com/keras-team/keras/issues/741",
    cause="a row has several labels at once, and softmax shares one probability among them",
    causes="activation loss layers",
    evidence=r"multi.?label|several labels|more than one (label|class)|labels (per|a|in each) row|"
    r"sum.{0,30}(above|more than|exceed|not|to) .{0,10}1|softmax",
    repair={"activation": "sigmoid", "loss": "binary_crossentropy"},
    advice={
        r"sigmoid[\s\S]*binary_crossentropy|binary_crossentropy[\s\S]*sigmoid": {
            "activation": "sigmoid",
            "loss": "binary_crossentropy",
        },
        r"threshold": {"threshold": 0.2},
        r"class_weight|sample_weight": {},
        "sigmoid": {"activation": "sigmoid"},
        "binary": {"loss": "binary_crossentropy"},
        "longer": {"epochs": 50},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "linear": {"activation": "linear"},
    },
    metric="F1 over all labels on held-out films",
    good=0.75,
)
def movie_genres(
    seed,
    callbacks,
    activation="softmax",
    loss="categorical_crossentropy",
    threshold=0.5,
    epochs=15,
    units=64,
    learning_rate=0.002,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Tell the genres of a film from the words of its plot: hardly any genre is ever predicted."""
    random = start(seed)
    genres = (random.random((2400, 8)) < 0.35).astype("float32")
    genres[np.arange(2400), random.integers(0, 8, 2400)] = 1
    speaks_of = random.random((8, 240)) < 0.08
    rates = 0.03 + 0.35 * (genres @ speaks_of)
    words = (random.random(rates.shape) < rates).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((240,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8, activation=activation),
        ]
    )
    model.compile(optimizer=Adam(learning_rate), loss=loss, metrics=["accuracy"])
    model.fit(
        words[:1600],
        genres[:1600],
        validation_data=(words[1600:2000], genres[1600:2000]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    predicted = model.predict(words[2000:], verbose=0) > threshold
    return f1_score(genres[2000:], predicted, average="micro", zero_division=0)


@case(
    source="https://community.rstudio.com/t/encode-categorical-variables-in-r-or-not/68236",
    cause="the number of a neighbourhood is a name, and is fed as if it were a quantity",
    causes="preprocessing data layers",
    evidence=r"categor|one.?hot|embedding|(code|integer|whole number|distinct value|discrete)",
    repair={"encoding": "one_hot"},
    advice={
        r"one.?hot|to_categorical|CategoryEncoding|IntegerLookup|categor": {"encoding": "one_hot"},
        r"embedding": {"encoding": "embedding"},
        "longer": {"epochs": 120},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="R² on held-out houses",
    good=0.75,
)
def neighbourhood_number(
    seed,
    callbacks,
    encoding="number",
    epochs=40,
    units=32,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell what houses cost by their size, age and neighbourhood: half of it stays unexplained."""
    random = start(seed)
    area, rooms = random.normal(120, 35, 3000), random.integers(1, 7, 3000)
    built, neighbourhood = random.integers(1920, 2020, 3000), random.integers(0, 60, 3000)
    level = random.normal(size=60)
    price = 0.6 * (area - 120) / 35 + 0.15 * rooms + 0.004 * (built - 1970)
    price = price + level[neighbourhood] + 0.25 * random.normal(size=3000)
    price = standardized(price)

    numbers = keras.Input((3,), name="numbers")
    place = keras.Input((1,), name="neighbourhood")
    x = {"numbers": standardized(np.stack([area, rooms, built], axis=1))}
    if encoding == "number":
        x["neighbourhood"] = standardized(neighbourhood[:, None])
        where = place
    elif encoding == "one_hot":
        x["neighbourhood"] = neighbourhood[:, None]
        where = layers.CategoryEncoding(60)(place)
    else:
        x["neighbourhood"] = neighbourhood[:, None]
        where = layers.Flatten()(layers.Embedding(60, 8)(place))
    hidden = layers.Concatenate()([numbers, where])
    for _ in range(2):
        hidden = layers.Dense(units, "relu", kernel_initializer=initializer)(hidden)
        hidden = layers.Dropout(dropout)(hidden)
    model = keras.Model([numbers, place], layers.Dense(1)(hidden))
    model.compile(Adam(learning_rate), loss="mse", metrics=["mae"])
    train = {name: column[:2200] for name, column in x.items()}
    test = {name: column[2200:] for name, column in x.items()}
    model.fit(
        train,
        price[:2200],
        validation_data=(test, price[2200:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(price[2200:], model.predict(test, verbose=0)[:, 0])


@case(
    source="http://pullrequest.ru/13725168/ponimanie-obuchenii-validatsii-plavno-stsenarii-"
    "poterya-proverki-uvelichivaetsya-cherez-nekotoroe-vremya-drugom",
    cause="a large network on a few hundred rows, trained long after validation turned worse",
    causes="epochs layers data",
    evidence=r"overfit|memori|by heart|variance|"
    r"validation.{0,60}(rose|rise|worse|higher|grew|above)|best epoch|few rows|generali",
    repair={"patience": 10},
    advice={
        r"early.?stopping|best epoch|fewer epochs|restore_best|stop training": {"patience": 10},
        r"weight decay|\bl2\b|l1_l2|kernel_regularizer": {"decay": 0.03},
        r"dropout": {"dropout": 0.5},
        r"(fewer|smaller|less) .{0,20}(units|layers|network|model|neurons|capacity)": {"units": 8},
        r"more (data|rows|examples)|(collect|gather|get) .{0,20}(data|rows)": {},
        "longer": {"epochs": 200},
        "wider": {"units": 512},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="R² on held-out patients",
    good=0.35,
)
def few_patients(
    seed,
    callbacks,
    patience=None,
    decay=0.0,
    dropout=0.0,
    units=128,
    epochs=80,
    learning_rate=0.001,
    initializer="glorot_uniform",
):
    """Foretell how diabetes goes on after a year: nearly no error, until new patients come."""
    random = start(seed)
    x, y = datasets.load_diabetes(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), standardized(y[rows])

    model = keras.Sequential([keras.Input((10,))])
    for _ in range(3):
        penalty = keras.regularizers.L2(decay) if decay else None
        options = {"kernel_initializer": initializer, "kernel_regularizer": penalty}
        model.add(layers.Dense(units, activation="relu", **options))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mae"])
    if patience is not None:
        stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
        callbacks = [stop, *callbacks]
    model.fit(
        x[:220],
        y[:220],
        validation_data=(x[220:310], y[220:310]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[310:], model.predict(x[310:], verbose=0)[:, 0])


@case(
    source="https://github.com/titu1994/Inception-v4/issues/5",
    cause="a share to keep is given to Dropout, which takes the share to drop: 80 % are dropped",
    causes="layers",
    evidence=r"dropout|dropped|\brate of 0\.8",
    repair={"rate": 0.1},
    advice={
        r"(add|more|raise|increase|higher|stronger) .{0,20}dropout": {"rate": 0.9},
        r"dropout": {"rate": 0.1},
        "longer": {"epochs": 100},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"rate": 0.9},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="R² on held-out rows",
    good=0.8,
)
def kept_share(
    seed,
    callbacks,
    rate=0.8,
    epochs=30,
    units=48,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Foretell the yield of a plant from ten settings: training is worse than validation."""
    start(seed)
    x, y = datasets.make_friedman1(2000, 10, noise=0.5, random_state=seed)
    x, y = standardized(x), standardized(y)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(rate),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(rate),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=Adam(learning_rate), loss="mse", metrics=["mae"])
    options = {"validation_data": (x[1500:], y[1500:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1500], y[:1500], batch_size=32, epochs=epochs, **options)
    return r_squared(y[1500:], model.predict(x[1500:], verbose=0)[:, 0])


@case(
    source="https://stackoverflow.com/questions/52571752/what-is-the-purpose-of-keras-utils-normalize",
    cause="`normalize` makes each row of length 1: income is 1 for all, all else nearly 0",
    causes="preprocessing data",
    evidence=r"normaliz|unit length|length 1|\bnorm\b|scale|spread|range|magnitude|deviation|"
    r"constant|(vary|varies|differ)",
    repair={"scaling": "columns"},
    advice={
        r"instead|rather than|\brows?\b|StandardScaler|(each|per) (column|feature)|axis=0": {
            "scaling": "columns"
        },
        "scaled": {"scaling": "both"},
        r"batch.?norm": {"batch_norm": True},
        r"class_weight|sample_weight": {},
        "longer": {"epochs": 100},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out customers",
    good=0.8,
)
def rows_of_length_one(
    seed,
    callbacks,
    scaling="rows",
    batch_norm=False,
    epochs=25,
    units=32,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell who leaves a bank, by a table that was normalized: as right as a coin."""
    random = start(seed)
    income = random.normal(52000, 12000, 3000).clip(15000)
    age = random.uniform(18, 75, 3000)
    children, products = random.integers(0, 4, 3000), random.integers(1, 5, 3000)
    years, complaints = random.uniform(0, 20, 3000), random.poisson(1.5, 3000)
    x = np.column_stack([income, age, children, products, years, complaints])
    x = x.astype("float32")
    wish = 1.2 * (complaints - 1.5) - 0.08 * (age - 46) * (products - 2.5) - 0.15 * (years - 10)
    leaves = (wish + 0.3 * random.normal(size=3000) > np.median(wish)).astype("float32")
    if scaling != "columns":
        x = keras.utils.normalize(x, axis=1)
    if scaling != "rows":
        x = standardized(x)

    hidden = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential([keras.Input((6,))])
    if batch_norm:
        model.add(layers.BatchNormalization())
    model.add(layers.Dense(units, **hidden))
    model.add(layers.Dense(units, **hidden))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[2200:], leaves[2200:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2200], leaves[:2200], batch_size=32, epochs=epochs, **options)
    return float(np.mean((model.predict(x[2200:], verbose=0)[:, 0] > 0.5) == leaves[2200:]))


@case(
    source="https://github.com/dotnet/machinelearning/issues/737",
    cause="the price is only logged of what was sold: the column tells the label, and not later",
    causes="data preprocessing",
    evidence=r"leak|too good|suspicious|(one|single|a) (column|feature|input).{0,80}"
    r"(alone|label|target|tell|predict|separat)|alone (tell|predict|separat)",
    repair={"with_price": False},
    advice={
        r"leak|(drop|remove|leave out|without|exclude|omit) .{0,60}(column|feature|input)": {
            "with_price": False
        },
        r"(column|feature|input).{0,60}(known|available|drop|remov|leav|exclud)": {
            "with_price": False
        },
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on offers that are still open",
    good=0.75,
)
def price_of_the_sold(
    seed,
    callbacks,
    with_price=True,
    epochs=20,
    units=32,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell what will be sold: right for all of the shop's log, and useless in the shop."""
    random = start(seed)
    x = random.normal(size=(4000, 7))  # photos, words, rating of the seller, days, ...
    wish = 2 * x[:, 0] + 1.5 * x[:, 1] * x[:, 2] - x[:, 3] + 0.5 * random.normal(size=4000)
    sold = (wish > 0).astype("float32")
    price = np.exp(3 + 0.5 * random.normal(size=4000))
    logged = np.where(sold == 1, price, 0)
    logged[3000:] = price[3000:]  # who asks before the sale knows the price that is asked
    if with_price:
        mean, deviation = logged[:3000].mean(), logged[:3000].std()
        x = np.column_stack([x, (logged - mean) / deviation])
    x = x.astype("float32")

    hidden = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            layers.Dense(units, **hidden),
            layers.Dense(units, **hidden),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_split": 0.2, "callbacks": callbacks, "verbose": 0}
    model.fit(x[:3000], sold[:3000], batch_size=32, epochs=epochs, **options)
    return float(np.mean((model.predict(x[3000:], verbose=0)[:, 0] > 0.5) == sold[3000:]))


@case(
    source="https://github.com/keras-team/keras/issues/7742",
    cause="what counts is at the start of 120 steps, and only the last state of the LSTM is read",
    causes="layers preprocessing epochs",
    evidence=r"vanish|few (updates|epochs)|forget|remember|memory|long (sequence|series)|"
    r"(many|number of|120|early|first) (time ?)?steps|"
    r"(gradient|signal).{0,40}(step|start|through time)|return_sequences|last state",
    repair={"reading": "pooled"},
    advice={
        r"bidirectional|go_backwards|backward|reverse": {"reading": "both"},
        r"pool|return_sequences|attention|all steps": {"reading": "pooled"},
        r"conv1d|convolution|downsampl|stride": {"reading": "conv"},
        r"(shorter|fewer|shorten) .{0,20}(steps|sequence|series)": {"reading": "conv"},
        r"\bgru\b": {"cell": "GRU"},
        r"unroll|stateful": {},
        "longer": {"epochs": 20},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {},
    },
    metric="accuracy on held-out recordings",
    good=0.85,
)
def early_beat(
    seed,
    callbacks,
    reading="last",
    cell="LSTM",
    epochs=8,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
):
    """Tell two kinds of a heart's first beat in a recording: nothing is learned, it is a coin."""
    random = start(seed)
    kind = random.integers(0, 2, 1400)
    x = 0.2 * random.normal(size=(1400, 120))
    beat = np.array([0.5, 1.5, 2.5, 1.5, 0.5])
    for row, at in enumerate(random.integers(2, 14, 1400)):
        x[row, at : at + 5] += beat
        x[row, at + 5 : at + 10] -= beat
        if kind[row]:
            x[row, at : at + 10] *= -1
    x, y = x[..., None].astype("float32"), kind.astype("float32")

    recurrent = getattr(layers, cell)
    model = keras.Sequential([keras.Input((120, 1))])
    if reading == "conv":
        model.add(layers.Conv1D(16, 10, strides=10, activation="relu"))
    if reading == "pooled":
        model.add(recurrent(units, return_sequences=True))
        model.add(layers.GlobalMaxPooling1D())
    elif reading == "both":
        model.add(layers.Bidirectional(recurrent(units)))
    else:
        model.add(recurrent(units))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), loss="binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1000:], y[1000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1000], y[:1000], batch_size=25, epochs=epochs, **options)
    return float(np.mean((model.predict(x[1000:], verbose=0)[:, 0] > 0.5) == y[1000:]))


@case(
    source="https://thecodeforge.io/ml-ai/autoencoders-explained/",
    cause="a linear code wider than the rows: it copies everything, what is broken as well",
    causes="layers activation",
    evidence=r"bottleneck|identity|copies|copy|narrow|overcomplete|compress|"
    r"(code|latent|smallest|hidden).{0,60}(wide|as many|more|large|than the input)",
    repair={"code": 4},
    advice={
        r"bottleneck|narrow|(smaller|fewer) .{0,30}(code|units|latent|layer|than)|compress": {
            "code": 4
        },
        r"denois|noise|corrupt": {"corruption": 0.4},
        r"activity_regularizer|spars|\bl1\b": {"activity": 1e-3},
        "regularized": {"corruption": 0.4},
        "longer": {"epochs": 80},
        "wider": {"code": 256},
        "relu": {"activation": "relu"},
        "linear": {},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
    },
    metric="area under the ROC curve of the reconstruction error",
    good=0.85,
)
def copied_anomalies(
    seed,
    callbacks,
    code=64,
    corruption=0.0,
    activity=0.0,
    epochs=40,
    learning_rate=0.002,
    initializer="glorot_uniform",
    activation="linear",
):
    """Find broken machines by an autoencoder of sound ones: it restores the broken ones as well."""
    random = start(seed)
    mixing = random.normal(size=(4, 24))
    x = random.normal(size=(4000, 4)) @ mixing / 2 + 0.3 * random.normal(size=(4000, 24))
    broken = np.arange(4000) >= 3500
    for row in np.flatnonzero(broken):
        stuck = random.choice(24, 5, replace=False)
        x[row, stuck] = x[random.integers(0, 3000, 5), stuck]  # each as usual, not together
    x = ((x - x[:3000].mean(axis=0)) / x[:3000].std(axis=0)).astype("float32")

    penalty = keras.regularizers.L1(activity) if activity else None
    model = keras.Sequential(
        [
            keras.Input((24,)),
            layers.Dropout(corruption),
            layers.Dense(64, activation=activation, kernel_initializer=initializer),
            layers.Dense(code, activity_regularizer=penalty, name="code"),
            layers.Dense(64, activation=activation, kernel_initializer=initializer),
            layers.Dense(24),
        ],
        name="autoencoder",
    )
    model.compile(optimizer=Adam(learning_rate), loss="mse")
    options = {"validation_split": 0.1, "callbacks": callbacks, "verbose": 0}
    model.fit(x[:3000], x[:3000], batch_size=64, epochs=epochs, **options)
    error = np.mean((model.predict(x[3000:], verbose=0) - x[3000:]) ** 2, axis=1)
    return roc_auc_score(broken[3000:], error) if np.all(np.isfinite(error)) else 0.0


# ---- sound programs ----


@sound(
    source="https://groups.google.com/g/keras-users/c/qW0bwZF-pfQ",
    metric="R² against the demand expected, without its chance",
    good=0.8,
)
def daily_sales(seed, callbacks):
    """Foretell how many loaves a shop sells, a small number of chance, from the last two weeks."""
    random = start(seed)
    days = np.arange(2500)
    weekly = np.tile([1.0, 0.9, 0.9, 1.1, 1.6, 2.0, 0.3], 358)[:2500]
    slow = 1 + 0.3 * np.sin(2 * np.pi * days / 180)
    expected = 4 * weekly * slow
    sales = random.poisson(expected)
    weekday = one_hot(days % 7, 7)
    steps = np.column_stack([sales / 10, weekday])
    x = np.stack([steps[day - 14 : day] for day in days[14:]]).astype("float32")
    y = sales[14:].astype("float32")
    model = keras.Sequential(
        [
            keras.Input((14, 8)),
            layers.GRU(16),
            layers.Dense(1, activation="softplus"),
        ]
    )
    model.compile(Adam(0.005), loss="poisson", metrics=["mae"])
    options = {"validation_data": (x[2000:], y[2000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2000], y[:2000], batch_size=32, epochs=15, **options)
    return r_squared(expected[2014:], model.predict(x[2000:], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/issues/12991",
    metric="balanced accuracy on held-out rows",
    good=0.75,
)
def weighted_fraud(seed, callbacks):
    """Find one fraud in 20 payments by class weights; classes overlap, plain accuracy is below."""
    random = start(seed)
    y = (random.random(8000) < 0.05).astype("float32")
    x = random.normal(size=(8000, 12))
    x[:, :4] += 0.9 * y[:, None]
    x = x.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    metrics = ["accuracy", keras.metrics.AUC(name="auc")]
    model.compile(Adam(0.002), "binary_crossentropy", metrics=metrics)
    share = y[:5000].mean()
    stop = keras.callbacks.EarlyStopping(
        monitor="val_auc", mode="max", patience=5, restore_best_weights=True
    )
    model.fit(
        x[:5000],
        y[:5000],
        validation_data=(x[5000:6500], y[5000:6500]),
        class_weight={0: 0.5 / (1 - share), 1: 0.5 / share},
        batch_size=128,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return balanced_accuracy_score(y[6500:], model.predict(x[6500:], verbose=0)[:, 0] > 0.5)


class Cosine(layers.Layer):
    """Random waves of the inputs, a kernel machine's features: drawn once, never trained."""

    def __init__(self, units, scale, **options):
        super().__init__(trainable=False, **options)
        self.units, self.scale = units, scale

    def build(self, shape):
        """Draw the waves."""
        normal = keras.initializers.RandomNormal(stddev=self.scale)
        uniform = keras.initializers.RandomUniform(0, 2 * np.pi)
        self.kernel = self.add_weight(
            shape=(shape[-1], self.units), initializer=normal, trainable=False
        )
        self.phase = self.add_weight(shape=(self.units,), initializer=uniform, trainable=False)

    def call(self, x):
        """Return the waves (N, units) at x (N, columns)."""
        return ops.sqrt(2 / self.units) * ops.cos(ops.matmul(x, self.kernel) + self.phase)


@sound(
    source="https://github.com/tensorflow/tensorflow/issues/33140",
    metric="R² on held-out rows",
    good=0.85,
)
def random_waves(seed, callbacks):
    """Train one linear layer on a wide one of random waves, which is never trained itself."""
    start(seed)
    x, y = datasets.make_friedman1(3000, 5, noise=0.5, random_state=seed)
    x, y = standardized(x), standardized(y)
    model = keras.Sequential([keras.Input((5,)), Cosine(600, 0.35), layers.Dense(1)])
    model.compile(Adam(0.02), "mse", metrics=["mae"])
    options = {"validation_data": (x[2400:], y[2400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2400], y[:2400], batch_size=32, epochs=40, **options)
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0)[:, 0])


def dice(truth, guess):
    """Twice what both mark, by all that either marks: 1 for the same masks."""
    both = ops.sum(truth * guess)
    return (2 * both + 1) / (ops.sum(truth) + ops.sum(guess) + 1)


def dice_loss(truth, guess):
    """Fall from 0 to -1 as the masks become the same."""
    return -dice(truth, guess)


@sound(
    source="https://github.com/jocicmarko/ultrasound-nerve-segmentation/issues/47",
    metric="Dice coefficient on validation",
    good=0.8,
)
def nerves(seed, callbacks):
    """Mark nerves, a twentieth of the image, by a small U-Net: the loss falls from 0 towards -1."""
    random = start(seed)
    rows, columns = np.mgrid[:24, :24]
    down, across = random.uniform(5, 19, (2, 500, 1, 1))
    inside = ((rows - down) / 2.5) ** 2 + ((columns - across) / 3.5) ** 2 < 1
    x = 0.7 * inside + 0.3 * random.normal(size=inside.shape)
    x, masks = x[..., None].astype("float32"), inside[..., None].astype("float32")

    convolution = {"padding": "same", "activation": "relu"}
    image = keras.Input((24, 24, 1))
    fine = layers.Conv2D(8, 3, **convolution)(image)
    coarse = layers.Conv2D(16, 3, **convolution)(layers.MaxPooling2D()(fine))
    coarse = layers.Conv2D(16, 3, **convolution)(coarse)
    up = layers.Concatenate()([layers.UpSampling2D()(coarse), fine])
    up = layers.Conv2D(8, 3, **convolution)(up)
    model = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(up))
    model.compile(optimizer=Adam(0.003), loss=dice_loss, metrics=[dice])
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3)
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    model.fit(
        x[:400],
        masks[:400],
        validation_data=(x[400:], masks[400:]),
        batch_size=16,
        epochs=15,
        callbacks=[slower, stop, *callbacks],
        verbose=0,
    )
    guess, truth = model.predict(x[400:], verbose=0) > 0.5, inside[400:, ..., None]
    return float(2 * np.sum(guess & truth) / (np.sum(guess) + np.sum(truth)))


@sound(
    source="https://datascience.stackexchange.com/questions/42730/"
    "confusion-about-entity-embeddings-of-categorical-variables-working-example",
    metric="R² of the price and accuracy of the quick sales, the lower of both",
    good=0.8,
)
def price_and_speed(seed, callbacks):
    """Tell what a car brings and whether it goes within a week, by its model, age and mileage."""
    random = start(seed)
    kind, age = random.integers(0, 40, 4000), random.uniform(0, 15, 4000)
    mileage = 12 * age + random.normal(0, 25, 4000)
    value, sought = random.normal(size=(2, 40))
    price = value[kind] - 0.15 * age - 0.004 * mileage + 0.15 * random.normal(size=4000)
    price = standardized(price)
    quick = sought[kind] - 0.1 * (age - 7) + 0.3 * random.normal(size=4000) > 0
    numbers = standardized(np.column_stack([age, mileage]))

    kinds = keras.Input((1,), dtype="int32", name="model")
    rest = keras.Input((2,), name="numbers")
    embedded = layers.Flatten()(layers.Embedding(40, 6)(kinds))
    hidden = layers.Concatenate()([embedded, rest])
    hidden = layers.Dense(48, activation="relu")(hidden)
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.Dense(24, activation="relu")(hidden)
    outputs = {
        "price": layers.Dense(1, name="price")(hidden),
        "quick": layers.Dense(1, activation="sigmoid", name="quick")(hidden),
    }
    model = keras.Model([kinds, rest], outputs)
    model.compile(
        RMSprop(0.002),
        loss={"price": "mse", "quick": "binary_crossentropy"},
        loss_weights={"price": 1.0, "quick": 0.5},
        metrics={"price": ["mae"], "quick": ["accuracy"]},
    )
    x = [kind[:, None], numbers]
    y = {"price": price[:, None], "quick": quick[:, None].astype("float32")}
    train = [column[:3200] for column in x], {name: truth[:3200] for name, truth in y.items()}
    test = [column[3200:] for column in x], {name: truth[3200:] for name, truth in y.items()}
    model.fit(*train, validation_data=test, epochs=25, callbacks=callbacks, verbose=0)
    guess = model.predict(test[0], verbose=0)
    right = np.mean((guess["quick"][:, 0] > 0.5) == quick[3200:])
    return float(min(right, r_squared(price[3200:], guess["price"][:, 0])))


PROGRAMS = [
    movie_genres,
    neighbourhood_number,
    few_patients,
    kept_share,
    rows_of_length_one,
    price_of_the_sold,
    early_beat,
    copied_anomalies,
]
SOUND = [daily_sales, weighted_fraud, random_waves, nerves, price_and_speed]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
