"""Evidence: the effects of a recipe on seeds that nobody looked at while writing it.

Each recipe runs in a process of its own (this file): it has the numbers it would have alone, and
one that fails takes no other with it. A result is NAME.json and NAME.png: both or neither.
"""

import contextlib
import hashlib
import importlib
import io
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
FIRST_SEED = 100  # a recipe is written on seeds from 0 on, and measured on others
KEYS = {"recipe", "source", "seeds", "epochs", "seconds", "effects", "report", "runs"}


def measure(output, num_seeds, epochs, name):
    """Train every variant of a recipe on fresh seeds; write NAME.json and NAME.png.

    Args:
        output: an existing folder.
        num_seeds: how many seeds, from 100 on; 0 for as many as the recipe itself takes.
        epochs: of each training; 0 for the recipe's own.
        name: of the recipe, such as "dropout".

    """
    source = digest(name)  # before it can be edited while it trains
    recipe = importlib.import_module(f".{name}", __package__)
    seeds = range(FIRST_SEED, FIRST_SEED + (num_seeds or recipe.SEEDS))
    epochs = epochs or recipe.EPOCHS
    start = time.perf_counter()
    runs = recipe.compare(seeds, epochs)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        measured = recipe.report(runs)
    effects = []
    for number, baseline, remedy, sign in recipe.EFFECTS:
        mean, half = measured[number, baseline, remedy]  # half of the 95 % interval
        effect = {"number": number, "baseline": baseline, "remedy": remedy, "sign": sign}
        effects.append(effect | {"mean": mean, "half": half})
    result = {
        "recipe": name,
        "source": source,
        "seeds": list(seeds),
        "epochs": epochs,
        "seconds": round(time.perf_counter() - start),
        "effects": effects,
        "report": printed.getvalue(),
        "runs": {variant: [numbers for numbers, _ in pairs] for variant, pairs in runs.items()},
    }
    save(result, recipe.plot(runs), output)
    print(f"\r{name}: {result['seconds']} s{'':60}")


def digest(name):
    """Return what tells one version of a recipe from another."""
    return hashlib.sha256((HERE / f"{name}.py").read_bytes()).hexdigest()


def save(result, figure, output):
    """Write both files of a result; an interrupt leaves both or neither."""
    with tempfile.TemporaryDirectory(dir=output, prefix=".part-") as part:
        picture, numbers = Path(part, "figure.png"), Path(part, "numbers.json")
        figure.savefig(picture, dpi=100)
        numbers.write_text(json.dumps(result, indent=1, default=float), encoding="utf-8")
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the moment that follows
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        path = output / f"{result['recipe']}.json"
        path.unlink(missing_ok=True)  # the numbers vouch for the figure: they go first, come last
        picture.replace(path.with_suffix(".png"))
        numbers.replace(path)


def load(path):
    """Return the result in NAME.json.

    Raises:
        ValueError: if it is none.

    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a result ({error})") from None
    if not isinstance(result, dict) or not result.keys() >= KEYS or result["recipe"] != path.stem:
        raise ValueError(f"{path} is no result of this version of `recipes run`")
    return result


def check(output, names, num_seeds, epochs):
    """Make sure, before any training, that results can be written and overwrite no larger ones.

    Raises:
        ValueError: if not.
        OSError: if the folder cannot be written to.

    """
    output.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=output).close()
    for name in names:
        numbers, figure = output / f"{name}.json", output / f"{name}.png"
        if numbers.exists():
            earlier = load(numbers)
            seeds, longest = len(earlier["seeds"]), earlier["epochs"]
            if 0 < num_seeds < seeds or 0 < epochs < longest:
                more = f"{seeds} seeds of {longest} epochs"
                raise ValueError(f"{numbers} has more, {more}: name another --output or remove it")
        elif figure.exists():
            raise ValueError(f"{figure} has no {numbers.name} beside it: remove or rename it")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up, as after Ctrl-C
    measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
