"""Rules of the labels: what they hold, and what their loss can take."""

import numpy as np

from .finding import SUSPICION, Seen, rule
from .scores import area_between, ridge, standardized
from .target import share_of_no_class


@rule("label_problem", "start", "error", change="data", recipe="loss_function")
def label_problem(run):
    """Labels are NaN, all the same, or outside of what the loss is defined for.

    Source: Bishop (2006), Pattern Recognition and Machine Learning, ch. 4.3.
    """
    for out in run.outputs:
        bad = int((~np.isfinite(out.y)).sum())
        if out.in_own_terms:
            if np.all(out.y == out.y[0]) and len(out.y) > 32 and run.num_rows:
                text = f"All {len(out.y)} labels of {out.where} are {out.y[0, 0]:g}, and no score "
                remedy = "Nothing, if they only stand in for labels; else check them."
                yield Seen(f"{text}compares outputs with them.", remedy, severity="note")
            continue
        if bad:
            text = f"{bad} of {out.y.size} labels of {out.where} are NaN or infinite."
            yield Seen(text, "Remove these rows.")
            continue
        low, high = out.y.min(), out.y.max()
        without = share_of_no_class(out)
        if without:
            text = f"{without:.0%} of the label rows of {out.where} are all 0, the others have a "
            text += "single 1: rows of a class that has no column are not learned, and no softmax "
            text += "can give them."
            remedy = "Give each class a column and a unit: keras.utils.to_categorical(y, "
            remedy += "num_classes) of all classes, without drop_first."
            may_be_padding = len(out.label_shape or ()) > 1  # of steps, which cost nothing
            severity = None
            if may_be_padding:
                severity = SUSPICION if run.watches_accuracy else "note"
                text = f"{without:.0%} of the label steps of {out.where} are all 0, the others "
                text += "have a single 1: of these nothing is learned, and accuracy takes them for "
                text += "class 0."
                remedy = "Give padding a class of its own (a column that is 1 there), or leave it "
                remedy += "out of loss and metric: Masking, or sample_weight=0 for these steps."
            yield Seen(text, remedy, severity=severity)
            continue
        yield from _labels_against_loss(run, out, low, high)
        if out.has_own_loss:  # which need not look at them
            continue
        if out.kind != "regression" and out.y.size > 32 and low == high and run.num_rows:
            text = f"All {out.y.size} labels of {out.where} are {low:g}."
            remedy = "Check the labels: with a single class there is nothing to learn. Where rows "
            remedy += "are what has happened (sales, clicks), add some that did not: negatives."
            if low == 0 and len(out.label_shape or ()) > 1:
                remedy = "Look at the maps before they are scaled and cast: divided by 255, as "
                remedy += "images are, class numbers become fractions, and whole numbers of these "
                remedy += "are 0."
            yield Seen(text, remedy)


@rule("label_problem", "start", SUSPICION, change="data")
def labels_filled_in(run, least=0.05, few=50, apart=1.0):
    """One number comes again and again, amid targets that else never repeat or far from them.

    Source: Little & Rubin (2002), Statistical analysis with missing data: what is filled in is no
    measurement.
    """
    for out in run.outputs:
        if out.kind != "regression" or out.in_own_terms or len(out.label_shape) > 1:
            continue
        for number, column in enumerate(out.y.T[:64]):
            values, counts = np.unique(column, return_counts=True)
            most = int(counts.argmax())
            others = np.delete(counts, most)
            if counts[most] <= max(least * len(column), few * (others.max(initial=1) - 1)):
                continue
            if len(others) <= few:
                continue
            measured = np.delete(values, most)  # amounts that may be 0 come near it
            gap = np.abs(np.quantile(measured, (0.02, 0.98)) - values[most]).min()
            if not (0 < most < len(values) - 1 or gap > apart * measured.std()):
                continue
            share, where = counts[most] / len(column), out.where
            if out.y.shape[1] > 1:
                where = f"column {number} of {where}"
            text = f"{share:.0%} of the targets of {where} are exactly {values[most]:.4g}, any "
            text += f"other value stands {others.max()} times at most: filled in where nothing was "
            text += "measured?"
            remedy = "Leave these out of the loss (rows by sample_weight=0, single targets by a "
            remedy += "loss with a mask): filled in, they draw all predictions towards them."
            yield Seen(text, remedy)
            break


