"""Rules of what the rows tell at the end: their classes, weights, scales and batches."""

import numpy as np

from .finding import SUSPICION, Seen, rule
from .rules_of_split import told_by_held_out_rows_only
from .run import Output
from .scores import (
    CHANCE,
    FINE,
    LIMIT,
    WELL,
    chance_of,
    is_autoencoder,
    told_within,
    weights_of_rows,
    word_counts,
)
from .target import auc, classes_of, held_out, one_against_others, share_of_no_class


@rule("imbalanced_classes", "end", "warning", change="data", recipe="class_imbalance")
def imbalanced_classes(run, part=0.4, ranked=0.65, updates=100):
    """Rare classes are hardly predicted although the model ranks them above the others.

    Told apart from a model that has learned nothing by the rank of the scores: the area under the
    curve (AUC) is 0.5 if the scores know nothing. It is a note where AUC is watched, and where some
    of several classes are rare: the user knows whether these should count for more.

    Source: King & Zeng (2001), Logistic regression in rare events data.
    """
    if 0 < len(run.losses) < updates:  # first the frequent is learned, then the rare
        return
    for out in run.outputs:
        y, prediction = held_out(out)
        is_rare = out.balanced or out.ranked
        is_told = is_rare or out.of_classes
        if not is_told or out.gain is None or out.gain >= WELL or prediction is None:
            continue
        if share_of_no_class(out):  # see `label_problem`
            continue
        parts = one_against_others(out, y, prediction)
        if not is_rare:
            parts = [part for part in parts if part[0].mean() < 0.5 / (len(parts) + 1)]
        if not parts:
            continue
        share, given = (float(np.mean([part[i].mean() for part in parts])) for i in (0, 1))
        area = float(np.mean([auc(scores, positive) for positive, _, scores in parts]))
        if given < part * share and area > ranked:
            what = "labels" if out.kind == "multilabel" else "classes"
            text = f"Rare {what} hold in {share:.1%} of the rows of {out.where} on average and are "
            text += f"predicted in {given:.1%}, though the scores rank them well (AUC {area:.2f}): "
            text += f"imbalanced {what}, {out.measure} {out.score:.2f}."
            severity = "note" if out.ranked or not is_rare else None
            yield Seen(text, _weigh(out, y, share), severity=severity)


def _weigh(out, y, share):
    """Return the remedy: `class_weight` where Keras takes it, else a weight within the loss."""
    if out.kind == "multilabel" or len(out.label_shape) > 1:
        weight = (1 - share) / share
        text = f"Give a label that holds the weight {weight:.2g} in the loss (class_weight cannot)"
        return f"{text}, or lower the threshold to about {share:.2g}; watch AUC."
    weights = _balance(np.bincount(classes_of(out, y)))
    text = f"Pass class_weight={weights} to fit, and watch AUC or balanced accuracy; or lower the "
    return f"{text}threshold."


@rule("class_weights_too_strong", "end", "warning", change="loss", recipe="class_imbalance")
def class_weights_too_strong(run, over=10.0, turned=2.0):
    """Class weights or sample weights turn the balance over, or make the common class count more.

    Source: King & Zeng (2001): weights of n / (classes × count) balance, more turns over.
    """
    for out in run.outputs[:1]:
        if not out.of_classes or out.y is None:
            continue
        labels = classes_of(out, out.y)
        weights = weights_of_rows(run, labels)
        if weights is None:
            continue
        given = "class_weight" if run.class_weight else "sample_weight"
        counts, total = np.bincount(labels), np.bincount(labels, weights)
        silent = np.flatnonzero((counts > 0) & (total == 0)).tolist()
        common = int(counts.argmax())
        if silent:
            text = f"Classes {silent} of {out.where} have class_weight or sample_weight 0: they "
            yield Seen(f"{text}are not learned.", "Give their rows a weight above 0.")
        elif total.max() > over * total[common]:
            text = f"Class {common} is {counts[common] / counts.sum():.0%} of the labels, but by "
            text += f"{given} weighs {total.max() / total[common]:.3g} times less than another "
            text += "class in the loss."
            yield Seen(text, f"Balance, no more: class_weight={_balance(counts)}.")
        else:
            mean = total[counts > 0] / counts[counts > 0]
            rare = int(np.flatnonzero(counts)[counts[counts > 0].argmin()])
            more = mean.max() / (total[rare] / counts[rare])
            is_common = total[common] / counts[common] == mean.max()
            if is_common and more > turned and counts[common] > turned * counts[rare]:
                text = f"Class {common} is {counts[common] / counts.sum():.0%} of the labels, and "
                text += f"a row of it weighs {more:.3g} times as much by {given} as one of class "
                text += f"{rare}, which is rare: are the weights at the wrong classes?"
                severity = None if run.known_gain < WELL else "note"
                remedy = f"Balance: class_weight={_balance(counts)}."
                yield Seen(text, remedy, severity=severity)


