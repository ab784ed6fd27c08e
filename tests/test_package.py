"""The wheel in an empty environment: what the README says about one's own project, done there."""

import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("callbacks", "recipes", "tuning")
# A search as small as it can be, on a model and data of the user's own.
WINE = """
import keras
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split


def load_data():
    x, y = load_wine(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, stratify=y, random_state=0)
    return {"train": (x, y), "validation": (x_val, y_val)}


def build_model(learning_rate=0.01):
    model = keras.Sequential([keras.Input((13,)), keras.layers.Dense(3, activation="softmax")])
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""
SMALL = ["--max-trials=2", "--epochs=1", "--seeds=1", "--batch-size=32"]
SMALL += ["--learning-rate", "0.001", "0.1"]


def run(*command, cwd, **environment):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    environment.pop("PYTHONPATH", None)
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the wheel, built from a copy: building leaves files in the folder that it builds."""
    source = tmp_path_factory.mktemp("source")
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    run(*pip, "--wheel-dir", source / "wheels", source, cwd=source)
    (built,) = (source / "wheels").iterdir()
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """Return the Python of an environment that holds the wheel, and sees the packages of this one.

    No network and no second TensorFlow: its dependencies come through a .pth file.
    """
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    seen = [path for path in sys.path if path.endswith("-packages")]
    (packages / "seen.pth").write_text("\n".join(seen))
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile"]
    run(*pip, "--target", packages, wheel, cwd=environment)
    return environment / "bin" / "python"


def test_every_module_is_in_the_wheel(wheel):
    here = {path.relative_to(ROOT) for name in FOLDERS for path in (ROOT / name).rglob("*.py")}
    packed = zipfile.ZipFile(wheel).namelist()
    missing = {f"keras_remedies/{path.as_posix()}" for path in here} - set(packed)
    assert not missing, "a new folder needs its line in pyproject.toml, [tool.setuptools]"
    assert any(name.endswith("LICENSE") for name in packed)


def test_dependencies_are_those_tried():
    """What pip installs for a user is what requirements.txt pins, less what only tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed, _, for_tests = (ROOT / "requirements.txt").read_text().partition("# For the tests")
    lines = [line.partition("#")[0].strip() for line in needed.splitlines()]
    assert sorted(project["dependencies"]) == sorted(line for line in lines if line)
    assert set(project["optional-dependencies"]["notebook"]) <= set(for_tests.splitlines())


def test_callbacks_from_another_folder(python, tmp_path):
    (tmp_path / "mine.py").write_text(
        WINE
        + "from keras_remedies.callbacks import ActivationMonitor, Diagnosis, GradientMonitor\n"
        + "x, y = load_data()['train']\n"
        + "monitor = GradientMonitor()\n"
        + "build_model().fit(x, y, epochs=2, verbose=0, callbacks=[monitor, Diagnosis()])\n"
        + "print(monitor.norms.shape)"
    )
    assert "(8, 1)" in run(python, "mine.py", cwd=tmp_path)  # 124 examples in batches of 32


@pytest.mark.parametrize("model", ["wine:build_model", "elsewhere/wine.py:build_model"])
def test_search_of_ones_own_model(python, tmp_path, model):
    folder = tmp_path / Path(model).parent
    folder.mkdir(exist_ok=True)
    (folder / "wine.py").write_text(WINE)
    data = model.replace("build_model", "load_data")
    run(python, "-m", "keras_remedies.tuning", model, "--data", data, *SMALL, cwd=tmp_path)
    assert (tmp_path / "tuning_runs" / "wine" / "search.png").exists()


def test_search_in_python(python, tmp_path):
    """From the wheel, and from a copy of the folder in a package of the user's own."""
    shutil.copytree(ROOT / "tuning", tmp_path / "mine" / "tuning")
    (tmp_path / "wine.py").write_text(WINE)
    program = (
        "from importlib import import_module\n"
        "from wine import build_model, load_data\n"
        "small = {'max_trials': 2, 'epochs': 1, 'seeds': 1, 'learning_rate': (0.001, 0.1)}\n"
        "for package in ('keras_remedies.tuning', 'mine.tuning'):\n"
        "    search = import_module(package).search\n"
        "    small['directory'] = package\n"
        "    print('best', search(build_model, **load_data(), batch_size=(32,), **small).best)"
    )
    printed = run(python, "-c", program, cwd=tmp_path).splitlines()
    assert sum(line.startswith("best {") for line in printed) == 2


def test_copies_from_the_wheel(python, tmp_path):
    for name in ("dropout", "diagnose_and_repair"):
        run(python, "-m", "keras_remedies.recipes", "copy", name, ".", cwd=tmp_path)
        source = ROOT / "recipes" / f"{name}.py"
        assert (tmp_path / f"{name}.py").read_bytes() == source.read_bytes()
    assert "Symptom" in run(python, f"{name}.py", "--help", cwd=tmp_path)  # finds its callback


def test_help_says_the_commands_as_they_are_installed(python, tmp_path):
    for package in ("recipes", "callbacks.diagnosis"):
        said = run(python, "-m", f"keras_remedies.{package}", "--help", cwd=tmp_path)
        commands = [line for line in said.splitlines() if "python -m" in line]
        assert len(commands) > 3
        assert all(f"python -m keras_remedies.{package}" in line for line in commands)
