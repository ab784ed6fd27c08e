"""Does the range that the range test gives hold a good rate? Compared with a sweep of the rates.

    python benchmarks/learning_rate_range.py

Each setting is trained for 30 epochs at 25 rates with 3 seeds. A rate is as good as the best if its
mean validation score is within the interval of the best one, or within one point of accuracy or two
per cent of the loss.
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parent.parent))
from tuning.learning_rate_range import learning_rate_range
from tuning.noise import interval
from tuning.sweep import learning_rate_sweep

RATES = np.geomspace(1e-5, 10, 25)
DATA = {
    "digits": datasets.load_digits(return_X_y=True),
    "iris": datasets.load_iris(return_X_y=True),
    "wine": datasets.load_wine(return_X_y=True),
    "breast cancer": datasets.load_breast_cancer(return_X_y=True),
    "diabetes": datasets.load_diabetes(return_X_y=True),
    "Friedman": datasets.make_friedman1(600, noise=0.5, random_state=1),
    "two moons": datasets.make_moons(800, noise=0.2, random_state=1),
    "four classes": datasets.make_classification(
        1000, n_informative=8, n_classes=4, random_state=2
    ),
}
SETTINGS = [  # data, are the inputs scaled, optimizer, units of the hidden layers, activation
    ("digits", True, "adam", [32], "relu"),
    ("digits", True, "sgd", [32], "relu"),
    ("digits", True, "rmsprop", [64] * 4, "relu"),
    ("digits", False, "adam", [32, 32], "relu"),
    ("digits", True, "adam", [64] * 6, "relu"),
    ("iris", True, "adam", [16], "relu"),
    ("iris", False, "adam", [16], "relu"),
    ("wine", True, "adam", [32], "relu"),
    ("wine", False, "adam", [32], "relu"),
    ("breast cancer", True, "adam", [32], "relu"),
    ("breast cancer", False, "adam", [32], "relu"),
    ("breast cancer", False, "sgd", [32, 32], "relu"),
    ("diabetes", True, "adam", [32], "relu"),
    ("diabetes", True, "sgd", [32], "relu"),
    ("Friedman", True, "adam", [64, 64], "relu"),
    ("Friedman", True, "rmsprop", [64, 64], "relu"),
    ("two moons", True, "adam", [64] * 3, "tanh"),
    ("two moons", True, "sgd", [64] * 3, "tanh"),
    ("four classes", True, "adam", [64, 64], "elu"),
    ("four classes", True, "sgd", [128, 128], "relu"),
]


def load(name, is_scaled):
    """Return train and validation, each (x, y)."""
    x, y = DATA[name]
    x, x_val, y, y_val = train_test_split(x, y.astype("float32"), test_size=0.25, random_state=0)
    if is_scaled:
        scaler = StandardScaler().fit(x)
        x, x_val = scaler.transform(x), scaler.transform(x_val)
    return (x.astype("float32"), y), (x_val.astype("float32"), y_val)


def measure(name, is_scaled, optimizer, units, activation):
    """Return the range of the test, the rates as good as the best, and the best."""
    train, validation = load(name, is_scaled)
    num_classes = len(np.unique(train[1])) if name not in ("diabetes", "Friedman") else 0

    def build():
        hidden = [layers.Dense(n, activation) for n in units]
        last = layers.Dense(num_classes or 1, "softmax" if num_classes else None)
        model = keras.Sequential([keras.Input(train[0].shape[1:]), *hidden, last])
        if num_classes:
            model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        else:
            model.compile(optimizer, "mse")
        return model

    found = learning_rate_range(build, train, verbose=0)
    sweep = learning_rate_sweep(build, train, validation, RATES, epochs=30, seeds=3, verbose=0)
    sign = 1 if sweep.direction == "max" else -1
    means = sign * sweep.scores.mean(axis=1)
    best = int(np.nanargmax(means))
    margin = max(interval(sweep.scores[best])[1], 0.01 if num_classes else 0.02 * abs(means[best]))
    return found, RATES[means >= means[best] - margin], RATES[best]


def main():
    """Print a line for each setting and the count."""
    held = 0
    for name, is_scaled, optimizer, units, activation in SETTINGS:
        found, good, best = measure(name, is_scaled, optimizer, units, activation)
        is_held = bool(((good >= 0.95 * found.low) & (good <= 1.05 * found.high)).any())
        held += is_held
        what = f"{name}, {'scaled' if is_scaled else 'raw'}, {optimizer}, {units} {activation}"
        print(
            f"{what:58} range {found.low:.2g} to {found.high:.2g}; as good as the best ({best:.2g})"
            f": {good.min():.2g} to {good.max():.2g}{'' if is_held else '   missed'}",
            flush=True,
        )
    print(f"{held} of {len(SETTINGS)} ranges hold a rate as good as the best.")


if __name__ == "__main__":
    main()
