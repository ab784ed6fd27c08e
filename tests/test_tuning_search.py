"""Searches end to end: planted optimum, failures, resumption after a real kill, bad input."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
import weakref
from itertools import combinations
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from tuning import load, search
from tuning.__main__ import main
from tuning.errors import telling_line
from tuning.learning_rate_range import LearningRateRange
from tuning.max_batch_size import MaxBatchSize
from tuning.searching.oracle import SafeOracle
from tuning.store import write_arrays, write_json
from tuning.sweep import Sweep
from tuning.training.trial import begin, best_epoch, failure

ROOT = Path(__file__).parent.parent


def make_data(rows=96, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype("float32")
    return x, (x @ np.array([1.0, -2.0, 0.5, 0.0], "float32"))[:, None]


TRAIN, VALIDATION = make_data(), make_data(64, 1)


def linear(rate=0.01):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def run(folder, build_model=linear, **options):
    defaults = {
        "train": TRAIN,
        "validation": VALIDATION,
        "learning_rate": (1e-4, 10.0),
        "batch_size": (16, 32),
        "max_trials": 12,
        "epochs": 2,
        "seeds": 0,
        "directory": folder,
        "name": "s",
        "verbose": False,
    }
    return search(build_model, **(defaults | options))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One search with everything: fresh seeds, test set, diverged trials at the upper end."""
    folder = tmp_path_factory.mktemp("finished")
    return run(folder, seeds=2, test=make_data(40, 2), max_trials=20, epochs=3)


def test_a_planted_optimum_is_found(finished):
    # SGD on a quadratic with λ_max ≈ 2·var = 2: it converges fastest near 1/λ, diverges above 2/λ
    assert 0.03 < finished.best["learning_rate"] < 1.0
    rates = [row["learning_rate"] for row in finished.trials if row["status"] == "failed"]
    assert rates and min(rates) > 0.5
    good = [row["learning_rate"] for row in finished.trials if row["status"] == "completed"]
    assert max(good) < 2.0


def test_the_report_of_a_search(finished, tmp_path):
    best = finished.best
    assert best["rerun_scores"] and len(best["rerun_scores"]) == 2
    # quoted are seeds by which neither the trial nor the batch size was chosen
    seeds = {use: {row["seed"] for row in rows} for use, rows in finished.reruns.items()}
    assert seeds == {"to_choose": {1, 2}, "to_quote": {3, 4}}
    assert {row["seed"] for row in finished.trials} == {0}
    quoted = [row for row in finished.reruns["to_quote"] if row["values"] == best["values"]]
    assert best["rerun_scores"] == [row["scores"][-1] for row in quoted]
    assert finished.per_batch_size()[0]["rerun_scores"] != best["rerun_scores"]
    assert best["rerun_score"] == pytest.approx(np.mean(best["rerun_scores"]))
    saved = json.loads((finished.project / "best.json").read_text())
    assert saved["learning_rate"] == best["learning_rate"]
    text = finished.summary()
    for expected in ("fresh seeds", "Failed trials", "Test set", "model.fit(", "diverged"):
        assert expected in text, expected
    assert {row["batch_size"] for row in finished.per_batch_size()} == {16, 32}
    finished.to_csv(tmp_path / "trials.csv")
    with open(tmp_path / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["learning_rate"]) for row in rows] == [
        row["learning_rate"] for row in finished.trials
    ]
    finished.plot(tmp_path / "search.png")
    assert (tmp_path / "search.png").read_bytes()[:4] == b"\x89PNG"
    # the test set is measured with the weights of the fresh trainings
    model = linear()
    model.load_weights(finished.project / "best.weights.h5")
    x, y = make_data(40, 2)
    loss = float(np.mean((model.predict(x, verbose=0) - y) ** 2))
    assert finished.test["runs"][0]["test_loss"] == pytest.approx(loss, rel=1e-4)


def overlapping_ticks(figure):
    """Return the pairs of tick labels of an axis that cover each other where they are drawn."""
    figure.canvas.draw()
    found = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label for label in axis.get_ticklabels(which="both") if label.get_text()]
            low, high = sorted(axis.get_view_interval())
            place = 0 if axis is axes.xaxis else 1
            labels = [t for t in labels if low <= t.get_position()[place] <= high]
            boxes = [(label.get_text(), label.get_window_extent()) for label in labels]
            found += [(a, b) for (a, one), (b, two) in combinations(boxes, 2) if one.overlaps(two)]
    return found


