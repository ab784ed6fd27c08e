"""Twelve more field programs, with mistakes that say nothing, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_seventh
    python benchmarks/diagnosis.py --programs thirty_seventh
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
    one_hot,
    r_squared,
    sound,
    standardized,
    start,
)


@case(
    source="https://github.com/ageron/handson-ml2/issues/246",
    cause="clone_model copies no weights, so the frozen encoder is random; set_weights repairs it",
    causes="layers initialization",
    evidence=r"clone|pre-?train|encoder|frozen|freez|trainable|not (being )?trained|"
    r"(never|not|don't|do not|cannot) (change|move|learn|train|update)|random(ly)?[\s\S]{0,40}"
    r"(weight|kernel|layer|feature|initial|projection)|(weight|kernel|layer)s?[\s\S]{0,80}"
    r"(random|initial|untrained|fresh|constant|fixed|unchanged|stay|load|transfer|copied)",
    repair={"weights": "copied"},
    advice={
        r"set_weights|get_weights|load|copy|copied|transfer|pre-?train|weights of|clone": {
            "weights": "copied"
        },
        r"trainable ?= ?True|unfreeze|un-freeze|trainable|frozen|freez|fine-?tun": {
            "frozen": False
        },
        "longer": {"epochs": 80},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.78,
)
def few_labels_and_an_encoder(
    seed,
    callbacks,
    weights="new",
    frozen=True,
    epochs=40,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Reuse an autoencoder's encoder where labels are few: no better than without it."""
    random = start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    encoder = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(8),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(64, activation="sigmoid"),
        ]
    )
    autoencoder = keras.Sequential([encoder, decoder])
    autoencoder.compile(Adam(0.004), "mean_squared_error")
    for _ in range(15):  # 1300 digits whose labels nobody knows
        rows = random.permutation(1300)
        for batch in np.array_split(rows, 20):
            autoencoder.train_on_batch(x[batch], x[batch])

    body = keras.models.clone_model(encoder)
    if weights == "copied":
        body.set_weights(encoder.get_weights())
    body.trainable = not frozen
    model = keras.Sequential(
        [
            keras.Input((64,)),
            body,
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:300], y[:300]),
        validation_data=(x[300:450], y[300:450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:])


