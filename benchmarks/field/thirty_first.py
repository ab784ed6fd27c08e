"""Eight field programs after reports taken as they came, by somebody who had read no rule.

Four have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_first
    python benchmarks/diagnosis.py --programs thirty_first
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adagrad, Adam, RMSprop

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
    source="https://github.com/keras-team/keras/issues/3040",
    cause="the rate is too large for inputs of up to 200: a smaller rate or scaled inputs",
    causes="learning_rate optimizer preprocessing data",
    evidence=r"(learning.?rate|\brate\b|steps?|updates?)[\s\S]{0,80}(large|high|big|too|overs|"
    r"diverg|above)|(lower|smaller|reduce|divide)[\s\S]{0,40}rate|\bnan\b|not a number|"
    r"(in|non-?)finite|diverg|explod|overflow|(inputs?|features?|columns?|\bx\b)[\s\S]{0,80}"
    r"(large|scal|range|standardi[sz]|normali[sz]|up to|spread|deviation|magnitude)",
    repair={"learning_rate": 1e-5},
    advice={
        r"clip": {"clipnorm": 1.0},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 1e-5},
        "faster": {"learning_rate": 0.01},
        "scaled": {"scaled": True},
        "longer": {"epochs": 15},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out numbers",
    good=0.9,
)
def line_through_two_hundred(
    seed,
    callbacks,
    learning_rate=0.001,
    scaled=False,
    clipnorm=None,
    epochs=5,
    initializer="glorot_uniform",
):
    """Fit a straight line through numbers up to 200: the weights are no numbers any more."""
    random = start(seed)
    x = random.permutation(np.arange(400) / 2.0)[:, None].astype("float32")
    y = 2.0 * x[:, 0] + random.normal(0, 3.0, 400)
    if scaled:
        x = standardized(x)
    model = keras.Sequential(
        [keras.Input((1,)), layers.Dense(1, kernel_initializer=initializer)],
    )
    model.compile(SGD(learning_rate, clipnorm=clipnorm), "mean_squared_error")
    model.fit(x[:300], y[:300], batch_size=1, epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[300:], model.predict(x[300:], verbose=0)[:, 0])


@case(
    source="https://stackoverflow.com/questions/46620813/keras-lstm-model-not-learning-binary-sequence",
    cause="softmax over a single output is always 1: it must be sigmoid",
    causes="activation layers",
    evidence=r"softmax|sigmoid|(always|constant|every|all|exactly)[\s\S]{0,50}(\b1\b|one\b|same)|"
    r"(single|one|1) (output|unit|neuron|node)|(zero|no|without|vanish\w*) gradients?|"
    r"gradients?[\s\S]{0,50}(zero|\b0\b|none|vanish)",
    repair={"activation": "sigmoid"},
    advice={
        r"(two|2) (units|outputs)|one (unit|output) per class|Dense\(2": {"per_class": True},
        "sigmoid": {"activation": "sigmoid"},
        "softmax": {"activation": "softmax"},
        "linear": {"activation": "linear"},
        "relu": {"activation": "relu"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {"loss": "binary_crossentropy"},
        "longer": {"epochs": 36},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 1.0},
        "slower": {"learning_rate": 0.01},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out bits",
    good=0.85,
)
def next_bit_of_a_sequence(
    seed,
    callbacks,
    activation="softmax",
    loss="binary_crossentropy",
    per_class=False,
    epochs=12,
    units=8,
    learning_rate=0.1,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the next bit from three bits: the accuracy is the same in every epoch."""
    random = start(seed)
    rule = [1, 1, 0, 1, 1, 0, 0, 0]
    bits = [0, 1, 1]
    for _ in range(4000):
        told = rule[4 * bits[-3] + 2 * bits[-2] + bits[-1]]
        bits.append(1 - told if random.random() < 0.06 else told)
    bits = np.array(bits, "float32")
    x, y = np.stack([bits[:-3], bits[1:-2], bits[2:-1]], axis=1)[:, :, None], bits[3:]

    model = keras.Sequential(
        [
            keras.Input((3, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
        ]
    )
    if per_class:
        model.add(layers.Dense(2, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1, activation=activation))
    model.compile(Adagrad(learning_rate), loss, metrics=["accuracy"])
    model.fit(x[:3000], y[:3000], batch_size=64, epochs=epochs, callbacks=callbacks, verbose=0)
    guess = model.predict(x[3000:], verbose=0)[:, -1] > 0.5
    return float(np.mean(guess == y[3000:]))


@case(
    source="https://intellipaat.com/community/11257/"
    "resnet-100-accuracy-during-training-but-33-prediction-accuracy-with-the-same-data",
    cause="after some fifty updates BatchNormalization's moving averages are still near 0 and 1",
    causes="layers epochs batch_size",
    evidence=r"batch.?norm|moving (mean|average|variance|statistic)|running (mean|average|stat)|"
    r"momentum|(training|train) (and|versus|vs\.?) (inference|predict|test)|inference|"
    r"training ?= ?(true|false)|too few (updates|steps|batches)",
    repair={"momentum": 0.8},
    advice={
        r"momentum|moving|(layer|group).?norm": {"momentum": 0.8},
        r"(smaller|lower|reduce)[\s\S]{0,20}batch|batch_size": {"batch_size": 8},
        "longer": {"epochs": 40},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.85,
)
def residual_blocks_in_a_few_steps(
    seed,
    callbacks,
    momentum=0.99,
    epochs=4,
    batch_size=32,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits with residual blocks: right in training, mostly wrong when predicting."""
    start(seed)
    x, y = digits(seed)

    def block(seen):
        seen = layers.Conv2D(units, 3, padding="same", kernel_initializer=initializer)(seen)
        return layers.BatchNormalization(momentum=momentum)(seen)

    inputs = keras.Input((8, 8, 1))
    seen = layers.Activation("relu")(block(inputs))
    for _ in range(2):
        inner = block(layers.Activation("relu")(block(seen)))
        seen = layers.Activation("relu")(layers.Add()([seen, inner]))
        seen = layers.MaxPooling2D()(seen)
    seen = layers.Dropout(dropout)(layers.Flatten()(seen))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:450], y[:450]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[900:], y[900:])


@case(
    source="http://pullrequest.ru/13233417/predskazanie-impulsnogo-signala-lstm",
    cause="three epochs are too few for the recurrent network: train longer",
    causes="epochs learning_rate optimizer",
    evidence=r"still (falling|improving|learning|decreas|going)|(too )?few (epochs|updates|steps)|"
    r"(train|more|continue)[\s\S]{0,30}(longer|epochs|updates|steps)|not (yet )?"
    r"(finished|converged|done)|under-?(trained|fit)|(learning.?rate|\brate\b)[\s\S]{0,60}"
    r"(small|low|rais|larger|higher|slow)|(stopped|ended) (too )?(early|soon)",
    repair={"epochs": 20},
    advice={
        "longer": {"epochs": 20},
        "faster": {"learning_rate": 0.01},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 1e-4},
        "wider": {"units": 64},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "linear": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out signals",
    good=0.85,
)
def pulse_and_its_echo(
    seed,
    callbacks,
    epochs=3,
    units=16,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell from ten steps with pulses how far the signal has decayed: nearly flat."""
    random = start(seed)
    x = (random.random((1600, 10, 1)) < 0.25) * random.uniform(0.5, 1.5, (1600, 10, 1))
    fading = 0.75 ** np.arange(9, -1, -1)
    y = x[:, :, 0] @ fading + random.normal(0, 0.05, 1600)
    x = x.astype("float32")

    model = keras.Sequential(
        [
            keras.Input((10, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_squared_error"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1200:], model.predict(x[1200:], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/issues/10063",
    metric="accuracy on held-out remarks, of which a fifth have a wrong label",
    good=0.74,
)
def remarks_judged_at_random(seed, callbacks):
    """Noise: convolutions over words stop at 0.77 as a fifth of the labels are wrong."""
    random = start(seed)
    rows = 5000
    y = random.integers(0, 2, rows)
    words = random.integers(30, 120, (rows, 16))
    told = random.random((rows, 16)) < 0.35
    words[told] = (random.integers(0, 15, (rows, 16)) + 15 * y[:, None])[told]
    y = np.where(random.random(rows) < 0.2, 1 - y, y)
    model = keras.Sequential(
        [
            keras.Input((16,), dtype="int32"),
            layers.Embedding(120, 8),
            layers.Conv1D(16, 3, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    model.fit(
        *(words[:3000], y[:3000]),
        validation_data=(words[3000:3600], y[3000:3600]),
        epochs=12,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean((model.predict(words[3600:], verbose=0)[:, 0] > 0.5) == y[3600:]))


@sound(
    source="https://manongdao.com/q-537942.html",
    metric="accuracy on held-out digits",
    good=0.93,
)
def better_on_what_it_has_not_seen(seed, callbacks):
    """Dropout: the loss on validation data lies far below that in training all the time."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.Conv2D(24, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(RMSprop(0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_split=0.2,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


@sound(
    source="https://stackguides.com/questions/51432661/"
    "time-series-keras-lstm-echoing-instead-of-predicting",
    metric="R² on the last third of the series",
    good=0.85,
)
def echo_of_a_wandering_series(seed, callbacks):
    """Ceiling: the next value is mostly the last one and chance, so an echo is the best guess."""
    random = start(seed)
    series = np.zeros(2400)
    for step in range(1, 2400):
        series[step] = 0.97 * series[step - 1] + random.normal(0, 0.25)
    rows = np.arange(8, 2400)
    x = np.stack([series[rows - back] for back in range(8, 0, -1)], axis=1)
    x, y = x[:, :, None].astype("float32"), series[rows]
    model = keras.Sequential([keras.Input((8, 1)), layers.LSTM(24), layers.Dense(1)])
    model.compile(Adam(0.003), "mean_squared_error")
    model.fit(
        *(x[:1400], y[:1400]),
        validation_data=(x[1400:1600], y[1400:1600]),
        batch_size=32,
        epochs=15,
        shuffle=False,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1600:], model.predict(x[1600:], verbose=0)[:, 0])


class Smoothed(keras.Model):
    """A model whose own step adds the error on slightly disturbed inputs."""

    def train_step(self, data):
        """Update once by both errors."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            other = self(x + tf.random.normal(tf.shape(x), stddev=0.1), training=True)
            loss = self.compute_loss(x, y, guess) + 0.5 * self.compute_loss(x, y, other)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, guess)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
    metric="R² on held-out engines",
    good=0.85,
)
def step_of_its_own(seed, callbacks):
    """Step: the training loss holds a second error that the validation loss has not."""
    random = start(seed)
    x = random.normal(size=(2400, 5)).astype("float32")
    y = np.sin(1.5 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.4 * x[:, 3]
    y = standardized(y + random.normal(0, 0.15, 2400))[:, None]
    inputs = keras.Input((5,))
    seen = layers.Dense(48, activation="relu")(inputs)
    seen = layers.Dense(48, activation="relu")(seen)
    model = Smoothed(inputs, layers.Dense(1)(seen))
    model.compile(Adam(0.003), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:, 0], model.predict(x[1900:], verbose=0)[:, 0])


PROGRAMS = [
    line_through_two_hundred,
    next_bit_of_a_sequence,
    residual_blocks_in_a_few_steps,
    pulse_and_its_echo,
]
SOUND = [
    remarks_judged_at_random,
    better_on_what_it_has_not_seen,
    echo_of_a_wandering_series,
    step_of_its_own,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
