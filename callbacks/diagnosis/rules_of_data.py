"""Rules of the inputs: what stands in them, how they are scaled, in which order they come."""

import collections

import numpy as np

from .finding import SUSPICION, Seen, rule
from .scores import WELL, ratio_of_spreads, standardized
from .target import classes_of

FILL = "Remove or fill these values before training."


@rule("invalid_inputs", "start", "error", change="preprocessing")
def invalid_inputs(run, alike=0.9, unknown=0.7):
    """Values are no numbers, rows or nearly all words are equal, or an embedding lacks a row.

    Source: arithmetic: NaN spreads through every product.
    """
    alike_rows = []
    for text in run.not_finite:
        yield Seen(text, FILL)
    for name, x in run.inputs.items():
        bad = ~np.isfinite(x)
        if bad.any():
            text, remedy = f"{bad.sum()} of {x.size} values of {name} are NaN or infinite", FILL
            if x.ndim == 2:
                shares = bad.mean(axis=0)
                worst = int(shares.argmax())
                text += f", {100 * shares[worst]:.3g}% of column {worst}"
                if shares[worst] == 1:
                    remedy = "Drop a column that never changes, or add an epsilon to the deviation "
                    remedy += f"by which it is divided (0 / 0 is NaN). {FILL}"
            yield Seen(f"{text}.", remedy)
            continue
        share, row = _commonest(x)
        if len(x) > 1 and share > alike:
            which = "All" if share == 1 else f"{share:.0%} of the"
            text = f"{which} {len(x)} rows of {name} are identical"
            text += f", nothing but {row.flat[0]:g}." if np.ptp(row) == 0 else "."
            alike_rows.append((share, text, name))
        elif run.has_ids and (x != 0).any() and _commonest(x[x != 0])[0] > unknown:
            if run.hidden_steps and run.hidden_steps[2] > unknown:  # 0 is a word: `hidden_by_mask`
                continue
            share, word = _commonest(x[x != 0])
            text = f"{share:.0%} of the words of {name} are the number {word:g}: does it stand for "
            remedy = "Give the vocabulary more words (max_tokens, num_words), and take them from "
            remedy += "texts that are cut and cleaned like these."
            yield Seen(f"{text}all that the vocabulary does not know?", remedy, severity=SUSPICION)
        elif len(x) >= 32 and x.ndim == 2 and run.num_rows:
            constant = int(np.all(x == x[:1], axis=0).sum())
            ranges = set(zip(x.min(axis=0), x.max(axis=0), strict=True))
            if constant and len(ranges) > x.shape[1] / 2:  # pixels share their range
                text = f"{constant} of {x.shape[1]} features of {name} are constant."
                yield Seen(text, "Drop them; they carry no information.", severity="note")
    for name, x in run.validation_inputs.items():
        bad = int((~np.isfinite(x)).sum())
        if bad:
            text = f"{bad} of {x.size} validation values of {name} are NaN or infinite, and so are "
            yield Seen(f"{text}the scores.", FILL.replace("training", "validation"))
    knows_none = any(share == 1 for _, share, _ in run.unknown_words)  # `words_not_known` tells
    if alike_rows and not knows_none:
        (share, text, _), *others = sorted(alike_rows, key=lambda found: -found[0])
        text += f" So it is with {', '.join(name for *_, name in others)}." if others else ""
        remedy = "Look at some rows as the network gets them: nothing can be told from these. "
        remedy += "Whole numbers (//, or a cast to int) make 0 of fractions."
        if run.has_ids or "Embedding" in run.first_layers:
            remedy += " A lookup gives the same number to all that its vocabulary does not hold: "
            remedy += "are words and vocabulary written alike (blanks, capitals)?"
        yield Seen(text, remedy, severity=None if share == 1 else SUSPICION)
    for layer, low, high, size, whole, _ in run.embedded:
        if whole < 1:
            text = f"{1 - whole:.0%} of the inputs of {layer!r} (range {low:.3g} to {high:.3g}) "
            text += "are fractions; an embedding takes whole numbers and cuts the rest off."
            remedy = "Give it numbers of words or categories as they are, not scaled; measurements "
            yield Seen(text, f"{remedy}need no embedding: leave it out (Reshape, Dense instead).")
        elif low < 0 or high >= size:
            text = f"Inputs of {layer!r} run from {low:g} to {high:g}; its table has the rows 0 to "
            remedy = f"Number the words from 0, or give {layer!r} input_dim={int(high) + 1}."
            yield Seen(f"{text}{size - 1}.", remedy)
        elif low == high and len(run.inputs) == 1 and not alike_rows:
            text = f"Different rows become one: all that {layer!r} is given is the number {low:g}."
            remedy = "Look at what makes these numbers: bins (Discretization) that all values fall "
            remedy += "in one of, a lookup that knows none, a cast."
            yield Seen(text, remedy, change="layers")


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def words_not_known(run, share=0.3):
    """A lookup does not know much of what it is given: it makes one number of all that.

    Source: Keras, StringLookup and IntegerLookup: what the vocabulary lacks is out of vocabulary.
    """
    for layer, unknown, example in run.unknown_words:
        if unknown > share:
            text = f"{unknown:.0%} of what {layer!r} is given is not in its vocabulary, such as "
            remedy = "Write data and vocabulary alike (blanks, capitals, types), and take the "
            remedy += "vocabulary from the training rows: adapt(x)."
            # all of it: rows that differ are one to the network
            severity = "error" if unknown == 1 else None
            yield Seen(f"{text}{example}.", remedy, severity=severity)


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def rare_words_are_one(run, share=0.2):
    """A vocabulary is full and leaves out much of the texts: one number stands for all of it.

    Source: Keras, TextVectorization: words beyond max_tokens are out of vocabulary ([UNK]).
    """
    for layer, kept, left_out in run.rare_words:
        if left_out > share:
            text = f"{layer!r} keeps the {kept} most frequent words; {left_out:.0%} of the words "
            text += "of these texts are others, and all of them are one number."
            yield Seen(text, "Keep more of them: a larger max_tokens.")


