"""Rules of the field: each with a faulty record, a repaired twin, and the number by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from callbacks.diagnosis import Diagnosis, front, look, scores, target, verdict
from callbacks.diagnosis import rules_of_data as data
from callbacks.diagnosis import rules_of_leaks as leaks
from callbacks.diagnosis import rules_of_losses as loss_rules
from callbacks.diagnosis import rules_of_model as model_rules
from callbacks.diagnosis import rules_of_rows as rows
from callbacks.diagnosis import rules_of_scores as scores_rules
from callbacks.diagnosis import rules_of_split as split
from callbacks.diagnosis import rules_of_training as training
from callbacks.diagnosis.clones import clone_of
from callbacks.diagnosis.finding import Finding
from callbacks.diagnosis.own_loss import properties_of, skill_of
from callbacks.diagnosis.passing import Batch
from callbacks.diagnosis.rows import Rows, is_series, sample_arrays
from callbacks.diagnosis.run import Output, Run
from tests.planted import texts

RANDOM = np.random.default_rng(0)


def classes(*counts):
    """Labels (rows, 1): the first class so many times, then the second, …"""
    return np.repeat(np.arange(len(counts)), counts)[:, None].astype("float64")


def test_a_column_that_never_changes_was_divided_by_its_deviation():
    x = np.random.default_rng(0).normal(size=(64, 3))
    x[:, 1] = 5
    with np.errstate(invalid="ignore"):
        x = (x - x.mean(axis=0)) / x.std(axis=0)
    (seen,) = data.invalid_inputs(Run(inputs={"the input": x}))
    assert seen.evidence == "64 of 192 values of the input are NaN or infinite, 100% of column 1."
    assert "an epsilon" in seen.remedy
    x[:, 1], x[7, 2] = 0, np.nan
    (seen,) = data.invalid_inputs(Run(inputs={"the input": x}))
    assert seen.evidence == "1 of 192 values of the input are NaN or infinite, 1.56% of column 2."
    assert "epsilon" not in seen.remedy


def test_batches_of_one_class():
    ordered = [Batch(16, np.full(16, i // 4), list(range(16))) for i in range(12)]
    run = Run(outputs=[Output("out", kind="sparse")], batches=ordered)
    (text,) = texts(data.batches_in_order, run)
    # three classes, each alone in its batches: all of the variance lies between, 16 times chance
    assert "differ 16 times as much as by chance: 100% of 12 batches hold a single class" in text
    mixed = [Batch(16, RANDOM.integers(0, 3, 16), list(range(16))) for _ in range(12)]
    run.batches = mixed
    assert texts(data.batches_in_order, run) == []


def test_the_same_batch_again():
    same = [Batch(16, np.zeros(16), list(range(16))) for _ in range(8)]
    (text,) = texts(rows.repeated_batches, Run(batches=same))
    assert "8 batches of an epoch hold 16 distinct rows among 128" in text
    new = [Batch(16, np.zeros(16), list(range(16 * i, 16 * i + 16))) for i in range(8)]
    assert texts(rows.repeated_batches, Run(batches=new)) == []


def test_a_mask_over_data_and_over_padding():
    x = RANDOM.integers(0, 3, (64, 10, 1)).astype("float32")  # a third are 0, and are data
    layer = layers.Masking(0.0, name="mask")
    run = Run(inputs={"the input": x})
    look._look_at_preparation(run, [layer])
    (text,) = texts(data.hidden_by_mask, run)
    assert "steps between others in" in text
    padded = x + 1
    padded[:, 6:] = 0
    run.inputs = {"the input": padded}
    look._look_at_preparation(run, [layer])
    assert texts(data.hidden_by_mask, run) == []


def test_a_normalization_that_was_not_adapted():
    x = RANDOM.normal(100, 20, (64, 3)).astype("float32")
    layer = layers.Normalization(name="scale")
    run = Run(inputs={"the input": x})
    look._look_at_preparation(run, [layer])
    (text,) = texts(data.scaled_by_layer, run)
    assert "'scale' makes of the inputs has root mean square 10" in text
    layer.adapt(x)
    look._look_at_preparation(run, [layer])
    assert texts(data.scaled_by_layer, run) == []
    look._look_at_preparation(Run(inputs={"the input": x / 255}), [layers.Rescaling(1 / 255)])


@pytest.mark.parametrize(
    ("label", "prediction", "loss", "found"),
    [
        ((), (1,), "own step", 1),
        ((1,), (1,), "own step", 0),
        ((), (1,), "mean_squared_error", 0),  # Keras puts it right
        ((1,), (12, 1), "mean_squared_error", 1),
        ((12,), (12, 1), "mean_squared_error", 0),
        ((4,), (2,), "custom", 0),  # one's own loss may pack what it likes into the labels
    ],
)
def test_shapes_that_fit_by_broadcasting_only(label, prediction, loss, found):
    out = Output("out", label_shape=label, shape=prediction, loss=loss)
    assert len(texts(model_rules.shapes_broadcast, Run(outputs=[out]))) == found


def test_one_label_that_is_asked_of_every_time_step():
    out = Output("out", label_shape=(1,), shape=(12, 1), loss="mean_squared_error")
    (seen,) = model_rules.shapes_broadcast(Run(outputs=[out]))
    assert "each label is asked of 12 predictions" in seen.evidence
    assert seen.severity == "warning" and "return_sequences=False" in seen.remedy


def right(y_true, y_pred):
    return -ops.sum(y_true * ops.log(y_pred + 1e-7), axis=-1)


def swapped(y_pred, y_true):
    return -ops.sum(y_true * ops.log(y_pred), axis=-1)


def negative(y_true, y_pred):
    return -right(y_true, y_pred)


def flat(y_true, y_pred):
    return ops.sum(y_true * ops.round(y_pred), axis=-1)


def likeness(y_true, y_pred):
    return ops.mean(ops.matmul(y_pred, ops.transpose(y_pred)))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        *[(right, None), (swapped, "wrong order"), (negative, "larger for right")],
        *[(flat, "not change"), (likeness, "the same whatever the labels are")],
    ],
)
def test_a_loss_of_ones_own_is_judged_by_what_it_does(loss, words):
    y = np.eye(3)[RANDOM.integers(0, 3, 60)]
    out = Output("out", loss="custom", function=loss, y=y, kind="onehot", units=3)
    out.activation = "softmax"
    out.properties = properties_of(out)
    found = texts(loss_rules.own_loss, Run(outputs=[out]))
    assert [words in text for text in found] == [True] * (words is not None)


def rare(prediction):
    """90 common and 10 rare rows with these scores."""
    out = Output("out", y=classes(90, 10), kind="binary", prediction=prediction[:, None])
    out.score, out.trivial, out.gain = target.gain_of(out, out.y, out.prediction)
    return out


def test_rare_classes_that_are_ranked_but_never_predicted():
    ranked = np.r_[np.linspace(0, 0.2, 90), np.linspace(0.15, 0.4, 10)]
    out = rare(ranked)
    assert (out.balanced, out.score, out.gain) == (True, 0.5, 0.0)  # accuracy would be 0.9
    (seen,) = rows.imbalanced_classes(Run(outputs=[out]))
    assert "hold in 10.0% of the rows of the output on average" in seen.evidence
    assert "predicted in 0.0%" in seen.evidence
    assert "class_weight={0: 0.56, 1: 5.0}" in seen.remedy  # 100 / (2 · 90), 100 / (2 · 10)
    assert texts(rows.imbalanced_classes, Run(outputs=[rare(np.resize([0.1, 0.2], 100))])) == []


def test_rare_classes_where_only_the_order_is_asked_for():
    ranked = np.r_[np.linspace(0, 0.2, 90), np.linspace(0.15, 0.4, 10)]
    out = rare(ranked)
    out.balanced, out.asks_for_ranks = False, True
    score, trivial, gain = target.gain_of(out, out.y, out.prediction)
    by_hand = roc_auc_score(out.y[:, 0], ranked)
    assert score == pytest.approx(by_hand) and trivial == 0.5
    assert gain == pytest.approx(2 * by_hand - 1)
    assert out.measure == "AUC"
    out.ranked, out.gain = True, 0.6
    (seen,) = rows.imbalanced_classes(Run(outputs=[out]))
    assert seen.severity == "note" and "imbalanced classes, AUC" in seen.evidence
    assert texts(rows.imbalanced_classes, Run(outputs=[rare(ranked * 4)])) == []


@pytest.mark.parametrize("likes", [0.5, 4.0])
def test_some_of_several_classes_that_are_rare_and_hardly_predicted_are_a_note(likes):
    """Classes 2 and 3 have 6 and 4 of 100 rows; 12.5 would be half of an even share."""
    y = classes(50, 40, 6, 4)
    own = np.eye(4)[y[:, 0].astype(int)] * [1, 1, 0.5, 0.5]  # their own score is the second one
    own[y[:, 0] > 1, 0] = 1 / likes
    own[:30] = own[:30, [1, 0, 2, 3]]
    out = Output("out", y=y, kind="sparse", prediction=own, units=4)
    out.score, out.trivial, out.gain = target.gain_of(out, out.y, out.prediction)
    assert not out.balanced and out.gain < scores.WELL
    found = list(rows.imbalanced_classes(Run(outputs=[out])))
    assert [seen.severity for seen in found] == ["note"] * (likes < 1)
    assert all("Rare classes hold in 5.0%" in seen.evidence for seen in found)
    assert all("are predicted in 0.0%" in seen.evidence for seen in found)


def test_class_weights_that_turn_the_balance_over():
    out = Output("out", y=classes(90, 10), kind="binary")
    run = Run(outputs=[out], class_weight={0: 1.0, 1: 999.0})
    (text,) = texts(rows.class_weights_too_strong, run)
    assert "weighs 111 times less" in text  # 10 · 999 / 90
    run.class_weight = {0: 0.56, 1: 5.0}
    assert texts(rows.class_weights_too_strong, run) == []


def test_validation_rows_of_other_classes():
    out = Output("out", y=classes(60, 40), validation_y=classes(0, 100), kind="binary")
    run = Run(outputs=[out], validation_split=0.3)
    (text,) = texts(split.split_mismatch, run)
    assert "Class 0 is 60% of the training labels and 0% of the validation labels" in text
    assert "validation_split took the last rows" in text
    out.validation_y = classes(55, 45)
    assert texts(split.split_mismatch, run) == []
    out.y = classes(0, 100)
    (text,) = texts(split.split_mismatch, run)
    assert "Class 0 is 0% of the training labels and 55% of the validation labels" in text
    assert "there is no row to learn it from" in text


@pytest.mark.parametrize(("counts", "severity"), [((0, 100), None), ((20, 80), "note")])
def test_a_good_score_of_one_class_only_is_no_excuse(counts, severity):
    out = Output("out", kind="sparse", y=classes(90, 10), validation_y=classes(*counts))
    (seen,) = split.split_mismatch(Run(outputs=[out], gain=0.9, held_out_gain=0.9))
    assert seen.severity == severity


def test_targets_of_another_scale_in_validation():
    y = RANDOM.normal(size=(200, 1))
    run = Run(outputs=[Output("out", y=y[:100], validation_y=y[100:])])
    assert texts(split.split_mismatch, run) == []
    run.outputs[0].validation_y = 50 + 10 * y[100:]
    (seen,) = split.split_mismatch(run)
    assert seen.evidence.startswith("Validation targets of the output differ: their mean is")
    assert seen.remedy == "Scale the targets of both sides by the numbers of training."
    run.outputs[0].validation_y = 50 + 2 * y[100:]  # as of sorted rows
    assert "Shuffle rows and labels" in next(iter(split.split_mismatch(run))).remedy
    run.windows = True  # a series may have moved on
    assert texts(split.split_mismatch, run) == []


def test_how_well_two_sets_of_rows_are_told_apart():
    first, second = RANDOM.normal(size=(500, 1)), RANDOM.normal(1, 1, (500, 1))
    # of normal numbers one spread apart, the second is the larger with probability Φ(1 / √2)
    assert scores.area_between(first, second) == pytest.approx(0.760, abs=0.08)
    assert scores.area_between(first, RANDOM.normal(size=(500, 1))) == pytest.approx(0.5, abs=0.1)
    many, wider = RANDOM.normal(size=(300, 200)), RANDOM.normal(0, 1.3, (300, 200))
    assert scores.area_between(many, wider) > 0.99  # no column tells, the spread of a row does


def factors():
    """Eight columns of variance 1 that three factors make."""
    mixing = np.random.default_rng(1).normal(size=(3, 8))
    return RANDOM.normal(size=(400, 3)) @ (mixing / np.linalg.norm(mixing, axis=0))


def colours():
    """Images whose first channel is the brightest."""
    return RANDOM.uniform(size=(400, 4, 4, 3)) * [1.0, 0.6, 0.2]


def sentences():
    """Six words, four of which belong to one of four topics."""
    words = RANDOM.integers(0, 5, (400, 4)) + 5 * RANDOM.integers(0, 4, (400, 1))
    return np.concatenate([words, RANDOM.integers(0, 20, (400, 2))], axis=1)


@pytest.mark.parametrize(
    ("draw", "change", "words"),
    [
        (factors, lambda x: 255 * x, "in column"),
        (factors, lambda x: np.roll(x, 3, axis=1), "go together otherwise"),
        (colours, lambda x: x[..., ::-1], "spread"),
        (sentences, np.random.default_rng(2).permutation(20).take, "words numbered anew"),
        (factors, lambda x: x, None),
        (colours, lambda x: x, None),
        (sentences, lambda x: x, None),
    ],
)
def test_validation_inputs_that_a_classifier_tells_from_training_inputs(draw, change, words):
    run = Run(inputs={"the input": draw()}, validation_inputs={"the input": change(draw())})
    run.has_ids, run.gain = draw is sentences, 0.95
    for held_out, severity in ((0.5, None), (0.9, "note")):
        run.held_out_gain = held_out
        seen = list(split.split_mismatch(run))
        assert [words in s.evidence for s in seen] == [True] * (words is not None)
        assert all(s.severity == severity and s.change == "preprocessing" for s in seen)


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        (lambda x: x, "note"),
        (lambda x: np.rot90(x, axes=(1, 2)), None),
        (lambda x: 255 * x, None),  # a linear model's largest score is the same, the network's not
    ],
)
def test_training_rows_that_are_only_augmented_are_a_note(change, severity):
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1) / 16
    moved = np.stack([np.roll(image, RANDOM.integers(-1, 2), axis=1) for image in images[:1000]])
    held_out = change(images[1000:])
    y, held_out_y = (part[:, None].astype("float64") for part in (labels[:1000], labels[1000:]))
    out = Output("out", kind="sparse", y=y, validation_y=held_out_y, units=10, trivial=0.1)
    out.prediction, out.validation_prediction = np.eye(10)[labels[:1000]], np.zeros((797, 10))
    run = Run(outputs=[out], table=moved, validation_table=held_out, gain=1.0, held_out_gain=0.3)
    run.inputs, run.validation_inputs = {"the input": moved}, {"the input": held_out}
    out.simple = scores.simple_models(run, out)
    (seen,) = split.split_mismatch(run)
    assert seen.severity == severity and "A classifier tells" in seen.evidence


def test_a_forecast_that_repeats_the_last_value():
    series = np.cumsum(RANDOM.normal(size=400))
    x = np.lib.stride_tricks.sliding_window_view(series, 8)[:-1]
    assert is_series(x)
    assert not is_series(RANDOM.permutation(x))
    y = series[8:, None]
    out = Output("out", y=y, prediction=x[:, -1:] + 0.1)
    run = Run(outputs=[out], table=x, windows=True)
    (text,) = texts(leaks.repeats_last_value, run)
    assert "Repeating the last value" in text and "% skill" in text
    out.prediction = x[:, -1:] + 3.0
    (text,) = texts(leaks.repeats_last_value, run)
    naive = np.mean(np.diff(series[7:]) ** 2)
    more = np.mean((x[:, -1] + 3.0 - y[:, 0]) ** 2) / naive
    assert f"{more:.3g} times as much" in text and "skill" not in text
    out.prediction = y + 0.1
    assert texts(leaks.repeats_last_value, run) == []
    out.prediction = 0 * y + 1000 + y.max()  # no echo, and no forecast
    assert texts(leaks.repeats_last_value, run) == []


@pytest.mark.parametrize(("persists", "severity"), [(0.0, "note"), (0.7, None)])
def test_an_echo_of_a_series_whose_changes_nobody_could_tell_is_a_note(persists, severity):
    random, changes = np.random.default_rng(0), [0.0]
    for shock in random.normal(size=700):
        changes.append(persists * changes[-1] + shock)  # half of the variance is told by the last
    series = np.cumsum(changes)
    x = np.lib.stride_tricks.sliding_window_view(series, 8)[:-1]
    beside = np.stack([random.normal(size=x.shape), x], axis=2)  # another feature in each step
    for table in (x, beside):
        out = Output("out", y=series[8:, None], prediction=x[:, -1:] + 0.1)
        (seen,) = leaks.repeats_last_value(Run(outputs=[out], table=table, windows=True))
        assert seen.severity == severity and ("Nor do simple models" in seen.evidence) == (
            not persists
        )
        out.prediction = x[:, -1:] + 3.0  # even the echo would do better
        (seen,) = leaks.repeats_last_value(Run(outputs=[out], table=table, windows=True))
        assert seen.severity is None


class Forgetful(keras.Sequential):
    """Its step tells the model to train, or forgets it."""

    told = True

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=self.told))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


@pytest.mark.parametrize("told", [True, False])
def test_a_step_that_does_not_say_it_is_training(told):
    model = Forgetful([keras.Input((3,)), layers.BatchNormalization(name="norm"), layers.Dense(1)])
    model.told = told
    model.compile("sgd", "mse")
    x = RANDOM.normal(5, 2, size=(64, 3)).astype("float32")
    model.fit(x, x[:, :1], verbose=0)
    run = Run(batch_norms={"norm": 0.99}, losses=np.ones(2), own_step=True)
    look.look_at_predictions(run, model, Rows(x, x[:, :1]), None, [])
    assert run.idle_norms == ["norm"] * (not told)
    found = list(training.moving_averages_behind(run))
    assert ["self(x, training=True)" in seen.remedy for seen in found] == [True] * (not told)
    run.own_step = False
    found = list(training.moving_averages_behind(run))
    assert ["Give `call` of your model" in seen.remedy for seen in found] == [True] * (not told)
    copy = clone_of(model)()  # with which changes are tried: it has the same step
    assert type(copy) is Forgetful and copy.told is told
    copy.fit(x, x[:, :1], verbose=0)
    assert np.any(copy.layers[0].moving_mean != 0) == told


def test_moving_averages_after_few_updates():
    out = Output("out", kind="binary", score=0.6, training_score=0.95, gain=0.2)
    run = Run(outputs=[out], batch_norms={"norm": 0.99}, losses=np.ones(40))
    (seen,) = training.moving_averages_behind(run)
    assert "67% of the moving averages of 'norm'" in seen.evidence  # 0.99^40
    out.training_score = 0.62
    assert texts(training.moving_averages_behind, run) == []


def test_penalties_that_shrink_the_kernels():
    run = Run(kernels={"d": np.ones((4, 4))}, penalized={"d": 0.1}, epoch_losses=[2.0])
    run.kernel_norms = {"d": 0.4}
    assert "from norm 4 to 0.4" in texts(training.penalty_too_strong, run)[0]
    run.kernel_norms = {"d": 3.0}
    assert texts(training.penalty_too_strong, run) == []
    run.penalty = 1.5
    assert "Of the loss 2, 1.5 are penalties" in texts(training.penalty_too_strong, run)[0]


def test_a_rate_that_decays_per_update():
    run = Run(optimizer="Adam", schedule="ExponentialDecay", losses=np.ones(90))
    run.rates = [1e-3, 1e-6, 1e-9]
    (text,) = texts(training.rate_decayed, run)
    assert "ExponentialDecay counts updates" in text
    run.rates = [1e-3, 9e-4, 8e-4]
    assert texts(training.rate_decayed, run) == []
    run.schedule, run.rates = "", [1e-3, 1e-7, 1e-9]  # a callback
    run.outputs = [Output("out", gain=0.5)]
    (seen,) = training.rate_decayed(run)
    assert seen.severity == "warning" and "multiplies the rate it is given" in seen.evidence
    run.outputs[0].gain = 0.9
    (seen,) = training.rate_decayed(run)
    assert seen.severity is None and "first * 0.9 ** epoch" in seen.remedy


@pytest.mark.parametrize(
    ("score", "held_out", "kind"),
    [(0.95, 0.93, "healthy"), (0.95, 0.52, "disappoints"), (0.55, 0.55, "disappoints")],
)
def test_headlines(score, held_out, kind):
    out = Output("out", kind="binary", score=score, trivial=0.5, validation_score=held_out)
    run = Run(outputs=[out], gain=2 * score - 1, held_out_gain=2 * held_out - 1)
    run.has_validation = True
    assert verdict.headline([], run)[0] == kind
    assert f"{held_out:.3f} in validation" in verdict.headline([], run)[1]
    wrong = Finding("dead_relu", "warning", "learning_rate", "e", "r")
    assert verdict.headline([wrong], run)[0] == "wrong"


def test_a_run_without_scores_is_not_called_healthy():
    run = Run(epoch_losses=[1.0, 1.0])
    assert verdict.headline([], run)[0] == "not judged"
    run.epoch_losses = [1.0, 0.5]
    kind, text = verdict.headline([], run)
    assert kind == "not judged" and "it fell from 1 to 0.5" in text


class OwnStep(keras.Model):
    """A train step that compares labels (n,) with predictions (n, 1)."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(ops.square(y - y_pred))


