"""Diagnosis and changes on clones: what is measured to repair is blamed first, nothing is moved."""

import gc
import pickle
import random

import keras
import numpy as np
import pytest
from keras import layers

from callbacks.diagnosis import Diagnosis
from callbacks.diagnosis.checkup_result import Checkup, Outcome, Verdict
from callbacks.diagnosis.clones import KEPT, Change, both
from callbacks.diagnosis.confirm import TREATS, confirmed
from callbacks.diagnosis.finding import Finding
from callbacks.diagnosis.laboratory import Laboratory
from callbacks.diagnosis.treatments import TREATMENTS
from callbacks.diagnosis.verdict import ORDER

X = np.random.default_rng(0).normal(size=(600, 6)).astype("float32")
THREE = np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7])


def trained(optimizer, activation="softmax", epochs=8, labels=THREE, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(16, "relu"), layers.Dense(3, activation)]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, **options)
    data = {"x": X[:400], "y": labels[:400], "validation_data": (X[400:], labels[400:])}
    model.fit(**data, epochs=epochs, verbose=0, callbacks=[diagnosis])
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
    assert set(TREATS) == {function.__name__ for function in TREATMENTS}
    assert {symptom for symptoms in TREATS.values() for symptom in symptoms} <= set(ORDER)


def test_a_finding_whose_change_repairs_comes_first():
    findings = [finding("dead_relu", "learning_rate"), finding("too_small", "layers")]
    first, second = confirmed(findings, checkup_with(change("four_times_the_width", "layers")))
    assert (first.symptom, first.consequence_of) == ("too_small", None)
    assert "accuracy 0.30 → 0.90" in first.evidence and first.evidence.startswith("Seen.")
    assert "new" in first.remedy and "Do it." in first.remedy
    assert (second.symptom, second.consequence_of) == ("dead_relu", "too_small")


def test_a_change_that_no_finding_names_becomes_one():
    findings = [finding("dead_relu", "learning_rate"), finding("high_bias", "layers", "note")]
    first, second, third = confirmed(
        findings, checkup_with(change("rate_times_10", "learning_rate"))
    )
    assert (first.symptom, first.cause) == ("learning_rate_too_low", "learning_rate")
    assert first.severity == "warning" and "Why (1990)." in first.remedy
    assert second.consequence_of == "learning_rate_too_low"
    assert (third.severity, third.consequence_of) == ("note", None)


def test_a_note_is_shown_to_matter_and_a_gap_is_kept_beside():
    findings = [finding("high_variance", "data"), finding("split_mismatch", "data", "note")]
    repair = change("validation_of_the_same_rows", "data")
    first, second = confirmed(findings, checkup_with(repair))
    assert (first.symptom, first.severity) == ("split_mismatch", "warning")
    assert second.consequence_of == "split_mismatch"  # a wrong split explains the gap
    first, second, _ = confirmed(findings, checkup_with(change("adam", "optimizer")))
    assert (first.symptom, second.symptom) == ("slow_convergence", "high_variance")
    assert second.consequence_of is None


def test_a_faster_pace_does_not_stand_before_what_was_seen_in_model_and_data():
    repairs = checkup_with(change("rate_times_10", "learning_rate"))
    findings = [finding("unsuitable_loss", "loss"), finding("slow_convergence", "learning_rate")]
    assert confirmed(findings, repairs) == findings
    first, _ = confirmed(findings[::-1], repairs)
    assert first.symptom == "slow_convergence" and "Tried on clones" in first.evidence
    low = [finding("learning_rate_too_low", "learning_rate")]
    assert "Tried on clones" in confirmed(low, repairs)[0].evidence


def test_of_two_changes_in_one_the_finding_keeps_its_own_cause():
    pair = both(change("usual_initial_weights", "initialization"), change("adam", "optimizer"))
    findings = [finding("slow_convergence", "learning_rate")]
    assert confirmed(findings, checkup_with(pair))[0].cause == "learning_rate"
    alone = confirmed(findings, checkup_with(change("adam", "optimizer")))
    assert alone[0].cause == "optimizer"


def test_without_a_repair_nothing_changes():
    findings = [finding("dead_relu", "learning_rate")]
    assert confirmed(findings, checkup_with()) == findings


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


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_tried_on_clones_moves_nothing(stream):
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
    assert diagnosis.findings[0].cause in ("learning_rate", "optimizer")
    assert "On clones of the model" in diagnosis.report()
    assert others == others_watched
    for mine, theirs in zip(watched, plain, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_needs_no_trial_is_not_tried():
    _, off = trained(keras.optimizers.SGD(1e-5), checkup_seconds=0)
    assert off.verdict == "wrong" and off.checkup is None
    _, healthy = trained(keras.optimizers.Adam(0.01), epochs=60, labels=(X[:, 0] > 0).astype(int))
    assert healthy.verdict == "healthy" and healthy.checkup is None
    _, plain = trained("adam", activation="linear")  # no probabilities, as the loss takes them
    assert plain.findings[0].severity == "error" and plain.checkup is None


def test_ctrl_c_ends_the_trials_and_not_the_training(monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("callbacks.diagnosis.callback.examine", interrupted)
    _, diagnosis = trained(keras.optimizers.SGD(1e-5))
    assert "changes on clones (interrupted)" in diagnosis.left_out


def test_a_step_too_slow_says_how_much_time_it_takes(monkeypatch):
    monkeypatch.setattr("callbacks.diagnosis.callback.LEAST_TRIALS", 1e6)
    _, diagnosis = trained(keras.optimizers.SGD(1e-5))
    assert diagnosis.checkup is None
    assert "give checkup_seconds=" in diagnosis.report()


@pytest.mark.parametrize("seconds", [-1, "20", None, True])
def test_seconds_that_are_none(seconds):
    with pytest.raises(ValueError, match="checkup_seconds"):
        Diagnosis(checkup_seconds=seconds)
