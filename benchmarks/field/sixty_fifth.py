"""Eighteen more field programs, reports as they come, by somebody who had read no rule.

Twelve have a cause and a repaired twin, see _program.py. The last six are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.sixty_fifth
    python benchmarks/diagnosis.py --programs sixty_fifth
"""

import keras
import numpy as np
from keras import layers, ops
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam
from keras.optimizers.schedules import InverseTimeDecay
from sklearn import datasets
from sklearn.metrics import roc_auc_score

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


def auc(y, guess):
    """Area under the ROC curve, 0 for guesses that are no numbers."""
    return float(roc_auc_score(y, guess)) if np.all(np.isfinite(guess)) else 0.0


# ---- images ----


def coloured_things(random, rows, size=16):
    """Noisy colour images (rows, size, size, 3) of 0 to 255 and their class of five (rows,)."""
    labels = random.integers(0, 5, rows)
    down, right = np.mgrid[:size, :size]
    x = random.normal(90, 28, (rows, size, size, 3)) + random.normal(0, 15, (rows, 1, 1, 3))
    for image, label in zip(x, labels, strict=True):
        at = random.uniform(5, size - 5, 2)
        away = np.abs(down - at[0]), np.abs(right - at[1])
        shapes = (
            np.hypot(*away) < 4,
            np.maximum(*away) < 3.5,
            (away[0] < 1.5) | (away[1] < 1.5),
            np.abs(np.hypot(*away) - 4) < 1.2,
            np.abs(down - at[0] - right + at[1]) < 1.6,
        )
        image[shapes[label]] += random.uniform(60, 110, 3)
    return np.clip(x, 0, 255).astype("float32"), labels