def pinball(y, guess):
    """Loss of the 90 % quantile."""
    return ops.mean(ops.maximum(0.9 * (y - guess), 0.1 * (guess - y)), axis=-1)


def contrastive(equal, distance):
    """Pairs that are equal should lie near each other, others 1 apart."""
    far = ops.maximum(1 - distance, 0)
    return ops.mean(equal * distance**2 + (1 - equal) * far**2, axis=-1)


def test_a_loss_that_does_not_ask_for_the_labels_is_its_own_yardstick():
    y = np.linspace(0, 100, 101)[:, None]
    out = Output("out", kind="regression", function=pinball, y=y, units=1, shape=(1,))
    # the 90 % quantile is 90, nowhere near the mean of 50; it is the best constant: skill 0
    assert skill_of(out, np.full((101, 1), 90.0)) == (pytest.approx(0, abs=1e-6), False)
    assert skill_of(out, y) == (pytest.approx(1), False)
    out.function = "mean_squared_error"
    assert skill_of(out, np.full((101, 1), 50.0)) == (pytest.approx(0, abs=1e-6), True)

    y = classes(50, 50)
    out = Output("out", kind="binary", function=contrastive, y=y, units=1, shape=(1,))
    out.properties = properties_of(out)
    # constant 0.5 costs 0.25 for each pair, the right distances cost 0: those are 1 - y
    assert skill_of(out, 1 - y) == (1, False)
    assert skill_of(out, np.full((100, 1), 0.5)) == (pytest.approx(0), False)
    out.activation = "sigmoid"  # a probability is meant: then it is the loss that is wrong
    assert skill_of(out, 1 - y)[1]


