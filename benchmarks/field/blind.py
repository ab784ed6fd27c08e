"""Ten field programs, set aside by lot from twenty until the rules had been counted on them.

They are known to who writes rules by now; docs/measured.md has both counts. See _program.py.

    python -m benchmarks.field.blind
    python benchmarks/diagnosis.py --programs blind
"""

import keras
import numpy as np
from keras import layers, ops
from keras.optimizers import Adam
from sklearn.metrics import balanced_accuracy_score

from benchmarks.field._program import accuracy, case, digits, main, one_hot, r_squared, start


class Sampling(layers.Layer):
    """Draws from the posterior of a variational autoencoder; adds its KL divergence as a loss."""

    def __init__(self, weight, seed):
        super().__init__()
        self.weight = weight
        self.noise = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        """Mean and logarithm of the variance to one sample of each row."""
        mean, log_variance = inputs
        divergence = ops.square(mean) + ops.exp(log_variance) - log_variance - 1
        self.add_loss(self.weight * 0.5 * ops.mean(ops.sum(divergence, axis=1)))
        drawn = keras.random.normal(ops.shape(mean), seed=self.noise)
        return mean + ops.exp(0.5 * log_variance) * drawn


@case(
    source="https://stats.stackexchange.com/questions/485488/"
    "should-reconstruction-loss-be-computed-as-sum-or-average-over-input-for-variatio",
    cause="the divergence is a sum, the reconstruction a mean over pixels: the code is not used",
    causes="loss layers",
    evidence="penalt|added loss|add_loss|divergence|outweigh|regulariz",
    repair={"weight": 1 / 64},
    advice={
        r"penalt|add_loss|divergence|weight of|regulariz": {"weight": 1 / 64},
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "faster": {"learning_rate": 1e-2},
        "slower": {"learning_rate": 1e-4},
    },
    metric="R² of reconstructed validation images",
    good=0.35,
)
def vae_divergence(seed, callbacks, weight=1.0, epochs=15, units=64, learning_rate=0.005):
    """Train a variational autoencoder: it gives the same image whatever the input."""
    start(seed)
    images, _ = digits(seed)
    x = images.reshape(-1, 64)
    inputs = keras.Input((64,))
    hidden = layers.Dense(units, "relu")(inputs)
    mean, log_variance = layers.Dense(8)(hidden), layers.Dense(8)(hidden)
    code = Sampling(weight, seed)([mean, log_variance])
    outputs = layers.Dense(64, "sigmoid")(layers.Dense(units, "relu")(code))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), "binary_crossentropy")
    options = {"validation_data": (x[1400:], x[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], x[:1400], epochs=epochs, **options)
    guess = model.predict(x[1400:], verbose=0)
    trivial = np.sum(np.square(x[1400:] - x[1400:].mean(axis=0)))
    return 1 - float(np.sum(np.square(x[1400:] - guess)) / trivial)


def contrastive_loss(same, distance):
    """Small distances for pairs of one class, at least 1 for others (Hadsell et al., 2006)."""
    apart = ops.square(ops.maximum(1 - distance, 0))
    return ops.mean(same * ops.square(distance) + (1 - same) * apart, axis=-1)


def pairs(random, images, labels, count):
    """Two arrays of images and 1 for those of one class, half of them."""
    first = random.integers(0, len(labels), count)
    second = random.integers(0, len(labels), count)
    for row in range(0, count, 2):
        second[row] = random.choice(np.flatnonzero(labels == labels[first[row]]))
    same = (labels[first] == labels[second]).astype("float32")
    return [images[first], images[second]], same


@case(
    source="https://datascience.stackexchange.com/questions/45629/"
    "contrastive-loss-problem-in-a-character-level-siamese-nn-model",
    cause="the contrastive loss reads the output as a distance, the output says how alike two are",
    causes="loss activation",
    evidence="loss.{0,80}(permut|right|wrong|true|label)|own loss|custom|below|invert|opposite",
    repair={"loss": "binary_crossentropy"},
    advice={
        r"binary_crossentropy|own loss|custom loss": {"loss": "binary_crossentropy"},
        r"swap|1 - y|invert|opposite": {"inverted": True},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "faster": {"learning_rate": 1e-2},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.5},
    },
    metric="validation accuracy",
    good=0.85,
)
def siamese_distance(
    seed,
    callbacks,
    loss=contrastive_loss,
    inverted=False,
    epochs=12,
    units=32,
    learning_rate=0.002,
    dropout=0.0,
):
    """Are two of one kind? A siamese network with a contrastive loss always answers no."""
    random = start(seed)
    images, labels = digits(seed, classes=range(5))
    x, same = pairs(random, images[:600], labels[:600], 2000)
    x_validation, same_validation = pairs(random, images[600:], labels[600:], 400)
    if inverted:
        same, same_validation = 1 - same, 1 - same_validation
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(units),
        ]
    )
    left, right = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    difference = ops.abs(encoder(left) - encoder(right))
    model = keras.Model([left, right], layers.Dense(1, "sigmoid")(difference))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    validation = x_validation, same_validation[:, None]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(x, same[:, None], epochs=epochs, **options)
    guess = model.predict(x_validation, verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == same_validation))


