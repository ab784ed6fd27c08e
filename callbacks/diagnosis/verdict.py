"""Which finding is the root: one explicit list with its reasons, one function."""

from dataclasses import replace

from . import rules_of_data, rules_of_model, rules_of_scores, rules_of_training  # noqa: F401
from .finding import RULES, SEVERITIES, SUSPICION
from .scores import WELL

ROOTS = (  # symptom, why it is blamed before the next; also the list of all symptoms
    ("invalid_inputs", "with NaN in them every number that follows is NaN"),
    ("label_problem", "no model fits labels that its loss cannot take"),
    ("unsuitable_output_activation", "the right answer cannot be given, whatever the weights"),
    ("unsuitable_loss", "the right answer can be given but is not asked for"),
    ("unnormalized_inputs", "saturates units and makes any learning rate too large"),
    ("poor_initialization", "present at the first step, before any learning rate acts"),
    ("missing_hidden_activation", "limits what can be learned, however it is trained"),
    ("learning_rate_too_high", "kills units and breaks losses that would be sound"),
    ("learning_rate_too_low", "slows what would be sound"),
    ("batch_size_unsuitable", "few updates look like a rate too low"),
    ("non_finite_loss", "seen in the loss; one of the above made it, if one is there"),
    ("exploding_gradient", "the gradient before the loss breaks"),
    ("vanishing_gradient", "starves the first layers before they look dead"),
    ("dead_relu", "a dead layer passes no gradient, so it comes before the next"),
    ("no_gradient", "a layer that does not learn, for a reason not named above"),
    ("saturated_activation", "slows, rarely stops"),
    ("unstable_loss", "a step a little too long"),
    ("stopped_too_soon", "patience, if nothing above explains the score"),
    ("slow_convergence", "the step, if nothing above explains the score"),
    ("high_bias", "a score without a cause: more capacity only after all of the above"),
    ("high_variance", "is judged beside the others: training itself went well"),
    ("data_mismatch", "is judged beside the others: validation itself went well"),
    ("no_validation_data", "a note"),
)
ORDER = [symptom for symptom, _ in ROOTS]
RECIPES = dict.fromkeys(ORDER)
for _rule in reversed(RULES):
    RECIPES[_rule.about.symptom] = _rule.about.recipe or RECIPES[_rule.about.symptom]
STATIC = ORDER[: ORDER.index("non_finite_loss")]  # roots that need no training to be seen
MODEL_AND_DATA = ORDER[: ORDER.index("learning_rate_too_high")]  # errors here are blamed first
INDEPENDENT = ("high_variance", "no_validation_data", "data_mismatch")


def judge(findings, gain, ended):
    """Decide the suspicions, put the root cause first and what it explains under it.

    A suspicion is a note in a run that trains well. In one that does not, the first of `ROOTS` is
    blamed. A root is as severe as the worst that it explains.

    Args:
        findings: list of `Finding`, suspicions undecided.
        gain: how well the run trains, from 0 (a constant prediction) to 1 (perfect).
        ended: whether the training has ended, so that `gain` counts.

    Returns:
        list of Finding: the root, what it explains, the others

    """
    bad = ended and gain < WELL
    sick = any(
        f.severity == "error" or (f.symptom, f.severity) == ("stopped_too_soon", "warning")
        for f in findings
    )
    suspected = {f.symptom for f in findings if f.severity == SUSPICION}
    sick = sick or suspected >= {"learning_rate_too_high", "dead_relu"}  # two signs of one thing
    decided = {SUSPICION: "warning" if bad or sick else "note"}
    findings = [replace(f, severity=decided.get(f.severity, f.severity)) for f in findings]
    early = [f for f in findings if f.symptom in STATIC or f.epoch is None]
    findings.sort(key=lambda f: (f not in early, *_place(f)))
    serious = [f for f in findings if f.severity != "note" and f.symptom not in INDEPENDENT]
    if not serious:
        findings.sort(key=lambda f: SEVERITIES.index(f.severity))
        return _folded(findings)
    errors = [f for f in serious if f.severity == "error" and f.symptom in MODEL_AND_DATA]
    root = (errors or serious)[0]
    explained = [f for f in serious if f not in early and f.symptom != root.symptom]
    under = [replace(f, consequence_of=root.symptom) for f in explained]
    beside = [f for f in findings if f is not root and f not in explained]
    for group in (under, beside):
        group.sort(key=lambda f: SEVERITIES.index(f.severity))
    worst = min((f.severity for f in serious), key=SEVERITIES.index)
    return _folded([replace(root, severity=worst), *under, *beside])


def _place(finding):
    return ORDER.index(finding.symptom), SEVERITIES.index(finding.severity)


def _folded(findings):
    """Name the layers of equal symptoms in the first of them."""
    kept = {}
    for finding in findings:
        kept.setdefault((finding.symptom, finding.severity), []).append(finding)
    folded = []
    for group in kept.values():
        first = group[0]
        layers = [f.layer for f in group[1:] if f.layer]
        if len(layers) > 2:
            more = f" Also: {', '.join(layers[:4])}{' …' if len(layers) > 4 else ''}."
            group = [replace(first, evidence=first.evidence + more)]
        folded.extend(group)
    return folded