def test_the_constants_of_a_softmax_sum_to_one():
    """By log p of both classes at 1 a loss of one's own would be 0, which no softmax reaches."""

    def rewarded(y_true, y_pred):
        return -keras.ops.sum(keras.ops.log(y_pred) * y_true, axis=-1)

    best = np.arange(100) % 4 == 0  # a fourth of the rows
    y = np.stack([~best, best], axis=1) * np.linspace(0.5, 1.5, 100)[:, None]
    out = Output("out", activation="softmax", units=2, kind="regression", y=y, function=rewarded)
    shares = y.mean(axis=0) / y.mean(axis=0).sum()
    assert skill_of(out, np.tile(shares, (100, 1)))[0] == pytest.approx(0, abs=1e-3)
    sure = np.where(y > 0, 0.99, 0.01)
    entropy = -np.sum(shares * np.log(shares))
    assert skill_of(out, sure)[0] == pytest.approx(1 + np.log(0.99) / entropy, abs=1e-3)


def test_a_network_is_not_blamed_for_predicting_what_its_loss_asks_for():
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (600, 2)).astype("float32")
    y = (x[:, :1] + random.exponential(0.5, (600, 1))).astype("float32")
    model = keras.Sequential([keras.Input((2,)), layers.Dense(16, "relu"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), pinball)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    held_out = (x[400:], y[400:])
    fit = {"validation_data": held_out, "epochs": 15, "verbose": 0, "callbacks": [diagnosis]}
    model.fit(x[:400], y[:400], **fit)
    below = np.mean(y[400:] < model.predict(x[400:], verbose=0))
    assert below > 0.8  # it has learned the quantile, far from the mean
    assert [f for f in diagnosis.findings if f.severity != "note"] == []
    assert "Healthy as far as the loss tells" in diagnosis.report()


def test_broadcasting_in_ones_own_loss_sum_is_the_root():
    x = RANDOM.normal(size=(256, 4)).astype("float32")
    y = x[:, 0] - x[:, 1]
    named = []
    for labels in (y, y[:, None]):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4,))
        model = OwnStep(inputs, layers.Dense(1)(inputs))
        model.compile(keras.optimizers.Adam(0.1))
        diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
        model.fit(x, labels, epochs=8, verbose=0, callbacks=[diagnosis])
        named.append([f.symptom for f in diagnosis.findings if f.severity != "note"][:1])
    assert named == [["shapes_broadcast"], []]


