"""What is to be predicted, told from the labels, and how well it is predicted."""

from dataclasses import dataclass, replace

import keras
import numpy as np

from .run import Output

RARE = 0.8  # share of the largest class from which on accuracy says little
MANY_CLASSES = 100  # more whole numbers than this are no classes
USUAL = {  # by the kind of labels: activation of the output, class of the loss
    "sparse": ("softmax", keras.losses.SparseCategoricalCrossentropy),
    "onehot": ("softmax", keras.losses.CategoricalCrossentropy),
    "binary": ("sigmoid", keras.losses.BinaryCrossentropy),
    "multilabel": ("sigmoid", keras.losses.BinaryCrossentropy),
    "regression": ("linear", keras.losses.MeanSquaredError),
}
SURE = 0.5  # share of a row's largest class from which on soft labels name a class


def label_kind(y, out):
    """Return labels as `columns_of_labels` does, and their kind: that of `Output`."""
    whole = y.size and np.all(y == np.round(y)) and y.min() >= 0
    own = out.has_own_loss and whole and (out.units or 0) > 1 and _one_each(y, out.shape[:-1])
    of_places = own and len(out.shape) > 1 and 1 < y.max() < out.units
    own = own and (out.activation == "softmax" or of_places)  # else an embedding?
    leaves_out = out.loss == "custom" and out.ignored is not None  # then it is of classes
    if "sparse" in out.loss or own or leaves_out:
        return columns_of_labels(y, out, "sparse"), "sparse"
    y = columns_of_labels(y, out, "")
    finite = y[np.isfinite(y)]
    if finite.size and np.all((finite == 0) | (finite == 1)):
        if y.shape[1] == 1:
            return y, "binary"
        return y, "onehot" if np.all(y.sum(axis=1) == 1) else "multilabel"
    if "hinge" in out.loss and y.shape[1] == 1 and finite.size and np.all(np.abs(finite) == 1):
        return y, "binary"
    if y.shape[1] > 1 and "categorical" in out.loss:  # soft labels, of mixup say
        are_shares = np.all(y >= 0) and np.allclose(y.sum(axis=1), 1, atol=1e-3)
        if are_shares and np.median(y.max(axis=1)) > SURE:
            return y, "onehot"
    return y, "regression"


def _one_each(y, places):
    """Tell whether labels are one for each of these places, of which a size may be open (None)."""
    given, more = y.shape[1 : len(places) + 1], y.shape[len(places) + 1 :]
    fits = len(given) == len(places) and more in ((), (1,))
    return fits and all(size in (None, n) for size, n in zip(places, given, strict=True))


def columns_of_labels(y, out, kind):
    """Labels as float64 array (rows, columns): one column, or one for each unit."""
    y = y.astype("float64")
    by_unit = kind != "sparse" and y.ndim > 1 and y.shape[-1] == out.units
    return y.reshape(-1, y.shape[-1] if by_unit else 1)


def share_of_no_class(out):
    """Return the share of one-hot rows that are all 0 though the loss asks for a class."""
    sums = out.y.sum(axis=1)
    asks = out.kind == "multilabel" and "categorical" in out.loss and out.activation == "softmax"
    return float(np.mean(sums == 0)) if asks and sums.max() == 1 else 0.0


# ---- scores, between that of a constant and the perfect one ----


def rows_of_units(prediction):
    """Return predictions as float64 array (rows, units): of maps and sequences each place."""
    prediction = np.asarray(prediction, "float64")
    return prediction.reshape(-1, prediction.shape[-1] if prediction.ndim > 1 else 1)


def classes_of(out, values, predicted=False):
    """Return the class of each row, int array (rows,), of labels or predictions."""
    if out.kind == "sparse" and not predicted:
        return values[:, 0].astype(int)
    if out.kind in ("onehot", "sparse"):
        return values.argmax(axis=1)
    return (values[:, 0] > (out.threshold if predicted else 0.5)).astype(int)


