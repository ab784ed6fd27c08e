"""On a machine with an accelerator: `pytest tests/gpu`, and again with KERAS_BACKEND=jax.

Skipped elsewhere. Nothing here asserts a time; `benchmarks/gpu.py` measures.
"""

import functools
import subprocess

import keras
import numpy as np
import pytest
from keras import layers

from tuning import learning_rate_sweep, search
from tuning.device import take_gpu_memory_as_needed, visible_gpus
from tuning.max_batch_size import max_batch_size

take_gpu_memory_as_needed()
BACKEND = keras.backend.backend()


def accelerators():
    """Return the backend's accelerators."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.config.list_physical_devices("GPU")
    if BACKEND == "jax":
        import jax

        return [device for device in jax.devices() if device.platform != "cpu"]
    return []


pytestmark = pytest.mark.skipif(not accelerators(), reason=f"{BACKEND} finds no accelerator here")


def data(rows=2048, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 32)).astype("float32")
    return x, (x[:, 0] > x[:, 1]).astype("int32")


TRAIN, VALIDATION = data(), data(512, 1)


def build_model():
    model = keras.Sequential([layers.Input((32,)), layers.Dense(64, "relu")])
    model.add(layers.Dense(2, activation="softmax", dtype="float32"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def run(folder, **options):
    settings = {"learning_rate": (1e-4, 1e-1), "batch_size": [64], "max_trials": 3, "epochs": 2}
    settings |= {"seeds": 1, "directory": folder, "verbose": False}
    return search(build_model, TRAIN, VALIDATION, **(settings | options))


def test_memory_is_taken_as_needed(tmp_path):
    run(tmp_path)
    query = ["nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=True)
    used, total = map(int, done.stdout.splitlines()[0].split(","))
    assert used < total / 2  # TensorFlow would take nearly all of it


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_graph_and_fit_reach_the_same(policy, tmp_path, request):
    request.addfinalizer(functools.partial(keras.config.set_dtype_policy, "float32"))
    keras.config.set_dtype_policy(policy)
    found = {}
    for engine in ("auto", "fit"):
        options = {"engine": engine, "name": engine}
        found[engine] = [row["scores"][-1] for row in run(tmp_path, **options).trials]
    np.testing.assert_allclose(found["auto"], found["fit"], atol=0.05)


def test_members_of_a_sweep_end_as_alone():
    options = {"batch_size": 64, "epochs": 2, "verbose": 0, "objective": "val_loss"}
    together = learning_rate_sweep(build_model, TRAIN, VALIDATION, [1e-3, 1e-2], **options)
    for k, rate in enumerate((1e-3, 1e-2)):
        alone = learning_rate_sweep(build_model, TRAIN, VALIDATION, [rate], **options)
        np.testing.assert_allclose(together.scores[k], alone.scores[0], rtol=1e-2)


def test_the_largest_batch_is_found():
    found = max_batch_size(build_model, TRAIN, seconds=0)
    assert found.largest <= len(TRAIN[0]) and np.isfinite(found.examples_per_second).all()


def test_each_gpu_is_known_to_a_worker():
    assert len(visible_gpus()) >= len(accelerators())
