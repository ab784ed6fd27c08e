"""Kinds of faults in training, and what is blamed for them: a planted one, its twin, the number."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from sklearn.metrics import r2_score, roc_auc_score

from callbacks import GradientMonitor
from callbacks.diagnosis import Diagnosis, look, verdict
from callbacks.diagnosis import rules_of_data as data_rules
from callbacks.diagnosis import rules_of_labels as label_rules
from callbacks.diagnosis import rules_of_model as model_rules
from callbacks.diagnosis import rules_of_scores as score_rules
from callbacks.diagnosis import rules_of_training as training
from callbacks.diagnosis.finding import Finding, apply
from callbacks.diagnosis.report import text_of
from callbacks.diagnosis.rows import of_known
from callbacks.diagnosis.run import Output, Run, Watcher
from tests.planted import texts

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")


@pytest.mark.parametrize("shuffle", [True, "batch"])
def test_batches_of_sorted_rows_are_not_mixed_by_shuffling_whole_batches(shuffle):
    y = np.repeat(np.arange(4), 128)
    x = (y[:, None] + RANDOM.normal(0, 1.5, (512, 3))).astype("float32")
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "softmax")])
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, shuffle=shuffle, epochs=2, verbose=0, callbacks=[diagnosis])
    found = [f.symptom for f in diagnosis.findings]
    assert ("batches_in_order" in found) is (shuffle == "batch")


class Pictures(keras.utils.PyDataset):
    """Batches of its own array, which it scales in place unless it copies."""

    def __init__(self, copied, shift):
        super().__init__()
        self.x, self.copied = RANDOM.uniform(0, 1, (64, 4)).astype("float32"), copied
        self.shift = shift

    def __len__(self):
        return 4

    def __getitem__(self, index):
        batch = self.x[16 * index : 16 * index + 16]
        batch = batch.copy() if self.copied else batch
        batch *= 0.1
        batch -= self.shift
        return batch, batch.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("shift", [0.0, 0.5])  # it may leave the mean size as it was
@pytest.mark.parametrize("copied", [False, True])
def test_a_loader_that_scales_its_own_array_again_in_each_epoch(copied, shift):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(Pictures(copied, shift), shuffle=False, epochs=3, verbose=0, callbacks=[diagnosis])
    found = [f for f in diagnosis.findings if f.symptom == "inputs_drift"]
    spreads = diagnosis._run.first_batches
    assert len(spreads) == 3 and len(found) == (not copied)
    assert (len(set(spreads)) == 1) if copied else (spreads[2] < spreads[0] / 5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("joined", [True, False])
def test_outputs_that_one_layer_gives(shared, joined):
    inputs, head = keras.Input((4,)), layers.Dense(1)
    heads = [head] * 2 if shared else [head, layers.Dense(1)]
    outputs, y = [one(inputs) for one in heads], [X[:, :1], -X[:, :1]]
    if joined:
        outputs, y = layers.Concatenate()(outputs), np.hstack(y)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse" if joined else ["mse", "mse"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, y, epochs=2, verbose=0, callbacks=[diagnosis])
    expected = "The 2 columns of the output are the same" if joined else "predict the same of each"
    assert (expected in diagnosis.report()) is shared


def test_labels_that_only_stand_in_for_labels():
    """A ranking by pairs: the first of two is to have the larger score, whatever `y` is."""
    x = RANDOM.normal(size=(300, 2, 4))
    ahead = x.sum(axis=2)[:, 0] > x.sum(axis=2)[:, 1]
    x = np.where(ahead[:, None, None], x, x[:, ::-1])
    keras.utils.set_random_seed(0)
    score, pair = layers.Dense(1), [keras.Input((4,)), keras.Input((4,))]
    model = keras.Model(pair, layers.Subtract()([score(part) for part in pair]))

    def ranking(y_true, y_pred):
        return keras.ops.mean(keras.ops.softplus(-y_pred))

    model.compile(keras.optimizers.Adam(0.02), ranking)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    pairs = [x[:, 0], x[:, 1]]
    model.fit(pairs, np.ones((300, 1)), epochs=15, verbose=0, callbacks=[diagnosis])
    assert diagnosis.verdict == "healthy" and diagnosis._run.only_output.score is None
    assert "All 300 labels of the output are 1" in diagnosis.report()


def survival(y_true, y_pred):
    """Cox (1972): label is (time, whether the event was seen), prediction the log of a rate."""
    time, seen, rate = y_true[:, 0], y_true[:, 1], y_pred[:, 0]
    at_risk = keras.ops.cast(time[None] >= time[:, None], "float32")
    total = keras.ops.log(keras.ops.sum(at_risk * keras.ops.exp(rate)[None], axis=1))
    return -keras.ops.sum((rate - total) * seen) / (keras.ops.sum(seen) + 1e-7)


@pytest.mark.parametrize("kind", ["survival", "words found in sounds"])
def test_labels_of_another_shape_than_predictions_are_not_scored(kind):
    keras.utils.set_random_seed(0)
    if kind == "survival":
        x = RANDOM.normal(size=(256, 4))
        time = RANDOM.exponential(np.exp(-x[:, 0]))
        y = np.stack([np.minimum(time, 1), time < 1], axis=1).astype("float32")
        stack, loss = [keras.Input((4,)), layers.Dense(1)], survival
    else:
        x, y = RANDOM.normal(size=(256, 10, 3)), RANDOM.integers(1, 5, (256, 2))
        stack, loss = [keras.Input((10, 3)), layers.Dense(5)], keras.losses.CTC()
    model = keras.Sequential(stack)
    model.compile(keras.optimizers.Adam(0.01), loss)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=20)
    model.fit(x, y, epochs=3, verbose=0, callbacks=[diagnosis])
    assert diagnosis._run.only_output.score is None and diagnosis.checkup is None
    assert not [f for f in diagnosis.findings if f.severity != "note"]
    assert "shapes" not in diagnosis.report() and "fit by broadcasting" not in diagnosis.report()


def test_a_dropout_of_0_and_missing_statistics_are_no_noise():
    run = Run()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.0)])
    look.look_at_model(run, model, {}, [])
    assert run.dropout == {} and run.dropout_at_end is None
    out = Output("out", kind="binary", score=0.9, trivial=0.5, gain=0.8, training_score=0.55)
    noisy = Run(outputs=[out], dropout={"thin": 0.9}, gain=0.8)
    assert "with 'thin': they hide" in texts(training.noise_too_strong, noisy)[0]
    noisy.idle_norms = ["norm"]
    assert texts(training.noise_too_strong, noisy) == []


class OwnLoss(keras.Model):
    """A subclass whose layers cannot be looked at, and whose loss nobody else knows."""

    def __init__(self, units):
        super().__init__()
        self.inner = [layers.Dense(16, "relu"), layers.Dense(units)]

    def call(self, x):
        return self.inner[1](self.inner[0](x))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if y_pred.shape[-1] == 1:
            return keras.ops.mean(keras.losses.mean_squared_error(y, y_pred[:, 0]))
        each = keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True)
        return keras.ops.mean(each)


@pytest.mark.parametrize("units", [3, 1])
def test_classes_are_known_by_a_score_for_each_and_by_the_metric(units):
    x = RANDOM.normal(size=(300, 4))
    y = np.digitize(x.sum(axis=1), [-1, 1])
    keras.utils.set_random_seed(0)
    model = OwnLoss(units)
    model.compile(keras.optimizers.Adam(0.02), metrics=["accuracy" if units == 3 else "mae"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=15, verbose=0, callbacks=[diagnosis])
    (out,), told = diagnosis._run.outputs, model.predict(x, verbose=0)
    right = np.mean(told.argmax(axis=1) == y)
    r2 = 1 - np.mean(np.square(told[:, 0] - y)) / y.var()
    assert out.score == pytest.approx(right if units == 3 else r2, abs=1e-5)
    assert out.measure == ("accuracy" if units == 3 else "R²")
    assert "says nothing about" not in diagnosis.report()


def test_rows_that_count_for_one_output_only_are_scored_for_it():
    x = RANDOM.normal(size=(500, 4))
    known = {"sum": RANDOM.random(500) < 0.6, "kind": RANDOM.random(500) < 0.5}
    y = {"sum": np.where(known["sum"], x.sum(axis=1), -99.0)[:, None]}
    y["kind"] = np.where(known["kind"], np.digitize(x[:, 0], [-0.5, 0.5]), 0)
    weights = {name: count.astype("float32") for name, count in known.items()}
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = layers.Dense(32, "relu")(inputs)
    heads = {"sum": layers.Dense(1, name="sum"), "kind": layers.Dense(3, "softmax", name="kind")}
    model = keras.Model(inputs, {name: head(hidden) for name, head in heads.items()})
    losses = {"sum": "mse", "kind": "sparse_categorical_crossentropy"}
    model.compile(keras.optimizers.Adam(0.02), losses)
    train, weigh = ({name: each[:400] for name, each in part.items()} for part in (y, weights))
    rest = [{name: each[400:] for name, each in part.items()} for part in (y, weights)]
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    given = {"validation_data": (x[400:], *rest), "callbacks": [diagnosis]}
    model.fit(x[:400], train, sample_weight=weigh, epochs=25, verbose=0, **given)
    by_name = {out.name: out for out in diagnosis._run.outputs}
    told = model.predict(x[400:], verbose=0)
    count = {name: known[name][400:] for name in known}
    right = told["kind"].argmax(axis=1) == y["kind"][400:]
    truth, guess = (a[count["sum"], 0] for a in (y["sum"][400:], told["sum"]))
    r2 = 1 - np.mean(np.square(truth - guess)) / truth.var()
    assert by_name["kind"].validation_score == pytest.approx(right[count["kind"]].mean())
    assert by_name["sum"].validation_score == pytest.approx(r2, abs=1e-4)
    assert diagnosis.verdict == "healthy" and right.mean() < 0.9 < r2
    chosen = of_known(told["kind"], count["kind"])
    assert len(chosen) == count["kind"].sum() and of_known(chosen, count["kind"]) is chosen


@pytest.mark.parametrize("kind", ["numbers", "classes", "no row of a class"])
def test_rows_of_weight_0_are_not_scored(kind):
    x = RANDOM.normal(size=(400, 4))
    known, y, loss, last = RANDOM.random(400) < 0.6, x.sum(axis=1), "mse", layers.Dense(1)
    if kind != "numbers":
        y, loss = np.digitize(y, [-1, 1]), "sparse_categorical_crossentropy"
        last = layers.Dense(3, "softmax")
    if kind == "no row of a class":
        known = y != 2
    else:
        y = np.where(known, y, 0)  # as an unknown label is filled in
    weights = known.astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, "relu"), last])
    metric = "mse" if kind == "numbers" else "accuracy"
    model.compile(keras.optimizers.Adam(0.02), loss, weighted_metrics=[metric])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    held = x[300:], y[300:], weights[300:]
    given = {"x": x[:300], "y": y[:300], "sample_weight": weights[:300]}
    model.fit(**given, validation_data=held, epochs=15, verbose=0, callbacks=[diagnosis])
    out = diagnosis._run.only_output
    if kind == "no row of a class":  # no mark of an unknown label: nobody learns it
        assert "Classes [2] of the output" in diagnosis.report()
        return
    measured = model.evaluate(*held[:2], sample_weight=held[2], verbose=0)[1]
    if kind == "numbers":
        measured = 1 - measured / y[300:][known[300:]].var()
    assert out.validation_score == pytest.approx(measured, abs=1e-4)
    assert out.validation_score > 0.9 and len(out.y) == weights[:300].sum()


def test_weights_that_never_move():
    run = Run(moved={"a": 0.0, "b": 0.0}, losses=np.ones(30))
    text = "The weights have not changed in 30 steps: none of 2 kernels has."
    assert texts(training.weights_stay, run) == [text]
    run.moved = {"a": 1e-6, "b": 1e-6}
    assert texts(training.weights_stay, run) == []


def test_rates_that_rise_too_late_and_a_plateau_without_patience():
    run = Run(optimizer="Adam", schedule="CosineDecay", losses=np.ones(100))
    run.rates = [1e-8, 1e-7, 1e-6]
    assert "the warm-up is longer than the 100 updates" in texts(training.rate_decayed, run)[0]
    run.rates = [1e-3, 0.02, 0.5]
    assert texts(training.rate_decayed, run) == []
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    late = keras.optimizers.schedules.CosineDecay(0.0, 9000, warmup_target=0.5, warmup_steps=1000)
    model.compile(keras.optimizers.Adam(late), "mse")
    look._look_at_optimizer(run, model)
    assert run.peak == pytest.approx(0.5, rel=0.1)
    run.rates = [0.01, 0.02, 0.03]  # usual for Adam, but far below what is wanted
    assert "still rises" in texts(training.rate_decayed, run)[0]
    run = Run(optimizer="Adam", learning_rate=1e-3, rates=[1e-3, 1e-6, 1e-9], losses=np.ones(90))
    run.watchers = [Watcher("ReduceLROnPlateau", "val_loss", None, 0)]
    (seen,) = training.rate_decayed(run)
    assert "ReduceLROnPlateau('val_loss', patience=0) lowered it" in seen.evidence
    assert "more patience" in seen.remedy


def test_a_learning_rate_of_zero():
    run = Run(optimizer="Adam", learning_rate=0.0)
    assert "Learning rate 0 " in texts(training.learning_rate_below_range, run)[0]


@pytest.mark.parametrize("shuffled", [True, False])
def test_shuffled_labels_on_few_rows(shuffled):
    keras.utils.set_random_seed(0)
    x = RANDOM.normal(size=(400, 4)).astype("float32")
    y = x @ np.ones((4, 1), "float32")
    y = RANDOM.permutation(y) if shuffled else y
    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, "relu"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    held_out = {"validation_data": (x[300:], y[300:]), "callbacks": [diagnosis]}
    model.fit(x[:300], y[:300], epochs=20, verbose=0, **held_out)
    assert ("inputs_tell_nothing" in [f.symptom for f in diagnosis.findings[:1]]) is shuffled


def test_batches_that_leave_few_steps():
    run = Run(batch_size=512, num_rows=2000, planned=10)
    assert "4 update(s) per epoch" in texts(training.batch_size_unsuitable, run)[0]  # 40 in all
    run.planned = 100
    assert texts(training.batch_size_unsuitable, run) == []


class Gate(layers.Layer):
    """Weigh two features by what a layer of its own gives of them, over an axis of one element."""

    def __init__(self):
        super().__init__()
        self.score = layers.Dense(1)

    def call(self, inputs):
        """Return (rows, columns)."""
        return keras.ops.softmax(self.score(inputs), axis=-1) * inputs


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
def test_a_softmax_over_a_single_element_passes_nothing_back():
    inputs = keras.Input((4,))
    gated = Gate()(layers.Dense(6, "tanh")(inputs))
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(5, "relu")(gated)))
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    y = RANDOM.normal(size=(64, 1))
    model.fit(X, y, epochs=3, verbose=0, callbacks=[diagnosis])
    first = diagnosis.findings[0]
    assert (first.symptom, first.severity, first.cause) == ("nothing_passes", "warning", "layers")
    assert first.layer.startswith("gate/") and "axis of size 1" in first.remedy


class MadeInAnotherOrder(keras.Model):
    """Dropout is made last and called first."""

    def __init__(self):
        super().__init__()
        self.head, self.dropout = layers.Dense(1), layers.Dropout(0.1)

    def call(self, inputs, training=None):
        return self.head(self.dropout(inputs, training=training))


def test_the_order_in_which_layers_were_made_is_not_that_of_calls():
    model = MadeInAnotherOrder()
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1], verbose=0, callbacks=[diagnosis])
    assert "stands behind the last layer" not in diagnosis.report()


@pytest.mark.parametrize("columns", [8, 12])
def test_validation_rows_of_another_shape(columns):
    random = np.random.default_rng(0)

    def drawn(count, columns):
        x = random.random((count, 8, columns, 1)).astype("float32")
        return x, (x > 0.5).astype("float32")

    model = keras.Sequential([keras.Input((8, None, 1)), layers.Conv2D(1, 1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    # however slow a step is
    diagnosis = Diagnosis(verbose=False, checkup_seconds=1000)
    held_out = drawn(100, columns)
    model.fit(*drawn(200, 8), validation_data=held_out, verbose=0, callbacks=[diagnosis])
    assert "was left out" not in diagnosis.report()  # no rule ends with an error
    is_said = "training rows have the shapes [(8, 8, 1)] and validation rows" in diagnosis.report()
    assert is_said is (columns == 12)


@pytest.mark.parametrize("one_hot", [True, False])
def test_columns_of_a_subclassed_model_are_scored(one_hot):
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.only = layers.Dense(3, "softmax" if one_hot else None)

        def call(self, inputs):
            return self.only(inputs)

    keras.utils.set_random_seed(0)
    model = Plain()
    model.compile(keras.optimizers.Adam(0.05), "categorical_crossentropy" if one_hot else "mse")
    x = RANDOM.normal(size=(300, 4)).astype("float32")
    y = np.eye(3)[x[:, :3].argmax(axis=1)] if one_hot else x[:, :3]
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=30, verbose=0, callbacks=[diagnosis])
    guess = model.predict(x, verbose=0)
    score = np.mean(guess.argmax(axis=1) == y.argmax(axis=1)) if one_hot else r2_score(y, guess)
    assert diagnosis.verdict == "healthy"
    name = "accuracy" if one_hot else "R²"
    assert f"{name} {score:.3f} in training" in diagnosis.report().splitlines()[0]


@pytest.mark.parametrize(("momentum", "found"), [(0.999, True), (0.5, False), (None, False)])
def test_an_average_of_the_weights_that_holds_the_first_ones(momentum, found):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    averages = {"use_ema": True, "ema_momentum": momentum} if momentum else {}
    model.compile(keras.optimizers.Adam(0.05, **averages), "mse")
    x = RANDOM.normal(size=(320, 4)).astype("float32")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, x @ [[1.0], [-2.0], [0.5], [3.0]], epochs=20, verbose=0, callbacks=[diagnosis])
    serious = [f for f in diagnosis.findings if f.severity != "note"]
    assert (bool(serious) and serious[0].symptom == "moving_averages_behind") is found
    if found:
        assert "after 200 updates 82% of the average" in serious[0].evidence  # 0.999 ** 200


@pytest.mark.parametrize("shared", [True, False])
def test_labels_that_are_all_1_as_the_better_one_is_first(shared):
    scorer, other = (keras.Sequential([layers.Dense(8, "relu"), layers.Dense(1)]) for _ in "ab")
    inputs = [keras.Input((4,)), keras.Input((4,))]
    second = scorer if shared else other
    model = keras.Model(inputs, layers.Subtract()([scorer(inputs[0]), second(inputs[1])]))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit([X + 1, X[::-1]], np.ones(len(X)), verbose=0, callbacks=[diagnosis])
    assert any(
        f.symptom == "label_problem" and f.severity == "error" for f in diagnosis.findings
    ) is (not shared)


def test_scores_of_several_outputs_have_their_names():
    inputs = keras.Input((4,))
    names = ("left", "right")
    model = keras.Model(inputs, [layers.Dense(1, name=name)(inputs) for name in names])
    model.compile("adam", ["mse", "mse"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, [X[:, :1], X[:, 1:2]], verbose=0, callbacks=[diagnosis])
    headline = diagnosis.report().splitlines()[0]
    assert "'left': R²" in headline and "'right': R²" in headline


def test_a_field_that_is_no_dict_is_refused():
    with pytest.raises(ValueError, match="`field` must be a dict from metric to value, got"):
        Diagnosis(field=(X, X[:, :1]))


@pytest.mark.parametrize(("reward", "judged"), [(-0.3, False), (0.3, True)])
def test_labels_that_are_to_become_rarer_are_not_scored(reward, judged):
    """As in reinforcement learning: the weight of an action is what it has brought."""
    keras.utils.set_random_seed(0)
    x = RANDOM.normal(size=(256, 4)).astype("float32")
    actions = RANDOM.integers(0, 3, 256)
    brought = np.where(actions == x[:, :3].argmax(axis=1), 1.0, reward)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, actions, sample_weight=brought, epochs=2, verbose=0, callbacks=[diagnosis])
    assert ("a constant has" in diagnosis.report()) is judged


def test_a_perfect_score_of_a_single_class_says_nothing():
    for trivial, severity in ((1.0, "error"), (0.5, "note")):
        out = Output("out", kind="binary", trivial=trivial, gain=1.0)
        run = Run(outputs=[out], gain=1.0, held_out_gain=1.0)
        labels = Finding("label_problem", "error", "data", "All labels are 1.", "Check them.")
        assert verdict.judge([labels], 1.0, True, run)[0].severity == severity


def test_a_gradient_that_is_no_number_while_the_loss_is_one():
    norms = np.ones((6, 2))
    norms[5] = [np.nan, 1.0]
    run = Run(layer_names=["encoder", "head"], norms=norms, losses=np.r_[np.ones(6), np.nan])
    run.non_finite_at, run.largest_loss = (6, np.nan), 1.0
    (seen,) = training.infinite_slope(run)
    assert seen.layer == "encoder" and "At step 5 the loss was 1" in seen.evidence
    assert "epsilon" in seen.remedy
    run.norms = norms * np.geomspace(1, 1e8, 6)[:, None]  # an explosion
    assert texts(training.infinite_slope, run) == []
    run.norms, run.non_finite_at = norms, (5, np.nan)  # the loss itself was no number
    assert texts(training.infinite_slope, run) == []


def test_an_excellent_run_has_notes_only_but_for_doubts():
    blamed, doubt = (
        Finding(symptom, "error", "layers", "e", "r", epoch=3)
        for symptom in ("no_gradient", "rows_on_both_sides")
    )
    good = Run(gain=0.95, held_out_gain=0.91, has_validation=True)
    judged = verdict.judge([blamed, doubt], 1.0, True, good)
    assert {f.symptom: f.severity for f in judged} == {
        "rows_on_both_sides": "error",
        "no_gradient": "note",
    }
    assert verdict.judge([blamed], 1.0, True)[0].severity == "error"


@pytest.mark.parametrize("compiled_again", [False, True])
def test_layers_that_were_unfrozen_after_compile(compiled_again):
    base = layers.Dense(8, "tanh", name="base", trainable=False)
    model = keras.Sequential([keras.Input((4,)), base, layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, X[:, :1], verbose=0)
    base.trainable = True
    if compiled_again:
        model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1], epochs=2, verbose=0, callbacks=[diagnosis])
    named = [f.evidence for f in diagnosis.findings if f.symptom == "nothing_trainable"]
    assert len(named) == (0 if compiled_again else 1)
    assert all("1 trainable layers (base) have not changed in 4 updates" in text for text in named)


def test_a_gap_within_the_error_of_the_validation_rows_is_a_note():
    """Two standard errors of 0.8 on 40 rows are 0.126, on 400 rows 0.04."""
    gap = Finding("high_variance", "warning", "data", "e", "r", epoch=3)
    for rows_held, severity in ((40, "note"), (400, "warning")):
        out = Output("out", kind="binary", score=0.92, validation_score=0.8)
        out.validation_prediction = np.zeros((rows_held, 1))
        run = Run(outputs=[out], gain=0.84, held_out_gain=0.6)
        assert verdict.judge([gap], 0.84, True, run)[0].severity == severity


def test_a_chain_of_sigmoids_whose_gradients_are_those_of_the_penalties():
    """Eight sigmoid layers with L2: the first layer's gradient is that of its penalty."""
    x, y = RANDOM.normal(size=(256, 4)).astype("float32"), np.arange(256) % 2
    x[:, 0] += 2 * y

    def run(activation):
        keras.utils.set_random_seed(0)
        l2 = keras.regularizers.L2(2e-4)
        hidden = [layers.Dense(16, activation, kernel_regularizer=l2) for _ in range(8)]
        model = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(1, "sigmoid")])
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
        model.fit(x, y, epochs=15, validation_split=0.2, verbose=0, callbacks=[diagnosis])
        return diagnosis.monitor.norms, diagnosis.findings

    norms, findings = run("sigmoid")
    assert np.median(norms[:, 0]) > 1e-3 * np.median(norms[:, -1])  # as if all were well
    assert findings[0].symptom == "vanishing_gradient" and "8 hidden" in findings[0].evidence
    assert "vanishing_gradient" not in {f.symptom for f in run("tanh")[1]}


