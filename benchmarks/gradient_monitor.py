"""What GradientMonitor costs: step time and memory against no callback and a probe-batch callback.

    python benchmarks/gradient_monitor.py

Every model is trained (a) alone, (b) with GradientMonitor at every step, (c) with the usual
callback that runs a GradientTape over a probe batch after every step and (d) with Diagnosis. They
take turns in one process; the table gives the median over rounds of the ratio to (a), and the time
that Diagnosis takes at the end of an epoch. Tracing is not counted.
Peak memory is that of a fresh process for each model and way, because a process never gives back
what an earlier model took; it differs by some MiB from one run to the next.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from callbacks.diagnosis import Diagnosis
from callbacks.gradient_monitor import GradientMonitor

BATCH = 32
WAYS = 4  # (a) to (d)
WARM_UP = 15  # steps before the clock starts: tracing and first allocations


class Timer(keras.callbacks.Callback):
    """Seconds per step, median over the steps after the warm-up."""

    def on_train_begin(self, logs=None):
        """Start a new list of time stamps."""
        self.stamps = []

    def on_train_batch_end(self, batch, logs=None):
        """Take a time stamp."""
        self.stamps.append(time.perf_counter())

    @property
    def seconds(self):
        """Mean seconds per step after the warm-up; the fetches of the monitor are included."""
        return (self.stamps[-1] - self.stamps[WARM_UP]) / (len(self.stamps) - 1 - WARM_UP)


class ProbeTape(keras.callbacks.Callback):
    """The usual way: gradients of a probe batch by a second forward and backward pass."""

    def __init__(self, x, y):
        super().__init__()
        self.probe, self.norms = (tf.constant(x), tf.constant(y)), []

    def on_train_begin(self, logs=None):
        """Compile the extra pass, as a careful author would."""

        @tf.function
        def norms(x, y):
            with tf.GradientTape() as tape:
                loss = self.model.compute_loss(x=x, y=y, y_pred=self.model(x, training=True))
            grads = tape.gradient(loss, self.model.trainable_variables)
            return tf.stack([tf.norm(g) for g in grads])

        self.function = norms

    def on_train_batch_end(self, batch, logs=None):
        """Run the extra pass."""
        self.norms.append(self.function(*self.probe).numpy())


class TimedDiagnosis(Diagnosis):
    """Diagnosis that takes the time of each end of an epoch."""

    seconds = ()

    def on_epoch_end(self, epoch, logs=None):
        """Take the time."""
        start = time.perf_counter()
        super().on_epoch_end(epoch, logs)
        self.seconds = [*self.seconds, time.perf_counter() - start]


def mlp(width):
    """Five dense layers of one width."""
    inputs = keras.Input((width,))
    x = inputs
    for _ in range(4):
        x = layers.Dense(width, "relu")(x)
    return keras.Model(inputs, layers.Dense(1)(x))


def cnn():
    """Three convolutions on 32×32×3 images."""
    inputs = keras.Input((32, 32, 3))
    x = inputs
    for filters in (16, 32, 64):
        x = layers.Conv2D(filters, 3, strides=2, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(x)))


def lstm():
    """One LSTM of 64 units over 40 steps."""
    inputs = keras.Input((40, 16))
    return keras.Model(inputs, layers.Dense(1)(layers.LSTM(64)(inputs)))


def transformer():
    """Twelve encoder blocks of width 64, 4 heads, 32 positions."""
    inputs = keras.Input((32, 64))
    x = inputs
    for _ in range(12):
        attended = layers.MultiHeadAttention(4, 16)(x, x)
        x = layers.LayerNormalization()(x + attended)
        hidden = layers.Dense(64)(layers.Dense(128, "gelu")(x))
        x = layers.LayerNormalization()(x + hidden)
    return keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(x)))


MODELS = {
    "MLP, 5 × 32": (lambda: mlp(32), 1500),
    "MLP, 5 × 256": (lambda: mlp(256), 700),
    "CNN, 32×32×3": (cnn, 300),
    "LSTM": (lstm, 150),
    "transformer, 12 blocks": (transformer, 50),
}


def read_once(shapes):
    """Seconds to compute one sum of squares of arrays of these shapes: the floor of (b) - (a)."""
    arrays = [tf.random.normal(shape) for shape in shapes]
    function = tf.function(lambda: tf.stack([tf.nn.l2_loss(array) for array in arrays]))
    empty = tf.function(lambda: tf.stack([tf.constant(0.0)] * len(arrays)))
    times = []
    for call in (function, empty):
        call()
        start = time.perf_counter()
        for _ in range(300):
            call()
        times.append((time.perf_counter() - start) / 300)
    return max(0.0, times[0] - times[1])


def prepare(name, steps, jit_compile):
    """Return a compiled model and its data, (BATCH × steps, ...) and (BATCH × steps, 1)."""
    keras.utils.set_random_seed(0)
    model = MODELS[name][0]()
    model.compile("sgd", "mse", jit_compile=jit_compile)
    random = np.random.default_rng(0)
    x = random.normal(size=(BATCH * steps, *model.input_shape[1:])).astype("float32")
    return model, x, random.normal(size=(BATCH * steps, 1)).astype("float32")


def train(variant, model, x, y):
    """Train for one epoch in way 0 (a) to 3 (d); return seconds per step and at the epoch's end."""
    timer, diagnosis = Timer(), TimedDiagnosis(verbose=False)
    extra = ([], [GradientMonitor()], [ProbeTape(x[:BATCH], y[:BATCH])], [diagnosis])[variant]
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[*extra, timer])
    return timer.seconds, max(diagnosis.seconds, default=0)


