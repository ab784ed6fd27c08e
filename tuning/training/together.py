"""Many models of one structure trained at once: their weights are stacked along a leading axis.

One compiled function trains all members for a whole epoch. Keras's stateless calls give the
training step of one member as a function without side effects; `keras.ops.vectorized_map` applies
it to all of them. TensorFlow and JAX.
"""

import contextlib
import functools
import itertools
import logging
import math
from concurrent import futures

import keras
import numpy as np
from keras import ops, tree

from ..device import count_cores, has_gpu
from ..inputs.data import batch_order
from ..inputs.model import count_of, untracked
from .one_by_one import obstacles

EVALUATION_BATCH = 512  # examples, where scores do not depend on it


# ---- one member: what a single training does, written without side effects ----


# Methods of an optimizer that are private in Keras; this is the only place that names them.
DISTRIBUTED = ("_var_key", "assign", "assign_add", "assign_sub", "_clip_by_norm", "stateless_apply")
DISTRIBUTED += ("_apply_weight_decay", "_backend_apply_gradients", "_backend_update_step")


def _stateless(optimizer):
    """Change the optimizer's class so that `stateless_apply` works with TensorFlow as well.

    TensorFlow refuses it because of tf.distribute. Keras's own base class has the plain form of
    each of these methods.
    """
    base = next(c for c in type(optimizer).__mro__ if c.__name__ == "BaseOptimizer")
    plain = {name: getattr(base, name) for name in DISTRIBUTED}
    optimizer.__class__ = type(type(optimizer).__name__, (type(optimizer),), plain)
    return optimizer


def _value_and_gradient(function, trainable):
    """Return ((loss, other), gradients) of `function(trainable) -> (loss, other)`."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trainable)
            loss, other = function(trainable)
        gradients = tape.gradient(loss, trainable)  # an embedding's is sparse
        return (loss, other), [None if g is None else tf.convert_to_tensor(g) for g in gradients]
    import jax

    return jax.value_and_grad(function, has_aux=True)(trainable)


def _over_batches(step, state, rows, batch_size):
    """Return the state after `step(state, rows[i : i + batch_size])` for each batch."""
    size = rows.shape[0]
    if size <= batch_size:
        return step(state, rows)
    is_free = keras.backend.backend() == "tensorflow"  # to have a last batch of another shape
    tail = 0 if is_free else size % batch_size

    def body(i, state):
        if is_free:
            return step(state, rows[i * batch_size : (i + 1) * batch_size])
        return step(state, ops.slice(rows, [i * batch_size], [batch_size]))

    state = ops.fori_loop(0, math.ceil((size - tail) / batch_size), body, state)
    return step(state, rows[-tail:]) if tail else state


# ---- what makes TensorFlow faster here; without its private parts it is only slower ----


@functools.cache
def _register_bitcast():
    """Teach TensorFlow to vectorize Bitcast, which Keras's argmax uses (1.3 × faster steps)."""
    if keras.backend.backend() != "tensorflow":
        return
    known = (ImportError, AttributeError, AssertionError)  # the last: it is registered already
    with contextlib.suppress(*known):
        import tensorflow as tf
        from tensorflow.python.ops.parallel_for import pfor

        @pfor.RegisterPFor("Bitcast")
        def bitcast(operation):
            value = operation.stacked_input(0)
            return pfor.wrap(tf.bitcast(value, operation.get_attr("type")), True)


@contextlib.contextmanager
def _without_graph_rewriting():
    """Keep TensorFlow from rewriting the graph before its first run on a CPU: it gains nothing.

    That takes a fifth of a second. Threads started inside see it; each has a copy of the option.
    """
    if keras.backend.backend() != "tensorflow" or has_gpu():
        yield
        return
    import tensorflow as tf

    name = "disable_meta_optimizer"
    before = tf.config.optimizer.get_experimental_options().get(name, False)
    tf.config.optimizer.set_experimental_options({name: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: before})


def _count_parts():
    """Return in how many parts, each with a thread of its own, the members are trained.

    Two for each core: by default TensorFlow divides each operation among all cores, and threads
    wait for each other, the longer the shorter the operations. Those of another part fill the gaps.
    """
    if keras.backend.backend() != "tensorflow" or has_gpu():
        return 1
    return 2 * count_cores()


# ---- many members ----


