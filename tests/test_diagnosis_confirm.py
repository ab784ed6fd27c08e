"""Diagnosis and changes on clones: what is measured to repair is blamed first, nothing is moved."""

import gc
import pickle
import random
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from callbacks import checkup
from callbacks.diagnosis import Diagnosis
from callbacks.diagnosis.checkup_result import Checkup, Outcome, Verdict
from callbacks.diagnosis.clones import KEPT, Change, both
from callbacks.diagnosis.confirm import confirmed, told
from callbacks.diagnosis.finding import Finding
from callbacks.diagnosis.known import note_known
from callbacks.diagnosis.laboratory import Laboratory
from callbacks.diagnosis.rows import Rows
from callbacks.diagnosis.run import Run
from callbacks.diagnosis.treatments import TREATMENTS
from callbacks.diagnosis.verdict import ORDER

X = np.random.default_rng(0).normal(size=(600, 6)).astype("float32")
THREE = np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7])


def trained(optimizer, activation="softmax", epochs=8, labels=THREE, others=(), **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(16, "relu"), layers.Dense(3, activation)]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, **options)
    data = {"x": X[:400], "y": labels[:400], "validation_data": (X[400:], labels[400:])}
    model.fit(**data, epochs=epochs, verbose=0, callbacks=[diagnosis, *others])
    return model, diagnosis


def change(key, cause):
    return Change(key.replace("_", " "), cause, (("old", "new"),), key=key, reason="Why (1990).")


def checkup_with(*repairs):
    outcomes = [Outcome(c, [0.9, 0.9], [0.6, 0.6], np.zeros(3)) for c in repairs]
    first = repairs[0] if repairs else None
    verdict = Verdict("repair", "", first, first and first.cause, outcomes)
    baseline = Outcome(KEPT, [0.3, 0.3], [0.0, 0.0], np.zeros(3))
    return Checkup("accuracy", 100, 32, 400, 200, baseline, outcomes=outcomes, verdict=verdict)


def finding(symptom, cause, severity="warning"):
    return Finding(symptom, severity, cause, "Seen.", "Do it.")


def test_every_treatment_treats_symptoms_that_exist():
    assert all(function.symptoms for function in TREATMENTS)
    assert {symptom for function in TREATMENTS for symptom in function.symptoms} <= set(ORDER)


def test_a_finding_whose_change_repairs_comes_first():
    findings = [finding("dead_relu", "learning_rate"), finding("too_small", "layers")]
    repairs = checkup_with(change("four_times_the_width", "layers"))
    first, second = confirmed(findings, repairs, Run())
    assert (first.symptom, first.consequence_of) == ("too_small", None)
    assert "accuracy 0.30 → 0.90" in first.evidence and first.evidence.startswith("Seen.")
    assert "new" in first.remedy and "Do it." in first.remedy
    assert (second.symptom, second.consequence_of) == ("dead_relu", "too_small")


def test_validation_rows_that_teach_more_do_not_hide_a_leak_in_the_training_rows():
    leak = finding("target_in_inputs", "preprocessing")
    repairs = checkup_with(change("training_rows_like_validation", "data"))
    assert confirmed([leak], repairs, Run()) == [leak]


def test_a_change_that_no_finding_names_becomes_one():
    findings = [finding("dead_relu", "learning_rate"), finding("high_bias", "layers", "note")]
    repairs = checkup_with(change("rate_times_10", "learning_rate"))
    first, second, third = confirmed(findings, repairs, Run())
    assert (first.symptom, first.cause) == ("learning_rate_too_low", "learning_rate")
    assert first.severity == "warning" and "Why (1990)." in first.remedy
    assert second.consequence_of == "learning_rate_too_low"
    assert (third.severity, third.consequence_of) == ("note", None)


def test_a_note_is_shown_to_matter_and_a_gap_is_kept_beside():
    findings = [finding("high_variance", "data"), finding("split_mismatch", "data", "note")]
    repair = change("validation_of_the_same_rows", "data")
    first, second = confirmed(findings, checkup_with(repair), Run())
    assert (first.symptom, first.severity) == ("split_mismatch", "warning")
    assert second.consequence_of == "split_mismatch"  # a wrong split explains the gap
    first, second, _ = confirmed(findings, checkup_with(change("adam", "optimizer")), Run())
    assert (first.symptom, second.symptom) == ("slow_convergence", "high_variance")
    assert second.consequence_of is None


def test_a_faster_pace_does_not_stand_before_what_was_seen_in_model_and_data():
    repairs = checkup_with(change("rate_times_10", "learning_rate"))
    findings = [finding("unsuitable_loss", "loss"), finding("slow_convergence", "learning_rate")]
    assert confirmed(findings, repairs, Run()) == findings
    first, _ = confirmed(findings[::-1], repairs, Run())
    assert first.symptom == "slow_convergence" and "Tried on clones" in first.evidence
    low = [finding("learning_rate_too_low", "learning_rate")]
    assert "Tried on clones" in confirmed(low, repairs, Run())[0].evidence


