"""Checkup: small experiments with a model and its data, then single changes, tried and measured.

from callbacks import checkup
checkup(build_model, (x, y), (x_validation, y_validation), seconds=60)

python -m callbacks.diagnosis my_module:build_model --data my_module:load_data
"""

import argparse
import importlib
import inspect
import os
import sys
import time
from dataclasses import replace

import keras
import numpy as np

from . import experiments_of_data, treatments_of_data
from .checkup_result import Checkup, Outcome, Verdict
from .clones import both, clone, clone_of
from .experiments import EXPERIMENTS, KEPT, NotApplicable, Result
from .finding import apply, rules_at
from .laboratory import FEWEST_UPDATES, MOST_UPDATES, SEEDS, Laboratory
from .patterns import matching_patterns
from .rows import read_rows
from .states import random_states_kept
from .treatments import TREATMENTS
from .trial import Clock, Learner, OutOfTime
from .verdict import judge

FOR_EXPERIMENTS = 0.4  # of the time
HELD_OUT = 0.25  # of the rows, where no validation rows are given
LEAST_GAIN = 0.1  # of the way from trivial to perfect; less is no repair
SHARE_OF_GAP = 0.6  # of the way to the best known score that a repair closes
NEAR = 0.8  # of the largest gain: among these, what the experiments point to is named
AS_WELL = 0.8  # of the best known score: nothing to change
RUNS = 35  # short trainings that all of the time would make
PAIRED = 3  # changes that are tried in pairs if none repairs alone


def checkup(
    build_model, train, validation=None, seconds=60, seed=0, verbose=True, fit=None, diagnosis=None
):
    """Find out by experiment why a network disappoints, and which single change repairs it.

    Args:
        build_model: function without arguments that returns a new compiled model, or a compiled
            model. Of a model, clones are trained: each layer made anew from its configuration,
            with its weights where it is frozen. The model itself is not touched.
        train: (x, y) or (x, y, sample_weight) of arrays, or batches with a known end (tf.data,
            PyDataset); a sample of at most 2048 rows is used.
        validation: likewise; by default a quarter of the rows of `train` is held out.
        seconds: about how long it may take.
        seed: int. The same seed and data give the same experiments; how many fit into the time
            depends on the machine.
        verbose: print progress and the report.
        fit: dict of what `fit` is called with, as far as it matters: "batch_size", "epochs",
            "shuffle", "class_weight", "validation_split".
        diagnosis: a `Diagnosis` after its training: the changes of its findings are tried first.

    Returns:
        `Checkup`

    Raises:
        ValueError: if data or model cannot be used, or the time is too short for any experiment.

    Source: Karpathy (2019); CS231n; Ben Braiek & Khomh (2023), TheDeepChecker; Rabanser et al.
    (2019); Zhang et al. (2021), AutoTrainer.

    """
    clock = Clock(_checked_seconds(seconds))
    _check_scikit_learn()
    fit = dict(fit or {})
    with random_states_kept(seed):
        rows, held, given = _read(train, validation, fit, seed, seconds)
        build = build_model
        if isinstance(build_model, keras.Model):
            build = clone_of(build_model)
        elif not callable(build_model):
            kind = type(build_model).__name__
            text = "a function that returns a compiled model, or a compiled model"
            raise ValueError(f"`build_model` must be {text}; got {kind}.")
        say = _Progress(clock, verbose)
        lab = _laboratory(build, rows, held, given, fit, seed, clock)
        result = _examine(lab, say, diagnosis)
    if verbose:
        print(result.report())
    return result


def _checked_seconds(seconds):
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ValueError(f"`seconds` must be a positive number, got {seconds!r}.")
    return seconds


def _check_scikit_learn():
    try:
        importlib.import_module("sklearn")
    except ImportError as error:
        text = "A checkup compares with scikit-learn, which is not installed"
        raise ValueError(f"{text}: pip install scikit-learn.") from error


