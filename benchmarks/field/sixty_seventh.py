"""Twelve more field programs, silent mistakes, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is to be
blamed, see sound.py.

    python -m benchmarks.field.sixty_seventh
    python benchmarks/diagnosis.py --programs sixty_seventh
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
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
    source="https://github.com/tensorflow/tensorflow/issues/60848",
    cause="NumPy's random number inside of Dataset.map is drawn once, when the function is traced: "
    "every image is turned alike, those of validation lie in any direction",
    causes="data preprocessing",
    evidence=r"augment.{0,90}(same|once|constant|alike|fixed|never|only|not random|no effect|"
    r"does not|differ)|rotat|\bturn|orientation|traced?\b|np\.random|numpy.{0,40}random|drawn once|"
    r"same (value|angle|direction|transform)|(train|validation).{0,90}(distribution|drift|"
    r"look (different|unlike|other)|differ(s|ent)? .{0,40}(distribut|data|input|image|pixel|rows))",
    repair={"in_graph": True},
    advice={
        r"tf\.random|random(rotation|flip)|rotat|orientation|py_function|numpy_function|traced?\b|"
        r"np\.random|(draw|random).{0,60}(each|every|per) (image|row|element|example|call|batch)|"
        r"augment.{0,60}(each|every|anew|inside|layer|same|both)|"
        r"(same|alike).{0,40}(distribution|preprocess|augment|transform)|"
        r"(training|train) (data|rows|images).{0,60}(like|as|resemble).{0,40}validation": {
            "in_graph": True
        },
        r"without.{0,20}augment|(remove|drop|no) .{0,20}augment": {"augmented": False},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 50},
        "wider": {"units": 256},
        "slower": {"learning_rate": 2e-4},
        "faster": {"learning_rate": 0.02},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on new scans",
    good=0.75,
)
def turned_scans(
    seed,
    callbacks,
    in_graph=False,
    augmented=True,
    dropout=0.25,
    epochs=20,
    units=64,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Read digits off scans that lie in any direction: 0.99 in training, far less elsewhere."""
    random = start(seed)
    images, labels = digits(seed, classes=range(6))
    turns = random.integers(0, 4, len(images))
    scans = np.stack([np.rot90(image, k) for image, k in zip(images, turns, strict=True)])

    def augment(image, label):
        if in_graph:
            quarter = tf.random.uniform((), 0, 4, "int32")
            gain = tf.random.uniform((), 0.9, 1.1)
        else:
            quarter = np.random.randint(4)  # noqa: NPY002
            gain = np.random.uniform(0.9, 1.1)  # noqa: NPY002
        return tf.image.rot90(image, quarter) * gain, label

    data = tf.data.Dataset.from_tensor_slices((images[:650], labels[:650])).shuffle(650)
    if augmented:
        data = data.map(augment, num_parallel_calls=2)
    data = data.batch(32).prefetch(2)
    held_out = tf.data.Dataset.from_tensor_slices((scans[650:800], labels[650:800])).batch(50)
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for filters in (16, 32):
        options = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
        model.add(layers.Conv2D(filters, 3, **options))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(units, "relu", kernel_initializer=initializer))
    model.add(layers.Dense(6, "softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data, validation_data=held_out, epochs=epochs, verbose=0, callbacks=callbacks)
    return accuracy(model, scans[800:], labels[800:])


class Interactions(layers.Layer):
    """The terms of second order of a factorization machine (Rendle, 2010)."""

    def __init__(self, factors, by_keras, **options):
        super().__init__(**options)
        self.factors, self.by_keras = factors, by_keras

    def build(self, input_shape):
        """Make the factors, a row for each column of the inputs."""
        shape = (input_shape[-1], self.factors)
        if self.by_keras:
            normal = keras.initializers.RandomNormal(stddev=0.1)
            self.factor = self.add_weight(shape=shape, initializer=normal, name="factor")
        else:
            values = tf.random.normal(shape, stddev=0.1)
            self.factor = tf.Variable(values, trainable=True, name="factor")

    def call(self, x):
        """Return half of the square of the sum less the sum of the squares."""
        together = ops.square(ops.matmul(x, self.factor))
        alone = ops.matmul(ops.square(x), ops.square(self.factor))
        return 0.5 * ops.sum(together - alone, axis=1, keepdims=True)


@case(
    source="https://github.com/keras-team/keras/issues/16797",
    cause="the layer keeps its factors in a tf.Variable, which Keras does not track: they are no "
    "weights of the model and never trained; add_weight repairs it",
    causes="layers weights",
    evidence=r"track|tf\.variable|add_weight|not (a |among |part ).{0,30}(weights|trainable)|"
    r"never (change|train|move|learn|update)|not (trained|updated|learned|changed)|untrain|"
    r"(no|without|zero|0) (trainable )?(weights|parameters|variables)|non.?trainable|frozen|"
    r"random (values|factors|numbers)",
    repair={"by_keras": True},
    advice={
        r"add_weight|track|tf\.variable|keras\.variable|trainable|register|unfreeze": {
            "by_keras": True
        },
        r"(add|more|another).{0,20}hidden layer|nonlinear|non-linear|more layers|deeper|mlp": {
            "hidden": 32
        },
        "longer": {"epochs": 60},
        "wider": {"factors": 24},
        "slower": {"learning_rate": 1e-3},
        "faster": {"learning_rate": 0.1},
        "regularized": {"decay": 1e-3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on new rows",
    good=0.75,
)
def factor_machine(
    seed,
    callbacks,
    by_keras=False,
    hidden=0,
    factors=6,
    epochs=25,
    learning_rate=0.01,
    decay=0.0,
    initializer="glorot_uniform",
):
    """Predict sales by a factorization machine: no better than a linear regression."""
    random = start(seed)
    x = random.normal(size=(3000, 14)).astype("float32")
    true = random.normal(0, 0.5, (14, 3))
    pairs = 0.5 * (np.square(x @ true) - np.square(x) @ np.square(true)).sum(axis=1)
    y = pairs + x @ random.normal(0, 0.6, 14) + random.normal(0, 0.3, 3000)
    y = ((y - y[:2000].mean()) / y[:2000].std())[:, None]

    inputs = keras.Input((14,))
    ridge = keras.regularizers.L2(decay)
    linear = layers.Dense(1, kernel_regularizer=ridge, kernel_initializer=initializer)(inputs)
    outputs = linear + Interactions(factors, by_keras, name="interactions")(inputs)
    if hidden:
        outputs = outputs + layers.Dense(1)(layers.Dense(hidden, "relu")(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    held_out = (x[2000:2500], y[2000:2500])
    model.fit(x[:2000], y[:2000], 32, epochs, 0, callbacks, validation_data=held_out)
    return r_squared(y[2500:], model.predict(x[2500:], verbose=0))


class Smooth(keras.Model):
    """A regression whose slope with respect to its inputs is kept small."""

    smoothness = 1e-3

    def train_step(self, data):
        """One step on the squared error and the squared slope."""
        x, y = data
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(x)
                guess = self(x, training=True)
            slope = inner.gradient(guess, x)
            error = tf.reduce_mean(tf.square(y - guess))
            loss = error + self.smoothness * tf.reduce_mean(tf.reduce_sum(slope**2, axis=1))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss, "error": error}


@case(
    source="https://github.com/keras-team/keras/issues/16836",
    cause="the targets are (N,), the outputs (N, 1): their difference in the train step is (N, N), "
    "each output is drawn to the mean of the batch; a column of targets repairs it",
    causes="loss labels data preprocessing",
    evidence=r"broadcast|shape|\brank\b|\(N, ?N\)|expand|squeeze|ndim|"
    r"(each|every) (output|prediction|row).{0,60}(each|every|all) (target|label|row)|"
    r"(train.?step|own (loss|step)|loss of training|training loss|reported loss).{0,90}"
    r"(differ|disagree|is not|other than|does not|unlike|far from)",
    repair={"column": True},
    advice={
        r"shape|column|expand|squeeze|reshape|\[:, ?None\]|\(N, ?1\)|broadcast|flatten|"
        r"compute_loss|compiled loss|keras\.losses|own train.?step": {"column": True},
        r"penalty|smooth|slope": {"smoothness": 0.0},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 1e-3},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.05},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
        "linear": {},
        "squared": {},
    },
    metric="R² on new rows",
    good=0.75,
)
def smooth_regression(
    seed,
    callbacks,
    column=False,
    smoothness=1e-3,
    activation="gelu",
    epochs=25,
    units=64,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Regress with a penalty of the slope in a train step: every prediction is much the same."""
    start(seed)
    x, y = datasets.make_friedman1(2400, n_features=8, noise=1.0, random_state=seed)
    x, y = standardized(x), standardized(y)
    inputs = keras.Input((8,))
    h = inputs
    for _ in range(2):
        h = layers.Dense(units, activation, kernel_initializer=initializer)(h)
        h = layers.Dropout(dropout)(h)
    model = Smooth(inputs, layers.Dense(1)(h))
    model.smoothness = smoothness
    model.compile(Adam(learning_rate), "mse")
    target = y[:, None] if column else y
    held_out = (x[1600:2000], target[1600:2000])
    model.fit(x[:1600], target[:1600], 32, epochs, 0, callbacks, validation_data=held_out)
    return r_squared(y[2000:], model.predict(x[2000:], verbose=0)[:, 0])


@case(
    source="https://github.com/IcedDoggie/Micro-Expression-with-Deep-Learning/issues/7",
    cause="recordings of (sensor, time) are reshaped to (time, sensor), not transposed: each step "
    "holds pieces of one sensor's curve, not all sensors at one time",
    causes="preprocessing data",
    evidence=r"reshap|transpos|\bax(is|es)\b|swap|permut|scrambl|interleav|jumbl|garbl|"
    r"order of (the )?(dim|ax|value|element)|(channel|sensor|column|feature)s?.{0,80}"
    r"(mixed|torn|cut|piece|smooth|neighbo|continu|same (signal|curve|series)|one after)|"
    r"time.{0,60}(not smooth|jump|discontinu|rough|torn|mixed)",
    repair={"transposed": True},
    advice={
        r"transpos|swapaxes|moveaxis|permute|reshap|order of (the )?ax": {"transposed": True},
        r"flatten|dense layers only": {"flat": True},
        r"lstm|gru\b|recurrent": {"recurrent": True},
        r"larger kernel|wider kernel|kernel_size|dilat": {"kernel": 9},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 50},
        "wider": {"filters": 96},
        "slower": {"learning_rate": 3e-4},
        "faster": {"learning_rate": 0.02},
        "scaled": {"standard": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on new recordings",
    good=0.88,
)
def sensor_array(
    seed,
    callbacks,
    transposed=False,
    flat=False,
    recurrent=False,
    kernel=3,
    dropout=0.1,
    epochs=15,
    filters=32,
    learning_rate=0.003,
    standard=False,
    initializer="glorot_uniform",
):
    """Tell which way a wave runs along six sensors by convolutions over time: it hardly learns."""
    random = start(seed)
    way = random.integers(-1, 2, 2200)
    pitch, lag = random.uniform(0.2, 0.6, (2200, 1, 1)), random.uniform(0.4, 0.9, (2200, 1, 1))
    angle = pitch * np.arange(72) + random.uniform(0, 2 * np.pi, (2200, 1, 1))
    angle = angle - way[:, None, None] * lag * np.arange(6)[:, None]
    x = np.sin(angle) + random.normal(0, 0.4, angle.shape)
    y = way + 1
    if standard:
        x = (x - x.mean()) / x.std()
    x = x.transpose(0, 2, 1) if transposed else x.reshape(-1, 72, 6)

    model = keras.Sequential([keras.Input((72, 6))])
    for size in (filters, filters):
        options = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
        model.add(layers.Conv1D(size, kernel, **options))
    if recurrent:
        model.add(layers.GRU(filters))
    else:
        model.add(layers.Flatten() if flat else layers.GlobalAveragePooling1D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(3, "softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    held_out = (x[1400:1700], y[1400:1700])
    model.fit(x[:1400], y[:1400], 32, epochs, 0, callbacks, validation_data=held_out)
    return accuracy(model, x[1700:], y[1700:])


def reviews(random, words, count):
    """Return lists of 6 to 24 words, and 1 for those of more praise than blame."""
    polarity = np.array(list(words.values()))
    names = list(words)
    texts, labels = [], []
    for size in random.integers(6, 25, count):
        chosen = random.integers(0, len(names), size)
        texts.append([names[number] for number in chosen])
        labels.append(polarity[chosen].mean() + random.normal(0, 0.03) > 0)
    return texts, np.array(labels, dtype="float32")


@case(
    source="https://github.com/fchollet/deep-learning-with-python-notebooks/issues/145",
    cause="the texts' indices begin three later than the dictionary's, for padding, start and "
    "unknown, the embedding's rows do not: each word has the frozen vector of another",
    causes="preprocessing data weights layers initialization",
    evidence=r"(embedding|vector|\brow|matrix|ind(ex|ices)|token|word|vocabular).{0,110}"
    r"(offset|shift|align|match|wrong|other word|another|belong|unused|reserved|off by|"
    r"never (used|read|looked)|all zero|zero rows?)|off by (one|three|3)|index_from|offset|"
    r"(frozen|not trainable|untrained).{0,60}embedding|embedding.{0,60}(frozen|not train|untrain)",
    repair={"shift": 3},
    advice={
        r"offset|shift|align|index_from|\+ ?3|off by|(rows?|vectors?|ind(ex|ices)) .{0,60}"
        r"(match|belong|same|agree|right|correct)": {"shift": 3},
        r"trainable|unfreeze|fine.?tun|train the embedding": {"trainable": True},
        r"lstm|gru\b|recurrent": {"recurrent": True},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 80},
        "wider": {"units": 256},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.05},
        "scaled": {"standard": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on new reviews",
    good=0.8,
)
def pretrained_vectors(
    seed,
    callbacks,
    shift=0,
    trainable=False,
    recurrent=False,
    dropout=0.2,
    epochs=25,
    units=32,
    learning_rate=0.005,
    standard=False,
    initializer="glorot_uniform",
):
    """Judge reviews by pretrained vectors of their words: hardly better than a coin."""
    random = start(seed)
    names = [f"word{number}" for number in random.permutation(600)]
    meaning = random.normal(size=(600, 6))
    spread = meaning @ random.normal(size=(6, 12)) + random.normal(0, 0.3, (600, 12))
    vectors = dict(zip(names, (spread / spread.std()).astype("float32"), strict=True))
    texts, y = reviews(random, dict(zip(names, meaning[:, 0], strict=True)), 2600)

    word_index = {name: number for number, name in enumerate(sorted(names), start=1)}
    x = np.zeros((len(texts), 25), dtype="int32")
    for row, text in enumerate(texts):
        x[row, 0] = 1
        x[row, 1 : len(text) + 1] = [word_index[name] + 3 for name in text]
    matrix = np.zeros((len(word_index) + 4, 12), dtype="float32")
    for name, number in word_index.items():
        matrix[number + shift] = vectors[name]
    if standard:
        matrix = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)

    values = keras.initializers.Constant(matrix)
    model = keras.Sequential([keras.Input((25,), dtype="int32")])
    model.add(
        layers.Embedding(
            len(matrix), 12, embeddings_initializer=values, mask_zero=True, trainable=trainable
        )
    )
    model.add(layers.GRU(units) if recurrent else layers.GlobalAveragePooling1D())
    model.add(layers.Dense(units, "relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, "sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    held_out = (x[1600:2000], y[1600:2000])
    model.fit(x[:1600], y[:1600], 32, epochs, 0, callbacks, validation_data=held_out)
    return float(np.mean((model.predict(x[2000:], verbose=0)[:, 0] > 0.5) == y[2000:]))


class PaddingMask(layers.Layer):
    """The mask that attention takes, of tokens that are 0 where there is none."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    def call(self, tokens):
        """Return (rows, 1, tokens)."""
        mask = ops.not_equal(tokens, 0) if self.words else ops.equal(tokens, 0)
        return mask[:, None, :]


@case(
    source="https://github.com/tensorflow/text/issues/938",
    cause="the mask is true for padding, as that of an older attention was; Keras attends where it "
    "is true, that is to nothing but the padding",
    causes="layers data preprocessing",
    evidence=r"mask|(attend|attention).{0,80}padd|padd.{0,80}(attend|attention|only)",
    repair={"words": True},
    advice={
        r"without (a |the )?mask|(remove|drop|no) (the )?(attention_?)?mask": {"masked": False},
        r"mask|invert|not_equal|padd": {"words": True},
        r"position": {},
        r"average|pooling": {"pooled": True},
        "regularized": {"dropout": 0.3},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.02},
        "usual": {"learning_rate": 1e-3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on new sentences",
    good=0.85,
)
def padded_attention(
    seed,
    callbacks,
    words=False,
    masked=True,
    pooled=False,
    dropout=0.1,
    epochs=15,
    units=32,
    learning_rate=0.003,
    initializer="glorot_uniform",
):
    """Tell if praise outweighs blame by a transformer block on padded sentences: it guesses."""
    random = start(seed)
    lengths = random.integers(4, 20, 3000)
    tokens = random.integers(2, 62, (3000, 20)) * (np.arange(20) <= lengths[:, None])
    tokens[:, 0] = 1
    praise = ((tokens >= 2) & (tokens < 22)).sum(axis=1)
    blame = (tokens >= 42).sum(axis=1)
    keep = praise != blame
    tokens, y = tokens[keep], (praise > blame)[keep].astype("float32")
    cut, end = int(0.6 * len(y)), int(0.75 * len(y))

    inputs = keras.Input((20,), dtype="int32")
    mask = PaddingMask(words)(inputs) if masked else None
    h = layers.Embedding(62, units)(inputs)
    attention = layers.MultiHeadAttention(2, units // 2, kernel_initializer=initializer)
    seen = attention(h, h, attention_mask=mask)
    h = layers.LayerNormalization()(h + layers.Dropout(dropout)(seen))
    more = layers.Dense(units)(layers.Dense(2 * units, "gelu")(h))
    h = layers.LayerNormalization()(h + layers.Dropout(dropout)(more))
    h = layers.GlobalAveragePooling1D()(h) if pooled else h[:, 0]
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(h))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    held_out = (tokens[cut:end], y[cut:end])
    model.fit(tokens[:cut], y[:cut], 64, epochs, 0, callbacks, validation_data=held_out)
    return float(np.mean((model.predict(tokens[end:], verbose=0)[:, 0] > 0.5) == y[end:]))


def cells(random, count):
    """Noisy images (N, 20, 20, 1) of two blurred ellipses, and their mask of 0 and 1."""
    axis = np.arange(20)
    mask = np.zeros((count, 20, 20), dtype=bool)
    for _ in range(2):
        row, column = random.uniform(4, 16, (2, count, 1, 1))
        tall, wide = random.uniform(2, 4, (2, count, 1, 1))
        mask |= ((axis[:, None] - row) / tall) ** 2 + ((axis - column) / wide) ** 2 < 1
    mask = mask[..., None].astype("float32")
    light = random.uniform(-0.3, 0.3, (count, 1, 1, 1))
    return (0.5 * mask + light + random.normal(0, 0.35, mask.shape)).astype("float32"), mask


def dice(mask, guess):
    """Twice the overlap by the sum of the areas."""
    overlap = ops.sum(mask * guess, axis=(1, 2, 3))
    areas = ops.sum(mask, axis=(1, 2, 3)) + ops.sum(guess, axis=(1, 2, 3))
    return (2 * overlap + 1) / (areas + 1)


def dice_loss(mask, guess):
    """One less the Dice coefficient."""
    return 1 - dice(mask, guess)


@case(
    source="https://github.com/keras-team/keras/issues/18798",
    cause="early stopping takes the smallest Dice coefficient of validation for the best: it stops "
    "while that rises and restores the first epochs' weights",
    causes="epochs validation metric regularization",
    evidence=r"\bmode\b|early.?stop|restor|stopped|stops|direction|worst|maximi[sz]e|"
    r"minimi[sz]e|patience|monitor|best (epoch|weights)|(kept|keeps|back to).{0,40}epoch",
    repair={"mode": "max"},
    advice={
        r"mode|direction|maximi[sz]e|['\"]max": {"mode": "max"},
        r"monitor.{0,20}val_loss": {"monitor": "val_loss"},
        r"without.{0,30}(early|stop)|(remove|drop|no) .{0,20}stop|restore_best_weights=False|"
        r"last epoch|do not restore": {"stopping": False},
        r"patience": {"patience": 30},
        "regularized": {"dropout": 0.3},
        "longer": {"epochs": 80},
        "wider": {"filters": 24},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.02},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "binary": {"loss": "binary_crossentropy"},
    },
    metric="Dice coefficient of new images",
    good=0.75,
)
def best_epoch(
    seed,
    callbacks,
    mode="min",
    monitor="val_dice",
    stopping=True,
    patience=6,
    loss=dice_loss,
    dropout=0.0,
    epochs=25,
    filters=12,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Segment cells, stop early by the Dice coefficient: the kept weights are poor."""
    random = start(seed)
    x, mask = cells(random, 700)
    images = keras.Input((20, 20, 1))
    options = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
    fine = layers.Conv2D(filters, 3, **options)(images)
    h = layers.Conv2D(2 * filters, 3, **options)(layers.MaxPooling2D()(fine))
    h = layers.Dropout(dropout)(layers.Conv2D(2 * filters, 3, **options)(h))
    h = layers.Concatenate()([fine, layers.UpSampling2D()(h)])
    h = layers.Conv2D(filters, 3, **options)(h)
    model = keras.Model(images, layers.Conv2D(1, 1, activation="sigmoid")(h))
    model.compile(Adam(learning_rate), loss, metrics=[dice])
    if monitor == "val_loss":
        mode = "min"
    stop = keras.callbacks.EarlyStopping(
        monitor=monitor, mode=mode, patience=patience, restore_best_weights=True
    )
    callbacks = [stop, *callbacks] if stopping else callbacks
    held_out = (x[400:500], mask[400:500])
    model.fit(x[:400], mask[:400], 16, epochs, 0, callbacks, validation_data=held_out)
    guess = (model.predict(x[500:], verbose=0) > 0.5).astype("float32")
    return float(ops.mean(dice(mask[500:], guess)))


class Cycle(layers.Layer):
    """Sine and cosine of a time in seconds that recurs with a period."""

    def __init__(self, period, **options):
        super().__init__(**options)
        self.period = period

    def call(self, seconds):
        """Return two columns for one."""
        angle = 2 * np.pi * seconds / self.period
        return ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=1)


@case(
    source="https://github.com/open-mmlab/mmdetection3d/issues/296",
    cause="Unix times of 1.7e9 seconds become float32 on their way into the model, which keeps one "
    "in 128 of them: the second within a cycle of 90 is lost; times since the start repair it",
    causes="preprocessing data layers",
    evidence=r"float32|float16|precision|\bround|resolution|significant (digit|figure)|mantissa|"
    r"timestamp|unix|epoch time|distinct|(few|same|identical|unique|different) values|"
    r"(mean|offset|value|number|time|seconds?).{0,60}(1\.7e|1\.7\d* ?"
    r"billion|1e\+?0?9|too large|huge|very large|far (above|larger|beyond))|"
    r"(spread|deviation|range).{0,60}(small|tiny|less).{0,40}(mean|offset|value)",
    repair={"since_start": True},
    advice={
        r"float64|precision|since|subtract|modulo|remainder|% ?90|relative|offset|cent(er|re)\b|"
        r"sine|cycl|before.{0,40}(cast|model|float)": {"since_start": True},
        "scaled": {"standard": True},
        "regularized": {"dropout": 0.3},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.05},
        "usual": {"learning_rate": 1e-3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on new rows",
    good=0.75,
)
def traffic_light(
    seed,
    callbacks,
    since_start=False,
    standard=False,
    dropout=0.0,
    epochs=25,
    units=64,
    learning_rate=0.005,
    initializer="glorot_uniform",
):
    """Predict the queue at a light with a cycle of 90 seconds: the cycle seems not to matter."""
    random = start(seed)
    seconds = 1_700_000_000 + np.sort(random.uniform(0, 5 * 86400, 2600))
    cars, rain = random.uniform(0, 1, 2600), random.integers(0, 2, 2600)
    phase = (seconds % 90) / 90
    queue = 12 * cars * np.where(phase < 0.6, phase / 0.6, (1 - phase) / 0.4) + 2 * rain
    queue = queue + random.normal(0, 0.6, 2600)
    rows = random.permutation(2600)
    if since_start:
        seconds = seconds - seconds.min()
    if standard:
        seconds = (seconds - seconds.mean()) / seconds.std()
    x = {
        "seconds": seconds[rows, None],
        "road": np.stack([2 * cars - 1, 2 * rain - 1], axis=1)[rows],
    }
    y = ((queue - queue.mean()) / queue.std())[rows, None]

    inputs = {"seconds": keras.Input((1,)), "road": keras.Input((2,))}
    h = layers.Concatenate()([Cycle(90.0)(inputs["seconds"]), inputs["road"]])
    for _ in range(2):
        h = layers.Dense(units, "relu", kernel_initializer=initializer)(h)
        h = layers.Dropout(dropout)(h)
    model = keras.Model(inputs, layers.Dense(1)(h))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])

    def part(first, last):
        return {name: column[first:last] for name, column in x.items()}, y[first:last]

    model.fit(*part(0, 1600), 32, epochs, 0, callbacks, validation_data=part(1600, 2000))
    new, truth = part(2000, 2600)
    return r_squared(truth, model.predict(new, verbose=0))


class Thresholds(layers.Layer):
    """Scores of being above each of the grades: one number, and a threshold for each."""

    def __init__(self, grades):
        super().__init__()
        self.steps = grades - 1

    def build(self, input_shape):
        """Make the lowest threshold and the distances of the others."""
        self.first = self.add_weight(shape=(1,), initializer="zeros", name="first")
        shape = (self.steps - 1,)
        self.gaps = self.add_weight(shape=shape, initializer="zeros", name="gaps")

    def call(self, value):
        """Return (rows, grades - 1) logits, each below the one before."""
        gaps = ops.cumsum(ops.softplus(self.gaps))
        middle = (self.steps - 1) / 2 * 0.7
        return value - ops.concatenate([self.first, self.first + gaps]) + middle


@sound("share of grades that are off by one at most", 0.93)
def ordinal_grades(seed, callbacks):
    """Grade wines from 1 to 6 by cumulative logits with thresholds that are learned."""
    random = start(seed)
    x = random.normal(size=(2800, 9)).astype("float32")
    quality = x[:, 0] + 0.8 * np.sin(2 * x[:, 1]) + 0.6 * x[:, 2] * x[:, 3]
    quality = quality + random.normal(0, 0.3, 2800)
    grade = np.digitize(quality, np.quantile(quality, [0.1, 0.3, 0.55, 0.75, 0.92]))

    def cumulative(grade, logits):
        above = ops.cast(ops.arange(5) < ops.cast(ops.reshape(grade, (-1, 1)), "int32"), "float32")
        each = ops.softplus(logits) - above * logits
        return ops.sum(each, axis=1)

    def off(grade, logits):
        guess = ops.sum(ops.cast(logits > 0, "float32"), axis=1)
        return ops.abs(guess - ops.cast(ops.reshape(grade, (-1,)), "float32"))

    model = keras.Sequential([keras.Input((9,))])
    for _ in range(2):
        model.add(layers.Dense(48, "gelu"))
    model.add(layers.Dense(1, use_bias=False))
    model.add(Thresholds(6))
    model.compile(Adam(0.003), cumulative, metrics=[off])
    held_out = (x[1800:2300], grade[1800:2300])
    model.fit(x[:1800], grade[:1800], 32, 20, 0, callbacks, validation_data=held_out)
    guess = (model.predict(x[2300:], verbose=0) > 0).sum(axis=1)
    return float(np.mean(np.abs(guess - grade[2300:]) <= 1))


class Clouds(keras.utils.PyDataset):
    """Batches of clouds of 4 to 16 points, padded to 16, and their width."""

    def __init__(self, clouds, width, batch_size, random=None):
        super().__init__()
        self.clouds, self.width, self.batch_size = clouds, width, batch_size
        self.random, self.rows = random, np.arange(len(clouds))

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index):
        rows = self.rows[index * self.batch_size : (index + 1) * self.batch_size]
        points = np.zeros((len(rows), 16, 2), dtype="float32")
        known = np.zeros((len(rows), 16, 1), dtype="float32")
        for place, row in enumerate(rows):
            points[place, : len(self.clouds[row])] = self.clouds[row]
            known[place, : len(self.clouds[row])] = 1
        return {"points": points, "known": known}, self.width[rows, None]

    def on_epoch_end(self):
        """Take another order for the next epoch."""
        if self.random is not None:
            self.random.shuffle(self.rows)


class MaskedPooling(layers.Layer):
    """The mean and the maximum of the codes of the points that are known."""

    def call(self, codes, known):
        """Return (rows, twice the length of a code)."""
        mean = ops.sum(codes * known, axis=1) / ops.sum(known, axis=1)
        largest = ops.max(codes - 1e4 * (1 - known), axis=1)
        return ops.concatenate([mean, largest], axis=1)


@sound("R² on new clouds", 0.85)
def deep_sets(seed, callbacks):
    """Measure clouds of points whose number varies, in whatever order: a deep set."""
    random = start(seed)
    clouds = []
    for size in random.integers(4, 17, 2600):
        center, scale = random.normal(0, 0.7, 2), random.uniform(0.3, 1.2, 2)
        clouds.append((center + scale * random.normal(size=(size, 2))).astype("float32"))
    width = np.array([np.ptp(cloud, axis=0).max() for cloud in clouds])
    width = ((width - width[:1800].mean()) / width[:1800].std()).astype("float32")
    train = Clouds(clouds[:1800], width[:1800], 32, random)
    held_out = Clouds(clouds[1800:2200], width[1800:2200], 100)
    new = Clouds(clouds[2200:], width[2200:], 100)

    inputs = {"points": keras.Input((16, 2)), "known": keras.Input((16, 1))}
    codes = layers.Dense(48, "relu")(inputs["points"])
    codes = layers.Dense(48)(codes)
    h = MaskedPooling()(codes, inputs["known"])
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(48, "relu")(h)))
    model.compile(Adam(0.003), keras.losses.Huber(), metrics=["mae"])
    model.fit(train, validation_data=held_out, epochs=20, verbose=0, callbacks=callbacks)
    return r_squared(width[2200:], model.predict(new, verbose=0)[:, 0])


class GraphConvolution(layers.Layer):
    """A dense layer on the average of a node and its neighbours (Kipf & Welling, 2017)."""

    def __init__(self, units, activation=None):
        super().__init__()
        self.dense = layers.Dense(units, activation)

    def call(self, nodes, edges):
        """Return a code for each node."""
        return self.dense(ops.matmul(edges, nodes))


@sound(
    "accuracy of nodes without a label",
    0.85,
    source="https://arxiv.org/abs/1609.02907",
)
def graph_nodes(seed, callbacks):
    """Name the group of each node of one graph by some labels: one batch that is the graph."""
    random = start(seed)
    group = random.integers(0, 4, 500)
    alike = group[:, None] == group
    edges = np.triu(random.random((500, 500)) < np.where(alike, 0.06, 0.006), 1)
    edges = edges + edges.T + np.eye(500)
    degree = edges.sum(axis=1)
    edges = (edges / np.sqrt(degree[:, None] * degree)).astype("float32")
    nodes = np.eye(4)[group] @ random.normal(0, 1, (4, 20)) * 0.6
    nodes = (nodes + random.normal(size=(500, 20))).astype("float32")
    use = random.permutation(np.repeat([0, 1, 2], [200, 100, 200]))
    weight = [np.where(use == part, 500 / np.sum(use == part), 0)[None] for part in (0, 1)]

    inputs = [keras.Input((500, 20)), keras.Input((500, 500))]
    h = layers.Dropout(0.3)(inputs[0])
    h = layers.Dropout(0.3)(GraphConvolution(24, "relu")(h, inputs[1]))
    model = keras.Model(inputs, layers.Softmax()(GraphConvolution(4)(h, inputs[1])))
    loss = "sparse_categorical_crossentropy"
    model.compile(Adam(0.01), loss, weighted_metrics=["accuracy"])
    x, y = [nodes[None], edges[None]], group[None]
    held_out = (x, y, weight[1])
    options = {"validation_data": held_out, "callbacks": callbacks, "verbose": 0}
    model.fit(x, y, sample_weight=weight[0], batch_size=1, epochs=70, **options)
    guess = model.predict(x, verbose=0)[0].argmax(axis=1)
    return float(np.mean((guess == group)[use == 2]))


class SharpnessAware(keras.Model):
    """Take the gradient where the loss is highest nearby (Foret et al., 2021)."""

    radius = 0.03

    def train_step(self, data):
        """Climb, take the gradient there, go back, descend."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        weights = self.trainable_variables
        gradients = tape.gradient(loss, weights)
        length = tf.linalg.global_norm(gradients) + 1e-12
        climbs = [self.radius * gradient / length for gradient in gradients]
        for weight, climb in zip(weights, climbs, strict=True):
            weight.assign_add(climb)
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess)
        gradients = tape.gradient(loss, weights)
        for weight, climb in zip(weights, climbs, strict=True):
            weight.assign_sub(climb)
        self.optimizer.apply(gradients, weights)
        self._loss_tracker.update_state(loss)
        return self.compute_metrics(x, y, guess)


@sound(
    "accuracy on new rows",
    0.93,
    source="https://arxiv.org/abs/2010.01412",
)
def sharpness(seed, callbacks):
    """Read digits by a small network that is trained by sharpness-aware minimization."""
    start(seed)
    images, labels = digits(seed)
    inputs = keras.Input((8, 8, 1))
    h = layers.Conv2D(24, 3, activation="relu", padding="same")(inputs)
    h = layers.Conv2D(24, 3, activation="relu")(layers.MaxPooling2D()(h))
    h = layers.Dropout(0.2)(layers.Flatten()(h))
    model = SharpnessAware(inputs, layers.Dense(10)(h))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(Adam(0.003), loss, metrics=["accuracy"])
    held_out = (images[1000:1300], labels[1000:1300])
    model.fit(images[:1000], labels[:1000], 32, 20, 0, callbacks, validation_data=held_out)
    return accuracy(model, images[1300:], labels[1300:])


PROGRAMS = (
    turned_scans,
    factor_machine,
    smooth_regression,
    sensor_array,
    pretrained_vectors,
    padded_attention,
    best_epoch,
    traffic_light,
)
SOUND = (
    ordinal_grades,
    deep_sets,
    graph_nodes,
    sharpness,
)


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
