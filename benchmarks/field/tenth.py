"""Thirteen field programs: what a consultant meets in a week, by somebody who had read no rule.

Eight have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.tenth
    python benchmarks/diagnosis.py --programs tenth
"""

import collections

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from keras.callbacks import EarlyStopping, ReduceLROnPlateau
from keras.optimizers import SGD, Adam, AdamW
from sklearn import datasets

from benchmarks.field._program import case, main, one_hot, r_squared, sound, standardized, start


@case(
    source="https://stats.stackexchange.com/questions/409000",
    cause="prices in dollars: the outputs would have to grow a hundred thousand fold to reach them",
    causes="preprocessing",
    evidence=r"targets?\b[\s\S]{0,120}(scale|standardi|normali|unit|range|large|deviation|far)|"
    r"(scale|standardi|normali|unit|range|large|deviation|far)[\s\S]{0,120}\btargets?",
    repair={"scale_target": True},
    advice={
        r"(scale|standardi|normali|divide)[\s\S]{0,60}(target|\by\b)": {"scale_target": True},
        r"(target|\by\b)[\s\S]{0,60}(scale|standardi|normali|divide)": {"scale_target": True},
        "longer": {"epochs": 150},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 1e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out houses",
    good=0.85,
)
def house_prices(
    seed,
    callbacks,
    scale_target=False,
    epochs=30,
    units=64,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Estimate what a house sells for: all estimates are a few dollars."""
    random = start(seed)
    houses = random.normal(size=(1500, 8))
    area, age, distance, rooms = houses[:, :4].T
    dollars = 320_000 + 70_000 * area - 25_000 * age + 18_000 * rooms * area
    dollars += 40_000 * np.exp(-((distance + 1) ** 2)) + random.normal(0, 15_000, 1500)
    x, y = houses.astype("float32"), dollars.astype("float32")
    mean, deviation = (y[:1100].mean(), y[:1100].std()) if scale_target else (0, 1)
    y = (y - mean) / deviation

    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1300], y[1100:1300]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1300:], model.predict(x[1300:], verbose=0)[:, 0])


@case(
    source="https://github.com/hlamba28/UNET-TGS/issues/8",
    cause="the masks hold 0 and 255 where binary cross-entropy expects 0 and 1",
    causes="preprocessing",
    evidence=r"255|(target|label|mask|\by\b)[\s\S]{0,120}(0 (and|to|or|\.\.) ?1|\[0, 1\]|"
    r"(above|over|larger than|outside) |negative)|"
    r"(0 (and|to|or|\.\.) ?1|\[0, 1\])[\s\S]{0,120}(target|label|mask)",
    repair={"brightest": 255},
    advice={
        r"255|maximum|0 (and|to|or|\.\.) ?1|\[0, 1\]": {"brightest": 255},
        r"(scale|divide|normali|encode)[\s\S]{0,60}(target|label|mask|\by\b)": {"brightest": 255},
        r"class_weight|sample_weight": {},
        "longer": {"epochs": 30},
        "wider": {"filters": 24},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
        r"mean_squared_error|\bmse\b": {"loss": "mean_squared_error"},
        r"linear": {"activation": "linear"},
    },
    metric="intersection over union on held-out pictures",
    good=0.75,
)
def cell_masks(
    seed,
    callbacks,
    brightest=1,
    epochs=12,
    filters=8,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
    loss="binary_crossentropy",
    activation="sigmoid",
):
    """Find the cells in microscope pictures: the whole picture becomes a cell."""
    random = start(seed)
    rows, columns = np.mgrid[:32, :32]
    masks = np.zeros((360, 32, 32), "uint8")
    for mask in masks:
        for _ in range(random.integers(1, 4)):
            row, column = random.integers(5, 27, 2)
            mask[(rows - row) ** 2 + (columns - column) ** 2 < random.integers(9, 36)] = 255
    light = random.uniform(0.2, 0.4, (360, 1, 1))
    pictures = light + 0.3 * (masks == 255) + random.normal(0, 0.1, masks.shape)
    x = pictures[..., None].astype("float32")
    y = masks[..., None].astype("float32") / brightest

    def convolution(size):
        return layers.Conv2D(
            *(size, 3), padding="same", activation="relu", kernel_initializer=initializer
        )

    inputs = keras.Input((32, 32, 1))
    fine = convolution(filters)(inputs)
    coarse = convolution(2 * filters)(layers.MaxPooling2D()(fine))
    coarse = layers.Dropout(dropout)(convolution(2 * filters)(coarse))
    joined = layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])
    outputs = layers.Conv2D(1, 1, activation=activation)(convolution(filters)(joined))
    model = keras.Model(inputs, outputs)
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:240], y[:240]),
        validation_data=(x[240:300], y[240:300]),
        epochs=epochs,
        batch_size=16,
        callbacks=callbacks,
        verbose=0,
    )
    found, cells = model.predict(x[300:], verbose=0)[..., 0] > 0.5, masks[300:] == 255
    return (found & cells).sum() / (found | cells).sum()


@case(
    source="https://github.com/tensorflow/docs/pull/2102",
    cause="the last layer gives logits, and the loss by its name expects probabilities",
    causes="activation loss",
    evidence=r"logits|softmax|probabilit|sum to (1|one)|negative",
    repair={"activation": "softmax"},
    advice={
        r"from_logits": {"from_logits": True},
        "softmax": {"activation": "softmax"},
        "longer": {"epochs": 50},
        "wider": {"units": 256},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        "sigmoid": {"activation": "sigmoid"},
    },
    metric="accuracy on held-out tickets",
    good=0.85,
)
def ticket_topics(
    seed,
    callbacks,
    activation=None,
    from_logits=False,
    epochs=12,
    units=64,
    learning_rate=0.002,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Send tickets of a help desk to one of twelve teams: far from what was promised."""
    random = start(seed)
    topics = random.integers(0, 12, 2000)
    rates = random.gamma(0.3, 0.2, (12, 150))
    x = random.poisson(rates[topics]).clip(0, 3).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((150,)),
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(12, activation=activation),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1400], topics[:1400]),
        validation_data=(x[1400:1700], topics[1400:1700]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return np.mean(model.predict(x[1700:], verbose=0).argmax(axis=1) == topics[1700:])


@case(
    source="https://github.com/keras-team/keras/issues/20898",
    cause="the LSTM reads the padding behind every message, unmasked, and forgets the words",
    causes="layers preprocessing",
    evidence=r"mask|padd|zeros? (at|behind|after)|trailing",
    repair={"mask_zero": True},
    advice={
        r"mask": {"mask_zero": True},
        r"pad[\s\S]{0,60}(front|before|pre\b|left)|(front|before|pre\b|left)[\s\S]{0,60}pad": {
            "padding": "pre"
        },
        r"[Bb]idirectional": {"bidirectional": True},
        r"[Pp]ooling|every step|all steps": {"pooled": True},
        "longer": {"epochs": 30},
        "wider": {"units": 96},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
    },
    metric="accuracy on held-out messages",
    good=0.85,
)
def short_messages(
    seed,
    callbacks,
    mask_zero=False,
    padding="post",
    bidirectional=False,
    pooled=False,
    epochs=8,
    units=24,
    learning_rate=0.005,
    dropout=0.0,
):
    """Tell complaints from thanks in short messages: never better than a coin."""
    random = start(seed)
    glad, angry, negation = np.arange(2, 22), np.arange(22, 42), 1
    messages, y = [], random.integers(0, 2, 1500)
    for thanks in y:
        words = random.integers(42, 300, random.integers(4, 15))
        place = random.integers(1, len(words))
        negated = random.random() < 0.2
        words[place] = random.choice(glad if thanks != negated else angry)
        if negated:
            words[place - 1] = negation
        messages.append(words)
    x = keras.utils.pad_sequences(messages, 80, padding=padding)

    reader = layers.LSTM(units, return_sequences=pooled)
    model = keras.Sequential(
        [
            keras.Input((80,)),
            layers.Embedding(300, 16, mask_zero=mask_zero),
            layers.Bidirectional(reader) if bidirectional else reader,
            layers.GlobalAveragePooling1D() if pooled else layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return np.mean((model.predict(x[1200:], verbose=0)[:, 0] > 0.5) == y[1200:])


@case(
    source="https://github.com/keras-team/keras/issues/4066",
    cause="Adam at 0.02: the first steps overshoot, and every picture is taken for one class",
    causes="learning_rate optimizer",
    evidence=r"learning.rate|steps?\b|updates?\b|\brate\b",
    repair={"learning_rate": 0.001},
    advice={
        r"clip": {"clipnorm": 1.0},
        r"BatchNormalization|batch normalization": {"normalized": True},
        r"LeakyReLU|leaky|\belu\b|\bselu\b|\bgelu\b": {"activation": "leaky_relu"},
        "longer": {"epochs": 24},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 0.002},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out pictures",
    good=0.85,
)
def fabric_patterns(
    seed,
    callbacks,
    learning_rate=0.02,
    clipnorm=None,
    normalized=False,
    activation="relu",
    epochs=8,
    filters=16,
    dropout=0.25,
    initializer="glorot_uniform",
):
    """Tell eight woven patterns apart: the accuracy stays at one in eight from the first epoch."""
    random = start(seed)
    y = random.integers(0, 8, 1400)
    rows, columns = np.mgrid[:16, :16]
    angle = np.pi / 4 * (y % 4)[:, None, None]
    pitch = np.where(y < 4, 4, 7)[:, None, None]
    along = np.cos(angle) * rows + np.sin(angle) * columns
    threads = np.sin(2 * np.pi * along / pitch + random.uniform(0, 6, (1400, 1, 1)))
    colour = random.uniform(0.3, 0.7, (1400, 1, 1, 3))
    x = colour + 0.2 * threads[..., None] + random.normal(0, 0.15, (1400, 16, 16, 3))
    x = x.clip(0, 1).astype("float32")

    stack = [keras.Input((16, 16, 3))]
    for size in (filters, 2 * filters):
        for _ in range(2):
            stack.append(layers.Conv2D(size, 3, padding="same", kernel_initializer=initializer))
            if normalized:
                stack.append(layers.BatchNormalization())
            stack.append(layers.Activation(activation))
        stack.append(layers.MaxPooling2D())
    stack += [layers.Flatten(), layers.Dense(64, activation, kernel_initializer=initializer)]
    stack += [layers.Dropout(dropout), layers.Dense(8, activation="softmax")]
    model = keras.Sequential(stack)
    optimizer = Adam(learning_rate, clipnorm=clipnorm)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:900], y[:900]),
        validation_data=(x[900:1100], y[900:1100]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return np.mean(model.predict(x[1100:], verbose=0).argmax(axis=1) == y[1100:])


@case(
    source="https://github.com/GoogleCloudPlatform/ml-design-patterns/issues/30",
    cause="EarlyStopping without patience ends the training at the first epoch that wavers",
    causes="epochs",
    evidence=r"patience|EarlyStopping|early stopping|stopp|too (soon|early)|"
    r"still (fall|improv|ris)|few epochs|longer",
    repair={"patience": 15},
    advice={
        r"patience|EarlyStopping|early stopping": {"patience": 15},
        "longer": {"epochs": 120},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.3},
        r"clip": {"clipnorm": 1.0},
    },
    metric="accuracy on held-out starts",
    good=0.8,
)
def valve_before_pump(
    seed,
    callbacks,
    patience=0,
    units=16,
    learning_rate=0.001,
    dropout=0.0,
    clipnorm=None,
    epochs=40,
):
    """Tell from two sensors which of two parts moved first: training ends after a few epochs."""
    random = start(seed)
    x = random.normal(0, 0.4, (1300, 30, 2)).astype("float32")
    moments = np.array([random.choice(30, 2, replace=False) for _ in x])
    for part in (0, 1):
        x[np.arange(1300), moments[:, part], part] += 2
    y = (moments[:, 0] < moments[:, 1]).astype("int32")

    model = keras.Sequential(
        [
            keras.Input((30, 2)),
            layers.GRU(units),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        Adam(learning_rate, clipnorm=clipnorm), "binary_crossentropy", metrics=["accuracy"]
    )
    stop = EarlyStopping("val_accuracy", patience=patience, restore_best_weights=True)
    model.fit(
        *(x[:800], y[:800]),
        validation_data=(x[800:840], y[800:840]),
        epochs=epochs,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return np.mean((model.predict(x[840:], verbose=0)[:, 0] > 0.5) == y[840:])


def vocabulary(texts):
    """Return a number for each word of the texts, from 1, the most frequent word first."""
    counts = collections.Counter(word for text in texts for word in text)
    return {word: number for number, (word, _) in enumerate(counts.most_common(), 1)}


@case(
    source="https://github.com/tthustla/twitter_sentiment_analysis_part11/issues/1",
    cause="the validation texts get a vocabulary of their own: their numbers mean other words",
    causes="preprocessing",
    evidence=r"vocabular|token|(training|validation)[\s\S]{0,120}(differ|other|not the same|"
    r"prepar|preprocess|distribut)|(differ|prepar|preprocess|distribut)[\s\S]{0,120}validation",
    repair={"shared": True},
    advice={
        r"vocabular|token|index": {"shared": True},
        r"(same|prepar|preprocess)[\s\S]{0,100}(validation|training)": {"shared": True},
        r"(validation|training)[\s\S]{0,100}(same|prepar|preprocess)": {"shared": True},
        r"shuffle|split": {},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 0.001},
        "regularized": {"dropout": 0.5},
    },
    metric="accuracy on validation comments, as the program prepares them",
    good=0.85,
)
def comments_numbered_anew(
    seed, callbacks, shared=False, epochs=12, units=16, learning_rate=0.005, dropout=0.2
):
    """Tell praise from blame in comments: fine in training, and poor on the validation comments."""
    random = start(seed)
    y = random.integers(0, 2, 1700)
    frequency = 1 / np.arange(150, 550)
    leaning = random.normal(size=400)
    rates = [frequency * np.exp(sign * 0.6 * leaning) for sign in (-1, 1)]
    texts = [random.choice(400, 25, p=rates[label] / rates[label].sum()) for label in y]
    known = vocabulary(texts[:1400])
    own = known if shared else vocabulary(texts[1400:])
    numbers = [[known[word] for word in text if word in known] for text in texts[:1400]]
    numbers += [[own[word] for word in text if word in own] for text in texts[1400:]]
    x = keras.utils.pad_sequences(numbers, 25, padding="post")

    model = keras.Sequential(
        [
            keras.Input((25,)),
            layers.Embedding(401, units, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1400], y[:1400]),
        validation_data=(x[1400:], y[1400:]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return np.mean((model.predict(x[1400:], verbose=0)[:, 0] > 0.5) == y[1400:])


@case(
    source="https://github.com/keras-team/keras/issues/255",
    cause="the pixels are divided as whole numbers: next to nothing but zeros is left",
    causes="preprocessing",
    evidence=r"constant|all (are )?(0|zero|equal|the same)|zeros?\b|whole numbers|integer|"
    r"inputs?[\s\S]{0,120}(nothing|same|identical|few values|empty)",
    repair={"whole": False},
    advice={
        r"float|integer|whole number|divi": {"whole": False},
        r"inputs?[\s\S]{0,120}(look|check|prepar|preprocess|constant|zero|same)": {"whole": False},
        "longer": {"epochs": 40},
        "wider": {"filters": 32},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.5},
        "initialized": {"initializer": "he_normal"},
        r"standardi|normali": {"whole": True},
    },
    metric="accuracy on held-out digits",
    good=0.9,
)
def photographed_digits(
    seed,
    callbacks,
    whole=True,
    epochs=10,
    filters=16,
    learning_rate=0.002,
    dropout=0.2,
    initializer="glorot_uniform",
):
    """Read photographed digits: loss and accuracy do not move."""
    random = start(seed)
    drawings, labels = datasets.load_digits(return_X_y=True)
    order = random.permutation(len(drawings))
    light = random.uniform(0.7, 1, (len(drawings), 1))
    pictures = 15 * light * drawings + random.normal(0, 8, drawings.shape)
    pictures = pictures.clip(0, 255).astype("uint8").reshape(-1, 8, 8, 1)
    x, y = (pictures // 255 if whole else pictures / 255)[order], one_hot(labels[order], 10)

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=initializer),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(64, activation="relu", kernel_initializer=initializer),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1400], y[1100:1400]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1400:], verbose=0).argmax(axis=1)
    return np.mean(guess == labels[order][1400:])


