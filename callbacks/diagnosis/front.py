"""What layers at the front make of the inputs: frozen ones, those that cut, augmentation."""

import keras
import numpy as np

from . import passes
from .graph import flat_layers, tensors_by_key, tensors_of
from .rows import each_named, named
from .scores import squared_distances, told_within
from .states import nothing_moves
from .target import classes_of

CUTTING = ("CenterCrop", "Cropping", "Resizing", "MaxPooling", "AveragePooling", "Discretization")
LOOKUPS = keras.layers.StringLookup, keras.layers.IntegerLookup
FORMS = (  # of inputs, that frozen layers may have been trained with: name, factor, offset
    *(("x * 255", 255.0, 0.0), ("x / 255", 1 / 255, 0.0)),
    *(("2 * x - 1", 2.0, -1.0), ("x / 127.5 - 1", 1 / 127.5, -1.0)),
)


def numbers_of_texts(model, x):
    """Return `x` with texts as the numbers that the layer which reads them makes of them.

    Texts of which it cannot be told which layer reads them stay as they are.
    """
    readers = dict(_readers(model, x))

    def numbered(key, array):
        if key not in readers or np.asarray(array).dtype.kind not in "OSU":
            return array
        return keras.ops.convert_to_numpy(readers[key](keras.ops.convert_to_tensor(array)))

    return each_named(x, numbered)


def unknown_words(model, x):
    """List what lookups do not know of the inputs, see `Run.unknown_words`."""
    found = []
    for key, layer in _readers(model, x):
        if not isinstance(layer, LOOKUPS):  # what the others read, they cut or hash first
            continue
        given = np.asarray(named(x)[key])
        is_text, values = given.dtype.kind in "OSU", given.ravel().tolist()
        values = [_text_of(value) if is_text else int(value) for value in values]
        known = {layer.mask_token, *layer.get_vocabulary(include_special_tokens=False)}
        missing = [value for value in values if value not in known]
        if missing:
            found.append((layer.name, len(missing) / len(values), repr(missing[0])))
    return found


def rare_words(model, x):
    """List layers that leave words out because they may keep no more, see `Run.rare_words`."""
    found = []
    for key, layer in _readers(model, x):
        if not isinstance(layer, keras.layers.TextVectorization):
            continue
        config = layer.get_config()
        kept = config["max_tokens"]
        if kept is None or layer.vocabulary_size() < kept or config["output_mode"] != "int":
            continue
        texts = keras.ops.convert_to_tensor(named(x)[key])
        numbers = keras.ops.convert_to_numpy(layer(texts))
        words = numbers[numbers > 0]  # 0 fills up, 1 stands for each word that is left out
        if words.size:
            found.append((layer.name, kept, float(np.mean(words == 1))))
    return found


