"""Which finding is the root: one explicit list with its reasons, one function."""

from dataclasses import replace

import numpy as np

from . import (  # noqa: F401 - each enters its rules
    rules_of_data,
    rules_of_labels,
    rules_of_leaks,
    rules_of_losses,
    rules_of_model,
    rules_of_parts,
    rules_of_places,
    rules_of_rows,
    rules_of_scores,
    rules_of_split,
    rules_of_training,
)
from .finding import RULES, SEVERITIES, SUSPICION, UNKNOWN
from .scores import CHANCE, FINE, LIMIT, NEAR_TRIVIAL, WELL
from .target import rows_of_units

ROOTS = (  # symptom, why it is blamed before the next; also the list of all symptoms
    ("invalid_inputs", "with NaN in them every number that follows is NaN"),
    ("nothing_trainable", "what cannot change cannot learn"),
    ("infinite_slope", "measured: one such gradient spoils every weight before it"),
    ("label_problem", "no model fits labels that its loss cannot take"),
    ("class_left_out", "no score that heeds the loss shows what that loss leaves out"),
    ("unsuitable_output_activation", "the right answer cannot be given, whatever the weights"),
    ("unsuitable_loss", "the right answer can be given but is not asked for"),
    ("unnormalized_inputs", "saturates units and makes any learning rate too large"),
    ("unscaled_targets", "the output has to travel far before it learns anything else"),
    ("poor_initialization", "present at the first step, before any learning rate acts"),
    ("shapes_broadcast", "labels compared with predictions of other rows teach the mean only"),
    ("hidden_by_mask", "what no layer sees cannot be learned"),
    ("nothing_passes", "a layer that gives the same for all rows hands on nothing"),
    ("rows_mix", "what a row is given depends on its company: no score of it holds"),
    ("target_in_inputs", "copying the answer needs no learning, and fails where it is not there"),
    ("axes_swapped", "what a layer takes for time or place is something else"),
    ("state_mixed", "the past that a row is given is that of another row"),
    ("watched_wrongly", "the best epochs are thrown away, however they were reached"),
    ("class_weights_too_strong", "the loss asks for something else than wanted"),
    ("unbounded_recurrence", "grows with every time step, before any rate acts"),
    ("half_precision", "small numbers do not exist, whatever the learning rate"),
    ("penalty_too_strong", "pulls the weights away from what the data ask for"),
    ("repeated_batches", "the rest of the data is never seen"),
    ("inputs_drift", "what was learned is of rows that come no more"),
    ("batches_in_order", "each batch undoes the one before"),
    ("split_mismatch", "the score speaks of other data"),
    ("rows_on_both_sides", "the score speaks of rows that were learned"),
    ("repeats_last_value", "the way the task is put, not the network, gives the score"),
    ("inputs_tell_nothing", "no network finds what is not there"),
    ("missing_hidden_activation", "limits what can be learned, however it is trained"),
    ("noise_too_strong", "measured on the same rows: what decides is hidden while training"),
    ("moving_averages_behind", "measured on the same rows, so no matter of fit or data"),
    ("frozen_features", "what is frozen bounds what can be learned"),
    ("zero_output", "measured: the output is stuck"),
    ("never_sure", "measured: the ranks are right, no score can say so"),
    ("detail_lost", "measured: what is finer than the coarsest map cannot be drawn"),
    ("imbalanced_classes", "measured: the ranks are right, the threshold is not"),
    ("too_small", "measured: what can be told from the rows cannot pass a layer so narrow"),
    ("own_train_step", "measured: Keras's own step gets there with the same model and rows"),
    ("learning_rate_too_high", "kills units and breaks losses that would be sound"),
    ("learning_rate_too_low", "slows what would be sound"),
    ("batch_size_unsuitable", "few updates look like a rate too low"),
    ("non_finite_loss", "seen in the loss; one of the above made it, if one is there"),
    ("exploding_gradient", "the gradient before the loss breaks"),
    ("vanishing_gradient", "starves the first layers before they look dead"),
    ("dead_relu", "a dead layer passes no gradient, so it comes before the next"),
    ("no_gradient", "a layer that does not learn, for a reason not named above"),
    ("part_unseen", "what the network does not look at cannot help it, however long it trains"),
    ("stopped_too_soon", "patience, if nothing above explains the score"),
    ("slow_convergence", "the step, if nothing above explains the score"),
    ("high_bias", "a score without a cause: more capacity only after all of the above"),
    ("validation_better", "a note, or an easier validation set"),
    ("high_variance", "is judged beside the others: training itself went well"),
    ("data_mismatch", "is judged beside the others: validation itself went well"),
    ("uninformative_metric", "a note"),
    ("no_validation_data", "a note"),
)
NOT_TRIED = "Single changes cannot be tried and measured here, as {}."
NEXT = "Next: `checkup(build_model, train, validation)`: it tries single changes and measures them."
ORDER = [symptom for symptom, _ in ROOTS]
RECIPES = dict.fromkeys(ORDER)
for _rule in reversed(RULES):
    RECIPES[_rule.about.symptom] = _rule.about.recipe or RECIPES[_rule.about.symptom]
