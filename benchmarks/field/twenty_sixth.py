"""Fourteen field programs that start from beginners' questions on classification.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py. Their author had read no rule.

    python -m benchmarks.field.twenty_sixth
    python benchmarks/diagnosis.py --programs twenty_sixth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping, ReduceLROnPlateau
from keras.optimizers import SGD, Adam, RMSprop
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score, f1_score

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
    source="https://geeksmental.com/question/why-does-accuracy-remain-the-same",
    cause="ReLU is no probability for the binary crossentropy, and the input goes to 100,000",
    causes="activation preprocessing",
    evidence=r"relu|sigmoid|probabilit|between 0 and 1|0 to 1|\[0, ?1\]|"
    r"(outputs?|predictions?)[\s\S]{0,80}(above 1|exactly 0|all 0|zero|dead|negative|clip)|"
    r"(input|feature|column|\bx\b)[\s\S]{0,100}(scal|large|huge|standardi[sz]|normali[sz]|"
    r"thousand|magnitude|range|spread|deviation)",
    repair={"activation": "sigmoid", "scale": True},
    advice={
        r"sigmoid[\s\S]*(standardi[sz]|normali[sz]|scale)|"
        r"(standardi[sz]|normali[sz]|scale)[\s\S]*sigmoid": {
            "activation": "sigmoid",
            "scale": True,
        },
        r"from_logits": {"activation": "linear", "logits": True},
        r"batch.?norm": {"batch_norm": True},
        "scaled": {"scale": True},
        "longer": {"epochs": 24},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "softmax": {"activation": "softmax"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {},
    },
    metric="accuracy on held-out numbers",
    good=0.95,
)
def above_fifty_thousand(
    seed,
    callbacks,
    activation="relu",
    scale=False,
    loss="binary_crossentropy",
    logits=False,
    batch_norm=False,
    epochs=8,
    units=8,
    learning_rate=0.001,
    initializer="glorot_uniform",
):
    """Tell numbers above 50,000 from those below: the accuracy is always about a half."""
    random = start(seed)
    x = random.integers(0, 100_000, (3000, 1)).astype("float32")
    y = (x[:, 0] >= 50_000).astype("float32")
    if scale:
        x = standardized(x)
    model = keras.Sequential([keras.Input((1,))])
    if batch_norm:
        model.add(layers.BatchNormalization())
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dense(1, activation=activation))
    if logits:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(x[:2000], y[:2000], batch_size=5, epochs=epochs, callbacks=callbacks, verbose=0)
    guess = model.predict(x[2000:], verbose=0)[:, 0] > (0 if logits else 0.5)
    return float(np.mean(guess == y[2000:]))


@case(
    source="https://stats.stackexchange.com/revisions/2bda6552-783b-4fb7-ba2b-a03d2266e69b/"
    "view-source",
    cause="softmax over one unit is always 1",
    causes="activation layers",
    evidence=r"softmax|sigmoid|(one|single|\b1\b) (\w+ )?(unit|output|neuron|node|column)|"
    r"(outputs?|predictions?|answers?)[\s\S]{0,60}(always|constant|all|exactly|same)[\s\S]{0,20}"
    r"(1|one|same|constant)|(no|zero|without) gradients?|gradients?[\s\S]{0,40}(0\b|zero|none)",
    repair={"activation": "sigmoid"},
    advice={
        r"sparse_categorical|(two|2) (units|outputs)|one unit per class|Dense\(2": {
            "per_class": True
        },
        "longer": {"epochs": 200},
        "wider": {"units": 40},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"scale": True},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "softmax": {},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
    },
    metric="accuracy on held-out ballots",
    good=0.93,
)
def most_votes_of_seven(
    seed,
    callbacks,
    activation="softmax",
    loss="binary_crossentropy",
    per_class=False,
    scale=False,
    epochs=100,
    units=10,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell from seven yes-or-no votes whether most are yes: every answer is yes."""
    random = start(seed)
    x = random.integers(0, 2, (900, 7)).astype("float32")
    y = (x.sum(axis=1) > 3).astype("float32")
    if scale:
        x = standardized(x)
    model = keras.Sequential(
        [
            keras.Input((7,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
        ]
    )
    if per_class:
        model.add(layers.Dense(2, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1, activation=activation))
    model.compile(RMSprop(learning_rate), loss)
    model.fit(x[:400], y[:400], batch_size=40, epochs=epochs, callbacks=callbacks, verbose=0)
    return float(np.mean((model.predict(x[400:], verbose=0)[:, -1] > 0.5) == y[400:]))


class OwnStep(keras.Model):
    """A model whose `train_step` its user wrote; `told` is whether it says `training=True`."""

    told = True

    def train_step(self, data):
        """Fit one batch."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x, training=True) if self.told else self(x)
            loss = self.compute_loss(y=y, y_pred=guess)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, guess)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/tensorflow/tensorflow/issues/31184",
    cause="the user's train_step calls the model without training=True: BatchNormalization idles",
    causes="layers preprocessing",
    evidence=r"training ?= ?True|batch.?norm|moving (average|mean|statistic|variance)|"
    r"inference mode|train_step|training mode|running (average|mean|statistic)|"
    r"(dropout|normalization)[\s\S]{0,60}(never|not|idle|inactive|off)",
    repair={"told": True},
    advice={
        r"training ?= ?True|training mode|train_step": {"told": True},
        r"LayerNorm|GroupNorm": {"norm": "layer"},
        "scaled": {"scale": True},
        "longer": {"epochs": 24},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.6},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.93,
)
def a_step_of_my_own(
    seed,
    callbacks,
    told=False,
    norm="batch",
    scale=False,
    epochs=8,
    units=32,
    learning_rate=0.005,
    dropout=0.3,
    initializer="glorot_uniform",
):
    """Read digits by a training step of one's own: far worse than what `fit` alone reaches."""
    start(seed)
    x, y = digits(seed)
    x = x if scale else 255 * x
    images = keras.Input((8, 8, 1))
    seen = images
    for filters in (16, 24, 32):
        if norm == "batch":
            seen = layers.BatchNormalization()(seen)
        else:
            seen = layers.LayerNormalization(axis=[1, 2, 3])(seen)
        seen = layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer)(seen)
        seen = layers.Activation("relu")(seen)
    seen = layers.MaxPooling2D()(seen)
    seen = layers.Flatten()(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = OwnStep(images, layers.Dense(10, activation="softmax")(seen))
    model.told = told
    model.compile(
        SGD(learning_rate, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


@case(
    source="https://newbetuts.com/44164749-how-does-keras-handle-multilabel-classification",
    cause="softmax makes the labels of a row compete, although several hold at once",
    causes="activation",
    evidence=r"softmax|sigmoid|multi-?label|(several|more than one|many|multiple|two or more)"
    r"[\s\S]{0,40}(label|class|column|1s|ones|hot)|sum[\s\S]{0,30}(1|one)\b|compet|independent|"
    r"(rows?|targets?|labels?)[\s\S]{0,60}(sum|one-hot|not exactly one)",
    repair={"activation": "sigmoid"},
    advice={
        r"sigmoid": {"activation": "sigmoid"},
        "longer": {"epochs": 50},
        "wider": {"units": 192},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.2},
        "slower": {"learning_rate": 0.005},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"scale": True},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "softmax": {},
        "relu": {"activation": "relu"},
    },
    metric="F1 over all labels of held-out articles, taken from 0.5 on",
    good=0.75,
)
def topics_of_articles(
    seed,
    callbacks,
    activation="softmax",
    loss="binary_crossentropy",
    scale=False,
    epochs=20,
    units=64,
    learning_rate=0.03,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Tell the topics of articles from their words, up to five each: hardly any is found."""
    random = start(seed)
    y = (random.random((3000, 9)) < 0.25).astype("float32")
    words = random.random((9, 240)) < 0.08
    chance = 0.05 + 0.45 * (y @ words > 0)
    x = (random.random((3000, 240)) < chance).astype("float32")
    if scale:
        x = standardized(x)
    model = keras.Sequential(
        [
            keras.Input((240,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(9, activation=activation),
        ]
    )
    model.compile(SGD(learning_rate, momentum=0.9, nesterov=True), loss, metrics=["accuracy"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2300:], verbose=0) > 0.5
    return float(f1_score(y[2300:], guess, average="micro", zero_division=0))


@case(
    source="http://pullrequest.ru/14126136/"
    "polzovatelskaya-funktsiya-poter-dlya-prognozirovaniya-vyhodnyh-dannyh-interget",
    cause="the numbers of classes are fitted as amounts, by one output and a squared error",
    causes="loss activation layers",
    evidence=r"class|categor|softmax|cross-?_?entropy|integer|whole number|discrete|"
    r"(one|single|\b1\b) (\w+ )?(unit|output|neuron|node)|regression|label",
    repair={"per_class": True},
    advice={
        r"sparse_categorical|one unit per class|(units?|outputs?) (per|for each|for every) class|"
        r"one-?hot|Dense\(8|(eight|8) units": {"per_class": True},
        "longer": {"epochs": 50},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.003},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
        "binary": {"loss": "binary_crossentropy"},
        "softmax": {"activation": "softmax"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {"activation": "relu"},
    },
    metric="share of held-out parcels sent to the right depot",
    good=0.85,
)
def depot_as_a_number(
    seed,
    callbacks,
    per_class=False,
    loss="mean_squared_error",
    activation="linear",
    epochs=20,
    units=32,
    learning_rate=0.02,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a depot's number, 0 to 7, from six measures: a third of them is sent astray."""
    random = start(seed)
    centers = random.normal(0, 1.6, (24, 6))
    group = random.integers(0, 24, 3000)
    x = standardized(centers[group] + random.normal(0, 0.55, (3000, 6)))
    y = group % 8
    model = keras.Sequential([keras.Input((6,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    if per_class:
        model.add(layers.Dense(8, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1, activation=activation))
    model.compile(SGD(learning_rate, momentum=0.9), loss, metrics=["accuracy"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    if per_class:
        return accuracy(model, x[2300:], y[2300:])
    return float(np.mean(np.round(model.predict(x[2300:], verbose=0)[:, 0]) == y[2300:]))


@case(
    source="https://github.com/keras-team/keras/issues/3328",
    cause="the network learns its sentences by heart: too many epochs without regularization",
    causes="layers epochs data",
    evidence=r"overfit|by heart|memori[sz]|generali[sz]|dropout|regulari[sz]|weight decay|"
    r"early.?stop|best epoch|(val\w*|held-out|unseen)[\s\S]{0,80}(ris|increas|worse|grow|above|"
    r"higher|turn|best|lowest|minimum|up\b)|(gap|differ)[\s\S]{0,60}(val|train)",
    repair={"trainable": False, "dropout": 0.5, "stop": True},
    advice={
        r"early.?stop|best epoch|restore_best|fewer epochs|stop": {"stop": True, "dropout": 0.5},
        r"(freeze|frozen|trainable ?= ?False)": {"trainable": False},
        r"(fewer|less) units|smaller (network|model|layer)|narrower": {"units": 8},
        "regularized": {"dropout": 0.5, "stop": True},
        "longer": {"epochs": 32},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.3},
        "slower": {"learning_rate": 0.01},
        "initialized": {"initializer": "he_normal"},
    },
    metric="1 less the crossentropy on held-out sentences over that of guessing",
    good=0.2,
)
def sentences_good_and_bad(
    seed,
    callbacks,
    trainable=True,
    dropout=0.0,
    stop=False,
    epochs=16,
    units=32,
    learning_rate=0.1,
    initializer="glorot_uniform",
):
    """Tell good from bad reviews by an LSTM on given word vectors: only val_loss rises."""
    random = start(seed)
    tone = random.normal(size=2000)
    words = random.integers(1, 2000, (2000, 14))
    words[np.arange(14) >= random.integers(7, 15, 2000)[:, None]] = 0
    tone[0] = 0
    feeling = tone[words].sum(axis=1) / np.sqrt((words > 0).sum(axis=1))
    y = one_hot((feeling + random.logistic(0, 0.2, 2000) > 0).astype(int), 2)
    vectors = random.normal(0, 0.4, (2000, 24))
    vectors[:, 0] += 0.8 * tone
    model = keras.Sequential(
        [
            keras.Input((14,), dtype="int32"),
            layers.Embedding(2000, 24, weights=[vectors], trainable=trainable, mask_zero=True),
            layers.Dropout(dropout),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(2, activation="softmax"),
        ]
    )
    sgd = SGD(learning_rate, momentum=0.9, nesterov=True)
    model.compile(sgd, "binary_crossentropy", metrics=["accuracy"])
    best = [EarlyStopping("val_loss", patience=5, restore_best_weights=True)] if stop else []
    model.fit(
        *(words[:1000], y[:1000]),
        validation_data=(words[1000:1300], y[1000:1300]),
        batch_size=50,
        epochs=epochs,
        callbacks=[*best, *callbacks],
        verbose=0,
    )
    guess = np.clip(model.predict(words[1300:], verbose=0), 1e-7, 1)
    return float(1 + np.mean(np.sum(y[1300:] * np.log(guess), axis=1)) / np.log(2))


@case(
    source="https://github.com/keras-team/keras/issues/11964",
    cause="ReduceLROnPlateau minimizes the F1, takes its rise for a plateau and halves the rate",
    causes="learning_rate optimizer epochs",
    evidence=r"ReduceLR|plateau|mode|(learning.?rate|\brate\b)[\s\S]{0,100}(fell|fall|drop|"
    r"reduc|halv|lower|shrink|shrank|decay|sank|small|tiny|low|cut|e-\d|0\.0000)|"
    r"(fell|fall|drop|reduc|halv|lower|shrink|decay|cut)[\s\S]{0,60}rate|"
    r"(still|yet) (falling|improving|learning)|too (slow|few updates)|schedule|"
    r"(weights?|updates?)[\s\S]{0,60}(hardly|barely|tiny|small|slow)",
    repair={"mode": "max"},
    advice={
        r"mode ?= ?.?max|monitor|val_loss": {"mode": "max"},
        r"patience": {"patience": 6},
        r"(remove|without|drop|no) [\s\S]{0,40}(ReduceLR|callback|schedule)|"
        r"(constant|fixed) (learning )?rate": {"reduce": False},
        "longer": {"epochs": 90},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
    },
    metric="macro F1 on held-out cells",
    good=0.87,
)
def halved_at_every_success(
    seed,
    callbacks,
    mode="min",
    patience=1,
    reduce=True,
    epochs=30,
    units=48,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort cells into four kinds, the rate watched by F1: it improves less and less."""
    random = start(seed)
    centers = random.normal(0, 1.3, (20, 8))
    group = random.integers(0, 20, 5000)
    x = standardized(centers[group] + random.normal(0, 0.6, (5000, 8)))
    y = one_hot(group % 4, 4)
    model = keras.Sequential([keras.Input((8,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(4, activation="softmax"))
    f1 = keras.metrics.F1Score("macro", name="f1_metric")
    model.compile(SGD(learning_rate, momentum=0.5), "categorical_crossentropy", metrics=[f1])
    slower = ReduceLROnPlateau("val_f1_metric", 0.5, patience, mode=mode, min_lr=1e-4)
    model.fit(
        *(x[:2500], y[:2500]),
        validation_data=(x[2500:3500], y[2500:3500]),
        epochs=epochs,
        callbacks=[slower, *callbacks] if reduce else callbacks,
        verbose=0,
    )
    guess = model.predict(x[3500:], verbose=0).argmax(axis=1)
    return float(f1_score(group[3500:] % 4, guess, average="macro"))


@case(
    source="https://github.com/keras-team/keras/issues/14141",
    cause="one row in twenty-five is of class 1, so answering 0 is nearly always right",
    causes="data loss",
    evidence=r"imbalanc|unbalanc|balance|rare|minority|majority|class.?weight|sample.?weight|"
    r"(\d+(\.\d+)? ?(%|percent)|share|few|most|nearly all)[\s\S]{0,60}(class|row|label|example|"
    r"positive|negative|sample|zero|0)|(class|label)[\s\S]{0,60}(share|frequen|often|more rows)|"
    r"oversampl|resampl|threshold",
    repair={"weighted": True},
    advice={
        r"class.?weight|sample.?weight|weigh|oversampl|resampl|balanc|focal": {"weighted": True},
        r"threshold": {"threshold": 0.04},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
    },
    metric="balanced accuracy on held-out rows",
    good=0.8,
)
def one_in_twenty_five(
    seed,
    callbacks,
    weighted=False,
    threshold=0.5,
    loss="binary_crossentropy",
    epochs=12,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find the few faults among many orders: 96 % accurate, and hardly a fault is found."""
    random = start(seed)
    x = random.normal(size=(12_000, 10)).astype("float32")
    odds = 0.9 * x[:, 0] - 0.8 * x[:, 1] + 0.5 * x[:, 2] + 0.5 * x[:, 3] * x[:, 4] - 3.0
    y = (odds + random.logistic(0, 0.5, 12_000) > 0).astype("float32")
    model = keras.Sequential([keras.Input((10,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    share = float(y[:6000].mean())
    model.fit(
        *(x[:6000], y[:6000]),
        validation_data=(x[6000:7500], y[6000:7500]),
        batch_size=64,
        epochs=epochs,
        class_weight={0: 0.5 / (1 - share), 1: 0.5 / share} if weighted else None,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[7500:], verbose=0)[:, 0] > threshold
    return float(balanced_accuracy_score(y[7500:], guess))


@sound(
    source="https://github.com/rstudio/keras3/issues/296",
    metric="R² on held-out machines",
    good=0.8,
)
def an_accuracy_of_zero(seed, callbacks):
    """Regression with accuracy as its metric: it stays near 0, the amounts are right."""
    random = start(seed)
    x = random.random((500, 6)).astype("float32")
    wear = 0.4 * x[:, 0] + 0.3 * x[:, 1] * x[:, 2] - 0.25 * x[:, 3] + 0.2 * x[:, 4] ** 2
    y = (0.25 + wear + random.normal(0, 0.03, 500)).astype("float32")
    x = standardized(x)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(24, activation="relu"),
            layers.Dense(12, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.005), "mse", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=15, restore_best_weights=True)
    model.fit(
        *(x[:260], y[:260]),
        validation_data=(x[260:330], y[260:330]),
        epochs=50,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[330:], model.predict(x[330:], verbose=0)[:, 0])


def own_likelihood(y, told):
    """Negative log likelihood of normal amounts, from a mean and a raw spread."""
    spread = 1e-3 + ops.softplus(told[:, 1:])
    return ops.mean(ops.log(spread) + 0.5 * ops.square((y - told[:, :1]) / spread), axis=-1)


@sound(
    source="http://pullrequest.ru/13166888/intervaly-prognozirovaniya-neironnoi-seti-metod-mve",
    metric="R² of the expected yield on held-out fields",
    good=0.9,
)
def loss_below_zero(seed, callbacks):
    """Loss of one's own: mean and spread of a yield by the likelihood, which goes below zero."""
    random = start(seed)
    x = random.uniform(-1, 1, (2400, 3)).astype("float32")
    expected = 0.5 * np.sin(3 * x[:, 0]) + 0.4 * x[:, 1]
    y = expected + random.normal(size=2400) * (0.03 + 0.12 * (x[:, 2] > 0))
    y = y.astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(32, activation="tanh"),
            layers.Dense(32, activation="tanh"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.005), own_likelihood)
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1800], y[1500:1800]),
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(expected[1800:], model.predict(x[1800:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def a_step_that_says_it(seed, callbacks):
    """Follow a guide to one's own training step, with batch normalization and dropout."""
    start(seed)
    x, y = digits(seed)
    images = keras.Input((8, 8, 1))
    seen = images
    for filters in (16, 32):
        seen = layers.Conv2D(filters, 3, padding="same", use_bias=False)(seen)
        seen = layers.BatchNormalization(momentum=0.9)(seen)
        seen = layers.Activation("relu")(seen)
    seen = layers.Dropout(0.3)(layers.GlobalMaxPooling2D()(seen))
    model = OwnStep(images, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


@sound(
    source="https://github.com/keras-team/keras/issues/3056",
    metric="share of held-out games whose likelier winner is named",
    good=0.85,
)
def games_of_chance(seed, callbacks):
    """Noise: games won by chance as much as by strength; the accuracy stays near 64 %."""
    random = start(seed)
    x = random.normal(size=(5000, 5)).astype("float32")
    strength = 0.5 * x[:, 0] - 0.4 * x[:, 1] + 0.3 * x[:, 2] * (x[:, 3] > 0)
    y = (strength + random.logistic(0, 1, 5000) > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:3500], y[:3500]),
        validation_data=(x[3500:4200], y[3500:4200]),
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[4200:], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == (strength[4200:] > 0)))


@sound(
    source="https://chenzhang.org/notes/developer/loss-and-accuracy-get-stuck-in-keras/",
    metric="accuracy on held-out wines",
    good=0.9,
)
def wines_at_a_large_rate(seed, callbacks):
    """Large rate: a hundred wines, batch normalization, SGD at 0.1 with Nesterov's momentum."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(y))
    x, y = standardized(x[rows]), one_hot(y[rows], 3)
    model = keras.Sequential(
        [
            keras.Input((13,)),
            layers.Dense(20, activation="relu"),
            layers.BatchNormalization(momentum=0.9),
            layers.Dense(3, activation="softmax"),
        ]
    )
    sgd = SGD(0.1, momentum=0.9, nesterov=True)
    model.compile(sgd, "categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=10, restore_best_weights=True)
    model.fit(
        *(x[:100], y[:100]),
        validation_data=(x[100:125], y[100:125]),
        batch_size=20,
        epochs=40,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[125:], y[125:].argmax(axis=1))


@sound(
    source="https://newbedev.com/weird-accuracy-in-multilabel-classification-keras",
    metric="F1 over all labels of held-out photographs",
    good=0.7,
)
def few_labels_of_many(seed, callbacks):
    """Sparse labels: one in twenty holds, so the accuracy is 95 % from the first epoch on."""
    random = start(seed)
    y = (random.random((4000, 20)) < 0.05).astype("float32")
    x = y @ random.normal(size=(20, 40)) + random.normal(0, 0.35, (4000, 40))
    x = standardized(x)
    model = keras.Sequential(
        [
            keras.Input((40,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(20, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["binary_accuracy"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:2800], y[:2800]),
        validation_data=(x[2800:3200], y[2800:3200]),
        epochs=12,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[3200:], verbose=0) > 0.5
    return float(f1_score(y[3200:], guess, average="micro", zero_division=0))


PROGRAMS = [
    above_fifty_thousand,
    most_votes_of_seven,
    a_step_of_my_own,
    topics_of_articles,
    depot_as_a_number,
    sentences_good_and_bad,
    halved_at_every_success,
    one_in_twenty_five,
]
SOUND = [
    an_accuracy_of_zero,
    loss_below_zero,
    a_step_that_says_it,
    games_of_chance,
    wines_at_a_large_rate,
    few_labels_of_many,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
