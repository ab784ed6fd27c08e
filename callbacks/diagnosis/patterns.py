"""What outcomes of experiments mean together, in one table, and the verdict of a checkup."""

from collections import namedtuple

import numpy as np

from .checkup_result import Verdict
from .experiments import EXPERIMENTS
from .finding import markdown
from .treatments import TREATMENTS

LEAST_GAIN = 0.1  # of the way from trivial to perfect; less is no repair, half of it where seen
SHARE_OF_GAP = 0.6  # of the way to the best known score that a repair closes
NEAR = 0.8  # of the largest gain: among these, what the experiments point to is named
AS_WELL = 0.8  # of the best known score: nothing to change
EXCELLENT = 0.95  # skill
# Changes that get further within the same budget: of what does well already they repair nothing.
PACE = ("usual_options", "constant_rate", "usual_rate", "rate_times_10", "adam")
PACE += ("four_times_the_width", "more_updates")
ALONE = ("training_rows_like_validation",)  # which shows a cause, and repairs nothing beside others
ON_PURPOSE = ("keras_train_step",)  # what it changes may be meant, and cost a little
# Changes that could be tried with any program: after those of what is unusual in this one.
WITH_ANY = ("four_times_the_width", "weight_penalty", "rate_divided_by_10", "rate_times_10")
WITH_ANY += ("adam", "more_updates")

# seen: dict from experiment to the outcomes that fit; cause: one of `CAUSES`; treatments: names of
# those that the pattern points to; always: whether it is said although the scores are good.
Pattern = namedtuple("Pattern", "seen cause treatments sentence always", defaults=(False,))

# The first pattern all of whose outcomes were seen is the cause, if no change repairs: data before
# model, model before steps, as a later stage cannot work on what an earlier one has spoiled.
PATTERNS = (
    Pattern(
        {"simple_models": ("nothing beats a constant",), "one_batch": ("learned", "left out")},
        "data",
        (),
        "Nothing finds a rule in these rows: check that each label stands at its own row and that "
        "the inputs hold what the target needs.",
    ),
    Pattern(
        {"validation_from_training": ("the same rows",)},
        "data",
        ("validation_of_the_same_rows",),
        "Validation rows are training rows, or overlap with them: the validation score says too "
        "much. Part them.",
        always=True,
    ),
    Pattern(
        {"validation_from_training": ("labels are shared otherwise",)},
        "data",
        ("validation_of_the_same_rows", "relative_to_the_last_value"),
        "Validation has other labels than training: shuffle the rows before parting them.",
    ),
    Pattern(
        {"rows_independent": ("rows mix in the loss",)},
        "loss",
        ("labels_as_a_column",),
        "The loss of a row depends on other rows. Where that is not meant, as a contrastive loss "
        "means it, give labels and predictions one shape: y.reshape(-1, 1) for one output unit.",
        always=True,
    ),
    Pattern(
        {"rows_independent": ("rows mix in the model",)},
        "layers",
        (),
        "A prediction depends on the other rows of its batch: look for a reshape, a softmax or a "
        "mean over axis 0.",
        always=True,
    ),
    Pattern(
        {"own_step": ("heeds no weights",)},
        "loss",
        ("keras_train_step",),
        "Your own train step does not heed the weights of the rows: take them from the data, and "
        "hand them to `compute_loss` as `sample_weight`.",
    ),
    Pattern(
        {"own_step": ("against Keras's", "of another length", "later steps differ", "elsewhere")},
        "optimizer",
        ("keras_train_step",),
        "Your own train step leads elsewhere than Keras's would: look at its loss and its rows, "
        "at what it does to the gradients, and at whose weights it changes.",
    ),
    Pattern(
        {"batches": ("one kind per batch",)},
        "data",
        ("shuffled_batches",),
        "Batches hold one kind of rows at a time: shuffle over all rows.",
    ),
    Pattern(
        {"penalties": ("outweigh the data",)},
        "layers",
        ("no_weight_penalties",),
        "Penalties outweigh the loss of the data: lower their factor.",
    ),
    Pattern(
        {"training_against_inference": ("inference is worse",)},
        "layers",
        ("faster_moving_averages",),
        "BatchNormalization's moving averages have not caught up: train longer, or lower its "
        "momentum.",
    ),
    Pattern(
        {"training_against_inference": ("noise makes a difference",)},
        "layers",
        ("no_noise",),
        "Dropout, noise or augmentation make other rows of those that are to be told: weaken them.",
    ),
    Pattern(
        {
            "loss_at_start": ("far from chance", "not finite"),
            "simple_models": ("simple models do better",),
        },
        "preprocessing",
        ("scaled_inputs", "scaled_targets", "usual_initial_weights"),
        "The network starts far from chance, and simple models on scaled rows do better: scale "
        "inputs and targets, start with the usual weights.",
    ),
    Pattern(
        {"one_batch": ("only with Adam at 0.003",), "learning_rate": ("ten times is better",)},
        "learning_rate",
        ("scaled_targets", "usual_rate", "rate_times_10"),
        "The learning rate is too low.",
    ),
    Pattern(
        {"learning_rate": ("a tenth is better",)},
        "learning_rate",
        ("usual_rate", "rate_divided_by_10"),
        "The learning rate is too high.",
    ),
    Pattern(
        {"one_batch": ("only with Adam at 0.003",)},
        "optimizer",
        ("usual_options", "adam"),
        "Adam at a rate of 0.003 gets there, the own optimizer does not: look at its learning "
        "rate, and at gradients that are clipped.",
    ),
    Pattern(
        {"one_batch": ("not learned",)},
        "activation",
        (
            *("output_and_loss_for_the_labels", "swapped_arguments", "scaled_inputs"),
            *("scaled_targets", "usual_initial_weights", "relu_with_he_normal"),
        ),
        "The network cannot learn 16 rows by heart: check output activation, loss and labels, "
        "then scales and the path of the gradient.",
    ),
    Pattern(
        {"held_out_against_training": ("training rows are harder",)},
        "data",
        (),
        "Training rows are harder than held-out rows. What a pipeline does to them on their way, "
        "such as augmentation in `dataset.map`, could not be taken out here: train without it.",
    ),
    Pattern(
        {"validation_from_training": ("validation rows differ",)},
        "data",
        ("validation_of_the_same_rows",),
        "Validation rows can be told from training rows: they are of another kind.",
    ),
    Pattern(
        {"held_out_against_training": ("learned by heart",)},
        "data",
        ("weight_penalty",),
        "Training rows are learned by heart: more rows, a smaller network, a penalty or an "
        "earlier end.",
    ),
    Pattern(
        {"simple_models": ("simple models do better",), "inputs_matter": ("inputs are used",)},
        "layers",
        ("four_times_the_width", "more_updates"),
        "The data tell more than the model has learned: train longer, or change its size.",
    ),
    Pattern(
        {"inputs_matter": ("no better than zeroed inputs",)},
        "preprocessing",
        ("scaled_inputs",),
        "The inputs do not reach the output: check their scale and the layers that read them.",
    ),
    Pattern(
        {"learning_rate": ("ten times is better",)},
        "learning_rate",
        ("scaled_targets", "usual_rate", "rate_times_10"),
        "The learning rate is low: training takes longer than it needs to.",
    ),
)


