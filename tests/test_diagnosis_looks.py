"""What Diagnosis tries on a model and its rows: planted faults, their twins, numbers by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from scipy.special import expit, softmax
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score, roc_auc_score

from callbacks.diagnosis import Diagnosis, look, passes, scores, target, verdict
from callbacks.diagnosis import rules_of_data as data
from callbacks.diagnosis import rules_of_labels as label_rules
from callbacks.diagnosis import rules_of_leaks as leaks
from callbacks.diagnosis import rules_of_losses as loss_rules
from callbacks.diagnosis import rules_of_model as model_rules
from callbacks.diagnosis import rules_of_places as places
from callbacks.diagnosis import rules_of_rows as rows
from callbacks.diagnosis import rules_of_scores as at_end
from callbacks.diagnosis import rules_of_split as split
from callbacks.diagnosis import rules_of_training as training
from callbacks.diagnosis.finding import UNKNOWN, Finding
from callbacks.diagnosis.own_loss import fails_below_zero, properties_of
from callbacks.diagnosis.rows import Rows
from callbacks.diagnosis.run import Output, Run, Watcher
from tests.planted import texts

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")


class Halves(keras.Model):
    """Two models in a class of one's own."""

    def __init__(self):
        super().__init__()
        self.first = keras.Sequential([keras.Input((4,)), layers.Dense(3, "relu")])
        self.second = keras.Sequential([keras.Input((3,)), layers.Dense(1)])

    def call(self, x):
        return self.second(self.first(x))


def test_a_class_that_holds_models_is_looked_at_without_a_word_of_python():
    model, diagnosis = Halves(), Diagnosis(verbose=False, checkup_seconds=0)
    model.compile("sgd", "mse")
    model.fit(np.ones((32, 4)), np.ones((32, 1)), verbose=0, callbacks=[diagnosis])
    assert [text for text in diagnosis.left_out if "Error" in text] == []


# ---- tried on rows ----


class BatchMean(layers.Layer):
    """Takes the mean of the batch off each row: rows mix."""

    def call(self, inputs):
        return inputs - ops.mean(inputs, axis=0, keepdims=True)


class Noise(layers.Layer):
    """Adds noise also in inference."""

    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(0)

    def call(self, inputs):
        return inputs + keras.random.normal(ops.shape(inputs), seed=self.seed)


@pytest.mark.parametrize(("layer", "found"), [(BatchMean, "alone"), (Noise, "again"), (None, None)])
def test_rows_that_mix_and_rows_that_change(layer, found):
    keras.utils.set_random_seed(0)
    middle = [layer()] if layer else []
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), *middle, layers.Dense(1)])
    company = passes.company(model, X)
    run = Run(company=company)
    severities = [seen.severity for seen in rows.rows_mix(run)]
    assert severities == {"alone": [None], "again": ["suspicion"], None: []}[found]
    if found == "alone":
        together, few = (np.array(model(x, training=False)) for x in (X[:64], X[32:40]))
        change = np.abs(together[32:40] - few).max() / together.std()
        assert company["alone"] == pytest.approx(change, rel=1e-3)


def next_words(causal):
    """A model of the next of 5 words, and rows of 8 of them."""
    x = RANDOM.integers(0, 5, (40, 9))
    inputs = keras.Input((8,))
    hidden = layers.Embedding(5, 8)(inputs)
    hidden = layers.MultiHeadAttention(1, 8)(hidden, hidden, use_causal_mask=causal)
    return keras.Model(inputs, layers.Dense(5, "softmax")(hidden)), x[:, :-1], x[:, 1:]


@pytest.mark.parametrize("causal", [False, True])
def test_the_next_step_is_not_seen(causal):
    model, x, y = next_words(causal)
    out = Output("out", label_shape=(8,), y=y.reshape(-1, 1).astype("float64"), kind="sparse")
    assert look.is_shifted(out, {"the input": x})
    assert not look.is_shifted(out, {"the input": np.roll(x, 1, axis=1)})
    run = Run(sees_ahead=passes.change_from_later_steps(model, x))
    assert bool(texts(leaks.sees_ahead, run)) is not causal
    assert causal == (run.sees_ahead == 0)


def test_what_follows_most_often_is_what_a_next_step_is_compared_with():
    x = np.tile([0, 1, 2], (20, 4))
    y = (x + 1) % 3  # each value is followed by the next one, always
    out = Output("out", kind="sparse", y=y.reshape(-1, 1).astype("float64"))
    out.prediction = np.eye(3)[y]
    run = Run(inputs={"the input": x}, outputs=[out], next_step=True)
    assert scores.frequent_followers(run, out) == (1.0, "the most frequent follower", 1.0)
    out.prediction = np.eye(3)[x]
    assert scores.frequent_followers(run, out)[2] == 0


class Divergence(layers.Layer):
    """Adds the mean of its squared inputs to the loss."""

    def call(self, inputs):
        self.add_loss(3 * ops.mean(ops.square(inputs)))
        return inputs


def test_losses_that_layers_add():
    model = keras.Sequential([keras.Input((4,)), Divergence(), layers.Dense(1)])
    assert passes.added_to_loss(model, X) == pytest.approx(3 * np.mean(X**2), rel=1e-5)
    assert model.losses == []  # nothing is left behind
    run = Run(losses=np.array([1.5]), epoch_losses=[0.4], added_at_start=0.8, added=1e-5, gain=0.0)
    (text,) = texts(training.added_loss_too_strong, run)
    assert "was 0.8 of 1.5 before training and is 1e-05 of 0.4 now" in text
    run.added_at_start = 0.01  # less than a tenth of the loss cannot have led it
    assert texts(training.added_loss_too_strong, run) == []


class Counting(layers.Layer):
    """Counts its calls in a plain attribute."""

    def __init__(self):
        super().__init__()
        self.calls, self.seen = 0, np.zeros(1)

    def call(self, inputs):
        self.calls += 1
        self.seen += 1
        return inputs


