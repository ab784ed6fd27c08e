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
import signal
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from .device import peak_bytes, prepare_devices, take_gpu_memory_as_needed
from .errors import InputError, is_out_of_memory, naming, telling_line
from .inputs.data import as_data
from .inputs.model import Builder, build_weights
from .inputs.names import find, load_splits, only_train
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

    def plot(self, path=None):
        """Draw examples per second over batch sizes, with the knee and the largest.

        Args:
            path: str or path of the image to write, complete or not at all; None to write nothing.

        Returns:
            matplotlib figure.

        """
        return plot_speeds(self, path)

    def words(self):
        """Return what was found as text."""
        largest = f"Largest batch size: {self.largest} ({self.limit})."
        if self.knee < self.batch_sizes[-1]:
            return (
                f"{largest}\nBeyond {self.knee} there is little to gain: it reaches {KNEE:.0%} of "
                "the highest examples per second. Search the learning rate for it."
            )
        return (
            f"{largest}\nExamples per second still grow at the largest size, so speed does not "
            "limit the size: but it leaves few steps in each epoch. Search both with "
            "python -m tuning."
        )


def max_batch_size(
    build_model,
    train,
    margin=0.1,
    maximum=None,
    seconds=0.5,
    mixed_precision=False,
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
        mixed_precision: train in mixed_float16.
        verbose: print a line for each size.

    Returns:
        `MaxBatchSize`.

    Raises:
        InputError: if an argument cannot be used, training fails for another reason than memory,
            or even one example does not fit.

    """
    if not 0 <= margin < 1:
        raise InputError(f"`margin` must be at least 0 and less than 1; got {margin}.")
    if maximum is not None and (not isinstance(maximum, int) or maximum < 1):
        raise InputError(f"`maximum` must be a whole number of at least 1; got {maximum}.")
    if not seconds >= 0:
        raise InputError(f"`seconds` must be at least 0; got {seconds}.")
    job = {
        "build_model": _importable(build_model, "build_model"),
        **_rows_to_send(train),
        "maximum": maximum,
        "seconds": seconds,
        "mixed_precision": mixed_precision,
    }
    if verbose:
        print(f"{'batch size':>10} {'examples/s':>12} {'memory':>10}")
    rows, failed, num_examples = _run_apart(job, None, verbose)
    if failed is None:
        at_most = max(row["size"] for row in rows)
        limit = f"the training set has {num_examples} examples"
        if at_most < num_examples:
            limit = f"no more than {at_most} were to be tried"
    else:
        if not rows:
            raise InputError(f"Not even a batch of {failed['size']} fits: {failed['reason']}.")
        at_most, too_many, limit = rows[-1]["size"], failed["size"], failed["reason"]
        for _ in range(REFINEMENTS):
            middle = (at_most + too_many) // 2
            if middle == at_most:
                break
            fits, failed, _ = _run_apart(job, [middle], verbose)
            at_most, too_many = (middle, too_many) if fits else (at_most, middle)
        limit = f"a batch of {too_many} does not fit ({limit})"
        at_most = max(1, int(at_most * (1 - margin)))
    rows = [row for row in rows if row["size"] & (row["size"] - 1) == 0 and row["size"] <= at_most]
    speed = np.array([row["speed"] for row in rows])
    sizes = np.array([row["size"] for row in rows])
    knee = int(sizes[np.argmax(speed >= KNEE * speed.max())])
    peaks = np.array([row["peak_bytes"] for row in rows], float)
    return MaxBatchSize(sizes, speed, peaks, at_most, knee, limit)


def _importable(function, name):
    """Return the function, or its name; what another process cannot import is refused."""
    if isinstance(function, str):
        return function
    advice = (
        f"`{name}` is run in another process, so it must be a function at the top of a module or "
        "script, not a lambda, a function inside another, or one typed into a notebook; or give "
        "its name as 'module:function'."
    )
    if not callable(function):
        raise InputError(f"`{name}` must be a function or its name; got {type(function).__name__}.")
    try:
        pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(f"{advice} ({error})") from None
    is_typed = getattr(function, "__module__", None) == "__main__"
    if is_typed and not hasattr(sys.modules["__main__"], "__file__"):
        raise InputError(advice)
    return function


def _rows_to_send(train):
    if isinstance(train, str) or callable(train):
        return {"train": _importable(train, "train"), "num_examples": None}
    if not isinstance(train, (tuple, list)):
        raise InputError(
            f"`train` must be arrays (x, y) or a function that returns the data, since a "
            f"{type(train).__name__} cannot be sent to another process."
        )
    data = as_data(train, "train")
    return {"train": data.head(SENT_ROWS), "num_examples": data.num_examples}


def _run_apart(job, sizes, verbose):
    """Measure in a new process.

    Args:
        job: dict, see `max_batch_size`.
        sizes: list of int, or None for all powers of two and the largest size allowed.
        verbose: print a line for each size.

    Returns:
        The sizes that fit, as a list of dicts; the first that did not, as a dict with its reason,
        or None; and the number of training examples.

    """
    context = multiprocessing.get_context("spawn")  # fork would share the parent's GPU and threads
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure_all, args=(there, job, sizes), daemon=True)
    take_gpu_memory_as_needed()  # before the child imports the user's module
    process.start()
    there.close()  # so that the child's end is the only one and its death ends `recv`
    rows, tried, num_examples = [], None, None
    try:
        while True:
            message = here.recv()
            kind = message.pop("kind")
            if kind == "wrong":
                raise InputError(message["reason"])
            if kind == "examples":
                num_examples = message["count"]
            elif kind == "trying":
                tried = message["size"]
            elif kind == "fits":
                rows.append(message)
                if verbose:
                    memory = f"{message['peak_bytes'] / 2**20:.0f} MiB"
                    print(f"{message['size']:10} {message['speed']:12,.0f} {memory:>10}")
            elif kind == "done":
                return rows, None, num_examples
            else:
                return rows, _does_not_fit(tried, message["reason"], verbose), num_examples
    except EOFError:
        process.join()
        how = f"it ended with exit code {process.exitcode}"
        if process.exitcode < 0:
            how = f"its process was killed by {signal.Signals(-process.exitcode).name}"
        if tried is None or process.exitcode >= 0:
            raise InputError(f"The test did not run: {how}; see its message above.") from None
        return rows, _does_not_fit(tried, how, verbose), num_examples
    finally:
        process.kill()
        process.join()
        here.close()


def _does_not_fit(size, reason, verbose):
    if verbose:
        print(f"{size:10} does not fit: {reason}")
    return {"size": size, "reason": reason}


# ---- from here on in the other process ----


def _measure_all(connection, job, sizes):
    """Measure one size after the other and send what was found."""

    def send(kind, **message):
        connection.send({"kind": kind, **message})

    _be_the_first_to_be_killed()
    try:
        if sizes is None:  # the first process; the others would say the same again
            prepare_devices()
        model, rows, num_examples = _prepare(job)
        send("examples", count=num_examples)
        for size in sizes or _sizes(min(num_examples, job["maximum"] or num_examples)):
            send("trying", size=size)
            try:
                send("fits", **_measure(model, rows, size, job["seconds"]))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                return send("full", reason=f"out of memory, {type(error).__name__}")
        return send("done")
    except Exception as error:
        text = f"{type(error).__name__}: {telling_line(str(error))}"
        return send("wrong", reason=str(error) if isinstance(error, InputError) else text)


def _be_the_first_to_be_killed():
    """When memory runs out, Linux should kill this process and none of the user's others."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _prepare(job):
    if job["mixed_precision"]:
        keras.config.set_dtype_policy("mixed_float16")
    keras.utils.set_random_seed(0)
    build_model, train = job["build_model"], job["train"]
    if isinstance(build_model, str):
        build_model = find(build_model, "the model")
    if isinstance(train, str):
        train = load_splits(train, ["train"])["train"]
    elif callable(train):
        with naming("The function of `train` raises"):
            train = train()
        train = only_train(train, "The function of `train`")
    with naming("`build_model` raises"):
        model = Builder(build_model)()
    data = as_data(train, "train", model)
    build_weights(model, data.head(1))
    rows = data.head(min(SENT_ROWS, data.num_examples))
    rows = keras.tree.map_structure(lambda leaf: np.asarray(keras.ops.convert_to_numpy(leaf)), rows)
    return model, rows, job["num_examples"] or data.num_examples


def _sizes(largest):
    """Powers of two up to the largest, and the largest."""
    powers = [2**i for i in range(largest.bit_length())]
    return [*powers, largest] if powers[-1] < largest else powers


def _measure(model, rows, size, seconds):
    """Train on batches of one size; return its examples per second and the peak of memory."""

    def repeat(leaf):
        return np.take(leaf, np.arange(size) % len(leaf), axis=0)

    batch = keras.tree.map_structure(repeat, rows)
    at_least, at_most = TIMED_STEPS
    times = []
    for step in range(at_most + 1):  # the first one compiles
        began = time.perf_counter()
        _train_on(model, batch)
        if step > 0:
            times.append(time.perf_counter() - began)
        if len(times) >= at_least and sum(times) >= seconds:
            break
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
