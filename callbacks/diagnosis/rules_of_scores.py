"""Rules of the scores: bias, variance, patience, the field."""
# ruff: noqa: D401 - the docstring of a rule is its meaning

import numpy as np

from .finding import SUSPICION, Seen, rule
from .scores import CHANCE, CONVERGED, WELL, classes_of, misses, trend_of

NG = "Ng (2018), Machine Learning Yearning, ch. 20-22"


def _has_turned(losses):
    """Tell whether the best validation loss lies behind."""
    return len(losses) > 2 and int(np.argmin(losses)) < len(losses) - 2


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
    few = 0 < len(run.losses) < few_updates and run.known_gain < WELL
    if trend is None:
        if few and np.all(np.isfinite(run.losses)):
            text = f"There were only {len(run.losses)} updates."
            yield Seen(text, "Train on, or use smaller batches: some hundred updates at least.")
        return
    halving, text = _pace(trend, epochs)
    if halving <= patience * epochs and run.known_gain < CONVERGED:
        val = run.history.get("val_loss") or []
        worth_it = trend[0] >= 0.1 and run.known_gain < 0.85 and not _has_turned(val)
        steep = halving <= 2 * epochs and (worth_it or run.known_gain < WELL)
        remedy = f"Train on (about {epochs + max(1, int(3 * halving))} epochs at this pace) for as "
        remedy += "long as the validation loss falls."
        yield Seen(text, remedy, severity="warning" if steep else None)
    elif (
        halving > patience * epochs
        and run.known_gain < WELL / 2
        and 0 < len(run.losses) < few_updates
    ):
        text += f" Those were {len(run.losses)} updates."
        remedy = f"Train for {-(-1000 * epochs // len(run.losses))} epochs, or use smaller batches."
        yield Seen(text, remedy)


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
        if str(run.optimizer).startswith(("Adam", "Nadam", "RMSprop", "Lion")):
            remedy = "Use a learning rate ten times as large"
            remedy += "." if run.learning_rate is None else f" ({10 * run.learning_rate:g})."
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
            text = f"Training {out.measure} of {out.where} is {out.score:.3f}; a constant "
            text += f"prediction has {trivial:.3f}."
            few = 0 < len(run.losses) < 100  # so few updates say nothing about the capacity
            severity = None if out.gain < WELL / 2 and not few else "note"
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
            positive = min(train[-1], min(val)) > 0  # twice as much says nothing of others
            bad = positive and last > 2 * train[-1] and (far or last > 1.5 * min(val))
            level = None if run.variance is None else 1 - last / run.variance
        if bad:
            text = f"{name} is {train[-1]:.4g} in training and {last:.4g} in validation (best "
            text += f"{(max if is_accuracy else min)(val):.4g})"
            return _Gap(text, level, level is not None and level < 0.1 and run.known_gain >= WELL)
    return None if run.curves else _measured_gap(run)


def _measured_gap(run, limit=0.25):
    """Return the gap between scores measured on rows of both, where no curve shows one."""
    for out in run.outputs:
        if out.validation_score is None or out.gain is None or out.gain < WELL:
            continue
        if out.gain - out.validation_gain > limit and out.validation_gain < WELL:
            text = f"{out.measure} is {out.score:.3f} on training rows and "
            text += f"{out.validation_score:.3f} on validation rows, measured at the end"
            return _Gap(text, out.validation_gain, out.validation_gain < CHANCE)
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


