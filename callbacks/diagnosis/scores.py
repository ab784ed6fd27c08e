"""How well a run does: scores between trivial and perfect, and what simple models reach."""

from dataclasses import replace

import numpy as np

from .rows import of_known
from .run import Output
from .target import auc, classes_of, gain_of, held_out, mean_auc, rows_of_units

WELL = 0.7  # part of the way from the trivial to the perfect score: such a run trains well
FINE = 0.9
CONVERGED = 0.95  # from here on a loss that still falls is no reason to train longer
LIMIT = 0.3  # from here on data without a yardstick may allow no more
NEAR_TRIVIAL = 0.2  # no such score on held-out rows is called healthy
CHANCE = 0.1  # below this part of the way a model does no better than a constant
LINEAR = "a linear model"
FORGIVING = ("mean_absolute_error", "huber", "log_cosh")  # few rows far off
NEIGHBOURS = 15  # rows that vote on what the data can tell
FEWEST_RARE = 12  # rows of rare classes that tell how well these are ranked


def judge_scores(run, target, static):
    """Fill in the scores of each output, the run's gains, its curves and targets.

    `target` is as in `Diagnosis`; a suspicion among the `static` findings, those before training,
    leaves nothing to excuse.
    """
    run.targets, run.gain, run.is_limit_unknown = [], None, False
    for out in run.outputs:
        out.asks_for_ranks = run.measures_ranks
        if _scores_classes(run, out):
            out.kind = "sparse"
        out.numbered = class_numbers(run, out)
        _score_output(run, out)
    out = run.only_output  # what a validation curve is compared with
    if out and out.kind != "regression" and out.trivial is not None and out.trivial < 1:
        run.trivial = out.trivial
    elif out and out.loss == "mean_squared_error" and out.y is not None:
        run.variance = float(np.mean(np.var(out.y, axis=0)))
    is_sound = all(f.severity == "note" for f in static)
    for out in run.outputs:
        if out.gain is None:
            continue
        more = _allows_more(run, out, is_sound)
        gain = CONVERGED if more is False else out.gain
        if run.weights is not None and out.validation_gain is not None:
            gain = max(gain, out.validation_gain)  # rows of little weight need not be learned
        if run.gain is None or gain < run.gain:
            run.gain, run.is_limit_unknown = gain, more is None
    held_out = [o.validation_gain for o in run.outputs if o.validation_gain is not None]
    run.held_out_gain = min(held_out, default=None)
    if run.non_finite_at is not None:
        run.gain = -np.inf
    for name, wanted in (target or {}).items():
        metric = name.removeprefix("val_")
        train, val = ((run.history.get(key) or [None])[-1] for key in (metric, f"val_{metric}"))
        run.targets.append((metric, train, val, wanted))
        value = val if name != metric else train
        if value is not None:
            missed, gain = misses(metric, value, wanted), run.gain
            run.gain = min(gain or 0.0, 0.0) if missed else max(gain or 0.0, CONVERGED)
    run.curves = _curves(run)


def _scores_classes(run, out):
    """Tell whether whole numbers are classes, each of which a loss of one's own gives a score.

    That accuracy is watched tells so; the layers of a subclassed model do not.
    """
    if not (out.has_own_loss and run.watches_accuracy) or out.kind != "regression":
        return False
    if out.prediction is None:
        return False
    is_number = out.y.shape[1] == 1 and np.all(out.y == np.round(out.y)) and out.y.min() >= 0
    columns = out.prediction.shape[-1]
    one_each = len(rows_of_units(out.prediction)) <= len(out.y)
    return bool(is_number and one_each and columns > max(1, out.y.max()))


def class_numbers(run, out, better=0.1, few=20):
    """Tell whether the targets of a regression are class numbers; return `Output.numbered`.

    They are few whole numbers from 0 or 1 on, accuracy is watched, and a simple classifier reaches
    more of it on new rows than the rounded outputs on rows that the network knows.
    """
    table, is_column = tables_of(run)[0], np.shape(out.y)[1:] == (1,)
    if out.kind != "regression" or not run.watches_accuracy or not is_column or table is None:
        return None
    if out.prediction is None or out.prediction.shape[1:] != (1,):
        return None
    levels = np.unique(out.y)
    is_numbered = levels[0] in (0, 1) and np.all(levels == levels[0] + np.arange(len(levels)))
    if not is_numbered or not 2 < len(levels) <= few:
        return None
    classes = np.eye(int(levels[-1]) + 1)
    rounded = classes[np.clip(np.round(out.prediction[:, 0]), 0, levels[-1]).astype(int)]
    told = told_within(Output(out.name, kind="sparse", y=out.y, prediction=rounded), table)
    return told if told and told[0] > told[2] + better else None