def test_an_explosion_makes_what_may_explain_it_a_warning():
    recurrent = Finding("unbounded_recurrence", "suspicion", "activation", "e", "r")
    exploded = Finding("exploding_gradient", "warning", "learning_rate", "e", "r", epoch=0)
    root, under = verdict.judge([exploded, recurrent], 0.75, True, Run(gain=0.75))
    assert (root.symptom, root.severity) == ("unbounded_recurrence", "warning")
    assert under.consequence_of == "unbounded_recurrence"
    assert verdict.judge([recurrent], 0.75, True, Run(gain=0.75))[0].severity == "note"


def test_a_loss_that_has_grown_is_no_infinite_slope():
    norms = np.ones((3, 2))
    norms[2] = [np.nan, 1.0]
    run = Run(layer_names=["a", "b"], norms=norms, losses=np.array([1.0, 2.0, 1e30, np.inf]))
    run.non_finite_at = (3, np.inf)
    assert texts(training.infinite_slope, run) == []


def test_predictions_that_follow_their_own_labels_are_not_broadcast():
    """Compared with the labels of a whole batch, all of them shrink to the mean of the labels."""
    suspicion = Finding("shapes_broadcast", "suspicion", "data", "(n,) and (n, 1).", "One shape.")
    y, noise = RANDOM.normal(size=(2, 300, 1))
    for prediction, found in ((y + noise, []), (0.05 * y, ["warning"]), (noise, ["warning"])):
        run = Run(outputs=[Output("out", y=y, prediction=prediction, score=0.2)], gain=0.2)
        assert [f.severity for f in verdict.judge([suspicion], 0.2, True, run)] == found


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_stateful_layer_is_not_scored_on_rows_that_were_drawn(shuffle):
    """In their order each row goes on from the one before; a sample has another one before it."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(batch_shape=(8, 3, 1))])
    model.add(layers.LSTM(4, stateful=True, name="memory"))
    model.add(layers.Dense(1))
    model.compile("adam", "mse")
    x, y = RANDOM.normal(size=(160, 3, 1)).astype("float32"), RANDOM.normal(size=160)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=1000)
    model.fit(x, y, batch_size=8, shuffle=shuffle, verbose=0, callbacks=[diagnosis])
    (out,) = diagnosis._run.outputs
    is_left_out = any("the scores ('memory' is stateful" in text for text in diagnosis.left_out)
    assert (is_left_out, out.score is None) == (not shuffle, not shuffle)
    assert any(text.startswith("changes on clones ('memory' is") for text in diagnosis.left_out)
    assert not any("\n" in text for text in diagnosis.left_out)


@pytest.mark.parametrize(
    ("kind", "cause"), [("ReduceLROnPlateau", "learning_rate"), ("EarlyStopping", "epochs")]
)
def test_a_callback_that_takes_less_for_better(kind, cause):
    run = Run(epoch_losses=[1.0] * 9, planned=9, watchers=[Watcher(kind, "val_f1", False, 3)])
    (found,) = apply((training.watched_wrongly,), run)
    assert found.cause == cause and "mode='max'" in found.remedy


@pytest.mark.parametrize("more", [[], ["accuracy"]])
def test_areas_under_a_curve_ask_for_ranks_whatever_they_are_called(more):
    """Of rare events seldom any is likelier than not: balanced accuracy says nothing there."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1000, 4)).astype("float32")
    y = (random.random(1000) < 1 / (1 + np.exp(6 - 2 * x[:, 0]))).astype("float32")  # 1.4 %
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, "sigmoid")])
    metrics = [keras.metrics.AUC(name="roc"), keras.metrics.AUC(curve="PR", name="prc"), *more]
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=metrics)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=20, verbose=0, callbacks=[diagnosis])
    (out,) = diagnosis._run.outputs
    assert out.measure == "AUC"
    assert out.score == pytest.approx(roc_auc_score(y, model.predict(x, verbose=0)[:, 0]))
    assert diagnosis.verdict == "healthy"


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("watches", [False, True])
def test_an_output_whose_loss_weighs_nothing(weight, watches):
    """It is left out on purpose, unless a callback was to give it a weight later on."""
    inputs = keras.Input((4,))
    shared = layers.Dense(8, "relu")(inputs)
    outputs = {name: layers.Dense(1, name=name)(shared) for name in ("first", "second")}
    model = keras.Model(inputs, outputs)
    weights = {"first": 1.0, "second": weight}
    model.compile("adam", dict.fromkeys(outputs, "mse"), loss_weights=weights)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    labels = {"first": X[:, :1], "second": X[:, 1:2]}
    raises = [keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: None)] * watches
    model.fit(X, labels, epochs=4, verbose=0, callbacks=[*raises, GradientMonitor(), diagnosis])
    found = [f for f in diagnosis.findings if f.symptom == "nothing_passes"]
    assert ["its loss weighs 0 in the sum" in f.evidence for f in found] == [True] * (weight == 0)
    assert [f.severity for f in found] == ["warning" if watches else "note"] * (weight == 0)
    is_judged = [out.gain is not None for out in diagnosis._run.outputs]
    assert is_judged == [True, weight > 0 or watches]


