"""The first model of a search: what can be seen to be wrong is refused here."""

import warnings

from ..errors import InputError, naming
from ..inputs.data import Arrays
from ..inputs.model import check_finite, check_labels, own_step
from .one_by_one import Engine, evaluate


def first_engine(build, data, how, batch_size, verbose):
    """Build the model and try it on train, validation and test (or None); InputError if it fails.

    Returns the `Engine`, its metrics before any training, and the data that it takes: of (x, x) a
    step of the model's own may want x alone.
    """
    train, validation, test = data
    is_twice = isinstance(train, Arrays) and train.is_twice_the_same()
    try:
        with warnings.catch_warnings():
            if is_twice:  # what Keras says of a pair where x was wanted
                warnings.simplefilter("ignore")
            return *_tried(build, data, how, batch_size), data
    except InputError:
        if not is_twice or not own_step(build()):
            raise
    if verbose:
        print("`train` is (x, x), which the model's own step does not take: it gets x alone.")
    data = Arrays(train.parts[:1], "train"), Arrays(validation.parts[:1], "validation"), test
    return *_tried(build, data, how, batch_size), data


def _tried(build, data, how, batch_size):
    train, validation, test = data
    with naming("The model cannot be used with `train`,"):
        engine = Engine(build, train, validation, *how)
        check_finite(engine, train, "train")
        check_labels(engine.model, train, "train")
        check_labels(engine.model, validation, "validation")
    is_bare = isinstance(validation, Arrays) and len(validation.parts) == 1
    hint = " without labels (an autoencoder's are x itself: give (x, x))" * is_bare
    with naming(f"The model cannot be evaluated on `validation`{hint}:"):
        untrained = engine.evaluate(batch_size)
    check_finite(engine, validation, "validation")
    if test is not None:  # now rather than after the whole search
        check_labels(engine.model, test, "test")
        with naming("The model cannot be evaluated on `test`:"):
            evaluate(engine.model, test, batch_size)
    return engine, untrained
