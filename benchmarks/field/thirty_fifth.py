"""Twelve more field programs of silent mistakes, by somebody who had read no rule.

Six have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_fifth
    python benchmarks/diagnosis.py --programs thirty_fifth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
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


class StepWithOwnError(keras.Model):
    """A model whose step computes the squared error itself."""

    column = False

    def train_step(self, data):
        """Update once; the metrics are the compiled ones."""
        x, y = data
        if self.column:
            y = y[:, None]
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = tf.reduce_mean(tf.square(y - guess))
        slopes = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, guess)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/keras-team/keras/issues/16836",
    cause="labels (N,) minus predictions (N, 1) are N times N differences: the mean is learned",
    causes="loss data",
    evidence=r"broadcast|shapes?\b|\(\s*(none|n|batch\w*|\d+)\s*,\s*\)|\(\s*\w+\s*,\s*1\s*\)|"
    r"rank|(one|1|single|trailing|last)[\s-]?(dimension|axis|column)|column vector|"
    r"(every|each|all)[\s\S]{0,40}(label|target)[\s\S]{0,60}(every|each|all|other)|pairwise|"
    r"(own|custom|train_step|by hand)[\s\S]{0,60}(loss|error|step)|train_step|"
    r"(other|same batch)[\s\S]{0,30}(rows?|samples?|labels?)",
    repair={"column": True},
    advice={
        r"reshape|expand_dims|newaxis|squeeze|\[:, ?None\]|shape|broadcast|\(-1, ?1\)|column|"
        r"(built-?in|compiled|compute_)\w*[\s-]?loss|compute_loss|keras\.losses": {"column": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out houses",
    good=0.8,
)
def prices_by_a_step_of_their_own(
    seed,
    callbacks,
    column=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell prices with a training step of my own: far worse than with the compiled loss."""
    random = start(seed)
    x = random.normal(size=(2200, 8)).astype("float32")
    price = x[:, 0] + 0.8 * x[:, 1] * x[:, 2] - 0.7 * np.abs(x[:, 3]) + 0.5 * x[:, 5]
    y = standardized(price + random.normal(0, 0.3, 2200))

    inputs = keras.Input((8,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = StepWithOwnError(inputs, layers.Dense(1)(seen))
    model.column = column
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    rows = tf.data.Dataset.from_tensor_slices((x[:1500], y[:1500]))
    rows = rows.shuffle(1500, seed=seed).batch(32)
    model.fit(
        rows,
        validation_data=(x[1500:1800], y[1500:1800]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1800:], model.predict(x[1800:], verbose=0)[:, 0])


def close_pairs(y_true, distance):
    """Share of pairs called alike (distance below 0.5) or not, rightly."""
    y_true = ops.reshape(y_true, (-1, 1))
    return ops.mean(ops.cast(ops.equal(y_true, ops.cast(distance < 0.5, y_true.dtype)), "float32"))


def contrast(alike):
    """Contrastive loss where the label `alike` means that both show the same."""

    def loss(y_true, distance):
        y_true = ops.cast(ops.reshape(y_true, (-1, 1)), distance.dtype)
        same = y_true if alike == 1 else 1 - y_true
        near, far = ops.square(distance), ops.square(ops.maximum(1 - distance, 0))
        return ops.mean(same * near + (1 - same) * far)

    return loss


@case(
    source="https://github.com/keras-team/keras/issues/16935",
    cause="the loss takes 0 for alike as the paper does, the pairs are labelled 1 for alike",
    causes="loss data",
    evidence=r"contrastive|invert|flip|swap|revers|opposite|upside|wrong way|the other way|"
    r"below (chance|guess|half)|worse than (chance|guess)|under chance|less than (chance|half)|"
    r"label[\s\S]{0,60}(0|1|mean|convention|similar|same|alike)|"
    r"(loss|train)[\s\S]{0,60}(falls?|fell|improv|better|lower)[\s\S]{0,80}(accuracy|metric|"
    r"close_pairs)|(metric|accuracy|close_pairs)[\s\S]{0,80}(fell|falls?|worse|drops?|disagree|"
    r"declin|lower|down)|(loss|metric)[\s\S]{0,60}(contradict|disagree|not the same)|"
    r"anti-?correlat|negative(ly)? correlat|pull(s|ed)? (apart|together)",
    repair={"alike": 1},
    advice={
        r"(invert|flip|swap|revers|exchange|turn)[\s\S]{0,60}|1 ?- ?y|"
        r"(check|fix|correct)[\s\S]{0,40}(loss|label|sign)|own loss|custom loss": {"alike": 1},
        "longer": {"epochs": 24},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
        "relu": {},
    },
    metric="share of held-out pairs told rightly",
    good=0.88,
)
def pairs_of_handwriting(
    seed,
    callbacks,
    alike=0,
    epochs=8,
    units=48,
    learning_rate=0.002,
    dropout=0.0,
    activation="relu",
    initializer="glorot_uniform",
):
    """Tell whether two digits are the same: the loss falls, the accuracy is below a coin's."""
    random = start(seed)
    x, y = digits(seed, range(6))
    x = x.reshape(-1, 64)

    def pairs(first, last, number):
        left = random.integers(first, last, number)
        right = random.integers(first, last, number)
        wanted = random.random(number) < 0.5
        for row in np.flatnonzero(wanted):
            right[row] = random.choice(first + np.flatnonzero(y[first:last] == y[left[row]]))
        same = (y[left] == y[right]).astype("float32")
        return [x[left], x[right]], same

    train, same = pairs(0, 700, 3000)
    checked, checked_same = pairs(700, 850, 600)
    held, held_same = pairs(850, len(x), 600)

    one, other = keras.Input((64,)), keras.Input((64,))
    tower = keras.Sequential([keras.Input((64,))])
    for width in (units, 16):
        tower.add(layers.Dense(width, activation=activation, kernel_initializer=initializer))
        tower.add(layers.Dropout(dropout))
    apart = layers.Subtract()([tower(one), tower(other)])
    apart = layers.Lambda(
        lambda gap: ops.sqrt(ops.maximum(ops.sum(gap**2, axis=1, keepdims=True), 1e-7)),
        output_shape=(1,),
    )(apart)
    model = keras.Model([one, other], apart)
    model.compile(Adam(learning_rate), contrast(alike), metrics=[close_pairs])
    model.fit(
        *(train, same),
        validation_data=(checked, checked_same),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    distance = model.predict(held, verbose=0)[:, 0]
    return float(np.mean((distance < 0.5) == (held_same == 1)))


@case(
    source="https://github.com/tensorflow/text/issues/938",
    cause="the attention's mask is 1 at the padding, which is where the layer then looks",
    causes="layers data preprocessing",
    evidence=r"mask|padd|attend|attention|"
    r"(outputs?|predictions?|features?|layer)[\s\S]{0,80}(same|constant|equal|alike|hardly "
    r"(vary|differ|depend))[\s\S]{0,60}(row|sample|input|text)|(ignor|not (use|see|depend|reach))"
    r"[\s\S]{0,60}(input|word|token)|(input|word|token)s?[\s\S]{0,60}(ignored|not (used|reach)|"
    r"never reach|no (effect|influence))",
    repair={"attend": "words"},
    advice={
        r"mask|padd|!= ?0|not_equal|attend": {"attend": "words"},
        r"pool|all (steps|tokens|words)": {"pooled": True},
        "longer": {"epochs": 25},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out reports",
    good=0.85,
)
def reports_of_uneven_length(
    seed,
    callbacks,
    attend="padding",
    pooled=False,
    epochs=8,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Sort padded reports with Keras's attention in place of a tutorial's: nothing is learned."""
    random = start(seed)
    rows, length = 2000, 18
    y = random.integers(0, 3, rows)
    words = random.integers(40, 160, (rows, length))
    told = random.random((rows, length)) < 0.35
    words[told] = (random.integers(2, 14, (rows, length)) + 12 * y[:, None])[told]
    words[:, 0] = 1
    words[np.arange(length) >= random.integers(8, length - 1, rows)[:, None]] = 0

    tokens = keras.Input((length,), dtype="int32")
    seen = layers.Embedding(160, 24)(tokens)
    mask = ops.equal(tokens, 0) if attend == "padding" else ops.not_equal(tokens, 0)
    looked = layers.MultiHeadAttention(2, 12)(seen, seen, attention_mask=mask[:, None, :])
    seen = layers.LayerNormalization()(layers.Add()([seen, looked]))
    seen = layers.GlobalAveragePooling1D()(seen) if pooled else seen[:, 0]
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(tokens, layers.Dense(3, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(words[:1300], y[:1300]),
        validation_data=(words[1300:1500], y[1300:1500]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, words[1500:], y[1500:])


@case(
    source="https://github.com/tensorflow/tensorflow/issues/40343",
    cause="the target of a window is its own first value, not the one after it",
    causes="data preprocessing",
    evidence=r"leak|(target|label|answer|y)s?\b[\s\S]{0,80}(in the (input|window)|among the input|"
    r"(is|are|equals?|copy|copied|repeat\w*|contained|found|same as)[\s\S]{0,40}"
    r"(inputs?|window|column|step|first|feature))|"
    r"(inputs?|window|column|step|feature)s?[\s\S]{0,80}(is|are|equals?|holds?|contains?|gives? "
    r"away|carr(y|ies)|identical)[\s\S]{0,30}(target|label|answer)|"
    r"window|offset|align|shift|timeseries|too good|cop(y|ies) (of )?(an |the )?input",
    repair={"ahead": True},
    advice={
        r"offset|shift|align|window|leak|(remove|drop|take out|leave out)[\s\S]{0,50}"
        r"(input|column|step|feature)|targets?": {"ahead": True},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the held-out series' next values",
    good=0.8,
)
def series_one_step_ahead(
    seed,
    callbacks,
    ahead=False,
    epochs=12,
    units=24,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Forecast a series by windows of 14 values: a tiny error, useless forecasts."""
    random = start(seed)
    length, t = 14, np.arange(2600)
    series = np.sin(2 * np.pi * t / 19 + random.uniform(0, 6)) + 0.7 * np.sin(
        2 * np.pi * t / 8.3 + random.uniform(0, 6)
    )
    series = standardized(series + random.normal(0, 0.15, 2600))

    def windows(part, shuffle):
        targets = part[length:] if ahead else part
        return keras.utils.timeseries_dataset_from_array(
            part[:, None], targets, length, batch_size=32, shuffle=shuffle, seed=seed
        )

    model = keras.Sequential(
        [
            keras.Input((length, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        windows(series[:1700], True),
        validation_data=windows(series[1700:2100], False),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    held = series[2100:]
    past = np.lib.stride_tricks.sliding_window_view(held, length)[:-1]
    return r_squared(held[length:], model.predict(past[..., None], verbose=0)[:, 0])


@case(
    source="https://github.com/divamgupta/image-segmentation-keras/issues/41",
    cause="Reshape to (classes, pixels) of channels-last maps mixes pixels with classes",
    causes="layers",
    evidence=r"reshape|permute|transpos|scrambl|mix(es|ed)?\b|axes|axis|channels?[\s_-]?(first|"
    r"last)|(order|layout) of|(pixel|place|position|location)s?[\s\S]{0,80}(class|wrong|other|"
    r"elsewhere|not (see|reach|match))|receptive|(output|answer)s?[\s\S]{0,60}(other|wrong|"
    r"different|far|unrelated)[\s\S]{0,30}(pixel|place|position|part)",
    repair={"layout": "pixels"},
    advice={
        r"reshape|permute|transpos|axes|axis|channels?.?(first|last)|layout": {"layout": "pixels"},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="mean share of each class's pixels found on held-out fields",
    good=0.85,
)
def fields_seen_from_above(
    seed,
    callbacks,
    layout="classes",
    epochs=10,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Name each pixel's crop: the maps are stripes that have little to do with the photograph."""
    random = start(seed)
    rows, side, kinds = 900, 12, 3
    coarse = random.integers(0, kinds, (rows, 3, 3))
    truth = coarse.repeat(4, axis=1).repeat(4, axis=2)
    colours = np.array([[0.8, 0.1], [0.1, 0.8], [0.2, 0.2]])
    x = (colours[truth] + random.normal(0, 0.3, (rows, side, side, 2))).astype("float32")
    y = one_hot(truth.reshape(rows, side * side), kinds)

    inputs = keras.Input((side, side, 2))
    seen = inputs
    for _ in range(2):
        seen = layers.Conv2D(
            units, 3, padding="same", activation="relu", kernel_initializer=initializer
        )(seen)
        seen = layers.Dropout(dropout)(seen)
    seen = layers.Conv2D(kinds, 1)(seen)
    if layout == "classes":
        seen = layers.Reshape((kinds, side * side))(seen)
        seen = layers.Permute((2, 1))(seen)
    else:
        seen = layers.Reshape((side * side, kinds))(seen)
    model = keras.Model(inputs, layers.Activation("softmax")(seen))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:600], y[:600]),
        validation_data=(x[600:700], y[600:700]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess, wanted = model.predict(x[700:], verbose=0).argmax(axis=-1), y[700:].argmax(axis=-1)
    return float(np.mean([np.mean(guess[wanted == kind] == kind) for kind in range(kinds)]))


class StepInMode(keras.Model):
    """A model whose step is written out, in the mode that is asked for."""

    mode = None

    def train_step(self, data):
        """Update once by the compiled loss."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x) if self.mode is None else self(x, training=self.mode)
            loss = self.compute_loss(x, y, guess)
        slopes = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_variables, strict=True))
        return self.compute_metrics(x, y, guess)


@case(
    source="https://github.com/tensorflow/tensorflow/issues/32864",
    cause="the own step calls the model without training=True: no statistics are ever gathered",
    causes="layers preprocessing data",
    evidence=r"training=|(train|inference|evaluation|test)\w*[\s-]?mode|moving|running|"
    r"batch.?norm|statistics|train_step|"
    r"(input|column|feature)s?[\s\S]{0,100}(scale|spread|deviation|mean|magnitude|standardi[sz]e|"
    r"normali[sz]e|large|offset|far from 0)|(mean|varianc)\w*[\s\S]{0,60}(never|not|still|0 and 1)",
    repair={"mode": True},
    advice={
        r"training=|training mode|train_step|moving|statistics": {"mode": True},
        "scaled": {"scaled": True},
        "longer": {"epochs": 45},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
        "binary": {},
        "relu": {},
    },
    metric="accuracy on held-out kilns",
    good=0.85,
)
def kilns_with_a_written_step(
    seed,
    callbacks,
    mode=None,
    scaled=False,
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell cracks from a kiln's gauges, batch normalization first: it stays at a guess."""
    random = start(seed)
    hidden = random.normal(size=(2200, 6))
    mean = np.array([1450.0, 1013.0, 310.0, 75.0, 2400.0, 0.4])
    x = (mean + np.array([15.0, 6.0, 4.0, 2.0, 30.0, 0.05]) * hidden).astype("float32")
    if scaled:
        x = standardized(x)
    crack = hidden[:, 0] - hidden[:, 1] + 0.9 * hidden[:, 2] * hidden[:, 3] + 0.7 * hidden[:, 5]
    y = (crack + random.normal(0, 0.3, 2200) > 0).astype("float32")[:, None]

    inputs = keras.Input((6,))
    seen = layers.BatchNormalization(momentum=0.9)(inputs)
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.BatchNormalization(momentum=0.9)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = StepInMode(inputs, layers.Dense(1, activation="sigmoid")(seen))
    model.mode = mode
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1500], y[:1500]),
        validation_data=(x[1500:1800], y[1500:1800]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1800:], verbose=0) > 0.5) == y[1800:]))


@sound(
    source="https://keras.io/examples/keras_recipes/bayesian_neural_networks/",
    metric="R² of the expected yield on held-out plots",
    good=0.85,
)
def yield_and_its_doubt(seed, callbacks):
    """Own loss: the likelihood of a mean and a spread, negative where the spread is small."""
    random = start(seed)
    x = random.normal(size=(2600, 6)).astype("float32")
    expected = x[:, 0] + 0.6 * x[:, 1] * x[:, 2] - 0.5 * np.abs(x[:, 3])
    spread = 0.1 + 0.3 * (x[:, 4] > 0)
    y = (expected + spread * random.normal(size=2600)).astype("float32")[:, None]

    def unlikelihood(y_true, guess):
        mean, log_spread = guess[:, :1], ops.clip(guess[:, 1:], -4.0, 4.0)
        return ops.mean(log_spread + 0.5 * ops.square((y_true - mean) / ops.exp(log_spread)))

    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(48, activation="swish"),
            layers.Dense(24, activation="swish"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003), unlikelihood)
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(expected[2100:], model.predict(x[2100:], verbose=0)[:, 0])


@sound(
    source="https://www.chaulagainrupesh.com.np/posts/bayes-error",
    metric="accuracy on held-out visits; 0.68 is the most that the data allow",
    good=0.63,
)
def visits_hardly_foretold(seed, callbacks):
    """Noise: a coin decides nearly as much as the columns, so the loss stays near 0.6."""
    random = start(seed)
    x = random.normal(size=(6000, 8)).astype("float32")
    odds = 0.7 * x[:, 0] - 0.6 * x[:, 1] + 0.4 * x[:, 2]
    y = (odds + random.logistic(0, 1.0, 6000) > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:3500], y[:3500]),
        validation_data=(x[3500:4500], y[3500:4500]),
        batch_size=64,
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[4500:], verbose=0)[:, 0] > 0.5) == y[4500:]))


