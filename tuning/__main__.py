"""Command line: `python -m tuning --help`."""

import argparse
import importlib
import importlib.util
import math
import os
import socket
import sys
from pathlib import Path

from .device import one_thread_per_operation, prepare_devices, take_gpu_memory_as_needed
from .errors import InputError, naming, telling_line
from .inputs.names import find, load_splits
from .searching import workers

PROGRAM = f"python -m {__package__}"
EXAMPLE = f"{__package__}.example:build_model", f"{__package__}.example:load_data"
USUAL = {"max_trials": 40, "epochs": 20, "seeds": 3}
QUICK = {"max_trials": 6, "epochs": 3, "seeds": 1}


def imported(module):
    """Import one of our modules that need Keras, which takes seconds, when it is needed."""
    return importlib.import_module(f".{module}", __package__)


# ---- what all commands share ----


def make_parser(command, description, epilog=None):
    """Return a parser with the model and the data, which each command takes."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}".rstrip(),
        allow_abbrev=False,  # workers get the options of their chief, less some of them
        description=description,
        epilog=epilog,
    )
    parser.add_argument(
        "build_model",
        nargs="?",
        default=EXAMPLE[0],
        metavar="MODULE:FUNCTION",
        help="returns a compiled model; also file.py:FUNCTION; an MLP on digits if left out",
    )
    parser.add_argument(
        "--data",
        default=EXAMPLE[1],
        metavar="MODULE:FUNCTION",
        help="returns a dict with train, validation and perhaps test, each (x, y)",
    )
    return parser


def check_example(options):
    """Refuse a model of the user's with the example's data, and the other way round."""
    if (options.build_model == EXAMPLE[0]) != (options.data == EXAMPLE[1]):
        raise InputError("A model needs data of its own: give both MODULE:FUNCTION and --data.")


def check_figures(path=None):
    """Find out before the training that no figure can be drawn, or not into this file."""
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("matplotlib, which draws the figures, is missing: pip install matplotlib.")
    if path is None:
        return
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {str(path.parent)!r} for --output.")
    from matplotlib.figure import Figure

    kinds = Figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise InputError(f"--output must end in one of {', '.join(kinds)}; got {path}.")


def write(path, save):
    """Let `save(path)` write a file, and say so."""
    print("Replaced" if path.exists() else "Wrote", path)
    save(path)


# ---- the search, alone or by a chief and workers ----


def search_parser(command="", description=None):
    """Return the parser of a search's options."""
    parser = make_parser(
        command,
        description
        or "Search the learning rate and batch size of a Keras model. "
        "The same command again goes on after an interruption.",
        "Other commands: show DIR (report of a finished, running or interrupted search), "
        "range, max-batch-size, sweep, chief, worker; each has a --help.",
    )
    add = parser.add_argument
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
    help_split = "share of the training examples that are the validation data"
    add("--validation-split", type=float, metavar="S", help=help_split)
    help_steps = "batches that are an epoch of a dataset, such as one that never ends"
    add("--steps-per-epoch", type=int, metavar="N", help=help_steps)
    add("--validation-steps", type=int, metavar="N", help="likewise, of the validation data")
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
    help_quick = "a first look: 6 trials of 3 epochs and 1 fresh seed, unless given otherwise"
    add("--quick", action="store_true", help=help_quick)
    return parser


def search_arguments(options):
    """Turn parsed options into the arguments of `search`.

    Raises:
        InputError: if the model's or the data's function cannot be used.

    """
    if options.population and not options.vectorized:
        raise InputError("--population is for --vectorized: give both.")
    if options.direction and not options.objective:
        raise InputError("--direction is for --objective: give both.")
    check_figures()
    build_model = find(options.build_model, "the model")
    check_example(options)
    needed = ["train"] if options.validation_split else ["train", "validation"]
    arguments = {
        "build_model": build_model,
        **load_splits(options.data, needed),
        "validation_split": options.validation_split,
        "steps_per_epoch": options.steps_per_epoch,
        "validation_steps": options.validation_steps,
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
    """Name of the search: the last part of the model's module or file."""
    place = options.build_model.rpartition(":")[0]
    return Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]


def run_search(argv):
    """Search with the options in `argv`, write the files and print where they are."""
    options = search_parser().parse_args(argv)
    if options.workers:
        run_chief(options, argv, workers.LOOPBACK, workers.free_port())
        return
    if options.vectorized:
        one_thread_per_operation()
    arguments = search_arguments(options)
    result = imported("search").search(**arguments)
    if result is not None:
        write_files(result)


