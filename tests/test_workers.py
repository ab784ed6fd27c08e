"""Processes that share a search: real ones, really killed."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.test_tuning_search import run
from tuning import load
from tuning.__main__ import main
from tuning.searching import workers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and signals of POSIX")
ROOT = Path(__file__).parent.parent
PATIENCE = 300  # seconds, which only end a hang; a good run needs a few


# ---- searches whose trainings wait for a file ----


class Wait(keras.callbacks.Callback):
    """Notes which process trains at which rate, and waits for `release`."""

    folder = None

    def on_train_begin(self, logs=None):
        rate = float(np.asarray(self.model.optimizer.learning_rate))
        (self.folder / f"{rate:.6g}-{os.getpid()}").touch()
        while not (self.folder / "release").exists():
            time.sleep(0.02)


def search_in(folder, **options):
    options = {"max_trials": 2, "batch_size": (16,), "callbacks": [Wait()], **options}
    return run(folder, **options)


def run_process(role, folder, options):
    """Search or be a worker; what it prints goes to a file."""
    output = os.open(folder / f"{role}.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    Wait.folder = folder
    try:
        search_in(folder, joins=role != "search", **options)
    except (RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)


@pytest.fixture(scope="module")
def context():
    """Processes that start with the libraries loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.test_workers"])
    return context


class Processes:
    def __init__(self, context, folder):
        self.context, self.folder, self.running = context, folder, {}

    def start(self, role, **options):
        """Start a process, and wait until it trains or is ready to."""
        if role != "search":
            workers.wait_for_search(self.folder / "s", PATIENCE)
        arguments = (role, self.folder, options)
        process = self.context.Process(target=run_process, args=arguments, daemon=True)
        process.start()
        self.running[role] = process

    def rates_of(self, role):
        """Return the rates at which a process has begun to train."""
        files = self.folder.glob(f"*-{self.running[role].pid}")
        return [file.name.rpartition("-")[0] for file in files]

    def release(self):
        (self.folder / "release").touch()

    def kill(self, role):
        os.kill(self.running[role].pid, signal.SIGKILL)
        self.running[role].join(PATIENCE)

    def exit_code(self, role):
        self.running[role].join(PATIENCE)
        assert self.running[role].exitcode is not None, f"{role} hangs: {self.text(role)}"
        return self.running[role].exitcode

    def text(self, role):
        return (self.folder / f"{role}.txt").read_text()

    def scores(self):
        return [row["scores"] for row in load(self.folder / "s").trials]


@pytest.fixture
def processes(context, tmp_path):
    processes = Processes(context, tmp_path)
    yield processes
    for process in processes.running.values():
        process.kill()


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """What one process finds that nobody disturbs."""
    Wait.folder = folder = tmp_path_factory.mktemp("alone")
    (folder / "release").touch()
    return [row["scores"] for row in search_in(folder).trials]


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_two_processes_share_the_trials_and_find_the_same_as_one(processes, scores):
    processes.start("search")
    until(lambda: processes.rates_of("search"))
    processes.start("worker")
    until(lambda: processes.rates_of("worker"))
    processes.release()
    assert [processes.exit_code(role) for role in ("search", "worker")] == [0, 0]
    assert processes.scores() == scores
    assert set(processes.rates_of("search")).isdisjoint(processes.rates_of("worker"))


def test_the_trial_of_a_killed_worker_is_given_out_again(processes, scores):
    processes.start("search")
    until(lambda: processes.rates_of("search"))
    processes.start("worker")
    until(lambda: processes.rates_of("worker"))
    lost = processes.rates_of("worker")
    processes.kill("worker")
    processes.release()
    assert processes.exit_code("search") == 0
    assert lost[0] in processes.rates_of("search")
    assert processes.scores() == scores


def test_a_worker_waits_for_what_another_may_leave_and_takes_it(processes, scores):
    processes.start("search", max_trials=2)
    until(lambda: processes.rates_of("search"))
    for worker in ("one", "two"):
        processes.start(worker)
    until(lambda: processes.rates_of("one") or processes.rates_of("two"))
    busy, idle = ("one", "two") if processes.rates_of("one") else ("two", "one")
    processes.kill(busy)
    until(lambda: processes.rates_of(idle))
    processes.release()
    assert [processes.exit_code(role) for role in ("search", idle)] == [0, 0]
    assert processes.scores() == scores


def test_a_worker_ends_its_trial_without_its_search_and_the_same_command_goes_on(processes, scores):
    processes.start("search")
    until(lambda: processes.rates_of("search"))
    processes.start("worker")
    until(lambda: processes.rates_of("worker"))
    processes.kill("search")
    with pytest.raises(ValueError, match=r"A worker of the last search still trains in .*/s;"):
        search_in(processes.folder, overwrite=True)
    processes.release()
    assert processes.exit_code("worker") == 3
    text = processes.text("worker")
    assert "has ended or was killed, so this worker ends" in text
    assert "Traceback" not in text
    (done,) = processes.rates_of("worker")
    processes.start("search")
    assert processes.exit_code("search") == 0
    assert done not in processes.rates_of("search")
    assert processes.scores() == scores


