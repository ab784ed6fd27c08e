"""A chief and workers: real processes, really killed, on loopback."""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tuning import search as search_function
from tuning.__main__ import for_workers
from tuning.searching import chief, workers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
kt = pytest.importorskip("keras_tuner")
ROOT = Path(__file__).parent.parent
PATIENCE = 300  # seconds, which only end a hang; a good run needs a few


# ---- a tuner that trains nothing: a trial waits for a file ----


class Toy(kt.Tuner):
    """Writes who runs a trial, waits for `release`, and returns x²."""

    folder = None

    def run_trial(self, trial):
        (self.folder / f"{trial.trial_id}-{os.getpid()}").touch()
        if (self.folder / "fail").exists():
            raise ZeroDivisionError("the user's own mistake")
        while not (self.folder / "release").exists():
            time.sleep(0.02)
        return {"score": trial.hyperparameters.get("x") ** 2}

    def on_trial_end(self, trial):
        if trial.message:  # keras-tuner does not send it
            (self.folder / f"message-{trial.trial_id}").write_text(trial.message)
        super().on_trial_end(trial)


class Oracle(kt.oracles.RandomSearchOracle):
    """Reads the message of a failed trial where its worker has left it."""

    folder = None

    def _check_consecutive_failures(self):
        pass

    def populate_space(self, trial_id):
        if (self.folder / "broken").exists():
            raise OSError("no space left on device")
        return super().populate_space(trial_id)

    @kt.synchronized
    def end_trial(self, trial):
        file = self.folder / f"message-{trial.trial_id}"
        trial.message = file.read_text() if file.exists() else None
        super().end_trial(trial)


