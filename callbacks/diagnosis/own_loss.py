"""What a loss of the user's own does, by its properties rather than its name."""

import functools

import keras
import numpy as np

from .states import nothing_moves

ROWS = 64
ROWS_OF_SKILL = 512
COLUMNS = 16  # of the labels that are tried one by one
MOST_VALUES = 2_000_000  # of predictions
NO_LABEL = -1
FLATTENED = 0.8  # what is left of the distance to the mean
FEW_UNKNOWN = 0.02  # share of the labels
OFTEN = 0.05  # share of the labels
ALWAYS_POSITIVE = ("exponential", "softplus")  # activations, relu reaches 0
OF_ZERO_AND_ONE = ("binary", "multilabel", "onehot")  # kinds of labels


def properties_of(out):
    """Try a loss on right, permuted and slightly changed predictions.

    Args:
        out: `Output` with `function`, labels, kind and activation.

    Returns:
        dict of what could be told: "finite" (at the predictions that `activation` can give, with
        the labels as they are), "right" and "wrong" (mean loss of right and of permuted
        predictions), "twice" (whether the first is that of right predictions squashed once more),
        "swapped_right" and "swapped_wrong" (the same with the arguments exchanged), "of_row" (where
        it is least by far if each prediction is that of a row so many before),
        "reads_labels" (whether other labels change it), "costs" (of binary labels: mean loss of
        mistakes at label 0, at label 1), "blank" (the label that comes most often,
        and mean loss where all is predicted to be that; of numbers),
        "moves" (share of rows whose loss changes with the prediction), "other_rows" (whether a
        row's loss depends on another row's prediction), "flattened" (of numbers: mean loss of right
        predictions moved towards their mean), "opposite" (of numbers: the same of right predictions
        mirrored at their mean), "stretched" (of numbers: the least where a column of right
        predictions is made three times as wide), "blind_to" (of numbers: list of what may change in
        all predictions alike without changing the loss, "level" and "scale")

    """
    if packs_labels(out):
        return {}
    loss = keras.losses.get(out.function)
    y = np.nan_to_num(out.y).astype("float32")
    if len(out.shape or (1,)) > 1:  # a label for each pixel or step
        if out.kind == "sparse" or tuple(out.label_shape) != tuple(out.shape):
            return {}
        y = y.reshape(-1, *out.shape)
    y = y[:ROWS]
    if len(y) < 4 or np.all(y == y[0]):  # of labels that are all alike any order is right
        return {}
    if out.units is not None and out.kind != "sparse" and y.shape[-1] != out.units:
        return {}  # the labels are packed, or no predictions at all
    right = right_answers(out, y)
    wrong = np.roll(right, _shift(y), axis=0)
    # within the range that the output can give, and no mere shift and stretch
    nudged = 0.9 * wrong + 0.05 * right.mean(axis=0) + 0.05 * right
    with nothing_moves():
        # Keras gives a function labels of the predictions' rank, a `Loss` what was given to `fit`.
        as_given = isinstance(loss, keras.losses.Loss) and not out.label_shape
        labels = y[:, 0] if out.kind == "sparse" or as_given else y
        mean = functools.partial(mean_of, loss)
        seen = {"right": mean(labels, right), "wrong": mean(labels, wrong)}
        others = [np.repeat(labels[i : i + 1], len(y), axis=0) for i in (0, _shift(y))]
        by_shift = {shift: mean(labels, np.roll(right, shift, axis=0)) for shift in (-2, -1, 1, 2)}
        least = min(by_shift, key=by_shift.get)
        usual = min(seen["right"], np.median(list(by_shift.values())))
        if 0 <= by_shift[least] < 0.01 * usual:
            seen["of_row"] = least
        seen["reads_labels"] = any(mean(other, wrong) != seen["wrong"] for other in others)
        seen["finite"] = bool(np.isfinite(seen["right"]) and np.isfinite(seen["wrong"]))
        if out.activation in ("sigmoid", "softmax") and out.kind in OF_ZERO_AND_ONE:
            seen["finite_at_edges"] = bool(np.isfinite(mean(labels, 1 - y)))
            if out.kind == "binary":
                mistakes = (np.zeros_like(y), 0.9), (np.ones_like(y), 0.1)
                seen["costs"] = [mean(label, np.full_like(y, p)) for label, p in mistakes]
            again = _squashed_twice(out, y, right)
            seen["twice"] = bool(np.isclose(seen["right"], again, rtol=1e-3))
        if out.kind != "sparse":
            seen["swapped_right"] = mean(right, labels)
            seen["swapped_wrong"] = mean(wrong, labels)
        before, after = _value(loss, labels, wrong), _value(loss, labels, nudged)
        seen["by_row"] = bool(before.shape) and len(before) == len(y)
        if seen["by_row"]:
            seen["moves"] = float(np.mean(before != after))
            changed = wrong.copy()
            changed[0] = right[0]
            moved = _value(loss, labels, changed) != before
            seen["other_rows"] = bool(np.any(moved.reshape(len(y), -1)[1:]))
        else:
            seen["moves"] = float(np.any(before != after))
        if out.kind == "regression" and out.activation == "linear":
            step, middle = (1 - FLATTENED) * y.std(axis=0), y.mean(axis=0)
            units = y.shape[-1]
            moved = min(mean(labels, right - step), mean(labels, right + step))
            seen["opposite"] = mean(labels, 2 * middle - right)
            stretched = [_stretched(right, c) for c in range(0, units, 1 + units // COLUMNS)]
            seen["stretched"] = min(mean(labels, other) for other in stretched)
            if moved >= seen["right"]:  # else predictions are something else, such as logarithms
                seen["flattened"] = mean(labels, middle + FLATTENED * (right - middle))
        values, counts = np.unique(y, return_counts=True)
        if out.kind == "regression" and counts.max() > OFTEN * y.size:
            usual = values[counts.argmax()]
            seen["blank"] = float(usual), mean(labels, np.full_like(y, usual))
        if out.kind == "regression" and y.shape[1] == 1:
            half = (right + wrong) / 2
            changed = {"level": half + 2 * y.std(), "scale": 3 * half}
            least = 1e-3 * abs(seen["wrong"] - seen["right"])
            was = mean(labels, half)
            seen["blind_to"] = [k for k, p in changed.items() if abs(mean(labels, p) - was) < least]
    return seen


def _squashed_twice(out, y, right):
    """Cross-entropy of labels and what a second softmax or sigmoid makes of right predictions."""
    if out.activation == "softmax":
        again = np.exp(right) / np.exp(right).sum(axis=-1, keepdims=True)
        return -float(np.mean(np.sum(y * np.log(again), axis=-1)))
    again = 1 / (1 + np.exp(-right))
    return -float(np.mean(y * np.log(again) + (1 - y) * np.log(1 - again)))


def _stretched(values, column):
    """Return values (..., columns) of which one column is three times as wide."""
    other = values.copy()
    middle = values[..., column].mean()
    other[..., column] = middle + 3 * (values[..., column] - middle)
    return other


def left_out_class(out, labels):
    """Return the number whose places a loss does not heed, such as that of padding, or None.

    Tried are -1 and 0 among the labels, (rows, ...) as given, of outputs with a score per class.
    """
    places = labels.shape[:-1] if labels.shape[-1:] == (1,) else labels.shape
    is_of_classes = labels.dtype.kind in "iu" or np.all(labels == np.round(labels))
    if len(places) < 2 or not is_of_classes or len(out.shape or ()) != len(places):
        return None
    units, loss = out.units or 1, keras.losses.get(out.function)
    rows = max(1, min(ROWS, MOST_VALUES // (units * int(np.prod(places[1:])))))
    y, places = labels[:rows], (min(rows, len(labels)), *places[1:])
    guess, other = np.random.default_rng(0).uniform(0.1, 0.9, (2, *places, units)).astype("float32")

    def cost(predictions):
        value = getattr(loss, "call", loss)(*map(keras.ops.convert_to_tensor, (y, predictions)))
        return float(np.mean(keras.ops.convert_to_numpy(value)))

    with nothing_moves():
        for number in (NO_LABEL, 0) if 1 < labels.max() < units else ():
            is_it = (y == number).reshape(*places, 1)
            if not FEW_UNKNOWN <= is_it.mean() <= 1 - FEW_UNKNOWN:
                continue
            mixed = np.where(is_it, other, guess), np.where(is_it, guess, other)
            before, same, moved = map(cost, (guess, *mixed))
            if np.isclose(before, same, rtol=1e-6) and not np.isclose(before, moved, rtol=1e-6):
                return number
    return None


def compares_directions(out):
    """Tell whether a loss does not see how long a row of predictions is, as one of cosines."""
    if out.kind != "regression" or packs_labels(out) or len(out.shape or ()) != 1:
        return False
    y = np.nan_to_num(out.y[:ROWS]).astype("float32")
    if y.shape[1] < 2 or y.shape[1] != out.units:
        return False
    other = np.roll(y, _shift(y), axis=0)
    with nothing_moves():
        loss = keras.losses.get(out.function)
        values = [mean_of(loss, y, factor * other) for factor in (1, 3)]
    return bool(np.isclose(*values, rtol=1e-3))


def in_own_terms(out):
    """Tell whether a loss decides itself what labels mean, so that no score compares them.

    It takes several outputs for each label and each for something else (a mean and a spread,
    quantiles, the parts of a mixture; where it makes no difference which output is which, the label
    is only broadcast), it compares the outputs of rows with each other (an embedding by triplets),
    it leaves out labels that are not known, takes labels of another shape (times and events, say),
    asks for more than the labels themselves (logits of those from 0 to 1), or all are the same and
    only stand in for labels.

    Args:
        out: `Output` with `function`, labels, kind and properties.

    """
    if packs_labels(out) or np.all(out.y == out.y[0]):
        return True
    seen = out.properties or {}
    right, wrong = seen.get("right", 0.0), seen.get("wrong", 0.0)
    if right < wrong and seen.get("stretched", right) < right - 1e-3 * (wrong - right):
        return True
    return _leaves_out_labels(out) or _takes_several_outputs(out)


def packs_labels(out):
    """Tell whether a label has another shape than a prediction, with or without its last axis."""
    label, given = tuple(out.label_shape), tuple(out.shape or ())
    if not given or None in given or out.kind == "sparse":
        return False
    return label not in (given, given[:-1], (*given[:-1], 1))


def _leaves_out_labels(out):
    """Tell whether predictions do not matter where a label has one value, such as -1 or NaN."""
    shape = tuple(out.shape or ())
    if out.kind == "sparse" or not shape or tuple(out.label_shape) not in (shape, shape[:-1]):
        return False
    if shape[-1] != out.y.shape[1]:
        return False
    y = out.y.reshape(-1, *shape)[:ROWS].astype("float32")
    loss, random = keras.losses.get(out.function), np.random.default_rng(0)
    some, other = random.uniform(0.1, 0.9, (2, *y.shape))
    values = [np.nan] if out.kind != "regression" else [np.nan, np.nanmin(y), np.nanmax(y)]
    with nothing_moves():
        for value in values:
            unknown = np.isnan(y) if np.isnan(value) else y == value
            if not FEW_UNKNOWN <= unknown.mean() <= 1 - FEW_UNKNOWN:
                continue
            mixed = np.where(unknown, other, some), np.where(unknown, some, other)
            before, same, moved = (mean_of(loss, y, p) for p in (some, *mixed))
            if np.isclose(before, same, rtol=1e-6) and not np.isclose(before, moved, rtol=1e-6):
                return True
    return False


def _takes_several_outputs(out):
    columns = int(np.prod(out.label_shape))
    if out.kind == "sparse" or max(len(out.label_shape), len(out.shape or (1,))) > 1:
        return False
    if out.units is None or out.units <= columns:
        return False
    loss = keras.losses.get(out.function)
    as_given = isinstance(loss, keras.losses.Loss)
    y = np.nan_to_num(out.y).astype("float32").reshape(-1, columns)[:ROWS]
    y = y[:, 0] if as_given and not out.label_shape else y
    outputs = np.random.default_rng(0).uniform(0.1, 0.9, (len(y), out.units))
    half = len(y) // 2

    with nothing_moves():
        one, other = (mean_of(loss, y, p) for p in (outputs, outputs[:, ::-1]))
        whole, *parts = (
            mean_of(loss, y[rows], outputs[rows])
            for rows in (slice(2 * half), slice(half), slice(half, 2 * half))
        )
    if not np.isfinite([one, other, whole, *parts]).all():
        return False
    by_row = np.isclose(whole, [np.mean(parts), np.sum(parts)], rtol=1e-3).any()
    return not (by_row and np.isclose(one, other, rtol=1e-4))


def skill_of(out, prediction):
    """Compare a loss of one's own with that of the best constant, its own yardstick.

    Args:
        out: `Output` with `function`, labels, kind, activation and properties.
        prediction: array (rows, columns) for the first labels.

    Returns:
        skill and whether labels are what the loss asks for. The skill is 1 − loss / loss of the
        best constant: 0 for a constant, None where the loss is no sum of such a kind (below 0,
        not finite, packed labels). A distance, a quantile or a parameter of a distribution is
        right without being near the label: accuracy and R² say nothing of it.

    """
    if packs_labels(out):
        return None, True
    y = out.y[: len(prediction)][:ROWS_OF_SKILL]
    prediction = np.asarray(prediction).reshape(len(prediction), -1)[: len(y)]
    is_probability = out.activation in ("sigmoid", "softmax")
    if out.kind == "sparse" or y.shape != prediction.shape:
        return None, True
    levels = np.linspace(0, 1, 21)[:, None]
    constants = np.nan_to_num(np.nanquantile(y, levels[:, 0], axis=0))
    if out.kind != "regression":
        constants = np.repeat(levels, y.shape[1], axis=1)
    constants = np.clip(constants, *_bounds(out))
    if out.activation == "softmax":  # whose outputs sum to 1
        constants = np.concatenate([constants, np.maximum(y.mean(axis=0, keepdims=True), 0)])
        parts = constants.reshape(len(constants), -1, out.units) + 1e-7
        constants = (parts / parts.sum(axis=2, keepdims=True)).reshape(constants.shape)
    loss = keras.losses.get(out.function)
    with nothing_moves():
        if not np.isfinite(mean_of(loss, y, prediction)):  # it does not leave out what is not known
            y = np.nan_to_num(y)
        own = mean_of(loss, y, prediction)
        each = [mean_of(loss, y, np.tile(c, (len(y), 1))) for c in constants]
    best = int(np.argmin(each))
    seen = out.properties or {}
    asks_for_labels = is_probability or seen.get("right", 0.0) <= seen.get("wrong", 0.0)
    if out.kind == "regression" and not is_probability:
        far = np.abs(constants[best] - y.mean(axis=0)) > 0.5 * y.std(axis=0)
        asks_for_labels = asks_for_labels and not np.any(far)
    usable = np.all(np.isfinite([own, *each])) and min(own, *each) >= 0 < each[best]
    return (1 - own / each[best] if usable else None), asks_for_labels


def fails_below_zero(out):
    """Tell whether a loss has no value at negative predictions, as one with a logarithm."""
    y = np.nan_to_num(out.y[:ROWS]).astype("float32")
    if out.kind != "regression" or y.shape[1] != out.units or len(out.shape) > 1:
        return False
    with nothing_moves():
        value = _value(keras.losses.get(out.function), y, np.full(y.shape, -1, "float32"))
    return not np.all(np.isfinite(value))


def is_one_number(out):
    """Tell whether a loss is one number for a batch, and not one for each row."""
    if out.shape is None or None in out.shape or out.known is not None:
        return False
    y = np.nan_to_num(out.y.reshape(-1, *(out.label_shape or (1,)))[:ROWS]).astype("float32")
    guess = np.random.default_rng(0).uniform(0.1, 0.9, (len(y), *out.shape))
    with nothing_moves():
        return _value(keras.losses.get(out.function), y, guess).ndim == 0


def compares_all_rows(out):
    """Tell whether a loss has a number for each pair of rows, as (n,) against (n, 1) gives them.

    It is asked where labels are packed: of others the `properties`, noted before, tell.
    """
    if out.shape is None or None in out.shape or len(out.label_shape) > 1 or out.properties:
        return False
    loss, rows = keras.losses.get(out.function), 7
    while rows in (*out.shape, *out.label_shape):
        rows += 1
    y = np.resize(np.nan_to_num(out.y), (rows, *(out.label_shape or (1,)))).astype("float32")
    if isinstance(loss, keras.losses.Loss) and not out.label_shape:
        y = y[:, 0]
    guess = np.random.default_rng(0).uniform(0.1, 0.9, (rows, *out.shape))
    with nothing_moves():
        return _value(loss, y, guess).shape == (rows, rows)


def rows_read(out, rows=16, few=4, tries=3):
    """Count the rows of a batch whose predictions a loss reads, None where it is more than a few.

    The labels of one row stand for all of them: where rows are left out for their labels, as
    missing ones are, none is or all are.
    """
    if out.shape is None or None in out.shape or out.known is not None or len(out.y) < rows:
        return None
    labels = np.nan_to_num(out.y.reshape(-1, *(out.label_shape or (1,)))).astype("float32")
    random, loss, most = np.random.default_rng(0), keras.losses.get(out.function), 0
    with nothing_moves():
        for place in np.linspace(0, len(labels) - 1, tries).astype(int):
            y = np.repeat(labels[place : place + 1], rows, axis=0)
            guess, other = random.uniform(0.1, 0.9, (2, rows, *out.shape))
            before, read = _value(loss, y, guess), 0
            for row in range(rows):
                changed = guess.copy()
                changed[row] = other[row]
                read += bool(np.any(_value(loss, y, changed) != before))
                if read > few:
                    return None
            most = max(most, read)
    return most


def idle_columns(out):
    """List the columns of packed labels that may be exchanged between rows at no cost.

    So it is with weights of shape (n, 1) and errors of shape (n,): all are multiplied with all.
    """
    if len(out.label_shape) != 1 or not 2 <= out.label_shape[0] <= COLUMNS or not packs_labels(out):
        return []
    y = np.nan_to_num(out.y.reshape(-1, *out.label_shape)[:ROWS]).astype("float32")
    guess = np.random.default_rng(0).uniform(0.1, 0.9, (len(y), *out.shape))
    idle, loss = [], keras.losses.get(out.function)
    with nothing_moves():
        before = mean_of(loss, y, guess)
        for column in np.flatnonzero(np.ptp(y, axis=0) > 0):
            other = y.copy()
            other[:, column] = np.roll(y[:, column], _shift(y[:, [column]]))
            if np.isclose(mean_of(loss, other, guess), before, rtol=1e-5):
                idle.append(int(column))
    return idle


def cost_of_labels(out, prediction):
    """Return by how much the loss of the predictions is larger with the labels of other rows.

    None for labels that are packed, of steps, all the same, or that the loss does not read.
    """
    if packs_labels(out) or len(out.label_shape) > 1 or np.ptp(out.y) == 0:
        return None
    loss, guess = keras.losses.get(out.function), np.asarray(prediction)[:ROWS_OF_SKILL]
    y = out.y[: len(guess)]
    if guess.shape[-1] > 1:  # else Keras gives both a last axis of 1
        y = y.reshape(len(y), *out.label_shape)
    others = np.random.default_rng(0).permutation(y)
    with nothing_moves():
        return mean_of(loss, others, guess) - mean_of(loss, y, guess) or None


def losses_of(out, prediction):
    """Return what a loss makes of one prediction for label 0 and for label 1."""
    loss, given = keras.losses.get(out.function), np.full((ROWS, 1), prediction)
    with nothing_moves():
        return [mean_of(loss, np.full((ROWS, 1), label), given) for label in (0, 1)]


def _value(loss, y_true, y_pred):
    """Value of the loss: (rows,) where it keeps the rows apart, a number where it does not."""
    tensors = [keras.ops.convert_to_tensor(np.asarray(a, "float32")) for a in (y_true, y_pred)]
    keeps_rows = getattr(type(loss), "call", keras.losses.Loss.call) is not keras.losses.Loss.call
    value = (loss.call if keeps_rows else loss)(*tensors)  # some override `__call__` itself
    return np.asarray(keras.ops.convert_to_numpy(value), "float64")


def mean_of(loss, y_true, y_pred):
    """Return the mean of a loss, as a number."""
    return float(np.mean(_value(loss, y_true, y_pred)))


def right_answers(out, y):
    """Return predictions as right as the output can give them, away from the ends of its range."""
    if out.kind == "sparse":
        hot = np.eye(out.units)[np.clip(y[:, 0].astype(int), 0, out.units - 1)]
        right = 0.9 * hot + 0.1 / out.units
        return 8 * hot - 4 if out.activation in ("linear", None) else right
    if out.kind in OF_ZERO_AND_ONE:
        return 8 * y - 4 if out.activation == "linear" else 0.02 + 0.96 * y
    if out.activation == "softmax":
        total = np.abs(y).sum(axis=1, keepdims=True)
        return 0.02 + 0.96 * np.abs(y) / np.where(total > 0, total, 1)
    return np.clip(y, *_bounds(out))


def _bounds(out):
    if out.activation in ALWAYS_POSITIVE:
        return 1e-3, np.inf
    return (1e-3, 1 - 1e-3) if out.activation in ("sigmoid", "softmax") else (-np.inf, np.inf)


def _shift(y):
    """Return a roll of the rows under which most labels change."""
    shifts = range(1, max(2, len(y) // 2))
    return max(shifts, key=lambda n: np.mean(np.roll(y, n, axis=0) != y))
