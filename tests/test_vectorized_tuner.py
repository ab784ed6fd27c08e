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

from tuning import report, vectorized_tuner
from tuning.__main__ import main
from tuning.population import Population
from tuning.tuner import make_tuner

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


def tuner(folder, **options):
    settings = {"learning_rate": (1e-3, 1e2), "batch_size": [8, 16], "tuner": "random"}
    settings |= {"max_trials": TRIALS, "epochs": 2, "seed": 1, "objective": "val_loss"} | options
    return make_tuner(build_model, TRAIN, VALIDATION, folder, **settings)


def trials(folder):
    rows = report.load(folder).trials
    return {row["trial"]: row for row in rows}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "search"
    tuner(folder).run()
    return trials(folder)


def test_same_trials_and_scores_as_one_after_the_other(alone, tmp_path):
    runner = tuner(tmp_path / "search", population=4)
    runner.run()
    assert runner.why_alone == []
    together = trials(tmp_path / "search")
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
    best = runner.oracle.get_best_trials(1)[0]
    assert best.score == min(row["score"] for row in together.values() if row["score"] is not None)


def test_goes_on_after_a_kill_between_two_trials(alone, tmp_path):
    class KilledError(BaseException):
        pass

    runner = tuner(tmp_path / "search", population=4)
    ended = []

    def end(trial):
        if len(ended) == 2:
            raise KilledError
        ended.append(trial)
        type(runner).on_trial_end(runner, trial)

    runner.on_trial_end = end
    with pytest.raises(KilledError):
        runner.run()
    again = tuner(tmp_path / "search", population=4)
    again.run()
    together = trials(tmp_path / "search")
    assert len(together) == TRIALS
    assert [row["values"] for row in together.values()] == [row["values"] for row in alone.values()]


def test_what_cannot_be_stacked_is_trained_alone(alone, tmp_path):
    callback = keras.callbacks.Callback()
    runner = tuner(tmp_path / "search", callbacks=[callback], max_trials=3, population=3)
    runner.run()
    together = trials(tmp_path / "search")
    assert len(together) == 3
    assert runner.why_alone == ["callbacks are called between batches"]
    for name, row in together.items():
        if row["status"] == "completed":
            np.testing.assert_allclose(row["score"], alone[name]["score"], rtol=1e-3)


def test_architectures_are_trained_apart_and_in_halves_if_memory_is_short(tmp_path, monkeypatch):
    def build(hp):
        model = keras.Sequential([keras.Input((6,))])
        model.add(layers.Dense(hp.Choice("units", [4, 9]), "relu"))
        model.add(layers.Dense(1, "sigmoid"))
        model.compile("sgd", "binary_crossentropy")
        return model

    sizes, failed, left = [], [], []

    class Small(Population):
        def __init__(self, *arguments):
            left.extend(handle for handle in failed if handle() is not None)
            super().__init__(*arguments)

        def epoch(self, orders):
            if len(self.kept) > 3:
                failed.append(weakref.ref(self))
                raise MemoryError("no more")
            sizes.append(len(self.kept))
            return super().epoch(orders)

    monkeypatch.setattr(vectorized_tuner, "Population", Small)
    settings = {"learning_rate": (1e-3, 1e-1), "batch_size": [16], "tuner": "random"}
    settings |= {"max_trials": 8, "epochs": 2, "seed": 3}
    found = {}
    for name in ("alone", "together"):
        settings["population"] = 8 if name == "together" else None
        runner = make_tuner(build, TRAIN, VALIDATION, tmp_path / name, **settings)
        runner.run()
        found[name] = trials(tmp_path / name)
    for name, row in found["together"].items():
        assert row["values"] == found["alone"][name]["values"]
        np.testing.assert_allclose(row["score"], found["alone"][name]["score"], rtol=1e-4)
    units = [row["values"]["units"] for row in found["together"].values()]
    assert len(set(units)) == 2 and sum(sizes) == 8 * 2  # epochs
    assert failed and left == []  # what did not fit is gone when its halves begin
    assert runner.why_alone == []


