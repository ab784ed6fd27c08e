"""Thirteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.seventeenth
    python benchmarks/diagnosis.py --programs seventeenth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.losses import BinaryFocalCrossentropy
from keras.optimizers import Adam, AdamW, RMSprop
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
    source="https://github.com/keras-team/keras/issues/8011",
    cause="class_weight reads a row of tags as one class, the first: rows without tags weigh most",
    causes="data loss preprocessing",
    evidence=r"class_?\s?weight|sample_?\s?weight|weight(s|ed|ing)?[\s\S]{0,60}(row|sample|class|tag|"
    r"label|example)|(row|sample|class|tag|label|example)s?[\s\S]{0,60}\bweigh|argmax|"
    r"(first|one) (class|tag|label)|multi-?(label|hot)|several (tags|labels|classes|ones)|"
    r"(no|without( a| any)?) (tag|label|positive)|all.?zero",
    repair={"weighted": False},
    advice={
        r"(remove|without|drop|no|leave out|omit|instead of|not)[\s\S]{0,30}"
        r"(class|sample)_?\s?weight|"
        r"class_weight=None|(class|sample)_?\s?weight[\s\S]{0,60}"
        r"(remove|leave out|omit|off|away|out)": {"weighted": False},
        r"(weight|pos_weight)[\s\S]{0,40}(per|each|every|own|in the loss|column|output)|"
        r"(own|custom) loss|weighted (binary )?crossentropy": {"weighted": False},
        r"threshold": {"threshold": 0.2},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {"activation": "softmax"},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="F1 over all tags of held-out tickets",
    good=0.75,
)
def tags_of_a_help_desk(
    seed,
    callbacks,
    weighted=True,
    threshold=0.5,
    activation="sigmoid",
    loss="binary_crossentropy",
    epochs=15,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Give tickets their tags, rare ones weighted: most tickets get none at all."""
    random = start(seed)
    share = np.array([0.005, 0.1, 0.12, 0.14, 0.16, 0.18])
    y = (random.random((3600, 6)) < share).astype("float32")
    told = 0.04 + 0.45 * np.kron(y, np.ones((1, 5)))
    x = (random.random((3600, 30)) < told).astype("float32")
    x = np.concatenate([x, random.random((3600, 20)) < 0.1], axis=1).astype("float32")
    weights = {tag: len(y) / count for tag, count in enumerate(y.sum(axis=0))}

    model = keras.Sequential(
        [
            keras.Input((50,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(6, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["binary_accuracy"])
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2700], y[2400:2700]),
        class_weight=weights if weighted else None,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2700:], verbose=0) > threshold
    return float(f1_score(y[2700:], guess, average="micro"))


