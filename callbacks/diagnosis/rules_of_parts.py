"""Rules of parts of the inputs that the network does not see, or takes for something else."""

from itertools import pairwise

import numpy as np

from .finding import SUSPICION, Seen, rule
from .scores import CHANCE, WELL, told_within, trend_of


@rule("axes_swapped", "end", "warning", change="preprocessing")
def axes_folded(run, better=0.3):
    """Values that belong together stand in different steps: another folding tells far more.

    Compared are simple models of all values of a row and of sums over the steps of products of
    features, within a step and from one to the next: what any layer that goes over steps can make.

    Source: a layer that goes over steps can only set side by side what stands in the same step.
    """
    out, x = run.only_output, run.table
    goes_over_steps = run.recurrent or run.attends or "Conv1D" in run.first_layers
    if out is None or out.gain is None or out.gain >= WELL or not goes_over_steps:
        return
    if x is None or x.ndim != 3 or not 200 <= len(x) == len(out.y) or x[0].size > 256:
        return
    rows, steps, features = x.shape
    foldings = {
        "as they are": x,
        "with one feature after the other": np.swapaxes(x.reshape(rows, features, steps), 1, 2),
        "with one step after the other": np.swapaxes(x, 1, 2).reshape(rows, steps, features),
    }
    told = {name: told_within(out, _sums_over_steps(folded)) for name, folded in foldings.items()}
    if None in told.values():
        return
    plain, _, own = told["as they are"]
    best = max(told, key=lambda name: told[name][0])
    if told[best][0] > max(plain, own) + better:
        text = "From sums over the steps of products of features, simple models reach "
        text += f"{out.measure} {told[best][0]:.2f} when each row's {steps * features} values are "
        text += f"read {best}, {plain:.2f} as they are: the axes are in the wrong order."
        remedy = "Check the reshape: x.reshape(n, features, steps).transpose(0, 2, 1) where one "
        yield Seen(text, f"{remedy}feature's steps stand side by side in a row.")


def _sums_over_steps(x, most=16):
    """All values, and products of features summed over the steps, within one and to the next."""
    x = x[:, :, :most].astype("float64")
    x = (x - x.mean(axis=(0, 1))) / np.maximum(x.std(axis=(0, 1)), 1e-9)
    within = np.einsum("nsf,nsg->nfg", x, x)
    across = np.einsum("nsf,nsg->nfg", x[:, :-1], x[:, 1:])
    return np.concatenate([part.reshape(len(x), -1) for part in (x, within, across)], axis=1)


@rule("part_unseen", "start", SUSPICION, change="layers")
def texts_cut_off(run, part=0.5):
    """Most words of the texts are cut off before anything reads them.

    Source: Keras, TextVectorization: `output_sequence_length` cuts each text to so many words.
    """
    if run.cut_texts is not None and run.cut_texts[1] < part * run.cut_texts[2]:
        layer, kept, words = run.cut_texts
        text = f"{layer!r} keeps the first {kept} words of each text; half of the texts have "
        yield Seen(f"{text}{words:.0f} or more.", "Let it keep more: output_sequence_length=…")


@rule("invalid_inputs", "start", SUSPICION, change="preprocessing")
def texts_of_one_word(run, share=0.9, fewest=5):
    """Texts are one word each to what splits them at blanks.

    Source: Keras, TextVectorization: `split` is "whitespace" unless another one is given.
    """
    for name, x in run.inputs.items() if run.has_ids else ():
        alone = np.mean(np.sum(x != 0, axis=-1) <= 1)
        if x.ndim == 2 and x.shape[1] >= fewest and alone > share:
            text = f"{alone:.0%} of the rows of {name} hold one number, and 0 in their other "
            text += f"{x.shape[1] - 1} steps: a text without blanks is a single word to what "
            remedy = "Split it otherwise: TextVectorization(split='character', ngrams=2), or a "
            remedy += "tokenizer of that language."
            yield Seen(f"{text}splits it there, and next to none comes twice.", remedy)