def test_unfreezing_does_not_stand_before_inputs_that_a_layer_scales_twice():
    unfrozen = checkup_with(change("trainable_layers", "layers"))
    scaled = finding("unnormalized_inputs", "preprocessing")
    twice = replace(scaled, layer="rescaling")
    frozen = finding("frozen_features", "layers")
    assert confirmed([twice, frozen], unfrozen, Run()) == [twice, frozen]
    assert confirmed([scaled, frozen], unfrozen, Run())[0].symptom == "frozen_features"


def test_rows_are_not_parted_anew_where_the_training_rows_are_what_is_wrong():
    parted = checkup_with(change("validation_of_the_same_rows", "data"))
    nothing, split = finding("inputs_tell_nothing", "data"), finding("split_mismatch", "data")
    assert confirmed([nothing], parted, Run()) == [nothing]
    first, *_ = confirmed([finding("high_variance", "data"), split], parted, Run())
    assert (first.symptom, "Tried on clones" in first.evidence) == ("split_mismatch", True)


def test_smaller_steps_that_learn_less_by_heart_are_no_rate_too_high():
    slower, gap = change("rate_divided_by_10", "learning_rate"), finding("high_variance", "data")
    assert confirmed([gap], checkup_with(slower), Run()) == [gap]
    dead = finding("dead_relu", "learning_rate")
    first, *_ = confirmed([dead, gap], checkup_with(slower), Run())
    assert (first.symptom, "Tried on clones" in first.evidence) == ("dead_relu", True)


def test_what_helps_anyway_does_not_stand_before_a_cause():
    repeated, gap = finding("repeated_batches", "data"), finding("high_variance", "data")
    weaker = change("weight_penalty", "layers")
    wider, cut = change("four_times_the_width", "layers"), finding("no_gradient", "layers")
    assert confirmed([cut], checkup_with(wider), Run()) == [cut]
    blind = finding("unsuitable_loss", "loss")
    scaled = checkup_with(change("scaled_targets", "preprocessing"))
    assert confirmed([blind], scaled, Run()) == [blind]
    for repair in (weaker, both(None, weaker, change("rate_times_10", "learning_rate"))):
        assert confirmed([repeated, gap], checkup_with(repair), Run()) == [repeated, gap]
        first, *_ = confirmed([gap], checkup_with(repair), Run())
        assert (first.symptom, "Tried on clones" in first.evidence) == ("high_variance", True)


def test_where_ranks_are_watched_class_weights_are_no_repair():
    rare = finding("imbalanced_classes", "data", "note")
    weighted = checkup_with(change("balanced_class_weights", "data"))
    assert confirmed([rare], weighted, Run())[0].severity == "warning"
    assert confirmed([rare], weighted, Run(measures_ranks=True)) == [rare]


def test_class_weights_come_last_where_by_no_rule_a_class_is_rare():
    """All classes count alike in the score of a trial, so that weights often raise it."""
    faster, slow = change("rate_times_10", "learning_rate"), finding("slow_convergence", "epochs")
    tried = checkup_with(change("balanced_class_weights", "data"), faster)
    assert confirmed([slow], tried, Run())[0].symptom == "slow_convergence"
    rare = finding("imbalanced_classes", "data", "note")
    assert confirmed([slow, rare], tried, Run())[0].symptom == "imbalanced_classes"


def test_batches_in_order_are_the_root_whatever_helps_on_a_sample():
    sorted_rows = finding("batches_in_order", "data")
    others = [change("no_noise", "layers"), change("scaled_inputs", "preprocessing")]
    assert confirmed([sorted_rows], checkup_with(*others), Run()) == [sorted_rows]
    mixed = change("shuffled_batches", "data")
    (first,) = confirmed([sorted_rows], checkup_with(*others, mixed), Run())
    assert first.symptom == "batches_in_order" and "shuffled batches" in first.evidence


def test_more_updates_that_repair_do_not_stand_before_a_change_of_the_model_that_does():
    longer, unfrozen = change("more_updates", "epochs"), change("trainable_layers", "layers")
    findings = [finding("stopped_too_soon", "epochs")]
    first, second = confirmed(findings, checkup_with(longer, unfrozen), Run())
    assert (first.symptom, second.consequence_of) == ("frozen_features", "frozen_features")
    assert confirmed(findings, checkup_with(longer), Run())[0].symptom == "stopped_too_soon"