@case(
    source="https://github.com/umbertogriffo/focal-loss-keras/issues/1",
    cause="the focal loss's alpha of 0.25 is the weight of the rare class, and makes it count less",
    causes="loss data",
    evidence=r"focal|alpha|gamma|imbalance|balanced|\brare\b|minority|majority|"
    r"(few|share|part|percent|%)[\s\S]{0,40}(positive|class|ones)|"
    r"(positive|ones|urgent)s?[\s\S]{0,60}(few|never|rare|seldom|weigh|count|missed|%)|"
    r"(predict\w*|answer|output)s?[\s\S]{0,60}(zeros?|\b0\b|negative|one class|same class)|recall",
    repair={"alpha": 0.95},
    advice={
        r"alpha": {"alpha": 0.95},
        r"class_weight|sample_weight|balance|oversampl|weigh": {"loss": "weighted"},
        r"threshold": {"threshold": 0.25},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "binary": {"loss": "binary_crossentropy"},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="balanced accuracy on held-out messages",
    good=0.72,
)
def urgent_messages(
    seed,
    callbacks,
    alpha=0.25,
    loss="focal",
    threshold=0.5,
    epochs=10,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find the urgent ones of many messages by a focal loss: hardly one is found."""
    random = start(seed)
    rows = 8000
    y = (random.random(rows) < 0.04).astype("float32")
    x = random.integers(40, 200, (rows, 18))
    told = random.random((rows, 18)) < np.where(y == 1, 0.24, 0.06)[:, None]
    x[told] = random.integers(1, 40, (rows, 18))[told]
    weights = {0: 1.0, 1: 20.0} if loss == "weighted" else None
    if loss == "weighted":
        loss = "binary_crossentropy"
    if loss == "focal":
        loss = BinaryFocalCrossentropy(apply_class_balancing=True, alpha=alpha, gamma=2.0)

    model = keras.Sequential(
        [
            keras.Input((18,), dtype="int32"),
            layers.Embedding(200, 8),
            layers.GlobalAveragePooling1D(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:5000], y[:5000]),
        validation_data=(x[5000:5800], y[5000:5800]),
        class_weight=weights,
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[5800:], verbose=0)[:, 0] > threshold
    return float(balanced_accuracy_score(y[5800:], guess))


@case(
    source="https://stackoverflow.com/questions/46036522/defining-model-in-keras-include-top-true",
    cause="the new head is put on the old softmax: six sure probabilities say little of new digits",
    causes="layers activation",
    evidence=r"softmax|probabilit|include_top|(old|former|previous|original|pre-?trained)[\s\S]{0,40}"
    r"(head|top|class|output)|penultimate|bottleneck|narrow|"
    r"(six|\b6\b|few) (\w+ )?(values|units|numbers|outputs|features|columns)|saturat|"
    r"(inputs?|features?) (of|to|into) (the )?(new |last |output )?(head|layer|dense)",
    repair={"features": "seen"},
    advice={
        r"include_top|penultimate|before (the )?(softmax|last|output)|feature|"
        r"(remove|without|drop|cut off|leave out|replace)[\s\S]{0,40}"
        r"(softmax|old head|top|old output)|intermediate": {"features": "seen"},
        r"unfreeze|trainable ?= ?True|fine-?tun": {"frozen": False},
        r"logit|linear (output|activation)": {"features": "logits"},
        "longer": {"epochs": 120},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits 6 to 9",
    good=0.85,
)
def digits_told_by_old_names(
    seed,
    callbacks,
    features="named",
    frozen=True,
    epochs=30,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read 6 to 9 with a network that knows 0 to 5, and 200 images: many are wrong."""
    start(seed)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(16, 3, activation="relu")(inputs)
    seen = layers.Conv2D(24, 3, activation="relu")(seen)
    seen = layers.Dense(32, activation="relu", name="seen")(layers.Flatten()(seen))
    logits = layers.Dense(6, name="logits")(seen)
    named = layers.Activation("softmax", name="named")(logits)
    known = keras.Model(inputs, named)
    x, y = digits(seed, classes=range(6))
    known.compile(Adam(0.003), "sparse_categorical_crossentropy")
    known.fit(x, y, epochs=12, verbose=0)

    base = keras.Model(inputs, known.get_layer(features).output)
    base.trainable = not frozen
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            base,
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(4, activation="softmax"),
        ]
    )
    x, y = digits(seed, classes=range(6, 10))
    y = y - 6
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:200], y[:200]),
        validation_data=(x[200:300], y[200:300]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[300:], y[300:])


def one_minus_correlation(y_true, y_pred):
    """Fall from 1 to 0 as predictions and targets of a batch rise and fall together."""
    true = y_true - ops.mean(y_true)
    guess = y_pred - ops.mean(y_pred)
    lengths = ops.sqrt(ops.sum(true**2) * ops.sum(guess**2) + 1e-6)
    return 1 - ops.sum(true * guess) / lengths