@rule("label_problem", "start", "warning", change="data")
def letters_that_are_blank(run):
    """Labels of the CTC loss have a 0 before other letters: 0 is its blank, and its padding.

    Source: Graves et al. (2006); Keras, losses.CTC: what is 0 counts as no letter.
    """
    for out in run.outputs:
        if out.loss != "ctc" or len(out.label_shape) != 1 or len(out.y) % out.label_shape[0]:
            continue
        letters = out.y.reshape(-1, *out.label_shape)
        inside = (letters[:, :-1] == 0) & (letters[:, 1:] != 0)
        share = float(inside.any(axis=1).mean())
        if share > 0.02:
            text = f"In {share:.0%} of the labels of {out.where} a 0 stands before other numbers: "
            text += "to the CTC loss 0 is the blank and the padding at the end, and no letter."
            remedy = "Number the letters from 1: y + 1, with one unit more than there are letters, "
            yield Seen(text, f"{remedy}and pad with 0 at the end alone.")


@rule("label_problem", "start", "error", change="data")
def targets_far_out(run, most=0.01, times=10.0):
    """Very few targets lie so far from all others that a squared error is about them alone.

    Source: Huber (1964), Robust estimation of a location parameter.
    """
    for out in run.outputs:
        if out.kind != "regression" or out.loss != "mean_squared_error" or out.y.shape[1] != 1:
            continue
        away = np.sort(np.abs(out.y[:, 0] - np.median(out.y)))[-int(most * len(out.y)) - 1 :]
        if not np.all(np.isfinite(away)) or away[0] == 0 or len(away) < 2:
            continue
        ratios = away[1:] / away[:-1]
        at = int(ratios.argmax())
        if ratios[at] >= times:
            text = f"{len(ratios) - at} of {len(out.y)} targets of {out.where} lie "
            text += f"{away[at + 1]:.3g} and more from the median, all others {away[at]:.3g} at "
            text += "most: the squared error is about these alone."
            remedy = "Look at these rows: correct them or leave them out; if they are true, use "
            yield Seen(text, f"{remedy}loss='mean_absolute_error' or Huber.")


@rule("label_problem", "start", SUSPICION, change="loss")
def one_target_of_many(run, fewest=3):
    """Each row has a number in one column of its targets, and 0 in all others, as if unknown.

    Source: Mnih et al. (2015), Human-level control: only the action that was taken has a target.
    """
    for out in run.outputs:
        if out.kind != "regression" or out.has_own_loss or out.y.shape[1] < fewest:
            continue
        given = out.y != 0
        is_numbers = len(np.unique(out.y)) > 2 * out.y.shape[1]  # no one-hot rows of weights
        if is_numbers and np.mean(given.sum(axis=1) == 1) > 0.99:
            text = f"Each row of the targets of {out.where} has a number in one of "
            text += f"{out.y.shape[1]} columns and 0 in the others, which the loss takes for "
            text += "targets too: where a column is not known, as of an action not taken, it "
            text += "learns how often that is so."
            remedy = "Leave unknown targets out of the loss: mask it, mean(known * (y - guess)²), "
            yield Seen(text, f"{remedy}or predict the one column that is known.", out.layer)


