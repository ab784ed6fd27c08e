"""Fourteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.nineteenth
    python benchmarks/diagnosis.py --programs nineteenth
"""

import keras
import numpy as np
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.losses import SparseCategoricalCrossentropy
from keras.optimizers import SGD, Adam, RMSprop
from sklearn.metrics import cohen_kappa_score

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
    source="https://github.com/tensorflow/models/issues/779",
    cause="Adam's epsilon is 1, so gradients far below 1 are no longer scaled: tiny steps",
    causes="optimizer learning_rate epochs",
    evidence=r"epsilon|adaptive|"
    r"(weights?|kernels?|layers?|updates?|steps?)[\s\S]{0,80}(hardly|barely|tiny|small|little|slow|"
    r"not (move|change)|0\.0|e-\d)|(hardly|barely|tiny|small|slow)\w*[\s\S]{0,40}(updates?|steps?)|"
    r"(learning.?rate|\brate\b)[\s\S]{0,60}(low|small|tiny|slow)|too slow|"
    r"still (falling|improving|learning|rising|decreasing)|not (yet )?(finished|converged)|"
    r"(loss|error)[\s\S]{0,60}(slow|hardly|barely|still)|"
    r"(train|more|few)\w* (for )?(longer|epochs)",
    repair={"epsilon": 1e-7},
    advice={
        r"epsilon|defaults? of adam": {"epsilon": 1e-7},
        r"momentum": {"optimizer": "momentum"},
        "usual": {"epsilon": 1e-7, "learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 45},
        "wider": {"units": 128},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_by_a_borrowed_script(
    seed,
    callbacks,
    epsilon=1.0,
    optimizer="adam",
    epochs=15,
    units=48,
    learning_rate=0.001,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Train digits with the flags of a script as they were: weights are nearly those of before."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(24, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    if optimizer == "adam":
        optimizer = Adam(learning_rate, epsilon=epsilon)
    else:
        optimizer = SGD(10 * learning_rate, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:])


@case(
    source="https://github.com/keras-team/keras-io/issues/1946",
    cause="the vocabulary has a blank before each word: no value is known, all have number 0",
    causes="preprocessing data",
    evidence=r"constant|"
    r"(same|one|single|identical|equal) (value|number|integer|index|category|row)|"
    r"never (var|chang|differ)|(not|no|hardly|nothing) (var|chang|differ|inform|signal)\w*|"
    r"unknown|out.of.vocabulary|\boov\b|vocabular|lookup|(all|only|always|nothing but) (zeros?|0)|"
    r"(inputs?|columns?|features?|categor\w+|\bx\b)[\s\S]{0,80}(constant|the same|identical|zeros?|"
    r"do(es)? not vary|\bempty\b|carr(y|ies) (no|nothing|little)|says? nothing)|"
    r"(embedding|rows?)[\s\S]{0,60}(never (used|read|updated|looked)|one row|unused|untouched)|"
    r"inputs? [\s\S]{0,40}(tell|explain|determine|predict)",
    repair={"stripped": True},
    advice={
        r"vocabular|lookup|strip|\boov\b|unknown|constant|encod|check (the )?(inputs?|columns?)": {
            "stripped": True
        },
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out persons",
    good=0.8,
)
def incomes_by_trade(
    seed,
    callbacks,
    stripped=False,
    epochs=20,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell who earns much by trade, school and place: it works elsewhere, here it is chance."""
    random = start(seed)
    rows = 3000
    names = {
        "trade": [f"trade{i}" for i in range(14)],
        "school": [f"school{i}" for i in range(6)],
        "place": [f"place{i}" for i in range(9)],
    }
    numbers = random.normal(size=(rows, 2)).astype("float32")
    worth = 0.3 * numbers[:, 0] + 0.2 * numbers[:, 1] + random.normal(0, 0.4, rows)
    inputs, told, seen = {}, {}, []
    for name, words in names.items():
        index = random.integers(0, len(words), rows)
        effect = random.permutation(np.linspace(-1.6, 1.6, len(words)))
        worth += effect[index]
        vocabulary = words if stripped else [" " + word for word in words]
        lookup = layers.StringLookup(vocabulary=vocabulary)
        told[name] = np.asarray(lookup(np.array(words)[index]))
        inputs[name] = keras.Input((), dtype="int64", name=name)
        seen.append(layers.Embedding(len(words) + 1, 4)(inputs[name]))
    y = (worth > 0).astype("float32")
    told["numbers"] = numbers
    inputs["numbers"] = keras.Input((2,), name="numbers")

    seen = layers.Concatenate()([*seen, inputs["numbers"]])
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(seen))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *({name: column[:2000] for name, column in told.items()}, y[:2000]),
        validation_data=({name: column[2000:2300] for name, column in told.items()}, y[2000:2300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict({name: column[2300:] for name, column in told.items()}, verbose=0)
    return float(np.mean((guess[:, 0] > 0.5) == y[2300:]))


@case(
    source="https://ai.stackexchange.com/questions/23711/what-would-be-a-typical-pre-processing-and-"
    "data-normalization-pipeline-for-time",
    cause="every window is standardized for itself, which takes away the level that is asked for",
    causes="preprocessing data",
    evidence=r"(each|every|per|own|for itself|single)[\s-]{1,3}(window|row|sample|sequence|example|"
    r"series)|(window|row|sample|sequence|example)s?[\s\S]{0,80}(standardi[sz]|normali[sz]|mean|"
    r"deviation|scaled|level|centred|centered|norm\b|sum)|\blevel\b|"
    r"inputs?[\s\S]{0,60}(tell|explain|determine|predict|say|relat|carr|contain|hold|inform)|"
    r"(similar|alike|equal|same|identical) inputs|(nearest )?neighbou?rs|"
    r"(information|what)[\s\S]{0,40}(lost|missing|not in the inputs|taken away)",
    repair={"scaled_by": "all"},
    advice={
        r"(mean|deviation|level|scale) (of|as)[\s\S]{0,40}(feature|input|column)": {
            "with_level": True
        },
        r"(training|whole|all|entire|global|one)[\s\S]{0,40}(mean|rows|data|deviation|scal)|"
        r"per (column|feature)|StandardScaler|Normalization\(|axis=0|(raw|original) (values|inputs|"
        r"windows)|(not|without|instead of)[\s\S]{0,40}(each|per|by) (window|row|sample)|level|"
        r"inputs? that (tell|say|hold)|more (informative )?(inputs|features|columns)": {
            "scaled_by": "all"
        },
        "scaled": {"scaled_by": "all"},
        "longer": {"epochs": 45},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on the last fifth of the hours",
    good=0.75,
)
def heat_of_a_town(
    seed,
    callbacks,
    scaled_by="window",
    with_level=False,
    epochs=15,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the heat that a town draws from 16 hours: ups and downs are right, heights not."""
    random = start(seed)
    hours, length = 2100, 16
    level = np.zeros(hours)
    for hour in range(1, hours):
        level[hour] = 0.96 * level[hour - 1] + random.normal(0, 0.28)
    series = 40 + 8 * (level + 0.5 * np.sin(2 * np.pi * np.arange(hours) / 24))
    series += random.normal(0, 1.0, hours)
    windows = np.lib.stride_tricks.sliding_window_view(series, length)[:-1]
    target = series[length:]
    known = int(0.6 * len(target))
    y = ((target - target[:known].mean()) / target[:known].std()).astype("float32")
    overall = (windows - windows[:known].mean()) / windows[:known].std()
    if scaled_by == "window":
        own = windows.mean(axis=1, keepdims=True), windows.std(axis=1, keepdims=True)
        x = ((windows - own[0]) / own[1])[..., None]
    else:
        x = overall[..., None]
    if with_level:
        about = overall.mean(axis=1), overall.std(axis=1)
        steps = [np.repeat(column[:, None, None], length, axis=1) for column in about]
        x = np.concatenate([x, *steps], axis=2)
    x = x.astype("float32")

    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    held = int(0.8 * len(y))
    model.fit(
        *(x[:known], y[:known]),
        validation_data=(x[known:held], y[known:held]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[held:], model.predict(x[held:], verbose=0)[:, 0])


class Cosines(layers.Layer):
    """How alike a row is to each class: cosines, times a scale."""

    def __init__(self, classes, scale, normalized=True):
        super().__init__()
        self.classes, self.scale, self.normalized = classes, scale, normalized

    def build(self, shape):
        """Make one direction per class."""
        self.kernel = self.add_weight(shape=(shape[-1], self.classes), name="kernel")

    def call(self, inputs):
        """Return rows of cosines."""
        if not self.normalized:
            return ops.matmul(inputs, self.kernel)
        rows = ops.normalize(inputs, axis=-1)
        return self.scale * ops.matmul(rows, ops.normalize(self.kernel, axis=0))


@case(
    source="https://github.com/zergylord/oneshot/issues/2",
    cause="softmax of cosines: scores from -1 to 1 make no class likely, a scale is missing",
    causes="layers loss activation",
    evidence=r"cosine|temperature|unit (length|norm)|normali[sz]ed|logits?|"
    r"(outputs?|scores?|predictions?)[\s\S]{0,80}(range|between|bounded|limit|narrow|spread|small|"
    r"from -1|\[-1|cannot|never|flat|within|close to)|"
    r"(probabilit|confiden|softmax)\w*[\s\S]{0,80}(never|not|flat|uniform|at most|cannot|low|even|"
    r"under|below|bounded|only)|(never|not|hardly) (\w+ )?(sure|certain|confident)|underconfident|"
    r"(loss)[\s\S]{0,80}(accuracy|floor|bound|stays|although|while|yet|but)",
    repair={"scale": 16.0},
    advice={
        r"temperature|\bscale (the|of|by)[\s\S]{0,20}(logits?|outputs?|scores?|cosines?)|"
        r"multipl[\s\S]{0,40}(logits?|outputs?|scores?|cosines?|scale)": {"scale": 16.0},
        r"(without|remove|drop|no)[\s\S]{0,40}normali|plain Dense|layers\.Dense\(|linear output": {
            "normalized": False
        },
        "longer": {"epochs": 45},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="share of held-out advertisements filed rightly with a probability above one half",
    good=0.8,
)
def advertisements_nobody_is_sure_of(
    seed,
    callbacks,
    scale=1.0,
    normalized=True,
    epochs=15,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """File advertisements under eight heads by cosines: the loss stays high, nothing is sure."""
    random = start(seed)
    rows, length, heads = 2000, 18, 8
    y = random.integers(0, heads, rows)
    words = random.integers(80, 300, (rows, length))
    told = random.random((rows, length)) < 0.3
    words[told] = (random.integers(0, 10, (rows, length)) + 10 * y[:, None])[told]

    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(300, 16),
            layers.GlobalAveragePooling1D(),
            layers.Dense(units, activation="tanh", kernel_initializer=initializer),
            layers.Dropout(dropout),
            Cosines(heads, scale, normalized),
        ]
    )
    loss = SparseCategoricalCrossentropy(from_logits=True)
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(words[:1300], y[:1300]),
        validation_data=(words[1300:1500], y[1300:1500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    sure = np.asarray(ops.softmax(model.predict(words[1500:], verbose=0)))
    return float(np.mean(sure[np.arange(500), y[1500:]] > 0.5))


GOOD_WORDS = [f"good{i}" for i in range(12)]
BAD_WORDS = [f"bad{i}" for i in range(12)]
STOP_WORDS = ["the", "a", "is", "it", "not", "no", "was", "and", "this", "very", "of", "but"]


@case(
    source="https://dev.to/sunilaleti/don-t-blindly-remove-stopwords-in-sentiment-analysis-3nok",
    cause="'not' is among the stop words that are removed, and turns a third of the reviews round",
    causes="preprocessing data",
    evidence=r"stop.?words?|negat(ion|ed|es)|\bnot\b['’]? (is|was)|removed? words|vocabular|"
    r"inputs?[\s\S]{0,60}(tell|explain|determine|predict|say|relat|carr|contain|hold|inform)|"
    r"(similar|alike|equal|same|identical) (inputs|rows|texts)|contradict|"
    r"(label|target)s?[\s\S]{0,60}(noise|noisy|contradict|wrong|disagree|differ)|"
    r"(information|what)[\s\S]{0,40}(lost|missing|not in the inputs|removed)|ambigu",
    repair={"removed": ("the", "a", "it", "this", "of")},
    advice={
        r"stop.?words?|negat|keep (all|the|more|every)|(clean|preprocess|prepar)\w*[\s\S]{0,40}"
        r"(text|word|input)|inputs? that (tell|say|hold)|more (informative )?(inputs|features|"
        r"columns)|raw (text|words)": {"removed": ()},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.6},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out reviews",
    good=0.88,
)
def reviews_without_small_words(
    seed,
    callbacks,
    removed=tuple(STOP_WORDS),
    epochs=12,
    units=24,
    learning_rate=0.002,
    dropout=0.3,
    initializer="glorot_uniform",
):
    """Tell good reviews from bad ones, cleaned as one does: it stays below a plain count."""
    random = start(seed)
    rows = 2200
    y = random.integers(0, 2, rows)
    denied = random.random(rows) < 0.35
    texts = []
    for label, denial in zip(y, denied, strict=True):
        text = [f"word{i}" for i in random.integers(0, 150, random.integers(4, 9))]
        for place in random.integers(0, len(text), 5):
            text.insert(place, random.choice([word for word in STOP_WORDS if word != "not"]))
        said = GOOD_WORDS if label != denial else BAD_WORDS
        place = random.integers(0, len(text) + 1)
        text[place:place] = ["not"] * int(denial) + [random.choice(said)]
        texts.append(" ".join(word for word in text if word not in removed))
    encode = layers.TextVectorization(output_sequence_length=16)
    encode.adapt(texts[:1500])
    x = np.asarray(encode(texts))

    model = keras.Sequential(
        [
            keras.Input((16,), dtype="int64"),
            layers.Embedding(encode.vocabulary_size(), 12),
            layers.Conv1D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1700], y[1500:1700]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1700:], verbose=0)[:, 0] > 0.5) == y[1700:]))


class Places(layers.Layer):
    """Add to each step what is learned of its place."""

    def build(self, shape):
        """Make one row per step."""
        self.places = self.add_weight(
            shape=shape[1:], name="places", initializer=keras.initializers.RandomNormal(0.0, 0.5)
        )

    def call(self, inputs):
        """Return the steps and where they stand."""
        return inputs + self.places


@case(
    source="https://github.com/keras-team/keras-io/issues/1894",
    cause="attention and an average do not see the order of the steps: positions are missing",
    causes="layers",
    evidence=r"position|\border\b|permut|attention|sequence of (the )?steps|"
    r"(steps?|time)[\s\S]{0,60}(order|shuffl|swap|revers|averag|pool)|pool|"
    r"averag(e|ed|es|ing) over",
    repair={"positions": True},
    advice={
        r"position": {"positions": True},
        r"\bGRU|LSTM|recurren|Conv1D|convolution": {"reader": "gru"},
        r"Flatten|instead of (the )?(averag|pool)": {"pooled": False},
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out runs",
    good=0.85,
)
def runs_of_an_engine(
    seed,
    callbacks,
    positions=False,
    reader="attention",
    pooled=True,
    epochs=12,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell rising, falling, peaked and hollow runs by a transformer: it is hardly above chance."""
    random = start(seed)
    rows, length = 1600, 20
    y = random.integers(0, 4, rows)
    ramp = np.linspace(-1, 1, length)
    tent = 1 - 2 * np.abs(ramp)
    shapes = np.stack([ramp, -ramp, tent, -tent])
    x = shapes[y] * random.uniform(0.8, 1.5, (rows, 1)) + random.normal(0, 0.3, (rows, 1))
    x = (x + random.normal(0, 0.5, (rows, length)))[..., None].astype("float32")

    runs = keras.Input((length, 1))
    seen = layers.Dense(16, kernel_initializer=initializer)(runs)
    if positions:
        seen = Places()(seen)
    if reader == "attention":
        added = layers.MultiHeadAttention(2, 8, dropout=dropout)(seen, seen)
        seen = layers.LayerNormalization()(layers.Add()([seen, added]))
        added = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.LayerNormalization()(layers.Add()([seen, layers.Dense(16)(added)]))
        seen = (layers.GlobalAveragePooling1D() if pooled else layers.Flatten())(seen)
    else:
        seen = layers.GRU(units)(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(runs, layers.Dense(4, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


@case(
    source="https://github.com/keras-team/keras/issues/8470",
    cause="an average over the whole image says what is there, not where: the place is asked for",
    causes="layers",
    evidence=r"pool|averag|(spatial|place|position|location|where)|flatten|"
    r"(layer|features?|network|model)[\s\S]{0,80}(lose|lost|discard|throw|constant|collapse|"
    r"hardly (vary|varies|differ))|bottleneck",
    repair={"head": "flatten"},
    advice={
        r"flatten|(without|instead of|remove|drop)[\s\S]{0,40}(pool|averag)|where|position|"
        r"coordinate|location": {"head": "flatten"},
        "longer": {"epochs": 36},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="R² of both coordinates on held-out plates",
    good=0.8,
)
def where_the_spot_is(
    seed,
    callbacks,
    head="average",
    epochs=12,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find a spot on a plate by a head that is fine for classes: it says the middle, always."""
    random = start(seed)
    rows, side = 1500, 18
    place = random.uniform(5, side - 6, (rows, 2))
    grid = np.arange(side)
    across = np.exp(-(((grid - place[:, :1]) / 1.2) ** 2))
    down = np.exp(-(((grid - place[:, 1:]) / 1.2) ** 2))
    strength = random.uniform(0.7, 1.3, (rows, 1, 1))
    x = strength * across[:, None, :] * down[:, :, None]
    x = (x + random.normal(0, 0.08, x.shape))[..., None].astype("float32")
    y = ((place - (side - 1) / 2) / 3).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((side, side, 1)),
            layers.Conv2D(8, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.GlobalAveragePooling2D() if head == "average" else layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(2),
        ]
    )
    model.compile(RMSprop(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1150], y[1000:1150]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1150:], model.predict(x[1150:], verbose=0))


class Bits(layers.Layer):
    """Round to 0 or 1; with `through`, gradients pass as if nothing had been rounded."""

    def __init__(self, through, rounded=True):
        super().__init__()
        self.through, self.rounded = through, rounded

    def call(self, inputs):
        """Return bits."""
        if not self.rounded:
            return inputs
        bits = ops.round(inputs)
        return inputs + ops.stop_gradient(bits - inputs) if self.through else bits


@case(
    source="https://github.com/Justin-Tan/generative-compression/issues/27",
    cause="rounding has no gradient: what comes before the bits is never trained",
    causes="layers activation",
    evidence=r"gradients?[\s\S]{0,80}(no\b|none|zero|\b0\b|missing|vanish|not|reach|pass|lack|stop|"
    r"lost|absent)|(no|zero|without|lack\w*|vanish\w*|missing) gradients?|differentiab|round|"
    r"(weights?|kernels?|layers?)[\s\S]{0,80}(never|not|hardly|do not|does not|did not|un)[\s-]?"
    r"(chang|mov|train|learn|updat)|unchanged|frozen|as (they were|initiali[sz]ed)|"
    r"straight.through",
    repair={"through": True},
    advice={
        r"straight.through|stop_gradient|surrogate|custom_gradient": {"through": True},
        r"(without|remove|instead of|no|replace|differentiable)[\s\S]{0,40}(round|sigmoid|bits|"
        r"function|operation|layer)|sigmoid (instead|alone)": {"rounded": False},
        r"(batch|layer).?norm": {"batch_norm": True},
        "longer": {"epochs": 75},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "relu": {"hidden": "relu"},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def digits_in_twelve_bits(
    seed,
    callbacks,
    through=False,
    rounded=True,
    batch_norm=False,
    hidden="relu",
    epochs=25,
    units=48,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Put digits into twelve bits that tell them: the head learns, the bits stay what they were."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, activation=hidden, kernel_initializer=initializer),
        ]
    )
    if batch_norm:
        model.add(layers.BatchNormalization())
    model.add(layers.Dense(12, activation="sigmoid"))
    model.add(Bits(through, rounded))
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:])


def hazards(y_true, y_pred):
    """Lose what a month without and a month with an event are unlikely; months unseen are 0."""
    without, with_event = ops.split(y_true, 2, axis=-1)
    chance = ops.clip(y_pred, 1e-6, 1 - 1e-6)
    return -ops.sum(without * ops.log(1 - chance) + with_event * ops.log(chance), axis=-1)


@sound(
    source="https://github.com/havakv/pycox/issues/129",
    metric="share of held-out pairs of pumps put in the right order",
    good=0.68,
)
def pumps_that_still_run(seed, callbacks):
    """Own loss: a chance of failure per month; of half of the pumps the end is not known."""
    random = start(seed)
    rows, months = 2400, 10
    x = random.normal(size=(rows, 6)).astype("float32")
    strain = 0.9 * x[:, 0] - 0.7 * x[:, 1] + 0.6 * x[:, 2] * x[:, 3]
    chance = 1 / (1 + np.exp(2.2 - strain[:, None] - 0.08 * np.arange(months)))
    fails = random.random((rows, months)) < chance
    end = np.where(fails.any(axis=1), fails.argmax(axis=1), months)
    seen = random.integers(2, months + 1, rows)
    month = np.arange(months)
    without = month < np.minimum(end, seen)[:, None]
    with_event = (month == end[:, None]) & (end < seen)[:, None]
    y = np.concatenate([without, with_event], axis=1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(24, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(16, activation="relu"),
            layers.Dense(months, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), hazards)
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    lasts = np.cumprod(1 - model.predict(x[1900:], verbose=0), axis=1).sum(axis=1)
    later = end[1900:, None] > end[None, 1900:]
    return float((lasts[:, None] > lasts[None, :])[later].mean())


@sound(
    source="https://github.com/ck37/coral-ordinal/issues/25",
    metric="weighted kappa of held-out grades",
    good=0.75,
)
def grades_in_their_order(seed, callbacks):
    """Five grades as four yes or no, each whether a grade is exceeded; graders waver."""
    random = start(seed)
    x = random.normal(size=(2400, 8)).astype("float32")
    skill = x[:, 0] + 0.8 * x[:, 1] - 0.6 * np.abs(x[:, 2]) + 0.5 * x[:, 3] * x[:, 4]
    skill += random.normal(0, 0.5, 2400)
    grade = np.digitize(skill, [-1.9, -0.9, 0.1, 1.1])
    y = (grade[:, None] > np.arange(4)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="gelu"),
            layers.Dense(16, activation="gelu"),
            layers.Dense(4, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["binary_accuracy"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = (model.predict(x[1900:], verbose=0) > 0.5).sum(axis=1)
    return float(cohen_kappa_score(grade[1900:], guess, weights="quadratic"))


def known_only(y_true, y_pred):
    """Cross-entropy where a label is known; -1 says that it is not."""
    known = ops.cast(y_true >= 0, "float32")
    chance = ops.clip(y_pred, 1e-6, 1 - 1e-6)
    loss = -y_true * ops.log(chance) - (1 - y_true) * ops.log(1 - chance)
    return ops.sum(known * loss, axis=-1) / 6


@sound(
    source="https://github.com/keras-team/keras/issues/3893",
    metric="accuracy over six properties of held-out substances",
    good=0.8,
)
def assays_mostly_not_done(seed, callbacks):
    """Multi-task: two of three labels were never measured and count in no loss."""
    random = start(seed)
    x = random.normal(size=(3600, 12)).astype("float32")
    shared = np.tanh(x @ random.normal(0, 0.5, (12, 3)))
    odds = shared @ random.normal(0, 1, (3, 6)) * 3 + random.normal(0, 0.3, (3600, 6))
    truth = (odds > 0).astype("float32")
    y = np.where(random.random(truth.shape) < 0.65, -1, truth).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(24, activation="relu"),
            layers.Dense(6, activation="sigmoid"),
        ]
    )
    model.compile(RMSprop(0.002), known_only)
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:2600], y[:2600]),
        validation_data=(x[2600:3000], y[2600:3000]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[3000:], verbose=0) > 0.5) == truth[3000:]))


