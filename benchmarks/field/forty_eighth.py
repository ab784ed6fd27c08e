"""Twelve more field programs, of what people ask most, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_eighth
    python benchmarks/diagnosis.py --programs forty_eighth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, Lion, RMSprop
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


@case(
    source="https://stats.stackexchange.com/questions/481881/"
    "convolutional-neural-network-fails-even-when-given-answer",
    cause="a softmax over one unit is always 1; sigmoid and binary cross-entropy repair it",
    causes="activation loss layers units",
    evidence=r"softmax|categorical|one (unit|output|class|column|neuron)|single (unit|output|"
    r"class|column|neuron)|always (1|one)\b|(loss|gradient)s?[\s\S]{0,60}(\b0\b|zero|vanish|"
    r"constant)|output[\s\S]{0,60}(constant|same|\b1\b|equal)|Dense\(1",
    repair={"activation": "sigmoid", "loss": "binary_crossentropy"},
    advice={
        r"(two|2) (units|outputs|neurons)|Dense\(2|one unit (per|for each)|sparse_categorical": {
            "outputs": 2
        },
        r"sigmoid|from_logits": {"activation": "sigmoid", "loss": "binary_crossentropy"},
        "binary": {"loss": "binary_crossentropy"},
        "longer": {"epochs": 20},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="balanced accuracy on held-out boards",
    good=0.9,
)
def told_the_answer(
    seed,
    callbacks,
    activation="softmax",
    loss="categorical_crossentropy",
    outputs=1,
    epochs=6,
    units=12,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Say yes or no to a board whose second plane holds the answer: it says yes to every board."""
    random = start(seed)
    y = (random.random(900) < 0.55).astype("float32")
    x = random.normal(0, 1, (900, 14, 10, 2)).astype("float32")
    x[..., 1] = y[:, None, None] * (random.random((900, 14, 10)) < 0.8)

    if outputs == 2:
        activation, loss = "softmax", "sparse_categorical_crossentropy"
    model = keras.Sequential(
        [
            keras.Input((14, 10, 2)),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(2 * units, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(outputs, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:600], y[:600, None]),
        validation_data=(x[600:700], y[600:700, None]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[700:], verbose=0)
    guess = guess.argmax(axis=1) if outputs == 2 else guess[:, 0] > 0.5
    return float(balanced_accuracy_score(y[700:], guess))


@case(
    source="https://example-a.com/answer/78029738",
    cause="the network learned light strokes on black; the drawn digits are black on white",
    causes="data preprocessing",
    evidence=r"invert|negativ|dark|light|bright|black|white|contrast|background|"
    r"(validation|held-out|drawn|test)[\s\S]{0,140}(distribut|range|mean|scale|differ|other|"
    r"prepared|same (way|preprocessing)|not (like|drawn)|shift|source)|"
    r"(differ|distribut|shift|mean|range|mismatch|scale)\w*[\s\S]{0,100}(validation|held-out|test)",
    repair={"inverted": True},
    advice={
        r"invert|255 ?-|1 ?-|negativ|(same|one|identical) (way|preprocessing|distribution|"
        r"scal|range|pipeline|source|statistics)|distribut|prepare|alike|preprocess|both": {
            "inverted": True
        },
        r"augment\w*.{0,40}(contrast|colou?r|invert|bright)|RandomInvert": {"both_ways": True},
        "longer": {"epochs": 30},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {"scaled": True},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on drawn digits",
    good=0.85,
)
def digits_from_paint(
    seed,
    callbacks,
    inverted=False,
    both_ways=False,
    scaled=False,
    epochs=12,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits that I drew myself: nearly all of the data set are right, of mine hardly any."""
    random = start(seed)
    x, y = digits(seed)
    drawn = 1 - np.clip(1.15 * x[1100:] + random.normal(0, 0.03, x[1100:].shape), 0, 1)
    if inverted:
        drawn = 1 - drawn
    x, y_drawn, y = x[:1100], y[1100:], y[:1100]
    if both_ways:
        x, y = np.concatenate([x, 1 - x]), np.concatenate([y, y])
    drawn = drawn.astype("float32")
    if scaled:  # with what the training images tell
        mean, deviation = x.mean(), x.std()
        x, drawn = (x - mean) / deviation, (drawn - mean) / deviation

    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x, y),
        validation_data=(drawn[:200], y_drawn[:200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, drawn[200:], y_drawn[200:])


@case(
    source="https://github.com/tensorflow/tensorflow/issues/47755",
    cause="the random shifts come before `cache`: every epoch shows the very same moved images",
    causes="data preprocessing regularization",
    evidence=r"cach|augment|shift|same (images|rows|batches|examples)|overfit|memori|by heart|"
    r"few (images|rows|examples|data)|generali[sz]|(validation|held-out)[\s\S]{0,120}(rise|rose|"
    r"worse|higher|above|far|gap|lower|below|behind|grow)|(training|learned)[\s\S]{0,80}(perfect|"
    r"nearly all|far better|gap)",
    repair={"cached": "before"},
    advice={
        r"cache|fresh|on the fly|anew|(every|each) epoch|RandomTranslation|"
        r"augment\w* (after|again|the)": {"cached": "before"},
        r"more (data|images|rows|examples)|larger (data|training)": {"rows": 1000},
        r"GlobalMaxPooling|GlobalAveragePooling|convolution": {"pooled": True},
        r"fewer units|smaller (network|model)|less capacity": {"units": 8},
        r"EarlyStopping|stop": {"epochs": 10},
        r"weight.?decay|\bL2\b|kernel_regularizer": {"decay": 0.002},
        "regularized": {"dropout": 0.5},
        "longer": {"epochs": 80},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out images",
    good=0.6,
)
def moved_only_once(
    seed,
    callbacks,
    cached="after",
    rows=220,
    pooled=False,
    decay=0.0,
    epochs=40,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits that lie anywhere, from few and moved images: perfect in training only."""
    start(seed)
    x, y = digits(seed)

    places = tf.random.Generator.from_seed(seed)

    def move(image, label):
        at = places.uniform((2,), 0, 8, tf.int32)
        return tf.image.pad_to_bounding_box(image, at[0], at[1], 15, 15), label

    few = tf.data.Dataset.from_tensor_slices((x[:rows], y[:rows]))
    few = few.map(move).cache() if cached == "after" else few.cache().map(move)
    held_out = tf.data.Dataset.from_tensor_slices((x[1000:], y[1000:])).map(move)
    x_out, y_out = (np.stack(part) for part in zip(*held_out.as_numpy_iterator(), strict=True))

    penalty = {"kernel_regularizer": keras.regularizers.L2(decay)} if decay else {}
    penalty["kernel_initializer"] = initializer
    model = keras.Sequential(
        [
            keras.Input((15, 15, 1)),
            layers.Conv2D(16, 3, activation="relu", **penalty),
            layers.MaxPooling2D(),
            layers.Conv2D(units, 3, activation="relu", **penalty),
            layers.GlobalMaxPooling2D() if pooled else layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(64, activation="relu", **penalty),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        few.shuffle(rows, seed=seed).batch(32).prefetch(2),
        validation_data=(x_out[:250], y_out[:250]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_out[250:], y_out[250:])


class OwnLoss(keras.Model):
    """A classifier that takes its steps itself."""

    def __init__(self, inputs, outputs, from_logits):
        super().__init__(inputs, outputs)
        self.from_logits = from_logits
        self.seen = keras.metrics.Mean(name="loss")
        self.right = keras.metrics.CategoricalAccuracy(name="accuracy")

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return [self.seen, self.right]

    def told(self, y, answer):
        """Return the loss of a batch."""
        if self.from_logits:
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, answer))
        return tf.reduce_mean(keras.losses.categorical_crossentropy(y, answer))

    def note(self, y, answer, loss):
        """Tell how it goes."""
        self.seen.update_state(loss)
        self.right.update_state(y, answer)
        return {metric.name: metric.result() for metric in self.metrics}

    def train_step(self, data):
        """Take one step."""
        x, y = data
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = self.told(y, answer)
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self.note(y, answer, loss)

    def test_step(self, data):
        """Look at one batch."""
        x, y = data
        answer = self(x, training=False)
        return self.note(y, answer, self.told(y, answer))


@case(
    source="https://github.com/keras-team/keras/issues/16906",
    cause="the own step's loss takes softmax outputs for logits: a second softmax flattens it",
    causes="loss activation",
    evidence=r"logit|softmax|(twice|second|two|double)|probabilit|"
    r"(own|custom|hand\w*)[\s\S]{0,40}(train_step|step|loss)|"
    r"loss[\s\S]{0,80}(cannot|never|floor|above|1\.4|flat|plateau|bounded)|"
    r"gradient[\s\S]{0,60}(small|tiny|vanish|weak|flat)",
    repair={"from_logits": False},
    advice={
        r"from_logits ?= ?False|without from_logits|compute_loss|(built-in|compiled|compile)"
        r"[\s\S]{0,20}loss|remove.{0,30}train_step": {"from_logits": False},
        r"activation ?= ?.?linear|activation ?= ?None|(no|without|drop|remove).{0,20}softmax|"
        r"raw|logits": {"activation": None},
        r"Adam": {"optimizer": "adam"},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.01},
        "faster": {"learning_rate": 0.3},
        "slower": {"learning_rate": 0.003},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.85,
)
def steps_of_my_own(
    seed,
    callbacks,
    from_logits=True,
    activation="softmax",
    optimizer="sgd",
    epochs=12,
    units=32,
    learning_rate=0.03,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Train a small VGG by steps of my own: far behind what `compile` and `fit` had reached."""
    start(seed)
    x, y = digits(seed)
    targets = one_hot(y, 10)
    inputs = keras.Input((8, 8, 1))
    seen = inputs
    for width in (units // 2, units):
        for _ in range(2):
            seen = layers.Conv2D(
                width, 3, padding="same", activation="relu", kernel_initializer=initializer
            )(seen)
        seen = layers.MaxPooling2D()(seen)
    seen = layers.Dropout(dropout)(layers.Flatten()(seen))
    seen = layers.Dense(64, activation="relu", kernel_initializer=initializer)(seen)
    model = OwnLoss(inputs, layers.Dense(10, activation=activation)(seen), from_logits)
    known = {"sgd": SGD(learning_rate, momentum=0.5), "adam": Adam(0.001)}
    model.compile(known[optimizer])
    model.fit(
        *(x[:1100], targets[:1100]),
        validation_data=(x[1100:1300], targets[1100:1300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], y[1300:])


@case(
    source="https://github.com/keras-team/keras/issues/274",
    cause="an Embedding takes measurements of 0 to 1 for word numbers: nearly all are word 0",
    causes="layers preprocessing data",
    evidence=r"embedding|integer|truncat|\bcast|whole number|word|token|rounded|"
    r"(index|indices|ids)\b|categor",
    repair={"embedding": False},
    advice={
        r"(without|remove|drop|leave out|no|instead of|replace).{0,30}embedding|"
        r"(directly|Dense layer).{0,40}(instead|on the)|Reshape|expand_dims|\(13, ?1\)|"
        r"\(1, ?13\)": {"embedding": False},
        r"discreti[sz]|\bbin(s|ned|ning)?\b|buckets?|integer|quanti[sz]": {"bins": 10},
        r"embedding": {"embedding": False},
        "longer": {"epochs": 90},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out wines",
    good=0.8,
)
def wines_by_an_lstm(
    seed,
    callbacks,
    embedding=True,
    bins=None,
    epochs=30,
    units=32,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell three wines by thirteen measurements: an LSTM answers with one wine for all."""
    random = start(seed)
    x, y = datasets.load_wine(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = x[rows], y[rows]
    low, high = x[:110].min(axis=0), x[:110].max(axis=0)
    x = np.clip((x - low) / (high - low), 0, 1).astype("float32")
    if bins is not None:
        x = np.minimum(np.floor(x * bins), bins - 1)

    inputs = keras.Input((13,))
    if embedding:
        seen = layers.Embedding(bins or 13, units)(inputs)
    else:
        seen = layers.Reshape((1, 13))(inputs)
    seen = layers.LSTM(units, kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(seen))
    model.compile(RMSprop(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    targets = one_hot(y, 3)
    model.fit(
        *(x[:110], targets[:110]),
        validation_data=(x[110:130], targets[110:130]),
        batch_size=10,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[130:], y[130:])


@case(
    source="https://github.com/keras-team/keras/issues/5237",
    cause="all rows are one batch, so ten epochs are ten updates; many more of them repair it",
    causes="epochs batch_size learning_rate optimizer",
    evidence=r"\b(10|ten) (update|step|epoch|batch)|(few|only|too little|one|single)[\s\S]{0,30}"
    r"(update|step|epoch|batch)|(update|step)s?[\s\S]{0,60}(few|only|small|little|short|\b10\b)|"
    r"still (falling|improving|learning|decreas)|not (yet )?(finished|converged)|stopped (too )?"
    r"early|undertrain|hardly (moved|changed|trained)|"
    r"(weights|kernels?)[\s\S]{0,60}(hardly|barely|little|start|initial)",
    repair={"epochs": 20, "batch_size": 2},
    advice={
        r"batch_size|smaller batch|batches of": {"batch_size": 1},
        r"class_weight|sample_weight|balanc|weigh": {"weighted": True},
        "longer": {"epochs": 150},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "scaled": {},
    },
    metric="balanced accuracy over the steps of later switches",
    good=0.85,
)
def up_and_down(
    seed,
    callbacks,
    epochs=10,
    batch_size=32,
    weighted=False,
    units=24,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Mark where a switch goes up or down: three layers of LSTM say that it never does."""
    random = start(seed)
    flips = random.random((60, 12)) < 0.3
    x = (np.cumsum(flips, axis=1) % 2).astype("float32")
    before = np.pad(x, ((0, 0), (1, 0)))[:, :-1]
    y = np.where(x > before, 1, np.where(x < before, 2, 0))
    weights = np.where(y > 0, 2.0, 0.6).astype("float32")[:24] if weighted else None

    model = keras.Sequential([keras.Input((12, 1))])
    for _ in range(3):
        model.add(layers.LSTM(units, return_sequences=True, kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.TimeDistributed(layers.Dense(3, activation="softmax")))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    targets = one_hot(y, 3)
    model.fit(
        *(x[:24, :, None], targets[:24]),
        sample_weight=weights,
        validation_data=(x[24:32, :, None], targets[24:32]),
        batch_size=batch_size,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[32:, :, None], verbose=0).argmax(axis=-1)
    return float(balanced_accuracy_score(y[32:].ravel(), guess.ravel()))


@case(
    source="https://github.com/BoyuanJiang/Age-Gender-Estimate-TF/issues/35",
    cause="of gender loss, age loss and L2 the loss of the age is far the smallest: it is ignored",
    causes="loss regularization layers preprocessing data",
    evidence=r"\bage\b|penalt|regulari[sz]|\bL2\b|decay|loss_weights|(loss|output|head|task|term)"
    r"(es|s)?[\s\S]{0,100}(weight|small|outweigh|dominat|scale|magnitude|share|larger|tiny|"
    r"ignor|neglect|balance)|(scale|magnitude|size|share)[\s\S]{0,60}(loss|target|output)",
    repair={"age_weight": 100.0},
    advice={
        r"loss_weights|weigh\w* (of|for|on)? ?(the )?(age|loss|output)|more weight": {
            "age_weight": 100.0
        },
        r"(smaller|less|lower|weaker|without|remove|reduce|drop|loosen).{0,40}(penalt|regulari|"
        r"\bL2\b|decay)|(penalt|regulari|\bL2\b|decay)\w*.{0,40}(smaller|less|lower|weaker|"
        r"too strong|divide)": {"decay": 1e-5},
        r"(scale|standardi[sz]e|normali[sz]e|rescale|divide).{0,60}(target|age|output|label)|"
        r"(target|age|label)s?.{0,60}(scale|standardi|normali|deviation)": {"in_deviations": True},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "binary": {},
        "sigmoid": {},
    },
    metric="R² of the age on held-out faces",
    good=0.75,
)
def gender_and_age(
    seed,
    callbacks,
    age_weight=1.0,
    decay=0.03,
    in_deviations=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell gender and age, in centuries, from landmarks: the gender is right, the age is not."""
    random = start(seed)
    x = random.normal(size=(2600, 16)).astype("float32")
    gender = (x[:, 0] + 0.8 * x[:, 1] + random.normal(0, 0.3, 2600) > 0).astype("float32")
    years = 0.6 * x[:, 2] + 0.7 * np.abs(x[:, 3]) - 0.5 * x[:, 4] + 0.3 * x[:, 0]
    years = 38 + 11 * standardized(years) + random.normal(0, 2, 2600)
    age = (standardized(years) if in_deviations else years / 100).astype("float32")

    settings = {"kernel_initializer": initializer}
    settings["kernel_regularizer"] = keras.regularizers.L2(decay)
    inputs = keras.Input((16,), name="landmarks")
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", **settings)(seen)
        seen = layers.Dropout(dropout)(seen)
    outputs = {
        "gender": layers.Dense(1, activation="sigmoid", name="gender", **settings)(seen),
        "age": layers.Dense(1, name="age", **settings)(seen),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        Adam(learning_rate),
        loss={"gender": "binary_crossentropy", "age": "mean_squared_error"},
        loss_weights={"gender": 1.0, "age": age_weight},
        metrics={"gender": ["accuracy"], "age": ["mean_absolute_error"]},
    )

    def told(rows):
        return x[rows], {"gender": gender[rows, None], "age": age[rows, None]}

    model.fit(
        *told(slice(0, 1600)),
        validation_data=told(slice(1600, 2000)),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(age[2000:], model.predict(x[2000:], verbose=0)["age"][:, 0])


def root_mean_square(added):
    """Root of each row's mean squared error, plus something under the root."""

    def loss(y_true, y_pred):
        return ops.sqrt(ops.mean(ops.square(y_pred - y_true), axis=-1) + added)

    return loss


@case(
    source="https://github.com/keras-team/keras/issues/6644",
    cause="the own root has no finite slope at 0, and rows of closed gauges are 0 exactly: NaN",
    causes="loss data",
    evidence=r"sqrt|\broot|own loss|custom loss|loss function|rmse|epsilon|"
    r"(exactly|equal|error|difference|gradient|slope|derivative)[\s\S]{0,60}(\b0\b|zero|infinit|"
    r"\binf\b|undefined|not finite)|nan[\s\S]{0,100}(loss|gradient)|(loss|gradient)s?"
    r"[\s\S]{0,60}(nan|not finite|infinit)",
    repair={"added": 1e-6},
    advice={
        r"epsilon|1e-\d+|small (number|constant|value)|maximum\(|inside the root|under the root|"
        r"sqrt|finite": {"added": 1e-6},
        r"mean_squared_error|\bmse\b|squared error|known loss|built-in|RootMeanSquared": {
            "known_loss": "mean_squared_error"
        },
        r"mean_absolute_error|\bmae\b|huber": {"known_loss": "huber"},
        r"own loss|custom loss|loss function": {"added": 1e-6},
        r"clip": {"clipnorm": 1.0},
        r"(drop|remove|leave out|without|filter|only).{0,30}(rows|closed|days|gauge)": {
            "closed": 0.0
        },
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "relu": {},
    },
    metric="R² on later days of open gauges, minus one for NaN",
    good=0.7,
)
def rain_of_tomorrow(
    seed,
    callbacks,
    added=0.0,
    known_loss=None,
    closed=0.1,
    clipnorm=None,
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the rain from two stations, and 0 for a closed gauge: the loss soon is NaN."""
    random = start(seed)
    days = 3000
    air = np.zeros((days, 4))
    for day in range(1, days):
        air[day] = 0.6 * air[day - 1] + 0.8 * random.normal(size=4)
    wet = air[2:-1, 0] + 0.7 * air[1:-2, 1] - 0.6 * air[2:-1, 2] * (air[2:-1, 3] > 0)
    opened = (random.random(len(wet)) >= closed).astype("float32")
    rain = np.maximum(1.3 * wet + random.normal(0, 0.15, len(wet)), 0)
    y = (rain * opened).astype("float32")
    windows = np.stack([air[:-3], air[1:-2], air[2:-1]], axis=1).astype("float32")
    stations = [windows[:, :, :2], windows[:, :, 2:], opened[:, None]]

    inputs = [keras.Input((3, 2), name="coast"), keras.Input((3, 2), name="hills")]
    gauge = keras.Input((1,), name="gauge")
    seen = [layers.GRU(units // 2, kernel_initializer=initializer)(station) for station in inputs]
    seen = layers.Dropout(dropout)(layers.Concatenate()(seen))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    amount = layers.Multiply()([layers.Dense(1)(seen), gauge])
    model = keras.Model([*inputs, gauge], amount)
    model.compile(Adam(learning_rate, clipnorm=clipnorm), known_loss or root_mean_square(added))

    def told(rows):
        return [station[rows] for station in stations], y[rows, None]

    model.fit(
        *told(slice(0, 2000)),
        validation_data=told(slice(2000, 2300)),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(told(slice(2300, None))[0], verbose=0)[:, 0]
    counted = opened[2300:] > 0
    return max(r_squared(y[2300:][counted], guess[counted]), -1.0)


def surprise(y_true, y_pred):
    """Negative log-likelihood of a normal distribution, given by its mean and log deviation."""
    middle, log_spread = y_pred[:, :1], y_pred[:, 1:]
    return ops.mean(log_spread + 0.5 * ops.square((y_true - middle) / ops.exp(log_spread)), axis=-1)


@sound(
    source="https://pytorch.org/docs/stable/generated/torch.nn.GaussianNLLLoss.html",
    metric="R² of the true deviation on held-out lengths",
    good=0.8,
)
def a_loss_below_zero(seed, callbacks):
    """Loss below zero: the density of small and certain errors is above 1."""
    random = start(seed)
    x = random.uniform(-1, 1, (8000, 2)).astype("float32")
    spread = 0.03 + 0.12 * np.abs(x[:, 1])
    y = 0.5 * np.sin(2 * x[:, 0]) + spread * random.normal(size=8000)
    y = y.astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(48, activation="tanh"),
            layers.Dense(48, activation="tanh"),
            layers.Dense(2),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.004, 25 * 94)
    model.compile(Adam(rate, clipnorm=1.0), surprise)
    model.fit(
        *(x[:6000], y[:6000]),
        validation_data=(x[6000:7000], y[6000:7000]),
        batch_size=64,
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(spread[7000:], np.exp(model.predict(x[7000:], verbose=0)[:, 1]))


@sound(
    source="https://keras.io/api/optimizers/lion/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def noisy_in_training_only(seed, callbacks):
    """Better in validation: noise and dropout in training, and Lion at a small rate."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.GaussianNoise(0.3),
            layers.Conv2D(24, 3, padding="same", activation="swish"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="swish"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(Lion(0.0005, weight_decay=0.01), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://keras.io/api/losses/probabilistic_losses/#binaryfocalcrossentropy-class",
    metric="area under the ROC curve on held-out payments",
    good=0.9,
)
def one_fraud_in_twenty(seed, callbacks):
    """Rare class: focal loss, two inputs, an embedding of the shops, and ranks that are asked."""
    random = start(seed)
    shops, rows = 30, 8000
    risk = random.normal(0, 1.2, shops)
    shop = random.integers(0, shops, rows)
    x = random.normal(size=(rows, 6)).astype("float32")
    score = risk[shop] + 1.3 * x[:, 0] - 1.1 * x[:, 1] * (x[:, 2] > 0) + random.normal(0, 0.5, rows)
    y = (score > np.quantile(score, 0.95)).astype("float32")[:, None]
    inputs = [keras.Input((1,), dtype="int32"), keras.Input((6,))]
    known = layers.Flatten()(layers.Embedding(shops, 4)(inputs[0]))
    seen = layers.Concatenate()([known, inputs[1]])
    seen = layers.Dense(32, activation="relu")(seen)
    seen = layers.Dense(16, activation="relu")(seen)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(seen))
    loss = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.8, gamma=2.0)
    model.compile(Adam(0.003), loss, metrics=[keras.metrics.AUC(name="auc")])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *([shop[:5000, None], x[:5000]], y[:5000]),
        validation_data=([shop[5000:6200, None], x[5000:6200]], y[5000:6200]),
        batch_size=64,
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict([shop[6200:, None], x[6200:]], verbose=0)
    return float(roc_auc_score(y[6200:, 0], guess[:, 0]))


@sound(
    source="https://keras.io/api/layers/recurrent_layers/gru/",
    metric="R² of what can be known of the next value, on later hours",
    good=0.75,
)
def mostly_noise(seed, callbacks):
    """Noise: two thirds of the next value cannot be foreseen, and the losses stay high."""
    random = start(seed)
    hours, length = 4200, 12
    series, known = np.zeros(hours), np.zeros(hours)
    for hour in range(3, hours):
        known[hour] = 0.45 * series[hour - 1] - 0.4 * series[hour - 3]
        series[hour] = known[hour] + random.normal()
    scale = series[:3000].std()
    values, known = (series / scale).astype("float32"), known / scale
    windows = np.lib.stride_tricks.sliding_window_view(values[:-1], length)[:, :, None]
    y, known = values[length:, None], known[length:]
    model = keras.Sequential([keras.Input((length, 1)), layers.GRU(16), layers.Dense(1)])
    model.compile(Adam(0.004), "mean_squared_error", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(windows[:2800], y[:2800]),
        validation_data=(windows[2800:3300], y[2800:3300]),
        batch_size=64,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(known[3300:], model.predict(windows[3300:], verbose=0)[:, 0])


PROGRAMS = [
    told_the_answer,
    digits_from_paint,
    moved_only_once,
    steps_of_my_own,
    wines_by_an_lstm,
    up_and_down,
    gender_and_age,
    rain_of_tomorrow,
]
SOUND = [
    a_loss_below_zero,
    noisy_in_training_only,
    one_fraud_in_twenty,
    mostly_noise,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