@rule("class_left_out", "end", "warning", change="loss", recipe="loss_function")
def ignored_class_is_one(run, most=0.25, apart=0.8):
    """The class that a loss leaves out is one to be told: its places differ from all others.

    Source: Keras: `ignore_class` is for places without a label, which no output has to find.
    """
    out = run.only_output
    x = next(iter(run.inputs.values())) if len(run.inputs) == 1 else np.zeros(0)
    if out is None or out.known is None or out.ignored is None:
        return
    if not 0 <= out.ignored < (out.units or 0) or x.shape[:-1] != out.known.shape:
        return
    seen = np.any(x != 0, axis=-1)  # places of padding are not
    if out.known.ndim == 2:  # what is done lasts longer than its noise
        x = (np.roll(x, 1, axis=1) + x + np.roll(x, -1, axis=1)) / 3
    left_out, others = x[seen & ~out.known], x[out.known]
    share = len(left_out) / out.known.size
    if share > most and area_between(others, left_out) > apart:
        loss = out.own_loss if out.loss == "custom" else "The loss (ignore_class)"
        text = f"{loss} leaves out class {out.ignored}, though {out.name!r} has a "
        text += f"unit for it: {share:.0%} of all places have it, and by their inputs they can be "
        text += "told from the others. Nothing teaches the network where that class is."
        remedy = "Give places without a label a number of their own, such as -1 or 255, leave that "
        yield Seen(text, f"{remedy}one out, and let class {out.ignored} count.")


def _labels_against_loss(run, out, low, high):
    """Yield what is wrong if the loss is not made for labels from low to high."""
    text = f"Labels of {out.where} run from {low:g} to {high:g}; "
    if "sparse" in out.loss and out.one_hot:
        text = f"Labels of {out.where} are one-hot; {out.loss} takes class numbers."
        remedy = "Compile with loss='categorical_crossentropy', or pass y.argmax(axis=-1)."
        yield Seen(text, remedy, change="loss")
    elif "sparse" in out.loss:
        whole = np.all(out.y == np.round(out.y))
        if low < 0 or high >= (out.units or np.inf) or not whole:
            text += f"{out.units} output units with {out.loss} need whole numbers from 0 to "
            remedy = "Number the classes from 0 and give the output one unit per class."
            yield Seen(f"{text}{out.units - 1}.", remedy, change="layers")
        elif out.label_shape in ((), (1,)) and np.any(out.y == out.ignored):
            text = f"{np.mean(out.y == out.ignored):.0%} of the rows of {out.where} are of class "
            text += f"{out.ignored}, which the loss leaves out (ignore_class): it is never learned."
            remedy = "Take ignore_class out: it is for steps or pixels without a label."
            yield Seen(text, remedy, change="loss")
    elif out.loss == "custom" and out.activation == "sigmoid" and len(np.unique(out.y)) == 2:
        if low == 0 and high > 1:
            text = f"Labels of {out.where} are 0 and {high:g}; its sigmoid gives 0 to 1, and "
            text += f"{out.own_loss} compares the two."
            yield Seen(text, f"Divide the labels by {high:g}.", change="preprocessing")
    elif "crossentropy" not in out.loss:
        return
    elif low < 0 or high > 1:
        text += f"{out.loss} is defined for 0 to 1 only."
        if len(np.unique(out.y)) == 2:  # two classes, by any other name
            remedy = f"Divide the labels by {high:g}" if low == 0 else "Number the classes"
            yield Seen(text, f"{remedy}: they are to be 0 and 1.", change="preprocessing")
            return
        whole = out.y.shape[1] == 1 and np.all(out.y == np.round(out.y)) and low >= 0
        remedy = "Compile with loss='mean_squared_error' and a linear output"
        if whole and len(np.unique(out.y)) < 100:
            remedy = "Compile with loss='sparse_categorical_crossentropy' and one softmax unit for "
            remedy += "each class"
        if not out.alone:
            remedy += f" for {out.name!r}"
        for other in run.outputs:
            if other.loss.startswith("mean") and other.kind != "regression":
                text += f" And {other.loss} stands at the classes of {other.name!r}."
                remedy = f"The losses of {out.name!r} and {other.name!r} are swapped: a list goes "
                remedy += f"by the order of the outputs; write loss={{{out.name!r}: 'mse', …}}"
        yield Seen(text, f"{remedy}.", change="loss")