@rule(
    symptom="imbalanced_classes",
    when="end",
    severity="warning",
    change="data",
    recipe="class_imbalance",
    source="King & Zeng (2001), Logistic regression in rare events data",
)
def imbalanced_classes(run, part=0.4, ranked=0.65):
    """Rare classes are hardly predicted although the model ranks them above the others.

    Told apart from a model that has learned nothing by the rank of the scores: the area under the
    curve (AUC) is 0.5 if the scores know nothing.
    """
    for out in run.outputs:
        y, prediction = _held_out(out)
        if not out.balanced or out.gain is None or out.gain >= WELL or prediction is None:
            continue
        labels = classes_of(out, y)
        guesses = classes_of(out, prediction, predicted=True)
        counts = np.bincount(labels)
        rare = [c for c in np.flatnonzero(counts) if c != counts.argmax()]
        share, given = (float(np.mean(np.isin(v, rare))) for v in (labels, guesses))
        auc = float(np.mean([_auc(_scores_of(prediction, c), labels == c) for c in rare]))
        if given < part * share and auc > ranked:
            text = (
                f"Rare classes are {share:.1%} of the labels of {out.where} and {given:.1%} of the "
            )
            text += f"predictions, though the scores rank them well (AUC {auc:.2f}): balanced "
            text += f"accuracy {out.score:.2f}."
            weights = {int(c): float(f"{len(labels) / len(counts) / counts[c]:.2g}") for c in rare}
            weights |= {
                int(counts.argmax()): float(f"{len(labels) / len(counts) / counts.max():.2g}")
            }
            remedy = f"Pass class_weight={dict(sorted(weights.items()))} to fit, and watch AUC or "
            yield Seen(text, f"{remedy}balanced accuracy; or lower the threshold.")


@rule(
    symptom="class_weights_too_strong",
    when="end",
    severity=SUSPICION,
    change="loss",
    recipe="class_imbalance",
    source="King & Zeng (2001): weights of n / (classes × count) balance, more turns over",
)
def class_weights_too_strong(run, over=10.0):
    """Class weights or sample weights turn the balance over: the common class no longer counts."""
    for out in run.outputs[:1]:
        if out.kind not in ("binary", "onehot", "sparse") or out.y is None:
            continue
        labels = classes_of(out, out.y)
        counts = np.bincount(labels).astype("float64")
        present = np.flatnonzero(counts)
        if run.class_weight:
            each = np.array([run.class_weight.get(int(c), 1.0) for c in range(len(counts))])
        elif run.weights is not None and run.weights.shape[:1] == labels.shape:
            each = np.array([run.weights[labels == c].mean() if counts[c] else 0 for c in present])
            each = np.bincount(present, each)
        else:
            continue
        total = each * counts
        common = int(counts.argmax())
        ratio = total[present].max() / max(total[common], 1e-12)
        if len(present) > 1 and ratio > over:
            text = (
                f"Class {common} is {counts[common] / counts.sum():.0%} of the labels but weighs "
            )
            text += f"{ratio:.3g} times less than another class in the loss."
            fair = {
                int(c): float(f"{counts.sum() / len(present) / counts[c]:.2g}") for c in present
            }
            yield Seen(text, f"Balance, no more: class_weight={fair}.", severity="warning")


@rule(
    symptom="split_mismatch",
    when="end",
    severity="warning",
    change="data",
    recipe="data_mismatch",
    source="Rabanser et al. (2019), Failing loudly: compare the two sets before the scores",
)
def split_mismatch(run, classes=0.4, scale=3.0, moved=1.0):
    """Validation rows are not drawn, or not prepared, like training rows.

    Compared are the shares of the classes and the range, mean and spread of the inputs. A run whose
    validation score is good all the same gets a note.
    """
    good = run.held_out_gain is not None and run.held_out_gain >= WELL
    severity = "note" if good else None
    for out in run.outputs:
        if out.validation_y is None or out.kind not in ("binary", "onehot", "sparse"):
            continue
        first, second = classes_of(out, out.y), classes_of(out, out.validation_y)
        size = int(max(first.max(), second.max())) + 1
        first, second = (np.bincount(v, minlength=size) / len(v) for v in (first, second))
        apart = 0.5 * float(np.abs(first - second).sum())
        chance = 0.4 * np.sqrt(size * (1 / len(out.y) + 1 / len(out.validation_y)))
        if apart > classes + chance:
            worst = int(np.abs(first - second).argmax())
            text = f"Class {worst} is {first[worst]:.0%} of the training labels and "
            text += f"{second[worst]:.0%} of the validation labels of {out.where}."
            remedy = "Shuffle rows and labels together before they are split."
            if run.validation_split:
                remedy = "validation_split takes the last rows and these are sorted: s" + remedy[1:]
            yield Seen(text, remedy, severity=severity)
            return
    for name, x in run.inputs.items():
        other = run.validation_inputs.get(name)
        if other is None or run.windows or other.shape[1:] != x.shape[1:] or len(other) < 16:
            continue
        if "Embedding" in str(run.scaled_inside) or x.dtype.kind != "f":
            continue
        x, other = (a[np.isfinite(a).reshape(len(a), -1).all(axis=1)] for a in (x, other))
        if not len(x) or not len(other):
            continue
        spreads = float(x.std()), float(other.std())
        ratio = max(spreads) / max(min(spreads), 1e-12)
        shift = abs(float(x.mean()) - float(other.mean())) / max(spreads[0], 1e-12)
        columns = 0.0
        if x.ndim == 2 and x.shape[1] <= 256:
            columns = np.abs(x.mean(0) - other.mean(0)) / np.maximum(
                x.std(0), 1e-6 + 1e-3 * x.std()
            )
            columns = float(np.median(columns))
        if ratio > scale or shift > moved or columns > moved:
            text = f"Validation values of {name} have mean {other.mean():.3g} and spread "
            text += f"{spreads[1]:.3g}, training values {x.mean():.3g} and {spreads[0]:.3g}."
            remedy = (
                "Prepare validation rows exactly as training rows (same scaling, fitted on the "
            )
            yield Seen(text, f"{remedy}training rows).", severity=severity, change="preprocessing")
            return


