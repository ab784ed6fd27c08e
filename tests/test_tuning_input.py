"""What a search refuses: one sentence, before any training, and nothing of an older one is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.test_tuning_search import TRAIN, run
from tuning import load
from tuning.__main__ import main, search_arguments, search_parser

ROOT = Path(__file__).parent.parent
FEW = {"max_trials": 1, "epochs": 1}


def uncompiled():
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])


def test_a_search_is_overwritten_only_by_one_that_can_begin(tmp_path):
    rows = run(tmp_path, **FEW).trials
    constant = (np.zeros_like(TRAIN[0]), TRAIN[1])  # a range test finds no rate: no gradient
    for wrong, sentence in (
        ({"batch_size": (1000,)}, "exceeds the 96"),
        ({"build_model": uncompiled}, "not compiled"),
        ({"test": (TRAIN[0][:, :3], TRAIN[1])}, "cannot be evaluated on `test`"),
        ({"train": constant, "learning_rate": None, "build_model": without_bias}, "learning rate"),
    ):
        with pytest.raises(ValueError, match=sentence):
            run(tmp_path, overwrite=True, **wrong)
        assert load(tmp_path / "s").trials == rows
    (tmp_path / "s" / "trial_0" / "of the old one").touch()
    new = run(tmp_path, overwrite=True, learning_rate=(1e-3, 1e-3), **FEW).trials
    assert [row["learning_rate"] for row in new] == [1e-3]
    assert not (tmp_path / "s" / "trial_0" / "of the old one").exists()


def without_bias():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    return model


def test_a_range_test_that_moves_no_weight_ends_the_search(tmp_path):
    constant = (np.zeros_like(TRAIN[0]), TRAIN[1])
    with pytest.raises(ValueError, match="No weight moves at any learning rate"):
        run(tmp_path, without_bias, train=constant, learning_rate=None)
    assert not (tmp_path / "s").exists()


def test_what_is_missing_is_said_in_the_users_words(tmp_path):
    x = TRAIN[0]
    uneven = [[1.0] * (2 + row % 3) for row in range(len(x))]
    for wrong, sentence in (
        ({"train": x, "validation": x}, r"without labels \(an autoencoder's .* \(x, x\)\)"),
        ({"train": (uneven, TRAIN[1])}, "`train` cannot be used: its rows are of unequal length"),
        ({"objective": ("val_loss", "max")}, "Less of 'val_loss' is better"),
    ):
        with pytest.raises(ValueError, match=sentence):
            run(tmp_path, **wrong)
    assert not (tmp_path / "s").exists()


def test_a_test_set_that_does_not_fit_is_noticed_at_once(tmp_path):
    x = TRAIN[0]
    classes = np.arange(96) % 3

    def classifier():
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    late = np.append(classes[:-1], 7)  # a single label beyond the classes, in the last batch
    for test in ((x[:, :3], classes), (x, late), (x, classes[1:])):
        with pytest.raises(ValueError, match="`test`"):
            run(tmp_path, classifier, train=(x, classes), validation=(x, classes), test=test)
        assert not (tmp_path / "s").exists()


def test_labels_beyond_the_classes_are_refused(tmp_path):
    x, classes = TRAIN[0], np.arange(96) % 3
    options = {"train": (x, classes), "validation": (x, classes), "test": (x, classes), **FEW}

    def build(ignore_class=None, kind=keras.Sequential):
        model = kind([keras.layers.Input((4,)), keras.layers.Dense(3, "softmax")])
        loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=ignore_class)
        model.compile("sgd", loss)
        return model

    for label, split in ((3, "train"), (-1, "validation"), (7, "test")):
        labels = np.append(classes[:-1], label)
        sentence = f"`{split}` holds the label {label}, first in example 95, .* 0 to 2"
        with pytest.raises(ValueError, match=sentence):
            run(tmp_path, lambda: build(), **{**options, split: (x, labels)})
    assert not (tmp_path / "s").exists()

    class Shifted(keras.Sequential):  # a loss of its own may know them
        def compute_loss(self, x=None, y=None, *arguments, **options):
            return super().compute_loss(x, y - 1, *arguments, **options)

    for name, own, labels in (
        ("ignored", lambda: build(ignore_class=255), np.append(classes[:-1], 255)),
        ("shifted", lambda: build(kind=Shifted), classes + 1),
    ):
        both = {"train": (x, labels), "validation": (x, labels), "test": None}
        row = run(tmp_path, own, **(options | both), name=name).trials[0]
        assert row["status"] == "completed"


def test_nan_is_refused_where_the_loss_would_be_nan(tmp_path):
    x, y = TRAIN[0].copy(), TRAIN[1].copy()
    x[70, 2] = np.nan
    for split in ("train", "validation"):
        with pytest.raises(ValueError, match=f"`{split}` holds NaN or infinity, .* example 70"):
            run(tmp_path, **{split: (x, y)})
    assert not (tmp_path / "s").exists()

    def with_relu():  # forwards, it makes 0 of NaN
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, "relu")])
        model.add(keras.layers.Dense(1))
        model.compile("adam", "mse")
        return model

    with pytest.raises(ValueError, match="example 70"):
        run(tmp_path, with_relu, train=(x, y))
    weights = np.arange(96, dtype="float32")
    weights[5] = np.inf
    with pytest.raises(ValueError, match="example 5"):
        run(tmp_path, train=(TRAIN[0], y, weights))

    def replaces_nan():
        values = keras.layers.Input((4,))
        known = keras.layers.Lambda(lambda v: keras.ops.nan_to_num(v))(values)
        model = keras.Model(values, keras.layers.Dense(1)(known))
        model.compile("sgd", "mse")
        return model

    row = run(tmp_path, replaces_nan, train=(x, y), learning_rate=(1e-3, 1e-3), **FEW).trials[0]
    assert row["status"] == "completed"


def test_a_model_must_be_new_each_time(tmp_path):
    model = without_bias()
    with pytest.raises(ValueError, match="same model twice"):
        run(tmp_path, lambda: model)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "binary_crossentropy"])
def test_labels_that_are_text(tmp_path, loss):
    def build():
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, "softmax")])
        model.compile("sgd", loss)
        return model

    labels = np.where(TRAIN[1][:, 0] > 0, "yes", "no")
    with pytest.raises(ValueError, match=r"labels of `train` are text \('(yes|no)'\)"):
        run(tmp_path, build, train=(TRAIN[0], labels))


def test_an_objective_with_its_direction():
    for word, wanted in (("val_own", "val_own"), ("val_own:max", ("val_own", "max"))):
        arguments = search_arguments(search_parser().parse_args(["--objective", word]))
        assert arguments["objective"] == wanted


def test_examples_of_a_dataset_with_several_inputs_are_counted():
    import tensorflow as tf

    from tuning.inputs.data import as_data

    x = {"z": np.zeros((64, 2)), "a": np.zeros((64, 8, 8, 1))}
    single = tf.data.Dataset.from_tensor_slices((x, np.zeros((64, 1))))
    assert as_data(single.batch(16, drop_remainder=True), "train").num_examples == 64
    with pytest.raises(ValueError, match="`train` gives single examples"):
        as_data(single, "train")


def test_a_dataset_that_raises_is_named(tmp_path):
    import tensorflow as tf

    def batches():
        yield TRAIN[0][:8], TRAIN[1][:8]
        raise KeyError("lost")

    kinds = tuple(tf.TensorSpec((None, size), tf.float32) for size in (4, 1))
    data = tf.data.Dataset.from_generator(batches, output_signature=kinds)
    with pytest.raises(ValueError, match=r"The data cannot be read(.|\n)*lost"):
        run(tmp_path, train=data)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"engine": "foo"}, "Unknown engine 'foo'"),
        ({"tuner": ["random"]}, "Unknown tuner"),
        ({"batch_size": 32}, "`batch_size` must be a list"),
        ({"batch_size": (16.5,)}, "`batch_size` must be a list"),
        ({"batch_size": (16, 32, 64, 128, 256)}, "256 exceeds the 96"),
        ({"learning_rate": 0.01}, "`learning_rate` must be"),
        ({"learning_rate": ("low", "high")}, "`learning_rate` must be"),
        ({"max_trials": None}, "`max_trials` must be"),
        ({"max_trials": float("inf")}, "`max_trials` must be"),
        ({"seed": None}, "`seed` must be"),
        ({"epochs": "3"}, "`epochs` must be"),
        ({"name": None}, "`name` must be"),
        ({"directory": None}, "`directory` must be"),
    ],
)
def test_values_that_cannot_work(wrong, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        run(tmp_path, **(FEW | wrong))
    assert not (tmp_path / "s").exists()


def test_arrays_will_do_for_lists(tmp_path):
    arrays = {"batch_size": np.array([16, 32]), "learning_rate": np.array([1e-3, 1e-2])}
    settings = run(tmp_path, **FEW, **arrays).settings
    assert settings["batch_size"] == [16, 32]
    assert settings["learning_rate"] == [1e-3, 1e-2]


def test_a_grid_larger_than_the_number_of_trials(tmp_path, capsys):
    run(tmp_path, tuner="grid", **FEW, verbose=True)
    # 10 rates of keras-tuner's grid times 2 batch sizes
    assert "The grid has 20 points or more, of which 1 are tried" in capsys.readouterr().out
    run(tmp_path, name="all", tuner="grid", learning_rate=(0.01, 0.01), max_trials=2, verbose=True)
    assert "The grid" not in capsys.readouterr().out


def test_many_trials_at_once_are_a_sweep(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--vectorized"])
    assert stop.value.code == 2
    assert "unrecognized arguments: --vectorized" in capsys.readouterr().err


def test_a_mistyped_command_is_named(capsys):
    assert main(["swep", "wine:build_model"]) == 2
    assert capsys.readouterr().err == "error: No command 'swep'; did you mean 'sweep'?\n"


def test_quick_leaves_what_is_given_beside_it():
    def numbers(*words):
        arguments = search_arguments(search_parser().parse_args(words))
        return [arguments.get(name) for name in ("max_trials", "epochs", "seeds")]

    assert numbers() == [None, None, None]  # those of `search`
    assert numbers("--quick") == [6, 3, 1]
    assert numbers("--quick", "--max-trials", "0", "--seeds", "0") == [0, 3, 0]
    assert numbers("--quick", "--epochs", "5", "--seeds", "2") == [6, 5, 2]


def test_errors_of_user_and_backend_are_one_sentence(tmp_path, capsys, monkeypatch):
    (tmp_path / "theirs.py").write_text(
        "import keras, numpy as np\n"
        "x, y = np.ones((32, 2), 'float32'), np.arange(32) % 2\n"
        "def data(): return (x, y), (x, y)\n"
        "def labels(): return (x, y + 7), (x, y)\n"
        "def beyond(): return (y + 7, y), (y, y)\n"
        "def words():\n"
        "    model = keras.Sequential([keras.Input(()), keras.layers.Embedding(2, 1)])\n"
        "    model.compile('sgd', 'mse')\n"
        "    return model\n"
        "def broken(): raise KeyError('boom')\n"
        "def model():\n"
        "    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, 'softmax')])\n"
        "    model.compile('sgd', 'sparse_categorical_crossentropy')\n"
        "    return model\n"
    )
    (tmp_path / "no_python.py").write_text("def model(:\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    good = ["theirs:model", "--data", "theirs:data"]
    rates = ["--learning-rate", "0.1", "1", "--quick"]
    for argv, expected in (
        (["theirs:model", "--data", "theirs:labels"], "`train` holds the label 7"),
        (["theirs:words", "--data", "theirs:beyond"], "cannot be trained on `train`"),
        ([*good, *rates, "--directory", "file"], "The search cannot be kept in file"),
        (["leaves:model"], "SystemExit: 3"),
        (["range", "theirs:model", "--data", "theirs:labels"], "label value of 8"),
        (["range", "theirs:model", "--data", "theirs:broken"], "KeyError: 'boom'"),
        (["range", "theirs:broken", "--data", "theirs:data"], "KeyError: 'boom'"),
        (["range", "no_python:model"], "SyntaxError"),
        (["range", "leaves:model"], "SystemExit: 3"),
        (
            ["range", *good, "--output", "file"],
            "error: file cannot be read or written: File exists.",
        ),
    ):
        try:
            code = main(argv)
        except SystemExit as error:  # of argparse, after its usage
            code = error.code
        output = capsys.readouterr()
        last = output.err.strip().splitlines()[-1]
        assert code == 2
        assert "error: " in last
        assert expected in last, (argv, last)
        assert 'File "' not in last
        assert "Wrote" not in output.out
    assert not list(tmp_path.glob("tuning_runs/*"))


WAITS = """
import sys
sys.path[:0] = [{root!r}]
from tests.test_tuning_input import Wait
from tests.test_tuning_search import run
run({folder!r}, max_trials=1, callbacks=[Wait()])
"""


class Wait(keras.callbacks.Callback):
    """Waits in a process that is told a folder to say so in."""

    def on_train_begin(self, logs=None):
        if "WAITS_IN" in os.environ:
            Path(os.environ["WAITS_IN"], "training").touch()
            time.sleep(100)


@pytest.mark.skipif(os.name != "posix", reason="flock and signals of POSIX")
def test_one_process_at_a_time_searches_in_a_folder(tmp_path):
    script = WAITS.format(root=str(ROOT), folder=str(tmp_path))
    environment = {**os.environ, "WAITS_IN": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment)
    try:
        while not (tmp_path / "training").exists():
            assert process.poll() is None
            time.sleep(0.05)
        settings = (tmp_path / "s" / "settings.json").read_text()
        for overwrite in (False, True):
            with pytest.raises(ValueError, match=f"is being searched by process {process.pid};"):
                run(tmp_path, max_trials=1, overwrite=overwrite, callbacks=[])
        assert (tmp_path / "s" / "settings.json").read_text() == settings
        process.send_signal(signal.SIGKILL)
        process.wait()
        resumed = run(tmp_path, max_trials=1, callbacks=[Wait()])
        assert resumed.trials[0]["status"] == "completed"
    finally:
        process.kill()
    assert len(run(tmp_path, overwrite=True, max_trials=2).trials) == 2  # the lock was given back