@case(
    source="https://github.com/BIGBALLON/cifar-10-cnn/issues/17",
    cause="`x[:, :, i]` of a batch is a column, not a channel: three columns are normalized, and "
    "the others stay at 0 to 255; x[..., i] repairs it",
    causes="data",
    evidence=r"normali[sz]|standardi[sz]|unscaled|rescal|\bscal(e|ed|es|ing)\b|\brange|\b255\b|"
    r"\braw\b|magnitude|(input|pixel|feature|column|value|\bx\b)s?[\s\S]{0,80}(large|big|huge|"
    r"mean|spread|deviation|reach|up to|differ|hundred|saturat)|(large|huge|big)[\s\S]{0,40}"
    r"(input|pixel|value)",
    repair={"axis": 3},
    advice={
        r"axis|channel|same (scale|way)|subtract|divide.{0,40}(255|deviation|std)|0 to 1|\[0, ?1\]|"
        r"batch.?norm": {"axis": 3},
        "scaled": {"axis": 3},
        "longer": {"epochs": 24},
        "wider": {"units": 168},
        "usual": {"optimizer": "adam", "learning_rate": 0.001},
        r"use adam|\badam\b|rmsprop": {"optimizer": "adam", "learning_rate": 0.001},
        "slower": {"learning_rate": 0.01},
        "faster": {"learning_rate": 1.0},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "glorot_uniform"},
        "softmax": {},
        "relu": {},
    },
    metric="accuracy on held-out images",
    good=0.7,
)
def five_things_in_colour(
    seed,
    callbacks,
    axis=2,
    epochs=12,
    units=84,
    optimizer="sgd",
    learning_rate=0.05,
    dropout=0.0,
    initializer="he_normal",
):
    """Train a LeNet on colour images, less their mean: chance from first to last."""
    random = start(seed)
    x, labels = coloured_things(random, 1900)
    y = one_hot(labels, 5)
    x_train, x_test = x[:1300].copy(), x[1300:].copy()

    mean = x_train.mean(axis=(0, 1, 2))
    std = x_train.std(axis=(0, 1, 2))
    for i in range(3):
        channel = (slice(None),) * axis + (i,)
        x_train[channel] = (x_train[channel] - mean[i]) / std[i]
        x_test[channel] = (x_test[channel] - mean[i]) / std[i]

    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(8, 5, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(2, strides=2),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(2, strides=2),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(5, activation="softmax", kernel_initializer=initializer),
        ]
    )
    if optimizer == "sgd":
        step = SGD(learning_rate, momentum=0.9, nesterov=True)
    else:
        step = Adam(learning_rate)
    model.compile(step, "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x_train, y[:1300]),
        validation_data=(x_test[:200], y[1300:1500]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x_test[200:], labels[1500:])


# ---- segmentation ----


def preprocess(values):
    """Scale to 0 to 1 what is not yet."""
    values = values.astype("float32")
    return values / 255 if values.max() > 1 else values


@case(
    source="https://github.com/milesial/Pytorch-UNet/issues/228",
    cause="masks of 0 to 4 are divided by 255 as the images are, and become 0 as whole numbers",
    causes="data labels",
    evidence=r"(target|label|mask|class|\by\b|pixel|train\w* data)(e?s)?[\s\S]{0,120}(constant|"
    r"(is|are|be|hold|has|have) all\b|all (of )?(the )?(same|zeros?|0|equal|one)|\bonly\b|single|"
    r"one (value|class)|never|missing|absent|identical|do(es)? not vary|no varia|the same|"
    r"nothing but|\bevery|\bempty|divid|scaled|always)|(one|single|same|constant)[\s\S]{0,40}"
    r"(target|label|class|mask)|nothing to (learn|tell)|(loss|accuracy)[\s\S]{0,60}too good|"
    r"(output|unit|class)(e?s)?[\s\S]{0,60}(never|no (row|pixel|example|sample|target|label))",
    repair={"mask_scaled": False},
    advice={
        r"mask|target|label|class|constant|divid|255|integer|\bint\b|\by\b": {"mask_scaled": False},
        "longer": {"epochs": 24},
        "wider": {"units": 16},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
        "relu": {},
    },
    metric="mean intersection over union of four kinds of things, held-out scenes",
    good=0.6,
)
def four_things_in_a_scene(
    seed,
    callbacks,
    mask_scaled=True,
    epochs=10,
    units=8,
    learning_rate=0.006,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Find four kinds of things with a small U-Net: the loss is tiny, the prediction is 0."""
    random = start(seed)
    rows, size = 400, 16
    down, right = np.mgrid[:size, :size]
    grey = np.array([40, 90, 140, 190, 240])
    pictures = np.zeros((rows, size, size, 1), "uint8")
    masks = np.zeros((rows, size, size), "uint8")
    for picture, mask in zip(pictures, masks, strict=True):
        for kind in random.permutation(4)[:3] + 1:
            at = random.uniform(2, size - 2, 2)
            away = np.abs(down - at[0]), np.abs(right - at[1])
            is_round = np.hypot(*away) < random.uniform(2, 3)
            mask[is_round if kind % 2 else np.maximum(*away) < random.uniform(1.6, 2.6)] = kind
        noisy = grey[mask] + random.normal(0, 10, mask.shape)
        picture[:, :, 0] = np.clip(noisy, 0, 255)

    x = preprocess(pictures)
    y = preprocess(masks) if mask_scaled else masks
    y = y.astype("int32")

    options = {"padding": "same", "activation": "relu", "kernel_initializer": initializer}
    inputs = keras.Input((size, size, 1))
    first = layers.Conv2D(units, 3, **options)(inputs)
    first = layers.Conv2D(units, 3, **options)(first)
    seen = layers.MaxPooling2D()(first)
    seen = layers.Conv2D(2 * units, 3, **options)(seen)
    seen = layers.Dropout(dropout)(seen)
    seen = layers.Conv2DTranspose(units, 2, strides=2, activation="relu")(seen)
    seen = layers.Conv2D(units, 3, **options)(layers.Concatenate()([first, seen]))
    model = keras.Model(inputs, layers.Conv2D(5, 1, activation="softmax")(seen))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:280], y[:280]),
        validation_data=(x[280:320], y[280:320]),
        batch_size=10,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess, true = model.predict(x[320:], verbose=0).argmax(axis=-1), masks[320:]
    scores = []
    for kind in range(1, 5):
        both, either = (guess == kind) & (true == kind), (guess == kind) | (true == kind)
        scores.append(both.sum() / either.sum())
    return float(np.mean(scores))


# ---- recommenders ----


@case(
    source="https://whosebug.com/question/5173684/"
    "why-keras-embedding-not-learning-for-recommendation-system",
    cause="the rate is divided by 1 + 0.9 x updates: after some updates nothing moves any more; a "
    "constant rate, and a sigmoid, which probabilities need, repair it",
    causes="learning_rate optimizer",
    evidence=r"decay|schedul|InverseTime|"
    r"(learning.?rate|\brate\b)[\s\S]{0,120}(fell|fall|small|tiny|low|shr|drop|divid|reduc|e-\d|"
    r"0\.000|vanish|slow)|"
    r"(weight|update|step|embedding)s?[\s\S]{0,60}(hardly|barely|tiny|small|slow|less and less|"
    r"not (move|chang))|still (falling|improving|learning)|not (yet )?(finished|converged)",
    repair={"decay": 0.0, "activation": "sigmoid"},
    advice={
        r"constant|fixed rate|(?<!weight )decay|schedul": {"decay": 0.0},
        r"sigmoid": {"activation": "sigmoid"},
        "usual": {"decay": 0.0},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 1e-4},
        "longer": {"epochs": 20},
        "wider": {"units": 200},
        "regularized": {"dropout": 0.6},
        "scaled": {},
        "initialized": {"initializer": "glorot_uniform"},
        "linear": {"activation": "linear"},
        "softmax": {"activation": "softmax"},
        "squared": {"loss": "mean_squared_error"},
        "binary": {},
    },
    metric="area under the ROC curve on held-out pairs",
    good=0.75,
)
def who_likes_which_song(
    seed,
    callbacks,
    decay=0.9,
    activation="relu",
    learning_rate=0.001,
    epochs=6,
    units=50,
    dropout=0.3,
    initializer="he_normal",
    loss="binary_crossentropy",
):
    """Recommend by embeddings of users and songs: training hardly changes from epoch to epoch."""
    random = start(seed)
    users, songs, factors, rows = 120, 60, 3, 10000
    taste, style = random.normal(size=(users, factors)), random.normal(size=(songs, factors))
    liked = random.normal(0, 0.8, songs)
    user, song = random.integers(0, users, rows), random.integers(0, songs, rows)
    score = (taste[user] * style[song]).sum(axis=1) / 2 + 1.5 * liked[song]
    score = (score + random.logistic(0, 0.4, rows) > 0).astype("float32")

    vectors = []
    inputs = keras.Input((1,), name="user_id"), keras.Input((1,), name="song_id")
    for ids, count in zip(inputs, (users, songs), strict=True):
        embedding = layers.Embedding(
            *(count, 16),
            embeddings_initializer=initializer,
            embeddings_regularizer=keras.regularizers.L2(1e-6),
        )
        vectors.append(layers.Dropout(dropout)(layers.Flatten()(embedding(ids))))
    seen = layers.Concatenate()(vectors)
    seen = layers.Dense(units, activation="relu")(seen)
    seen = layers.Dropout(dropout + 0.1)(seen)
    model = keras.Model(inputs, layers.Dense(1, activation=activation)(seen))

    rate = InverseTimeDecay(learning_rate, 1, decay) if decay else learning_rate
    model.compile(Adam(rate), loss, metrics=["accuracy"])

    def pairs(rows):
        return [user[rows, None], song[rows, None]], score[rows, None]

    train, valid, test = slice(0, 7000), slice(7000, 8000), slice(8000, None)
    model.fit(
        *pairs(train),
        validation_data=pairs(valid),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    x_test, y_test = pairs(test)
    return auc(y_test, model.predict(x_test, verbose=0)[:, 0])


# ---- texts ----


def letters_with_topics(random, rows, words=60, topics=6, length=18):
    """Sentences (rows, length) of word numbers 1 to `words`, and which topics are in them."""
    has = (random.random((rows, topics)) < 0.35).astype("float32")
    own = words // (topics + 4)
    x = random.integers(topics * own + 1, words + 1, (rows, length))
    for sentence, present in zip(x, has, strict=True):
        for topic in np.flatnonzero(present):
            at = random.permutation(length)[:3]
            sentence[at] = topic * own + 1 + random.integers(0, own, 3)
    return x, has


@case(
    source="https://github.com/ThilinaRajapakse/simpletransformers/issues/234",
    cause="4e-5, meant for the pretrained layers, is far too little for the new classifier",
    causes="learning_rate optimizer",
    evidence=r"(learning.?rate|\brate\b)[\s\S]{0,120}(small|tiny|low|little|slow|4e-|larger|higher|"
    r"rais|ten times|increas|more)|(small|tiny|low|larger|higher|rais|increas)\w*[\s\S]{0,40}"
    r"(learning.?rate|\brate\b)|"
    r"(weight|update|step|kernel|layer)s?[\s\S]{0,60}(hardly|barely|tiny|small|slow|little|"
    r"not (move|chang))|still (falling|improving|learning)|not (yet )?(finished|converged)|"
    r"under-?(fit|train)|too few updates|slowly",
    repair={"learning_rate": 0.001},
    advice={
        r"1e-0?3|0\.001\b|head.{0,40}rate|rate.{0,40}(head|classifier|new layer)": {
            "learning_rate": 0.001
        },
        "faster": {"learning_rate": 4e-4},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 4e-6},
        "longer": {"epochs": 12},
        "wider": {"units": 64},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        r"class_weight|threshold|freez|unfreez": {},
        "sigmoid": {},
        "binary": {},
    },
    metric="F1 over all tags of held-out letters",
    good=0.8,
)
def tags_for_letters(
    seed,
    callbacks,
    learning_rate=4e-5,
    epochs=4,
    units=32,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Fine-tune a small language model for six tags: every letter gets about the same answers."""
    random = start(seed)
    words, length, mask = 60, 18, 61
    texts, _ = letters_with_topics(random, 1200)
    x, tags = letters_with_topics(random, 1400)

    tokens = keras.Input((length,))
    seen = layers.Embedding(words + 2, 32)(tokens)
    heard = layers.Attention(use_scale=True)([seen, seen])
    seen = layers.LayerNormalization()(seen + heard)
    seen = layers.Dense(32, activation="gelu")(seen)
    encoder = keras.Model(tokens, seen)

    hidden = random.random(texts.shape) < 0.2
    language_model = keras.Sequential([encoder, layers.Dense(words + 2, activation="softmax")])
    language_model.compile(Adam(0.003), "sparse_categorical_crossentropy", weighted_metrics=[])
    language_model.fit(
        *(np.where(hidden, mask, texts), texts),
        sample_weight=hidden.astype("float32"),
        batch_size=64,
        epochs=3,
        verbose=0,
    )

    pooled = layers.GlobalAveragePooling1D()(encoder(tokens))
    pooled = layers.Dense(units, activation="tanh", kernel_initializer=initializer)(pooled)
    pooled = layers.Dropout(dropout)(pooled)
    model = keras.Model(tokens, layers.Dense(6, activation="sigmoid")(pooled))
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["binary_accuracy"])
    model.fit(
        *(x[:900], tags[:900]),
        validation_data=(x[900:1050], tags[900:1050]),
        batch_size=32,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess, true = model.predict(x[1050:], verbose=0) > 0.5, tags[1050:] > 0.5
    return float(2 * (guess & true).sum() / max(guess.sum() + true.sum(), 1))


SUBJECTS = {"i": "je", "you": "tu", "we": "nous", "she": "elle", "they": "ils", "who": "qui"}
VERBS = {
    "sing": "chant",
    "eat": "mang",
    "talk": "parl",
    "walk": "march",
    "look": "regard",
    "play": "jou",
    "work": "travaill",
    "swim": "nag",
    "fall": "tomb",
    "cry": "pleur",
}
ENDINGS = {"je": "e", "tu": "es", "nous": "ons", "elle": "e", "ils": "ent", "qui": "e"}
PLACES = {"": "", " here": " ici", " alone": " seul", " at home": " a la maison", " now": " la"}


@case(
    source="https://github.com/keras-team/keras/issues/13266",
    cause="after its end a sentence's one-hot targets are rows of zeros, for which nothing is "
    "learned; a one-hot padding character repairs it",
    causes="data labels loss metric",
    evidence=r"\bpad|\bmask|(all|rows?|only|vectors?|targets?|labels?|steps?)[\s\S]{0,40}"
    r"(\bzeros?\b|all 0|empty)|\bzero (rows?|vectors?|targets?)|"
    r"sum(s|med)? (up )?to|no class|without (a )?(class|label)|not (a )?(one.?hot|distribution|"
    r"probabilit)|one.?hot|after the end",
    repair={"padded": True},
    advice={
        r"\bpad|\bmask|one.?hot|zeros?\b|sum.{0,20}(1|one)\b|sample_weight|end of|probabilit|"
        r"sparse": {"padded": True},
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "softmax": {},
    },
    metric="share of the steps of held-out sentences whose largest output is that of the target",
    good=0.7,
)
def short_sentences_in_french(
    seed,
    callbacks,
    padded=False,
    epochs=11,
    units=48,
    learning_rate=0.008,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Translate character by character: the loss becomes small, the accuracy stays low."""
    random = start(seed)
    pairs = []
    for english, french in SUBJECTS.items():
        for verb, stem in VERBS.items():
            for place, lieu in PLACES.items():
                text = f"{french} {stem}{ENDINGS[french]}{lieu}"
                pairs.append((f"{english} {verb}{place}", f"\t{text}\n"))
    pairs = [pairs[row] for row in random.permutation(len(pairs))]
    input_characters = sorted(set("".join(source for source, _ in pairs)))
    target_characters = sorted(set("".join(target for _, target in pairs)))
    input_index = {letter: place for place, letter in enumerate(input_characters)}
    target_index = {letter: place for place, letter in enumerate(target_characters)}
    longest_input = max(len(source) for source, _ in pairs)
    longest_target = max(len(target) for _, target in pairs) + 6

    encoder_input = np.zeros((len(pairs), longest_input, len(input_characters)), "float32")
    decoder_input = np.zeros((len(pairs), longest_target, len(target_characters)), "float32")
    decoder_target = np.zeros((len(pairs), longest_target, len(target_characters)), "float32")
    for row, (source, target) in enumerate(pairs):
        for step, letter in enumerate(source):
            encoder_input[row, step, input_index[letter]] = 1
        for step, letter in enumerate(target):
            decoder_input[row, step, target_index[letter]] = 1
            if step > 0:
                decoder_target[row, step - 1, target_index[letter]] = 1
        if padded:
            encoder_input[row, len(source) :, input_index[" "]] = 1
            decoder_input[row, len(target) :, target_index[" "]] = 1
            decoder_target[row, len(target) - 1 :, target_index[" "]] = 1

    encoder_inputs = keras.Input((None, len(input_characters)))
    encoder = layers.LSTM(units, return_state=True, kernel_initializer=initializer)
    _, *states = encoder(encoder_inputs)
    decoder_inputs = keras.Input((None, len(target_characters)))
    decoder = layers.LSTM(units, return_sequences=True, kernel_initializer=initializer)
    seen = decoder(decoder_inputs, initial_state=states)
    seen = layers.Dropout(dropout)(seen)
    outputs = layers.Dense(len(target_characters), activation="softmax")(seen)
    model = keras.Model([encoder_inputs, decoder_inputs], outputs)
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *([encoder_input[:210], decoder_input[:210]], decoder_target[:210]),
        validation_data=([encoder_input[210:250], decoder_input[210:250]], decoder_target[210:250]),
        batch_size=16,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([encoder_input[250:], decoder_input[250:]], verbose=0)
    return float(np.mean(guess.argmax(axis=-1) == decoder_target[250:].argmax(axis=-1)))


# ---- pairs ----


class ContrastiveLoss(keras.losses.Loss):
    """Pull images of a person together (label 0), push others apart (label 1)."""

    def __init__(self, margin=2.0, keepdims=False):
        super().__init__()
        self.margin, self.keepdims = margin, keepdims

    def call(self, label, outputs):
        """Return the loss of embeddings that lie side by side in `outputs`."""
        one, other = ops.split(outputs, 2, axis=1)
        squares = ops.sum(ops.square(one - other), axis=1, keepdims=self.keepdims)
        distance = ops.sqrt(squares + 1e-9)
        label = ops.cast(label, distance.dtype)
        away = ops.maximum(self.margin - distance, 0.0)
        return (1 - label) * ops.square(distance) + label * ops.square(away)


@case(
    source="https://github.com/harveyslash/Facial-Similarity-with-Siamese-Networks-in-Pytorch/"
    "issues/27",
    cause="distances (n,) and labels (n, 1) become n x n: every pair is pulled and pushed alike",
    causes="loss data",
    evidence=r"broadcast|keep_?dims?|pairwise|"
    r"(shape|dimension|rank|axis|axes)s?\b[\s\S]{0,120}(target|label|\by\b|output|answer|predict|"
    r"differ|match|batch|distance)|(target|label|\by\b|output|answer|predict|distance)[\s\S]{0,100}"
    r"(shape|dimension|rank|\bcolumn\b|\(N?\d*, ?1\)|one axis)|"
    r"(own|custom|hand\w*)[\s\S]{0,30}loss[\s\S]{0,120}(row|batch|other|each|mix|compar|label)|"
    r"(with|against|from|to|of) (every|each|all)( other)? "
    r"(row|target|label|answer|prediction|pair)",
    repair={"keepdims": True},
    advice={
        r"keep_?dims?|expand_dims|newaxis|\[:, ?None\]|reshape|squeeze|ravel|same shape|shape of|"
        r"shapes|broadcast|\(-1, ?1\)|one column|per row|each row|axis": {"keepdims": True},
        "longer": {"epochs": 24},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "relu": {},
    },
    metric="area under the ROC curve of the distances of held-out pairs",
    good=0.93,
)
def is_it_the_same_hand(
    seed,
    callbacks,
    keepdims=False,
    epochs=6,
    units=48,
    learning_rate=0.002,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Compare two images with one network: the distances say little on people it has not seen."""
    random = start(seed)
    x, y = digits(seed)

    def pairs(rows, count):
        first, second = random.choice(rows, count), random.choice(rows, count)
        for place in range(0, count, 2):
            second[place] = random.choice(rows[y[rows] == y[first[place]]])
        return [x[first], x[second]], (y[first] != y[second]).astype("float32")[:, None]

    train, valid, test = np.split(np.arange(len(x)), [1000, 1300])
    forward = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu", kernel_initializer=initializer),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=initializer),
            layers.Flatten(),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(5),
        ]
    )
    images = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    model = keras.Model(images, layers.Concatenate()([forward(image) for image in images]))
    model.compile(Adam(learning_rate), ContrastiveLoss(keepdims=keepdims))
    model.fit(
        *pairs(train, 2400),
        validation_data=pairs(valid, 600),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    images, different = pairs(test, 1000)
    one, other = np.split(model.predict(images, verbose=0), 2, axis=1)
    return auc(different[:, 0], np.linalg.norm(one - other, axis=1))


# ---- tables ----


def hazard_loss(y, hazards):
    """Return -log likelihood of leaving in interval y[:, 0], or of staying, where y[:, 1] = 0."""
    interval, event = ops.cast(y[:, :1], "int32"), y[:, 1:]
    steps = ops.arange(hazards.shape[1], dtype="int32")[None]
    hazards = ops.clip(hazards, 1e-6, 1 - 1e-6)
    leaves = ops.cast(steps == interval, "float32") * event
    known = ops.cast(steps < interval, "float32") + leaves
    known = known + ops.cast(steps == interval, "float32") * (1 - event)
    likelihood = leaves * ops.log(hazards) + (known - leaves) * ops.log(1 - hazards)
    return -ops.sum(likelihood, axis=1)


@case(
    source="https://github.com/havakv/pycox/issues/48",
    cause="some features are missing, and a single NaN in a batch makes all weights NaN",
    causes="data",
    evidence=r"(\bnan\b|missing|not a number|\bnull|non-?finite|not finite|undefined)[\s\S]{0,120}"
    r"(input|feature|column|row|data|\bx\b|value|cell)|(input|feature|column|row|data|\bx\b|value)s?"
    r"[\s\S]{0,120}(\bnan\b|missing|not a number|\bnull|non-?finite|not finite|no numbers?)",
    repair={"filled": True},
    advice={
        r"fill|imput|missing|nan_to_num|\bdrop\b.{0,30}(row|column|nan)|remove.{0,30}(row|column|nan)|"
        r"clean|replace|median|isnan|isfinite|finite": {"filled": True},
        "longer": {"epochs": 45},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {},
        "relu": {},
    },
    metric="correlation of the foretold risks with the true ones, held-out customers",
    good=0.6,
)
def customers_before_they_leave(
    seed,
    callbacks,
    filled=False,
    epochs=15,
    units=32,
    learning_rate=0.003,
    dropout=0.1,
    initializer="glorot_uniform",
):
    """Foretell when customers leave, in three intervals: there is no loss to be seen."""
    random = start(seed)
    rows, columns, intervals = 3600, 20, 3
    x = random.normal(size=(rows, columns)) * random.uniform(0.5, 20, columns)
    usual = standardized(x)
    risk = usual[:, 0] - 0.8 * usual[:, 1] + 0.6 * usual[:, 2] * usual[:, 3]
    chance = 1 / (1 + np.exp(3 - 1.1 * risk[:, None] - 0.3 * np.arange(intervals)))
    leaves = random.random((rows, intervals)) < chance
    event = leaves.any(axis=1)
    interval = np.where(event, leaves.argmax(axis=1), random.integers(0, intervals, rows))
    y = np.stack([interval, event], axis=1).astype("float32")

    x[random.random(x.shape) < 0.01 * (np.arange(columns) % 5 == 4)] = np.nan
    if filled:
        x = np.where(np.isnan(x), np.nanmean(x[:2400], axis=0), x)
    x = (x - np.nanmean(x[:2400], axis=0)) / np.nanstd(x[:2400], axis=0)
    x = x.astype("float32")

    model = keras.Sequential([keras.Input((columns,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(intervals, activation="sigmoid"))
    model.compile(Adam(learning_rate), hazard_loss)
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2900], y[2400:2900]),
        batch_size=128,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    hazards = model.predict(x[2900:], verbose=0)
    if not np.all(np.isfinite(hazards)):
        return 0.0
    stays = np.log(1 - np.clip(hazards, 0, 0.999)).sum(axis=1)
    return float(np.corrcoef(-stays, -np.log(1 - chance[2900:]).sum(axis=1))[0, 1])


# ---- several outputs ----

ASSAYS = ["nr-er", "sr-are", "nr-ahr", "sr-p53"]


@case(
    source="https://github.com/deepchem/deepchem/issues/158",
    cause="the validation table has the tasks in another order than the training table, and "
    "answers go by their place",
    causes="data labels validation",
    evidence=r"\border|permut|swap|mis-?match|align|shuffl|wrong (column|task|output|label)|"
    r"(column|task|output|label|target)s?[\s\S]{0,100}(other (column|task|output|place|order|"
    r"distribut)|another|differ|not (match|fit|belong|the same)|do(es)? not (match|fit|belong|"
    r"depend|follow)|moved|place|position|distribut|share|frequen|base rate)|"
    r"(validation|held-out|test)[\s\S]{0,120}(distribut|other (data|source|way|task)|"
    r"same (way|source|task)|prepared|not like)",
    repair={"in_order": True},
    advice={
        r"\border|sort|align|match|same (column|task|source|way|distribution|prepar)|column|"
        r"permut|swap|prepare|distribut|check.{0,40}(label|target|output|validation)|"
        r"by name|dict|compare": {"in_order": True},
        "longer": {"epochs": 30},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.5},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "binary": {},
        "sigmoid": {},
    },
    metric="mean area under the ROC curve of the assays, held-out molecules",
    good=0.78,
)
def several_assays_at_once(
    seed,
    callbacks,
    in_order=False,
    epochs=6,
    units=64,
    learning_rate=0.004,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Foretell four assays from fingerprints: well in training, bad numbers in validation."""
    random = start(seed)
    rows, bits = 3000, 100
    x = (random.random((rows, bits)) < random.uniform(0.1, 0.5, bits)).astype("float32")
    table = {}
    for assay in ASSAYS:
        part = random.permutation(bits)[:12]
        toxic = (x[:, part] * random.normal(0, 1.6, 12)).sum(axis=1)
        toxic = toxic + random.logistic(0, 0.5, rows)
        table[assay] = (toxic > np.quantile(toxic, random.uniform(0.6, 0.8))).astype("float32")

    def read(part, tasks):
        return x[part], [table[task][part, None] for task in tasks]

    tasks = sorted(ASSAYS)
    others = tasks if in_order else [tasks[place] for place in (2, 3, 1, 0)]
    x_train, y_train = read(slice(0, 2000), tasks)
    x_valid, y_valid = read(slice(2000, 2400), others)
    x_test, y_test = read(slice(2400, None), others)

    fingerprint = keras.Input((bits,))
    shared = layers.Dense(units, activation="relu", kernel_initializer=initializer)(fingerprint)
    shared = layers.Dropout(dropout)(shared)
    shared = layers.Dense(units, activation="relu", kernel_initializer=initializer)(shared)
    outputs = [
        layers.Dense(1, activation="sigmoid", name=f"task_{place}")(shared)
        for place in range(len(tasks))
    ]
    model = keras.Model(fingerprint, outputs)
    model.compile(Adam(learning_rate), ["binary_crossentropy"] * 4, metrics=["accuracy"] * 4)
    model.fit(
        *(x_train, y_train),
        validation_data=(x_valid, y_valid),
        batch_size=80,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guesses = model.predict(x_test, verbose=0)
    return float(np.mean([auc(y, guess) for y, guess in zip(y_test, guesses, strict=True)]))


# ---- own layers ----


class InnerLayers:
    """A dense layer for each degree that an atom may have."""

    def __init__(self, units, degrees, initializer):
        options = {"activation": "relu", "kernel_initializer": initializer}
        self.dense = [layers.Dense(units, **options) for _ in range(degrees)]

    def build(self, shape):
        """Create the weights."""
        for dense in self.dense:
            dense.build(shape)


class NeuralGraphHidden(layers.Layer):
    """Atoms (N, A, F) and bonds (N, A, A) to atoms (N, A, units), by the number of their bonds."""

    def __init__(self, units, degrees=3, initializer="glorot_uniform", registered=False):
        super().__init__()
        self.units = units
        self.inner = InnerLayers(units, degrees, initializer)
        if registered:
            self.inner_layers = self.inner.dense

    def build(self, atoms_shape, bonds_shape):
        """Create the weights of all degrees."""
        self.inner.build(atoms_shape)

    def call(self, atoms, bonds):
        """Sum every atom's neighbours, transform the sum by its degree's layer."""
        degree = ops.sum(bonds, axis=-1, keepdims=True)
        summed = atoms + ops.matmul(bonds, atoms)
        result = 0.0
        for number, dense in enumerate(self.inner.dense, 1):
            result = result + dense(summed) * ops.cast(degree == number, "float32")
        return result

    def compute_output_shape(self, atoms_shape, bonds_shape):
        """Return the shape of the new atoms."""
        return (*atoms_shape[:-1], self.units)


@case(
    source="https://github.com/keiserlab/keras-neural-graph-fingerprint/issues/2",
    cause="the own layer's inner layers are in an object that Keras does not look into: their "
    "weights are not among the trainable ones and stay at their random start",
    causes="layers",
    evidence=r"\btrack|trainable|frozen|freez|regist|untrained|random (start|weights|init)|"
    r"(weight|kernel|parameter|variable)s?[\s\S]{0,80}\b(never|not|no|none|zero|0)\b[\s\S]{0,40}"
    r"(train|updat|chang|mov|learned|gradient|found|belong|known|seen|part of)|"
    r"layers?[\s\S]{0,60}\b(not|never) (train|updat|chang|mov|learn|part of|known)|"
    r"\b(no|0|without|few|fewer|missing) (trainable |own )?(weights|parameters|variables)",
    repair={"registered": True},
    advice={
        r"track|attribute|trainable|regist|sublayer|inner layer|list of layers|add_weight|"
        r"unfreez|frozen|freez|keras\.layers\.Layer|layers\.Layer|self\.": {"registered": True},
        "longer": {"epochs": 45},
        "wider": {"units": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
        "relu": {},
    },
    metric="R² on held-out molecules",
    good=0.55,
)
def fingerprints_of_molecules(
    seed,
    callbacks,
    registered=False,
    epochs=12,
    units=12,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell solubility from graphs by layers of my own: the layers do not seem to learn."""
    random = start(seed)
    rows, atoms, kinds = 2200, 8, 4
    kind = random.integers(0, kinds, (rows, atoms))
    bonds = np.zeros((rows, atoms, atoms), "float32")
    for bond in bonds:
        for atom in range(1, atoms):
            other = random.choice(np.flatnonzero(bond[:atom].sum(axis=1) < 3))
            bond[atom, other] = bond[other, atom] = 1
    features = one_hot(kind, kinds)
    near = bonds @ features
    polar = features[:, :, 0] * near[:, :, 1] + 0.8 * features[:, :, 2] * (near[:, :, 3] > 0)
    chains = features[:, :, 1] * (near[:, :, 1] == 0)
    y = (polar - 1.2 * chains).sum(axis=1) + random.normal(0, 0.2, rows)
    y = standardized(y)[:, None]

    inputs = keras.Input((atoms, kinds)), keras.Input((atoms, atoms))
    seen = inputs[0]
    for _ in range(2):
        hidden = NeuralGraphHidden(units, initializer=initializer, registered=registered)
        seen = layers.Dropout(dropout)(hidden(seen, inputs[1]))
    fingerprint = layers.GlobalAveragePooling1D()(seen)
    model = keras.Model(inputs, layers.Dense(1)(fingerprint))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *([features[:1500], bonds[:1500]], y[:1500]),
        validation_data=([features[1500:1800], bonds[1500:1800]], y[1500:1800]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1800:, 0], model.predict([features[1800:], bonds[1800:]], verbose=0)[:, 0])


# ---- generative ----


class Latent(layers.Layer):
    """Draw codes from their means and log variances, add the latent loss."""

    def __init__(self, summed):
        super().__init__()
        self.summed = summed
        self.seeds = keras.random.SeedGenerator(7)

    def call(self, mean, log_var, training=False):
        """Return the codes (N, D)."""
        latent = ops.square(mean) + ops.exp(log_var) - log_var - 1
        latent = ops.sum(latent, axis=1) if self.summed else ops.mean(latent, axis=1)
        self.add_loss(0.5 * ops.mean(latent))
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        return mean + ops.exp(0.5 * log_var) * noise


def squared_pixels(x, guess):
    """Squared error of an image, summed over its pixels."""
    return ops.sum(ops.square(x - guess), axis=-1)


@case(
    source="https://github.com/ethanluoyc/pytorch-vae/issues/3",
    cause="the squared error is a mean over pixels, so the latent loss outweighs it and the code "
    "says nothing; sums repair it",
    causes="loss regularization",
    evidence=r"\bKL\b|kullback|latent|posterior|collapse|divergence|prior\b|add_loss|"
    r"(penalt|regulari[sz]|added|extra|other|second) ?\w*[\s\S]{0,80}(outweigh|dominat|larger|"
    r"large|strong|weigh|share|most of|term|part)|(reconstruction|error)[\s\S]{0,80}(sum|mean|"
    r"average|pixel|outweigh|weigh|small)|(sum|mean|average)[\s\S]{0,40}(pixel|dimension)|"
    r"(code|bottleneck|latent)[\s\S]{0,60}(constant|same|ignored|nothing|no information)",
    repair={"summed": True},
    advice={
        r"\bsum\b|beta|\bKL\b|latent|anneal|weight of|loss.?weight|add_loss|balance|pixel|"
        r"posterior|reconstruction|penalty|"
        r"(small|weak|low|reduc|divid|less|remov)\w*[\s\S]{0,40}(penalt|regulari|term)": {
            "summed": True
        },
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        r"dropout|augmentation|best epoch": {},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
        r"loss=.?binary_crossentropy": {"loss": "binary_crossentropy", "activation": "sigmoid"},
        "linear": {"activation": "linear"},
    },
    metric="share of the variance of held-out digits that is drawn again from their codes",
    good=0.35,
)
def digits_that_are_all_a_nine(
    seed,
    callbacks,
    summed=False,
    epochs=10,
    units=64,
    learning_rate=0.002,
    activation="relu",
    initializer="glorot_uniform",
    loss="mean_squared_error",
):
    """Draw digits with a variational autoencoder: all of them look like a blurred nine."""
    start(seed)
    x = digits(seed)[0].repeat(3, axis=1).repeat(3, axis=2).reshape(-1, 576)
    inputs = keras.Input((576,))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(inputs)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    code = Latent(summed)(layers.Dense(8)(seen), layers.Dense(8)(seen))
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(code)
    outputs = layers.Dense(576, activation=activation)(seen)
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), squared_pixels if summed else loss)
    model.fit(
        *(x[:1200], x[:1200]),
        validation_data=(x[1200:1450], x[1200:1450]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1450:], verbose=0)
    away = np.square(x[1450:] - x[1450:].mean(axis=0)).mean()
    return 1 - float(np.square(x[1450:] - guess).mean() / away)


