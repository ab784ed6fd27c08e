"""From a model and its data to a `Run`: what is inside of Keras is read here and in `passing`."""

import itertools
import math
import re
import sys

import keras
import numpy as np

from . import following, front, graph, lags, own_code, own_loss, passes
from .known import labels_of, losses_of_outputs, note_known, output_names
from .passing import batches_in_order
from .rows import (
    ends_with_0,
    first_line,
    inputs_of,
    is_arrays,
    is_series,
    name_of,
    of_known,
    sample_arrays,
)
from .run import Output, Watcher
from .scores import ratio_of_spreads
from .states import nothing_moves
from .target import columns_of_labels, label_kind

CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")
IN_WORDS = (  # what Keras says of a model that cannot be looked into
    ("does not have a `call", "the model has no `call`"),
    ("is not connected to", "the layers are no graph that begins at these inputs"),
    ("shape|dimension|broadcast", "the shapes of model and data do not fit"),
)
PENALTIES = ("kernel_regularizer", "bias_regularizer", "activity_regularizer")
SCALING = ("Rescaling", "Normalization")
PREPARING = (*SCALING, "BatchNormalization", "TextVectorization", "Embedding")
# Of several inputs each may have one of these to itself.
PREPARING_ONE = (*PREPARING, "LayerNormalization", "GroupNormalization", "UnitNormalization")
PREPARING_ONE += ("CategoryEncoding", "Discretization", "Hashing", "IntegerLookup", "StringLookup")
ONLY_WATCH = ("Diagnosis", "GradientMonitor", "ActivationMonitor")


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


def attempt(left_out, what, function, *arguments):
    """Return what the function returns; an error in it ends no training, it is noted."""
    try:
        return function(*arguments)
    except Exception as error:
        why = next((words for kind, words in IN_WORDS if re.search(kind, str(error))), None)
        why = why or first_line(error)
        text = f"{what} ({why})"
        left_out.extend([text] if text not in left_out else [])
        return None


def fill(record, left_out, rows):
    """Set fields of a record by rows of (field, what it is in words, function, its arguments)."""
    for field, what, function, *arguments in rows:
        value = attempt(left_out, what, function, *arguments)
        if value is not None:
            setattr(record, field, value)


def arrays_of(fit):
    """Return `Rows` of training arrays and of validation arrays, None for streams.

    Of arrays that `fit` does not shuffle the batches are known too.
    """
    training = validation = None
    x, y = fit.get("x"), fit.get("y")
    if is_arrays(x, y):
        training = sample_arrays(x, y, fit.get("sample_weight"))
        training.windows = is_series(x)
        if not _mixes_rows(fit) and y is not None:
            size = int(fit.get("batch_size") or 32)
            training.batches = batches_in_order(x, y, size)
    if fit.get("validation_data") is not None:
        x, y = fit.get("val_x"), fit.get("val_y")
        if is_arrays(x, y):
            validation = sample_arrays(x, y, fit.get("val_sample_weight"))
    return training, validation


def check_probe(model, x, y):
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


# ---- the model and the settings of fit ----


def look_at_model(run, model, fit, left_out):
    """Note settings, layers and initial weights."""
    layers = attempt(left_out, "the layers", graph.flat_layers, model) or []
    attempt(left_out, "the settings of fit", _look_at_fit, run, model, fit)
    attempt(left_out, "the optimizer", _look_at_optimizer, run, model)
    attempt(left_out, "the layers' weights", _look_at_layers, run, layers)
    if model.built and model.weights:  # Keras also calls built what its first step will make
        run.trainable = len(model.trainable_variables)
    run.own_step = own_code.has_own(model, "train_step")
    own = any(own_code.has_own(model, name) for name in ("test_step", "compute_loss"))
    run.evaluates = own or model.loss is not None
    run.of_batches = not is_arrays(fit.get("x"), fit.get("y"))
    if isinstance(fit.get("x"), keras.utils.PyDataset):
        for array in vars(fit["x"]).values():
            if isinstance(array, np.ndarray) and array.ndim > 1:
                shape = array.shape[1:]
                run.rows_held[shape] = max(len(array), run.rows_held.get(shape, 0))
    if run.own_step:
        run.step_names = own_code.names_of(type(model), "train_step")
        step = type(model).train_step
        asks_keras = run.step_names & {"compute_loss", "compiled_loss", "train_step"}
        run.own_sum_in_step = hasattr(step, "__code__") and not asks_keras
    run.own_loss_sum = own_code.has_own(model, "compute_loss")
    table = (
        ("untracked", "layers of your own", own_code.untracked_by, layers),
        ("metrics", "the metrics", _user_metrics, model),
        ("measures_ranks", "the metrics", _measures_ranks, model),
        ("loss_weights", "the weights of the losses", _loss_weights, model),
    )
    fill(run, left_out, table)
    if not graph.has_own_call(model):  # else it is followed once there are data
        look_at_structure(run, model, left_out)