def measure(name, steps, rounds, jit_compile):
    """Return seconds per step (rounds, WAYS), at an epoch's end, and the gradients' shapes."""
    models = [prepare(name, steps, jit_compile) for _ in range(WAYS)]
    seconds, end = np.zeros((rounds, WAYS)), 0
    for turn in range(rounds):
        for place in range(WAYS):
            variant = (place + turn) % WAYS  # nobody is always first
            seconds[turn, variant], last = train(variant, *models[variant])
            end = max(end, last)
    return seconds, end, [v.shape for v in models[0][0].trainable_variables]


def peak_megabytes(variant, name, steps, jit_compile):
    """Train one model in one way and return the peak resident memory of this process, MiB."""
    train(variant, *prepare(name, steps, jit_compile))
    status = Path("/proc/self/status")
    if status.exists():  # `ru_maxrss` would begin with what the parent process had
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(name, steps, jit_compile):
    """Return the peak memory of each way, MiB, each in a process of its own."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        return [
            pool.submit(peak_megabytes, variant, name, steps, jit_compile).result()
            for variant in range(WAYS - 1)
        ]


def main(argv=None):
    """Run all models and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jit", action="store_true", help="compile the train step with XLA")
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps, one round")
    options = parser.parse_args(argv)
    rounds = 1 if options.quick else options.rounds
    print("(a) alone, (b) GradientMonitor at every step, (c) GradientTape on a probe batch,")
    print("(d) Diagnosis; end: of an epoch, Diagnosis, the longest; floor: (a) plus one sum of")
    print("squares of every gradient; peak memory in MiB\n")
    print(
        f"{'model':<24}{'(a) ms':>8}{'(b)/(a)':>9}{'floor':>7}{'(c)/(a)':>9}{'(d)/(a)':>9}"
        f"{'end ms':>8}{'mem a':>8}{'b - a':>8}{'c - a':>8}"
    )
    for name, (_, steps) in MODELS.items():
        steps = max(WARM_UP + 10, steps // 10) if options.quick else steps
        seconds, end, shapes = measure(name, steps, rounds, options.jit)
        ratios = np.median(seconds / seconds[:, :1], axis=0)
        alone = np.median(seconds[:, 0])
        floor = 1 + read_once(shapes) / alone
        peak = memory(name, steps, options.jit)
        print(
            f"{name:<24}{1e3 * alone:>8.2f}{ratios[1]:>9.2f}{floor:>7.2f}{ratios[2]:>9.2f}"
            f"{ratios[3]:>9.2f}{1e3 * end:>8.1f}{peak[0]:>8.0f}"
            f"{peak[1] - peak[0]:>+8.0f}{peak[2] - peak[0]:>+8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
