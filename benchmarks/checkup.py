"""How often checkup names the change that repairs: twelve planted faults, and each without it.

    python benchmarks/checkup.py [--seconds 60] [--only WORD] [--healthy]
    python benchmarks/checkup.py --steps    # seconds of a trial's steps against train_on_batch

Each fault was planted before a checkup was run on it; the repairs that count are written beside
it. Digits, breast cancer and Friedman's data, of scikit-learn.
"""

import argparse
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers
from keras.optimizers import SGD, Adam
from sklearn.datasets import load_breast_cancer, load_digits, make_friedman1

sys.path.insert(0, str(Path(__file__).parent.parent))

from callbacks import checkup
from callbacks.diagnosis.learner import Learner
from callbacks.diagnosis.rows import Rows


def _digits():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(x))
    return (x[order] / 16).astype("float32"), y[order]


def _cancer():
    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(x))
    return x[order].astype("float32"), y[order].astype("float32")


def _scaled_cancer():
    x, y = _cancer()
    return (x - x.mean(axis=0)) / x.std(axis=0), y


def _friedman(scale=1.0):
    x, y = make_friedman1(1500, 10, noise=0.5, random_state=1)
    return (x - 0.5).astype("float32") * 3.5, ((y - 14.4) / 5 * scale).astype("float32")


def _mlp(
    inputs,
    units,
    activation,
    loss,
    optimizer=None,
    hidden="relu",
    depth=1,
    width=32,
    dropout=0.0,
    **dense,
):
    def build_model():
        model = keras.Sequential([keras.Input((inputs,))])
        for _ in range(depth):
            model.add(layers.Dense(width, hidden, **dense))
        if dropout:
            model.add(layers.Dropout(dropout))
        model.add(layers.Dense(units, activation))
        model.compile(optimizer() if optimizer else Adam(0.003), loss)
        return model

    return build_model


SPARSE, BINARY, SQUARED = "sparse_categorical_crossentropy", "binary_crossentropy", "mse"


def _sorted_rows():
    x, y = _digits()
    order = np.argsort(y[:1300], kind="stable")
    return np.r_[x[:1300][order], x[1300:]], np.r_[y[:1300][order], y[1300:]]


def _brighter_validation():
    x, y = _digits()
    return np.r_[x[:1300], 1 - x[1300:]], y


def _mislabeled():
    x, y = _digits()
    return x, np.random.default_rng(2).permutation(y)


L1 = keras.regularizers.L1(0.05)
FAULTS = {  # fault: (build_model faulty, sound, data faulty, sound, fit, repairs that count)
    "rate too low": (
        *(_mlp(64, 10, "softmax", SPARSE, lambda: Adam(1e-5)), _mlp(64, 10, "softmax", SPARSE)),
        *(_digits, _digits, {}, ("usual_rate", "rate_times_10")),
    ),
    "rate too high": (
        _mlp(64, 10, "softmax", SPARSE, lambda: Adam(0.5)),
        _mlp(64, 10, "softmax", SPARSE),
        *(_digits, _digits, {}, ("usual_rate", "rate_divided_by_10")),
    ),
    "eight sigmoid layers": (
        _mlp(64, 10, "softmax", SPARSE, hidden="sigmoid", depth=8),
        _mlp(64, 10, "softmax", SPARSE, depth=3),
        *(_digits, _digits, {}, ("relu_with_he_normal",)),
    ),
    "raw inputs": (
        _mlp(30, 1, "sigmoid", BINARY, lambda: SGD(0.01)),
        _mlp(30, 1, "sigmoid", BINARY, lambda: SGD(0.05)),
        *(_cancer, _scaled_cancer, {}, ("scaled_inputs",)),
    ),
    "targets of 1000": (
        *(_mlp(10, 1, None, SQUARED), _mlp(10, 1, None, SQUARED)),
        *(lambda: _friedman(1000.0), _friedman, {}, ("scaled_targets",)),
    ),
    "softmax over one unit": (
        *(_mlp(30, 1, "softmax", BINARY), _mlp(30, 1, "sigmoid", BINARY)),
        *(_scaled_cancer, _scaled_cancer, {}, ("output_and_loss_for_the_labels",)),
    ),
    "relu where targets are negative": (
        *(_mlp(10, 1, "relu", SQUARED), _mlp(10, 1, None, SQUARED)),
        *(_friedman, _friedman, {}, ("output_and_loss_for_the_labels",)),
    ),
    "L1 penalty": (
        _mlp(64, 10, "softmax", SPARSE, kernel_regularizer=L1),
        _mlp(64, 10, "softmax", SPARSE),
        *(_digits, _digits, {}, ("no_weight_penalties",)),
    ),
    "dropout 0.97": (
        _mlp(64, 10, "softmax", SPARSE, dropout=0.97),
        _mlp(64, 10, "softmax", SPARSE, dropout=0.2),
        *(_digits, _digits, {}, ("no_noise",)),
    ),
    "two units": (
        *(_mlp(64, 10, "softmax", SPARSE, width=2), _mlp(64, 10, "softmax", SPARSE)),
        *(_digits, _digits, {}, ("four_times_the_width",)),
    ),
    "sorted batches": (
        *(_mlp(64, 10, "softmax", SPARSE), _mlp(64, 10, "softmax", SPARSE)),
        *(_sorted_rows, _digits, {"shuffle": False}, ("shuffled_batches",)),
    ),
    "inverted validation rows": (
        *(_mlp(64, 10, "softmax", SPARSE), _mlp(64, 10, "softmax", SPARSE)),
        *(_brighter_validation, _digits, {}, ("validation_of_the_same_rows",)),
    ),
    "labels at other rows": (
        *(_mlp(64, 10, "softmax", SPARSE), _mlp(64, 10, "softmax", SPARSE)),
        *(_mislabeled, _digits, {}, ("label stands",)),
    ),
}


