"""Train the best settings again on fresh seeds: the number that a search may quote.

The best score of a search is too high, since it was chosen among many noisy ones. So the best trial
of each batch size is trained again, for the number of epochs chosen, on seeds that had no part in
that choice. These scores choose between the batch sizes; the winner's would again be a little too
high, so that it is trained once more, on further seeds, and the mean of those is quoted. Nothing
was chosen by them.
"""

from pathlib import Path

import numpy as np

from tuning import report
from tuning.engine import evaluate
from tuning.remarks import count
from tuning.state import read_arrays, write_json


def candidates(result):
    """Return the best completed trial of each batch size, best first."""
    best = {}
    for row in result.leaderboard():
        best.setdefault(row["batch_size"], row)
    return list(best.values())


def rerun(runner, result, num_seeds, verbose=False):
    """Train each candidate on fresh seeds, and the best of them on as many others.

    What was trained already is not trained again. Each run has a folder `rerun_TRIAL_SEED`. The
    seeds are those after the search's own. With a single candidate there is nothing to choose, and
    its first fresh seeds are those to quote.

    Args:
        runner: `SearchTuner`.
        result: `report.Result`.
        num_seeds: int, S.
        verbose: whether to say what is going on.

    """
    if verbose and num_seeds:
        print(f"Training the best of each batch size again on {count(num_seeds, 'fresh seed')} ...")
    rows, seed = candidates(result), runner.settings["seed"] + 1
    names = {"to_choose": [], "to_quote": []}
    if len(rows) > 1:
        names["to_choose"] = _train(runner, rows, range(seed, seed + num_seeds))
        write_json(runner.project / "reruns.json", names)
        best = report.load(runner.project).best["trial"]
        rows, seed = [row for row in rows if row["trial"] == best], seed + num_seeds
    names["to_quote"] = _train(runner, rows, range(seed, seed + num_seeds))
    write_json(runner.project / "reruns.json", names)


def _train(runner, rows, seeds):
    names = []
    for row in rows:
        for seed in seeds:
            names.append(f"rerun_{row['trial']}_{seed}")
            runner.train_once(
                runner.hyperparameters(row["values"]),
                runner.project / names[-1],
                epochs=row["best_epoch"],
                seed=seed,
                keep_state=True,
            )
    return names


def test_once(runner, result, test):
    """Measure the best setting on the test data, with the weights of its fresh trainings.

    The numbers are kept in `test.json` and not measured a second time for the same setting.
    """
    best = result.best
    path = runner.project / "test.json"
    if result.test is not None and result.test.get("data") == test.fingerprint():
        return
    engine = runner.engine_for(runner.hyperparameters(best["values"]))
    metrics = []
    for folder in best["folders"]:
        saved = read_arrays(Path(folder) / "state.npz")
        if saved is not None:
            engine.write(saved[0])
            metrics.append(evaluate(engine.model, test, best["batch_size"], "test_"))
    if not metrics:
        return
    mean = {name: float(np.mean([m[name] for m in metrics])) for name in metrics[0]}
    write_json(
        path, {"values": best["values"], "data": test.fingerprint(), "runs": metrics, "mean": mean}
    )


def save_weights(runner, result):
    """Write the weights of the best setting's first fresh training to `best.weights.h5`.

    The states of the other settings are removed; those of the best one stay, for a test set that
    is given later. Without such a training there are no weights: none of an earlier best setting.
    """
    folders = [Path(folder) for folder in result.best["folders"]]
    if not folders:
        (runner.project / "best.weights.h5").unlink(missing_ok=True)
    for file in runner.project.glob("rerun_*/state.npz"):
        if file.parent not in folders:
            file.unlink()
    saved = read_arrays(folders[0] / "state.npz") if folders else None
    if saved is not None:
        engine = runner.engine_for(runner.hyperparameters(result.best["values"]))
        engine.write(saved[0])
        temporary = runner.project / ".part.best.weights.h5"
        engine.model.save_weights(temporary)
        temporary.replace(runner.project / "best.weights.h5")