@rule("invalid_inputs", "start", SUSPICION, change="layers")
def kinds_become_few(run, times=10):
    """Many different numbers of things become few before they are embedded.

    Source: Weinberger et al. (2009), Feature hashing: things that share a bin are one.
    """
    for layer, low, high, _, _, kinds in run.embedded:
        before, after = kinds or (0, 1)
        if low < high and before > times * after:
            text = f"The {before} different numbers of the input are {after} when {layer!r} reads "
            remedy = "Look at what makes these numbers: more bins (Hashing, Discretization), a "
            yield Seen(f"{text}them.", f"{remedy}larger vocabulary (max_tokens).")


def _commonest(x):
    """Return the share of the row that comes most often, and that row."""
    rows = collections.Counter(row.tobytes() for row in x)
    row, count = rows.most_common(1)[0] if x.size else (b"", 0)
    return count / max(1, len(x)), np.frombuffer(row, x.dtype).reshape(x.shape[1:])


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def missing_values_coded(run, least=0.003, most=0.6, few=10):
    """A value comes again and again, as far from all others as these spread: a code for none.

    Where most rows are repeated, as from a generator that begins anew, so is any value of theirs.

    Source: Little & Rubin (2002), Statistical analysis with missing data: a code is no value.
    """
    for name, x in run.inputs.items():
        if x.ndim not in (2, 3) or x.dtype.kind != "f" or run.has_ids or x.shape[-1] > 256:
            continue
        if run.unmasked:  # padding: see `hidden_by_mask`
            continue
        distinct = len(np.unique(x.reshape(len(x), -1), axis=0))
        if distinct < len(x) / 2 and x[:1].size > 1:
            continue
        columns = x.reshape(-1, x.shape[-1])
        columns = columns[:: 1 + len(columns) // 4096]
        if not np.all(np.isfinite(columns)):
            continue
        for number, column in enumerate(columns.T):
            for code in (column.min(), column.max()):
                coded = column == code
                others = column[~coded]
                if not least <= coded.mean() <= most or len(np.unique(others)) < few:
                    continue
                if x.ndim == 3 and np.all(np.sum(x[..., number] == code, axis=1) == 1):
                    continue  # once in each row: it marks a step
                if np.abs(others - code).min() > np.ptp(others):
                    text = f"Column {number} of {name} is exactly {code:.4g} in {coded.mean():.1%} "
                    text += f"of the rows, all others run from {others.min():.4g} to "
                    text += f"{others.max():.4g}: a code for missing values?"
                    remedy = "Fill missing values with the column's median before scaling, and say "
                    yield Seen(text, f"{remedy}in a column of its own where they were missing.")
                    return


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def column_in_two_units(run, least=0.05, apart=3.0, tells=0.3, alike=0.3):
    """A column lies in two clusters of other widths, and within both tells the labels alike.

    Which of them a row is in tells nothing: so it is with one quantity in two units.

    Source: definition of a unit: the same amount has another number in another one.
    """
    out = run.only_output
    if out is None or out.y is None or out.kind not in ("regression", "binary"):
        return
    for name, x in run.inputs.items():
        if x.ndim != 2 or x.dtype.kind != "f" or len(x) != len(out.y) or run.has_ids:
            continue
        y = standardized(out.y, out.y)[0][:, 0]
        for number, column in enumerate(x.T[:256].astype("float64")):
            cut = _widest_gap(column, least)
            if cut is None:
                continue
            parts = [column < cut, column >= cut]
            if min(y[part].std() for part in parts) == 0:
                continue
            widths = [column[part].std() for part in parts]
            told = [np.corrcoef(column[part], y[part])[0, 1] for part in parts]
            means = [y[part].mean() for part in parts]
            if max(widths) < apart * min(widths) or abs(means[0] - means[1]) > alike:
                continue
            if min(told) > tells or max(told) < -tells:
                text = f"Column {number} of {name} lies below {cut:.4g} in "
                text += f"{parts[0].mean():.0%} of the rows and above in the others, one side "
                text += f"{max(widths) / min(widths):.3g} times as wide as the other; on both it "
                text += f"tells the target alike (correlations {told[0]:.2f}, {told[1]:.2f}), and "
                text += "the side tells nothing: one quantity in two units?"
                yield Seen(text, "Convert the rows of one source before the tables are joined.")


def _widest_gap(values, least):
    """Return the middle of a gap three times as wide as the narrower side spreads, or None."""
    values = np.sort(values)
    few = int(np.ceil(least * len(values)))
    is_amount = np.all(np.isfinite(values)) and len(np.unique(values)) >= len(values) / 10
    if few < 20 or not is_amount:
        return None
    gaps = np.diff(values)[few:-few]
    at = few + int(gaps.argmax())
    below, above = values[: at + 1], values[at + 1 :]
    narrow = min(below.std(), above.std())
    if narrow == 0 or gaps.max() < 3 * narrow:
        return None
    return float((values[at] + values[at + 1]) / 2)


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def turns_in_other_units(run, most=400, near=1e-5, fewest=5):
    """Columns are sines or cosines of whole numbers, as of degrees and hours, and not of radians.

    Source: definition of the radian: a turn of 360 degrees, or of 24 hours, is 2 pi.
    """
    known = np.arange(most + 1)
    known = np.sort(np.concatenate([np.sin(known), np.cos(known)]))
    for name, x in run.inputs.items():
        if x.dtype.kind != "f" or x.ndim not in (2, 3) or not np.all(np.isfinite(x)):
            continue
        columns = x.reshape(-1, x.shape[-1])[:4096, :256].astype("float64").T
        found = []
        for number, values in enumerate(map(np.unique, columns)):
            at = np.clip(np.searchsorted(known, values), 1, len(known) - 1)
            off = np.minimum(np.abs(known[at] - values), np.abs(known[at - 1] - values))
            if len(values) > fewest and off.max() < near:
                found.append(number)
        if found:
            text = f"All values of columns {found[:6]} of {name} are sines or cosines of whole "
            text += f"numbers from 0 to {most}: sine and cosine take radians."
            remedy = "Of degrees take np.sin(np.deg2rad(x)), of hours np.sin(2 * np.pi * x / 24)."
            yield Seen(text, remedy)


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def bytes_wrapped_around(run, near=16, least=0.1, between=0.3, jumps=0.25, many=200_000):
    """Pixels jump between both ends of the 256 values of a byte: of a difference, -1 became 255.

    Source: NumPy, overflow: what an unsigned integer cannot hold is taken modulo 256.
    """
    for name, x in run.inputs.items():
        x = x[: 1 + many // max(1, x[:1].size)]
        known = np.unique(x) if x.ndim > 2 and np.all(np.isfinite(x)) else np.zeros(0)
        if not near < len(known) <= 256:
            continue
        values = (x - known[0]) / np.diff(known).min()
        if not 240 < values.max() < 255.5 or np.abs(values - np.round(values)).max() > 0.1:
            continue
        low = float(np.mean((values > 0) & (values <= near)))
        high = float(np.mean((values >= 256 - near) & (values < 256)))
        middle = float(np.mean((values > near) & (values < 256 - near)))
        apart = float(np.mean(np.abs(np.diff(values, axis=-2)) > 200))
        if min(low, high) >= least and middle <= between and apart >= jumps:
            text = f"Of the values of {name} {low:.0%} are just above the smallest of 256 and "
            text += f"{high:.0%} just below the largest, and {apart:.0%} of neighbours are at "
            text += "either end: a difference of unsigned bytes (uint8), of which -1 became 255?"
            yield Seen(text, "Cast before subtracting: x.astype('float32').")


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def numbers_wrapped_around(run):
    """An embedding has rows for more things than the type of its numbers can tell apart.

    Source: NumPy, overflow: what an unsigned integer cannot hold is taken modulo 256.
    """
    for name, x in run.inputs.items():
        if x.dtype.kind not in "ui" or x.dtype.itemsize > 2:
            continue
        largest = np.iinfo(x.dtype).max
        for layer, _, high, size, *_ in run.embedded:
            if x.max() == high == largest < size - 1:
                text = f"The numbers of {name} are {x.dtype}, which ends at {largest}, and "
                text += f"{layer!r} has {size} rows: those from {largest + 1} on are never read. "
                text += f"Were larger numbers wrapped around, so that {largest + 1} became "
                text += f"{np.iinfo(x.dtype).min}?"
                yield Seen(text, "Number them as int32 from the first: x.astype('int32').", layer)


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def cut_to_whole_numbers(run, fewest=3, part=0.5, levels=4):
    """Columns are scaled and hold whole numbers alone: what lay between them was cut off.

    Source: NumPy: what is put into an array of whole numbers is cut to one, without a word.
    """
    x = run.table
    if x is None or x.ndim != 2 or run.has_ids or not len(x):
        return
    x = x.astype("float64")
    is_scaled = (np.abs(x.mean(axis=0)) < 0.7) & (np.abs(x.std(axis=0) - 0.9) < 0.4)
    # answers from -2 to 2 do not
    reaches_far = (np.abs(x).max(axis=0) >= 3) | (np.mean(x == 0, axis=0) >= 0.5)
    is_cut = np.all(x == np.round(x), axis=0) & is_scaled & reaches_far & (x.min(axis=0) < 0)
    columns = [int(c) for c in np.flatnonzero(is_cut) if len(np.unique(x[:, c])) >= levels]
    if len(columns) >= max(fewest, part * x.shape[1]):
        text = f"Columns {columns[:5]} of the input have a mean near 0 and a deviation near 1, as "
        text += f"scaled columns do, and hold whole numbers alone ({x[:, columns].min():g} to "
        text += f"{x[:, columns].max():g}): was what lay between cut off?"
        remedy = "Make the array one of floats before it is scaled: x = x.astype('float32'); what "
        yield Seen(text, f"{remedy}is put into an array of whole numbers is cut to one.")


@rule("inputs_tell_nothing", "end", SUSPICION, change="data", recipe="sanity_checks")
def equal_rows_of_other_labels(run, share=0.5, fewest=100, much=0.3, reached=0.8):
    """Rows that are equal in all inputs have other labels: nothing can tell them apart.

    A network that reaches most of what can be told, where that is much, does what its data allow.

    Source: Fukunaga (1990), Bayes error: of equal rows the commonest label, or the mean, is best.
    """
    rows = list(zip(*run.inputs.values(), strict=False)) if run.all_are_numbers else []
    numbers = {}
    group = [numbers.setdefault(b"".join(p.tobytes() for p in row), len(numbers)) for row in rows]
    if len(rows) < fewest or len(numbers) > share * len(rows):
        return
    for out in run.outputs:
        if len(out.y) != len(rows) or len(out.label_shape) > 1:
            continue
        best, skill = _best_of_equal_rows(out, np.array(group))
        if skill < WELL:
            text = f"Of {len(rows)} rows {len(numbers)} differ in their inputs, and equal rows "
            text += f"have other labels: no network has more than {out.measure} {best:.2f} on them."
            remedy = "Look at what became of the inputs: values rounded or cast to integers "
            remedy += "(pad_sequences does so without dtype='float32'), words that the vocabulary "
            remedy += "does not know, a column that was dropped. Or one array was filled again and "
            remedy += "again and appended each time: append a copy of it."
            is_reached = skill >= much and (out.gain or 0.0) >= reached * skill
            yield Seen(text, remedy, severity="note" if is_reached else None)


def _best_of_equal_rows(out, group):
    """Return accuracy or R² of the best answer to each group of equal rows, and its skill."""
    counts = np.bincount(group)
    if not out.of_classes:
        means = np.stack([np.bincount(group, column) / counts for column in out.y.T], axis=1)
        unexplained = np.sum((out.y - means[group]) ** 2)
        best = 1 - unexplained / max(np.sum((out.y - out.y.mean(axis=0)) ** 2), 1e-9)
        return best, best
    _, labels = np.unique(classes_of(out, out.y), return_inverse=True)
    table = np.zeros((len(counts), labels.max() + 1))
    np.add.at(table, (group, labels), 1)
    best, trivial = table.max(axis=1).sum() / len(group), table.sum(axis=0).max() / len(group)
    return best, (best - trivial) / max(1 - trivial, 1e-9)


@rule(
    "unnormalized_inputs", "start", SUSPICION, change="preprocessing", recipe="input_normalization"
)
def unnormalized_inputs(run, most=10, spread_ratio=100, least=0.02):
    """Inputs are so large or so unequal that the loss is steep in some weights and flat in others.

    Ten times the usual size makes the curvature a hundred times larger, more than momentum or
    Adam's usual range make good. Features are compared with the median one: a rare pixel is small
    and does no harm.

    Source: LeCun et al. (1998), Efficient BackProp, ch. 4.3: mean 0 and variance 1.
    """
    sizes = {}
    for name, x in run.inputs.items():
        if name not in run.scaled_inside and x.size and np.all(np.isfinite(x)):
            sizes[name] = float(np.sqrt(np.mean(np.square(x, dtype="float64"))))
    large = [name for name, rms in sizes.items() if rms > most]
    if run.first_layers[:1] == ["LayerNormalization"]:  # which scales each row
        large = []
    for name, rms in sizes.items():
        x = run.inputs[name]
        ratio = ratio_of_spreads(x)
        if name in large[1:]:
            continue
        if name in large:
            text = f"The root mean square of {name} is {rms:.4g} (range {x.min():.4g} to "
            text += f"{x.max():.4g}); about 1 is expected."
            if len(large) > 1:
                others = ", ".join(large[1:4]) + " …" * (len(large) > 4)
                text += f" Of {others} it is above {most}, too."
            remedy = "Subtract the training mean and divide by the training standard deviation."
            if x.ndim == 2 and np.all(x == np.round(x)):
                remedy += " Numbers that stand for things (words, categories) need an Embedding."
            yield Seen(text, remedy)
        elif 0 < x.std(axis=0).max() < least:
            text = f"From row to row {name} varies by {x.std(axis=0).max():.2g} at most (values "
            text += f"from {x.min():.3g} to {x.max():.3g}): next to nothing beside initial weights "
            text += "made for inputs about 1."
            remedy = "Scale once: standardize with the training mean and standard deviation. Was "
            remedy += "it divided by 255 twice?"
            if x.ndim == 2 and np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-3):
                text += " Each row has length 1."
                remedy = "Standardize each column (mean and standard deviation over the rows); "
                remedy += "what makes each row of length 1, such as `normalize`, is not that."
            yield Seen(text, remedy)
        elif ratio > spread_ratio:
            text = f"The largest standard deviation of a feature of {name} is {ratio:.3g} times "
            text += "the median one."
            remedy = "Standardize each feature with the training mean and standard deviation."
            yield Seen(text, remedy)


@rule(
    "unnormalized_inputs", "start", SUSPICION, change="preprocessing", recipe="input_normalization"
)
def scaled_by_layer(run, least=0.05, most=10, apart=20):
    """A layer that is to scale the inputs gives values far from 1, or columns far from each other.

    It was not adapted, they were scaled before, or all columns are scaled as one.

    Source: LeCun et al. (1998), ch. 4.3; a layer's scaling counts, not its name.
    """
    for layer, (rms, ratio) in run.rescaling.items():
        if least < rms < most and ratio > apart:
            text = f"{layer!r} scales all columns alike: one of what it gives spreads {ratio:.3g} "
            text += "times as much as the median one."
            remedy = "Scale each column by itself: Normalization() with adapt, without axis=None."
            yield Seen(text, remedy, layer)
        text = f"What {layer!r} makes of the inputs has root mean square {rms:.3g}; about 1 is "
        text += "expected."
        if rms > most:
            remedy = f"Call {layer!r}.adapt(x_train) before compiling; where it takes a scale, "
            yield Seen(text, f"{remedy}give it that of these inputs (1 / 255 of bytes).", layer)
        elif rms < least:
            remedy = f"The inputs are scaled already: take {layer!r} out."
            if any(np.abs(x).max() > most for x in run.inputs.values()):
                remedy = f"Give {layer!r} the scale of these inputs (1 / 255 of bytes)."
            yield Seen(text, remedy, layer)


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def channels_scaled_one_by_one(run, near=1e-2, rows=64):
    """Each pixel or step has been standardized over its own channels: what these share is gone.

    Source: LeCun et al. (1998), ch. 4.3: a channel is scaled over the rows.
    """
    for name, x in run.inputs.items():
        if x.ndim < 3 or x.shape[-1] < 2 or run.has_ids or x.dtype.kind != "f":
            continue
        mean, spread = x[:rows].mean(axis=-1), x[:rows].std(axis=-1)
        is_one, is_flat = np.abs(spread - 1) < near, spread < near  # flat: equal channels
        if np.all(np.abs(mean) < near) and np.all(is_one | is_flat) and is_one.mean() > 0.5:
            text = f"Each place of {name} has mean 0 and deviation 1 over its own {x.shape[-1]} "
            text += "channels: how bright it is beside other places is gone."
            remedy = "Standardize each channel over all rows (axis=(0, 1, 2) of images)."
            yield Seen(text, remedy)


@rule("hidden_by_mask", "start", SUSPICION, change="layers", recipe="masking")
def hidden_by_mask(run, most=0.2, padded=0.4, inverted=0.9):
    """A mask hides data, which is no padding at an end, or not the padding that is read.

    What a mask hides no later layer sees; where none hides it, a recurrent layer ends in it.

    Source: definition of a mask; Dwarampudi & Reddy (2019), Effects of padding on LSTMs and
    CNNs.
    """
    if run.hidden_steps and max(run.hidden_steps[1:]) > most:
        layer, whole, gaps, equal = run.hidden_steps
        text = f"The mask of {layer!r} hides {whole:.0%} of the rows wholly, and steps between "
        text += f"others in {gaps:.0%}; {equal:.0%} of the different rows are equal behind it."
        remedy = "Mask only a value that marks padding and never occurs as data, e.g. pad with "
        yield Seen(text, f"{remedy}-1 and set mask_value=-1, or take the mask out.", layer)
    if run.unmasked:
        layer, number, share = run.unmasked
        text = f"The mask of {layer!r} hides no step, and the last {share:.0%} of a row are, on "
        text += f"average, one and the same step ({number:.4g}, …): padding, scaled like data?"
        remedy = "Scale the real steps by their own mean and deviation, and pad after that with "
        yield Seen(text, f"{remedy}the number that {layer!r} hides (mask_value).", layer, "warning")
    for layer, (ask, read), steps, padding, hidden in run.attention_masks:
        if read == 1 and (steps or 1) > 1:
            text = f"The attention_mask of {layer!r} has the shape (rows, {ask}, 1), and {steps} "
            text += "steps are attended to: it hides steps that ask, none that are read, so that "
            text += "padding, and what lies behind the end of a row, is attended to like data."
            remedy = "Give the mask an axis for the steps that are read (the keys): (rows, 1, "
            yield Seen(text, f"{remedy}steps), such as mask[:, None, :].", layer)
        elif min(padding, hidden) > inverted:
            text = f"Of the steps that the attention_mask of {layer!r} shows {padding:.0%} are "
            text += f"padding (0), and it hides {hidden:.0%} of the others: it is the wrong way "
            remedy = "Invert the mask: it is True for what is to be seen, such as x != 0, and not "
            yield Seen(f"{text}round.", f"{remedy}for the padding.", layer)
    if run.padded_end > padded:
        text = f"The last {run.padded_end:.0%} of the steps of a row are 0 on average, no mask "
        text += "hides them, and "
        if run.last_step:
            text += f"{run.last_step[0]!r} gives what is left after them."
        else:
            text += f"{run.averages[0]!r} averages over them too."
        remedy, change = "Mask the padding (Embedding(mask_zero=True) or Masking)", "preprocessing"
        if run.loses_mask:
            text += f" {run.loses_mask!r} is given a mask and hands none on."
            remedy = f"Set self.supports_masking = True in {run.loses_mask!r}, or mask behind it"
            change = "layers"
        at_front = ", or pad at the front: pad_sequences(padding='pre')."
        yield Seen(text, remedy + (at_front if run.last_step else "."), change=change)


@rule("inputs_drift", "training", "warning", change="preprocessing")
def inputs_drift(run, factor=5.0):
    """The rows of later epochs spread far less, or more, than those of the first.

    Source: Sculley et al. (2015), Hidden technical debt in machine learning systems.
    """
    first, *later = run.first_batches or [0.0]
    ratios = [size / first for size in later] if first > 0 else []
    if ratios and (max(ratios) < 1 / factor or min(ratios) > factor):
        text = f"The inputs of the first batch spread by {first:.3g} in the first epoch and by "
        text += f"{later[-1]:.3g} in a later one: the data change while they are read, as where a "
        text += "loader scales its own array in place."
        remedy = "Let the loader copy before it changes a batch: x = x / 255, not x /= 255; or "
        yield Seen(text, f"{remedy}scale all rows once, before training.")


@rule("batches_in_order", "start", SUSPICION, change="data")
def batches_in_order(run, factor=3.0):
    """Batches hold one class, or one range of targets, at a time.

    The labels of a batch are compared with those of all batches: random batches differ by chance
    alone, so the spread between batches is about 1/size of the spread between rows.

    Source: Bengio (2012), ch. 3.1: stochastic gradients need examples in random order.
    """
    batches = [b.labels for b in run.batches if b.labels is not None and b.size >= 4]
    if len(batches) < 4 or not run.outputs or run.windows:  # a series is in order on purpose
        return
    out = run.outputs[0]
    rows = [np.asarray(b, "float64").reshape(len(b), -1) for b in batches]
    if out.kind == "sparse" and rows[0].shape[1] == 1:
        classes = int(max(r.max() for r in rows)) + 1
        rows = [np.eye(classes)[np.clip(r[:, 0].astype(int), 0, None)] for r in rows]
    every = np.concatenate(rows)
    size = np.mean([len(r) for r in rows])
    within = float(every.var(axis=0).sum())
    between = float(np.var([r.mean(axis=0) for r in rows], axis=0).sum())
    excess = size * between / max(within, 1e-12)
    if excess > factor and between > 0.2 * within:
        text = f"The labels of batches differ {excess:.3g} times as much as by chance: "
        if out.kind == "regression":
            text += f"{between / within:.0%} of their variance lies between batches."
        else:
            single = float(np.mean([np.all(r == r[:1]) for r in rows]))
            text += f"{single:.0%} of {len(rows)} batches hold a single class."
        remedy = "Shuffle the rows before they are batched; in tf.data with a buffer as large as "
        remedy += "the data: .shuffle(number of rows).batch(…)."
        yield Seen(text, remedy)