def test_of_a_pair_with_a_faster_pace_the_other_change_names_the_cause():
    pair = change("trainable_layers rate_times_10", "layers")
    slow = finding("slow_convergence", "learning_rate")
    first, second = confirmed([slow], checkup_with(pair), Run())[:2]
    assert first.symptom == "frozen_features" and first.cause == "layers"
    assert second.consequence_of == "frozen_features"


def test_where_the_loss_alone_is_changed_it_is_the_loss_that_is_wrong():
    known = {"key": "output_and_loss_for_the_labels", "reason": "Why (1990)."}
    lines = (("model.compile('adam', loss='mae')", "model.compile('adam', loss='mse')"),)
    both_ways = ("loss", "unsuitable_loss"), ("activation", "unsuitable_output_activation")
    for cause, symptom in both_ways:
        (found,) = confirmed([], checkup_with(Change("mse", cause, lines, **known)), Run())
        assert (found.symptom, found.cause) == (symptom, cause)
        assert "As it is: model.compile('adam', loss='mae')." in found.evidence


def test_where_width_repairs_the_narrowest_layer_is_named():
    kernels = {"first": np.zeros((9, 24)), "code": np.zeros((24, 2)), "last": np.zeros((2, 9))}
    repairs = checkup_with(change("four_times_the_width", "layers"))
    (found,) = confirmed([], repairs, Run(kernels=kernels))
    assert "The narrowest layer is 'code' with 2 units." in found.evidence


def test_of_two_changes_in_one_the_finding_keeps_its_own_cause():
    parts = change("usual_initial_weights", "initialization"), change("scaled_inputs", "data")
    findings = [finding("unnormalized_inputs", "preprocessing")]
    assert confirmed(findings, checkup_with(both(None, *parts)), Run())[0].cause == "preprocessing"
    findings = [finding("slow_convergence", "learning_rate")]
    alone = confirmed(findings, checkup_with(change("adam", "optimizer")), Run())
    assert alone[0].cause == "optimizer"


def test_where_relu_repairs_it_is_said_why_and_what_arrived_at_the_first_layer():
    run = Run(layer_names=["first", "second", "third"], norms=np.float32([[1e-4, 9, 0.5]] * 3))
    run.activations = {"first": ("sigmoid", None), "second": ("sigmoid", None)}
    repairs = checkup_with(change("relu_with_he_normal", "activation"))
    (found,) = confirmed([], repairs, run)
    assert found.symptom == "vanishing_gradient"
    assert "0.5 in the last layer, 'third', and 0.0001 in the first, 'first'" in found.evidence
    assert "2 hidden layers are sigmoids, with a derivative of at most 0.25" in found.evidence
    run.activations = {"first": ("tanh", None)}
    (found,) = confirmed([], repairs, run)
    assert "0.0001 in the first" in found.evidence and "0.25" not in found.evidence


def test_where_relu_repairs_layers_that_have_no_activation_that_is_named():
    repairs = checkup_with(change("relu_with_he_normal", "activation"))
    findings = [finding("high_bias", "layers"), finding("missing_hidden_activation", "activation")]
    first, second = confirmed(findings, repairs, Run())
    assert (first.symptom, second.consequence_of) == ("missing_hidden_activation",) * 2
    vanished = finding("vanishing_gradient", "activation")
    assert confirmed([vanished, *findings[1:]], repairs, Run())[0].symptom == "vanishing_gradient"


@pytest.mark.parametrize("gain", [-0.02, 0.04, 0.06])
@pytest.mark.parametrize(
    ("symptom", "key"),
    [
        ("noise_too_strong", "no_noise"),
        ("learning_rate_too_high", "rate_divided_by_10"),
        ("slow_convergence", "rate_times_10"),
    ],
)
def test_what_nothing_is_gained_without_is_not_blamed(symptom, key, gain):
    findings = [finding(symptom, "layers"), finding("high_bias", "layers")]
    findings[1] = replace(findings[1], consequence_of=symptom)
    tried = checkup_with()
    tried.outcomes = [Outcome(change(key, "layers"), [0.3], [gain], np.zeros(3))]
    blamed, bias = confirmed(findings, tried, Run())[:: -1 if gain < 0.05 else 1]
    assert (blamed.severity, bias.consequence_of) == (
        ("note", None) if gain < 0.05 else ("warning", symptom)
    )
    assert ("it made no difference" in blamed.evidence) is (gain < 0.05)


def test_what_a_root_explains_stays_under_it_where_another_finding_is_refuted():
    root, fast = finding("unnormalized_inputs", "data"), finding("learning_rate_too_high", "data")
    small, other = finding("high_bias", "layers", "note"), finding("split_mismatch", "data")
    small = replace(small, consequence_of=root.symptom)
    tried = checkup_with()
    tried.outcomes = [Outcome(change("usual_rate", "layers"), [0.3], [0.0], np.zeros(3))]
    symptoms = [f.symptom for f in confirmed([root, small, fast, other], tried, Run())]
    assert symptoms == [root.symptom, small.symptom, other.symptom, fast.symptom]


