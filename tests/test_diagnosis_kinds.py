"""Kinds of faults that are looked for wherever they stand: a planted one, its twin, the number."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from sklearn.metrics import r2_score, roc_auc_score

from callbacks.diagnosis import (
    Diagnosis,
    clones,
    front,
    graph,
    look,
    own_code,
    passes,
    scores,
    verdict,
)
from callbacks.diagnosis import rules_of_data as data
from callbacks.diagnosis import rules_of_leaks as leaks
from callbacks.diagnosis import rules_of_losses as loss_rules
from callbacks.diagnosis import rules_of_model as model_rules
from callbacks.diagnosis import rules_of_parts as parts
from callbacks.diagnosis import rules_of_places as places
from callbacks.diagnosis import rules_of_rows as rows
from callbacks.diagnosis import rules_of_scores as at_end
from callbacks.diagnosis import rules_of_split as split
from callbacks.diagnosis import rules_of_training as training
from callbacks.diagnosis.finding import Finding, apply
from callbacks.diagnosis.own_loss import (
    compares_directions,
    idle_columns,
    in_own_terms,
    is_one_number,
    properties_of,
    skill_of,
)
from callbacks.diagnosis.passing import Batch
from callbacks.diagnosis.rows import Rows, counted, first_line, of_known
from callbacks.diagnosis.run import Output, Run, Watcher
from callbacks.diagnosis.target import label_kind

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")


def texts(rule, run):
    """Evidence of what a rule finds."""
    return [seen.evidence for seen in rule(run)]


# ---- data ----


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

    def __init__(self, copied):
        super().__init__()
        self.x, self.copied = RANDOM.uniform(0, 1, (64, 4)).astype("float32"), copied

    def __len__(self):
        return 4

    def __getitem__(self, index):
        batch = self.x[16 * index : 16 * index + 16]
        batch = batch.copy() if self.copied else batch
        batch *= 0.1
        return batch, batch.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("copied", [False, True])
def test_a_loader_that_scales_its_own_array_again_in_each_epoch(copied):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(Pictures(copied), shuffle=False, epochs=3, verbose=0, callbacks=[diagnosis])
    found = [f for f in diagnosis.findings if f.symptom == "inputs_drift"]
    sizes = diagnosis._run.first_batches
    assert len(sizes) == 3 and len(found) == (not copied)
    assert (len(set(sizes)) == 1) if copied else (sizes[2] < sizes[0] / 5)


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


@pytest.mark.parametrize("shared", [True, False])
def test_outputs_that_one_layer_gives(shared):
    inputs, head = keras.Input((4,)), layers.Dense(1)
    heads = [head] * 2 if shared else [head, layers.Dense(1)]
    model = keras.Model(inputs, [one(inputs) for one in heads])
    model.compile("adam", ["mse", "mse"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, [X[:, :1], -X[:, :1]], epochs=2, verbose=0, callbacks=[diagnosis])
    assert ("predict the same of each row" in diagnosis.report()) is shared


def test_targets_that_were_filled_in():
    y = RANDOM.normal(size=(300, 1))
    cases = {"none": y, "mean": np.where(RANDOM.random((300, 1)) < 0.3, y.mean(), y)}
    cases |= {"rain": np.maximum(y, 0), "rounded": np.round(y, 1)}
    for name, targets in cases.items():
        evidence = texts(data.labels_filled_in, Run(outputs=[Output("out", y=targets)]))
        assert ["any other value stands 1 times" in text for text in evidence] == [True] * (
            name == "mean"
        )


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


@pytest.mark.parametrize(
    ("stack", "made"),
    [
        ([layers.Conv2D(3, 1), layers.Reshape((3, 24)), layers.Permute((2, 1))], (3, 24)),
        ([layers.Conv2D(3, 1), layers.Reshape((3, 4, 6))], (3, 4, 6)),
        ([layers.Conv2D(3, 1), layers.Reshape((24, 3))], None),
        ([layers.Conv2D(3, 1), layers.Permute((3, 1, 2))], None),
        ([layers.Conv2D(1, 1), layers.Reshape((1, 24))], None),  # of one channel none is mixed
        ([layers.Flatten(), layers.Reshape((2, 24))], None),
    ],
)
def test_a_reshape_that_is_to_move_the_channels(stack, made):
    model = keras.Sequential([keras.Input((4, 6, 2)), *stack])
    run = Run()
    look.look_at_model(run, model, {}, [])
    found = list(model_rules.channels_put_first(run))
    assert [f"makes {made} of (4, 6, 3)" in seen.evidence for seen in found] == [True] * bool(made)
    assert all("layers.Permute((3, 1, 2))" in seen.remedy for seen in found)


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


def test_an_error_is_told_in_one_line_without_what_names_places_inside():
    error = ValueError("{{function_node __wrapped__Op_device_/job:a/cpu:0}} Labels of 9\nmore")
    assert first_line(error) == "ValueError: Labels of 9"
    assert len(first_line(ValueError("word " * 90))) <= 150
    stack = 'Graph execution error:\n\nDetected at node loss\n  File "a.py", line 3\nLabel 9\n'
    assert first_line(ValueError(stack + "\t [[{{node loss}}]]")) == "ValueError: Label 9"
    keras_own = "Exception encountered when calling Dense.call().\n\n\x1b[1mShapes differ.\x1b[0m"
    assert first_line(ValueError(keras_own)) == "ValueError: Shapes differ."


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


def test_targets_next_to_nothing():
    run = Run(outputs=[Output("out", y=1e-5 * X[:, :1])])
    assert "standard deviation" in texts(data.unnormalized_targets, run)[0]
    run.outputs[0].y = X[:, :1]
    assert texts(data.unnormalized_targets, run) == []


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
    (seen,) = data.class_weight_of_one_label(run)
    assert "25% of the rows have several; the 50% without any weigh 50" in seen.evidence
    assert "the others 3 on average" in seen.evidence and "binary_crossentropy" in seen.remedy
    run.class_weight = {0: 2.0, 1: 2.0, 2: 2.0}  # all rows alike
    assert texts(data.class_weight_of_one_label, run) == []
    run.class_weight, out.kind, out.y = weights, "onehot", np.eye(3)[[0, 1, 2, 2]]
    assert texts(data.class_weight_of_one_label, run) == []
    steps = Output("out", y=np.ones((8, 1)), kind="sparse", label_shape=(2,), units=3)
    assert (
        "of its largest class among 2 steps"
        in texts(data.class_weight_of_one_label, Run(outputs=[steps], class_weight=weights))[0]
    )


def folded(count=600):
    """A target made of products of two signals of ten steps; rows (count, 10, 2), and flat ones."""
    signals = RANDOM.normal(size=(count, 2, 10))
    y = np.prod(signals, axis=1).sum(axis=1, keepdims=True)
    return np.swapaxes(signals, 1, 2), signals.reshape(count, 20), y


def test_a_table_that_was_folded_along_the_wrong_axis():
    x, flat, y = folded()
    out = Output("out", y=y, gain=0.0, kind="regression", prediction=np.zeros(y.shape))
    run = Run(table=flat.reshape(-1, 10, 2), outputs=[out], recurrent={"lstm": "tanh"})
    (text,) = texts(parts.axes_folded, run)
    assert "read with one feature after the other" in text and "wrong order" in text
    run.table = x
    assert texts(parts.axes_folded, run) == []
    run.table, run.recurrent = flat.reshape(-1, 10, 2), {}  # nothing goes over steps
    assert texts(parts.axes_folded, run) == []


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


def test_several_labels_need_sigmoids_and_their_loss():
    y = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    out = Output("out", loss="categorical_crossentropy", y=y, kind="multilabel", units=3)
    out.activation, out.layer = "softmax", "genres"
    (seen,) = model_rules.unsuitable_output_activation(Run(outputs=[out]))
    assert "activation='sigmoid' and compile with loss='binary_crossentropy'" in seen.remedy


# ---- model and loss ----


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


@pytest.mark.parametrize(("activation", "found"), [("sigmoid", 1), ("tanh", 0)])
def test_a_hinge_needs_negative_scores(activation, found):
    y = (X[:, :1] > 0).astype("float64")
    out = Output("out", loss="hinge", y=y, kind="binary", units=1, activation=activation)
    assert len(texts(model_rules.unsuitable_output_activation, Run(outputs=[out]))) == found


def test_a_lambda_that_calls_a_layer():
    inner = layers.Dense(3, name="inner")
    inner.build((None, 4))
    for function, found in ((lambda x: inner(x), ["the layer 'inner'"]), (lambda x: 2 * x, [])):
        hidden = own_code.untracked_by([layers.Lambda(function, name="hides")])
        assert [kept for _, kept in hidden] == found


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


# ---- steps ----


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


# ---- what the network looks at ----


def sequence_model(middle):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((8, 4)), *middle, layers.Dense(1)])


def test_inputs_by_names_of_the_users_own():
    """The keys of a dict need not be the names of the inputs, nor stand in the same order."""
    inputs = {"size": keras.Input((3,)), "age": keras.Input((2,))}
    inner = layers.Dense(4)(layers.Concatenate()([inputs["size"], inputs["age"]]))
    model = keras.Model(inputs, layers.Dense(1)(inner))
    x = {"size": X[:20, :3], "age": X[:20, 2:]}
    (found,) = passes.values_of(model, [inner], x, 20)
    kernel = model.layers[-2].get_weights()[0]
    assert np.allclose(found, np.concatenate([x["size"], x["age"]], axis=1) @ kernel, atol=1e-5)


def test_a_part_of_the_inputs_that_the_network_does_not_see():
    x = RANDOM.normal(size=(64, 8, 4)).astype("float32")
    cropped = passes.effects(sequence_model([layers.Cropping1D((4, 0)), layers.Flatten()]), x)
    assert cropped["the first half of the steps"] == 0 < cropped["the second half of the steps"]
    run = Run(effects=cropped, gain=0.1, losses=np.ones(300), epoch_losses=[1.0, 1.0])
    (text,) = texts(parts.part_unseen, run)
    assert text.startswith("Exchanging the first half of the steps between rows changes")
    inputs = keras.Input((8,))
    table = keras.Model(inputs, layers.Dense(1)(inputs[:, 4:]))
    run.effects = passes.effects(table, x[:, :, 0])
    (text,) = texts(parts.part_unseen, run)
    assert text.startswith("Exchanging the first half of the columns between rows changes")
    assert "No prediction depends on it" in text
    run.effects = passes.effects(sequence_model([layers.Flatten()]), x)
    assert min(run.effects.values()) > 0.1
    assert texts(parts.part_unseen, run) == []
    run.effects["the first half of the steps"] = 0.05 * max(run.effects.values())
    for gain, found in ((0.1, 0), (0.05, 1)):  # at chance what is looked at tells nothing
        run.gain = gain
        assert len(texts(parts.part_unseen, run)) == found


@pytest.mark.parametrize(("at_first", "severity"), [(0.0, "note"), (1.0, None)])
def test_a_half_that_tells_nothing_need_not_be_seen(at_first, severity):
    """A network reads the last step alone, of targets that the first one tells, or does not."""
    x = RANDOM.normal(size=(800, 8, 2)).astype("float32")
    y = x[:, -1, :1] + at_first * x[:, 0, :1] + RANDOM.normal(size=(800, 1))
    reached = 1 / (2 + at_first)  # the share of the variance that the last step tells
    told = (2 * reached if at_first else reached, "a linear model", reached)
    out = Output("out", y=y, kind="regression", prediction=x[:, -1, :1], simple=told)
    run = Run(outputs=[out], table=x, gain=reached, losses=np.ones(300), epoch_losses=[1.0, 1.0])
    run.effects = {"the first half of the steps": 0.0, "the second half of the steps": 3.0}
    (seen,) = parts.part_unseen(run)
    assert seen.severity == severity


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


def test_attention_that_knows_no_order():
    x = RANDOM.normal(size=(64, 8, 4)).astype("float32")
    inputs = keras.Input((8, 4))
    hidden = layers.MultiHeadAttention(1, 4)(inputs, inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(hidden)))
    effects = passes.effects(model, x)
    assert effects["the order of the steps"] < 1e-4
    run = Run(effects=effects, gain=0.1, losses=np.ones(300), epoch_losses=[1.0, 1.0])
    assert texts(parts.part_unseen, run) == []  # without attention a sum over steps may be meant
    out = Output("out", simple=(0.9, "a linear model", 0.52))  # counts of words tell enough
    run.outputs, run.has_ids = [out], True
    assert texts(parts.part_unseen, run) == []
    out.simple = (0.54, "a linear model", 0.52)
    for run.attends, run.has_ids in ((False, True), (True, False)):
        (text,) = texts(parts.part_unseen, run)
        assert text.startswith("Another order of the steps changes the predictions by")


def test_an_input_that_is_not_connected():
    first, second = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    hidden = layers.Concatenate()([first, 0.0 * second])
    model = keras.Model({"a": first, "b": second}, layers.Dense(1)(hidden))
    effects = passes.effects(model, {"a": X, "b": X[::-1].copy()})
    assert effects["input 'b'"] == 0 < effects["input 'a'"]


def test_flips_that_turn_one_class_into_another():
    labels = np.arange(120) % 3  # left, right, middle
    x = np.zeros((120, 8, 8, 1), "float32")
    for place, columns in enumerate(([0, 1, 2], [5, 6, 7], [3, 4])):
        x[np.ix_(labels == place, range(8), columns)] = 1
    x += 0.05 * RANDOM.normal(size=x.shape)
    out = Output("out", kind="sparse", y=labels[:, None].astype("float64"))
    run = Run(inputs={"the input": x}, outputs=[out], gain=0.5, augmentation=["flip"])
    layer = layers.RandomFlip("horizontal", seed=1, name="flip")
    run.turned = front.turned_by_augmentation(run, [layer])
    one, other, share = run.turned
    assert {one, other} == {0, 1} and 0.3 < share < 0.7  # half of the rows are flipped
    confused = np.where(labels < 2, RANDOM.integers(0, 2, 120), 2)
    out.prediction = np.eye(3)[confused]
    assert "turn one into the other" in texts(training.augmentation_hides, run)[0]
    out.prediction = np.eye(3)[labels]
    assert texts(training.augmentation_hides, run) == []
    layer = layers.RandomFlip("vertical", seed=1, name="flip")
    assert front.turned_by_augmentation(run, [layer]) is None


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


def test_dropout_inside_of_a_recurrent_layer_is_seen():
    model = keras.Sequential([keras.Input((5, 2)), layers.LSTM(4, dropout=0.9, name="memory")])
    model.compile("adam", "mse")
    run = Run()
    look.look_at_model(run, model, {}, [])
    assert run.dropout == {"memory": pytest.approx(0.9)}


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


def test_batches_that_leave_few_steps():
    run = Run(batch_size=512, num_rows=2000, planned=10)
    assert "4 update(s) per epoch" in texts(training.batch_size_unsuitable, run)[0]  # 40 in all
    run.planned = 100
    assert texts(training.batch_size_unsuitable, run) == []


def same_order(y_true, y_pred):
    """1 − correlation over the rows of a batch."""
    true, given = (a - keras.ops.mean(a) for a in (y_true, y_pred))
    both = keras.ops.sum(true**2) * keras.ops.sum(given**2)
    return 1 - keras.ops.sum(true * given) / keras.ops.sqrt(both + 1e-7)


def same_direction(y_true, y_pred):
    """1 − cosine over the rows of a batch."""
    both = keras.ops.sum(y_true**2) * keras.ops.sum(y_pred**2)
    return 1 - keras.ops.sum(y_true * y_pred) / keras.ops.sqrt(both + 1e-7)


def same_differences(y_true, y_pred):
    """Squared error of the differences between neighbours."""
    true, given = (a[1:] - a[:-1] for a in (y_true, y_pred))
    return keras.ops.mean((true - given) ** 2)


@pytest.mark.parametrize(
    ("loss", "blind"),
    [
        (same_order, ["level", "scale"]),
        (same_direction, ["scale"]),
        (same_differences, ["level"]),
        (lambda y, p: keras.ops.mean(keras.ops.abs(y - p), axis=-1), []),
    ],
)
def test_what_a_loss_does_not_see(loss, blind):
    out = Output("out", units=1, shape=(1,), function=loss, kind="regression")
    out.y, out.label_shape, out.activation = 30 + 4 * X[:, :1].astype(float), (1,), "linear"
    assert properties_of(out)["blind_to"] == blind
    assert properties_of(out)["moves"] > 0


def seen_and_place(y_true, y_pred):
    """Whether something is there, as a logit, and where."""
    seen = keras.ops.binary_crossentropy(y_true[:, 0], keras.ops.sigmoid(y_pred[:, 0]))
    place = keras.ops.sum(keras.ops.square(y_true[:, 1:] - y_pred[:, 1:]), axis=-1)
    return seen + y_true[:, 0] * place


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (seen_and_place, True),
        (lambda y, p: keras.ops.mean(keras.ops.square(y - p), axis=-1), False),
        (lambda y, p: keras.ops.mean(keras.ops.abs(y - p), axis=-1), False),
        (lambda y, p: 1 + keras.losses.cosine_similarity(y, p), False),
    ],
)
def test_outputs_of_which_a_loss_asks_more_than_the_labels_are_not_scored(loss, expected):
    y = np.concatenate([RANDOM.random((200, 1)) < 0.4, RANDOM.random((200, 2))], axis=1)
    out = Output("out", units=3, shape=(3,), label_shape=(3,), function=loss, y=y.astype(float))
    out.activation = "linear"
    out.properties = properties_of(out)
    assert in_own_terms(out) is expected


def test_without_finite_labels_simple_models_tell_nothing():
    x = RANDOM.normal(size=(120, 4))
    out = Output("out", y=x[:, :1].copy(), prediction=np.zeros((120, 1)))
    assert scores.told_within(out, x) is not None
    out.y[3] = np.inf
    assert scores.told_within(out, x) is None


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


def test_rows_that_weigh_next_to_nothing_leave_the_sample():
    x, y = np.arange(100.0), RANDOM.normal(size=100)
    weights = np.where(np.arange(100) < 40, 0.01, 1.0)
    assert np.array_equal(counted(Rows(x, y, weights)).x, x[40:])
    half = np.where(np.arange(100) < 40, 0.5, 1.0)
    rare = np.where(np.arange(100) < 99, 0.01, 1.0)  # of balanced classes: no row is light
    for balanced in (half, rare):
        assert len(counted(Rows(x, y, balanced))) == 100


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


def given_only(y_true, y_pred):
    """Squared error where the label is a number."""
    known = keras.ops.logical_not(keras.ops.isnan(y_true))
    return keras.ops.mean(keras.ops.where(known, keras.ops.square(y_true - y_pred), 0), axis=-1)


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
    assert texts(data.label_problem, run) == []


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


@pytest.mark.parametrize("shared", [True, False])
def test_inputs_that_one_layer_reads_and_that_are_added_up(shared):
    read = [layers.Dense(4)] * 3 if shared else [layers.Dense(4) for _ in range(3)]
    inputs = [keras.Input((4,)) for _ in range(3)]
    added = layers.Add()([layer(one) for layer, one in zip(read, inputs, strict=True)])
    model = keras.Model(inputs, layers.Dense(1)(added))
    given = [X, X[::-1], X[::2].repeat(2, 0)]
    run = Run(losses=np.ones(300), effects=passes.effects(model, given))
    run.inputs = {f"input {i}": x for i, x in enumerate(given)}
    run.outputs = [Output("out", gain=0.0)]
    run.gain = 0.0
    found = texts(parts.part_unseen, run)
    assert ["which of the inputs 0 and 1 is which, nor" in text for text in found] == [
        True
    ] * shared


@pytest.mark.parametrize(("label", "seen"), [("difference", True), ("likeness", False)])
def test_two_inputs_of_which_a_label_asks_which_is_which(label, seen):
    one, other = RANDOM.normal(size=(2, 400, 4)).astype("float32")
    y = one[:, :1] - other[:, :1]
    y = np.abs(y) if label == "likeness" else y
    read, inputs = layers.Dense(4), [keras.Input((4,)), keras.Input((4,))]
    told = layers.Dense(1)(layers.Average()([read(part) for part in inputs]))
    model = keras.Model(inputs, told)
    run = Run(losses=np.ones(300), effects=passes.effects(model, [one, other]), gain=0.0)
    run.inputs = {"a": one, "b": other}
    out = Output("out", kind="regression", y=y, prediction=np.zeros_like(y), gain=0.0)
    run.outputs = [out]
    found = texts(parts.part_unseen, run)
    assert ["which of the inputs 0 and 1 is which" in text for text in found] == [True] * seen


@pytest.mark.parametrize(("weight", "seen"), [({0: 20.0}, True), ({1: 9.0}, False), ({}, False)])
def test_class_weights_at_the_wrong_classes(weight, seen):
    y = (np.arange(300) % 10 == 0).astype("float64")[:, None]
    out = Output("out", kind="binary", y=y, label_shape=(1,), units=1)
    run = Run(outputs=[out], class_weight=weight, gain=0.1)
    said = "Class 0 is 90% of the labels, and a row of it weighs 20 times as much by class_weight"
    found = texts(rows.class_weights_too_strong, run)
    assert [said in text for text in found] == [True] * seen


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


def test_of_one_row_no_score_is_known():
    out = Output("out", y=np.array([[9.0]]), prediction=np.array([[0.45]]))
    scores.judge_scores(Run(outputs=[out]), None, [])
    assert not np.isfinite(out.score)
    out.prediction = out.y.copy()
    scores.judge_scores(Run(outputs=[out]), None, [])
    assert out.score == 1.0


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


def test_a_loss_that_leaves_out_unknown_pixels():
    out = Output("out", function=given_only, loss="custom", units=1, kind="regression")
    out.shape = out.label_shape = (16, 16, 1)
    for seed in range(5):  # means over so many pixels hardly differ from each other
        random = np.random.default_rng(seed)
        maps = random.normal(size=(64 * 256, 1))
        out.y = np.where(random.random(maps.shape) < 0.3, np.nan, maps)
        assert in_own_terms(out)


@pytest.mark.parametrize(("activation", "finite"), [("softplus", True), ("relu", False)])
def test_a_loss_of_amounts_above_zero(activation, finite):
    def deviance(y_true, y_pred):  # of Tweedie's family with power 1.5: no value at 0
        return 2 * (keras.ops.sqrt(y_pred) + y_true / keras.ops.sqrt(y_pred))

    y = np.maximum(X[:, :1], 0).astype("float64")  # half of the amounts are 0
    out = Output("out", function=deviance, loss="custom", y=y, units=1, kind="regression")
    out.shape = out.label_shape = (1,)
    out.activation = activation
    assert properties_of(out)["finite"] is finite


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


def test_a_loss_of_ones_own_need_not_look_at_the_labels():
    out = Output("out", y=np.zeros((64, 1)), kind="binary", units=1)
    for loss, count in (("custom", 0), ("own step", 0), ("binary_crossentropy", 1)):
        out.loss = loss
        (found,) = texts(data.label_problem, Run(outputs=[out], num_rows=64)) or ("",)
        assert ("All 64 labels" in found) is bool(count)


def test_a_perfect_score_of_a_single_class_says_nothing():
    for trivial, severity in ((1.0, "error"), (0.5, "note")):
        out = Output("out", kind="binary", trivial=trivial, gain=1.0)
        run = Run(outputs=[out], gain=1.0, held_out_gain=1.0)
        labels = Finding("label_problem", "error", "data", "All labels are 1.", "Check them.")
        assert verdict.judge([labels], 1.0, True, run)[0].severity == severity


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


def test_words_are_counted_for_simple_models():
    x = np.array([[3, 3, 7], [7, 5, 5]])
    run = Run(inputs={"the input": x}, has_ids=True)
    table, validation = scores.tables_of(run)
    assert validation is None
    assert sorted(map(tuple, table.T.tolist())) == [(0, 2), (1, 1), (2, 0)]  # 5, 7 and 3


# ---- what was learned from lists that nobody here had seen ----


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


def auto_encoder(skip):
    inputs = keras.Input((16, 16, 1))
    hidden = layers.MaxPooling2D(8)(layers.Conv2D(2, 3, padding="same")(inputs))
    hidden = layers.UpSampling2D(8)(layers.Conv2D(2, 3, padding="same")(hidden))
    if skip:
        hidden = layers.Concatenate()([hidden, inputs])
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(hidden))
    model.compile("adam", "binary_crossentropy")
    return model


@pytest.mark.parametrize("skip", [False, True])
def test_details_that_no_path_hands_on(skip):
    run = Run(gain=0.0)
    look.look_at_model(run, auto_encoder(skip), {}, [])
    assert run.coarsest == ((16, 16) if skip else (2, 2))
    lines, halves = np.zeros((2, 10, 16, 16))
    lines[:, 3], halves[:, :8] = 1, 1
    for masks, found in ((lines, not skip), (halves, False)):  # halves survive 2 × 2 pixels
        out = Output("out", kind="binary", shape=(16, 16, 1), y=masks.reshape(-1, 1))
        run.outputs = [out]
        assert ["2 × 2 pixels" in text for text in texts(parts.detail_lost, run)] == [True] * found


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_layers_that_tell_less_than_the_inputs(frozen):
    x = RANDOM.normal(size=(300, 4)).astype("float32")
    y = (x[:, :1] > 0).astype("float64")
    base = layers.Dense(3, kernel_initializer="zeros", name="base")
    model = keras.Sequential([keras.Input((4,)), base, layers.Dense(1, "sigmoid")])
    if not frozen:
        base.kernel.assign(np.eye(4)[:, :3])
    base.trainable = False
    out = Output("out", kind="binary", y=y, prediction=y, units=1)
    run = Run(table=x, outputs=[out], gain=0.3)
    run.frozen_tells = front.frozen_tells(run, model, x)
    assert (run.frozen_tells[0] < 0.7) is frozen and run.frozen_tells[1] > 0.9
    assert len(texts(at_end.frozen_features, run)) == frozen


@pytest.mark.parametrize(("least", "form"), [(20.0, "x * 255"), (1e6, None)])
def test_a_form_of_the_inputs_in_which_frozen_layers_tell(least, form):
    x = RANDOM.uniform(-1, 1, (400, 2)).astype("float32")
    y = (x[:, :1] > 0).astype("float64")
    base = layers.Dense(2, "relu", name="base")  # gives 0 of all that is less
    model = keras.Sequential([keras.Input((2,)), base, layers.Dense(1, "sigmoid")])
    base.set_weights([np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([-least, 0.0])])
    base.trainable = False
    out = Output("out", kind="binary", y=y, prediction=y, units=1)
    run = Run(table=x, outputs=[out], gain=0.3, frozen=["base"], frozen_biases={"base": True})
    run.frozen_tells = front.frozen_tells(run, model, x)
    run.frozen_form = front.frozen_form(run, model, x)
    (seen,) = at_end.frozen_features(run)
    assert (run.frozen_form or (None,))[0] == form
    assert seen.change == ("preprocessing" if form else "layers")


def test_waiting_is_no_remedy_for_a_score_that_does_not_move():
    falling = {"epoch_losses": list(0.97 ** np.arange(12.0)), "losses": np.ones(500)}
    for gain, severity in ((0.02, "note"), (0.4, "warning")):  # halving takes 23 epochs of 12
        (seen,) = at_end.stopped_too_soon(Run(**falling, gain=gain))
        assert seen.severity == severity
    falling["epoch_losses"] = list(0.99 ** np.arange(12.0))  # 69 epochs of 12
    (seen,) = at_end.stopped_too_soon(Run(**falling, gain=0.4))
    assert seen.severity == "note"


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


def test_an_early_stopping_that_has_seen_the_turn_has_not_stopped_too_soon():
    run = Run(epoch_losses=list(0.9 ** np.arange(12.0)), losses=np.ones(500), gain=0.75)
    run.planned, run.watchers = 100, [Watcher("EarlyStopping", "val_loss", None, 6)]
    assert len(texts(at_end.stopped_too_soon, run)) == 1
    run.history = {"val_loss": [0.9, 0.8, 0.7, 0.6, 0.65, 0.7, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9]}
    assert texts(at_end.stopped_too_soon, run) == []
    run.watchers = []  # nobody has ended it: the loss still falls
    assert len(texts(at_end.stopped_too_soon, run)) == 1


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


def test_what_reaches_an_embedding_is_looked_at_and_not_the_input_before_it():
    inputs = keras.Input((3,))
    hidden = layers.Flatten()(layers.Embedding(5, 4, name="user")(inputs[:, :1]))
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()([hidden, inputs[:, 1:]])))
    model.compile("adam", "mse")
    x = np.c_[np.arange(64) % 5, X[:, :2]].astype("float32")
    for values, found in ((x, 0), (x / 5, 1)):
        run = Run()
        look.look_at_model(run, model, {}, [])
        look.look_at_data(run, model, look.sample_arrays(values, X[:, 0]), [])
        assert len(texts(data.invalid_inputs, run)) == found and not run.has_ids


def test_a_layer_that_normalizes_one_value():
    model = keras.Sequential([keras.Input((8, 1)), layers.LayerNormalization(name="one")])
    model.add(layers.Dense(3))
    model.add(layers.LayerNormalization())
    run = Run()
    look.look_at_model(run, model, {}, [])
    (text,) = texts(model_rules.one_value_normalized, run)
    assert "'one' normalizes over one value" in text
    x = RANDOM.normal(size=(4, 8, 1)).astype("float32")
    np.testing.assert_allclose(model.layers[0](x), 0, atol=1e-2)  # its beta


@pytest.mark.parametrize(
    ("shape", "axis", "said"),
    [((9, 2), -1, True), ((2, 9), 1, True), ((9, 3), -1, False), ((2, 2), [1, 2], False)],
)
def test_a_layer_that_normalizes_two_values_leaves_which_is_larger(shape, axis, said):
    layer = layers.LayerNormalization(axis=axis, epsilon=1e-9, scale=False, name="two")
    model = keras.Sequential([keras.Input(shape), layer, layers.Flatten(), layers.Dense(1)])
    run = Run()
    look.look_at_model(run, model, {}, [])
    found = texts(model_rules.one_value_normalized, run)
    assert ["'two' normalizes over two values" in text for text in found] == [True] * said
    given = np.asarray(layer(100 * RANDOM.normal(size=(4, *shape)).astype("float32")))
    assert np.allclose(np.abs(given), 1, atol=1e-3) is said


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
    (seen,) = data.label_problem(Run(outputs=[age, sick]))
    assert "mean_squared_error stands at the classes of 'sick'" in seen.evidence
    assert "are swapped" in seen.remedy and "'age': 'mse'" in seen.remedy
    (seen,) = data.label_problem(Run(outputs=[age]))
    assert seen.remedy == "Compile with loss='mean_squared_error' and a linear output for 'age'."


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


def settled(**facts):
    """A run with one output, trained until its loss hardly falls."""
    losses = [1.0, *(0.9 - 1e-5 * np.arange(19))]
    return Run(epoch_losses=losses, losses=np.ones(800), planned=20, **facts)


def blamed(run):
    """Symptoms of what is held against a run, and the kind of the headline."""
    scores.judge_scores(run, None, [])
    rules = (at_end.slow_convergence, at_end.high_bias, rows.inputs_tell_nothing)
    findings = verdict.judge(apply(rules, run), run.known_gain, True, run)
    serious = {finding.symptom for finding in findings if finding.severity != "note"}
    return serious, verdict.headline(findings, run)[0]


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


def test_a_next_step_that_is_mostly_chance():
    random = np.random.default_rng(3)
    habits = random.dirichlet(np.full(6, 0.5), 6)
    text = random.integers(0, 6, (300, 1))
    for _ in range(12):
        sums = habits[text[:, -1]].cumsum(axis=1)
        following = (random.random((300, 1)) > sums[:, :-1]).sum(axis=1)
        text = np.concatenate([text, following[:, None]], axis=1)
    x, y = text[:, :-1], text[:, 1:].reshape(-1, 1).astype("float64")
    out = Output("out", kind="sparse", y=y, units=6, loss="sparse_categorical_crossentropy")
    run = settled(outputs=[out], inputs={"the input": x}, has_ids=True, next_step=True)
    out.prediction = habits[x]  # as they are, but that one of 100 is told wrongly
    out.prediction.reshape(-1, 6)[::100] = 1 - np.eye(6)[y[::100, 0].astype(int)]
    assert blamed(run) == (set(), "not judged")
    out.prediction = np.broadcast_to(np.bincount(text.ravel()), (300, 12, 6))
    assert "slow_convergence" in blamed(run)[0]


@pytest.mark.parametrize(
    ("channels", "pooling", "found"),
    [
        (1, layers.GlobalAveragePooling1D(), 1),
        (2, layers.GlobalAveragePooling1D(), 0),
        (1, layers.MaxPooling1D(8), 1),
        (1, layers.MaxPooling1D(4), 0),
    ],
)
def test_a_pooling_that_hands_on_one_number(channels, pooling, found):
    model = keras.Sequential([keras.Input((8, channels)), pooling])
    run = Run()
    look.look_at_model(run, model, {}, [])
    evidence = texts(model_rules.one_value_normalized, run)
    assert ["hands on a single number" in text for text in evidence] == [True] * found


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


def test_labels_of_pixels_as_bytes_are_to_be_divided():
    out = Output("out", loss="binary_crossentropy", y=np.array([[0.0], [255.0]]))
    (seen,) = data.label_problem(Run(outputs=[out]))
    assert seen.remedy == "Divide the labels by 255: they are to be 0 and 1."


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


@pytest.mark.parametrize("added", [True, False])
def test_a_branch_that_starts_at_zero_is_no_error_where_it_is_added_to_its_input(added):
    inputs = keras.Input((4,))
    first = layers.Dense(8, "relu")(inputs)
    branch = layers.Dense(8, kernel_initializer="zeros", name="branch")(
        layers.Dense(8, "relu")(first)
    )
    branch = layers.BatchNormalization()(branch)
    model = keras.Model(inputs, layers.Dense(1)(first + branch if added else branch))
    model.compile("adam", "mse")
    run = Run()
    look.look_at_model(run, model, {}, [])
    found = texts(model_rules.poor_initialization, run)
    assert ["weights of 'branch' are 0" in text for text in found] == [True] * (not added)


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


def test_predictions_that_follow_their_own_labels_are_not_broadcast():
    """Compared with the labels of a whole batch, all of them shrink to the mean of the labels."""
    suspicion = Finding("shapes_broadcast", "suspicion", "data", "(n,) and (n, 1).", "One shape.")
    y, noise = RANDOM.normal(size=(2, 300, 1))
    for prediction, severity in ((y + noise, "note"), (0.05 * y, "warning"), (noise, "warning")):
        run = Run(outputs=[Output("out", y=y, prediction=prediction, score=0.2)], gain=0.2)
        assert verdict.judge([suspicion], 0.2, True, run)[0].severity == severity


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


# ---- the same weights, no weight ----


@pytest.mark.parametrize("shared", [True, False])
def test_branches_of_one_initializer_with_a_seed(shared):
    one = keras.initializers.HeNormal(seed=1)
    inputs = keras.Input((4,))
    wide = [
        layers.Dense(8, kernel_initializer=one if shared else "he_normal")(inputs) for _ in range(3)
    ]
    chain = layers.Dense(8, kernel_initializer=one)(
        layers.Dense(8, kernel_initializer=one)(wide[0])
    )
    model = keras.Model(inputs, layers.Average()([*wide, chain]))
    run = Run()
    look._look_at_layers(run, model.layers)
    twins = look.twins_of(model.layers, run.kernels)
    reading = [layer.name for layer in model.layers[1:] if layer.input is inputs]
    assert twins == ([reading] if shared else [])
    run.twins = twins
    assert any("3 layers" in text for text in texts(model_rules.poor_initialization, run)) is shared


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_an_output_whose_loss_weighs_nothing(weight):
    inputs = keras.Input((4,))
    shared = layers.Dense(8, "relu")(inputs)
    outputs = {name: layers.Dense(1, name=name)(shared) for name in ("first", "second")}
    model = keras.Model(inputs, outputs)
    weights = {"first": 1.0, "second": weight}
    model.compile("adam", dict.fromkeys(outputs, "mse"), loss_weights=weights)
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    labels = {"first": X[:, :1], "second": X[:, 1:2]}
    model.fit(X, labels, epochs=4, verbose=0, callbacks=[diagnosis])
    found = [f.evidence for f in diagnosis.findings if f.symptom == "nothing_passes"]
    assert [("its loss weighs 0 in the sum" in text) for text in found] == [True] * (weight == 0)


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


def test_which_side_a_row_is_of_does_not_depend_on_the_order_of_the_rows():
    x = RANDOM.normal(size=(1500, 4))
    x[:, 0] += np.repeat([0, 3, 6], 500)
    other = x[RANDOM.permutation(1500)[:300]]
    assert scores.area_between(x, other) == pytest.approx(0.5, abs=0.1)


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


# ---- code of one's own ----


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


WORDS = np.where(np.arange(6) < RANDOM.integers(2, 6, (40, 1)), RANDOM.integers(1, 9, (40, 6)), 0)


@pytest.mark.parametrize(
    ("mask", "seen"),
    [
        (lambda x: (x != 0)[:, None, :], ""),
        (lambda x: (x != 0)[:, :, None], "has the shape (rows, 6, 1), and 6 steps"),
        (
            lambda x: ops.equal(x, 0)[:, None, :],
            "100% are padding (0), and it hides 100% of the others",
        ),
        (lambda x: ops.ones_like(x[:, None, :]), ""),
        (lambda x: None, ""),
    ],
)
def test_masks_of_attention(mask, seen):
    words = keras.Input((6,), dtype="int32")
    steps = layers.Embedding(9, 8)(words)
    attention = layers.MultiHeadAttention(2, 4, name="attention")
    told = layers.GlobalAveragePooling1D()(attention(steps, steps, attention_mask=mask(words)))
    model = keras.Model(words, layers.Dense(1)(told))
    model.compile("sgd", "mse")
    run = Run()
    run.attention_masks = look._attention_masks(model, WORDS)
    found = texts(data.hidden_by_mask, run)
    assert len(found) == bool(seen)
    assert all(seen in text and "'attention'" in text for text in found)


def test_one_step_that_is_read_needs_no_axis():
    ask, read = keras.Input((6, 8)), keras.Input((1, 8))
    told = layers.MultiHeadAttention(2, 4)(ask, read, attention_mask=ask[..., :1] > 0)
    x = [np.ones((4, 6, 8)), np.ones((4, 1, 8))]
    run = Run(attention_masks=look._attention_masks(keras.Model([ask, read], told), x))
    assert texts(data.hidden_by_mask, run) == []


@pytest.mark.parametrize(
    ("kind", "size", "seen"), [("uint8", 400, 1), ("uint8", 256, 0), ("int32", 400, 0)]
)
def test_numbers_of_more_things_than_their_type_holds(kind, size, seen):
    numbers = np.arange(1200).reshape(-1, 1) % size
    model = keras.Sequential([keras.Input((1,), dtype="int32"), layers.Embedding(size, 2)])
    model.add(layers.Flatten())
    model.compile("sgd", "mse")
    x = numbers.astype(kind)
    run = Run(inputs={"the input": x})
    run.embedded = look._embedded(model, model.layers, x)
    found = texts(data.numbers_wrapped_around, run)
    assert len(found) == seen
    if seen:
        assert "ends at 255" in found[0] and "has 400 rows: those from 256 on" in found[0]


class Module:
    """What is no layer, and holds a variable of TensorFlow's."""

    def __init__(self):
        self.kernel = tf.Variable(tf.ones((4, 3)))


