"""Rules of losses: one that does not fit the labels, one of the user's own, several at once."""

from dataclasses import replace

import numpy as np

from .finding import SUSPICION, Seen, rule
from .graph import loss_name
from .rules_of_model import UNBOUNDED
from .scores import WELL, squared_distances, tables_of, told_within
from .target import USUAL, auc, held_out


@rule("unsuitable_loss", "start", "warning", change="loss", recipe="loss_function")
def unsuitable_loss(run):
    """The loss is flat where the predictions are wrong, or is made for other labels.

    Squared and absolute errors of a probability have vanishing gradients where it is wrong. The
    absolute error is least at the median, for class labels the majority class whatever the input.

    Source: Golik, Doetsch & Ney (2013), Cross-entropy vs. squared error training.
    """
    for out in run.outputs:
        text, severity = _loss_against_labels(out)
        if text:
            remedy = f"Compile with loss={_usual(out)!r}."
            yield Seen(f"Output {out.name!r}: {text}.", remedy, out.layer, severity)


def _usual(out):
    """Return the name of the loss that is usual for such labels."""
    if out.loss == "categorical_crossentropy" and out.units == 1:
        return "binary_crossentropy"
    return loss_name(USUAL[out.kind][1]())


def _loss_against_labels(out):
    """Return what is wrong and its severity, (None, None) if nothing."""
    categorical = out.loss == "categorical_crossentropy"
    if categorical and out.units == 1:
        return "categorical_crossentropy over 1 unit is 0 whatever the label", "error"
    if "kl_divergence" in out.loss or out.loss == "kullback_leibler_divergence":
        loose = out.kind != "regression" and out.activation in ("sigmoid", *UNBOUNDED)
        if loose or np.any(abs(out.y.sum(axis=-1) - 1) > 1e-2):
            return f"{out.loss} compares distributions, and these do not sum to 1", "warning"
    if out.kind == "regression":
        if categorical and np.any(abs(out.y.sum(axis=-1) - 1) > 1e-3):
            return "categorical_crossentropy on targets that do not sum to 1", "warning"
        return _loss_against_numbers(out)
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


def _loss_against_numbers(out, near=0.01):
    """Return what is wrong with the loss of a regression and its severity, or (None, None)."""
    size = np.abs(out.y)
    if out.loss == "mean_absolute_percentage_error":
        small = float(np.mean(size < near * size.mean()))
        if small > 0:
            text = f"{out.loss} divides by the targets, and {small:.1%} of them are next to 0"
            return text, SUSPICION
    if out.loss == "mean_squared_logarithmic_error" and out.y.min() < 0:
        return f"{out.loss} takes negative targets for 0 ({np.mean(out.y < 0):.0%} of them)", None
    return None, None


@rule("unsuitable_loss", "start", "warning", change="loss", recipe="loss_function")
def idle_columns(run):
    """To a loss of one's own it makes no difference in which row a column of the labels stands.

    Source: NumPy, Broadcasting: weights (n, 1) times errors (n,) are (n, n), all by all.
    """
    for out in run.outputs:
        for column in out.idle_columns:
            text = f"{out.own_loss} stays the same where column {column} of the labels is shuffled "
            text += "among the rows: it does not read it, or multiplies that of each row with what "
            text += "belongs to all others, as shapes (n, 1) and (n,) broadcast to (n, n)."
            remedy = "If it is not for a metric alone, give all parts one shape: y_true[:, 1:] "
            yield Seen(text, f"{remedy}beside y_pred, or y_true[:, 1] beside y_pred[:, 0].")


@rule("unsuitable_loss", "start", "error", change="loss", recipe="loss_function")
def rows_read(run):
    """A loss of one's own reads the predictions of a few rows of each batch, whatever their labels.

    Source: NumPy, Indexing: y[0] is the first row of a batch, y[:, 0] the first column of all.
    """
    for out in run.outputs:
        if out.rows_read:
            text = f"{out.own_loss} stays the same whatever is predicted for all but "
            text += f"{out.rows_read} rows of a batch of 16, with the same labels in all: from the "
            text += "others nothing is learned."
            remedy = "In a loss the first axis is that of the rows: y_pred[0] is a row, and "
            yield Seen(text, f"{remedy}y_pred[:, 0] is a column.")


