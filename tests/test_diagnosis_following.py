"""A `call` of one's own, looked at like the Functional model of the same layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from tensorflow.python.util import dispatch

from callbacks.diagnosis import Diagnosis, clones, following, graph, own_code, passes, states

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")


class Branches(keras.Model):
    """Made in another order than called: a branch, noise in training only, a size-1 softmax."""

    def __init__(self, last="softmax", dropout_first=False):
        super().__init__()
        self.last, self.drop = layers.Dense(1, last, name="last"), layers.Dropout(0.5, name="drop")
        self.body = layers.Dense(6, "relu", name="body")
        self.side = layers.Dense(6, "tanh", name="side")
        self.noise = layers.GaussianNoise(0.1)
        self.is_at_end = dropout_first

    def call(self, x, training=False):
        if training:
            x = self.noise(x, training=training)
        hidden = ops.concatenate([self.body(x), self.side(x)], axis=-1)
        if self.is_at_end:
            return self.drop(self.last(hidden), training=training)
        return self.last(self.drop(hidden, training=training))


def branches(last, is_at_end):
    """The same network as Keras keeps the graph of it."""
    x = keras.Input((4,))
    noisy = layers.GaussianNoise(0.1)(x)
    parts = layers.Dense(6, "relu", name="body")(noisy), layers.Dense(6, "tanh", name="side")(noisy)
    hidden, out = ops.concatenate(parts, axis=-1), layers.Dense(1, last, name="last")
    drop = layers.Dropout(0.5, name="drop")
    return keras.Model(x, drop(out(hidden)) if is_at_end else out(drop(hidden)))


@pytest.mark.parametrize("last", ["softmax", "relu", "linear"])
@pytest.mark.parametrize("is_at_end", [False, True])
def test_a_call_of_ones_own_is_looked_at_as_the_graph_of_the_same_layers(last, is_at_end):
    x, seen = np.random.default_rng(0).normal(size=(64, 4)).astype("float32"), []
    for model in (Branches(last, is_at_end), branches(last, is_at_end)):
        model.compile("adam", "binary_crossentropy")
        diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
        model.fit(x, x[:, 0] > 0, verbose=0, callbacks=[diagnosis])
        run = diagnosis._run
        (out,) = run.outputs
        known = {name: kind for name, (kind, _) in run.activations.items()}
        seen.append((out.layer, out.activation, run.dropout_at_end, known))
        found = {(f.symptom, f.layer) for f in diagnosis.findings if f.symptom in STRUCTURAL}
        seen[-1] += (found, diagnosis.left_out, run.layer_names)
    assert seen[0] == seen[1]
    assert seen[0][:3] == ("last", last, "drop" if is_at_end else None)


STRUCTURAL = ("unsuitable_output_activation", "missing_hidden_activation")


def test_following_a_call_leaves_no_trace_on_the_layers():
    model, x = Branches(), np.ones((16, 4), "float32")
    model(x)
    before = [list(layer._inbound_nodes) for layer in model.layers]
    names = dict(states.name_counters())
    view = following.followed(model, x)
    assert [layer.name for layer in graph.flat_layers(view)][-2:] == ["drop", "last"]
    np.testing.assert_allclose(view(x), model(x))
    following.forget(view)
    assert [list(layer._inbound_nodes) for layer in model.layers] == before
    assert dict(states.name_counters()) == names


class OfTensorFlow(Branches):
    """The same by TensorFlow's functions, beside a layer that nobody calls."""

    def __init__(self, last):
        super().__init__()
        self.last = layers.Dense(1, name="last")
        self.body = layers.Dense(6, name="body")
        self.function = getattr(tf.nn, last)
        self.unused = layers.Dense(7, name="unused")

    def call(self, x, training=False):
        x = tf.cast(x, tf.float32)
        if training:
            x = self.noise(x, training=training)
        hidden = tf.concat([tf.nn.relu(self.body(x)), self.side(x)], axis=-1)
        hidden = tf.reshape(hidden, (tf.shape(x)[0], 12))
        return self.function(self.last(self.drop(hidden, training=training)))


