"""Fourteen more field programs of an ordinary week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.twentieth
    python benchmarks/diagnosis.py --programs twentieth
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
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


def scans(random, rows, spots=1, noise=0.3):
    """Noisy images (N, 16, 16, 1) and the number of the spot (N, 16, 16) in every pixel, 0 = none.

    Spot 1 is a grey disc, spot 2 a bright rectangle.
    """
    down, right = np.mgrid[:16, :16]
    kinds = np.zeros((rows, 16, 16), int)
    row, column = random.uniform(3, 13, (2, rows, 1, 1))
    radius = random.uniform(1.5, 3.5, (rows, 1, 1))
    kinds[(down - row) ** 2 + (right - column) ** 2 < radius**2] = 1
    if spots == 2:
        top, left = random.integers(0, 12, (2, rows, 1, 1))
        tall, wide = random.integers(3, 6, (2, rows, 1, 1))
        inside = (down >= top) & (down < top + tall) & (right >= left) & (right < left + wide)
        kinds[inside] = 2
    images = np.array([0.0, 0.7, 1.5])[kinds] + random.normal(0, noise, kinds.shape)
    return images[..., None].astype("float32"), kinds


def small_unet(units, dropout=0.0, initializer="glorot_uniform"):
    """Return the input and the last features (16, 16, units) of a network for segmentation."""
    conv = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
    inputs = keras.Input((16, 16, 1))
    fine = layers.Conv2D(units, 3, **conv)(inputs)
    coarse = layers.MaxPooling2D()(fine)
    coarse = layers.Conv2D(2 * units, 3, **conv)(coarse)
    coarse = layers.Conv2D(2 * units, 3, **conv)(coarse)
    both = layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])
    return inputs, layers.Dropout(dropout)(layers.Conv2D(units, 3, **conv)(both))


def overlap(truth, guess):
    """Dice coefficient of two masks."""
    return float(2 * np.sum(truth & guess) / max(np.sum(truth) + np.sum(guess), 1))


@case(
    source="https://github.com/MrGiovanni/ModelsGenesis/pull/8",
    cause="softmax runs along the rows of the image, not over the classes of a pixel",
    causes="activation layers",
    evidence=r"axis|softmax|sums? (up )?to (1|one)|add(s)? up|per pixel|each pixel|"
    r"(over|across|along)[\s\S]{0,40}(class|channel|row|column|height|image|pixel|dimension)|"
    r"(outputs?|probabilit\w+|predictions?)[\s\S]{0,80}(sum|not (a )?distribution|at most|"
    r"never (reach|exceed|above)|small|below|too low|normali[sz]ed|1/16|0\.0)|"
    r"(classes|channels)[\s\S]{0,60}(not|do(es)? not)[\s\S]{0,30}(sum|compete|normali[sz]ed)",
    repair={"axis": -1},
    advice={
        r"axis|over the (classes|channels)|last (axis|dimension)|channels_last|per pixel": {
            "axis": -1
        },
        r"from_logits": {"axis": None, "logits": True},
        "longer": {"epochs": 25},
        "wider": {"units": 16},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"axis": "sigmoid"},
        "softmax": {"axis": -1},
    },
    metric="mean Dice coefficient of both organs on held-out scans, from probabilities above 0.5",
    good=0.85,
)
def organs_by_rows(
    seed,
    callbacks,
    axis=1,
    logits=False,
    epochs=10,
    units=8,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Outline two organs, with an axis copied from a channels-first network: nothing is found."""
    random = start(seed)
    x, kinds = scans(random, 800, spots=2)
    y = one_hot(kinds, 3)
    inputs, seen = small_unet(units, dropout, initializer)
    outputs = layers.Conv2D(3, 1)(seen)
    if axis == "sigmoid":
        outputs = layers.Activation("sigmoid")(outputs)
    elif axis is not None:
        outputs = layers.Softmax(axis=axis)(outputs)
    model = keras.Model(inputs, outputs)
    loss = keras.losses.CategoricalCrossentropy(from_logits=logits)
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:500], y[:500]),
        validation_data=(x[500:600], y[500:600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    told = model.predict(x[600:], verbose=0)
    if logits:
        told = np.asarray(ops.softmax(told))
    return float(np.mean([overlap(kinds[600:] == n, told[..., n] > 0.5) for n in (1, 2)]))


@case(
    source="https://github.com/IAmSuyogJadhav/"
    "3d-mri-brain-tumor-segmentation-using-autoencoder-regularization/issues/7",
    cause="the loss is the Dice coefficient itself: minimizing it drives the overlap to 0",
    causes="loss",
    evidence=r"\bsign\b|minus|negat|\b1 ?[-−–] ?[a-z(]|maximi[sz]|minimi[sz]|"
    r"dice|overlap|wrong (way|side)|direction|rewards?|opposite|revers|invert|upside|"
    r"loss[\s\S]{0,100}(falls?|fell|decreas|lower|better|improv|small)[\s\S]{0,120}(accuracy|"
    r"metric|predictions?|score)[\s\S]{0,60}(worse|fall|fell|drop|no better|does not|do not|wrong)|"
    r"(own|custom) loss|loss (function )?(is|of)[\s\S]{0,30}(own|custom)|"
    r"(predictions?|outputs?)[\s\S]{0,60}(away from|opposite|contradict)|"
    r"(lower|smaller) loss[\s\S]{0,60}(for|when|with)[\s\S]{0,30}wrong",
    repair={"loss": "one minus dice"},
    advice={
        r"1 ?[-−–]|minus|negat|sign|losses\.Dice|loss=.?dice": {"loss": "one minus dice"},
        "longer": {"epochs": 24},
        "wider": {"units": 16},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {"loss": "binary_crossentropy"},
        "linear": {"activation": "linear"},
        "sigmoid": {},
    },
    metric="Dice coefficient on held-out scans",
    good=0.8,
)
def tumour_that_vanishes(
    seed,
    callbacks,
    loss="dice",
    activation="sigmoid",
    epochs=10,
    units=8,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Outline a tumour with a loss found on the web: it falls nicely, and the masks are wrong."""
    random = start(seed)
    x, kinds = scans(random, 800)
    y = (kinds > 0).astype("float32")[..., None]

    def dice_loss(truth, guess):
        both = ops.sum(truth * guess, axis=(1, 2, 3))
        sizes = ops.sum(ops.square(truth), axis=(1, 2, 3)) + ops.sum(
            ops.square(guess), axis=(1, 2, 3)
        )
        dice = (2 * both + 1e-3) / (sizes + 1e-3)
        return dice if loss == "dice" else 1 - dice

    inputs, seen = small_unet(units, dropout, initializer)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation=activation)(seen))
    own = loss in ("dice", "one minus dice")
    model.compile(Adam(learning_rate), dice_loss if own else loss, metrics=["accuracy"])
    model.fit(
        *(x[:500], y[:500]),
        validation_data=(x[500:600], y[500:600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return overlap(kinds[600:] > 0, model.predict(x[600:], verbose=0)[..., 0] > 0.5)


@case(
    source="https://github.com/tensorflow/tensorflow/issues/40620",
    cause="NumPy's noise in `map` is drawn once, when it is traced: all images get the same",
    causes="data preprocessing layers",
    evidence=r"nois|random|drawn|once|trac|numpy|np\.|tf\.data|\.map|pipeline|same (value|pattern|"
    r"offset|draw|difference)|constant|augment|"
    r"(validation|held-out|new|unseen)[\s\S]{0,100}(worse|higher|larger|rises|times|not (fall|"
    r"follow|improve))|train\w*[\s\S]{0,100}(better|lower|smaller)[\s\S]{0,40}validation|overfit|"
    r"generali[sz]|by heart|memori[sz]",
    repair={"noise": "tensorflow"},
    advice={
        r"GaussianNoise": {"noise": "layer"},
        r"tf\.random|keras\.random|fresh|anew|inside the graph|py_function|numpy_function|"
        r"TensorFlow's random|each (image|epoch|batch|call)|augment|redraw|noise": {
            "noise": "tensorflow"
        },
        "longer": {"epochs": 50},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "binary": {"loss": "binary_crossentropy"},
    },
    metric="share of new noise that is taken away from held-out images",
    good=0.65,
)
def noise_of_one_draw(
    seed,
    callbacks,
    noise="numpy",
    activation="sigmoid",
    loss="mean_squared_error",
    epochs=20,
    units=128,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Clean noisy digits: nearly perfect in training, useless for pictures noisy in their turn."""
    random = start(seed)
    x, _ = digits(seed)

    def noisy(image):
        if noise == "layer":
            return image, image
        if noise == "numpy":
            return image + random.normal(0, 0.35, (8, 8, 1)).astype("float32"), image
        return image + tf.random.normal((8, 8, 1), 0, 0.35), image

    def batches(images):
        return tf.data.Dataset.from_tensor_slices(images).map(noisy)

    model = keras.Sequential([keras.Input((8, 8, 1))])
    if noise == "layer":
        model.add(layers.GaussianNoise(0.35))
    model.add(layers.Flatten())
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(64, activation=activation))
    model.add(layers.Reshape((8, 8, 1)))
    model.compile(Adam(learning_rate), loss)
    model.fit(
        batches(x[:1200]).shuffle(1200).batch(32),
        validation_data=batches(x[1200:1400]).batch(100),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    clean = x[1400:]
    soiled = (clean + random.normal(0, 0.35, clean.shape)).astype("float32")
    left = np.mean((model.predict(soiled, verbose=0) - clean) ** 2)
    return float(1 - left / np.mean((soiled - clean) ** 2))


@case(
    source="https://github.com/EscVM/RAMS/issues/15",
    cause="`map` returns a new dataset, which is thrown away: images are never shifted",
    causes="data preprocessing layers",
    evidence=r"augment|shift|translat|RandomTranslation|\.map|overfit|generali[sz]|by heart|"
    r"memori[sz]|train\w*[\s\S]{0,120}(better|higher|lower|perfect|above|while|but)[\s\S]{0,60}(validation|"
    r"held-out|unseen)|validation[\s\S]{0,120}(worse|lower|higher|below|rises|behind|not follow|"
    r"apart|differ)|(differ|other) (distribution|data|prepar)|prepared (differently|otherwise)|"
    r"more data|too few (rows|images|examples|samples)",
    repair={"kept": True},
    advice={
        r"augment|RandomTranslation|shift|translat|\.map|assign|more (data|images)|Random\w+\(": {
            "kept": True
        },
        r"GlobalAverage|GlobalMax|global pooling": {"pooled": True},
        "longer": {"epochs": 60},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out photos, whose digits are not in their middle",
    good=0.85,
)
def shifts_thrown_away(
    seed,
    callbacks,
    kept=False,
    pooled=False,
    epochs=20,
    units=32,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read digits of photos, trained on centred scans: the augmentation seems to do nothing."""
    random = start(seed)
    x, y = digits(seed)
    photos = np.zeros((len(x), 14, 14, 1), "float32")
    photos[:, 3:11, 3:11] = x
    for image, (down, right) in zip(
        photos[1000:], random.integers(-3, 4, (len(x) - 1000, 2)), strict=True
    ):
        image[:] = np.roll(image, (down, right), axis=(0, 1))

    def shifted(image, label):
        return tf.roll(image, tf.random.uniform((2,), -3, 4, tf.int32), axis=(0, 1)), label

    train = tf.data.Dataset.from_tensor_slices((photos[:1000], y[:1000])).shuffle(1000)
    if kept:
        train = train.map(shifted)
    else:
        train.map(shifted)
    train = train.batch(32).prefetch(1)

    model = keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Conv2D(units, 3, activation="relu", kernel_initializer=initializer),
            layers.GlobalMaxPooling2D() if pooled else layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        train,
        validation_data=(photos[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, photos[1200:], y[1200:])


class Copier(keras.Model):
    """An encoder and a decoder with a training step of their own."""

    def __init__(self, encoder, decoder, whole):
        super().__init__()
        self.encoder, self.decoder, self.whole = encoder, decoder, whole

    def call(self, x, training=False):
        """Return the copies of images."""
        return self.decoder(self.encoder(x, training=training), training=training)

    def train_step(self, data):
        """Take one step, of the decoder only unless `whole`."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        variables = (self if self.whole else self.decoder).trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}


@case(
    source="https://github.com/keras-team/keras-io/issues/796",
    cause="the own train_step updates the decoder's variables only: the encoder stays random",
    causes="layers optimizer initialization",
    evidence=r"encoder|train_step|trainable_variables|frozen|froze|"
    r"(weights?|layers?|kernels?|variables?|part)[\s\S]{0,100}(not (move|change|learn|train|updat)|"
    r"never|unchanged|did not|do not|does not|stay|remain|no (update|gradient))|"
    r"(not|never) (moved?|changed?|trained|updated)|updates? (only|no)|only (the )?(decoder|last)|"
    r"random (features|weights|projection|code)|initial values|gradients?[\s\S]{0,40}(none|missing|"
    r"not applied)",
    repair={"whole": True},
    advice={
        r"trainable_variables|train_step|encoder|all (the )?(weights|variables)|trainable ?= ?True|"
        r"unfreeze|remove the own|super\(\)": {"whole": True},
        r"larger code|wider (code|bottleneck)|bottleneck": {"code": 16},
        "longer": {"epochs": 60},
        "wider": {"units": 192},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.2},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
    },
    metric="R² of held-out pixels",
    good=0.65,
)
def encoder_left_behind(
    seed,
    callbacks,
    whole=False,
    activation="sigmoid",
    code=8,
    epochs=20,
    units=96,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Copy digits through eight numbers, with a step of one's own: all copies are blurred."""
    start(seed)
    x, _ = digits(seed)
    dense = {"activation": "relu", "kernel_initializer": initializer}
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, **dense),
            layers.Dropout(dropout),
            layers.Dense(code),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((code,)),
            layers.Dense(units, **dense),
            layers.Dropout(dropout),
            layers.Dense(64, activation=activation),
            layers.Reshape((8, 8, 1)),
        ]
    )
    model = Copier(encoder, decoder, whole)
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1400], x[1200:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    copies = model.predict(x[1400:], verbose=0)
    mean = x[:1200].mean(axis=0)
    return float(1 - np.mean((copies - x[1400:]) ** 2) / np.mean((mean - x[1400:]) ** 2))


@case(
    source="https://techfeed.net/pt/431483/",
    cause="labels are -1 and 1, and binary cross-entropy expects 0 and 1",
    causes="data preprocessing loss activation",
    evidence=r"(?<![\de])[-−]1\b|minus one|negativ|below (0|zero)|0 and 1|0 or 1|\[0, 1\]|"
    r"between 0 and 1|"
    r"(labels?|targets?)[\s\S]{0,80}(range|outside|not (0|probabilit|binary)|encod|sign)|"
    r"loss[\s\S]{0,60}(negative|below 0|without (a )?bound|unbounded|falls for ?ever)|hinge|tanh",
    repair={"labels": "0 and 1"},
    advice={
        r"\(y ?\+ ?1\)|0 and 1|0 or 1|y ?> ?0|(map|change|recode|turn)[\s\S]{0,40}(label|target)|"
        r"(labels?|targets?)[\s\S]{0,40}\b0\b": {"labels": "0 and 1"},
        r"hinge": {"loss": "hinge", "activation": "tanh"},
        r"tanh": {"loss": "mean_squared_error", "activation": "tanh"},
        "longer": {"epochs": 50},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "relu": {"activation": "relu"},
    },
    metric="balanced accuracy on held-out days, of which chance decides many",
    good=0.74,
)
def plus_or_minus_one(
    seed,
    callbacks,
    labels="-1 and 1",
    loss="binary_crossentropy",
    activation="sigmoid",
    epochs=12,
    units=16,
    learning_rate=0.004,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell whether a price rises (+1) or falls (-1): strange losses, an odd accuracy."""
    random = start(seed)
    x = random.normal(size=(5000, 5)).astype("float32")
    odds = 1.2 * x[:, 0] - 0.9 * x[:, 1] + 0.9 * x[:, 2] * x[:, 3]
    y = np.where(odds + random.logistic(0, 0.85, 5000) > 0, 1.0, -1.0).astype("float32")
    targets = y if labels == "-1 and 1" else (y + 1) / 2
    model = keras.Sequential([keras.Input((5,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation=activation))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:3000], targets[:3000]),
        validation_data=(x[3000:3500], targets[3000:3500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    middle = 0.0 if activation == "tanh" else 0.5
    told = model.predict(x[3500:], verbose=0)[:, 0] > middle
    return float(balanced_accuracy_score(y[3500:] > 0, told))


@case(
    source="https://github.com/hexiangnan/neural_collaborative_filtering/issues/13",
    cause="all pairs that are shown were bought: nothing says what a customer does not buy",
    causes="data loss preprocessing",
    evidence=r"negative (sample|example|pair|row)|only (positive|one class|ones|one label)|"
    r"(one|single|same|1) (class|label|value|target)|(labels?|targets?)[\s\S]{0,80}(all|only|"
    r"always|constant|same|never (vary|differ)|equal|one value)|(all|every) (labels?|targets?)|"
    r"(always|constant)[\s\S]{0,40}(1|one|answer|predict)|"
    r"(predictions?|outputs?)[\s\S]{0,60}(constant|all|same|hardly vary|near 1|whatever)|"
    r"trivial|does not vary|no variance|nothing to (tell|learn|distinguish)",
    repair={"negatives": 4},
    advice={
        r"negative|not bought|unobserved|zeros?|other class|both classes|second class": {
            "negatives": 4
        },
        r"triplet|ranking|BPR|pairwise": {"negatives": 1},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        r"weight decay|L2|kernel_regularizer|embeddings_regularizer": {"decay": 1e-5},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        "squared": {"loss": "mean_squared_error"},
        "linear": {"activation": "linear"},
        "sigmoid": {},
        "binary": {},
    },
    metric="share of pairs in which what a customer buys later is told from what he never buys",
    good=0.8,
)
def only_what_was_bought(
    seed,
    callbacks,
    negatives=0,
    loss="binary_crossentropy",
    activation="sigmoid",
    epochs=10,
    units=32,
    learning_rate=0.005,
    decay=0.0,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Recommend goods from a list of sales: an accuracy of 100 %, and recommendations at random."""
    random = start(seed)
    customers, goods = 200, 120
    taste, kind = random.normal(size=(customers, 3)), random.normal(size=(goods, 3))
    likes = taste @ kind.T
    likes = (likes - likes.mean(axis=0)) / likes.std(axis=0)
    bought = likes + random.normal(0, 0.35, likes.shape) > 1.0
    pairs = random.permutation(np.argwhere(bought))
    known, later = pairs[: len(pairs) * 4 // 5], pairs[len(pairs) * 4 // 5 :]
    lists, y = known, np.ones(len(known), "float32")
    if negatives:
        others = np.argwhere(~bought)
        others = others[random.permutation(len(others))[: negatives * len(known)]]
        lists = np.concatenate([known, others])
        y = np.concatenate([y, np.zeros(len(others), "float32")])

    customer, good = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
    table = {"embeddings_regularizer": keras.regularizers.L2(decay)}
    both = layers.Concatenate()(
        [
            layers.Embedding(customers, 8, **table)(customer),
            layers.Embedding(goods, 8, **table)(good),
        ]
    )
    for _ in range(2):
        both = layers.Dense(units, activation="relu", kernel_initializer=initializer)(both)
        both = layers.Dropout(dropout)(both)
    model = keras.Model([customer, good], layers.Dense(1, activation=activation)(both))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    order = random.permutation(len(y))
    model.fit(
        *((lists[order, 0], lists[order, 1]), y[order]),
        validation_split=0.1,
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    never = np.array([(c, random.choice(np.flatnonzero(~bought[c]))) for c, _ in later])
    scores = [model.predict((p[:, 0], p[:, 1]), verbose=0)[:, 0] for p in (later, never)]
    return float(np.mean(scores[0] > scores[1]) + np.mean(scores[0] == scores[1]) / 2)


@case(
    source="https://qa.1r1g.com/sf/ask/3361946101",
    cause="the loss is a sum over rows and steps: SGD's updates are hundreds of times too large",
    causes="loss learning_rate optimizer",
    evidence=r"reduce_(sum|mean)|\bsums?\b|summed|add(s|ed) up|reduction|"
    r"(not|instead of) (the |a )?mean|"
    r"nan|not a number|infinit|diverg|explod|overflow|blow|unstable|overshoot|"
    r"(learning.?rate|rate|steps?|updates?|gradients?)[\s\S]{0,80}(large|high|great|big|huge|times)|"
    r"loss[\s\S]{0,60}(rises|grows|rose|grew|increas|jump|huge)|dead|(units|relu)[\s\S]{0,30}die",
    repair={"reduction": "mean"},
    advice={
        r"reduce_mean|ops\.mean|\bmean\b|average|divide the loss|mean_squared_error": {
            "reduction": "mean"
        },
        r"clip": {"clip": 1.0},
        r"adam": {"optimizer": "adam", "learning_rate": 0.001},
        "longer": {"epochs": 50},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 0.0002},
        "faster": {"learning_rate": 0.5},
        "regularized": {"dropout": 0.2},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {"reduction": "mean"},
    },
    metric="R² of the next twelve hours on held-out days",
    good=0.75,
)
def errors_added_up(
    seed,
    callbacks,
    reduction="sum",
    optimizer="sgd",
    clip=None,
    epochs=20,
    units=32,
    learning_rate=0.05,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Forecast twelve hours with a loss of one's own: it becomes larger and larger."""
    random = start(seed)
    hours = np.arange(2600)
    wave = np.sin(2 * np.pi * hours / 24) + 0.5 * np.sin(2 * np.pi * hours / 11)
    slow = np.convolve(random.normal(size=2600), 0.9 ** np.arange(30), "same")
    series = standardized(wave + 0.08 * slow + random.normal(0, 0.2, 2600))
    windows = np.lib.stride_tricks.sliding_window_view(series, 36)
    x, y = windows[:, :24].copy(), windows[:, 24:].copy()

    def squares(truth, guess):
        errors = ops.square(truth - guess)
        return ops.sum(errors) if reduction == "sum" else ops.mean(errors)

    model = keras.Sequential([keras.Input((24,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(12))
    if optimizer == "sgd":
        rule = SGD(learning_rate, momentum=0.9, clipnorm=clip)
    else:
        rule = Adam(learning_rate, clipnorm=clip)
    model.compile(rule, squares)
    model.fit(
        *(x[:1700], y[:1700]),
        validation_data=(x[1740:2000], y[1740:2000]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[2040:], model.predict(x[2040:], verbose=0))


# ---- sound programs ----


@sound(
    source="https://github.com/EdwardTyantov/ultrasound-nerve-segmentation/issues/8",
    metric="Dice coefficient on held-out scans",
    good=0.8,
)
def nerves_of_negative_loss(seed, callbacks):
    """Minimize a loss of one's own: minus the Dice coefficient, below 0 from the start."""
    random = start(seed)
    x, kinds = scans(random, 700)
    y = (kinds > 0).astype("float32")[..., None]

    def minus_dice(truth, guess):
        both, sizes = ops.sum(truth * guess), ops.sum(truth) + ops.sum(guess)
        return -(2 * both + 1) / (sizes + 1)

    inputs, seen = small_unet(8)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(seen))
    model.compile(Adam(0.004), minus_dice)
    batches = tf.data.Dataset.from_tensor_slices((x[:500], y[:500])).shuffle(500).batch(16)
    model.fit(batches, epochs=10, callbacks=callbacks, verbose=0)
    return overlap(kinds[500:] > 0, model.predict(x[500:], verbose=0)[..., 0] > 0.5)


class Pupil(keras.Model):
    """A small network that learns from labels and from what a larger one answers."""

    def __init__(self, pupil, teacher):
        super().__init__()
        self.pupil, self.teacher = pupil, teacher
        teacher.trainable = False

    def call(self, x, training=False):
        """Return the pupil's scores."""
        return self.pupil(x, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mix the loss of the labels and the distance to the teacher's softened answers."""
        known = ops.softmax(self.teacher(x, training=False) / 3)
        told = ops.softmax(y_pred / 3)
        apart = ops.mean(ops.sum(known * (ops.log(known + 1e-7) - ops.log(told + 1e-7)), axis=-1))
        return 0.2 * super().compute_loss(x, y, y_pred) + 0.8 * 9 * apart


@sound(
    source="https://keras.io/examples/vision/knowledge_distillation/",
    metric="accuracy on held-out digits",
    good=0.92,
)
def teacher_and_pupil(seed, callbacks):
    """Teach a small network by a frozen larger one: a loss of its own, and logits."""
    start(seed)
    x, y = digits(seed)
    teacher = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(48, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(10),
        ]
    )
    scores = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile(Adam(0.002), scores)
    teacher.fit(x[:1000], y[:1000], epochs=12, verbose=0)
    pupil = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(12, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(24, activation="relu"),
            layers.Dense(10),
        ]
    )
    model = Pupil(pupil, teacher)
    model.compile(Adam(0.004), scores, metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1200:], y[1200:])


@sound(
    source="https://keras.io/examples/vision/image_classification_from_scratch/",
    metric="accuracy on held-out digits",
    good=0.95,
)
def raw_pixels_at_a_rate_of_one_half(seed, callbacks):
    """Images: whole pixels, scaled inside; SGD at 0.5, which BatchNormalization bears."""
    start(seed)
    x, y = digits(seed)
    x = (x * 255).astype("uint8")
    model = keras.Sequential([keras.Input((8, 8, 1), dtype="uint8"), layers.Rescaling(1 / 255)])
    for filters in (16, 32):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
    train = tf.data.Dataset.from_tensor_slices((x[:1200], y[:1200])).shuffle(1200).batch(64)
    test = tf.data.Dataset.from_tensor_slices((x[1200:1400], y[1200:1400])).batch(200)
    model.fit(train, validation_data=test, epochs=15, callbacks=callbacks, verbose=0)
    return accuracy(model, x[1400:], y[1400:])


@sound(
    source="https://keras.io/examples/vision/siamese_contrastive/",
    metric="share of held-out pairs that are told rightly as alike or not",
    good=0.9,
)
def pairs_near_and_far(seed, callbacks):
    """Embeddings: pairs of digits by their distance, with a contrastive loss; 0 means alike."""
    random = start(seed)
    x, y = digits(seed)

    def pairs(rows, count):
        first = random.choice(rows, count)
        second = random.choice(rows, count)
        for spot in np.flatnonzero(random.random(count) < 0.45):
            second[spot] = random.choice(rows[y[rows] == y[first[spot]]])
        return (x[first], x[second]), (y[first] != y[second]).astype("float32")

    def contrastive(truth, far):
        near = (1 - truth) * ops.square(far)
        return ops.mean(near + truth * ops.square(ops.maximum(1 - far, 0)))

    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(24, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    one, other = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    gap = layers.Subtract()([encoder(one), encoder(other)])
    far = ops.sqrt(ops.sum(ops.square(gap), axis=-1, keepdims=True) + 1e-6)
    model = keras.Model([one, other], far)
    model.compile(RMSprop(0.001), contrastive)
    train, test = pairs(np.arange(1200), 4800), pairs(np.arange(1200, 1450), 600)
    model.fit(*train, validation_data=test, batch_size=64, epochs=8, callbacks=callbacks, verbose=0)
    shown, truth = pairs(np.arange(1450, len(x)), 1500)
    return float(np.mean((model.predict(shown, verbose=0)[:, 0] > 0.5) == truth))


@sound(
    source="https://keras.io/examples/timeseries/timeseries_anomaly_detection/",
    metric="area under the curve of held-out faults against normal windows",
    good=0.95,
)
def faults_never_seen(seed, callbacks):
    """Autoencoder: windows of a machine in order, copied; faults show by how badly they are."""
    random = start(seed)
    steps = np.arange(32)

    def windows(rows):
        phase = random.uniform(0, 2 * np.pi, (rows, 1))
        size = random.uniform(0.7, 1.3, (rows, 1))
        clean = np.sin(2 * np.pi * steps / 16 + phase) + 0.4 * np.sin(
            4 * np.pi * steps / 16 + phase
        )
        return (size * clean + random.normal(0, 0.15, (rows, 32))).astype("float32")[..., None]

    x, good, bad = windows(1500), windows(300), windows(300)
    for window in bad:
        at = random.integers(0, 24)
        window[at : at + 8, 0] = window[at : at + 8, 0][::-1] + random.normal(0, 0.5)
    model = keras.Sequential(
        [
            keras.Input((32, 1)),
            layers.Conv1D(16, 7, strides=2, padding="same", activation="relu"),
            layers.Dropout(0.1),
            layers.Conv1D(4, 7, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(6),
            layers.Dense(32, activation="relu"),
            layers.Reshape((8, 4)),
            layers.Conv1DTranspose(16, 7, strides=2, padding="same", activation="relu"),
            layers.Conv1DTranspose(1, 7, strides=2, padding="same"),
        ]
    )
    model.compile(Adam(0.004), "mse")
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x, x),
        validation_split=0.1,
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    errors = [np.mean((model.predict(w, verbose=0) - w) ** 2, axis=(1, 2)) for w in (good, bad)]
    truth = np.repeat([0, 1], 300)
    return float(roc_auc_score(truth, np.concatenate(errors)))


@sound(
    source="https://github.com/keras-team/keras/issues/3893",
    metric="mean balanced accuracy of four tests on held-out substances",
    good=0.8,
)
def tests_not_made(seed, callbacks):
    """Several outputs: two thirds of the labels are missing, -1, and left out by the loss."""
    random = start(seed)
    x = random.normal(size=(5000, 8)).astype("float32")
    odds = x @ random.normal(size=(8, 4)) * 0.7 + np.abs(x[:, :4]) - 0.8
    y = (odds + random.logistic(0, 0.3, odds.shape) > 0).astype("float32")
    shown = np.where(random.random(y.shape) < 2 / 3, -1, y).astype("float32")

    def known_only(truth, guess):
        made = ops.cast(truth >= 0, "float32")
        guess = ops.clip(guess, 1e-6, 1 - 1e-6)
        errors = -truth * ops.log(guess) - (1 - truth) * ops.log(1 - guess)
        return ops.sum(made * errors) / (ops.sum(made) + 1e-6)

    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(4, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.003), known_only)
    stop = EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    model.fit(
        *(x[:3500], shown[:3500]),
        validation_data=(x[3500:4000], shown[3500:4000]),
        batch_size=64,
        epochs=15,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    told = model.predict(x[4000:], verbose=0) > 0.5
    return float(np.mean([balanced_accuracy_score(y[4000:, n], told[:, n]) for n in range(4)]))


PROGRAMS = [
    organs_by_rows,
    tumour_that_vanishes,
    noise_of_one_draw,
    shifts_thrown_away,
    encoder_left_behind,
    plus_or_minus_one,
    only_what_was_bought,
    errors_added_up,
]
SOUND = [
    nerves_of_negative_loss,
    teacher_and_pupil,
    raw_pixels_at_a_rate_of_one_half,
    pairs_near_and_far,
    faults_never_seen,
    tests_not_made,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
