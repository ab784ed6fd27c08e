"""The laboratory: rows to train on, rows held out, and one training budget for all changes."""

import time
from dataclasses import dataclass, replace

import keras
import numpy as np

from .clones import with_graph
from .graph import flat_layers
from .known import labels_of, note_known
from .learner import Learner
from .look import attempt, look_at_data, look_at_model, look_at_validation
from .rows import counted, joined, of_known
from .run import Output, Run
from .states import name_counters, seed_all
from .target import target_of

SEEDS = 2  # of each treatment
FEWEST_UPDATES = 20
DEFAULT_BATCH = 32
SCORED_ROWS = 512  # of the training rows
ACTIVATION_LAYERS = ("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Sigmoid")


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


@dataclass
class Trial:
    """What one short training reached."""

    score: float  # on held-out rows, mean over the outputs
    train_score: float  # on training rows
    losses: np.ndarray  # (updates,), loss of each batch


class Laboratory:
    """A builder of models, rows to train on, rows held out, and one training budget for all.

    `build` is a function without arguments that returns a new compiled model, `fit` a dict with the
    user's "batch_size", "epochs", "shuffle", "class_weight". `has_validation` tells whether the
    user has parted the `Rows` that are `held` out from the others.
    """

    def __init__(self, build, rows, held, fit, seed, clock, has_validation=True):
        self.build, self.seed, self.clock = build, seed, clock
        self.rows, self.held = rows, held = counted(rows), counted(held)
        self.has_validation = has_validation
        self.class_weight = fit.get("class_weight")
        self.batch_size = min(fit.get("batch_size") or rows.batch_size or DEFAULT_BATCH, len(rows))
        self.in_order = rows.in_order or fit.get("shuffle") in (False, "batch")
        self.user_updates = None  # those of the user's own training, if it is known
        if fit.get("epochs"):
            num_rows = rows.num_rows or len(rows)  # of a stream those read
            self.user_updates = int(fit["epochs"]) * -(-num_rows // self.batch_size)
        self.updates = FEWEST_UPDATES
        self._counters = dict(name_counters() or {})
        self.model = self.fresh(0)  # settings and structure of it are what the user made
        stateful = [part.name for part in flat_layers(self.model) if getattr(part, "stateful", 0)]
        if stateful:
            text = f"{stateful[0]!r} is stateful and goes on from the batch before: of rows that "
            raise ValueError(f"{text}are drawn short trainings tell nothing.")
        self._weights = {0: get_weights(self.model)}
        for part in (rows, held):
            note_known(self.model, part)
        self.learner = Learner(self.model)
        self.run = self._look()
        if any(out.in_own_terms or out.moves_labels for out in self.run.outputs):
            text = "The loss decides itself what labels mean, so that no score compares outputs"
            raise ValueError(f"{text} with them: what a change gains cannot be measured.")
        self.targets = self._find_targets()
        self.output_activations, self.before_activation = _activations(self.model, self.run.outputs)
        self.kinds = {type(layer).__name__ for layer in flat_layers(self.model)}
        self.baseline = None  # the `Trial` of the unchanged model under the first seed
        self.reference = 0.0  # skill of the best of the simple models
        self.reached = -np.inf  # skill of the user's whole training, if it is known
        self.validation_differs = False  # what experiments found, for the treatments
        self.rows_mix = self.overfits = False

    def fresh(self, index):
        """Build a model under the seed of this index; the same each time, names included."""
        counters = name_counters()
        if counters is not None:
            counters.clear()
            counters.update(self._counters)
        seed_all(self.seed + index)
        model = self.build()
        if not isinstance(model, keras.Model) or not getattr(model, "compiled", False):
            text = "a compiled Keras model: call model.compile(...) before returning it"
            what = type(model).__name__
            if isinstance(model, keras.Model):
                what += f" {model.name!r}, which is not compiled"
            raise ValueError(f"`build_model` must return {text}; got {what}.")
        if not model.built or not model.weights:
            model(self.rows.take(np.arange(2)).x, training=False)
        return with_graph(model, self.rows.x)

    @property
    def measure(self):
        """Name of the score."""
        return " and ".join(dict.fromkeys(target.measure for target in self.targets))

    def some(self, count):
        """Return a few training rows, spread over all."""
        count = min(count, len(self.rows))
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

    def labels(self, rows):
        """Return a list of the labels of each output, those that count."""
        labels = labels_of(self.model, rows.y)
        return [of_known(array, rows.known_of(i)) for i, array in enumerate(labels)]

    def _find_targets(self):
        sides = (self.rows.x, self.held.x)
        shapes = [[np.shape(leaf)[1:] for leaf in keras.tree.flatten(side)] for side in sides]
        if shapes[0] != shapes[1]:
            text = f"training rows have the shapes {shapes[0]} and validation rows {shapes[1]}"
            raise ValueError(f"{text}: a change is tried where they have the same.")
        labels = joined([self.labels(self.rows), self.labels(self.held)])
        x = joined([self.rows.x, self.held.x])
        tensors = keras.tree.flatten(getattr(self.model, "outputs", None) or [])
        units = tensors[0].shape[-1] if tensors else None
        outputs = self.run.outputs or [Output("output", units=units)]  # of no compiled loss
        return [target_of(o, y, x) for o, y in zip(outputs, labels, strict=False)]

    def score(self, rows, predictions):
        """Mean score of the outputs."""
        predictions = [of_known(p, rows.known_of(i)) for i, p in enumerate(predictions)]
        triples = zip(self.targets, self.labels(rows), predictions, strict=False)
        return float(np.mean([t.score(y, p, rows.x) for t, y, p in triples]))

    def skill(self, score):
        """0 for the trivial score, 1 for the perfect one."""
        return float(np.mean([target.skill(score) for target in self.targets]))

    def places(self, updates, index, num_rows=None, shuffle=None):
        """Yield the rows of each batch: whole batches only, as another size would be traced."""
        n = num_rows or len(self.rows)
        size = min(self.batch_size, n)
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
        """Train from the weights of a seed with the budget of all, and score; return the `Trial`.

        `change` is a `clones.Change`, `index` that of the seed. The `Learner` has the change; it is
        that of the unchanged model by default. Layers named in `own_weights` do not start from the
        weights of the seed.
        """
        learner = learner or self.learner
        train, held = self.rows, self.held
        if change.split is not None:
            train, held = change.split(train, held)
        inputs = change.inputs or (lambda x: x)
        labels = change.labels or (lambda x, y: y)
        in_units = change.predictions or (lambda x, predictions: predictions)
        learner.restart(change.rate)
        put_weights(learner.model, self.weights(index), own_weights)
        places = self.places(change.factor * self.updates, index, len(train), change.shuffle)
        moved = replace(train, x=inputs(train.x), y=labels(train.x, train.y))
        class_weight = change.class_weight or self.class_weight
        losses = learner.train(moved, places, self.clock, class_weight)
        some = train.take(np.arange(0, len(train), 1 + len(train) // SCORED_ROWS))
        scores = []
        for rows in (held, some):
            scores.append(self.score(rows, in_units(rows.x, learner.predict(inputs(rows.x)))))
        return Trial(*scores, losses)


def _activations(model, outputs):
    """Names of the activation layers at the outputs, and of layers followed by one elsewhere."""
    names = [output.layer for output in outputs]
    at_output, before, last = set(), set(), None
    for layer in flat_layers(model):
        kind = type(layer).__name__
        if kind in ACTIVATION_LAYERS:
            (at_output.add(layer.name) if last in names else before.add(last))
        elif not ("Dropout" in kind or "Pool" in kind or kind == "BatchNormalization"):
            last = layer.name
    return at_output, before - {None}


def get_weights(model):
    """Return the weights of each layer as a list of arrays; of the model where it has no layers."""
    return [
        [keras.ops.convert_to_numpy(weight) for weight in part.weights]
        for part in flat_layers(model) or [model]
    ]


def put_weights(model, weights, but=()):
    """Give each layer its weights where shapes agree, except the layers named in `but`."""
    for part, values in zip(flat_layers(model) or [model], weights, strict=True):
        shapes = [tuple(w.shape) for w in part.weights]
        if part.name not in but and values and shapes == [v.shape for v in values]:
            part.set_weights(values)
            if hasattr(part, "finalize_state"):  # Normalization computes with copies
                part.finalize_state()
