"""Twelve more field programs, asked as people ordinarily ask, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_fifth
    python benchmarks/diagnosis.py --programs forty_fifth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import Adam, RMSprop
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

SIZE = 16  # pixels of a road sign's side


def signs(random, count):
    """Pictures (count, 16, 16, 3) of 0 to 255 in red, green, blue, and their six kinds (count,)."""
    kinds = random.integers(0, 6, count)
    paints = np.array([[190, 60, 50], [60, 80, 190], [80, 165, 90]])
    down, right = np.mgrid[:SIZE, :SIZE]
    pictures = random.normal(110, 12, (count, SIZE, SIZE, 3))
    for picture, kind in zip(pictures, kinds, strict=True):
        at, radius = random.uniform(6, 10, 2), random.uniform(3.5, 5)
        away = np.abs(down - at[0]), np.abs(right - at[1])
        inside = np.hypot(*away) < radius if kind < 3 else away[0] < 0.4 * radius
        picture[inside] = paints[kind % 3] + random.normal(0, 12, (inside.sum(), 3))
        picture *= random.uniform(0.75, 1.2)
    return np.clip(pictures, 0, 255).astype("uint8"), kinds


@case(
    source="https://github.com/rodrigo2019/keras_yolo2/issues/19",
    cause="the frames of the camera come as blue, green, red; those of the training do not",
    causes="data preprocessing",
    evidence=r"\b(rgb|bgr)\b|channel|colou?r|(validation|held-?out|valid|test|unseen|field)"
    r"[\s\S]{0,160}(other (data|source|distribution|way)|distribut|not (like|drawn|alike)|prepar|"
    r"preprocess|differ|same (way|pipeline|source))|(distribution|covariate|domain|data)[\s-]?"
    r"(shift|drift)|(prepar|preprocess|read|load)\w*[\s\S]{0,80}(differ|same|other|alike)|"
    r"(training|train)[\s\S]{0,100}differ\w*[\s\S]{0,60}(valid|held)",
    repair={"converted": True},
    advice={
        r"\b(rgb|bgr)\b|cvtColor|channel|colou?r|(same|one|identical) (preprocess|prepar|way|"
        r"pipeline|source|distribution|order|function)|prepare|differ|distribut|compare|look at|"
        r"(preprocess|read|load)\w*.{0,60}(same|alike|as)": {"converted": True},
        r"augment": {"jitter": 0.2},
        r"gr[ae]y": {"gray": True},
        "longer": {"epochs": 24},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on frames of the camera",
    good=0.85,
)
def signs_beside_the_road(
    seed,
    callbacks,
    converted=False,
    gray=False,
    jitter=0.0,
    epochs=12,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell road signs apart: nearly perfect on the collected pictures, poor behind the camera."""
    random = start(seed)
    pictures, kinds = signs(random, 1200)
    frames, seen = signs(random, 900)
    if not converted:
        frames = frames[..., ::-1]  # as the camera's library hands them over

    def prepare(picture, kind):
        picture = tf.cast(picture, "float32") / 255
        return (tf.image.rgb_to_grayscale(picture) if gray else picture), kind

    def rows(x, y):
        return tf.data.Dataset.from_tensor_slices((x, y)).map(prepare)

    model = keras.Sequential([keras.Input((SIZE, SIZE, 1 if gray else 3))])
    if jitter:
        model.add(layers.RandomBrightness(jitter, value_range=(0, 1)))
    for width in (units, 2 * units):
        model.add(
            layers.Conv2D(
                width, 3, padding="same", activation="relu", kernel_initializer=initializer
            )
        )
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(6, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        rows(pictures, kinds).shuffle(1200, seed=seed).batch(32).prefetch(2),
        validation_data=rows(frames[:300], seen[:300]).batch(100),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(rows(frames[300:], seen[300:]).batch(100), verbose=0)
    return float(np.mean(guess.argmax(axis=1) == seen[300:]))


class Variational(keras.Model):
    """A variational autoencoder with steps of its own."""

    def __init__(self, encoder, decoder, pixels, weight, warm_up, seed):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.pixels, self.weight, self.warm_up = pixels, weight, warm_up
        self.random = keras.random.SeedGenerator(seed)
        names = "loss", "reconstruction_loss", "kl_loss"
        self.trackers = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return self.trackers

    def call(self, x):
        """Return the picture that belongs to the mean of the code."""
        return self.decoder(ops.split(self.encoder(x), 2, axis=-1)[0])

    def losses_of(self, x):
        """Return the whole loss, that of the pixels and the divergence."""
        mean, log_variance = ops.split(self.encoder(x), 2, axis=-1)
        noise = keras.random.normal(ops.shape(mean), seed=self.random)
        again = self.decoder(mean + ops.exp(0.5 * log_variance) * noise)
        total = ops.sum if self.pixels == "sum" else ops.mean
        pixels = ops.mean(total(ops.square(x - again), axis=(1, 2, 3)))
        bits = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
        divergence = ops.mean(-0.5 * ops.sum(bits, axis=-1))
        weight = self.weight
        if self.warm_up:
            weight *= ops.minimum(1.0, ops.cast(self.optimizer.iterations, "float32") / 300)
        return pixels + weight * divergence, pixels, divergence

    def tell(self, losses):
        """Note the three losses."""
        for tracker, value in zip(self.trackers, losses, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def train_step(self, data):
        """Take one step."""
        x = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            losses = self.losses_of(x)
        variables = self.trainable_variables
        gradients = tape.gradient(losses[0], variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self.tell(losses)

    def test_step(self, data):
        """Tell the losses."""
        return self.tell(self.losses_of(data[0] if isinstance(data, tuple) else data))


@case(
    source="https://github.com/AppliedDataSciencePartners/WorldModels/issues/12",
    cause="the pixels' error is averaged, the divergence summed: this rules, and the code is empty",
    causes="loss regularization",
    evidence=r"\bkl\b|kl_loss|diverg|collaps|posterior|latent|\bcode|encoder|bottleneck|reconstruct|"
    r"(weight|scale|balance|term|part)s?\b[\s\S]{0,80}loss|loss[\s\S]{0,80}(weight|balance|term|"
    r"part)|(same|constant|mean|average|one) (output|picture|image|answer|prediction|value)|"
    r"(output|prediction|answer|picture)s?[\s\S]{0,80}(same|constant|hardly|not depend|alike|mean)",
    repair={"pixels": "sum", "weight": 0.3},
    advice={
        r"\bsum|reduce_sum|number of pixels|per (image|picture|row)|multiply the reconstr|"
        r"(more|larger|raise|higher|increase).{0,40}reconstruct": {"pixels": "sum", "weight": 0.3},
        r"anneal|warm|free.?bits|slowly": {"warm_up": True},
        r"(lower|smaller|reduce|less|divide|down|drop|without|remove).{0,40}(\bkl|diverg|weight|"
        r"beta|penalt|regulari)|\bkl|beta|diverg|balance|loss_weights|weight of|scale of": {
            "weight": 0.003
        },
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
        "relu": {},
    },
    metric="share of the held-out pixels' variance that is reconstructed",
    good=0.4,
)
def digits_from_a_code(
    seed,
    callbacks,
    pixels="mean",
    weight=1.0,
    warm_up=False,
    epochs=20,
    units=96,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Compress digits to a code of six numbers: every reconstruction is the same blur."""
    start(seed)
    x, _ = digits(seed)
    relu = {"activation": "relu", "kernel_initializer": initializer}
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, **relu),
            layers.Dropout(dropout),
            layers.Dense(12),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units, **relu),
            layers.Dense(64, activation="sigmoid"),
            layers.Reshape((8, 8, 1)),
        ]
    )
    model = Variational(encoder, decoder, pixels, weight, warm_up, seed)
    model.compile(Adam(learning_rate))
    model.fit(
        x[:1200],
        validation_data=(x[1200:1400],),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    test = x[1400:]
    wrong = np.mean((model.predict(test, verbose=0) - test) ** 2)
    return float(1 - wrong / np.mean((test - x[:1200].mean(axis=0)) ** 2))


@case(
    source="https://geeksmental.com/question/convolutional-neural-network-overfitting",
    cause="some hundred noisy recordings are learned by heart by a wide layer on all time steps",
    causes="layers epochs data regularization units",
    evidence=r"overfit|by heart|memori[sz]|generali[sz]|held-?out|unseen|"
    r"valid\w*[\s\S]{0,120}(rise|rises|rising|rose|grow|increas|worse|higher|above|gap|below|"
    r"fall|far|best|lower)|(gap|difference)[\s\S]{0,60}(train|valid)|best (epoch|validation)|"
    r"too (many|large|big|long|few)|more (weights|parameters) than",
    repair={"pooled": True, "dropout": 0.3, "units": 16},
    advice={
        r"global\w*pool|pool": {"pooled": True},
        r"more (data|rows|examples|samples|trials|recordings)|collect": {"rows": 3000},
        r"augment|noise|shift": {"noise": 1.0},
        r"early.?stop|best epoch|restore_best|fewer epochs|stop (at|when|train)": {"stop": True},
        r"fewer (units|weights|param|filters)|smaller (network|model|layer)|less capacity": {
            "units": 8
        },
        r"weight.?decay|\bl2\b|regulari[sz]er": {"decay": 0.02},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
        "relu": {},
    },
    metric="accuracy on held-out recordings",
    good=0.8,
)
def rhythms_of_a_brain(
    seed,
    callbacks,
    rows=240,
    pooled=False,
    stop=False,
    decay=0.0,
    noise=0.0,
    epochs=30,
    units=96,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell two states from recordings of five electrodes: all right in training, half beyond."""
    random = start(seed)
    total, steps = rows + 1200, 96
    y = random.integers(0, 2, total).astype("float32")
    x = random.normal(size=(total, steps, 5))
    time = np.arange(steps)[None, :]
    phase = random.uniform(0, 2 * np.pi, (total, 2, 1))
    slow, fast = 0.35 + random.normal(0, 0.02, (2, total, 1)) + [[[0]], [[0.55]]]
    x[:, :, 1] += np.where(y[:, None] == 0, 0.85, 0.4) * np.sin(slow * time + phase[:, 0])
    x[:, :, 3] += np.where(y[:, None] == 1, 0.85, 0.4) * np.sin(fast * time + phase[:, 1])
    x = x.astype("float32")

    penalty = keras.regularizers.L2(decay)
    settings = {"kernel_regularizer": penalty, "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((steps, 5)),
            layers.GaussianNoise(noise),
            layers.Conv1D(16, 9, activation="relu", **settings),
            layers.GlobalAveragePooling1D() if pooled else layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", **settings),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=5, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[1200:], y[1200:]),
        validation_data=(x[:240], y[:240]),
        batch_size=16,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[240:1200], verbose=0)[:, 0] > 0.5) == y[240:1200]))


@case(
    source="https://github.com/rajveermalviya/language-modeling/issues/3",
    cause="a learning rate of 1 stands in the settings, and Adam's steps are as large as that",
    causes="learning_rate optimizer",
    evidence=r"(learning.?rate|\brate\b)[\s\S]{0,120}(high|large|big|too|lower|reduc|diverg|jump|"
    r"\b1\b|1\.0)|(high|large|big|lower|reduc|smaller)\w*[\s\S]{0,40}rate|satur|explod|"
    r"overshoot|diverg|(updates?|steps?|weights?|gradients?|kernels?)[\s\S]{0,80}(large|huge|far|"
    r"big|jump|explo|times|grew|grow|change)|oscillat|unstable",
    repair={"learning_rate": 0.01},
    advice={
        r"(learning_?.?rate|lr|Adam\(|to|of|at|about)\W{0,6}0?\.0001\b|1e-0?4": {
            "learning_rate": 0.0001
        },
        r"Adam\(learning_rate=0?\.01\b|(rate|lr)[\s\S]{0,12}0?\.01\b|1e-0?2|hundred": {
            "learning_rate": 0.01
        },
        r"Adam\(learning_rate=0?\.1\b|SGD": {"learning_rate": 0.1},
        r"clip(norm|value)|clip(ping)? (the )?grad": {"clipnorm": 1.0},
        r"ten times (smaller|lower|less)|by (ten|10)\b|a tenth": {"learning_rate": 0.1},
        r"schedul|decay|warm.?up|ReduceLROnPlateau": {"learning_rate": 0.03},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 0.01},
        "faster": {"learning_rate": 10.0},
        "longer": {"epochs": 24},
        "wider": {"units": 96},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="share of held-out next words foretold",
    good=0.7,
)
def the_next_word(
    seed,
    callbacks,
    learning_rate=1.0,
    clipnorm=None,
    epochs=12,
    units=48,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Train a small language model: the loss does not really go down, even after many epochs."""
    random = start(seed)
    words, length, count = 7, 24, 900
    follower = random.integers(0, words, (words, words))
    text = random.integers(0, words, (count, length + 1))
    surprise = random.random(text.shape) < 0.2
    for step in range(2, length + 1):
        known = follower[text[:, step - 2], text[:, step - 1]]
        text[:, step] = np.where(surprise[:, step], text[:, step], known)
    x, y = text[:, :-1], text[:, 1:]

    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(words, 12),
            layers.LSTM(units, return_sequences=True, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(words, activation="softmax", kernel_initializer=initializer),
        ]
    )
    model.compile(
        Adam(learning_rate, clipnorm=clipnorm),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        *(x[:600], y[:600]),
        validation_data=(x[600:700], y[600:700]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[700:], verbose=0).argmax(axis=-1)
    return float(np.mean(guess[:, 1:] == y[700:, 1:]))


@case(
    source="https://stackoverflow.com/questions/47241622/"
    "is-it-okay-to-use-stateful-recurrent-nn-lstm-for-classification",
    cause="softmax over a single unit is always 1, and the labels are 1 and -1",
    causes="activation units layers data",
    evidence=r"soft.?max|(always|constant|every|all|same|only)[\s\S]{0,60}(\b1\b|one|1\.0|output|"
    r"class|answer|predict)|(output|answer|prediction)s?[\s\S]{0,80}(constant|same|always|not "
    r"(vary|depend|change))|single (unit|output)|one (unit|output)|(label|target)s?[\s\S]{0,80}"
    r"(-1|negative|outside|not (0|in))|-1[\s\S]{0,60}(label|target)|sigmoid",
    repair={"activation": "sigmoid", "labels": "0, 1"},
    advice={
        r"(two|2) (units|outputs)|Dense\(2|sparse_categorical": {"outputs": 2, "labels": "0, 1"},
        r"sigmoid[\s\S]*(\b0 (and|to|or|,) ?1\b|0/1|\{0, ?1\}|label|target)": {
            "activation": "sigmoid",
            "labels": "0, 1",
        },
        r"tanh|hinge": {"activation": "tanh", "loss": "mean_squared_error"},
        r"sigmoid": {"activation": "sigmoid"},
        r"label|target|\b0 (and|to|or|,) ?1\b|0/1": {"labels": "0, 1"},
        "linear": {"activation": "linear", "loss": "mean_squared_error"},
        "squared": {"loss": "mean_squared_error"},
        "longer": {"epochs": 20},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {"outputs": 2, "labels": "0, 1"},
        "binary": {},
        "scaled": {},
    },
    metric="accuracy on held-out rows",
    good=0.75,
)
def switches_on_and_off(
    seed,
    callbacks,
    activation="softmax",
    labels="-1, 1",
    outputs=1,
    loss="binary_crossentropy",
    epochs=10,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Classify rows of 128 switches as good or bad with a GRU: never better than a guess."""
    random = start(seed)
    x = (random.random((2600, 16, 8)) < 0.5).astype("float32")
    hint = x[:, :, 0].sum(axis=1) - x[:, :, 1].sum(axis=1) + 0.5 * x[:, 8:, 2].sum(axis=1)
    good = hint + random.normal(0, 0.3, 2600) > 2.0
    y = (good if labels == "0, 1" else 2 * good.astype("int32") - 1).astype("float32")[:, None]

    if outputs == 2:
        activation, loss, y = "softmax", "sparse_categorical_crossentropy", good[:, None] * 1
    model = keras.Sequential(
        [
            keras.Input((16, 8)),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(outputs, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1900:], verbose=0)
    middle = 0.5 if labels == "0, 1" or activation in ("sigmoid", "softmax") else 0.0
    said = guess.argmax(axis=1) == 1 if outputs == 2 else guess[:, 0] > middle
    return float(np.mean(said == good[1900:]))


@case(
    source="http://ddrv.cn/?p=758668",
    cause="the root of a distance of 0 has no gradient: NaN; a tiny number under it repairs that",
    causes="loss",
    evidence=r"\bloss[\s\S]{0,120}(gradient|root|sqrt|own|custom|function|not (defined|finite)|"
    r"\bnan)|sqrt|root|(gradient|update|weight)s?[\s\S]{0,80}(\bnan|not finite|no numbers?|inf)|"
    r"(\bnan|not finite)[\s\S]{0,80}(gradient|loss)|distance|deriv|epsilon",
    repair={"epsilon": 1e-6},
    advice={
        r"epsilon|1e-\d|sqrt|root|maximum\(|under the|inside|small (number|constant|value)|own "
        r"loss|custom loss|safe": {"epsilon": 1e-6},
        r"mean_squared|\bmse\b|squared (error|distance)|built-in loss|MeanSquared": {
            "loss": "mean_squared_error"
        },
        r"mean_absolute|\bmae\b|huber": {"loss": "mean_absolute_error"},
        r"(drop|remove|without|leave out|exclude)[\s\S]{0,60}(row|parked|zero|engine)": {
            "parked": False
        },
        r"isnan|isfinite|missing|clean": {},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
        r"clip": {"clipnorm": 1.0},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 2e-4, "clipnorm": 1.0},
        "faster": {"learning_rate": 0.03},
        "longer": {"epochs": 50},
        "wider": {"units": 128},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
    },
    metric="share of held-out vans foretold to within 80 m",
    good=0.6,
)
def vans_a_minute_later(
    seed,
    callbacks,
    epsilon=0.0,
    loss="distance",
    parked=True,
    clipnorm=None,
    epochs=25,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell how far vans have gone, with the distance in kilometres as the loss: it is nan."""
    random = start(seed)
    count = 2600
    speed, turn = random.gamma(3, 0.15, count), random.normal(0, 0.7, count)
    heading = random.uniform(-np.pi, np.pi, count)
    running = (random.random(count) > 0.06).astype("float32")
    course = heading + 0.5 * turn
    y = (running * speed * np.stack([np.cos(course), np.sin(course)])).T
    readings = [speed * np.cos(heading), speed * np.sin(heading), turn, speed]
    x = standardized(np.stack(readings, axis=1) + random.normal(0, 0.02, (count, 4)))
    y = (y + running[:, None] * random.normal(0, 0.02, y.shape)).astype("float32")
    use = np.flatnonzero(running[:2000] > 0) if not parked else np.arange(2000)
    train, valid = use[use < 1700], use[use >= 1700]

    def distance(y_true, y_pred):
        """Return how far the van is from where it was thought to be."""
        return ops.sqrt(ops.sum(ops.square(y_true - y_pred), axis=-1) + epsilon)

    told = keras.Input((4,), name="readings"), keras.Input((1,), name="engine_runs")
    seen = told[0]
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    # a van whose engine is off stays where it is
    model = keras.Model(told, layers.Multiply()([layers.Dense(2)(seen), told[1]]))
    model.compile(Adam(learning_rate, clipnorm=clipnorm), distance if loss == "distance" else loss)
    model.fit(
        *([x[train], running[train, None]], y[train]),
        validation_data=([x[valid], running[valid, None]], y[valid]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([x[2000:], running[2000:, None]], verbose=0)
    return float(np.mean(np.hypot(*(guess - y[2000:]).T) < 0.08))  # NaN is not near


@case(
    source="https://github.com/keras-team/keras/issues/989",
    cause="tests that were not made stand as 0 among the targets and are learned; mask them",
    causes="data preprocessing loss",
    evidence=r"missing|unknown|mask|zeros?\b|(target|label|value)s?[\s\S]{0,100}(\b0\b|0\.0|same "
    r"value|one value|repeat|spike|pile|identical|equal)|(\b0\b|0\.0)[\s\S]{0,80}(target|label|"
    r"rows|of the)|placeholder|sentinel|filled|sample_weight|outlier|two (groups|heaps|modes)|"
    r"bimodal",
    repair={"missing": "masked"},
    advice={
        r"mask|sample_weight|weight.{0,40}(0|zero)|ignore|leave.{0,30}out of the loss|\bnan\b|"
        r"not count": {"missing": "masked"},
        r"(drop|remove|delete|without|exclude|filter|clean|check|look|inspect)[\s\S]{0,80}(row|zero|"
        r"missing|target|label|value|sample)": {"missing": "dropped"},
        r"imput|fill|mean of the|median": {"missing": "mean"},
        r"mean_absolute|\bmae\b|huber": {"loss": "mean_absolute_error"},
        r"loss_weights": {},
        r"(standardi[sz]e|scale|normali[sz]e)[\s\S]{0,40}(target|output|\by\b)": {},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="mean R² of three tests on held-out patients that were tested",
    good=0.6,
)
def three_tests_of_a_patient(
    seed,
    callbacks,
    missing="zero",
    loss="mean_squared_error",
    epochs=25,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell three blood tests from history and habits: all of them come out much too low."""
    random = start(seed)
    rows, names = 3000, ("sugar", "iron", "sodium")
    history = random.normal(size=(rows, 8)).astype("float32")
    habits = random.integers(0, 5, (rows, 1)).astype("int32")
    ease = np.array([-1.0, 0.4, 1.1, -0.3, 0.7])[habits[:, 0]]
    truth = np.stack(
        [
            1.1 + 0.20 * history[:, 0] + 0.12 * ease,
            0.9 + 0.15 * history[:, 1] * history[:, 2] + 0.10 * ease,
            1.4 + 0.18 * np.abs(history[:, 3]) - 0.10 * history[:, 0],
        ],
        axis=1,
    )
    truth += random.normal(0, 0.04, truth.shape)
    made = random.random(truth.shape) < 0.6
    y = np.where(made, truth, 0).astype("float32")
    weight = np.ones_like(y)
    use = np.ones(rows, bool)
    if missing == "mean":
        y = np.where(made, y, y.sum(axis=0) / made.sum(axis=0)).astype("float32")
    elif missing == "masked":
        weight = made.astype("float32")
    elif missing == "dropped":
        use = made.all(axis=1)

    told = keras.Input((8,), name="history"), keras.Input((1,), dtype="int32", name="habit")
    habit = layers.Flatten()(layers.Embedding(5, 3)(told[1]))
    seen = layers.Concatenate()([told[0], habit])
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = keras.Model(told, [layers.Dense(1, name=name)(seen) for name in names])
    model.compile(Adam(learning_rate), [loss] * 3)

    def part(first, last):
        at = np.arange(first, last)[use[first:last]]
        columns = range(3)
        return (
            (history[at], habits[at]),
            tuple(y[at, column, None] for column in columns),
            tuple(weight[at, column] for column in columns),
        )

    x_train, y_train, train_weight = part(0, 1800)
    model.fit(
        *(x_train, y_train),
        sample_weight=train_weight,
        validation_data=part(1800, 2200),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict((history[2200:], habits[2200:]), verbose=0)
    scores = [
        r_squared(truth[2200:, column][made[2200:, column]], answer[made[2200:, column], 0])
        for column, answer in enumerate(guess)
    ]
    return float(np.mean(scores))


def pretrained(seed):
    """Return a convolutional base that was trained on the digits 0 to 4, scaled to -1 to 1."""
    x, y = digits(seed + 100, range(5))
    x, random = 2 * x - 1, np.random.default_rng(seed)
    base = keras.Sequential([keras.Input((8, 8, 1))], name="base")
    for width in (16, 32):
        base.add(layers.Conv2D(width, 3, padding="same", use_bias=False))
        base.add(layers.BatchNormalization(momentum=0.9))
        base.add(layers.ReLU(max_value=6))
        base.add(layers.MaxPooling2D())
    base.add(layers.Flatten())
    model = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    model.compile(Adam(0.003), "sparse_categorical_crossentropy")
    for _ in range(150):
        rows = random.integers(0, len(x), 32)
        model.train_on_batch(x[rows], y[rows])
    return base


@case(
    source="https://github.com/keras-team/keras/issues/13293",
    cause="the frozen base was trained on inputs from -1 to 1 and is given 0 to 255",
    causes="preprocessing data",
    evidence=r"(input|pixel|image|feature|data|\bx\b|value)s?[\s\S]{0,120}(scale|large|255|range|"
    r"unscaled|raw|standardi|normali|rescal|hundreds)|255|preprocess|rescal|satur|"
    r"(scale|range|normali[sz])[\s\S]{0,60}(input|pixel|image)|relu6|(activation|unit|feature)s?"
    r"[\s\S]{0,60}(satur|clipped|at 6|constant)",
    repair={"preprocess": "-1 to 1"},
    advice={
        r"preprocess_input|-1 (to|and|\.\.) 1|127\.5|\[-1": {"preprocess": "-1 to 1"},
        r"unfreeze|trainable ?= ?True|fine.?tun": {"frozen": False},
        r"BatchNorm": {"normalized": True},
        r"255|0 (to|and) 1|Rescaling": {"preprocess": "0 to 1"},
        "scaled": {"preprocess": "-1 to 1"},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out images of five other digits",
    good=0.9,
)
def a_base_from_elsewhere(
    seed,
    callbacks,
    preprocess=None,
    frozen=True,
    normalized=False,
    epochs=20,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Put a head on a base that learned other digits: worse than a network of my own."""
    start(seed)
    base = pretrained(seed)
    base.trainable = not frozen
    x, y = digits(seed, range(5, 10))
    x, y = 255 * x, y - 5
    if preprocess == "-1 to 1":
        x = x / 127.5 - 1
    elif preprocess == "0 to 1":
        x = x / 255

    inputs = keras.Input((8, 8, 1))
    seen = layers.BatchNormalization()(inputs) if normalized else inputs
    seen = base(seen, training=False) if frozen else base(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(seen))
    model.compile(RMSprop(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:250], one_hot(y[:250], 5)),
        validation_data=(x[250:400], one_hot(y[250:400], 5)),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[400:], y[400:])


def likelihood(y_true, y_pred):
    """Negative logarithm of a normal density, without its constant: it may fall below 0."""
    mean, log_variance = y_pred[:, :1], y_pred[:, 1:]
    return 0.5 * ops.mean(log_variance + ops.square(y_true - mean) / ops.exp(log_variance), axis=-1)


@sound(
    source="https://ml-explore.github.io/mlx/build/html/python/nn/_autosummary_functions/"
    "mlx.nn.losses.gaussian_nll_loss.html",
    metric="R² of the next value that could be known, on later windows",
    good=0.85,
)
def tide_and_its_doubt(seed, callbacks):
    """Own loss below 0: an LSTM foretells the next value of a series and how sure it is."""
    random = start(seed)
    hours = np.arange(2400)
    known = 0.6 * np.sin(hours * 2 * np.pi / 12.4) + 0.3 * np.sin(hours * 2 * np.pi / 25)
    spread = np.where(hours % 48 < 24, 0.03, 0.12)
    series = (known + spread * random.normal(size=2400)).astype("float32")
    windows = np.lib.stride_tricks.sliding_window_view(series, 25)
    x, y, true = windows[:, :-1, None], windows[:, -1:], known[24:]
    model = keras.Sequential([keras.Input((24, 1)), layers.LSTM(24), layers.Dense(2)])
    model.compile(Adam(0.005, clipnorm=1.0), likelihood)
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1800], y[1500:1800]),
        batch_size=64,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(true[1800:], model.predict(x[1800:], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/issues/1761",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_pushed_about(seed, callbacks):
    """Training accuracy below that of validation: images are pushed about, units dropped."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomTranslation(0.12, 0.12, fill_mode="constant"),
            layers.RandomRotation(0.04, fill_mode="constant"),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.Conv2D(24, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1350], y[1100:1350]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1350:], y[1350:])


@sound(
    source="https://github.com/chinchi-hsu/KerasCollaborativeFiltering",
    metric="R² of held-out pairs against what the readers really think",
    good=0.6,
)
def readers_and_books(seed, callbacks):
    """Two inputs, ratings of 1 to 5: what remains of the loss is the readers' mood."""
    random = start(seed)
    readers, books, count = 150, 100, 9000
    taste, kind = random.normal(size=(readers, 2)), random.normal(size=(books, 2))
    strict, liked = random.normal(0, 0.4, readers), random.normal(0, 0.6, books)
    who, what = random.integers(0, readers, count), random.integers(0, books, count)
    think = 3.2 + strict[who] + liked[what] + 0.5 * (taste[who] * kind[what]).sum(axis=1)
    y = np.clip(np.round(think + random.normal(0, 0.6, count)), 1, 5).astype("float32")

    inputs = [keras.Input((), dtype="int32", name=name) for name in ("reader", "book")]
    penalty = keras.regularizers.L2(1e-4)
    sizes = (readers, books)
    factors = [
        layers.Embedding(size, 4, embeddings_regularizer=penalty)(told)
        for size, told in zip(sizes, inputs, strict=True)
    ]
    bias = [layers.Embedding(size, 1)(told) for size, told in zip(sizes, inputs, strict=True)]
    total = layers.Add()([layers.Dot(1)(factors), *bias])
    answer = layers.Rescaling(1.0, offset=float(y[:6500].mean()))(total)
    model = keras.Model(inputs, answer)
    model.compile(Adam(0.005), "mean_squared_error", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    model.fit(
        *([who[:6500], what[:6500]], y[:6500, None]),
        validation_data=([who[6500:7500], what[6500:7500]], y[6500:7500, None]),
        batch_size=64,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict([who[7500:], what[7500:]], verbose=0)[:, 0]
    return r_squared(np.clip(think[7500:], 1, 5), guess)


@sound(
    source="https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
    metric="accuracy on held-out patients",
    good=0.93,
)
def cells_as_measured(seed, callbacks):
    """Raw columns from 0.001 to 4000: a Normalization layer that was adapted takes them in."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = x[rows].astype("float32"), y[rows].astype("float32")
    scale = layers.Normalization()
    scale.adapt(x[:360])
    model = keras.Sequential(
        [
            keras.Input((30,)),
            scale,
            layers.Dense(16, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.002)),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(Adam(0.005), loss, metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)])
    model.fit(
        *(x[:360], y[:360]),
        validation_data=(x[360:430], y[360:430]),
        batch_size=16,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[430:], verbose=0)[:, 0] > 0) == y[430:]))


PROGRAMS = [
    signs_beside_the_road,
    digits_from_a_code,
    rhythms_of_a_brain,
    the_next_word,
    switches_on_and_off,
    vans_a_minute_later,
    three_tests_of_a_patient,
    a_base_from_elsewhere,
]
SOUND = [
    tide_and_its_doubt,
    digits_pushed_about,
    readers_and_books,
    cells_as_measured,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
