"""Six field programs more about images and losses of one's own, by somebody who had read no rule.

Five have a cause and a repaired twin, see _program.py. The last is sound and reaches what
its noisy targets allow: nothing is to be blamed, see sound.py.

    python -m benchmarks.field.seventh
    python benchmarks/diagnosis.py --programs seventh
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.optimizers import Adam

from benchmarks.field._program import accuracy, case, digits, main, r_squared, sound, start


class Physics(keras.Model):
    """A function u with u'' = force inside, and 0 at both ends."""

    def __init__(self, *args, ends, boundary, **options):
        super().__init__(*args, **options)
        self.ends, self.boundary = ends, boundary

    def train_step(self, data):
        """One step on places (N, 1) and the forces (N, 1) there."""
        x, force = data
        with tf.GradientTape() as tape:
            with tf.GradientTape() as slopes:
                slopes.watch(x)
                with tf.GradientTape() as values:
                    values.watch(x)
                    u = self(x, training=True)
                slope = values.gradient(u, x)
            residual = slopes.gradient(slope, x) - force
            edge = self(tf.constant([[-self.ends], [self.ends]]), training=True)
            loss = tf.reduce_mean(tf.square(residual))
            loss += self.boundary * tf.reduce_mean(tf.square(edge))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@case(
    source="https://github.com/lululxvi/deepxde/issues/80",
    cause="the loss asks for a second derivative, and that of relu is 0 everywhere",
    causes="activation layers loss",
    evidence="second derivative|second.order|curvature|smooth|piecewise|kink",
    repair={"activation": "tanh"},
    advice={
        r"tanh|swish|silu|gelu|smooth|softplus": {"activation": "tanh"},
        r"leaky_relu": {"activation": "leaky_relu"},
        r"boundary|weight of|loss_weights|outweigh": {"boundary": 10.0},
        "longer": {"epochs": 120},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 1e-3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
    },
    metric="R² against the solution",
    good=0.9,
)
def relu_physics(
    seed,
    callbacks,
    activation="relu",
    boundary=1.0,
    epochs=60,
    units=32,
    learning_rate=0.005,
    initializer="glorot_uniform",
):
    """Solve a differential equation by a network: the loss stays where it begins."""
    random = start(seed)
    x = random.uniform(-np.pi, np.pi, (640, 1)).astype("float32")
    inputs = keras.Input((1,))
    hidden = inputs
    for _ in range(2):
        hidden = layers.Dense(units, activation, kernel_initializer=initializer)(hidden)
    model = Physics(inputs, layers.Dense(1)(hidden), ends=float(np.pi), boundary=boundary)
    model.compile(Adam(learning_rate))
    model.fit(x, -np.sin(x), epochs=epochs, callbacks=callbacks, verbose=0)
    places = np.linspace(-np.pi, np.pi, 200)
    guess = model.predict(places[:, None].astype("float32"), verbose=0)[:, 0]
    return r_squared(np.sin(places), guess)


@case(
    source="https://github.com/hlamba28/UNET-TGS/issues/8",
    cause="masks are read as 0 and 255: cross-entropy wants 0 and 1",
    causes="data preprocessing loss activation",
    evidence=r"255|negative loss|loss.{0,30}(negative|below 0)|"
    r"(target|label|mask)s?.{0,60}(range|outside|0 (to|and|or) 1|above 1|exceed)",
    repair={"divided": True},
    advice={
        r"255|masks?\b|targets?\b|labels?.{0,40}(range|0 (to|and|or) 1)": {"divided": True},
        "longer": {"epochs": 30},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {"standardized": True},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mse"},
    },
    metric="Dice coefficient on validation",
    good=0.6,
)
def masks_as_bytes(
    seed,
    callbacks,
    divided=False,
    standardized=False,
    epochs=10,
    filters=8,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
    activation="sigmoid",
    loss="binary_crossentropy",
):
    """Mark salt on seismic images: the loss falls below 0 and on, and everything is salt."""
    random = start(seed)
    rows, columns = np.mgrid[:20, :20]
    centres, radii = random.uniform(5, 15, (2, 400, 1, 1)), random.uniform(2.5, 5, (400, 1, 1))
    inside = (rows - centres[0]) ** 2 + (columns - centres[1]) ** 2 < radii**2
    photos = 100 + 50 * inside + 40 * random.normal(size=inside.shape)
    x = np.clip(photos, 0, 255)[..., None].astype("float32") / 255
    masks = 255 * inside[..., None].astype("float32")
    if standardized:
        x = (x - x.mean()) / x.std()
    if divided:
        masks = masks / 255
    settings = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((20, 20, 1)),
            layers.Conv2D(filters, 5, **settings),
            layers.Conv2D(filters, 5, **settings),
            layers.Dropout(dropout),
            layers.Conv2D(1, 1, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    options = {"validation_data": (x[320:], masks[320:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:320], masks[:320], batch_size=16, epochs=epochs, **options)
    guess, truth = model.predict(x[320:], verbose=0) > 0.5, inside[320:, ..., None]
    return float(2 * np.sum(guess & truth) / (np.sum(guess) + np.sum(truth)))


class Gan(keras.Model):
    """A generator of rows and a discriminator for which 1 means generated."""

    def __init__(self, generator, discriminator, asked, seed):
        super().__init__()
        self.generator, self.discriminator, self.asked = generator, discriminator, asked
        self.noise = keras.random.SeedGenerator(seed)

    def compile(self, learning_rate):
        """Give each network an optimizer of its own."""
        super().compile()
        self.own = Adam(learning_rate, beta_1=0.5), Adam(learning_rate, beta_1=0.5)
        self.crossentropy = keras.losses.BinaryCrossentropy()

    def train_step(self, real):
        """Train the discriminator on rows (N, 2) and as many generated ones, then the generator."""
        noise = keras.random.normal((tf.shape(real)[0], 4), seed=self.noise)
        rows = tf.concat([self.generator(noise), real], axis=0)
        labels = tf.concat([tf.ones_like(real[:, :1]), tf.zeros_like(real[:, :1])], axis=0)
        with tf.GradientTape() as tape:
            told = self.crossentropy(labels, self.discriminator(rows, training=True))
        weights = self.discriminator.trainable_weights
        self.own[0].apply_gradients(zip(tape.gradient(told, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            answers = self.discriminator(self.generator(noise, training=True))
            fooled = self.crossentropy(self.asked * tf.ones_like(answers), answers)
        weights = self.generator.trainable_weights
        self.own[1].apply_gradients(zip(tape.gradient(fooled, weights), weights, strict=True))
        return {"discriminator_loss": told, "generator_loss": fooled}


@case(
    source="https://github.com/keras-team/keras-io/issues/284",
    cause="1 means generated, and the generator is asked for 1: it helps the discriminator",
    causes="loss data",
    evidence="generator|discriminator|adversar|generated|fake",
    repair={"asked": 0.0},
    advice={
        r"label.{0,60}(real|fake|swap|generat)|fool|mislead|swap|invert|opposite": {"asked": 0.0},
        "longer": {"epochs": 120},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "initialized": {"initializer": "he_normal"},
        r"leaky_relu": {"activation": "leaky_relu"},
    },
    metric="1 - distance of generated and real columns, in deviations",
    good=0.6,
)
def gan_labels(
    seed,
    callbacks,
    asked=1.0,
    epochs=40,
    units=32,
    learning_rate=0.001,
    initializer="glorot_uniform",
    activation="relu",
):
    """Train a small GAN: both losses go to 0, and what it draws is far from everything real."""
    random = start(seed)
    real = [1.5, -1.0] + random.normal(size=(2000, 2)) @ [[1.0, 0.6], [0.0, 0.5]]
    hidden = {"activation": activation, "kernel_initializer": initializer}
    generator = keras.Sequential(
        [keras.Input((4,)), layers.Dense(units, **hidden), layers.Dense(2)], name="generator"
    )
    discriminator = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(units, **hidden),
            layers.Dense(units, **hidden),
            layers.Dense(1, "sigmoid"),
        ],
        name="discriminator",
    )
    model = Gan(generator, discriminator, asked, seed)
    model.compile(learning_rate)
    model.fit(real.astype("float32"), epochs=epochs, callbacks=callbacks, verbose=0)
    drawn = generator.predict(random.normal(size=(2000, 4)).astype("float32"), verbose=0)
    apart = np.abs(np.sort(drawn, axis=0) - np.sort(real, axis=0)).mean(axis=0) / real.std(axis=0)
    return float(1 - apart.mean()) if np.all(np.isfinite(drawn)) else -np.inf


def faces(random, count):
    """Noisy images (count, 16, 16, 1) and where the eyes are, left x, y, right x, y (count, 4)."""
    aside = random.uniform(2, 5.5, (count, 2)) * [-1, 1]
    eyes = np.stack([7.5 + aside, random.uniform(3, 10, (count, 2))], axis=2)  # count, eye, x and y
    rows, columns = np.mgrid[:16, :16]
    across = columns - eyes[:, :, 0, None, None]
    down = rows - eyes[:, :, 1, None, None]
    x = np.exp(-(across**2 + down**2) / 2).sum(axis=1)
    x = x + 0.1 * random.normal(size=x.shape)
    return x[..., None].astype("float32"), (eyes / 15).reshape(-1, 4).astype("float32")


def mirrored(swapped):
    """Return a function that turns half of the images, and with them the places of the eyes."""

    def turn(image, eyes):
        turned = tf.stack([1 - eyes[0], eyes[1], 1 - eyes[2], eyes[3]])
        if swapped:
            turned = tf.gather(turned, [2, 3, 0, 1])
        chosen = tf.random.uniform(()) < 0.5
        return tf.where(chosen, image[:, ::-1], image), tf.where(chosen, turned, eyes)

    return turn


@case(
    source="https://forums.fast.ai/t/flipping-and-image-regression-with-keypoints/90532",
    cause="on a mirrored face the left eye is the right one, and stays the first in the target",
    causes="data preprocessing layers",
    evidence="flip|mirror|augment|swap|(target|label)s?.{0,60}(belong|differ|contradict|order|row)",
    repair={"swapped": True},
    advice={
        r"swap|(target|label)s?.{0,60}(belong|row|order|match)": {"swapped": True},
        r"flip|mirror|(remove|without|weaker|less) .{0,20}augment": {"flips": False},
        "longer": {"epochs": 50},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
    },
    metric="share of faces whose eyes are both found within two pixels",
    good=0.8,
)
def swapped_eyes(
    seed,
    callbacks,
    swapped=False,
    flips=True,
    epochs=20,
    filters=8,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
    activation=None,
):
    """Find the eyes on portraits: how high they are is right, and both are near the middle."""
    x, eyes = faces(start(seed), 1200)
    settings = {"activation": "relu", "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(filters, 3, **settings),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(64, **settings),
            layers.Dense(4, activation),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    rows = tf.data.Dataset.from_tensor_slices((x[:1000], eyes[:1000])).shuffle(1000, seed=seed)
    if flips:
        rows = rows.map(mirrored(swapped))
    options = {"validation_data": (x[1000:], eyes[1000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(rows.batch(32), epochs=epochs, **options)
    errors = 15 * (model.predict(x[1000:], verbose=0) - eyes[1000:]).reshape(-1, 2, 2)
    distances = np.linalg.norm(errors, axis=2)
    return float(np.mean(distances.max(axis=1) < 2))


@case(
    source="https://github.com/keras-team/keras/issues/9940",
    cause="the base is unfrozen after `compile`, which is not called again: it stays frozen",
    causes="layers optimizer initialization",
    evidence=r"compile|frozen|unfrozen|(not|never|no).{0,20}(train|updat|chang|mov)",
    repair={"compiled_again": True},
    advice={
        r"compile": {"compiled_again": True},
        r"trainable|unfreeze|fine.?tune|frozen": {},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
    },
    metric="validation accuracy",
    good=0.85,
)
def unfrozen_unheard(
    seed,
    callbacks,
    compiled_again=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
):
    """Fine-tune after the head was trained: nothing gets better, and all layers are trainable."""
    start(seed)
    known, known_labels = digits(seed, classes=(0, 1))
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(12, "relu"),
        ],
        name="base",
    )
    teacher = keras.Sequential([base, layers.Dense(1, "sigmoid")])
    teacher.compile(Adam(0.003), "binary_crossentropy")
    teacher.fit(known, known_labels, epochs=10, verbose=0)
    base.trainable = False

    images, labels = digits(seed, classes=range(2, 10))
    x, y = images, labels - 2
    head = [layers.Dense(units, "relu"), layers.Dropout(dropout), layers.Dense(8, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), base, *head])
    settings = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    model.compile(Adam(learning_rate), **settings)
    options = {"validation_data": (x[1100:], y[1100:]), "verbose": 0}
    model.fit(x[:1100], y[:1100], epochs=5, **options)
    base.trainable = True
    if compiled_again:
        model.compile(Adam(learning_rate), **settings)
    model.fit(x[:1100], y[:1100], epochs=epochs, callbacks=callbacks, **options)
    return accuracy(model, x[1100:], y[1100:])


@sound(
    source="https://github.com/tbepler/topaz/issues/28",
    metric="R² of validation images against those without noise",
    good=0.8,
)
def noise_to_noise(seed, callbacks):
    """Learn to denoise from pairs of noisy images: the loss hardly falls, the images are good."""
    random = start(seed)
    places = np.pi * (np.arange(8) + 0.5) / 8
    waves = np.cos(np.arange(3)[:, None] * places)
    smooth = np.einsum("ir,jc->ijrc", waves, waves).reshape(9, 64)[1:]
    smooth = np.sqrt(8) * smooth / np.linalg.norm(smooth, axis=1, keepdims=True)
    clean = random.normal(size=(6000, 8)) @ smooth  # images of 8 x 8 pixels of deviation 1
    x, y = (clean + random.normal(size=(2, *clean.shape))).astype("float32")
    model = keras.Sequential([keras.Input((64,)), layers.Dense(48, "relu"), layers.Dense(64)])
    model.compile(Adam(0.002), "mse", metrics=["mae"])
    options = {"validation_data": (x[5000:], y[5000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:5000], y[:5000], epochs=15, **options)
    guess = model.predict(x[5000:], verbose=0)
    return r_squared(clean[5000:], guess)


PROGRAMS = [
    relu_physics,
    masks_as_bytes,
    gan_labels,
    swapped_eyes,
    unfrozen_unheard,
]
SOUND = [noise_to_noise]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