def _network(*hidden):
    model = keras.Sequential([keras.Input((8, 8, 1)), *hidden, layers.Dense(10, "softmax")])
    model.compile("adam", SPARSE)
    return model


STEPS_OF = {
    "MLP": lambda: _network(layers.Flatten(), layers.Dense(64, "relu")),
    "CNN": lambda: _network(layers.Conv2D(16, 3), layers.Conv2D(32, 3), layers.Flatten()),
    "LSTM": lambda: _network(layers.Reshape((8, 8)), layers.LSTM(32)),
}


def compare_steps(rounds=5, steps=200):
    """Print milliseconds of a step by `train_on_batch` and in a trial, medians side by side."""
    x, y = _digits()
    x = x.reshape(-1, 8, 8, 1)
    random = np.random.default_rng(0)
    places = [random.permutation(len(x))[:32] for _ in range(steps)]
    for name, build in STEPS_OF.items():
        model, learner = build(), Learner(build())
        model.train_on_batch(x[:32], y[:32])
        learner.train(Rows(x, y), places[:1])
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            for index in places:
                model.train_on_batch(x[index], y[index])
            between = time.perf_counter()
            learner.train(Rows(x, y), places)
            times.append((between - begin, time.perf_counter() - between))
        batch, trial = 1000 * np.median(times, axis=0) / steps
        print(f"{name}: train_on_batch {batch:.2f} ms, trial {trial:.2f} ms: {batch / trial:.1f}")


def main():
    """Print one line per program, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--healthy", action="store_true", help="the sound twins instead")
    parser.add_argument("--steps", action="store_true", help="seconds of single steps instead")
    options = parser.parse_args()
    if options.steps:
        compare_steps()
        return
    named, count = 0, 0
    for fault, (sick, sound, sick_data, data, fit, repairs) in FAULTS.items():
        if options.only not in fault:
            continue
        build_model = sound if options.healthy else sick
        x, y = (data if options.healthy else sick_data)()
        cut = int(0.75 * len(x)) if len(x) < 1600 else 1300
        fit = {} if options.healthy else fit
        begin = time.monotonic()
        more = {"seconds": options.seconds, "fit": {"epochs": 15} | fit, "verbose": False}
        result = checkup(build_model, (x[:cut], y[:cut]), (x[cut:], y[cut:]), **more)
        verdict = result.verdict
        key = verdict.change.key if verdict.change else verdict.sentence
        right = verdict.kind == "healthy" if options.healthy else any(r in key for r in repairs)
        named, count = named + right, count + 1
        seconds = time.monotonic() - begin
        mark = "right" if right else "WRONG"
        print(f"{mark}  {fault} ({seconds:.0f} s): {verdict.sentence}", flush=True)
    print(f"{named} of {count}")


if __name__ == "__main__":
    main()
