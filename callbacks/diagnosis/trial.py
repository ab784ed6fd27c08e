"""One model, built afresh, trained briefly and scored: what every experiment is made of."""

import random
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import keras
import numpy as np
from keras.src.backend.common import global_state

from .look import look_at
from .samples import Rows, target_of

SEEDS = 2  # of each treatment
MOST_UPDATES, FEWEST_UPDATES = 400, 20
DEFAULT_BATCH = 32
PREDICT_ROWS = 256


class OutOfTime(Exception):
    """An experiment needs more time than is left."""


class Clock:
    """Seconds since it was made, and until the limit."""

    def __init__(self, seconds):
        self.seconds, self.began = seconds, time.monotonic()

    def passed(self):
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def left(self):
        """Seconds until the limit."""
        return self.seconds - self.passed()


# ---- what belongs to the user and stays as it is ----


@contextmanager
def random_states_kept(seed):
    """Seed what Keras draws from, and put all back at the end as it was: bit for bit.

    Keras draws the seeds of initializers and dropout from Python's `random`. TensorFlow is not
    seeded here, but a user's `build_model` may do it, so its state is put back too.
    """
    python, legacy_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002: put back
    kept = _private_states()
    try:
        _seed_all(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy_numpy)  # noqa: NPY002
        _put_back(kept)


def _seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002: a user's `build_model` may draw from it


def _private_states():
    """Keras's and TensorFlow's own random states: there is no public way to read them.

    Keras keeps its global seed generator, and the counters that name layers, in attributes of one
    object; TensorFlow its seed and the generator of the seeds of operations in its context.
    """
    attributes = dict(vars(global_state.GLOBAL_STATE_TRACKER))
    names = attributes.get("object_name_uids")
    attributes["object_name_uids"] = names.copy() if names is not None else None
    generator = attributes.get("global_seed_generator")
    position = None if generator is None else np.array(generator.state)
    kept = {"attributes": attributes, "generator": generator, "position": position}
    if "tensorflow" in sys.modules:
        from tensorflow.python.eager import context

        inner = context.context()
        kept["tensorflow"] = inner, inner._seed, inner._rng and inner._rng.getstate()
    if "torch" in sys.modules:
        kept["torch"] = sys.modules["torch"].random.get_rng_state()
    return kept


def _put_back(kept):
    for name in list(vars(global_state.GLOBAL_STATE_TRACKER)):
        if name not in kept["attributes"]:
            delattr(global_state.GLOBAL_STATE_TRACKER, name)
    for name, value in kept["attributes"].items():
        global_state.set_global_attribute(name, value)
    if kept["generator"] is not None:
        kept["generator"].state.assign(kept["position"])
    if "tensorflow" in kept:
        inner, seed, state = kept["tensorflow"]
        inner._seed = seed
        if state is not None:
            inner._rng.setstate(state)
    if "torch" in kept:
        sys.modules["torch"].random.set_rng_state(kept["torch"])


# ---- a model that can be trained again and again from the same start ----


class Learner:
    """A compiled model with the weights and the optimizer's state that it starts from.

    Tracing costs more than a short training, so that one model serves all trials that do not
    change it.

    Args:
        model: compiled `keras.Model`, built; it is trained.

    """

    def __init__(self, model):
        self.model = model
        if keras.backend.backend() == "tensorflow":
            model.jit_compile = False  # XLA compiles for longer than these trainings last
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._start = [np.array(v) for v in self._variables()]
        rate = model.optimizer.get_config().get("learning_rate")
        self.rate = None if isinstance(rate, dict) else float(np.array(rate))

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def restart(self, rate=1.0):
        """Go back to the start, with `rate` times the learning rate."""
        for variable, value in zip(self._variables(), self._start, strict=True):
            variable.assign(value)
        if rate != 1:
            self.model.optimizer.learning_rate = self.rate * rate

    def train(self, rows, places, clock, class_weight=None):
        """Train on batches with `train_on_batch`: it traces once, and the user's step is used.

        Args:
            rows: `Rows`.
            places: iterable of arrays, the rows of each batch.
            clock: `Clock`, or None.
            class_weight: dict as for `fit`, or None.

        Returns:
            float array, the loss of each batch with penalties.

        Raises:
            OutOfTime: if the clock runs out.

        """
        losses = []
        for index in places:
            if clock is not None and clock.left() < 0:
                raise OutOfTime("the time was over")
            batch = rows.take(index)
            weights = {"class_weight": class_weight}
            if batch.weight is not None:
                weights = {"sample_weight": batch.weight}
            logs = self.model.train_on_batch(batch.x, batch.y, return_dict=True, **weights)
            losses.append(float(logs["loss"]) if "loss" in logs else np.nan)
        return np.array(losses)

    def predict(self, x, training=False):
        """Return one NumPy array per output; without tracing, as it is asked for once or twice."""
        parts = []
        for begin in range(0, len(keras.tree.flatten(x)[0]), PREDICT_ROWS):
            part = keras.tree.map_structure(lambda a, i=begin: a[i : i + PREDICT_ROWS], x)
            outputs = keras.tree.flatten(self.model(part, training=training))
            parts.append([keras.ops.convert_to_numpy(output) for output in outputs])
        return [np.concatenate(values) for values in zip(*parts, strict=True)]

    def data_loss(self, rows):
        """Return the compiled loss of these rows in inference mode, and the penalties in it."""
        prediction = self.model(rows.x, training=False)
        total = self.model.compute_loss(rows.x, rows.y, prediction, training=False)
        penalties = sum(float(value) for value in self.model.losses)
        return float(total) - penalties, penalties