def weights_of_rows(run, labels):
    """Return what the rows with these classes weigh in the loss, None if they all weigh 1."""
    if labels.min(initial=0) < 0:  # no class: `label_problem` says so
        return None
    if run.class_weight:
        return np.array([run.class_weight.get(int(label), 1.0) for label in labels])
    return run.weights if np.shape(run.weights) == labels.shape else None


def weighs_classes_alike(run, out, times=2.0):
    """Tell whether weights give classes of unlike frequency about the same part of the loss.

    What the network is asked for then is balanced accuracy: it may lose accuracy by it.
    """
    if not out.of_classes or out.y is None or run.only_output is None:
        return False
    labels = classes_of(out, out.y)
    weights = weights_of_rows(run, labels)
    if weights is None:
        return False
    counts, total = np.bincount(labels), np.bincount(labels, weights)
    counts, total = counts[counts > 0], total[counts > 0]
    return bool(counts.max() > times * counts.min() and 0 < total.max() <= times * total.min())


def drawn_evenly(out, slack=0.2, times=2.0):
    """Tell whether training has as many rows of each class, and validation of all, unlike many.

    So it is where rare ones are drawn again and again: balanced accuracy is what is asked for.
    """
    if not out.of_classes or out.y is None or out.validation_y is None:
        return False
    first, second = (classes_of(out, y) for y in (out.y, out.validation_y))
    known, counts = np.unique(first, return_counts=True)
    others, frequent = np.unique(second, return_counts=True)
    is_even = np.ptp(counts) <= slack * counts.mean() and frequent.max() > times * frequent.min()
    return bool(is_even and len(known) > 1 and np.array_equal(known, others))


def _score_output(run, out):
    out.score = out.gain = out.validation_gain = None
    out.few_off = out.balanced = out.ranked = False
    if not out.asks_for_labels or out.in_own_terms or run.is_left_out(out):
        return
    balanced = weighs_classes_alike(run, out) or drawn_evenly(out) or None
    if out.prediction is not None and _fits(out, out.y, out.prediction):
        out.score, out.trivial, out.gain = gain_of(out, out.y, out.prediction, balanced)
    if out.gain is None:
        return
    forgives = out.loss in FORGIVING or out.has_own_loss
    if out.kind == "regression" and forgives and out.gain < WELL:
        out.few_off = True
        of_most = gain_of(out, out.y, out.prediction)
        out.few_off = of_most[2] >= WELL
        if out.few_off:
            out.score, out.trivial, out.gain = of_most
    balanced = out.balanced or out.ranked
    if out.training_prediction is not None:
        out.training_score = gain_of(out, out.y, out.training_prediction, balanced)[0]
    if out.validation_prediction is not None and out.validation_y is not None:
        values = gain_of(out, out.validation_y, out.validation_prediction, balanced)
        out.validation_score, _, out.validation_gain = values


def _fits(out, y, prediction):
    """Tell whether each prediction has a label of its own: a loss may pack labels as it likes."""
    columns = prediction.shape[-1] if prediction.ndim > 1 else 1
    rows = prediction.size // max(1, columns)
    return rows <= len(y) and (out.kind == "sparse" or columns == y.shape[1])


def _allows_more(run, out, is_sound):
    """Tell whether the data allow more than an output reaches, None if that is not known.

    They do not where it does as well as simple models, within a standard error, and its loss has
    settled, nor where what is left is the noise of counts. Where simple models tell too little that
    is not known: of images and sequences, near the score of a constant, and of the last step of a
    sequence unless the network beats it.
    """
    if run.next_step and out.kind == "sparse":
        out.simple = frequent_followers(run, out)
        if out.simple is None:
            return True
        lead = out.simple[2] - out.simple[0]
        return False if lead >= 0 else None if lead >= -_standard_error(out) else True
    worst = min(g for g in (out.gain, out.validation_gain) if g is not None)
    if is_noise_of_counts(out):
        return False if worst >= NEAR_TRIVIAL else None
    table, _ = tables_of(run)
    is_told = table is not None and worst < FINE and table[:1].size <= 4096
    out.simple = simple_models(run, out) if is_told else None
    if table is None or len(run.inputs) > 1:
        return None if LIMIT <= worst < WELL and _has_settled(run, out) else True
    if worst >= WELL or out.gain >= WELL or not is_sound or out.simple is None:
        return True
    score, _, own = out.simple
    if worst < chance_of(out) or own < score - _standard_error(out):
        return True
    if not _has_settled(run, out):
        return True
    if not run.has_ids and table.ndim == 2:
        return False if worst >= NEAR_TRIVIAL else None
    return None if out.kind == "regression" else True