def test_a_layer_that_counts_in_python_is_not_moved():
    model = keras.Sequential([keras.Input((4,)), Counting(), layers.Dense(1)])
    before = model.layers[0].calls, model.layers[0].seen.copy()
    passes.predictions(model, X, 64)
    passes.company(model, X)
    assert (model.layers[0].calls, model.layers[0].seen) == before


@pytest.mark.filterwarnings("error::UserWarning")
def test_warnings_of_keras_are_not_repeated():
    inputs = keras.Input((1,))
    model = keras.Model(inputs, layers.Dense(1)(inputs))
    model.layers[-1].activation = keras.activations.softmax  # warns at each call
    np.testing.assert_allclose(passes.predictions(model, X[:, :1], 64)[0], 1, rtol=1e-6)


def test_a_model_for_batches_of_one_size(monkeypatch):
    monkeypatch.setattr(passes, "SECONDS", 600)  # on a busy machine a batch may take its second
    inputs = keras.Input(batch_shape=(10, 4))
    model = keras.Model(inputs, layers.Dense(1)(inputs))
    assert passes.predictions(model, X, 64)[0].shape == (60, 1)  # six whole batches
    assert passes.company(model, X) == {}


def test_a_loss_that_has_no_value_below_zero():
    counts = RANDOM.poisson(3, (32, 1)).astype("float64")
    out = Output("out", y=counts, units=1, shape=(1,), loss="poisson", function="poisson")
    out.activation = "linear"
    out.fails_below_zero = fails_below_zero(out)
    run = Run(outputs=[out])
    (seen,) = model_rules.unsuitable_output_activation(run)
    assert "poisson is not finite where a prediction is negative" in seen.evidence
    assert "softplus" in seen.remedy
    out.function = "mse"
    assert not fails_below_zero(out)


def dice(sign):
    def loss(y, guess):
        axes = (1, 2, 3)
        both = ops.sum(y * guess, axis=axes)
        return sign * 2 * both / (ops.sum(y, axis=axes) + ops.sum(guess, axis=axes) + 1e-6)

    return loss


def test_a_loss_of_ones_own_over_pixels():
    masks = (RANDOM.random((20, 6, 6, 1)) < 0.3).astype("float64")
    for sign, found in ((1, 1), (-1, 0)):
        out = Output("out", loss="custom", function=dice(sign), kind="binary", units=1)
        out.activation, out.shape, out.label_shape = "sigmoid", (6, 6, 1), (6, 6, 1)
        out.y = masks.reshape(-1, 1)
        out.properties = properties_of(out)
        found_texts = texts(loss_rules.own_loss, Run(outputs=[out]))
        assert ["larger for right" in text for text in found_texts] == [True] * found


# ---- read off rows, labels and predictions ----


def numbered(prediction, labels):
    """Ten rows of each of three classes in validation, predicted so."""
    y = np.repeat(labels, 10)[:, None].astype("float64")
    guess = np.eye(3)[np.repeat(prediction, 10)]
    out = Output("out", kind="sparse", validation_y=y, validation_prediction=guess)
    return Run(outputs=[out], gain=1.0)


def test_classes_that_are_numbered_otherwise_in_validation():
    (text,) = texts(split.class_numbers_differ, numbered([1, 2, 0], [0, 1, 2]))
    assert "class 0 as 1 (100%), 1 as 2 (100%), 2 as 0 (100%)" in text
    assert texts(split.class_numbers_differ, numbered([0, 1, 2], [0, 1, 2])) == []
    assert texts(split.class_numbers_differ, numbered([1, 1, 1], [0, 1, 2])) == []  # one answer


def test_a_class_that_validation_lacks_moves_the_numbers_of_those_behind_it():
    """As folders without one of the classes are numbered: no other split repairs that."""
    y = RANDOM.integers(0, 4, 600)
    x = (np.eye(4)[y] * 4 + RANDOM.normal(size=(600, 4))).astype("float32")
    training, others = slice(400), np.flatnonzero((np.arange(600) >= 400) & (y != 1))
    numbers = np.array([0, -1, 1, 2])[y[others]]
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False)
    validation = x[others], numbers
    model.fit(
        x[training],
        y[training],
        validation_data=validation,
        epochs=15,
        verbose=0,
        callbacks=[diagnosis],
    )
    first, *rest = diagnosis.findings
    assert (first.symptom, first.cause, first.severity) == ("label_problem", "data", "error")
    assert "2 as 1 (" not in first.evidence and "class 1 as 2 (" in first.evidence
    assert "split_mismatch" not in [finding.symptom for finding in rest]


def test_rare_labels_of_many_are_judged_by_balanced_accuracy():
    y = np.zeros((200, 2))
    y[:10, 0] = y[100:120, 1] = 1
    ranked = 0.3 * y + 0.1 * RANDOM.random(y.shape)  # never above one half, always above the rest
    out = Output("out", kind="multilabel", y=y, prediction=ranked)
    out.score, out.trivial, out.gain = target.gain_of(out, y, ranked)
    assert (out.balanced, out.score, out.gain) == (True, 0.5, 0.0)
    (seen,) = rows.imbalanced_classes(Run(outputs=[out]))
    assert "hold in 7.5% of the rows" in seen.evidence  # (5 % + 10 %) / 2
    assert "AUC 1.00" in seen.evidence
    assert "the weight 12 in the loss" in seen.remedy  # 0.925 / 0.075 = 12.3
    assert target.gain_of(out, y, y)[0] == 1


