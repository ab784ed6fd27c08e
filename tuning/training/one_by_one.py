"""Train one architecture again and again: from the same start, at any rate and batch size.

For one architecture the learning rate is only a variable and the batch size only a shape. So the
model is built once; a snapshot of all its variables and all of its optimizer's is put back before
each trial. Zeroing them instead would be wrong: Adagrad, Nadam and Ftrl start from values that are
not zero, and dropout's seeds and batch normalization's statistics are variables, too.

Engine "graph" runs a whole epoch inside one compiled function with the data on the device. Engine
"fit" is `model.fit` on the reused model, for whatever Python must see in between.
"""

import copy
import functools
import math
import time

import keras
import numpy as np

from ..errors import InputError
from ..inputs.data import DEVICE_BYTES, Arrays, Stream, batch_order, for_fit
from ..inputs.model import (
    all_variables,
    build_with_seed,
    count_of,
    fixed_batch_size,
    own_step,
    peak_of,
    scalars,
    schedule_of,
    to_numpy,
)
from .graph import GraphFunctions


def obstacles(model, data=(), callbacks=()):
    """Return why Python must see what happens between batches, a list of reasons in words."""
    own = own_step(model)
    found = {
        f"the model has its own {' and '.join(own)}": own,
        "the model runs eagerly": model.run_eagerly,
        "the model is distributed": getattr(model, "_distribute_strategy", None) is not None,
        "callbacks are called between batches": callbacks,
        "the learning rate follows a schedule": schedule_of(model.optimizer) is not None,
        "the data is not an array": not all(isinstance(part, Arrays) for part in data),
        "`fit` weights the classes": any(part.class_weight for part in data),
        "a recurrent layer keeps its state between batches": any(
            getattr(layer, "stateful", False) for layer in model._flatten_layers()
        ),
    }
    return [reason for reason, holds in found.items() if holds]


def choose_engine(model, train, validation, callbacks, wanted="auto"):
    """Return "graph" or "fit" and why, in words; InputError if "graph" is wanted and cannot be."""
    found = obstacles(model, (train, validation), callbacks)
    if keras.backend.backend() != "tensorflow":
        found.insert(0, f"the backend is {keras.backend.backend()}")
    if any(isinstance(part, Arrays) and len(part.parts) == 1 for part in (train, validation)):
        found.append("the training step is given x alone")
    if train.bytes + validation.bytes > DEVICE_BYTES:
        found.append("the arrays are larger than 2 GiB")
    if wanted == "graph" and found:
        raise InputError(f"Engine 'graph' cannot be used: {found[0]}. Use engine='auto'.")
    if wanted == "fit":
        return "fit", "it was asked for"
    return ("fit", found[0]) if found else ("graph", "nothing needs Python between batches")


class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule times a factor that can be changed: its peak becomes the trial's learning rate."""

    def __init__(self, schedule):
        self.schedule, self._peak = schedule, peak_of(schedule)
        self.factor = keras.Variable(1.0, trainable=False, name="factor")

    def __call__(self, step):
        """Return the learning rate at a step."""
        return self.schedule(step) * keras.ops.cast(self.factor, "float32")

    def get_config(self):
        """Return what `from_config` needs."""
        return {"schedule": self.schedule}

    def set_peak(self, learning_rate):
        """Scale so that the largest rate is `learning_rate`."""
        self.factor.assign(learning_rate / self._peak)


def _read(variables):
    values = [to_numpy(variable) for variable in variables]
    # files of NumPy do not know bfloat16; float32 holds it exactly, and `assign` rounds nothing
    return [v.astype("float32") if v.dtype.name == "bfloat16" else v for v in values]


