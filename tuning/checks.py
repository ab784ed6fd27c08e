"""What a search needs of the user's model, checked before any training."""

import contextlib
import inspect
import math
import tempfile
from pathlib import Path

import keras
import numpy as np

from tuning.data import Arrays


def takes_hp(build_model):
    """Whether the user's function wants the hyperparameters.

    Raises:
        ValueError: if it is no function, or wants more than one argument.

    """
    if not callable(build_model):
        raise ValueError(f"`build_model` must be a function, got {build_model!r}.")
    parameters = inspect.signature(build_model).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]
    if len(needed) > 1:
        raise ValueError(f"`build_model` must take no argument or `hp`, but it takes {needed}.")
    return bool(needed) or any(p.name == "hp" for p in parameters)


def check_model(model):
    """Return a compiled Keras model; raise ValueError if it is anything else."""
    if not isinstance(model, keras.Model):
        kind = type(model).__name__
        raise ValueError(f"`build_model` must return a compiled keras.Model; it returned a {kind}.")
    if not model.compiled or model.optimizer is None:
        raise ValueError("The model that `build_model` returned is not compiled; call `compile`.")
    return model


def check_finite(engine, data, what):
    """Refuse arrays with NaN or infinity, unless the model can do with them (it may mask them).

    A loss can be finite where the gradient is not: ReLU makes 0 of NaN. So "train" takes a step.

    Raises:
        ValueError: naming the first such example.

    """
    leaves = keras.tree.flatten(data.parts) if isinstance(data, Arrays) else []
    for leaf in leaves:
        if leaf.dtype.kind != "f" or not leaf.size or np.isfinite([leaf.min(), leaf.max()]).all():
            continue
        row = int(np.argmin(np.isfinite(leaf.reshape(len(leaf), -1)).all(1)))
        example = keras.tree.map_structure(lambda leaf, row=row: leaf[row : row + 1], data.parts)
        model, state = engine.model, engine.read()
        step = model.train_on_batch if what == "train" else model.test_on_batch
        found = [step(*example, return_dict=True)["loss"], *model.get_weights()]
        engine.write(state)
        if not all(np.isfinite(value).all() for value in found):
            raise ValueError(f"`{what}` holds NaN or infinity, first in example {row}.")


def check_labels(model, data, what):
    """Refuse labels that are no class of the model, unless a step of its own can do with them.

    TensorFlow refuses them on a CPU as well; on a GPU, or compiled by XLA, it makes the loss NaN.

    Raises:
        ValueError: naming the first such example.

    """
    loss = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
    is_sparse = getattr(loss, "fn", loss) is keras.losses.sparse_categorical_crossentropy
    shapes = [output.shape for output in getattr(model, "outputs", None) or []]
    labels = data.parts[1] if isinstance(data, Arrays) and len(data.parts) > 1 else None
    is_plain = isinstance(labels, np.ndarray) and len(shapes) == 1 and shapes[0][-1] is not None
    if is_sparse and is_plain and labels.dtype.kind in "OSU":
        text = str(labels.ravel()[0])
        raise ValueError(f"The labels of `{what}` are text ({text!r}); give whole numbers from 0.")
    if keras.backend.backend() != "tensorflow" or not is_sparse or not is_plain:
        return
    classes, labels = shapes[0][-1], labels.reshape(len(labels), -1)
    is_wrong = (labels <= -1) | (labels >= classes)
    is_wrong &= labels != getattr(loss, "ignore_class", None)
    if not is_wrong.any():
        return
    row = int(np.argmax(is_wrong.any(1)))
    example = keras.tree.map_structure(lambda leaf: leaf[row : row + 1], data.parts)
    with contextlib.suppress(Exception):  # a CPU's error, in more words
        if not math.isnan(model.test_on_batch(*example, return_dict=True)["loss"]):
            return
    raise ValueError(
        f"`{what}` holds the label {labels[row][is_wrong[row]][0]}, first in example {row}, but "
        f"the model has the classes 0 to {classes - 1}."
    )


def check_folder(folder, what):
    """Make a folder; raise ValueError if nothing can be written there."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(f"`{what}` is no folder to write to: {error.strerror}: {folder}") from None


def choose_objective(objective, metrics, model):
    """Find what is compared.

    Args:
        objective: str, `keras_tuner.Objective` or None.
        metrics: names of the model's metrics on the validation data.
        model: the model after an evaluation, which knows its metrics.

    Returns:
        `keras_tuner.Objective`.

    Raises:
        ValueError: if there is no such metric, or its direction is unknown.

    """
    if objective is None:
        objective = "val_accuracy" if "val_accuracy" in metrics else "val_loss"
    name = getattr(objective, "name", objective)
    if name not in metrics:
        raise ValueError(f"No objective {name!r}; this model has {', '.join(sorted(metrics))}.")
    import keras_tuner as kt

    if isinstance(objective, kt.Objective):
        return objective
    direction = direction_of(name, model)
    if direction is None:
        raise ValueError(
            f"Is more of {name!r} better? Give keras_tuner.Objective({name!r}, 'min' or 'max'), or "
            "--direction."
        )
    return kt.Objective(name, direction)


def direction_of(name, model):
    """Return "min" or "max", or None: what Keras's callbacks think of a metric.

    keras-tuner takes all that it does not know for an error, R² and F1 as well.
    """
    if name.endswith("loss"):
        return "min"
    callback = keras.callbacks.EarlyStopping(name)
    callback.set_model(model)
    callback.on_train_begin()
    try:
        callback.on_epoch_end(0, {name: 0.0})
    except ValueError:  # it cannot tell
        return None
    return "max" if callback.monitor_op is keras.ops.greater else "min"


def describe(model):
    """Describe a model so that another architecture reads differently: classes and shapes."""
    layers = [type(layer).__name__ for layer in model._flatten_layers(include_self=False)]
    shapes = "x".join(str(math.prod(w.shape)) for w in model.weights)
    return f"{' '.join(layers)} weights {shapes} {type(model.optimizer).__name__}"
