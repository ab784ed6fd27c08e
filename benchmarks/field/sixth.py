"""Six field programs about images, written by somebody who had read no rule.

Five have a cause and a repaired twin, see _program.py. The last is sound and reaches what
its noisy labels allow: nothing is to be blamed, see sound.py.

    python -m benchmarks.field.sixth
    python benchmarks/diagnosis.py --programs sixth
"""

import keras
import numpy as np
from keras import layers, ops
from keras.optimizers import Adam, RMSprop

from benchmarks.field._program import accuracy, case, digits, main, sound, start
from benchmarks.field.blind import pairs
from benchmarks.field.third import arrows


@case(
    source="https://github.com/keras-team/keras-preprocessing/issues/114",
    cause="brightness is varied for pixels of 0 to 255, and these pixels are 0 to 1",
    causes="preprocessing layers data",
    evidence="bright|augment|value_range|255|training mode|inference mode",
    repair={"value_range": (0, 1)},
    advice={
        r"value_range|255": {"value_range": (0, 1)},
        r"(remove|without|weaker|less|smaller|drop) .{0,30}(augment|bright)": {"factor": 0.0},
        r"bright|augment": {"value_range": (0, 1)},
        "longer": {"epochs": 50},
        "wider": {"filters": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {"standardized": True},
    },
    metric="validation accuracy",
    good=0.85,
)
def brightness_of_bytes(
    seed,
    callbacks,
    value_range=(0, 255),
    factor=0.3,
    standardized=False,
    epochs=15,
    filters=16,
    learning_rate=0.003,
    dropout=0.0,
):
    """Add a layer that varies the brightness: training gets worse and worse, by one line."""
    start(seed)
    x, y = digits(seed)
    if standardized:
        x = (x - x.mean()) / x.std()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomBrightness(factor, value_range, seed=seed),
            layers.Conv2D(filters, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(32, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1400:], y[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], y[:1400], epochs=epochs, **options)
    return accuracy(model, x[1400:], y[1400:])


def margin_loss(same, distance):
    """Small distances for pairs of one class, at least 1 for others."""
    return ops.mean(same * distance + (1 - same) * ops.relu(1 - distance), axis=-1)


class Distance(layers.Layer):
    """Euclidean distance of two embeddings."""

    def __init__(self, epsilon):
        super().__init__()
        self.epsilon = epsilon

    def call(self, inputs):
        """Two embeddings (N, units) to distances (N, 1)."""
        first, second = inputs
        squares = ops.sum(ops.square(first - second), axis=1, keepdims=True)
        return ops.sqrt(squares + self.epsilon)


@case(
    source="https://github.com/keras-team/keras/issues/9097",
    cause="a few pairs hold one image twice: the slope of the square root is infinite at 0",
    causes="layers loss data",
    evidence=r"sqrt|square root|epsilon|distance|identical|twice|divi\w+ by (0|zero)",
    repair={"epsilon": 1e-6},
    advice={
        r"epsilon|sqrt|square root|maximum\(": {"epsilon": 1e-6},
        r"identical|duplicate|same (image|row|pair)": {"distinct": True},
        r"own loss|custom loss|binary_crossentropy": {"loss": "binary_crossentropy"},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 1e-4},
        "faster": {"learning_rate": 0.02},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mse"},
    },
    metric="validation accuracy of distances below one half",
    good=0.85,
)
def square_root_of_zero(
    seed,
    callbacks,
    epsilon=0.0,
    distinct=False,
    loss=margin_loss,
    epochs=12,
    units=32,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Train a siamese network by distances: it learns for some batches, then the loss is NaN."""
    random = start(seed)
    images, labels = digits(seed, classes=range(5))
    x, same = pairs(random, images[:600], labels[:600], 2400)
    x_validation, same_validation = pairs(random, images[600:], labels[600:], 400)
    if distinct:
        kept = np.any(x[0] != x[1], axis=(1, 2, 3))
        x, same = [part[kept] for part in x], same[kept]
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, "relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8),
        ]
    )
    left, right = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    model = keras.Model([left, right], Distance(epsilon)([encoder(left), encoder(right)]))
    model.compile(RMSprop(learning_rate), loss)
    validation = x_validation, same_validation[:, None]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(x, same[:, None], epochs=epochs, **options)
    distance = model.predict(x_validation, verbose=0)[:, 0]
    if not np.all(np.isfinite(distance)):
        return 0.0
    return float(np.mean((distance < 0.5) == same_validation))


def cracks(random, count):
    """Noisy images (count, 24, 24, 1) of two cracks of one pixel's width, and their masks."""
    masks = np.zeros((count, 24, 24, 1), "float32")
    for mask in masks:
        for row in random.integers(4, 20, 2):
            rows = row + np.cumsum(random.integers(-1, 2, 24))
            mask[np.clip(rows, 0, 23), np.arange(24)] = 1
    return (masks + 0.3 * random.normal(size=masks.shape)).astype("float32"), masks


@case(
    source="https://github.com/0bserver07/One-Hundred-Layers-Tiramisu/issues/6",
    cause="the concatenations are lost: what is fine must pass through 3 × 3 pixels",
    causes="layers",
    evidence="skip|shortcut|concatenat|bottleneck|resolution|pooling|detail",
    repair={"skips": True},
    advice={
        r"skip|shortcut|concatenat|residual": {"skips": True},
        "longer": {"epochs": 27},
        "wider": {"filters": 16},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="Dice coefficient on validation",
    good=0.75,
)
def missing_skips(
    seed,
    callbacks,
    skips=False,
    epochs=9,
    filters=6,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Port a U-Net to another style: days of training, and it marks next to none of the cracks."""
    x, masks = cracks(start(seed), 500)
    settings = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
    inputs = keras.Input((24, 24, 1))
    hidden, kept = inputs, []
    for level in range(3):
        hidden = layers.Conv2D(filters * 2**level, 3, **settings)(hidden)
        kept.append(hidden)
        hidden = layers.MaxPooling2D()(hidden)
    hidden = layers.Dropout(dropout)(layers.Conv2D(8 * filters, 3, **settings)(hidden))
    for level in (2, 1, 0):
        hidden = layers.UpSampling2D()(hidden)
        if skips:
            hidden = layers.Concatenate()([hidden, kept[level]])
        hidden = layers.Conv2D(filters * 2**level, 3, **settings)(hidden)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(hidden))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[400:], masks[400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:400], masks[:400], batch_size=16, epochs=epochs, **options)
    guess, truth = model.predict(x[400:], verbose=0) > 0.5, masks[400:] > 0.5
    return float(2 * np.sum(guess & truth) / (np.sum(guess) + np.sum(truth)))


@case(
    source="https://github.com/kuza55/keras-extras/issues/15",
    cause="the batch was multiplied by 16 for 16 devices: two updates are an epoch",
    causes="batch_size epochs learning_rate data",
    evidence=r"(few|only|\d|after) updates|updates (per|an|in an|each) epoch|"
    r"large batch|batch.{0,30}(large|rows|whole)|batch(es)? of \d|steps (per|an) epoch",
    repair={"batch_size": 64},
    advice={
        r"batch_size|(smaller|divide).{0,20}batch": {"batch_size": 64},
        "longer": {"epochs": 200},
        "wider": {"filters": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="validation accuracy",
    good=0.85,
)
def global_batch(
    seed,
    callbacks,
    batch_size=64 * 16,
    epochs=12,
    filters=16,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Move a good program from one device to 16: epochs are fast, and accuracy stays behind."""
    start(seed)
    x, y = digits(seed)
    settings = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(filters, 3, **settings),
            layers.MaxPooling2D(),
            layers.Conv2D(filters, 3, padding="same", **settings),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1400:], y[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], y[:1400], batch_size=batch_size, epochs=epochs, **options)
    return accuracy(model, x[1400:], y[1400:])


SHAPES = np.zeros((3, 12, 12), bool)  # a square, a cross, a diamond
SHAPES[0, 3:9, 3:9] = True
SHAPES[1, 5:7, 2:10] = SHAPES[1, 2:10, 5:7] = True
SHAPES[2] = np.abs(np.arange(12)[:, None] - 5.5) + np.abs(np.arange(12) - 5.5) < 5


def fruits(random, shapes):
    """Photos (N, 12, 12, 3), red first, of fruits of some shapes, and how red each is, 0 to 2."""
    ripe = random.integers(0, 3, len(shapes))
    green, blue = random.uniform(0.4, 0.6, len(shapes)), random.uniform(0.1, 0.9, len(shapes))
    colour = np.stack([0.15 + 0.35 * ripe, green, blue], axis=1)
    shifts = random.integers(-1, 2, (len(shapes), 2))
    places = zip(SHAPES[shapes], shifts, strict=True)
    masks = np.stack([np.roll(shape, shift, axis=(0, 1)) for shape, shift in places])
    photos = np.where(masks[..., None], colour[:, None, None], 0.3)
    return (photos + 0.08 * random.normal(size=photos.shape)).astype("float32"), ripe


@case(
    source="https://github.com/xiaochus/YOLOv3/issues/22",
    cause="photos are read with blue first, and the frozen base was trained with red first",
    causes="preprocessing data layers",
    evidence="BGR|RGB|channel|colou?r|frozen|pretrained",
    repair={"order": "RGB"},
    advice={
        r"BGR|RGB|channel|colou?r": {"order": "RGB"},
        r"trainable|unfreeze|fine.?tune": {"trainable": True},
        "longer": {"epochs": 90},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"standardized": True},
    },
    metric="validation accuracy",
    good=0.9,
)
def blue_first(
    seed,
    callbacks,
    order="BGR",
    trainable=False,
    standardized=False,
    epochs=25,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
):
    """Train a new head on a good frozen base: it works, and far less well than it should."""
    random = start(seed)
    base = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(12, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(8, "relu"),
        ],
        name="base",
    )
    shapes = random.integers(0, 2, 2000)
    known, ripe = fruits(random, shapes)
    teacher = keras.Sequential([base, layers.Dense(6, "softmax")])
    teacher.compile(Adam(0.005), "sparse_categorical_crossentropy")
    teacher.fit(known, 3 * shapes + ripe, epochs=15, verbose=0)
    base.trainable = trainable

    x, y = fruits(random, np.full(800, 2))
    if order == "BGR":
        x = x[..., ::-1]
    if standardized:
        x = (x - x.mean()) / x.std()
    head = [layers.Dense(units, "relu"), layers.Dropout(dropout), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((12, 12, 3)), base, *head])
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[500:], y[500:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:500], y[:500], epochs=epochs, **options)
    return accuracy(model, x[500:], y[500:])


@sound(
    source="https://hackernoon.com/"
    "cnns-with-noisy-labels-using-deepcognition-research-paper-1bf4094e3bd9",
    metric="accuracy of validation images against their true labels",
    good=0.93,
)
def labels_by_strangers(seed, callbacks):
    """Have arrows labelled by hurried people: one label of five is any label, in validation too."""
    random = start(seed)
    x, true = arrows(random, 3000)
    hurried = random.random(3000) < 0.2
    y = np.where(hurried, random.integers(0, 4, 3000), true)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(4, "softmax"),
        ]
    )
    model.compile(Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[2200:], y[2200:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2200], y[:2200], epochs=10, **options)
    return accuracy(model, x[2200:], true[2200:])


PROGRAMS = [
    brightness_of_bytes,
    square_root_of_zero,
    missing_skips,
    global_batch,
    blue_first,
]
SOUND = [labels_by_strangers]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
