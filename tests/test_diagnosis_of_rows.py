"""Kinds of faults in what rows tell: leaks, splits, places: planted, and their twins."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from callbacks.diagnosis import Diagnosis, passes, scores
from callbacks.diagnosis import rules_of_leaks as leaks
from callbacks.diagnosis import rules_of_parts as parts
from callbacks.diagnosis import rules_of_places as places
from callbacks.diagnosis import rules_of_rows as rows
from callbacks.diagnosis import rules_of_split as split
from callbacks.diagnosis.passing import Batch
from callbacks.diagnosis.run import Output, Run
from tests.planted import texts

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")


@pytest.mark.parametrize("kind", ["each for itself", "together", "in another order"])
def test_maps_that_do_not_lie_on_their_images(kind):
    place = RANDOM.uniform(1, 7, (200, 2, 1, 1))
    far = [(np.arange(8).reshape(shape) - place[:, i]) for i, shape in enumerate([(8, 1), (1, 8)])]
    maps = (np.hypot(*far) < 2).astype(float)
    images = maps + RANDOM.normal(0, 0.3, maps.shape)
    turned = images[:100, ::-1]
    train = {"each for itself": maps[:100], "together": maps[:100, ::-1]}
    train["in another order"] = RANDOM.permutation(maps[:100, ::-1])
    out = Output("out", kind="binary", shape=(8, 8, 1), label_shape=(8, 8, 1))
    out.y, out.validation_y = train[kind].reshape(-1, 1), maps[160:].reshape(-1, 1)
    run = Run(outputs=[out], table=turned[..., None], validation_table=images[160:, ..., None])
    evidence = texts(places.maps_beside_their_images, run)
    assert ["do not lie on their images" in text for text in evidence] == [True] * (
        kind != "together"
    )


def test_noise_that_was_drawn_once():
    clean = RANDOM.uniform(0, 1, (200, 4, 4))
    once, anew = RANDOM.normal(size=(4, 4)), RANDOM.normal(size=(200, 4, 4))
    once_off, off = once - 1, -clean.mean(axis=0)
    cases = (once, True), (once_off, True), (anew, False), (0.0, False), (0.5, False), (off, False)
    for noise, found in cases:
        for shape in ((200, 16), (-1, 1)):  # of maps each place is a row of the labels
            run = Run(table=clean + noise, outputs=[Output("out", y=clean.reshape(shape))])
            evidence = texts(rows.noise_drawn_once, run)
            assert ["the same in all 200 rows" in text for text in evidence] == [True] * found


def test_targets_with_a_few_rows_far_away_and_targets_of_all_sizes():
    x = RANDOM.normal(size=(600, 2))
    y = x[:, :1] - x[:, 1:]
    run = asked(x, y, kind="regression", loss="mean_squared_error")
    assert texts(rows.target_reads_otherwise, run) == []
    run.outputs[0].y = np.exp(4 * y)
    assert "as a logarithm simple" in texts(rows.target_reads_otherwise, run)[0]
    run.outputs[0].loss = "mean_squared_logarithmic_error"  # it is asked for already
    assert texts(rows.target_reads_otherwise, run) == []
    run.outputs[0].loss = "mean_squared_error"
    run.outputs[0].y = np.where(np.arange(600)[:, None] % 60 == 0, 300.0, y)  # ten rows
    (seen,) = rows.target_reads_otherwise(run)
    assert "with the farthest 2%" in seen.evidence and "Huber" in seen.remedy
    run.outputs[0].loss = "huber"
    assert texts(rows.target_reads_otherwise, run) == []


def asked(x, y, **facts):
    """A run whose network predicts the mean everywhere."""
    out = Output("out", y=y, prediction=np.full(y.shape, y.mean()), **facts)
    out.gain = 0.0
    return Run(inputs={"the input": x}, table=x, outputs=[out])


def test_numbers_that_stand_for_names():
    shop = RANDOM.integers(0, 12, 600)
    names = np.random.default_rng(3).permutation(12)  # what a number stands for it does not tell
    level = names[shop].astype("float64")
    x = np.stack([(shop - 5.5) / 3.5, RANDOM.normal(size=600)], axis=1)
    (text,) = texts(rows.names_as_amounts, asked(x, level[:, None]))
    assert text.startswith("The 12 distinct values of column 0 of the input stand for names")
    assert "a linear model reaches R² 1.0" in text  # the level of a shop is known, exactly
    linear = asked(x, (x[:, :1] + 0.1 * x[:, 1:]))
    assert texts(rows.names_as_amounts, linear) == []  # an amount after all

    worth = np.random.default_rng(4).permutation([-1.0, 1.0] * 20)
    words = RANDOM.integers(0, 40, (600, 9))  # nine words, an odd number: one side has more
    y = (worth[words].sum(axis=1) > 0).astype("float64")[:, None]
    (text,) = texts(rows.names_as_amounts, asked(words, y, kind="binary"))
    assert text.startswith("The whole numbers of the input stand for names")
    run = asked(words, y, kind="binary")
    run.first_layers = ["Embedding"]
    assert texts(rows.names_as_amounts, run) == []


def test_a_column_that_is_filled_in_once_the_label_is_known():
    x = RANDOM.normal(size=(200, 3))
    y = (np.arange(200) % 2)[:, None].astype("float64")
    assert texts(leaks.label_in_a_column, asked(x, y, kind="binary")) == []
    x[1::2, 2] = -0.5
    (text,) = texts(leaks.label_in_a_column, asked(x, y, kind="binary"))
    assert text.startswith("Column 2 of the input is -0.5 in all 100 rows of class 1 and never")
    x[0, 2] = -0.5  # once in another class: it may be a value like any other
    assert texts(leaks.label_in_a_column, asked(x, y, kind="binary")) == []


@pytest.mark.parametrize(("units", "noise", "found"), [(9, [], 1), (3, [], 0), (9, ["noise"], 0)])
def test_an_autoencoder_that_copies(units, noise, found):
    x = RANDOM.normal(size=(50, 6))
    run = asked(x, x.copy(), validation_score=0.999, validation_gain=0.999)
    run.kernels = {"code": np.ones((6, units)), "out": np.ones((units, 6))}
    run.augmentation = noise
    evidence = texts(leaks.copies_its_inputs, run)
    assert ["no layer is narrower (6 units)" in text for text in evidence] == [True] * found
    run.outputs[0].y = x + 0.1  # to be denoised
    assert texts(leaks.copies_its_inputs, run) == []


def test_weights_of_zero():
    y = np.repeat([0.0, 1.0, 2.0], 20)[:, None]
    run = Run(outputs=[Output("out", kind="sparse", y=y)], class_weight={0: 1.0, 1: 1.0, 2: 0.0})
    assert texts(rows.class_weights_too_strong, run)[0].startswith("Classes [2] of the output have")


def test_a_decoder_that_is_given_the_targets():
    steps = RANDOM.integers(0, 9, (50, 6))
    out = Output("out", kind="sparse", y=steps.reshape(-1, 1).astype("float64"))
    run = Run(inputs={"input 'a'": X[:50], "input 'b'": steps}, outputs=[out])
    (text,) = texts(leaks.target_in_inputs, run)
    assert text == "The values of input 'b' are the targets of the output: a leak."
    run.inputs["input 'b'"] = np.roll(steps, 1, axis=1)
    assert texts(leaks.target_in_inputs, run) == []


@pytest.mark.parametrize("rows", [64, 3000])
def test_validation_rows_that_are_no_numbers(rows):
    held_out = np.tile(X, (1 + rows // 64, 1))[:rows].astype("float32")
    held_out[-1, 2] = np.nan  # of many rows perhaps none of the sample
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    validation = held_out, held_out[:, :1]
    model.fit(X, X[:, :1], validation_data=validation, verbose=0, callbacks=[diagnosis])
    root = diagnosis.findings[0]
    assert (root.symptom, root.severity) == ("invalid_inputs", "error")
    assert "1 of" in root.evidence and "alidation" in root.evidence


@pytest.mark.parametrize(("weight", "seen"), [({0: 20.0}, True), ({1: 9.0}, False), ({}, False)])
def test_class_weights_at_the_wrong_classes(weight, seen):
    y = (np.arange(300) % 10 == 0).astype("float64")[:, None]
    out = Output("out", kind="binary", y=y, label_shape=(1,), units=1)
    run = Run(outputs=[out], class_weight=weight, gain=0.1)
    said = "Class 0 is 90% of the labels, and a row of it weighs 20 times as much by class_weight"
    found = texts(rows.class_weights_too_strong, run)
    assert [said in text for text in found] == [True] * seen


@pytest.mark.parametrize(
    ("change", "words", "cause"),
    [
        (lambda x, y: (x, y), None, None),
        (
            lambda x, y: (x, np.r_[y[:200], RANDOM.permutation(y[200:])]),
            "the validation rows",
            None,
        ),
        (
            lambda x, y: (x, np.r_[RANDOM.permutation(y[:200]), y[200:]]),
            "within the training rows: ",
            None,
        ),
        (lambda x, y: (np.r_[x[:200], np.roll(x[200:], 2, 1)], y), "in different", "preprocessing"),
    ],
)
def test_what_is_told_within_training_rows_only(change, words, cause):
    x = RANDOM.normal(size=(400, 5))
    y = (x[:, :1] > 0).astype("float64")
    x, y = change(x, y)
    out = Output("out", kind="binary", y=y[:200], prediction=y[:200], trivial=0.5)
    out.validation_y, out.validation_prediction = y[200:], np.zeros((200, 1))
    run = Run(outputs=[out], table=x[:200], validation_table=x[200:], held_out_gain=0.0)
    out.simple = scores.simple_models(run, out)
    out.validation_gain = 0.0
    rule = (
        rows.inputs_tell_nothing if words == "within the training rows: " else split.split_mismatch
    )
    seen = list(rule(run))
    assert [words in s.evidence and s.change == cause for s in seen] == [True] * bool(words)


@pytest.mark.parametrize("turned", [True, False])
def test_sines_of_degrees_that_tell_nothing(turned):
    degrees = RANDOM.uniform(0, 360, 600)
    y = (np.arange(600)[:, None] % 2).astype("float64")
    x = np.column_stack([RANDOM.normal(size=600), np.sin(degrees), np.cos(degrees)])
    x[:, 2] *= 1 if turned else 2
    out = Output("out", kind="binary", y=y[:300], validation_y=y[300:], gain=0.0, trivial=0.5)
    out.prediction, out.validation_prediction = np.zeros((300, 1)), np.zeros((300, 1))
    out.validation_score, out.validation_gain = 0.5, 0.0
    run = Run(outputs=[out], table=x[:300], validation_table=x[300:], held_out_gain=0.0)
    out.simple = 0.5, "the nearest rows", 0.5
    (seen,) = rows.inputs_tell_nothing(run)
    assert ("Columns 1 and 2 are sine and cosine" in seen.evidence) == turned


def test_training_rows_changed_without_their_labels_are_no_matter_of_the_split():
    x = RANDOM.normal(size=(600, 5))
    y = x[:, :1].copy()
    x[:300:2, 0] *= -1  # every other one is mirrored
    y[300:] -= 3 * y.std()  # and the validation rows lie elsewhere
    x[300:, 0] = y[300:, 0]
    out = Output("out", y=y[:300], validation_y=y[300:], trivial=0.0)
    out.prediction, out.validation_prediction = np.zeros((300, 1)), np.zeros((300, 1))
    run = Run(outputs=[out], table=x[:300], validation_table=x[300:], held_out_gain=0.0)
    out.simple, out.validation_gain = scores.simple_models(run, out), 0.0
    (seen,) = rows.inputs_tell_nothing(run)
    assert "within the training rows: there the labels do not follow" in seen.evidence
    assert split.labels_apart(run, out, 0.4) and list(split.split_mismatch(run)) == []
    x[:300:2, 0] *= -1
    out.simple = scores.simple_models(run, out)
    (seen,) = split.split_mismatch(run)
    assert list(rows.inputs_tell_nothing(run)) == []


@pytest.mark.parametrize(("num_rows", "is_told"), [(30, True), (300, False), (None, False)])
def test_an_epoch_of_fewer_rows_than_the_validation_data(num_rows, is_told):
    held_out = {"a": np.zeros((200, 3)), "b": np.zeros((200, 9))}
    batches = [Batch(1, None, [number]) for number in range(30)]
    run = Run(num_rows=num_rows, batch_size=1, batches=batches, validation_inputs=held_out)
    told = [seen.evidence for seen in rows.few_rows(run)]
    text = "An epoch has 30 rows, in batches of 1; the validation data have 200 or more."
    assert told == [text] * is_told
    run.shuffled = False  # arrays in order, whose rows are known
    assert list(rows.few_rows(run)) == []
    run.shuffled, run.validation_inputs = True, {}
    assert list(rows.few_rows(run)) == []


@pytest.mark.parametrize(
    ("within", "shift", "is_found"), [(0.5, 0.5, True), (0.9, 0.5, False), (0.5, 0.0, False)]
)
def test_where_training_rows_tell_less_a_weak_sign_is_enough(within, shift, is_found, monkeypatch):
    random = np.random.default_rng(3)
    x, other = random.normal(shift, 1, (500, 4)), random.normal(0, 1, (250, 4))
    if shift:
        assert 0.6 < scores.area_between(x, other) < 0.8
    run = Run(inputs={"the input": x}, validation_inputs={"the input": other})
    monkeypatch.setattr(split, "simple_skills", lambda run: (within, 0.3, 1.0))
    found = texts(split.split_mismatch, run)
    assert any("A classifier tells" in text for text in found) is is_found


def test_a_step_that_draws_may_prepare_its_rows_otherwise():
    x, other = RANDOM.normal(size=(2, 200, 4))
    out = Output("out", y=x[:, :1], validation_y=other[:, :1], score=0.9, gain=0.9, trivial=0.0)
    out.validation_score = out.validation_gain = 0.1
    run = Run(inputs={"the input": x}, validation_inputs={"the input": 3 + other}, outputs=[out])
    run.own_step = True
    (seen,) = split.split_mismatch(run)
    assert seen.severity is None
    run.step_names = {"random"}
    (seen,) = split.split_mismatch(run)
    assert seen.severity == "note"


@pytest.mark.parametrize("scaled", ["mean", "range", "length", "largest", "columns"])
def test_rows_that_were_scaled_one_by_one(scaled):
    x = RANDOM.uniform(1, 9, (300, 1)) * RANDOM.uniform(0.5, 1, (300, 6))
    y = x.mean(axis=1, keepdims=True)
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    x = {
        "mean": (x - y) / x.std(axis=1, keepdims=True),
        "range": (x - low) / (high - low),
        "length": x / np.linalg.norm(x, axis=1, keepdims=True),
        "largest": x / high,
        "columns": (x - x.mean(axis=0)) / x.std(axis=0),
    }[scaled]
    out = Output("out", y=y, score=0.02, gain=0.02)
    out.simple = (0.05, "a linear model", 0.02)
    run = Run(table=x, inputs={"the input": x}, outputs=[out], gain=0.02)
    found = texts(rows.scaled_row_by_row, run)
    assert len(found) == (scaled != "columns")
    out.simple = (0.4, "a linear model", 0.02)  # then the level is no matter
    assert texts(rows.scaled_row_by_row, run) == []
    out.simple = (0.05, "a linear model", 0.02)
    out.kind = "binary"  # classes may be told without it
    assert texts(rows.scaled_row_by_row, run) == []
    out.kind = "regression"
    run.gain = 0.9  # then the level was no matter
    assert texts(rows.scaled_row_by_row, run) == []


@pytest.mark.parametrize("kind", ["angle", "noise", "tail"])
def test_targets_whose_ends_meet(kind):
    turn = RANDOM.uniform(0, 1, (600, 1))
    if kind == "angle":  # 0.99 and 0.01 are taken for one another at the seam
        near = np.minimum(turn, 1 - turn) < 0.02
        guess = np.where(near, 1 - turn, turn) + 0.01 * RANDOM.normal(size=turn.shape)
    elif kind == "noise":
        guess = turn + 0.2 * RANDOM.normal(size=turn.shape)
    else:  # predictions that shrink towards the middle
        guess = 0.5 + 0.6 * (turn - 0.5) + 0.05 * RANDOM.normal(size=turn.shape)
    out = Output("out", y=turn, prediction=guess, gain=0.8)
    found = texts(rows.target_goes_round, Run(outputs=[out], gain=0.8))
    assert len(found) == (kind == "angle")


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [(0, 2 * np.pi, "radians"), (-np.pi, np.pi, "radians"), (0, 360, "degrees"), (0, 5, None)],
)
def test_a_target_that_fills_one_turn(low, high, unit):
    out = Output("out", y=RANDOM.uniform(low, high, (400, 1)))
    found = texts(rows.target_of_one_turn, Run(outputs=[out]))
    assert [f"one turn in {unit}" in text for text in found] == [True] * (unit is not None)
    for gain, severity in ((0.5, None), (0.8, "note")):
        out.gain = gain
        assert all(
            seen.severity == severity for seen in rows.target_of_one_turn(Run(outputs=[out]))
        )
    out.y = low + (high - low) * RANDOM.beta(4, 4, (400, 1))  # next to none at the ends
    out.y[:2, 0] = low, high
    assert texts(rows.target_of_one_turn, Run(outputs=[out])) == []


@pytest.mark.parametrize("repeated", [True, False])
def test_one_of_two_inputs_that_belongs_to_other_rows(repeated):
    who, visit = RANDOM.normal(size=(100, 4)), RANDOM.normal(size=(600, 3))
    owner = np.repeat(np.arange(100), 6)
    y = (who[owner, 0] + visit[:, 0])[:, None]
    beside = np.repeat(who, 6, axis=0) if repeated else np.tile(who, (6, 1))
    out = Output("out", y=y, prediction=0.5 * visit[:, :1], gain=0.4, trivial=0.0)
    run = Run(inputs={"input 0": beside, "input 1": visit}, outputs=[out], gain=0.4)
    run.all_are_numbers = True
    found = texts(rows.one_input_tells_nothing, run)
    assert len(found) == (not repeated)
    if found:  # half of the variance is that of the visit
        assert "without input 0 and 4" in found[0] or "without input 0 and 5" in found[0]
        (seen,) = rows.one_input_tells_nothing(run)
        assert seen.severity is None
        run.inputs["input 0"] = beside + 0.01 * RANDOM.normal(size=beside.shape)  # no joined table
        (seen,) = rows.one_input_tells_nothing(run)
        assert seen.severity == "note"
    run.gain = 0.9
    assert texts(rows.one_input_tells_nothing, run) == []


@pytest.mark.parametrize("light", [0, 60, 300])
def test_most_rows_weigh_nothing(light):
    run = Run(inputs={"the input": X}, num_light=light)
    share = light / (light + len(X))
    found = texts(rows.rows_weigh_nothing, run)
    assert found == [] if share < 0.5 else found[0].startswith(f"{share:.0%} of the training rows")


@pytest.mark.parametrize(("third", "said"), [("numbers", True), ("weights", False)])
def test_numbers_of_rows_that_are_taken_for_weights(third, said):
    x, y = RANDOM.normal(size=(400, 4)), RANDOM.integers(0, 2, 400)
    weights = np.arange(400.0) if third == "numbers" else RANDOM.uniform(0.5, 1.5, 400)
    stream = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(50)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(stream, epochs=3, verbose=0, callbacks=[diagnosis])
    found = texts(rows.weights_multiply_the_loss, diagnosis._run)
    mean = weights.mean()
    assert [f"sample weight of {mean:.4g} on average" in text for text in found] == [True] * said


@pytest.mark.parametrize("first", ["LayerNormalization", "Dense"])
@pytest.mark.parametrize("asked_for", ["level", "shape"])
def test_a_first_layer_that_scales_each_row_for_itself(first, asked_for):
    x = RANDOM.normal(size=(300, 1)) + 0.3 * RANDOM.normal(size=(300, 6))
    y = x.mean(axis=1, keepdims=True) if asked_for == "level" else x[:, :1] - x[:, 1:2]
    out = Output("out", y=y, score=0.02, gain=0.02, prediction=np.zeros((300, 1)))
    run = Run(table=x, inputs={"the input": x}, outputs=[out], gain=0.02, first_layers=[first])
    found = texts(rows.scaled_row_by_row, run)
    is_told = (first, asked_for) == ("LayerNormalization", "level")
    assert ["its level does not pass" in text for text in found] == [True] * is_told


@pytest.mark.parametrize(("order", "said"), [("by class", True), ("at random", False)])
def test_a_column_that_numbers_rows_sorted_by_class(order, said):
    random = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0, 2.0], 100)
    y = y if said else random.permutation(y)
    x = np.stack([random.normal(size=300), np.arange(300) / 150 - 1], axis=1).astype("float32")
    drawn = random.permutation(300)[:200]  # the others validate
    run = asked(x[drawn], y[drawn, None], kind="sparse", units=3)
    found = texts(leaks.row_number_among_inputs, run)
    assert ["Column 1 of the input numbers the rows" in text for text in found] == [True] * said
    run.inputs["the input"][:, 1] = random.normal(size=200) + 9 * y[drawn]  # tells it, is no number
    assert texts(leaks.row_number_among_inputs, run) == []


@pytest.mark.parametrize(("end", "said"), [("behind", True), ("in front", False)])
def test_padding_at_another_end_of_validation_rows(end, said):
    x = np.zeros((120, 12), "int32")
    for row, number in zip(x, RANDOM.integers(4, 9, 120), strict=True):
        row[-number:] = RANDOM.integers(1, 30, number)
    other = x[60:, ::-1] if end == "behind" else x[60:]
    out = Output("out", y=x[:60, -1:] % 2.0, validation_y=x[60:, -1:] % 2.0, trivial=0.5, gain=1.0)
    run = Run(inputs={"the input": x[:60]}, validation_inputs={"the input": other}, outputs=[out])
    run.has_ids, run.held_out_gain = True, 0.0
    found = texts(split.split_mismatch, run)
    assert ["of training rows 100% begin and 0% end" in text for text in found] == [True] * said


@pytest.mark.parametrize(("shift", "said"), [(1, "1 step before"), (-2, "2 steps after"), (0, "")])
def test_labels_of_other_steps(shift, said):
    random = np.random.default_rng(0)
    x = random.integers(0, 12, (80, 9))
    kinds = random.permutation(12) % 3
    y = np.roll(kinds[x], shift, axis=1).reshape(-1, 1).astype("float64")
    out = Output("out", kind="sparse", units=3, y=y, label_shape=(9,))
    out.prediction = np.full((60 * 9, 3), 1 / 3)  # of large rows fewer are predicted
    run = Run(inputs={"the input": x}, outputs=[out], has_ids=True, gain=0.0)
    found = texts(places.labels_of_other_steps, run)
    assert [f"From the input {said}" in text for text in found] == [True] * bool(said)
    assert not said or "with accuracy 1.00" in found[0]
    out.y = np.roll(x, -1, axis=1).reshape(-1, 1).astype("float64")  # a language model
    out.units, out.prediction = 12, np.full((80, 9, 12), 1 / 12)
    assert texts(places.labels_of_other_steps, run) == []


LAID = {  # what was done to the maps, and what is said of it
    "in place": (lambda maps: maps, None),
    "moved": (lambda maps: np.roll(maps, (3, -2), axis=(1, 2)), "moved by 3 up and 2 to the right"),
    "transposed": (lambda maps: maps.swapaxes(1, 2), "maps transposed, moved by 0 up"),
    "some mirrored": (
        lambda maps: np.where(np.arange(len(maps))[:, None, None] % 2, maps, maps[:, :, ::-1]),
        "of the maps fit their images mirrored left to right and not as they are",
    ),
    "of other images": (lambda maps: np.roll(maps, 1, axis=0), None),
}


@pytest.mark.parametrize("laid", LAID)
@pytest.mark.parametrize("kind", ["binary", "sparse"])
def test_maps_that_are_moved_or_turned(laid, kind):
    random = np.random.default_rng(0)
    high, low = random.integers(1, 9, (2, 60, 1, 1)), random.integers(2, 12, (2, 60, 1, 1))
    rows, columns = np.arange(20)[:, None], np.arange(20)
    maps = (abs(rows - high[0] - 4) < 4) & (abs(columns - low[0] - 2) < 2)
    images = 200 - 50 * maps + random.normal(0, 20, maps.shape)  # dark on bright
    change, said = LAID[laid]
    labels = change(maps).astype("float64")
    out = Output("out", kind=kind, y=labels.reshape(-1, 1), label_shape=(20, 20, 1))
    run = Run(inputs={"the input": images[..., None]}, outputs=[out], gain=0.1)
    found = texts(places.labels_of_other_pixels, run)
    assert [said in text for text in found] == [True] * (said is not None), found
    run.gain = 0.95  # a network that finds them all the same
    assert texts(places.labels_of_other_pixels, run) == []


def test_blobs_of_other_images_are_not_called_mirrored():
    """Large blobs lie on mirrored ones of any other image now and then."""
    random = np.random.default_rng(0)
    middle = random.uniform(3, 13, (120, 2, 1, 1))
    shapes = [(16, 1), (1, 16)]
    far = [np.arange(16).reshape(shape) - middle[:, i] for i, shape in enumerate(shapes)]
    maps = (np.hypot(*far) < 5).astype("float64")
    images = maps + random.normal(0, 0.2, maps.shape)
    out = Output("out", kind="binary", label_shape=(16, 16, 1))
    out.y = np.roll(maps, 1, axis=0).reshape(-1, 1)
    run = Run(inputs={"the input": images[..., None]}, outputs=[out], gain=0.1)
    assert texts(places.labels_of_other_pixels, run) == []
    mirrored = np.where(np.arange(120)[:, None, None] % 3, maps, maps[:, :, ::-1])
    out.y = mirrored.reshape(-1, 1)
    (text,) = texts(places.labels_of_other_pixels, run)
    assert "fit their images mirrored" in text


@pytest.mark.parametrize("channels", [2, 3, 8])
def test_series_whose_axes_were_reshaped(channels):
    random = np.random.default_rng(0)
    place = np.arange(24) / 24 + random.random((60, channels, 1))
    series = np.sin(2 * np.pi * (1 + np.arange(channels)[:, None] / 4) * place)
    series += random.normal(0, 0.2, series.shape)
    right, wrong = series.transpose(0, 2, 1), series.reshape(60, 24, channels)
    (text,) = texts(places.steps_reshaped, Run(inputs={"the input": wrong.astype("float32")}))
    assert "axes were to be exchanged" in text
    noise = random.normal(size=right.shape)
    copies = np.repeat(noise[..., :1], channels, axis=-1)
    windows = np.lib.stride_tricks.sliding_window_view(noise[..., 0], channels, axis=1)
    walks = noise.cumsum(axis=1)
    for sound in (right, noise, copies, windows, walks, walks.cumsum(axis=2)):
        assert texts(places.steps_reshaped, Run(inputs={"the input": sound})) == []
    run = Run(inputs={"the input": wrong}, first_layers=["LSTM"])
    assert not any("time seems to stand last" in text for text in texts(places.axes_swapped, run))


@pytest.mark.parametrize(("padded", "said"), [(8, True), (3, False)])
def test_padding_that_counts_as_labels(padded, said):
    x = RANDOM.integers(1, 9, (40, 12))
    x[:, 12 - padded :] = 0
    y = np.where(x > 0, 1 + x % 3, 0).reshape(-1, 1).astype("float64")
    out = Output("out", kind="sparse", units=4, y=y, label_shape=(12,))
    run = Run(inputs={"the input": x}, outputs=[out], has_ids=True, gain=0.2)
    found = texts(places.padding_counts, run)
    assert ["67% of the steps are padding, all with label 0" in text for text in found] == [
        True
    ] * said
    run.outputs[0].known = np.ones(480, bool)  # of a mask: padding is not among the labels
    assert texts(places.padding_counts, run) == []


@pytest.mark.parametrize(
    ("largest", "swapped", "said"), [(4095, True, 1), (1, True, 1), (1, False, 0)]
)
def test_bytes_that_were_read_in_the_other_order(largest, swapped, said):
    random = np.random.default_rng(0)
    values = random.integers(0, 4096, (400, 3)).astype("uint16")
    y = (values[:, :1] + values[:, 1:2] > 4095).astype("float64")
    read = values.byteswap() if swapped else values
    run = asked((read / largest).astype("float32"), y, kind="binary")
    run.gain = 0.0
    found = texts(rows.bytes_exchanged, run)
    assert ["With their two bytes exchanged" in text for text in found] == [True] * said


@pytest.mark.parametrize(
    ("column", "is_walk", "severity"), [(4, False, None), (2, False, "note"), (0, True, None)]
)
def test_a_target_among_the_steps_of_a_window(column, is_walk, severity):
    series = RANDOM.normal(size=204)
    series = series.cumsum() if is_walk else series  # of noise it is a task to recall
    x = np.lib.stride_tricks.sliding_window_view(series, 5)[..., None]
    run = Run(inputs={"the input": x}, table=x, outputs=[Output("out", y=x[:, column])])
    (seen,) = leaks.target_in_inputs(run)
    assert seen.severity == severity


@pytest.mark.parametrize(("growth", "said"), [(0.2, True), (0.0, False)])
def test_a_series_that_has_moved_on(growth, said):
    random = np.random.default_rng(0)
    series = growth * np.arange(404) + random.normal(size=404).cumsum()
    windows = np.lib.stride_tricks.sliding_window_view(series, 5)
    x, y = windows[:, :4, None], windows[:, 4:]
    out = Output("out", y=y[:300], validation_y=y[300:])
    if not said:
        out.y = np.concatenate([out.y, [[y.min()], [y.max()]]])
    out.prediction, out.validation_prediction = x[:100, -1], x[300:400, -1]
    run = Run(outputs=[out], table=x[:300], validation_table=x[300:])
    (seen,) = leaks.repeats_last_value(run)
    assert ("the series has moved on" in seen.evidence) is said
    out.prediction = out.validation_prediction = np.zeros((100, 1))
    assert texts(leaks.repeats_last_value, run) == []  # one number for all rows repeats none


@pytest.mark.parametrize("size", [0.05, 5.0])
def test_positions_that_outweigh_the_words(size):
    x = RANDOM.integers(0, 30, (100, 12))
    places = keras.ops.convert_to_tensor(size * RANDOM.normal(size=(12, 8)), "float32")
    inputs = keras.Input((12,))
    words = layers.Embedding(30, 8, name="words")(inputs)
    moved = layers.Lambda(lambda vectors: vectors + places, name="places")(words)
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(moved)))
    run = Run(gain=0.1, row_shares=passes.row_shares(model, x))
    known = np.asarray(model.get_layer("words").embeddings)[x]
    share = known.var(axis=0).mean() / (known + np.asarray(places)).var(axis=(0, 1)).mean()
    assert run.row_shares["places"] == pytest.approx(share, rel=1e-3)
    found = texts(parts.positions_outweigh, run)
    assert ["'places' gives" in text for text in found] == [True] * (size == 5.0)


class InPlace(keras.utils.PyDataset):
    """Batches whose labels are divided in place, in a copy, or shuffled apart once an epoch."""

    def __init__(self, what):
        super().__init__()
        random = np.random.default_rng(0)
        self.x, self.y = random.normal(size=(128, 4)), random.uniform(5, 9, (128, 2))
        self.what = what

    def __len__(self):
        return 4

    def __getitem__(self, index):
        rows_ = slice(32 * index, 32 * index + 32)
        y = self.y[rows_]
        y = y.copy() if self.what != "in place" else y
        y /= 4
        return self.x[rows_], y

    def on_epoch_end(self):
        if self.what == "apart":
            self.y = np.random.default_rng(1).permutation(self.y)


@pytest.mark.parametrize("what", ["in place", "copied", "apart"])
def test_labels_that_are_changed_where_they_lie(what):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(InPlace(what), epochs=3, shuffle=False, verbose=0, callbacks=[diagnosis])
    run = diagnosis._run
    run.gain = 0.0
    found = texts(rows.labels_change, run)
    said = {"in place": "times those: changed in place", "apart": "shuffled apart between epochs"}
    assert [said.get(what) in text for text in found] == [True] * (what in said)


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("across", [0.2, 0.8])
def test_sides_that_are_scaled_each_by_itself(apart, across, monkeypatch):
    random = np.random.default_rng(0)
    x, other = random.normal(5, 2, (500, 4)), random.normal(6, 1, (200, 4))
    mean, spread = x.mean(axis=0), x.std(axis=0)
    sides = [(part - mean) / spread for part in (x, other)]
    if apart:
        sides[1] = (other - other.mean(axis=0)) / other.std(axis=0)
    run = Run(gain=0.9, held_out_gain=0.2)
    run.inputs, run.validation_inputs = ({"the input": part} for part in sides)
    monkeypatch.setattr(split, "simple_skills", lambda run: (0.9, across, 0.9))
    found = texts(split.split_mismatch, run)
    # where simple models lose nothing from side to side, a gap has another reason
    assert any("scaled by its own numbers" in text for text in found) is (apart and across == 0.2)


def test_maps_of_classes_that_were_averaged():
    random = np.random.default_rng(0)
    maps = np.zeros((60, 40, 40), "float32")
    for one in maps:
        for number in (1, 2, 2):
            down, right = random.integers(0, 28, 2)
            one[down : down + 10, right : right + 10] = number

    def told(method):
        small = np.round(tf.image.resize(maps[..., None], (26, 26), method=method).numpy())
        out = Output("out", kind="sparse", y=small.reshape(-1, 1), label_shape=(26, 26, 1))
        return texts(places.classes_between, Run(outputs=[out]))

    assert told("nearest") == []
    (text,) = told("bilinear")
    assert "averaged along the borders" in text


@pytest.mark.parametrize(
    ("columns", "belongs", "said"), [(3, False, 1), (3, True, 0), (6, False, 0)]
)
def test_several_inputs_that_tell_nothing(columns, belongs, said):
    """Of two inputs alike, such as pairs, no simple model on both tells whether they tell."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = [random.normal(size=(500, size)).astype("float32") for size in (6, columns)]
    y = x[0][:, :1] + x[1][:, :1]
    y = y if belongs else random.permutation(y)
    inputs = [keras.Input((6,)), keras.Input((columns,))]
    hidden = layers.Dense(16, "relu")(layers.Concatenate()(inputs))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    held = ([part[300:] for part in x], y[300:])
    given = [part[:300] for part in x]
    model.fit(given, y[:300], validation_data=held, epochs=8, verbose=0, callbacks=[diagnosis])
    found = [f.symptom for f in diagnosis.findings if f.severity == "warning"]
    assert found.count("inputs_tell_nothing") == said


