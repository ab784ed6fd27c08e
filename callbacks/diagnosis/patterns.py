"""What outcomes of experiments mean together, in one table."""

from collections import namedtuple

from .experiments import EXPERIMENTS

# seen: dict from experiment to the outcomes that fit; cause: one of `CAUSES`; treatments: names of
# those that the pattern points to; always: whether it is said although the scores are good.
Pattern = namedtuple("Pattern", "seen cause treatments sentence always", defaults=(False,))

# The first pattern all of whose outcomes were seen is the cause, if no change repairs: data before
# model, model before steps, as a later stage cannot work on what an earlier one has spoiled.
PATTERNS = (
    Pattern(
        {"validation_from_training": ("the same rows",)},
        "data",
        ("validation_of_the_same_rows",),
        "Validation rows are training rows: the validation score says nothing. Part them.",
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
        "The loss of a row depends on other rows: give labels and predictions one shape, "
        "y.reshape(-1, 1) for one output unit.",
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
        {"scikit_learn": ("nothing beats a constant",), "one_batch": ("learned",)},
        "data",
        (),
        "The model can learn rows by heart, and nothing finds a rule in them: check that each "
        "label stands at its own row and that the inputs hold what the target needs.",
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
        {
            "loss_at_start": ("far from chance", "not finite"),
            "scikit_learn": ("scikit-learn does better",),
        },
        "preprocessing",
        ("scaled_inputs", "scaled_targets", "usual_initial_weights"),
        "The network starts far from chance, and simple models on scaled rows do better: scale "
        "inputs and targets, start with the usual weights.",
    ),
    Pattern(
        {"one_batch": ("only with Adam",), "learning_rate": ("ten times is better",)},
        "learning_rate",
        ("usual_rate", "rate_times_10"),
        "The learning rate is too low.",
    ),
    Pattern(
        {"learning_rate": ("a tenth is better",)},
        "learning_rate",
        ("usual_rate", "rate_divided_by_10"),
        "The learning rate is too high.",
    ),
    Pattern(
        {"one_batch": ("only with Adam",)},
        "optimizer",
        ("adam",),
        "The optimizer does not get there: use Adam, or another learning rate.",
    ),
    Pattern(
        {"loss_at_start": ("far from chance", "not finite"), "one_batch": ("not learned",)},
        "preprocessing",
        ("scaled_inputs", "scaled_targets", "usual_initial_weights"),
        "The network starts far from chance and cannot learn 16 rows: check the scale of inputs, "
        "targets and initial weights.",
    ),
    Pattern(
        {"one_batch": ("not learned",)},
        "activation",
        (
            *("output_and_loss_for_the_labels", "swapped_arguments"),
            *("usual_initial_weights", "relu_with_he_normal"),
        ),
        "The network cannot learn 16 rows by heart: check output activation, loss and labels, "
        "then the path of the gradient.",
    ),
    Pattern(
        {"validation_from_training": ("validation rows differ",)},
        "data",
        ("validation_of_the_same_rows",),
        "Validation rows can be told from training rows: they are of another kind.",
    ),
    Pattern(
        {"scikit_learn": ("nothing beats a constant",)},
        "data",
        (),
        "Nothing beats a constant: check that each label stands at its own row.",
    ),
    Pattern(
        {"held_out_against_training": ("learned by heart",)},
        "data",
        ("quarter_of_the_width", "weight_penalty", "fewer_updates"),
        "Training rows are learned by heart: more rows, a smaller network, a penalty or an "
        "earlier end.",
    ),
    Pattern(
        {"scikit_learn": ("scikit-learn does better",), "inputs_matter": ("inputs are used",)},
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
        ("usual_rate", "rate_times_10"),
        "The learning rate is low: training takes longer than it needs to.",
    ),
)


def matching_patterns(results):
    """Return the patterns that were seen, in the order of the table.

    Args:
        results: list of `Result`.

    """
    outcomes = {result.name: result.outcome for result in results}
    found = []
    for pattern in PATTERNS:
        if all(outcomes.get(name) in words for name, words in pattern.seen.items()):
            found.append(pattern)
    return found


def tables():
    """Return the experiments and the patterns as two Markdown tables."""
    lines = ["| experiment | expectation | outcomes | source |", "|---|---|---|---|"]
    for function in EXPERIMENTS:
        words = ", ".join(function.outcomes)
        cells = (function.__name__, function.expectation, words, function.source)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| seen together | cause | what it says |", "|---|---|---|"]
    for pattern in PATTERNS:
        seen = "; ".join(f"{name}: {' or '.join(words)}" for name, words in pattern.seen.items())
        lines.append(f"| {seen} | {pattern.cause} | {pattern.sentence} |")
    return "\n".join(lines)
