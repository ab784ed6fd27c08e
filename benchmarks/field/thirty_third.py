"""Eleven more field programs of an ordinary week, by somebody who had read no rule.

Six have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_third
    python benchmarks/diagnosis.py --programs thirty_third
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adadelta, Adam
from sklearn import datasets

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
    source="https://geeksmental.com/question/why-does-accuracy-remain-the-same",
    cause="numbers up to 100,000 come in as they are, and a relu is to answer with a probability",
    causes="preprocessing activation data",
    evidence=r"inputs?[\s\S]{0,80}(large|big|huge|scale|range|spread|deviation|magnitude|mean|"
    r"up to|thousand|e\+0|\d{4,}|not (centered|standardi[sz]ed|normali[sz]ed))|unscaled|"
    r"(standardi[sz]e|normali[sz]e|scale)[\s\S]{0,40}(input|data|column|feature)|"
    r"(output|last|final|answer|predict|probabilit)[\s\S]{0,100}(relu|sigmoid|0 (to|and) 1|"
    r"above 1|outside|negative|exactly 0|probabilit|clip|\bflat\b)|"
    r"relu[\s\S]{0,60}(output|last|probabilit)",
    repair={"scaled": True, "activation": "sigmoid"},
    advice={
        r"(standardi[sz]e|normali[sz]|scale|rescal)[\s\S]*sigmoid|"
        r"sigmoid[\s\S]*(standardi[sz]e|normali[sz]|scale|rescal)": {
            "scaled": True,
            "activation": "sigmoid",
        },
        r"standardi[sz]e|normali[sz]|StandardScaler|MinMax|rescal|divide the inputs|batch.?norm": {
            "scaled": True
        },
        r"activation=.?sigmoid|sigmoid|from_logits": {"activation": "sigmoid"},
        "scaled": {"scaled": True},
        "longer": {"epochs": 24},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "linear": {"activation": "linear"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {},
    },
    metric="accuracy on held-out numbers",
    good=0.95,
)
def more_than_fifty_thousand(
    seed,
    callbacks,
    scaled=False,
    activation="relu",
    loss="binary_crossentropy",
    epochs=8,
    units=6,
    learning_rate=0.002,
    initializer="glorot_uniform",
):
    """Tell whether a number is above 50,000: the accuracy is about a half for good."""
    random = start(seed)
    x = random.integers(0, 100_000, (3000, 1)).astype("float32")
    y = (x[:, 0] >= 50_000).astype("float32")
    if scaled:
        x = standardized(x)

    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(units + 2, activation="relu", kernel_initializer=initializer),
            layers.Dense(1, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(x[:2000], y[:2000], batch_size=10, epochs=epochs, callbacks=callbacks, verbose=0)
    return float(np.mean((model.predict(x[2000:], verbose=0)[:, 0] > 0.5) == y[2000:]))


@case(
    source="https://github.com/keras-team/keras/issues/4563",
    cause="the targets are in the thousands; scaled, they are in reach of the last layer",
    causes="preprocessing data",
    evidence=r"(targets?|labels?|\by\b|outputs?)[\s\S]{0,120}(large|big|huge|scale|range|spread|"
    r"deviation|magnitude|far|thousand|reach|\d{3,}|mean|not (standardi[sz]ed|normali[sz]ed))|"
    r"(standardi[sz]e|normali[sz]e|scale)[\s\S]{0,40}(target|label|\by\b)|"
    r"predict\w*[\s\S]{0,80}(below|far|too small|smaller)",
    repair={"scaled": True},
    advice={
        r"(standardi[sz]e|normali[sz]e|scale|divide|rescale)[\s\S]{0,60}(targets?|labels?|\by\b)|"
        r"(targets?|labels?|\by\b|y_train)[\s\S]{0,60}(standardi[sz]|normali[sz]|scale|mean|std)|"
        r"y_train": {"scaled": True},
        r"bias_initializer|start[\s\S]{0,40}mean": {"centered": True},
        "scaled": {},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="R² on held-out weeks",
    good=0.75,
)
def sales_of_many_series(
    seed,
    callbacks,
    scaled=False,
    centered=False,
    loss="mean_absolute_error",
    epochs=18,
    units=32,
    learning_rate=0.003,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Foretell a week's sales from twelve weeks of three series: the loss is very high."""
    random = start(seed)
    x = random.normal(size=(1900, 12, 3)).astype("float32")
    trend = x[:, -4:, 0].mean(axis=1) * 2 + x[:, -1, 1] + 0.5 * np.abs(x[:, -2, 2])
    sales = 6000 + 1800 * trend + random.normal(0, 500, 1900)
    mean, spread = (sales[:1400].mean(), sales[:1400].std()) if scaled else (0.0, 1.0)
    y = ((sales - mean) / spread).astype("float32")

    bias = keras.initializers.Constant(float(y[:1400].mean()) if centered else 0.0)
    model = keras.Sequential(
        [
            keras.Input((12, 3)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, bias_initializer=bias),
        ]
    )
    model.compile(Adam(learning_rate), loss)
    model.fit(
        *(x[:1400], y[:1400]),
        batch_size=32,
        epochs=epochs,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(sales[1400:], model.predict(x[1400:], verbose=0)[:, 0] * spread + mean)


@case(
    source="https://github.com/keras-team/keras/issues/2134",
    cause="a column that never varies is divided by its deviation of 0 and becomes NaN",
    causes="preprocessing data",
    evidence=r"(inputs?|data|columns?|features?|\bx\b|values?|rows?|training)[\s\S]{0,80}"
    r"(\bnan|not finite|no numbers?|infinit|missing|non-?finite|invalid)|"
    r"(\bnan|not finite|infinit|missing|non-?finite)[\s\S]{0,80}(inputs?|data|columns?|features?|"
    r"\bx\b)|constant column|never var|(deviation|std|variance)[\s\S]{0,40}(0\b|zero)|divi\w+ by",
    repair={"epsilon": 1e-6},
    advice={
        r"nan_to_num|isnan|isfinite|\bnan|missing|imput|epsilon|1e-\d|constant|never var|std|"
        r"deviation|layers\.Normalization|Normalization\(|StandardScaler|drop (the|that|those)|"
        r"(remove|drop|replace|clean)[\s\S]{0,40}(column|feature|row|value)": {"epsilon": 1e-6},
        "scaled": {},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4, "clipnorm": 1.0},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out days",
    good=0.8,
)
def a_sensor_that_was_off(
    seed,
    callbacks,
    epsilon=0.0,
    clipnorm=None,
    epochs=15,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a consumption from ten hours of six sensors: loss: nan from the first epoch."""
    random = start(seed)
    table = random.normal(size=(1800, 10, 6)) * [3, 0.5, 12, 1, 40, 0] + [20, 1, 60, 0, 1000, 0]
    y = 0.2 * table[:, -3:, 0].mean(axis=1) + 0.01 * table[:, -1, 4] + 0.4 * np.abs(table[:, -2, 3])
    y = standardized(y + random.normal(0, 0.1, 1800))
    mean, spread = table[:1200].mean(axis=0), table[:1200].std(axis=0) + epsilon
    with np.errstate(invalid="ignore"):
        x = ((table - mean) / spread).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((10, 6)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate, clipnorm=clipnorm), "mse", metrics=["mae"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1400:], model.predict(x[1400:], verbose=0)[:, 0])


@case(
    source="https://stats.stackexchange.com/questions/204745/"
    "preventing-overfitting-of-lstm-on-small-dataset",
    cause="the LSTM learns a few hundred tweets and their wrong labels by heart",
    causes="layers epochs data",
    evidence=r"overfit|by heart|memori[sz]|generali[sz]|held-?out|unseen|"
    r"valid\w*[\s\S]{0,120}(rise|rises|rising|rose|grow|increas|worse|higher|above|gap|below|"
    r"fall|far|best|lower)|(gap|difference)[\s\S]{0,60}(train|valid)|best (epoch|validation)|"
    r"too (many|large|big|long)|more (weights|parameters) than",
    repair={"units": 12, "dropout": 0.5, "stop": True},
    advice={
        r"dropout[\s\S]*(early.?stop|best epoch|restore_best)|"
        r"(early.?stop|best epoch|restore_best)[\s\S]*dropout": {"dropout": 0.5, "stop": True},
        r"early.?stop|best epoch|restore_best|fewer epochs|stop (at|when|train)": {"stop": True},
        r"fewer units|smaller (network|model|layer)|fewer (weights|parameters)|less capacity": {
            "units": 12
        },
        r"dropout": {"dropout": 0.5},
        r"more (data|rows|examples|samples|tweets)|augment|collect": {"rows": 2400},
        r"weight.?decay|\bl2\b|regulari[sz]er": {"decay": 0.003},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out tweets",
    good=0.71,
)
def moods_of_tweets(
    seed,
    callbacks,
    rows=500,
    stop=False,
    decay=0.0,
    epochs=25,
    units=64,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell moods from word vectors: with more training the validation accuracy falls."""
    random = start(seed)
    vectors = random.normal(size=(400, 24)).astype("float32")
    vectors[:30, :4] += 1
    vectors[30:60, :4] -= 1
    total = rows + 1700
    y = random.integers(0, 2, total)
    words = random.integers(60, 400, (total, 16))
    told = random.random((total, 16)) < 0.25
    words[told] = (random.integers(0, 30, (total, 16)) + 30 * y[:, None])[told]
    wrong = random.random(total) < 0.2
    y = np.where(wrong, 1 - y, y).astype("float32")
    x = vectors[words]

    penalty = keras.regularizers.L2(decay)
    model = keras.Sequential(
        [
            keras.Input((16, 24)),
            layers.SpatialDropout1D(dropout / 2),
            layers.LSTM(units, kernel_initializer=initializer, kernel_regularizer=penalty),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=4, restore_best_weights=True)] if stop else []
    model.fit(
        *(x[1700:], y[1700:]),
        validation_data=(x[:300], y[:300]),
        batch_size=32,
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[300:1700], verbose=0)[:, 0] > 0.5) == y[300:1700]))


