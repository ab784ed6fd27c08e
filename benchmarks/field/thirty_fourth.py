"""Fourteen more field programs, on how data reach a network, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_fourth
    python benchmarks/diagnosis.py --programs thirty_fourth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping, LambdaCallback, ReduceLROnPlateau
from keras.optimizers import SGD, Adam, RMSprop
from keras.optimizers.schedules import CosineDecayRestarts
from sklearn import datasets
from sklearn.metrics import f1_score

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


class OwnStep(keras.Model):
    """Train and test with steps of its own, which minimize `error(y, answer)`."""

    def __init__(self, inputs, outputs, error):
        super().__init__(inputs, outputs)
        self.error = error
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        """Return what is reset at every epoch."""
        return [self.loss_tracker]

    def train_step(self, data):
        """Take one step, tell the loss."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.error(y, self(x, training=True))
        variables = self.trainable_variables
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 5.0)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        """Tell the loss."""
        x, y = data
        self.loss_tracker.update_state(self.error(y, self(x, training=False)))
        return {"loss": self.loss_tracker.result()}


def mean_square(y, answer):
    """Mean squared difference, written by hand."""
    return tf.reduce_mean(tf.square(y - answer))


def log_cosh(y, answer):
    """Mean logarithm of cosh, written by hand: outliers count little."""
    away = tf.reshape(y, (-1, 1)) - answer
    return tf.reduce_mean(tf.math.softplus(2 * away) - away - tf.math.log(2.0))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/28901",
    cause="targets (16,) minus answers (16, 1) are 16 x 16 differences; y[:, None] repairs it",
    causes="loss data",
    evidence=r"broadcast|(shape|dimension|rank|axis|axes)s?\b[\s\S]{0,120}(target|label|\by\b|"
    r"output|answer|predict|differ|match|batch)|(target|label|\by\b|output|answer|predict)"
    r"[\s\S]{0,100}(shape|dimension|rank|\bcolumn\b|\(N?\d*, ?1\)|one axis)|"
    r"(with|against|minus|from|to) (every|each|all)( other)? (row|target|label|answer|prediction)|"
    r"pairwise|all pairs|"
    r"(own|custom|hand\w*)[\s\S]{0,30}(train_step|training step|training loop)[\s\S]{0,120}"
    r"(loss|compar|target|label)|(loss|target|label)[\s\S]{0,120}train_step",
    repair={"column": True},
    advice={
        r"expand_dims|newaxis|\[:, ?None\]|reshape|squeeze|ravel|flatten\(|same shape|shape of|"
        r"shapes|broadcast|\(-1, ?1\)|one column|compute_loss|(compiled|built-in|keras.?) loss|"
        r"remove.{0,20}train_step": {"column": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
    },
    metric="R² on held-out pumps",
    good=0.8,
)
def pumps_in_a_loop_of_my_own(
    seed,
    callbacks,
    column=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a pump's flow with a training step of my own: it settles on one number for all."""
    random = start(seed)
    x = random.normal(size=(2000, 6)).astype("float32")
    flow = x[:, 0] - 0.8 * x[:, 1] * x[:, 2] + 0.7 * np.abs(x[:, 3]) + 0.4 * x[:, 4]
    y = standardized(flow + random.normal(0, 0.2, 2000))

    inputs = keras.Input((6,))
    seen = inputs
    for _ in range(2):
        seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
        seen = layers.Dropout(dropout)(seen)
    model = OwnStep(inputs, layers.Dense(1)(seen), mean_square)
    model.compile(Adam(learning_rate))
    if column:
        y = y[:, None]
    rows = tf.data.Dataset.from_tensor_slices((x[:1400], y[:1400])).shuffle(1400, seed=seed)
    model.fit(
        rows.batch(16, drop_remainder=True),
        validation_data=tf.data.Dataset.from_tensor_slices((x[1400:1600], y[1400:1600])).batch(16),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1600:].ravel(), model.predict(x[1600:], verbose=0)[:, 0])