class Population:
    """Members of one model, one for each rate and seed, trained together.

    Those of one seed share their batches, so each part of the members, which a thread trains, has
    one seed. TensorFlow compiles the epoch without XLA, even for a model that `fit` compiles with
    it, as it does on a GPU: there Dropout draws other masks. Of the S models, built with the seeds
    0, 1, …, the first is traced, and its metrics are built; the others only give initial weights.
    """

    def __init__(self, models, rates, train, validation, batch_size):
        self.model, self.optimizer = models[0], _stateless(models[0].optimizer)
        self.optimizer.build(self.model.trainable_variables)
        self.metric_variables = [v for metric in self.model.metrics for v in metric.variables]
        self.train = train.converted(ops.convert_to_tensor)
        self.validation = validation.converted(ops.convert_to_tensor)
        self.num_train, self.num_validation = train.num_examples, validation.num_examples
        self.batch_size, self.num_seeds = batch_size, len(models)
        _register_bitcast()
        number = min(len(rates), math.ceil(_count_parts() / len(models)))  # for each seed
        self._seeds = [seed for seed in range(len(models)) for _ in range(number)]
        self._states = [
            self._start(model, some) for model in models for some in np.array_split(rates, number)
        ]
        # raises what the backend raises if an operation has no batching rule; sizes: one or two
        sizes = {_num_members(state): state for state in self._states}
        self._run = {size: self._compiled(state) for size, state in sizes.items()}
        # each thread prepares the function in its first run
        self._threads = min(len(self._states), count_cores())

    def _start(self, model, rates):
        """Return the initial values of members with these rates, stacked."""
        state = {
            "trainable": model.trainable_variables,
            "other": model.non_trainable_variables,
            "optimizer": self.optimizer.variables,
        }
        names = [variable.name for variable in self.optimizer.variables]
        state = tree.map_structure(lambda v: np.repeat(np.asarray(v)[None], len(rates), 0), state)
        state["optimizer"][names.index("learning_rate")] = rates.astype("float32")
        return tree.map_structure(ops.convert_to_tensor, state)

    def _compiled(self, state):
        arguments = state, ops.zeros(self.num_train, "int32"), self.train, self.validation
        if keras.backend.backend() == "jax":
            import jax

            return jax.jit(self._epoch).lower(*arguments).compile()
        import tensorflow as tf

        # fixed shapes: a free number of members traces and runs a third slower
        signature = tree.map_structure(tf.TensorSpec.from_tensor, state)
        logging.disable(logging.WARNING)  # that it loops over the members for random numbers
        try:
            function = tf.function(self._epoch, autograph=False)
            return function.get_concrete_function(signature, *arguments[1:])
        finally:
            logging.disable(logging.NOTSET)

    def epoch(self, number):
        """Train epoch `number`, counted from 0; return the logs, {metric: array (K, S)}."""

        def run(seed, state):
            order = ops.convert_to_tensor(batch_order(seed, number, self.num_train))
            return self._run[_num_members(state)](state, order, self.train, self.validation)

        with _without_graph_rewriting(), futures.ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(run, self._seeds, self._states))
        self._threads = len(self._states)
        self._states = [state for state, _ in found]
        logs = {}
        for name in found[0][1]:
            values = np.concatenate([ops.convert_to_numpy(log[name]) for _, log in found])
            if values.ndim == 1:  # no metric with a number for each class
                logs[name] = values.reshape(self.num_seeds, -1).T
        return logs

    def put_into(self, model, rate):
        """Give a model the weights of the first seed's member at this index of the rates."""
        first = self._states[: self._seeds.count(0)]
        state = tree.map_structure(lambda *values: ops.concatenate(values), *first)
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        for variable, values in zip(variables, state["trainable"] + state["other"], strict=True):
            variable.assign(values[rate])

    # ---- traced ----

    def _epoch(self, start, order, train, validation):
        """Train on all batches, then evaluate: the function that is compiled."""

        def train_step(state, rows):
            batch = _take(train, rows)
            return ops.vectorized_map(lambda member: self._train_step(member, batch), state)

        def test_step(state, rows):
            batch = _take(validation, rows)
            return ops.vectorized_map(lambda s: self._forward(s, batch, training=False)[1], state)

        state = _over_batches(train_step, self._with_metrics(start), order, self.batch_size)
        logs = self._logs(state, self.num_train)
        state = {name: state[name] for name in start}
        rows = ops.arange(self.num_validation, dtype="int32")
        size = self.batch_size if _depends_on_batches(self.model) else EVALUATION_BATCH
        tested = _over_batches(test_step, self._with_metrics(state), rows, size)
        validation_logs = self._logs(tested, self.num_validation)
        return state, logs | {f"val_{name}": value for name, value in validation_logs.items()}

    def _with_metrics(self, state):
        """Return the state with the metrics and the sum of losses at zero."""
        number = _num_members(state)
        metrics = [ops.zeros((number, *v.shape), v.dtype) for v in self.metric_variables]
        return {**state, "metrics": metrics, "loss": ops.zeros(number)}

    def _train_step(self, state, batch):
        """Return one member's state after a step of its optimizer."""

        def function(trainable):
            loss, new = self._forward({**state, "trainable": trainable}, batch, training=True)
            return self.optimizer.scale_loss(loss), new

        (_, new), gradients = _value_and_gradient(function, state["trainable"])
        new["trainable"], new["optimizer"] = self.optimizer.stateless_apply(
            state["optimizer"], gradients, state["trainable"]
        )
        return new

    def _forward(self, state, batch, training):
        """Return one member's loss on a batch and its state with new metrics and statistics."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        model = self.model
        groups = (model.trainable_variables, model.non_trainable_variables, self.metric_variables)
        values = (state["trainable"], state["other"], state["metrics"])
        pairs = zip(itertools.chain(*groups), itertools.chain(*values), strict=True)
        with keras.StatelessScope(list(pairs), collect_losses=True) as scope:
            predicted = model(x, training=training)
            loss = model.compute_loss(x, y, predicted, weight, training=training)
            model.compute_metrics(x, y, predicted, weight)
        _, other, metrics = ([scope.get_current_value(v) for v in group] for group in groups)
        total = state["loss"] + ops.cast(ops.shape(tree.flatten(x)[0])[0], "float32") * loss
        return loss, {**state, "other": other, "metrics": metrics, "loss": total}

    def _logs(self, state, num_examples):
        def member(state):
            pairs = list(zip(self.metric_variables, state["metrics"], strict=True))
            with keras.StatelessScope(pairs):
                found = self.model.get_metrics_result()
                for name, value in found.items():
                    if isinstance(value, keras.Variable):  # this member's value in here only
                        found[name] = value.value
            return {**found, "loss": state["loss"] / num_examples}

        return ops.vectorized_map(member, {name: state[name] for name in ("metrics", "loss")})


def _take(data, rows):
    return tree.map_structure(lambda leaf: ops.take(leaf, rows, axis=0), data)


def _num_members(state):
    return tree.flatten(state)[0].shape[0]


def _depends_on_batches(model):
    """Tell whether a loss or metric may be another one in batches of another size.

    One that sums up its rows is, and of one of the user's own nobody knows.
    """
    metrics = [getattr(metric, "metrics", metric) for metric in model.metrics]
    used = [*tree.flatten(model.loss), *tree.flatten(metrics)]
    used = [getattr(one, "_fn", getattr(one, "fn", one)) for one in used if one is not None]
    is_own = any(not isinstance(one, str) and not _is_of_keras(one) for one in used)
    return is_own or any(getattr(one, "reduction", "") == "sum" for one in tree.flatten(model.loss))


def _is_of_keras(thing):
    return str(getattr(thing, "__module__", "")).startswith("keras.")


def why_not_stacked(model, data=()):
    """Return why this model cannot be trained in a population on such data, or None."""
    backend, optimizer = keras.backend.backend(), model.optimizer
    if backend not in ("tensorflow", "jax"):
        return f"the backend is {backend}"
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return "the loss scale of mixed precision skips steps, for each member at another time"
    methods = ("apply", "apply_gradients", *DISTRIBUTED)  # one of its own would be passed over
    usual = keras.optimizers.Optimizer
    own = [n for n in methods if getattr(type(optimizer), n, None) is not getattr(usual, n, None)]
    found = {
        "Keras does not track a variable of the loss, the model or a layer": untracked(model),
        "the optimizer has taken steps before": count_of(optimizer),
        "the optimizer averages weights": optimizer.use_ema,
        "the optimizer accumulates gradients over steps": optimizer.gradient_accumulation_steps,
        "the optimizer excludes single variables from weight decay": getattr(
            optimizer, "_exclude_from_weight_decay", None
        ),
        f"the optimizer has its own {' and '.join(own)}": own,
        # On TensorFlow Keras's own step reads a variable after it was overwritten.
        "ScheduleFreeAdamW takes other steps in `fit`": type(optimizer).__name__
        == "ScheduleFreeAdamW",
    }
    found = [reason for reason, holds in found.items() if holds]
    return next(iter(obstacles(model, data) + found), None)
