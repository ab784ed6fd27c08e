"""Twelve more field programs, of mistakes that raise no error, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_third
    python benchmarks/diagnosis.py --programs fifty_third
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam

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


def messages(random, count, length=24):
    """Word numbers (count, length), padded behind with 0, and which kind they are of (count,)."""
    y = random.integers(0, 2, count)
    x = np.zeros((count, length), "int32")
    for row, kind in zip(x, y, strict=True):
        words = random.integers(40, 200, random.integers(6, 15))
        at = random.permutation(len(words))
        words[at[:3]] = 1 + 15 * np.array([kind, kind, 1 - kind]) + random.integers(0, 15, 3)
        row[: len(words) + 1] = [200, *words]
    return x, y.astype("float32")


@case(
    source="https://github.com/tensorflow/text/pull/894",
    cause="the attention's mask tells which words to leave out, Keras wants those to attend to",
    causes="layers preprocessing data",
    evidence=r"mask|padd|attention|attend|"
    r"(output|predict|answer|activation|logit|layer)\w*[\s\S]{0,80}(the same|identical|constant|"
    r"equal|hardly (vary|varies|differ|depend)|do(es)? not (vary|differ|depend|change))|"
    r"(ignore|does not depend|independent|no influence|not use)[\s\S]{0,60}(input|word|token|step)|"
    r"(embedding|input)[\s\S]{0,80}(no gradient|gradients? (of|is|are) (0|zero|tiny)|not reach|"
    r"never (moved?|changed?|updated?)|hardly mov)",
    repair={"attended": "words"},
    advice={
        r"(remove|drop|without|leave out|no)\b[\s\S]{0,25}mask": {"attended": "all"},
        r"mask|padd|attention|attend|invert|not_equal|logical_not": {"attended": "words"},
        r"GlobalAveragePooling|GlobalMaxPooling|\bpool": {"pooled": True},
        r"residual|skip connection": {"residual": True},
        "longer": {"epochs": 24},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
        "binary": {},
    },
    metric="accuracy on held-out messages",
    good=0.9,
)
def messages_of_two_kinds(
    seed,
    callbacks,
    attended="padding",
    pooled=False,
    residual=False,
    epochs=10,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell the kind of a message by attention to its words: the loss stays at 0.69."""
    random = start(seed)
    x, y = messages(random, 4200)

    inputs = keras.Input((24,), dtype="int32")
    mask = {
        "padding": lambda rows: ops.equal(rows, 0)[:, None, :],
        "words": lambda rows: ops.not_equal(rows, 0)[:, None, :],
        "all": lambda rows: ops.greater_equal(rows, 0)[:, None, :],
    }[attended]
    words = layers.Embedding(201, units)(inputs)
    seen = layers.MultiHeadAttention(2, units // 2, kernel_initializer=initializer)(
        words, words, attention_mask=layers.Lambda(mask, output_shape=(1, 24))(inputs)
    )
    if residual:
        seen = layers.Add()([words, seen])
    if pooled:
        seen = layers.GlobalAveragePooling1D()(seen)
    else:
        seen = layers.Lambda(lambda steps: steps[:, 0], output_shape=(units,))(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(seen))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:3000], y[:3000]),
        validation_data=(x[3000:3400], y[3000:3400]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[3400:], verbose=0)[:, 0] > 0.5) == y[3400:]))


def recorded(random, drives, copied, length=20, kept=8):
    """Windows (drives * length, kept, 3) of a car's sensors, and the braking after each."""
    windows, braking = [], []
    for _ in range(drives):
        window = random.normal(size=(kept, 3)).astype("float32")
        for _ in range(length):
            window[:-1] = window[1:].copy()
            window[-1] = 0.3 * window[-2] + random.normal(size=3)
            windows.append(window.copy() if copied else window)
            braking.append(window[-1, 0] - 0.8 * window[-2, 1] + 0.6 * np.abs(window[-3, 2]))
    y = np.array(braking, "float32") + random.normal(0, 0.1, len(braking))
    return np.stack(windows).astype("float32"), y.astype("float32")


