"""Callbacks for Keras, made to be copied: one file each, `diagnosis` a folder."""

import importlib

_HOMES = {
    "ActivationMonitor": ".activation_monitor",
    "checkup": ".diagnosis.checkup",
    "Diagnosis": ".diagnosis",
    "GradientMonitor": ".gradient_monitor",
}
__all__ = list(_HOMES)


def __getattr__(name):
    """Import each at its first use: a user of one callback does not wait for the others."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
