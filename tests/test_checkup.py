"""Checkup: experiments with known answers, planted faults with known repairs, nothing touched."""

import pathlib
import random
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras.optimizers.schedules import ExponentialDecay
from scipy import sparse
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from callbacks import Diagnosis, checkup
from callbacks.diagnosis import CAUSES, experiments, patterns, treatments
from callbacks.diagnosis.__main__ import main
from callbacks.diagnosis.checkup_result import Checkup, Outcome, Verdict
from callbacks.diagnosis.clones import KEPT, Change, both, clone, clone_of, compile_line
from callbacks.diagnosis.experiments import EXPERIMENTS, NotApplicable, Result
from callbacks.diagnosis.laboratory import Clock, Laboratory
from callbacks.diagnosis.learner import Learner, OutOfTime
from callbacks.diagnosis.rows import Rows, read_rows, sample_arrays
from callbacks.diagnosis.run import Output, Run
from callbacks.diagnosis.states import random_states_kept
from callbacks.diagnosis.target import Target, target_of
from callbacks.diagnosis.treatments import TREATMENTS
from callbacks.diagnosis.verdict import NEXT

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(600, 6)).astype("float32")
THREE = np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7])
TWO = (X[:, 0] * X[:, 1] > 0).astype("float32")
NUMBERS = (X[:, 0] * X[:, 1] + X[:, 2]).astype("float32")


def mlp(
    units=3,
    activation="softmax",
    loss="sparse_categorical_crossentropy",
    optimizer=None,
    hidden="relu",
    extra=(),
    depth=1,
    **options,
):
    """A function that builds a small network; each argument may be a fault."""

    def build():
        stack = [layers.Dense(16, hidden, **options) for _ in range(depth)]
        model = keras.Sequential(
            [
                keras.Input((6,)),
                *stack,
                *(layer() for layer in extra),
                layers.Dense(units, activation),
            ]
        )
        model.compile(optimizer() if optimizer else keras.optimizers.Adam(0.01), loss)
        return model

    return build


def laboratory(build, x=X, y=THREE, held=None, updates=60, **fit):
    rows = Rows(x[:400], y[:400])
    rows = Rows(rows.x, rows.y, in_order=fit.get("shuffle") is False)
    held = held or Rows(x[400:], y[400:])
    lab = Laboratory(build, rows, held, fit, 0, Clock(10_000))
    lab.updates = updates
    return lab


def trained(lab):
    lab.baseline = lab.try_change(KEPT, 0)
    lab.restart()
    return lab


# ---- clones ----


