"""Rules of answers that stand in the inputs: leaks, copies, last values."""

import numpy as np

from .finding import Seen, rule
from .rules_of_split import overlap
from .run import Output
from .scores import is_autoencoder, standardized, told_within
from .target import auc, classes_of, held_out, last_value


@rule("repeats_last_value", "end", "warning", change="preprocessing", recipe="sequence_baseline")
def repeats_last_value(run, skill=0.1, far=100.0, same=0.01):
    """A forecast no better than repeating a value that stands in its inputs.

    One that is far off on its training rows does not repeat it, and has another cause. It is a note
    where simple models tell nothing of the change since that value either: then the series may
    wander at random.

    Source: Hyndman & Athanasopoulos (2021), Forecasting, ch. 5.2 and 5.8: the naive forecast.
    """
    if run.table is None or len(run.outputs) != 1 or not (run.windows or run.table.ndim == 3):
        return
    out = run.outputs[0]
    x = run.table if out.validation_prediction is None else run.validation_table
    y, prediction = held_out(out)
    if out.kind != "regression" or prediction is None or x is None or len(x) < len(prediction):
        return
    if y.shape[1] != 1 or prediction.shape[1] != 1:
        return
    y = y[:, 0]
    column, naive = last_value(x[: len(prediction)], y)
    own = float(np.mean(np.square(prediction[:, 0] - y)))
    if prediction.std() < same * y.std():  # one number for all rows repeats none
        return
    if out.prediction is not None and out.prediction.shape == out.y[: len(out.prediction)].shape:
        error = np.mean(np.square(out.prediction - out.y[: len(out.prediction)]))
        if error > far * max(out.y.var(), naive):
            return
    if naive > 1e-6 * y.var() and naive < 0.9 * y.var() and own > (1 - skill) * naive:
        skilled = f"{1 - own / naive:.0%} skill"
        if own > 2 * naive:
            skilled = f"{own / naive:.3g} times as much"
        text = f"Repeating the last value has mean squared error {naive:.3g}, the network "
        text += f"{own:.3g}: {skilled}. The level of the series hides its changes."
        if out.validation_y is not None:
            low, high = out.y.min(), out.y.max()
            beyond = float(np.mean((y < low) | (y > high)))
            if beyond > 0.1:
                text += f" {beyond:.0%} of the validation targets lie outside of the range of the "
                text += f"training targets, {low:.3g} to {high:.3g}: the series has moved on."
        remedy = "Forecast the change since the last value, scaled to variance 1, and give the "
        remedy, severity = f"{remedy}network the changes.", None
        told = _told_of_changes(run.table, out.y, column)
        if own < (1 + skill) * naive and told is not None and told < skill:
            text += f" Nor do simple models tell the changes (R² {told:.2f}): a series that "
            text += "wanders at random allows no more."
            severity = "note"
        yield Seen(text, remedy, severity=severity)


def _told_of_changes(x, y, column):
    """R² of simple models for the change since the last value, on rows they did not see, or None.

    The column is that of the last value in a row (n, steps) or (n, steps, features).
    """
    if len(x) != len(y):
        return None
    features = x.shape[-1] if x.ndim == 3 else 1
    steps = x.reshape(len(x), -1, features).astype("float64")
    last = steps.reshape(len(x), -1)[:, column].copy()
    steps[..., column % features] -= last[:, None]
    change = y - last[:, None]
    told = told_within(Output("change", y=change, prediction=np.zeros_like(change)), steps)
    return None if told is None else told[0]


@rule("target_in_inputs", "end", "warning", change="layers")
def sees_ahead(run, change=0.05):
    """A model that tells the next step reads it: exchanging later inputs changes what it says.

    Source: Kaufman et al. (2012), Leakage in data mining.
    """
    if run.sees_ahead > change:
        text = "The labels are the inputs of the next step, and exchanging all inputs after a step "
        text += f"changes the prediction up to that step by {run.sees_ahead:.2g} of its spread: a "
        text += "leak, the target stands in the input and will not when the model is used."
        remedy = "Let no step see later ones: use_causal_mask=True, padding='causal', no "
        yield Seen(text, f"{remedy}Bidirectional.")


