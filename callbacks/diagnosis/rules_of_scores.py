"""Rules of the scores: bias, variance, patience, the field."""
# ruff: noqa: D401 - the docstring of a rule is its meaning

import numpy as np

from .finding import SUSPICION, Seen, rule
from .scores import CONVERGED, WELL, misses, trend_of

NG = "Ng (2018), Machine Learning Yearning, ch. 20-22"


def _pace(trend, epochs):
    """Return the epochs that halving the loss takes, and a sentence that says so."""
    rate, after = trend
    halving = np.log(2) / rate
    text = f"The loss fell by {1 - np.exp(-rate):.2%} per epoch at the end (to {after:.4g}); "
    return halving, text + f"halving it takes {halving:.3g} epochs, {epochs} were trained."


@rule(
    symptom="stopped_too_soon",
    when="end",
    severity=SUSPICION,
    change="epochs",
    recipe="train_longer",
    source="Goodfellow et al. (2016), ch. 8; gradient descent at the rate α takes 1 / (α λ) steps "
    "along a curvature λ: 100 at the usual 0.01 where the inputs have variance 1",
)
def stopped_too_soon(run, patience=10, few_updates=100):
    """The loss still falls, fast enough to wait for it, or there were hardly any updates.

    A run that trains well is only warned of if the loss falls by a tenth per epoch.
    """
    trend, epochs = trend_of(run), len(run.epoch_losses)
    if trend is None:
        return
    halving, text = _pace(trend, epochs)
    if halving <= patience * epochs and run.known_gain < CONVERGED:
        steep = halving <= 2 * epochs and (trend[0] >= 0.1 or run.known_gain < WELL)
        remedy = f"Train for {epochs + max(1, int(3 * halving))} epochs."
        yield Seen(text, remedy, severity="warning" if steep else None)
    elif (
        halving > patience * epochs
        and run.known_gain < WELL / 2
        and 0 < len(run.losses) < few_updates
    ):
        text += f" Those were {len(run.losses)} updates."
        yield Seen(text, f"Train for {-(-1000 * epochs // len(run.losses))} epochs.")


@rule(
    symptom="slow_convergence",
    when="end",
    severity=SUSPICION,
    change="learning_rate",
    recipe="optimizer_comparison",
    source="Goodfellow et al. (2016), ch. 8",
)
def slow_convergence(run, patience=10, few_updates=100):
    """The loss falls so slowly that patience is not the remedy: the step is.

    Halving the loss takes more than ten times the epochs trained.
    """
    trend, epochs = trend_of(run), len(run.epoch_losses)
    if trend is None or run.known_gain >= WELL / 2 or 0 < len(run.losses) < few_updates:
        return
    halving, text = _pace(trend, epochs)
    if halving > patience * epochs:
        plain = run.optimizer == "SGD" and not run.momentum and (run.learning_rate or 0) < 0.1
        remedy = "Use Adam, or a learning rate ten times as large."
        if (run.learning_rate or 0) >= 0.1:
            remedy = "Try learning rates ten times smaller, and ten times larger."
        yield Seen(text, remedy, change="optimizer" if plain else None)


@rule(
    symptom="high_bias",
    when="end",
    severity="warning",
    change="layers",
    recipe="model_capacity",
    source=f"{NG}; Cover & Hart (1967) for the nearest rows",
)
def high_bias(run):
    """Training itself ends near the score of a constant prediction, or misses the target."""
    for metric, train, _, wanted in run.targets:
        if train is not None and misses(metric, train, wanted):
            text = f"Training {metric} {train:.4g} misses the target {wanted:g}."
            yield Seen(text, "Give the model more units or layers, or train longer.")
    for out in run.outputs if not run.targets else []:
        if out.gain is not None and -np.inf < out.gain < WELL:
            trivial = out.trivial or 0.0
            text = f"Training {out.measure} of {out.name!r} is {out.score:.3f}; a constant "
            text += f"prediction has {trivial:.3f}."
            severity = None if out.gain < WELL / 2 else "note"
            remedy = "Give the model more units or layers; check that the inputs tell the target."
            if run.known_gain >= WELL and out.simple is not None:
                text += f" A simple model ({out.simple[1]}) reaches {out.simple[0]:.3f}."
                severity, remedy = "note", "The inputs may not tell more: give a `target`."
            yield Seen(text, remedy, severity=severity)


