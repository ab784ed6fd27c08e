"""Train all candidates at once: the learning-rate curve for about the price of one training.

The weights of all members are stacked along a leading axis, and one compiled function trains all
of them for a whole epoch. Each member ends where it would have ended had it been trained alone.

    python -m tuning sweep
    python -m tuning sweep my_module:build_model --data my_module:load_data --seeds 3
"""

import argparse
import contextlib
import csv
import dataclasses
import importlib
import inspect
import logging
import os
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops, tree

from tuning import digits
from tuning.data import batch_order

METRICS_TO_MINIMIZE = ("loss", "error", "crossentropy", "divergence", "hinge", "poisson", "_ms")
EVALUATION_BATCH = 512  # examples; scores do not depend on it


# ---- One member: what a single training does, written without side effects ----


def stateless(optimizer):
    """Change the optimizer's class so that `stateless_apply` works on every backend.

    TensorFlow refuses `stateless_apply` because of tf.distribute, and PyTorch updates in place.
    Keras's own base class has the plain form of each of these methods; they go in front. They are
    private, and this is the only place that names them.
    """
    base = next(c for c in type(optimizer).__mro__ if c.__name__ == "BaseOptimizer")
    names = ("_var_key", "assign", "assign_add", "assign_sub", "_clip_by_norm", "stateless_apply")
    names += ("_apply_weight_decay", "_backend_apply_gradients", "_backend_update_step")
    plain = {name: getattr(base, name) for name in names}
    optimizer.__class__ = type(type(optimizer).__name__, (type(optimizer),), plain)
    return optimizer


def value_and_gradient(function, trainable):
    """Return ((loss, other), gradients) of `function(trainable) -> (loss, other)`."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trainable)
            loss, other = function(trainable)
        gradients = tape.gradient(loss, trainable)  # an embedding's is sparse
        return (loss, other), [None if g is None else tf.convert_to_tensor(g) for g in gradients]
    if backend == "jax":
        import jax

        return jax.value_and_grad(function, has_aux=True)(trainable)
    import torch

    gradients, (loss, other) = torch.func.grad_and_value(function, has_aux=True)(trainable)
    return (loss, other), gradients


def map_members(function, elements):
    """Apply `function` to each member at once; `elements` are stacked along axis 0."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.vmap(function, randomness="different")(elements)  # Keras has no such option
    return ops.vectorized_map(function, elements)


def over_batches(step, state, rows, batch_size):
    """Return the state after `step(state, rows[..., i : i + batch_size])` for each batch."""
    size = rows.shape[-1]
    full, tail = divmod(size, batch_size)
    if keras.backend.backend() == "jax":  # shapes are fixed, so the last batch is a step of its own
        import jax

        def batch(i):
            return jax.lax.dynamic_slice_in_dim(rows, i * batch_size, batch_size, axis=-1)

        state = ops.fori_loop(0, full, lambda i, state: step(state, batch(i)), state)
        return step(state, rows[..., full * batch_size :]) if tail else state

    def body(i, state):
        return step(state, rows[..., i * batch_size : (i + 1) * batch_size])

    return ops.fori_loop(0, full + (tail > 0), body, state)


def register_bitcast():
    """Teach TensorFlow to vectorize Bitcast, which Keras's argmax uses (1.3 × faster steps).

    Without it TensorFlow loops over the members for this operation. The registry is private, so
    that a version without it only loses speed.
    """
    if keras.backend.backend() != "tensorflow":
        return
    with contextlib.suppress(ImportError, AttributeError, KeyError):  # KeyError: already there
        import tensorflow as tf
        from tensorflow.python.ops.parallel_for import pfor

        @pfor.RegisterPFor("Bitcast")
        def bitcast(operation):
            value = operation.stacked_input(0)
            return pfor.wrap(tf.bitcast(value, operation.get_attr("type")), True)


def stack(variables_of_seeds, seed):
    """Return for each variable its values (M, ...), taken from the seed of each member."""
    columns = zip(*variables_of_seeds, strict=True)
    return [np.stack([ops.convert_to_numpy(v) for v in column])[seed] for column in columns]


def is_seed(variable):
    """Return whether this is the state of a `keras.random.SeedGenerator`: (seed, counter)."""
    return variable.name == "seed_generator_state"


def num_examples(data):
    """Return the number of examples in (nested) arrays."""
    return len(tree.flatten(data)[0])


