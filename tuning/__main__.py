"""Command line: `python -m tuning --help`."""

import argparse
import contextlib
import difflib
import importlib
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np

from .device import prepare_devices, take_gpu_memory_as_needed, visible_gpus
from .errors import InputError, telling_line
from .inputs.names import find, load_splits
from .searching import workers

tuning = sys.modules[__package__]  # it imports Keras, which takes seconds, at the first use
PROGRAM = f"python -m {__package__}"
EXAMPLE = f"{__package__}.example:build_model", f"{__package__}.example:load_data"
SPLIT = "share of the training examples, drawn at random, that are the validation data; then give "
SPLIT += "none"
QUICK = {"max_trials": 6, "epochs": 3, "seeds": 1}


# ---- what all commands share ----


def make_parser(command, description, **options):
    """Return a parser with the model and the data; what else is not given is left out."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}".rstrip(),
        argument_default=argparse.SUPPRESS,
        description=description,
        **options,
    )
    name = "MODULE:FUNCTION"
    what = "returns a compiled model; also file.py:FUNCTION; an MLP on digits if left out"
    parser.add_argument("build_model", nargs="?", default=EXAMPLE[0], metavar=name, help=what)
    what = "returns a dict with train, validation and perhaps test, or a tuple of them; each is "
    what += "(x, y), (x, y, sample_weight), x alone or a dataset"
    parser.add_argument("--data", default=EXAMPLE[1], metavar=name, help=what)
    return parser


def objective(text):
    """Read NAME or NAME:DIRECTION as `search` takes it."""
    name, _, direction = text.partition(":")
    return (name, direction) if direction else name


def read(options, names=("train", "validation")):
    """Return the model's function and the data; refuse, before any training, what cannot be."""
    names = ["train"] if "validation_split" in options else names
    build_model = find(options.build_model, "the model")
    if (options.build_model == EXAMPLE[0]) != (options.data == EXAMPLE[1]):
        raise InputError("A model needs data of its own: give both MODULE:FUNCTION and --data.")
    for package in ("matplotlib", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise InputError(f"{package} is missing: pip install {package}.")
    splits = load_splits(options.data, names)
    if "output" in options:
        options.output.mkdir(parents=True, exist_ok=True)
    return build_model, splits


def given(options, *others):
    """Return what is left for the function behind a command: all options but these."""
    others = ("build_model", "data", "output", *others)
    return {name: value for name, value in vars(options).items() if name not in others}


def write(path, save):
    """Let `save(path)` write a file, and say so."""
    print("Replaced" if path.exists() else "Wrote", path)
    save(path)


# ---- the search, alone or with workers ----


def search_parser(command="", description=None):
    """Return the parser of a search's options, most of them arguments of `search`."""
    usual = "Search the learning rate and batch size of a Keras model. The same command again goes "
    usual += "on after an interruption."
    others = "Other commands: show DIR (report of a finished, running or interrupted search), "
    others += "sweep (many learning rates at once), range, max-batch-size, worker; each has "
    others += "a --help."
    parser = make_parser(command, description or usual, epilog=others)
    add = parser.add_argument
    add("--tuner", choices=["random", "grid", "bayesian", "hyperband"])
    add("--max-trials", type=int, metavar="N", help="trainings, at most (default 40)")
    add("--epochs", type=int, metavar="N", help="length of each (default 20)")
    what = "range to search (default: from a learning rate range test)"
    add("--learning-rate", type=float, nargs=2, metavar=("LOW", "HIGH"), help=what)
    add("--batch-size", type=int, nargs="+", metavar="N", help="sizes to choose from")
    add("--validation-split", type=float, metavar="S", help=SPLIT)
    what = "batches that are an epoch of a dataset, such as one that never ends"
    add("--steps-per-epoch", type=int, metavar="N", help=what)
    add("--validation-steps", type=int, metavar="N", help="likewise, of the validation data")
    what = "metric to compare, such as val_loss, or val_f1:max where Keras cannot tell the "
    what += "direction"
    add("--objective", type=objective, metavar="NAME", help=what)
    what = "fresh seeds on which the best of each batch size is trained again (default 3)"
    add("--seeds", type=int, metavar="N", help=what)
    add("--seed", type=int, metavar="N", help="seed of the search (default 0)")
    what = "graph: whole epochs compiled; fit: model.fit; auto (default): graph where it can be"
    add("--engine", choices=["auto", "graph", "fit"], help=what)
    add("--directory", default="tuning_runs", metavar="DIR", help="folder of searches")
    add("--name", metavar="NAME", help="of the search, in DIR (default: the model's module)")
    what = "a first look: 6 trials of 3 epochs and 1 fresh seed, unless given otherwise"
    add("--quick", action="store_true", help=what)
    add("--workers", metavar="N", help="worker processes, or auto: one per GPU")
    add("--overwrite", action="store_true", help="delete the search of that name first")
    return parser


def search_arguments(options):
    """Turn parsed options into the arguments of `search`; InputError if a function is missing."""
    build_model, splits = read(options)
    usual = {"name": usual_name(options), **(QUICK if "quick" in options else {})}
    arguments = usual | given(options, "quick", "workers", "wait")
    return {"build_model": build_model, **splits, **arguments}


def usual_name(options):
    """Return the name of a search: that of the model's module."""
    place = options.build_model.rpartition(":")[0]
    return Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]