@rule("shapes_broadcast", "start", "warning", change="loss")
def loss_of_all_pairs(run):
    """A loss of one's own has a number for each pair of rows, and takes the mean of no axis.

    Where pairs are meant, as of a ranking, their mean is part of the loss.

    Source: broadcasting: (n,) against (n, 1) makes (n, n).
    """
    for out in run.outputs:
        if out.compares_all_rows:
            text = f"Of n rows {out.own_loss[0].lower()}{out.own_loss[1:]} is n × n numbers: what "
            text += "is computed of each row, (n,), and the labels, (n, 1), fit by broadcasting "
            text += "only, so that each row is compared with the labels of all."
            remedy = "Let both have one shape: keepdims=True in a sum, mean or norm over the "
            yield Seen(text, f"{remedy}columns, or labels[:, 0]; then the loss has n numbers.")


@rule("unsuitable_loss", "start", "error", change="loss", recipe="loss_function")
def own_loss(run):
    """A loss of one's own, tried on right, permuted and slightly changed predictions.

    Source: properties of any loss: finite, least at the right answer, never flat.
    """
    for out in run.outputs:
        seen = out.properties
        if not seen:
            continue
        right, wrong = seen["right"], seen["wrong"]
        good = np.isfinite(right) and right < wrong
        swapped = seen.get("swapped_right", np.nan), seen.get("swapped_wrong", np.nan)
        numbers = f"{right:.3g} for right, {wrong:.3g} for permuted predictions"
        if "of_row" in seen:
            place = f"{abs(seen['of_row'])} {'before' if seen['of_row'] > 0 else 'after'} it"
            text = f"{out.own_loss} is {numbers}. It is least where each prediction is that of the "
            text += f"row {place} in the batch: predictions are compared with labels of other rows."
            yield Seen(text, "Compare y_true and y_pred as they are, row by row.")
        elif not good and np.all(np.isfinite(swapped)) and swapped[0] < swapped[1]:
            text = f"{out.own_loss} is {numbers}; with its arguments exchanged "
            text += f"{swapped[0]:.3g} and {swapped[1]:.3g}: they are in the wrong order."
            yield Seen(text, "Keras calls loss(y_true, y_pred): define it in this order.")
        elif not seen["finite"]:
            text = f"{out.own_loss} is not finite: {numbers}."
            yield Seen(text, "Keep logarithms and divisions away from 0: add 1e-7, or clip.")
        elif seen["moves"] == 0:
            text = f"{out.own_loss} does not change with the predictions: no gradient."
            remedy = "Compute it with keras.ops, without rounding, argmax or comparisons."
            yield Seen(text, remedy, out.layer)
        elif not seen.get("by_row", True) and (run.num_light or run.class_weight):
            what = f"{run.num_light} rows of the sample that weigh nothing"
            what = what if run.num_light else f"class_weight={run.class_weight}"
            text = f"{out.own_loss} is one number for a batch: weights multiply it as a whole, and "
            text += f"change nothing for {what}."
            remedy = "Return a loss for each row: keras.ops.mean(…, axis=-1), and no mean over all."
            yield Seen(text, remedy, out.layer, SUSPICION)
        elif not seen["reads_labels"]:
            text = f"{out.own_loss} is the same whatever the labels are."
            remedy = "If that is not meant, as of pairs or views of a row: compare with y_true."
            yield Seen(text, remedy, severity=SUSPICION)
        elif np.isclose(right, wrong, rtol=1e-5, atol=0):
            text = f"{out.own_loss} is {right:.3g} for right and for permuted "
            text += "predictions alike: each prediction is compared with the labels of all rows"
            if not out.label_shape:
                text += ", as shapes (n,) and (n, 1) broadcast to (n, n)"
            remedy = "Give labels and predictions the same shape: y[:, None] for one column."
            yield Seen(f"{text}.", remedy)
        elif right > wrong:
            text = f"{out.own_loss} is larger for right predictions: {numbers}. "
            text += "The smaller it gets, the more predictions contradict the labels."
            remedy = "Check its sign, and whether it takes the output for what it is (a distance "
            remedy += f"or a likeness, a score or a probability); usual is loss={_usual(out)!r}."
            severity = SUSPICION
            if seen.get("opposite", wrong) < wrong:
                text += f" It is least, {seen['opposite']:.3g}, for their opposite."
                remedy += " Keras's own losses of likeness are negative: cosine_similarity is -1 "
                remedy += "for equal directions, and 1 + cosine_similarity 0."
                severity = "warning"
            yield Seen(text, remedy, severity=severity)
        elif seen.get("flattened", right) < right - 0.02 * (wrong - right):
            text = f"{out.own_loss} is {right:.3g} for right predictions and smaller, "
            text += f"{seen['flattened']:.3g}, where all are moved towards their mean by a fifth: "
            text += "it makes predictions flat."
            remedy = "Divide by the variance of the errors, not of the predictions, and leave out "
            yield Seen(text, f"{remedy}what rewards a small spread; usual is loss={_usual(out)!r}.")
        elif seen.get("blank", (0, wrong))[1] <= right + 0.02 * (wrong - right):
            text = f"{out.own_loss} is {seen['blank'][1]:.3g} where all predictions are "
            text += f"{seen['blank'][0]:g}, a label that comes often, and {right:.3g} for right "
            text += "ones: it leaves out what is predicted to be that, not what is labelled so."
            remedy = "Keras calls loss(y_true, y_pred): mask by the labels."
            yield Seen(text, remedy)
        elif "costs" in seen and _is_rare_one_cheap(out, *seen["costs"]):
            text = f"In {out.own_loss[0].lower()}{out.own_loss[1:]} a mistake at label 0 costs "
            text += f"{seen['costs'][0]:.2g}, one at label 1 {seen['costs'][1]:.2g}, and the cheap "
            text += "one is the rare one: it is hardly asked for. Are the weights exchanged?"
            remedy = "Let a row of the rare class weigh more than one of the other, not less."
            yield Seen(text, remedy, severity=SUSPICION)
        elif seen.get("twice"):
            text = f"{out.own_loss} is {right:.3g} for right predictions, as where the "
            text += f"{out.activation} is applied twice: it takes scores (logits), and is given "
            text += "probabilities."
            remedy = f"Give {out.layer!r} activation='linear', or let the loss take probabilities."
            yield Seen(text, remedy, out.layer, SUSPICION)
        elif seen.get("finite_at_edges") is False:
            text = f"{out.own_loss} is not finite where a prediction reaches 0 or 1."
            yield Seen(text, "Add 1e-7 under each logarithm, or clip.", severity=SUSPICION)
        elif seen.get("other_rows"):
            text = f"{out.own_loss} mixes rows: that of a row depends on other rows' predictions."
            yield Seen(text, "Reduce over the last axis only (axis=-1).", severity=SUSPICION)


