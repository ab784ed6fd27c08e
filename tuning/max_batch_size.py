"""Largest batch size that fits into memory, and examples per second for each size.

The largest batch is seldom the best: a larger one is worth having while it trains more examples
per second. The curve rises and then levels off; take a size at its knee and search the learning
rate for it (Shallue et al., 2019, Measuring the Effects of Data Parallelism on Neural Network
Training, JMLR 20; Godbole et al., 2023, Deep Learning Tuning Playbook).

    python -m tuning max-batch-size my_module:build_model --data my_module:load_data
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import statistics
import threading
import time
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from .device import peak_bytes, prepare_devices, take_gpu_memory_as_needed
from .errors import InputError, is_out_of_memory, naming, telling_line
from .inputs.arguments import check_whole
from .inputs.data import Arrays, as_data
from .inputs.model import Builder, build_weights
from .inputs.names import find, load_splits
from .results.figures import plot_speeds

KNEE = 0.9  # share of the highest examples per second
SENT_ROWS = 256  # arrays: rows sent to the other process, which repeats them; memory is the same
TIMED_STEPS = 3, 100  # at least and at most, for each size
REFINEMENTS = 3  # halvings between the largest power of two that fits and the next


@dataclass(frozen=True)
class MaxBatchSize:
    """What was measured.

    Attributes:
        batch_sizes: int array (k,), the powers of two that fit.
        examples_per_second: float array (k,), of single training steps, hence with
            Keras's cost of a step: batch size / median seconds of a step.
        peak_bytes: float array (k,), highest use of memory so far: of the GPU, or of the whole
            process on a CPU; NaN where it cannot be read.
        largest: int, the largest size to use: the largest that ran, less the margin if it was
            memory that ended the test.
        knee: int, the smallest power of two that reaches 90 % of the highest examples per second;
            if it is the last of `batch_sizes`, the curve has not levelled off yet.
        limit: str, what ended the test.

    """

    batch_sizes: np.ndarray
    examples_per_second: np.ndarray
    peak_bytes: np.ndarray
    largest: int
    knee: int
    limit: str

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


def max_batch_size(
    build_model,
    train,
    margin=0.1,
    maximum=None,
    seconds=0.5,
    verbose=True,
):
    """Train with growing batches in a process of its own until memory runs out.

    That process may be killed by the system without harm. This one should not use a GPU before:
    what it holds there is missing in the test. The command line never does.

    Args:
        build_model: function that returns a compiled model, without arguments or with `hp`. It is
            run in another process, so it must be importable: defined at the top of a module or of
            a script (with its `if __name__ == "__main__"`). Or its name, "module:function".
        train: (x, y) or (x, y, sample_weight) of arrays with n rows; or a function, importable
            too, that returns them, a dict with "train", or a dataset; or its name.
        margin: float, share of the largest batch that is left free, since memory use varies.
        maximum: int, no larger batch is tried; None for the number of training examples, which is
            always the limit.
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
    if maximum is not None:
        check_whole("maximum", maximum)
    num_examples = None
    if not isinstance(train, str) and not callable(train):
        data = as_data(train, "train")
        if not isinstance(data, Arrays):
            raise InputError("`train` is a dataset, so give a function that returns it.")
        train, num_examples = data.head(SENT_ROWS), data.num_examples
    job = build_model, train, num_examples
    take_gpu_memory_as_needed()  # inherited by the other process, before it imports anything
    if verbose:
        print(f"{'batch size':>10} {'examples/s':>12} {'memory':>10}")
    with _process() as process:
        try:
            num_examples = process.submit(_count_examples, job).result()
        except (BrokenProcessPool, pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                "`build_model` and `train` are used in another process, so a function must stand "
                "at the top of a module or script (no lambda, none inside another one, none typed "
                f"into a notebook) or be given by its name, 'module:function' ({error})."
            ) from error
        at_most = min(num_examples, maximum or num_examples)
        rows, too_many, reason = _try(process, job, _sizes(at_most), seconds, verbose)
    limit = f"the training set has {num_examples} examples"
    if at_most < num_examples:
        limit = f"no more than {at_most} were to be tried"
    if too_many is not None:
        if not rows:
            raise InputError(f"Not even a batch of {too_many} fits: {reason}.")
        at_most = rows[-1]["size"]
        for _ in range(REFINEMENTS):
            middle = (at_most + too_many) // 2
            if middle == at_most:
                break
            with _process() as process:
                fits, *_ = _try(process, job, [middle], seconds, verbose)
            at_most, too_many = (middle, too_many) if fits else (at_most, middle)
        limit = f"a batch of {too_many} does not fit ({reason})"
        at_most = max(1, int(at_most * (1 - margin)))
    rows = [row for row in rows if row["size"] & (row["size"] - 1) == 0 and row["size"] <= at_most]
    sizes, speed, peaks = (
        np.array([row[name] for row in rows]) for name in ("size", "speed", "peak_bytes")
    )
    knee = int(sizes[np.argmax(speed >= KNEE * speed.max())])
    return MaxBatchSize(sizes, speed, peaks, at_most, knee, limit)