def test_a_loss_that_is_raised_from_0_while_training_is_no_flat_one():
    share = keras.Variable(0.0)

    def later(epoch, logs):
        share.assign(1.0)

    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    squared = keras.losses.mean_squared_error
    model.compile(keras.optimizers.Adam(0.1), lambda y, p: share * squared(y, p))
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    raises = keras.callbacks.LambdaCallback(on_epoch_begin=later)
    fit = {"validation_data": (X[:32], X[:32, :1]), "callbacks": [diagnosis, raises]}
    model.fit(X, X[:, :1], epochs=60, verbose=0, **fit)
    (flat,) = [f for f in diagnosis.findings if f.symptom == "unsuitable_loss"]
    assert flat.severity == "note"


def test_fine_tuning_at_a_low_rate_is_not_held_against_it():
    keras.utils.set_random_seed(0)
    y = (X[:, 0] + RANDOM.normal(0, 1, 64) > 0).astype(int)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, "sigmoid")])
    for rate, epochs in ((0.05, 60), (1e-5, 4)):
        model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
        diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
        fit = {"epochs": epochs, "verbose": 0, "callbacks": [diagnosis]}
        model.fit(X, y, validation_data=(X, y), **fit)
    low = [f.severity for f in diagnosis.findings if f.symptom == "learning_rate_too_low"]
    assert diagnosis._run.known_gain < 0.7 and low == ["note"]


