"""Diagnosis: what is wrong with a training run, by its own numbers, and which recipe treats it.

Copy this file and `gradient_monitor.py`: they need Keras 3 and NumPy (matplotlib for `plot`).
`python -m callbacks.diagnosis history.csv` judges a log of Keras's `CSVLogger` alone.
"""

import argparse
import csv
import difflib
import os
import re
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace

import keras
import numpy as np

from callbacks.gradient_monitor import GradientMonitor

CAUSES = (
    *("activation", "loss", "learning_rate", "optimizer", "epochs", "batch_size"),
    *("preprocessing", "initialization", "layers", "data"),
)
RECIPES = {  # symptom: the recipe that treats it; also the list of all symptoms
    "invalid_inputs": None,
    "label_problem": "loss_function",
    "unsuitable_output_activation": "loss_function",
    "unsuitable_loss": "loss_function",
    "unnormalized_inputs": "input_normalization",
    "poor_initialization": "weight_initialization",
    "missing_hidden_activation": "relu_activation",
    "learning_rate_too_high": "learning_rate_schedule",
    "learning_rate_too_low": "optimizer_comparison",
    "batch_size_unsuitable": None,
    "non_finite_loss": "gradient_clipping",
    "exploding_gradient": "gradient_clipping",
    "vanishing_gradient": "relu_activation",
    "dead_relu": "weight_initialization",
    "no_gradient": None,
    "saturated_activation": "weight_initialization",
    "unstable_loss": "learning_rate_schedule",
    "stopped_too_soon": "train_longer",
    "slow_convergence": "optimizer_comparison",
    "high_bias": "model_capacity",
    "high_variance": "dropout",
    "data_mismatch": "data_mismatch",
    "no_validation_data": "train_validation_test_split",
}
SEVERITIES = ("error", "warning", "note")
SUSPICION = "suspicion"  # unusual, yet it can work: a warning only if the run then trains badly
SAMPLE_ROWS = 1024  # rows looked at before training
PROBE_ROWS = 256  # rows whose activations and predictions are computed
WELL = 0.7  # part of the way from the trivial to the perfect score: such a run trains well
CONVERGED = 0.95  # from here on a loss that still falls is no reason to train longer
UNBOUNDED = ("linear", "relu", "tanh", "leaky_relu", "elu", "selu", "gelu", "softplus", "silu")
RANGES = {"softmax": (0, 1), "sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1)}
RANGES |= {"relu": (0, np.inf), "softplus": (0, np.inf)}
TRANSPARENT = ("Dropout", "Flatten", "Reshape", "BatchNormalization")
NEIGHBOURS = 15  # rows that vote on what the data can tell
MAX_POOLING = "max pooling"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: what is seen, why, with which numbers, and what to change.

    Args:
        symptom: name of what is seen, one of the keys of `RECIPES`.
        severity: "error" (training cannot work like this), "warning" (it works badly) or "note".
        cause: what to change, one of `CAUSES`.
        evidence: one sentence with the measured numbers.
        remedy: what to change in this model.
        layer: name of the layer, or None.
        epoch: epoch from 0 at which it was seen, None before training.
        recipe: path of the file that treats it, or None.
        consequence_of: symptom of the finding that explains this one, or None.

    """

    symptom: str
    severity: str
    cause: str
    evidence: str
    remedy: str
    layer: str | None = None
    epoch: int | None = None
    recipe: str | None = None
    consequence_of: str | None = None


def _found(symptom, severity, cause, evidence, remedy, layer=None):
    recipe = RECIPES[symptom] and f"recipes/{RECIPES[symptom]}.py"
    return Finding(symptom, severity, cause, evidence, remedy, layer, recipe=recipe)


# ---- rules that need no training: from the compiled model and a sample of the data ----


def invalid_inputs(run):
    """NaN spreads through every product, and equal columns carry nothing to learn from."""
    kind = "invalid_inputs", "error", "preprocessing"
    for name, x in run.inputs.items():
        bad = int((~np.isfinite(x)).sum())
        if bad:
            text = f"{bad} of {x.size} values of {name} are NaN or infinite."
            yield _found(*kind, text, "Remove or fill these values before training.")
        elif len(x) > 1 and x.size and np.all(x == x[:1]):
            remedy = "Check how the inputs are loaded: nothing can be told from them."
            yield _found(*kind, f"All {len(x)} rows of {name} are equal.", remedy)
        elif len(x) >= 32 and x.ndim == 2:
            constant = int(np.all(x == x[:1], axis=0).sum())
            if constant:
                text = f"{constant} of {x.shape[1]} features of {name} are constant."
                remedy = "Drop the constant features; they carry no information."
                yield _found("invalid_inputs", "note", "preprocessing", text, remedy)


def label_problem(run):
    """Find labels outside of the range of the output (Bishop, 2006, ch. 4.3)."""
    for out in run.outputs:
        bad = int((~np.isfinite(out.y)).sum())
        if bad:
            text = f"{bad} of {out.y.size} labels of {out.name!r} are NaN or infinite."
            yield _found("label_problem", "error", "data", text, "Remove these rows.")
            continue
        low, high = out.y.min(), out.y.max()
        problem = _labels_against_loss(out, low, high)
        if problem:
            yield _found("label_problem", *problem)
        if out.kind != "regression" and out.y.size > 32 and low == high and run.complete:
            text = f"All {out.y.size} labels of {out.name!r} are {low:g}."
            remedy = "Check the labels: with a single class there is nothing to learn."
            yield _found("label_problem", "error", "data", text, remedy)


def _labels_against_loss(out, low, high):
    """Return severity, cause, evidence and remedy if the loss is not made for such labels."""
    text = f"Labels of {out.name!r} run from {low:g} to {high:g}; "
    if "sparse" in out.loss and out.one_hot:
        text = f"Labels of {out.name!r} are one-hot; {out.loss} takes class numbers."
        remedy = "Compile with loss='categorical_crossentropy', or pass y.argmax(axis=-1)."
        return "error", "loss", text, remedy
    if "sparse" in out.loss:
        if low >= 0 and high < (out.units or np.inf) and np.all(out.y == np.round(out.y)):
            return None
        text += f"{out.units} output units with {out.loss} need whole numbers from 0 to "
        remedy = "Number the classes from 0 and give the output one unit per class."
        return "error", "layers", f"{text}{out.units - 1}.", remedy
    if "crossentropy" not in out.loss:
        return None
    text += f"{out.loss} is defined for 0 to 1 only."
    if (low < 0 or high > 1) and len(np.unique(out.y)) == 2:  # two classes, by any other name
        return "error", "preprocessing", text, "Number the two classes 0 and 1."
    if low < 0 or high > 1:
        remedy = "For numbers use a linear output with mean_squared_error; for classes one-hot "
        remedy += "labels, or sparse_categorical_crossentropy with one softmax unit per class."
        return "error", "loss", text, remedy
    if out.kind == "regression" and 0 < high < 0.02:
        text = f"The largest label of {out.name!r} is {high:g}: scaled by mistake?"
        remedy = "Scale the inputs only; labels of classes stay 0 and 1."
        return SUSPICION, "preprocessing", text, remedy
    return None


def unsuitable_output_activation(run):
    """Compare the output's range with the values that the loss and the targets need.

    Softmax divides by the sum over units, so one unit is 1 whatever the input; a cross-entropy
    takes the logarithm of a probability (Goodfellow et al., 2016, Deep Learning, ch. 6.2.2).
    """
    for out in run.outputs:
        if out.activation is None or not np.all(np.isfinite(out.y)):
            continue
        name, entropy = out.activation, "crossentropy" in out.loss
        good = {"binary": "sigmoid", "multilabel": "sigmoid", "regression": "linear"}
        good = "sigmoid" if entropy and out.kind == "regression" else good.get(out.kind, "softmax")
        good = "linear" if entropy and out.from_logits else good
        text, severity = _output_against_loss(out, name, entropy), "error"
        if text is None and name == "relu" and not entropy:
            text, severity = "it ends in relu, which has no gradient below 0", SUSPICION
        if text:
            kind = "unsuitable_output_activation", severity, "activation"
            remedy = f"Give {out.layer!r} activation={good!r}."
            yield _found(*kind, f"Output {out.name!r}: {text}.", remedy, out.layer)


def _output_against_loss(out, name, entropy):
    """Return what cannot work, None if nothing."""
    units, sums, low, high = out.units, out.y.sum(axis=-1), out.y.min(), out.y.max()
    if name == "softmax" and units == 1:
        return "softmax over 1 unit is 1 for every input"
    if out.double_softmax:
        return "softmax is applied twice, which flattens the probabilities"
    if entropy and out.from_logits and name in ("softmax", "sigmoid"):
        return f"{out.loss} expects logits (from_logits=True) but gets the output of {name}"
    if entropy and not out.from_logits and name in UNBOUNDED:
        return f"{out.loss} takes the logarithm of a probability but {name} gives any number"
    if entropy and "binary" not in out.loss and name == "sigmoid" and units > 1:
        return f"{out.loss} over {units} sigmoid units, which do not sum to 1"
    if name == "softmax" and out.kind == "multilabel":
        share = float(np.mean(sums != 1))
        return f"softmax forces the {units} outputs to sum to 1; {share:.0%} of label rows do not"
    if name == "relu" and out.kind != "regression":
        return "relu gives 0 with gradient 0 for every negative input of the output unit"
    if entropy:
        return None
    if (name, out.kind) == ("softmax", "regression") and not np.allclose(sums, 1, atol=1e-3):
        return f"softmax makes {units} outputs sum to 1 but the targets do not"
    bounds = RANGES.get(name, (-np.inf, np.inf))
    if low < bounds[0] or high > bounds[1]:
        return f"{name} gives {bounds[0]} to {bounds[1]}, targets run {low:.3g} to {high:.3g}"
    return None


def unsuitable_loss(run):
    """Squared and absolute errors of a probability have vanishing gradients where it is wrong.

    Golik, Doetsch & Ney, 2013, Cross-entropy vs. squared error training. The absolute error is
    least at the median, which for class labels is the majority class whatever the input.
    """
    for out in run.outputs:
        text, severity = _loss_against_labels(out)
        good = {"binary": "binary", "multilabel": "binary", "sparse": "sparse_categorical"}
        good = good.get(out.kind, "categorical") + "_crossentropy"
        if out.loss == "categorical_crossentropy" and out.units == 1:
            good = "binary_crossentropy"
        elif out.kind == "regression":
            good = "mean_squared_error"
        if text:
            text, remedy = f"Output {out.name!r}: {text}.", f"Compile with loss={good!r}."
            yield _found("unsuitable_loss", severity, "loss", text, remedy, out.layer)


def _loss_against_labels(out):
    """Return what is wrong and its severity, (None, None) if nothing."""
    categorical = out.loss == "categorical_crossentropy"
    if categorical and out.units == 1:
        return "categorical_crossentropy over 1 unit is 0 whatever the label", "error"
    if out.kind == "regression":
        if categorical and np.any(abs(out.y.sum(axis=-1) - 1) > 1e-3):
            return "categorical_crossentropy on targets that do not sum to 1", "warning"
        return None, None
    if out.loss in ("mean_absolute_error", "mean_absolute_percentage_error"):
        return f"{out.loss} on class labels is least at the majority class", "warning"
    if out.loss.startswith("mean_squared"):
        return f"{out.loss} on class labels", SUSPICION
    softmax = (out.kind, out.activation) == ("onehot", "softmax") and out.units > 2
    if softmax and out.loss.startswith("binary"):
        return f"{out.loss} treats {out.units} softmax units as separate yes/no answers", "warning"
    if categorical and out.kind == "multilabel":
        return "categorical_crossentropy expects one label per row", "warning"
    return None, None


def unnormalized_inputs(run):
    """Large inputs make the loss steep in the first weights and flat in others.

    LeCun et al., 1998, Efficient BackProp, ch. 4.3: mean 0 and variance 1. Ten times that makes
    the curvature a hundred times larger, more than momentum or Adam's usual range make good.
    Features are compared with the median one: a rare pixel is small and does no harm.
    """
    kind = "unnormalized_inputs", SUSPICION, "preprocessing"
    for name, x in run.inputs.items():
        if name in run.scaled_inside or not np.all(np.isfinite(x)) or not x.size:
            continue
        rms = float(np.sqrt(np.mean(np.square(x, dtype="float64"))))
        spread = x.std(axis=0)[x.std(axis=0) > 0] if x.ndim == 2 else np.zeros(0)
        if rms > 10:
            text = f"The root mean square of {name} is {rms:.4g} (range {x.min():.4g} to "
            text += f"{x.max():.4g}); about 1 is expected."
            remedy = "Subtract the training mean and divide by the training standard deviation."
            yield _found(*kind, text, remedy)
        elif len(spread) > 1 and spread.max() > 100 * np.median(spread):
            text = f"The largest standard deviation of a feature of {name} is "
            text += f"{spread.max() / np.median(spread):.3g} times the median one."
            remedy = "Standardize each feature with the training mean and standard deviation."
            yield _found(*kind, text, remedy)
    for out in run.outputs:
        if out.kind == "regression" and np.all(np.isfinite(out.y)):
            rms = float(np.sqrt(np.mean(np.square(out.y, dtype="float64"))))
            if rms > 100:
                text = f"Targets of {out.name!r} have root mean square {rms:.4g}; 1 is usual."
                remedy = "Standardize the targets, and undo it on the predictions."
                yield _found(*kind, text, remedy)


def poor_initialization(run):
    """Equal weights stay equal; a wrong scale grows or dies with depth.

    Glorot & Bengio, 2010: std · sqrt(fan_in) near 1 keeps the variance. Above 5 a sigmoid is full;
    below 0.1 in one layer it matters if all of them together leave less than a thousandth.
    """
    kernels = {n: k for n, k in run.kernels.items() if k.ndim >= 2 and k.size >= 4}
    gains = {n: float(k.std() * np.sqrt(np.prod(k.shape[:-1]))) for n, k in kernels.items()}
    whole = float(np.prod(list(gains.values())))
    for name, gain in gains.items():
        severity, good = SUSPICION, "'he_normal' (relu) or 'glorot_uniform'"
        text = f"Initial weights of {name!r}: standard deviation × sqrt(fan_in) = {gain:.3g}; "
        text += "about 1 keeps the scale from layer to layer"
        if gain == 0:
            severity, good = "error", "'glorot_uniform'"
            size, value = kernels[name].size, kernels[name].flat[0]
            text = f"All {size} initial weights of {name!r} are {value:g}: its units get equal "
            text += "gradients and stay equal"
        elif gain < 0.1 and whole < 1e-3:
            text += f", and {len(gains)} layers together leave {whole:.2g}"
        elif gain <= 5:
            continue
        remedy = f"Give {name!r} kernel_initializer={good}."
        yield _found("poor_initialization", severity, "initialization", f"{text}.", remedy, name)


def missing_hidden_activation(run):
    """Two linear maps in a row are one linear map (Goodfellow et al., 2016, ch. 6.1).

    A narrow layer between wider ones is left alone: that is a low-rank factorization.
    """
    for layer, following, (fan_in, units, next_units), pooled in run.linear_pairs:
        if units >= min(fan_in, next_units):
            text = "only max pooling" if pooled else "together they are one linear map"
            text = f"No activation between {layer!r} ({units} units) and {following!r}: {text}."
            kind = "missing_hidden_activation", SUSPICION if pooled else "warning", "activation"
            yield _found(*kind, text, f"Give {layer!r} activation='relu'.", layer)


def hidden_softmax(run):
    """Softmax in a hidden layer: n outputs share a sum of 1, so each passes on about 1 / n.

    Its derivative p (1 − p) is at most 1/4 and near 1 / n for equal shares.
    """
    for layer, units in run.hidden_softmax:
        text = f"The {units} outputs of hidden layer {layer!r} are a softmax: on average "
        text += f"{1 / units:.2g}, and so are their slopes."
        remedy = f"Give {layer!r} activation='relu'; softmax belongs into the output."
        yield _found("vanishing_gradient", SUSPICION, "activation", text, remedy, layer)


def heavy_dropout(run):
    """Above 0.5 dropout costs capacity rather than variance (Srivastava et al., 2014, ch. 7.3).

    They found the error flat for hidden units kept with 0.4 to 0.8, and rising below that.
    """
    for layer, rate in run.dropout.items():
        if rate > 0.6:
            text = f"{layer!r} sets {rate:.0%} of its inputs to 0 in every step."
            remedy = f"Give {layer!r} a rate of 0.2 to 0.5."
            yield _found("high_bias", SUSPICION, "layers", text, remedy, layer)


def learning_rate_range(run):
    """More than ten times the optimizer's default, or a tenth of it, is far from what it is for.

    Bengio, 2012, Practical recommendations, ch. 3.1: the default is usually within one order of
    magnitude. Momentum m multiplies the step of SGD by 1 / (1 − m).
    """
    usual = {"SGD": 0.01, "Adagrad": 0.01, "Adadelta": 1.0, "Ftrl": 0.01}
    usual = usual.get(run.optimizer, 0.001)
    rate = run.learning_rate
    if rate is None:
        return
    effective = rate / (1 - run.momentum) if run.momentum < 1 else rate
    remedy = f"Compile with {run.optimizer}(learning_rate={usual:g})."
    if rate > 10 * usual * (1 + 1e-6):
        text = f"Learning rate {rate:g} is {rate / usual:.3g} × the usual {usual:g} of "
        text += f"{run.optimizer}."
        yield _found("learning_rate_too_high", SUSPICION, "learning_rate", text, remedy)
    elif effective <= usual / 10 * (1 + 1e-6):
        text = f"Learning rate {rate:g} (effective {effective:.3g}) is {usual / effective:.3g} "
        text += f"times below the usual {usual:g} of {run.optimizer}."
        yield _found("learning_rate_too_low", SUSPICION, "learning_rate", text, remedy)


def batch_size_unsuitable(run):
    """One step per epoch on many rows wastes the data (Masters & Luschi, 2018)."""
    if run.batch_size and run.num_rows and run.num_rows >= 512 and run.batch_size >= run.num_rows:
        text = f"Batch size {run.batch_size} for {run.num_rows} rows: one update per epoch."
        yield _found("batch_size_unsuitable", SUSPICION, "batch_size", text, "Use batch_size=32.")


# ---- rules while training: from gradients, losses, the activations of the probe ----


def non_finite_loss(run):
    """Find a loss that is NaN or infinite: it never comes back."""
    if run.non_finite_at is not None:
        step, value = run.non_finite_at
        text = f"The loss is {value} at step {step}; before that at most {run.largest_loss:.4g}."
        remedy = "Divide the learning rate by 10, or clip gradients (clipnorm=1.0)."
        yield _found("non_finite_loss", "error", "learning_rate", text, remedy)


def diverging_loss(run):
    """Above 2/λ_max of the curvature, gradient descent moves away (LeCun et al., 1998, ch. 4.6).

    Below it the loss does not rise, so a loss above the first one is no matter of patience.
    Batches differ: even the smallest of the last ones must lie above the first two.
    """
    if len(run.losses) >= 8 and np.all(np.isfinite(run.losses)):
        ending = run.losses[-max(5, len(run.losses) // 10) :]
        first, last = float(max(run.losses[:2])), float(np.median(ending))
        if first > 0 and min(ending) > 1.2 * first:
            text = f"The loss rose from {first:.4g} to {last:.4g}, {last / first:.3g}-fold."
            remedy = f"Divide the learning rate{_now(run)} by 10."
            yield _found("learning_rate_too_high", "error", "learning_rate", text, remedy)


def no_gradient(run):
    """Find layers that do not learn: a gradient of 0 or none at every step."""
    finite = np.where(np.isfinite(run.norms), run.norms, 0)
    if len(run.norms) < 2 or not np.any(finite > 0):
        return
    for name, column in zip(run.layer_names, run.norms.T, strict=True):
        if np.all(np.isnan(column)) or np.all(column == 0):
            text = f"Layer {name!r} got no gradient in {len(column)} recorded steps."
            remedy = f"Check that {name!r} leads to the loss, or take it out."
            yield _found("no_gradient", "warning", "layers", text, remedy, name)


def vanishing_gradient(run):
    """Sigmoid's slope is at most 1/4, so n layers leave 0.25^n (Glorot & Bengio, 2010).

    A first layer a thousand times below the last (5 layers of 1/4) moves a thousand times less;
    the ratio is the model's own, so the scale of the loss does not matter.
    """
    ratio = _first_to_last(run)
    if ratio is not None and ratio < 1e-3:
        first, last = run.layer_names[0], run.layer_names[-1]
        text = f"Median gradient norm of {first!r} is {ratio:.3g} × that of {last!r}."
        remedy = "Use relu with he_normal in the hidden layers, or BatchNormalization between them."
        yield _found("vanishing_gradient", "warning", "activation", text, remedy, first)


def _first_to_last(run):
    """Ratio of the first layer's median gradient norm to the last one's, None if unknown."""
    if len(run.norms) < 2 or run.norms.shape[1] < 3:
        return None
    columns = np.where(np.isfinite(run.norms), run.norms, np.nan)
    with np.errstate(all="ignore"):
        medians = np.nanmedian(columns, axis=0)
    if not (medians[-1] > 0 and medians[0] > 0):  # 0 has not vanished: it is dead
        return None
    return float(medians[0] / medians[-1])


def exploding_gradient(run):
    """Find a gradient grown 1000-fold, past any learning rate (Pascanu et al., 2013)."""
    total = np.sqrt(np.nansum(np.square(run.norms, dtype="float64"), axis=1))
    total = total[np.isfinite(total)]
    if len(total) >= 10:
        start, largest = float(np.median(total[:5])), float(total.max())
        if start > 0 and largest > 1000 * start:
            text = f"The gradient norm grew from {start:.3g} to {largest:.3g}."
            remedy = "Compile the optimizer with clipnorm=1.0, or divide the learning rate by 10."
            yield _found("exploding_gradient", "warning", "learning_rate", text, remedy)


def dead_relu(run):
    """Find ReLUs that are 0 on every row and get no gradient (Lu et al., 2019, Dying ReLU).

    Half of a layer is the threshold: random units are dead on a whole sample rarely, and the
    narrower the layer, the likelier it dies as a whole (their theorem 3.3): widen 4 units or fewer.
    """
    for name, (kind, values) in run.activations.items():
        units = values.reshape(-1, values.shape[-1])
        dead = float(np.mean(np.all(units <= 0, axis=0)))
        if kind == "relu" and len(values) >= 4 and dead >= 0.5:
            text = f"{dead:.0%} of the {units.shape[1]} ReLU units of {name!r} are 0 on all "
            text += f"{len(values)} probe rows."
            cause = "layers" if units.shape[1] <= 4 else "learning_rate"
            remedy = f"Lower the learning rate, or use leaky_relu with he_normal in {name!r}."
            yield _found("dead_relu", SUSPICION, cause, text, remedy, name)


def saturated_activation(run):
    """Find sigmoids beyond 0.99: slope under 4 % of the largest (LeCun et al., 1998)."""
    for name, (kind, values) in run.activations.items():
        distance = np.abs(values) if kind == "tanh" else np.abs(2 * values - 1)
        share = float(np.mean(distance > 0.98))
        if kind in ("sigmoid", "tanh") and share >= 0.5:
            text = f"{share:.0%} of the outputs of {name!r} ({kind}) on the probe are at the end "
            text += "of its range."
            remedy = "Scale the inputs, use smaller initial weights, or relu."
            yield _found("saturated_activation", SUSPICION, "activation", text, remedy, name)


def _now(run):
    """Return the learning rate as text; nothing for a schedule."""
    return "" if run.learning_rate is None else f" {run.learning_rate:g}"


def unstable_loss(run):
    """Up and down without progress: steps too long for the valley (Goodfellow, 2016, ch. 8.2)."""
    values = np.array(run.epoch_losses[-20:])
    if len(values) >= 6 and np.all(np.isfinite(values)):
        moves = np.diff(values)
        size, progress = float(np.mean(np.abs(moves))), values[0] - values[-1]
        if size > 0.1 * values.mean() and abs(progress) < size and np.mean(moves > 0) >= 0.3:
            text = f"From epoch to epoch the loss moves by {size:.3g} (mean {values.mean():.3g}), "
            text += f"but in {len(values)} epochs it fell by {progress:.3g} only."
            remedy = f"Divide the learning rate{_now(run)} by 3, or use larger batches."
            yield _found("unstable_loss", SUSPICION, "learning_rate", text, remedy)


# ---- rules at the end: from the scores ----


def _trend(run):
    """Return (fall of the log of the loss per epoch at the end, loss now), None if none.

    The trend is that of the last quarter; a short run is judged by its batches.
    """
    epochs = len(run.epoch_losses)
    short = epochs < 4 and len(run.losses) >= 16
    losses = np.array(run.losses if short else run.epoch_losses)
    if len(losses) < 2 or not np.all(np.isfinite(losses)) or losses[-1] <= 0:
        return None
    quarter = max(1, len(losses) // 4)
    before, after = np.mean(losses[-2 * quarter : -quarter]), np.mean(losses[-quarter:])
    if not before > after > 0:
        return None
    return float(np.log(before / after)) / quarter * len(losses) / epochs, after


def still_falling(run):
    """Extrapolate a loss that still falls (Goodfellow et al., 2016, ch. 8).

    If halving the loss takes more than ten times the epochs trained, patience is not the remedy:
    the step is, unless there were hardly any. Gradient descent at the rate α takes 1 / (α λ) steps
    along a curvature λ: 100 at the usual 0.01 where the inputs have variance 1.
    A run that trains well is only warned of if the loss falls by a tenth per epoch.
    """
    trend, epochs = _trend(run), len(run.epoch_losses)
    if trend is None:
        return
    rate, after = trend
    halving = np.log(2) / rate
    text = f"The loss fell by {1 - np.exp(-rate):.2%} per epoch at the end (to {after:.4g}); "
    text += f"halving it takes {halving:.3g} epochs, {epochs} were trained."
    if halving <= 10 * epochs and run.gain < CONVERGED:
        steep = halving <= 2 * epochs and (rate >= 0.1 or run.gain < WELL)
        kind = "stopped_too_soon", "warning" if steep else SUSPICION, "epochs"
        yield _found(*kind, text, f"Train for {epochs + max(1, int(3 * halving))} epochs.")
    elif halving > 10 * epochs and run.gain < WELL / 2 and 0 < len(run.losses) < 100:
        text += f" Those were {len(run.losses)} updates."
        remedy = f"Train for {-(-1000 * epochs // len(run.losses))} epochs."
        yield _found("stopped_too_soon", SUSPICION, "epochs", text, remedy)
    elif halving > 10 * epochs and run.gain < WELL / 2:
        plain = run.optimizer == "SGD" and not run.momentum and (run.learning_rate or 0) < 0.1
        kind = "slow_convergence", SUSPICION, "optimizer" if plain else "learning_rate"
        remedy = "Use Adam, or a learning rate ten times as large."
        if (run.learning_rate or 0) >= 0.1:
            remedy = "Try learning rates ten times smaller, and ten times larger."
        yield _found(*kind, text, remedy)


def high_bias(run):
    """Near the score of a constant prediction the model has not learned (Ng, 2018, ch. 20-22).

    A vote of the nearest rows is a yardstick of what noisy data can tell (Cover & Hart, 1967).
    """
    for metric, train, _, wanted in run.targets:
        if train is not None and _misses(metric, train, wanted):
            text = f"Training {metric} {train:.4g} misses the target {wanted:g}."
            remedy = "Give the model more units or layers, or train longer."
            yield _found("high_bias", "warning", "layers", text, remedy)
    for out in run.outputs if not run.targets else []:
        if out.gain is not None and -np.inf < out.gain < WELL:
            name, trivial = ("R²", 0) if out.kind == "regression" else ("accuracy", out.trivial)
            text = f"Training {name} of {out.name!r} is {out.score:.3f}; a constant prediction has "
            text += f"{trivial:.3f}."
            severity = "warning" if out.gain < WELL / 2 else "note"
            remedy = "Give the model more units or layers; check that the inputs tell the target."
            if run.gain >= WELL and out.neighbours is not None:
                text += f" The {NEIGHBOURS} nearest rows predict it with {out.neighbours:.3f}."
                severity, remedy = "note", "The inputs may not tell more: give a `target`."
            yield _found("high_bias", severity, "layers", text, remedy)


def high_variance(run):
    """Compare validation with training (Ng, 2018, ch. 20-22; Prechelt, 1998).

    With a target, variance is what validation lacks to training, bias what training lacks to the
    target, and the larger is named. Else accuracies may differ by a tenth. A loss has no scale of
    its own: squared errors are compared with the variance of the targets, others with the best
    validation loss of the run. A model that does well on validation data too gets a note; one that
    does no better there than a constant has learned by heart labels that do not belong to the
    inputs, or validation data are others (Zhang et al., 2017, Rethinking generalization).
    """
    remedy = "More data, augmentation, Dropout or weight decay; stop at the best epoch."
    for metric, train, val, wanted in run.targets:
        missed = val is not None and _misses(metric, val, wanted)
        if missed and (train is None or abs(train - val) > abs(wanted - train)):
            text = f"Validation {metric} {val:.4g} misses the target {wanted:g}"
            text += "." if train is None else f"; training has {train:.4g}."
            yield _found("high_variance", "warning", "data", text, remedy)
    judged = any(val is not None for _, _, val, _ in run.targets)
    for train, val, name, is_accuracy in run.curves if not judged else []:
        last, gap = val[-1], abs(val[-1] - train[-1])
        if len(val) < 2 or not np.all(np.isfinite([train[-1], last])):
            continue
        if is_accuracy:
            bad = train[-1] > last and gap > 0.1 and (1 - last) > 2 * (1 - train[-1])
            level = None if run.trivial is None else (last - run.trivial) / (1 - run.trivial)
        else:
            far = run.variance is not None and gap > 0.1 * run.variance
            bad = last > 2 * train[-1] and (far or last > 1.5 * min(val))
            level = None if run.variance is None else 1 - last / run.variance
        if bad:
            text = f"{name} is {train[-1]:.4g} in training and {last:.4g} in validation (best "
            text += f"{(max if is_accuracy else min)(val):.4g})"
            kind = "high_variance", "warning" if level is None or level < WELL else "note", "data"
            if level is not None and level < 0.1 and run.gain >= WELL:
                text += ", where a constant prediction does as well"
                kind = "label_problem", "warning", "data"
                remedy = "Check that each label stands at its own row, and that the validation "
                remedy += "data are drawn and prepared like the training data."
            yield _found(*kind, f"{text}.", remedy)
            return


def _misses(metric, value, wanted):
    """Tell whether a value is worse than wanted; of losses and errors, less is better."""
    less_is_better = any(word in metric for word in ("loss", "error", "mse", "mae"))
    return value > wanted if less_is_better else value < wanted


def data_mismatch(run):
    """Compare the field with validation: a gap is no overfitting (Ng, 2018, ch. 36-41)."""
    for name, value in (run.field or {}).items():
        values = run.history.get(f"val_{name}")
        if values and values[-1] - value > 0.1 and "loss" not in name:
            text = f"{name} is {values[-1]:.4g} on validation data and {value:.4g} in the field."
            remedy = "Put data from the field into the validation and the training set."
            yield _found("data_mismatch", "warning", "data", text, remedy)


def no_validation_data(run):
    """Without validation data nobody sees whether the model generalizes."""
    if not run.has_validation:
        text = "No validation data: high variance cannot be seen."
        remedy = "Pass validation_data, or validation_split=0.2 with shuffled rows."
        yield _found("no_validation_data", "note", "data", text, remedy)


BEFORE = (
    *(invalid_inputs, label_problem, unsuitable_output_activation, unsuitable_loss),
    *(unnormalized_inputs, poor_initialization, missing_hidden_activation),
    *(hidden_softmax, heavy_dropout, learning_rate_range, batch_size_unsuitable),
)
DURING = (
    *(non_finite_loss, diverging_loss, no_gradient, vanishing_gradient, exploding_gradient),
    *(dead_relu, saturated_activation, unstable_loss),
)
AFTER = (still_falling, high_bias, high_variance, data_mismatch, no_validation_data)
OTHER_NAMES = {  # rules that are not named after their symptom
    "learning_rate_range": "learning_rate_too_high",
    "diverging_loss": "learning_rate_too_high",
    "hidden_softmax": "vanishing_gradient",
    "heavy_dropout": "high_bias",
    "still_falling": "stopped_too_soon",
}
ORDER = list(RECIPES)
STATIC = ORDER[: ORDER.index("non_finite_loss")]  # roots, in the order in which they are blamed
MODEL_AND_DATA = ORDER[: ORDER.index("learning_rate_too_high")]  # errors here are blamed first
PROBED = {"dead_relu", "saturated_activation", "high_variance"}  # the probe's outputs tell
INDEPENDENT = ("high_variance", "no_validation_data", "data_mismatch")


def _apply(rules, run):
    """Run the rules, each finding with its epoch; an error in one becomes a note that names it."""
    findings = []
    for rule in rules:
        try:
            findings.extend(replace(f, epoch=run.epoch) for f in rule(run))
        except Exception as error:
            text = f"The rule {rule.__name__!r} was left out: {type(error).__name__}: {error}."
            symptom = OTHER_NAMES.get(rule.__name__, rule.__name__)
            symptom = symptom if symptom in RECIPES else "invalid_inputs"
            findings.append(_found(symptom, "note", "data", text, "Nothing to change."))
    return findings


def _judge(findings, gain, ended):
    """Decide the suspicions, put the root cause first and what it explains under it.

    A suspicion is a note in a run that trains well. In one that does not, the first in the order
    of `RECIPES` is the root: data before model, model before learning rate, and what needs no
    training before what was seen in it. A root is as severe as the worst that it explains.
    """
    bad = ended and gain < WELL
    sick = any(
        f.severity == "error" or (f.symptom, f.severity) == ("stopped_too_soon", "warning")
        for f in findings
    )
    suspected = {f.symptom for f in findings if f.severity == SUSPICION}
    sick = sick or suspected >= {"learning_rate_too_high", "dead_relu"}  # two signs of one thing
    decided = {SUSPICION: "warning" if bad or sick else "note"}
    findings = [replace(f, severity=decided.get(f.severity, f.severity)) for f in findings]
    early = [f for f in findings if f.symptom in STATIC or f.epoch is None]
    findings.sort(key=lambda f: (f not in early, *_place(f)))
    serious = [f for f in findings if f.severity != "note" and f.symptom not in INDEPENDENT]
    if not serious:
        findings.sort(key=lambda f: SEVERITIES.index(f.severity))
        return _unique(findings)
    errors = [f for f in serious if f.severity == "error" and f.symptom in MODEL_AND_DATA]
    root = (errors or serious)[0]
    explained = [f for f in serious if f not in early and f.symptom != root.symptom]
    under = [replace(f, consequence_of=root.symptom) for f in explained]
    beside = [f for f in findings if f is not root and f not in explained]
    for group in (under, beside):
        group.sort(key=lambda f: SEVERITIES.index(f.severity))
    worst = min((f.severity for f in serious), key=SEVERITIES.index)
    return _unique([replace(root, severity=worst), *under, *beside])


def _place(finding):
    return ORDER.index(finding.symptom), SEVERITIES.index(finding.severity)


def _unique(findings):
    """Keep one finding per symptom and layer, and fold equal symptoms of many layers."""
    kept = {}
    for finding in findings:
        kept.setdefault((finding.symptom, finding.severity), []).append(finding)
    folded = []
    for group in kept.values():
        first = group[0]
        layers = [f.layer for f in group[1:] if f.layer]
        if len(layers) > 2:
            more = f" Also: {', '.join(layers[:4])}{' …' if len(layers) > 4 else ''}."
            group = [replace(first, evidence=first.evidence + more)]
        folded.extend(group)
    return folded


class Diagnosis(keras.callbacks.Callback):
    """Say what is wrong with a training run, with the numbers, and which recipe treats it.

    Looks at the compiled model and a sample of the data before the first step, at the gradients
    (`GradientMonitor`) and losses while training, and at the scores when it ends. A thing that is
    only unusual counts as a warning if the run then trains badly: less than 0.7 of the way from a
    constant prediction to a perfect score on the sample, or below `target`; data so noisy that the
    nearest rows predict no better are excused.

    What is left out, and said under the report: data that cannot be read before training (pass
    `probe`), a custom loss (whether it suits the output and the labels), a subclassed model (its
    layers and activations). Gradients, losses and the scores of known labels are judged all the
    same. Each finding has the epoch since which it is seen; the rules are applied after 1, 2, 4,
    8, … epochs, those of the probe's activations at the end.

    Args:
        target: dict from metric name to the wanted value, e.g. `{"accuracy": 0.95}`: needed where
            the best possible score is far from perfect, as with noisy labels.
        stop_on: symptoms that end the training as soon as they are found. `high_variance` is
            judged after each epoch; the other verdicts on scores are known at the end only.
        probe: (x, y), rows to look at instead of a sample of the training data; needed where the
            data cannot be read before training.
        field: dict of metrics measured on data from the field, to compare with validation.
        verbose: print the report when training ends.

    Attributes:
        findings: list of `Finding`, root cause first, then what it explains, then the others.
        monitor: the `GradientMonitor` with the gradients.
        left_out: list of str, checks that were not possible, and why.

    Raises:
        ValueError: before training, for an unknown symptom, a target for a metric that the model
            does not have, or a probe that does not fit the model.

    Source: Ng, 2018, Machine Learning Yearning (bias and variance); Schoop et al., 2021, UMLAUT
    (checks before training); Zhang et al., 2021, AutoTrainer (symptoms while training).

    Example:
        >>> import keras, numpy as np
        >>> from callbacks.diagnosis import Diagnosis
        >>> model = keras.Sequential([keras.layers.Dense(1, "softmax")])
        >>> model.compile("adam", "binary_crossentropy")
        >>> x = np.random.default_rng(0).normal(size=(64, 4))
        >>> diagnosis = Diagnosis(verbose=False)
        >>> history = model.fit(x, x[:, 0] > 0, verbose=0, callbacks=[diagnosis])
        >>> diagnosis.findings[0].symptom
        'unsuitable_output_activation'

    """

    def __init__(self, target=None, stop_on=(), probe=None, field=None, verbose=True):
        super().__init__()
        stop_on = [stop_on] if isinstance(stop_on, str) else list(stop_on)
        for symptom in stop_on:
            if symptom not in RECIPES:
                nearest = difflib.get_close_matches(str(symptom), RECIPES, 1, 0.0)[0]
                raise ValueError(f"Unknown symptom {symptom!r}. Did you mean {nearest!r}?")
        if probe is not None and (not isinstance(probe, (tuple, list)) or len(probe) != 2):
            raise ValueError("`probe` must be a pair (x, y) of arrays.")
        self.target, self.stop_on, self.probe, self.field = target, stop_on, probe, field
        self.verbose = verbose
        self.monitor = GradientMonitor()
        self._reset()

    def _reset(self):
        self.findings, self.left_out = [], []
        self._history, self._batch_logs = {}, []
        self._static = []
        self._run = SimpleNamespace()
        self._since = {}  # (symptom, layer): epoch
        self._stopped = None

    # ---- results ----

    def report(self):
        """Return the findings as text: root cause first, consequences under it."""
        lines = []
        for number, finding in enumerate(self.findings, 1):
            indent = "   " if finding.consequence_of else ""
            title = f"{finding.severity}: {finding.symptom} (change: {finding.cause})"
            if finding.consequence_of:
                title = f"explained by {finding.consequence_of}: {finding.symptom}"
            lines.append(f"{indent}{number}. {title}")
            lines.append(f"{indent}   {finding.evidence}")
            if not finding.consequence_of:
                recipe = f" See {finding.recipe}." if finding.recipe else ""
                lines.append(f"{indent}   {finding.remedy}{recipe}")
        if not any(f.severity != "note" for f in self.findings):
            seen = not any(f.symptom == "no_validation_data" for f in self.findings)
            advice = "try the model on data from the field" if seen else "validate it on other rows"
            lines.insert(0, f"Nothing wrong was found: {advice}.")
        if self._stopped:
            lines.insert(0, f"Training was stopped because of {self._stopped}.")
        if self.left_out:
            lines.append("Left out: " + "; ".join(self.left_out) + ".")
        return "\n".join(lines)

    def plot(self, path=None):
        """Draw learning curves and gradients with the serious findings on them.

        Args:
            path: image file to write, or None to return the figure only.

        Returns:
            matplotlib.figure.Figure

        Raises:
            ValueError: if nothing has been recorded.

        """
        from matplotlib.figure import Figure

        if not self._history.get("loss"):
            raise ValueError("Nothing recorded yet: call `fit` with this callback first.")
        figure = Figure(figsize=(12, 6), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=[2.2, 1])
        curve, heat = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
        text = figure.add_subplot(grid[1, :])
        epochs = np.arange(1, len(self._history["loss"]) + 1)
        training, validation = (
            ("loss", "#0072B2", "training"),
            ("val_loss", "#D55E00", "validation"),
        )
        for name, color, label in (training, validation):
            if name in self._history:
                values, marker = self._history[name], "o" if len(epochs) < 20 else None
                curve.plot(epochs[-len(values) :], values, color=color, label=label, marker=marker)
        if np.all(np.array(self._history["loss"]) > 0):
            curve.set_yscale("log")
        curve.set(xlabel="epoch", ylabel="loss", title="Learning curves")
        curve.legend()
        norms, names = self.monitor.norms, self.monitor.layer_names
        if norms.size:
            rows = np.log10(np.where(np.isfinite(norms) & (norms > 0), norms, np.nan))
            image = heat.imshow(rows.T, aspect="auto", cmap="viridis", interpolation="nearest")
            figure.colorbar(image, ax=heat, label="log10 of L2 norm")
            heat.set_facecolor("lightgray")
            shown = np.arange(0, len(names), -(-len(names) // 30))
            heat.set_yticks(shown, [names[i] for i in shown])
        heat.set(xlabel="recorded step", title="Gradient norm of each layer (grey: 0, NaN or none)")
        serious = [f for f in self.findings if f.severity != "note"][:4]
        red = "#CC3311"
        box = {"color": "white", "va": "center", "bbox": {"facecolor": red, "pad": 2}}
        for number, finding in enumerate(serious, 1):
            if finding.layer in names:
                row, across = names.index(finding.layer), heat.get_yaxis_transform()
                heat.text(0.01, row, str(number), transform=across, **box)
            if finding.epoch is not None:
                place, up = (finding.epoch + 1, 1 - 0.07 * number), curve.get_xaxis_transform()
                curve.axvline(place[0], color=red, linestyle=":")
                curve.text(*place, f"{number} ", color=red, transform=up, ha="right")
        lines = [f"{n}. {f.symptom}: {f.evidence}" for n, f in enumerate(serious, 1)]
        text.text(0, 1, "\n".join(lines) or "Nothing wrong was found.", va="top", wrap=True)
        text.axis("off")
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    # ---- training ----

    def set_model(self, model):
        """Hand the model to the monitor too."""
        super().set_model(model)
        self.monitor.set_model(model)

    def set_params(self, params):
        """Hand the parameters to the monitor too."""
        super().set_params(params)
        self.monitor.set_params(params)

    def on_train_begin(self, logs=None):
        """Check the arguments, look at the model and the data, start the monitor."""
        self._reset()
        self._check_target()
        self.monitor.on_train_begin(logs)
        fit = _fit_arguments(self.model)
        run = self._run = _look_at(self.model, fit, self.probe, self.left_out)
        self._static = _apply(BEFORE, run)
        self._update(self._static)
        if self.verbose and self.findings and self.findings[0].severity == "error":
            # Now, as training may take hours, or end at once with an error of Keras.
            print(f"Before training: {self.findings[0].symptom}: {self.findings[0].evidence}")

    def _check_target(self):
        if self.target is None:
            return
        if not isinstance(self.target, dict) or not self.target:
            raise ValueError(
                f"`target` must be a dict such as {{'accuracy': 0.95}}, got {self.target!r}."
            )
        compiled = getattr(self.model, "_compile_metrics", None)
        known = {"loss"}
        for metric in keras.tree.flatten(getattr(compiled, "_user_metrics", None) or []):
            name = metric if isinstance(metric, str) else getattr(metric, "name", None)
            known.add(name or getattr(metric, "__name__", ""))
        outputs = getattr(self.model, "output_names", None) or []
        if len(outputs) > 1:
            known |= {f"{output}_{name}" for output in outputs for name in known}
        for name in self.target:
            if name.removeprefix("val_") not in known:
                text = f"`target` names {name!r}, which the model does not have; it has "
                raise ValueError(f"{text}{sorted(known)}.")

    def on_epoch_begin(self, epoch, logs=None):
        """Start the monitor's epoch."""
        self.monitor.on_epoch_begin(epoch, logs)
        self._batch_logs = []

    def on_train_batch_begin(self, batch, logs=None):
        """Let the monitor look at the gradients of this batch."""
        self.monitor.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Keep the loss as the backend holds it, so that no step waits for the device."""
        self.monitor.on_train_batch_end(batch, logs)
        if logs and "loss" in logs:
            self._batch_logs.append(logs["loss"])
            if "non_finite_loss" in self.stop_on and not np.isfinite(float(logs["loss"])):
                self._read_losses()
                self._update(self.findings)

    def _read_losses(self):
        """Turn Keras's running means of this epoch into one loss per batch."""
        means = np.array([float(value) for value in self._batch_logs])
        counts = np.arange(1, len(means) + 1)
        self._batch_logs = []
        with np.errstate(invalid="ignore"):
            losses = np.diff(means * counts, prepend=0.0)
        run = self._run
        bad = np.flatnonzero(~np.isfinite(means))
        if len(bad) and run.non_finite_at is None:
            run.non_finite_at = (len(run.losses) + int(bad[0]), means[bad[0]])
            before = [*run.losses, *losses[: bad[0]]]
            run.largest_loss = max(before, default=np.nan)
        run.losses = np.append(run.losses, losses)

    def on_epoch_end(self, epoch, logs=None):
        """Apply the rules after 1, 2, 4, 8, … epochs: so a long run pays little for them.

        They are applied after each if they are to stop the run; the probe is read at the end only,
        unless a symptom of the activations is to stop it.
        """
        self.monitor.on_epoch_end(epoch, logs)
        self._read_losses()
        self._run.epoch = epoch
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(float(value))
        count = len(self._history.get("loss", [0]))
        if self.stop_on or count & (count - 1) == 0:
            read_probe = bool(PROBED.intersection(self.stop_on))
            findings = self._static + self._seen_so_far(read_probe)
            if "high_variance" in self.stop_on:
                self._judge_scores()
                findings += _apply((high_variance,), self._run)
            self._update(findings)

    def _seen_so_far(self, read_probe):
        """Return the findings while training, each with the epoch since which it is seen."""
        run = self._run
        run.epoch_losses = self._history.get("loss", [])
        run.layer_names, run.norms = self.monitor.layer_names, self.monitor.norms
        if read_probe and run.probe_function is not None:
            what = "activations and predictions"
            seen = _attempt(self.left_out, what, run.probe_function)
            run.activations, run.predictions = seen or ({}, None)
            run.probe_function = run.probe_function if seen else None
        findings = _apply(DURING, run)
        self._since = {
            (f.symptom, f.layer): self._since.get((f.symptom, f.layer), f.epoch) for f in findings
        }
        return [replace(f, epoch=self._since[f.symptom, f.layer]) for f in findings]

    def _update(self, findings):
        if self._run.non_finite_at and not any(f.symptom == "non_finite_loss" for f in findings):
            findings = [*findings, *_apply((non_finite_loss,), self._run)]
        self.findings = _judge(findings, 1.0, False)
        for finding in findings:  # a suspicion is enough for whoever asked for it
            if finding.symptom in self.stop_on and finding.severity != "note":
                self._stopped = self._stopped or f"{finding.symptom}: {finding.evidence}"
                self.model.stop_training = True

    def _judge_scores(self):
        run = self._run
        run.history, run.field, run.targets = self._history, self.field, []
        _attempt(self.left_out, "scores", _score, run, self._history, self.target, self._static)

    def on_train_end(self, logs=None):
        """Judge the run and print the report."""
        self.monitor.on_train_end(logs)
        during = self._seen_so_far(read_probe=True)
        self._judge_scores()
        findings = self._static + during + _apply(AFTER, self._run)
        self.findings = _judge(findings, self._run.gain, True)
        if self.verbose:
            print(self.report())


# ---- looking at the model and the data ----


def _fit_arguments(model):
    """Local variables of the running `fit`: a callback is told of neither data nor batch size.

    Looks into the call stack, as Keras has no public way; {} where there is no such frame.
    """
    frame = sys._getframe()
    while frame is not None:
        if "epoch_iterator" in frame.f_locals and frame.f_locals.get("self") is model:
            return dict(frame.f_locals)
        frame = frame.f_back
    return {}


def _sample(fit):
    """Return (x, y, number of rows or None): random rows of arrays, or one batch."""
    x, y = fit.get("x"), fit.get("y")
    if y is not None and all(hasattr(a, "shape") for a in keras.tree.flatten((x, y))):
        num_rows = len(keras.tree.flatten(x)[0])
        # Random, for rows sorted by class; the probe is the beginning of the sample.
        size = min(num_rows, SAMPLE_ROWS)
        rows = np.random.default_rng(0).choice(num_rows, size, replace=False)
        return *keras.tree.map_structure(lambda a: _rows(a, rows), (x, y)), num_rows
    adapter = fit["epoch_iterator"].data_adapter
    if hasattr(adapter, "_first_batches"):  # drawn from a generator by Keras, which puts it back
        batch = adapter._first_batches[0]
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    else:
        batch = next(iter(adapter.get_numpy_iterator()))
    batch = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    batch = keras.tree.map_structure(keras.ops.convert_to_numpy, batch)
    return batch[0], batch[1] if len(batch) > 1 else None, None


def _rows(array, rows):
    """Take rows of an array, table or tensor as NumPy, without a copy of a whole tensor."""
    if not keras.ops.is_tensor(array):
        return np.asarray(array)[rows]
    return keras.ops.convert_to_numpy(keras.ops.take(array, rows, axis=0))


def _attempt(left_out, what, function, *arguments):
    """Return what the function returns; an error in it ends no training, it is noted."""
    try:
        return function(*arguments)
    except Exception as error:
        text = f"{what}: {type(error).__name__}: {error}".splitlines()[0]
        left_out.extend([text] if text not in left_out else [])
        return None


def _look_at(model, fit, probe, left_out):
    """Collect what the rules read: plain names, strings and NumPy arrays."""
    run = _nothing_yet()
    _look_at_settings(run, model, fit)
    if probe is not None:
        x, y = keras.tree.map_structure(np.asarray, tuple(probe))
        _check_probe(model, x, y)
    else:
        sample = _attempt(left_out, "checks of the data (pass `probe`)", _sample, fit)
        x, y, run.num_rows = sample or (None, None, None)
    run.complete = run.num_rows is not None
    if isinstance(model, keras.Sequential) and not model.built and hasattr(x, "shape"):
        model.build((None, *x.shape[1:]))  # as its first step would do
    layers = _flat_layers(model)
    chain = _attempt(left_out, "checks of the layers", _chain, model, layers) or {}
    for layer in layers:
        if "Dropout" in type(layer).__name__:
            run.dropout[layer.name] = layer.rate
        if isinstance(getattr(layer, "kernel", None), keras.Variable) and layer.trainable:
            run.kernels[layer.name] = keras.ops.convert_to_numpy(layer.kernel)
    _attempt(left_out, "checks between layers", _look_at_links, run, chain)
    if x is not None:
        _look_at_inputs(run, x, {type(layer).__name__ for layer in layers[:3]})
        rows = keras.tree.map_structure(lambda a: a[:PROBE_ROWS], x)
        run.probe_function = lambda: _probe(model, rows, layers)
    if y is not None:
        _attempt(left_out, "checks of the outputs", _describe_outputs, run, model, y, chain)
    if any(out.loss == "custom" for out in run.outputs):
        left_out.append("checks of the loss against the output (custom loss)")
    if not chain:
        text = "checks of layers and activations (the model is no Sequential or Functional)"
        left_out.append(text)
    return run


def _nothing_yet():
    """Return the record that the rules read, empty."""
    run = SimpleNamespace(inputs={}, outputs=[], kernels={}, linear_pairs=[], scaled_inside=set())
    run.hidden_softmax, run.dropout, run.table = [], {}, None
    run.losses, run.epoch_losses, run.norms = np.zeros(0), [], np.zeros((0, 0))
    run.activations, run.predictions, run.layer_names = {}, None, []
    run.non_finite_at, run.largest_loss, run.epoch = None, np.nan, None
    run.probe_function, run.gain, run.targets, run.curves = None, 1.0, [], []
    run.trivial = run.variance = run.field = run.num_rows = run.optimizer = None
    run.learning_rate, run.momentum = None, 0
    return run


def _look_at_settings(run, model, fit):
    """Note optimizer, learning rate and batch size."""
    optimizer = model.optimizer
    run.has_validation = fit.get("validation_data") is not None
    run.batch_size = fit.get("batch_size") or (32 if isinstance(fit.get("x"), np.ndarray) else None)
    run.optimizer = type(getattr(optimizer, "inner_optimizer", optimizer)).__name__
    run.momentum = float(getattr(optimizer, "momentum", 0) or 0) if run.optimizer == "SGD" else 0
    # Of a schedule nothing is noted: its first rate, that of a warm-up, says nothing.
    if not isinstance(optimizer.get_config().get("learning_rate"), dict):
        run.learning_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def _look_at_inputs(run, x, first_layers):
    """Note the inputs that are numbers, and whether the model scales them itself."""
    arrays = x if isinstance(x, dict) else dict(enumerate(keras.tree.flatten(x)))
    names = {key: f"input {key!r}" for key in arrays} if len(arrays) > 1 else {}
    for key, value in arrays.items():
        if _is_number(value):
            run.inputs[names.get(key, "the input")] = np.asarray(value)
    if first_layers & {"Embedding", "Rescaling", "Normalization", "BatchNormalization"}:
        run.scaled_inside = set(run.inputs)
    if len(run.inputs) == 1 and "Embedding" not in first_layers:
        (run.table,) = run.inputs.values()


def _is_number(array):
    return np.asarray(array).dtype.kind in "fiub"


def _check_probe(model, x, y):
    """Say before training that the probe does not fit."""
    rows = {len(array) for array in keras.tree.flatten((x, y))}
    if len(rows) != 1:
        raise ValueError(f"`probe` has arrays of {sorted(rows)} rows: give each the same number.")
    tensors = model.inputs if model.built and hasattr(model, "inputs") else []
    for tensor, array in zip(tensors, keras.tree.flatten(x), strict=False):
        wanted, shape = tuple(tensor.shape[1:]), array.shape[1:]
        fits = all(a in (None, b) for a, b in zip(wanted, shape, strict=False))
        if len(wanted) != len(shape) or not fits:
            raise ValueError(f"`probe` has rows of shape {shape}, the model takes {wanted}.")


def _flat_layers(model):
    layers = []
    for layer in getattr(model, "layers", []):
        layers.extend(_flat_layers(layer) if isinstance(layer, keras.Model) else [layer])
    return [layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)]