def test_training_and_validation_rows_are_measured_alike():
    """Of the one 79 % are of one class, of the other 81 %: accuracy counts in both."""
    y = np.repeat([0.0, 1.0], [79, 21])[:, None]
    other = np.repeat([0.0, 1.0], [81, 19])[:, None]
    guess = np.where(np.arange(100) < 90, 0.1, 0.9)[:, None]
    for first, second, is_balanced in ((y, other, False), (other, y, True)):
        out = Output("out", kind="binary", y=first, validation_y=second)
        out.prediction = out.validation_prediction = guess
        scores.judge_scores(Run(outputs=[out]), None, [])
        measure = balanced_accuracy_score if is_balanced else accuracy_score
        assert out.measure == ("balanced accuracy" if is_balanced else "accuracy")
        assert out.score == measure(first, guess > 0.5)
        assert out.validation_score == measure(second, guess > 0.5)


def test_predictions_of_16_bits_are_read_in_32():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, dtype="float16")])
    model.layers[0].set_weights([np.full((1, 1), 400.0), np.zeros(1)])
    (values,) = passes.predictions(model, np.float32([[-1], [1]] * 40), 80)
    assert values.dtype == "float32"
    assert values.var() == pytest.approx(400**2)  # beyond 65504, the largest of float16


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_column_that_tells_the_labels_by_itself(kind):
    x, noise = RANDOM.normal(size=(2, 300, 4))
    target = x[:, :1] + x[:, 1:2] + noise[:, :1]
    y = (target > 0).astype("float64") if kind == "binary" else target
    out, later = Output("out", y=y, kind=kind), x.copy()
    later[:, 3] = y[:, 0] + 0.02 * noise[:, 1]  # filled in once the label is known
    expected = 2 * roc_auc_score(y, x[:, 0]) - 1 if kind == "binary" else pearson(x[:, 0], y)
    (text,) = texts(leaks.one_column_tells, Run(outputs=[out], inputs={"the input": later}))
    assert text.startswith("Column 3 of the input all but tells the labels by itself")
    assert f"the next column has {expected:.3f}" in text
    assert texts(leaks.one_column_tells, Run(outputs=[out], inputs={"the input": x})) == []
    later[:, 2] = later[:, 3]  # of several none is alone: so are the last values of a series
    assert texts(leaks.one_column_tells, Run(outputs=[out], inputs={"the input": later})) == []


def pearson(values, y):
    return abs(pearsonr(values, y[:, 0]).statistic)


def test_the_target_stands_in_the_inputs():
    y = np.cumsum(RANDOM.normal(size=100))[:, None]
    x = np.hstack([X[:1].repeat(100, 0), y])
    out = Output("out", y=y)
    (text,) = texts(leaks.target_in_inputs, Run(outputs=[out], table=x))
    assert "column 4 is the target itself, in all 100 rows" in text
    assert texts(leaks.target_in_inputs, Run(outputs=[out], table=x + 0.1)) == []
    for series, severity in ((y[:, 0], None), (RANDOM.permutation(y[:, 0]), "note")):
        windows = np.lib.stride_tricks.sliding_window_view(series, 5)[:, :, None].copy()
        windows[:, 4, 0] = y[4:, 0]  # of a series the last value, of other rows one to recall
        run = Run(outputs=[Output("out", y=y[4:])], table=windows, num_rows=96)
        assert [seen.severity for seen in leaks.target_in_inputs(run)] == [severity]


def test_windows_that_overlap_across_the_split():
    series = RANDOM.normal(size=400)
    windows = np.lib.stride_tricks.sliding_window_view(series, 8)
    mixed = RANDOM.permutation(windows)
    run = Run(inputs={"the input": mixed[:300]}, validation_inputs={"the input": mixed[300:]})
    run.num_rows = 300
    (text,) = texts(split.rows_on_both_sides, run)
    assert "training rows moved on by one step" in text
    run.inputs, run.validation_inputs = ({"the input": w} for w in (windows[:300], windows[300:]))
    assert texts(split.rows_on_both_sides, run) == []


def smooth(shape):
    return np.cumsum(RANDOM.normal(size=shape), axis=1)


def test_time_on_the_wrong_axis():
    series = smooth((20, 30, 6))
    run = Run(inputs={"the input": series}, first_layers=["LSTM", "Dense"])
    assert texts(places.axes_swapped, run) == []
    run.inputs = {"the input": np.swapaxes(series, 1, 2)}
    (text,) = texts(places.axes_swapped, run)
    assert "time seems to stand last" in text
    for features in (30, 1):
        run.inputs = {"the input": series[:, None, :features, 0]}
        assert f"have shape (1, {features}), one time step" in texts(places.axes_swapped, run)[0]
    run = Run(inputs={"the input": RANDOM.random((20, 3, 16, 16))})
    assert "channels seem to stand first" in texts(places.axes_swapped, run)[0]
    run.inputs = {"the input": RANDOM.random((20, 16, 16, 3))}
    assert texts(places.axes_swapped, run) == []


def test_numbers_that_are_no_row_of_an_embedding():
    inputs = keras.Input((2,))
    hidden = layers.Flatten()(layers.Embedding(10, 4, name="words")(inputs))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    for x, found in (
        (np.array([[0, 9], [3, 4]]), 0),
        (np.array([[0, 10], [3, 4]]), "run from 0 to 10; its table has the rows 0 to 9"),
        (np.array([[0.1, 0.5], [0.3, 1.0]]), "75% of the inputs"),
    ):
        run = Run(embedded=look._embedded(model, model.layers, x.astype("float32")))
        evidence = texts(data.invalid_inputs, run)
        assert [found in text for text in evidence] == [True] * bool(found)


def test_padding_at_the_end_of_rows():
    x = np.zeros((10, 20))
    x[:, :8] = 1
    for layer, rows_of, found in (
        (layers.Embedding(5, 4), x, 1),
        (layers.Embedding(5, 4, mask_zero=True), x, 0),
        (layers.Embedding(5, 4), x[:, ::-1], 0),
    ):
        run = Run(inputs={"the input": rows_of}, last_step=["lstm"])
        look._look_at_preparation(run, [layer])
        evidence = texts(data.hidden_by_mask, run)
        assert ["last 60% of the steps" in text for text in evidence] == [True] * found


