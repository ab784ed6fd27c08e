"""The chief of a search: it hands out trials, notices deaths and ends when all is done."""

import contextlib
import multiprocessing
import pickle
import secrets
import threading
import time
from multiprocessing.connection import answer_challenge, deliver_challenge
from pathlib import Path

from ..errors import telling_line
from ..store import replacing
from .workers import KEY, chief_address, connection_of, listen


def serve(oracle, project, local_workers=None, verbose=True):
    """Hand out the trials of an oracle until the search is done.

    InputError if the address is in use; RuntimeError if an operation of the oracle fails, or all
    of the `LocalWorkers` that this process has started have ended.
    """
    key = secrets.token_bytes(32)
    chief = _Chief(oracle, key)
    shown = {name for name in oracle.end_order if oracle.trials[name].status == "FAILED"}
    with listen(*chief_address()) as server, search_bar(oracle, verbose) as (say, update):
        server.settimeout(0.05)
        with replacing(Path(project) / KEY) as file:
            file.touch(0o600)
            file.write_bytes(key)
        while not chief.is_done():
            if chief.error is not None:
                raise RuntimeError(f"The chief cannot go on: {chief.error}")
            if local_workers is not None:
                local_workers.look_after(len(oracle.end_order), say)
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=chief.attend, args=server.accept()[:1], daemon=True).start()
            _tell(oracle, chief, shown, say)
            update(text=f"{len(chief.workers) or 'waiting for'} workers")
        _tell(oracle, chief, shown, say)
        update()
        ended = [oracle.trials[name] for name in oracle.end_order]
        if ended and all(trial.status == "FAILED" for trial in ended):
            say(f"All {len(ended)} trials failed. The first one's error, from its worker:")
            say((ended[0].message or "no message").rstrip())
    oracle.save()  # keras-tuner saves before it takes an ended trial off the list of running


def _tell(oracle, chief, shown, say):
    """Print who died and which trials failed since the last time."""
    while chief.messages:
        say(chief.messages.pop(0))
    for trial in [oracle.trials[name] for name in oracle.end_order if name not in shown]:
        if trial.status == "FAILED":
            shown.add(trial.trial_id)
            say(
                f"Trial {trial.trial_id} failed: {telling_line(trial.message or 'no reason given')}"
            )


class _Chief:
    """The workers that are there, each in a thread, and one oracle for them all.

    Its operations are made one at a time. keras-tuner keeps its own lock after an exception, so
    that the next one would hang: the first exception is kept, as text, and ends the chief.
    """

    def __init__(self, oracle, key):
        self._oracle, self._key = oracle, key
        self.error = None
        self.workers = {}  # connection: whether it was told that nothing is left
        self.messages = []
        self._lock = threading.Lock()

    def attend(self, sock):
        """Answer a worker until it ends; what it has left is given out again."""
        connection, names = connection_of(sock), set()
        with connection, contextlib.suppress(OSError, EOFError):
            try:
                deliver_challenge(connection, self._key)
                answer_challenge(connection, self._key)
            except (multiprocessing.AuthenticationError, AssertionError):
                return
            with self._lock:
                self.workers[connection] = False
            try:
                while True:
                    name, arguments, options = connection.recv()
                    if name == "create_trial":
                        names.add(arguments[0])
                    connection.send_bytes(self._answer(connection, name, arguments, options))
            finally:
                self._leave(connection, names)

    def _answer(self, connection, name, arguments, options):
        with self._lock:
            answer = None
            if self.error is None:
                try:
                    answer = getattr(self._oracle, name)(*arguments, **options)
                except Exception as error:
                    self.error = f"{type(error).__name__}: {error}"
            if getattr(answer, "status", None) == "STOPPED":
                self.workers[connection] = not self._is_left()
                if self._is_left():  # another worker may die and leave its trial
                    answer.status = "IDLE"
            message = pickle.dumps((answer, self.error))
        if getattr(answer, "status", None) == "IDLE":
            time.sleep(0.2)  # a worker asks again at once
        return message

    def _leave(self, connection, names):
        with self._lock:
            del self.workers[connection]
            ongoing = self._oracle.ongoing_trials
            for name in sorted(names & set(ongoing)):
                trial = ongoing.pop(name)
                # what keras-tuner does with unfinished trials when a search is resumed
                self._oracle._retry_queue.append(trial.trial_id)
                self._oracle.save()
                self.messages.append(
                    f"Worker {name} has died; its trial {trial.trial_id} is "
                    "given out again."
                )

    def _is_left(self):
        return bool(self._oracle.ongoing_trials or self._oracle._retry_queue)

    def is_done(self):
        """Whether nothing is left to do, and all workers that are there have been told so."""
        with self._lock:
            most, told = self._oracle.max_trials, self.workers.values()
            is_all_given = any(told) or (most and len(self._oracle.trials) >= most)
            return bool(is_all_given) and not self._is_left() and all(told)


@contextlib.contextmanager
def search_bar(oracle, verbose=True):
    """Show trials done, best score so far and time left.

    Yield a function that prints a line above the bar, and a function `update(part, text)` that
    shows the present state, with the part of a trial that is done and a text before the score.
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
