"""Twelve more field programs, of code that runs and says nothing, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.sixtieth
    python benchmarks/diagnosis.py --programs sixtieth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.optimizers import Adam
from scipy.stats import spearmanr

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
    source="https://github.com/qjadud1994/CRNN-Keras/issues/26",
    cause="the backward layer's steps come last first; unturned, they meet steps of another time",
    causes="layers",
    evidence=r"go_backwards|backward|revers|flip|turned|bidirectional|"
    r"(order|direction)[\s\S]{0,60}(time|step|sequence|layer|branch)|"
    r"(time|step|sequence|branch)\w*[\s\S]{0,80}(order|align|match|mismatch|mirror|opposite|"
    r"direction|another step|other step|last first)|(late|last|end)[\s\S]{0,60}steps?[\s\S]{0,60}"
    r"(first|begin|early)|(no|never|without)[\s\S]{0,40}(later|future|following)[\s\S]{0,20}step",
    repair={"turned": True},
    advice={
        r"revers|ops\.flip|flip (the|it|its|along|back)|\bturn|bidirectional|go_backwards|"
        r"backward|::-1\]|align|(time|same|right) order|order of": {"turned": True},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out recordings",
    good=0.85,
)
def a_curve_made_smooth(
    seed,
    callbacks,
    turned=False,
    epochs=9,
    units=20,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Smooth recordings by two recurrent layers, one for each direction: half of it is missed."""
    random = start(seed)
    x = random.normal(size=(1500, 24)).astype("float32")
    padded = np.pad(x, ((0, 0), (3, 3)))
    kernel = np.array([0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25])
    y = sum(weight * padded[:, k : k + 24] for k, weight in enumerate(kernel))
    y = np.tanh(y / 1.5).astype("float32")[..., None]
    x = x[..., None]

    inputs = keras.Input((24, 1))
    options = {"return_sequences": True, "kernel_initializer": initializer}
    forward = layers.GRU(units, **options)(inputs)
    backward = layers.GRU(units, go_backwards=True, **options)(inputs)
    if turned:
        backward = ops.flip(backward, axis=1)
    seen = layers.Concatenate()([forward, backward])
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1200:].ravel(), model.predict(x[1200:], verbose=0).ravel())


class Places(layers.Layer):
    """Add a learned vector to each place of a sequence."""

    def build(self, shape):
        """Make the vectors."""
        self.vectors = self.add_weight(shape=shape[1:], initializer="uniform", name="vectors")

    def call(self, x):
        """Add them."""
        return x + self.vectors


def melodies(random, count, length):
    """Draw notes 1 to 8 (count, length), most of which follow from two before; and the rule."""
    rule = np.random.default_rng(7).integers(1, 9, (9, 9))
    notes = random.integers(1, 9, (count, length))
    for place in range(2, length):
        known = rule[notes[:, place - 2], notes[:, place - 1]]
        notes[:, place] = np.where(random.random(count) < 0.8, known, notes[:, place])
    return notes, rule