def to_tensors(data):
    """Return the arrays as tensors, floats in Keras's float type, as `fit` does."""

    def convert(array):
        array = np.asarray(array)
        return ops.convert_to_tensor(
            array, keras.config.floatx() if array.dtype.kind == "f" else None
        )

    return tree.map_structure(convert, data)


class DropoutByTensor(layers.Dropout):
    """Dropout whose rate may be a tensor, with the mask that TensorFlow's own would draw."""

    def call(self, inputs, training=False):
        """Return the inputs, in training with units switched off at random."""
        if not training:
            return inputs
        kept = keras.random.uniform(ops.shape(inputs), seed=self.seed_generator) >= self.rate
        return ops.where(kept, inputs * (1 / (1 - self.rate)), ops.zeros_like(inputs))


def find_numbers(model):
    """Return the numbers that can differ between members: {name: [(object, attribute), ...]}.

    "weight_decay" of the optimizer, "l1" and "l2" of every regularizer, "dropout" of every Dropout
    layer. Each enters the training step as a plain number, so that the graph stays the same.
    """
    places = {}
    if model.optimizer.weight_decay is not None:
        places["weight_decay"] = [(model.optimizer, "weight_decay")]
    for layer in all_layers(model):
        if isinstance(layer, layers.Dropout) and layer.noise_shape is None:
            places.setdefault("dropout", []).append((layer, "rate"))
        for variable in [] if isinstance(layer, keras.Model) else layer.trainable_variables:
            for name in ("l1", "l2"):
                if hasattr(variable.regularizer, name):
                    place = (variable.regularizer, name)
                    places.setdefault(name, []).append(place)
    return places


def all_layers(model):
    """Return the layers of a model and of the models inside it."""
    inner = getattr(model, "layers", [])
    return [found for layer in inner for found in [layer, *all_layers(layer)]]


@contextlib.contextmanager
def numbers_set(places, numbers):
    """Give the numbers these values, for as long as the step is traced."""
    old = []
    try:
        for name, value in numbers.items():
            for owner, attribute in places[name]:
                old.append((owner, attribute, getattr(owner, attribute), type(owner)))
                if name == "dropout":  # Keras asks `rate > 0`, which a traced number cannot answer
                    owner.__class__ = DropoutByTensor
                setattr(owner, attribute, value)
        yield
    finally:
        for owner, attribute, value, kind in reversed(old):
            owner.__class__ = kind
            setattr(owner, attribute, value)


def build_with_seed(build_model, seed, x):
    """Return a new model with the initial weights of this seed, its metrics and weights built."""
    keras.utils.set_random_seed(int(seed))
    model = build_model()
    check_model(model)
    if not model.built:
        model(tree.map_structure(lambda a: a[:1], x))
    return model