@case(
    source="https://datascience.stackexchange.com/a/114457/73930",
    cause="correlation as the loss does not see that level and spread of predictions are wrong",
    causes="loss",
    evidence=r"correlat|scale|offset|level|shift|spread|\bmean\b|\bbias\b|invarian|unit|slope|"
    r"(own|custom) (loss|function)|one_minus|loss[\s\S]{0,80}(while|but|yet|although|metric|error)|"
    r"(mae|absolute error|metric)[\s\S]{0,80}(loss|high|grow|rise|large|not fall)",
    repair={"loss": "mean_squared_error"},
    advice={
        r"(add|plus|combine|together with|and)[\s\S]{0,40}(squared|mse|absolute|mae)|"
        r"squared|\bmse\b": {"loss": "mean_squared_error"},
        r"absolute|\bmae\b|huber": {"loss": "mean_absolute_error"},
        r"concordance": {"loss": "mean_squared_error"},
        r"calibrat|rescale the (prediction|output)|(fit|linear regression)[\s\S]{0,30}afterwards|"
        r"slope and (intercept|offset)": {"calibrated": True},
        r"(scale|standardi[sz]e|normali[sz]e)[\s\S]{0,40}(target|label|\by\b)": {
            "target_scaled": True
        },
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
    },
    metric="R² on held-out flats",
    good=0.8,
)
def rents_that_rise_together(
    seed,
    callbacks,
    loss="correlation",
    calibrated=False,
    target_scaled=False,
    activation="linear",
    epochs=25,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell rents by a loss of one's own: it falls to almost nothing, the rents are absurd."""
    random = start(seed)
    size, age = random.gamma(6, 11, 2600), random.uniform(0, 90, 2600)
    distance, floor = random.gamma(2, 2, 2600), random.integers(0, 6, 2600)
    rent = 13 - 0.6 * distance + 0.002 * (age - 55) ** 2 - 0.02 * size + 0.3 * floor
    y = (rent + random.normal(0, 0.6, 2600)).astype("float32")
    middle, spread = (y[:1700].mean(), y[:1700].std()) if target_scaled else (0.0, 1.0)
    y = (y - middle) / spread
    x = standardized(np.stack([size, age, distance, floor], axis=1))

    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation=activation),
        ]
    )
    chosen = one_minus_correlation if loss == "correlation" else loss
    model.compile(Adam(learning_rate), chosen, metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2000:], verbose=0)[:, 0]
    if calibrated:
        slope, offset = np.polyfit(model.predict(x[:1700], verbose=0)[:, 0], y[:1700], 1)
        guess = slope * guess + offset
    return r_squared(y[2000:], guess)


class AttentionPooling(layers.Layer):
    """Weigh the steps of (batch, steps, features), and add them up.

    Args:
        axis: along which weights add up to 1.
        gate: "softmax", or "sigmoid" for weights that need not add up to anything.

    """

    def __init__(self, axis, gate):
        super().__init__()
        self.axis, self.gate = axis, gate
        self.look, self.score = layers.Dense(16, activation="tanh"), layers.Dense(1)

    def call(self, inputs):
        """Return (batch, features)."""
        scores = self.score(self.look(inputs))
        if self.gate == "sigmoid":
            return ops.sum(ops.sigmoid(scores) * inputs, axis=1)
        return ops.sum(ops.softmax(scores, axis=self.axis) * inputs, axis=1)