@case(
    source="https://github.com/alex-matton/causal-transformer-decoder/issues/1",
    cause="attention looks at the notes to come, so the next one is copied; a causal mask repairs",
    causes="layers data",
    evidence=r"causal|\bmask|leak(?!y)|look\w*[\s\S]{0,30}ahead|future|copy|copied|copies|"
    r"(later|next|following|to come)[\s\S]{0,60}(token|step|note|place|position|input|attention)|"
    r"(target|label|answer)s?[\s\S]{0,80}(in (the )?(inputs?|x)\b|shift|already|input|seen|visible|"
    r"among)|too (good|easy)|(almost|nearly|suspiciously) perfect|attend|attention",
    repair={"causal": True},
    advice={
        r"causal|mask|look.{0,20}ahead|future|leak(?!y)|later (step|token|place)|attention": {
            "causal": True
        },
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy of the next note after the first twelve of a held-out melody",
    good=0.6,
)
def the_next_note(
    seed,
    callbacks,
    causal=False,
    epochs=12,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Continue melodies by a small transformer: excellent in validation, noise when it plays."""
    random = start(seed)
    notes, rule = melodies(random, 2600, 17)
    x, y = notes[:, :-1], notes[:, 1:]

    inputs = keras.Input((16,), dtype="int32")
    seen = Places()(layers.Embedding(9, units)(inputs))
    listen = layers.MultiHeadAttention(2, units // 2, kernel_initializer=initializer)
    heard = listen(seen, seen, use_causal_mask=causal)
    seen = layers.LayerNormalization()(seen + layers.Dropout(dropout)(heard))
    more = layers.Dense(4 * units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.LayerNormalization()(seen + layers.Dense(units)(more))
    model = keras.Model(inputs, layers.Dense(9, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2000], y[1800:2000]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    begun = np.where(np.arange(16) < 12, x[2000:], 0)
    guess = model.predict(begun, verbose=0)[:, 11].argmax(axis=-1)
    return float(np.mean(guess == rule[begun[:, 10], begun[:, 11]]))


@case(
    source="https://github.com/zalandoresearch/pytorch-vq-vae/issues/2",
    cause="a list times four holds one head four times: all hours get the same answer",
    causes="layers weights",
    evidence=r"(the same|shared?|sharing|identical|tied|common)[\s\S]{0,60}(heads?\b|layer|output|"
    r"answer|column|predict|weights?|instance|object|kernel)|(\bheads?|outputs?|columns?|answers?|"
    r"predictions?)[\s\S]{0,100}(identical|equal|the same|alike|shared?|copies|copy|"
    r"do not differ|no difference|duplicate)|reus|called (four|4|several|more)|"
    r"list multipl|duplicate",
    repair={"own_heads": True},
    advice={
        r"own (head|layer|weights)|separate|share|same (layer|head|instance|object)|"
        r"for _ in range|instance|reus|independent|Dense\(4|one output (per|for)|identical|tied|"
        r"\bheads?\b": {"own_heads": True},
        "longer": {"epochs": 40},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out days, mean of four hours",
    good=0.75,
)
def the_next_four_hours(
    seed,
    callbacks,
    own_heads=False,
    epochs=15,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a tide's next four hours by a head for each: right on none of them."""
    random = start(seed)
    rows = 2400
    phase, period = random.uniform(0, 2 * np.pi, (rows, 1)), random.uniform(9, 14, (rows, 1))
    height, hours = random.uniform(0.6, 1.4, (rows, 1)), np.arange(22)
    level = height * np.sin(2 * np.pi * hours / period + phase)
    level += 0.3 * np.sin(2 * np.pi * hours / 5 + 2 * phase)
    level = (level + random.normal(0, 0.05, level.shape)).astype("float32")
    x, y = level[:, :16], level[:, [16, 17, 19, 21]]

    inputs = keras.Input((16,))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Dropout(dropout)(seen)

    def head():
        hidden = layers.Dense(units // 2, activation="relu", kernel_initializer=initializer)
        return keras.Sequential([hidden, layers.Dense(1)])

    heads = [head() for _ in range(4)] if own_heads else [head()] * 4
    model = keras.Model(inputs, layers.Concatenate()([one(seen) for one in heads]))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0))


class Cooled(keras.Model):
    """Learn a temperature that fulfils its equation, without being told the temperature.

    Args:
        inputs: a time.
        outputs: what is added to the first temperature, over time.
        unit: how many hours a step of 1 of the input is.

    """

    def __init__(self, inputs, outputs, unit):
        super().__init__(inputs, outputs)
        self.unit = unit
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.away_tracker = keras.metrics.Mean(name="away_from_thermometer")

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return [self.loss_tracker, self.away_tracker]

    def violation(self, time, power, training):
        """Return the temperature, and how far it is from fulfilling its equation."""
        with tf.GradientTape() as tape:
            tape.watch(time)
            warmth = 2.0 + time * self(time, training=training)
        change = tape.gradient(warmth, time) / self.unit
        return warmth, tf.reduce_mean(tf.square(change + 0.6 * warmth - power))

    def told(self, loss, warmth, measured):
        """Tell loss and distance."""
        self.loss_tracker.update_state(loss)
        self.away_tracker.update_state(tf.abs(warmth - measured))
        return {metric.name: metric.result() for metric in self.metrics}

    def train_step(self, data):
        """Take a step."""
        time, y = data
        with tf.GradientTape() as tape:
            warmth, loss = self.violation(time, y[:, :1], training=True)
        variables = self.trainable_variables
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 5.0)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self.told(loss, warmth, y[:, 1:])

    def test_step(self, data):
        """Take none."""
        time, y = data
        warmth, loss = self.violation(time, y[:, :1], training=False)
        return self.told(loss, warmth, y[:, 1:])