@contextlib.contextmanager
def quiet_tensorflow():
    """Hide TensorFlow's warning that it loops over members for an operation (random numbers)."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


# ---- Many members ----


class Population:
    """Members of one model that differ in weights and learning rate, trained together.

    Args:
        models: compiled Keras models of one structure, one for each of the S seeds. The first is
            the one that is traced; the others only give their initial weights.
        train: pair (x, y) of arrays or nested arrays, n examples each.
        validation: pair (x, y), likewise.
        members: list of M pairs (index of the seed, stream). The stream is added to the seed of
            every Dropout, so that members of one seed draw masks of their own.
        numbers: dict of arrays (M,): "learning_rate" and any of `find_numbers(model)`.
        batch_size: examples per step; the last batch of an epoch may be smaller.

    Attributes:
        state: the stacked values, every tensor with leading axis M.
        kept: int array, which of the members are still in the population.

    """

    def __init__(self, models, train, validation, members, numbers, batch_size):
        self.model, self.optimizer = models[0], stateless(models[0].optimizer)
        self.optimizer.build(self.model.trainable_variables)
        self.metric_variables = [v for metric in self.model.metrics for v in metric.variables]
        self.train, self.validation = to_tensors(train), to_tensors(validation)
        self.num_train, self.num_validation = num_examples(train), num_examples(validation)
        self.batch_size = batch_size
        self.num_seeds = len(models)
        seed, stream = (np.array(column, "int32") for column in zip(*members, strict=True))
        other = stack([model.non_trainable_variables for model in models], seed)
        for i, variable in enumerate(self.model.non_trainable_variables):
            if is_seed(variable):
                other[i] += np.stack([stream, 0 * stream], 1).astype(other[i].dtype)
        optimizer = stack([self.optimizer.variables], 0 * seed)
        names = [variable.name for variable in self.optimizer.variables]
        optimizer[names.index("learning_rate")] = np.array(numbers["learning_rate"], "float32")
        state = {
            "trainable": stack([model.trainable_variables for model in models], seed),
            "other": other,
            "optimizer": optimizer,
            "seed": seed,
            "numbers": {
                name: np.array(values, "float32")
                for name, values in numbers.items()
                if name != "learning_rate"
            },
        }
        self.places = find_numbers(self.model)
        self.state = tree.map_structure(ops.convert_to_tensor, state)
        self.kept = np.arange(len(seed))
        self._compile()

    def _compile(self):
        """Trace the epoch; raises what the backend raises if a part has no batching rule."""
        backend = keras.backend.backend()
        order = ops.zeros((self.num_seeds, self.num_train), "int32")
        arguments = (self.state, order, self.train, self.validation)
        if backend == "tensorflow":
            import tensorflow as tf

            def any_members(tensor):  # one trace serves every number of members
                return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)

            signature = tree.map_structure(any_members, self.state)
            function = tf.function(self._epoch, autograph=False)
            with quiet_tensorflow():
                self._run = function.get_concrete_function(signature, *arguments[1:])
        elif backend == "jax":
            import jax

            self._run = jax.jit(self._epoch).lower(*arguments).compile()
        else:
            self._run = self._epoch
            rows = order[:, :1]
            self._train_step(self._with_metrics(self.state), self._take(self.train, rows))

    def epoch(self, orders):
        """Train one epoch, batches by `orders` (S, n); return the logs, {metric: array (M,)}."""
        orders = ops.convert_to_tensor(np.asarray(orders, "int32"))
        self.state, logs = self._run(self.state, orders, self.train, self.validation)
        return {name: ops.convert_to_numpy(value) for name, value in logs.items()}

    def keep(self, positions):
        """Drop all members but those at `positions` and compact the rest."""
        positions = np.asarray(positions, "int32")
        self.kept = self.kept[positions]
        self.state = tree.map_structure(lambda v: ops.take(v, positions, axis=0), self.state)
        if keras.backend.backend() == "jax":
            self._compile()  # XLA's shapes are fixed

    def weights(self, position):
        """Return the weights of one member as NumPy arrays, in the order of `model.weights`."""
        variables = self.model.trainable_variables + self.model.non_trainable_variables
        values = self.state["trainable"] + self.state["other"]
        found = {id(v): value for v, value in zip(variables, values, strict=True)}
        return [ops.convert_to_numpy(found[id(v)][position]) for v in self.model.weights]

    def _with_metrics(self, state):
        """Return the state with the metrics and the sum of losses at zero."""
        members = ops.shape(state["seed"])[:1]
        metrics = [ops.zeros((*members, *v.shape), v.dtype) for v in self.metric_variables]
        return {**state, "metrics": metrics, "loss": ops.zeros(members)}

    def _take(self, data, rows):
        """Return the examples `rows` (S, B) of all data; without axis S if there is one seed."""
        rows = rows[0] if self.num_seeds == 1 else rows
        return tree.map_structure(lambda a: ops.take(a, rows, axis=0), data)

    def _of_member(self, batches, state):
        """Return the member's batch; with one seed all share it, which is much cheaper."""
        if self.num_seeds == 1:
            return batches
        return tree.map_structure(lambda a: ops.take(a, state["seed"], axis=0), batches)

    def _forward(self, state, batch, training):
        """Return one member's loss on a batch and its state with new metrics and statistics."""
        x, y = batch
        model = self.model
        groups = (model.trainable_variables, model.non_trainable_variables, self.metric_variables)
        values = (state["trainable"], state["other"], state["metrics"])
        pairs = [
            pair for g, v in zip(groups, values, strict=True) for pair in zip(g, v, strict=True)
        ]
        with keras.StatelessScope(pairs, collect_losses=True) as scope:
            predicted = model(x, training=training)
            loss = model.compute_loss(x, y, predicted, training=training)
            model.compute_metrics(x, y, predicted)
        _, other, metrics = ([scope.get_current_value(v) for v in group] for group in groups)
        total = state["loss"] + ops.cast(ops.shape(tree.flatten(x)[0])[0], "float32") * loss
        return loss, {**state, "other": other, "metrics": metrics, "loss": total}

    def _train_step(self, state, batches):
        def member(state):
            batch = self._of_member(batches, state)

            def function(trainable):
                loss, new = self._forward({**state, "trainable": trainable}, batch, training=True)
                return self.optimizer.scale_loss(loss), new

            with numbers_set(self.places, state["numbers"]):
                (_, new), gradients = value_and_gradient(function, state["trainable"])
                new["trainable"], new["optimizer"] = self.optimizer.stateless_apply(
                    state["optimizer"], gradients, state["trainable"]
                )
            return new

        return map_members(member, state)

    def _test_step(self, state, batch):
        def member(state):
            with numbers_set(self.places, state["numbers"]):
                return self._forward(state, batch, training=False)[1]

        return map_members(member, state)

    def _logs(self, state, num_examples):
        def member(state):
            pairs = list(zip(self.metric_variables, state["metrics"], strict=True))
            with keras.StatelessScope(pairs):
                return {**self.model.get_metrics_result(), "loss": state["loss"] / num_examples}

        return map_members(member, {name: state[name] for name in ("metrics", "loss")})

    def _epoch(self, state, orders, train, validation):
        """Train on all batches, then evaluate: the function that is compiled."""

        def train_step(state, rows):
            return self._train_step(state, self._take(train, rows))

        def test_step(state, rows):
            return self._test_step(
                state, tree.map_structure(lambda a: ops.take(a, rows, axis=0), validation)
            )

        state = over_batches(train_step, self._with_metrics(state), orders, self.batch_size)
        logs = self._logs(state, self.num_train)
        state = {name: state[name] for name in self.state}
        rows = ops.arange(self.num_validation, dtype="int32")
        tested = over_batches(test_step, self._with_metrics(state), rows, EVALUATION_BATCH)
        validation_logs = self._logs(tested, self.num_validation)
        return state, logs | {f"val_{name}": value for name, value in validation_logs.items()}