def _activation(layer):
    """Name of the activation that a layer applies, "linear" if none, None if it could not."""
    kind = type(layer).__name__
    if kind.lower() in ("relu", "sigmoid", "tanh", "softmax", "gelu", "silu", "selu", "elu"):
        return kind.lower()
    if kind in ("LeakyReLU", "LeakyRelu", "PReLU"):
        return "leaky_relu"
    if hasattr(layer, "activation") and not isinstance(layer, keras.layers.RNN):
        function = layer.activation
        name = getattr(function, "__name__", type(function).__name__.lower())
        return name if function else "linear"
    return None


def _operations(model):
    """Layers and operations such as `a + b`, those of nested models in their place."""
    for operation in getattr(model, "operations", None) or getattr(model, "layers", []):
        if isinstance(operation, keras.Model):
            yield from _operations(operation)
        elif not isinstance(operation, keras.layers.InputLayer):
            yield operation


def _edges(model, layers):
    """Yield (layer, keys of what it reads, keys of what it gives), in forward order.

    A Sequential model is a line, also where Keras has built its layers twice and `layer.output`
    is ambiguous; otherwise the keys are the ids of the symbolic tensors.
    """
    if isinstance(model, keras.Sequential) and not any(
        isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential)
        for layer in model.layers
    ):
        keys = [*range(len(layers)), id(model.outputs[0]) if model.built else None]
        yield from zip(layers, [[k] for k in keys[:-1]], [[k] for k in keys[1:]], strict=True)
        return
    for operation in _operations(model):
        try:
            given = [id(tensor) for tensor in keras.tree.flatten(operation.output)]
            yield operation, [id(t) for t in keras.tree.flatten(operation.input)], given
        except (AttributeError, ValueError):
            continue


