"""What there is and what it showed: the catalogue, the page of all results, the README's table."""

import ast
import base64
import math
import shutil
from html import escape

from ._evidence import HERE

SYMPTOMS = (  # in the order in which to look for them
    "start here",
    "vanishing gradient",
    "exploding gradient",
    "high bias",
    "high variance",
    "rare class",
    "few labels",
    "redundant code",
    "too sure of itself",
    "score depends on the seed",
    "honest measuring",
    "data mismatch",
)
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>keras-remedies</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem }
nav { columns: 15rem } nav p { break-inside: avoid; margin-top: 0 } nav a { display: block }
h2, h3 { margin-top: 2.5rem } pre, .wide { overflow-x: auto } summary { cursor: pointer }
img { background: #fff; width: max(100%, 42rem) }
</style></head><body><h1>Recipes by symptom</h1>
<p>Differences are paired by seed, ± half their 95 % interval, on seeds not yet looked at.</p>"""


def catalogue():
    """Return {name: (symptom, docstring)} by symptom, from the sources and without running them."""
    recipes = {}
    for path in sorted(HERE.glob("[a-z]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        settings = [node for node in tree.body if isinstance(node, ast.Assign)]
        named = {ast.unparse(node.targets[0]): node.value for node in settings}
        recipes[path.stem] = ast.literal_eval(named["SYMPTOM"]), ast.get_docstring(tree)
    return dict(sorted(recipes.items(), key=lambda item: SYMPTOMS.index(item[1][0])))


def difference(effect):
    """Return the difference of an effect and its interval as text."""
    if math.isnan(effect["half"]):
        return f"{effect['mean']:+.3g} (one seed)"
    half = float(f"{effect['half']:.2g}")  # two digits, without an exponent
    return f"{effect['mean']:+.3g} ± {half:g}"


def verdict(effect):
    """Return what an effect says: "better", "worse", or "unclear" where its interval holds 0."""
    if abs(effect["mean"]) > effect["half"]:
        return "better" if effect["sign"] * effect["mean"] > 0 else "worse"
    return "unclear"


def compared(effect):
    """Return what an effect compares."""
    return f"{effect['number']}, {effect['baseline']} → {effect['remedy']}"


def effects_table(results):
    """Return every effect as lines of text."""
    lines = []
    for result in results:
        for place, effect in enumerate(result["effects"]):
            name = "" if place else result["recipe"]
            said = f"{difference(effect):18} {verdict(effect):8} {compared(effect)}"
            lines.append(f"{name:28} {said}")
    return "\n".join(lines)


def effects_document(results):
    """Return every effect as a table in Markdown, each recipe linked to the figure beside it."""
    lines = ["| recipe (its figure) | effect | | what is compared |", "|---|---|---|---|"]
    for result in results:
        for place, effect in enumerate(result["effects"]):
            name = "" if place else "[{0}]({0}.png)".format(result["recipe"])
            said = f"{difference(effect)} | {verdict(effect)} | {compared(effect)}"
            lines.append(f"| {name} | {said} |")
    return "\n".join(lines)


def catalogue_table(results):
    """Return the README's table in Markdown: the first effect of each recipe, by symptom."""
    recipes, last = catalogue(), None
    lines = ["| symptom | recipe | its first effect |", "|---|---|---|"]
    for result in results:
        name, effect = result["recipe"], result["effects"][0]
        shown = "" if recipes[name][0] == last else recipes[name][0]
        said = f"{difference(effect)} {effect['number']}"
        lines.append(f"| {shown} | [{name}](recipes/{name}.py) | {said} |")
        last = recipes[name][0]
    return "\n".join(lines)


def page(results, folder):
    """Return one HTML page with all figures inside, so that it can be sent as one file."""
    recipes, last = catalogue(), None
    contents, articles = "", ""
    for result in results:
        name = result["recipe"]
        symptom, docstring = recipes[name]
        if symptom != last:
            contents += f"<p><b>{symptom.capitalize()}</b>"
            articles += f"<h2>{symptom.capitalize()}</h2>"
        last = symptom
        contents += f'<a href="#{name}">{name.replace("_", " ")}</a>'
        articles += article(result, docstring, folder / f"{name}.png")
    return f"{HEAD}<nav>{contents}</nav>{articles}</body></html>\n"


def article(result, docstring, figure):
    """Return the HTML of one recipe: title, first effect, figure; the rest to unfold."""
    name, effect = result["recipe"], result["effects"][0]
    title, _, text = map(escape, docstring.partition("\n\n"))
    image = base64.b64encode(figure.read_bytes()).decode()
    seeds = f"seeds {result['seeds'][0]} to {result['seeds'][-1]}, {result['epochs']} epochs"
    return f"""<article id="{name}"><h3>{title}</h3>
<p><b>{difference(effect)}</b> {escape(compared(effect))}</p>
<p class="wide"><img alt="{title}" src="data:image/png;base64,{image}"></p>
<details><summary>When, and when not</summary><pre>{text}</pre></details>
<details><summary>Every number ({seeds})</summary><pre>{escape(result["report"])}</pre></details>
<code>python -m recipes copy {name} my_project</code></article>
"""


def update_documents(results, folder):
    """Bring the tables in README.md and docs/measured.md and the figures in docs up to date."""
    readme, measured = HERE.parent / "README.md", HERE.parent / "docs" / "measured.md"
    fill(readme, "catalogue", catalogue_table(results))
    fill(measured, "effects", effects_document(results))
    for result in results:
        shutil.copy(folder / f"{result['recipe']}.png", measured.parent)
    print("Wrote README.md, docs/measured.md and the figures in docs")


def fill(path, mark, text):
    """Put a text between the marks <!-- mark --> and <!-- /mark --> of a file."""
    before, opened, rest = path.read_text("utf-8").partition(f"<!-- {mark} -->\n")
    _, closed, after = rest.partition(f"\n<!-- /{mark} -->")
    path.write_text(before + opened + text + closed + after, "utf-8")