@pytest.mark.parametrize("last", ["softmax", "relu", "tanh"])
def test_functions_of_tensorflow_are_followed_too(last):
    seen, dispatchers = [], list(dispatch._GLOBAL_DISPATCHERS)
    for model in (OfTensorFlow(last), branches(last, False)):
        model.compile("adam", "binary_crossentropy")
        diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
        model.fit(X, X[:, 0] > 0, verbose=0, callbacks=[diagnosis])
        (out,) = diagnosis._run.outputs
        found = {(f.symptom, f.layer) for f in diagnosis.findings if f.symptom in STRUCTURAL}
        seen.append((out.activation, found, diagnosis.left_out))
    assert seen[0] == seen[1]
    assert seen[0][0] == last
    assert list(dispatch._GLOBAL_DISPATCHERS) == dispatchers


class Compiled(OfTensorFlow):
    """The same as a tf.function."""

    call = tf.function(OfTensorFlow.call)


@pytest.mark.parametrize("kind", [OfTensorFlow, Compiled])
def test_a_layer_that_nobody_calls_is_not_built_by_looking(kind):
    model = kind("tanh")
    model(X)
    view = following.followed(model, X)
    np.testing.assert_allclose(view(X, training=False), model(X), atol=1e-6)
    assert not model.unused.built
    model.last.built = False  # as before a first step
    assert following.followed(model, X) is None


def test_what_a_call_does_with_tensorflow_is_cloned():
    keras.utils.set_random_seed(0)
    model = OfTensorFlow("tanh")
    model.compile(keras.optimizers.Adam(0.03), "mse")
    model.fit(X, X[:, :1], verbose=0)
    template = clones._template_of(model, X)
    assert template is not model
    np.testing.assert_allclose(template.predict(X, verbose=0), model.predict(X, verbose=0))
    clone = clones.clone_of(model, x=X)()
    assert len(clone.weights) == len(model.weights)
    clone.fit(X, X[:, :1], epochs=30, verbose=0)  # it learns what is the first column
    assert np.corrcoef(clone.predict(X, verbose=0)[:, 0], X[:, 0])[0, 1] > 0.5


class WordsAndNumbers(keras.Model):
    """Looks words up beside a table, in a way that cannot be followed."""

    def __init__(self):
        super().__init__()
        self.table, self.words = layers.Dense(8, "relu"), layers.Embedding(900, 8)
        self.last = layers.Dense(1)

    def call(self, x):
        assert isinstance(x["table"], tf.Tensor)
        return self.last(self.table(x["table"]) + ops.mean(self.words(x["words"]), axis=1))


@pytest.mark.parametrize("shift", [0, 500])
def test_words_are_not_called_unscaled_where_a_call_cannot_be_followed(shift):
    words = np.random.default_rng(0).integers(1, 900, (64, 5))
    model, diagnosis = WordsAndNumbers(), Diagnosis(verbose=False, checkup_seconds=0)
    model.compile("adam", "mse")
    x = {"table": X + shift, "words": words}
    model.fit(x, X[:, :1], epochs=2, verbose=0, callbacks=[diagnosis])
    found = [f.evidence for f in diagnosis.findings if f.symptom == "unnormalized_inputs"]
    assert bool(found) == (shift > 0)
    assert all("words" not in text for text in found)


class Inner(keras.Model):
    """Hides its last layer from whoever looks at the outer model."""

    def __init__(self, last):
        super().__init__()
        self.last = layers.Dense(1, last)

    def call(self, x):
        return self.last(x)


@pytest.mark.parametrize(("last", "is_blamed"), [("softmax", True), ("sigmoid", False)])
def test_a_softmax_of_one_unit_that_no_graph_shows(last, is_blamed):
    x, inner = keras.Input((4,)), Inner(last)
    model, diagnosis = keras.Model(x, inner(x)), Diagnosis(verbose=False, checkup_seconds=0)
    model.compile("adam", "binary_crossentropy")
    model.fit(X, X[:, 0] > 0, epochs=2, verbose=0, callbacks=[diagnosis])
    assert diagnosis._run.outputs[0].activation is None
    found = [f for f in diagnosis.findings if f.symptom == "unsuitable_output_activation"]
    assert [f.remedy for f in found] == ["End the model with activation='sigmoid'."] * is_blamed
    assert not is_blamed or diagnosis.findings[0] is found[0]


