"""Callbacks for Keras: one file each, made to be copied alone."""

from callbacks.activation_monitor import ActivationMonitor
from callbacks.gradient_monitor import GradientMonitor

__all__ = ["ActivationMonitor", "GradientMonitor"]
