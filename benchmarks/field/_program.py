"""Networks that disappointed somebody: programs after public reports, faulty and repaired.

Each program is a function of a seed, callbacks and settings, and returns a score of its own. Its
defaults are the faulty twin; `repair` turns it into the repaired one; `advice` says which settings
follow which remedy that a diagnosis may give. Facts come from the report named, code and data do
not. Faulty twins stay below `good`, repaired ones reach it, for the seeds 0 to 2. Each list is a
file of this folder, by its name:

    python -m benchmarks.field.third                   the scores of both twins, without Diagnosis
    python benchmarks/diagnosis.py --programs third    what Diagnosis says of them
"""

import argparse
import dataclasses
import os
import re
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from sklearn import datasets
from sklearn.metrics import r2_score

SEEDS = 3
STANDARD = {  # remedies that any program may be given, in the order in which they are looked for
    "wider": r"more units|wider|units or layers",
    "longer": r"train (for|longer|on)|more epochs|more updates",
    "usual": r"\w\(learning_rate=",
    "slower": r"(divide|lower|reduce) the learning rate|smaller learning rate|clip",
    "faster": r"ten times as large|(raise|larger|higher).{0,20}learning rate|use adam",
    "regularized": r"dropout|weight decay|augmentation|best epoch",
    "scaled": r"standardize|normalize|scale the (inputs|data)|rescaling",
    "initialized": r"he_normal|glorot|kernel_initializer",
    "linear": r"activation=.?linear",
    "squared": r"loss=.?mean_squared_error",
    "binary": r"loss=.?binary_crossentropy",
    "softmax": r"activation=.?softmax",
    "sigmoid": r"activation=.?sigmoid",
    "relu": r"activation=.?relu",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """What is known of a program.

    Args:
        source: address of the report.
        cause: what is really wrong, and what repairs it.
        causes: words for what to change that are right, see `callbacks.diagnosis.CAUSES`.
        evidence: regular expression; evidence without it does not name this cause.
        repair: settings of the repaired twin.
        advice: settings that follow a remedy, by a name of `STANDARD` or a regular expression of
            the remedy; expressions are looked for first.
        metric: what the score is.
        good: a score from here on does well.

    """

    source: str
    cause: str
    causes: str
    evidence: str
    repair: dict
    advice: dict
    metric: str
    good: float

    def names(self, finding):
        """Tell whether a finding names the cause, with evidence that is of this cause."""
        said = re.search(self.evidence, finding.evidence, re.IGNORECASE)
        return finding.cause in self.causes.split() and said is not None

    def settings(self, remedy):
        """Return the settings that follow a remedy, None for one that nobody foresaw."""
        own = [pattern for pattern in self.advice if pattern not in STANDARD]
        for key in (*own, *STANDARD):
            if key in self.advice and re.search(STANDARD.get(key, key), remedy, re.IGNORECASE):
                return self.advice[key]
        return None


def case(**facts):
    """Note what is known of the program below."""

    def note(program):
        program.case = Case(**facts)
        return program

    return note


def sound(metric, good, source=""):
    """Note what is known of the sound program below, as `case` does of a faulty one."""

    def note(program):
        program.source, program.metric, program.good = source, metric, good
        return program

    return note


# ---- what the programs share ----


def start(seed):
    """Forget earlier models, seed Keras, return a random generator."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return np.random.default_rng(seed)


def digits(seed, classes=range(10)):
    """Images (N, 8, 8, 1) of 0 to 1 and class numbers (N,), in an order decided by the seed."""
    x, y = datasets.load_digits(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(np.isin(y, list(classes))))
    return (x[rows] / 16).astype("float32").reshape(-1, 8, 8, 1), y[rows]


def standardized(x):
    """Columns of mean 0 and deviation 1; constant columns become 0."""
    return ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)).astype("float32")


def one_hot(labels, classes):
    """Class numbers (N,) to rows of 0 and 1."""
    return np.eye(classes, dtype="float32")[labels]


def accuracy(model, x, labels):
    """Share of rows whose largest output is that of the label."""
    return float(np.mean(model.predict(x, verbose=0).argmax(axis=-1) == labels))


def r_squared(y, guess):
    """R², minus infinity for predictions that are no numbers."""
    return float(r2_score(y, guess)) if np.all(np.isfinite(guess)) else -np.inf


def main(programs, sound=(), argv=None):
    """Print the scores, without Diagnosis; exit with 1 if one is not as it should be.

    Args:
        programs: those with a faulty and a repaired twin.
        sound: those that have nothing to repair.
        argv: options, of the command line if None.

    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", default="", help="part of the name of the programs to run")
    options = parser.parse_args(argv)
    runs = []
    for program in programs:
        facts = program.case
        runs += [
            (program, "faulty", {}, facts.good),
            (program, "repaired", facts.repair, facts.good),
        ]
    runs += [(program, "sound", {}, program.good) for program in sound]
    as_meant = True
    for program, twin, settings, good in runs:
        for seed in range(options.seeds if options.only in program.__name__ else 0):
            begin = time.perf_counter()
            score = program(seed, [], **settings)
            seconds = time.perf_counter() - begin
            is_right = (score >= good) == (twin != "faulty")
            as_meant &= is_right
            text = f"{program.__name__:<26} {twin:<9} seed {seed}  {score:6.3f} "
            text += f"(good from {good:g})  {seconds:3.0f} s"
            print(text + ("" if is_right else "  NOT AS MEANT"), flush=True)
    if not as_meant:
        raise SystemExit(1)
