"""What a search costs: keras-tuner as it comes, engine "fit", engine "graph", two workers.

    python benchmarks/tuning.py [--rounds 3] [--trials 12] [--epochs 10]

The same number of trials and epochs on scikit-learn's digits, batch sizes 16 to 128, an MLP with
Adam. The ways take turns in each round, each in a process of its own; imports are not counted,
building, tracing and writing to disk are. Two workers are compared with one of the same kind
(engine "fit", whose trials are long enough to share): the whole command, with the start of
processes, and from the first trial's start to the last one's end, which is what a longer search
tends to. The bound beside them is what two searches of engine "fit" gain that run at the same time
and know nothing of each other.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
BATCH_SIZES = (16, 32, 64, 128)
BOUNDS = (1e-4, 1e-1)
WAYS = ("stock", "fit", "graph")


def stock(data, trials, epochs, folder):
    """Search as keras-tuner's documentation shows it: batch size in `HyperModel.fit`."""
    import keras
    import keras_tuner as kt

    from tuning.example import build_model

    class Model(kt.HyperModel):
        def build(self, hp):
            model = build_model()
            model.optimizer.learning_rate = hp.Float("learning_rate", *BOUNDS, sampling="log")
            return model

        def fit(self, hp, model, *arguments, **options):
            size = hp.Choice("batch_size", BATCH_SIZES)
            return model.fit(*arguments, batch_size=size, **options)

    keras.utils.set_random_seed(0)
    tuner = kt.RandomSearch(
        Model(), "val_accuracy", max_trials=trials, seed=1, directory=folder, project_name="stock"
    )
    tuner.search(*data["train"], validation_data=data["validation"], epochs=epochs, verbose=0)
    return tuner.oracle.get_best_trials(1)[0].score


def ours(engine, data, trials, epochs, folder):
    """Search with `tuning.search`, without the trainings on fresh seeds that stock has not."""
    from tuning import search
    from tuning.example import build_model

    result = search(
        build_model,
        train=data["train"],
        validation=data["validation"],
        learning_rate=BOUNDS,
        batch_size=BATCH_SIZES,
        max_trials=trials,
        epochs=epochs,
        seeds=0,
        engine=engine,
        directory=folder,
        name=engine,
        verbose=False,
    )
    return result.best["score"]


def time_one(way, trials, epochs):
    """Time one search in this process; print seconds and best score as JSON."""
    import keras_tuner  # noqa: F401
    import tensorflow  # noqa: F401

    from tuning import search  # noqa: F401
    from tuning.example import load_data

    data = load_data()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        if way == "stock":
            score = stock(data, trials, epochs, folder)
        else:
            score = ours(way, data, trials, epochs, folder)
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "score": float(score)}))


def start_one(way, options):
    """Start a process that times one search."""
    command = [sys.executable, __file__, "--one", way]
    command += ["--trials", str(options.trials), "--epochs", str(options.epochs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def answer_of(process):
    """Return what `time_one` printed in that process."""
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return json.loads(output.strip().splitlines()[-1])


def time_workers(workers, trials, epochs):
    """Time one or two workers: seconds of the whole command, and of the training alone."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tuning", "--engine", "fit", "--directory", folder]
        command += ["--max-trials", str(trials), "--epochs", str(epochs), "--seeds", "0"]
        command += ["--batch-size", *map(str, BATCH_SIZES), "--learning-rate", *map(str, BOUNDS)]
        began = time.perf_counter()
        subprocess.run(
            [*command, "--workers", str(workers)], check=True, cwd=ROOT, capture_output=True
        )
        whole = time.perf_counter() - began
        starts, ends = [], []
        for file in Path(folder).glob("*/trial_*/record.json"):
            ends.append(file.stat().st_mtime)
            starts.append(ends[-1] - sum(json.loads(file.read_text())["seconds"]))
        return whole, max(ends) - min(starts)


def median(values):
    """Return the middle value."""
    return sorted(values)[len(values) // 2]


def main(argv=None):
    """Run the comparison and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--no-workers", action="store_true", help="leave the workers out")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        return time_one(options.one, options.trials, options.epochs)
    found = {way: [] for way in WAYS}
    scores = {way: [] for way in WAYS}
    workers, at_once = {1: [], 2: []}, []
    for _ in range(options.rounds):
        for way in WAYS:
            answer = answer_of(start_one(way, options))
            found[way].append(answer["seconds"])
            scores[way].append(answer["score"])
            print(
                f"{way:8} {answer['seconds']:6.1f} s, best score {answer['score']:.4f}", flush=True
            )
        for count in () if options.no_workers else workers:
            workers[count].append(time_workers(count, options.trials, options.epochs))
            whole, training = workers[count][-1]
            print(f"{count} worker(s): {whole:.1f} s, training {training:.1f} s", flush=True)
        if not options.no_workers:
            both = [start_one("fit", options) for _ in range(2)]
            at_once.append(max(answer_of(process)["seconds"] for process in both))
    print(f"\n{options.trials} trials x {options.epochs} epochs, median of {options.rounds}:")
    for way in WAYS:
        ratio = median(found["stock"]) / median(found[way])
        print(f"  {way:8} {median(found[way]):6.1f} s   {ratio:4.1f} x stock")
    if not options.no_workers:
        for what, index in (("whole command", 0), ("training alone", 1)):
            one, two = (median([times[index] for times in workers[n]]) for n in (1, 2))
            print(f"  {what}: 1 worker {one:.1f} s, 2 workers {two:.1f} s, {one / two:.2f} x")
        bound = 2 * median(found["fit"]) / median(at_once)
        print(f"  bound: two independent searches at once {median(at_once):.1f} s, {bound:.2f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