def test_bad_population(tmp_path):
    for population in (0, -1, 1.5, "many"):
        with pytest.raises(ValueError, match="`population` must be 1 or more, or 'auto'"):
            tuner(tmp_path / "search", population=population)
    with pytest.raises(ValueError, match=r"would not fit in the free memory: about \d+ would"):
        tuner(tmp_path / "search", population=10**9)
    assert not (tmp_path / "search").exists()
    many = {"population": "auto", "max_trials": 100}
    assert tuner(tmp_path / "search", **many).population == 64
    # proposals that know of no result would be a random search
    assert tuner(tmp_path / "b", **many | {"tuner": "bayesian"}).population == 25


KILLED = """
import os, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_vectorized_tuner as t
import tuning.trial
from tuning import vectorized_tuner
write, count = vectorized_tuner.write_arrays, [0]
tuning.trial.SAVE_SHARE = 0
def then_die(*arguments):
    write(*arguments)
    count[0] += 1
    if count[0] == {saves}:
        os.kill(os.getpid(), signal.SIGKILL)
vectorized_tuner.write_arrays = then_die
from pathlib import Path
t.tuner(Path({folder!r}), **t.ONE_GROUP, population=4).run()
"""
ONE_GROUP = {"batch_size": [16], "max_trials": 4, "epochs": 4, "learning_rate": (1e-3, 1.0)}


def test_a_killed_population_goes_on_from_its_last_saved_epoch(tmp_path, monkeypatch):
    tuner(tmp_path / "whole", **ONE_GROUP, population=4).run()
    # 4 members × 2 epochs and 2 more: half of the members were saved once more than the others
    names = {"root": str(ROOT), "tests": str(ROOT / "tests"), "folder": str(tmp_path / "killed")}
    script = KILLED.format(saves=10, **names)
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    seen = []
    epoch = Population.epoch

    def spy(self, orders):
        seen.append(len(self.kept))
        return epoch(self, orders)

    monkeypatch.setattr(Population, "epoch", spy)
    tuner(tmp_path / "killed", **ONE_GROUP, population=4).run()
    assert seen == [2, 2, 2]  # two epochs for two members, one for the other two
    whole, resumed = trials(tmp_path / "whole"), trials(tmp_path / "killed")
    assert resumed.keys() == whole.keys()
    for name, row in whole.items():
        np.testing.assert_allclose(resumed[name]["scores"], row["scores"], rtol=1e-5)
    assert not list((tmp_path / "killed").rglob("state.npz"))


def test_a_population_of_hyperband_goes_on_with_the_state_of_the_optimizer(tmp_path):
    options = {"tuner": "hyperband", "batch_size": [16], "epochs": 4, "learning_rate": (1e-3, 1.0)}
    tuner(tmp_path / "together", **options, max_trials=12, population=8).run()
    rows = trials(tmp_path / "together")
    assert sum(row["engine"] == "vectorized" for row in rows.values()) > 3
    promoted = []
    for name in rows:
        file = tmp_path / "together" / f"trial_{name}" / "trial.json"
        if "tuner/trial_id" in json.loads(file.read_text())["hyperparameters"]["values"]:
            promoted.append(rows[name])
    # the truth: one training of all four epochs, without any interruption
    options |= {"tuner": "random", "max_trials": 1}
    options["learning_rate"] = (promoted[0]["values"]["learning_rate"],) * 2
    tuner(tmp_path / "alone", **options).run()
    (alone,) = trials(tmp_path / "alone").values()
    np.testing.assert_allclose(promoted[0]["scores"], alone["scores"], rtol=1e-3)


def test_command_line(tmp_path, capsys):
    options = ["--quick", "--learning-rate", "0.001", "0.1", "--seeds", "0", "--batch-size", "64"]
    options += ["--directory", str(tmp_path), "--vectorized", "--population"]
    assert main([*options, "0"]) == 2
    assert capsys.readouterr().err.count("`population` must be 1 or more") == 1
    assert main([*options, "4"]) == 0
    rows = report.load(tmp_path / "digits").trials
    assert [row["engine"] for row in rows] == ["vectorized"] * 4 + ["vectorized"] * 2
