"""Learning rate and batch size of a Keras model, searched with keras-tuner."""

import importlib
import sys
import types

_HOMES = {
    "search": "tuning.search",
    "load": "tuning.report",
    "learning_rate_sweep": "tuning.vectorized",
    "VectorizedTuner": "tuning.vectorized_tuner",
}
__all__ = list(_HOMES)


class _Package(types.ModuleType):
    """Keeps `tuning.search` the function: importing the module of that name would replace it."""

    def __setattr__(self, name, value):
        if not (name == "search" and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name):
    """Import each at its first use: `python -m tuning --help` needs no Keras."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tuning' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