def test_inputs_divided_twice():
    tiny = Run(inputs={"the input": RANDOM.random((40, 6)) / 255})
    (text,) = texts(data.unnormalized_inputs, tiny)
    assert text.startswith("From row to row the input varies by 0.001")  # 1 / √12 / 255
    assert texts(data.unnormalized_inputs, Run(inputs={"the input": RANDOM.random((40, 6))})) == []


def test_rows_that_were_made_of_length_one():
    table = np.c_[RANDOM.uniform(200, 300, 40), RANDOM.normal(size=(40, 3))]
    rows_scaled = table / np.linalg.norm(table, axis=1, keepdims=True)
    (seen,) = data.unnormalized_inputs(Run(inputs={"the input": rows_scaled}))
    assert seen.evidence.endswith("Each row has length 1.")
    assert seen.remedy.startswith("Standardize each column")
    columns_scaled = (table - table.mean(axis=0)) / table.std(axis=0)
    assert texts(data.unnormalized_inputs, Run(inputs={"the input": columns_scaled})) == []


def test_validation_better_than_training_is_measured_alike():
    curves = [([0.7], [0.9], "accuracy", True)]
    out = Output("out", kind="binary", score=0.9, validation_score=0.9)
    run = Run(outputs=[out], curves=curves)
    (seen,) = split.validation_better(run)
    assert "no difference" in seen.evidence
    out.score = 0.7
    (seen,) = split.validation_better(run)
    assert "easier" in seen.evidence


# ---- settings ----


def test_an_early_stopping_of_the_wrong_sign():
    run = Run(epoch_losses=[1.0, 0.9], planned=50)
    run.watchers = [Watcher("EarlyStopping", "val_loss", True, 1)]
    (seen,) = training.watched_wrongly(run)
    assert "mode='max'" in seen.evidence and "after 2 of 50 epochs" in seen.evidence
    assert (seen.severity, seen.remedy) == ("warning", "Give it mode='min'.")
    for wants_more in (None, False):
        run.watchers = [Watcher("EarlyStopping", "val_loss", wants_more, 1)]
        assert texts(training.watched_wrongly, run) == []


def test_callbacks_that_watch_are_seen():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    stop = keras.callbacks.EarlyStopping("loss", mode="max", patience=2)
    fit = {"epochs": 9, "verbose": 0, "callbacks": [stop, diagnosis]}
    history = model.fit(X, X[:, :1] * 3, **fit)
    assert len(history.history["loss"]) < 9
    assert "watched_wrongly" in [f.symptom for f in diagnosis.findings if f.severity == "warning"]


def test_half_precision_and_shuffled_state_and_unbounded_recurrence():
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(8, 3, 2)),
            layers.LSTM(4, activation="relu", stateful=True, name="memory"),
            layers.Dense(1, dtype="float16", name="half"),
        ]
    )
    model.compile(keras.optimizers.Adam(), "mse")
    run = Run()
    look.look_at_model(run, model, {"shuffle": True}, [])
    assert "float16 (half)" in texts(model_rules.half_precision, run)[0]
    assert "epsilon is 1e-07" in texts(model_rules.half_precision, run)[0]
    assert "'memory' is stateful" in texts(model_rules.state_mixed, run)[0]
    assert "'memory' has activation 'relu'" in texts(model_rules.unbounded_recurrence, run)[0]
    run = Run()
    look.look_at_model(run, model, {"shuffle": False}, [])
    assert texts(model_rules.state_mixed, run) == []


def test_one_loss_that_outweighs_the_other():
    large = Output("price", kind="regression", gain=0.9, score=0.9)
    small = Output("kind", kind="binary", gain=0.0, score=0.5)
    run = Run(outputs=[large, small], history={"price_loss": [5000.0], "kind_loss": [0.7]})
    (seen,) = loss_rules.one_loss_outweighs(run)
    assert "'kind' has 0.0001 of the weight" in seen.evidence  # 0.7 / 5000
    assert seen.remedy == "Standardize the targets of 'price'."
    large.kind = "binary"  # classes cannot be standardized
    (seen,) = loss_rules.one_loss_outweighs(run)
    assert "loss_weights={'price': 0.0001, 'kind': 1.0}" in seen.remedy
    run.loss_weights = {"price": 0.1, "kind": 1.0}  # 0.0014 of the weight: 0.7 / 5000 is advised
    (seen,) = loss_rules.one_loss_outweighs(run)
    assert "'kind' has 0.001 of the weight" in seen.evidence
    assert "loss_weights={'price': 0.0001, 'kind': 1.0}" in seen.remedy
    run.history["price_loss"] = [5.0]
    assert texts(loss_rules.one_loss_outweighs, run) == []


def test_noise_that_hides_what_decides():
    out = Output("out", kind="binary", score=0.9, training_score=0.52, trivial=0.5, gain=0.6)
    run = Run(outputs=[out], gain=0.6, augmentation=["random_flip"])
    assert "with 'random_flip': they hide" in texts(training.noise_too_strong, run)[0]
    out.training_score = 0.85
    assert texts(training.noise_too_strong, run) == []
    out.score, out.training_score = 0.5, 0.2  # nothing is known without it either
    assert texts(training.noise_too_strong, run) == []


def test_layers_that_no_optimizer_is_handed():
    run = Run(kernels=dict.fromkeys(["kept", "lost"]), norms=np.ones((5, 1)))
    run.layer_names = ["tower/kept"]
    assert texts(training.no_gradient, run) == [
        "Layer 'lost' is trainable, but no optimizer is handed its weights in 5 recorded steps."
    ]