def test_without_a_repair_nothing_changes():
    findings = [finding("dead_relu", "learning_rate")]
    assert confirmed(findings, checkup_with(), Run()) == findings


def noisy_network():
    """All that draws or counts: dropout, augmentation, moving averages."""
    keras.utils.set_random_seed(0)
    stack = [layers.GaussianNoise(0.1), layers.Dense(16, "relu"), layers.BatchNormalization()]
    head = [layers.Dropout(0.2), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((6,)), *stack, *head])
    model.compile(keras.optimizers.SGD(1e-5), "sparse_categorical_crossentropy")
    return model


def left_by(callbacks, stream):
    """Train, then train on without callbacks; return all that could have been moved."""
    model, x, y = noisy_network(), X[:400].copy(), THREE[:400].copy()
    data, held_out = {"x": x, "y": y}, (X[400:], THREE[400:])
    if stream:
        import tensorflow as tf

        batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(400, seed=1).batch(32)
        data = {"x": batches.prefetch(2).cache()}
    model.fit(**data, validation_data=held_out, epochs=3, verbose=0, callbacks=callbacks)
    model.fit(**data, epochs=2, verbose=0)
    drawn = [random.random(), np.random.random(), keras.random.uniform(())]  # noqa: NPY002
    named = layers.Dense(1).name
    variables = [*model.variables, *model.optimizer.variables]
    arrays = [*map(keras.ops.convert_to_numpy, variables), x, y, *map(float, drawn)]
    return arrays, named, model.compiled, float(model.optimizer.learning_rate)


def only(monkeypatch, *names):
    """Try only these changes on clones: a test waits for each."""
    some = [function for function in TREATMENTS if function.__name__ in names]
    assert len(some) == len(names)
    monkeypatch.setattr("callbacks.diagnosis.checkup.TREATMENTS", some)


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_tried_on_clones_moves_nothing(stream, monkeypatch):
    data = "validation_of_the_same_rows", "scaled_inputs"
    only(monkeypatch, *data, "no_noise", "rate_times_10", "adam")
    if stream and keras.backend.backend() != "tensorflow":
        pytest.skip("a pipeline of TensorFlow")
    keras.backend.clear_session()
    plain, *others = left_by([], stream)
    keras.backend.clear_session()
    diagnosis = Diagnosis(verbose=False, checkup_seconds=30)
    watched, *others_watched = left_by([diagnosis], stream)
    assert diagnosis.checkup.outcomes  # something was tried
    again = pickle.loads(pickle.dumps(diagnosis))  # as whoever saves an estimator with callbacks
    assert again.report() == diagnosis.report()
    gc.collect()
    assert not any(isinstance(thing, Laboratory) for thing in gc.get_objects())
    assert "On clones of the model" in diagnosis.report()
    assert others == others_watched
    for mine, theirs in zip(watched, plain, strict=True):
        np.testing.assert_array_equal(mine, theirs)


class Hidden(layers.Layer):
    """A layer as many write it: it takes no name, no dtype and no `trainable`."""

    def __init__(self, units):
        super().__init__()
        self.inner = layers.Dense(units, activation="relu")

    def call(self, x):
        return self.inner(x)


class Net(keras.Model):
    """A model of one's own, built by its first step."""

    def __init__(self, units=16):
        super().__init__()
        self.hidden, self.out = Hidden(units), layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.out(self.hidden(x))


