"""Kinds of faults in losses and scores: a planted one, its twin, the number."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from sklearn.metrics import r2_score

from callbacks.diagnosis import Diagnosis, lags, look, scores, verdict
from callbacks.diagnosis import rules_of_labels as label_rules
from callbacks.diagnosis import rules_of_losses as loss_rules
from callbacks.diagnosis import rules_of_rows as rows
from callbacks.diagnosis import rules_of_scores as at_end
from callbacks.diagnosis import rules_of_split as split
from callbacks.diagnosis.own_loss import (
    compares_directions,
    idle_columns,
    in_own_terms,
    is_one_number,
    properties_of,
    rows_read,
)
from callbacks.diagnosis.run import Output, Run, Watcher
from callbacks.diagnosis.target import label_kind
from tests.planted import blamed, given_only, settled, texts

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")


def test_classes_of_which_none_is_ever_likely():
    y = RANDOM.integers(0, 8, (200, 1)).astype(float)
    cosines = 0.6 * (np.arange(8) == y) + RANDOM.uniform(-0.3, 0.3, (200, 8))
    settled, falling = [1.9, 1.6, 1.599], [1.9, 1.7, 1.5]
    for scale, losses, found in ((1, settled, True), (16, settled, False), (1, falling, False)):
        out = Output("out", y=y, kind="sparse", loss="sparse_categorical_crossentropy", units=8)
        out.from_logits, out.prediction, out.score = True, scale * cosines, 1.0
        evidence = texts(at_end.never_sure, Run(outputs=[out], epoch_losses=losses))
        assert ["the likeliest class" in text for text in evidence] == [True] * found
        out.score = None  # where weights of 0 leave labels out
        assert texts(at_end.never_sure, Run(outputs=[out], epoch_losses=losses)) == []
        out.score = 1.0
        out.from_logits, out.prediction = False, np.exp(out.prediction)
        out.prediction /= out.prediction.sum(axis=1, keepdims=True)
        assert len(texts(at_end.never_sure, Run(outputs=[out], epoch_losses=losses))) == found


@pytest.mark.parametrize(
    ("loss", "y", "words"),
    [
        (
            "mean_absolute_percentage_error",
            np.r_[0.0, np.ones(19)],
            "divides by the targets, and 5.0%",
        ),
        ("mean_absolute_percentage_error", np.ones(20), None),
        ("mean_squared_logarithmic_error", np.r_[-1.0, np.ones(19)], "negative targets for 0 (5%"),
        ("mean_squared_error", np.arange(20) % 4, None),
    ],
)
def test_losses_of_numbers(loss, y, words):
    out = Output("out", loss=loss, y=np.asarray(y, "float64")[:, None], kind="regression", units=1)
    found = texts(loss_rules.unsuitable_loss, Run(outputs=[out]))
    assert [words in text for text in found] == [True] * (words is not None)


def test_weights_of_the_losses():
    large, small = Output("a", kind="regression", gain=0.9), Output("b", gain=0.0, score=0.5)
    run = Run(outputs=[large, small], history={"a_loss": [0.7], "b_loss": [0.7]})
    assert texts(loss_rules.one_loss_outweighs, run) == []
    run.loss_weights = {"a": 1.0, "b": 1e-3}
    assert "'b' has 0.001 of the weight" in texts(loss_rules.one_loss_outweighs, run)[0]
    inputs = keras.Input((4,))
    ends = [layers.Dense(1, name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, ends)
    model.compile("adam", ["mse", "mse"], loss_weights=[1.0, 0.5])
    assert look._loss_weights(model) == {"a": 1.0, "b": 0.5}


def test_windows_too_short_for_what_recurs():
    y = RANDOM.normal(size=(600, 1))
    for length, found in ((3, True), (40, False)):  # of many simple models tell too little
        x = RANDOM.normal(size=(600, length, 1))
        out = Output("out", y=y[:300], validation_y=y[300:], gain=0.0, trivial=0.0)
        out.prediction, out.validation_prediction = np.zeros((300, 1)), np.zeros((300, 1))
        out.validation_score = out.validation_gain = 0.0
        run = Run(table=x[:300], validation_table=x[300:], outputs=[out])
        out.simple = scores.simple_models(run, out)
        seen = list(rows.inputs_tell_nothing(run))
        assert len(seen) == found
        assert not found or "give a longer window" in seen[0].remedy


@pytest.mark.parametrize(("watched", "found"), [("loss", True), ("val_loss", False)])
def test_an_early_stopping_that_watches_the_training_rows(watched, found):
    run = Run(curves=[([0.9], [0.9, 0.7], "accuracy", True)], trivial=0.1)
    run.watchers = [Watcher("EarlyStopping", watched, None, 3)]
    (seen,) = at_end.high_variance(run)
    assert ("EarlyStopping watches 'loss' of the training rows" in seen.evidence) is found
    assert (seen.change == "epochs" and "'val_loss'" in seen.remedy) is found


@pytest.mark.parametrize(
    ("name", "train", "val", "found"),
    [
        ("accuracy", [0.9, 0.95], [0.8, 0.7], True),
        ("accuracy", [0.9, 0.95], [0.7, 0.71], False),  # no epoch before was better
        ("loss", [0.5, 0.1], [0.6, 1.2], True),
        ("loss", [0.5, 0.1], [1.0, 1.0], False),
    ],
)
def test_an_earlier_end_is_advised_where_an_epoch_before_was_better(name, train, val, found):
    run = Run(curves=[(train, val, name, name == "accuracy")], trivial=0.1, variance=2.0)
    (seen,) = at_end.high_variance(run)
    assert ("stop at the best epoch" in seen.remedy) is found


def test_without_finite_labels_simple_models_tell_nothing():
    x = RANDOM.normal(size=(120, 4))
    out = Output("out", y=x[:, :1].copy(), prediction=np.zeros((120, 1)))
    assert scores.told_within(out, x) is not None
    out.y[3] = np.inf
    assert scores.told_within(out, x) is None


@pytest.mark.parametrize(("every", "is_told"), [(16, True), (64, False)])
def test_of_a_handful_of_events_nothing_is_told(every, is_told):
    """A quarter of 1,200 rows is scored: 19 events tell how well they are ranked, 5 do not."""
    x = RANDOM.normal(size=(1200, 4))
    y = (np.arange(1200) % every == 0).astype("float64")[:, None]
    out = Output("out", kind="binary", y=y, prediction=np.full((1200, 1), 0.1))
    assert scores.told_within(out, x) is not None
    out.balanced = True
    assert (scores.told_within(out, x) is not None) == is_told


def test_labels_of_a_hinge_are_classes():
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    assert label_kind(y, Output("out", units=1, loss="squared_hinge"))[1] == "binary"
    assert label_kind(y, Output("out", units=1, loss="mean_squared_error"))[1] == "regression"
    out = Output("out", units=1, loss="hinge", kind="binary", y=y[:, None])
    guess = np.where(np.arange(64)[:, None] < 16, -out.y, 3 * out.y)
    assert scores.gain_of(out, out.y, guess)[0] == 48 / 64


def cosines_from(offset, sign):
    def one_of_cosines(y_true, y_pred):
        return offset + sign * keras.losses.cosine_similarity(y_true, y_pred)

    return one_of_cosines


@pytest.mark.parametrize(("sign", "said"), [(-1, True), (1, False)])
def test_a_loss_that_is_least_for_the_opposite(sign, said):
    y = RANDOM.normal(size=(200, 3))
    out = Output("out", units=3, shape=(3,), function=cosines_from(1, sign), y=y)
    out.label_shape, out.activation = (3,), "linear"
    out.properties = properties_of(out)
    found = list(loss_rules.own_loss(Run(outputs=[out])))
    assert [seen.severity for seen in found] == ["warning"] * said
    assert not said or "It is least" in found[0].evidence


@pytest.mark.parametrize(
    ("loss", "expected"), [(cosines_from(1, 1), True), ("cosine_similarity", True), ("mse", False)]
)
def test_where_the_length_of_a_prediction_does_not_matter_directions_are_scored(loss, expected):
    y = RANDOM.normal(size=(200, 3))
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    out = Output("out", units=3, shape=(3,), label_shape=(3,), function=loss, y=y)
    out.blind_to_length = compares_directions(out)
    assert out.directions is expected
    guess = (y + RANDOM.normal(size=y.shape) / 4) * RANDOM.uniform(1, 9, (200, 1))
    if expected:
        lengths = [np.sqrt(np.square(values).sum(axis=1, keepdims=True)) for values in (y, guess)]
        shown = guess / lengths[1] * lengths[0]
        told = r2_score(y, shown, multioutput="variance_weighted")
        assert scores.gain_of(out, y, guess)[0] == pytest.approx(told, rel=1e-6)
    else:
        assert scores.gain_of(out, y, guess)[0] < 0


def test_counts_that_vary_as_counts_do_are_as_good_as_they_can_be():
    mean = np.exp(RANDOM.normal(size=(4000, 1)))
    y = RANDOM.poisson(mean).astype(float)
    out = Output("out", loss="poisson", y=y, prediction=mean)
    assert scores.is_noise_of_counts(out)
    out.prediction = np.full_like(mean, y.mean())  # knows nothing of the rows
    assert not scores.is_noise_of_counts(out)
    out.y, out.prediction = mean / 100, np.full_like(mean, mean.mean() / 100)  # no counts
    assert not scores.is_noise_of_counts(out)


def test_a_loss_that_does_not_see_the_level_of_the_predictions():
    y = 30 + 4 * RANDOM.normal(size=(100, 1))
    out = Output("out", y=y, prediction=(y - 30) / 8, properties={"blind_to": ["level", "scale"]})
    run = Run(outputs=[out], metrics=["mean_absolute_error"])
    (seen,) = loss_rules.loss_blind_to_level(run)
    by_hand = 1 - np.mean((y - (y - 30) / 8) ** 2) / y.var()
    assert f"R² is {by_hand:.3g}; moved and stretched to fit it is 1.00" in seen.evidence
    assert seen.severity is None and "mean squared error" in seen.remedy
    run.metrics = ["rank_correlation"]  # the order is what is wanted
    assert [seen.severity for seen in loss_rules.loss_blind_to_level(run)] == ["note"]
    run.metrics, out.prediction = [], y + 1  # near enough
    assert texts(loss_rules.loss_blind_to_level, run) == []
    out.prediction, out.properties = (y - 30) / 8, {"blind_to": []}  # other causes, other rules
    assert texts(loss_rules.loss_blind_to_level, run) == []


def quantiles(y_true, y_pred):
    """Pinball loss of the levels 0.1, 0.5 and 0.9."""
    miss, levels = y_true - y_pred, keras.ops.array([0.1, 0.5, 0.9])
    return keras.ops.mean(keras.ops.maximum(levels * miss, (levels - 1) * miss), axis=-1)


def gauss(y_true, y_pred):
    """Negative logarithm of a normal density, of its mean and the logarithm of its spread."""
    far = (y_true[..., 0] - y_pred[..., 0]) / keras.ops.exp(y_pred[..., 1])
    return keras.ops.square(far) / 2 + y_pred[..., 1]


def broadcast(y_true, y_pred):
    """A squared error of too many outputs."""
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def summed(y_true, y_pred):
    """The same, added up over the rows."""
    return keras.ops.sum(broadcast(y_true, y_pred))


def embedded(y_true, y_pred):
    """How near rows of one label are to each other, and how far from those of others."""
    far = keras.ops.sum(keras.ops.square(y_pred[:, None] - y_pred[None]), axis=-1)
    same = keras.ops.cast(keras.ops.sign(y_true) == keras.ops.sign(y_true[:, 0]), "float32")
    return keras.ops.mean(same * far - (1 - same) * keras.ops.minimum(far, 1.0))


@pytest.mark.parametrize(
    ("loss", "units", "found"),
    [
        *((quantiles, 3, True), (gauss, 2, True), (embedded, 3, True)),
        *((broadcast, 2, False), (broadcast, 1, False), (summed, 2, False)),
    ],
)
def test_a_loss_that_gives_its_outputs_a_meaning_of_its_own(loss, units, found):
    out = Output("out", function=loss, loss="custom", y=X[:, :1].astype("float64"), units=units)
    out.shape, out.label_shape, out.activation = (units,), (1,), "relu"
    out.in_own_terms, out.prediction = in_own_terms(out), np.zeros((64, units))
    assert out.in_own_terms is found
    assert bool(texts(at_end.zero_output, Run(outputs=[out]))) is not found


def known_only(y_true, y_pred):
    """Squared error where the label is no -1."""
    known = keras.ops.cast(y_true != -1, "float32")
    return keras.ops.sum(known * keras.ops.square(y_true - y_pred)) / keras.ops.sum(known)


def likelihood(y_true, y_pred):
    """Cross-entropy of one-hot rows: what is predicted where the label is 0 does not matter."""
    return -keras.ops.sum(y_true * keras.ops.log(y_pred), axis=-1)


@pytest.mark.parametrize(
    ("loss", "labels", "found"),
    [
        (known_only, np.where(X > 0.5, -1, X > 0), True),
        (given_only, np.where(X > 0.5, np.nan, X > 0), True),
        (broadcast, np.where(X > 0.5, -1, X > 0), False),
        (likelihood, np.eye(4)[np.argmax(X, axis=1)], False),
    ],
)
def test_a_loss_that_leaves_out_labels_that_are_not_known(loss, labels, found):
    out = Output("out", function=loss, loss="custom", units=4, shape=(4,), label_shape=(4,))
    out.y, out.kind = label_kind(labels, out)
    out.activation = "sigmoid"
    out.in_own_terms = in_own_terms(out)
    assert out.in_own_terms is found
    run = Run(outputs=[out], num_rows=64)
    out.prediction = np.full((64, 4), 0.5)
    scores.judge_scores(run, None, [])
    assert (out.score is None) is found  # no score knows which labels count
    assert texts(label_rules.label_problem, run) == []


def test_rows_of_little_weight_need_not_be_learned():
    x = np.linspace(-1, 1, 200)[:, None]
    y = np.where(np.arange(200)[:, None] < 100, -x, x)  # the older half says the opposite
    out = Output("out", y=y, prediction=x, loss="mean_squared_error")
    out.validation_y = out.validation_prediction = x[100:]
    run = Run(outputs=[out], inputs={"the input": x}, table=x)
    scores.judge_scores(run, None, [])
    assert run.gain < 0.1
    run.weights = np.where(np.arange(200) < 100, 0.1, 1.0)
    scores.judge_scores(run, None, [])
    assert run.gain == pytest.approx(1.0)


def test_of_one_row_no_score_is_known():
    out = Output("out", y=np.array([[9.0]]), prediction=np.array([[0.45]]))
    scores.judge_scores(Run(outputs=[out]), None, [])
    assert not np.isfinite(out.score)
    out.prediction = out.y.copy()
    scores.judge_scores(Run(outputs=[out]), None, [])
    assert out.score == 1.0


def own_variance(y_true, y_pred):
    """A normal likelihood with the variance of the predictions in place of that of the errors."""
    variance = keras.ops.var(y_pred) + 1e-6
    miss = keras.ops.mean(keras.ops.square(y_true - y_pred))
    return miss / variance + keras.ops.log(variance)


def of_logarithms(y_true, y_pred):
    """Squared error of predictions that are the logarithm of the label."""
    return keras.ops.mean(keras.ops.square(keras.ops.log(y_true) - y_pred), axis=-1)


@pytest.mark.parametrize(
    ("loss", "found"), [(own_variance, True), (broadcast, False), (of_logarithms, False)]
)
def test_a_loss_that_is_smaller_for_flat_predictions(loss, found):
    y = X[:, :1].astype("float64")
    y = np.exp(y) if loss is of_logarithms else y
    out = Output("out", loss="custom", function=loss, y=y, units=1)
    out.shape, out.label_shape, out.activation = (1,), (1,), "linear"
    out.properties = properties_of(out)
    evidence = texts(loss_rules.own_loss, Run(outputs=[out]))
    assert ["makes predictions flat" in text for text in evidence] == [True] * found


class Apart(keras.losses.Loss):
    """Squared error of labels as they come."""

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(("label_shape", "found"), [((), True), ((1,), False)])
def test_a_loss_of_ones_own_that_broadcasts(label_shape, found):
    out = Output("out", loss="custom", function=Apart(), y=X[:, :1].astype("float64"), units=1)
    out.shape, out.label_shape, out.activation = (1,), label_shape, "linear"
    out.properties = properties_of(out)
    evidence = texts(loss_rules.own_loss, Run(outputs=[out]))
    assert ["broadcast to (n, n)" in text for text in evidence] == [True] * found


def test_words_are_counted_for_simple_models():
    x = np.array([[3, 3, 7], [7, 5, 5]])
    run = Run(inputs={"the input": x}, has_ids=True)
    table, validation = scores.tables_of(run)
    assert validation is None
    assert sorted(map(tuple, table.T.tolist())) == [(0, 2), (1, 1), (2, 0)]  # 5, 7 and 3


def test_waiting_is_no_remedy_for_a_score_that_does_not_move():
    falling = {"epoch_losses": list(0.97 ** np.arange(12.0)), "losses": np.ones(500)}
    for gain, severity in ((0.02, "note"), (0.4, "warning")):  # halving takes 23 epochs of 12
        (seen,) = at_end.stopped_too_soon(Run(**falling, gain=gain))
        assert seen.severity == severity
        assert ("epochs at this pace" in seen.remedy) is (severity == "warning")
    falling["epoch_losses"] = list(0.99 ** np.arange(12.0))  # 69 epochs of 12
    (seen,) = at_end.stopped_too_soon(Run(**falling, gain=0.4))
    assert seen.severity == "note"


def test_a_smooth_curve_that_flattens_is_judged_by_its_last_steps():
    """exp(3 exp(-k / 4)): the log of the loss falls by a factor of 0.779 less with each epoch."""
    flattening = np.exp(3 * np.exp(-np.arange(20) / 4))
    fall, _ = scores.trend_of(Run(epoch_losses=list(flattening)))
    assert fall == pytest.approx((np.exp(-16 / 4) - np.exp(-19 / 4)) * 3 / 3)
    steady = 0.9 ** np.arange(20)
    assert scores.trend_of(Run(epoch_losses=list(steady)))[0] == pytest.approx(np.log(1 / 0.9))
    flattening[-2] = flattening[-3]  # noise: then its last quarter counts, of 5 epochs
    before, after = flattening[10:15].mean(), flattening[15:].mean()
    fall, _ = scores.trend_of(Run(epoch_losses=list(flattening)))
    assert fall == pytest.approx(np.log(before / after) / 5)


@pytest.mark.parametrize(
    ("patience", "gain", "severity"),
    [(0, 0.2, "warning"), (20, 0.2, "note"), (0, 0.75, "warning"), (0, 0.92, "note")],
)
def test_an_early_stopping_without_patience(patience, gain, severity):
    run = Run(epoch_losses=[0.69, 0.68, 0.66, 0.645], losses=np.ones(100), gain=gain)
    run.planned, run.watchers = 40, [Watcher("EarlyStopping", "val_loss", None, patience)]
    (seen,) = at_end.stopped_too_soon(run)
    assert seen.severity == severity and "ended it before the 40 asked for" in seen.evidence
    assert ("more patience" in seen.remedy) is (patience == 0)


def test_a_run_that_has_seen_the_turn_has_not_stopped_too_soon():
    run = Run(epoch_losses=list(0.9 ** np.arange(12.0)), losses=np.ones(500), gain=0.75)
    run.planned, run.watchers = 100, [Watcher("EarlyStopping", "val_loss", None, 6)]
    assert len(texts(at_end.stopped_too_soon, run)) == 1
    run.history = {"val_loss": [0.9, 0.8, 0.7, 0.6, 0.65, 0.7, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9]}
    assert texts(at_end.stopped_too_soon, run) == []
    run.watchers = []  # nobody has ended it, and waiting would gain nothing either
    assert texts(at_end.stopped_too_soon, run) == []


def test_class_numbers_given_to_a_regression():
    """A class between two others is taken for their middle: R² is high where few are told."""
    y = np.arange(400) % 5
    x = np.eye(5)[y] + 0.01 * RANDOM.normal(size=(400, 5))
    wrong = y + np.where(np.arange(400) % 2, 0.6, -0.6)
    out = Output("out", y=y[:, None], loss="mean_squared_error", prediction=wrong[:, None])
    run = Run(outputs=[out], inputs={"the input": x}, table=x, metrics=["mae"])
    scores.judge_scores(run, None, [])
    assert (
        out.measure == "R²" and out.gain > 0.7 and texts(loss_rules.classes_as_numbers, run) == []
    )
    run.metrics = ["accuracy"]
    scores.judge_scores(run, None, [])
    assert (out.measure, out.score) == ("accuracy (rounded)", 0.2)  # half of the first and last
    (seen,) = loss_rules.classes_as_numbers(run)
    assert "right in 20% of some rows" in seen.evidence and "5 softmax units" in seen.remedy
    run.table = run.inputs["the input"] = RANDOM.normal(size=(400, 5))  # amounts, such as ratings
    scores.judge_scores(run, None, [])
    assert out.measure == "R²" and texts(loss_rules.classes_as_numbers, run) == []


def test_a_score_without_a_yardstick_is_not_called_disappointing():
    out = Output("out", y=X[:, :1].astype("float64"), prediction=0.6 * X[:, :1])
    run = Run(outputs=[out], epoch_losses=[1.0] * 6, losses=np.ones(300), planned=6)
    scores.judge_scores(run, None, [])
    assert 0.7 < run.gain < 0.9  # 1 − 0.4², nothing to say
    out.prediction = 0.3 * X[:, :1]  # 1 − 0.7² = 0.51
    scores.judge_scores(run, None, [])
    assert verdict.headline([], run)[0] == "not judged"
    out.prediction = 0.05 * X[:, :1]  # 0.10: near that of a constant
    scores.judge_scores(run, None, [])
    assert verdict.headline([], run)[0] == "disappoints"


def test_counts_of_rare_demand_are_mostly_chance():
    random = np.random.default_rng(2)
    x = random.normal(size=(1600, 3))
    expected = 0.4 * np.exp(0.35 * x[:, :1] - 0.06)  # all that can be known
    y = random.poisson(expected).astype("float64")
    out = Output("out", y=y[:1000], validation_y=y[1000:], loss="mean_squared_error")
    run = settled(outputs=[out], table=x[:1000], validation_table=x[1000:])
    out.prediction, out.validation_prediction = expected[:1000], expected[1000:]
    assert blamed(run) == (set(), "not judged")
    assert 0 < out.validation_score < scores.CHANCE
    out.prediction, out.validation_prediction = np.full((1000, 1), 0.4), np.full((600, 1), 0.4)
    assert blamed(run) == ({"slow_convergence", "high_bias"}, "wrong")
    out.y, out.validation_y = random.permutation(out.y), random.permutation(out.validation_y)
    assert "inputs_tell_nothing" in blamed(run)[0]


def test_a_loss_of_logarithms_is_scored_by_logarithms():
    y = np.exp(RANDOM.normal(size=(300, 1)) * 2)
    prediction = np.exp(np.log(y) + 0.3 * RANDOM.normal(size=y.shape))
    prediction[0] = -0.5  # which this loss of Keras takes for 0
    out = Output("out", y=y, prediction=prediction, loss="mean_squared_logarithmic_error")
    run = Run(outputs=[out], inputs={"the input": np.log(y)}, table=np.log(y))
    scores.judge_scores(run, None, [])
    wanted = r2_score(np.log1p(y), np.log1p(np.maximum(prediction, 0)))
    assert out.score == pytest.approx(wanted) and out.measure == "R² of log(1 + target)"


@pytest.mark.parametrize("loss", ["huber", "mean_squared_error"])
def test_a_loss_that_forgives_outliers_is_not_judged_by_them(loss):
    y = np.linspace(-1, 1, 200)[:, None]
    prediction = y.copy()
    y[::50] += 30  # 4 of 200, which the network does not follow
    out = Output("out", y=y, prediction=prediction, loss=loss)
    run = Run(outputs=[out], inputs={"the input": y}, table=y)
    scores.judge_scores(run, None, [])
    if loss == "huber":
        assert (out.score, out.measure) == (1.0, "R² of all but 5 % of the rows")
    else:
        assert (out.score, out.measure) == (1 - 4 * 30**2 / 200 / y.var(), "R²")
    out.prediction = np.zeros_like(y)  # it has learned nothing: that the worst are left out hides
    scores.judge_scores(run, None, [])  # no such run
    assert out.measure == "R²" and out.score < 0.1


def test_few_training_rows_are_compared_with_as_few_validation_rows():
    """Simple models make more of 1000 rows than of 120, which is no matter of the labels."""
    x = RANDOM.normal(size=(1000, 40))
    y = (x[:, :1] * x[:, 1:2] > 0).astype("float64")
    out = Output("out", kind="binary", y=y[:120], prediction=y[:120], trivial=0.5)
    out.validation_y, out.validation_prediction = y, y
    run = Run(outputs=[out], table=x[:120], validation_table=x)
    out.simple = scores.simple_models(run, out)
    within, _, there = split.simple_skills(run)
    assert within == there  # the validation rows begin with those of training


def test_which_side_a_row_is_of_does_not_depend_on_the_order_of_the_rows():
    x = RANDOM.normal(size=(1500, 4))
    x[:, 0] += np.repeat([0, 3, 6], 500)
    other = x[RANDOM.permutation(1500)[:300]]
    assert scores.area_between(x, other) == pytest.approx(0.5, abs=0.1)


def masked_by_the_first(first, second):
    """Squared error where the first of its arguments is not 0."""
    known = ops.cast(ops.not_equal(first, 0), "float32")
    return ops.sum(known * ops.square(first - second)) / (ops.sum(known) + 1e-6)


@pytest.mark.parametrize("swapped", [True, False])
def test_a_loss_that_leaves_out_what_is_predicted_to_be_0(swapped):
    y = np.where(RANDOM.random((64, 5, 1)) < 0.4, 0, RANDOM.normal(3, 1, (64, 5, 1)))
    out = Output("out", loss="custom", shape=(5, 1), label_shape=(5, 1), units=1, layer="out")
    out.y, out.activation = y.reshape(-1, 1), "linear"
    out.function = (lambda t, p: masked_by_the_first(p, t)) if swapped else masked_by_the_first
    out.properties, out.in_own_terms = properties_of(out), in_own_terms(out)
    found = texts(loss_rules.own_loss, Run(outputs=[out]))
    assert ["where all predictions are 0, a label that comes often" in t for t in found] == (
        [True] if swapped else []
    )
    assert out.in_own_terms is not swapped  # as it is meant, it leaves out labels
    zeros = np.zeros_like(y, "float32")
    assert (float(out.function(y.astype("float32"), zeros)) == 0) is swapped


@pytest.mark.parametrize(("activation", "units"), [("softmax", 3), ("sigmoid", 1), ("linear", 3)])
@pytest.mark.parametrize("from_logits", [True, False])
def test_a_loss_of_ones_own_that_squashes_probabilities_again(activation, units, from_logits):
    named = "binary_crossentropy" if units == 1 else "categorical_crossentropy"
    of_keras = getattr(keras.losses, named)
    y = np.eye(3)[np.arange(60) % 3][:, :units]
    out = Output("out", loss="custom", shape=(units,), label_shape=(units,), units=units, y=y)
    out.kind, out.activation = ("binary" if units == 1 else "onehot"), activation
    out.function = lambda t, p: of_keras(t, p, from_logits=from_logits)
    out.properties = properties_of(out)
    found = texts(loss_rules.own_loss, Run(outputs=[out]))
    is_twice = from_logits and activation != "linear"
    assert any("is applied twice" in text for text in found) is is_twice


class StepByHelpers(keras.Model):
    def told(self, y, scores):
        return ops.mean(tf.nn.softmax_cross_entropy_with_logits(y, scores))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.told(y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_a_train_step_that_takes_probabilities_for_scores(activation):
    inputs = keras.Input((4,))
    model = StepByHelpers(inputs, layers.Dense(3, activation, name="out")(inputs))
    model.compile("sgd")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    y = np.eye(3)[np.digitize(X[:, 0], [-0.5, 0.5])]
    model.fit(X, y, epochs=1, verbose=0, callbacks=[diagnosis])
    assert {"told", "softmax_cross_entropy_with_logits"} <= diagnosis._run.step_names
    found = texts(loss_rules.logits_in_own_step, diagnosis._run)
    assert ["it is applied twice" in text for text in found] == [True] * (activation == "softmax")


def test_the_pace_is_that_of_the_output_that_does_worst():
    outs = [Output("good", gain=0.9, score=0.9), Output("bad", gain=0.4, score=0.4)]
    run = Run(outputs=outs, gain=0.4, epoch_losses=list(np.geomspace(4, 1, 8)))
    run.history = {"bad_loss": [0.7] * 8, "good_loss": list(np.geomspace(3, 0.3, 8))}
    assert texts(at_end.stopped_too_soon, run) == []
    run.history["bad_loss"] = list(np.geomspace(0.7, 0.3, 8))
    assert len(texts(at_end.stopped_too_soon, run)) == 1


@pytest.mark.parametrize(("optimizer", "weight"), [("SGD", 1e-3), ("SGD", 1.0), ("Adam", 1e-3)])
def test_rows_so_light_that_steps_are_none(optimizer, weight):
    run = Run(optimizer=optimizer, learning_rate=0.1, weights=np.full(50, weight))
    step, remedy, _ = at_end._another_step(run)
    is_light = (optimizer, weight) == ("SGD", 1e-3)  # Adam divides by the size of the gradient
    assert ("of rows that weigh 0.001 on average" in step) is is_light
    assert (remedy == "Divide the sample weights by their mean.") is is_light


@pytest.mark.parametrize(("shift", "place"), [(1, "1 before it"), (-2, "2 after it"), (0, None)])
def test_a_loss_that_looks_at_another_row(shift, place):
    y = RANDOM.normal(size=(60, 1))
    out = Output("out", loss="custom", y=y, units=1, shape=(1,), label_shape=(1,))
    out.function = lambda label, guess: ops.mean(ops.square(label - ops.roll(guess, -shift, 0)))
    out.properties = properties_of(out)
    found = texts(loss_rules.own_loss, Run(outputs=[out]))
    assert [f"that of the row {place}" in text for text in found] == [True] * bool(place)


def squared(y, p):
    return ops.square(y[:, 0] - p[:, 0])


PACKED = {  # a loss of labels (n, 2) and predictions (n, 1): columns that stand anywhere
    "weights beside errors": (lambda y, p: y[:, 1] * squared(y, p), []),
    "weights across errors": (lambda y, p: y[:, 1:] * squared(y, p), [1]),
    "weights that cancel": (lambda y, p: y[:, 1:] * squared(y, p) / ops.mean(y[:, 1]), [1]),
    "errors across": (lambda y, p: y[:, 1] * ops.square(y[:, :1] - p[:, 0]), [0]),
    "one column unread": (lambda y, p: squared(y, p), [1]),
}


@pytest.mark.parametrize("kind", PACKED)
def test_columns_of_labels_that_may_stand_in_any_row(kind):
    function, columns = PACKED[kind]
    y = np.random.default_rng(0).uniform(0.5, 2, (60, 2))
    out = Output("out", loss="custom", y=y.reshape(-1, 1), shape=(1,), label_shape=(2,))
    out.function = lambda y, p: ops.mean(function(y, p))
    out.idle_columns = idle_columns(out)
    found = texts(loss_rules.idle_columns, Run(outputs=[out]))
    named = [int(text.split(" of the labels")[0].split()[-1]) for text in found]
    assert named == columns


@pytest.mark.parametrize(("of_ones", "found"), [(0.01, True), (1.0, False), (9.0, False)])
def test_a_loss_in_which_the_rare_label_is_the_cheap_one(of_ones, found):
    def weighted(y_true, y_pred):
        p = ops.clip(y_pred, 1e-6, 1 - 1e-6)
        losses = -of_ones * y_true * ops.log(p) - (1 - y_true) * ops.log(1 - p)
        return ops.mean(losses, axis=-1)

    out = Output("out", loss="custom", kind="binary", activation="sigmoid", units=1, shape=(1,))
    out.y, out.function, out.label_shape = (np.arange(64)[:, None] % 8 == 0) * 1.0, weighted, (1,)
    out.properties = properties_of(out)
    np.testing.assert_allclose(out.properties["costs"], np.array([1, of_ones]) * -np.log(0.1), 1e-4)
    told = texts(loss_rules.own_loss, Run(outputs=[out]))
    assert any("the cheap one is the rare one" in text for text in told) is found


@pytest.mark.parametrize(("lengths", "said"), [((1, 9), True), ((4, 4.2), False)])
def test_a_loss_of_directions_does_not_see_amounts(lengths, said):
    y = RANDOM.normal(size=(200, 2))
    y *= RANDOM.uniform(*lengths, (200, 1)) / np.linalg.norm(y, axis=1, keepdims=True)
    out = Output("out", units=2, shape=(2,), label_shape=(2,), function="cosine_similarity", y=y)
    out.blind_to_length, out.prediction = compares_directions(out), y / 2
    assert out.directions is not said
    found = texts(loss_rules.loss_blind_to_length, Run(outputs=[out]))
    assert ["and the loss does not see that" in text for text in found] == [True] * said
    perfect = scores.gain_of(out, y, out.prediction)[0]
    assert perfect == pytest.approx(r2_score(y, y / 2, multioutput="variance_weighted")) or not said
    assert said or perfect == pytest.approx(1)


@pytest.mark.parametrize(("turn", "said"), [(1.0, True), (0.1, False)])
def test_columns_that_are_turned_in_validation_rows(turn, said):
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 2))
    y = x[:, :1] + 0.2 * random.normal(size=(400, 1))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    x[300:] = x[300:] @ rotation  # no column moves, and no classifier tells the sides
    out = Output("out", y=y[:300], validation_y=y[300:], trivial=0.0, score=0.9, gain=0.9)
    out.prediction, out.validation_prediction = x[:300, :1], x[300:, :1]
    out.validation_score, out.validation_gain, _ = scores.gain_of(out, y[300:], x[300:, :1])
    run = Run(outputs=[out], table=x[:300], validation_table=x[300:])
    run.gain, run.held_out_gain = 0.9, out.validation_gain
    out.simple = scores.simple_models(run, out)
    found = texts(split.split_mismatch, run)
    assert ["both sides are prepared in different ways" in text for text in found] == [True] * said


@pytest.mark.parametrize(("most", "said"), [(50, True), (5, False)])
def test_words_that_are_fitted_as_amounts(most, said):
    x = RANDOM.integers(0, 50, (400, 4))
    y = x[:, :1] * 7 % most  # of few the targets may be grades
    out = Output("out", y=y.astype("float64"), loss="mean_squared_error")
    run = Run(inputs={"the input": x}, outputs=[out], has_ids=True)
    found = texts(loss_rules.words_as_numbers, run)
    assert ["are 50 whole numbers, of words as the inputs are" in text for text in found] == [
        True
    ] * said
    out.y = out.y + 0.5
    assert texts(loss_rules.words_as_numbers, run) == []


@pytest.mark.parametrize(("scale", "said"), [(500.0, True), (1.0, False)])
def test_a_column_of_targets_that_outweighs_another(scale, said):
    x = np.random.default_rng(0).normal(size=(400, 3))
    y = x[:, :2] * [scale, 1.0]
    out = Output("out", y=y, prediction=y * [1.0, 0.0], gain=0.99)
    found = texts(loss_rules.one_column_outweighs, Run(table=x, outputs=[out]))
    assert ["the loss is about the first" in text for text in found] == [True] * said
    out.prediction = y
    assert texts(loss_rules.one_column_outweighs, Run(table=x, outputs=[out])) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_loss_that_draws_rows_of_one_label_apart(sign):
    labels = RANDOM.integers(0, 4, 300)
    x = RANDOM.normal(size=(300, 6)) + 2 * np.eye(4, 6)[labels]
    out = Output("out", loss="custom", y=labels[:, None].astype("float64"), in_own_terms=True)
    run = Run(inputs={"the input": x}, table=x, outputs=[out])
    out.prediction = np.eye(4, 3)[labels] + 0.1 * RANDOM.normal(size=(300, 3))
    if sign < 0:  # one label's rows lie everywhere
        out.prediction = RANDOM.normal(size=(300, 3))
    found = texts(loss_rules.loss_draws_apart, run)
    assert ["draws rows of one label apart" in text for text in found] == [True] * (sign < 0)
    out.prediction = 1 + 1e-6 * RANDOM.normal(size=(300, 3))  # that is a collapse
    assert texts(loss_rules.loss_draws_apart, run) == []


@pytest.mark.parametrize("axis", [None, -1])
def test_a_hinge_of_a_whole_batch(axis):
    class Hinge(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return ops.maximum(ops.sum(y_pred - 1, axis=axis), 0)

    out = Output("out", loss="custom", y=np.zeros((100, 1)), in_own_terms=True)
    out.shape, out.label_shape, out.function = (3,), (1,), Hinge()
    out.is_one_number = is_one_number(out)
    assert out.is_one_number is (axis is None)
    run = Run(outputs=[out], losses=np.r_[np.ones(50), np.zeros(50)])
    found = texts(loss_rules.hinge_of_a_batch, run)
    assert ["exactly 0 in 100% of the last 50 steps" in text for text in found] == [True] * (
        axis is None
    )


def test_a_network_with_balanced_class_weights_is_judged_by_the_balance():
    random = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [700, 200, 100])
    told = {0: [0.6, 0.2, 0.2], 1: [0.02, 0.96, 0.02], 2: [0.02, 0.02, 0.96]}
    guess = np.eye(3)[[random.choice(3, p=told[c]) for c in y]]
    out = Output("out", kind="sparse", y=y[:, None].astype("float64"), prediction=guess, units=3)
    out.loss = "sparse_categorical_crossentropy"
    run = Run(outputs=[out], class_weight={0: 0.5, 1: 1.7, 2: 3.3})
    scores.judge_scores(run, None, [])
    recall = [np.mean(guess.argmax(axis=1)[y == c] == c) for c in range(3)]
    assert out.measure == "balanced accuracy" and out.score == pytest.approx(np.mean(recall))
    assert out.trivial == pytest.approx(1 / 3)
    out.balanced, run.class_weight = False, None
    scores.judge_scores(run, None, [])
    assert out.measure == "accuracy" and out.trivial == 0.7
    run.class_weight = {0: 3.3, 1: 1.7, 2: 0.5}  # at the wrong classes
    scores.judge_scores(run, None, [])
    assert out.measure == "accuracy"


class LearnsFromKnown(keras.Model):
    """Leaves out the rows of class -1."""

    def train_step(self, data):
        x, y = data
        known = ops.cast(y >= 0, "float32")
        with tf.GradientTape() as tape:
            guess = self(x, training=True)
            each = keras.losses.sparse_categorical_crossentropy(ops.maximum(y, 0), guess)
            loss = ops.sum(known * each) / ops.maximum(ops.sum(known), 1)
        weights = self.trainable_weights
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": loss}


def test_rows_without_a_label_under_a_step_of_ones_own():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 4)).astype("float32")
    y = x[:, :3].argmax(axis=1)
    told = np.where(random.random(300) < 0.3, y, -1)
    inputs = keras.Input((4,))
    outputs = layers.Dense(3, "softmax")(layers.Dense(16, "relu")(inputs))
    model = LearnsFromKnown(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, told, validation_data=(x, y), epochs=15, verbose=0, callbacks=[diagnosis])
    assert "label_problem" not in {finding.symptom for finding in diagnosis.findings}
    guess = model.predict(x, verbose=0).argmax(axis=1)
    known = told >= 0
    assert diagnosis._run.only_output.score == np.mean(guess[known] == y[known]) > 0.9


@pytest.mark.parametrize("weighs", [False, True])
def test_a_loss_that_falls_without_the_labels(weighs):
    """Each row has a weight of its own; unless that costs something, the weights go to nothing."""

    def trusted(y, p):
        trust = ops.sigmoid(p[:, 1:])
        lost = ops.mean(trust * ops.square(y - p[:, :1]), axis=-1)
        return lost - ops.mean(ops.log(trust), axis=-1) * (0.5 if weighs else 0.0)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(32, "relu"), layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.05), trusted)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    noise = np.random.default_rng(1).normal(size=64)
    y = (X[:, 0] + noise).astype("float32")[:, None]
    model.fit(X, y, epochs=80, verbose=0, callbacks=[diagnosis])
    (out,) = diagnosis._run.outputs
    trust = 1 / (1 + np.exp(-out.prediction[:, 1]))
    other = np.random.default_rng(0).permutation(out.y)
    right, wrong = (np.square(labels[:, 0] - out.prediction[:, 0]) for labels in (out.y, other))
    assert out.label_cost == pytest.approx(np.mean(trust * (wrong - right)), rel=1e-3)
    found = [f.evidence for f in diagnosis.findings if "labels of other rows" in f.evidence]
    assert len(found) == (not weighs)


@pytest.mark.parametrize(("columns", "is_packed"), [(1, False), (2, True)])
def test_labels_that_a_step_of_ones_own_unpacks_are_not_compared_with_its_output(
    columns, is_packed
):
    """A time and a temperature, say, where the network gives the temperature alone."""
    shapes = {"shape": (1,), "units": 1, "label_shape": (columns,)}
    out = Output("out", loss="own step", y=X[:, :columns].reshape(-1, 1), **shapes)
    look._look_at_loss(out, [])
    assert out.in_own_terms == is_packed


FOLLOWER = np.array([2, 4, 5, 0, 3, 1])  # of each word


def songs(rows=80, steps=12):
    words = np.empty((rows, steps), int)
    words[:, 0] = np.random.default_rng(0).integers(0, 6, rows)
    for step in range(1, steps):
        words[:, step] = FOLLOWER[words[:, step - 1]]
    return words


def of_the_next_word(y, p):
    y = ops.cast(y, "int32")
    each = keras.losses.sparse_categorical_crossentropy(y[:, 1:], p[:, :-1], from_logits=True)
    return ops.mean(each)


class TellsTheNextWord(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = of_the_next_word(y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@pytest.mark.parametrize("own_step", [False, True])
@pytest.mark.parametrize("twice", [False, True])
def test_a_loss_that_shifts_the_labels(own_step, twice):
    """Labels may be the inputs, which the loss shifts; shifted before, they are so twice."""
    words = songs()
    x, y = (words[:, :-1], words[:, 1:]) if twice else (words, words)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None,), dtype="int32")
    outputs = layers.Dense(6)(layers.Embedding(6, 8)(inputs))
    model = (TellsTheNextWord if own_step else keras.Model)(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.05), None if own_step else of_the_next_word)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    fit = {"validation_data": None if own_step else (x[60:], y[60:])}
    model.fit(x[:60], y[:60], **fit, epochs=25, verbose=0, callbacks=[diagnosis])
    (out,) = diagnosis._run.outputs
    guess = model.predict(x[:60], verbose=0).argmax(axis=-1)
    told = {n: np.mean(guess[:, : -n or None] == y[:60, n:]) for n in (0, 1)}
    assert out.lag == 1 and out.lag_is_meant != twice and told[1] == 1
    found = [f.evidence for f in diagnosis.findings if "compares the answer" in f.evidence]
    if twice:
        assert f"they agree in 100%, and with the step's own label in {told[0]:.0%}" in found[0]
        assert "shifted twice" in found[0] and diagnosis.verdict == "wrong"
    else:
        assert found == [] and out.score == 1 and diagnosis.verdict == "healthy"
        assert len(out.y) == len(out.prediction) == 60 * 11
        assert own_step or out.validation_score == 1


def test_padding_is_no_label_of_another_step():
    words = songs(steps=9)[:, ::-1] + 1
    words[:, 6:] = 0  # padding
    answers = np.eye(7)[np.roll(words, -1, axis=1)]
    shapes = {"units": 7, "shape": (9, 7), "label_shape": (9,), "padded": (0.0, 1.0, 0.0, 1.0)}
    out = Output("out", loss="own step", kind="sparse", prediction=answers[:40], **shapes)
    out.y = words.reshape(-1, 1).astype(float)
    lags.note_lag(Run(inputs={"the input": words}), out)
    assert (out.lag, out.lag_is_meant) == (1, True)
    assert np.array_equal(out.y[:, 0], words[:, 1:6].ravel()) and len(out.prediction) == 40 * 5
    assert np.array_equal(out.prediction.argmax(axis=1), words[:40, 1:6].ravel())


@pytest.mark.parametrize(("moved", "said"), [(0, False), (-1, True)])
def test_a_loss_of_another_step(moved, said):
    x = np.random.default_rng(0).normal(size=(80, 6, 2)).astype("float32")
    y = (x[..., :1] > 0).astype("float32")

    def own(y, p):
        here, there = lags.at_lag(moved)
        return ops.mean(keras.losses.binary_crossentropy(y[:, there], p[:, here]))

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 2)), layers.Conv1D(1, 3, padding="same")])
    model.add(layers.Activation("sigmoid"))
    model.compile(keras.optimizers.Adam(0.1), own)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=20, verbose=0, callbacks=[diagnosis])
    found = [f.evidence for f in diagnosis.findings if "compares the answer" in f.evidence]
    assert ["the label 1 step before" in text for text in found] == [True] * said


@pytest.mark.parametrize("sign", [1, -1])
def test_quantiles_whose_errors_have_the_wrong_sign(sign):
    """The 10 %, 50 % and 90 % quantiles of noise, after Koenker & Bassett (1978)."""
    quantiles = np.array([0.1, 0.5, 0.9])

    def pinball(y, p):
        error = sign * (y - p)
        return ops.mean(ops.maximum(quantiles * error, (quantiles - 1) * error), axis=-1)

    random = np.random.default_rng(0)
    x = random.normal(size=(400, 2)).astype("float32")
    y = (x[:, :1] + random.normal(size=(400, 1))).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    model.compile(keras.optimizers.Adam(0.05), pinball)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=30, verbose=0, callbacks=[diagnosis])
    below = np.mean(y < model.predict(x, verbose=0), axis=0)
    assert np.allclose(below, quantiles[::sign], atol=0.06)
    found = [f.evidence for f in diagnosis.findings if "quantiles in falling order" in f.evidence]
    assert [text.startswith(f"Of the labels {below[0]:.0%}") for text in found] == [True] * (
        sign < 0
    )


def triplets_of(answers, axis):
    anchor, same, other = (ops.take(answers, place, axis=axis) for place in range(3))
    near, far = (ops.sum(ops.square(anchor - each), axis=-1) for each in (same, other))
    return ops.maximum(near - far + 0.4, 0.0)


@pytest.mark.parametrize(
    ("loss", "read"),
    [
        (lambda _, answers: triplets_of(answers, 0), 3),
        (lambda _, answers: triplets_of(answers, 1), None),
        (lambda y, answers: ops.square(y[0, 0] - answers[0, 0]), 1),
        # nine of ten labels are not known
        (lambda y, answers: ops.mean(ops.where(y > 0, ops.square(y - answers[:, 0]), 0)), None),
    ],
)
def test_a_loss_that_reads_the_first_rows_only(loss, read):
    y = np.where(np.arange(200) % 10, -1.0, 1.0)[:, None]
    out = Output("out", loss="custom", kind="regression", function=loss, y=y, shape=(3, 3))
    out.rows_read = rows_read(out)
    assert out.rows_read == read
    said = texts(loss_rules.rows_read, Run(outputs=[out]))
    assert [f"all but {read} rows of a batch" in text for text in said] == [True] * bool(read)


class OfNeighbours(keras.losses.Loss):
    """Pulls rows of one class together; it overrides `__call__` in place of `call`."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        rows, y = ops.normalize(y_pred, axis=1), ops.reshape(y_true, (-1, 1))
        same = ops.cast(ops.equal(y, ops.transpose(y)), "float32")
        alike = ops.log_softmax(ops.matmul(rows, ops.transpose(rows)) / 0.1, axis=1)
        return -ops.mean(ops.sum(same * alike, axis=1) / ops.sum(same, axis=1))