class Trunk(layers.Layer):
    def __init__(self, inner, **options):
        super().__init__(**options)
        self.inner = inner

    def call(self, x):
        return x @ self.inner.kernel


def test_weights_in_a_module_that_is_no_layer():
    inner = layers.Dense(3)
    inner.build((None, 4))
    for kept, seen in ((Module(), 1), (inner, 0)):
        assert len(own_code.untracked_by([Trunk(kept, name="trunk")])) == seen
    ((name, what),) = own_code.untracked_by([Trunk(Module(), name="trunk")])
    assert name == "trunk" and what.startswith("'inner.kernel' (4, 3) as a variable")


def test_a_divergence_that_vanishes_is_an_empty_code():
    run = Run(history={"loss": [3.0, 2.0], "kl_loss": [0.8, 1e-4], "val_kl_loss": [0.8, 1e-4]})
    (text,) = texts(training.divergence_vanished, run)
    assert text.startswith("kl_loss fell from 0.8 to 0.0001")
    for values in ([0.8, 3.5], [1e-4, 2e-3], [9.0, 0.5], [np.nan, 1e-4]):
        assert texts(training.divergence_vanished, Run(history={"kl_loss": values})) == []
    assert texts(training.divergence_vanished, Run(history={"kludge": [0.8, 1e-4]})) == []