def wrapped():
    """Layers within Bidirectional and TimeDistributed, also at the end: rows (3, 2) → (3, 1)."""
    penalty = keras.regularizers.L2(1.0)
    gru = layers.GRU(4, return_sequences=True, dropout=0.5, kernel_regularizer=penalty)
    model = keras.Sequential(
        [
            keras.Input((3, 2)),
            layers.Bidirectional(gru),
            layers.TimeDistributed(layers.Dense(5, "tanh")),
            layers.TimeDistributed(layers.Dense(1)),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


@pytest.fixture(scope="module")
def of_wrapped():
    x = X.reshape(-1, 3, 2)
    y = x[..., :1]
    return laboratory(wrapped, x, y, held=Rows(x[400:], y[400:]))


def test_an_edit_reaches_what_layers_wrap(of_wrapped):
    change = treatments.no_weight_penalties(of_wrapped)
    assert [new.split(", name")[0] for _, new in change.lines] == [
        "layers.GRU(4, kernel_regularizer=None"
    ] * 2
    model, _ = clone(of_wrapped, change)
    both_ways = model.layers[0].forward_layer, model.layers[0].backward_layer
    assert [layer.kernel_regularizer for layer in both_ways] == [None, None]
    plain, _ = clone(of_wrapped, KEPT)
    assert plain.layers[0].forward_layer.kernel_regularizer is not None
    assert list(of_wrapped.run.penalized.values()) == [1.0, 1.0]
    quiet, _ = clone(of_wrapped, treatments.no_noise(of_wrapped))
    assert quiet.layers[0].forward_layer.dropout == 0


def test_what_an_output_wraps_keeps_its_size(of_wrapped):
    model, _ = clone(of_wrapped, treatments.four_times_the_width(of_wrapped))
    assert model.layers[0].forward_layer.units == 16
    assert [layer.layer.units for layer in model.layers[1:]] == [20, 1]


@pytest.mark.parametrize(
    ("factor", "shape", "is_offered"),
    [(1.0, (3, 2, 1), False), (255.0, (3, 2, 1), True), (0.01, (3, 2, 1), True), (1.0, (6,), True)],
)
def test_images_of_0_to_1_need_no_scaling(factor, shape, is_offered):
    x = (factor * np.abs(np.tanh(X))).reshape(-1, *shape).astype("float32")

    def build():
        stack = [keras.Input(shape), layers.Flatten(), layers.Dense(1)]
        model = keras.Sequential(stack)
        model.compile("adam", "mse")
        return model

    lab = laboratory(build, x, NUMBERS, held=Rows(x[400:], NUMBERS[400:]))
    assert (treatments.scaled_inputs(lab) is not None) == is_offered


# ---- short trainings ----


class PairStep(keras.Model):
    """A step of one's own that counts on (x, y), as only `fit` gives it."""

    def train_step(self, data):
        x, y = data
        return super().train_step((x, y))


@pytest.mark.parametrize(
    ("step", "options", "class_weight"),
    [
        (keras.Model, {}, None),
        (keras.Model, {}, {0: 3.0, 2: 0.5}),
        (keras.Model, {"run_eagerly": True}, None),
        (PairStep, {}, None),
        ("distributed", {}, None),
    ],
)
def test_short_trainings_are_those_of_train_on_batch(step, options, class_weight):
    def build(step):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6,))
        x = layers.BatchNormalization()(layers.Dense(16, "relu")(inputs))
        outputs = layers.Dense(3, "softmax")(layers.Dropout(0.3, seed=1)(x))
        model = step(inputs, outputs)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
        return model

    random_rows = np.random.default_rng(1)
    places = [random_rows.permutation(len(X))[:32] for _ in range(23)]
    model = build(keras.Model)
    if step == "distributed":
        with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
            learner = Learner(build(keras.Model))
    else:
        learner = Learner(build(step))
    losses = [
        model.train_on_batch(X[i], THREE[i], class_weight=class_weight, return_dict=True)["loss"]
        for i in places
    ]
    found = learner.train(Rows(X, THREE), places, class_weight=class_weight)
    np.testing.assert_allclose(found, losses, rtol=1e-4)
    for theirs, ours in zip(model.weights, learner.model.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_training_ends_with_its_time():
    learner = Learner(mlp()())
    with pytest.raises(OutOfTime):
        learner.train(Rows(X, THREE), [np.arange(32)] * 3, Clock(-1))


# ---- experiments against known answers ----


def test_loss_at_start_is_ln_3_and_far_with_large_inputs():
    outcome, _, numbers = experiments.loss_at_start(laboratory(mlp()))
    assert outcome == "at chance"
    assert numbers["chance"] == pytest.approx(np.log(3))
    outcome, _, numbers = experiments.loss_at_start(laboratory(mlp(), X * 100))
    assert outcome == "far from chance"
    assert numbers["loss"] > 10


def test_loss_at_start_of_squares_is_the_variance():
    lab = laboratory(mlp(1, None, "mse"), y=NUMBERS)
    assert experiments.loss_at_start(lab)[2]["chance"] == pytest.approx(np.var(NUMBERS[:400]), 1e-4)


def test_penalties_are_those_of_the_kernels():
    build = mlp(kernel_regularizer=keras.regularizers.L2(10.0))
    lab = laboratory(build)
    outcome, _, numbers = experiments.penalties(lab)
    kernel = lab.model.layers[0].kernel.numpy()
    assert numbers["penalties"] == pytest.approx(10 * np.square(kernel).sum(), rel=1e-4)
    assert outcome == "outweigh the data"
    with pytest.raises(NotApplicable):
        experiments.penalties(laboratory(mlp()))


class BroadcastStep(keras.Model):
    """Squared error by hand: labels (n,) minus predictions (n, 1) are (n, n)."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.cast(y, "float32") - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def broadcast_model():
    inputs = keras.Input((6,))
    model = BroadcastStep(inputs, layers.Dense(1)(layers.Dense(16, "relu")(inputs)))
    model.compile(keras.optimizers.Adam(0.01))
    return model


def test_rows_are_independent_or_mix_in_the_loss():
    assert experiments.rows_independent(laboratory(mlp()))[0] == "independent"
    for y, expected in ((NUMBERS, "rows mix in the loss"), (NUMBERS[:, None], "independent")):
        lab = laboratory(broadcast_model, y=y)
        outcome, _, numbers = experiments.rows_independent(lab)
        assert outcome == expected
        rows = lab.some(8)
        predictions = lab.learner.predict(rows.x)[0]
        by_hand = np.mean(np.square(rows.y - predictions))
        assert numbers["together"] == pytest.approx(by_hand, rel=1e-3)


def test_rows_that_mix_in_the_model():
    center = [lambda: layers.Lambda(lambda x: x - ops.mean(x, axis=0, keepdims=True))]
    assert experiments.rows_independent(laboratory(mlp(extra=center)))[0] == "rows mix in the model"


class Drawn(layers.Layer):
    """Adds noise whenever it is called, as the code of a variational autoencoder has it."""

    def call(self, inputs):
        return inputs + keras.random.normal(ops.shape(inputs))


def test_draws_at_random_are_no_mixing_of_rows():
    lab = laboratory(mlp(extra=[Drawn]))
    with pytest.raises(NotApplicable, match="something is random"):
        experiments.rows_independent(lab)


def test_what_a_network_within_the_model_gives_keeps_its_shape():
    def build():
        scorer = keras.Sequential([keras.Input((6,)), layers.Dense(5, "relu"), layers.Dense(3)])
        inputs = keras.Input((6,))
        model = keras.Model(inputs, layers.Softmax()(scorer(inputs)))
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    lab = laboratory(build)
    model, _ = clone(lab, treatments.four_times_the_width(lab))
    shapes = [weight.shape for weight in model.weights]
    assert shapes == [(6, 20), (20,), (20, 3), (3,)]


class Reshuffled(keras.utils.PyDataset):
    """Rows in one batch; `on_epoch_end` parts them from their labels."""

    y = THREE[:80].copy()

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return X[:80], self.y

    def on_epoch_end(self):
        np.random.default_rng(0).shuffle(self.y)


def test_what_a_dataset_does_between_epochs_is_said_to_be_left_out():
    result = checkup(mlp(), Reshuffled(), seconds=5, verbose=False)
    assert any("`on_epoch_end`" in text for text in result.left_out)
    result = checkup(mlp(), (X[:80], THREE[:80]), seconds=5, verbose=False)
    assert not any("`on_epoch_end`" in text for text in result.left_out)
    late = [text for text in result.left_out if text.startswith("for lack of time")]
    assert not any("own_step" in text for text in late)  # it cannot be made of this model


def test_an_autoencoder_is_narrow_on_purpose():
    build = mlp(units=6, activation="linear", loss="mse")
    restoring, other = laboratory(build, y=X), laboratory(build, y=X[:, ::-1].copy())
    assert treatments.four_times_the_width(restoring) is None
    assert treatments.four_times_the_width(other) is not None
    with pytest.raises(NotApplicable, match="a linear model copies"):
        experiments.simple_models(restoring)


def test_one_batch_is_learned_with_a_rate_that_moves():
    assert experiments.one_batch(laboratory(mlp()))[0] == "learned"
    slow = mlp(optimizer=lambda: keras.optimizers.SGD(1e-6))
    assert experiments.one_batch(laboratory(slow))[0] == "only with Adam at 0.003"
    assert experiments.one_batch(laboratory(mlp(1, "softmax", "mse"), y=TWO))[0] == "not learned"


def test_learning_rate_is_compared_with_ten_times_and_a_tenth():
    slow = mlp(optimizer=lambda: keras.optimizers.SGD(1e-3))
    assert experiments.learning_rate(laboratory(slow))[0] == "ten times is better"
    still = mlp(optimizer=lambda: keras.optimizers.SGD(1e-7))
    assert experiments.learning_rate(laboratory(still))[0] == "nothing moves"
    # Linear, inputs of variance 1: the curvature is 2, so that steps above 2 / 2 lead away.
    fast = mlp(1, None, "mse", lambda: keras.optimizers.SGD(1.5), depth=0)
    assert experiments.learning_rate(laboratory(fast, y=NUMBERS))[0] == "a tenth is better"


def test_one_batch_starts_with_what_was_adapted_and_trained_before():
    norm = layers.Normalization()
    norm.adapt(X * 100 + 500)
    base = layers.Dense(8, "tanh", trainable=False)

    def build():
        model = keras.Sequential([keras.Input((6,)), norm, base, layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    build()
    base.set_weights([np.zeros((6, 8)), np.zeros(8)])  # whose outputs are 0: it starts at ln 3
    _, _, numbers = experiments.one_batch(laboratory(build, X * 100 + 500))
    assert numbers["the own optimizer"]["first"] == pytest.approx(np.log(3), rel=1e-5)


def test_a_vocabulary_goes_with_the_clone():
    texts = np.array([["good film"], ["bad film"]] * 40, dtype=object)
    read = layers.TextVectorization(output_mode="multi_hot")
    read.adapt(texts)
    inputs = keras.Input((1,), dtype="string")
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(read(inputs)))
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    copy = clone_of(model)()
    read = next(layer for layer in copy.layers if isinstance(layer, layers.TextVectorization))
    assert read.get_vocabulary() == ["[UNK]", "film", "good", "bad"]


def distance(pair):
    return ops.sum(ops.square(pair), axis=-1, keepdims=True)


def test_functions_of_ones_own_go_with_the_clone():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Lambda(distance)(layers.Dense(4, squared)(inputs)))
    model.compile("adam", "mse")
    copy = clone_of(model)()
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(X[:4]), model(X[:4]))


def squared(x):
    return ops.square(x)


class OwnStep(keras.Model):
    """Keras's step, but for what is done to the gradients."""

    change = staticmethod(lambda gradients, model: gradients)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        gradients = self.change(gradients, self)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def summed(gradients, model):
    for total, gradient in zip(model.totals, gradients, strict=True):
        total.assign_add(gradient)
    return [total + 0 for total in model.totals]


def gathered(gradients, model):
    """Return the sum of four batches' gradients at each fourth batch, else zeros."""
    model.count.assign_add(1)
    last = tf.cast(model.count % 4 == 0, "float32")
    sums = [total + gradient for total, gradient in zip(model.totals, gradients, strict=True)]
    for total, one in zip(model.totals, sums, strict=True):
        total.assign((1 - last) * one)
    return [last * one for one in sums]


class Gathered(OwnStep):
    """A step for every four batches; keeps a seed and a metric, and takes an argument more."""

    change = staticmethod(gathered)

    def __init__(self, inputs, outputs, kept):
        super().__init__(inputs, outputs)
        self.kept, self.seed, self.seen = kept, keras.random.SeedGenerator(1), keras.metrics.Mean()
        self.count = tf.Variable(0)
        self.totals = [tf.Variable(tf.zeros_like(w)) for w in self.trainable_variables]


class Summed(OwnStep):
    """Gradients are added up and never set back to 0."""

    change = staticmethod(summed)

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.totals = [tf.Variable(tf.zeros_like(w)) for w in self.trainable_variables]


def with_step(change=None, kind=OwnStep, optimizer=None):
    kind = kind if change is None else type("Own", (OwnStep,), {"change": staticmethod(change)})

    def build():
        inputs = keras.Input((6,))
        outputs = layers.Dense(3, "softmax")(layers.Dense(16, "relu")(inputs))
        model = kind(inputs, outputs)
        model.compile(optimizer or keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        return model

    return build


@pytest.mark.parametrize(
    ("build", "outcome", "length", "cosine"),
    [
        (with_step(), "as Keras's", 1, 1),
        (with_step(lambda g, m: [-one for one in g]), "against Keras's", 1, -1),
        (with_step(lambda g, m: [one / 100 for one in g]), "of another length", 0.01, 1),
        (with_step(kind=Summed), "later steps differ", 1, 1),
        (with_step(lambda g, m: [one * 0 for one in g]), "elsewhere", 0, 0),
    ],
)
def test_steps_of_ones_own_are_compared_with_those_of_keras(build, outcome, length, cosine):
    lab = trained(laboratory(build))
    found, _, numbers = experiments.own_step(lab)
    assert found == outcome
    assert numbers["length"] == pytest.approx(length, rel=1e-3)
    assert numbers["cosine"] == pytest.approx(cosine, abs=1e-3)


def test_gradients_that_are_gathered_lead_where_those_of_keras_do():
    def build():
        inputs = keras.Input((6,))
        model = Gathered(inputs, layers.Dense(3, "softmax")(inputs), kept=2.5)
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    lab = trained(laboratory(build))
    found, _, numbers = experiments.own_step(lab)
    assert (found, numbers["length"]) == ("as Keras's", 0) and numbers["course"] > 0.9
    model = build()
    clone = clone_of(model)()
    assert type(clone) is Gathered and clone.kept == 2.5
    assert clone.count is not model.count and clone.seed is not model.seed
    assert clone.seen is not model.seen and len(clone.totals) == 2


class Weighed(keras.Model):
    """Keras's step by another name."""

    def train_step(self, data):
        return super().train_step(data)


class Unweighed(keras.Model):
    """Leaves the weights of the rows out."""

    def train_step(self, data):
        return super().train_step(data[:2])


@pytest.mark.parametrize(
    ("kind", "class_weight", "outcome"),
    [
        (Weighed, {0: 5.0}, "as Keras's"),
        (Unweighed, {0: 5.0}, "heeds no weights"),
        (Unweighed, None, "as Keras's"),  # there are none
    ],
)
def test_steps_of_ones_own_are_asked_for_the_weights_of_rows(kind, class_weight, outcome):
    lab = trained(laboratory(with_step(kind=kind), class_weight=class_weight))
    assert experiments.own_step(lab)[0] == outcome


class Silent(keras.Model):
    """A step that logs no loss."""

    def train_step(self, data):
        super().train_step(data)
        return {}


def test_experiments_that_need_the_loss_are_left_out_where_a_step_logs_none():
    def build():
        inputs = keras.Input((6,))
        model = Silent(inputs, layers.Dense(3, "softmax")(inputs))
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        return model

    lab = trained(laboratory(build))
    for experiment in (experiments.rows_independent, experiments.learning_rate):
        with pytest.raises(NotApplicable, match="logs no loss"):
            experiment(lab)
    _, seen, _ = experiments.one_batch(lab)
    assert "of the way to a perfect score" in seen


def test_where_the_own_step_is_the_fault_that_of_keras_is_the_repair():
    train, held = (X[:400], THREE[:400]), (X[400:], THREE[400:])
    result = checkup(with_step(lambda g, m: [-one for one in g]), train, held, seconds=1000)
    assert result.verdict.change.key == "keras_train_step"
    assert "cosine -1.00" in result.report()
    sound = checkup(with_step(), train, held, seconds=1000)
    assert "keras_train_step" not in [o.change.key for o in sound.verdict.repairs]


def test_inputs_matter_unless_labels_do_not_belong_to_them():
    assert experiments.inputs_matter(trained(laboratory(mlp())))[0] == "inputs are used"
    mixed = RANDOM.permutation(THREE)
    lab = trained(laboratory(mlp(), y=mixed))
    assert experiments.inputs_matter(lab)[0] == "no better than zeroed inputs"
    assert experiments.simple_models(lab)[0] == "nothing beats a constant"


def test_training_mode_against_late_moving_averages():
    shifted = X + 3
    late = [lambda: layers.BatchNormalization(momentum=0.9999)]
    lab = trained(laboratory(mlp(extra=late), shifted, updates=40))
    outcome, _, scores = experiments.training_against_inference(lab)
    assert outcome == "inference is worse"
    assert scores["training"] > scores["inference"] + 0.1
    quick = [lambda: layers.BatchNormalization(momentum=0.9)]
    lab = trained(laboratory(mlp(extra=quick), shifted, updates=200))
    assert experiments.training_against_inference(lab)[0] == "alike"


def test_validation_told_from_training():
    lab = laboratory(mlp())
    assert experiments.validation_from_training(lab)[0] == "alike"
    lab = laboratory(mlp(), held=Rows(X[400:] + 1.5, THREE[400:]))
    outcome, seen, _ = experiments.validation_from_training(lab)
    assert outcome == "validation rows differ"
    assert "A classifier tells the rows of both" in seen
    lab = laboratory(mlp(), held=Rows(X[:200], THREE[:200]))
    outcome, seen, _ = experiments.validation_from_training(lab)
    assert outcome == "the same rows" and "About 100% of the validation rows" in seen
    one_class = np.flatnonzero(THREE[400:] == 2) + 400
    lab = laboratory(mlp(), held=Rows(X[one_class], THREE[one_class]))
    outcome, seen, _ = experiments.validation_from_training(lab)
    assert outcome == "labels are shared otherwise"
    share = np.mean(THREE[:400] == 2)
    assert f"Class 2 is {share:.0%} of the training labels and 100% of the validation" in seen


def test_batches_of_one_class():
    order = np.argsort(THREE[:400], kind="stable")
    x, y = np.r_[X[:400][order], X[400:]], np.r_[THREE[:400][order], THREE[400:]]
    lab = laboratory(mlp(), x, y, shuffle=False)
    assert experiments.batches(lab)[0] == "one kind per batch"
    assert experiments.batches(laboratory(mlp(), shuffle=False))[0] == "mixed"


# ---- scores and data ----


def target(kind, classes=0, **values):
    out = Output("out", kind=kind, units=1)
    return Target(out, **{"columns": 1, "classes": classes, "low": 0, "high": 1, **values})


def test_scores_against_hand_computed_ones():
    y = np.array([0, 0, 0, 1])
    binary = target("binary", 2)
    assert binary.score(y, np.array([[0.1], [0.2], [0.9], [0.9]])) == pytest.approx((2 / 3 + 1) / 2)
    assert binary.score(y, np.full((4, 1), 0.1)) == 0.5
    assert binary.score(y, np.full((4, 1), np.nan)) == 0.5
    signs = target("binary", 2, low=-1, high=1)
    assert signs.score(2 * y - 1, np.array([[-0.5], [-0.5], [0.5], [0.5]])) == pytest.approx(5 / 6)
    classes = target("sparse", 3)
    assert classes.skill(classes.score(y, np.eye(3)[y])) == 1.0
    numbers = target("regression")
    assert numbers.score(y, np.full((4, 1), 0.25)) == pytest.approx(0.0)
    assert numbers.score(y, y[:, None]) == 1.0
    forecast = target("regression", last=0)
    last = np.array([[1.0], [0], [0], [1]])
    assert forecast.score(y, last, last) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("y", "facts", "kind", "classes"),
    [
        ([0, 1, 1], {"loss": "binary_crossentropy"}, "binary", 2),
        ([-1, 1, 1], {"loss": "hinge"}, "binary", 2),
        ([1, 2, 1], {"loss": "mean_squared_error"}, "binary", 2),
        ([0, 1, 1], {"loss": "sparse_categorical_crossentropy"}, "binary", 2),
        ([0, 1, 1], {"loss": "sparse_categorical_crossentropy", "units": 2}, "sparse", 2),
        ([0, 2, 1], {"loss": "binary_crossentropy"}, "sparse", 3),
        ([0, 2, 1], {"loss": "mean_squared_error"}, "regression", 0),
        ([0.5, 2, 1], {"loss": "mean_squared_error", "units": 3}, "regression", 0),
        (np.eye(3), {"loss": "mean_squared_error", "units": 3}, "onehot", 3),
        (np.eye(3), {"loss": "categorical_crossentropy", "units": None}, "onehot", 3),
        (1 - np.eye(3), {"loss": "binary_crossentropy", "units": 3}, "multilabel", 2),
    ],
)
def test_kind_of_labels_whatever_the_loss(y, facts, kind, classes):
    out = Output("out", **{"units": 1, "activation": "linear", "shape": (1,), **facts})
    found = target_of(out, np.array(y), np.zeros((3, 2)))
    assert (found.kind, found.classes) == (kind, classes)


def test_rows_of_streams_are_spread_over_all_and_keep_their_order():
    x = np.arange(4000, dtype="float32").reshape(-1, 1)
    rows = read_rows(tf.data.Dataset.from_tensor_slices((x, x)).batch(10), "train", 400)
    assert len(rows) == 400
    assert rows.in_order
    assert rows.batch_size == 10
    assert np.all(np.diff(rows.x[:, 0]) > 0)
    assert rows.x[-1, 0] > 3500


@pytest.mark.parametrize("shuffled", [True, False])
def test_rows_of_sparse_matrices_stay_beside_their_labels(shuffled):
    x = np.where(X > 0, X, 0)
    rows = sample_arrays(sparse.csr_matrix(x), x[:, 0], most=100, mixed=shuffled)
    np.testing.assert_array_equal(rows.x[:, 0], rows.y)


def generator():
    yield X, THREE


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (tf.data.Dataset.from_tensor_slices((X, THREE)).batch(32).repeat(), "has no end"),
        (tf.data.Dataset.from_tensor_slices(X).batch(32), "without labels"),
        (generator(), "got generator"),
        ((X, THREE[:10]), "rows: give each the same number"),
        ((X,), "needs the labels"),
        ((X[:0], THREE[:0]), "has no rows"),
        ((X[:, :3], THREE), "cannot be trained on `train`: ValueError: Input 0"),
        ((np.where(X > 2, np.nan, X), THREE), "holds NaN or infinity, in [0-9]+ of [0-9]+ rows"),
        ((X, 0 * THREE), "All labels of `train` are 0: there is nothing to learn"),
    ],
)
def test_data_that_cannot_be_used_is_one_sentence(data, text):
    with pytest.raises(ValueError, match=text) as error:
        checkup(mlp(), data, verbose=False)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("build", "options", "text"),
    [
        (lambda: "model", {}, "must return a compiled Keras model"),
        (lambda: keras.Sequential([keras.Input((6,)), layers.Dense(3)]), {}, "is not compiled"),
        (3, {}, "got int"),
        (mlp(), {"seconds": 0}, "must be a positive number"),
        (mlp(), {"seconds": 0.01}, "too short for one experiment"),
        (mlp(), {"fit": {"epoch": 3}}, r"`fit` has \['epoch'\]; known are batch_size, epochs"),
        (mlp(), {"fit": {"epochs": -1}}, "must have a positive number as 'epochs', got -1"),
        (lambda hp: mlp(), {}, "`build_model` raises TypeError: .*'hp'"),
        (lambda: mlp(units=2)(), {}, "label value of 2 which is outside the valid range"),
    ],
)
def test_models_and_times_that_cannot_be_used(build, options, text):
    with pytest.raises(ValueError, match=text) as error:
        checkup(build, (X, THREE), verbose=False, **options)
    assert len(str(error.value).splitlines()) == 1