class ClippedStep(keras.Model):
    """Clip the gradient by hand; take heed of the rows' weights, or not."""

    def __init__(self, inputs, outputs, weighted):
        super().__init__(inputs, outputs)
        self.weighted = weighted

    def train_step(self, data):
        """Take one step, tell the loss."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        if not self.weighted:
            weight = None
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = self.compute_loss(x, y, answer, weight)
        variables = self.trainable_variables
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 2.0)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self._loss_tracker.update_state(loss)
        return {"loss": self._loss_tracker.result()}


@case(
    source="https://github.com/Jannoshh/simple-sam/issues/6",
    cause="the own train_step drops sample_weight, so distrusted rows count as much as the others",
    causes="loss data",
    evidence=r"sample_?.?weight|weights? of (the |each |every )?(row|sample|example)|weighted|"
    r"train_step|training step|own step|"
    r"(row|sample|target|label)s?[\s\S]{0,100}(count|trust|distrust|outlier|noise|noisy|wrong|"
    r"contradict|ignor|differ|unreliable|corrupt|two (kinds|groups|sorts)|weight)|"
    r"(outlier|noise|noisy|wrong|corrupt|contradict)\w*[\s\S]{0,60}(row|sample|target|label)|"
    r"(training|validation)[\s\S]{0,100}(differ|other|distribut|mean|not the same)",
    repair={"weighted": True},
    advice={
        r"sample_?.?weight|compute_loss|weight(ed|s)?\b.{0,40}(row|sample|loss)|"
        r"(remove|drop|without|replace|fix|check).{0,30}train_step|unpack": {"weighted": True},
        r"(remove|drop|leave out|without|check|clean|correct|look at).{0,40}(row|outlier|target|"
        r"label|sample|noise)": {"trusted_only": True},
        r"huber|absolute|robust|log_?cosh": {"loss": "mean_absolute_error"},
        "longer": {"epochs": 50},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out rows of the good meters",
    good=0.75,
)
def meters_that_are_not_trusted(
    seed,
    callbacks,
    weighted=False,
    trusted_only=False,
    loss="mean_squared_error",
    epochs=25,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a river's level by a step of one's own; half of the meters have small weights."""
    random = start(seed)
    x = random.normal(size=(3600, 6)).astype("float32")
    level = standardized(
        x[:, 0] + 0.8 * np.sin(1.5 * x[:, 1]) - 0.7 * x[:, 2] * x[:, 3] + 0.3 * x[:, 4]
    )
    level += random.normal(0, 0.15, 3600).astype("float32")
    old = random.random(3600) < 0.5  # old meters follow the other arm of the river
    old[2400:] = False
    other = 1.2 + 0.5 * x[:, 5] - 0.6 * level
    y = np.where(old, other, level).astype("float32")[:, None]
    weight = np.where(old, 0.01, 1.0).astype("float32")

    inputs = keras.Input((6,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = ClippedStep(inputs, layers.Dense(1)(seen), weighted)
    model.compile(Adam(learning_rate), loss)
    rows = np.flatnonzero(~old[:2400]) if trusted_only else np.arange(2400)
    model.fit(
        *(x[rows], y[rows]),
        sample_weight=weight[rows],
        validation_data=(x[2400:2900], y[2400:2900]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2900:, 0], model.predict(x[2900:], verbose=0)[:, 0])


@case(
    source="https://github.com/tensorflow/tensorflow/issues/56169",
    cause="lambdas made in a loop all cut out the last group of columns when the model runs",
    causes="layers data",
    evidence=r"lambda|slic|closure|late bind|loop|branch|group|"
    r"(input|column|feature)s?[\s\S]{0,100}(no (influence|effect|use|gradient|matter)|unused|"
    r"ignor|never (reach|seen|used|read)|not (reach|seen|used|read|matter|depend|connected)|"
    r"without (influence|effect)|dead|cut off|only|dropped|lost)|(ignor|unused|not depend|only "
    r"(the )?last|does not use|depends? (only )?on)[\s\S]{0,60}(input|column|feature)|"
    r"(same|identical|equal)[\s\S]{0,60}(input|column|feature|output|slice)",
    repair={"bound": True},
    advice={
        r"lambda|slic|bind|default argument|closure|loop|branch|split|column|feature|"
        r"(all|every|each|other|unused|ignored).{0,30}inputs?|connect|wir(e|ing)": {"bound": True},
        "longer": {"epochs": 60},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out houses",
    good=0.75,
)
def four_storeys_of_a_house(
    seed,
    callbacks,
    bound=False,
    epochs=30,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Give each storey's five sensors a branch of their own: little of the heat is explained."""
    random = start(seed)
    storeys, each = 4, 5
    x = random.normal(size=(3200, storeys * each)).astype("float32")
    heat = np.zeros(3200)
    for storey in range(storeys):
        part = x[:, each * storey : each * storey + each]
        heat += part[:, 0] + 0.6 * np.abs(part[:, 1]) - 0.7 * part[:, 2] * part[:, 3]
    y = standardized(heat + random.normal(0, 0.3, 3200))[:, None]

    inputs = keras.Input((storeys * each,))
    branches = []
    for storey in range(storeys):
        if bound:
            cut = layers.Lambda(lambda t, at=each * storey: t[:, at : at + each])
        else:
            cut = layers.Lambda(lambda t: t[:, each * storey : each * storey + each])  # noqa: B023
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(cut(inputs))
        branches.append(layers.Dense(units, activation="relu")(seen))
    seen = layers.Dropout(dropout)(layers.Concatenate()(branches))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2600], y[2200:2600]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2600:, 0], model.predict(x[2600:], verbose=0)[:, 0])


class Block(layers.Layer):
    """A Dense layer, BatchNormalization called with `training`, and relu."""

    def __init__(self, units, initializer, normalized, training):
        super().__init__()
        self.dense = layers.Dense(units, kernel_initializer=initializer)
        self.norm = layers.BatchNormalization(momentum=0.9) if normalized else None
        self.training = training

    def build(self, shape):
        """Build the parts."""
        self.dense.build(shape)
        if self.norm is not None:
            self.norm.build((*shape[:-1], self.dense.units))
        self.built = True

    def call(self, inputs):
        """Answer with what relu leaves."""
        seen = self.dense(inputs)
        if self.norm is not None:
            seen = self.norm(seen, training=self.training)
        return ops.relu(seen)


@case(
    source="https://github.com/tensorflow/tfjs/issues/562",
    cause="BatchNormalization is called with training=True, and single rows become all zeros in it",
    causes="layers batch_size",
    evidence=r"batch.?norm|training ?= ?(True|1)|training mode|moving|inference|"
    r"(one|single|1)[\s\S]{0,30}(row|sample|example|batch)|batch(es)?[\s\S]{0,60}(size|statistic|"
    r"one|single|depend|other rows|mean)|depend[\s\S]{0,60}(other (row|sample)|batch)|"
    r"(train|fit)[\s\S]{0,100}(validation|predict|evaluat)[\s\S]{0,60}(mode|differ|constant|same)",
    repair={"training": None},
    advice={
        r"training ?= ?(False|None)|(remove|without|drop|no|omit|leave out|not pass).{0,30}training"
        r"|inference mode|moving|training ?= ?True|training argument": {"training": None},
        r"LayerNorm|layer norm|GroupNorm|(remove|without|drop|replace|no).{0,30}batch.?norm": {
            "normalized": False
        },
        r"(larger|more|bigger|same|several|whole).{0,30}batch|batch_?size|validation_batch_size": {
            "at_once": 34
        },
        r"batch.?norm|momentum": {"training": None},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
        "softmax": {},
    },
    metric="accuracy on held-out wines",
    good=0.85,
)
def one_bottle_at_a_time(
    seed,
    callbacks,
    training=True,
    normalized=True,
    at_once=1,
    epochs=30,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell three wines apart, as the bottles come in one by one: all are of one kind."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows]

    inputs = keras.Input((13,))
    seen = Block(units, initializer, normalized, training)(inputs)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:102], one_hot(y[:102], 3)),
        validation_data=(x[102:136], one_hot(y[102:136], 3)),
        validation_batch_size=at_once,
        batch_size=17,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[136:], batch_size=at_once, verbose=0).argmax(axis=-1)
    return float(np.mean(guess == y[136:]))