# ---- One after the other: what cannot be stacked ----


def why_not_stacked(model):
    """Return why this model cannot be trained in a population, or None."""
    kind, optimizer = type(model), model.optimizer
    for name in ("train_step", "test_step"):
        if getattr(kind, name) is not getattr(keras.Model, name):
            return f"{kind.__name__} has a `{name}` of its own"
    if model.run_eagerly:
        return "the model is compiled with run_eagerly=True"
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return "the loss scale of mixed precision skips steps, for each member at another time"
    if optimizer.gradient_accumulation_steps:
        return "the optimizer accumulates gradients over several steps"
    for name in ("apply", "stateless_apply", "apply_gradients"):
        if getattr(type(optimizer), name) is not getattr(keras.optimizers.Optimizer, name):
            return f"{type(optimizer).__name__} has an `{name}` of its own"
    return None


def train_alone(model, train, validation, seed, stream, numbers, batch_size, epochs):
    """Train one member with `model.fit`; yield its logs after each epoch."""
    model.optimizer.learning_rate = numbers["learning_rate"]
    for variable in model.non_trainable_variables:
        if is_seed(variable):
            variable.assign(variable + ops.convert_to_tensor([stream, 0], variable.dtype))
    places = find_numbers(model)
    for name in numbers.keys() - {"learning_rate"}:
        for owner, attribute in places[name]:
            setattr(owner, attribute, float(numbers[name]))
    for epoch in range(epochs):
        order = batch_order(seed, epoch, num_examples(train))
        x, y = tree.map_structure(lambda a, order=order: np.asarray(a)[order], train)
        options = {"shuffle": False, "verbose": 0, "validation_batch_size": EVALUATION_BATCH}
        history = model.fit(x, y, batch_size, validation_data=validation, **options).history
        yield {name: values[-1] for name, values in history.items()}


# ---- The sweep ----