def look_at_structure(run, model, left_out):
    """Note what stands after what in a model of which Keras keeps the graph."""
    layers = graph.flat_layers(model)
    readers = [*run.last_step, *run.averages]
    run.dropout_at_end = _dropout_at_end(layers)
    attempt(left_out, "the shapes of rows", _look_at_shapes, run, layers)
    table = (
        ("loses_mask", "masks", graph.loses_mask, layers, readers),
        ("chain", "the order of the layers", graph.chain_of, model, layers),
        ("twins", "layers with the same weights", twins_of, layers, run.kernels),
    )
    fill(run, left_out, table)
    if not run.chain:
        left_out.append("the order of the layers (the model has none before its first step)")
        return
    attempt(left_out, "what stands between layers", graph.look_at_links, run, run.chain)
    if getattr(model, "inputs", None):
        table = (
            ("coarsest", "the sizes of maps", graph.coarsest_of, model),
            ("shared_tables", "embeddings", graph.shared_tables, model, layers),
        )
        fill(run, left_out, table)
        attempt(left_out, "networks within the model", graph.look_at_old_classes, run, model)
        attempt(left_out, "the operations", graph.look_at_operations, run, model)


def _look_at_shapes(run, layers):
    for layer in layers:
        kind = type(layer).__name__
        given, made = (_row_shape(layer, side) or () for side in ("input", "output"))
        if kind == "Reshape" and _puts_channels_first(given, made):
            run.reshaped.append((layer.name, given, made))
        most = {"LayerNormalization": 2, "UnitNormalization": 1}.get(kind, 0)
        if most and _num_normalized(layer) in range(1, most + 1):
            run.few_normalized[layer.name] = kind, _num_normalized(layer)
        if "Pool" in kind and np.prod(made or (0,)) == 1:
            run.pooled_to_one.append(layer.name)


def _dropout_at_end(layers):
    """Name of a Dropout behind the last layer with weights, None without one."""
    found = None
    for layer in layers:
        if getattr(layer, "weights", None):
            found = None
        if "Dropout" in type(layer).__name__ and getattr(layer, "rate", 0):
            found = layer.name
    return found


def _loss_weights(model):
    """Weights as given to `compile`, by output."""
    given = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    if isinstance(given, (list, tuple)):
        given = dict(zip(getattr(model, "output_names", None) or [], given, strict=False))
    return dict(given) if isinstance(given, dict) else {}


def metric_names(model):
    """Set of the names under which `fit` logs, with "loss"."""
    known = {"loss", *_user_metrics(model)}
    outputs = getattr(model, "output_names", None) or []
    if len(outputs) > 1:
        known |= {f"{output}_{name}" for output in outputs for name in known}
    return known


def _compiled_metrics(model):
    compiled = getattr(model, "_compile_metrics", None)
    return keras.tree.flatten(getattr(compiled, "_user_metrics", None) or [])


def _user_metrics(model):
    metrics = [(m, getattr(m, "name", None)) for m in _compiled_metrics(model)]
    return [m if isinstance(m, str) else name or getattr(m, "__name__", "") for m, name in metrics]


def _measures_ranks(model):
    """Tell whether a metric measures how rows are ranked, whatever it is called."""
    pairs = zip(_user_metrics(model), _compiled_metrics(model), strict=True)
    return any("auc" in name.lower() or isinstance(m, keras.metrics.AUC) for name, m in pairs)


def _look_at_fit(run, model, fit):
    run.has_validation = fit.get("validation_data") is not None
    run.planned = int(fit.get("epochs") or 0) - int(fit.get("initial_epoch") or 0)
    run.shuffled = _mixes_rows(fit)
    for callback in getattr(fit.get("callbacks"), "callbacks", None) or []:
        is_plain = isinstance(callback, keras.callbacks.LambdaCallback)
        only_watches = type(callback).__name__ in ONLY_WATCH
        if is_plain or (own_code.is_own(type(callback)) and not only_watches):
            run.weight_may_change = True
        if hasattr(callback, "monitor") and hasattr(callback, "mode"):
            wants_more = {"max": True, "min": False}.get(callback.mode)
            patience = getattr(callback, "patience", None)
            watcher = Watcher(type(callback).__name__, callback.monitor, wants_more, patience)
            watcher.rises = _rises(model, callback.monitor)
            watcher.restores = bool(getattr(callback, "restore_best_weights", False))
            watcher.saves = bool(getattr(callback, "save_best_only", False))
            run.watchers.append(watcher)
    run.batch_size = fit.get("batch_size") or (32 if hasattr(fit.get("x"), "shape") else None)
    weights = fit.get("class_weight")
    run.class_weight = {int(k): float(v) for k, v in weights.items()} if weights else None
    run.validation_split = float(fit.get("validation_split") or 0)