@case(
    source="https://github.com/keras-team/keras/issues/3985",
    cause="the generator's counter is set to 0 in every round: it yields the first batch for ever",
    causes="data preprocessing",
    evidence="same batch|batch.{0,40}(again|same|repeat|distinct)|distinct rows|repeat",
    repair={"advances": True},
    advice={
        r"generator|index|batch.{0,40}(same|again|other)|distinct|all rows": {"advances": True},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
    },
    metric="validation accuracy",
    good=0.85,
)
def generator_first_batch(seed, callbacks, advances=False, epochs=12, dropout=0.2, units=64):
    """`fit` on arrays reaches 0.98, the same by a generator 0.7."""
    start(seed)
    images, labels = digits(seed)
    x, y = images.reshape(-1, 64), one_hot(labels, 10)

    def batches():
        begin = 0
        while True:
            yield x[begin : begin + 35], y[begin : begin + 35]
            begin = (begin + 35) % 1400 if advances else 0

    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(0.003), "categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[1400:], y[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(batches(), steps_per_epoch=40, epochs=epochs, **options)
    return accuracy(model, x[1400:], labels[1400:])


@case(
    source="https://github.com/keras-team/keras/issues/590",
    cause="the Poisson loss takes the logarithm of an output that may be negative",
    causes="activation loss",
    evidence="poisson|negative|logarithm|positive",
    repair={"activation": "exponential"},
    advice={
        r"exponential|softplus": {"activation": "exponential"},
        "relu": {"activation": "relu"},
        "sigmoid": {"activation": "sigmoid"},
        "squared": {"loss": "mse"},
        "slower": {"learning_rate": 5e-4},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
    },
    metric="R² against the expected counts",
    good=0.6,
)
def poisson_linear(
    seed, callbacks, activation="linear", loss="poisson", learning_rate=0.005, epochs=15, units=32
):
    """Predict counts of two inputs, a plan and a season: the loss is NaN in the first epoch."""
    random = start(seed)
    plan = random.normal(size=(1200, 5)).astype("float32")
    season = random.integers(0, 12, 1200)
    expected = np.exp(0.5 * plan[:, 0] + 0.4 * plan[:, 1] + np.sin(season * np.pi / 6))
    y = random.poisson(expected).astype("float32")
    numbers, month = keras.Input((5,), name="plan"), keras.Input((), dtype="int32", name="season")
    hidden = layers.Concatenate()([numbers, layers.Embedding(12, 4)(month)])
    outputs = layers.Dense(1, activation)(layers.Dense(units, "relu")(hidden))
    model = keras.Model({"plan": numbers, "season": month}, outputs)
    model.compile(Adam(learning_rate), loss)
    x = {"plan": plan, "season": season}
    train, rest = (
        {key: a[part] for key, a in x.items()} for part in (slice(900), slice(900, None))
    )
    options = {"validation_data": (rest, y[900:]), "callbacks": callbacks, "verbose": 0}
    model.fit(train, y[:900], epochs=epochs, **options)
    return r_squared(expected[900:], model.predict(rest, verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras-io/issues/1549",
    cause="the frozen base rescales by itself, and its inputs are divided by 255 before that",
    causes="preprocessing layers data",
    evidence="rescal|range|frozen|features.{0,40}(differ|same|equal)",
    repair={"divided": False},
    advice={
        r"rescaling|0 to 255|raw|divid|range|scale": {"divided": False},
        r"trainable|unfreeze|fine.?tune": {"trainable": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
    },
    metric="validation accuracy",
    good=0.85,
)
def double_rescaling(
    seed, callbacks, divided=True, trainable=False, epochs=25, units=32, learning_rate=0.005
):
    """Train a new head on a frozen base: chance; on another base it works."""
    start(seed)
    known, known_labels = digits(seed, classes=range(5))
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, "relu"),
        ],
        name="base",
    )
    teacher = keras.Sequential([base, layers.Dense(5, "softmax")])
    teacher.compile(Adam(0.003), "sparse_categorical_crossentropy")
    teacher.fit(255 * known, known_labels, epochs=15, verbose=0)
    base.trainable = trainable

    images, labels = digits(seed, classes=range(5, 10))
    x = images if divided else 255 * images
    head = [layers.Dense(units, "relu"), layers.Dense(5, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), base, *head])
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = x[600:], labels[600:] - 5
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(x[:600], labels[:600] - 5, epochs=epochs, **options)
    return accuracy(model, *validation)