GENERATOR = np.random.default_rng(0)


class NumpyNoise(keras.Model):
    """Adds noise to the rows of each batch."""

    def train_step(self, *arguments):
        *state, (x, y) = arguments  # JAX hands a state as well
        noise = GENERATOR.normal(size=4).astype("float32")
        return super().train_step(*state, (x + noise, y))


class UnusedNoise(keras.Model):
    """Names a generator, and does not draw from it."""

    def train_step(self, *arguments):
        *state, (x, y) = arguments
        if len(arguments) > 5:
            x = x + GENERATOR.normal()
        return super().train_step(*state, (x, y))


@pytest.mark.parametrize(
    ("kind", "eager", "seen"),
    [(NumpyNoise, False, True), (NumpyNoise, True, False), (UnusedNoise, False, False)],
)
def test_noise_that_is_drawn_while_a_step_is_traced(kind, eager, seen):
    x = keras.Input((4,))
    model = kind(x, layers.Dense(1)(x))
    model.compile("sgd", "mse", run_eagerly=eager)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1], epochs=2, batch_size=16, verbose=0, callbacks=[diagnosis])
    text = "NumpyNoise.train_step draws random numbers with NumPy or Python, and did so in the"
    traces = keras.backend.backend() != "torch"
    assert (text in diagnosis.report()) is (seen and traces)


