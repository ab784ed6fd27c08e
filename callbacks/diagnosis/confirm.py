"""Which finding is the root, by what its change does on clones: what repairs is blamed first."""

from dataclasses import replace

from . import verdict
from .finding import SEVERITIES, Finding
from .patterns import ALONE, LEAST_GAIN, PACE
from .rules_of_scores import narrowest
from .rules_of_training import vanishing_gradient
from .treatments import TREATMENTS

TRIED = "Tried on clones"
STEPS = ("learning_rate", "optimizer", "epochs", "batch_size")  # one may do what another does
# what helps whatever is wrong
HELPS_ANYWAY = (*PACE, "scaled_targets", "flattened_maps", "weight_penalty", "keras_train_step")
LESS_BY_HEART = ("rate_divided_by_10", "weight_penalty")
HELPS_OTHERWISE = {  # what is found: changes that help for a reason that is no root
    "inputs_tell_nothing": ("validation_of_the_same_rows", *LESS_BY_HEART),
    "high_variance": ("rate_divided_by_10",),  # smaller steps learn less by heart
    "split_mismatch": (*LESS_BY_HEART, *ALONE),  # and less of the other rows
    "target_in_inputs": ALONE,  # the leak is in the training rows: others are without it
}
REFUTED_BY = {  # what is blamed: changes without it
    "noise_too_strong": ("no_noise",),
    "slow_convergence": ("rate_times_10",),
    "learning_rate_too_high": ("usual_rate", "usual_options", "rate_divided_by_10"),
}
LEAST_AHEAD = 0.2  # skill by which a short training of a clone is ahead of the whole training
MOST_LINES = 3  # of code, told as they are
TREATS = {function.__name__: function.symptoms for function in TREATMENTS}


def in_doubt(findings, kind, run):
    """Tell whether experiments could say more: more may be possible, and there is no plain error.

    `kind` is that of `verdict.headline`.
    """
    if kind == "healthy" and (run.held_out_gain is None or run.held_out_gain >= verdict.FINE):
        return False
    is_plain = bool(findings) and findings[0].severity == "error"
    return not (is_plain and findings[0].symptom in verdict.MODEL_AND_DATA)


