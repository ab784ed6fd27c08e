"""What this machine has, and how its processes share it.

No framework is imported unless it is in use: that takes seconds, and asking it the GPUs' memory.
"""

import itertools
import os
import re
import subprocess
import sys

NO_GPU = ("", "-1", "NoDevFiles")  # in CUDA_VISIBLE_DEVICES; what comes after it is hidden, too


def visible_gpus():
    """Return the ids of this machine's GPUs as `CUDA_VISIBLE_DEVICES` knows them, a list of str."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return list(itertools.takewhile(lambda name: name not in NO_GPU, names))
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):  # there is none
        return []
    return re.findall(r"UUID: (GPU-[^)]+)\)", done.stdout)  # among it may be warnings


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
    """Do so before the first operation, and say what keeps TensorFlow from the GPUs."""
    take_gpu_memory_as_needed()
    import keras

    if keras.backend.backend() == "tensorflow" and visible_gpus() and not has_gpu():
        print(
            "nvidia-smi or CUDA_VISIBLE_DEVICES names a GPU, but TensorFlow cannot use it and "
            'trains on the CPU; are its libraries missing? pip install "tensorflow[and-cuda]"',
            file=sys.stderr,
        )


def has_gpu():
    """Whether TensorFlow trains on a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
