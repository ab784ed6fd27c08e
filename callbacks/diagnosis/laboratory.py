"""The laboratory: a builder of models, rows to train on, rows held out, one budget for all."""

from dataclasses import dataclass, field, replace

import keras
import numpy as np

from .graph import flat_layers
from .look import attempt, look_at_data, look_at_model, look_at_validation
from .run import Output, Run
from .states import name_counters, seed_all
from .target import target_of
from .trial import Learner, get_weights, put_weights

SEEDS = 2  # of each treatment
MOST_UPDATES, FEWEST_UPDATES = 400, 20
DEFAULT_BATCH = 32
SCORED_ROWS = 512  # of the training rows


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
            num_rows = rows.num_rows or len(rows)  # of a stream those read
            self.user_updates = int(fit["epochs"]) * -(-num_rows // self.batch_size)
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
        self.rows_mix = self.overfits = False

    def fresh(self, index):
        """Build a model under the seed of this index; the same each time, names included."""
        counters = name_counters()
        self._counters = self._counters if self._counters is not None else dict(counters or {})
        if counters is not None:
            counters.clear()
            counters.update(self._counters)
        seed_all(self.seed + index)
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
            return self.rows.take(
                np.random.default_rng(self.seed).permutation(len(self.rows))[:count]
            )
        return self.rows.take(np.linspace(0, len(self.rows) - 1, count).astype(int))

    def is_output(self, layer):
        """Tell whether a layer computes an output, or applies an activation to it."""
        names = {output.layer for output in self.run.outputs} | self.output_activations
        return layer.name in names

    def weights(self, index):
        """Return the initial weights of a seed, so that all trials start from the same."""
        if index not in self._weights:
            self._weights[index] = get_weights(self.fresh(index))
        return self._weights[index]

    def _look(self):
        run, left_out = Run(), []
        settings = {"batch_size": self.batch_size, "x": self.rows.x, "y": self.rows.y}
        settings["validation_data"] = (self.held.x, self.held.y)
        look_at_model(run, self.model, settings, left_out)
        sample = replace(self.rows, num_rows=len(self.rows))
        attempt(left_out, "the data", look_at_data, run, self.model, sample, left_out)
        attempt(left_out, "validation", look_at_validation, run, self.model, self.held)
        return run

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

    def restart(self):
        """Bring the unchanged model back to where it starts under the first seed."""
        self.learner.restart()
        put_weights(self.model, self.weights(0))

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
        weight = None if train.weights is not None else weight
        learner.restart(options.get("rate", 1.0))
        put_weights(learner.model, self.weights(index), own_weights)
        updates = options.get("updates", self.updates)
        places = self.places(updates, index, len(train), options.get("shuffle"))
        moved = replace(train, x=inputs(train.x), y=labels(train.x, train.y))
        losses = learner.train(moved, places, self.clock, weight)
        some = train.take(np.arange(0, len(train), 1 + len(train) // (SCORED_ROWS)))
        on_held = in_units(held.x, learner.predict(inputs(held.x)))
        on_train = in_units(some.x, learner.predict(inputs(some.x)))
        return Trial(self.score(held, on_held), self.score(some, on_train), losses, on_held)


def _activations(model, outputs):
    """Names of the activation layers at the outputs, and of layers followed by one elsewhere."""
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
    tensors = keras.tree.flatten(getattr(model, "outputs", None) or [])
    return Output("output", units=tensors[0].shape[-1] if tensors else None)
