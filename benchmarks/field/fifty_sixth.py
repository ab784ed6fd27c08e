"""Twelve more field programs, whose mistakes raise no error, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_sixth
    python benchmarks/diagnosis.py --programs fifty_sixth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam
from sklearn.metrics import balanced_accuracy_score

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


def measured_error(y_true, y_pred):
    """Squared error of the values that were measured; the second column tells which."""
    error = ops.square(y_true[:, 0] - y_pred[:, 0])
    return ops.mean(error * y_true[:, 1:])


def measured_error_by_column(y_true, y_pred):
    """Squared error of the values that were measured, column by column."""
    return ops.mean(ops.square(y_true[:, :1] - y_pred) * y_true[:, 1:])


@case(
    source="https://github.com/pytorch/tutorials/issues/383",
    cause="errors (N,) times flags (N, 1) are (N, N): gaps, filled with 0, count like any value",
    causes="loss data",
    evidence=r"broadcast|\(N?\d*, ?N?\d*\)|(shape|dimension|rank)s?\b[\s\S]{0,120}(loss|target|"
    r"flag|mask|output|predict|error|match|differ)|(loss|target|flag|mask|error)\w*[\s\S]{0,80}"
    r"(shape|dimension|rank)|(\bmask|flag|missing|\bgaps\b|unmeasured|unknown|fill)\w*[\s\S]{0,99}("
    r"target|label|count|effect|ignor|same value|value 0)|(target|label|\by\b)\w*"
    r"[\s\S]{0,100}(exactly 0|zeros\b|same value|missing|filled|one value|spike|\bmask|flag)|"
    r"(own|custom) loss|pairwise|all pairs|(every|each|all)( other)? rows?|mixes? rows",
    repair={"loss": "known"},
    advice={
        r"broadcast|shape|squeeze|reshape|expand_dims|newaxis|\[:, ?:?\d\]|\(-1, ?1\)|mask|"
        r"sample_weight|missing|\bgaps?\b|own loss|custom loss|drop[\s\S]{0,30}rows|per row": {
            "loss": "known"
        },
        r"loss=.?(mean_squared_error|mse)": {"loss": "plain"},
        "longer": {"epochs": 45},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "plain"},
        "linear": {},
        "relu": {},
    },
    metric="R² on held-out wells",
    good=0.8,
)
def wells_with_gaps(
    seed,
    callbacks,
    loss="pairs",
    scaled=False,
    epochs=18,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the level of wells, of which half were not measured: all forecasts are too low."""
    random = start(seed)
    x = random.normal(size=(2400, 6)).astype("float32")
    level = 2.5 + 0.8 * x[:, 0] - 0.6 * x[:, 1] * x[:, 2] + 0.5 * np.abs(x[:, 3])
    level = level + random.normal(0, 0.15, 2400)
    measured = random.random(2400) < 0.5
    y = np.stack([np.where(measured, level, 0), measured], axis=1).astype("float32")
    if scaled:
        x = standardized(x)

    model = keras.Sequential([keras.Input((6,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    if loss == "plain":
        model.compile(Adam(learning_rate), "mean_squared_error")
        y = y[:, :1]
    else:
        own = {"pairs": measured_error, "known": measured_error_by_column}[loss]
        model.compile(Adam(learning_rate), own)
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(level[1900:], model.predict(x[1900:], verbose=0)[:, 0])


@case(
    source="https://github.com/declare-lab/MELD/issues/51",
    cause="the class weights are in the order of the names, the labels in one of their own",
    causes="weights data loss",
    evidence=r"class.?weight|(weight|weighted|weighting)s?[\s\S]{0,120}(class|label|frequen|common|"
    r"rare|major|minor|order|largest|often)|(class|label|major|minor|rare|frequent)\w*[\s\S]{0,100}"
    r"(weigh|\bweights?\b)",
    repair={"by_name": True},
    advice={
        r"(remove|drop|without|leave out|no|omit)\b.{0,20}(class.?)?weights?|"
        r"class_weight ?= ?None": {"weighted": False},
        r"class.?weight|weights?[\s\S]{0,40}(order|class|label|rare|frequen)|balanced|"
        r"invers|bincount|oversampl|resampl": {"by_name": True},
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="balanced accuracy on held-out utterances",
    good=0.72,
)
def moods_of_a_dialogue(
    seed,
    callbacks,
    by_name=False,
    weighted=True,
    epochs=12,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell four moods, some of them rare, from features of speech: the rare ones are missed."""
    random = start(seed)
    names = np.array(["neutral", "joy", "fear", "anger"])
    y = random.choice(4, 6000, p=[0.68, 0.2, 0.07, 0.05])
    centres = 1.15 * np.array([[0, 0, 0], [1.4, 0.4, 0], [0, 1.6, 0.6], [-0.8, 0.4, 1.5]])
    x = np.zeros((6000, 8), "float32")
    x[:, :3] = centres[y] + random.normal(0, 0.75, (6000, 3))
    x[:, 3:] = random.normal(size=(6000, 5))

    _, counts = np.unique(names[y[:3500]], return_counts=True)
    weights = counts.sum() / (4 * counts)
    if by_name:
        weights = weights[np.argsort(np.argsort(names))]
    model = keras.Sequential([keras.Input((8,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(4, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:3500], y[:3500]),
        validation_data=(x[3500:4200], y[3500:4200]),
        batch_size=64,
        epochs=epochs,
        class_weight=dict(enumerate(weights.tolist())) if weighted else None,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[4200:], verbose=0).argmax(axis=1)
    return float(balanced_accuracy_score(y[4200:], guess))


@case(
    source="https://github.com/axium/CNN-For-End-to-End-Deblurring--Keras/issues/2",
    cause="every block is fed with the picture, so only the last one is part of the network",
    causes="layers",
    evidence=r"(not|un|dis|never|only)[\s\S]{0,20}connect|receptive|sees? (only|no more|at most)|"
    r"\b(one|single|1|few)\b[\s\S]{0,20}(conv|block|hidden)|shallow|too few (layers|conv|blocks)|"
    r"\bdeeper|\bdepth\b|(conv|block|kernel)\w*[\s\S]{0,100}(3 ?[x×] ?3|\(3, ?3\)|3 pixels|"
    r"fed (with|by)|unused|skipped|left out|missing)|global.?average|averag\w+ over (the |all )?"
    r"(picture|image|pixel|position|place)",
    repair={"chained": True},
    advice={
        r"connect|chain|previous|output of|more (conv|blocks|layers)|add[\s\S]{0,30}(conv|block|"
        r"layer)|deeper|stack|second conv|another conv": {"chained": True},
        r"kernel_size|(larger|bigger|wider) (kernel|window|filter)|receptive|dilat": {"kernel": 5},
        r"flatten|instead of[\s\S]{0,30}(averag|pool)|without[\s\S]{0,30}pool": {"flat": True},
        "longer": {"epochs": 20},
        "wider": {"filters": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def digits_by_four_blocks(
    seed,
    callbacks,
    chained=False,
    kernel=3,
    flat=False,
    filters=24,
    epochs=8,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits by four blocks of convolutions: it learns, but far less than it should."""
    start(seed)
    x, y = digits(seed)
    picture = keras.Input((8, 8, 1))
    seen = layers.Rescaling(2.0, offset=-1.0)(picture)
    for _ in range(4):
        before = seen if chained else picture
        conv = layers.Conv2D(filters, kernel, padding="same", kernel_initializer=initializer)
        seen = layers.BatchNormalization(momentum=0.9)(conv(before))
        seen = layers.Activation("relu")(seen)
    seen = layers.Flatten()(seen) if flat else layers.GlobalAveragePooling2D()(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(picture, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:])


class Taught(keras.Model):
    """A student that learns from a few labels and from what its teacher thinks of every row."""

    def __init__(self, inputs, outputs, teacher, own_answer, share, temperature):
        super().__init__(inputs, outputs)
        self.teacher = teacher
        self.own_answer, self.share, self.temperature = own_answer, share, temperature

    def train_step(self, data):
        """Update the student; labels below 0 are not known."""
        x, y = data
        known = tf.cast(y >= 0, tf.float32)
        large = self.teacher(x, training=False) / self.temperature
        with tf.GradientTape() as tape:
            output = self(x, training=True)
            hard = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(y, 0), output)
            hard = tf.reduce_sum(hard * known) / tf.maximum(tf.reduce_sum(known), 1.0)
            small = output / self.temperature if self.own_answer else large
            away = tf.nn.log_softmax(large) - tf.nn.log_softmax(small)
            soft = tf.reduce_mean(tf.reduce_sum(tf.nn.softmax(large) * away, axis=-1))
            loss = (1 - self.share) * hard + self.share * self.temperature**2 * soft
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(tf.maximum(y, 0), output, sample_weight=known)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/66",
    cause="the teacher is compared with itself, so the student learns from the few labels only",
    causes="loss data",
    evidence=r"teacher|distill|student|soft (loss|target|label)|(own|custom|hand\w*)[\s\S]{0,20}"
    r"(train_step|training step|loss)|train_step|(part|term) of the loss|"
    r"(loss|gradient)[\s\S]{0,80}(constant|does not depend|no gradient|always 0)|"
    r"(rows?|samples?|examples?)[\s\S]{0,60}(\bno\b|without|never|nothing)[\s\S]{0,30}(gradient|"
    r"effect|influence|loss)|unlabel\w+ rows",
    repair={"own_answer": True},
    advice={
        r"teacher|distill|student|train_step|own loss|custom loss|soft (loss|target)": {
            "own_answer": True
        },
        r"more (labels|labelled|labeled|data|rows|examples|samples)|label more|collect": {
            "labels": 400
        },
        r"early.?stop|best epoch|restore_best": {"stop": True},
        "longer": {"epochs": 50},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def digits_from_a_teacher(
    seed,
    callbacks,
    own_answer=False,
    labels=40,
    stop=False,
    epochs=25,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Teach a small network with forty labels and a larger one: hardly better than the labels."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    teacher = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile(Adam(0.003), loss)
    teacher.fit(x[:600], y[:600], epochs=20, verbose=0)
    teacher.trainable = False

    told = np.where(np.arange(1300) < labels, y[:1300], -1).astype("int32")
    inputs = keras.Input((64,))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Dropout(dropout)(seen)
    outputs = layers.Dense(10)(seen)
    model = Taught(inputs, outputs, teacher, own_answer, share=0.7, temperature=3.0)
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=4, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[:1300], told),
        validation_data=(x[1300:1450], y[1300:1450]),
        batch_size=50,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


@case(
    source="https://github.com/lucidrains/x-transformers/issues/164",
    cause="Keras attends where the mask is True; here that is the padding, not the words",
    causes="layers preprocessing data",
    evidence=r"mask|padd|attention|attend",
    repair={"attend_words": True},
    advice={
        r"mask ?= ?None|without (a |the )?mask|(remove|drop|leave out)[\s\S]{0,20}mask": {
            "masked": False
        },
        r"mask|padd|attend|attention": {"attend_words": True},
        "longer": {"epochs": 20},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 4e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out tickets",
    good=0.88,
)
def tickets_by_attention(
    seed,
    callbacks,
    attend_words=False,
    masked=True,
    epochs=8,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find urgent tickets of 4 to 20 words by self-attention: most seem the same to it."""
    random = start(seed)
    rows, length = 3400, 20
    words = random.integers(61, 500, (rows, length))
    y = random.integers(0, 2, rows)
    telling = random.random((rows, length)) < 0.35
    telling[:, 0] = True
    words[telling] = (1 + random.integers(0, 30, (rows, length)) + 30 * y[:, None])[telling]
    lengths = random.integers(4, length + 1, rows)
    words = np.where(np.arange(length) < lengths[:, None], words, 0).astype("int32")
    y = y.astype("float32")

    inputs = keras.Input((length,), dtype="int32")
    padding = ops.equal(inputs, 0)
    real = ops.logical_not(padding)
    mask = (real if attend_words else padding)[:, None, :] if masked else None
    seen = layers.Embedding(500, units)(inputs)
    attention = layers.MultiHeadAttention(2, units // 2, kernel_initializer=initializer)
    seen = attention(seen, seen, attention_mask=mask)
    share = ops.cast(real, "float32")[:, :, None]
    seen = ops.sum(seen * share, axis=1) / ops.sum(share, axis=1)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(seen))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(words[:2000], y[:2000]),
        validation_data=(words[2000:2400], y[2000:2400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(words[2400:], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == y[2400:]))


@case(
    source="https://github.com/IBM/AutoXAI4Omics/pull/58",
    cause="rows come in the order of the draw, their targets in that of the table",
    causes="data",
    evidence=r"(label|target|\by\b)\w*[\s\S]{0,120}(order|pair|shuffl|match|belong|wrong rows?|"
    r"random|mixed|align|go with|nothing to do|unrelated|do(es)? not depend|not (follow|fit)|"
    r"noise|independent|no relation|another row|permut|other rows)|(order|pair|align|shuffl|permut|"
    r"mismatch|belong)\w*[\s\S]{0,80}(label|target|rows)|(input|feature|column)s?[\s\S]{0,80}("
    r"tell|say|explain|predict|know)[\s\S]{0,30}(nothing|little|no )",
    repair={"same_order": True},
    advice={
        r"order|pair|align|shuffl|match|belong|permut|together|row by row|same rows|index|"
        r"check (the|that|whether)[\s\S]{0,40}(label|target|rows)": {"same_order": True},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out fields",
    good=0.75,
)
def yields_of_drawn_fields(
    seed,
    callbacks,
    same_order=False,
    scaled=False,
    epochs=25,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the yield of fields that were drawn for training: the mean is as good."""
    random = start(seed)
    x = random.normal(size=(2200, 7)).astype("float32")
    crop = x[:, 0] + 0.8 * x[:, 1] * x[:, 2] - 0.7 * np.abs(x[:, 3]) + 0.4 * x[:, 4]
    y = standardized(crop + random.normal(0, 0.25, 2200))
    if scaled:
        x = standardized(x)

    drawn = random.permutation(2200)
    parts = drawn[:1400], drawn[1400:1700]
    pairs = []
    for part in parts:
        chosen = part if same_order else np.isin(np.arange(2200), part)
        pairs.append((x[part], y[chosen]))
    model = keras.Sequential([keras.Input((7,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *pairs[0],
        validation_data=pairs[1],
        batch_size=50,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    test = drawn[1700:]
    return r_squared(y[test], model.predict(x[test], verbose=0)[:, 0])


class Waves(layers.Layer):
    """Sines and cosines of a position, from the fastest to one 10,000 times as slow."""

    def __init__(self, count, scale=1.0):
        super().__init__()
        self.scale = scale
        self.rates = np.exp(-np.log(10_000) * np.arange(count) / count).astype("float32")

    def call(self, position):
        """Return (N, 2 count) of positions (N, 1)."""
        angle = self.scale * position * self.rates
        return ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)


@case(
    source="https://github.com/ArchiMickey/Just-a-DiT/pull/9",
    cause="waves made for positions 0, 1, 2… get a time of 0 to 1, over which they hardly change",
    causes="preprocessing layers data",
    evidence=r"\b(waves?|sinus\w*|embed\w*|encod\w*|positions?|frequenc\w+|fourier|periods?)\b|"
    r"(column|feature|activation|input|layer|\btime\b)\w*[\s\S]{0,120}(hardly|barely|nearly|almost|"
    r"little|small)[\s\S]{0,30}(var|chang|differ|constant|the same|spread|deviat|range)|"
    r"(column|feature|activation|input)\w*[\s\S]{0,80}(constant|collinear|correlat|redundan|"
    r"low.?rank)|\b(range|scale|units? of)\b[\s\S]{0,60}(\btimes?\b|inputs?\b|0 (to|and) 1)|"
    r"(\btimes?\b|inputs?)[\s\S]{0,60}(\brange|\bscale|0 (to|and) 1|in units)|\bWaves\b",
    repair={"scale": 100.0},
    advice={
        r"(multiply|scale|stretch|times|larger|rescale)[\s\S]{0,60}(time|position|input|angle)|"
        r"frequen|period|wave|sinus|embed|encod|position|10.?000|max_period": {"scale": 100.0},
        r"after|BatchNormalization|batch.?norm": {"normed": True},
        "scaled": {"scaled": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² at held-out times",
    good=0.8,
)
def a_pulse_through_its_time(
    seed,
    callbacks,
    scale=1.0,
    scaled=False,
    normed=False,
    epochs=30,
    units=48,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a signal from its time, embedded in waves, and a load: the swings are missed."""
    random = start(seed)
    time = random.random((3000, 1)).astype("float32")
    load = random.normal(size=(3000, 2)).astype("float32")
    y = np.sin(2 * np.pi * 7 * time[:, 0]) * (1 + 0.3 * load[:, 0])
    y += 0.5 * np.cos(2 * np.pi * 11 * time[:, 0]) + 0.3 * load[:, 1]
    y = standardized(y + random.normal(0, 0.1, 3000))
    if scaled:
        time = standardized(time)

    inputs = keras.Input((1,)), keras.Input((2,))
    seen = layers.Concatenate()([Waves(12, scale)(inputs[0]), inputs[1]])
    if normed:
        seen = layers.BatchNormalization()(seen)
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *((time[:2000], load[:2000]), y[:2000]),
        validation_data=((time[2000:2400], load[2000:2400]), y[2000:2400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], model.predict((time[2400:], load[2400:]), verbose=0)[:, 0])


class Picked(layers.Layer):
    """Weigh the steps of a series by their scores and add them up."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def call(self, scores, steps):
        """Return (N, C) of scores (N, T, 1) and steps (N, T, C)."""
        return ops.sum(ops.softmax(scores, axis=self.axis) * steps, axis=1)


@case(
    source="https://github.com/therne/dmn-tensorflow/issues/6",
    cause="the softmax is over the rows of a batch instead of the steps of a series",
    causes="layers loss",
    evidence=r"softmax|\baxis\b|\baxes\b|attention|(other|rest of the|between|across|mix\w*|"
    r"neighbou?r\w*)[\s\S]{0,30}(rows|batch|samples|examples)|batch[\s\S]{0,60}(depend|mix|"
    r"axis|dimension|alone)|depend\w*[\s\S]{0,60}batch|(alone|one by one|one at a time)|"
    r"(own|custom) layer|Picked",
    repair={"axis": 1},
    advice={
        r"softmax|axis|attention|across the batch|other rows|of the batch|batch (axis|dimension)|"
        r"own layer|custom layer|Picked|mix": {"axis": 1},
        r"GlobalMaxPooling|GlobalAveragePooling|pooling": {"pooled": True},
        "longer": {"epochs": 70},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.08},
        "slower": {"learning_rate": 8e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out series",
    good=0.85,
)
def the_marked_step(
    seed,
    callbacks,
    axis=0,
    pooled=False,
    epochs=35,
    units=24,
    learning_rate=0.008,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell what a marked step of a series holds by weighing its steps: it stays vague."""
    random = start(seed)
    x = random.normal(size=(2600, 12, 4)).astype("float32")
    marked = random.integers(0, 12, 2600)
    x[:, :, 0] *= 0.3
    x[np.arange(2600), marked, 0] += 2
    told = x[np.arange(2600), marked]
    y = standardized(told[:, 1] - 0.7 * told[:, 2] + 0.5 * np.abs(told[:, 3]))

    inputs = keras.Input((12, 4))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    if pooled:
        seen = layers.GlobalMaxPooling1D()(seen)
    else:
        seen = Picked(axis)(layers.Dense(1)(seen), inputs)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        batch_size=100,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:], model.predict(x[2100:], verbose=0)[:, 0])


@sound(
    source="https://scikit-learn.org/stable/modules/decomposition.html#pca",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_through_their_components(seed, callbacks):
    """Frozen: the first layer holds the whitened principal components and is never trained."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    mean = x[:1200].mean(axis=0)
    _, sizes, axes = np.linalg.svd(x[:1200] - mean, full_matrices=False)
    kernel = (axes[:24] / sizes[:24, None] * np.sqrt(1200)).T
    turned = layers.Dense(24, trainable=False)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            turned,
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    turned.set_weights([kernel, -mean @ kernel])
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=18,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://www.tensorflow.org/guide/keras/masking_and_padding",
    metric="accuracy on the real steps of held-out series",
    good=0.9,
)
def steps_that_do_not_count(seed, callbacks):
    """Weights of 0: two thirds of the steps are padding, whose labels count nothing."""
    random = start(seed)
    rows, length = 1500, 30
    x = random.normal(size=(rows, length, 3)).astype("float32")
    level = np.zeros((rows, length))
    for step in range(length):
        level[:, step] = 0.7 * (level[:, step - 1] if step else 0) + x[:, step, 0] - x[:, step, 1]
    real = np.arange(length) < random.integers(4, 17, rows)[:, None]
    x[~real] = 0
    y = np.where(real, level > 0, 0).astype("float32")[:, :, None]
    weights = real.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((length, 3)),
            layers.GRU(24, return_sequences=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.005), "binary_crossentropy", weighted_metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        sample_weight=weights[:1000],
        validation_data=(x[1000:1200], y[1000:1200], weights[1000:1200]),
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1200:], verbose=0)[:, :, 0] > 0.5
    return float(np.mean((guess == y[1200:, :, 0])[real[1200:]]))


class TwoTowers(keras.Model):
    """Two towers whose answers are compared, each with each of a batch; the pairs should win."""

    def __init__(self, left, right):
        super().__init__()
        self.left, self.right = left, right
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return [self.loss_tracker]

    def call(self, pair, training=False):
        """Return the likeness (N, N) of lefts and rights."""
        left = ops.normalize(self.left(pair[0], training=training), axis=-1)
        right = ops.normalize(self.right(pair[1], training=training), axis=-1)
        return ops.matmul(left, ops.transpose(right)) / 0.1

    def contrast(self, pair, training):
        """Cross-entropy of finding the pair among the rows of the batch, both ways."""
        like = self(pair, training=training)
        rows = tf.range(tf.shape(like)[0])
        there = tf.nn.sparse_softmax_cross_entropy_with_logits(rows, like)
        back = tf.nn.sparse_softmax_cross_entropy_with_logits(rows, tf.transpose(like))
        return tf.reduce_mean(there + back) / 2

    def train_step(self, data):
        """Take one step; there are no targets."""
        pair = data[0]
        with tf.GradientTape() as tape:
            loss = self.contrast(pair, training=True)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        """Tell the loss."""
        self.loss_tracker.update_state(self.contrast(data[0], training=False))
        return {"loss": self.loss_tracker.result()}


def tower(width):
    """Return a small network from `width` columns to 12."""
    return keras.Sequential(
        [keras.Input((width,)), layers.Dense(48, activation="relu"), layers.Dense(12)]
    )


@sound(
    source="https://keras.io/examples/vision/nl_image_search/",
    metric="share of held-out halves found among 100",
    good=0.7,
)
def halves_that_belong_together(seed, callbacks):
    """No targets: every row is compared with all of its batch, and the loss starts at log 50."""
    random = start(seed)
    hidden = random.normal(size=(2400, 6))
    mixed = np.tanh(hidden @ random.normal(0, 0.6, (6, 10)))
    left = (mixed + random.normal(0, 0.05, (2400, 10))).astype("float32")
    right = hidden @ random.normal(0, 0.6, (6, 14))
    right = (right + random.normal(0, 0.1, (2400, 14))).astype("float32")
    model = TwoTowers(tower(10), tower(14))
    model.compile(Adam(0.004))
    model.fit(
        *((left[:1800], right[:1800]), np.zeros(1800, "float32")),
        validation_data=((left[1800:2000], right[1800:2000]), np.zeros(200, "float32")),
        batch_size=50,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    found = []
    for first in range(2000, 2400, 100):
        rows = slice(first, first + 100)
        like = ops.convert_to_numpy(model((left[rows], right[rows])))
        found.append(np.mean(like.argmax(axis=1) == np.arange(100)))
    return float(np.mean(found))


@sound(
    source="https://arxiv.org/abs/1901.09321",
    metric="R² on held-out rivers",
    good=0.85,
)
def branches_that_start_at_nothing(seed, callbacks):
    """Zeros: the last layer of each branch starts at 0, so at first the answer is 0 for all."""
    random = start(seed)
    x = random.normal(size=(2400, 8)).astype("float32")
    flow = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.6 * np.abs(x[:, 3]) + 0.5 * x[:, 4]
    y = standardized(flow + random.normal(0, 0.1, 2400))
    inputs = keras.Input((8,))
    seen = layers.Dense(48)(inputs)
    for _ in range(3):
        branch = layers.Dense(48, activation="relu")(seen)
        seen = layers.Add()([seen, layers.Dense(48, kernel_initializer="zeros")(branch)])
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="zeros")(seen))
    model.compile(Adam(0.002), "mean_squared_error")
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0)[:, 0])


PROGRAMS = [
    wells_with_gaps,
    moods_of_a_dialogue,
    digits_by_four_blocks,
    digits_from_a_teacher,
    tickets_by_attention,
    yields_of_drawn_fields,
    a_pulse_through_its_time,
    the_marked_step,
]
SOUND = [
    digits_through_their_components,
    steps_that_do_not_count,
    halves_that_belong_together,
    branches_that_start_at_nothing,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
