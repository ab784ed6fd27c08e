"""One change, a clone of the model with it, and the lines of code that the change is."""

import inspect
import re
from copy import deepcopy
from dataclasses import dataclass, fields

import keras
import numpy as np

from .following import followed, forget
from .graph import NOISE, flat_layers, has_own_call, optimizer_of
from .own_code import has_own, names_of, put_together
from .rows import first_line

WIDTH = ("units", "filters")
OF_A_STEP = (keras.metrics.Metric, keras.random.SeedGenerator, keras.optimizers.Optimizer)
OF_A_TRAINING = {"history", "optimizer", "stop_evaluating", "stop_predicting", "stop_training"}
OF_EACH_LAYER = ("name", "trainable", "dtype")  # in each configuration
WRAPPED = (("layer", "layer"), ("layer", "forward_layer"), ("backward_layer", "backward_layer"))
WORDS = ("name", "cause", "lines", "key", "reason", "recipe")  # what changes nothing


@dataclass(frozen=True)
class Change:
    """One change to model, data or training."""

    name: str  # in words
    cause: str  # what is changed, one of `CAUSES`
    lines: tuple = ()  # (line as it is, line as it should be) of code, "" for none
    key: str = ""  # name of the treatment
    reason: str = ""  # why it may repair, one sentence with its source
    recipe: str = ""  # that shows it; "" for that of the symptom which it treats
    edit: object = None  # (layer, config) → None, having changed it, or another layer
    loss: object = None  # another loss
    optimizer: object = None  # function without arguments that returns another
    split: object = None  # (train, held) → (train, held) of `Rows`
    inputs: object = None  # x → x
    labels: object = None  # (x, y) → y
    predictions: object = None  # (x, predictions) → these in the labels' units
    rate: float = 1.0  # factor of the learning rate
    factor: int = 1  # of the number of updates; above 1 the budget is another
    shuffle: bool | None = None  # whether batches are drawn at random, None for as it is
    class_weight: dict | None = None  # as for `fit`, None for as it is
    keras_step: bool = False  # whether Keras's own train step takes the place of the model's

    @property
    def has_model(self):
        """Whether it needs a model of its own: labels of another shape are traced anew."""
        return any((self.edit, self.loss, self.optimizer, self.labels, self.keras_step))

    def in_words(self):
        """Return what tells of it, without its functions: these hold models and rows."""
        words = {name: getattr(self, name) for name in WORDS}
        return Change(**words, factor=self.factor)


KEPT = Change("as it is", "data")


def both(lab, first, second):
    """Return the two changes in one, None where one would undo the other."""
    parts = {}
    for field in fields(Change):
        if field.name in WORDS:
            continue
        values = [getattr(change, field.name) for change in (first, second)]
        changed = [value for value in values if value != field.default]
        if len(changed) == 2 and field.name != "edit":
            return None
        if changed:
            parts[field.name] = changed[0]
    if "rate" in parts and "optimizer" in parts:
        return None

    def edit(layer, config):
        layers = [change.edit(layer, config) for change in (first, second) if change.edit]
        return next((other for other in layers if other is not None), None)

    lines = first.lines + second.lines
    if "edit" in parts:
        parts["edit"] = edit
        edits = [change.edit for change in (first, second) if change.edit]
        of_layers = [line for one in edits for line in edited_lines(lab, one)]
        others = [line for line in lines if line not in of_layers]
        lines = (*edited_lines(lab, edit), *others)  # what both do to a layer is one line
    name, key = f"{first.name}, and {second.name}", f"{first.key} {second.key}"
    return Change(name, first.cause, lines, key, first.reason, **parts)


