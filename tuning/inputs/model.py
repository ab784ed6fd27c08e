"""The user's model: how it is built, what it is compared by, what can be seen to be wrong."""

import collections
import contextlib
import inspect
import math
import re
import warnings
import weakref
import zlib

import keras
import keras_tuner as kt
import numpy as np
from keras import tree
from keras.src.backend.common import global_state  # private, see `_counting_names_anew`

from ..errors import InputError
from .data import Arrays

SEARCHED = ("learning_rate", "batch_size")


# ---- building ----


class Builder:
    """The user's `build_model`, called whenever a search needs a new model.

    Variables that two models share (a pretrained base that was loaded once, outside) are put back
    to their first values: a training would otherwise begin where the last one has left them.
    `own_rate` is the hyperparameter of the user's that is the optimizer's learning rate, or None:
    the search's rate takes its place. `asked` are the names that the last call asked for beside it,
    `defaults` those that it gave a default.
    """

    words = "build_model"

    def __init__(self, build_model):
        if isinstance(build_model, kt.HyperModel):
            if type(build_model).fit is not kt.HyperModel.fit:
                raise InputError(
                    "`fit` of a HyperModel is not called by this search: give batch_size, epochs, "
                    "callbacks and class_weight as arguments of the search instead; what else it "
                    "declares there is not searched."
                )
            self.words = "hypermodel.build"
            build_model = build_model.build
        self._function = build_model
        self.takes_hp = _takes_hp(build_model)
        self.own_rate = None
        self.asked, self.defaults = set(), set()
        self._previous = lambda: None
        self._first = None  # {id: (variable, value)} of the first model, then of what is shared

    def __call__(self, hp=None):
        """Return a new compiled model; what it declares is added to `hp`."""
        hp = kt.HyperParameters() if hp is None else hp
        asked = _Asked(hp, self.own_rate and self.own_rate.name)
        with _counting_names_anew():
            model = self._function(asked) if self.takes_hp else self._function()
        if not isinstance(model, keras.Model):
            kind = type(model).__name__
            text = "`build_model` must return a compiled keras.Model; it returned a"
            raise InputError(f"{text} {kind}.")
        if not model.compiled or model.optimizer is None:
            raise InputError("The model of `build_model` is not compiled; call `compile`.")
        if model is self._previous():
            raise InputError(
                "`build_model` returned the same model twice; it must build a new one each time."
            )
        self._previous = weakref.ref(model)
        self.asked, self.defaults = asked.names, self.defaults | asked.defaults
        if self._first is None:
            self._first = {id(v): (v, to_numpy(v)) for v in all_variables(model)}
        else:
            shared = [id(v) for v in all_variables(model) if id(v) in self._first]
            self._first = {name: self._first[name] for name in shared}
            self.put_back()
        return model

    def put_back(self):
        """Give the variables that models share their first values."""
        for variable, value in (self._first or {}).values():
            variable.assign(value)

    def find_own_rate(self):
        """Find out which hyperparameter is the optimizer's rate; return all that is declared."""
        declared = self._declared()
        if declared is None:
            return kt.HyperParameters()
        hp, rate = declared
        own = self._rate_among(hp, rate)
        for parameter in hp.space if own is None else ():
            changed = self._rate(_with(hp, parameter.name, _other_number(parameter)))
            is_other = changed and not math.isclose(changed, rate, rel_tol=0.1)
            if is_other and parameter.name not in SEARCHED:
                raise InputError(
                    f"The learning rate is computed from the hyperparameter {parameter.name!r}, so "
                    "that the one searched would take its place: give hp.Float(..., "
                    "sampling='log') itself to the optimizer."
                )
        for choice in hp.space:
            for value in values_of(choice) if isinstance(choice.default, (str, bool)) else ():
                changed = _with(hp, choice.name, value)
                second = self._rate_among(changed, self._rate(changed))
                if second is not None and (own is None or second.name != own.name):
                    raise InputError(
                        f"With {choice.name}={value!r} the learning rate is {second.name!r}, else "
                        f"{own.name if own else 'another'!r}, but one is searched: give them one "
                        "name and range, or search each choice by itself."
                    )
        self.own_rate = own
        return hp

    def _declared(self):
        """Return what `build_model` declares and its rate, None if it asks for the search's."""
        for fixed in ({}, {"batch_size": 32}) if self.takes_hp else ():
            hp = kt.HyperParameters()
            for name, value in fixed.items():
                hp.Fixed(name, value)
            with contextlib.suppress(Exception):  # it asks for the search's rate or size
                return hp, rate_of(self(hp).optimizer)
        return None

    def _rate_among(self, hp, rate):
        """Return the hyperparameter that is the rate: of its value, and another with another."""
        for parameter in hp.space if rate else ():
            value, other = hp.values.get(parameter.name), _other_number(parameter)
            is_number = other and isinstance(value, (int, float))
            if is_number and math.isclose(value, rate, rel_tol=1e-5):
                changed = self._rate(_with(hp, parameter.name, other))
                if changed and math.isclose(changed, other, rel_tol=1e-5):
                    return parameter
        return None

    def _rate(self, hp):
        """Return the rate with these values, None if they are None or no model is built of them."""
        with contextlib.suppress(Exception):  # a trial with this value will tell
            return hp and rate_of(self(hp).optimizer)
        return None


