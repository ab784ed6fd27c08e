"""Five field programs of text, series and training in rounds, by somebody who had read no rule.

They are the half of ten, see fourth.py, that is set aside: not to be opened by who
writes rules until the rules have been counted on them. The last program is sound. See
_program.py and sound.py.

    python -m benchmarks.field.fifth
    python benchmarks/diagnosis.py --programs fifth
"""

import keras
import numpy as np
from keras import layers
from keras.optimizers import Adam

from benchmarks.field._program import case, main, r_squared, sound, start


def swinging(random, steps):
    """Make a noisy series (steps,) that swings with a period of about eleven steps."""
    series = np.zeros(steps + 100)
    for step in range(2, steps + 100):
        series[step] = 1.6 * series[step - 1] - 0.9 * series[step - 2] + random.normal()
    return (series[100:] / series[100:].std()).astype("float32")


@case(
    source="https://github.com/tensorflow/tensorflow/issues/40343",
    cause="the target of a window is its first value, not the one after it: nothing is foretold",
    causes="data preprocessing",
    evidence=r"leak|copy|copie[sd]|too good|first (step|value)|shift|align|future|already in"
    r"|target.{0,60}(is|are|equals?|among|part of|stands?|same as) .{0,20}(input|feature|column)"
    r"|(input|feature|column)s?.{0,60}(contain|hold|include|give|equal|is|are) .{0,20}target",
    repair={"ahead": True},
    advice={
        r"shift|align|follow|future|ahead|next|later|targets?\[": {"ahead": True},
        r"(remove|drop|leave out|without|take).{0,60}(input|feature|column|step)": {"skipped": 1},
        "longer": {"epochs": 40},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
    },
    metric="R² of the value after the window",
    good=0.8,
)
def window_targets(
    seed,
    callbacks,
    ahead=False,
    skipped=0,
    epochs=12,
    units=32,
    learning_rate=0.003,
    dropout=0.0,
):
    """Cut a series into windows: the error is 0 in validation, and the forecasts are useless."""
    series = swinging(start(seed), 1600)

    def windows(part):
        targets = part[20:] if ahead else part
        return keras.utils.timeseries_dataset_from_array(
            part[skipped:-1], targets, 20 - skipped, batch_size=32, shuffle=True, seed=seed
        )

    model = keras.Sequential(
        [
            keras.Input((20 - skipped,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate), "mse", metrics=["mae"])
    validation = windows(series[1200:])
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    model.fit(windows(series[:1200]), epochs=epochs, **options)
    known = np.lib.stride_tricks.sliding_window_view(series[1200:-1], 20)
    return r_squared(series[1220:], model.predict(known[:, skipped:], verbose=0)[:, 0])


@case(
    source="https://github.com/keras-team/keras/issues/10924",
    cause="gains below 0.04 count as a plateau: the learning rate is cut to nothing on the way",
    causes="learning_rate optimizer epochs",
    evidence=r"learning rate.{0,80}(fell|fall|drop|reduc|decay|shr|cut|lowered|divid|at the end)"
    r"|(fall|drop|reduc|decay|cut|lower|last).{0,30} learning rate|plateau|min_delta|schedule",
    repair={"min_delta": 1e-4, "patience": 5},
    advice={
        r"(without|remove|drop|no) .{0,30}(ReduceLROnPlateau|plateau|schedule|callback)": {
            "reduces": False
        },
        r"min_delta|patience|plateau|schedule|decay": {"min_delta": 1e-4, "patience": 5},
        "longer": {"epochs": 150},
        "wider": {"units": 64},
        "faster": {"learning_rate": 0.01},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="validation accuracy",
    good=0.9,
)
def plateau_delta(
    seed,
    callbacks,
    reduces=True,
    min_delta=0.04,
    patience=2,
    epochs=50,
    units=12,
    learning_rate=0.001,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Foretell an illness from eight measurements: it learns for six epochs, and no more."""
    random = start(seed)
    x = random.normal(size=(1600, 8)).astype("float32")
    score = 1.5 * x[:, 0] * x[:, 1] + x[:, 2] - 0.5 * x[:, 3] + 0.2 * random.normal(size=1600)
    y = (score > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, "relu", kernel_initializer=initializer),
            layers.Dropout(dropout),
            layers.Dense(8, "relu", kernel_initializer=initializer),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    reducing = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.2, patience=patience, min_delta=min_delta
    )
    callbacks = [reducing, *callbacks] if reduces else callbacks
    options = {"validation_data": (x[1200:], y[1200:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:1200], y[:1200], batch_size=32, epochs=epochs, **options)
    guess = model.predict(x[1200:], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == y[1200:]))


@case(
    source="https://php.bkmy88.com/faq/2102115.html",
    cause="`fit` is called for one file after the other: what the first told is forgotten",
    causes="data preprocessing",
    evidence=r"forg|\bfiles?\b|fit.{0,40}(again|call|several|earlier|before)"
    r"|(validation|training).{0,90}(range|mean|distribut|spread|shift|outside|differ|cover|narrow)",
    repair={"mixed": True},
    advice={
        r"mix|shuffle|together|all (the )?(files|rows|data)|at once|interleav|generator|drawn|cover"
        r"|same (source|distribution|range)|more data": {"mixed": True},
        "longer": {"epochs": 30},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 3e-4},
        "regularized": {"dropout": 0.3},
    },
    metric="validation accuracy",
    good=0.85,
)
def file_by_file(
    seed, callbacks, mixed=False, epochs=10, units=32, learning_rate=0.005, dropout=0.0
):
    """Train on seven files in turn, as memory is short: only the last of them is known."""
    random = start(seed)
    month = np.repeat(np.arange(7), 300)
    x = random.normal(size=(2100, 6))
    x[:, 0] = (month - 3) / 2 + 0.2 * x[:, 0]
    score = 1.5 * np.sin(2.5 * x[:, 0]) + x[:, 1] + x[:, 2] * x[:, 0]
    x, y = x.astype("float32"), (score > 0).astype("float32")
    kept = random.random(2100) < 0.8
    files = [kept & (month == number) for number in range(7)]
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units, "relu"),
            layers.Dropout(dropout),
            layers.Dense(units, "relu"),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    validation = x[~kept], y[~kept]
    options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
    for rows in [kept] if mixed else files:
        model.fit(x[rows], y[rows], epochs=epochs, **options)
    guess = model.predict(validation[0], verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == validation[1]))


@case(
    source="https://kiwix.lema.org/stackoverflow.com_en_all_2023-11/questions/55322991/"
    "why-am-i-getting-nan-after-adding-relu-activation-in-lstm",
    cause="LSTMs with relu in place of tanh: nothing bounds the state, it explodes over the steps",
    causes="activation layers",
    evidence=r"relu|tanh|bound|explo|recurren|LSTM.{0,60}(activation|grow|large|overflow)",
    repair={"activation": "tanh"},
    advice={
        r"tanh": {"activation": "tanh"},
        r"clip": {"clipnorm": 1.0},
        r"GRU": {"cell": layers.GRU},
        r"leaky_relu": {"activation": "leaky_relu"},
        "sigmoid": {"activation": "sigmoid"},
        "linear": {"activation": "linear"},
        "longer": {"epochs": 18},
        "wider": {"units": 128},
        "usual": {"learning_rate": 0.001},
        "slower": {"learning_rate": 0.005},
        "faster": {"learning_rate": 0.1},
        "regularized": {"dropout": 0.3},
        "initialized": {"initializer": "he_normal"},
    },
    metric="R² on validation",
    good=0.8,
)
def relu_lstm(
    seed,
    callbacks,
    activation="relu",
    clipnorm=None,
    cell=layers.LSTM,
    epochs=8,
    units=64,
    learning_rate=0.02,
    dropout=0.0,
    initializer="glorot_uniform",
):
    """Stack two LSTMs with relu on long measurements: loss NaN; without relu it works."""
    random = start(seed)
    x = (1 + random.normal(size=(900, 60, 3))).astype("float32")
    y = 4 * x[:, 40:, 0].mean(axis=1) + 3 * x[:, 40:, 1].mean(axis=1) - 7
    inner = {"activation": activation, "kernel_initializer": initializer}
    model = keras.Sequential(
        [
            keras.Input((60, 3)),
            cell(units, return_sequences=True, **inner),
            cell(10, **inner),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(Adam(learning_rate, clipnorm=clipnorm), "mse", metrics=["mae"])
    options = {"validation_data": (x[700:], y[700:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:700], y[:700], epochs=epochs, **options)
    return r_squared(y[700:], model.predict(x[700:], verbose=0)[:, 0])


def vocabulary(texts):
    """Return the numbers (700,) of the words, 1 for the most frequent and 0 for unknown ones."""
    counts = np.bincount(texts.ravel(), minlength=700)
    numbers = np.zeros(700, "int32")
    numbers[np.argsort(-counts, kind="stable")] = np.arange(1, 701)
    return np.where(counts > 0, numbers, 0)


@case(
    source="https://github.com/tthustla/twitter_sentiment_analysis_part11/issues/1",
    cause="the tokenizer was fitted anew for validation: the same number is another word there",
    causes="data preprocessing",
    evidence=r"vocab|token|dictionary|word (number|ind)|number(ed|ing)"
    r"|validation (rows|inputs|data|texts|features).{0,90}(other|differ|distribut|prepar|frequen)"
    r"|(rows|inputs|features).{0,60}validation.{0,60}(other|differ|distribut|prepar|frequen)",
    repair={"one_vocabulary": True},
    advice={
        r"vocab|token|dictionary|prepare|preprocess|alike|same (way|number)|like the training"
        r"|drawn|shuffle": {"one_vocabulary": True},
        "longer": {"epochs": 30},
        "wider": {"units": 64},
        "usual": {"learning_rate": 0.001},
        "faster": {"learning_rate": 0.03},
        "slower": {"learning_rate": 5e-4},
        "regularized": {"dropout": 0.6},
    },
    metric="validation accuracy",
    good=0.82,
)
def word_numbers(
    seed,
    callbacks,
    one_vocabulary=False,
    epochs=12,
    units=16,
    learning_rate=0.005,
    dropout=0.2,
):
    """Tell the mood of comments: 0.95 in training, in validation worse than naive Bayes."""
    random = start(seed)
    mood = random.integers(0, 2, 2500)
    common = 1 / np.arange(3, 503)
    texts = random.choice(500, (2500, 16), p=common / common.sum())
    telling = random.random(texts.shape) < 0.25
    own_words = 500 + 100 * mood[:, None] + random.integers(0, 100, texts.shape)
    texts = np.where(telling, own_words, texts)
    train, rest = texts[:2000], texts[2000:]
    known = vocabulary(train)
    x = known[train]
    x_validation = known[rest] if one_vocabulary else vocabulary(rest)[rest]
    y = mood.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Embedding(701, units),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(dropout),
            layers.Dense(16, "relu"),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x_validation, y[2000:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x, y[:2000], epochs=epochs, **options)
    guess = model.predict(x_validation, verbose=0)[:, 0] > 0.5
    return float(np.mean(guess == y[2000:]))


# ---- a sound program ----


@sound(
    source="https://newbedev.com/keras-lstm-predicted-timeseries-squashed-and-shifted",
    metric="R² against the forecast of who knows the process",
    good=0.9,
)
def squashed_forecasts(seed, callbacks):
    """Foretell changes of a price: forecasts are flat and late, as most of a change is chance."""
    random = start(seed)
    change = np.zeros(3000)
    for day in range(1, 3000):
        change[day] = -0.6 * change[day - 1] + random.normal()
    windows = np.lib.stride_tricks.sliding_window_view(change[:-1], 8).astype("float32")
    x, y = windows[..., None], change[8:].astype("float32")
    best = -0.6 * change[7:-1]
    model = keras.Sequential([keras.Input((8, 1)), layers.LSTM(16), layers.Dense(1)])
    model.compile(Adam(0.003), "mse", metrics=["mae"])
    options = {"validation_data": (x[2400:], y[2400:]), "callbacks": callbacks, "verbose": 0}
    model.fit(x[:2400], y[:2400], epochs=12, **options)
    return r_squared(best[2400:], model.predict(x[2400:], verbose=0)[:, 0])


PROGRAMS = [
    window_targets,
    plateau_delta,
    file_by_file,
    relu_lstm,
    word_numbers,
]
SOUND = [squashed_forecasts]


if __name__ == "__main__":
    raise SystemExit(main(PROGRAMS))
