"""Twelve more field programs, on mistakes that raise no error, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.sixty_third
    python benchmarks/diagnosis.py --programs sixty_third
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.optimizers import Adam

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


def triplet_of_rows(_, answer):
    """Pull the first answer to the second, push it away from the third."""
    anchor, same, other = answer[0], answer[1], answer[2]
    near = ops.sum(ops.square(anchor - same), axis=-1)
    far = ops.sum(ops.square(anchor - other), axis=-1)
    return ops.maximum(near - far + 0.4, 0.0)


def triplet_of_answers(_, answer):
    """Pull each anchor to its positive, push it away from its negative."""
    anchor, same, other = answer[:, 0], answer[:, 1], answer[:, 2]
    near = ops.sum(ops.square(anchor - same), axis=-1)
    far = ops.sum(ops.square(anchor - other), axis=-1)
    return ops.maximum(near - far + 0.4, 0.0)


@case(
    source="https://github.com/keras-team/keras/issues/11150",
    cause="y_pred[0] is the first row of the batch, not the anchors: y_pred[:, 0] repairs it",
    causes="loss",
    evidence=r"triplet|batch axis|(first|wrong|batch|leading) (axis|dimension|rows?)|"
    r"(own|custom|hand\w*)[\s\S]{0,20}loss|loss (function|of its own)|"
    r"loss[\s\S]{0,120}(index|\brows?\b|axis|slice|ignores?|do(es)? not depend|no gradient)|"
    r"(rows?|samples?|examples?)[\s\S]{0,100}(no gradient|ignored|not (used|counted|in the loss)|"
    r"mixed|compared)|y_pred\[",
    repair={"by_row": False},
    advice={
        r"y_pred\[:|\[:, ?0\]|axis|index|slic|rewrite|check[\s\S]{0,30}loss|(own|custom) loss|"
        r"triplet|per[- ](row|sample|example)|each row|every row|loss function": {"by_row": False},
        "longer": {"epochs": 16},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "relu": {},
    },
    metric="share of held-out digits whose nearest known digits are of their kind",
    good=0.85,
)
def digits_by_their_neighbours(
    seed,
    callbacks,
    by_row=True,
    epochs=8,
    units=48,
    learning_rate=0.002,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Embed digits in three numbers by triplets: the loss moves, the neighbours stay mixed."""
    random = start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    if scaled:
        x = standardized(x)

    def triplets(rows, count):
        anchors = random.choice(rows, count)
        same = np.array([random.choice(rows[y[rows] == y[row]]) for row in anchors])
        other = np.array([random.choice(rows[y[rows] != y[row]]) for row in anchors])
        return [x[anchors], x[same], x[other]], np.zeros(count, "float32")

    tower = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(3),
            layers.UnitNormalization(),
        ]
    )
    inputs = [keras.Input((64,)) for _ in range(3)]
    joined = layers.Concatenate()([tower(one) for one in inputs])
    model = keras.Model(inputs, layers.Reshape((3, 3))(joined))
    model.compile(Adam(learning_rate), triplet_of_rows if by_row else triplet_of_answers)
    train, valid, test = np.split(np.arange(len(x)), [1100, 1300])
    model.fit(
        *triplets(train, 4000),
        validation_data=triplets(valid, 500),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    known, asked = tower.predict(x[train], verbose=0), tower.predict(x[test], verbose=0)
    nearest = np.argsort(-asked @ known.T, axis=1)[:, :5]
    guess = [np.bincount(y[train][row], minlength=10).argmax() for row in nearest]
    return float(np.mean(np.array(guess) == y[test]))


class Attend(layers.Layer):
    """Weigh the steps of a series and add them up."""

    def __init__(self, axis, initializer):
        super().__init__()
        self.axis = axis
        self.score = layers.Dense(1, kernel_initializer=initializer)

    def build(self, shape):
        """Build the score."""
        self.score.build(shape)

    def call(self, steps):
        """Return the weighted sum (rows, features)."""
        scores = self.score(steps)
        weights = ops.exp(scores - ops.max(scores, axis=self.axis, keepdims=True))
        weights = weights / ops.sum(weights, axis=self.axis, keepdims=True)
        return ops.sum(weights * steps, axis=1)


@case(
    source="https://github.com/keras-team/keras/issues/4962",
    cause="the softmax of scores (rows, steps, 1) over their last axis is 1 for every step",
    causes="layers activation",
    evidence=r"attend|attention|\bscores?\b|softmax[\s\S]{0,120}(axis|one (value|unit|output)|"
    r"size 1|single|always 1|all ones|constant)|(axis|axes|dimension)[\s\S]{0,80}(size|length) 1|"
    r"(weights?|kernel|layer|variable|parameter)s?[\s\S]{0,120}(no gradient|zero gradient|"
    r"gradients? (is|are|of) (exactly |always )?(0|zero|none)|never (moved?|change|train|learn)|"
    r"not (moved?|change|train|learn|updated)|did not move|unchanged|do(es)? not (move|change))|"
    r"(no|zero) gradients?",
    repair={"axis": 1},
    advice={
        r"axis|softmax over|over (the )?(time|steps)|attention|attend|Flatten|squeeze|"
        r"sigmoid[\s\S]{0,30}score": {"axis": 1},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "softmax": {},
        "relu": {"activation": "relu"},
    },
    metric="R² on held-out recordings",
    good=0.8,
)
def the_loudest_moment(
    seed,
    callbacks,
    axis=-1,
    epochs=15,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    activation="tanh",
    initializer="glorot_uniform",
):
    """Tell the pitch at the loudest of 20 moments: the attention does not help at all."""
    random = start(seed)
    x = random.normal(size=(3000, 20, 3)).astype("float32")
    loudest = x[:, :, 0].argmax(axis=1)
    y = x[np.arange(3000), loudest, 1] + 0.1 * random.normal(size=3000)
    y = y.astype("float32")[:, None]

    model = keras.Sequential(
        [
            keras.Input((20, 3)),
            layers.Dense(units, activation=activation, kernel_initializer=initializer),
            Attend(axis, initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2300:, 0], model.predict(x[2300:], verbose=0)[:, 0])


def signals(random, rows):
    """Series (rows, 20, 10) of symbols, two of which tell the class (rows,) of four."""
    symbols = random.integers(2, 10, (rows, 20))
    first, second = random.integers(0, 2, (2, rows))
    symbols[np.arange(rows), random.integers(1, 7, rows)] = first
    symbols[np.arange(rows), random.integers(11, 17, rows)] = second
    series = np.eye(10)[symbols] + random.normal(0, 0.15, (rows, 20, 10))
    return series.astype("float32"), 2 * first + second


class Signals(keras.utils.PyDataset):
    """Batches of series that are made when they are asked for."""

    def __init__(self, seed, batches, fresh):
        super().__init__()
        self.seed, self.batches, self.fresh = seed, batches, fresh
        self.random = np.random.default_rng(seed)

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        random = self.random if self.fresh else np.random.default_rng(self.seed)
        return signals(random, 16)


@case(
    source="https://github.com/Atcold/NYU-DLSP20/issues/851",
    cause="each batch is drawn with the same seed, so that 16 rows are all that is ever seen",
    causes="data preprocessing",
    evidence=r"(same|identical|repeated?|duplicate\w*|equal)[\s\S]{0,40}(batch|row|sample|example|"
    r"data|series)|(batch|row|sample|example)(es|s)?[\s\S]{0,80}(same|identical|repeat|duplicat|"
    r"again|equal to)|few (distinct|different|rows)|(only|just) (16|one batch)|distinct|\bseed|"
    r"by heart|memori[sz]|(more|too few|other) (rows|data|samples|examples)",
    repair={"fresh": True},
    advice={
        r"\bseed|generator|__getitem__|distinct|same (batch|row)|different (batch|row)|identical|"
        r"fresh|(more|other|new) (data|rows|examples|samples|batches)|duplicat|repeat|"
        r"index|collect": {"fresh": True},
        "longer": {"epochs": 15},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on other series",
    good=0.9,
)
def signals_in_their_order(
    seed,
    callbacks,
    fresh=False,
    epochs=6,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell which two signals came in which order: perfect in training, lost on other series."""
    start(seed)
    model = keras.Sequential(
        [
            keras.Input((20, 10)),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        Signals(seed, 60, fresh),
        validation_data=signals(np.random.default_rng(seed + 100), 300),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, *signals(np.random.default_rng(seed + 200), 1500))


class Directions(layers.Layer):
    """Project rows on a few directions, each with a bend of its own."""

    def __init__(self, count, added, initializer):
        super().__init__()
        self.count, self.added = count, added
        self.initializer = keras.initializers.get(initializer)
        self.directions = []

    def build(self, shape):
        """Make one direction after the other."""
        for number in range(self.count):
            if self.added:
                direction = self.add_weight(
                    shape=(shape[-1], 1), initializer=self.initializer, name=f"direction_{number}"
                )
            else:
                values = self.initializer((shape[-1], 1))
                direction = tf.Variable(values, trainable=True, name=f"direction_{number}")
            self.directions.append(direction)

    def call(self, rows):
        """Return the projections (rows, count)."""
        parts = [ops.matmul(rows, ops.convert_to_tensor(one)) for one in self.directions]
        return ops.tanh(ops.concatenate(parts, axis=-1))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/26792",
    cause="variables made by tf.Variable in a list are not tracked by Keras and never trained",
    causes="layers weights",
    evidence=r"directions|track|tf\.Variable|add_weight|untrained|"
    r"(own|custom) layer|(layer|weights?|variables?|parameters?)[\s\S]{0,100}(no weights|"
    r"no trainable|without (trainable )?weights|not (train|track|updat|moved?|learn|in the)|"
    r"never (train|moved?|change|updat|learn)|frozen|0 (trainable|param|weights))|"
    r"(no|without|zero|0) (trainable )?(weights|parameters|variables)",
    repair={"added": True},
    advice={
        r"add_weight|track|trainable|tf\.Variable|keras\.Variable|own layer|custom layer|"
        r"layers\.Dense|unfreez|register": {"added": True},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out rows",
    good=0.8,
)
def a_few_directions(
    seed,
    callbacks,
    added=False,
    epochs=20,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Explain a yield by four directions among 16 measures: it explains next to nothing."""
    random = start(seed)
    x = random.normal(size=(2400, 16)).astype("float32")
    y = np.sin(x[:, 0] + x[:, 1]) + 0.8 * x[:, 2] - 0.6 * np.abs(x[:, 3] - x[:, 4])
    y = standardized(y + 0.1 * random.normal(size=2400))[:, None]

    model = keras.Sequential(
        [
            keras.Input((16,)),
            Directions(4, added, initializer),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:, 0], model.predict(x[1900:], verbose=0)[:, 0])


@case(
    source="https://github.com/imfing/audio-classification/issues/5",
    cause="labels 1 to 5 become rows of five columns: those of label 5 are all 0",
    causes="data preprocessing",
    evidence=r"one.?hot|(all|only|entirely|nothing but) (0|zero)|(sum|add)\w*[\s\S]{0,40}(0|zero|1"
    r"|one|differ)|(row|target|label|class)(es|s)?[\s\S]{0,100}(zero|all 0|empty|without|no class|"
    r"not sum|sum|start (at|from|with)|never|missing|off by one|out of range|no (row|"
    r"label|target|example)|lack|unused)|(output|unit|column)s?[\s\S]{0,80}(never|unused|no (row|"
    r"target|label|example)|)|(never|no)[\s\S]{0,20}(predicted|target)",
    repair={"first": 1},
    advice={
        r"one.?hot|labels?[\s\S]{0,60}(0|zero|start|minus|subtract|- ?1|shift|from)|sparse_|"
        r"(subtract|shift)[\s\S]{0,40}label|to_categorical|depth|(rows?|targets?) (that|of|which|"
        r"with)|sum to|missing class|unused|every class|each class|encod": {"first": 1},
        r"six|one more (unit|output|class)|Dense\(6": {"classes": 6},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {},
    },
    metric="accuracy on held-out sounds",
    good=0.9,
)
def five_kinds_of_sound(
    seed,
    callbacks,
    first=0,
    classes=5,
    epochs=10,
    units=24,
    learning_rate=0.003,
    dropout=0.1,
    scaled=False,
    activation="softmax",
    initializer="glorot_uniform",
):
    """Tell sounds numbered 1 to 5 apart: it starts well, and then the loss only climbs."""
    random = start(seed)
    y = random.integers(1, 6, 2500)
    time = np.arange(64) / 64
    pitch = np.array([3, 5, 7, 10, 14])[y - 1][:, None] + random.uniform(-0.5, 0.5, (2500, 1))
    phase = random.uniform(0, 2 * np.pi, (2500, 1))
    sounds = np.sin(2 * np.pi * pitch * time + phase) + random.normal(0, 0.6, (2500, 64))
    x = sounds.astype("float32")[:, :, None]
    if scaled:
        x = standardized(x)
    target = tf.one_hot(y - first, classes).numpy()

    model = keras.Sequential(
        [
            keras.Input((64, 1)),
            layers.Conv1D(units, 9, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling1D(2),
            layers.Conv1D(units, 7, activation="relu", kernel_initializer=initializer),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(dropout),
            layers.Dense(classes, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], target[:1600]),
        validation_data=(x[1600:1900], target[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:] - first)


@case(
    source="https://stackoverflow.com/questions/29721994/"
    "python-array-subtraction-loops-back-to-high-number-instead-of-giving-negative-va",
    cause="bytes are subtracted as bytes: whatever is a little below 0 comes out near 255",
    causes="preprocessing data",
    evidence=r"uint8|overflow|wrap|unsigned|\bbytes?\b|underflow|modulo|256|"
    r"(inputs?|pixels?|values?|features?|columns?)[\s\S]{0,120}(two (groups|clusters|peaks|"
    r"extremes|ends)|bimodal|near (0 or|1|255)|extremes|no negative|never negative|both ends)",
    repair={"kind": "int16"},
    advice={
        r"uint8|int16|astype|cast|float(32)?[\s\S]{0,20}before|overflow|wrap|signed|bytes|256|"
        r"dtype|subtract": {"kind": "int16"},
        r"more (rows|data|examples)|augment": {"rows": 3000},
        "longer": {"epochs": 30},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out pairs of frames",
    good=0.85,
)
def which_way_it_went(
    seed,
    callbacks,
    kind="uint8",
    rows=1500,
    epochs=15,
    units=16,
    learning_rate=0.003,
    dropout=0.2,
    scaled=False,
    initializer="glorot_uniform",
):
    """Tell the way of a faint spot from the change between two frames: hardly better than luck."""
    random = start(seed)
    total = rows + 1000
    y = random.integers(0, 4, total)
    ways = np.array([[0, 3], [0, -3], [3, 0], [-3, 0]])[y]
    scene = random.integers(60, 160, (12, 12))
    before, after = scene + random.normal(0, 2, (2, total, 12, 12))
    places = random.integers(3, 7, (total, 2))
    for row, (down, right) in enumerate(places):
        before[row, down : down + 2, right : right + 2] += 18
        down, right = (down, right) + ways[row]
        after[row, down : down + 2, right : right + 2] += 18
    before, after = before.round().astype("uint8"), after.round().astype("uint8")
    change = after.astype(kind) - before.astype(kind)
    x = change.astype("float32")[..., None] / 255
    if scaled:
        x = (x - x.mean()) / x.std()

    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(32, activation="relu", kernel_initializer=initializer),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:rows], y[:rows]),
        validation_data=(x[rows : rows + 300], y[rows : rows + 300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[rows + 300 :], y[rows + 300 :])


@case(
    source="https://github.com/keras-team/keras/issues/15194",
    cause="the reshape drops the mask of the embedding: the GRU reads dozens of empty visits",
    causes="layers preprocessing data",
    evidence=r"mask|\bpad|zeros? (at|in) the end|trailing|empty (steps|visits)|last steps|"
    r"(constant|same|equal)[\s\S]{0,30}steps?|steps?[\s\S]{0,60}(constant|zero|empty|same value)|"
    r"reshape",
    repair={"masked": True},
    advice={
        r"mask": {"masked": True},
        r"\bpad|in front|pre-?pad": {"behind": False},
        r"GlobalMaxPooling|GlobalAveragePooling|bidirectional": {"both_ways": True},
        "longer": {"epochs": 12},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out patients",
    good=0.8,
)
def visits_of_two_codes(
    seed,
    callbacks,
    masked=False,
    behind=True,
    both_ways=False,
    epochs=6,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foresee a relapse from visits of two codes each: an embedding with mask_zero, and a coin."""
    random = start(seed)
    rows, longest = 1800, 60
    y = random.integers(0, 2, rows)
    x = np.zeros((rows, longest, 2), "int32")
    for row, ill in zip(x, y, strict=True):
        visits = random.integers(41, 160, (random.integers(4, 12), 2))
        telling = random.random(len(visits)) < 0.4
        telling[0] = True
        visits[telling, 0] = 1 + 20 * ill + random.integers(0, 20, telling.sum())
        at = slice(0, len(visits)) if behind else slice(longest - len(visits), None)
        row[at] = visits
    y = y.astype("float32")

    inputs = keras.Input((longest, 2), dtype="int32")
    codes = layers.Embedding(160, 8, mask_zero=True)(inputs)
    visits = ops.reshape(codes, (-1, longest, 16))
    recurrent = layers.GRU(units, kernel_initializer=initializer)
    if both_ways:
        recurrent = layers.Bidirectional(recurrent)
    if masked:
        seen = recurrent(visits, mask=ops.any(ops.not_equal(inputs, 0), axis=-1))
    else:
        seen = recurrent(visits)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(seen))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1400:], verbose=0)[:, 0] > 0.5) == y[1400:]))


@case(
    source="https://github.com/vana77/Market-1501_Attribute/issues/7",
    cause="files are read in the order of their names as text, the table is in that of numbers",
    causes="data preprocessing",
    evidence=r"(target|label|\by\b|row)s?[\s\S]{0,100}(not (match|fit|belong|go|depend)|(do|does|"
    r"did) not (depend|belong|go|follow)|mismatch|misalign|align|shuffl|unrelated|nothing to do|"
    r"noise|another row|other row|order|independent|permut)|"
    r"(order|sort|align|pair|shuffl)\w*[\s\S]{0,80}(target|label|\by\b|row)|lexicograph|"
    r"no (relation|dependence|association|signal)|(inputs?|features?)[\s\S]{0,60}(say|tell|explain)"
    r" nothing",
    repair={"key": int},
    advice={
        r"order|sort|align|match|pair|shuffl|permut|belong|mismatch|same row|join|check[\s\S]{0,40}"
        r"(label|target|row)": {"key": int},
        "longer": {"epochs": 50},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out samples",
    good=0.8,
)
def spectra_in_their_files(
    seed,
    callbacks,
    key=str,
    epochs=25,
    units=48,
    learning_rate=0.002,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Read a concentration from spectra, one file each: the validation never gets anywhere."""
    random = start(seed)
    rows = 2200
    share = random.uniform(0, 1, (rows, 4))
    wave = np.linspace(0, 1, 60)
    peaks = np.exp(-(((wave - np.array([[0.25], [0.35], [0.6], [0.7]])) / 0.08) ** 2))
    spectra = 1 - np.exp(-1.5 * share @ peaks) + random.normal(0, 0.02, (rows, 60))
    concentration = standardized(share[:, 0])
    files = {str(number): spectrum for number, spectrum in enumerate(spectra[:1600])}
    x = np.stack([files[name] for name in sorted(files, key=key)]).astype("float32")
    y = concentration[:1600, None]
    test = spectra[1600:].astype("float32")
    if scaled:
        x, test = standardized(x), ((test - x.mean(axis=0)) / x.std(axis=0)).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((60,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1300], y[:1300]),
        validation_data=(x[1300:], y[1300:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(concentration[1600:], model.predict(test, verbose=0)[:, 0])


@sound(
    source="https://www.tensorflow.org/api_docs/python/tf/keras/layers/experimental/"
    "RandomFourierFeatures",
    metric="R² on held-out points",
    good=0.85,
)
def waves_that_stay_random(seed, callbacks):
    """Frozen: 200 random waves are meant to stay as they are, only the last layer is trained."""
    random = start(seed)
    x = random.uniform(-2, 2, (2400, 2)).astype("float32")
    true = np.sin(2 * x[:, 0]) * np.cos(1.5 * x[:, 1]) + 0.3 * x[:, 0]
    true = standardized(true)
    y = (true + random.normal(0, 0.15, 2400)).astype("float32")[:, None]
    waves = layers.Dense(
        200,
        activation=ops.sin,
        kernel_initializer=keras.initializers.RandomNormal(stddev=1.5),
        bias_initializer=keras.initializers.RandomUniform(0, 2 * np.pi),
        trainable=False,
    )
    model = keras.Sequential([keras.Input((2,)), waves, layers.Dense(1)])
    model.compile(Adam(0.01), "mean_squared_error")
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(true[1900:], model.predict(x[1900:], verbose=0)[:, 0])


def known_only(target, answer):
    """Cross-entropy of the targets that are known; -1 stands for unknown."""
    known = ops.cast(ops.not_equal(target, -1), "float32")
    right = ops.where(target > 0.5, answer, 1 - answer)
    return -ops.sum(known * ops.log(right + 1e-7), axis=-1) / (ops.sum(known, axis=-1) + 1e-7)


@sound(
    source="https://github.com/keras-team/keras/issues/12878",
    metric="share of right answers on held-out substances, all of them known",
    good=0.85,
)
def assays_that_were_not_run(seed, callbacks):
    """Unknown: two thirds of the targets are -1, and an own loss passes over them."""
    random = start(seed)
    x = random.normal(size=(3000, 12)).astype("float32")
    hidden = np.tanh(x @ random.normal(size=(12, 4)) / 2)
    true = (hidden @ random.normal(size=(4, 6)) > 0).astype("float32")
    y = np.where(random.random(true.shape) < 0.66, -1, true).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(6, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), known_only)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[2400:], verbose=0) > 0.5) == true[2400:]))


def likelihood(target, answer):
    """Negative logarithm of a normal density, its mean and the logarithm of its width given."""
    mean, width = answer[:, :1], answer[:, 1:]
    return ops.mean(width + 0.5 * ops.square((target - mean) * ops.exp(-width)), axis=-1)


@sound(
    source="https://github.com/keras-team/keras/issues/12423",
    metric="R² of the means on held-out parts",
    good=0.85,
)
def tolerances_of_parts(seed, callbacks):
    """Below zero: a likelihood of narrow targets is minimized, and the loss is negative."""
    random = start(seed)
    x = random.normal(size=(2600, 4)).astype("float32")
    true = 0.1 * (x[:, 0] + 0.6 * x[:, 1] * x[:, 2])
    width = 0.01 + 0.02 / (1 + np.exp(-2 * x[:, 3]))
    y = (true + width * random.normal(size=2600)).astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="swish"),
            layers.Dense(32, activation="swish"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003, clipnorm=1.0), likelihood)
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(true[2100:], model.predict(x[2100:], verbose=0)[:, 0])


class Sharpness(keras.Model):
    """Take each step with the gradient of a place a little uphill."""

    def train_step(self, data):
        """Climb, take the gradient, climb down, step."""
        x, y = data
        variables = self.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, variables)
        norm = tf.linalg.global_norm(gradients) + 1e-9
        climbs = [0.05 * gradient / norm for gradient in gradients]
        for variable, climb in zip(variables, climbs, strict=True):
            variable.assign_add(climb)
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=answer)
        gradients = tape.gradient(loss, variables)
        for variable, climb in zip(variables, climbs, strict=True):
            variable.assign_sub(climb)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://tensorflow.org/versions/r2.15/api_docs/python/tf/keras/models/experimental/"
    "SharpnessAwareMinimization",
    metric="accuracy on held-out digits",
    good=0.93,
)
def up_before_down(seed, callbacks):
    """Own step: the weights are moved uphill and back before each update."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    inputs = keras.Input((64,))
    seen = layers.Dense(64, activation="relu")(inputs)
    seen = layers.Dense(32, activation="relu")(seen)
    model = Sharpness(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=32,
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


PROGRAMS = [
    digits_by_their_neighbours,
    the_loudest_moment,
    signals_in_their_order,
    a_few_directions,
    five_kinds_of_sound,
    which_way_it_went,
    visits_of_two_codes,
    spectra_in_their_files,
]
SOUND = [
    waves_that_stay_random,
    assays_that_were_not_run,
    tolerances_of_parts,
    up_before_down,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