def _is_rare_one_cheap(out, *costs, over=10.0):
    """Tell whether mistakes at the rarer of two labels cost far less than those at the other."""
    rare = int(out.y.mean() < 0.5)
    return 0 < over * costs[rare] < costs[1 - rare]


@rule("unsuitable_loss", "start", SUSPICION, change="loss", recipe="loss_function")
def logits_in_own_step(run):
    """A train step of one's own takes for scores what a softmax or sigmoid has squashed already.

    Source: Bishop (2006), ch. 4.3: the link is applied once, by the output or in the loss.
    """
    takes = sorted(name for name in run.step_names if "cross_entropy_with_logits" in name)
    for out in run.outputs:
        if takes and out.activation in ("softmax", "sigmoid"):
            text = f"Your train_step names {takes[0]}, which takes scores (logits), and "
            text += f"{out.where} has a {out.activation} already: it is applied twice."
            remedy = f"Give {out.layer!r} activation='linear', or take the loss with "
            yield Seen(text, f"{remedy}from_logits=False.", out.layer)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="loss_function")
def falls_without_labels(run, fallen=0.1, part=0.05):
    """A loss of one's own fell to next to nothing, and is as small with the labels of other rows.

    Source: Nix & Weigend (1994), Estimating the mean and variance of the target probability
    distribution: without the logarithm of the spread an endless spread is best.
    """
    out = run.only_output
    if out is None or out.label_cost is None or not len(run.losses) or not run.epoch_losses:
        return
    start, now = float(run.losses[0]), run.epoch_losses[-1]
    if 0 <= now < fallen * start and out.label_cost < part * start:
        text = f"The loss fell from {start:.3g} to {now:.3g}, and with the labels of other rows it "
        text += f"is only {out.label_cost:.2g} larger: something but the labels makes it small."
        remedy = "Look for what the network can make large or small at no cost: a spread needs its "
        remedy += "logarithm in the loss, a distance or weight a bound, an embedding negatives."
        yield Seen(text, remedy)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="target_scaling")