def test_validation_rows_that_are_training_rows():
    x = RANDOM.normal(size=(200, 3))
    run = Run(inputs={"the input": x[:100]}, validation_inputs={"the input": x[50:100]})
    run.num_rows = 100
    assert "About 100% of the validation rows" in texts(split.rows_on_both_sides, run)[0]
    run.validation_inputs = {"the input": x[100:]}
    assert texts(split.rows_on_both_sides, run) == []
    run.inputs, run.validation_inputs = ({"age": rows[:, 0]} for rows in (x[:100], x[100:]))
    assert list(split.rows_on_both_sides(run)) == []  # a column by itself, as of a dict of columns


def test_frozen_layers_whose_features_do_not_tell():
    run = Run(frozen=["a", "b"], kernels={"head": np.ones((2, 2))}, gain=0.1)
    assert "2 layers with weights are frozen" in texts(scores_rules.frozen_features, run)[0]
    run.losses = np.ones(40)  # so few updates say nothing about them
    assert texts(scores_rules.frozen_features, run) == []
    run.losses, run.frozen_tells = np.ones(400), (0.9, 0.92)  # measured: they tell as much
    assert texts(scores_rules.frozen_features, run) == []
    run.frozen_tells, run.gain = None, 0.9
    assert texts(scores_rules.frozen_features, run) == []


