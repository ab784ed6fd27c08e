"""Thirteen more field programs, of pictures, words and own loops, by somebody who read no rule.

Seven have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirtieth
    python benchmarks/diagnosis.py --programs thirtieth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
from sklearn import datasets

from benchmarks.field._program import accuracy, case, digits, main, r_squared, sound, start


def common(epochs, units, usual, faster, slower):
    """Return settings that follow the remedies which any program may be given."""
    return {
        "longer": {"epochs": epochs},
        "wider": {"units": units},
        "usual": {"learning_rate": usual},
        "faster": {"learning_rate": faster},
        "slower": {"learning_rate": slower},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    }


def blobs(random, rows):
    """Noisy pictures (N, 16, 16, 1) of two bright discs, and where the discs are."""
    at = np.arange(16)
    masks = np.zeros((rows, 16, 16), bool)
    for _ in range(2):
        row, column = random.uniform(2, 14, (2, rows, 1, 1))
        size = random.uniform(2, 3.5, (rows, 1, 1))
        masks |= (at[:, None] - row) ** 2 + (at - column) ** 2 < size**2
    noise = random.normal(0, 0.35, masks.shape)
    return (masks + noise).astype("float32")[..., None], masks.astype("float32")[..., None]


def overlap(masks, guess):
    """Intersection over union of all pixels."""
    masks, guess = masks > 0.5, guess > 0.5
    return float((masks & guess).sum() / max((masks | guess).sum(), 1))


def segmenter(units, dropout, initializer):
    """Return a small network from pictures to masks of their size."""
    options = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
    pictures = keras.Input((16, 16, 1))
    fine = layers.Conv2D(units, 3, **options)(pictures)
    coarse = layers.Conv2D(2 * units, 3, **options)(layers.MaxPooling2D()(fine))
    coarse = layers.Dropout(dropout)(coarse)
    seen = layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])
    seen = layers.Conv2D(units, 3, **options)(seen)
    return keras.Model(pictures, layers.Conv2D(1, 1, activation="sigmoid")(seen))


@case(
    source="https://github.com/keras-team/keras/issues/12075",
    cause="pictures and masks are flipped and shifted by draws of their own and no longer fit",
    causes="data preprocessing",
    evidence=r"augment|flip|shift|mirror|(mask|label|target|\by\b)s?[\s\S]{0,100}"
    r"(fit|match|align|pair|belong|correspond|row|noise|noisy|random|independent|contradict)|"
    r"(pair|align|mismatch|misplac|shuffl)|same (seed|draw|transform)|"
    r"(training|train)[\s\S]{0,60}(worse|harder|higher|lower)[\s\S]{0,40}valid|"
    r"valid[\s\S]{0,60}(better|lower|below|higher)[\s\S]{0,40}train",
    repair={"together": True},
    advice={
        r"same (seed|draw|random|transform|augment)|together|jointly|pair|align|match|"
        r"both (the )?(image|picture|input)|(image|picture|input)s? and (their )?(mask|label)": {
            "together": True
        },
        r"(without|remove|drop|switch off|no|less|stop)[\s\S]{0,30}augment": {"augment": False},
        **common(30, 24, 0.001, 0.02, 5e-4),
    },
    metric="intersection over union on held-out pictures",
    good=0.75,
)
def masks_flipped_on_their_own(
    seed,
    callbacks,
    together=False,
    augment=True,
    epochs=12,
    units=10,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find cells in pictures: two generators are zipped, and the found cells are smeared."""
    random = start(seed)
    x, y = blobs(random, 700)

    def changed(both, draw=0):
        if tf.random.uniform((), seed=draw) < 0.5:
            both = both[:, ::-1]
        return tf.roll(both, tf.random.uniform((2,), -3, 4, tf.int32, seed=draw), (0, 1))

    def changed_together(picture, mask):
        both = changed(tf.concat([picture, mask], axis=-1))
        return both[..., :1], both[..., 1:]

    pictures = tf.data.Dataset.from_tensor_slices(x[:400])
    masks = tf.data.Dataset.from_tensor_slices(y[:400])
    if augment and not together:
        pictures = pictures.map(lambda picture: changed(picture, 1))
        masks = masks.map(lambda mask: changed(mask, 2))
    data = tf.data.Dataset.zip((pictures, masks))
    if augment and together:
        data = data.map(changed_together)
    model = segmenter(units, dropout, initializer)
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        data.shuffle(400).batch(16),
        validation_data=(x[400:500], y[400:500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return overlap(y[500:], model.predict(x[500:], verbose=0))


@case(
    source="https://github.com/mrdbourke/tensorflow-deep-learning/issues/14",
    cause="the frozen base divides by 255 itself; pixels that are divided before reach it as zeros",
    causes="preprocessing data layers",
    evidence=r"rescal|255|pixel|twice|(inputs?|\bx\b|values|images?)[\s\S]{0,80}"
    r"(small|tiny|range|scale|spread|between 0 and 1|narrow|weak)|"
    r"(features?|activations?|outputs?|base|frozen)[\s\S]{0,100}"
    r"(same|constant|alike|hardly (var|differ)|tiny|small|barely|almost|range|expects?)|preprocess",
    repair={"divided": False},
    advice={
        r"rescal|255|twice|raw|range (that|the|of)|preprocess|0 to 255|pixel": {"divided": False},
        r"unfreez|trainable ?= ?True|fine-?tun": {"frozen": False},
        r"batch.?norm": {"batch_norm": True},
        "scaled": {"batch_norm": True},
        **common(45, 64, 0.001, 0.02, 3e-4),
    },
    metric="accuracy on held-out digits from 5 to 9",
    good=0.88,
)
def pixels_divided_twice(
    seed,
    callbacks,
    divided=True,
    frozen=True,
    batch_norm=False,
    epochs=15,
    units=24,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read 5 to 9 by features that knew 0 to 4: another base learned, this one does not."""
    start(seed)
    x, y = digits(seed, range(5))
    pictures = keras.Input((8, 8, 1))
    seen = layers.Rescaling(1 / 255)(pictures)
    seen = layers.Conv2D(16, 3, padding="same", activation="relu")(seen)
    seen = layers.BatchNormalization()(seen)
    seen = layers.Conv2D(32, 3, padding="same", activation="relu")(seen)
    base = keras.Model(pictures, layers.Flatten()(layers.MaxPooling2D()(seen)))
    old = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    old.compile(Adam(0.003), "sparse_categorical_crossentropy")
    old.fit(255 * x, y, epochs=6, verbose=0)

    x, y = digits(seed, range(5, 10))
    x, y = (255 * x).astype("float32"), y - 5
    if divided:
        x = x / 255
    base.trainable = not frozen
    inputs = keras.Input((8, 8, 1))
    seen = base(inputs, training=False)
    if batch_norm:
        seen = layers.BatchNormalization()(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:450], y[:450]),
        validation_data=(x[450:600], y[450:600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[600:], y[600:])


@case(
    source="https://github.com/fchollet/deep-learning-with-python-notebooks/issues/145",
    cause="word numbers begin three later than rows of the vectors: each word has another's vector",
    causes="data preprocessing layers initialization",
    evidence=r"embedding|vectors?|index|indices|offset|word|token|frozen|trainable|"
    r"(rows?|labels?)[\s\S]{0,60}(match|fit|pair|belong|shift)|pretrained",
    repair={"offset": 3},
    advice={
        r"offset|index_from|shift|\bindex\b|indices|match|right (row|vector)|word_index": {
            "offset": 3
        },
        r"unfreez|trainable ?= ?True|fine-?tun|train the (embedding|vectors)": {"frozen": False},
        **common(30, 96, 0.001, 0.01, 3e-4),
    },
    metric="accuracy on held-out reviews",
    good=0.82,
)
def vectors_of_the_wrong_words(
    seed,
    callbacks,
    offset=0,
    frozen=True,
    epochs=12,
    units=32,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Judge reviews by borrowed word vectors, kept frozen: little better than by chance."""
    random = start(seed)
    words, length, rows = 600, 20, 2400
    kind = random.normal(size=words)
    vectors = random.normal(size=(words, 16)).astype("float32")
    vectors[:, :2] = np.stack([kind, kind], axis=1) + random.normal(0, 0.3, (words, 2))
    y = random.integers(0, 2, rows)
    x = np.zeros((rows, length), int)
    for label in range(2):
        odds = np.exp((0.5 if label else -0.5) * kind)
        chosen = y == label
        x[chosen] = random.choice(words, (chosen.sum(), length), p=odds / odds.sum())
    x = x + 3  # 0 pads, 1 begins, 2 is unknown

    table = np.zeros((words + 3, 16), "float32")
    table[offset : offset + words] = vectors
    table_of = keras.initializers.Constant(table)
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(words + 3, 16, embeddings_initializer=table_of, trainable=not frozen),
            layers.GlobalAveragePooling1D(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(RMSprop(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1800], y[1500:1800]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1800:], verbose=0)[:, 0] > 0.5) == y[1800:]))


