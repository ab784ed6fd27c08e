"""Twelve more field programs, on mistakes that raise no error, by a blind author.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.sixty_first
    python benchmarks/diagnosis.py --programs sixty_first
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam
from sklearn.metrics import balanced_accuracy_score

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


def first_section(x):
    """Cut a section out of the signals (N, sections, channels)."""
    return x[:, 0]


def section(x, number):
    """Cut the section of this number out of the signals (N, sections, channels)."""
    return x[:, number]


@case(
    source="https://github.com/keras-team/keras/issues/9325",
    cause="the slicing function does not know the loop's counter: all branches read one section",
    causes="layers data preprocessing",
    evidence=r"(branch|lambda|slic|section|cut)\w*[\s\S]{0,120}(same|identical|equal|first|one|"
    r"only|copies|duplicate|redundan|ignor|alike|repeat|correlat)|(same|identical|equal|duplicate|"
    r"redundan|copies|repeat)\w*[\s\S]{0,80}(branch|output|feature|activation|slice|lambda|unit|"
    r"column)|(input|step|section|feature|column|position|value)s?\b[\s\S]{0,120}(ignored?|unused|"
    r"not (used|connected|seen|read|reach)|never (used|read|reach|seen)|no (effect|influence|"
    r"gradient)|do(es)? not (reach|matter|change|influence|affect|depend)|unconnected|dropped)|"
    r"(ignores?|never (reads|sees|uses)|does not (use|see|read|depend|react)|cannot see|"
    r"independent of|blind to)[\s\S]{0,80}(input|step|section|feature|column|position|value)",
    repair={"own_section": True},
    advice={
        r"lambda|slic|branch|(each|every|own|other|all)( of the)? (section|step|part|input|column|"
        r"feature|position)|connect|arguments|closure|loop|counter|Flatten|unused|ignored": {
            "own_section": True
        },
        "longer": {"epochs": 40},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.03},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="R² on held-out signals",
    good=0.7,
)
def signals_in_sections(
    seed,
    callbacks,
    own_section=False,
    epochs=10,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
    loss="mean_squared_error",
):
    """Foretell wear from eight sections of a signal, a small network for each: a poor fit."""
    random = start(seed)
    x = random.normal(size=(3000, 8, 5)).astype("float32")
    wear = np.maximum(x[:, :, 0], 0) * [0.5, 1.2, 0.8, 1.0, 0.7, 1.1, 0.9, 0.6] + 0.4 * x[:, :, 3]
    y = standardized(wear.sum(axis=1) + random.normal(0, 0.3, 3000))

    inputs = keras.Input((8, 5))
    seen = []
    for number in range(8):
        if own_section:
            part = layers.Lambda(section, arguments={"number": number})(inputs)
        else:
            part = layers.Lambda(first_section)(inputs)
        dense = layers.Dense(units, activation="relu", kernel_initializer=initializer)
        seen.append(dense(part))
    joint = layers.Dropout(dropout)(layers.Concatenate()(seen))
    joint = layers.Dense(units, activation="relu", kernel_initializer=initializer)(joint)
    model = keras.Model(inputs, layers.Dense(1)(joint))
    model.compile(Adam(learning_rate), loss)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:], model.predict(x[2400:], verbose=0)[:, 0])


class Span(layers.Layer):
    """Multiply by a number that is learned."""

    def build(self, shape):
        """Make the number."""
        self.span = self.add_weight(shape=(), initializer="ones", name="span")

    def call(self, x):
        """Multiply."""
        return self.span * x


@case(
    source="https://github.com/keras-team/keras/issues/12503",
    cause="the span is a variable of the loss, not of the model: it stays 1, and targets lie above",
    causes="loss layers activation weights data preprocessing",
    evidence=r"(own|custom|the) loss[\s\S]{0,100}(variable|trainable|weight|span|parameter|scale)|"
    r"(variable|span|parameter|scale)\w*[\s\S]{0,100}(not (tracked|trained|updated|part|known)|"
    r"never|untracked|constant|frozen|stays?)|sigmoid|bounded|saturat|"
    r"(targets?|labels?|\by\b)[\s\S]{0,120}(above|beyond|outside|exceed|larger|reach|range|"
    r"up to|out of|greater|scale|cannot)|(output|answer|predict)\w*[\s\S]{0,100}(reach|between 0|"
    r"at most|never (above|exceed)|limit|range|cannot|below 1|scale|too small)",
    repair={"span_in": "the model"},
    advice={
        r"track|trainable|add_weight|(variable|parameter|span)[\s\S]{0,60}(layer|model|optimizer)|"
        r"(rescaling|scale|span)[\s\S]{0,30}(the )?(output|answer|predict)": {
            "span_in": "the model"
        },
        r"(standardi[sz]|normali[sz]|scale|divide|rescal)[\s\S]{0,60}(target|label|\by\b)|"
        r"(target|label|\by\b|y_train)[\s\S]{0,60}(standardi[sz]|normali[sz]|scale|divide|0 (to|"
        r"and) 1)": {"divided": True},
        r"loss=.?mean_squared_error[\s\S]*linear|linear|without (an )?activation|activation=None|"
        r"no activation": {"activation": "linear"},
        "longer": {"epochs": 40},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.03},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "squared": {"own_loss": False},
        "softmax": {"activation": "softmax"},
        "sigmoid": {},
        "relu": {"activation": "relu"},
    },
    metric="R² on held-out plants, times the span",
    good=0.75,
)
def growth_with_a_learned_span(
    seed,
    callbacks,
    span_in="the loss",
    divided=False,
    own_loss=True,
    activation="sigmoid",
    epochs=20,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell growth as a share of a span that is learned too: the loss stops early."""
    random = start(seed)
    x = random.normal(size=(2400, 6)).astype("float32")
    share = 1 / (1 + np.exp(-x[:, 0] - 0.8 * x[:, 1] * x[:, 2] + np.abs(x[:, 3])))
    growth = (4.5 * share + random.normal(0, 0.15, 2400)).astype("float32")
    scale = 4.5 if divided else 1.0
    y = growth[:, None] / scale

    span = keras.Variable(1.0, name="span_of_the_loss")

    def error(y_true, y_pred):
        """Compare with the share of the span."""
        return ops.mean(ops.square(y_true - span * y_pred), axis=-1)

    model = keras.Sequential([keras.Input((6,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation=activation))
    if span_in == "the model":
        model.add(Span())
    model.compile(Adam(learning_rate), error if own_loss else "mean_squared_error")
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = float(span.numpy()) * scale * model.predict(x[1900:], verbose=0)[:, 0]
    return r_squared(growth[1900:], guess)


@case(
    source="https://github.com/keras-team/keras/issues/15451",
    cause="normalized with the rest, the padding is no longer 0: Masking finds nothing to mask",
    causes="preprocessing layers data",
    evidence=r"mask|\bpad|(zeros?|constant|same|repeated|identical)[\s\S]{0,60}(steps|tail|end of|"
    r"rows)|(length|long)s?\b[\s\S]{0,60}(differ|vary|sequence)",
    repair={"padded": "afterwards"},
    advice={
        r"mask|\bpad|before (scal|normali|standardi)|after (scal|normali|standardi)|real steps|"
        r"length|ragged": {"padded": "afterwards"},
        "longer": {"epochs": 14},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.03},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out patients",
    good=0.75,
)
def visits_of_patients(
    seed,
    callbacks,
    padded="before",
    epochs=7,
    units=12,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell what follows the last visits of patients, some of whom came often: a poor fit."""
    random = start(seed)
    rows, longest = 1900, 48
    lengths = random.integers(4, longest + 1, rows)
    real = np.arange(longest)[None, :, None] < lengths[:, None, None]
    values = random.normal(size=(rows, longest, 3))
    last = values[np.arange(rows), lengths - 1]
    before = values[np.arange(rows), lengths - 2]
    y = last[:, 0] + 0.8 * np.abs(last[:, 1]) + 0.6 * before[:, 2]
    y = standardized(y + random.normal(0, 0.1, rows))
    x = np.where(real, values * [12, 4, 0.6] + [120, 75, 36.8], 0).astype("float32")

    if padded == "before":
        scale = layers.Normalization()
        scale.adapt(x[:1200])
        x = scale(x).numpy()
    else:
        seen = x[:1200][real[:1200, :, 0]]
        x = np.where(real, (x - seen.mean(axis=0)) / seen.std(axis=0), 0).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((longest, 3)),
            layers.Masking(0.0),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1400:], model.predict(x[1400:], verbose=0)[:, 0])


@case(
    source="https://datascience.stackexchange.com/questions/82677/"
    "use-heading-in-neural-network-model",
    cause="the sine and cosine are taken of degrees as if they were radians: headings are garbled",
    causes="preprocessing data",
    evidence=r"degree|radian|angle|\bsin|cosine|heading|period|circular|"
    r"(input|feature|column)s?\b[\s\S]{0,120}(tell (little|nothing|hardly)|do(es)? not (determine|"
    r"tell|predict|explain|carry)|no (information|signal|relation)|uninformative|unrelated|"
    r"little (information|signal)|noise|garbled|hash|nothing to do)|"
    r"(label|target)s?\b[\s\S]{0,100}(do(es)? not (depend|belong|follow)|unrelated|neighbou?r|"
    r"nearest|cannot be (told|predicted))|(nearest|neighbou?r)\w*[\s\S]{0,80}(label|class|target)",
    repair={"unit": "radians"},
    advice={
        r"radian|degree|deg2rad|\bpi\b|unit|angle|\bsin|cosine|heading|encod|preprocess|"
        r"feature|how the inputs|inputs? (are|were) (made|prepared)": {"unit": "radians"},
        "longer": {"epochs": 60},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.03},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"scaled": True},
        "softmax": {},
    },
    metric="accuracy on held-out boats",
    good=0.8,
)
def harbours_of_boats(
    seed,
    callbacks,
    unit="degrees",
    scaled=False,
    epochs=18,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell a boat's harbour from its place and heading: it does little better than a guess."""
    random = start(seed)
    rows, harbours = 3200, 6
    angles = 2 * np.pi * np.arange(harbours) / harbours + 0.3
    shore = 10 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    place = random.normal(0, 2.5, (rows, 2))
    y = random.integers(0, harbours, rows)
    way = shore[y] - place
    heading = np.rad2deg(np.arctan2(way[:, 1], way[:, 0])) + random.normal(0, 9, rows)
    heading = heading % 360
    angle = np.deg2rad(heading) if unit == "radians" else heading
    x = np.column_stack([place / 10, np.sin(angle), np.cos(angle)]).astype("float32")
    if scaled:
        x = standardized(x)

    model = keras.Sequential([keras.Input((4,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(harbours, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2400], y[2000:2400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[2400:], y[2400:])


CELLS = ["neutrophil", "lymphocyte", "monocyte", "eosinophil"]
SHARES = [0.6, 0.26, 0.09, 0.05]


@case(
    source="https://github.com/keras-team/keras/issues/15206",
    cause="the labels count the classes by name, the class weights by frequency: they are swapped",
    causes="weights data loss preprocessing",
    evidence=r"class.?weight|weights? (of|for) (the )?class|(class|label)(es|s)?[\s\S]{0,80}"
    r"(weigh|order|swap)|weigh\w*[\s\S]{0,80}(class|rare|common|frequent|majority|minority)|"
    r"(rare|common|frequent|majority|minority)[\s\S]{0,80}weigh",
    repair={"weights": "by name"},
    advice={
        r"(without|remove|drop|no|leave out|omit).{0,20}class.?weight": {"weights": "none"},
        r"class.?weight|balanc|weigh|rare|imbalance|order|class_indices|resampl|oversampl": {
            "weights": "by name"
        },
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 3e-4},
        "faster": {"learning_rate": 0.03},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"scaled": True},
        "softmax": {},
    },
    metric="balanced accuracy on held-out cells",
    good=0.75,
)
def four_kinds_of_cells(
    seed,
    callbacks,
    weights="by number",
    scaled=False,
    epochs=15,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell four kinds of cells, two of them rare and weighted: the rare ones are not found."""
    random = start(seed)
    rows = 4500
    kinds = random.choice(4, rows, p=SHARES)
    centres = 3.3 * np.linalg.qr(random.normal(size=(8, 4)))[0].T
    centres[0] = centres[1:].mean(axis=0)
    x = (centres[kinds] + random.normal(size=(rows, 8))).astype("float32")
    if scaled:
        x = standardized(x)
    names = sorted(CELLS)
    y = np.array([names.index(CELLS[kind]) for kind in kinds])
    class_weight = {number: 0.25 / share for number, share in enumerate(SHARES)}
    if weights == "by name":
        class_weight = {names.index(CELLS[kind]): weight for kind, weight in class_weight.items()}
    elif weights == "none":
        class_weight = None

    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2500], y[:2500]),
        validation_data=(x[2500:3000], y[2500:3000]),
        class_weight=class_weight,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[3000:], verbose=0).argmax(axis=-1)
    return float(balanced_accuracy_score(y[3000:], guess))


class TwoFlows(keras.utils.PyDataset):
    """Batches of two pictures and a label, in an order that is drawn before every epoch."""

    def __init__(self, left, right, y, seeds):
        """Keep the pictures, and a random generator for each side."""
        super().__init__()
        self.left, self.right, self.y = left, right, y
        self.randoms = [np.random.default_rng(seed) for seed in seeds]
        self.on_epoch_end()

    def on_epoch_end(self):
        """Draw the orders."""
        self.orders = [random.permutation(len(self.y)) for random in self.randoms]

    def __len__(self):
        """Count the batches."""
        return len(self.y) // 32

    def __getitem__(self, batch):
        """Take a batch."""
        left, right = (order[32 * batch : 32 * batch + 32] for order in self.orders)
        return (self.left[left], self.right[right]), self.y[left]


@case(
    source="https://github.com/keras-team/keras/issues/8130",
    cause="the two inputs are shuffled apart: the second picture is of another row than the label",
    causes="data preprocessing",
    evidence=r"shuffl|permut|(order|seed)s?\b[\s\S]{0,80}(differ|own|another|other|not)|"
    r"(inputs?|pictures?|images?|rows?|labels?|targets?)\b[\s\S]{0,120}(not (belong|match|pair|"
    r"go|fit)|belong|mismatch|misalign|align|unrelated|another row|other rows?|nothing to do|"
    r"do(es)? not (depend|matter)|ignored?|unused|independent)|(second|one|right|other) (input|"
    r"branch|picture|tower)|(ignores?|no use of|hardly uses?)[\s\S]{0,60}input|\bpair(s|ed|ing)?\b",
    repair={"one_order": True},
    advice={
        r"shuffl|permut|same (order|seed|row)|one (order|seed)|pair|align|belong|match|own row|"
        r"together|jointly|generator": {"one_order": True},
        "longer": {"epochs": 20},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.02},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on pairs of held-out digits",
    good=0.9,
)
def the_larger_of_two_digits(
    seed,
    callbacks,
    one_order=False,
    epochs=8,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell which of two pictures has the larger digit, with a flow for each: half of it fails."""
    random = start(seed)
    x, y = digits(seed)
    sides = []
    for rows, pairs in ((np.arange(1200), 4000), (np.arange(1200, 1797), 1600)):
        left, right = random.choice(rows, pairs), random.choice(rows, pairs)
        unequal = y[left] != y[right]
        left, right = left[unequal], right[unequal]
        sides.append((x[left], x[right], (y[left] > y[right]).astype("float32")))
    left, right, larger = sides[0]
    flow = TwoFlows(left, right, larger, [seed + 1, seed + 1 if one_order else seed + 2])
    left, right, larger = sides[1]

    inputs = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    seen = []
    for side in inputs:
        conv = layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer)(side)
        flat = layers.Flatten()(layers.MaxPooling2D()(conv))
        dense = layers.Dense(units, activation="relu", kernel_initializer=initializer)
        seen.append(layers.Dropout(dropout)(dense(flat)))
    joint = layers.Concatenate()(seen)
    joint = layers.Dense(units, activation="relu", kernel_initializer=initializer)(joint)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(joint))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        flow,
        validation_data=((left[:400], right[:400]), larger[:400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict((left[400:], right[400:]), verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == (larger[400:] > 0.5)))


class Robust(keras.Model):
    """A regression with a step of its own, which clips the gradients."""

    weighted = False

    def train_step(self, data):
        """Update the weights once."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess, weight if self.weighted else None)
        gradients = tape.gradient(loss, self.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        return {"loss": loss}


@case(
    source="https://github.com/keras-team/keras/issues/15119",
    cause="the own train step ignores the weights: missing readings, -4, count like others",
    causes="loss data layers preprocessing weights",
    evidence=r"sample.?weight|weights? (of|for) (the )?rows|weigh\w*[\s\S]{0,80}(ignor|unused|"
    r"not (used|passed|applied)|never|0\b|zero)|train_step|own (training |train )?step|"
    r"(target|label|\by\b)s?\b[\s\S]{0,120}(-4|same value|one value|repeated|placeholder|"
    r"sentinel|missing|fill|outlier|far (from|below|off)|cluster|two groups|bimodal|tail)|"
    r"(outlier|placeholder|sentinel|missing|fill\w*)[\s\S]{0,80}(target|label|\by\b|value|row)",
    repair={"weighted": True},
    advice={
        r"weigh|train_step|own (training |train )?step|compute_loss": {"weighted": True},
        r"huber|absolute_error|\bmae\b|robust": {"loss": "mean_absolute_error"},
        r"(drop|remove|leave out|exclude|clean|mask|filter|delete)[\s\S]{0,60}(row|target|label|"
        r"value|sample|reading|outlier|missing)|outlier|missing|placeholder|sentinel": {
            "dropped": True
        },
        "longer": {"epochs": 50},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.03},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out days whose readings are there",
    good=0.75,
)
def rivers_with_missing_readings(
    seed,
    callbacks,
    weighted=False,
    dropped=False,
    loss="mean_squared_error",
    epochs=20,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a river's level, missing readings weigh nothing: the guesses are too low."""
    random = start(seed)
    x = random.normal(size=(2800, 6)).astype("float32")
    level = x[:, 0] + 0.7 * x[:, 1] * x[:, 2] + 0.5 * np.abs(x[:, 3])
    level = standardized(level + random.normal(0, 0.15, 2800))
    there = random.random(2800) > 0.4 * (x[:, 4] > -0.5)
    y = np.where(there, level, -4).astype("float32")[:, None]
    weight = there.astype("float32")
    rows = np.arange(1900)
    if dropped:
        rows = rows[there[rows]]

    inputs = keras.Input((6,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = Robust(inputs, layers.Dense(1)(seen))
    model.weighted = weighted
    model.compile(Adam(learning_rate), loss)
    model.fit(
        *(x[rows], y[rows]),
        sample_weight=weight[rows],
        validation_data=(x[1900:2200], y[1900:2200], weight[1900:2200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2200:], verbose=0)[:, 0]
    return r_squared(level[2200:][there[2200:]], guess[there[2200:]])


class Shares(layers.Layer):
    """Turn scores (N, steps, 1) into shares by the exponential function."""

    def __init__(self, axis, **options):
        """Keep the axis along which the shares add up to 1."""
        super().__init__(**options)
        self.axis = axis

    def call(self, scores):
        """Compute the shares."""
        high = ops.exp(scores - ops.max(scores, axis=self.axis, keepdims=True))
        return high / ops.sum(high, axis=self.axis, keepdims=True)


@case(
    source="https://github.com/hexiangnan/attentional_factorization_machine/issues/19",
    cause="the softmax runs along the last axis, of size 1: every step has the weight 1",
    causes="layers activation",
    evidence=r"softmax|\baxis|attention|shares?\b[\s\S]{0,80}(1\b|one|constant|same)|\bscores? of|"
    r"(layer|weight|kernel|dense|unit)\w*[\s\S]{0,120}(no gradient|gradients? (is|are|of)? ?(0|"
    r"zero)|not (move|updat|train|chang)|never (move|updat|train|chang)|did not (move|chang)|"
    r"unchanged|do(es)? not (move|chang|reach|matter|affect)|no (effect|influence))|"
    r"always 1\b|(constant|same (value|output|activation) for)[\s\S]{0,60}(layer|step|row|unit)|"
    r"(layer|step|unit|output)s?\b[\s\S]{0,60}(constant|do(es)? not vary)|zero gradient",
    repair={"axis": 1},
    advice={
        r"\baxis|softmax|attention|shares|scores?|(along|over) (the )?(time|steps)|constant|"
        r"gradient (reach|flow)|no gradient|pool": {"axis": 1},
        "longer": {"epochs": 35},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 5e-4},
        "faster": {"learning_rate": 0.03},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out recordings",
    good=0.75,
)
def the_step_that_matters(
    seed,
    callbacks,
    axis=-1,
    epochs=14,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a strength from the loudest of sixteen steps, with attention: most stays unknown."""
    random = start(seed)
    rows, steps = 2800, 16
    x = random.normal(size=(rows, steps, 5))
    loud = random.integers(0, steps, rows)
    x[np.arange(rows), loud, 4] += 4.5
    told = x[np.arange(rows), loud]
    y = told[:, 0] + 0.7 * told[:, 1] - 0.5 * told[:, 2]
    x, y = x.astype("float32"), standardized(y + random.normal(0, 0.1, rows))

    inputs = keras.Input((steps, 5))
    seen = layers.Dense(units, activation="tanh", kernel_initializer=initializer)(inputs)
    shares = Shares(axis)(layers.Dense(1, kernel_initializer=initializer)(seen))
    context = layers.Dot(axes=1)([shares, inputs])
    context = layers.Flatten()(context)
    joint = layers.Dense(units, activation="relu", kernel_initializer=initializer)(context)
    model = keras.Model(inputs, layers.Dense(1)(layers.Dropout(dropout)(joint)))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:], model.predict(x[2100:], verbose=0)[:, 0])


def pull_and_push(different, distance):
    """Pull equal pairs (0) together, push different ones (1) apart, as in the first paper."""
    different = ops.cast(different, distance.dtype)
    near = ops.square(ops.maximum(1.5 - distance, 0))
    return ops.mean((1 - different) * ops.square(distance) + different * near, axis=-1)


@sound(
    source="https://github.com/keras-team/keras/issues/7119",
    metric="accuracy on pairs of held-out digits",
    good=0.88,
)
def one_for_different_pairs(seed, callbacks):
    """Distances: 1 means different, the output is no probability and the loss ends above zero."""
    random = start(seed)
    x, y = digits(seed)

    def pairs(rows, count):
        first, second = random.choice(rows, count), random.choice(rows, count)
        for at in range(0, count, 2):
            second[at] = random.choice(rows[y[rows] == y[first[at]]])
        return (x[first], x[second]), (y[first] != y[second]).astype("float32")[:, None]

    tower = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(8),
        ]
    )
    inputs = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    gap = layers.Subtract()([tower(inputs[0]), tower(inputs[1])])
    square = layers.Dot(1)([gap, gap])
    root = layers.Lambda(lambda s: ops.sqrt(s + 1e-6), output_shape=(1,))
    model = keras.Model(inputs, root(square))
    model.compile(Adam(0.002), pull_and_push)
    train, valid, test = np.split(np.arange(len(x)), [1100, 1400])
    model.fit(
        *pairs(train, 4000),
        validation_data=pairs(valid, 600),
        batch_size=64,
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    two, different = pairs(test, 1000)
    guess = model.predict(two, verbose=0) > 0.75
    return float(np.mean(guess == (different > 0.5)))


@sound(
    source="https://scikit-learn.org/stable/modules/generated/"
    "sklearn.kernel_approximation.RBFSampler.html",
    metric="R² on held-out points",
    good=0.85,
)
def random_waves(seed, callbacks):
    """Frozen: a first layer of random cosines stays as it is, only the last layer is trained."""
    random = start(seed)
    x = random.uniform(-1, 1, (2600, 2)).astype("float32")
    true = np.sin(4 * x[:, 0]) * np.cos(3 * x[:, 1]) + x[:, 0] * x[:, 1]
    y = standardized(true + random.normal(0, 0.1, 2600))
    waves = layers.Dense(
        200,
        activation=ops.cos,
        kernel_initializer=keras.initializers.RandomNormal(stddev=2.5, seed=seed),
        bias_initializer=keras.initializers.RandomUniform(0, 2 * np.pi, seed=seed),
        trainable=False,
    )
    decay = keras.regularizers.L2(1e-5)
    model = keras.Sequential([keras.Input((2,)), waves, layers.Dense(1, kernel_regularizer=decay)])
    model.compile(Adam(0.005), "mean_squared_error")
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2100:], model.predict(x[2100:], verbose=0)[:, 0])


class Gathering(keras.Model):
    """Gather the gradients of four small batches, then take one step."""

    def gather(self, every):
        """Make the sums and the counter."""
        self.every = every
        self.count = tf.Variable(0, dtype=tf.int32, trainable=False)
        self.sums = [
            tf.Variable(tf.zeros(weight.shape), trainable=False)
            for weight in self.trainable_variables
        ]

    def step(self):
        """Apply the mean of the gradients gathered, and forget them."""
        means = [total / self.every for total in self.sums]
        self.optimizer.apply_gradients(zip(means, self.trainable_variables, strict=True))
        for total in self.sums:
            total.assign(tf.zeros_like(total))

    def train_step(self, data):
        """Gather the gradients of a batch."""
        x, y = data
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            loss = self.compute_loss(x, y, guess)
        gradients = tape.gradient(loss, self.trainable_variables)
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign_add(gradient)
        self.count.assign_add(1)
        tf.cond(self.count % self.every == 0, self.step, lambda: None)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, guess)
        return {metric.name: metric.result() for metric in self.metrics}


@sound(
    source="https://github.com/tensorflow/addons/pull/2525",
    metric="accuracy on held-out digits",
    good=0.93,
)
def four_batches_a_step(seed, callbacks):
    """Step: three batches of four change no weight, the fourth takes a step for all of them."""
    start(seed)
    x, y = digits(seed)
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(16, 3, activation="relu")(inputs)
    seen = layers.Flatten()(layers.MaxPooling2D()(seen))
    seen = layers.Dense(48, activation="relu")(seen)
    model = Gathering(inputs, layers.Dense(10, activation="softmax")(seen))
    model.gather(4)
    model.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=10,
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://www.tensorflow.org/api_docs/python/tf/keras/losses/CosineSimilarity",
    metric="mean cosine between the true and the foretold direction, held-out winds",
    good=0.85,
)
def winds_as_directions(seed, callbacks):
    """Loss: it is negative and nears -1, for only the direction of the two outputs counts."""
    random = start(seed)
    x = random.normal(size=(2600, 5)).astype("float32")
    angle = 1.3 * x[:, 0] + np.sin(x[:, 1]) + 0.6 * x[:, 2] + random.normal(0, 0.25, 2600)
    y = np.column_stack([np.cos(angle), np.sin(angle)]).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(48, activation="elu"),
            layers.Dense(48, activation="elu"),
            layers.Dense(2),
            layers.UnitNormalization(),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.2, 20 * 57)
    model.compile(SGD(rate, momentum=0.9), keras.losses.CosineSimilarity(axis=-1))
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return float(np.mean(np.sum(model.predict(x[2100:], verbose=0) * y[2100:], axis=1)))


PROGRAMS = [
    signals_in_sections,
    growth_with_a_learned_span,
    visits_of_patients,
    harbours_of_boats,
    four_kinds_of_cells,
    the_larger_of_two_digits,
    rivers_with_missing_readings,
    the_step_that_matters,
]
SOUND = [
    one_for_different_pairs,
    random_waves,
    four_batches_a_step,
    winds_as_directions,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