class HalfTrained(keras.Model):
    """An encoder and a decoder, built by their first step, of which it trains one or both."""

    def __init__(self, whole):
        super().__init__()
        self.encoder, self.decoder = (
            layers.Dense(4, name="encoder"),
            layers.Dense(4, name="decoder"),
        )
        self.whole = whole

    def call(self, x):
        return self.decoder(self.encoder(x))

    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        variables = (self if self.whole else self.decoder).trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


@pytest.mark.parametrize("whole", [True, False])
def test_a_part_that_a_step_of_ones_own_leaves_out(whole):
    model = HalfTrained(whole)
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    x = np.random.default_rng(0).normal(size=(128, 4)).astype("float32")
    model.fit(x, x[:, ::-1].copy(), epochs=5, verbose=0, callbacks=[diagnosis])
    left = [f for f in diagnosis.findings if "no optimizer is handed" in f.evidence]
    assert [f.layer for f in left] == ["encoder"] * (not whole)


# ---- the verdict ----


def finding(symptom, severity, remedy="r"):
    return Finding(symptom, severity, "data", "e", remedy, epoch=3)


def test_a_rate_is_not_called_low_where_the_loss_explodes():
    low, broken = finding("learning_rate_too_low", "suspicion"), finding("non_finite_loss", "error")
    judged = verdict.judge([low, broken], gain=-np.inf, ended=True)
    assert [(f.symptom, f.severity) for f in judged] == [
        ("non_finite_loss", "error"),
        ("learning_rate_too_low", "note"),
    ]
    assert verdict.judge([low], gain=0.0, ended=True)[0].severity == "warning"


def test_a_penalty_is_not_blamed_for_what_a_rate_far_too_high_shrinks():
    shrunk = finding("penalty_too_strong", "suspicion")
    fast = finding("learning_rate_too_high", "error")
    assert verdict.judge([shrunk], gain=0.1, ended=True)[0].severity == "warning"
    first, second = verdict.judge([shrunk, fast], gain=0.1, ended=True)
    assert (first.symptom, second.severity) == ("learning_rate_too_high", "note")
    measured = finding("penalty_too_strong", "warning")
    assert verdict.judge([measured, fast], 0.1, True)[0].symptom == "penalty_too_strong"


def test_what_was_measured_is_blamed_before_what_is_unusual():
    unusual = finding("poor_initialization", "suspicion")
    measured = finding("imbalanced_classes", "warning")
    judged = verdict.judge([unusual, measured], gain=0.1, ended=True)
    assert judged[0].symptom == "imbalanced_classes"
    assert [f.symptom for f in verdict.judge([unusual], 0.1, True)] == ["poor_initialization"]


def test_what_hides_the_inputs_explains_that_they_tell_nothing():
    nothing = finding("inputs_tell_nothing", "warning")
    raw, masked = (finding(s, "suspicion") for s in ("unnormalized_inputs", "hidden_by_mask"))
    assert verdict.judge([raw, nothing], 0.1, True)[0].symptom == "inputs_tell_nothing"
    assert verdict.judge([raw, nothing, masked], 0.1, True)[0].symptom == "hidden_by_mask"


def test_swapped_axes_explain_that_validation_is_at_chance():
    by_heart, swapped = finding("label_problem", "warning"), finding("axes_swapped", "suspicion")
    assert verdict.judge([by_heart], 0.9, True)[0].symptom == "label_problem"
    root, under = verdict.judge([by_heart, swapped], 0.9, True)
    assert (root.symptom, root.severity) == ("axes_swapped", "warning")
    assert (under.symptom, under.consequence_of) == ("label_problem", "axes_swapped")
    assert [f.severity for f in verdict.judge([swapped], 0.9, True)] == ["note"]


@pytest.mark.parametrize(
    ("root", "same"),
    [("moving_averages_behind", "imbalanced_classes"), ("unsuitable_loss", "unscaled_targets")],
)
def test_what_says_the_same_stands_under_its_root(root, same):
    judged = verdict.judge([finding(same, "warning"), finding(root, "warning")], 0.1, True)
    assert [(f.symptom, f.consequence_of) for f in judged] == [(root, None), (same, root)]


def test_labels_that_are_known_to_be_wrong_are_not_supposed_to_be_so():
    known, supposed = finding("label_problem", "error"), finding("label_problem", "warning")
    assert verdict.judge([supposed, known], 0.9, True) == [known]


def test_weights_that_went_far_for_nothing_need_no_longer_steps():
    flat = {"epoch_losses": list(1 - 1e-5 * np.arange(20)), "losses": np.ones(400), "gain": 0.0}
    assert texts(at_end.slow_convergence, Run(**flat, moved={"a": 0.8}, learning_rate=0.01)) == []
    sgd = {"optimizer": "SGD", "learning_rate": 0.01, "norms": np.array([[3.0, 4.0]] * 9)}
    for settings, cause, remedy in (
        (sgd, "those of SGD with learning rate 0.01 and no momentum", "Use Adam, or momentum=0.9"),
        (sgd | {"clipped": 1e-3}, "of gradients of norm 5 clipped at 0.001", "Clip at 1"),
        (sgd | {"clipped": 1.0}, "and no momentum", "Use Adam, or momentum=0.9"),
        (sgd | {"optimizer": "Adam", "epsilon": 1.0}, "and epsilon=1, which", "Leave epsilon"),
        ({"optimizer": "Adam", "learning_rate": 1e-4}, "those of Adam", "Use a learning rate ten"),
        ({"optimizer": "Adam", "learning_rate": 0.01}, "those of Adam", "Try learning rates ten"),
    ):
        (seen,) = at_end.slow_convergence(Run(**flat, moved={"a": 0.01}, **settings))
        assert "moved by 1.0%" in seen.evidence and cause in seen.evidence
        assert seen.remedy.startswith(remedy)
        is_optimizer = settings["optimizer"] == "SGD" or "epsilon" in settings
        assert (seen.change == "optimizer") is is_optimizer