# ---- without other processes ----


def test_number_of_workers(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5, GPU-abc,-1,7")
    assert workers.visible_gpus() == ["2", "5", "GPU-abc"]
    assert workers.number_of_workers("auto") == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(workers, "count_cores", lambda: 7)
    assert workers.number_of_workers("auto") == 3
    monkeypatch.setattr(workers, "count_cores", lambda: 1)
    assert workers.number_of_workers("auto") == 1
    assert workers.number_of_workers("4") == 4
    for wrong in ("0", "-1", "many", "1.5"):
        with pytest.raises(ValueError, match=f"--workers must be auto or .* got {wrong}"):
            workers.number_of_workers(wrong)


def test_each_gpu_has_a_worker_of_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    monkeypatch.setattr(workers, "count_cores", lambda: 6)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    script = (
        "import os; print(*(os.environ[name] for name in "
        "('CUDA_VISIBLE_DEVICES', 'TF_NUM_INTRAOP_THREADS')))"
    )
    local = workers.LocalWorkers(3, [sys.executable, "-c", script])
    local.start()
    seen = []
    for _, process, output in local._running:
        process.wait(PATIENCE)
        output.seek(0)
        seen.append(output.read().split())
    assert [gpu for gpu, _ in seen] == ["3", "1", "3"]
    assert [threads for _, threads in seen] == ["2"] * 3  # should they train on the CPU after all


def test_local_workers_are_replaced_when_killed_and_not_for_ever():
    lines = []
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    local = workers.LocalWorkers(1, [sys.executable, "-c", kill])
    local.start()
    with pytest.raises(RuntimeError, match="No worker is left"):
        until(lambda: not local.look_after(0, lines.append))
    assert len(lines) == 4
    assert lines[0] == "Worker 0 was killed by SIGKILL; another one takes its place."
    lines.clear()
    local = workers.LocalWorkers(1, [sys.executable, "-c", "raise KeyError('mine')"])
    local.start()
    with pytest.raises(RuntimeError, match="No worker is left"):
        until(lambda: not local.look_after(0, lines.append))
    (line,) = lines
    assert "exit code 1" in line
    assert "KeyError: 'mine'" in line


def test_a_worker_of_another_precision_than_its_search(tmp_path, monkeypatch):
    """A worker up to the point at which it would ask for trials."""
    with pytest.raises(ValueError, match="No search is running in"):
        run(tmp_path, joins=True)
    monkeypatch.setattr(sys.modules["tuning.run"], "wait_for_search", lambda _: None)
    (tmp_path / "s").mkdir()
    theirs = {"precision": "mixed_float16", "epochs": 5}
    (tmp_path / "s" / "settings.json").write_text(json.dumps(theirs))
    words = "epochs is 5 there, 2 here; precision is mixed_float16 there, float32 here"
    with pytest.raises(ValueError, match=words):
        run(tmp_path, joins=True)


def test_what_cannot_work_is_one_sentence_at_once(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def error(*words):
        assert main(list(words)) == 2
        text = capsys.readouterr().err
        assert text.startswith("error: ")
        assert text.count("\n") == 1
        return text

    assert "No search is running in tuning_runs/example" in error("worker")
    command = [sys.executable, "-X", "importtime", "-m", "tuning", "worker"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "No search is running" in done.stderr
    assert not re.search(r"\| +keras\b", done.stderr)  # which takes seconds to import
    assert "--workers must be auto or a number" in error("--workers", "0")
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    assert "this search needs no chief" in error("--quick")


# ---- the whole command ----


def test_a_search_with_two_workers_one_of_them_killed(tmp_path):
    command = [sys.executable, "-m", "tuning", "--workers", "2", "--max-trials", "4", "--epochs"]
    command += ["40", "--seeds", "0", "--learning-rate", "1e-3", "1e-2", "--batch-size", "16", "32"]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="3")
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    project = tmp_path / "tuning_runs" / "example"
    try:
        until(lambda: len(list(project.glob("trial_*/record.json"))) >= 2)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        text, _ = process.communicate(timeout=2 * PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, text
    assert "was killed by SIGKILL; another one takes its place" in text
    assert "Traceback" not in text
    records = [json.loads(f.read_text()) for f in project.glob("trial_*/record.json")]
    assert [len(record["history"]["loss"]) for record in records] == [40] * 4
    assert {record["status"] for record in records} == {"completed"}
    assert (project / "search.png").exists()
