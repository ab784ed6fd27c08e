"""Pytest plugin: run Keras's own tests that call `fit` plain, then with each callback in `fit`.

    python -m pytest -p tests.peers.observed --pyargs keras.src.callbacks.early_stopping_test

A test that passes plain has to pass with each callback too. `OBSERVED_RESULT` names a JSON file for
the outcomes, `{test: {"plain": outcome, callback: outcome, …}}`. With `OBSERVED_TOGETHER` set, all
callbacks are in one `fit`, so that a test runs twice and not four times.
"""

import importlib.machinery
import importlib.util
import inspect
import json
import os
import re
import sys
import types
import warnings

import keras
import numpy as np
import pytest
from _pytest.runner import runtestprotocol

from callbacks import ActivationMonitor, Diagnosis, GradientMonitor

OUTCOMES, COUNTS = {}, {"plain": 0}  # COUNTS: number of `fit` with each callback
_added = ()  # names of the callbacks that `fit` gets now


def _activation_monitor(x):
    """Return a callback with the first rows as its probe; None where x are no arrays."""
    arrays = keras.tree.flatten(x)
    if not arrays or not all(isinstance(a, np.ndarray) and len(a) for a in arrays):
        return None
    return ActivationMonitor(keras.tree.map_structure(lambda a: a[:4], x))


CALLBACKS = {
    "GradientMonitor": lambda x: GradientMonitor(),
    "ActivationMonitor": _activation_monitor,
    "Diagnosis": lambda x: Diagnosis(verbose=False),
}


# What a test is run with after it has passed plain.
RUNS = [(name,) for name in CALLBACKS]
if os.environ.get("OBSERVED_TOGETHER"):
    RUNS = [tuple(CALLBACKS)]


def _observe(plain_fit):
    def fit(self, x=None, *args, **kwargs):
        if not isinstance(self, keras.Model) or len(args) > 4:  # private trainers are no models
            return plain_fit(self, x, *args, **kwargs)
        COUNTS["plain"] += not _added
        made = {name: CALLBACKS[name](x) for name in _added}
        made = {name: callback for name, callback in made.items() if callback is not None}
        if not made:
            return plain_fit(self, x, *args, **kwargs)
        for name in made:
            COUNTS[name] = COUNTS.get(name, 0) + 1
        given = kwargs.pop("callbacks", None)
        if isinstance(given, keras.callbacks.CallbackList):
            for callback in made.values():
                callback.set_model(self)
                given.append(callback)
        elif given is None or isinstance(given, (list, tuple)):
            given = [*(given or []), *made.values()]
        else:
            given = [given, *made.values()]
        return plain_fit(self, x, *args, callbacks=given, **kwargs)

    return fit


def pytest_configure(config):
    """Let every `fit` of a keras.Model get the callbacks whose turn it is."""
    trainer = next(cls for cls in keras.Model.__mro__ if "fit" in vars(cls))
    trainer.fit = _observe(trainer.fit)
    config.addinivalue_line("markers", "requires_trainable_backend: Keras's own")
    warnings.filterwarnings("ignore", message="GradientMonitor")
    if importlib.util.find_spec("jax") is None:  # trainer_test imports it, for other backends
        sys.modules["jax"] = types.ModuleType("jax")
        sys.modules["jax"].__spec__ = importlib.machinery.ModuleSpec("jax", None)


def pytest_collection_modifyitems(items):
    """Leave out tests that call no `fit`: most of Keras's, and of the time."""
    items[:] = [item for item in items if _calls_fit(item)]


def _calls_fit(item):
    """Tell from the text of a test, and of what it calls in its class and module."""
    texts = [inspect.getsource(item.function)]
    for name in set(re.findall(r"\w+(?=\()", texts[0])):
        called = getattr(item.cls, name, getattr(item.module, name, None))
        if inspect.isfunction(called):
            texts.append(inspect.getsource(called))
    return any(".fit(" in text for text in texts)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Run a test plain; if it passes and calls `fit`, with each callback."""
    global _added
    outcomes, shown, num_fits = OUTCOMES.setdefault(item.nodeid, {}), None, COUNTS["plain"]
    for names in ((), *RUNS):
        _added = names
        next_one = nextitem if names == RUNS[-1] else item
        reports = runtestprotocol(item, nextitem=next_one, log=False)
        states = {report.outcome for report in reports}
        worst = next(state for state in ("failed", "skipped", "passed") if state in states)
        way = " and ".join(names) or "plain"
        outcomes[way] = worst
        shown = reports if shown is None or worst == "failed" else shown
        if not names and (worst != "passed" or COUNTS["plain"] == num_fits):
            item.session._setupstate.teardown_exact(nextitem)
            break
        if worst == "failed":
            text = "\n".join(report.longreprtext for report in reports if report.failed)
            outcomes[f"{way}: why"] = text[-3000:]
    _added = ()
    for report in shown:
        if report.when == "call" or report.outcome != "passed":
            item.ihook.pytest_runtest_logreport(report=report)
            break
    _write()  # after each test, so that what was seen is kept whatever comes
    return True


def _write():
    path = os.environ.get("OBSERVED_RESULT")
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"outcomes": OUTCOMES, "fits": COUNTS}, file, indent=1)
