"""The learning rate range test, checked against linear regression worked out with NumPy."""

import contextlib
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from tuning.__main__ import main
from tuning.learning_rate_range import _RangeTest, learning_rate_range

ROOT = Path(__file__).parent.parent
EXAMPLES = 60
RATES = {"minimum": 1e-4, "maximum": 10.0, "steps": 50}


def regression_data():
    random = np.random.default_rng(0)
    x = (random.normal(size=(EXAMPLES, 5)) * [3, 1, 1, 1, 0.5]).astype("float32")
    y = x @ random.normal(size=(5, 1)) + random.normal(size=(EXAMPLES, 1))
    return x, y.astype("float32")


def linear_model(optimizer="sgd"):
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile(optimizer, "mse")
    return model


def losses_by_hand(x, y, rates):
    """Gradient descent on the mean squared error of all examples, at a new rate in each step."""
    weights, losses = np.zeros((x.shape[1], 1)), []
    for rate in rates:
        error = x.astype("float64") @ weights - y
        losses.append(np.mean(error**2))
        weights -= rate * 2 / len(x) * x.T @ error
    return np.array(losses)


class Batches(keras.utils.PyDataset):
    """All examples in batches of 7, the last one of 4."""

    def __len__(self):
        return -(-EXAMPLES // 7)

    def __getitem__(self, index):
        x, y = regression_data()
        rows = slice(7 * index, 7 * index + 7)
        return x[rows], y[rows]


def test_losses_are_those_of_gradient_descent_and_bracket_its_limit():
    x, y = regression_data()
    found = learning_rate_range(linear_model, (x, y), EXAMPLES, seeds=2, verbose=0, **RATES)
    assert found.losses.shape == (2, 50)
    np.testing.assert_allclose(found.learning_rates, np.geomspace(1e-4, 10, 50))
    expected = losses_by_hand(x, y, found.learning_rates)
    finite = np.isfinite(found.losses[0])
    assert 20 < finite.sum() < 50  # it diverged, and the test ended there
    assert not np.isfinite(found.losses[0, finite.sum() :]).any()
    for losses in found.losses:
        np.testing.assert_allclose(losses[finite], expected[finite], rtol=1e-2)
    assert np.median(expected[: finite.sum()][-3:]) > 4 * expected[0]
    # the error shrinks in every direction just below 2 / the largest eigenvalue of the Hessian
    limit = 2 / np.linalg.eigvalsh(2 * x.T @ x / len(x)).max()
    assert found.low < limit < found.high < 4 * limit
    assert found.high / found.low == pytest.approx(10)


@pytest.mark.parametrize("kind", ["batched", "single", "endless", "pydataset", "tensors"])
def test_every_kind_of_data_gives_batches_of_the_size_asked_for(kind):
    x, y = regression_data()
    if kind in ("batched", "single", "endless"):
        tf = pytest.importorskip("tensorflow")
        source = tf.data.Dataset.from_tensor_slices((x, y))
        source = source.batch(7) if kind == "batched" else source
        source = source.batch(EXAMPLES).repeat() if kind == "endless" else source
    elif kind == "pydataset":
        source = Batches()
    else:
        source = (keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y), np.ones(EXAMPLES))
    options = {**RATES, "steps": 20, "maximum": 0.1}
    # a batch of all the examples: the order does not matter, a wrong size does
    found = learning_rate_range(linear_model, source, EXAMPLES, seeds=1, verbose=0, **options)
    expected = losses_by_hand(x, y, found.learning_rates)
    np.testing.assert_allclose(found.losses[0], expected, rtol=1e-4)


def test_small_batches_visit_every_example_once_in_an_epoch():
    x = np.zeros((EXAMPLES, 5), "float32")
    y = 1 + np.arange(EXAMPLES, dtype="float32")[:, None] / 100
    # x is zero and the rate tiny at first, so the loss of a batch is the mean of its y²
    first, second = learning_rate_range(
        biased_model, (x, y), 6, seeds=2, minimum=1e-12, maximum=1.0, steps=20, verbose=0
    ).losses
    assert first[:10].sum() == pytest.approx(np.sum(y**2) / 6, rel=1e-4)
    assert second[:10].sum() == pytest.approx(np.sum(y**2) / 6, rel=1e-4)
    assert not np.allclose(first[:10], second[:10])


