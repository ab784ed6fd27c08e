"""What all tests share."""

import gc

import numpy as np
import pytest


@pytest.fixture(scope="session", autouse=True)
def few_collections():
    """Spare collections the objects of the imports: they are an eighth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def same_draws(request):
    """Begin a module's draws anew: what a test draws does not depend on the tests before it."""
    random = getattr(request.module, "RANDOM", None)
    if random is not None:
        random.bit_generator.state = np.random.default_rng(0).bit_generator.state