def one_loss_outweighs(run, times=30.0):
    """Of several outputs one has nearly all of the loss, and another learns nothing.

    Source: Kendall et al. (2018), Multi-task learning using uncertainty to weigh losses.
    """
    sizes = {
        o.name: run.history.get(f"{o.name}_loss", [np.nan])[-1] * run.loss_weights.get(o.name, 1.0)
        for o in run.outputs
    }
    if len(sizes) < 2 or not np.all(np.isfinite(list(sizes.values()))):
        return
    large = max(sizes, key=sizes.get)
    for out in run.outputs:
        poor = out.gain is not None and out.gain < WELL
        if poor and 0 < sizes[out.name] * times < sizes[large]:
            part = sizes[out.name] / sizes[large]
            weighted = f", with loss_weights={run.loss_weights}" if run.loss_weights else ""
            text = f"The loss of output {large!r} is {sizes[large]:.3g}{weighted}, that of "
            text += f"{out.name!r} {sizes[out.name]:.3g}: {out.name!r} has {part:.1g} of the "
            text += f"weight, and {out.measure} {out.score:.3f}."
            part *= run.loss_weights.get(large, 1.0) / run.loss_weights.get(out.name, 1.0)
            remedy = f"Standardize the targets of {large!r}."
            if next(other for other in run.outputs if other.name == large).of_classes:
                weights = f"{{{large!r}: {part:.1g}, {out.name!r}: 1.0}}"
                remedy = f"Compile with loss_weights={weights}."
            yield Seen(text, remedy)


@rule("high_bias", "end", "warning", change="preprocessing", recipe="target_scaling")
def one_column_outweighs(run, times=10.0, most=16, better=0.2):
    """Of several columns of targets one is so large that the loss is about it alone.

    Source: Kendall et al. (2018), Multi-task learning using uncertainty to weigh losses.
    """
    out, table = run.only_output, tables_of(run)[0]
    if out is None or out.kind != "regression" or not 2 <= out.y.shape[1] <= most:
        return
    if out.in_own_terms or not out.asks_for_labels:
        return
    y, guess = held_out(out)
    if guess is None or guess.shape != y.shape or table is None or len(table) != len(out.y):
        return
    spreads, errors = y.std(axis=0), np.square(y - guess).mean(axis=0)
    largest = int(spreads.argmax())
    for column in np.flatnonzero((spreads > 0) & (times * spreads < spreads[largest])):
        own = 1 - float(errors[column]) / float(spreads[column]) ** 2
        alone = replace(out, y=out.y[:, [column]], prediction=np.zeros((len(out.y), 1)))
        told = told_within(alone, table) if own < WELL else None
        if told is not None and told[0] > own + better:
            text = f"Column {largest} of the targets spreads {spreads[largest]:.3g}, and column "
            text += f"{column} {spreads[column]:.3g}: the loss is about the first. R² of the other "
            text += f"is {own:.2f}; of a simple model ({told[1]}) it is {told[0]:.2f}."
            remedy = "Standardize each column of the targets: y = (y - y.mean(axis=0)) / "
            yield Seen(text, f"{remedy}y.std(axis=0).", out.layer)
            return


@rule("unsuitable_loss", "end", "error", change="loss", recipe="loss_function")
def answers_of_other_steps(run):
    """By a loss of one's own the answer at a step is the label of another step.

    It is meant where the labels are the inputs themselves: then the loss has to shift them.

    Source: Bengio et al. (2003), A neural probabilistic language model: the next word is told.
    """
    for out in run.outputs:
        if not out.lag or out.lag_is_meant:
            continue
        own, there = out.agreement
        steps = f"{abs(out.lag)} step{'s' * (abs(out.lag) > 1)}"
        by = "Your train step" if out.loss == "own step" else out.own_loss
        text = f"{by} compares the answer at a step with the label {steps} "
        text += f"{'later' if out.lag > 0 else 'before'}: they agree in {there:.0%}, and with the "
        text += f"step's own label in {own:.0%}."
        if run.next_step:
            text += " The labels are the inputs of the next step already: they are shifted twice."
        remedy = "Shift once: compare y_true and y_pred as they are, step by step; or leave the "
        remedy += "shift to the loss, and give it the inputs as they are for labels."
        yield Seen(text, remedy, out.layer)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="loss_function")