def _rises(model, monitor):
    """Tell whether more of a metric is better, as Keras's callbacks ask it; None if it cannot say.

    What it answers is private: `EarlyStopping` reads the same attribute.
    """
    for metric in _compiled_metrics(model):
        if getattr(metric, "name", None) == monitor.removeprefix("val_"):
            return {"up": True, "down": False}.get(getattr(metric, "_direction", None))
    return None


def _mixes_rows(fit):
    """Tell whether rows are drawn anew: "batch" draws whole batches of rows as they stand."""
    return bool(fit.get("shuffle", True)) and fit.get("shuffle", True) != "batch"


def _look_at_optimizer(run, model):
    """Note the optimizer; of a schedule its name and its peak: the first rate says nothing."""
    optimizer = graph.optimizer_of(model)
    if optimizer is None:
        return
    run.optimizer = type(optimizer).__name__
    run.momentum = float(getattr(optimizer, "momentum", 0) or 0) if run.optimizer == "SGD" else 0.0
    rate = getattr(optimizer, "_learning_rate", None)  # `learning_rate` gives a schedule's value
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        run.schedule = type(rate).__name__
        if not own_code.is_own(type(rate)):  # one's own may count its calls
            rates = [rate(step) for step in (0, *np.geomspace(1, 1e6, 40).astype(int).tolist())]
            run.peak = max(float(keras.ops.convert_to_numpy(rate)) for rate in rates)
    elif rate is not None:
        run.learning_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    limits = [getattr(optimizer, name, None) for name in CLIPPING]
    run.clipped = min(filter(None, limits), default=0.0)
    run.epsilon = float(getattr(optimizer, "epsilon", 0) or 0)
    run.accumulated = int(getattr(optimizer, "gradient_accumulation_steps", 1) or 1)
    if getattr(optimizer, "use_ema", False):
        run.averaged = float(optimizer.ema_momentum)
        run.overwrites = int(optimizer.ema_overwrite_frequency or 0)
    run.weight_decay = float(getattr(optimizer, "weight_decay", 0) or 0)


def _look_at_layers(run, layers):
    for layer in layers:
        kind = type(layer).__name__
        weights = getattr(layer, "weights", None) or []
        parts = [layer, *own_code.within(layer)]
        for part in parts:
            if "Dropout" in type(part).__name__ and getattr(part, "rate", 0):
                run.dropout[part.name] = float(part.rate)
        if kind == "BatchNormalization":
            run.batch_norms[layer.name] = float(layer.momentum)
        if own_code.tells_modes_apart(layer):
            run.own_modes.append(layer.name)
        if kind.startswith(graph.NOISE):
            run.augmentation.append(layer.name)
        if kind == "GlobalAveragePooling1D":
            run.averages.append(layer.name)
        run.attends = run.attends or "Attention" in kind
        inner = getattr(layer, "forward_layer", layer)  # of Bidirectional
        if isinstance(inner, keras.layers.RNN):
            _look_at_recurrent(run, layer.name, inner)
        kernel = getattr(layer, "kernel", None)
        is_float = "float" in str(getattr(kernel, "dtype", ""))  # int8: a scale stands beside it
        if isinstance(kernel, keras.Variable) and layer.trainable and is_float:
            run.kernels[layer.name] = keras.ops.convert_to_numpy(kernel)
        if any(str(getattr(weight, "dtype", "")) == "float16" for weight in weights):
            run.half.append(layer.name)
        if weights and not layer.trainable_weights and kind not in ("Normalization", "Rescaling"):
            run.frozen.append(layer.name)
            for part in parts:
                bias = getattr(part, "moving_mean", getattr(part, "bias", None))
                if isinstance(bias, keras.Variable):
                    run.frozen_biases[part.name] = bool(keras.ops.any(bias))
        for part, name in itertools.product(parts, PENALTIES):
            regularizer = getattr(part, name, None)
            if regularizer is not None:
                factors = [float(getattr(regularizer, kind, 0) or 0) for kind in ("l1", "l2")]
                run.penalized[part.name] = max(factors)


def twins_of(layers, kernels):
    """Return lists of names of layers that read the same and start with the same weights."""
    groups = {}
    for layer in layers:
        read = graph.tensors_of(layer, "input")
        if layer.name in kernels and len(read) == 1:
            groups.setdefault((id(read[0]), kernels[layer.name].shape), []).append(layer.name)
    twins = []
    for first, *others in groups.values():
        same = [name for name in others if np.array_equal(kernels[name], kernels[first])]
        twins += [[first, *same]] if same and np.ptp(kernels[first]) > 0 else []
    return twins


def _puts_channels_first(given, made):
    """Tell whether a reshape gives (channels, …) for (…, channels), which mixes the two."""
    if len(given) < 2 or None in given + made or given[-1] == 1 or given == made:
        return False
    places = given[:-1]
    return made in ((given[-1], *places), (given[-1], int(np.prod(places))))