def clone(lab, change):
    """Return a compiled model with the change, and the names of layers with weights of their own.

    Raises a `ValueError`, in words, where the model cannot be cloned with it.
    """
    lab.restart()  # its optimizer, which is copied, may have another rate from the trial before
    own_weights = set()

    def clone_layer(layer):
        config = layer.get_config()
        if not isinstance(layer, keras.Layer):  # an operation, such as a + b
            return _made_anew(layer, config)
        parts = _with_wrapped(lab, layer, config)
        before = repr([_initializers(inner) for _, inner in parts])
        other, *_ = [change.edit(part, inner) for part, inner in parts]
        if repr([_initializers(inner) for _, inner in parts]) != before:
            own_weights.add(layer.name)
        return other or _made_anew(layer, config)

    if change.edit is None:
        model = lab.fresh(0)
    elif has_own_call(lab.model):
        raise ValueError("layers that a `call` of your own uses cannot be exchanged from outside")
    else:
        try:
            model = _clone_structure(lab.model, clone_layer)
            if not model.built or not model.weights:
                model(lab.rows.take(np.arange(2)).x, training=False)
        except Exception as error:
            text = f"the model cannot be cloned with it ({first_line(error)})"
            raise ValueError(text) from error
    if change.keras_step:
        kind = type(model)
        model.__class__ = type(kind.__name__, (kind,), {"train_step": keras.Model.train_step})
    if change.edit or change.loss or change.optimizer:
        optimizer = change.optimizer() if change.optimizer else _copy(lab.model.optimizer)
        loss = change.loss or lab.model.loss
        keras.Model.compile(model, optimizer, loss, loss_weights=_loss_weights(lab.model))
    return model, own_weights


def clone_of(model, rate=None, x=None):
    """Return a function that builds a compiled clone: fresh weights, but those of frozen layers.

    `rate` is the learning rate of the clone, None for that of the model's optimizer; on rows `x` a
    `call` of one's own is followed, so that its class need not be written down. Raises a
    `ValueError` if the `keras.Model` is not compiled or cannot be cloned.
    """
    if not model.compiled:
        raise ValueError(f"{model.name!r} is not compiled: call model.compile(...) first.")
    source = model if x is None else _template_of(model, x)

    def build():
        try:
            copy = _clone_structure(source)
            if x is not None and not copy.weights:
                copy(x, training=False)
            for layer, new in zip(flat_layers(source), flat_layers(copy), strict=True):
                if layer.weights and not layer.trainable_weights:
                    new.set_weights(layer.get_weights())
                    if hasattr(new, "finalize_state"):  # Normalization computes with copies
                        new.finalize_state()
        except Exception as error:
            why = str(error) if type(error) is ValueError else first_line(error)
            if isinstance(error, NotImplementedError):
                why = "its `__init__` takes what Keras cannot write down: define `get_config`"
            text = f"{model.name!r} cannot be cloned ({why})"
            raise ValueError(f"{text}: give `checkup` the function that builds it.") from error
        optimizer = _copy(model.optimizer)
        if rate is not None:
            optimizer.learning_rate = rate
        keras.Model.compile(copy, optimizer, model.loss, loss_weights=_loss_weights(model))
        return copy

    return build


def _template_of(model, x):
    """Return a clone, weights included, of the graph of a `call` of one's own, else the model."""
    view = _graph_of(model, x)
    if view is None:
        return model
    try:
        template = _clone_structure(view)
        template.set_weights(view.get_weights())
        return template
    except Exception:  # of a layer that Keras cannot write down: told where the model is cloned
        return model
    finally:
        forget(view)


def with_graph(model, x):
    """Return a compiled Functional model of the same layers, so that each can be exchanged.

    The model itself where it is one, or where that would not be the same.
    """
    view = _graph_of(model, x)
    if view is None:
        return model
    view.compile(_copy(model.optimizer), model.loss, loss_weights=_loss_weights(model))
    return view


def _graph_of(model, x):
    """Return the Functional model of a `call` of one's own, None where it is not the same.

    So it is where more than `call` is its own, or where it has weights beside those of layers.
    """
    methods = "train_step", "test_step", "compute_loss"
    is_own = any(has_own(model, name) for name in methods)
    is_own |= isinstance(model.loss, (dict, list, tuple))
    has_parts = has_own_call(model) or put_together(model)
    if not has_parts or is_own or "add_loss" in names_of(type(model), "call"):
        return None
    view = followed(model, x)
    if view is not None and len(view.trainable_variables) != len(model.trainable_variables):
        forget(view)
        return None
    return view


