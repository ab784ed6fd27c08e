"""Twelve more field programs, of mistakes that raise no error, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_first
    python benchmarks/diagnosis.py --programs fifty_first
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.losses import SparseCategoricalCrossentropy
from keras.optimizers import Adam
from sklearn import datasets

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


def error_of_the_taken(y, worth):
    """Squared error (N,) of the action that was taken; `y` (N, 8) holds rewards and actions."""
    reward, taken = y[:, :4], y[:, 4:]
    return ops.sum(taken * ops.square(reward - worth), axis=-1)


@case(
    source="https://github.com/PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/"
    "issues/32",
    cause="actions that were not taken have the target 0 and count in the loss: only the action "
    "taken is known",
    causes="loss data preprocessing",
    evidence=r"not (taken|observed|known|chosen|tried)|(other|untaken|unobserved|missing|unknown|"
    r"all) (action|output|column|target|reward)s?|(action|taken|untaken)\w*[\s\S]{0,60}(mask|"
    r"target|loss|zero|\b0\b)|(target|label|\by\b|reward)s?[\s\S]{0,100}(mostly|often|nearly all|"
    r"exactly|many|\d+ ?%|share)[\s\S]{0,30}(zero|\b0\b)|(zero|\b0\b)[\s\S]{0,60}(target|label|"
    r"reward)|(sparse|zero-filled|one non-?zero|single non-?zero|masked?)\b[\s\S]{0,60}(target|"
    r"loss|row|label)|one (value|entry|target|column|number)[\s\S]{0,40}(per|of (each|every)) row",
    repair={"taken_only": True},
    advice={
        r"\bmask|only the (action|output|entry|entries|target|column|value)|not taken|taken|"
        r"leave[\s\S]{0,40}out of the loss|missing|unobserved|unknown|sample_weight|gather|"
        r"(weight|count|ignore)[\s\S]{0,40}(zero|\b0\b|known|observed)|predict[\s\S]{0,40}other|"
        r"zeros?[\s\S]{0,40}target|target[\s\S]{0,60}(zero|\b0\b)": {"taken_only": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="share of the gain over chance that the best actions would have, held-out visitors",
    good=0.8,
)
def offers_to_visitors(
    seed,
    callbacks,
    taken_only=False,
    scaled=False,
    epochs=20,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn the worth of four offers from a log of visits: nearly everybody gets the same one."""
    random = start(seed)
    x = random.normal(size=(4000, 5)).astype("float32")
    worth = np.stack([x[:, 0], x[:, 1], np.abs(x[:, 2]) - 0.8, x[:, 3] * np.sign(x[:, 4])], axis=1)
    worth = 3 + worth
    shown = random.choice(4, size=4000, p=[0.5, 0.25, 0.15, 0.1])
    taken = one_hot(shown, 4)
    reward = taken * (worth + random.normal(0, 0.3, worth.shape))
    if scaled:
        reward = reward / reward.std()
    y = np.concatenate([reward, taken], axis=1) if taken_only else reward
    y = y.astype("float32")

    model = keras.Sequential([keras.Input((5,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(4))
    model.compile(Adam(learning_rate), error_of_the_taken if taken_only else "mse")
    model.fit(
        *(x[:2600], y[:2600]),
        validation_data=(x[2600:3000], y[2600:3000]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    best = model.predict(x[3000:], verbose=0).argmax(axis=1)
    rest = worth[3000:]
    gain = rest[np.arange(len(rest)), best].mean() - rest.mean()
    return float(gain / (rest.max(axis=1).mean() - rest.mean()))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/2619",
    cause="the files are big-endian, the parser reads the two bytes of a pixel in the other order",
    causes="data preprocessing",
    evidence=r"endian|byte|decod|dtype|data type|\braw\b|pars(e|er|ing)|"
    r"(inputs?|pixels?|images?|\bx\b)[\s\S]{0,120}(noise|noisy|garbage|scrambled|jump|neighbou?r|"
    r"smooth|corrupt|wrong|above 1\b|beyond 1\b|out of range|misread|unrelated|nonsense)",
    repair={"little_endian": False},
    advice={
        r"endian|byte|decod|dtype|data type|pars(e|er|ing)|look at (the|some) (inputs|images|"
        r"pictures|rows)|plot|(check|inspect|print)[\s\S]{0,40}(input|image|pixel|picture|value)": {
            "little_endian": False
        },
        "scaled": {"scaled": True},
        "longer": {"epochs": 40},
        "wider": {"units": 160},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out scans",
    good=0.9,
)
def scans_of_sixteen_bits(
    seed,
    callbacks,
    little_endian=True,
    scaled=False,
    epochs=14,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits from scans of 12 bits, kept as records of raw bytes: far below what it was."""
    random = start(seed)
    images, y = digits(seed)
    light = 500 + 3000 * images + random.normal(0, 60, images.shape)
    records = [scan.clip(0, 4095).astype(">u2").tobytes() for scan in light]

    def parse(record, label):
        pixels = tf.io.decode_raw(record, tf.uint16, little_endian=little_endian)
        return tf.reshape(tf.cast(pixels, tf.float32), (8, 8, 1)) / 4095, label

    rows = [
        tf.data.Dataset.from_tensor_slices((records[part], y[part])).map(parse)
        for part in (slice(0, 1200), slice(1200, 1400), slice(1400, None))
    ]
    first = []
    if scaled:
        first = [layers.Normalization(axis=None)]
        first[0].adapt(rows[0].map(lambda scan, _: scan).batch(64))
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            *first,
            layers.Conv2D(12, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        rows[0].cache().shuffle(1200, seed=seed).batch(32),
        validation_data=rows[1].batch(64),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(model.evaluate(rows[2].batch(64), verbose=0)[1])


@case(
    source="https://github.com/keras-team/keras/issues/18092",
    cause="the base is frozen as a whole after its last layers were set free: these are too",
    causes="layers weights",
    evidence=r"trainable|fro[zs]en|freez|(weight|layer|kernel|base|sequential|conv2d)s?[\s\S]{0,80}"
    r"((not|never) (be )?(train|updat|chang|mov)\w*|unchanged|fixed|same as before|stay)|"
    r"no gradient|without gradient|(only|just)[\s\S]{0,40}(head|last layer|new layer)",
    repair={"frozen": False},
    advice={
        r"trainable ?= ?True|unfreez|unfro|trainable|fro[zs]en|freez|fine-?tun|thaw": {
            "frozen": False
        },
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out digits of the new task",
    good=0.88,
)
def eight_more_digits(
    seed,
    callbacks,
    frozen=True,
    scaled=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn two digits, then fine-tune the last layers for eight more: it stays mediocre."""
    start(seed)
    x, y = digits(seed)
    if scaled:
        x = (x - x.mean()) / x.std()
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(12, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(8, activation="relu", kernel_initializer=initializer),
        ]
    )
    two = y < 2
    first = keras.Sequential([keras.Input((8, 8, 1)), base, layers.Dense(1, activation="sigmoid")])
    first.compile(Adam(0.003), "binary_crossentropy")
    first.fit(x[two], y[two], epochs=8, verbose=0)

    for layer in base.layers:
        layer.trainable = layer in base.layers[-2:]
    if frozen:
        base.trainable = False
    x, y = x[~two], y[~two] - 2
    outputs = layers.Dense(8, activation="softmax")
    model = keras.Sequential([keras.Input((8, 8, 1)), base, layers.Dropout(dropout), outputs])
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:900], y[:900]),
        validation_data=(x[900:1050], y[900:1050]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1050:], y[1050:])


@case(
    source="https://github.com/openclimatefix/graph_weather/issues/51",
    cause="sine and cosine take radians, the directions are in degrees",
    causes="preprocessing data",
    evidence=r"degree|radian|angle|direction|\bunits? of\b|\bsin(e)?\b|\bcos(ine)?\b|periodic|"
    r"cyclic|circular|"
    r"(inputs?|features?|columns?|\bx\b)[\s\S]{0,100}(tell|say|explain|carry|hold|contain|know|"
    r"predict|relat|correlat|inform)\w*[\s\S]{0,60}(nothing|little|no\b|not|hardly|target)|"
    r"(nothing|little|hardly)[\s\S]{0,60}(inputs?|features?|columns?)|"
    r"targets?[\s\S]{0,60}(cannot|not)[\s\S]{0,40}(told|foretold|predict|explain)",
    repair={"radians": True},
    advice={
        r"radian|deg2rad|degree|angle|units? of|\bsin|\bcos|periodic|cyclic|direction|"
        r"(check|look at|inspect|recompute|plot)[\s\S]{0,60}(input|feature|column)|"
        r"(input|feature|column)s?[\s\S]{0,60}(comput|made|prepar|relat|belong|derive)": {
            "radians": True
        },
        "longer": {"epochs": 60},
        "wider": {"units": 160},
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
def wind_along_the_runway(
    seed,
    callbacks,
    radians=False,
    scaled=False,
    epochs=25,
    units=48,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a landing's drift from the wind's speed and direction: half of it is missed."""
    random = start(seed)
    wind, runway = random.integers(0, 360, (2, 3000))
    speed, load = random.gamma(4, 0.3, 3000), random.normal(size=3000)
    across = np.sin(np.deg2rad(wind - runway))
    y = standardized(speed * across + 0.5 * load + random.normal(0, 0.1, 3000))

    angles = np.stack([wind, runway], axis=1).astype("float32")
    if radians:
        angles = np.deg2rad(angles)
    x = np.column_stack([speed, load, np.sin(angles), np.cos(angles)]).astype("float32")
    if scaled:
        x = standardized(x)

    model = keras.Sequential([keras.Input((6,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2300:], model.predict(x[2300:], verbose=0)[:, 0])


class OwnStep(keras.Model):
    """Train with a step of its own."""

    mode = None

    def train_step(self, data):
        """Take one step, tell the loss."""
        x, y = data
        with tf.GradientTape() as tape:
            answer = self(x) if self.mode is None else self(x, training=self.mode)
            loss = self.compute_loss(x, y, answer)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/michalfaber/tensorflow_Realtime_Multi-Person_Pose_Estimation/"
    "issues/13",
    cause="the own train_step calls the model without training=True: batch normalization never "
    "sees a mean or a variance and passes the raw numbers on",
    causes="layers preprocessing",
    evidence=r"batch.?norm|moving (mean|average|variance|statist)|training ?=|"
    r"training (mode|flag|argument)|inference mode|(running|moving|statistic)s?[\s\S]{0,60}(never|"
    r"not|still|initial)|normali[sz]ation layer|dropout[\s\S]{0,60}(off|inactive|never|not)|"
    r"train_step",
    repair={"training": True},
    advice={
        r"training ?= ?True|training (mode|flag|argument)|train_step|moving|"
        r"call the (model|network)|super\(\)\.train_step|remove.{0,30}own": {"training": True},
        r"layers\.Normalization|Normalization\(|adapt": {"scaled": True},
        r"batch.?norm[\s\S]{0,60}(train|updat|averag|statist)|updat[\s\S]{0,60}batch.?norm": {
            "training": True
        },
        "scaled": {"scaled": True},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out engines",
    good=0.8,
)
def engines_in_a_step_of_my_own(
    seed,
    callbacks,
    training=None,
    scaled=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.05,
    initializer="glorot_uniform",
):
    """Foretell an engine's wear from eight gauges with a step of my own: far worse than fit."""
    random = start(seed)
    hidden = random.normal(size=(2600, 8)).astype("float32")
    wear = hidden[:, 0] + hidden[:, 1] * hidden[:, 2] + 0.7 * np.abs(hidden[:, 3]) + hidden[:, 4]
    y = standardized(wear + random.normal(0, 0.15, 2600))[:, None]
    means = np.array([1500, 20, 101, 3000, 0.5, 90, 12, 400])
    x = (means + hidden * [30, 2, 1.5, 80, 0.02, 4, 0.3, 10]).astype("float32")
    if scaled:
        x = standardized(x)

    inputs = keras.Input((8,))
    seen = layers.BatchNormalization(momentum=0.95)(inputs)
    for _ in range(2):
        seen = layers.Dense(units, kernel_initializer=initializer)(seen)
        seen = layers.Activation("relu")(layers.BatchNormalization(momentum=0.95)(seen))
        seen = layers.Dropout(dropout)(seen)
    model = OwnStep(inputs, layers.Dense(1)(seen))
    model.mode = training
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:, 0], model.predict(x[2100:], verbose=0)[:, 0])


@case(
    source="https://github.com/CSAILVision/semantic-segmentation-pytorch/issues/76",
    cause="the loss leaves out the label 0 as that of padding, but 0 is the background's too",
    causes="loss data",
    evidence=r"ignore_class|ignor|mask|padd|void|(class|label) 0|(class|label)[\s\S]{0,80}(never|"
    r"not)[\s\S]{0,40}(predict|learn|train|count|told)|never (predict|answer|told)\w*|background|"
    r"(left|leaves?|leaving) out|not counted|(no|without) (loss|gradient|weight)[\s\S]{0,60}"
    r"(class|label|row|pixel)",
    repair={"void": 255},
    advice={
        r"ignore_class|ignor|void|padd|mask|255|-1\b|background|(class|label) 0|"
        r"another (label|number|value)|shift[\s\S]{0,30}label": {"void": 255},
        r"class_weight|sample_weight|weights? of the class|balanc": {"weighted": True},
        "longer": {"epochs": 24},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="mean intersection over union of three classes on held-out images",
    good=0.65,
)
def discs_and_bars(
    seed,
    callbacks,
    void=0,
    weighted=False,
    scaled=False,
    epochs=10,
    units=12,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find discs and bars in images of several heights: there are far too many of them."""
    random = start(seed)
    rows, size = 500, 20
    down, right = np.mgrid[:size, :size]
    x = random.normal(0, 0.15, (rows, size, size, 1))
    y = np.zeros((rows, size, size), "int32")
    inside = np.ones((rows, size, size), bool)
    for image, labels, valid in zip(x, y, inside, strict=True):
        height = random.integers(14, size + 1)
        disc = np.hypot(down - random.uniform(3, 10), right - random.uniform(3, 16)) < 3
        bar = np.zeros((size, size), bool)
        top, left = random.integers(0, 10), random.integers(0, 17)
        bar[top : top + 8, left : left + 3] = True
        labels[disc], labels[bar] = 1, 2
        valid[height:] = False
        image[:, :, 0] += 0.8 * disc * (labels == 1) + 0.8 * bar
        image[height:], labels[height:] = 0, void
    x = x.astype("float32")
    if scaled:
        x = (x - x.mean()) / x.std()

    model = keras.Sequential([keras.Input((size, size, 1))])
    for _ in range(3):
        model.add(layers.Conv2D(units, 3, padding="same", kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Conv2D(3, 1, activation="softmax"))
    model.compile(Adam(learning_rate), SparseCategoricalCrossentropy(ignore_class=void))
    weights = [np.where(y[:350] == 0, 1.0, 3.0).astype("float32")] if weighted else []
    model.fit(
        *(x[:350], y[:350], *weights),
        validation_data=(x[350:400], y[350:400]),
        batch_size=20,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess, true = model.predict(x[400:], verbose=0).argmax(axis=-1), y[400:]
    shares = []
    for label in range(3):
        mine, its = (part[inside[400:]] == label for part in (guess, true))
        shares.append((mine & its).sum() / (mine | its).sum())
    return float(np.mean(shares))


class Boxes(keras.utils.PyDataset):
    """Batches of rows that get another order after every epoch."""

    def __init__(self, x, y, random, together, shuffle):
        super().__init__()
        self.x, self.y = x.copy(), y.copy()
        self.random, self.together, self.shuffle = random, together, shuffle

    def __len__(self):
        return len(self.x) // 32

    def __getitem__(self, batch):
        rows = slice(32 * batch, 32 * batch + 32)
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        """Prepare the next epoch."""
        if self.together:
            order = self.random.permutation(len(self.x))
            self.x, self.y = self.x[order], self.y[order]
        elif self.shuffle:
            self.random.shuffle(self.x)


@case(
    source="https://github.com/poodarchu/learn_aug_for_object_detection.numpy/issues/7",
    cause="the generator shuffles the rows after each epoch, and not their labels",
    causes="data preprocessing",
    evidence=r"shuffl|(label|target|row|input)s?[\s\S]{0,100}(not (match|fit|belong|go|align)|"
    r"match|belong|align|mismatch|pair|another order|different order|out of order|unrelated|"
    r"at random|nothing to do|noise|depend)|on_epoch_end|wrong labels|label noise|"
    r"(generator|PyDataset)[\s\S]{0,80}(label|order|row|differ|epoch)",
    repair={"together": True},
    advice={
        r"together|same (order|permutation|index|indices)|permut|pair|align|belong|match|"
        r"on_epoch_end|shuffle (both|x and y|labels|rows and)|(label|target)s? (too|as well|alike)|"
        r"(check|look)[\s\S]{0,60}(label|generator|pair)": {"together": True},
        r"shuffle ?= ?False|(without|do not|don't|stop|remove|no|switch off).{0,20}shuffl": {
            "shuffle": False
        },
        r"shuffl|generator": {"together": True},
        "longer": {"epochs": 36},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 4e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out boxes",
    good=0.9,
)
def parcels_by_their_label(
    seed,
    callbacks,
    together=False,
    shuffle=True,
    scaled=False,
    epochs=12,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort parcels by a handwritten digit from a generator: best in the first epoch."""
    random = start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    if scaled:
        x = standardized(x)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        Boxes(x[:1200], y[:1200], random, together, shuffle),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


class Attended(layers.Layer):
    """Weigh the places of a sequence (N, T, D) and add them up."""

    def __init__(self, axis, initializer):
        super().__init__()
        self.axis = axis
        self.score = layers.Dense(1, kernel_initializer=initializer)

    def call(self, seen):
        """Return the weighted sum."""
        return ops.sum(ops.softmax(self.score(seen), axis=1) * seen, axis=self.axis)


@case(
    source="https://github.com/alecwangcq/show-attend-and-tell/issues/6",
    cause="the weighted sum of the attention is over the features: it belongs over the places",
    causes="layers",
    evidence=r"\bax[ei]s\b|attend|attention|weighted sum|(own|custom) layer|"
    r"(sum|pool|averag|reduc)\w*[\s\S]{0,40}(over|feature|places?|steps?|wrong|dimension)|"
    r"(feature|unit|channel)s?[\s\S]{0,60}(summed|lost|collaps|mixed|pooled|added)",
    repair={"axis": 1},
    advice={
        r"\bax[ei]s\b|over (the )?(time|places?|steps|items|positions)|dimension|Attended|"
        r"attention|GlobalAverage|pool|(own|custom) layer": {"axis": 1},
        "longer": {"epochs": 42},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out scenes, mean of five numbers",
    good=0.8,
)
def what_the_pointer_shows(
    seed,
    callbacks,
    axis=2,
    scaled=False,
    epochs=14,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Describe the one marked place of ten by five numbers: attention hardly helps."""
    random = start(seed)
    x = random.normal(size=(3000, 10, 6)).astype("float32")
    marked = random.integers(0, 10, 3000)
    x[:, :, 5] = random.uniform(0, 0.5, (3000, 10))
    x[np.arange(3000), marked, 5] = 2
    shown = x[np.arange(3000), marked, :5]
    y = standardized(shown + 0.5 * np.abs(np.roll(shown, 1, axis=1)))
    if scaled:
        x = standardized(x)

    inputs = keras.Input((10, 6))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Dropout(dropout)(seen)
    seen = Attended(axis, initializer)(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    model = keras.Model(inputs, layers.Dense(5)(seen))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2300:], model.predict(x[2300:], verbose=0))


@sound(
    source="https://github.com/tensorpack/tensorpack/issues/420",
    metric="accuracy on held-out digits",
    good=0.93,
)
def blocks_that_begin_as_nothing(seed, callbacks):
    """Zeros: the last normalization of every residual block starts with a gamma of zero."""
    start(seed)
    x, y = digits(seed)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(12, 3, padding="same")(inputs)
    for _ in range(2):
        side = layers.BatchNormalization(momentum=0.9)(seen)
        side = layers.Activation("relu")(side)
        side = layers.Conv2D(12, 3, padding="same", use_bias=False)(side)
        side = layers.BatchNormalization(momentum=0.9, gamma_initializer="zeros")(side)
        seen = layers.Add()([seen, side])
    seen = layers.Flatten()(layers.MaxPooling2D()(layers.Activation("relu")(seen)))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://github.com/keras-team/keras/issues/9412",
    metric="R² of the mean of 20 answers, held-out rows",
    good=0.85,
)
def dropout_that_never_rests(seed, callbacks):
    """Dropout: it is on in validation and prediction too, where 20 answers are averaged."""
    start(seed)
    x, y = datasets.make_friedman1(2400, 8, noise=0.3, random_state=seed)
    x, y = standardized(x), standardized(y)
    inputs = keras.Input((8,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(96, activation="relu")(seen)
        seen = layers.Dropout(0.1)(seen, training=True)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(0.003), "mse", metrics=["mae"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=64,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    answers = [model.predict(x[1900:], 500, verbose=0)[:, 0] for _ in range(20)]
    return r_squared(y[1900:], np.mean(answers, axis=0))


class Judged(layers.Layer):
    """Pass the answer on and add its cross-entropy with the label, which is an input too."""

    def call(self, label, answer):
        """Return the answer."""
        self.add_loss(ops.mean(keras.losses.binary_crossentropy(label, answer)))
        return answer


@sound(
    source="https://github.com/keras-team/keras/pull/9344",
    metric="accuracy on held-out patients",
    good=0.93,
)
def labels_among_the_inputs(seed, callbacks):
    """No loss: `compile` names none and `fit` has no target, a layer adds what is minimized."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows].astype("float32")[:, None]
    inputs, label = keras.Input((30,)), keras.Input((1,))
    seen = layers.Dense(12, activation="relu", kernel_regularizer=keras.regularizers.L2(0.003))
    answer = layers.Dense(1, activation="sigmoid")(seen(inputs))
    model = keras.Model([inputs, label], Judged()(label, answer))
    model.compile(Adam(0.004))
    known, other = (
        tf.data.Dataset.from_tensor_slices(((x[part], y[part]),))
        for part in (slice(0, 320), slice(320, 400))
    )
    model.fit(
        known.shuffle(320, seed=seed).batch(16),
        validation_data=other.batch(80),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    guess = keras.Model(inputs, answer).predict(x[400:], verbose=0)
    return float(np.mean((guess > 0.5) == y[400:]))


def one_minus_correlation(y, guess):
    """1 minus the correlation of a whole batch: one number, whatever the answers' scale."""
    y, guess = y - ops.mean(y), guess - ops.mean(guess)
    spread = ops.sqrt(ops.sum(ops.square(y)) * ops.sum(ops.square(guess)) + 1e-9)
    return 1 - ops.sum(y * guess) / spread


@sound(
    source="https://github.com/tensorflow/tensorflow/issues/37495",
    metric="correlation on held-out shares",
    good=0.9,
)
def only_the_ranking_counts(seed, callbacks):
    """Loss: the correlation in a batch, so the answers may have any mean and any scale."""
    random = start(seed)
    x = random.normal(size=(3000, 6)).astype("float32")
    y = 40 + 7 * (x[:, 0] + x[:, 1] * x[:, 2] + np.abs(x[:, 3])) + random.normal(0, 2, 3000)
    y = y.astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.003), one_minus_correlation)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        batch_size=100,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.corrcoef(y[2400:, 0], model.predict(x[2400:], verbose=0)[:, 0])[0, 1])


PROGRAMS = [
    offers_to_visitors,
    scans_of_sixteen_bits,
    eight_more_digits,
    wind_along_the_runway,
    engines_in_a_step_of_my_own,
    discs_and_bars,
    parcels_by_their_label,
    what_the_pointer_shows,
]
SOUND = [
    blocks_that_begin_as_nothing,
    dropout_that_never_rests,
    labels_among_the_inputs,
    only_the_ranking_counts,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