def _chain(model, layers):
    """Follow activations, dropout and the like back to the layer that they belong to.

    Returns:
        dict: "tensors" from key to (that layer, names of what is applied after it), and "links",
        a list of (layer, names of what is applied between, next layer)

    """
    tensors, links = {}, []
    for layer, read, given in _edges(model, layers):
        sources = [tensors[key] for key in read if key in tensors]
        name, kind = _activation(layer), type(layer).__name__
        names = (
            [MAX_POOLING] if "MaxPool" in kind else [name] if name not in (None, "linear") else []
        )
        plain = kind in TRANSPARENT or "Pool" in kind
        if len(sources) == 1 and (plain or (name and not getattr(layer, "weights", None))):
            block = (sources[0][0], [*sources[0][1], *names])
        else:
            links.extend((source, between, layer) for source, between in sources)
            block = (layer, names)
        tensors.update(dict.fromkeys(given, block))
    return {"tensors": tensors, "links": links} if tensors else {}


def _look_at_links(run, chain):
    """Note pairs of Dense or convolution layers with nothing, or a softmax, between them."""
    kinds = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
    links = chain.get("links", [])
    for layer, between, following in links:
        if not (isinstance(layer, kinds) and isinstance(following, kinds)):
            continue
        units = layer.kernel.shape[-1]
        if "softmax" in between:
            run.hidden_softmax.append((layer.name, units))
        only_reader = sum(source is layer for source, _, _ in links) == 1
        if only_reader and not set(between) - {MAX_POOLING}:
            fan_in = int(np.prod(layer.kernel.shape[:-1]))
            sizes = (fan_in, units, following.kernel.shape[-1])
            run.linear_pairs.append((layer.name, following.name, sizes, bool(between)))


