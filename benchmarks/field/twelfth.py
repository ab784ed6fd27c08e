"""Thirteen field programs: what a consultant meets in a week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last five are sound, and one of
these reaches only what its noisy data allow: nothing is to be blamed, see sound.py.

    python -m benchmarks.field.twelfth
    python benchmarks/diagnosis.py --programs twelfth
"""

import keras
import numpy as np
from keras import layers, ops
from keras.optimizers import Adam, AdamW, RMSprop
from sklearn import datasets
from sklearn.metrics import f1_score

from benchmarks.field._program import accuracy, case, digits, main, r_squared, sound, start


@case(
    source="https://github.com/keras-team/keras/issues/255",
    cause="pictures divided by their largest value are kept as whole numbers, and all become 0",
    causes="preprocessing data",
    evidence=r"constant|zero|\b0\b.{0,20}everywhere|identical|(never|not|no) (chang|var)|integer|"
    r"uint8|whole number|all the same|inputs? .{0,40}(say|tell|explain|empty|carr)",
    repair={"kept_as": "float32"},
    advice={
        r"float|astype|dtype|integer|uint8|whole number|"
        r"(look at|check|inspect|plot|print).{0,60}(input|data|image|pixel|array|value|\bx\b)": {
            "kept_as": "float32"
        },
        "longer": {"epochs": 30},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {"standardize": True},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def whole_pixels(
    seed,
    callbacks,
    kept_as="uint8",
    standardize=False,
    epochs=10,
    filters=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Write pictures of 0 to 1 into the array that held those of 0 to 255: nothing is learnt."""
    start(seed)
    pictures, labels = digits(seed)
    pictures = (pictures * 250).astype("uint8")
    x = np.empty(pictures.shape, kept_as)
    x[:] = pictures / 255
    if standardize:
        x = (x - x[:1300].mean()) / (x[:1300].std() + 1e-7)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:1300],
        labels[:1300],
        validation_data=(x[1300:], labels[1300:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], labels[1300:])


@case(
    source="https://github.com/DrexelChatbotGroup/DrexelChatbot/issues/15",
    cause="the questions are shuffled, and their labels stay in the old order",
    causes="data preprocessing",
    evidence=r"shuffl|\border\b(?! of)|\bpair|match|align|chance|neighbou?r|"
    r"(label|target)s?.{0,80}(unrelated|relat|depend|wrong|noise|noisy|random|correct)|"
    r"(input|feature|column)s?.{0,60}(say|tell|explain|predict|relat)",
    repair={"together": True},
    advice={
        r"shuffl|same order|permut|"
        r"(label|target|row)s?.{0,60}(\bpair|match|align|belong)|"
        r"(\bpair|match|align|check|inspect|look at|correct|clean|compare|verify).{0,60}"
        r"(label|target|row)": {"together": True},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out questions",
    good=0.85,
)
def unmatched_questions(
    seed,
    callbacks,
    together=False,
    epochs=20,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tell which of six departments a question is for, from its words, after a shuffle."""
    random = start(seed)
    departments = np.arange(1800) % 6
    likely = np.where(random.random((6, 80)) < 0.2, 0.5, 0.06)
    words = (random.random((1800, 80)) < likely[departments]).astype("float32")
    order = random.permutation(1800)
    words = words[order]
    if together:
        departments = departments[order]

    model = keras.Sequential(
        [
            keras.Input((80,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(6, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        words[:1300],
        departments[:1300],
        validation_data=(words[1300:], departments[1300:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, words[1300:], departments[1300:])


@case(
    source="https://github.com/keras-team/keras/issues/741",
    cause="several tags are right at once, and a softmax makes them compete for one",
    causes="activation loss layers",
    evidence=r"softmax|sigmoid|multi.?label|several|more than one|sum to|independent|one.?hot|"
    r"(label|target)s?.{0,40}(sum|ones)",
    repair={"activation": "sigmoid", "loss": "binary_crossentropy"},
    advice={
        r"sigmoid.{0,100}binary|binary.{0,100}sigmoid|multi.?label|multi.?hot": {
            "activation": "sigmoid",
            "loss": "binary_crossentropy",
        },
        "longer": {"epochs": 60},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {"loss": "binary_crossentropy"},
        "sigmoid": {"activation": "sigmoid"},
    },
    metric="F1 of the tags of held-out tracks, each tag told at 0.5",
    good=0.85,
)
def competing_tags(
    seed,
    callbacks,
    activation="softmax",
    loss="categorical_crossentropy",
    epochs=20,
    units=64,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Tag tracks of music, most of which deserve two or three of seven tags."""
    random = start(seed)
    x = random.normal(size=(2200, 20)).astype("float32")
    directions = random.normal(size=(20, 7)) / np.sqrt(20)
    tags = (x @ directions + 0.3 * np.abs(x[:, :7]) > 0.5).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(7, activation=activation),
        ]
    )
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        x[:1600],
        tags[:1600],
        validation_data=(x[1600:], tags[1600:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    told = model.predict(x[1600:], verbose=0) > 0.5
    return float(f1_score(tags[1600:], told, average="micro", zero_division=0))


@case(
    source="https://github.com/keras-team/keras/issues/8086",
    cause="a decay meant for each epoch happens at each update, and the rate is soon nothing",
    causes="learning_rate optimizer",
    evidence=r"decay|schedul|(learning )?rate.{0,80}(fall|fell|drop|shrink|small|low|tiny|vanish|"
    r"\b0\b)|too (slow|small)|barely|hardly|weights.{0,40}(mov|chang)",
    repair={"decay_steps": 41},
    advice={
        r"decay|schedule|steps.per.epoch|constant (learning )?rate": {"decay_steps": 41},
        "longer": {"epochs": 60},
        "usual": {"constant": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "wider": {"units": 256},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out digits",
    good=0.95,
)
def decay_per_update(
    seed,
    callbacks,
    decay_steps=1,
    constant=None,
    learning_rate=0.003,
    epochs=15,
    units=64,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Let the learning rate fall to nine tenths, after each epoch as is believed."""
    start(seed)
    x, labels = digits(seed)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(10, activation="softmax"),
        ]
    )
    schedule = keras.optimizers.schedules.ExponentialDecay(learning_rate, decay_steps, 0.9)
    optimizer = Adam(constant or schedule)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:1300],
        labels[:1300],
        validation_data=(x[1300:], labels[1300:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], labels[1300:])


@case(
    source="https://github.com/keras-team/keras/issues/20898",
    cause="short messages are padded at their end, and an LSTM forgets them in the padding",
    causes="layers preprocessing data",
    evidence=r"pad|mask|zeros|forget|vanish|time ?steps|long sequence|sequence.{0,20}long|"
    r"(gradient|signal|early|first).{0,60}(step|recurrent|lstm)",
    repair={"mask": True},
    advice={
        r"mask": {"mask": True},
        r"pad.{0,60}(pre\b|left|front|start|begin)|padding=.?pre|truncat|trim|shorter sequence": {
            "padding": "pre"
        },
        r"pool|attention|return_sequences": {"pooled": True},
        "longer": {"epochs": 15},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.5},
    },
    metric="accuracy on held-out messages",
    good=0.85,
)
def trailing_padding(
    seed,
    callbacks,
    mask=False,
    padding="post",
    pooled=False,
    epochs=5,
    units=16,
    learning_rate=0.003,
    dropout=0.0,
):
    """Tell complaints from praise by an LSTM; few words are filled up to a hundred."""
    random = start(seed)
    lengths = random.integers(4, 11, 1500)
    complaint = random.integers(0, 2, 1500)
    words = np.zeros((1500, 100), "int32")
    for row, length in enumerate(lengths):
        message = random.integers(41, 200, length)
        telling = random.random(length) < 0.5
        telling[random.integers(length)] = True
        message[telling] = random.integers(1, 21, telling.sum()) + 20 * complaint[row]
        place = slice(0, length) if padding == "post" else slice(100 - length, 100)
        words[row, place] = message

    inputs = keras.Input((100,), dtype="int32")
    features = layers.Embedding(200, 16, mask_zero=mask)(inputs)
    features = layers.LSTM(units, return_sequences=pooled)(features)
    if pooled:
        features = layers.GlobalMaxPooling1D()(features)
    features = layers.Dropout(dropout)(features)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(features))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        words[:1000],
        complaint[:1000],
        validation_data=(words[1000:], complaint[1000:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    predicted = model.predict(words[1000:], verbose=0)[:, 0] > 0.5
    return float(np.mean(predicted == complaint[1000:]))


@case(
    source="https://github.com/keras-team/keras/issues/8346",
    cause="rows are sorted by class, and validation_split takes the last classes whole",
    causes="data preprocessing",
    evidence=r"\bsort|shuffl|\border\b(?! of)|validation_split|"
    r"class.{0,60}(missing|absent|never|no row|only|not in)|"
    r"(missing|absent|never|only|unseen).{0,60}class|distribut|label.{0,60}(differ|missing|never)",
    repair={"shuffled": True},
    advice={
        r"shuffl|stratif|permut|train_test_split|randomly|random (order|split|rows)": {
            "shuffled": True
        },
        "longer": {"epochs": 30},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on the rows that validation_split takes",
    good=0.9,
)
def sorted_classes(
    seed,
    callbacks,
    shuffled=False,
    epochs=12,
    filters=16,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read one folder of pictures after the other, and keep a fifth of them for validation."""
    random = start(seed)
    x, labels = digits(seed)
    order = random.permutation(len(x)) if shuffled else np.argsort(labels, kind="stable")
    x, labels = x[order], labels[order]

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        labels,
        validation_split=0.2,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    split = int(len(x) * 0.8)
    return accuracy(model, x[split:], labels[split:])


@case(
    source="https://github.com/amansrivastava17/lstm-siamese-text-similarity/issues/5",
    cause="EarlyStopping waits for gains that are large beside this loss, and ends it at once",
    causes="epochs learning_rate optimizer",
    evidence=r"early|stopp|patience|min_delta|still|slow|short|few (epochs|updates|steps)|"
    r"not (yet )?(finished|converged)|more (epochs|updates)",
    repair={"patience": 12, "min_delta": 0.0},
    advice={
        r"early.?stopping|patience|min_delta": {"patience": 12, "min_delta": 0.0},
        "longer": {"epochs": 90},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "wider": {"units": 256},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out pairs",
    good=0.8,
)
def impatient_stopping(
    seed,
    callbacks,
    patience=2,
    min_delta=0.01,
    epochs=30,
    units=64,
    learning_rate=0.0005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Estimate how alike two texts are, from 0 to 1: training of thirty epochs ends after a few."""
    random = start(seed)
    first = random.normal(size=(2000, 3)).astype("float32")
    second = random.normal(size=(2000, 3)).astype("float32")
    distance = np.abs(first - second).mean(axis=1)
    alike = np.exp(-distance) + random.normal(0, 0.02, 2000)
    alike = alike.astype("float32")
    x = np.concatenate([first, second], axis=1)

    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mae"])
    stopping = keras.callbacks.EarlyStopping(patience=patience, min_delta=min_delta)
    model.fit(
        x[:1500],
        alike[:1500],
        validation_data=(x[1500:], alike[1500:]),
        epochs=epochs,
        callbacks=[stopping, *callbacks],
        verbose=0,
    )
    return r_squared(alike[1500:], model.predict(x[1500:], verbose=0)[:, 0])


@case(
    source="https://stackoom.com/en/question/4HpqD",
    cause="a strong L2 penalty, on every layer, presses the weights to 0",
    causes="layers loss optimizer",
    evidence=r"l2|penalt|regulari[sz]|weight decay|weights.{0,40}(small|shrink|zero|\b0\b)",
    repair={"penalty": 1e-5},
    advice={
        r"(less|weaker|lower|reduce|smaller|remove|without|drop|divide|cut).{0,60}"
        r"(l2|penalt|regulari[sz]|weight decay)|(l2|penalt|regulari[sz]|weight decay).{0,60}"
        r"(less|weaker|lower|reduce|smaller|remove|divide|1e-[4-9]|0\.000)|[lL]2\(": {
            "penalty": 1e-5
        },
        r"(less|lower|reduce|smaller|remove|without).{0,40}dropout|dropout.{0,40}"
        r"(less|lower|reduce|smaller|remove)|Dropout\(0\.[0-3]": {"dropout": 0.1},
        "longer": {"epochs": 60},
        "wider": {"units": 144},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.7},
        "initialized": {"initializer": "he_normal"},
        "relu": {"activation": "relu"},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def pressed_weights(
    seed,
    callbacks,
    penalty=0.05,
    dropout=0.2,
    epochs=20,
    units=36,
    learning_rate=0.003,
    activation="sigmoid",
    initializer="glorot_uniform",
):
    """Add an L2 penalty to a small network of sigmoids: accuracy stays at that of a guess."""
    start(seed)
    x, labels = digits(seed)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(
                units,
                activation=activation,
                kernel_initializer=initializer,
                kernel_regularizer=keras.regularizers.L2(penalty),
            ),
            layers.Dropout(dropout),
            layers.Dense(
                10,
                activation="softmax",
                kernel_regularizer=keras.regularizers.L2(penalty),
            ),
        ]
    )
    model.compile(RMSprop(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:1300],
        labels[:1300],
        validation_data=(x[1300:], labels[1300:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], labels[1300:])


# ---- sound programs ----


@sound(
    source="https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class",
    metric="R² of the told probabilities against the true ones",
    good=0.85,
)
def uncertain_clicks(seed, callbacks):
    """Estimate how likely a click is; whether it comes stays a toss, so accuracy stays low."""
    random = start(seed)
    x = random.normal(size=(4000, 6)).astype("float32")
    chance = 1 / (1 + np.exp(-(0.9 * x[:, 0] - 0.6 * x[:, 1] + 0.4 * x[:, 2] - 0.3)))
    clicked = (random.random(4000) < chance).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(12, "relu", kernel_regularizer=keras.regularizers.L2(1e-3)),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:3000],
        clicked[:3000],
        validation_data=(x[3000:], clicked[3000:]),
        epochs=15,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(chance[3000:], model.predict(x[3000:], verbose=0)[:, 0])


@sound(
    source="https://scikit-learn.org/stable/modules/generated/sklearn.datasets.make_friedman1.html",
    metric="R² on held-out rows",
    good=0.9,
)
def friedman_surface(seed, callbacks):
    """Fit a known surface of five columns among ten, with inputs and target standardized."""
    start(seed)
    x, y = datasets.make_friedman1(2400, noise=0.5, random_state=seed)
    x = ((x - 0.5) * np.sqrt(12)).astype("float32")
    y = ((y - y[:1800].mean()) / y[:1800].std()).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(64, "relu", kernel_initializer="he_normal"),
            layers.Dense(32, "relu", kernel_initializer="he_normal"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.002), keras.losses.Huber(), metrics=["mae"])
    model.fit(
        x[:1800],
        y[:1800],
        validation_data=(x[1800:], y[1800:]),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1800:], model.predict(x[1800:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/guides/understanding_masking_and_padding/",
    metric="accuracy on held-out notes",
    good=0.9,
)
def masked_notes(seed, callbacks):
    """Tell which of two words comes first in a padded note, by a GRU that skips the padding."""
    random = start(seed)
    lengths = random.integers(5, 13, 1600)
    first = random.integers(0, 2, 1600)
    words = np.zeros((1600, 12), "int32")
    for row, length in enumerate(lengths):
        note = random.integers(3, 60, length)
        places = np.sort(random.choice(length, 2, replace=False))
        note[places] = [1, 2] if first[row] == 0 else [2, 1]
        words[row, :length] = note
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(60, 12, mask_zero=True),
            layers.GRU(16),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        words[:1200],
        first[:1200],
        validation_data=(words[1200:], first[1200:]),
        epochs=8,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, words[1200:], first[1200:])


def late_nine_times(y_true, y_pred):
    """Quantile loss of 0.9: too low a promise costs nine times as much as too high a one."""
    error = y_true - y_pred
    return ops.mean(ops.maximum(0.9 * error, -0.1 * error), axis=-1)


@sound(
    source="https://doi.org/10.2307/1913643",
    metric="R² of the promised times against the true quantiles",
    good=0.85,
)
def promised_times(seed, callbacks):
    """Promise delivery times that hold nine times of ten: higher than the mean, on purpose."""
    random = start(seed)
    x = random.uniform(-1, 1, (4000, 3)).astype("float32")
    middle = 2 + x[:, 0] + 0.5 * x[:, 1] ** 2
    spread = 0.15 + 0.2 * (1 + x[:, 2])
    y = (middle + spread * random.normal(size=4000)).astype("float32")[:, None]
    promise = middle + 1.2816 * spread
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(16, "relu"),
            layers.Dense(16, "relu"),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(0.005), late_nine_times)
    model.fit(
        x[:3000],
        y[:3000],
        validation_data=(x[3000:], y[3000:]),
        batch_size=128,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(promise[3000:], model.predict(x[3000:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/api/layers/convolution_layers/separable_convolution2d/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def separable_digits(seed, callbacks):
    """Tell digits by separable convolutions and their average, from logits, with AdamW."""
    start(seed)
    x, labels = digits(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, activation="relu"),
            layers.SeparableConv2D(48, 3, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.SeparableConv2D(48, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(AdamW(0.005, weight_decay=0.01), loss, metrics=["accuracy"])
    model.fit(
        x[:1300],
        labels[:1300],
        validation_data=(x[1300:], labels[1300:]),
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1300:], labels[1300:])


PROGRAMS = [
    whole_pixels,
    unmatched_questions,
    competing_tags,
    decay_per_update,
    trailing_padding,
    sorted_classes,
    impatient_stopping,
    pressed_weights,
]
SOUND = [uncertain_clicks, friedman_surface, masked_notes, promised_times, separable_digits]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