def own_among_others(y_true, y_pred):
    """Cross-entropy of a reader's own book among those of the batch."""
    return ops.sparse_categorical_crossentropy(
        ops.arange(ops.shape(y_pred)[0]), y_pred, from_logits=True
    )


@sound(
    source="https://github.com/tensorflow/recommenders/issues/643",
    metric="share of held-out readers whose book is among the twenty suggested out of 150",
    good=0.62,
)
def books_for_readers(seed, callbacks):
    """Two towers: a book competes with the others of its batch, so that the loss stays high."""
    random = start(seed)
    rows, books = 4000, 150
    book = random.normal(size=(books, 6)).astype("float32")
    book *= 2.4 / np.linalg.norm(book, axis=1, keepdims=True)
    reader = random.normal(size=(rows, 8)).astype("float32")
    taste = np.tanh(reader @ random.normal(0, 0.5, (8, 6)))
    wish = 1.6 * taste @ book.T + random.gumbel(size=(rows, books))
    bought = wish.argmax(axis=1)
    y = np.zeros(rows, dtype="float32")

    who, what = keras.Input((8,)), keras.Input((6,))
    tower = {}
    for name, side in (("who", who), ("what", what)):
        seen = layers.Dense(32, activation="relu")(side)
        tower[name] = keras.Model(side, layers.Dense(8)(seen))
    match = layers.Lambda(
        lambda pair: ops.matmul(pair[0], ops.transpose(pair[1])), output_shape=(None,)
    )
    model = keras.Model([who, what], match([tower["who"](who), tower["what"](what)]))
    model.compile(Adam(0.003), own_among_others)
    model.fit(
        *([reader[:2800], book[bought[:2800]]], y[:2800]),
        validation_data=([reader[2800:3200], book[bought[2800:3200]]], y[2800:3200]),
        epochs=15,
        batch_size=40,
        callbacks=callbacks,
        verbose=0,
    )
    found = tower["who"].predict(reader[3200:], verbose=0)
    scores = found @ tower["what"].predict(book, verbose=0).T
    first = np.argsort(-scores, axis=1)[:, :20]
    return float((first == bought[3200:, None]).any(axis=1).mean())