def flat_layers(model):
    """Return all layers, those of nested models in their place."""
    layers = []
    for layer in getattr(model, "layers", []):
        layers.extend(flat_layers(layer) if isinstance(layer, keras.Model) else [layer])
    return layers


def get_weights(model):
    """Return the weights of each layer as a list of arrays; of the model where it has no layers."""
    return [[np.array(w) for w in part.weights] for part in flat_layers(model) or [model]]


def put_weights(model, weights, but=()):
    """Give each layer its weights where shapes agree, except the layers named in `but`."""
    for part, values in zip(flat_layers(model) or [model], weights, strict=True):
        shapes = [tuple(w.shape) for w in part.weights]
        if part.name not in but and values and shapes == [v.shape for v in values]:
            part.set_weights(values)
            if hasattr(part, "finalize_state"):  # Normalization computes with copies
                part.finalize_state()


# ---- the laboratory: models, rows and one training budget for all ----


@dataclass
class Trial:
    """What one short training reached.

    Args:
        score: on held-out rows, mean over the outputs.
        train_score: on training rows.
        losses: array (updates,), loss of each batch.
        outputs: predictions on the held-out rows, one array per output.

    """

    score: float
    train_score: float
    losses: np.ndarray
    outputs: list = field(repr=False)


class Laboratory:
    """A builder of models, rows to train on, rows held out, and one training budget for all.

    Args:
        build: function without arguments that returns a new compiled model.
        rows: `Rows` to train on.
        held: `Rows` held out.
        fit: dict with the user's "batch_size", "epochs", "shuffle", "class_weight".
        seed: int.
        clock: `Clock`.

    """

    def __init__(self, build, rows, held, fit, seed, clock):
        self.build, self.rows, self.held, self.seed, self.clock = build, rows, held, seed, clock
        self.class_weight = fit.get("class_weight")
        self.batch_size = min(fit.get("batch_size") or rows.batch_size or DEFAULT_BATCH, len(rows))
        self.in_order = rows.in_order or fit.get("shuffle") is False
        self.user_updates = None  # those of the user's own training, if it is known
        if fit.get("epochs"):
            self.user_updates = int(fit["epochs"]) * -(-fit["num_rows"] // self.batch_size)
        self.updates = FEWEST_UPDATES
        self._counters = None
        self.model = self.fresh(0)  # settings and structure of it are what the user made
        self._weights = {0: get_weights(self.model)}
        self.learner = Learner(self.model)
        self.run = self._look()
        self.targets = self._find_targets()
        self.output_activations, self.before_activation = _activations(self.model, self.run.outputs)
        self.kinds = {type(layer).__name__ for layer in flat_layers(self.model)}
        self.baseline = None  # the `Trial` of the unchanged model under the first seed
        self.reference = 0.0  # skill of the best of scikit-learn
        self.validation_differs = False  # what experiments found, for the treatments
        self.overfits = False

    def fresh(self, index):
        """Build a model under the seed of this index; the same each time, names included."""
        counters = global_state.get_global_attribute("object_name_uids")
        self._counters = self._counters if self._counters is not None else dict(counters or {})
        if counters is not None:
            counters.clear()
            counters.update(self._counters)
        _seed_all(self.seed + index)
        model = self.build()
        if not isinstance(model, keras.Model) or not getattr(model, "compiled", False):
            text = "a compiled Keras model: call model.compile(...) before returning it"
            raise ValueError(f"`build_model` must return {text}; got {_what_is(model)}.")
        if not model.built or not model.weights:
            model(self.rows.take(np.arange(2)).x, training=False)
        return model

    @property
    def measure(self):
        """Name of the score."""
        return " and ".join(dict.fromkeys(target.measure for target in self.targets))

    def some(self, count, shuffled=False):
        """Return a few training rows, spread over all or drawn from them."""
        count = min(count, len(self.rows))
        if shuffled:
            return self.rows.take(np.random.default_rng(self.seed).permutation(len(self.rows))[:count])
        return self.rows.take(np.linspace(0, len(self.rows) - 1, count).astype(int))

    def is_output(self, layer):
        """Tell whether a layer computes an output, or applies an activation to it."""
        names = {output.layer for output in self.run.outputs} | self.output_activations
        return layer.name in names

    def weights(self, index):
        """Initial weights under the seed of this index, so that all trials start from the same."""
        if index not in self._weights:
            self._weights[index] = get_weights(self.fresh(index))
        return self._weights[index]

    def _look(self):
        settings = {"batch_size": self.batch_size, "x": self.rows.x, "y": self.rows.y}
        self.left_out = []
        settings["validation_data"] = (self.held.x, self.held.y)
        return look_at(self.model, settings, (self.rows.x, self.rows.y), self.left_out)[0]

    def _find_targets(self):
        names = list(getattr(self.model, "output_names", None) or [])
        both = []
        for rows in (self.rows, self.held):
            y = [rows.y[name] for name in names] if isinstance(rows.y, dict) else rows.y
            both.append(keras.tree.flatten(y))
        labels = [np.concatenate(pair) for pair in zip(*both, strict=True)]
        pair = zip(keras.tree.flatten(self.rows.x), keras.tree.flatten(self.held.x), strict=True)
        x = [np.concatenate(values) for values in pair]
        outputs = self.run.outputs or [_plain_output(self.model)]
        return [target_of(o, y, x) for o, y in zip(outputs, labels, strict=False)]

    def score(self, rows, predictions):
        """Mean score of the outputs."""
        names = list(getattr(self.model, "output_names", None) or [])
        y = [rows.y[name] for name in names] if isinstance(rows.y, dict) else rows.y
        labels = keras.tree.flatten(y)
        triples = zip(self.targets, labels, predictions, strict=False)
        return float(np.mean([t.score(y, p, rows.x) for t, y, p in triples]))

    def skill(self, score):
        """0 for the trivial score, 1 for the perfect one."""
        return float(np.mean([target.skill(score) for target in self.targets]))

    def places(self, updates, index, num_rows=None, shuffle=None, batch_size=None):
        """Yield the rows of each batch: whole batches only, as another size would be traced."""
        n = len(self.rows) if num_rows is None else num_rows
        size = min(batch_size or self.batch_size, n)
        shuffle = not self.in_order if shuffle is None else shuffle
        rng = np.random.default_rng([self.seed, index])
        order = np.zeros(0, int)
        for _ in range(updates):
            if len(order) < size:
                order = rng.permutation(n) if shuffle else np.arange(n)
            yield order[:size]
            order = order[size:]

    def try_change(self, change, index, learner=None, own_weights=()):
        """Train from the weights of a seed with the budget of all, and score.

        Args:
            change: `clones.Change`.
            index: of the seed.
            learner: `Learner` with the change, that of the unchanged model by default.
            own_weights: names of layers that do not start from the weights of the seed.

        Returns:
            `Trial`

        """
        learner, options = learner or self.learner, dict(change.options)
        train, held = self.rows, self.held
        if change.split is not None:
            train, held = change.split(train, held)
        inputs = change.inputs or (lambda x: x)
        labels = change.labels or (lambda x, y: y)
        in_units = change.predictions or (lambda x, predictions: predictions)
        weight = options.get("class_weight", self.class_weight)
        weight = None if train.weight is not None else weight
        learner.restart(options.get("rate", 1.0))
        put_weights(learner.model, self.weights(index), own_weights)
        updates = options.get("updates", self.updates)
        places = self.places(updates, index, len(train), options.get("shuffle"))
        moved = Rows(inputs(train.x), labels(train.x, train.y), train.weight)
        losses = learner.train(moved, places, self.clock, weight)
        some = train.take(np.arange(0, len(train), 1 + len(train) // (2 * PREDICT_ROWS)))
        on_held = in_units(held.x, learner.predict(inputs(held.x)))
        on_train = in_units(some.x, learner.predict(inputs(some.x)))
        return Trial(self.score(held, on_held), self.score(some, on_train), losses, on_held)


def _activations(model, outputs):
    """Names of the activation layers at the outputs, and of the layers followed by one elsewhere."""
    layers = [layer for layer in flat_layers(model) if not _passes(layer)]
    names = [output.layer for output in outputs]
    at_output, before, last = set(), set(), None
    for layer in layers:
        if _is_activation(layer):
            (at_output.add(layer.name) if last in names else before.add(last))
        else:
            last = layer.name
    return at_output, before - {None}


def _is_activation(layer):
    kinds = ("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Sigmoid")
    return type(layer).__name__ in kinds


def _passes(layer):
    kind = type(layer).__name__
    return "Dropout" in kind or "Pool" in kind or kind in ("BatchNormalization", "InputLayer")


def _what_is(thing):
    if isinstance(thing, keras.Model):
        return f"{type(thing).__name__} {thing.name!r}, which is not compiled"
    return type(thing).__name__


def _plain_output(model):
    """Return an output record for a model without a compiled loss."""
    from .run import Output

    tensors = keras.tree.flatten(getattr(model, "outputs", None) or [])
    return Output("output", units=tensors[0].shape[-1] if tensors else None)