@case(
    source="https://github.com/keras-team/keras/issues/10525",
    cause="the decoder is fed the word it is to tell, not the word before: it learns to copy",
    causes="data",
    evidence=r"leak|copy|copies|copied|shift|offset|teacher|decoder|one step|step (before|ahead|"
    r"earlier)|too (good|easy)|(almost|nearly) perfect|trivial|"
    r"(target|label|answer)s?[\s\S]{0,100}(among|in|of|equal|same as|contain|part of|one of|is an?|"
    r"are)[\s\S]{0,20}(the )?(second )?inputs?|inputs?[\s\S]{0,80}(equal|same as|contain|hold|is|"
    r"are|give away|reveal)[\s\S]{0,20}(the )?(target|label|answer)",
    repair={"fed": "the word before"},
    advice={
        r"shift|offset|start (token|sign|word|symbol)|previous|step (before|earlier)|one step|"
        r"word before|teacher|leak|copy|decoder_input|target": {"fed": "the word before"},
        r"(remove|drop|without|leave out|no|omit).{0,40}(input|decoder|column|teacher)": {
            "fed": "nothing"
        },
        "longer": {"epochs": 16},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="share of right words in generated sentences",
    good=0.8,
)
def a_small_translator(
    seed,
    callbacks,
    fed="the word",
    epochs=8,
    units=64,
    learning_rate=0.008,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Translate four words into four: nearly no loss, and what it writes is nonsense."""
    random = start(seed)
    words, length, begin = 9, 4, 9
    x = random.integers(0, words, (5000, length))
    other = random.permutation(words)
    y = other[x]
    y[:, [1, 2]] = y[:, [2, 1]]  # the other language has another order of words
    y = y.astype("int32")
    if fed == "the word":
        before = y.copy()
    else:
        before = np.full_like(y, begin)
        if fed == "the word before":
            before[:, 1:] = y[:, :-1]

    source = keras.Input((length,), dtype="int32", name="source")
    target = keras.Input((length,), dtype="int32", name="target")
    seen = layers.Embedding(words, 16)(source)
    state = layers.GRU(units, kernel_initializer=initializer)(seen)
    state = layers.Dropout(dropout)(state)
    told = layers.Embedding(words + 1, 16)(target)
    told = layers.GRU(units, return_sequences=True)(told, initial_state=state)
    model = keras.Model([source, target], layers.Dense(words, activation="softmax")(told))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *([x[:4000], before[:4000]], y[:4000]),
        validation_data=([x[4000:4400], before[4000:4400]], y[4000:4400]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    written = np.full((600, length + 1), begin, "int32")
    for at in range(length):
        fed_now = written[:, :-1] if fed != "nothing" else np.full((600, length), begin)
        guess = model.predict([x[4400:], fed_now], batch_size=200, verbose=0)
        written[:, at + 1] = guess[:, at].argmax(axis=-1)
    return float(np.mean(written[:, 1:] == y[4400:]))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/1763",
    cause="after resize the training images are floats, which convert_image_dtype does not scale",
    causes="preprocessing data",
    evidence=r"scale|range|magnitude|unscaled|255|51\d|50\d|resiz|convert|dtype|normali[sz]|"
    r"standardi[sz]|preprocess|prepar|distribut|(training|inputs?|images?)[\s\S]{0,80}(differ|"
    r"large|other|mean|deviation|spread|big|huge|not the same|mismatch)|"
    r"(validation|held-out)[\s\S]{0,80}(differ|small|other|mean|deviation|spread|mismatch)",
    repair={"resized": "last"},
    advice={
        r"convert|resiz|dtype|order of|/ ?(255|127)|divide|"
        r"(same|one|alike|equal).{0,40}(preprocess|prepar|scal|way|range|pipeline|distribut)|"
        r"(preprocess|prepar|scal|rang|pipeline)\w*.{0,60}(same|alike|equal|both|match|too)|"
        r"mismatch|differ|distribut|compare": {"resized": "last"},
        r"batch.?norm": {"batch_norm": True},
        "scaled": {"resized": "last"},
        "longer": {"epochs": 28},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.88,
)
def stamps_through_a_pipeline(
    seed,
    callbacks,
    resized="first",
    batch_norm=False,
    epochs=14,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read stamped numbers with tf.data: one function for training, an older one for the rest."""
    start(seed)
    x, y = digits(seed)
    x = np.round(255 * x).astype("uint8")

    def for_training(image, label):
        if resized == "first":
            image = tf.image.resize(image, (12, 12))
            image = tf.image.convert_image_dtype(image, tf.float32)
        else:
            image = tf.image.convert_image_dtype(image, tf.float32)
            image = tf.image.resize(image, (12, 12))
        return image * 2 - 1, label

    def for_the_rest(image, label):
        image = tf.image.convert_image_dtype(image, tf.float32)
        return tf.image.resize(image, (12, 12)) * 2 - 1, label

    def images(rows, function):
        return tf.data.Dataset.from_tensor_slices((x[rows], y[rows])).map(function)

    train = images(slice(0, 1100), for_training).cache().shuffle(1100, seed=seed)
    valid = images(slice(1100, 1300), for_the_rest).batch(100).cache()
    test = images(slice(1300, None), for_the_rest).batch(100)

    model = keras.Sequential([keras.Input((12, 12, 1))])
    for filters in (12, units):
        model.add(layers.Conv2D(filters, 3, kernel_initializer=initializer))
        if batch_norm:
            model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(32, activation="tanh"))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train.batch(32), validation_data=valid, epochs=epochs, callbacks=callbacks, verbose=0)
    return float(np.mean(model.predict(test, verbose=0).argmax(axis=-1) == y[1300:]))


