"""Each rule of Diagnosis: a minimal case with the symptom, its neighbour without, the number."""

import csv
import dataclasses
import doctest
import importlib
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from callbacks.diagnosis import (
    CAUSES,
    RECIPES,
    Diagnosis,
    Finding,
    __main__,
    callback,
    diagnose_history,
    graph,
    look,
    passes,
    read_csv,
    scores,
    verdict,
)
from callbacks.diagnosis import rules_of_scores as at_end
from callbacks.diagnosis import rules_of_training as training
from callbacks.diagnosis.finding import RULES, apply, rules_at
from callbacks.diagnosis.log import judged_history
from callbacks.diagnosis.run import Output, Run

RECIPE_FOLDER = pathlib.Path(__file__).parent.parent / "recipes"
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")
LABELS = (X[:, 0] > 0).astype("float32")
THREE = np.digitize(X[:, 0], [-0.5, 0.5])
ONE_HOT = np.eye(3, dtype="float32")[THREE]
TWO_LABELS = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype("float32")


def mlp(units, activation, hidden="relu", **options):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, hidden, name="hidden", **options),
            layers.Dense(units, activation, name="out"),
        ]
    )


def before(model, loss, x=X, y=LABELS, optimizer="adam", **fit):
    """Findings of the checks that need no training; suspicions undecided."""
    model.compile(optimizer, loss)
    frame = {"x": x, "y": y, "validation_data": None, **fit}
    run = Run()
    look.look_at_model(run, model, frame, [])
    look.look_at_data(run, model, look.arrays_of(frame)[0], [])
    return apply(rules_at("start"), run)


def symptoms(findings, severity=None):
    return [f.symptom for f in findings if severity in (None, f.severity)]


def falling(run):
    """What the two rules about a loss that still falls find."""
    pair = (at_end.stopped_too_soon, at_end.slow_convergence)
    return apply(pair, run)


def run_of(**values):
    """What the rules read while training, as far as one rule needs it."""
    return Run(**{"epoch": 3, "learning_rate": 0.1, "optimizer": "SGD", **values})


CLEAN = [
    (1, "sigmoid", "binary_crossentropy", LABELS),
    (3, "softmax", "categorical_crossentropy", ONE_HOT),
    (3, "softmax", "sparse_categorical_crossentropy", THREE),
    (2, "sigmoid", "binary_crossentropy", TWO_LABELS),
    (1, "linear", "mse", X[:, :1] * 3),
    (1, "linear", keras.losses.BinaryCrossentropy(from_logits=True), LABELS),
    (3, None, keras.losses.SparseCategoricalCrossentropy(from_logits=True), THREE),
]


@pytest.mark.parametrize(("units", "activation", "loss", "y"), CLEAN)
def test_a_suitable_model_has_no_finding_before_training(units, activation, loss, y):
    assert before(mlp(units, activation), loss, y=y) == []


@pytest.mark.parametrize(
    ("units", "activation", "loss", "y", "number"),
    [
        (1, "softmax", "binary_crossentropy", LABELS, "softmax over 1 unit is 1"),
        (3, "relu", "categorical_crossentropy", ONE_HOT, "relu gives any number"),
        (1, None, "binary_crossentropy", LABELS, "linear gives any number"),
        (2, "softmax", "binary_crossentropy", TWO_LABELS, "sum to 1; "),
        (1, "sigmoid", "mse", 7 * LABELS[:, None], "targets run 0 to 7"),
        (1, "tanh", "mse", 2.0 - 4 * LABELS[:, None], "targets run -2 to 2"),
        (
            *(3, "softmax", keras.losses.CategoricalCrossentropy(from_logits=True), ONE_HOT),
            "from_logits=True",
        ),
    ],
)
def test_unsuitable_output_activation(units, activation, loss, y, number):
    (finding,) = before(mlp(units, activation), loss, y=y)
    assert (finding.symptom, finding.severity) == ("unsuitable_output_activation", "error")
    assert (finding.cause, finding.layer) == ("activation", "out")
    assert number in finding.evidence


def test_an_activation_layer_is_seen_through_dropout_and_flatten():
    model = keras.Sequential(
        [
            *(keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1, name="last")),
            *(layers.Dropout(0.1), layers.Activation("softmax"), layers.Flatten()),
        ]
    )
    finding, dropout = before(model, "binary_crossentropy")
    assert finding.layer == "last"
    assert "softmax over 1 unit" in finding.evidence
    assert "stands behind the last layer with weights" in dropout.evidence


def test_sigmoids_under_categorical_crossentropy_are_a_note():
    """Keras divides them by their sum, so they are no cause."""
    (finding,) = before(mlp(3, "sigmoid"), "categorical_crossentropy", y=ONE_HOT)
    assert finding.severity == "note"
    assert "3 sigmoid units" in finding.evidence


@pytest.mark.parametrize(
    ("units", "activation", "loss", "y", "severity"),
    [
        (1, "sigmoid", "mae", LABELS, "warning"),
        (1, "sigmoid", "mse", LABELS, "suspicion"),
        (3, "softmax", "binary_crossentropy", ONE_HOT, "warning"),
        (1, "sigmoid", "categorical_crossentropy", LABELS[:, None], "error"),
    ],
)
def test_unsuitable_loss(units, activation, loss, y, severity):
    (finding,) = before(mlp(units, activation), loss, y=y)
    assert (finding.symptom, finding.severity) == ("unsuitable_loss", severity)
    assert finding.cause == "loss"


def test_labels_outside_of_the_range():
    (finding,) = before(mlp(2, "softmax"), "sparse_categorical_crossentropy", y=THREE)
    assert finding.symptom == "label_problem"
    assert "from 0 to 2; 2 output units" in finding.evidence
    (finding,) = before(mlp(1, "sigmoid"), "binary_crossentropy", y=LABELS + 1)
    assert "from 1 to 2" in finding.evidence
    assert finding.cause == "preprocessing"  # two classes with other names than 0 and 1
    (finding,) = before(mlp(1, "sigmoid"), "binary_crossentropy", y=THREE)
    assert (finding.symptom, finding.cause) == ("label_problem", "loss")
    (finding,) = before(mlp(1, "sigmoid"), "binary_crossentropy", y=np.ones(64))
    assert "All 64 labels" in finding.evidence