def _other_number(parameter):
    """Return a number among the values that is not the default, None if there is none."""
    numbers = [v for v in values_of(parameter) if isinstance(v, (int, float))]
    return next((v for v in numbers if v != parameter.default and not isinstance(v, bool)), None)


def _with(hp, name, value):
    """Return a copy in which a hyperparameter has another value, None without one."""
    if value is None:
        return None
    changed = hp.copy()
    changed.values = {**hp.values, name: value}
    return changed


class _Asked:
    """keras-tuner's hyperparameters, where the user's rate has the value of the search's."""

    def __init__(self, hp, own_rate):
        self._hp, self._own_rate, self.names, self.defaults = hp, own_rate, set(), set()

    def __getattr__(self, attribute):
        found = getattr(self._hp, attribute)
        if attribute not in ("Float", "Int", "Choice", "Boolean", "Fixed", "get"):
            return found

        def ask(name, *arguments, **options):
            if name == self._own_rate:
                return self._hp.get("learning_rate")
            self.names.add(name)
            if options.get("default") is not None:  # keras-tuner takes the lowest for it
                self.defaults.add(name)
            return found(name, *arguments, **options)

        return ask

    def __getitem__(self, name):
        return self.get(name)


def _takes_hp(build_model):
    if isinstance(build_model, keras.Model):
        raise InputError(
            "`build_model` must be a function, since each training needs a new model; this is one "
            "model. Write `def build_model():` around the lines that build and compile it."
        )
    if not callable(build_model):
        raise InputError(f"`build_model` must be a function, got {build_model!r}.")
    parameters = inspect.signature(build_model).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]
    if len(needed) > 1:
        raise InputError(f"`build_model` must take no argument or `hp`, but it takes {needed}.")
    return bool(needed) or any(p.name == "hp" for p in parameters)