def test_a_suspicion_that_explains_a_gap_counts_where_there_is_one():
    again = finding("repeated_batches", "suspicion")
    gap = finding("high_variance", "warning")
    root, under = verdict.judge([gap, again], gain=0.95, ended=True)
    assert (root.symptom, root.severity) == ("repeated_batches", "warning")
    assert under.consequence_of == "repeated_batches"
    (alone,) = verdict.judge([again], gain=0.95, ended=True)
    assert alone.severity == "note"


def test_a_low_score_without_a_cause_names_the_next_step():
    run = Run(outputs=[Output("out", kind="binary", score=0.5, trivial=0.5)], gain=0.0)
    low = finding("high_bias", "warning", UNKNOWN)
    kind, text = verdict.headline([low], run)
    assert kind == "disappoints" and "checkup" in text
    assert verdict.headline([finding("high_bias", "warning")], run)[0] == "wrong"


def test_a_layer_too_narrow_for_what_a_simple_model_tells():
    out = Output("out", kind="sparse", units=10, simple=(0.95, "the nearest rows", 0.5))
    run = Run(outputs=[out], gain=0.4, trainable=4)
    run.kernels = {"thin": np.ones((64, 2)), "out": np.ones((2, 10))}
    (seen,) = at_end.too_small(run)
    assert seen.layer == "thin" and "0.950, the network 0.500" in seen.evidence
    run.kernels["thin"] = np.ones((64, 32))
    assert texts(at_end.too_small, run) == []
    run.kernels, run.trainable = {"out": np.ones((64, 10))}, 2
    assert "one linear layer; a simple" in texts(at_end.too_small, run)[0]
    run.frozen = ["base"]
    (seen,) = at_end.too_small(run)
    assert "one linear layer (frozen are 'base'); a" in seen.evidence
    assert "trainable=True" in seen.remedy
    out.simple = (0.95, "a linear model", 0.5)  # which such a network can be
    assert texts(at_end.too_small, run) == []


class TwoOptimizers(keras.Model):
    """Two networks, each with an optimizer of its own; a third layer is handed to none."""

    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(4, name="first"), layers.Dense(1, name="second")
        self.forgotten = layers.Dense(4, name="forgotten")
        self.own = keras.optimizers.SGD(0.01, name="own")

    def call(self, inputs):
        return self.second(self.forgotten(self.first(inputs)))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape(persistent=True) as tape:
            loss = tf.reduce_mean(tf.square(y - self(x, training=True)))
        for optimizer, layer in ((self.optimizer, self.first), (self.own, self.second)):
            optimizer.apply_gradients(
                zip(
                    tape.gradient(loss, layer.trainable_variables),
                    layer.trainable_variables,
                    strict=True,
                )
            )
        return {"loss": loss}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a tape of TensorFlow")
class RawLoss(keras.Model):
    """Returns the loss of the batch and leaves Keras's own mean at 0."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


class Kept(keras.callbacks.Callback):
    """Keeps what is logged at the end of each batch."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))


@pytest.mark.parametrize("own", [True, False])
def test_a_step_that_returns_the_loss_of_its_batch(own):
    inputs = keras.Input((4,))
    model = (RawLoss if own else keras.Model)(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", None if own else "mse")
    diagnosis, kept = Diagnosis(verbose=False, checkup_seconds=0), Kept()
    options = {"batch_size": 16, "epochs": 2, "verbose": 0, "shuffle": False}
    history = model.fit(X, X[:, :1], callbacks=[diagnosis, kept], **options)
    losses = np.array(kept.losses).reshape(2, 4)
    if own:
        assert history.history["loss"] == [0.0, 0.0]  # what Keras shows
    else:
        losses = np.diff(losses * np.arange(1, 5), prepend=0)  # of running means
    assert diagnosis._run.losses == pytest.approx(losses.ravel(), rel=1e-4)
    assert diagnosis._history["loss"] == pytest.approx(losses.mean(axis=1), rel=1e-4)
    notes = [f.evidence for f in diagnosis.findings if f.symptom == "uninformative_metric"]
    assert [text.startswith("The loss that `fit` shows") for text in notes] == [True] * own


def test_several_optimizers_and_a_layer_that_none_is_handed():
    model = TwoOptimizers()
    model(X[:1])
    model.compile(keras.optimizers.SGD(0.01, name="compiled"))
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, X[:, :1] - X[:, 1:2], epochs=3, verbose=0, callbacks=[diagnosis])
    assert diagnosis.monitor.optimizers == {"compiled": ["first"], "own": ["second"]}
    (text,) = [text for text in diagnosis.left_out if "optimizers" in text]
    assert text.startswith("the balance of the optimizers compiled, own and the learning rates")
    (lost,) = [f for f in diagnosis.findings if f.symptom == "no_gradient"]
    assert lost.layer == "forgotten" and "no optimizer is handed" in lost.evidence


def test_dead_units_beside_enough_living_ones_are_a_note():
    values = np.ones((32, 64))
    values[:, :40] = 0  # 40 of 64 are dead, 24 live
    run = Run(activations={"r": ("relu", values)}, losses=np.ones(500), optimizer="Adam")
    for rate, severity in ((0.003, "note"), (0.1, None)):  # the usual rate of Adam is 0.001
        run.learning_rate = rate
        assert [seen.severity for seen in training.dead_relu(run)] == [severity]


def test_texts_in_batches_are_looked_at():
    read = layers.TextVectorization(output_mode="multi_hot", vocabulary=["good", "bad", "film"])
    texts = tf.constant([["good film"], ["bad film"]] * 40)
    labels = np.array([1, 0] * 40)
    inputs = keras.Input((1,), dtype="string")
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(read(inputs)))
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    batches = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(8)
    model.fit(batches, epochs=10, verbose=0, callbacks=[diagnosis])
    assert diagnosis.left_out == []
    assert "accuracy 1.000 in training" in diagnosis.report()