def _loss_name(loss):
    """Canonical name of a loss, "custom" if Keras does not know it."""
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    if isinstance(loss, keras.losses.Loss):
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(loss).__name__).lower()
    else:
        name = getattr(loss, "__name__", "custom")
    known = hasattr(keras.losses, name) or hasattr(keras.losses, type(loss).__name__)
    return name if known else "custom"


def _describe_outputs(run, model, y, chain):
    tensors = keras.tree.flatten(getattr(model, "outputs", None) or [])
    names = list(getattr(model, "output_names", None) or [])
    labels = keras.tree.flatten([y[n] for n in names] if isinstance(y, dict) else y)
    loss = model.loss
    if isinstance(loss, dict):
        loss = [loss.get(name) for name in names]
    losses = list(loss) if isinstance(loss, (list, tuple)) else [loss] * len(labels)
    for index, array in enumerate(labels):
        if not _is_number(array) or index >= len(losses) or losses[index] is None:
            continue
        out = SimpleNamespace()
        tensor = tensors[index] if index < len(tensors) else None
        block = chain.get("tensors", {}).get(id(tensor)) if tensor is not None else None
        out.layer, out.activation, out.double_softmax = None, None, False
        if block is not None:
            out.layer = block[0].name
            applied = block[1]
            simple = _activation(block[0]) is not None or applied
            out.activation = applied[-1] if applied else "linear" if simple else None
            out.double_softmax = applied.count("softmax") > 1
        out.name = names[index] if index < len(names) else out.layer or f"output {index}"
        out.units = tensor.shape[-1] if tensor is not None else None
        out.loss = _loss_name(losses[index])
        get_config = getattr(losses[index], "get_config", dict)
        out.from_logits = bool(get_config().get("from_logits", False))
        array = np.asarray(array)
        out.one_hot = array.ndim > 1 and array.shape[-1] == out.units and out.units > 1
        out.one_hot = out.one_hot and bool(np.all(array.sum(axis=-1) == 1))
        out.y, out.kind = _label_kind(array, out)
        out.gain = out.score = out.trivial = out.neighbours = None
        run.outputs.append(out)