def test_what_was_not_measured_stands_far_from_what_was():
    measured = RANDOM.normal(1.4, 0.2, (200, 1))
    filled = np.where(np.arange(200)[:, None] % 3, measured, 0)
    (text,) = texts(data.labels_filled_in, Run(outputs=[Output("out", y=filled)]))
    assert "are exactly 0" in text
    rain = np.where(np.arange(200)[:, None] % 3, RANDOM.exponential(1.0, (200, 1)), 0)
    assert texts(data.labels_filled_in, Run(outputs=[Output("out", y=rain)])) == []


def test_a_slope_behind_the_last_weights_is_that_of_the_loss():
    for last, change in ((np.nan, "loss"), (1.0, None)):
        run = Run(losses=np.array([0.4, np.nan]), layer_names=["first", "out"])
        run.norms, run.non_finite_at = np.array([[np.nan, last], [np.nan] * 2]), (1, np.nan)
        run.outputs = [Output("out", loss="custom", layer="out")]
        (seen,) = training.infinite_slope(run)
        assert seen.change == change


@pytest.mark.parametrize("columns", [3, 2])
def test_a_class_without_a_column(columns):
    y = np.eye(3)[np.arange(90) % 3][:, :columns]
    kind = "onehot" if columns == 3 else "multilabel"
    out = Output("out", loss="categorical_crossentropy", y=y, kind=kind, units=columns)
    out.activation = "softmax"
    run = Run(outputs=[out], num_rows=90)
    found = texts(data.label_problem, run)
    said = "33% of the label rows of the output are all 0"
    assert [said in text for text in found] == [True] * (columns == 2)
    out.label_shape = (5, columns)
    assert [seen.severity for seen in data.label_problem(run)] == ["note"] * (columns == 2)
    assert texts(model_rules.unsuitable_output_activation, run) == []
    out.y = np.maximum(y, np.roll(y, 1, axis=1))  # several labels a row
    out.kind = "multilabel"
    assert texts(data.label_problem, run) == []
    assert len(texts(model_rules.unsuitable_output_activation, run)) == 1


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


