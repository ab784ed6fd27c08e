"""From a model and its data to a `Run`: the only place that reads what is inside of Keras."""

import re
import sys

import keras
import numpy as np

from .run import LinearPair, Output, Run
from .scores import PROBE_ROWS

SAMPLE_ROWS = 1024  # rows looked at before training
TRANSPARENT = ("Dropout", "Flatten", "Reshape", "BatchNormalization")
MAX_POOLING = "max pooling"


def fit_arguments(model):
    """Local variables of the running `fit`: a callback is told of neither data nor batch size.

    Looks into the call stack, as Keras has no public way; {} where there is no such frame.
    """
    frame = sys._getframe()
    while frame is not None:
        if "epoch_iterator" in frame.f_locals and frame.f_locals.get("self") is model:
            return dict(frame.f_locals)
        frame = frame.f_back
    return {}


def _sample(fit):
    """Return (x, y, number of rows or None): random rows of arrays, or one batch."""
    x, y = fit.get("x"), fit.get("y")
    if y is not None and all(hasattr(a, "shape") for a in keras.tree.flatten((x, y))):
        num_rows = len(keras.tree.flatten(x)[0])
        # Random, for rows sorted by class; the probe is the beginning of the sample.
        size = min(num_rows, SAMPLE_ROWS)
        rows = np.random.default_rng(0).choice(num_rows, size, replace=False)
        return *keras.tree.map_structure(lambda a: _rows(a, rows), (x, y)), num_rows
    adapter = fit["epoch_iterator"].data_adapter
    if hasattr(adapter, "_first_batches"):  # drawn from a generator by Keras, which puts it back
        batch = adapter._first_batches[0]
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    else:
        batch = next(iter(adapter.get_numpy_iterator()))
    batch = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    batch = keras.tree.map_structure(keras.ops.convert_to_numpy, batch)
    return batch[0], batch[1] if len(batch) > 1 else None, None


def _rows(array, rows):
    """Take rows of an array, table or tensor as NumPy, without a copy of a whole tensor."""
    if not keras.ops.is_tensor(array):
        return np.asarray(array)[rows]
    return keras.ops.convert_to_numpy(keras.ops.take(array, rows, axis=0))


def attempt(left_out, what, function, *arguments):
    """Return what the function returns; an error in it ends no training, it is noted."""
    try:
        return function(*arguments)
    except Exception as error:
        text = f"{what}: {type(error).__name__}: {error}".splitlines()[0]
        left_out.extend([text] if text not in left_out else [])
        return None


def look_at(model, fit, probe, left_out):
    """Collect what the rules read before training.

    Args:
        model: compiled Keras model.
        fit: local variables of the running `fit`, as `fit_arguments` gives them.
        probe: (x, y) to look at instead of a sample of the training data, or None.
        left_out: list that is told what could not be looked at.

    Returns:
        Run, and a function that returns (activations, predictions) on the probe, or None

    """
    run, read_probe = Run(), None
    _look_at_settings(run, model, fit)
    if probe is not None:
        x, y = keras.tree.map_structure(np.asarray, tuple(probe))
        _check_probe(model, x, y)
    else:
        sample = attempt(left_out, "checks of the data (pass `probe`)", _sample, fit)
        x, y, run.num_rows = sample or (None, None, None)
    run.complete = run.num_rows is not None
    if isinstance(model, keras.Sequential) and not model.built and hasattr(x, "shape"):
        model.build((None, *x.shape[1:]))  # as its first step would do
    layers = _flat_layers(model)
    chain = attempt(left_out, "checks of the layers", _chain, model, layers) or {}
    for layer in layers:
        if "Dropout" in type(layer).__name__:
            run.dropout[layer.name] = layer.rate
        if isinstance(getattr(layer, "kernel", None), keras.Variable) and layer.trainable:
            run.kernels[layer.name] = keras.ops.convert_to_numpy(layer.kernel)
    attempt(left_out, "checks between layers", _look_at_links, run, chain)
    if x is not None:
        _look_at_inputs(run, x, {type(layer).__name__ for layer in layers[:3]})
        rows = keras.tree.map_structure(lambda a: a[:PROBE_ROWS], x)

        def read_probe():
            return _probe(model, rows, layers)

    if y is not None:
        attempt(left_out, "checks of the outputs", _describe_outputs, run, model, y, chain)
    if any(out.loss == "custom" for out in run.outputs):
        left_out.append("checks of the loss against the output (custom loss)")
    if not chain:
        text = "checks of layers and activations (the model is no Sequential or Functional)"
        left_out.append(text)
    return run, read_probe