@pytest.mark.parametrize("trained", [False, True])
def test_frozen_layers_that_were_never_trained(trained):
    base = keras.Sequential([keras.Input((3,)), layers.Dense(4, "relu"), layers.Dense(4, "relu")])
    if trained:
        base.layers[1].bias.assign([0.0, 0.1, 0.0, 0.0])
    base.trainable = False
    model = keras.Sequential([keras.Input((3,)), base, layers.Dense(1)])
    model.compile("adam", "mse")
    run = Run(gain=0.1)
    look.look_at_model(run, model, {}, [])
    (seen,) = scores_rules.frozen_features(run)
    assert ("never loaded" in seen.evidence) is not trained
    assert seen.remedy.startswith("Prepare the inputs" if trained else "Load their weights")


@pytest.mark.parametrize("trained", [False, True])
def test_frozen_layers_without_biases_that_were_never_trained(trained):
    """Their BatchNormalization knows: its moving means leave 0 with the first batch."""
    convolution = layers.Conv2D(4, 3, use_bias=False)
    base = keras.Sequential([keras.Input((8, 8, 1)), convolution, layers.BatchNormalization()])
    if trained:
        base.layers[1].moving_mean.assign([0.0, 0.1, 0.0, 0.0])
    base.trainable = False
    head = [layers.GlobalAveragePooling2D(), layers.Dense(1)]
    model = keras.Sequential([keras.Input((8, 8, 1)), base, *head])
    model.compile("adam", "mse")
    run = Run(gain=0.1, frozen_tells=(0.9, 0.92))  # behind them simple models do as well
    look.look_at_model(run, model, {}, [])
    found = texts(scores_rules.frozen_features, run)
    assert ["frozen as they were made" in text for text in found] == [True] * (not trained)