@case(
    source="https://github.com/keras-team/keras-io/pull/1904",
    cause="attention takes its softmax over an axis of one element: every step weighs 1",
    causes="layers activation",
    evidence=r"attention|softmax|\baxis\b|(size|length|dimension) (of )?(1|one)\b|"
    r"gradients?[\s\S]{0,80}(zero|\b0\b|vanish|none|missing|no\b)|"
    r"(zero|\b0\b|no|vanish\w*|without)[\s\S]{0,20}gradients?|"
    r"(weights?|layers?|kernels?|variables?)[\s\S]{0,60}(never|not|no longer|hardly|unchanged|"
    r"constant|stay|still)|pool|steps? (are|is|count|weigh)|\bsum(s|med)?\b",
    repair={"axis": 1},
    advice={
        r"axis|over (the )?(time|steps)|time axis|softmax": {"axis": 1},
        r"\b(lstm|gru|recurrent)\b": {"recurrent": True},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"gate": "sigmoid"},
        "squared": {},
    },
    metric="R² on held-out recordings",
    good=0.75,
)
def best_of_thirty_readings(
    seed,
    callbacks,
    axis=-1,
    gate="softmax",
    recurrent=False,
    epochs=15,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell a level by the clearest of thirty readings, with attention: it attends to nothing."""
    random = start(seed)
    value = random.normal(size=(3000, 30))
    clear = 1.5 * random.normal(size=(3000, 1)) + random.normal(size=(3000, 30))
    best = clear.argmax(axis=1)
    clear[np.arange(3000), best] += 1.0
    y = value[np.arange(3000), best] + random.normal(0, 0.15, 3000)
    y = standardized(y)
    x = np.stack([value, clear], axis=2).astype("float32")

    inputs = keras.Input((30, 2))
    steps = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    if recurrent:
        steps = layers.GRU(units, return_sequences=True)(steps)
    pooled = AttentionPooling(axis, gate)(steps)
    pooled = layers.Dropout(dropout)(pooled)
    hidden = layers.Dense(units, activation="relu", kernel_initializer=initializer)(pooled)
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2300:], model.predict(x[2300:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/2711",
    cause="RMSprop at a rate of 0.3 throws the two LSTM layers about, and saturates them",
    causes="learning_rate optimizer",
    evidence=r"learning.?rate|\brate\b|step size|too (large|high|big)|"
    r"(updates?|steps?|weights?|kernels?|gradients?)[\s\S]{0,60}(large|huge|grow|grew|big|jump|"
    r"explod|saturat)|saturat|oscillat|unstable|diverg|jump|swing|overshoot",
    repair={"learning_rate": 0.003},
    advice={
        r"learning_rate=1e-0?3|learning_rate=0\.001": {"learning_rate": 0.001},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 3.0},
        "slower": {"learning_rate": 0.03},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
    },
    metric="accuracy on held-out letters",
    good=0.85,
)
def letters_of_two_offices(
    seed,
    callbacks,
    learning_rate=0.3,
    activation="tanh",
    epochs=8,
    units=20,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell by two LSTM layers which of two offices a letter is for: as good as a coin."""
    random = start(seed)
    y = random.integers(0, 2, 2200)
    x = random.integers(60, 500, (2200, 24))
    told = random.random((2200, 24)) < 0.2
    x[told] = (random.integers(1, 40, (2200, 24)) + 20 * y[:, None])[told]

    model = keras.Sequential(
        [
            keras.Input((24,), dtype="int32"),
            layers.Embedding(500, 16),
            layers.LSTM(units, activation, return_sequences=True, kernel_initializer=initializer),
            layers.LSTM(units, activation, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(RMSprop(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1700], y[1500:1700]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1700:], y[1700:])


@case(
    source="https://stackoverflow.com/questions/44601367/"
    "keras-autoencoder-simple-example-has-a-strange-output",
    cause="an autoencoder of raw measures ends in a sigmoid, which cannot give back more than 1",
    causes="activation preprocessing",
    evidence=r"sigmoid|saturat|above (1|one)\b|(larger|greater|more|higher|bigger) than (1|one)\b|"
    r"(between|from|within|in) (0|zero) (and|to) (1|one)\b|0\s?[–.-]+\s?1\b|"
    r"(outside|beyond|exceed|reach|range)|(output|last|final)[\s\S]{0,60}(activation|bounded|limit)|"
    r"not scaled|unscaled|raw (values|inputs|measures|data)",
    repair={"activation": "linear"},
    advice={
        r"activation=.?(linear|none)|linear (output|activation)|"
        r"(remove|drop|without|no|leave out)[\s\S]{0,20}(activation|sigmoid)": {
            "activation": "linear"
        },
        r"min-?max|(0 to 1|\[0, ?1\]|between 0 and 1)": {"scaling": "minmax"},
        r"(scale|standardi[sz]e|normali[sz]e)": {"scaling": "standard"},
        "longer": {"epochs": 80},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaling": "standard"},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
        "binary": {"loss": "binary_crossentropy"},
    },
    metric="R² of the held-out measures given back",
    good=0.85,
)
def nine_sensors_three_numbers(
    seed,
    callbacks,
    activation="sigmoid",
    loss="mean_squared_error",
    scaling=None,
    epochs=25,
    units=24,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Press nine sensors into three numbers and back: nearly the same comes out for all."""
    random = start(seed)
    hidden = random.normal(size=(2600, 3))
    mixed = np.random.default_rng(17).normal(size=(3, 9))
    x = standardized(hidden @ mixed + random.normal(0, 0.2, (2600, 9)))
    x = x * np.linspace(0.4, 0.8, 9, dtype="float32") + np.linspace(1.5, 2.5, 9, dtype="float32")
    if scaling == "minmax":
        x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    if scaling == "standard":
        x = standardized(x)

    model = keras.Sequential(
        [
            keras.Input((9,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(3, name="code"),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(9, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss)
    model.fit(
        *(x[:1700], x[:1700]),
        validation_data=(x[1700:2000], x[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[2000:], model.predict(x[2000:], verbose=0))


@case(
    source="https://github.com/keras-team/keras/issues/7901",
    cause="pad_sequences cuts long letters at their beginning, where their matter is named",
    causes="preprocessing data",
    evidence=r"truncat|\bcut\b|cut off|maxlen|pad_sequences|(full|whole|no padding|without padding|"
    r"every (row|step|position) (is )?(used|filled))|(beginning|start|first words?|front)|"
    r"(sequence|text|row|letter)s?[\s\S]{0,60}(long|short|length)|"
    r"(inputs?|data|words?)[\s\S]{0,60}(say|tell|hold|contain|carr)\w* (little|nothing|too little|"
    r"no (signal|information))|information",
    repair={"truncating": "post"},
    advice={
        r"truncating|(keep|cut)[\s\S]{0,40}(beginning|start|first|end)|"
        r"longer (sequence|text|input)|maxlen|more words|whole (text|letter|row)": {
            "truncating": "post"
        },
        "longer": {"epochs": 24},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out letters",
    good=0.85,
)
def letters_without_their_beginning(
    seed,
    callbacks,
    truncating="pre",
    epochs=10,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort letters by their matter, the last twenty words of each: few are right on new ones."""
    random = start(seed)
    y = random.integers(0, 4, 2400)
    letters = []
    for matter in y:
        words = random.integers(80, 600, random.integers(22, 60))
        named = random.random(len(words)) < np.where(np.arange(len(words)) < 8, 0.45, 0.02)
        words[named] = random.integers(1, 20, named.sum()) + 20 * matter
        letters.append(words)
    x = keras.utils.pad_sequences(letters, maxlen=20, truncating=truncating)

    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(600, 16),
            layers.Conv1D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(dropout),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:])


@sound(
    source="https://keras.io/examples/generative/text_generation_with_miniature_gpt/",
    metric="share of what can be known of the next letter, on held-out text",
    good=0.85,
)
def next_letter(seed, callbacks):
    """Text: the next of twelve letters, mostly left to chance, so that the loss stays high."""
    random = start(seed)
    habits = np.random.default_rng(17).dirichlet(np.full(12, 0.4), 12)
    text = np.zeros((1500, 21), dtype=int)
    text[:, 0] = random.integers(0, 12, 1500)
    for place in range(1, 21):
        sums = habits[text[:, place - 1]].cumsum(axis=1)
        text[:, place] = (random.random((1500, 1)) * sums[:, -1:] > sums).sum(axis=1)
    x, y = text[:, :-1], text[:, 1:]
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(12, 12),
            layers.GRU(24, return_sequences=True),
            layers.Dense(12, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1150], y[1000:1150]),
        batch_size=32,
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    guess = np.take_along_axis(model.predict(x[1150:], verbose=0), y[1150:, :, None], axis=2)
    blind = np.bincount(y[1150:].ravel(), minlength=12)[y[1150:]] / y[1150:].size
    known = np.log(habits[x[1150:], y[1150:]] / blind).mean()
    return float(np.log(guess[:, :, 0] / blind).mean() / known)


def weighted_by_rarity(shares):
    """Binary crossentropy of tags whose positives weigh more the rarer they are."""
    weights = np.sqrt((1 - shares) / shares).astype("float32")

    def loss(y_true, y_pred):
        y_pred = ops.clip(y_pred, 1e-6, 1 - 1e-6)
        hit = weights * y_true * ops.log(y_pred)
        return -ops.mean(hit + (1 - y_true) * ops.log(1 - y_pred), axis=-1)

    return loss


@sound(
    source="https://github.com/keras-team/keras/issues/15984",
    metric="mean F1 of five tags of held-out songs",
    good=0.6,
)
def moods_of_songs(seed, callbacks):
    """Multi-label: rare tags, weighted in a loss of one's own, and some are given by taste."""
    random = start(seed)
    x = random.normal(size=(6000, 16)).astype("float32")
    directions = np.random.default_rng(17).normal(size=(16, 5))
    liking = x @ directions / 4 + 0.3 * x[:, :5] * x[:, 5:10] + random.normal(0, 0.5, (6000, 5))
    bars = np.quantile(liking, [0.8, 0.85, 0.9, 0.93, 0.95], axis=0).diagonal()
    y = (liking > bars).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(48, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(5, activation="sigmoid"),
        ]
    )
    loss = weighted_by_rarity(y[:4000].mean(axis=0))
    model.compile(Adam(0.003), loss, metrics=[keras.metrics.AUC(multi_label=True, name="auc")])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:4000], y[:4000]),
        validation_data=(x[4000:4800], y[4000:4800]),
        batch_size=64,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(f1_score(y[4800:], model.predict(x[4800:], verbose=0) > 0.5, average="macro"))


