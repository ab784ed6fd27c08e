"""Learning rate and batch size of a Keras model, searched with keras-tuner."""

import importlib

_HOMES = {
    "search": "tuning.run",
    "load": "tuning.report",
    "learning_rate_sweep": "tuning.vectorized",
    "VectorizedTuner": "tuning.vectorized_tuner",
}
__all__ = list(_HOMES)


def __getattr__(name):
    """Import each at its first use: `python -m tuning --help` needs no Keras."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tuning' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