@pytest.mark.parametrize("form", ["layer", "model", "operation"])
def test_layers_and_models_of_ones_own_are_cloned(form, monkeypatch):
    only(monkeypatch, "usual_rate")
    keras.utils.set_random_seed(0)
    model = Net()
    if form == "operation":  # which has neither weights nor `trainable`
        inputs = keras.Input((6,))
        hidden = keras.ops.where(inputs > 0, inputs, 0.1 * inputs)
        model = keras.Model(inputs, layers.Dense(3, activation="softmax")(Hidden(16)(hidden)))
    if form == "layer":
        model = keras.Sequential([keras.Input((6,)), Hidden(16), layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(1e-5), "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=600)
    model.fit(X[:400], THREE[:400], epochs=20, verbose=0, callbacks=[diagnosis])
    assert "what repairs: the optimizer's usual learning rate (0.001)" in diagnosis.report()
    assert not any("clone" in text for text in diagnosis.left_out)


def test_where_a_place_is_asked_for_a_mean_over_all_places_is_told(monkeypatch):
    only(monkeypatch, "flattened_maps", "four_times_the_width")
    keras.utils.set_random_seed(0)
    place = np.random.default_rng(0).integers(0, 8, (900, 2))
    x = np.zeros((900, 8, 8, 1), "float32")
    x[np.arange(900), place[:, 0], place[:, 1]] = 1
    y = ((place - 3.5) / 2.3).astype("float32")
    stack = [layers.Conv2D(8, 1, activation="relu"), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((8, 8, 1)), *stack, layers.Dense(16, "relu")])
    model.add(layers.Dense(2))
    model.compile(keras.optimizers.Adam(0.003), "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=600)
    held_out = {"validation_data": (x[600:], y[600:]), "callbacks": [diagnosis]}
    model.fit(x[:600], y[:600], epochs=15, verbose=0, **held_out)
    first = diagnosis.findings[0]
    assert (first.symptom, first.cause) == ("part_unseen", "layers"), diagnosis.report()
    assert "As it is: layers.GlobalAveragePooling2D(" in first.evidence
    assert "layers.Flatten(" in first.remedy


def test_what_needs_no_trial_is_not_tried():
    _, off = trained(keras.optimizers.SGD(1e-5), checkup_seconds=0)
    assert off.verdict == "wrong" and off.checkup is None
    _, healthy = trained(keras.optimizers.Adam(0.03), epochs=15, labels=(X[:, 0] > 0).astype(int))
    assert healthy.verdict == "healthy" and healthy.checkup is None
    _, plain = trained("adam", activation="linear")  # no probabilities, as the loss takes them
    assert plain.findings[0].severity == "error" and plain.checkup is None


def test_clones_start_with_the_largest_rate_that_a_callback_gave(monkeypatch):
    only(monkeypatch, "usual_rate", "rate_times_10")
    lowered = keras.callbacks.LearningRateScheduler(
        lambda epoch: {0: 1e-8, 1: 1e-5}.get(epoch, 1e-9)
    )
    model, diagnosis = trained(keras.optimizers.SGD(0.1), others=[lowered], checkup_seconds=600)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-9)
    changes = {o.change.name: o.change.lines[0] for o in diagnosis.checkup.outcomes}
    assert "the optimizer's usual learning rate (0.01)" in changes
    before, after = changes["learning rate × 10 (0.0001)"]
    assert "learning_rate=1e-05" in before and "learning_rate=0.0001" in after


def test_gradients_clipped_to_nothing_are_told_and_not_only_another_optimizer(monkeypatch):
    only(monkeypatch, "usual_options", "adam", "four_times_the_width")
    clipped = keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1e-4)
    model, diagnosis = trained(clipped, checkup_seconds=600)
    assert "without clipnorm=0.0001" in diagnosis.report().splitlines()[1]
    first = diagnosis.findings[0]
    assert first.cause == "optimizer" and "without clipnorm" in first.remedy
    assert model.optimizer.clipnorm == 1e-4


def test_what_no_score_compares_with_labels_is_not_tried():
    def laplace(y_true, y_pred):
        far = keras.ops.abs(y_true[:, 0] - y_pred[:, 0])
        return far * keras.ops.exp(-y_pred[:, 1]) + y_pred[:, 1]

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(2)])
    model.compile("adam", laplace)
    diagnosis = Diagnosis(verbose=False)
    model.fit(X, 0.1 * X[:, :1], epochs=2, verbose=0, callbacks=[diagnosis])
    assert diagnosis.checkup is None
    assert any("no score compares outputs with them" in text for text in diagnosis.left_out)


def test_weights_that_early_stopping_gives_back_later_are_judged_and_not_given_back_before():
    spoil = keras.callbacks.LearningRateScheduler(lambda epoch: 0.05 if epoch < 6 else 50.0)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=9, restore_best_weights=True)
    seen = []
    last = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(last.model.get_weights()),
        on_train_end=lambda logs: seen.append(last.model.get_weights()),
    )
    model, diagnosis = trained("adam", others=[spoil, last, stop], checkup_seconds=0)
    for before, after in zip(seen[-2], seen[-1], strict=True):
        np.testing.assert_array_equal(before, after)
    right = float(np.mean(model.predict(X[400:], verbose=0).argmax(axis=1) == THREE[400:]))
    assert right > 0.9
    assert f"{right:.3f} in validation" in diagnosis.report()


class Autoencoder(keras.Model):
    """Restores rows, at least as long as its second loss, the size of its codes, is light."""

    def __init__(self, weight):
        super().__init__()
        self.encoder, self.decoder = layers.Dense(3), layers.Dense(6)
        self.weight = weight

    def call(self, rows):
        return self.decoder(self.encoder(rows))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        error = keras.ops.mean(keras.ops.square(x - y_pred))
        return error + self.weight * keras.ops.mean(keras.ops.square(self.encoder(x)))