STATIC = ORDER[: ORDER.index("non_finite_loss")]  # roots that need no training to be seen
# Errors here are blamed first.
MODEL_AND_DATA = (*ORDER[: ORDER.index("frozen_features")], "no_gradient")
INDEPENDENT = ("high_variance", "no_validation_data", "data_mismatch")
EXPLAIN_A_GAP = (  # roots that make validation worse than training
    *("split_mismatch", "moving_averages_behind", "inputs_tell_nothing", "label_problem"),
    *("batches_in_order", "invalid_inputs", "repeated_batches", "rows_mix", "target_in_inputs"),
    "axes_swapped",
)
MEASURED = (  # roots whose effect on this run was measured: before what is only unusual
    *("class_weights_too_strong", "split_mismatch", "rows_on_both_sides", "repeats_last_value"),
    *("rows_mix", "target_in_inputs", "watched_wrongly", "noise_too_strong"),
    *("moving_averages_behind", "zero_output", "imbalanced_classes", "inputs_tell_nothing"),
    *("label_problem", "axes_swapped", "frozen_features", "detail_lost", "class_left_out"),
)
OF_THE_ORDER = ("batches_in_order", "repeated_batches")  # they hold back a good run too
SETTINGS = ("learning_rate_too_high", "learning_rate_too_low", "batch_size_unsuitable")
SIGNS = ("stopped_too_soon", "exploding_gradient")  # warnings that make suspicions count
TOO_FAST = ("non_finite_loss", "exploding_gradient", "learning_rate_too_high")
DOUBTS = (  # what a good score does not speak against
    *("rows_on_both_sides", "target_in_inputs", "split_mismatch", "rows_mix", "repeats_last_value"),
    *("data_mismatch", "high_bias", "high_variance", "non_finite_loss", "uninformative_metric"),
    *("never_sure", "watched_wrongly", "class_left_out"),
)
SAYS_THE_SAME = {  # of a root: what is seen of it beside it
    "moving_averages_behind": ("imbalanced_classes",),  # the predictions are made with them
    "unsuitable_loss": ("unscaled_targets",),
}
WHY_INPUTS_TELL_NOTHING = ("invalid_inputs", "state_mixed", "hidden_by_mask", "axes_swapped")
SEEN_IN_VALIDATION = ("label_problem", "inputs_tell_nothing")  # a wrong split shows the same