def _look_at_settings(run, model, fit):
    """Note optimizer, learning rate and batch size."""
    optimizer = model.optimizer
    run.has_validation = fit.get("validation_data") is not None
    run.batch_size = fit.get("batch_size") or (32 if isinstance(fit.get("x"), np.ndarray) else None)
    run.optimizer = type(getattr(optimizer, "inner_optimizer", optimizer)).__name__
    run.momentum = float(getattr(optimizer, "momentum", 0) or 0) if run.optimizer == "SGD" else 0
    # Of a schedule nothing is noted: its first rate, that of a warm-up, says nothing.
    if not isinstance(optimizer.get_config().get("learning_rate"), dict):
        run.learning_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def _look_at_inputs(run, x, first_layers):
    """Note the inputs that are numbers, and whether the model scales them itself."""
    arrays = x if isinstance(x, dict) else dict(enumerate(keras.tree.flatten(x)))
    names = {key: f"input {key!r}" for key in arrays} if len(arrays) > 1 else {}
    for key, value in arrays.items():
        if _is_number(value):
            run.inputs[names.get(key, "the input")] = np.asarray(value)
    if first_layers & {"Embedding", "Rescaling", "Normalization", "BatchNormalization"}:
        run.scaled_inside = set(run.inputs)
    if len(run.inputs) == 1 and "Embedding" not in first_layers:
        (run.table,) = run.inputs.values()


def _is_number(array):
    return np.asarray(array).dtype.kind in "fiub"


def _check_probe(model, x, y):
    """Say before training that the probe does not fit."""
    rows = {len(array) for array in keras.tree.flatten((x, y))}
    if len(rows) != 1:
        raise ValueError(f"`probe` has arrays of {sorted(rows)} rows: give each the same number.")
    tensors = model.inputs if model.built and hasattr(model, "inputs") else []
    for tensor, array in zip(tensors, keras.tree.flatten(x), strict=False):
        wanted, shape = tuple(tensor.shape[1:]), array.shape[1:]
        fits = all(a in (None, b) for a, b in zip(wanted, shape, strict=False))
        if len(wanted) != len(shape) or not fits:
            raise ValueError(f"`probe` has rows of shape {shape}, the model takes {wanted}.")


def _flat_layers(model):
    layers = []
    for layer in getattr(model, "layers", []):
        layers.extend(_flat_layers(layer) if isinstance(layer, keras.Model) else [layer])
    return [layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)]


def _activation(layer):
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


def _operations(model):
    """Layers and operations such as `a + b`, those of nested models in their place."""
    for operation in getattr(model, "operations", None) or getattr(model, "layers", []):
        if isinstance(operation, keras.Model):
            yield from _operations(operation)
        elif not isinstance(operation, keras.layers.InputLayer):
            yield operation


def _edges(model, layers):
    """Yield (layer, keys of what it reads, keys of what it gives), in forward order.

    A Sequential model is a line, also where Keras has built its layers twice and `layer.output`
    is ambiguous; otherwise the keys are the ids of the symbolic tensors.
    """
    if isinstance(model, keras.Sequential) and not any(
        isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential)
        for layer in model.layers
    ):
        keys = [*range(len(layers)), id(model.outputs[0]) if model.built else None]
        yield from zip(layers, [[k] for k in keys[:-1]], [[k] for k in keys[1:]], strict=True)
        return
    for operation in _operations(model):
        try:
            given = [id(tensor) for tensor in keras.tree.flatten(operation.output)]
            yield operation, [id(t) for t in keras.tree.flatten(operation.input)], given
        except (AttributeError, ValueError):
            continue


def _chain(model, layers):
    """Follow activations, dropout and the like back to the layer that they belong to.

    Returns:
        dict: "tensors" from key to (that layer, names of what is applied after it), and "links",
        a list of (layer, names of what is applied between, next layer)

    """
    tensors, links = {}, []
    for layer, read, given in _edges(model, layers):
        sources = [tensors[key] for key in read if key in tensors]
        name, kind = _activation(layer), type(layer).__name__
        names = (
            [MAX_POOLING] if "MaxPool" in kind else [name] if name not in (None, "linear") else []
        )
        plain = kind in TRANSPARENT or "Pool" in kind
        if len(sources) == 1 and (plain or (name and not getattr(layer, "weights", None))):
            block = (sources[0][0], [*sources[0][1], *names])
        else:
            links.extend((source, between, layer) for source, between in sources)
            block = (layer, names)
        tensors.update(dict.fromkeys(given, block))
    return {"tensors": tensors, "links": links} if tensors else {}


