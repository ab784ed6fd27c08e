"""Code of the user's own, as checksums by which code that was edited differs."""

import dis
import inspect
import sys
import sysconfig
import types
import zlib

from keras import tree

PLAIN = (bool, int, float, str, bytes, types.NoneType)
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
WITHIN = ("fget", "__func__", "python_function", "func")  # what wraps a function holds it there


def describe_code(model, callbacks):
    """Return {what it is: checksum} of the user's own classes and functions that train a model.

    Numbers that an object keeps belong to it; of a callback also what it monitors. What is
    installed, Keras and the user's own packages alike, is taken to stay as it is. By another
    version of Python the same code differs, since its byte code is compared. Of what code refers to
    lists, dicts and arrays are left out: they may be filled while training.
    """
    layers = [model, *model._flatten_layers(include_self=False)]
    metrics = [getattr(metric, "metrics", metric) for metric in model.metrics]
    used = [*layers, *tree.flatten(model.loss), *tree.flatten(metrics), model.optimizer]
    found = {}
    for one in used:
        names = ("fn", "_fn", "function")  # of a loss, a metric, a Lambda
        for part in (one, *(getattr(one, name, None) for name in names)):
            kind = part if isinstance(part, types.FunctionType) else type(part)
            if _is_own(kind):
                key = f"the code of {kind.__qualname__}"
                found.setdefault(key, []).append([_parts(kind, set()), _numbers(part)])
    for callback in callbacks:
        kind, monitored = type(callback), vars(callback).get("monitor")
        parts = [_parts(kind, set()), _numbers(callback), monitored]
        found.setdefault(f"callback {kind.__qualname__}", []).append(parts)
    return {key: f"checksum {zlib.crc32(repr(all_).encode()):08x}" for key, all_ in found.items()}


def _is_own(thing):
    name = getattr(thing, "__module__", None)
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    is_library = name in sys.builtin_module_names or file.startswith(LIBRARIES)
    return name == "__main__" or not is_library


def _numbers(thing):
    """Return the numbers that an object keeps, but for seeds and what is private."""
    kept = getattr(thing, "__dict__", {}).items()
    kept = [(k, v) for k, v in kept if not k.startswith("_") and "seed" not in k]
    return [(k, v) for k, v in kept if isinstance(v, (bool, int, float))]


def _parts(thing, seen):
    """Return what a function or class of the user's own does, with what it refers to."""
    if isinstance(thing, PLAIN):
        return [repr(thing)]
    within = [getattr(thing, name) for name in WITHIN if hasattr(thing, name)]
    if id(thing) in seen or not (within or _is_own(thing)):
        return []
    seen.add(id(thing))
    if isinstance(thing, type):
        kept = [item for kind in thing.__mro__ if _is_own(kind) for item in vars(kind).items()]
        kept = [v for k, v in kept if not (k.startswith("__") and isinstance(v, PLAIN))]
    elif isinstance(thing, types.FunctionType):
        code = inspect.unwrap(thing).__code__
        kept = [code, *(thing.__defaults__ or ())]
        kept += [cell.cell_contents for cell in thing.__closure__ or ()]
        kept += [thing.__globals__.get(name) for name in _globals_in(code)]
    elif isinstance(thing, types.CodeType):
        kept = [thing.co_code, *thing.co_names, *thing.co_consts]
    elif isinstance(thing, tuple):
        kept = thing
    elif isinstance(thing, frozenset):
        kept = sorted(thing, key=repr)  # it has no order of its own
    else:
        kept = within
    return [part for one in kept for part in _parts(one, seen)]


def _globals_in(code):
    """Return the names of globals that code, and functions within it, read."""
    names = [one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"]
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return [*names, *(name for one in inner for name in _globals_in(one))]
