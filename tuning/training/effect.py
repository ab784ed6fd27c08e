"""Whether the learning rate has any effect: without one there is nothing to compare."""

import math

import keras_tuner as kt

from ..errors import InputError


class NothingToSearch(InputError, kt.errors.FatalValueError):
    """The learning rate has no effect; keras-tuner ends a search at errors of its class."""


class Effect:
    """Compares each training with those before it that differ in the learning rate alone."""

    def __init__(self, callbacks=()):
        self._callbacks, self._seen = callbacks, {}

    def check(self, rate, others, steps, curves):
        """Take note of a training; raise NothingToSearch where the rate had no effect.

        `others` is a key of whatever else decides its `curves` of (training loss, score).
        """
        if steps == 0:
            raise NothingToSearch(
                "The compiled optimizer has taken no step in a whole training: `train_step` "
                "updates the weights with another one, so the learning rate has no effect and "
                "there is nothing to search."
            )
        seen = self._seen.setdefault(others, [])
        for other, other_curves in seen:
            length = min(len(curves), len(other_curves))
            is_other = not math.isclose(rate, other, rel_tol=0.01)
            if is_other and length and curves[:length] == other_curves[:length]:
                names = sorted({type(callback).__name__ for callback in self._callbacks})
                what = f"a callback ({', '.join(names)})" if names else "the model itself"
                raise NothingToSearch(
                    f"The learning rate has no effect: {rate:.3g} and {other:.3g} gave exactly the "
                    f"same losses and scores. Probably {what} sets it: there is nothing to search."
                )
        seen.append((rate, curves))
