"""What stands after what in a model: layers, activations, losses by name."""

import re

import keras
import numpy as np
from keras.src.backend import get_keras_mask  # private, see `mask_of`

from . import own_code
from .run import LinearPair

TRANSPARENT = ("Dropout", "Flatten", "Reshape", "BatchNormalization")
WITH_KERNEL = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
MAX_POOLING = "max pooling"
NOISE = ("Rand", "AugMix", "GaussianNoise")  # beginnings of kinds that change inputs in training
NEVER_NEGATIVE = ("sigmoid", "softmax", "relu", "softplus", "exponential", "hard_sigmoid", "relu6")


def flat_layers(model):
    """Return the layers of a model, those of nested models in their place, without inputs."""
    layers = []
    for layer in getattr(model, "layers", []):
        layers.extend(flat_layers(layer) if isinstance(layer, keras.Model) else [layer])
    layers = dict.fromkeys(layers)  # once where two networks share them
    return [layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)]


def has_own_call(model):
    """Tell whether layers are called by a `call` of one's own, which Keras keeps no graph of."""
    return not isinstance(model, keras.Sequential) and getattr(model, "inputs", None) is None


def is_built(model):
    """Tell whether all layers have their weights: one's own model may call itself built before."""
    return model.built and all(layer.built for layer in flat_layers(model))


