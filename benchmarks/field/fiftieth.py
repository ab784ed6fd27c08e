"""Twelve more field programs, on code that came from other frameworks, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fiftieth
    python benchmarks/diagnosis.py --programs fiftieth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam

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
    source="https://github.com/HHTseng/video-classification/issues/42",
    cause="the LSTM runs along the batch instead of the frames, and sees one frame of each video",
    causes="layers data preprocessing",
    evidence=r"transpos|permut|batch.?first|time.?major|\baxis\b|\baxes\b|"
    r"(rows?|samples?|examples?|videos?|clips?)[\s\S]{0,100}(mix|leak|depend|each other|"
    r"other (rows?|samples?|examples?|videos?)|of (the|its|one|a|each) batch|across|along)|"
    r"(mix|leak|depend)\w*[\s\S]{0,80}(rows?|samples?|batch|neighbou?rs|videos?)|"
    r"(recur|LSTM|scan|step|run|state|walk|unroll)\w*[\s\S]{0,80}\bbatch|"
    r"batch[\s\S]{0,60}(dimension|as (the )?time|as steps?|instead of)|"
    r"(order|earlier|first|other|past|previous|all) (of (the )?)?(frames?|steps?)[\s\S]{0,80}"
    r"(ignored?|unused|no (effect|influence|gradient)|never|not|lost)|"
    r"(only|just|nothing but)[\s\S]{0,30}last (frame|step)|"
    r"(answer|output|predict)\w*[\s\S]{0,80}(batch|other rows|who else|company)",
    repair={"batch_first": True},
    advice={
        r"transpos|permut|batch.?first|time.?major|\baxis\b|\baxes\b|(along|over) the (frames|time|"
        r"steps)|(across|mix|other|between)\w*.{0,30}(rows|samples|batch)|first dimension|"
        r"dimension": {"batch_first": True},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "scaled": {},
    },
    metric="accuracy on held-out clips",
    good=0.8,
)
def which_way_it_turns(
    seed,
    callbacks,
    batch_first=False,
    epochs=15,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell how a wheel turns in clips of twelve frames: an LSTM that guesses."""
    random = start(seed)
    rows, frames = 2000, 12
    y = random.integers(0, 4, rows)
    turn = np.array([-0.7, -0.3, 0.3, 0.7])[y][:, None] * np.arange(frames)
    angle = random.uniform(0, 2 * np.pi, (rows, 1)) + turn + random.normal(0, 0.1, (rows, frames))
    mixing = random.normal(size=(2, 6))
    x = np.stack([np.cos(angle), np.sin(angle)], axis=-1) @ mixing
    x = (x + random.normal(0, 0.3, x.shape)).astype("float32")

    inputs = keras.Input((frames, 6))
    seen = layers.Dense(16, activation="relu", kernel_initializer=initializer)(inputs)
    if not batch_first:
        seen = ops.transpose(seen, (1, 0, 2))
    seen = layers.LSTM(units, return_sequences=True, kernel_initializer=initializer)(seen)
    if not batch_first:
        seen = ops.transpose(seen, (1, 0, 2))
    seen = layers.Dropout(dropout)(seen[:, -1])
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1500], y[1200:1500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1500:], y[1500:])


