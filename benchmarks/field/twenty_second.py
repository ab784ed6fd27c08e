"""Twelve more field programs of an ordinary week, by somebody who had read no rule.

Seven have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twenty_second
    python benchmarks/diagnosis.py --programs twenty_second
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops, regularizers
from keras.optimizers import SGD, Adam, AdamW, Nadam, RMSprop
from scipy import stats
from sklearn import datasets
from sklearn.metrics import mean_pinball_loss

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
    source="https://github.com/tensorflow/text/issues/938",
    cause="the attention mask is true where padding stands: Keras attends to just these places",
    causes="layers preprocessing",
    evidence=r"mask|padd|\bpads?\b|zeros|attend|attention|invert|wrong (places|positions|tokens)|"
    r"(outputs?|predictions?|scores?|layers?)[\s\S]{0,80}(same|alike|constant|not (depend|chang|"
    r"react|vary)|hardly (depend|chang|react|var)|independent|ignor|blind)|"
    r"(words?|tokens?|inputs?)[\s\S]{0,60}(ignored|unused|no (effect|influence)|not (seen|used|"
    r"reach)|hidden|lost)",
    repair={"mask": "words"},
    advice={
        r"not_equal|!= ?0|invert|turn[\s\S]{0,20}mask|logical_not|~|attention_mask|mask": {
            "mask": "words"
        },
        r"without (a|the) mask": {"mask": None},
        r"GlobalAverage|GlobalMax|pool|average over": {"pooled": True},
        "longer": {"epochs": 20},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out messages",
    good=0.85,
)
def mask_taken_from_a_tutorial(
    seed,
    callbacks,
    mask="padding",
    pooled=False,
    epochs=8,
    units=16,
    learning_rate=0.003,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Tell praise from blame with Keras's attention and a tutorial's mask: mere chance."""
    random = start(seed)
    y = random.integers(0, 2, 2600)
    x = np.zeros((2600, 24), "int32")
    x[:, 0] = 1  # the token that stands for the whole message
    for row, good in zip(x, y, strict=True):
        words = random.integers(70, 400, random.integers(6, 17))
        telling = random.random(len(words)) < 0.35
        telling[random.integers(len(words))] = True
        words[telling] = 2 + 30 * good + random.integers(0, 30, telling.sum())
        row[1 : 1 + len(words)] = words
    inputs = keras.Input((24,), dtype="int32")
    seen = layers.Embedding(400, units)(inputs)
    shown = None
    if mask == "padding":
        shown = ops.expand_dims(ops.equal(inputs, 0), 1)
    elif mask == "words":
        shown = ops.expand_dims(ops.not_equal(inputs, 0), 1)
    told = layers.MultiHeadAttention(2, units // 2, dropout=dropout)(
        seen, seen, attention_mask=shown
    )
    told = layers.LayerNormalization()(layers.Add()([seen, told]))
    told = layers.GlobalAveragePooling1D()(told) if pooled else told[:, 0]
    told = layers.Dense(units, activation="relu", kernel_initializer=initializer)(told)
    outputs = layers.Dense(1, activation="sigmoid")(layers.Dropout(dropout)(told))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1900:], verbose=0)[:, 0] > 0.5) == y[1900:]))


