"""Faulty programs written for this project in the manner of questions on Stack Overflow.

They are no copies of questions; whoever wrote them knew the rules. Both lists, each program with
its causes and a repair, were written before Diagnosis saw any: FIRST was trained with the rules as
they stood, then rules were changed, then SECOND was trained.

    python benchmarks/diagnosis.py --programs first --seeds 1
"""

import keras
import numpy as np
from keras import layers, optimizers
from sklearn import datasets
from sklearn.preprocessing import StandardScaler


def later(kind):
    """Return a function that notes the arguments; what it returns builds the layer."""
    return lambda *args, **options: lambda: kind(*args, **options)


Dense, Dropout, Flatten = later(layers.Dense), later(layers.Dropout), later(layers.Flatten)
Conv2D, MaxPooling2D = later(layers.Conv2D), later(layers.MaxPooling2D)
Conv1D, GlobalMaxPooling1D = later(layers.Conv1D), later(layers.GlobalMaxPooling1D)
LSTM, GRU, SimpleRNN = later(layers.LSTM), later(layers.GRU), later(layers.SimpleRNN)
Embedding, BatchNormalization = later(layers.Embedding), later(layers.BatchNormalization)
Normal = keras.initializers.RandomNormal
SGD, Adam, RMSprop = later(optimizers.SGD), later(optimizers.Adam), later(optimizers.RMSprop)
Adagrad, Adadelta = later(optimizers.Adagrad), later(optimizers.Adadelta)


# ---- data: each function takes a random generator and returns x and y ----


def one_hot(labels):
    """Whole numbers (N,) to rows of 0 and 1."""
    return np.eye(labels.max() + 1)[labels]


def xor(random):
    """Truth table of XOR."""
    return np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])


def and_gate(random):
    """Truth table of AND."""
    return np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [0], [0], [1]])


def digits(random, scale=1 / 16, image=False, size=1400):
    """Digits 8×8, scaled to 0..1 by default, one-hot."""
    x, labels = datasets.load_digits(return_X_y=True)
    order = random.permutation(len(x))[:size]
    x = x[order] * scale
    return x.reshape(-1, 8, 8, 1) if image else x, one_hot(labels[order])


def bytes_digits(random, image=False):
    """Digits as pixels 0..255."""
    return digits(random, 255 / 16, image)


def images(random):
    """Digits as 8×8×1 images."""
    return digits(random, image=True)


def byte_images(random):
    """Digits as 8×8×1 images, pixels 0..255."""
    return digits(random, 255 / 16, image=True)


def two_digits(random):
    """Images of 0 to 4 against 5 to 9, one column of labels."""
    x, y = digits(random, image=True)
    return x, (y.argmax(axis=1) > 4)[:, None]


def few_digits(random):
    """300 digits."""
    return digits(random, size=300)


def cancer(random):
    """Breast cancer, 30 raw features up to 4254."""
    return datasets.load_breast_cancer(return_X_y=True)


