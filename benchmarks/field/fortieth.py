"""Twelve more field programs, whose mistakes raise nothing, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fortieth
    python benchmarks/diagnosis.py --programs fortieth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam, RMSprop

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


def letters(random, count, length):
    """Word numbers (count, length), padded behind with 0, and the subject (count,) of each."""
    subject = random.integers(0, 3, count)
    x = np.zeros((count, length), "int32")
    for row, about in zip(x, subject, strict=True):
        words = random.integers(70, 300, random.integers(5, 14))
        telling = random.random(len(words)) < 0.35
        telling[random.integers(len(words))] = True
        words[telling] = 2 + 20 * about + random.integers(0, 20, telling.sum())
        row[0] = 1  # every letter begins with the same mark
        row[1 : 1 + len(words)] = words
    return x, subject


@case(
    source="https://github.com/tensorflow/tensorflow/issues/45854",
    cause="the attention mask is true where it is padded, so attention sees the padding alone",
    causes="layers preprocessing data",
    evidence=r"mask|\bpad|attention|attend|zeros? (at the end|behind)|trailing|"
    r"(output|answer|predict|activation|layer|feature)s?[\s\S]{0,80}(same|constant|equal|hardly "
    r"(differ|var)|do(es)? not (depend|differ|vary))[\s\S]{0,60}(row|input|text|token|sample)?|"
    r"(input|token|word)s?[\s\S]{0,80}(do(es)? not reach|never reach|ignored|no influence|lost|"
    r"no effect|not used)",
    repair={"attended": "words"},
    advice={
        r"(remove|drop|without|leave out|no|omit).{0,30}mask": {"attended": "all"},
        r"mask_zero|Masking\(": {"mask_zero": True},
        r"mask|invert|attend|padding|attention": {"attended": "words"},
        r"GlobalAverage|GlobalMax|pooling": {"pooled": True},
        r"residual|skip": {},
        "longer": {"epochs": 20},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out letters",
    good=0.8,
)
def letters_and_their_subject(
    seed,
    callbacks,
    attended="padding",
    mask_zero=False,
    pooled=False,
    epochs=7,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell the subject of short letters by self-attention: a guess, though nothing complains."""
    random = start(seed)
    length = 24
    x, y = letters(random, 3000, length)
    words = keras.Input((length,), dtype="int32")
    seen = layers.Embedding(300, units, mask_zero=mask_zero)(words)
    mask = None
    if attended == "padding":
        mask = ops.equal(words, 0)[:, None, :]
    elif attended == "words":
        mask = ops.not_equal(words, 0)[:, None, :]
    told = layers.MultiHeadAttention(2, units // 2)(seen, seen, attention_mask=mask)
    seen = layers.LayerNormalization()(seen + told)
    seen = layers.GlobalAveragePooling1D()(seen) if pooled else seen[:, 0]
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(words, layers.Dense(3, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2300], y[2000:2300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2300:], y[2300:])


@case(
    source="https://github.com/acids-ircam/ddsp_pytorch/issues/37",
    cause="[encoder] * 3 is one encoder thrice: three unlike inputs are added as if exchangeable",
    causes="layers",
    evidence=r"shar(e|ed|ing|es)\b|same (layer|weight|encoder|object|instance|tower)|"
    r"one (layer|encoder|tower|set of weights)|\* ?3|list multipl|thrice|three times|reused?|"
    r"symmetr|exchang|interchang|swap|tell (the )?(three |its )?inputs? apart|"
    r"(layer|encoder|sequential)[\s\S]{0,60}(called|used|applied|serves)[\s\S]{0,40}(more than "
    r"once|several|three|3|all|every|each|twice)",
    repair={"shared": False},
    advice={
        r"concat": {"merged": "concatenate"},
        r"own (layer|encoder|weight|tower)|separate|shar|each input|comprehension|for _ in|"
        r"(independent|distinct|different|another|three|new) (layer|encoder|weight|tower|instance|"
        r"object)|clone": {"shared": False},
        "longer": {"epochs": 50},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out notes",
    good=0.75,
)
def pitch_loudness_and_touch(
    seed,
    callbacks,
    shared=True,
    merged="add",
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the brightness of a note from three groups of inputs, with an encoder for each."""
    random = start(seed)
    pitch, loudness, touch = random.normal(size=(3, 2600, 4)).astype("float32")
    y = 1.2 * pitch[:, 0] + np.abs(pitch[:, 1]) - 1.2 * loudness[:, 0] - np.abs(loudness[:, 1])
    y = y + 0.5 * touch[:, 2] * touch[:, 3] + random.normal(0, 0.2, 2600)
    x, y = [pitch, loudness, touch], standardized(y)[:, None]

    def encoder():
        first = layers.Dense(units, activation="relu", kernel_initializer=initializer)
        return keras.Sequential([first, layers.Dropout(dropout), layers.Dense(12)])

    encoders = [encoder()] * 3 if shared else [encoder() for _ in range(3)]
    inputs = [keras.Input((4,), name=name) for name in ("pitch", "loudness", "touch")]
    codes = [encode(one) for encode, one in zip(encoders, inputs, strict=True)]
    seen = layers.Concatenate()(codes) if merged == "concatenate" else layers.Add()(codes)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *([one[:1600] for one in x], y[:1600]),
        validation_data=([one[1600:1900] for one in x], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([one[1900:] for one in x], verbose=0)
    return r_squared(y[1900:, 0], guess[:, 0])


class Tiles(keras.utils.PyDataset):
    """Batches of square tiles of wide pictures, `halves` of each picture."""

    def __init__(self, pictures, masks, halves, seed):
        super().__init__()
        self.pictures, self.masks = pictures, masks
        self.random = np.random.default_rng(seed)
        self.tiles = [(row, half) for half in range(halves) for row in range(len(pictures))]
        self.on_epoch_end()

    def __len__(self):
        return len(self.tiles) // 20

    def __getitem__(self, batch):
        x, y = [], []
        for row, half in self.tiles[20 * batch : 20 * batch + 20]:
            cut = slice(20 * half, 20 * half + 20)
            x.append(self.pictures[row, :, cut])
            y.append(self.masks[row, :, cut])
        return np.stack(x), np.stack(y)

    def on_epoch_end(self):
        """Shuffle the tiles."""
        self.random.shuffle(self.tiles)


@case(
    source="https://github.com/milesial/Pytorch-UNet/pull/46",
    cause="the generator only ever cuts the left tile of a picture; the right half is never seen",
    causes="data preprocessing",
    evidence=r"\bhal(f|ves)\b|\bleft\b|\bright\b|\btiles?\b|\bcrop|"
    r"(generator|PyDataset|training (rows|data|images|inputs|set|pictures))[\s\S]{0,100}(part|"
    r"subset|only|missing|miss|never|not (cover|contain|like|drawn)|differ|narrow)|"
    r"(validation|held-out|test)[\s\S]{0,120}(distribut|other|differ|unlike|brighter|mean|range|"
    r"prepared|preprocess|never seen|not seen|wider|scale)|(distribution|covariate|domain|data)"
    r"[\s-]?(shift|drift)|(same|one) (source|distribution|preprocessing|way)",
    repair={"halves": 2},
    advice={
        r"\bhal(f|ves)\b|\bleft\b|\bright\b|\btiles?\b|\bcrop|whole (picture|image)|all (of )?"
        r"(the )?(rows|data|parts|images|pictures)|generator|PyDataset|same (way|preprocess|"
        r"source|distribution|pipeline|transform)|prepare|distribut|compare|differ|cover|"
        r"more (varied )?data|split|shuffl|mix": {"halves": 2},
        r"augment|RandomBrightness|RandomContrast|flip": {"brightness": 0.3},
        "longer": {"epochs": 20},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
    },
    metric="intersection over union on whole held-out pictures",
    good=0.75,
)
def cells_under_a_slanting_lamp(
    seed,
    callbacks,
    halves=1,
    brightness=0.0,
    scaled=False,
    epochs=8,
    units=12,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
    loss="binary_crossentropy",
):
    """Find cells in wide pictures, cut into tiles for training: good losses, poor pictures."""
    random = start(seed)
    rows = 460
    down, right = np.mgrid[:20, :40]
    x = np.where(right < 20, 0.15, 0.85) + random.normal(0, 0.05, (rows, 20, 40))
    y = np.zeros((rows, 20, 40, 1), "float32")
    for picture, mask in zip(x, y, strict=True):
        for side in (0, 20):
            for _ in range(2):
                at = random.uniform(3, 17, 2) + np.array([0, side])
                cell = np.hypot(down - at[0], right - at[1]) < random.uniform(2.0, 4.0)
                mask[cell] = 1
        cell = mask[:, :, 0] > 0
        picture[cell] = 0.5 + random.normal(0, 0.05, cell.sum())
    x = x.astype("float32")[..., None]
    if scaled:
        x = (x - x[:300].mean()) / x[:300].std()

    model = keras.Sequential([keras.Input((20, None, 1))])
    if brightness:
        model.add(layers.RandomBrightness(brightness, value_range=(0, 1)))
    for _ in range(2):
        conv = layers.Conv2D(units, 3, padding="same", kernel_initializer=initializer)
        model.add(conv)
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Conv2D(1, 1, activation="sigmoid"))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        Tiles(x[:300], y[:300], halves, seed),
        validation_data=(x[300:360], y[300:360]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess, true = model.predict(x[360:], verbose=0) > 0.5, y[360:] > 0.5
    return float((guess & true).sum() / max((guess | true).sum(), 1))


def triplet_loss(margin, each):
    """Return a loss of codes (N, 3 * size) side by side: anchor, one of its class, another."""

    def loss(_, codes):
        anchor, like, unlike = ops.split(codes, 3, axis=-1)
        nearer = ops.sum(ops.square(anchor - like), axis=-1)
        farther = ops.sum(ops.square(anchor - unlike), axis=-1)
        if each:
            return ops.mean(ops.maximum(nearer - farther + margin, 0.0))
        return ops.maximum(ops.mean(nearer - farther) + margin, 0.0)

    return loss


@case(
    source="https://github.com/akarshzingade/image-similarity-deep-ranking/issues/17",
    cause="the hinge is taken of the batch's mean, where easy triplets make up for the wrong ones",
    causes="loss",
    evidence=r"hinge|margin|triplet|maximum|\bclip|(loss)[\s\S]{0,100}(0\b|zero|vanish|flat|"
    r"stops|no gradient|satisf|average|mean|cancel|make up|compensat|per (row|sample|example)|"
    r"each (row|sample|example)|whole batch)|(no|zero|vanish\w*|without) gradients?|"
    r"gradients?[\s\S]{0,60}(0\b|zero|vanish|none|nothing)|(weights?|updates?)[\s\S]{0,60}(stop|"
    r"no longer|not (move|change)|hardly)",
    repair={"each": True},
    advice={
        r"\beach\b|\bper[- ](row|sample|example|triplet)|element-?wise|before (the )?(mean|averag)"
        r"|inside (the )?mean|every (row|triplet|sample)|maximum|hinge|own loss|custom loss|"
        r"(loss|reduce).{0,60}(row|batch|mean)|softplus": {"each": True},
        r"margin": {"margin": 20.0},
        r"UnitNorm|unit (length|norm)|l2.?normali[sz]|normali[sz]e.{0,30}(code|embedding|output)": {
            "unit": True
        },
        "longer": {"epochs": 45},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy of the nearest centre on held-out rows",
    good=0.75,
)
def codes_that_keep_apart(
    seed,
    callbacks,
    each=False,
    margin=1.0,
    unit=False,
    epochs=15,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn codes by triplets, to find rows of the same kind: the loss soon is as good as 0."""
    random = start(seed)
    x = random.normal(size=(3000, 16)).astype("float32")
    kind = 2 * (x[:, 0] + 0.5 * x[:, 1] > 0) + (np.abs(x[:, 2]) > 0.674)
    clear = (np.abs(x[:, 0] + 0.5 * x[:, 1]) > 0.2) & (np.abs(np.abs(x[:, 2]) - 0.674) > 0.1)
    x, kind = x[clear], kind[clear]
    train, valid, test = np.split(np.arange(len(x)), [1300, 1500])

    tower = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(6),
        ]
    )
    if unit:
        tower.add(layers.UnitNormalization())
    inputs = [keras.Input((16,)) for _ in range(3)]
    model = keras.Model(inputs, layers.Concatenate()([tower(one) for one in inputs]))
    model.compile(Adam(learning_rate), triplet_loss(margin, each))

    def triplets(rows, count):
        anchor, like, unlike = random.choice(rows, (3, count))
        for number, row in enumerate(anchor):
            like[number] = random.choice(rows[kind[rows] == kind[row]])
            unlike[number] = random.choice(rows[kind[rows] != kind[row]])
        return [x[anchor], x[like], x[unlike]], np.zeros((count, 1), "float32")

    model.fit(
        *triplets(train, 4000),
        validation_data=triplets(valid, 400),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    codes = tower.predict(x[train], verbose=0)
    centres = np.stack([codes[kind[train] == one].mean(axis=0) for one in range(4)])
    away = tower.predict(x[test], verbose=0)[:, None] - centres
    return float(np.mean(np.square(away).sum(axis=-1).argmin(axis=-1) == kind[test]))


class StepByStep(layers.Layer):
    """A recurrence of one's own: turns (rows, steps, inputs) to steps first, returns the last."""

    def __init__(self, units, turned, initializer):
        super().__init__()
        self.units, self.turned = units, turned
        self.inner = layers.Dense(units, kernel_initializer=initializer)
        self.again = layers.Dense(units, use_bias=False, kernel_initializer="orthogonal")

    def build(self, shape):
        """Build both kernels."""
        self.steps = shape[1]
        self.inner.build((None, None, shape[2]))
        self.again.build((None, self.units))

    def compute_output_shape(self, shape):
        """Return the shape of the last state."""
        return shape[0], self.units

    def call(self, inputs):
        """Go through the steps."""
        if self.turned == "transpose":
            inputs = ops.transpose(inputs, (1, 0, 2))
        else:
            inputs = ops.reshape(inputs, (self.steps, -1, inputs.shape[2]))
        pushed = self.inner(inputs)
        state = ops.tanh(pushed[0])
        for step in range(1, self.steps):
            state = ops.tanh(pushed[step] + self.again(state))
        return state


@case(
    source="https://learn.biosrag.com/ai/experiences/view-reshape-transpose.html",
    cause="steps are brought to the front by reshape, not transpose: rows of a batch are mixed",
    causes="layers preprocessing data",
    evidence=r"reshap|transpos|permut|\baxes\b|\baxis\b|time.?major|"
    r"(mix|mingle|scrambl|leak)\w*[\s\S]{0,60}(row|batch|sample|example|step)|"
    r"(other|different|neighbou?ring|rest|whole)[\s\S]{0,30}(rows?|samples?|examples?|batch)|"
    r"(depend|differ|chang)\w*[\s\S]{0,60}(batch|other rows|company|neighbou?r)|across (the )?batch"
    r"|(own|custom|StepByStep)[\s\S]{0,60}(layer|call|recurren)|batch (dimension|axis)",
    repair={"turned": "transpose"},
    advice={
        r"transpos|permut|reshap|axis|axes|swap|mix|own row|each row|layers\.(RNN|GRU|LSTM|"
        r"SimpleRNN)|built-in|(custom|own) layer|StepByStep|batch dimension": {
            "turned": "transpose"
        },
        r"batch_size ?= ?1\b": {"batch_size": 1, "epochs": 2},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out walks",
    good=0.75,
)
def walks_step_by_step(
    seed,
    callbacks,
    turned="reshape",
    batch_size=32,
    epochs=12,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell how tired a walker is by a recurrence written by hand: it does not learn."""
    random = start(seed)
    x = random.normal(size=(2600, 10, 3)).astype("float32")
    fade = 0.8 ** np.arange(10)[::-1]
    y = (fade * x[:, :, 0]).sum(axis=1) + 0.6 * (fade * np.abs(x[:, :, 1])).sum(axis=1)
    y = standardized(y + random.normal(0, 0.2, 2600))[:, None]

    model = keras.Sequential(
        [
            keras.Input((10, 3)),
            StepByStep(units, turned, initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1900:], batch_size=batch_size, verbose=0)
    return r_squared(y[1900:, 0], guess[:, 0])


@case(
    source="https://github.com/open-mmlab/mmdetection3d/issues/296",
    cause="seconds since 1970 become float32, 128 s coarse, before a duration is taken of them",
    causes="preprocessing data",
    evidence=r"float32|float64|precision|resolution|round|quanti[sz]|discret|multiples|coarse|"
    r"(few|only|\d+|handful of)[\s\S]{0,20}(different|distinct|unique|separate) values|timestamp|"
    r"since 1970|unix|\bdurations?\b|(digits?|decimals?)[\s\S]{0,30}(lost|cut|gone)|truncat|"
    r"(column|feature|input)s?[\s\S]{0,60}(steps? of|levels|integer|takes? (only )?\d+)|\b128\b|"
    r"duplicate|(same|equal|identical) (inputs?|rows?|x)\b[\s\S]{0,60}(differ|other|several)",
    repair={"subtracted_in": "float64"},
    advice={
        r"float64|double|precision|before (the )?cast|subtract|differences? (first|before)|"
        r"resolution|quanti[sz]|coarse|rounding|distinct|unique|timestamp|durations?|int64|"
        r"(fewer|lost) digits": {"subtracted_in": "float64"},
        r"more (rows|data)": {},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out rides",
    good=0.8,
)
def rides_from_their_times(
    seed,
    callbacks,
    subtracted_in="float32",
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the wear of short rides from when they began and ended: half of it stays noise."""
    random = start(seed)
    rows = 3000
    began = random.integers(1_600_000_000, 1_630_000_000, rows)
    took = random.integers(20, 260, rows)
    other = random.normal(size=(rows, 2))
    table = np.concatenate([began[:, None], (began + took)[:, None], other], axis=1)
    wear = took / 70 - 0.6 * np.cos(took / 25) + 0.3 * other[:, 0] + 0.2 * np.abs(other[:, 1])
    y = standardized(wear + random.normal(0, 0.1, rows))[:, None]

    def features(row, target):
        times = tf.cast(row[:, :2], subtracted_in)
        lasted = tf.cast(times[:, 1] - times[:, 0], "float32")
        lasted = (lasted - 140) / 70
        return tf.concat([lasted[:, None], tf.cast(row[:, 2:], "float32")], axis=1), target

    def flow(part, shuffled=False):
        data = tf.data.Dataset.from_tensor_slices((table[part], y[part]))
        if shuffled:
            data = data.shuffle(2000, seed=seed)
        return data.batch(32).map(features)

    model = keras.Sequential([keras.Input((3,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(RMSprop(learning_rate), "mean_squared_error")
    model.fit(
        flow(slice(0, 2000), shuffled=True),
        validation_data=flow(slice(2000, 2300)),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2300:, 0], model.predict(flow(slice(2300, rows)), verbose=0)[:, 0])


@case(
    source="https://github.com/pytorch/pytorch/issues/108956",
    cause="LayerNormalization of a single column gives zeros: the series never reaches the GRU",
    causes="layers preprocessing",
    evidence=r"layer.?norm|normali[sz]\w+[\s\S]{0,60}(layer|single|one|axis|zero|constant|remov)|(branch|layer|gru|series|sequence|output|activation)"
    r"s?[\s\S]{0,80}(constant|zeros?\b|\b0\b|same for|dead|no information|no variation|"
    r"never vari|nothing|silent|ignored|not depend)|(series|sequence|first|one|an) input"
    r"[\s\S]{0,80}(ignored|no (effect|influence)|not (used|matter|reach)|never reach|useless)|"
    r"(last|feature|channel) axis|single (column|feature|channel|value)",
    repair={"norm": None},
    advice={
        r"batch.?norm": {"norm": "batch"},
        r"axis ?= ?1|axis ?= ?-2|over (the )?(time|steps)|time axis": {"norm": "time"},
        r"(after|behind) (the )?GRU": {"norm": "after"},
        r"(remove|drop|without|leave out|omit|no|take out|delete|replace).{0,40}norm|layer.?norm|"
        r"Normalization\(|adapt|norm": {"norm": None},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on later days",
    good=0.75,
)
def a_river_and_the_calendar(
    seed,
    callbacks,
    norm="each step",
    epochs=9,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a river from its last days and the season: it only ever learns the season."""
    random = start(seed)
    days, length = 2200, 14
    level = np.zeros(days)
    for day in range(2, days):
        level[day] = 1.4 * level[day - 1] - 0.55 * level[day - 2] + random.normal(0, 0.3)
    season = 2 * np.pi * np.arange(days) / 365
    level = standardized((level + 1.2 * np.sin(season))[:, None])[:, 0]
    series = np.lib.stride_tricks.sliding_window_view(level, length)[:-1, :, None]
    calendar = np.stack([np.sin(season), np.cos(season)], axis=1)[length:].astype("float32")
    y = level[length:, None]

    inputs = [keras.Input((length, 1), name="levels"), keras.Input((2,), name="calendar")]
    seen = inputs[0]
    if norm == "each step":
        seen = layers.LayerNormalization()(seen)
    elif norm == "time":
        seen = layers.LayerNormalization(axis=1)(seen)
    elif norm == "batch":
        seen = layers.BatchNormalization()(seen)
    seen = layers.GRU(units, kernel_initializer=initializer)(seen)
    if norm == "after":
        seen = layers.LayerNormalization()(seen)
    dates = layers.Dense(8, activation="relu", kernel_initializer=initializer)(inputs[1])
    seen = layers.Dropout(dropout)(layers.Concatenate()([seen, dates]))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    model = keras.Model(inputs, layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *([series[:1400], calendar[:1400]], y[:1400]),
        validation_data=([series[1400:1700], calendar[1400:1700]], y[1400:1700]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([series[1700:], calendar[1700:]], verbose=0)
    return r_squared(y[1700:, 0], guess[:, 0])


class OwnUpdate(keras.Model):
    """A model with a training step of its own, which clips the gradients."""

    weighted = False

    def train_step(self, data):
        """Take one step, tell the loss."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            if self.weighted:
                loss = self.compute_loss(x, y, answer, weight)
            else:
                loss = self.compute_loss(x, y, answer)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, self.trainable_weights), 5.0)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for metric in self.metrics:
            metric.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/tensorflow/tensorflow/issues/43902",
    cause="the own training step drops the sample weights, so fillers of weight 0 count as labels",
    causes="loss data",
    evidence=r"weights?[\s\S]{0,160}(ignor|not (used|passed|appl|reach|enter|count)|unused|never|"
    r"no effect|train_step|dropp|lost|without|0\b|zero)|train(_|ing )step[\s\S]{0,160}weight|"
    r"sample.?weight|(targets?|labels?|\by\b|rows?)[\s\S]{0,100}(missing|filler|filled|fill|"
    r"placeholder|unlabell?ed|unknown|exactly (0|the same)|(are|is|equal) (0|zero)|zeros?\b|one "
    r"value|same value|constant)|(\d+ ?%|most|share|half|many)[\s\S]{0,60}(targets?|labels?)"
    r"[\s\S]{0,40}(\b0|zero|same|equal|identical)",
    repair={"weighted": True},
    advice={
        r"(drop|remove|leave out|exclude|without|filter|select|only).{0,60}(row|label|target|"
        r"missing|filler|unlabel|zero)": {"only_labelled": True},
        r"weight.{0,80}(train_step|compute_loss|loss)|(train_step|compute_loss).{0,80}weight|"
        r"sample.?weight|train_step|(built-in|keras.?|usual) (training )?step|mask": {
            "weighted": True
        },
        r"missing|filler|placeholder|nan|zero": {"only_labelled": True},
        "longer": {"epochs": 40},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out plots, all labelled",
    good=0.75,
)
def plots_that_nobody_weighed(
    seed,
    callbacks,
    weighted=False,
    only_labelled=False,
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the crop of plots, few of which were weighed: the forecasts are far too tame."""
    random = start(seed)
    x = random.normal(size=(5000, 5)).astype("float32")
    crop = x[:, 0] - 0.8 * x[:, 1] * x[:, 2] + 0.8 * np.abs(x[:, 3])
    y = standardized(crop + random.normal(0, 0.2, 5000))[:, None]
    known = random.random(5000) < 0.3
    known[4000:] = True
    y[~known] = 0
    weight = known.astype("float32")
    train, valid, test = np.split(np.arange(5000), [3400, 4000])
    if only_labelled:
        train = train[known[train]]
    valid = valid[known[valid]]

    inputs = keras.Input((5,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = OwnUpdate(inputs, layers.Dense(1)(seen))
    model.weighted = weighted
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[train], y[train]),
        sample_weight=weight[train],
        validation_data=(x[valid], y[valid]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[test, 0], model.predict(x[test], verbose=0)[:, 0])


@sound(
    source="https://www.tensorflow.org/tutorials/images/transfer_learning",
    metric="accuracy on held-out digits of the new classes",
    good=0.9,
)
def new_digits_on_a_frozen_base(seed, callbacks):
    """Frozen layers: a base that learned the digits 0 to 4 serves a head for 5 to 9."""
    start(seed)
    x, y = digits(seed, range(5))
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(48, 3, padding="same", activation="relu"),
            layers.Flatten(),
        ]
    )
    first = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    first.compile(Adam(0.003), "sparse_categorical_crossentropy")
    for update in range(120):
        rows = slice(update * 32 % 800, update * 32 % 800 + 32)
        first.train_on_batch(x[rows], y[rows])

    base.trainable = False
    x, y = digits(seed, range(5, 10))
    model = keras.Sequential([base, layers.Dropout(0.3), layers.Dense(5, activation="softmax")])
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:300], y[:300] - 5),
        validation_data=(x[300:450], y[300:450] - 5),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[450:], y[450:] - 5)


@sound(
    source="https://arxiv.org/abs/1705.10694",
    metric="accuracy on held-out rows with their true labels",
    good=0.9,
)
def a_third_of_the_labels_is_wrong(seed, callbacks):
    """Label noise: accuracy stays near two thirds, and the true labels are found all the same."""
    random = start(seed)
    x = random.normal(size=(7000, 8)).astype("float32")
    true = (x[:, :4].argmax(axis=1)).astype("int32")
    y = np.where(random.random(7000) < 0.4, random.integers(0, 4, 7000), true)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:5000], y[:5000]),
        validation_data=(x[5000:5800], y[5000:5800]),
        batch_size=64,
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[5800:], true[5800:])


@sound(
    source="https://arxiv.org/abs/1703.06114",
    metric="R² on held-out baskets",
    good=0.85,
)
def baskets_in_any_order(seed, callbacks):
    """Shared layers: one encoder for five goods, whose codes are added, for order means nothing."""
    random = start(seed)
    x = random.normal(size=(3000, 5, 3)).astype("float32")
    worth = np.abs(x[:, :, 0]) + 0.6 * x[:, :, 1] * (x[:, :, 2] > 0)
    y = standardized(worth.sum(axis=1) + random.normal(0, 0.15, 3000))[:, None]
    encode = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
        ]
    )
    inputs = [keras.Input((3,)) for _ in range(5)]
    total = layers.Add()([encode(one) for one in inputs])
    model = keras.Model(inputs, layers.Dense(1)(total))
    model.compile(Adam(0.004), "mean_squared_error")
    model.fit(
        *([x[:2000, good] for good in range(5)], y[:2000]),
        validation_data=([x[2000:2300, good] for good in range(5)], y[2000:2300]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([x[2300:, good] for good in range(5)], verbose=0)
    return r_squared(y[2300:, 0], guess[:, 0])


@sound(
    source="https://en.wikipedia.org/wiki/Autoencoder",
    metric="share of the best linear code's R² on held-out digits",
    good=0.93,
)
def ten_numbers_for_a_digit(seed, callbacks):
    """No activations: a linear autoencoder does what principal components can, and no more."""
    start(seed)
    x, _ = digits(seed)
    x = x.reshape(-1, 64)
    middle = x[:1300].mean(axis=0)
    x = x - middle
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dense(10, use_bias=False), layers.Dense(64)]
    )
    model.compile(Adam(0.005), "mean_squared_error")
    model.fit(
        *(x[:1300], x[:1300]),
        validation_data=(x[1300:1500], x[1300:1500]),
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    axes = np.linalg.svd(x[:1300], full_matrices=False)[2][:10]
    best = r_squared(x[1500:].ravel(), (x[1500:] @ axes.T @ axes).ravel())
    return r_squared(x[1500:].ravel(), model.predict(x[1500:], verbose=0).ravel()) / best


PROGRAMS = [
    letters_and_their_subject,
    pitch_loudness_and_touch,
    cells_under_a_slanting_lamp,
    codes_that_keep_apart,
    walks_step_by_step,
    rides_from_their_times,
    a_river_and_the_calendar,
    plots_that_nobody_weighed,
]
SOUND = [
    new_digits_on_a_frozen_base,
    a_third_of_the_labels_is_wrong,
    baskets_in_any_order,
    ten_numbers_for_a_digit,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