@rule("target_in_inputs", "end", "warning", change="data", recipe="data_leakage")
def target_in_inputs(run, columns=3):
    """One of several inputs, or a column of the only one, is the target itself.

    Source: Kaufman et al. (2012), Leakage in data mining.
    """
    for name, values in run.inputs.items() if len(run.inputs) > 1 else ():
        for out in run.outputs:
            same = values.size == out.y.size and values.size >= columns * len(values)
            if same and np.array_equal(values.reshape(-1), out.y.reshape(-1)):
                text = f"The values of {name} are the targets of {out.where}: a leak."
                remedy = "Give a decoder the targets of the steps before: shift them by one step."
                yield Seen(text, remedy)
    x = run.table
    if x is None or len(run.outputs) != 1 or x[:1].size < columns or x[:1].size > 4096:
        return
    y = run.outputs[0].y
    if y.shape[1] != 1 or len(y) != len(x) or len(np.unique(y)) < 3:
        return
    flat = x.reshape(len(x), -1)
    for column in np.flatnonzero(np.all(np.isclose(flat, y, rtol=1e-5, atol=1e-7), axis=0)):
        place = f"column {column}" if x.ndim == 2 else f"value {column} of a row"
        text = f"The input's {place} is the target itself, in all {len(x)} rows looked at."
        remedy = "Take it out: end each window one step before the target (x[t - n : t], y[t])."
        recalled = x.ndim > 2 and overlap(x, x) < 0.5 * len(x) / (run.num_rows or len(x))
        if x.ndim == 3 and column < x[0].size - x.shape[-1]:  # of a step before the last
            series = x[:, :, column % x.shape[-1]]
            recalled |= np.corrcoef(series[:, 1:].ravel(), series[:, :-1].ravel())[0, 1] < 0.5
        yield Seen(text, remedy, severity="note" if recalled else None)  # to recall is a task too
        return


@rule("target_in_inputs", "end", "note", change="data", recipe="data_leakage")
def one_column_tells(run, fewest=100, told=0.99, others=0.9, most=256):
    """A column all but tells the labels by itself, and no other comes near it.

    That is right of a measurement, and a leak where the column is filled in later than the label.

    Source: Kaufman et al. (2012), Leakage in data mining.
    """
    out = run.only_output
    if out is None or out.kind not in ("binary", "regression") or out.y.shape[1] != 1:
        return
    y, found = out.y[:, 0], []
    for name, x in run.inputs.items():
        is_table = x.ndim == 2 and fewest <= len(x) == len(y) and x.shape[1] <= most
        for column in range(x.shape[1]) if is_table and np.all(np.isfinite(x)) else ():
            values = x[:, column].astype("float64")
            if out.kind == "binary":
                tells = abs(2 * auc(values, y == y.max()) - 1)
            else:
                tells = abs(np.corrcoef(values, y)[0, 1]) if values.std() and y.std() else 0.0
            found.append((tells, name, column))
    found.sort(reverse=True)
    if len(found) < 3 or found[0][0] < told or found[1][0] > others:
        return
    (tells, name, column), (next_one, *_) = found[:2]
    measure = "Gini coefficient" if out.kind == "binary" else "correlation"
    text = f"Column {column} of {name} all but tells the labels by itself ({measure} {tells:.3f}; "
    text += f"the next column has {next_one:.3f})."
    remedy = "Is it known before what is to be predicted? If not, take it out, and expect less."
    yield Seen(text, remedy)


@rule("target_in_inputs", "end", "warning", change="data", recipe="data_leakage")
def label_of_few_items(run, fewest=100, part=0.2, repeated=3):
    """One of two labels comes with few numbers of an input only, the other with many.

    So it is where negatives are drawn from a few of the items: who knows these knows the label.

    Source: Rendle et al. (2009), BPR: negatives are drawn from all items that were not chosen.
    """
    out = run.only_output
    if out is None or out.kind != "binary" or out.y.shape[1] != 1 or len(run.inputs) < 2:
        return
    labels = out.y[:, 0]
    for name, x in run.inputs.items():
        if x.size != len(labels) or x.dtype.kind not in "iu":
            continue
        items = {label: x.ravel()[labels == label] for label in (0, 1)}
        kinds = {label: len(np.unique(rows)) for label, rows in items.items()}
        few = min(kinds, key=kinds.get)
        other = kinds[1 - few]
        often = len(items[few]) >= repeated * kinds[few]
        if kinds[few] < part * other and other >= fewest and often:
            text = f"Rows of label {few} have {kinds[few]} different numbers in {name}, those of "
            text += f"label {1 - few} {other}: the number alone tells the label."
            remedy = "Draw the rows of both labels from all items: negatives below the number of "
            yield Seen(text, f"{remedy}items (not of columns), none of them a positive.")