@pytest.mark.parametrize(("weight", "verdict"), [(1e-4, "not judged"), (100.0, "wrong")])
def test_without_labels_a_model_that_gives_the_same_for_all_rows_is_told(weight, verdict):
    keras.utils.set_random_seed(0)
    model = Autoencoder(weight)
    model.compile(keras.optimizers.Adam(0.03))
    diagnosis = Diagnosis(verbose=False)
    model.fit(X + 3, epochs=40, verbose=0, callbacks=[diagnosis])
    told = np.std(model.predict(X + 3, verbose=0), axis=0).mean() > 0.2
    assert told == (verdict == "not judged")
    assert diagnosis.verdict == verdict, diagnosis.report()
    assert ("nothing_passes" in diagnosis.report()) == (verdict == "wrong")


def test_mirrored_rows_are_told_where_no_label_survives_it(monkeypatch):
    only(monkeypatch, "no_noise", "four_times_the_width")
    images = np.random.default_rng(0).uniform(0, 0.5, (700, 6, 6, 1)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 2, 700)
    images[labels == 0, :, 0] += 0.5
    images[labels == 1, :, -1] += 0.5
    keras.utils.set_random_seed(0)
    stack = [layers.RandomFlip("horizontal", name="mirror"), layers.Flatten()]
    model = keras.Sequential([keras.Input((6, 6, 1)), *stack, layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    parts = (images[:500], labels[:500]), (images[500:], labels[500:])
    result = checkup(model, *parts, seconds=600, verbose=False, fit={"epochs": 10})
    assert result.verdict.change.key == "no_noise", result.report()
    assert result.verdict.change.lines == (("layers.RandomFlip(name='mirror')", ""),)
    assert "training without the noise of RandomFlip 'mirror'" in result.report()
    assert confirmed([], result, Run())[0].recipe == "recipes/data_augmentation.py"


def test_validation_rows_teach_what_spoiled_training_rows_do_not(monkeypatch):
    only(monkeypatch, "training_rows_like_validation", "rate_divided_by_10")
    spoiled = THREE[:400].copy()
    spoiled[::2] = np.random.default_rng(1).permutation(spoiled[::2])  # not their own any more
    for labels in (spoiled, THREE[:400]):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
        model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
        parts = (X[:400], labels), (X[400:], THREE[400:])
        result = checkup(model, *parts, seconds=600, verbose=False, fit={"epochs": 10})
        tried = [o for o in result.outcomes if o.change.key == "training_rows_like_validation"]
        assert len(tried) == (labels is spoiled)  # those that fit need no other rows
        if tried:
            assert tried[0].gain > 0.1, result.report()
            assert "training on three quarters of the validation rows" in tried[0].change.name


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("exchanged", [False, True])
def test_two_outputs_with_each_others_targets(exchanged, named, monkeypatch):
    """Each branch sees one half of the inputs, which tells the target of the other output."""
    only(monkeypatch, "targets_of_the_other_output", "four_times_the_width")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    seen = {"left": inputs[:, :3], "right": inputs[:, 3:]}
    outputs = {n: layers.Dense(1, "sigmoid", name=n)(half) for n, half in seen.items()}
    model = keras.Model(inputs, outputs if named else list(outputs.values()))
    model.compile(keras.optimizers.Adam(0.05), dict.fromkeys(outputs, "binary_crossentropy"))
    y = [(X[:, column] > 0).astype("float32") for column in ([3, 0] if exchanged else [0, 3])]
    parts = [[X[rows], [one[rows] for one in y]] for rows in (slice(400), slice(400, None))]
    if named:
        parts = [[x, dict(zip(outputs, labels, strict=True))] for x, labels in parts]
    result = checkup(model, *parts, seconds=600, verbose=False, fit={"epochs": 10})
    (tried,) = [o for o in result.outcomes if o.change.key == "targets_of_the_other_output"]
    assert (tried in result.verdict.repairs) == exchanged, result.report()
    assert "{'left': y2, 'right': y1}" in tried.change.lines[0][1]


NUMBERED = {0: "numbers_one_less", 2: "numbers_one_more", -2: "numbers_three_less"}


@pytest.mark.parametrize("first", NUMBERED)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_frozen_table_of_words_that_begins_elsewhere(first, frozen, monkeypatch):
    """Texts number the words from 1 on; the table has the first of them in another row."""
    only(monkeypatch, *NUMBERED.values())
    random = np.random.default_rng(0)
    texts, tone = random.integers(1, 101, (900, 8), "uint8"), random.choice([-1.0, 1.0], 103)
    table = np.stack([np.roll(tone, first - 1), random.normal(size=103)], axis=1)
    keras.utils.set_random_seed(0)
    words = layers.Embedding(
        103, 2, embeddings_initializer=keras.initializers.Constant(table), trainable=not frozen
    )
    stack = [words, layers.GlobalAveragePooling1D(), layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((8,), dtype="int32"), *stack])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    y = (tone[texts].sum(axis=1) > 0).astype("float32")
    parts = (texts[:600], y[:600]), (texts[600:], y[600:])
    result = checkup(model, *parts, seconds=600, verbose=False, fit={"epochs": 10})
    repairs = [outcome.change.key for outcome in result.verdict.repairs]
    assert repairs == [NUMBERED[first]] * frozen, result.report()
    assert len(result.outcomes) == 3 * frozen


def test_validation_rows_of_one_class_teach_nothing(monkeypatch):
    only(monkeypatch, "training_rows_like_validation")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    parts = (X[:300], THREE[:300]), (X[300:], np.ones(300, int))
    result = checkup(model, *parts, seconds=600, verbose=False, fit={"epochs": 3})
    assert result.outcomes == []
    split = finding("split_mismatch", "data")
    teaches = checkup_with(change("training_rows_like_validation", "data"))
    assert confirmed([split], teaches, Run())[0].symptom == "split_mismatch"


def test_what_a_pipeline_does_to_the_training_rows_is_said_to_be_left_in(monkeypatch):
    only(monkeypatch)
    harmed = X[:400].copy()
    harmed[::2] = np.random.default_rng(1).normal(size=(200, 6))  # no label survives it
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    parts = (harmed, THREE[:400]), (X[400:], THREE[400:])
    result = checkup(model, *parts, seconds=600, verbose=False, fit={"epochs": 10})
    assert "training rows are harder" in [seen.outcome for seen in result.results]
    result.verdict.kind, result.outcomes = "pattern", [result.baseline]  # where nothing repairs
    result.patterns = [p for p in result.patterns if "held_out_against_training" in p.seen]
    assert "augmentation in `dataset.map`, could not be taken out here" in told(result)
    assert "What experiments point to" not in told(result, is_healthy=True)


def test_where_nothing_could_be_tried_it_is_not_said_that_nothing_repairs():
    assert told(checkup_with()) == "In 0 s no change could be tried on a clone: give more time."


def test_ctrl_c_ends_the_trials_and_not_the_training(monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("callbacks.diagnosis.callback.examine", interrupted)
    _, diagnosis = trained(keras.optimizers.SGD(1e-5))
    assert "changes on clones (interrupted)" in diagnosis.left_out


class Unweighed(keras.Model):
    """A step that takes the sample weights, and heeds them or not."""

    def __init__(self, inputs, outputs, heeds):
        super().__init__(inputs, outputs)
        self.heeds = heeds

    def train_step(self, *arguments):
        *state, data = arguments  # JAX hands a state as well
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        return super().train_step(*state, (x, y, weight) if self.heeds else (x, y))


@pytest.mark.parametrize("heeds", [False, True])
def test_a_step_that_does_not_heed_the_sample_weights_is_told(heeds):
    keras.utils.set_random_seed(0)
    labels, weight = THREE.copy(), np.ones(len(X), "float32")
    labels[:240], weight[:240] = np.roll(THREE[:240], 1), 1e-3  # of other rows
    inputs = keras.Input((6,))
    outputs = layers.Dense(3, "softmax")(layers.Dense(32, "relu")(inputs))
    model = Unweighed(inputs, outputs, heeds)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=1000)
    rows = {"x": X[:400], "y": labels[:400], "sample_weight": weight[:400]}
    model.fit(
        **rows,
        validation_data=(X[400:], THREE[400:]),
        epochs=30,
        verbose=0,
        callbacks=[diagnosis],
    )
    first = [f.evidence for f in diagnosis.findings[:1] if f.symptom == "own_train_step"]
    assert any("240 rows of the sample" in text for text in first) is not heeds
    assert any("whatever a row weighs" in text for text in first) is not heeds
    assert ("a clone reaches" in diagnosis.report()) is not heeds


def test_a_fit_that_goes_on_says_so_and_tries_nothing_anew():
    model, diagnosis = trained(keras.optimizers.SGD(1e-5), epochs=2)
    assert diagnosis.checkup is not None and "before this `fit`" not in diagnosis.report()
    model.fit(X[:400], THREE[:400], verbose=0, callbacks=[diagnosis])
    assert f"the {2 * 13} updates before this `fit`" in diagnosis.report()
    assert diagnosis.checkup is None
    model.compile(keras.optimizers.SGD(1e-5), model.loss, metrics=["accuracy"])
    model.fit(X[:400], THREE[:400], verbose=0, callbacks=[diagnosis])
    assert "before this `fit`" not in diagnosis.report()  # a new optimizer is a new start


def test_a_step_too_slow_says_how_much_time_it_takes(monkeypatch):
    monkeypatch.setattr("callbacks.diagnosis.callback.LEAST_TRIALS", 1e6)
    _, diagnosis = trained(keras.optimizers.SGD(1e-5))
    assert diagnosis.checkup is None
    assert "give checkup_seconds=" in diagnosis.report()


@pytest.mark.parametrize("seconds", [-1, "20", None, True])
def test_seconds_that_are_none(seconds):
    with pytest.raises(ValueError, match="checkup_seconds"):
        Diagnosis(checkup_seconds=seconds)


# ---- steps that do not count ----


def tagged(one_hot=False):
    """Words and their tags (rows, 12), and which of them count: the end is padding, of any tag."""
    rng = np.random.default_rng(2)
    words, anything = rng.integers(1, 30, (400, 12)), rng.integers(0, 3, (400, 12))
    counts = np.arange(12) < rng.integers(3, 12, 400)[:, None]
    tags = np.where(counts, words % 3, anything)
    return np.where(counts, words, 0), np.eye(3)[tags] if one_hot else tags, counts


@pytest.mark.parametrize(
    "how", ["mask", "mask, one-hot", "weights", "weights of a dataset", "ignored class"]
)
def test_steps_that_do_not_count_are_not_scored(how):
    """Keras's own accuracy leaves them out; it is what the report has to say."""
    x, y, counts = tagged("one-hot" in how)
    weights = None if "mask" in how else counts.astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((12,)), layers.Embedding(30, 8, mask_zero="mask" in how)])
    model.add(layers.Dense(3, "softmax"))
    loss = "categorical_crossentropy" if "one-hot" in how else "sparse_categorical_crossentropy"
    if how == "ignored class":
        y, weights = np.where(counts, y, -1), None
        loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    model.compile(keras.optimizers.Adam(0.05), loss, weighted_metrics=["accuracy"])
    parts = [a for a in (x, y, weights) if a is not None]
    training, held = [a[:300] for a in parts], tuple(a[300:] for a in parts)
    diagnosis = Diagnosis(verbose=False)
    given = {"x": training[0], "y": training[1], "sample_weight": (training[2:] or [None])[0]}
    if "dataset" in how:
        if keras.backend.backend() != "tensorflow":
            pytest.skip("a dataset of TensorFlow")
        import tensorflow as tf

        given = {"x": tf.data.Dataset.from_tensor_slices(tuple(training)).batch(30)}
        held = tf.data.Dataset.from_tensor_slices(held).batch(30)
    model.fit(**given, validation_data=held, epochs=8, verbose=0, callbacks=[diagnosis])
    (out,) = diagnosis._run.outputs
    right = model.predict(x, verbose=0).argmax(axis=-1) == tagged()[1]
    assert out.score == pytest.approx(right[:300][counts[:300]].mean())
    assert out.validation_score == pytest.approx(right[300:][counts[300:]].mean())
    if how != "ignored class":  # Keras's metric counts it
        assert out.score == pytest.approx(model.evaluate(**given, verbose=0)[1], abs=1e-6)
    assert out.score > 0.99 and right.mean() < 0.9  # of all steps, padding too
    assert diagnosis.verdict == "healthy"


