"""Twelve more field programs, whose mistakes raise no error, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_seventh
    python benchmarks/diagnosis.py --programs fifty_seventh
"""

import keras
import numpy as np
import tensorflow as tf
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
    source="https://github.com/keras-team/keras/issues/1431",
    cause="the backward layer gives its steps from last to first; flipped, they fit the forward's",
    causes="layers",
    evidence=r"go_backwards|backward|revers|flip|bidirectional|time.?steps?[\s\S]{0,80}(align|"
    r"order|match|correspond|last to first|other step|mirror)|(order|align)\w*[\s\S]{0,60}"
    r"(steps?\b|sequence|time)|(later|future|following|next) (steps?|values?|inputs?)",
    repair={"flipped": True},
    advice={
        r"flip|revers|\[:, ?::-1|Bidirectional|go_backwards|backward": {"flipped": True},
        "longer": {"epochs": 20},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out recordings",
    good=0.85,
)
def a_sharper_signal(
    seed,
    callbacks,
    flipped=False,
    scaled=False,
    epochs=9,
    units=16,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Restore every sample of a blurred signal from both sides: half of it stays blurred."""
    random = start(seed)
    clean = random.normal(size=(1700, 14, 1))
    wide = np.pad(clean, ((0, 0), (2, 2), (0, 0)))
    y = 0.6 * wide[:, 1:-3] + 0.4 * clean + wide[:, 3:-1] + 0.6 * wide[:, 4:]
    y = (y + random.normal(0, 0.1, y.shape)).astype("float32")
    x = (standardized(clean) if scaled else clean).astype("float32")

    inputs = keras.Input((14, 1))
    options = {"return_sequences": True, "kernel_initializer": initializer}
    ahead = layers.GRU(units, **options)(inputs)
    back = layers.GRU(units, go_backwards=True, **options)(inputs)
    if flipped:
        back = ops.flip(back, axis=1)
    both = layers.Dropout(dropout)(layers.Concatenate()([ahead, back]))
    model = keras.Model(inputs, layers.Dense(1)(both))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1400:].ravel(), model.predict(x[1400:], verbose=0).ravel())


def relative_error(y, answer):
    """Squared error that counts less where the target is large."""
    return ops.mean(ops.square(y - answer) / (1 + 0.1 * ops.abs(y)))


def relative_error_of_rows(y, answer):
    """Squared error of every row, which counts less where the target is large."""
    return ops.mean(ops.square(y - answer) / (1 + 0.1 * ops.abs(y)), axis=-1)


@case(
    source="https://github.com/keras-team/keras/issues/1866",
    cause="the own loss is one number for the batch, so the weights of its rows change nothing",
    causes="loss weights data",
    evidence=r"(sample|row|class)\w*[ _.]?weight|weights? of (the |its |single )?(rows|samples)|"
    r"\bweighted\b|(loss|relative_error)[\s\S]{0,100}(scalar|one (number|value)|single (number|"
    r"value)|per.?(row|sample|example)|each row|every row|axis|reduc|mean (of|over) the batch|"
    r"no axis|shape \(\))|(scalar|per.?(row|sample))[\s\S]{0,60}loss",
    repair={"of_rows": True},
    advice={
        r"axis ?= ?-1|per.?(row|sample|example)|(each|every|one value (for|per)) (row|sample)|"
        r"scalar|reduc|(vector|values?) of (the )?rows|sample_weight": {"of_rows": True},
        r"(built.?in|keras.?|known|compiled) loss|loss=.?(mse|mean_squared_error|huber|Huber)": {
            "loss": "mean_squared_error"
        },
        r"(remove|drop|leave out|without|discard|only)[\s\S]{0,40}(rows|samples)": {"kept": False},
        "longer": {"epochs": 45},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 4e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="R² on held-out, well-measured plots",
    good=0.8,
)
def harvests_by_two_surveyors(
    seed,
    callbacks,
    of_rows=False,
    loss=None,
    kept=True,
    epochs=18,
    units=40,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell harvests that two surveyors measured, one of them badly: as if both were alike."""
    random = start(seed)
    x = random.normal(size=(2800, 6)).astype("float32")
    harvest = x[:, 0] + np.abs(x[:, 1]) - 0.7 * x[:, 2] * x[:, 3] + 0.5 * x[:, 4]
    careless = random.random(2800) < 0.6
    stated = np.where(careless, 1.5 - 0.8 * x[:, 0] + x[:, 5], harvest)
    y = (stated + random.normal(0, 0.15, 2800)).astype("float32")[:, None]
    trust = np.where(careless, 0.02, 1).astype("float32")
    train = np.arange(2800) < 1800
    if not kept:
        train &= ~careless
    valid, test = slice(1800, 2100), np.flatnonzero(~careless & (np.arange(2800) >= 2100))

    model = keras.Sequential([keras.Input((6,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    own = relative_error_of_rows if of_rows else relative_error
    model.compile(Adam(learning_rate), loss or own)
    model.fit(
        *(x[train], y[train]),
        sample_weight=trust[train],
        validation_data=(x[valid], y[valid], trust[valid]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(harvest[test], model.predict(x[test], verbose=0)[:, 0])


class OwnStep(keras.Model):
    """A regression with a training step of its own."""

    penalized = False

    def train_step(self, data):
        """Take one step, tell the loss."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - self(x, training=True)))
            if self.penalized:
                loss += tf.add_n(self.losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@case(
    source="https://github.com/hunglc007/tensorflow-yolov4-tflite/issues/369",
    cause="the own step leaves out the layers' L1 penalties; with them the idle columns fade",
    causes="loss regularization",
    evidence=r"regulari[sz]|penalt|\bL1\b|\.losses|add_loss|(layers?|extra|further|added) loss|"
    r"(own|custom|hand\w*)[\s\S]{0,20}(train_step|training step|training loop)[\s\S]{0,120}"
    r"(loss|leave|left|ignor|miss|without|forget|not add)",
    repair={"penalized": True},
    advice={
        r"\.losses|add_loss|compute_loss|penalt|regulari[sz](er|ation) loss|train_step|"
        r"\bL1\b|l1\(": {"penalized": True},
        r"early.?stop|best epoch|restore_best": {"stop": True},
        r"weight.?decay|AdamW|\bl2\b": {"decay": 0.02},
        r"fewer units|smaller (network|model|layers)|less capacity": {"units": 6},
        r"more (data|rows|examples|samples)|collect": {"rows": 600},
        "longer": {"epochs": 90},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out samples",
    good=0.7,
)
def few_genes_of_many(
    seed,
    callbacks,
    penalized=False,
    stop=False,
    decay=None,
    rows=240,
    epochs=45,
    units=24,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a yield from 120 genes of which four matter: L1 at any strength does the same."""
    random = start(seed)
    x = random.normal(size=(rows + 700, 120)).astype("float32")
    told = x[:, 3] + np.abs(x[:, 40]) - 0.9 * x[:, 77] + 0.7 * np.maximum(x[:, 101], 0)
    y = standardized(told + random.normal(0, 0.3, len(x)))[:, None]

    inputs = keras.Input((120,))
    seen = layers.Dense(
        units,
        activation="relu",
        kernel_initializer=initializer,
        kernel_regularizer=keras.regularizers.L1(0.006),
    )(inputs)
    model = OwnStep(inputs, layers.Dense(1)(layers.Dropout(dropout)(seen)))
    model.penalized = penalized
    model.compile(Adam(learning_rate, weight_decay=decay), "mean_squared_error")
    early = [EarlyStopping("val_loss", patience=8, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[700:], y[700:]),
        validation_data=(x[:200], y[:200]),
        batch_size=32,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return r_squared(y[200:700, 0], model.predict(x[200:700], verbose=0)[:, 0])


class Dancers(keras.utils.PyDataset):
    """Batches of pictures (32, 16, 16, 1) and hands (32, 4), half of them mirrored."""

    def __init__(self, x, y, random, mirrored, swapped):
        super().__init__()
        self.x, self.y, self.random = x, y, random
        self.mirrored, self.swapped = mirrored, swapped

    def __len__(self):
        return len(self.x) // 32

    def __getitem__(self, index):
        rows = self.random.integers(0, len(self.x), 32)
        x, y = self.x[rows].copy(), self.y[rows].copy()
        if self.mirrored:
            turned = self.random.random(32) < 0.5
            x[turned] = x[turned, :, ::-1]
            y[turned, 0::2] = -y[turned, 0::2]
            if self.swapped:
                y[turned] = y[turned][:, [2, 3, 0, 1]]
        return x, y


@case(
    source="https://github.com/albumentations-team/albumentations/issues/840",
    cause="in a mirrored picture the left hand is the right one; their targets must change places",
    causes="data preprocessing",
    evidence=r"augment|flip|mirror|swap|left|(target|label|keypoint|hand|coordinate)s?[\s\S]{0,100}"
    r"(not (match|fit|belong|go|align)|ambig|contradict|inconsisten|mismatch|conflict|disagree|"
    r"same (input|picture|image)|two (targets|answers)|do(es)? not belong|nothing to do|"
    r"other (row|place)|generator)|(contradict|inconsisten|ambig)\w*",
    repair={"swapped": True},
    advice={
        r"swap|exchange|change places|left|right|(keypoint|target|label)s? (too|as well|pairs?)|"
        r"consisten|match|belong|symmetr": {"swapped": True},
        r"flip|mirror|(without|remove|drop|switch off|no|turn off|leave out|stop|less|weaker)"
        r".{0,20}augment": {"mirrored": False},
        "longer": {"epochs": 36},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the hands' places on held-out pictures, the mean of the four",
    good=0.8,
)
def hands_of_dancers(
    seed,
    callbacks,
    swapped=False,
    mirrored=True,
    epochs=16,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find a dancer's left and right hand: both are sought near the middle."""
    random = start(seed)
    count = 1900
    row, column = np.mgrid[:16, :16]
    body = random.uniform(6, 9, count)
    places = random.uniform([1, 1, 1, 1], [5.5, 14, 5.5, 14], (count, 4))
    places[:, 0], places[:, 2] = body - places[:, 0], body + places[:, 2]
    x = random.normal(0, 0.08, (count, 16, 16))
    for at in (places[:, :2], places[:, 2:]):
        away = (column - at[:, 0, None, None]) ** 2 + (row - at[:, 1, None, None]) ** 2
        x += np.exp(-away / 2)
    x += 0.5 * np.exp(-((column - body[:, None, None]) ** 2))
    x, y = x[..., None].astype("float32"), ((places - 7.5) / 7.5).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(12, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(4),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        Dancers(x[:1400], y[:1400], random, mirrored, swapped),
        validation_data=(x[1400:1600], y[1400:1600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1600:], model.predict(x[1600:], verbose=0))


@case(
    source="https://example-a.com/answer/72580806",
    cause="sine and cosine are taken of degrees; degrees times π/180 are what they ask for",
    causes="preprocessing data",
    evidence=r"radian|degree|\bsine?\b|\bcos(ine)?\b|angle|cycl|\bperiod|unit of|units (are|"
    r"were)|wrong unit|(inputs?|features?|columns?)[\s\S]{0,100}(no (relation|information|signal)|"
    r"not (inform|related|predict|tell|explain)|do(es)? not (tell|inform|predict)|unrelated|"
    r"uninformative|nothing|hardly (tell|inform|relat)|little (about|information))",
    repair={"unit": np.pi / 180},
    advice={
        r"radian|deg2rad|degree|pi ?/ ?180|unit|angle|period|cycl|\bsin|\bcos": {
            "unit": np.pi / 180
        },
        r"(raw|plain) (angle|direction)|(one.?hot|embed|bin)\w*": {"unit": np.pi / 180},
        r"more (data|rows|examples|samples)|collect": {"rows": 4000},
        "longer": {"epochs": 90},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out hours",
    good=0.85,
)
def the_wind_on_a_ridge(
    seed,
    callbacks,
    unit=1.0,
    scaled=False,
    rows=1500,
    epochs=30,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a turbine's yield from the wind's speed and direction: only the speed counts."""
    random = start(seed)
    direction = random.integers(0, 360, rows + 900)
    speed = random.gamma(4, 1.8, rows + 900)
    warmth = random.normal(8, 6, rows + 900)
    across = np.cos(np.deg2rad(direction - 60))
    power = 0.8 * speed + speed * across - 0.05 * warmth
    y = standardized(power + random.normal(0, 0.6, rows + 900))
    turned = direction * unit
    x = np.stack([np.sin(turned), np.cos(turned), speed / 8, warmth / 10], axis=1)
    x = standardized(x) if scaled else x.astype("float32")

    model = keras.Sequential([keras.Input((4,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[900:], y[900:]),
        validation_data=(x[:300], y[:300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[300:900], model.predict(x[300:900], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/pull/7915",
    cause="the table of word vectors begins a row too early: every word has its neighbour's",
    causes="weights initialization data preprocessing layers",
    evidence=r"embedding|word.?(vector|index|number)|\bvectors?\b[\s\S]{0,80}(row|shift|index|word|"
    r"neighbo|other)|off by one|(shift|index)\w*[\s\S]{0,60}(row|word|one)|(pre.?trained|frozen)"
    r"[\s\S]{0,80}(weight|layer|kernel|not|fit|train)|(frozen|not trainable|trainable ?= ?False)",
    repair={"first": 1},
    advice={
        r"index|off by one|shift|row|\+ ?1|word.?vector|neighbo|match|align|padding": {"first": 1},
        r"trainable|unfreez|fine.?tun|thaw": {"trainable": True},
        r"mask": {"masked": True},
        r"more (data|rows|examples|samples|texts)|collect": {"rows": 2400},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out letters",
    good=0.82,
)
def complaints_in_letters(
    seed,
    callbacks,
    first=0,
    trainable=False,
    masked=False,
    rows=700,
    epochs=25,
    units=16,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find the complaints among letters with word vectors of others: they seem of no use."""
    random = start(seed)
    words, total = 2000, rows + 1100
    tone = random.normal(size=words)
    known = random.normal(0, 0.4, (words, 12))
    known[:, 2] += tone
    known[:, 7] -= 0.7 * tone
    texts = random.integers(0, words, (total, 24))
    lengths = random.integers(14, 25, total)
    inside = np.arange(24) < lengths[:, None]
    mood = (tone[texts] * inside).sum(axis=1) / np.sqrt(lengths)
    y = (mood + random.normal(0, 0.15, total) > 0).astype("float32")
    x = np.where(inside, texts + 1, 0).astype("int32")
    table = np.zeros((words + 1, 12), "float32")
    table[first : first + words] = known

    model = keras.Sequential(
        [
            keras.Input((24,), dtype="int32"),
            layers.Embedding(
                words + 1,
                12,
                embeddings_initializer=keras.initializers.Constant(table),
                mask_zero=masked,
                trainable=trainable,
            ),
            layers.GlobalAveragePooling1D(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[1100:], y[1100:]),
        validation_data=(x[:300], y[:300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[300:1100], verbose=0)[:, 0] > 0.5) == y[300:1100]))


class Glance(layers.Layer):
    """The mean of the steps' values, weighted by what a small network thinks of them."""

    def __init__(self, units, axis, initializer):
        super().__init__()
        self.axis = axis
        self.seen = layers.Dense(units, activation="tanh", kernel_initializer=initializer)
        self.score = layers.Dense(1)
        self.value = layers.Dense(8)

    def call(self, steps):
        """Weigh the values (N, T, 8) of the steps (N, T, C)."""
        share = ops.softmax(self.score(self.seen(steps)), axis=self.axis)
        return ops.sum(share * self.value(steps), axis=1)


@case(
    source="https://github.com/JayChanHoi/Lattice_LSTM/issues/5",
    cause="the attention's softmax runs over the rows of a batch; axis=1 is that of the steps",
    causes="layers activation",
    evidence=r"softmax|\baxis\b|\baxes\b|attention|glance|(depend|influence|mix|leak|see)\w*"
    r"[\s\S]{0,60}(other rows|batch|rest of)|(rows?|answers?|predictions?|outputs?)[\s\S]{0,80}"
    r"(depend|change|differ|vary)\w*[\s\S]{0,60}(batch|other rows|company|neighbo)|across (the )?"
    r"(batch|rows)|batch (axis|dimension)|sum(s)? to (1|one)",
    repair={"axis": 1},
    advice={
        r"axis ?= ?-1": {"axis": -1},
        r"axis ?= ?1|\baxis\b|axes|softmax|over the steps|time axis|batch (axis|dimension)|"
        r"(MultiHead|keras.{0,20})Attention|other rows|each row|every row": {"axis": 1},
        r"batch_size|(larger|smaller) batch": {"batch_size": 128},
        "longer": {"epochs": 50},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out runs",
    good=0.85,
)
def the_pressure_when_it_is_hottest(
    seed,
    callbacks,
    axis=0,
    scaled=False,
    batch_size=32,
    epochs=20,
    units=16,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell the pressure at a run's hottest moment by a layer that weighs moments: roughly."""
    random = start(seed)
    x = random.normal(size=(2200, 15, 3))
    x[:, :, 0] = random.exponential(1.0, (2200, 15)) + random.uniform(0, 3, (2200, 1))
    hottest = x[:, :, 0].argmax(axis=1)
    pressure = x[np.arange(2200), hottest, 1] + 0.3 * x[np.arange(2200), hottest, 2]
    y = (pressure + random.normal(0, 0.1, 2200)).astype("float32")
    x = (standardized(x) if scaled else x).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((15, 3)),
            Glance(units, axis, initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1700], y[1500:1700]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1700:], model.predict(x[1700:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/20346",
    cause="targets come in the alphabet's order and the outputs do not: each has the other's",
    causes="data",
    evidence=r"(target|label|\by\b)\w*[\s\S]{0,120}(swap|exchang|order|belong|other output|mix|"
    r"match|shuffl|random|unrelated|nothing to do|(do|does|did) not depend|wrong|mismatch|noise|"
    r"no relation)|(output|head)s?[\s\S]{0,100}(swap|exchang|order|other|mismatch|wrong)|"
    r"(swap|order|alphabet|sorted)\w*[\s\S]{0,80}(target|label|output)",
    repair={"in_order": True},
    advice={
        r"swap|order|belong|alphabet|sort|match|dict|by name|names of the outputs|shuffl|"
        r"(check|compare|look at)[\s\S]{0,60}(label|target|row)": {"in_order": True},
        r"early.?stop|best epoch|restore_best": {"stop": True},
        "regularized": {"dropout": 0.4},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out plates, the mean of both lines",
    good=0.9,
)
def plates_of_two_lines(
    seed,
    callbacks,
    in_order=False,
    stop=False,
    epochs=14,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read the upper and the lower digit of a plate, each by a head of its own: it guesses."""
    random = start(seed)
    images, numbers = digits(seed)
    train, test = random.integers(0, 1200, (1800, 2)), random.integers(1200, 1797, (900, 2))
    pairs = np.concatenate([train, test])
    x = np.concatenate([images[pairs[:, 0]], images[pairs[:, 1]]], axis=1)
    labels = {"upper": numbers[pairs[:, 0]], "lower": numbers[pairs[:, 1]]}

    inputs = keras.Input((16, 8, 1))
    outputs = []
    for name, part in (("upper", inputs[:, :8]), ("lower", inputs[:, 8:])):
        seen = layers.Conv2D(12, 3, activation="relu", kernel_initializer=initializer)(part)
        seen = layers.Flatten()(layers.MaxPooling2D()(seen))
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
        outputs.append(layers.Dense(10, activation="softmax", name=name)(seen))
    model = keras.Model(inputs, outputs)
    losses = ["sparse_categorical_crossentropy"] * 2
    model.compile(Adam(learning_rate), losses, metrics=[["accuracy"], ["accuracy"]])
    y = [labels[name] for name in (labels if in_order else sorted(labels))]
    early = [EarlyStopping("val_loss", patience=4, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[:1800], [each[:1800] for each in y]),
        validation_data=(x[1800:2100], [each[1800:2100] for each in y]),
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    upper, lower = (part.argmax(axis=1) for part in model.predict(x[2100:], verbose=0))
    right = (upper == labels["upper"][2100:]).mean(), (lower == labels["lower"][2100:]).mean()
    return float(np.mean(right))


@sound(
    source="https://github.com/tiny-dnn/tiny-dnn/issues/703",
    metric="accuracy on held-out digits",
    good=0.93,
)
def a_layer_that_never_learns(seed, callbacks):
    """Frozen: 600 random units stay as they were drawn, and only the head is trained."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(600, activation="relu", trainable=False),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


def surprise(y, answer):
    """Mean negative log of the normal density, without its constant."""
    centre, spread = answer[:, :1], ops.softplus(answer[:, 1:]) + 0.01
    return ops.square((y - centre) / spread) / 2 + ops.log(spread)


@sound(
    source="https://github.com/cpmpercussion/keras-mdn-layer/issues/15",
    metric="R² on held-out scales",
    good=0.9,
)
def scales_that_know_their_error(seed, callbacks):
    """Loss: two outputs for a target of one column, and a loss that falls far below zero."""
    random = start(seed)
    x = random.uniform(-1, 1, (2400, 3)).astype("float32")
    spread = 0.02 + 0.08 * (x[:, 2] > 0)
    y = 0.5 * np.sin(3 * x[:, 0]) + 0.3 * x[:, 1] + spread * random.normal(size=2400)
    y = y.astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(32, activation="tanh"),
            layers.Dense(32, activation="tanh"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003), surprise)
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:, 0], model.predict(x[1900:], verbose=0)[:, 0])


class Gate(layers.Layer):
    """Multiply by one number, which begins at 0."""

    def build(self, _):
        """Make the number."""
        self.share = self.add_weight(shape=(), initializer="zeros", name="share")

    def call(self, x):
        """Multiply."""
        return self.share * x


@sound(
    source="https://github.com/SocialComplexityLab/life2vec/issues/9",
    metric="R² on held-out rows",
    good=0.85,
)
def blocks_that_begin_at_nothing(seed, callbacks):
    """Zeros: four residual blocks behind gates of 0, so that at first no block does anything."""
    start(seed)
    x, y = datasets.make_friedman1(2200, 8, noise=0.5, random_state=seed)
    x, y = standardized(x), standardized(y)
    inputs = keras.Input((8,))
    seen = layers.Dense(32)(inputs)
    for _ in range(4):
        block = layers.Dense(32)(layers.Dense(32, activation="relu")(seen))
        seen = layers.Add()([seen, Gate()(block)])
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="zeros")(seen))
    model.compile(Adam(0.002), "mean_squared_error")
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1800], y[1500:1800]),
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[1800:], model.predict(x[1800:], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/issues/370",
    metric="R² on held-out days, against what was not measured too",
    good=0.85,
)
def half_of_the_days_unmeasured(seed, callbacks):
    """Gaps: half of the targets are -999, and a weight of 0 keeps them out of the loss."""
    random = start(seed)
    x = random.normal(size=(2600, 5)).astype("float32")
    truth = x[:, 0] - np.abs(x[:, 1]) + 0.6 * x[:, 2] * x[:, 3] + 0.3 * x[:, 4]
    measured = random.random(2600) < 0.5
    y = np.where(measured, truth + random.normal(0, 0.15, 2600), -999).astype("float32")
    counts = measured.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.003), "mean_squared_error", weighted_metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1800], y[:1800]),
        sample_weight=counts[:1800],
        validation_data=(x[1800:2100], y[1800:2100], counts[1800:2100]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(truth[2100:], model.predict(x[2100:], verbose=0)[:, 0])


PROGRAMS = [
    a_sharper_signal,
    harvests_by_two_surveyors,
    few_genes_of_many,
    hands_of_dancers,
    the_wind_on_a_ridge,
    complaints_in_letters,
    the_pressure_when_it_is_hottest,
    plates_of_two_lines,
]
SOUND = [
    a_layer_that_never_learns,
    scales_that_know_their_error,
    blocks_that_begin_at_nothing,
    half_of_the_days_unmeasured,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