class TwoByName(keras.Model):
    """Two outputs under names that are not those of layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(1), layers.Dense(3, "softmax")

    def call(self, x):
        return {"size": self.first(x), "kind": self.second(x)}


def two_by_name():
    x = keras.Input((4,))
    return keras.Model(x, {"size": layers.Dense(1)(x), "kind": layers.Dense(3, "softmax")(x)})


@pytest.mark.parametrize("build", [TwoByName, two_by_name])
def test_outputs_by_names_of_the_users_own(build):
    model, diagnosis = build(), Diagnosis(verbose=False, checkup_seconds=0)
    losses = {"size": "mse", "kind": "sparse_categorical_crossentropy"}
    model.compile(keras.optimizers.Adam(0.01), losses)
    y = {"size": 900 + 300 * X[:, :1], "kind": np.digitize(X[:, 1], [-0.5, 0.5])}
    model.fit(X, y, epochs=3, verbose=0, callbacks=[diagnosis])
    seen = {out.name: (out.kind, out.loss) for out in diagnosis._run.outputs}
    kinds = ("regression", "mean_squared_error"), ("sparse", "sparse_categorical_crossentropy")
    assert seen == dict(zip(("size", "kind"), kinds, strict=True))
    found = [f for f in diagnosis.findings if f.symptom == "unscaled_targets"]
    assert found and "output 'size'" in found[0].evidence


class DoubledInInference(Branches):
    """Predicts otherwise than its layers do in training."""

    def call(self, x, training=False):
        out = super().call(x, training=training)
        return out if training else 2 * out


class Unfollowed(Branches):
    """Asks a tensor for its numbers."""

    def call(self, x, training=False):
        return super().call(keras.ops.convert_to_tensor(x) + 0 * x.numpy().sum(), training)


class HalfFollowed(Branches):
    """Asks what a layer gives for its numbers."""

    def call(self, x, training=False):
        return super().call(x, training) * float(keras.ops.sum(self.body(x)))


@pytest.mark.parametrize("kind", [DoubledInInference, HalfFollowed])
def test_a_call_that_cannot_be_followed_leaves_no_trace_either(kind):
    model, x = kind("sigmoid"), np.ones((16, 4), "float32")
    model(x)
    assert following.followed(model, x) is None
    assert [len(layer._inbound_nodes) for layer in model.layers] == [0] * len(model.layers)


@pytest.mark.parametrize("kind", [DoubledInInference, Unfollowed])
def test_a_call_that_its_graph_would_not_repeat_is_left_out(kind):
    model, diagnosis = kind("sigmoid"), Diagnosis(verbose=False, checkup_seconds=0)
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    model.fit(X, X[:, 0] > 0, verbose=0, callbacks=[diagnosis])
    assert [text for text in diagnosis.left_out if text.startswith("layers and activations")]
    assert diagnosis._run.outputs[0].activation is None


class Block(layers.Layer):
    """Two layers, which may have a name; what is made by a function Keras cannot write down."""

    def __init__(self, units, drop=0.0, inner=None, made_by=None):
        super().__init__()
        self.steps = [layers.Dense(units, "relu", name=inner), layers.Dropout(drop)]

    def call(self, x, training=None):
        for step in self.steps:
            x = step(x, training=training) if isinstance(step, layers.Dropout) else step(x)
        return x


class Encoder(keras.Model):
    """A model of one's own within another one."""

    def __init__(self):
        super().__init__()
        self.block, self.last = Block(6, 0.5), layers.Dense(3, "tanh")

    def call(self, x, training=None):
        return self.last(self.block(x, training=training))


class Outer(keras.Model):
    """A model of models."""

    def __init__(self, last):
        super().__init__()
        self.head, self.encoder = Inner(last), Encoder()

    def call(self, x, training=None):
        return self.head(self.encoder(x, training=training))


def of_blocks(inner=(None, None), drop=0.0):
    x = keras.Input((4,))
    made_by = None if all(inner) else of_blocks
    first, second = (Block(6, drop, name, made_by) for name in inner)
    hidden = first(x)
    model = keras.Model(x, layers.Dense(1)(second(hidden) + hidden))
    model.compile("adam", "mse")
    return model


