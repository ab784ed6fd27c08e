"""Callbacks for Keras: one file each, made to be copied alone (Diagnosis with GradientMonitor)."""

from callbacks.activation_monitor import ActivationMonitor
from callbacks.diagnosis import Diagnosis
from callbacks.gradient_monitor import GradientMonitor

__all__ = ["ActivationMonitor", "Diagnosis", "GradientMonitor"]