def gain_of(out, y, prediction, balanced=None):
    """Return score, score of the best constant, and (score − trivial) / (1 − trivial).

    The prediction (rows, ...) is for the first of the labels y (rows, columns). Where classes are
    rare, `balanced` or `ranked` of the output is set; `balanced` says whether they are, in place of
    these labels: so that training and validation rows are measured alike.
    """
    prediction = rows_of_units(prediction)
    y = y[: len(prediction)]
    prediction = prediction[: len(y)]
    if not np.all(np.isfinite(prediction)):
        return np.nan, 0.0, -np.inf
    if out.numbered:
        trivial = float(np.unique(y, return_counts=True)[1].max() / len(y))
        score = float(np.mean(np.clip(np.round(prediction), y.min(), y.max()) == y))
        return score, trivial, (score - trivial) / max(1 - trivial, 1e-9)
    if out.kind == "regression" or (prediction.shape[1] != y.shape[1] and out.kind != "sparse"):
        if out.from_logits:
            link = keras.ops.sigmoid if "binary" in out.loss else keras.ops.softmax
            prediction = keras.ops.convert_to_numpy(link(prediction))  # what the loss makes of them
        if out.of_logarithms:
            y, prediction = (np.log1p(np.maximum(values, 0)) for values in (y, prediction))
        if out.directions:
            lengths = [np.linalg.norm(v, axis=1, keepdims=True) for v in (y, prediction)]
            prediction = prediction * lengths[0] / np.maximum(lengths[1], 1e-12)
        errors = np.square(y - prediction)
        if out.few_off:
            kept = errors.max(axis=1) <= np.quantile(errors.max(axis=1), 0.95)
            y, errors = y[kept], errors[kept]
        variance = float(np.mean(np.square(y - y.mean(axis=0))))
        if not variance and errors.max() > 1e-6:  # of one row, or of targets that are all alike
            return np.nan, 0.0, -np.inf
        score = 1 - float(np.mean(errors)) / variance if variance else 1.0
        return score, 0.0, score
    if out.kind == "multilabel":
        labels, guess = y, prediction > out.threshold
        trivial = float(np.mean(np.maximum(y.mean(axis=0), 1 - y.mean(axis=0))))
        columns = [c for c in range(y.shape[1]) if 5 <= y[:, c].sum() <= len(y) - 5]
        pairs, classes = [(y[:, c], guess[:, c]) for c in columns], 2
        is_rare = (trivial >= RARE if balanced is None else balanced) and columns
    else:
        labels, guess = classes_of(out, y), classes_of(out, prediction, predicted=True)
        counts = np.bincount(np.maximum(labels, 0))
        trivial = float(counts.max() / len(y))
        pairs, classes = [(labels, guess)], np.count_nonzero(counts)
        is_rare = trivial >= RARE and counts[counts > 0].min() >= 5
        is_rare = (is_rare if balanced is None else balanced) and classes > 1
    score = float(np.mean(labels == guess))
    if is_rare and out.asks_for_ranks:  # probabilities are wanted, no decision at a threshold
        out.ranked, score, trivial = True, mean_auc(out, y, prediction), 0.5
    elif is_rare:
        out.balanced, trivial = True, 1 / classes
        score = float(np.mean([balanced_accuracy(*pair) for pair in pairs]))
    return score, trivial, (score - trivial) / (1 - trivial) if trivial < 1 else score


def held_out(out):
    """Labels and predictions of the validation rows, of the training rows if there are none."""
    y, prediction = out.y, out.prediction
    if out.validation_prediction is not None and out.validation_y is not None:
        y, prediction = out.validation_y, out.validation_prediction
    if prediction is None:
        return y, None
    prediction = rows_of_units(prediction)[: len(y)]
    return y[: len(prediction)], prediction


def balanced_accuracy(labels, guess):
    """Mean over the classes of the share of their rows that is recognized."""
    return float(np.mean([np.mean(guess[labels == c] == c) for c in np.unique(labels)]))


