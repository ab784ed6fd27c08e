"""GPUs of a machine that has none: `nvidia-smi` and Keras are stand-ins, processes are real."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tuning import device as machine
from tuning import max_batch_size

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
ROOT = Path(__file__).parent.parent
TWO_GPUS = """\
WARNING: infoROM is corrupted at gpu 0000:00:1E.0
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-11111111-d33d-2b2c-524d-9e3d8d2b8a77)
"""
FIRST, SECOND = (
    "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77",
    "GPU-11111111-d33d-2b2c-524d-9e3d8d2b8a77",
)
MEMORY = ("TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE")


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put an `nvidia-smi` on PATH that prints a text and ends as the real one with a warning."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(text):
        script = f"#!{sys.executable}\nimport sys\nprint({text!r})\nsys.exit(14)\n"
        (tmp_path / "nvidia-smi").write_text(script)
        (tmp_path / "nvidia-smi").chmod(0o755)

    return install


def told_to_keras(folder, names, *words, **variables):
    """Run the command with a Keras that says how environment variables were at its import."""
    text = f"import os; told = [os.environ.get(name, 'nothing') for name in {names}]\n"
    (folder / "keras.py").write_text(text + "raise RuntimeError('told:' + ' '.join(told))\n")
    environment = {key: value for key, value in os.environ.items() if key not in MEMORY}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "tuning", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.stderr.rpartition("told:")[2].strip()


@pytest.mark.parametrize("words", [[], ["sweep"], ["range"]])
def test_every_command_lets_the_frameworks_take_memory_as_needed(words, tmp_path):
    assert told_to_keras(tmp_path, MEMORY, *words) == "true false"


def test_what_the_user_says_about_memory_stays(tmp_path):
    assert told_to_keras(tmp_path, MEMORY, **{MEMORY[0]: "false"}) == "false false"


def test_the_process_of_max_batch_size_knows_it_before_the_users_module(tmp_path, monkeypatch):
    text = f"import os\nseen = [os.environ.get(name) for name in {MEMORY}]\n"
    (tmp_path / "mine_memory.py").write_text(text + "def build(): raise ValueError(seen)\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in MEMORY:
        monkeypatch.setenv(name, "")  # so that it is put back at the end
        monkeypatch.delenv(name)
    from mine_memory import build

    rows = np.ones((2, 1))
    with pytest.raises(ValueError, match=r"\['true', 'false'\]"):
        max_batch_size.max_batch_size(build, (rows, rows), verbose=False)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's libraries")
def test_a_gpu_that_tensorflow_cannot_use_is_said(nvidia_smi, monkeypatch, capsys):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    nvidia_smi("No devices found.")
    machine.prepare_devices()
    assert capsys.readouterr().err == ""
    nvidia_smi(TWO_GPUS)
    machine.prepare_devices()
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot use it" in line and 'pip install "tensorflow[and-cuda]"' in line


def test_a_search_leaves_all_gpus_but_the_last_to_its_workers(tmp_path):
    name, gpus = "CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b"
    assert told_to_keras(tmp_path, [name], "--workers", "1", **{name: gpus}) == "GPU-b"
    assert told_to_keras(tmp_path, [name], "--workers", "1", **{name: ""}) == ""


# ---- which GPUs there are ----


def test_gpus_among_warnings(nvidia_smi):
    nvidia_smi(TWO_GPUS)
    assert machine.visible_gpus() == [FIRST, SECOND]
    nvidia_smi("No devices found.")
    assert machine.visible_gpus() == []


def test_without_nvidia_smi_or_with_hidden_gpus_there_is_none(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.visible_gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    assert machine.visible_gpus() == []