def test_of_few_rows_held_out_it_is_said_what_may_be_chance():
    fit = {"epochs": np.int64(2)}
    result = checkup(mlp(), (X[:80], THREE[:80]), seconds=5, verbose=False, fit=fit)
    assert result.num_held == 20
    assert (
        "Only 20 rows are held out: scores less than 0.22 apart may differ by chance."
        in result.report()
    )
    assert repr(result) == f"<Checkup: {result.verdict.sentence}>"


def test_texts_and_layers_of_several_inputs_are_no_error_of_an_experiment():
    lab = trained(laboratory(mlp()))
    left, right = keras.Input((6,)), keras.Input((6,))
    lab.model = keras.Model([left, right], layers.Concatenate()([left, right]))
    assert treatments.flattened_maps(lab) is None
    lab.rows.x = np.array([["word"]] * len(lab.rows), dtype=object)
    for experiment in (experiments.simple_models, experiments.inputs_matter):
        with pytest.raises(NotApplicable, match="an input holds no numbers"):
            experiment(lab)


def test_steps_that_are_masked_are_not_flattened():
    inputs = keras.Input((5,), dtype="int32")
    lab = trained(laboratory(mlp()))
    for is_masked in (False, True):
        words = layers.Embedding(9, 4, mask_zero=is_masked)(inputs)
        outputs = layers.Dense(1)(layers.GlobalAveragePooling1D()(words))
        lab.model = keras.Model(inputs, outputs)
        assert (treatments.flattened_maps(lab) is None) == is_masked