def one_against_others(out, y, prediction):
    """Of each rare class or label: which rows have it, which are given it, and their scores.

    Returns a list of three arrays (rows,): bool, bool and float.
    """
    prediction = np.asarray(prediction, "float64").reshape(len(y), -1)
    if out.kind == "multilabel":
        columns = [c for c in range(y.shape[1]) if 0 < y[:, c].mean() < 0.5]
        guess = prediction > out.threshold
        return [(y[:, c] == 1, guess[:, c], prediction[:, c]) for c in columns]
    labels, guesses = classes_of(out, y), classes_of(out, prediction, predicted=True)
    counts = np.bincount(labels)
    found = []
    for c in np.flatnonzero(counts):
        if c != counts.argmax():
            single = prediction.shape[1] == 1
            scores = prediction[:, 0] * (1 if c else -1) if single else prediction[:, c]
            found.append((labels == c, guesses == c, scores))
    return found


def auc(scores, positive):
    """Area under the curve: how often a positive row has the higher score."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    order = (np.cumsum(counts) - (counts + 1) / 2)[place]  # rows of equal score share a rank
    num, other = int(positive.sum()), int((~positive).sum())
    if not num or not other:
        return 0.5
    return float((order[positive].sum() - num * (num - 1) / 2) / (num * other))


def mean_auc(out, y, prediction):
    """Mean area under the curve of the rare classes or labels, each against the others."""
    parts = one_against_others(out, y, prediction)
    return float(np.mean([auc(scores, positive) for positive, _, scores in parts] or [0.5]))


# ---- the same whatever the loss: for a checkup ----


@dataclass(frozen=True)
class Target:
    """What one output is to predict, whatever loss it was compiled with.

    Scores are those of `gain_of`, with all classes counted alike: after a few updates many a
    network tells the frequent class only.
    """

    output: Output  # of the kind that the labels are of
    columns: int  # of the labels
    classes: int  # their number, 0 for numbers
    low: float  # the smaller of the two values of "binary" labels, or the least
    high: float  # the larger, or the largest
    last: int | None = None  # input column with the last value of what is to be forecast

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

        From −1 to 1; the trivial score where nothing finite or fitting is predicted. Labels are as
        given, and the inputs x are needed where `last` is known.
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
    """Return the `Target` of an output of the compiled model, told from labels first, loss second.

    Labels (n, ...) and inputs are of training and held-out rows together.
    """
    y = np.asarray(rows_y)
    if output.units is None and y.ndim > 1:  # of a subclassed model
        output = replace(output, units=y.shape[-1])
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
    is_row = len(y) == len(keras.tree.flatten(x)[0])  # else a step
    if kind == "regression" and is_row and table.shape == (len(y), 1):
        last = _last_value(x, table[:, 0])
    output = replace(output, kind=kind, balanced=classes > 0)
    return Target(output, table.shape[1], classes, float(values[0]), float(values[-1]), last)


def columns_of(x):
    """Return all inputs as one table (n, columns) of numbers; a `ValueError` without numbers."""
    arrays = [np.asarray(a) for a in keras.tree.flatten(x)]
    if any(a.dtype.kind not in "fiub" for a in arrays):
        raise ValueError("an input holds no numbers")
    table = np.concatenate([a.reshape(len(a), -1) for a in arrays], axis=1)
    return np.nan_to_num(table.astype("float64"))


def last_value(x, y):
    """Find the column of the last step that forecasts y (n,) best, and its mean squared error.

    It is told by its place in a row of x, (n, columns) or (n, steps, features).
    """
    features = x.shape[-1] if x.ndim == 3 and x.shape[1] > 1 else 1
    flat = x.reshape(len(x), -1)
    errors = np.mean(np.square(flat[:, -features:] - y[:, None]), axis=0)
    return flat.shape[1] - features + int(np.argmin(errors)), float(errors.min())


def _last_value(x, y):
    """Index of the input column that forecasts y by itself better than the mean does, or None."""
    arrays = keras.tree.flatten(x)
    if len(arrays) > 1 or arrays[0].ndim > 3 or arrays[0].dtype.kind not in "fiu":
        return None
    column, error = last_value(np.nan_to_num(arrays[0].astype("float64")), y)
    return column if error < 0.9 * np.var(y) else None


def last_values(x, column):
    """Return (n,), the last value that each row knows of what is to be forecast."""
    return columns_of(x)[:, column]