@sound(
    source="https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_wine.html",
    metric="accuracy on held-out wines",
    good=0.9,
)
def wines_of_three_growers(seed, callbacks):
    """Few rows: eighty wines, one small tanh layer, weight decay, batches of eight."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows]
    decay = keras.regularizers.L2(0.003)
    model = keras.Sequential(
        [
            keras.Input((13,)),
            layers.Dense(8, activation="tanh", kernel_regularizer=decay),
            layers.Dense(3, activation="softmax", kernel_regularizer=decay),
        ]
    )
    model.compile(RMSprop(0.004), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:80], y[:80]),
        validation_data=(x[80:110], y[80:110]),
        batch_size=8,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[110:], y[110:])


class StepByMixup(keras.Model):
    """A model that is trained on weighted means of two rows each."""

    def train_step(self, data):
        """Update once on a mixed batch."""
        x, y = data
        order = tf.random.shuffle(tf.range(tf.shape(x)[0]))
        share = tf.random.uniform((tf.shape(x)[0], 1), 0.7, 1.0)
        x = share[..., None, None] * x + (1 - share[..., None, None]) * tf.gather(x, order)
        y = share * y + (1 - share) * tf.gather(y, order)
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess)
        slopes = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_variables, strict=True))
        return self.compute_metrics(x, y, guess)


@sound(
    source="https://keras.io/examples/vision/mixup/",
    metric="accuracy on held-out digits",
    good=0.95,
)
def digits_mixed_with_others(seed, callbacks):
    """Own step: mixed images keep the training loss far above the validation's."""
    start(seed)
    x, y = digits(seed)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(24, 3, activation="relu")(inputs)
    seen = layers.Conv2D(32, 3, activation="relu")(seen)
    seen = layers.Flatten()(seen)
    model = StepByMixup(inputs, layers.Dense(10, activation="softmax")(seen))
    model.compile(Adam(0.003), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], one_hot(y[:1200], 10)),
        validation_data=(x[1200:1400], one_hot(y[1200:1400], 10)),
        batch_size=32,
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://keras.io/api/optimizers/sgd/",
    metric="accuracy on held-out digits",
    good=0.95,
)
def digits_at_a_large_rate(seed, callbacks):
    """Rate: plain SGD at 0.5 with batch normalization, large batches and smoothed labels."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])
    for _ in range(2):
        model.add(layers.Dense(64, use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation("relu"))
    model.add(layers.Dense(10, activation="softmax"))
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(SGD(0.5), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1200], one_hot(y[:1200], 10)),
        validation_data=(x[1200:1400], one_hot(y[1200:1400], 10)),
        batch_size=64,
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://keras.io/api/layers/core_layers/dense/",
    metric="accuracy on held-out tumours",
    good=0.92,
)
def tumours_by_random_features(seed, callbacks):
    """Frozen: three hundred random features that are never trained, a head that is."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows]
    features = layers.Dense(300, activation="relu", kernel_initializer="he_normal")
    features.trainable = False
    head = layers.Dense(1, activation="sigmoid", kernel_regularizer=keras.regularizers.L2(0.001))
    model = keras.Sequential([keras.Input((30,)), features, layers.Dropout(0.2), head])
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:350], y[:350]),
        validation_data=(x[350:430], y[350:430]),
        batch_size=16,
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[430:], verbose=0)[:, 0] > 0.5) == y[430:]))


PROGRAMS = [
    prices_by_a_step_of_their_own,
    pairs_of_handwriting,
    reports_of_uneven_length,
    series_one_step_ahead,
    fields_seen_from_above,
    kilns_with_a_written_step,
]
SOUND = [
    yield_and_its_doubt,
    visits_hardly_foretold,
    wines_of_three_growers,
    digits_mixed_with_others,
    digits_at_a_large_rate,
    tumours_by_random_features,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
