"""Twelve more field programs, on rows, masks, batches and shared parts, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_seventh
    python benchmarks/diagnosis.py --programs forty_seventh
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam
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


class Shares(layers.Layer):
    """Turn scores into positive weights of sum 1 along an axis."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def call(self, score):
        """Divide the exponentials by their sum."""
        raised = ops.exp(score - ops.max(score, axis=self.axis, keepdims=True))
        return raised / ops.sum(raised, axis=self.axis, keepdims=True)


@case(
    source="https://github.com/PetrochukM/PyTorch-NLP/issues/2",
    cause="the own softmax of scores (12, 1) runs over the axis of length 1: every weight is 1",
    causes="layers activation",
    evidence=r"softmax|attention|\baxis\b|axes|(weight|score)s?[\s\S]{0,80}(all|always|every|"
    r"constant|equal|\b1\b|one\b|same|uniform)|constant[\s\S]{0,60}(output|activation|layer)|"
    r"(output|layer|activation)s?[\s\S]{0,80}(constant|always|the same|do(es)? not (vary|depend))|"
    r"(query|score|key)[\s\S]{0,80}(no (effect|influence|gradient)|ignored|unused|zero|nothing|"
    r"not (reach|learn|mov|chang))|gradient[\s\S]{0,60}(zero|none|vanish|missing|no )|"
    r"(do|does|did|have|has) not (move|change|learn)|(un|not )(moved|changed|trained)",
    repair={"axis": 1},
    advice={
        r"axis|axes|softmax (over|along|across)|over (the )?(time|step|item|row|position)|"
        r"layers\.Attention|MultiHeadAttention|Flatten|Reshape|\(12,?\)|"
        r"(remove|replace|change|drop).{0,40}softmax|softmax": {"axis": 1},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out questions",
    good=0.7,
)
def the_price_that_was_asked_for(
    seed,
    callbacks,
    axis=-1,
    epochs=25,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Answer questions for the price of one of twelve items by attention: it tells the mean."""
    random = start(seed)
    rows, items = 5000, 12
    names = random.normal(size=(rows, items, 4))
    prices = random.normal(size=(rows, items, 1))
    asked = random.integers(0, items, rows)
    question = names[np.arange(rows), asked] + random.normal(0, 0.1, (rows, 4))
    y = prices[np.arange(rows), asked].astype("float32")
    question = question.astype("float32")
    shelf = np.concatenate([names, prices], axis=2).astype("float32")

    wanted, offered = keras.Input((4,)), keras.Input((items, 5))
    query = layers.Dense(units, activation="relu", kernel_initializer=initializer)(wanted)
    query = layers.Dense(units, kernel_initializer=initializer)(query)
    key = layers.Dense(units, activation="relu", kernel_initializer=initializer)(offered)
    key = layers.Dense(units, kernel_initializer=initializer)(key)
    value = layers.Dense(units, kernel_initializer=initializer)(offered)
    score = layers.Reshape((items, 1))(layers.Dot((2, 1))([key, query]))
    weight = Shares(axis)(score)
    context = layers.Flatten()(layers.Dot((1, 1))([weight, value]))
    context = layers.Dropout(dropout)(context)
    model = keras.Model([wanted, offered], layers.Dense(1)(context))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *([question[:3600], shelf[:3600]], y[:3600]),
        validation_data=([question[3600:4200], shelf[3600:4200]], y[3600:4200]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([question[4200:], shelf[4200:]], verbose=0)
    return r_squared(y[4200:].ravel(), guess.ravel())


@case(
    source="https://github.com/keras-team/keras/issues/744",
    cause="letters are numbered from 0 and mask_zero hides the letter A, which tells the classes",
    causes="layers preprocessing data",
    evidence=r"mask|padd|(zero|\b0\b)[\s\S]{0,80}(token|letter|index|code|step|word|symbol|hid|"
    r"skip|ignor|number|categor|real)|(token|letter|index|code|step|word|symbol)s?[\s\S]{0,60}"
    r"(\b0\b|zero|hidden|skipped|ignored)",
    repair={"first": 1},
    advice={
        r"mask_zero ?= ?False|(without|remove|drop|no|switch off|turn off|unset|disable).{0,30}"
        r"mask": {"mask_zero": False},
        r"(from|start\w*( at| with)?|begin\w*( at| with)?|add|plus|\+|by) ?(1|one)\b|shift|"
        r"renumber|reserve|input_dim|offset|another (index|number|code)|(keep|use) 0": {"first": 1},
        r"mask|padd": {"mask_zero": False},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out sequences",
    good=0.85,
)
def stretches_of_dna(
    seed,
    callbacks,
    first=0,
    mask_zero=True,
    epochs=12,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find sequences with a stretch of one letter by a GRU: no better than a coin."""
    random = start(seed)
    rows, length, many = 3600, 24, 5
    letters = random.integers(1, 4, (rows, length))  # C, G, T; A is 0
    y = random.integers(0, 2, rows).astype("float32")
    for row, together in zip(letters, y, strict=True):
        if together:
            at = random.integers(0, length - many) + np.arange(many)
        else:
            at = np.sort(random.choice(length - many, many, replace=False)) + np.arange(many)
        row[at] = 0
    x = (letters + first).astype("int32")

    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(4 + first, 8, mask_zero=mask_zero),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2900], y[2400:2900]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2900:], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == y[2900:]))