def _look_at_links(run, chain):
    """Note pairs of Dense or convolution layers with nothing, or a softmax, between them."""
    kinds = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
    links = chain.get("links", [])
    for layer, between, following in links:
        if not (isinstance(layer, kinds) and isinstance(following, kinds)):
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


def _loss_name(loss):
    """Canonical name of a loss, "custom" if Keras does not know it."""
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    if isinstance(loss, keras.losses.Loss):
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(loss).__name__).lower()
    else:
        name = getattr(loss, "__name__", "custom")
    known = hasattr(keras.losses, name) or hasattr(keras.losses, type(loss).__name__)
    return name if known else "custom"


def _describe_outputs(run, model, y, chain):
    tensors = keras.tree.flatten(getattr(model, "outputs", None) or [])
    names = list(getattr(model, "output_names", None) or [])
    labels = keras.tree.flatten([y[n] for n in names] if isinstance(y, dict) else y)
    loss = model.loss
    if isinstance(loss, dict):
        loss = [loss.get(name) for name in names]
    losses = list(loss) if isinstance(loss, (list, tuple)) else [loss] * len(labels)
    for index, array in enumerate(labels):
        if not _is_number(array) or index >= len(losses) or losses[index] is None:
            continue
        tensor = tensors[index] if index < len(tensors) else None
        block = chain.get("tensors", {}).get(id(tensor)) if tensor is not None else None
        out = Output(names[index] if index < len(names) else f"output {index}")
        if block is not None:
            out.layer = block[0].name
            applied = block[1]
            simple = _activation(block[0]) is not None or applied
            out.activation = applied[-1] if applied else "linear" if simple else None
            out.double_softmax = applied.count("softmax") > 1
            out.name = names[index] if index < len(names) else out.layer
        out.units = tensor.shape[-1] if tensor is not None else None
        out.loss = _loss_name(losses[index])
        get_config = getattr(losses[index], "get_config", dict)
        out.from_logits = bool(get_config().get("from_logits", False))
        array = np.asarray(array)
        out.one_hot = array.ndim > 1 and array.shape[-1] == out.units and out.units > 1
        out.one_hot = out.one_hot and bool(np.all(array.sum(axis=-1) == 1))
        out.y, out.kind = _label_kind(array, out)
        run.outputs.append(out)


def _label_kind(y, out):
    """Return labels (rows, columns) and onehot, multilabel, binary, sparse or regression."""
    y = y.astype("float64")
    if "sparse" in out.loss:
        return y.reshape(-1, 1), "sparse"
    columns = y.shape[-1] if y.ndim > 1 and y.shape[-1] == out.units else 1
    y = y.reshape(-1, columns)
    finite = y[np.isfinite(y)]
    if finite.size and np.all((finite == 0) | (finite == 1)):
        if columns == 1:
            return y, "binary"
        return y, "onehot" if np.all(y.sum(axis=1) == 1) else "multilabel"
    return y, "regression"


def _probe(model, rows, layers):
    """Activations of the hidden layers and predictions on the probe, without dropout."""
    hidden = {}
    for layer in layers:
        if _activation(layer) in ("relu", "sigmoid", "tanh"):
            try:
                hidden[layer.name] = (_activation(layer), layer.output)
            except (AttributeError, ValueError):
                continue
    outputs = {id(t) for t in keras.tree.flatten(getattr(model, "outputs", None) or [])}
    hidden = {n: (k, t) for n, (k, t) in hidden.items() if id(t) not in outputs}
    nested = any(isinstance(layer, keras.Model) for layer in model.layers)
    if hidden and not nested:
        tensors = [tensor for _, tensor in hidden.values()]
        reader = keras.Model(
            model.inputs if len(model.inputs) > 1 else model.inputs[0],
            [*tensors, *keras.tree.flatten(model.outputs)],
        )
        if isinstance(rows, dict):
            rows = [rows[tensor.name] for tensor in model.inputs]
        if isinstance(rows, (list, tuple)) and len(rows) == 1:
            rows = rows[0]
        values = [keras.ops.convert_to_numpy(v) for v in reader(rows, training=False)]
        kinds = [(name, kind) for name, (kind, _) in hidden.items()]
        activations = {n: (k, v) for (n, k), v in zip(kinds, values, strict=False)}
        return activations, values[len(hidden) :]
    predictions = keras.tree.flatten(model(rows, training=False))
    return {}, [keras.ops.convert_to_numpy(value) for value in predictions]
