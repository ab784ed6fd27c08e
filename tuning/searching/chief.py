"""The chief of a search: keras-tuner's own, but it notices deaths and ends when all is done.

keras-tuner 1.4.8 has no way to notice that a process at the other end has died, so each worker
keeps one call to its chief open: when it breaks, the chief gives the worker's trial out again.
"""

import collections
import contextlib
import os
import re
import threading
import time
from concurrent import futures

import grpc

from .workers import CHANNEL, MOST_WORKERS, OVER, PRESENCE, in_use

# gRPC would call the workers' questions abuse, and two chiefs could share a port without noticing
SERVER = [
    *CHANNEL,
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),
]


def serve(oracle, local_workers=None, verbose=True):
    """Hand out the trials of an oracle until the search is done.

    Used instead of keras-tuner's own loop, which looks every 20 seconds and waits for ever for a
    worker that has died. The address is read from keras-tuner's environment variables.

    Args:
        oracle: `keras_tuner.Oracle`.
        local_workers: `LocalWorkers` that this process has started and looks after, or None.
        verbose: whether to show progress.

    Raises:
        ValueError: if the address is in use.
        RuntimeError: if an operation of the oracle fails, or all the workers that this process
            has started have ended.

    """
    # private: keras-tuner documents how to start a chief, but offers no part of it
    from keras_tuner.src import protos

    chief = _Chief(oracle)
    host, port = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
    server = grpc.server(futures.ThreadPoolExecutor(2 * MOST_WORKERS), options=SERVER)
    protos.get_service_grpc().add_OracleServicer_to_server(chief.servicer(), server)
    attend = grpc.unary_stream_rpc_method_handler(chief.attend)
    handler = grpc.method_handlers_generic_handler(PRESENCE, {"Attend": attend})
    server.add_generic_rpc_handlers((handler,))
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        bound = 0
    if not bound:
        raise ValueError(in_use(host, port))
    server.start()
    try:
        with _display(oracle, chief, verbose) as show:
            while not chief.is_done():
                if chief.error is not None:
                    raise RuntimeError(
                        f"The chief cannot go on: {type(chief.error).__name__}: {chief.error}"
                    ) from chief.error
                if local_workers is not None:
                    local_workers.look_after(len(oracle.end_order), show)
                time.sleep(0.05)
        oracle.save()  # keras-tuner saves before it takes an ended trial off the list of running
    finally:
        chief.over.set()
        server.stop(grace=1).wait()