@pytest.mark.parametrize(("size", "said"), [(1, True), (2, False)])
def test_a_layer_that_divides_one_value_by_itself(size, said):
    layer = layers.UnitNormalization(name="unit")
    model = keras.Sequential([keras.Input((5, size)), layer, layers.Flatten(), layers.Dense(1)])
    run = Run()
    look.look_at_model(run, model, {}, [])
    found = texts(model_rules.one_value_normalized, run)
    assert ["only the sign passes" in text for text in found] == [True] * said
    x = RANDOM.normal(size=(4, 5, size)).astype("float32")
    assert np.allclose(layer(x), np.sign(x), atol=1e-3) is said


@pytest.mark.parametrize(("edges", "said"), [([50.0, 60.0], True), ([-1.0, 1.0], False)])
def test_bins_that_all_values_fall_in_one_of(edges, said):
    model = keras.Sequential([keras.Input((4,)), layers.Discretization(bin_boundaries=edges)])
    model.add(layers.Embedding(3, 2, name="table"))
    model.add(layers.Flatten())
    run = Run()
    look.look_at_data(run, model, Rows(X, X[:, 0]), [])
    found = texts(data.invalid_inputs, run)
    assert ["all that 'table' is given is the number 0" in text for text in found] == [True] * said


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


@pytest.mark.parametrize(("of_steps", "ignored"), [(False, 0), (True, 0), (False, -1)])
def test_a_class_of_rows_that_the_loss_leaves_out(of_steps, ignored):
    y = RANDOM.integers(0, 3, (64, 4) if of_steps else 64)
    if ignored < 0:
        y[:20] = ignored
    out = layers.Dense(3, "softmax")
    parts = [layers.Reshape((4, 1)), out] if of_steps else [out]
    model = keras.Sequential([keras.Input((4,)), *parts])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(ignore_class=ignored))
    run = Run()
    look.look_at_data(run, model, Rows(X, y), [])
    found = [text for text in texts(data.label_problem, run) if "ignore_class" in text]
    told = ignored == 0 and not of_steps
    assert len(found) == told and len(run.outputs[0].y) == (64 if told else np.sum(y != ignored))
    if told:
        assert found[0].startswith(
            f"{np.mean(y == 0):.0%} of the rows of the output are of class 0"
        )