class SummedGradients(keras.Model):
    """A network whose step applies gradients that were summed first."""

    def __init__(self, inputs, outputs, cleared):
        super().__init__(inputs, outputs)
        self.cleared = cleared
        self.sums = [
            tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.trainable_weights
        ]

    def train_step(self, data):
        """Take one step, tell the loss."""
        x, y = data
        if self.cleared:
            for total in self.sums:
                total.assign(tf.zeros_like(total))
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = self.compute_loss(x, y, answer)
        gradients = tape.gradient(loss, self.trainable_variables)
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign_add(gradient)
        self.optimizer.apply([tf.identity(s) for s in self.sums], self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/yastrebksv/TennisCourtDetector/issues/7",
    cause="gradients are added up and never set to zero, so every step follows all former batches",
    causes="optimizer loss",
    evidence=r"zero.?grad|reset|clear(ed|ing|s)?\b|accumul|summed|adds? up|\bsums?\b|"
    r"(old|former|stale|previous|past|earlier|all) (gradients?|batches|steps)|train_step|"
    r"(own|custom|hand\w*)[\s\S]{0,30}(step|loop|training)|"
    r"(update|step|gradient)s?[\s\S]{0,100}(large|grow|too|explod|oscillat|wrong|not (follow|"
    r"match|agree|the gradient)|another|differ|overshoot|momentum|same direction|unlike|against)|"
    r"(loss|weights?|training)[\s\S]{0,80}(oscillat|swing|up and down|unstable|jump|diverg|rises?|"
    r"rose|bounc|noisy|erratic|rough|drift|grow|runs? away)",
    repair={"cleared": True},
    advice={
        r"zero.?grad|reset|clear|set .{0,40}to zero|accumul|\bsum|compute_loss|train_step|"
        r"training step|built-in|(only|just) the (last|latest|current)|own (step|loop)|"
        r"remove.{0,20}step": {"cleared": True},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 1e-4},
        "faster": {"learning_rate": 0.02},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
        "scaled": {},
    },
    metric="R² of the place on held-out pictures",
    good=0.9,
)
def corner_of_the_court(
    seed,
    callbacks,
    cleared=False,
    epochs=12,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find a spot in pictures with a step of my own: the loss goes down, up and down again."""
    random = start(seed)
    rows = 1500
    down, right = np.mgrid[:16, :16]
    place = random.uniform(2, 13, (rows, 2))
    other = random.uniform(2, 13, (rows, 2))

    def spot(at, width):
        away = (down - at[:, :1, None]) ** 2 + (right - at[:, 1:, None]) ** 2
        return np.exp(-away / (2 * width**2))

    x = spot(place, 1.3) + 0.5 * spot(other, 0.8) + random.normal(0, 0.1, (rows, 16, 16))
    x = x[..., None].astype("float32")
    y = ((place - 7.5) / 5.5).astype("float32")

    inputs = keras.Input((16, 16, 1))
    seen = inputs
    for _ in range(2):
        seen = layers.Conv2D(
            units, 3, padding="same", activation="relu", kernel_initializer=initializer
        )(seen)
        seen = layers.MaxPooling2D()(seen)
    seen = layers.Flatten()(seen)
    seen = layers.Dropout(dropout)(seen)
    seen = layers.Dense(32, activation="relu", kernel_initializer=initializer)(seen)
    model = SummedGradients(inputs, layers.Dense(2)(seen), cleared)
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1200:], model.predict(x[1200:], verbose=0))


class LabelQueries(layers.Layer):
    """One learned query for each label, the same for every text."""

    def __init__(self, labels, size):
        super().__init__()
        self.queries = self.add_weight(shape=(labels, size), initializer="random_normal")

    def call(self, words):
        """Repeat the queries for every text of the batch."""
        return ops.zeros_like(words[:, :1, :1]) + self.queries[None]


@case(
    source="https://github.com/InseeFrLab/torchTextClassifiers/pull/92",
    cause="the mask is inverted: it lets attention see the padding only, and hides the words",
    causes="layers preprocessing data",
    evidence=r"mask|\bpad|(attention|attends?|query|queries)[\s\S]{0,100}(zeros?|nothing|wrong|"
    r"ignor|never|not|constant|same)|"
    r"(words?|tokens?|inputs?)[\s\S]{0,80}(hidden|ignored?|no (effect|influence|gradient)|never|"
    r"not (reach|used|seen|depend)|do(es)? not)|"
    r"(answer|output|predict)\w*[\s\S]{0,80}(constant|same|identical|hardly (vary|differ)|"
    r"not depend|alike|whatever)|"
    r"(embedding)s?[\s\S]{0,80}(no gradient|zero gradient|not (move|train|learn|change)|never)",
    repair={"mask": "words"},
    advice={
        r"invert|not_equal|logical_not|negat|!= ?0|flip|mask.{0,40}(words|tokens|real|true|"
        r"opposite|wrong|check|turn|revers)|(words|tokens|real|true|opposite|turn|revers).{0,40}"
        r"mask|mask_zero|masking": {"mask": "words"},
        r"(without|remove|drop|no|leave out) .{0,20}mask|pooling": {"mask": None},
        r"mask|\bpad": {"mask": "words"},
        "longer": {"epochs": 25},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "glorot_uniform"},
        "softmax": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out job titles",
    good=0.8,
)
def codes_of_occupations(
    seed,
    callbacks,
    mask="padding",
    epochs=8,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="uniform",
):
    """Give one of five codes to a description: attention with a query for each label."""
    random = start(seed)
    rows, length, codes = 2400, 30, 5
    y = random.integers(0, codes, rows)
    x = np.zeros((rows, length), "int32")
    for row, code in zip(x, y, strict=True):
        words = random.integers(101, 400, random.integers(6, 20))
        telling = random.permutation(len(words))[: random.integers(2, 5)]
        words[telling] = 1 + 20 * code + random.integers(0, 20, len(telling))
        row[: len(words)] = words

    inputs = keras.Input((length,), dtype="int32")
    words = layers.Embedding(400, units, embeddings_initializer=initializer)(inputs)
    words = layers.Dropout(dropout)(words)
    query = LabelQueries(codes, units)(words)
    seen = None
    if mask is not None:
        seen = ops.equal(inputs, 0) if mask == "padding" else ops.not_equal(inputs, 0)
        seen = ops.repeat(seen[:, None, :], codes, axis=1)
    found = layers.MultiHeadAttention(2, units // 2)(query, words, attention_mask=seen)
    scores = layers.Dense(1)(layers.Dense(units, activation="relu")(found))
    model = keras.Model(inputs, layers.Softmax()(layers.Flatten()(scores)))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1800], y[1500:1800]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1800:], y[1800:])


@case(
    source="https://github.com/tensorflow/tensorflow/issues/12851",
    cause="the shuffled data set is taken apart and zipped again: each part is shuffled on its own",
    causes="data labels preprocessing",
    evidence=r"shuffl|\bzip|unzip|pair|align|mismatch|(in|other|another|different|wrong|own) order|"
    r"(rows?|inputs?|images?|pictures?|scales?|labels?|targets?|\by\b)[\s\S]{0,100}(not (belong|"
    r"match|fit|go)|other rows?|another row|unrelated|independent|do(es)? not depend|belong|"
    r"do(es)? not (tell|explain)|nothing to do|random|noise)|"
    r"(train\w*)[\s\S]{0,120}(not (like|as) (the )?valid|differ|worse than|noise|cannot be (learn|"
    r"fit))|(unrelated|no relation|nothing to do|uncorrelated|permut)",
    repair={"apart": False},
    advice={
        r"shuffl|\bzip|unzip|pair|align|together|(same|one) (order|seed|data ?set)|match|belong|"
        r"order|permut": {"apart": False},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
        "scaled": {},
    },
    metric="R² on held-out readings",
    good=0.65,
)
def readings_of_two_dials(
    seed,
    callbacks,
    apart=True,
    epochs=12,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read a display and its scale from a pipeline: the network answers the mean."""
    random = start(seed)
    pictures, figure = digits(seed)
    scales = random.normal(size=(len(figure), 3)).astype("float32")
    y = (figure - 4.5) / 2.9 * (0.8 * scales[:, 0] - 0.6 * scales[:, 1])
    y = (y + random.normal(0, 0.1, len(y))).astype("float32")[:, None]

    rows = tf.data.Dataset.from_tensor_slices((pictures[:1100], scales[:1100], y[:1100]))
    rows = rows.shuffle(1100)
    if apart:
        images = rows.map(lambda image, scale, reading: image)
        images = images.map(lambda image: image + tf.random.normal((8, 8, 1), stddev=0.05))
        others = rows.map(lambda image, scale, reading: (scale, reading))
        rows = tf.data.Dataset.zip(images, others)
        rows = rows.map(lambda image, other: ((image, other[0]), other[1]))
    else:
        rows = rows.map(
            lambda image, scale, reading: (
                (image + tf.random.normal((8, 8, 1), stddev=0.05), scale),
                reading,
            )
        )

    picture, scale = keras.Input((8, 8, 1)), keras.Input((3,))
    seen = layers.Conv2D(24, 3, activation="relu", kernel_initializer=initializer)(picture)
    seen = layers.Conv2D(24, 3, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dense(units, activation="relu")(layers.Flatten()(seen))
    both = layers.Multiply()([layers.Dense(units)(seen), layers.Dense(units)(scale)])
    both = layers.Concatenate()([both, seen, scale])
    both = layers.Dropout(dropout)(both)
    both = layers.Dense(units, activation="relu", kernel_initializer=initializer)(both)
    model = keras.Model([picture, scale], layers.Dense(1)(both))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        rows.batch(32),
        validation_data=((pictures[1100:1350], scales[1100:1350]), y[1100:1350]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict((pictures[1350:], scales[1350:]), verbose=0)
    return r_squared(y[1350:], guess)


@case(
    source="https://github.com/affinelayer/pix2pix-tensorflow/issues/126",
    cause="momentum 0.1 is meant as PyTorch means it: moving averages follow one last photo",
    causes="layers batch_size",
    evidence=r"batch.?norm|momentum|moving|running (mean|average|stat)|inference|"
    r"(training|training=True)[\s\S]{0,30}mode|(batch)[\s\S]{0,40}(small|tiny|single|one row|"
    r"incomplete|remainder|statistic)|last batch",
    repair={"momentum": 0.9},
    advice={
        r"momentum": {"momentum": 0.9},
        r"remainder|last batch|incomplete|divid": {"rows": 960},
        r"(larger|bigger|increase\w*|raise).{0,20}batch|batch.?size": {"batch_size": 96},
        r"LayerNorm|GroupNorm|layer norm|group norm|(remove|without|drop|no|instead of|replace)"
        r".{0,30}batch.?norm": {"normalization": "group"},
        r"batch.?norm|moving": {"momentum": 0.9},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² of the pixels of held-out drawings",
    good=0.7,
)
def drawings_out_of_photos(
    seed,
    callbacks,
    momentum=0.1,
    batch_size=48,
    rows=961,
    normalization="batch",
    epochs=15,
    units=32,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Turn photos under any light into drawings: in training they look fine, afterwards not."""
    random = start(seed)
    y, _ = digits(seed)
    y = y[:1300]
    light = np.exp(random.uniform(-2, 2, (1300, 1, 1, 1)))
    slope = random.normal(0, 0.3, (1300, 1, 1, 1)) * np.linspace(-1, 1, 8)[:, None, None]
    x = light * (0.4 + y + slope) + random.normal(0, 0.05, y.shape)
    x = x.astype("float32")

    def normalized():
        if normalization == "batch":
            return layers.BatchNormalization(momentum=momentum)
        return layers.GroupNormalization(4)

    model = keras.Sequential([keras.Input((8, 8, 1))])
    for _ in range(3):
        conv = layers.Conv2D(units, 3, padding="same", kernel_initializer=initializer)
        model.add(conv)
        model.add(normalized())
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Conv2D(1, 3, padding="same"))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:rows], y[:rows]),
        validation_data=(x[961:1100], y[961:1100]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1100:].ravel(), model.predict(x[1100:], verbose=0).ravel())


@case(
    source="https://github.com/allenai/deep_qa/pull/55",
    cause="words of a file read as bytes are never found, and missing words are frozen zeros",
    causes="initialization data preprocessing layers",
    evidence=r"(embedding|word|vector|lookup|table|weights?|matrix|kernel)s?[\s\S]{0,100}(zeros?|"
    r"frozen|not train|trainable|never|same|identical|constant|empty|missing|all 0|pretrain|"
    r"no (effect|gradient|update))|(zeros?|frozen|trainable|not train|pretrain)\w*[\s\S]{0,80}"
    r"(embedding|word|vector|weights?|layer|matrix|table)|"
    r"(answer|output|predict|activation)\w*[\s\S]{0,80}(constant|same|identical|zeros?|"
    r"not depend|alike|whatever|do(es)? not vary|hardly (vary|differ))|"
    r"inputs?[\s\S]{0,60}(do(es)? not (reach|matter|arrive)|no (effect|influence)|ignored?|lost)",
    repair={"decoded": True},
    advice={
        r"trainable ?= ?True|unfreeze|train the embedding|(let|make|set).{0,40}train|fine-?tun|"
        r"random(ly)? init|(uniform|normal) init": {"frozen": False, "missing": "random"},
        r"decode|bytes|lookup|look.{0,10}up|found|keys?\b|pretrain|load|missing|vocabulary|match|"
        r"zeros?|fill|vectors": {"decoded": True},
        r"frozen|trainable": {"frozen": False, "missing": "random"},
        "initialized": {"frozen": False, "missing": "random"},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out answers",
    good=0.75,
)
def answers_in_known_words(
    seed,
    callbacks,
    decoded=False,
    missing="zeros",
    frozen=True,
    epochs=12,
    units=16,
    learning_rate=0.004,
    dropout=0.0,
):
    """Judge answers by a GRU on word vectors that were learned elsewhere: never better than 0.5."""
    random = start(seed)
    words, size, rows, length = 1200, 16, 1500, 12
    meaning = random.normal(size=(words, size)).astype("float32")
    file = [f"word{n} ".encode() + b" ".join(b"%.4f" % v for v in meaning[n]) for n in range(words)]
    vectors = {}
    for line in file:
        word, *values = line.split()
        vectors[word.decode() if decoded else word] = np.array(values, "float32")
    vocabulary = [f"word{n}" for n in random.permutation(words)]
    table = np.zeros((words + 1, size), "float32")  # row 0 is for padding
    for number, word in enumerate(vocabulary, 1):
        if word in vectors:
            table[number] = vectors[word]
        elif missing == "random":
            table[number] = random.normal(0, 0.05, size)

    x = np.zeros((rows, length), "int32")
    for row in x:
        count = random.integers(5, length + 1)
        row[:count] = random.integers(1, words + 1, count)
    true = np.zeros((words + 1, size))
    true[1:] = meaning[[int(word[4:]) for word in vocabulary]]
    mood = true[x][:, :, 0].sum(axis=1) + 0.7 * true[x][:, :, 1].sum(axis=1)
    y = (mood + random.normal(0, 0.3, rows) > 0).astype("float32")

    embedding = layers.Embedding(words + 1, size, mask_zero=True, trainable=not frozen)
    embedding.build((None, length))
    embedding.set_weights([table])
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            embedding,
            layers.Dropout(dropout),
            layers.GRU(units),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:800], y[:800]),
        validation_data=(x[800:1000], y[800:1000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1000:], verbose=0)[:, 0] > 0.5) == (y[1000:] > 0.5)))


class NextToken(keras.Model):
    """A language model that shifts its labels itself."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Compare every answer with the label behind it."""
        losses = keras.losses.sparse_categorical_crossentropy(
            y[:, 1:], y_pred[:, :-1], from_logits=True
        )
        return ops.mean(losses)


@case(
    source="https://github.com/GanjinZero/RRHF/issues/49",
    cause="labels are shifted by the loader and again by the model: it learns the token after next",
    causes="labels data preprocessing loss",
    evidence=r"shift|offset|off by one|twice|two (steps?|tokens?|places?)|after next|"
    r"(next|wrong|other|another) (token|step|position)|"
    r"(label|target)s?[\s\S]{0,100}(align|position|ahead|later|moved|place|step|delay|lag|behind)|"
    r"compute_loss|(own|custom|hand\w*|overrid\w*)[\s\S]{0,20}loss|"
    r"loss[\s\S]{0,100}(not (agree|match|fit)|disagree|contradict|differ|another|compares?)",
    repair={"shifted": False},
    advice={
        r"shift|offset|align|(labels?|targets?).{0,40}(inputs?|tokens?|same|position|place)|"
        r"compute_loss|(own|custom) loss|(built-in|usual|standard|compiled) loss|once|lag|ahead": {
            "shifted": False
        },
        "longer": {"epochs": 25},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="share of held-out tokens foretold",
    good=0.7,
)
def the_token_that_follows(
    seed,
    callbacks,
    shifted=True,
    epochs=10,
    units=48,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Train a small language model: its loss is fine, what it writes is not."""
    random = start(seed)
    tokens, rows, length = 9, 1000, 25
    grammar = random.integers(0, tokens, (tokens, tokens))
    text = random.integers(0, tokens, (rows, length))
    for at in range(2, length):
        ruled = random.random(rows) < 0.9
        text[ruled, at] = grammar[text[ruled, at - 2], text[ruled, at - 1]]
    x = text[:, :-1]
    y = text[:, 1:] if shifted else x

    inputs = keras.Input((length - 1,), dtype="int32")
    seen = layers.Embedding(tokens, 16)(inputs)
    seen = layers.GRU(units, return_sequences=True, kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = NextToken(inputs, layers.Dense(tokens)(seen))
    model.compile(Adam(learning_rate))
    model.fit(
        *(x[:650], y[:650]),
        validation_data=(x[650:800], y[650:800]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[800:], verbose=0).argmax(axis=-1)
    return float(np.mean(guess[:, 1:] == text[800:, 2:]))


class HardTriplets(keras.Model):
    """An encoder that looks for the hardest triplets of a batch and learns from them."""

    def __init__(self, inputs, outputs, detached):
        super().__init__(inputs, outputs)
        self.detached = detached
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return [self.loss_tracker]

    def triplet_loss(self, places, y):
        """Mean of softplus(to the farthest of the own class - to the nearest of another)."""
        copy = tf.stop_gradient(places)
        away = tf.reduce_sum(tf.square(copy[:, None] - copy[None]), axis=-1)
        y = tf.reshape(y, (-1,))
        same = y[:, None] == y[None]
        positive = tf.argmax(tf.where(same, away, -1.0), axis=1)
        negative = tf.argmin(tf.where(same, 1e9, away), axis=1)
        chosen = copy if self.detached else places
        near, far = tf.gather(chosen, positive), tf.gather(chosen, negative)
        to_near = tf.sqrt(tf.reduce_sum(tf.square(chosen - near), axis=-1) + 1e-6)
        to_far = tf.sqrt(tf.reduce_sum(tf.square(chosen - far), axis=-1) + 1e-6)
        return tf.reduce_mean(tf.math.softplus(to_near - to_far))

    def train_step(self, data):
        """Take one step, tell the loss."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.triplet_loss(self(x, training=True), y) + tf.add_n(self.losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        gradients = [
            tf.zeros_like(v) if g is None else g
            for g, v in zip(gradients, self.trainable_variables, strict=True)
        ]
        self.optimizer.apply(gradients, self.trainable_variables)
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        """Tell the loss."""
        x, y = data
        self.loss_tracker.update_state(self.triplet_loss(self(x, training=False), y))
        return {"loss": self.loss_tracker.result()}


@case(
    source="https://github.com/liorshk/facenet_pytorch/issues/6",
    cause="triplets are gathered from a detached copy, so only weight decay moves the weights",
    causes="loss layers optimizer regularization",
    evidence=r"detach|stop_gradient|gradients?[\s\S]{0,100}(zero|none|no\b|not|never|missing|"
    r"vanish|tiny|stop|lost|cut|interrupt|only|regulari|decay|small)|"
    r"(no|zero|without|missing|vanish\w*|only) (a )?(gradient|weight decay|decay|regulari)|"
    r"(weights?|kernels?|layers?|bias(es)?|updates?)[\s\S]{0,100}(shrink|shrunk|decay|do not (move|"
    r"change|learn)|hardly|barely|never|only|stay|did not|toward|unchanged)|"
    r"(weight decay|regulari[sz]|penalt|\bL2\b)[\s\S]{0,100}(only|alone|all|most|nothing|dominat|"
    r"part|share|outweigh|loss)|train_step|"
    r"loss[\s\S]{0,100}(not (depend|reach|fall|move|improv)|does not|constant|0\.69|log ?2|flat|"
    r"disconnect)",
    repair={"detached": False},
    advice={
        r"stop_gradient|detach|gradient.{0,60}(reach|flow|through|pass|arrive|back)|"
        r"(reach|flow|through|pass|back).{0,60}gradient|train_step|training step|GradientTape|"
        r"connect|own loss|inside the tape|differentia|gather": {"detached": False},
        r"(less|smaller|lower|weaker|without|remove|no|drop|reduce).{0,25}(weight decay|decay|L2|"
        r"regulari|penalt)": {"decay": 0.0},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"decay": 1e-3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "relu": {},
        "scaled": {},
    },
    metric="share of held-out rows whose nearest neighbour is of their class",
    good=0.75,
)
def faces_in_a_crowd(
    seed,
    callbacks,
    detached=True,
    decay=1e-4,
    epochs=15,
    units=64,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Learn distances between persons from triplets: the loss falls, neighbours do not fit."""
    random = start(seed)
    persons, rows = 8, 2000
    y = random.integers(0, persons, rows)
    centers = 2.0 * random.normal(size=(persons, 6))
    features = centers[y] + random.normal(0, 0.6, (rows, 6))
    nuisance = 4.0 * random.normal(size=(rows, 24))
    mixing = np.linalg.qr(random.normal(size=(30, 30)))[0]
    x = standardized(np.concatenate([features, nuisance], axis=1) @ mixing)

    inputs = keras.Input((30,))
    penalty = keras.regularizers.L2(decay)
    seen = layers.Dense(
        units, activation="relu", kernel_regularizer=penalty, kernel_initializer=initializer
    )(inputs)
    places = layers.Dense(8, kernel_regularizer=penalty, kernel_initializer=initializer)(seen)
    model = HardTriplets(inputs, places, detached)
    model.compile(Adam(learning_rate))
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    places = model.predict(x[1400:], verbose=0)
    away = np.square(places[:, None] - places[None]).sum(axis=-1)
    np.fill_diagonal(away, np.inf)
    return float(np.mean(y[1400:][away.argmin(axis=1)] == y[1400:]))


@sound(
    source="https://www.statsmodels.org/stable/examples/notebooks/generated/ordinal_regression.html",
    metric="R² of the hidden quality on held-out rows",
    good=0.75,
)
def grades_in_order(seed, callbacks):
    """Ordered grades: four sigmoids, each tells whether the grade is above a limit."""
    random = start(seed)
    x = random.normal(size=(3000, 6)).astype("float32")
    quality = x[:, 0] + np.sin(1.5 * x[:, 1]) - 0.5 * x[:, 2] * x[:, 3]
    quality = standardized(quality)
    felt = quality + random.normal(0, 0.25, 3000)
    y = (felt[:, None] > np.array([-1.2, -0.4, 0.4, 1.2])).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(4, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["binary_accuracy"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    grade = model.predict(x[2400:], verbose=0).sum(axis=1)
    return float(np.corrcoef(grade, quality[2400:])[0, 1] ** 2)


@sound(
    source="https://www.statsmodels.org/stable/glm.html",
    metric="R² of the logarithm of the true rate on held-out policies",
    good=0.75,
)
def claims_by_exposure(seed, callbacks):
    """Tell counts, most of them 0, by a Poisson loss: the time insured enters without a weight."""
    random = start(seed)
    rows = 8000
    x = random.normal(size=(rows, 5)).astype("float32")
    rate = -1.0 + 0.7 * x[:, 0] - 0.6 * np.abs(x[:, 1]) + 0.5 * x[:, 2] * (x[:, 3] > 0)
    exposure = random.uniform(0.1, 2.0, rows).astype("float32")
    y = random.poisson(exposure * np.exp(rate)).astype("float32")[:, None]
    offset = np.log(exposure)[:, None]
    inputs, time = keras.Input((5,)), keras.Input((1,))
    seen = layers.Dense(32, activation="gelu")(inputs)
    seen = layers.Dense(32, activation="gelu")(seen)
    log_rate = layers.Dense(1)(seen)
    count = layers.Activation("exponential")(layers.Add()([log_rate, time]))
    model = keras.Model([inputs, time], count)
    model.compile(Adam(0.002), "poisson")
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *([x[:6000], offset[:6000]], y[:6000]),
        validation_data=([x[6000:7000], offset[6000:7000]], y[6000:7000]),
        batch_size=64,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict([x[7000:], np.zeros((1000, 1), "float32")], verbose=0)[:, 0]
    return r_squared(rate[7000:], np.log(guess + 1e-9))


@sound(
    source="http://www.scholarpedia.org/article/Echo_state_network",
    metric="R² on held-out series",
    good=0.75,
)
def echoes_of_a_reservoir(seed, callbacks):
    """Frozen: a random recurrent layer that is never trained, under a dense one that is."""
    random = start(seed)
    x = random.normal(size=(1600, 30, 1)).astype("float32")
    y = np.zeros(1600)
    for step in range(30):
        y = 0.8 * y + x[:, step, 0]
    y = standardized(y + 0.5 * x[:, -1, 0] * x[:, -2, 0])[:, None]
    reservoir = layers.SimpleRNN(
        120,
        kernel_initializer=keras.initializers.RandomUniform(-0.3, 0.3),
        recurrent_initializer=keras.initializers.Orthogonal(0.85),
        trainable=False,
    )
    model = keras.Sequential([keras.Input((30, 1)), reservoir, layers.Dense(1)])
    model.compile(Adam(0.01), "mean_squared_error")
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1200:], model.predict(x[1200:], verbose=0))


class Tied(layers.Layer):
    """Decode with the kernel of the encoder, turned round."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.bias = self.add_weight(shape=(64,), initializer="zeros")

    def call(self, code):
        """Return 64 pixels."""
        return ops.matmul(code, ops.transpose(self.encoder.kernel)) + self.bias


@sound(
    source="https://keras.io/guides/making_new_layers_and_models_via_subclassing/",
    metric="R² of the pixels of held-out digits",
    good=0.7,
)
def one_kernel_both_ways(seed, callbacks):
    """Shared: the decoder has no kernel of its own, and the inputs are the targets."""
    start(seed)
    x = digits(seed)[0].reshape(-1, 64)
    encoder = layers.Dense(16, kernel_initializer="orthogonal")
    inputs = keras.Input((64,))
    model = keras.Model(inputs, Tied(encoder)(encoder(inputs)))
    model.compile(Adam(0.003), "mean_squared_error")
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1400], x[1200:1400]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1400:].ravel(), model.predict(x[1400:], verbose=0).ravel())


PROGRAMS = [
    which_way_it_turns,
    corner_of_the_court,
    codes_of_occupations,
    readings_of_two_dials,
    drawings_out_of_photos,
    answers_in_known_words,
    the_token_that_follows,
    faces_in_a_crowd,
]
SOUND = [
    grades_in_order,
    claims_by_exposure,
    echoes_of_a_reservoir,
    one_kernel_both_ways,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
