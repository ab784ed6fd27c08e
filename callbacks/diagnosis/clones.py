"""Clones of a model with one change, and the lines of code that the change is."""

from dataclasses import dataclass

import keras
import numpy as np

from .graph import flat_layers

WIDTH = ("units", "filters")


@dataclass(frozen=True)
class Change:
    """One change to model, data or training.

    Args:
        name: in words.
        cause: what is changed, one of `CAUSES`.
        lines: (line as it is, line as it should be) of code; "" where there is none.
        edit: function (layer, config) that changes the configuration of a layer to be cloned, or
            returns another layer to take its place.
        loss: another loss.
        optimizer: function without arguments that returns another optimizer.
        split: function (train, held) → (train, held) of `Rows`.
        inputs: function x → x.
        labels: function (x, y) → y.
        predictions: function (x, list of predictions) → predictions in the units of the labels.
        options: for `Laboratory.train_and_score`: "rate", "updates", "shuffle", "class_weight".
        same_budget: whether it trains no longer than the baseline.
        key: name of the treatment.
        own_model: whether it needs a model of its own although nothing of it is changed.

    """

    name: str
    cause: str
    lines: tuple = ()
    edit: object = None
    loss: object = None
    optimizer: object = None
    split: object = None
    inputs: object = None
    labels: object = None
    predictions: object = None
    options: tuple = ()
    same_budget: bool = True
    key: str = ""
    own_model: bool = False

    @property
    def has_model(self):
        """Whether it needs a model of its own."""
        changes = (self.edit, self.loss, self.optimizer)
        return self.own_model or any(part is not None for part in changes)


def both(first, second):
    """Return the two changes in one, None where one would undo the other."""
    parts = ("loss", "optimizer", "split", "inputs", "labels", "predictions")
    clash = any(getattr(first, p) is not None and getattr(second, p) is not None for p in parts)
    options = dict(first.options)
    if clash or options.keys() & dict(second.options).keys():
        return None
    if "rate" in {**options, **dict(second.options)} and (first.optimizer or second.optimizer):
        return None

    def edit(layer, config):
        for change in (first, second):
            if change.edit is not None:
                change.edit(layer, config)

    taken = {part: getattr(first, part) or getattr(second, part) for part in parts}
    return Change(
        f"{first.name}, and {second.name}",
        first.cause,
        first.lines + second.lines,
        edit if first.edit or second.edit else None,
        **taken,
        options=first.options + second.options,
        same_budget=first.same_budget and second.same_budget,
        key=f"{first.key} {second.key}",
        own_model=first.own_model or second.own_model,
    )


def clone(lab, change):
    """Return a compiled model with the change, and the names of layers with weights of their own.

    Raises:
        ValueError: in words, where the model cannot be cloned with it.

    """
    own_weights = set()
    if change.edit is None:
        model = lab.fresh(0)
    else:

        def clone_layer(layer):
            config = layer.get_config()
            before = repr(_initializers(config))
            other = change.edit(layer, config)
            if repr(_initializers(config)) != before:
                own_weights.add(layer.name)
            return other or layer.__class__.from_config(config)

        try:
            model = _clone_structure(lab.model, clone_layer)
            if not model.built or not model.weights:
                model(lab.rows.take(np.arange(2)).x, training=False)
        except Exception as error:
            text = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(f"the model cannot be cloned with it ({text[:100]})") from error
    optimizer = change.optimizer() if change.optimizer else _copy(lab.model.optimizer)
    loss = change.loss or lab.model.loss
    if change.edit is not None or change.loss or change.optimizer:
        model.compile(optimizer, loss, loss_weights=_loss_weights(lab.model))
    return model, own_weights


def clone_of(model):
    """Return a function that builds a compiled clone: fresh weights, but those of frozen layers.

    Raises:
        ValueError: if the model is not compiled or cannot be cloned.

    """
    if not model.compiled:
        raise ValueError(f"{model.name!r} is not compiled: call model.compile(...) first.")

    def build():
        try:
            copy = _clone_structure(model)
        except Exception as error:
            text = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"{model.name!r} cannot be cloned ({text[:100]}): pass the function that builds it."
            ) from error
        for layer, new in zip(flat_layers(model), flat_layers(copy), strict=True):
            if layer.weights and not layer.trainable_weights:
                new.set_weights(layer.get_weights())
                if hasattr(new, "finalize_state"):  # Normalization computes with copies
                    new.finalize_state()
        copy.compile(_copy(model.optimizer), model.loss, loss_weights=_loss_weights(model))
        return copy

    return build


def _clone_structure(model, clone_function=None):
    """Clone the layers only.

    Keras would also compile the clone, from names of losses and metrics: that fails where one is
    the user's own function. So it is told, for this moment, that nothing is compiled.
    """
    compiled, model.compiled = model.compiled, False
    try:
        more = {"clone_function": clone_function, "recursive": True} if clone_function else {}
        return keras.models.clone_model(model, **more)
    finally:
        model.compiled = compiled


def _initializers(config):
    return {key: value for key, value in config.items() if key.endswith("initializer")}


def _copy(optimizer):
    return type(optimizer).from_config(optimizer.get_config())


def _loss_weights(model):
    if not isinstance(model.loss, (list, tuple, dict)):
        return None
    return model.get_compile_config().get("loss_weights")


def as_code(layer, config, keys):
    """Return the line of code of a layer: its size, the arguments in `keys`, and its name."""
    size = [str(config[key]) for key in (*WIDTH, "rate") if key in config][:1]
    if "kernel_size" in config:
        size.append(repr(tuple(config["kernel_size"])))
    shown = [f"{key}={_value(config[key])}" for key in keys if key in config]
    shown = [text for text in shown if not text.startswith(("units=", "filters=", "rate="))]
    return f"layers.{type(layer).__name__}({', '.join([*size, *shown, f'name={layer.name!r}'])})"


def _value(value):
    """Return a configuration's value as one would write it."""
    if isinstance(value, dict) and "class_name" in value:
        name, config = value["class_name"], value.get("config") or {}
        if isinstance(config, dict) and set(config) <= {"seed"}:
            return repr("".join("_" + c.lower() if c.isupper() else c for c in name).strip("_"))
        inside = config.items() if isinstance(config, dict) else ()
        given = ", ".join(
            f"{k}={float(v):g}" for k, v in inside if isinstance(v, (int, float)) and v
        )
        return f"{name}({given})"
    return repr(value)


def edited_lines(lab, edit, most=4):
    """Return the lines of the layers that an edit changes: (before, after), the first few."""
    lines = []
    for layer in flat_layers(lab.model):
        try:
            old, new = layer.get_config(), layer.get_config()
        except NotImplementedError:
            continue
        edit(layer, new)
        keys = [key for key in new if new[key] != old.get(key)]
        if keys:
            lines.append((as_code(layer, old, keys), as_code(layer, new, keys)))
    if len(lines) > most:
        lines = [*lines[:most], ("", f"# and {len(lines) - most} more layers likewise")]
    return tuple(lines)


def compile_line(lab, loss=None, optimizer=None):
    """Return the line that compiles, with the parts that matter."""
    if optimizer is None:
        rate = "…" if lab.learner.rate is None else f"{lab.learner.rate:g}"
        name = type(lab.model.optimizer).__name__
        optimizer = f"keras.optimizers.{name}(learning_rate={rate})"
    return f"model.compile({optimizer}, loss={repr(loss) if loss else _loss_text(lab.model.loss)})"


def _loss_text(loss):
    if isinstance(loss, str):
        return repr(loss)
    return getattr(loss, "__name__", None) or getattr(loss, "name", None) or "…"
