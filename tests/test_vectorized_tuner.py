"""Trials trained together against the same search with one trial after the other."""

import json
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from tuning import load, search
from tuning.__main__ import main
from tuning.searching.tuner import SearchTuner
from tuning.training import together
from tuning.training.together import Population, check_population

ROOT = Path(__file__).parent.parent
TRIALS = 7


def data(size, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(size, 6)).astype("float32")
    return x, (x[:, 0] > x[:, 1] ** 2).astype("int32")


TRAIN, VALIDATION = data(50, 0), data(40, 1)


def build_model():
    inputs = keras.Input((6,))
    x = layers.Dropout(0.2)(layers.Dense(8, "relu")(inputs))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(x))
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    return model


def run(folder, build=build_model, **options):
    settings = {"learning_rate": (1e-3, 1e2), "batch_size": [8, 16], "tuner": "random"}
    settings |= {"max_trials": TRIALS, "epochs": 2, "seed": 1, "objective": "val_loss"}
    settings |= {"seeds": 0, "verbose": False, "directory": folder.parent, "name": folder.name}
    search(build, TRAIN, VALIDATION, **(settings | options))
    return trials(folder)


def trials(folder):
    return {row["trial"]: row for row in load(folder).trials}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return run(tmp_path_factory.mktemp("alone") / "search")


def test_same_trials_and_scores_as_one_after_the_other(alone, tmp_path):
    together = run(tmp_path / "search", population=4)
    assert not any("one after the other" in row["engine_reason"] for row in together.values())
    assert sorted(together) == sorted(alone) and len(together) == TRIALS
    engines = []
    for name, row in together.items():
        assert row["status"] == alone[name]["status"]
        assert row["values"] == alone[name]["values"]
        if row["status"] == "completed":
            np.testing.assert_allclose(row["score"], alone[name]["score"], rtol=1e-3)
        record = json.loads((tmp_path / "search" / f"trial_{name}" / "record.json").read_text())
        engines.append(record["engine"])
    assert engines.count("vectorized") >= 5  # a batch size that comes once is trained alone
    told = {
        name: json.loads((tmp_path / "search" / f"trial_{name}" / "trial.json").read_text())
        for name in together
    }
    assert {name: state["score"] for name, state in told.items()} == {
        name: row["score"] for name, row in together.items()
    }


