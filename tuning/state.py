"""Files that survive a kill: written to a temporary name, then renamed."""

import json
import os
import warnings
from pathlib import Path

import numpy as np


def _replace(path, write):
    """Let `write(temporary path)` fill a file that then takes the name `path` in one step."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put_aside(path):
    """Rename a damaged file to `NAME.damaged`, so that nothing of it is lost, and warn."""
    path = Path(path)
    os.replace(path, path.with_name(path.name + ".damaged"))
    warnings.warn(f"{path} is damaged; it is kept as {path.name}.damaged.", stacklevel=3)


def write_json(path, value):
    """Write `value` as JSON to `path`, or leave the old file as it was."""
    _replace(path, lambda file: file.write_text(json.dumps(value, default=float), "utf-8"))


def read_json(path, aside=True):
    """Read a JSON file that holds a dict with something in it.

    Args:
        path: the file.
        aside: put a damaged file aside; False only warns, for those who must change nothing.

    Returns:
        dict, or None if there is no such file or it is damaged.

    """
    try:
        value = json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        value = None
    if isinstance(value, dict) and value:
        return value
    if aside:
        put_aside(path)
    else:
        warnings.warn(f"{path} is damaged.", stacklevel=2)
    return None


def trial_folders(project):
    """Return the folders of a search's trials by number: 5 stands before 06."""
    names = [path.name.removeprefix("trial_") for path in Path(project).glob("trial_*")]
    return [Path(project) / f"trial_{n}" for n in sorted(filter(str.isdigit, names), key=int)]


def write_arrays(path, arrays, information):
    """Write a list of arrays and a JSON-able dict to one `.npz` file."""
    named = {f"array_{i}": np.asarray(array) for i, array in enumerate(arrays)}
    named["information"] = np.array(json.dumps(information, default=float))

    def write(file):
        with open(file, "wb") as stream:
            np.savez(stream, **named)

    _replace(path, write)


def read_arrays(path):
    """Read what `write_arrays` wrote.

    Returns:
        (list of arrays, dict), or None if there is no such file or it is damaged (put aside).

    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[f"array_{i}"] for i in range(len(file.files) - 1)]
            return arrays, json.loads(str(file["information"]))
    except FileNotFoundError:
        return None
    except MemoryError:  # the file may be whole
        raise
    except Exception:  # zipfile, zlib, EOF and key errors all mean the same here
        put_aside(path)
        return None