def quantiles_turned(run, outer=0.25, even=0.15):
    """Outputs that are quantiles of one label come in falling order, as with the sign turned.

    Source: Koenker & Bassett (1978): the loss of the q-quantile is q for labels above it, 1 - q for
    those below.
    """
    for out in run.outputs:
        given = out.prediction
        if not out.in_own_terms or given is None or given.ndim != 2 or given.shape[1] < 2:
            continue
        if out.y.shape[1] != 1 or out.kind != "regression" or len(given) > len(out.y):
            continue
        below = np.mean(out.y[: len(given)] < given, axis=0)
        falls = np.all(np.diff(below) < 0) and below[-1] <= outer and below[0] >= 1 - outer
        if falls and np.all(np.abs(below + below[::-1] - 1) < even):
            text = f"Of the labels {', '.join(f'{share:.0%}' for share in below)} lie below the "
            text += f"{len(below)} outputs: quantiles in falling order, as {out.own_loss} makes "
            text += "them if its errors have the wrong sign."
            remedy = "With error = y_true - y_pred the loss of a quantile q is maximum(q * error, "
            remedy += "(q - 1) * error). If the order is meant, leave it."
            yield Seen(text, remedy, out.layer)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="loss_function")
def loss_blind_to_level(run, words=("error", "mae", "mse", "mape", "r2")):
    """A loss of one's own does not see the level or scale of predictions, which are far off.

    By R² they do worse than the mean of the targets. It is a note where no error is watched and the
    order of the rows may be all that is wanted.

    Source: Lin (1989), A concordance correlation coefficient: correlation sees no level or scale.
    """
    watches = any(word in name.lower() for name in run.metrics for word in words)
    for out in run.outputs:
        blind = (out.properties or {}).get("blind_to")
        if not blind or out.prediction is None or out.prediction.size > len(out.y):
            continue
        y, guess = out.y[: out.prediction.size, 0], out.prediction.ravel()
        reached = 1 - np.mean(np.square(y - guess)) / max(y.var(), 1e-12)
        if not np.isfinite(reached) or reached >= 0 or guess.std() == 0:
            continue
        fitted = np.corrcoef(y, guess)[0, 1] ** 2
        text = f"{out.own_loss} does not see the {' and the '.join(blind)} of the "
        text += f"predictions: their mean is {guess.mean():.3g} and their standard deviation "
        text += f"{guess.std():.3g}, the targets have {y.mean():.3g} and {y.std():.3g}, so that R² "
        text += f"is {reached:.3g}; moved and stretched to fit it is {fitted:.2f}."
        remedy = "Add what sees them to it, such as the mean squared error, or train with "
        remedy += "loss='mean_squared_error'; or fit slope and offset on training rows afterwards "
        remedy += "(np.polyfit(prediction, y, 1)). If only the order of the rows counts, leave it."
        is_all_wanted = watches or (not run.metrics and len(blind) == 2)
        yield Seen(text, remedy, out.layer, None if is_all_wanted else "note")


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="loss_function")
def loss_blind_to_length(run):
    """A loss of directions does not see how large predictions are, where the labels are amounts.

    Source: cosine similarity: a row and any multiple of it are alike.
    """
    for out in run.outputs:
        if not out.blind_to_length or out.directions or out.prediction is None:
            continue
        labels, guess = (np.linalg.norm(rows, axis=1) for rows in (out.y, out.prediction))
        text = f"The loss of {out.where} compares directions: the lengths of the rows of labels "
        text += f"run from {labels.min():.3g} to {labels.max():.3g}, of predictions they are "
        text += f"{guess.mean():.3g} on average, and the loss does not see that."
        remedy = "Train with loss='mean_squared_error', or add it to the cosine."
        yield Seen(text, remedy, out.layer)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="loss_function")