def judge(findings, gain, ended, run=None):
    """Decide the suspicions, put the root cause first and what it explains under it.

    A suspicion is a note in a run that trains well; one that explains a gap to validation, in a run
    that has none. Otherwise the first of `ROOTS` is blamed: an error of model or data, then what
    was measured, then what is unusual. A root is as severe as the worst that it explains.

    `gain` is how well the run trains, from 0 (a constant prediction) to 1 (perfect); it counts once
    the training has `ended`. Then a `Run` with its scores may be given: what they speak against is
    a note.
    """
    if run is not None:
        if _follow_their_labels(run):  # a loss of one's own has made them fit
            refuted = ("shapes_broadcast", SUSPICION)
            findings = [f for f in findings if (f.symptom, f.severity) != refuted]
        findings = [_as_scores_allow(finding, run) for finding in findings]
    bad = ended and (gain < WELL or (run is not None and is_beaten(run)))
    sick = any(
        f.severity == "error" or (f.severity == "warning" and f.symptom in SIGNS) for f in findings
    )
    suspected = {f.symptom for f in findings if f.severity == SUSPICION}
    sick = sick or suspected >= {"learning_rate_too_high", "dead_relu"}  # two signs of one thing
    has_gap = any((f.symptom, f.severity) == ("high_variance", "warning") for f in findings)
    measured = {f.symptom for f in findings if f.severity == "warning"}.intersection(MEASURED)
    if "inputs_tell_nothing" in measured or any(map(_is_seen_in_validation, findings)):
        measured.update(WHY_INPUTS_TELL_NOTHING)
        has_gap = True  # validation is at chance, whatever was learned by heart
    holding = set(OF_THE_ORDER) if ended and gain < FINE else set()  # back, though it trains well
    held_out = gain if run is None or run.held_out_gain is None else run.held_out_gain
    if ended and held_out < FINE:  # the same rows again and again are learned by heart
        measured.add("repeated_batches")
        holding.add("repeated_batches")
    grave = {f.symptom for f in findings if f.severity in ("error", "warning")}
    findings = [_noted(f) if _is_of_large_steps(f, grave) else f for f in findings]
    findings = [_decided(f, bad or sick or f.symptom in holding, has_gap) for f in findings]
    if ended and run is not None and run.gain is not None and run.judged_gain >= WELL:
        findings = [_left_as_it_is(finding) for finding in findings]
    early = [f for f in findings if f.symptom in STATIC or f.epoch is None]
    findings.sort(key=_by_severity)  # of one symptom
    findings.sort(key=lambda f: (f not in early, ORDER.index(f.symptom)))
    serious = [f for f in findings if f.severity != "note" and f.symptom not in INDEPENDENT]
    if not serious:
        return _folded(sorted(findings, key=_by_severity))
    is_split_wrong = any(f.symptom == "split_mismatch" for f in serious)
    of_the_split = [f for f in serious if is_split_wrong and _is_seen_in_validation(f)]
    candidates = [f for f in serious if f not in of_the_split]
    errors = [f for f in candidates if f.severity == "error" and f.symptom in MODEL_AND_DATA]
    shown = [f for f in candidates if f.symptom in measured]
    if shown and _is_seen_in_validation(shown[0]):  # which says that something is wrong, not what
        shown = [f for f in shown if f.symptom in WHY_INPUTS_TELL_NOTHING] or shown
    root = (errors or shown or candidates)[0]
    others = [f for f in candidates if f.symptom != root.symptom]
    explained = [f for f in others if f not in early or _is_made_by(f, root)]
    if root.symptom in WHY_INPUTS_TELL_NOTHING:
        explained += [f for f in others if f in early and _is_seen_in_validation(f)]
    if root.symptom not in DOUBTS:
        explained += [f for f in findings if (f.symptom, f.severity) == ("high_bias", "note")]
    if root.symptom == "split_mismatch":  # of other rows nothing is told by these
        findings = [f for f in findings if f.symptom != "inputs_tell_nothing"]
        explained += [f for f in of_the_split if f.symptom != "inputs_tell_nothing"]
    if root.symptom in EXPLAIN_A_GAP:
        explained += [f for f in findings if f.symptom == "high_variance"]
    explained += [f for f in others if f.symptom in SAYS_THE_SAME.get(root.symptom, ())]
    if root.severity == "error":  # it knows what the other one only supposes
        same = [f for f in candidates if f is not root and f.symptom == root.symptom]
        findings = [f for f in findings if f not in same or not _is_seen_in_validation(f)]
    under = [replace(f, consequence_of=root.symptom) for f in explained]
    beside = [f for f in findings if f is not root and f not in explained]
    root = replace(root, severity=min(serious, key=_by_severity).severity)
    return _folded([root, *sorted(under, key=_by_severity), *sorted(beside, key=_by_severity)])


def _is_made_by(finding, root):
    """Tell whether a loss that rose in training did so for an error in model or data."""
    rose = finding.symptom == "learning_rate_too_high" and finding.epoch is not None
    return rose and root.severity == "error"


def _is_of_large_steps(finding, grave):
    """Tell whether steps too large, which are among the grave symptoms, make what was found."""
    if finding.symptom == "learning_rate_too_low":
        return bool(grave.intersection(TOO_FAST))
    is_shrunk = finding.symptom == "penalty_too_strong" and finding.severity == SUSPICION
    return is_shrunk and "learning_rate_too_high" in grave  # any penalty shrinks at such a rate