def test_without_scikit_learn_boosting_is_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    lab = trained(laboratory(mlp()))
    outcome, seen, scores = experiments.simple_models(lab)
    assert outcome == "as well"
    assert "Boosting was left out: scikit-learn is not installed." in seen
    assert set(scores) == {"a constant", "the nearest rows", "a linear model"}


# ---- the whole ----


def run(build, y=THREE, x=X, seconds=600, **options):
    return checkup(build, (x[:400], y[:400]), (x[400:], y[400:]), seconds, verbose=False, **options)


@pytest.fixture(scope="module")
def healthy():
    return run(mlp(), fit={"epochs": 8})


def test_a_healthy_model_has_nothing_to_change(healthy):
    assert healthy.verdict.kind == "healthy", healthy.report()
    assert healthy.verdict.change is None
    assert {r.name for r in healthy.results} == {f.__name__ for f in EXPERIMENTS}
    for result in healthy.results:
        expected = result.experiment.outcomes[0]
        assert result.outcome in (expected, "ten times is better", "left out"), result
        assert result.seen
    assert "Nothing to change" in healthy.report()


def test_figure_shows_each_change(healthy, tmp_path):
    figure = healthy.plot(tmp_path / "checkup.png")
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert (tmp_path / "checkup.png").stat().st_size > 10_000
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert set(names) == {"as it is", *(o.change.name for o in healthy.outcomes[:12])}