def matching_patterns(results):
    """Return the patterns that were seen in a list of `Result`, in the order of the table."""
    outcomes = {result.name: result.outcome for result in results}
    found = []
    for pattern in PATTERNS:
        if all(outcomes.get(name) in words for name, words in pattern.seen.items()):
            found.append(pattern)
    return found


def tables():
    """Return the experiments and the patterns as two Markdown tables."""
    made = [(f.__name__, f.expectation, ", ".join(f.outcomes), f.source) for f in EXPERIMENTS]
    told = []
    for pattern in PATTERNS:
        seen = "; ".join(f"{name}: {' or '.join(words)}" for name, words in pattern.seen.items())
        told.append((seen, pattern.cause, pattern.sentence))
    first = markdown(("experiment", "expectation", "outcomes", "source"), made)
    return f"{first}\n\n{markdown(('seen together', 'cause', 'what it says'), told)}"


def suspicion(result, change):
    """Return the place of the first pattern that names a change; findings come after patterns."""
    for place, pattern in enumerate(result.patterns):
        if change.key in pattern.treatments:
            return place
    causes = {f.cause for f in result.findings if f.severity != "note"}
    return len(result.patterns) + (change.cause not in causes)


def _skills(lab, result):
    """Skill of the model as it is, and the best that is known to be reached with the budget."""
    base = max(lab.skill(result.baseline.score), lab.reached)
    known = [lab.reference, base]
    for outcome in result.outcomes:
        if outcome.change.factor == 1 and outcome.spread < np.inf:
            known.append(lab.skill(outcome.score))
    return base, max(known)


def wants_pairs(lab, result):
    """Tell whether no change repairs alone although something is known to do better."""
    base, best = _skills(lab, result)
    return not repairs_of(lab, result) and best * AS_WELL > base