class DrawingLayer(layers.Layer):
    """Adds noise that is drawn while it is traced."""

    def call(self, x):
        return x + GENERATOR.normal(size=4).astype("float32")


def test_noise_of_a_model_that_its_first_step_builds():
    model = keras.Sequential([DrawingLayer(), layers.Dense(1)])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    batches = tf.data.Dataset.from_tensor_slices((X, X[:, :1])).batch(16)
    model.fit(batches, epochs=2, verbose=0, callbacks=[diagnosis])
    seen = "DrawingLayer.call draws random numbers" in diagnosis.report()
    assert seen is (keras.backend.backend() != "torch")


def test_a_divergence_that_vanishes_is_an_empty_code():
    run = Run(history={"loss": [3.0, 2.0], "kl_loss": [0.8, 1e-4], "val_kl_loss": [0.8, 1e-4]})
    (text,) = texts(training.divergence_vanished, run)
    assert text.startswith("kl_loss fell from 0.8 to 0.0001")
    for values in ([0.8, 3.5], [1e-4, 2e-3], [9.0, 0.5], [np.nan, 1e-4]):
        assert texts(training.divergence_vanished, Run(history={"kl_loss": values})) == []
    assert texts(training.divergence_vanished, Run(history={"kludge": [0.8, 1e-4]})) == []


def test_a_slope_behind_the_last_weights_is_that_of_the_loss():
    for last, change in ((np.nan, "loss"), (1.0, None)):
        run = Run(losses=np.array([0.4, np.nan]), layer_names=["first", "out"])
        run.norms, run.non_finite_at = np.array([[np.nan, last], [np.nan] * 2]), (1, np.nan)
        run.outputs = [Output("out", loss="custom", layer="out")]
        (seen,) = training.infinite_slope(run)
        assert seen.change == change


def test_a_rate_that_a_callback_holds_at_0():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    still = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * (epoch // 10))
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(
        X, X[:, :1] * X[:, 1:2], epochs=3, batch_size=16, verbose=0, callbacks=[still, diagnosis]
    )
    root = diagnosis.findings[0]
    assert (root.symptom, root.severity) == ("learning_rate_too_low", "error")
    assert root.evidence.startswith("The learning rate was 0 at the end of each epoch")


def test_a_schedule_that_has_ended_before_the_first_epoch_has():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 3)), "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    target = X[:, :1] * X[:, 1:2]
    model.fit(X, target, epochs=3, batch_size=16, verbose=0, callbacks=[diagnosis])
    root = diagnosis.findings[0]
    assert root.symptom == "learning_rate_too_low"
    assert "was 0 after half of the training (6 updates), 0 of 0.1" in root.evidence
    assert "CosineDecay counts updates, not epochs" in root.evidence


def test_updates_of_many_batches():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01, gradient_accumulation_steps=40), "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    before = [w.copy() for w in model.get_weights()]
    model.fit(X, X[:, 0] - X[:, 1], batch_size=8, epochs=4, verbose=0, callbacks=[diagnosis])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    first = diagnosis.findings[0]
    assert first.symptom == "stopped_too_soon" and diagnosis._run.updates == 0
    assert "one update of 40 batches: of 32 batches 0" in first.evidence


@pytest.mark.parametrize(("simple", "own", "beaten"), [(0.95, 0.78, True), (0.8, 0.78, False)])
def test_a_simple_model_that_does_far_better_makes_a_good_score_a_poor_one(simple, own, beaten):
    out = Output("out", kind="sparse", score=own, trivial=0.1, gain=0.75, prediction=X)
    out.simple, out.validation_score = (simple, "the nearest rows", own), own
    run = Run(outputs=[out], gain=0.75, held_out_gain=0.75, has_validation=True)
    assert verdict.headline([], run)[0] == ("disappoints" if beaten else "healthy")
    found = Finding("learning_rate_too_low", "suspicion", "learning_rate", "Seen.", "Do.")
    (decided,) = verdict.judge([found], 0.75, True, run)
    assert decided.severity == ("warning" if beaten else "note")


class FirstWeightsAgain(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.first = self.model.get_weights()

    def on_epoch_begin(self, epoch, logs=None):
        self.model.set_weights(self.first)


@pytest.mark.parametrize("again", [True, False])
def test_weights_that_a_callback_puts_back_in_each_epoch(again):
    keras.utils.set_random_seed(0)
    x = RANDOM.normal(size=(640, 6)).astype("float32")
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype("float32")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(32, "relu")])
    model.add(layers.Dense(1, "sigmoid"))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    others = [FirstWeightsAgain()] * again
    model.fit(x, y, epochs=6, verbose=0, callbacks=[*others, diagnosis])
    run = diagnosis._run
    run.gain = 0.3  # whatever was reached
    found = texts(training.starts_anew, run)
    assert ["what an epoch has learned is gone" in text for text in found] == [True] * again


