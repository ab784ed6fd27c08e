"""What an accelerator makes of it: `python benchmarks/gpu.py`, again with KERAS_BACKEND=jax.

Prints the card, the speed of each batch size, the number of learning rates at which a sweep's
throughput saturates, and what GradientMonitor costs. Without an accelerator it says so and ends.
"""

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import keras
import numpy as np
from keras import layers

from callbacks.gradient_monitor import GradientMonitor
from tuning import learning_rate_sweep
from tuning.device import take_gpu_memory_as_needed, visible_gpus
from tuning.max_batch_size import max_batch_size

ROWS, UNITS, EPOCHS = 16_384, 64, 5


def load_data():
    """Return (x, y) of random numbers with a rule to learn."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, UNITS)).astype("float32")
    return x, (x[:, 0] > x[:, 1]).astype("int32")


def build_model():
    """Return an MLP of two hidden layers."""
    model = keras.Sequential([layers.Input((UNITS,))])
    model.add(layers.Dense(UNITS, activation="relu"))
    model.add(layers.Dense(UNITS, activation="relu"))
    model.add(layers.Dense(2, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def seconds_of_fit(callbacks):
    """Return the seconds of an epoch of `fit`, the first one left out."""
    times = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            times.append(time.perf_counter() - self.began)

    keras.utils.set_random_seed(0)
    fit = {"batch_size": 128, "epochs": EPOCHS, "verbose": 0}
    build_model().fit(*load_data(), callbacks=[*callbacks, Clock()], **fit)
    return float(np.median(times[1:]))


def main():
    """Measure and print."""
    take_gpu_memory_as_needed()
    if not visible_gpus():
        print("No GPU is visible here: nothing to measure.")
        return
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    print(subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip())
    print(f"{keras.backend.backend()} backend, Keras {keras.__version__}")
    print(max_batch_size(build_model, load_data(), seconds=0.3).words())
    x, y = load_data()
    for number in (1, 4, 16, 64, 256, 1024):
        rates = np.geomspace(1e-5, 1e-1, number)
        options = {"batch_size": 128, "epochs": EPOCHS, "verbose": 0}
        sweep = learning_rate_sweep(build_model, (x, y), (x[:512], y[:512]), rates, **options)
        speed = number / sweep.seconds * 60
        print(f"sweep of {number:5} rates: {sweep.seconds:6.1f} s, {speed:8.0f} trainings a minute")
    plain, watched = seconds_of_fit([]), seconds_of_fit([GradientMonitor()])
    print(f"GradientMonitor: {watched / plain:.2f} × the time of fit ({plain:.3f} s an epoch)")


if __name__ == "__main__":
    main()