def lift_penalties(layer, config):
    """Take the penalties and constraints out of the configuration of a layer."""
    for key in config:
        if key.endswith(("regularizer", "constraint")):
            config[key] = None


def lift_noise(layer, config):
    """Take dropout out of the configuration of a layer; return what stands for one of noise.

    Augmentation and noise let the inputs pass in inference; only `RandomCrop` cuts there too.
    """
    kind = type(layer).__name__
    for key in ("dropout", "recurrent_dropout", *(["rate"] if "Dropout" in kind else [])):
        if config.get(key):
            config[key] = 0.0
    is_noise = kind.startswith(NOISE) and kind != "RandomCrop"
    return keras.layers.Identity(name=layer.name) if is_noise else None


def _clone_structure(model, clone_function=None):
    """Clone the layers only.

    Keras would also compile the clone, from names of losses and metrics: that fails where one is
    the user's own function. So it is told, for this moment, that nothing is compiled.
    """
    compiled, model.compiled = model.compiled, False
    try:
        if has_own_call(model) and clone_function is None:
            return _made_anew(model, model.get_config())
        function = clone_function or (lambda layer: _made_anew(layer, layer.get_config()))
        copy = keras.models.clone_model(model, clone_function=function, recursive=True)
    finally:
        model.compiled = compiled
    return _of_its_class(model, copy)


def _of_its_class(model, clone):
    """Give a clone what Keras leaves out, and a train step of one's own may need.

    That is a class whose `__init__` asks for more than Keras hands it, and what was set after the
    model was made. Raises a `ValueError` if such a class keeps something that cannot be copied.
    """
    is_made = type(clone) is type(model)
    if not is_made and isinstance(clone, keras.Sequential):
        given = getattr(clone, "inputs", None) or []  # none before a first step
        inputs = [keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype) for tensor in given]
        clone, is_made = type(model)([*inputs, *clone.layers]), True
    clone.__class__ = type(model)
    for name in vars(model).keys() - vars(clone).keys() - OF_A_TRAINING:
        value = _copied(vars(model)[name])
        if value is not None:
            vars(clone)[name] = value  # not among the weights: Keras has cloned those
        elif not is_made and not name.startswith("_") and vars(model)[name] is not None:
            raise ValueError(f"it keeps {name!r}, which cannot be copied")
    return clone


def _copied(value):
    """Return a copy of what a train step may keep beside the layers, None of anything else."""
    if isinstance(value, (list, tuple)):
        parts = [_copied(part) for part in value]
        return None if any(part is None for part in parts) else parts
    if isinstance(value, dict):
        parts = {key: _copied(part) for key, part in value.items()}
        return None if any(part is None for part in parts.values()) else parts
    if type(value) in (bool, int, float, str) or inspect.isfunction(value):
        return value
    if isinstance(value, keras.losses.Loss):
        return value
    if isinstance(value, OF_A_STEP):
        return type(value).from_config(value.get_config())
    if isinstance(value, keras.Variable):
        now = keras.ops.convert_to_numpy(value)
        return keras.Variable(now, trainable=value.trainable, dtype=value.dtype)
    is_array = hasattr(value, "shape") and hasattr(value, "dtype")  # of NumPy or a backend
    return deepcopy(value) if is_array else None


def _made_anew(layer, config):
    """Make a layer of its configuration, without what an `__init__` of one's own does not take."""
    if isinstance(layer, keras.layers.Lambda):  # written down, a lambda loses the names it reads
        given = {key: config[key] for key in OF_EACH_LAYER if key in config}
        given |= {"output_shape": layer._output_shape, "mask": layer.mask}
        return type(layer)(layer.function, arguments=layer.arguments, **given)
    functions = [value for value in vars(layer).values() if inspect.isfunction(value)]
    with keras.saving.custom_object_scope({f.__name__: f for f in functions}):  # of a Lambda, say
        taken = inspect.signature(type(layer).__init__).parameters.values()
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken)
        names = {*config} if takes_all else {parameter.name for parameter in taken}
        given = {key: config[key] for key in config if key in names or key not in OF_EACH_LAYER}
        new = type(layer).from_config(given)
    if takes_all and hasattr(layer, "get_vocabulary") and config.get("vocabulary") is None:
        new.set_vocabulary(layer.get_vocabulary(include_special_tokens=False))  # adapted
    if not takes_all and not getattr(layer, "trainable", True):  # an operation has no such thing
        new.trainable = False
    return new