def _as_scores_allow(finding, run):
    """Make a note of what the scores speak against: the one gate of all errors and warnings.

    They do where training and validation rows are all but solved (by the output in question), and
    where a gap between the two is no larger than two standard errors of a score on so few
    validation rows. What is only unusual is no cause where nothing but a target of the user's is
    missed.
    """
    symptom = finding.symptom
    excused = symptom not in DOUBTS and _is_solved(run, finding.layer)
    excused |= symptom == "high_variance" and not run.targets and _is_noise(run)
    if finding.severity == SUSPICION:
        excused |= bool(run.targets) and _all_fine(run)
        excused |= symptom == "learning_rate_too_low" and _knew_before(run)
    return _left_as_it_is(_noted(finding)) if excused else finding


def _left_as_it_is(finding):
    """Say of a setting that the run does well with it, before what to change it to."""
    text = "The run does well with it. To get more out: "
    is_setting = finding.severity == "note" and finding.symptom in SETTINGS
    if not is_setting or finding.remedy.startswith(text):
        return finding
    return replace(finding, remedy=text + finding.remedy)


def _by_severity(finding):
    return SEVERITIES.index(finding.severity)


def _noted(finding):
    return replace(finding, severity="note")


def _all_fine(run):
    gains = [gain for out in run.outputs for gain in (out.gain, out.validation_gain)]
    return bool(gains) and None not in gains and min(gains) >= FINE


def _is_solved(run, layer):
    own = [out for out in run.outputs if layer is not None and out.layer == layer]
    gains = (own[0].gain, own[0].validation_gain) if own else (run.gain, run.held_out_gain)
    one_class = any(out.trivial == 1 for out in run.outputs)  # then a perfect score says nothing
    return None not in gains and min(gains) >= FINE and not one_class


def _knew_before(run, way=0.02):
    """Tell whether weights that hardly moved tell much: they were trained before, and are tuned."""
    ways = list(run.moved.values())
    return run.known_gain >= CHANCE and bool(ways) and max(ways) < way


def _follow_their_labels(run, together=0.3, shrunk=2.0):
    """Tell whether predictions vary with their own labels, and about as much as these.

    Where each is compared with the labels of a whole batch, all shrink to the mean of the labels:
    what is left of them would have to be stretched many times over.
    """
    out = run.only_output
    if out is None or out.kind != "regression" or out.prediction is None or out.score is None:
        return False
    guess = rows_of_units(out.prediction)
    both = np.concatenate([out.y[: len(guess)], guess], axis=1)
    if both.shape[1] != 2 or not np.all(np.isfinite(both)) or guess.std() == 0:
        return False
    covariance = np.cov(both.T)
    slope = covariance[0, 1] / covariance[1, 1]
    return bool(np.corrcoef(both.T)[0, 1] > together and slope < shrunk)


def _is_noise(run):
    pairs = [o for o in run.outputs if o.validation_score is not None and o.score is not None]
    for out in pairs:
        rows, score = len(out.validation_prediction), out.validation_score
        spread = np.sqrt(score * (1 - score)) if out.kind != "regression" else 1.4 * (1 - score)
        if not out.score - score <= 2 * spread / np.sqrt(rows):
            return False
    return bool(pairs)


def _decided(finding, is_sick, has_gap):
    """Make a suspicion a warning in a run that it may explain, else a note."""
    if finding.severity != SUSPICION:
        return finding
    explains = is_sick or (has_gap and finding.symptom in EXPLAIN_A_GAP)
    return replace(finding, severity="warning" if explains else "note")


