"""What people bring to a search: what `fit` takes is searched, and nothing wrong is quoted."""

import functools
import json
import math
import sys
from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np
import pytest
import sklearn.metrics
from keras import layers

from tests.test_tuning_search import TRAIN, VALIDATION, linear
from tuning import learning_rate_sweep, load, search
from tuning.__main__ import main
from tuning.errors import InputError
from tuning.inputs.data import Stream, as_data, most_frequent
from tuning.inputs.model import Builder, choose_objective, untracked
from tuning.learning_rate_range import learning_rate_range
from tuning.results.result import Result

tf = pytest.importorskip("tensorflow")
ROOT = Path(__file__).parent.parent
X, Y = TRAIN
CLASSES = (Y[:, 0] > 0).astype("int32")
VALIDATION_CLASSES = (VALIDATION[1][:, 0] > 0).astype("int32")


def run(folder, build_model=linear, train=TRAIN, validation=VALIDATION, **options):
    defaults = {
        "learning_rate": (1e-3, 1e-1),
        "batch_size": (16,),
        "max_trials": 2,
        "epochs": 1,
        "seeds": 0,
        "directory": folder,
        "verbose": False,
    }
    return search(build_model, train, validation, **(defaults | options))


@pytest.fixture
def short_range_test(monkeypatch):
    """Guess a range from an epoch or two of small batches, for tests of what can be trained."""
    short = functools.partial(learning_rate_range, seeds=1, steps=40)
    monkeypatch.setattr(sys.modules["tuning.run"], "learning_rate_range", short)


def classifier(**options):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", **options)
    return model


# ---- a rate without effect is not ranked ----


class OwnOptimizer(keras.Model):
    """Its step updates the weights with another optimizer than the compiled one."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.own = keras.optimizers.SGD(0.01, momentum=0.9)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        self.own.apply(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        return {"loss": loss}


def own_optimizer(is_built=True):
    inputs = layers.Input((4,))
    model = OwnOptimizer(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    if is_built:
        model.own.build(model.trainable_variables)
    return model


def test_an_optimizer_whose_state_no_training_puts_back_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"keeps another optimizer, 'sgd', .* build\(variables\)"):
        run(tmp_path, lambda: own_optimizer(is_built=False))


class Kept:
    """An object of the user's, in which a variable lies."""

    def __init__(self):
        self.calls = keras.Variable(0.0, trainable=False)


def test_variables_in_dicts_objects_and_other_optimizers_are_put_back():
    model = own_optimizer()
    model.in_dict, model.in_object = {"calls": [tf.Variable(0.0)]}, Kept()
    found = {id(variable) for variable in untracked(model)}
    expected = [*model.own.variables, model.in_dict["calls"][0], model.in_object.calls]
    assert found >= set(map(id, expected)) and len(model.own.variables) == 4
    assert not found & {id(v) for v in (*model.variables, *model.optimizer.variables)}


def test_a_step_with_another_optimizer_ends_the_search(tmp_path):
    with pytest.raises(ValueError, match="compiled optimizer has taken no step"):
        run(tmp_path, own_optimizer)
    with pytest.raises(ValueError, match="compiled optimizer takes no step"):
        run(tmp_path, own_optimizer, name="guess", learning_rate=None)
    with pytest.raises(ValueError, match="compiled optimizer has taken no step"):
        learning_rate_sweep(own_optimizer, TRAIN, VALIDATION, [1e-3, 1e-2], epochs=1, verbose=0)


class SetsRate(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = 0.01


def test_a_callback_that_sets_the_rate_ends_the_search(tmp_path):
    with pytest.raises(ValueError, match=r"no effect: .*a callback \(SetsRate\) sets it"):
        run(tmp_path, callbacks=[SetsRate()], max_trials=6)
    assert len(load(tmp_path / "search").trials) == 2
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1**epoch)
    with pytest.raises(ValueError, match="nothing to search"):
        run(tmp_path, callbacks=scheduler, name="scheduler")
    assert not (tmp_path / "scheduler").exists()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(ValueError, match="BackupAndRestore would begin a training where one"):
        run(tmp_path, callbacks=backup, name="scheduler")
    follows = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    assert len(run(tmp_path, callbacks=follows, name="follows").trials) == 2


