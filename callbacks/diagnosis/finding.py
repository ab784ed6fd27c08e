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
MOMENTS = ("start", "training", "end")
RULES = []  # every rule, in the order of the files


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: what is seen, why, with which numbers, and what to change.

    Args:
        symptom: name of what is seen, one of the keys of `RECIPES`.
        severity: "error" (training cannot work like this), "warning" (it works badly) or "note".
        cause: what to change, one of `CAUSES`.
        evidence: one sentence with the measured numbers.
        remedy: what to change in this model.
        layer: name of the layer, or None.
        epoch: epoch from 0 at which it was seen, None before training.
        recipe: path of the file that treats it, or None.
        consequence_of: symptom of the finding that explains this one, or None.

    """

    symptom: str
    severity: str
    cause: str
    evidence: str
    remedy: str
    layer: str | None = None
    epoch: int | None = None
    recipe: str | None = None
    consequence_of: str | None = None


# What a rule yields: evidence and remedy, one sentence each; the layer; and `severity` or `change`
# where they differ from those of the rule.
Seen = namedtuple("Seen", "evidence remedy layer severity change", defaults=(None, None, None))


def rule(symptom, when, severity, change, recipe=None):
    """Enter a function `rule(run, limit=…)` that yields `Seen` into `RULES`.

    Its docstring is its meaning and ends with "Source: …", its keyword defaults are its thresholds.

    Args:
        symptom: name of what is seen, listed in `verdict.ROOTS`.
        when: it can be judged at the "start" (model and data), while "training" or at the "end".
        severity: one of `SEVERITIES`, or `SUSPICION`.
        change: what to change, one of `CAUSES`.
        recipe: name of the recipe that treats it, or None.

    """
    about = {"symptom": symptom, "when": when, "severity": severity}
    about |= {"change": change, "recipe": recipe}

    def enter(function):
        function.about = SimpleNamespace(**about)
        RULES.append(function)
        return function

    return enter


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
        findings.extend(
            Finding(
                *(about.symptom, s.severity or about.severity, s.change or about.change),
                *(s.evidence, s.remedy, s.layer, run.epoch, recipe),
            )
            for s in seen
        )
    return findings


def table_of_rules():
    """Return the rules as a Markdown table: symptom, meaning, limits, change, recipe, source."""
    lines = [
        "| symptom | meaning | limits | change | recipe | source |",
        "|---|---|---|---|---|---|",
    ]
    for function in RULES:
        about = function.about
        meaning, *_, source = inspect.getdoc(function).split("\n\n")
        limits = ", ".join(map(str, list(inspect.signature(function).parameters.values())[1:]))
        recipe = about.recipe or "none"
        cells = (
            about.symptom,
            meaning,
            limits,
            about.change,
            recipe,
            source.removeprefix("Source: "),
        )
        lines.append(f"| {' | '.join(cells)} |".replace("\n", " "))
    return "\n".join(lines)
