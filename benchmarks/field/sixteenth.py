"""Thirteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.sixteenth
    python benchmarks/diagnosis.py --programs sixteenth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops, regularizers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam
from keras.optimizers.schedules import CosineDecayRestarts
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


@case(
    source="https://cs.stackexchange.com/questions/14634/"
    "how-to-encode-date-as-input-in-neural-network",
    cause="the time of the ride is fed as seconds since 1970, a billion beside columns of about 1",
    causes="preprocessing data",
    evidence=r"scal|standardi[sz]|normali[sz]|rescal|magnitude|time.?stamp|seconds|"
    r"(large|huge|big|wide|different) (\w+ )?(input|value|number|range|feature|column)|"
    r"(input|feature|column|value)s?[\s\S]{0,80}(large|huge|range|as far as|up to|e\+|e0?9|\d{8}|"
    r"deviat|mean|billion|times (as|larger))",
    repair={"time": "standardized"},
    advice={
        r"(drop|remove|leave out|without|discard)[\s\S]{0,40}(column|feature|time|date|input)": {
            "time": "dropped"
        },
        r"standardi[sz]|normali[sz]|rescal|scale|(mean|average) 0|z-?score|min-?max|"
        r"sin(e|us)?\b|cyclic|hour|weekday|days since": {"time": "standardized"},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
        "linear": {"activation": "linear"},
    },
    metric="R² on held-out rides",
    good=0.85,
)
def fares_by_the_second(
    seed,
    callbacks,
    time="seconds",
    activation="linear",
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a ride's fare from its length, delay, seats and moment: worse than the mean."""
    random = start(seed)
    rows = 2600
    moment = 1.45e9 + random.uniform(0, 6.3e7, rows)
    numbers = standardized(
        np.stack([random.gamma(2, 3, rows), random.gamma(2, 2, rows), random.integers(1, 5, rows)])
        .astype("float32")
        .T
    )
    fare = numbers[:, 0] + 0.4 * numbers[:, 1] * (numbers[:, 0] > 0) + 0.1 * numbers[:, 2]
    fare += 0.25 * (moment - 1.48e9) / 3e7 + random.normal(0, 0.15, rows)
    y = standardized(fare)
    column = {
        "seconds": moment[:, None].astype("float32"),
        "standardized": standardized(moment[:, None]),
        "dropped": np.zeros((rows, 0), "float32"),
    }[time]
    x = np.concatenate([column, numbers], axis=1)

    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2000:], model.predict(x[2000:], verbose=0)[:, 0])


