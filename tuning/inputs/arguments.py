"""The arguments of a search: what cannot work is refused before anything is read or trained."""

import math
import numbers

import keras

from ..errors import InputError


def data_given(train, validation, x, y, validation_data, split):
    """Return train and validation, given as here or as to `fit`."""
    if train is not None and (x is not None or y is not None):
        raise InputError("Give the training data once: as `train`, or as `x` and `y`.")
    if train is None:
        train = x if y is None else (x, y)
    if validation is not None and validation_data is not None:
        raise InputError("Give the validation data once: `validation` or `validation_data`.")
    if validation is None:
        validation = validation_data
    if train is None:
        raise InputError("`train` is missing: give train=(x, y).")
    if isinstance(validation, float):
        raise InputError(f"`validation` must be data; give validation_split={validation}.")
    is_pair = hasattr(train, "shape") and hasattr(validation, "shape")
    if split is not None:
        if not 0 < split < 1:
            raise InputError(f"`validation_split` must be a share between 0 and 1, got {split!r}.")
        if is_pair:  # search(build_model, x, y, validation_split=0.2)
            return (train, validation), None
        if validation is not None:
            raise InputError("Give `validation` or `validation_split`, not both.")
        return train, None
    if validation is None:
        raise InputError(
            "`validation` is missing: settings are compared on these data. Give "
            "validation=(x_val, y_val), or validation_split=0.2."
        )
    if is_pair and tuple(train.shape[1:]) != tuple(validation.shape[1:]):
        raise InputError(
            "`validation` has other shapes than `train`: give train=(x, y) and "
            "validation=(x_val, y_val), or x, y and validation_split=0.2."
        )
    return train, validation


def check_whole(name, value, least=1):
    """Return a whole number of at least `least` as int, which JSON knows; refuse all else."""
    if not _is_whole(value, least):
        raise InputError(f"`{name}` must be a whole number of at least {least}, got {value!r}.")
    return int(value)


def _is_whole(value, least):
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_int and value >= least


def check_learning_rate(learning_rate):
    """Return (low, high) as floats, or None for none."""
    if learning_rate is None:
        return None
    try:
        low, high = map(float, learning_rate)
    except (TypeError, ValueError):  # no two of them, or no numbers
        low = high = math.nan
    if not 0 < low <= high < math.inf:
        raise InputError(
            f"`learning_rate` must be (low, high) with 0 < low ≤ high, got {learning_rate!r}."
        )
    return low, high


def check_batch_size(batch_size):
    """Return the sizes as a list of int, or None for the default."""
    if batch_size is None:
        return None
    sizes = list(batch_size) if hasattr(batch_size, "__iter__") else []
    if not sizes or not all(_is_whole(size, 1) for size in sizes):
        raise InputError(
            f"`batch_size` must be a list of whole numbers of at least 1, got {batch_size!r}."
        )
    return [int(size) for size in sizes]


def check_size(batch_size, data):
    """Refuse a batch larger than the training data."""
    if batch_size > data.num_examples:
        number = data.num_examples
        raise InputError(f"Batch size {batch_size} exceeds the {number} training examples.")


def check_class_weight(class_weight):
    """Refuse what is no dict from class number to weight."""
    is_dict = isinstance(class_weight, dict)
    if class_weight is not None and not (is_dict and all(_is_whole(c, 0) for c in class_weight)):
        raise InputError(
            "`class_weight` must be a dict from class number to weight, such as {0: 1.0, 1: 5.0}; "
            f"got {class_weight!r}."
        )


def check_callbacks(callbacks):
    """Return the callbacks as a list; refuse those with which trials are not what they seem."""
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    callbacks = list(callbacks or ())
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise InputError(f"`callbacks` must be keras.callbacks.Callback, got {callback!r}.")
        is_scheduler = isinstance(callback, keras.callbacks.LearningRateScheduler)
        if is_scheduler and _ignores_rate(callback.schedule):
            raise InputError(
                "LearningRateScheduler sets the learning rate whatever the search tries, so "
                "there is nothing to search: give it a function of (epoch, rate) that changes "
                "the rate, or compile the optimizer with a schedule."
            )
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise InputError(
                "BackupAndRestore would begin a training where one that failed has ended, with its "
                "weights: leave it out, a search goes on where it was stopped."
            )
    return callbacks


def _ignores_rate(schedule):
    try:
        return schedule(0, 1e-3) == schedule(0, 1e-2)
    except TypeError:  # Keras calls it with the epoch alone
        return True
    except Exception:  # it says so itself, in the first training
        return False