def test_planted_label_errors():
    (one_hot,) = before(mlp(3, "softmax"), "sparse_categorical_crossentropy", y=ONE_HOT)
    assert "one-hot" in one_hot.evidence
    sparse = before(mlp(3, "softmax"), "categorical_crossentropy", y=THREE)
    assert "run from 0 to 2" in sparse[0].evidence
    assert "sparse_categorical_crossentropy" in sparse[0].remedy
    broken = LABELS.copy()
    broken[7] = np.nan
    (nan,) = before(mlp(1, "sigmoid"), "binary_crossentropy", y=broken)
    assert nan.evidence.startswith("1 of 64 labels")


def test_invalid_inputs():
    bad = X.copy()
    bad[3, 1], bad[5, 2] = np.nan, np.inf
    findings = before(mlp(1, "sigmoid"), "binary_crossentropy", x=bad)
    assert symptoms(findings) == ["invalid_inputs"]
    assert findings[0].evidence.startswith("2 of 256 values")
    same = before(mlp(1, "sigmoid"), "binary_crossentropy", x=np.ones_like(X))
    assert same[0].evidence.startswith("All 64 rows")
    half = np.where([True, True, True, False], X, 5)
    constant = before(mlp(1, "sigmoid"), "binary_crossentropy", x=half)
    assert [f.severity for f in constant] == ["note"]
    assert constant[0].evidence.startswith("1 of 4 features")


def test_unnormalized_inputs():
    (finding,) = before(mlp(1, "sigmoid"), "binary_crossentropy", x=np.sign(X) * 50)
    assert finding.symptom == "unnormalized_inputs"
    assert "root mean square of the input is 50 (range -50 to 50)" in finding.evidence
    assert before(mlp(1, "sigmoid"), "binary_crossentropy", x=np.sign(X) * 9) == []
    half = np.where(np.arange(64)[:, None] % 2, 1, -1)  # mean 0, standard deviation 1
    (finding,) = before(mlp(1, "sigmoid"), "binary_crossentropy", x=half * [5, 0.01, 0.01, 0.01])
    assert "is 500 times the median one" in finding.evidence
    rare = half * [1, 1, 1, 0.001]
    assert before(mlp(1, "sigmoid"), "binary_crossentropy", x=rare) == []
    (finding,) = before(mlp(1, None), "mse", y=np.sign(X[:, :1]) * 400)
    assert "root mean square 400" in finding.evidence


def test_a_model_that_scales_its_inputs_is_left_alone():
    model = keras.Sequential([keras.Input((4,)), layers.Rescaling(1 / 255), layers.Dense(1)])
    assert before(model, "mse", x=np.abs(X) * 100, y=X[:, :1] * 3) == []


def test_poor_initialization():
    equal = before(mlp(1, "sigmoid", kernel_initializer="ones"), "binary_crossentropy")
    assert (equal[0].severity, equal[0].layer) == ("error", "hidden")
    assert "All 32 initial weights of 'hidden' are 1" in equal[0].evidence
    model = mlp(1, "sigmoid")
    kernel = np.tile([[10.0], [-10.0]], (2, 8))  # standard deviation 10, fan_in 4: 10 · 2 = 20
    model.get_layer("hidden").kernel.assign(kernel)
    (large,) = before(model, "binary_crossentropy")
    assert "= 20;" in large.evidence
    rows = np.array([[0.01], [-0.01], [0.01], [-0.01]])  # 0.01 · sqrt(4) = 0.02 of the scale
    model.get_layer("hidden").kernel.assign(np.tile(rows, (1, 8)))
    model.get_layer("out").kernel.assign(np.tile([[0.1], [-0.1]], (4, 1)))  # 0.1 · sqrt(8) = 0.28
    assert before(model, "binary_crossentropy") == []  # 0.0057 are left
    model.get_layer("out").kernel.assign(np.tile([[0.01], [-0.01]], (4, 1)))
    small = before(model, "binary_crossentropy")
    assert [f.layer for f in small] == ["hidden", "out"]
    assert "= 0.02;" in small[0].evidence
    assert "2 layers together leave 0.00057." in small[0].evidence  # 0.02 · 0.0283


def test_missing_hidden_activation():
    wide = mlp(8, "sigmoid", hidden=None)
    y = np.tile(TWO_LABELS, 4)
    (finding,) = before(wide, "binary_crossentropy", y=y)
    assert (finding.symptom, finding.layer) == ("missing_hidden_activation", "hidden")
    narrow = keras.Sequential([keras.Input((4,)), layers.Dense(2), layers.Dense(8, "sigmoid")])
    assert before(narrow, "binary_crossentropy", y=y) == []
    for code, found in ((2, 0), (6, 3)):  # narrower than both ends or not
        stack = [layers.Dense(units) for units in (16, code, 16, 4)]
        linear = keras.Sequential([keras.Input((4,)), *stack])
        assert len(before(linear, "mse", y=X)) == found


def test_what_stands_between_two_linear_layers():
    inputs = keras.Input((4,))
    first = layers.Dense(8)(inputs)
    residual = first + layers.Dense(8)(layers.Dense(16, "relu")(first))  # `first` is read twice
    assert before(keras.Model(inputs, layers.Dense(1)(residual)), "mse", y=X[:, :1]) == []
    plain = keras.Model(inputs, layers.Dense(8)(layers.Dense(8, name="a")(inputs)))
    assert before(plain, "mse", y=np.tile(X, 2))[0].layer == "a"
    wide = layers.Dense(8, "softmax", name="soft")(inputs)
    (soft,) = before(keras.Model(inputs, layers.Dense(1)(wide)), "mse", y=X[:, :1])
    assert (soft.symptom, soft.layer) == ("vanishing_gradient", "soft")
    assert "on average 0.12" in soft.evidence  # 1 / 8
    images = np.tile(X.reshape(-1, 2, 2, 1), (1, 4, 4, 1))
    pooled = keras.Sequential(
        [
            *(keras.Input((8, 8, 1)), layers.Conv2D(16, 3, name="conv"), layers.MaxPooling2D()),
            *(layers.Conv2D(16, 3), layers.Flatten()),
        ]
    )
    (finding,) = before(pooled, "mse", x=images, y=np.tile(X, 4))
    assert (finding.layer, finding.severity) == ("conv", "suspicion")
    assert "only max pooling" in finding.evidence


def test_a_warm_up_from_zero_is_no_learning_rate_too_low():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 0.01)
    optimizer = keras.optimizers.SGD(schedule)
    assert before(mlp(1, "sigmoid"), "binary_crossentropy", optimizer=optimizer) == []


