"""What this machine has, and how its processes share it.

No framework is imported unless it is in use: that takes seconds, and asking it the GPUs' memory.
"""

import itertools
import os
import subprocess
import sys


def visible_gpus():
    """Return the ids of this machine's GPUs as `CUDA_VISIBLE_DEVICES` knows them, a list of str."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()


def count_cores():
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def take_gpu_memory_as_needed():
    """Have TensorFlow and JAX leave memory to the other processes on a GPU.

    They read these variables at their first operation, which may be one in the user's module, and
    processes started from here inherit them.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def prepare_devices():
    """Do the same where TensorFlow has been imported already; say so if it is too late."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH") == "true":
        return
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except (RuntimeError, ValueError) as error:  # in use already, or divided by the user
        print(f"TensorFlow keeps the GPU memory that it was given before: {error}", file=sys.stderr)
