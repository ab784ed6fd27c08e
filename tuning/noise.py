"""What is noise: intervals of means, ties, and best values at the edge of a range."""

import math

import numpy as np

EDGE = 0.05  # share of the range, in log units, that counts as its edge
# 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom, and of the normal distribution
STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]
NORMAL = 1.95996


def student(degrees):
    """Return the 97.5 % quantile of Student's t distribution, to three digits.

    Beyond the table it is the expansion in 1 / degrees (Abramowitz & Stegun, 1964, 26.7.5).
    """
    if degrees <= len(STUDENT):
        return STUDENT[degrees - 1]
    z = NORMAL
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / degrees + second / degrees**2


def interval(values):
    """Return mean and half width of its 95 % t-interval; the width is NaN for a single value."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), math.nan
    error = values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean()), float(student(len(values) - 1) * error)


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