@pytest.mark.parametrize(("rate", "found"), [(0.5, []), (0.9, ["noise_too_strong"])])
def test_heavy_dropout(rate, found):
    model = keras.Sequential(
        [
            *(keras.Input((4,)), layers.Dense(8, "relu"), layers.Dropout(rate, name="drop")),
            layers.Dense(1, "sigmoid"),
        ]
    )
    findings = before(model, "binary_crossentropy")
    assert symptoms(findings) == found
    for finding in findings:
        assert (finding.cause, finding.layer, finding.epoch) == ("layers", "drop", None)
        assert "'drop' sets 90% of its inputs to 0" in finding.evidence


def test_learning_rate_range():
    model = mlp(1, "sigmoid")
    (high,) = before(model, "binary_crossentropy", optimizer=keras.optimizers.SGD(0.5))
    assert high.symptom == "learning_rate_too_high"
    assert "50 × the usual 0.01" in high.evidence
    (low,) = before(model, "binary_crossentropy", optimizer=keras.optimizers.Adam(1e-5))
    assert low.symptom == "learning_rate_too_low"
    assert "100 times below" in low.evidence
    with_momentum = keras.optimizers.SGD(0.001, momentum=0.9)  # 0.001 / (1 − 0.9) = 0.01
    assert before(model, "binary_crossentropy", optimizer=with_momentum) == []


def test_one_update_per_epoch():
    x, y = np.tile(X, (16, 1)), np.tile(LABELS, 16)
    (finding,) = before(mlp(1, "sigmoid"), "binary_crossentropy", x, y, batch_size=2000)
    assert "Batch size 2000 for 1024 rows" in finding.evidence
    assert before(mlp(1, "sigmoid"), "binary_crossentropy", x, y, batch_size=512) == []


@pytest.mark.parametrize("depth", [8, 3])
def test_vanishing_gradient(depth):
    """Slope 1/4 per layer: the first of `depth` layers has 0.25^(depth − 1) of the last."""
    norms = np.tile(0.25 ** np.arange(depth - 1, -1, -1), (5, 1))
    run = run_of(norms=norms, layer_names=[f"d{i}" for i in range(depth)])
    findings = list(training.vanishing_gradient(run))
    if depth == 3:
        assert findings == []
    else:
        assert "norm is 1 in the last layer, 'd7', and 6.1e-05 in" in findings[0].evidence  # 0.25^7
        assert findings[0].layer == "d0"


def test_gradient_decays_by_a_quarter_per_sigmoid_layer():
    """Each unit stands at sigmoid(0) = 1/2 with slope 1/4, so layer k has 0.25^(n − k)."""
    halves = keras.initializers.Constant(-0.5)  # the input of each unit is 1 · 1/2 − 1/2 = 0
    options = {"kernel_initializer": "ones", "bias_initializer": halves}
    chain = [layers.Dense(1, "sigmoid", name=f"d{n}", **options) for n in range(7)]
    model = keras.Sequential([keras.Input((1,)), *chain])
    model.compile(keras.optimizers.SGD(1e-9), "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    fit = {"batch_size": 8, "epochs": 2, "verbose": 0, "callbacks": [diagnosis]}
    model.fit(np.full((16, 1), 0.5), np.tile([[0.0], [0.8]], (8, 1)), **fit)
    ratios = diagnosis.monitor.norms[0] / diagnosis.monitor.norms[0, -1]
    np.testing.assert_allclose(ratios, 0.25 ** np.arange(6, -1, -1), rtol=1e-3)
    (finding,) = [f for f in diagnosis.findings if f.symptom == "vanishing_gradient"]
    text = (
        "6 hidden layers are sigmoids, with a derivative of at most 0.25 each: together they pass "
    )
    assert f"{text}on 0.0002 of it" in finding.evidence  # 0.25^6
    assert finding.epoch == 0  # seen since the first epoch


def test_planted_dead_layer():
    model = mlp(1, None)
    model.get_layer("hidden").bias.assign(np.full(8, -100.0))
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1] * 3, epochs=2, verbose=0, callbacks=[diagnosis])
    dead = diagnosis.findings[0]
    assert (dead.symptom, dead.layer) == ("dead_relu", "hidden")
    assert dead.evidence.startswith("100% of the 8 ReLU units of 'hidden' are dead, 0 on all 64")
    (still,) = [f for f in diagnosis.findings if f.symptom == "no_gradient"]
    assert (still.layer, still.consequence_of) == ("hidden", "dead_relu")


