"""Rules of validation rows against training rows: drawn, prepared and labelled alike, and apart."""

from dataclasses import replace

import numpy as np

from .finding import Seen, rule
from .rows import ends_with_0
from .run import Output
from .scores import WELL, area_between, drawn_evenly, is_autoencoder, tables_of, told_within
from .target import classes_of


@rule("split_mismatch", "end", "warning", change="data", recipe="data_mismatch")
def split_mismatch(run, classes=0.4, told=0.8, hint=0.6, gap=0.1, kept=0.7, lost=0.3, least=0.4):
    """Validation rows are not drawn, or not prepared, like training rows.

    Compared are the shares of the classes or the scale of the targets, then the inputs (can a
    classifier tell the sides?), then what simple models tell within each side and from one to the
    other; where they make less of the training rows, a weaker sign is enough. It is a note where
    other inputs hardly lower the validation score; and, unless most columns have another scale,
    where it is good or simple models keep their skill, as of training rows that are augmented; a
    train step of one's own that draws at random may do so too.

    Source: Lopez-Paz & Oquab (2017), Revisiting classifier two-sample tests.
    """
    held_out = np.nan if run.held_out_gain is None else run.held_out_gain
    within, across, there = simple_skills(run)
    if list(outputs_exchanged(run)) or list(class_numbers_differ(run)):
        return
    if told_by_held_out_rows_only(run):
        return  # then it is the training rows that are wrong: see `inputs_tell_nothing`
    apart = [name for name in run.inputs if scaled_apart(run, name)]
    if apart and held_out < run.known_gain - gap and across < kept * within:
        text = f"Training and validation rows of {apart[0]} each have mean 0 and deviation 1 by "
        text += "themselves, in every column: each side was scaled by its own numbers."
        remedy = "Fit the scaling on the training rows alone: scaler.fit(x), then transform(x) and "
        yield Seen(text, f"{remedy}transform(x_validation).", change="preprocessing")
        return
    remedy, why = "Shuffle rows and labels together before they are split.", ""
    if run.validation_split:
        why = " validation_split took the last rows, and the rows are sorted."
    labelled = [out for out in run.outputs if not is_autoencoder(run, out)]  # else of inputs
    for out in labelled:
        text = labels_apart(run, out, classes)
        if text is None:
            continue
        is_meant, change = drawn_evenly(out), None
        if _is_scaled_apart(out):
            remedy = "Scale the targets of both sides by the numbers of training."
            change = "preprocessing"
        elif is_meant:
            remedy = "Classes are drawn evenly in training: rare ones are predicted too often."
        elif not why:
            remedy += " Number, scale and order the labels alike, so that each belongs to its row."
        is_harmless = is_meant or (held_out >= WELL and not _has_one_class(out))
        severity = "note" if is_harmless else None
        yield Seen(f"{text}{why}", remedy, severity=severity, change=change)
        return
    if there >= least and within < kept * there:
        told = hint
    for text, is_rescaled in filter(None, (inputs_apart(run, name, told) for name in run.inputs)):
        if not why:
            remedy = "Let both sides be drawn from the same rows, and prepare them alike: columns, "
            remedy += "channels, padding, vocabulary, scaling fitted on the training rows."
        is_harmless = held_out >= run.known_gain - gap or run.step_draws
        if not is_rescaled:  # else a simple model may know what the network does not
            is_harmless |= held_out >= WELL or (within >= least and across > kept * within)
        if is_harmless:
            remedy = "Augmented training rows differ so, and are to. Else: " + remedy
        severity, change = "note" if is_harmless else None, "data" if why else "preprocessing"
        yield Seen(f"{text}{why}", remedy, severity=severity, change=change)
        return
    is_learned = there > kept * within and held_out < there - 2 * gap  # they tell more there
    if not (within >= least and across < (kept if is_learned else lost) * within):
        return
    text = "Of the way from a constant to a perfect prediction simple models go "
    text += f"{within:.0%} within the training rows, {there:.0%} within the validation rows, and "
    text += f"{across:.0%} from those to these: "
    if not there > kept * within:
        text += "the validation rows are of another kind, or their labels not their own."
        remedy = "Check that each validation label stands at its own row, and that these rows are "
        yield Seen(text + why, f"{remedy}drawn and prepared like the training rows.")
    else:
        text += "labels belong to their rows, and both sides are prepared in different ways, or "
        text += "what decides has changed between them, as over time."
        remedy = "Prepare training and validation alike: one vocabulary, the same order of columns "
        yield Seen(text + why, f"{remedy}and classes, one scaling.", change="preprocessing")