def nodes_of(model):
    kept = list(dict.fromkeys(own_code.within(model)))
    return [(list(one._inbound_nodes), list(one._outbound_nodes)) for one in kept]


def test_what_layers_of_ones_own_put_together_is_cloned_though_it_cannot_be_written_down():
    model = of_blocks()
    before = nodes_of(model)
    template = clones._template_of(model, X)
    kinds = [type(layer).__name__ for layer in template.layers[1:] if layer.weights]
    assert kinds == ["Dense", "Dense", "Dense"]
    np.testing.assert_allclose(template.predict(X, verbose=0), model.predict(X, verbose=0))
    assert nodes_of(model) == before
    assert "__call__" not in vars(Block)
    clone = clones.clone_of(model, x=X)()
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]


class Twice(Block):
    """Keeps a layer in two places."""

    def __init__(self):
        super().__init__(6)
        self.first = self.steps[0]


def test_layers_kept_in_two_places_are_listed_once():
    x, block = keras.Input((4,)), Twice()
    wrapped = layers.TimeDistributed(layers.Dense(2))
    model = keras.Model(x, layers.Dense(1)(block(x)))
    assert own_code.within(model)[1:] == [block, *block.steps, model.layers[-1]]
    line = keras.Sequential([keras.Input((3, 4)), wrapped])
    assert own_code.within(line) == [wrapped, wrapped.layer]
    assert own_code.within(line, wrapped=False) == [wrapped]


def test_layers_of_one_name_stay_closed():
    model = of_blocks(("same", "same"))
    before = nodes_of(model)
    view = following.followed(model, X)
    kinds = [type(layer).__name__ for layer in view.layers if layer.weights]
    assert kinds == ["Block", "Block", "Dense"]
    following.forget(view)
    assert nodes_of(model) == before
    clone = clones.clone_of(model, x=X)()
    assert sum(isinstance(layer, Block) for layer in clone.layers) == 2


def test_a_model_of_models_is_looked_at_down_to_its_layers():
    model, diagnosis = Outer("softmax"), Diagnosis(verbose=False, checkup_seconds=0)
    model.compile("adam", "binary_crossentropy")
    model.fit(X, X[:, 0] > 0, verbose=0, callbacks=[diagnosis])
    (out,) = diagnosis._run.outputs
    assert (out.activation, out.layer) == ("softmax", model.head.last.name)
    assert list(diagnosis._run.dropout.values()) == [0.5]
    order = [model.encoder.block.steps[0], model.encoder.last, model.head.last]
    assert [n.rsplit("/", 1)[-1] for n in diagnosis._run.layer_names] == [o.name for o in order]
    assert diagnosis.left_out == []


def test_frozen_layers_of_ones_own_are_set_free_on_clones():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(600, 4)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("float32")
    inputs = keras.Input((4,))
    blocks = [Block(16), Block(16)]
    hidden = blocks[0](inputs)
    hidden = blocks[1](hidden) + hidden  # an operation, which has no weights to set free
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(hidden))
    for block in blocks:
        block.trainable = False
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    diagnosis = Diagnosis(verbose=False, checkup_seconds=600)
    model.fit(x, y, epochs=12, verbose=0, validation_split=0.25, callbacks=[diagnosis])
    gains = {outcome.change.name: outcome.gain for outcome in diagnosis.checkup.outcomes}
    assert gains["all layers trainable"] > 0.2
    assert diagnosis.findings[0].symptom == "frozen_features"


def line(*names):
    known = {"dense": (5, None), "bent": (6, "relu"), "last": (1, "softmax")}
    return [layers.Dense(*known[name], name=name) for name in names]


def functional(size, *stack):
    x = keras.Input((size,))
    hidden = x
    for layer in stack:
        hidden = layer(hidden)
    return keras.Model(x, hidden)


