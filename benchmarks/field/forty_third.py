"""Twelve more field programs, of kinds seldom seen, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last four are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.forty_third
    python benchmarks/diagnosis.py --programs forty_third
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import LambdaCallback, ModelCheckpoint, SwapEMAWeights
from keras.optimizers import SGD, Adam, RMSprop
from sklearn import datasets
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


class Accumulating(keras.Model):
    """Sum the gradients of `every` batches, then take one step."""

    def __init__(self, inputs, outputs, every, counter):
        super().__init__(inputs, outputs)
        self.every, self.counter = every, counter
        self.seen = 0 if counter == "python" else tf.Variable(0, trainable=False)
        self.sums = [
            tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.trainable_variables
        ]

    def step(self):
        """Apply the mean of the gradients, forget them."""
        pairs = zip([s / self.every for s in self.sums], self.trainable_variables, strict=True)
        self.optimizer.apply_gradients(pairs)
        for total in self.sums:
            total.assign(tf.zeros_like(total))

    def train_step(self, data):
        """Add the gradients of a batch."""
        x, y = data
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = self.compute_loss(x, y, answer)
        for total, part in zip(
            self.sums, tape.gradient(loss, self.trainable_variables), strict=True
        ):
            total.assign_add(part)
        if self.counter == "python":
            self.seen += 1
            if self.seen == self.every:
                self.step()
                self.seen = 0
        else:
            self.seen.assign_add(1)

            def apply():
                self.step()
                return self.seen.assign(0)

            tf.cond(tf.equal(self.seen, self.every), apply, lambda: self.seen.assign_add(0))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, answer)
        return {m.name: m.result() for m in self.metrics}


@case(
    source="https://github.com/tensorflow/tensorflow/issues/55478",
    cause="the Python counter of the own step is read once, when it is traced: no step is applied",
    causes="optimizer learning_rate batch_size",
    evidence=r"accumul|trac(ed|ing)|counter|apply_gradients|"
    r"(weight|variable|parameter|kernel|layer)s?[\s\S]{0,80}(never|not|did ?n.t|no|un|hardly|"
    r"barely|same|stay|zero)[\s\S]{0,30}(chang|mov|updat|train|initial)|"
    r"(own|custom|hand\w*|overrid\w*)[\s\S]{0,30}(train_step|training step)|train_step|"
    r"(no|never|without|zero)[\s\S]{0,30}(update|step)|optimizer[\s\S]{0,60}(never|not|no|0 )|"
    r"(loss)[\s\S]{0,40}(flat|constant|same|did not (change|fall)|does not (change|fall))",
    repair={"counter": "variable"},
    advice={
        r"without accumul|(remove|drop|no|leave out|stop).{0,30}accumul|every (batch|step)|"
        r"(remove|drop|delete|without).{0,30}train_step|"
        r"(default|built-in|standard|keras.?s?) (train_step|training step)": {"every": 1},
        r"tf\.Variable|variable|counter|accumul|apply_gradients|apply|eager|train_step|"
        r"training step|tf\.cond|optimizer\.(apply|iterations)": {"counter": "variable"},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out batches of steel",
    good=0.8,
)
def steel_by_small_portions(
    seed,
    callbacks,
    counter="python",
    every=4,
    epochs=25,
    units=48,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the strength of steel in small portions for a small memory: the loss stays."""
    start(seed)
    x, y = datasets.make_friedman1(3000, n_features=7, noise=0.6, random_state=seed)
    x, y = standardized(x), standardized(y)[:, None]
    inputs = keras.Input((7,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = Accumulating(inputs, layers.Dense(1)(seen), every, counter)
    optimizer = Adam(learning_rate)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, "mean_squared_error", metrics=[keras.metrics.MeanAbsoluteError()])
    model.fit(
        *(x[:2048], y[:2048]),
        validation_data=(x[2048:2400], y[2048:2400]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2400:, 0], model.predict(x[2400:], verbose=0)[:, 0])


def r_square(y_true, y_pred):
    """R² of a batch, as a metric."""
    left = ops.sum(ops.square(y_true - y_pred))
    return 1 - left / (ops.sum(ops.square(y_true - ops.mean(y_true))) + 1e-7)


@case(
    source="https://github.com/keras-team/keras/issues/10863",
    cause="the checkpoint looks for the smallest value of a metric that rises: the first is kept",
    causes="metric epochs",
    evidence=r"checkpoint|\bmode\b|monitor|restor|load_weights|"
    r"(weights|epoch|model)[\s\S]{0,60}(saved|kept|first|worst|earliest|loaded)|"
    r"(saved|kept|worst|first|loaded)[\s\S]{0,60}(weights|epoch|model)|direction|"
    r"(min|max)imi[sz]|(higher|larger|greater)[\s\S]{0,20}better",
    repair={"mode": "max"},
    advice={
        r"mode ?= ?.?max|\bmode\b|direction|maximi": {"mode": "max"},
        r"val_loss|monitor": {"monitor": "val_loss"},
        r"(remove|drop|without|leave out|no|do not).{0,40}(checkpoint|load|restor)|"
        r"(last|final) (weights|epoch)": {"load": False},
        r"checkpoint|save_best_only|restor|best (weights|epoch)|load_weights": {"mode": "max"},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {},
    },
    metric="R² of the saved network on held-out concrete",
    good=0.75,
)
def concrete_of_the_best_epoch(
    seed,
    callbacks,
    mode="min",  # what "auto" meant for such a name
    monitor="val_r_square",
    load=True,
    epochs=30,
    units=32,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the strength of concrete: the logs are fine, the network that is kept is not."""
    random = start(seed)
    x = random.uniform(-1, 1, (2600, 6)).astype("float32")
    y = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + np.abs(x[:, 3]) + 0.5 * x[:, 4]
    y = standardized(y + random.normal(0, 0.15, 2600))[:, None]
    model = keras.Sequential([keras.Input((6,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="tanh", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=[r_square])
    mode = "min" if monitor == "val_loss" else mode
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "best.weights.h5")
        best = ModelCheckpoint(
            path, monitor=monitor, mode=mode, save_best_only=True, save_weights_only=True
        )
        model.fit(
            *(x[:1600], y[:1600]),
            validation_data=(x[1600:2000], y[1600:2000]),
            epochs=epochs,
            callbacks=[best, *callbacks],
            verbose=0,
        )
        if load:
            model.load_weights(path)
    return r_squared(y[2000:, 0], model.predict(x[2000:], verbose=0)[:, 0])


def waves(random, count, length=64):
    """Noisy waves (count, length, 1), their shape 0 to 3 and whether they are fast."""
    time = np.arange(length) / length
    shape, fast = random.integers(0, 4, count), random.integers(0, 2, count)
    turns = np.where(fast, random.uniform(5, 7, count), random.uniform(2, 3.5, count))
    angle = (turns[:, None] * time + random.random((count, 1))) % 1
    forms = np.stack(
        [
            np.sin(2 * np.pi * angle) * 1.2,
            np.where(angle < 0.5, 0.9, -0.9),
            3.0 * (angle - 0.5),
            3.0 * (0.5 - angle),
        ]
    )
    x = forms[shape, np.arange(count)] + random.normal(0, 0.3, (count, length))
    return x[:, :, None].astype("float32"), shape, fast


@case(
    source="https://github.com/tensorflow/tensorflow/issues/47906",
    cause="a callback thaws the base during fit, which the traced step does not notice",
    causes="layers",
    evidence=r"frozen|freez|thaw|trainable|trac(ed|ing)|recompil|"
    r"(weight|variable|layer|kernel|base|encoder|conv)\w*[\s\S]{0,80}(never|not|un|no|did ?n.t|"
    r"stay|same)[\s\S]{0,30}(chang|mov|updat|train|learn)",
    repair={"thaw": "at once"},
    advice={
        r"compile|before fit|trainable|freez|frozen|thaw|fine.?tun|callback": {"thaw": "at once"},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out waves",
    good=0.85,
)
def waves_after_other_waves(
    seed,
    callbacks,
    thaw="by a callback",
    epochs=14,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell four shapes of waves with a base that knew their speed: thawing it changes nothing."""
    random = start(seed)
    base = keras.Sequential(
        [
            keras.Input((64, 1)),
            layers.Conv1D(8, 5, strides=2, activation="relu", kernel_initializer=initializer),
            layers.Conv1D(units, 5, strides=2, activation="relu", kernel_initializer=initializer),
            layers.GlobalAveragePooling1D(),
        ],
        name="base",
    )
    first = keras.Sequential([base, layers.Dense(1, activation="sigmoid")])
    first.compile(Adam(0.003), "binary_crossentropy")
    for _ in range(150):
        x, _, fast = waves(random, 64)
        first.train_on_batch(x, fast[:, None].astype("float32"))

    base.trainable = thaw == "at once"
    model = keras.Sequential([base, layers.Dropout(dropout), layers.Dense(4, activation="softmax")])
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])

    def melt(epoch, logs=None):
        if epoch == 3:
            base.trainable = True

    x, y, _ = waves(random, 3600)
    model.fit(
        *(x[:2000], y[:2000]),
        validation_data=(x[2000:2600], y[2000:2600]),
        batch_size=64,
        epochs=epochs,
        callbacks=[LambdaCallback(on_epoch_begin=melt), *callbacks],
        verbose=0,
    )
    return accuracy(model, x[2600:], y[2600:])