@rule("split_mismatch", "end", "warning", change="preprocessing", recipe="data_mismatch")
def words_only_training_has(run, more=0.3, gap=0.1):
    """A lookup knows the training rows, and not the validation rows: a note if it costs nothing.

    Source: Keras, StringLookup and IntegerLookup: what the vocabulary lacks is out of vocabulary.
    """
    unknown = {layer: share for layer, share, _ in run.unknown_words}
    held_out = np.nan if run.held_out_gain is None else run.held_out_gain
    for layer, share, example in run.unknown_in_validation:
        before = unknown.get(layer, 0.0)
        if share > before + more:
            text = f"{share:.0%} of what {layer!r} is given in validation is not in its vocabulary"
            text += f", such as {example}; in training it is {before:.0%}."
            remedy = "Write both sides alike (blanks, capitals, types): one function for both."
            severity = "note" if held_out >= run.known_gain - gap else None
            yield Seen(text, remedy, severity=severity)


def scaled_apart(run, name, exact=1e-3, rows=20):
    """Tell whether the columns of both sides have mean 0 and deviation 1, each by themselves.

    By the numbers of the training rows those of the others would be near, but not there.
    """
    x, other = run.inputs[name], run.validation_inputs.get(name)
    if run.has_ids or other is None or x.ndim != 2 or x.dtype.kind != "f" or len(other) < rows:
        return False
    mean, spread = other.mean(axis=0, dtype="float64"), other.std(axis=0, dtype="float64")
    there = np.all(np.abs(mean) < exact) and np.all(np.abs(spread - 1) < exact)
    near = 5 / np.sqrt(len(x))  # of a sample
    return bool(there and np.all(np.abs(x.mean(axis=0)) < near) and x.shape[1:] == other.shape[1:])


def labels_apart(run, out, limit, spreads=2):
    """Say which class is much more frequent, or which target moved far, on one side, or None."""
    if out.validation_y is not None and out.kind == "regression" and not run.windows:
        moved, text = _moved(out.y, out.validation_y, f"targets of {out.where}")
        return text if np.median(moved) > spreads else None
    if out.validation_y is None or not out.of_classes:
        return None
    first, second = classes_of(out, out.y), classes_of(out, out.validation_y)
    if min(first.min(), second.min()) < 0:  # no class: `label_problem` says so
        return None
    size = int(max(first.max(), second.max())) + 1
    first, second = (np.bincount(v, minlength=size) / len(v) for v in (first, second))
    apart = 0.5 * float(np.abs(first - second).sum())
    chance = 0.4 * np.sqrt(size * (1 / len(out.y) + 1 / len(out.validation_y)))
    if apart <= limit + chance:
        return None
    worst = int(np.abs(first - second).argmax())
    text = f"Class {worst} is {first[worst]:.0%} of the training labels and "
    text += f"{second[worst]:.0%} of the validation labels of {out.where}"
    return text + (": there is no row to learn it from." if first[worst] == 0 else ".")


def _has_one_class(out):
    """Tell whether validation has one class only, so that its score says nothing of the others."""
    return out.of_classes and len(np.unique(classes_of(out, out.validation_y))) == 1


def _is_scaled_apart(out, times=5):
    """Tell whether the targets of a regression spread many times as much on one of the sides."""
    spreads = out.y.std(), out.validation_y.std()
    return out.kind == "regression" and max(spreads) > times * min(spreads)


def inputs_apart(run, name, told, rows=16, many=32, sure=0.95, columns=256, mixed=0.8):
    """Say how an input differs between the sides if a classifier tells them, None if not.

    Beside the text stands whether most columns have a scale of their own on each side.
    """
    x, other = run.inputs[name], run.validation_inputs.get(name)
    padded = run.has_ids and other is not None and _padded_apart(x, other)
    if padded:
        return padded, False
    if run.has_ids:
        x, other = tables_of(run)
    if run.windows or x is None or other is None or x.shape[1:] != other.shape[1:]:
        return None
    if len(other) < rows or len({row.tobytes() for row in x}) < 2 * rows:
        return None  # too few, or the same again and again
    if not np.all(np.isfinite(x)) or not np.all(np.isfinite(other)):
        return None
    area = area_between(x, other)
    if area < (told if len(other) >= many else sure):
        return None
    last = x.shape[-1] if x.ndim > 1 and x.shape[-1] <= columns else 1
    moved, text = _moved(x.reshape(-1, last), other.reshape(-1, last), f"values of {name}")
    if moved.max() <= 0.5 and area < mixed:
        return None
    if moved.max() <= 0.5 or run.has_ids:
        text = f"Validation values of {name} go together otherwise than those of training: other "
        text += "data, or prepared otherwise (columns in another order, images turned or moved, "
        text += "words numbered anew)?"
    text += f" A classifier tells the rows of both (AUC {area:.2f}, 0.5 if they are alike)."
    return text, not run.has_ids and float(np.median(moved)) > 1