@pytest.mark.parametrize("factor", [1.0, 2.0, 1 / 255])
@pytest.mark.parametrize("nested", [False, True])
def test_a_frozen_network_that_is_given_another_range_than_it_knows(factor, nested):
    x = np.random.default_rng(0).uniform(0, 255, (200, 6, 6, 3)).astype("float32")
    stack = [layers.Conv2D(5, 3, use_bias=False), layers.BatchNormalization(momentum=0.0)]
    base = keras.Sequential([keras.Input((6, 6, 3)), *stack, layers.Activation("relu")])
    inner = keras.Model(base.inputs, base(base.inputs)) if nested else base
    base(x, training=True)  # takes over the statistics of these rows
    inner.trainable = False
    model = keras.Sequential([keras.Input((6, 6, 3)), inner, layers.Flatten(), layers.Dense(1)])
    name, ratio = front.frozen_spread(model, factor * x)
    assert name == stack[1].name and "call" not in vars(stack[1])
    assert ratio == pytest.approx(factor, rel=0.02)
    run = Run(gain=0.4, frozen=["conv"], frozen_spread=(name, ratio))
    found = [seen.evidence for seen in scores_rules.frozen_features(run) if seen.severity]
    assert ["in another range" in text for text in found] == [True] * (factor < 1)
    inner.trainable = True
    assert front.frozen_spread(model, x) is None


