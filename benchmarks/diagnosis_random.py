"""Quiet on sound programs, and names planted faults: Diagnosis on programs drawn by chance.

A seed draws data, a split and an ordinary network. The program counts as sound only if its
validation score is near the best that four models of scikit-learn reach on the same rows; on the
others nobody knows what should be said, and they are dropped and counted. A fault planted into a
sound program counts only if it costs a clear part of the score. What may be named first for a
fault was written down before Diagnosis saw any of the programs. Whoever mends a rule looks at
seeds below 1000 only; those from 1000 on give the count that is told.

    python benchmarks/diagnosis_random.py --sound --faults --seeds 1000 1060
    python benchmarks/diagnosis_random.py --faults --show 1007   one program with its report
"""

import argparse
import os
import sys
from collections import Counter
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
from keras import layers
from scipy.stats import binomtest
from sklearn import datasets, ensemble, linear_model, neighbors, svm

from callbacks import Diagnosis

MARGIN = 0.05  # of accuracy or R²: below the best of scikit-learn by more is not sound
LEAST_GAIN = 0.2  # of scikit-learn's best over a constant: data that tell less are dropped
COST = 0.1  # of the shown validation score: what a fault has to cost; a leak has to flatter so much
TRIES = 3  # faults tried on a program until one costs that much

OUTPUT, SPLIT = ["unsuitable_output_activation"], ["split_mismatch", "data_mismatch"]
LOW_RATE = ["learning_rate_too_low", "slow_convergence"]
SIGMOIDS = {"activation": "sigmoid", "layers": 8, "batch_norm": False}
MSE = {"loss": "MeanSquaredError", "output": None}
FAULTS = {  # name: (settings changed, symptoms of which the first finding has to be one)
    "sigmoid output": ({"output": "sigmoid"}, OUTPUT),
    "relu output": ({"output": "relu"}, OUTPUT),
    "MSE on class numbers": (MSE, ["unsuitable_loss", *OUTPUT]),
    "inputs × 1000": ({"input_factor": 1000.0}, ["unnormalized_inputs"]),
    "rate × 1000": ({"rate_factor": 1000.0}, ["learning_rate_too_high"]),
    "rate ÷ 1000": ({"rate_factor": 0.001}, LOW_RATE),
    "eight sigmoid layers": (SIGMOIDS, ["vanishing_gradient"]),
    "zero weights": ({"initializer": "zeros"}, ["poor_initialization", "no_gradient"]),
    "labels shuffled": ({"labels": "shuffled"}, ["label_problem", "inputs_tell_nothing"]),
    "validation shuffled": ({"validation": "shuffled"}, ["label_problem", *SPLIT]),
    "rows sorted by target": ({"labels": "sorted"}, ["batches_in_order"]),
    "validation not scaled": ({"validation": "raw"}, SPLIT),
    "dropout 0.95": ({"dropout": 0.95}, ["noise_too_strong"]),
    "L2 of 1": ({"l2": 1.0}, ["penalty_too_strong"]),
    "two epochs": ({"epochs": 2}, ["stopped_too_soon", "slow_convergence"]),
    "no hidden activation": ({"activation": None}, ["missing_hidden_activation"]),
    "validation in training": ({"validation": "in training"}, ["rows_on_both_sides"]),
    "bottleneck of one unit": ({"bottleneck": True}, ["too_small", "high_bias"]),
    "gradients clipped to 1e-6": ({"clip": 1e-6}, ["no_gradient", *LOW_RATE]),
}


def waves(random_state, number=False):
    """Noisy waves (900, 12, 1) of any phase; one of three frequencies, or any as the target."""
    random = np.random.default_rng(random_state)
    labels = random.integers(0, 3, 900)
    frequency = random.uniform(0.4, 1.3, 900) if number else np.array([0.4, 0.8, 1.3])[labels]
    angle = np.arange(12) * frequency[:, None] + random.uniform(0, 2 * np.pi, (900, 1))
    x = np.sin(angle) + random.normal(0, 0.3, angle.shape)
    return x[..., None], frequency if number else labels