@pytest.mark.parametrize("loss", ["mean_squared_error", "huber"])
def test_few_targets_far_from_all_others(loss):
    y = np.exp(2 * RANDOM.normal(size=(1000, 1)))  # a long tail is no gap
    out = Output("out", loss=loss, y=y)
    assert texts(data.targets_far_out, Run(outputs=[out])) == []
    y[[3, 7]] = 1e6
    found = texts(data.targets_far_out, Run(outputs=[out]))
    assert len(found) == (loss == "mean_squared_error")
    if found:
        assert found[0].startswith("2 of 1000 targets of the output lie 1e+06 and more")
        assert np.square(y - 1).sum() < 1.001 * 2 * 1e6**2  # what the error is about


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


def test_whole_numbers_as_floats_are_classes_to_a_loss_of_ones_own():
    y = RANDOM.integers(0, 5, (64, 1)).astype("float32")
    out = Output("out", units=5, shape=(5,), activation="softmax", loss="custom")
    assert label_kind(y, out)[1] == "sparse"
    assert label_kind(y + 0.5, out)[1] == "regression"


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


@pytest.mark.parametrize("exchanged", [True, False])
@pytest.mark.parametrize("columns", [True, False])
def test_targets_that_are_exchanged_on_one_side(exchanged, columns):
    y = RANDOM.normal(size=(80, 2))
    guess = y + 0.1 * RANDOM.normal(size=y.shape)
    there = y[:, ::-1] if exchanged else y
    parts = (
        [(there, guess)]
        if columns
        else [(there[:, :1], guess[:, :1]), (there[:, 1:], guess[:, 1:])]
    )
    outs = [
        Output(f"out {i}", alone=columns, y=y, validation_y=a, validation_prediction=b)
        for i, (a, b) in enumerate(parts)
    ]
    found = texts(split.outputs_exchanged, Run(outputs=outs))
    assert len(found) == exchanged
    if exchanged:
        names = ("column 0 of the output", "column 1 of the output")
        names = names if columns else ("output 'out 0'", "output 'out 1'")
        assert (
            f"of {names[0]} those of {names[1]} ({np.corrcoef(guess[:, 0], y[:, 0])[0, 1]:.2f})"
            in found[0]
        )


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


