"""Several processes, GPUs or machines: keras-tuner's own chief and workers over gRPC.

    python -m tuning my_module:build_model --data my_module:load_data --workers auto
    python -m tuning chief  my_module:build_model --data my_module:load_data --address HOST:PORT
    python -m tuning worker my_module:build_model --data my_module:load_data --address HOST:PORT

A chief hands out trials, workers train. All get the same options and see the same `--directory`,
since the results of a trial are files in it. The address may also come from keras-tuner's
environment variables KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT.

keras-tuner 1.4.8 has no way to notice that a process at the other end has died, so each worker
keeps one call to its chief open: when it breaks, the chief gives the worker's trial out again, and
a worker without a chief ends. The channel is neither encrypted nor authenticated: whoever reaches
the port can join the search, so other addresses than loopback must be asked for.
"""

import collections
import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc

from tuning.state import read_json

LOOPBACK = "127.0.0.1"
DEFAULT_ADDRESS = f"{LOOPBACK}:8457"
MOST_WORKERS = 128
DEATHS_IN_A_ROW = 3  # killed workers are replaced until so many died without ending a trial
PRESENCE = "tuning.Presence"  # gRPC service beside keras-tuner's own
OVER, CHIEF_IS_GONE = b"over", 1
# A machine that lost power closes no connection: after 10 s of silence it is asked for an answer.
# The default of gRPC would call that abuse and two chiefs could share a port without noticing.
CHANNEL = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]
SERVER = [
    *CHANNEL,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),
]

_local = None  # the workers that this chief has started itself, a `LocalWorkers`


# ---- chief ----


def serve(oracle, verbose=True):
    """Hand out the trials of an oracle until the search is done.

    Used instead of keras-tuner's own loop, which looks every 20 seconds and waits for ever for a
    worker that has died. The address is read from keras-tuner's environment variables.

    Args:
        oracle: `keras_tuner.Oracle`.
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
        raise ValueError(_in_use(host, port))
    server.start()
    try:
        with _display(oracle, chief, verbose) as show:
            while not chief.is_done():
                if chief.error is not None:
                    raise RuntimeError(
                        f"The chief cannot go on: {type(chief.error).__name__}: {chief.error}"
                    ) from chief.error
                if _local is not None:
                    _local.look_after(len(oracle.end_order), show)
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
    from rich import progress

    columns = [
        progress.TextColumn("trials"),
        progress.BarColumn(),
        progress.TextColumn("{task.completed:.0f} of {task.total}"),
        progress.TextColumn("{task.fields[text]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    ]
    stop = threading.Event()
    reported = {name for name in oracle.end_order if oracle.trials[name].status == "FAILED"}
    with progress.Progress(*columns, refresh_per_second=4, disable=not verbose) as bar:
        task = bar.add_task("search", total=oracle.max_trials, text="waiting for workers")

        def say(text):
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        def update():
            while chief.messages:
                say(chief.messages.popleft())
            ended = [oracle.trials[name] for name in list(oracle.end_order)]
            for trial in ended:
                if trial.status == "FAILED" and trial.trial_id not in reported:
                    reported.add(trial.trial_id)
                    say(f"Trial {trial.trial_id} failed: {_reason(trial.message)}")
            scores = [trial.score for trial in ended if trial.score is not None]
            text = f"{len(chief.workers)} workers"
            if scores:
                best = (max if oracle.objective.direction == "max" else min)(scores)
                text += f", best {oracle.objective.name} {best:.4g}"
            failed = sum(trial.status == "FAILED" for trial in ended)
            text += f", {failed} failed" if failed else ""
            bar.update(task, completed=len(ended), text=text)
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


def _reason(message):
    """Return the line of a traceback that names the exception."""
    lines = (message or "").strip().splitlines()
    named = [line for line in lines if re.match(r"[A-Za-z_][\w.]*: ", line)]
    return (named or lines or ["no reason given"])[-1]


# ---- worker ----


@contextlib.contextmanager
def attending(host, port, worker):
    """Keep a call to the chief open while this process works.

    When the chief ends the search, or dies, this process ends: keras-tuner's client would wait for
    an hour. A training that is cut off goes on from its last saved epoch.

    Args:
        host: str, of the chief.
        port: int.
        worker: str, this worker's id.

    Raises:
        ValueError: if what answers there is no chief.

    """
    channel = grpc.insecure_channel(f"{host}:{port}", options=CHANNEL)
    call = channel.unary_stream(f"/{PRESENCE}/Attend")(worker.encode(), wait_for_ready=True)
    try:
        next(call)
    except grpc.RpcError as error:
        channel.close()
        raise ValueError(
            f"{host}:{port} is not the chief of a search: {error.details()}."
        ) from None
    finished = threading.Event()

    def watch():
        try:
            last = next(call, None)
        except grpc.RpcError:
            last = None
        if finished.is_set():
            return
        if last == OVER:
            _end_process(0)
        print(
            f"The chief at {host}:{port} is gone, so this worker ends. Start the chief again with "
            "the same command, then this worker: the search goes on.",
            file=sys.stderr,
        )
        _end_process(CHIEF_IS_GONE)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except grpc.RpcError:
        watcher.join(15)  # if the chief is gone, it says so in one sentence and ends the process
        raise
    finally:
        finished.set()
        call.cancel()
        channel.close()


def _end_process(code):
    """End at once, from a thread: the main one may be in a call that nobody answers."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait_for_chief(host, port, seconds=0.0):
    """Return when the chief can be reached.

    Args:
        host: str.
        port: int.
        seconds: float, how long to keep trying; 0 for one attempt.

    Raises:
        ValueError: if it cannot be reached.

    """
    deadline = time.monotonic() + seconds
    parent = os.getppid()
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() >= deadline or os.getppid() != parent:
                raise ValueError(
                    f"The chief at {host}:{port} cannot be reached "
                    f"({error.strerror or error}). Start it first: python -m tuning chief "
                    f"--address {host}:{port}; or wait for it with --wait SECONDS."
                ) from None
        time.sleep(0.2)