@case(
    source="https://github.com/openpifpaf/openpifpaf/pull/308",
    cause="images sorted by class are batched and then shuffled: BatchNormalization sees one class",
    causes="data layers",
    evidence=r"shuffl|\bsort|order|batch.?norm|moving|(batch|step)(es)?[\s\S]{0,80}(one|single|"
    r"same|own|pure|few|only)[\s\S]{0,20}(class|label|digit|kind)|(class|label)(es|s)?[\s\S]{0,80}"
    r"batch|inference|training mode|batch statistic",
    repair={"shuffled": "images"},
    advice={
        r"shuffl|\bsort|permut|mix|order|every batch|each batch|stratif": {"shuffled": "images"},
        r"(remove|drop|without|replace|no|leave out).{0,30}(batch.?norm)|LayerNorm|GroupNorm": {
            "batch_norm": False
        },
        r"momentum|moving": {"momentum": 0.9},
        r"batch.?norm": {"batch_norm": False},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def digits_from_a_pipeline(
    seed,
    callbacks,
    shuffled="batches",
    batch_norm=True,
    momentum=0.99,
    epochs=12,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Train a CNN from folders, one per digit, by tf.data: it trains well and validates badly."""
    start(seed)
    x, y = digits(seed)
    train = np.argsort(y[:1200], kind="stable")  # as the folders list them
    rows = tf.data.Dataset.from_tensor_slices((x[:1200][train], one_hot(y[:1200][train], 10)))
    if shuffled == "images":
        rows = rows.shuffle(1200, seed=seed).batch(30)
    else:
        rows = rows.batch(30).shuffle(1200, seed=seed)
    valid = tf.data.Dataset.from_tensor_slices((x[1200:1400], one_hot(y[1200:1400], 10)))

    model = keras.Sequential([keras.Input((8, 8, 1))])
    for _ in range(2):
        model.add(layers.Conv2D(units, 3, kernel_initializer=initializer))
        if batch_norm:
            model.add(layers.BatchNormalization(momentum=momentum))
        model.add(layers.Activation("relu"))
    model.add(layers.Flatten())
    model.add(layers.Dense(32, kernel_initializer=initializer))
    if batch_norm:
        model.add(layers.BatchNormalization(momentum=momentum))
    model.add(layers.Activation("relu"))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        rows.prefetch(2),
        validation_data=valid.batch(50),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


class MeanTeacher(keras.Model):
    """A student that learns labels, and to agree with a teacher, its slow average."""

    def __init__(self, encoder, head, teacher, agreement):
        super().__init__()
        self.encoder, self.head, self.teacher = encoder, head, teacher
        self.agreement = agreement
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return [self.loss_tracker]

    def call(self, x, training=False):
        """Return the student's probabilities."""
        return self.head(self.encoder(x, training=training), training=training)

    def train_step(self, data):
        """Take one step of the student, let the teacher follow."""
        x, y = data
        noisy = x + tf.random.normal(tf.shape(x), stddev=0.1)
        with tf.GradientTape() as tape:
            seen = self.encoder(noisy, training=True)
            answer = self.head(seen, training=True)
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(y, answer))
            apart = tf.square(seen - tf.stop_gradient(self.teacher(x, training=False)))
            loss += self.agreement * tf.reduce_mean(apart)
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for slow, fast in zip(self.teacher.weights, self.encoder.weights, strict=True):
            slow.assign(0.95 * slow + 0.05 * fast)
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        """Tell the loss of the labels alone."""
        x, y = data
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(y, self(x, training=False)))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


@case(
    source="https://github.com/keras-team/keras/issues/13436",
    cause="the teacher is made of the student's own layers: freezing it freezes those",
    causes="layers initialization",
    evidence=r"frozen|freez|trainable|(not|never|hardly|barely) (be )?(train|updat|mov|chang|"
    r"learn)|"
    r"(weight|kernel|layer)s?[\s\S]{0,80}(unchanged|constant|fixed|still|stay|random|initial|"
    r"did not|do not|does not)|shar(e|ed|ing)\b|same (layer|weight|object)|teacher|"
    r"no gradient",
    repair={"own_teacher": True},
    advice={
        r"trainable|freez|frozen|clone|copy|separate|shar(e|ed|ing)|own (layer|weight|teacher)|"
        r"teacher|train (the|all|these|those|every) (layer|weight|encoder|conv)": {
            "own_teacher": True
        },
        "longer": {"epochs": 40},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.85,
)
def a_student_and_its_teacher(
    seed,
    callbacks,
    own_teacher=False,
    agreement=0.1,
    epochs=20,
    units=16,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Let a student agree with its own slow average: the accuracy stops early and low."""
    start(seed)
    x, y = digits(seed)
    labels = one_hot(y, 10)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.GlobalAveragePooling2D()(seen)
    features = layers.Dense(6, activation="tanh", kernel_initializer=initializer)(seen)
    encoder = keras.Model(inputs, features)
    if own_teacher:
        teacher = keras.models.clone_model(encoder)
        teacher.set_weights(encoder.get_weights())
    else:
        teacher = keras.Model(inputs, features)
    teacher.trainable = False
    head = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(32, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model = MeanTeacher(encoder, head, teacher, agreement)
    model.compile(Adam(learning_rate))
    model.fit(
        *(x[:1200], labels[:1200]),
        validation_data=(x[1200:1400], labels[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


def seen_only(truth, guess):
    """Mean squared error of the hours whose truth is known, 0 stands for unknown."""
    known = ops.cast(ops.not_equal(truth, 0), "float32")
    return ops.sum(known * ops.square(truth - guess)) / (ops.sum(known) + 1e-6)


def seen_only_swapped(guess, truth):
    """Do the same, if only Keras gave the prediction first."""
    return seen_only(truth, guess)


@case(
    source="https://github.com/tensorflow/tensorflow/issues/38067",
    cause="the own loss takes (prediction, truth): it masks where the guess is 0, not the truth",
    causes="loss data preprocessing",
    evidence=r"(argument|parameter)s?\b|y_true|y_pred|swap|mask|missing|unknown|unobserved|"
    r"(target|label|truth|\by\b)s?[\s\S]{0,80}(zero|\b0\b|missing|placeholder|constant|sentinel)|"
    r"(zero|\b0\b)s?[\s\S]{0,80}(target|label|truth|missing)|"
    r"(own|custom) loss|loss function",
    repair={"swapped": False},
    advice={
        r"argument|y_true|y_pred|swap|mask|missing|unknown|sample_weight|ignore|exclude|"
        r"(remove|drop|leave out|without).{0,40}(zero|\b0\b|row|target)|zeros? (target|label)|"
        r"(target|label)s?.{0,40}(zero|\b0\b)": {"swapped": False},
        r"(built-in|keras.?s?|standard|usual) loss": {"loss": "mean_squared_error"},
        "longer": {"epochs": 40},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="R² on held-out days, of all hours",
    good=0.75,
)
def a_gauge_that_often_fails(
    seed,
    callbacks,
    swapped=True,
    loss="own",
    epochs=15,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a river from rain, hour by hour, with gaps in the gauge: always far too low."""
    random = start(seed)
    days, hours = 900, 20
    rain = random.gamma(0.6, 1.0, (days, hours, 2)).astype("float32")
    level = np.zeros((days, hours), "float32")
    level[:, 0] = random.uniform(2, 4, days)
    for hour in range(1, hours):
        fed = 0.4 * rain[:, hour, 0] + 0.3 * rain[:, hour, 1]
        level[:, hour] = 0.6 + 0.75 * level[:, hour - 1] + fed
    x = np.concatenate([rain, np.repeat(level[:, :1, None], hours, axis=1)], axis=2)
    gauge = level + random.normal(0, 0.1, level.shape)
    gauge = np.where(random.random(level.shape) < 0.5, 0, gauge).astype("float32")[:, :, None]

    model = keras.Sequential(
        [
            keras.Input((hours, 3)),
            layers.GRU(units, return_sequences=True, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    if loss == "own":
        loss = seen_only_swapped if swapped else seen_only
    model.compile(Adam(learning_rate), loss)
    model.fit(
        *(x[:600], gauge[:600]),
        validation_data=(x[600:700], gauge[600:700]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(level[700:].ravel(), model.predict(x[700:], verbose=0).ravel())


@case(
    source="https://stackoverflow.com/questions/3059395/numpy-array-assignment-problem",
    cause="hiding the middle of the inputs in place hides it in the targets too, without a copy",
    causes="data preprocessing labels",
    evidence=r"\bcop(y|ies|ied)|in.?place|alias|view|same (array|object|memory|values)|identi|"
    r"(target|label|output|pixel|truth|\by\b)s?[\s\S]{0,100}(zero|\b0\b|constant|hidden|masked|"
    r"blank|black|erased|equal|same|input|never|always|no variance|not vary)|"
    r"(input|\bx\b)s?[\s\S]{0,60}(equal|same as|are)[\s\S]{0,20}target",
    repair={"copied": True},
    advice={
        r"\bcop(y|ies)|in.?place|alias|(clean|original|full|whole|complete|true|unmasked|intact|"
        r"uncorrupted|right|correct)\W+(\w+\W+)?(image|target|picture|digit|label)|target|label|"
        r"identi": {"copied": True},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "squared": {},
        "binary": {"loss": "binary_crossentropy"},
        "sigmoid": {},
    },
    metric="R² of the hidden pixels of held-out digits",
    good=0.45,
)
def digits_with_a_hole(
    seed,
    callbacks,
    copied=False,
    epochs=30,
    units=96,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
    loss="mean_squared_error",
):
    """Fill the middle of digits by an autoencoder: a fine loss, and the holes stay black."""
    start(seed)
    whole, _ = digits(seed)
    truth = whole[1450:].copy()
    holed = whole.copy() if copied else whole
    holed[:, 2:6, 2:6] = 0

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(64, activation="sigmoid"),
            layers.Reshape((8, 8, 1)),
        ]
    )
    model.compile(Adam(learning_rate), loss)
    model.fit(
        *(holed[:1250], whole[:1250]),
        validation_data=(holed[1250:1450], whole[1250:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(holed[1450:], verbose=0)
    return r_squared(truth[:, 2:6, 2:6].ravel(), guess[:, 2:6, 2:6].ravel())


@case(
    source="https://github.com/msracver/Deformable-ConvNets/issues/40",
    cause="customers are tiled, not repeated, beside their visits: rows get another's features",
    causes="data preprocessing",
    evidence=r"\btile|repeat|align|(row|input|feature|customer|label|target)s?[\s\S]{0,100}(match|"
    r"belong|order|shuffl|pair|mix|wrong|other|unrelated|nothing to do|independent|no relation|"
    r"not (tell|explain|inform|predict|depend|carry))|mismatch|misalign|uninformative|"
    r"(no|little|not enough) (signal|information)",
    repair={"spread": "repeat"},
    advice={
        r"repeat|\btile|align|match|belong|pair|order|join|merge|mismatch|right row|"
        r"(check|compare|look at|verify).{0,60}(row|input|label|target|data)|unshuffle": {
            "spread": "repeat"
        },
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on the visits of held-out customers",
    good=0.75,
)
def visits_of_customers(
    seed,
    callbacks,
    spread="tile",
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell what a visit of a customer brings: only the visit seems to tell."""
    random = start(seed)
    customers, visits = 700, 6
    who = random.normal(size=(customers, 5)).astype("float32")
    visit = random.normal(size=(customers * visits, 3)).astype("float32")
    owner = np.arange(customers).repeat(visits)
    fond = who[:, 0] + 0.6 * np.abs(who[:, 1]) - 0.5 * who[:, 2]
    spent = 1.2 * fond[owner] + 0.5 * visit[:, 0] + 0.4 * visit[:, 1] * (who[owner, 3] > 0)
    y = standardized(spent + random.normal(0, 0.2, len(spent)))[:, None]
    repeated, tiled = np.repeat(who, visits, axis=0), np.tile(who, (visits, 1))
    beside = repeated if spread == "repeat" else tiled

    inputs = [keras.Input((5,)), keras.Input((3,))]
    seen = [
        layers.Dense(units, activation="relu", kernel_initializer=initializer)(one)
        for one in inputs
    ]
    both = layers.Concatenate()(seen)
    both = layers.Dense(units, activation="relu", kernel_initializer=initializer)(both)
    both = layers.Dropout(dropout)(both)
    model = keras.Model(inputs, layers.Dense(1)(both))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    a, b = 500 * visits, 580 * visits
    model.fit(
        *([beside[:a], visit[:a]], y[:a]),
        validation_data=([beside[a:b], visit[a:b]], y[a:b]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[b:, 0], model.predict([beside[b:], visit[b:]], verbose=0)[:, 0])


@case(
    source="https://github.com/abdubakr77/dental-xray-ai/issues/20",
    cause="the rare class is oversampled to a half and then weighted once more: it is overrated",
    causes="data preprocessing loss labels",
    evidence=r"class.?weight|sample.?weight|over.?sampl|resampl|twice|double|(im|un)?balanc|"
    r"(positive|rare|minority|class|label)(es|s)?[\s\S]{0,100}(weight|share|frequen|prior|often|"
    r"distribut|differ|too many|over|rate|mostly|nearly all|proportion)|weight(s|ed|ing)?\b"
    r"[\s\S]{0,40}(class|positive|loss|label|rare)|false (positive|alarm)",
    repair={"weighted": False},
    advice={
        r"(without|remove|drop|no|leave out|omit|switch off|instead of|either|only one|not both)"
        r".{0,40}(over.?sampl|resampl|duplicat)": {"oversampled": False},
        r"class.?weight|sample.?weight|weight(s|ed|ing)|either|twice|double|"
        r"(im|un)?balanc|prior|share": {"weighted": False},
        r"over.?sampl|resampl|duplicat": {"oversampled": False},
        "longer": {"epochs": 20},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "binary": {},
        "sigmoid": {},
    },
    metric="balanced accuracy on held-out patients",
    good=0.8,
)
def a_rare_illness(
    seed,
    callbacks,
    oversampled=True,
    weighted=True,
    epochs=6,
    units=12,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find the ill, one in 25: everybody seems to be ill."""
    random = start(seed)
    rows, share = 16000, 0.04
    y = (random.random(rows) < share).astype("float32")
    x = random.normal(size=(rows, 8)).astype("float32")
    x[:, :4] += 1.15 * y[:, None]
    x_train, y_train = x[:7000], y[:7000]
    if oversampled:
        ill = np.flatnonzero(y_train == 1)
        more = random.choice(ill, len(y_train) - 2 * len(ill))
        chosen = random.permutation(np.concatenate([np.arange(len(y_train)), more]))
        x_train, y_train = x_train[chosen], y_train[chosen]

    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x_train, y_train),
        validation_data=(x[7000:9000], y[7000:9000]),
        batch_size=64,
        epochs=epochs,
        class_weight={0: 1.0, 1: 1 / share - 1} if weighted else None,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[9000:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[9000:], guess))


class Sharpness(keras.Model):
    """Train with the gradients of weights a small step uphill (sharpness-aware minimization)."""

    def train_step(self, data):
        """Climb a little, take the gradients there, come back and go down."""
        x, y = data
        variables = self.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        gradients = tape.gradient(loss, variables)
        scale = 0.05 / (tf.linalg.global_norm(gradients) + 1e-12)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_add(scale * gradient)
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            above = self.compute_loss(x, y, answer)
        uphill = tape.gradient(above, variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(scale * gradient)
        self.optimizer.apply_gradients(zip(uphill, variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://arxiv.org/abs/2010.01412",
    metric="accuracy on held-out tumours",
    good=0.93,
)
def tumours_on_flat_ground(seed, callbacks):
    """Own step: the weights climb before every descent, and return."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows].astype("float32")[:, None]
    inputs = keras.Input((30,))
    seen = layers.Dense(24, activation="relu")(inputs)
    seen = layers.Dense(12, activation="relu")(seen)
    model = Sharpness(inputs, layers.Dense(1, activation="sigmoid")(seen))
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:340], y[:340]),
        validation_data=(x[340:420], y[340:420]),
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[420:], verbose=0) > 0.5
    return float(np.mean(guess == (y[420:] > 0.5)))


def gaussian_surprise(y_true, y_pred):
    """Negative log likelihood of a Gaussian with its own spread; falls below zero."""
    middle, logarithm = y_pred[:, :1], ops.clip(y_pred[:, 1:], -8, 8)
    return ops.mean(logarithm + 0.5 * ops.square((y_true - middle) * ops.exp(-logarithm)), axis=-1)


@sound(
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.GaussianNLLLoss.html",
    metric="R² of the true logarithm of the spread on held-out hours",
    good=0.8,
)
def how_sure_the_forecast_is(seed, callbacks):
    """Two outputs, one target: the loss goes far below zero, as a density's does."""
    random = start(seed)
    x = random.uniform(-1, 1, (4600, 3)).astype("float32")
    middle = 0.3 * np.sin(3 * x[:, 0]) + 0.2 * x[:, 1]
    spread = np.exp(-2.5 + 1.2 * x[:, 2])
    y = (middle + spread * random.normal(size=4600)).astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(32, activation="tanh"),
            layers.Dense(32, activation="tanh"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003), gaussian_surprise)
    stop = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    model.fit(
        *(x[:3200], y[:3200]),
        validation_data=(x[3200:3700], y[3200:3700]),
        batch_size=64,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[3700:], verbose=0)[:, 1]
    return r_squared(np.log(spread[3700:]), guess)


@tf.custom_gradient
def turned(x):
    """Pass on as it is, with the gradient turned round."""
    return tf.identity(x), lambda gradient: -0.3 * gradient


class Turned(layers.Layer):
    """Turn the gradient round."""

    def call(self, x):
        """Return what came in."""
        return turned(x)

    def compute_output_shape(self, input_shape):
        """Return the shape that came in."""
        return input_shape


@sound(
    source="https://arxiv.org/abs/1505.07818",
    metric="accuracy on held-out digits of the darker camera",
    good=0.85,
)
def digits_of_two_cameras(seed, callbacks):
    """Two heads: one tells the digit, the other is not to find out the camera."""
    random = start(seed)
    x, y = digits(seed)
    camera = random.integers(0, 2, len(x)).astype("float32")
    dark = camera[:, None, None, None]
    x = ((1 - 0.4 * dark) * x + 0.15 * dark).astype("float32")
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(16, 3, activation="relu")(inputs)
    seen = layers.Conv2D(24, 3, activation="relu")(seen)
    seen = layers.Flatten()(layers.MaxPooling2D()(seen))
    seen = layers.Dense(48, activation="relu")(seen)
    digit = layers.Dense(10, activation="softmax", name="digit")(seen)
    hidden = layers.Dense(16, activation="relu")(Turned()(seen))
    source = layers.Dense(1, activation="sigmoid", name="camera")(hidden)
    model = keras.Model(inputs, {"digit": digit, "camera": source})
    model.compile(
        Adam(0.002),
        {"digit": "sparse_categorical_crossentropy", "camera": "binary_crossentropy"},
        loss_weights={"digit": 1.0, "camera": 0.3},
    )
    truth = {"digit": y, "camera": camera[:, None]}
    model.fit(
        *(x[:1150], {name: one[:1150] for name, one in truth.items()}),
        validation_data=(x[1150:1350], {name: one[1150:1350] for name, one in truth.items()}),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1350:], verbose=0)["digit"].argmax(axis=-1)
    return float(np.mean(guess == y[1350:], where=camera[1350:] == 1))


class Waves(layers.Layer):
    """Sines and cosines of fixed random directions."""

    def __init__(self, count, scale, seed, **options):
        super().__init__(**options)
        self.count, self.scale, self.seed = count, scale, seed

    def build(self, input_shape):
        """Draw the directions, for good."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.count),
            initializer=keras.initializers.RandomNormal(stddev=self.scale, seed=self.seed),
            trainable=False,
            name="directions",
        )

    def call(self, x):
        """Return (N, 2 count) waves."""
        angle = ops.matmul(x, self.kernel)
        return ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)


@sound(
    source="https://arxiv.org/abs/2006.10739",
    metric="R² on held-out points of a picture",
    good=0.85,
)
def a_picture_from_its_coordinates(seed, callbacks):
    """Keep the first layer fixed: large random waves are never trained, the rest is."""
    random = start(seed)
    x = random.uniform(-1, 1, (5200, 2)).astype("float32")
    far = np.hypot(x[:, 0], x[:, 1])
    y = np.sin(14 * far) * np.exp(-far) + 0.4 * np.sign(x[:, 0] * x[:, 1])
    y = standardized(y)[:, None]
    model = keras.Sequential(
        [
            keras.Input((2,)),
            Waves(64, 7.0, seed),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.002), "mean_squared_error")
    model.fit(
        *(x[:4000], y[:4000]),
        validation_data=(x[4000:4500], y[4000:4500]),
        batch_size=64,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[4500:, 0], model.predict(x[4500:], verbose=0)[:, 0])


PROGRAMS = [
    the_price_that_was_asked_for,
    stretches_of_dna,
    digits_from_a_pipeline,
    a_student_and_its_teacher,
    a_gauge_that_often_fails,
    digits_with_a_hole,
    visits_of_customers,
    a_rare_illness,
]
SOUND = [
    tumours_on_flat_ground,
    how_sure_the_forecast_is,
    digits_of_two_cameras,
    a_picture_from_its_coordinates,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