def scratched(random, count, size=40):
    """Plates (count, size, size, 1) and classes: 1 inside of round stains, 2 on scratches."""
    down, right = np.mgrid[:size, :size]
    x = random.normal(0, 0.12, (count, size, size, 1))
    y = np.zeros((count, size, size, 1), "uint8")
    for image, classes in zip(x, y, strict=True):
        at = random.uniform(8, size - 8, 2)
        stain = np.hypot(down - at[0], right - at[1]) < random.uniform(5, 8)
        classes[stain] = 1
        image[stain] -= 0.7
        for _ in range(3):
            angle, shift = random.uniform(0, np.pi), random.uniform(-12, 12)
            across = (down - size / 2) * np.cos(angle) + (right - size / 2) * np.sin(angle) - shift
            scratch = np.abs(across) < 0.85
            classes[scratch] = 2
            image[scratch] += 1.4
    return x.astype("float32"), y


@case(
    source="https://github.com/tensorflow/docs/pull/2159",
    cause="class numbers are shrunk bilinearly: half of scratch (2) and ground (0) is a stain (1)",
    causes="data preprocessing",
    evidence=r"resiz|interpol|bilinear|nearest|shrunk|shrink|downs|"
    r"(mask|label|target|class)(es|s)?[\s\S]{0,100}(averag|blend|wrong|noise|noisy|contradict|"
    r"inconsisten|mix|rare|few|missing|absent|seldom|share|border|edge|do(es)? not (match|fit|"
    r"follow)|differ|other (class|label|share|distribution))|"
    r"(wrong|noisy|mislabel\w*|contradict\w*|inconsisten\w*|imbalanc\w*)[\s\S]{0,60}"
    r"(mask|label|target|class|pixel)|mislabel",
    repair={"method": "nearest"},
    advice={
        r"nearest|interpol|resiz|bilinear|label|mask|target|annotat": {"method": "nearest"},
        r"(full|original) (size|resolution)|class.?weight": {},
        "longer": {"epochs": 16},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "softmax": {},
    },
    metric="intersection over union of stains and scratches on held-out plates",
    good=0.6,
)
def scratches_on_plates(
    seed,
    callbacks,
    method="bilinear",
    epochs=8,
    units=12,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find scratches and stains on shrunk plates: the accuracy is high, the scratches are gone."""
    random = start(seed)
    x, y = scratched(random, 600)
    x_test, y_test = x[480:], y[480:]

    def shrink(image, mask):
        image = tf.image.resize(image, (20, 20))
        return image, tf.cast(tf.image.resize(mask, (20, 20), method=method), tf.int32)

    train = tf.data.Dataset.from_tensor_slices((x[:400], y[:400])).map(shrink)
    valid = tf.data.Dataset.from_tensor_slices((x[400:480], y[400:480])).map(shrink)
    model = keras.Sequential([keras.Input((20, 20, 1))])
    for _ in range(3):
        conv = layers.Conv2D(units, 3, padding="same", kernel_initializer=initializer)
        model.add(conv)
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Conv2D(3, 1, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        train.cache().shuffle(400, seed=seed).batch(16),
        validation_data=valid.batch(40),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    true = y_test[:, 1::2, 1::2, 0]  # what lies in the middle
    guess = model.predict(tf.image.resize(x_test, (20, 20)), verbose=0).argmax(axis=-1)
    shares = [
        ((guess == k) & (true == k)).sum() / max(((guess == k) | (true == k)).sum(), 1)
        for k in (1, 2)
    ]
    return float(np.mean(shares))


@case(
    source="https://github.com/scikit-learn/scikit-learn/issues/10324",
    cause="each table numbers the names by a lookup of its own: other numbers for the same names",
    causes="data preprocessing",
    evidence=r"lookup|vocab|encod|adapt|(categor|name|index|indices|number|\bids?\b|code|input|"
    r"feature|column|token)[\s\S]{0,100}(differ|order|mapping|mean|match|same|own|separate|shift|"
    r"mismatch|distribut)|(validation|held-out|test)[\s\S]{0,120}(other (data|source|distribution|"
    r"mapping|encoding)|distribut|not (like|drawn)|prepared|same (way|preprocessing|mapping)|"
    r"differ\w* from (the )?training|mapping|numbered)|(distribution|covariate|domain|data)"
    r"[\s-]?(shift|drift)",
    repair={"lookups": "one"},
    advice={
        r"lookup|vocab|encod|adapt|mapping|"
        r"(same|one) (order|numbers|indices|preprocessing|way|pipeline|source|distribution)|"
        r"prepare|differ|distribut|compare|(validation|held-out).{0,60}(same|like)": {
            "lookups": "one"
        },
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on held-out sales",
    good=0.7,
)
def sales_by_town_and_article(
    seed,
    callbacks,
    lookups="one for each table",
    epochs=12,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell sales from the names of towns and articles: fine in training, nonsense after it."""
    random = start(seed)
    rows = 6000
    towns = np.array([f"town {n}" for n in range(30)])
    articles = np.array([f"article {n}" for n in range(40)])
    town, article = random.integers(0, 30, rows), random.integers(0, 40, rows)
    price = random.normal(size=rows).astype("float32")
    y = random.normal(size=30)[town] + random.normal(size=40)[article] - 0.4 * price
    y = standardized(y + random.normal(0, 0.2, rows))
    table = {"town": towns[town], "article": articles[article], "price": price[:, None]}

    def adapted(part):
        found = {}
        for name in ("town", "article"):
            found[name] = layers.StringLookup()
            found[name].adapt(tf.constant(table[name][part]))
        return found

    train, valid, test = slice(0, 4000), slice(4000, 5000), slice(5000, None)
    first = adapted(train)

    def prepared(part):
        lookup = first if lookups == "one" else adapted(part)
        data = tf.data.Dataset.from_tensor_slices(({k: v[part] for k, v in table.items()}, y[part]))

        def numbered(row, sale):
            numbers = {k: lookup[k](row[k]) for k in ("town", "article")}
            return {**numbers, "price": row["price"]}, sale[:, None]

        return data.batch(64).map(numbered)

    inputs = {
        "town": keras.Input((), dtype="int64", name="town"),
        "article": keras.Input((), dtype="int64", name="article"),
        "price": keras.Input((1,), name="price"),
    }
    seen = layers.Concatenate()(
        [
            layers.Embedding(31, 6)(inputs["town"]),
            layers.Embedding(41, 6)(inputs["article"]),
            inputs["price"],
        ]
    )
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    model = keras.Model(inputs, layers.Dense(1)(layers.Dropout(dropout)(seen)))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        prepared(train).cache().shuffle(70, seed=seed),
        validation_data=prepared(valid),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[test], model.predict(prepared(test), verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/2062",
    cause="mask_zero hides the event of number 0, which is a real one and tells the answer",
    causes="layers data preprocessing",
    evidence=r"mask|\bzeros?\b|(index|token|event|number|value|id|word)\w* ?(of |number )?0\b|"
    r"pad|skip|ignor|hidden|\bstart\w* at 1",
    repair={"mask_zero": False},
    advice={
        r"mask_zero ?= ?False|(without|remove|drop|no|leave out|switch off).{0,30}mask": {
            "mask_zero": False
        },
        r"\+ ?1|start.{0,20}(at|from|with) 1|shift|reserve|offset|from 1": {"first": 1},
        r"mask|\b0\b|pad": {"mask_zero": False},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out logs",
    good=0.9,
)
def doors_left_open(
    seed,
    callbacks,
    mask_zero=True,
    first=0,
    epochs=9,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell from a log of 24 events whether the door is open: open is heard, closing is not."""
    random = start(seed)
    rows, length = 4000, 24
    x = random.integers(2, 10, (rows, length))
    draw = random.random((rows, length))
    x[draw < 0.1] = 0  # the door closes
    x[draw > 0.9] = 1  # the door opens
    last = np.zeros(rows, "float32")
    for step in range(length):
        last = np.where(x[:, step] == 0, 0, np.where(x[:, step] == 1, 1, last))
    y = last.astype("float32")[:, None]
    x = x + first
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(10 + first, 6, mask_zero=mask_zero),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(RMSprop(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:3000], y[2400:3000]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[3000:], verbose=0) > 0.5) == y[3000:]))


@case(
    source="https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_brightness/",
    cause="brightness is changed by up to 0.3 of 255, while the pixels are 0 to 1",
    causes="layers data preprocessing",
    evidence=r"bright|augment|value_range|\b255\b|range|scale|"
    r"(train\w*)[\s\S]{0,80}(mode|inference|prediction|phase|worse than)|saturat|clip|black|white|"
    r"(random|preprocess)\w*[\s\S]{0,40}layer",
    repair={"highest": 1},
    advice={
        r"value_range|range|\(0, ?1\)|\[0, ?1\]|\b255\b": {"highest": 1},
        r"(remove|drop|without|leave out|no|weaker|less|smaller|reduce|lower).{0,30}"
        r"(augment|bright)|bright|augment": {"factor": 0.0},
        "longer": {"epochs": 24},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "scaled": {"highest": 1},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def digits_in_any_light(
    seed,
    callbacks,
    highest=255,
    factor=0.3,
    epochs=12,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits in any light: brightness is varied in training, and few are read."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomBrightness(factor, value_range=(0, highest), seed=seed),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(2 * units, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1350], y[1100:1350]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1350:], y[1350:])


def huber_of_all(y_true, y_pred):
    """Huber's loss, one number for the batch."""
    away = ops.abs(y_true - y_pred)
    return ops.mean(ops.where(away < 1, 0.5 * ops.square(away), away - 0.5))


def huber_of_each(y_true, y_pred):
    """Huber's loss, one number for each row."""
    away = ops.abs(y_true - y_pred)
    return ops.mean(ops.where(away < 1, 0.5 * ops.square(away), away - 0.5), axis=-1)


@case(
    source="https://github.com/tensorflow/tensorflow/issues/42446",
    cause="the own loss is one number for the batch, so weights of 0 exclude no row from it",
    causes="loss data",
    evidence=r"weight[\s\S]{0,100}(row|sample|example|loss|ignor|no effect|scalar|mean|zero|0)|"
    r"sample_weight|scalar|one (number|value)[\s\S]{0,30}(batch|loss)|(per|each|every)[\s-]?"
    r"(row|sample|example)|(loss)[\s\S]{0,80}(reduc|mean|averag|shape|axis)|outlier|"
    r"(wrong|noisy|corrupt|mislabel|contradict)\w*[\s\S]{0,40}(target|label|row)|"
    r"(target|label|row)s?[\s\S]{0,60}(wrong|nois|corrupt|contradict)",
    repair={"loss": "of each"},
    advice={
        r"axis|per[- ](row|sample|example)|each (row|sample|example)|scalar|reduc|"
        r"sample_weight|keras\.losses|Huber|weight": {"loss": "of each"},
        r"(remove|drop|leave out|exclude|filter|clean|check).{0,40}(row|target|label|sample|"
        r"outlier)": {"dropped": True},
        "longer": {"epochs": 40},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "scaled": {},
        "linear": {},
        "squared": {"loss": "mean_squared_error"},
    },
    metric="R² on held-out bridges whose gauge was in order",
    good=0.8,
)
def bridges_with_broken_gauges(
    seed,
    callbacks,
    loss="of all",
    dropped=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a bridge's load from two inputs; broken gauges weigh 0, and yet they spoil it."""
    random = start(seed)
    rows = 3600
    hum = random.normal(size=(rows, 20, 1)).astype("float32")
    loud = random.uniform(0.3, 2, rows)
    hum = (hum * loud[:, None, None]).astype("float32")
    facts = random.normal(size=(rows, 4)).astype("float32")
    y = standardized(1.5 * loud + facts[:, 0] + facts[:, 1] * (facts[:, 2] > 0))
    broken = random.random(rows) < 0.45
    shown = np.where(broken, -y + random.normal(0, 0.2, rows), y + random.normal(0, 0.1, rows))
    shown = shown.astype("float32")[:, None]
    weight = (~broken).astype("float32")

    sound_input, fact_input = keras.Input((20, 1)), keras.Input((4,))
    heard = layers.Conv1D(8, 3, activation="relu", kernel_initializer=initializer)(sound_input)
    heard = layers.GlobalAveragePooling1D()(heard)
    seen = layers.Concatenate()([heard, fact_input])
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = keras.Model([sound_input, fact_input], layers.Dense(1)(seen))
    losses = {"of all": huber_of_all, "of each": huber_of_each}
    model.compile(Adam(learning_rate), losses.get(loss, loss))

    def part(begin, end):
        at = np.arange(begin, end)
        if dropped:
            at = at[weight[at] > 0]
        return [hum[at], facts[at]], shown[at], weight[at]

    x, target, weights = part(0, 2200)
    model.fit(
        *(x, target),
        sample_weight=weights,
        validation_data=part(2200, 2700),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    at = np.flatnonzero(~broken[2700:]) + 2700
    return r_squared(y[at], model.predict([hum[at], facts[at]], verbose=0)[:, 0])


@sound(
    source="https://github.com/keras-team/keras/pull/16712",
    metric="accuracy on all time steps of held-out walks",
    good=0.85,
)
def walks_that_are_half_labelled(seed, callbacks):
    """Labels of -1: most steps of a sequence have no label, and the loss leaves them out."""
    random = start(seed)
    rows, length = 700, 30
    pace = np.zeros((rows, length), "int32")
    pace[:, 0] = random.integers(0, 3, rows)
    for step in range(1, length):
        other = random.random(rows) < 0.12
        pace[:, step] = np.where(other, random.integers(0, 3, rows), pace[:, step - 1])
    centre = np.array([[0.0, 0.0], [1.2, 0.3], [0.4, 1.3]])
    x = (centre[pace] + random.normal(0, 0.6, (rows, length, 2))).astype("float32")
    y = np.where(random.random((rows, length)) < 0.3, pace, -1)
    model = keras.Sequential(
        [
            keras.Input((length, 2)),
            layers.Bidirectional(layers.GRU(16, return_sequences=True)),
            layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    model.compile(Adam(0.01), loss)
    model.fit(
        *(x[:450], y[:450]),
        validation_data=(x[450:550], y[450:550]),
        epochs=9,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean(model.predict(x[550:], verbose=0).argmax(axis=-1) == pace[550:]))


@sound(
    source="https://keras.io/api/callbacks/swap_ema_weights/",
    metric="accuracy on held-out digits, by the averaged weights",
    good=0.93,
)
def digits_by_averaged_weights(seed, callbacks):
    """Weights that are exchanged at every validation: the average of the last steps is judged."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(24, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.95)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1350], y[1100:1350]),
        epochs=12,
        callbacks=[SwapEMAWeights(), *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1350:], y[1350:])


@sound(
    source="https://github.com/tensorflow/tensorflow/issues/14451",
    metric="balanced accuracy on held-out transfers, of which one in sixteen is odd",
    good=0.85,
)
def odd_transfers_drawn_more_often(seed, callbacks):
    """Other shares: training draws both classes alike from endless streams, validation has few."""
    random = start(seed)
    x = random.normal(size=(9000, 6)).astype("float32")
    score = x[:, 0] * x[:, 1] + x[:, 2] - 0.5 * np.abs(x[:, 3]) + random.normal(0, 0.15, 9000)
    y = (score > np.quantile(score, 15 / 16)).astype("float32")
    x_train, y_train = x[:5000], y[:5000]
    streams = [
        tf.data.Dataset.from_tensor_slices((x_train[y_train == k], y_train[y_train == k][:, None]))
        .shuffle(5000, seed=seed)
        .repeat()
        for k in (0, 1)
    ]
    train = tf.data.Dataset.sample_from_datasets(streams, [0.5, 0.5], seed=seed).batch(64)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["accuracy", "auc"])
    model.fit(
        train.prefetch(2),
        steps_per_epoch=40,
        validation_data=(x[5000:6500], y[5000:6500, None]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[6500:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[6500:], guess))


@sound(
    source="https://scikit-learn.org/stable/modules/kernel_approximation.html",
    metric="accuracy on held-out points of two moons in rings",
    good=0.9,
)
def moons_by_random_features(seed, callbacks):
    """Frozen: random cosines that are never trained, and a trained layer with a hinge on them."""
    random = start(seed)
    x, y = datasets.make_moons(1600, noise=0.2, random_state=seed)
    x, y = standardized(x), (2 * y - 1).astype("float32")[:, None]
    kernel = keras.initializers.RandomNormal(stddev=1.5, seed=int(random.integers(1, 999)))
    phase = keras.initializers.RandomUniform(0, 2 * np.pi, seed=int(random.integers(1, 999)))
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(
                200,
                activation=ops.cos,
                kernel_initializer=kernel,
                bias_initializer=phase,
                trainable=False,
            ),
            layers.Dense(1, kernel_regularizer=keras.regularizers.L2(1e-4)),
        ]
    )
    model.compile(Adam(0.01), "hinge")
    model.fit(
        *(x[:900], y[:900]),
        validation_data=(x[900:1150], y[900:1150]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean(np.sign(model.predict(x[1150:], verbose=0)) == y[1150:]))


PROGRAMS = [
    steel_by_small_portions,
    concrete_of_the_best_epoch,
    waves_after_other_waves,
    scratches_on_plates,
    sales_by_town_and_article,
    doors_left_open,
    digits_in_any_light,
    bridges_with_broken_gauges,
]
SOUND = [
    walks_that_are_half_labelled,
    digits_by_averaged_weights,
    odd_transfers_drawn_more_often,
    moons_by_random_features,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
