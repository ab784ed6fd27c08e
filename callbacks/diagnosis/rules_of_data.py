"""Rules of the data: inputs and labels, before the first step."""
# ruff: noqa: D401 - the docstring of a rule is its meaning

import numpy as np

from .finding import SUSPICION, Seen, rule


@rule(
    symptom="invalid_inputs",
    when="start",
    severity="error",
    change="preprocessing",
    recipe=None,
    source="arithmetic: NaN spreads through every product",
)
def invalid_inputs(run):
    """Inputs are NaN or infinite, or all rows are equal, so that nothing can be told from them."""
    for name, x in run.inputs.items():
        bad = int((~np.isfinite(x)).sum())
        if bad:
            text = f"{bad} of {x.size} values of {name} are NaN or infinite."
            yield Seen(text, "Remove or fill these values before training.")
        elif len(x) > 1 and x.size and np.all(x == x[:1]):
            remedy = "Check how the inputs are loaded: nothing can be told from them."
            yield Seen(f"All {len(x)} rows of {name} are equal.", remedy)
        elif len(x) >= 32 and x.ndim == 2:
            constant = int(np.all(x == x[:1], axis=0).sum())
            if constant:
                text = f"{constant} of {x.shape[1]} features of {name} are constant."
                remedy = "Drop the constant features; they carry no information."
                yield Seen(text, remedy, severity="note")


@rule(
    symptom="label_problem",
    when="start",
    severity="error",
    change="data",
    recipe="loss_function",
    source="Bishop (2006), Pattern Recognition and Machine Learning, ch. 4.3",
)
def label_problem(run):
    """Labels are NaN, all the same, or outside of what the loss is defined for."""
    for out in run.outputs:
        bad = int((~np.isfinite(out.y)).sum())
        if bad:
            text = f"{bad} of {out.y.size} labels of {out.name!r} are NaN or infinite."
            yield Seen(text, "Remove these rows.")
            continue
        low, high = out.y.min(), out.y.max()
        yield from _labels_against_loss(out, low, high)
        if out.kind != "regression" and out.y.size > 32 and low == high and run.complete:
            text = f"All {out.y.size} labels of {out.name!r} are {low:g}."
            remedy = "Check the labels: with a single class there is nothing to learn."
            yield Seen(text, remedy)


def _labels_against_loss(out, low, high):
    """Yield what is wrong if the loss is not made for labels from low to high."""
    text = f"Labels of {out.name!r} run from {low:g} to {high:g}; "
    if "sparse" in out.loss and out.one_hot:
        text = f"Labels of {out.name!r} are one-hot; {out.loss} takes class numbers."
        remedy = "Compile with loss='categorical_crossentropy', or pass y.argmax(axis=-1)."
        yield Seen(text, remedy, change="loss")
    elif "sparse" in out.loss:
        whole = np.all(out.y == np.round(out.y))
        if low < 0 or high >= (out.units or np.inf) or not whole:
            text += f"{out.units} output units with {out.loss} need whole numbers from 0 to "
            remedy = "Number the classes from 0 and give the output one unit per class."
            yield Seen(f"{text}{out.units - 1}.", remedy, change="layers")
    elif "crossentropy" not in out.loss:
        return
    elif low < 0 or high > 1:
        text += f"{out.loss} is defined for 0 to 1 only."
        if len(np.unique(out.y)) == 2:  # two classes, by any other name
            yield Seen(text, "Number the two classes 0 and 1.", change="preprocessing")
            return
        remedy = "For numbers use a linear output with mean_squared_error; for classes one-hot "
        remedy += "labels, or sparse_categorical_crossentropy with one softmax unit per class."
        yield Seen(text, remedy, change="loss")
    elif out.kind == "regression" and 0 < high < 0.02:
        text = f"The largest label of {out.name!r} is {high:g}: scaled by mistake?"
        remedy = "Scale the inputs only; labels of classes stay 0 and 1."
        yield Seen(text, remedy, severity=SUSPICION, change="preprocessing")


@rule(
    symptom="unnormalized_inputs",
    when="start",
    severity=SUSPICION,
    change="preprocessing",
    recipe="input_normalization",
    source="LeCun et al. (1998), Efficient BackProp, ch. 4.3: mean 0 and variance 1",
)
def unnormalized_inputs(run, most=10, spread_ratio=100):
    """Inputs are so large or so unequal that the loss is steep in some weights and flat in others.

    Ten times the usual size makes the curvature a hundred times larger, more than momentum or
    Adam's usual range make good. Features are compared with the median one: a rare pixel is small
    and does no harm.
    """
    for name, x in run.inputs.items():
        if name in run.scaled_inside or not np.all(np.isfinite(x)) or not x.size:
            continue
        rms = float(np.sqrt(np.mean(np.square(x, dtype="float64"))))
        spread = x.std(axis=0)[x.std(axis=0) > 0] if x.ndim == 2 else np.zeros(0)
        if rms > most:
            text = f"The root mean square of {name} is {rms:.4g} (range {x.min():.4g} to "
            text += f"{x.max():.4g}); about 1 is expected."
            remedy = "Subtract the training mean and divide by the training standard deviation."
            yield Seen(text, remedy)
        elif len(spread) > 1 and spread.max() > spread_ratio * np.median(spread):
            text = f"The largest standard deviation of a feature of {name} is "
            text += f"{spread.max() / np.median(spread):.3g} times the median one."
            remedy = "Standardize each feature with the training mean and standard deviation."
            yield Seen(text, remedy)


@rule(
    symptom="unnormalized_inputs",
    when="start",
    severity=SUSPICION,
    change="preprocessing",
    recipe="input_normalization",
    source="LeCun et al. (1998), Efficient BackProp, ch. 4.3",
)
def unnormalized_targets(run, most=100):
    """Targets of a regression are so large that the first steps have to be far too long."""
    for out in run.outputs:
        if out.kind == "regression" and np.all(np.isfinite(out.y)):
            rms = float(np.sqrt(np.mean(np.square(out.y, dtype="float64"))))
            if rms > most:
                text = f"Targets of {out.name!r} have root mean square {rms:.4g}; 1 is usual."
                yield Seen(text, "Standardize the targets, and undo it on the predictions.")