@case(
    source="https://github.com/fchollet/deep-learning-with-python-notebooks/issues/145",
    cause="the texts' numbers are 3 higher than the rows of the frozen vectors: other words' rows",
    causes="data preprocessing layers initialization",
    evidence=r"embedding|vectors?\b|\brows? of|offset|shift|align|index|pre-?trained|frozen|froze|"
    r"trainable|vocabular|look-?up|(words?|numbers?|tokens?)[\s\S]{0,60}(other|wrong|mean|match|"
    r"differ)|(inputs?|features?)[\s\S]{0,80}(tell|say|explain|determine|unrelated|noise)",
    repair={"offset": 3},
    advice={
        r"offset|shift|align|\+ ?3|index|numbering|vocabular|look-?up|right row|match": {
            "offset": 3
        },
        r"trainable|unfreez|fine-?tun|train the embedding|let .{0,20}embedding": {
            "trainable": True
        },
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out reports, four topics",
    good=0.85,
)
def vectors_of_other_words(
    seed,
    callbacks,
    offset=0,
    trainable=False,
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Sort reports with word vectors from elsewhere: they help far less than everybody says."""
    random = start(seed)
    topics = random.integers(0, 5, 800)  # of each word; 4 is of none
    centres = random.normal(size=(5, 24))
    vectors = 0.35 * (centres[topics] + random.normal(size=(800, 24)))
    y = random.integers(0, 4, 2600)
    x = np.zeros((2600, 30), "int32")  # 0 is padding, 1 a start, 2 an unknown word
    for row, topic in zip(x, y, strict=True):
        words = random.integers(0, 800, random.integers(12, 30))
        telling = random.random(len(words)) < 0.35
        words[telling] = random.choice(np.flatnonzero(topics == topic), telling.sum())
        row[:] = [*[0] * (29 - len(words)), 1, *(3 + words)]
    matrix = np.zeros((803, 24), "float32")
    matrix[offset : offset + 800] = vectors
    known = layers.Embedding(
        803, 24, embeddings_initializer=keras.initializers.Constant(matrix), trainable=trainable
    )
    model = keras.Sequential(
        [
            keras.Input((30,), dtype="int32"),
            known,
            layers.GlobalAveragePooling1D(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(RMSprop(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    train = tf.data.Dataset.from_tensor_slices((x[:1600], y[:1600])).shuffle(1600).batch(32)
    test = tf.data.Dataset.from_tensor_slices((x[1600:1900], y[1600:1900])).batch(100)
    model.fit(train, validation_data=test, epochs=epochs, callbacks=callbacks, verbose=0)
    return accuracy(model, x[1900:], y[1900:])


class Neighbours(layers.Layer):
    """Mix what a node is joined to, as the matrix of joints says, and weigh it."""

    def __init__(self, units, initializer="glorot_uniform"):
        super().__init__()
        self.weigh = layers.Dense(units, kernel_initializer=initializer)

    def call(self, nodes, joints):
        """Return the activations (N, nodes, units)."""
        return ops.relu(ops.matmul(joints, self.weigh(nodes)))


@case(
    source="https://github.com/danielegrattarola/spektral/issues/362",
    cause="the joints have no loops: a node sees its neighbours and never its own features",
    causes="data preprocessing layers",
    evidence=r"loop|\bown\b|itself|diagonal|adjacen|joint|neighbou?r|graph|identity|skip|residual|"
    r"(inputs?|features?|information|nodes?)[\s\S]{0,80}(lost|lose|miss|not (reach|see|arriv|"
    r"pass|used)|thrown|discard|ignor|explain|tell|no (effect|influence))",
    repair={"loops": True},
    advice={
        r"loop|diagonal|identity|\+ ?I\b|eye|itself|own features|adjacen": {"loops": True},
        r"skip|residual|concat|add the input": {"skip": True},
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of held-out nodes",
    good=0.85,
)
def nodes_that_miss_themselves(
    seed,
    callbacks,
    loops=False,
    skip=False,
    epochs=12,
    units=32,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the load at each node of small networks with a graph layer: stuck halfway."""
    random = start(seed)
    x = random.normal(size=(2200, 10, 5)).astype("float32")
    joints = np.zeros((2200, 10, 10), "float32")
    for table in joints:
        for node in range(1, 10):
            other = random.integers(max(0, node - 4), node)
            table[node, other] = table[other, node] = 1
    closed = joints + np.eye(10, dtype="float32")
    shares = closed / closed.sum(axis=-1, keepdims=True)
    mixed = shares @ x
    load = mixed @ random.normal(size=5) + 1.2 * np.abs(mixed[..., 0] - mixed[..., 1])
    load = (load - load.mean()) / load.std()
    y = (load + random.normal(0, 0.15, load.shape))[..., None].astype("float32")
    if not loops:
        shares = joints / joints.sum(axis=-1, keepdims=True)
    nodes, links = keras.Input((10, 5)), keras.Input((10, 10))
    seen = Neighbours(units, initializer)(nodes, links)
    if skip:
        seen = layers.Concatenate()([seen, nodes])
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    model = keras.Model([nodes, links], layers.Dense(1)(layers.Dropout(dropout)(seen)))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *([x[:1500], shares[:1500]], y[:1500]),
        validation_data=([x[1500:1700], shares[1500:1700]], y[1500:1700]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([x[1700:], shares[1700:]], verbose=0)
    return r_squared(y[1700:].ravel(), guess.ravel())


@case(
    source="https://github.com/keras-team/keras/issues/9713",
    cause="the squared logarithmic error takes all values below 0 for 0: losses are never learnt",
    causes="loss data preprocessing",
    evidence=r"logarithm|\blog\b|msle|negative|below (0|zero)|minus|clip|cut off|"
    r"sign of|(loss|error)[\s\S]{0,80}(same|blind|ignor|not see|no gradient|zero gradient|flat)|"
    r"(targets?|values?)[\s\S]{0,60}(less than|under|< ?) ?(0|zero)",
    repair={"loss": "signed"},
    advice={
        r"sign\(|sign of|signed|symmetric": {"loss": "signed"},
        r"mean_squared_error|\bmse\b|huber|mean_absolute|log_?cosh": {"loss": "mean_squared_error"},
        r"non-?negative|shift .{0,30}target|add .{0,30}target|above 0": {"shift": 15.0},
        "longer": {"epochs": 40},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="R² of the signed logarithm of the results of held-out shops that lose",
    good=0.6,
)
def losses_taken_for_nothing(
    seed,
    callbacks,
    loss="mean_squared_logarithmic_error",
    shift=0.0,
    epochs=15,
    units=48,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell what shops gain or lose: gains are about right, losses are anything."""
    random = start(seed)
    x = random.normal(size=(4000, 7)).astype("float32")
    gain = np.exp(1 + 0.5 * x[:, 0] + 0.4 * np.sin(2 * x[:, 1]))
    lost = np.exp(1 + 0.5 * x[:, 2] - 0.4 * np.abs(x[:, 3]))
    share = 1 / (1 + np.exp(-4 * (x[:, 4] - 0.5 * x[:, 5])))
    y = share * gain - (1 - share) * lost + random.normal(0, 0.3, 4000)
    y = y.astype("float32")[:, None]

    def signed(values):
        return ops.sign(values) * ops.log1p(ops.abs(values))

    def signed_error(truth, guess):
        return ops.mean(ops.square(signed(truth) - signed(guess)), axis=-1)

    model = keras.Sequential([keras.Input((7,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    own = loss == "signed"
    model.compile(Nadam(learning_rate), signed_error if own else loss, metrics=["mae"])
    model.fit(
        *(x[:2600], y[:2600] + shift),
        validation_data=(x[2600:3000], y[2600:3000] + shift),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    told = model.predict(x[3000:], verbose=0) - shift
    poor = y[3000:] < 0
    return r_squared(*(np.sign(v) * np.log1p(np.abs(v)) for v in (y[3000:][poor], told[poor])))


@case(
    source="https://github.com/linkedin/Liger-Kernel/pull/269",
    cause="a list times three holds one head three times: three outputs share all their weights",
    causes="layers",
    evidence=r"shar(e|ed|es|ing)\b|(same|one|single) (\w+ )?(head|layer|weights?|values?|number|"
    r"instance|object|prediction|output)|twice|three times|identical|equal|tied|"
    r"outputs?[\s\S]{0,60}(same|alike|identical|equal|no(t)? differ|copies)|"
    r"(heads?|layers?)[\s\S]{0,60}(called|used|reused|appl\w+) (more|several|three|3|again)|reused",
    repair={"heads": "apart"},
    advice={
        r"of (its|their) own|separate|each (output|target)|instance|share|new layer|"
        r"one (head|layer) (per|for each)|list comprehension": {"heads": "apart"},
        "longer": {"epochs": 40},
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
    metric="mean R² of three measures of held-out buildings",
    good=0.8,
)
def three_heads_of_one_mind(
    seed,
    callbacks,
    heads="times three",
    epochs=12,
    units=48,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell heating, cooling and light of buildings at once: each of the three is poor."""
    random = start(seed)
    x = random.normal(size=(2800, 8)).astype("float32")
    y = x @ random.normal(size=(8, 3)) + 1.5 * np.sin(1.5 * x[:, :3]) + np.abs(x[:, 3:6])
    y = standardized(y) + random.normal(0, 0.2, y.shape).astype("float32")

    def head():
        inside = layers.Dense(units, activation="relu", kernel_initializer=initializer)
        return keras.Sequential([inside, layers.Dropout(dropout), layers.Dense(1)])

    answers = [head()] * 3 if heads == "times three" else [head() for _ in range(3)]
    inputs = keras.Input((8,))
    body = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    body = layers.Dense(units, activation="relu", kernel_initializer=initializer)(body)
    names = ("heating", "cooling", "light")
    outputs = [
        layers.Activation("linear", name=name)(answer(body))
        for name, answer in zip(names, answers, strict=True)
    ]
    model = keras.Model(inputs, outputs)
    model.compile(AdamW(learning_rate, weight_decay=1e-4), ["mse"] * 3)
    model.fit(
        *(x[:1800], [y[:1800, n] for n in range(3)]),
        validation_data=(x[1800:2000], [y[1800:2000, n] for n in range(3)]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    told = model.predict(x[2000:], verbose=0)
    return float(np.mean([r_squared(y[2000:, n], told[n][:, 0]) for n in range(3)]))


@case(
    source="https://github.com/NVIDIA-Merlin/Transformers4Rec/pull/151",
    cause="LayerNormalization of a single number gives 0: no number gets past it",
    causes="layers preprocessing",
    evidence=r"layer.?norm|normali[sz]|(one|single|\b1\b) (\w+ )?(number|value|feature|column|"
    r"unit|channel|element)|constant|always (0|zero)|(is|are) (0|zero)\b|all (0|zeros?)|"
    r"(inputs?|features?|columns?|numbers?)[\s\S]{0,80}(lost|no (effect|influence|gradient)|"
    r"ignor|not (reach|pass|used|depend|matter)|erase|wipe|dead|unused)|same for (all|every)",
    repair={"scaling": "adapted"},
    advice={
        r"LayerNorm|layer normali|replace|leave out|remove|adapt\(|Normalization\(\)": {
            "scaling": "adapted"
        },
        r"BatchNorm": {"scaling": "batch"},
        r"concatenat": {"scaling": "together"},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"outside": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out visits",
    good=0.8,
)
def numbers_normalized_one_by_one(
    seed,
    callbacks,
    scaling="each",
    outside=False,
    epochs=10,
    units=32,
    learning_rate=0.005,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Will a visitor buy? Columns of all kinds, each prepared in the model: just above luck."""
    random = start(seed)
    hidden = random.normal(size=(4500, 4))
    kinds = np.stack([random.integers(0, 6, 4500), random.integers(0, 12, 4500)], axis=1)
    leaning = random.normal(size=6)[kinds[:, 0]] + random.normal(size=12)[kinds[:, 1]]
    odds = 0.5 * leaning + 2 * hidden[:, 0] - 2 * hidden[:, 1] + 2 * np.sin(2 * hidden[:, 2])
    y = (odds - np.median(odds) + random.logistic(0, 0.4, 4500) > 0).astype("float32")
    numbers = {
        "minutes": 12 + 4 * hidden[:, 0],
        "price": 30 + 9 * hidden[:, 1],
        "pages": 8 + 2.5 * hidden[:, 2],
        "age": 42 + 13 * hidden[:, 3],
    }
    if outside:
        numbers = {name: standardized(column) for name, column in numbers.items()}
    table = {name: column[:, None].astype("float32") for name, column in numbers.items()}
    table |= {"country": kinds[:, :1], "shop": kinds[:, 1:]}
    asked, parts = {}, []
    for name in numbers:
        asked[name] = keras.Input((1,), name=name)
        if scaling == "each":
            parts.append(layers.LayerNormalization()(asked[name]))
        elif scaling == "batch":
            parts.append(layers.BatchNormalization()(asked[name]))
        elif scaling == "adapted":
            scale = layers.Normalization()
            scale.adapt(table[name][:3000])
            parts.append(scale(asked[name]))
        else:
            parts.append(asked[name])
    for name, size in (("country", 6), ("shop", 12)):
        asked[name] = keras.Input((1,), dtype="int32", name=name)
        parts.append(layers.Flatten()(layers.Embedding(size, 4)(asked[name])))
    both = layers.Concatenate()(parts)
    if scaling == "together":
        both = layers.LayerNormalization()(both)
    for _ in range(2):
        both = layers.Dense(units, activation="relu", kernel_initializer=initializer)(both)
        both = layers.Dropout(dropout)(both)
    model = keras.Model(asked, layers.Dense(1, activation="sigmoid")(both))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])

    def rows(begin, end):
        return {name: column[begin:end] for name, column in table.items()}

    train = tf.data.Dataset.from_tensor_slices((rows(0, 3000), y[:3000]))
    model.fit(
        train.shuffle(3000).batch(64),
        validation_data=(rows(3000, 3400), y[3000:3400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    told = model.predict(rows(3400, 4500), verbose=0)[:, 0] > 0.5
    return float(np.mean(told == y[3400:]))


WORDS = ("014", "041", "104", "140", "401", "410", "017", "071", "107", "170", "701", "710")


@case(
    source="https://example-a.com/answer/76054801",
    cause="a pool of nine columns leaves one place of the picture: the order of letters is lost",
    causes="layers",
    evidence=r"pool|resolution|spatial|position|where\b|place|bottleneck|narrow|shrink|shrunk|"
    r"\b1 ?[x×,] ?1\b|(few|small|little)[\s\S]{0,40}(left|remain|map|feature)|"
    r"(information|details?|columns?|pixels?|parts?|layers?)[\s\S]{0,60}(lost|lose|discard|"
    r"thrown|dropp|ignor|miss|not (seen|reach|used))|stride",
    repair={"pool": 2},
    advice={
        r"pool|stride|resolution|spatial|feature map|flatten|larger map": {"pool": 2},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out words, twelve of them",
    good=0.85,
)
def words_through_a_wide_pool(
    seed,
    callbacks,
    pool=9,
    epochs=8,
    units=16,
    learning_rate=0.004,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Read words written by hand: whatever layers and optimizers are tried, it stays poor."""
    random = start(seed)
    letters, marks = digits(seed)
    pools = {sign: letters[marks == int(sign), ..., 0] for sign in "0147"}

    def written(count, part):
        y = random.integers(0, len(WORDS), count)
        x = np.zeros((count, 12, 48, 1), "float32")
        for image, word in zip(x, y, strict=True):
            for spot, sign in enumerate(WORDS[word]):
                some = pools[sign][:120] if part == "train" else pools[sign][120:]
                down, right = random.integers(0, 5), 16 * spot + random.integers(0, 3)
                image[down : down + 8, right : right + 8, 0] = random.choice(some)
        return x, y

    conv = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((12, 48, 1)),
            layers.Conv2D(units, 3, **conv),
            layers.MaxPooling2D(3),
            layers.Conv2D(2 * units, 2, **conv),
            layers.MaxPooling2D((2, pool)),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(3 * units, **conv),
            layers.Dense(len(WORDS), activation="softmax"),
        ]
    )
    model.compile(Nadam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *written(1200, "train"),
        validation_data=written(200, "test"),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, *written(500, "test"))


# ---- sound programs ----


@sound(
    source="https://github.com/google-research/big_transfer/issues/10",
    metric="accuracy on held-out digits of the new classes",
    good=0.9,
)
def head_of_zeros(seed, callbacks):
    """Put a head of zeros on a frozen network: from equal probabilities to four new classes."""
    start(seed)
    x, y = digits(seed, range(6))
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
        ]
    )
    old = keras.Sequential([base, layers.Dropout(0.3), layers.Dense(6, activation="softmax")])
    old.compile(Adam(0.002), "sparse_categorical_crossentropy")
    old.fit(x, y, batch_size=64, epochs=8, verbose=0)
    base.trainable = False
    x, y = digits(seed, range(6, 10))
    inputs = keras.Input((8, 8, 1))
    head = layers.Dense(4, activation="softmax", kernel_initializer="zeros")
    model = keras.Model(inputs, head(base(inputs, training=False)))
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:400], y[:400] - 6),
        validation_data=(x[400:480], y[400:480] - 6),
        epochs=28,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[480:], y[480:] - 6)


@sound(
    source="https://www.tensorflow.org/probability/examples/Probabilistic_Layers_Regression",
    metric="R² of the mean against the curve without noise",
    good=0.93,
)
def noise_foretold_as_well(seed, callbacks):
    """Foretell a value and how far it scatters: a likelihood as the loss, which falls below 0."""
    random = start(seed)
    x = random.uniform(-2, 2, (3000, 2)).astype("float32")
    curve = np.sin(2 * x[:, 0]) + 0.5 * x[:, 1]
    spread = 0.05 + 0.5 * (x[:, 1] > 0) * x[:, 1]
    y = (curve + random.normal(0, spread)).astype("float32")[:, None]

    def unlikely(truth, told):
        middle, log_spread = told[:, :1], told[:, 1:]
        return ops.mean(log_spread + 0.5 * ops.square((truth - middle) * ops.exp(-log_spread)))

    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(48, activation="tanh"),
            layers.Dense(48, activation="tanh"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.006), unlikely)
    options = {"batch_size": 64, "epochs": 24, "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2200], y[:2200], validation_split=0.1, **options)
    return r_squared(curve[2200:], model.predict(x[2200:], verbose=0)[:, 0])


@sound(
    source="https://sachinruk.github.io/blog/Quantile-Regression/",
    metric="loss of the true quantile as a share of that of the network, on held-out trips",
    good=0.93,
)
def late_once_in_ten(seed, callbacks):
    """Promise a time that nine of ten trips keep: most predictions exceed the truth, as meant."""
    random = start(seed)
    x = random.normal(size=(4000, 4)).astype("float32")
    scale = np.exp(0.5 * x[:, 0] + 0.3 * x[:, 1])
    y = (0.3 * x[:, 2] + random.gamma(2, 0.5 * scale)).astype("float32")
    bound = 0.3 * x[:, 2] + 0.5 * scale * stats.gamma.ppf(0.9, 2)

    def tilted(truth, guess):
        late = truth - guess
        return ops.mean(ops.maximum(0.9 * late, -0.1 * late))

    model = keras.Sequential([keras.Input((4,)), layers.Dense(32, "relu"), layers.Dense(1)])
    model.compile(RMSprop(0.003), tilted, metrics=["mae"])
    model.fit(
        *(x[:2600], y[:2600, None]),
        validation_data=(x[2600:2900], y[2600:2900, None]),
        batch_size=64,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2900:], verbose=0)[:, 0]
    best = mean_pinball_loss(y[2900:], bound[2900:], alpha=0.9)
    return float(best / mean_pinball_loss(y[2900:], guess, alpha=0.9))


@sound(
    source="https://www.tensorflow.org/tutorials/keras/overfit_and_underfit",
    metric="accuracy on held-out wines",
    good=0.9,
)
def few_wines(seed, callbacks):
    """Tell three wines from 110 rows: dropout and a penalty, no validation data, small batches."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x)[rows], y[rows]
    model = keras.Sequential(
        [
            keras.Input((13,)),
            layers.Dense(24, activation="elu", kernel_regularizer=regularizers.L2(0.003)),
            layers.Dropout(0.4),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(SGD(0.03, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:110], y[:110], batch_size=8, epochs=25, callbacks=callbacks, verbose=0)
    return accuracy(model, x[110:], y[110:])


class Centred(keras.Model):
    """A network whose gradients are centred before they are applied."""

    def train_step(self, data):
        """Take the mean off the gradients of every kernel."""
        x, y = data
        with tf.GradientTape() as tape:
            told = self(x, training=True)
            loss = self.compute_loss(x, y, told)
        slopes = tape.gradient(loss, self.trainable_variables)
        slopes = [
            slope - tf.reduce_mean(slope, axis=list(range(len(slope.shape) - 1)), keepdims=True)
            if len(slope.shape) > 1
            else slope
            for slope in slopes
        ]
        self.optimizer.apply(slopes, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, told)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://keras.io/examples/vision/gradient_centralization/",
    metric="accuracy on held-out digits",
    good=0.95,
)
def gradients_without_their_mean(seed, callbacks):
    """Images: a training step of one's own takes the mean off every gradient."""
    start(seed)
    x, y = digits(seed)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    seen = layers.MaxPooling2D()(layers.Conv2D(24, 3, padding="same", activation="relu")(seen))
    seen = layers.Dropout(0.3)(layers.Flatten()(seen))
    model = Centred(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(RMSprop(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1350], y[1200:1350]),
        batch_size=64,
        epochs=14,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1350:], y[1350:])


PROGRAMS = [
    mask_taken_from_a_tutorial,
    vectors_of_other_words,
    nodes_that_miss_themselves,
    losses_taken_for_nothing,
    three_heads_of_one_mind,
    numbers_normalized_one_by_one,
    words_through_a_wide_pool,
]
SOUND = [
    head_of_zeros,
    noise_foretold_as_well,
    late_once_in_ten,
    few_wines,
    gradients_without_their_mean,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
