"""Several processes, GPUs or machines: keras-tuner's own chief and workers over gRPC.

    python -m tuning my_module:build_model --data my_module:load_data --workers auto
    python -m tuning chief  my_module:build_model --data my_module:load_data --address HOST:PORT
    python -m tuning worker my_module:build_model --data my_module:load_data --address HOST:PORT

A chief hands out trials, workers train. All get the same options and see the same `--directory`,
since the results of a trial are files in it. The address may also come from keras-tuner's
environment variables KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT.

A worker without a chief ends (`tuning/chief.py` says how each notices that the other has died). The
channel is neither encrypted nor authenticated: whoever reaches the port can join the search, so
other addresses than loopback must be asked for.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc

from tuning import chief
from tuning.chief import CHANNEL, MOST_WORKERS, OVER, PRESENCE
from tuning.machine import count_cores, visible_gpus
from tuning.state import read_json

LOOPBACK = "127.0.0.1"
DEFAULT_ADDRESS = f"{LOOPBACK}:8457"
DEATHS_IN_A_ROW = 3  # killed workers are replaced until so many died without ending a trial
CHIEF_IS_GONE = 1
ANSWER_SECONDS = 10  # that a chief is given to answer whoever connects

_is_attending = False  # whether this process keeps a call to its chief open


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
    channel = grpc.insecure_channel(_joined(host, port), options=CHANNEL)
    call = channel.unary_stream(f"/{PRESENCE}/Attend")(worker.encode(), wait_for_ready=True)
    try:
        grpc.channel_ready_future(channel).result(ANSWER_SECONDS)
        next(call)
    except (grpc.RpcError, grpc.FutureTimeoutError) as error:
        call.cancel()
        channel.close()
        is_rpc = isinstance(error, grpc.RpcError)
        reason = error.details() if is_rpc else f"no answer in {ANSWER_SECONDS} seconds"
        raise ValueError(f"{host}:{port} is not the chief of a search: {reason}.") from None
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


@contextlib.contextmanager
def attending_chief():
    """Attend the chief of keras-tuner's environment variables, unless this process does already.

    Raises:
        ValueError: if one of the variables is missing, or the chief cannot be reached.

    """
    global _is_attending
    if _is_attending:
        yield
        return
    host, port = chief_address()
    # gRPC would send even calls to this machine through a proxy; it reads the small letters
    without = os.environ.get("no_grpc_proxy")  # noqa: SIM112
    os.environ["no_grpc_proxy"] = f"{without},{host}" if without else host  # noqa: SIM112
    wait_for_chief(host, port)
    with attending(host, port, os.environ["KERASTUNER_TUNER_ID"]):
        _is_attending = True
        try:
            yield
        finally:
            _is_attending = False


def chief_address():
    """Return (host, port) of keras-tuner's environment variables.

    Raises:
        ValueError: if one of the three is missing, or the address cannot be one.

    """
    names = [f"KERASTUNER_{name}" for name in ("TUNER_ID", "ORACLE_IP", "ORACLE_PORT")]
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be set, too: keras-tuner needs all three.")
    return parse_address(":".join(os.environ[name] for name in names[1:]))


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
        self.gpus = visible_gpus()
        self._threads = max(1, count_cores() // number)
        self._deaths, self._ended_before = 0, 0
        self._running = [(index, *self._start(index)) for index in range(number)]

    def _start(self, index):
        environment = dict(os.environ, KERASTUNER_TUNER_ID=f"worker-{index}-{os.urandom(3).hex()}")
        environment["PYTHONUNBUFFERED"] = "1"
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[index % len(self.gpus)]
        # each library would start a thread for each core, and not every one can use the GPU
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
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
    number = number_of_workers(options.workers) if options.workers else 0
    _check_free(host, port)
    if number:  # they import Keras, which takes seconds, while this process does
        near = LOOPBACK if host == "0.0.0.0" else "::1" if host == "::" else host
        command = [sys.executable, "-m", "tuning", "worker", "--address", _joined(near, port)]
        chief.local_workers = LocalWorkers(number, [*command, "--wait", str(24 * 3600), *argv])
        if gpus := chief.local_workers.gpus:  # it trains itself in the end, and needs one for that
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus[-1]  # on which the fewest workers are
    try:
        from tuning import search
        from tuning.__main__ import search_arguments, write_files

        os.environ["KERASTUNER_ORACLE_IP"] = _joined(host)
        os.environ["KERASTUNER_ORACLE_PORT"] = str(port)
        os.environ["KERASTUNER_TUNER_ID"] = "chief"
        write_files(search(**search_arguments(options)))
    finally:
        if chief.local_workers is not None:
            chief.local_workers.stop()
            chief.local_workers = None
    return 0


def _run_worker(options, host, port):
    if options.wait:
        import tuning.run  # noqa: F401  # takes seconds; a chief that must be there comes first
    wait_for_chief(host, port, options.wait)
    from tuning import search
    from tuning.__main__ import search_arguments

    worker = os.environ.get("KERASTUNER_TUNER_ID", "")
    if not worker or "chief" in worker:  # keras-tuner takes any id with this word for the chief's
        worker = f"worker-{socket.gethostname()}-{os.getpid()}".replace("chief", "ch")
    os.environ["KERASTUNER_ORACLE_IP"] = _joined(host)
    os.environ["KERASTUNER_ORACLE_PORT"] = str(port)
    os.environ["KERASTUNER_TUNER_ID"] = worker
    with attending_chief():
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


def _joined(host, port=None):
    """Return HOST[:PORT]; gRPC wants IPv6 in brackets."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


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
            raise ValueError(chief.in_use(host, port) + reason) from None


def _free_port():
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
