"""What is to be predicted, told from the labels, and the scores that compare between losses."""

from dataclasses import dataclass

import keras
import numpy as np

from .scores import balanced_accuracy

MANY_CLASSES = 100  # more whole numbers than this are no classes


@dataclass(frozen=True)
class Target:
    """What one output is to predict, whatever loss it was compiled with.

    Args:
        kind: "classes" (numbered from 0), "one-hot", "binary" (two values in one column),
            "multilabel" (0 or 1 in each column) or "numbers".
        columns: columns of the labels.
        classes: number of classes, 0 for numbers.
        low, high: the two values of "binary" labels, or the range.
        threshold: predictions above it mean `high`.
        mean: of numbers, (columns,), over the training rows.
        last: index of the input column that is the last value of what is to be forecast, or None.

    """

    kind: str
    columns: int
    classes: int
    low: float
    high: float
    threshold: float
    mean: np.ndarray
    last: int | None = None

    @property
    def measure(self):
        """Name of the score."""
        if self.kind != "numbers":
            return "balanced accuracy"
        return "R²" if self.last is None else "skill over repeating the last value"

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
        y = np.asarray(y, "float64").reshape(-1, self.columns)
        if self.kind == "classes":
            return y[:, 0].astype(int)
        if self.kind == "one-hot":
            return y.argmax(axis=1)
        if self.kind == "binary":
            return (y[:, 0] == self.high).astype(int)
        return y

    def guess(self, prediction):
        """Return what a prediction (m, units) says, in the form of `labels`."""
        if self.kind == "numbers":
            return prediction
        if self.kind == "multilabel":
            return (prediction > self.threshold).astype(int)
        if prediction.shape[1] > 1:
            return prediction.argmax(axis=1)
        if self.kind == "binary":
            return (prediction[:, 0] > self.threshold).astype(int)
        return np.round(prediction[:, 0]).astype(int)  # one unit for many classes

    def score(self, y, prediction, x=None):
        """Balanced accuracy, R², or skill over the last value: comparable between losses.

        Args:
            y: labels as given.
            prediction: array (m, ...).
            x: inputs, needed where `last` is known.

        Returns:
            float, −1 to 1; the trivial score where nothing finite or fitting is predicted.

        """
        prediction = np.asarray(prediction, "float64")
        prediction = prediction.reshape(-1, prediction.shape[-1] if prediction.ndim > 1 else 1)
        if not np.all(np.isfinite(prediction)):
            return self.trivial
        return self.score_guess(y, self.guess(prediction), x)

    def score_guess(self, y, guess, x=None):
        """Score of guessed classes (m,) or numbers (m, columns)."""
        labels = self.labels(y)
        if len(guess) != len(labels):
            return self.trivial
        if self.kind == "multilabel":
            columns = zip(labels.T, guess.T, strict=False)
            return float(np.mean([balanced_accuracy(a, b) for a, b in columns]))
        if self.kind != "numbers":
            return balanced_accuracy(labels, guess)
        guess = np.asarray(guess).reshape(len(guess), -1)
        if guess.shape != labels.shape:
            return self.trivial
        error = np.mean(np.square(labels - guess))
        trivial = np.mean(np.square(labels - labels.mean(axis=0)))
        if self.last is not None:
            trivial = np.mean(np.square(labels[:, 0] - last_values(x, self.last)))
        return float(max(-1.0, 1 - error / trivial)) if trivial > 0 else self.trivial

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
    y = np.asarray(rows_y, "float64")
    units = output.units or 1
    columns = y.shape[-1] if y.ndim > 1 and y.shape[-1] == units else 1
    if y.ndim > 1 and units == 1 and output.loss.startswith("categorical"):
        columns = y.shape[-1]
    flat = y.reshape(-1, columns)
    values = np.unique(flat[np.isfinite(flat)])
    if not len(values):
        raise ValueError(f"The labels of {output.name!r} are all NaN or infinite.")
    low, high = float(values[0]), float(values[-1])
    threshold = 0.0 if output.from_logits or "hinge" in output.loss else (low + high) / 2
    kind, classes = _kind_of(output, flat, values)
    last = None
    if kind == "numbers" and columns == 1 and y.size == len(y):
        last = _last_value(x, flat[:, 0])
    return Target(kind, columns, classes, low, high, threshold, flat.mean(axis=0), last)


def _kind_of(output, flat, values):
    """Return the kind of the labels and the number of classes."""
    two, zero_one = len(values) == 2, bool(np.all(np.isin(values, (0, 1))))
    if flat.shape[1] > 1:
        if zero_one and np.all(flat.sum(axis=1) == 1):
            return "one-hot", flat.shape[1]
        return ("multilabel", 2) if zero_one else ("numbers", 0)
    whole = bool(np.all(values == np.round(values)) and values[0] >= 0)
    units = output.units or 1
    named = "crossentropy" in output.loss or output.activation == "softmax" or units > 1
    few = len(values) <= MANY_CLASSES or "sparse" in output.loss
    if two and not (units > 1 and zero_one):
        return "binary", 2
    if whole and few and named:
        return "classes", int(max(values[-1] + 1, 2, units if "sparse" in output.loss else 0))
    return "numbers", 0


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
