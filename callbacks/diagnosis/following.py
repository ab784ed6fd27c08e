"""A `call` of one's own, followed on symbolic tensors: the graph that Keras keeps of it nowhere."""

import contextlib

import keras
import numpy as np

from . import own_code
from .graph import flat_layers
from .rows import each, each_named
from .states import nothing_moves

FEW_ROWS = 8


def followed(model, x):
    """Return a Functional model that calls the layers of a model as its own `call` does, or None.

    `call` is followed on symbolic inputs like the rows `x`, as in training. None where it uses what
    takes no symbolic tensor, a layer that is not built yet, or where the two predict otherwise.
    Until `forget` the layers keep nodes of this graph, in a list that is private.
    """

    def symbol(key, array):
        array, name = np.asarray(array), key if isinstance(key, str) else None
        dtype = "string" if array.dtype.kind in "OSU" else array.dtype.name
        return keras.Input(array.shape[1:], dtype=dtype, name=name)

    few = each(lambda array: array[:FEW_ROWS], x)
    before = [(layer, list(layer._inbound_nodes)) for layer in flat_layers(model)]
    call = getattr(model.call, "python_function", model.call)  # of a tf.function
    mode = {"training": True} if own_code.tells_modes_apart(model) else {}
    with nothing_moves(model):
        inputs = each_named(x, symbol)
        try:
            with symbols_for_tensorflow(), nothing_built(model):
                outputs = call(inputs, **mode)
            view = keras.Model(inputs, outputs, name="diagnosis")
        except Exception:  # whatever a function of the user's raises on such a tensor
            for layer, nodes in before:
                layer._inbound_nodes[:] = nodes
            return None
        both = [keras.tree.flatten(one(few, training=False)) for one in (model, view)]
        both = [map(keras.ops.convert_to_numpy, values) for values in both]
        pairs = list(zip(*both, strict=True))
    is_same = all(np.allclose(a, b, atol=1e-5, equal_nan=True) for a, b in pairs)
    if not is_same:
        forget(view)
    return view if is_same else None


def forget(view):
    """Take the nodes that `followed` has made off the layers again."""
    made = {id(node) for nodes in view._nodes_by_depth.values() for node in nodes}
    for operation in view.operations:
        kept = [node for node in operation._inbound_nodes if id(node) not in made]
        operation._inbound_nodes[:] = kept


@contextlib.contextmanager
def nothing_built(model):
    """Let a layer that has no weights yet raise a `RuntimeError` where it is called, meanwhile."""
    builds = {layer: layer.build for layer in flat_layers(model) if not layer.built}

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
