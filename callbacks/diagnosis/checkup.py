"""Checkup: small experiments with a model and its data, then single changes, tried and measured.

from callbacks import checkup
checkup(build_model, (x, y), (x_validation, y_validation), seconds=60)

python -m callbacks.diagnosis my_module:build_model --data my_module:load_data
"""

import argparse
import functools
import importlib
import inspect
import itertools
import numbers
import os
import sys
import time
import warnings
from dataclasses import replace

import keras
import numpy as np

from .checkup_result import Checkup, Outcome
from .clones import KEPT, both, clone, clone_of, first_line
from .experiments import EXPERIMENTS, NotApplicable, Result
from .finding import apply, rules_at
from .laboratory import FEWEST_UPDATES, SEEDS, Clock, Laboratory
from .learner import Learner, OutOfTime
from .patterns import (
    ALONE,
    LEAST_GAIN,
    WITH_ANY,
    matching_patterns,
    suspicion,
    verdict_of,
    wants_pairs,
)
from .report import to_write
from .rows import read_rows
from .states import random_states_kept
from .treatments import TREATMENTS
from .verdict import judge

KEEPS_ROWS = keras.utils.PyDataset.on_epoch_end
FOR_EXPERIMENTS = 0.4  # of the time
HELD_OUT = 0.25  # of the rows, where no validation rows are given
LEAST_ROWS = 16
MOST_UPDATES = 400
RUNS = 35  # short trainings that all of the time would make
OF_FIT = ("batch_size", "epochs", "shuffle", "class_weight", "validation_split", "learning_rate")
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
            "shuffle", "class_weight", "validation_split"; of a model that is trained already
            "learning_rate", if it had another than it has now.
        diagnosis: a `Diagnosis` after its training: the changes of its findings are tried first.

    Returns:
        `Checkup`

    Raises:
        ValueError: if data or model cannot be used, or the time is too short for any experiment.

    Source: Karpathy (2019); CS231n; Ben Braiek & Khomh (2023), TheDeepChecker; Rabanser et al.
    (2019); Zhang et al. (2021), AutoTrainer.

    """
    if not is_number(seconds) or not seconds > 0:
        raise ValueError(f"`seconds` must be a positive number, got {seconds!r}.")
    _check_fit(fit or {})
    began = time.monotonic()

    def say(text):
        if verbose:
            print(f"[{time.monotonic() - began:4.0f} s] {text}", flush=True)

    findings = None if diagnosis is None else diagnosis.findings
    result = examine(build_model, train, validation, seconds, seed, fit or {}, findings, say)
    if verbose:
        print(result.report())
    return result


def _check_fit(fit):
    """Refuse settings of `fit` that are not known, or that no training can have."""
    unknown = [key for key in fit if key not in OF_FIT]
    if unknown:
        raise ValueError(f"`fit` has {unknown}; known are {', '.join(OF_FIT)}.")
    for key in ("epochs", "batch_size", "learning_rate"):
        value = fit.get(key)
        if value is not None and not (is_number(value) and value > 0):
            raise ValueError(f"`fit` must have a positive number as {key!r}, got {value!r}.")


def is_number(value):
    """Tell whether it is a number, of NumPy too, which True and False are not meant to be."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def examine(build_model, train, validation, seconds, seed, fit, findings, say, predictions=None):
    """Make a checkup; see there.

    The changes of `findings` are tried first, of None those of the rules that need no training;
    `say(text)` is told what is being done; `predictions`, a list of one array per output, are those
    of the user's trained model for the validation rows.
    """
    clock = Clock(seconds)
    with random_states_kept(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of Keras, which each trial would repeat
        rows, held, given = _read(train, validation, fit, seed, seconds / 10)
        if isinstance(build_model, keras.Model):
            few = rows.take(np.arange(2)).x
            build = clone_of(build_model, fit.get("learning_rate"), few)
        elif callable(build_model):
            build = functools.partial(_built_by, build_model)
        else:
            kind = type(build_model).__name__
            text = "a function that returns a compiled model, or a compiled model"
            raise ValueError(f"`build_model` must be {text}; got {kind}.")
        lab = _laboratory(build, rows, held, fit, seed, clock, given)
        whole = None if predictions is None else lab.score(held, predictions)
        if whole is not None:
            lab.reached = lab.skill(whole)
        result = _examine(lab, say, findings)
        if getattr(type(train), "on_epoch_end", KEEPS_ROWS) is not KEEPS_ROWS:
            text = "what your dataset does in `on_epoch_end` (its rows are read once; Diagnosis "
            result.left_out.append(f"{text}sees them come)")
        if whole is not None:
            result.whole, result.ahead = whole, lab.skill(result.baseline.score) - lab.reached
        return result


def _built_by(build_model):
    try:
        return build_model()
    except Exception as error:
        raise ValueError(f"`build_model` raises {first_line(error)}") from error


def _check_rows(rows):
    """Refuse rows from which nothing can be learned, whatever is changed."""
    for leaf in keras.tree.flatten(rows.x):
        if leaf is not None and leaf.dtype.kind == "f":
            bad = ~np.isfinite(leaf).reshape(len(leaf), -1).all(axis=1)
            if bad.any():
                text = f"`train` holds NaN or infinity, in {bad.sum()} of {len(bad)} rows"
                raise ValueError(f"{text}: remove or fill these values.")
    labels = [leaf for leaf in keras.tree.flatten(rows.y) if leaf is not None and leaf.size]
    if labels and all(np.all(leaf == leaf.flat[0]) for leaf in labels):
        text = f"All labels of `train` are {labels[0].flat[0]}: there is nothing to learn"
        raise ValueError(f"{text}, and no score to compare.")


def _read(train, validation, fit, seed, seconds):
    """Return rows to train on, rows held out, and whether the user has parted them."""
    rows = read_rows(train, "train", seconds=seconds)
    if len(rows) < LEAST_ROWS:
        raise ValueError(f"`train` has {len(rows)} rows: a checkup needs {LEAST_ROWS} at least.")
    _check_rows(rows)
    if validation is not None:
        return rows, read_rows(validation, "validation", 1024, seconds), True
    split = fit.get("validation_split")
    count, order = int(len(rows) * (split or HELD_OUT)), np.arange(len(rows))
    if not split:
        order = np.random.default_rng(seed).permutation(order)
    return rows.take(np.sort(order[:-count])), rows.take(order[-count:]), bool(split)


def _laboratory(build, rows, held, fit, seed, clock, given):
    """Build the model, make a first training, and share out the time."""
    try:
        lab = Laboratory(build, rows, held, fit, seed, clock, given)
        begin = time.monotonic()
        lab.learner.train(rows, lab.places(2, 0), None, lab.class_weight)
        lab.trace_seconds = time.monotonic() - begin
        begin = time.monotonic()
        lab.learner.train(rows, lab.places(5, 0), None, lab.class_weight)
        lab.step_seconds = (time.monotonic() - begin) / 5
    except Exception as error:
        if isinstance(error, ValueError) and "\n" not in str(error):
            raise  # it is a sentence already
        message = f"The model cannot be trained on `train`: {first_line(error)}"
        raise ValueError(message) from error
    least = lab.trace_seconds + FEWEST_UPDATES * lab.step_seconds
    if clock.left() < least:
        needed = clock.passed() + 4 * least
        text = f"{clock.seconds:g} s are too short for one experiment"
        raise ValueError(f"{text}: building and training take {needed:.0f} s; give more")
    affordable = clock.left() / RUNS / lab.step_seconds
    lab.updates = int(np.clip(affordable, FEWEST_UPDATES, MOST_UPDATES))
    lab.updates = min(lab.updates, lab.user_updates or lab.updates)
    return lab


def _examine(lab, say, findings):
    """Make the experiments, try the changes, judge."""
    lab.baseline = lab.try_change(KEPT, 0)
    baseline = Outcome(KEPT, [lab.baseline.score], [0.0], lab.baseline.losses)
    sizes = (lab.updates, lab.batch_size, len(lab.rows), len(lab.held))
    result = Checkup(lab.measure, *sizes, baseline)
    say(f"as it is: {lab.measure} {lab.baseline.score:.2f} after {lab.updates} updates")
    whole = lab.clock.seconds
    late = _experiment(lab, say, result, EXPERIMENTS, FOR_EXPERIMENTS * whole)
    result.patterns = matching_patterns(result.results)
    if findings is None:
        findings = judge(apply(rules_at("start"), lab.run), 0.0, True)
    result.findings = list(findings)
    untried = _treat(lab, say, result)
    late = _experiment(lab, say, result, late, whole)  # where few changes were to be tried
    result.results.sort(key=lambda made: EXPERIMENTS.index(made.experiment))
    result.patterns = matching_patterns(result.results)
    late = [function.__name__ for function in late] + untried
    if late:
        text = f"for lack of time ({lab.clock.seconds:g} s)"
        result.left_out.append(f"{text}: {', '.join(late)}")
    result.verdict = verdict_of(lab, result)
    for outcome in result.outcomes:
        outcome.change = outcome.change.in_words()
    if result.verdict.repairs:
        result.verdict.change = result.verdict.repairs[0].change
    result.seconds = lab.clock.passed()
    return result


def _experiment(lab, say, result, experiments, allowed):
    """Make each of these experiments; return those for which there was no time.

    They must end within the `allowed` seconds of the checkup. An error in one is told and ends
    nothing.
    """
    late = []
    result.results = [made for made in result.results if made.experiment not in experiments]
    for function in experiments:
        name = function.__name__
        cost = function.trainings * (lab.updates * lab.step_seconds + lab.trace_seconds / 2)
        numbers, outcome = {}, "left out"
        try:
            can_be_made = function.applies is None or function.applies(lab)
            if lab.clock.passed() + cost > allowed and can_be_made:
                raise OutOfTime
            lab.restart()
            outcome, seen, numbers = function(lab)
        except NotApplicable as reason:
            seen = f"Not made: {reason}."
        except OutOfTime:
            seen = f"It takes some {cost:.0f} s: more than is left of {allowed:.0f} s."
            late.append(function)
        except Exception as error:
            seen = f"It failed: {first_line(error)}"
            result.left_out.append(f"{name} ({first_line(error)})")
        result.results.append(Result(function, outcome, seen, numbers))
        say(f"{name}: {outcome}" if outcome != "left out" else f"{name}: {seen}")
    return late


def _treat(lab, say, result):
    """Try each change alone, pairs where none repairs; return the names of those left out."""
    try:
        second = lab.try_change(KEPT, 1)
    except OutOfTime:
        return ["all changes"]
    base = [lab.skill(lab.baseline.score), lab.skill(second.score)]
    result.baseline.scores.append(second.score)
    result.baseline.gains.append(0.0)
    changes = []
    for function in TREATMENTS:
        try:
            change = function(lab)
        except Exception as error:
            result.left_out.append(f"{function.__name__} ({first_line(error)})")
            continue
        if change is not None:
            reason = inspect.getdoc(function).replace("\n\n", " ").replace("\n", " ")
            changes.append(replace(change, key=function.__name__, reason=reason))
    changes.sort(key=lambda change: (change.key in WITH_ANY, suspicion(result, change)))
    late = [c.name for c in changes if not _try(lab, say, result, c, base)]
    if wants_pairs(lab, result):
        singles = [o for o in result.outcomes if o.change.factor == 1 and o.change.key not in ALONE]
        singles = [o.change for o in sorted(singles, key=lambda o: -o.gain)[:PAIRED]]
        pairs = [both(lab, *pair) for pair in itertools.combinations(singles, 2)]
        untried = [c for c in pairs if c and not _try(lab, say, result, c, base)]
        late += [f"{len(untried)} pairs of changes"] if untried else []
    result.outcomes.sort(key=lambda outcome: -outcome.gain)
    return late


def _try(lab, say, result, change, base):
    """Append the outcome of a change; return False if there was no time for it.

    A second seed is for those that gain under the first.
    """
    cost = change.factor * lab.updates * lab.step_seconds + lab.trace_seconds * change.has_model
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
        result.left_out.append(f"{change.name} ({first_line(error)})")
        say(f"{change.name}: left out, {first_line(error)}")
        return True
    gains = [lab.skill(t.score) - b for t, b in zip(trials, base, strict=False)]
    outcome = Outcome(change, [t.score for t in trials], gains, trials[0].losses)
    result.outcomes.append(outcome)
    say(f"{change.name}: {outcome.score:.2f} ({outcome.gain:+.2f})")
    return True


# ---- command line ----


def main(argv=None):
    """Run a checkup from the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description="Small experiments with a model and its data, then changes tried one by one.",
    )
    parser.add_argument("build_model", help="my_module:build_model or path/to/file.py:build_model")
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
        if options.plot is not None:  # seen now, and not after the checkup
            if not options.plot.endswith((".png", ".pdf", ".svg")):
                raise ValueError(f"--plot {options.plot!r}: name a .png, .pdf or .svg file.")
            to_write(options.plot)
        build_model, load_data = _find(options.build_model), _find(options.data)
        data = _data(load_data)
        result = checkup(build_model, **data, seconds=options.seconds, seed=options.seed)
        if options.plot:
            result.plot(options.plot)
    except OSError as error:
        place = error.filename or "A file"  # a full disk names none
        print(f"{place} cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _find(text):
    """Return the function `module:function` or `path/to/file.py:function`."""
    module, _, name = text.rpartition(":")
    if not module or not name:
        raise ValueError(f"{text!r} must be MODULE:FUNCTION, such as my_module:build_model.")
    folder = os.getcwd()
    if module.endswith(".py"):
        if not os.path.isfile(os.path.expanduser(module)):
            raise ValueError(f"There is no file {module!r}.")
        folder, module = os.path.split(os.path.abspath(os.path.expanduser(module[:-3])))
    sys.path[:0] = [folder]
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise ValueError(f"{module!r} cannot be imported: {error}") from error
    finally:
        sys.path.remove(folder)
    if not callable(found):
        raise ValueError(f"{module!r} has no function {name!r}.")
    return found


def _data(load_data):
    """Return the arguments of `checkup` for what the function returns."""
    try:
        data = load_data()
    except Exception as error:
        raise ValueError(f"The data cannot be loaded: {type(error).__name__}: {error}") from error
    if data is None or isinstance(data, keras.Model):
        text = "--data must name a function that returns (x, y) or (train, validation)"
        raise ValueError(f"{text}; this one returns {type(data).__name__}.")
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