@case(
    source="https://github.com/weili101/Deep_Plates/issues/2",
    cause="hours are scaled to 0 to 1 and the change is not: it is per ten hours, not per hour",
    causes="loss preprocessing data",
    evidence=r"derivative|chain rule|per (hour|unit)|residual|equation|physic|"
    r"units? of|(other|wrong|different|same|mixed) units|"
    r"(scale|rescal|normali[sz])\w*[\s\S]{0,80}(\btime\b|derivative|coordinate)|"
    r"(\btime\b|derivative|coordinate)s?[\s\S]{0,60}(scale|rescal|normali[sz])|"
    r"(own|custom|overrid\w*)[\s\S]{0,40}(loss|train_step|step)|train_step|"
    r"away_from_thermometer|(metric|distance|measured)[\s\S]{0,100}(does not|not (follow|fall|"
    r"improve)|while|although|grow|rise|apart|disagree)|loss[\s\S]{0,80}(says little|not measure|"
    r"disagree|another|falls? (while|but|and))",
    repair={"unit": 10.0},
    advice={
        r"derivative|chain rule|units of|(same|right|wrong|check the|mixed) units|"
        r"(divide|rescale|scale) the (derivative|gradient|change)|residual(?! (conn|block))|"
        r"train_step|test_step|(own|custom) (loss|step)|equation|per hour": {"unit": 10.0},
        "longer": {"epochs": 80},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.1},
        "scaled": {"centered": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the temperature over ten hours",
    good=0.8,
)
def warmth_from_an_equation(
    seed,
    callbacks,
    unit=1.0,
    centered=False,
    epochs=28,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Solve the equation of a heated room by a network: the loss falls, the room is too cold."""
    random = start(seed)
    fine = np.linspace(0, 10, 20001)
    true = np.empty_like(fine)
    true[0] = 2.0
    for k in range(20000):
        true[k + 1] = true[k] + (1 + np.sin(fine[k]) - 0.6 * true[k]) * 0.0005
    hours = random.uniform(0, 10, 1400)
    warmth = np.interp(hours, fine, true)
    y = np.stack([1 + np.sin(hours), warmth], axis=1).astype("float32")
    x = (hours / 10).astype("float32")[:, None]

    inputs = keras.Input((1,))
    seen = 2 * inputs - 1 if centered else inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="tanh", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = Cooled(inputs, layers.Dense(1)(seen), unit)
    model.compile(Adam(learning_rate))
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        batch_size=20,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = 2.0 + x[1200:, 0] * model.predict(x[1200:], verbose=0)[:, 0]
    return r_squared(warmth[1200:], guess)


class Blended(keras.utils.PyDataset):
    """Batches of 32 rows, each blended with another of its batch."""

    def __init__(self, x, y, random, at_once, blended):
        super().__init__()
        self.x, self.y, self.random = x, y, random
        self.at_once, self.blended = at_once, blended

    def __len__(self):
        return len(self.x) // 32

    def blend(self, *arrays):
        """Draw partners and shares, blend each array with them."""
        order = self.random.permutation(32)
        share = self.random.beta(0.6, 0.6, (32, 1)).astype("float32")
        return [share * array + (1 - share) * array[order] for array in arrays]

    def __getitem__(self, batch):
        rows = self.random.integers(0, len(self.x), 32)
        x, y = self.x[rows], self.y[rows]
        if self.blended and self.at_once:
            x, y = self.blend(x, y)
        elif self.blended:
            (x,), (y,) = self.blend(x), self.blend(y)
        return x, y


@case(
    source="https://github.com/xudonmao/VMT/issues/1",
    cause="spectra and sugar are blended with other partners and shares each; one draw repairs it",
    causes="data preprocessing",
    evidence=r"mix-?up|blend|augment|(target|label|\by\b)s?[\s\S]{0,100}(not (match|fit|belong|go|"
    r"align)|align|same (draw|permut|order|partner|share)|mismatch|\bpair|noise|"
    r"random|shuffl|depend|nothing to do|own row|(other|another|different) (row|input|draw))|"
    r"(pair|align|shuffl|permut|mix|draw|order)\w*[\s\S]{0,80}(target|label|row|input)|"
    r"generator|PyDataset|batches[\s\S]{0,80}(differ|unlike|weaker|valid)",
    repair={"at_once": True},
    advice={
        r"same (draw|permut|order|partner|share|seed|lambda|index|shuffl)|together|jointly|\bpair|"
        r"at once|align|(target|label)s?[\s\S]{0,40}(own row|belong|as well|alike)|permut": {
            "at_once": True
        },
        r"mix-?up|blend|(without|remove|drop|(switch|turn) off|no|leave out|stop).{0,20}"
        r"augment": {"blended": False},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out juices",
    good=0.8,
)
def sugar_from_spectra(
    seed,
    callbacks,
    at_once=False,
    blended=True,
    scaled=False,
    epochs=25,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read the sugar of juices from spectra, augmented as they come: all juices seem average."""
    random = start(seed)
    waves = np.linspace(0, 1, 40)
    peaks = np.exp(-((waves - np.array([[0.25], [0.45], [0.5], [0.8]])) ** 2) / 0.01)
    amounts = random.gamma(2.0, 0.5, (1500, 4))
    x = (amounts @ peaks + random.normal(0, 0.05, (1500, 40))).astype("float32")
    if scaled:
        x = standardized(x)
    y = standardized(amounts[:, 1] + 0.3 * amounts[:, 3])[:, None]

    model = keras.Sequential([keras.Input((40,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        Blended(x[:960], y[:960], random, at_once, blended),
        validation_data=(x[960:1160], y[960:1160]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1160:, 0], model.predict(x[1160:], verbose=0)[:, 0])


def movements(random, count, length):
    """Acceleration (count, length, 3), what is done at each step (0 to 3), and how long it is."""
    doing = np.zeros((count, length), "int32")
    lengths = random.integers(length // 2, length + 1, count)
    for row in doing:
        at = 0
        while at < length:
            lasts = random.integers(4, 9)
            row[at : at + lasts] = random.choice(4, p=[0.4, 0.2, 0.2, 0.2])
            at += lasts
    means = np.array([[0, 0, 0], [1, 0, 0.5], [0, 1, -0.5], [-0.7, -0.7, 0.4]])
    x = means[doing] + random.normal(0, 0.7, (count, length, 3))
    return x.astype("float32"), doing, lengths


def told_steps(padding):
    """Return loss and accuracy of the steps that aren't padding."""

    def step_loss(y_true, y_pred):
        told = ops.cast(ops.not_equal(y_true, padding), "float32")
        each = ops.sparse_categorical_crossentropy(ops.maximum(y_true, 0), y_pred)
        return ops.sum(told * each) / ops.maximum(ops.sum(told), 1.0)

    def step_accuracy(y_true, y_pred):
        told = ops.cast(ops.not_equal(y_true, padding), "float32")
        right = ops.equal(ops.cast(y_true, "int32"), ops.cast(ops.argmax(y_pred, -1), "int32"))
        return ops.sum(told * ops.cast(right, "float32")) / ops.maximum(ops.sum(told), 1.0)

    return step_loss, step_accuracy


@case(
    source="https://github.com/line/Skeleton-Temporal-Action-Localization/issues/1",
    cause="steps labelled 0 are left out as padding, and 0 is also a class: it is never learned",
    causes="loss data preprocessing",
    evidence=r"class(es)? 0|class zero|label(s|led)? (of )?(0|zero)|\bmask|padd|"
    r"(0|zero)[\s\S]{0,40}(ignored|left out|skipped|never|padding|not learned|not counted|masked)|"
    r"(never|hardly|not once|no step)[\s\S]{0,40}(predict|answer|chosen|given|told)|"
    r"(one|a|some) class(es)?[\s\S]{0,60}(never|ignored|no part|without|missing|not predicted|"
    r"no gradient|hardly)|(ignor|leav|left|skip|exclud|drop)\w*[\s\S]{0,60}(class|label|step|rows)|"
    r"(own|custom)[\s\S]{0,20}loss",
    repair={"padding": -1},
    advice={
        r"mask|padd|[=( ]-1\b|ignore|class 0|label.{0,10} 0|shift.{0,20}(label|class)|own loss|"
        r"custom loss|sample_weight|never predicted|every class": {"padding": -1},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out steps, padding left out",
    good=0.8,
)
def what_the_watch_saw(
    seed,
    callbacks,
    padding=0,
    epochs=10,
    units=20,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Name what a watch's wearer does at each step: fine in validation, wrong when looked at."""
    random = start(seed)
    x, doing, lengths = movements(random, 1100, 24)
    is_there = np.arange(24) < lengths[:, None]
    x[~is_there] = 0
    y = np.where(is_there, doing, padding).astype("int32")

    recurrent = layers.GRU(units, return_sequences=True, kernel_initializer=initializer)
    model = keras.Sequential(
        [
            keras.Input((24, 3)),
            layers.Bidirectional(recurrent),
            layers.Dropout(dropout),
            layers.Dense(4, activation="softmax"),
        ]
    )
    step_loss, step_accuracy = told_steps(padding)
    model.compile(Adam(learning_rate), step_loss, metrics=[step_accuracy])
    model.fit(
        *(x[:700], y[:700]),
        validation_data=(x[700:850], y[700:850]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[850:], verbose=0).argmax(axis=-1)
    return float(np.mean((guess == doing[850:])[is_there[850:]]))


class Shares(layers.Layer):
    """Turn scores into positive shares, whose sum is 1.

    Args:
        axis: along which they are summed.

    """

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def call(self, score):
        """Return the shares."""
        grown = ops.exp(score - ops.max(score, axis=self.axis, keepdims=True))
        return grown / ops.sum(grown, axis=self.axis, keepdims=True)


@case(
    source="https://github.com/xmu-xiaoma666/External-Attention-pytorch/issues/18",
    cause="the weights of the steps are normalized over an axis of length 1: all of them are 1",
    causes="layers activation",
    evidence=r"softmax|\baxis\b|\baxes\b|attention|(weights?|scores?|outputs?|activations?)"
    r"[\s\S]{0,60}(all (1|ones?)|always (1|one)|constant|equal to (1|one)|of ones?\b|exactly 1|"
    r"never var|do not var)|constant[\s\S]{0,40}(output|layer|weight|activation)|"
    r"(length|size) 1\b|single (unit|column|channel)|no gradient|"
    r"gradients?[\s\S]{0,40}(0\b|zero)|(layer|kernel|weights?)[\s\S]{0,60}"
    r"(never (change|move|train)|did not (change|move)|unchanged|not (train|learn))",
    repair={"axis": 1},
    advice={
        r"\baxis|attention|softmax[\s\S]{0,20} (over|along|across|on|of)\b|"
        r"normali[sz]e (the )?(scores|weights)|(over|along|across) (the )?(time|steps|frames)|"
        r"Permute": {"axis": 1},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out visits",
    good=0.8,
)
def the_frame_that_counts(
    seed,
    callbacks,
    axis=-1,
    epochs=20,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Weigh twenty frames and read a dose off the one that counts: next to nothing is explained."""
    random = start(seed)
    rows = 2000
    x = random.normal(size=(rows, 20, 6)).astype("float32")
    x[:, :, 0] = random.normal(0, 0.3, (rows, 20))
    which = random.integers(0, 20, rows)
    x[np.arange(rows), which, 0] += 3
    y = x[np.arange(rows), which, 1] - 0.7 * x[np.arange(rows), which, 2]
    y = standardized(y + random.normal(0, 0.1, rows))

    inputs = keras.Input((20, 6))
    hidden = layers.Dense(units, activation="tanh", kernel_initializer=initializer)(inputs)
    score = layers.Dense(1)(hidden)
    weight = Shares(axis)(score)
    value = layers.Dense(units, kernel_initializer=initializer)(inputs)
    seen = ops.sum(weight * value, axis=1)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    model = keras.Model(inputs, layers.Dense(1)(layers.Dropout(dropout)(seen)))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:1400], y[:1400]),
        validation_data=(x[1400:1600], y[1400:1600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1600:], model.predict(x[1600:], verbose=0)[:, 0])


@case(
    source="https://github.com/albermax/innvestigate/issues/88",
    cause="clone_model copies layers and not their weights: what is frozen was never trained",
    causes="weights layers",
    evidence=r"frozen|freez|trainable|clone|pre-?train|transfer|untrained|"
    r"(random|fresh)\w*[\s\S]{0,40}(weight|layer|kernel|value)|(weights?|layers?|kernels?)"
    r"[\s\S]{0,80}(random|never (train|change|move)|not (train|copied|loaded|learn)|"
    r"unchanged|did not (change|move))|(few|small|most)[\s\S]{0,40}trainable|set_weights|backbone",
    repair={"copied": True},
    advice={
        r"set_weights|load_weights|clone|copy|copied|pre-?train|get_weights|untrained|"
        r"never trained": {"copied": True},
        r"unfreeze|trainable ?= ?True|freez|frozen|train (all|the|these|those)|fine-?tun|"
        r"trainable": {"frozen": False},
        "longer": {"epochs": 120},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out digits",
    good=0.88,
)
def primes_from_few_digits(
    seed,
    callbacks,
    copied=False,
    frozen=True,
    epochs=40,
    units=16,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell primes from 120 digits on top of a network that reads digits: hardly above a guess."""
    start(seed)
    x, y = digits(seed)
    reader = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(32, activation="tanh", kernel_initializer=initializer),
            layers.Dense(6, activation="tanh", kernel_initializer=initializer, name="features"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    reader.compile(Adam(0.005), "sparse_categorical_crossentropy")
    reader.fit(x[:1000], y[:1000], epochs=20, verbose=0)

    features = keras.Model(reader.inputs, reader.get_layer("features").output)
    base = keras.models.clone_model(features)
    if copied:
        base.set_weights(features.get_weights())
    base.trainable = not frozen
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            base,
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    prime = np.isin(y, [2, 3, 5, 7]).astype("float32")
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[1000:1120], prime[1000:1120]),
        validation_data=(x[1120:1250], prime[1120:1250]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1250:], verbose=0)[:, 0] > 0.5) == prime[1250:]))


@sound(
    source="https://ramkumar47.quarto.pub/projects/ExtremeLearningMachines/index.html",
    metric="accuracy on held-out digits",
    good=0.93,
)
def only_the_last_layer(seed, callbacks):
    """Frozen: a wide random layer stays as it was drawn, as an extreme learning machine has it."""
    start(seed)
    x, y = digits(seed)
    drawn = keras.initializers.RandomNormal(stddev=0.25, seed=seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(700, activation="tanh", kernel_initializer=drawn, trainable=False),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:])


def known_crossentropy(y_true, y_pred):
    """Mean cross-entropy of the answers that are known, those of 0 or 1."""
    known = ops.cast(y_true >= 0, "float32")
    guess = ops.clip(y_pred, 1e-6, 1 - 1e-6)
    each = y_true * ops.log(guess) + (1 - y_true) * ops.log(1 - guess)
    return -ops.sum(known * each) / ops.maximum(ops.sum(known), 1.0)


@sound(
    source="https://tarikbilla.com/how-do-i-mask-a-loss-function-in-keras-with-the-"
    "tensorflow-backend",
    metric="accuracy on held-out houses, all five answers",
    good=0.85,
)
def mostly_unanswered(seed, callbacks):
    """Gaps: two of three answers of a survey are missing, -1, and the own loss leaves them out."""
    random = start(seed)
    x = random.normal(size=(3000, 8)).astype("float32")
    hints = np.stack(
        [
            x[:, 0] + x[:, 1],
            x[:, 2] - 0.5 * x[:, 0] + 0.4,
            np.abs(x[:, 3]) - 0.8,
            x[:, 4] + x[:, 5] - x[:, 1],
            x[:, 6] * x[:, 7],
        ],
        axis=1,
    )
    truth = (hints + random.normal(0, 0.1, hints.shape) > 0).astype("float32")
    y = np.where(random.random(truth.shape) < 2 / 3, -1, truth).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(5, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), known_crossentropy)
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2500], y[2200:2500]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[2500:], verbose=0) > 0.5) == truth[2500:]))


