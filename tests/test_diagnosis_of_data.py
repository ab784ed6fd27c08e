"""Kinds of faults in the data: a planted one, its twin, the number."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from callbacks.diagnosis import Diagnosis, look
from callbacks.diagnosis import rules_of_data as data
from callbacks.diagnosis import rules_of_labels as label_rules
from callbacks.diagnosis import rules_of_model as model_rules
from callbacks.diagnosis import rules_of_places as places
from callbacks.diagnosis import rules_of_rows as row_rules
from callbacks.diagnosis.finding import SUSPICION
from callbacks.diagnosis.passing import batches_in_order
from callbacks.diagnosis.rows import Rows
from callbacks.diagnosis.run import Output, Run
from tests.planted import Doubled, texts

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")


def test_a_code_for_missing_values():
    x = RANDOM.uniform(0, 1, (200, 3))
    run = Run(inputs={"the input": x})
    assert texts(data.missing_values_coded, run) == []
    x[:20, 1] = -9
    (text,) = texts(data.missing_values_coded, run)
    assert text.startswith("Column 1 of the input is exactly -9 in 10.0% of the rows")
    run.inputs = {"the input": (x - x.mean(axis=0)) / x.std(axis=0)}  # scaling does not hide it
    assert len(texts(data.missing_values_coded, run)) == 1
    run.inputs = {"the input": np.tile(x[15:65], (4, 1))}  # the same few rows again and again
    assert texts(data.missing_values_coded, run) == []
    run.inputs = {"the input": np.where(x > 0, x, 0)}  # a 0 beside 0.01 is a value
    assert texts(data.missing_values_coded, run) == []


@pytest.mark.parametrize("kind", ["sparse", "regression"])
def test_equal_rows_of_other_labels(kind):
    speed = RANDOM.uniform(0, 1, 300)
    x = np.stack([speed, np.ones(300)], axis=1).astype("float32")
    y = (4 * speed).astype(int)[:, None] if kind == "sparse" else speed[:, None]
    out = Output("out", kind=kind, y=y, label_shape=(1,), units=4)
    run = Run(inputs={"the input": x}, outputs=[out], all_are_numbers=True)
    assert texts(data.equal_rows_of_other_labels, run) == []
    run.inputs = {"the input": x.astype(int)}  # each speed is 0 now
    most = np.bincount(y[:, 0].astype(int)).max() / 300 if kind == "sparse" else 0.0
    (text,) = texts(data.equal_rows_of_other_labels, run)
    assert "Of 300 rows 1 differ" in text and f"{out.measure} {most:.2f} on them" in text
    run.inputs = {"the input": np.round(x, 1)}  # ten speeds tell nearly all
    assert texts(data.equal_rows_of_other_labels, run) == []
    noisy = np.where(RANDOM.random(300) < 0.6, y[:, 0], RANDOM.permutation(y[:, 0]))[:, None]
    run.inputs = {"the input": np.round(2 * x, 1)}
    out.y = noisy.astype(y.dtype)
    for gain, severity in ((0.1, None), (0.65, "note")):  # what can be told is reached, or not
        out.gain = gain
        (seen,) = data.equal_rows_of_other_labels(run)
        assert seen.severity == severity
    run.inputs, run.all_are_numbers = {"the input": x.astype(int)}, False  # and there is a text
    assert texts(data.equal_rows_of_other_labels, run) == []


def test_differences_of_bytes_that_wrap_around():
    frames = RANDOM.normal(100, 4, (2, 60, 10, 10)).astype("uint8")
    wrapped = (frames[1] - frames[0]) / 255
    run = Run(inputs={"the input": wrapped})
    (text,) = texts(data.bytes_wrapped_around, run)
    assert "-1 became 255" in text
    run.inputs = {"the input": 3 * wrapped - 1}  # scaling does not hide it
    assert len(texts(data.bytes_wrapped_around, run)) == 1
    whole = frames.astype(int)
    page = np.where(RANDOM.random((60, 10, 10)) < 0.1, 5, 250) + RANDOM.integers(
        -5, 6, (60, 10, 10)
    )
    for sound in (whole[1] - whole[0], frames[0], RANDOM.integers(0, 256, (60, 10, 10)), page):
        run.inputs = {"the input": sound}
        assert texts(data.bytes_wrapped_around, run) == []


def test_words_that_the_vocabulary_does_not_know():
    words = RANDOM.integers(1, 50, (200, 12))
    run = Run(inputs={"the input": words * (RANDOM.random((200, 12)) < 0.5)}, has_ids=True)
    assert texts(data.invalid_inputs, run) == []  # 0 is padding
    run.inputs = {"the input": np.where(words < 6, words, 1)}  # 45 of 49 words become one
    (text,) = texts(data.invalid_inputs, run)
    assert "of the words of the input are the number 1" in text


def test_rows_that_are_nearly_all_the_same():
    x = RANDOM.uniform(0, 1, (200, 8, 8))
    run = Run(inputs={"the input": x})
    assert texts(data.invalid_inputs, run) == []
    x[:150] //= 1  # three quarters of the rows can be what they are
    assert texts(data.invalid_inputs, run) == []
    x[:190] //= 1
    (text,) = texts(data.invalid_inputs, run)
    assert text == "95% of the 200 rows of the input are identical, nothing but 0."
    run.inputs = {"the input": np.zeros((64, 3))}
    assert texts(data.invalid_inputs, run)[0].startswith("All 64 rows of the input are identical")


def test_words_that_no_vocabulary_holds():
    inputs = {name: np.zeros(64, int) for name in ("trade", "place")}
    run = Run(inputs={**inputs, "number": RANDOM.normal(size=(64, 2))}, has_ids=True)
    (seen,) = data.invalid_inputs(run)  # one line for both
    assert "rows of trade are identical, nothing but 0. So it is with place." in seen.evidence
    assert "vocabulary" in seen.remedy and seen.severity is None
    run.has_ids, run.first_layers = False, ["Embedding", "Embedding", "Concatenate"]
    assert "vocabulary" in next(iter(data.invalid_inputs(run))).remedy
    run.first_layers = ["Dense"]
    assert "vocabulary" not in next(iter(data.invalid_inputs(run))).remedy


def test_targets_that_were_filled_in():
    y = RANDOM.normal(size=(300, 1))
    cases = {"none": y, "mean": np.where(RANDOM.random((300, 1)) < 0.3, y.mean(), y)}
    cases |= {"rain": np.maximum(y, 0), "rounded": np.round(y, 1)}
    two = RANDOM.normal(size=(300, 2))
    missing = np.where(RANDOM.random(300) < 0.4, 0, 6 + two[:, 1])
    cases |= {"two columns": two, "one of two": np.stack([two[:, 0], missing], axis=1)}
    for name, targets in cases.items():
        evidence = texts(label_rules.labels_filled_in, Run(outputs=[Output("out", y=targets)]))
        assert ["any other value stands 1 times" in text for text in evidence] == [True] * (
            name in ("mean", "one of two")
        )
        assert ["targets of column 1 of" in text for text in evidence] == [
            name == "one of two"
        ] * len(evidence)


def test_targets_next_to_nothing():
    run = Run(outputs=[Output("out", y=1e-5 * X[:, :1])])
    assert "standard deviation" in texts(label_rules.unscaled_targets, run)[0]
    run.outputs[0].y = X[:, :1]
    assert texts(label_rules.unscaled_targets, run) == []


def test_class_weight_where_rows_have_several_labels_or_none():
    y = np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 1]], "float32")
    weights = {0: 50.0, 1: 2.0, 2: 4.0}
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "sigmoid")])
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy")
    given = np.clip(model.predict(X[:4], verbose=0), 1e-7, 1 - 1e-7)
    each = -np.mean(y * np.log(given) + (1 - y) * np.log(1 - given), axis=1)
    as_read = np.mean(each * [2, 50, 50, 4])  # of the first label, of class 0 where there is none
    assert model.train_on_batch(X[:4], y, class_weight=weights) == pytest.approx(as_read, rel=1e-4)
    out = Output("out", y=y.astype(float), kind="multilabel", label_shape=(3,), units=3)
    run = Run(outputs=[out], class_weight=weights)
    (seen,) = label_rules.class_weight_of_one_label(run)
    assert "25% of the rows have several; the 50% without any weigh 50" in seen.evidence
    assert "the others 3 on average" in seen.evidence and "binary_crossentropy" in seen.remedy
    run.class_weight = {0: 2.0, 1: 2.0, 2: 2.0}  # all rows alike
    assert texts(label_rules.class_weight_of_one_label, run) == []
    run.class_weight, out.kind, out.y = weights, "onehot", np.eye(3)[[0, 1, 2, 2]]
    assert texts(label_rules.class_weight_of_one_label, run) == []
    steps = Output("out", y=np.ones((8, 1)), kind="sparse", label_shape=(2,), units=3)
    assert (
        "of its largest class among 2 steps"
        in texts(label_rules.class_weight_of_one_label, Run(outputs=[steps], class_weight=weights))[
            0
        ]
    )


def test_a_loss_of_ones_own_need_not_look_at_the_labels():
    out = Output("out", y=np.zeros((64, 1)), kind="binary", units=1)
    for loss, count in (("custom", 0), ("own step", 0), ("binary_crossentropy", 1)):
        out.loss = loss
        (found,) = texts(label_rules.label_problem, Run(outputs=[out], num_rows=64)) or ("",)
        assert ("All 64 labels" in found) is bool(count)


def test_large_numbers_are_no_matter_where_each_row_is_normalized_first():
    run = Run(inputs={"the input": 100 * RANDOM.normal(size=(64, 9, 2))})
    assert "root mean square" in texts(data.unnormalized_inputs, run)[0]
    run.first_layers = ["LayerNormalization", "Dense"]
    assert texts(data.unnormalized_inputs, run) == []


def test_losses_that_stand_at_each_others_output():
    age = Output("age", loss="binary_crossentropy", y=40 + 9 * X[:, :1].astype("float64"))
    sick = Output("sick", loss="mean_squared_error", kind="binary", y=np.ones((64, 1)))
    age.alone = sick.alone = False
    sick.y[::2] = 0
    (seen,) = label_rules.label_problem(Run(outputs=[age, sick]))
    assert "mean_squared_error stands at the classes of 'sick'" in seen.evidence
    assert "are swapped" in seen.remedy and "'age': 'mse'" in seen.remedy
    (seen,) = label_rules.label_problem(Run(outputs=[age]))
    assert seen.remedy == "Compile with loss='mean_squared_error' and a linear output for 'age'."


def test_labels_of_pixels_as_bytes_are_to_be_divided():
    out = Output("out", loss="binary_crossentropy", y=np.array([[0.0], [255.0]]))
    (seen,) = label_rules.label_problem(Run(outputs=[out]))
    assert seen.remedy == "Divide the labels by 255: they are to be 0 and 1."


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_checkpoint_that_keeps_the_worst_epoch_of_a_metric_of_ones_own(mode, tmp_path):
    def fit_of(y_true, y_pred):
        error = keras.ops.sum(keras.ops.square(y_true - y_pred))
        return 1 - error / keras.ops.sum(keras.ops.square(y_true))

    keras.utils.set_random_seed(0)
    x = RANDOM.normal(size=(256, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=[fit_of])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    kept = keras.callbacks.ModelCheckpoint(
        tmp_path / "kept.weights.h5",
        monitor="val_fit_of",
        mode=mode,
        save_best_only=True,
        save_weights_only=True,
    )
    data = {"x": x[:200], "y": x[:200, :1], "validation_data": (x[200:], x[200:, :1])}
    model.fit(**data, epochs=20, verbose=0, callbacks=[kept, diagnosis])
    found = [f for f in diagnosis.findings if f.symptom == "watched_wrongly"]
    assert [f.severity for f in found] == ["warning"] * (mode == "min")  # whatever the last score
    assert all("keeps epoch 1 with" in f.evidence for f in found)


@pytest.mark.parametrize("of_each", [False, True])
def test_a_loss_of_one_number_for_a_batch_under_rows_of_weight_0(of_each):
    def squared(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1 if of_each else None)

    keras.utils.set_random_seed(0)
    x = RANDOM.normal(size=(400, 4)).astype("float32")
    y, weight = x[:, :1].copy(), np.ones(400, "float32")
    y[:180], weight[:180] = -y[:180], 0
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), squared)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    data = {"x": x, "y": y, "sample_weight": weight, "validation_data": (x[180:], y[180:])}
    model.fit(**data, epochs=25, verbose=0, callbacks=[diagnosis])
    found = [f.evidence for f in diagnosis.findings if f.symptom == "unsuitable_loss"]
    assert [("180 rows of the sample" in text) for text in found] == [True] * (not of_each)


def test_one_step_that_is_read_needs_no_axis():
    ask, read = keras.Input((6, 8)), keras.Input((1, 8))
    told = layers.MultiHeadAttention(2, 4)(ask, read, attention_mask=ask[..., :1] > 0)
    x = [np.ones((4, 6, 8)), np.ones((4, 1, 8))]
    run = Run(attention_masks=look._attention_masks(keras.Model([ask, read], told), x))
    assert texts(data.hidden_by_mask, run) == []


def test_what_was_not_measured_stands_far_from_what_was():
    measured = RANDOM.normal(1.4, 0.2, (200, 1))
    filled = np.where(np.arange(200)[:, None] % 3, measured, 0)
    (text,) = texts(label_rules.labels_filled_in, Run(outputs=[Output("out", y=filled)]))
    assert "are exactly 0" in text
    rain = np.where(np.arange(200)[:, None] % 3, RANDOM.exponential(1.0, (200, 1)), 0)
    assert texts(label_rules.labels_filled_in, Run(outputs=[Output("out", y=rain)])) == []


def test_maps_of_class_numbers_that_became_0():
    out = Output("out", loss="sparse_categorical_crossentropy", y=np.zeros((90, 1)), kind="sparse")
    for shape, said in (((3, 3), True), ((), False)):
        out.label_shape = shape
        (seen,) = label_rules.label_problem(Run(outputs=[out], num_rows=90))
        assert "labels of the output are 0" in seen.evidence
        assert ("divided by 255" in seen.remedy) is said


@pytest.mark.parametrize("columns", [3, 2])
def test_a_class_without_a_column(columns):
    y = np.eye(3)[np.arange(90) % 3][:, :columns]
    kind = "onehot" if columns == 3 else "multilabel"
    out = Output("out", loss="categorical_crossentropy", y=y, kind=kind, units=columns)
    out.activation = "softmax"
    run = Run(outputs=[out], num_rows=90)
    found = texts(label_rules.label_problem, run)
    said = "33% of the label rows of the output are all 0"
    assert [said in text for text in found] == [True] * (columns == 2)
    out.label_shape = (5, columns)
    for metrics, severity in (([], "note"), (["accuracy"], SUSPICION)):  # it counts them, too
        run.metrics = metrics
        found = list(label_rules.label_problem(run))
        assert [seen.severity for seen in found] == [severity] * (columns == 2)
    out.score, out.gain, out.prediction, out.balanced = 0.6, 0.2, 0.1 * y + 0.1, True
    assert texts(row_rules.imbalanced_classes, run) == []
    assert texts(model_rules.unsuitable_output_activation, run) == []
    out.y = np.maximum(y, np.roll(y, 1, axis=1))  # several labels a row
    out.kind = "multilabel"
    assert texts(label_rules.label_problem, run) == []
    assert len(texts(model_rules.unsuitable_output_activation, run)) == 1


def test_a_word_that_the_mask_hides_is_no_unknown_one():
    x = RANDOM.integers(0, 2, (200, 12))
    model = keras.Sequential([keras.Input((12,)), layers.Embedding(2, 3, mask_zero=True)])
    model.add(layers.GRU(2))
    run = Run()
    look.look_at_data(run, model, Rows(x, x[:, 0]), [])
    assert texts(data.invalid_inputs, run) == []
    assert "steps between others" in texts(data.hidden_by_mask, run)[0]
    x = np.sort(np.minimum(x, 1), axis=1)[:, ::-1]  # one word, and padding behind it
    run = Run()
    look.look_at_data(run, model, Rows(x, x[:, 0]), [])
    assert "does it stand for all that the vocabulary does not know" in str(
        texts(data.invalid_inputs, run)
    )


@pytest.mark.parametrize("loss", ["mean_squared_error", "huber"])
def test_few_targets_far_from_all_others(loss):
    y = np.exp(2 * RANDOM.normal(size=(1000, 1)))  # a long tail is no gap
    out = Output("out", loss=loss, y=y)
    assert texts(label_rules.targets_far_out, Run(outputs=[out])) == []
    y[[3, 7]] = 1e6
    found = texts(label_rules.targets_far_out, Run(outputs=[out]))
    assert len(found) == (loss == "mean_squared_error")
    if found:
        assert found[0].startswith("2 of 1000 targets of the output lie 1e+06 and more")
        assert np.square(y - 1).sum() < 1.001 * 2 * 1e6**2  # what the error is about


@pytest.mark.parametrize("over", ["channels", "rows"])
def test_places_that_are_standardized_over_their_own_channels(over):
    x = RANDOM.uniform(0, 255, (32, 5, 5, 3)).astype("float32")
    axis = -1 if over == "channels" else (0, 1, 2)
    x = (x - x.mean(axis=axis, keepdims=True)) / x.std(axis=axis, keepdims=True)
    found = texts(data.channels_scaled_one_by_one, Run(inputs={"the input": x}))
    assert ["over its own 3 channels" in text for text in found] == [True] * (over == "channels")
    assert texts(data.channels_scaled_one_by_one, Run(inputs={"the input": 0 * x})) == []


@pytest.mark.parametrize(("bins", "said"), [(3, True), (400, False)])
def test_kinds_that_become_few(bins, said):
    x = RANDOM.integers(0, 90, (300, 4))
    model = keras.Sequential([keras.Input((4,), dtype="int64"), layers.Hashing(bins)])
    model.add(layers.Embedding(bins, 2))
    run = Run(inputs={"the input": x}, embedded=look._embedded(model, model.layers, x))
    found = texts(data.kinds_become_few, run)
    assert ["The 90 different numbers of the input are 3" in t for t in found] == [True] * said


@pytest.mark.parametrize(("turn", "said"), [(1.0, True), (2 * np.pi / 24, False)])
def test_sines_of_hours_that_are_no_radians(turn, said):
    hours = RANDOM.integers(0, 24, 200)
    columns = [np.sin(turn * hours), np.cos(turn * hours), RANDOM.uniform(-1, 1, 200)]
    x = np.stack(columns, axis=1).astype("float32")
    found = texts(data.turns_in_other_units, Run(inputs={"the input": x}))
    assert ["All values of columns [0, 1] of the input" in text for text in found] == [True] * said


@pytest.mark.parametrize(("given", "said"), [(1, True), (2, False), (4, False)])
def test_a_number_in_one_column_of_the_targets(given, said):
    y = np.zeros((200, 4))
    for row in y:
        row[RANDOM.permutation(4)[:given]] = RANDOM.normal(size=given)
    out = Output("out", y=y, loss="mean_squared_error")
    assert len(texts(label_rules.one_target_of_many, Run(outputs=[out]))) == said
    out.y = (y != 0).astype("float64")  # rows of classes
    assert texts(label_rules.one_target_of_many, Run(outputs=[out])) == []


@pytest.mark.parametrize(("level", "said"), [(2.0, True), (0.0, False)])
def test_a_class_that_the_loss_leaves_out_is_one_to_be_told(level, said):
    labels = RANDOM.integers(0, 3, (20, 6, 6))
    x = RANDOM.normal(size=(20, 6, 6, 2)) + level * (labels == 0)[..., None]
    out = Output("out", kind="sparse", units=3, ignored=0, known=labels != 0, y=labels[labels > 0])
    out.loss = "sparse_categorical_crossentropy"
    run = Run(inputs={"the input": x}, outputs=[out])
    found = texts(label_rules.ignored_class_is_one, run)  # else nobody has labelled these places
    assert ["The loss (ignore_class) leaves out class 0" in text for text in found] == [True] * said
    out.ignored = 255
    assert texts(label_rules.ignored_class_is_one, run) == []


def leaves_out(number):
    def error(y, p):
        y = y[..., 0] if len(y.shape) == len(p.shape) else y
        told = ops.cast(ops.not_equal(y, number), "float32")
        each = ops.sparse_categorical_crossentropy(ops.maximum(y, 0), p)
        return ops.sum(told * each) / ops.sum(told)

    return error


@pytest.mark.parametrize(("padding", "number"), [(0, 0), (-1, -1), (-1, None)])
@pytest.mark.parametrize("last", [(), (1,)])
def test_a_loss_of_ones_own_that_leaves_out_a_class(padding, number, last):
    """Steps of class 0 last long; the end of a row is padding, and has class 0 or -1."""
    random = np.random.default_rng(0)
    doing = np.repeat(random.choice(3, (60, 4), p=[0.5, 0.25, 0.25]), 5, axis=1)
    x = np.eye(3)[doing] + random.normal(0, 0.3, (60, 20, 3))
    x[:, 15:], doing[:, 15:] = 0, padding
    loss = "sparse_categorical_crossentropy" if number is None else leaves_out(number)
    y = np.maximum(doing, 0) if number is None else doing
    model = keras.Sequential([keras.Input((20, 3)), layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(0.1), loss)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    y = y.reshape(*y.shape, *last)
    fit = {"validation_data": (x[40:], y[40:]), "callbacks": [diagnosis]}
    model.fit(x[:40], y[:40], epochs=40, verbose=0, **fit)
    (out,) = diagnosis._run.outputs
    counts = np.ones(y.shape, bool) if number is None else y != number
    guess = model.predict(x, verbose=0).argmax(axis=-1).reshape(y.shape)
    right = (guess == y)[40:][counts[40:]]
    assert out.ignored == number and out.validation_score == pytest.approx(right.mean())
    found = [f for f in diagnosis.findings if f.symptom == "class_left_out"]
    assert [f.severity for f in found] == ["warning"] * (number == 0)
    assert ["Your loss 'error' of the output leaves out class 0" in f.evidence for f in found] == [
        True
    ] * (number == 0)


def test_pairs_of_few_rows_are_many_rows():
    first, second = RANDOM.integers(0, 8, (2, 64)).astype("float32")
    pairs = {"left": first[:, None], "right": second[:, None]}
    batches = batches_in_order(pairs, np.zeros(64), 8)
    prints = [number for batch in batches for number in batch.prints]
    assert len(set(prints)) == len(set(zip(first, second, strict=True))) > 32
    assert texts(row_rules.repeated_batches, Run(batches=batches)) == []
    alone = batches_in_order({"left": pairs["left"]}, np.zeros(64), 8)
    assert len(texts(row_rules.repeated_batches, Run(batches=alone))) == 1


class Shuffled(keras.utils.PyDataset):
    """Shuffles rows after each epoch, with their labels or without."""

    def __init__(self, x, y, together):
        super().__init__()
        self.x, self.y, self.together = x.copy(), y.copy(), together
        self.random = np.random.default_rng(0)

    def __len__(self):
        return len(self.x) // 16

    def __getitem__(self, index):
        batch = slice(16 * index, 16 * index + 16)
        return self.x[batch], self.y[batch]

    def on_epoch_end(self):
        order = self.random.permutation(len(self.x))
        self.x = self.x[order]
        self.y = self.y[order] if self.together else self.y


@pytest.mark.parametrize("together", [True, False])
def test_labels_that_stay_while_their_rows_are_shuffled(together):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    y = np.arange(64, dtype="float32")[:, None]
    data = Shuffled(X, y, together)
    model.fit(data, epochs=4, shuffle=False, verbose=0, callbacks=[diagnosis])
    said = "had other labels than in the first" in diagnosis.report()
    assert said is not together


@pytest.mark.parametrize("kinds", [4, 64])
def test_rows_that_are_equal_may_have_other_labels(kinds):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    y = np.arange(64, dtype="float32")[:, None]
    data = tf.data.Dataset.from_tensor_slices((X[np.arange(64) % kinds], y)).shuffle(64).batch(16)
    model.fit(data, epochs=4, verbose=0, callbacks=[diagnosis])
    assert "had other labels than in the first" not in diagnosis.report()


def test_a_mark_is_no_code_for_missing_values():
    x = RANDOM.uniform(0, 0.5, (100, 8, 2)).astype("float32")
    x[np.arange(100), RANDOM.integers(0, 8, 100), 1] = 9
    assert texts(data.missing_values_coded, Run(inputs={"the input": x})) == []
    x[0, 0, 1], x[0, 1, 1] = 9, 9  # some rows have several, others none
    assert len(texts(data.missing_values_coded, Run(inputs={"the input": x}))) == 1


@pytest.mark.parametrize("hands_on", [True, False])
@pytest.mark.parametrize("padding", ["pre", "post"])
def test_a_mask_that_is_lost_on_its_way(hands_on, padding):
    x = np.zeros((200, 20), int)
    x[:, -5:] = RANDOM.integers(1, 9, (200, 5))
    x = x if padding == "pre" else x[:, ::-1].copy()
    embedding = layers.Embedding(9, 4, mask_zero=True)
    parts_ = [embedding, Doubled(hands_on), layers.LSTM(3), layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((20,)), *parts_])
    model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(x, RANDOM.integers(0, 2, 200), epochs=1, verbose=0, callbacks=[diagnosis])
    found = texts(data.hidden_by_mask, diagnosis._run)
    is_said = not hands_on and padding == "post"
    assert ["'doubled' is given a mask and hands none on" in text for text in found] == (
        [True] * is_said
    )


@pytest.mark.parametrize(("high", "activation"), [(255, "sigmoid"), (1, "sigmoid"), (255, "relu")])
def test_bytes_as_labels_of_a_loss_of_ones_own(high, activation):
    y = high * RANDOM.integers(0, 2, (400, 1)).astype("float64")
    out = Output("out", loss="custom", y=y, kind="regression", activation=activation, units=1)
    found = texts(label_rules.label_problem, Run(outputs=[out]))
    is_said = high == 255 and activation == "sigmoid"
    assert ["are 0 and 255; its sigmoid gives 0 to 1" in text for text in found] == [True] * is_said


@pytest.mark.parametrize("scaled", [False, True])
def test_a_column_in_two_units(scaled):
    random = np.random.default_rng(0)
    weight, other = random.uniform(40, 100, 400), random.normal(size=400)
    y = (weight - 70) / 15 + 0.3 * random.normal(size=400)
    out = Output("out", kind="regression", y=y[:, None])
    by_grams = random.random(400) < 0.4
    run = Run(outputs=[out])

    def told(column):
        x = np.stack([other, column], axis=1)
        run.inputs = {"the input": (x - x.mean(axis=0)) / x.std(axis=0) if scaled else x}
        return texts(data.column_in_two_units, run)

    assert told(weight) == []
    (text,) = told(np.where(by_grams, 1000 * weight, weight))
    assert "Column 1" in text and "one quantity in two units?" in text
    out.y = (y + 3 * by_grams)[:, None]  # the side tells: two kinds of things, of their own sizes
    assert told(np.where(by_grams, 1000 * weight, weight)) == []
    out.y = y[:, None]  # a column that tells nothing within its sides
    assert told(np.where(by_grams, 1000.0, 1.0) * random.uniform(40, 100, 400)) == []


@pytest.mark.parametrize("first", [0, 1])
def test_letters_that_are_the_blank_of_the_ctc_loss(first):
    letters = np.random.default_rng(0).integers(first, first + 3, (50, 4))
    padded = np.concatenate([letters, np.zeros((50, 2))], axis=1)  # 0 at the end is padding
    out = Output("out", loss="ctc", y=padded.reshape(-1, 1), label_shape=(6,))
    found = texts(label_rules.letters_that_are_blank, Run(outputs=[out]))
    assert ["0 is the blank" in text for text in found] == [True] * (first == 0)


def test_numbers_that_a_lambda_looks_up_are_no_amounts():
    table = layers.Embedding(100, 4)
    table.build((None,))
    numbers = np.arange(100)[:, None]
    for looks_up in (lambda x: table(x), lambda x: ops.cast(x, "float32")):
        model = keras.Sequential([keras.Input((1,)), layers.Lambda(looks_up), layers.Dense(1)])
        model.compile("sgd", "mse")
        run = Run()
        look.look_at_data(run, model, Rows(numbers, numbers), [])
        found = texts(data.unnormalized_inputs, run)
        assert len(found) == (0 if looks_up.__closure__ else 1)


@pytest.mark.parametrize("rounds", [np.trunc, np.floor, np.round])
def test_scaled_columns_that_were_cut_to_whole_numbers(rounds):
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 4))
    assert texts(data.cut_to_whole_numbers, Run(table=x)) == []
    (text,) = texts(data.cut_to_whole_numbers, Run(table=rounds(x).astype("int16")))
    assert text.startswith("Columns [0, 1, 2, 3] of the input have a mean near 0")
    answers = random.integers(-2, 3, (600, 4))  # of a questionnaire
    signs = random.integers(-1, 2, (600, 4))  # of a board
    counts = random.poisson(1, (600, 4))
    for meant in (answers, signs, counts):
        assert texts(data.cut_to_whole_numbers, Run(table=meant)) == []


@pytest.mark.parametrize("scaled_last", [False, True])
def test_padding_that_was_scaled_like_data_is_hidden_by_no_mask(scaled_last):
    random = np.random.default_rng(0)
    is_step = np.arange(10) < random.integers(3, 11, 200)[:, None]
    x = np.where(is_step[..., None], random.normal(50, 5, (200, 10, 2)), 0)
    x = np.where(is_step[..., None] | scaled_last, x - x.mean(), 0).astype("float32")
    model = keras.Sequential([keras.Input((10, 2)), layers.Masking(), layers.GRU(4)])
    model.compile("sgd", "mse")
    run = Run()
    look.look_at_data(run, model, Rows(x, x[:, 0, :1]), [])
    found = [text for text in texts(data.hidden_by_mask, run) if "hides no step" in text]
    assert len(found) == scaled_last
    share = 1 - is_step.mean()
    assert all(f"the last {share:.0%} of a row" in text for text in found)
    assert texts(data.missing_values_coded, run) == []


@pytest.mark.parametrize(("ends", "is_told"), [("pp", False), ("ff", False), ("pf", True)])
def test_labels_padded_at_the_other_end_than_their_steps(ends, is_told):
    """p: behind, as padding='post'; f: in front."""
    random = np.random.default_rng(0)
    is_step = np.arange(8) < random.integers(3, 9, 200)[:, None]
    words = np.where(is_step, random.integers(1, 30, (200, 8)), 0)
    sides = zip((words, np.where(is_step, 1 + words % 2, 0)), ends, strict=True)
    x, y = (side if end == "p" else side[:, ::-1] for side, end in sides)
    stack = [layers.Embedding(30, 4, mask_zero=True), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((8,)), *stack])
    model.compile("sgd", "sparse_categorical_crossentropy")
    run = Run()
    look.look_at_data(run, model, Rows(x, y), [])
    found = texts(places.labels_padded_otherwise, run)
    assert len(found) == is_told
    assert all(f"{np.mean(words[:, -1] == 0):.0%} end with it" in text for text in found)