@case(
    source="https://github.com/keras-team/keras-preprocessing/issues/102",
    cause="classes are numbered by their text in training and by their value in validation",
    causes="data preprocessing",
    evidence="label|class",
    repair={"alike": True},
    advice={
        r"number|label|class|prepared|own row": {"alike": True},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 40},
        "slower": {"learning_rate": 1e-4},
    },
    metric="validation accuracy",
    good=0.85,
)
def class_numbers_differ(seed, callbacks, alike=False, epochs=12, dropout=0.0, learning_rate=0.003):
    """Two tables of the same images: 0.01 to 0.05 in validation by one, 0.93 by the other."""
    start(seed)
    images, labels = digits(seed)
    names = np.array([str(label + 5) for label in labels])  # "5" to "14": text sorts 10 before 5
    by_text = np.unique(names, return_inverse=True)[1]
    validation_labels = by_text[1400:] if alike else labels[1400:]
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = images[1400:], validation_labels
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(images[:1400], by_text[:1400], epochs=epochs, **options)
    return accuracy(model, *validation)


@case(
    source="https://github.com/keras-team/keras/issues/11860",
    cause="in float16 Adam's epsilon of 1e-7 is 0: it divides 0 by 0",
    causes="optimizer layers initialization",
    evidence="float16|epsilon|precision|dtype",
    repair={"epsilon": 1e-3},
    advice={
        r"epsilon": {"epsilon": 1e-3},
        r"float32|mixed": {"policy": "mixed_float16"},
        "slower": {"learning_rate": 3e-4},
        r"rmsprop|sgd": {"optimizer": keras.optimizers.SGD},
        "longer": {"epochs": 40},
    },
    metric="R² on validation",
    good=0.8,
)
def float16_adam(
    seed,
    callbacks,
    epsilon=1e-7,
    policy="float16",
    learning_rate=0.003,
    epochs=12,
    optimizer=Adam,
):
    """Half precision for speed: with Adam the loss is NaN, with SGD it is not."""
    start(seed)
    x, y = digits(seed)[0].reshape(-1, 64), digits(seed)[1]
    y = ((y - 4.5) / 3).astype("float32")
    settings = {"dtype": policy}
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(64, "relu", **settings),
            layers.Dense(32, "relu", **settings),
            layers.Dense(1, **settings),
        ]
    )
    options = {"epsilon": epsilon} if optimizer is Adam else {}
    model.compile(optimizer(learning_rate, **options), "mse", metrics=["mae"])
    options = {"validation_data": (x[1400:], y[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], y[:1400], epochs=epochs, **options)
    return r_squared(y[1400:], model.predict(x[1400:], verbose=0)[:, 0].astype("float32"))


def weighted_labels(weight):
    """Binary cross-entropy in which a label that holds counts `weight` times."""

    def loss(y, guess):
        guess = ops.clip(guess, 1e-6, 1 - 1e-6)
        return ops.mean(-(weight * y * ops.log(guess) + (1 - y) * ops.log(1 - guess)), axis=-1)

    return loss


@case(
    source="https://stackoverflow.com/questions/69833703/"
    "how-to-apply-a-loss-metric-that-will-penalize-predicting-all-zeros-in-multilab",
    cause="each of 20 labels holds in one row of 30: no probability exceeds one half",
    causes="loss data",
    evidence="imbalance|balanced|rare|majority|positive|class share|label share",
    repair={"weight": 25.0},
    advice={
        r"weight|threshold": {"weight": 25.0},
        "longer": {"epochs": 40},
        "wider": {"units": 256},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
    },
    metric="mean balanced accuracy of the labels on validation",
    good=0.75,
)
def multilabel_rare(
    seed, callbacks, weight=None, epochs=8, units=64, learning_rate=0.002, dropout=0.0
):
    """Twenty labels of which few hold: accuracy is high, recall is nothing."""
    random = start(seed)
    y = (random.random((5000, 20)) < 1 / 30).astype("float32")
    x = (2.2 * y + random.normal(size=y.shape)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(20, "sigmoid"),
        ]
    )
    loss = "binary_crossentropy" if weight is None else weighted_labels(weight)
    model.compile(Adam(learning_rate), loss, metrics=["binary_accuracy"])
    options = {"validation_data": (x[4000:], y[4000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:4000], y[:4000], epochs=epochs, **options)
    guess = model.predict(x[4000:], verbose=0) > 0.5
    scores = [balanced_accuracy_score(a, b) for a, b in zip(y[4000:].T, guess.T, strict=True)]
    return float(np.mean(scores))


@case(
    source="https://stackoverflow.com/questions/53795142/"
    "is-deep-learning-bad-at-fitting-simple-non-linear-functions-outside-training-s",
    cause="validation rows lie outside the range of the training rows: a network continues a line",
    causes="data preprocessing",
    evidence="range|outside|mean|sorted|order|beyond",
    repair={"shuffled": True},
    advice={
        r"shuffle|range|drawn|cover": {"shuffled": True},
        "regularized": {"dropout": 0.2},
        "longer": {"epochs": 150},
        "wider": {"units": 128},
        "slower": {"learning_rate": 0.001},
    },
    metric="R² on validation",
    good=0.8,
)
def extrapolation(
    seed, callbacks, shuffled=False, dropout=0.0, epochs=40, units=32, learning_rate=0.01
):
    """Learn y = x² well, and all wrong on the numbers beyond those trained on."""
    random = start(seed)
    number = np.sort(random.uniform(0, 10, 800))
    if shuffled:
        number = random.permutation(number)
    x, y = ((number - 5) / 3)[:, None].astype("float32"), (number**2 / 30).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(units, "tanh"),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse")
    options = {"validation_split": 0.2, "callbacks": callbacks, "verbose": 0}
    model.fit(x, y, epochs=epochs, **options)
    return r_squared(y[640:], model.predict(x[640:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/5414",
    cause="the penalty on the code's activity outweighs the reconstruction: the code is all 0",
    causes="layers loss",
    evidence="penalt|regulariz|activity",
    repair={"penalty": 1e-6},
    advice={
        r"penalt|regulariz|activity": {"penalty": 1e-5},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        r"leaky_relu": {"activation": "leaky_relu"},
        "linear": {"activation": "linear"},
    },
    metric="R² of reconstructed validation images",
    good=0.7,
)
def activity_penalty(
    seed,
    callbacks,
    penalty=0.05,
    epochs=15,
    units=32,
    learning_rate=0.003,
    activation="relu",
):
    """Train a sparse autoencoder: its pictures are blurred and all alike."""
    start(seed)
    images, _ = digits(seed)
    x = images.reshape(-1, 64)
    inputs = keras.Input((64,))
    sparse = {"activity_regularizer": keras.regularizers.L1(penalty)}
    code = layers.Dense(units, activation, **sparse)(inputs)
    model = keras.Model(inputs, layers.Dense(64, "sigmoid")(code))
    model.compile(Adam(learning_rate), "binary_crossentropy")
    options = {"validation_data": (x[1400:], x[1400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1400], x[:1400], epochs=epochs, **options)
    guess = model.predict(x[1400:], verbose=0)
    trivial = np.sum(np.square(x[1400:] - x[1400:].mean(axis=0)))
    return 1 - float(np.sum(np.square(x[1400:] - guess)) / trivial)


PROGRAMS = [
    vae_divergence,
    siamese_distance,
    generator_first_batch,
    poisson_linear,
    double_rescaling,
    class_numbers_differ,
    float16_adam,
    multilabel_rare,
    extrapolation,
    activity_penalty,
]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
