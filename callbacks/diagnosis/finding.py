"""What a rule is, and what it finds."""

import inspect
from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

CAUSES = (
    *("activation", "loss", "learning_rate", "optimizer", "epochs", "batch_size"),
    *("preprocessing", "initialization", "layers", "data"),
)
SEVERITIES = ("error", "warning", "note")
SUSPICION = "suspicion"  # unusual, yet it can work: a warning only if the run then trains badly
UNKNOWN = "Find the cause first: checkup(build_model, train, validation) tries single changes."
TRIED_ALL = "What was tried on clones stands above; checkup(…, seconds=300) tries more, and longer."
RULES = []  # every rule, in the order of the files


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: what is seen, why, with which numbers, and what to change."""

    symptom: str  # name of what is seen, one of the keys of `RECIPES`
    severity: str  # "error" (training cannot work like this), "warning" (it works badly) or "note"
    cause: str  # what to change, one of `CAUSES`
    evidence: str  # one sentence with the measured numbers
    remedy: str  # what to change in this model
    layer: str | None = None  # name of the layer
    epoch: int | None = None  # from 0, at which it was seen, None before training
    recipe: str | None = None  # path of the file that treats it
    consequence_of: str | None = None  # symptom of the finding that explains this one


# What a rule yields: evidence and remedy, one sentence each; the layer; and `severity` or `change`
# where they differ from those of the rule.
Seen = namedtuple("Seen", "evidence remedy layer severity change", defaults=(None, None, None))


def enter(functions, **about):
    """Return a decorator that appends a function to a list, with what is told about it."""

    def entered(function):
        vars(function).update(about)
        functions.append(function)
        return function

    return entered


def rule(symptom, when, severity, change, recipe=None):
    """Enter a function `rule(run, limit=…)` that yields `Seen` into `RULES`.

    Its docstring is its meaning and ends with "Source: …", its keyword defaults are its thresholds.
    Its symptom is listed in `verdict.ROOTS`; it can be judged at the "start" (model and data),
    while "training" or at the "end"; its severity is one of `SEVERITIES`, or `SUSPICION`. Then come
    what to change, one of `CAUSES`, and the name of the recipe that treats it.
    """
    about = {"symptom": symptom, "when": when, "severity": severity}
    return enter(RULES, about=SimpleNamespace(**about, change=change, recipe=recipe))


def rules_at(when):
    """Return the rules that can be judged at this moment, in order."""
    return [function for function in RULES if function.about.when == when]


def apply(rules, run):
    """Return a list of `Finding`; an error in a rule becomes a note that names it."""
    findings = []
    for function in rules:
        about = function.about
        recipe = about.recipe and f"recipes/{about.recipe}.py"
        try:
            seen = list(function(run))
        except Exception as error:
            text = f"The rule {function.__name__!r} was left out: {type(error).__name__}: {error}."
            seen = [Seen(text, "Nothing to change.", None, "note")]
        for s in seen:
            kind = (about.symptom, s.severity or about.severity, s.change or about.change)
            findings.append(Finding(*kind, s.evidence, s.remedy, s.layer, run.epoch, recipe))
    return findings


def table_of_rules():
    """Return the rules as a Markdown table: symptom, meaning, limits, change, recipe, source."""
    rows = []
    for function in RULES:
        about = function.about
        meaning, *_, source = inspect.getdoc(function).split("\n\n")
        limits = ", ".join(map(str, list(inspect.signature(function).parameters.values())[1:]))
        what = (about.change, about.recipe or "none", source.removeprefix("Source: "))
        rows.append((about.symptom, meaning, limits, *what))
    return markdown(("symptom", "meaning", "limits", "change", "recipe", "source"), rows)


def markdown(titles, rows):
    """Return rows of texts as a Markdown table."""
    lines = [f"| {' | '.join(cells)} |".replace("\n", " ") for cells in (titles, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(titles), *lines[1:]])