def _read(train, validation, fit, seed, seconds):
    """Return rows to train on, rows held out, and whether the user has parted them."""
    seconds = seconds / 10
    if validation is not None:
        held = read_rows(validation, "validation", 1024, seconds)
        rows = read_rows(train, "train", seconds=seconds)
        return rows, held, True
    rows = read_rows(train, "train", seconds=seconds)
    if len(rows) < 16:
        raise ValueError(f"`train` has {len(rows)} rows: a checkup needs 16 at least.")
    share = fit.get("validation_split") or HELD_OUT
    count = int(len(rows) * share)
    order = np.arange(len(rows))
    if not fit.get("validation_split"):
        order = np.random.default_rng(seed).permutation(order)
    kept, last = np.sort(order[:-count]), order[-count:]
    return rows.take(kept), rows.take(last), bool(fit.get("validation_split"))


class _Progress:
    """Prints one line for each thing done, with the time."""

    def __init__(self, clock, verbose):
        self.clock, self.verbose = clock, verbose

    def __call__(self, text):
        if self.verbose:
            print(f"[{self.clock.passed():4.0f} s] {text}", flush=True)


def _laboratory(build, rows, held, given, fit, seed, clock):
    """Build the model, make a first training, and share out the time."""
    try:
        lab = Laboratory(build, rows, held, fit, seed, clock)
        lab.has_validation = given
        began = time.monotonic()
        lab.learner.train(rows, lab.places(2, 0), None, lab.class_weight)
        lab.trace_seconds = time.monotonic() - began
        began = time.monotonic()
        lab.learner.train(rows, lab.places(5, 0), None, lab.class_weight)
        step = (time.monotonic() - began) / 5
    except (ValueError, OutOfTime):
        raise
    except Exception as error:
        text = (str(error).strip().splitlines() or [""])[0]
        message = f"The model cannot be trained on `train`: {type(error).__name__}: {text}"
        raise ValueError(message) from error
    least = lab.trace_seconds + FEWEST_UPDATES * step
    if clock.left() < least:
        needed = clock.passed() + 4 * least
        text = f"`seconds={clock.seconds:g}` is too short for one experiment"
        raise ValueError(f"{text}: building and training take {needed:.0f} s; give more.")
    lab.step_seconds = step
    lab.updates = int(np.clip(clock.left() / RUNS / step, FEWEST_UPDATES, MOST_UPDATES))
    lab.updates = min(lab.updates, lab.user_updates or lab.updates)
    return lab


def _examine(lab, say, diagnosis):
    """Make the experiments, try the changes, judge."""
    result = Checkup()
    result.measure, result.updates, result.batch_size = lab.measure, lab.updates, lab.batch_size
    result.num_rows, result.num_held = len(lab.rows), len(lab.held)
    lab.baseline = lab.try_change(KEPT, 0)
    result.baseline = Outcome(KEPT, [lab.baseline.score], [0.0], lab.baseline.losses)
    say(f"as it is: {lab.measure} {lab.baseline.score:.2f} after {lab.updates} updates")
    _experiment(lab, say, result)
    result.reference, result.patterns = lab.reference, matching_patterns(result.results)
    if diagnosis is not None:
        result.findings = list(diagnosis.findings)
    else:
        result.findings = judge(apply(rules_at("start"), lab.run), 0.0, True)
    _treat(lab, say, result)
    result.verdict = _judge(lab, result)
    result.seconds = lab.clock.passed()
    return result


def data_first(functions, module):
    """Return experiments or treatments in the order in which they are made: those of data first."""
    return sorted(functions, key=lambda function: function.__module__ != module.__name__)


def _experiment(lab, say, result):
    """Make each experiment for which there is time; an error in one is told and ends nothing."""
    late = []
    for function in data_first(EXPERIMENTS, experiments_of_data):
        name, began = function.__name__, lab.clock.passed()
        cost = function.trainings * (lab.updates * lab.step_seconds + lab.trace_seconds / 2)
        numbers, outcome = {}, "left out"
        if began + cost > FOR_EXPERIMENTS * lab.clock.seconds:
            seen = "The time was too short."
            late.append(name)
        else:
            try:
                lab.restart()
                outcome, seen, numbers = function(lab)
            except NotApplicable as reason:
                seen = f"Not made: {reason}."
            except OutOfTime:
                seen = "The time was too short."
                late.append(name)
            except Exception as error:
                text = (str(error).strip().splitlines() or [""])[0][:150]
                seen = f"It failed: {type(error).__name__}: {text}"
                result.left_out.append(f"{name} ({type(error).__name__}: {text})")
        taken = lab.clock.passed() - began
        entry = (name, function.expectation, seen, outcome, function.outcomes[0], numbers, taken)
        result.results.append(Result(*entry))
        say(f"{name}: {outcome}" if outcome != "left out" else f"{name}: {seen}")
    if late:
        text = f"for lack of time ({lab.clock.seconds:g} s)"
        result.left_out.append(f"{text}: {', '.join(late)}")