@rule("part_unseen", "end", "warning", change="preprocessing")
def rows_filled_to_the_end(run, part=0.6, least=0.02, better=0.1):
    """Most texts fill all steps, others end in padding, and what is left tells little.

    Source: Keras, pad_sequences: what is longer than maxlen is cut, and by default at its front.
    """
    out = run.only_output
    if out is None or not run.has_ids or run.judged_gain >= WELL or out.simple is None:
        return
    if out.simple[0] > out.simple[2] + better:  # the rows tell more than the network has found
        return
    for name, x in run.inputs.items():
        padded = x == 0
        full = float(np.mean(~padded.any(axis=-1))) if x.ndim == 2 else 0.0
        at_an_end = np.abs(np.diff(padded.astype(int), axis=-1)).sum(axis=-1) <= 1
        if part <= full <= 1 - least and at_an_end.all():
            text = f"{full:.0%} of the rows of {name} fill all {x.shape[1]} steps, the others end "
            text += "in padding: longer ones were cut. And what is left of them tells simple "
            text += f"models no more ({out.measure} {out.simple[0]:.2f} on other rows)."
            remedy = "Raise maxlen, or keep the other end: pad_sequences(…, truncating='post') "
            yield Seen(text, f"{remedy}keeps the beginning of a text, the default its end.")


@rule("part_unseen", "end", "warning", change="layers")
def inputs_cut_off(run, less=0.15):
    """What a layer that cuts or shrinks the inputs leaves of them tells less than they do.

    Source: Tishby & Zaslavsky (2015): no later layer brings back what an earlier one has dropped.
    """
    if run.cut_tells is not None and run.known_gain < WELL:
        layer, left, raw = run.cut_tells
        if left < raw - less:
            text = f"From what {layer!r} leaves of the inputs simple models reach {left:.3f}, from "
            text += f"the inputs themselves {raw:.3f}: it takes away what decides."
            yield Seen(text, f"Give the network more of them: change {layer!r}.", layer)


@rule("part_unseen", "end", "warning", change="layers")
def part_unseen(run, least=0.02, at_chance=0.1, seen=0.3, updates=200, fall=0.05):
    """A part of the inputs changes next to no prediction of a bad run, while another part does.

    It is bad though it had its time: many updates, and a loss that hardly falls. Of a network at
    chance less is asked, as what it looks at tells it nothing. That the order of words changes
    nothing counts where counts of the words tell simple models no more than the network.

    Source: definition of an input: another one gives another output.
    """
    largest = max(run.effects.values(), default=0.0)
    trend = trend_of(run)
    stuck = len(run.losses) >= updates and (trend is None or trend[0] < fall)
    if largest < seen or not stuck or run.known_gain >= WELL:
        return
    limit = largest * (least if run.known_gain >= CHANCE else at_chance)
    simple = run.only_output and run.only_output.simple
    needs_order = run.has_ids and simple and simple[0] < simple[2] + 0.05
    needs_order = needs_order and run.known_gain < WELL / 2
    alike = [part for part, change in run.effects.items() if "which of" in part and change < 1e-6]
    if alike and (len(run.inputs) > 2 or _differ_in_their_parts(run)):
        text = f"It makes no difference {', nor '.join(alike)}: one layer, with one set of "
        text += "weights, reads them ([encoder] * 3 is one layer three times), and what it gives "
        remedy = "Make a layer for each input, or concatenate what the one layer gives."
        yield Seen(f"{text}is added up or compared.", remedy)
    for part, change in run.effects.items():
        if "order" in part and change < 1e-3 and (run.attends or needs_order):
            text = f"Another order of the steps changes the predictions by {change:.2g} of their "
            text += "spread at most: the network knows no order."
            remedy = "Add an embedding of the position to what attention reads; without attention, "
            remedy += "let a Conv1D or LSTM go over the steps before they are pooled."
            if run.has_ids:
                remedy += " Or look at what cleaning took out: signs, stop words, rare words."
            yield Seen(text, remedy)
        elif "which of" not in part and "order" not in part and change < limit:
            text = f"Exchanging {part} between rows changes the predictions by {change:.2g} of "
            text += f"their spread at most (another part by {largest:.2g}): the network hardly "
            text += "remembers or sees it."
            if change < 1e-6:
                text += f" No prediction depends on {part}, which does not reach the output."
            remedy = "Look for a layer that is not connected, a mask, a crop, a kernel too short, "
            remedy += "a slice (lambdas made in a loop see its last value), a reshape that takes "
            remedy += "steps for heads or channels (split the last axis, then transpose); where a "
            remedy += "recurrent layer forgets, pool over all its steps (return_sequences=True) or "
            remedy += "read both ways (Bidirectional)."
            severity = None
            if _tells_nothing_more(run, part):
                text += " Nor do simple models, which do as well as the network, tell more by it."
                severity = "note"
            yield Seen(text, remedy, severity=severity)