@case(
    source="https://stats.stackexchange.com/questions/280372/"
    "neural-network-cannot-learn-a-simple-function",
    cause="SGD at a rate of 0.001 hardly moves: with targets below 0.25 the gradients are small",
    causes="learning_rate optimizer epochs",
    evidence=r"(learning.?rate|\brate\b)[\s\S]{0,100}(small|tiny|low|slow|0\.001|too)|"
    r"(weights?|updates?|steps?|layers?|kernels?)[\s\S]{0,80}(hardly|barely|tiny|small|slow|moved?)|"
    r"still (falling|improving|learning|decreas)|(larger|higher|raise|ten times)[\s\S]{0,30}rate|"
    r"too few (updates|steps|epochs)|not (yet )?(finished|converged)|slow(ly)?\b|\bsgd\b|\badam\b",
    repair={"optimizer": "adam", "learning_rate": 0.01},
    advice={
        r"SGD\(learning_rate=0?\.1\b": {"learning_rate": 0.1},
        r"SGD\(": {"learning_rate": 0.01},
        r"Adam\(learning_rate=0?\.01\b": {"optimizer": "adam", "learning_rate": 0.01},
        r"adam|rmsprop": {"optimizer": "adam", "learning_rate": 0.001},
        r"momentum": {"momentum": 0.9},
        r"(scale|standardi[sz]e|normali[sz]e)[\s\S]{0,40}(targets?|\by\b)": {"scaled": True},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 240},
        "wider": {"units": 64},
        "scaled": {"centered": True},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out points",
    good=0.9,
)
def a_simple_parabola(
    seed,
    callbacks,
    optimizer="sgd",
    learning_rate=0.001,
    momentum=0.0,
    scaled=False,
    centered=False,
    epochs=80,
    units=16,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Learn (x - 0.5)² between 0 and 1: two layers of relu, and the answer is a line."""
    random = start(seed)
    x = random.random((1000, 1)).astype("float32")
    curve = (x[:, 0] - 0.5) ** 2
    y = standardized(curve) if scaled else curve
    if centered:
        x = standardized(x)

    model = keras.Sequential([keras.Input((1,))])
    for _ in range(2):
        model.add(layers.Dense(units, kernel_initializer=initializer))
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    rule = Adam(learning_rate) if optimizer == "adam" else SGD(learning_rate, momentum=momentum)
    model.compile(rule, "mean_squared_error")
    model.fit(x[:640], y[:640], epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[640:], model.predict(x[640:], verbose=0)[:, 0])


class Rescaled(keras.utils.PyDataset):
    """Batches of shuffled pictures, divided by 255, some moved by a pixel."""

    def __init__(self, x, y, random):
        """Keep the pictures."""
        super().__init__()
        self.x, self.y, self.random = x, y, random

    def __len__(self):
        """Count the batches."""
        return len(self.x) // 32

    def __getitem__(self, index):
        """Draw a batch."""
        rows = self.random.integers(0, len(self.x), 32)
        moved = np.roll(self.x[rows], self.random.integers(-1, 2), axis=2)
        return moved.astype("float32") / 255, self.y[rows]


@case(
    source="https://github.com/keras-team/keras/issues/7187",
    cause="the generator rescales the pictures of the training; those of the validation stay 0-255",
    causes="preprocessing data",
    evidence=r"valid\w*[\s\S]{0,140}(scale|range|spread|deviation|mean|distribut|magnitude|255|"
    r"prepar|preprocess|times|different|larger|differ|unlike)|"
    r"(scale|range|spread|distribut|preprocess|prepar|differ)[\s\S]{0,100}valid|rescal",
    repair={"divided": 255.0},
    advice={
        r"valid|255|rescal|same (way|scal|preprocess|prepar)|layers\.Normalization|"
        r"Normalization\(|standardi[sz]e|normali[sz]|scale": {"divided": 255.0},
        "scaled": {"divided": 255.0},
        r"early.?stop|best epoch": {"stop": True},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 3e-4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out pictures, fed as those of the validation",
    good=0.9,
)
def pictures_from_a_generator(
    seed,
    callbacks,
    divided=1.0,
    stop=False,
    epochs=15,
    units=48,
    learning_rate=0.003,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Read digits from a generator with rescale: high in training, bad in validation."""
    random = start(seed)
    x, y = digits(seed)
    x = (x * 255).round().astype("float32")
    train, rest = Rescaled(x[:1200], y[:1200], random), x[1200:] / divided

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="tanh", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="tanh", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    early = [EarlyStopping("val_loss", patience=4, restore_best_weights=True)] if stop else []
    model.fit(
        train,
        validation_data=(rest[:200], y[1200:1400]),
        epochs=epochs,
        callbacks=[*early, *callbacks],
        verbose=0,
    )
    return accuracy(model, rest[200:], y[1400:])


@sound(
    source="https://stats.stackexchange.com/questions/441750/"
    "why-cant-this-autoencoder-reach-zero-loss",
    metric="R² of held-out pixels",
    good=0.8,
)
def grey_pixels_again(seed, callbacks):
    """Loss: binary crossentropy of grey pixels ends far above zero, the pictures come back."""
    start(seed)
    x, _ = digits(seed)
    x = x.reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(20, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(64, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy")
    model.fit(
        *(x[:1300], x[:1300]),
        validation_data=(x[1300:1500], x[1300:1500]),
        batch_size=64,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1500:].ravel(), model.predict(x[1500:], verbose=0).ravel())


@sound(
    source="https://github.com/keras-team/keras/issues/472",
    metric="accuracy on held-out digits",
    good=0.93,
)
def better_in_validation(seed, callbacks):
    """Dropout: half of the units are dropped, so the validation does better than the training."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=64,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://keras.io/api/optimizers/adadelta/",
    metric="accuracy on held-out patients",
    good=0.93,
)
def adadelta_as_in_its_paper(seed, callbacks):
    """Rate: Adadelta at 1.0, a thousand times Keras's own, as its paper has it."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows].astype("float32")
    decay = keras.regularizers.L2(0.003)
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(12, activation="relu", kernel_regularizer=decay),
            layers.Dense(1, activation="sigmoid", kernel_regularizer=decay),
        ]
    )
    model.compile(Adadelta(1.0), "binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    model.fit(
        *(x[:320], y[:320]),
        validation_data=(x[320:400], y[320:400]),
        epochs=40,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(x[400:], verbose=0)[:, 0] > 0.5) == y[400:]))