def confirmed(findings, checkup, run):
    """Put what a checkup has shown to repair before what is only argued.

    A finding whose change is among those that repair is the root. Where there is none, the change
    that repairs becomes a finding of its own.
    """
    repairs = checkup.verdict.repairs
    findings = _not_refuted(findings, checkup)
    serious = [f for f in findings if f.severity != "note"]
    root = serious[0].symptom if serious else None
    if root in (*verdict.MODEL_AND_DATA, *verdict.MEASURED, "no_gradient"):
        repairs = [o for o in repairs if not _helps_anyway(o.change, root)]
    if root in verdict.OF_THE_ORDER:  # clones see a sample, whose batches hold other rows
        repairs = [o for o in repairs if root in _treated_by(o.change)]
    otherwise = set(HELPS_OTHERWISE.get(root, ()))
    repairs = [o for o in repairs if not set(o.change.key.split()) <= otherwise]
    if run.step_draws:  # it may change training rows on purpose, as noise that is to be removed
        repairs = [o for o in repairs if o.change.key != "validation_of_the_same_rows"]
    if run.measures_ranks:  # weights of classes move the threshold, which no rank has
        repairs = [o for o in repairs if o.change.key != "balanced_class_weights"]
    if any(f.symptom == "unnormalized_inputs" and f.layer for f in serious):  # scaled twice, say
        # frozen layers know another range: to unfreeze them hides it
        repairs = [o for o in repairs if "trainable_layers" not in o.change.key.split()]
    if not any(f.symptom == "imbalanced_classes" for f in findings):  # rare by no rule's measure
        others = [o for o in repairs if "balanced_class_weights" not in o.change.key.split()]
        repairs = others or repairs
    is_deaf = any(result.outcome == "heeds no weights" for result in checkup.results)
    if is_deaf and run.num_light and (checkup.ahead or 0.0) >= LEAST_GAIN:
        return _with_root(_deaf_to_weights(checkup, run), findings)
    if not repairs:
        return findings
    if any(o.change.key == "keras_train_step" for o in repairs):  # other steps make up for it
        repairs = [
            o for o in repairs if o.change.key == "keras_train_step" or o.change.cause not in STEPS
        ]
    # of what has to be changed in data or model, more or larger steps may do the work too
    repairs = [o for o in repairs if not set(o.change.key.split()) <= set(PACE)] or repairs
    noted = [f for f in findings if f.severity == "note"]  # only unusual, now shown to matter
    for finding in serious + noted:
        treating = [o for o in repairs if finding.symptom in _treated_by(o.change)]
        if treating:
            same = [o for o in treating if o.change.cause == finding.cause]
            return _with_root(_shown(finding, (same or treating)[0], checkup), findings, finding)
    change = repairs[0].change
    symptoms = _treated_by(change)
    is_loss = change.cause == "loss" and "unsuitable_loss" in symptoms
    symptom = "unsuitable_loss" if is_loss else symptoms[0]
    recipe = change.recipe or verdict.RECIPES[symptom]
    seen = _seen_of(change, checkup)
    if symptom == "vanishing_gradient":  # less than the rule asks for, now shown to matter
        seen += [found.evidence for found in vanishing_gradient(run, part=1.0, few=0)]
    if change.key in ALONE:
        seen += ["Training rows teach less than a few validation rows: labels do not match rows."]
    thin, units = narrowest(run)
    if symptom == "too_small" and thin is not None:
        seen += [f"The narrowest layer is {thin!r} with {units} units."]
    found = Finding(symptom, "warning", change.cause, " ".join(seen), change.reason)
    found = replace(found, recipe=recipe and f"recipes/{recipe}.py")
    return _with_root(_shown(found, repairs[0], checkup), findings)


def _not_refuted(findings, checkup):
    """Make a note of what is blamed where too little was gained without it on clones."""
    for symptom, keys in REFUTED_BY.items():
        gains = [o.gain for o in checkup.outcomes if o.change.key in keys]
        if not gains or max(gains) >= LEAST_GAIN / 2:
            continue
        text = f"On clones it made no difference ({max(gains):+.2f} without)."
        kept, is_root = [], any(f.consequence_of == symptom for f in findings)
        for finding in findings:
            is_blamed = finding.symptom == symptom and finding.severity == "warning"
            if is_blamed and finding.cause != "optimizer":  # another one is no larger step
                evidence = f"{finding.evidence} {text}"
                finding = replace(finding, severity="note", evidence=evidence)
            elif finding.consequence_of == symptom:
                finding = replace(finding, consequence_of=None)
            kept.append(finding)
        if is_root:  # what it explained stands by itself now
            findings = sorted(kept, key=lambda finding: SEVERITIES.index(finding.severity))
        else:  # another root keeps what it explains under it
            findings = sorted(kept, key=lambda finding, moved=symptom: finding.symptom == moved)
    return findings


def _deaf_to_weights(checkup, run):
    """Return the finding of a step that gets there once rows of weight 0 are left out."""
    score = f"{checkup.measure} {checkup.baseline.score:.2f}"
    text = f"{run.num_light} rows of the sample have sample weights of next to nothing. Without "
    text += f"them your train_step reaches {score} in {checkup.updates} updates, with them "
    text += f"{checkup.whole:.2f} in {len(run.losses)}: it does not heed the weights, and makes "
    text += "the same steps whatever a row weighs."
    remedy = "In train_step: x, y, weight = keras.utils.unpack_x_y_sample_weight(data), then "
    remedy += "self.compute_loss(x, y, prediction, sample_weight=weight)."
    return Finding("own_train_step", "warning", "loss", text, remedy)