@pytest.mark.parametrize("itself", [True, False])
def test_means_of_the_target_that_hold_the_row_itself(itself):
    random = np.random.default_rng(0)
    x, group = random.normal(size=(900, 2)), random.integers(0, 300, 900)
    y = x[:, 0] + x[:, 1] + random.normal(size=900)
    train, groups = np.arange(600), np.arange(300)
    code = np.array([y[:600][group[:600] == g].sum() for g in groups])[group]
    count = np.bincount(group[:600], minlength=300)[group]
    if not itself:
        code[train], count[train] = code[train] - y[train], count[train] - 1
    table = np.concatenate([x, (code / np.maximum(count, 1))[:, None]], axis=1)
    out = Output("out", kind="regression", y=y[:600, None], validation_y=y[600:, None])
    run = Run(outputs=[out], table=table[:600], validation_table=table[600:])
    run.gain, run.held_out_gain = 0.8, 0.6
    found = texts(leaks.tells_training_rows_only, run)
    assert ["Column 2 alone tells" in text for text in found] == [True] * itself
    run.held_out_gain = 0.8  # nothing is lost by it
    assert texts(leaks.tells_training_rows_only, run) == []


def test_a_rare_class_that_is_drawn_more_often_for_training():
    """R² of a line depends on the share of the class: that is no leak."""
    random = np.random.default_rng(0)
    y = np.concatenate([random.random(600) < 0.5, random.random(600) < 0.04]).astype("float64")
    x = random.normal(size=(1200, 1)) + 2 * y[:, None]
    out = Output("out", kind="binary", y=y[:600, None], validation_y=y[600:, None])
    run = Run(outputs=[out], table=x[:600], validation_table=x[600:], gain=0.8, held_out_gain=0.5)
    assert texts(leaks.tells_training_rows_only, run) == []
    assert list(leaks.tells_training_rows_only(run, alike=0.0))  # what that condition is for