@dataclasses.dataclass
class Sweep:
    """The result of `learning_rate_sweep`: K learning rates, E epochs, S seeds.

    Attributes:
        learning_rates: array (K,), as given.
        history: {metric: array (E, K, S)}, Keras's names; NaN from the epoch on in which a member
            failed or was dropped.
        failed: bool array (K, S): the loss became NaN or infinite.
        objective: the metric by which rates are compared.
        direction: "max" or "min".
        seconds: wall time of the whole sweep, tracing and building included.
        reason: why the members were trained one after the other, or None if they were stacked.
        numbers: {name: array (K,)} of what varied along the same axis.

    """

    learning_rates: np.ndarray
    history: dict
    failed: np.ndarray
    objective: str
    direction: str
    seconds: float
    reason: str | None = None
    numbers: dict = dataclasses.field(default_factory=dict)
    build: object = dataclasses.field(default=None, repr=False)

    @property
    def scores(self):
        """The objective after the last epoch, array (K, S); NaN for members that failed."""
        return self.history[self.objective][-1]

    @property
    def best(self):
        """The rate with the best mean score over the seeds; a rate that failed once is out.

        `interval` is the half-width of the 95 % t interval over the seeds (NaN for one seed). The
        score is that of a winner among K, so a little too good: confirm it with fresh seeds.
        """
        means = self.scores.mean(axis=1)
        if np.isnan(means).all():
            raise ValueError("Every learning rate failed (NaN or infinite loss): try smaller ones.")
        index = int(np.nanargmax(means) if self.direction == "max" else np.nanargmin(means))
        finite = ~np.isnan(means)
        rates = self.learning_rates[finite]
        rate = self.learning_rates[index]
        return {
            "index": index,
            "learning_rate": float(rate),
            **{name: float(values[index]) for name, values in self.numbers.items()},
            self.objective: float(means[index]),
            "interval": half_interval(self.scores[index]),
            "at_edge": bool(len(self.learning_rates) > 1 and rate in (rates.min(), rates.max())),
        }

    def model(self, index):
        """Return a compiled model with the final weights of rate `index` and the first seed."""
        return self.build(index)

    def best_model(self):
        """Return a compiled model with the weights of the best rate and the first seed."""
        return self.build(self.best["index"])

    def to_csv(self, path):
        """Write one row per epoch, learning rate and seed."""
        names = list(self.history)
        epochs, num_rates, num_seeds = self.history[self.objective].shape
        path = Path(path)
        part = path.with_name(f".part-{path.name}")  # renamed when whole
        with part.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", "learning_rate", *self.numbers, "seed", *names])
            for e, k, s in np.ndindex(epochs, num_rates, num_seeds):
                numbers = [float(values[k]) for values in self.numbers.values()]
                row = [e + 1, float(self.learning_rates[k]), *numbers, s]
                writer.writerow(row + [float(self.history[name][e, k, s]) for name in names])
        os.replace(part, path)

    def plot(self, path=None):
        """Draw the heat map epoch × learning rate and the final scores; return the figure."""
        import matplotlib.pyplot as plt

        rates = self.learning_rates
        order = np.argsort(rates)
        rates = rates[order]
        values = self.history[self.objective][:, order].mean(axis=2)
        scores = self.scores[order]
        name = self.objective.replace("val_", "validation ").replace("_", " ")
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
        middle = np.sqrt(rates[1:] * rates[:-1])
        if len(rates) > 1:
            first, last = rates[0] ** 2 / middle[0], rates[-1] ** 2 / middle[-1]
            edges = np.concatenate([[first], middle, [last]])
        else:
            edges = np.array([rates[0] / 2, rates[0] * 2])
        scale = np.nanpercentile(values, [5, 100] if self.direction == "max" else [0, 95])
        colors = plt.get_cmap("viridis" if self.direction == "max" else "viridis_r").copy()
        colors.set_bad("lightgray")
        mesh = left.pcolormesh(
            edges,
            np.arange(len(values) + 1) + 0.5,
            np.ma.masked_invalid(values),
            cmap=colors,
            vmin=scale[0],
            vmax=scale[1],
        )
        figure.colorbar(mesh, ax=left, label=f"{name}, mean of {scores.shape[1]} seed(s)")
        left.set(xscale="log", xlabel="learning rate", ylabel="epoch")
        left.set_title("All learning rates, epoch by epoch (gray: failed)")
        with np.errstate(all="ignore"):
            mean = scores.mean(axis=1)
            right.fill_between(rates, scores.min(axis=1), scores.max(axis=1), alpha=0.3, lw=0)
        right.plot(rates, mean, marker="." if len(rates) < 40 else None)
        best = self.best
        right.axvline(best["learning_rate"], color="tab:orange", linestyle="--")
        right.annotate(
            f"best: {best['learning_rate']:.2g}\n{best[self.objective]:.4g}",
            (best["learning_rate"], best[self.objective]),
            textcoords="offset points",
            xytext=(-8, -30 if self.direction == "max" else 30),
            ha="right",
        )
        right.set(xscale="log", xlabel="learning rate", ylabel=f"{name} after {len(values)} epochs")
        if self.direction == "min":
            right.set_yscale("log")
        right.set_title(f"Final score: mean and range over {scores.shape[1]} seed(s)")
        figure.tight_layout()
        if path is not None:
            path = Path(path)
            part = path.with_name(f".part-{path.name}")
            figure.savefig(part, dpi=120)
            os.replace(part, path)
        return figure


def half_interval(values):
    """Return the half-width of the 95 % t interval of the mean (NaN for one value)."""
    from scipy import stats

    if len(values) < 2:
        return float("nan")
    return float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))