def _text_of(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _readers(model, x):
    """Yield the key of each input that a single layer makes numbers of, and that layer."""
    kinds = (*LOOKUPS, keras.layers.TextVectorization, keras.layers.Hashing)
    lookups = [layer for layer in flat_layers(model) if isinstance(layer, kinds)]
    tensors, arrays = tensors_by_key(model, x), named(x)
    for key, array in arrays.items():
        own = id(tensors.get(key))
        reading = [one for one in lookups if own in map(id, tensors_of(one, "input"))]
        is_only_text = len(arrays) == 1 and np.asarray(array).dtype.kind in "OSU"
        reading = lookups if is_only_text else reading  # within a nested model, say
        if len(reading) == 1:
            yield key, reading[0]


def frozen_tells(run, model, x):
    """Scores of simple models on what the frozen layers at the front give, and on the inputs."""
    head = _head(model)
    return None if head is None else _told_from(run, model, head, x)


def _head(model):
    """First layer that is trained, where layers that are not stand before it, or None."""
    layers = [layer for layer in model.layers if layer.weights]
    head = next((layer for layer in layers if layer.trainable_weights), None)
    return None if not layers or head is layers[0] else head


def frozen_form(run, model, x, more=0.1):
    """Find a form of the inputs of which frozen layers tell more, see `Run.frozen_form`."""
    features, raw = run.frozen_tells or (0.0, 0.0)
    if features >= raw - more or not isinstance(x, np.ndarray):
        return None
    forms = {name: factor * x + offset for name, factor, offset in FORMS}
    if x.ndim == 4 and x.shape[-1] == 3:
        forms["x[..., ::-1]"] = x[..., ::-1]
    told = {name: _told_from(run, model, _head(model), form) for name, form in forms.items()}
    scores = {name: found[0] for name, found in told.items() if found is not None}
    best = max(scores, key=scores.get, default=None)
    is_right = best is not None and scores[best] > max(features, raw - 2 * more) + more
    return (best, scores[best]) if is_right else None


def cut_tells(run, model, x):
    """Return a layer that cuts or shrinks the inputs, and what `frozen_tells` does of it."""
    head = next((layer for layer in model.layers if layer.weights), None)
    front = model.layers[: model.layers.index(head)] if head is not None else []
    cuts = [layer.name for layer in front if type(layer).__name__.startswith(CUTTING)]
    told = _told_from(run, model, head, x) if cuts else None
    return None if told is None else (cuts[-1], *told)


def _told_from(run, model, head, x):
    """Scores of simple models on what a layer is given, and on the inputs, or None."""
    table, out = run.table, run.only_output
    if table is None or table[:1].size > 4096 or isinstance(head, keras.Model):
        return None
    if out.prediction is None or len(out.y) != len(table):
        return None
    read = tensors_of(head, "input")
    if not read:
        return None
    (features,) = passes.values_of(model, read[:1], x, passes.SCORED_ROWS)
    told = [told_within(out, rows[: len(features)]) for rows in (features, table)]
    return None if None in told else tuple(score for score, *_ in told)


def frozen_spread(model, x):
    """Compare what the first frozen BatchNormalization is given with what it was trained on.

    See `Run.frozen_spread`: the median over its channels, None where none has been trained.
    """
    kind = keras.layers.BatchNormalization
    norms = [layer for layer in flat_layers(model) if isinstance(layer, kind)]
    norms = [n for n in norms if not n.trainable and keras.ops.any(n.moving_mean != 0)]
    if not norms:
        return None
    layer = norms[0]
    values = passes.given_to(layer, model, x, passes.PROBE_ROWS)
    values = np.moveaxis(values, layer.axis, -1).reshape(-1, values.shape[layer.axis])
    known = np.sqrt(keras.ops.convert_to_numpy(layer.moving_variance) + layer.epsilon)
    return layer.name, float(np.median(values.std(axis=0) / known))


def turned_by_augmentation(run, layers, least=0.25, few=10):
    """Find rows whose nearest row is of another class once they are augmented.

    The layers that change inputs at random are those at the front of the model. See `Run.turned`.
    """
    out = run.only_output
    if out is None or len(run.inputs) != 1 or not out.of_classes:
        return None
    (x,) = run.inputs.values()
    x, labels = x[: passes.SCORED_ROWS], classes_of(out, out.y)[: passes.SCORED_ROWS]
    if len(x) != len(labels) or x[:1].size > 4096:
        return None
    changed = x[: passes.PROBE_ROWS]
    with nothing_moves():
        for layer in layers:
            if layer.name in run.augmentation:
                changed = layer(keras.ops.convert_to_tensor(changed), training=True)
            elif layer.weights:
                break
        changed = keras.ops.convert_to_numpy(changed)
    if changed.shape[1:] != x.shape[1:]:
        return None
    votes = []
    for rows in (x[: len(changed)], changed):
        distances = squared_distances(rows, x)
        np.fill_diagonal(distances, np.inf)  # a row is not its own neighbour
        votes.append(labels[distances.argmin(axis=1)])
    plain, augmented = votes
    labels, found = labels[: len(changed)], []
    for one in np.unique(labels):
        of_class = labels == one
        for other in np.unique(augmented[of_class]) if of_class.sum() >= few else []:
            before = np.mean(plain[of_class] == other)
            share = np.mean(augmented[of_class] == other)
            if other != one and share > least and before < share / 5:
                found.append((int(one), int(other), float(share)))
    return max(found, key=lambda pair: pair[2], default=None)