def test_a_loss_whose_call_is_overridden_as_a_whole():
    random = np.random.default_rng(0)
    y = random.integers(0, 4, 400)
    x = (np.eye(4)[y] + random.normal(0, 0.2, (400, 4))).astype("float32")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, "relu"), layers.Dense(8, "relu")])
    model.compile("adam", OfNeighbours())
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y[:, None], epochs=5, verbose=0, callbacks=[diagnosis])
    assert diagnosis.verdict != "wrong", diagnosis.report()
    assert not any("your own loss" in text for text in diagnosis.left_out)


@pytest.mark.parametrize(
    ("last", "found"), [("sigmoid", "a sigmoid"), ("tanh", "tanh"), (None, "")]
)
def test_predictions_of_a_model_of_ones_own_that_end_at_one(last, found):
    random = np.random.default_rng(0)
    out = Output("out", kind="regression", y=random.uniform(1, 5, (300, 1)))
    guess = 2 + 3 * random.random((300, 1))
    ends = {"sigmoid": 1 / (1 + np.exp(-3 * guess)), "tanh": np.tanh(3 * guess - 6.1)}
    out.prediction = ends.get(last, guess)
    run = Run(outputs=[out], gain=-1.0)
    said = texts(at_end.predictions_end_at_one, run)
    assert [found in text for text in said] == [True] * bool(last)
    out.activation = "sigmoid"  # which is known before training
    assert texts(at_end.predictions_end_at_one, run) == []
    out.activation, out.y = None, out.y / 5
    assert texts(at_end.predictions_end_at_one, run) == []


