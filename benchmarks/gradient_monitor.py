"""What GradientMonitor costs: step time and memory against no callback and a probe-batch callback.

    python benchmarks/gradient_monitor.py
    python benchmarks/gradient_monitor.py --memory
    python benchmarks/gradient_monitor.py --fits

Every model is trained (a) alone, (b) with GradientMonitor at every step, (c) with the usual
callback that runs a GradientTape over a probe batch after every step and (d) with Diagnosis. The
four run in one process and take turns, an epoch each: a round. A round gives the median time of a
step (in (b) with its share of the fetch at the epoch's end) and its ratio to (a); the table has the
median ratio over all rounds with its quartiles. Everything is built anew a few times, because where
the arrays happen to lie in memory changes the speed of a model by some percent. Tracing and the end
of Diagnosis's epochs are not counted; the latter is shown by itself.
`--memory` gives the peak of a fresh process for each model and way, because a process never gives
back what an earlier model took: median and range of three.
`--fits` calls `fit` again and again on 64 rows, each time with a new monitor: the seconds of a fit
against those without, from the second fit on (the first one traces), and how memory grows.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
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
WARM_UP = 3  # steps of an epoch before the clock starts
REPEATS = 3  # models built anew


class Turns:
    """Let threads run one after the other, in an order that changes from round to round."""

    def __init__(self, num_threads):
        self.num_threads, self.taken = num_threads, 0
        self.changed = threading.Condition()

    def wait(self, thread):
        """Wait until it is this thread's turn."""
        with self.changed:
            self.changed.wait_for(lambda: self.whose() == thread)

    def whose(self):
        """Return the thread whose turn it is; nobody is always first."""
        turn, place = divmod(self.taken, self.num_threads)
        return (turn + place) % self.num_threads

    def end(self):
        """Give the turn to the next."""
        with self.changed:
            self.taken += 1
            self.changed.notify_all()


class Timer(keras.callbacks.Callback):
    """Median seconds of a step in each epoch. The last of the callbacks."""

    def __init__(self, way, turns):
        super().__init__()
        self.way, self.turns, self.seconds = way, turns, []

    def on_epoch_begin(self, epoch, logs=None):
        """Wait for the turn."""
        self.turns.wait(self.way)
        self.stamps = []

    def on_train_batch_end(self, batch, logs=None):
        """Take a time stamp."""
        self.stamps.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        """Give the turn to the next."""
        self.seconds.append(np.median(np.diff(self.stamps[WARM_UP:])))
        self.turns.end()


class TimedEnd:
    """A callback that takes the time of each end of an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        """Take the time."""
        start = time.perf_counter()
        super().on_epoch_end(epoch, logs)
        self.ends = [*getattr(self, "ends", []), time.perf_counter() - start]


class TimedMonitor(TimedEnd, GradientMonitor):
    """GradientMonitor with the time of each end of an epoch."""


class TimedDiagnosis(TimedEnd, Diagnosis):
    """Diagnosis with the time of each end of an epoch."""


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
    "MLP, 5 × 32": (lambda: mlp(32), 240),
    "MLP, 5 × 256": (lambda: mlp(256), 200),
    "CNN, 32×32×3": (cnn, 60),
    "LSTM": (lstm, 40),
    "transformer, 12 blocks": (transformer, 16),
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


def train(way, turns, epochs, model, x, y):
    """Train in way 0 (a) to 3 (d); return seconds per step and at the end of an epoch (epochs,)."""
    timer, monitor = Timer(way, turns), TimedMonitor()
    diagnosis = TimedDiagnosis(verbose=False, checkup_seconds=0)
    extra = ([], [monitor], [ProbeTape(x[:BATCH], y[:BATCH])], [diagnosis])[way]
    model.fit(
        x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=[*extra, timer]
    )
    seconds, ends = np.array(timer.seconds), np.array(extra[0].ends if way in (1, 3) else 0)
    if way == 1:
        seconds += ends / (len(x) // BATCH)  # the fetch belongs to the steps
    return seconds[1:], ends


def measure(name, steps, rounds, jit_compile):
    """Return seconds per step (WAYS, rounds), at an epoch's end, and the gradients' shapes."""
    seconds, ends = [], []
    for _ in range(REPEATS):
        ready = [prepare(name, steps, jit_compile) for _ in range(WAYS)]
        turns = Turns(WAYS)
        with ThreadPoolExecutor(WAYS) as pool:
            jobs = [pool.submit(train, i, turns, 1 + rounds, *ready[i]) for i in range(WAYS)]
            results = [job.result() for job in jobs]
        seconds.append([result[0] for result in results])
        ends.extend(results[3][1])
    return np.concatenate(seconds, axis=1), ends, [v.shape for v in ready[0][0].trainable_weights]


def peak_megabytes(way, name, steps, jit_compile):
    """Train one model in one way and return the peak resident memory of this process, MiB."""
    turns = Turns(1)
    turns.whose = lambda: way  # alone
    train(way, turns, 2, *prepare(name, steps, jit_compile))
    status = Path("/proc/self/status")
    if status.exists():  # `ru_maxrss` would begin with what the parent process had
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def print_memory(name, steps, jit_compile):
    """Print the peak memory of (a), and what (b) and (c) add, each in processes of its own."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        peaks = [
            [
                pool.submit(peak_megabytes, way, name, steps, jit_compile).result()
                for way in range(3)
            ]
            for _ in range(3)
        ]
    alone, monitor, probe = np.array(peaks).T
    print(f"{name:<24}{np.median(alone):>8.0f} ±{np.ptp(alone) / 2:<4.0f}", end="")
    for other in (monitor, probe):
        print(f"{np.median(other) - np.median(alone):>+8.0f} ±{np.ptp(other) / 2:<4.0f}", end="")
    print(flush=True)