@sound(
    source="https://analyticsindiamag.com/why-should-the-learning-rate-always-be-low/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_at_a_great_rate(seed, callbacks):
    """Large rate: plain gradient descent at 0.5 on small inputs, which stays calm."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(32, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        batch_size=64,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:])


@sound(
    source="https://blog.keras.io/using-pre-trained-word-embeddings-in-a-keras-model.html",
    metric="accuracy on held-out articles",
    good=0.88,
)
def articles_by_fixed_vectors(seed, callbacks):
    """Text: 250 articles on word vectors from many, which stay fixed: most weights never move."""
    random = start(seed)
    rows, length, words, heads = 2900, 24, 400, 5
    heard = random.dirichlet(np.full(words, 0.3), heads)
    y = random.integers(0, heads, rows)
    x = np.stack([random.choice(words, length, p=heard[label]) for label in y])
    blank = random.random(x.shape) < 0.5
    x[blank] = random.integers(0, words, blank.sum())
    counts = np.zeros((2000, words))
    np.add.at(counts, (np.arange(2000)[:, None], x[:2000]), 1)
    together = np.log1p(counts.T @ counts)
    vectors, sizes, _ = np.linalg.svd(together - together.mean(axis=0))
    vectors = standardized(vectors[:, :12] * sizes[:12])

    x, y = x[2000:], y[2000:]
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(words, 12, weights=[vectors], trainable=False),
            layers.GlobalAveragePooling1D(),
            layers.Dense(24, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(heads, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:250], y[:250]),
        validation_data=(x[250:350], y[250:350]),
        batch_size=16,
        epochs=40,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[350:], y[350:])


PROGRAMS = [
    digits_by_a_borrowed_script,
    incomes_by_trade,
    heat_of_a_town,
    advertisements_nobody_is_sure_of,
    reviews_without_small_words,
    runs_of_an_engine,
    where_the_spot_is,
    digits_in_twelve_bits,
]
SOUND = [
    pumps_that_still_run,
    grades_in_their_order,
    assays_mostly_not_done,
    books_for_readers,
    digits_at_a_great_rate,
    articles_by_fixed_vectors,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