def is_noise_of_counts(out, most=1.15):
    """Tell whether predicted counts are as far off as counts vary that have these means.

    Source: McCullagh & Nelder (1989), Generalized linear models, ch. 6: the variance of a Poisson
    count is its mean, so that the squared errors sum up to the sum of the means.
    """
    y, mean = held_out(out)
    if out.loss != "poisson" or mean is None or np.any(y != np.round(y)):
        return False
    return bool(np.sum(np.square(y - mean)) <= most * np.sum(mean))


def _standard_error(out):
    """Return how far, at most, scores of the network and of simple models vary by chance."""
    y, own = held_out(out)
    rows = len(own) if out.validation_score is not None else len(y) // 4
    return (1 if out.kind == "regression" else 0.5) / np.sqrt(rows)


def chance_of(out):
    """Part of the way up to which a score on held-out rows is that of a constant.

    R² is the square of a correlation, so that little of it is sure to be more than nothing.
    """
    return min(CHANCE, (3 * _standard_error(out)) ** 2) if out.kind == "regression" else CHANCE


def _has_settled(run, out):
    """Tell whether the loss has stopped falling, of several outputs an output's own."""
    trend = trend_of(run, run.history.get(f"{out.name}_loss"))
    return trend is None or trend[0] < 0.02 or np.log(2) / trend[0] > 2 * len(run.epoch_losses)