@case(
    source="https://github.com/keras-team/keras/issues/16935",
    cause="pairs of a kind are labelled 1, and the contrastive loss pushes those labelled 1 apart",
    causes="loss data",
    evidence=r"(labels?|loss|targets?|sign|pairs?|similar|distance)[\s\S]{0,100}"
    r"(revers|invert|swap|flip|opposite|convention|wrong way|exchang|backward|contradict|"
    r"apart|collaps|the other way)|(revers|invert|swap|opposite|convention)[\s\S]{0,60}"
    r"(label|loss|target)|contrastive|(same|constant|alike) (output|prediction|distance|number)|"
    r"(outputs?|predictions?|distances?)[\s\S]{0,80}(collaps|constant|hardly|the same)|"
    r"below chance|worse than (chance|guess|constant)|1 - y",
    repair={"like": 0},
    advice={
        r"revers|invert|swap|flip|convention|opposite|exchang|1 ?- ?y|contrastive|own loss": {
            "like": 0
        },
        **common(30, 64, 0.001, 0.02, 5e-4),
    },
    metric="accuracy on held-out pairs, those nearer than half the margin being alike",
    good=0.9,
)
def twins_that_are_pushed_apart(
    seed,
    callbacks,
    like=1,
    epochs=12,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell whether two digits are alike by the distance of their codes: hardly any is near."""
    random = start(seed)
    x, kind = digits(seed)

    def pairs(rows, count):
        first = random.choice(rows, count)
        second = random.choice(rows, count)
        same = random.random(count) < 0.5
        for number in range(10):
            chosen = same & (kind[first] == number)
            second[chosen] = random.choice(rows[kind[rows] == number], chosen.sum())
        alike = kind[first] == kind[second]
        return (x[first], x[second]), np.where(alike, like, 1 - like).astype("float32"), alike

    tower = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(32, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(8),
        ]
    )
    left, right = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))

    def distance(codes):
        square = ops.sum(ops.square(codes[0] - codes[1]), axis=-1, keepdims=True)
        return ops.sqrt(ops.maximum(square, 1e-7))

    def contrastive(true, far):
        return ops.mean((1 - true) * far**2 + true * ops.maximum(1 - far, 0) ** 2)

    apart = layers.Lambda(distance, output_shape=(1,))([tower(left), tower(right)])
    model = keras.Model([left, right], apart)
    model.compile(Adam(learning_rate), contrastive)
    x_train, y_train, _ = pairs(np.arange(1100), 3000)
    x_valid, y_valid, _ = pairs(np.arange(1100, 1350), 500)
    x_test, _, alike = pairs(np.arange(1350, len(x)), 1000)
    model.fit(
        *(x_train, y_train[:, None]),
        validation_data=(x_valid, y_valid[:, None]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x_test, verbose=0)[:, 0] < 0.5) == alike))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/36626",
    cause="the rows lie sorted by class and the shuffle buffer holds only a few of them",
    causes="data preprocessing",
    evidence=r"shuffl|sort|order|buffer|(batch|batches)[\s\S]{0,80}(one|single|same|few|class|label)|"
    r"(class|label)[\s\S]{0,60}(batch|after another|in a row|block|run|consecutive)|forget|"
    r"(last|latest) class",
    repair={"buffer": 1200},
    advice={
        r"shuffl|buffer|mix the rows|random order": {"buffer": 1200},
        r"(larger|bigger|raise)[\s\S]{0,20}batch": {"batch": 128},
        **common(30, 64, 0.001, 0.02, 3e-4),
    },
    metric="accuracy on held-out digits",
    good=0.92,
)
def digits_one_after_another(
    seed,
    callbacks,
    buffer=10,
    batch=32,
    epochs=10,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits from folders through tf.data: the accuracy of validation jumps up and down."""
    start(seed)
    x, y = digits(seed)
    order = np.argsort(y[:1200], kind="stable")
    data = tf.data.Dataset.from_tensor_slices((x[:1200][order], y[:1200][order]))
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        data.shuffle(buffer).batch(batch),
        validation_data=(x[1200:1450], y[1200:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


@case(
    source="https://github.com/keras-team/keras/issues/315",
    cause="channels come first and are reshaped, not moved, to the end: pixels are scrambled",
    causes="preprocessing data",
    evidence=r"reshap|transpos|moveaxis|channel|axes|\baxis\b|scrambl|neighbou?r|layout|"
    r"(spatial|local)[\s\S]{0,40}(structure|order|pattern)|pixels?[\s\S]{0,40}"
    r"(order|mixed|place|permut|shuffl)",
    repair={"moved": True},
    advice={
        r"transpos|moveaxis|channels?[\s_-]?(first|last)|reshap|axes|\baxis\b|permute": {
            "moved": True
        },
        r"augmentation": {"dropout": 0.4},
        **common(30, 32, 0.001, 0.02, 5e-4),
    },
    metric="accuracy on held-out signs",
    good=0.85,
)
def pictures_reshaped(
    seed,
    callbacks,
    moved=False,
    epochs=14,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell six signs anywhere in coloured pictures: far from what such networks promise."""
    random = start(seed)
    signs = ["..#..|..#..|#####|..#..|..#..", "#...#|.#.#.|..#..|.#.#.|#...#"]
    signs += ["#####|#...#|#...#|#...#|#####", "#....|#....|#....|#....|#####"]
    signs += ["#####|..#..|..#..|..#..|..#..", "#####|....#|...#.|..#..|.#..."]
    shapes = np.array([[[c == "#" for c in row] for row in s.split("|")] for s in signs], float)
    rows = 2200
    y = random.integers(0, 6, rows)
    x = random.normal(0, 0.25, (rows, 3, 14, 14))
    for picture, label in zip(x, y, strict=True):
        row, column = random.integers(0, 10, 2)
        colour = random.uniform(0.3, 1, (3, 1, 1))
        picture[:, row : row + 5, column : column + 5] += colour * shapes[label]
    x = np.moveaxis(x, 1, -1) if moved else x.reshape(rows, 14, 14, 3)
    x = x.astype("float32")

    options = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((14, 14, 3)),
            layers.Conv2D(units, 3, **options),
            layers.Conv2D(2 * units, 3, **options),
            layers.GlobalMaxPooling2D(),
            layers.Dense(2 * units, **options),
            layers.Dropout(dropout),
            layers.Dense(6, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1700], y[1500:1700]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1700:], y[1700:])


class OwnStep(keras.Model):
    """A model whose training step is written out, with a squared error."""

    def train_step(self, data):
        """Update the weights by one batch."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = tf.reduce_mean(tf.square(tf.cast(y, tf.float32) - guess))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@case(
    source="https://github.com/tensorflow/tensorflow/issues/28901",
    cause="targets (N,) minus outputs (N, 1) are (N, N) in the own step: all rows learn the mean",
    causes="loss data layers",
    evidence=r"shape|broadcast|dimension|\(N, ?N\)|\(N,\)|squeeze|reshape|expand|rank|column|"
    r"(predict|output|answer)\w*[\s\S]{0,80}(mean|average|constant|same|hardly var|collaps)|"
    r"own (training )?step|train_step",
    repair={"column": True},
    advice={
        r"shape|squeeze|expand_dims|newaxis|broadcast|\(N, ?1\)|\[:, None\]|train_step": {
            "column": True
        },
        **common(30, 64, 0.001, 0.02, 5e-4),
    },
    metric="R² on held-out houses",
    good=0.75,
)
def price_by_an_own_step(
    seed,
    callbacks,
    column=False,
    epochs=14,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a price from a plan and a table in an own step: fit does well, this does not."""
    random = start(seed)
    rows = 1700
    plan, cells = blobs(random, rows)
    table = random.normal(size=(rows, 5)).astype("float32")
    price = 0.6 * (cells.mean(axis=(1, 2, 3)) - 0.17) / 0.05 + table[:, 0] * (1 + 0.5 * table[:, 1])
    price = price - np.abs(table[:, 2]) + random.normal(0, 0.3, rows)
    y = ((price - price.mean()) / price.std()).astype("float32")
    if column:
        y = y[:, None]

    pictures, numbers = keras.Input((16, 16, 1)), keras.Input((5,))
    seen = layers.Conv2D(12, 3, activation="relu", kernel_initializer=initializer)(pictures)
    seen = layers.AveragePooling2D(2)(seen)
    seen = layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.BatchNormalization()(layers.GlobalAveragePooling2D()(seen))
    both = layers.Concatenate()([seen, numbers])
    for _ in range(2):
        both = layers.Dense(units, activation="relu", kernel_initializer=initializer)(both)
    both = layers.Dropout(dropout)(both)
    model = OwnStep([pictures, numbers], layers.Dense(1)(both))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *((plan[:1200], table[:1200]), y[:1200]),
        validation_data=((plan[1200:1350], table[1200:1350]), y[1200:1350]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict((plan[1350:], table[1350:]), verbose=0)[:, 0]
    return r_squared(y[1350:].ravel(), guess)


@sound(
    source="https://github.com/EdwardTyantov/ultrasound-nerve-segmentation/issues/8",
    metric="intersection over union on held-out pictures",
    good=0.75,
)
def cells_by_dice(seed, callbacks):
    """Segmentation: minus the Dice coefficient as the loss, so the loss is below zero."""
    random = start(seed)
    x, y = blobs(random, 700)

    def minus_dice(true, guess):
        both = ops.sum(true * guess)
        return -(2 * both + 1) / (ops.sum(true) + ops.sum(guess) + 1)

    model = segmenter(12, 0.1, "he_normal")
    model.compile(Adam(0.003), minus_dice)
    model.fit(
        *(x[:400], y[:400]),
        validation_data=(x[400:500], y[400:500]),
        batch_size=20,
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return overlap(y[500:], model.predict(x[500:], verbose=0))


class Mixed(keras.Model):
    """A model whose training step mixes each row with another and its label with that one's."""

    def train_step(self, data):
        """Update the weights by one batch of mixed rows."""
        x, y = data
        order = tf.random.shuffle(tf.range(tf.shape(x)[0]))
        share = tf.random.uniform((tf.shape(x)[0], 1), 0.6, 1.0)
        x = share[:, :, None, None] * x + (1 - share)[:, :, None, None] * tf.gather(x, order)
        y = share * y + (1 - share) * tf.gather(y, order)
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.compute_metrics(x, y, guess)


@sound(
    source="https://keras.io/examples/vision/mixup/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_mixed_in_an_own_step(seed, callbacks):
    """Own step: pictures are mixed, so the loss of training stays above that of validation."""
    start(seed)
    x, labels = digits(seed)
    y = np.eye(10, dtype="float32")[labels]
    pictures = keras.Input((8, 8, 1))
    seen = layers.Conv2D(24, 3, activation="relu")(pictures)
    seen = layers.MaxPooling2D()(layers.Conv2D(32, 3, activation="relu")(seen))
    seen = layers.Dense(48, activation="relu")(layers.Flatten()(seen))
    model = Mixed(pictures, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(0.002), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1450], y[1200:1450]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], labels[1450:])


@sound(
    source="https://keras.io/guides/functional_api/",
    metric="the smaller of two: accuracy of the digit, R² of its ink",
    good=0.9,
)
def digit_and_its_ink(seed, callbacks):
    """Two outputs: the class, and how much ink it took, with weights of both losses."""
    start(seed)
    x, labels = digits(seed)
    ink = x.mean(axis=(1, 2, 3))
    ink = ((ink - ink.mean()) / ink.std()).astype("float32")
    pictures = keras.Input((8, 8, 1))
    seen = layers.Conv2D(24, 3, activation="relu")(pictures)
    seen = layers.Flatten()(layers.MaxPooling2D()(seen))
    seen = layers.Dense(48, activation="relu")(seen)
    digit = layers.Dense(10, activation="softmax", name="digit")(seen)
    model = keras.Model(pictures, {"digit": digit, "ink": layers.Dense(1, name="ink")(seen)})
    model.compile(
        Adam(0.002),
        {"digit": "sparse_categorical_crossentropy", "ink": "mean_squared_error"},
        loss_weights={"digit": 1.0, "ink": 0.5},
        metrics={"digit": ["accuracy"], "ink": ["mean_absolute_error"]},
    )
    targets = {"digit": labels, "ink": ink[:, None]}
    model.fit(
        *(x[:1200], {name: y[:1200] for name, y in targets.items()}),
        validation_data=(x[1200:1450], {name: y[1200:1450] for name, y in targets.items()}),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1450:], verbose=0)
    right = float(np.mean(guess["digit"].argmax(axis=1) == labels[1450:]))
    return min(right, r_squared(ink[1450:], guess["ink"][:, 0]))


@sound(
    source="https://keras.io/examples/nlp/text_classification_from_scratch/",
    metric="accuracy on held-out titles, of 0.85 that their labels allow",
    good=0.76,
)
def titles_with_wrong_labels(seed, callbacks):
    """Text: three labels in twenty are turned, so neither accuracy nor loss gets far."""
    random = start(seed)
    rows, length = 3600, 14
    y = random.integers(0, 2, rows)
    x = random.integers(30, 150, (rows, length))
    told = random.random((rows, length)) < 0.4
    x[told] = (random.integers(1, 15, (rows, length)) + 14 * y[:, None])[told]
    x[np.arange(length) >= random.integers(8, length + 1, rows)[:, None]] = 0
    y = np.where(random.random(rows) < 0.15, 1 - y, y)
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(150, 8, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.004), "binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2800], y[2400:2800]),
        epochs=15,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[2800:], verbose=0)[:, 0] > 0.5) == y[2800:]))