class SilentLoss(keras.Model):
    """Its step trains, and leaves the mean loss that Keras logs at 0."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        self.optimizer.apply(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        return self.compute_metrics(x, y, self(x), None)


def test_a_loss_that_the_step_does_not_log_ends_no_search(tmp_path, short_range_test):
    def build():
        inputs = layers.Input((4,))
        model = SilentLoss(inputs, layers.Dense(1)(inputs))
        model.compile("sgd", "mse")
        return model

    result = run(tmp_path, build, learning_rate=None, max_trials=3)
    assert {tuple(trial["scores"]) for trial in result.trials} != {result.trials[0]["scores"][0]}
    assert len(result.leaderboard()) == 3


# ---- a rate of the user's own ----


def test_the_users_own_rate_is_searched_in_its_range(tmp_path):
    def build(hp):
        return linear(hp.Float("lr", 1e-6, 1e-5, sampling="log"))

    result = run(tmp_path, build, learning_rate=None, max_trials=4, seeds=1)
    rates = [row["learning_rate"] for row in result.trials]
    assert min(rates) >= 1e-6 and max(rates) <= 1e-5 and len(set(rates)) == 4
    assert "lr" not in result.trials[0]["values"]
    model = build(result.hyperparameters())
    assert float(model.optimizer.learning_rate) == pytest.approx(result.best["learning_rate"])
    with pytest.raises(ValueError, match="declares the learning rate itself, 'lr' from 1e-06"):
        run(tmp_path, build, name="both")


def test_choices_of_rate_and_size_are_kept(tmp_path):
    def build(hp):
        hp.Choice("batch_size", [8, 24])
        return linear(hp.Choice("learning_rate", [1e-2, 1e-3, 1e-4]))

    result = run(tmp_path, build, learning_rate=None, batch_size=None, max_trials=6, tuner="grid")
    found = {(row["learning_rate"], row["batch_size"]) for row in result.trials}
    assert found == {(rate, size) for rate in (1e-2, 1e-3, 1e-4) for size in (8, 24)}


def test_the_rate_of_a_schedule_is_searched(tmp_path):
    def build(hp):
        rate = hp.Choice("initial_rate", [1e-1, 1e-3])
        return linear(keras.optimizers.schedules.ExponentialDecay(rate, 100, 0.9))

    result = run(tmp_path, build, learning_rate=None)
    assert sorted(row["learning_rate"] for row in result.trials) == [1e-3, 1e-1]


def test_a_rate_for_each_choice_is_refused(tmp_path):
    """One rate is searched: that of the other optimizer would have no effect."""

    def build(hp, names):
        kind = hp.Choice("optimizer", ["adam", "sgd"])
        with hp.conditional_scope("optimizer", [kind]):
            rate = hp.Float(names[kind], 1e-3, 1e-1, sampling="log")
        model = keras.Sequential([layers.Input((4,)), layers.Dense(1)])
        model.compile({"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[kind](rate))
        return model

    of_two = functools.partial(build, names={"adam": "slow", "sgd": "fast"})
    with pytest.raises(ValueError, match="With optimizer='sgd' the learning rate is 'fast', else"):
        run(tmp_path, of_two, learning_rate=None)
    of_one = Builder(functools.partial(build, names={"adam": "rate", "sgd": "rate"}))
    of_one.find_own_rate()
    assert of_one.own_rate.name == "rate"


def test_a_rate_that_is_computed_is_refused(tmp_path):
    def build(hp):
        hp.Int("units", 2, 4)
        return linear(10 ** hp.Float("exponent", -4.0, -1.0))

    with pytest.raises(ValueError, match="computed from the hyperparameter 'exponent'"):
        run(tmp_path, build, learning_rate=None)


@pytest.mark.parametrize("name", ["learning_rate", "lr"])
def test_a_rate_that_is_fixed_is_kept_or_refused(tmp_path, name):
    """The search would set another one without a word."""

    def build(hp):
        return linear(hp.Fixed(name, 0.02))

    with pytest.raises(ValueError, match=r"give learning_rate=\(0.02, 0.02\) to search the rest"):
        run(tmp_path, build, learning_rate=None)
    kept = run(tmp_path, build, learning_rate=(0.02, 0.02), max_trials=2).trials
    assert {row["learning_rate"] for row in kept} == {0.02}


@pytest.mark.parametrize("default", [None, 1e-5])
def test_the_lowest_of_a_range_is_nobodys_present_setting(tmp_path, default):
    def build(hp):
        return linear(hp.Float("lr", 1e-6, 1e-5, sampling="log", default=default))

    result = run(tmp_path, build, learning_rate=None, seeds=1)
    assert (result.present is None) == (default is None)
    assert ("Your present setting" in result.summary()) == (default is not None)


# ---- what models share ----


def test_every_training_starts_from_the_pretrained_weights(tmp_path):
    keras.utils.set_random_seed(0)
    base = keras.Sequential([layers.Input((4,)), layers.Dense(3, "relu")])
    before = [weights.copy() for weights in base.get_weights()]

    def shared():
        inputs = layers.Input((4,))
        model = keras.Model(inputs, layers.Dense(1)(base(inputs)))
        model.compile(keras.optimizers.SGD(0.01), "mse")
        return model

    def copied():
        model = shared()
        inputs = layers.Input((4,))
        copy = keras.models.clone_model(base)
        copy.set_weights(before)
        copied = keras.Model(inputs, layers.Dense(1)(copy(inputs)))
        copied.layers[-1].set_weights(model.layers[-1].get_weights())
        copied.compile(keras.optimizers.SGD(0.01), "mse")
        return copied

    options = {"max_trials": 3, "epochs": 3, "seeds": 2}
    found = run(tmp_path, shared, **options)
    for old, new in zip(before, base.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    truth = run(tmp_path, copied, name="truth", **options)
    assert found.best["rerun_scores"] == pytest.approx(truth.best["rerun_scores"], rel=1e-4)
    learning_rate_range(shared, TRAIN, seeds=2, steps=40, verbose=0)
    learning_rate_sweep(shared, TRAIN, VALIDATION, [0.01, 0.1], epochs=1, verbose=0)
    for old, new in zip(before, base.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("own", [24, 40])
def test_a_datasets_own_batches_are_the_present_setting(own, tmp_path):
    train = tf.data.Dataset.from_tensor_slices(TRAIN).batch(own)
    result = run(tmp_path, train=train, batch_size=None)
    assert result.trials[0]["batch_size"] == own


def test_validation_datasets_keep_their_batches(tmp_path):
    def rows(y_true, y_pred):
        return keras.ops.cast(keras.ops.shape(y_true)[0], "float32")

    def build():
        model = keras.Sequential([layers.Input((4,)), layers.Dense(1)])
        model.compile("sgd", "mse", metrics=[rows])
        return model

    train, held = (
        tf.data.Dataset.from_tensor_slices(part).batch(20) for part in (TRAIN, (X[:60], Y[:60]))
    )
    objective = ("val_rows", "max")
    result = run(tmp_path, build, train, held, batch_size=(8, 16), objective=objective)
    assert {score for row in result.trials for score in row["scores"]} == {20.0}


class Counting(keras.utils.PyDataset):
    """Counts its epochs, as one does that begins with the easy rows."""

    def __init__(self):
        super().__init__()
        self.epoch = 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return TRAIN[0][: 8 + self.epoch], TRAIN[1][: 8 + self.epoch]

    def on_epoch_end(self):
        self.epoch += 4


def test_what_a_dataset_counts_begins_anew_with_each_training():
    source = Counting()
    stream = as_data(source, "train")
    for _ in range(2):
        batches = stream.batches(8)
        assert source.epoch == 0
        batches.on_epoch_end()
        assert source.epoch == 4


class Shuffled(keras.utils.PyDataset):
    """Its rows are in another order after each epoch."""

    def __init__(self):
        super().__init__()
        self.order = np.arange(len(X))

    def __len__(self):
        return len(X) // 16

    def __getitem__(self, index):
        rows = self.order[index * 16 :][:16]
        return X[rows], Y[rows]

    def on_epoch_end(self):
        self.order = np.random.default_rng(int(self.order[0])).permutation(self.order)


def test_a_dataset_that_shuffles_itself_is_the_same_data_later(tmp_path):
    train, held = Shuffled(), Shuffled()
    first = run(tmp_path, train=train, validation=held)
    assert held.order[:3].tolist() != [0, 1, 2]
    assert run(tmp_path, train=train, validation=held).trials == first.trials


# ---- the present setting, and what is short ----


def test_the_present_setting_is_the_first_trial_and_told_first(tmp_path):
    result = run(tmp_path, lambda: linear(0.05), batch_size=(16, 32), max_trials=3, seeds=2)
    first = result.trials[0]
    assert (first["learning_rate"], first["batch_size"]) == (0.05, 32)
    assert result.remarks()[0].startswith("Your present setting (learning rate 0.05, batch size 32")
    gain = result.gain()
    if gain is not None:
        by_hand = np.subtract(result.present["rerun_scores"], result.best["rerun_scores"]).mean()
        assert gain[0] == pytest.approx(by_hand)


def test_hyperband_that_stays_short_is_said_and_advises_no_length(tmp_path, capsys):
    result = run(tmp_path, tuner="hyperband", max_trials=5, epochs=9, verbose=True)
    assert "no training of Hyperband lasts longer than 1 of 9 epochs" in capsys.readouterr().out
    assert [row["epochs"] for row in result.trials] == [9, 1, 1, 1, 1]
    best = result.best
    assert best["trial"] == "0" or best["epochs"] == 9
    assert any("No training of Hyperband was longer than 1 of 9" in r for r in result.remarks())


def test_a_range_at_the_edge_is_flagged_and_not_left():
    x = X * 1e3  # raw inputs: the loss falls from the first rate on
    options = {"seeds": 2, "steps": 60, "verbose": 0}
    found = learning_rate_range(linear, (x, Y), 32, minimum=3e-7, **options)
    assert found.edge == "low" and found.low == 3e-7
    assert learning_rate_range(linear, (x, Y), 32, minimum=1e-9, **options).edge is None
    with pytest.raises(ValueError, match=r"inputs reach .*: scale them"):
        learning_rate_range(linear, (x, Y), 32, minimum=1e-2, **options)


def test_a_range_test_that_tells_nothing_does_not_end_the_search(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(400, 8)).astype("float32")
    y = (x[:, 0] * x[:, 1] * x[:, 2] > 0).astype("float32")  # 100 steps do not find this rule

    def build():
        hidden = [keras.layers.Dense(16, "relu") for _ in range(2)]
        model = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(1, "sigmoid")])
        model.compile("adam", "binary_crossentropy")
        return model

    result = run(tmp_path, build, train=(x, y), validation=(x, y), learning_rate=None, verbose=True)
    assert result.settings["rates"] == [1e-5, 0.1]
    assert "falls at no learning rate" in capsys.readouterr().out
    assert any("so 1e-05 to 0.1 is searched" in remark for remark in result.remarks())


# ---- what `fit` takes ----


class Autoencoder(keras.Model):
    """Its step takes the batch itself, and its loss has another name."""

    def __init__(self):
        super().__init__()
        self.inner = keras.Sequential([layers.Input((4,)), layers.Dense(4)])
        self.tracker = keras.metrics.Mean("total_loss")

    @property
    def metrics(self):
        return [self.tracker]

    def call(self, data):
        return self.inner(data)

    def step(self, data):
        loss = keras.ops.mean((self.inner(data) - data[..., :]) ** 2)
        self.tracker.update_state(loss)
        return loss

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self.step(data)
        self.optimizer.apply(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        return {"total_loss": self.tracker.result()}

    def test_step(self, data):
        self.step(data)
        return {"total_loss": self.tracker.result()}


def autoencoder():
    model = Autoencoder()
    model.compile("sgd")
    return model


@pytest.mark.parametrize("kind", ["x", "(x,)", "(x, x)", "dataset"])
def test_models_without_labels(kind, tmp_path, short_range_test):
    x, other = X, VALIDATION[0]
    train, validation = {
        "x": (x, other),
        "(x,)": ((x,), (other,)),
        "(x, x)": ((x, x), (other, other)),
        "dataset": [tf.data.Dataset.from_tensor_slices(part).batch(16) for part in (x, other)],
    }[kind]
    rates = None if kind in ("(x,)", "dataset") else (1e-3, 1e-1)
    result = run(tmp_path, autoencoder, train, validation, learning_rate=rates, seeds=1)
    assert result.objective == "val_total_loss"
    assert {row["status"] for row in result.trials} == {"completed"}
    keras.utils.set_random_seed(0)
    model = autoencoder()
    model(x[:1])
    assert result.best_model().count_params() == model.count_params()
    swept = learning_rate_sweep(autoencoder, train, validation, [1e-3, 1e-2], 16, 1, verbose=0)
    assert swept.objective == "val_total_loss" and np.isfinite(swept.scores).all()


def test_a_step_that_unpacks_pairs_and_a_strategy_work_by_default(tmp_path, short_range_test):
    class Unpacks(keras.Sequential):
        def train_step(self, data):
            x, y = data
            return super().train_step((x, y))

    def build():
        model = Unpacks([layers.Input((4,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    options = {"learning_rate": None, "batch_size": (2,), "max_trials": 1}
    assert len(run(tmp_path, build, **options).trials) == 1
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])

    def mirrored():
        with strategy.scope():
            return linear()

    assert len(run(tmp_path, mirrored, **options, name="mirrored").trials) == 1


def test_a_model_for_one_batch_size(tmp_path, short_range_test):
    def build():
        model = keras.Sequential([layers.Input(batch_shape=(32, 4)), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    result = run(tmp_path, build, learning_rate=None, batch_size=None)
    assert {row["batch_size"] for row in result.trials} == {32}
    with pytest.raises(ValueError, match="built for batches of 32"):
        run(tmp_path, build, batch_size=(16, 32), name="two")
    with pytest.raises(ValueError, match="whole batches of 32 only, but there are 90 training"):
        run(tmp_path, build, (X[:90], Y[:90]), batch_size=(32,), name="rest")


def test_endless_data_with_steps_per_epoch(tmp_path):
    def batches():
        while True:
            yield X[:16], Y[:16]

    kinds = tuple(tf.TensorSpec((None, size), tf.float32) for size in (4, 1))
    endless = tf.data.Dataset.from_generator(batches, output_signature=kinds)
    options = {"steps_per_epoch": 3, "validation_steps": 2}
    result = run(tmp_path, train=endless, validation=endless, **options)
    folders = [result.project / f"trial_{row['trial']}" for row in result.trials]
    records = [json.loads((folder / "record.json").read_text()) for folder in folders]
    assert [record["optimizer_steps"] for record in records] == [3, 3]
    assert "Each epoch has read the first 3 batches of the dataset" in result.summary()
    repeated = tf.data.Dataset.from_tensor_slices(TRAIN).batch(16).repeat()
    with pytest.raises(ValueError, match=r"never ends: use \.take"):
        run(tmp_path, train=repeated, name="no steps")
    with pytest.raises(ValueError, match="a generator can be read only once"):
        run(tmp_path, train=batches(), name="generator")


def test_no_warning_that_data_ran_out(tmp_path, recwarn):
    data = tf.data.Dataset.from_tensor_slices(TRAIN).batch(10, drop_remainder=True)
    run(tmp_path, train=data, validation=data, batch_size=(16, 36), epochs=2)
    assert not [w for w in recwarn if "ran out of data" in str(w.message)]


def test_class_weights_are_those_of_fit(tmp_path):
    weights = {0: 1.0, 1: 5.0}
    data = {"train": (X, CLASSES), "validation": (VALIDATION[0], VALIDATION_CLASSES)}
    rate = {"learning_rate": (0.1, 0.1), "max_trials": 1, "batch_size": (96,), "epochs": 2}
    result = run(tmp_path, classifier, **data, class_weight=weights, **rate)
    keras.utils.set_random_seed(0)
    model = classifier()
    model.optimizer.learning_rate = 0.1
    fit = {"batch_size": 96, "epochs": 2, "verbose": 0, "class_weight": weights}
    history = model.fit(X, CLASSES, validation_data=data["validation"], **fit).history
    assert result.trials[0]["scores"] == pytest.approx(history["val_loss"], rel=1e-4)
    assert "class_weight={0: 1.0, 1: 5.0}" in result.paste_lines()
    weighted = {**data, "train": (X, CLASSES, np.ones(96))}
    with pytest.raises(ValueError, match=r"`class_weight` needs `train` to be \(x, y\)"):
        run(tmp_path, classifier, **weighted, class_weight=weights, name="both")


def test_sweep_with_sample_weights_and_with_a_dataset():
    weights = np.where(CLASSES == 1, 5.0, 1.0).astype("float32")
    validation = (VALIDATION[0], VALIDATION_CLASSES)
    options = {"batch_size": 96, "epochs": 2, "verbose": 0}
    found = learning_rate_sweep(
        classifier, (X, CLASSES, weights), validation, [0.1, 0.5], **options
    )
    for k, rate in enumerate((0.1, 0.5)):
        keras.utils.set_random_seed(0)
        model = classifier()
        model.optimizer.learning_rate = rate
        fit = {"batch_size": 96, "epochs": 2, "verbose": 0, "validation_data": validation}
        history = model.fit(X, CLASSES, sample_weight=weights, **fit).history
        for name in ("loss", "val_loss"):
            np.testing.assert_allclose(found.history[name][:, k, 0], history[name], rtol=1e-4)
    dataset = tf.data.Dataset.from_tensor_slices((X, CLASSES)).batch(10)
    by_dataset = learning_rate_sweep(classifier, dataset, validation, [0.1, 0.5], **options)
    by_arrays = learning_rate_sweep(classifier, (X, CLASSES), validation, [0.1, 0.5], **options)
    np.testing.assert_allclose(by_dataset.scores, by_arrays.scores, rtol=1e-5)


def test_arguments_as_fit_takes_them(tmp_path, capsys):
    options = {"validation_split": 0.25, "verbose": True, "max_trials": 1}
    result = run(tmp_path, linear, None, None, x=X, y=Y, **options)
    assert "24 of 96 examples are the validation data, drawn with seed 0" in capsys.readouterr().out
    assert result.settings["num_examples"] == 72
    again = run(tmp_path, linear, X, Y, name="positional", **options)
    assert again.trials[0]["scores"] == result.trials[0]["scores"]
    for wrong, sentence in (
        ({"train": X, "validation": Y}, "give train=.x, y."),
        ({"validation": None}, "or validation_split=0.2"),
        ({"validation": 0.2}, "give validation_split=0.2"),
        ({"validation": None, "validation_split": 2}, "a share between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            run(tmp_path, name="wrong", **wrong)


def test_objectives_of_callbacks_and_metrics_per_class(tmp_path):
    class Writes(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_own"] = float(np.abs(self.model.get_weights()[0]).sum())

    objective = kt.Objective("val_own", "min")
    result = run(tmp_path, callbacks=[Writes()], objective=objective)
    assert all(row["score"] > 0 for row in result.trials)

    def with_f1():
        model = keras.Sequential([layers.Input((4,)), layers.Dense(2, activation="softmax")])
        model.compile("sgd", "categorical_crossentropy", metrics=[keras.metrics.F1Score()])
        return model

    one_hot = keras.utils.to_categorical(CLASSES, 2)
    data = {"train": (X, one_hot), "validation": (X, one_hot), "name": "f1"}
    assert len(run(tmp_path, with_f1, **data).leaderboard()) == 2
    with pytest.raises(ValueError, match="One objective is compared"):
        run(tmp_path, objective=["val_loss", "val_own"], name="two")


def test_a_metric_of_one_class_is_a_number(tmp_path):
    """F1Score gives an array, of one value for one column; `fit` takes it."""

    def with_f1():
        model = keras.Sequential([layers.Input((4,)), layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy", metrics=[keras.metrics.F1Score(threshold=0.5)])
        return model

    data = {"train": (X, CLASSES[:, None]), "validation": (X, CLASSES[:, None])}
    result = run(tmp_path, with_f1, **data, objective=("val_f1_score", "max"), seeds=1)
    f1 = sklearn.metrics.f1_score(CLASSES, result.best_model().predict(X, verbose=0)[:, 0] > 0.5)
    assert result.best["rerun_scores"] == pytest.approx([f1], rel=1e-4)


def test_class_weights_that_lack_a_class_are_refused(tmp_path):
    data = {"train": (X, CLASSES), "validation": (X, CLASSES)}
    for wrong in ("balanced", {"0": 1.0, "1": 2.0}):
        with pytest.raises(ValueError, match="`class_weight` must be a dict from class number"):
            run(tmp_path, classifier, **data, class_weight=wrong)
    with pytest.raises(ValueError, match="`class_weight` lacks class 1, which `train` holds"):
        run(tmp_path, classifier, **data, class_weight={0: 1.0})
    data["train"] = X, np.where(CLASSES, "good", "bad")
    with pytest.raises(ValueError, match="labels of `train` are text"):
        run(tmp_path, classifier, **data, class_weight={0: 1.0, 1: 2.0})


def test_frames_sparse_matrices_and_texts(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    dense = run(tmp_path, name="dense", max_trials=1)
    thin = run(tmp_path, train=(sparse.csr_matrix(X), Y), name="sparse", max_trials=1)
    assert thin.trials[0]["scores"] == dense.trials[0]["scores"]
    lists = run(tmp_path, train=(X.tolist(), Y.tolist()), name="lists", max_trials=1)
    assert lists.trials[0]["scores"] == pytest.approx(dense.trials[0]["scores"])
    texts = np.array(["good" if label else "bad" for label in CLASSES], dtype=object)

    def reads():
        words = layers.TextVectorization(output_sequence_length=1, vocabulary=["good", "bad"])
        inputs = layers.Input((), dtype="string")
        inner = layers.Flatten()(layers.Embedding(5, 2)(words(inputs)))
        model = keras.Model(inputs, layers.Dense(2, activation="softmax")(inner))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    both = {"train": (texts, CLASSES), "validation": (texts, CLASSES)}
    result = run(tmp_path, reads, **both, name="texts")
    assert {row["status"] for row in result.trials} == {"completed"}, result.trials[0]["reason"]
    names = {"x": texts, "y": CLASSES, "x_val": texts, "y_val": CLASSES, "tensorflow": tf}
    assert pasted(result, reads, **names)["model"].history.epoch == [0]
    assert "tensorflow" not in dense.paste_lines()

    assert "text" not in dense.paste_lines()
    names = {"x": texts, "y": CLASSES, "x_val": texts, "y_val": CLASSES, "tensorflow": tf}
    assert pasted(result, reads, **names)["model"].built


class Frame:
    """What a search sees of a frame of pandas: columns of two kinds are an array of objects."""

    columns = ("age", "married", "kind")

    @property
    def dtypes(self):
        return {"age": np.dtype("float32"), "married": np.dtype(bool), "kind": "str"}

    def __array__(self, dtype=None, copy=None):
        return np.array([[0.5, True, "a"]] * 8, object)


def test_columns_that_are_no_numbers_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"plain numbers \(married: bool, kind: str\); make them"):
        run(tmp_path, train=(Frame(), Y[:8]))
    named = np.zeros(96, [("age", "f4"), ("size", "f4")])
    for train in ((named, Y), (np.arange(96).astype("datetime64[D]"), Y)):
        with pytest.raises(ValueError, match="expected arrays of numbers or text"):
            run(tmp_path, train=train)


def test_steps_of_a_generator_are_no_matter_of_arrays(tmp_path):
    endless = (batch for batch in [(X, Y)])
    with pytest.raises(ValueError, match=r"wrap it in tf\.data\.Dataset\.from_generator"):
        run(tmp_path, train=endless, steps_per_epoch=2)


def without_inputs():
    model = keras.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_a_loaded_model_without_inputs_asks_for_rows(tmp_path):
    result = run(tmp_path, without_inputs, seeds=1)
    assert "best_model(build_model, x)" in result.summary()
    later = load(tmp_path / "search")
    with pytest.raises(ValueError, match=r"no keras\.Input: give rows of inputs as `x`"):
        later.best_model(without_inputs)
    loaded = later.best_model(without_inputs, X[:2]).predict(X, verbose=0)
    assert np.array_equal(loaded, result.best_model().predict(X, verbose=0))


@pytest.mark.parametrize("direction", ["max", "min"])
def test_of_equal_scores_on_fresh_seeds_the_search_decides(direction, tmp_path):
    sign = 1 if direction == "max" else -1

    def row(name, size, score):
        row = {"trial": name, "values": {"batch_size": size, "learning_rate": 0.1}, "reason": ""}
        row |= {"status": "completed", "score": score, "scores": [score], "epoch_seconds": [1.0]}
        row |= {"is_short": False, "best_epoch": 1, "last_counts": True, "folder": ""}
        row["kept_score"] = score
        return {**row["values"], **row}

    def per_size(small, large):
        rows = [row("0", 32, 0.98 * sign), row("1", 128, 0.38 * sign)]
        chosen = [row(f"0_{i}", 32, score * sign) for i, score in enumerate(small)]
        chosen += [row(f"1_{i}", 128, score * sign) for i, score in enumerate(large)]
        settings = {"objective": ["val_score", direction], "epochs": 1}
        reruns = {"to_choose": chosen, "to_quote": []}
        return Result(tmp_path, settings, rows, reruns, None).per_batch_size()

    assert [found["is_best"] for found in per_size([1.0], [1.0])] == [True, False]
    assert [found["is_best"] for found in per_size([0.9], [1.0])] == [False, True]
    noisy = per_size([0.99, 1.0, 0.98], [0.9, 0.2, 0.3])
    assert [found["ties"] for found in noisy] == [True, True]
    half = 4.3027 * 0.01 / 3**0.5  # t of 2 degrees of freedom, standard deviation 0.01
    expected = sign * (0.99 - half)
    assert [found["target"] for found in noisy] == pytest.approx([expected] * 2, rel=1e-4)
    assert np.isnan(noisy[1]["seconds_to_target"])


def test_kinds_of_functions(tmp_path):
    class Hyper(kt.HyperModel):
        def build(self, hp):
            hp.Int("units", 1, 2)
            return linear()

    class Fits(Hyper):
        def fit(self, hp, model, *arguments, **options):
            return model.fit(*arguments, **options)

    assert "units" in run(tmp_path, Hyper(), max_trials=1).trials[0]
    assert run(tmp_path, functools.partial(linear, rate=0.1), name="partial").trials
    with pytest.raises(ValueError, match="must be a function, since each training needs a new"):
        run(tmp_path, linear(), name="model")
    with pytest.raises(ValueError, match="`fit` of a HyperModel is not called"):
        run(tmp_path, Fits(), name="fit")


# ---- after the result ----


def test_the_lines_to_paste_run_and_the_model_is_there(tmp_path):
    def build_model(hp):
        schedule = keras.optimizers.schedules.CosineDecay(0.02, 100)
        model = keras.Sequential([layers.Input((4,)), layers.Dense(hp.Int("units", 2, 4))])
        model.add(layers.Dense(1))
        model.compile(keras.optimizers.SGD(schedule), "mse")
        return model

    result = run(tmp_path, build_model, seeds=1)
    names = {"build_model": build_model}
    names |= {"x": X, "y": Y, "x_val": VALIDATION[0], "y_val": VALIDATION[1]}
    exec(result.paste_lines(), names)
    rate = names["model"].optimizer._learning_rate(0)
    assert float(rate) == pytest.approx(result.best["learning_rate"], rel=1e-4)
    model = result.best_model()
    run_ = result.reruns["to_quote"][0]
    loss = model.evaluate(*VALIDATION, verbose=0)
    quoted = [r for r in result.reruns["to_quote"] if r["values"] == result.best["values"]]
    assert loss == pytest.approx(quoted[0]["scores"][-1], rel=1e-4), run_
    assert str(result.weights) in result.summary().splitlines()[-1]
    assert "<pre>" in result._repr_html_() and "data:image/png" in result._repr_html_()
    again = load(tmp_path / "search").best_model(build_model)
    assert again.evaluate(*VALIDATION, verbose=0) == pytest.approx(loss, rel=1e-5)
    with pytest.raises(ValueError, match="Give `build_model`"):
        load(tmp_path / "search").best_model()


def test_another_model_is_not_given_the_weights(tmp_path):
    def build(activation):
        model = keras.Sequential([layers.Input((4,)), layers.Dense(3, activation), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    run(tmp_path, functools.partial(build, "relu"), seeds=1, max_trials=1)
    searched = load(tmp_path / "search")
    assert searched.best_model(functools.partial(build, "relu")).built
    assert searched.at_edge() is None  # one rate has no edges
    with pytest.raises(ValueError, match="`build_model` is not that of the search: layers is"):
        searched.best_model(functools.partial(build, "tanh"))


def pasted(result, build_model, **names):
    """Run the lines to paste; return all names after it."""
    names |= {"build_model": build_model}
    exec(result.paste_lines(), names)
    return names


def test_the_lines_to_paste_weigh_the_rows(tmp_path):
    """Half of the labels are far off and have no weight: trained with them, the loss is large."""
    weight = (np.arange(len(X)) % 2).astype("float32")
    wrong = np.where(weight[:, None] == 1, Y, 1000).astype("float32")
    held = (*VALIDATION, np.ones(len(VALIDATION[0])))
    result = run(tmp_path, train=(X, wrong, weight), validation=held, epochs=3)
    names = {"x": X, "y": wrong, "w": weight, "x_val": held[0], "y_val": held[1]}
    model = pasted(result, linear, **names, w_val=held[2])["model"]
    assert model.history.history["val_loss"][-1] < 100 < np.mean(wrong**2)


def test_the_lines_to_paste_take_datasets_as_they_were_searched(tmp_path):
    def endless(x, y):
        return tf.data.Dataset.from_tensor_slices((x, y)).batch(24).repeat()

    data = {"train": endless(X, Y), "validation": endless(*VALIDATION)}
    options = {"steps_per_epoch": 4, "validation_steps": 2, "batch_size": (8,)}
    result = run(tmp_path, **data, **options)
    model = pasted(result, linear, **data)["model"]
    assert int(model.optimizer.iterations) == result.best["epochs"] * 96 / 8
    assert "batch size 8, of those searched the nearest to 24" in result.remarks()[0]


def test_the_lines_to_paste_split_off_the_same_validation_rows(tmp_path):
    result = search(
        *(linear, None, None, None, (1e-3, 1e-1), (16,), "random", 2, 1, 1),
        **{"x": X, "y": Y, "validation_split": 0.25, "directory": tmp_path, "verbose": False},
    )
    names = pasted(result, linear, x=X, y=Y)
    assert len(names["x_val"]) == 24 and len(names["x"]) == 72
    quoted = result.best["rerun_scores"][0]
    loss = result.best_model().evaluate(names["x_val"], names["y_val"], verbose=0)
    assert loss == pytest.approx(quoted, rel=1e-4)


@pytest.mark.parametrize("kind", ["dict", "list", "numbers"])
def test_the_lines_to_paste_split_what_was_given(tmp_path, kind):
    def build():
        inputs = {"left": keras.Input((2,), name="left"), "right": keras.Input((2,), name="right")}
        inputs = inputs if kind == "dict" else list(inputs.values())
        joined = layers.Concatenate()(keras.tree.flatten(inputs))
        model = keras.Model(inputs, layers.Dense(1)(joined))
        model.compile("sgd", "mse")
        return model

    x = {"dict": {"left": X[:, :2], "right": X[:, 2:]}, "list": [X[:, :2], X[:, 2:]]}
    x, build_model = (X.tolist(), linear) if kind == "numbers" else (x[kind], build)
    y = Y.tolist() if kind == "numbers" else Y
    given = {"x": x, "y": y, "validation_split": 0.25, "seeds": 1}
    result = run(tmp_path, build_model, None, None, **given)
    names = pasted(result, build_model, x=x, y=y)
    assert {len(leaf) for leaf in keras.tree.flatten(names["x_val"])} == {24}
    assert len(names["y"]) == 72 and names["model"].history.epoch == [0]
    loss = result.best_model().evaluate(names["x_val"], names["y_val"], verbose=0)
    assert loss == pytest.approx(result.best["rerun_scores"][0], rel=1e-4)


def test_the_score_quoted_is_that_of_the_weights_that_a_callback_put_back(tmp_path):
    class Steps(keras.callbacks.Callback):
        """Goes astray in the third epoch."""

        def on_epoch_begin(self, epoch, logs=None):
            rate = float(self.model.optimizer.learning_rate)
            self.model.optimizer.learning_rate = 1000 * rate if epoch == 2 else rate

    def build():
        model = keras.Sequential([layers.Input((4,)), layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
        return model

    restores = keras.callbacks.EarlyStopping("val_loss", restore_best_weights=True, patience=5)
    options = {"callbacks": [Steps(), restores], "objective": ("val_mae", "max")}
    options["learning_rate"] = (1e-3, 2e-3)
    result = run(tmp_path, build, epochs=3, seeds=2, **options)
    quoted = result.best["rerun_scores"]
    assert quoted[0] != result.best["runs"][0]["scores"][-1]
    _, error = result.best_model().evaluate(*VALIDATION, verbose=0)
    assert error == pytest.approx(quoted[0])


@pytest.mark.parametrize(
    ("scores", "epochs"),
    [
        ([0.95, 0.5, 0.7, 0.8, 0.9], 5),  # the first one was luck
        ([0.5, 0.95, 0.8, 0.6, 0.5], 2),
        ([0.5, 0.6, 0.7, 0.8, 0.9], 5),
        ([0.9, 0.9, np.nan, np.nan, np.nan], 1),
        ([0.9], 1),
        ([0.8, 0.9], 2),
    ],
)
def test_the_epoch_around_which_a_trial_was_best_is_said(tmp_path, scores, epochs):
    rows = [trained("0", 0.001, 0.5), trained("1", 0.01, max(scores))]
    rows[1] |= {"scores": scores, "best_epoch": int(np.nanargmax(scores)) + 1}
    result = found(tmp_path, rows)
    result.settings["epochs"] = 5
    assert result.best["epochs"] == epochs and result.present["epochs"] == 5
    text = " ".join(result.remarks())
    assert (f"scored best around epoch {epochs} of 5" in text) == (epochs < 5)


def test_a_present_setting_is_trained_as_long_as_its_user_does(tmp_path):
    """Its first epoch scores best, and is not what anybody has."""

    class Worsens(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_own"] = float(epoch)

    objective = kt.Objective("val_own", "min")
    options = {"epochs": 3, "callbacks": [Worsens()], "objective": objective, "seeds": 1}
    result = run(tmp_path, **options)
    assert result.present["epochs"] == 3
    trained_again = {row["trial"].split("_")[0]: row["epochs"] for row in result.reruns["to_quote"]}
    assert trained_again[result.present["trial"]] == 3


def test_a_range_that_was_widened_is_the_one_that_was_searched(tmp_path):
    """The best rate lies within the widened range, and beyond the guess."""
    result = run(tmp_path, max_trials=4, learning_rate=(1e-3, 1e-2))
    oracle = next(tmp_path.rglob("oracle.json"))
    state = json.loads(oracle.read_text())
    space = state["hyperparameters"]["space"]
    (rate,) = (p for p in space if p["config"]["name"] == "learning_rate")
    rate["config"]["max_value"] *= 1000
    oracle.write_text(json.dumps(state))
    again = load(result.project)
    assert again.settings["bounds"] == [1e-3, 10.0]
    assert again.at_edge() != "high"


@pytest.mark.parametrize("is_shuffled", [False, True])
def test_other_rows_of_a_dataset_are_another_search(tmp_path, is_shuffled):
    """All rows count, whatever order they come in; the first ones are the same here."""
    x, y = np.random.default_rng(0).normal(size=(2, 90, 4)).astype("float32")
    y = y[:, :1]

    def dataset(labels):
        rows = tf.data.Dataset.from_tensor_slices((x, labels))
        return (rows.shuffle(90) if is_shuffled else rows).batch(16)

    other = y.copy()
    other[80:] += 1
    options = {"max_trials": 1, "epochs": 1, "learning_rate": (1e-3, 1e-2), "batch_size": (16,)}
    for labels in (y, y):
        run(tmp_path, train=dataset(y), validation=dataset(labels), **options)
    with pytest.raises(InputError, match="train"):
        run(tmp_path, train=dataset(other), validation=dataset(y), **options)


def test_of_augmented_rows_the_labels_tell_and_of_what_changes_it_is_said(tmp_path, capsys):
    x, y = np.random.default_rng(0).normal(size=(2, 60, 4)).astype("float32")
    rows = tf.data.Dataset.from_tensor_slices((x, y[:, :1])).shuffle(60).batch(20)
    noisy = rows.map(lambda a, b: (a + tf.random.normal(tf.shape(a)), b))
    both = rows.map(lambda a, b: (a + tf.random.normal(tf.shape(a)), b + tf.random.normal([1])))
    first, second = (as_data(data, "train").fingerprint() for data in (rows, noisy))
    assert " checksum " in first and " checksum of the labels " in second
    assert second == as_data(noisy, "train").fingerprint()
    options = {"validation": rows, "epochs": 1, "learning_rate": (1e-3, 1e-2), "batch_size": (20,)}
    for trials in (1, 2):
        run(tmp_path, train=both, max_trials=trials, verbose=True, **options)
    assert "The rows of train read differently each time" in capsys.readouterr().out


@pytest.mark.parametrize("as_dataset", [False, True])
@pytest.mark.parametrize("rates", [(1e-9, 1e-8), (1e-2, 1e-1)])
def test_a_best_that_has_learned_nothing_is_said_to(tmp_path, as_dataset, rates):
    x = np.random.default_rng(0).normal(size=(400, 4)).astype("float32")
    y = (x[:, 0] > 0.8).astype("int32")
    parts = (x[:300], y[:300]), (x[300:], y[300:])
    if as_dataset:
        parts = [tf.data.Dataset.from_tensor_slices(part).batch(20) for part in parts]

    def build():
        head = layers.Dense(2, "softmax", kernel_initializer="zeros")  # the first class for all
        model = keras.Sequential([layers.Input((4,)), layers.Dense(16, "relu"), head])
        adam = keras.optimizers.Adam(rates[0])
        model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    options = {"learning_rate": rates, "objective": "val_accuracy", "epochs": 8, "max_trials": 3}
    text = " ".join(run(tmp_path, build, *parts, **options).remarks())
    share = f"{(y[300:] == 0).mean():.4g} of the validation rows are of one class"
    is_said = "what was searched makes no difference" in text or share in text
    assert is_said == (rates[1] < 1e-3)


def test_the_accuracy_of_a_constant_is_the_share_of_the_most_frequent_class():
    for labels in (
        np.array([0, 1, 1, 1]),
        np.eye(2)[[0, 1, 1, 1]],
        np.array([[0.0], [1], [1], [1]]),
    ):
        assert most_frequent(as_data((np.ones((4, 2)), labels), "v")) == 0.75
    assert most_frequent(as_data((np.ones((4, 2)), np.array([0.1, 0.2, 0.3, 0.4])), "v")) is None
    assert most_frequent(as_data((np.ones((4, 2)),), "v")) is None


def test_columns_of_validation_in_another_order_are_refused(tmp_path):
    class Frame:  # as pandas has it, which is not asked for here
        def __init__(self, values, columns):
            self.values, self.columns, self.shape = values, columns, values.shape

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.values, dtype)

        def __len__(self):
            return len(self.values)

    x, y = np.random.default_rng(0).normal(size=(2, 40, 4)).astype("float32")
    train, turned = Frame(x, list("abcd")), Frame(x[:, ::-1], list("dcba"))
    with pytest.raises(InputError, match=r"in another order .* x_validation\[x.columns\]"):
        run(tmp_path, train=(train, y[:, :1]), validation=(turned, y[:, :1]))


def test_nan_in_the_inputs_of_validation_is_refused(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(2, 40, 4)).astype("float32")
    held = x.copy()
    held[3, 1] = np.nan

    def build():  # relu makes 0 of NaN, so that the score looks like one
        model = keras.Sequential([layers.Input((4,)), layers.Dense(3, "relu"), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(InputError, match="`validation` holds NaN or infinity, first in example 3"):
        run(tmp_path, build, train=(x, y[:, :1]), validation=(held, y[:, :1]))


EDITED = {
    "loss": ("def own(y, p): return keras.ops.square(y - p) * 2", "own", "None", "()"),
    "helper": ("def two(): return 2\ndef own(y, p): return (y - p) ** two()", "own", "None", "()"),
    "constant": ("TIMES = 2\ndef own(y, p): return (y - p) ** TIMES", "own", "None", "()"),
    "order": (
        "PAIR = (2, 5, 2)\ndef own(y, p): return (y - p) ** 2 * PAIR[0]",
        "own",
        "None",
        "()",
    ),
    "metric": ("def own(y, p): return y * 0 + 2", "'mse'", "own", "()"),
    "callback": (
        "class Own(keras.callbacks.Callback):\n"
        "    def on_epoch_end(self, epoch, logs=None): self.last = 2",
        *("'mse'", "None", "(Own(),)"),
    ),
    "patience": ("", "'mse'", "None", "(keras.callbacks.EarlyStopping(patience=2),)"),
}


@pytest.mark.parametrize("what", EDITED)
def test_code_that_was_edited_is_another_search(tmp_path, what):
    """The 2 becomes a 5; the same lines, read again, are the same search."""
    code, loss, metric, callbacks = EDITED[what]
    program = f"""
{code}
def build():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", {loss}, metrics=[{metric}] if {metric} else None)
    return model