def moved(pictures, random, flip=True):
    """Pictures (N, 20, 20, 1), each flipped or not and shifted by up to four pixels."""
    result = np.zeros_like(pictures)
    for to, picture in zip(result, pictures, strict=True):
        if flip and random.random() < 0.5:
            picture = picture[:, ::-1]
        to[:] = np.roll(picture, random.integers(-4, 5, 2), axis=(0, 1))
    return result


class Augmented(keras.utils.PyDataset):
    """Batches of images and masks, moved by a generator each."""

    def __init__(self, x, y, image_random, mask_random, augmented):
        super().__init__()
        self.x, self.y, self.augmented = x, y, augmented
        self.randoms = image_random, mask_random

    def __len__(self):
        return len(self.x) // 20

    def __getitem__(self, batch):
        rows = slice(20 * batch, 20 * batch + 20)
        if not self.augmented:
            return self.x[rows], self.y[rows]
        return moved(self.x[rows], self.randoms[0]), moved(self.y[rows], self.randoms[1])


@case(
    source="https://github.com/keras-team/keras/issues/12075",
    cause="images and masks are flipped and shifted by different draws; one seed for both repairs",
    causes="data preprocessing",
    evidence=r"augment|flip|shift|(mask|target|label)s?[\s\S]{0,100}(not (match|fit|belong|go|"
    r"lie|align)|align|same (seed|transform)|another|different|unrelated|mismatch|pair|noise|"
    r"random|shuffl|(do|does|did) not depend|nothing to do)|(pair|align|seed|transform)\w*"
    r"[\s\S]{0,80}(mask|target|label)",
    repair={"same_seed": True},
    advice={
        r"same (seed|transform|flip|augment|draw)|one seed|together|jointly|pair|align|"
        r"(mask|target|label)s? (too|as well|alike)|(match|belong|go with|shuffl)": {
            "same_seed": True
        },
        r"(without|remove|drop|switch off|no|turn off|leave out|stop).{0,20}augment": {
            "augmented": False
        },
        "longer": {"epochs": 20},
        "wider": {"units": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
        "sigmoid": {},
    },
    metric="intersection over union on held-out images",
    good=0.7,
)
def nuclei_and_their_masks(
    seed,
    callbacks,
    same_seed=False,
    augmented=True,
    epochs=8,
    units=12,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
    loss="binary_crossentropy",
):
    """Find round nuclei among bars: the predicted masks are nearly empty."""
    random = start(seed)
    rows = 600
    down, right = np.mgrid[:20, :20]
    x = random.normal(0, 0.15, (rows, 20, 20, 1))
    y = np.zeros((rows, 20, 20, 1), "float32")
    for image, mask in zip(x, y, strict=True):
        at = random.uniform(4, 16, 2)
        disc = np.hypot(down - at[0], right - at[1]) < random.uniform(2.4, 3.6)
        mask[:, :, 0] = disc
        image[:, :, 0] += 0.9 * disc
        line = random.integers(1, 19)
        if random.random() < 0.5:
            image[line, :, 0] = 0.9 + random.normal(0, 0.15, 20)
        else:
            image[:, line, 0] = 0.9 + random.normal(0, 0.15, 20)
    x = x.astype("float32")

    model = keras.Sequential([keras.Input((20, 20, 1))])
    for _ in range(3):
        conv = layers.Conv2D(units, 3, padding="same", kernel_initializer=initializer)
        model.add(conv)
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Conv2D(1, 1, activation="sigmoid"))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    draws = np.random.default_rng(seed + 1), np.random.default_rng(seed + (1 if same_seed else 2))
    model.fit(
        Augmented(x[:400], y[:400], *draws, augmented),
        validation_data=(x[400:460], y[400:460]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[460:], verbose=0) > 0.5
    true = y[460:] > 0.5
    return float((guess & true).sum() / max((guess | true).sum(), 1))


def f1_metric(y_true, y_pred):
    """F1 of a batch, as a metric."""
    y_true, y_pred = ops.cast(y_true, "float32"), ops.round(y_pred)
    both = ops.sum(y_true * y_pred)
    return 2 * both / (ops.sum(y_true) + ops.sum(y_pred) + 1e-7)


@case(
    source="https://github.com/keras-team/keras/issues/11964",
    cause="ReduceLROnPlateau takes a rising F1 for a plateau and lowers the rate at every epoch",
    causes="learning_rate optimizer",
    evidence=r"plateau|ReduceLR|schedul|callback|mode\b|"
    r"(learning.?rate|\brate\b)[\s\S]{0,120}(fell|fall|lower|reduc|shr|small|tiny|low|drop|decay|"
    r"halv|e-\d|0\.000|min_lr|end)|(lower|reduc|shr|halv|drop|decay)\w*[\s\S]{0,60}rate|"
    r"(weights?|updates?|steps?)[\s\S]{0,60}(hardly|barely|tiny|small|slow|less and less)|"
    r"still (falling|improving|learning)|not (yet )?(finished|converged)",
    repair={"mode": "max"},
    advice={
        r"mode ?= ?.?max|\bmode\b|monitor|val_loss|direction": {"mode": "max"},
        r"(remove|drop|without|leave out|no) .{0,30}(plateau|ReduceLR|schedule|callback)|"
        r"constant|fixed|ReduceLROnPlateau|plateau|schedul|patience|min_lr|decay|keep the": {
            "mode": None
        },
        "longer": {"epochs": 150},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="F1 on held-out claims",
    good=0.8,
)
def claims_whose_f1_rises(
    seed,
    callbacks,
    mode="min",  # what "auto" meant for such a name
    epochs=50,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find the false claims: F1 rises for some epochs and then hardly moves."""
    random = start(seed)
    x = random.normal(size=(6500, 5)).astype("float32")
    hint = np.where(x[:, 0] > 0, x[:, 1], -x[:, 1]) + np.where(x[:, 2] > 0, x[:, 3], -x[:, 3])
    y = (hint + random.normal(0, 0.1, 6500) > 0.7).astype("float32")[:, None]

    model = keras.Sequential([keras.Input((5,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=[f1_metric])
    if mode is not None:
        slower = ReduceLROnPlateau("val_f1_metric", factor=0.5, patience=1, min_lr=1e-4, mode=mode)
        callbacks = [slower, *callbacks]
    model.fit(
        *(x[:3500], y[:3500]),
        validation_data=(x[3500:4500], y[3500:4500]),
        batch_size=256,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(f1_score(y[4500:, 0], model.predict(x[4500:], verbose=0)[:, 0] > 0.5))


@case(
    source="https://github.com/keras-team/keras/issues/1870",
    cause="rows are shuffled, so a stateful layer's state comes from rows of other series",
    causes="data layers",
    evidence=r"shuffl|stateful|\bstates?\b[\s\S]{0,100}(batch|row|carr|previous|before|kept|reset|"
    r"series|other|random)|(batch|row|sample)(es|s)?[\s\S]{0,60}(in (the )?(right |their )?order|"
    r"order|follow|consecutive|success)",
    repair={"shuffle": False},
    advice={
        r"shuffle ?= ?False|without shuffl|(not|never|don't) shuffle|in (their |the )?order": {
            "shuffle": False
        },
        r"stateful ?= ?False|stateless|reset": {"stateful": False},
        r"shuffl|stateful": {"shuffle": False},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² on later hours",
    good=0.85,
)
def heat_that_is_remembered(
    seed,
    callbacks,
    shuffle=True,
    stateful=True,
    epochs=10,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell the heat kept in 25 walls from the sun: a stateful layer that does not remember."""
    random = start(seed)
    walls, hours, step = 25, 960, 4
    sun = random.normal(size=(hours, walls)).astype("float32")
    heat = np.zeros((hours, walls), "float32")
    for hour in range(1, hours):
        heat[hour] = 0.88 * heat[hour - 1] + 0.47 * sun[hour]
    heat += random.normal(0, 0.1, heat.shape)
    chunks = sun.reshape(-1, step, walls).transpose(0, 2, 1)  # (240, 25, 4): time, wall, hour
    x, y = chunks.reshape(-1, step, 1), heat[step - 1 :: step].reshape(-1).astype("float32")

    layer = layers.LSTM(units, stateful=stateful, kernel_initializer=initializer)
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(walls, step, 1)),
            layer,
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")

    def forget(*_):
        if stateful:
            layer.reset_states()

    train, valid = slice(0, 160 * walls), slice(160 * walls, 200 * walls)
    model.fit(
        *(x[train], y[train]),
        validation_data=(x[valid], y[valid]),
        batch_size=walls,
        shuffle=shuffle,
        epochs=epochs,
        callbacks=[LambdaCallback(on_epoch_begin=forget), *callbacks],
        verbose=0,
    )
    forget()
    guess = model.predict(x, batch_size=walls, verbose=0)[:, 0]
    return r_squared(y[200 * walls :], guess[200 * walls :])


@case(
    source="https://github.com/keras-team/keras/issues/14416",
    cause="the labels are listed in the folder's order, the images are read in that of their names",
    causes="data",
    evidence=r"(label|target)\w*[\s\S]{0,100}(order|pair|shuffl|match|belong|wrong|random|"
    r"mixed|align|go with|nothing to do|unrelated|do(es)? not depend|not (follow|fit)|noise|"
    r"permut|independent)|(pair|shuffl|align|order|mismatch|mix)\w*[\s\S]{0,60}(label|target|row|"
    r"image|class)|(inputs?|images?|\bx\b)[\s\S]{0,60}(tells? nothing|say nothing|no information|"
    r"nothing (about|of))",
    repair={"listed": "by name"},
    advice={
        r"pair|same order|sort|align|check.{0,40}(label|target|row)|permut|mis-?match|belong|"
        r"go together|together|look at.{0,40}(label|target)|correct.{0,20}label|label noise": {
            "listed": "by name"
        },
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out images with their own labels",
    good=0.9,
)
def labels_from_a_list(
    seed,
    callbacks,
    listed="by folder",
    epochs=12,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read images of a folder, and their labels from a list: no better than a guess."""
    random = start(seed)
    x, y = digits(seed)
    x_test, y_test, x, y = x[1300:], y[1300:], x[:1300], y[:1300]
    names = [f"{number}.png" for number in range(1300)]
    folder = random.permutation(1300)  # a folder lists its files in an order of its own
    by_name = sorted(range(1300), key=names.__getitem__)
    x, y = x[by_name], y[folder if listed == "by folder" else by_name]
    rows = random.permutation(1300)
    x, y = x[rows], y[rows]

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1050], y[:1050]),
        validation_data=(x[1050:], y[1050:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test, y_test)


@case(
    source="https://github.com/tensorflow/tensorflow/issues/40343",
    cause="a window's target is its own first value; targets from the window's length on repair it",
    causes="data",
    evidence=r"(target|label|answer|\by\b)s?[\s\S]{0,120}(window|first (value|step|input)|own|"
    r"copy|copied|contain|equal|same (value|number)|offset|shift|past|already|known|leak|"
    r"in (the )?(x|inputs?)\b|(is|are|among|of) (one of )?"
    r"(the |its |an? )?(input|column|step|x\b))|"
    r"leak|offset|shift|off by|copy|copied|copies|misalign|"
    r"too (good|easy)|(almost|nearly) perfect|input[\s\S]{0,60}(is|equals|holds|contains) the "
    r"(target|answer|label)",
    repair={"offset": 30},
    advice={
        r"offset|shift|targets? ?=|(after|following|next|later|future|end of).{0,40}"
        r"(window|value|step|target)|series\[|data\[|leak|remove.{0,60}(column|input|step|value)|"
        r"drop.{0,40}(column|input|step)|align|target": {"offset": 30},
        "longer": {"epochs": 30},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.1},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of the value after a held-out window",
    good=0.7,
)
def the_value_after_the_window(
    seed,
    callbacks,
    offset=0,
    epochs=10,
    units=16,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a series with windows made by Keras: small losses, but forecasts far off."""
    random = start(seed)
    length, hours = 30, 2000
    noise = np.zeros(hours)
    for hour in range(1, hours):
        noise[hour] = 0.8 * noise[hour - 1] + random.normal(0, 0.2)
    clock = 2 * np.pi * np.arange(hours) / 24
    series = standardized((np.sin(clock) + 0.4 * np.sin(2 * clock) + noise)[:, None])[:, 0]

    def windows(values, shuffle=False):
        return keras.utils.timeseries_dataset_from_array(
            values[:, None],
            values[offset:],
            sequence_length=length,
            batch_size=64,
            shuffle=shuffle,
            seed=seed,
        )

    model = keras.Sequential(
        [
            keras.Input((length, 1)),
            layers.GRU(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        windows(series[:1300], shuffle=True),
        validation_data=windows(series[1300:1500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    test = np.lib.stride_tricks.sliding_window_view(series[1500:], length + 1)
    guess = model.predict(test[:, :-1, None], verbose=0)[:, 0]
    return r_squared(test[:, -1], guess)


@case(
    source="https://stackoverflow.com/questions/76400485",
    cause="a word missing in the test table is added as its last column, so the others have moved",
    causes="data preprocessing",
    evidence=r"(column|feature|word|input)s?[\s\S]{0,100}(order|position|moved|shift|match|differ|"
    r"missing|align|elsewhere|other|swap|distribut|same)|(order|align|mismatch|swap)\w*[\s\S]{0,60}"
    r"(column|feature|word)|(validation|held-out|test)[\s\S]{0,100}(other (data|source|"
    r"distribution)|distribut|not (like|drawn)|prepared|same (way|preprocessing|columns)|"
    r"differ\w* from (the )?training (rows|data|inputs|set|table))|"
    r"(distribution|covariate|domain|data)[\s-]?(shift|drift)",
    repair={"missing_at": "its place"},
    advice={
        r"(column|feature|word)s?.{0,60}(order|same|match|align|position)|reindex|align|"
        r"(same|one) (order|columns|vocabulary|preprocessing|way|pipeline|source|distribution)|"
        r"prepare|differ|distribut|compare": {"missing_at": "its place"},
        "longer": {"epochs": 45},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="accuracy on held-out reviews",
    good=0.75,
)
def one_word_more(
    seed,
    callbacks,
    missing_at="the end",
    epochs=15,
    units=16,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell good reviews from bad ones by their words: one more word, and the test goes wrong."""
    random = start(seed)
    rows, words = 5000, 120
    common = random.uniform(0.05, 0.4, words)
    leaning = np.where(random.random(words) < 0.4, random.normal(0, 0.7, words), 0)
    y = random.integers(0, 2, rows).astype("float32")
    odds = np.log(common / (1 - common)) + leaning * (2 * y[:, None] - 1) / 1.5
    x = (random.random((rows, words)) < 1 / (1 + np.exp(-odds))).astype("float32")
    test = x[3000:].copy()
    test[:, 6] = 0  # no review of the test has this word
    if missing_at == "the end":
        test = np.concatenate([np.delete(test, 6, axis=1), test[:, 6:7]], axis=1)
    y_test = y[3000:]

    model = keras.Sequential([keras.Input((words,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(RMSprop(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:3000], y[:3000]),
        validation_data=(test[:800], y_test[:800]),
        batch_size=128,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(test[800:], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == y_test[800:]))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/38430",
    cause="rows sorted by class are split before they are shuffled: training lacks two classes",
    causes="data",
    evidence=r"\bsort|shuffl|split[\s\S]{0,60}(before|first|then|order|random)|stratif|(class|label)(es|s)?[\s\S]{0,100}(missing|never|absent|"
    r"not (in|seen|occur)|unseen|lack|without|only in|differ|no (row|example|sample)|distribut|"
    r"share|frequen)|(missing|unseen|absent|lacks?)[\s\S]{0,40}(class|label)|"
    r"(validation|held-out|training)[\s\S]{0,100}(distribut|other (class|label)|none of)|"
    r"(output|unit)s?[\s\S]{0,60}(never|no (row|example|target|label))",
    repair={"shuffled": True},
    advice={
        r"shuffl|permut|stratif|split|sort|mix|random(ly)? (order|split)|same distribution|"
        r"(all|every|each) class|missing class|distribut|train_test_split": {"shuffled": True},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out images of nine classes",
    good=0.92,
)
def split_and_then_shuffled(
    seed,
    callbacks,
    shuffled=False,
    epochs=10,
    units=24,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell nine categories listed in a table: the validation is far from the training."""
    random = start(seed)
    x, y = digits(seed, range(9))
    x_test, y_test, x, y = x[1200:], y[1200:], x[:1200], y[:1200]
    rows = random.permutation(1200) if shuffled else np.argsort(y, kind="stable")
    x, y = x[rows], y[rows]
    cut = 240  # the first fifth validates

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(9, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[cut:], one_hot(y[cut:], 9)),
        validation_data=(x[:cut], one_hot(y[:cut], 9)),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test, y_test)


@sound(
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
    metric="R² on held-out furnaces, without the outliers' noise",
    good=0.85,
)
def furnaces_with_outliers(seed, callbacks):
    """Outliers: a training step of its own minimizes log cosh, and clips."""
    random = start(seed)
    x = random.normal(size=(2600, 5)).astype("float32")
    true = x[:, 0] + 0.7 * x[:, 1] * x[:, 2] - 0.6 * np.abs(x[:, 3])
    true = standardized(true)
    y = true + random.normal(0, 0.2, 2600)
    y = np.where(random.random(2600) < 0.05, y + random.normal(0, 5, 2600), y).astype("float32")
    inputs = keras.Input((5,))
    seen = layers.Dense(32, activation="relu")(inputs)
    seen = layers.Dense(32, activation="relu")(seen)
    model = OwnStep(inputs, layers.Dense(1)(seen), log_cosh)
    model.compile(Adam(0.003))
    model.fit(
        *(x[:1800], y[:1800]),
        validation_data=(x[1800:2100], y[1800:2100]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(true[2100:], model.predict(x[2100:], verbose=0)[:, 0])


def contrastive(same, distance):
    """Pull equal pairs together, push others apart by up to 1."""
    same = ops.cast(same, distance.dtype)
    return ops.mean(
        same * ops.square(distance) + (1 - same) * ops.square(ops.maximum(1 - distance, 0)), axis=-1
    )


@sound(
    source="https://keras.io/examples/vision/siamese_contrastive/",
    metric="accuracy on pairs of held-out digits",
    good=0.9,
)
def pairs_of_digits(seed, callbacks):
    """Two inputs: a shared tower, a distance instead of a probability, a loss of its own."""
    random = start(seed)
    x, y = digits(seed)

    def pairs(rows, count):
        first = random.choice(rows, count)
        second = random.choice(rows, count)
        for row in range(0, count, 2):  # every second pair is of one class
            second[row] = random.choice(rows[y[rows] == y[first[row]]])
        same = (y[first] == y[second]).astype("float32")
        return [x[first], x[second]], same

    train, valid, test = np.split(np.arange(len(x)), [1100, 1400])
    tower = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(24, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    inputs = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    gap = layers.Subtract()([tower(inputs[0]), tower(inputs[1])])
    squares = layers.Dot(1)([gap, gap])
    distance = layers.Lambda(lambda s: ops.sqrt(s + 1e-6), output_shape=(1,))(squares)
    model = keras.Model(inputs, distance)
    model.compile(Adam(0.002), contrastive)
    x_pairs, same = pairs(train, 4000)
    model.fit(
        *(x_pairs, same[:, None]),
        validation_data=(lambda p: (p[0], p[1][:, None]))(pairs(valid, 600)),
        batch_size=64,
        epochs=12,
        callbacks=callbacks,
        verbose=0,
    )
    x_pairs, same = pairs(test, 1000)
    return float(np.mean((model.predict(x_pairs, verbose=0)[:, 0] < 0.5) == (same > 0.5)))


@sound(
    source="https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_diabetes.html",
    metric="R² on held-out patients",
    good=0.3,
)
def diabetes_after_a_year(seed, callbacks):
    """Few rows: nobody explains much more than half of it, and a small network stops early."""
    random = start(seed)
    x, y = datasets.load_diabetes(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), standardized(y[rows])
    decay = keras.regularizers.L2(0.01)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(16, activation="relu", kernel_regularizer=decay),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.005), "mean_squared_error", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    model.fit(
        *(x[:260], y[:260]),
        validation_data=(x[260:330], y[260:330]),
        epochs=60,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[330:], model.predict(x[330:], verbose=0)[:, 0])


def pinball(y_true, y_pred):
    """Loss of the 90 % quantile."""
    away = y_true - y_pred
    return ops.mean(ops.maximum(0.9 * away, -0.1 * away), axis=-1)


@sound(
    source="https://scikit-learn.org/stable/auto_examples/linear_model/"
    "plot_quantile_regression.html",
    metric="R² of the true 90 % quantile on held-out days",
    good=0.85,
)
def the_worst_day_in_ten(seed, callbacks):
    """Own loss: the quantile that only one day in ten exceeds, not the mean."""
    random = start(seed)
    x = random.normal(size=(4500, 3)).astype("float32")
    middle, spread = x[:, 0] + 0.5 * np.abs(x[:, 1]), 0.3 + 0.5 * np.abs(x[:, 2])
    y = (middle + spread * random.normal(size=4500)).astype("float32")[:, None]
    true = middle + 1.2816 * spread
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(32, activation="gelu"),
            layers.Dense(32, activation="gelu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.002), pinball)
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:3200], y[:3200]),
        validation_data=(x[3200:3800], y[3200:3800]),
        batch_size=64,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(true[3800:], model.predict(x[3800:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay_restarts/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_with_warm_restarts(seed, callbacks):
    """Large rate: SGD from 0.5, restarted twice, with smoothed labels."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(48, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(10),
        ]
    )
    steps = int(np.ceil(1000 / 64))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    rate = CosineDecayRestarts(0.5, 3 * steps, t_mul=2.0, m_mul=0.6)
    model.compile(SGD(rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1000], one_hot(y[:1000], 10)),
        validation_data=(x[1000:1200], one_hot(y[1000:1200], 10)),
        batch_size=64,
        epochs=21,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


@sound(
    source="https://blog.keras.io/building-autoencoders-in-keras.html",
    metric="R² of the clean pixels of held-out digits",
    good=0.7,
)
def digits_without_their_noise(seed, callbacks):
    """Images as targets: a denoising autoencoder, whose cross-entropy cannot fall to zero."""
    random = start(seed)
    x, _ = digits(seed)
    noisy = np.clip(x + random.normal(0, 0.25, x.shape), 0, 1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.UpSampling2D(),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy")
    model.fit(
        *(noisy[:1200], x[:1200]),
        validation_data=(noisy[1200:1450], x[1200:1450]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(x[1450:].ravel(), model.predict(noisy[1450:], verbose=0).ravel())


PROGRAMS = [
    pumps_in_a_loop_of_my_own,
    nuclei_and_their_masks,
    claims_whose_f1_rises,
    heat_that_is_remembered,
    labels_from_a_list,
    the_value_after_the_window,
    one_word_more,
    split_and_then_shuffled,
]
SOUND = [
    furnaces_with_outliers,
    pairs_of_digits,
    diabetes_after_a_year,
    the_worst_day_in_ten,
    digits_with_warm_restarts,
    digits_without_their_noise,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