@pytest.mark.parametrize(("simple", "own", "beaten"), [(0.95, 0.78, True), (0.8, 0.78, False)])
def test_a_simple_model_that_does_far_better_makes_a_good_score_a_poor_one(simple, own, beaten):
    out = Output("out", kind="sparse", score=own, trivial=0.1, gain=0.75, prediction=X)
    out.simple, out.validation_score = (simple, "the nearest rows", own), own
    run = Run(outputs=[out], gain=0.75, held_out_gain=0.75, has_validation=True)
    assert verdict.headline([], run)[0] == ("disappoints" if beaten else "healthy")
    found = Finding("learning_rate_too_low", "suspicion", "learning_rate", "Seen.", "Do.")
    (decided,) = verdict.judge([found], 0.75, True, run)
    assert decided.severity == ("warning" if beaten else "note")


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


def test_the_pace_is_that_of_the_output_that_does_worst():
    outs = [Output("good", gain=0.9, score=0.9), Output("bad", gain=0.4, score=0.4)]
    run = Run(outputs=outs, gain=0.4, epoch_losses=list(np.geomspace(4, 1, 8)))
    run.history = {"bad_loss": [0.7] * 8, "good_loss": list(np.geomspace(3, 0.3, 8))}
    assert texts(at_end.stopped_too_soon, run) == []
    run.history["bad_loss"] = list(np.geomspace(0.7, 0.3, 8))
    assert len(texts(at_end.stopped_too_soon, run)) == 1


def test_layers_that_two_networks_share_are_there_once():
    inputs = keras.Input((4,))
    features = layers.Dense(3, name="shared")(inputs)
    student, teacher = keras.Model(inputs, features), keras.Model(inputs, features)
    both = keras.Model(inputs, layers.Add()([student(inputs), teacher(inputs)]))
    assert [layer.name for layer in graph.flat_layers(both)].count("shared") == 1


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


@pytest.mark.parametrize(("optimizer", "weight"), [("SGD", 1e-3), ("SGD", 1.0), ("Adam", 1e-3)])
def test_rows_so_light_that_steps_are_none(optimizer, weight):
    run = Run(optimizer=optimizer, learning_rate=0.1, weights=np.full(50, weight))
    step, remedy, _ = at_end._another_step(run)
    is_light = (optimizer, weight) == ("SGD", 1e-3)  # Adam divides by the size of the gradient
    assert ("of rows that weigh 0.001 on average" in step) is is_light
    assert (remedy == "Divide the sample weights by their mean.") is is_light


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


@pytest.mark.parametrize("axis", [None, -1])
def test_a_normalization_that_scales_all_columns_as_one(axis):
    x = np.concatenate([X, 1e4 * X[:, :1] + 3e4], axis=1)
    scaling = layers.Normalization(axis=axis, name="scaling")
    scaling.adapt(x)
    model = keras.Sequential([keras.Input((5,)), scaling, layers.Dense(1)])
    run = Run()
    look.look_at_data(run, model, Rows(x, X[:, 0]), [])
    found = texts(data.scaled_by_layer, run)
    assert ["'scaling' scales all columns alike" in text for text in found] == [True] * (
        axis is None
    )
    if found:
        spreads = np.asarray(scaling(x)).std(axis=0)
        assert f"{spreads.max() / np.median(spreads):.3g} times" in found[0]


