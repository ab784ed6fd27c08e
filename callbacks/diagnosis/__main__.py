"""Judge a log of Keras's `CSVLogger`, make a checkup, or print the rules.

python -m callbacks.diagnosis history.csv
python -m callbacks.diagnosis my_module:build_model --data my_module:load_data --seconds 60
python -m callbacks.diagnosis --experiments
python -m callbacks.diagnosis --rules
"""

import argparse
import os
import sys
import warnings

from . import checkup
from .finding import table_of_rules
from .log import judged_history, read_csv
from .patterns import tables
from .report import text_of


def main(argv=None):
    """Judge a log or make a checkup; return the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if "--data" in argv or (argv and ":" in argv[0] and not os.path.exists(argv[0])):
        return checkup.main(argv)
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description=__doc__.replace("python -m callbacks.diagnosis", f"python -m {__package__}"),
        epilog="load_data returns (x, y), (train, validation) or a dict of checkup's arguments.\n"
        f"All of a checkup: python -m {__package__} my_module:build_model --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "log", nargs="?", help="CSV file of keras.callbacks.CSVLogger, or JSON of History.history"
    )
    parser.add_argument(
        "--target", metavar="METRIC=VALUE", help="e.g. accuracy=0.95; 0.7 of accuracies"
    )
    parser.add_argument("--rules", action="store_true", help="print the table of the rules")
    parser.add_argument(
        "--experiments", action="store_true", help="print the table of checkup's experiments"
    )
    options = parser.parse_args(argv)
    if options.experiments:
        print(tables())
        return 0
    if options.rules:
        print(table_of_rules())
        return 0
    try:
        if options.log is None:
            raise ValueError("Name the log to judge: a CSV file written by CSVLogger.")
        with warnings.catch_warnings(record=True) as said:
            history, target = read_csv(options.log), None
        print("".join(f"{warning.message}\n" for warning in said), end="")
        if options.target:
            name, _, value = options.target.partition("=")
            if name not in history:
                raise ValueError(f"The log has no column {name!r}; it has {list(history)}.")
            try:
                target = {name: float(value)}
            except ValueError:
                raise ValueError(f"--target must be METRIC=VALUE, such as {name}=0.95.") from None
        findings, headline = judged_history(history, target)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(text_of(findings, headline))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