# ---- workers of this machine ----


def visible_gpus():
    """Return the ids of this machine's GPUs as `CUDA_VISIBLE_DEVICES` knows them, a list of str.

    No framework is asked, since that would take the GPUs' memory.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()


def count_cores():
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def number_of_workers(text):
    """Read the option `--workers`: a number, or auto.

    Args:
        text: str; "auto" is one for each GPU, or without one, one for each two cores.

    Raises:
        ValueError: if it is neither.

    """
    if text == "auto":
        return len(visible_gpus()) or max(1, count_cores() // 2)
    if not str(text).isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise ValueError(
            f"--workers must be auto or a number from 1 to {MOST_WORKERS}; got {text}."
        )
    return int(text)


class LocalWorkers:
    """Worker processes of this machine, replaced when they are killed.

    Args:
        number: int.
        command: list of str that starts one.

    """

    def __init__(self, number, command):
        self._command = command
        self._gpus = visible_gpus()
        self._threads = max(1, count_cores() // number)
        self._deaths, self._ended_before = 0, 0
        self._running = [(index, *self._start(index)) for index in range(number)]

    def _start(self, index):
        environment = dict(os.environ, KERASTUNER_TUNER_ID=f"worker-{index}-{os.urandom(3).hex()}")
        environment["PYTHONUNBUFFERED"] = "1"
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[index % len(self._gpus)]
        else:  # each library would start a thread for each core
            for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
                environment.setdefault(name, str(self._threads))
        output = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        process = subprocess.Popen(
            self._command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the chief, which ends its workers
        )
        return process, output

    def look_after(self, num_ended, say):
        """Replace killed workers.

        Args:
            num_ended: int, trials ended so far.
            say: function that prints a line.

        Raises:
            RuntimeError: if none is left, or too many are killed in a row.

        """
        if num_ended > self._ended_before:
            self._deaths, self._ended_before = 0, num_ended
        for worker in [worker for worker in self._running if worker[1].poll() is not None]:
            self._running.remove(worker)
            index, process, output = worker
            if process.returncode == 0:
                continue
            output.seek(0)
            last = output.read().strip()[-4000:]
            how = f"ended with exit code {process.returncode}"
            if process.returncode < 0:
                how = f"was killed by {signal.Signals(-process.returncode).name}"
                self._deaths += 1
                if self._deaths <= DEATHS_IN_A_ROW:
                    say(f"Worker {index} {how}; another one takes its place.")
                    self._running.append((index, *self._start(index)))
                    continue
            say(f"Worker {index} {how}. {last}")
        if not self._running:
            raise RuntimeError("No worker is left; the reason is above. Finished trials are kept.")

    def stop(self):
        """End all that still run; a training that is cut off goes on when resumed."""
        for _, process, _ in self._running:
            process.terminate()
        for _, process, _ in self._running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def search_with_workers(options, argv):
    """Search with a chief in this process and workers on this machine; `--workers`.

    Args:
        options: parsed options of `python -m tuning`.
        argv: list of str, those options as given.

    Returns:
        int, the exit code.

    """
    return _run_chief(options, _without_options(argv), LOOPBACK, _free_port())


def _run_chief(options, argv, host, port):
    global _local
    number = number_of_workers(options.workers) if options.workers else 0
    _check_free(host, port)
    # imported only now: Keras takes seconds, and what cannot work is to be said at once
    from tuning import search
    from tuning.__main__ import search_arguments, write_files

    os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"] = host, str(port)
    os.environ["KERASTUNER_TUNER_ID"] = "chief"
    arguments = search_arguments(options)
    if number:
        near = LOOPBACK if host == "0.0.0.0" else "::1" if host == "::" else host
        address = f"[{near}]:{port}" if ":" in near else f"{near}:{port}"
        command = [sys.executable, "-m", "tuning", "worker", "--address", address]
        _local = LocalWorkers(number, [*command, "--wait", str(24 * 3600), *argv])
    try:
        write_files(search(**arguments))
    finally:
        if _local is not None:
            _local.stop()
            _local = None
    return 0


def _run_worker(options, host, port):
    wait_for_chief(host, port, options.wait)
    from tuning import search
    from tuning.__main__ import search_arguments

    worker = os.environ.get("KERASTUNER_TUNER_ID", "")
    if not worker or "chief" in worker:  # keras-tuner takes any id with this word for the chief's
        worker = f"worker-{socket.gethostname()}-{os.getpid()}".replace("chief", "ch")
    os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"] = host, str(port)
    os.environ["KERASTUNER_TUNER_ID"] = worker
    # gRPC would send even calls to this machine through a proxy; it reads the small letters
    without = os.environ.get("no_grpc_proxy")  # noqa: SIM112
    os.environ["no_grpc_proxy"] = f"{without},{host}" if without else host  # noqa: SIM112
    with attending(host, port, worker):
        arguments = search_arguments(options)
        _check_same_search(arguments)
        search(**arguments)
    return 0


def _check_same_search(arguments):
    """Refuse a worker that trains otherwise than its chief reports."""
    project = Path(arguments["directory"]) / arguments["name"]
    settings = read_json(project / "settings.json")
    if settings is None:
        raise ValueError(
            f"The chief's search is not in {project}: chief and workers need the same --directory "
            "(on a disk that all machines see) and the same --name."
        )
    names = ("tuner", "epochs", "steps", "seconds", "seed", "engine")
    different = [
        f"--{name} is {arguments[name]} here, {settings[name]} in the chief's search"
        for name in names
        if arguments[name] != settings[name]
    ]
    if different:
        raise ValueError(f"Worker and chief need the same options: {'; '.join(different)}.")


# ---- command line ----


def main(argv):
    """Run `chief` or `worker`, the first word of `argv`; bad input raises ValueError."""
    from tuning.__main__ import make_parser

    role, argv = argv[0], list(argv[1:])
    parser = make_parser()
    parser.prog = f"python -m tuning {role}"
    parser.description = (
        "Hand out the trials of a search to workers."
        if role == "chief"
        else "Train for a chief, with the same options as the chief."
    )
    parser.epilog = "The channel is neither encrypted nor authenticated."
    from_environment = os.environ.get("KERASTUNER_ORACLE_IP")
    if from_environment:
        from_environment += ":" + os.environ.get("KERASTUNER_ORACLE_PORT", "")
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        default=from_environment or DEFAULT_ADDRESS,
        help=f"of the chief (default: keras-tuner's environment variables, or {DEFAULT_ADDRESS})",
    )
    if role == "worker":
        wait_help = "for a chief that is not there yet (default: 0)"
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help=wait_help)
    options = parser.parse_args(argv)
    host, port = parse_address(options.address)
    if role == "worker":
        if options.workers:
            raise ValueError("--workers is for the chief; start each worker by itself.")
        return _run_worker(options, host, port)
    if host not in (LOOPBACK, "localhost", "::1"):
        print(
            f"Listening on {host}:{port}: the channel is neither encrypted nor authenticated, so "
            "let nobody but your own machines reach it.",
            file=sys.stderr,
        )
    return _run_chief(options, _without_options(argv), host, port)


def parse_address(text):
    """Split HOST:PORT, also [IPv6]:PORT.

    Raises:
        ValueError: if it is something else.

    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"The address must be HOST:PORT, such as {DEFAULT_ADDRESS}; got {text!r}.")
    return host, int(port)


def _without_options(argv):
    """Leave out what concerns the chief alone."""
    kept, skip = [], False
    for word in argv:
        name, _, value = word.partition("=")
        if skip:
            skip = False
        elif name in ("--workers", "--address"):
            skip = not value
        elif word != "--overwrite":
            kept.append(word)
    return kept


def _check_free(host, port):
    """Find out that an address is in use before the first training, not after it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = f" ({error.strerror})" if error.strerror else ""
            raise ValueError(_in_use(host, port) + reason) from None


def _in_use(host, port):
    return f"Cannot listen on {host}:{port}: it is in use or not an address of this machine."


def _free_port():
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