@pytest.mark.parametrize("last", ["softmax", "relu"])
@pytest.mark.parametrize("form", ["sequential", "functional", "called"])
def test_a_frozen_network_that_kept_its_own_classes(last, form):
    inputs = keras.Input((3,))
    scores = layers.Dense(4, name="old")(layers.Dense(4, "relu")(inputs))
    base = keras.Model(inputs, layers.Activation(last)(scores))
    if form == "sequential":
        base = keras.Sequential([keras.Input((3,)), layers.Dense(4, "relu")])
        base.add(layers.Dense(4, last, name="old"))
    base.get_layer("old").bias.assign([0.0, 0.1, 0.0, 0.0])
    base.trainable = False
    model = keras.Sequential([keras.Input((3,)), base, layers.Dense(2, "softmax")])
    if form == "called":
        inputs = keras.Input((3,))
        model = keras.Model(inputs, layers.Dense(2, "softmax")(base(inputs)))
    model.compile("adam", "sparse_categorical_crossentropy")
    run = Run(gain=0.5, frozen_tells=(0.5, 0.9))
    look.look_at_model(run, model, {}, [])
    assert run.hidden_softmax == [("old", 4)] * (last == "softmax")
    (seen,) = scores_rules.frozen_features(run)
    assert ("softmax, the 4 probabilities of the old classes ('old')" in seen.evidence) is (
        last == "softmax"
    )
    assert ("include_top=False" in seen.remedy) is (last == "softmax")
    assert texts(model_rules.hidden_softmax, run) == []  # its slopes train nothing


def test_a_model_without_trainable_weights():
    (text,) = texts(model_rules.nothing_trainable, Run(trainable=0, frozen=["base"]))
    assert text == "No weight is trainable (frozen: 'base')."
    assert texts(model_rules.nothing_trainable, Run(trainable=2, frozen=["base"])) == []


def test_a_split_of_sorted_rows_explains_what_is_seen_in_validation():
    """The last rows of a set sorted by class are of classes that training never saw."""
    x, y = load_digits(return_X_y=True)
    order = np.argsort(y, kind="stable")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(64, "relu"), keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    fit = {"epochs": 10, "verbose": 0, "callbacks": [diagnosis]}
    model.fit(x[order] / 16, y[order], validation_split=0.3, **fit)
    root, *others = diagnosis.findings
    assert root.symptom == "split_mismatch" and "the rows are sorted" in root.evidence
    serious = [f for f in others if f.severity != "note"]
    assert serious and all(f.consequence_of == "split_mismatch" for f in serious)


