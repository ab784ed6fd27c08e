"""What is tried moves nothing: random states, states of layers and names stay as they are."""

import contextlib
import random
import sys
import warnings

import keras
import numpy as np
from keras.src.backend.common import global_state

from .own_code import is_own


@contextlib.contextmanager
def random_states_kept(seed=None):
    """Put back, bit for bit, all that Keras, the backend and a user's functions draw from.

    An int seeds Python and NumPy meanwhile, which Keras draws the seeds of initializers and dropout
    from; None leaves them where they stand.
    """
    python, legacy_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    restores = [_keras_state(), *_backend_states()]
    try:
        if seed is not None:
            seed_all(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy_numpy)  # noqa: NPY002
        for restore in restores:
            restore()


def seed_all(seed):
    """Seed Python and NumPy, which Keras and a user's `build_model` draw from."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002


def name_counters():
    """Return Keras's counters of the names of layers, or None: there is no public way."""
    return global_state.get_global_attribute("object_name_uids")


@contextlib.contextmanager
def nothing_moves(model=None):
    """Put back all that a pass through the model could move: random states, states of layers.

    Keras's variables are only written into a scope that is thrown away; variables of TensorFlow
    that Keras does not know and attributes of the user's own layers are copied before and put back
    after. Warnings of Keras are not repeated. Yields the scope, which holds what layers add to the
    loss.
    """
    layers = list(getattr(model, "_flatten_layers", list)())
    others = [(variable, variable.numpy()) for variable in _foreign_variables(layers)]
    attributes = [kept for layer in layers for kept in _own_attributes(layer)]
    try:
        with random_states_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            with keras.StatelessScope(collect_losses=True) as scope:
                yield scope
    finally:
        for variable, value in others:
            variable.assign(value)
        for layer, name, value, copy in attributes:
            setattr(layer, name, value)
            if isinstance(value, np.ndarray) and value.flags.writeable:
                value[...] = copy


def _keras_state():
    """Return a function that puts Keras's own state back: there is no public way to read it.

    Keras keeps its global seed generator, and the counters that name layers, in attributes of one
    object; beside them a list of variables to be made, which is emptied when they are.
    """
    left = "uninitialized_variables"
    attributes = {k: v for k, v in vars(global_state.GLOBAL_STATE_TRACKER).items() if k != left}
    names = attributes.get("object_name_uids")
    attributes["object_name_uids"] = names.copy() if names is not None else None
    generator = attributes.get("global_seed_generator")
    position = None if generator is None else keras.ops.convert_to_numpy(generator.state)

    def restore():
        for name in list(vars(global_state.GLOBAL_STATE_TRACKER)):
            if name not in attributes and name != left:
                delattr(global_state.GLOBAL_STATE_TRACKER, name)
        for name, value in attributes.items():
            global_state.set_global_attribute(name, value)
        if generator is not None:
            generator.state.assign(position)

    return restore


def _backend_states():
    """Return functions that put the backend's random state back; it has no public getter."""
    restores = []
    if "tensorflow" in sys.modules:
        from tensorflow.python.eager import context

        inner = context.context()
        seed, generator = inner._seed, getattr(inner, "_rng", None)  # none before a seed is set

        def restore():
            inner._seed = seed
            if generator is not None:
                inner._rng = generator

        if generator is not None:
            # Another one meanwhile: a seed drawn twice would go on where its kernel stood.
            inner._rng = random.Random(id(generator))
        restores.append(restore)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        state = torch.random.get_rng_state()
        restores.append(lambda: torch.random.set_rng_state(state))
    return restores


def _own_attributes(layer):
    """Yield (layer, name, value, copy) of numbers and arrays in a layer of the user's own."""
    if is_own(type(layer)):
        for name, value in vars(layer).items():
            if type(value) in (int, float, np.ndarray):
                yield layer, name, value, np.copy(value)


def _foreign_variables(layers):
    """Variables of TensorFlow that layers hold beside Keras's own."""
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    held = [value for layer in layers for value in vars(layer).values()]
    return [value for value in held if isinstance(value, tf.Variable)]