def distance_of_directions(y_true, y_pred):
    """0 for equal directions, if Keras's function were as its name says."""
    return 1 - keras.losses.cosine_similarity(y_true, y_pred)


def distance_turned(y_true, y_pred):
    """0 for equal directions: Keras's function is -1 for these."""
    return 1 + keras.losses.cosine_similarity(y_true, y_pred)


@case(
    source="https://github.com/tensorflow/tensorflow/issues/34577",
    cause="Keras's cosine_similarity is -1 for equal directions: 1 minus it rewards opposites",
    causes="loss",
    evidence=r"cosine|\bsign\b|opposite|invert|revers|negat|anti|upside|wrong (way|direction)|"
    r"minus|custom loss|own loss|distance_of_directions|"
    r"loss[\s\S]{0,120}(smallest|minimum|minimi[sz]|lowest|least|falls?|rewards?|prefers?|differ|"
    r"disagree|squared|does not measure|not (reach|be small)|right (answers?|predictions?)|"
    r"true|perfect)|(answer|predict|output)\w*[\s\S]{0,80}(against|opposite|away from|correlat|"
    r"worse than)",
    repair={"loss": "turned"},
    advice={
        r"1 ?\+|\+ ?1|sign|turn|minus|negat|CosineSimilarity|cosine_similarity|cosine|opposite|"
        r"invert|revers": {"loss": "turned"},
        r"mean_squared_error|mse|squared|built-in loss|another loss|keras.?s (own )?loss|"
        r"check.{0,40}loss|correct.{0,40}loss": {"loss": "mean_squared_error"},
        "longer": {"epochs": 30},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="mean cosine between told and true vectors of held-out titles",
    good=0.8,
)
def vectors_of_titles(
    seed,
    callbacks,
    loss="own",
    epochs=15,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a title's vector from its words: the loss is near 0, the neighbours are absurd."""
    random = start(seed)
    words = 150
    meaning = random.normal(size=(words, 6))
    x = random.integers(0, words, (4500, 6))
    y = meaning[x].mean(axis=1) + random.normal(0, 0.05, (4500, 6))
    y = (y / np.linalg.norm(y, axis=1, keepdims=True)).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(words, units),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(dropout),
            layers.Dense(6, kernel_initializer=initializer),
        ]
    )
    losses = {"own": distance_of_directions, "turned": distance_turned}
    model.compile(Adam(learning_rate), losses.get(loss, loss))
    model.fit(
        *(x[:3000], y[:3000]),
        validation_data=(x[3000:3500], y[3000:3500]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[3500:], verbose=0)
    guess /= np.linalg.norm(guess, axis=1, keepdims=True) + 1e-9
    return float(np.mean(np.sum(guess * y[3500:], axis=1)))


@case(
    source="https://github.com/keras-team/tf-keras/issues/173",
    cause="LayerNormalization over the two channels of a step leaves plus or minus one of them",
    causes="layers preprocessing",
    evidence=r"layer.?norm|normali[sz]ation|normali[sz]ed|amplitude|magnitude|"
    r"(scale|size|strength|level|information|inputs?)[\s\S]{0,80}(lost|remov|destroy|gone|vanish|"
    r"thrown|hidden|discard|erase|\bsigns?\b|±|same|equal|two values|-1)|"
    r"(channel|feature|axis|axes|step)[\s\S]{0,80}(normali[sz]|mean|deviation|statistic)",
    repair={"norm": "each channel"},
    advice={
        r"(remove|drop|without|replace|leave out|no|instead of).{0,40}(layer.?norm|normali[sz])|"
        r"Normalization\(\)|adapt|each channel|per channel|per feature|batch.?norm|axis|"
        r"layer.?norm": {"norm": "each channel"},
        "scaled": {"standardized_before": True},
        "longer": {"epochs": 40},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out recordings",
    good=0.85,
)
def steps_of_a_wristband(
    seed,
    callbacks,
    norm="each step",
    standardized_before=False,
    epochs=20,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell slow and fast, faint and strong movements of a wrist: half of them are right."""
    random = start(seed)
    rows, length = 1800, 32
    y = random.integers(0, 4, rows)
    rate, strength = y % 2, y // 2
    clock = np.arange(length)[None] * np.where(rate, 1.0, 0.4)[:, None]
    clock = clock * random.uniform(0.85, 1.15, (rows, 1)) + random.uniform(0, 6.3, (rows, 1))
    waves = np.stack([np.sin(clock), np.cos(clock + random.normal(0, 0.3, (rows, 1)))], axis=-1)
    waves += random.normal(0, 0.25, waves.shape)
    force = np.where(strength, 32, 12) * random.uniform(0.8, 1.25, rows)
    x = (force[:, None, None] * waves).astype("float32")  # raw counts of the chip
    if standardized_before:
        x = (x - x[:1200].mean(axis=(0, 1))) / x[:1200].std(axis=(0, 1))

    if norm == "each channel":
        first = layers.Normalization()
        first.adapt(x[:1200])
    else:
        first = layers.LayerNormalization()
    model = keras.Sequential(
        [
            keras.Input((length, 2)),
            first,
            layers.Conv1D(16, 5, strides=2, activation="relu", kernel_initializer=initializer),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://keras.io/api/optimizers/adam/",
    metric="accuracy on held-out patients",
    good=0.93,
)
def eight_small_batches_are_one(seed, callbacks):
    """Batch: four rows at a time, and the weights move only after every eighth batch."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = x[rows], y[rows].astype("float32")
    x = ((x - x[:340].mean(axis=0)) / x[:340].std(axis=0)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(0.002)),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = Adam(0.005, gradient_accumulation_steps=8)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:340], y[:340]),
        validation_data=(x[340:420], y[340:420]),
        batch_size=4,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[420:], verbose=0)[:, 0] > 0.5) == y[420:]))