# ---- series ----


@case(
    source="https://github.com/jessicayung/blog-code-snippets/issues/6",
    cause="windows are reshaped to (steps, windows) where they had to be transposed: a row is no "
    "longer its target's past",
    causes="data",
    evidence=r"reshap|transpos|scrambl|jumbl|mixed|\border|permut|align|mis-?match|shuffl|\bpair|"
    r"(input|window|row|step|past|\bx\b)s?[\s\S]{0,100}(tells? nothing|says? nothing|nothing to do|"
    r"no information|no relation|do(es)? not (belong|explain|predict|determine|follow)|unrelated|"
    r"not (related|connected|informative)|belong|other (row|target|window))|"
    r"(target|label|answer|\by\b)s?[\s\S]{0,100}(belong|other row|unrelated|not depend|"
    r"nothing|noise|random|own row|not (match|follow|explained))|neighbou?r",
    repair={"transposed": True},
    advice={
        r"transpos|reshap|swapaxes|\.T\b|permut|\border|align|pair|belong|match|check.{0,60}(row|"
        r"input|target|window)|look at.{0,40}(row|input|target)": {"transposed": True},
        "longer": {"epochs": 45},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of later values",
    good=0.8,
)
def the_next_value_of_a_process(
    seed,
    callbacks,
    transposed=False,
    epochs=12,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell an autoregressive process by an LSTM: no better than its mean."""
    random = start(seed)
    num_datapoints, input_size = 1500, 20
    noise = random.normal(0, 1, num_datapoints + 200)
    series = np.zeros(num_datapoints + 200)
    for step in range(2, len(series)):
        series[step] = 1.6 * series[step - 1] - 0.9 * series[step - 2] + noise[step]
    series = series[200:] / series[200:].std()
    windows = np.lib.stride_tricks.sliding_window_view(series, input_size + 1).astype("float32")
    x, y = windows[:, :-1], windows[:, -1]

    def time_first(rows):
        return rows.T.reshape(input_size, -1, 1) if transposed else rows.reshape(input_size, -1, 1)

    train, valid, test = (
        np.swapaxes(time_first(part), 0, 1) for part in (x[:1000], x[1000:1200], x[1200:])
    )
    model = keras.Sequential(
        [
            keras.Input((input_size, 1)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(train, y[:1000]),
        validation_data=(valid, y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1200:], model.predict(test, verbose=0)[:, 0])


@case(
    source="https://discuss.pytorch.org/t/one-layer-bilstm-is-not-learning/175731",
    cause="targets are the window one step later, and the backward direction reads them from the "
    "input, but for the last one; a forward layer repairs it",
    causes="layers data",
    evidence=r"bidirectional|backward|\bfuture|leak|causal|look(s|ed|ing)? ahead|copy|copied|"
    r"copies|"
    r"(target|label|answer|\by\b)s?[\s\S]{0,120}(in (the |its |their )?(own )?(x|inputs?|window)\b|"
    r"(is|are|among|one of|equals?) (the |its |an? )?(next |other |later )?(input|step)|already|"
    r"known|shift|same (value|number)|contain)|input[\s\S]{0,80}(contain|hold|includ|equal)"
    r"[\s\S]{0,40}(target|answer|label)|too (good|easy)|(almost|nearly) perfect",
    repair={"bidirectional": False},
    advice={
        r"bidirectional|backward|causal|forward|direction|future|leak|ahead|unidirectional": {
            "bidirectional": False
        },
        r"return_sequences|last (step|output)|after the window": {"bidirectional": False},
        "longer": {"epochs": 36},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 1e-3},
        "regularized": {"dropout": 0.3},
        "scaled": {},
        "initialized": {"initializer": "he_normal"},
        "linear": {},
        "squared": {},
    },
    metric="R² of what follows the windows of later days",
    good=0.75,
)
def waves_read_in_both_directions(
    seed,
    callbacks,
    bidirectional=True,
    epochs=10,
    units=16,
    learning_rate=0.01,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Continue a series by a bidirectional LSTM: only the last step, the new one, is poor."""
    random = start(seed)
    days, length = 1400, 24
    time = np.arange(days)
    level = np.sin(2 * np.pi * time / 9.3) + 0.7 * np.sin(2 * np.pi * time / 4.1 + 1)
    series = standardized(level + random.normal(0, 0.25, days))
    windows = np.lib.stride_tricks.sliding_window_view(series, length + 1)[..., None]
    x, y = windows[:, :-1], windows[:, 1:]

    lstm = layers.LSTM(units, return_sequences=True, kernel_initializer=initializer)
    if bidirectional:
        lstm = layers.Bidirectional(lstm, merge_mode="sum")
    model = keras.Sequential(
        [keras.Input((length, 1)), lstm, layers.Dropout(dropout), layers.Dense(1)]
    )
    model.compile(Adam(learning_rate), "mean_squared_error")
    model.fit(
        *(x[:900], y[:900]),
        validation_data=(x[900:1100], y[900:1100]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1100:, -1, 0], model.predict(x[1100:], verbose=0)[:, -1, 0])


# ---- sound ----


def log_density(y, answer):
    """Negative log-likelihood of a normal distribution, without its constant."""
    mean, log_deviation = answer[:, :1], answer[:, 1:]
    return ops.mean(0.5 * ops.square((y - mean) / ops.exp(log_deviation)) + log_deviation, axis=-1)


@sound(metric="R² of the foretold against the true logarithm of the deviation", good=0.6)
def gauges_and_their_errors(seed, callbacks):
    """Negative loss: the likelihood of precise gauges, of whom the error is foretold too."""
    random = start(seed)
    x = random.normal(size=(5200, 4)).astype("float32")
    deviation = 0.06 * np.exp(0.7 * x[:, 1] + 0.3 * x[:, 2])
    y = 0.3 * x[:, 0] + 0.2 * np.sin(2 * x[:, 3]) + deviation * random.normal(size=5200)
    y = y.astype("float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(48, activation="swish"),
            layers.Dense(48, activation="swish"),
            layers.Dense(2),
        ]
    )
    model.compile(Adam(0.003, clipnorm=1.0), log_density)
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:3600], y[:3600]),
        validation_data=(x[3600:4200], y[3600:4200]),
        batch_size=64,
        epochs=20,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(np.log(deviation[4200:]), model.predict(x[4200:], verbose=0)[:, 1])