def run_search(argv):
    """Search with the options in `argv`, write the files and print where they are."""
    options = search_parser().parse_args(argv)
    local = None
    with contextlib.ExitStack() as stack:
        if "workers" in options:
            number = workers.number_of_workers(options.workers)
            command = [sys.executable, "-m", __package__, "worker", *argv]
            local = workers.LocalWorkers(number, command)
            stack.callback(local.stop)
            if local.gpus:  # it trains itself in the end, and needs one for that
                os.environ["CUDA_VISIBLE_DEVICES"] = local.gpus[-1]  # which the fewest workers use
        result = tuning.search(**search_arguments(options), local_workers=local)
    result.plot(result.project / "search.png")
    result.to_csv(result.project / "trials.csv")
    names = ["search.png", "trials.csv", "best.json"]
    names += ["best.weights.h5"] if result.weights is not None else []
    print(f"\nIn {result.project}: {', '.join(names)}")


def worker(argv):
    """Train for a search that another process runs, here or on another machine."""
    what = "Train for a search that another process runs: give the options of its command."
    parser = search_parser("worker", what)
    what = "for a search that has not begun (default: 0)"
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help=what)
    options = parser.parse_args(argv)
    name = getattr(options, "name", usual_name(options))
    workers.wait_for_search(Path(options.directory).expanduser() / name, options.wait)
    tuning.search(**search_arguments(options), joins=True)


# ---- the other commands ----


def show(argv):
    """Print the report of a search and draw its figure."""
    what = "Report and figure of a finished, running or interrupted search."
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} show", description=what)
    parser.add_argument("project", help="its folder, such as tuning_runs/digits")
    result = tuning.load(parser.parse_args(argv).project)
    print(result.summary())
    result.plot(result.project / "search.png")
    print(f"\n{result.project / 'search.png'}")


def figure_parser(command, description):
    """Return the parser of a command that writes its figure into a folder."""
    parser = make_parser(command, description)
    what = "folder to write to (default: results)"
    parser.add_argument("--output", type=Path, default=Path("results"), metavar="DIR", help=what)
    return parser


def sweep(argv):
    """Train with many learning rates at once; write sweep.png and sweep.csv."""
    parser = figure_parser("sweep", "Train with many learning rates at once and compare them.")
    add = parser.add_argument
    add("--from", type=float, default=1e-5, dest="low", help="smallest rate (default: 1e-5)")
    add("--to", type=float, default=1.0, dest="high", help="largest rate (default: 1)")
    add("--population", type=int, default=64, help="number of rates (default: 64)")
    add("--batch-size", type=int, help="examples per step (default: 32)")
    add("--epochs", type=int, help="of each training (default: 10)")
    add("--seeds", type=int, default=3, help="trainings per rate (default: 3)")
    add("--validation-split", type=float, metavar="S", help=SPLIT)
    add("--objective", type=objective, help="metric to compare by, such as val_loss or val_f1:max")
    options = parser.parse_args(argv)
    if options.population < 1 or not 0 < options.low <= options.high:
        parser.error("need --population of at least 1 and 0 < --from <= --to")
    rates = np.geomspace(options.low, options.high, options.population)
    if not visible_gpus():  # operations of small networks are too short to be divided
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    build_model, data = read(options)
    others = given(options, "low", "high", "population")
    run = tuning.learning_rate_sweep
    found = run(build_model, data["train"], data.get("validation"), rates, **others)
    write(options.output / "sweep.csv", found.to_csv)  # first: it is there even if all have failed
    print(found.words())
    write(options.output / "sweep.png", found.plot)


def rate_range(argv):
    """Run a learning rate range test and draw it."""
    parser = figure_parser("range", "Learning rate range test: which rates are worth searching.")
    add = parser.add_argument
    add("--batch-size", type=int, help="examples per step (default: 32)")
    add("--seeds", type=int, help="repetitions (default: 3)")
    add("--minimum", type=float, help="first learning rate (default: 1e-7)")
    add("--maximum", type=float, help="last learning rate (default: 10)")
    options = parser.parse_args(argv)
    build_model, data = read(options, ["train"])
    prepare_devices()
    test = importlib.import_module(".learning_rate_range", __package__).learning_rate_range
    found = test(build_model, data["train"], **given(options))
    print(found.words())
    write(options.output / "learning_rate_range.png", found.plot)


def largest_batch(argv):
    """Find the largest batch that fits and the speed of each size, and draw it."""
    parser = figure_parser("max-batch-size", "Largest batch that fits, and examples per second.")
    parser.add_argument("--margin", type=float, help="share left free (default: 0.1)")
    options = parser.parse_args(argv)
    _, data = read(options, ["train"])
    measure = importlib.import_module(".max_batch_size", __package__).max_batch_size
    found = measure(options.build_model, data["train"], **given(options))
    print(found.words())
    write(options.output / "max_batch_size.png", found.plot)


COMMANDS = {"show": show, "sweep": sweep, "range": rate_range, "max-batch-size": largest_batch}
COMMANDS["worker"] = worker


def main(argv=None):
    """Run the command line; returns the exit code: 2 for input that cannot work."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    take_gpu_memory_as_needed()
    argv = list(sys.argv[1:] if argv is None else argv)
    first = argv[0] if argv else ""
    command = COMMANDS.get(first)
    nearest = difflib.get_close_matches(first, COMMANDS, 1)
    try:
        if command is None:  # a search, which begins with MODULE:FUNCTION or an option
            if nearest and first[0] != "-" and ":" not in first:
                raise InputError(f"No command {first!r}; did you mean {nearest[0]!r}?")
            run_search(argv)
        else:
            command(argv[1:])
        return 0
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        text = telling_line(str(error))
        if isinstance(error, OSError) and error.filename:
            text = f"{error.filename} cannot be read or written: {error.strerror}."
        print(f"error: {text}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2
    except KeyboardInterrupt:
        goes_on = "; the same command goes on from here" if command in (None, worker) else ""
        print(f"\nInterrupted{goes_on}.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