CLASSES = {"n_informative": 8, "class_sep": 1.5}
OPTIMIZERS = [("Adam", 0.002), ("Adam", 0.005), ("RMSprop", 0.002), ("SGD", 0.03)]
STORED = ["digits", "wine", "breast_cancer", "iris", "diabetes"]
GENERATED = {
    "two classes": partial(datasets.make_classification, 1000, 16, **CLASSES),
    "four classes": partial(datasets.make_classification, 1000, 16, n_classes=4, **CLASSES),
    "regression": partial(datasets.make_regression, 800, 12, noise=20),
    "friedman": partial(datasets.make_friedman1, 900, noise=1),
    "moons": partial(datasets.make_moons, 900, noise=0.2),
    "waves": waves,
    "textures": waves,
    "frequencies": partial(waves, number=True),
}


def draw(seed):
    """Return the program of a seed: its settings, and (x, raw x, y) of the three parts of rows."""
    random = np.random.default_rng(seed)

    def pick(*choices):
        return choices[random.integers(len(choices))]

    name = pick(*STORED, *GENERATED)
    if name in STORED:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    else:
        x, y = GENERATED[name](random_state=int(random.integers(10**6)))
    if name == "digits" and pick(True, False):
        x = x.reshape(-1, 8, 8, 1)
    if name == "textures":  # waves in both directions: images (900, 12, 12, 1)
        x = (x * x.transpose(0, 2, 1))[..., None]
    x = x.astype("float32")
    parts = np.split(random.permutation(len(x)), [int(0.6 * len(x)), int(0.8 * len(x))])
    train = parts[0]
    axis = 0 if x.ndim == 2 else None  # a column is scaled alone, images and sequences as a whole
    if pick(True, False):
        shift, scale = x[train].mean(axis), x[train].std(axis)
    else:
        shift, scale = x[train].min(axis), np.ptp(x[train], axis)
    scaled = (x - shift) / np.where(scale > 0, scale, 1)
    classes = int(y.max()) + 1 if y.dtype.kind == "i" else 0
    output, loss = None, pick("MeanSquaredError", "Huber")
    if not classes:
        y = ((y - y[train].mean()) / y[train].std()).astype("float32")
    elif classes == 2 and pick(True, False):
        output, loss = pick("sigmoid", None), "BinaryCrossentropy"
    else:
        output = pick("softmax", "softmax", None)
        loss = pick("SparseCategoricalCrossentropy", "CategoricalCrossentropy")
    kind = {2: "Dense", 3: pick("LSTM", "GRU"), 4: "Conv2D"}[x.ndim]
    recurrent = kind in ("LSTM", "GRU")
    optimizer, rate = pick(*OPTIMIZERS)
    batch_size = pick(16, 32, 64, 128)
    epochs = int(np.clip(pick(400, 600, 800) * batch_size / len(train), 12, 60))
    program = {"data": name, "classes": classes, "kind": kind, "output": output, "loss": loss}
    program |= {"from_logits": bool(classes) and output is None}
    program |= {"units": pick(16, 32, 64) if kind == "Dense" else 16}
    program |= {"layers": pick(1, 2) if recurrent else pick(1, 2, 3), "bottleneck": False}
    program |= {"activation": "tanh" if recurrent else pick("relu", "tanh", "gelu")}
    program |= {"batch_norm": not recurrent and pick(True, False, False)}
    program |= {"initializer": pick("he_normal", "glorot_uniform")}
    program |= {"dropout": pick(0.0, 0.0, 0.2, 0.4), "l2": pick(0.0, 0.0, 1e-4, 1e-3)}
    program |= {"optimizer": optimizer, "rate": rate, "rate_factor": 1.0, "clip": None}
    program |= {"batch_size": batch_size, "epochs": epochs, "input_factor": 1.0}
    program |= {"labels": "kept", "validation": "held out"}
    return program, [(scaled[part], x[part], y[part]) for part in parts]