def _look_at_recurrent(run, name, layer):
    activation = getattr(layer, "activation", None)
    run.recurrent[name] = getattr(activation, "__name__", "")
    rate = max(getattr(layer, "dropout", 0) or 0, getattr(layer, "recurrent_dropout", 0) or 0)
    if rate > 0:
        run.dropout[name] = float(rate)
    if layer.stateful:
        run.stateful.append(name)
    if not layer.return_sequences:
        run.last_step.append(name)
    elif layer.go_backwards:
        run.reversed_steps.append(name)


# ---- the data ----


def look_at_data(run, model, sample, left_out, has_stepped=True):
    """Note inputs, labels and batches of `Rows`.

    A model that is not built is called only if it has stepped: a step of one's own may call parts
    of it, and then it never is built as a whole.
    """
    can_be_followed = has_stepped or graph.is_built(model)
    if graph.has_own_call(model) and run.followed is None and can_be_followed:
        _follow(run, model, sample.x, left_out)
    graph_of = run.followed or model
    layers = graph.flat_layers(graph_of)
    run.num_rows, run.windows = sample.num_rows, sample.windows
    run.batches, run.not_finite = sample.batches, sample.not_finite
    if run.batch_size is None and run.batches:
        run.batch_size = run.batches[0].size
    run.weights = None if sample.weights is None else np.asarray(sample.weights)
    run.first_layers = [type(layer).__name__ for layer in layers[:3]]
    run.inputs = inputs_of(sample.x)
    attempt(left_out, "texts", _read_texts, run, graph_of, sample.x)
    run.all_are_numbers = len(run.inputs) == len(keras.tree.flatten(sample.x))
    preparing = list(itertools.takewhile(lambda layer: not layer.trainable_weights, layers))
    kinds = set().union(*map(_kinds_of, [*preparing, *layers[:3]]))
    if kinds.intersection(PREPARING):
        run.scaled_inside = set(run.inputs)
    if len(run.inputs) > 1 and getattr(graph_of, "inputs", None):
        attempt(left_out, "what reads each input", _look_at_readers, run, graph_of, sample.x)
    elif len(run.inputs) > 1:
        _guess_readers(run, layers, kinds)
    what = (run, layers[:2])
    attempt(left_out, "the layers that prepare the inputs", _look_at_preparation, *what)
    if len(run.inputs) == 1 and "Embedding" not in run.first_layers and not run.has_ids:
        (run.table,) = run.inputs.values()
    table = [("embedded", "what is embedded", _embedded, graph_of, layers, sample.x)]
    table.append(("cut_texts", "what is cut off", _cut_texts, layers, sample.x))
    table.append(("unknown_words", "lookups", front.unknown_words, graph_of, sample.x))
    table.append(("rare_words", "words left out", front.rare_words, graph_of, sample.x))
    if getattr(graph_of, "inputs", None):
        masks = ("attention_masks", "masks of attention", _attention_masks, graph_of, sample.x)
        table.append(masks)
    can_be_called = graph.is_built(model) or (has_stepped and all(each.built for each in layers))
    if sample.y is not None:
        attempt(left_out, "masks", note_known, model, sample)
        shapes = []
        if can_be_called and not getattr(graph_of, "outputs", None):
            shapes = attempt(left_out, "the outputs", _shapes_of_outputs, model, sample.x) or []
        table.append(("outputs", "the outputs", _outputs_of, run, model, sample, shapes))
    if can_be_called:
        what = ("the layers that scale", _look_at_scaling, run, model, preparing, sample.x)
        attempt(left_out, *what)
        table.append(("added_at_start", "added losses", passes.added_to_loss, model, sample.x))
    fill(run, left_out, table)
    for out in run.outputs:
        _look_at_loss(out, left_out)
        if out.known is None and sample.known_of(out.index) is not None:
            out.in_own_terms = True
        if np.all(out.y == out.y[0]) and len(run.inputs) == 2 and can_be_called:
            # the better of two comes first: a score of their difference is above 0
            what = ("exchanged inputs", passes.is_difference, model, sample.x)
            out.in_own_terms = bool(attempt(left_out, *what)) or out.in_own_terms
        weights = [leaf for leaf in keras.tree.flatten(sample.weights) if leaf is not None]
        if any(np.any(np.asarray(leaf) < 0) for leaf in weights):
            out.in_own_terms = True  # rewards: such a row's label is to become rarer


def _follow(run, model, x, left_out):
    """Look at the structure of a model with a `call` of its own, if that can be followed."""
    run.followed = attempt([], "", following.followed, model, x)
    if run.followed is not None:
        run.called = [layer.name for layer in graph.flat_layers(run.followed)]
        look_at_structure(run, run.followed, left_out)
    else:
        text = "layers and activations (your own `call` uses what Keras cannot follow)"
        left_out.extend([text] if text not in left_out else [])


def _kinds_of(layer):
    """Return the names of the kinds of a layer and of the layers that it calls."""
    inner = own_code.layers_of(layer)
    if isinstance(layer, keras.layers.Lambda):
        inner = own_code.called_by(layer)
    return {type(each).__name__ for each in (layer, *inner)}