def zeros():
    return mlp(kernel_initializer="zeros")


def test_numbers_of_words_in_bytes_reach_a_table_of_more_rows():
    x = np.array([[0, 254, 255]], "uint8")
    looked_up = ("words", 0, 255, 257, 1.0, None)
    run = Run(inputs={"x": x}, has_ids=True, frozen=["words"], embedded=[looked_up])
    changes = (treatments.numbers_one_less, treatments.numbers_one_more)
    changes += (treatments.numbers_three_less,)
    seen = [change(SimpleNamespace(run=run)).inputs(x).tolist() for change in changes]
    assert seen == [[[0, 253, 254]], [[1, 255, 256]], [[0, 251, 252]]]


PLANTED = {  # fault: (build, labels, inputs, treatments that repair)
    "rate too low": (
        mlp(optimizer=lambda: keras.optimizers.Adam(1e-5)),
        *(THREE, X, {"usual_rate", "rate_times_10"}),
    ),
    "softmax over one unit": (
        mlp(1, "softmax", "binary_crossentropy"),
        *((X[:, 0] + X[:, 1] > 0).astype("float32"), X, {"output_and_loss_for_the_labels"}),
    ),
    "penalty": (
        mlp(kernel_regularizer=keras.regularizers.L2(3.0)),
        *(THREE, X, {"no_weight_penalties"}),
    ),
    "inputs of 5000": (
        mlp(optimizer=lambda: keras.optimizers.SGD(0.1)),
        *(THREE, np.c_[X[:, :1] + 5000, X[:, 1:]], {"scaled_inputs"}),
    ),
    "equal weights": (zeros(), THREE, X, {"usual_initial_weights"}),
    "targets of 1000": (mlp(1, None, "mse"), 1000 + 300 * X[:, 0], X, {"scaled_targets"}),
    "broadcast": (broadcast_model, NUMBERS, X, {"labels_as_a_column"}),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_named(fault):
    build, y, x, repairs = PLANTED[fault]
    epochs = 25 if fault == "rate too low" else 8  # a usual rate wants some updates too
    result = run(build, y, x.astype("float32"), fit={"epochs": epochs})
    assert result.verdict.kind == "repair", result.report()
    assert result.verdict.change.key in repairs, result.report()
    assert result.verdict.cause in CAUSES
    assert any(new for _, new in result.verdict.change.lines)
    first = next(o for o in result.outcomes if o.change is result.verdict.change)
    assert len(first.scores) == 2
    assert min(first.gains) > 0


def only(monkeypatch, *names):
    """Try only these changes: a test waits for each; no experiment."""
    some = [function for function in TREATMENTS if function.__name__ in names]
    assert len(some) == len(names)
    monkeypatch.setattr("callbacks.diagnosis.checkup.TREATMENTS", some)
    monkeypatch.setattr("callbacks.diagnosis.checkup.EXPERIMENTS", [])


def words_and_prices(scaling=None):
    """A network that looks words up and reads a table beside them; the table may be scaled."""

    def build():
        prices = keras.Input((4,), name="prices")
        words = keras.Input((5,), dtype="int32", name="words")
        read = scaling(prices) if scaling else prices
        both = [layers.Dense(8, "tanh")(read), layers.Flatten()(layers.Embedding(20, 2)(words))]
        out = layers.Dense(1, "sigmoid")(layers.Concatenate()(both))
        model = keras.Model({"words": words, "prices": prices}, out)
        model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
        return model

    return build


PRICES = (X[:, :4] * [900, 40, 5, 300] + [4000, 0, 50, 800]).astype("float32")
WORDS = np.random.default_rng(1).integers(1, 20, (600, 5))
DEAR = (X[:, 0] + X[:, 1] + (WORDS == 3).any(axis=1) > 0.4).astype("float32")


def cut(leaves, rows):
    return {name: leaf[rows] for name, leaf in leaves.items()}


def test_of_several_inputs_those_that_nothing_scales_are_scaled(monkeypatch):
    x = {"words": WORDS, "prices": PRICES}
    first, others = slice(400), slice(400, None)
    data = (cut(x, first), DEAR[first]), (cut(x, others), DEAR[others])
    only(monkeypatch, "scaled_inputs", "rate_times_10", "four_times_the_width")
    monkeypatch.setattr("callbacks.diagnosis.checkup.EXPERIMENTS", [experiments.simple_models])
    result = checkup(words_and_prices(), *data, 600, verbose=False)
    assert result.verdict.change.key == "scaled_inputs", result.report()
    lines = [new for _, new in result.verdict.change.lines]
    assert [line.split(" = ")[0] for line in lines] == ["mean, std", "x['prices']"]

    # What words and prices tell together, by scikit-learn.
    z = StandardScaler().fit(PRICES[:400]).transform(PRICES)
    table = np.c_[z, [np.bincount(row, minlength=20) for row in WORDS]]
    ridge = RidgeClassifier().fit(table[:400], DEAR[:400])
    expected = balanced_accuracy_score(DEAR[400:], ridge.predict(table[400:]))
    assert expected > 0.8
    assert result.results[0].numbers["a linear model"] == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    "scaling", [layers.LayerNormalization(), layers.Normalization(mean=2000.0, variance=1e6)]
)
def test_an_input_that_a_branch_of_the_model_scales_is_left_as_it_is(scaling):
    x = {"words": WORDS, "prices": PRICES}
    rows, held = Rows(cut(x, slice(400)), DEAR[:400]), Rows(cut(x, slice(400, None)), DEAR[400:])
    lab = Laboratory(words_and_prices(scaling), rows, held, {}, 0, Clock(10_000))
    assert treatments.scaled_inputs(lab) is None
    assert lab.run.looked_up == {"input 'words'"}


