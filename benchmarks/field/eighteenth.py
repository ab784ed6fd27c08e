"""Eleven more field programs of an ordinary week, by somebody who had read no rule.

Six have a cause and a repaired twin, see _program.py. The last five are sound: nothing is
to be blamed, see sound.py.

    python -m benchmarks.field.eighteenth
    python benchmarks/diagnosis.py --programs eighteenth
"""

import keras
import numpy as np
from keras import layers
from keras.callbacks import EarlyStopping
from keras.optimizers import SGD, Adam, RMSprop
from keras.optimizers.schedules import CosineDecay
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


@case(
    source="https://stackoverflow.com/questions/52571752/what-is-the-purpose-of-keras-utils-normalize",
    cause="keras.utils.normalize divides each row by its length, which the largest column decides",
    causes="preprocessing data",
    evidence=r"(row|sample|example|instance)s?[\s\S]{0,80}(norm|length|unit|divid|scal|sum)|"
    r"(unit|l2)[\s-]?(norm|length)|keras\.utils\.normalize|utils\.normalize|normalizer|"
    r"(column|feature|input)s?[\s\S]{0,100}(scale|spread|range|deviation|magnitude|size|constant|"
    r"narrow|tiny|almost the same|hardly (vary|varies)|standardi[sz]e|dominat|times (as|larger))|"
    r"(standardi[sz]e|normali[sz]e|scale)[\s\S]{0,40}(column|feature|input)|"
    r"(inputs?|\bx\b)[\s\S]{0,60}(not (scaled|standardi[sz]ed)|small|tiny|spread|deviation)",
    repair={"by": "columns"},
    advice={
        r"standardi[sz]e|per (column|feature)|each (column|feature)|by column|StandardScaler|"
        r"layers\.Normalization|Normalization\(|axis=0|(raw|original) (columns|values|inputs)": {
            "by": "columns"
        },
        r"batch.?norm": {"batch_norm": True},
        "scaled": {"by": "columns"},
        "longer": {"epochs": 75},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out batches of milk",
    good=0.85,
)
def milk_by_its_length(
    seed,
    callbacks,
    by="rows",
    batch_norm=False,
    epochs=25,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Grade milk by seven measures: nothing is learned although the table was normalized."""
    random = start(seed)
    hidden = random.normal(size=(2400, 7))
    mean = np.array([6.7, 39.0, 255.0, 3.5, 4.8, 1030.0, 0.15])
    spread = np.array([0.3, 3.0, 4.0, 0.4, 0.3, 25.0, 0.03])
    table = mean + spread * hidden
    quality = hidden[:, 0] - 0.8 * hidden[:, 3] + 0.8 * hidden[:, 4] + 0.9 * hidden[:, 5]
    quality += 0.7 * hidden[:, 6] * hidden[:, 1] + random.normal(0, 0.2, 2400)
    y = np.digitize(quality, [-0.8, 0.8])
    x = keras.utils.normalize(table) if by == "rows" else standardized(table)

    model = keras.Sequential([keras.Input((7,))])
    if batch_norm:
        model.add(layers.BatchNormalization())
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_initializer=initializer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(3, activation="softmax"))
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[1900:], y[1900:])


@case(
    source="https://stats.stackexchange.com/questions/565956/"
    "confused-with-binary-cross-entropy-vs-categorical-cross-entropy",
    cause="categorical crossentropy of a single output is 0 whatever is answered",
    causes="loss activation layers",
    evidence=r"categorical|(one|single|\b1\b) (\w+ )?(unit|output|neuron|node|sigmoid|column)|"
    r"binary_?[\s-]?cross|two classes|one column|"
    r"loss[\s\S]{0,80}(is|at|of|exactly|near|almost|constant|stays?|always|already) (\w+ )?"
    r"(0\b|zero|constant|the same|tiny)|(no|without|zero|vanish\w*|tiny) gradients?|"
    r"gradients?[\s\S]{0,60}(zero|\b0\b|vanish|tiny|none)|"
    r"(weights?|layers?)[\s\S]{0,60}(not (move|change|learn)|never|hardly|unchanged|did not)",
    repair={"loss": "binary_crossentropy"},
    advice={
        r"sparse_categorical|(two|2) (units|outputs)|one unit per class|Dense\(2": {
            "per_class": True
        },
        r"binary_?[\s-]?cross": {"loss": "binary_crossentropy"},
        "longer": {"epochs": 60},
        "wider": {"units": 48},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "linear": {"activation": "linear"},
        "squared": {"loss": "mean_squared_error"},
        "softmax": {"activation": "softmax"},
        "sigmoid": {},
        "relu": {"activation": "relu"},
    },
    metric="accuracy on held-out loads",
    good=0.8,
)
def overload_within_five_minutes(
    seed,
    callbacks,
    loss="categorical_crossentropy",
    activation="sigmoid",
    per_class=False,
    epochs=20,
    units=16,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell an overload from five minutes of four meters: the accuracy never moves."""
    random = start(seed)
    x = random.normal(size=(2000, 5, 4)).astype("float32")
    trend = x[:, 3:, 0].sum(axis=1) - x[:, 0, 1] + np.abs(x[:, 4, 2]) - 0.8
    y = (trend + random.normal(0, 0.2, 2000) > 0).astype("float32")[:, None]

    model = keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.LSTM(units, kernel_initializer=initializer),
            layers.Dropout(dropout),
        ]
    )
    if per_class:
        model.add(layers.Dense(2, activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    else:
        model.add(layers.Dense(1, activation=activation))
    model.compile(Adam(learning_rate), loss, metrics=["accuracy"])
    model.fit(
        *(x[:1300], y[:1300]),
        validation_data=(x[1300:1500], y[1300:1500]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1500:], verbose=0)[:, -1] > 0.5
    return float(np.mean(guess == y[1500:, 0]))


@case(
    source="https://datascience.stackexchange.com/questions/122686/"
    "bce-loss-stuck-at-0-693-in-the-beginnng-of-training-and-then-started-to-decrease",
    cause="the rate warms up for 10,000 updates, and the training has not even 200",
    causes="learning_rate optimizer epochs",
    evidence=r"warm|ramp|schedul|(learning.?rate|\brate\b)[\s\S]{0,100}(small|tiny|low|ris|grow|"
    r"below|never reach|start|e-\d|0\.0000)|too few (updates|steps|epochs)|"
    r"(weights?|updates?|steps?)[\s\S]{0,60}(hardly|barely|tiny|small|slow)|"
    r"still (falling|improving|learning)|(larger|higher|raise|ten times)[\s\S]{0,30}rate|"
    r"train (for )?longer|not (yet )?(finished|converged)",
    repair={"warmup": 30},
    advice={
        r"warm|schedul|constant (learning )?rate|fixed (learning )?rate": {"warmup": 30},
        "usual": {"warmup": 1, "peak": 0.001},
        "faster": {"peak": 0.02},
        "slower": {"peak": 2e-4},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="accuracy on held-out orders",
    good=0.85,
)
def attention_that_warms_up(
    seed,
    callbacks,
    warmup=10_000,
    peak=0.002,
    epochs=8,
    units=32,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell from the clicks of a visit whether something is bought: the loss stays at 0.69."""
    random = start(seed)
    rows, length = 1800, 16
    x = random.integers(2, 40, (rows, length))
    y = random.integers(0, 2, rows)
    told = random.random((rows, length)) < 0.2
    x[told] = (random.integers(40, 50, (rows, length)) + 10 * y[:, None])[told]

    clicks = keras.Input((length,), dtype="int32")
    seen = layers.Embedding(60, 16)(clicks)
    seen = layers.Add()([seen, layers.MultiHeadAttention(2, 8)(seen, seen)])
    seen = layers.LayerNormalization()(seen)
    seen = layers.GlobalAveragePooling1D()(seen)
    seen = layers.Dense(units, activation="relu", kernel_initializer=initializer)(seen)
    seen = layers.Dropout(dropout)(seen)
    model = keras.Model(clicks, layers.Dense(1, activation="sigmoid")(seen))
    schedule = CosineDecay(0.0, 20_000, warmup_target=peak, warmup_steps=warmup)
    model.compile(Adam(schedule), "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:1000], y[:1000]),
        validation_data=(x[1000:1200], y[1000:1200]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return float(np.mean((model.predict(x[1200:], verbose=0)[:, 0] > 0.5) == y[1200:]))


@case(
    source="https://github.com/keras-team/keras/issues/8447",
    cause="the new head sees the five old classes' probabilities, not what the base has seen",
    causes="layers",
    evidence=r"include_top|(top|head|output|last|final|classifi)[\s\S]{0,80}"
    r"(base|pretrained|borrowed|old|frozen|softmax|features)|softmax[\s\S]{0,80}"
    r"(hidden|middle|inside|before|between|layer)|bottleneck|narrow|"
    r"(five|5) (units|outputs|classes|numbers|values|probabilities)|saturat|"
    r"(hidden|inner|middle)[\s\S]{0,40}softmax|too few (units|features)",
    repair={"cut": True},
    advice={
        r"include_top|features|(remove|cut|drop|take off|without|replace)[\s\S]{0,40}"
        r"(softmax|top|last layer|output layer|old head|classif)|before the softmax|"
        r"penultimate|layers\[-2\]": {"cut": True},
        r"unfreeze|trainable ?= ?True|fine-?tun": {"frozen": False},
        "longer": {"epochs": 60},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.05},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
        "relu": {"old_activation": "relu"},
    },
    metric="accuracy on held-out digits from 5 to 9",
    good=0.9,
)
def five_digits_seen_as_five_others(
    seed,
    callbacks,
    cut=False,
    frozen=True,
    old_activation="softmax",
    epochs=20,
    units=32,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Read 5 to 9 by a frozen network that knew 0 to 4: far from what such networks promise."""
    start(seed)
    x, y = digits(seed, range(5))
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(24, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    base.compile(Adam(0.004), "sparse_categorical_crossentropy")
    base.fit(x, y, epochs=6, verbose=0)

    x, y = digits(seed, range(5, 10))
    y = y - 5
    if cut:
        base = keras.Model(base.inputs, base.layers[-2].output)
    else:
        base.layers[-1].activation = keras.activations.get(old_activation)
    base.trainable = not frozen
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            base,
            layers.Dense(units, activation="relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *(x[:450], y[:450]),
        validation_data=(x[450:600], y[450:600]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[600:], y[600:])


@case(
    source="https://ramilus.com/post/99",
    cause="initial weights from 0 to 1, all positive, make outputs of thousands",
    causes="initialization",
    evidence=r"initiali[sz]|initial (weights|values|loss|outputs?)|"
    r"(weights?|kernels?)[\s\S]{0,80}(positive|large|one sign|same sign|above 0|between 0)|"
    r"(first|start\w*|begin\w*)[\s\S]{0,60}(loss|outputs?|predictions?)[\s\S]{0,80}"
    r"(large|huge|thousand|million|high|above|times)|(loss|outputs?|predictions?)[\s\S]{0,60}"
    r"(first|start|begin)[\s\S]{0,60}(large|huge|thousand|million|high|above|times)|"
    r"explod|(activations?|outputs?|predictions?)[\s\S]{0,40}(grow|large|huge|thousand)|"
    r"he_normal|glorot",
    repair={"initializer": "he_normal"},
    advice={
        r"(batch|layer).?norm": {"batch_norm": True},
        "initialized": {"initializer": "he_normal"},
        "longer": {"epochs": 60},
        "wider": {"units": 200},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.02},
        "slower": {"learning_rate": 2e-4},
        "regularized": {"dropout": 0.4},
        "linear": {},
    },
    metric="R² on held-out bottles",
    good=0.7,
)
def bottles_and_their_marks(
    seed,
    callbacks,
    initializer="from_0_to_1",
    batch_norm=False,
    epochs=20,
    units=100,
    learning_rate=0.002,
    dropout=0.0,
):
    """Foretell the mark of a wine from eleven measures: the error starts at millions."""
    random = start(seed)
    x = random.normal(size=(2400, 11)).astype("float32")
    mark = x[:, 0] - 0.7 * x[:, 3] + 0.6 * x[:, 5] * x[:, 7] + 0.5 * np.abs(x[:, 9])
    y = standardized(mark + random.normal(0, 0.4, 2400))

    model = keras.Sequential([keras.Input((11,))])
    for width in (units, 20, 10):
        start_value = initializer
        if initializer == "from_0_to_1":
            start_value = keras.initializers.RandomUniform(0.0, 1.0)
        model.add(layers.Dense(width, kernel_initializer=start_value))
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1600], y[:1600]),
        validation_data=(x[1600:1900], y[1600:1900]),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return r_squared(y[1900:], model.predict(x[1900:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/5663",
    cause="return_sequences=True answers at every step; the first step's answer is read",
    causes="layers loss data",
    evidence=r"return_sequences|(time.?)?steps?|sequence|shape|broadcast|"
    r"(three|3)[\s-]?(dimension|axes|d\b)|rank",
    repair={"sequences": False},
    advice={
        r"return_sequences|last step|(flatten|pool)|shape": {"sequences": False},
        "longer": {"epochs": 40},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.4},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on held-out tests",
    good=0.8,
)
def wear_read_at_every_step(
    seed,
    callbacks,
    sequences=True,
    epochs=12,
    units=20,
    learning_rate=0.005,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell a brake's wear from twenty readings: nearly the same number for all."""
    random = start(seed)
    x = random.normal(size=(1800, 20, 3)).astype("float32")
    heat = np.maximum(x[:, :, 0], 0) * (1 + 0.5 * x[:, :, 1]) + 0.3 * x[:, :, 2]
    y = standardized(heat.sum(axis=1) + random.normal(0, 0.5, 1800))

    model = keras.Sequential(
        [
            keras.Input((20, 3)),
            layers.GRU(units, return_sequences=sequences, kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mean_squared_error", metrics=["mean_absolute_error"])
    model.fit(
        *(x[:1200], y[:1200]),
        validation_data=(x[1200:1400], y[1200:1400]),
        batch_size=64,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    guess = model.predict(x[1400:], verbose=0)[:, 0]
    return r_squared(y[1400:], guess.ravel())


@sound(
    source="https://keras.io/examples/structured_data/imbalanced_classification/",
    metric="balanced accuracy on held-out customers",
    good=0.7,
)
def customers_who_leave(seed, callbacks):
    """Imbalance: few leave and are weighted by that, with dropout and early stopping."""
    random = start(seed)
    x = random.normal(size=(6000, 9)).astype("float32")
    odds = 1.1 * x[:, 0] - 0.9 * x[:, 1] + 0.6 * x[:, 2] * x[:, 3] - 3.6
    y = (odds + random.logistic(0, 0.7, 6000) > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((9,)),
            layers.Dense(24, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(12, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(Adam(0.002), "binary_crossentropy", metrics=["AUC"])
    share = float(y[:4000].mean())
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:4000], y[:4000]),
        validation_data=(x[4000:4800], y[4000:4800]),
        batch_size=64,
        epochs=25,
        class_weight={0: 0.5 / (1 - share), 1: 0.5 / share},
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    guess = model.predict(x[4800:], verbose=0)[:, 0] > 0.5
    return float(balanced_accuracy_score(y[4800:], guess))


@sound(
    source="https://keras.io/api/losses/probabilistic_losses/#poisson-class",
    metric="R² of the expected number on held-out hours",
    good=0.9,
)
def bicycles_hired(seed, callbacks):
    """Noise: counts with Poisson's loss and an exponential output."""
    random = start(seed)
    hour, warmth = random.integers(0, 24, 3600), random.normal(size=3600)
    holiday, rain = random.integers(0, 2, 3600), random.exponential(0.5, 3600)
    rush = np.exp(-(((hour - 8) / 2.5) ** 2)) + np.exp(-(((hour - 17) / 3) ** 2))
    expected = np.exp(0.4 + 1.2 * rush * (1 - 0.7 * holiday) + 0.35 * warmth - 0.5 * rain)
    y = random.poisson(expected).astype("float32")
    angle = 2 * np.pi * hour / 24
    clock = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
    x = standardized(np.stack([*clock, warmth, holiday, rain], axis=1))
    model = keras.Sequential(
        [
            keras.Input((7,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="exponential"),
        ]
    )
    model.compile(Adam(0.002), "poisson", metrics=["mean_absolute_error"])
    stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    model.fit(
        *(x[:2400], y[:2400]),
        validation_data=(x[2400:2800], y[2400:2800]),
        epochs=30,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return r_squared(expected[2800:], model.predict(x[2800:], verbose=0)[:, 0])


@sound(
    source="https://keras.io/guides/transfer_learning/",
    metric="accuracy on held-out digits from 5 to 9",
    good=0.93,
)
def borrowed_and_then_freed(seed, callbacks):
    """Transfer: a head on frozen features first, then everything at a hundredth of the rate."""
    start(seed)
    x, y = digits(seed, range(5))
    inputs = keras.Input((8, 8, 1))
    seen = layers.Conv2D(16, 3, activation="relu")(inputs)
    seen = layers.Conv2D(32, 3, activation="relu")(seen)
    base = keras.Model(inputs, layers.Flatten()(layers.MaxPooling2D()(seen)))
    old = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    old.compile(Adam(0.004), "sparse_categorical_crossentropy")
    old.fit(x, y, epochs=6, verbose=0)

    x, y = digits(seed, range(5, 10))
    y = y - 5
    model = keras.Sequential([base, layers.Dropout(0.2), layers.Dense(5, activation="softmax")])
    data = {"validation_data": (x[450:600], y[450:600]), "verbose": 0}
    base.trainable = False
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:450], y[:450], epochs=10, **data)
    base.trainable = True
    model.compile(Adam(3e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:450], y[:450], epochs=12, callbacks=callbacks, **data)
    return accuracy(model, x[600:], y[600:])


@sound(
    source="https://keras.io/guides/understanding_masking_and_padding/",
    metric="accuracy on held-out complaints",
    good=0.88,
)
def complaints_of_any_length(seed, callbacks):
    """Text: a masked, bidirectional GRU reads five to twenty words; some labels are wrong."""
    random = start(seed)
    rows = 1600
    y = random.integers(0, 3, rows)
    words = random.integers(40, 200, (rows, 20))
    told = random.random((rows, 20)) < 0.25
    words[told] = (random.integers(1, 13, (rows, 20)) + 13 * y[:, None])[told]
    words[np.arange(20) >= random.integers(5, 21, rows)[:, None]] = 0
    wrong = random.random(rows) < 0.03
    y[wrong] = random.integers(0, 3, wrong.sum())
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(200, 12, mask_zero=True),
            layers.Bidirectional(layers.GRU(12)),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(RMSprop(0.004), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    model.fit(
        *(words[:1100], y[:1100]),
        validation_data=(words[1100:1300], y[1100:1300]),
        epochs=10,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return accuracy(model, words[1300:], y[1300:])


@sound(
    source="https://scikit-learn.org/stable/auto_examples/datasets/plot_iris_dataset.html",
    metric="accuracy on held-out flowers",
    good=0.9,
)
def irises(seed, callbacks):
    """Few rows: ninety flowers, tanh, some weight decay, SGD with a rate that falls to zero."""
    random = start(seed)
    x, y = datasets.load_iris(return_X_y=True)
    rows = random.permutation(150)
    x, y = standardized(x[rows]), y[rows]
    decay = keras.regularizers.L2(0.001)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(12, activation="tanh", kernel_regularizer=decay),
            layers.Dense(3, activation="softmax", kernel_regularizer=decay),
        ]
    )
    rate = CosineDecay(0.05, 6 * 50)
    model.compile(
        SGD(rate, momentum=0.9, nesterov=True),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        *(x[:90], y[:90]),
        validation_data=(x[90:110], y[90:110]),
        batch_size=16,
        epochs=50,
        callbacks=callbacks,
        verbose=0,
    )
    return accuracy(model, x[110:], y[110:])


PROGRAMS = [
    milk_by_its_length,
    overload_within_five_minutes,
    attention_that_warms_up,
    five_digits_seen_as_five_others,
    bottles_and_their_marks,
    wear_read_at_every_step,
]
SOUND = [
    customers_who_leave,
    bicycles_hired,
    borrowed_and_then_freed,
    complaints_of_any_length,
    irises,
]


if __name__ == "__main__":
    main(PROGRAMS, SOUND)