def learning_rate_sweep(
    build_model,
    train,
    validation,
    learning_rates,
    batch_size=32,
    epochs=10,
    seeds=1,
    objective=None,
    direction=None,
    vary=None,
    verbose=1,
):
    """Train the same model with K learning rates (and S seeds) at once.

    All K · S members are stacked and one compiled function trains them for a whole epoch: the
    forward and backward pass and the optimizer's own update, mapped over the members with
    `keras.ops.vectorized_map`. Each member ends with the weights, metrics and scores it would have
    had if trained alone with the same initial weights, rate and batch order (`batch_order`), up to
    the rounding of float32. That pays while one member leaves the machine idle, that is for small
    networks; where its arithmetic fills the machine, the price is that of one after the other.

    Seed s sets the initial weights and the batch order, the same for all rates (paired
    comparison); the dropout masks differ between all members.

    Args:
        build_model: function without arguments (or with keras-tuner's `hp`, which gets the
            defaults) that returns a compiled model; the optimizer's learning rate is replaced.
        train: pair of arrays (x, y); x and y may be nested (several inputs).
        validation: pair of arrays (x, y), scored after each epoch.
        learning_rates: K positive numbers.
        batch_size: examples per step; the last batch of an epoch may be smaller.
        epochs: passes over the training data.
        seeds: number of seeds (0, 1, ...) or a list of them.
        objective: metric to compare by; default `val_accuracy` if there is one, else `val_loss`.
        direction: "max" or "min"; by default from the metric's name.
        vary: {name: K numbers} that lie along the same axis as the rates: "weight_decay" (of the
            optimizer), "l1", "l2" (of every regularizer), "dropout" (rate of every Dropout layer).
        verbose: 0 is silent, 1 shows progress.

    Returns:
        A `Sweep`. If the model cannot be stacked (custom `train_step`, loss scaling, ...),
        the members are trained one after the other and `sweep.reason` says why.

    Raises:
        ValueError: if an argument or the model cannot work, before training.

    Example:
        >>> sweep = learning_rate_sweep(build_model, (x, y), (xv, yv), np.geomspace(1e-5, 1, 64))
        >>> sweep.history["val_accuracy"].shape
        (10, 64, 1)

    """
    start = time.perf_counter()
    rates, seeds = check_arguments(learning_rates, batch_size, epochs, seeds)
    train, validation = check_data(train, "train"), check_data(validation, "validation")
    numbers = check_numbers(vary, len(rates))
    build_model = without_arguments(build_model)
    models = [build_with_seed(build_model, seed, train[0]) for seed in seeds]
    if unknown := numbers.keys() - find_numbers(models[0]).keys():
        known = sorted(find_numbers(models[0]))
        raise ValueError(f"`vary` names {sorted(unknown)}, but this model only has {known}.")
    members = [(s, k) for k in range(len(rates)) for s in range(len(seeds))]
    columns = {"learning_rate": rates, **numbers}
    columns = {name: np.repeat(values, len(seeds)) for name, values in columns.items()}
    reason, population = why_not_stacked(models[0]), None
    batch_size = min(batch_size, num_examples(train))
    if reason is None:
        build_metrics(models[0], train)
        data = (train, validation)
        try:
            population = Population(models, *data, members, columns, batch_size)
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:  # whatever the backend raises for an operation it cannot map
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    progress = keras.utils.Progbar(epochs if population else len(members), verbose=verbose)
    if population:
        logs = train_stacked(population, seeds, epochs, progress)

        def weights_of(index):
            return population.weights(index * len(seeds))

    else:
        if verbose:
            print(f"One after the other, because they cannot be stacked: {reason}.")
        logs, kept = [], {}
        for number, (s, k) in enumerate(members):
            model = build_with_seed(build_model, seeds[s], train[0])
            own = {name: float(values[number]) for name, values in columns.items()}
            parts = train_alone(model, train, validation, seeds[s], k, own, batch_size, epochs)
            logs.append(list(parts))
            if s == 0:
                kept[k] = model.get_weights()
            progress.update(number + 1)
        names = logs[0][0]
        logs = {n: np.array([[log[n] for log in member] for member in logs]).T for n in names}
        weights_of = kept.__getitem__
    history = {
        name: np.asarray(values, "float32").reshape(epochs, len(rates), len(seeds))
        for name, values in logs.items()
    }
    failed = mark_failed(history)
    objective, direction = choose_objective(objective, direction, history)

    def build(index):
        model = build_with_seed(build_model, seeds[0], train[0])
        model.set_weights(weights_of(index))
        model.optimizer.learning_rate = rates[index]
        return model

    return Sweep(
        learning_rates=rates,
        history=history,
        failed=failed,
        objective=objective,
        direction=direction,
        seconds=time.perf_counter() - start,
        reason=reason,
        numbers=numbers,
        build=build,
    )