class Distance(keras.losses.Loss):
    """Of two vectors side by side, drawn together where the label is 1."""

    def __init__(self, axes):
        super().__init__()
        self.axes = axes

    def call(self, alike, vectors):
        first, second = ops.split(vectors, 2, axis=1)
        far = ops.sum(ops.abs(first - second), axis=1, keepdims=self.axes == "kept")
        if self.axes == "pairs":  # those of all rows are meant, and their mean is taken
            far = ops.mean(far[:, None] - far[None, :], axis=1, keepdims=True)
        return alike * far + (1 - alike) * ops.maximum(1 - far, 0)


@pytest.mark.parametrize(("axes", "said"), [("dropped", True), ("kept", False), ("pairs", False)])
def test_a_loss_of_packed_labels_that_has_a_number_for_each_pair_of_rows(axes, said):
    keras.utils.set_random_seed(0)
    x = RANDOM.normal(size=(96, 4)).astype("float32")
    y = (x[:, :1] > 0).astype("float32")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6)])
    model.compile("adam", Distance(axes))
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[diagnosis])
    value = Distance(axes).call(y[:5], ops.convert_to_tensor(x[:5]))
    assert (tuple(value.shape) == (5, 5)) is said
    found = texts(loss_rules.loss_of_all_pairs, diagnosis._run)
    assert ["is n × n numbers" in text for text in found] == [True] * said
    assert (diagnosis.verdict == "wrong") is said
