"""Thirteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twenty_first
    python benchmarks/diagnosis.py --programs twenty_first
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
from sklearn.metrics import f1_score

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
    source="https://stats.stackexchange.com/questions/616103/"
    "is-it-ok-to-have-low-validation-loss-from-the-first-epoch",
    cause="64 numbers for each reader and book learn some forty ratings of each by heart",
    causes="epochs layers data",
    evidence=r"overfit|over-fit|by heart|memori[sz]|generali[sz]|"
    r"(validation|val_\w+|held.?out)[\s\S]{0,100}(worse|worst|rise|rises|rising|rose|best|higher|"
    r"grow|grew|gap|lowest|turn|far (from|above)|times|stop\w* (falling|improving)|minimum)|"
    r"(training|train)[\s\S]{0,80}(validation|val_|held.?out)|"
    r"(parameters?|weights?)[\s\S]{0,60}(per|for|than|rows|samples|examples)|too (large|many|long)",
    repair={"size": 8, "dropout": 0.1, "patience": 6, "decay": 1e-5},
    advice={
        r"early.?stop|restore_best|best epoch|fewer epochs|stop (at|after|earlier|training)": {
            "patience": 6
        },
        r"(smaller|fewer|narrower|lower|reduce)[\s\S]{0,40}(embedding|units|dimension|network|"
        r"model|output_dim|layers)": {"size": 4, "units": 16},
        r"l2|weight decay|regulari[sz]er": {"decay": 1e-4},
        r"dropout": {"dropout": 0.5},
        r"more (data|rows|ratings|samples|examples)": {"rows": 7200},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5, "patience": 6},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "sigmoid": {},
    },
    metric="R² of the rating without its noise on held-out pairs",
    good=0.7,
)
def ratings_learned_by_heart(
    seed,
    callbacks,
    size=64,
    decay=0.0,
    patience=None,
    rows=3600,
    loss="mean_squared_error",
    activation="sigmoid",
    epochs=20,
    units=64,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell ratings from learned vectors: validation is best at the start and not again."""
    random = start(seed)
    readers, books, held_out = 90, 60, 1200
    taste, genre = random.integers(0, 4, readers), random.integers(0, 4, books)
    stars = np.array(
        [[4.5, 1.5, 2.5, 4.0], [1.5, 4.5, 4.0, 2.0], [4.0, 3.5, 1.5, 2.0], [2, 2, 4, 4]]
    )
    reader = random.integers(0, readers, rows + held_out)
    book = random.integers(0, books, rows + held_out)
    mean = stars[taste[reader], genre[book]]
    y = (np.clip(mean + random.normal(0, 1.3, len(mean)), 0, 6) / 6).astype("float32")

    reader_input, book_input = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    seen = []
    for number, many in ((reader_input, readers), (book_input, books)):
        penalty = keras.regularizers.L2(decay)
        vector = layers.Embedding(many, size, embeddings_regularizer=penalty)(number)
        seen.append(layers.Flatten()(vector))
    seen = layers.Dropout(dropout)(layers.Concatenate()(seen))
    for width in (units, units // 2):
        seen = layers.Dense(width, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    answer = layers.Dense(1, activation=activation, kernel_initializer=initializer)(seen)
    model = keras.Model([reader_input, book_input], answer)
    model.compile(Adam(learning_rate), loss, metrics=["mean_absolute_error"])
    if patience:
        stop = EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
        callbacks = [stop, *callbacks]
    reader, book, first = reader[:, None], book[:, None], rows - 600
    model.fit(
        *([reader[:first], book[:first]], y[:first]),
        validation_data=([reader[first:rows], book[first:rows]], y[first:rows]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([reader[rows:], book[rows:]], verbose=0)[:, 0]
    return r_squared(mean[rows:], 6 * guess)


class Turned(keras.utils.PyDataset):
    """Batches of images and masks, each mirrored and turned by a quarter at random."""

    def __init__(self, images, masks, seeds, **options):
        super().__init__(**options)
        self.images, self.masks = images, masks
        self.first, self.second = (np.random.default_rng(seed) for seed in seeds)

    def __len__(self):
        """Batches of 16 in an epoch."""
        return len(self.images) // 16

    def __getitem__(self, index):
        """One batch of both."""
        rows = slice(16 * index, 16 * index + 16)
        return self.turn(self.images[rows], self.first), self.turn(self.masks[rows], self.second)

    @staticmethod
    def turn(batch, random):
        """Turn each image as the generator decides."""
        turned = [np.rot90(image, random.integers(4)) for image in batch]
        return np.stack([image[:, :: random.choice([-1, 1])] for image in turned])


@case(
    source="https://github.com/keras-team/keras/issues/12075",
    cause="images and masks are turned by generators of their own: the masks belong elsewhere",
    causes="data preprocessing",
    evidence=r"augment|seed|(mask|target|label)s?[\s\S]{0,100}(match|belong|align|correspond|"
    r"shuffl|order|mirror|flip|turn|rotat|same (way|transform)|mismatch|random|noise|unrelated|"
    r"depend|differ)|mirror|flip|rotat|(inputs?|images?)[\s\S]{0,60}(match|belong|align|"
    r"correspond|pair|fit|tell|explain|know)[\s\S]{0,60}(mask|target|label)",
    repair={"together": True},
    advice={
        r"(same|one|common) (seed|transform|augment)|together|(align|pair|match)\w*|"
        r"(in|of) the same (order|way)": {"together": True},
        r"(without|no|remove|drop|switch off|turn off) (the )?augment": {"augmented": False},
        "longer": {"epochs": 30},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
    },
    metric="intersection over union on held-out slides",
    good=0.7,
)
def slides_turned_without_their_masks(
    seed,
    callbacks,
    together=False,
    augmented=True,
    epochs=10,
    units=12,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Outline cells on slides with augmentation: what comes out is a blur about the middle."""
    random = start(seed)
    rows, size = 700, 16
    across, down = np.meshgrid(np.arange(size), np.arange(size))
    place, radius = random.uniform(3, 12, (rows, 2)), random.uniform(2, 4, rows)
    far = np.hypot(across - place[:, 0, None, None], down - place[:, 1, None, None])
    masks = (far < radius[:, None, None]).astype("float32")[..., None]
    shade = random.uniform(0.2, 0.5, (rows, 1, 1, 1))
    images = np.clip(shade + 0.4 * masks + random.normal(0, 0.1, masks.shape), 0, 1)
    images = images.astype("float32")

    model = keras.Sequential([keras.Input((size, size, 1))])
    for _ in range(3):
        model.add(
            layers.Conv2D(
                units, 3, padding="same", activation="relu", kernel_initializer=initializer
            )
        )
    model.add(layers.Dropout(dropout))
    model.add(layers.Conv2D(1, 1, activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    if augmented:
        seeds = (seed, seed if together else seed + 100)
        data, size = (Turned(images[:480], masks[:480], seeds),), None
    else:
        data, size = (images[:480], masks[:480]), 16
    model.fit(
        *data,
        validation_data=(images[480:550], masks[480:550]),
        batch_size=size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess, truth = model.predict(images[550:], verbose=0) > 0.5, masks[550:] > 0.5
    return float((guess & truth).sum() / (guess | truth).sum())


@case(
    source="https://whosebug.com/question/2214577/Autoencoder-not-learning-identity-function",
    cause="readings differ by a thousandth about 1.1: unscaled, the loss hardly knows of them",
    causes="preprocessing data",
    evidence=r"scal|standardi[sz]|normali[sz]|spread|deviation|varianc|vary|varies|variation|"
    r"constant|cent(er|re)|(far from|not) (\w+ )?(0|zero)|range|offset|"
    r"(mean|average)[\s\S]{0,60}(answer|predict|output|level|of the target|better|no better)|"
    r"(narrow|tiny|small)[\s\S]{0,60}(differ|target|input|loss|number)",
    repair={"scaled": True},
    advice={
        r"batch.?norm": {"batch_norm": True},
        "longer": {"epochs": 45},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of what is given back of held-out readings",
    good=0.85,
)
def readings_about_one_point_one(
    seed,
    callbacks,
    scaled=False,
    batch_norm=False,
    epochs=15,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Give back eighteen readings through a code of six: the loss is 1e-6, the result useless."""
    random = start(seed)
    hidden = random.normal(size=(2400, 4))
    x = hidden @ random.normal(size=(4, 18)) / 2 + random.normal(0, 0.2, (2400, 18))
    x = 1.109 + 0.00124 * x
    x = standardized(x) if scaled else x.astype("float32")

    model = keras.Sequential([keras.Input((18,))])
    if batch_norm:
        model.add(layers.BatchNormalization())
    model.add(layers.Dense(units, activation="tanh", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(6, kernel_initializer=initializer))
    model.add(layers.Dense(units, activation="tanh", kernel_initializer=initializer))
    model.add(layers.Dense(18, kernel_initializer=initializer))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1800], x[:1800]),
        validation_split=0.1,
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1800:], model.predict(x[1800:], verbose=0))


@keras.saving.register_keras_serializable("twenty_first")
class WholeNumbers(layers.Layer):
    """Round to whole numbers; `through` passes the gradient as if nothing were rounded."""

    def __init__(self, through=False, **options):
        super().__init__(**options)
        self.through = through

    def call(self, x):
        """Round."""
        return x + ops.stop_gradient(ops.round(x) - x) if self.through else ops.round(x)

    def get_config(self):
        """Return what makes a copy of the layer."""
        return {**super().get_config(), "through": self.through}


@case(
    source="https://github.com/keras-team/keras/issues/2221",
    cause="rounding has no gradient: every layer before it stays as it was initialized",
    causes="layers activation",
    evidence=r"round|whole ?numbers?|integer|discret|differentiab|step function|"
    r"(no|without|zero|missing|vanish\w*|not (get|receive|reach)\w*) (a |any )?gradients?|"
    r"gradients?[\s\S]{0,80}(zero|\b0\b|none|missing|vanish|stop|lost|no |not |never|cut|block)|"
    r"(weights?|layers?|kernels?|variables?)[\s\S]{0,80}(not (move|moved|change|changed|learn|"
    r"updated|trained)|never|hardly|unchanged|did not|stay|untrained|frozen)",
    repair={"rounded": False},
    advice={
        r"straight.?through|stop_gradient": {"through": True},
        r"round|integer|whole ?numbers|differentiable|(remove|drop|replace)[\s\S]{0,40}layer": {
            "rounded": False
        },
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="R² on held-out orders",
    good=0.85,
)
def pieces_rounded_on_the_way(
    seed,
    callbacks,
    rounded=True,
    through=False,
    loss="mean_absolute_error",
    epochs=20,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the cost of an order by whole numbers of four parts: it stays far from the bill."""
    random = start(seed)
    x = random.normal(size=(2400, 10)).astype("float32")
    need = np.maximum(0, x @ random.normal(0, 0.9, (10, 4)) + 1 + 0.5 * np.abs(x[:, :4]))
    cost = np.round(need) @ np.array([1.5, 0.8, 2.0, 1.2])
    y = (cost / cost.std()).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8, activation="relu", kernel_initializer=initializer),
        ]
    )
    if rounded or through:
        model.add(WholeNumbers(through))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), loss)
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1800], y[1600:1800]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1800:], model.predict(x[1800:], verbose=0)[:, 0])


@case(
    source="https://openillumi.com/en/en-pytorch-transformer-seq-classify-fix",
    cause="attention does not know where a word stands, and the class is a matter of order",
    causes="layers data",
    evidence=r"position|\border\b|(time.?)?steps?[\s\S]{0,60}(same|swap|permut|shuffl|alike|where)|"
    r"permut|bag of (words|tokens)|sequence|attention|(which|what) comes (first|before)",
    repair={"positions": True},
    advice={
        r"position": {"positions": True},
        r"\b(lstm|gru|recurrent|conv1d)\b": {"recurrent": True},
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out notes",
    good=0.85,
)
def notes_whose_order_counts(
    seed,
    callbacks,
    positions=False,
    recurrent=False,
    epochs=12,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort notes into four kinds by a transformer: a quarter is right, an LSTM did far better."""
    random = start(seed)
    rows, length, classes = 3200, 8, 4
    words = random.integers(10, 60, (rows, length))
    where = random.random((rows, length)).argsort(axis=1)[:, :classes]
    words[np.arange(rows)[:, None], where] = np.arange(1, classes + 1)
    y = where.argmin(axis=1)

    data = tf.data.Dataset.from_tensor_slices((words[:2400], y[:2400]))
    data = data.shuffle(2400, seed=seed).batch(32)
    note = keras.Input((length,), dtype="int32")
    seen = layers.Embedding(60, 24)(note)
    if positions:
        seen = seen + layers.Embedding(length, 24)(ops.arange(length))
    if recurrent:
        seen = layers.GRU(24)(seen)
    else:
        seen = layers.Add()([seen, layers.MultiHeadAttention(2, 12)(seen, seen)])
        seen = layers.LayerNormalization()(seen)
        deep = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.LayerNormalization()(seen + layers.Dense(24)(deep))
        seen = layers.GlobalAveragePooling1D()(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(note, layers.Dense(classes, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    held_back = tf.data.Dataset.from_tensor_slices((words[2400:2600], y[2400:2600])).batch(100)
    model.fit(data, validation_data=held_back, epochs=epochs, callbacks=callbacks, verbose=0)
    return accuracy(model, words[2600:], y[2600:])


def likelihood_of_the_spread(y, guess):
    """Loss of a normal distribution whose variance is taken from the predictions themselves."""
    variance = ops.var(guess) + 1e-6
    return 0.5 * ops.mean(ops.square(y - guess)) / variance + 0.5 * ops.log(variance)


@case(
    source="https://stats.stackexchange.com/questions/564809/"
    "using-a-neural-network-to-learn-linear-regression-variance",
    cause="the own loss takes the variance of the predictions, not of the errors: it shrinks them",
    causes="loss",
    evidence=r"(own|custom|self.?written|likelihood)[\s\S]{0,30}loss|\bloss\b[\s\S]{0,100}"
    r"(varianc|shrink|spread|minimum|best|least|lower|reward|wants?|prefers?|perfect|targets "
    r"themselves|true)|varianc|shrink|shrunk|(predictions?|outputs?)[\s\S]{0,80}(narrow|spread|"
    r"too (small|flat|close)|vary less|deviation|slope|compressed)|negative loss|log of",
    repair={"loss": "mean_squared_error"},
    advice={
        r"(varianc|deviation)[\s\S]{0,40}(errors?|residuals?|output of its own|second output)": {
            "loss": "mean_squared_error"
        },
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="R² on held-out points",
    good=0.93,
)
def likelihood_with_the_wrong_variance(
    seed,
    callbacks,
    loss=likelihood_of_the_spread,
    epochs=20,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Fit a curve by a likelihood written by hand: the curve comes out flatter than the points."""
    random = start(seed)
    x = random.uniform(-2, 2, (2000, 3)).astype("float32")
    y = np.sin(1.5 * x[:, 0]) + 0.6 * x[:, 1] - 0.3 * x[:, 1] * x[:, 2] + 0.5
    y = (y + random.normal(0, 0.15, 2000)).astype("float32")[:, None]

    model = keras.Sequential([keras.Input((3,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), loss)
    model.fit(x[:1500], y[:1500], epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[1500:, 0], model.predict(x[1500:], verbose=0)[:, 0])


@case(
    source="https://datascience.stackexchange.com/questions/15181/"
    "multi-task-learning-finding-a-loss-function-that-ignores-certain-samples",
    cause="where nothing was measured a 0 is the target: all widths are drawn towards it",
    causes="data loss preprocessing",
    evidence=r"missing|imput|unmeasured|not measured|unknown|placeholder|fill(ed)?\b|mask|"
    r"sample_weight|(target|label|width)s?[\s\S]{0,100}(exactly|are|is|equal|same|hold)[\s\S]{0,20}"
    r"(\b0\b|0\.0|zeros?|one value|the same|constant)|(\b0\b|zeros?)[\s\S]{0,60}(target|label|"
    r"share|most|of the rows|% of)|(one|single) value[\s\S]{0,60}(target|label|%)",
    repair={"ignored": True},
    advice={
        r"sample_weight|mask|ignore|leave out|(remove|drop|without)[\s\S]{0,40}(rows|samples|"
        r"zeros?)": {"ignored": True},
        "longer": {"epochs": 24},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the width of held-out spots that were measured",
    good=0.8,
)
def widths_measured_only_of_some(
    seed,
    callbacks,
    ignored=False,
    epochs=8,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Judge, place and measure spots by one network: the widths are all close to the mean."""
    random = start(seed)
    rows, size = 2000, 12
    place, width = random.uniform(3, 8, rows), random.uniform(0.8, 2.4, rows)
    across, down = np.meshgrid(np.arange(size), np.arange(size))
    far = (across - place[:, None, None]) ** 2 + (down - 5.5) ** 2
    bright = random.uniform(0.6, 1.0, rows)
    images = bright[:, None, None] * np.exp(-far / (2 * width[:, None, None] ** 2))
    images = (images + random.normal(0, 0.05, images.shape)).astype("float32")[..., None]
    ill = (3 * (bright - 0.8) + random.logistic(0, 0.5, rows) > 0.35).astype("float32")
    measured = ill > 0
    target = (width - width[measured].mean()) / width[measured].std()
    target = np.where(measured, target, 0).astype("float32")
    y = {"ill": ill, "place": standardized(place), "width": target}
    weights = {"ill": np.ones(rows), "place": np.ones(rows), "width": measured.astype("float32")}

    image = keras.Input((size, size, 1))
    seen = layers.Conv2D(8, 3, activation="relu", kernel_initializer=initializer)(image)
    seen = layers.Conv2D(12, 3, 2, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Flatten()(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    outputs = {
        "ill": layers.Dense(1, activation="sigmoid", name="ill")(seen),
        "place": layers.Dense(1, name="place")(seen),
        "width": layers.Dense(1, name="width")(seen),
    }
    model = keras.Model(image, outputs)
    error = "mean_squared_error"
    model.compile(
        Adam(learning_rate),
        loss={"ill": "binary_crossentropy", "place": error, "width": error},
        metrics={"ill": ["accuracy"]},
    )

    def part(first, last):
        chosen = [images[first:last], {name: y[name][first:last] for name in y}]
        if ignored:
            chosen.append({name: weights[name][first:last] for name in weights})
        return chosen

    parts = part(0, 1400)
    model.fit(
        *parts[:2],
        sample_weight=parts[2] if ignored else None,
        validation_data=tuple(part(1400, 1550)),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(images[1550:], verbose=0)["width"][:, 0]
    return r_squared(target[1550:][measured[1550:]], guess[measured[1550:]])


@case(
    source="https://github.com/keras-team/keras/pull/9965",
    cause="frozen BatchNormalization scales dim pictures by the statistics of the bright old ones",
    causes="layers preprocessing data",
    evidence=r"batch.?norm|moving (mean|average|variance|statistic)|statistics|frozen|trainable|"
    r"(features?|inputs?|images?|pixels?|activations?)[\s\S]{0,100}(scale|range|spread|deviation|"
    r"dim|dark|contrast|standardi[sz]|normali[sz]|far from|nearly (the same|constant)|"
    r"hardly (vary|varies|differ)|alike)|pre.?trained",
    repair={"adapts": True},
    advice={
        r"batch.?norm|moving|statistics|unfreeze|trainable": {"adapts": True},
        "scaled": {"matched": True},
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out dim digits from 5 to 9",
    good=0.88,
)
def dim_pictures_and_a_frozen_base(
    seed,
    callbacks,
    adapts=False,
    matched=False,
    epochs=12,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Reuse what was learned of five digits for five others, dimly lit: much worse than hoped."""
    start(seed)
    x, y = digits(seed, range(5))
    level, spread = x.mean(), x.std()
    base = keras.Sequential([keras.Input((8, 8, 1))])
    for filters in (12, 16, 24):
        base.add(layers.Conv2D(filters, 3, padding="same"))
        base.add(layers.BatchNormalization(momentum=0.9))
        base.add(layers.Activation("relu"))
    base.add(layers.AveragePooling2D(4))
    base.add(layers.Flatten())
    old = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    old.compile(Adam(0.004), "sparse_categorical_crossentropy")
    old.fit(x, y, epochs=6, verbose=0)

    x, y = digits(seed, range(5, 10))
    x, y = 0.1 + 0.05 * x, y - 5
    if matched:
        x = level + spread * (x - x.mean()) / x.std()
    for layer in base.layers:
        layer.trainable = adapts and isinstance(layer, layers.BatchNormalization)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            base,
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:450], y[:450]),
        validation_data=(x[450:600], y[450:600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[600:], y[600:])


@sound(
    source="https://keras.io/examples/structured_data/collaborative_filtering_movielens/",
    metric="R² of the rating without its noise on held-out pairs",
    good=0.8,
)
def stars_from_two_tables(seed, callbacks):
    """Noise: stars of 1 to 5 by the product of two embeddings and a sigmoid, moods included."""
    random = start(seed)
    people, films, rows = 150, 80, 9000
    person, film = random.integers(0, people, rows), random.integers(0, films, rows)
    wants, offers = random.normal(size=(people, 2)), random.normal(size=(films, 2))
    liking = np.sum(wants[person] * offers[film], axis=1)
    liking += 0.8 * random.normal(size=people)[person] + 0.8 * random.normal(size=films)[film]
    mean = 1 + 4 / (1 + np.exp(-liking))
    stars = np.clip(np.round(mean + random.normal(0, 0.9, rows)), 1, 5)
    y = ((stars - 1) / 4).astype("float32")

    one, other = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
    decay = keras.regularizers.L2(1e-5)
    product = layers.Dot(1)(
        [
            layers.Embedding(people, 4, "glorot_normal", embeddings_regularizer=decay)(one),
            layers.Embedding(films, 4, "glorot_normal", embeddings_regularizer=decay)(other),
        ]
    )
    biases = [layers.Embedding(people, 1)(one), layers.Embedding(films, 1)(other)]
    answer = layers.Activation("sigmoid")(layers.Add()([product, *biases]))
    model = keras.Model([one, other], answer)
    model.compile(Adam(0.01), "binary_crossentropy", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    model.fit(
        *([person[:7000], film[:7000]], y[:7000]),
        validation_data=([person[7000:7800], film[7000:7800]], y[7000:7800]),
        batch_size=64,
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict([person[7800:], film[7800:]], verbose=0)[:, 0]
    return r_squared(mean[7800:], 1 + 4 * guess)


@sound(
    source="https://stats.stackexchange.com/questions/630079/the-loss-of-vae-is-negative-is-it-normal",
    metric="R² of the mean on held-out positions",
    good=0.95,
)
def likelihood_below_zero(seed, callbacks):
    """Own loss: mean and spread of a position, whose likelihood makes the loss negative."""
    random = start(seed)
    x = random.uniform(-1, 1, (3000, 4)).astype("float32")
    mean = 0.3 * np.sin(3 * x[:, 0]) + 0.2 * x[:, 1] * x[:, 2]
    spread = 0.02 + 0.04 * (x[:, 3] > 0)
    y = (mean + spread * random.normal(size=3000)).astype("float32")[:, None]

    def surprise(y, answer):
        middle, width = answer[:, :1], ops.clip(answer[:, 1:], -8.0, 8.0)
        return ops.mean(0.5 * ops.square(y - middle) * ops.exp(-width) + 0.5 * width)

    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(48, activation="swish"),
            layers.Dense(32, activation="swish"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003), surprise)
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2500], y[2200:2500]),
        epochs=22,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(mean[2500:], model.predict(x[2500:], verbose=0)[:, 0])


@sound(
    source="https://xplorestaging.ieee.org/document/7178354",
    metric="accuracy on held-out digits",
    good=0.93,
)
def random_units_that_stay_so(seed, callbacks):
    """Frozen: five hundred random units are never trained, only the layer that reads them is."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    hidden = layers.Dense(500, activation="tanh", kernel_initializer="he_normal", trainable=False)
    model = keras.Sequential(
        [keras.Input((64,)), hidden, layers.Dropout(0.2), layers.Dense(10, activation="softmax")]
    )
    model.compile(RMSprop(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:])


@sound(
    source="https://openreview.net/forum?id=tEFhwX8s1GN",
    metric="accuracy on held-out digits",
    good=0.93,
)
def a_rate_above_one(seed, callbacks):
    """Rate: plain SGD at 1.2, in large batches, with a penalty on large weights."""
    start(seed)
    x, y = digits(seed)
    decay = keras.regularizers.L2(1e-4)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(48, activation="tanh", kernel_regularizer=decay),
            layers.Dense(10, activation="softmax", kernel_regularizer=decay),
        ]
    )
    model.compile(SGD(1.2), "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = tf.data.Dataset.from_tensor_slices((x[:1100], y[:1100]))
    data = data.shuffle(1100, seed=seed).batch(220)
    held_back = tf.data.Dataset.from_tensor_slices((x[1100:1300], y[1100:1300])).batch(200)
    model.fit(data, validation_data=held_back, epochs=50, callbacks=callbacks, verbose=0)
    return accuracy(model, x[1300:], y[1300:])


@sound(
    source="https://daily-blog.netlify.app/questions/2421795/",
    metric="macro F1 of the words of held-out sentences, padding left out",
    good=0.85,
)
def rare_names_in_sentences(seed, callbacks):
    """Imbalance: nearly all words are no names, the rest weigh more, and padding is masked."""
    random = start(seed)
    rows, length = 1600, 14
    words = random.integers(20, 150, (rows, length))
    tags = np.zeros((rows, length), dtype="int32")
    for kind, title in ((1, 1), (2, 2)):  # a title, and the word after it is a name
        row = random.random(rows) < 0.4
        at = np.where(kind == 1, random.integers(0, 6, rows), random.integers(7, 13, rows))
        words[row, at[row]] = title
        tags[row, at[row] + 1] = kind
    many = random.integers(8, length + 1, rows)
    padded = np.arange(length) >= many[:, None]
    words[padded], tags[padded] = 0, 0
    weights = np.array([0.5, 3.0, 3.0], dtype="float32")[tags]
    weights[padded] = 0

    sentence = keras.Input((length,), dtype="int32")
    seen = layers.Embedding(150, 12, mask_zero=True)(sentence)
    seen = layers.Bidirectional(layers.GRU(12, return_sequences=True))(seen)
    model = keras.Model(sentence, layers.Dense(3, activation="softmax")(seen))
    model.compile(Adam(0.004), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(words[:1100], tags[:1100]),
        sample_weight=weights[:1100],
        validation_data=(words[1100:1250], tags[1100:1250], weights[1100:1250]),
        epochs=6,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(words[1250:], verbose=0).argmax(axis=-1)
    real = ~padded[1250:]
    return float(f1_score(tags[1250:][real], guess[real], average="macro"))


PROGRAMS = [
    ratings_learned_by_heart,
    slides_turned_without_their_masks,
    readings_about_one_point_one,
    pieces_rounded_on_the_way,
    notes_whose_order_counts,
    likelihood_with_the_wrong_variance,
    widths_measured_only_of_some,
    dim_pictures_and_a_frozen_base,
]
SOUND = [
    stars_from_two_tables,
    likelihood_below_zero,
    random_units_that_stay_so,
    a_rate_above_one,
    rare_names_in_sentences,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
