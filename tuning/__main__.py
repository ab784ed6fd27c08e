"""Command line: `python -m tuning --help`."""

import argparse
import importlib
import os
import re
import sys
from pathlib import Path

from tuning.machine import prepare_devices, take_gpu_memory_as_needed

OTHERS = {  # first word: module whose main(argv) does it
    "range": "tuning.learning_rate_range",
    "max-batch-size": "tuning.max_batch_size",
    "sweep": "tuning.vectorized",
    "chief": "tuning.workers",
    "worker": "tuning.workers",
}
USUAL = {"max_trials": 40, "epochs": 20, "seeds": 3}
QUICK = {"max_trials": 6, "epochs": 3, "seeds": 1}
EXAMPLE = "tuning.digits:build_model", "tuning.digits:load_data"

TENSORFLOW_ADDS = (  # around what is wrong, to an error in a compiled function
    r"Graph execution error:|Detected at node .*|<stack traces unavailable>"
    r'|  File ".*|\[\[\{\{node.*'
)


def find(name, what):
    """Import `module:function`.

    Raises:
        ValueError: if there is no such module or function.

    """
    module_name, _, function = name.partition(":")
    if not function:
        raise ValueError(f"{what} must be written as module:function, got {name!r}.")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"Cannot import {module_name!r} for {what}: {error}.") from None
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}"
        raise ValueError(f"Importing {module_name!r} for {what} fails: {text}") from error
    if not callable(getattr(module, function, None)):
        raise ValueError(f"Module {module_name!r} has no function {function!r} for {what}.")
    return getattr(module, function)


def load_splits(name):
    """Call the user's `load_data` and name its splits.

    Returns:
        dict with "train", "validation" and perhaps "test".

    Raises:
        ValueError: if it returns neither such a dict nor a tuple of two or three of them.

    """
    function = find(name, "--data")
    try:
        data = function()
    except (Exception, SystemExit) as error:
        raise ValueError(f"{name} raises {type(error).__name__}: {error}") from error
    if isinstance(data, (tuple, list)) and len(data) in (2, 3):
        data = dict(zip(("train", "validation", "test"), data, strict=False))
    if not isinstance(data, dict) or not {"train", "validation"} <= set(data):
        raise ValueError(
            f"{name} must return a dict with 'train', 'validation' and perhaps 'test', or a tuple "
            f"(train, validation[, test]); it returned a {type(data).__name__}"
            + (f" with {', '.join(map(str, data))}." if isinstance(data, dict) else ".")
        )
    return {key: data[key] for key in ("train", "validation", "test") if key in data}


def make_parser():
    """Return the parser of the search's options; `tuning/workers.py` uses it as well."""
    parser = argparse.ArgumentParser(
        prog="python -m tuning",
        allow_abbrev=False,  # workers get the options of their chief, less some of them
        description="Search the learning rate and batch size of a Keras model. "
        "The same command again goes on after an interruption.",
        epilog="Other commands: show DIR (report of a finished, running or interrupted search), "
        "range, max-batch-size, sweep, chief, worker; each has a --help.",
    )
    add = parser.add_argument
    add(
        "build_model",
        nargs="?",
        default=EXAMPLE[0],
        metavar="MODULE:FUNCTION",
        help="returns a compiled model; an MLP on handwritten digits if left out",
    )
    add(
        "--data",
        default=EXAMPLE[1],
        metavar="MODULE:FUNCTION",
        help="returns a dict with train, validation and perhaps test, each (x, y)",
    )
    add("--tuner", default="random", choices=["random", "grid", "bayesian", "hyperband"])
    add("--max-trials", type=int, metavar="N", help="trainings, at most (default 40)")
    add("--epochs", type=int, metavar="N", help="length of each (default 20)")
    add("--steps", type=int, metavar="N", help="optimizer steps of each, instead of epochs")
    add("--seconds", type=float, metavar="S", help="longest time of each")
    add(
        "--learning-rate",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="range to search (default: from a learning rate range test)",
    )
    add("--batch-size", type=int, nargs="+", metavar="N", help="sizes to choose from")
    add("--objective", metavar="NAME", help="metric to compare, such as val_loss")
    help_direction = "whether less or more of --objective is better, where Keras cannot tell"
    add("--direction", choices=["min", "max"], help=help_direction)
    add(
        "--seeds",
        type=int,
        metavar="N",
        help="fresh seeds on which the best of each batch size is trained again (default 3)",
    )
    add("--seed", type=int, default=0, metavar="N", help="seed of the search (default 0)")
    add("--engine", default="auto", choices=["auto", "graph", "fit"])
    add("--vectorized", action="store_true", help="train many trials at once (small networks)")
    help_population = "with --vectorized: how many, or auto (default: what fits, at most 64)"
    add("--population", metavar="K", help=help_population)
    add("--directory", default="tuning_runs", metavar="DIR")
    add("--name", metavar="NAME", help="of the search, in DIR (default: the model's module)")
    add("--workers", metavar="N", help="worker processes, or auto: one per GPU")
    add("--overwrite", action="store_true", help="delete the search of that name first")
    add("--mixed-precision", action="store_true", help="train in mixed_float16 (for GPUs)")
    add("--tensorboard", metavar="DIR", help="write an HParams table for TensorBoard")
    help_quick = "a first look: 6 trials of 3 epochs and 1 fresh seed, unless given otherwise"
    add("--quick", action="store_true", help=help_quick)
    return parser