@rule("class_weights_too_strong", "start", SUSPICION, change="data")
def rows_weigh_nothing(run, most=0.5):
    """Most rows have a sample weight of next to nothing: the network learns from the few others.

    Source: Keras: a row of weight 0 adds nothing to the loss.
    """
    rows = run.num_light + len(next(iter(run.inputs.values()), ()))
    if rows and run.num_light > most * rows:
        text = f"{run.num_light / rows:.0%} of the training rows have a sample weight of next to "
        text += "nothing: nothing is learned from them."
        yield Seen(text, "Where that is not meant, give each row a weight, 1 on average.")


@rule("class_weights_too_strong", "end", "warning", change="data")
def weights_multiply_the_loss(run, most=30.0):
    """A row weighs far more than 1 on average: the loss, and each step, is multiplied by it.

    Source: Keras, `fit`: the third element of what a dataset yields is the weight of the row.
    """
    if (run.mean_weight or 0.0) > most and run.known_gain < WELL:
        text = f"A row has a sample weight of {run.mean_weight:.4g} on average, and the loss is as "
        text += "many times as large. Is the third element of a batch a weight?"
        remedy = "Yield (inputs, labels) alone; give weights a mean of 1: weight / weight.mean()."
        yield Seen(text, remedy)


def _balance(counts):
    """Return the `class_weight` under which all classes weigh alike."""
    classes = np.flatnonzero(counts)
    total = counts.sum() / len(classes)
    return {int(c): float(f"{total / counts[c]:.2g}") for c in classes}