@sound(
    source="https://keras.io/guides/transfer_learning/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def filters_left_as_drawn(seed, callbacks):
    """Frozen parts: the filters stay as they were drawn, only the last layer learns."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(48, 3, activation="relu", trainable=False),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1450], y[1200:1450]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


@sound(
    source="https://keras.io/guides/training_with_built_in_methods/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def endless_stream_at_a_large_rate(seed, callbacks):
    """Pipeline: an endless stream, epochs cut short by steps_per_epoch, plain SGD at 0.3."""
    random = start(seed)
    x, y = datasets.load_digits(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = (x[rows] / 16).astype("float32"), y[rows]
    data = tf.data.Dataset.from_tensor_slices((x[:1200], y[:1200]))
    data = data.shuffle(1200).repeat().batch(48).prefetch(2)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(SGD(0.3), loss, metrics=["accuracy"])
    model.fit(
        data,
        steps_per_epoch=20,
        validation_data=(x[1200:1450], y[1200:1450]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


PROGRAMS = [
    masks_flipped_on_their_own,
    pixels_divided_twice,
    vectors_of_the_wrong_words,
    twins_that_are_pushed_apart,
    digits_one_after_another,
    pictures_reshaped,
    price_by_an_own_step,
]
SOUND = [
    cells_by_dice,
    digits_mixed_in_an_own_step,
    digit_and_its_ink,
    titles_with_wrong_labels,
    filters_left_as_drawn,
    endless_stream_at_a_large_rate,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