def _look_at_readers(run, model, x):
    """Note which of several inputs are scaled inside, and which only Embeddings read."""

    def is_preparing(operation):
        return bool(_kinds_of(operation).intersection(PREPARING_ONE))

    readers = graph.first_readers(model, is_preparing)
    for key, tensor in graph.tensors_by_key(model, x).items():
        name, found = name_of(key, x), readers[tensor.name]
        if name not in run.inputs or not found:
            continue
        if all(map(is_preparing, found)):
            run.scaled_inside.add(name)
        else:
            run.scaled_inside.discard(name)
        if all("Embedding" in _kinds_of(reader) for reader in found):
            run.looked_up.add(name)


def _guess_readers(run, layers, at_front):
    """Take whole numbers for what an Embedding looks up, where nothing tells what reads them."""
    if "Embedding" in set().union(*map(_kinds_of, layers)):
        whole = [name for name, x in run.inputs.items() if np.all((x >= 0) & (x == np.round(x)))]
        run.looked_up.update(whole)
    if not at_front.intersection(PREPARING) - {"Embedding"}:
        run.scaled_inside = set(run.looked_up)


def _read_texts(run, model, x):
    """Note texts as the numbers that the model makes of them."""
    run.inputs = inputs_of(front.numbers_of_texts(model, x))


def _look_at_loss(out, left_out):
    """Note what a loss of the user's own does, and where one of Keras has no value."""
    table = []
    if out.loss == "custom":
        table = [("properties", "your own loss", own_loss.properties_of, out)]
        others = (own_loss.in_own_terms, own_loss.is_one_number, own_loss.idle_columns)
        others += (own_loss.rows_read, own_loss.compares_all_rows)
        table += [(of.__name__, "your own loss", of, out) for of in others]
        table.append(("lag", "your own loss", lags.of_loss, out))
    elif out.loss == "ctc":  # finds the labels' places itself
        out.in_own_terms = True
    elif out.loss == "own step":  # labels that are all the same only stand in for labels
        out.in_own_terms = bool(np.all(out.y == out.y[0])) or own_loss.packs_labels(out)
    elif out.function is not None and out.activation not in graph.NEVER_NEGATIVE:
        table = [("fails_below_zero", "the loss below 0", own_loss.fails_below_zero, out)]
    if out.loss == "custom" or "cosine" in out.loss:
        table.append(("blind_to_length", "your own loss", own_loss.compares_directions, out))
    fill(out, left_out, table)


def _look_at_preparation(run, first_layers):
    """Note what layers that scale or mask make of the only input."""
    if len(run.inputs) != 1:
        return
    (x,) = run.inputs.values()
    for layer in first_layers:
        kind = type(layer).__name__
        if kind in SCALING:
            run.rescaling[layer.name] = _scaled_by(layer, x)
        elif kind == "Masking" and x.ndim == 3:
            hidden = np.all(x == layer.mask_value, axis=-1)
            run.hidden_steps = (layer.name, *_hidden_rows(hidden, x))
            number, share = _commonest_end(x)
            if share > 0.1 and not hidden.any():
                run.unmasked = (layer.name, number, share)
        elif any(isinstance(inner, keras.layers.Embedding) for inner in own_code.layers_of(layer)):
            run.has_ids = x.ndim == 2 and bool(np.all(x == np.round(x)))
        elif kind == "Embedding":
            run.has_ids = _row_shape(layer, "input") in (None, x.shape[1:])
            if layer.mask_zero and x.ndim == 2:
                run.hidden_steps = (layer.name, *_hidden_rows(x == 0, x))
    is_masked = run.hidden_steps is not None and not run.loses_mask
    ends_in_it = run.last_step or (run.averages and run.loses_mask)
    if x.ndim in (2, 3) and len(x) and ends_in_it and not is_masked:
        steps = x if x.ndim == 3 else x[..., None]
        data = np.any(steps != 0, axis=-1)[:, ::-1]
        run.padded_end = float(np.mean(np.where(data.any(1), data.argmax(1), data.shape[1])))
        run.padded_end /= x.shape[1]


def _look_at_scaling(run, model, preparing, x):
    """Note what layers that scale make of what they are given, before any layer that learns.

    Where inputs are joined and scaled then, what is made of each of them before does not count.
    """
    scaling = [layer for layer in preparing if type(layer).__name__ in SCALING]
    for place, layer in enumerate(preparing):
        behind = [other for other in scaling if other in preparing[place:]]
        if behind and len(graph.tensors_of(layer, "input")) > 1:
            scaling = behind
    for layer in scaling:
        if layer.name not in run.rescaling:
            given = passes.given_to(layer, model, x, passes.SCORED_ROWS)
            run.rescaling[layer.name] = _scaled_by(layer, given)


