"""Twelve more field programs with silent mistakes, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_sixth
    python benchmarks/diagnosis.py --programs forty_sixth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

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


class Shares(layers.Layer):
    """Make shares of scores: positive, of sum 1 along an axis."""

    def __init__(self, axis, **options):
        super().__init__(**options)
        self.axis = axis

    def call(self, scores):
        """Divide exponentials by their sum."""
        powers = ops.exp(scores - ops.max(scores, axis=self.axis, keepdims=True))
        return powers / ops.sum(powers, axis=self.axis, keepdims=True)


@case(
    source="https://github.com/xhuang31/KEQA_WSDM19/issues/2",
    cause="softmax over an axis of length 1: every weight is 1; over the steps repairs it",
    causes="activation layers",
    evidence=r"softmax|attention|shares|normali[sz]|\baxis\b|(one|single|1)[\s-](unit|value|column|output|element)|"
    r"(weights?|answers?|outputs?|activations?|scores?)[\s\S]{0,80}(constant|always (1|one)|"
    r"never (var|chang)|(are|is) (all )?(1|one|equal|the same)|same for (all|every)|"
    r"do(es)? not (depend|vary|change))|(no|zero|0) gradient|gradient[\s\S]{0,60}(zero|\b0\b|none|"
    r"vanish|not reach)|(do(es)? not|never|hardly|not) (learn|change|move|train|get)|"
    r"(weights|layers?)[\s\S]{0,60}(unchanged|stay|frozen|not move|stuck)|constant",
    repair={"axis": 1},
    advice={
        r"axis|over the (steps|time|sequence)|attention|Shares|softmax.{0,60}(step|time|one|single|"
        r"length|unit|dimension)|Flatten|sigmoid.{0,40}(instead|one unit)|one unit|single unit": {
            "axis": 1
        },
        r"(remove|drop|replace|without|no|another).{0,30}softmax": {"axis": None},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {"axis": None},
        "sigmoid": {"axis": None},
        "relu": {"axis": None},
        "squared": {},
    },
    metric="R² on held-out questions",
    good=0.8,
)
def the_sensor_that_is_asked_for(
    seed,
    callbacks,
    axis=-1,
    epochs=25,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Answer what one of eight sensors reads by attention: no better than their mean."""
    random = start(seed)
    rows, names = 3600, 8
    order = np.argsort(random.random((rows, names)), axis=1)
    reading = random.normal(size=(rows, names, 1))
    steps = np.concatenate([np.eye(names)[order], reading], axis=2).astype("float32")
    asked = random.integers(0, names, rows)
    question = one_hot(asked, names)
    true = reading[order == asked[:, None]]
    y = (true + random.normal(0, 0.2, (rows, 1))).astype("float32")

    seen, query = keras.Input((names, names + 1)), keras.Input((names,))
    dense = {"kernel_initializer": initializer}
    keys = layers.Dense(units, **dense)(seen)
    asks = layers.Reshape((1, units))(layers.Dense(units, **dense)(query))
    score = layers.Activation("tanh")(layers.Add()([keys, asks]))
    score = layers.Dense(1, **dense)(layers.Dropout(dropout)(score))
    if axis is not None:
        score = Shares(axis)(score)
    values = layers.Dense(units, **dense)(seen)
    context = layers.Dot(1)([score, values])
    answer = layers.Dense(1, **dense)(layers.Flatten()(context))
    model = keras.Model([seen, query], answer)
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *([steps[:2400], question[:2400]], y[:2400]),
        validation_data=([steps[2400:2900], question[2400:2900]], y[2400:2900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([steps[2900:], question[2900:]], verbose=0)
    return r_squared(y[2900:].ravel(), guess.ravel())


@case(
    source="https://github.com/keras-team/keras-applications/issues/168",
    cause="the encoder is called inside a Lambda: its weights are not the model's and never train",
    causes="layers",
    evidence=r"lambda|track|(not|never|un|isn't|aren't)[\s-]?(train|regist|updat|learn|part of)|"
    r"frozen|(trainable|weights|parameters)[\s\S]{0,80}(missing|few|only|absent|none|without|not|"
    r"no\b)|(only|few|no) [\s\S]{0,30}(weights|parameters|trainable)|without weights|"
    r"random (feature|project|weights)|(initial|unchanged)[\s\S]{0,40}weights|stop_gradient|"
    r"(encoder|conv|layers?)[\s\S]{0,60}(not (train|learn|updat|chang|part)|stay|hidden)",
    repair={"wrapped": False},
    advice={
        r"lambda|track|register|trainable|unfreeze|frozen|(call|use|add|put)\w*.{0,40}(layer|"
        r"encoder|model)s? (directly|itself|outside)|sub-?class|own layer|attribute": {
            "wrapped": False
        },
        "longer": {"epochs": 45},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out digits",
    good=0.87,
)
def digits_through_a_wrapper(
    seed,
    callbacks,
    wrapped=True,
    epochs=15,
    units=8,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits by an encoder that somebody wrapped for convenience: it gets stuck half-way."""
    start(seed)
    x, y = digits(seed)
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="tanh", kernel_initializer=initializer),
        ]
    )
    inputs = keras.Input((8, 8, 1))
    if wrapped:
        code = layers.Lambda(lambda picture: encoder(picture), output_shape=(units,))(inputs)
    else:
        code = encoder(inputs)
    code = layers.Dropout(dropout)(code)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(code))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1400], y[1100:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@case(
    source="https://github.com/keras-team/keras/issues/8993",
    cause="answer and target are swapped in the cross-entropy: it wants one hot answers",
    causes="loss",
    evidence=r"(own|custom|hand\w*|your)[\s\S]{0,30}(loss|cross)|swap|argument|"
    r"(order|place)[\s\S]{0,40}(y_true|y_pred|target|argument)|"
    r"(loss|cross.?entropy)[\s\S]{0,120}(minim|lowest|smallest|best|perfect|equal|correct|true|"
    r"target|revers|asymmetr|differ|wrong|disagree|not (fall|lower))|"
    r"(y_true|y_pred|target|answer)s?[\s\S]{0,60}(revers|exchang|swap|interchang|wrong way)|"
    r"saturat|over-?confident|one.?hot|too (sure|certain|extreme)",
    repair={"swapped": False},
    advice={
        r"swap|order of|argument|y_true, ?y_pred|own loss|custom loss|(built-in|keras'?s?) |"
        r"loss=.?(categorical_crossentropy|kl_?divergence|kullback)|categorical_crossentropy|"
        r"check.{0,30}loss|kl_divergence": {"swapped": False},
        "squared": {"loss": "mean_squared_error"},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "binary": {"loss": "binary_crossentropy"},
    },
    metric="R² of the shares on held-out precincts",
    good=0.8,
)
def shares_of_four_parties(
    seed,
    callbacks,
    swapped=True,
    loss=None,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell how votes divide among four parties: the answers are all for one party."""
    random = start(seed)
    rows, smooth = 3000, 0.05
    x = random.normal(size=(rows, 8)).astype("float32")
    lean = np.tanh(x @ random.normal(0, 0.5, (8, 12))) @ random.normal(0, 0.45, (12, 4))
    shares = np.exp(lean + random.normal(0, 0.1, (rows, 4)))
    y = (shares / shares.sum(axis=1, keepdims=True)).astype("float32")

    def smoothed(y_true, y_pred):
        first, second = (y_pred, y_true) if swapped else (y_true, y_pred)
        even = ops.ones_like(y_pred) / 4
        entropy = ops.categorical_crossentropy(first, second)
        return (1 - smooth) * entropy + smooth * ops.categorical_crossentropy(even, second)

    model = keras.Sequential([keras.Input((8,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(4, activation="softmax"))
    model.compile(Adam(learning_rate), loss or smoothed, metrics=["mean_absolute_error"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0))


def arrows(random, count):
    """Images (count, 16, 16, 1) of arrows to the left, right, top and bottom, and which it is."""
    ways = random.integers(0, 4, count)
    x = random.normal(0, 0.2, (count, 16, 16, 1))
    for image, way in zip(x, ways, strict=True):
        shape = np.zeros((9, 9))
        shape[4, :] = 1
        for back in range(4):
            shape[4 - back, back] = shape[4 + back, back] = 1  # to the left
        shape = (shape, shape[:, ::-1], shape.T, shape.T[::-1])[way]
        down, right = random.integers(0, 8, 2)
        image[down : down + 9, right : right + 9, 0] += random.uniform(0.6, 1.2) * shape
    return x.astype("float32"), ways


@case(
    source="https://github.com/ultralytics/ultralytics/issues/5332",
    cause="random flips turn arrows around and leave their labels; without flips the labels fit",
    causes="data preprocessing",
    evidence=r"flip|mirror|augment|(label|class)(es|s)?[\s\S]{0,100}(noise|wrong|contradict|"
    r"conflict|ambig|chang|not (match|fit|belong)|mismatch|inconsist|differ|same (image|input)|"
    r"confus|random)|(training|fit)[\s\S]{0,100}(differ|unlike|other|not (like|the same))"
    r"[\s\S]{0,60}(validation|held)|(same|equal|similar) (inputs?|images?|rows?)[\s\S]{0,60}label|"
    r"(map|pipeline|dataset)[\s\S]{0,60}random",
    repair={"flips": False},
    advice={
        r"flip|mirror|(without|remove|drop|no|turn off|switch off|check|weaker|less).{0,30}"
        r"augment|label": {"flips": False},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out arrows",
    good=0.85,
)
def arrows_on_the_road(
    seed,
    callbacks,
    flips=True,
    epochs=10,
    units=24,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell where an arrow points: the network knows the axis and guesses the direction."""
    random = start(seed)
    x, y = arrows(random, 2600)

    def vary(image, label):
        image = tf.image.random_brightness(image, 0.1, seed=seed)
        if flips:
            image = tf.image.random_flip_left_right(image, seed=seed + 1)
            image = tf.image.random_flip_up_down(image, seed=seed + 2)
        return image, label

    train = tf.data.Dataset.from_tensor_slices((x[:1600], y[:1600])).shuffle(1600, seed=seed)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(12, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(48, activation="relu", kernel_initializer=initializer),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        train.map(vary).batch(32).prefetch(2),
        shuffle=False,  # the dataset shuffles
        validation_data=(x[1600:2000], y[1600:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2000:], y[2000:])


class Accumulating(keras.Model):
    """Add up the gradients of `every` batches before a step is taken."""

    def __init__(self, inputs, outputs, every, emptied):
        super().__init__(inputs, outputs)
        self.every, self.emptied = every, emptied
        self.batches = tf.Variable(0, trainable=False)
        self.sums = [tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.weights]

    def train_step(self, data):
        """Add the gradients of a batch; take a step if it is time to."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        variables = self.trainable_variables
        for total, gradient in zip(self.sums, tape.gradient(loss, variables), strict=True):
            total.assign_add(gradient / self.every)
        self.batches.assign_add(1)
        tf.cond(self.batches % self.every == 0, self.take_step, lambda: None)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        return {"loss": loss}

    def take_step(self):
        """Go along the sums."""
        variables = self.trainable_variables
        sums = [tf.convert_to_tensor(total) for total in self.sums]
        self.optimizer.apply_gradients(zip(sums, variables, strict=True))
        if self.emptied:
            for total in self.sums:
                total.assign(tf.zeros_like(total))


@case(
    source="https://github.com/salesforce/corr_based_prediction/issues/1",
    cause="the sums of the gradients are never emptied: every step repeats all gradients before it",
    causes="optimizer learning_rate",
    evidence=r"accumul|(sum|total)s?[\s\S]{0,40}gradient|(reset|empt|zero|clear)|"
    r"(own|custom)[\s\S]{0,30}(train_step|step|loop)|train_step|gradient[\s\S]{0,80}(grow|large|"
    r"old|stale|previous|earlier|all|past|explod|not (of|from) (the|this))|oscillat|diverg|"
    r"overshoot|unstable|swing|updates?[\s\S]{0,60}(large|grow|big|wrong|not (follow|along)|"
    r"uphill|opposite|differ)|(loss|error)[\s\S]{0,60}(rise|rose|jump|swing|grow|up and down|climb)"
    r"|(learning )?rate[\s\S]{0,40}(too )?(large|high|big)",
    repair={"emptied": True},
    advice={
        r"accumul|reset|empt|zero|clear|assign\(|(built-in|keras.?s?|default) (train_step|training)"
        r"|remove.{0,20}train_step|own (step|train_step)|gradient_accumulation_steps": {
            "emptied": True
        },
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.5},
        "slower": {"learning_rate": 0.005},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "linear": {},
    },
    metric="R² on held-out rows",
    good=0.75,
)
def a_step_for_every_four_batches(
    seed,
    callbacks,
    emptied=False,
    epochs=30,
    units=32,
    learning_rate=0.05,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Regress with few rows in memory: a step sums four batches, and training does not settle."""
    start(seed)
    x, y = datasets.make_friedman1(2000, n_features=8, noise=1.0, random_state=seed)
    x, y = standardized(x), standardized(y)[:, None]
    inputs = keras.Input((8,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = Accumulating(inputs, layers.Dense(1)(seen), 4, emptied)
    model.compile(SGD(learning_rate), "mean_squared_error")
    model.optimizer.build(model.trainable_variables)
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1500], y[1200:1500]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1500:, 0], model.predict(x[1500:], verbose=0)[:, 0])


class Bits(layers.Layer):
    """Make each value -1 or 1."""

    def __init__(self, through, **options):
        super().__init__(**options)
        self.through = through

    def call(self, values):
        """Take the signs, and let gradients through, if that is wished."""
        bits = ops.sign(values)
        if not self.through:
            return bits
        soft = ops.tanh(values)
        return soft + ops.stop_gradient(bits - soft)


@case(
    source="https://github.com/MatthieuCourbariaux/BinaryConnect/issues/7",
    cause="the sign's derivative is 0: nothing before the bits learns; straight-through repairs it",
    causes="activation layers",
    evidence=r"\bsign\b|\bbits?\b|binar|straight|differentiab|derivative|gradient|step function|"
    r"quanti|round|discret|(do(es)? not|never|not|hardly|no longer) (learn|change|move|train|"
    r"updat|receiv)|(weights|layers?|encoder)[\s\S]{0,60}(unchanged|stay|frozen|stuck|initial)|"
    r"frozen|dead",
    repair={"through": True},
    advice={
        r"straight|differentiab|stop_gradient|surrogate|custom.gradient|\bsign\b|tanh|sigmoid|"
        r"smooth|soft|gradient|Bits|binar|quanti": {"through": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="share of the variance of held-out digits that comes back",
    good=0.4,
)
def digits_in_eight_bits(
    seed,
    callbacks,
    through=False,
    epochs=30,
    units=64,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
    loss="binary_crossentropy",
):
    """Keep a digit in eight bits to look it up later: what comes back is blurred."""
    start(seed)
    x = digits(seed)[0].reshape(-1, 64)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8, kernel_initializer=initializer),
            Bits(through),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(64, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), loss)
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1450], x[1200:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    left = np.square(x[1450:] - model.predict(x[1450:], verbose=0)).sum()
    return float(1 - left / np.square(x[1450:] - x[:1200].mean(axis=0)).sum())


@case(
    source="https://github.com/VinhLoiIT/signet-pytorch/issues/2",
    cause="1 marks pairs of one writer, the loss takes it for another: it pulls apart what belongs",
    causes="loss data",
    evidence=r"(own|custom|hand\w*|your)[\s\S]{0,30}loss|contrastive|margin|siamese|\bpairs?\b|"
    r"(label|target)s?[\s\S]{0,80}(invert|revers|swap|opposite|convention|meaning|wrong|flip|"
    r"1 (for|means)|0 (for|means))|(invert|revers|swap|flip|opposite)\w*[\s\S]{0,60}(label|target|"
    r"loss|sign)|(distance|answer|output)s?[\s\S]{0,80}(same|constant|collaps|opposite|negativ|"
    r"(anti|wrong)|correlat|all|larger|smaller)|collaps|loss[\s\S]{0,80}(plateau|not fall|stall|"
    r"hardly|disagree|wrong|minim)",
    repair={"same_is_one": True},
    advice={
        r"invert|revers|swap|convention|1 ?- ?y|flip|opposite|contrastive|own loss|custom loss|"
        r"check.{0,40}(loss|label|target)|(label|target)s?.{0,40}(mean|match|agree)|sign of": {
            "same_is_one": True
        },
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
        "relu": {},
    },
    metric="area under the curve, same writer or not, on new signatures",
    good=0.85,
)
def genuine_signatures(
    seed,
    callbacks,
    same_is_one=False,
    loss=None,
    epochs=12,
    units=48,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell genuine signatures from forged ones by a distance: it is of no use."""
    random = start(seed)
    writers, each, columns = 30, 40, 24
    hands = random.normal(size=(writers, 5))
    mood = random.normal(size=(writers, each, 12))
    hidden = np.concatenate([np.repeat(hands[:, None], each, axis=1), mood], axis=2)
    mixed = hidden @ random.normal(0, 0.5, (17, columns))
    x = standardized((mixed + 0.3 * np.sin(2 * mixed)).reshape(-1, columns))
    x = x.reshape(writers, each, columns)

    def pairs(first, last, count):
        one = random.integers(0, writers, count)
        other = np.where(random.random(count) < 0.5, one, random.integers(0, writers, count))
        left = x[one, random.integers(first, last, count)]
        right = x[other, random.integers(first, last, count)]
        return [left, right], (one == other).astype("float32")[:, None]

    def contrastive(y_true, distance):
        near = y_true if same_is_one else 1 - y_true
        far = ops.square(ops.maximum(1 - distance, 0))
        return ops.mean(near * ops.square(distance) + (1 - near) * far, axis=-1)

    tower = keras.Sequential(
        [
            keras.Input((columns,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8, kernel_initializer=initializer),
        ]
    )
    inputs = [keras.Input((columns,)), keras.Input((columns,))]
    gap = layers.Subtract()([tower(inputs[0]), tower(inputs[1])])
    squares = layers.Dot(1)([gap, gap])
    distance = layers.Lambda(lambda s: ops.sqrt(s + 1e-6), output_shape=(1,))(squares)
    model = keras.Model(inputs, distance)
    model.compile(RMSprop(learning_rate), loss or contrastive)
    model.fit(
        *pairs(0, 24, 5000),
        validation_data=pairs(24, 30, 800),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    test, same = pairs(30, 40, 1500)
    return float(roc_auc_score(same[:, 0], -model.predict(test, verbose=0)[:, 0]))


@case(
    source="https://github.com/lilianweng/stock-rnn/issues/13",
    cause="the file lists the newest day first: the network learns to foretell what was before",
    causes="data preprocessing",
    evidence=r"revers|newest|latest|chronolog|descending|backward|(time|row|day|step)s?[\s\S]{0,30}"
    r"order|order[\s\S]{0,40}(time|row|day|step)|sort|(validation|held-out)[\s\S]{0,120}(differ|"
    r"other|distribut|unlike|not (like|drawn|from)|prepared|same (way|order|source)|opposite|"
    r"negativ)|(distribution|covariate|domain|data)[\s-]?(shift|drift)|"
    r"(training|train)[\s\S]{0,80}(differ|other|unlike)[\s\S]{0,60}(validation|held)",
    repair={"oldest_first": True},
    advice={
        r"revers|chronolog|sort|order|newest|oldest|ascending|(same|one) (preprocessing|way|"
        r"pipeline|source|distribution)|prepare|differ|distribut|compare|shift": {
            "oldest_first": True
        },
        "longer": {"epochs": 25},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
        "linear": {},
    },
    metric="R² on later days",
    good=0.6,
)
def the_level_in_four_days(
    seed,
    callbacks,
    oldest_first=False,
    epochs=10,
    units=20,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a store's level from the last days: good in training, useless with live data."""
    random = start(seed)
    days, length, ahead = 3200, 16, 4
    level = np.zeros(days)
    use = random.uniform(0.02, 0.06)
    for day in range(1, days):  # goods are sold day by day, and delivered at once
        level[day] = level[day - 1] - use + random.normal(0, 0.005)
        if level[day] < 0:
            level[day], use = level[day] + 1, random.uniform(0.02, 0.06)
    level = standardized(level + random.normal(0, 0.01, days))

    file = level[:2200] if oldest_first else level[:2200][::-1]
    live = level[2200:]

    def windows(series):
        cut = np.lib.stride_tricks.sliding_window_view(series, length + ahead)
        return cut[:, :length, None], cut[:, -1:]

    x, y = windows(file)
    x_live, y_live = windows(live)
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
        *(x, y),
        validation_data=(x_live[:350], y_live[:350]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x_live[370:], verbose=0)[:, 0]
    return r_squared(y_live[370:, 0], guess)


@sound(
    source="https://www.tensorflow.org/guide/data#resampling",
    metric="balanced accuracy on held-out transfers",
    good=0.85,
)
def fraud_drawn_more_often(seed, callbacks):
    """Shares: training draws half of its rows from the rare class, validation is as it comes."""
    random = start(seed)
    x = random.normal(size=(8000, 8)).astype("float32")
    risk = x[:, 0] * x[:, 1] + x[:, 2] - 0.7 * np.abs(x[:, 3])
    y = (risk + random.normal(0, 0.15, 8000) > 1.5).astype("float32")  # about one in fifteen
    train = x[:5000], y[:5000]
    kinds = []
    for kind in range(2):
        of_kind = train[1] == kind
        rows = tf.data.Dataset.from_tensor_slices((train[0][of_kind], train[1][of_kind]))
        kinds.append(rows.shuffle(5000, seed=seed).repeat())
    mixed = tf.data.Dataset.sample_from_datasets(kinds, [0.5, 0.5], seed=seed)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        mixed.batch(64).prefetch(2),
        shuffle=False,  # the dataset shuffles
        validation_data=(x[5000:6000], y[5000:6000]),
        steps_per_epoch=100,
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[6000:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[6000:], guess))


@sound(
    source="https://scikit-learn.org/stable/modules/generated/"
    "sklearn.kernel_approximation.RBFSampler.html",
    metric="accuracy on held-out tumours",
    good=0.92,
)
def waves_that_stay_as_drawn(seed, callbacks):
    """Frozen: random cosine features are meant to stay, only what is linear above them learns."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows].astype("float32")
    waves = layers.Dense(
        300,
        activation=ops.cos,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.12),
        bias_initializer=keras.initializers.RandomUniform(0.0, 2 * np.pi),
        trainable=False,
    )
    model = keras.Sequential(
        [
            keras.Input((30,)),
            waves,
            layers.Dense(1, activation="sigmoid", kernel_regularizer=keras.regularizers.L2(1e-4)),
        ]
    )
    model.compile(Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:340], y[:340]),
        validation_data=(x[340:420], y[340:420]),
        epochs=40,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[420:], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == y[420:]))


def normal_likelihood(y_true, y_pred):
    """Minus the logarithm of a normal density with the mean and log deviation foretold."""
    mean, log_deviation = y_pred[:, :1], ops.clip(y_pred[:, 1:], -5.0, 3.0)
    away = (y_true - mean) * ops.exp(-log_deviation)
    return ops.mean(0.5 * ops.square(away) + log_deviation, axis=-1)


@sound(
    source="https://theanets.readthedocs.io/en/stable/api/generated/"
    "theanets.losses.GaussianLogLikelihood.html",
    metric="R² on held-out parts",
    good=0.85,
)
def a_mean_and_how_sure(seed, callbacks):
    """Shapes: one target column, two outputs, and a loss that falls far below zero."""
    random = start(seed)
    x = random.uniform(-2, 2, (3600, 3)).astype("float32")
    spread = 0.02 + 0.25 * (x[:, 2] > 1)
    true = np.sin(1.5 * x[:, 0]) + 0.4 * x[:, 1] ** 2
    y = (true + spread * random.normal(size=3600)).astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(48, activation="swish"),
            layers.Dense(48, activation="swish"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003), normal_likelihood)
    stop = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2900], y[2400:2900]),
        batch_size=64,
        epochs=40,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[2900:, 0], model.predict(x[2900:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/layers/core_layers/masking/",
    metric="R² on held-out journeys",
    good=0.85,
)
def journeys_of_any_length(seed, callbacks):
    """Leave padding out: most of the steps are -9, which a Masking layer hides."""
    random = start(seed)
    rows, longest = 1800, 40
    lengths = np.minimum(3 + random.geometric(0.1, rows), longest)
    there = np.arange(longest) < lengths[:, None]
    speed = random.gamma(2.0, 0.5, (rows, longest))
    slope = random.normal(size=(rows, longest))
    used = np.where(there, speed * np.maximum(0.3 + 0.7 * slope, 0), 0).sum(axis=1)
    y = standardized(np.log1p(used) + random.normal(0, 0.05, rows))[:, None]
    x = np.where(there[:, :, None], np.stack([speed, slope], axis=2), -9.0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((longest, 2)),
            layers.Masking(mask_value=-9.0),
            layers.GRU(24),
            layers.Dense(16, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.005), "mean_squared_error")
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1450], y[1200:1450]),
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1450:, 0], model.predict(x[1450:], verbose=0)[:, 0])


PROGRAMS = [
    the_sensor_that_is_asked_for,
    digits_through_a_wrapper,
    shares_of_four_parties,
    arrows_on_the_road,
    a_step_for_every_four_batches,
    digits_in_eight_bits,
    genuine_signatures,
    the_level_in_four_days,
]
SOUND = [
    fraud_drawn_more_often,
    waves_that_stay_as_drawn,
    a_mean_and_how_sure,
    journeys_of_any_length,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