def _padded_apart(x, other, apart=0.3):
    """Say that padding stands at one end of training rows and at the other of validation rows."""
    if x.ndim != 2:
        return None
    (first, last), (first_there, last_there) = ends_with_0(x), ends_with_0(other)
    if min(abs(first - last), abs(first_there - last_there)) < apart:
        return None
    if (first > last) == (first_there > last_there):
        return None
    text = f"Padding stands at other ends: of training rows {first:.0%} begin and {last:.0%} end "
    return text + f"with 0, of validation rows {first_there:.0%} and {last_there:.0%}."


def _moved(x, other, what):
    """Return how far each column has moved, in spreads, from side to side, and the most in words.

    Added are the distance of the means and that of the spreads.
    """
    mean, mean_there = x.mean(axis=0), other.mean(axis=0)
    spread, spread_there = x.std(axis=0), other.std(axis=0)
    unit = np.maximum(np.minimum(spread, spread_there), 1e-3 * x.std() + 1e-6)
    moved = (np.abs(mean - mean_there) + np.abs(spread - spread_there)) / unit
    at = int(moved.argmax())
    where = f" in column {at} of the last axis" if len(moved) > 1 else ""
    text = f"Validation {what} differ{where}: their mean is {mean_there[at]:.3g} and their spread "
    text += f"{spread_there[at]:.3g}, those of training {mean[at]:.3g} and {spread[at]:.3g}."
    return moved, text


def simple_skills(run, rows=50):
    """Gains of simple models within training rows, from these to validation rows, within these.

    They are fitted on some rows and scored on others, see `scores.simple_models`; NaN is not known.
    Within both they see as many rows: of more they make more.
    """
    out = run.outputs[0] if run.outputs else Output("none")
    if out.simple_within is None or out.simple is None or len(out.validation_y) < rows:
        return np.full(3, np.nan)
    y, own = out.validation_y, out.validation_prediction
    size = min(len(own), len(out.y))
    held = replace(out, y=y[:size], prediction=own[:size])
    there = told_within(held, tables_of(run)[1][:size])
    trivial = 0.5 if out.balanced else out.trivial or 0.0
    scores = np.array([out.simple_within, out.simple[0], there[0] if there else np.nan])
    return (scores - trivial) / max(1 - trivial, 1e-9)


def told_by_held_out_rows_only(run, least=0.4, lost=0.3, most=16):
    """Find what simple models tell within the validation rows and not within the training rows.

    Returns their skill within these, within those, and of what in words; or None.
    """
    within, _, there = simple_skills(run)
    if there >= least and within < lost * there:
        return within, there, "the targets"
    if np.isnan(there) or not run.outputs:
        return None
    out, tables = run.outputs[0], tables_of(run)
    if out.kind != "regression" or not 2 <= out.y.shape[1] <= most:
        return None
    for column in range(out.y.shape[1]):
        sides = [(out.y, out.prediction), (out.validation_y, out.validation_prediction)]
        alone = [replace(out, y=y[:, [column]], prediction=own[:, [column]]) for y, own in sides]
        told = [told_within(of, x[: len(of.y)]) for of, x in zip(alone, tables, strict=True)]
        within, there = (found[0] if found else np.nan for found in told)
        if there >= least and within < lost * there:
            return within, there, f"column {column} of the targets"
    return None