@case(
    source="https://forecasting.svetunkov.ru/en/2020/01/13/what-about-all-those-zeroes-"
    "measuring-performance-of-models-on-intermittent-demand/",
    cause="the absolute error asks for the median, which is zero parts on most days",
    causes="loss",
    evidence=r"median|mean_absolute_error|absolute error|\bmae\b|count|skew|poisson|"
    r"(zeros?|\b0(\.0+)?\b)[\s\S]{0,80}(target|label|most|majority|half|share|rows|predict|%)|"
    r"(target|label|most|majority|half|predict\w*|output|answer)s?[\s\S]{0,80}(zeros?|\b0\b)|"
    r"(most frequent|commonest|same|constant|one) (value|number|answer|prediction|output)",
    repair={"loss": "mean_squared_error"},
    advice={
        r"poisson|tweedie|softplus|exponential": {"loss": "poisson", "activation": "softplus"},
        r"huber": {"loss": "huber"},
        r"mean_squared|squared error|\bmse\b|quadratic|mean instead of": {
            "loss": "mean_squared_error"
        },
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "sigmoid": {"activation": "sigmoid"},
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
    },
    metric="R² of the expected number of held-out parts",
    good=0.6,
)
def spare_parts(
    seed,
    callbacks,
    loss="mean_absolute_error",
    activation="linear",
    epochs=12,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell how many spare parts a garage asks for tomorrow: never one, whatever comes."""
    random = start(seed)
    x = random.normal(size=(5000, 6)).astype("float32")
    expected = 0.6 / (1 + np.exp(1.2 - 1.3 * x[:, 0] + 0.9 * x[:, 1] - 0.6 * x[:, 2]))
    y = random.poisson(expected).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["mean_absolute_error"])
    model.fit(
        *(x[:3500], y[:3500]),
        validation_data=(x[3500:4200], y[3500:4200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(expected[4200:], model.predict(x[4200:], verbose=0)[:, 0])


@case(
    source="https://newbe.dev/error-when-checking-target-expected-dense-1-to-have-3-dimensions-"
    "but-got-array-with-shape-118-1",
    cause="the GRU answers after every step: a whole window's wear is asked of its first second",
    causes="layers loss data",
    evidence=r"return_sequences|every (time.?)?step|each (time.?)?step|per (time.?)?step|"
    r"broadcast|shape|dimension|rank|\(\w+, ?\d+, ?1\)|"
    r"(time.?)?steps?[\s\S]{0,60}(output|answer|predict)|"
    r"(output|answer|predict\w*)s?[\s\S]{0,60}((time.?)?steps?|sequence)",
    repair={"every_step": False},
    advice={
        r"return_sequences|last (time.?)?(step|state|output)|Flatten|pooling|"
        r"one (output|answer|value) (per|for (each|a|the)) (window|sequence|row|sample)|shape": {
            "every_step": False
        },
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
        "linear": {"activation": "linear"},
    },
    metric="R² on held-out windows",
    good=0.8,
)
def wear_of_a_bearing(
    seed,
    callbacks,
    every_step=True,
    activation="linear",
    epochs=12,
    units=20,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the wear of a bearing from 16 seconds of three sensors: hardly any relation."""
    random = start(seed)
    x = random.normal(size=(2600, 16, 3)).astype("float32")
    wear = np.abs(x[:, :, 0]).sum(axis=1) + 0.6 * x[:, -6:, 1].sum(axis=1)
    y = standardized(wear + 0.4 * x[:, :, 2].sum(axis=1) + random.normal(0, 0.3, 2600))[:, None]

    model = keras.Sequential(
        [
            keras.Input((16, 3)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.GRU(units, return_sequences=every_step),
            layers.Dropout(dropout),
            layers.Dense(1, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2000:], verbose=0)[:, 0]
    return r_squared(y[2000:, 0], guess.reshape(-1))


class Scans(keras.utils.PyDataset):
    """Batches of scanned forms; divides them by 255 where they lie, unless it copies."""

    def __init__(self, x, y, copied):
        super().__init__()
        self.x, self.y, self.copied = x, y, copied

    def __len__(self):
        return len(self.x) // 40

    def __getitem__(self, index):
        rows = slice(40 * index, 40 * index + 40)
        batch = self.x[rows].copy() if self.copied else self.x[rows]
        batch /= 255
        return batch, self.y[rows]


@case(
    source="https://github.com/keras-team/keras/issues/4724",
    cause="batches are divided by 255 in place: images are darker with every epoch, soon black",
    causes="preprocessing data",
    evidence=r"in.?place|copy|twice|again|already|darker|black|double|"
    r"(input|image|pixel|feature|batch|data)\w*[\s\S]{0,80}(scale|rang|small|tiny|shrink|shrunk|"
    r"vanish|chang|differ|zeros?|constant|drift|fell|fall|e-\d|0\.00)|"
    r"(scale|rang|small|tiny|differ\w*|distribution)[\s\S]{0,60}(input|image|pixel|feature|train)|"
    r"(training|train)[\s\S]{0,60}(validation)[\s\S]{0,60}(scale|differ|range|prepar|preprocess)",
    repair={"copied": True},
    advice={
        r"copy|copied|in.?place|once|only one time|Rescaling|same (way|scale|preprocess)|"
        r"(stop|not|without)[\s\S]{0,20}(divid|scal|chang)|before (fit|training)|"
        r"(prepare|preprocess|scale|divide)[\s\S]{0,60}(alike|same|once)": {"copied": True},
        r"batch.?norm|LayerNorm": {"normalized": True},
        "longer": {"epochs": 24},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"copied": True},
    },
    metric="accuracy on held-out digits",
    good=0.92,
)
def darker_every_epoch(
    seed,
    callbacks,
    copied=False,
    normalized=False,
    epochs=10,
    units=48,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read the digits of scanned forms by batches of one's own: good for an epoch, never after."""
    start(seed)
    x, y = digits(seed)
    x = 255 * x

    model = keras.Sequential([keras.Input((8, 8, 1))])
    model.add(layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer))
    if normalized:
        model.add(layers.BatchNormalization())
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        Scans(x[:1200].copy(), y[:1200], copied),
        validation_data=(x[1200:1400] / 255, y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:] / 255, y[1400:])


@case(
    source="https://github.com/keras-team/keras/issues/6341",
    cause="the generator draws its rows once, before its loop: all batches are the same 32 rows",
    causes="data",
    evidence=r"same (\w+ )?(rows|batch|samples|examples|data|images|inputs)|repeat|identical|"
    r"duplicat|distinct|unique|different rows|only \d+ (rows|samples|examples)|few (rows|samples|"
    r"examples|data)|generator|memori[sz]|overfit|by heart|"
    r"(train\w*)[\s\S]{0,80}(far|well|much|way)? ?(below|lower|better|smaller|above|higher)"
    r"[\s\S]{0,60}(validation|held)|validation[\s\S]{0,80}(rise|rose|grow|worse|times|above)",
    repair={"drawn": "anew"},
    advice={
        r"generator|inside the loop|draw|anew|every batch|all (the )?(rows|data|samples)|shuffl|"
        r"more (\w+ )?(data|rows|samples|examples)|whole (set|data)|each batch|distinct": {
            "drawn": "anew"
        },
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
    },
    metric="R² on held-out flats",
    good=0.8,
)
def rents_of_flats(
    seed,
    callbacks,
    drawn="once",
    activation="linear",
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell rents from batches of a generator: perfect in training, useless elsewhere."""
    random = start(seed)
    rows = 3000
    size, age, floor = random.gamma(6, 12, rows), random.gamma(2, 20, rows), random.poisson(2, rows)
    centre, noise, lift = random.gamma(2, 3, rows), random.normal(size=rows), random.random(rows)
    rent = 9 * size - 14 * centre * np.sqrt(size) / 4 - 1.5 * age + 40 * lift + 12 * noise
    y = standardized(rent + 8 * floor * (lift > 0.5) + random.normal(0, 50, rows))
    others = random.normal(size=(rows, 9))  # storeys, balconies, distances: no matter for the rent
    x = np.concatenate([np.stack([size, age, floor, centre, noise, lift], axis=1), others], axis=1)
    x = standardized(x)

    def batches():
        chosen = random.integers(0, 2000, 32)
        while True:
            if drawn == "anew":
                chosen = random.integers(0, 2000, 32)
            yield x[chosen], y[chosen]

    model = keras.Sequential(
        [
            keras.Input((15,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        batches(),
        steps_per_epoch=62,
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0)[:, 0])


@case(
    source="https://stackoverflow.com/questions/50874009/"
    "variational-autoencoder-on-timeseries-with-lstm-in-keras",
    cause="the code has a single unit, through which five independent factors cannot pass",
    causes="layers",
    evidence=r"bottleneck|narrow|\bcode\b|latent|capacity|encod|compress|underfit|"
    r"(one|single|\b1\b|few|small\w*|too few) (\w+ )?(unit|neuron|output|dimension|layer|number)|"
    r"(units?|layers?|network|model)[\s\S]{0,60}(too (small|few|narrow)|smallest|more than)|"
    r"rank|(wider|more units|larger)|"
    r"train\w*[\s\S]{0,60}(and|as) (the )?(validation|held)[\s\S]{0,60}(alike|same|close|poor)",
    repair={"code": 6},
    advice={
        r"(bottleneck|code|latent|narrow\w*|smallest|1 unit|one unit|single unit|dense_1)"
        r"[\s\S]{0,80}(wid|more|larger|increase|raise|at least|[2-9] units|\d\d)|"
        r"(wid|more|larger|increase|raise)[\s\S]{0,80}"
        r"(bottleneck|code|latent|narrow|smallest|1 unit|one unit|single unit|dense_1)": {
            "code": 6
        },
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
        "linear": {"activation": "linear"},
    },
    metric="R² of twelve readings on held-out minutes",
    good=0.85,
)
def twelve_sensors_through_one(
    seed,
    callbacks,
    code=1,
    activation="linear",
    epochs=15,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Press the readings of twelve sensors together and unfold them: most of them stay flat."""
    random = start(seed)
    factors = random.normal(size=(2600, 5))
    mixing = np.random.default_rng(16).normal(size=(5, 12))
    x = standardized(factors @ mixing + random.normal(0, 0.15, (2600, 12)))

    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(code, activation=activation, kernel_initializer=initializer),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(12),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1800], x[:1800]),
        validation_data=(x[1800:2100], x[1800:2100]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[2100:].ravel(), model.predict(x[2100:], verbose=0).ravel())