def train_stacked(population, seeds, epochs, progress):
    """Train a population; return {metric: array (E, M)}."""
    logs = []
    for epoch in range(epochs):
        orders = [batch_order(seed, epoch, population.num_train) for seed in seeds]
        logs.append(population.epoch(orders))
        progress.update(epoch + 1)
    return {name: np.stack([log[name] for log in logs]) for name in logs[0]}


def mark_failed(history):
    """Set each member to NaN from its first NaN or infinite loss on; return who failed (K, S)."""
    bad = ~np.isfinite(history["loss"]) | ~np.isfinite(history["val_loss"])
    bad = np.logical_or.accumulate(bad, axis=0)
    for values in history.values():
        values[bad] = np.nan
    return bad[-1]


def choose_objective(objective, direction, history):
    """Return the metric to compare by and its direction."""
    if objective is None:
        objective = "val_accuracy" if "val_accuracy" in history else "val_loss"
    if objective not in history:
        raise ValueError(f"No metric {objective!r}; there are {sorted(history)}.")
    if direction is None:
        smaller = any(word in objective for word in METRICS_TO_MINIMIZE)
        direction = "min" if smaller else "max"
    return objective, direction


def build_metrics(model, train):
    """Create the metrics' variables, which Keras does at the first batch, and leave them at 0."""
    x, y = tree.map_structure(ops.convert_to_tensor, tree.map_structure(lambda a: a[:2], train))
    predicted = model(x, training=False)
    model.compute_loss(x, y, predicted, training=False)
    model.compute_metrics(x, y, predicted)
    model.reset_metrics()