@rule("rows_on_both_sides", "end", "warning", change="data", recipe="data_leakage")
def rows_on_both_sides(run, share=0.5):
    """Validation rows are training rows too, so that the score says nothing about new rows.

    Of N training rows n are in the sample: of shared rows a part n / N is found in it. Of windows
    of a series those that overlap in all steps but one are looked for too.

    Source: Kaufman et al. (2012), Leakage in data mining.
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
            remedy = "Split before rows are repeated or augmented; validate on other rows."
            if run.of_batches:  # each pass over a dataset shuffles anew
                remedy += " In tf.data take and skip before shuffle, or shuffle with "
                remedy += "reshuffle_each_iteration=False; of a folder give both subsets one seed."
            yield Seen(text, remedy)
        elif 1 < x.ndim < 4 and x.shape[1] >= 6:
            shifted = overlap(x, other) * run.num_rows / len(known)
            if shifted > share / 2:
                text = f"About {min(shifted, 1):.0%} of the validation rows of {name} are training "
                text += "rows moved on by one step: windows of one series."
                remedy = "Cut the series in two before windows are taken: the later part validates."
                yield Seen(text, remedy)


def overlap(x, other):
    """Share of the other rows that are one of these rows, moved on by one step."""
    moved = {row[1:].tobytes() for row in x}
    return float(np.mean([row[:-1].tobytes() in moved for row in other]))


@rule("label_problem", "end", "error", change="data")
def class_numbers_differ(run, pure=0.6):
    """Validation labels are the predictions under other numbers: class by class, but exchanged.

    Source: confusion matrix: a permutation of the classes is no error of the network.
    """
    for out in run.outputs:
        y, guess = out.validation_y, out.validation_prediction
        if y is None or guess is None or not out.of_classes or not out.asks_for_labels:
            continue
        labels = classes_of(out, y[: len(guess)])
        guess = guess.reshape(len(guess), -1)
        if len(labels) != len(guess) or not np.all(np.isfinite(guess)) or run.known_gain < WELL:
            continue
        guesses = classes_of(out, guess, predicted=True)
        size = int(max(labels.max(), guesses.max())) + 1
        table = np.bincount(size * labels + guesses, minlength=size * size).reshape(size, size)
        known = np.flatnonzero(table.sum(axis=1) >= 5)
        table = table[known]
        most, share = table.argmax(axis=1), table.max(axis=1) / table.sum(axis=1)
        moved = np.flatnonzero(most != known)
        if len(moved) < 2 or len(set(most)) < len(most) or share[moved].min() <= pure:
            continue
        pairs = [f"{known[i]} as {most[i]} ({share[i]:.0%})" for i in moved[:3]]
        text = "Rows of one class are predicted as one other in validation: class "
        text += f"{', '.join(pairs)}: the class numbers of the two label sets differ."
        remedy = "Number the classes alike: take the list of class names that training has for "
        yield Seen(text, f"{remedy}validation too (sorted text puts 10 before 9).")


@rule("label_problem", "end", "error", change="data")
def outputs_exchanged(run, apart=0.3, together=0.8):
    """What is predicted for one target follows, on validation rows, the labels of another.

    Source: correlation: of targets in another order each prediction finds its own elsewhere.
    """
    names, labels, guesses = [], [], []
    for out in run.outputs:
        y, guess = out.validation_y, out.validation_prediction
        if y is None or guess is None or out.of_classes or guess.shape != y.shape:
            continue
        columns = [f"column {c} of {out.where}" for c in range(y.shape[1])]
        names += columns if len(columns) > 1 else [out.where]
        labels, guesses = [*labels, *y.T], [*guesses, *guess.T]
    if len(names) < 2 or len(names) > 64 or len({len(column) for column in labels}) > 1:
        return
    if not np.all(np.isfinite(labels)) or not np.all(np.isfinite(guesses)):
        return
    if not np.all(np.ptp(labels, axis=1)) or not np.all(np.ptp(guesses, axis=1)):
        return
    follows = np.corrcoef(labels, guesses)[len(names) :, : len(names)]  # guess by label
    best = follows.argmax(axis=1)
    moved = [i for i, j in enumerate(best) if i != j and follows[i, j] > together]
    moved = [i for i in moved if follows[i, i] < apart]
    if len(moved) < 2 or len({best[i] for i in moved}) < len(moved):
        return
    pairs = [(names[i], names[best[i]], follows[i, best[i]]) for i in moved[:3]]
    pairs = [f"{one} those of {other} ({value:.2f})" for one, other, value in pairs]
    text = "On validation rows predictions follow the labels of another target (correlation): of "
    text += f"{', '.join(pairs)}: on one side the targets are exchanged."
    remedy = "Put the targets in one order: name them, y={'name': labels}, in both sets."
    yield Seen(text, remedy)


@rule("validation_better", "end", "note", change="data")
def validation_better(run, gap=0.1):
    """Validation scores better than training: measured alike, it may be an easier set.

    Source: Keras: training figures are means over an epoch, with dropout and augmentation.
    """
    out = run.only_output
    for train, val, name, is_accuracy in run.curves[:1]:
        better = val[-1] - train[-1] > gap if is_accuracy else 0 < val[-1] < 0.5 * train[-1]
        if not better or out is None or out.validation_score is None:
            continue
        text = f"{name} is {train[-1]:.4g} in training and {val[-1]:.4g} in validation. Measured "
        text += f"alike, {out.measure} is {out.score:.3f} and {out.validation_score:.3f}"
        if out.validation_score - out.score < gap / 2:
            remedy = "Nothing to change: training figures are means over the epoch, noise included."
            yield Seen(f"{text}: no difference.", remedy)
        else:
            remedy = "Draw the validation rows at random from the same rows as the training rows."
            yield Seen(f"{text}: the validation rows are easier.", remedy)
