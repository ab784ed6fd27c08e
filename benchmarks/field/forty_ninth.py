"""Twelve more field programs, of silent mistakes, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_ninth
    python benchmarks/diagnosis.py --programs forty_ninth
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


@case(
    source="https://github.com/partha2409/DCASE2025_seld_baseline/issues/2",
    cause="clips are stacked window by window, np.repeat orders labels by recording; tile repairs",
    causes="data preprocessing",
    evidence=r"(label|target|\by\b|class)(s|es)?[\s\S]{0,120}(not (match|fit|belong|go|lie|align|"
    r"depend|relate|follow)|align|mismatch|pair|order|shuffl|unrelated|random|noise|wrong|another|"
    r"other|repeat|tile|independent|no (relation|signal|information)|nothing|mixed)|"
    r"(pair|align|shuffl|mismatch|order|unrelated|wrong|random)\w*[\s\S]{0,80}(label|target|\by\b|"
    r"row|input)|np\.(repeat|tile)|inputs?[\s\S]{0,60}(tell|say|carry|explain)[\s\S]{0,30}"
    r"(nothing|little|no)",
    repair={"labels": "tile"},
    advice={
        r"tile|repeat|pair|align|same order|(label|target)s?[\s\S]{0,60}(row|order|match|belong|"
        r"check|correspond|fit|its|their)|(match|belong|row|order|check)\w*[\s\S]{0,60}"
        r"(label|target)|mismatch|shuffl": {"labels": "tile"},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on clips of held-out recordings",
    good=0.8,
)
def clips_of_recordings(
    seed,
    callbacks,
    labels="repeat",
    epochs=12,
    units=16,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Cut every recording into four clips and tell the machine: accuracy remains at chance."""
    random = start(seed)
    count, length, window = 600, 256, 64
    machine = random.integers(0, 4, count)
    time = np.arange(length) / window
    pitch = np.array([3.0, 5.0, 7.0, 10.0])[machine][:, None] + random.normal(0, 0.3, (count, 1))
    sounds = np.sin(2 * np.pi * (pitch * time + random.random((count, 1))))
    sounds = (sounds + random.normal(0, 0.8, sounds.shape)).astype("float32")

    def clips(rows, order):
        cut = [sounds[rows, at : at + window] for at in range(0, length, window)]
        known = np.repeat(machine[rows], 4) if order == "repeat" else np.tile(machine[rows], 4)
        return np.concatenate(cut)[:, :, None], known

    model = keras.Sequential(
        [
            keras.Input((window, 1)),
            layers.Conv1D(units, 9, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling1D(2),
            layers.Conv1D(2 * units, 7, activation="relu", kernel_initializer=initializer),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(dropout),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *clips(slice(0, 320), labels),
        validation_data=clips(slice(320, 400), labels),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, *clips(slice(400, 600), "tile"))


class Drawn(keras.utils.PyDataset):
    """Batches of a small pool of images, moved a little, which is held in memory."""

    def __init__(self, x, y, size, random):
        super().__init__()
        self.x, self.y, self.size, self.random = x, y, size, random
        self.draw()

    def draw(self):
        """Load another pool."""
        rows = self.random.choice(len(self.x), self.size, replace=False)
        self.pool = self.x[rows], self.y[rows]

    def __len__(self):
        return self.size // 10

    def __getitem__(self, batch):
        rows = slice(10 * batch, 10 * batch + 10)
        return self.pool[0][rows], self.pool[1][rows]


class DrawnAtStart(Drawn):
    """Draw at the start of epochs."""

    def on_epoch_start(self):
        """Load another pool."""
        self.draw()


class DrawnAtEnd(Drawn):
    """Draw at the end of epochs."""

    def on_epoch_end(self):
        """Load another pool."""
        self.draw()


@case(
    source="https://github.com/mpkuse/cartwheel_train/issues/7",
    cause="Keras calls no on_epoch_start: the first thirty images come at every epoch",
    causes="data regularization epochs",
    evidence=r"on_epoch|same (\d+ |few |small )?(row|image|sample|batch|data|pool|example)|pool|"
    r"overfit|by heart|memori[sz]|generali[sz]|(few|small|little|only|\d+|"
    r"more)[\s\S]{0,40}(distinct |"
    r"different |training |unique )?(row|image|sample|example|data)|repeat|never (refresh|redrawn|"
    r"change|new)|valid\w*[\s\S]{0,120}(rise|rises|rising|rose|grow|increas|worse|higher|above|gap|"
    r"below|fall|far|best|lower)|(gap|difference)[\s\S]{0,60}(train|valid)",
    repair={"redrawn": True},
    advice={
        r"on_epoch|refresh|redraw|re-?load|draw (again|new|other|another)|(new|other|fresh|"
        r"different) (rows|images|samples|batches|pool)|whole (data|set)|all (the )?(data|rows|"
        r"images|samples)|same (rows|images|samples|batch)": {"redrawn": True},
        r"more (training )?(data|rows|examples|samples|images)|larger pool|collect": {"pool": 400},
        r"early.?stop|best epoch|restore_best|fewer epochs": {"stop": True},
        r"augment": {"moved": True},
        r"fewer units|smaller (network|model|layer)|less capacity": {"units": 8},
        "longer": {"epochs": 200},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out digits",
    good=0.85,
)
def digits_from_a_pool(
    seed,
    callbacks,
    redrawn=False,
    pool=30,
    stop=False,
    moved=False,
    epochs=60,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Load some images at a time: no error is left in training, many are in validation."""
    random = start(seed)
    x, y = digits(seed)

    model = keras.Sequential([keras.Input((8, 8, 1))])
    if moved:
        model.add(layers.RandomTranslation(0.1, 0.1, fill_mode="constant"))
    for _ in range(2):
        model.add(layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer))
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=15, restore_best_weights=True)] if stop else []
    kind = DrawnAtEnd if redrawn else DrawnAtStart
    model.fit(
        kind(x[:1200], y[:1200], pool, random),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@case(
    source="https://github.com/keras-team/keras/issues/287",
    cause="long series are cut at their end, and it is the last months that tell; cut in front",
    causes="preprocessing data",
    evidence=r"truncat|(cut|chop|clip|trim|crop)[\s\S]{0,60}(series|sequence|end|step|length|row|"
    r"month|off|short)|maxlen|pad_sequences|(last|latest|recent|final|later|end)[\s\S]{0,40}(step|"
    r"month|value|part|of the (series|sequence))[\s\S]{0,60}(lost|missing|cut|gone|not|drop|remov)|"
    r"window|(inputs?|data|series|sequences?|features?)[\s\S]{0,100}(no (information|signal|"
    r"relation)"
    r"|nothing|tell|unrelated|independent|uninformative|carry|lack|not (explain|predict|depend|"
    r"contain))|preprocess",
    repair={"truncating": "pre"},
    advice={
        r"truncat|pre\b|(keep|use|take)[\s\S]{0,40}(last|latest|recent|end)|in front|cut|trim|"
        r"other end|preprocess|pad": {"truncating": "pre"},
        r"maxlen|longer (window|sequence|series)|whole (series|sequence)|more steps|"
        r"all (the )?(steps|months)|length": {"length": 120},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out companies",
    good=0.8,
)
def companies_that_are_bought(
    seed,
    callbacks,
    truncating="post",
    length=36,
    epochs=7,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell from monthly figures whether a company is bought next: no better than a coin."""
    random = start(seed)
    series, bought = [], []
    for _ in range(2400):
        months = random.integers(50, 120)
        figures = random.normal(size=(months, 3))
        figures[1:] += 0.4 * figures[:-1]
        score = figures[-6:, 0].mean() - 0.7 * figures[-4:, 1].mean() + random.normal(0, 0.05)
        series.append(figures)
        bought.append(score > 0)
    y = np.array(bought, "float32")
    x = keras.utils.pad_sequences(
        series, maxlen=length, dtype="float32", padding="pre", truncating=truncating
    )

    model = keras.Sequential(
        [
            keras.Input((length, 3)),
            layers.Masking(0.0),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1800], y[1500:1800]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1800:], verbose=0)[:, 0] > 0.5) == y[1800:]))