@rule("target_in_inputs", "end", "warning", change="preprocessing", recipe="data_leakage")
def tells_training_rows_only(run, fewest=200, much=0.2, lost=0.5, kept=0.6, gap=0.1, alike=0.8):
    """A column tells the training targets and not those of validation, which the others tell alike.

    So it is with means of the target by group that hold the row itself.

    Source: Micci-Barreca (2001), A preprocessing scheme for high-cardinality categorical
    attributes: of a small group such a mean is the row's own target.
    """
    out, sides = run.only_output, (run.table, run.validation_table)
    if out is None or out.kind not in ("regression", "binary") or out.y.shape[1] != 1:
        return
    if any(x is None or x.ndim != 2 or len(x) < fewest for x in sides) or run.has_ids:
        return
    if len(run.table) != len(out.y) or run.judged_gain > run.known_gain - gap:
        return
    if out.validation_y is None:
        return
    spreads = out.y.std(), out.validation_y.std()
    if min(spreads) < alike * max(spreads):  # as where a rare class is drawn more often: R² differs
        return
    here, there = (
        _squared_correlations(x[: len(y)], y)
        for x, y in zip(sides, (out.y, out.validation_y), strict=True)
    )
    found = np.flatnonzero((here > much) & (there < lost * here))
    others = np.delete(np.arange(len(here)), found)
    if len(found) == 1 and there[others].sum() >= kept * here[others].sum():
        (column,) = found
        text = f"Column {column} alone tells R² {here[column]:.2f} of the training targets and "
        text += f"{there[column]:.2f} of those of validation; the other columns tell both alike. "
        text += "Was it made with the targets of its own rows, as a mean of the target by group is?"
        remedy = "Make it from other rows: for each fold the means of the other folds, for "
        yield Seen(text, f"{remedy}validation those of all training rows.")


def _squared_correlations(x, y):
    """Return for each column what a line through it tells of the targets, R²."""
    x, y = standardized(x, x)[0], standardized(y, y)[0]
    return np.square((x * y).mean(axis=0))


@rule("target_in_inputs", "end", "warning", change="data", recipe="data_leakage")
def label_in_a_column(run, few=10):
    """A column of numbers has one and the same value in all rows of a class, and in no others.

    Source: Kaufman et al. (2012): a value that is entered once the answer is known.
    """
    for labels, place, values in _columns(run):
        known, counts = np.unique(values, return_counts=True)
        code = known[counts.argmax()]
        coded = values == code
        if min(len(known), coded.sum()) <= few:
            continue
        one = labels[coded][0]
        if np.array_equal(coded, labels == one):
            text = f"{place} is {code:.4g} in all {coded.sum()} rows of class {one} and never in "
            text += "others: a leak, if it is filled in once the answer is known. This column "
            text += "alone tells that class."
            remedy = "Leave out each column whose value is not known yet when the model is asked."
            yield Seen(text, remedy)


def _columns(run, fewest=1):
    """Yield (class of each row, place, values) of the columns of tables with so many columns."""
    out = run.only_output
    labels = classes_of(out, out.y) if out is not None and out.of_classes else ()
    for name, x in run.inputs.items() if len(labels) else ():
        if x.ndim == 2 and len(x) == len(labels) and x.shape[1] >= fewest:
            yield from ((labels, f"Column {i} of {name}", values) for i, values in enumerate(x.T))


@rule("target_in_inputs", "end", "warning", change="data", recipe="data_leakage")
def row_number_among_inputs(run, most=3, near=0.05):
    """A column numbers the rows, which were sorted by class when they were numbered.

    Its values are whole steps apart, about as many as there are rows, and along it the classes
    change hardly more often than there are classes.

    Source: Kaufman et al. (2012): an identifier that tells what it does not cause.
    """
    for labels, place, values in _columns(run, 2):
        order = np.argsort(values, kind="stable")
        steps = np.diff(values[order].astype("float64"))
        if len(labels) < 100 or steps.min() <= 0:
            continue  # a value comes twice
        steps /= steps.min()
        rows, changes = run.num_rows or len(labels), np.count_nonzero(np.diff(labels[order]))
        is_number = np.all(np.abs(steps - np.round(steps)) < near)
        is_sorted = changes <= most * len(np.unique(labels))
        if is_number and is_sorted and 0.9 * rows < steps.sum() + 1 < 2 * rows:
            text = f"{place} numbers the rows, and along it the class changes {changes} times: the "
            text += "rows were sorted by class. It tells nothing of a new row."
            yield Seen(text, "Leave that column out, and shuffle before rows are numbered.")


@rule("target_in_inputs", "end", "warning", change="layers")
def copies_its_inputs(run, copied=0.99):
    """An autoencoder without a narrow layer, noise or a penalty restores whatever it is given.

    Source: Goodfellow et al. (2016), ch. 14.2: a code as wide as the input can copy it.
    """
    out = run.only_output
    if out is None or not is_autoencoder(run, out) or (out.validation_gain or 0) < copied:
        return
    narrowest = min((kernel.shape[-1] for kernel in run.kernels.values()), default=0)
    held_back = run.augmentation or run.penalized or run.dropout
    if run.table.ndim == 2 and narrowest >= run.table.shape[1] > 1 and not held_back:
        text = f"The labels are the inputs, and no layer is narrower ({narrowest} units) than a "
        text += f"row ({run.table.shape[1]} values): validation {out.measure} is "
        text += f"{out.validation_score:.3f}, as the network copies what it is given, rows of "
        text += "another kind as well."
        remedy = "Make the code a bottleneck, with far fewer units than a row has values; or add "
        yield Seen(text, f"{remedy}noise to the inputs (GaussianNoise, Dropout) or an L1 penalty.")
