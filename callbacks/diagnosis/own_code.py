"""What code of the user's own asks for, draws from and keeps: train steps, layers, losses."""

import dis
import inspect
import itertools
import random

import keras
import numpy as np


def is_own(kind):
    """Tell whether a class or function was written outside Keras; of what has no module, no."""
    return not str(getattr(kind, "__module__", "keras.")).startswith("keras.")


def has_own(model, method):
    """Tell whether a model's class brings its own `method`, such as "train_step"."""
    return getattr(type(model), method) is not getattr(keras.Model, method)


def names_of(kind, method):
    """Return the names of attributes and globals in a method and in those of the class it calls."""
    seen, left = set(), [getattr(kind, method, None)]
    while left:
        function = left.pop()
        if not is_own(function):
            continue
        new = set(names_in(function)) - seen
        left += filter(inspect.isfunction, [getattr(kind, name, None) for name in new])
        seen |= new
    return seen


def names_in(function):
    """Return the names of attributes and globals in a function, () where it has no code."""
    return getattr(getattr(function, "__code__", None), "co_names", ())


def draws_of(model, layers):
    """List (function of the user's, state of what it draws from): NumPy's or Python's generator."""
    if model.run_eagerly or keras.backend.backend() == "torch":
        return []
    owners = [(model, name) for name in ("train_step", "compute_loss", "call")]
    owners += [(layer, "call") for layer in layers]
    own = [(owner, f"{type(owner).__name__}.{n}", getattr(type(owner), n)) for owner, n in owners]
    losses = keras.tree.flatten(model.loss)
    own += [(None, f"the loss {f.__name__}", f) for f in losses if hasattr(f, "__code__")]
    states = {where: _generator_in(function, owner) for owner, where, function in own}
    return [(where, state) for where, state in states.items() if state is not None]


def numbers_of(model, layers):
    """Return {owner and attribute: number} that compiled code of the user's reads.

    A trace keeps the value that it has found: what is given to the attribute later has no effect.
    """
    if model.run_eagerly or keras.backend.backend() == "torch":
        return {}
    found = {}
    for owner in filter(lambda one: is_own(type(one)), [model, *layers]):
        methods = ("train_step", "compute_loss", "call")
        read = set().union(*(names_of(type(owner), method) for method in methods))
        kept = {name: vars(owner)[name] for name in read.intersection(vars(owner))}
        numbers = {name: value for name, value in kept.items() if type(value) in (int, float, bool)}
        found |= {f"{owner.name}.{name}": value for name, value in numbers.items()}
    return found


def _generator_in(function, owner):
    """Return the function that tells the state of a generator which code of the user's names."""
    if not hasattr(function, "__code__") or not is_own(function):
        return None
    named = inspect.getclosurevars(function)
    kept = {**named.globals, **named.nonlocals, **getattr(owner, "__dict__", {})}
    for one, then in itertools.pairwise(dis.get_instructions(function)):
        value = kept.get(one.argval) if isinstance(one.argval, str) else None
        if value is np and then.argval == "random":
            value = np.random
        if value is random:
            return random.getstate
        if value is np.random or isinstance(value, np.random.RandomState):
            return lambda drawn=value: drawn.get_state(legacy=False)
        if isinstance(value, np.random.Generator):
            return lambda drawn=value: drawn.bit_generator.state
    return None


def untracked_by(layers):
    """List (layer, what it keeps): tensors and layers that a layer of the user's own hides."""
    found = []
    known = {id(weight) for layer in layers for weight in layer.weights}
    for layer in layers:
        if isinstance(layer, keras.layers.Lambda):
            found += [(layer.name, f"the layer {inner.name!r}") for inner in called_by(layer)]
        elif is_own(type(layer)):
            found += [(layer.name, what) for what in _hidden_in(layer, known)]
    return found


def _hidden_in(layer, known):
    """Yield in words what a layer keeps and Keras does not know; `known` are ids of weights."""
    for name, value in _kept_by(layer):
        is_variable = hasattr(value, "assign")
        is_plain = keras.ops.is_tensor(value) or is_variable
        is_plain = is_plain and keras.backend.is_float_dtype(value.dtype) and len(value.shape)
        if is_plain and not layer.weights:
            what = "variable that Keras does not know" if is_variable else "plain tensor"
            yield f"{name!r} {tuple(value.shape)} as a {what}"
        is_inside = isinstance(value, keras.Layer) and "." in name  # Keras looks into the others
        if is_inside and value.weights and known.isdisjoint(map(id, value.weights)):
            yield f"the layer {name!r} in an object that Keras does not look into"


def _kept_by(holder, depth=2):
    """Yield (name, value) of its attributes, and of what lists and objects in them hold.

    What begins with "_" may be Keras's own, which is not looked into, and neither are modules,
    classes and functions.
    """
    for name, value in vars(holder).items():
        is_array = keras.ops.is_tensor(value) or hasattr(value, "assign")
        if is_array or name.startswith("_"):
            yield name, value
        elif isinstance(value, (list, tuple)):
            yield from ((f"{name}[{place}]", one) for place, one in enumerate(value))
        elif isinstance(value, keras.Layer):
            yield name, value
        elif depth and hasattr(value, "__dict__") and type(value).__module__ != "builtins":
            yield from ((f"{name}.{inner}", one) for inner, one in _kept_by(value, depth - 1))


def tells_modes_apart(layer):
    """Tell whether a layer of the user's own is told whether it trains or predicts."""
    return is_own(type(layer)) and "training" in inspect.signature(layer.call).parameters


def layers_of(layer):
    """Return what a layer wraps, or one of the user's own keeps, as attributes or in lists."""
    kept = [getattr(layer, name, None) for name in ("layer", "forward_layer", "backward_layer")]
    kept = list(vars(layer).values()) if is_own(type(layer)) else kept
    flat = keras.tree.flatten(kept)
    return list(dict.fromkeys(one for one in flat if isinstance(one, keras.Layer)))


def within(layer, wrapped=True):
    """List the layers within one, wherever they are kept, those of nested networks too.

    `wrapped` says whether also what Keras's own layers wrap, such as Bidirectional.
    """
    left, found = _directly_within(layer), {}
    while left:
        one, *left = left
        if one is layer or one in found:  # layers may know each other
            continue
        found[one] = None
        is_open = wrapped or isinstance(one, keras.Model) or is_own(type(one))
        left = [*_directly_within(one), *left] if is_open else left
    return list(found)


def _directly_within(layer):
    return layer.layers if isinstance(layer, keras.Model) else layers_of(layer)


def put_together(model):
    """List the layers of the user's own within a model that only put other layers together."""
    found = []
    for layer in within(model):
        is_own_call = is_own(type(layer)) and getattr(layer, "inputs", None) is None
        is_usual = type(layer).__call__ is keras.Layer.__call__
        if not is_own_call or not is_usual or "add_loss" in names_of(type(layer), "call"):
            continue
        weights = {id(weight) for one in within(layer) for weight in one.weights}
        if weights and weights.issuperset(map(id, layer.weights)):
            found.append(layer)
    return found


def called_by(layer):
    """Layers with weights that the function of a Lambda refers to."""
    function = layer.function
    given = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    names = names_in(function)
    given += [function.__globals__[name] for name in names if name in function.__globals__]
    return [one for one in given if isinstance(one, keras.Layer) and one.weights]