def write_files(result):
    """Write figure and table beside the search and say where."""
    result.plot(result.project / "search.png")
    result.to_csv(result.project / "trials.csv")
    names = ["search.png", "trials.csv", "best.json"]
    names += ["best.weights.h5"] if result.weights is not None else []
    print(f"\nIn {result.project}: {', '.join(names)}")


def with_address(role, description, argv):
    """Return the parsed options of a chief or a worker, and its host and port."""
    description += " The channel is neither encrypted nor authenticated."
    parser = search_parser(role, description)
    usual = os.environ.get("KERASTUNER_ORACLE_IP")
    if usual:
        usual += ":" + os.environ.get("KERASTUNER_ORACLE_PORT", "")
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        default=usual or workers.DEFAULT_ADDRESS,
        help=f"of the chief (default: keras-tuner's environment variables, or "
        f"{workers.DEFAULT_ADDRESS})",
    )
    if role == "worker":
        wait_help = "for a chief that is not there yet (default: 0)"
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help=wait_help)
    options = parser.parse_args(argv)
    return options, *workers.parse_address(options.address)


def chief(argv):
    """Hand out the trials of a search to workers on other machines, and perhaps on this one."""
    options, host, port = with_address("chief", "Hand out trials to workers.", argv)
    if host not in (workers.LOOPBACK, "localhost", "::1"):
        print(
            f"Listening on {host}:{port}: the channel is neither encrypted nor authenticated, so "
            "let nobody but your own machines reach it.",
            file=sys.stderr,
        )
    run_chief(options, argv, host, port)


def run_chief(options, argv, host, port):
    """Be the chief at this address, with workers of this machine where `--workers` asks for some.

    They import Keras, which takes seconds, while this process does.
    """
    number = workers.number_of_workers(options.workers) if options.workers else 0
    workers.check_free(host, port)
    local = None
    if number:
        near = {"0.0.0.0": workers.LOOPBACK, "::": "::1"}.get(host, host)
        command = [sys.executable, "-m", __package__, "worker"]
        command += ["--address", workers.joined(near, port), "--wait", str(24 * 3600)]
        local = workers.LocalWorkers(number, command + for_workers(argv))
        if local.gpus:  # it trains itself in the end, and needs one for that
            os.environ["CUDA_VISIBLE_DEVICES"] = local.gpus[-1]  # on which the fewest workers are
    try:
        workers.set_role("chief", host, port)
        result = imported("search").search(**search_arguments(options), local_workers=local)
        write_files(result)
    finally:
        if local is not None:
            local.stop()


def for_workers(argv):
    """Leave out what concerns the chief alone."""
    kept, skip = [], False
    for word in argv:
        name, _, value = word.partition("=")
        if skip:
            skip = False
        elif name in ("--workers", "--address"):
            skip = not value
        elif word != "--overwrite":
            kept.append(word)
    return kept


def worker(argv):
    """Train for a chief."""
    description = "Train for a chief, with the same options as the chief."
    options, host, port = with_address("worker", description, argv)
    if options.workers:
        raise InputError("--workers is for the chief; start each worker by itself.")
    if options.wait:
        imported("search")  # takes seconds; a chief that must be there comes first
    workers.wait_for_chief(host, port, options.wait)
    name = os.environ.get("KERASTUNER_TUNER_ID", "")
    if not name or "chief" in name:  # keras-tuner takes any id with this word for the chief's
        name = f"worker-{socket.gethostname()}-{os.getpid()}".replace("chief", "ch")
    workers.set_role(name, host, port)
    with workers.attending_chief():
        imported("search").search(**search_arguments(options))


# ---- the other commands ----


