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
    """Return the ids of this machine's GPUs as `CUDA_VISIBLE_DEVICES` knows them, a list of str.

    A GPU that is divided (MIG) counts as its parts: a process can use one of them.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return list(itertools.takewhile(lambda name: name not in NO_GPU, names))
    gpus = []
    for part in re.split(r"^(?=GPU \d)", _list_of_gpus(), flags=re.MULTILINE):
        found = [re.findall(rf"UUID: ({kind}-[^)]+)\)", part) for kind in ("MIG", "GPU")]
        gpus += found[0] or found[1]
    return gpus


def _list_of_gpus():
    """Return what nvidia-smi prints, among it perhaps warnings; nothing if it cannot be run."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


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
    """Do the same where TensorFlow has been imported already; say what keeps it from the GPUs."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    gpus = tensorflow_gpus()
    if not gpus and visible_gpus():
        print(
            "nvidia-smi or CUDA_VISIBLE_DEVICES names a GPU, but TensorFlow cannot use it and "
            'trains on the CPU; are its libraries missing? pip install "tensorflow[and-cuda]"',
            file=sys.stderr,
        )
    if os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH") == "true":
        return
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except (RuntimeError, ValueError) as error:  # in use already, or divided by the user
        print(f"TensorFlow keeps the GPU memory that it was given before: {error}", file=sys.stderr)


def tensorflow_gpus():
    """Return the GPUs that TensorFlow can use."""
    import tensorflow as tf

    return tf.config.list_physical_devices("GPU")


def has_accelerator():
    """Whether the backend trains on more than the host's processors."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() != "cpu"
    return keras.backend.backend() == "tensorflow" and bool(tensorflow_gpus())


def peak_bytes():
    """Highest use of the first GPU's memory; without one, of the process's; NaN if not known."""
    import keras

    if has_accelerator() and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    if has_accelerator():
        import jax

        return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)