def test_goes_on_after_a_kill_between_two_trials(alone, tmp_path, monkeypatch):
    class KilledError(BaseException):
        pass

    ended, on_trial_end = [], SearchTuner.on_trial_end

    def end(self, trial):
        if len(ended) == 2:
            raise KilledError
        ended.append(trial)
        on_trial_end(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(SearchTuner, "on_trial_end", end)
        with pytest.raises(KilledError):
            run(tmp_path / "search", population=4)
    together = run(tmp_path / "search", population=4)
    assert len(together) == TRIALS
    assert [row["values"] for row in together.values()] == [row["values"] for row in alone.values()]


def test_what_cannot_be_stacked_is_trained_alone(alone, tmp_path):
    callback = keras.callbacks.Callback()
    together = run(tmp_path / "search", callbacks=[callback], max_trials=3, population=3)
    assert len(together) == 3
    reasons = " ".join(row["engine_reason"] for row in together.values())
    assert "callbacks are called between batches" in reasons
    for name, row in together.items():
        if row["status"] == "completed":
            np.testing.assert_allclose(row["score"], alone[name]["score"], rtol=1e-3)


def test_architectures_are_trained_apart_and_alone_if_memory_is_short(tmp_path, monkeypatch):
    def build(hp):
        model = keras.Sequential([keras.Input((6,))])
        model.add(layers.Dense(hp.Choice("units", [4, 9]), "relu"))
        model.add(layers.Dense(1, "sigmoid"))
        model.compile("sgd", "binary_crossentropy")
        return model

    sizes, failed = [], []

    class Small(Population):
        def epoch(self, orders):
            if self.model.layers[0].units == 9:
                failed.append(weakref.ref(self))
                raise MemoryError("no more")
            sizes.append(self.num_members)
            return super().epoch(orders)

    monkeypatch.setattr(together, "Population", Small)
    settings = {"learning_rate": (1e-3, 1e-1), "batch_size": [16], "tuner": "random"}
    settings |= {"max_trials": 8, "epochs": 2, "seed": 3}
    found = {}
    for name in ("alone", "together"):
        settings["population"] = 8 if name == "together" else None
        found[name] = run(tmp_path / name, build, **settings)
    for name, row in found["together"].items():
        assert row["values"] == found["alone"][name]["values"]
        np.testing.assert_allclose(row["score"], found["alone"][name]["score"], rtol=1e-4)
    rows = found["together"].values()
    assert sizes == [sum(row["values"]["units"] == 4 for row in rows)] * 2  # epochs
    assert [population() for population in failed] == [None]  # what did not fit is gone
    for row in rows:
        is_told = "one after the other: out of memory" in row["engine_reason"]
        assert is_told == (row["values"]["units"] == 9)


def test_bad_population(tmp_path):
    for population in (0, -1, 1.5, "many"):
        with pytest.raises(ValueError, match="`population` must be 1 or more, or 'auto'"):
            run(tmp_path / "search", population=population)
    with pytest.raises(ValueError, match=r"would not fit in the free memory: about \d+ would"):
        run(tmp_path / "search", population=10**9)
    assert not (tmp_path / "search").exists()
    assert check_population("auto", build_model(), 16) == 64


KILLED = """
import os, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_vectorized_tuner as t
import tuning.training.trial
from tuning.training import together
write, count = together.write_arrays, [0]
tuning.training.trial.SAVE_SHARE = 0
def then_die(*arguments):
    write(*arguments)
    count[0] += 1
    if count[0] == {saves}:
        os.kill(os.getpid(), signal.SIGKILL)
together.write_arrays = then_die
from pathlib import Path
t.run(Path({folder!r}), **t.ONE_GROUP, population=4)
"""
ONE_GROUP = {"batch_size": [16], "max_trials": 4, "epochs": 4, "learning_rate": (1e-3, 1.0)}


def test_a_killed_population_goes_on_from_its_last_saved_epoch(tmp_path, monkeypatch):
    run(tmp_path / "whole", **ONE_GROUP, population=4)
    # 4 members × 2 epochs and 2 more: half of the members were saved once more than the others
    names = {"root": str(ROOT), "tests": str(ROOT / "tests"), "folder": str(tmp_path / "killed")}
    script = KILLED.format(saves=10, **names)
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    seen = []
    epoch = Population.epoch

    def spy(self, orders):
        seen.append(self.num_members)
        return epoch(self, orders)

    monkeypatch.setattr(Population, "epoch", spy)
    run(tmp_path / "killed", **ONE_GROUP, population=4)
    assert seen == [2, 2, 2]  # two epochs for two members, one for the other two
    whole, resumed = trials(tmp_path / "whole"), trials(tmp_path / "killed")
    assert resumed.keys() == whole.keys()
    for name, row in whole.items():
        np.testing.assert_allclose(resumed[name]["scores"], row["scores"], rtol=1e-5)
    assert not list((tmp_path / "killed").rglob("state.npz"))


def test_a_population_of_hyperband_goes_on_with_the_state_of_the_optimizer(tmp_path):
    options = {"tuner": "hyperband", "batch_size": [16], "epochs": 4, "learning_rate": (1e-3, 1.0)}
    rows = run(tmp_path / "together", **options, max_trials=13, population=8)
    assert sum(row["engine"] == "vectorized" for row in rows.values()) > 3
    promoted = []
    for name in rows:
        file = tmp_path / "together" / f"trial_{name}" / "trial.json"
        if "tuner/trial_id" in json.loads(file.read_text())["hyperparameters"]["values"]:
            promoted.append(rows[name])
    # the truth: one training of all four epochs, without any interruption
    options |= {"tuner": "random", "max_trials": 1}
    options["learning_rate"] = (promoted[0]["values"]["learning_rate"],) * 2
    (alone,) = run(tmp_path / "alone", **options).values()
    np.testing.assert_allclose(promoted[0]["scores"], alone["scores"], rtol=1e-3)


def test_command_line(tmp_path, capsys):
    options = ["--quick", "--learning-rate", "0.001", "0.1", "--seeds", "0", "--batch-size", "64"]
    options += ["--directory", str(tmp_path), "--vectorized", "--population"]
    assert main([*options, "0"]) == 2
    assert capsys.readouterr().err.count("`population` must be 1 or more") == 1
    assert main([*options, "4"]) == 0
    rows = load(tmp_path / "example").trials
    assert [row["engine"] for row in rows] == ["vectorized"] * 4 + ["vectorized"] * 2