def _helps_anyway(change, root):
    """Tell whether a change helps whatever else is wrong, and not against the root found."""
    return set(change.key.split()) <= set(HELPS_ANYWAY) and root not in _treated_by(change)


def _seen_of(change, checkup):
    """Return what the experiments of the first pattern that points to a change have seen.

    Then the lines of code as they are.
    """
    seen = []
    for pattern in checkup.patterns:
        if change.key in pattern.treatments:
            seen = [result.seen for result in checkup.results if result.name in pattern.seen]
            break
    lines = [old for old, _ in change.lines if old and not old.startswith("prediction")]
    return [*seen, f"As it is: {'; '.join(lines[:MOST_LINES])}."] if lines else seen


def told(checkup, findings=(), is_healthy=False):
    """Say in one line what was tried on clones, what repairs, and whether it is a finding.

    What experiments point to is no matter of a healthy run.
    """
    count, names = len(checkup.outcomes), [o.change.name for o in checkup.verdict.repairs]
    if not count:
        return f"In {checkup.seconds:.0f} s no change could be tried on a clone: give more time."
    text = f"On clones of the model {count} changes were tried, each alone, in "
    text += f"{checkup.seconds:.0f} s; what repairs: {'; '.join(names) or 'none'}."
    if names and findings and not any(TRIED in finding.evidence for finding in findings):
        text += " It may help whatever is wrong: what stands first below comes before it."
    if not names and (checkup.ahead or 0.0) >= LEAST_AHEAD:
        text += f" As it is, a clone reaches {checkup.baseline.score:.2f} in {checkup.updates} "
        text += f"updates, the training {checkup.whole:.2f}: look at what a clone does without, "
        text += "callbacks, the order of the rows, the first weights, rows that weigh nothing."
    is_seen = any(f.severity != "note" and f.symptom in verdict.MEASURED for f in findings)
    if checkup.verdict.kind == "pattern" and not is_healthy and not is_seen:
        text += f" What experiments point to: {checkup.patterns[0].sentence}"
    return text


def _with_root(root, findings, found=None):
    """Return the root, then what it explains, then the others but the one found that it is."""
    others = []
    for finding in findings:
        if finding is found:
            continue
        explained = finding.severity != "note" and finding.symptom not in verdict.INDEPENDENT
        explained |= finding.symptom == "high_variance" and root.symptom in verdict.EXPLAIN_A_GAP
        cause = root.symptom if explained and finding.symptom != root.symptom else None
        others.append(replace(finding, consequence_of=cause))
    others.sort(key=lambda f: (f.consequence_of is None, SEVERITIES.index(f.severity)))
    return [root, *others]


def _treated_by(change):
    """Symptoms that a change treats, of a pair with a faster pace those of the other one."""
    keys = change.key.split()
    keys = [key for key in keys if key not in PACE] or keys
    return [symptom for key in keys for symptom in TREATS[key]]


def _shown(finding, outcome, checkup):
    """Return the finding with what its change reached, and the lines of code that the change is."""
    change = outcome.change
    tried = f"{TRIED}: {change.name}, {checkup.measure} {checkup.baseline.score:.2f} → "
    tried += f"{outcome.score:.2f} after {change.factor * checkup.updates} updates."
    tried = tried.replace("-1.00 →", "-1 or less →")  # no R² below is told apart
    lines = "; ".join(new for _, new in change.lines if new)
    name = f"{change.name[0].upper()}{change.name[1:]}"
    remedies = [f"{name}: {lines}." if lines else f"{name}.", finding.remedy]
    if finding.cause not in (change.cause, *STEPS):  # the rule knows the cause more closely
        remedies.reverse()
    if change.key in ALONE:
        remedies = [finding.remedy]
    return replace(
        finding,
        severity="warning" if finding.severity == "note" else finding.severity,
        cause=change.cause if {finding.cause, change.cause} <= set(STEPS) else finding.cause,
        evidence=f"{finding.evidence} {tried}".strip(),
        remedy=" ".join(remedies).strip(),
        consequence_of=None,
    )
