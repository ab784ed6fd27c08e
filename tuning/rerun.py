"""Train the best settings again on fresh seeds: the number that a search may quote.

The best score of a search is too high, since it was chosen among many noisy ones. A setting that
is trained again for the number of epochs chosen, on seeds that had no part in the choice, has no
such advantage.
"""

from pathlib import Path

import numpy as np

from tuning.engine import evaluate
from tuning.state import read_arrays, write_json


def candidates(result):
    """Return the best completed trial of each batch size, best first."""
    best = {}
    for row in result.leaderboard():
        best.setdefault(row["batch_size"], row)
    return list(best.values())


def rerun(runner, result, seeds, verbose=False):
    """Train each candidate on each seed, for its best trial's number of epochs.

    What was trained already is not trained again. Each run has a folder `rerun_TRIAL_SEED`.

    Args:
        runner: `SearchTuner`.
        result: `report.Result`.
        seeds: list of int.
        verbose: whether to say what is going on.

    """
    rows = candidates(result)
    if verbose and seeds:
        print(f"Training the best of each batch size again on {len(seeds)} fresh seeds ...")
    for row in rows:
        for seed in seeds:
            folder = runner.project / f"rerun_{row['trial']}_{seed}"
            runner.train_once(
                runner.hyperparameters(row["values"]),
                folder,
                epochs=row["best_epoch"],
                seed=seed,
                keep_state=True,
            )
    names = [f"rerun_{row['trial']}_{seed}" for row in rows for seed in seeds]
    write_json(runner.project / "reruns.json", names)


def test_once(runner, result, test):
    """Measure the best setting on the test data, with the weights of its fresh trainings.

    The numbers are kept in `test.json` and not measured a second time for the same setting.
    """
    best = result.best
    path = runner.project / "test.json"
    if result.test is not None and result.test["values"] == best["values"]:
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
    write_json(path, {"values": best["values"], "runs": metrics, "mean": mean})


def save_weights(runner, result):
    """Write the weights of the best setting's first fresh training to `best.weights.h5`.

    The states of the other settings are removed; those of the best one stay, for a test set that
    is given later.
    """
    folders = [Path(folder) for folder in result.best["folders"]]
    for row in result.reruns:
        if Path(row["folder"]) not in folders:
            (Path(row["folder"]) / "state.npz").unlink(missing_ok=True)
    saved = read_arrays(folders[0] / "state.npz") if folders else None
    if saved is not None:
        engine = runner.engine_for(runner.hyperparameters(result.best["values"]))
        engine.write(saved[0])
        temporary = runner.project / ".part.best.weights.h5"
        engine.model.save_weights(temporary)
        temporary.replace(runner.project / "best.weights.h5")
