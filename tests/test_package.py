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


def test_copies_from_the_wheel(python, tmp_path):
    for name in ("dropout", "diagnose_and_repair"):
        run(python, "-m", "keras_remedies.recipes", "copy", name, ".", cwd=tmp_path)
        assert (tmp_path / f"{name}.py").read_bytes() == (
            ROOT / "recipes" / f"{name}.py"
        ).read_bytes()
        assert "Symptom" in run(python, f"{name}.py", "--help", cwd=tmp_path)