@sound(
    source="https://datascience.stackexchange.com/questions/19482/"
    "is-it-always-possible-for-validation-accuracy-to-be-as-high-as-training-accuracy",
    metric="correlation of the answers with the true chances, held-out days",
    good=0.85,
)
def nearly_a_coin(seed, callbacks):
    """Noise: ups and downs whose chances are near a half; 0.61 is all the accuracy there is."""
    random = start(seed)
    x = random.normal(size=(9000, 5)).astype("float32")
    chance = 1 / (1 + np.exp(-0.45 * (x[:, 0] - x[:, 1]) - 0.4 * np.maximum(x[:, 2], 0) + 0.16))
    y = (random.random(9000) < chance).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(12, activation="relu", kernel_regularizer=keras.regularizers.L2(0.001)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:6000], y[:6000]),
        validation_data=(x[6000:7500], y[6000:7500]),
        batch_size=64,
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.corrcoef(chance[7500:], model.predict(x[7500:], verbose=0)[:, 0])[0, 1])


class OwnStep(keras.Model):
    """A network with a step of its own: a clipped gradient of an own, weighted loss."""

    def train_step(self, data):
        """Update the weights once."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            error = tf.abs(y[:, None] - guess)
            loss = tf.reduce_mean(tf.where(error < 1, error**2 / 2, error - 0.5))
        gradients = tape.gradient(loss, self.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y[:, None], guess)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
    metric="R² on held-out journeys, those of typing errors left out",
    good=0.8,
)
def a_step_of_its_own(seed, callbacks):
    """Step: train_step is overridden and computes Huber's loss; a few targets are far off."""
    random = start(seed)
    x = random.normal(size=(2400, 6)).astype("float32")
    truth = x[:, 0] + np.sin(2 * x[:, 1]) - 0.6 * x[:, 2] * x[:, 3]
    y = truth + random.normal(0, 0.2, 2400)
    typed = random.random(2400) < 0.03
    y = np.where(typed, y + random.choice([-15, 15], 2400), y).astype("float32")
    inputs = keras.Input((6,))
    seen = layers.Dense(48, activation="relu")(inputs)
    seen = layers.Dense(32, activation="relu")(seen)
    model = OwnStep(inputs, layers.Dense(1)(seen))
    model.compile(Adam(0.003), keras.losses.Huber(), metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=32,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(truth[1900:], model.predict(x[1900:], verbose=0)[:, 0])


PROGRAMS = [
    more_than_fifty_thousand,
    sales_of_many_series,
    a_sensor_that_was_off,
    moods_of_tweets,
    a_simple_parabola,
    pictures_from_a_generator,
]
SOUND = [
    grey_pixels_again,
    better_in_validation,
    adadelta_as_in_its_paper,
    nearly_a_coin,
    a_step_of_its_own,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
