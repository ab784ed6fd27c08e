"""Diagnosis: what is wrong with a training run, by its own numbers, and which recipe treats it.

Copy this folder and `gradient_monitor.py` beside it: they need Keras 3 and NumPy (matplotlib for
`plot`). Read downwards: `callback` (when to look) → `look` (model and data) → `run` (the record) →
`rules_of_*` → `verdict` (which finding is the root) → `report`.
"""

from .callback import Diagnosis
from .finding import CAUSES, Finding
from .log import diagnose_history, read_csv
from .verdict import RECIPES

__all__ = ["CAUSES", "RECIPES", "Diagnosis", "Finding", "diagnose_history", "read_csv"]
