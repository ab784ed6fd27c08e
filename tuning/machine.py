"""What this machine has; no framework is asked, since that takes seconds, or the GPUs' memory."""

import itertools
import os
import subprocess


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
