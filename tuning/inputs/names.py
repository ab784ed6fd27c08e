"""What a command line names: a function, and what it returns."""

import contextlib
import importlib
import importlib.util
import sys
import zlib
from pathlib import Path

from ..errors import InputError, naming


def find(name, what):
    """Return the function that a command line names as `what`; InputError if it is not there.

    The name is "module:function", looked for here and where Python looks, or "file.py:function".
    """
    place, _, function = name.rpartition(":")
    if not place or not function:
        raise InputError(
            f"{what} must be written as module:function or file.py:function, got {name!r}."
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    is_file = place.endswith(".py")
    if is_file and not Path(place).expanduser().is_file():
        raise InputError(f"There is no file {place!r} for {what}.")
    with naming(f"Cannot import {place!r} for {what}:"), _refusing_to_train(place):
        module = _import_file(place) if is_file else importlib.import_module(place)
    if not callable(getattr(module, function, None)):
        where = getattr(module, "__file__", None) or place
        raise InputError(f"Module {place!r} ({where}) has no function {function!r} for {what}.")
    return getattr(module, function)


def _import_file(path):
    """Import a file under its own name, with its neighbours to be found beside it."""
    path = Path(path).expanduser().resolve()
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    name = path.stem
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) != str(path):
        name = f"{path.stem}_{zlib.crc32(str(path).encode()):08x}"  # theirs may be a tuning.py
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


@contextlib.contextmanager
def _refusing_to_train(name):
    """Refuse a module that trains when it is imported: each worker would do so again."""
    import keras  # takes seconds, which the command line spends here and not for --help

    def refuse(*arguments, **options):
        raise InputError(
            f"{name!r} trains when it is imported: put that under `if __name__ == '__main__':`."
        )

    fit, keras.Model.fit = keras.Model.fit, refuse
    try:
        yield
    finally:
        keras.Model.fit = fit


def load_splits(name, needed=("train", "validation")):
    """Call the user's `load_data`; return a dict of the splits that it gives, of those needed all.

    Where "train" alone is needed, (x, y) or (x, y, sample_weight) of arrays is that.
    """
    function = find(name, "--data")
    with naming(f"{name} raises"):
        data = function()
    if isinstance(data, (tuple, list)) and len(needed) <= len(data) <= 3:
        shapes = [getattr(part, "shape", None) for part in data]
        if len(needed) == 1 and all(shapes) and len({shape[0] for shape in shapes}) == 1:
            data = [tuple(data)]  # (x, y) is train itself
        data = dict(zip(("train", "validation", "test"), data, strict=False))
    if not isinstance(data, dict) or not set(needed) <= set(data):
        what = type(data).__name__
        if isinstance(data, dict):
            what += f" with {', '.join(map(str, data))}"
        elif isinstance(data, (tuple, list)):
            what += f" of {len(data)}"
        raise InputError(
            f"{name} must return a dict with {' and '.join(map(repr, needed))}, or a tuple (train, "
            f"validation[, test]); it returned a {what}."
        )
    return {key: data[key] for key in ("train", "validation", "test") if key in data}