def optimizer_of(model):
    """Return the optimizer of a model, out of what scales its loss in half precision; or None."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)


def activation_of(layer):
    """Name of the activation that a layer applies, "linear" if none, None if it could not."""
    kind = type(layer).__name__
    if kind.lower() in ("relu", "sigmoid", "tanh", "softmax", "gelu", "silu", "selu", "elu"):
        return kind.lower()
    if kind in ("LeakyReLU", "LeakyRelu", "PReLU"):
        return "leaky_relu"
    if hasattr(layer, "activation") and not isinstance(layer, keras.layers.RNN):
        function = layer.activation
        name = getattr(function, "__name__", type(function).__name__.lower())
        return name if function else "linear"
    return None


def tensors_of(operation, side):
    """Return the symbolic tensors that a layer or operation reads ("input") or gives ("output").

    [] where it was not called on any, or on several, so that Keras cannot tell.
    """
    try:
        return keras.tree.flatten(getattr(operation, side))
    except (AttributeError, ValueError):
        return []


def tensors_by_key(model, x):
    """Return {key, or place, in x: the symbolic input that is given it}."""
    tensors = list(getattr(model, "inputs", None) or [])
    if not isinstance(x, dict):
        return dict(enumerate(tensors))
    given = model.input if tensors else {}  # by names of the user's, if the model has some
    by_name = given if isinstance(given, dict) else {tensor.name: tensor for tensor in tensors}
    return {key: by_name[key] for key in x if key in by_name}


def mask_of(tensor):
    """Return the mask of a tensor, None without one.

    Keras hands a mask on beside the tensor and offers no public way to read it there.
    """
    return get_keras_mask(tensor)


def loses_mask(layers, readers):
    """Name of the first layer that is given a mask and hands none on to these, None without one."""
    given = {layer.name: tensors_of(layer, "input") for layer in layers}
    masked = [name for name, read in given.items() if read and mask_of(read[0]) is not None]
    if set(readers) <= set(masked):
        return None
    for layer in layers:
        made = tensors_of(layer, "output") if layer.name in masked else []
        has_steps = bool(made) and len(made[0].shape) > 2
        if has_steps and layer.name not in readers and mask_of(made[0]) is None:
            return layer.name
    return None


def shared_tables(model, layers):
    """List (Embedding layer, names of the inputs, one number a row each, that are looked up in it).

    Where a layer is called in several places stands in Keras's nodes alone, which are private.
    """
    names, found = {id(tensor): tensor.name for tensor in model.inputs}, []
    for layer in layers:
        nodes = getattr(layer, "_inbound_nodes", None) or ()
        read = {id(tensor): tensor for node in nodes for tensor in node.input_tensors}
        read = {key: tensor for key, tensor in read.items() if tensor.shape[1:] in ((), (1,))}
        single = [names[key] for key in read if key in names]
        if isinstance(layer, keras.layers.Embedding) and len(single) > 1:
            found.append((layer.name, single))
    return found


def _steps(model, known=None):
    """Yield (layer or operation, keys of what it reads, keys of what it gives), in forward order.

    Keys are ids of symbolic tensors. The layers of a nested model stand in its place; what it is
    given and gives has the keys that it has outside (`known`, from id to key). Which call of it
    is that of this model stands in Keras's nodes alone, which are private.
    """
    known = {} if known is None else known

    def keys(tensors):
        return [known.get(id(tensor), id(tensor)) for tensor in tensors]

    by_depth = getattr(getattr(model, "_functional", None) or model, "_nodes_by_depth", {})
    nodes = {node.operation: node for at_depth in by_depth.values() for node in at_depth}
    for operation in getattr(model, "operations", None) or getattr(model, "layers", []):
        if isinstance(operation, keras.Model):
            if getattr(operation, "inputs", None) and operation in nodes:
                inside = *operation.inputs, *operation.outputs
                outside = *nodes[operation].input_tensors, *nodes[operation].output_tensors
                known.update(zip(map(id, inside), keys(outside), strict=False))
            yield from _steps(operation, known)
        elif not isinstance(operation, keras.layers.InputLayer):
            read, given = (tensors_of(operation, side) for side in ("input", "output"))
            yield operation, keys(read), keys(given)


def _operations(model):
    """Layers and operations such as `a + b`, those of nested models in their place."""
    return [operation for operation, *_ in _steps(model)]


def _edges(model, layers):
    """Return `_steps`; a Sequential model is a line, also where Keras has built its layers twice.

    `layer.output` is that of the first time then.
    """
    if isinstance(model, keras.Sequential) and not any(
        isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential)
        for layer in model.layers
    ):
        keys = [*range(len(layers)), id(model.outputs[0]) if model.built else None]
        return zip(layers, [[k] for k in keys[:-1]], [[k] for k in keys[1:]], strict=True)
    return _steps(model)


def chain_of(model, layers):
    """Follow activations, dropout and the like back to the layer that they belong to.

    Returns a dict: "tensors" from key to (that layer, names of what is applied after it), and
    "links", a list of (layer, names of what is applied between, next layer).
    """
    tensors, links = {}, []
    for layer, read, given in _edges(model, layers):
        sources = [tensors[key] for key in read if key in tensors]
        name, kind = activation_of(layer), type(layer).__name__
        names = [name] if name not in (None, "linear") else []
        names = [MAX_POOLING] if "MaxPool" in kind else names
        plain = kind in TRANSPARENT or "Pool" in kind
        if len(sources) == 1 and (plain or (name and not getattr(layer, "weights", None))):
            block = (sources[0][0], [*sources[0][1], *names])
        else:
            links.extend((source, between, layer) for source, between in sources)
            block = (layer, names)
        tensors.update(dict.fromkeys(given, block))
    return {"tensors": tensors, "links": links} if tensors else {}


def coarsest_of(model):
    """Return (rows, columns) of the smallest map on the widest path to the first output.

    A map of maps has three axes; of several inputs of an operation the widest path counts. None
    where an output is no map.
    """
    widest = {id(tensor): size for tensor in model.inputs if (size := _map_size(tensor))}
    size, sequential = None, isinstance(model, keras.Sequential)
    for operation, read, given in _steps(model):
        if not given:
            continue
        made = _map_size(tensors_of(operation, "output")[0])
        before = [size] if sequential else [widest.get(key) for key in read]
        before = max((pair for pair in before if pair), default=None)
        size = min((pair for pair in (made, before) if pair), default=None)
        widest.update(dict.fromkeys(given, size))
    return size if _map_size(model.outputs[0]) else None


def _map_size(tensor):
    """Rows and columns of a tensor of maps, None if it is none or they are not known."""
    shape = tuple(tensor.shape)
    return shape[1:3] if len(shape) == 4 and None not in shape[1:3] else None


def first_readers(model, is_reader):
    """Return {name of an input: the first layers behind it that learn or are readers}.

    What is joined, cut or reshaped is followed.
    """
    sources = {id(tensor): {tensor.name} for tensor in model.inputs}
    found = {tensor.name: [] for tensor in model.inputs}
    for operation, read, given in _steps(model):
        names = set().union(*(sources.get(key, ()) for key in read))
        if getattr(operation, "trainable_weights", None) or is_reader(operation):
            for name in names:
                found[name].append(operation)
            names = set()
        sources.update(dict.fromkeys(given, names))
    return found


def look_at_links(run, chain):
    """Note pairs of Dense or convolution layers with nothing, or a softmax, between them."""
    links = chain.get("links", [])
    for layer, between, following in links:
        if not (isinstance(layer, WITH_KERNEL) and isinstance(following, WITH_KERNEL)):
            continue
        units = layer.kernel.shape[-1]
        if "softmax" in between:
            run.hidden_softmax.append((layer.name, units))
        only_reader = sum(source is layer for source, _, _ in links) == 1
        if only_reader and not set(between) - {MAX_POOLING}:
            fan_in = int(np.prod(layer.kernel.shape[:-1]))
            sizes = (fan_in, units, following.kernel.shape[-1])
            pair = LinearPair(layer.name, following.name, *sizes, bool(between))
            run.linear_pairs.append(pair)


def look_at_operations(run, model):
    """Note a softmax over an axis of size 1 inside of the network, and steps that are turned.

    What a function of the user's own turns is not known: then no steps count as reversed.
    """
    outputs = {id(tensor) for tensor in model.outputs}  # and what is only reshaped on its way there
    steps = list(_steps(model))
    for operation, read, given in reversed(steps):
        if type(operation).__name__ in TRANSPARENT and outputs.intersection(given):
            outputs.update(read)
        is_own = own_code.is_own(type(operation))
        axis = getattr(operation, "axis", -1)
        is_softmax = activation_of(operation) == "softmax" and isinstance(axis, int)
        is_softmax = is_softmax and bool(given) and given[0] not in outputs
        if is_softmax and tensors_of(operation, "output")[0].shape[axis] == 1:
            run.softmax_of_one.append(operation.name)
        if is_own or type(operation).__name__ in ("Flip", "Lambda", "GetItem"):
            run.reversed_steps.clear()
        if is_own:
            run.without_features += _without_features(operation, given, steps)


def _without_features(operation, given, steps):
    """List (name, steps, features) of what makes one number of each step, for a Dense layer."""
    read, made = (tensors_of(operation, side) for side in ("input", "output"))
    if len(read) != 1 or len(made) != 1 or len(read[0].shape) != 3:
        return []
    _, length, features = read[0].shape
    readers = [reader for reader, keys, _ in steps if given[0] in keys]
    is_wrong = tuple(made[0].shape[1:]) == (length,) and features not in (1, length)
    is_wrong &= bool(readers) and all(isinstance(o, keras.layers.Dense) for o in readers)
    return [(operation.name, length, features)] if is_wrong else []


def attention_masks(model):
    """List (layer, its attention_mask, number of steps that it reads) of what attends under one.

    Which of a layer's arguments the mask is stands in Keras's node alone, which is private.
    """
    found = []
    kinds = keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention
    for operation in _operations(model):
        if not isinstance(operation, kinds):
            continue
        node = next(iter(getattr(operation, "_inbound_nodes", None) or ()), None)
        mask = getattr(getattr(node, "arguments", None), "kwargs", {}).get("attention_mask")
        if getattr(mask, "shape", None) and len(mask.shape) >= 3:
            found.append((operation.name, mask, tensors_of(operation, "input")[1].shape[1]))
    return found


def look_at_old_classes(run, model):
    """Note frozen networks within the model that end in a softmax, of whatever form they are."""
    for inner in model.layers[:-1]:
        if not isinstance(inner, keras.Model) or not getattr(inner, "outputs", None):
            continue
        tensors = chain_of(inner, flat_layers(inner)).get("tensors", {})
        layer, applied = tensors.get(id(inner.outputs[0]), (None, []))
        known = [name for name, _ in run.hidden_softmax]
        if "softmax" in applied and layer.name in run.frozen and layer.name not in known:
            run.hidden_softmax.append((layer.name, inner.outputs[0].shape[-1]))


def loss_name(loss):
    """Name of a loss of Keras, e.g. "mean_squared_error"; "custom" for one of the user's own.

    What counts is where it was written: one's own function may be called anything.
    """
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    if isinstance(loss, keras.losses.Loss):
        name, home = re.sub(r"(?<!^)(?=[A-Z])", "_", type(loss).__name__).lower(), type(loss)
        name = name.replace("k_l_", "kl_").replace("c_t_c", "ctc")
    else:
        name, home = getattr(loss, "__name__", "custom"), loss
    return "custom" if own_code.is_own(home) else name