def classes_as_numbers(run):
    """Class numbers are fitted as amounts: a class between two others stands for either.

    Source: Bishop (2006), Pattern Recognition and Machine Learning, ch. 4.1.3.
    """
    for out in run.outputs:
        if out.numbered:
            text = f"{out.loss} takes the classes {out.y.min():g} to {out.y.max():g} for amounts: "
            text += f"rounded, its outputs are right in {out.numbered[2]:.0%} of some rows, "
            remedy = f"For classes: {out.y.max() + 1:.0f} softmax units, numbered from 0, with "
            remedy += "loss='sparse_categorical_crossentropy'."
            yield Seen(f"{text}{out.numbered[1]} in {out.numbered[0]:.0%}.", remedy)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="loss_function")
def words_as_numbers(run, fewest=10, known=0.99, part=0.5):
    """The targets are numbers of words, as the inputs are, and are fitted as amounts.

    Source: Bengio et al. (2003), A neural probabilistic language model: a probability of each word.
    """
    out = run.only_output
    if out is None or not run.has_ids or out.kind != "regression" or out.y.shape[1] != 1:
        return
    words, targets = (np.unique(values) for values in (*run.inputs.values(), out.y))
    shared = np.isin(targets, words).mean()
    if len(targets) >= max(fewest, part * len(words)) and shared >= known:
        text = f"The targets of {out.where} are {len(targets)} whole numbers, of words as the "
        text += f"inputs are; {out.loss} takes them for amounts, as if word 6 stood between 5 and "
        text += "7."
        remedy = f"Give each word a unit, Dense({int(max(words[-1], targets[-1])) + 1}, 'softmax'),"
        yield Seen(text, f"{remedy} with loss='sparse_categorical_crossentropy'.", out.layer)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="loss_function")
def hinge_of_a_batch(run, most=0.9, few=20):
    """A loss that is one number for a batch is exactly 0: nothing is left to learn from any row.

    Source: Schroff et al. (2015), FaceNet: the hinge is of each triplet, the sum is over all.
    """
    out, last = run.only_output, run.losses[len(run.losses) // 2 :]
    if out is None or not out.is_one_number or not out.in_own_terms or len(last) < few:
        return
    share = np.mean(last == 0)
    if share > most:
        text = f"{out.own_loss} is one number for a batch, and exactly 0 in {share:.0%} of the "
        text += f"last {len(last)} steps: a hinge over sums or means of a batch stops all rows "
        text += "once most are well placed."
        remedy = "Take the hinge of each row, ops.maximum(…, 0) of sums over axis=-1, and the mean "
        remedy += "of these."
        yield Seen(text, remedy, out.layer)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="loss_function")
def loss_draws_apart(run, rows=256, worse=0.05, each=8):
    """A loss that compares rows leaves rows of one label less together than the inputs are.

    Source: Hadsell et al. (2006), Dimensionality reduction by learning an invariant mapping.
    """
    out, table = run.only_output, run.table
    if out is None or out.loss != "custom" or not out.in_own_terms or out.prediction is None:
        return
    if table is None or not len(table) == len(out.y) == len(out.prediction):
        return
    labels, given, x = out.y[:rows, 0], out.prediction[:rows], table[:rows]
    kinds = np.unique(labels)
    if given.ndim != 2 or given.shape[1] < 2 or np.any(kinds != np.round(kinds)):
        return
    if given.std(axis=0).max() < 1e-3 * np.abs(given).mean():  # all in one point, for any label
        return
    if 2 <= len(kinds) <= len(labels) / each:
        directions = given / np.maximum(np.linalg.norm(given, axis=1, keepdims=True), 1e-9)
        raw = _nearness(x.reshape(len(x), -1), labels)
        made = max(_nearness(points, labels) for points in (given, directions))
        if made < raw - worse:
            text = "Two rows of one label are nearer to each other than two other rows in "
            text += f"{raw:.0%} of the cases by their inputs, and in {made:.0%} by what the "
            text += f"network makes of them. {out.own_loss} draws rows of one label apart."
            remedy = "Look at which of its terms is for equal and which for different labels, and "
            yield Seen(text, f"{remedy}at its sign.", out.layer)


def _nearness(points, labels):
    """How often two rows of one label are nearer to each other than two of different labels."""
    above = np.triu_indices(len(labels), 1)
    far = squared_distances(points, points) + np.square(points).sum(axis=1, keepdims=True)
    return auc(-far[above], (labels[:, None] == labels)[above])
