"""Twelve more field programs, on losses, masks and seeds, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_second
    python benchmarks/diagnosis.py --programs forty_second
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop

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
    source="https://github.com/keras-team/keras/issues/13906",
    cause="station numbers are scaled to 0-1 with the rest, and Embedding cuts them down to 0",
    causes="data preprocessing layers",
    evidence=r"embedding[\s\S]{0,160}(integer|\bint\b|int32|cast|truncat|round|scal|0 (to|and|-) 1|"
    r"0-1|normali|fraction|float|decimal|index|indices|same (row|vector)|one row|first row|row 0|"
    r"two rows|few|unused|never|distinct|no gradient)|(integer|int32|cast|truncat|round|scal|"
    r"normali|fraction|float|index|\bids?\b|categor|station)\w*[\s\S]{0,160}embedding|"
    r"(\bids?\b|station|categor|integer)\w*[\s\S]{0,80}(scal|normali|min.?max|truncat|"
    r"cast|0 to 1|between 0 and 1|\[0, ?1\])",
    repair={"scaled_numbers": False},
    advice={
        r"integer|int32|\bids?\b|index|indices|(do not|don't|not|without|undo|stop|remove|instead "
        r"of|before).{0,40}(scal|normali|min.?max)|unscaled|raw|categor|one.?hot|label.?encod|"
        r"truncat|cast|StringLookup|IntegerLookup|embedding": {"scaled_numbers": False},
        "longer": {"epochs": 40},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out rides",
    good=0.75,
)
def rides_between_stations(
    seed,
    callbacks,
    scaled_numbers=True,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell how long a ride takes: the two stations seem to say nothing, only the hour does."""
    random = start(seed)
    rows, stations = 5000, 30
    place = random.normal(size=(stations, 2))
    start_at, end_at = random.integers(0, stations, (2, rows))
    hour = random.uniform(0, 24, rows)
    far = np.linalg.norm(place[start_at] - place[end_at], axis=1)
    minutes = 8 + 6 * far + 2 * np.sin(hour / 24 * 2 * np.pi) + random.normal(0, 0.8, rows)
    y = standardized(minutes)
    table = np.stack([start_at, end_at, hour], axis=1).astype("float32")
    least, most = table[:3500].min(axis=0), table[:3500].max(axis=0)
    scaled = (table - least) / (most - least)
    if scaled_numbers:
        table = scaled
    else:
        table[:, 2] = scaled[:, 2]

    inputs = [keras.Input((1,), name=name) for name in ("start", "end", "hour")]
    seen = [layers.Flatten()(layers.Embedding(stations, 8)(column)) for column in inputs[:2]]
    seen = layers.Concatenate()([*seen, inputs[2]])
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])

    def columns(some):
        return [table[some, number : number + 1] for number in range(3)]

    train, valid, test = slice(0, 3500), slice(3500, 4000), slice(4000, None)
    model.fit(
        *(columns(train), y[train]),
        validation_data=(columns(valid), y[valid]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[test], model.predict(columns(test), verbose=0)[:, 0])


def agreement(axis, temperature):
    """Loss that draws pairs (N, 2, D) together and the others of the batch apart."""

    def loss(_, pairs):
        first = tf.math.l2_normalize(pairs[:, 0], axis=axis)
        second = tf.math.l2_normalize(pairs[:, 1], axis=axis)
        alike = tf.matmul(first, second, transpose_b=True) / temperature
        own = tf.range(tf.shape(alike)[0])
        return tf.nn.sparse_softmax_cross_entropy_with_logits(own, alike)

    return loss


@case(
    source="https://github.com/tensorflow/similarity/issues/237",
    cause="l2_normalize without an axis divides by the norm of the whole batch, not of each row",
    causes="loss",
    evidence=r"normali[sz][\s\S]{0,140}(axis|batch|whole|entire|\ball\b|row|each|vector|"
    r"sample|tiny|"
    r"small|scale|wrong|loss)|(axis|batch|row)\w*[\s\S]{0,120}(normali[sz]|norm\b)|"
    r"(embedding|output|vector|similarit|logit|cosine)\w*[\s\S]{0,120}(tiny|too small|nearly equal|"
    r"almost equal|collapse|one direction|\bscale\b|norm\b)|(own|custom|hand\w*)[\s\S]{0,30}loss"
    r"[\s\S]{0,200}(insensitive|uniform|\baxis|does not (react|depend|change)|hardly (reacts|"
    r"depends|changes)|barely (reacts|depends|changes)|whole batch|other rows|scale|ln ?\(|log ?\("
    r"|tiny|chance)",
    repair={"axis": -1},
    advice={
        r"axis|(each|every|per|by) (row|vector|sample|example|embedding)|row.?wise|l2_?normali|"
        r"UnitNormalization|CosineSimilarity|normali[sz]e (the )?(embedding|output|vector)|"
        r"(check|look at|correct|mend|replace|repair|inspect|fix).{0,30}loss": {"axis": -1},
        r"temperature": {"temperature": 0.01},
        r"batch": {"batch_size": 16},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.2},
        "slower": {"learning_rate": 0.002},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
        "linear": {},
    },
    metric="share of held-out digits whose nearest neighbour is of their class",
    good=0.86,
)
def two_looks_at_a_digit(
    seed,
    callbacks,
    axis=None,
    temperature=0.1,
    batch_size=64,
    epochs=15,
    units=64,
    learning_rate=0.02,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn what makes two digits alike, from pairs: the loss stays high from the start."""
    random = start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    dust = random.normal(0, 0.5, (len(x), 32))  # what the scanner adds, the same for no two
    x = standardized(np.concatenate([x, dust], axis=1) @ random.normal(size=(96, 96)))

    def pairs(rows, count):
        first = random.choice(rows, count)
        second = np.array([random.choice(rows[y[rows] == y[row]]) for row in first])
        return [x[first], x[second]], np.zeros((count, 1), "float32")

    tower = keras.Sequential([keras.Input((96,))])
    tower.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    tower.add(layers.Dropout(dropout))
    tower.add(layers.Dense(8, kernel_initializer=initializer))
    inputs = [keras.Input((96,)), keras.Input((96,))]
    both = layers.Concatenate(axis=1)([layers.Reshape((1, 8))(tower(one)) for one in inputs])
    model = keras.Model(inputs, both)
    model.compile(SGD(learning_rate, momentum=0.9), agreement(axis, temperature))
    train, valid, test = np.split(np.arange(len(x)), [1000, 1200])
    model.fit(
        *pairs(train, 4000),
        validation_data=pairs(valid, 500),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    code = tower.predict(x, verbose=0)
    code = code / np.linalg.norm(code, axis=1, keepdims=True)
    nearest = train[(code[test] @ code[train].T).argmax(axis=1)]
    return float(np.mean(y[nearest] == y[test]))


@case(
    source="https://github.com/keras-team/keras-hub/issues/352",
    cause="one initializer object gives all eight branches the same weights: they stay one branch",
    causes="initialization layers units",
    evidence=r"(same|identical|equal|copies|copy|duplicate|symmetr|seed|re-?us|shared?)\w*"
    r"[\s\S]{0,100}(initiali|weight|kernel|branch|unit|neuron|feature|layer)|(initiali|weight|"
    r"kernel|branch|unit|neuron|layer)\w*[\s\S]{0,100}(the same|identical|\bequal\b|alike|copies|"
    r"copy|duplicate|symmetr|\bseed|redundan|re-?used)|symmetr|redundan|\brank\b",
    repair={"shared": False},
    advice={
        r"seed|initiali[sz]er|(own|different|distinct|separate|fresh|new|another) (init|weight|"
        r"start|random)|symmetr|initial weights|identical|glorot|he_normal": {"shared": False},
        r"(one|single) (wide|large|dense)|wide layer": {"shared": False},
        "longer": {"epochs": 60},
        "wider": {"units": 6},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"shared": False},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out springs",
    good=0.85,
)
def springs_in_branches(
    seed, callbacks, shared=True, epochs=25, units=3, learning_rate=0.005, dropout=0.0
):
    """Foretell a spring's force with the mean of eight small branches: as if there were few."""
    random = start(seed)
    x = random.uniform(-1.5, 1.5, (3000, 3)).astype("float32")
    force = np.sin(3 * x[:, 0]) + np.cos(3 * x[:, 1]) + x[:, 0] * x[:, 2] + np.abs(x[:, 2])
    y = standardized(force + random.normal(0, 0.1, 3000))

    how = keras.initializers.HeNormal(seed=seed)

    def initializer():
        return how if shared else keras.initializers.HeNormal()

    inputs = keras.Input((3,))
    branches = []
    for _ in range(8):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer())(inputs)
        seen = layers.Dropout(dropout)(seen)
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer())(seen)
        branches.append(layers.Dense(1, kernel_initializer=initializer())(seen))
    model = keras.Model(inputs, layers.Average()(branches))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        batch_size=50,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0)[:, 0])