def search_arguments(options):
    """Turn parsed options into the arguments of `tuning.search`.

    Raises:
        ValueError: if the model's or the data's function cannot be used.

    """
    if options.population and not options.vectorized:
        raise ValueError("--population is for --vectorized: give both.")
    if options.direction and not options.objective:
        raise ValueError("--direction is for --objective: give both.")
    build_model = find(options.build_model, "the model")
    if (options.build_model == EXAMPLE[0]) != (options.data == EXAMPLE[1]):
        raise ValueError("A model needs data of its own: give both MODULE:FUNCTION and --data.")
    arguments = {
        "build_model": build_model,
        **load_splits(options.data),
        "tuner": options.tuner,
        "steps": options.steps,
        "seconds": options.seconds,
        "learning_rate": options.learning_rate,
        "objective": options.objective,
        "seed": options.seed,
        "engine": options.engine,
        "population": (options.population or "auto") if options.vectorized else None,
        "directory": options.directory,
        "name": options.name or default_name(options),
        "overwrite": options.overwrite,
        "mixed_precision": options.mixed_precision,
        "tensorboard": options.tensorboard,
    }
    if options.direction:
        import keras_tuner

        arguments["objective"] = keras_tuner.Objective(options.objective, options.direction)
    if options.batch_size:
        arguments["batch_size"] = tuple(options.batch_size)
    numbers = QUICK if options.quick else USUAL
    given = {name: getattr(options, name) for name in numbers}
    given = {name: number for name, number in given.items() if number is not None}
    return arguments | numbers | given


def default_name(options):
    """Name of the search: the last part of the model's module."""
    return options.name or options.build_model.partition(":")[0].rpartition(".")[2]


def run_search(argv):
    """Search with the options in `argv`, write the files and print where they are."""
    options = make_parser().parse_args(argv)
    if options.workers:
        from tuning import workers

        return workers.search_with_workers(options, argv)
    if options.vectorized:
        from tuning.population import one_thread_per_operation

        one_thread_per_operation()
    arguments = search_arguments(options)
    from tuning import search

    result = search(**arguments)
    if result is not None:
        write_files(result)
    return 0


def write_files(result):
    """Write figure and table beside the search and say where."""
    result.plot(result.project / "search.png")
    result.to_csv(result.project / "trials.csv")
    print(f"\nIn {result.project}: search.png, trials.csv, best.json")


def show(argv):
    """Print the report of a search and draw its figure."""
    parser = argparse.ArgumentParser(
        prog="python -m tuning show",
        description="Report and figure of a finished, running or interrupted search.",
    )
    parser.add_argument("project", help="its folder, such as tuning_runs/digits")
    parser.add_argument("--figure", metavar="FILE", help="default: PROJECT/search.png")
    options = parser.parse_args(argv)
    from tuning import load

    result = load(options.project)
    print(result.summary())
    figure = Path(options.figure or result.project / "search.png")
    result.plot(figure)
    print(f"\n{figure}")
    return 0


def one_line(error):
    """Return the text of an exception as one line, without what Keras and TensorFlow add."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    text = re.sub(TENSORFLOW_ADDS, "", text)
    return " ".join(text.split())


def main(argv=None):
    """Run the command line; returns the exit code: 2 for input that cannot work."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    take_gpu_memory_as_needed()
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv[:1] == ["show"]:
            return show(argv[1:])
        if argv and argv[0] in OTHERS:
            module = importlib.import_module(OTHERS[argv[0]])
            if argv[0] == "range":  # a file to copy alone, so that it does not do this itself
                prepare_devices()
            # chief and worker share a module, which needs to know which of them it is
            is_shared = OTHERS[argv[0]] == "tuning.workers"
            return module.main(argv if is_shared else argv[1:]) or 0
        return run_search(argv)
    except (ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        is_search = not argv or argv[0] not in OTHERS or argv[0] in ("chief", "worker")
        goes_on = "; the same command goes on from here" if is_search else ""
        print(f"\nInterrupted{goes_on}.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