@rule(
    symptom="rows_on_both_sides",
    when="end",
    severity="warning",
    change="data",
    recipe="train_validation_test_split",
    source="Kaufman et al. (2012), Leakage in data mining",
)
def rows_on_both_sides(run, share=0.5):
    """Validation rows are training rows too, so that the score says nothing about new rows.

    Of N training rows n are in the sample: of shared rows a part n / N is found in it.
    """
    for name, x in run.inputs.items():
        other = run.validation_inputs.get(name)
        if other is None or not run.num_rows or other.shape[1:] != x.shape[1:] or len(other) < 20:
            continue
        known, seen = [row.tobytes() for row in x], [row.tobytes() for row in other]
        if len(set(known)) < 0.95 * len(known) or x.dtype != other.dtype:
            continue  # rows of few values are equal by chance
        found = sum(map(set(known).__contains__, seen))
        shared = found / len(seen) * run.num_rows / len(known)
        if found >= 5 and shared > share:
            text = f"About {min(shared, 1):.0%} of the validation rows of {name} are training rows."
            yield Seen(text, "Split before rows are repeated or augmented; validate on other rows.")


@rule(
    symptom="frozen_features",
    when="end",
    severity=SUSPICION,
    change="layers",
    recipe=None,
    source="Yosinski et al. (2014), How transferable are features in deep neural networks?",
)
def frozen_features(run, gain=0.35):
    """Most layers are frozen, and what they give does not tell the labels."""
    frozen = [name for name in run.frozen if name not in run.batch_norms]
    if frozen and run.trainable != 0 and len(frozen) >= len(run.kernels) and run.known_gain < gain:
        text = (
            f"{len(frozen)} layers with weights are frozen ({', '.join(frozen[:3])}) and the run "
        )
        text += "scores little better than a constant: their features hardly tell the labels."
        remedy = (
            "Prepare the inputs as the frozen layers were trained with (their preprocess_input), "
        )
        yield Seen(text, f"{remedy}or set trainable=True at a tenth of the learning rate.")


@rule(
    symptom="inputs_tell_nothing",
    when="end",
    severity="warning",
    change="data",
    recipe="sanity_checks",
    source="Zhang et al. (2017): a network can learn labels that belong to nothing",
)
def inputs_tell_nothing(run, rows=200):
    """On held-out rows neither the network nor a simple model does better than a constant."""
    for out in run.outputs[:1]:
        simple = out.simple
        if simple is None or out.validation_gain is None or len(out.validation_y) < rows:
            continue
        if out.balanced:  # a threshold that is never reached looks the same
            continue
        trivial = out.trivial or 0.0
        possible = (simple[0] - trivial) / (1 - trivial) if trivial < 1 else 0
        if out.validation_gain < CHANCE and possible < CHANCE:
            text = f"On {len(out.validation_y)} validation rows {out.measure} is "
            text += f"{out.validation_score:.3f}, of {simple[1]} {simple[0]:.3f}; a constant "
            text += f"prediction has {trivial:.3f}: these inputs do not tell these labels."
            remedy = "Check that each label stands at its own row (shuffled apart, sorted, zipped "
            yield Seen(text, f"{remedy}wrongly), then that the inputs hold what decides.")


