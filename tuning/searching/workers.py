"""Several processes, GPUs or machines: a chief hands out trials, workers train.

    python -m tuning my_module:build_model --data my_module:load_data --workers auto
    python -m tuning chief  my_module:build_model --data my_module:load_data --address HOST:PORT
    python -m tuning worker my_module:build_model --data my_module:load_data --address HOST:PORT

All get the same options and see the same `--directory`, since the results of a trial are files in
it. The address may also come from keras-tuner's environment variables.

keras-tuner 1.4.8 does not notice that a process at the other end has died, so its chief and its
client are not used: each worker keeps one connection to its chief open, and its end is the death of
either. It is not encrypted; a key in the search's folder is what authenticates a worker.
"""

import functools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from pathlib import Path

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
KEY = "workers.key"  # file in the folder of the search


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
    """Return (host, port) of keras-tuner's variables, or None; InputError if only some are set."""
    if not set(ADDRESS) & set(os.environ):
        return None
    missing = [name for name in (NAME, *ADDRESS) if not os.environ.get(name)]
    if missing:
        raise InputError(f"{' and '.join(missing)} must be set, too: keras-tuner needs all three.")
    return parse_address(":".join(os.environ[name] for name in ADDRESS))


def parse_address(text):
    """Split HOST:PORT, also [IPv6]:PORT."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"The address must be HOST:PORT, such as {DEFAULT_ADDRESS}; got {text!r}.")
    return host, int(port)


def joined(host, port=None):
    """Return HOST[:PORT], with IPv6 in brackets."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def listen(host, port):
    """Return a socket that listens; InputError if it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=MOST_WORKERS)
    except OSError:
        raise InputError(
            f"Cannot listen on {host}:{port}: it is in use or not an address of this machine."
        ) from None


def check_free(host, port):
    """Find out that an address is in use before the first training, not after it."""
    listen(host, port).close()


def free_port():
    """Return a port of this machine on which nobody listens."""
    with listen(LOOPBACK, 0) as probe:
        return probe.getsockname()[1]


# ---- a worker ----


def connection_of(sock):
    """Return a connection; it breaks half a minute after the machine at its other end is lost."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return Connection(sock.detach())


class RemoteOracle:
    """The chief's oracle as a worker sees it.

    Without its chief a worker ends, also amid a training: that goes on from its last saved epoch
    when the chief is there again, perhaps in another worker.

    Args:
        oracle: an oracle like that of the chief, for what does not change.
        project: folder of the search.

    """

    def __init__(self, oracle, project):
        self.objective, self.max_trials = oracle.objective, oracle.max_trials
        host, port = chief_address()
        self._chief = joined(host, port)
        wait_for_chief(host, port)
        self._connection = connection_of(socket.create_connection((host, port)))
        why = f"no answer in {ANSWER_SECONDS} seconds"
        try:
            if self._connection.poll(ANSWER_SECONDS):
                why = f"it does not know the key in {project}"
                key = (Path(project) / KEY).read_bytes()
                answer_challenge(self._connection, key)
                deliver_challenge(self._connection, key)
                self._calling, self._is_over = threading.Lock(), threading.Event()
                threading.Thread(target=self._watch, daemon=True).start()
                return
        except (OSError, EOFError, AssertionError, multiprocessing.AuthenticationError):
            pass
        raise InputError(f"{self._chief} is not the chief of this search: {why}.")

    def __getattr__(self, name):
        return functools.partial(self._call, name)

    def _call(self, name, *arguments, **options):
        try:
            with self._calling:
                self._connection.send((name, arguments, options))
                answer, error = self._connection.recv()
        except (OSError, EOFError):
            self._say_that_it_is_gone()
            raise SystemExit(CHIEF_IS_GONE) from None
        if error is not None:
            raise RuntimeError(f"The chief cannot go on: {error}")
        if getattr(answer, "status", None) == "STOPPED":
            self._is_over.set()
        return answer

    def _watch(self):
        """End this process if the chief does so between two calls: that reads as an answer."""
        while not self._is_over.wait(0.2):
            with self._calling:
                is_gone = self._connection.poll()
            if is_gone:
                self._say_that_it_is_gone()
                os.kill(os.getpid(), signal.SIGTERM)
                return

    def _say_that_it_is_gone(self):
        print(
            f"The chief at {self._chief} is gone, so this worker ends. Start the chief again with "
            "the same command, then this worker: the search goes on.",
            file=sys.stderr,
        )


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
    """Worker processes of this machine, started by `command` and replaced when they are killed."""

    def __init__(self, number, command):
        self._command = command
        self.gpus = visible_gpus()
        self._threads = max(1, count_cores() // number)
        self._deaths, self._ended_before = 0, 0
        self._running = [(index, *self._start(index)) for index in range(number)]

    def _start(self, index):
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment[NAME] = f"worker-{index}-{os.urandom(3).hex()}"
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
        """Replace killed workers; RuntimeError if none is left, or too many are killed in a row."""
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