@pytest.mark.parametrize(("low", "high"), [(1e-5, 1.0), (1e-3, 3e-3), (2e-3, 5e-2), (1e-3, 1e-3)])
def test_figures_without_overlapping_ticks_that_a_notebook_displays(low, high, finished):
    rates = np.geomspace(low, high, 20 if high > low else 1)
    curve = 2 - np.exp(-((np.linspace(-2, 1, len(rates))) ** 2))
    history = {"val_loss": np.tile(curve[None, :, None], (10, 1, 2))}
    failed = np.zeros((len(rates), 2), bool)
    sizes = 2 ** np.arange(17 if high > low else 1)
    speeds = 1e6 * sizes / (sizes + 1000)
    found = [
        Sweep(rates, history, failed, "val_loss", "min", 1.0),
        LearningRateRange(rates, np.tile(curve, (2, 1)), low, high),
        MaxBatchSize(sizes, speeds, int(sizes[-1]), int(sizes[-1] // 2 or 1), "it is all"),
        finished,
    ]
    for result in found:
        figure = result.plot()
        assert figure._repr_png_()[:4] == b"\x89PNG"
        assert not overlapping_ticks(figure), type(result).__name__


def test_the_score_is_that_of_a_new_model(finished):
    from tuning.inputs.data import batch_order

    row = finished.leaderboard()[0]
    keras.utils.set_random_seed(0)
    model = linear()
    model.optimizer.learning_rate = row["learning_rate"]
    scores = []
    for epoch in range(3):
        order = batch_order(0, epoch, 96)
        fit = {"batch_size": row["batch_size"], "shuffle": False, "verbose": 0}
        model.fit(TRAIN[0][order], TRAIN[1][order], **fit)
        scores.append(model.evaluate(*VALIDATION, verbose=0))
    assert row["scores"] == pytest.approx(scores, rel=1e-4)


def test_the_same_command_again_trains_nothing(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.project.glob("*/record.json")}
    run(finished.project.parent, seeds=2, test=make_data(40, 2), max_trials=20, epochs=3)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_other_settings_are_refused_and_more_trials_are_not(tmp_path, capsys):
    run(tmp_path, max_trials=2)
    with pytest.raises(
        ValueError, match=r"learning_rate is \[0.0001, 10.0\] there, \[0.1, 1.0\] here"
    ):
        run(tmp_path, learning_rate=(0.1, 1.0))
    with pytest.raises(ValueError, match="epochs is 2 there, 3 here"):
        run(tmp_path, epochs=3)
    with pytest.raises(ValueError, match="train is"):
        run(tmp_path, train=make_data(96, 5))
    first = load(tmp_path / "s").trials
    more = run(tmp_path, max_trials=3).trials
    assert len(more) == 3 and more[:2] == first
    assert run(tmp_path, max_trials=1, verbose=True).trials == more
    assert "There are 3 trials already, so that max_trials=1 adds none." in capsys.readouterr().out
    assert len(run(tmp_path, max_trials=1, epochs=1, overwrite=True).trials) == 1


def test_another_search_space_model_or_data_is_refused(tmp_path):
    def hp_model(units=(4, 16), loss="mse", decay=0.004, rate=0.1):
        def build(hp):
            hidden = [layers.Dense(hp.Choice("units", list(units))), layers.Dropout(rate)]
            model = keras.Sequential([layers.Input((4,)), *hidden, layers.Dense(1)])
            model.compile(keras.optimizers.AdamW(weight_decay=decay), loss)
            return model

        return build

    few = {"max_trials": 1, "epochs": 1}
    run(tmp_path, hp_model(), **few)
    settings = tmp_path / "s" / "settings.json"
    kept = settings.read_text()
    for other, expected in (
        (hp_model((4, 16, 32)), r"units is .*\[4, 16\].* there, .*\[4, 16, 32\]"),
        (hp_model(loss="mae"), "loss is .*mse.* there, .*mae"),
        (hp_model(decay=0.1), "optimizer is .*'weight_decay': 0.004.* there, .*0.1"),
        (hp_model(rate=0.2), "layers is checksum"),
    ):
        with pytest.raises(ValueError, match=expected):
            run(tmp_path, other, **few)
    with pytest.raises(ValueError, match=r"callbacks is \[\] there, \['TerminateOnNaN'\]"):
        run(tmp_path, hp_model(), callbacks=[keras.callbacks.TerminateOnNaN()], **few)
    assert settings.read_text() == kept
    run(tmp_path, hp_model(), **few)
    assert json.loads(settings.read_text()) == json.loads(kept)


def test_other_contents_of_a_dataset_are_refused(tmp_path):
    import tensorflow as tf

    def data(seed):
        return tf.data.Dataset.from_tensor_slices(make_data(96, seed)).batch(10)

    few = {"max_trials": 1, "epochs": 1}
    run(tmp_path, train=data(0), **few)
    with pytest.raises(ValueError, match=r"train is .*Dataset of 96 examples checksum"):
        run(tmp_path, train=data(5), **few)
    for _ in range(2):  # what is shuffled anew each time cannot be told apart
        run(tmp_path, name="shuffled", train=data(0).shuffle(96), **few)


def test_only_a_search_is_overwritten(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="something else"):
        run(tmp_path, overwrite=True)
    assert (tmp_path / "s" / "thesis.txt").read_text() == "precious"
    (tmp_path / "s" / "thesis.txt").unlink()
    run(tmp_path, max_trials=1, epochs=1)
    (tmp_path / "s" / "thesis.txt").write_text("precious")
    (tmp_path / "s" / "trial_notes").mkdir()
    assert len(run(tmp_path, max_trials=2, epochs=1, overwrite=True).trials) == 2
    assert (tmp_path / "s" / "thesis.txt").read_text() == "precious"
    assert (tmp_path / "s" / "trial_notes").exists()


KILLED = """
import os, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_tuning_search as t
import tuning.training.trial
write, count = tuning.training.trial.write_arrays, [0]
tuning.training.trial.SAVE_EVERY = 0
def then_die(*arguments):
    write(*arguments)
    count[0] += 1
    if count[0] == {saves}:
        os.kill(os.getpid(), signal.SIGKILL)
tuning.training.trial.write_arrays = then_die
t.run({folder!r}, max_trials=3, epochs=4, learning_rate=(1e-3, 0.1))
"""


def test_a_killed_search_goes_on_from_the_last_saved_epoch(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole", max_trials=3, epochs=4, learning_rate=(1e-3, 0.1))
    script = KILLED.format(
        root=str(ROOT), tests=str(ROOT / "tests"), saves=5, folder=str(tmp_path / "killed")
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    trials = load(tmp_path / "killed" / "s").trials
    assert [row["status"] for row in trials] == ["completed", "running"]
    with np.load(tmp_path / "killed" / "s" / "trial_1" / "state.npz") as state:
        assert len(json.loads(str(state["information"]))["seconds"]) == 2  # epochs saved
    seen = []
    from tuning.training import one_by_one as engine

    train = engine.Engine.train

    def spy(self, rate, size, epochs, seed, start, *rest):
        seen.append(start)
        return train(self, rate, size, epochs, seed, start, *rest)

    monkeypatch.setattr(engine.Engine, "train", spy)
    resumed = run(tmp_path / "killed", max_trials=3, epochs=4, learning_rate=(1e-3, 0.1))
    assert seen == [2, 0]  # the first trial is not repeated, the second goes on
    assert [row["scores"] for row in resumed.trials] == [row["scores"] for row in whole.trials]
    assert not list((tmp_path / "killed").rglob("state.npz"))  # no state outlives its trial


@pytest.mark.parametrize("restart", [False, True])
def test_only_deaths_in_the_same_epoch_count(restart, tmp_path):
    def life(epochs_saved):
        """Begin a trial, and die after so many epochs were saved in this life."""
        record, _ = begin(tmp_path, ("fit", ""), {}, 0, restart=restart)
        if epochs_saved:
            seconds = [*record["seconds"], *[1.0] * epochs_saved]
            write_arrays(tmp_path / "state.npz", [], {"history": {}, "seconds": seconds})
        return record

    for epochs_saved in (4, 1, 3, 2, 5, 1):  # with callbacks each starts over
        assert life(epochs_saved)["status"] == "running"
    reached = 1 if restart else 16
    lives = [life(epochs_saved=restart) for _ in range(4)]
    assert [record["status"] for record in lives] == ["running"] * 3 + ["failed"]
    assert lives[3]["reason"] == f"the process died 3 times in epoch {reached + 1}"


def test_one_of_everything(tmp_path):
    result = run(tmp_path, max_trials=1, seeds=1, test=make_data(40, 2))
    text = result.summary()
    assert "1 trial completed" in text and "On 1 fresh seed this" in text and "1 training:" in text

    def no_number(name):
        raise AssertionError(f"JSON has no {name}")

    best = json.loads((tmp_path / "s" / "best.json").read_text(), parse_constant=no_number)
    assert best["rerun_interval"] is None and best["rerun_score"] == result.best["rerun_score"]


def test_trials_are_in_their_order(tmp_path):
    run(tmp_path, max_trials=7, epochs=1)
    rows = run(tmp_path, max_trials=11, epochs=1).trials
    assert [int(row["trial"]) for row in rows] == list(range(11))  # named 6, 07, ..., 10


def test_failures_are_results(tmp_path):
    def build(hp):
        kind = hp.Choice("kind", ["fine", "error", "memory"])
        if kind == "error":
            raise RuntimeError("no such kind")
        if kind == "memory":
            raise MemoryError("8 GiB")
        return linear()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(tmp_path, build, tuner="grid", learning_rate=(0.01, 0.01), batch_size=(16, 32))
    by_kind = {}
    for row in result.trials:
        by_kind.setdefault(row["kind"], []).append((row["status"], row["reason"]))
    assert {status for status, _ in by_kind["fine"]} == {"completed"}
    assert all("no such kind" in reason for _, reason in by_kind["error"])
    assert all("out of memory" in reason for _, reason in by_kind["memory"])


def test_what_a_model_declares_on_its_way_is_searched(tmp_path, monkeypatch):
    from tuning.training import one_by_one as engine

    built = set()

    def build(hp):
        units = [hp.Choice(f"units_{i}", [2, 3]) for i in range(hp.Int("layers", 1, 2))]
        if units[0] == 3:
            with hp.conditional_scope("units_0", [3]):
                units.append(hp.Int("last", 4, 5))
        built.add(tuple(units))
        hidden = [layers.Dense(size) for size in units]
        model = keras.Sequential([layers.Input((4,)), *hidden, layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    options = {"learning_rate": (0.01, 0.01), "batch_size": (96,)}
    options |= {"tuner": "grid", "epochs": 1, "max_trials": 12}
    trained, train = [], engine.Engine.train

    def interrupted(*arguments):
        trained.append(1)
        if len(trained) == 4:  # the grid's first trial with two layers
            raise KeyboardInterrupt
        return train(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(engine.Engine, "train", interrupted)
        run(tmp_path, build, **options)
    result = run(tmp_path, build, **options)  # it goes on with the space it knows
    # by hand: 1 layer of 2 or of 3 with 2 last ones; each with a second layer of 2 or 3
    assert len(built) == 9
    for row in result.trials:
        units = [row[f"units_{i}"] for i in range(row["layers"])]
        assert tuple(units + ([row["last"]] if units[0] == 3 else [])) in built
    assert {row.get("units_1") for row in result.trials} >= {2, 3}
    assert {row.get("last") for row in result.trials} == {None, 4, 5}
    assert "units_1" in result.summary() and "last" in result.summary()


class Boom(layers.Layer):
    def call(self, x, **kwargs):
        raise RuntimeError("no such thing")


def test_a_reason_says_what_is_wrong():
    import tensorflow as tf

    def reasons(call):
        try:
            call()
        except Exception as error:
            record = failure(error)
            return record["reason"], telling_line(record["traceback"])

    expected = ("RuntimeError: no such thing", "no such thing")
    assert reasons(lambda: Boom()(np.ones((2, 2)))) == expected
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for eager in (False, True):
        model.run_eagerly = eager
        found = reasons(lambda: model.fit(TRAIN[0], np.full(96, 9), verbose=0))
        assert all("label value of 9 which is outside the valid range" in text for text in found)

    @tf.function
    def in_user_code(x):
        raise KeyError("no such key")

    assert "no such key" in reasons(lambda: in_user_code(1))[0]
    bullets = "Traceback (most recent call last):\n  File\nmine.Error: in a layer\n\nArguments "
    bullets += "received by A.call():\n  • kwargs=<class 'inspect._empty'>\n"
    assert telling_line(bullets) == "mine.Error: in a layer"
    assert failure(MemoryError())["reason"] == "out of memory (MemoryError)"


def test_all_trials_failed(tmp_path):
    with pytest.raises(
        RuntimeError, match=r"All \d+ trials failed; the first: (exploded|diverged)"
    ):
        run(tmp_path, lambda: linear(1e5), learning_rate=(1e4, 1e6), max_trials=3)


def test_one_bad_epoch_does_not_cost_the_good_ones():
    class objective:
        name, direction = "val_accuracy", "max"

    nan, inf = float("nan"), float("inf")
    record = {
        "untrained_loss": 2.3,
        "history": {
            "loss": [1.0, 1.0, 1.0, nan],
            "val_loss": [nan, 0.5, 5e7, 0.1],
            "val_accuracy": [0.9, 0.6, 0.99, 0.95],
        },
    }
    assert best_epoch(record, objective) == 1
    record["history"]["val_loss"] = [inf, nan, 1e9, inf]
    assert best_epoch(record, objective) is None


def test_the_bayesian_tuner_finds_it_too(tmp_path):
    result = run(tmp_path, tuner="bayesian", max_trials=10, epochs=4)
    assert len(result.trials) == 10
    assert 0.01 < result.best["learning_rate"] < 1.0


def values_of(folder, row):
    """Return what keras-tuner gave to a trial, its own entries among it."""
    state = json.loads((folder / "s" / "oracle.json").read_text())
    return state["trials"][row["trial"]]["hyperparameters"]["values"]


def test_hyperband_finds_it_although_half_of_its_trials_fail(tmp_path):
    result = run(tmp_path, tuner="hyperband", learning_rate=(0.01, 1e3), max_trials=14, epochs=9)
    rows = {row["trial"]: row for row in result.trials}
    assert result.trials[0]["epochs"] == 9  # the present setting, in full
    first = [row for row in result.trials if row["epochs"] <= 1]  # 9, of which 3 go on, then 1
    assert len(rows) == 14 and 3 <= sum(row["status"] == "failed" for row in first) <= 6
    (longest,) = [row for row in result.trials[1:] if row["epochs"] == 9]
    for epochs in (3, 1):  # it went on from others
        earlier = rows[values_of(tmp_path, longest)["tuner/trial_id"]]
        assert earlier["scores"] == longest["scores"][:epochs]
        longest = earlier
    assert 0.01 < result.best["learning_rate"] < 1.0


def test_hyperband_goes_on_with_the_state_of_the_optimizer(tmp_path):
    def adam():
        model = linear()
        model.compile("adam", "mse")
        return model

    result = run(tmp_path, adam, tuner="hyperband", max_trials=20, epochs=9)
    promoted = 0
    for row in result.trials:
        values = values_of(tmp_path, row)
        if "tuner/trial_id" not in values:
            continue
        promoted += 1
        epochs = values["tuner/epochs"]
        # the truth: one training of that many epochs, without any interruption
        alone = run(
            tmp_path,
            adam,
            name=f"alone{promoted}",
            learning_rate=(row["learning_rate"],) * 2,
            batch_size=(row["batch_size"],),
            max_trials=1,
            epochs=epochs,
        )
        assert row["scores"] == pytest.approx(alone.trials[0]["scores"], rel=1e-5)
        if promoted == 2:
            break
    assert promoted


def test_without_bounds_a_range_test_gives_them(tmp_path):
    few = {"learning_rate": None, "batch_size": (16,), "epochs": 1}
    result = run(tmp_path, max_trials=2, **few)
    low, high = result.settings["bounds"]
    assert 1e-4 < low < high < 2.0 and high / low > 5
    again = run(tmp_path, max_trials=3, **few)  # the bounds are not guessed anew
    assert again.settings["bounds"] == [low, high]


def test_a_guessed_range_is_widened_once_where_the_best_trial_is_at_its_edge(tmp_path):
    import keras_tuner as kt

    from tuning.searching.oracle import make_oracle, make_space

    space = make_space((1e-5, 1e-4), [16, 32])
    objective = kt.Objective("val_loss", "min")
    oracle = make_oracle("random", objective, 40, space, 0, 2, may_widen=True)
    oracle._set_project_dir(tmp_path, "s")
    oracle.save()
    rates = []
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        rates.append(trial.hyperparameters.values["learning_rate"])
        record = {"status": "completed", "score": 1 / rates[-1]}
        write_json(tmp_path / "s" / f"trial_{trial.trial_id}" / "record.json", record)
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert len(rates) == 40
    assert max(rates[:20]) <= 1e-4 < max(rates) <= 1e-3
    assert min(rates) >= 1e-5


def test_seed_zero_counts(tmp_path):
    rates = [
        [row["learning_rate"] for row in run(tmp_path, name=str(i), seed=seed, **few).trials]
        for i, seed in enumerate((0, 0, 1))
        for few in [{"max_trials": 2, "epochs": 1, "learning_rate": (1e-3, 1e-1)}]
    ]
    assert rates[0] == rates[1] != rates[2]


def test_fresh_seeds_that_fail_count(finished, tmp_path):
    """A setting of which a training fails is not the best, and the report says so."""
    shutil.copytree(finished.project, tmp_path / "s")
    best = finished.best["batch_size"]
    lost = next(row for row in finished.reruns["to_choose"] if row["batch_size"] == best)
    path = tmp_path / "s" / Path(lost["folder"]).name / "record.json"
    record = json.loads(path.read_text())
    record["history"]["val_loss"][-1] = float("inf")  # its first epochs were good
    path.write_text(json.dumps(record))
    result = load(tmp_path / "s")
    assert {best, result.best["batch_size"]} == {16, 32}
    row = next(row for row in result.per_batch_size() if row["batch_size"] == best)
    assert (row["rerun_failed"], len(row["rerun_scores"]), row["ties"]) == (1, 1, False)
    assert "on fresh seeds 1 failed, 1 did not; the first: diverged at the end" in result.summary()


def test_callbacks_may_end_the_trainings_on_fresh_seeds(tmp_path):
    stop = keras.callbacks.EarlyStopping("val_loss", min_delta=1e9)  # after the second epoch
    first = run(
        tmp_path, max_trials=1, epochs=5, seeds=2, learning_rate=(1e-2, 1e-2), callbacks=[stop]
    )
    assert first.trials[0]["epochs"] == 2
    assert [row["epochs"] for row in first.reruns["to_quote"]] == [2, 2]
    assert len(first.best["rerun_scores"]) == 2


def test_metrics_have_the_same_name_in_every_model(tmp_path):
    def build(hp):
        model = keras.Sequential([layers.Input((4,)), layers.Dense(hp.Int("units", 2, 9), "relu")])
        model.add(layers.Dense(1, activation="sigmoid"))
        model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC()])
        return model

    data = {"train": (TRAIN[0], TRAIN[1] > 0), "validation": (VALIDATION[0], VALIDATION[1] > 0)}

    def number():  # of the next layer: dense, dense_1, ...
        return int("0" + layers.Dense(1).name.partition("_")[2])

    before = number()
    for name in ("s", "again"):
        result = run(tmp_path, build, **data, objective="val_auc", max_trials=2, name=name)
        assert [row["status"] for row in result.trials] == ["completed"] * 2
        assert result.direction == "max" and 0 <= result.best["score"] <= 1
    assert number() == before + 1  # the user's own layers are counted on


def test_noise_is_not_quoted(tmp_path):
    """Labels are coin flips: the best of many trials looks better than 1/2, fresh seeds do not."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 10)).astype("float32")
    y = np.concatenate([random.permutation(100) % 2, random.permutation(100) % 2])

    def build():
        model = keras.Sequential(
            [layers.Input((10,)), layers.Dense(16, "relu"), layers.Dense(2, "softmax")]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    result = run(
        tmp_path,
        build,
        train=(x[:100], y[:100]),
        validation=(x[100:], y[100:]),
        learning_rate=(1e-3, 0.3),
        batch_size=(10,),
        max_trials=20,
        epochs=5,
        seeds=8,
    )
    best = result.best
    assert best["score"] > 0.56  # two standard deviations of 100 coin flips are 0.1
    assert best["rerun_score"] < best["score"] - 0.03
    assert abs(best["rerun_score"] - 0.5) < 0.05
    assert "too good" in result.summary()


def test_out_of_memory_lowers_the_batch_sizes(tmp_path, monkeypatch):
    from tuning.training import one_by_one as engine

    train = engine.Engine.train

    def small_device(self, rate, size, *rest):
        if size >= 32:
            raise MemoryError("device")
        return train(self, rate, size, *rest)

    monkeypatch.setattr(engine.Engine, "train", small_device)
    options = {"batch_size": (8, 16, 32, 64), "max_trials": 12, "epochs": 1}
    rows = run(tmp_path, **options).trials
    failed = [row for row in rows if row["status"] == "failed" and "memory" in row["reason"]]
    assert 1 <= len(failed) <= 2  # 64 may come before 32; none of them comes twice
    assert {row["batch_size"] for row in rows} - {8, 16} <= {32, 64}


def test_out_of_memory_at_a_size_that_had_fitted_costs_one_trial(tmp_path, monkeypatch):
    """Another process had taken the memory."""
    from tuning.training import one_by_one as engine

    options = {"batch_size": (16,), "epochs": 1, "seeds": 2}
    first = run(tmp_path, max_trials=3, **options)
    records = {path: path.read_text() for path in tmp_path.glob("s/rerun_*/record.json")}
    full, train = [True], engine.Engine.train

    def full_once(*arguments):
        if full:
            raise MemoryError(full.pop())
        return train(*arguments)

    monkeypatch.setattr(engine.Engine, "train", full_once)
    result = run(tmp_path, max_trials=5, **options)
    assert [row["status"] for row in result.trials[3:]] == ["failed", "completed"]
    assert "out of memory" in result.trials[3]["reason"]
    assert result.best["trial"] == first.best["trial"]  # so that its trainings are asked for again
    # what has ended stays, even if its size is one that would not be tried by now
    monkeypatch.setattr(SafeOracle, "batch_size_ceiling", lambda *_: 16)
    again = run(tmp_path, max_trials=5, **options)
    assert len(records) == 2 and records == {path: path.read_text() for path in records}
    for best in (result.best, again.best):
        assert best["rerun_scores"] == first.best["rerun_scores"]


def test_a_metric_of_which_more_is_better(tmp_path):
    def build():
        model = linear()
        model.compile("sgd", "mse", metrics=["r2_score"])
        return model

    options = {"learning_rate": (1e-3, 1.0), "max_trials": 6}
    result = run(tmp_path, build, objective="val_r2_score", **options)
    scores = [row["score"] for row in result.leaderboard()]
    assert len(set(scores)) > 1 and result.best["score"] == max(scores)
    # R² = 1 - loss / variance
    (by_loss, *_) = run(tmp_path, build, name="loss", objective="val_loss", **options).leaderboard()
    assert result.best["trial"] == by_loss["trial"]
    assert max(scores) == pytest.approx(1 - by_loss["score"] / VALIDATION[1].var(), rel=1e-4)


def test_out_of_memory_in_a_rerun_leaves_the_search_its_result(tmp_path, monkeypatch):
    import tensorflow as tf

    from tuning.training import one_by_one as engine

    reset = engine.Engine.reset

    def full(self, seed):
        if seed == 2:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return reset(self, seed)

    monkeypatch.setattr(engine.Engine, "reset", full)
    options = {"batch_size": (16,), "max_trials": 2, "test": VALIDATION}
    result = run(tmp_path, seeds=3, **options)
    reasons = [
        json.loads(p.read_text()).get("reason") for p in sorted(tmp_path.glob("s/rerun*/*.json"))
    ]
    assert [bool(reason) for reason in reasons] == [False, True, False]
    assert "out of memory" in reasons[1]
    assert len(result.best["rerun_scores"]) == 2 and len(result.test["runs"]) == 2


@pytest.mark.parametrize("kinds", [1, 6])
def test_models_that_failed_or_gave_way_are_freed(kinds, tmp_path, monkeypatch):
    """The weights themselves, of the first model as well, which the search froze."""
    from tuning.searching import tuner as search_tuner
    from tuning.training import one_by_one as engine

    handles, alive, freed, train = [], [], [], engine.Engine.train

    def watched(self, *arguments):
        freed.append([handle() is None for handle in handles])
        handles.append(weakref.ref(self.model.variables[0].value.handle))
        alive.append(len({id(handle()) for handle in handles} - {id(None)}))
        if len(handles) == 3:
            raise RuntimeError("device")
        return train(self, *arguments)

    monkeypatch.setattr(engine.Engine, "train", watched)
    monkeypatch.setattr(search_tuner, "CACHED_MODELS", 2)

    def build(hp):
        units = hp.Int("units", 1, kinds)
        model = keras.Sequential([layers.Input((4,)), layers.Dense(units), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    options = {"batch_size": (32,), "max_trials": 6, "epochs": 1}
    if kinds > 1:
        options |= {"tuner": "grid", "learning_rate": (0.01, 0.01)}
    result = run(tmp_path, build if kinds > 1 else linear, **options)
    assert sum("device" in (row["reason"] or "") for row in result.trials) == 1
    assert len(alive) == 6 and max(alive) == min(2, kinds)
    assert freed[3][2]  # when the fourth trial begins, what failed in the third


@pytest.mark.parametrize("kind", ["batched", "python"])
def test_datasets_are_cut_into_the_batch_sizes_searched(kind, tmp_path):
    import tensorflow as tf

    from tuning.inputs.data import as_data

    x, y = TRAIN

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            return x[index * 10 : (index + 1) * 10], y[index * 10 : (index + 1) * 10]

    single = tf.data.Dataset.from_tensor_slices(TRAIN)
    with pytest.raises(ValueError, match="`train` gives single examples"):
        as_data(single, "train")
    source = {"batched": single.batch(10, True), "python": Batches()}[kind]
    rows = {"batched": 90, "python": 96}[kind]
    data = as_data(source, "train")
    assert data.num_examples == rows
    batches = [np.asarray(batch[0]) for batch in data.batches(36)]
    assert [len(batch) for batch in batches] == [36, 36, rows - 72]
    np.testing.assert_array_equal(np.concatenate(batches), x[:rows])
    options = {"batch_size": (36,), "max_trials": 1, "learning_rate": (0.1, 0.1)}
    row = run(tmp_path, train=source, **options).trials[0]
    keras.utils.set_random_seed(0)
    model = linear()
    model.optimizer.learning_rate = 0.1
    fit = {"batch_size": 36, "epochs": 2, "shuffle": False, "verbose": 0}
    history = model.fit(x[:rows], y[:rows], validation_data=VALIDATION, **fit).history
    assert row["scores"] == pytest.approx(history["val_loss"], rel=1e-4)
    assert row["engine"] == "fit" and "not an array" in row["engine_reason"]


def test_bad_input_is_one_sentence(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import keras, numpy as np\n"
        "x = np.ones((8, 2), 'float32'); y = np.ones((8, 1), 'float32')\n"
        "def data(): return (x, y), (x, y)\n"
        "def classes(): return (x, y[:, 0] + 7), (x, y[:, 0] + 7)\n"
        "def wide(): return (np.ones((8, 3)), y), (np.ones((8, 3)), y)\n"
        "def classifier():\n"
        "    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])\n"
        "    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)\n"
        "    model.compile('sgd', loss, metrics=['accuracy'])\n"
        "    return model\n"
        "def beyond(): return (x[:, 0], y), (x[:, 0] + 7, y)\n"
        "def words():\n"
        "    model = keras.Sequential([keras.Input(()), keras.layers.Embedding(2, 1)])\n"
        "    model.compile('sgd', 'mse')\n"
        "    return model\n"
        "def unequal(): return (x, y[1:]), (x, y)\n"
        "def nothing(): pass\n"
        "def broken(): raise KeyError('boom')\n"
        "def uncompiled(): return keras.Sequential([keras.layers.Dense(1)])\n"
        "def good():\n"
        "    model = uncompiled(); model.build((None, 2)); model.compile('sgd', 'mse')\n"
        "    return model\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another test's module
    good = ["mine:good", "--data", "mine:data", "--learning-rate", "1e-3", "1"]
    for argv, expected in (
        (["missing:f", "--data", "mine:data"], "Cannot import"),
        (["mine:missing", "--data", "mine:data"], "no function"),
        (["mine:nothing", "--data", "mine:data"], "compiled keras.Model"),
        (["mine:uncompiled", "--data", "mine:data"], "not compiled"),
        (["mine:broken", "--data", "mine:data"], "KeyError"),
        (["mine:good"], "needs data of its own"),
        (["mine:good", "--data", "mine:wide"], "incompatible with the layer"),
        (["mine:classifier", "--data", "mine:classes"], "`train` holds the label 8.0"),
        (["mine:words", "--data", "mine:beyond"], "cannot be evaluated on `validation`"),
        (["mine:good", "--data", "mine:unequal"], "unequal lengths: [8, 7]"),
        (["mine:good", "--data", "mine:nothing"], "must return a dict"),
        ([*good, "--objective", "val_f1"], "No objective 'val_f1'"),
        ([*good, "--batch-size", "0"], "at least 1"),
        ([*good, "--batch-size", "9"], "exceeds the 8"),
        ([*good, "--learning-rate", "1", "0.1"], "low ≤ high"),
        ([*good, "--learning-rate", "0", "0.1"], "0 < low"),
        ([*good, "--max-trials", "0"], "`max_trials`"),
        ([*good, "--name", "../elsewhere"], "plain name of a folder"),
        (["show", "nowhere"], "no search"),
    ):
        assert main(argv) == 2, argv
        error = capsys.readouterr().err.strip()
        assert expected in error and "\n" not in error, (argv, error)
    assert not (tmp_path / "tuning_runs").exists()
    del sys.modules["mine"]
    with pytest.raises(ValueError, match="`validation` is missing"):
        search(linear, TRAIN)


@pytest.mark.parametrize("what", ["failed", "running", "begun"])
def test_a_search_without_a_completed_trial_is_shown(what, tmp_path, capsys):
    with pytest.raises(RuntimeError, match="All 2 trials failed"):
        run(tmp_path, lambda: linear(1e5), learning_rate=(1e4, 1e6), max_trials=2)
    file = tmp_path / "s" / "oracle.json"
    if what == "running":
        state = json.loads(file.read_text())
        first = state["trials"]["0"]
        file.write_text(json.dumps({**state, "trials": {"0": {**first, "status": "RUNNING"}}}))
        (tmp_path / "s" / "trial_0" / "record.json").unlink()
    elif what == "begun":
        file.unlink()
    assert main(["show", str(tmp_path / "s")]) == 0
    assert "0 trials completed" in capsys.readouterr().out
    assert (tmp_path / "s" / "search.png").read_bytes()[:4] == b"\x89PNG"


def test_command_line_shows_a_search(finished, capsys):
    assert main(["show", str(finished.project)]) == 0
    assert str(finished.best["batch_size"]) in capsys.readouterr().out
    assert os.path.getsize(finished.project / "search.png") > 10_000
