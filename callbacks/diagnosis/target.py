"""What is to be predicted, told from the labels, and how well a short training predicts it."""

from dataclasses import dataclass, replace

import keras
import numpy as np

from .run import Output
from .scores import classes_of, gain_of, rows_of_units

MANY_CLASSES = 100  # more whole numbers than this are no classes


def label_kind(y, out):
    """Return labels as `columns_of_labels` does, and their kind: that of `Output`."""
    whole = y.dtype.kind in "ib" and y.size and y.min() >= 0
    own = out.loss in ("custom", "own step") and out.activation == "softmax"  # else an embedding?
    own = own and (out.units or 0) > 1 and out.shape[:-1] == y.shape[1:] and whole
    if "sparse" in out.loss or own:
        return columns_of_labels(y, out, "sparse"), "sparse"
    y = columns_of_labels(y, out, "")
    finite = y[np.isfinite(y)]
    if finite.size and np.all((finite == 0) | (finite == 1)):
        if y.shape[1] == 1:
            return y, "binary"
        return y, "onehot" if np.all(y.sum(axis=1) == 1) else "multilabel"
    return y, "regression"


def columns_of_labels(y, out, kind):
    """Labels as float64 array (rows, columns): one column, or one for each unit."""
    y = y.astype("float64")
    by_unit = kind != "sparse" and y.ndim > 1 and y.shape[-1] == out.units
    return y.reshape(-1, y.shape[-1] if by_unit else 1)


@dataclass(frozen=True)
class Target:
    """What one output is to predict, whatever loss it was compiled with.

    Scores are those of `scores.gain_of`, with all classes counted alike: after a few updates many a
    network tells the frequent class only.

    Args:
        output: `run.Output` of the kind that the labels are of.
        columns: columns of the labels.
        classes: number of classes, 0 for numbers.
        low, high: the two values of "binary" labels, or the range.
        last: index of the input column that is the last value of what is to be forecast, or None.

    """

    output: Output
    columns: int
    classes: int
    low: float
    high: float
    last: int | None = None

    @property
    def kind(self):
        """Kind of the labels, that of the output; "binary" are any two values in one column."""
        return self.output.kind

    @property
    def measure(self):
        """Name of the score."""
        if self.last is not None:
            return "skill over repeating the last value"
        return self.output.measure

    @property
    def is_numbered(self):
        """Whether two classes are called 0 and 1; true for all other kinds."""
        return self.kind != "binary" or (self.low, self.high) == (0, 1)

    @property
    def trivial(self):
        """Score of a prediction that knows nothing of the inputs."""
        return 1 / self.classes if self.classes else 0.0

    def labels(self, y):
        """Return class numbers (m,), 0 or 1 (m, columns), or numbers (m, columns)."""
        table = self._table(y)
        return classes_of(self.output, table) if self.output.of_classes else table

    def _table(self, y):
        table = columns_of_labels(np.asarray(y), self.output, self.kind)
        return table if self.is_numbered else (table == self.high).astype("float64")

    def score(self, y, prediction, x=None):
        """Balanced accuracy, R², or skill over the last value: comparable between losses.

        Args:
            y: labels as given.
            prediction: array (m, ...).
            x: inputs, needed where `last` is known.

        Returns:
            float, −1 to 1; the trivial score where nothing finite or fitting is predicted.

        """
        table, prediction = self._table(y), rows_of_units(prediction)
        fits = self.kind == "sparse" or table.shape == prediction.shape
        if not fits or len(table) != len(prediction) or not np.all(np.isfinite(prediction)):
            return self.trivial
        if not self.is_numbered and self.output.threshold > 0:
            prediction = (prediction - self.low) / (self.high - self.low)
        score = gain_of(self.output, table, prediction, balanced=True)[0]
        if self.last is not None:
            naive = np.mean(np.square(table[:, 0] - last_values(x, self.last)))
            score = 1 - (1 - score) * np.var(table) / naive if naive > 0 else self.trivial
        return max(-1.0, float(score))

    def skill(self, score):
        """Return 0 for the trivial score, 1 for the perfect one."""
        return (score - self.trivial) / (1 - self.trivial)


def target_of(output, rows_y, x):
    """Tell what an output is to predict, from its labels first and its loss second.

    Args:
        output: `run.Output`, of the compiled model.
        rows_y: labels (n, ...) of training and held-out rows together.
        x: inputs of the same rows.

    Returns:
        `Target`

    """
    y = np.asarray(rows_y)
    table, kind = label_kind(y, output)
    values = np.unique(table[np.isfinite(table)])
    if not len(values):
        raise ValueError(f"The labels of {output.name!r} are all NaN or infinite.")
    units = output.units or 1
    if table.shape[1] == 1:
        named = "crossentropy" in output.loss or output.activation == "softmax" or units > 1
        whole = bool(np.all(values == np.round(values)) and values[0] >= 0)
        if len(values) == 2 and units == 1:
            kind = "binary"
        elif kind == "sparse" or (whole and named and len(values) <= MANY_CLASSES):
            kind = "sparse"
        else:
            kind = "regression"
    classes = {"binary": 2, "multilabel": 2, "onehot": table.shape[1], "regression": 0}.get(kind)
    if kind == "sparse":
        classes = int(max(values[-1] + 1, 2, units))
    last = None
    if kind == "regression" and table.shape == (len(y), 1):
        last = _last_value(x, table[:, 0])
    output = replace(output, kind=kind, balanced=classes > 0)
    return Target(output, table.shape[1], classes, float(values[0]), float(values[-1]), last)


def columns_of(x):
    """Return all inputs as one table (n, columns) of numbers.

    Raises:
        ValueError: if an input holds no numbers.

    """
    arrays = [np.asarray(a) for a in keras.tree.flatten(x)]
    if any(a.dtype.kind not in "fiub" for a in arrays):
        raise ValueError("an input holds no numbers")
    table = np.concatenate([a.reshape(len(a), -1) for a in arrays], axis=1)
    return np.nan_to_num(table.astype("float64"))


def _last_value(x, y):
    """Index of the input column that forecasts y by itself better than the mean does, or None."""
    arrays = keras.tree.flatten(x)
    if len(arrays) > 1 or arrays[0].ndim > 3 or arrays[0].dtype.kind not in "fiu":
        return None
    table = columns_of(x)
    steps = arrays[0].shape[1] if arrays[0].ndim == 3 else 1
    features = table.shape[1] // steps if steps > 1 else 1  # those of the last step, or the end
    errors = [np.mean(np.square(y - table[:, -i])) for i in range(1, features + 1)]
    best = int(np.argmin(errors))
    return table.shape[1] - 1 - best if errors[best] < 0.9 * np.var(y) else None


def last_values(x, column):
    """Return (n,), the last value that each row knows of what is to be forecast."""
    return columns_of(x)[:, column]
