"""Eleven more field programs on series and tables, by somebody who had read no rule.

Seven have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twenty_ninth
    python benchmarks/diagnosis.py --programs twenty_ninth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping, LearningRateScheduler
from keras.optimizers import SGD, Adam
from keras.optimizers.schedules import CosineDecay
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmarks.field._program import accuracy, case, main, r_squared, sound, standardized, start


@case(
    source="https://github.com/keras-team/keras/issues/3448",
    cause="the layer that goes backwards returns its sequence reversed, it must be flipped again",
    causes="layers data",
    evidence=r"go_backwards|backwards?\b|revers|flip|bidirection|"
    r"(order|direction)[\s\S]{0,60}(time|step|sequence)|"
    r"(time|step|sequence|position|output)s?[\s\S]{0,60}(order|direction|align|misalign|synchron|"
    r"wrong way|mirror)",
    repair={"flip": True},
    advice={
        r"flip|revers|bidirectional|go_backwards|realign|\[:, ::-1\]": {"flip": True},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="share of right tags in held-out sentences",
    good=0.92,
)
def tags_read_from_both_ends(
    seed,
    callbacks,
    flip=False,
    epochs=6,
    units=16,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tag each word of a sentence by two LSTMs, one from each end: hardly better than one."""
    random = start(seed)
    words = random.integers(1, 40, (1500, 16))
    kind = words % 3
    following = np.concatenate([kind[:, 1:], np.full((1500, 1), 2)], axis=1)
    y = np.where(kind == 2, 2, following)

    text = keras.Input((16,), dtype="int32")
    seen = layers.Embedding(40, 12)(text)
    setting = {"return_sequences": True, "kernel_initializer": initializer}
    forward = layers.LSTM(units, **setting)(seen)
    backward = layers.LSTM(units, go_backwards=True, **setting)(seen)
    if flip:
        backward = ops.flip(backward, axis=1)
    seen = layers.Dropout(dropout)(layers.Concatenate()([forward, backward]))
    model = keras.Model(text, layers.Dense(3, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(words[:1000], y[:1000]),
        validation_data=(words[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, words[1200:], y[1200:])


@case(
    source="https://github.com/tensorflow/tensorflow/issues/60135",
    cause="a window gets the target of its first row, it must be that of the row after its last",
    causes="data preprocessing",
    evidence=r"window|shift|align|offset|\blags?\b|\blagged|timeseries_dataset|sequence_length|"
    r"(target|label)s?[\s\S]{0,80}(belong|pair|match|order|row|unrelated|independent|not depend|"
    r"wrong (row|place|time))|(pair|match|unrelated|mismatch|shuffl)[\s\S]{0,60}(target|label)|"
    r"(inputs?|\bx\b)[\s\S]{0,60}(nothing|no information|unrelated|do(es)? not (tell|say|explain|"
    r"predict))|(nothing|little) (in|of) the (inputs?|data)",
    repair={"shift": 12},
    advice={
        r"shift|align|offset|windows?|sequence_length|"
        r"(pair|match|check|order)[\s\S]{0,60}(target|label|row)": {"shift": 12},
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.04},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
    },
    metric="R² of the level of the hour after held-out windows",
    good=0.75,
)
def river_after_twelve_hours_of_rain(
    seed,
    callbacks,
    shift=0,
    epochs=9,
    units=24,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a river's level from twelve hours of rain, wind and warmth: R² of about zero."""
    random = start(seed)
    hours, length = 3000, 12
    x = random.normal(size=(hours + 1, 3)).astype("float32")
    for hour in range(1, hours + 1):
        x[hour] = 0.3 * x[hour - 1] + 0.95 * x[hour]
    wet = np.maximum(x[:, 0], 0) * (1 + 0.4 * np.tanh(x[:, 1])) + 0.4 * x[:, 2]
    level = np.zeros(hours)
    for hour in range(4, hours):
        level[hour] = (
            wet[hour - 1] + 0.8 * wet[hour - 2] + 0.5 * wet[hour - 3] - 0.4 * wet[hour - 4]
        )
    x, y = standardized(x[:hours]), standardized(level + random.normal(0, 0.2, hours))

    def windows(first, last, shuffle=False):
        return keras.utils.timeseries_dataset_from_array(
            *(x[first:last], y[first + shift : last]),
            sequence_length=length,
            batch_size=32,
            shuffle=shuffle,
            seed=seed,
        )

    model = keras.Sequential(
        [
            keras.Input((length, 3)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        windows(0, 2000, shuffle=True),
        validation_data=windows(2000, 2400),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    rows = np.arange(2400, hours - length)
    late = np.stack([x[row : row + length] for row in rows])
    return r_squared(y[rows + length], model.predict(late, verbose=0)[:, 0])


@case(
    source="https://55276.net/qa/?qa=1006962%2F&show=1006963",
    cause="the softmax over the last axis, of length 1, weighs each step with 1; it is of axis 1",
    causes="layers activation",
    evidence=r"attention|softmax|axis|"
    r"(weights?|scores?|outputs?|layer)[\s\S]{0,60}(always|all|exactly|constant)[\s\S]{0,20}"
    r"(\b1\b|one|same|constant)|(one|single|\b1\b) (unit|output|neuron|column|number)|"
    r"(no|zero|without|vanish\w*) gradients?|gradients?[\s\S]{0,60}(zero|\b0\b|vanish|none)|"
    r"(layer|kernel|weights?|dense)[\s\S]{0,60}(never|not|un)[\s\S]{0,10}(move|chang|learn|train)",
    repair={"axis": 1},
    advice={
        r"axis|over (the )?(time )?steps|along|attention": {"axis": 1},
        "longer": {"epochs": 50},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"weigh": "sigmoid"},
        "linear": {"weigh": "linear"},
    },
    metric="R² on held-out recordings",
    good=0.8,
)
def attention_to_one_of_fifteen(
    seed,
    callbacks,
    axis=-1,
    weigh="softmax",
    epochs=20,
    units=24,
    learning_rate=0.008,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell a fault from the one step of fifteen that stands out: attention makes no difference."""
    random = start(seed)
    rows, steps = 2400, 15
    x = random.normal(size=(rows, steps, 4)).astype("float32")
    told = random.integers(0, steps, rows)
    x[:, :, 0] = 0.3 * x[:, :, 0] + 2 * random.normal(size=(rows, 1))
    x[np.arange(rows), told, 0] += 3
    step = x[np.arange(rows), told]
    y = standardized(step[:, 1] - 0.7 * step[:, 2] + 0.5 * np.abs(step[:, 3]))
    y = (y + random.normal(0, 0.2, rows)).astype("float32")

    inputs = keras.Input((steps, 4))
    values = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    scores = layers.Dense(1, kernel_initializer=initializer)(inputs)
    weights = ops.softmax(scores, axis=axis) if weigh == "softmax" else scores
    if weigh == "sigmoid":
        weights = ops.sigmoid(scores)
    context = ops.sum(layers.Multiply()([weights, values]), axis=1)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(context)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0)[:, 0])


@case(
    source="https://github.com/tensorflow/tensorflow/issues/44509",
    cause="EarlyStopping takes the lowest AUC for the best, so it stops and restores epoch 1",
    causes="epochs",
    evidence=r"early.?stop|stopp?(ed|ing|s)?\b|\bmode\b|monitor|restor|patience|"
    r"(best|worst|first) (epoch|weights)|(only|after|just) (\w+ )?(few|\d+|four|three) epochs|"
    r"too (few|short)|still (falling|improving|learning|rising)|"
    r"(ended|over|cut)[\s\S]{0,40}(early|short|before)|train(ed)? (for )?longer|more epochs",
    repair={"mode": "max"},
    advice={
        r"mode|early.?stopping|monitor|restore_best|patience|callback": {"mode": "max"},
        "longer": {"epochs": 120},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.004},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="area under the curve on held-out customers",
    good=0.88,
)
def the_lowest_area_is_kept(
    seed,
    callbacks,
    mode="min",
    epochs=30,
    units=32,
    learning_rate=8e-4,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell who answers a letter, with early stopping by val_auc: not far from a guess."""
    random = start(seed)
    x = random.normal(size=(4000, 14)).astype("float32")
    odds = 1.6 * x[:, 0] * x[:, 1] + 1.5 * np.abs(x[:, 2]) + 0.8 * x[:, 3] - 0.6 * x[:, 4] - 2.0
    y = (2 * odds + random.logistic(0, 0.5, 4000) > 0).astype("float32")

    model = keras.Sequential([keras.Input((14,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    area = keras.metrics.AUC(name="auc")
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=[area])
    stop = EarlyStopping("val_auc", mode=mode, patience=3, restore_best_weights=True)
    model.fit(
        *(x[:2800], y[:2800]),
        validation_data=(x[2800:3300], y[2800:3300]),
        batch_size=64,
        epochs=epochs,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(roc_auc_score(y[3300:], model.predict(x[3300:], verbose=0)[:, 0]))


@case(
    source="https://github.com/kiudee/cs-ranking/issues/58",
    cause="the drops are multiplied onto the rate of the epoch before, so it falls to nothing",
    causes="learning_rate",
    evidence=r"schedul|decay|(learning.?rate|\brate\b)[\s\S]{0,100}(fall|fell|drop|small|tiny|low|"
    r"decreas|shrink|shrank|nothing|zero|vanish|e-\d|0\.0000|end(s|ed)? at)|"
    r"(weights?|updates?|steps?)[\s\S]{0,60}(hardly|barely|tiny|small|stop|no longer|frozen|still)|"
    r"(larger|higher|raise|ten times)[\s\S]{0,30}rate",
    repair={"compound": False},
    advice={
        r"schedul|decay|constant (learning )?rate|fixed (learning )?rate|"
        r"(initial|first) (learning )?rate": {"compound": False},
        "longer": {"epochs": 120},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.2},
        "slower": {"learning_rate": 2e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out offers",
    good=0.85,
)
def drops_upon_drops(
    seed,
    callbacks,
    compound=True,
    epochs=40,
    units=32,
    learning_rate=0.02,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the rank of an offer while the rate drops every few epochs: it learns no more."""
    random = start(seed)
    x = random.normal(size=(2600, 6)).astype("float32")
    worth = np.sin(2.5 * x[:, 0]) * x[:, 1] + 0.8 * x[:, 2] * x[:, 3] + 0.4 * x[:, 4]
    y = standardized(worth + random.normal(0, 0.15, 2600))

    def drop(epoch, rate):
        return (rate if compound else learning_rate) * 0.9 ** (epoch // 2)

    model = keras.Sequential([keras.Input((6,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="tanh", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(
        SGD(learning_rate, momentum=0.9, nesterov=True), "mean_squared_error", metrics=["mae"]
    )
    model.fit(
        *(x[:1900], y[:1900]),
        validation_data=(x[1900:2200], y[1900:2200]),
        batch_size=64,
        epochs=epochs,
        callbacks=[LearningRateScheduler(drop), *callbacks],
        verbose=0,
    )
    return r_squared(y[2200:], model.predict(x[2200:], verbose=0)[:, 0])


def of_known(y, guess):
    """Binary crossentropy of the labels that are known; the others are -1."""
    known = ops.cast(y >= 0, "float32")
    guess = ops.clip(guess, 1e-6, 1 - 1e-6)
    error = -ops.where(y > 0.5, ops.log(guess), ops.log(1 - guess))
    return ops.sum(known * error, axis=-1) / (ops.sum(known, axis=-1) + 1e-6)


@case(
    source="https://github.com/keras-team/keras/issues/3206",
    cause="labels that nobody measured count as 0; the loss must leave them out",
    causes="data loss preprocessing",
    evidence=r"missing|unknown|unlabell?ed|unmeasured|not measured|mask|fill|"
    r"(labels?|targets?|columns?)[\s\S]{0,80}(wrong|noise|noisy|contradict|zero|\b0\b|rare|sparse|"
    r"inconsistent|negative)|imbalanc|minority|(rare|few)[\s\S]{0,20}(positive|ones)|"
    r"(positive|\bones\b|class 1)[\s\S]{0,40}(rare|few|seldom|only|%)",
    repair={"masked": True},
    advice={
        r"mask|missing|unknown|leave[\s\S]{0,20}out|ignore|sample_weight": {"masked": True},
        r"class_weight|balanc|threshold|oversampl": {"positive": 6.0},
        "longer": {"epochs": 45},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="balanced accuracy of all assays on held-out compounds",
    good=0.78,
)
def assays_hardly_measured(
    seed,
    callbacks,
    masked=False,
    positive=1.0,
    loss="binary_crossentropy",
    epochs=15,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell fifteen assays, each measured for a quarter of the compounds: all come out as no."""
    random = start(seed)
    rows, assays = 4200, 15
    x = random.normal(size=(rows, 24)).astype("float32")
    hidden = np.tanh(x @ random.normal(0, 0.3, (24, 5)))
    truth = hidden @ random.normal(size=(5, assays)) + random.normal(0, 0.15, (rows, assays))
    truth = (truth > 0).astype("float32")
    unknown = random.random((rows, assays)) < 0.75
    y = np.where(unknown, -1.0 if masked else 0.0, truth).astype("float32")

    def weighted(y, guess):
        guess = ops.clip(guess, 1e-6, 1 - 1e-6)
        return -ops.mean(positive * y * ops.log(guess) + (1 - y) * ops.log(1 - guess), axis=-1)

    if positive != 1:
        loss = weighted
    if masked:
        loss = of_known
    model = keras.Sequential(
        [
            keras.Input((24,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(assays, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["binary_accuracy"])
    model.fit(
        *(x[:3000], y[:3000]),
        validation_data=(x[3000:3400], y[3000:3400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[3400:], verbose=0) > 0.5
    return float(balanced_accuracy_score(truth[3400:].ravel(), guess.ravel()))


def uncorrelated(y, guess):
    """1 minus Pearson's correlation within the batch."""
    y, guess = y - ops.mean(y), guess - ops.mean(guess)
    size = ops.sqrt(ops.sum(ops.square(y)) * ops.sum(ops.square(guess))) + 1e-6
    return 1 - ops.sum(y * guess) / size


@case(
    source="https://stats.stackexchange.com/questions/301659/"
    "mse-as-a-proxy-to-pearsons-correlation-in-regression-problems",
    cause="a correlation as the loss says nothing of the predictions' size and offset",
    causes="loss",
    evidence=r"correlat|pearson|(scale|size|spread|offset|shift|mean|level|unit)s?[\s\S]{0,80}"
    r"(free|invarian|ignor|arbitrar|not matter|differ|wrong|off|does not see|undetermined|loss|"
    r"times|larger|smaller)|(custom|own) loss|loss[\s\S]{0,80}(constant|same|invariant|does not|"
    r"not (see|tell|measure)|improves? while|falls? (while|but))|"
    r"predictions?[\s\S]{0,80}(scale|spread|offset|shift|mean|range|vary|deviation)",
    repair={"loss": "mean_squared_error"},
    advice={
        "squared": {"loss": "mean_squared_error"},
        r"mean_absolute|huber|\bmse\b|\bmae\b|squared error|absolute error": {
            "loss": "mean_squared_error"
        },
        "longer": {"epochs": 45},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.04},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"scaled": True},
    },
    metric="R² of the next value of a held-out series",
    good=0.75,
)
def next_value_by_correlation(
    seed,
    callbacks,
    loss="correlation",
    scaled=False,
    epochs=12,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the next value of a series: it correlates well, and the error is far too large."""
    random = start(seed)
    series = np.zeros(3200)
    for step in range(3, 3200):
        past = series[step - 3 : step]
        series[step] = 0.5 * past[2] - 0.4 * past[1] + 0.3 * past[0] + 3 * np.sin(0.8 * past[1])
        series[step] += 1.5 + random.normal(0, 0.7)
    windows = np.stack([series[row : row + 8] for row in range(3190)])
    y = series[8:3198].astype("float32")[:, None]
    middle, spread = (y[:2200].mean(), y[:2200].std()) if scaled else (0, 1)
    y = (y - middle) / spread
    x = standardized(windows.ravel()).reshape(-1, 8, 1)

    model = keras.Sequential(
        [
            keras.Input((8, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(
        Adam(learning_rate), uncorrelated if loss == "correlation" else loss, metrics=["mse"]
    )
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2600], y[2200:2600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2600:, 0], model.predict(x[2600:], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/issues/7878",
    metric="R² of the steps there are, on held-out patients",
    good=0.8,
)
def wards_with_weighted_steps(seed, callbacks):
    """Weights per step: stays of six to twenty days, the days after them are masked and weigh 0."""
    random = start(seed)
    rows, days = 1500, 20
    x = random.normal(size=(rows, days, 3)).astype("float32")
    load = np.zeros((rows, days))
    for day in range(days):
        before = load[:, day - 1] if day else 0
        load[:, day] = 0.7 * before + np.tanh(x[:, day, 0]) + 0.5 * x[:, day, 1]
    y = (load / load.std() + random.normal(0, 0.25, load.shape)).astype("float32")
    there = np.arange(days) < random.integers(6, 21, rows)[:, None]
    x[~there], y[~there] = 0, 0
    weight = there.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((days, 3)),
            layers.Masking(),
            layers.GRU(20, return_sequences=True),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.005), "mean_squared_error", weighted_metrics=["mean_absolute_error"])
    y = y[:, :, None]
    model.fit(
        *(x[:1000], y[:1000]),
        sample_weight=weight[:1000],
        validation_data=(x[1000:1200], y[1000:1200], weight[1000:1200]),
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1200:], verbose=0)
    return r_squared(y[1200:][there[1200:]], guess[there[1200:]])


def ninth_tenth(y, guess):
    """Pinball loss of the quantile 0.9."""
    error = y - guess
    return ops.mean(ops.maximum(0.9 * error, -0.1 * error), axis=-1)


@sound(
    source="https://github.com/keras-team/keras/issues/4125",
    metric="R² of the quantile 0.9 on held-out deliveries",
    good=0.85,
)
def deliveries_nine_of_ten_in_time(seed, callbacks):
    """Pinball loss: the time that nine of ten deliveries keep, mostly far above the mean."""
    random = start(seed)
    x = random.normal(size=(6000, 5)).astype("float32")
    mean = 2 + x[:, 0] + 0.6 * np.abs(x[:, 1])
    spread = np.exp(0.5 * x[:, 2])
    y = (mean + spread * random.normal(size=6000)).astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.002), ninth_tenth, metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:4500], y[:4500]),
        validation_data=(x[4500:5200], y[4500:5200]),
        batch_size=64,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    wanted = (mean + 1.2816 * spread)[5200:]
    return r_squared(wanted, model.predict(x[5200:], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/issues/9938",
    metric="accuracy on held-out wines",
    good=0.92,
)
def wines_at_a_large_rate(seed, callbacks):
    """Large rate: SGD starts at 0.5 and falls to zero along a cosine, on 110 rows."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows]
    model = keras.Sequential(
        [
            keras.Input((13,)),
            layers.Dense(16, activation="tanh"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        SGD(CosineDecay(0.5, 40 * 4)), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(
        *(x[:110], y[:110]),
        validation_data=(x[110:135], y[110:135]),
        epochs=40,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[135:], y[135:])


class Stepped(keras.Model):
    """A model that takes its training step by itself, with clipped gradients."""

    def train_step(self, data):
        """Clip the gradients to a length of 1."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess)
        gradients = tape.gradient(loss, self.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, guess)
        return {metric.name: metric.result() for metric in self.metrics}


def gaussian(y, answer):
    """Negative log likelihood of a normal distribution: mean and log of the deviation."""
    mean, log_spread = answer[:, :1], ops.clip(answer[:, 1:], -5, 5)
    return ops.mean(log_spread + 0.5 * ops.square((y - mean) / ops.exp(log_spread)), axis=-1)


@sound(
    source="https://github.com/keras-team/keras/issues/1061",
    metric="R² of the mean on held-out days",
    good=0.85,
)
def demand_and_its_spread(seed, callbacks):
    """Two answers and a step of its own: the mean and the spread of a demand; losses below zero."""
    random = start(seed)
    x = random.normal(size=(4000, 6)).astype("float32")
    mean = 0.5 * np.sin(1.5 * x[:, 0]) + 0.3 * x[:, 1] + 0.2 * x[:, 2] * x[:, 3]
    spread = 0.15 * np.exp(0.5 * x[:, 4])
    y = (mean + spread * random.normal(size=4000)).astype("float32")[:, None]
    inputs = keras.Input((6,))
    seen = layers.Dense(48, activation="relu")(inputs)
    seen = layers.Dense(48, activation="relu")(seen)
    model = Stepped(inputs, layers.Dense(2)(seen))
    model.compile(Adam(0.003), gaussian)
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:3000], y[:3000]),
        validation_data=(x[3000:3500], y[3000:3500]),
        batch_size=64,
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(mean[3500:], model.predict(x[3500:], verbose=0)[:, 0])


PROGRAMS = [
    tags_read_from_both_ends,
    river_after_twelve_hours_of_rain,
    attention_to_one_of_fifteen,
    the_lowest_area_is_kept,
    drops_upon_drops,
    assays_hardly_measured,
    next_value_by_correlation,
]
SOUND = [
    wards_with_weighted_steps,
    deliveries_nine_of_ten_in_time,
    wines_at_a_large_rate,
    demand_and_its_spread,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