def test_epochs_in_one_order_do_not_start_anew():
    """Their first rows may be the hardest, and their last ones the easiest, by chance."""
    each = np.random.default_rng(0).normal(1, 0.2, 40)
    each[:4], each[-4:] = 1.3, 0.8
    losses = np.tile(each, 5)
    run = Run(losses=losses, epoch_losses=[each.mean()] * 5, gain=0.0)
    assert texts(training.starts_anew, run) == []
    run.losses = np.tile(np.sort(each)[::-1], 5)
    assert len(texts(training.starts_anew, run)) == 1
    run.outputs = [Output("out", prediction=np.zeros((9, 1)))]  # nothing was learned to be lost
    assert texts(training.starts_anew, run) == []


@pytest.mark.parametrize("together", [1, 3])
def test_steps_that_one_call_takes_are_counted(together):
    """A `fit` of 4 epochs over 64 rows in batches of 8 takes 32 steps, however they are called."""
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(momentum=0.99)])
    model.add(layers.Dense(1))
    model.compile("sgd", "mse", steps_per_execution=together)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1], batch_size=8, epochs=4, verbose=0, callbacks=[diagnosis])
    run = diagnosis._run
    assert (run.steps, run.updates) == (32, 32) and int(model.optimizer.iterations) == 32
    out = run.outputs[0]
    out.score, out.training_score, out.gain, run.gain = 0.1, 0.9, 0.1, 0.1
    (seen,) = training.moving_averages_behind(run)
    assert f"after 32 updates {0.99**32:.0%} of the moving averages" in seen.evidence


def test_counts_of_a_distributed_optimizer_are_read():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
    rows = tf.data.Dataset.from_tensor_slices((X, X[:, :1])).batch(8)
    model.fit(rows, epochs=1, verbose=0)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(rows, validation_data=rows, epochs=2, verbose=0, callbacks=[diagnosis])
    text = " ".join(diagnosis.left_out)
    assert diagnosis._run.earlier == 8 and "the 8 updates before" in text
    assert text.count("a distributed dataset is not looked at") == 1 and "Error" not in text
    assert "as the data were not seen" in diagnosis.report().splitlines()[0]


