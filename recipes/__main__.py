"""The catalogue: list the recipes by symptom, run them, report on them, copy one.

python -m recipes [list]                    list the recipes by symptom
python -m recipes run NAME... | all         measure their effects on seeds from 100 on
python -m recipes.NAME --help               what a recipe is about
python -m recipes report DIR                one page of all results: DIR/index.html
python -m recipes copy NAME DEST            copy it, or a callback; to DEST.ipynb as a notebook
"""

import argparse
import contextlib
import difflib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ._copy import copy, copyable
from ._evidence import check, digest, load
from ._gallery import catalogue, effects_table, page, update_documents


def show():
    """Print the catalogue, a line for each recipe."""
    last = None
    for name, (symptom, docstring) in catalogue().items():
        if symptom != last:
            print(f"\n{symptom}")
        last = symptom
        print(f"  {name:28}{docstring.splitlines()[0]}")
    print(f"\nRun one: python -m {__package__} run NAME; take it home: copy NAME .")


def run(names, num_seeds, epochs, output):
    """Measure recipes one after the other and print their effects; return the exit code."""
    check(output, names, num_seeds, epochs)
    failed, process = [], None
    command = [sys.executable, "-m", f"{__package__}._evidence", str(output), str(num_seeds)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` is told on, as Ctrl-C is
    try:
        for count, name in enumerate(names, start=1):
            print(f"[{count}/{len(names)}] {name}", flush=True)
            with tempfile.TemporaryFile("w+") as log:  # where TensorFlow writes what nobody asked
                process = subprocess.Popen([*command, str(epochs), name], stderr=log)
                if process.wait():
                    log.seek(0)
                    print(f"\n{log.read()}\nerror: {name} failed, as said above", file=sys.stderr)
                    failed.append(name)
    except KeyboardInterrupt:
        while process and process.poll() is None:  # Python drops one that comes in a destructor
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        print("\nStopped; finished results are whole.", file=sys.stderr)
        return 130
    results = [load(output / f"{name}.json") for name in names if name not in failed]
    print(results[0]["report"] if len(names) == len(results) == 1 else effects_table(results))
    print(f"\nFigures are in {output}; one page of all: python -m {__package__} report {output}")
    return 1 if failed else 0


def report(folder, documents):
    """Write DIR/index.html, and on request the documents of this clone.

    Raises:
        ValueError: if there are no results, or one cannot be used.

    """
    paths = [folder / f"{name}.json" for name in catalogue()]
    results = [load(path) for path in paths if path.exists()]
    if not results:
        raise ValueError(f"{folder} holds no results: python -m {__package__} run all")
    for result in results:
        if not (folder / f"{result['recipe']}.png").is_file():
            raise ValueError(f"{folder / result['recipe']}.png is missing: run that recipe again")
        if result["source"] != digest(result["recipe"]):
            print(f"Note: {result['recipe']}.py has changed since it was run; run it again")
    if documents and len(results) < len(paths):  # their rows would be lost from the tables
        raise ValueError("--documents needs the results of every recipe: python -m recipes run all")
    text, path = page(results, folder), folder / "index.html"
    if path.exists() and "<title>keras-remedies</title>" not in path.read_text("utf-8"):
        raise ValueError(f"{path} is not ours and is left as it is: name another folder")
    part = path.with_name(".part-index.html")
    part.write_text(text, encoding="utf-8")
    print("Wrote", part.replace(path))
    if documents:
        update_documents(results, folder)


def positive(text):
    """Return the whole number of an option, from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def check_names(names, known):
    """Refuse a name that nobody knows; ValueError with the nearest one."""
    for name in set(names).difference(known):
        near = [*map(repr, difflib.get_close_matches(name, known, 1)), "one of the list"]
        raise ValueError(f"There is no {name!r}: did you mean {near[0]}?")


def make_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(f"python -m {__package__}")
    parser.description = __doc__.replace("python -m recipes", parser.prog)  # as it is installed
    parser.formatter_class = argparse.RawDescriptionHelpFormatter  # keeps the docstring's lines
    commands = parser.add_subparsers(dest="command", metavar="list | run | report | copy")
    commands.add_parser("list")
    add = commands.add_parser("run", allow_abbrev=False).add_argument
    add("names", nargs="+", metavar="NAME", help="or: all")
    add("--seeds", type=positive, default=0, help="how many, from 100 on (default: the recipe's)")
    add("--epochs", type=positive, default=0, help="of each training (default: the recipe's)")
    add("--output", type=Path, default="results", help="folder to write to (default: results)")
    add = commands.add_parser("report", allow_abbrev=False).add_argument
    add("folder", type=Path, metavar="DIR", help="the folder that `run` wrote to")
    add("--documents", action="store_true", help="write README.md and docs of this clone anew")
    add = commands.add_parser("copy").add_argument
    add("name", metavar="NAME", help="of a recipe or a callback")
    add("destination", type=Path, metavar="DEST", help="a folder, or NAME.ipynb of a recipe")
    return parser


def main(argv=None):
    """Run the command line; return the exit code, 2 for input that cannot work."""
    parser = make_parser()
    options = parser.parse_args(argv)
    try:
        if options.command in (None, "list"):
            show()
        elif options.command == "run":
            check_names(options.names, [*catalogue(), "all"])
            names = list(catalogue() if "all" in options.names else dict.fromkeys(options.names))
            return run(names, options.seeds, options.epochs, options.output)
        elif options.command == "report":
            report(options.folder, options.documents)
        else:
            check_names([options.name], copyable())
            print("\n".join(copy(options.name, options.destination)))
    except OSError as error:  # a full disk names no file
        parser.error(f"{error.filename or 'A file'} cannot be read or written: {error.strerror}")
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
