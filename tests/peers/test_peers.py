"""Keras's own tests pass with each callback in every `fit`, wherever they pass without it.

Its wheel carries them. Here a selection, with all callbacks at once. All of them, each callback by
itself, two modules at a time (or only those that are named):

    python -m tests.peers.test_peers [trainers/trainer_test …]
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parent.parent.parent
TRAINER, MODEL = "trainers/trainer_test::TestTrainer::test_", "models/model_test::ModelTest::test_"
SAVING = "saving/saving_lib_test::SavingTest::test_"
STOPPING = "callbacks/early_stopping_test::EarlyStoppingTest::test_early_stopping_"
AVERAGES = "callbacks/swap_ema_weights_test::SwapEMAWeightsTest::test_swap_ema_weights_"
SELECTION = [  # one of each group
    f"{TRAINER}constraints_are_applied",
    f"{MODEL}functional_dict_outputs_dict_losses",
    f"{SAVING}saving_custom_assets_and_variables",
    f"{STOPPING}reuse",
    f"{AVERAGES}on_epoch",
]
FOLDERS = ["trainers", "models", "callbacks", "optimizers", "layers/rnn", "saving"]
CALLS_FIT = (".fit(", ".run_layer_test(")
# Tests that see the callback itself, and so cannot pass with one more of them.
LEFT_OUT = {
    "test_callbacks_can_update_state_at_batch_boundary": "counts the callbacks' calls",
}


def modules_with_fit():
    """Return Keras's test modules that call `fit`, by their paths without `_test.py`'s `.py`."""
    source = Path(keras.__file__).parent / "src"
    paths = [path for folder in FOLDERS for path in sorted((source / folder).glob("*_test.py"))]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return [
        path.relative_to(source).with_suffix("").as_posix()
        for path, text in zip(paths, texts, strict=True)
        if any(call in text for call in CALLS_FIT)
    ]


def outcomes(modules, folder, together=False):
    """Run these modules' tests; return the outcomes and how many `fit` each callback was in."""
    result = Path(folder) / "outcomes.json"
    names = [f"keras.src.{module.replace('/', '.')}" for module in modules]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.peers.observed", "-p", "no:xdist"]
    command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", str(folder), "--pyargs", *names]
    environment = {**os.environ, "OBSERVED_RESULT": str(result), "PYTHONPATH": str(ROOT)}
    environment["OBSERVED_TOGETHER"] = "yes" if together else ""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    missing = [
        line for line in done.stdout.splitlines() if line.startswith("E   ModuleNotFoundError")
    ]
    if not result.exists() and missing:  # a module for a package that is not installed
        return {}, {"plain": 0}
    assert result.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(result.read_text(encoding="utf-8"))
    return found["outcomes"], found["fits"]


def disturbed(found):
    """Return what passes plain and fails with a callback: (test, callback, why)."""
    return [
        (test, name.removesuffix(": why"), why)
        for test, states in found.items()
        for name, why in states.items()
        if name.endswith(": why") and test.split("::")[-1] not in LEFT_OUT
    ]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="as Keras's wheel is tried")
def test_a_selection(tmp_path):
    found, fits = outcomes(SELECTION, tmp_path, together=True)
    watched = [test for test, states in found.items() if len(states) > 1]
    assert len(watched) == len(SELECTION) <= min(fits.values()), (found, fits)
    problems = disturbed(found)
    assert not problems, "\n".join(f"{test} with {name}: {why}" for test, name, why in problems)


def try_module(module):
    """Run a module's tests, print a line; return how many tests pass plain, fits and problems."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found, fits = outcomes([module], folder)
    passed = sum(states["plain"] == "passed" for states in found.values())
    problems = disturbed(found)
    seconds = time.monotonic() - start
    print(f"{module}: {passed} pass, fits {fits}, {len(problems)} disturbed, {seconds:.0f} s")
    for test, name, why in problems:
        print(f"{test} passes without {name} and fails with it:\n{why}\n")
    sys.stdout.flush()
    return passed, sum(fits.values()) - fits["plain"], len(problems)


def main(modules):
    """Run them all and say what is disturbed; exit code 1 if something is."""
    for test, why in LEFT_OUT.items():
        print(f"left out: {test} ({why})")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(try_module, modules or modules_with_fit()))
    passed, fits, problems = map(sum, zip(*counts, strict=True))
    print(f"{passed} of Keras's tests pass, {fits} fits watched, {problems} disturbed")
    return 1 if problems or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