def build(program, shape):
    """Return the compiled model of the settings for inputs of `shape`."""
    kind, activation, classes = program["kind"], program["activation"], program["classes"]
    options = {"kernel_initializer": program["initializer"]}
    if program["l2"]:
        options["kernel_regularizer"] = keras.regularizers.L2(program["l2"])
    model = keras.Sequential([keras.Input(shape)])
    for depth in range(program["layers"]):
        own = {"return_sequences": depth < program["layers"] - 1}
        own = {"Dense": {}, "Conv2D": {"kernel_size": 3, "padding": "same"}}.get(kind, own)
        layer = getattr(layers, kind)
        model.add(layer(program["units"], activation=activation, **own, **options))
        if program["batch_norm"]:
            model.add(layers.BatchNormalization())
        if kind == "Conv2D" and model.output_shape[1] >= 4:
            model.add(layers.MaxPooling2D())
        if program["dropout"]:
            model.add(layers.Dropout(program["dropout"]))
    if kind == "Conv2D":
        model.add(layers.Flatten())
    if program["bottleneck"]:
        model.add(layers.Dense(1, activation, **options))
    units = classes if "Categorical" in program["loss"] else 1
    model.add(layers.Dense(units, program["output"], **options))
    logits = {"from_logits": program["from_logits"]} if "entropy" in program["loss"] else {}
    loss = getattr(keras.losses, program["loss"])(**logits)
    optimizer = getattr(keras.optimizers, program["optimizer"])
    rate = program["rate"] * program["rate_factor"]
    momentum = {"momentum": 0.9} if program["optimizer"] == "SGD" else {}
    optimizer = optimizer(rate, clipnorm=program["clip"], **momentum)
    model.compile(optimizer, loss, metrics=["accuracy"] if classes else ["mae"])
    return model


def score(program, output, y):
    """Return accuracy, or R² of a regression, of a network's output (N, ...)."""
    guess = output[:, 0] if output.shape[1] == 1 else output.argmax(axis=1)
    if not program["classes"]:
        return float(1 - np.mean((guess - y) ** 2) / np.var(y))
    if program["loss"] == "MeanSquaredError":
        guess = np.rint(guess)
    elif output.shape[1] == 1:
        guess = guess > (0 if program["from_logits"] else 0.5)
    return float(np.mean(guess == y))


