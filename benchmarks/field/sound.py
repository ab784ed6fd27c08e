"""Networks that nobody need worry about: programs as people write them, on data they can learn.

Each is a function of a seed and callbacks and returns a score of its own; `good` is the score from
which on it does well. Some reach 0.99, some only what noisy data allow. Diagnosis has nothing to
say about them: an error, a warning or a headline that the run disappoints is a false alarm.

    python -m benchmarks.field.sound                   the scores, without Diagnosis
    python benchmarks/diagnosis.py --programs sound    what Diagnosis says of them
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.optimizers import SGD, Adam, AdamW, RMSprop
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score

from benchmarks.field._program import accuracy, digits, main, sound, start


@sound("accuracy", 0.94)
def small_cnn(seed, callbacks):
    """Images of digits, dropout, Adam: the first network of every course."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential([keras.Input((8, 8, 1))])
    model.add(layers.Conv2D(32, 3, activation="relu"))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:1400], y[:1400], validation_split=0.1, epochs=15, verbose=0, callbacks=callbacks)
    return accuracy(model, x[1400:], y[1400:])


@sound("accuracy", 0.94)
def raw_pixels_rescaled(seed, callbacks):
    """Pixels of 0 to 255 as integers, scaled by a Rescaling layer inside the model; tf.data."""
    start(seed)
    x, y = digits(seed)
    x = (255 * x).astype("uint8")
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Rescaling(1 / 255)])
    for units in (16, 32):
        model.add(layers.Conv2D(units, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(Adam(0.003), loss, metrics=["accuracy"])
    data = tf.data.Dataset.from_tensor_slices((x[:1400], y[:1400])).shuffle(1400).batch(32)
    held_out = tf.data.Dataset.from_tensor_slices((x[1400:], y[1400:])).batch(100)
    model.fit(data, validation_data=held_out, epochs=25, verbose=0, callbacks=callbacks)
    return accuracy(model, x[1400:], y[1400:])


@sound("R2", 0.35)
def noisy_regression(seed, callbacks):
    """Predict diabetes: 442 rows, and half of the variance that nothing explains."""
    random = start(seed)
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    rows = random.permutation(len(x))
    x, y = x[rows].astype("float32"), y[rows].astype("float32")
    x = (x - x[:350].mean(axis=0)) / x[:350].std(axis=0)
    mean, deviation = y[:350].mean(), y[:350].std()
    y = (y - mean) / deviation
    model = keras.Sequential([keras.Input((10,))])
    model.add(layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(0.02)))
    model.add(layers.Dense(1))
    model.compile(Adam(0.003), "mse", metrics=["mae"])
    held_out = (x[350:], y[350:])
    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    callbacks = [stop, *callbacks]
    model.fit(x[:350], y[:350], epochs=80, validation_data=held_out, verbose=0, callbacks=callbacks)
    return float(r2_score(y[350:], model.predict(x[350:], verbose=0)))


@sound("accuracy", 0.93)
def binary_with_sigmoid(seed, callbacks):
    """Breast cancer: columns standardized by a Normalization layer, one sigmoid unit, AUC."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = x[rows].astype("float32"), y[rows]
    scale = layers.Normalization()
    scale.adapt(x[:450])
    model = keras.Sequential([keras.Input((30,)), scale])
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(1, activation="sigmoid"))
    metrics = ["accuracy", keras.metrics.AUC(name="auc")]
    model.compile(Adam(0.003), "binary_crossentropy", metrics=metrics)
    held_out = (x[450:], y[450:])
    model.fit(x[:450], y[:450], epochs=25, validation_data=held_out, verbose=0, callbacks=callbacks)
    return float(np.mean((model.predict(x[450:], verbose=0)[:, 0] > 0.5) == y[450:]))


@sound("explained share of the variance", 0.75)
def autoencoder(seed, callbacks):
    """Digits through sixteen numbers and back: fit(x, x), sigmoid, binary cross-entropy."""
    start(seed)
    x = digits(seed)[0].reshape(-1, 64)
    model = keras.Sequential([keras.Input((64,))])
    for units in (48, 16, 48):
        model.add(layers.Dense(units, activation="relu"))
    model.add(layers.Dense(64, activation="sigmoid"))
    model.compile(Adam(0.003), "binary_crossentropy")
    held_out = (x[1400:], x[1400:])
    model.fit(
        x[:1400], x[:1400], epochs=40, validation_data=held_out, verbose=0, callbacks=callbacks
    )
    return float(r2_score(x[1400:].ravel(), model.predict(x[1400:], verbose=0).ravel()))


class VAE(keras.Model):
    """A variational autoencoder with a train step of its own (Kingma & Welling, 2014)."""

    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(16)])
        decoder = [layers.Dense(64, activation="relu"), layers.Dense(64, activation="sigmoid")]
        self.decoder = keras.Sequential(decoder)
        self.seeds = keras.random.SeedGenerator(1)
        self.mean_loss = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        """What is reset at each epoch."""
        return [self.mean_loss]

    def call(self, x):
        """Reconstruct from the mean of the code."""
        return self.decoder(self.encoder(x)[:, :8])

    def train_step(self, x):
        """One step on the reconstruction and the divergence."""
        with tf.GradientTape() as tape:
            mean, log_variance = ops.split(self.encoder(x), 2, axis=1)
            noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
            y = self.decoder(mean + ops.exp(log_variance / 2) * noise)
            cost = 64 * ops.mean(keras.losses.binary_crossentropy(x, y))
            divergence = ops.sum(mean**2 + ops.exp(log_variance) - 1 - log_variance, axis=1) / 2
            loss = cost + ops.mean(divergence)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.mean_loss.update_state(loss)
        return {"loss": self.mean_loss.result()}


@sound("explained share of the variance", 0.4)
def variational(seed, callbacks):
    """Put the same digits into a VAE, without labels and without validation data."""
    start(seed)
    x = digits(seed)[0].reshape(-1, 64)
    model = VAE()
    model.compile(Adam(0.003))
    model.fit(x[:1400], epochs=25, batch_size=32, verbose=0, callbacks=callbacks)
    return float(r2_score(x[1400:].ravel(), model.predict(x[1400:], verbose=0).ravel()))


@sound("accuracy", 0.9)
def padded_text(seed, callbacks):
    """Tell if good words outnumber bad ones in sentences of 4 to 20 words, padded and masked."""
    random = start(seed)
    lengths = random.integers(4, 21, 2500)
    words = random.integers(1, 60, (2500, 20)) * (np.arange(20) < lengths[:, None])
    good = (words > 0) & (words <= 20)
    bad = (words > 20) & (words <= 40)
    y = (good.sum(axis=1) > bad.sum(axis=1)).astype("float32")
    model = keras.Sequential([keras.Input((20,), dtype="int32")])
    model.add(layers.Embedding(60, 16, mask_zero=True))
    model.add(layers.Bidirectional(layers.LSTM(16)))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(0.005), "binary_crossentropy", metrics=["accuracy"])
    held_out = (words[2000:], y[2000:])
    model.fit(words[:2000], y[:2000], 64, 12, 0, callbacks, validation_data=held_out)
    return float(np.mean((model.predict(words[2000:], verbose=0)[:, 0] > 0.5) == y[2000:]))


@sound("accuracy", 0.9)
def transformer(seed, callbacks):
    """Tell if the first token comes again: one pre-norm transformer block with positions."""
    random = start(seed)
    x = random.integers(0, 16, (3000, 8))
    y = (x[:, 1:] == x[:, :1]).any(axis=1).astype(int)
    keep = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[: y.sum()]])
    keep = random.permutation(keep)
    x, y = x[keep], y[keep]
    tokens = keras.Input((8,), dtype="int32")
    h = layers.Embedding(16, 32)(tokens) + layers.Embedding(8, 32)(ops.arange(8))
    normal = layers.LayerNormalization()(h)
    h = h + layers.MultiHeadAttention(2, 16)(normal, normal)
    h = h + layers.Dense(32)(layers.Dense(64, "gelu")(layers.LayerNormalization()(h)))
    outputs = layers.Dense(2)(layers.LayerNormalization()(h)[:, 0])
    model = keras.Model(tokens, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(AdamW(0.003), loss, metrics=["accuracy"])
    cut = int(0.8 * len(x))
    held_out = (x[cut:], y[cut:])
    model.fit(x[:cut], y[:cut], 64, 40, 0, callbacks, validation_data=held_out)
    return accuracy(model, x[cut:], y[cut:])


@sound("intersection over union", 0.8)
def segmentation(seed, callbacks):
    """Segment discs in noise by a small U-Net; most pixels are background; soft Dice loss."""
    random = start(seed)
    axis = np.arange(16)
    middle = random.uniform(3, 13, (600, 2))
    radius = random.uniform(2, 4, 600)
    distance = np.hypot(
        axis[None, :, None] - middle[:, :1, None], axis[None, None, :] - middle[:, 1:, None]
    )
    y = (distance < radius[:, None, None]).astype("float32")[..., None]
    x = (y + random.normal(0, 0.5, y.shape)).astype("float32")
    images = keras.Input((16, 16, 1))
    fine = layers.Conv2D(8, 3, padding="same", activation="relu")(images)
    coarse = layers.MaxPooling2D()(fine)
    coarse = layers.Conv2D(16, 3, padding="same", activation="relu")(coarse)
    h = layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])
    h = layers.Conv2D(8, 3, padding="same", activation="relu")(h)
    model = keras.Model(images, layers.Conv2D(1, 1, activation="sigmoid")(h))
    model.compile(Adam(0.005), "dice", metrics=[keras.metrics.BinaryIoU([1], name="iou")])
    held_out = (x[500:], y[500:])
    model.fit(x[:500], y[:500], 16, 15, 0, callbacks, validation_data=held_out)
    guess = model.predict(x[500:], verbose=0) > 0.5
    return float(np.sum(guess * y[500:]) / np.sum((guess + y[500:]) > 0))


@sound("accuracy", 0.93)
def two_outputs(seed, callbacks):
    """Tell a digit and, beside it, how much ink it has: two losses with weights."""
    start(seed)
    x, y = digits(seed)
    ink = x.mean(axis=(1, 2, 3))
    ink = (ink - ink.mean()) / ink.std()
    images = keras.Input((8, 8, 1))
    h = layers.Flatten()(layers.Conv2D(16, 3, activation="relu")(images))
    digit = layers.Dense(10, activation="softmax", name="digit")(h)
    amount = layers.Dense(1, name="ink")(h)
    model = keras.Model(images, {"digit": digit, "ink": amount})
    losses = {"digit": "sparse_categorical_crossentropy", "ink": "mse"}
    weights = {"digit": 1.0, "ink": 0.3}
    model.compile(Adam(0.003), losses, loss_weights=weights, metrics={"digit": "accuracy"})
    targets = [{"digit": y[part], "ink": ink[part]} for part in (slice(1400), slice(1400, None))]
    held_out = (x[1400:], targets[1])
    model.fit(x[:1400], targets[0], 32, 15, 0, callbacks, validation_data=held_out)
    return float(np.mean(model.predict(x[1400:], verbose=0)["digit"].argmax(1) == y[1400:]))


@sound("area under the ROC curve", 0.9)
def rare_labels(seed, callbacks):
    """Five labels of which each row has one or none on average; class_weight is not needed."""
    random = start(seed)
    x = random.normal(size=(3000, 20)).astype("float32")
    y = (x @ random.normal(size=(20, 5)) > 5.5).astype("float32")
    model = keras.Sequential([keras.Input((20,)), layers.Dense(32, activation="relu")])
    model.add(layers.Dense(5, activation="sigmoid"))
    metrics = [keras.metrics.AUC(multi_label=True, name="auc")]
    model.compile(Adam(0.005), "binary_crossentropy", metrics=metrics)
    held_out = (x[2400:], y[2400:])
    model.fit(x[:2400], y[:2400], 32, 20, 0, callbacks, validation_data=held_out)
    return float(roc_auc_score(y[2400:], model.predict(x[2400:], verbose=0)))


@sound("balanced accuracy", 0.8)
def imbalanced(seed, callbacks):
    """One row in twenty is positive; weights of the classes; overlapping classes."""
    random = start(seed)
    y = (random.uniform(size=4000) < 0.05).astype(int)
    x = (random.normal(size=(4000, 8)) + 1.0 * y[:, None]).astype("float32")
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8, activation="relu")])
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    held_out = (x[3000:], y[3000:])
    options = {"validation_data": held_out, "class_weight": {0: 0.53, 1: 10.0}}
    model.fit(x[:3000], y[:3000], 64, 12, 0, callbacks, **options)
    guess = model.predict(x[3000:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[3000:], guess))


@sound("accuracy of pairs", 0.85)
def siamese(seed, callbacks):
    """Do two digits show the same number? One network for both, a contrastive loss of one's own."""
    random = start(seed)
    x, y = digits(seed)
    left = random.integers(0, len(x), 4000)
    right = random.integers(0, len(x), 4000)
    same = [random.choice(np.flatnonzero(y == y[number])) for number in left[:2000]]
    right[:2000] = same
    order = random.permutation(4000)
    left, right = left[order], right[order]
    equal = (y[left] == y[right]).astype("float32")

    def contrastive(equal, distance):
        far = ops.maximum(1 - distance, 0)
        return ops.mean(equal * distance**2 + (1 - equal) * far**2, axis=-1)

    def close(equal, distance):
        return ops.mean(ops.cast((distance < 0.5) == (equal > 0.5), "float32"), axis=-1)

    tower = keras.Sequential([layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(16)])
    images = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    difference = tower(images[0]) - tower(images[1])
    squared = ops.sum(difference**2, axis=1, keepdims=True)
    model = keras.Model(images, ops.sqrt(squared + 1e-7))
    model.compile(Adam(0.002), contrastive, metrics=[close])
    train, held_out = slice(3200), slice(3200, None)
    held_out = ([x[left[held_out]], x[right[held_out]]], equal[held_out, None])
    pairs = [x[left[train]], x[right[train]]]
    model.fit(pairs, equal[train, None], 32, 15, 0, callbacks, validation_data=held_out)
    distance = model.predict(held_out[0], verbose=0)
    return float(np.mean((distance < 0.5) == (held_out[1] > 0.5)))


@sound("skill against the last value", 0.3)
def forecast(seed, callbacks):
    """Forecast the change of a noisy oscillation from its last: a GRU, Huber loss, windows."""
    random = start(seed)
    time_axis = np.arange(3000)
    series = np.sin(time_axis / 5) + 0.5 * np.sin(time_axis / 17) + random.normal(0, 0.1, 3000)
    changes = np.diff(series).astype("float32") / 0.2
    windows = np.lib.stride_tricks.sliding_window_view(changes[:-1], 24)[..., None]
    y = changes[24:, None]
    model = keras.Sequential([keras.Input((24, 1)), layers.GRU(16), layers.Dense(1)])
    model.compile(Adam(0.005), keras.losses.Huber())
    held_out = (windows[2400:], y[2400:])
    model.fit(windows[:2400], y[:2400], 32, 12, 0, callbacks, validation_data=held_out)
    error = np.mean((model.predict(windows[2400:], verbose=0) - y[2400:]) ** 2)
    return float(1 - error / np.mean(y[2400:] ** 2))


@sound("accuracy", 0.85)
def frozen_base(seed, callbacks):
    """Freeze a base that knows ten digits; a new head tells odd from even, on other rows."""
    start(seed)
    x, y = digits(seed)
    base = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(32, 3, activation="relu")])
    base.add(layers.Flatten())
    base.add(layers.Dense(32, activation="relu"))
    teacher = keras.Sequential([base, layers.Dense(10, activation="softmax")])
    teacher.compile(Adam(0.003), "sparse_categorical_crossentropy")
    teacher.fit(x[:900], y[:900], epochs=8, verbose=0)
    base.trainable = False
    model = keras.Sequential([base, layers.Dense(2, activation="softmax")])
    model.compile(Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = x[900:], y[900:] % 2
    held_out = (x[700:], y[700:])
    model.fit(x[:700], y[:700], 32, 20, 0, callbacks, validation_data=held_out)
    return accuracy(model, x[700:], y[700:])


@sound("explained deviance", 0.5)
def counts(seed, callbacks):
    """Numbers of events: an exponential output and the Poisson loss."""
    random = start(seed)
    x = random.normal(size=(3000, 6)).astype("float32")
    rate = np.exp(0.8 * x[:, 0] - 0.5 * x[:, 1] + 0.4 * x[:, 2] * x[:, 3] + 0.5)
    y = random.poisson(rate).astype("float32")[:, None]
    model = keras.Sequential([keras.Input((6,)), layers.Dense(32, activation="tanh")])
    model.add(layers.Dense(1, activation="exponential"))
    model.compile(Adam(0.005), "poisson")
    held_out = (x[2400:], y[2400:])
    model.fit(x[:2400], y[:2400], 32, 20, 0, callbacks, validation_data=held_out)
    guess, true = model.predict(x[2400:], verbose=0), y[2400:]

    def deviance(guess):
        logs = np.where(true > 0, true * np.log(np.maximum(true, 1) / guess), 0)
        return np.mean(logs - (true - guess))

    return float(1 - deviance(guess) / deviance(np.full_like(true, y[:2400].mean())))


@sound("coverage of the 90 % quantile", 0.85)
def quantile(seed, callbacks):
    """Find the 90 % quantile, with noise that grows with x, by a pinball loss of one's own."""
    random = start(seed)
    x = random.uniform(-1, 1, (3000, 3)).astype("float32")
    noise = random.normal(size=3000) * (0.2 + 0.3 * np.abs(x[:, 1]))
    y = (x[:, 0] ** 2 + noise).astype("float32")[:, None]

    def pinball(y, guess):
        return ops.mean(ops.maximum(0.9 * (y - guess), 0.1 * (guess - y)), axis=-1)

    model = keras.Sequential([keras.Input((3,)), layers.Dense(32, activation="relu")])
    model.add(layers.Dense(1))
    model.compile(Adam(0.003), pinball)
    held_out = (x[2400:], y[2400:])
    model.fit(x[:2400], y[:2400], 32, 25, 0, callbacks, validation_data=held_out)
    return float(np.mean(y[2400:] < model.predict(x[2400:], verbose=0)))


@sound("accuracy on clean labels", 0.9)
def noisy_labels(seed, callbacks):
    """Every fifth label is wrong, also in validation: nobody reaches more than 0.82 there."""
    random = start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    wrong = random.uniform(size=len(y)) < 0.2
    given = np.where(wrong, random.integers(0, 10, len(y)), y)
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64, activation="relu")])
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(RMSprop(0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    callbacks = [stop, *callbacks]
    held_out = (x[1400:], given[1400:])
    model.fit(x[:1400], given[:1400], 32, 40, 0, callbacks, validation_data=held_out)
    return accuracy(model, x[1400:], y[1400:])


@sound("accuracy", 0.9)
def wide_table(seed, callbacks):
    """Wine: 13 standardized columns, three classes, plain SGD with momentum, one-hot labels."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = x[rows], np.eye(3)[y[rows]]
    x = (x - x[:130].mean(axis=0)) / x[:130].std(axis=0)
    model = keras.Sequential([keras.Input((13,)), layers.Dense(16, activation="tanh")])
    model.add(layers.Dense(3, activation="softmax"))
    model.compile(SGD(0.01, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    held_out = (x[130:], y[130:])
    model.fit(x[:130], y[:130], 16, 30, 0, callbacks, validation_data=held_out)
    return accuracy(model, x[130:], y[130:].argmax(axis=1))


PROGRAMS = []
SOUND = [
    small_cnn,
    raw_pixels_rescaled,
    noisy_regression,
    binary_with_sigmoid,
    autoencoder,
    variational,
    padded_text,
    transformer,
    segmentation,
    two_outputs,
    rare_labels,
    imbalanced,
    siamese,
    forecast,
    frozen_base,
    counts,
    quantile,
    noisy_labels,
    wide_table,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