@sound(metric="R² of the foretold against the true rates of held-out districts", good=0.85)
def accidents_per_district(seed, callbacks):
    """Targets of 0 to some thousands, never scaled: counts, an exponential, and a Poisson loss."""
    random = start(seed)
    x = random.normal(size=(3600, 5)).astype("float32")
    people = random.lognormal(3.5, 1.2, 3600).astype("float32")
    rate = np.exp(0.5 * x[:, 0] - 0.4 * np.abs(x[:, 1]) + 0.3 * x[:, 2] * x[:, 3])
    y = random.poisson(people * rate).astype("float32")[:, None]
    inputs = keras.Input((5,)), keras.Input((1,))
    seen = layers.Dense(32, activation="relu")(inputs[0])
    seen = layers.Dense(32, activation="relu")(seen)
    log_rate = layers.Dense(1, kernel_initializer="zeros")(seen)
    outputs = layers.Activation("exponential")(layers.Add()([log_rate, inputs[1]]))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(0.003), "poisson")
    log_people = np.log(people)[:, None]
    model.fit(
        *([x[:2500], log_people[:2500]], y[:2500]),
        validation_data=([x[2500:2900], log_people[2500:2900]], y[2500:2900]),
        batch_size=64,
        epochs=20,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict([x[2900:], np.zeros((700, 1), "float32")], verbose=0)[:, 0]
    return r_squared(np.log(rate[2900:]), np.log(guess + 1e-9))


@sound(metric="accuracy on held-out digits", good=0.9)
def blocks_that_start_at_nothing(seed, callbacks):
    """Zeros as kernels: each of four residual blocks starts as the identity."""
    start(seed)
    x, y = digits(seed)
    x = x.reshape(-1, 64)
    inputs = keras.Input((64,))
    seen = layers.Dense(48)(inputs)
    for _ in range(4):
        change = layers.Dense(48, activation="relu", kernel_initializer="he_normal")(seen)
        change = layers.Dense(48, kernel_initializer="zeros")(change)
        seen = layers.Add()([seen, change])
    model = keras.Model(inputs, layers.Dense(10, kernel_initializer="zeros")(seen))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(Adam(0.002), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1350], y[1100:1350]),
        epochs=10,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1350:], y[1350:])


