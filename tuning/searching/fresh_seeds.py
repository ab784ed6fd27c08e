"""Train the best settings again on fresh seeds: the number that a search may quote.

The best score of a search is too high, since it was chosen among many noisy ones. So the best trial
of each batch size is trained again, for the number of epochs chosen, on seeds that had no part in
that choice. These scores choose between the batch sizes; the winner's would again be a little too
high, so that it is trained once more, on further seeds, and the mean of those is quoted. Nothing
was chosen by them.
"""

from pathlib import Path

import numpy as np

from ..store import STATE, read_arrays, replacing, write_json
from ..training.one_by_one import evaluate


def train_again(runner, settings, seeds):
    """Train settings again, each on all of these seeds; return the folders' names."""
    names = []
    for setting in settings:
        for seed in seeds:
            names.append(f"rerun_{setting['trial']}_{seed}")
            runner.train_once(
                runner.hyperparameters(setting["values"]),
                runner.project / names[-1],
                epochs=setting["epochs"],
                seed=seed,
                keep_state=True,
            )
    return names


def test_once(runner, best, earlier, data):
    """Measure the best setting on the test data, with the weights of its fresh trainings.

    The numbers are kept in `test.json`; `earlier` is what that holds about this setting, or None.
    """
    if earlier is not None and earlier.get("data") == data.fingerprint():
        return
    engine = runner.engine_for(runner.hyperparameters(best["values"]))
    metrics = []
    for folder in best["folders"]:
        saved = read_arrays(Path(folder) / STATE)
        if saved is not None:
            engine.write(saved[0])
            metrics.append(evaluate(engine.model, data, best["batch_size"], "test_"))
    if not metrics:
        return
    mean = {name: float(np.mean([m[name] for m in metrics])) for name in metrics[0]}
    found = {"values": best["values"], "data": data.fingerprint(), "runs": metrics, "mean": mean}
    write_json(runner.project / "test.json", found)


def save_weights(runner, best):
    """Write the weights of the best setting's first fresh training to `best.weights.h5`.

    The states of the other settings are removed; those of the best one stay, for a test set that
    is given later. Without such a training there are no weights: none of an earlier best setting.
    """
    file = runner.project / "best.weights.h5"
    folders = [Path(folder) for folder in best["folders"]]
    if not folders:
        file.unlink(missing_ok=True)
    for state in runner.project.glob(f"rerun_*/{STATE}"):
        if state.parent not in folders:
            state.unlink()
    saved = read_arrays(folders[0] / STATE) if folders else None
    if saved is not None:
        engine = runner.engine_for(runner.hyperparameters(best["values"]))
        engine.write(saved[0])
        with replacing(file) as temporary:  # Keras asks for this ending
            engine.model.save_weights(temporary)