@case(
    source="https://bobondemon.github.io/2020/06/26/TF-Notes-some-TF2-x-eager-mode-practices/"
    "tf_dataset_api_cache_and_map.ipynb",
    cause="the pipeline caches after the random shift: every image keeps one shift for ever",
    causes="data preprocessing layers",
    evidence=r"cache|augment|overfit|memori[sz]|by heart|few (\w+ )?(rows|images|samples|examples)|"
    r"same (\w+ )?(images|rows|batch|shift|inputs|data)|repeat|identical|generali[sz]|shift|"
    r"(train\w*)[\s\S]{0,80}(below|lower|better|smaller|above|higher)[\s\S]{0,60}(validation|held)|"
    r"validation[\s\S]{0,80}(rise|rose|grow|worse|behind|times|above|below)",
    repair={"cached": "before"},
    advice={
        r"cache": {"cached": "before"},
        r"(add|use|random|more|with)[\s\S]{0,40}(augment|shift|translat|RandomTranslation)|"
        r"augmentation": {"layer": True},
        r"more (\w+ )?(data|images|rows|samples|examples)": {"images": 900},
        r"pooling|convolution": {"pooled": True},
        "longer": {"epochs": 70},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits, anywhere on their sheet",
    good=0.82,
)
def shifts_in_the_cache(
    seed,
    callbacks,
    cached="after",
    layer=False,
    pooled=False,
    images=400,
    epochs=35,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits anywhere on a sheet, trained with random shifts: known by heart, not read."""
    random = start(seed)
    x, y = digits(seed)
    x = np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)))

    def shifted(image, label):
        return tf.roll(image, tf.random.uniform((2,), -3, 4, tf.int32), (0, 1)), label

    sheets = tf.data.Dataset.from_tensor_slices((x[:images], y[:images]))
    if cached == "before":
        sheets = sheets.cache().shuffle(1000, seed=seed).map(shifted)
    else:
        sheets = sheets.map(shifted).cache().shuffle(1000, seed=seed)
    moved = random.integers(-3, 4, (len(x), 2))
    x = np.stack([np.roll(image, move, (0, 1)) for image, move in zip(x, moved, strict=True)])

    model = keras.Sequential([keras.Input((16, 16, 1))])
    if layer:
        model.add(layers.RandomTranslation(0.2, 0.2, fill_mode="constant", seed=seed))
    model.add(layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer))
    model.add(layers.MaxPooling2D())
    model.add(layers.Conv2D(24, 3, activation="relu", kernel_initializer=initializer))
    model.add(layers.GlobalMaxPooling2D() if pooled else layers.Flatten())
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        sheets.batch(32),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@case(
    source="https://github.com/fizyr/keras-retinanet/issues/942",
    cause="gradients are clipped to a norm of 0.001, which Adam forgives and plain SGD does not",
    causes="optimizer learning_rate",
    evidence=r"clip|(weights?|updates?|steps?|kernel)[\s\S]{0,80}(hardly|barely|tiny|small|little|"
    r"not (move|change)|e-\d|0\.00)|(learning.?rate|\brate\b)[\s\S]{0,60}(low|small|tiny)|"
    r"(loss|error)[\s\S]{0,60}(slow|still falling|hardly|barely|decreas|fell|falls)|too slow",
    repair={"clipnorm": 1.0},
    advice={
        r"(remove|without|no|drop|raise|larger|higher|increase|loosen|leave out|instead of)"
        r"[\s\S]{0,40}clip|clipnorm=(None|[1-9]|0\.[1-9])|"
        r"clip\w*[\s\S]{0,40}(remove|raise|larger|higher|increase|to 1|off)": {"clipnorm": 1.0},
        r"\badam": {"optimizer": "adam"},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
    },
    metric="R² on held-out days",
    good=0.8,
)
def heat_for_tomorrow(
    seed,
    callbacks,
    clipnorm=0.001,
    optimizer="sgd",
    activation="linear",
    epochs=20,
    units=32,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell tomorrow's district heat with an optimizer copied from elsewhere: it crawls."""
    random = start(seed)
    rows = 2600
    season = 2 * np.pi * np.arange(rows) / 365
    cold = np.cos(season) + random.normal(0, 0.4, rows)
    wind, sunday = random.gamma(2, 1, rows), (np.arange(rows) % 7 == 6).astype(float)
    heat = np.maximum(cold + 0.2, 0) * (1 + 0.3 * wind) - 0.5 * sunday
    y = standardized(heat + random.normal(0, 0.15, rows))
    x = standardized(np.stack([cold, wind, sunday, np.sin(season), np.cos(season)], axis=1))
    order = random.permutation(rows)
    x, y = x[order], y[order]

    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation=activation),
        ]
    )
    rule = SGD(learning_rate, momentum=0.9, clipnorm=clipnorm)
    if optimizer == "adam":
        rule = Adam(0.001, clipnorm=clipnorm)
    model.compile(rule, "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2000:], model.predict(x[2000:], verbose=0)[:, 0])


@sound(
    source="https://www.tensorflow.org/tutorials/structured_data/imbalanced_data",
    metric="balanced accuracy on held-out customers",
    good=0.72,
)
def one_in_twenty_leaves(seed, callbacks):
    """Imbalance handled by class weights: plain accuracy and loss look poor, as they must."""
    random = start(seed)
    rows = 6000
    x = random.normal(size=(rows, 8)).astype("float32")
    odds = 1.3 * x[:, 0] - x[:, 1] + 0.8 * x[:, 2] + 0.5 * x[:, 3] - 4.4
    y = (odds + random.logistic(0, 1, rows) > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy", "auc"])
    share = y[:4000].mean()
    model.fit(
        *(x[:4000], y[:4000]),
        validation_data=(x[4000:4800], y[4000:4800]),
        class_weight={0: 0.5 / (1 - share), 1: 0.5 / share},
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[4800:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[4800:], guess))


@sound(
    source="https://stackoverflow.com/questions/43979449/higher-validation-accuracy-than-"
    "training-accurracy-using-tensorflow-and-keras",
    metric="accuracy on held-out tumours",
    good=0.93,
)
def tumours_with_half_dropped(seed, callbacks):
    """Regularised: few rows, half of the units dropped, so that training looks worse."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    order = random.permutation(len(x))
    x, y = standardized(x[order]), y[order].astype("float32")
    penalty = regularizers.L2(0.002)
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(32, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(0.5),
            layers.Dense(16, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:300], y[:300]),
        validation_data=(x[300:380], y[300:380]),
        batch_size=16,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[380:], verbose=0)[:, 0] > 0.5) == y[380:]))


def laplace(y_true, y_pred):
    """Negative log-likelihood of a value (N, 1) by centre and logarithm of width (N, 2)."""
    centre, width = y_pred[:, :1], y_pred[:, 1:]
    return ops.mean(ops.abs(y_true - centre) * ops.exp(-width) + width + np.log(2.0), axis=-1)


@sound(
    source="https://keras.io/examples/keras_recipes/bayesian_neural_networks/",
    metric="R² of the pressure on held-out minutes",
    good=0.9,
)
def pressure_and_its_doubt(seed, callbacks):
    """Own loss: a likelihood in bar, which rightly falls below zero."""
    random = start(seed)
    x = random.uniform(-1, 1, (2600, 4)).astype("float32")
    pressure = np.sin(2 * x[:, 0]) + 0.6 * x[:, 1] * x[:, 2]
    spread = 0.04 + 0.12 * (x[:, 3] > 0)
    y = (pressure + random.laplace(0, spread)).astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003), laplace)
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:, 0], model.predict(x[2100:], verbose=0)[:, 0])


@sound(
    source="https://stackoverflow.com/questions/48845354/why-is-validation-accuracy-higher-than-"
    "training-accuracy-when-applying-data-augm",
    metric="accuracy on held-out digits",
    good=0.94,
)
def digits_mixed_in_pairs(seed, callbacks):
    """Images by a pipeline that mixes them in pairs: training accuracy stays below validation."""
    start(seed)
    x, labels = digits(seed)
    y = one_hot(labels, 10)

    def mixed(images, targets):
        share = tf.random.uniform((tf.shape(images)[0], 1))
        partner = tf.random.shuffle(tf.range(tf.shape(images)[0]))
        other, weight = tf.gather(images, partner), share[:, :, None, None]
        targets = share * targets + (1 - share) * tf.gather(targets, partner)
        return weight * images + (1 - weight) * other, targets

    pairs = tf.data.Dataset.from_tensor_slices((x[:1200], y[:1200])).cache()
    pairs = pairs.shuffle(1200, seed=seed).batch(32).map(mixed).prefetch(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, activation="relu"),
            layers.Conv2D(24, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(48, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.002), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        pairs,
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], labels[1400:])


@sound(
    source="https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay_restarts/",
    metric="R² of the load on held-out days",
    good=0.85,
)
def load_with_warm_restarts(seed, callbacks):
    """Forecast with a rate that falls and starts again: the loss jumps up at every restart."""
    random = start(seed)
    days = np.arange(2800)
    week, year = 2 * np.pi * days / 7, 2 * np.pi * days / 365
    warmth = 0.8 * np.cos(year) + random.normal(0, 0.5, 2800)
    load = np.cos(week) + 0.5 * np.abs(warmth) + 0.4 * warmth * np.sin(week)
    y = standardized(load + random.normal(0, 0.2, 2800))
    columns = [np.sin(week), np.cos(week), np.sin(year), np.cos(year), warmth]
    x = standardized(np.stack(columns, axis=1))
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    rate = CosineDecayRestarts(0.15, first_decay_steps=250, t_mul=1.5, alpha=0.01)
    model.compile(SGD(rate), "mean_squared_error", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=12, restore_best_weights=True)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=32,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0)[:, 0])


PROGRAMS = [
    fares_by_the_second,
    spare_parts,
    wear_of_a_bearing,
    darker_every_epoch,
    rents_of_flats,
    twelve_sensors_through_one,
    shifts_in_the_cache,
    heat_for_tomorrow,
]
SOUND = [
    one_in_twenty_leaves,
    tumours_with_half_dropped,
    pressure_and_its_doubt,
    digits_mixed_in_pairs,
    load_with_warm_restarts,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
