"""Largest batch size that fits into memory, and examples per second for each size.

The largest batch is seldom the best: a larger one is worth having while it trains more examples
per second. The curve rises and then levels off; take a size at its knee and search the learning
rate for it (Shallue et al., 2019, Measuring the Effects of Data Parallelism on Neural Network
Training, JMLR 20; Godbole et al., 2023, Deep Learning Tuning Playbook).

    python -m tuning max-batch-size my_module:build_model --data my_module:load_data
"""

import contextlib
import multiprocessing
import pickle
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from .device import prepare_devices, take_gpu_memory_as_needed
from .errors import InputError, is_out_of_memory, naming
from .inputs.data import as_data
from .inputs.model import Builder, build_weights
from .inputs.names import find
from .results.figures import plot_speeds

KNEE = 0.9  # share of the highest examples per second
SENT_ROWS = 256  # examples sent to the other process, which repeats them; memory is the same
TIMED_STEPS = 3, 100  # at least and at most, for each size
REFINEMENTS = 3  # halvings between the largest power of two that fits and the next


@dataclass(frozen=True)
class MaxBatchSize:
    """What was measured."""

    batch_sizes: np.ndarray  # int (k,), those that fit: powers of two, and the whole training set
    examples_per_second: np.ndarray  # (k,), batch size / median seconds of a step of Keras
    largest: int  # that ran, less the margin if it was memory that ended the test
    knee: int  # the smallest that reaches 90 % of the highest examples per second
    limit: str  # what ended the test

    plot = plot_speeds

    def words(self):
        """Return what was found as text."""
        text = f"Largest batch size: {self.largest} ({self.limit}).\n"
        if self.knee < self.batch_sizes[-1]:
            return text + (
                f"Beyond {self.knee} there is little to gain: it reaches {KNEE:.0%} of the highest "
                "examples per second. Search the learning rate for it."
            )
        return text + (
            "Examples per second still grow at the largest size, so speed does not limit the "
            "size: but it leaves few steps in each epoch. Search both with python -m tuning."
        )


def max_batch_size(build_model, train, margin=0.1, seconds=0.5, verbose=True):
    """Train with growing batches in a process of its own until memory runs out.

    That process may be killed by the system without harm. What this one holds on a GPU is missing
    in the test.

    Args:
        build_model: function that returns a compiled model, without arguments or with `hp`. It is
            run in another process, so it must be importable: defined at the top of a module or of
            a script (with its `if __name__ == "__main__"`). Or its name, "module:function".
        train: (x, y), (x, y, sample_weight) or x of arrays with n rows, or a dataset of batches;
            no batch larger than n is tried.
        margin: float, share of the largest batch that is left free, since memory use varies.
        seconds: float, time spent on each size, after the first step.
        verbose: print a line for each size.

    Returns:
        `MaxBatchSize`.

    Raises:
        InputError: if an argument cannot be used, training fails for another reason than memory,
            or even one example does not fit.

    """
    if not 0 <= margin < 1:
        raise InputError(f"`margin` must be at least 0 and less than 1; got {margin}.")
    if not seconds >= 0:
        raise InputError(f"`seconds` must be at least 0; got {seconds}.")
    data = as_data(train, "train")
    number = data.num_examples
    rows = data.head(min(SENT_ROWS, number))
    job = build_model, keras.tree.map_structure(keras.ops.convert_to_numpy, rows)
    if verbose:
        print(f"{'batch size':>10} {'examples/s':>12}")
    sizes = [2**i for i in range(number.bit_length())]
    if sizes[-1] < number:
        sizes.append(number)
    speeds, reason = _try(*job, sizes, seconds, verbose)
    largest, limit = number, f"the training set has {number} examples"
    if reason is not None:
        if not speeds:
            raise InputError(f"Not even a batch of one example fits: {reason}.")
        largest, too_many = sizes[len(speeds) - 1], sizes[len(speeds)]
        for _ in range(REFINEMENTS):
            middle = (largest + too_many) // 2
            if middle == largest:
                break
            fits, _ = _try(*job, [middle], seconds, verbose)
            largest, too_many = (middle, too_many) if fits else (largest, middle)
        limit = f"a batch of {too_many} does not fit ({reason})"
        largest = max(1, int(largest * (1 - margin)))
    sizes = np.array([size for size in sizes[: len(speeds)] if size <= largest])
    speeds = np.array(speeds[: len(sizes)])
    knee = int(sizes[np.argmax(speeds >= KNEE * speeds.max())])
    return MaxBatchSize(sizes, speeds, largest, knee, limit)


def _try(build_model, rows, sizes, seconds, verbose):
    """Measure in a new process; return the speeds of the sizes that fit, and why one does not."""
    take_gpu_memory_as_needed()  # inherited by the other process, before it imports anything
    context = multiprocessing.get_context("spawn")  # a fork would share this one's GPU and threads
    answers, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, build_model, rows, sizes, seconds))
    try:
        process.start()
        sender.close()  # the other process alone holds it, so its end is seen here
        answers.recv()
    except (EOFError, pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            "`build_model` is used in another process, so it must stand at the top of a module or "
            "script (no lambda, none inside another function, none typed into a notebook; a script "
            "calls this under `if __name__ == '__main__'`) or be given as 'module:function'."
        ) from error
    speeds = []
    try:
        for size in sizes:
            try:
                found = answers.recv()
            except EOFError:
                found = "its process was killed"
            if isinstance(found, InputError):
                raise found
            if isinstance(found, str):
                if verbose:
                    print(f"{size:10} does not fit: {found}")
                return speeds, found
            speeds.append(found)
            if verbose:
                print(f"{size:10} {found:12,.0f}")
        return speeds, None
    finally:
        process.kill()
        process.join()


# ---- from here on in the other process ----


def _work(answers, build_model, rows, sizes, seconds):
    """Train on batches of each size and send what was measured, or the InputError that ends it."""
    answers.send("begun")
    with contextlib.suppress(OSError):  # Linux kills this process first when memory runs out
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        prepare_devices()
        keras.utils.set_random_seed(0)
        if isinstance(build_model, str):
            build_model = find(build_model, "the model")
        with naming("`build_model` raises"):
            model = Builder(build_model)()
        build_weights(model, rows)
        for size in sizes:
            with naming("The model cannot be trained on `train`:"):
                found = _measure(model, rows, size, seconds)
            answers.send(found)
    except InputError as error:
        answers.send(error)


def _measure(model, rows, size, seconds):
    """Train on batches of one size; return the examples per second, or a text: why not."""

    def repeat(leaf):
        return np.resize(leaf, (size, *leaf.shape[1:]))

    at_least, at_most = TIMED_STEPS
    times = []
    try:
        batch = keras.tree.map_structure(repeat, rows)
        for step in range(at_most + 1):  # the first one compiles
            began = time.perf_counter()
            _train_on(model, batch)
            if step > 0:
                times.append(time.perf_counter() - began)
            if len(times) >= at_least and sum(times) >= seconds:
                break
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return f"out of memory, {type(error).__name__}"
    return size / statistics.median(times)


def _train_on(model, batch):
    """Take one step, as `fit` does: `train_on_batch` hands weights to steps that want none."""
    if keras.backend.backend() == "tensorflow":
        model.make_train_function()
        logs = model.train_function(iter([batch]))
        keras.tree.map_structure(keras.ops.convert_to_numpy, logs)  # waits for the device
    else:
        model.train_on_batch(*keras.utils.unpack_x_y_sample_weight(batch))
