"""The largest batch size: memory is really limited and processes are really killed."""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from tuning.__main__ import main
from tuning.max_batch_size import max_batch_size

resource = pytest.importorskip("resource")  # not on Windows
ROOT = Path(__file__).parent.parent
EXAMPLES = 40
MEBIBYTE = 2**20
X, Y = np.ones((EXAMPLES, 4), "float32"), np.ones((EXAMPLES, 1), "float32")
FAST = {"seconds": 0, "verbose": False}


def small_model():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


class MebibytesPerExample(layers.Layer):
    """Needs at least 32 MiB for each example of the batch."""

    def call(self, x):
        wide = ops.repeat(x[:, :1], 8 * MEBIBYTE, axis=1)
        return x * ops.mean(ops.square(wide), axis=1, keepdims=True)


def model_in_little_memory():
    """Return a model that needs megabytes for each example, with 600 MiB left to the process."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(1)(MebibytesPerExample()(inputs)))
    model.compile("sgd", "mse")
    model.train_on_batch(X[:1], Y[:1])  # libraries and threads take their address space first
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = in_use + 600 * MEBIBYTE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return model


class Killer(layers.Layer):
    """The system's end of a process that takes too much memory: no exception, no message."""

    most = 3

    def call(self, x):
        if x.shape[0] is not None and x.shape[0] > self.most:
            os.kill(os.getpid(), signal.SIGKILL)
        return x


def killed_model():
    model = keras.Sequential([keras.Input((4,)), Killer(), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def broken_model():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def model_with_hp(hp):
    model = small_model()
    model.compile(hp.Choice("optimizer", ["adam", "sgd"]), "mse")
    return model


def load_dataset():
    import tensorflow as tf

    return {"train": tf.data.Dataset.from_tensor_slices((X[:5], Y[:5])).batch(3)}


def test_it_is_capped_at_the_training_set_and_finds_the_knee(tmp_path):
    found = max_batch_size(small_model, (X, Y), **FAST)
    assert found.batch_sizes.tolist() == [1, 2, 4, 8, 16, 32, EXAMPLES]
    assert found.largest == EXAMPLES  # all fit: no margin
    assert found.limit == "the training set has 40 examples"
    speed = found.examples_per_second
    assert speed.shape == (7,)
    assert (speed > 0).all()
    at_knee = found.batch_sizes.tolist().index(found.knee)
    assert speed[at_knee] >= 0.9 * speed.max()
    assert (speed[:at_knee] < 0.9 * speed.max()).all()
    pytest.importorskip("matplotlib")
    figure = found.plot(tmp_path / "size.png")
    assert (tmp_path / "size.png").read_bytes().startswith(b"\x89PNG")
    axis = figure.axes[0]
    np.testing.assert_array_equal(axis.lines[0].get_xdata(), found.batch_sizes)
    assert axis.get_xlabel().startswith("batch size")
    assert "per second" in axis.get_ylabel()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space of Linux")
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="XLA needs no memory for this layer")
def test_memory_that_is_really_limited(monkeypatch):
    monkeypatch.setattr("tuning.max_batch_size.REFINEMENTS", 0)
    many = np.tile(X, (30, 1)), np.tile(Y, (30, 1))
    found = max_batch_size(model_in_little_memory, many, margin=0.25, **FAST)
    assert "does not fit" in found.limit
    too_many = int(found.limit.split()[3])
    # 600 MiB hold fewer than 19 of at least 32 MiB each; a few copies leave room for more than one
    assert 1 < found.batch_sizes[-1] < min(19, too_many)
    assert int(found.batch_sizes[-1] * 0.75) <= found.largest < too_many * 0.75


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its shapes are known in time")
def test_a_killed_process_is_survived_and_the_limit_is_refined(tmp_path):
    found = max_batch_size(killed_model, (X, Y), margin=0.25, **FAST)
    assert found.limit.startswith("a batch of 4 does not fit")
    assert "its process was killed" in found.limit
    assert found.largest == 2  # 2 and then 3 ran, 4 did not; a quarter is left free
    assert found.batch_sizes.tolist() == [1, 2]
    assert found.knee in found.batch_sizes
    found.plot(tmp_path / "size.png")
    assert (tmp_path / "size.png").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"build_model": lambda: small_model()}, "must stand at the top of a module or script"),
        ({"train": 3}, "`train` must be .x, y."),
        ({"train": (X, Y[:3])}, r"unequal lengths: \[40, 3\]"),
        ({"margin": 1.0}, "`margin` must be at least 0 and less than 1; got 1.0"),
        ({"seconds": -1}, "`seconds` must be at least 0; got -1"),
    ],
)
def test_bad_input_is_one_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        max_batch_size(**{"build_model": small_model, "train": (X, Y), **FAST, **change})


def test_command_line(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT)
    (tmp_path / "mine.py").write_text(
        "from tests.test_max_batch_size import broken_model, load_dataset, model_with_hp\n"
    )
    data = ["--data", "mine:load_dataset"]
    assert main(["max-batch-size", "mine:model_with_hp", *data]) == 0
    text = capsys.readouterr().out
    assert "Largest batch size: 5 (the training set has 5 examples)" in text
    assert "examples/s" in text and "         4 " in text
    assert (tmp_path / "results" / "max_batch_size.png").exists()
    for wrong, sentence in [
        (["mine:broken_model", *data], "axis -1 of input shape to have value 3"),
        (["--margin", "2"], "`margin` must be"),
        (["--output", "mine.py"], "File exists"),
    ]:
        assert main(["max-batch-size", *wrong]) == 2
        assert sentence in capsys.readouterr().err
