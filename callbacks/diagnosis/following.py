"""A `call` of one's own, followed on symbolic tensors: the graph that Keras keeps of it nowhere."""

import contextlib
import inspect

import keras
import numpy as np

from . import own_code
from .rows import each, each_named
from .states import nothing_moves

FEW_ROWS = 8


def followed(model, x):
    """Return a Functional model that calls the layers of a model as its own `call` does, or None.

    `call` is followed on symbolic inputs like the rows `x`, as in training; layers of the user's
    own that only put others together are opened, if their names allow it. None where it uses what
    takes no symbolic tensor, a layer that is not built yet, or where the two predict otherwise.
    Until `forget` the layers keep nodes of this graph, in a list that is private.
    """
    parts = own_code.put_together(model)
    with nothing_moves(model):
        view = _followed(model, x, parts)
        if view is None and parts:
            view = _followed(model, x, [])
    return view


def _followed(model, x, parts):
    """Return `followed`, with these layers opened."""

    def symbol(key, array):
        array, name = np.asarray(array), key if isinstance(key, str) else None
        dtype = "string" if array.dtype.kind in "OSU" else array.dtype.name
        return keras.Input(array.shape[1:], dtype=dtype, name=name)

    few = each(lambda array: array[:FEW_ROWS], x)
    before = {layer: _nodes_of(layer) for layer in own_code.within(model)}
    call = getattr(model.call, "python_function", model.call)  # of a tf.function
    mode = {"training": True} if own_code.tells_modes_apart(model) else {}
    inputs = each_named(x, symbol)
    try:
        with symbols_for_tensorflow(), nothing_built(before), opened(parts):
            outputs = call(inputs, **mode)
        view = keras.Model(inputs, outputs, name="diagnosis")
        both = [keras.tree.flatten(one(few, training=False)) for one in (model, view)]
        both = [map(keras.ops.convert_to_numpy, values) for values in both]
        pairs = zip(*both, strict=True)
        is_same = all(np.allclose(a, b, atol=1e-5, equal_nan=True) for a, b in pairs)
    except Exception:  # whatever a function of the user's raises on such a tensor
        is_same = False
    if is_same:
        return view
    for layer, nodes in before.items():
        layer._inbound_nodes[:], layer._outbound_nodes[:] = nodes
    return None


def _nodes_of(layer):
    return list(layer._inbound_nodes), list(layer._outbound_nodes)


def forget(view):
    """Take the nodes that `followed` has made off the layers again."""
    made = {id(node) for nodes in view._nodes_by_depth.values() for node in nodes}
    for operation in view.operations:
        for nodes in (operation._inbound_nodes, operation._outbound_nodes):
            nodes[:] = [node for node in nodes if id(node) not in made]


@contextlib.contextmanager
def opened(parts):
    """Let these layers be called as the layers that they put together, meanwhile.

    How Keras calls a layer stands in its class: there it is exchanged.
    """
    usual = keras.Layer.__call__

    def call(layer, *args, **kwargs):
        if not any(layer is part for part in parts):
            return usual(layer, *args, **kwargs)
        given = inspect.signature(layer.call).bind(*args, **kwargs)
        if own_code.tells_modes_apart(layer) and given.arguments.get("training") is None:
            given.arguments["training"] = True
        return layer.call(*given.args, **given.kwargs)

    kinds = {type(part) for part in parts}
    try:
        for kind in kinds:
            kind.__call__ = call
        yield
    finally:
        for kind in kinds:
            if vars(kind).get("__call__") is call:
                del kind.__call__


@contextlib.contextmanager
def nothing_built(layers):
    """Let a layer that has no weights yet raise a `RuntimeError` where it is called, meanwhile."""
    builds = {layer: layer.build for layer in layers if not layer.built}

    def refuse(*shapes):
        raise RuntimeError("the layer is not built")

    for layer in builds:
        vars(layer)["build"] = refuse
    try:
        yield
    finally:
        for layer, build in builds.items():
            vars(layer)["build"] = build


class Function(keras.Operation):
    """A function of TensorFlow as an operation of Keras; its subclasses are named after it."""

    def __init__(self, function, name=None):
        super().__init__(name)
        self.function = function

    def call(self, *args, **kwargs):
        """Call the function."""
        return self.function(*args, **kwargs)

    def get_config(self):
        """Return what a clone within this process is made of."""
        return {"function": self.function, "name": self.name}


@contextlib.contextmanager
def symbols_for_tensorflow():
    """Let TensorFlow's functions take symbolic tensors of Keras, meanwhile, and join their graph.

    Keras refuses there. TensorFlow asks a list of dispatchers what to do with arguments unknown to
    it; the list is private, and nothing public takes a dispatcher off it again.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.util import dispatch

    class Dispatcher(dispatch.GlobalOpDispatcher):
        def handle(self, function, args, kwargs):
            leaves = keras.tree.flatten((args, kwargs))
            if not any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
                return self.NOT_SUPPORTED
            name = function.__name__.removesuffix("_v2").capitalize()
            return type(name, (Function,), {})(function)(*args, **kwargs)

    dispatcher = Dispatcher()
    dispatcher.register()
    try:
        yield
    finally:
        dispatch._GLOBAL_DISPATCHERS.remove(dispatcher)