@sound(
    source="https://blog.keras.io/building-autoencoders-in-keras.html",
    metric="R² of held-out spectra without their noise",
    good=0.9,
)
def spectra_given_back(seed, callbacks):
    """Autoencoder: a code of four numbers holds what spectra share, their noise stays unlearned."""
    random = start(seed)
    places, wide = np.linspace(0, 1, 40), np.array([0.05, 0.08, 0.12, 0.2])
    peaks = np.exp(-((places - np.array([[0.2], [0.4], [0.6], [0.8]])) ** 2) / wide[:, None] ** 2)
    clean = random.gamma(2, 0.5, (2400, 4)) @ peaks
    noisy = clean + random.normal(0, 0.3, (2400, 40))
    middle, spread = noisy[:1600].mean(axis=0), noisy[:1600].std(axis=0)
    x, clean = (noisy - middle) / spread, (clean - middle) / spread
    model = keras.Sequential(
        [
            keras.Input((40,)),
            layers.Dense(24, activation="relu"),
            layers.Dense(4, name="code"),
            layers.Dense(24, activation="relu"),
            layers.Dense(40),
        ]
    )
    model.compile(Adam(0.002), "mean_squared_error")
    model.fit(
        *(x[:1600], x[:1600]),
        validation_data=(x[1600:1800], x[1600:1800]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(clean[1800:].ravel(), model.predict(x[1800:], verbose=0).ravel())


class Mixed(keras.Model):
    """A classifier that learns from pairs of images laid over each other, and of labels."""

    def train_step(self, data):
        """One step on a batch that is mixed with itself turned round."""
        x, y = data
        share = tf.random.uniform((tf.shape(x)[0], 1))
        mixed = share[:, :, None, None] * x + (1 - share[:, :, None, None]) * x[::-1]
        labels = share * y + (1 - share) * y[::-1]
        with tf.GradientTape() as tape:
            guess = self(mixed, training=True)
            loss = self.compute_loss(x=mixed, y=labels, y_pred=guess)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.compute_metrics(mixed, labels, guess)


@sound(
    source="https://keras.io/examples/vision/mixup/",
    metric="accuracy on held-out digits",
    good=0.94,
)
def digits_laid_over_each_other(seed, callbacks):
    """Own train step: mixed images, so that training looks far worse than validation."""
    start(seed)
    x, labels = digits(seed)
    y = one_hot(labels, 10)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(24, 3, padding="same", activation="relu")(inputs)
    seen = layers.MaxPooling2D()(seen)
    seen = layers.Conv2D(32, 3, activation="relu")(seen)
    seen = layers.Dense(48, activation="relu")(layers.Flatten()(seen))
    model = Mixed(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(AdamW(0.003), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        batch_size=32,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], labels[1200:])


@sound(
    source="https://keras.io/guides/transfer_learning/",
    metric="accuracy on held-out letters of the new office",
    good=0.8,
)
def words_from_another_office(seed, callbacks):
    """Transfer: words known from many letters, 200 new ones, then all is tuned by tiny steps."""
    random = start(seed)
    meaning = np.random.default_rng(17).integers(0, 8, 400)

    def letters(rows, groups):
        y = random.integers(0, len(groups), rows)
        x = random.integers(1, 400, (rows, 20))
        told = random.random((rows, 20)) < 0.3
        for label, group in enumerate(groups):
            words = np.flatnonzero(np.isin(meaning, group))
            chosen = told & (y == label)[:, None]
            x[chosen] = random.choice(words, chosen.sum())
        return x, y

    base = keras.Sequential(
        [keras.Input((20,), dtype="int32"), layers.Embedding(400, 16)], name="words"
    )
    base.add(layers.GlobalAveragePooling1D())
    old = keras.Sequential([base, layers.Dense(8, activation="softmax")])
    old.compile(Adam(0.01), "sparse_categorical_crossentropy")
    old.fit(*letters(4000, [[group] for group in range(8)]), epochs=6, verbose=0)

    x, y = letters(1300, [[0, 1], [2, 3], [4, 5, 6, 7]])
    base.trainable = False
    model = keras.Sequential([base, layers.Dense(3, activation="softmax")])
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    known = {"validation_data": (x[200:300], y[200:300]), "batch_size": 16, "verbose": 0}
    model.fit(x[:200], y[:200], epochs=25, **known)
    base.trainable = True
    model.compile(Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:200], y[:200], epochs=8, callbacks=callbacks, **known)
    return accuracy(model, x[300:], y[300:])


PROGRAMS = [
    tags_of_a_help_desk,
    urgent_messages,
    digits_told_by_old_names,
    rents_that_rise_together,
    best_of_thirty_readings,
    letters_of_two_offices,
    nine_sensors_three_numbers,
    letters_without_their_beginning,
]
SOUND = [
    next_letter,
    moods_of_songs,
    spectra_given_back,
    digits_laid_over_each_other,
    words_from_another_office,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
