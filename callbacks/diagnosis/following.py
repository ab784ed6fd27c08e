"""A `call` of one's own, followed on symbolic tensors: the graph that Keras keeps of it nowhere."""

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
    takes no symbolic tensor, where layers are not built yet, or where the two predict otherwise.
    Until `forget` the layers keep nodes of this graph, in a list that is private.
    """
    if not all(layer.built for layer in flat_layers(model)):
        return None

    def symbol(key, array):
        array, name = np.asarray(array), key if isinstance(key, str) else None
        dtype = "string" if array.dtype.kind in "OSU" else array.dtype.name
        return keras.Input(array.shape[1:], dtype=dtype, name=name)

    few = each(lambda array: array[:FEW_ROWS], x)
    before = [(layer, list(layer._inbound_nodes)) for layer in flat_layers(model)]
    mode = own_code.tells_modes_apart(model)
    with nothing_moves(model):
        inputs = each_named(x, symbol)
        try:
            outputs = model.call(inputs, training=True) if mode else model.call(inputs)
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