def _scaled_by(layer, x):
    """Return what `Run.rescaling` holds of a layer that scales x (rows, ...)."""
    with nothing_moves():
        given = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(x)))
    return float(np.sqrt(np.mean(np.square(given, dtype="float64")))), ratio_of_spreads(given)


def _row_shape(layer, side):
    """Shape of a row that a layer reads ("input") or gives ("output"), None if it is not known."""
    tensors = graph.tensors_of(layer, side)
    return tuple(tensors[0].shape[1:]) if tensors else None


def _num_normalized(layer):
    """Count the values that a layer normalizes together, None where that is open."""
    shape = (None, *(_row_shape(layer, "input") or ()))
    sizes = [shape[axis] for axis in np.atleast_1d(layer.axis) if -len(shape) <= axis < len(shape)]
    return None if None in sizes else math.prod(sizes)


def _embedded(model, layers, x):
    """List what is looked up, see `Run.embedded`."""
    found = []
    for layer in layers:
        read = graph.tensors_of(layer, "input")
        if isinstance(layer, keras.layers.Embedding) and read:
            (values,) = passes.values_of(model, read, x, passes.SCORED_ROWS)
            whole = float(np.mean(values == np.round(values)))
            span = (float(values.min()), float(values.max()))
            found.append((layer.name, *span, int(layer.input_dim), whole, _kinds(x, values)))
    return found


def _kinds(x, values):
    """Count the distinct numbers of the only input and what becomes of them, one for each, or None.

    Positions and single columns, which an Embedding may read too, are not made of each number.
    """
    leaves = keras.tree.flatten(x)
    given = np.asarray(leaves[0])[: len(values)]
    if len(leaves) != 1 or given.shape != values.shape or given.dtype.kind not in "iuf":
        return None
    pairs = np.stack([given.ravel(), values.ravel()], axis=1)
    before, after = (len(np.unique(column)) for column in pairs.T)
    return (before, after) if len(np.unique(pairs, axis=0)) == before else None


def _cut_texts(layers, x):
    """Find texts that are cut short, see `Run.cut_texts`."""
    texts = keras.tree.flatten(x)
    for layer in layers:
        if not isinstance(layer, keras.layers.TextVectorization) or len(texts) != 1:
            continue
        config = layer.get_config()
        kept, texts = config["output_sequence_length"], np.asarray(texts[0]).ravel()
        if kept is None or config["split"] != "whitespace" or texts.dtype.kind not in "OSU":
            continue
        return layer.name, int(kept), float(np.median([len(text.split()) for text in texts]))
    return None


def _attention_masks(model, x):
    """Describe masks of attention beside the padding of inputs, see `Run.attention_masks`."""
    found = []
    for name, mask, steps in graph.attention_masks(model):
        shares = [(0.0, 0.0)]
        if mask.shape[-1] == steps:
            (values,) = passes.values_of(model, [mask], x, passes.SCORED_ROWS)
            shown = values.astype(bool).reshape(len(values), -1, steps).any(axis=1)
            for array in inputs_of(x).values():
                empty = array[: len(shown)] == 0
                empty = empty.all(axis=-1) if empty.ndim == 3 else empty
                is_flag = array.max() <= 1 and array.ndim == 2  # of what, its name tells
                if empty.shape == shown.shape and not is_flag and shown.any() and not empty.all():
                    shares.append((float(empty[shown].mean()), 1 - float(shown[~empty].mean())))
        found.append((name, tuple(mask.shape[-2:]), steps, *max(shares, key=min)))
    return found


def _commonest_end(x):
    """Return the first number of the step that most rows end in, and the mean share of such steps.

    Steps count from the end of a row back to the first other one.
    """
    steps, counts = np.unique(x[:, -1], axis=0, return_counts=True)
    end = steps[counts.argmax()]
    others = np.any(x != end, axis=-1)[:, ::-1]
    lengths = np.where(others.any(axis=1), others.argmax(axis=1), x.shape[1])
    return float(end[0]), float(lengths.mean() / x.shape[1])


def _hidden_rows(hidden, x):
    """Return the shares of rows hidden wholly, with a gap, and that become equal to others.

    Padding stands at an end, and without it the rows differ as before.
    """
    seen = ~hidden
    before = np.maximum.accumulate(seen, axis=1)
    after = np.maximum.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
    gaps = float((hidden & before & after).any(axis=1).mean())
    whole = len({row.tobytes() for row in x})
    left = len({row[visible].tobytes() for row, visible in zip(x, seen, strict=True)})
    return float(hidden.all(axis=1).mean()), gaps, 1 - left / whole