def without_arguments(build_model):
    """Return `build_model` as a function without arguments."""
    if not callable(build_model):
        kind = type(build_model).__name__
        raise ValueError(f"`build_model` must be a function that returns a model, got {kind}.")
    needed = [
        p
        for p in inspect.signature(build_model).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if not needed:
        return build_model
    if len(needed) > 1:
        names = [p.name for p in needed]
        raise ValueError(f"`build_model` may take one argument (hp) at most, it needs {names}.")
    import keras_tuner

    return lambda: build_model(keras_tuner.HyperParameters())


def check_model(model):
    """Raise ValueError unless this is a compiled model with a learning rate that is a number."""
    if not isinstance(model, keras.Model):
        kind = type(model).__name__
        raise ValueError(f"`build_model` must return a compiled Keras model, it returned {kind}.")
    if model.optimizer is None:
        raise ValueError("`build_model` returned a model that is not compiled: call compile().")
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(inner.learning_rate, keras.Variable):
        raise ValueError(
            "The optimizer's learning rate is a schedule or a function, so that there is no number "
            "to vary: compile the model with a constant learning rate."
        )
    if optimizer.use_ema:
        raise ValueError("The optimizer averages weights (use_ema): set use_ema=False to sweep.")


def check_arguments(learning_rates, batch_size, epochs, seeds):
    """Return the rates as array (K,) and the list of seeds, or raise ValueError."""
    try:
        rates = np.atleast_1d(np.asarray(learning_rates, "float64"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`learning_rates` must be numbers, got {learning_rates!r}.") from error
    if rates.ndim != 1 or len(rates) == 0:
        raise ValueError(f"`learning_rates` must be one or more numbers, got shape {rates.shape}.")
    if bad := [float(rate) for rate in rates if not (rate > 0 and np.isfinite(rate))]:
        raise ValueError(f"`learning_rates` must be positive and finite, got {bad[:3]}.")
    for name, value in {"batch_size": batch_size, "epochs": epochs}.items():
        check_positive_integer(name, value)
    if isinstance(seeds, (int, np.integer)):
        check_positive_integer("seeds", seeds)
        seeds = range(seeds)
    seeds = [int(seed) for seed in seeds]
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError(f"`seeds` must be different integers from 0 on, got {seeds}.")
    return rates, seeds


def check_positive_integer(name, value):
    """Raise ValueError unless the value is an integer of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer of 1 or more, got {value!r}.")


def check_data(data, name):
    """Return the pair (x, y), or raise ValueError."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ValueError(f"`{name}` must be a pair of arrays (x, y), got {type(data).__name__}.")
    arrays = tree.flatten(tuple(data))
    try:
        sizes = {len(array) for array in arrays}
    except TypeError as error:
        raise ValueError(f"`{name}` must hold arrays, got {type(arrays[0]).__name__}.") from error
    if len(sizes) > 1 or 0 in sizes:
        raise ValueError(f"`{name}` must hold as many x as y, at least one; got {sorted(sizes)}.")
    return tuple(data)


def check_numbers(vary, num_rates):
    """Return {name: array (K,)}, or raise ValueError."""
    numbers = {}
    for name, values in (vary or {}).items():
        numbers[name] = np.asarray(values, "float64")
        if numbers[name].shape != (num_rates,):
            raise ValueError(
                f"`vary[{name!r}]` must have one number for each of the {num_rates} learning "
                f"rates, got shape {numbers[name].shape}."
            )
        limit = 1 if name == "dropout" else np.inf
        if not ((numbers[name] >= 0) & (numbers[name] < limit)).all():
            raise ValueError(f"`vary[{name!r}]` must lie in [0, {limit}), got {values!r}.")
    return numbers


# ---- Command line ----


def load_object(name):
    """Return what `module:name` stands for, modules of the current folder included."""
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"{name!r} must have the form module:function.")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot load {name!r}: {error}") from error


def parse_options(argv):
    """Return the parser and the options."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m tuning sweep", description=__doc__, formatter_class=layout
    )
    option = parser.add_argument
    option("model", nargs="?", help="module:function that builds the model (default: digits MLP)")
    data = 'module:function that returns {"train": (x, y), "validation": (x, y)}'
    option("--data", help=data)
    option("--from", type=float, default=1e-5, dest="low", help="smallest rate (default: 1e-5)")
    option("--to", type=float, default=1.0, dest="high", help="largest rate (default: 1)")
    option("--population", type=int, default=64, help="number of rates (default: 64)")
    option("--batch-size", type=int, default=32, help="examples per step (default: 32)")
    option("--epochs", type=int, default=10, help="of each training (default: 10)")
    option("--seeds", type=int, default=3, help="trainings per rate (default: 3)")
    option("--objective", help="metric to compare by (default: val_accuracy or val_loss)")
    option("--output", type=Path, default="results", help="folder to write to (default: results)")
    options = parser.parse_args(argv)
    if (options.model is None) != (options.data is None):
        parser.error("a model needs its data: give both, my_module:build_model --data ...:load")
    if options.population < 1:
        parser.error(f"--population {options.population}: must be 1 or more")
    if not 0 < options.low <= options.high < np.inf:
        parser.error(f"--from {options.low} --to {options.high}: need 0 < from <= to")
    return parser, options


def main(argv=None):
    """Sweep the learning rate from the command line; write sweep.png and sweep.csv."""
    import matplotlib.pyplot as plt

    parser, options = parse_options(argv)
    plt.switch_backend("Agg")  # here and not on import, so that a notebook keeps its own
    try:
        build_model, load_data = digits.build_model, digits.load_data
        if options.model:
            build_model, load_data = load_object(options.model), load_object(options.data)
        options.output.mkdir(parents=True, exist_ok=True)
        data = load_data()
        if not isinstance(data, dict) or not {"train", "validation"} <= data.keys():
            raise ValueError('the data function must return {"train": ..., "validation": ...}.')
        sweep = learning_rate_sweep(
            build_model,
            data["train"],
            data["validation"],
            np.geomspace(options.low, options.high, options.population),
            batch_size=options.batch_size,
            epochs=options.epochs,
            seeds=options.seeds,
            objective=options.objective,
        )
        best = sweep.best
    except (ValueError, OSError) as error:
        parser.error(str(error))
    members = sweep.failed.size
    print(f"{members} trainings in {sweep.seconds:.1f} s, {sweep.failed.sum()} failed.")
    print(
        f"Best learning rate {best['learning_rate']:.3g}: {sweep.objective} "
        f"{best[sweep.objective]:.4g} ± {best['interval']:.2g} (95 %, {options.seeds} seeds)."
    )
    if best["at_edge"]:
        print("It lies at the edge of the range: widen --from or --to.")
    for suffix, save in ((".png", sweep.plot), (".csv", sweep.to_csv)):
        path = options.output / f"sweep{suffix}"
        print("Replaced" if path.exists() else "Wrote", path)
        save(path)


if __name__ == "__main__":
    sys.exit(main())