def nested(kind):
    if kind == "heads":
        x = keras.Input((4,))
        base, head = (keras.Sequential(line(*names)) for names in (("dense", "bent"), ("last",)))
        return keras.Model(x, head(base(x)))
    if kind == "deep":
        inner = functional(5, functional(5, *line("bent")), *line("last"))
        return functional(4, *line("dense"), inner)
    if kind == "both":
        base = functional(4, *line("dense", "bent"))
        return keras.Sequential([keras.Input((4,)), base, functional(6, *line("last"))])
    if kind == "used before":  # by another network, which came first
        x, base = keras.Input((4,)), functional(4, *line("dense", "bent"))
        base(x)
        return functional(4, base, *line("last"))
    return keras.Sequential([keras.Input((4,)), *line("dense", "bent", "last")])


@pytest.mark.parametrize("kind", ["heads", "deep", "both", "used before"])
def test_nested_networks_are_read_like_one(kind):
    seen = []
    for model in (nested(kind), nested("line")):
        model.compile("adam", "binary_crossentropy")
        diagnosis = Diagnosis(verbose=False, checkup_seconds=0)
        model.fit(X, X[:, 0] > 0, verbose=0, callbacks=[diagnosis])
        run = diagnosis._run
        links = [(a.name, names, b.name) for a, names, b in run.chain["links"]]
        seen.append((run.outputs[0].activation, run.outputs[0].layer, links))
    assert seen[0] == seen[1]
    assert seen[0] == ("softmax", "last", [("dense", [], "bent"), ("bent", ["relu"], "last")])


@pytest.mark.parametrize("kind", ["heads", "deep", "both", "line", "of ones own"])
def test_activations_are_heard_wherever_a_layer_stands(kind):
    model = Outer("softmax") if kind == "of ones own" else nested(kind)
    model(X)
    seen = passes.activations_of(model, X)
    block = model.encoder.block.steps[0] if kind == "of ones own" else None
    hidden = X if block else np.matmul(X, model.get_weights()[0]) + model.get_weights()[1]
    kernel, bias = block.get_weights() if block else model.get_weights()[2:4]
    name = block.name if block else "bent"
    assert seen[name][0] == "relu"
    by_hand = np.maximum(np.matmul(hidden, kernel) + bias, 0)
    np.testing.assert_allclose(seen[name][1], by_hand, atol=1e-5)
    assert list(seen) == [name, *([model.encoder.last.name] if block else [])]
    assert all("call" not in vars(layer) for layer in own_code.within(model))


def test_what_reads_an_input_is_found_within_a_nested_network():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    encoder = functional(4, layers.BatchNormalization(name="norm"), *line("dense"))
    model = keras.Model([a, b], layers.Add()([encoder(a), layers.Dense(5, name="plain")(b)]))
    found = graph.first_readers(model, lambda _: False)
    assert {name: [one.name for one in read] for name, read in found.items()} == {
        "a": ["norm"],
        "b": ["plain"],
    }


class Plain(keras.Model):
    """Not built before its first step."""

    def __init__(self, **options):
        super().__init__()
        self.body, self.last = layers.Dense(8, "relu", **options), layers.Dense(1, "sigmoid")

    def call(self, x):
        return self.last(self.body(x))


@pytest.mark.parametrize(
    ("options", "optimizer", "symptoms"),
    [
        ({}, keras.optimizers.Adam(0.01), set()),
        ({}, keras.optimizers.Adam(10.0), {"learning_rate_too_high"}),
        ({}, keras.optimizers.AdamW(0.01, weight_decay=30.0), {"penalty_too_strong"}),
        ({"kernel_initializer": "zeros"}, keras.optimizers.Adam(0.01), {"poor_initialization"}),
    ],
    ids=["sound", "rate of 10", "decay of 30", "equal weights"],
)
def test_weights_that_the_first_step_makes_are_seen_after_it(options, optimizer, symptoms):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(400, 4)).astype("float32")
    model, diagnosis = Plain(**options), Diagnosis(verbose=False, checkup_seconds=0)
    model.compile(optimizer, "binary_crossentropy")
    model.fit(x, x[:, 0] > 0, epochs=10, verbose=0, callbacks=[diagnosis])
    assert diagnosis._run.kernels_are_late
    found = {f.symptom for f in diagnosis.findings if f.severity != "note" and not f.consequence_of}
    known = {"learning_rate_too_high", "penalty_too_strong", "poor_initialization"}
    assert found & known == symptoms
