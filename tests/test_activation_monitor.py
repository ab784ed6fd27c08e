"""ActivationMonitor against values computed by hand."""

import csv
import doctest

import keras
import numpy as np
import pytest
from keras import layers

from callbacks.activation_monitor import STATS, ActivationMonitor


def fit(model, monitor, epochs=1, features=2):
    """Train with learning rate 0, so that the weights stay as the test set them."""
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    x = np.ones((8, features), "float32")
    model.fit(x, np.zeros((8, 1)), epochs=epochs, verbose=0, callbacks=[monitor])
    return monitor


def one_layer(activation, weights):
    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(len(weights[0]), activation, use_bias=False, name="layer")]
    )
    model.set_weights([np.array(weights, "float32")])
    return keras.Sequential([keras.Input((2,)), model, layers.Dense(1, name="out")])


PROBE = np.array([[1.0, 0.0], [0.0, 1.0]], "float32")  # the layer's outputs are its weights


def test_rows_in_lists_are_a_probe():
    assert np.shape(ActivationMonitor([[0.0] * 4] * 5)._probe) == (5, 4)
    with pytest.raises(ValueError, match="is empty"):
        ActivationMonitor([])


def test_relu_by_hand():
    # units: always negative (dead), once positive, always positive, never above zero (dead)
    monitor = fit(one_layer("relu", [[-1, 2, 3, 0], [-2, -1, 1, 0]]), ActivationMonitor(PROBE))
    values = np.array([[0, 2, 3, 0], [0, 0, 1, 0]])
    assert monitor.layer_names[0].endswith("/layer") and monitor.layer_names[1] == "out"
    found = {name: column[0, 0] for name, column in monitor.stats.items()}
    assert found["dead"] == 0.5 and np.isnan(found["saturated"])
    assert found["mean"] == pytest.approx(values.mean())
    assert found["spread"] == pytest.approx(values.std())


@pytest.mark.parametrize(("activation", "share"), [("tanh", 0.5), ("sigmoid", 0.25)])
def test_saturation_by_hand(activation, share):
    # tanh: 1.9 → 0.956; sigmoid: -3 → 0.047, 1.9 → 0.87, 2.9 → 0.948
    monitor = fit(one_layer(activation, [[-3.0, 1.9], [0.1, 0.0]]), ActivationMonitor(PROBE))
    assert monitor.stats["saturated"][0, 0] == share
    assert np.isnan(monitor.stats["dead"][0, 0])


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(3, "relu", name="hidden")
        self.out = layers.Dense(1, name="out")

    def call(self, x):
        return self.out(self.hidden(x))


def test_layers_stand_in_the_order_in_which_they_are_called():
    model = Subclassed()
    model.first = layers.Dense(2, name="first")  # the last attribute
    model.call = lambda x: model.out(model.hidden(model.first(x)))
    monitor = fit(model, ActivationMonitor(PROBE))
    assert monitor.layer_names == ["first", "hidden", "out"]


@pytest.mark.parametrize("relu", ["relu", "relu6", keras.ops.relu, layers.ReLU()])
def test_relu_under_any_name(relu):
    monitor = fit(one_layer(relu, [[-1.0, 1.0], [-1.0, 2.0]]), ActivationMonitor(PROBE))
    assert monitor.stats["dead"][0, 0] == 0.5


def test_outputs_that_are_no_numbers_are_not_called_alive():
    monitor = fit(one_layer("relu", [[np.nan], [1.0]]), ActivationMonitor(PROBE))
    assert np.isnan([monitor.stats[name][0, 0] for name in STATS if name != "saturated"]).all()


def test_a_probe_that_does_not_fit_is_told_of_in_the_summary():
    monitor = ActivationMonitor(np.ones((4, 7)))
    with pytest.warns(UserWarning, match="does not pass through the model"):
        fit(Subclassed(), monitor)
    assert "Nothing recorded, as the probe does not pass" in monitor.summary()
    with pytest.raises(ValueError, match="as the probe does not pass"):
        monitor.plot()


