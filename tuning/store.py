"""The folder of a search: the one file that knows what lies where.

    settings.json        what the search is; it must be the same when it goes on
    oracle.json          keras-tuner's state, with all its trials
    trial_N/             record.json and state.npz of a training
    rerun_N_SEED/        the same for trainings on fresh seeds, which reruns.json lists
    test.json, best.json, best.weights.h5, trials.csv, search.png

Files are written under a temporary name and renamed, so that a kill leaves the old one or the new.
"""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np

from .errors import InputError

try:
    import fcntl
except ImportError:  # Windows has none: nobody is kept out there
    fcntl = None

WRITTEN = ("trial_[0-9]*", "rerun_[0-9]*", ".[0-9]*.*", "oracle.json", "reruns.json", "test.json")
WRITTEN += ("best.json", "best.weights.h5", "trials.csv", "search.png", "settings.json")
LOCK = ".lock"  # of a search, and of a trial that is being trained
CHANGING = ".changing"  # held by the process that changes oracle.json
STATE = "state.npz"


@contextlib.contextmanager
def replacing(path):
    """Yield a temporary path; what is written there takes the name `path` in one step."""
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path, value):
    """Write `value` as JSON."""
    with replacing(path) as file:
        file.write_text(json.dumps(value, default=float), "utf-8")


def read_json(path):
    """Return what a JSON file holds, or an empty dict if there is none."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}


def write_arrays(path, arrays, information):
    """Write a list of arrays and a JSON-able dict to one `.npz` file."""
    named = {f"array_{i}": np.asarray(array) for i, array in enumerate(arrays)}
    named["information"] = np.array(json.dumps(information, default=float))
    with replacing(path) as file, open(file, "wb") as stream:
        np.savez(stream, **named)


def read_arrays(path):
    """Return (list of arrays, dict) as `write_arrays` wrote them, or None if there is no file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[f"array_{i}"] for i in range(len(file.files) - 1)]
            return arrays, json.loads(str(file["information"]))
    except FileNotFoundError:
        return None


def find_project(directory, name):
    """Return the folder of a search, and whether it holds one; InputError if it cannot be one."""
    if not isinstance(directory, (str, os.PathLike)):
        raise InputError(f"`directory` must be the path of a folder, got {directory!r}.")
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
        raise InputError(f"`name` must be the plain name of a folder in `directory`; got {name!r}.")
    project = Path(directory).expanduser() / name
    if project.exists() and not project.is_dir():
        raise InputError(f"{project} is a file; choose another `name` or `directory`.")
    ours = (project / "settings.json").exists()
    others = project.exists() and {path.name for path in project.iterdir()} - {LOCK, CHANGING}
    if others and not ours:
        raise InputError(f"{project} holds files of something else; choose another `name`.")
    return project, ours


def empty(project):
    """Delete what a search has written; what shows that it is one goes last, in case of a kill."""
    for path in [path for pattern in WRITTEN for path in Path(project).glob(pattern)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


# ---- locks: the system drops those of a process that dies, however it does ----


def hold(path, wait=False):
    """Return a file, opened, which this process alone holds now; None if another one holds it.

    Closing it lets go. On a system or a disk that knows no locks nobody is kept out.
    """
    file = open(path, "a+")  # noqa: SIM115
    if fcntl is None:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        file.close()
        return None
    except OSError:
        pass
    return file


def is_held(path):
    """Whether a process holds this file."""
    if not Path(path).exists():
        return False
    file = hold(path)
    if file is not None:
        file.close()
    return file is None


@contextlib.contextmanager
def locked(project):
    """Keep other searches out of a folder.

    InputError if another process searches in it, or nothing can be written there.
    """
    project = Path(project)
    try:
        project.mkdir(parents=True, exist_ok=True)
        for _ in range(5):  # a worker that looks whether it is held holds it for a moment
            file = hold(project / LOCK)
            if file is not None:
                break
            time.sleep(0.1)
    except OSError as error:
        raise InputError(f"The search cannot be kept in {project}: {error.strerror}.") from None
    if file is None:
        process, *_ = (project / LOCK).read_text().split() or ["?"]
        raise InputError(
            f"{project} is being searched by process {process}; wait for it or choose another name."
        )
    with file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            if [path.name for path in project.iterdir()] == [LOCK]:  # the search never began
                (project / LOCK).unlink()
                project.rmdir()


def open_to_workers(project):
    """Say in the lock of a search that its files are there."""
    with open(Path(project) / LOCK, "a") as file:
        file.write(" open")


def is_open(project):
    """Whether a search runs in a folder and its files are there."""
    file = Path(project) / LOCK
    return is_held(file) and file.read_text().endswith("open")
