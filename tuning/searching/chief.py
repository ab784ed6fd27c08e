"""The chief of a search: keras-tuner's own, but it notices deaths and ends when all is done.

keras-tuner 1.4.8 has no way to notice that a process at the other end has died, so each worker
keeps one call to its chief open: when it breaks, the chief gives the worker's trial out again.
"""

import contextlib
import functools
import os
import re
import threading
import time
from concurrent import futures

import grpc

from .workers import ADDRESS, CHANNEL, MOST_WORKERS, OVER, PRESENCE

# gRPC would call the workers' questions abuse, and two chiefs could share a port without noticing
SERVER = [
    *CHANNEL,
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),
]
MEMBER = "+"  # a worker that trains many trials at once asks for them as WORKER+0, WORKER+1, ...


def serve(oracle, local_workers=None, verbose=True):
    """Hand out the trials of an oracle until the search is done.

    Used instead of keras-tuner's own loop, which looks every 20 seconds and waits for ever for a
    worker that has died. The address is read from keras-tuner's environment variables.

    Args:
        oracle: `keras_tuner.Oracle`.
        local_workers: `LocalWorkers` that this process has started and looks after, or None.
        verbose: whether to show progress.

    Raises:
        RuntimeError: if the address is in use, an operation of the oracle fails, or all the
            workers that this process has started have ended.

    """
    # private: keras-tuner documents how to start a chief, but offers no part of it
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    chief = _Chief(oracle)
    server = grpc.server(futures.ThreadPoolExecutor(2 * MOST_WORKERS), options=SERVER)
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(chief), server)
    attend = grpc.unary_stream_rpc_method_handler(chief.attend)
    handler = grpc.method_handlers_generic_handler(PRESENCE, {"Attend": attend})
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(":".join(os.environ[name] for name in ADDRESS))
    server.start()
    shown = {name for name in oracle.end_order if oracle.trials[name].status == "FAILED"}
    try:
        with search_bar(oracle, verbose) as (say, update):
            while not chief.is_done():
                if chief.error is not None:
                    error = chief.error
                    text = f"The chief cannot go on: {type(error).__name__}: {error}"
                    raise RuntimeError(text) from error
                if local_workers is not None:
                    local_workers.look_after(len(oracle.end_order), say)
                _tell(oracle, chief, shown, say)
                update(text=f"{len(chief.workers) or 'waiting for'} workers")
                time.sleep(0.05)
            _tell(oracle, chief, shown, say)
            update()
            ended = [oracle.trials[name] for name in oracle.end_order]
            if ended and all(trial.status == "FAILED" for trial in ended):
                say(f"All {len(ended)} trials failed. The first one's error, from its worker:")
                say((ended[0].message or "no message").rstrip())
        oracle.save()  # keras-tuner saves before it takes an ended trial off the list of running
    finally:
        chief.over.set()
        server.stop(grace=1).wait()


def _tell(oracle, chief, shown, say):
    """Print who died and which trials failed since the last time."""
    while chief.messages:
        say(chief.messages.pop(0))
    for trial in [oracle.trials[name] for name in oracle.end_order if name not in shown]:
        if trial.status == "FAILED":
            shown.add(trial.trial_id)
            say(f"Trial {trial.trial_id} failed: {reason_of(trial.message)}")