@pytest.mark.parametrize("own", ["nothing", "loss", "test_step", "compute_loss"])
def test_validation_of_a_step_without_a_loss_needs_one_of_its_own(own):
    class Steps(keras.Model):
        def train_step(self, data):
            return {"loss": ops.mean(data[0])}

    if own == "test_step":
        Steps.test_step = Steps.train_step
    if own == "compute_loss":
        Steps.compute_loss = lambda self, **given: ops.mean(given["x"])
    inputs = keras.Input((4,))
    model = Steps(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", "mse" if own == "loss" else None)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1], epochs=1, verbose=0, callbacks=[diagnosis])
    (seen,) = [f for f in diagnosis.findings if f.symptom == "no_validation_data"]
    assert ("your model needs a `test_step`" in seen.remedy) == (own == "nothing")
    assert "validation_split" in seen.remedy
    batches = tf.data.Dataset.from_tensor_slices((X, X[:, :1])).batch(8)
    model.fit(batches, epochs=1, verbose=0, callbacks=[diagnosis])
    (seen,) = [f for f in diagnosis.findings if f.symptom == "no_validation_data"]
    assert "validation_split" not in seen.remedy and "as batches" in seen.remedy


def test_what_an_error_in_the_model_makes_stands_under_it():
    root = Finding("unsuitable_output_activation", "error", "activation", "softmax", "sigmoid")
    rose = Finding("learning_rate_too_high", "error", "learning_rate", "13-fold", "/ 10", epoch=3)
    low = Finding("high_bias", "note", "layers", "0.7", "?", epoch=9)
    large = Finding("learning_rate_too_high", "error", "learning_rate", "rate 10", "/ 10")
    run = Run(gain=0.1)
    found = verdict.judge([root, rose, low], 0.1, True, run)
    assert [f.consequence_of for f in found] == [None, root.symptom, root.symptom]
    found = verdict.judge([root, large], 0.1, True, run)  # a setting, seen before training
    assert [f.consequence_of for f in found] == [None, None]


WELL_AS_IT_IS = "The run does well with it. To get more out: Compile anew."


def test_a_rate_that_does_well_is_not_to_be_changed():
    y = (X[:, :1] > 0).astype("float32")
    out = Output("out", kind="binary", y=y, validation_y=y, gain=1.0, validation_gain=1.0)
    run = Run(outputs=[out], gain=1.0, held_out_gain=1.0)
    fast = Finding("learning_rate_too_high", "suspicion", "learning_rate", "20 ×", "Compile anew.")
    (seen,) = verdict.judge([fast], 1.0, True, run)
    assert (seen.severity, seen.remedy) == ("note", WELL_AS_IT_IS)
    (seen,) = verdict.judge([fast], 0.1, True, Run(outputs=[out], gain=0.1))
    assert (seen.severity, seen.remedy) == ("warning", "Compile anew.")
    (seen,) = verdict.judge([fast], 1.0, True, Run())  # how well it does is not known
    assert (seen.severity, seen.remedy) == ("note", "Compile anew.")
    (seen,) = verdict.judge([fast], 0.9, True, Run(outputs=[out], gain=0.9))
    assert (seen.severity, seen.remedy) == ("note", WELL_AS_IT_IS)


def test_what_was_left_out_for_one_reason_is_said_once():
    left_out = ["scores (no rows)", "the data", "activations (no rows)", "gradients (none)"]
    text = text_of([], "Healthy.", left_out)
    said = "scores, activations (no rows); the data; gradients (none)"
    assert text == f"Healthy.\nNot judged: {said}."


class Places(layers.Layer):
    """Adds a table over the batch, or over the steps of a row."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def build(self, shape):
        size = (20, 1, 4) if self.axis == 0 else (1, 5, 4)
        self.table = self.add_weight(shape=size, initializer="random_normal")

    def call(self, x):
        return x + self.table


@pytest.mark.parametrize("axis", [0, 1])
def test_a_model_that_fits_one_size_of_batch(axis):
    x, y = RANDOM.normal(size=(200, 5, 4)), RANDOM.normal(size=(200, 1))
    model = keras.Sequential([keras.Input((5, 4)), Places(axis), layers.Flatten(), layers.Dense(1)])
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, batch_size=20, epochs=2, verbose=0, callbacks=[diagnosis])
    found = [f.evidence for f in diagnosis.findings if f.symptom == "rows_mix"]
    assert ["batches of 20 rows, and no others" in text for text in found] == [True] * (axis == 0)


@pytest.mark.parametrize(("momentum", "said"), [(0.1, True), (0.99, False)])
def test_a_momentum_that_keeps_the_last_batch_only(momentum, said):
    out = Output("out", y=X[:, :1], gain=0.2, score=0.2, training_score=0.9, trivial=0.0)
    run = Run(outputs=[out], batch_norms={"norm": momentum}, losses=np.ones(300), gain=0.2)
    (seen,) = training.moving_averages_behind(run)
    assert ("90% of them is what the last batch had" in seen.evidence) is said
    assert ("PyTorch's 0.1 is 0.9 here" in seen.remedy) is said


@pytest.mark.parametrize(("factor", "left", "why"), [(1e-4, 0.01, True), (0.1, 0.01, False)])
def test_weights_that_nothing_but_a_small_penalty_moves(factor, left, why):
    run = Run(kernels={"dense": X}, penalized={"dense": factor})
    run.kernel_norms = {"dense": left * float(np.linalg.norm(X))}
    (seen,) = training.penalty_too_strong(run)
    assert seen.severity == "warning" and ("nothing else moves the weights" in seen.evidence) is why
    run.kernel_norms = {"dense": 0.2 * float(np.linalg.norm(X))}
    (seen,) = training.penalty_too_strong(run)
    assert seen.severity is None


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_a_layer_without_a_gradient_comes_before_a_rate(severity):
    run = Run(layer_names=["front", "codes"], norms=np.array([[1.0, 0.0]] * 5))
    run.no_gradient = ["codes"]
    assert [seen.severity for seen in training.no_gradient(run)] == ["error"]
    steps = Finding("learning_rate_too_high", "error", "learning_rate", "", "", epoch=3)
    found = [steps, Finding("no_gradient", severity, "layers", "", "", epoch=3)]
    first = verdict.judge(found, 0.0, True)[0]
    assert first.symptom == ("no_gradient" if severity == "error" else steps.symptom)


@pytest.mark.parametrize(("held_out", "severity"), [(0.85, "warning"), (0.95, "note")])
@pytest.mark.parametrize("symptom", ["repeated_batches", "batches_in_order"])
def test_the_same_rows_again_and_again_count_where_they_were_learned_by_heart(
    symptom, held_out, severity
):
    run = Run(gain=1.0, held_out_gain=held_out)
    found = [Finding(symptom, "suspicion", "data", "", "")]
    (judged,) = verdict.judge(found, 1.0, True, run)
    assert judged.severity == (severity if symptom == "repeated_batches" else "note")
    found.append(Finding("split_mismatch", "warning", "data", "", ""))  # few rows look otherwise
    first = verdict.judge(found, 1.0, True, run)[0]
    is_root = symptom == "repeated_batches" and severity == "warning"
    assert first.symptom == ("repeated_batches" if is_root else "split_mismatch")


class OfTheBatch(layers.Layer):
    """Normalization of one's own, whose mean for `predict` is never written, or is."""

    def __init__(self, gathers):
        super().__init__()
        self.gathers = gathers

    def build(self, shape):
        self.mean = self.add_weight(shape=(shape[-1],), trainable=False, initializer="zeros")

    def call(self, x, training=False):
        if training:
            mean = ops.mean(x, axis=0)
            if self.gathers:
                self.mean.assign(0.8 * self.mean + 0.2 * mean)
            return x - mean
        return x - self.mean


@pytest.mark.parametrize("gathers", [True, False])
def test_a_layer_that_predicts_otherwise_than_it_trains(gathers):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(20, 1, (256, 4)).astype("float32")
    y = (x[:, 0] > 20).astype("float32")
    model = keras.Sequential([keras.Input((4,)), OfTheBatch(gathers), layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=20, verbose=0, callbacks=[diagnosis])
    found = [f for f in diagnosis.findings if f.symptom == "moving_averages_behind"]
    assert [f.severity for f in found] == ["error"] * (not gathers)
    if found:
        assert diagnosis.findings[0] is found[0] and "of your own tells the two apart" in (
            found[0].evidence
        )


@pytest.mark.parametrize("adds", [False, True])
def test_a_step_that_leaves_out_the_penalties_of_its_layers(adds):
    class Own(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(y - self(x, training=True)))
                loss += tf.add_n(self.losses) if adds else 0.0
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return {"mse": loss, "loss": loss}

    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = layers.Dense(32, "relu", kernel_regularizer=keras.regularizers.L2(0.1))(inputs)
    model = Own(inputs, layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1], epochs=60, verbose=0, callbacks=[diagnosis])
    found = [f.evidence for f in diagnosis.findings if "they are not in it" in f.evidence]
    assert len(found) == (not adds)
    penalty = 0.1 * float(np.sum(np.square(model.layers[1].kernel)))
    assert diagnosis._run.penalty == pytest.approx(penalty, rel=1e-4)


class Positioned(layers.Layer):
    """Looks words up and adds their places, as many copied examples do."""

    def __init__(self, **options):
        super().__init__(**options)
        self.words, self.places = layers.Embedding(300, 8), layers.Embedding(12, 8)

    def call(self, x):
        return self.words(x) + self.places(ops.arange(12))


def test_words_that_a_layer_of_ones_own_looks_up_are_no_large_inputs():
    random = np.random.default_rng(0)
    x = random.integers(0, 300, (200, 12))
    inputs = keras.Input((12,), dtype="int32")
    pooled = layers.GlobalAveragePooling1D()(Positioned()(inputs))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(pooled))
    model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    y = random.integers(0, 2, (200, 1))
    model.fit(x, y, epochs=1, verbose=0, callbacks=[diagnosis])
    assert "unnormalized_inputs" not in [finding.symptom for finding in diagnosis.findings]
    assert diagnosis._run.has_ids
    plain = keras.Sequential([keras.Input((12,)), layers.Dense(1, "sigmoid")])
    plain.compile("adam", "binary_crossentropy")
    plain.fit(x, y, epochs=1, verbose=0, callbacks=[diagnosis])
    assert "unnormalized_inputs" in [finding.symptom for finding in diagnosis.findings]


def test_averages_that_lag_in_batches_that_are_large_enough():
    out = Output("out", kind="binary", score=0.6, training_score=0.95, gain=0.2)
    run = Run(outputs=[out], batch_norms={"norm": 0.99}, losses=np.ones(400), batch_size=16)
    (seen,) = training.moving_averages_behind(run)
    assert seen.remedy.startswith("Give BatchNormalization momentum=0.9")
    run.batch_size = 2
    (seen,) = training.moving_averages_behind(run)
    assert seen.remedy.startswith("Use larger batches (16 or more)")


def test_large_inputs_are_one_finding():
    large = {f"input {name!r}": 1000 + X[:, :1] for name in "abcdef"}
    run = Run(inputs=large | {"input 'g'": X[:, :1]})
    (seen,) = data_rules.unnormalized_inputs(run)
    assert "of input 'a' is 1" in seen.evidence and "Of input 'b', " in seen.evidence
    assert "'g'" not in seen.evidence


def test_why_a_network_cannot_be_looked_into_is_said_in_words():
    def refuse():
        raise ValueError("Output with path `0` is not connected to `inputs`")

    left_out = []
    look.attempt(left_out, "activations", refuse)
    assert left_out == ["activations (the layers are no graph that begins at these inputs)"]


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_metric_of_any_name_tells_itself_what_is_better(mode):
    """Under class weights the loss may rise while the ranks get better."""
    metric = keras.metrics.AUC(curve="PR", name="prc")
    stop = keras.callbacks.EarlyStopping("val_prc", mode=mode, restore_best_weights=True)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=[metric])
    run = Run()
    fit = {"callbacks": keras.callbacks.CallbackList([stop], model=model)}
    look._look_at_fit(run, model, fit)
    rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    run.history, run.epoch_losses = {"val_prc": rising, "val_loss": rising}, rising
    found = texts(training.watched_wrongly, run)
    assert ["it takes less for better" in text for text in found] == [True] * (mode == "min")