@rule(
    symptom="repeats_last_value",
    when="end",
    severity="warning",
    change="preprocessing",
    recipe="sequence_baseline",
    source="Hyndman & Athanasopoulos (2021), Forecasting, ch. 5.2 and 5.8: the naive forecast",
)
def repeats_last_value(run, skill=0.1):
    """A forecast no better than repeating a value that stands in its inputs."""
    if not run.windows or run.table is None or len(run.outputs) != 1:
        return
    out = run.outputs[0]
    x = run.table if out.validation_prediction is None else run.validation_table
    y, prediction = _held_out(out)
    if out.kind != "regression" or y.shape[1] != 1 or prediction is None or x is None:
        return
    prediction = np.asarray(prediction, "float64").reshape(len(prediction), -1)
    if prediction.shape[1] != 1 or len(x) < len(prediction):
        return
    last = x.shape[-1] if x.ndim == 3 and x.shape[1] > 1 else 1
    y, x = y[: len(prediction), 0], x[: len(prediction)].reshape(len(prediction), -1)
    naive = float(np.min(np.mean(np.square(x[:, -last:] - y[:, None]), axis=0)))
    own = float(np.mean(np.square(prediction[:, 0] - y)))
    if naive > 1e-6 * y.var() and naive < 0.9 * y.var() and own > (1 - skill) * naive:
        text = (
            f"Repeating the last value has mean squared error {naive:.3g}, the network {own:.3g}: "
        )
        text += f"{1 - own / naive:.0%} skill. The level of the series hides its changes."
        remedy = "Forecast the change since the last value, scaled to variance 1, and give the "
        yield Seen(text, f"{remedy}network the changes.")


@rule(
    symptom="uninformative_metric",
    when="end",
    severity="note",
    change="loss",
    recipe="loss_function",
    source="definition: accuracy counts equal numbers",
)
def uninformative_metric(run):
    """Accuracy is watched in a regression: it counts predictions equal to their target."""
    regression = [o for o in run.outputs if o.kind == "regression" and "crossentropy" not in o.loss]
    named = [name for name in run.metrics if "acc" in name]
    if regression and len(regression) == len(run.outputs) and named:
        text = f"{named[0]!r} says nothing about {regression[0].where}, whose targets are numbers."
        yield Seen(text, "Compile with metrics=['mae'] and judge by the validation loss.")


@rule(
    symptom="zero_output",
    when="end",
    severity="warning",
    change="activation",
    recipe="loss_function",
    source="relu has no gradient below 0",
)
def zero_output(run, share=0.2):
    """The output's relu stands at 0 where the targets are not."""
    for out in run.outputs:
        if out.activation != "relu" or out.prediction is None or out.kind != "regression":
            continue
        prediction = out.prediction.reshape(-1, out.y.shape[1])
        y = out.y[: len(prediction)]
        stuck = float(np.mean((prediction[: len(y)] <= 0) & (y > 0)))
        if stuck > share:
            text = f"{stuck:.0%} of the predictions of {out.where} are 0 where the target is not."
            yield Seen(text, f"Give {out.layer!r} activation='linear'.", out.layer)


def _held_out(out):
    """Labels and predictions of the validation rows, of the training rows if there are none."""
    if out.validation_prediction is not None and out.validation_y is not None:
        return out.validation_y[: len(out.validation_prediction)], out.validation_prediction
    if out.prediction is None:
        return out.y, None
    return out.y[: len(out.prediction)], out.prediction


def _scores_of(prediction, label):
    """Score that a prediction gives to a class, array (rows,)."""
    prediction = np.asarray(prediction, "float64").reshape(len(prediction), -1)
    return prediction[:, label] if prediction.shape[1] > 1 else prediction[:, 0]


def _auc(scores, positive):
    """Area under the curve: how often a positive row has the higher score."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    order = (np.cumsum(counts) - (counts + 1) / 2)[place]  # rows of equal score share a rank
    num, other = int(positive.sum()), int((~positive).sum())
    if not num or not other:
        return 0.5
    return float((order[positive].sum() - num * (num - 1) / 2) / (num * other))