def show(argv):
    """Print the report of a search and draw its figure."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} show",
        description="Report and figure of a finished, running or interrupted search.",
    )
    parser.add_argument("project", help="its folder, such as tuning_runs/digits")
    parser.add_argument("--figure", metavar="FILE", help="default: PROJECT/search.png")
    options = parser.parse_args(argv)
    result = imported("results.result").load(options.project)
    print(result.summary())
    figure = Path(options.figure or result.project / "search.png")
    result.plot(figure)
    print(f"\n{figure}")


def sweep(argv):
    """Train with many learning rates at once; write sweep.png and sweep.csv."""
    parser = make_parser("sweep", "Train with many learning rates at once and compare them.")
    option = parser.add_argument
    option("--from", type=float, default=1e-5, dest="low", help="smallest rate (default: 1e-5)")
    option("--to", type=float, default=1.0, dest="high", help="largest rate (default: 1)")
    option("--population", type=int, default=64, help="number of rates (default: 64)")
    option("--batch-size", type=int, default=32, help="examples per step (default: 32)")
    option("--epochs", type=int, default=10, help="of each training (default: 10)")
    option("--seeds", type=int, default=3, help="trainings per rate (default: 3)")
    option("--objective", help="metric to compare by (default: val_accuracy or val_loss)")
    option("--direction", choices=["min", "max"], help="whether less or more of it is better")
    option("--output", type=Path, default="results", help="folder to write to (default: results)")
    options = parser.parse_args(argv)
    if options.population < 1:
        parser.error(f"--population {options.population}: must be 1 or more")
    if not 0 < options.low <= options.high < math.inf:
        parser.error(f"--from {options.low} --to {options.high}: need 0 < from <= to")
    check_example(options)
    check_figures()
    one_thread_per_operation()
    build_model, data = find(options.build_model, "the model"), load_splits(options.data)
    options.output.mkdir(parents=True, exist_ok=True)
    step = (options.high / options.low) ** (1 / max(1, options.population - 1))
    found = imported("sweep").learning_rate_sweep(
        build_model,
        data["train"],
        data["validation"],
        [options.low * step**i for i in range(options.population)],
        batch_size=options.batch_size,
        epochs=options.epochs,
        seeds=options.seeds,
        objective=options.objective,
        direction=options.direction,
    )
    print(f"{found.failed.size} trainings in {found.seconds:.1f} s, {found.failed.sum()} failed.")
    write(options.output / "sweep.csv", found.to_csv)  # first: it is there even if all have failed
    best = found.best
    write(options.output / "sweep.png", found.plot)
    print(
        f"Best learning rate {best['learning_rate']:.3g}: {found.objective} "
        f"{best[found.objective]:.4g} ± {best['interval']:.2g} (95 %, {options.seeds} seeds)."
    )
    if best["at_edge"]:
        print("It lies at the edge of the rates that did not fail: look beyond it.")


def rate_range(argv):
    """Run a learning rate range test and draw it."""
    parser = make_parser("range", "Learning rate range test: which rates are worth searching.")
    option = parser.add_argument
    option("--batch-size", type=int, default=32, help="examples per step (default: 32)")
    option("--seeds", type=int, default=3, help="repetitions (default: 3)")
    option("--minimum", type=float, default=1e-7, help="first learning rate (default: 1e-7)")
    option("--maximum", type=float, default=10.0, help="last learning rate (default: 10)")
    option("--steps", type=int, default=100, help="number of rates (default: 100)")
    option("--output", type=Path, default=Path("learning_rate_range.png"), help="figure to write")
    options = parser.parse_args(argv)
    check_figures(options.output)
    prepare_devices()
    build_model = find(options.build_model, "the model")
    check_example(options)
    training = load_splits(options.data, ["train"])["train"]
    range_test = imported("learning_rate_range").learning_rate_range
    sizes = options.batch_size, options.seeds, options.minimum, options.maximum, options.steps
    with naming("The range test cannot train:"):
        found = range_test(build_model, training, *sizes)
    print(
        f"Search between {found.low:.2g} and {found.high:.2g}, the rate of the lowest loss "
        f"(batch size {options.batch_size}, repeated {options.seeds} times)."
    )
    write(options.output, found.plot)


def largest_batch(argv):
    """Find the largest batch that fits and the speed of each size, and draw it."""
    parser = make_parser("max-batch-size", "Largest batch that fits, and examples per second.")
    option = parser.add_argument
    option("--margin", type=float, default=0.1, help="share left free (default: 0.1)")
    option("--maximum", type=int, help="try no more (default: all training examples)")
    option("--seconds", type=float, default=0.5, help="for each size (default: 0.5)")
    option("--mixed-precision", action="store_true", help="train in mixed_float16 (for GPUs)")
    option("--output", type=Path, default=Path("max_batch_size.png"), help="figure to write")
    options = parser.parse_args(argv)
    check_figures(options.output)
    check_example(options)
    found = imported("max_batch_size").max_batch_size(
        options.build_model,
        options.data,
        options.margin,
        options.maximum,
        options.seconds,
        options.mixed_precision,
    )
    print(found.words())
    write(options.output, found.plot)


COMMANDS = {
    "show": show,
    "sweep": sweep,
    "range": rate_range,
    "max-batch-size": largest_batch,
    "chief": chief,
    "worker": worker,
}


def main(argv=None):
    """Run the command line; returns the exit code: 2 for input that cannot work."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    take_gpu_memory_as_needed()
    argv = list(sys.argv[1:] if argv is None else argv)
    command = COMMANDS.get(argv[0]) if argv else None
    try:
        if command is None:
            run_search(argv)
        else:
            command(argv[1:])
        return 0
    except (ValueError, OSError) as error:
        print(f"error: {telling_line(str(error))}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"error: {telling_line(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        goes_on = "; the same command goes on from here" if command in (None, chief, worker) else ""
        print(f"\nInterrupted{goes_on}.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
