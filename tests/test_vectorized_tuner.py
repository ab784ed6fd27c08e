"""Trials trained together against the same search with one trial after the other."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from tuning import report, vectorized_tuner
from tuning.__main__ import main
from tuning.population import Population
from tuning.tuner import make_tuner
from tuning.vectorized_tuner import vectorize

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
    runner = vectorize(tuner(tmp_path / "search"), population=4)
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

    runner = vectorize(tuner(tmp_path / "search"), population=4)
    ended = []

    def end(trial):
        if len(ended) == 2:
            raise KilledError
        ended.append(trial)
        type(runner).on_trial_end(runner, trial)

    runner.on_trial_end = end
    with pytest.raises(KilledError):
        runner.run()
    again = vectorize(tuner(tmp_path / "search"), population=4)
    again.run()
    together = trials(tmp_path / "search")
    assert len(together) == TRIALS
    assert [row["values"] for row in together.values()] == [row["values"] for row in alone.values()]


def test_what_cannot_be_stacked_is_trained_alone(alone, tmp_path):
    callback = keras.callbacks.Callback()
    runner = vectorize(tuner(tmp_path / "search", callbacks=[callback], max_trials=3), 3)
    runner.run()
    together = trials(tmp_path / "search")
    assert len(together) == 3
    sizes = [row["values"]["batch_size"] for row in together.values()]
    if len(set(sizes)) < 3:
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

    sizes = []

    class Small(Population):
        def __init__(self, models, train, validation, members, *rest):
            if len(members) > 3:
                raise MemoryError("no more")
            sizes.append(len(members))
            super().__init__(models, train, validation, members, *rest)

    monkeypatch.setattr(vectorized_tuner, "Population", Small)
    settings = {"learning_rate": (1e-3, 1e-1), "batch_size": [16], "tuner": "random"}
    settings |= {"max_trials": 8, "epochs": 2, "seed": 3}
    found = {}
    for name in ("alone", "together"):
        runner = make_tuner(build, TRAIN, VALIDATION, tmp_path / name, **settings)
        if name == "together":
            vectorize(runner, 8)
        runner.run()
        found[name] = trials(tmp_path / name)
    for name, row in found["together"].items():
        assert row["values"] == found["alone"][name]["values"]
        np.testing.assert_allclose(row["score"], found["alone"][name]["score"], rtol=1e-4)
    units = [row["values"]["units"] for row in found["together"].values()]
    assert len(set(units)) == 2 and sum(sizes) == 8 and max(sizes) <= 3
    assert runner.why_alone == []


def test_bad_population(tmp_path):
    runner = tuner(tmp_path / "search")
    for population in (0, -1, 1.5, "many", None):
        with pytest.raises(ValueError, match="`population` must be 1 or more, or 'auto'"):
            vectorize(runner, population)
    with pytest.raises(ValueError, match=r"would not fit in the free memory: about \d+ would"):
        vectorize(runner, 10**9)
    assert vectorize(runner).population == 64


def test_command_line(tmp_path, capsys):
    options = ["--quick", "--learning-rate", "0.001", "0.1", "--seeds", "0", "--batch-size", "64"]
    options += ["--directory", str(tmp_path), "--vectorized", "--population"]
    assert main([*options, "0"]) == 2
    assert capsys.readouterr().err.count("`population` must be 1 or more") == 1
    assert main([*options, "4"]) == 0
    rows = report.load(tmp_path / "digits").trials
    assert [row["engine"] for row in rows] == ["vectorized"] * 4 + ["vectorized"] * 2