def train(program, parts, seed):
    """Train under Diagnosis; return it and the scores of the shown validation and of the field."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    (x, _, y), (x_shown, raw, y_shown), (x_field, _, y_field) = parts
    if program["labels"] == "sorted":
        x, y = x[np.argsort(y, kind="stable")], np.sort(y)
    elif program["labels"] == "shuffled":
        y = random.permutation(y)
    if program["validation"] == "shuffled":
        y_shown = random.permutation(y_shown)
    elif program["validation"] == "raw":
        x_shown = raw
    elif program["validation"] == "in training":
        x, y = np.concatenate([x, x_shown]), np.concatenate([y, y_shown])
    x, x_shown, x_field = (part * program["input_factor"] for part in (x, x_shown, x_field))
    one_hot = program["loss"] == "CategoricalCrossentropy"
    target, target_shown = (np.eye(program["classes"])[t] if one_hot else t for t in (y, y_shown))
    model = build(program, x.shape[1:])
    diagnosis = Diagnosis(verbose=False)
    options = {"batch_size": program["batch_size"], "epochs": program["epochs"], "verbose": 0}
    options |= {"shuffle": program["labels"] != "sorted", "callbacks": [diagnosis]}
    model.fit(x, target, validation_data=(x_shown, target_shown), **options)
    shown = score(program, model.predict(x_shown, verbose=0), y_shown)
    return diagnosis, shown, score(program, model.predict(x_field, verbose=0), y_field)


def why_not_sound(program, parts, shown):
    """Return why a program does not count as sound on its rows, or nothing if it does."""
    (x, _, y), (x_shown, _, y_shown) = parts[:2]
    x, x_shown = x.reshape(len(x), -1), x_shown.reshape(len(x_shown), -1)
    models = [linear_model.Ridge(), neighbors.KNeighborsRegressor(), svm.SVR()]
    models += [ensemble.HistGradientBoostingRegressor(max_iter=50)]
    constant = 0.0
    if program["classes"]:
        models = [linear_model.LogisticRegression(max_iter=500), neighbors.KNeighborsClassifier()]
        models += [ensemble.HistGradientBoostingClassifier(max_iter=50), svm.SVC()]
        constant = np.mean(y_shown == np.bincount(y).argmax())
    best = max(model.fit(x, y).score(x_shown, y_shown) for model in models)
    noise = np.sqrt(best * (1 - best) / len(y_shown)) if program["classes"] else 0
    if best - constant < LEAST_GAIN:
        return "the data tell too little"
    return "" if shown >= best - max(MARGIN, noise) else "below scikit-learn"


def costly_fault(seed, program, parts, sound):
    """Plant faults, another first at each seed, until one costs enough."""
    for number in range(TRIES):
        name = list(FAULTS)[(7 * seed + number) % len(FAULTS)]
        changes = FAULTS[name][0]
        faulty = {**program, **changes}
        no_classes = name == "MSE on class numbers" and not program["classes"]
        recurrent = "activation" in changes and program["kind"] in ("LSTM", "GRU")
        if faulty == program or no_classes or recurrent:
            continue
        diagnosis, shown, field = train(faulty, parts, seed)
        leaks = faulty["validation"] == "in training"
        cost = shown - field if leaks else sound - shown
        if cost >= COST or np.isnan(cost):
            return [(name, diagnosis, shown)]
    return []


def main():
    """Print a line for each program, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 60), metavar=("FROM", "TO"))
    parser.add_argument("--sound", action="store_true", help="what is said of sound programs")
    parser.add_argument("--faults", action="store_true", help="what is said of planted faults")
    parser.add_argument("--show", type=int, metavar="SEED", help="one program with its report")
    options = parser.parse_args()
    dropped = Counter()
    results = {name: [] for name in ["sound", *FAULTS]}
    for seed in range(*options.seeds) if options.show is None else [options.show]:
        program, parts = draw(seed)
        diagnosis, sound, _ = train(program, parts, seed)
        reason = why_not_sound(program, parts, sound)
        if reason:
            print(f"{seed:5} {sound:.2f} {reason}", flush=True)
            dropped[reason] += 1
            continue
        judged = [("sound", diagnosis, sound)] if options.sound else []
        judged += costly_fault(seed, program, parts, sound) if options.faults else []
        for name, diagnosis, shown in judged:
            first = diagnosis.findings[0] if diagnosis.findings else None
            severe = first is not None and first.severity in ("error", "warning")
            found = severe or diagnosis.verdict in ("wrong", "disappoints")
            named = found and name in FAULTS and first is not None
            named = named and first.symptom in FAULTS[name][1]
            results[name].append((found, named))
            words = f"{first.symptom} ({first.severity}): {first.evidence}" if first else ""
            scores = f"{shown:.2f} (sound {sound:.2f})"
            print(f"{seed:5} {name:26} {scores} {diagnosis.verdict} {words}", flush=True)
            if options.show is not None:
                print(program, diagnosis.report(), sep="\n")
    results["all faults"] = [row for name in FAULTS for row in results[name]]
    print(f"\ndropped: {dict(dropped)}\n{'':26} counted  found  cause first  found, 95 %")
    for name, rows in results.items():
        if rows:
            found, named = np.sum(rows, axis=0)
            low, high = binomtest(found, len(rows)).proportion_ci(method="wilson")
            print(f"{name:26} {len(rows):7} {found:6} {named:12}  {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main()
