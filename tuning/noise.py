"""What is noise: intervals of means, ties, and best values at the edge of a range."""

import math

import numpy as np
from scipy.special import stdtrit

EDGE = 0.05  # share of the range, in log units, that counts as its edge


def interval(values):
    """Return mean and half width of its 95 % t-interval; the width is NaN for a single value."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), math.nan
    error = values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean()), float(stdtrit(len(values) - 1, 0.975) * error)


def is_tie(scores, others):
    """Whether the paired differences of two settings include zero; False if it cannot be told."""
    if len(scores) < 2 or len(scores) != len(others):
        return False
    mean, half = interval(np.subtract(scores, others))
    return abs(mean) <= half


def at_edge(value, low, high):
    """Say whether a value is "low" or "high" in a range on a log scale, or neither (None)."""
    if not low < high:
        return None
    position = math.log(value / low) / math.log(high / low)
    return "low" if position <= EDGE else "high" if position >= 1 - EDGE else None