def test_stop_on_high_variance():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(80, 20)).astype("float32"), np.tile([0.0, 1.0], 40)
    model = keras.Sequential(
        [keras.Input((20,)), layers.Dense(128, "relu"), layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(stop_on="high_variance", verbose=False)
    fit = {"validation_split": 0.5, "epochs": 50, "verbose": 0, "callbacks": [diagnosis]}
    history = model.fit(x, y, **fit).history
    assert len(history["loss"]) < 50
    gaps = np.array(history["accuracy"]) - history["val_accuracy"]
    assert gaps[-1] > 0.1  # what the rule asks for
    assert "stopped because of high_variance" in diagnosis.report()


def test_stop_on_a_dead_layer():
    model = mlp(1, None)
    model.get_layer("hidden").bias.assign(np.full(8, -100.0))
    model.compile("adam", "mse")
    diagnosis = Diagnosis(stop_on="dead_relu", verbose=False)
    history = model.fit(X, X[:, :1] * 3, epochs=9, verbose=0, callbacks=[diagnosis])
    assert len(history.history["loss"]) == 1
    assert "stopped because of dead_relu: 100% of the 8" in diagnosis.report()
    assert [f.epoch for f in diagnosis.findings if f.symptom == "dead_relu"] == [0]


def test_exploding_gradient():
    norms = np.ones((20, 2)) / np.sqrt(2)
    assert list(training.exploding_gradient(run_of(norms=norms))) == []
    norms[-1] *= 5000
    (finding,) = training.exploding_gradient(run_of(norms=norms))
    assert "from 1 to 5e+03" in finding.evidence and finding.severity is None
    # a likelihood is the steeper, the narrower it has become
    for losses, severity in (([3.0, 1.0, -1.0, -2.0], "note"), ([3.0, 1.0, 2.0, 9.0], None)):
        (finding,) = training.exploding_gradient(run_of(norms=norms, epoch_losses=losses))
        assert finding.severity == severity


def test_no_gradient():
    norms = np.array([[1, 0.0, 2]] * 3)
    run = run_of(norms=norms, layer_names=["a", "b", "c"], no_gradient=["b"])
    (finding,) = training.no_gradient(run)
    assert finding.layer == "b"
    run.no_gradient, norms[1, 1] = [], 0.1
    assert list(training.no_gradient(run)) == []


def test_layers_behind_which_nothing_has_a_slope():
    norms = np.array([[30, 4e-6, 0, 50], [20, 0, 2e-6, 40]])
    run = run_of(norms=norms, layer_names=["a", "b", "c", "d"])
    (finding,) = training.nothing_passes_back(run)
    assert finding.layer == "c" and "gradient of 'b', 'c' was at most 8e-08" in finding.evidence
    assert "others reached 0.6 of it or more" in finding.evidence  # 4e-6 / 50, 30 / 50
    assert list(training.no_gradient(run)) == []  # said once
    run.batch_size, run.batch_norms = 1, {"c": 0.99}  # a row less its own mean
    assert list(training.nothing_passes_back(run)) == []
    run.batch_norms = {}
    run.activations = {"c": ("relu", np.zeros((32, 8)))}  # named as a dead layer
    assert list(training.nothing_passes_back(run)) == []
    run.activations, norms[1, 1] = {}, 0.1  # it learned once
    assert [seen.layer for seen in training.nothing_passes_back(run)] == ["c"]
    fading = 10.0 ** np.arange(-8, 1)  # sigmoids one after the other
    run = run_of(norms=np.tile(fading, (3, 1)), layer_names=list("abcdefghi"))
    assert list(training.nothing_passes_back(run)) == []


def test_dead_units():
    values = np.ones((8, 4))
    values[:, :3] = 0
    (finding,) = training.dead_relu(run_of(activations={"r": ("relu", values)}))
    assert finding.evidence.startswith("75% of the 4 ReLU units of 'r'")
    values[0, 1:3] = 1  # alive on one row: 1 of 4 dead
    assert list(training.dead_relu(run_of(activations={"r": ("relu", values)}))) == []


def test_still_falling():
    losses = list(8 * 0.5 ** np.arange(4))  # halved by every epoch
    (finding,) = falling(run_of(epoch_losses=losses, losses=[], gain=0.5))
    assert (finding.symptom, finding.cause) == ("stopped_too_soon", "epochs")
    assert "was still falling, by 50 % per epoch" in finding.evidence
    turned = run_of(epoch_losses=losses, losses=[], gain=0.5, history={"val_loss": [2, 1, 3, 4]})
    assert falling(turned) == []
    assert list(falling(run_of(epoch_losses=losses, losses=[], gain=0.99))) == []
    slow = list(1 - 1e-4 * np.arange(20))
    for updates, named in (
        (200, ("slow_convergence", "optimizer")),
        (40, ("stopped_too_soon", "epochs")),
    ):
        usual = {"epoch_losses": slow, "gain": 0.1, "learning_rate": 0.01}
        run = run_of(losses=np.ones(updates), **usual)
        (finding,) = falling(run)
        assert (finding.symptom, finding.cause) == named
    steep = run_of(losses=np.ones(200), **usual | {"learning_rate": 0.5})  # Adam is no remedy
    assert [f.cause for f in falling(steep)] == ["learning_rate"]
    assert finding.evidence.endswith("20 were trained (40 updates).")
    assert finding.remedy.startswith("Train for 500 epochs")  # 1000 updates at 2 per epoch
    assert list(falling(run_of(epoch_losses=[1.0] * 8, losses=[], gain=0.1))) == []


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_learning_rate_around_the_limit_of_linear_regression(factor):
    """Mean squared error with x of mean square s: λ_max = 2 s, so the limit is 1 / s."""
    x = np.array([[1.0], [-1.0], [2.0], [-2.0]])  # s = 2.5
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(factor / 2.5), "mse")
    model.layers[0].kernel.assign([[1.0]])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    history = model.fit(x, 3 * x, epochs=20, batch_size=4, verbose=0, callbacks=[diagnosis])
    errors = [f for f in diagnosis.findings if f.severity == "error"]
    if factor < 1:
        assert errors == []
    else:
        assert errors[0].cause == "learning_rate"
        losses = history.history["loss"]
        # w − 3 is multiplied by 1 − 2 · factor each step, starting from −2
        assert losses[-1] == pytest.approx(2.5 * 4 * 1.2 ** (2 * 19), rel=1e-3)
        ratio = np.median(losses[-5:]) / max(losses[:2])
        assert f"{ratio:.3g}-fold" in errors[0].evidence


def test_root_cause_first_and_what_it_explains_under_it():
    findings = [
        Finding("high_bias", "warning", "layers", "b", "r"),
        Finding("dead_relu", "suspicion", "activation", "d", "r"),
        Finding("unnormalized_inputs", "suspicion", "preprocessing", "u", "r"),
        Finding("non_finite_loss", "error", "learning_rate", "n", "r"),
    ]
    findings = [dataclasses.replace(f, epoch=1) for f in findings]
    judged = verdict.judge(findings, gain=0.1, ended=True)
    assert judged[0].symptom == "unnormalized_inputs"
    assert judged[0].severity == "error"
    assert judged[0].consequence_of is None
    assert {f.consequence_of for f in judged[1:]} == {"unnormalized_inputs"}
    well = verdict.judge(findings[1:3], gain=0.9, ended=True)
    assert symptoms(well, "note") == symptoms(well)


def test_an_error_inside_a_rule_becomes_a_note_that_names_it():
    def broken_rule(run):
        raise KeyError("x")

    broken_rule.about = training.dead_relu.about
    (note,) = apply((broken_rule,), Run())
    assert note.severity == "note"
    assert "'broken_rule'" in note.evidence
    assert "KeyError" in note.evidence


def test_a_broken_rule_does_not_end_the_training(monkeypatch):
    def dead_relu(*arguments):
        raise KeyError("x")

    dead_relu.about = training.dead_relu.about
    monkeypatch.setattr(callback, "rules_at", lambda when: [dead_relu] * (when == "training"))
    for module, reader in ((graph, "chain_of"), (look, "arrays_of"), (passes, "predictions")):
        monkeypatch.setattr(module, reader, dead_relu)
    monkeypatch.setattr(callback, "judge_scores", dead_relu)
    model = mlp(1, "sigmoid")
    model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    history = model.fit(X, LABELS, epochs=2, verbose=0, callbacks=[diagnosis])
    assert len(history.history["loss"]) == 2
    notes = [f.evidence for f in diagnosis.findings if "'dead_relu' was left out" in f.evidence]
    assert notes == ["The rule 'dead_relu' was left out: KeyError: 'x'."]
    assert "the data (KeyError: 'x')" in diagnosis.left_out


def test_a_sick_run_a_planted_nan_and_the_report(tmp_path, capsys):
    x = X.copy()
    x[0, 0] = np.nan
    model = mlp(1, "sigmoid", hidden="tanh")
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(stop_on=("non_finite_loss",))
    history = model.fit(x, LABELS, epochs=3, verbose=0, callbacks=[diagnosis])
    assert len(history.history["loss"]) == 1
    first, second = diagnosis.findings[:2]
    assert (first.symptom, first.severity) == ("invalid_inputs", "error")
    assert (second.symptom, second.consequence_of) == ("non_finite_loss", "invalid_inputs")
    printed = capsys.readouterr().out
    assert printed.startswith("Before training: invalid_inputs: 1 of 256 values")
    assert printed.endswith(diagnosis.report() + "\n")
    assert "stopped because of non_finite_loss" in printed
    figure = diagnosis.plot(tmp_path / "figure.png")
    assert figure._repr_png_()[:4] == b"\x89PNG"  # what a notebook shows
    assert (tmp_path / "figure.png").stat().st_size > 10_000


class Interrupts(keras.callbacks.Callback):
    """As Ctrl-C does, in the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_before_a_fit_there_is_nothing_to_judge():
    assert Diagnosis().report().startswith("No epoch of a `fit` with this callback was seen")


def test_the_figure_of_an_interrupted_run_says_so():
    model = mlp(1, "sigmoid", hidden="tanh")
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, epochs=3, verbose=0, callbacks=[diagnosis, Interrupts()])
    said = [text.get_text() for axes in diagnosis.plot().axes for text in axes.texts]
    assert any("was interrupted: 1 whole epochs" in text for text in said), said


@pytest.mark.parametrize("kind", ["array", "dataset", "generator", "PyDataset"])
def test_a_healthy_run_is_quiet_however_the_data_come(kind):
    y = X[:, :2] @ np.array([[1.0, 0.5], [-1, 2]], "float32")
    model = mlp(2, None)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    drawn = []

    def batches():
        for number in range(100):
            drawn.append(number)
            yield X[:32], y[:32]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[32 * index : 32 * index + 32], y[32 * index : 32 * index + 32]

    if kind == "dataset":
        import tensorflow as tf

        data = {"x": tf.data.Dataset.from_tensor_slices((X, y)).batch(32)}
    elif kind == "generator":
        data = {"x": batches(), "steps_per_epoch": 2}
    else:
        data = {"x": X, "y": y} if kind == "array" else {"x": Batches()}
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(**data, epochs=25, verbose=0, callbacks=[diagnosis])
    assert [f for f in diagnosis.findings if f.severity != "note"] == []
    assert diagnosis._run.outputs[0].kind == "regression"
    assert diagnosis.left_out == []
    assert "no_validation_data" in symptoms(diagnosis.findings)


def test_several_outputs_and_a_custom_loss():
    inputs = keras.Input((4,))
    hidden = layers.Dense(8, "relu")(inputs)
    good = layers.Dense(1, "sigmoid", name="good")(hidden)
    bad = layers.Dense(1, "softmax", name="bad")(hidden)
    model = keras.Model(inputs, {"good": good, "bad": bad})
    model.compile("adam", {"good": "binary_crossentropy", "bad": "binary_crossentropy"})
    y = {"good": LABELS[:, None], "bad": LABELS[:, None]}
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, y, epochs=1, verbose=0, callbacks=[diagnosis])
    assert diagnosis.findings[0].layer == "bad"
    model = mlp(1, None)
    model.compile("adam", lambda y, p: keras.ops.mean(keras.ops.abs(y - p)))
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1], epochs=1, verbose=0, callbacks=[diagnosis])
    assert diagnosis._run.outputs[0].properties["right"] == 0


def test_a_batch_without_labels():
    class WithLossInside(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4)

        def call(self, x):
            self.add_loss(keras.ops.mean(keras.ops.square(self.dense(x) - x)))
            return self.dense(x)

    model = WithLossInside()
    model.compile("adam")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(50 * X, verbose=0, callbacks=[diagnosis])
    assert list(diagnosis._run.inputs) == ["the input"]
    assert diagnosis._run.inputs["the input"].shape == (64, 4)
    assert "unnormalized_inputs" in symptoms(diagnosis.findings)
    assert [text.split(" (")[0] for text in diagnosis.left_out] == ["layers and activations"]


def test_bad_input_is_said_before_training():
    with pytest.raises(ValueError, match="Did you mean 'dead_relu'"):
        Diagnosis(stop_on=("ded_relu",))
    with pytest.raises(ValueError, match="pair"):
        Diagnosis(probe=X)
    model = mlp(1, "sigmoid")
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    for options, text in (
        ({"target": {"auc": 0.9}}, "names 'auc'"),
        ({"probe": (X, LABELS[:5])}, r"arrays of \[5, 64\] rows"),
        ({"probe": (X[:, :3], LABELS)}, r"rows of shape \(3,\), the model takes \(4,\)"),
    ):
        with pytest.raises(ValueError, match=text):
            model.fit(X, LABELS, verbose=0, callbacks=[Diagnosis(**options)])
    assert int(model.optimizer.iterations) == 0
    inputs = keras.Input((4,))
    two = keras.Model(
        inputs, [layers.Dense(1, name="a")(inputs), layers.Dense(1, name="b")(inputs)]
    )
    two.compile("adam", ["mse", "mse"], metrics=[["mae"], []])
    diagnosis = Diagnosis(target={"a_mae": 0.1, "val_a_loss": 0.1})
    diagnosis.set_model(two)
    diagnosis._check_target()
    diagnosis.target = {"c_mae": 0.1}
    with pytest.raises(ValueError, match=r"names 'c_mae'.*'a_loss', 'a_mae', 'b_loss'"):
        diagnosis._check_target()


def history_file(path, **columns):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *columns])
        writer.writerows(enumerate_rows(columns))
    return path


def enumerate_rows(columns):
    return [[epoch, *row] for epoch, row in enumerate(zip(*columns.values(), strict=True))]


def test_history_gives_bias_and_variance():
    falling = [1.0, 0.5, 0.1, 0.05, 0.05]
    over = {"loss": falling, "val_loss": [1, 0.6, 0.5, 0.8, 1.2]}
    over |= {"accuracy": [0.5, 0.8, 0.97, 0.99, 0.99], "val_accuracy": [0.5, 0.7, 0.7, 0.7, 0.7]}
    (finding,) = [f for f in diagnose_history(over) if f.severity == "warning"]
    assert finding.symptom == "high_variance"
    assert "0.99 in training and 0.7 in validation" in finding.evidence
    fine = {**over, "val_loss": falling, "val_accuracy": over["accuracy"]}
    assert diagnose_history(fine) == []
    low = {"loss": [1.0, 0.9, 0.9], "accuracy": [0.2, 0.3, 0.4]}
    findings, headline = judged_history(low)
    assert "0.4 misses the target 0.7" in findings[0].evidence
    assert "0.7 is taken for the target" in headline
    assert "taken for" not in judged_history(low, {"accuracy": 0.5})[1]
    bias = diagnose_history(fine, {"accuracy": 0.999})
    assert bias[0].symptom == "high_bias"
    assert "0.99 misses the target 0.999" in bias[0].evidence


def test_command_line(tmp_path, capsys):
    losses = [1.0, 0.5, 0.1, 0.05, 0.05]
    good = history_file(tmp_path / "good.csv", loss=losses, val_loss=losses)
    command = [sys.executable, "-m", "callbacks.diagnosis", str(good)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0
    assert "in the log: the loss went from 1 to 0.05. Model and data" in result.stdout
    no_loss = history_file(tmp_path / "bad.csv", accuracy=losses)
    for arguments, text in (
        ([str(no_loss)], "needs the column 'loss'; it has ['epoch', 'accuracy']"),
        ([str(tmp_path / "none.csv")], "cannot be read"),
        ([str(good), "--target", "auc=0.9"], "no column 'auc'"),
        ([str(good), "--target", "loss=low"], "must be METRIC=VALUE, such as loss=0.95"),
        ([str(good), "--target", "loss"], "must be METRIC=VALUE, such as loss=0.95"),
        ([str(history_file(tmp_path / "empty.csv", loss=[]))], "has no rows"),
    ):
        assert __main__.main(arguments) == 2
        assert text in capsys.readouterr().err


LEARNED = {"loss": [2, 0.5, 0.1, 0.05], "accuracy": [0.3, 0.8, 0.97, 0.99]}
FORGOTTEN = {"val_loss": [2, 1.8, 2, 2.5], "val_accuracy": [0.3, 0.4, 0.5, 0.4]}


def written(path, columns, separator=",", comma="."):
    rows = zip(*[[name, *values] for name, values in columns.items()], strict=True)
    lines = [separator.join(str(cell).replace(".", comma) for cell in row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(("separator", "comma"), [(",", "."), (";", ","), ("\t", ".")])
def test_a_log_is_read_whatever_separates_it(tmp_path, separator, comma):
    log = written(tmp_path / "log.csv", LEARNED | FORGOTTEN, separator, comma)
    assert read_csv(log) == LEARNED | FORGOTTEN


def test_the_last_of_several_runs_in_a_log_is_judged(tmp_path, capsys):
    again = {name: [*values, *values] for name, values in LEARNED.items()}
    log = written(tmp_path / "log.csv", {"epoch": [0, 1, 2, 3] * 2} | again)
    assert __main__.main([str(log)]) == 0
    assert "several runs: the last 4 rows are judged" in capsys.readouterr().out
    log.write_text("epoch,loss\n0,9\nepoch,loss\n0,5\n1,4\n")
    with pytest.warns(UserWarning, match="the last 2 rows"):
        assert read_csv(log)["loss"] == [5, 4]
    on = written(tmp_path / "on.csv", {"epoch": [3, 4, 5, 6]} | LEARNED)  # initial_epoch=3
    assert read_csv(on)["loss"] == LEARNED["loss"]


def test_logs_as_other_programs_write_them(tmp_path):
    log = tmp_path / "log"
    log.write_text('epoch,loss\n0,"2,0"\n1,"0,5"\n')  # a sheet with decimal commas
    assert read_csv(log) == {"epoch": [0, 1], "loss": [2, 0.5]}
    log.write_bytes("epoch\tloss\n0\t2,0\n1\t0,5\n".encode("utf-16"))  # Excel's Unicode text
    assert read_csv(log) == {"epoch": [0, 1], "loss": [2, 0.5]}
    log.write_text("epoch,loss\n2,0.1\n1,0.5\n0,2\n")  # the newest epoch first
    assert read_csv(log)["loss"] == [2, 0.5, 0.1]
    log.write_text(json.dumps({"loss": [2, 0.5], "val_loss": [3]}))  # of `History.history`
    assert read_csv(log) == {"loss": [2, 0.5], "val_loss": [3]}
    log.write_text(json.dumps({"loss": {"0": 2, "1": 0.5}}))  # of pandas
    assert read_csv(log) == {"loss": [2, 0.5]}
    for text, said in (
        ("loss,loss\n1,2\n", "has 2 columns 'loss': take out all but one"),
        ('{"loss": 3}', "each metric must be a list"),
        ('{"loss": [3', "cannot be read"),
        ('{"loss": []}', "has no rows"),
        ("epoch,loss\n0,NA\n", "no number in its column 'loss'"),
    ):
        log.write_text(text)
        with pytest.raises(ValueError, match=said):
            read_csv(log)


def test_accuracies_in_percent_are_read_as_shares():
    percent = {"loss": [2.3, 2, 1.8], "accuracy": [20, 35, 40], "val_accuracy": [20, 34, 39]}
    shares = {n: v if n == "loss" else [p / 100 for p in v] for n, v in percent.items()}
    for target in (None, {"accuracy": 60}):
        wanted = target and {"accuracy": 0.6}
        assert judged_history(percent, target) == judged_history(shares, wanted)
    assert "0.4 misses the target 0.6" in judged_history(percent, {"accuracy": 60})[0][0].evidence


def test_a_loss_of_a_log_that_rises_is_no_loss_that_stands_still():
    findings, headline = judged_history({"loss": [1.5, 300, 9e3, 3.6e4], "accuracy": [0.3] * 4})
    assert headline.startswith("Wrong: learning rate too high")
    assert "rose from 1.5 to" in findings[0].evidence
    (bias,) = [f for f in findings if f.symptom == "high_bias"]
    assert "The loss rose (1.5 to 3.6e+04)" in bias.evidence


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([-0.18, -0.5, -0.89], "Nothing wrong was found in the log: the loss went from -0.18 to"),
        ([1.01, 1, 1], "The run disappoints, and the log does not say why: the loss went from"),
        ([0, 0.6, 0.4], "The run disappoints, and the log does not say why"),
    ],
)
def test_what_a_loss_alone_tells(losses, said):
    assert judged_history({"loss": losses})[1].startswith(said)


def test_a_log_with_missing_cells_is_no_log(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss,val_loss\n0,2,3\n1,1\n")
    with pytest.raises(ValueError, match="another number of cells than columns in its row 2"):
        read_csv(log)


def test_epochs_without_validation_are_not_counted_as_validated(tmp_path):
    few = {"val_accuracy": ["NA", 0.4, "NA", 0.5]}
    findings = diagnose_history(read_csv(written(tmp_path / "log.csv", LEARNED | few)))
    assert "(best validation 2 of 2: 0.5)" in findings[0].evidence
    late = {"val_accuracy": ["NA", "NA", "NA", 0.5]}
    findings = diagnose_history(read_csv(written(tmp_path / "log.csv", LEARNED | late)))
    assert findings[0].symptom == "high_variance"


def test_an_error_that_rises_again_over_a_training_error_of_next_to_nothing():
    log = {"loss": [900, 100, 10, 2, 1], "val_loss": [950, 800, 850, 950, 1000]}
    first = diagnose_history(log)[0]
    assert (first.symptom, first.severity) == ("high_variance", "warning")
    assert diagnose_history({**log, "val_loss": [950, 100, 12, 3, 2]}) == []


def test_of_one_epoch_or_a_loss_that_stands_still_the_size_is_not_blamed():
    (one,) = diagnose_history({"loss": [1.0], "accuracy": [0.5], "val_loss": [1.1]})
    assert one.cause == "epochs" and "one epoch says nothing" in one.remedy
    found = diagnose_history({"loss": [2.3, 2.31, 2.3], "accuracy": [0.1, 0.1, 0.1]})
    still = next(finding for finding in found if finding.symptom == "high_bias")
    assert still.cause == found[0].cause == "learning_rate"
    assert "hardly moved (2.3 to 2.3)" in still.evidence


def test_a_run_that_has_turned_is_not_told_to_train_on():
    log = {"loss": [0.69, 0.3, 0.1], "val_loss": [0.69, 0.9, 1.5]}
    assert "stopped_too_soon" not in {f.symptom for f in diagnose_history(log)}
    falling = {f.symptom for f in diagnose_history({**log, "val_loss": [0.69, 0.5, 0.4]})}
    assert "stopped_too_soon" in falling


def test_a_log_with_accuracies_says_them(tmp_path, capsys):
    scores = {"accuracy": [0.5, 0.9, 0.97], "val_accuracy": [0.5, 0.9, 0.96]}
    losses = {"loss": [0.7, 0.2, 0.1], "val_loss": [0.7, 0.25, 0.12]}
    log = history_file(tmp_path / "log.csv", **scores, **losses)
    assert __main__.main([str(log)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Nothing wrong was found in the log: accuracy 0.970 in training, 0.960 ")


def test_a_log_whose_loss_became_no_number(tmp_path, capsys):
    losses = [0.7, 0.6, np.nan, np.nan]
    log = history_file(tmp_path / "log.csv", loss=losses, accuracy=[0.5] * 4, val_loss=losses)
    assert __main__.main([str(log)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Wrong: non finite loss")
    assert "The loss is nan in epoch 3; before that at most 0.7." in text


def test_what_is_unusual_is_not_blamed_for_a_target_alone():
    """A rate of 50 times the usual, at which training is all but solved."""
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0, target={"val_accuracy": 1.1})
    y = (x[:, 0] > 0).astype(int)
    model.fit(x, y, epochs=8, validation_split=0.2, verbose=0, callbacks=[diagnosis])
    assert "learning_rate_too_high" in {f.symptom for f in diagnosis.findings}
    first = diagnosis.findings[0]
    assert (first.symptom, first.severity) != ("learning_rate_too_high", "warning"), first


def test_one_epoch_is_judged_by_its_batches():
    losses = 8 * 0.9 ** np.arange(32)  # in one epoch of 32 batches: 0.9^32 = 0.0343 of the first
    (finding,) = falling(run_of(epoch_losses=[3.0], losses=losses, gain=0.2))
    assert finding.symptom == "stopped_too_soon"
    assert "was still falling, by 96.6 % per epoch" in finding.evidence


def test_simple_models_are_scored_on_rows_that_they_did_not_see():
    """Two clusters; the label is the cluster, then one that no row tells."""
    cluster = np.tile([0.0, 1.0], 100)
    x = cluster[:, None] + 0.001 * RANDOM.normal(size=(200, 1))
    out = Output("out", kind="binary", y=cluster[:, None], prediction=cluster[:, None])
    assert scores.simple_models(Run(table=x), out)[::2] == (1, 1)
    out.prediction = 1 - out.prediction
    assert scores.simple_models(Run(table=x), out)[2] == 0
    out.y = RANDOM.integers(0, 2, (200, 1)).astype("float64")
    assert scores.simple_models(Run(table=x), out)[0] < 0.7
    assert scores.simple_models(Run(table=x[:60]), out) is None


@pytest.mark.parametrize(("noise", "serious"), [(0.3, []), (0.0, ["too_small"])])
def test_the_limit_of_noisy_labels_is_no_bias(noise, serious):
    """Three labels in ten flipped: no model gets more than 0.7, a gain of 0.4."""
    random = np.random.default_rng(1)
    x = random.normal(size=(800, 2)).astype("float32")
    y = (x[:, 0] > 0) if noise else (x[:, 0] * x[:, 1] > 0)  # a linear model cannot learn XOR
    y = np.where(random.uniform(size=800) < noise, ~y, y).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=12, verbose=0, callbacks=[diagnosis])
    assert [f.symptom for f in diagnosis.findings if f.severity != "note"][:1] == serious
    (bias,) = [f for f in diagnosis.findings if f.symptom == "high_bias"]
    assert ("may not tell more" in bias.remedy) == bool(noise)


@pytest.mark.parametrize(("scale", "gain"), [(1.0, scores.CONVERGED), (0.5, 0.3)])
def test_a_noisy_output_is_excused_beside_another(scale, gain):
    """Signal and noise have variance 1: R² is 0.5 at most, and 0.375 with half of the signal."""
    random = np.random.default_rng(0)
    x, kinds = random.normal(size=(1000, 2)), np.arange(1000) % 2
    noisy = Output("noisy", alone=False, y=x[:, :1] + random.normal(size=(1000, 1)))
    noisy.prediction = scale * x[:, :1]
    sure = Output("sure", index=1, alone=False, kind="binary", y=kinds[:, None])
    sure.prediction = kinds[:, None]
    run = Run(outputs=[noisy, sure], table=x, losses=np.ones(40), epoch_losses=[1.0] * 8)
    scores.judge_scores(run, None, [])
    assert run.gain == pytest.approx(gain, abs=0.1)
    falls = 0.9 ** np.arange(8)  # its own loss has not settled, whatever their sum does
    run.history = {"noisy_loss": list(falls)}
    scores.judge_scores(run, None, [])
    assert run.gain < 0.6


def test_an_interrupted_training_is_not_judged_as_if_it_had_ended():
    def interrupt(batch, logs):
        if batch == 1:
            raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    model = mlp(1, "sigmoid")
    model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, verbose=0, callbacks=[diagnosis, stop])
    said = "interrupted: 0 whole epochs were seen, and no score was judged"
    assert said in diagnosis.report()
    model.fit(X, LABELS, verbose=0, callbacks=[diagnosis])
    assert "interrupted" not in diagnosis.report()


def test_random_labels_learned_by_heart():
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 20)).astype("float32")
    y = random.integers(0, 2, 120)
    model = keras.Sequential(
        [keras.Input((20,)), layers.Dense(128, "relu"), layers.Dense(1, "sigmoid")]
    )
    keras.utils.set_random_seed(0)
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    fit = {"epochs": 20, "validation_split": 0.5, "verbose": 0, "callbacks": [diagnosis]}
    model.fit(x, y, **fit)
    assert (diagnosis.findings[0].symptom, diagnosis.findings[0].cause) == ("label_problem", "data")


def gaps(run):
    """What the two rules about a gap to validation find."""
    return apply((at_end.high_variance, at_end.labels_learned_by_heart), run)


def test_high_variance_against_target_and_variance_of_the_labels():
    curves = [([0.9], [0.9, 0.7], "accuracy", True)]
    options = {"history": {}, "curves": curves, "targets": [], "variance": None, "trivial": 0.1}
    (near,) = gaps(run_of(**options))  # (0.7 − 0.1) / 0.9 is less than 0.7
    assert (near.symptom, near.severity) == ("high_variance", "warning")
    options["curves"] = [([0.97], [0.8, 0.8], "accuracy", True)]  # (0.8 − 0.1) / 0.9 is more
    assert symptoms(gaps(run_of(**options)), "note") == ["high_variance"]
    for train, val, found in (
        (0.94, 0.7, ["high_variance"]),  # 0.24 to training, 0.01 to the target
        (0.6, 0.58, ["high_bias"]),
        (0.96, 0.96, []),
    ):
        run = run_of(**options | {"targets": [("accuracy", train, val, 0.95)], "outputs": []})
        named = symptoms([*apply((at_end.high_bias,), run), *gaps(run)])
        assert [name for name in named if name in found] == found
        assert "high_variance" in found or "high_variance" not in named
    heart = options | {
        "curves": [([0.97, 0.97], [0.2, 0.15], "accuracy", True)]
    }  # (0.15 − 0.1) / 0.9
    (unrelated,) = gaps(run_of(**heart, gain=0.96))
    assert (unrelated.symptom, unrelated.cause) == ("label_problem", "data")
    assert (
        "0.15 in validation (best epoch 1 of 2: 0.2), where a constant prediction does as well"
        in (unrelated.evidence)
    )
    assert symptoms(gaps(run_of(**heart, gain=0.6))) == ["high_variance"]
    loss = [([0.1], [0.5, 0.45], "loss", False)]
    (finding,) = gaps(run_of(**options | {"curves": loss, "variance": 1.0}))
    assert "0.1 in training and 0.45 in validation" in finding.evidence
    assert list(gaps(run_of(**options | {"curves": loss, "variance": 9.0}))) == []


def test_the_recipe_treats_what_the_stage_before_named_first():
    recipe = importlib.import_module("recipes.diagnose_and_repair")
    data = recipe.load_data(seed=0)
    stages, named = list(recipe.VARIANTS), []
    for stage in stages:
        keras.utils.set_random_seed(0)
        epochs = 15 if stage == stages[-1] else 4
        _, curves = recipe.train(stage, data, epochs)
        named.append(curves["findings"][:1])
    # The stages repair, one after the other: the output, the inputs, the hidden activation.
    treated = ("unsuitable_output_activation", "unnormalized_inputs", "vanishing_gradient")
    assert named == [*([symptom] for symptom in treated), []]


def test_field_data_worse_than_validation_data():
    run = run_of(history={"val_accuracy": [0.9]}, field_metrics={"accuracy": 0.7})
    (finding,) = at_end.data_mismatch(run)
    assert "0.9 on validation data and 0.7 in the field" in finding.evidence
    run.field_metrics = {"accuracy": 0.85}
    assert list(at_end.data_mismatch(run)) == []


def test_findings_cannot_be_changed_and_use_the_known_names():
    seen = Finding("dead_relu", "warning", "activation", "e", "r")
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen.symptom = "x"
    for rule in RULES:
        assert rule.about.symptom in verdict.ORDER
        assert rule.about.change in CAUSES
        assert rule.about.when in ("start", "training", "end")
        recipe = rule.about.recipe
        assert recipe is None or (RECIPE_FOLDER / f"{recipe}.py").exists()
    assert set(RECIPES) == set(verdict.ORDER)
    assert RECIPES["dead_relu"] == "weight_initialization"


def test_docstring_example():
    assert doctest.testmod(callback).failed == 0