@contextlib.contextmanager
def _counting_names_anew():
    """Let Keras count names from the start: a second `keras.metrics.AUC()` is "auc_1" otherwise.

    Private: the public `keras.utils.clear_session` would take the user's own state with it.
    """
    name = "object_name_uids"
    own = global_state.get_global_attribute(name)  # of what the user builds beside the search
    global_state.set_global_attribute(name, collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(name, own)


def own_step(model):
    """Return the names of what a model does itself in place of Keras, such as `train_step`."""
    kinds = type(model).__mro__
    # `Sequential` and `Functional` have methods of their own
    base = next((kind for kind in kinds if kind.__module__.startswith("keras.")), keras.Model)
    names = ("train_step", "test_step", "fit", "evaluate", "make_train_function")
    return [name for name in names if getattr(kinds[0], name) is not getattr(base, name)]


def fixed_batch_size(model):
    """Return the batch size that a model's inputs are made for, None if any will do."""
    shapes = [tensor.shape for tensor in tree.flatten(getattr(model, "inputs", None) or [])]
    return next((shape[0] for shape in shapes if len(shape) and shape[0] is not None), None)


def build_weights(model, batch, with_optimizer=True):
    """Create the weights of a model and the variables of its optimizer, if there are none yet."""
    if not model.built:
        model(keras.utils.unpack_x_y_sample_weight(batch)[0])
    if not model.trainable_variables:
        raise InputError("The model has no trainable weights: nothing for a learning rate to do.")
    if with_optimizer and not model.optimizer.built:
        strategy = getattr(model, "distribute_strategy", None)  # TensorFlow's models have one
        with strategy.scope() if strategy else contextlib.nullcontext():
            model.optimizer.build(model.trainable_variables)


def build_with_seed(build, seed, batch, with_optimizer=True):
    """Return a new model with the initial weights of this seed, its variables made."""
    keras.utils.set_random_seed(int(seed))
    model = build()
    build_weights(model, batch, with_optimizer)
    return model


def build_metrics(model, batch):
    """Create the metrics' variables, which Keras does at the first batch; change nothing else."""
    before = [(variable, to_numpy(variable)) for variable in all_variables(model)]
    batch = tree.map_structure(keras.ops.convert_to_tensor, batch)
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    predicted = model(x, training=False)
    model.compute_loss(x, y, predicted, weight, training=False)
    model.compute_metrics(x, y, predicted, weight)
    model.reset_metrics()
    for variable, value in before:
        variable.assign(value)


def all_variables(model):
    """Return what a training step may change: weights, statistics, seeds, optimizer state."""
    return [*model.variables, *model.optimizer.variables, *untracked(model)]


def untracked(model):
    """Return the variables that Keras does not know of: a loss, the model or a layer keeps them.

    They may lie in lists, dicts and objects of the user's, or be those of another optimizer.
    """
    known = {id(variable) for variable in (*model.variables, *model.optimizer.variables)}
    found, seen = {}, {id(model.optimizer), id(getattr(model.optimizer, "inner_optimizer", None))}
    owners = (*tree.flatten(model.loss), *model._flatten_layers())
    left = [vars(owner) for owner in owners if hasattr(owner, "__dict__")]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if hasattr(value, "assign") and hasattr(value, "shape"):
            found |= {id(value): value} if id(value) not in known else {}
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
        elif isinstance(value, keras.optimizers.Optimizer) and not value.built:
            raise InputError(
                f"The model keeps another optimizer, {value.name!r}, and each training would go on "
                "with the state that the last one left: call its build(variables) in `build_model`."
            )
        elif isinstance(value, keras.optimizers.Optimizer | keras.Layer):
            left += value.variables
        elif hasattr(value, "__dict__") and _is_plain(type(value)):
            left.append(vars(value))
    return list(found.values())


def _is_plain(kind):
    """Tell whether a class is the user's own, of objects that may keep variables."""
    package = str(getattr(kind, "__module__", "")).partition(".")[0]
    return package not in ("keras", "tensorflow", "numpy", "jax", "torch", "builtins", "functools")


def to_numpy(variable):
    """Copy a variable's value: backends reuse the memory."""
    return np.array(np.asarray(variable))


# ---- the learning rate ----


def schedule_of(optimizer):
    """Return the schedule of an optimizer, or None if its learning rate is a plain number."""
    rate = getattr(optimizer, "inner_optimizer", optimizer)._learning_rate
    return rate if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule) else None


def peak_of(schedule):
    """Largest rate in a million steps: a shorter training has the rates of a longer one."""
    steps = np.unique(np.geomspace(1, 1e6, 1000).astype(int)) - 1
    return max(float(keras.ops.convert_to_numpy(schedule(step))) for step in steps)


def rate_of(optimizer):
    """Return the learning rate of an optimizer, of a schedule the largest one."""
    schedule = schedule_of(optimizer)
    if schedule is not None:
        return peak_of(schedule)
    return float(np.asarray(optimizer.learning_rate))


def values_of(parameter):
    """Return the values of a keras-tuner parameter: of `Float` its bounds."""
    if isinstance(parameter, kt.engine.hyperparameters.Float):
        return [parameter.min_value, parameter.max_value]
    return list(parameter.values)


def count_of(optimizer):
    """Return the number of steps that an optimizer has taken."""
    return int(np.asarray(optimizer.iterations))