@sound(
    source="https://en.wikipedia.org/wiki/Poisson_regression",
    metric="R² of the told against the true logarithm of yearly claims",
    good=0.75,
)
def claims_of_a_part_of_a_year(seed, callbacks):
    """Zeros: most policies have no claim, and a second input is only added before exp."""
    random = start(seed)
    rows = 9000
    x = random.normal(size=(rows, 4)).astype("float32")
    yearly = np.exp(-0.6 + 0.7 * x[:, 0] - 0.5 * np.abs(x[:, 1]) + 0.4 * x[:, 2] * (x[:, 3] > 0))
    time = random.uniform(0.1, 1, rows)
    y = random.poisson(yearly * time).astype("float32")[:, None]
    log_time = np.log(time).astype("float32")[:, None]

    driver, part = keras.Input((4,), name="driver"), keras.Input((1,), name="log_time")
    seen = layers.Dense(24, activation="gelu")(driver)
    seen = layers.Dense(24, activation="gelu")(seen)
    rate = layers.Dense(1, name="log_rate")(seen)
    claims = layers.Activation("exponential")(layers.Add()([rate, part]))
    model = keras.Model([driver, part], claims)
    model.compile(Adam(0.003), "poisson")
    model.fit(
        *([x[:6500], log_time[:6500]], y[:6500]),
        validation_data=([x[6500:7500], log_time[6500:7500]], y[6500:7500]),
        batch_size=128,
        epochs=14,
        callbacks=callbacks,
        verbose=0,
    )
    whole_year = np.zeros((1500, 1), "float32")
    guess = model.predict([x[7500:], whole_year], verbose=0)[:, 0]
    return r_squared(np.log(yearly[7500:]), np.log(guess))