def test_rows_that_a_recurrent_layer_runs_along():
    inputs = keras.Input((6, 4))
    turned = layers.LSTM(8, return_sequences=True)(ops.transpose(inputs, (1, 0, 2)))
    along = keras.Model(inputs, ops.transpose(turned, (1, 0, 2))[:, -1])
    beside = keras.Model(inputs, layers.LSTM(8)(inputs))
    x = RANDOM.normal(size=(64, 6, 4)).astype("float32")
    assert passes.company(along, x)["alone"] > 0.1 > passes.company(beside, x)["alone"]
    alone = np.asarray(along(x[32:40]))  # the first of these has lost the rows before it
    assert np.abs(alone[0] - np.asarray(along(x))[32]).max() > 1e-2


def test_names_of_vectors_are_not_broadcast():
    step = Output("out", loss="own step", shape=(8,), label_shape=(), units=8, y=X[:, :1])
    assert texts(model_rules.shapes_broadcast, Run(outputs=[step], own_step=True)) == []
    step.shape, step.units = (1,), 1
    assert len(texts(model_rules.shapes_broadcast, Run(outputs=[step], own_step=True))) == 1


@pytest.mark.parametrize(("names", "vectors"), [({"matmul"}, True), ({"compute_loss"}, False)])
def test_a_step_whose_outputs_no_score_compares_with_labels(names, vectors):
    out = Output("out", loss="own step", y=X[:, :1])
    run = Run(own_step=True, outputs=[out], step_names=names)
    assert run.gives_vectors is vectors
    run.gain = 0.5
    assert run.gives_vectors is False


@pytest.mark.parametrize(("momentum", "said"), [(0.1, True), (0.99, False)])
def test_a_momentum_that_keeps_the_last_batch_only(momentum, said):
    out = Output("out", y=X[:, :1], gain=0.2, score=0.2, training_score=0.9, trivial=0.0)
    run = Run(outputs=[out], batch_norms={"norm": momentum}, losses=np.ones(300), gain=0.2)
    (seen,) = training.moving_averages_behind(run)
    assert ("90% of them is what the last batch had" in seen.evidence) is said
    assert ("PyTorch's 0.1 is 0.9 here" in seen.remedy) is said


@pytest.mark.parametrize(("every", "momentum", "said"), [(1, 0.99, True), (100, 0.9, False)])
def test_an_average_that_is_written_over_the_weights_as_they_learn(every, momentum, said):
    options = {"use_ema": True, "ema_momentum": momentum, "ema_overwrite_frequency": every}
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, **options), "mse")
    run = Run(losses=np.ones(400))
    look.look_at_model(run, model, {}, [])
    found = texts(training.averaged_weights_behind, run)
    assert ["is left (ema_momentum" in text for text in found] == [True] * said
    kept = 1 - momentum**every
    assert not said or f"{kept:.1%} is left" in found[0]


@pytest.mark.parametrize("over", ["channels", "rows"])
def test_places_that_are_standardized_over_their_own_channels(over):
    x = RANDOM.uniform(0, 255, (32, 5, 5, 3)).astype("float32")
    axis = -1 if over == "channels" else (0, 1, 2)
    x = (x - x.mean(axis=axis, keepdims=True)) / x.std(axis=axis, keepdims=True)
    found = texts(data.channels_scaled_one_by_one, Run(inputs={"the input": x}))
    assert ["over its own 3 channels" in text for text in found] == [True] * (over == "channels")
    assert texts(data.channels_scaled_one_by_one, Run(inputs={"the input": 0 * x})) == []


@pytest.mark.parametrize(("factor", "left", "why"), [(1e-4, 0.01, True), (0.1, 0.01, False)])
def test_weights_that_nothing_but_a_small_penalty_moves(factor, left, why):
    run = Run(kernels={"dense": X}, penalized={"dense": factor})
    run.kernel_norms = {"dense": left * float(np.linalg.norm(X))}
    (seen,) = training.penalty_too_strong(run)
    assert seen.severity == "warning" and ("nothing else moves the weights" in seen.evidence) is why
    run.kernel_norms = {"dense": 0.2 * float(np.linalg.norm(X))}
    (seen,) = training.penalty_too_strong(run)
    assert seen.severity is None


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


def test_a_lambda_is_cloned_with_the_names_that_it_reads():
    factor = 3.0
    inputs = keras.Input((4,))
    outputs = layers.Lambda(lambda x: factor * x[:, :1], output_shape=(1,), name="first")(inputs)
    model = keras.Model(inputs, layers.Dense(1)(outputs))
    model.compile("sgd", "mse")
    copy = clones.clone_of(model)()
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(copy(X[:5]), model(X[:5]))
    assert copy.get_layer("first") is not model.get_layer("first")