def test_an_optimizer_that_clips_is_not_told_to_clip():
    norms = np.array([[1.0]] * 10 + [[5000.0]])
    for clipped in (False, True):
        run = Run(norms=norms, non_finite_at=(3, np.nan), largest_loss=2.0, clipped=clipped)
        for rule in (training.exploding_gradient, training.non_finite_loss):
            (seen,) = rule(run)
            assert ("clipnorm" in seen.remedy) is not clipped


def test_values_outside_the_sample_that_are_no_numbers():
    x = np.ones((5000, 4), "float32")
    x[4321, 2] = np.nan
    (text,) = sample_arrays(x, np.zeros(5000), most=64).not_finite
    assert text == "1 of 20000 inputs are NaN or infinite, first in row 4321."
    x[4321, 2] = 0
    labels = np.array([0.0, np.inf] * 2500)
    assert sample_arrays(x, labels, most=64).not_finite == []  # the sample itself shows them
    assert sample_arrays(x, np.zeros(5000), most=64).not_finite == []


def test_a_loss_that_ends_without_having_risen_is_no_matter_of_the_rate():
    calm, growing = np.full((20, 2), 1.0), np.geomspace(1, 1e6, 20)[:, None]
    for norms, words in ((calm, "no explosion"), (growing, "")):
        run = Run(losses=np.r_[np.linspace(2, 1, 20), np.nan], norms=norms)
        run.non_finite_at, run.largest_loss = (20, np.nan), 2.0
        (seen,) = training.non_finite_loss(run)
        assert (words in seen.evidence) and (seen.change == "data") == bool(words)


def test_outputs_are_told_from_probabilities_by_their_values():
    shares = np.full((40, 4), 1 / 4)
    out = Output("out", kind="sparse", activation="softmax", units=4, prediction=shares)
    out.loss, rule = "sparse_categorical_crossentropy", scores_rules.outputs_and_probabilities
    assert texts(rule, Run(outputs=[out])) == []
    out.prediction = np.full((40, 4), 1 / 40)  # over the 40 rows
    (text,) = texts(rule, Run(outputs=[out]))
    assert "sum to 0.10 to 0.10, not to 1" in text

    out.activation = None  # of a subclassed model it is not known
    out.prediction = np.array([[-2.0, 1, 0, 3]] * 40)
    (text,) = texts(rule, Run(outputs=[out]))
    assert "run from -2 to 3: they are no probabilities" in text
    out.from_logits = True
    assert texts(rule, Run(outputs=[out])) == []
    out.prediction = shares
    (text,) = texts(rule, Run(outputs=[out]))
    assert "softmax is taken twice" in text
    out.from_logits = False
    assert texts(rule, Run(outputs=[out])) == []


class Projection(layers.Layer):
    """Keeps what it multiplies with as a weight, or as a plain tensor."""

    def __init__(self, tracked):
        super().__init__(name="projection")
        self.tracked = tracked

    def build(self, shape):
        if self.tracked:
            self.sums = self.add_weight(shape=(shape[-1], 3))
        else:
            self.sums = keras.random.normal((shape[-1], 3), seed=1)

    def call(self, x):
        return x @ self.sums


@pytest.mark.parametrize("tracked", [False, True])
def test_weights_that_no_optimizer_sees(tracked):
    model = keras.Sequential([keras.Input((5,)), Projection(tracked), layers.Dense(1)])
    model.compile("adam", "mse")
    run = Run()
    look.look_at_model(run, model, {}, [])
    found = texts(model_rules.untracked_weights, run)
    assert len(found) == (0 if tracked else 1)
    assert all("keeps 'sums' (5, 3) as a plain tensor" in text for text in found)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_target_whose_ends_are_neighbours(periodic):
    angle = RANDOM.permutation(np.linspace(0, 2 * np.pi, 400, endpoint=False))[:, None]
    turn = angle if periodic else angle / 2  # half a turn: its ends lie apart
    x = np.concatenate([np.cos(turn), np.sin(turn), RANDOM.normal(size=(400, 4))], axis=1)
    out = Output("out", kind="regression", y=angle, prediction=np.full((400, 1), np.pi), gain=0.0)
    evidence = texts(rows.target_reads_otherwise, Run(outputs=[out], table=x))
    assert ["simple models tell R² 1.000" in text for text in evidence] == [True] * periodic
    out.prediction = angle  # a network that is right all the same
    assert texts(rows.target_reads_otherwise, Run(outputs=[out], table=x)) == []