@sound(metric="share of right tags among the words of held-out sentences", good=0.9)
def tags_of_words(seed, callbacks):
    """Tag words where padding has most of the steps and weighs nothing, and tags are rare."""
    random = start(seed)
    rows, longest, words = 1100, 20, 50
    x = np.zeros((rows, longest), int)
    y = np.zeros((rows, longest), int)
    for sentence, tags in zip(x, y, strict=True):
        length = random.integers(4, 12)
        sentence[:length] = random.integers(1, words, length)
        for step in range(length):
            after = step > 0 and sentence[step - 1] < 12
            tags[step] = (1 + sentence[step] % 3) if after else 0
    weights = (x > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((longest,)),
            layers.Embedding(words, 16),
            layers.Conv1D(32, 3, padding="same", activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    model.fit(
        *(x[:700], y[:700]),
        sample_weight=weights[:700],
        validation_data=(x[700:800], y[700:800], weights[700:800]),
        epochs=8,
        callbacks=callbacks,
        verbose=0,
    )
    right = model.predict(x[800:], verbose=0).argmax(axis=-1) == y[800:]
    return float(right[weights[800:] > 0].mean())


@sound(metric="accuracy against the true classes of held-out digits", good=0.88)
def labels_by_hurried_people(seed, callbacks):
    """Learn labels of which a third is wrong, in validation too: accuracy stays at two thirds."""
    random = start(seed)
    x, true = digits(seed)
    wrong = random.random(len(true)) < 0.3
    labels = np.where(wrong, random.integers(0, 10, len(true)), true)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    model.compile(Adam(0.003), loss, metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    model.fit(
        *(x[:1200], one_hot(labels[:1200], 10)),
        validation_data=(x[1200:1400], one_hot(labels[1200:1400], 10)),
        batch_size=64,
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, x[1400:], true[1400:])


@sound(metric="accuracy on held-out patients", good=0.92)
def a_thousand_random_features(seed, callbacks):
    """Most weights are frozen: random features of few patients, and a linear layer above them."""
    random = start(seed)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(x))
    x, y = standardized(x[rows]), y[rows].astype("float32")[:, None]
    features = layers.Dense(1000, activation="tanh", trainable=False)
    model = keras.Sequential(
        [
            keras.Input((30,)),
            features,
            layers.Dense(1, activation="sigmoid", kernel_regularizer=keras.regularizers.L2(1e-3)),
        ]
    )
    model.compile(Adam(0.004), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:340], y[:340]),
        validation_data=(x[340:420], y[340:420]),
        batch_size=340,
        epochs=60,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[420:], verbose=0) > 0.5) == (y[420:] > 0.5)))


PROGRAMS = [
    five_things_in_colour,
    four_things_in_a_scene,
    who_likes_which_song,
    tags_for_letters,
    short_sentences_in_french,
    is_it_the_same_hand,
    customers_before_they_leave,
    several_assays_at_once,
    fingerprints_of_molecules,
    digits_that_are_all_a_nine,
    the_next_value_of_a_process,
    waves_read_in_both_directions,
]
SOUND = [
    gauges_and_their_errors,
    accidents_per_district,
    blocks_that_start_at_nothing,
    tags_of_words,
    labels_by_hurried_people,
    a_thousand_random_features,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