class Affine(layers.Layer):
    """Multiply and add, and nothing more."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 8))

    def call(self, x):
        return ops.matmul(x, self.kernel)


class Bent(Affine):
    """With a rectifier."""

    def call(self, x):
        return ops.relu(super().call(x))


@pytest.mark.parametrize("output", ["linear", "sigmoid", "softmax"])
@pytest.mark.parametrize("hidden", ["linear", "relu"])
def test_a_network_of_layers_of_ones_own_that_is_linear(hidden, output):
    keras.utils.set_random_seed(0)
    bent = Bent() if hidden == "relu" else Affine()
    model = keras.Sequential([keras.Input((4,)), Affine(), bent, Affine()])
    model.add(layers.Dense(2, activation=output))
    bend = passes.bend(model, X, output)
    assert bend < 1e-4 if hidden == "linear" else bend > 1e-2
    out = Output("out", gain=0.1, simple=(0.9, "the nearest rows", 0.1))
    found = texts(at_end.network_is_linear, Run(outputs=[out], bend=bend, gain=0.1))
    assert len(found) == (hidden == "linear")
    assert passes.bend(keras.Sequential([keras.Input((4,)), layers.Dense(1)]), X, "linear") is None
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "relu"), layers.Dense(1)])
    model.layers[0].bias.assign([-99.0] * 3)  # dead: that is no missing activation
    assert passes.bend(model, X, "linear") is None


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


@pytest.mark.parametrize(("bins", "said"), [(3, True), (400, False)])
def test_kinds_that_become_few(bins, said):
    x = RANDOM.integers(0, 90, (300, 4))
    model = keras.Sequential([keras.Input((4,), dtype="int64"), layers.Hashing(bins)])
    model.add(layers.Embedding(bins, 2))
    run = Run(inputs={"the input": x}, embedded=look._embedded(model, model.layers, x))
    found = texts(data.kinds_become_few, run)
    assert ["The 90 different numbers of the input are 3" in t for t in found] == [True] * said


@pytest.mark.parametrize(("kept", "said"), [(2, True), (5, False), (None, False)])
def test_texts_that_are_cut_off(kept, said):
    given = np.array(["one two three four five", "six seven eight nine ten", "one two"], object)
    layer = layers.TextVectorization(output_sequence_length=kept, name="words")
    layer.adapt(given)
    run = Run(cut_texts=look._cut_texts([layer], given))
    found = texts(parts.texts_cut_off, run)
    expected = "'words' keeps the first 2 words of each text; half of the texts have 5 or more."
    assert found == [expected] * said


@pytest.mark.parametrize(("size", "said"), [(2, True), (6, False)])
def test_what_a_crop_takes_away(size, said):
    x = np.random.default_rng(0).normal(size=(300, 6, 6, 1)).astype("float32")
    y = (x[:, :1, 0, 0] > 0).astype("float64")  # told by a corner
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.CenterCrop(size, size, name="crop")])
    model.add(layers.Flatten())
    model.add(layers.Dense(1, activation="sigmoid"))
    out = Output("out", kind="binary", y=y, prediction=np.full((300, 1), 0.5))
    run = Run(inputs={"the input": x}, table=x, outputs=[out], gain=0.0)
    run.cut_tells = front.cut_tells(run, model, x)
    assert run.cut_tells[0] == "crop"
    found = texts(parts.inputs_cut_off, run)
    assert ["it takes away what decides" in text for text in found] == [True] * said


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
    assert len(texts(data.one_target_of_many, Run(outputs=[out]))) == said
    out.y = (y != 0).astype("float64")  # rows of classes
    assert texts(data.one_target_of_many, Run(outputs=[out])) == []


@pytest.mark.parametrize(("level", "said"), [(2.0, True), (0.0, False)])
def test_a_class_that_the_loss_leaves_out_is_one_to_be_told(level, said):
    labels = RANDOM.integers(0, 3, (20, 6, 6))
    x = RANDOM.normal(size=(20, 6, 6, 2)) + level * (labels == 0)[..., None]
    out = Output("out", kind="sparse", units=3, ignored=0, known=labels != 0, y=labels[labels > 0])
    run = Run(inputs={"the input": x}, outputs=[out])
    found = texts(data.ignored_class_is_one, run)  # else it is any place that nobody has labelled
    assert ["The loss leaves out class 0" in text for text in found] == [True] * said
    out.ignored = 255
    assert texts(data.ignored_class_is_one, run) == []


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


class Weighed(layers.Layer):
    """Add up along an axis."""

    def __init__(self, axis, **options):
        super().__init__(**options)
        self.axis = axis

    def call(self, x):
        return ops.sum(x, axis=self.axis)


@pytest.mark.parametrize(("axis", "said"), [(2, True), (1, False)])
def test_a_layer_that_adds_up_features_and_keeps_the_steps(axis, said):
    inputs = keras.Input((7, 3))
    model = keras.Model(inputs, layers.Dense(1)(Weighed(axis, name="weighed")(inputs)))
    run = Run()
    graph.look_at_operations(run, model)
    found = texts(model_rules.features_added_up, run)
    assert (
        found[:1]
        == [
            "'weighed' takes 7 steps of 3 features and gives 7 numbers, which a Dense "
            "layer reads: the features are added up, and the steps stay."
        ]
        * said
    )


def test_a_mark_is_no_code_for_missing_values():
    x = RANDOM.uniform(0, 0.5, (100, 8, 2)).astype("float32")
    x[np.arange(100), RANDOM.integers(0, 8, 100), 1] = 9
    assert texts(data.missing_values_coded, Run(inputs={"the input": x})) == []
    x[0, 0, 1], x[0, 1, 1] = 9, 9  # some rows have several, others none
    assert len(texts(data.missing_values_coded, Run(inputs={"the input": x}))) == 1


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
    out.prediction = out.validation_prediction = np.zeros((100, 1))
    run = Run(outputs=[out], table=x[:300], validation_table=x[300:])
    (seen,) = leaks.repeats_last_value(run)
    assert ("the series has moved on" in seen.evidence) is said


@pytest.mark.parametrize(("scale", "said"), [(500.0, True), (1.0, False)])
def test_a_column_of_targets_that_outweighs_another(scale, said):
    x = np.random.default_rng(0).normal(size=(400, 3))
    y = x[:, :2] * [scale, 1.0]
    out = Output("out", y=y, prediction=y * [1.0, 0.0], gain=0.99)
    found = texts(loss_rules.one_column_outweighs, Run(table=x, outputs=[out]))
    assert ["the loss is about the first" in text for text in found] == [True] * said
    out.prediction = y
    assert texts(loss_rules.one_column_outweighs, Run(table=x, outputs=[out])) == []


@pytest.mark.parametrize(("strides", "unseen"), [(2, True), (1, False)])
def test_lines_of_images_that_no_kernel_reads(strides, unseen):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 1, strides=strides)])
    model.add(layers.Flatten())
    model.add(layers.Dense(1))
    images = RANDOM.normal(size=(32, 8, 8, 1)).astype("float32")
    seen = passes.effects(model, images)
    assert seen["the even lines of the images"] > 0.1
    assert (seen["the odd lines of the images"] == 0) is unseen


# ---- what layers hand on, share and keep ----


class Doubled(layers.Layer):
    """Doubles what it is given, and hands its mask on or not."""

    def __init__(self, hands_on):
        super().__init__(name="doubled")
        self.supports_masking = hands_on

    def call(self, x):
        return 2 * x


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


def test_a_mask_that_is_lost_beside_the_layer_that_reads_it():
    inputs = keras.Input((6,))
    words = layers.Embedding(9, 4, mask_zero=True)(inputs)
    read = layers.LSTM(3, name="lstm")(words)
    model = keras.Model(inputs, [read, Doubled(False)(words)])
    assert graph.loses_mask(graph.flat_layers(model), ["lstm"]) is None


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("steps", [1, 7])
def test_one_table_for_two_inputs(shared, steps):
    inputs = [keras.Input((steps,), dtype="int32", name=name) for name in ("user", "film")]
    tables = [layers.Embedding(9, 4)] * 2 if shared else [layers.Embedding(9, 4) for _ in "ab"]
    vectors = [layers.Flatten()(table(x)) for table, x in zip(tables, inputs, strict=True)]
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(vectors)))
    run = Run(gain=0.3, shared_tables=graph.shared_tables(model, graph.flat_layers(model)))
    found = texts(parts.one_table_for_two_inputs, run)
    is_said = shared and steps == 1  # two texts are read by one table
    assert ["looks up the inputs 'user', 'film'" in text for text in found] == [True] * is_said


@pytest.mark.parametrize("frozen", ["head", "front", "none"])
def test_the_last_layer_is_frozen(frozen):
    front, head = layers.Dense(8, "relu"), layers.Dense(1, name="head")
    front.trainable, head.trainable = frozen != "front", frozen != "head"
    model = keras.Sequential([keras.Input((4,)), front, head])
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    model.fit(X, RANDOM.normal(size=(64, 1)), epochs=1, verbose=0, callbacks=[diagnosis])
    found = texts(at_end.frozen_head, diagnosis._run)
    assert ["The last layer, 'head', is frozen" in text for text in found] == [True] * (
        frozen == "head"
    )


@pytest.mark.parametrize("size", [0.05, 5.0])
def test_positions_that_outweigh_the_words(size):
    x = RANDOM.integers(0, 30, (100, 12))
    places = keras.ops.convert_to_tensor(size * RANDOM.normal(size=(12, 8)), "float32")
    inputs = keras.Input((12,))
    words = layers.Embedding(30, 8, name="words")(inputs)
    moved = layers.Lambda(lambda vectors: vectors + places, name="places")(words)
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(moved)))
    run = Run(gain=0.1, row_shares=passes.row_shares(model, graph.flat_layers(model), x))
    known = np.asarray(model.get_layer("words").embeddings)[x]
    share = known.var(axis=0).mean() / (known + np.asarray(places)).var(axis=(0, 1)).mean()
    assert run.row_shares["places"] == pytest.approx(share, rel=1e-3)
    found = texts(parts.positions_outweigh, run)
    assert ["'places' gives" in text for text in found] == [True] * (size == 5.0)


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


@pytest.mark.parametrize(("high", "activation"), [(255, "sigmoid"), (1, "sigmoid"), (255, "relu")])
def test_bytes_as_labels_of_a_loss_of_ones_own(high, activation):
    y = high * RANDOM.integers(0, 2, (400, 1)).astype("float64")
    out = Output("out", loss="custom", y=y, kind="regression", activation=activation, units=1)
    found = texts(data.label_problem, Run(outputs=[out]))
    is_said = high == 255 and activation == "sigmoid"
    assert ["are 0 and 255; its sigmoid gives 0 to 1" in text for text in found] == [True] * is_said


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


@pytest.mark.parametrize("knows_gaps", [True, False])
def test_labels_that_are_not_known_are_left_out_of_a_losses_own_yardstick(knows_gaps):
    def squared_error(y, p):
        there = ops.logical_not(ops.isnan(y))
        error = ops.where(there, ops.where(there, y, 0.0) - p, 0.0)
        return ops.sum(error**2, axis=-1) / ops.maximum(ops.sum(ops.cast(there, p.dtype), -1), 1)

    random = np.random.default_rng(0)
    right = random.normal(50, 1, (400, 3))
    y = np.where(random.random(right.shape) < 0.5, np.nan, right) if knows_gaps else right
    out = Output("out", loss="custom", function=squared_error, y=y, units=3, shape=(3,))
    skill, _ = skill_of(out, right)
    assert skill == pytest.approx(1)  # with gaps taken for 0 the right answer costs 1250


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


# ---- two units, averaged maps, filled rows, modes ----


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
    ("lengths", "told"), [((5, 60), True), ((5, 20), False), ((20, 60), False)]
)
def test_rows_that_are_filled_to_the_end(lengths, told):
    random = np.random.default_rng(0)
    x = np.zeros((300, 20), int)
    for row, length in zip(x, random.integers(*lengths, 300), strict=True):
        row[:length] = random.integers(1, 50, min(length, 20))
    out = Output("out", kind="binary", gain=0.2, simple=(0.55, "a linear model", 0.55))
    run = Run(inputs={"the input": x}, outputs=[out], has_ids=True, gain=0.2)
    assert [("longer ones were cut" in t) for t in texts(parts.rows_filled_to_the_end, run)] == [
        True
    ] * told
    out.simple = (0.9, "a linear model", 0.55)  # the rows tell enough
    assert texts(parts.rows_filled_to_the_end, run) == []


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