def test_subclassed_and_left_clean():
    model = Subclassed()
    monitor = fit(model, ActivationMonitor(PROBE), epochs=3)
    assert monitor.layer_names == ["hidden", "out"]
    np.testing.assert_array_equal(monitor.epochs, [0, 1, 2])
    expected = np.maximum(PROBE @ model.hidden.get_weights()[0], 0)
    np.testing.assert_allclose(monitor.stats["mean"][:, 0], [expected.mean()] * 3, rtol=1e-5)
    assert "call" not in vars(model.hidden)
    fit(model, monitor)
    np.testing.assert_array_equal(monitor.epochs, [0])


def test_convolution_counts_channels_and_shared_layers_once():
    image = keras.Input((4, 4, 1))
    conv = layers.Conv2D(2, 1, activation="relu", use_bias=False, name="conv")
    shared = layers.Add()([conv(image), conv(image)])
    model = keras.Model(image, layers.GlobalAveragePooling2D()(shared))
    conv.set_weights([np.array([-1.0, 1.0]).reshape(1, 1, 1, 2)])
    monitor = ActivationMonitor(np.ones((3, 4, 4, 1), "float32"))
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    model.fit(np.ones((4, 4, 4, 1)), np.ones((4, 2)), verbose=0, callbacks=[monitor])
    assert monitor.layer_names.count("conv") == 1
    assert monitor.stats["dead"][0, monitor.layer_names.index("conv")] == 0.5


def test_outputs(tmp_path):
    monitor = ActivationMonitor(PROBE)
    fit(Subclassed(), monitor, epochs=2)
    monitor.to_csv(tmp_path / "a.csv")
    with open(tmp_path / "a.csv") as file:
        rows = list(csv.reader(file))
    assert rows[0][:3] == ["epoch", "hidden/mean", "out/mean"] and len(rows) == 3
    np.testing.assert_allclose(float(rows[1][1]), monitor.stats["mean"][0, 0], rtol=1e-6)
    figure = monitor.plot(tmp_path / "a.png")
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert figure.axes[2].get_title().startswith("Dead ReLU units (share)")
    assert "hidden" in monitor.summary()


def test_figure_of_150_layers_names_at_most_75():
    monitor = ActivationMonitor(PROBE)
    monitor.layer_names = [f"block_{i}/dense" for i in range(150)]
    monitor._epochs, monitor._rows = [0, 1], [np.full((4, 150), 0.5), np.full((4, 150), 0.4)]
    figure = monitor.plot()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[:2] == ["block_0/dense", "block_2/dense"] and len(labels) == 75
    assert max(figure.get_size_inches()) <= 15


def test_without_a_seed(monkeypatch):
    """TensorFlow has no generator of seeds until `tf.random.set_seed` was called."""
    context = pytest.importorskip("tensorflow.python.eager.context")
    monkeypatch.delattr(context.context(), "_rng", raising=False)
    monitor = ActivationMonitor(PROBE)
    fit(Subclassed(), monitor)
    assert len(monitor.epochs) == 1


def test_bad_input():
    with pytest.raises(ValueError, match="empty"):
        ActivationMonitor(np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"must be arrays, as .* got 'abc'"):
        ActivationMonitor("abc")
    monitor = ActivationMonitor(PROBE)
    assert "Nothing recorded" in monitor.summary()
    for ask in (monitor.plot, lambda: monitor.to_csv("none.csv")):
        with pytest.raises(ValueError, match="Nothing recorded"):
            ask()


def test_a_probe_that_does_not_fit_is_one_sentence():
    with pytest.warns(UserWarning, match="the probe does not pass") as warned:
        fit(one_layer("relu", [[1.0], [1.0]]), ActivationMonitor(PROBE[:, :1]))
    (text,) = [str(w.message) for w in warned if "ActivationMonitor" in str(w.message)]
    assert len(text.splitlines()) == 1 and "\x1b" not in text and "shape" in text


def test_docstring_example():
    from callbacks import activation_monitor

    result = doctest.testmod(activation_monitor)
    assert result.attempted >= 7 and result.failed == 0