def run_process(role, folder, port, max_trials):
    """Be the chief or a worker; what it prints goes to a file."""
    output = os.open(folder / f"{role}.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(KERASTUNER_ORACLE_IP="127.0.0.1", KERASTUNER_ORACLE_PORT=str(port))
    os.environ["KERASTUNER_TUNER_ID"] = role
    Toy.folder = Oracle.folder = folder
    space = kt.HyperParameters()
    space.Float("x", -1, 1)
    objective = kt.Objective("score", "min")
    oracle = Oracle(objective, max_trials, hyperparameters=space, seed=1)
    tuner = Toy(oracle, directory=folder, project_name="search")
    try:
        if role == "chief":
            tuner.save()
            chief.serve(oracle, folder)
        else:
            workers.wait_for_chief("127.0.0.1", port, PATIENCE)
            tuner.oracle = workers.RemoteOracle(oracle, folder)
            tuner.search()
    except (RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)


@pytest.fixture(scope="module")
def context():
    """Processes that start with the libraries loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.test_workers", "keras_tuner"])
    return context


class Search:
    def __init__(self, context, folder, max_trials=4):
        self.context, self.folder, self.max_trials = context, folder, max_trials
        self.port = workers.free_port()
        self.processes = {}

    def start(self, *roles):
        for role in roles:
            arguments = (role, self.folder, self.port, self.max_trials)
            process = self.context.Process(target=run_process, args=arguments, daemon=True)
            process.start()
            self.processes[role] = process

    def trials_of(self, role):
        """Trials that a worker has begun."""
        return [f.name.split("-")[0] for f in self.folder.glob(f"*-{self.processes[role].pid}")]

    def release(self):
        (self.folder / "release").touch()

    def kill(self, role, number=signal.SIGKILL):
        os.kill(self.processes[role].pid, number)

    def exit_code(self, role):
        self.processes[role].join(PATIENCE)
        assert self.processes[role].exitcode is not None, f"{role} hangs: {self.text(role)}"
        return self.processes[role].exitcode

    def text(self, role):
        return (self.folder / f"{role}.txt").read_text()

    def statuses(self):
        files = self.folder.glob("search/trial_*/trial.json")
        return [json.loads(file.read_text())["status"] for file in files]


@pytest.fixture
def search(context, tmp_path):
    search = Search(context, tmp_path)
    yield search
    for process in search.processes.values():
        process.kill()


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_two_workers_share_the_trials_and_all_end(search):
    search.start("chief", "one", "two")
    until(lambda: search.trials_of("one") and search.trials_of("two"))
    search.release()
    assert [search.exit_code(role) for role in ("chief", "one", "two")] == [0, 0, 0]
    assert search.statuses() == ["COMPLETED"] * 4
    done = search.trials_of("one") + search.trials_of("two")
    assert sorted(done) == ["0", "1", "2", "3"]
    assert "4 of 4" in search.text("chief")
    search.start("chief")  # all is done: it does not wait for workers
    assert search.exit_code("chief") == 0


def test_the_trial_of_a_killed_worker_is_given_out_again(search):
    search.max_trials = 2
    search.start("chief", "one", "two")
    until(lambda: search.trials_of("one") and search.trials_of("two"))
    (lost,) = search.trials_of("one")
    search.kill("one")
    until(lambda: f"its trial {lost} is given out again" in search.text("chief"))
    search.release()
    assert search.exit_code("chief") == 0
    assert search.exit_code("two") == 0
    assert lost in search.trials_of("two")
    assert search.statuses() == ["COMPLETED"] * 2


def test_a_worker_without_a_trial_waits_for_one_that_may_be_left(search):
    search.max_trials = 1
    search.start("chief", "one")
    until(lambda: search.trials_of("one"))
    search.start("two")
    until(lambda: (search.folder / "two.txt").exists())
    time.sleep(3)
    assert search.processes["two"].is_alive()
    search.kill("one")
    until(lambda: search.trials_of("two"))
    search.release()
    assert search.exit_code("chief") == 0
    assert search.exit_code("two") == 0
    assert search.statuses() == ["COMPLETED"]


def test_workers_end_with_the_chief_and_the_same_command_resumes(search):
    search.start("chief", "one")
    until(lambda: search.trials_of("one"))
    search.kill("chief")
    assert search.exit_code("one") == -signal.SIGTERM  # amid its trial
    text = search.text("one")
    assert "The chief at 127.0.0.1" in text
    assert "Traceback" not in text
    search.release()
    search.start("chief", "one")
    assert search.exit_code("chief") == 0
    assert search.exit_code("one") == 0
    assert search.statuses() == ["COMPLETED"] * 4


def test_when_all_trials_fail_the_traceback_reaches_the_chief(search):
    (search.folder / "fail").touch()
    search.start("chief", "one")
    assert search.exit_code("chief") == 0
    assert search.exit_code("one") == 0
    text = search.text("chief")
    assert "All 4 trials failed" in text
    assert 'raise ZeroDivisionError("the user\'s own mistake")' in text
    assert text.count("Trial 0 failed: ZeroDivisionError: the user's own mistake") == 1
    assert search.statuses() == ["FAILED"] * 4


def test_an_error_of_the_oracle_ends_all_instead_of_hanging(search):
    (search.folder / "broken").touch()
    search.start("chief", "one")
    assert search.exit_code("chief") == 3
    assert "The chief cannot go on: OSError: no space left on device" in search.text("chief")
    search.exit_code("one")  # it ends


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


def test_each_gpu_has_a_worker_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    monkeypatch.setattr(workers, "count_cores", lambda: 6)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    script = (
        "import os; print(*(os.environ[name] for name in "
        "('CUDA_VISIBLE_DEVICES', 'KERASTUNER_TUNER_ID', 'TF_NUM_INTRAOP_THREADS')))"
    )
    local = workers.LocalWorkers(3, [sys.executable, "-c", script])
    seen = []
    for _, process, output in local._running:
        process.wait(PATIENCE)
        output.seek(0)
        seen.append(output.read().split())
    assert [gpu for gpu, *_ in seen] == ["3", "1", "3"]
    assert len({worker for _, worker, _ in seen}) == 3
    assert not any("chief" in worker for _, worker, _ in seen)
    assert [threads for *_, threads in seen] == ["2"] * 3  # should they train on the CPU after all


def test_local_workers_are_replaced_when_killed_and_not_for_ever():
    lines = []
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    local = workers.LocalWorkers(1, [sys.executable, "-c", kill])
    with pytest.raises(RuntimeError, match="No worker is left"):
        until(lambda: local.look_after(0, lines.append))
    assert len(lines) == 4
    assert lines[0] == "Worker 0 was killed by SIGKILL; another one takes its place."
    lines.clear()
    local = workers.LocalWorkers(1, [sys.executable, "-c", "raise KeyError('mine')"])
    with pytest.raises(RuntimeError, match="No worker is left"):
        until(lambda: local.look_after(0, lines.append))
    (line,) = lines
    assert "exit code 1" in line
    assert "KeyError: 'mine'" in line


def test_addresses():
    assert workers.parse_address("10.0.0.1:80") == ("10.0.0.1", 80)
    assert workers.parse_address("[::1]:8000") == ("::1", 8000)
    for wrong in ("", "host", "host:", ":80", "host:port", "host:0", "host:70000"):
        with pytest.raises(ValueError, match="must be HOST:PORT"):
            workers.parse_address(wrong)
    words = ["m:f", "--workers", "2", "--overwrite", "--address=h:1", "--epochs", "3"]
    assert for_workers(words) == ["m:f", "--epochs", "3"]


def test_a_worker_of_another_precision_than_its_chief(tmp_path, monkeypatch):
    """A worker of the chief's search up to the point at which it would ask for trials."""
    for name, value in (("TUNER_ID", "worker"), ("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    story = sys.modules["tuning.search"]
    monkeypatch.setattr(story, "wait_for_chief", lambda *_: None)
    data = np.ones((16, 1)), np.ones((16, 1))

    def build_model():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(ValueError, match="need the same --directory"):
        search_function(build_model, data, data, directory=tmp_path)
    (tmp_path / "search").mkdir()
    chiefs = {"precision": "mixed_float16", "epochs": 5}
    (tmp_path / "search" / "settings.json").write_text(json.dumps(chiefs))
    words = (
        "epochs is 5 in the chief's search, 20 here; precision is mixed_float16 .*, float32 here"
    )
    with pytest.raises(ValueError, match=words):
        search_function(build_model, data, data, directory=tmp_path)


def test_what_cannot_work_is_one_sentence_at_once(capsys, monkeypatch):
    for name in ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"):
        monkeypatch.delenv(name, raising=False)
    from tuning.__main__ import main

    def error(*words):
        assert main(list(words)) == 2
        text = capsys.readouterr().err
        assert text.startswith("error: ")
        assert text.count("\n") == 1
        return text

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "is in use" in error("chief", "--address", address)
    text = error("worker", "--address", address)
    assert re.search(f"The chief at {address} cannot be reached .*Connection refused", text)
    started = [sys.executable, "-X", "importtime", "-m", "tuning", "worker", "--address", address]
    done = subprocess.run(started, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be reached" in done.stderr
    assert "keras" not in done.stderr  # which takes seconds to import
    assert "must be HOST:PORT" in error("worker", "--address", "nowhere")
    assert "--workers is for the chief" in error("worker", "--workers", "2")
    assert "--workers must be auto or a number" in error("--workers", "0")


def be(monkeypatch, name, port):
    for variable, value in zip(
        (workers.NAME, *workers.ADDRESS), (name, "127.0.0.1", port), strict=True
    ):
        monkeypatch.setenv(variable, str(value))


def test_where_something_else_listens_is_no_chief(monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "ANSWER_SECONDS", 0.5)
    oracle = Oracle(kt.Objective("score", "min"), 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        be(monkeypatch, "one", port)
        with pytest.raises(ValueError, match=f"{port} is not the chief of this search: no answer"):
            workers.RemoteOracle(oracle, tmp_path)


def test_only_who_has_the_key_is_a_worker(monkeypatch, tmp_path):
    """The chief of a search in another folder, whose key is another one."""
    port = workers.free_port()
    be(monkeypatch, "chief", port)
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    oracle = Oracle(kt.Objective("score", "min"), 1)

    def serve():
        with contextlib.suppress(RuntimeError):
            chief.serve(oracle, theirs)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    until(lambda: (theirs / workers.KEY).exists())
    assert (theirs / workers.KEY).stat().st_mode & 0o077 == 0
    mine.mkdir()
    (mine / workers.KEY).write_bytes(b"another")
    with pytest.raises(ValueError, match="does not know the key in"):
        workers.RemoteOracle(oracle, mine)
    with pytest.raises(RuntimeError, match="The chief cannot go on: AttributeError"):
        workers.RemoteOracle(oracle, theirs).no_such_operation()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_the_environment_names_worker_and_address(monkeypatch, capsys):
    from tuning.__main__ import main

    variables = {"TUNER_ID": "one", "ORACLE_IP": "127.0.0.1", "ORACLE_PORT": "8000"}
    for name, value in variables.items():
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    assert workers.chief_address() == ("127.0.0.1", 8000)
    for name, value in variables.items():
        monkeypatch.delenv(f"KERASTUNER_{name}")
        assert main(["--quick"]) == 2
        assert f"error: KERASTUNER_{name} must be set, too" in capsys.readouterr().err
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    assert workers.role() == "worker"
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(workers.free_port()))
    assert main(["--quick"]) == 2  # the plain command is a worker's, whose chief is not there
    assert "cannot be reached" in capsys.readouterr().err
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    assert workers.role() == "chief"


# ---- the whole command ----


def test_a_search_with_two_workers_one_of_them_killed(tmp_path):
    command = [sys.executable, "-m", "tuning", "--workers", "2", "--max-trials", "4", "--epochs"]
    command += ["80", "--seeds", "0", "--learning-rate", "1e-3", "1e-2", "--batch-size", "16", "32"]
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
        until(lambda: len(list(project.glob("trial_*/state.npz"))) >= 2)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        text, _ = process.communicate(timeout=2 * PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, text
    assert "was killed by SIGKILL; another one takes its place" in text
    assert "is given out again" in text
    assert "Traceback" not in text
    records = [json.loads(f.read_text()) for f in project.glob("trial_*/record.json")]
    assert [len(record["history"]["loss"]) for record in records] == [80] * 4
    assert {record["status"] for record in records} == {"completed"}
    assert (project / "search.png").exists()
