"""Learning rate and batch size of a Keras model, searched with keras-tuner."""

import importlib

_HOMES = {
    "search": ".run",
    "load": ".results.result",
    "learning_rate_sweep": ".sweep",
}
__all__ = list(_HOMES)


def __getattr__(name):
    """Import each at its first use: `python -m tuning --help` needs no Keras."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