@rule("invalid_inputs", "end", "warning", change="preprocessing")
def names_as_amounts(run, better=0.1, distinct=(5, 100), each=4, most=64):
    """Numbers stand for names: a linear model tells far more if it takes them for such.

    Tried are the values of each column that has few, and rows of whole numbers of one range as
    words, by simple models on rows that they did not see.

    Source: Guo & Berkhahn (2016), Entity embeddings of categorical variables.
    """
    out = run.only_output
    flat = {name: x for name, x in run.inputs.items() if x.ndim == 2 and np.all(np.isfinite(x))}
    table = np.concatenate(list(flat.values()), axis=1) if flat else None
    if out is None or out.prediction is None or table is None or len(table) != len(out.y):
        return
    embeds = run.embedded or "Embedding" in run.first_layers
    gains = [gain for gain in (out.gain, out.validation_gain) if gain is not None]
    if min(gains, default=1.0) >= WELL or out.balanced or embeds or table.shape[1] > most:
        return
    plain = told_within(out, table)
    if plain is None:
        return
    told = {}
    for name, x in flat.items():
        if x.shape[1] >= distinct[0] and np.all(x == np.round(x)) and np.ptp(x) > x.shape[1] / 2:
            (counts,) = word_counts([x])
            told[f"The whole numbers of {name}"] = told_within(out, counts)
        for column, values in enumerate(x.T):
            _, number, counts = np.unique(values, return_inverse=True, return_counts=True)
            if distinct[0] <= len(counts) <= min(distinct[1], len(x) // each):
                as_names = np.concatenate([table, np.eye(len(counts))[number]], axis=1)
                what = f"The {len(counts)} distinct values of column {column} of {name}"
                told[what] = told_within(out, as_names)
    best = max(told, key=lambda what: told[what][0], default=None)
    own = plain[2] if out.validation_score is None else out.validation_score  # on new rows
    if best and told[best][0] > max(plain[0], own) + better:
        text = f"{best} stand for names: taken as such a linear model reaches {out.measure} "
        text += f"{told[best][0]:.3f} on new rows, taken as amounts {plain[0]:.3f}, and the "
        text += f"network {own:.3f}."
        remedy = "Give each of its values one-hot columns (CategoryEncoding), or an Embedding."
        if "whole" in best:
            remedy = "Read them by an Embedding, and pool over the columns."
        yield Seen(text, remedy)


def _sines_and_cosines(table, near=1e-3):
    """Return two columns beside each other whose squares add up to 1 in all rows, or None."""
    if table is None or table.ndim != 2 or not np.all(np.isfinite(table)):
        return None
    table = table.astype("float64")
    squares = np.square(table)
    off = np.abs(squares[:, :-1] + squares[:, 1:] - 1).max(axis=0)
    is_pair = (off < near) & (np.ptp(table[:, :-1], axis=0) > 1)
    return (int(is_pair.argmax()), int(is_pair.argmax()) + 1) if is_pair.any() else None


@rule("inputs_tell_nothing", "end", "warning", change="data", recipe="sanity_checks")
def inputs_tell_nothing(run, rows=200, fewest=80, few=16, nothing=0.05):
    """On held-out rows neither the network nor a simple model does better than a constant.

    Where validation rows are few, the score on other training rows counts as well. Or they fail
    on training rows alone, and the network on validation rows, which simple models do tell.

    Source: Zhang et al. (2017): a network can learn labels that belong to nothing.
    """
    held_out_only = told_by_held_out_rows_only(run)
    for out in run.outputs[:1]:
        if out.validation_gain is None:
            continue
        well = FINE if (out.gain or 0.0) < CHANCE else WELL
        if held_out_only and out.validation_gain < well:
            within, there, what = held_out_only
            text = f"Of the way from a constant to a perfect prediction of {what} simple models go "
            text += f"{there:.0%} within the validation rows and {within:.0%} within the training "
            text += "rows: there the labels do not follow from their inputs."
            remedy = "Check that each training label stands at its own row (shuffled apart, "
            remedy += "sorted, zipped wrongly), and that it is changed along where a generator "
            remedy += "changes its row: in a mirrored image places are mirrored, and left and "
            remedy += "right exchanged. Look at some training rows as the network gets them: "
            yield Seen(text, f"{remedy}augmented too strongly, they are no longer of their class.")
            continue
        simple = out.simple
        if simple is None or len(out.validation_y) < fewest:
            continue
        scores = [simple[0]] if len(out.validation_y) >= rows else [simple[0], out.simple_within]
        if out.balanced or None in scores:  # of rare classes it looks the same
            continue
        learns = out.gain is not None and out.gain >= WELL / 2
        is_series = run.table is not None and run.table.ndim == 3
        if not learns and (run.has_ids or (is_series and run.table[:1].size > few)):
            continue  # their order may be what tells
        trivial = out.trivial or 0.0
        possible = (np.mean(scores) - trivial) / (1 - trivial) if trivial < 1 else 0
        chance = chance_of(out)
        if possible <= 0:  # what the network has of it, if anything, is next to nothing
            chance = max(chance, nothing)
        at_chance = out.validation_gain < chance and possible < chance
        if at_chance and not [*names_as_amounts(run), *target_reads_otherwise(run)]:
            where = "" if out.alone else f" of {out.where}"
            text = f"On {len(out.validation_y)} validation rows {out.measure}{where} is "
            text += f"{out.validation_score:.3f}, of {simple[1]} {simple[0]:.3f}; a constant "
            text += f"prediction has {trivial:.3f}: the inputs tell next to nothing of the labels "
            text += "in their rows."
            remedy = "Check that each label stands at its own row (shuffled apart, sorted, zipped "
            remedy += "wrongly), then that the inputs hold what decides."
            if turned := _sines_and_cosines(run.table):
                text += f" Columns {' and '.join(map(str, turned))} are sine and cosine of an "
                text += "angle: was it in radians? Of degrees they are garbled."
                remedy = f"Take them of radians: np.deg2rad(x), or 2 * np.pi * x / 24. {remedy}"
            if run.has_ids and run.effects.get("the order of the steps", 1.0) < 1e-3:
                text += " Nor does the network see their order, which may be what decides."
                remedy = f"Let a Conv1D or LSTM go over the steps before they are pooled. {remedy}"
            if run.has_ids:
                remedy += " Of texts: what was taken out in cleaning (stop words such as 'not', "
                remedy += "rare words, signs), or cut off?"
            if is_series and not learns:
                text += f" The {run.table.shape[1]} steps of a row do not hold what decides."
                forecast = "For a forecast give a longer window, back to what recurs (a day, a "
                remedy = f"{forecast}week), or columns that tell the hour or the season. {remedy}"
            if not [*scaled_row_by_row(run)]:
                yield Seen(text, remedy)


@rule("inputs_tell_nothing", "end", SUSPICION, change="data", recipe="sanity_checks")
def one_input_tells_nothing(run, more=0.01, most=64, many=8):
    """Of several inputs one adds nothing to what simple models make of the others.

    It is a note where no row of it comes twice, as it does where a table was joined to another one.

    Source: Breiman (2001), Random forests, ch. 10: what may be exchanged between rows at no cost
    was of no use.
    """
    out, tables = run.only_output, {k: x.reshape(len(x), -1) for k, x in run.inputs.items()}
    few = 2 <= len(tables) <= many  # each asks for simple models of its own
    if not few or not run.all_are_numbers or out is None or out.gain is None:
        return
    is_whole = all(len(table) == len(out.y) for table in tables.values())
    width = sum(table.shape[1] for table in tables.values())
    if run.known_gain >= WELL or not is_whole or width > 4096:
        return

    def told(names):
        best = told_within(out, np.concatenate([tables[name] for name in names], axis=1))
        trivial = 0.5 if out.balanced or out.ranked else out.trivial or 0.0
        return None if best is None else (best[0] - trivial) / max(1 - trivial, 1e-9)

    whole, chance = told(list(tables)), chance_of(out)
    for name, x in run.inputs.items() if whole is not None else ():
        others = told([other for other in tables if other != name])
        if x.ndim != 2 or x.shape[1] > most or x.dtype.kind != "f" or others < chance:
            continue
        if whole <= others + more and told([name]) < chance:
            text = "Of the way from a constant to a perfect prediction simple models go "
            text += f"{others:.0%} without {name} and {whole:.0%} with it: its rows do not belong "
            text += "to those of the labels, or do not tell of them."
            remedy = f"Check that each row of {name} belongs to its row of labels: np.repeat for "
            remedy += "np.tile, merged by a key and in one order, shuffled together."
            is_joined = len(np.unique(x, axis=0)) < 0.9 * len(x)  # a row of it serves several
            yield Seen(text, remedy, severity=None if is_joined else "note")


@rule("unnormalized_inputs", "end", "warning", change="preprocessing", recipe="input_normalization")
def scaled_row_by_row(run, fewest=4, near=1e-3, more=0.2):
    """Each row has been scaled for itself, so that its level is not in it, and a regression fails.

    Source: arithmetic: what is divided out of each row can no longer be told from it.
    """
    x, out = run.table, run.only_output
    if x is None or x.ndim not in (2, 3) or x.shape[1] < fewest or out is None:
        return
    if out.kind != "regression" or out.gain is None or run.known_gain >= LIMIT:
        return
    x = x.astype("float64")
    scaled_by = run.first_layers[0] if run.first_layers else ""
    if scaled_by in ("LayerNormalization", "GroupNormalization", "UnitNormalization"):
        spread = np.maximum(x.std(axis=1, keepdims=True), 1e-12)
        told = [
            told_within(out, rows) for rows in (x, (x - x.mean(axis=1, keepdims=True)) / spread)
        ]
        if None not in told and told[0][0] > told[1][0] + more:
            text = f"The first layer, {scaled_by}, scales each row for itself, so that its level "
            text += f"does not pass: of rows as they are simple models reach {out.measure} "
            text += f"{told[0][0]:.3f}, of rows so scaled {told[1][0]:.3f}."
            yield Seen(text, "Scale all rows alike: Normalization with adapt.", change="layers")
        return
    told = out.simple or told_within(out, x)
    if told is None or told[0] >= CHANCE:  # then the level is no matter
        return
    length = np.linalg.norm(x, axis=1)
    is_most = np.sum(x == x.max(axis=1, keepdims=True), axis=1) == 1  # no saturated pixels
    for alike, what in (
        ((x.mean(axis=1), x.std(axis=1)), "the same mean and deviation"),
        ((x.min(axis=1), x.max(axis=1)), "the same smallest and largest value"),
        ((length,), "length 1"),
        ((np.where(is_most, x.max(axis=1), np.nan),), "the largest value 1"),
    ):
        if all(np.ptp(values) < near for values in alike) and np.ptp(x) > near:
            text = f"Each row has been scaled for itself ({what}): its level is not in it, and "
            text += f"{out.measure} is {out.score:.3f}."
            remedy = "Scale all rows alike, with mean and deviation of all training rows."
            yield Seen(text, remedy)
            return


@rule("label_problem", "end", SUSPICION, change="preprocessing")
def target_goes_round(run, edge=0.1, few=8, far=0.3, times=8.0):
    """Large errors stand at both ends of the targets' range alone: an angle, an hour, a direction.

    Source: Fisher (1993), Statistical analysis of circular data: 359 degrees are next to 0.
    """
    out = run.only_output
    if out is None or out.kind != "regression" or out.y.shape[1] != 1 or run.known_gain < LIMIT:
        return
    y, guess = held_out(out)
    if guess is None or guess.shape != y.shape:
        return
    low, high = float(out.y.min()), float(out.y.max())
    if low == high:
        return
    places, errors = (y[:, 0] - low) / (high - low), np.abs(y - guess)[:, 0] / (high - low)
    wrong = places[errors > max(far, times * np.median(errors))]
    ends = np.sum(wrong < edge), np.sum(wrong > 1 - edge)
    if min(ends) >= few / 4 and sum(ends) >= max(few, 0.9 * len(wrong)):
        text = f"Of the {len(wrong)} predictions that are far off {ends[0]} have their target at "
        text += f"the lower end of the range ({low:.4g} to {high:.4g}) and {ends[1]} at the upper "
        text += "end: do the two ends meet, as of angles and hours?"
        remedy = "Predict sine and cosine (two outputs), and take arctan2 of them."
        yield Seen(text, remedy)


@rule("invalid_inputs", "end", "error", change="data", recipe="noise")
def noise_drawn_once(run, same=1e-3, centred=-0.9):
    """The inputs are the targets and a noise that is the same in all rows.

    Source: TensorFlow, Better performance with tf.function: Python and NumPy run once, in tracing.
    """
    out, x = run.only_output, run.table
    if out is None or out.kind != "regression" or x is None or x.size != out.y.size:
        return
    y = out.y.reshape(len(x), -1)
    noise = x.reshape(y.shape) - y
    if noise.std() <= same * x.std() or noise.std(axis=0).max() >= same * noise.std():
        return
    if np.corrcoef(noise[0], y.mean(axis=0))[0, 1] > centred:  # not the mean, taken off the inputs
        text = f"The inputs are the targets and a noise of deviation {noise.std():.3g} that is the "
        text += f"same in all {len(x)} rows looked at: it was drawn once."
        remedy = "Draw it anew for each row and epoch: layers.GaussianNoise in the model, or "
        remedy += "tf.random.normal in `dataset.map`, where NumPy draws once, when it is traced."
        yield Seen(text, remedy)


@rule("label_problem", "end", "warning", change="loss")
def pairs_read_the_other_way(run, nearer=0.6):
    """A loss of pairs draws those apart whose inputs are near each other, and the others together.

    Two equal inputs are given one and the same prediction: a distance of 0, say. For the label of
    the pairs whose inputs are nearer the loss of it should be the smaller one.

    Source: Hadsell et al. (2006), Dimensionality reduction by learning an invariant mapping: there
    label 0 is for pairs of a kind; many programs take 1.
    """
    if run.equal_inputs is None or run.known_gain >= WELL:
        return
    prediction, *losses = run.equal_inputs
    first, second = (x.reshape(len(x), -1).astype("float64") for x in run.inputs.values())
    positive = classes_of(run.only_output, run.only_output.y) == 1
    if len(positive) != len(first):
        return
    area = auc(-np.square(first - second).mean(axis=1), positive)
    alike = int(area > 0.5)
    if max(area, 1 - area) > nearer and losses[alike] > losses[1 - alike]:
        text = f"Pairs with label {alike} have inputs nearer to each other (AUC "
        text += f"{max(area, 1 - area):.2f}), and your loss draws them apart: two equal inputs are "
        text += f"given {prediction:.3g}, and of it the loss is {losses[1]:.3g} for label 1 and "
        text += f"{losses[0]:.3g} for label 0. Labels and loss have opposite conventions."
        remedy = "Exchange the labels (1 - y), or the two terms of the loss: for pairs of a kind "
        yield Seen(text, f"{remedy}it has to be least at the distance 0.")


@rule("invalid_inputs", "end", "warning", change="preprocessing")
def bytes_exchanged(run, better=0.3):
    """Numbers of two bytes tell far more where their bytes are exchanged: the files are big-endian.

    Tried are whole numbers, as they are or divided by their largest value.

    Source: Cohen (1981), On holy wars and a plea for peace: the order of the bytes is a convention.
    """
    x, out = run.table, run.only_output
    if x is None or out is None or out.prediction is None or run.known_gain >= WELL:
        return
    for largest in (1, 255, 1023, 4095, 32767, 65535):
        whole = np.round(x.astype("float64") * largest)
        is_whole = np.all(np.abs(x.astype("float64") * largest - whole) < 0.02)
        if not is_whole or whole.min() < 0 or not 255 < whole.max() <= 65535:
            continue
        swapped = whole.astype("uint16").byteswap()
        told = [told_within(out, rows) for rows in (whole, swapped)]
        if None not in told and told[1][0] > told[0][0] + better:
            text = f"With their two bytes exchanged, simple models reach {out.measure} "
            text += f"{told[1][0]:.2f} from the inputs, as they are {told[0][0]:.2f}: they were "
            text += "read in the other order."
            remedy = "Read them as they were written: np.dtype('>u2'), or little_endian=False in "
            yield Seen(text, f"{remedy}tf.io.decode_raw.")
        return


@rule("label_problem", "end", "warning", change="data")
def labels_change(run, most=0.3):
    """Rows of a later epoch come with other labels than in the first, and the run does badly.

    Source: definition of a label: it belongs to its row.
    """
    if run.relabelled > most:
        text = "Rows that came again in a later epoch had other labels than in the first: as far "
        text += f"from these as {run.relabelled:.0%} of the distance to labels of other rows. "
        if run.rescaled is not None:
            text += f"They are {run.rescaled:.3g} times those: changed in place, again each epoch."
            remedy = "Let the loader copy before it changes a batch: y = y / side, not y /= side."
        else:
            text += "Rows and labels are shuffled apart between epochs."
            remedy = "Shuffle both alike: order = random.permutation(len(x)); x, y = x[order], "
            remedy += "y[order], in on_epoch_end too."
        severity = "note" if run.known_gain >= WELL else None  # one of several may be drawn
        yield Seen(text, remedy, severity=severity)


@rule("rows_mix", "end", "warning", change="layers")
def rows_mix(run, change=0.05):
    """A row's prediction changes with the rows beside it, or from call to call.

    Source: definition of a prediction: it is a function of its own row.
    """
    if run.only_batch:
        text = f"The model takes batches of {run.only_batch} rows, and no others: something in it "
        text += "has a place for each row of a batch. It fails on a last, smaller one, and what it "
        text += "predicts depends on where a row stands. No score of it could be judged."
        remedy = "Let what a layer adds or multiplies have size 1 on the first axis (a table of "
        yield Seen(text, f"{remedy}positions has shape (steps, units)), and reshape with -1 there.")
    again, alone = run.company.get("again", 0.0), run.company.get("alone", 0.0)
    if again > change:
        text = f"The same rows, predicted twice, differ by {again:.2g} of the predictions' spread: "
        text += "something stays random in inference."
        remedy = "If that is not meant, as draws of a variational autoencoder are: call Dropout "
        remedy += "without training=True, Keras passes it on; in a layer of your own use "
        remedy += "layers.Dropout, not tf.nn.dropout, which knows no inference."
        is_meant = any(is_autoencoder(run, out) for out in run.outputs)
        yield Seen(text, remedy, severity="note" if is_meant else SUSPICION)
    elif alone > change:
        text = f"Predicted with other rows beside it, a row changes by {alone:.2g} of the "
        text += "predictions' spread: rows of a batch are mixed."
        remedy = "Let each layer keep the first axis: no BatchNormalization with training=True, no "
        remedy += "mean, softmax, transpose or reshape over the rows, no gather without batch_dims."
        yield Seen(text, remedy, severity="error" if alone > 1 else None)


@rule("repeated_batches", "end", SUSPICION, change="data")
def repeated_batches(run, share=0.5):
    """An epoch shows the same few rows again and again.

    Source: definition of an epoch: every row once.
    """
    if len(run.batches) < 4:
        return
    prints = [p for batch in run.batches for p in batch.prints]
    distinct = len(set(prints))
    if distinct < share * len(prints) and distinct < 1024:
        text = f"{len(run.batches)} batches of an epoch hold {distinct} distinct rows among "
        text += f"{len(prints)} looked at."
        remedy = "Let the generator go on where the last batch ended, so that an epoch holds all "
        remedy += "rows, and keep copies: one array that is filled again and again stays one array."
        yield Seen(text, remedy)


@rule("repeated_batches", "end", SUSPICION, change="data", recipe="more_data")
def few_rows(run, part=0.5, kept=0.25):
    """An epoch of batches has far fewer rows than the validation data, or than its dataset keeps.

    Of arrays, which have batches here only where they are not shuffled, the rows are known.

    Source: definition of an epoch: every row once.
    """
    held_out = max((len(x) for x in run.validation_inputs.values()), default=0)
    is_drawn = run.shuffled and run.batches and run.num_rows
    held = max((run.rows_held.get(x.shape[1:], 0) for x in run.inputs.values()), default=0)
    if run.num_rows and run.num_rows < kept * held:
        text = f"An epoch has {run.num_rows} of the {held} rows that your dataset keeps."
        remedy = "Let its __len__ count the batches of all rows: ceil(rows / batch size), of "
        yield Seen(text, f"{remedy}images len(x), not the size of one. Few are learned by heart.")
    elif is_drawn and run.num_rows < part * held_out:
        text = f"An epoch has {run.num_rows} rows, in batches of {run.batch_size}; the validation "
        text += f"data have {held_out} or more."
        remedy = "See that an epoch holds all training rows: a generator may empty its lists too "
        remedy += "early or yield one row at a time, steps_per_epoch be too small, or training and "
        yield Seen(text, f"{remedy}validation data be exchanged. Few rows are learned by heart.")


@rule("unsuitable_loss", "end", "warning", change="loss")
def target_of_one_turn(run, ends=0.05, fewest=0.02):
    """A target fills one turn, as angles do: its ends are neighbours, and count as far apart.

    It is a note where the network tells it well. Simple models, told by the same target, are no
    excuse.

    Source: Fisher (1993), Statistical Analysis of Circular Data.
    """
    out = run.only_output
    if out is None or out.kind != "regression" or out.y.shape[1] != 1 or len(out.y) < 100:
        return
    y = out.y[:, 0]
    low, high = float(y.min()), float(y.max())
    for turn, unit in ((2 * np.pi, "radians"), (360.0, "degrees")):
        starts = [start for start in (0.0, -turn / 2) if abs(low - start) < ends * turn / 2]
        if not starts or not abs(high - starts[0] - turn) < ends * turn / 2:
            continue
        part = (y - starts[0]) / turn
        if min(np.mean(part < ends), np.mean(part > 1 - ends)) < fewest:
            continue
        text = f"The target runs from {low:.4g} to {high:.4g}, one turn in {unit}. If it is an "
        text += "angle, its two ends are neighbours, and the loss counts them as farthest apart."
        remedy = "Predict sine and cosine of the angle (two units); arctan2 turns them back."
        is_told = out.gain is None or out.gain >= WELL
        yield Seen(text, remedy, severity="note" if is_told else None)


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="target_scaling")
def target_reads_otherwise(run, better=0.05, times=2.0, even=4.0):
    """As an angle, as a logarithm or without its farthest rows a target is told far better.

    The ends of an angle are neighbours, where the squared error asks for a jump; a few rows far
    from all others have most of the squared error.

    Source: Fisher (1993), Statistical Analysis of Circular Data; Huber (1964), Robust estimation
    of a location parameter.
    """
    out, x = run.only_output, run.table
    if out is None or out.kind != "regression" or out.y.shape[1] != 1 or out.gain is None:
        return
    if x is None or x[:1].size > 256 or not 200 <= len(x) == len(out.y) or np.ptp(out.y) == 0:
        return
    plain = told_within(out, x)
    if plain is None:
        return
    y, readings = out.y, {}
    low, first, third, high = np.quantile(y, [0.02, 0.25, 0.75, 0.98])
    if np.ptp(y) < even * (third - first):  # all of a turn occurs
        turn = 2 * np.pi * (y - y.min()) / np.ptp(y)
        remedy = "Predict sine and cosine of the angle 2π · target / period; arctan2 turns them "
        circle = np.concatenate([np.cos(turn), np.sin(turn)], axis=1)
        readings["as an angle"] = circle, f"{remedy}back."
    is_squared = "squared" in out.loss and not out.of_logarithms
    if is_squared:
        remedy = "Compile with keras.losses.Huber() on scaled targets; look at these rows first."
        readings["with the farthest 2% at each end drawn in"] = np.clip(y, low, high), remedy
    if is_squared and y.min() > 0:
        remedy = "Train on the logarithm of the targets; exp turns it back."
        readings["as a logarithm"] = np.log(y), remedy
    told = {
        name: told_within(Output(name, y=values, prediction=values), x)[0]
        for name, (values, _) in readings.items()
    }
    best = max(told, key=told.get, default=None)
    own = plain[2] if out.validation_score is None else out.validation_score  # on new rows
    known = max(plain[0], own)
    if best and told[best] > known + better and 1 - known > times * (1 - told[best]):
        text = f"Of the target {best} simple models tell R² {told[best]:.3f}, as it is "
        yield Seen(f"{text}{plain[0]:.3f}, and the network {own:.3f}.", readings[best][1])