def _is_seen(result, outcome):
    """Tell whether a pattern points to a change, so that it is more than a faster pace."""
    change = outcome.change
    return suspicion(result, change) < len(result.patterns) and change.key not in PACE


def repairs_of(lab, result):
    """Outcomes that gain beyond the spread and come near the best known score.

    Where the score of the whole training is known, a short one with the change has to beat it too.
    What does not leave the score of a constant behind is no repair.

    Among those that gain about as much as the best, what the experiments point to comes first, then
    what stands first among the treatments; of pairs, of which more than two may do, the largest
    gain.
    """
    base, best = _skills(lab, result)
    found = []
    for outcome in result.outcomes:
        is_seen = _is_seen(result, outcome) and outcome.change.key not in ON_PURPOSE
        least = LEAST_GAIN / 2 if is_seen else LEAST_GAIN
        beyond = min(outcome.gain, lab.skill(outcome.score) - lab.reached)
        sure = min(outcome.gains) > 0 and beyond - outcome.spread >= least
        reached = lab.skill(outcome.score)
        if sure and reached >= LEAST_GAIN and reached - base >= SHARE_OF_GAP * (best - base):
            found.append(outcome)
    if not found:
        return []
    top = max(found, key=lambda o: (o.change.factor == 1, o.gain))
    level = min(top.gain - max(0.05, top.spread), NEAR * top.gain)
    near = [o for o in found if o.gain >= level and o.change.factor == 1] or [top]
    order = [function.__name__ for function in TREATMENTS]

    def place(outcome):
        is_pair = " " in outcome.change.key
        among = -outcome.gain if is_pair else order.index(outcome.change.key)
        return suspicion(result, outcome.change), among

    near.sort(key=place)
    return near + sorted((o for o in found if all(o is not n for n in near)), key=lambda o: -o.gain)


def verdict_of(lab, result):
    """Say what to do, and what makes the scores themselves doubtful."""
    verdict = _verdict_of(lab, result)
    cautions = [pattern.sentence for pattern in result.patterns if pattern.always]
    cautions = [sentence for sentence in cautions if sentence not in verdict.sentence]
    verdict.sentence = " But: ".join([verdict.sentence, *cautions[:1]])
    return verdict


def _verdict_of(lab, result):
    """Judge from repairs first, then from the pattern of the experiments."""
    base, _ = _skills(lab, result)
    best = max([base, lab.reference, *(lab.skill(o.score) for o in result.outcomes)])
    score = f"{lab.measure} {result.baseline.score:.2f}"
    repairs = repairs_of(lab, result)
    seen = any(_is_seen(result, outcome) for outcome in repairs)
    if base >= EXCELLENT or (base >= max(LEAST_GAIN, AS_WELL * best) and not seen):
        most = _most(result)
        if most:
            return Verdict("healthy", f"Little to change: {score} as it is{most}.")
        text = f"Nothing to change: {score} as it is, and nothing tried gains a tenth of the way "
        return Verdict("healthy", f"{text}to the perfect one.")
    if repairs:
        change, others = repairs[0].change, [o.change.name for o in repairs[1:]]
        text = f"{score} → {repairs[0].score:.2f}"
        also = f" Also repair: {'; '.join(others[:3])}." if others else ""
        if change.factor > 1:
            sentence = f"Train longer: {change.name} bring {text}, with the model as it is.{also}"
            return Verdict("longer", sentence, change, change.cause, repairs)
        sentence = f"Change this: {change.name} ({text}).{also}"
        return Verdict("repair", sentence, change, change.cause, repairs)
    text = f"No change tried repairs ({score}{_most(result)})"
    if result.patterns:
        pattern = result.patterns[0]
        return Verdict("pattern", f"{text}. {pattern.sentence}", None, pattern.cause)
    text += ", and the experiments fit no known pattern: give more seconds, or train with "
    text += "callbacks=[Diagnosis()] and hand it in."
    return Verdict("unknown", text)


def _most(result):
    """Tell of the change that gains most, if it is much, and whether that is sure."""
    top = max(result.outcomes, key=lambda outcome: outcome.gain, default=None)
    if top is None or top.gain <= LEAST_GAIN:
        return ""
    text = f"; the most gains {top.change.name}, {top.score:.2f}"
    if len(top.gains) == 1:
        return f"{text}, tried once only"
    sure = "" if top.spread < top.gain / 2 else "not surely: "
    return f"{text} ({sure}{top.gain:+.2f} ± {top.spread:.2f})"