def scaled_cancer(random):
    """Breast cancer, standardized."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(x), y


def one_two_cancer(random):
    """Breast cancer, standardized, classes numbered 1 and 2."""
    x, y = scaled_cancer(random)
    return x, y + 1


def plus_minus_cancer(random):
    """Breast cancer, standardized, classes -1 and 1."""
    x, y = scaled_cancer(random)
    return x, 2 * y - 1


def iris(random):
    """Iris, raw, one-hot."""
    x, labels = datasets.load_iris(return_X_y=True)
    return x, one_hot(labels)


def scaled_iris(random):
    """Iris, standardized, one-hot."""
    x, y = iris(random)
    return StandardScaler().fit_transform(x), y


def wine(random):
    """Wine, raw features up to 1680, class numbers."""
    return datasets.load_wine(return_X_y=True)


def scaled_wine(random):
    """Wine, standardized, class numbers."""
    x, y = wine(random)
    return StandardScaler().fit_transform(x), y


def moons(random):
    """Two half moons, 1000 points."""
    return datasets.make_moons(1000, noise=0.1, random_state=int(random.integers(1000)))


def multilabel(random):
    """1200 rows of 20 features, 4 labels of which several hold; each a linear rule."""
    x = random.normal(size=(1200, 20))
    return x, x @ random.normal(size=(20, 4)) > 0


def houses(random):
    """Prices in dollars, 50 000 to 350 000, of 10 features 0..1 (Friedman's function)."""
    x, y = datasets.make_friedman1(1000, noise=0.5, random_state=int(random.integers(1000)))
    return x, 10000 * y[:, None] + 50000


def scaled_houses(random):
    """Prices, standardized."""
    x, y = houses(random)
    return StandardScaler().fit_transform(x), StandardScaler().fit_transform(y)


def line(random):
    """Give y = 2 x + 1 for x = 0 to 99."""
    x = np.arange(100.0)[:, None]
    return x, 2 * x + 1


def scaled_line(random):
    """Line, x and y standardized."""
    x, y = line(random)
    return (x - x.mean()) / x.std(), (y - y.mean()) / y.std()


def square(random):
    """Give y = x² for 400 x from -10 to 10."""
    x = np.linspace(-10, 10, 400)[:, None]
    return x, x**2


def scaled_square(random):
    """Square, x and y standardized."""
    x, y = square(random)
    return x / x.std(), (y - y.mean()) / y.std()


def cubic(random):
    """Give y = x³ - x for 500 x from -2 to 2."""
    x = np.linspace(-2, 2, 500)[:, None]
    return x, x**3 - x


def sine(random):
    """Sin(x) for 1000 x from 0 to 10."""
    x = np.linspace(0, 10, 1000)[:, None]
    return x, np.sin(x)


def scaled_sine(random):
    """Sine, x standardized."""
    x, y = sine(random)
    return (x - x.mean()) / x.std(), y


def sums(random):
    """Sum of two whole numbers 0 to 100."""
    x = random.integers(0, 101, (1000, 2))
    return x, x.sum(axis=1, keepdims=True)


def scaled_sums(random):
    """Standardized sums."""
    x, y = sums(random)
    return StandardScaler().fit_transform(x), StandardScaler().fit_transform(y)


def passengers(random):
    """Windows of 12 months of a growing, seasonal series between 100 and 700; the next month."""
    t = np.arange(400)
    series = 100 + t + 80 * np.sin(2 * np.pi * t / 12) * (1 + t / 400) + random.normal(size=400)
    x = np.lib.stride_tricks.sliding_window_view(series, 13)
    return x[:, :12, None], x[:, 12:]


def scaled_passengers(random):
    """Series scaled to -1..1."""
    x, y = passengers(random)
    return (x - 400) / 300, (y - 400) / 300


def adding(random, length=40):
    """Sequences of normal numbers; their sum over sqrt(length)."""
    x = random.normal(size=(800, length, 1))
    return x, x.sum(axis=1) / np.sqrt(length)


def rising(random):
    """Sequences of 12 numbers: does the second half lie higher than the first? Binary."""
    x = random.normal(size=(1000, 12, 1))
    return x, x[:, 6:, 0].sum(axis=1) > x[:, :6, 0].sum(axis=1)


def scaled_wine_inputs(random):
    """Autoencoder: standardized features of wine as input and target."""
    x, _ = scaled_wine(random)
    return x, x


# ---- the programs ----

DEFAULTS = {"batch_size": 32, "epochs": 20, "metrics": ["accuracy"]}


def program(name, data, network, loss, optimizer, causes, repair, **fit):
    """Return a program as a dict; `repair` replaces entries of it."""
    faulty = {"data": data, "layers": network, "loss": loss, "optimizer": optimizer, **DEFAULTS}
    faulty |= fit
    return {"id": name, "causes": causes.split(), "faulty": faulty, "repaired": faulty | repair}


def mlp(units, activation, hidden=32):
    """One hidden layer of relu units."""
    return [Dense(hidden, "relu"), Dense(units, activation)]


BINARY, CLASSES = "binary_crossentropy", "categorical_crossentropy"
SPARSE, SQUARED = "sparse_categorical_crossentropy", "mean_squared_error"
ABSOLUTE = "mean_absolute_error"
CONVOLUTION = [Conv2D(16, 3, activation="relu"), MaxPooling2D(), Flatten()]
TANH_XOR = {"layers": [Dense(8, "tanh"), Dense(1, "sigmoid")], "loss": BINARY, "epochs": 300}

FIRST = [
    program(
        *("xor-relu-output", xor, [Dense(2, "relu"), Dense(1, "relu")], SQUARED, SGD(0.01)),
        "activation learning_rate epochs",
        TANH_XOR | {"optimizer": Adam(0.05)},
        epochs=100,
    ),
    program(
        *("xor-softmax-unit", xor, mlp(1, "softmax", 8), BINARY, Adam(), "activation epochs"),
        TANH_XOR | {"optimizer": Adam(0.05)},
        epochs=100,
    ),
    program(
        *("digits-sigmoid-mse", digits, [Dense(30, "sigmoid"), Dense(10, "sigmoid")], SQUARED),
        *(SGD(0.01), "loss learning_rate epochs"),
        {"layers": mlp(10, "softmax"), "loss": CLASSES, "optimizer": SGD(0.5)},
        epochs=10,
    ),
    program(
        *("cancer-raw", cancer, mlp(1, "sigmoid", 16), BINARY, SGD(0.01), "preprocessing"),
        {"data": scaled_cancer},
        epochs=15,
    ),
    program(
        *("digits-bytes-sgd", bytes_digits, mlp(10, "softmax", 64), CLASSES, SGD(0.05)),
        "preprocessing learning_rate",
        {"data": digits, "optimizer": SGD(0.1)},
    ),
    program(
        *("prices-sigmoid", houses, mlp(1, "sigmoid", 64), SQUARED, Adam()),
        "activation preprocessing",
        {"data": scaled_houses, "layers": mlp(1, "linear", 64), "optimizer": Adam(0.005)},
        epochs=30,
    ),
    program(
        *("prices-sgd", houses, mlp(1, "linear", 64), SQUARED, SGD(0.01)),
        "preprocessing learning_rate",
        {"data": scaled_houses, "epochs": 60},
    ),
    program(
        *("iris-binary-loss", iris, mlp(3, "softmax", 10), BINARY, Adam(), "loss epochs"),
        {"loss": CLASSES, "optimizer": Adam(0.01), "epochs": 60},
        epochs=30,
        batch_size=10,
    ),
    program(
        *("wine-raw", wine, mlp(3, "softmax", 16), SPARSE, Adam(), "preprocessing epochs"),
        {"data": scaled_wine, "epochs": 40, "optimizer": Adam(0.005)},
    ),
    program(
        *("moons-linear", moons, [Dense(64), Dense(64), Dense(1, "sigmoid")], BINARY, Adam()),
        "activation",
        {"layers": [Dense(64, "relu"), Dense(64, "relu"), Dense(1, "sigmoid")]},
    ),
    program(
        *("moons-tiny-rate", moons, mlp(1, "sigmoid", 64), BINARY, SGD(1e-6), "learning_rate"),
        {"optimizer": SGD(0.5)},
    ),
    program(
        *("digits-adam-half", digits, mlp(10, "softmax", 64), CLASSES, Adam(0.5)),
        "learning_rate",
        {"optimizer": Adam(0.003)},
    ),
    program(
        "cnn-adam-tenth",
        images,
        [Conv2D(16, 3, activation="relu"), Flatten(), Dense(32, "relu"), Dense(10, "softmax")],
        *(CLASSES, Adam(0.1), "learning_rate"),
        {"optimizer": Adam(0.002)},
        epochs=12,
    ),
    program(
        *("square-sigmoid", square, [Dense(10, "sigmoid"), Dense(1, "sigmoid")], SQUARED, SGD()),
        "activation preprocessing",
        {"data": scaled_square, "layers": [Dense(20, "tanh"), Dense(1)], "optimizer": Adam(0.02)},
        epochs=100,
    ),
    program(
        *("sine-relu-output", scaled_sine, [Dense(40, "tanh"), Dense(1, "relu")], SQUARED),
        *(Adam(0.01), "activation"),
        {"layers": [Dense(40, "tanh"), Dense(1)], "epochs": 150, "optimizer": Adam(0.02)},
        epochs=40,
    ),
    program(
        *("sine-few-epochs", sine, [Dense(100, "sigmoid"), Dense(1)], SQUARED, SGD(0.01)),
        "epochs optimizer learning_rate",
        {"data": scaled_sine, "layers": [Dense(40, "tanh"), Dense(1)]}
        | {"optimizer": Adam(0.02), "epochs": 150},
    ),
    program(
        *("line-sgd", line, [Dense(1)], SQUARED, SGD(0.01), "learning_rate preprocessing"),
        {"data": scaled_line},
        epochs=50,
        batch_size=10,
    ),
    program(
        *("deep-sigmoid", digits, [*[Dense(32, "sigmoid")] * 6, Dense(10, "softmax")], CLASSES),
        *(SGD(0.1), "activation"),
        {"layers": [*[Dense(32, "relu")] * 6, Dense(10, "softmax")]},
    ),
    program(
        *("digits-one-epoch", digits, mlp(10, "softmax", 64), CLASSES, SGD(0.01)),
        "epochs optimizer learning_rate",
        {"epochs": 30, "optimizer": Adam(0.003)},
        epochs=1,
    ),
    program(
        "zeros",
        digits,
        [Dense(32, "relu", kernel_initializer="zeros") for _ in range(2)]
        + [Dense(10, "softmax", kernel_initializer="zeros")],
        *(CLASSES, Adam(), "initialization"),
        {"layers": [Dense(32, "relu"), Dense(32, "relu"), Dense(10, "softmax")]},
    ),
    program(
        *("digits-whole-batch", digits, mlp(10, "softmax", 64), CLASSES, Adam()),
        "batch_size epochs",
        {"batch_size": 32, "epochs": 20},
        batch_size=1400,
        epochs=10,
    ),
    program(
        *("labels-one-two", one_two_cancer, mlp(1, "sigmoid"), BINARY, Adam(), "preprocessing"),
        {"data": scaled_cancer},
    ),
    program(
        *("labels-plus-minus", plus_minus_cancer, mlp(1, "sigmoid"), BINARY, Adam()),
        "preprocessing loss",
        {"data": scaled_cancer},
    ),
    program(
        "cnn-sigmoid-output",
        images,
        [*CONVOLUTION, Dense(64), Dense(10, "sigmoid")],
        *(CLASSES, SGD(0.01), "activation epochs"),
        {"layers": [*CONVOLUTION, *mlp(10, "softmax", 64)], "optimizer": Adam(0.002)},
        epochs=5,
    ),
    program(
        "dropout-nine-tenths",
        digits,
        [Dense(32, "relu"), Dropout(0.9), Dense(32, "relu"), Dropout(0.9), Dense(10, "softmax")],
        *(CLASSES, Adam(), "layers"),
        {"layers": [Dense(32, "relu"), Dropout(0.2), Dense(32, "relu"), Dense(10, "softmax")]},
    ),
    program(
        *("passengers-unscaled", passengers, [LSTM(20), Dense(1)], SQUARED, Adam()),
        "preprocessing epochs",
        {"data": scaled_passengers, "epochs": 40, "optimizer": Adam(0.005)},
        epochs=30,
    ),
    program(
        *("rnn-relu-explodes", adding, [LSTM(50, activation="relu"), Dense(1)], SQUARED),
        *(SGD(0.5), "activation learning_rate"),
        {"layers": [LSTM(24), Dense(1)], "optimizer": Adam(0.01)},
        epochs=10,
    ),
    program(
        *("rnn-relu-output", rising, [LSTM(16), Dense(1, "relu")], BINARY, Adam(0.003)),
        "activation",
        {"layers": [LSTM(16), Dense(1, "sigmoid")], "optimizer": Adam(0.01)},
        epochs=12,
    ),
    program(
        *("cancer-absolute-error", scaled_cancer, mlp(1, "sigmoid"), ABSOLUTE, SGD(0.001)),
        "loss learning_rate optimizer",
        {"loss": BINARY, "optimizer": Adam()},
    ),
    program(
        *("adagrad", digits, mlp(10, "softmax", 64), CLASSES, Adagrad(), "optimizer learning_rate"),
        {"optimizer": Adam(0.003)},
    ),
    program(
        *("square-no-hidden-layer", scaled_square, [Dense(1)], SQUARED, Adam(0.01), "layers"),
        {"layers": [Dense(20, "tanh"), Dense(1)], "optimizer": Adam(0.02)},
        epochs=100,
    ),
    program(
        *("multilabel-softmax", multilabel, mlp(4, "softmax"), CLASSES, Adam(0.003)),
        "activation loss",
        {"layers": mlp(4, "sigmoid"), "loss": BINARY},
        epochs=30,
    ),
    program(
        *("regression-binary-loss", scaled_houses, mlp(1, "sigmoid", 64), BINARY, Adam()),
        "loss activation",
        {"layers": mlp(1, "linear", 64), "loss": SQUARED, "epochs": 40},
    ),
    program(
        *("tanh-output", digits, mlp(10, "tanh", 64), CLASSES, Adam(), "activation"),
        {"layers": mlp(10, "softmax", 64)},
    ),
    program(
        "normal-ten",
        digits,
        [
            *(Dense(64, "sigmoid", kernel_initializer=Normal(stddev=10)), Dense(64, "sigmoid")),
            Dense(10, "softmax"),
        ],
        *(CLASSES, SGD(0.01), "initialization learning_rate"),
        {"layers": mlp(10, "softmax", 64), "optimizer": SGD(0.1)},
    ),
    program(
        *("batch-of-one", few_digits, mlp(10, "softmax"), CLASSES, SGD(0.5)),
        "batch_size learning_rate",
        {"batch_size": 16, "optimizer": SGD(0.1), "epochs": 30},
        batch_size=1,
        epochs=10,
    ),
    program(
        *("one-unit-categorical", scaled_cancer, mlp(1, "sigmoid"), CLASSES, Adam(), "loss"),
        {"loss": BINARY},
    ),
    program(
        *("hidden-softmax", digits, [*[Dense(32, "softmax")] * 2, Dense(10, "softmax")], CLASSES),
        *(Adam(), "activation"),
        {"layers": [*[Dense(32, "relu")] * 2, Dense(10, "softmax")]},
    ),
    program(
        *("bottleneck", digits, [Dense(64, "relu"), Dense(1, "relu"), Dense(10, "softmax")]),
        *(CLASSES, Adam(0.003), "layers"),
        {"layers": [Dense(64, "relu"), Dense(32, "relu"), Dense(10, "softmax")]},
    ),
    program(
        *("and-few-epochs", and_gate, [Dense(1, "sigmoid")], BINARY, SGD(0.01)),
        "epochs learning_rate",
        {"optimizer": SGD(1.0), "epochs": 200},
        epochs=10,
        batch_size=4,
    ),
    program(
        *("sums-tanh", sums, [Dense(10, "tanh"), Dense(1, "tanh")], SQUARED, Adam()),
        "activation preprocessing",
        {"data": scaled_sums, "layers": mlp(1, "linear", 16), "optimizer": Adam(0.01)},
    ),
    program(
        *("autoencoder-sigmoid", scaled_wine_inputs, mlp(13, "sigmoid", 8), BINARY, Adam()),
        "activation loss preprocessing",
        {"layers": mlp(13, "linear", 24), "loss": SQUARED, "optimizer": Adam(0.01), "epochs": 60},
    ),
]


# ---- more data and programs, for the second measurement ----


def words(random):
    """Sentences of 20 of 200 words; the label says whether one of the words 0 to 9 occurs."""
    x = random.integers(0, 200, (1000, 20))
    return x, (x < 10).any(axis=1)


def stripes(random, scale=1.0):
    """Colour images 12×12×3 with noise and stripes across, along or slanted; one-hot."""
    labels = random.integers(0, 3, 600)
    row, column = np.mgrid[:12, :12]
    waves = np.stack([np.sin(row), np.sin(column), np.sin(row + column)])
    x = 0.5 + 0.2 * waves[labels][..., None] + 0.1 * random.normal(size=(600, 12, 12, 3))
    return scale * x.clip(0, 1), one_hot(labels)


def byte_stripes(random):
    """Stripes as pixels 0..255."""
    return stripes(random, 255)


def signals(random):
    """Noisy sines of two frequencies, 40 samples of one channel; binary."""
    y = random.integers(0, 2, 800)
    phase = random.uniform(0, 6.28, (800, 1))
    x = np.sin(np.arange(40) * np.where(y, 0.5, 0.8)[:, None] + phase)
    return (x + 0.3 * random.normal(size=x.shape))[..., None], y


def survivors(random):
    """Tables as of a ship: class 1 to 3, sex, age, fare up to 500; survived or not."""
    fare = random.lognormal(3, 1, 900).clip(0, 500)
    age, sex = random.uniform(1, 80, 900), random.integers(0, 2, 900)
    rank = random.integers(1, 4, 900)
    y = 2.5 * sex - 0.8 * rank + 0.01 * fare - 0.02 * age + 0.8 > 0
    return np.stack([rank, sex, age, fare], axis=1), y


def scaled_survivors(random):
    """Tables as of a ship, standardized."""
    x, y = survivors(random)
    return StandardScaler().fit_transform(x), y


def missing_survivors(random):
    """Tables as of a ship with one age in ten missing (NaN)."""
    x, y = survivors(random)
    x[::10, 2] = np.nan
    return x, y


def product(random):
    """Product of two numbers 0 to 1."""
    x = random.uniform(size=(1000, 2))
    return x, x.prod(axis=1, keepdims=True)


def years(random):
    """Calendar years 1950 to 2020 and a linear trend."""
    x = random.uniform(1950, 2020, (500, 1))
    return x, 0.1 * (x - 1985) + 0.1 * random.normal(size=x.shape)


def scaled_years(random):
    """Trend, x standardized."""
    x, y = years(random)
    return (x - x.mean()) / x.std(), y


def rule(random):
    """Binary labels of a linear rule, standard normal features."""
    x = random.normal(size=(1000, 10))
    return x, x[:, :5].sum(axis=1) > 0


SECOND = [
    program(
        "words-linear-output",
        words,
        [Embedding(200, 16), GlobalMaxPooling1D(), Dense(16, "relu"), Dense(1)],
        *(BINARY, Adam(), "activation"),
        {
            "layers": [Embedding(200, 16), GlobalMaxPooling1D(), Dense(1, "sigmoid")],
            "optimizer": Adam(0.01),
        },
    ),
    program(
        "stripes-bytes",
        byte_stripes,
        [Conv2D(8, 3, activation="relu"), Flatten(), Dense(32, "relu"), Dense(3, "softmax")],
        *(CLASSES, SGD(0.01), "preprocessing learning_rate"),
        {"data": stripes, "optimizer": Adam(0.002)},
        epochs=10,
    ),
    program(
        "stripes-absolute-error",
        stripes,
        [Conv2D(8, 3), MaxPooling2D(), Conv2D(8, 3), Flatten(), Dense(3, "softmax")],
        *(ABSOLUTE, SGD(0.001), "loss learning_rate activation"),
        {
            "layers": [Conv2D(8, 3, activation="relu"), Flatten(), Dense(3, "softmax")],
            **{"loss": CLASSES, "optimizer": Adam(0.002)},
        },
        epochs=10,
    ),
    program(
        "signals-sgd",
        signals,
        [Conv1D(8, 5, activation="relu"), Flatten(), Dense(1, "sigmoid")],
        *(BINARY, SGD(0.0001), "learning_rate epochs optimizer"),
        {"optimizer": Adam(0.003)},
        epochs=10,
    ),
    program(
        *("signals-gru-softmax", signals, [GRU(16), Dense(1, "softmax")], BINARY, Adam()),
        "activation",
        {"layers": [GRU(16), Dense(1, "sigmoid")], "optimizer": Adam(0.01)},
        epochs=10,
    ),
    program(
        *("survivors-raw", survivors, mlp(1, "sigmoid", 8), BINARY, SGD(0.1), "preprocessing"),
        {"data": scaled_survivors},
    ),
    program(
        *("survivors-missing", missing_survivors, mlp(1, "sigmoid", 8), BINARY, Adam()),
        "preprocessing",
        {"data": scaled_survivors, "optimizer": Adam(0.005)},
    ),
    program(
        *("survivors-deep-tanh", survivors, [*[Dense(16, "tanh")] * 4, Dense(1, "tanh")], SQUARED),
        *(SGD(0.1), "activation loss preprocessing"),
        {"data": scaled_survivors, "layers": mlp(1, "sigmoid"), "loss": BINARY},
    ),
    program(
        *("product-one-epoch", product, [Dense(16, "sigmoid"), Dense(1)], SQUARED, SGD(0.01)),
        "epochs learning_rate optimizer",
        {"optimizer": Adam(0.02), "epochs": 60},
        epochs=3,
    ),
    program(
        *("product-softmax", product, mlp(1, "softmax"), SQUARED, Adam(), "activation"),
        {"layers": mlp(1, "linear"), "optimizer": Adam(0.01), "epochs": 40},
    ),
    program(
        *("years-raw", years, [Dense(16, "relu"), Dense(1)], SQUARED, Adam(), "preprocessing"),
        {"data": scaled_years, "optimizer": Adam(0.01)},
    ),
    program(
        *("cubic-high-rate", cubic, [Dense(32, "relu"), Dense(1)], SQUARED, SGD(1.0)),
        "learning_rate",
        {"optimizer": Adam(0.01), "epochs": 100},
        epochs=30,
    ),
    program(
        "rule-zeros",
        rule,
        [Dense(16, "tanh", kernel_initializer="zeros"), Dense(1, "sigmoid")],
        *(BINARY, SGD(0.1), "initialization"),
        {"layers": [Dense(16, "tanh"), Dense(1, "sigmoid")]},
    ),
    program(
        *("rule-adadelta", rule, mlp(1, "sigmoid"), BINARY, Adadelta(), "optimizer learning_rate"),
        {"optimizer": Adam(0.003)},
    ),
    program(
        *("iris-relu-output", scaled_iris, [Dense(8, "relu"), Dense(3, "relu")], CLASSES),
        *(Adam(), "activation epochs"),
        {"layers": mlp(3, "softmax", 8), "optimizer": Adam(0.02)},
    ),
    program(
        *("iris-mse-sigmoid", scaled_iris, [Dense(8, "sigmoid"), Dense(3, "sigmoid")], SQUARED),
        *(SGD(0.01), "loss learning_rate epochs activation"),
        {"layers": mlp(3, "softmax", 8), "loss": CLASSES, "optimizer": Adam(0.02)},
        epochs=30,
    ),
    program(
        *("rnn-long", adding, [SimpleRNN(16, activation="sigmoid"), Dense(1)], SQUARED),
        *(SGD(0.001), "activation learning_rate"),
        {"layers": [GRU(16), Dense(1)], "optimizer": Adam(0.01)},
        epochs=8,
    ),
    program(
        *("digits-rmsprop", digits, mlp(10, "softmax", 64), CLASSES, RMSprop(0.1)),
        "learning_rate",
        {"optimizer": RMSprop(0.002)},
        epochs=15,
    ),
    program(
        *("digits-dropout", digits, [Dense(64, "relu"), Dropout(0.9), Dense(10, "softmax")]),
        *(CLASSES, SGD(0.01), "layers learning_rate epochs"),
        {"layers": [Dense(64, "relu"), Dropout(0.2), Dense(10, "softmax")], "optimizer": Adam()},
        epochs=10,
    ),
    program(
        "two-digits-relu",
        two_digits,
        [Conv2D(8, 3, activation="relu"), Flatten(), Dense(1, "relu")],
        *(BINARY, Adam(), "activation"),
        {"layers": [*CONVOLUTION, *mlp(1, "sigmoid")], "optimizer": Adam(0.003)},
    ),
]