def describe_schedule(optimizer):
    """Return `class_name`, `config` (None of a user's) and `peak` of a schedule, or None."""
    schedule = schedule_of(optimizer)
    if schedule is None:
        return None
    is_own = not type(schedule).__module__.startswith("keras.")
    config = None if is_own else schedule.get_config()
    name = type(schedule).__name__
    return {"class_name": name, "config": config, "peak": peak_of(schedule)}


# ---- what is compared ----


def scalars(logs, prefix=""):
    """Return the metrics that are numbers as floats; one with a number per class is left out."""
    numbers = {name: np.asarray(value) for name, value in logs.items()}
    return {f"{prefix}{name}": float(v.item()) for name, v in numbers.items() if v.size == 1}


def loss_name(names):
    """Return the name of the loss among those of metrics: "loss", or the only one that ends so."""
    found = [name for name in names if name.endswith("loss")]
    for usual in ("loss", "val_loss", "total_loss", "val_total_loss"):
        if usual in found:
            return usual
    return found[0] if len(found) == 1 else None


def choose_objective(objective, names, model, may_be_written=False):
    """Find what is compared, a `keras_tuner.Objective`; InputError if that cannot be told.

    `names` are the metrics on the validation data; a callback may write others into the logs.
    """
    direction = None
    if isinstance(objective, tuple) and len(objective) == 2:
        objective, direction = objective
    if isinstance(objective, kt.Objective):
        objective, direction = objective.name, objective.direction
    if objective is None:
        objective = "val_accuracy" if "val_accuracy" in names else loss_name(names)
        if objective is None:
            raise InputError(f"Give objective: one of {', '.join(sorted(names))}.")
    if not isinstance(objective, str):
        kind = type(objective).__name__
        raise InputError(
            f"One objective is compared, such as 'val_loss'; got a {kind}. Several can be "
            "added up to one by a metric or a callback."
        )
    if objective not in names and not (may_be_written and direction):
        how = f"; if a callback writes it, give objective=({objective!r}, 'min' or 'max')"
        raise InputError(
            f"No objective {objective!r}; this model has {', '.join(sorted(names))}"
            f"{how if may_be_written else ''}."
        )
    if objective in ("loss", "val_loss") and direction == "max":
        raise InputError(f"Less of {objective!r} is better; 'max' would search the worst setting.")
    direction = direction or _direction_of(objective, model)
    if direction not in ("min", "max"):
        raise InputError(
            f"Is more of {objective!r} better? Give objective=({objective!r}, 'min' or 'max'), on "
            f"a command line --objective {objective}:max."
        )
    return kt.Objective(objective, direction)


def _direction_of(name, model):
    """Return "min", "max" or None: what Keras thinks; keras-tuner takes R² and F1 for errors."""
    if name.endswith("loss"):
        return "min"
    of_outputs = [f"val_{output}_" for output in getattr(model, "output_names", None) or []]
    plain = [name.replace(prefix, "val_") for prefix in of_outputs if name.startswith(prefix)]
    return next(filter(None, (_direction_by_keras(one, model) for one in (name, *plain))), None)


def _direction_by_keras(name, model):
    callback = keras.callbacks.EarlyStopping(name)
    callback.set_model(model)
    callback.on_train_begin()
    try:
        callback.on_epoch_end(0, {name: 0.0})
    except ValueError:  # it cannot tell
        return None
    return "max" if callback.monitor_op is keras.ops.greater else "min"


# ---- what can be seen to be wrong before any training ----


def check_finite(engine, data, what):
    """Refuse arrays with NaN or infinity, unless the model can do with them (it may mask them).

    A loss can be finite where the gradient is not: ReLU makes 0 of NaN. So a step is taken.
    """
    for leaf in tree.flatten(data.parts) if isinstance(data, Arrays) else []:
        if leaf.dtype.kind != "f" or np.isfinite([leaf.min(), leaf.max()]).all():
            continue
        row = int(np.argmin(np.isfinite(leaf.reshape(len(leaf), -1)).all(1)))
        model, state = engine.model, engine.read()
        logs = model.train_on_batch(*data.rows(slice(row, row + 1)), return_dict=True)
        found = [logs.get(loss_name(logs), 0.0), *model.get_weights()]
        engine.write(state)
        if not all(np.isfinite(value).all() for value in found):
            raise InputError(f"`{what}` holds NaN or infinity, first in example {row}.")


