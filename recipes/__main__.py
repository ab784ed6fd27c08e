"""The catalogue: list the recipes by symptom, run them, report on them, copy one.

python -m recipes                                   list the recipes by symptom
python -m recipes run NAME... | all [--seeds 5]     run them one after the other
python -m recipes report DIR                        DIR/index.html and DIR/table.md
python -m recipes copy NAME DEST                    copy a recipe and the callback it needs
"""

import argparse
import ast
import base64
import filecmp
import html
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SYMPTOMS = (  # in the order in which to look for them
    "start here",
    "vanishing gradient",
    "exploding gradient",
    "high bias",
    "high variance",
    "honest measuring",
    "data mismatch",
)
CALLBACKS = ("gradient_monitor", "diagnosis")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Recipes</title>
<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;margin:0 auto;
max-width:60rem;padding:1rem}}img{{background:#fff;border-radius:.5rem;width:max(100%,45rem)}}
.table{{overflow-x:auto}}table{{border-collapse:collapse}}td,th{{padding:.2rem .6rem;
text-align:left;border-bottom:1px solid #8886}}</style><h1>Recipes by symptom</h1>{}</html>
"""


def catalogue():
    """Return {name: (symptom, title, files)}, read from the sources without importing them."""
    recipes = {}
    for path in sorted(HERE.glob("[a-z]*.py")):
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        symptom = next(
            node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SYMPTOM"
        )
        needed = [name for name in CALLBACKS if f"from callbacks.{name} " in source]
        if "diagnosis" in needed:
            needed = list(CALLBACKS)  # it builds on the other
        files = (
            [path, *(HERE.parent / "callbacks").glob("gradient_monitor.py")] if needed else [path]
        )
        if "diagnosis" in needed:
            files += sorted((HERE.parent / "callbacks" / "diagnosis").glob("*.py"))
        recipes[path.stem] = (symptom, ast.get_docstring(tree).partition("\n")[0], files)
    return dict(sorted(recipes.items(), key=lambda item: SYMPTOMS.index(item[1][0])))


def known(names, parser):
    """Return the names, all of which exist; a mistake ends in one sentence."""
    recipes = catalogue()
    for name in names:
        if name not in recipes:
            parser.error(f"no recipe is called {name!r}: choose from {', '.join(recipes)}")
    return names


def show():
    """Print the catalogue, a line for each recipe."""
    symptom = None
    for name, (current, title, _) in catalogue().items():
        if current != symptom:
            print(f"\n{current}")
        symptom = current
        print(f"  {name:28}{title}")
    print("\nRun one: python -m recipes run NAME")


def run(names, options):
    """Run each recipe in a process of its own; return the exit code."""
    codes = []
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2"} | os.environ
    for number, name in enumerate(names, start=1):
        print(f"\n== {name} ({number} of {len(names)})", flush=True)
        command = [sys.executable, str(HERE / f"{name}.py"), *options]
        codes.append(subprocess.run(command, env=environment).returncode)
        if codes == [2, 2]:  # two recipes refuse the options: so will the others
            break
    failed = [name for name, code in zip(names, codes, strict=False) if code]
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 2 if set(codes) == {2} else 1 if failed else 0


def effect_text(effect):
    """Return one measured effect as words and numbers."""
    if effect["interval"] is None:
        return f"{effect['quantity']} {effect['difference']:+.3g} (one seed, no interval)"
    half = float(f"{effect['interval']:.2g}")  # two digits, without an exponent
    return f"{effect['quantity']} {effect['difference']:+.3g} ± {half:g} ({effect['verdict']})"


def seeds_text(result):
    """Say by which run a result was made."""
    settings = result["settings"]
    seeds = f"{settings['seeds']} seed{'s' if int(settings['seeds']) > 1 else ''}"
    return f"{seeds}, --epochs {settings['epochs']}, {settings['dataset']}"


def results_table(results):
    """Return the Markdown table of all effects, symptom by symptom, a row for each recipe."""
    lines = ["| symptom | recipe | against → remedy: measured effect | seeds |", "|" + "---|" * 4]
    for result in results:
        name, seeds = result["recipe"], result["settings"]["seeds"]
        effects = [f"{e['baseline']} → {e['remedy']}: {effect_text(e)}" for e in result["effects"]]
        lines.append(
            f"| {result['symptom']} | [`{name}.py`](recipes/{name}.py) ([figure](docs/{name}.png))"
            f" | {'<br>'.join(effects)} | {seeds} |"
        )
    return "\n".join(lines) + "\n"


def html_table(rows):
    """Return rows of text as an HTML table; the first is its head."""
    lines = []
    for row in rows:
        tag = "td" if lines else "th"
        cells = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return f'<div class="table"><table>{"".join(lines)}</table></div>'


def scores(result):
    """Return a row of text for each variant: the mean and range over seeds of every number."""
    names = list(dict.fromkeys(name for run in result["runs"] for name in run["numbers"]))
    rows = [["variant (mean, range of seeds)", *names]]
    for variant in dict.fromkeys(run["variant"] for run in result["runs"]):
        row = [variant]
        for name in names:
            values = [r["numbers"].get(name) for r in result["runs"] if r["variant"] == variant]
            values = [value for value in values if value is not None]
            mean = f"{sum(values) / len(values):.4g}" if values else "–"
            several = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
            row.append(mean + several)
        rows.append(row)
    return rows


def results_page(results, folder):
    """Return the gallery as one HTML page with its figures inside."""
    parts = []
    for symptom in SYMPTOMS:
        chosen = [result for result in results if result["symptom"] == symptom]
        parts += [f"<h2>{symptom.capitalize()}</h2>"] if chosen else []
        for result in chosen:
            image = base64.b64encode((folder / f"{result['recipe']}.png").read_bytes()).decode()
            effects = [["compared", f"paired difference, 95 % interval, {seeds_text(result)}"]]
            for effect in result["effects"]:
                effects.append([f"{effect['baseline']} → {effect['remedy']}", effect_text(effect)])
            title = html.escape(result["title"])
            parts.append(
                f"<h3>{result['recipe']}.py</h3><p>{title}</p>{html_table(effects)}"
                f'<p class="table"><img alt="{title}" src="data:image/png;base64,{image}"></p>'
                f"<details><summary>Every variant</summary>{html_table(scores(result))}</details>"
            )
    return PAGE.format("".join(parts))


def report(folder, parser):
    """Write index.html and table.md from the JSON and PNG files in a results folder."""
    results = []
    for name in catalogue():
        path = folder / f"{name}.json"
        if path.exists():
            try:
                result = json.loads(path.read_text(encoding="utf-8"))
                scores(result), results_table([result])  # it has all that they need
            except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
                parser.error(f"{path} is no result of {name} ({error}): run that recipe again")
            if not path.with_suffix(".png").is_file():
                parser.error(f"{path} has no figure {name}.png beside it: run that recipe again")
            results.append(result)
    if not results:
        parser.error(f"{folder} holds no results: python -m recipes run all --output {folder}")
    for name, text in (
        ("index.html", results_page(results, folder)),
        ("table.md", results_table(results)),
    ):
        part = folder / f".part-{os.getpid()}-{name}"
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(folder / name)
        except OSError as error:
            part.unlink(missing_ok=True)
            parser.error(f"cannot write {folder / name}: {error.strerror}")
        print(f"Wrote {folder / name}")


def copy(name, destination, parser):
    """Copy a recipe, and the callback it needs, into a folder; overwrite nothing."""
    destination = Path(destination)
    pairs = []
    for path in catalogue()[name][2]:
        below = path.name if path.parent == HERE else path.relative_to(HERE.parent)
        pairs.append((path, destination / below))
    try:
        there = [target for path, target in pairs if target.exists()]
        for path, target in pairs:
            if target in there and not (target.is_file() and filecmp.cmp(path, target, False)):
                parser.error(f"{target} exists and is left as it is: name another folder")
        for path, target in pairs:
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.parent != HERE:  # a package, or another one might be found first
                (destination / "callbacks" / "__init__.py").touch()
            if target not in there:
                shutil.copyfile(path, target)
            print("Unchanged" if target in there else "Copied", target)
    except OSError as error:
        parser.error(f"cannot write to {destination}: {error.strerror}; name another folder")


def main(argv=None):
    """Run the command line; return the exit code."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("recipes", argparse.SUPPRESS, __doc__, formatter_class=layout)
    parser.add_argument("command", nargs="?", choices=["run", "report", "copy"])
    parser.add_argument("names", nargs="*", help="of recipes; a folder")
    arguments, options = parser.parse_known_args(argv)
    command, names = arguments.command, arguments.names
    if command is None and not options:
        show()
        return 0
    if command == "run":
        # A value that follows an option (--seeds 5) reaches argparse as a name: parse by hand.
        rest = list(argv if argv is not None else sys.argv[1:])
        rest.remove("run")
        first = next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
        names, options = rest[:first], rest[first:]
        if not names:
            parser.error("name recipes, or all, before the options: python -m recipes run dropout")
        names = list(catalogue()) if names == ["all"] else known(names, parser)
        try:
            return run(names, options)
        except KeyboardInterrupt:
            print("\nStopped; finished results are whole.", file=sys.stderr)
            return 130
    if options:
        parser.error(f"{command or 'the catalogue'} has no option {options[0]}")
    if command == "report":
        if len(names) != 1 or not Path(names[0]).is_dir():
            parser.error(
                "report takes one existing folder of results: python -m recipes report DIR"
            )
        report(Path(names[0]), parser)
        return 0
    if len(names) != 2:
        parser.error("copy takes a recipe and a folder: python -m recipes copy NAME DEST")
    copy(known(names[:1], parser)[0], names[1], parser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