class Denoiser(keras.Model):
    """Add noise to what comes, and learn to take it away."""

    def __init__(self, inputs, outputs, against, noise):
        super().__init__(inputs, outputs)
        self.against, self.noise = against, noise
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return [self.loss_tracker]

    def error(self, x, training):
        """Compute the mean squared error of a batch."""
        clean = x
        x = x + tf.random.normal(tf.shape(x), stddev=self.noise)
        guess = self(x, training=training)
        return tf.reduce_mean(tf.square((x if self.against == "noisy" else clean) - guess))

    def train_step(self, data):
        """Take one step, tell the loss."""
        with tf.GradientTape() as tape:
            loss = self.error(data, training=True)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        """Tell the loss."""
        self.loss_tracker.update_state(self.error(data, training=False))
        return {"loss": self.loss_tracker.result()}


@case(
    source="https://github.com/keon/3-min-pytorch/issues/18",
    cause="the step compares the output with the noisy signal, so the network learns to copy",
    causes="loss data",
    evidence=r"nois(e|y)|clean|identity|cop(y|ies)|target[\s\S]{0,80}(same|input|corrupt|equal)|"
    r"(input|same)[\s\S]{0,60}target|corrupt|(own|custom|hand\w*)[\s\S]{0,40}(train_step|"
    r"training step|loss)|train_step|(reconstruct|output)\w*[\s\S]{0,60}(input|itself)",
    repair={"against": "clean"},
    advice={
        r"clean|noise|noisy|target|compare|train_step|training step|against|own loss": {
            "against": "clean"
        },
        r"bottleneck|fewer (units|filters|channels)|smaller (network|model|layer)|narrow": {
            "units": 4
        },
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the clean values of held-out signals",
    good=0.5,
)
def signals_with_hum(
    seed,
    callbacks,
    against="noisy",
    epochs=12,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Clean slow signals by a step of my own: the loss falls to almost nothing, the noise stays."""
    random = start(seed)
    time = np.arange(64) / 64

    def wave(most):
        speed, phase = random.uniform(0.5, most, (1200, 1)), random.random((1200, 1))
        return np.sin(2 * np.pi * (speed * time + phase))

    x = (wave(2) + 0.7 * wave(4)).astype("float32")[:, :, None]
    x /= x.std()

    inputs = keras.Input((64, 1))
    seen = inputs
    for _ in range(3):
        options = {"activation": "relu", "padding": "same", "kernel_initializer": initializer}
        seen = layers.Conv1D(units, 7, **options)(seen)
        seen = layers.Dropout(dropout)(seen)
    outputs = layers.Conv1D(1, 5, padding="same")(seen)
    model = Denoiser(inputs, outputs, against, noise=1.0)
    model.compile(Adam(learning_rate))
    model.fit(
        tf.data.Dataset.from_tensor_slices(x[:800]).shuffle(800, seed=seed).batch(16),
        validation_data=tf.data.Dataset.from_tensor_slices(x[800:900]).batch(50),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    noisy = x[900:] + random.normal(0, 1, x[900:].shape).astype("float32")
    return r_squared(x[900:].ravel(), model.predict(noisy, verbose=0).ravel())


@case(
    source="https://github.com/keras-team/keras/issues/3422",
    cause="each pixel is standardized over its own three channels instead of over its image",
    causes="preprocessing data",
    evidence=r"\baxis\b|\baxes\b|channel|per[- ]?pixel|each pixel|(standardi[sz]|normali[sz])\w*|"
    r"brightness|inputs?[\s\S]{0,100}(noise|no (information|signal|relation|structure)|nothing|"
    r"unrelated|independent|uninformative|lost|little|tell)|preprocess|"
    r"(inputs?|images?|pixels?|data)[\s\S]{0,80}(destroy|lost|lose|remove|random)",
    repair={"axes": "image"},
    advice={
        r"\baxis\b|\baxes\b|channel|per[- ]image|whole image|over the (image|rows)|spatial|"
        r"preprocess|samplewise|per[- ]sample|(standardi[sz]|normali[sz])\w*|255|Rescaling": {
            "axes": "image"
        },
        "scaled": {"axes": "image"},
        r"early.?stop|best epoch|restore_best": {"stop": True},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out photographs of digits",
    good=0.88,
)
def photographs_of_digits(
    seed,
    callbacks,
    axes="channels",
    stop=False,
    epochs=10,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell digits in photographs of three channels, standardized each: nothing is learnt."""
    random = start(seed)
    x, y = digits(seed)
    light = random.uniform(0.6, 1.4, (len(x), 1, 1, 1))
    x = 255 * (0.1 + 0.6 * x * light + random.normal(0, 0.03, (len(x), 8, 8, 3)))
    x = np.clip(x, 0, 255).round().astype("float32")
    over = (0, 1, 2) if axes == "image" else -1

    def prepare(image, label):
        image = image - tf.reduce_mean(image, axis=over, keepdims=True)
        return image / (tf.math.reduce_std(image, axis=over, keepdims=True) + 1e-6), label

    def images(rows):
        return tf.data.Dataset.from_tensor_slices((x[rows], y[rows])).map(prepare)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=3, restore_best_weights=True)] if stop else []
    model.fit(
        images(slice(0, 1200)).cache().shuffle(1200, seed=seed).batch(32),
        validation_data=images(slice(1200, 1400)).batch(100),
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, images(slice(1400, None)).batch(100), y[1400:])


