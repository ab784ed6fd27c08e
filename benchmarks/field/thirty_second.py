"""Fourteen more field programs with silent mistakes, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.thirty_second
    python benchmarks/diagnosis.py --programs thirty_second
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam
from sklearn import datasets
from sklearn.metrics import balanced_accuracy_score

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
    source="https://github.com/keras-team/keras/issues/12075",
    cause="images and masks are turned and flipped by separate draws, so that they do not fit",
    causes="data preprocessing",
    evidence=r"(mask|label|target|image|pair|row|sample|\by\b|input)s?[\s\S]{0,120}(do(es)? not "
    r"(fit|match|belong|correspond|agree)|mismatch|misalign|not aligned|separate|independent|"
    r"unrelated|nothing to do|differently|another (draw|seed|transform)|shuffled|wrong (row|order)|"
    r"no (relation|connection)|pair(ed|ing))|(augment|flip|rotat|transform|pairing)[\s\S]{0,80}"
    r"(mask|label|target|image|differ|same|row)|(labels?|targets?|masks?)[\s\S]{0,60}"
    r"(augment|flip|rotat|transform)|nothing[\s\S]{0,30}to learn|"
    r"cannot be (foretold|predicted|learned|explained)",
    repair={"together": True},
    advice={
        r"(same|joint|together|identical|one)[\s\S]{0,40}(seed|transform|augment|flip|draw|turn)|"
        r"(mask|label|target|pair)[\s\S]{0,80}(match|fit|align|belong|same|too|as well|pair|order)|"
        r"(check|verify|look at|plot|print)[\s\S]{0,60}(pair|mask|label|target|row|batch|image)": {
            "together": True
        },
        r"(without|no|remove|drop|switch off|less) (\w+ )?augment": {"augmented": False},
        "longer": {"epochs": 30},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="share of intersection in union on held-out images",
    good=0.6,
)
def masks_turned_apart(
    seed,
    callbacks,
    together=False,
    augmented=True,
    epochs=10,
    units=12,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find a stain in images turned at random: the mask stays nearly empty."""
    random = start(seed)
    rows, size = 720, 16
    centre, radius = random.uniform(2, 14, (rows, 2)), random.uniform(2, 3.5, rows)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), axis=-1)
    away = np.linalg.norm(grid[None] - centre[:, None, None], axis=-1)
    masks = (away < radius[:, None, None]).astype("float32")[..., None]
    images = (0.6 * masks + random.normal(0.2, 0.25, masks.shape)).astype("float32")

    def turned(batch, draws):
        """Turn and flip each image by draws of its own."""
        turns, flips = draws.integers(0, 4, len(batch)), draws.integers(0, 2, len(batch))
        return np.stack(
            [
                np.rot90(one[:, ::-1] if flip else one, turn)
                for one, turn, flip in zip(batch, turns, flips, strict=True)
            ]
        )

    def flow():
        of_images = np.random.default_rng(seed)
        of_masks = np.random.default_rng(seed if together else seed + 1)
        while True:
            order = random.permutation(400)
            for first in range(0, 400, 16):
                some = order[first : first + 16]
                if augmented:
                    yield turned(images[some], of_images), turned(masks[some], of_masks)
                else:
                    yield images[some], masks[some]

    model = keras.Sequential([keras.Input((size, size, 1))])
    for _ in range(2):
        model.add(
            layers.Conv2D(
                units, 3, padding="same", activation="relu", kernel_initializer=initializer
            )
        )
        model.add(layers.Dropout(dropout))
    model.add(layers.Conv2D(1, 3, padding="same", activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        flow(),
        steps_per_epoch=25,
        validation_data=(images[400:480], masks[400:480]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess, truth = model.predict(images[480:], verbose=0) > 0.5, masks[480:] > 0.5
    return float((guess & truth).sum() / (guess | truth).sum())


class OwnLoop(keras.Model):
    """A model that computes its squared error in a step of its own."""

    def train_step(self, data):
        """Take one step; labels are compared with outputs as they come."""
        x, y = data
        with tf.GradientTape() as tape:
            error = tf.cast(y, "float32") - self(x, training=True)
            loss = tf.reduce_mean(tf.square(error))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@case(
    source="https://github.com/tensorflow/tensorflow/issues/28901",
    cause="labels (16,) less outputs (16, 1) are broadcast to (16, 16): a column of labels repairs",
    causes="loss data layers",
    evidence=r"broadcast|shape|\(\w+,\)|\(\w+, ?1\)|dimension|rank|axis|column|"
    r"(every|each|all) (label|target|row|output)s?[\s\S]{0,60}(every|each|all|other)|"
    r"(two|2|one|1)[\s-]?(d|dimensional)\b|\[:, ?(none|newaxis|tf\.newaxis)\]|expand_dims|reshape|"
    r"squeeze",
    repair={"column": True},
    advice={
        r"shape|reshape|expand_dims|squeeze|newaxis|\[:, ?None\]|broadcast|column|dimension": {
            "column": True
        },
        r"compute_loss|built-in (step|loop)|(without|remove|drop)[\s\S]{0,30}train_step|"
        r"keras\.losses": {"own": False},
        "longer": {"epochs": 45},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 4e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {},
    },
    metric="R² on held-out rows",
    good=0.8,
)
def faces_in_a_loop_of_ones_own(
    seed,
    callbacks,
    column=False,
    own=True,
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell an age from six measures by a step of one's own: the same age for everybody."""
    random = start(seed)
    x = random.normal(size=(1800, 6)).astype("float32")
    y = standardized(
        x[:, 0] + np.abs(x[:, 1]) - 0.8 * x[:, 2] * x[:, 3] + random.normal(0, 0.3, 1800)
    )
    labels = y[:, None] if column else y
    rows = tf.data.Dataset.from_tensor_slices((x[:1200], labels[:1200]))
    rows = rows.shuffle(1200, seed=seed).batch(16)

    inputs = keras.Input((6,))
    hidden = inputs
    for _ in range(2):
        hidden = layers.Dense(units, activation="relu", kernel_initializer=initializer)(hidden)
        hidden = layers.Dropout(dropout)(hidden)
    kind = OwnLoop if own else keras.Model
    model = kind(inputs, layers.Dense(1)(hidden))
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(rows, epochs=epochs, callbacks=callbacks, verbose=0)
    return r_squared(y[1200:], model.predict(x[1200:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/8346",
    cause="validation_split cuts off the last fifth of sorted rows: a class is never trained",
    causes="data preprocessing",
    evidence=r"validation_split|sorted|in order|order of the|shuffl|(last|one|a|fifth|some|single) "
    r"(\w+ ){0,3}class|class(es)?[\s\S]{0,80}(never|missing|absent|only|not in|no row|not seen|"
    r"not occur|lack|without)|(label|class)(s|es)?[\s\S]{0,60}validation|validation[\s\S]{0,80}"
    r"(class|label|other|differ|not from|another|sorted|distribution)|split",
    repair={"mixed": True},
    advice={
        r"shuffl|permut|stratif|train_test_split|mix|random(ly)? (order|split)|"
        r"validation_data": {"mixed": True},
        "longer": {"epochs": 36},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
        "softmax": {},
    },
    metric="accuracy on held-out digits from 0 to 4",
    good=0.92,
)
def five_folders_one_after_another(
    seed,
    callbacks,
    mixed=False,
    activation="softmax",
    epochs=12,
    units=32,
    learning_rate=0.002,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Tell five kinds of images, read folder by folder: no validation image is ever right."""
    random = start(seed)
    x, y = digits(seed, range(5))
    kept = np.concatenate([np.flatnonzero(y == kind)[:130] for kind in range(5)])
    held = np.setdiff1d(np.arange(len(y)), kept)
    held_x, held_y, x, y = x[held], y[held], x[kept], y[kept]
    order = random.permutation(650) if mixed else np.argsort(y, kind="stable")
    x, y = x[order], one_hot(y[order], 5)

    model = keras.Sequential([keras.Input((8, 8, 1))])
    for width in (16, 32):
        for _ in range(2):
            model.add(
                layers.Conv2D(
                    *(width, 3),
                    padding="same",
                    activation="relu",
                    kernel_initializer=initializer,
                )
            )
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(5, activation=activation))
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x, y),
        validation_split=0.2,
        shuffle=True,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, held_x, held_y)


class Flipped(keras.utils.PyDataset):
    """Batches of images and hands (left x, left y, right x, right y), half of them mirrored."""

    def __init__(self, x, y, share, swapped, seed):
        super().__init__()
        self.x, self.y, self.share, self.swapped = x, y, share, swapped
        self.random = np.random.default_rng(seed)
        self.order = self.random.permutation(len(x))

    def __len__(self):
        return len(self.x) // 32

    def on_epoch_end(self):
        """Draw another order."""
        self.order = self.random.permutation(len(self.x))

    def __getitem__(self, index):
        rows = self.order[32 * index : 32 * (index + 1)]
        x, y = self.x[rows].copy(), self.y[rows].copy()
        flip = self.random.random(len(rows)) < self.share
        x[flip] = x[flip][:, :, ::-1]
        mirrored = y[flip] * [-1, 1, -1, 1]
        y[flip] = mirrored[:, [2, 3, 0, 1]] if self.swapped else mirrored
        return x, y


@case(
    source="https://github.com/robertklee/COCO-Human-Pose/pull/29",
    cause="in mirrored images the left hand is the right one, but the labels are not exchanged",
    causes="data preprocessing",
    evidence=r"flip|mirror|augment|left|(labels?|targets?|\by\b)[\s\S]{0,80}(contradict|swap|"
    r"exchang|inconsistent|two (different )?(values|labels|answers)|do not (fit|match|follow))|"
    r"(training|batch|generator)[\s\S]{0,80}(rows|labels|targets|batches|data)[\s\S]{0,60}"
    r"(differ|other than|unlike|not those)|(validation|held-out)[\s\S]{0,80}(differ|other|shift|"
    r"distribution)[\s\S]{0,60}(train|batch|label|target)",
    repair={"swapped": True},
    advice={
        r"swap|exchange|left|(labels?|targets?)[\s\S]{0,60}(too|as well|with|same|follow|match|"
        r"fit|flip|mirror)": {"swapped": True},
        r"(without|no|remove|drop|stop|switch off|turn off|less) (the |your |this )?(\w+ )?"
        r"(augment|flip|mirror)": {"share": 0.0},
        "longer": {"epochs": 30},
        "wider": {"units": 192},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 4e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="R² of the hands' places on held-out images",
    good=0.8,
)
def hands_in_a_mirror(
    seed,
    callbacks,
    swapped=False,
    share=0.5,
    epochs=14,
    units=64,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find both hands in small images: the guesses lie between them."""
    random = start(seed)
    rows, size = 1700, 16
    places = np.stack(
        [
            random.uniform(-0.9, -0.2, rows),
            random.uniform(-0.9, 0.9, rows),
            random.uniform(0.2, 0.9, rows),
            random.uniform(-0.9, 0.9, rows),
        ],
        axis=1,
    ).astype("float32")
    axis = np.linspace(-1, 1, size)
    x = random.normal(0, 0.08, (rows, size, size))
    for hand in (0, 2):
        across = np.exp(-(((axis - places[:, hand, None]) / 0.16) ** 2))
        down = np.exp(-(((axis - places[:, hand + 1, None]) / 0.16) ** 2))
        x += down[:, :, None] * across[:, None]
    x = x.astype("float32")[..., None]

    model = keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.Conv2D(
                *(16, 3, 2),
                padding="same",
                activation="relu",
                kernel_initializer=initializer,
            ),
            layers.Conv2D(
                *(24, 3, 2),
                padding="same",
                activation="relu",
                kernel_initializer=initializer,
            ),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(4),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        Flipped(x[:1200], places[:1200], share, swapped, seed),
        validation_data=(x[1200:1350], places[1200:1350]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(places[1350:], model.predict(x[1350:], verbose=0))


@case(
    source="https://github.com/tensorflow/tensorflow/issues/36626",
    cause="rows sorted by class are shuffled in a buffer of 32: a batch holds one or two classes",
    causes="data preprocessing",
    evidence=r"shuffl|buffer|sorted|order|(batch|step|update)(es|s)?[\s\S]{0,80}(one|same|single|few|"
    r"two) (\w+ )?(class|label|kind)|(class|label)(es|s)?[\s\S]{0,80}(per batch|in a batch|batches|"
    r"one after|in turn|in a row|block)|(forget|forgot)|(consecutive|successive|neighbou?ring) "
    r"(rows|batches|labels)",
    repair={"buffer": 1400},
    advice={
        r"shuffl|buffer|mix|permut|random order": {"buffer": 1400},
        "longer": {"epochs": 21},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 4e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="accuracy on held-out digits",
    good=0.84,
)
def digits_one_after_another(
    seed,
    callbacks,
    buffer=32,
    epochs=7,
    units=48,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read noisy digits from a file of first all zeros, then all ones: only the last are known."""
    random = start(seed)
    x, y = digits(seed)
    x = (x + random.normal(0, 0.25, x.shape)).astype("float32")
    order = np.argsort(y[:1250], kind="stable")
    rows = tf.data.Dataset.from_tensor_slices((x[:1250][order], y[:1250][order]))
    rows = rows.shuffle(buffer, seed=seed).batch(32).prefetch(2)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        rows,
        validation_data=(x[1250:1400], y[1250:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


def where_labelled(y, guess):
    """Binary crossentropy of the labels that are not -1."""
    known = ops.cast(y >= 0, "float32")
    guess = ops.clip(guess, 1e-6, 1 - 1e-6)
    loss = -(y * ops.log(guess) + (1 - y) * ops.log(1 - guess))
    return ops.sum(known * loss, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)


@case(
    source="https://www.dlology.com/blog/how-to-multi-task-learning-with-missing-labels-in-keras/",
    cause="labels not known are -1, which the crossentropy takes for targets; they must be masked",
    causes="loss data preprocessing",
    evidence=r"-1|−1|minus one|negative|below (0|zero)|missing|unlabell?ed|mask|outside|"
    r"(labels?|targets?|\by\b)[\s\S]{0,80}(not (0|binary|between|in|probabilit)|other than|"
    r"three values|range|invalid|neither|from -)",
    repair={"loss": "where_labelled"},
    advice={
        r"mask|missing|unlabell?ed|ignore|sample_weight|weight|own loss|leave out": {
            "loss": "where_labelled"
        },
        r"(drop|remove) (the |those |such )?rows": {"complete": True},
        r"(0 and 1|0 or 1|0 to 1|from 0|clip the|replace|map|recode|relabel|labels? (of|to|in))": {
            "unknown": 0.0
        },
        "longer": {"epochs": 45},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {"loss": "binary_crossentropy"},
        "linear": {"activation": "linear"},
        "sigmoid": {},
    },
    metric="balanced accuracy on held-out scenes, averaged over three questions",
    good=0.85,
)
def scenes_half_labelled(
    seed,
    callbacks,
    loss="binary_crossentropy",
    activation="sigmoid",
    unknown=-1.0,
    complete=False,
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell whether signs, lights and cars are seen, half of the labels lacking: always no."""
    random = start(seed)
    x = random.normal(size=(2600, 8)).astype("float32")
    signs = x[:, 0] + x[:, 1] * x[:, 2]
    lights = np.abs(x[:, 3]) - 0.7 + 0.6 * x[:, 4]
    cars = x[:, 5] - x[:, 6] + 0.5 * x[:, 0]
    clean = np.stack([signs, lights, cars], axis=1) + random.normal(0, 0.15, (2600, 3)) > 0
    y = clean.astype("float32")
    lacking = random.random(y.shape) < 0.5
    if complete:
        kept = np.flatnonzero(~lacking[:2000].any(axis=1))
    else:
        y[lacking], kept = unknown, np.arange(2000)
    train, valid = kept[: int(0.85 * len(kept))], kept[int(0.85 * len(kept)) :]

    model = keras.Sequential([keras.Input((8,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(3, activation=activation))
    if loss == "where_labelled":
        loss = where_labelled
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[train], y[train]),
        validation_data=(x[valid], y[valid]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[2000:], verbose=0) > 0.5
    scores = [balanced_accuracy_score(clean[2000:, task], guess[:, task]) for task in range(3)]
    return float(np.mean(scores))


@case(
    source="https://github.com/keras-team/keras/issues/7729",
    cause="the generator empties its lists at each row: a batch is one row, 30 of 1920 are used",
    causes="data batch_size",
    evidence=r"generator|batch(es)?[\s\S]{0,80}(one|1\b|single|size|small|row)|(one|1|single) "
    r"(row|sample|image|example)|(same|only|few|30|too few|thirty)[\s\S]{0,40}(rows|samples|images|"
    r"examples|data)|batch_size|rows? (is|are) (seen|used|repeated)|memori[sz]|"
    r"(rows|samples|images)[\s\S]{0,60}(never|not) (seen|used|shown|reached)",
    repair={"emptied": "after the batch"},
    advice={
        r"generator|batch|collect|(every|all)( the)? (row|sample|image)|more (rows|data|samples|"
        r"images|examples)|whole (data|table)": {"emptied": "after the batch"},
        "longer": {"epochs": 45},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 4e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
    },
    metric="R² of the steering angle on held-out images",
    good=0.85,
)
def steering_from_a_generator(
    seed,
    callbacks,
    emptied="at each row",
    epochs=15,
    units=32,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Steer by images of a road, read in batches of 64: new roads are steered badly."""
    random = start(seed)
    rows, size = 2520, 12
    near, far = random.uniform(-0.6, 0.6, rows), random.uniform(-0.8, 0.8, rows)
    height, axis = np.linspace(0, 1, size), np.linspace(-1, 1, size)
    middle = near[:, None] + (far - near)[:, None] * height**2
    road = np.exp(-(((axis - middle[:, :, None]) / 0.25) ** 2))
    road *= random.uniform(0.4, 1.2, rows)[:, None, None]
    x = (road + random.normal(0, 0.35, road.shape)).astype("float32")[..., None]
    y = standardized(far + 0.5 * near)

    def flow(batch_size=64):
        inputs, targets, count = [], [], 0
        while True:
            for row in range(1920):
                if emptied == "at each row":
                    inputs, targets = [], []
                inputs.append(x[row])
                targets.append(y[row])
                count += 1
                if count >= batch_size:
                    yield np.array(inputs), np.array(targets)
                    inputs, targets, count = [], [], 0

    model = keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.Conv2D(12, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(16, 3, 2, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        flow(),
        steps_per_epoch=30,
        validation_data=(x[1920:2120], y[1920:2120]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2120:], model.predict(x[2120:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/20898",
    cause="the LSTM reads dozens of zeros after the words and forgets them; mask_zero repairs it",
    causes="layers data preprocessing",
    evidence=r"pad|mask|zeros?\b[\s\S]{0,60}(end|after|last|trail|most|step)|trailing|"
    r"(last|end|final)[\s\S]{0,60}(step|constant|same|zero)|(steps?|tokens?|inputs?|words?|"
    r"columns?)[\s\S]{0,60}(constant|are 0|zero|empty|same)|forget|forgot|"
    r"(long|many)[\s\S]{0,30}(sequence|steps)|sequence[\s\S]{0,40}long|vanish",
    repair={"masked": True},
    advice={
        r"mask": {"masked": True},
        r"pre-?pad|padding=.pre|pad[\s\S]{0,40}(front|before|left|start|pre)|"
        r"(front|before|left) ": {"padding": "pre"},
        r"bidirectional": {"bidirectional": True},
        r"pool|attention": {"pooled": True},
        r"shorter|truncat|maxlen|cut": {"length": 16},
        "longer": {"epochs": 18},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
    },
    metric="accuracy on held-out reviews",
    good=0.85,
)
def reviews_that_end_in_zeros(
    seed,
    callbacks,
    masked=False,
    padding="post",
    bidirectional=False,
    pooled=False,
    length=80,
    epochs=6,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell praise from blame in short reviews by an LSTM: the accuracy stays near one half."""
    random = start(seed)
    rows = 1700
    y = random.integers(0, 2, rows)
    words = random.integers(31, 200, (rows, 16))
    told = random.random((rows, 16)) < 0.3
    words[told] = (random.integers(1, 16, (rows, 16)) + 15 * y[:, None])[told]
    texts = [text[:count] for text, count in zip(words, random.integers(6, 17, rows), strict=True)]
    x = keras.utils.pad_sequences(texts, maxlen=length, padding=padding)

    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(200, 12, mask_zero=masked),
        ]
    )
    reader = layers.LSTM(units, kernel_initializer=initializer, return_sequences=pooled)
    model.add(layers.Bidirectional(reader) if bidirectional else reader)
    if pooled:
        model.add(layers.GlobalMaxPooling1D())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1300:], verbose=0)[:, 0] > 0.5) == y[1300:]))


def ninth_tenth(y, guess):
    """Pinball loss, least at the value that nine of ten stay below."""
    error = y - guess
    return ops.mean(ops.maximum(0.9 * error, -0.1 * error), axis=-1)


@sound(
    source="https://scikit-learn.org/stable/auto_examples/ensemble/"
    "plot_gradient_boosting_quantile.html",
    metric="R² against the true ninth tenth on held-out rows",
    good=0.85,
)
def waiting_times_rarely_exceeded(seed, callbacks):
    """Odd loss: a bound that nine of ten waiting times stay below, far above most of them."""
    random = start(seed)
    x = random.uniform(-2, 2, (4000, 2)).astype("float32")
    middle, spread = np.sin(1.5 * x[:, 0]), 0.3 + 0.4 * np.abs(x[:, 1])
    y = (middle + spread * random.normal(size=4000)).astype("float32")
    bound = middle + 1.2816 * spread
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.003), ninth_tenth)
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:2800], y[:2800, None]),
        validation_data=(x[2800:3300], y[2800:3300, None]),
        batch_size=64,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(bound[3300:], model.predict(x[3300:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/examples/vision/autoencoder/",
    metric="R² against clean held-out digits",
    good=0.7,
)
def digits_without_their_noise(seed, callbacks):
    """Images as targets: noise is taken off digits, the inputs being much noisier."""
    random = start(seed)
    clean, _ = digits(seed)
    noisy = np.clip(clean + random.normal(0, 0.3, clean.shape), 0, 1).astype("float32")
    model = keras.Sequential([keras.Input((8, 8, 1))])
    model.add(layers.Conv2D(24, 3, padding="same", activation="relu"))
    model.add(layers.MaxPooling2D(padding="same"))
    model.add(layers.Conv2D(32, 3, padding="same", activation="relu"))
    model.add(layers.Conv2DTranspose(24, 3, strides=2, padding="same", activation="relu"))
    model.add(layers.Conv2D(1, 3, padding="same", activation="sigmoid"))
    model.compile(Adam(0.003), "binary_crossentropy")
    model.fit(
        *(noisy[:1200], clean[:1200]),
        validation_data=(noisy[1200:1400], clean[1200:1400]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(noisy[1400:], verbose=0)
    return r_squared(clean[1400:].ravel(), guess.ravel())


@sound(
    source="https://en.wikipedia.org/wiki/Extreme_learning_machine",
    metric="accuracy on held-out digits",
    good=0.9,
)
def head_on_random_features(seed, callbacks):
    """Frozen parts: 400 random features that are never trained, and a trained head."""
    start(seed)
    x, y = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(400, activation="relu", kernel_initializer="he_normal", trainable=False),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class",
    metric="accuracy on held-out rows, a quarter of whose labels are drawn anew",
    good=0.68,
)
def labels_of_tired_people(seed, callbacks):
    """Noise: a quarter of all labels is drawn at random, the labels are smoothed."""
    random = start(seed)
    x = random.normal(size=(4200, 6)).astype("float32")
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * x[:, 3], [-0.6, 0.6])
    wrong = random.random(4200) < 0.25
    y[wrong] = random.integers(0, 3, wrong.sum())
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(24, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(Adam(0.003), loss, metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:2800], one_hot(y[:2800], 3)),
        validation_data=(x[2800:3400], one_hot(y[2800:3400], 3)),
        batch_size=64,
        epochs=25,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[3400:], y[3400:])


@sound(
    source="https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_diabetes.html",
    metric="R² on held-out patients",
    good=0.33,
)
def diabetes_after_a_year(seed, callbacks):
    """Few rows: 442 patients, whose course is foretold to less than one half."""
    random = start(seed)
    x, y = datasets.load_diabetes(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), standardized(y[rows])
    decay = keras.regularizers.L2(0.01)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(16, activation="relu", kernel_regularizer=decay),
            layers.Dense(1, kernel_regularizer=decay),
        ]
    )
    model.compile(Adam(0.003), "mean_squared_error", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    model.fit(
        *(x[:240], y[:240]),
        validation_data=(x[240:300], y[240:300]),
        batch_size=16,
        epochs=50,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(y[300:], model.predict(x[300:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
    metric="R² on held-out rows",
    good=0.85,
)
def own_loop_at_a_large_rate(seed, callbacks):
    """Descend by a step of one's own: SGD at 0.1 with tanh, labels in a column."""
    random = start(seed)
    x = random.normal(size=(2400, 5)).astype("float32")
    y = x[:, 0] - 0.7 * x[:, 1] + np.sin(2 * x[:, 2]) + 0.6 * x[:, 3] * x[:, 4]
    y = standardized(y + random.normal(0, 0.2, 2400))[:, None]
    inputs = keras.Input((5,))
    hidden = layers.Dense(48, activation="tanh")(inputs)
    hidden = layers.Dense(48, activation="tanh")(hidden)
    model = OwnLoop(inputs, layers.Dense(1)(hidden))
    model.compile(SGD(0.1), "mean_squared_error")
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        batch_size=16,
        epochs=30,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:, 0], model.predict(x[1900:], verbose=0)[:, 0])


PROGRAMS = [
    masks_turned_apart,
    faces_in_a_loop_of_ones_own,
    five_folders_one_after_another,
    hands_in_a_mirror,
    digits_one_after_another,
    scenes_half_labelled,
    steering_from_a_generator,
    reviews_that_end_in_zeros,
]
SOUND = [
    waiting_times_rarely_exceeded,
    digits_without_their_noise,
    head_on_random_features,
    labels_of_tired_people,
    diabetes_after_a_year,
    own_loop_at_a_large_rate,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