def _label_kind(y, out):
    """Return labels (rows, columns) and onehot, multilabel, binary, sparse or regression."""
    y = y.astype("float64")
    if "sparse" in out.loss:
        return y.reshape(-1, 1), "sparse"
    columns = y.shape[-1] if y.ndim > 1 and y.shape[-1] == out.units else 1
    y = y.reshape(-1, columns)
    finite = y[np.isfinite(y)]
    if finite.size and np.all((finite == 0) | (finite == 1)):
        if columns == 1:
            return y, "binary"
        return y, "onehot" if np.all(y.sum(axis=1) == 1) else "multilabel"
    return y, "regression"


def _probe(model, rows, layers):
    """Activations of the hidden layers and predictions on the probe, without dropout."""
    hidden = {}
    for layer in layers:
        if _activation(layer) in ("relu", "sigmoid", "tanh"):
            try:
                hidden[layer.name] = (_activation(layer), layer.output)
            except (AttributeError, ValueError):
                continue
    outputs = {id(t) for t in keras.tree.flatten(getattr(model, "outputs", None) or [])}
    hidden = {n: (k, t) for n, (k, t) in hidden.items() if id(t) not in outputs}
    nested = any(isinstance(layer, keras.Model) for layer in model.layers)
    if hidden and not nested:
        tensors = [tensor for _, tensor in hidden.values()]
        reader = keras.Model(
            model.inputs if len(model.inputs) > 1 else model.inputs[0],
            [*tensors, *keras.tree.flatten(model.outputs)],
        )
        if isinstance(rows, dict):
            rows = [rows[tensor.name] for tensor in model.inputs]
        if isinstance(rows, (list, tuple)) and len(rows) == 1:
            rows = rows[0]
        values = [keras.ops.convert_to_numpy(v) for v in reader(rows, training=False)]
        kinds = [(name, kind) for name, (kind, _) in hidden.items()]
        activations = {n: (k, v) for (n, k), v in zip(kinds, values, strict=False)}
        return activations, values[len(hidden) :]
    predictions = keras.tree.flatten(model(rows, training=False))
    return {}, [keras.ops.convert_to_numpy(value) for value in predictions]


