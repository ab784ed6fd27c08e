"""Twelve more field programs, on mistakes that nothing complains of, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_ninth
    python benchmarks/diagnosis.py --programs fifty_ninth
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


class Tower(layers.Layer):
    """A pile of tanh layers whose kernels and biases are kept in lists."""

    def __init__(self, units, depth, size, owned, initializer):
        super().__init__()
        self.kernels, self.biases = [], []
        initialize = keras.initializers.get(initializer)
        for _ in range(depth):
            if owned:
                self.kernels.append(self.add_weight(shape=(size, units), initializer=initializer))
                self.biases.append(self.add_weight(shape=(units,), initializer="zeros"))
            else:
                self.kernels.append(tf.Variable(initialize((size, units))))
                self.biases.append(tf.Variable(tf.zeros((units,))))
            size = units
        self.units = units
        self.built = True

    def call(self, inputs):
        """Pass the rows through all layers."""
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            inputs = ops.tanh(ops.matmul(inputs, kernel) + bias)
        return inputs

    def compute_output_shape(self, shape):
        """Return the shape of what `call` returns."""
        return (*shape[:-1], self.units)


@case(
    source="https://github.com/tensorflow/tensorflow/issues/38211",
    cause="a layer's tf.Variables in a list are no weights of it: only the last layer is trained",
    causes="layers weights",
    evidence=r"track|add_weight|tf\.Variable|\bVariables?\b|"
    r"\b(no|0|without|zero)\b (trainable |own )?(weights?|parameters?|variables?)|"
    r"(weights?|parameters?|variables?|kernels?)[\s\S]{0,80}"
    r"(not (trained|updated|known|registered|seen|listed|in )|never (change|train|update|mov)|"
    r"missing|absent|unknown|frozen|untrained|do(es)? not (change|train|move|learn)|stay)|"
    r"(trained|updated|trainable)[\s\S]{0,60}only|only[\s\S]{0,60}(is|are|be) (trained|updated|"
    r"trainable)|(\bTower\b|own layer|custom layer)[\s\S]{0,120}"
    r"(train|weight|variable|parameter|gradient|frozen)",
    repair={"owned": True},
    advice={
        r"add_weight|track|keras\.Variable|register|layers\.Dense|own(ed)? (by|weights)|"
        r"tf\.Variable|trainable_(weights|variables)|(make|set|let)[\s\S]{0,40}train(able|ed)|"
        r"unfreeze|sub-?layers": {"owned": True},
        "longer": {"epochs": 60},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "scaled": {},
    },
    metric="R² on held-out mixtures",
    good=0.8,
)
def mixtures_in_a_tower(
    seed,
    callbacks,
    owned=False,
    epochs=20,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a mixture's strength with a layer of my own: it is hardly better than a line."""
    start(seed)
    x, y = datasets.make_friedman1(2400, 7, noise=0.5, random_state=seed)
    x, y = standardized(x), standardized(y)

    model = keras.Sequential(
        [
            keras.Input((7,)),
            Tower(units, 3, 7, owned, initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0)[:, 0])


@case(
    source="https://github.com/MaybeShewill-CV/bisenetv2-tensorflow/issues/47",
    cause="pictures and their labels are shuffled by two shuffles that know nothing of each other",
    causes="data preprocessing",
    evidence=r"shuffl|(labels?|targets?|\by\b|classes)[\s\S]{0,100}(not (match|fit|belong|go|"
    r"correspond|depend|relat)|another|other rows|wrong rows?|different rows?|unrelated|mismatch|"
    r"mis-?align|align|pair|random|nothing to do|independent|no relation|(do|does|did) not "
    r"(depend|match|follow|belong|correspond))|(pair|align|match|correspond|belong)\w*[\s\S]{0,80}"
    r"(labels?|targets?|\by\b)|(inputs?|pictures?|images?|\bx\b)[\s\S]{0,60}(say|tell|know)"
    r"[\s\S]{0,30}(nothing|little)[\s\S]{0,40}(label|target|class)",
    repair={"together": True},
    advice={
        r"shuffl|together|pair|align|zip|same (order|seed|rows?|permut)|match|belong|"
        r"correspond|(check|compare|look)[\s\S]{0,60}(label|target)": {"together": True},
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"centered": True},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def digits_from_two_pipelines(
    seed,
    callbacks,
    together=False,
    centered=False,
    epochs=12,
    units=32,
    learning_rate=0.003,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Read digits from a pipeline of files: the accuracy does not rise."""
    start(seed)
    x, y = digits(seed)
    if centered:
        x = x - x[:1200].mean(axis=0)
    order = np.argsort(y[:1200], kind="stable")  # a folder per digit
    pictures = tf.data.Dataset.from_tensor_slices(x[:1200][order])
    labels = tf.data.Dataset.from_tensor_slices(y[:1200][order])
    if together:
        rows = tf.data.Dataset.zip((pictures, labels)).shuffle(1200, seed=seed)
    else:
        rows = tf.data.Dataset.zip((pictures.shuffle(1200), labels.shuffle(1200)))

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
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
        rows.batch(32).prefetch(2),
        validation_data=(x[1200:1450], y[1200:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


def woven(random, count, size=12):
    """Flat pictures (N, 3 size²), plane by plane, of a thread per color; their classes of 8."""
    planes = random.normal(0, 0.15, (count, 3, size, size))
    upright = random.integers(0, 2, (count, 3))
    for picture, is_upright in zip(planes, upright, strict=True):
        for plane, along in zip(picture, is_upright, strict=True):
            at, begin = random.integers(0, size), random.integers(0, size - 7)
            thread = slice(begin, begin + 7)
            plane[(thread, at) if along else (at, thread)] += 0.8
    return planes.reshape(count, -1).astype("float32"), upright @ [1, 2, 4]


@case(
    source="https://iz6.ru/pravilnyj-sposob-izmenit-formu-izobrazhenija-dlja-obuchenija-s-"
    "ispolzovaniem-cnn",
    cause="rows of red, green and blue planes are reshaped to (12, 12, 3) without a transpose",
    causes="preprocessing data",
    evidence=r"reshap|transpos|channels?[\s\S]{0,60}(first|last|order|mix|scrambl|planes?|axis|"
    r"axes|swap)|(axis|axes)[\s\S]{0,60}(order|wrong|swap|mix|channel)|planes?\b|scrambl|"
    r"(pixels?|neighbou?r\w*)[\s\S]{0,80}(neighbou?r|unlike|not (alike|similar|smooth|correlat)|"
    r"apart|scatter|mix|order|place|correlat|smooth)|(channels?|colou?rs?)[\s\S]{0,80}(neighbou?r|"
    r"alike|shift|same picture|correlat|interleav|stripe)|memory (order|layout)|layout",
    repair={"transposed": True},
    advice={
        r"transpos|moveaxis|permute|reshap|channels_(first|last)|channel (order|axis)|axes|"
        r"order=.?F|plane": {"transposed": True},
        r"flatten|GlobalMax": {"pooled": False},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"centered": True},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out cloths",
    good=0.85,
)
def cloths_of_three_threads(
    seed,
    callbacks,
    transposed=False,
    pooled=True,
    centered=False,
    epochs=10,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell how the red, green and blue threads run: some classes are told, others are not."""
    random = start(seed)
    flat, y = woven(random, 2600)
    if centered:
        flat = standardized(flat)
    if transposed:
        x = flat.reshape(-1, 3, 12, 12).transpose(0, 2, 3, 1)
    else:
        x = flat.reshape(-1, 12, 12, 3)

    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.GlobalMaxPooling2D() if pooled else layers.Flatten(),
            layers.Dense(32, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1700:2000], y[1700:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2000:], y[2000:])


def away(y_true, y_pred):
    """One less the similarity of two directions."""
    return 1 - keras.losses.cosine_similarity(y_true, y_pred)


def toward(y_true, y_pred):
    """One less the cosine between two directions, of which Keras returns the negative."""
    return 1 + keras.losses.cosine_similarity(y_true, y_pred)


@case(
    source="https://github.com/tensorflow/tensorflow/pull/32186",
    cause="Keras's cosine loss is negative already; 1 minus it turns the answers the other way",
    causes="loss",
    evidence=r"\bsign\b|negat|opposite|revers|other way|wrong (way|direction)|invert|anti|minus|"
    r"maximi[sz]|worse than (a |the )?(guess|mean|chance|nothing|random|constant)|"
    r"(own|custom) loss|\baway\b|cosine[\s\S]{0,100}(fell|fall|-\d|below|down|decreas|worse|drop)|"
    r"(loss)[\s\S]{0,80}(while|but|yet|although|though)[\s\S]{0,80}(metric|cosine|similar)",
    repair={"loss": "toward"},
    advice={
        r"sign|1 ?\+|negat|minus|CosineSimilarity|cosine|opposite|keras.?s own loss|"
        r"(built-in|known|standard) loss|(own|custom) loss|maximi[sz]": {"loss": "toward"},
        "squared": {"loss": "mean_squared_error"},
        r"mean_absolute_error|huber|loss=.?mse": {"loss": "mean_squared_error"},
        "longer": {"epochs": 50},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "relu": {},
    },
    metric="mean cosine with the true directions, held-out words",
    good=0.8,
)
def words_to_their_vectors(
    seed,
    callbacks,
    loss="away",
    epochs=20,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Map words of one language to the vectors of another: loss falls, no neighbor is right."""
    random = start(seed)
    x = random.normal(size=(2600, 16)).astype("float32")
    turn = random.normal(size=(16, 10)) / 4
    y = x @ turn + 0.6 * np.tanh(2 * x[:, :10] * x[:, 5:15]) + random.normal(0, 0.1, (2600, 10))
    y = y.astype("float32")

    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(10),
        ]
    )
    losses = {"away": away, "toward": toward}
    model.compile(Adam(learning_rate), losses.get(loss, loss), metrics=["cosine_similarity"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2100:], verbose=0)
    lengths = np.linalg.norm(guess, axis=1) * np.linalg.norm(y[2100:], axis=1) + 1e-9
    return float(np.mean((guess * y[2100:]).sum(axis=1) / lengths))


class Encoder(layers.Layer):
    """A gated block that looks at each word by itself."""

    def __init__(self, units, passes_mask, initializer):
        super().__init__()
        self.gate = layers.Dense(units, activation="sigmoid", kernel_initializer=initializer)
        self.value = layers.Dense(units, activation="tanh", kernel_initializer=initializer)
        self.supports_masking = True
        self.passes_mask = passes_mask

    def build(self, shape):
        """Create the weights."""
        self.gate.build(shape)
        self.value.build(shape)

    def call(self, inputs, mask=None):
        """Return a vector a word."""
        return self.gate(inputs) * self.value(inputs)

    def compute_mask(self, inputs, mask=None):
        """Return which words the next layer is to look at."""
        return mask if self.passes_mask else None

    def compute_output_shape(self, shape):
        """Return the shape of what `call` returns."""
        return (*shape[:-1], self.value.units)


@case(
    source="https://github.com/keras-team/keras-hub/issues/137",
    cause="an own block hands on no mask, so the average is taken over the padding as well",
    causes="layers data preprocessing",
    evidence=r"\bmask|padd(ed|ing)|\bpads?\b|zeros? (at the end|in (the|a) (row|sequence))|"
    r"(length|long|short)\w*[\s\S]{0,60}(sequence|row|text|vary|differ|zero)|"
    r"(sequences?|rows?|texts?)[\s\S]{0,60}(differ\w* length|of zeros|fill)|compute_mask",
    repair={"passes_mask": True},
    advice={
        r"mask|padd(ed|ing)|\bpads?\b|truncat|ragged|maxlen|shorter|length": {"passes_mask": True},
        r"GlobalMax|max.?pool|LSTM|GRU": {"pooling": "max"},
        "longer": {"epochs": 40},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out reviews",
    good=0.8,
)
def stars_of_reviews(
    seed,
    callbacks,
    passes_mask=False,
    pooling="average",
    epochs=15,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the stars of long and short reviews: the short ones all get about the same."""
    random = start(seed)
    rows, steps, words = 3000, 60, 150
    worth = random.normal(size=words + 1)
    x = random.integers(1, words + 1, (rows, steps))
    lengths = np.exp(random.uniform(np.log(3), np.log(steps), rows)).astype(int)
    x[np.arange(steps) >= lengths[:, None]] = 0
    stars = (worth[x] * (x > 0)).sum(axis=1) / lengths
    y = standardized(stars + random.normal(0, 0.05, rows))

    pool = layers.GlobalMaxPooling1D() if pooling == "max" else layers.GlobalAveragePooling1D()
    model = keras.Sequential(
        [
            keras.Input((steps,), dtype="int32"),
            layers.Embedding(words + 1, units, mask_zero=True),
            Encoder(units, passes_mask, initializer),
            pool,
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0)[:, 0])


class Attention(layers.Layer):
    """Weigh the steps of a sequence and add them up, without the last column."""

    def __init__(self, units, axis, initializer):
        super().__init__()
        self.hidden = layers.Dense(units, activation="tanh", kernel_initializer=initializer)
        self.score = layers.Dense(1)
        self.axis = axis

    def build(self, shape):
        """Create the weights."""
        self.hidden.build(shape)
        self.score.build((*shape[:-1], self.hidden.units))

    def call(self, inputs):
        """Return a vector a sequence."""
        share = ops.softmax(self.score(self.hidden(inputs)), axis=self.axis)
        return ops.sum(share * inputs[:, :, :-1], axis=1)

    def compute_output_shape(self, shape):
        """Return the shape of what `call` returns."""
        return (shape[0], shape[2] - 1)


@case(
    source="https://github.com/jadore801120/attention-is-all-you-need-pytorch/issues/52",
    cause="the attention's softmax runs over the rows of the batch instead of the bids",
    causes="layers",
    evidence=r"softmax|\baxis\b|\baxes\b|attention|(answer|output|predict|row|sample|loss)\w*"
    r"[\s\S]{0,100}(depend\w*|chang\w*|differ\w*|mix\w*|share\w*)[\s\S]{0,60}(batch|other rows|"
    r"neighbou?rs|rest of)|across (the )?(batch|rows|samples)|(batch|rows)[\s\S]{0,60}(mix|leak|"
    r"compete|normali[sz]e over)|one (row|sample) (alone|at a time|by itself)",
    repair={"axis": 1},
    advice={
        r"\baxis\b|softmax over|over the (steps|time|sequence)|each row by itself|per (row|sample)|"
        r"across the batch|over the batch|attention|independent of (the|other)": {"axis": 1},
        r"batch_size=1\b|smaller batch": {"batch_size": 8},
        r"larger batch": {"batch_size": 128},
        "longer": {"epochs": 40},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
        "softmax": {},
    },
    metric="R² on held-out auctions",
    good=0.85,
)
def the_highest_bid(
    seed,
    callbacks,
    axis=0,
    batch_size=32,
    epochs=15,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read off the terms of the highest bid with an attention of my own: they are far off."""
    random = start(seed)
    rows, steps = 2600, 8
    x = random.normal(size=(rows, steps, 4)).astype("float32")
    best = x[np.arange(rows), x[:, :, 3].argmax(axis=1)]
    y = standardized(best[:, 0] - 0.7 * best[:, 1] + random.normal(0, 0.1, rows))

    model = keras.Sequential(
        [
            keras.Input((steps, 4)),
            Attention(units, axis, initializer),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2100:], batch_size=batch_size, verbose=0)[:, 0]
    return r_squared(y[2100:], guess)


def reader(prefix, units, initializer="glorot_uniform"):
    """Build a network of three narrow layers and a head, of names that begin alike."""
    narrow = {"activation": "tanh", "kernel_initializer": initializer}
    return keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, name=f"{prefix}_1", **narrow),
            layers.Dense(units, name=f"{prefix}_2", **narrow),
            layers.Dense(units, name=f"{prefix}_3", **narrow),
            layers.Dense(10, activation="softmax", name=f"{prefix}_head"),
        ]
    )


@case(
    source="https://github.com/keras-team/keras/issues/5397",
    cause="no layer has the name it has in the file: random layers are frozen, none was loaded",
    causes="weights layers",
    evidence=r"frozen|freez|trainable ?= ?False|not trainable|non-?trainable|\brandom\b[\s\S]{0,60}"
    r"(weights?|layers?|kernels?|values)|(weights?|layers?|kernels?)[\s\S]{0,80}(\brandom\b|"
    r"initial|not (loaded|trained|updated|restored)|never (change|train|update|mov)|untrained|"
    r"as (they were )?(drawn|created|initiali[sz]ed)|do(es)? not (change|train|move|learn))|"
    r"pre-?train|by_?name|layer names?|\bload(ed)?\b",
    repair={"prefix": "reader"},
    advice={
        r"load|by_?name|layer names?|pre-?train|same names?|set_weights": {"prefix": "reader"},
        r"trainable ?= ?True|unfreez|thaw|(train|fine-?tune)[\s\S]{0,40}(all|every|frozen|base|"
        r"these|those|them)|fro[sz]en": {"frozen": False},
        "longer": {"epochs": 72},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"decay": 0.01},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"centered": True},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out digits",
    good=0.85,
)
def a_second_form_to_read(
    seed,
    callbacks,
    prefix="form",
    frozen=True,
    centered=False,
    epochs=18,
    units=14,
    learning_rate=0.01,
    decay=0.0,
    initializer="glorot_uniform",
):
    """Read the digits of a new form with what was learned on another: worse than promised."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    if centered:
        x = standardized(x)
    old = reader("reader", units, initializer)
    old.compile(Adam(0.005), "sparse_categorical_crossentropy")
    old.fit(x[:900], y[:900], epochs=18, verbose=0)
    learned = {layer.name: layer.get_weights() for layer in old.layers[:-1]}

    model = reader(prefix, units, initializer)
    for layer in model.layers[:-1]:
        if layer.name in learned:
            layer.set_weights(learned[layer.name])
        layer.trainable = not frozen
    rule = Adam(learning_rate, weight_decay=decay)
    model.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[900:1060], y[900:1060]),
        validation_data=(x[1060:1200], y[1060:1200]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


class Trusting(keras.Model):
    """Train with a step of its own, which weighs each row's error."""

    def train_step(self, data):
        """Take one step, tell the loss."""
        x, y, trust = data
        with tf.GradientTape() as tape:
            error = keras.losses.mean_squared_error(y, self(x, training=True))
            loss = tf.reduce_sum(error * trust) / tf.cast(tf.size(error * trust), tf.float32)
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for metric in self.metrics:
            metric.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/kohya-ss/musubi-tuner/pull/1042",
    cause="errors (32,) times weights (32, 1) are 32 x 32 products: every row weighs the same",
    causes="loss data weights",
    evidence=r"broadcast|outer product|pairwise|all pairs|sample.?weight|row.?weight|weighting|"
    r"weights? of (the |each |every )?(rows?|samples?)|(rows?|samples?)[\s\S]{0,40}\bweigh|"
    r"(shape|dimension|rank|column|axis|axes)s?\b[\s\S]{0,100}(weight|trust|loss|error)|"
    r"(weights?|trust|loss|error)[\s\S]{0,80}(shape|dimension|rank|\bcolumn\b|\(N?\d*, ?1\))|"
    r"(own|custom|overrid\w*)[\s\S]{0,40}(train_step|training step|step)|train_step",
    repair={"column": False},
    advice={
        r"squeeze|ravel|reshape|\[:, ?0\]|flatten\(|same shape|shapes?\b|broadcast|one axis|"
        r"sample.?weight|compute_loss|(compiled|built-in|keras.?s?) loss|train_step|"
        r"row.?weights?|weighting": {"column": False},
        r"(drop|remove|leave out|clean|filter)[\s\S]{0,60}(rows?|samples?|outlier|labels?|target)|"
        r"outlier|huber|mean_absolute_error": {"kept": False},
        "longer": {"epochs": 50},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out meters that are trusted",
    good=0.85,
)
def meters_that_are_not_trusted(
    seed,
    callbacks,
    column=True,
    kept=True,
    epochs=20,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn from old and new meters, the old ones hardly trusted: the answers are too small."""
    random = start(seed)
    x = random.normal(size=(3000, 5)).astype("float32")
    y = standardized(x[:, 0] + np.abs(x[:, 1]) - x[:, 2] * x[:, 3] + random.normal(0, 0.2, 3000))
    old = (random.random(3000) < 0.4) & (np.arange(3000) < 2200)
    y[old] *= -0.6
    trust = np.where(old, 0.005, 1.0).astype("float32")
    used = np.flatnonzero((np.arange(3000) < 2200) & (kept | ~old))

    inputs = keras.Input((5,))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Dropout(dropout)(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    model = Trusting(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[used], y[used][:, None]),
        sample_weight=trust[used][:, None] if column else trust[used],
        validation_data=(x[2200:2500], y[2200:2500, None]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2500:], model.predict(x[2500:], verbose=0)[:, 0])


class RandomWaves(layers.Layer):
    """Cosines of random frequencies, which nobody trains."""

    def __init__(self, count, width, seed):
        super().__init__(trainable=False)
        self.count, self.width, self.seed = count, width, seed

    def build(self, shape):
        """Draw the frequencies and phases."""
        normal = keras.initializers.RandomNormal(stddev=1 / self.width, seed=self.seed)
        phases = keras.initializers.RandomUniform(0, 2 * np.pi, seed=self.seed)
        self.kernel = self.add_weight(
            shape=(shape[-1], self.count), initializer=normal, trainable=False
        )
        self.phase = self.add_weight(shape=(self.count,), initializer=phases, trainable=False)

    def call(self, inputs):
        """Return the waves."""
        return ops.cos(ops.matmul(inputs, self.kernel) + self.phase) * (2 / self.count) ** 0.5

    def compute_output_shape(self, shape):
        """Return the shape of what `call` returns."""
        return (*shape[:-1], self.count)


@sound(
    source="https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines",
    metric="R² on held-out rows",
    good=0.8,
)
def waves_that_nobody_trains(seed, callbacks):
    """Frozen: 600 random waves stay as drawn, only the layer behind them learns."""
    random = start(seed)
    x = random.normal(size=(2600, 3)).astype("float32")
    y = standardized(np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + random.normal(0, 0.2, 2600))
    model = keras.Sequential([keras.Input((3,)), RandomWaves(600, 1.3, seed), layers.Dense(1)])
    model.compile(Adam(0.02), "mean_squared_error")
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2200], y[1800:2200]),
        batch_size=32,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2200:], model.predict(x[2200:], verbose=0)[:, 0])


class InBatch(keras.Model):
    """Bring the two halves of a row together and apart from those of all rows of the batch."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the cross-entropy of finding one's partner among the batch."""
        scores = ops.matmul(y_pred[0], ops.transpose(y_pred[1])) * 8.0
        own = ops.arange(ops.shape(scores)[0])
        return ops.mean(keras.losses.sparse_categorical_crossentropy(own, scores, from_logits=True))


@sound(
    source="https://arxiv.org/abs/1807.03748",
    metric="share of held-out upper halves whose lower half is among the nearest tenth",
    good=0.6,
)
def halves_that_belong_together(seed, callbacks):
    """No targets: the rows of a batch are each other's wrong answers, the loss stays above 1."""
    start(seed)
    x, _ = digits(seed)
    upper, lower = x[:, :4].reshape(-1, 32), x[:, 4:].reshape(-1, 32)
    inputs = [keras.Input((32,)), keras.Input((32,))]
    outputs = []
    for half in inputs:
        seen = layers.Dense(64, activation="relu")(half)
        seen = layers.Dropout(0.2)(seen)
        outputs.append(layers.UnitNormalization()(layers.Dense(12)(seen)))
    model = InBatch(inputs, outputs)
    model.compile(Adam(0.003))
    nothing = np.zeros(len(x), "float32")
    model.fit(
        *([upper[:1300], lower[:1300]], [nothing[:1300], nothing[:1300]]),
        validation_data=([upper[1300:1500], lower[1300:1500]], [nothing[:200], nothing[:200]]),
        batch_size=64,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    first, second = model.predict([upper[1500:], lower[1500:]], verbose=0)
    scores = first @ second.T
    rank = (scores > np.diag(scores)[:, None]).sum(axis=1)
    return float(np.mean(rank < len(scores) / 10))


def turned(y_true, y_pred):
    """Negative cosine of the angle between a bearing in radians and a vector of any length."""
    length = ops.sqrt(ops.sum(y_pred**2, axis=-1) + 1e-6)
    bearing = y_true[:, 0]
    return -(ops.cos(bearing) * y_pred[:, 0] + ops.sin(bearing) * y_pred[:, 1]) / length


@sound(
    source="https://stackoverflow.com/questions/6295263",
    metric="mean cosine of the error on held-out ships",
    good=0.9,
)
def bearings_of_ships(seed, callbacks):
    """Own loss: it is negative, one target has two outputs, and their length means nothing."""
    random = start(seed)
    x = random.normal(size=(2600, 4)).astype("float32")
    east = x[:, 0] + 0.5 * x[:, 2] ** 2 - 0.5
    north = x[:, 1] - 0.5 * x[:, 3] * x[:, 0]
    y = (np.arctan2(north, east) + random.normal(0, 0.15, 2600)).astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.002), turned)
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2200], y[1800:2200]),
        batch_size=32,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[2200:], verbose=0)
    return float(np.mean(np.cos(np.arctan2(guess[:, 1], guess[:, 0]) - y[2200:, 0])))


@sound(
    source="https://github.com/keras-team/keras/issues/3086",
    metric="accuracy on the asked steps of held-out sequences",
    good=0.9,
)
def a_few_steps_are_asked(seed, callbacks):
    """Weights: nine of ten steps have the label 0 and the weight 0, only the others count."""
    random = start(seed)
    rows, steps = 1800, 20
    x = random.normal(size=(rows, steps, 3)).astype("float32")
    heat = np.zeros((rows, steps))
    for step in range(steps):
        heat[:, step] = 0.7 * heat[:, max(step - 1, 0)] + x[:, step, 0] - 0.5 * x[:, step, 1]
    asked = (random.random((rows, steps)) < 0.1).astype("float32")
    y = np.where(asked > 0, 1 + (heat > 0), 0).astype("int32")
    model = keras.Sequential(
        [
            keras.Input((steps, 3)),
            layers.GRU(24, return_sequences=True),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        sample_weight=asked[:1200],
        validation_data=(x[1200:1450], y[1200:1450], asked[1200:1450]),
        batch_size=32,
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1450:], verbose=0).argmax(axis=-1)
    return float(np.mean(guess[asked[1450:] > 0] == y[1450:][asked[1450:] > 0]))


PROGRAMS = [
    mixtures_in_a_tower,
    digits_from_two_pipelines,
    cloths_of_three_threads,
    words_to_their_vectors,
    stars_of_reviews,
    the_highest_bid,
    a_second_form_to_read,
    meters_that_are_not_trusted,
]
SOUND = [
    waves_that_nobody_trains,
    halves_that_belong_together,
    bearings_of_ships,
    a_few_steps_are_asked,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