class _Chief:
    """The oracle as keras-tuner's servicer sees it, and which workers are there.

    Its operations are made one at a time. keras-tuner keeps its own lock after an exception, so
    that the next one would hang: the first exception is kept and ends the chief.
    """

    def __init__(self, oracle):
        self.oracle = oracle
        self.over = threading.Event()
        self.error = None
        self.workers = {}  # id: number of open calls
        self.messages = []
        self._gone = set()  # workers whose calls have ended
        self._asked, self._told = set(), set()  # names; told is who knows that nothing is left
        self._lock = threading.RLock()

    def __getattr__(self, name):
        return functools.partial(self._run, getattr(self.oracle, name))

    def _run(self, operation, *arguments, **options):
        with self._lock:
            if self.error is not None:
                raise self.error
            try:
                return operation(*arguments, **options)
            except Exception as error:
                self.error = error
                raise

    def create_trial(self, name):
        """Hand out a trial; keep a worker waiting while another may die and leave its trial."""
        with self._lock:
            # a call that waited for the lock while its worker died: nobody would end its trial
            if _worker(name) in self._gone:
                raise RuntimeError(f"Worker {_worker(name)} has died.")
            self._asked.add(name)
            trial = self._run(self.oracle.create_trial, name)
            if trial.status == "STOPPED" and not self._is_left():
                self._told.add(name)
                return trial
        if trial.status in ("STOPPED", "IDLE"):
            trial.status = "IDLE"
            self.over.wait(0.2)  # a worker asks again at once
        return trial

    def end_trial(self, trial):
        """End a trial, unless that was reported before, by a worker that was thought dead."""
        if trial.trial_id not in self.oracle.end_order:
            self._run(self.oracle.end_trial, trial)

    def _is_left(self):
        return bool(self.oracle.ongoing_trials or self.oracle._retry_queue)

    def is_done(self):
        """Whether nothing is left to do, and the workers that have worked have been told so."""
        with self._lock:
            most = self.oracle.max_trials
            is_all_given = self._told or (most and len(self.oracle.trials) >= most)
            working = {name for name in self._asked if _worker(name) in self.workers}
            return bool(is_all_given) and not self._is_left() and working <= self._told

    def attend(self, request, context):
        """Keep a worker's call open; its end is the worker's end."""
        worker = request.decode()
        ended = threading.Event()
        context.add_callback(ended.set)
        with self._lock:
            self.workers[worker] = self.workers.get(worker, 0) + 1
            self._gone.discard(worker)
        try:
            yield b"welcome"
            while not ended.wait(0.1):
                if self.over.is_set():
                    yield OVER
                    return
        finally:
            self._leave(worker)

    def _leave(self, worker):
        with self._lock:
            self.workers[worker] -= 1
            if self.workers[worker]:
                return  # it has come back before its old call ended
            del self.workers[worker]
            self._gone.add(worker)
            ongoing = self.oracle.ongoing_trials
            for name in [name for name in ongoing if _worker(name) == worker]:
                trial = ongoing.pop(name)
                # what keras-tuner does with unfinished trials when a search is resumed
                self.oracle._retry_queue.append(trial.trial_id)
                self.oracle.save()
                self.messages.append(
                    f"Worker {worker} has died; its trial {trial.trial_id} is given out again."
                )


def _worker(name):
    return name.partition(MEMBER)[0]


def reason_of(message):
    """Return the line of a traceback that names the exception."""
    lines = (message or "").strip().splitlines()
    named = [line for line in lines if re.match(r"[A-Za-z_][\w.]*: ", line)]
    return (named or lines or ["no reason given"])[-1]


@contextlib.contextmanager
def search_bar(oracle, verbose=True):
    """Show trials done, best score so far and time left.

    Args:
        oracle: `keras_tuner.Oracle`.
        verbose: False shows nothing.

    Yields:
        A function that prints a line above the bar, and a function `update(part, text)` that shows
        the present state of the oracle, with the part of a trial that is done and a text before
        the best score.

    """
    from rich import progress

    columns = [
        progress.TextColumn("trials"),
        progress.BarColumn(),
        progress.TextColumn("{task.completed:.0f} of {task.total}"),
        progress.TextColumn("{task.fields[text]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    ]
    with progress.Progress(*columns, refresh_per_second=4, disable=not verbose) as bar:
        task = bar.add_task("search", total=oracle.max_trials, text="")

        def say(text):
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        def update(part=0.0, text=""):
            ended = [oracle.trials[name] for name in list(oracle.end_order)]
            scores = [trial.score for trial in ended if trial.score is not None]
            failed = sum(trial.status == "FAILED" for trial in ended)
            best = (max if oracle.objective.direction == "max" else min)(scores, default=None)
            parts = [text] if text else []
            parts += [f"best {oracle.objective.name} {best:.4g}"] if scores else []
            parts += [f"{failed} failed"] if failed else []
            bar.update(task, completed=len(ended) + part, text=", ".join(parts))

        yield say, update