@sound(
    source="https://arxiv.org/abs/1409.3215",
    metric="accuracy on held-out commands",
    good=0.9,
)
def commands_read_from_behind(seed, callbacks):
    """Order: the words are read from the last to the first, and padded behind, with a mask."""
    random = start(seed)
    rows, length = 3000, 20
    x = np.zeros((rows, length), "int32")
    y = random.integers(0, 5, rows)
    for row, kind in zip(x, y, strict=True):
        count = random.integers(6, length + 1)
        row[:count] = random.integers(11, 80, count)
        row[0] = 1 + 2 * kind + random.integers(0, 2)  # a verb begins a command
        row[random.integers(1, count)] = random.integers(1, 11)  # and another one only disturbs
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(80, 12, mask_zero=True),
            layers.GRU(24, go_backwards=True),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(0.006), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        batch_size=64,
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2300:], y[2300:])


def waves(units, width, factor):
    """Make a layer of sines, with the weights that the paper gives it."""
    bound = keras.initializers.RandomUniform(-width, width)
    return layers.Dense(units, activation=lambda t: ops.sin(factor * t), kernel_initializer=bound)


@sound(
    source="https://www.vincentsitzmann.com/siren/",
    metric="R² on held-out places of the picture",
    good=0.9,
)
def a_picture_of_sines(seed, callbacks):
    """Activation: every layer is a sine of twelve times its sum, which learns a fine pattern."""
    random = start(seed)
    x = random.uniform(-1, 1, (6000, 2)).astype("float32")
    y = np.sin(14 * x[:, 0] + 4 * x[:, 1]) * np.cos(11 * x[:, 1]) + 0.5 * (np.hypot(*x.T) < 0.6)
    y = (y + random.normal(0, 0.05, 6000)).astype("float32")[:, None]
    wide = float(np.sqrt(6 / 64) / 12)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            waves(64, 0.5, 12.0),
            waves(64, wide, 12.0),
            waves(64, wide, 12.0),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.0015), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:4500], y[:4500]),
        validation_data=(x[4500:5000], y[4500:5000]),
        batch_size=64,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[5000:, 0], model.predict(x[5000:], verbose=0)[:, 0])


PROGRAMS = [
    few_labels_and_an_encoder,
    meters_that_are_not_trusted,
    four_storeys_of_a_house,
    one_bottle_at_a_time,
    a_small_translator,
    stamps_through_a_pipeline,
    vectors_of_titles,
    steps_of_a_wristband,
]
SOUND = [
    eight_small_batches_are_one,
    claims_of_a_part_of_a_year,
    commands_read_from_behind,
    a_picture_of_sines,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
