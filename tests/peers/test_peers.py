"""Keras's own tests pass with each callback in every `fit`, wherever they pass without it.

Its wheel carries them. Here a selection; `python -m tests.peers.test_peers` runs them all.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parent.parent.parent
TRAINER, MODEL = "trainers/trainer_test::TestTrainer::test_", "models/model_test::ModelTest::test_"
SAVING = "saving/saving_lib_test::SavingTest::test_"
SELECTION = [  # a few of each group
    f"{TRAINER}fit_with_custom_train_step",
    f"{TRAINER}adds_loss_scaling_optimizer",
    f"{TRAINER}recompile",
    f"{TRAINER}nested_inputs",
    f"{TRAINER}constraints_are_applied",
    f"{TRAINER}loss_weights",
    f"{MODEL}functional_list_outputs_list_losses",
    f"{MODEL}functional_dict_outputs_dict_losses",
    f"{MODEL}functional_list_outputs_with_custom_compute_loss",
    f"{SAVING}saving_custom_assets_and_variables",
    f"{SAVING}compile_arg",
    "callbacks/early_stopping_test",
    "callbacks/swap_ema_weights_test",
    "optimizers/multi_optimizer_test",
    "layers/rnn/time_distributed_test",
]
ALL = ["trainers", "models", "callbacks", "optimizers", "saving"]
ALL += ["layers/core", "layers/rnn", "layers/normalization", "layers/attention"]
# Tests that see the callback itself, and so cannot pass with one more of them.
LEFT_OUT = {
    "test_callbacks_can_update_state_at_batch_boundary": "counts the callbacks' calls",
}


def modules_with_fit(folders):
    """Return Keras's test modules in these folders that call `fit`, by their import names."""
    source = Path(keras.__file__).parent / "src"
    found = [path for folder in folders for path in sorted((source / folder).glob("*_test.py"))]
    found = [path for path in found if ".fit(" in path.read_text(encoding="utf-8")]
    return [f"keras.src.{path.relative_to(source).with_suffix('')}" for path in found]


def outcomes(modules, folder):
    """Run these modules' tests; return the outcomes and how many `fit` each callback was in."""
    result = Path(folder) / "outcomes.json"
    modules = [module.replace("/", ".") for module in modules]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.peers.observed", "-p", "no:xdist"]
    command += [
        "--continue-on-collection-errors",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
    ]
    environment = {**os.environ, "OBSERVED_RESULT": str(result), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--pyargs", *modules],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    for line in done.stdout.splitlines():
        if line.startswith(("ERROR", "E   ModuleNotFoundError")):
            print(line)  # a module that needs a package which is not installed
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
    found, fits = outcomes([f"keras.src.{name}" for name in SELECTION], tmp_path)
    passed = [test for test, states in found.items() if states["plain"] == "passed"]
    assert len(passed) > 30 and min(fits.values()) > 5, (len(passed), fits)
    problems = disturbed(found)
    assert not problems, "\n".join(f"{test} with {name}: {why}" for test, name, why in problems)


def main():
    """Run them all and say what is disturbed; exit code 1 if something is."""
    with tempfile.TemporaryDirectory() as folder:
        found, fits = outcomes(modules_with_fit(ALL), folder)
    passed = [test for test, states in found.items() if states["plain"] == "passed"]
    problems = disturbed(found)
    for test, name, why in problems:
        print(f"{test} passes without {name} and fails with it:\n{why}\n")
    for test, why in LEFT_OUT.items():
        print(f"left out: {test} ({why})")
    print(f"{len(passed)} of Keras's tests pass, {fits} fits watched, {len(problems)} disturbed")
    return 1 if problems or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
