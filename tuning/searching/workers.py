"""Several processes, GPUs or machines: keras-tuner's own chief and workers over gRPC.

    python -m tuning my_module:build_model --data my_module:load_data --workers auto
    python -m tuning chief  my_module:build_model --data my_module:load_data --address HOST:PORT
    python -m tuning worker my_module:build_model --data my_module:load_data --address HOST:PORT

A chief hands out trials, workers train. All get the same options and see the same `--directory`,
since the results of a trial are files in it. The address may also come from keras-tuner's
environment variables KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT.

A worker without a chief ends (`chief.py` says how each notices that the other has died). The
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

import grpc

from ..device import count_cores, visible_gpus
from ..errors import InputError

LOOPBACK = "127.0.0.1"
DEFAULT_ADDRESS = f"{LOOPBACK}:8457"
ADDRESS = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")  # keras-tuner's variables
NAME = "KERASTUNER_TUNER_ID"
MOST_WORKERS = 128
DEATHS_IN_A_ROW = 3  # killed workers are replaced until so many died without ending a trial
CHIEF_IS_GONE = 1
ANSWER_SECONDS = 10  # that a chief is given to answer whoever connects
PRESENCE = "tuning.Presence"  # gRPC service beside keras-tuner's own
OVER = b"over"
# A machine that lost power closes no connection: after 10 s of silence it is asked for an answer.
CHANNEL = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]
WAKE = getattr(signal, "SIGUSR1", signal.SIGTERM)  # Windows has the second only


# ---- what a process is: keras-tuner's environment variables ----


def role():
    """Return "chief", "worker" or "alone"."""
    if ADDRESS[0] not in os.environ:
        return "alone"
    return "chief" if "chief" in os.environ.get(NAME, "") else "worker"


def set_role(name, host, port):
    """Make this process the chief ("chief") or the worker of that name."""
    os.environ |= dict(zip(ADDRESS, (joined(host), str(port)), strict=True)) | {NAME: name}


def chief_address():
    """Return (host, port) of keras-tuner's environment variables, or None if none is set.

    Raises:
        InputError: if one of the three is missing, or the address cannot be one.

    """
    if not set(ADDRESS) & set(os.environ):
        return None
    missing = [name for name in (NAME, *ADDRESS) if not os.environ.get(name)]
    if missing:
        raise InputError(f"{' and '.join(missing)} must be set, too: keras-tuner needs all three.")
    return parse_address(":".join(os.environ[name] for name in ADDRESS))


def parse_address(text):
    """Split HOST:PORT, also [IPv6]:PORT.

    Raises:
        InputError: if it is something else.

    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"The address must be HOST:PORT, such as {DEFAULT_ADDRESS}; got {text!r}.")
    return host, int(port)


def joined(host, port=None):
    """Return HOST[:PORT]; gRPC wants IPv6 in brackets."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def check_free(host, port):
    """Find out that an address is in use before the first training, not after it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise InputError(
                f"Cannot listen on {host}:{port}: it is in use or not an address of this machine."
            ) from None


def free_port():
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


# ---- a worker ----


@contextlib.contextmanager
def attending(host, port, worker):
    """Keep a call to the chief open while this process works.

    When the chief ends the search, or dies, this process ends: keras-tuner's client would wait for
    an hour. A training that is cut off goes on from its last saved epoch.

    Raises:
        InputError: if what answers there is no chief.
        SystemExit: in the main thread, when the chief has ended or died.

    """
    channel = grpc.insecure_channel(joined(host, port), options=CHANNEL)
    call = channel.unary_stream(f"/{PRESENCE}/Attend")(worker.encode(), wait_for_ready=True)
    try:
        grpc.channel_ready_future(channel).result(ANSWER_SECONDS)
        next(call)
    except (grpc.RpcError, grpc.FutureTimeoutError) as error:
        call.cancel()
        channel.close()
        is_rpc = isinstance(error, grpc.RpcError)
        reason = error.details() if is_rpc else f"no answer in {ANSWER_SECONDS} seconds"
        raise InputError(f"{host}:{port} is not the chief of a search: {reason}.") from None
    finished, codes = threading.Event(), []

    def watch():
        last = None
        with contextlib.suppress(grpc.RpcError):
            last = next(call, None)
        if finished.is_set():
            return
        if last != OVER:
            print(
                f"The chief at {host}:{port} is gone, so this worker ends. Start the chief again "
                "with the same command, then this worker: the search goes on.",
                file=sys.stderr,
            )
        codes.append(0 if last == OVER else CHIEF_IS_GONE)
        os.kill(os.getpid(), WAKE)

    def end(number, frame):
        raise SystemExit(codes[0] if codes else 128 + number)

    before = signal.signal(WAKE, end)  # it wakes the main thread, even in a call of gRPC
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except grpc.RpcError:
        watcher.join(15)  # if the chief is gone, it says so in one sentence and ends the process
        raise
    finally:
        finished.set()
        signal.signal(WAKE, before)
        call.cancel()
        channel.close()


@contextlib.contextmanager
def attending_chief():
    """Attend the chief that keras-tuner's environment variables name."""
    host, port = chief_address()
    # gRPC would send even calls to this machine through a proxy; it reads the small letters
    without = os.environ.get("no_grpc_proxy")  # noqa: SIM112
    os.environ["no_grpc_proxy"] = f"{without},{host}" if without else host  # noqa: SIM112
    wait_for_chief(host, port)
    with attending(host, port, os.environ[NAME]):
        yield


def wait_for_chief(host, port, seconds=0.0):
    """Return when the chief can be reached; InputError if not within so many seconds."""
    deadline = time.monotonic() + seconds
    parent = os.getppid()
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() >= deadline or os.getppid() != parent:
                raise InputError(
                    f"The chief at {host}:{port} cannot be reached "
                    f"({error.strerror or error}). Start it first: python -m tuning chief "
                    f"--address {host}:{port}; or wait for it with --wait SECONDS."
                ) from None
        time.sleep(0.2)


# ---- workers of this machine ----


def number_of_workers(text):
    """Read the option `--workers`: a number, or auto: one per GPU, without one per two cores."""
    if text == "auto":
        return len(visible_gpus()) or max(1, count_cores() // 2)
    if not str(text).isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise InputError(
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
        name = f"worker-{index}-{os.urandom(3).hex()}"
        environment = {**os.environ, NAME: name, "PYTHONUNBUFFERED": "1"}
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