class _Chief:
    """The state that keras-tuner's chief lacks: which workers are there."""

    def __init__(self, oracle):
        self.oracle = oracle
        self.over = threading.Event()
        self.error = None
        self.workers = {}  # id: number of open calls
        self.messages = collections.deque()
        self._gone = set()  # workers whose calls have ended
        self._asked, self._told = set(), set()  # workers; told is who knows that nothing is left
        self._lock = threading.RLock()

    def servicer(self):
        """keras-tuner's servicer, one call at a time; the first exception ends the chief."""
        from keras_tuner.src.distribute.oracle_chief import OracleServicer

        chief = self

        class Servicer(OracleServicer):
            pass

        def guarded(name):
            method = getattr(OracleServicer, name)

            def call(self, request, context):
                if name == "CreateTrial":
                    worker = request.tuner_id
                    return chief.create_trial(worker, lambda: method(self, request, context))
                if name == "EndTrial" and chief.has_ended(request.trial.trial_id):
                    from keras_tuner.src import protos

                    return protos.get_service().EndTrialResponse()
                return chief.run(lambda: method(self, request, context))

            return call

        names = "GetSpace UpdateSpace CreateTrial UpdateTrial EndTrial GetTrial GetBestTrials"
        for name in names.split():
            setattr(Servicer, name, guarded(name))
        return Servicer(self.oracle)

    def run(self, call):
        """Make one call of the oracle at a time.

        keras-tuner keeps its own lock after an exception, so that the next call would hang: the
        first exception is kept and ends the chief.
        """
        with self._lock:
            if self.error is not None:
                raise self.error
            try:
                return call()
            except Exception as error:
                self.error = error
                raise

    def create_trial(self, worker, call):
        """Hand out a trial; keep a worker waiting while another may die and leave its trial."""
        with self._lock:
            # a call that waited for the lock while its worker died: nobody would end its trial
            if {worker, worker.rpartition("_")[0]} & self._gone:
                raise RuntimeError(f"Worker {worker} has died.")
            self._asked.add(worker)
            response = self.run(call)
            status = _status_name(response.trial)
            if status == "STOPPED" and not self._is_left():
                self._told.add(worker)
                return response
        if status in ("STOPPED", "IDLE"):
            self.over.wait(0.2)  # a worker asks again at once
            response.trial.status = _status_number(response.trial, "IDLE")
        return response

    def has_ended(self, trial_id):
        """Whether a trial's end was reported before, by a worker that was thought dead."""
        return trial_id in self.oracle.end_order

    def _is_left(self):
        return bool(self.oracle.ongoing_trials or self.oracle._retry_queue)

    def is_done(self):
        """Whether nothing is left to do, and the workers that have worked have been told so."""
        with self._lock:
            most = self.oracle.max_trials
            is_all_given = self._told or (most and len(self.oracle.trials) >= most)
            working = self._asked & set(self.workers)
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
            self.oracle.tuner_ids.discard(worker)
            # a worker that trains many trials at once asks for them as WORKER_0, WORKER_1, ...
            ongoing = self.oracle.ongoing_trials
            names = [
                name for name in ongoing if name.rpartition("_")[0] == worker or name == worker
            ]
            self.oracle.tuner_ids -= {
                name for name in self.oracle.tuner_ids if name.rpartition("_")[0] == worker
            }
            for name in names:
                trial = ongoing.pop(name)
                # what keras-tuner does with unfinished trials when a search is resumed
                self.oracle._retry_queue.append(trial.trial_id)
                self.oracle.save()
                self.messages.append(
                    f"Worker {worker} has died; its trial {trial.trial_id} is given out again."
                )


def _status_name(trial):
    return trial.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[trial.status].name


def _status_number(trial, name):
    return trial.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_name[name].number


@contextlib.contextmanager
def _display(oracle, chief, verbose):
    """One joint progress display; failures and deaths are printed above it."""
    stop = threading.Event()
    reported = {name for name in oracle.end_order if oracle.trials[name].status == "FAILED"}
    with search_bar(oracle, verbose) as (bar, update_bar):

        def say(text):
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        def update():
            while chief.messages:
                say(chief.messages.popleft())
            ended = [oracle.trials[name] for name in list(oracle.end_order)]
            for trial in ended:
                if trial.status == "FAILED" and trial.trial_id not in reported:
                    reported.add(trial.trial_id)
                    say(f"Trial {trial.trial_id} failed: {reason_of(trial.message)}")
            update_bar(text=f"{len(chief.workers) or 'waiting for'} workers")
            return ended

        def keep_updating():
            while not stop.wait(0.25):
                update()

        thread = threading.Thread(target=keep_updating, daemon=True)
        thread.start()
        try:
            yield say
        finally:
            stop.set()
            thread.join()
            ended = update()
            if ended and all(trial.status == "FAILED" for trial in ended):
                say(f"All {len(ended)} trials failed. The first one's error, from its worker:")
                say((ended[0].message or "no message").rstrip())


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
        `rich.progress.Progress`, and a function `update(part, text)` that shows the present state
        of the oracle, with the part of a trial that is done and a text before the best score.

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

        def update(part=0.0, text=""):
            ended = [oracle.trials[name] for name in list(oracle.end_order)]
            scores = [trial.score for trial in ended if trial.score is not None]
            failed = sum(trial.status == "FAILED" for trial in ended)
            best = (max if oracle.objective.direction == "max" else min)(scores, default=None)
            parts = [text] if text else []
            parts += [f"best {oracle.objective.name} {best:.4g}"] if scores else []
            parts += [f"{failed} failed"] if failed else []
            bar.update(task, completed=len(ended) + part, text=", ".join(parts))

        yield bar, update