given = dict(build_model=build, callbacks={callbacks})
"""

    def read(text):
        names = {"keras": keras, "__name__": "__main__"}
        exec(text, names)
        return names["given"]

    first = run(tmp_path, **read(program))
    again = run(tmp_path, **read(program))
    assert again.trials[1]["scores"] == first.trials[1]["scores"]
    with pytest.raises(ValueError, match=r"another search.*(the code of own|callback \w+) is"):
        edited = program.replace("(2, 5, 2)", "(5, 2, 2)")
        run(tmp_path, **read(program.replace("2", "5") if what != "order" else edited))


def test_a_hyper_model_is_built_by_its_name_and_its_optimizer_is_loaded(tmp_path, recwarn):
    class Hyper(kt.HyperModel):
        def build(self, hp):
            return linear()

    hypermodel = Hyper()
    result = run(tmp_path, hypermodel, seeds=1, name="hyper")
    data = {"x": X, "y": Y, "x_val": VALIDATION[0], "y_val": VALIDATION[1]}
    pasted(result, None, hypermodel=hypermodel, **data)
    model = result.best_model()
    assert int(model.optimizer.iterations) == result.best["epochs"] * 6
    assert not [one for one in recwarn if "Skipping variable loading" in str(one.message)]


def test_a_schedule_that_ends_elsewhere_is_said(tmp_path):
    def build(steps):
        schedule = keras.optimizers.schedules.CosineDecay(0.02, steps)
        model = keras.Sequential([layers.Input((4,)), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(schedule), "mse")
        return model

    for steps, is_said in ((6, False), (3, True)):  # one epoch of 96 rows has 6 batches of 16
        result = run(tmp_path, functools.partial(build, steps), name=str(steps))
        assert ("ends after 3; a training" in " ".join(result.remarks())) is is_said


@pytest.mark.parametrize("follows", [True, False])
def test_a_schedule_that_follows_the_batch_size_is_no_other_decay(follows, tmp_path):
    def build(hp):
        size = hp.get("batch_size")
        schedule = keras.optimizers.schedules.CosineDecay(0.02, len(X) // size if follows else 2)
        noise = layers.GaussianNoise(0.1 / size)
        model = keras.Sequential([layers.Input((4,)), noise, layers.Dense(1)])
        model.compile(keras.optimizers.SGD(schedule), "mse")
        return model

    result = run(tmp_path, build, batch_size=(16, 48), max_trials=4, epochs=4)
    assert ("counts steps" in " ".join(result.remarks())) is not follows
    assert ("decay_steps" in result.paste_lines()) is not follows  # of a size or of all
    data = {"x": X, "y": Y, "x_val": VALIDATION[0], "y_val": VALIDATION[1], "keras": keras}
    rate = pasted(result, build, **data)["model"].optimizer.get_config()["learning_rate"]
    size, found = result.best["batch_size"], rate["config"]
    assert found["initial_learning_rate"] == pytest.approx(result.best["learning_rate"], rel=1e-4)
    assert found["decay_steps"] == (len(X) // size if follows else 2)


@pytest.mark.parametrize("averages", [True, False])
def test_weights_that_the_optimizer_averages_are_named(averages, tmp_path):
    def build():
        model = keras.Sequential([layers.Input((4,)), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.01, use_ema=averages, ema_momentum=0.5), "mse")
        return model

    result = run(tmp_path, build, seeds=1)
    quoted = result.best["rerun_scores"][0]
    evaluated = result.best_model().evaluate(*VALIDATION, verbose=0)
    assert (evaluated == pytest.approx(quoted, rel=1e-3)) is not averages
    assert ("averages the weights" in " ".join(result.remarks())) is averages


def test_batches_that_are_padded_to_their_own_length(tmp_path):
    lengths = np.random.default_rng(0).integers(2, 9, 96)

    def batches(size, number):
        def rows():
            for length in lengths[:number]:
                yield np.full((length, 1), length / 8, "float32"), np.float32(length)

        signature = (tf.TensorSpec((None, 1)), tf.TensorSpec(()))
        data = tf.data.Dataset.from_generator(rows, output_signature=signature)
        return data.padded_batch(size)

    def build():
        pooled = layers.GlobalMaxPooling1D()
        model = keras.Sequential([layers.Input((None, 1)), pooled, layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    given = {"train": batches(16, 96), "validation": batches(8, 24)}
    result = run(tmp_path, build, **given, batch_size=(8, 16, 64), max_trials=6)
    assert {row["status"] for row in result.trials} == {"completed"}
    steps = {len(list(Stream(given["train"], "train", None, None).batches(b))) for b in (8, 16, 64)}
    assert steps == {12, 6, 2}


def test_a_file_is_no_search(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="There is no search in"):
        load(tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("present", "best", "said"),
    [
        ([0.2, 0.5, 0.55], [0.69, 0.7, 0.71], "cannot be told from the best by 3 fresh seeds"),
        ([0.7, 0.72, 0.74], [0.69, 0.7, 0.71], "ties with the best"),
        ([0.4, 0.41, 0.42], [0.69, 0.7, 0.71], "the search gained 0.29"),
        ([0.9, 0.91, 0.92], [0.69, 0.7, 0.71], "does better than the best that was found"),
        ([0.8], [0.7], "on one fresh seed: nothing was gained, or it is noise"),
    ],
)
def test_few_seeds_are_not_called_a_tie(present, best, said, tmp_path):
    """By hand: 0.283 ± 0.432 is open, -0.02 no gain, 0.29 one."""
    rows = [trained("0", 0.001, 0.1), trained("1", 0.01, 0.9)]
    again = [trained(f"0_{i}", 0.001, score) for i, score in enumerate(present)]
    again += [trained(f"1_{i}", 0.01, score) for i, score in enumerate(best)]
    assert said in found(tmp_path, rows, again).remarks()[0]


def trained(name, rate, score, size=32):
    """One line of the table of trials."""
    row = {"trial": name, "values": {"batch_size": size, "learning_rate": rate}, "reason": ""}
    row |= {"status": "completed", "score": score, "scores": [score], "best_epoch": 1}
    row |= {"is_short": False, "last_counts": True, "folder": "", "epoch_seconds": [1.0]}
    row["kept_score"] = score
    return {**row["values"], **row}


def found(folder, rows, again=()):
    """Return a result of trials, the first of which is the present setting."""
    settings = {"objective": ["val_score", "max"], "epochs": 1, "present": {"batch_size": 32}}
    settings |= {"num_examples": 96, "bounds": []}
    return Result(folder, settings, rows, {"to_choose": [], "to_quote": list(again)}, None)


def test_a_search_in_which_nothing_makes_a_difference(tmp_path):
    rows = [trained("0", 0.001, 0.66), trained("1", 0.01, 0.66), trained("2", 0.1, 0.66)]
    (remark,) = found(tmp_path, rows).remarks()
    assert "All 3 trials scored 0.66" in remark and "rates tried (0.001 to 0.1)" in remark
    perfect = [trained(str(i), 10.0**-i, 1.0) for i in range(3)]
    first, second, *_ = found(tmp_path, perfect).remarks()
    assert "All 3 trials scored 1" in first and "good enough" in first
    assert "is the best that was found" in second
    rows[2] = trained("2", 0.1, 0.67)
    assert "All 3 trials" not in " ".join(found(tmp_path, rows).remarks())


def test_what_is_said_of_the_present_setting_alone(tmp_path):
    (remark, *_) = found(tmp_path, [trained("0", 0.001, 0.66)]).remarks()
    assert "is all that was tried: max_trials=2 or more" in remark
    rows = [trained("0", 0.001, 0.9), trained("1", 0.005, 0.6), trained("2", 0.02, 0.5)]
    outside = found(tmp_path, rows)
    outside.settings["bounds"] = [0.005, 0.02]
    remarks = " ".join(outside.remarks())
    assert "0.001 is outside of what was searched, 0.005 to 0.02" in remarks


def test_commands_name_files_and_refuse_modules_that_train(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "helper.py").write_text("units = 1\n")
    (folder / "tuning.py").write_text(
        "import keras, numpy as np\n"
        "from helper import units\n"
        "def data():\n"
        "    x = np.random.default_rng(0).normal(size=(40, 2)).astype('float32')\n"
        "    return (x, x[:, :1]), (x, x[:, :1])\n"
        "def build():\n"
        "    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])\n"
        "    model.compile('sgd', 'mse')\n"
        "    return model\n"
    )
    (folder / "trains.py").write_text(
        "import numpy as np\nfrom keras import Sequential, layers\n"
        "model = Sequential([layers.Input((2,)), layers.Dense(1)]); model.compile('sgd', 'mse')\n"
        "model.fit(np.ones((4, 2)), np.ones((4, 1)))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    words = ["elsewhere/tuning.py:build", "--data", "elsewhere/tuning.py:data", "--quick"]
    words += ["--learning-rate", "1e-3", "1e-1", "--batch-size", "8", "--seeds", "0"]
    assert main(words) == 0
    best = json.loads((tmp_path / "tuning_runs" / "tuning" / "best.json").read_text())
    assert math.isfinite(best["score"])
    split = ["--validation-split", "0.25", "--name", "split"]
    assert main([*words, *split]) == 2
    assert "Give `validation` or `validation_split`, not both" in capsys.readouterr().err
    for alone in ("x, x[:, :1]", "((x, x[:, :1]),)", "{'train': (x, x[:, :1])}"):
        source = f"import numpy as np\ndef data():\n    x = np.ones((40, 2))\n    return {alone}\n"
        (folder / "alone.py").write_text(source)
        sys.modules.pop("alone", None)
        one = ["--data", "elsewhere/alone.py:data", "--overwrite"]
        assert main([*words, *split, *one]) == 0
        assert "10 of 40 examples are the validation data" in capsys.readouterr().out
    (folder / "alone.py").write_text("def data():\n    return ([1.0], [2.0], [3.0], [4.0])\n")
    sys.modules.pop("alone", None)
    assert main([*words, "--data", "elsewhere/alone.py:data"]) == 2
    assert "it returned a tuple of 4." in capsys.readouterr().err
    for wrong, sentence in (
        ("elsewhere/trains.py:build", "trains when it is imported"),
        ("elsewhere/none.py:build", "There is no file"),
        ("elsewhere/tuning.py:none", "has no function 'none'"),
        ("elsewhere/tuning.py", "module:function or file.py:function"),
    ):
        assert main([wrong, *words[1:]]) == 2
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1, error


def test_a_missing_package_is_said_before_any_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([]) == 2
    assert "matplotlib is missing" in capsys.readouterr().err


def test_no_module_takes_the_name_of_a_function():
    import tuning

    for file in (ROOT / "tuning").iterdir():
        assert file.stem not in tuning.__all__


@pytest.mark.parametrize(("name", "direction"), [("val_b_auc", "max"), ("val_a_mae", "min")])
def test_the_direction_of_a_metric_of_one_output_is_that_of_the_metric(name, direction):
    inputs = keras.Input((3,))
    heads = {"a": keras.layers.Dense(1, name="a"), "b": keras.layers.Dense(1, "sigmoid", name="b")}
    model = keras.Model(inputs, {key: head(inputs) for key, head in heads.items()})
    metrics = {"a": ["mae"], "b": [keras.metrics.AUC(name="auc")]}
    model.compile("sgd", {"a": "mse", "b": "binary_crossentropy"}, metrics=metrics)
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    y = {"a": x[:, :1], "b": (x[:, :1] > 0).astype("float32")}
    logs = model.fit(x, y, validation_data=(x, y), verbose=0).history
    assert choose_objective(name, list(logs), model).direction == direction