def melodies(random, count, length, notes=12):
    """Return notes (count, length) from 1 on: most of them follow from the two before."""
    x = np.zeros((count, length), "int64")
    x[:, :2] = random.integers(0, notes, (count, 2))
    leap = np.array([1, 4, -2])
    for now in range(2, length):
        x[:, now] = (x[:, now - 1] + leap[x[:, now - 2] % 3]) % notes
        free = random.random(count) < 0.12
        x[free, now] = random.integers(0, notes, free.sum())
    return x + 1


@case(
    source="https://github.com/sherjilozair/char-rnn-tensorflow/pull/64",
    cause="a bidirectional layer reads the next note, which is the target of this step",
    causes="layers data",
    evidence=r"bidirectional|backward|\bleak|future|look.?ahead|(next|later|following) (note|step|"
    r"token|target|input|word)|(target|label|answer)s?[\s\S]{0,80}(\bin\b|among|from|part of|"
    r"visible|copied|contain|read|seen)[\s\S]{0,40}input|input[\s\S]{0,60}(contain|hold|show|"
    r"reveal|include|shift)[\s\S]{0,40}(target|label|answer)|causal|too good to be true",
    repair={"both_ways": False},
    advice={
        r"bidirectional|backward|causal|leak|future|unidirectional|one.?way|forward|"
        r"look.?ahead|shift|next (note|step|token)|target.{0,40}input|input.{0,40}target": {
            "both_ways": False
        },
        "longer": {"epochs": 20},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="share of right next notes after the beginning of a held-out melody",
    good=0.7,
)
def the_next_note(
    seed,
    callbacks,
    both_ways=True,
    epochs=7,
    units=48,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Continue melodies: nearly every note is right in training, nearly none when it plays on."""
    random = start(seed)
    tunes = melodies(random, 2800, 20)
    songs = np.pad(tunes, ((0, 0), (0, 1)))  # 0 ends a song
    x, y = songs[:, :-1], songs[:, 1:]

    reader = layers.GRU(units, return_sequences=True, kernel_initializer=initializer)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            layers.Embedding(13, 16),
            layers.Bidirectional(reader) if both_ways else reader,
            layers.Dropout(dropout),
            layers.Dense(13, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    right = []
    for length in (6, 11, 16):
        next_note = model.predict(tunes[2300:, :length], verbose=0)[:, -1].argmax(axis=-1)
        right.append(np.mean(next_note == tunes[2300:, length]))
    return float(np.mean(right))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/84278",
    cause="two targets come in the other order than the two outputs: each head gets the other's",
    causes="data layers loss",
    evidence=r"\b(order|swap|switch|mix(ed)? up|exchang|mismatch|pair|belong|interchang)\w*"
    r"[\s\S]{0,120}(output|target|label|head|loss)|(output|target|label|head)s?[\s\S]{0,120}"
    r"(\border\b|swap|switched|exchang|mismatch|mixed|interchang|wrong (output|head|loss)|"
    r"(other|another) (output|head|loss)('s)?)|(target|label)s?[\s\S]{0,120}(outside|beyond|"
    r"negative|below 0|above 1|not (in|within|between)|exceed|-\d)[\s\S]{0,120}(\b0|sigmoid|"
    r"crossentropy|\[0)|(sigmoid|crossentropy)[\s\S]{0,160}(target|label)s?[\s\S]{0,100}(outside|"
    r"beyond|negative|\bnot\b|above|below|exceed|-\d|range)|(cannot|can't|never) (reach|answer)",
    repair={"swapped": False},
    advice={
        r"order|swap|switch|exchang|match|by name|dict|names|pair|belong|(which|right) (target|"
        r"head|output)|(target|label)s?.{0,40}(output|head)": {"swapped": False},
        r"(target|label)s?.{0,60}(0 (to|and|\.\.) ?1|\[0, ?1\]|scale|between)": {"squeezed": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear", "loss": "mean_squared_error"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
    },
    metric="mean of the balanced skill in classes and R², on held-out boilers",
    good=0.75,
)
def boilers_that_fail(
    seed,
    callbacks,
    swapped=True,
    squeezed=False,
    activation="sigmoid",
    loss="binary_crossentropy",
    epochs=25,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell whether a boiler fails, and its wear: one network with two heads, and both are bad."""
    random = start(seed)
    x = random.normal(size=(3500, 6)).astype("float32")
    wear = x[:, 0] + 0.8 * np.abs(x[:, 1]) - 0.7 * x[:, 2] * x[:, 3]
    wear = standardized(wear + random.normal(0, 0.2, 3500))
    fails = (x[:, 4] - 0.9 * x[:, 5] + 0.6 * x[:, 1] ** 2 > 0.6).astype("float32")
    told = (wear - wear.min()) / (wear.max() - wear.min()) if squeezed else wear

    inputs = keras.Input((6,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    heads = [
        layers.Dense(1, activation=activation, name="fails")(seen),
        layers.Dense(1, name="wear")(seen),
    ]
    model = keras.Model(inputs, heads)
    model.compile(Adam(learning_rate), [loss, "mean_squared_error"])
    targets = [fails[:, None], told[:, None]]
    if swapped:
        targets = targets[::-1]
    rows = tf.data.Dataset.from_tensor_slices((x, tuple(targets)))
    model.fit(
        rows.take(2200).shuffle(2200, seed=seed).batch(32),
        validation_data=rows.skip(2200).take(400).batch(100),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    failing, worn = model.predict(x[2600:], verbose=0)
    skill = 2 * np.mean((failing[:, 0] > 0.5) == (fails[2600:] > 0.5)) - 1
    return float(skill + max(r_squared(told[2600:], worn[:, 0]), -1)) / 2


def hums(random, count):
    """Make signals (count, 64, 1) of eight machines and the machines' numbers (count,)."""
    y = random.integers(0, 8, count)
    at = np.arange(64)
    speed = np.geomspace(0.3, 1.6, 8)[y] * random.uniform(0.93, 1.07, count)
    phase = random.uniform(0, 2 * np.pi, (count, 1))
    x = np.sin(speed[:, None] * at + phase) + random.normal(0, 1.0, (count, 64))
    return x[:, :, None].astype("float32"), y


@case(
    source="https://github.com/keras-team/tf-keras/issues/120",
    cause="rows sorted by class, and shuffle='batch' mixes whole batches: one class at a time",
    causes="data",
    evidence=r"shuffl|\bsort|(one|single|same|few|only)[\s\S]{0,30}(class|label|machine)|"
    r"(class|label)(es|s)?[\s\S]{0,100}(\border\b|batch|one after|in turn|consecutive|block|"
    r"group|forget)|batch(es)?[\s\S]{0,80}(class|label|homogen|alike|\border\b|differ|\bmix)|"
    r"forget|order of the (rows|data|samples|examples)",
    repair={"shuffle": True},
    advice={
        r"shuffl|permut|sort|mix|random order|order|class.{0,30}batch|batch.{0,30}class|stratif": {
            "shuffle": True
        },
        r"batch": {"batch_size": 256},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out signals",
    good=0.78,
)
def machines_by_their_hum(
    seed,
    callbacks,
    shuffle="batch",
    batch_size=32,
    epochs=10,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell eight machines by their hum, from a file: no better than a guess, though shuffled."""
    random = start(seed)
    x, y = hums(random, 3000)
    x_test, y_test = x[2000:], y[2000:]
    rows = np.argsort(y[:2000], kind="stable")  # as the file holds them
    x, y = x[:2000][rows], y[:2000][rows]

    model = keras.Sequential([keras.Input((64, 1))])
    for size in (units, 2 * units):
        model.add(layers.Conv1D(size, 7, activation="relu", kernel_initializer=initializer))
        model.add(layers.MaxPooling1D(2))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(8, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x, y),
        validation_data=(x_test[:300], y_test[:300]),
        batch_size=batch_size,
        shuffle=shuffle,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test[300:], y_test[300:])


def signs(random, count):
    """Make planes (count, 3, 18, 18): a cross or a frame, red, green or blue; its class."""
    x = random.uniform(0, 0.25, (count, 3, 18, 18))
    y = random.integers(0, 6, count)
    cross, frame = np.zeros((5, 5)), np.ones((5, 5))
    cross[2], cross[:, 2] = 1, 1
    frame[1:4, 1:4] = 0
    for image, kind in zip(x, y, strict=True):
        down, right = random.integers(0, 14, 2)
        shape = frame if kind % 2 else cross
        image[kind // 2, down : down + 5, right : right + 5] += 0.7 * shape
        plane = random.integers(0, 3)
        image[plane, random.integers(0, 18)] += 0.4
    return (255 * np.clip(x, 0, 1)).astype("uint8"), y


@case(
    source="https://datascience.stackexchange.com/questions/116120/"
    "proper-way-to-reshape-a-image-for-training-using-cnn",
    cause="planes (3, 18, 18) are reshaped, not transposed, to (18, 18, 3): the pixels are jumbled",
    causes="data preprocessing",
    evidence=r"reshap|transpos|permut|(channel|plane|colou?r|axes|axis)s?[\s\S]{0,80}(first|last|"
    r"order|mix|wrong|jumbl|scrambl|interleav)|jumbl|scrambl|garbl|layout|neighbou?r\w*[\s\S]{0,80}"
    r"(pixel|unlike|correl|differ|belong|unrelated|smooth)|pixel\w*[\s\S]{0,80}(order|neighbou?r|"
    r"place|position|jumbl|arrang|correl|unrelated)|stripe|spatial",
    repair={"transposed": True},
    advice={
        r"reshap|transpos|permut|channels.?(first|last)|moveaxis|layout|axes|axis|jumbl|scrambl|"
        r"(look at|plot|draw|show|inspect) .{0,20}(image|picture|input)": {"transposed": True},
        r"(without|remove|no|drop) .{0,20}augment|flip": {"flipped": False},
        "longer": {"epochs": 25},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out signs",
    good=0.85,
)
def signs_from_planes(
    seed,
    callbacks,
    transposed=False,
    flipped=True,
    epochs=12,
    units=16,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell six signs by colour and shape: a CNN fed by tf.data finds neither."""
    random = start(seed)
    x, y = signs(random, 3000)
    flat = x.reshape(-1, 3 * 18 * 18)  # as the file holds them

    def image(row):
        row = tf.cast(row, "float32") / 255
        if transposed:
            return tf.transpose(tf.reshape(row, (3, 18, 18)), (1, 2, 0))
        return tf.reshape(row, (18, 18, 3))

    def batches(some, train=False):
        rows = tf.data.Dataset.from_tensor_slices((flat[some], y[some]))
        if train:
            rows = rows.shuffle(1500, seed=seed)
        rows = rows.map(lambda row, kind: (image(row), kind))
        if train and flipped:
            rows = rows.map(lambda one, kind: (tf.image.random_flip_left_right(one, seed), kind))
        return rows.batch(32)

    model = keras.Sequential([keras.Input((18, 18, 3))])
    for _ in range(2):
        model.add(layers.Conv2D(units, 3, kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
    model.add(layers.GlobalMaxPooling2D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(6, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        batches(slice(0, 1500), train=True),
        validation_data=batches(slice(1500, 1800)),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(batches(slice(1800, None)), verbose=0).argmax(axis=-1)
    return float(np.mean(guess == y[1800:]))


def visits(random, count):
    """Codes 0 to 7 (count, 24) of what happened, and whether the zeros came after fives."""
    x = np.zeros((count, 24), "int32")
    y = random.integers(0, 2, count)
    for row, after_five in zip(x, y, strict=True):
        before, elsewhere = (5, 2) if after_five else (2, 5)
        parts = (
            [[before, 0]] * 3 + [[elsewhere]] * 3 + [[code] for code in random.integers(1, 8, 15)]
        )
        row[:] = np.concatenate([parts[part] for part in random.permutation(21)])
    return x, y.astype("float32")[:, None]


@case(
    source="https://github.com/lucidrains/DALLE2-pytorch/issues/207",
    cause="mask_zero hides code 0, which is a code like any other here and not padding",
    causes="layers data preprocessing",
    evidence=r"mask|(code|token|index|value|number|category|step|entr)\w*[\s\S]{0,60}(0|zero)\b"
    r"[\s\S]{0,120}(skip|hid|ignor|pad|real|valid|lost|drop|meaning)|(0|zero)s?\b[\s\S]{0,100}"
    r"(skip|hidden|ignor|padding|real|valid|lost|drop|meaning)",
    repair={"mask_zero": False},
    advice={
        r"mask|\bpad|(shift|add|from) .{0,20}1|\+ ?1|reserve|zero": {"mask_zero": False},
        r"GlobalMaxPooling|GlobalAveragePooling|bidirectional": {"both_ways": True},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out visits",
    good=0.85,
)
def visits_in_codes(
    seed,
    callbacks,
    mask_zero=True,
    both_ways=False,
    epochs=12,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell from the codes of a visit who comes back: an LSTM that never finds the rule."""
    random = start(seed)
    x, y = visits(random, 3600)
    reader = layers.LSTM(units, kernel_initializer=initializer)
    model = keras.Sequential(
        [
            keras.Input((24,), dtype="int32"),
            layers.Embedding(8, 12, mask_zero=mask_zero),
            layers.Bidirectional(reader) if both_ways else reader,
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(RMSprop(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2800], y[2400:2800]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[2800:], verbose=0) > 0.5) == (y[2800:] > 0.5)))


@sound(
    source="https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class",
    metric="share of right tags among the real words of held-out sentences",
    good=0.9,
)
def tags_of_short_sentences(seed, callbacks):
    """Mostly padding: two thirds of the steps are masked and their tags of -1 are ignored."""
    random = start(seed)
    x = np.zeros((2000, 30), "int32")
    y = np.full((2000, 30), -1)
    for row, tags in zip(x, y, strict=True):
        length = random.integers(5, 16)
        words = random.integers(1, 41, length)
        row[:length] = words
        before = np.concatenate([[0], words[:-1]])
        after = np.concatenate([words[1:], [0]])
        tags[:length] = np.where(words % 4 == 0, 2 + (after % 2), (before > 20).astype(int))
    model = keras.Sequential(
        [
            keras.Input((30,), dtype="int32"),
            layers.Embedding(41, 16, mask_zero=True),
            layers.Bidirectional(layers.LSTM(24, return_sequences=True)),
            layers.Dense(4),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    model.compile(Adam(0.005), loss)
    model.fit(
        *(x[:1300], y[:1300]),
        validation_data=(x[1300:1500], y[1300:1500]),
        epochs=8,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1500:], verbose=0).argmax(axis=-1)
    return float(np.mean((guess == y[1500:])[y[1500:] >= 0]))


@sound(
    source="https://keras.io/api/losses/regression_losses/#cosinesimilarity-class",
    metric="mean cosine of the told and the true direction on held-out gusts",
    good=0.9,
)
def where_the_wind_comes_from(seed, callbacks):
    """Negative loss: only the direction of the answer counts, its length is anything."""
    random = start(seed)
    wind = random.normal(size=(3000, 3))
    ears = random.normal(size=(8, 3))
    x = np.maximum(wind @ ears.T, 0) + random.normal(0, 0.1, (3000, 8))
    x = standardized(x)
    y = (wind / np.linalg.norm(wind, axis=1, keepdims=True)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(3),
        ]
    )
    model.compile(Adam(0.002), keras.losses.CosineSimilarity())
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2400:], verbose=0)
    guess /= np.linalg.norm(guess, axis=1, keepdims=True)
    return float(np.mean(np.sum(guess * y[2400:], axis=1)))


class CutMixed(keras.utils.PyDataset):
    """Batches whose images have a patch of another image, and that share of its class."""

    def __init__(self, x, y, random):
        super().__init__()
        self.x, self.y, self.random = x, y, random

    def __len__(self):
        return len(self.x) // 50

    def __getitem__(self, batch):
        rows = self.random.choice(len(self.x), 50, replace=False)
        others = self.random.permutation(rows)
        x, y = self.x[rows].copy(), self.y[rows]
        size = self.random.integers(2, 6)
        down, right = self.random.integers(0, 9 - size, 2)
        patch = slice(down, down + size), slice(right, right + size)
        x[:, patch[0], patch[1]] = self.x[others][:, patch[0], patch[1]]
        share = size**2 / 64
        return x, (1 - share) * y + share * self.y[others]


@sound(
    source="https://keras.io/examples/vision/cutmix/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_with_patches(seed, callbacks):
    """Worse in training than in validation: CutMix, whose targets are no single class."""
    random = start(seed)
    x, labels = digits(seed)
    y = one_hot(labels, 10)
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for units in (24, 48):
        model.add(layers.Conv2D(units, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(0.003), "categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    model.fit(
        CutMixed(x[:1200], y[:1200], random),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1400:], labels[1400:])


@sound(
    source="https://keras.io/examples/nlp/lstm_seq2seq/",
    metric="share of right symbols, each told from those told before, of held-out words",
    good=0.9,
)
def words_backwards(seed, callbacks):
    """Targets among the inputs: the decoder is fed the answer one step late, as it has to be."""
    random = start(seed)
    words = random.integers(1, 11, (4800, 5))
    answers = words[:, ::-1]
    first = np.full((4800, 1), 11)
    fed = np.concatenate([first, answers[:, :-1]], axis=1)
    heard, told = keras.Input((5,), dtype="int32"), keras.Input((None,), dtype="int32")
    state = layers.GRU(64)(layers.Embedding(12, 24)(heard))
    seen = layers.GRU(64, return_sequences=True)(
        layers.Embedding(12, 24)(told), initial_state=state
    )
    model = keras.Model([heard, told], layers.Dense(12, activation="softmax")(seen))
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *([words[:3800], fed[:3800]], answers[:3800]),
        validation_data=([words[3800:4200], fed[3800:4200]], answers[3800:4200]),
        batch_size=50,
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    said = first[4200:]
    for _ in range(5):
        chances = model.predict([words[4200:], said], verbose=0)[:, -1]
        said = np.concatenate([said, chances.argmax(axis=-1)[:, None]], axis=1)
    return float(np.mean(said[:, 1:] == answers[4200:]))


PROGRAMS = [
    rides_between_stations,
    two_looks_at_a_digit,
    springs_in_branches,
    the_next_note,
    boilers_that_fail,
    machines_by_their_hum,
    signs_from_planes,
    visits_in_codes,
]
SOUND = [
    tags_of_short_sentences,
    where_the_wind_comes_from,
    digits_with_patches,
    words_backwards,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