def _score(run, history, target, static):
    """Score of each output on the probe as part of the way from trivial to perfect."""
    if run.predictions is not None:
        for out, prediction in zip(run.outputs, run.predictions, strict=False):
            out.score, out.trivial, out.gain = _gain(out, prediction.astype("float64"))
    run.gain = min((out.gain for out in run.outputs if out.gain is not None), default=1.0)
    if len(run.outputs) == 1:
        out = run.outputs[0]
        if out.kind != "regression" and out.trivial is not None and out.trivial < 1:
            run.trivial = out.trivial
        elif out.loss == "mean_squared_error":
            run.variance = float(np.mean(np.var(out.y, axis=0)))
        if 0.1 <= run.gain < WELL and all(f.severity == "note" for f in static):
            out.neighbours = _vote_of_neighbours(run.table, out)
            trend, epochs = _trend(run), len(run.epoch_losses)
            settled = trend is None or np.log(2) / trend[0] > 2 * epochs
            if settled and out.neighbours is not None and out.score >= out.neighbours:
                run.gain = CONVERGED  # as well as these data allow
    if run.non_finite_at is not None:
        run.gain = -np.inf
    for name, wanted in (target or {}).items():
        metric = name.removeprefix("val_")
        train, val = ((history.get(key) or [None])[-1] for key in (metric, f"val_{metric}"))
        run.targets.append((metric, train, val, wanted))
        value = val if name != metric else train
        if value is not None:
            missed = _misses(metric, value, wanted)
            run.gain = min(run.gain, 0.0) if missed else max(run.gain, CONVERGED)
    run.curves = _curves(history)