def look_at_validation(run, model, sample):
    """Note inputs and labels of the validation data."""
    graph_of = run.followed or model
    run.validation_inputs = inputs_of(front.numbers_of_texts(graph_of, sample.x))
    run.unknown_in_validation = front.unknown_words(graph_of, sample.x)
    run.not_finite = [*run.not_finite, *(f"Validation: {text}" for text in sample.not_finite)]
    note_known(model, sample)
    if run.table is not None and len(run.validation_inputs) == 1:
        (run.validation_table,) = run.validation_inputs.values()
    labels = labels_of(model, sample.y)
    for out in run.outputs:
        array = labels[out.index] if out.index < len(labels) else None
        if array is not None:
            array = np.asarray(array)
            out.validation_known = None if out.has_own_loss else sample.known_of(out.index)
            if out.has_own_loss and out.ignored is not None:
                out.validation_known, array = _without(array, out.ignored)
            array = of_known(array, out.validation_known)
            out.validation_y = columns_of_labels(array, out, out.kind)


def _shapes_of_outputs(model, x):
    """Return the shape of a row of each output, of a model that has no symbolic ones."""
    return [values.shape[1:] for values in passes.predictions(model, x, 2, batch=2)]


def _outputs_of(run, model, sample, shapes):
    """Return an `Output` for each output with labels that are numbers and a known loss."""
    graph_of = run.followed or model
    names, labels = output_names(graph_of), labels_of(model, sample.y)
    found = []
    for index, (array, loss) in enumerate(
        zip(labels, losses_of_outputs(model, len(labels)), strict=True)
    ):
        known = loss is not None or run.own_step or run.own_loss_sum
        if array is None or np.asarray(array).dtype.kind not in "fiub" or not known:
            continue
        out = Output(f"output {index}", index=index, alone=len(labels) == 1)
        tensors = keras.tree.flatten(getattr(graph_of, "outputs", None) or [])
        if index < len(tensors):
            _look_at_tensor(out, run, tensors[index])
        elif index < len(shapes):
            out.shape, out.units = shapes[index], (shapes[index] or (None,))[-1]
        if index < len(names):
            out.name = names[index]
        out.function = loss
        out.loss = "own step" if loss is None else graph.loss_name(loss)
        out.from_logits = bool(getattr(loss, "from_logits", False))
        out.ignored = getattr(loss, "ignore_class", None)
        array = np.asarray(array)
        out.label_shape = array.shape[1:]
        for x in run.inputs.values() if run.has_ids else ():  # it is the only one
            if array.shape == x.shape and x.ndim == 2:
                out.padded = (*ends_with_0(x), *ends_with_0(array))
        out.known = None if out.has_own_loss else sample.known_of(index)
        if out.loss == "custom":
            out.ignored = attempt([], "", own_loss.left_out_class, out, array)
        if out.has_own_loss and out.ignored is not None:
            out.known, array = _without(array, out.ignored)
        array = of_known(array, out.known)
        one_hot = array.ndim > 1 and array.shape[-1] == out.units and (out.units or 0) > 1
        out.one_hot = bool(one_hot and np.all(array.sum(axis=-1) == 1))
        out.y, out.kind = label_kind(array, out)
        found.append(out)
    return found


def _without(labels, number):
    """Return which of the labels are another number, and the labels with one axis less of 1."""
    places = labels.reshape(labels.shape[:-1]) if labels.shape[-1:] == (1,) else labels
    return places != number, places


def _look_at_tensor(out, run, tensor):
    """Note the shape of an output, the layer that computes it and what is applied after it."""
    out.shape, out.units = tuple(tensor.shape[1:]), (tuple(tensor.shape) or (None,))[-1]
    layer, applied = run.chain.get("tensors", {}).get(id(tensor), (None, []))
    if layer is not None:
        out.name = out.layer = layer.name
        out.double_softmax = applied.count("softmax") > 1
        if applied or graph.activation_of(layer) is not None:
            out.activation = applied[-1] if applied else "linear"


def rate_now(model):
    """Return the learning rate of the next step, None if there is none."""
    optimizer = getattr(model, "optimizer", None)
    rate = getattr(optimizer, "learning_rate", None)
    return None if rate is None else float(keras.ops.convert_to_numpy(rate))


def updates_so_far(model):
    """Return how many steps the compiled optimizer has taken, 0 if there is none."""
    count = getattr(getattr(model, "optimizer", None), "iterations", None)
    return 0 if count is None else int(keras.ops.convert_to_numpy(count))


# ---- the model as it is now, and tried on the sample ----