@rule(
    symptom="high_variance",
    when="end",
    severity="warning",
    change="data",
    recipe="dropout",
    source=f"{NG}; Prechelt (1998), Early stopping - but when?",
)
def high_variance(run, gap_limit=0.1):
    """Validation lacks more to training than training lacks to the target.

    Without a target, accuracies may differ by a tenth. A loss has no scale of its own: squared
    errors are compared with the variance of the targets, others with the best validation loss of
    the run. A model that does well on validation data too gets a note.
    """
    remedy = "More data, augmentation, Dropout or weight decay; stop at the best epoch."
    for metric, train, val, wanted in run.targets:
        missed = val is not None and misses(metric, val, wanted)
        if missed and (train is None or abs(train - val) > abs(wanted - train)):
            text = f"Validation {metric} {val:.4g} misses the target {wanted:g}"
            text += "." if train is None else f"; training has {train:.4g}."
            yield Seen(text, remedy)
    gap = _gap(run, gap_limit)
    if gap and not gap.unrelated:
        severity = None if gap.level is None or gap.level < WELL else "note"
        yield Seen(f"{gap.text}.", remedy, severity=severity)


@rule(
    symptom="label_problem",
    when="end",
    severity="warning",
    change="data",
    recipe=None,
    source="Zhang et al. (2017), Understanding deep learning requires rethinking generalization",
)
def labels_learned_by_heart(run, gap_limit=0.1):
    """Training does well, validation no better than a constant: labels and rows do not belong."""
    gap = _gap(run, gap_limit)
    if gap and gap.unrelated:
        text = f"{gap.text}, where a constant prediction does as well."
        remedy = "Check that each label stands at its own row, and that the validation "
        yield Seen(text, f"{remedy}data are drawn and prepared like the training data.")


class _Gap:
    """First curve whose validation is much worse than its training, in words."""

    def __init__(self, text, level, unrelated):
        self.text, self.level, self.unrelated = text, level, unrelated


def _gap(run, gap_limit):
    if any(val is not None for _, _, val, _ in run.targets):
        return None
    for train, val, name, is_accuracy in run.curves:
        last, gap = val[-1], abs(val[-1] - train[-1])
        if len(val) < 2 or not np.all(np.isfinite([train[-1], last])):
            continue
        if is_accuracy:
            bad = train[-1] > last and gap > gap_limit and (1 - last) > 2 * (1 - train[-1])
            level = None if run.trivial is None else (last - run.trivial) / (1 - run.trivial)
        else:
            far = run.variance is not None and gap > gap_limit * run.variance
            bad = last > 2 * train[-1] and (far or last > 1.5 * min(val))
            level = None if run.variance is None else 1 - last / run.variance
        if bad:
            text = f"{name} is {train[-1]:.4g} in training and {last:.4g} in validation (best "
            text += f"{(max if is_accuracy else min)(val):.4g})"
            return _Gap(text, level, level is not None and level < 0.1 and run.known_gain >= WELL)
    return None


@rule(
    symptom="data_mismatch",
    when="end",
    severity="warning",
    change="data",
    recipe="data_mismatch",
    source="Ng (2018), ch. 36-41: such a gap is no overfitting",
)
def data_mismatch(run, gap_limit=0.1):
    """The field does worse than validation."""
    for name, value in (run.field_metrics or {}).items():
        values = run.history.get(f"val_{name}")
        if values and values[-1] - value > gap_limit and "loss" not in name:
            text = f"{name} is {values[-1]:.4g} on validation data and {value:.4g} in the field."
            yield Seen(text, "Put data from the field into the validation and the training set.")


@rule(
    symptom="no_validation_data",
    when="end",
    severity="note",
    change="data",
    recipe="train_validation_test_split",
    source=NG,
)
def no_validation_data(run):
    """Without validation data nobody sees whether the model generalizes."""
    if not run.has_validation:
        text = "No validation data: high variance cannot be seen."
        yield Seen(text, "Pass validation_data, or validation_split=0.2 with shuffled rows.")