def test_the_targets_of_several_outputs_are_scaled_each_by_itself(monkeypatch):
    def build():
        x = keras.Input((6,))
        hidden = layers.Dense(16, "relu")(x)
        outs = [layers.Dense(1, name=name)(hidden) for name in ("price", "change")]
        model = keras.Model(x, outs)
        model.compile(keras.optimizers.Adam(0.01), {"price": "mse", "change": "mse"})
        return model

    y = {"change": X[:, 1:2], "price": 3000 + 500 * X[:, :1]}
    data = (X[:400], cut(y, slice(400))), (X[400:], cut(y, slice(400, None)))
    only(monkeypatch, "scaled_targets", "rate_times_10", "four_times_the_width")
    result = checkup(build, *data, 600, verbose=False)
    assert result.verdict.change.key == "scaled_targets", result.report()
    mean, deviation = y["price"][:400].mean(), y["price"][:400].std()
    made = f"prediction = model.predict(x)[0] * {deviation:.4g} + {mean:.4g}"
    assert [new for _, new in result.verdict.change.lines] == [
        f"y['price'] = (y['price'] - {mean:.4g}) / {deviation:.4g}",
        made,
    ]
    assert result.verdict.repairs[0].score > 0.9


class Deep(keras.Model):
    """Ten sigmoids in a `call` of one's own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.hidden = [layers.Dense(16, "sigmoid", name=f"hidden_{i}") for i in range(10)]
        self.out = layers.Dense(3, "softmax", name="out")

    def call(self, x):
        for layer in self.hidden:
            x = layer(x)
        return self.out(x)


class Unwritten(Deep):
    """The same of a class that Keras cannot write down."""

    def __init__(self, settings=object):
        super().__init__()
        self.settings = settings


class Stepping(Deep):
    """The same with a step of its own, which a graph of its layers would not have."""

    def train_step(self, data):
        return super().train_step(data)


class Summing(Deep):
    """The same with a loss that its `call` adds."""

    def call(self, x):
        self.add_loss(0.0 * ops.sum(x))
        return super().call(x)


def test_layers_of_a_step_of_ones_own_are_not_exchanged():
    def build():
        model = Stepping()
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy())
        model(X[:2])
        return model

    lab = trained(laboratory(build))
    with pytest.raises(ValueError, match="a `call` of your own uses cannot be exchanged"):
        clone(lab, Change("wider", "layers", edit=lambda layer, config: None))
    assert "loss=keras.losses.SparseCategoricalCrossentropy(…), …)" in compile_line(lab)


def test_frozen_layers_of_a_call_of_ones_own_keep_their_weights_in_a_clone():
    model = Deep()
    model.compile("adam", "sparse_categorical_crossentropy")
    model(X)
    model.hidden[0].trainable = False
    copy = clone_of(model, x=X[:2])()
    np.testing.assert_array_equal(model.hidden[0].kernel, copy.get_layer("hidden_0").kernel)
    assert not np.array_equal(model.out.kernel, copy.get_layer("out").kernel)


class Scaled(layers.Layer):
    """A layer that Keras cannot write down."""

    def __init__(self, settings):
        super().__init__()
        self.settings = settings

    def call(self, x):
        return ops.square(x)


class WithScaled(Unwritten):
    """A call that is followed, with such a layer in it, of such a class."""

    def __init__(self, settings=object):
        super().__init__(settings)
        self.scaled = Scaled(object())

    def call(self, x):
        return super().call(self.scaled(x))


def test_a_layer_that_cannot_be_written_down_is_told_in_a_sentence():
    model = WithScaled()
    model.compile("adam", "sparse_categorical_crossentropy")
    model(X)
    with pytest.raises(ValueError, match=r"cannot be cloned .*: give `checkup` the function"):
        checkup(model, (X, THREE), seconds=60, verbose=False)
    assert [layer._inbound_nodes for layer in model.hidden] == [[]] * 10


CALLS = [(Deep, True), (Unwritten, True), (Stepping, False), (Summing, False)]


@pytest.mark.parametrize(("kind", "is_tried"), CALLS)
def test_layers_that_a_call_of_ones_own_uses_are_exchanged(kind, is_tried, monkeypatch):
    model = kind()
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model(X)
    weights = model.get_weights()
    only(monkeypatch, "relu_with_he_normal", "rate_times_10")
    result = run(model)
    tried = {outcome.change.key: outcome for outcome in result.outcomes}
    assert ("relu_with_he_normal" in tried) == is_tried
    if is_tried:
        assert result.verdict.change.key == "relu_with_he_normal", result.report()
        assert all("activation='relu'" in new for _, new in result.verdict.change.lines[:4])
        assert "name='hidden_0'" in result.verdict.change.lines[0][1]
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


PLANTED_OPTIONS = {  # what is unusual about a program, and its treatment
    "constraint": (mlp(kernel_constraint=keras.constraints.MaxNorm(1e-3)), "no_weight_penalties"),
    "epsilon": (
        mlp(optimizer=lambda: keras.optimizers.Adam(0.003, epsilon=1000.0)),
        "usual_options",
    ),
    "schedule over too soon": (
        mlp(optimizer=lambda: keras.optimizers.Adam(ExponentialDecay(0.003, 1, 0.5))),
        "constant_rate",
    ),
    "biases of -20": (
        mlp(bias_initializer=keras.initializers.Constant(-20.0)),
        "usual_initial_weights",
    ),
}


@pytest.mark.parametrize("fault", PLANTED_OPTIONS)
def test_an_unusual_option_is_named(fault, monkeypatch):
    build, repair = PLANTED_OPTIONS[fault]
    only(monkeypatch, repair, "rate_times_10", "four_times_the_width")
    result = run(build, fit={"epochs": 8})
    assert result.verdict.change.key == repair, result.report()


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


def test_under_mixed_precision_the_optimizer_inside_the_loss_scaling_is_meant(
    half_precision, monkeypatch
):
    only(monkeypatch, "usual_rate", "rate_times_10")
    build = mlp(optimizer=lambda: keras.optimizers.Adam(1e-5))
    assert type(build().optimizer).__name__ == "LossScaleOptimizer"
    result = run(build, fit={"epochs": 25})
    assert result.verdict.change.key in ("usual_rate", "rate_times_10"), result.report()
    assert "keras.optimizers.Adam(learning_rate=1e-05)" in result.report()


class Stepper(keras.optimizers.SGD):
    """An optimizer that cannot be made without an argument."""

    def __init__(self, stride, **options):
        super().__init__(**options)
        self.stride = stride

    def get_config(self):
        return {**super().get_config(), "stride": self.stride}


def test_an_optimizer_that_needs_arguments_has_no_usual_options(monkeypatch):
    only(monkeypatch, "usual_options", "usual_rate", "adam")
    result = run(mlp(optimizer=lambda: Stepper(2, learning_rate=1e-6)), fit={"epochs": 8})
    assert result.verdict.change.key.startswith("adam"), result.report()
    assert result.left_out == []


def states():
    return (
        *(
            random.getstate(),
            repr(np.random.get_state()),  # noqa: NPY002
            tf.random.uniform((3,)).numpy().tolist(),
        ),
        *(keras.random.uniform((3,)).numpy().tolist(), layers.Dense(1).name),
    )


def seed_everything():
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(3)
    tf.random.uniform((2,))
    keras.random.uniform((2,))


def test_the_users_model_data_and_random_states_stay_bit_for_bit(monkeypatch):
    some = [f for f in TREATMENTS if f.__name__ in ("four_times_the_width", "rate_times_10")]
    monkeypatch.setattr("callbacks.diagnosis.checkup.TREATMENTS", some)
    seed_everything()
    expected = states()
    model = mlp(extra=[lambda: layers.Dropout(0.2), layers.BatchNormalization])()
    model.fit(X[:64], THREE[:64], verbose=0)
    variables = [v.numpy().copy() for v in [*model.variables, *model.optimizer.variables]]
    x, y = X.copy(), THREE.copy()
    seed_everything()
    result = checkup(model, (x, y), seconds=600, verbose=False, fit={"epochs": 1})
    assert states() == expected
    assert len(result.outcomes) >= 2
    after = [*model.variables, *model.optimizer.variables]
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(variables, after, strict=True))
    assert np.array_equal(x, X)
    assert np.array_equal(y, THREE)
    assert model.compiled
    assert model.evaluate(x, y, verbose=0) > 0


def test_random_states_are_kept_when_the_builder_seeds():
    seed_everything()
    expected = states()
    seed_everything()
    with random_states_kept(0):
        keras.utils.set_random_seed(99)
        keras.utils.clear_session(free_memory=False)
        keras.random.uniform((2,))
        layers.Dense(1)
    assert states() == expected


def test_an_error_in_an_experiment_is_told_and_ends_nothing(monkeypatch):
    def broken(lab):
        raise RuntimeError("no such thing")

    for name in ("expectation", "outcomes", "source", "trainings", "applies"):
        setattr(broken, name, getattr(EXPERIMENTS[0], name))
    others = [experiments.loss_at_start, experiments.rows_independent]
    monkeypatch.setattr("callbacks.diagnosis.checkup.EXPERIMENTS", [broken, *others])
    monkeypatch.setattr("callbacks.diagnosis.checkup.TREATMENTS", [])
    result = run(mlp(), fit={"epochs": 1})
    assert result.results[0].outcome == "left out"
    assert "RuntimeError: no such thing" in result.report()
    assert [r.outcome for r in result.results[1:]] == ["at chance", "independent"]


def test_a_time_too_short_says_what_was_left_out(monkeypatch):
    def takes_long(lab):
        lab.clock.began -= 1000

    monkeypatch.setattr("callbacks.diagnosis.checkup.FOR_EXPERIMENTS", 0.0)
    monkeypatch.setattr("callbacks.diagnosis.checkup.TREATMENTS", [takes_long])
    result = run(mlp(), fit={"epochs": 1})
    left_out = next(text for text in result.left_out if "for lack of time (600 s)" in text)
    # that the model has no step of its own is known before
    names = {function.__name__: function.__name__ != "own_step" for function in EXPERIMENTS}
    assert {name: name in left_out for name in names} == names
    assert all(result.outcome == "left out" for result in result.results)


def test_experiments_left_out_are_made_in_what_time_the_changes_leave(monkeypatch):
    monkeypatch.setattr("callbacks.diagnosis.checkup.FOR_EXPERIMENTS", 0.0)
    monkeypatch.setattr("callbacks.diagnosis.checkup.TREATMENTS", [])
    result = run(mlp(), fit={"epochs": 1})
    assert not any("for lack of time" in text for text in result.left_out)
    assert [made.experiment for made in result.results] == list(EXPERIMENTS)
    outcomes = {made.name: made.outcome for made in result.results}
    assert outcomes["rows_independent"] == "independent" and outcomes["one_batch"] != "left out"


def test_patterns_name_experiments_outcomes_and_treatments_that_exist():
    functions = {function.__name__: function for function in EXPERIMENTS}
    known = {name: (*function.outcomes, "left out") for name, function in functions.items()}
    treatments = {function.__name__ for function in TREATMENTS}
    for pattern in patterns.PATTERNS:
        assert pattern.cause in CAUSES
        assert set(pattern.treatments) <= treatments
        for name, words in pattern.seen.items():
            assert set(words) <= set(known[name])
            assert known[name][0] not in words or len(pattern.seen) > 1
        results = [Result(functions[n], words[0], "") for n, words in pattern.seen.items()]
        assert pattern in patterns.matching_patterns(results)
    table = patterns.tables()
    assert all(name in table for name in known)


PROGRAM = """
import keras, numpy as np
x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
def build_model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
def nothing():
    pass