def area_between(x, other, most=512, columns=1024):
    """Area under the curve of a classifier that tells the rows of two sets, on rows it did not see.

    It is a ridge on columns, on a row's own mean and spread, and on products of two of these
    (kernel (1 + x·x′ / columns)²), so that another mean, spread or correlation shows: near 0.5 if
    the rows are drawn alike.
    """
    x, other = (a.reshape(len(a), -1)[:: 1 + (len(a) - 1) // most] for a in (x, other))
    rows = np.concatenate([x, other])[:, :: 1 + x.shape[1] // columns].astype("float64")
    own = np.stack([rows.mean(axis=1), rows.std(axis=1)], axis=1)
    kernel = 1.0
    for part in (rows, own):
        part, _ = standardized(part, part)
        kernel = kernel + part @ part.T / part.shape[1]
    kernel = np.square(kernel)
    of_other = np.repeat([0.0, 1.0], [len(x), len(other)])
    seen = np.arange(len(rows)) % 2 == 0
    system = kernel[np.ix_(seen, seen)] + 0.01 * seen.sum() * np.eye(seen.sum())
    weights = np.linalg.solve(system, of_other[seen] - of_other[seen].mean())
    return auc(kernel[np.ix_(~seen, seen)] @ weights, of_other[~seen] == 1)


def frequent_followers(run, out):
    """Score of telling what most often follows each value, and the network's, on the same rows.

    It is the bigram model that language models are compared with. See `Output.simple`; None without
    predictions or with very many values.
    """
    (x,) = run.inputs.values()
    wanted, own = held_out(out)
    if own is None:
        return None
    is_held_out = out.validation_prediction is not None and run.validation_inputs
    (other,) = run.validation_inputs.values() if is_held_out else (x,)
    other = of_known(other, out.validation_known if is_held_out else out.known)
    other = other.reshape(-1)[: len(own)].astype(int)
    x = of_known(x, out.known)
    x, y, wanted = (array.reshape(-1).astype(int) for array in (x, out.y, wanted))
    size = int(max(x.max(), other.max())) + 1, int(max(y.max(), wanted.max())) + 1
    if size[0] * size[1] > 10**7 or min(x.min(), y.min(), other.min()) < 0:
        return None
    counts = np.zeros(size)
    np.add.at(counts, (x, y), 1)
    score = float(np.mean(counts.argmax(axis=1)[other] == wanted))
    return score, "the most frequent follower", float(np.mean(own.argmax(axis=1) == wanted))


def word_counts(sides, words=256):
    """Count in each row of each array how often the most frequent numbers of the first occur."""
    known, counts = np.unique(sides[0], return_counts=True)
    frequent = known[np.argsort(-counts)][:words]
    return [
        None if x is None else np.stack([(x == word).sum(axis=1) for word in frequent], axis=1)
        for x in sides
    ]


def tables_of(run):
    """Return training and validation rows as simple models read them, None where there is no way.

    Of numbers that stand for words it is counted how often each of the most frequent occurs.
    """
    if len(run.inputs) > 1:
        return _side_by_side(run)
    if not run.has_ids:
        return run.table, run.validation_table
    sides = [next(iter(inputs.values()), None) for inputs in (run.inputs, run.validation_inputs)]
    if sides[0].ndim != 2:
        return None, None
    return word_counts(sides)


def _side_by_side(run):
    """Return all columns of several inputs; of twins only their difference tells."""
    names = [name for name in run.inputs if name not in run.looked_up]
    plain = [run.inputs[name] for name in names]
    is_plain = run.all_are_numbers and all(x.ndim in (2, 4) and x.dtype.kind == "f" for x in plain)
    are_words = all(run.inputs[name].ndim <= 2 for name in run.looked_up)
    are_twins = len({x.shape for x in run.inputs.values()}) == 1
    is_told = len(run.embedded) == 0 or bool(run.looked_up)
    if not (is_plain and are_words and is_told) or are_twins:
        return None, None
    sides = [run.inputs, run.validation_inputs or {}]
    return side_by_side(sides, run.looked_up)


def side_by_side(sides, looked_up):
    """Return the inputs of each side as one table, None for a side without inputs.

    `sides` are dicts from name to array (n, ...). Of inputs that are looked up it is counted how
    often each of the most frequent numbers occurs.
    """
    parts = []
    for name in sides[0]:
        columns = [None if not side else side[name].reshape(len(side[name]), -1) for side in sides]
        parts.append(word_counts(columns) if name in looked_up else columns)
    return [
        np.concatenate(columns, axis=1) if side else None
        for side, columns in zip(sides, zip(*parts, strict=True), strict=True)
    ]


def simple_models(run, out):
    """Score of the better of two simple models, and the network's, on rows they did not see.

    They are fitted on training rows and scored on validation rows, or where there are none on
    other training rows: a vote of the nearest rows, which nears the best possible score as rows
    get many (Cover & Hart, 1967; Stone, 1977), and a linear model.

    See `Output.simple`, and `simple_within`, which it sets; None if there are too few rows. Where
    classes are rare the score is the mean area under the curve.
    """
    x, other = tables_of(run)
    y, own = out.y, out.prediction
    if x is None or own is None or len(x) != len(y):
        return None
    if is_autoencoder(run, out):
        return None  # a linear model copies
    within = told_within(out, x)
    if other is None or out.validation_prediction is None:
        return within
    out.simple_within = within and within[0]
    own = out.validation_prediction
    return _fit_and_score(out, x, y, other[: len(own)], out.validation_y[: len(own)], own)


def is_autoencoder(run, out):
    """Tell whether the labels are the inputs themselves."""
    x = run.table
    return x is not None and x.size == out.y.size and np.array_equal(x.reshape(out.y.shape), out.y)


def told_within(out, x):
    """Fit the simple models on three quarters of these rows; score as `simple_models` the rest."""
    cut = min(len(x) // 4, len(out.prediction))
    y = out.y[: len(x)]
    return _fit_and_score(out, x[cut:], y[cut:], x[:cut], y[:cut], out.prediction[:cut])


def _fit_and_score(out, x, y, other_x, other_y, own):
    """Fit the simple models on some rows; return what `simple_models` does, of the others."""
    if len(x) <= 4 * NEIGHBOURS or len(other_x) < 16 or len(other_x) != len(other_y):
        return None
    if not all(np.all(np.isfinite(values)) for values in (x, y, other_x, other_y)):
        return None
    if (out.balanced or out.ranked) and _num_rare(out, other_y) < FEWEST_RARE:
        return None
    wanted = y
    if out.kind == "sparse":
        classes = int(max(y.max(), other_y.max(), (out.units or 1) - 1)) + 1
        wanted = np.eye(classes)[np.clip(y[:, 0].astype(int), 0, None)]
    guesses = simple_guesses(x, wanted, other_x)
    simple = Output("a simple model", kind=out.kind)
    if out.balanced or out.ranked:  # at a threshold never reached no knowledge shows
        ranks = ((mean_auc(simple, other_y, g), name) for name, g in guesses.items())
        return (*max(ranks), mean_auc(out, other_y, own))
    best = max((gain_of(simple, other_y, g)[0], name) for name, g in guesses.items())
    return (*best, gain_of(replace(out), other_y, own)[0])  # by these rows, as the simple models


def _num_rare(out, y):
    """Count the rows that are not of the most frequent class; of several labels, what holds."""
    if out.kind == "multilabel":
        return int(y.sum())
    return len(y) - int(np.bincount(classes_of(out, y)).max())


def simple_guesses(x, wanted, other_x):
    """Fit the simple models to more than `NEIGHBOURS` rows x (n, ...).

    What is `wanted`, (n, columns), are numbers, or 0 and 1 for each class. Returns a dict from name
    to what it predicts of the other rows, (m, columns).
    """
    x, other_x = standardized(x, other_x)
    nearest = np.argpartition(squared_distances(other_x, x), NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    weights = ridge(x, wanted - wanted.mean(axis=0))
    return {
        "the nearest rows": wanted[nearest].mean(axis=1),
        LINEAR: other_x @ weights + wanted.mean(axis=0),
    }


def standardized(x, other):
    """Return both as tables, scaled so that the columns of the first have mean 0, variance 1."""
    x, other = (a.reshape(len(a), -1).astype("float64") for a in (x, other))
    mean, spread = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    return (x - mean) / spread, (other - mean) / spread


def squared_distances(rows, known):
    """Squared distances (m, n) of m rows from n known ones, but for a number for each row."""
    rows, known = (a.reshape(len(a), -1).astype("float64") for a in (rows, known))
    return np.square(known).sum(axis=1) - 2 * rows @ known.T


def ridge(x, y, strength=0.01):
    """Weights (columns, outputs) of a linear model of y (rows, outputs), both of mean 0."""
    rows, columns = x.shape
    if columns > rows:  # the same weights by the smaller of the two systems
        return x.T @ np.linalg.solve(x @ x.T + strength * rows * np.eye(rows), y)
    return np.linalg.solve(x.T @ x + strength * rows * np.eye(columns), x.T @ y)


def ratio_of_spreads(x):
    """Largest standard deviation of a column to the median one, 1 where there are no columns."""
    spreads = x.std(axis=0) if x.ndim == 2 else np.zeros(0)
    spreads = spreads[spreads > 0]
    return float(spreads.max() / np.median(spreads)) if len(spreads) > 1 else 1.0


def trend_of_the_worst(run):
    """Return `trend_of` the run, of several outputs of the one that does worst."""
    worst = min((o for o in run.outputs if o.gain is not None), key=lambda o: o.gain, default=None)
    return trend_of(run, worst and run.history.get(f"{worst.name}_loss"))


def trend_of(run, of_output=None):
    """Return (fall of the log of the loss per epoch at the end, loss now), None if none.

    The trend is that of the last quarter, or of the last steps of a smooth curve that flattens; a
    short run is judged by its batches. Of an output it is that of its own losses, if these are
    given for each epoch and not for a short run.
    """
    epochs = len(run.epoch_losses)
    if epochs >= 4:
        losses = np.array(of_output or run.epoch_losses)
    else:
        losses = np.array(run.losses if len(run.losses) >= 16 else run.epoch_losses)
    if len(losses) < 2 or not np.all(np.isfinite(losses)) or losses[-1] <= 0:
        return None
    quarter = max(1, len(losses) // 4)
    before, after = np.mean(losses[-2 * quarter : -quarter]), np.mean(losses[-quarter:])
    if not before > after > 0:
        return None
    fall = np.log(before / after) / quarter
    latest = -np.diff(np.log(losses[-4:])) if epochs >= 8 and losses[-4:].min() > 0 else np.zeros(1)
    if latest.min() > 0:
        fall = min(fall, latest.mean())
    return float(fall) * len(losses) / epochs, after


def misses(metric, value, wanted):
    """Tell whether a value is worse than wanted; of losses and errors, less is better."""
    less_is_better = any(word in metric for word in ("loss", "error", "mse", "mae"))
    return value > wanted if less_is_better else value < wanted


def _curves(run):
    """(training, validation, name, bigger is better) of accuracies, of the loss if none.

    Of a regression the loss counts, whatever metric is watched.
    """
    history = run.history
    if run.outputs and all(out.kind == "regression" for out in run.outputs):
        history = {name: history[name] for name in ("loss", "val_loss") if name in history}
    pairs = [name for name in history if f"val_{name}" in history]
    names = [name for name in pairs if "acc" in name] or [name for name in pairs if name == "loss"]
    return [(history[n], history[f"val_{n}"], n, "acc" in n) for n in names]
