"""Trials per minute of three ways to try learning rates, side by side on the same data.

- stock: keras-tuner's RandomSearch on scikit-learn's digits, as its documentation shows it;
- one by one: one compiled graph, reused for one rate after the other (`training/one_by_one.py`);
- vectorized: all rates at once (`training/together.py`), K members.

Every trial has the same number of epochs, batch size, data and validation after each epoch. Each
measurement is a fresh process, because the peak memory is that of a process; tracing and building
count, imports do not. The bound is what the arithmetic alone takes: 6 operations per weight and
example (Kaplan et al., 2020, section 2.1; times the positions for a convolution), divided by the
speed of a matrix product of 2048 × 2048 on the same machine.

    python -m benchmarks.vectorized
    TF_NUM_INTRAOP_THREADS=1 python -m benchmarks.vectorized    as `python -m tuning sweep` runs it
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

EPOCHS, BATCH_SIZE = 10, 64
MODELS = ("small MLP", "wide MLP", "small CNN")
STOCK_TRIALS, ALONE_TRIALS = 6, 12  # their time per trial does not depend on the number


def load_data():
    """Return 1347 training and 450 validation images of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int32")
    return (x[:1347], y[:1347]), (x[1347:], y[1347:])


def build_model(name, learning_rate=1e-3):
    """Return a compiled model: 64-64-10, 256-256-10 or two convolutions."""
    import keras
    from keras import layers

    units = 64 if name == "small MLP" else 256
    parts = [layers.Dense(units, "relu"), layers.Dense(units, "relu")]
    if name == "small CNN":
        parts = [layers.Reshape((8, 8, 1))]
        parts += [layers.Conv2D(8, 3, activation="relu"), layers.Conv2D(16, 3, activation="relu")]
        parts += [layers.Flatten()]
    model = keras.Sequential([keras.Input((64,)), *parts, layers.Dense(10, "softmax")])
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def run_stock(name, trials):
    """Search with keras-tuner alone."""
    import keras_tuner as kt

    (x, y), validation = load_data()

    def build(hp):
        return build_model(name, hp.Float("learning_rate", 1e-5, 1.0, sampling="log"))

    with tempfile.TemporaryDirectory() as folder:
        tuner = kt.RandomSearch(build, "val_accuracy", trials, seed=1, directory=folder)
        options = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "verbose": 0}
        tuner.search(x, y, validation_data=validation, **options)


def run_alone(name, trials):
    """Train one rate after the other in one reused compiled graph."""
    from tuning.inputs.data import Arrays
    from tuning.training.one_by_one import Engine

    train, validation = (Arrays(data, "data") for data in load_data())
    engine = Engine(lambda: build_model(name), train, validation)
    for rate in np.geomspace(1e-5, 1, trials):
        engine.reset(0)
        engine.train(float(rate), BATCH_SIZE, EPOCHS, 0, 0, lambda *_: False)


def run_vectorized(name, trials):
    """Train all rates at once."""
    from tuning import learning_rate_sweep

    train, validation = load_data()
    rates = np.geomspace(1e-5, 1, trials)
    options = {"batch_size": BATCH_SIZE, "epochs": EPOCHS, "verbose": 0}
    learning_rate_sweep(lambda: build_model(name), train, validation, rates, **options)


WAYS = {"stock": run_stock, "one by one": run_alone, "vectorized": run_vectorized}


def seconds_of_arithmetic(name):
    """Return the seconds that one trial's multiplications and additions take at full speed."""
    import keras
    from keras import layers

    model = build_model(name)
    products = 0
    for layer in model.layers:
        if isinstance(layer, (layers.Dense, layers.Conv2D)):
            positions = int(np.prod(layer.output.shape[1:-1]))
            products += int(np.prod(layer.kernel.shape)) * positions
    one = keras.ops.convert_to_tensor(np.ones((2048, 2048), "float32"))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        keras.ops.convert_to_numpy(one @ one)
        times.append(time.perf_counter() - start)
    speed = 2 * 2048**3 / min(times)
    (x, _), (x_val, _) = load_data()
    return EPOCHS * products * (6 * len(x) + 2 * len(x_val)) / speed


def measure(way, name, trials):
    """Run one way in this process and print its numbers as JSON."""
    if way == "bound":
        print(json.dumps({"seconds": seconds_of_arithmetic(name)}))
        return
    import keras
    import keras_tuner  # noqa: F401

    from tuning import learning_rate_sweep  # noqa: F401

    keras.ops.ones(1) + 1  # starts the backend

    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    WAYS[way](name, trials)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak": peak / 1024, "more": (peak - base) / 1024}))


def in_process(way, name, trials):
    """Measure in a fresh process; return its numbers."""
    command = [sys.executable, "-m", "benchmarks.vectorized", "--measure", way, name, str(trials)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{way}, {name}, {trials} trials: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(argv=None):
    """Measure every way for every model; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--population", type=int, nargs="+", default=[16, 64, 256])
    options = parser.parse_args(argv)
    if options.measure:
        way, name, trials = options.measure
        measure(way, name, int(trials))
        return
    print(f"Digits, {EPOCHS} epochs, batch size {BATCH_SIZE}, Adam; tracing counts.")
    print(
        f"{'':34}{'s':>8}{'trials/min':>12}{'x stock':>9}{'x alone':>9}{'peak MiB':>10}{'more':>7}"
    )
    for name in options.models:
        bound = 60 / in_process("bound", name, 1)["seconds"]
        rates = {}
        runs = [("stock", STOCK_TRIALS), ("one by one", ALONE_TRIALS)]
        for way, trials in [*runs, *(("vectorized", k) for k in options.population)]:
            found = in_process(way, name, trials)
            rate = rates[way] = 60 * trials / found["seconds"]
            ratios = [rate / rates["stock"], rate / rates.get("one by one", np.nan)]
            row = f"{name}, {way}, {trials} trials"
            print(
                f"{row:34}{found['seconds']:8.1f}{rate:12.0f}{ratios[0]:9.1f}{ratios[1]:9.1f}"
                f"{found['peak']:10.0f}{found['more']:7.0f}",
                flush=True,
            )
        print(f"{name + ', arithmetic alone':34}{'':8}{bound:12.0f}{bound / rates['stock']:9.1f}")


if __name__ == "__main__":
    main()