class Placed(layers.Layer):
    """Embed words and their places."""

    def __init__(self, words, places, units):
        super().__init__()
        self.words, self.places = layers.Embedding(words, units), layers.Embedding(places, units)

    def call(self, x):
        """Add both."""
        return self.words(x) + self.places(ops.arange(x.shape[1]))


@case(
    source="https://github.com/pytorch/tutorials/issues/2478",
    cause="without a causal mask the attention reads the very words that it is to foretell",
    causes="layers data",
    evidence=r"causal|look[- ]?ahead|future|leak|mask|(next|following|later|coming) (word|token|"
    r"step|"
    r"position|note|value)|cop(y|ies)|shift|cheat|target[\s\S]{0,80}(in|among|part of|seen|contain|"
    r"appear|visible)[\s\S]{0,30}input|inputs?[\s\S]{0,60}(contain|hold|include|reveal|show|give)"
    r"\w*[\s\S]{0,40}(target|answer|label)|too (good|easy)|attention",
    repair={"causal": True},
    advice={
        r"causal|mask|look[- ]?ahead|future|leak|later (steps|words|positions)": {"causal": True},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="share of notes foretold after the first eight of held-out tunes",
    good=0.6,
)
def tunes_that_go_on(
    seed,
    callbacks,
    causal=False,
    epochs=14,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Let attention continue tunes: nearly every note is right in training, few when it plays."""
    random = start(seed)
    notes, length = 8, 17
    table = random.integers(1, notes + 1, (notes + 1, notes + 1))
    tunes = random.integers(1, notes + 1, (3000, length))
    for at in range(2, length):
        free = random.random(3000) < 0.12
        tunes[:, at] = np.where(free, tunes[:, at], table[tunes[:, at - 1], tunes[:, at - 2]])
    x, y = tunes[:, :-1].astype("int32"), tunes[:, 1:]

    inputs = keras.Input((length - 1,), dtype="int32")
    seen = Placed(notes + 1, length - 1, units)(inputs)
    attention = layers.MultiHeadAttention(2, units // 2, dropout=dropout)
    seen = layers.Add()([seen, attention(seen, seen, use_causal_mask=causal)])
    seen = layers.LayerNormalization()(seen)
    wide = layers.Dense(4 * units, activation="relu", kernel_initializer=initializer)(seen)
    wide = layers.Dropout(dropout)(wide)
    seen = layers.Add()([seen, layers.Dense(units)(wide)])
    outputs = layers.Dense(notes + 1, activation="softmax")(layers.LayerNormalization()(seen))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2200], y[2000:2200]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    begun = x[2200:].copy()
    begun[:, 8:] = 0  # still to be played
    true = table[begun[:, 7], begun[:, 6]]
    return float(np.mean(model.predict(begun, verbose=0)[:, 7].argmax(axis=-1) == true))


@case(
    source="https://github.com/google/automl/pull/883",
    cause="the running average is written into the weights after every update and holds them back",
    causes="optimizer learning_rate epochs",
    evidence=r"\bema\b|ema_|average|averag|overwr|momentum|(weights?|updates?|steps?|layers?|"
    r"kernels?)[\s\S]{0,80}(hardly|barely|tiny|small|slow|moved?|little|not chang|stuck|stand)|"
    r"(learning.?rate|\brate\b)[\s\S]{0,100}(small|tiny|low|slow|too)|slow(ly)?\b|still (falling|"
    r"improving|learning|decreas)|too few (updates|steps|epochs)|not (yet )?(finished|converged)",
    repair={"overwrite": None},
    advice={
        r"\bema\b|ema_|averag|overwr": {"overwrite": None},
        r"\w\(learning_rate=0?\.0*3\b": {"overwrite": None, "learning_rate": 0.003},
        r"Adam\(|new optimizer|plain|default (optimizer|settings)": {
            "overwrite": None,
            "learning_rate": 0.001,
        },
        r"momentum": {"momentum": 0.9},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out flats",
    good=0.75,
)
def rents_of_flats(
    seed,
    callbacks,
    overwrite=1,
    momentum=0.99,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell rents from numbers and the quarter, with averaged weights: it hardly learns."""
    random = start(seed)
    x = random.normal(size=(2400, 5)).astype("float32")
    quarter = random.integers(0, 12, 2400)
    level = random.normal(0, 1, 12)[quarter]
    rent = x[:, 0] + 0.6 * x[:, 1] * x[:, 2] - 0.5 * np.abs(x[:, 3]) + level
    y = standardized(rent + random.normal(0, 0.2, 2400))[:, None]

    numbers, place = keras.Input((5,)), keras.Input((1,), dtype="int32")
    seen = layers.Flatten()(layers.Embedding(12, 4)(place))
    seen = layers.Concatenate()([numbers, seen])
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = keras.Model([numbers, place], layers.Dense(1)(seen))
    averaged = {"use_ema": True, "ema_momentum": momentum, "ema_overwrite_frequency": overwrite}
    model.compile(Adam(learning_rate, **averaged), "mean_squared_error")
    quarter = quarter[:, None].astype("int32")
    model.fit(
        *([x[:1600], quarter[:1600]], y[:1600]),
        validation_data=([x[1600:1900], quarter[1600:1900]], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([x[1900:], quarter[1900:]], verbose=0)
    return r_squared(y[1900:, 0], guess[:, 0])


def strands(random, count):
    """Draw letters (N, 36) of 0 to 3, and whether TATAAT stands in them, or parts of it."""
    y = random.integers(0, 2, count)
    rows = []
    for told in y:
        row = list(random.integers(0, 4, 24))
        for _ in range(2):
            at = random.integers(0, len(row) + 1)
            row[at:at] = [3, 0, 3, 0, 0, 3] if told else [3, 3, 3]
        for _ in range(0 if told else 6):
            row.insert(random.integers(0, len(row) + 1), 0)
        rows.append(row)
    return np.array(rows, "int32"), y.astype("float32")


@case(
    source="https://github.com/keras-team/keras/pull/2693",
    cause="mask_zero hides the letter that has the number 0; numbers from 1 on repair it",
    causes="preprocessing layers data",
    evidence=r"mask|(index|number|letter|token|value|word|code|id|input)s? (of )?0\b|\bzeros?\b|"
    r"pad(ding)?|skip|ignor|reserved|starts? (at|with|from)",
    repair={"first": 1},
    advice={
        r"mask_zero ?= ?False|(without|remove|drop|no|switch off|turn off).{0,25}mask": {
            "mask": False
        },
        r"(index|number|count|start|begin|shift|token|id|letter|code)\w*[\s\S]{0,40}(1\b|one\b)|"
        r"\+ ?1|reserve|offset|shift": {"first": 1},
        r"mask|pad": {"mask": False},
        "longer": {"epochs": 24},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out strands",
    good=0.8,
)
def strands_with_a_box(
    seed,
    callbacks,
    first=0,
    mask=True,
    epochs=8,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find promoters in strands of A, C, G and T: no better than a coin."""
    random = start(seed)
    x, y = strands(random, 3600)
    x = x + first

    model = keras.Sequential(
        [
            keras.Input((36,), dtype="int32"),
            layers.Embedding(4 + first, 8, mask_zero=mask),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(RMSprop(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2800], y[2400:2800]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[2800:], verbose=0)[:, 0] > 0.5) == y[2800:]))


@sound(
    source="https://machinelearningmastery.com/lstm-autoencoders/",
    metric="R² of held-out curves",
    good=0.85,
)
def curves_told_backwards(seed, callbacks):
    """Order: the decoder of curves writes them from their end on, which is meant so."""
    random = start(seed)
    time = np.arange(16) / 16
    speed, phase, level = (random.random((1600, 1)) for _ in range(3))
    x = np.sin(2 * np.pi * ((0.5 + speed) * time + phase)) + level
    x = x.astype("float32")[:, :, None]
    model = keras.Sequential(
        [
            keras.Input((16, 1)),
            layers.LSTM(32),
            layers.Dense(6),
            layers.RepeatVector(16),
            layers.LSTM(32, return_sequences=True),
            layers.TimeDistributed(layers.Dense(1)),
        ]
    )
    model.compile(Adam(0.005), "mean_squared_error")
    model.fit(
        *(x[:1100], x[:1100, ::-1]),
        validation_data=(x[1100:1300], x[1100:1300, ::-1]),
        batch_size=32,
        epochs=11,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1300:], verbose=0)[:, ::-1]
    return r_squared(x[1300:].ravel(), guess.ravel())


@sound(
    source="https://www.tensorflow.org/guide/keras/functional",
    metric="the worse of the accuracy of the digit and R² of its ink, held-out digits",
    good=0.85,
)
def the_digit_and_its_ink(seed, callbacks):
    """Two outputs: losses of different scales, which loss_weights bring together."""
    start(seed)
    x, y = digits(seed)
    ink = x.sum(axis=(1, 2, 3)) * 10  # in hundreds
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(16, 3, activation="relu")(inputs)
    seen = layers.Flatten()(layers.Conv2D(16, 3, activation="relu")(seen))
    digit = layers.Dense(10, activation="softmax", name="digit")(seen)
    bias = keras.initializers.Constant(float(ink[:1200].mean()))
    amount = layers.Dense(1, bias_initializer=bias, name="ink")(seen)
    model = keras.Model(inputs, {"digit": digit, "ink": amount})
    model.compile(
        Adam(0.003),
        {"digit": "sparse_categorical_crossentropy", "ink": "mean_squared_error"},
        loss_weights={"digit": 1.0, "ink": 1e-3},
        metrics={"digit": ["accuracy"]},
    )
    model.fit(
        *(x[:1200], {"digit": y[:1200], "ink": ink[:1200, None]}),
        validation_data=(x[1200:1400], {"digit": y[1200:1400], "ink": ink[1200:1400, None]}),
        batch_size=32,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1400:], verbose=0)
    right = float(np.mean(guess["digit"].argmax(axis=-1) == y[1400:]))
    return min(right, r_squared(ink[1400:], guess["ink"][:, 0]))


class Hardened(keras.Model):
    """Learn from inputs that are moved against the network."""

    def train_step(self, data):
        """Move the inputs along the sign of their gradient, then take one step."""
        x, y = data
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = self.compute_loss(x, y, self(x, training=False))
        x = x + 0.08 * tf.sign(tape.gradient(loss, x))
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, guess)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://www.tensorflow.org/tutorials/generative/adversarial_fgsm",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_that_fight_back(seed, callbacks):
    """Step: inputs are moved against the network, so training is harder than validation."""
    start(seed)
    x, y = digits(seed)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Dense(96, activation="relu")(layers.Flatten()(inputs))
    seen = layers.Dense(64, activation="relu")(seen)
    model = Hardened(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=32,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://www.tensorflow.org/guide/keras/transfer_learning",
    metric="accuracy on held-out digits from 5 to 9",
    good=0.9,
)
def a_base_that_stays(seed, callbacks):
    """Frozen: a base that knows the digits from 0 to 4 stays as it is, a head learns the others."""
    random = start(seed)
    x, y = digits(seed, range(5))
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(24, 3, activation="relu"),
            layers.BatchNormalization(momentum=0.9),
            layers.Flatten(),
        ]
    )
    teacher = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    teacher.compile(Adam(0.003), "sparse_categorical_crossentropy")
    for _ in range(200):
        rows = random.integers(0, len(x), 32)
        teacher.train_on_batch(x[rows], y[rows])
    base.trainable = False

    x, y = digits(seed, range(5, 10))
    y = y - 5
    inputs = keras.Input((8, 8, 1))
    seen = layers.Dropout(0.3)(base(inputs, training=False))
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(seen))
    model.compile(Adam(0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:400], y[:400]),
        validation_data=(x[400:550], y[400:550]),
        batch_size=32,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[550:], y[550:])


PROGRAMS = [
    clips_of_recordings,
    digits_from_a_pool,
    companies_that_are_bought,
    signals_with_hum,
    photographs_of_digits,
    tunes_that_go_on,
    rents_of_flats,
    strands_with_a_box,
]
SOUND = [
    curves_told_backwards,
    the_digit_and_its_ink,
    digits_that_fight_back,
    a_base_that_stays,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