def _treat(lab, say, result):
    """Try each change alone; a second seed only where the first has gained."""
    try:
        second = lab.try_change(KEPT, 1)
    except OutOfTime:
        result.left_out.append(f"for lack of time ({lab.clock.seconds:g} s): all changes")
        return
    base = [lab.skill(lab.baseline.score), lab.skill(second.score)]
    result.baseline.scores.append(second.score)
    result.baseline.gains.append(0.0)
    changes = []
    for function in data_first(TREATMENTS, treatments_of_data):
        try:
            change = function(lab)
        except Exception as error:
            result.left_out.append(f"{function.__name__} ({type(error).__name__}: {error})")
            continue
        changes += [replace(change, key=function.__name__)] if change is not None else []
    changes.sort(key=lambda change: _suspicion(result, change))
    late = [c.name for c in changes if not _try(lab, say, result, c, base)]
    if not _repairs(lab, result) and _best_known(lab, result) * AS_WELL > np.mean(base):
        singles = [o for o in result.outcomes if o.change.same_budget and not np.isnan(o.gain)]
        singles = [o.change for o in sorted(singles, key=lambda o: -o.gain)[:PAIRED]]
        for i, first in enumerate(singles):
            for other in singles[i + 1 :]:
                change = both(first, other)
                if change is not None and not _try(lab, say, result, change, base):
                    late.append(change.name)
    if late:
        result.left_out.append(f"for lack of time ({lab.clock.seconds:g} s): {', '.join(late)}")
    result.outcomes.sort(key=lambda outcome: -outcome.gain)


def _suspicion(result, change):
    """Return the place of the first pattern that names a change; findings come after patterns."""
    for place, pattern in enumerate(result.patterns):
        if change.key in pattern.treatments:
            return place
    causes = {f.cause for f in result.findings if f.severity != "note"}
    return len(result.patterns) + (change.cause not in causes)


def _try(lab, say, result, change, base):
    """Append the outcome of a change; return False if there was no time for it."""
    factor = dict(change.options).get("updates", lab.updates) / lab.updates
    cost = factor * lab.updates * lab.step_seconds + lab.trace_seconds * change.has_model
    if lab.clock.left() < cost:
        return False
    learner, own_weights, trials = lab.learner, (), []
    try:
        if change.has_model:
            model, own_weights = clone(lab, change)
            learner = Learner(model)
        for index in range(SEEDS):
            trials.append(lab.try_change(change, index, learner, own_weights))
            if lab.skill(trials[0].score) - base[0] < LEAST_GAIN / 2 or lab.clock.left() < cost:
                break
    except OutOfTime:
        if not trials:
            return False
    except Exception as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:150]
        result.left_out.append(f"{change.name} ({text})")
        say(f"{change.name}: left out, {text}")
        return True
    gains = [lab.skill(t.score) - b for t, b in zip(trials, base, strict=False)]
    outcome = Outcome(change, [t.score for t in trials], gains, trials[0].losses)
    result.outcomes.append(outcome)
    say(f"{change.name}: {outcome.score:.2f} ({outcome.gain:+.2f})")
    return True


def _best_known(lab, result):
    """Largest skill that scikit-learn or a change with the same budget has reached."""
    known = [lab.reference, lab.skill(result.baseline.score)]
    for outcome in result.outcomes:
        if outcome.change.same_budget and outcome.spread < np.inf:
            known.append(lab.skill(outcome.score))
    return max(known)