@sound(
    source="https://keras.io/api/layers/preprocessing_layers/numerical/normalization/",
    metric="R² on held-out rows",
    good=0.9,
)
def strength_of_concrete(seed, callbacks):
    """Regression: a Normalization layer adapted to the training rows, a scaled target, plateaus."""
    random = start(seed)
    x, y = datasets.make_friedman1(1600, 10, noise=0.7, random_state=seed)
    x = x * random.uniform(1, 500, 10) + random.uniform(0, 1000, 10)
    y = (y - y[:1100].mean()) / y[:1100].std()
    normalize = layers.Normalization()
    normalize.adapt(x[:1100])
    model = keras.Sequential(
        [
            keras.Input((10,)),
            normalize,
            layers.Dense(48, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(AdamW(0.005, weight_decay=0.01), "mean_squared_error")
    model.fit(
        *(x[:1100], y[:1100]),
        validation_data=(x[1100:1350], y[1100:1350]),
        epochs=50,
        callbacks=[
            ReduceLROnPlateau("val_loss", factor=0.5, patience=5),
            EarlyStopping("val_loss", patience=15, restore_best_weights=True),
            *callbacks,
        ],
        verbose=0,
    )
    return r_squared(y[1350:], model.predict(x[1350:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/guides/preprocessing_layers/",
    metric="accuracy on held-out digits",
    good=0.93,
)
def digits_moved_about(seed, callbacks):
    """Images: a tf.data pipeline, augmentation inside the model, a cosine schedule of the rate."""
    random = start(seed)
    x, y = datasets.load_digits(return_X_y=True)
    order = random.permutation(len(x))
    x, y = (x[order] / 16).reshape(-1, 8, 8, 1).astype("float32"), y[order]
    train = tf.data.Dataset.from_tensor_slices((x[:1200], y[:1200]))
    train = train.shuffle(1200, seed=seed).batch(32).prefetch(2)
    validation = tf.data.Dataset.from_tensor_slices((x[1200:1450], y[1200:1450])).batch(64)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=seed),
            layers.Conv2D(24, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(48, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalMaxPooling2D(),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.05, 12 * 38)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(SGD(rate, momentum=0.9, nesterov=True), loss, metrics=["accuracy"])
    model.fit(train, validation_data=validation, epochs=12, callbacks=callbacks, verbose=0)
    return np.mean(model.predict(x[1450:], verbose=0).argmax(axis=1) == y[1450:])


@sound(
    source="https://keras.io/guides/understanding_masking_and_padding/",
    metric="accuracy over the words of held-out sentences",
    good=0.85,
)
def words_in_quotes(seed, callbacks):
    """Sequences: a masked, bidirectional GRU tags every word; padding counts in no loss."""
    random = start(seed)
    sentences = np.zeros((900, 20), "int32")
    tags = np.zeros((900, 20), "int32")
    for sentence, tag in zip(sentences, tags, strict=True):
        length = random.integers(6, 21)
        sentence[:length] = random.integers(3, 60, length)
        opened, closed = np.sort(random.choice(length, 2, replace=False))
        sentence[opened], sentence[closed] = 1, 2
        tag[opened + 1 : closed] = np.where(sentence[opened + 1 : closed] % 2, 1, 2)
    inputs = keras.Input((20,), dtype="int32")
    words = layers.Embedding(60, 12, mask_zero=True)(inputs)
    words = layers.Bidirectional(layers.GRU(16, return_sequences=True))(words)
    outputs = layers.Dense(3, activation="softmax")(words)
    model = keras.Model(inputs, outputs)
    model.compile(
        Adam(0.01, clipnorm=1.0),
        "sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    model.fit(
        *(sentences[:600], tags[:600]),
        validation_data=(sentences[600:700], tags[600:700]),
        epochs=7,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(sentences[700:], verbose=0).argmax(axis=2)
    return np.mean((guess == tags[700:])[sentences[700:] > 0])


@sound(
    source="https://keras.io/guides/functional_api/",
    metric="the lower of accuracy and R² on held-out machines",
    good=0.8,
)
def machine_and_repair(seed, callbacks):
    """Two inputs and two outputs: what is broken and how long its repair takes, losses weighted."""
    random = start(seed)
    kind = random.integers(0, 12, 2400)
    sensors = random.normal(size=(2400, 6)).astype("float32")
    habits = random.normal(size=(12, 3)) * 0.8
    defect = (sensors[:, :3] + habits[kind]).argmax(axis=1)
    hours = np.array([2.0, 5, 9])[defect] + 2 * np.abs(sensors[:, 3])
    hours = ((hours - hours[:1800].mean()) / hours[:1800].std()).astype("float32")

    kinds, readings = keras.Input((), dtype="int32", name="kind"), keras.Input((6,), name="sensors")
    joined = layers.Concatenate()([layers.Embedding(12, 4)(kinds), readings])
    shared = layers.Dense(64, activation="gelu")(joined)
    shared = layers.LayerNormalization()(layers.Dense(64, activation="gelu")(shared))
    outputs = {
        "defect": layers.Dense(3, activation="softmax", name="defect")(shared),
        "hours": layers.Dense(1, name="hours")(shared),
    }
    model = keras.Model([kinds, readings], outputs)
    model.compile(
        Adam(0.003),
        loss={"defect": "sparse_categorical_crossentropy", "hours": "huber"},
        loss_weights={"defect": 1.0, "hours": 0.5},
        metrics={"defect": "accuracy", "hours": "mean_absolute_error"},
    )

    def part(rows):
        inputs = {"kind": kind[rows], "sensors": sensors[rows]}
        return inputs, {"defect": defect[rows], "hours": hours[rows, None]}

    model.fit(
        *part(slice(0, 1800)),
        validation_data=part(slice(1800, 2100)),
        epochs=25,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(part(slice(2100, 2400))[0], verbose=0)
    accuracy = np.mean(guess["defect"].argmax(axis=1) == defect[2100:])
    return min(accuracy, r_squared(hours[2100:], guess["hours"][:, 0]))


class Denoiser(keras.Model):
    """Gives back the rows that it was shown with noise.

    Args:
        network: model from rows (N, channels) to rows of the same shape.
        noise: standard deviation of the noise, in units of the rows.
        seed: whole number that decides the noise.

    """

    def __init__(self, network, noise, seed):
        super().__init__()
        self.network, self.noise = network, noise
        self.random = keras.random.SeedGenerator(seed)

    def call(self, rows, training=None):
        """Return the rows (N, channels) without their noise."""
        return self.network(rows, training=training)

    def train_step(self, rows):
        """Update the weights once on rows with fresh noise."""
        noisy = rows + self.noise * keras.random.normal(ops.shape(rows), seed=self.random)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x=noisy, y=rows, y_pred=self(noisy, training=True))
        weights = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss}

    def test_step(self, rows):
        """Return the loss on rows with fresh noise."""
        noisy = rows + self.noise * keras.random.normal(ops.shape(rows), seed=self.random)
        return {"loss": self.compute_loss(x=noisy, y=rows, y_pred=self(noisy, training=False))}


@sound(
    source="https://keras.io/guides/custom_train_step_in_tensorflow/",
    metric="share of the noise that is taken away from held-out rows",
    good=0.6,
)
def noise_taken_away(seed, callbacks):
    """Give back twenty channels without their noise, by a train_step of one's own."""
    random = start(seed)
    hidden = random.normal(size=(1500, 3))
    x = standardized(np.tanh(hidden @ random.normal(size=(3, 20)))).astype("float32")
    network = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(20),
        ]
    )
    model = Denoiser(network, 0.5, seed)
    model.compile(Adam(0.003), loss="mean_squared_error")
    rows = tf.data.Dataset.from_tensor_slices(x)
    train = rows.take(1000).shuffle(1000, seed=seed).batch(32)
    validation = rows.skip(1000).take(200).batch(100)
    model.fit(train, validation_data=validation, epochs=30, callbacks=callbacks, verbose=0)
    noise = 0.5 * random.normal(size=(300, 20))
    clean = network.predict(x[1200:] + noise, verbose=0)
    return 1 - np.mean((clean - x[1200:]) ** 2) / np.mean(noise**2)


PROGRAMS = [
    house_prices,
    cell_masks,
    ticket_topics,
    short_messages,
    fabric_patterns,
    valve_before_pump,
    comments_numbered_anew,
    photographed_digits,
]
SOUND = [
    strength_of_concrete,
    digits_moved_about,
    words_in_quotes,
    machine_and_repair,
    noise_taken_away,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