@case(
    source="https://github.com/Itomigna2/Muesli-lunarlander/issues/1",
    cause="one array is appended again and again: all windows of a drive are its last one",
    causes="data preprocessing",
    evidence=r"identical|duplicat|repeat|(the )?same (row|input|window|sample|values?|array|"
    r"example)|distinct|(rows?|inputs?|windows?|samples?|examples?)[\s\S]{0,60}(equal|alike|"
    r"once|unique|copies|copied|only \d+)|unique|copies|contradict|conflict|"
    r"(different|several|other|many) (targets?|labels?)|ambig|"
    r"(target|label|\by\b)s?[\s\S]{0,80}(not (match|fit|belong|go with|depend|follow)|mismatch|"
    r"unrelated|nothing to do|misaligned|shuffled)|(input|row)s?[\s\S]{0,60}(do not|don't|cannot) "
    r"(tell|explain|determine|predict)",
    repair={"copied": True},
    advice={
        r"cop(y|ies)|duplicat|identical|distinct|unique|repeat|same (row|array|input|window)|"
        r"(match|belong|align|pair|go with|order)\w*|conflict|contradict|append": {"copied": True},
        "longer": {"epochs": 45},
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
    metric="R² on the windows of held-out drives",
    good=0.75,
)
def braking_of_a_car(
    seed,
    callbacks,
    copied=False,
    epochs=12,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell how hard a car brakes from windows of its sensors: the error hardly falls."""
    random = start(seed)
    x, y = recorded(random, 110, copied)
    x_valid, y_valid = recorded(random, 20, copied)
    x_test, y_test = recorded(random, 30, True)

    model = keras.Sequential(
        [
            keras.Input((8, 3)),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(16, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x, y),
        validation_data=(x_valid, y_valid),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y_test, model.predict(x_test, verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/16668",
    cause="clone_model copies the layers without their weights: what is frozen is random",
    causes="layers weights initialization",
    evidence=r"frozen|freez|trainable|pre-?trained|clone|"
    r"(weight|kernel|layer)s?[\s\S]{0,80}(random|as initiali[sz]ed|initial values?|fresh|untrained|"
    r"not (loaded|copied|trained|updated)|never (move|train|update|change)|do(es)? not move|stay)|"
    r"random (weights?|features?|start)",
    repair={"weights": "copied"},
    advice={
        r"set_weights|load_weights|copy|copied|pre-?trained|transfer|clone": {"weights": "copied"},
        r"trainable|unfreez|frozen|freez|thaw": {"frozen": False},
        "longer": {"epochs": 90},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "sigmoid": {},
        "binary": {},
    },
    metric="accuracy on held-out digits",
    good=0.88,
)
def odd_digits_from_few(
    seed,
    callbacks,
    weights="none",
    frozen=True,
    epochs=30,
    units=12,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell odd digits from 150 images, on top of a network that tells all ten: far too low."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    base = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(8, activation="relu"),
        ]
    )
    ten = keras.Sequential([base, layers.Dense(10, activation="softmax")])
    ten.compile(Adam(0.005), "sparse_categorical_crossentropy")
    ten.fit(x[:900], y[:900], epochs=15, verbose=0)

    body = keras.models.clone_model(base)
    if weights == "copied":
        body.set_weights(base.get_weights())
    body.trainable = not frozen
    model = keras.Sequential(
        [
            keras.Input((64,)),
            body,
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    odd = (y % 2).astype("float32")
    model.fit(
        *(x[900:1050], odd[900:1050]),
        validation_data=(x[1050:1250], odd[1050:1250]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1250:], verbose=0)[:, 0] > 0.5) == odd[1250:]))


class Lookup(layers.Layer):
    """Weigh values by how well their keys fit a question."""

    def __init__(self, units, axis, initializer):
        super().__init__()
        self.of_key = layers.Dense(units, kernel_initializer=initializer)
        self.of_question = layers.Dense(units, kernel_initializer=initializer)
        self.axis = axis

    def call(self, inputs):
        """Return the weighted sum over the steps."""
        question, keys, values = inputs
        fit = self.of_key(keys) * self.of_question(question)[:, None, :]
        score = ops.sum(fit, axis=-1, keepdims=True)
        weight = ops.exp(score - ops.max(score, axis=self.axis, keepdims=True))
        weight = weight / ops.sum(weight, axis=self.axis, keepdims=True)
        return ops.sum(weight * values, axis=1)

    def compute_output_shape(self, shapes):
        """Return the shape of one value a row."""
        return (shapes[2][0], shapes[2][2])


@case(
    source="https://github.com/phanideepgampa/stacked-capsule-networks/pull/5",
    cause="the softmax runs along an axis of one score: every step weighs 1, it should be axis 1",
    causes="layers activation",
    evidence=r"softmax|\baxis\b|\baxes\b|attention|lookup|own layer|custom layer|"
    r"(weight|score)s?[\s\S]{0,60}(always 1|all (ones|1)|\bones\b|sum to|constant|equal)|"
    r"(of_key|of_question|dense|kernel|layer|variable)\w*[\s\S]{0,80}(no gradient|gradients? "
    r"(of|is|are|exactly)? ?(0|zero|none)|zero gradients?|never (move|change|update|train)|"
    r"(did|do|does) not (move|change|learn)|not (connected|updated)|unconnected)",
    repair={"axis": 1},
    advice={
        r"axis|axes|softmax|attention|normali[sz]e (the )?(weights|scores)|over the steps|"
        r"connect": {"axis": 1},
        "longer": {"epochs": 45},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out questions",
    good=0.75,
)
def the_value_that_was_asked_for(
    seed,
    callbacks,
    axis=-1,
    epochs=12,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Look up the value whose key is asked for, with a layer of my own: R² is about 0.1."""
    random = start(seed)
    count, steps, size = 4000, 10, 6
    keys = random.normal(size=(count, steps, size)).astype("float32")
    keys /= np.linalg.norm(keys, axis=-1, keepdims=True)
    values = random.normal(size=(count, steps, 4)).astype("float32")
    asked = random.integers(0, steps, count)
    rows = np.arange(count)
    question = keys[rows, asked] + 0.05 * random.normal(size=(count, size))
    question = question.astype("float32")
    y = values[rows, asked] @ np.array([0.8, -0.5, 0.3, 0.2])
    y = (y + random.normal(0, 0.1, count)).astype("float32")

    inputs = [keras.Input((size,)), keras.Input((steps, size)), keras.Input((steps, 4))]
    seen = Lookup(units, axis, initializer)(inputs)
    seen = layers.Dense(24, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    parts = [question, keys, values]
    model.fit(
        *([part[:2800] for part in parts], y[:2800]),
        validation_data=([part[2800:3200] for part in parts], y[2800:3200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[3200:], model.predict([part[3200:] for part in parts], verbose=0)[:, 0])


class Accumulating(keras.Model):
    """Update the weights with the mean gradient of several batches."""

    def prepare(self, batches, cleared):
        """Make room for the sums of gradients."""
        self.batches, self.cleared = batches, cleared
        variables = self.trainable_variables
        self.sums = [tf.Variable(tf.zeros(v.shape), trainable=False) for v in variables]
        self.seen = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.optimizer.build(variables)

    def update(self):
        """Take a step, return 0."""
        means = [total / self.batches for total in self.sums]
        self.optimizer.apply_gradients(zip(means, self.trainable_variables, strict=True))
        if self.cleared:
            for total in self.sums:
                total.assign(tf.zeros_like(total))
        return 0

    def train_step(self, data):
        """Add the gradients of a batch, take a step now and then."""
        x, y = data
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = self.compute_loss(x, y, answer)
        gradients = tape.gradient(loss, self.trainable_variables)
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign_add(gradient)
        self.seen.assign_add(1)
        tf.cond(self.seen % self.batches == 0, self.update, lambda: 0)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/udacity/deep-learning-v2-pytorch/pull/160",
    cause="the sums of gradients are never set back to zero: each step repeats all former ones",
    causes="optimizer layers loss",
    evidence=r"train_step|training step|own step|custom step|accumul|"
    r"gradients?[\s\S]{0,80}(\bsum|kept|carr(y|ied)|stale|\bold\b|former|earlier|previous|"
    r"past\b|reset|clear|set (back )?to zero|differ|not those|another|pile|add up|grows? with)|"
    r"(update|step)s?[\s\S]{0,80}(not (follow|match|along|against|in the direction)|differ from|"
    r"against|opposite|unlike|uphill|wrong (way|direction)|not (the|those of the) optimi[sz]er)",
    repair={"cleared": True},
    advice={
        r"clear|reset|zero|accumul|sums? of gradients|gradient_accumulation_steps|train_step|"
        r"training step|own step|stale|assign": {"cleared": True},
        r"clipnorm|clip": {"clipnorm": 1.0},
        "slower": {"learning_rate": 0.01},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.3},
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def digits_in_small_batches(
    seed,
    callbacks,
    cleared=False,
    clipnorm=None,
    epochs=12,
    units=32,
    learning_rate=0.1,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits, four small batches a step for want of memory: the loss goes up and down."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    inputs = keras.Input((64,))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Dropout(dropout)(seen)
    model = Accumulating(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(
        SGD(learning_rate, clipnorm=clipnorm),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.prepare(4, cleared)
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=8,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


def trusted_error(kept):
    """Return a squared error, every row weighted by the trust that stands beside its target."""

    def loss(y_true, y_pred):
        target, trust = y_true[:, 0], y_true[:, 1:] if kept else y_true[:, 1]
        return ops.mean(trust * ops.square(target - y_pred[:, 0]))

    return loss


@case(
    source="https://github.com/google-deepmind/acme/issues/277",
    cause="trust (32, 1) times errors (32,) are 32 x 32 products: the trust has no effect",
    causes="loss data",
    evidence=r"broadcast|(own|custom) loss|loss function|trusted_error|pairwise|all pairs|"
    r"(shape|dimension|rank|axis|axes)s?\b[\s\S]{0,120}(loss|target|weight|differ|match|batch|"
    r"trust|y_true)|(loss|weight|trust)s?[\s\S]{0,100}(shape|dimension|rank|another row|other row|"
    r"rows? of the batch|order of the rows|mix|no effect|every row|each row|permut)",
    repair={"kept": False},
    advice={
        r"squeeze|reshape|shape|broadcast|expand_dims|newaxis|ravel|\[:, ?1\]|keepdims|"
        r"\(-1,? ?1?\)|axis|axes|(own|custom) loss|sample_weight|per row": {"kept": False},
        r"huber|mean_absolute_error|\bmae\b|robust|outlier": {"loss": "absolute"},
        "squared": {"loss": "plain"},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="R² on held-out buoys that are trusted",
    good=0.8,
)
def buoys_and_their_trust(
    seed,
    callbacks,
    kept=True,
    loss="trusted",
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell waves from buoys, half of them hardly trusted: predictions are far too flat."""
    random = start(seed)
    x = random.normal(size=(3000, 6)).astype("float32")
    true = standardized(x[:, 0] + 0.8 * x[:, 1] * x[:, 2] + 0.6 * np.abs(x[:, 3]) - 0.4 * x[:, 4])
    drifted = random.random(3000) < 0.45
    measured = np.where(drifted, 0.8 - 0.7 * true, true) + random.normal(0, 0.2, 3000)
    trust = np.where(drifted, 0.02, 1.0)
    y = np.stack([measured, trust], axis=1).astype("float32")

    def plain(y_true, y_pred):
        return ops.mean(ops.square(y_true[:, 0] - y_pred[:, 0]))

    def absolute(y_true, y_pred):
        return ops.mean(ops.abs(y_true[:, 0] - y_pred[:, 0]))

    losses = {"trusted": trusted_error(kept), "plain": plain, "absolute": absolute}
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), losses[loss])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    rest = np.flatnonzero(~drifted[2300:]) + 2300
    return r_squared(true[rest], model.predict(x[rest], verbose=0)[:, 0])


@case(
    source="https://github.com/KanishJebaMathewM/Truxify/issues/11667",
    cause="the sine is taken of slopes in degrees, it wants radians: the pull is scrambled",
    causes="preprocessing data",
    evidence=r"degree|radian|\bunits? of|\bsin(e|us)?\b|\bcos|angle|slope|period|scrambl|"
    r"(pull|column|feature|input)s?[\s\S]{0,80}(say(s)? (nothing|little)|no (relation|information|"
    r"signal|correlation)|uncorrelated|unrelated|(do|does) not (tell|explain|determine|carry)|"
    r"miss(ing)?|lack|hardly (tell|relate|correlat))|"
    r"(target|label|\by\b)s?[\s\S]{0,80}(not (depend|follow|explained)|unrelated|nothing to do|"
    r"cannot be (told|predicted|explained))",
    repair={"unit": "radians"},
    advice={
        r"radian|degree|deg2rad|\bunits? of|angle|\bsin\b|slope|pi ?/ ?180|feature|column|"
        r"check (the )?(inputs|data)": {"unit": "radians"},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out journeys",
    good=0.8,
)
def fuel_of_lorries(
    seed,
    callbacks,
    unit="degrees",
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the fuel of lorries from load, speed and the slope's pull: R² is far too low."""
    random = start(seed)
    slope = random.uniform(-14, 14, 2600)
    mass, speed = random.uniform(8, 40, 2600), random.uniform(30, 90, 2600)
    drag = random.uniform(0.5, 0.9, 2600)
    uphill = mass * 9.81 * np.sin(np.pi * slope / 180)
    power = 0.12 * mass * speed / 9 + 0.6 * drag * (speed / 10) ** 2 + np.maximum(uphill, -40)
    y = standardized(power + random.normal(0, 3, 2600))
    pull = mass * 9.81 * np.sin(np.radians(slope) if unit == "radians" else slope)
    x = standardized(np.stack([mass, speed, drag, pull], axis=1))

    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:], model.predict(x[2100:], verbose=0)[:, 0])


def sounds(random, count):
    """Spectrograms (count, 16, 12, 1) of six kinds of sound, and their numbers (count,)."""
    y = random.integers(0, 6, count)
    x = random.normal(0, 0.6, (count, 16, 12, 1))
    for picture, kind in zip(x, y, strict=True):
        at, begin = random.integers(2, 12), random.integers(0, 4)
        steps = np.arange(8)
        slope = [0, 0.5, -0.5, 0, 1, -1][kind]
        tone = np.clip(at + slope * (steps - 4), 0, 15).astype(int)
        picture[tone, begin + steps, 0] += 2
        if kind == 3:
            picture[np.clip(tone + 3, 0, 15), begin + steps, 0] += 2
    return x.astype("float32"), y


def batches(x, y, size, random, restarted):
    """Yield batches of rows in a random order, for ever."""
    order, count = random.permutation(len(x)), 0
    while True:
        rows = order[count * size : (count + 1) * size]
        pictures, kinds = np.zeros((size, *x.shape[1:]), "float32"), np.zeros(size, "int64")
        for to, row in enumerate(rows):
            pictures[to], kinds[to] = x[row], y[row]
        yield pictures, kinds
        count += 1
        if restarted and (count + 1) * size > len(x):
            order, count = random.permutation(len(x)), 0


@case(
    source="https://github.com/keras-team/keras/issues/5818",
    cause="the generator's counter is never set back: after one epoch all batches are zeros",
    causes="data preprocessing",
    evidence=r"generator|\bzeros?\b|\bblank|\bempty|"
    r"identical|duplicat|repeat|(the )?same (row|input|batch|sample|picture|values?)|"
    r"(rows?|inputs?|batch(es)?|pictures?|samples?)[\s\S]{0,60}(constant|all 0|equal|distinct|"
    r"unique|never var|differ from (the )?(first|earlier|validation))|"
    r"(one|single|only one|same|only) (class|label|target)|(class|label)(es|s)?[\s\S]{0,60}"
    r"(missing|absent|never|only|all 0|\b0\b)|"
    r"(first epoch|epochs? (1|2|one|two))\b[\s\S]{0,60}(differ|other|then|after|change)",
    repair={"restarted": True},
    advice={
        r"generator|counter|reset|restart|set back|start(s)? (again|over)|zeros?\b|empty|blank|"
        r"batches|PyDataset|Sequence|tf\.data|repeat|duplicat|shuffl|class(es)? missing|"
        r"steps_per_epoch": {"restarted": True},
        r"early.?stop|best epoch": {"stop": True},
        "longer": {"epochs": 24},
        "wider": {"filters": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out sounds",
    good=0.85,
)
def sounds_of_a_town(
    seed,
    callbacks,
    restarted=False,
    stop=False,
    epochs=12,
    filters=12,
    learning_rate=0.003,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Tell sounds from a generator: training is perfect soon, the validation gets worse."""
    random = start(seed)
    x, y = sounds(random, 3000)
    model = keras.Sequential(
        [
            keras.Input((16, 12, 1)),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(32, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(6, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=3, restore_best_weights=True)] if stop else []
    model.fit(
        batches(x[:2000], y[:2000], 40, random, restarted),
        steps_per_epoch=50,
        validation_data=(x[2000:2300], y[2000:2300]),
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[2300:], y[2300:])


@sound(
    source="https://github.com/secondmind-labs/GPflux/pull/51",
    metric="R² on held-out soils",
    good=0.85,
)
def waves_that_stay(seed, callbacks):
    """Frozen: a first layer of random waves is not trained on purpose, only the last one is."""
    random = start(seed)
    x = random.uniform(-1, 1, (2600, 3)).astype("float32")
    true = standardized(np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + np.cos(2 * x[:, 1] + x[:, 0]))
    y = (true + random.normal(0, 0.2, 2600)).astype("float32")
    waves = layers.Dense(
        200,
        activation=ops.cos,
        kernel_initializer=keras.initializers.RandomNormal(stddev=1.5),
        bias_initializer=keras.initializers.RandomUniform(0, 2 * np.pi),
        trainable=False,
    )
    model = keras.Sequential([keras.Input((3,)), waves, layers.Dense(1)])
    model.compile(Adam(0.003), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        batch_size=64,
        epochs=40,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(true[2100:], model.predict(x[2100:], verbose=0)[:, 0])


def known_only(y_true, y_pred):
    """Cross-entropy of the answers that are known; unknown ones are -1."""
    known = ops.cast(y_true >= 0, "float32")
    y = ops.maximum(y_true, 0.0)
    guess = ops.clip(y_pred, 1e-6, 1 - 1e-6)
    entropy = -y * ops.log(guess) - (1 - y) * ops.log(1 - guess)
    return ops.sum(known * entropy) / ops.maximum(ops.sum(known), 1.0)


@sound(
    source="https://github.com/keras-team/keras/issues/8342",
    metric="accuracy of all five answers, on held-out substances",
    good=0.88,
)
def substances_hardly_tested(seed, callbacks):
    """Targets: two thirds of them are -1, unknown, and a loss of its own leaves them out."""
    random = start(seed)
    x = random.normal(size=(4000, 12)).astype("float32")
    mixed = np.tanh(x @ random.normal(size=(12, 4)) * 0.6)
    true = (mixed @ random.normal(size=(4, 5)) > 0).astype("float32")
    y = np.where(random.random(true.shape) < 0.66, -1, true).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(5, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.005), known_only)
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:3000], y[:3000]),
        validation_data=(x[3000:3400], y[3000:3400]),
        batch_size=64,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[3400:], verbose=0) > 0.5) == true[3400:]))


@sound(
    source="https://github.com/tensorflow/addons/issues/2260",
    metric="accuracy on held-out digits",
    good=0.92,
)
def one_step_in_four(seed, callbacks):
    """Change weights after four batches: the optimizer gathers the gradients of the others."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(48, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rule = Adam(0.005, gradient_accumulation_steps=4)
    model.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=8,
        epochs=9,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://github.com/tensorflow/tensorflow/issues/39146",
    metric="R² on held-out orders",
    good=0.85,
)
def orders_of_few_things(seed, callbacks):
    """Leave padding out of the mean by a mask: nine steps of ten hold nothing."""
    random = start(seed)
    count, steps = 2600, 30
    sizes = random.integers(1, 6, count)
    x = np.zeros((count, steps, 3), "float32")
    worth = np.zeros(count)
    for row, size in enumerate(sizes):
        things = random.normal(size=(size, 3))
        x[row, :size] = things
        worth[row] = np.mean(np.maximum(things[:, 0], 0) + 0.7 * things[:, 1] * things[:, 2])
    y = standardized(worth + random.normal(0, 0.1, count))
    inputs = keras.Input((steps, 3))
    seen = layers.Masking(0.0)(inputs)
    seen = layers.Dense(32, activation="relu")(seen)
    seen = layers.Dense(32, activation="relu")(seen)
    seen = layers.GlobalAveragePooling1D()(seen)
    seen = layers.Dense(16, activation="relu")(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(0.004), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        batch_size=64,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:], model.predict(x[2100:], verbose=0)[:, 0])


PROGRAMS = [
    messages_of_two_kinds,
    braking_of_a_car,
    odd_digits_from_few,
    the_value_that_was_asked_for,
    digits_in_small_batches,
    buoys_and_their_trust,
    fuel_of_lorries,
    sounds_of_a_town,
]
SOUND = [
    waves_that_stay,
    substances_hardly_tested,
    one_step_in_four,
    orders_of_few_things,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