def headline(findings, run):
    """Say in one line what the run is: wrong, disappointing without a known cause, or healthy.

    What was not judged is not healthy, and neither is a validation score near that of a constant.
    Returns (kind, text); kind is "wrong", "disappoints", "not judged" or "healthy".
    """
    serious = [f for f in findings if f.severity != "note"]
    is_scored = run.outputs and not any(out.in_own_terms for out in run.outputs)
    why = None if is_scored else "no score compares outputs with labels"
    if not run.inputs and not run.outputs:
        why = "the data were not seen"
    elif run.stateful or run.only_batch:
        why = "rows cannot be drawn one by one for them"
    elif is_scored and (run.gives_vectors or any(out.moves_labels for out in run.outputs)):
        why = "your train step or loss decides what outputs mean"
    scores, following = _scores(run), NOT_TRIED.format(why) if why else NEXT
    if serious and serious[0].remedy != UNKNOWN:
        text = f"Wrong: {serious[0].symptom.replace('_', ' ')}; change first: {serious[0].cause}."
        return "wrong", f"{text} {scores}".rstrip()
    is_poor = run.known_gain < WELL or _is_near_trivial(run) or is_beaten(run)
    if not serious and (run.is_limit_unknown or (is_poor and not _could_be_better(run))):
        text = f"Nothing wrong was found ({scores}); whether these data allow more is not known. "
        return "not judged", text + following
    if serious or is_poor:
        text = f"The run disappoints ({scores}) and the cause is not among what could be judged. "
        return "disappoints", text + following
    advice = "Try the model on data from the field."
    if not run.has_validation:
        advice = "Validate it on other rows."
    if not scores:
        skills = [out.own_skill for out in run.outputs if out.own_skill is not None]
        if skills and min(skills) < CHANCE:
            text = "The run disappoints: by your own loss it does no better than a constant "
            text += f"prediction (its loss is {1 - min(skills):.2f} of the constant's). "
            return "disappoints", text + following
        if _loss_fell(run):
            fell = f"it fell from {run.epoch_losses[0]:.4g} to {run.epoch_losses[-1]:.4g}"
            if not skills:
                text = f"Nothing wrong was found; what the loss is worth is not known ({fell}). "
                return "not judged", text + following
            text = f"Healthy as far as the loss tells: {fell}, {1 - min(skills):.2f} of the best "
            return "healthy", f"{text}constant prediction's. {advice}"
        return "not judged", f"How well it does could not be judged. {following}"
    judged = "Healthy: nothing wrong was found in data, model, gradients and scores"
    if any(f.symptom == "high_variance" for f in findings):
        judged = "Healthy, with room: nothing wrong was found, but validation lags behind training"
        advice = "See high_variance below."
    return "healthy", f"{judged} ({scores}). {advice}"


def is_beaten(run, by=0.1):
    """Tell whether a simple model knows new rows far better than the network its training rows."""
    told = [(out.simple[0], out) for out in run.outputs if out.simple is not None]
    return any(s > max(out.simple[2], out.score) + by for s, out in told if out.score is not None)


def _is_near_trivial(run):
    return run.held_out_gain is not None and run.held_out_gain < NEAR_TRIVIAL


def _could_be_better(run):
    """Tell whether more is possible: the score is next to nothing, or a simple model does better.

    Labels need not be what a train step of one's own asks for.
    """
    if run.outputs and all(out.loss == "own step" for out in run.outputs):
        return False
    if run.known_gain < LIMIT or _is_near_trivial(run):
        return True
    simple = [out.simple for out in run.outputs if out.simple is not None]
    return any(score > own + 0.05 for score, _, own in simple)


def _scores(run):
    """Return the measured scores in words, an empty text if there are none."""
    parts = []
    for out in run.outputs:
        if out.score is None or not np.isfinite(out.score):
            continue
        text = "" if out.alone else f"{out.name!r}: "
        text += f"{out.measure} {out.score:.3f} in training"
        if out.validation_score is not None:
            text += f", {out.validation_score:.3f} in validation"
        parts.append(f"{text}; a constant has {out.trivial:.3f}")
    return "; ".join(parts)


def _loss_fell(run):
    losses = run.epoch_losses
    if len(losses) < 2 or not np.all(np.isfinite(losses)):
        return False
    return losses[-1] < losses[0] - 0.1 * abs(losses[0])


def _is_seen_in_validation(finding):
    is_measured = finding.severity == "warning" and finding.epoch is not None
    return is_measured and finding.symptom in SEEN_IN_VALIDATION


def _folded(findings):
    """Make one finding of those of a kind, and name their other layers."""
    kept = {}
    for finding in findings:
        key = (finding.symptom, finding.severity, finding.cause, finding.layer is None)
        kept.setdefault(key, []).append(finding)
    folded = []
    for (*_, without_layer), group in kept.items():
        first = group[0]
        if without_layer or len(group) == 1:
            folded.extend(group)
            continue
        layers = list(dict.fromkeys(f.layer for f in group[1:] if f.layer != first.layer))
        if layers:
            more = f" Also: {', '.join(layers[:4])}{' …' if len(layers) > 4 else ''}."
            first = replace(first, evidence=first.evidence + more)
        folded.append(first)
    return folded
