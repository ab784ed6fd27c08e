"""Copying: a recipe or a callback, with what it needs, into somebody's own project."""

import re
from pathlib import Path

HERE = Path(__file__).parent
CALLBACKS = HERE.parent / "callbacks"
NEEDED = {"diagnosis": ["gradient_monitor"]}  # a callback that builds on another


def copyable():
    """Return the names of the recipes and of the callbacks."""
    recipes = [path.stem for path in sorted(HERE.glob("[a-z]*.py"))]
    return recipes + [path.stem for path in sorted(CALLBACKS.glob("[a-z]*"))]


def files(name):
    """Return {place in the destination: content} of a recipe or callback and what it needs."""
    recipe = HERE / f"{name}.py"
    if not recipe.exists():
        return callback_files(name)
    content = recipe.read_bytes()
    found = {Path(recipe.name): content}
    for callback in re.findall(r"^ *from callbacks\.(\w+) import", content.decode(), re.M):
        found[Path("callbacks", "__init__.py")] = b""  # else one elsewhere may be found first
        for place, content in callback_files(callback).items():
            found["callbacks" / place] = content
    return found


def callback_files(name):
    """Return {place: content} of a callback: a file, or a folder with a file beside it."""
    found = {}
    for part in [name, *NEEDED.get(name, [])]:
        for path in [CALLBACKS / f"{part}.py", *sorted((CALLBACKS / part).rglob("*.py"))]:
            if path.exists():
                found[path.relative_to(CALLBACKS)] = path.read_bytes()
    return found


def copy(name, destination):
    """Copy a recipe or callback into a folder, or a recipe to a notebook; overwrite nothing.

    Args:
        name: one of `copyable()`.
        destination: a folder, made if it is not there, or a file that ends in .ipynb.

    Returns:
        list of str, a line for each file.

    Raises:
        ValueError: if something else stands where a file would go; then nothing is copied.
        OSError: if it cannot be written.

    """
    found = files(name)
    is_notebook = destination.suffix == ".ipynb"
    if destination.suffix == ".py" or (destination.is_file() and not is_notebook):
        raise ValueError(f"{destination} is no folder: name the folder that {name}.py goes into")
    if is_notebook:
        if not (HERE / f"{name}.py").exists():
            raise ValueError(f"only a recipe makes a notebook, and {name} is a callback")
        source = found.pop(Path(f"{name}.py"))
        found[Path(destination.name)] = notebook(source.decode()).encode()
        destination = destination.parent
    targets = {destination / place: content for place, content in found.items()}
    lines = []
    for target, content in targets.items():
        if not target.exists():
            lines.append(f"Copied {target}")
        elif not content or (target.is_file() and target.read_bytes() == content):
            lines.append(f"Unchanged {target}")
        else:
            raise ValueError(f"{target} exists and is left as it is: name another destination")
    for target, content in targets.items():
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return lines


def notebook(source):
    """Return a recipe as the text of a notebook: docstring as text, a cell for each section.

    What only a script needs is left out: `main`, its options and the search for its own folder.

    Raises:
        ValueError: if nbformat, an optional package, is not installed.

    """
    try:
        from nbformat import v4, writes
    except ImportError:
        raise ValueError("a notebook needs the package nbformat: pip install nbformat") from None
    _, docstring, code = source.split('"""', 2)
    title, _, text = docstring.partition("\n\n")
    text = re.sub(r"\n +", " ", text)  # a paragraph on one line, its first words in bold
    text = re.sub(r"^([A-Z][a-z]+(?: [a-z]+)?)  +", r"\n**\1**: ", text, flags=re.M)
    cells = [v4.new_markdown_cell(f"# {title}\n{text}")]
    code = re.sub(r"^(from argparse .*|.*__file__.*)\n", "", code, flags=re.M)
    code = code.replace("\nSYMPTOM =", "\n\n\nSYMPTOM =")
    for section in code.split("\n\n\n"):
        if section.startswith("# ----"):
            cells.append(v4.new_markdown_cell("## " + section.strip("#- \n")))
        elif not section.startswith(("def main(", "if __name__")):
            cells.append(v4.new_code_cell(section.strip("\n")))
    cells.append(v4.new_code_cell("runs = compare()\neffects = report(runs)"))
    cells.append(v4.new_code_cell("figure = plot(runs)"))
    return writes(v4.new_notebook(cells=cells))