@rule("class_weights_too_strong", "start", "warning", change="loss", recipe="class_imbalance")
def class_weight_of_one_label(run):
    """Rows have several labels, and `class_weight` weighs a row as if it were of one class.

    Source: Keras: a row weighs as the place of its largest label, the first of equal ones (argmax),
    and so a row without any label weighs as class 0.
    """
    out = run.only_output
    if not run.class_weight or out is None:
        return
    if out.kind == "multilabel" and len(out.label_shape) == 1:
        taken = np.array([run.class_weight.get(int(c), 1.0) for c in out.y.argmax(axis=1)])
        several, none = np.mean(out.y.sum(axis=1) > 1), np.mean(out.y.sum(axis=1) == 0)
        if np.ptp(taken) == 0:
            return
        text = f"class_weight weighs a row of {out.where} by one label only, the first that holds: "
        text += f"{several:.0%} of the rows have several; the {none:.0%} without any weigh "
        text += f"{run.class_weight.get(0, 1.0):.3g}, as label 0, the others "
        text += f"{taken[out.y.any(axis=1)].mean():.3g} on average."
        remedy = "Leave class_weight out; rare labels are weighted one by one in a loss of your "
        remedy += "own: ops.mean(ops.where(y_true > 0, weights, 1.0) * "
        remedy += "ops.binary_crossentropy(y_true, y_pred), axis=-1), with a weight for each label."
        yield Seen(text, remedy)
    elif out.kind == "sparse" and len(out.label_shape) == 1 and out.label_shape[0] > 1:
        text = f"class_weight weighs a row of {out.where} as the place of its largest class among "
        text += f"{out.label_shape[0]} steps, not each step by its own class."
        remedy = "Leave class_weight out; pass sample_weight=weights[y], an array (rows, steps) "
        yield Seen(text, f"{remedy}of the weights of the steps' classes.")


@rule("unscaled_targets", "start", SUSPICION, change="preprocessing", recipe="target_scaling")
def unscaled_targets(run, most=100, least=1e-3):
    """Targets of a regression are so large or so small that no usual step fits them.

    Source: LeCun et al. (1998), Efficient BackProp, ch. 4.3.
    """
    for out in run.outputs:
        if out.kind == "regression" and np.all(np.isfinite(out.y)):
            rms = float(np.sqrt(np.mean(np.square(out.y, dtype="float64"))))
            if rms > most or 0 < out.y.std() < least:
                text = f"Targets of {out.where} have root mean square {rms:.4g} and standard "
                text += f"deviation {out.y.std():.2g}; 1 is usual."
                yield Seen(text, "Standardize the targets, and undo it on the predictions.")


@rule("label_problem", "start", "warning", change="data")
def label_of_the_first_step(run, fewest=100, better=0.3):
    """Windows of a series have the target of their first step, and tell that of their last.

    That is the target of the window which begins where this one ends, if it is among the rows.

    Source: Keras, timeseries_dataset_from_array: targets[i] goes with the window that starts at i.
    """
    out = run.only_output
    if out is None or out.kind != "regression" or len(run.inputs) != 1:
        return
    (x,) = run.inputs.values()
    if x.ndim != 3 or len(out.y) != len(x):  # else each step has a label
        return
    begins = {steps[0].tobytes(): row for row, steps in enumerate(x)}
    pairs = [(row, begins.get(steps[-1].tobytes())) for row, steps in enumerate(x)]
    pairs = np.array([pair for pair in pairs if pair[1] is not None and x.shape[1] > 1])
    if len(pairs) >= fewest:
        windows = x[pairs[:, 0]].reshape(len(pairs), -1)
        first, last = (_told_by_a_line(windows, out.y[rows, 0]) for rows in pairs.T)
        if last > first + better:
            text = f"On other rows a linear model tells the targets to R² {first:.2f}, and those "
            text += f"of the windows that begin where these end to {last:.2f}: a window has the "
            text += "target of its first step."
            remedy = f"Give it that of its last step, {x.shape[1] - 1} rows further on: "
            remedy += f"timeseries_dataset_from_array(x, y[{x.shape[1] - 1}:], …) takes the target "
            yield Seen(text, f"{remedy}i for the window that starts at i.")


def _told_by_a_line(x, y):
    """R² of a ridge regression on the second half of the rows, fitted to the first."""
    half = len(x) // 2
    known, new = standardized(x[:half], x[half:])
    guess = new @ ridge(known, y[:half] - y[:half].mean()) + y[:half].mean()
    return float(1 - np.mean((y[half:] - guess) ** 2) / max(np.var(y[half:]), 1e-12))