class Engine:
    """One architecture: `build` gives its model, once for each seed; `kind` is "graph" or "fit"."""

    def __init__(self, build, train, validation, callbacks=(), wanted="auto", seed=0):
        self._build, self.train_data, self.validation_data = build, train, validation
        self.callbacks = list(callbacks)
        self.restores = any(getattr(one, "restore_best_weights", False) for one in callbacks)
        self.model = build_with_seed(build, seed, train.head(1))
        self.kind, self.reason = choose_engine(
            self.model, train, validation, self.callbacks, wanted
        )
        self._variables = all_variables(self.model)
        self._start = seed, self.read()
        schedule = schedule_of(self.model.optimizer)
        self._schedule = ScaledSchedule(schedule) if schedule is not None else None
        if self._schedule is not None:
            self.model.optimizer.learning_rate = self._schedule
            self.model.make_train_function(force=True)  # one that was trained holds its own
        self._untrained_loss = None

    def read(self):
        """Copy the present state of all that training changes, a list of arrays."""
        return _read(self._variables)

    def write(self, state):
        """Put a state back."""
        for variable, array in zip(self._variables, state, strict=True):
            variable.assign(array)

    def reset(self, seed):
        """Go back to the start: the state of a new model built with this seed."""
        if seed != self._start[0]:
            model = build_with_seed(self._build, seed, self.train_data.head(1))
            self._start = seed, _read(all_variables(model))
        if self.kind == "fit":
            keras.utils.set_random_seed(seed)
        self.write(self._start[1])

    def evaluate(self, batch_size):
        """Metrics on the validation data, as a dict with the prefix `val_`."""
        if self.kind == "graph":
            return scalars(self._functions.validate(np.int32(batch_size)), "val_")
        return evaluate(self.model, self.validation_data, batch_size, "val_")

    def find_untrained_loss(self, seed, batch_size):
        """Return the validation loss of the first start; it is measured once."""
        if self._untrained_loss is None:
            self.reset(seed)
            self._untrained_loss = self.evaluate(batch_size).get("val_loss", math.nan)
        return self._untrained_loss

    def train(self, learning_rate, batch_size, epochs, seed, start, on_epoch):
        """Train from the present state; return the steps that the optimizer has counted.

        Of a schedule the rate is the largest value. The seed gives the order of the examples;
        `start` epochs are done already. `on_epoch` is called with (epoch from 0, logs, seconds)
        after each, and ends the training if it returns True.
        """
        if self._schedule is not None:
            self._schedule.set_peak(learning_rate)
            if keras.backend.backend() == "jax":  # its compiled step holds the factor as a constant
                self.model.make_train_function(force=True)
        else:
            self.model.optimizer.learning_rate = learning_rate
        train = self._train_in_graph if self.kind == "graph" else self._train_with_fit
        before = count_of(self.model.optimizer)
        train(batch_size, range(start, epochs), seed, on_epoch)
        return count_of(self.model.optimizer) - before

    @functools.cached_property
    def _functions(self):
        return GraphFunctions(self.model, self.train_data, self.validation_data)

    def _train_in_graph(self, batch_size, epochs, seed, on_epoch):
        functions, size = self._functions, np.int32(batch_size)
        for epoch in epochs:
            began = time.perf_counter()
            order = batch_order(seed, epoch, self.train_data.num_examples)
            logs = scalars(functions.train_epoch(order, size))
            logs |= scalars(functions.validate(size), "val_")
            if on_epoch(epoch, logs, time.perf_counter() - began):
                break
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

    def _train_with_fit(self, batch_size, epochs, seed, on_epoch):
        batches = self.train_data.batches(batch_size, seed)
        own = [copy.deepcopy(callback) for callback in self.callbacks]
        self.model.fit(
            for_fit(batches),
            validation_data=_to_evaluate(self.model, self.validation_data, batch_size),
            epochs=epochs[-1] + 1,
            initial_epoch=epochs[0],
            shuffle=False,
            verbose=0,
            callbacks=[*own, _Reporter(batches, on_epoch)],
            class_weight=self.train_data.class_weight,
        )


def evaluate(model, data, batch_size, prefix=""):
    """Return the metrics of a model on `Arrays` or a `Stream`, names with a prefix."""
    batches = _to_evaluate(model, data, batch_size)
    return scalars(model.evaluate(batches, verbose=0, return_dict=True), prefix)


def _to_evaluate(model, data, batch_size):
    """Return batches to evaluate on: a dataset's own, unless the model takes one size only.

    A PyDataset of which some steps are an epoch is cut, too: it cannot end by itself.
    """
    is_whole = isinstance(data, Stream) and not (data.is_python and data.steps)
    if is_whole and fixed_batch_size(model) is None:
        return data.source
    return for_fit(data.batches(batch_size))


class _Reporter(keras.callbacks.Callback):
    """Gives each epoch its order of examples, and reports its metrics and seconds."""

    def __init__(self, batches, on_epoch):
        super().__init__()
        self._batches, self._on_epoch = batches, on_epoch

    def on_epoch_begin(self, epoch, logs=None):
        if hasattr(self._batches, "set_epoch"):
            self._batches.set_epoch(epoch)
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if self._on_epoch(epoch, scalars(logs or {}), time.perf_counter() - self._began):
            self.model.stop_training = True