def attention(axis, use=lambda scores, axis: ops.softmax(scores, axis=axis)):
    inputs = keras.Input((15, 4))
    weights = use(layers.Dense(1)(inputs), axis)
    return keras.Model(inputs, layers.Dense(1)(ops.sum(weights * inputs, axis=1)))


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
def test_a_softmax_over_one_value_passes_nothing():
    by_layer = attention(-1, lambda scores, axis: layers.Softmax(axis, name="weigh")(scores))
    by_activation = attention(-1, lambda scores, _: layers.Activation("softmax")(scores))
    for model, count in ((attention(-1), 1), (by_layer, 1), (by_activation, 1), (attention(1), 0)):
        model.compile("adam", "mse")
        run, left_out = Run(), []
        look.look_at_model(run, model, {}, left_out)
        assert (len(texts(model_rules.softmax_of_one_value, run)), left_out) == (count, [])
    inputs = keras.Input((3,))
    out = keras.Model(inputs, layers.Dense(1, "softmax")(inputs))  # an output is told otherwise
    out.compile("adam", "mse")
    run = Run()
    look.look_at_model(run, out, {}, [])
    assert texts(model_rules.softmax_of_one_value, run) == []


@pytest.mark.parametrize(
    ("read", "is_told"),
    [
        (lambda x: layers.GRU(4, return_sequences=True, go_backwards=True)(x), True),
        (lambda x: ops.flip(layers.GRU(4, return_sequences=True, go_backwards=True)(x), 1), False),
        (lambda x: layers.Bidirectional(layers.GRU(4, return_sequences=True))(x), False),
        (lambda x: layers.GRU(4, return_sequences=True)(x), False),
    ],
)
def test_steps_that_come_last_first(read, is_told):
    inputs = keras.Input((5, 2))
    model = keras.Model(inputs, layers.Dense(3, "softmax")(read(inputs)))
    model.compile("adam", "sparse_categorical_crossentropy")
    run = Run()
    look.look_at_model(run, model, {}, [])
    run.outputs = [Output("out", shape=(5, 3), label_shape=(5,))]
    assert bool(texts(model_rules.steps_reversed, run)) == is_told
    run.outputs = [Output("out", shape=(3,), label_shape=())]  # one label for all steps
    assert texts(model_rules.steps_reversed, run) == []


def test_images_whose_channels_were_reshaped():
    random = np.random.default_rng(0)
    spots = random.random((200, 3, 12, 12)).cumsum(axis=2).cumsum(axis=3)
    spots -= spots.mean(axis=(2, 3), keepdims=True)
    wrong = Run(inputs={"the input": spots.reshape(200, 12, 12, 3)})
    (text,) = texts(places.channels_reshaped, wrong)
    assert "read as (3, 12, 12), with the channels first" in text
    noise = random.normal(size=(200, 12, 12, 3))
    bytes_ = (255 * (spots - spots.min()) / np.ptp(spots)).astype("uint8")
    assert texts(places.channels_reshaped, Run(inputs={"x": bytes_.reshape(200, 12, 12, 3)}))
    assert texts(places.channels_reshaped, Run(inputs={"x": np.moveaxis(bytes_, 1, -1)})) == []
    for images in (np.moveaxis(spots, 1, -1), noise, np.repeat(spots[:, 0, ..., None], 3, axis=-1)):
        assert texts(places.channels_reshaped, Run(inputs={"the input": images})) == []