def _vote_of_neighbours(x, out):
    """Score of predicting each probe row from the other rows nearest to it, None without rows.

    Nearest neighbours get as near to the best possible score as the rows allow, whatever the rule
    behind them (Cover & Hart, 1967; Stone, 1977), and have nothing to train.
    """
    if x is None or not len(x) == len(out.y) > 4 * NEIGHBOURS or not np.all(np.isfinite(x)):
        return None
    x = x.reshape(len(x), -1).astype("float64")
    x = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    probe = x[:PROBE_ROWS]
    distances = np.square(x).sum(axis=1) - 2 * probe @ x.T
    np.fill_diagonal(distances, np.inf)  # a row does not vote on itself
    nearest = np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    y = np.eye(int(out.y.max()) + 1)[out.y[:, 0].astype(int)] if out.kind == "sparse" else out.y
    votes = SimpleNamespace(kind=out.kind, y=out.y, from_logits=False)
    return _gain(votes, y[nearest].mean(axis=1))[0]


def _curves(history):
    """(training, validation, name, bigger is better) of accuracies, of the loss if none."""
    pairs = [name for name in history if f"val_{name}" in history]
    names = [name for name in pairs if "acc" in name] or [name for name in pairs if name == "loss"]
    return [(history[n], history[f"val_{n}"], n, "acc" in n) for n in names]