def load_data():
    return (x[:200], (x[:200, 0] > 0) * 1), (x[200:], (x[200:, 0] > 0) * 1)
def endless():
    import tensorflow as tf
    return {"train": tf.data.Dataset.from_tensor_slices((x, x)).batch(8).repeat()}
"""


def test_command_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "program.py").write_text(PROGRAM)
    build_model = f"{tmp_path}/program.py:build_model"
    figure = tmp_path / "figure.png"
    command = [sys.executable, "-m", "callbacks.diagnosis", build_model, "--data"]
    command += ["program:load_data", "--seconds", "20", "--plot", str(figure)]
    environment = {"PYTHONPATH": f"{tmp_path}:.", "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Changes, each alone" in done.stdout and figure.exists()
    monkeypatch.syspath_prepend(tmp_path)
    assert main([build_model, "--data", "program:endless"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "has no end" in sentence
    for data, why in (
        (f"{tmp_path}/other.py:load_data", "There is no file"),
        ("program:nothing", "this one returns NoneType"),
        (build_model, "this one returns Sequential"),
    ):
        assert main([build_model, "--data", data]) == 2
        assert why in capsys.readouterr().err
    for path, why in (("figure.xyz", "name a .png"), ("/proc/x/figure.png", "cannot be written")):
        assert main([build_model, "--data", "program:load_data", "--plot", path]) == 2
        heard = capsys.readouterr()
        assert why in heard.err and "Errno" not in heard.err and heard.out == ""  # nothing trained


def test_the_documentation_holds_the_tables():
    page = pathlib.Path(__file__).parent.parent / "docs" / "checkup.md"
    assert patterns.tables() in page.read_text(encoding="utf-8")


def test_among_equal_gains_the_pattern_blamed_first_decides():
    by_rate, by_start = (
        next(p for p in patterns.PATTERNS if key in p.treatments)
        for key in ("rate_divided_by_10", "scaled_inputs")
    )
    result = SimpleNamespace(patterns=[by_rate, by_start], findings=[SimpleNamespace(cause="loss")])
    result.findings[0].severity = "warning"
    keys = ("wider", "other_loss", "scaled_inputs", "rate_divided_by_10")
    causes = ("layers", "loss", "preprocessing", "learning_rate")
    changes = [SimpleNamespace(key=k, cause=c) for k, c in zip(keys, causes, strict=True)]
    places = [patterns.suspicion(result, change) for change in changes]
    assert places == [3, 2, 1, 0]  # the patterns in their order, then findings, then the rest


@pytest.mark.parametrize(
    ("seen", "key", "gains", "kind"),
    [
        ("one kind per batch", "shuffled_batches", [0.09, 0.1], "repair"),
        ("mixed", "shuffled_batches", [0.09, 0.1], "healthy"),
        ("one kind per batch", "shuffled_batches", [0.0, 0.12], "healthy"),  # one seed only
        ("one kind per batch", "rate_times_10", [0.12, 0.12], "healthy"),  # sooner, no further
    ],
)
def test_a_good_run_is_not_healthy_while_what_was_seen_holds_it_back(seen, key, gains, kind):
    lab = SimpleNamespace(
        skill=lambda score: score, reference=0.0, reached=-np.inf, measure="accuracy"
    )
    outcome = Outcome(Change("a change", "data", key=key), [0.85 + g for g in gains], gains, [])
    baseline = Outcome(KEPT, [0.85], [0.0], [])
    result = Checkup("accuracy", 9, 9, 9, 9, baseline, outcomes=[outcome])
    result.patterns = patterns.matching_patterns([Result(experiments.batches, seen, "")])
    result.patterns += patterns.matching_patterns(
        [Result(experiments.learning_rate, "ten times is better", "")]
    )
    assert patterns.verdict_of(lab, result).kind == kind


@pytest.mark.parametrize(
    ("base", "gains", "kind", "said"),
    [
        (0.82, [0.02, 0.04], "healthy", "Nothing to change: accuracy 0.82 as it is"),
        (0.82, [0.16, 0.10], "healthy", "Little to change: accuracy 0.82 as it is; the most gains"),
        (0.82, [0.16, 0.10], "healthy", "a change, 0.95 (+0.13 ± 0.03)"),
        (0.57, [0.29], "unknown", "the most gains a change, 0.86, tried once only"),
        (0.30, [0.50, 0.00], "unknown", "a change, 0.55 (not surely: +0.25 ± 0.25)"),
    ],
)
def test_what_gains_most_is_told_where_it_is_no_repair(base, gains, kind, said):
    lab = SimpleNamespace(
        skill=lambda score: score, reference=0.0, reached=-np.inf, measure="accuracy"
    )
    scores = [base + gain for gain in gains]
    outcome = Outcome(Change("a change", "layers", key="four_times_the_width"), scores, gains, [])
    baseline = Outcome(KEPT, [base], [0.0], [])
    result = Checkup("accuracy", 9, 9, 9, 9, baseline, outcomes=[outcome])
    verdict = patterns.verdict_of(lab, result)
    assert verdict.kind == kind and said in verdict.sentence


def test_a_leak_is_no_cause_where_nothing_tells_the_labels():
    seen = [
        Result(experiments.simple_models, "nothing beats a constant", ""),
        Result(experiments.one_batch, "left out", ""),
        Result(experiments.validation_from_training, "the same rows", ""),
    ]
    first, *others = patterns.matching_patterns(seen)
    assert first.sentence.startswith("Nothing finds a rule in these rows")
    assert "by heart" not in first.sentence  # which was not tried
    assert any("overlap" in pattern.sentence for pattern in others)


@pytest.mark.parametrize(("gain", "kind"), [(0.6, "repair"), (0.0, "pattern")])
def test_what_makes_the_scores_doubtful_stands_in_every_verdict(gain, kind):
    lab = SimpleNamespace(
        skill=lambda score: score, reference=0.9, reached=-np.inf, measure="accuracy"
    )
    outcome = Outcome(Change("Adam", "optimizer", key="adam"), [0.3 + gain] * 2, [gain] * 2, [])
    baseline = Outcome(KEPT, [0.3], [0.0], [])
    result = Checkup("accuracy", 9, 9, 9, 9, baseline, outcomes=[outcome])
    same = Result(experiments.validation_from_training, "the same rows", "")
    result.patterns = patterns.matching_patterns([same])
    verdict = patterns.verdict_of(lab, result)
    assert verdict.kind == kind
    assert verdict.sentence.count("Validation rows are training rows") == 1


@pytest.mark.parametrize(("reached", "is_repair"), [(-0.1, False), (0.05, False), (0.3, True)])
def test_what_does_not_leave_a_constant_behind_is_no_repair(reached, is_repair):
    lab = SimpleNamespace(skill=lambda score: score, reference=0.9, reached=-np.inf)
    change = Change("scaled targets", "preprocessing", key="scaled_targets")
    outcome = Outcome(change, [reached] * 2, [reached + 1] * 2, [])
    baseline = Outcome(KEPT, [-1.0], [0.0], [])
    result = Checkup("R²", 9, 9, 9, 9, baseline, outcomes=[outcome])
    assert patterns.repairs_of(lab, result) == [outcome] * is_repair


def test_of_pairs_the_larger_gain_comes_first():
    lab = SimpleNamespace(skill=lambda score: score, reference=0.0, reached=-np.inf)
    keys = {
        "four_times_the_width relu_with_he_normal": 0.8,
        "rate_times_10 relu_with_he_normal": 0.9,
    }
    outcomes = [
        Outcome(Change(key, "layers", key=key), [gain, gain], [gain, gain], [])
        for key, gain in keys.items()
    ]
    baseline = Outcome(KEPT, [0.0], [0.0], [])
    result = Checkup("R²", 9, 9, 9, 9, baseline, outcomes=outcomes)
    found = [outcome.change.key for outcome in patterns.repairs_of(lab, result)]
    assert found == [*keys][::-1]
    for outcome in outcomes:  # of single changes that do about as much, the more usual one
        outcome.change = replace(outcome.change, key=outcome.change.key.split()[0])
    assert patterns.repairs_of(lab, result) == outcomes


def test_two_changes_in_one_unless_one_would_undo_the_other():
    lab = laboratory(mlp(hidden="sigmoid", depth=2))
    wide, relu = treatments.four_times_the_width(lab), treatments.relu_with_he_normal(lab)
    assert len(both(lab, wide, relu).lines) == len(relu.lines)  # one line for a layer, with both
    old, new = both(lab, wide, relu).lines[0]
    size = int(old.split("(")[1].split(",")[0])
    assert new.startswith(f"layers.Dense({4 * size}, activation='relu'")
    faster = treatments.rate_times_10(lab)
    assert both(lab, wide, faster).lines == wide.lines + faster.lines

    def wider(layer, config):
        config["units"] = 64

    def unfrozen(layer, config):
        config["trainable"] = True

    first = Change("wider", "layers", edit=wider, rate=10.0, key="wide")
    pair = both(lab, first, Change("unfrozen", "layers", key="thaw", edit=unfrozen, factor=4))
    config = {}
    pair.edit(None, config)
    assert config == {"units": 64, "trainable": True}
    assert (pair.rate, pair.factor, pair.key) == (10.0, 4, "wide thaw")
    assert both(lab, first, Change("slower", "learning_rate", rate=0.1)) is None
    assert both(lab, first, Change("Adam", "optimizer", optimizer=keras.optimizers.Adam)) is None


def test_a_checkup_that_was_made_is_not_advised_again():
    """One in which no change could be tried is."""
    diagnosis = Diagnosis(verbose=False)
    out = Output("out", kind="regression", y=X[:, :1], gain=0.1, score=0.1, trivial=0.0)
    diagnosis._run = Run(inputs={"the input": X}, outputs=[out], gain=0.1)
    diagnosis._history = {"loss": [0.9]}
    baseline = Outcome(KEPT, [0.1], [0.0], [])
    result = Checkup("R²", 9, 9, 9, 9, baseline, verdict=Verdict("unknown", ""))
    diagnosis.checkup = result
    assert NEXT in diagnosis.report()
    result.outcomes = [Outcome(Change("Adam", "optimizer", key="adam"), [0.1], [0.0], [])]
    assert NEXT not in diagnosis.report() and "1 changes were tried" in diagnosis.report()
