"""Learning rate and batch size of a Keras model, searched with keras-tuner."""

import sys
import types

__all__ = ["load", "search"]


class _Package(types.ModuleType):
    """Keeps `tuning.search` the function: importing the module of that name would replace it."""

    def __setattr__(self, name, value):
        if not (name == "search" and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name):
    """Import `search` and `load` at their first use; other modules here need no keras-tuner."""
    if name == "search":
        from tuning.search import search as found
    elif name == "load":
        from tuning.report import load as found
    else:
        raise AttributeError(f"module 'tuning' has no attribute {name!r}")
    globals()[name] = found
    return found
