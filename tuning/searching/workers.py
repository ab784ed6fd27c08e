"""Several processes, GPUs or machines train for one search.

    python -m tuning        my_module:build_model --data my_module:load_data --workers auto
    python -m tuning worker my_module:build_model --data my_module:load_data

The first command starts workers of this machine; the second one joins a search from any machine,
with the same options and a `--directory` that both see, on a disk that knows file locks. What they
share are the files of the search (`oracle.py`); there is no connection between them.
"""

import os
import signal
import subprocess
import tempfile
import time

from ..device import count_cores, visible_gpus
from ..errors import InputError
from ..store import is_open

MOST_WORKERS = 128
DEATHS_IN_A_ROW = 3  # killed workers are replaced until so many died without ending a trial


def wait_for_search(project, seconds=0.0):
    """Wait until a search runs in a folder; InputError if none does within so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_open(project):
        if time.monotonic() >= deadline:
            raise InputError(
                f"No search is running in {project}, for which a worker could train: start it "
                "first, with the same options and a --directory that both see; or wait for it "
                "with --wait SECONDS."
            )
        time.sleep(0.2)


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
        self._number, self._threads = number, max(1, count_cores() // number)
        self._deaths, self._ended_before = 0, 0
        self._running = []

    def start(self):
        """Start all; what they train for must be there."""
        self._running = [(index, *self._start(index)) for index in range(self._number)]

    def _start(self, index):
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
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
            start_new_session=True,  # Ctrl-C is for the search, which ends its workers
        )
        return process, output

    def look_after(self, num_ended, say):
        """Replace killed workers and return how many there are, 0 when all have done their work.

        RuntimeError if the last one ends otherwise; too many killed in a row are not replaced.
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
                raise RuntimeError(
                    "No worker is left; the reason is above. Finished trials are kept."
                )
        return len(self._running)

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
