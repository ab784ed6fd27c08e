"""Twelve more field programs, of mistakes that raise no error, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.fifty_fifth
    python benchmarks/diagnosis.py --programs fifty_fifth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.optimizers import Adam
from sklearn.neighbors import KNeighborsClassifier

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


class Triplet(keras.losses.Loss):
    """Hinge on how much nearer the positive is than the negative, of stacked vectors (N, 3, d)."""

    def __init__(self, margin, axis):
        super().__init__(name="triplet")
        self.margin, self.axis = margin, axis

    def call(self, y_true, y_pred):
        """Compare the distances."""
        anchor, positive, negative = y_pred[:, 0], y_pred[:, 1], y_pred[:, 2]
        near = ops.sum(ops.square(anchor - positive), axis=self.axis)
        far = ops.sum(ops.square(anchor - negative), axis=self.axis)
        return ops.maximum(near - far + self.margin, 0.0)


@case(
    source="https://github.com/JudasDie/deeplearning.ai/issues/1",
    cause="distances are summed over the whole batch before the hinge: it is 0 at once; axis=-1",
    causes="loss",
    evidence=r"triplet|hinge|own loss|custom loss|margin|scalar|per.?(row|sample|example)|"
    r"(sum|mean|reduc|averag)\w*[\s\S]{0,60}(batch|axis|rows|samples)|"
    r"loss[\s\S]{0,60}(exactly 0|\b(is|be|becomes|at|of) 0\b|zero|vanish|no gradient)|"
    r"gradients?[\s\S]{0,40}(\b0\b|zero|vanish)|"
    r"loss[\s\S]{0,80}(depends? on|grows? with|changes? with)[\s\S]{0,30}batch",
    repair={"axis": -1},
    advice={
        r"axis|per.?(row|sample|example|triplet)|each (row|sample|example|triplet)|"
        r"one (value|loss|number) (per|for each)|(over|across) the batch|reduc|"
        r"(write|define|return|fix|check|correct)[\s\S]{0,40}loss": {"axis": -1},
        r"margin": {"margin": 5.0},
        r"batch_size|smaller batch": {"batch_size": 8},
        "longer": {"epochs": 30},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy of the nearest neighbour among embedded voices",
    good=0.8,
)
def voices_by_their_neighbours(
    seed,
    callbacks,
    axis=None,
    margin=1.0,
    batch_size=32,
    epochs=12,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Embed recordings by triplets of voices: the loss is soon tiny, the neighbours are wrong."""
    random = start(seed)
    speakers = 8
    centers = 1.6 * random.normal(size=(speakers, 6))
    y = random.integers(0, speakers, 2600)
    told = centers[y] + 0.45 * random.normal(size=(2600, 6))
    x = np.concatenate([told, 1.8 * random.normal(size=(2600, 24))], axis=1)
    x = x @ np.linalg.qr(random.normal(size=(30, 30)))[0]
    x = standardized(x) if scaled else x.astype("float32")

    def triplets(rows, count):
        anchor = random.choice(rows, count)
        positive, negative = anchor.copy(), anchor.copy()
        for row, first in enumerate(anchor):
            positive[row] = random.choice(rows[y[rows] == y[first]])
            negative[row] = random.choice(rows[y[rows] != y[first]])
        return np.stack([x[anchor], x[positive], x[negative]], axis=1), np.zeros((count, 1))

    tower = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8, kernel_initializer=initializer),
        ]
    )
    inputs = keras.Input((3, 30))
    model = keras.Model(inputs, layers.TimeDistributed(tower)(inputs))
    model.compile(Adam(learning_rate), Triplet(margin, axis))
    model.fit(
        *triplets(np.arange(1600), 3200),
        validation_data=triplets(np.arange(1600, 2000), 500),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    vectors = tower.predict(x, verbose=0)
    nearest = KNeighborsClassifier(1).fit(vectors[:1600], y[:1600])
    return float(nearest.score(vectors[2000:], y[2000:]))


class Attend(layers.Layer):
    """Sum of the steps (N, T, d), weighted by a softmax of scores of their own."""

    def __init__(self, units, turned):
        super().__init__()
        self.hidden, self.score = layers.Dense(units, "tanh"), layers.Dense(1)
        self.turned = turned

    def build(self, shape):
        """Build the scores."""
        self.hidden.build(shape)
        self.score.build((*shape[:-1], self.hidden.units))

    def call(self, steps):
        """Return (N, d) of steps (N, T, d)."""
        scores = ops.squeeze(self.score(self.hidden(steps)), -1)
        if self.turned:
            shares = ops.transpose(ops.softmax(ops.transpose(scores)))
        else:
            shares = ops.softmax(scores, axis=1)
        return ops.sum(ops.expand_dims(shares, -1) * steps, axis=1)


@case(
    source="https://github.com/HsiaoYetGun/ESIM/issues/5",
    cause="transposing makes the batch the last axis: the softmax runs over the rows of a batch",
    causes="layers",
    evidence=r"attend|attention|softmax[\s\S]{0,80}(axis|batch|rows|steps|wrong)|transpos|"
    r"(axis|axes)[\s\S]{0,60}(batch|softmax|wrong|mix)|"
    r"(row|sample|example|prediction|output|answer)s?[\s\S]{0,80}(depend|mix|leak|share|chang|"
    r"influenc|differ)\w*[\s\S]{0,60}(batch|other|neighbo|together|alone)|"
    r"(mix|couple|across)\w*[\s\S]{0,40}(rows|samples|batch)|own layer|custom layer",
    repair={"turned": False},
    advice={
        r"axis|transpos|perm|softmax (over|along|across)|(mix|across)\w*[\s\S]{0,30}(row|batch)|"
        r"own layer|custom layer|layers\.Attention|each row (on its own|alone)|independent": {
            "turned": False
        },
        r"batch_size|larger batch|smaller batch": {"batch_size": 128},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"scaled": True},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out journeys",
    good=0.9,
)
def the_stop_that_counts(
    seed,
    callbacks,
    turned=True,
    batch_size=32,
    epochs=20,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    scaled=False,
):
    """Weigh the steps of a journey by attention: the one marked step tells the fare."""
    random = start(seed)
    rows, steps = 2600, 12
    x = random.normal(size=(rows, steps, 6))
    chance = np.array([0.55, 0.2] + [0.025] * 10)
    marked = random.choice(steps, rows, p=chance / chance.sum())
    x[:, :, 0] = -1 + 0.3 * random.normal(size=(rows, steps))
    x[np.arange(rows), marked, 0] += 2.5
    at = x[np.arange(rows), marked]
    y = standardized(at[:, 1] - 0.7 * at[:, 2] + 0.5 * at[:, 3] * at[:, 1])[:, None]
    x = standardized(x) if scaled else x.astype("float32")

    model = keras.Sequential(
        [
            keras.Input((steps, 6)),
            Attend(units, turned),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu"),
            layers.Dense(units, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:, 0], model.predict(x[2100:], verbose=0)[:, 0])


class Turned(keras.losses.Loss):
    """One minus the cosine of the angle between what is told and what is true."""

    def __init__(self, unit):
        super().__init__(name="turned")
        self.unit = unit

    def call(self, y_true, y_pred):
        """Compare the angles."""
        return ops.mean(1 - ops.cos((y_pred - y_true) * self.unit), axis=-1)


@case(
    source="https://github.com/guoqiangqi/PFLD/issues/63",
    cause="angles are in degrees, and the cosine of the loss takes radians: a minimum every 6.28°",
    causes="loss preprocessing data",
    evidence=r"degree|radian|\bunits? of (the )?(target|angle|label)|period|\bcos(ine)?\b|angle|"
    r"2 ?(π|pi)\b|6\.28|local minim|own loss|custom loss|turned|"
    r"loss[\s\S]{0,60}(bounded|between 0 and 2|oscillat|wraps?\b|same for|does not (grow|rise))",
    repair={"radians": True},
    advice={
        r"degree|radian|\bpi\b|π|\b180\b|deg2rad|angle|period|\bcos|"
        r"(write|define|fix|check|correct)[\s\S]{0,40}loss": {"radians": True},
        r"mean_squared_error|mean_absolute_error|\bmse\b|\bmae\b|huber|built-?in loss|known loss": {
            "loss": "mean_squared_error"
        },
        "squared": {"loss": "mean_squared_error"},
        "longer": {"epochs": 25},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="share of held-out heads whose angles are both told within 8°",
    good=0.75,
)
def which_way_a_head_looks(
    seed,
    callbacks,
    radians=False,
    loss=None,
    epochs=12,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Tell the pitch and yaw of a head from twelve landmarks: the loss stays about one."""
    random = start(seed)
    face = random.normal(size=(12, 3))
    y = random.uniform(-60, 60, (2600, 2))
    up, side = np.radians(y.T)
    turn = np.zeros((2600, 3, 3))
    turn[:, 0] = np.stack([np.cos(side), np.sin(up) * np.sin(side), np.cos(up) * np.sin(side)], 1)
    turn[:, 1] = np.stack([0 * up, np.cos(up), -np.sin(up)], 1)
    turn[:, 2] = np.stack([-np.sin(side), np.sin(up) * np.cos(side), np.cos(up) * np.cos(side)], 1)
    seen = np.einsum("nij,kj->nki", turn, face)[:, :, :2]
    x = (seen + 0.05 * random.normal(size=seen.shape)).reshape(2600, 24)
    x = standardized(x) if scaled else x.astype("float32")
    y = y.astype("float32")

    model = keras.Sequential(
        [
            keras.Input((24,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(2),
            layers.Rescaling(60.0),
        ]
    )
    model.compile(Adam(learning_rate), loss or Turned(np.pi / 180 if radians else 1.0))
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    away = np.abs(model.predict(x[2100:], verbose=0) - y[2100:])
    return float(np.mean(away.max(axis=1) < 8))


@case(
    source="https://github.com/keras-team/keras/issues/7543",
    cause="training numbers its folders in the order of text, 1, 10, 2, …; the validation counts",
    causes="data preprocessing",
    evidence=r"(class|label|folder|categor|target)\w*[\s\S]{0,80}(order|index|indices|mapp|"
    r"permut|swap|sort|encod|renam|differ|disagree|another|match|shuffl)|"
    r"(order|permut|mapp|sort|encod)\w*[\s\S]{0,60}(class|label|folder)|"
    r"valid\w*[\s\S]{0,80}(labels?|class\w*)[\s\S]{0,80}(wrong|differ|other|permut|mismatch|"
    r"another|disagree)|confus\w*[\s\S]{0,60}(class|label)|lexic|alphab",
    repair={"key": int},
    advice={
        r"order|sort|lexic|alphab|mapping|class_names|class_indices|same (class|label|number|encod|"
        r"index)|renumber|(label|class)\w*[\s\S]{0,40}(match|agree|same|belong|align|consistent)|"
        r"check[\s\S]{0,30}label": {"key": int},
        r"early.?stop|best epoch": {"dropout": 0.3},
        "longer": {"epochs": 25},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out pictures, by the catalogue's numbers",
    good=0.9,
)
def ten_folders_and_a_catalogue(
    seed,
    callbacks,
    key=str,
    epochs=12,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Learn from folders called 1 to 10, validate with the numbers of a catalogue."""
    start(seed)
    x, y = digits(seed)
    if scaled:
        x = (x - x.mean()) / x.std()
    folders = sorted([str(number) for number in range(1, 11)], key=key)
    place = {folder: index for index, folder in enumerate(folders)}
    train = np.array([place[str(number + 1)] for number in y[:1200]])

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
        *(x[:1200], train),
        validation_data=(x[1200:1450], y[1200:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1450:], y[1450:])


@case(
    source="https://github.com/tensorflow/tensorflow/issues/47187",
    cause="numbers of ten digits do not fit into float32: hundreds of customers become one",
    causes="preprocessing data layers",
    evidence=r"float32|precision|rounded|\bdtype|float64|integers?[\s\S]{0,40}(lost|exact|digit)|"
    r"(\bid|customer|key|categor|embedding|index|indices)\w*[\s\S]{0,80}(collaps|merge|collid|"
    r"collision|same (row|vector|index)|\bfew|distinct|unique|identical|one row|lost|share|only)|"
    r"(\bfew|distinct|unique|only \d+)[\s\S]{0,40}(\bids?\b|customer|rows? of the embedding|"
    r"indices|categor)|embedding[\s\S]{0,60}(rows|input_dim|small|unused|never)",
    repair={"kind": "float64"},
    advice={
        r"float32|precision|dtype|float64|int64|integer|IntegerLookup|StringLookup|distinct|unique|"
        r"\bids?\b|collid|collision|one row (per|for each)|before (casting|the cast)": {
            "kind": "float64"
        },
        "longer": {"epochs": 20},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out bills",
    good=0.75,
)
def bills_of_four_hundred_customers(
    seed,
    callbacks,
    kind="float32",
    epochs=8,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Foretell bills from a customer's number and four readings: it knows only the readings."""
    random = start(seed)
    rows = 9000
    habit = random.normal(size=400)
    customer = random.integers(0, 400, rows)
    readings = random.normal(size=(rows, 4))
    y = 1.2 * habit[customer] + 0.6 * readings[:, 0] - 0.5 * np.abs(readings[:, 1])
    y = standardized(y + 0.2 * random.normal(size=rows))
    table = np.column_stack([3_100_400_000 + customer, 5 * readings + 8]).astype(kind)
    known, place = np.unique(table[:, 0], return_inverse=True)
    features = table[:, 1:].astype("float32")
    features = standardized(features) if scaled else features / 10

    numbers, others = keras.Input((1,), dtype="int32"), keras.Input((4,))
    vector = layers.Flatten()(layers.Embedding(len(known), 6)(numbers))
    seen = layers.Concatenate()([vector, others])
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = keras.Model([numbers, others], layers.Dense(1)(seen))
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    x = [place.reshape(-1, 1).astype("int32"), features]
    model.fit(
        *([part[:6500] for part in x], y[:6500]),
        validation_data=([part[6500:7500] for part in x], y[6500:7500]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([part[7500:] for part in x], verbose=0)
    return r_squared(y[7500:], guess[:, 0])


class Painted(keras.losses.Loss):
    """Mean difference of pictures, where a mask, which comes behind the true ones, says so."""

    def __init__(self, inside):
        super().__init__(name="painted")
        self.inside = inside

    def call(self, y_true, y_pred):
        """Compare the pictures."""
        picture, hole = y_true[..., :1], y_true[..., 1:]
        where = hole if self.inside else 1 - hole
        away = ops.abs(picture - y_pred) * where
        return ops.sum(away, axis=(1, 2, 3)) / ops.sum(where, axis=(1, 2, 3))


@case(
    source="https://github.com/SayedNadim/"
    "Global-and-Local-Attention-Based-Free-Form-Image-Inpainting/issues/12",
    cause="the loss counts the pixels that are seen, not those of the hole: 1 means a hole",
    causes="loss",
    evidence=r"mask|\bhole|missing|invert|visible|own loss|custom loss|painted|"
    r"(part|share|region|area|pixel|position|output)s?[\s\S]{0,60}(not|never|no)[\s\S]{0,30}"
    r"(count|compar|train|gradient|loss)|copy|copies|identity|"
    r"ignor\w*[\s\S]{0,40}(target|pixel|output)|target[\s\S]{0,40}ignor",
    repair={"inside": True},
    advice={
        r"mask|\bhole|invert|visible|missing|1 ?- |(whole|all|every|entire) (of the )?(picture|"
        r"image|pixel|target|output)|(write|define|fix|check|correct)[\s\S]{0,40}loss": {
            "inside": True
        },
        "longer": {"epochs": 24},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
    },
    metric="R² of the pixels in the holes of held-out digits",
    good=0.4,
)
def digits_with_a_hole(
    seed,
    callbacks,
    inside=False,
    epochs=12,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Paint what is missing in a picture: the loss falls well, the holes stay wrong."""
    random = start(seed)
    x, _ = digits(seed)
    hole = np.zeros_like(x)
    for at, (down, right) in zip(hole, random.integers(0, 6, (len(x), 2)), strict=True):
        at[down : down + 3, right : right + 3] = 1
    seen = np.concatenate([x * (1 - hole), hole], axis=-1)
    if scaled:
        seen = standardized(seen)
    y = np.concatenate([x, hole], axis=-1)

    inputs = keras.Input((8, 8, 2))
    options = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
    near = layers.Conv2D(units, 3, **options)(inputs)
    wide = layers.Conv2D(units, 3, **options)(layers.MaxPooling2D()(near))
    wide = layers.Dropout(dropout)(layers.Conv2D(units, 3, **options)(wide))
    seen_both = layers.Concatenate()([near, layers.UpSampling2D()(wide)])
    seen_both = layers.Conv2D(units, 3, **options)(seen_both)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(seen_both))
    model.compile(Adam(learning_rate), Painted(inside))
    model.fit(
        *(seen[:1250], y[:1250]),
        validation_data=(seen[1250:1450], y[1250:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    lost = hole[1450:] > 0.5
    return r_squared(x[1450:][lost], model.predict(seen[1450:], verbose=0)[lost])


class Codes(layers.Layer):
    """The nearest of a few learned vectors, for each of the inputs (N, places, d)."""

    def __init__(self, count, passed):
        super().__init__()
        self.count, self.passed = count, passed

    def build(self, shape):
        """Draw the vectors."""
        self.book = self.add_weight(
            shape=(self.count, shape[-1]), initializer="random_uniform", name="book"
        )

    def call(self, inputs):
        """Return vectors of the book; gradients pass straight through."""
        away = ops.sum(ops.square(ops.expand_dims(inputs, 2) - self.book), axis=-1)
        chosen = ops.take(self.book, ops.argmin(away, axis=-1), axis=0)
        straight = inputs + ops.stop_gradient(chosen - inputs)
        told = straight if self.passed else chosen
        self.add_loss(ops.mean(ops.square(told - ops.stop_gradient(inputs))))
        self.add_loss(0.25 * ops.mean(ops.square(ops.stop_gradient(chosen) - inputs)))
        return straight


@case(
    source="https://github.com/showlab/Olaf-World/issues/8",
    cause="the loss of the codebook takes the passed-through output: the book gets no gradient",
    causes="layers loss initialization",
    evidence=r"book|no gradient|gradients?[\s\S]{0,60}(\bnone\b|not reach|missing|exist|\b0\b|zero|"
    r"cut|stop)|(never|not|hardly|barely)[\s\S]{0,20}(moved?\b|trained|changed?\b|updated|learned)|"
    r"stop_gradient|straight|unconnected|disconnected|initial (value|weight)s?|untrained|"
    r"own layer|custom layer|add_loss|codes",
    repair={"passed": False},
    advice={
        r"stop_gradient|straight|gradient|connect|add_loss|book|own layer|custom layer|codes|"
        r"(weight|variable)s?[\s\S]{0,40}(use|reach|depend|train)": {"passed": False},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "linear": {},
    },
    metric="R² of reconstructed held-out digits",
    good=0.5,
)
def digits_in_a_few_codes(
    seed,
    callbacks,
    passed=True,
    epochs=20,
    units=64,
    learning_rate=0.003,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Compress digits to eight codes of a small book: the pictures that come back are blurred."""
    start(seed)
    x, _ = digits(seed)
    x = x.reshape(-1, 64)
    if scaled:
        x = (x - x.mean()) / x.std()

    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(32, kernel_initializer=initializer),
            layers.Reshape((8, 4)),
            Codes(16, passed),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(64),
        ]
    )
    model.compile(Adam(learning_rate), "mse")
    model.fit(
        *(x[:1250], x[:1250]),
        validation_data=(x[1250:1450], x[1250:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1450:], verbose=0)
    trivial = np.sum(np.square(x[1450:] - x[:1250].mean(axis=0)))
    return 1 - float(np.sum(np.square(x[1450:] - guess)) / trivial)


class Marked(keras.utils.PyDataset):
    """Batches of pictures and of points, as shares of the pictures' side."""

    def __init__(self, pictures, points, side, copied):
        super().__init__()
        self.pictures, self.points = pictures, points
        self.side, self.copied = side, copied

    def __len__(self):
        return len(self.pictures) // 32

    def __getitem__(self, index):
        rows = slice(32 * index, 32 * index + 32)
        points = self.points[rows]
        if self.copied:
            points = points.copy()
        points /= self.side
        return self.pictures[rows], points


@case(
    source="https://github.com/ultralytics/ultralytics/issues/2180",
    cause="the points are divided in place: every epoch divides them again, and they shrink to 0",
    causes="data preprocessing",
    evidence=r"(target|label|point|\by\b)s?[\s\S]{0,80}(chang|shrink|shrank|shrunk|drift|"
    r"(get|become|grow)\w* smaller|fall|fell|towards 0|from (one )?epoch|between epochs|"
    r"(every|each|later|last|first) epoch|in.?place|again|repeated|not the same|valid|near 0|tiny)|"
    r"in.?place|copy|overwr|modif|"
    r"valid\w*[\s\S]{0,100}(target|label)s?[\s\S]{0,60}(scale|range|differ|larger|times|mean)",
    repair={"copied": True},
    advice={
        r"copy|in.?place|once|every epoch|each epoch|same (target|label|scale)|"
        r"(target|label|point)s?[\s\S]{0,60}(chang|scale|same|shrink|constant|stay)|"
        r"__getitem__|(generator|dataset|PyDataset)[\s\S]{0,60}(return|give|same|chang|write|"
        r"modif)": {"copied": True},
        "longer": {"epochs": 20},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the points of held-out pictures",
    good=0.8,
)
def the_tip_of_the_nose(
    seed,
    callbacks,
    copied=False,
    epochs=10,
    units=48,
    learning_rate=0.003,
    dropout=0.0,
    scaled=False,
    initializer="glorot_uniform",
):
    """Find a point in pictures: at first it goes well, then all answers sit in a corner."""
    random = start(seed)
    side, rows = 16, 1800
    points = random.uniform(2, side - 3, (rows, 2))
    grid = np.mgrid[:side, :side]
    away = np.square(grid[None] - points[:, :, None, None]).sum(axis=1)
    x = np.exp(-away / 4) + 0.15 * random.normal(size=(rows, side, side))
    x = x[..., None].astype("float32")
    if scaled:
        x = (x - x.mean()) / x.std()
    points = points.astype("float32")
    valid, test = points[1200:1400] / side, points[1400:] / side

    model = keras.Sequential(
        [
            keras.Input((side, side, 1)),
            layers.Conv2D(8, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    model.fit(
        Marked(x[:1200], points[:1200], side, copied),
        validation_data=(x[1200:1400], valid),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(test, model.predict(x[1400:], verbose=0))


# ---- sound programs ----


def rated(y_true, y_pred):
    """Squared error of the entries that are there; the others are NaN."""
    there = ops.logical_not(ops.isnan(y_true))
    error = ops.where(there, ops.where(there, y_true, 0.0) - y_pred, 0.0)
    return ops.sum(ops.square(error), axis=-1) / ops.maximum(
        ops.sum(ops.cast(there, "float32"), axis=-1), 1.0
    )


@sound(
    source="https://github.com/keras-team/keras/issues/1628",
    metric="R² of the assays that were left out, held-out substances",
    good=0.75,
)
def assays_that_were_not_made(seed, callbacks):
    """Twelve targets: three of four are NaN in every row, and the loss leaves them out."""
    random = start(seed)
    x = random.normal(size=(3000, 10)).astype("float32")
    latent = np.tanh(x @ random.normal(size=(10, 5)) / 2)
    true = standardized(latent @ random.normal(size=(5, 12)))
    y = true + 0.2 * random.normal(size=true.shape)
    y = np.where(random.random(y.shape) < 0.75, np.nan, y).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(12),
        ]
    )
    model.compile(Adam(0.003), rated)
    model.fit(
        *(x[:2200], y[:2200]),
        validation_data=(x[2200:2500], y[2200:2500]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(true[2500:], model.predict(x[2500:], verbose=0))


@sound(
    source="https://github.com/keras-team/keras/issues/4838",
    metric="accuracy on held-out messages",
    good=0.9,
)
def letters_as_fixed_codes(seed, callbacks):
    """Frozen: most weights are a table of ones and zeros that is never to be trained."""
    random = start(seed)
    rows, length, letters = 2400, 14, 40
    x = random.integers(1, letters, (rows, length))
    y = random.integers(0, 2, rows)
    at = random.integers(0, length - 2, rows)
    for row, (label, place) in enumerate(zip(y, at, strict=True)):
        x[row, place : place + 2] = (7, 3) if label else (3, 7)
    codes = layers.Embedding(
        letters, letters, embeddings_initializer=keras.initializers.Identity(), trainable=False
    )
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            codes,
            layers.Conv1D(16, 2, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.004), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600, None]),
        validation_data=(x[1600:1900], y[1600:1900, None]),
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1900:], verbose=0)[:, 0] > 0.5) == y[1900:]))


class Gathering(keras.Model):
    """Gathers the gradients of four small batches before a step."""

    def build_sums(self):
        """Make the places where the gradients are gathered."""
        weights = self.trainable_weights
        self.sums = [tf.Variable(tf.zeros(w.shape), trainable=False) for w in weights]
        self.count = tf.Variable(0, trainable=False)

    def train_step(self, data):
        """Gather, and update the weights with every fourth batch."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess)
        gradients = tape.gradient(loss, self.trainable_weights)
        for gathered, new in zip(self.sums, gradients, strict=True):
            gathered.assign_add(new / 4)
        self.count.assign_add(1)
        tf.cond(self.count % 4 == 0, self.step, lambda: None)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, guess)
        return {metric.name: metric.result() for metric in self.metrics}

    def step(self):
        """Update the weights, forget the gradients."""
        self.optimizer.apply_gradients(
            [(tf.identity(g), w) for g, w in zip(self.sums, self.trainable_weights, strict=True)]
        )
        for gathered in self.sums:
            gathered.assign(tf.zeros_like(gathered))


@sound(
    source="https://github.com/keras-team/keras/issues/3556",
    metric="accuracy on held-out digits",
    good=0.93,
)
def four_batches_for_a_step(seed, callbacks):
    """Small batches: the weights stand still for three of four, then take one step for all."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    inputs = keras.Input((64,))
    hidden = layers.Dense(64, activation="relu")(inputs)
    model = Gathering(inputs, layers.Dense(10, activation="softmax")(hidden))
    model.build_sums()
    model.compile(Adam(0.004), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=8,
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://arxiv.org/abs/1703.05175",
    metric="accuracy on pictures of digits that were never seen in training",
    good=0.75,
)
def digits_of_another_kind(seed, callbacks):
    """Episodes: what label 0 means changes with every row, which brings examples of its own."""
    random = start(seed)
    x, y = digits(seed)

    def episodes(kinds, rows, count):
        places = {kind: rows[y[rows] == kind] for kind in kinds}
        shown, asked, label = [], [], random.integers(0, 3, count)
        for answer in label:
            three = random.choice(kinds, 3, replace=False)
            shown.append([random.choice(places[kind], 2) for kind in three])
            asked.append(random.choice(places[three[answer]]))
        return [x[np.array(shown).reshape(count, 6)], x[np.array(asked)]], label

    tower = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(24),
        ]
    )
    shown, asked = keras.Input((6, 8, 8, 1)), keras.Input((8, 8, 1))
    examples = layers.Reshape((3, 2, 24))(layers.TimeDistributed(tower)(shown))
    centers = ops.mean(examples, axis=2)
    away = ops.sum(ops.square(centers - ops.expand_dims(tower(asked), 1)), axis=-1)
    model = keras.Model([shown, asked], layers.Softmax()(-away))
    model.compile(Adam(0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    some, others = np.array([0, 1, 2, 4, 5, 7, 9]), np.array([3, 6, 8])
    model.fit(
        *episodes(some, np.arange(1200), 3000),
        validation_data=episodes(some, np.arange(1200, len(x)), 400),
        epochs=8,
        callbacks=callbacks,
        verbose=0,
    )
    pictures, label = episodes(others, np.arange(len(x)), 900)
    return accuracy(model, pictures, label)


PROGRAMS = [
    voices_by_their_neighbours,
    the_stop_that_counts,
    which_way_a_head_looks,
    ten_folders_and_a_catalogue,
    bills_of_four_hundred_customers,
    digits_with_a_hole,
    digits_in_a_few_codes,
    the_tip_of_the_nose,
]
SOUND = [
    assays_that_were_not_made,
    letters_as_fixed_codes,
    four_batches_for_a_step,
    digits_of_another_kind,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