def test_inputs_that_are_scaled_after_they_were_joined():
    """Many inputs, and layers for each of them, may come before the one that scales."""
    random = np.random.default_rng(0)
    x = {name: random.normal(50, 20, (200, 1)).astype("float32") for name in "abcde"}
    inputs = {name: keras.Input((1,), name=name) for name in x}
    halves = [layers.Rescaling(1.0)(tensor) for tensor in inputs.values()]
    scaling = layers.Normalization()
    scaling.adapt(np.concatenate(list(x.values()), axis=1))
    hidden = layers.Dense(8, "relu")(scaling(layers.Concatenate()(halves)))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(hidden))
    model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    y = random.integers(0, 2, (200, 1))
    model.fit(x, y, epochs=1, verbose=0, callbacks=[diagnosis])
    assert "unnormalized_inputs" not in [finding.symptom for finding in diagnosis.findings]


@pytest.mark.parametrize(("moved", "found"), [(0, True), (1, False)])
def test_steps_whose_labels_are_their_inputs(moved, found):
    text = np.random.default_rng(0).integers(0, 9, (60, 13))
    x, y = text[:, : 13 - moved], text[:, moved:]
    model = keras.Sequential([layers.Embedding(9, 8), layers.GRU(16, return_sequences=True)])
    model.add(layers.Dense(9, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=1, verbose=0, callbacks=[diagnosis])
    symptoms = [f.symptom for f in diagnosis.findings if f.severity != "note"]
    assert ("target_in_inputs" in symptoms) is found


def test_a_copy_of_texts_through_a_narrow_place_is_an_autoencoder():
    text = np.random.default_rng(0).integers(0, 9, (60, 12))
    model = keras.Sequential([keras.Input((12,)), layers.Embedding(9, 8), layers.GRU(16)])
    model.add(layers.RepeatVector(12))
    model.add(layers.GRU(16, return_sequences=True))
    model.add(layers.Dense(9, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(text, text, epochs=1, verbose=0, callbacks=[diagnosis])
    assert "target_in_inputs" not in [finding.symptom for finding in diagnosis.findings]


def test_a_layer_whose_scale_is_too_small_for_its_inputs():
    run = Run(inputs={"the input": 200 * np.abs(X)}, rescaling={"scale": (0.002, 1.0)})
    (seen,) = data_rules.scaled_by_layer(run)
    assert seen.remedy == "Give 'scale' the scale of these inputs (1 / 255 of bytes)."
    run.inputs = {"the input": X / 255}
    (seen,) = data_rules.scaled_by_layer(run)
    assert seen.remedy == "The inputs are scaled already: take 'scale' out."


class Parts(keras.Model):
    """Two outputs and no names for them, as in a model of one's own."""

    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(1), layers.Dense(1)

    def call(self, x):
        return self.first(x), self.second(x)


def test_loss_weights_of_a_model_of_ones_own_are_no_error():
    model = Parts()
    model.compile("adam", ["mse", "mse"], loss_weights=[0.9, 0.1])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, (X[:, :1], X[:, 1:2]), epochs=1, verbose=0, callbacks=[diagnosis])
    assert not any("weights of the losses" in text for text in diagnosis.left_out)


def test_a_model_without_a_call_is_said_to_have_none():
    class Coder(keras.Model):
        def __init__(self):
            super().__init__()
            self.coder = layers.Dense(4)

        def train_step(self, data):
            with tf.GradientTape() as tape:
                loss = ops.mean(ops.square(self.coder(data) - data))
            weights = self.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return {"loss": loss}

    model = Coder()
    model.compile("adam")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, epochs=1, verbose=0, callbacks=[diagnosis])
    assert any("the model has no `call`" in text for text in diagnosis.left_out)
    assert not any("shapes of model and data" in text for text in diagnosis.left_out)


def test_rows_of_an_autoencoder_have_no_labels_of_other_rows():
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 6)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2), layers.Dense(6)])
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    other = 3 + 2 * x[:200]
    fit = {"validation_data": (other, other), "epochs": 2, "verbose": 0}
    model.fit(x, x, **fit, callbacks=[diagnosis])
    assert not any("order the labels" in finding.remedy for finding in diagnosis.findings)


def quantile(share):
    def loss(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(share * error, (share - 1) * error), axis=-1)

    return loss


def test_outputs_that_no_score_tells_of_are_named():
    inputs = keras.Input((4,))
    shares = {"low": 0.1, "middle": 0.5}
    outputs = {name: layers.Dense(1, name=name)(inputs) for name in shares}
    model = keras.Model(inputs, outputs)
    model.compile("adam", {name: quantile(share) for name, share in shares.items()})
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    y = dict.fromkeys(shares, x[:, :1] + 0.5)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[diagnosis])
    (text,) = [text for text in diagnosis.left_out if "the scores of" in text]
    assert "output 'low' (" in text and "middle" not in text


def test_two_networks_that_judge_each_other_are_asked_for_no_validation():
    run = Run(optimizers={"draws": ["a"], "judges": ["b"]})
    assert texts(score_rules.no_validation_data, run) == []
    run.optimizers = {"adam": ["a"]}
    assert texts(score_rules.no_validation_data, run) == [
        "No validation data: high variance cannot be seen."
    ]


def test_targets_that_are_not_scaled_are_no_inputs():
    out = Output("out", kind="regression", y=1000 * X[:, :1], loss="mean_squared_error")
    (found,) = apply((label_rules.unscaled_targets,), Run(outputs=[out], trainable=2))
    assert (found.symptom, found.recipe) == ("unscaled_targets", "recipes/target_scaling.py")


class FadedIn(keras.Model):
    """A penalty fades in by a weight of the model's, which its own step reads."""

    def __init__(self, weight):
        super().__init__(name="faded")
        self.out, self.weight, self.told = layers.Dense(1), weight, 0

    def call(self, x):
        self.told += 1  # counts traces, and is read by what is traced only
        return self.out(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            error = ops.mean(ops.square(self(x, training=True) - y))
            loss = error + self.weight * ops.mean(ops.square(self.out.kernel))
        self.optimizer.apply(
            tape.gradient(loss, self.trainable_variables), self.trainable_variables
        )
        return {"loss": loss}


@pytest.mark.parametrize("kind", ["number", "variable", "eager"])
def test_a_number_that_changes_after_it_was_traced(kind):
    model = FadedIn(keras.Variable(0.0, trainable=False) if kind == "variable" else 0.0)
    model.compile("sgd", run_eagerly=kind == "eager")

    def fade(epoch, logs):
        value = min(1.0, epoch / 2)
        if kind == "variable":
            model.weight.assign(value)
        else:
            model.weight = value

    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_begin=fade), diagnosis]
    model.fit(X, X[:, :1], epochs=4, verbose=0, callbacks=callbacks)
    found = [f.evidence for f in diagnosis.findings if f.symptom == "own_train_step"]
    text = "faded.weight went from 0 to 1 during training. The compiled step keeps the number with "
    assert [evidence.startswith(text) for evidence in found] == [True] * (kind == "number")


@pytest.mark.parametrize("names", [{"reshape"}, set()])
def test_labels_that_a_step_of_ones_own_brings_into_shape(names):
    out = Output("out", loss="own step", kind="regression", shape=(1,), label_shape=(), y=X[:, :1])
    run = Run(outputs=[out], own_step=True, step_names=names)
    assert len(texts(model_rules.shapes_broadcast, run)) == (not names)