def pairs_in_order(y_true, y_pred):
    """Mean softplus of how wrongly the answers of all pairs of a batch are ordered."""
    y_true, y_pred = ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1,))
    better = ops.cast(y_true[:, None] > y_true[None, :], "float32")
    ahead = y_pred[:, None] - y_pred[None, :]
    return ops.sum(better * ops.softplus(-ahead)) / ops.maximum(ops.sum(better), 1.0)


@sound(
    source="https://keras.io/keras_rs/api/losses/pairwise_hinge_loss",
    metric="rank correlation on held-out wines",
    good=0.85,
)
def better_than_the_other(seed, callbacks):
    """Ranks: every row is held against all of its batch, answers are on no scale of the targets."""
    random = start(seed)
    x = random.normal(size=(2000, 7)).astype("float32")
    worth = x[:, 0] - 0.8 * np.abs(x[:, 1]) + 0.6 * x[:, 2] * x[:, 3] + 0.5 * x[:, 4]
    y = (50 + 12 * (worth + random.normal(0, 0.2, 2000))).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((7,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(1, use_bias=False),
        ]
    )
    model.compile(Adam(0.003), pairs_in_order)
    model.fit(
        *(x[:1400], y[:1400]),
        validation_data=(x[1400:1600], y[1400:1600]),
        batch_size=32,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return float(spearmanr(y[1600:], model.predict(x[1600:], verbose=0)[:, 0])[0])


def unlikeliness(y_true, y_pred):
    """Negative logarithm of a normal density, of the mean and the log deviation answered."""
    mean, log_deviation = y_pred[:, :1], ops.clip(y_pred[:, 1:], -6.0, 3.0)
    away = (ops.reshape(y_true, (-1, 1)) - mean) * ops.exp(-log_deviation)
    return ops.mean(0.5 * ops.square(away) + log_deviation + 0.919)


@sound(
    source="https://github.com/cpmpercussion/keras-mdn-layer/issues/42",
    metric="correlation of the log deviations answered with the true ones, held-out readings",
    good=0.85,
)
def how_sure_it_is(seed, callbacks):
    """Loss: it is far below zero and falls on; two outputs meet one column of targets."""
    random = start(seed)
    x = random.uniform(-2, 2, (3000, 3)).astype("float32")
    deviation = 0.04 * np.exp(0.8 * x[:, 1])
    y = 0.5 * np.sin(1.5 * x[:, 0]) + 0.1 * x[:, 2] + deviation * random.normal(size=3000)
    y = y.astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(48, activation="tanh"),
            layers.Dense(48, activation="tanh"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003, clipnorm=1.0), unlikeliness)
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2500], y[2200:2500]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2500:], verbose=0)[:, 1]
    return float(np.corrcoef(np.log(deviation[2500:]), guess)[0, 1])


PROGRAMS = [
    a_curve_made_smooth,
    the_next_note,
    the_next_four_hours,
    warmth_from_an_equation,
    sugar_from_spectra,
    what_the_watch_saw,
    the_frame_that_counts,
    primes_from_few_digits,
]
SOUND = [
    only_the_last_layer,
    mostly_unanswered,
    better_than_the_other,
    how_sure_it_is,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