def _process():
    """Return another process; one that is forked would share this one's GPU and threads."""
    return futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)


def _sizes(largest):
    """Powers of two up to the largest, and the largest."""
    powers = [2**i for i in range(largest.bit_length())]
    return [*powers, largest] if powers[-1] < largest else powers


def _try(process, job, sizes, seconds, verbose):
    """Return what was measured for the sizes that fit, the first that does not, and the reason."""
    rows = []
    for size in sizes:
        try:
            row = process.submit(_measure, job, size, seconds).result()
        except BrokenProcessPool:
            row = {"reason": "its process was killed"}
        if "reason" in row:
            if verbose:
                print(f"{size:10} does not fit: {row['reason']}")
            return rows, size, row["reason"]
        rows.append(row)
        if verbose:
            print(f"{size:10} {row['speed']:12,.0f} {row['peak_bytes'] / 2**20:>6.0f} MiB")
    return rows, None, None


# ---- from here on in the other process ----

_prepared = []  # model, rows, number of examples


def _begin():
    """Have Linux kill this process first when memory runs out, and watch the parent."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent():
    """End when the parent was killed: a pool would wait for the next size, and keep the GPU."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def _count_examples(job):
    """Prepare the training; return the number of examples."""
    prepare_devices()
    return _prepare(*job)[2]


def _prepare(build_model, train, num_examples):
    """Return the model, the first rows of the data and the number of all; done once."""
    if _prepared:
        return _prepared
    keras.utils.set_random_seed(0)
    if isinstance(build_model, str):
        build_model = find(build_model, "the model")
    if isinstance(train, str):
        train = load_splits(train, ["train"])["train"]
    elif callable(train):
        with naming("The function of `train` raises"):
            train = train()
        train = train["train"] if isinstance(train, dict) else train
    with naming("`build_model` raises"):
        model = Builder(build_model)()
    data = as_data(train, "train")
    build_weights(model, data.head(1))
    rows = data.head(min(SENT_ROWS, data.num_examples))
    rows = keras.tree.map_structure(lambda leaf: np.asarray(keras.ops.convert_to_numpy(leaf)), rows)
    _prepared.extend([model, rows, num_examples or data.num_examples])
    return _prepared


def _measure(job, size, seconds):
    """Train on batches of one size; return its speed and the peak of memory, or why not."""
    model, rows, _ = _prepare(*job)

    def repeat(leaf):
        return np.take(leaf, np.arange(size) % len(leaf), axis=0)

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
        if is_out_of_memory(error):
            return {"reason": f"out of memory, {type(error).__name__}"}
        raise InputError(f"{type(error).__name__}: {telling_line(str(error))}") from None
    speed = size / statistics.median(times)
    return {"size": size, "speed": speed, "peak_bytes": peak_bytes()}


def _train_on(model, batch):
    """Take one step, as `fit` does: `train_on_batch` hands weights to steps that want none."""
    if keras.backend.backend() == "tensorflow":
        model.make_train_function()
        logs = model.train_function(iter([batch]))
        keras.tree.map_structure(keras.ops.convert_to_numpy, logs)  # waits for the device
    else:
        model.train_on_batch(*keras.utils.unpack_x_y_sample_weight(batch))