@pytest.mark.parametrize("padding", [0, -1])
def test_masks_of_steps_are_those_that_keras_makes(padding):
    rng = np.random.default_rng(0)
    counts = np.arange(7) < rng.integers(1, 8, 90)[:, None]
    x = np.where(counts[..., None], rng.uniform(1, 2, (90, 7, 2)), padding).astype("float32")
    plain, steps = keras.Input((1,)), keras.Input((7, 2))
    hidden = layers.Dense(3)(layers.Masking(padding)(steps))
    model = keras.Model(
        [plain, steps], [layers.Dense(1)(plain), layers.Dense(2, "softmax")(hidden)]
    )
    model.compile("adam", ["mse", "sparse_categorical_crossentropy"])
    rows = Rows([np.ones((90, 1)), x], [np.ones((90, 1)), counts * 1])
    note_known(model, rows)
    assert rows.known[0] is None and np.array_equal(rows.known[1], counts)
    assert np.array_equal(rows.take([3, 5]).known_of(1), counts[[3, 5]])


def test_a_checkup_scores_the_steps_that_count():
    x, y, _ = tagged()

    def build_model():
        model = keras.Sequential([keras.Input((12,)), layers.Embedding(30, 8, mask_zero=True)])
        model.add(layers.Dense(3, "softmax"))
        model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
        return model

    result = checkup(build_model, (x, y), seconds=600, verbose=False, fit={"epochs": 20})
    assert result.verdict.kind == "healthy" and result.baseline.score > 0.95