def check_labels(model, data, what):
    """Refuse labels that are no class of the model, unless a loss of its own can do with them.

    TensorFlow refuses them on a CPU; on a GPU, or compiled by XLA, it makes the loss NaN.
    """
    loss = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
    is_sparse = getattr(loss, "fn", loss) is keras.losses.sparse_categorical_crossentropy
    shapes = [output.shape for output in getattr(model, "outputs", None) or []]
    labels = data.parts[1] if isinstance(data, Arrays) and len(data.parts) > 1 else None
    is_plain = isinstance(labels, np.ndarray) and len(shapes) == 1 and shapes[0][-1] is not None
    is_own = type(model).compute_loss is not keras.Model.compute_loss
    if not is_plain or is_own or own_step(model):
        return
    if labels.dtype.kind in "OSU" and str(getattr(loss, "__module__", "")).startswith("keras."):
        text = str(labels.ravel()[0])
        raise InputError(f"The labels of `{what}` are text ({text!r}); give whole numbers from 0.")
    if not is_sparse:
        return
    classes, labels = shapes[0][-1], labels.reshape(len(labels), -1)
    is_wrong = (labels <= -1) | (labels >= classes)
    is_wrong &= labels != getattr(loss, "ignore_class", None)
    if is_wrong.any():
        row = int(np.argmax(is_wrong.any(1)))
        raise InputError(
            f"`{what}` holds the label {labels[row][is_wrong[row]][0]}, first in example {row}, "
            f"but the model has the classes 0 to {classes - 1}."
        )


# ---- descriptions that can be compared ----


def describe(model):
    """Describe a model and how it is compiled, in str by which another one differs.

    Left out are names, modules and seeds, which may differ from one run to the next, and the
    learning rate, which is searched. What a class of the user's cannot describe is None.
    """
    layers = model._flatten_layers(include_self=False)
    layers = [layer for layer in layers if not isinstance(layer, keras.Model)]
    kinds = [type(layer).__name__ for layer in layers]
    shapes = "x".join(str(math.prod(w.shape)) for w in model.weights)
    configs = [_text(layer.get_config) for layer in layers]
    inner_optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    checksum = f"checksum {zlib.crc32(repr(configs).encode()):08x}"
    return {
        "model": f"{' '.join(kinds)} weights {shapes} {type(model.optimizer).__name__}",
        "layers": checksum + " (not all can be described)" * (None in configs),
        "optimizer": _text(model.optimizer.get_config),
        "averages": bool(getattr(inner_optimizer, "use_ema", False)),  # of weights, at the end
        "loss": _text(lambda: (model.get_compile_config() or {}).get("loss")),
        "loss_weights": _text(lambda: (model.get_compile_config() or {}).get("loss_weights")),
    }


def _text(config):
    try:
        with warnings.catch_warnings():  # that a lambda is not safe to load
            warnings.simplefilter("ignore")
            text = repr(config())
    except Exception:  # whatever the user's own classes raise
        return None
    text = re.sub(r"('__lambda__', 'config': ){[^}]*}", r"\1...", text)  # holds line numbers
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    left_out = "name|module|registered_name|seed|learning_rate"
    text = re.sub(rf"'({left_out})': ('[^']*'|None|[-\d.e+]+)(, )?", "", text)
    return re.sub(r"'\w+': (None|False)(, )?", "", text).replace(", }", "}")


def describe_space(hp):
    """Describe by name what a model declares beside learning rate and batch size."""
    found = {}
    for parameter in hp.space:
        if parameter.name not in SEARCHED:
            config = {k: v for k, v in parameter.get_config().items() if k != "name" and v}
            found.setdefault(parameter.name, []).append(f"{type(parameter).__name__} {config}")
    return found


def check_same(settings, others, what):
    """Refuse settings that differ from those of a search; `what` begins the sentence."""
    found = []
    for name in filter(others.__contains__, settings):
        theirs, ours = others[name], settings[name]
        if isinstance(theirs, dict) and isinstance(ours, dict):
            names = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
            found += [f"{key} is {theirs.get(key)} there, {ours.get(key)} here" for key in names]
        elif theirs != ours:
            found.append(f"{name} is {theirs} there, {ours} here")
    if found:
        raise InputError(f"{what}: {'; '.join(found)}.")