def _gain(out, prediction):
    """Return score, score of the best constant, and (score − trivial) / (1 − trivial)."""
    prediction = prediction.reshape(-1, prediction.shape[-1])
    y = out.y[: len(prediction)]
    if not np.all(np.isfinite(prediction)):
        return np.nan, 0.0, -np.inf
    if out.kind == "regression" or (prediction.shape[1] != y.shape[1] and out.kind != "sparse"):
        variance = float(np.mean(np.square(y - y.mean(axis=0))))
        score = 1 - float(np.mean(np.square(y - prediction))) / variance if variance else 1.0
        return score, 0.0, score
    if out.kind in ("onehot", "sparse"):
        labels = y[:, 0].astype(int) if out.kind == "sparse" else y.argmax(axis=1)
        guess = prediction.argmax(axis=1)
        trivial = np.bincount(np.maximum(labels, 0)).max() / len(labels)
    else:
        threshold = 0.0 if out.from_logits else 0.5
        labels, guess = y, prediction > threshold
        trivial = float(np.mean(np.maximum(y.mean(axis=0), 1 - y.mean(axis=0))))
    score = float(np.mean(labels == guess))
    return score, trivial, (score - trivial) / (1 - trivial) if trivial < 1 else score


# ---- command line ----


def diagnose_history(history, target=None):
    """Bias and variance from metrics alone.

    Args:
        history: dict from metric name to list of values per epoch, with "loss".
        target: dict from metric name to the wanted value; by default 0.7 of accuracies.

    Returns:
        list of Finding

    """
    run = _nothing_yet()
    run.history, run.epoch_losses, run.epoch = history, history["loss"], len(history["loss"]) - 1
    run.has_validation = any(name.startswith("val_") for name in history)
    _score(run, history, target, [])
    if not target:
        names = [n for n in history if "acc" in n and not n.startswith("val_") and history[n]]
        run.targets = [(name, history[name][-1], None, WELL) for name in names]
    for train, _, _, accuracy in run.curves or [(history["loss"], None, "loss", False)]:
        run.gain = min(run.gain, train[-1] if accuracy else 1 - train[-1] / train[0])
    return _judge(_apply(AFTER, run), run.gain, True)


def read_csv(path):
    """Read a log of `CSVLogger` into a dict of lists.

    Raises:
        ValueError: if the file cannot be read, has no rows or no column "loss".

    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The log {os.fspath(path)!r} cannot be read: {error}.") from error
    columns = list(rows[0]) if rows else []
    if "loss" not in columns:
        raise ValueError(f"The log {os.fspath(path)!r} needs the column 'loss'; it has {columns}.")
    try:
        return {
            n: [float(r[n]) for r in rows if r[n] not in ("", "NA", None)] for n in columns if n
        }
    except ValueError as error:
        raise ValueError(
            f"The log {os.fspath(path)!r} has a value that is no number: {error}."
        ) from error


def main(argv=None):
    """Judge a log of `CSVLogger`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m callbacks.diagnosis", description=__doc__.splitlines()[0]
    )
    parser.add_argument("log", help="CSV file written by keras.callbacks.CSVLogger")
    parser.add_argument(
        "--target", metavar="METRIC=VALUE", help="e.g. accuracy=0.95; 0.7 of accuracies"
    )
    options = parser.parse_args(argv)
    try:
        history, target = read_csv(options.log), None
        if options.target:
            name, _, value = options.target.partition("=")
            if name not in history:
                raise ValueError(f"The log has no column {name!r}; it has {list(history)}.")
            target = {name: float(value)}
        diagnosis = Diagnosis()
        diagnosis.findings = diagnose_history(history, target)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(diagnosis.report())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
