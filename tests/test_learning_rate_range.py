"""The learning rate range test, checked against linear regression worked out with NumPy."""

import functools
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_breast_cancer

from tuning.__main__ import main
from tuning.inputs.data import batch_order
from tuning.learning_rate_range import learning_rate_range

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
    # At 1 / the largest eigenvalue of the Hessian the steepest direction is done in one step; from
    # twice that on it diverges.
    safe = 1 / np.linalg.eigvalsh(2 * x.T @ x / len(x)).max()
    assert found.low < safe < found.high < 2 * safe
    assert found.high / found.low == pytest.approx(10)


def test_the_low_loss_of_a_network_that_has_exploded_is_not_sought():
    """On raw measurements large rates leave no unit alive: a constant, better than the explosion.

    Trained for 30 epochs, rates from 0.001 to 0.056 are best (0.93), from 1 on all are a constant.
    """

    def model():
        hidden, output = layers.Dense(32, "relu"), layers.Dense(1, "sigmoid")
        model = keras.Sequential([keras.Input((30,)), hidden, output])
        model.compile("adam", "binary_crossentropy")
        return model

    x, y = load_breast_cancer(return_X_y=True)
    found = learning_rate_range(model, (x.astype("float32"), y), verbose=0)
    assert found.low < 0.05 and found.high < 0.3


def test_a_model_that_has_been_trained_before_is_tested_from_its_weights():
    x, y = regression_data()
    start = np.ones((5, 1))

    def trained():
        model = linear_model()
        model.fit(x, y, epochs=2, verbose=0)
        model.set_weights([start])
        return model

    found = learning_rate_range(trained, (x, y), EXAMPLES, seeds=1, verbose=0, **RATES)
    expected = losses_by_hand(x, y - x @ start, found.learning_rates)
    np.testing.assert_allclose(found.losses[0, :20], expected[:20], rtol=1e-4)


@pytest.mark.parametrize("kind", ["batched", "endless", "pydataset", "tensors"])
def test_every_kind_of_data_gives_batches_of_the_size_asked_for(kind):
    x, y = regression_data()
    if kind in ("batched", "endless"):
        tf = pytest.importorskip("tensorflow")
        source = tf.data.Dataset.from_tensor_slices((x, y))
        source = source.batch(7) if kind == "batched" else source.batch(EXAMPLES).repeat()
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


OPTIMIZERS = {
    "schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(1e-3, 100)),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rate_of_the_test_takes_the_place_of_any_other(name):
    if name == "loss scale" and keras.backend.backend() == "torch":
        pytest.skip("LossScaleOptimizer of Keras 3.15 cannot run on torch's CPU")
    options = {"seeds": 2, "verbose": 0, **RATES}
    found = learning_rate_range(
        lambda: linear_model(OPTIMIZERS[name]()), regression_data(), EXAMPLES, **options
    )
    plain = learning_rate_range(linear_model, regression_data(), EXAMPLES, **options)
    np.testing.assert_allclose(found.losses, plain.losses, rtol=1e-5)


def test_an_optimizer_that_multiplies_its_rate_in_single_precision():
    build = functools.partial(linear_model, keras.optimizers.Muon())
    found = learning_rate_range(build, regression_data(), EXAMPLES, seeds=1, verbose=0, **RATES)
    assert np.isfinite(found.losses[0, :20]).all()


def test_each_seed_starts_from_a_new_model():
    def build():
        model = keras.Sequential([keras.Input((5,)), layers.Dense(4, "relu"), layers.Dropout(0.5)])
        model.add(layers.BatchNormalization())
        model.add(layers.Dense(1))
        model.compile("nadam", "mse")
        return model

    data = regression_data()
    options = {"minimum": 1e-3, "maximum": 1.0, "steps": 20, "verbose": 0}
    both = learning_rate_range(build, data, 12, seeds=2, **options).losses
    keras.utils.set_random_seed(1)
    model, losses = build(), []
    for step, rate in enumerate(np.geomspace(1e-3, 1.0, 20)):
        rows = batch_order(1, step // 5, EXAMPLES)[12 * (step % 5) : 12 * (step % 5) + 12]
        model.optimizer.learning_rate = rate
        losses.append(model.train_on_batch(data[0][rows], data[1][rows]))
        model.reset_metrics()
    np.testing.assert_allclose(both[1], losses, rtol=1e-3)


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
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
        ({"batch_size": 61}, "Batch size 61 exceeds the 60 training examples"),
        ({"train": Batches(), "batch_size": 61}, "Batch size 61 exceeds the 60 training examples"),
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
        ({"build_model": linear_model()}, "a function, since each training needs a new model"),
        ({"build_model": lambda: 3}, "must return a compiled keras.Model; it returned a int"),
        ({"build_model": lambda: keras.Sequential([layers.Dense(1)])}, "not compiled"),
        (
            {"train": (np.zeros((60, 5)), np.ones((60, 1))), "seeds": 1},
            "No weight moves at any learning rate",
        ),
        ({"minimum": 1e-9, "maximum": 1e-7, "seeds": 1}, "falls at no learning rate"),
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
    good = ["range", "ranged:linear_model", "--data", "ranged:load"]
    assert main([*good, "--seeds", "1", "--minimum", "1e-4"]) == 0
    assert "Search between" in capsys.readouterr().out
    assert (tmp_path / "results" / "learning_rate_range.png").exists()
    for wrong, sentence in [
        (["nothing:build", "--data", "ranged:load"], "Cannot import 'nothing'"),
        (["ranged:nothing", "--data", "ranged:load"], "has no function 'nothing'"),
        (
            ["ranged:linear_model", "--data", "ranged:empty"],
            "must return a dict with 'train', or a tuple",
        ),
        ([*good[1:], "--batch-size", "0"], "`batch_size` must"),
        (["--output", "ranged.py"], "File exists"),
    ]:
        assert main(["range", *wrong]) == 2
        assert sentence in capsys.readouterr().err
