"""Kinds of faults in models and layers, and what is looked at: planted, and their twins."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from callbacks.diagnosis import Diagnosis, clones, front, graph, look, own_code, passes
from callbacks.diagnosis import rules_of_data as data
from callbacks.diagnosis import rules_of_labels as label_rules
from callbacks.diagnosis import rules_of_model as model_rules
from callbacks.diagnosis import rules_of_parts as parts
from callbacks.diagnosis import rules_of_scores as at_end
from callbacks.diagnosis import rules_of_split as split
from callbacks.diagnosis import rules_of_training as training
from callbacks.diagnosis.own_loss import in_own_terms, properties_of, skill_of
from callbacks.diagnosis.rows import Rows, counted, first_line
from callbacks.diagnosis.run import Output, Run
from callbacks.diagnosis.target import label_kind
from tests.planted import Doubled, blamed, given_only, settled, texts

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")


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


def test_an_error_is_told_in_one_line_without_what_names_places_inside():
    error = ValueError("{{function_node __wrapped__Op_device_/job:a/cpu:0}} Labels of 9\nmore")
    assert first_line(error) == "ValueError: Labels of 9"
    assert len(first_line(ValueError("word " * 90))) <= 150
    stack = 'Graph execution error:\n\nDetected at node loss\n  File "a.py", line 3\nLabel 9\n'
    assert first_line(ValueError(stack + "\t [[{{node loss}}]]")) == "ValueError: Label 9"
    keras_own = "Exception encountered when calling Dense.call().\n\n\x1b[1mShapes differ.\x1b[0m"
    assert first_line(ValueError(keras_own)) == "ValueError: Shapes differ."


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


def test_several_labels_need_sigmoids_and_their_loss():
    y = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    out = Output("out", loss="categorical_crossentropy", y=y, kind="multilabel", units=3)
    out.activation, out.layer = "softmax", "genres"
    (seen,) = model_rules.unsuitable_output_activation(Run(outputs=[out]))
    assert "activation='sigmoid' and compile with loss='binary_crossentropy'" in seen.remedy


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
    assert "No prediction depends on the first half" in text
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


def test_dropout_inside_of_a_recurrent_layer_is_seen():
    model = keras.Sequential([keras.Input((5, 2)), layers.LSTM(4, dropout=0.9, name="memory")])
    model.compile("adam", "mse")
    run = Run()
    look.look_at_model(run, model, {}, [])
    assert run.dropout == {"memory": pytest.approx(0.9)}


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


def test_rows_that_weigh_next_to_nothing_leave_the_sample():
    x, y = np.arange(100.0), RANDOM.normal(size=100)
    weights = np.where(np.arange(100) < 40, 0.01, 1.0)
    assert np.array_equal(counted(Rows(x, y, weights)).x, x[40:])
    half = np.where(np.arange(100) < 40, 0.5, 1.0)
    rare = np.where(np.arange(100) < 99, 0.01, 1.0)  # of balanced classes: no row is light
    for balanced in (half, rare):
        assert len(counted(Rows(x, y, balanced))) == 100


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


def test_variables_in_a_list():
    trunk = Trunk([tf.Variable(tf.ones((4, 3))), tf.Variable(tf.ones((3,)))], name="trunk")
    ((_, first), (_, second)) = own_code.untracked_by([trunk])
    assert first.startswith("'inner[0]' (4, 3) as a variable")
    assert second.startswith("'inner[1]' (3,) as a variable")
    assert own_code.untracked_by([Trunk([3, "relu"])]) == []
    penalized = Trunk(3)
    penalized.add_loss(tf.ones((4,)))  # Keras keeps it in a list of its own
    assert own_code.untracked_by([penalized]) == []


def test_weights_in_a_module_that_is_no_layer():
    inner = layers.Dense(3)
    inner.build((None, 4))
    for kept, seen in ((Module(), 1), (inner, 0)):
        assert len(own_code.untracked_by([Trunk(kept, name="trunk")])) == seen
    ((name, what),) = own_code.untracked_by([Trunk(Module(), name="trunk")])
    assert name == "trunk" and what.startswith("'inner.kernel' (4, 3) as a variable")


class Experts:
    """What is no layer, and holds layers of Keras."""

    def __init__(self):
        self.each = [layers.Dense(3) for _ in range(2)]


class Mixture(layers.Layer):
    def __init__(self, listed):
        super().__init__(name="mixture")
        self.experts = Experts()
        self.bias = self.add_weight(shape=(3,))
        if listed:
            self.parts = self.experts.each

    def call(self, x):
        return sum(expert(x) for expert in self.experts.each) + self.bias


@pytest.mark.parametrize("listed", [False, True])
def test_layers_in_an_object_that_is_no_layer(listed):
    model = keras.Sequential([keras.Input((4,)), Mixture(listed), layers.Dense(1)])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
    x = RANDOM.normal(size=(64, 4))
    before = [expert.get_weights()[0] for expert in model.layers[0].experts.each]
    model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[diagnosis])
    after = [expert.get_weights()[0] for expert in model.layers[0].experts.each]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True)) is not listed
    found = texts(model_rules.untracked_weights, diagnosis._run)
    assert len(found) == (0 if listed else 2)
    assert all("keeps the layer 'experts.each[" in text for text in found)


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
    found = [text for text in texts(label_rules.label_problem, run) if "ignore_class" in text]
    told = ignored == 0 and not of_steps
    assert len(found) == told and len(run.outputs[0].y) == (64 if told else np.sum(y != ignored))
    if told:
        assert found[0].startswith(
            f"{np.mean(y == 0):.0%} of the rows of the output are of class 0"
        )


def test_whole_numbers_as_floats_are_classes_to_a_loss_of_ones_own():
    y = RANDOM.integers(0, 5, (64, 1)).astype("float32")
    out = Output("out", units=5, shape=(5,), activation="softmax", loss="custom")
    assert label_kind(y, out)[1] == "sparse"
    assert label_kind(y + 0.5, out)[1] == "regression"


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


def test_layers_that_two_networks_share_are_there_once():
    inputs = keras.Input((4,))
    features = layers.Dense(3, name="shared")(inputs)
    student, teacher = keras.Model(inputs, features), keras.Model(inputs, features)
    both = keras.Model(inputs, layers.Add()([student(inputs), teacher(inputs)]))
    assert [layer.name for layer in graph.flat_layers(both)].count("shared") == 1


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


@pytest.mark.parametrize(("kept", "said"), [(2, True), (5, False), (None, False)])
def test_texts_that_are_cut_off(kept, said):
    given = np.array(["one two three four five", "six seven eight nine ten", "one two"], object)
    layer = layers.TextVectorization(output_sequence_length=kept, name="words")
    layer.adapt(given)
    run = Run(cut_texts=look._cut_texts([layer], given))
    found = texts(parts.texts_cut_off, run)
    expected = "'words' keeps the first 2 words of each text; half of the texts have 5 or more."
    assert found == [expected] * said


def text_model(layer):
    inputs = keras.Input((1,), dtype="string")
    outputs = layers.Dense(1)(layers.Flatten()(layers.Embedding(99, 2)(layer(inputs))))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    return model


def looked_at(model, x, y):
    """Run of a model with texts, as it is before training."""
    run, left_out = Run(), []
    look.look_at_model(run, model, {}, left_out)
    look.look_at_data(run, model, Rows(x, y, len(y)), left_out)
    assert left_out == []
    return run


@pytest.mark.parametrize(("blanks", "said"), [(False, True), (True, False)])
def test_texts_that_are_one_word_each(blanks, said):
    """Within the model it is told of the numbers that the network is given."""
    letters = np.random.default_rng(0).choice(list("abcdefgh"), (50, 24))
    given = np.array([[(" " if blanks else "").join(row)] for row in letters], object)
    layer = layers.TextVectorization(90, output_sequence_length=30, name="words")
    layer.adapt(given)
    run = looked_at(text_model(layer), given, np.zeros((50, 1)))
    np.testing.assert_array_equal(run.inputs["the input"], layer(given))
    found = texts(parts.texts_of_one_word, run)
    assert ["hold one number, and 0 in their other 29 steps" in text for text in found] == (
        [True] * said
    )


@pytest.mark.parametrize(("size", "said"), [(3, True), (None, False)])
def test_texts_whose_words_are_unknown(size, said):
    words = np.random.default_rng(0).choice([f"word{n}" for n in range(50)], (64, 12))
    given = np.array([[" ".join(row)] for row in words], object)
    layer = layers.TextVectorization(size, output_sequence_length=12, name="words")
    layer.adapt(given)
    run = looked_at(text_model(layer), given, np.zeros((64, 1)))
    found = texts(data.invalid_inputs, run)
    assert ["are the number 1: does it stand for" in text for text in found] == [True] * said


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("write", "unknown"), [(str, 0), (str.upper, 1), ("{} ".format, 1), ("", 0.5)]
)
def test_categories_that_a_lookup_does_not_know(write, unknown, named):
    """Written otherwise, all or every other one, in a table of texts and numbers."""
    city = np.random.default_rng(0).choice(["rome", "oslo", "bern"], 60).tolist()
    if unknown == 0.5:
        city = [name.title() if row % 2 else name for row, name in enumerate(city)]
    else:
        city = list(map(write, city))
    size = RANDOM.normal(size=(60, 2)).astype("float32")
    inputs = {
        "town": keras.Input((1,), dtype="string", name="town"),
        "size": keras.Input((2,), name="size"),
    }
    lookup = layers.StringLookup(
        vocabulary=["rome", "oslo", "bern"], output_mode="one_hot", name="towns"
    )
    joined = layers.Concatenate()([lookup(inputs["town"]), inputs["size"]])
    given = inputs if named else list(inputs.values())
    model = keras.Model(given, layers.Dense(1)(joined))
    model.compile("sgd", "mse")
    column = np.array(city, object)[:, None]
    x = {"town": column, "size": size} if named else [column, size]
    run = looked_at(model, x, np.zeros((60, 1)))
    assert run.all_are_numbers and len(run.inputs) == 2
    found = [(seen.evidence, seen.severity) for seen in data.words_not_known(run)]
    example = repr(city[1] if unknown == 0.5 else city[0])
    share = {1: "100%", 0.5: "50%"}.get(unknown)
    text = f"{share} of what 'towns' is given is not in its vocabulary, such as {example}."
    assert found == [(text, "error" if unknown == 1 else None)] * bool(unknown)
    alike = texts(data.invalid_inputs, run)  # equal rows are told once
    assert not any("identical" in evidence for evidence in alike)
    look.look_at_validation(run, model, Rows(x, np.zeros((60, 1)), 60))
    assert texts(split.words_only_training_has, run) == []  # both sides are alike
    run.unknown_words, run.held_out_gain = [], 0.5
    for gain, severity in ((0.5, "note"), (0.9, None)):
        run.gain = gain
        found = [(seen.evidence, seen.severity) for seen in split.words_only_training_has(run)]
        text = f"{share} of what 'towns' is given in validation is not in its vocabulary, such as "
        assert found == [(f"{text}{example}; in training it is 0%.", severity)] * bool(unknown)


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


def test_a_mask_that_is_lost_beside_the_layer_that_reads_it():
    inputs = keras.Input((6,))
    words = layers.Embedding(9, 4, mask_zero=True)(inputs)
    read = layers.LSTM(3, name="lstm")(words)
    model = keras.Model(inputs, [read, Doubled(False)(words)])
    assert graph.loses_mask(graph.flat_layers(model), ["lstm"]) is None


@pytest.mark.parametrize("hands_on", [True, False])
def test_a_mean_over_padding_whose_mask_was_lost(hands_on):
    x = np.where(np.arange(20) < 4, RANDOM.integers(1, 9, (50, 20)), 0)
    inputs = keras.Input((20,), dtype="int32")
    words = Doubled(hands_on)(layers.Embedding(9, 4, mask_zero=True)(inputs))
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D(name="mean")(words)))
    model.compile("sgd", "mse")
    run = Run()
    look.look_at_model(run, model, {}, [])
    look.look_at_data(run, model, Rows(x, x[:, :1].astype("float32")), [])
    found = [text for text in texts(data.hidden_by_mask, run) if "'mean' averages" in text]
    assert len(found) == (not hands_on)
    assert all("The last 80% of the steps" in text for text in found)  # 16 of 20
    assert all("'doubled' is given a mask and hands none on" in text for text in found)


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


def test_scaling_layers_of_several_inputs_and_behind_augmentation():
    """Each is given what the layers before it make, and is asked what it makes of that."""
    size, age = 1e3 * np.abs(X[:, :1]), X[:, 1:2]
    inputs = [keras.Input((1,), name="size"), keras.Input((1,), name="age")]
    kept = [layers.Normalization(name="of_size"), layers.Normalization(name="of_age")]
    kept[1].adapt(age)
    both = layers.Concatenate()([layer(given) for layer, given in zip(kept, inputs, strict=True)])
    model = keras.Model(inputs, layers.Dense(1)(both))
    run = Run()
    look.look_at_data(run, model, Rows([size, age], X[:, 0]), [])
    assert run.rescaling["of_size"][0] == pytest.approx(np.sqrt(np.mean(size**2)), rel=1e-4)
    assert run.rescaling["of_age"][0] == pytest.approx(1, rel=1e-3)
    (found,) = data.scaled_by_layer(run)
    assert found.layer == "of_size" and "'of_size'.adapt(x_train)" in found.remedy

    images = RANDOM.uniform(0, 255, (8, 6, 6, 3)).astype("float32")
    prepared = [layers.RandomFlip(), layers.RandomBrightness(0.1), layers.Rescaling(1 / 255**2)]
    head = [layers.Flatten(), layers.Dense(1)]
    model = keras.Sequential([keras.Input((6, 6, 3)), *prepared, *head])
    run = Run()
    look.look_at_data(run, model, Rows(images, X[:8, 0]), [])
    expected = np.sqrt(np.mean((images / 255**2) ** 2))
    assert run.rescaling[prepared[2].name][0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("kept", "left_out"), [(3, 0.5), (4, 0.25), (50, None)])
def test_rare_words_that_are_one_number(kept, left_out):
    """Two places of a vocabulary are taken; of 16 words "the" is every second, "a" every fourth."""
    given = np.array([["the the a b"], ["the the a b"], ["the the a c"], ["the the a d"]])
    layer = layers.TextVectorization(max_tokens=kept, output_sequence_length=4, name="words")
    layer.adapt(given)
    run = Run()
    look.look_at_data(run, text_model(layer), Rows(given, X[:4, 0]), [])
    assert run.rare_words == ([("words", kept, left_out)] if left_out else [])
    found = texts(data.rare_words_are_one, run)
    said = f"'words' keeps the {kept} most frequent words; {left_out or 0:.0%} of the words "
    assert [text.startswith(said) for text in found] == [True] * (left_out is not None)


# ---- a `call` of one's own ----