def biased_model():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def network(optimizer):
    """Batch normalization, dropout and a metric: everything that has a state."""
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(),
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "adagrad": lambda: keras.optimizers.Adagrad(),
    "nadam": lambda: keras.optimizers.Nadam(),
    "ftrl": lambda: keras.optimizers.Ftrl(),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
    "average": lambda: keras.optimizers.Adam(use_ema=True, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize(
    ("name", "is_trained"), [*((name, True) for name in OPTIMIZERS), ("adam", False)]
)
def test_own_model_is_put_back_bit_for_bit(name, is_trained):
    if name == "loss scale" and keras.backend.backend() == "torch":
        pytest.skip("LossScaleOptimizer of Keras 3.15 cannot run on torch's CPU")
    data = regression_data()
    keras.utils.set_random_seed(1)
    model = network(OPTIMIZERS[name]())
    if is_trained:
        model.fit(*data, batch_size=12, verbose=0)
    else:
        model.optimizer.build(model.trainable_variables)
    before = state(model)
    with contextlib.suppress(ValueError):  # a trained model's loss may fall at no rate
        learning_rate_range(model, data, 12, seeds=2, steps=20, verbose=0)
    for old, new in zip(before, state(model), strict=True):
        assert old.dtype == new.dtype
        np.testing.assert_array_equal(old, new)


def test_own_model_trains_on_as_if_never_tested():
    data = regression_data()
    results = []
    for is_tested in (True, False):
        keras.utils.set_random_seed(1)
        model = network(keras.optimizers.Adam())
        model.fit(*data, batch_size=12, verbose=0, shuffle=False)
        if is_tested:
            with contextlib.suppress(ValueError):  # as above
                learning_rate_range(model, data, 12, seeds=1, steps=20, verbose=0)
        history = model.fit(*data, batch_size=12, epochs=2, verbose=0, shuffle=False)
        results.append(history.history["loss"] + history.history["mae"])
    np.testing.assert_array_equal(*results)


def test_own_model_is_put_back_after_an_interrupt(monkeypatch):
    steps = []

    def interrupt(self, batch, logs=None):
        steps.append(batch)
        if len(steps) == 15:
            raise KeyboardInterrupt

    monkeypatch.setattr(_RangeTest, "on_train_batch_end", interrupt)
    model = network("adam")
    model.optimizer.build(model.trainable_variables)
    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        learning_rate_range(model, Batches(), 7, minimum=0.1, verbose=0)
    assert len(steps) == 15
    for old, new in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_schedule_is_left_out_of_a_function_and_refused_in_a_model():
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 100)
    data = regression_data()
    options = {"seeds": 1, "verbose": 0, **RATES}

    def build():
        return linear_model(keras.optimizers.SGD(schedule))

    scheduled = learning_rate_range(build, data, EXAMPLES, **options)
    plain = learning_rate_range(linear_model, data, EXAMPLES, **options)
    np.testing.assert_array_equal(scheduled.losses, plain.losses)
    with pytest.raises(ValueError, match="follows the schedule CosineDecay"):
        learning_rate_range(build(), data, EXAMPLES, **options)


def test_figure_shows_the_range_and_replaces_only_when_whole(tmp_path):
    pytest.importorskip("matplotlib")
    found = learning_rate_range(
        linear_model, regression_data(), EXAMPLES, seeds=2, verbose=0, **RATES
    )
    figure = found.plot(tmp_path / "range.png")
    assert (tmp_path / "range.png").read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["range.png"]
    axis = figure.axes[0]
    assert axis.get_xscale() == "log"
    assert "learning rate" in axis.get_xlabel()
    assert len(axis.lines) == 2 + 1 + 1  # each seed, their mean, the lowest loss
    with pytest.raises(ValueError, match="nowhere"):
        found.plot(tmp_path / "range.nowhere")
    assert (tmp_path / "range.png").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1; got 0"),
        ({"batch_size": 61}, "`batch_size` 61 is more than the 60 examples"),
        ({"train": Batches(), "batch_size": 61}, "`batch_size` 61 is more than the 60 examples"),
        ({"seeds": 0}, "`seeds` must be"),
        ({"steps": 3}, "`steps` must be"),
        ({"minimum": 0.0}, "0 < minimum < maximum; got 0.0 and 10.0"),
        ({"minimum": 1.0, "maximum": 0.1}, "0 < minimum < maximum; got 1.0 and 0.1"),
        ({"train": (np.ones((4, 5)), np.ones((3, 1)))}, r"unequal lengths: \[4, 3\]"),
        (
            {"train": (np.full((60, 5), np.nan), np.ones((60, 1)))},
            "loss is not finite at the first two",
        ),
        ({"train": 3}, "`train` must be .x, y."),
        ({"train": (n for n in ())}, "a generator can be read only once"),
        ({"build_model": lambda: 3}, "must return a compiled keras.Model; it returned a int"),
        ({"build_model": lambda: keras.Sequential([layers.Dense(1)])}, "not compiled"),
        ({"train": (np.zeros((60, 5)), np.ones((60, 1)))}, "falls at no learning rate"),
    ],
)
def test_bad_input_is_one_sentence(change, sentence):
    arguments = {"build_model": linear_model, "train": regression_data(), "verbose": 0}
    with pytest.raises(ValueError, match=sentence):
        learning_rate_range(**{**arguments, **change})


def test_command_line(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    (tmp_path / "ranged.py").write_text(
        "from tests.test_learning_rate_range import linear_model, regression_data\n"
        "def load(): return {'train': regression_data()}\n"
        "def empty(): return {}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT)
    assert (
        main(
            [
                "range",
                "ranged:linear_model",
                "--data",
                "ranged:load",
                "--steps",
                "50",
                "--seeds",
                "1",
            ]
        )
        == 0
    )
    assert "Search between" in capsys.readouterr().out
    assert (tmp_path / "learning_rate_range.png").exists()
    for wrong, sentence in [
        (["nothing:build"], "Cannot import 'nothing'"),
        (["ranged:nothing"], "has no function 'nothing'"),
        (["ranged:linear_model", "--data", "ranged:empty"], 'a dict without "train"'),
        (
            ["ranged:linear_model", "--data", "ranged:load", "--batch-size", "0"],
            "`batch_size` must",
        ),
        (["--output", "no/such/folder.png"], "There is no folder"),
    ]:
        assert main(["range", *wrong]) == 2
        assert sentence in capsys.readouterr().err