@pytest.mark.parametrize(("drawn", "of"), [(20, "few"), (300, "all")])
def test_negatives_that_are_drawn_from_few_items(drawn, of):
    who, what = RANDOM.integers(0, 50, 900), RANDOM.integers(0, 300, 900)
    y = np.repeat([1.0, 0.0], 450)[:, None]
    what[450:] = RANDOM.integers(0, drawn, 450)
    run = Run(inputs={"input 0": who, "input 1": what}, outputs=[Output("out", kind="binary", y=y)])
    found = texts(leaks.label_of_few_items, run)
    assert ["label 0 have 20 different numbers in input 1" in text for text in found] == (
        [True] * (of == "few")
    )


class Held(keras.utils.PyDataset):
    """Sixteen rows a batch of 640 images; its length counts rows, or pixels by mistake."""

    def __init__(self, x, y, axis):
        super().__init__()
        self.x, self.y, self.axis = x, y, axis

    def __len__(self):
        return self.x.shape[self.axis] // 16

    def __getitem__(self, index):
        rows = slice(16 * index, 16 * index + 16)
        return self.x[rows], self.y[rows]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_dataset_that_reads_few_of_its_rows(axis):
    y = RANDOM.integers(0, 8, 640)
    x = RANDOM.normal(size=(640, 32)) + (np.arange(32) // 4 == y[:, None])
    model = keras.Sequential([keras.Input((32,)), layers.Dense(8, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    data = Held(x.astype("float32"), y, axis)
    model.fit(data, epochs=2, verbose=0, callbacks=[diagnosis])
    found = [f for f in diagnosis.findings if "rows that your dataset keeps" in f.evidence]
    assert [f.severity for f in found] == ["warning"] * axis
    assert all(
        f.evidence == "An epoch has 32 of the 640 rows that your dataset keeps." for f in found
    )


def test_classes_that_are_drawn_evenly():
    """A rare class is drawn again and again for training: that is no wrong split."""
    x, rare = RANDOM.normal(size=(400, 4)), np.arange(400) < 20
    even = np.arange(400) < 200
    sides = {"inputs": {"the input": x}, "validation_inputs": {"the input": x}}
    for training, validation, kind in (
        (even, rare, "note"),
        (even, np.zeros(400, bool), None),  # a class is missing
        (rare, even, None),
    ):
        y, other = (side[:, None].astype("float64") for side in (training, validation))
        out = Output("out", kind="binary", y=y, validation_y=other)
        run = Run(outputs=[out], gain=0.9, held_out_gain=0.2, **sides)
        (seen,) = split.split_mismatch(run)
        assert "of the training labels" in seen.evidence and seen.severity == kind
        assert scores.drawn_evenly(out) == (kind == "note")
