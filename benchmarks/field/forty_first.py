"""Twelve more field programs, of mistakes that say nothing, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_first
    python benchmarks/diagnosis.py --programs forty_first
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import LambdaCallback
from keras.optimizers import Adam
from keras.optimizers.schedules import CosineDecay
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


@case(
    source="https://github.com/statsmaths/kerasR/issues/17",
    cause="pad_sequences makes whole numbers of the measurements: nearly all of them become 0",
    causes="data preprocessing",
    evidence=r"pad_sequences|\bint(eger|32|64)?s?\b|whole number|dtype|truncat|"
    r"\bround(ed|ing|s)?\b|"
    r"\bcast|decimal|fraction|(input|value|feature|row|step|sequence)s?[\s\S]{0,100}(zero|\b0\b|"
    r"constant|identical|the same|few(er)? (distinct|different|values)|distinct|duplicat|no "
    r"information|hardly (vary|differ))|(zero|constant|identical|duplicat|distinct)\w*[\s\S]{0,80}"
    r"(input|value|feature|row|step|sequence)",
    repair={"dtype": "float32"},
    advice={
        r"dtype|float|whole number|\bint(eger|32|64)?s?\b|truncat|round|\bcast|decimal|"
        r"pad_sequences|zero|constant|identical|duplicat|distinct|preprocess": {"dtype": "float32"},
        "scaled": {"scaled": True},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out recordings",
    good=0.85,
)
def tremors_of_unequal_length(
    seed,
    callbacks,
    dtype="int32",
    scaled=False,
    epochs=10,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell three tremors by how fast they are, from recordings of 14 to 30 steps."""
    random = start(seed)
    rows, longest, behind = 2400, 30, -9
    y = random.integers(0, 3, rows)
    recordings = []
    for kind in y:
        steps = np.arange(random.integers(14, longest + 1))
        speed = (0.06, 0.13, 0.22)[kind] + random.uniform(-0.02, 0.02)
        swing = random.uniform(0.5, 1.02) * np.sin(2 * np.pi * (speed * steps + random.random()))
        recordings.append(swing + random.normal(0, 0.06, len(steps)))
    x = keras.utils.pad_sequences(
        recordings, maxlen=longest, dtype=dtype, padding="post", value=behind
    )
    x = x.astype("float32")
    if scaled:
        real = x[x != behind]
        x = np.where(x == behind, behind, (x - real.mean()) / real.std()).astype("float32")
    x = x[:, :, None]

    model = keras.Sequential(
        [
            keras.Input((longest, 1)),
            layers.Masking(float(behind)),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax"),
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


class Heads(layers.Layer):
    """Attention of several heads, written by hand."""

    def __init__(self, units, heads, transposed, initializer):
        super().__init__()
        self.units, self.heads, self.transposed = units, heads, transposed
        self.query, self.key, self.value, self.out = (
            layers.Dense(units, kernel_initializer=initializer) for _ in range(4)
        )

    def split(self, x):
        """Rows (N, T, D) to heads (N, H, T, D / H)."""
        length, part = x.shape[1], self.units // self.heads
        if self.transposed:
            return ops.transpose(ops.reshape(x, (-1, length, self.heads, part)), (0, 2, 1, 3))
        return ops.reshape(x, (-1, self.heads, length, part))

    def call(self, x):
        """Return what every step gathers from the others."""
        query, key, value = (self.split(f(x)) for f in (self.query, self.key, self.value))
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        scores = scores / np.sqrt(self.units / self.heads)
        seen = ops.matmul(ops.softmax(scores), value)
        if self.transposed:
            seen = ops.transpose(seen, (0, 2, 1, 3))
        return self.out(ops.reshape(seen, (-1, x.shape[1], self.units)))


@case(
    source="https://github.com/reczoo/FuxiCTR/issues/30",
    cause="heads are split by a reshape without a transpose: a head holds a few steps, not a part",
    causes="layers",
    evidence=r"reshape|transpos|permut|(axis|axes|dimension)s?[\s\S]{0,60}(head|swap|mix|"
    r"order|wrong)|"
    r"heads?\b[\s\S]{0,100}(split|step|position|token|mix|wrong|row)|(split|mix|scrambl)\w*"
    r"[\s\S]{0,60}(head|step|position|token|item)|attention[\s\S]{0,100}(wrong|cannot|only|"
    r"not see|does not reach|mix|uniform|own|custom|hand)|(own|custom|hand)\w*[\s\S]{0,40}"
    r"(attention|layer)|(early|earlier|first|distant|far|most) (steps?|items?|tokens?|positions?)"
    r"[\s\S]{0,80}(no (effect|influence|gradient)|not (reach|used|seen)|ignor)|"
    r"(output|answer|prediction)s?[\s\S]{0,80}not depend",
    repair={"transposed": True},
    advice={
        r"transpos|permut|reshape|split|MultiHeadAttention|attention|axes|axis|own layer|"
        r"custom layer": {"transposed": True},
        r"one head|single head|heads ?= ?1|fewer heads": {"heads": 1},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² of the prices asked for, in held-out orders",
    good=0.8,
)
def the_price_that_is_asked_for(
    seed,
    callbacks,
    transposed=False,
    heads=4,
    epochs=10,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Answer what an article costs that stands in a list before the question."""
    random = start(seed)
    rows, articles, length = 6000, 11, 12
    x = np.zeros((rows, length, articles + 2), "float32")
    price = random.normal(size=(rows, articles)).astype("float32")
    order = np.argsort(random.random((rows, articles)), axis=1)
    row = np.arange(rows)
    for step in range(articles):
        x[row, step, order[:, step]] = 1
        x[row, step, articles] = price[row, order[:, step]]
    asked = random.integers(0, articles, rows)
    x[row, -1, asked] = 1
    x[:, -1, articles + 1] = 1
    y = price[row, asked][:, None]

    inputs = keras.Input((length, articles + 2))
    seen = layers.Dense(units, kernel_initializer=initializer)(inputs)
    seen = layers.Add()([seen, Heads(units, heads, transposed, initializer)(seen)])
    seen = layers.LayerNormalization()(seen)
    last = layers.Dropout(dropout)(seen[:, -1])
    last = layers.Dense(32, activation="relu", kernel_initializer=initializer)(last)
    model = keras.Model(inputs, layers.Dense(1)(last))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:4500], y[:4500]),
        validation_data=(x[4500:5000], y[4500:5000]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[5000:], model.predict(x[5000:], verbose=0))


@case(
    source="https://github.com/rstudio/keras3/issues/302",
    cause="the words count from 1, the rows of their vectors from 0: each has its neighbour's",
    causes="layers data preprocessing initialization",
    evidence=r"embedding[\s\S]{0,140}(row|index|shift|offset|off by one|order|wrong|frozen|fixed|"
    r"trainable|not (trained|change|move|updated|learn)|match|random|neighbou?r|useless|little|"
    r"pretrain)|(off[- ]by[- ]one|shift|offset|index)\w*[\s\S]{0,80}(embedding|word|vector|row|"
    r"token|vocabular)|(frozen|not trainable|trainable ?= ?False|pretrain)[\s\S]{0,80}"
    r"(embedding|vector|layer)|(word|token|vocabular)\w*[\s\S]{0,80}(vector|row)[\s\S]{0,40}"
    r"(wrong|other|shift|not)",
    repair={"first": 1},
    advice={
        r"off[- ]by[- ]one|shift|offset|index|\brows?\b.{0,40}(word|vector|embedding|matrix)|"
        r"(word|vector|embedding|matrix).{0,60}(match|align|order|row)|vocabular|\+ ?1|row 0": {
            "first": 1
        },
        r"trainable|unfreeze|fine-?tun|train the embedding|frozen": {"trainable": True},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out comments",
    good=0.8,
)
def comments_with_ready_vectors(
    seed,
    callbacks,
    first=0,
    trainable=False,
    epochs=25,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell kind comments from rude ones with vectors of 2,000 words that somebody else trained."""
    random = start(seed)
    words, size, rows, length = 2000, 24, 2100, 20
    vectors = random.normal(size=(words, size)).astype("float32")  # of word 1, word 2, ...
    mood = vectors @ random.normal(size=size) / np.sqrt(size)
    y = random.integers(0, 2, rows).astype("float32")
    pull = np.exp(0.55 * np.outer(2 * y - 1, mood))
    x = np.zeros((rows, length), "int32")
    for text, chance in zip(x, pull, strict=True):
        count = random.integers(8, length + 1)
        text[:count] = 1 + random.choice(words, count, p=chance / chance.sum())

    matrix = np.zeros((words + 1, size), "float32")
    matrix[first : first + words] = vectors
    embedding = layers.Embedding(
        words + 1,
        size,
        embeddings_initializer=keras.initializers.Constant(matrix),
        trainable=trainable,
        mask_zero=True,
    )
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            embedding,
            layers.GlobalAveragePooling1D(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:600], y[:600]),
        validation_data=(x[600:900], y[600:900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[900:], verbose=0)[:, 0] > 0.5) == y[900:]))


@case(
    source="https://github.com/keras-team/keras/issues/6446",
    cause="the digits' loss weighs 0, and a callback that raises it after compile changes nothing",
    causes="loss layers",
    evidence=r"loss[_ ]?weight|weigh(s|ed|t|ts)?\b[\s\S]{0,80}(loss|\b0\b|zero|output|"
    r"nothing|count)|"
    r"(output|head|branch|layer|digit|class)\w*[\s\S]{0,100}(no gradient|not (trained|learn|moved?|"
    r"change|updated|count)|never (trained|moved?|learn|updated|change|counts?)|"
    r"gradients?[\s\S]{0,20}"
    r"(zero|0\b|none)|untrained|ignored)|(loss|losses)[\s\S]{0,80}(does not count|ignored|"
    r"outweigh|dominat|share|no part|not part|without effect)|"
    r"(gradient|weight|kernel)s?[\s\S]{0,80}(zero|not (move|change)|stand still|stay)|"
    r"multipl\w* by 0",
    repair={"live": True},
    advice={
        r"keras\.Variable|\bvariable\b|callback|recompile|compile (again|anew)": {"live": True},
        r"loss[_ ]?weight|weight of (the|its|this|each)|raise the weight|weigh|balance|"
        r"equal weight|"
        r"both losses|train (both|the (head|second|other))|greater than (0|zero)|gradient": {
            "weight": 1.0
        },
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out digits",
    good=0.85,
)
def pictures_first_digits_later(
    seed,
    callbacks,
    live=False,
    weight=0.0,
    epochs=14,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn to draw images again, and from the fifth epoch on to name their digits, too."""
    start(seed)
    x, y = digits(seed)
    variable = keras.Variable(weight, name="share")
    weights = {"picture": 1.0, "digit": 1.0 if live else weight}

    def named(y_true, y_pred):
        loss = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
        return variable * loss if live else loss

    def later(epoch, _):
        if epoch == 4:
            weights["digit"] = 1.0
            variable.assign(1.0)

    inputs = keras.Input((8, 8, 1))
    conv = layers.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer=initializer)
    seen = layers.MaxPooling2D()(conv(inputs))
    code = layers.Dense(units, activation="relu", kernel_initializer=initializer)(
        layers.Flatten()(seen)
    )
    digit = layers.Dense(10, activation="softmax", name="digit")(layers.Dropout(dropout)(code))
    drawn = layers.Dense(64, activation="sigmoid")(code)
    picture = layers.Reshape((8, 8, 1), name="picture")(drawn)
    model = keras.Model(inputs, {"picture": picture, "digit": digit})
    model.compile(
        Adam(learning_rate),
        loss={"picture": "mean_squared_error", "digit": named},
        loss_weights=weights,
        metrics={"digit": ["accuracy"]},
    )
    model.fit(
        *(x[:1200], {"picture": x[:1200], "digit": y[:1200]}),
        validation_data=(x[1200:1400], {"picture": x[1200:1400], "digit": y[1200:1400]}),
        epochs=epochs,
        callbacks=[LambdaCallback(on_epoch_begin=later), *callbacks],
        verbose=0,
    )
    guess = model.predict(x[1400:], verbose=0)["digit"].argmax(axis=-1)
    return float(np.mean(guess == y[1400:]))


@case(
    source="https://github.com/dwave-examples/image-segmentation/issues/10",
    cause="frames of unsigned bytes are subtracted: what gets darker comes out as 256 minus it",
    causes="data preprocessing",
    evidence=r"uint8|unsigned|overflow|underflow|wrap|modulo|\bbytes?\b|dtype|integer|"
    r"(negative|below (0|zero))[\s\S]{0,80}(value|pixel|input|differ|miss|never|no\b|lost)|"
    r"(no|never|without|lost|lack\w*) (any )?negative|(differ|subtract)\w*[\s\S]{0,80}(wrong|"
    r"positive|255|noise|negative|range)|(input|pixel)s?[\s\S]{0,100}(noise|noisy|two (peaks|"
    r"clusters|groups)|both ends|near(ly)? (0|1|255)|bimodal|extreme)",
    repair={"dtype": "int16"},
    advice={
        r"uint8|unsigned|overflow|wrap|dtype|\bcast|float32|astype|int16|signed|negative|differ|"
        r"subtract|preprocess": {"dtype": "int16"},
        "scaled": {"scaled": True},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out pairs of frames",
    good=0.85,
)
def where_the_spot_went(
    seed,
    callbacks,
    dtype="uint8",
    scaled=False,
    epochs=10,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell which of four ways a bright spot went, from the difference of two frames."""
    random = start(seed)
    rows, size = 2600, 14
    y = random.integers(0, 4, rows)
    frames = np.full((2, rows, size, size), 40.0)
    ways = np.array([[0, 3], [0, -3], [3, 0], [-3, 0]])
    for row, way in enumerate(ways[y]):
        at = random.integers(4, size - 5, 2)
        bright = random.uniform(60, 196)
        for frame, (down, right) in zip(frames[:, row], (at, at + way), strict=True):
            frame[down : down + 2, right : right + 2] += bright
    frames = np.clip(frames + random.normal(0, 4, frames.shape), 0, 255).astype("uint8")
    before, after = frames.astype(dtype)
    x = ((after - before) / 255).astype("float32")[..., None]
    if scaled:
        x = (x - x.mean()) / x.std()

    model = keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.Conv2D(16, 5, padding="same", activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.GlobalMaxPooling2D(),
            layers.Dropout(dropout),
            layers.Dense(32, activation="relu", kernel_initializer=initializer),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    targets = one_hot(y, 4)
    model.fit(
        *(x[:1800], targets[:1800]),
        validation_data=(x[1800:2100], targets[1800:2100]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2100:], y[2100:])


def push(state, force, copied):
    """Return carts (N, 3) before and after a second, in which each is pushed by a force (N, 1)."""
    before = state.copy() if copied else state
    place, speed, _ = before.T.copy()
    state[:, 0] += speed + 0.5 * force[:, 0]
    state[:, 1] += force[:, 0] - 0.6 * np.tanh(2 * speed)
    state[:, 2] += np.sin(place) * force[:, 0]
    return before, state


@case(
    source="https://github.com/awjuliani/dfp/issues/5",
    cause="the state before is the very array that is changed: inputs and targets are the same",
    causes="data preprocessing",
    evidence=r"(input|target|label|state|column|feature)s?[\s\S]{0,120}(the same|identical|equal|"
    r"cop(y|ies|ied)|alias|overwrit|in place|leak|contain|duplicat)|(identical|equal|same|leak|"
    r"cop(y|ies|ied)|alias)\w*[\s\S]{0,80}(input|target|label|array|state)|identity|"
    r"reference to the same|"
    r"(correlat|R²)[\s\S]{0,60}(1\.0|perfect)|too (good|easy)|(suspicious|trivial)|in[- ]place",
    repair={"copied": True},
    advice={
        r"cop(y|ied)|alias|in[- ]place|identical|the same array|leak|next (state|step)|"
        r"(target|label)s?.{0,60}(equal|same|identical|input|wrong|check|shift)|overwrit": {
            "copied": True
        },
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of how carts of another log change in a second",
    good=0.8,
)
def carts_a_second_later(
    seed,
    callbacks,
    copied=False,
    epochs=20,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell carts from their state and a push: a loss of nearly 0, and useless as a model."""
    random = start(seed)
    force = random.normal(size=(3000, 1)).astype("float32")
    carts = random.normal(size=(3000, 3)).astype("float32")
    x, y = push(carts[:2200], force[:2200], copied)

    state, pushed = keras.Input((3,), name="state"), keras.Input((1,), name="force")
    seen = layers.Concatenate()([state, pushed])
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = keras.Model([state, pushed], layers.Dense(3)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *([x[:1800], force[:1800]], y[:1800]),
        validation_data=([x[1800:2200], force[1800:2200]], y[1800:2200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    x, y = push(carts[2200:], force[2200:], copied=True)
    return r_squared(y - x, model.predict([x, force[2200:]], verbose=0) - x)


@case(
    source="https://github.com/keras-team/keras/issues/18747",
    cause="the warm-up's target is the small rate it was to start from: it falls, and stays there",
    causes="learning_rate optimizer",
    evidence=r"warm-?up|schedul|cosine|decay|(learning.?rate|\brate\b)[\s\S]{0,140}(fell|fall|low|"
    r"small|tiny|drop|shr|zero|near 0|e-\d|0\.0000|end|reduc|vanish)|(small|tiny|low|falling|"
    r"vanishing)[\s\S]{0,40}\brate\b|"
    r"(weights?|updates?|steps?|loss)[\s\S]{0,60}(hardly|barely|tiny|small|no longer|stop|stall|"
    r"stand still|plateau|flat|frozen)|still (falling|improving)|not (yet )?(finished|converged)",
    repair={"swapped": False},
    advice={
        r"warm-?up|swap|initial_learning_rate": {"swapped": False},
        r"constant|fixed|(remove|drop|without|no|leave out) .{0,30}(schedul|decay|cosine)|schedul|"
        r"decay|cosine|keep the|ReduceLROnPlateau": {"schedule": False},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"schedule": False, "learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out rows",
    good=0.9,
)
def warmed_up_gently(
    seed,
    callbacks,
    swapped=True,
    schedule=True,
    epochs=20,
    units=48,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Fit Friedman's function with a rate that is warmed up and decays: the loss lies flat."""
    random = start(seed)
    x, y = datasets.make_friedman1(2600, n_features=8, noise=0.5, random_state=seed)
    x, y = standardized(x), standardized(y)
    updates = epochs * int(np.ceil(1700 / 32))
    rate = learning_rate
    if schedule:
        ends = (rate, 1e-6) if swapped else (1e-6, rate)
        rate = CosineDecay(ends[0], updates - 30, warmup_target=ends[1], warmup_steps=30)

    model = keras.Sequential([keras.Input((8,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="tanh", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(rate), "mean_squared_error", metrics=["mean_absolute_error"])
    rows = random.permutation(2600)
    x, y = x[rows], y[rows]
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2000:], model.predict(x[2000:], verbose=0)[:, 0])


@case(
    source="https://github.com/huggingface/datasets/issues/6731",
    cause="streams made in a loop look up its device when read: all are calibrated as the last",
    causes="data preprocessing",
    evidence=r"late|closure|lambda|loop|calibrat|(validation|held-out|test)[\s\S]{0,120}(distribut|"
    r"prepared|other (range|scale|source|mean)|differ|shift|not (like|scaled)|same way|mean|scale|"
    r"deviation)|(distribution|covariate|domain|data)[\s-]?(shift|drift|mismatch)|"
    r"(training|input)s?"
    r"[\s\S]{0,100}(scale|range|offset|mean|spread|preprocess|normali[sz]|standardi[sz]|distribut|"
    r"prepared|devices?)",
    repair={"bound": True},
    advice={
        r"lambda|closure|loop|late|bind|calibrat|each device|per device|same (way|preprocess|"
        r"distribut|scal|transform)|prepare|preprocess|pipeline|differ|distribut|compare": {
            "bound": True
        },
        "scaled": {"scaled": True},
        "longer": {"epochs": 16},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out signals",
    good=0.85,
)
def signals_of_five_devices(
    seed,
    callbacks,
    bound=False,
    scaled=False,
    epochs=6,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell three states of a machine from signals that five devices recorded, each in its way."""
    random = start(seed)
    rows, length, devices = 2400, 48, 5
    y = random.integers(0, 3, rows)
    device = random.integers(0, devices, rows)
    zero = np.array([0.6, 1.2, -0.6, 0.65, 0.0]) + random.normal(0, 0.04, devices)
    gain = np.array([1.0, 1.15, 0.9, 1.05, 1.0])
    level = np.array([-0.6, 0.0, 0.6])[y] + random.normal(0, 0.1, rows)
    swing = random.uniform(0.4, 0.8, rows)
    phase = random.uniform(0, 2 * np.pi, rows)[:, None] + 0.5 * np.arange(length)
    signal = level[:, None] + swing[:, None] * np.sin(phase) + random.normal(0, 0.2, phase.shape)
    raw = zero[device][:, None] + gain[device][:, None] * signal

    def read(of, by):
        for row in np.flatnonzero(device[:1600] == of):
            yield ((raw[row] - zero[by]) / gain[by])[:, None].astype("float32"), y[row]

    signature = (tf.TensorSpec((length, 1), tf.float32), tf.TensorSpec((), tf.int64))
    streams = []
    for number in range(devices):

        def late(of=number):
            return read(of, number)  # noqa: B023

        def early(of=number):
            return read(of, of)

        stream = tf.data.Dataset.from_generator(
            early if bound else late, output_signature=signature
        )
        streams.append(stream)
    train = tf.data.Dataset.sample_from_datasets(streams, seed=seed, stop_on_empty_dataset=False)
    x = ((raw - zero[device][:, None]) / gain[device][:, None])[..., None].astype("float32")

    model = keras.Sequential([keras.Input((length, 1))])
    if scaled:
        model.add(layers.Normalization(axis=None))
        model.layers[0].adapt(np.stack([row for row, _ in train.as_numpy_iterator()]))
    model.add(layers.Conv1D(units, 7, activation="relu", kernel_initializer=initializer))
    model.add(layers.MaxPooling1D(2))
    model.add(layers.Conv1D(units, 5, activation="relu", kernel_initializer=initializer))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(3, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        train.apply(tf.data.experimental.assert_cardinality(1600))
        .shuffle(400, seed=seed)
        .batch(16),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:])


class InBatch(keras.Model):
    """Learn vectors of images: of ten classes in a batch, an image finds its partner's class."""

    def train_step(self, data):
        """Compare every anchor with every partner of the batch."""
        anchors, partners = data[0]
        with tf.GradientTape() as tape:
            scores = self(anchors, training=True) @ tf.transpose(self(partners, training=True))
            place = tf.range(tf.shape(scores)[0])
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(place, scores / 0.2)
            loss = tf.reduce_mean(loss)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return {"loss": loss}


class Partners(keras.utils.PyDataset):
    """Batches of two images of each class, no labels."""

    def __init__(self, x, y, random):
        super().__init__()
        self.x, self.random = x, random
        self.rows = [np.flatnonzero(y == kind) for kind in range(10)]

    def __len__(self):
        return 80

    def __getitem__(self, batch):
        pairs = np.array([self.random.choice(rows, 2, replace=False) for rows in self.rows])
        return ((self.x[pairs[:, 0]], self.x[pairs[:, 1]]),)


@sound(
    source="https://keras.io/examples/vision/metric_learning/",
    metric="accuracy of the nearest neighbour among vectors of held-out digits",
    good=0.9,
)
def vectors_without_labels(seed, callbacks):
    """No targets: a training step of its own brings the vectors of equal digits together."""
    random = start(seed)
    x, y = digits(seed)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(24, 3, activation="relu")(inputs)
    seen = layers.Conv2D(32, 3, activation="relu")(seen)
    seen = layers.Dense(12)(layers.Flatten()(seen))
    model = InBatch(inputs, layers.UnitNormalization()(seen))
    model.compile(Adam(0.002))
    model.fit(Partners(x[:1100], y[:1100], random), epochs=10, callbacks=callbacks, verbose=0)
    known, asked = model.predict(x[:1100], verbose=0), model.predict(x[1100:], verbose=0)
    return float(np.mean(y[:1100][(asked @ known.T).argmax(axis=1)] == y[1100:]))


@sound(
    source="https://keras.io/api/optimizers/",
    metric="accuracy on held-out tumours",
    good=0.92,
)
def eight_rows_at_a_time(seed, callbacks):
    """Three of four batches change no weight: gradients of four are gathered for an update."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = x[rows], y[rows].astype("float32")
    scale = layers.Normalization()
    scale.adapt(x[:350])
    model = keras.Sequential(
        [
            keras.Input((30,)),
            scale,
            layers.Dense(16, activation="silu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = Adam(0.005, gradient_accumulation_steps=4)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:350], y[:350]),
        validation_data=(x[350:430], y[350:430]),
        batch_size=8,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[430:], verbose=0)[:, 0] > 0.5) == y[430:]))


@sound(
    source="https://keras.io/api/layers/convolution_layers/convolution1d/",
    metric="R² of the next values without their noise, in held-out series",
    good=0.8,
)
def every_next_value(seed, callbacks):
    """Targets are the inputs a step later: causal, dilated layers, and noise nobody foretells."""
    random = start(seed)
    rows, length = 700, 64
    series = np.zeros((rows, length + 1))
    plain = np.zeros((rows, length + 1))
    series[:, :4] = random.normal(size=(rows, 4))
    for step in range(4, length + 1):
        past = series[:, step - 4 : step]
        plain[:, step] = 0.9 * np.tanh(1.5 * past[:, 0]) - 0.5 * past[:, 3]
        series[:, step] = plain[:, step] + random.normal(0, 0.4, rows)
    x, y = series[:, :-1, None].astype("float32"), series[:, 1:, None].astype("float32")

    inputs = keras.Input((length, 1))
    seen = layers.Conv1D(24, 1)(inputs)
    for dilation in (1, 2, 4):
        conv = layers.Conv1D(24, 2, padding="causal", dilation_rate=dilation, activation="relu")
        seen = layers.Add()([seen, conv(seen)])
    model = keras.Model(inputs, layers.Conv1D(1, 1)(seen))
    model.compile(Adam(0.003), "mean_squared_error")
    model.fit(
        *(x[:450], y[:450]),
        validation_data=(x[450:550], y[450:550]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[550:], verbose=0)[:, 8:, 0]
    return r_squared(plain[550:, 9:].ravel(), guess.ravel())


@sound(
    source="https://keras.io/api/layers/preprocessing_layers/categorical/hashing/",
    metric="R² of held-out sales without their noise",
    good=0.75,
)
def shops_by_hashed_names(seed, callbacks):
    """Names of 300 shops fall into 2,000 bins, most of them empty: rows of the table never move."""
    random = start(seed)
    rows, shops = 9000, 300
    name = random.integers(10**6, 10**8, shops)
    worth = random.normal(size=shops)
    shop = random.integers(0, shops, rows)
    price = random.normal(size=(rows, 2)).astype("float32")
    plain = worth[shop] - 0.8 * price[:, 0] + 0.4 * np.abs(price[:, 1])
    y = (plain + random.normal(0, 0.5, rows)).astype("float32")
    bins = np.asarray(layers.Hashing(2000)(name[shop].astype("int64"))).reshape(-1, 1)

    which, costs = keras.Input((1,), dtype="int32"), keras.Input((2,))
    vector = layers.Flatten()(layers.Embedding(2000, 4)(which))
    seen = layers.Concatenate()([vector, costs])
    seen = layers.Dense(32, activation="relu")(seen)
    model = keras.Model([which, costs], layers.Dense(1)(seen))
    model.compile(Adam(0.005), keras.losses.Huber())
    model.fit(
        *([bins[:6500], price[:6500]], y[:6500]),
        validation_data=([bins[6500:7500], price[6500:7500]], y[6500:7500]),
        batch_size=64,
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(plain[7500:], model.predict([bins[7500:], price[7500:]], verbose=0)[:, 0])


PROGRAMS = [
    tremors_of_unequal_length,
    the_price_that_is_asked_for,
    comments_with_ready_vectors,
    pictures_first_digits_later,
    where_the_spot_went,
    carts_a_second_later,
    warmed_up_gently,
    signals_of_five_devices,
]
SOUND = [
    vectors_without_labels,
    eight_rows_at_a_time,
    every_next_value,
    shops_by_hashed_names,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