def print_times(name, steps, rounds, jit_compile):
    """Print one line: medians of the ratios with their quartiles."""
    seconds, ends, shapes = measure(name, steps, rounds, jit_compile)
    alone = np.median(seconds[0])
    print(f"{name:<24}{1e3 * alone:>8.2f}{1 + read_once(shapes) / alone:>8.2f}", end="")
    for ratios in seconds[1:] / seconds[0]:
        low, middle, high = np.percentile(ratios, (25, 50, 75))
        print(f"{middle:>8.2f} ({low:.2f}–{high:.2f})", end="")
    print(f"{1e3 * np.median(ends):>8.1f}{1e3 * max(ends):>7.1f}", flush=True)


def resident_megabytes():
    """Return the memory of this process now, MiB; NaN where the system does not say."""
    status = Path("/proc/self/status")
    return (
        int(status.read_text().split("VmRSS:")[1].split()[0]) / 1024 if status.exists() else np.nan
    )


def print_fits(name, num_fits, jit_compile):
    """Print one line: seconds of a short fit without and with the monitor, their ratio, memory."""
    pairs = [prepare(name, 2, jit_compile) for _ in range(2)]
    seconds = np.zeros((num_fits, 2))
    for number in range(num_fits):
        if number == 5:
            before = resident_megabytes()
        for way in (0, 1) if number % 2 else (1, 0):
            model, x, y = pairs[way]
            callbacks = [GradientMonitor()] if way else []
            start = time.perf_counter()
            model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=callbacks)
            seconds[number, way] = time.perf_counter() - start
    grown = (resident_megabytes() - before) / (num_fits - 5)
    low, middle, high = np.percentile(seconds[1:, 1] / seconds[1:, 0], (25, 50, 75))
    print(f"{name:<24}{1e3 * np.median(seconds[1:, 0]):>8.1f}", end="")
    print(f"{middle:>8.2f} ({low:.2f}–{high:.2f}){1e3 * grown:>12.0f}", flush=True)


def main(argv=None):
    """Run all models and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="times 3")
    parser.add_argument("--jit", action="store_true", help="compile the train step with XLA")
    parser.add_argument("--memory", action="store_true", help="peak memory in place of times")
    parser.add_argument("--fits", action="store_true", help="a loop of fits in place of steps")
    parser.add_argument("--quick", action="store_true", help="a few steps, two rounds")
    options = parser.parse_args(argv)
    rounds = 2 if options.quick else options.rounds
    if options.fits:
        print(
            "a fit of 64 rows: ms alone, ratio with GradientMonitor (quartiles), KiB grown per fit"
        )
        for name in MODELS:
            print_fits(name, 10 if options.quick else 40, options.jit)
        return
    print("(a) alone, (b) GradientMonitor at every step, (c) GradientTape on a probe batch,")
    if options.memory:
        print("peak memory in MiB, median of 3 processes ± half their range\n")
        print(f"{'model':<24}{'(a)':>8}{'(b) - (a)':>19}{'(c) - (a)':>14}")
    else:
        print("(d) Diagnosis; floor: (a) plus one sum of squares of every gradient; end: of an")
        print(f"epoch in (d), ms; medians (quartiles) of {REPEATS * rounds} rounds\n")
        print(f"{'model':<24}{'(a) ms':>8}{'floor':>8}", end="")
        print("".join(f"{f'({way})/(a)':>20}" for way in "bcd") + f"{'end':>8}{'longest':>9}")
    for name, (_, steps) in MODELS.items():
        steps = max(WARM_UP + 10, steps // 10) if options.quick else steps
        if options.memory:
            print_memory(name, steps, options.jit)
        else:
            print_times(name, steps, rounds, options.jit)


if __name__ == "__main__":
    main()