def look_at_predictions(run, model, sample, validation, left_out):
    """Note activations, predictions and penalties as the weights are now."""
    run.idle_norms = []
    x, size = sample.x, max(2, min(run.batch_size or 32, passes.PROBE_ROWS))
    table = (
        ("activations", "activations", passes.activations_of, model, x),
        ("penalty", "penalties", passes.penalty_of, model),
    )
    fill(run, left_out, table)
    given, what = {}, (passes.predictions, model)
    if run.stateful and not run.shuffled:
        text = f"the scores ({run.stateful[0]!r} is stateful: it goes on from the batch before, "
        left_out.append(f"{text}which a sample of rows does not hold)")
    else:
        given["prediction"] = attempt(left_out, "predictions", *what, x, passes.SCORED_ROWS)
        if given["prediction"] is None and run.batch_size:
            batch = (x, run.batch_size, False, run.batch_size)
            fits = attempt([], "one batch", *what, *batch) is not None
            run.only_batch = run.batch_size if fits else None
        if run.batch_norms or run.dropout or run.augmentation or run.own_modes:
            rows = (x, passes.PROBE_ROWS, True, size)
            given["training_prediction"] = attempt(left_out, "training mode", *what, *rows)
        if validation is not None:
            rows = ("predictions of validation data", *what, validation.x, passes.SCORED_ROWS)
            given["validation_prediction"] = attempt(left_out, *rows)
    for out in run.outputs:
        for name, values in given.items():
            known = out.validation_known if name == "validation_prediction" else out.known
            is_there = values is not None and out.index < len(values)
            setattr(out, name, of_known(values[out.index], known) if is_there else None)
        if out.loss == "custom" and out.prediction is not None:
            skill = attempt(left_out, "your own loss", own_loss.skill_of, out, out.prediction)
            out.own_skill, out.asks_for_labels = skill or (None, True)
            out.label_cost = attempt([], "", own_loss.cost_of_labels, out, out.prediction)
        attempt(left_out, "the steps that labels stand at", lags.note_lag, run, out)
    for layer in graph.flat_layers(model):
        if run.batch_norms.get(layer.name, 1) < 1 and layer.trainable:
            averages = layer.moving_mean, layer.moving_variance - 1
            if not any(keras.ops.any(values != 0) for values in averages):
                run.idle_norms.append(layer.name)
        kernel = getattr(layer, "kernel", None)  # none of another one of that name, not built
        if layer.name in run.kernels and kernel is not None:
            start, now = run.kernels[layer.name], keras.ops.convert_to_numpy(kernel)
            run.kernel_norms[layer.name] = float(np.linalg.norm(now))
            way = float(np.linalg.norm(now - start)) if now.shape == start.shape else np.nan
            run.moved[layer.name] = way / max(float(np.linalg.norm(start)), 1e-12)


def try_on_rows(run, model, x, left_out):
    """Note what becomes of the predictions where the rows are given otherwise."""
    graph_of = run.followed or model
    out, layers = run.only_output, graph.flat_layers(graph_of)
    run.next_step = out is not None and is_shifted(out, run.inputs)
    is_pair = out is not None and (out.loss, out.kind, len(run.inputs)) == ("custom", "binary", 2)
    is_table = out is not None and run.table is not None
    frozen = run.frozen if out is not None else []
    last = None if out is None else out.activation
    shares = (passes.row_shares, graph_of, x)
    table = (  # whether it is asked for; then as `fill` takes it, one after the other
        (True, "company", "rows in other company", passes.company, model, x),
        (True, "effects", "what parts of the inputs do", passes.effects, model, x, run.has_ids),
        (is_table, "bend", "the shape of the network", passes.bend, model, x, last),
        (is_pair, "equal_inputs", "equal inputs", _equal_inputs, out, model, x),
        (run.added_at_start, "added", "added losses", passes.added_to_loss, model, x),
        (run.has_ids and run.chain, "row_shares", "what differs between rows", *shares),
        (run.augmentation, "turned", "augmentation", front.turned_by_augmentation, run, layers),
        (frozen, "frozen_tells", "what frozen layers give", front.frozen_tells, run, graph_of, x),
        (frozen, "frozen_form", "what frozen layers ask for", front.frozen_form, run, graph_of, x),
        (frozen, "frozen_spread", "what frozen layers are given", front.frozen_spread, graph_of, x),
        (out is not None, "cut_tells", "what is cut off", front.cut_tells, run, graph_of, x),
        (run.next_step, "sees_ahead", "steps ahead", passes.change_from_later_steps, model, x),
    )
    fill(run, left_out, [row for asked, *row in table if asked])


def _equal_inputs(out, model, x):
    prediction = passes.of_equal_inputs(model, x)
    return None if prediction is None else (prediction, *own_loss.losses_of(out, prediction))


def is_shifted(out, inputs):
    """Tell whether the labels are the inputs of the next step."""
    x = next(iter(inputs.values())) if len(inputs) == 1 else np.zeros(0)
    if x.ndim not in (2, 3) or x.shape[1] < 4:
        return False
    known = np.ones(x.shape[:2], bool) if out.known is None else out.known
    if known.shape != x.shape[:2]:
        return False
    x = x.reshape(*known.shape, -1)
    if out.label_shape[:1] != x.shape[1:2] or out.y.size != x[known].size:
        return False
    labels = np.full(x.shape, np.nan)
    labels[known] = out.y.reshape(-1, x.shape[-1])
    return bool(np.mean(np.isclose(labels, np.roll(x, -1, axis=1))[:, :-1][known[:, :-1]]) > 0.9)