def _differ_in_their_parts(run, better=0.3):
    """Tell whether simple models make more of two inputs where they know which is which."""
    out = run.only_output
    if out is None or len(run.inputs) != 2 or out.prediction is None:
        return False
    first, second = (x.reshape(len(x), -1).astype("float64") for x in run.inputs.values())
    if first.shape != second.shape or len(first) > len(out.y):
        return False
    mixed = np.hstack([first + second, np.abs(first - second)])
    told = [told_within(out, x) for x in (np.hstack([first, second]), mixed)]
    return None not in told and told[0][0] > told[1][0] + better


def _tells_nothing_more(run, part, near=0.03):
    """Tell whether simple models do as the network does, and as well without a half of it.

    At chance they tell nothing of it: what has to be remembered may be beyond them, too.
    """
    out, x = run.only_output, run.table
    if x is None or run.known_gain < CHANCE or out is None or out.simple is None:
        return False
    middle = x.shape[1] // 2
    others = {"first": x[:, middle:], "second": x[:, :middle]}
    kept = next((steps for half, steps in others.items() if half in part), None)
    if kept is None or abs(out.simple[0] - out.simple[2]) > near:
        return False
    whole, without = told_within(out, x), told_within(out, kept)
    return None not in (whole, without) and without[0] > whole[0] - near


@rule("detail_lost", "end", "warning", change="layers")
def detail_lost(run, alike=0.6, factor=4):
    """All must pass a map so coarse that the masks lose what they mark.

    Source: Ronneberger et al. (2015), U-Net: fine maps are handed past the coarse ones.
    """
    out = run.only_output
    if out is None or run.coarsest is None or None in run.coarsest or len(out.shape) != 3:
        return
    if out.known is not None:  # they are no maps any more
        return
    size, steps = out.shape[:2], out.shape[0] // max(run.coarsest[0], 1)
    if out.kind != "binary" or steps < factor or size[0] % steps or size[1] % steps:
        return
    masks = out.y.reshape(-1, *size)
    parts = (len(masks), size[0] // steps, steps, size[1] // steps, steps)
    coarse = masks.reshape(parts).mean(axis=(2, 4)) > 0.5
    drawn = coarse.repeat(steps, axis=1).repeat(steps, axis=2)
    dice = 2 * float((drawn * masks).sum()) / max(float(drawn.sum() + masks.sum()), 1.0)
    if dice < alike and run.known_gain < WELL:
        rows, columns = run.coarsest
        text = f"All must pass a bottleneck of {rows} × {columns} pixels, {steps} times coarser "
        text += f"than the masks: at this resolution they keep a Dice coefficient of {dice:.2f}."
        remedy = "Hand fine maps past it: a skip connection, Concatenate with the map of the same "
        yield Seen(text, f"{remedy}size on the way down; or pool less.")


@rule("inputs_tell_nothing", "end", SUSPICION, change="layers")
def one_table_for_two_inputs(run):
    """Numbers of two kinds are looked up in one table: number 3 of both has one vector.

    Source: Koren et al. (2009), Matrix factorization: users and items have vectors of their own.
    """
    for layer, names in run.shared_tables:
        if run.known_gain < WELL:
            text = f"{layer!r} looks up the inputs {', '.join(map(repr, names))}: a number has one "
            text += "vector, whichever of them it stands in."
            remedy = "Unless they number the same things, give each an Embedding of its own."
            yield Seen(text, remedy, layer)


@rule("poor_initialization", "end", SUSPICION, change="layers")
def positions_outweigh(run, least=0.02, before=0.2):
    """What a layer adds is the same in all rows, and far larger than what differs between them.

    Source: Vaswani et al. (2017), ch. 3.4: embeddings are multiplied by the root of their size
    before positions are added.
    """
    shares = list(run.row_shares.items())
    for (first, share), (layer, left) in pairwise(shares):
        if share > before and left < least and run.known_gain < WELL:
            text = f"Of the spread of what {first!r} gives {share:.0%} is between rows, of what "
            text += f"{layer!r} gives {left:.1%}: the rest is the same in all rows, as positions "
            text += "are, and hides what a row holds."
            remedy = "Multiply embeddings by the root of their size before positions are added, or "
            yield Seen(text, f"{remedy}let positions be learned from small numbers.", layer)
            return