def _repairs(lab, result):
    """Outcomes that gain beyond the spread and come near the best known score, best first."""
    base, best = lab.skill(result.baseline.score), _best_known(lab, result)
    found = []
    for outcome in result.outcomes:
        sure = min(outcome.gains) > 0 and outcome.gain - outcome.spread >= LEAST_GAIN
        if sure and lab.skill(outcome.score) - base >= SHARE_OF_GAP * (best - base):
            found.append(outcome)
    if not found:
        return []
    top = max(found, key=lambda o: (o.change.same_budget, o.gain))
    level = min(top.gain - max(0.05, top.spread), NEAR * top.gain)
    near = [o for o in found if o.gain >= level and o.change.same_budget] or [top]
    order = [f.__name__ for f in data_first(TREATMENTS, treatments_of_data)]
    near.sort(key=lambda o: (_suspicion(result, o.change), order.index(o.change.key.split()[0])))
    return near + sorted((o for o in found if o not in near), key=lambda o: -o.gain)


def _judge(lab, result):
    """Say what to do, from repairs first, then from the pattern of the experiments."""
    base, best = lab.skill(result.baseline.score), _best_known(lab, result)
    longer = [lab.skill(o.score) for o in result.outcomes if not o.change.same_budget]
    score = f"{lab.measure} {result.baseline.score:.2f}"
    cautions = [p.sentence for p in result.patterns if p.always]
    if base >= 0.95 or (base >= LEAST_GAIN and base >= AS_WELL * max([best, *longer])):
        text = f"Nothing to change: {score} as it is, and nothing tried does much better "
        text += f"(best {max([best, base, *longer]):.2f} of the way from trivial to perfect)."
        return Verdict("healthy", " But: ".join([text, *cautions[:1]]))
    repairs = _repairs(lab, result)
    if repairs:
        first, others = repairs[0], [o.change.name for o in repairs[1:]]
        text = f"{score} → {first.score:.2f}"
        also = f" Also repair: {'; '.join(others[:3])}." if others else ""
        if not first.change.same_budget:
            sentence = f"Train longer: {first.change.name} bring {text}, with the model as it is."
            return Verdict("longer", sentence + also, first.change, first.change.cause)
        sentence = f"Change this: {first.change.name} ({text}).{also}"
        return Verdict("repair", sentence, first.change, first.change.cause)
    if result.patterns:
        pattern = result.patterns[0]
        text = f"No change tried repairs ({score}). {pattern.sentence}"
        return Verdict("pattern", text, None, pattern.cause)
    text = f"No change tried repairs ({score}), and the experiments fit no known pattern: give "
    text += "more seconds, or train with callbacks=[Diagnosis()] and hand it in."
    return Verdict("unknown", text)


# ---- command line ----


def main(argv=None):
    """Run a checkup from the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m callbacks.diagnosis",
        description="Small experiments with a model and its data, then changes tried one by one.",
    )
    parser.add_argument("build_model", help="my_module:build_model, returns a compiled model")
    parser.add_argument(
        "--data",
        required=True,
        metavar="MODULE:FUNCTION",
        help="returns (x, y), or (train, validation), or a dict of the arguments of checkup "
        "(train, validation, fit)",
    )
    parser.add_argument("--seconds", type=float, default=60, help="about how long (default 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="write the figure, such as checkup.png")
    options = parser.parse_args(argv)
    try:
        build_model, load_data = _find(options.build_model), _find(options.data)
        data = _data(load_data)
        result = checkup(build_model, **data, seconds=options.seconds, seed=options.seed)
        if options.plot:
            result.plot(options.plot)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _find(text):
    """Return the function `module:function`; modules of the current folder are found."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise ValueError(f"{text!r} must be MODULE:FUNCTION, such as my_module:build_model.")
    sys.path[:0] = [os.getcwd()]
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise ValueError(f"{module!r} cannot be imported: {error}") from error
    finally:
        sys.path.remove(os.getcwd())
    if not callable(found):
        raise ValueError(f"{module!r} has no function {name!r}.")
    return found


def _data(load_data):
    """Return the arguments of `checkup` for what the function returns."""
    try:
        data = load_data()
    except Exception as error:
        raise ValueError(f"The data cannot be loaded: {type(error).__name__}: {error}") from error
    if isinstance(data, dict) and "train" in data:
        known = inspect.signature(checkup).parameters
        unknown = [key for key in data if key not in known]
        if unknown:
            raise ValueError(f"The data have {unknown}; known are train, validation and fit.")
        return data
    parts = isinstance(data, (tuple, list)) and len(data) == 2
    if parts and not hasattr(data[0], "shape") and not isinstance(data[0], (list, dict)):
        return {"train": data[0], "validation": data[1]}
    return {"train": data}
