"""How often Diagnosis is right: real faulty programs, their repairs, and healthy models.

    python benchmarks/diagnosis.py --seeds 3
    python benchmarks/diagnosis.py --programs field --seeds 3
    python benchmarks/diagnosis.py --help                        (the names of all lists)

Builds every case of the JSON file (facts of published faulty programs), or of one of the two lists
in diagnosis_programs.py, trains the faulty and the repaired variant with every seed and prints the
findings. Totals: faulty runs detected (an error or a warning), root cause right (`cause` of the
first finding is among those of the program), and false alarms (an error or a warning for a repaired
or healthy run that trains well, by its own score). Healthy are four models on data they fit, and
the remedied variants of every recipe (only beside the published programs).

Of field programs (each list a file of the folder field) it is told too whether the first finding's
evidence is of the true cause, and what the program reaches when the first remedy is really applied
and trained. Sound programs have no faulty variant.
What it costs is in benchmarks/gradient_monitor.py.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import pathlib
import re
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import keras
import numpy as np
from keras import layers
from sklearn import datasets

from benchmarks import diagnosis_programs
from callbacks.diagnosis import Diagnosis

CASES = pathlib.Path(__file__).with_name("diagnosis_cases.json")
FIELD = [path.stem for path in sorted(CASES.with_name("field").glob("[a-z]*.py"))]
TRAINS_WELL = 0.7  # R², or accuracy as a part of the way from the majority class to 1
MAX_ROWS = 2000  # larger sets are cut to this, to keep a run within seconds
FALSE_ALARMS = "false alarms on runs that train well"
REPEAT = 20  # cases of over 200 epochs on tiny data: rows 20 times, epochs a twentieth


def one_hot(labels):
    """Whole numbers (N,) to rows of 0 and 1."""
    return np.eye(labels.max() + 1, dtype="float32")[labels]


def make_data(case, seed):
    """Return x, y, and "val" data or None, as the case describes them."""
    random, name = np.random.default_rng(seed), case["id"]
    if name == "SO-31880720":
        rows, y = MAX_ROWS, np.repeat([1.0, 0.0], MAX_ROWS // 2)
        x = np.repeat(y[:, None], 128, axis=1)
        return x, y, (x[:: rows // 200], y[:: rows // 200])
    if name == "SO-31556268":
        return np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([[0], [1], [1], [0.0]]), None
    if name == "SO-34311586":
        x = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0.0]])
        return x, np.array([[0], [0], [1], [1], [0], [0.0]]), None
    if name in ("SO-48385830", "SO-44164749", "SO-47352366"):
        x, labels = datasets.load_digits(return_X_y=True)
        order = random.permutation(len(x))
        x, y = x[order] / 16, one_hot(labels[order])
        if name == "SO-47352366":
            x = 255 * x.reshape(-1, 8, 8, 1)
        split = name == "SO-48385830"
        return x[:1400], y[:1400], (x[1400:], y[1400:]) if split else None
    if name == "SO-59278771":
        x, labels = datasets.load_iris(return_X_y=True)
        return x, one_hot(labels), None
    if name == "SO-52800582":
        x = np.arange(-100, 100, 0.5)[:, None]
        return x, x**4, None
    if name == "SO-48934338":
        x = np.arange(0, 5, 0.1)[:, None]
        return x, 5 * x**2 + random.normal(size=x.shape) ** 3, None
    if name == "SO-45337371":
        x = random.uniform(size=(1000, 5, 1))
        return x, x, None
    if name == "SO-38648195":
        x, y = datasets.make_multilabel_classification(6000, 20, n_classes=3, random_state=seed)
        y = y.astype("float32")
        cut = int(0.8 * len(x))
        return x[:cut], y[:cut], (x[cut:], y[cut:])
    if name == "SO-33969059":
        x = random.uniform(0, 10000, (MAX_ROWS, 3))
        return x, x @ [[2], [1], [0.5]] + 2.2, None
    raise SystemExit(f"No data for case {name!r}: add it to make_data.")


def repaired(case):
    """Return a copy of the case with its repair."""
    case = json.loads(json.dumps(case))
    for key, value in case["repair"].items():
        match = re.fullmatch(r"layers\[(.+)\]\.(\w+)", key)
        if match:
            where = (
                slice(None) if match[1] == "*" else slice(int(match[1]), int(match[1]) + 1 or None)
            )
            for layer in case["layers"][where]:
                layer[match[2]] = value
        elif key == "data":
            case["scaling"] = value
        else:
            case[key] = value
    return case


def initializer(text):
    """Turn "RandomNormal(stddev=1)" or "random_uniform" into an initializer."""
    match = re.fullmatch(r"(\w+)\((?:(\w+)=)?([\d.]+)\)", text)
    if not match:
        return keras.initializers.get(text)
    kind = getattr(keras.initializers, match[1])
    return kind(**{match[2]: float(match[3])}) if match[2] else kind(float(match[3]))


def build(case, shape):
    """Build the model; each activation is its own layer, as in the originals."""
    stack = [keras.Input(shape)]
    for facts in case["layers"]:
        facts = dict(facts)
        kind, activation = getattr(layers, facts.pop("type")), facts.pop("activation", None)
        if kind is layers.Activation:
            stack.append(kind(activation))
            continue
        for key in facts:
            if key.endswith("initializer"):
                facts[key] = initializer(facts[key])
        stack.append(kind(**facts))
        if activation:
            stack.append(layers.Activation(activation))
    return keras.Sequential(stack)


def scale(x, y, text):
    """Apply the repair of the data."""
    if "0..1" in text:
        x = x / np.abs(x).max()
    if "standardized" in text:
        x = (x - x.mean(axis=0)) / x.std(axis=0)
    if "x and y" in text:
        y = (y - y.mean(axis=0)) / y.std(axis=0)
    return x, y


def train(model, x, y, diagnosis, case, seed):
    """Train as the case says; return the diagnosis and the score from trivial 0 to perfect 1."""
    optimizer = case["optimizer"]
    if isinstance(optimizer, dict):
        kind = getattr(keras.optimizers, optimizer["name"])
        optimizer = kind(**{k: v for k, v in optimizer.items() if k != "name"})
    model.compile(
        *(optimizer, case["loss"]),
        metrics=case.get("metrics", []),
    )
    batch = case["batch_size"]
    batch = batch if isinstance(batch, int) else max(1, len(x) // 30)
    model.fit(
        *(x, y),
        epochs=case["epochs"],
        batch_size=batch,
        validation_data=case.get("val"),
        verbose=0,
        callbacks=[diagnosis],
    )
    return score(model, x, y)


def score(model, x, y):
    """R² or accuracy above the majority class on the training rows; not computed by Diagnosis."""
    guess = np.asarray(model.predict(x, verbose=0), "float64").reshape(len(x), -1)
    y = np.asarray(y, "float64").reshape(len(x), -1)
    if not np.all(np.isfinite(guess)):
        return -np.inf
    if y.shape[1] == 1 < guess.shape[1]:
        y = np.eye(guess.shape[1])[y[:, 0].astype(int)]
    if not np.all((y == 0) | (y == 1)):
        return 1 - np.mean((y - guess) ** 2) / np.mean((y - y.mean(axis=0)) ** 2)
    if y.shape[1] > 1 and np.all(y.sum(axis=1) == 1):
        right, majority = guess.argmax(1) == y.argmax(1), y.mean(axis=0).max()
    else:
        right = (guess > 0.5) == y
        majority = np.maximum(y.mean(axis=0), 1 - y.mean(axis=0)).mean()
    return (right.mean() - majority) / (1 - majority)


def healthy(seed):
    """Yield name, model, x, y of models that fit their data."""
    random = np.random.default_rng(seed)
    x, labels = datasets.load_digits(return_X_y=True)
    x, y = (x[:1400] / 16).astype("float32"), one_hot(labels[:1400])
    yield (
        "MLP",
        keras.Sequential(
            [keras.Input((64,)), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
        ),
        (x, y),
        "categorical_crossentropy",
    )
    yield (
        "CNN",
        keras.Sequential(
            [
                *(keras.Input((8, 8, 1)), layers.Conv2D(16, 3, activation="relu")),
                *(layers.Flatten(), layers.Dense(10)),
            ]
        ),
        (x.reshape(-1, 8, 8, 1), labels[:1400]),
        keras.losses.SparseCategoricalCrossentropy(True),
    )
    sequence = random.normal(size=(1000, 8, 2)).astype("float32")
    total = sequence[:, :, :1].sum(axis=1) / 3
    yield (
        "LSTM",
        keras.Sequential([keras.Input((8, 2)), layers.LSTM(24), layers.Dense(1)]),
        (sequence, total),
        "mse",
    )
    inputs = keras.Input((8, 8))
    h = layers.Dense(16)(inputs)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 8)(h, h))
    h = layers.LayerNormalization()(h + layers.Dense(16)(layers.Dense(32, "gelu")(h)))
    outputs = layers.Dense(10, "softmax")(layers.Flatten()(h))
    yield (
        "transformer",
        keras.Model(inputs, outputs),
        (x.reshape(-1, 8, 8), y),
        "categorical_crossentropy",
    )


class EveryFit:
    """Within it, every `fit` has a Diagnosis; `seen` holds (score, diagnosis) of each."""

    def __enter__(self):
        self.fit, self.seen = keras.Model.fit, []

        def fit(model, x=None, y=None, callbacks=None, **options):
            diagnosis = Diagnosis(verbose=False)
            callbacks = [*(callbacks or []), diagnosis]
            history = self.fit(model, x, y, callbacks=callbacks, **options)
            if y is None:  # a tf.data pipeline
                x, y = map(np.concatenate, zip(*x.take(200).as_numpy_iterator(), strict=True))
            self.seen.append((score(model, x, y), diagnosis))
            return history

        keras.Model.fit = fit
        return self

    def __exit__(self, *error):
        keras.Model.fit = self.fit


def remedied(seed, only):
    """Yield recipe, remedied variant, score, seconds and Diagnosis, as the recipe trains it."""
    for path in sorted(CASES.parent.parent.joinpath("recipes").glob("[a-z]*.py")):
        if only not in f"recipes {path.stem}":
            continue
        recipe = importlib.import_module(f"recipes.{path.stem}")
        data = recipe.load_data(seed)
        for variant in dict.fromkeys(effect[2] for effect in recipe.EFFECTS):
            start = time.perf_counter()
            keras.utils.set_random_seed(seed)
            with EveryFit() as fits, contextlib.redirect_stdout(io.StringIO()):
                recipe.train(variant, data, recipe.EPOCHS)
            gain, diagnosis = max(fits.seen, key=lambda pair: pair[0])  # of a sweep, its best
            yield path.stem, variant, gain, time.perf_counter() - start, diagnosis


def serious(diagnosis):
    """Errors and warnings, the root cause first."""
    return [finding for finding in diagnosis.findings if finding.severity != "note"]


def show(name, variant, seed, gain, seconds, diagnosis, right=None):
    """Print one run; return whether it has an error or a warning."""
    found = serious(diagnosis)
    names = ", ".join(f"{f.symptom} ({f.cause})" for f in found[:3]) or "-"
    mark = "" if right is None else "root cause right" if right else "ROOT CAUSE WRONG"
    print(
        f"{name:<21} {variant:<9} seed {seed}  score {gain:6.2f}  {seconds:4.0f} s  {names}"
        f"  {mark}",
        flush=True,
    )
    for finding in diagnosis.findings:
        if "was left out" in finding.evidence:
            print("   ", finding.evidence)
    return bool(found)


def diagnose(model, x, y, case, seed):
    """Train with a Diagnosis that prints nothing."""
    start, diagnosis = time.perf_counter(), Diagnosis(verbose=False)
    with contextlib.redirect_stdout(io.StringIO()):
        gain = train(model, x, y, diagnosis, case, seed)
    return diagnosis, gain, time.perf_counter() - start


def disappoints(diagnosis):
    """Tell whether the headline says that the run disappoints, whatever the findings are."""
    return "disappoint" in diagnosis.report().partition("\n")[0].lower()


def trained(program, seed, settings):
    """Train a field program with a Diagnosis; return it, the score and the seconds."""
    start, diagnosis = time.perf_counter(), Diagnosis(verbose=False)
    with contextlib.redirect_stdout(io.StringIO()):
        score = program(seed, [diagnosis], **settings)
    return diagnosis, score, time.perf_counter() - start


def advised(program, seed, finding):
    """Train a field program as the finding advises; return what was changed and the score."""
    settings = program.case.settings(finding.remedy)
    if settings is None:
        return None, None
    with contextlib.redirect_stdout(io.StringIO()):
        return settings, program(seed, [], **settings)


def field(programs, seeds, only, reports):
    """Diagnose both twins of field programs, follow the first remedy; return lists of answers."""
    totals = {
        "faulty runs with an error or a warning": [],
        "faulty runs with these, or a headline that the run disappoints": [],
        "cause named first, with evidence of it": [],
        "first advice, applied and trained, repairs": [],
        "repaired twins quiet": [],
        "repaired twins whose headline says that the run disappoints": [],
    }
    found, said, named, repaired, quiet, blamed = totals.values()
    for program in programs:
        if only and only not in program.__name__:
            continue
        for seed in seeds:
            diagnosis, score, seconds = trained(program, seed, {})
            first = next(iter(serious(diagnosis)), None)
            found.append(first is not None)
            said.append(found[-1] or disappoints(diagnosis))
            named.append(first is not None and program.case.names(first))
            show(program.__name__, "faulty", seed, score, seconds, diagnosis, named[-1])
            if not said[-1]:
                print("    NOT FOUND:", diagnosis.report().partition("\n")[0])
            repaired.append(False)
            if first is not None:
                settings, better = advised(program, seed, first)
                repaired[-1] = settings is not None and better >= program.case.good
                answer = f"nobody foresaw: {first.remedy}"
                if settings is not None:
                    answer = f"{settings}: {better:.2f} " + ("REPAIRS" if repaired[-1] else "fails")
                print("    advice", answer, flush=True)
            if reports:
                print(diagnosis.report())
            diagnosis, score, seconds = trained(program, seed, program.case.repair)
            quiet.append(not serious(diagnosis))
            blamed.append(disappoints(diagnosis))
            show(program.__name__, "repaired", seed, score, seconds, diagnosis)
            if reports and not (quiet[-1] and not blamed[-1]):
                print(diagnosis.report())
    return totals


def sound(programs, seeds, only, reports):
    """Diagnose programs that do well; return the false alarms, also those of the headline."""
    alarms = []
    for program in programs:
        if only and only not in program.__name__:
            continue
        for seed in seeds:
            diagnosis, score, seconds = trained(program, seed, {})
            show(program.__name__, "sound", seed, score, seconds, diagnosis)
            alarm = bool(serious(diagnosis)) or disappoints(diagnosis)
            if score >= program.good:
                alarms.append(alarm)
            if reports and alarm:
                print(diagnosis.report())
    return {FALSE_ALARMS: alarms}


def published(case, variant, seed):
    """Return model, x, y and the settings of a case of the JSON file."""
    facts = dict(case) if variant == "faulty" else repaired(case)
    x, y, facts["val"] = make_data(case, seed)
    x, y = scale(x, y, facts.get("scaling", ""))
    x, y = x.astype("float32"), np.asarray(y, "float32")
    if facts["epochs"] > 200:
        x, y = np.repeat(x, REPEAT, axis=0), np.repeat(y, REPEAT, axis=0)
        facts["epochs"] //= REPEAT
    keras.utils.set_random_seed(seed)
    return build(facts, x.shape[1:]), x, y, facts


def written(program, variant, seed):
    """Return model, x, y and the settings of a program of diagnosis_programs.py."""
    facts = dict(program[variant])
    x, y = (np.asarray(array, "float32") for array in facts["data"](np.random.default_rng(seed)))
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input(x.shape[1:]), *(new() for new in facts["layers"])])
    return model, x, y, facts | {"optimizer": facts["optimizer"]()}


def classic(cases, make, seeds, only):
    """Diagnose the faulty and the repaired variant of each case; return lists of answers."""
    detected, right, alarms = [], [], []
    for case in cases:
        if only and only not in case["id"]:
            continue
        for seed in range(seeds):
            for variant in ("faulty", "repaired"):
                model, x, y, facts = make(case, variant, seed)
                diagnosis, gain, seconds = diagnose(model, x, y, facts, seed)
                if variant == "faulty":
                    first = next(iter(serious(diagnosis)), None)
                    right.append(first is not None and first.cause in case["causes"])
                    args = (diagnosis, right[-1])
                    detected.append(show(case["id"], variant, seed, gain, seconds, *args))
                else:
                    alarm = show(case["id"], variant, seed, gain, seconds, diagnosis)
                    if gain >= TRAINS_WELL:
                        alarms.append(alarm)
    return {"faulty runs detected": detected, "root cause first": right, FALSE_ALARMS: alarms}


def well(seeds, only):
    """Diagnose healthy models and the remedied variants of the recipes; return the alarms."""
    alarms = []
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        for name, model, (x, y), loss in healthy(seed):
            if only and only not in f"healthy {name}":
                continue
            case = {"optimizer": {"name": "Adam", "learning_rate": 0.003}, "loss": loss}
            case |= {"batch_size": 32, "epochs": 25}
            diagnosis, gain, seconds = diagnose(model, x, y, case, seed)
            alarm = show(name, "healthy", seed, gain, seconds, diagnosis)
            if gain >= TRAINS_WELL:
                alarms.append(alarm)
        for name, variant, gain, seconds, diagnosis in remedied(seed, only or ""):
            alarm = show(f"{name}: {variant}", "healthy", seed, gain, seconds, diagnosis)
            if gain >= TRAINS_WELL:
                alarms.append(alarm)
    return alarms


def main(argv=None):
    """Run programs and healthy models; print the totals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=pathlib.Path, default=CASES, help="JSON file of the cases")
    parser.add_argument(
        "--programs",
        choices=["published", "first", "second", *FIELD],
        default="published",
        help="published, one of the two lists written for this project, or one of public reports",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="part of the id of the cases to run; 'healthy', 'recipes'")
    parser.add_argument("--reports", action="store_true", help="of field programs, the reports too")
    options = parser.parse_args(argv)
    seeds, only = options.seeds, options.only
    if options.programs in FIELD:
        listed = importlib.import_module(f"benchmarks.field.{options.programs}")
        totals = field(listed.PROGRAMS, range(seeds), only, options.reports)
        if hasattr(listed, "SOUND"):
            totals |= sound(listed.SOUND, range(seeds), only, options.reports)
    elif options.programs == "first":
        totals = classic(diagnosis_programs.FIRST, written, seeds, only)
    elif options.programs == "second":
        totals = classic(diagnosis_programs.SECOND, written, seeds, only)
    else:
        try:
            cases = json.loads(options.cases.read_text(encoding="utf-8"))["cases"]
        except (OSError, ValueError, KeyError) as error:
            parser.error(f"The cases {str(options.cases)!r} cannot be read: {error!r}.")
        totals = classic(cases, published, seeds, only)
        if not only or only in "healthy" or "recipes" in only:
            totals[FALSE_ALARMS] += well(seeds, only)
    for text, values in totals.items():
        if values:
            print(f"{text}: {sum(values)} of {len(values)} ({np.mean(values):.0%})")


if __name__ == "__main__":
    main()
