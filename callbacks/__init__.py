"""Callbacks for Keras: one file each, made to be copied alone (Diagnosis with GradientMonitor)."""

import importlib

_HOMES = {
    "ActivationMonitor": "callbacks.activation_monitor",
    "Diagnosis": "callbacks.diagnosis",
    "GradientMonitor": "callbacks.gradient_monitor",
}
__all__ = list(_HOMES)


def __getattr__(name):
    """Import each at its first use, so that `python -m callbacks.diagnosis` runs its file once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'callbacks' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