def _initializers(config):
    return {key: value for key, value in config.items() if key.endswith("initializer")}


def _copy(optimizer):
    return type(optimizer).from_config(optimizer.get_config())


def _loss_weights(model):
    if not isinstance(model.loss, (list, tuple, dict)):
        return None
    return model.get_compile_config().get("loss_weights")


# ---- lines of code ----


def edited_layers(lab, edit):
    """Yield the layers that an edit changes, each with its line of code before and after."""
    for layer in flat_layers(lab.model):
        try:
            old, new = layer.get_config(), layer.get_config()
        except NotImplementedError:
            continue
        sides = (_with_wrapped(lab, layer, config) for config in (old, new))
        for (part, before), (_, after) in zip(*sides, strict=True):
            other = edit(part, after)
            keys = [key for key in after if after[key] != before.get(key)]
            if other is not None:
                is_out = isinstance(other, keras.layers.Identity)
                line = "" if is_out else _as_code(other, other.get_config(), [])
                yield part, _as_code(part, before, []), line
            elif keys:
                yield part, _as_code(part, before, keys), _as_code(part, after, keys)


def _with_wrapped(lab, layer, config):
    """List a layer and those that it wraps (Bidirectional, TimeDistributed), with configurations.

    What an output wraps is left alone: its size is that of the targets.
    """
    parts = [(layer, config)]
    for key, name in WRAPPED:
        inner, given = getattr(layer, name, None), config.get(key)
        is_there = isinstance(inner, keras.Layer) and isinstance(given, dict)
        if is_there and not lab.is_output(layer):
            parts += _with_wrapped(lab, inner, given["config"])
    return parts


def edited_lines(lab, edit, most=4):
    """Return the lines of the layers that an edit changes: (before, after), the first few."""
    lines = [(before, after) for _, before, after in edited_layers(lab, edit)]
    if len(lines) > most:
        lines = [*lines[:most], ("", f"# and {len(lines) - most} more layers likewise")]
    return tuple(lines)


def _as_code(layer, config, keys):
    """Return the line of code of a layer: its size, the arguments in `keys`, and its name."""
    size = [str(config[key]) for key in (*WIDTH, "rate") if key in config][:1]
    if "kernel_size" in config:
        size.append(repr(tuple(config["kernel_size"])))
    shown = [f"{key}={_value(config[key])}" for key in keys if key not in (*WIDTH, "rate")]
    return f"layers.{type(layer).__name__}({', '.join([*size, *shown, f'name={layer.name!r}'])})"


def _value(value):
    """Return a configuration's value as one would write it."""
    if not isinstance(value, dict) or "class_name" not in value:
        return repr(value)
    name, config = value["class_name"], value.get("config")
    numbers = config.items() if isinstance(config, dict) else ()
    given = [f"{k}={float(v):g}" for k, v in numbers if isinstance(v, (int, float)) and v]
    if not given:
        return repr(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
    return f"{name}({', '.join(given)})"


def compile_line(lab, loss=None, optimizer=None):
    """Return the line that compiles, with the parts that matter."""
    own = lab.model.loss
    if loss is None:
        loss = own if isinstance(own, str) else None
    text = repr(loss) if loss else getattr(own, "__name__", "…")
    if not loss and isinstance(own, keras.losses.Loss):
        text = f"keras.losses.{type(own).__name__}(…)"
    if optimizer is None:
        rate = "…" if lab.learner.rate is None else f"{lab.learner.rate:g}"
        name = type(optimizer_of(lab.model)).__name__
        optimizer = f"keras.optimizers.{name}(learning_rate={rate})"
    return f"model.compile({optimizer}, loss={text}, …)"