class BySquares(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


class ByKeras(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


@pytest.mark.parametrize(("kind", "is_told"), [(BySquares, True), (ByKeras, False)])
def test_labels_that_broadcast_in_a_step_beside_a_compiled_loss(kind, is_told):
    inputs = keras.Input((4,))
    model = kind(inputs, layers.Dense(1)(inputs))
    model.compile("adam", "mse")
    run, x = Run(), np.zeros((40, 4), "float32")
    look.look_at_model(run, model, {}, [])
    look.look_at_data(run, model, Rows(x, np.arange(40.0)), [])
    assert bool(texts(model_rules.shapes_broadcast, run)) == is_told


def test_windows_with_the_target_of_their_first_step():
    random = np.random.default_rng(0)
    rain = random.normal(size=(900, 2)).astype("float32")
    level = np.convolve(rain[:, 0], np.ones(12))[:900]  # the sum of the last 12 steps
    windows = np.stack([rain[i : i + 12] for i in range(888)])
    for first, is_told in ((0, True), (11, False), (12, False)):  # the last is a forecast
        y = level[first : first + 888, None]
        out = Output("out", kind="regression", y=y)
        order = random.permutation(888)
        out.y = y[order]
        run = Run(inputs={"the input": windows[order]}, outputs=[out])
        assert bool(texts(label_rules.label_of_the_first_step, run)) == is_told
    out.y = np.repeat(out.y, 12, axis=0)  # a label for each step
    assert texts(label_rules.label_of_the_first_step, run) == []
    run.inputs = {}  # texts
    assert texts(label_rules.label_of_the_first_step, run) == []


def apart_if_1(y_true, y_pred):
    """The contrastive loss of Hadsell et al. (2006): label 0 for pairs of a kind."""
    near, far = ops.square(y_pred), ops.square(ops.maximum(1 - y_pred, 0))
    return ops.mean((1 - y_true) * near + y_true * far)


def distance(codes):
    return ops.sqrt(ops.sum(ops.square(codes[0] - codes[1]), axis=-1, keepdims=True) + 1e-7)


@pytest.mark.parametrize("compares", [True, False])
@pytest.mark.parametrize("label_of_near_pairs", [1, 0])
def test_pairs_that_a_loss_reads_the_other_way(label_of_near_pairs, compares):
    random = np.random.default_rng(0)
    first = random.normal(size=(400, 6)).astype("float32")
    is_near = random.random(400) < 0.5
    far = random.normal(size=(400, 6)).astype("float32")
    second = np.where(is_near[:, None], first + far / 3, far)
    left, right = keras.Input((6,)), keras.Input((6,))
    tower = layers.Dense(3)
    codes = [tower(left), tower(right)]
    output = layers.Lambda(distance)(codes) if compares else layers.Dense(1)(codes[0] * codes[1])
    model = keras.Model([left, right], output)
    model.compile("adam", apart_if_1)
    labels = np.where(is_near, label_of_near_pairs, 1 - label_of_near_pairs)[:, None]
    run, sample = Run(), Rows([first, second], labels)
    look.look_at_model(run, model, {}, [])
    look.look_at_data(run, model, sample, left_out := [])
    look.try_on_rows(run, model, sample.x, left_out)
    run.gain = 0.2
    told = texts(rows.pairs_read_the_other_way, run)
    assert bool(told) == (compares and label_of_near_pairs == 1)
    assert not compares or run.equal_inputs == pytest.approx((3.2e-4, 1e-7, 0.9994), rel=0.02)
    run.gain = 0.9
    assert texts(rows.pairs_read_the_other_way, run) == [] and left_out == []


def test_validation_data_without_rows_are_said():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    x, y = np.random.default_rng(0).normal(size=(64, 4)), np.zeros(64)
    empty = x[:0], y[:0]
    model.fit(x, y, validation_data=empty, epochs=1, verbose=0, callbacks=[diagnosis])
    assert diagnosis.left_out == ["validation: its data have no rows"]
    assert not any("left out" in finding.evidence for finding in diagnosis.findings)


def soft(random, rows, least):
    """Rows of shares of three classes, of which one has at least this share."""
    rest = random.dirichlet((1, 1, 1), rows)
    return (least * np.eye(3)[random.integers(0, 3, rows)] + (1 - least) * rest).astype("float32")


@pytest.mark.parametrize(
    ("loss", "least", "kind"),
    [
        ("categorical_crossentropy", 0.6, "onehot"),
        ("categorical_crossentropy", 0.0, "regression"),  # shares, of which none is the answer
        ("mean_squared_error", 0.6, "regression"),
    ],
)
def test_soft_labels_name_a_class_where_one_has_most(loss, least, kind):
    y = soft(np.random.default_rng(0), 300, least) ** (1 if least else 0.2)
    y /= y.sum(axis=1, keepdims=True)
    assert target.label_kind(y, Output("out", units=3, loss=loss))[1] == kind


def test_accuracy_on_soft_labels_is_that_of_keras():
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    x, y = random.normal(size=(200, 5)).astype("float32"), soft(random, 200, 0.6)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[diagnosis])
    (out,) = diagnosis._run.outputs
    assert out.score == pytest.approx(model.evaluate(x, y, verbose=0)[1])


@pytest.mark.parametrize("loss", ["binary", "categorical"])
def test_logits_of_shares_are_scored_as_probabilities(loss):
    random = np.random.default_rng(0)
    logits = random.normal(size=(200, 4))
    link = expit if loss == "binary" else lambda values: softmax(values, axis=1)
    y = link(logits) + random.normal(size=(200, 4)) / 10
    out = Output("out", units=4, loss=f"{loss}_crossentropy", from_logits=True, y=y)
    expected = r2_score(y, link(logits), multioutput="variance_weighted")
    assert target.gain_of(out, y, logits)[0] == pytest.approx(expected, rel=1e-5)


class ByParts(keras.Model):
    """A model that is never called as a whole, so that Keras never builds it."""

    def __init__(self):
        super().__init__()
        self.code = keras.Sequential([layers.Dense(3, "relu")])
        self.back = keras.Sequential([layers.Dense(6)])
        self.unused = keras.Sequential([layers.Dense(2)])

    def call(self, x):
        return self.unused(self.back(self.code(x)))

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.back(self.code(data)) - data))
        slopes = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_variables, strict=True))
        return {"loss": loss}

    def test_step(self, data):
        return {"loss": tf.reduce_mean(tf.square(self.back(self.code(data)) - data))}


def test_a_model_that_is_never_built_is_looked_at_once():
    x = np.random.default_rng(0).normal(size=(96, 6)).astype("float32")
    model, diagnosis = ByParts(), Diagnosis(verbose=False, checkup_seconds=0)
    model.compile("adam")
    model.fit(x, validation_data=(x,), batch_size=32, epochs=2, verbose=0, callbacks=[diagnosis])
    run = diagnosis._run
    assert (run.own_step, run.has_validation, len(run.losses)) == (True, True, 6)
    assert "no_validation_data" not in [finding.symptom for finding in diagnosis.findings]
    assert not model.built and len(model.weights) == 4  # a call would make those of `unused`
    assert any("training calls parts of the model only" in text for text in diagnosis.left_out)


class Slope(keras.Model):
    """u' = -u with u(0) = 1: what the step computes needs no labels."""

    def train_step(self, data):
        x, _ = data
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(x)
                u = self(x, training=True)
            error = tf.square(inner.gradient(u, x) + u) + tf.square(self(tf.zeros((1, 1))) - 1)
            loss = tf.reduce_mean(error)
        slopes = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_variables, strict=True))
        return {"loss": loss}


def test_labels_that_stand_in_under_a_step_of_ones_own_are_not_scored():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).uniform(0, 2, (512, 1)).astype("float32")
    inputs = keras.Input((1,))
    model = Slope(inputs, layers.Dense(1)(layers.Dense(16, "tanh")(inputs)))
    model.compile(keras.optimizers.Adam(0.01))
    diagnosis = Diagnosis(verbose=False)
    model.fit(x, np.zeros_like(x), epochs=20, verbose=0, callbacks=[diagnosis])
    assert diagnosis.verdict == "not judged"
    assert [f.severity for f in diagnosis.findings] == ["note"] * len(diagnosis.findings)
    said = [f.evidence for f in diagnosis.findings if f.symptom == "label_problem"]
    assert said and "no score compares outputs with them" in said[0]
