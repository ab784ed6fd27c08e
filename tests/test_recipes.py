"""Every recipe keeps the contract, and the house around them measures, shows and copies."""

import ast
import importlib
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf

from recipes import __main__ as house
from recipes import _evidence, _gallery
from recipes._copy import copy, copyable

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes").glob("[a-z]*.py"))
TAIL = "\n# ---- The comparison: the same in every recipe ----\n"
FAST = "input_normalization"  # the quickest recipe
ENVIRONMENT = {**os.environ, "MPLBACKEND": "Agg"}


@pytest.fixture(autouse=True)
def no_figures_left():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def python(*arguments, cwd=ROOT):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)


def one_sentence(text):
    lines = [line for line in text.splitlines() if "error:" in line]
    return len(lines) == 1 and "Traceback" not in text


def refused(capsys, *arguments):
    """Give the house a command that must end with one sentence and exit code 2; return it."""
    with pytest.raises(SystemExit) as stopped:
        house.main([str(argument) for argument in arguments])
    sentence = capsys.readouterr().err
    assert stopped.value.code == 2 and one_sentence(sentence), (arguments, sentence)
    return sentence


# ---- The contract ----


@pytest.fixture
def untraced():
    """Run TensorFlow's functions step by step: for one step that is quicker than to trace them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_runs_alone_and_repeats(path, tmp_path, monkeypatch, capsys):
    """In an empty folder, with the callback that it names and nothing else of this repository."""
    copy(path.stem, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    others = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *others])
    for name in [name for name in sys.modules if name.partition(".")[0] == "callbacks"]:
        monkeypatch.delitem(sys.modules, name)
    before = sorted(tmp_path.rglob("*"))
    spec = importlib.util.spec_from_file_location(path.stem, tmp_path / path.name)
    recipe = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", None)  # importing trains nothing
        spec.loader.exec_module(recipe)
    assert capsys.readouterr().out == ""
    whole, fit, evaluate = recipe.batches, keras.Model.fit, keras.Model.evaluate
    monkeypatch.setattr(recipe, "batches", lambda data, size: whole(data, size).take(2))

    def fit_one_step(*arguments, **options):
        return fit(*arguments, **{**options, "steps_per_epoch": 1})

    def evaluate_one_step(*arguments, **options):
        return evaluate(*arguments, **{**options, "steps": 1})

    monkeypatch.setattr(keras.Model, "fit", fit_one_step)
    monkeypatch.setattr(keras.Model, "evaluate", evaluate_one_step)
    for name in {"NUM_SHUFFLINGS", "NUM_LAYERS"} & set(vars(recipe)):
        monkeypatch.setattr(recipe, name, 2)
    runs = recipe.compare(range(1), epochs=1)
    last = list(recipe.VARIANTS)[-1]
    keras.utils.set_random_seed(0)
    again = recipe.train(last, recipe.load_data(0), epochs=1)
    assert sorted(tmp_path.rglob("*")) == before  # nothing is written
    # The same seed gives the same numbers, whatever was trained before; but for the clock's.
    again[0].update({name: runs[last][0][0][name] for name in again[0] if name == "seconds"})
    np.testing.assert_equal(runs[last], [again])
    assert recipe.report(runs).keys() == {effect[:3] for effect in recipe.EFFECTS}
    assert recipe.plot(runs).axes
    del runs[recipe.EFFECTS[0][1]]  # a reader takes a variant out
    recipe.report(runs)
    assert recipe.plot(runs).axes
    loaded = [module for name, module in sys.modules.items() if name.startswith("callbacks")]
    assert all(tmp_path in Path(module.__file__).parents for module in loaded)
    for name in [name for name in sys.modules if name.partition(".")[0] == "callbacks"]:
        del sys.modules[name]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_form(path):
    source = path.read_text()
    assert source.count("\n") <= 185
    assert source.partition(TAIL)[2] == (ROOT / "recipes/dropout.py").read_text().partition(TAIL)[2]
    header = re.match(r"# /// script\n(.*?)# ///\n", source, re.S).group(1)
    metadata = tomllib.loads("".join(line[2:] + "\n" for line in header.splitlines()))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = {re.match(r"[\w-]+", line).group() for line in project["dependencies"]}
    assert {re.match(r"[\w-]+", line).group() for line in metadata["dependencies"]} <= known
    tree = ast.parse(source)
    docstring = ast.get_docstring(tree)
    assert docstring.count("\n") < 20
    for word in ("Symptom", "Remedy", "Look for", "Not when", "Source"):
        assert re.search(rf"^{word} ", docstring, re.M), word
    assert "# <- " in source
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    order = ["load_data", "build_model", "train", "plot", "batches", "compare", "interval"]
    assert [name for name in functions if name in order] == order
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {path.stem for path in RECIPES}
    assert not any(node.level or (node.module or "").split(".")[0] in names for node in imported)
    assert "recipes" not in {(node.module or "").split(".")[0] for node in imported}


def test_most_recipes_are_short():
    """160 lines are the rule; up to 185 where a recipe needs a figure of its own kind."""
    long = [path.stem for path in RECIPES if path.read_text().count("\n") > 160]
    assert len(long) <= 0.35 * len(RECIPES), long


def test_settings_belong_together():
    for path in RECIPES:
        recipe = importlib.import_module(f"recipes.{path.stem}")
        assert recipe.SYMPTOM in _gallery.SYMPTOMS
        for _, baseline, remedy, sign in recipe.EFFECTS:
            assert {baseline, remedy} <= set(recipe.VARIANTS) and sign in (1, -1)


def script_ends(*options):
    """Run a recipe with options that end it before training; return its exit code."""
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module("recipes.dropout").main(options)
    return stopped.value.code


def test_help_is_the_docstring(capsys):
    assert script_ends("--help") == 0
    assert importlib.import_module("recipes.dropout").__doc__ in capsys.readouterr().out


def test_bad_options_end_with_one_sentence(tmp_path, capsys):
    for options in (
        ["--epochs", "0"],
        ["--seeds", "-1"],
        ["--seeds", "many"],
        ["--dataset", "mnist"],
        ["--output", str(tmp_path / "nowhere" / "figure.png")],
        ["--output", str(tmp_path / "figure.doc")],
    ):
        assert script_ends(*options) == 2, options
        assert one_sentence(capsys.readouterr().err), options


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["run", "dropuot"], "'dropout'"),
        (["copy", "GradientMonitor", "x"], "'gradient_monitor'"),
        (["copy", "tuning", "x"], "one of the list"),
    ],
)
def test_a_name_that_nobody_knows(words, meant, capsys):
    with pytest.raises(SystemExit) as ended:
        house.main(words)
    said = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2 and said.endswith(f"did you mean {meant}?")


def test_script_as_a_stranger_runs_it(tmp_path):
    copy(FAST, tmp_path)
    done = python(f"{FAST}.py", "--epochs", "2", "--seeds", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / f"{FAST}.png").read_bytes().startswith(b"\x89PNG")
    assert " ± " in done.stdout and sorted(tmp_path.iterdir()) == [
        tmp_path / f"{FAST}.png",
        tmp_path / f"{FAST}.py",
    ]


def test_recipe_without_its_callback_says_so(tmp_path):
    (tmp_path / "relu_activation.py").write_bytes(
        (ROOT / "recipes" / "relu_activation.py").read_bytes()
    )
    done = python("relu_activation.py", cwd=tmp_path)
    assert done.returncode == 2 and one_sentence(done.stderr)
    assert "copy the folder callbacks/ beside this file" in done.stderr
    shutil.copytree(ROOT / "callbacks", tmp_path / "callbacks")
    assert python("relu_activation.py", "--help", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("residual_connections", "plain, 4 layers"),
        ("noise", "no noise"),
        ("distillation", "small alone"),
        ("ensemble", "one network"),
        ("gradient_clipping", "clipnorm"),
        ("class_imbalance", "class weights"),
    ],
)
def test_labels_in_a_row_and_in_a_column_score_the_same(name, variant):
    """NumPy compares (n,) with (n, 1) as n × n, and says nothing."""
    recipe = importlib.import_module(f"recipes.{name}")

    def shaped(part, shape):
        return (part[0], part[1].reshape(shape)) if isinstance(part, tuple) else part

    scores = []
    for shape in ((-1,), (-1, 1)):
        data = [shaped(part, shape) for part in recipe.load_data(0)]
        keras.utils.set_random_seed(0)
        scores.append(recipe.train(variant, data, 1)[0])
    assert scores[1] == pytest.approx(scores[0], rel=1e-4)


def test_interval():
    # Student's t for 4 degrees of freedom at 97.5 % is 2.776; sd of 1..5 is sqrt(2.5).
    recipe = importlib.import_module("recipes.dropout")
    mean, half = recipe.interval([1, 2, 3, 4, 5])
    assert mean == 3 and half == pytest.approx(2.776 * np.sqrt(2.5 / 5), rel=1e-3)
    assert math.isnan(recipe.interval([1.0])[1])


def test_effects_are_paired_and_judged(monkeypatch, capsys):
    """Differences 1, 2, 3 over three seeds: 2 ± 4.303 / sqrt(3), which excludes no zero."""
    recipe = importlib.import_module("recipes.dropout")
    monkeypatch.setattr(recipe, "EFFECTS", [("a", "x", "y", +1), ("a", "y", "x", +1)])
    runs = {
        "x": [({"a": v}, {}) for v in (10, 50, 90)],
        "y": [({"a": v}, {}) for v in (11, 52, 93)],
    }
    mean, half = recipe.report(runs)["a", "x", "y"]
    assert mean == 2 and half == pytest.approx(4.303 / np.sqrt(3), rel=1e-3)
    assert capsys.readouterr().out.count("unclear") == 2
    runs["y"] = [({"a": v + 1}, {}) for v in (11, 52, 93)]  # 3 ± 2.48
    recipe.report(runs)
    printed = capsys.readouterr().out
    assert "y against x: a +3 ± 2.5, better" in printed
    assert "x against y: a -3 ± 2.5, worse" in printed


def test_labels_are_wrong_where_said():
    from sklearn.datasets import load_digits

    recipe = importlib.import_module("recipes.dropout")
    pixels, labels = load_digits(return_X_y=True)
    (x, y), (x_val, y_val) = recipe.load_data(0)
    for images, given, wrong in ((x, y, recipe.NUM_WRONG), (x_val, y_val, 0)):
        images = np.round(images * 16)
        truth = [labels[np.all(pixels == row, axis=1)][0] for row in images]
        assert np.sum(truth != given) == wrong


def test_weights_near_zero_are_counted(monkeypatch):
    recipe = importlib.import_module("recipes.l1_l2_regularization")
    models, build = [], recipe.build_model

    def build_and_keep(*arguments):
        models.append(build(*arguments))
        return models[-1]

    monkeypatch.setattr(recipe, "build_model", build_and_keep)
    numbers, _ = recipe.train("L1", recipe.load_data(0), epochs=3)
    kernels = [weight for weight in models[0].get_weights() if weight.ndim == 2][:2]
    values = np.concatenate([kernel.ravel() for kernel in kernels])
    small = sum(abs(value) < 1e-3 for value in values.tolist())
    assert small > 0
    assert numbers["weights near zero (%)"] == pytest.approx(100 * small / len(values))


def test_accumulated_steps_are_those_of_the_large_batch():
    recipe = importlib.import_module("recipes.gradient_accumulation")
    (x, y), validation = recipe.load_data(0)
    losses = []
    for variant in ("batches of 64", "8 batches of 8"):
        keras.utils.set_random_seed(0)
        _, curves = recipe.train(variant, ((x[:128], y[:128]), validation), epochs=3)
        losses.append(curves["val_loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][0] != losses[0][-1]  # it has learned meanwhile


# ---- The house ----


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return a folder in which the quickest recipe was run on two seeds."""
    folder = tmp_path_factory.mktemp("results")
    options = ["--seeds", "2", "--epochs", "2", "--output", folder]
    done = python("-m", "recipes", "run", FAST, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def results(measured, tmp_path):
    for path in measured.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_catalogue_lists_every_recipe_by_symptom(capsys):
    assert house.main([]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {path.stem} " in listed for path in RECIPES)
    assert listed.index("\nvanishing gradient\n") < listed.index("  relu_activation ")


def test_evidence_is_measured_on_fresh_seeds(measured):
    result = json.loads((measured / f"{FAST}.json").read_text())
    assert result["seeds"] == [100, 101] and result["epochs"] == 2
    effect = result["effects"][0]
    before, after = (
        np.array([numbers[effect["number"]] for numbers in result["runs"][effect[variant]]])
        for variant in ("baseline", "remedy")
    )
    # Student's t for 1 degree of freedom is 12.706; sd of two values is |a - b| / sqrt(2).
    first, second = after - before
    assert effect["mean"] == pytest.approx((first + second) / 2)
    assert effect["half"] == pytest.approx(12.706 * abs(first - second) / 2, rel=1e-3)
    recipe = importlib.import_module(f"recipes.{FAST}")
    keras.utils.set_random_seed(100)
    numbers, _ = recipe.train(effect["remedy"], recipe.load_data(100), epochs=2)
    assert numbers[effect["number"]] == pytest.approx(after[0])


def test_page_is_self_contained(results, capsys):
    assert house.main(["report", str(results)]) == 0
    page = (results / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 1 and f'id="{FAST}"' in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    result = json.loads((results / f"{FAST}.json").read_text())
    assert f"<b>{result['effects'][0]['mean']:+.3g} ± " in page
    assert "changed" not in capsys.readouterr().out
    result["source"] = "of another version"
    (results / f"{FAST}.json").write_text(json.dumps(result))
    assert house.main(["report", str(results)]) == 0
    assert f"{FAST}.py has changed" in capsys.readouterr().out


def test_documents_are_not_written_from_some_of_the_recipes(results, capsys):
    before = (ROOT / "README.md").read_text()
    with pytest.raises(SystemExit, match="2"):
        house.main(["report", str(results), "--documents"])
    assert "needs the results of every recipe" in capsys.readouterr().err
    assert (ROOT / "README.md").read_text() == before


def test_documents_get_the_table_between_their_marks(results, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    (clone / "docs").mkdir(parents=True)
    (clone / "README.md").write_text("above\n<!-- catalogue -->\nold\n<!-- /catalogue -->\nbelow")
    (clone / "docs/measured.md").write_text("<!-- effects -->\nold\n<!-- /effects -->\n")
    monkeypatch.setattr(_gallery, "HERE", clone / "recipes")
    monkeypatch.setattr(_gallery, "catalogue", lambda: {FAST: ("high bias", "")})
    _gallery.update_documents([_evidence.load(results / f"{FAST}.json")], results)
    readme = (clone / "README.md").read_text()
    assert readme.startswith("above\n<!-- catalogue -->\n| symptom") and readme.endswith("below")
    row = f"| high bias | [{FAST}](recipes/{FAST}.py) | +"
    assert readme.count(row) == 1
    effects = json.loads((results / f"{FAST}.json").read_text())["effects"]
    said = (clone / "docs/measured.md").read_text()
    assert said.count(f"[{FAST}]({FAST}.png) | ") == 1
    assert said.count(" → ") == len(effects)
    assert (clone / f"docs/{FAST}.png").exists() and "old" not in readme + said


def test_verdicts():
    effect = {"mean": -4.0, "half": 1.0, "sign": -1}
    assert _gallery.verdict(effect) == "better"
    assert _gallery.verdict(effect | {"sign": +1}) == "worse"
    assert _gallery.verdict(effect | {"half": 4.0}) == "unclear"
    assert _gallery.verdict(effect | {"half": math.nan}) == "unclear"
    assert _gallery.difference({"mean": 262.4, "half": 112.3}) == "+262 ± 110"
    assert _gallery.difference({"mean": 0.5, "half": math.nan}) == "+0.5 (one seed)"


def test_names_and_numbers_that_do_not_exist(tmp_path, capsys):
    for arguments in (
        ["run", "droput"],
        ["run"],
        ["run", "dropout", "--seeds", "0"],
        ["run", "dropout", "--seed", "5"],
        ["run", "dropout", "--epochs", "ten"],
        ["report", tmp_path / "nowhere"],
        ["report", tmp_path],
        ["copy", "droput", tmp_path],
        ["copy", "dropout"],
        ["copy", "dropout", ROOT / "README.md"],
        ["copy", "gradient_monitor", tmp_path / "monitor.ipynb"],
        ["remove", "dropout"],
    ):
        refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_what_is_not_ours_stays(results, capsys):
    numbers, figure, page = (
        results / f"{FAST}.json",
        results / f"{FAST}.png",
        results / "index.html",
    )
    run = ["run", FAST, "--epochs", "1", "--output"]
    for foreign in ("{", "[1]", '{"runs": []}'):
        numbers.write_text(foreign)
        refused(capsys, "report", results)
        refused(capsys, *run, results)
        assert numbers.read_text() == foreign
    numbers.unlink()
    refused(capsys, *run, results)  # a figure without its numbers is somebody else's
    assert figure.exists()
    numbers.mkdir()
    refused(capsys, *run, results)
    refused(capsys, *run, figure)  # a file in the way of the folder
    page.write_text("my own page")
    numbers.rmdir()
    refused(capsys, "report", results)
    assert page.read_text() == "my own page"


def test_page_of_somebody_else_and_missing_figure(results, capsys):
    (results / "index.html").write_text("my own page")
    refused(capsys, "report", results)
    assert (results / "index.html").read_text() == "my own page"
    (results / f"{FAST}.png").unlink()
    assert f"{FAST}.png is missing" in refused(capsys, "report", results)


def test_a_larger_result_is_not_replaced_by_a_smaller_one(results, capsys):
    numbers = results / f"{FAST}.json"
    before = numbers.read_bytes()
    more = _evidence.load(numbers)["epochs"]
    said = refused(capsys, "run", FAST, "--epochs", more - 1, "--output", results)
    assert "name another --output or remove it" in said and numbers.read_bytes() == before
    numbers.unlink()
    said = refused(capsys, "run", FAST, "--epochs", "1", "--output", results)
    assert f"has no {FAST}.json beside it: remove or rename it" in said


class BrokenFigure:
    """A figure whose writing is interrupted half way."""

    def savefig(self, path, dpi):
        path.write_bytes(b"half")
        raise KeyboardInterrupt


def test_interrupt_while_writing_leaves_the_old_result(results):
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        _evidence.save(_evidence.load(results / f"{FAST}.json"), BrokenFigure(), results)
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before


def listen_to_ctrl_c():
    """Undo what a shell does to a command that it starts in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("how", ["ctrl-c", "kill", "kill -9"])
def test_interrupt_leaves_finished_results_whole(results, how):
    """A recipe is stopped while it trains, beside the results of another one."""
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    command = [sys.executable, "-m", "recipes", "run", "dropout", "--seeds", "1"]
    command += ["--epochs", "40", "--output", str(results)]  # longer than a busy machine delays
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options = {"cwd": ROOT, "env": ENVIRONMENT, "start_new_session": True}
    process = subprocess.Popen(command, preexec_fn=listen_to_ctrl_c, **options, **pipes)
    printed = b""
    while b"dropout" not in printed.partition(b"[1/1] dropout")[2]:  # a variant of it trains
        read = os.read(process.stdout.fileno(), 1000)
        assert read, process.stderr.read()
        printed += read
    if how == "ctrl-c":  # goes to the command and to the recipe that it is running
        os.killpg(process.pid, signal.SIGINT)
    elif how == "kill":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    if how != "kill -9":
        assert process.returncode == 130 and b"Stopped" in errors and b"Traceback" not in errors
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before


def test_a_failure_does_not_stop_the_others(tmp_path):
    """A recipe that fails while it trains: its copy of the house has one that raises."""
    for path in [*RECIPES, *(ROOT / "recipes").glob("_*.py")]:
        if path.stem in ("dropout", FAST) or path.stem.startswith("_"):
            (tmp_path / "recipes").mkdir(exist_ok=True)
            (tmp_path / "recipes" / path.name).write_bytes(path.read_bytes())
    broken = tmp_path / "recipes" / "dropout.py"
    broken.write_text(broken.read_text().replace("def build_model(rate):", "def build_model():"))
    done = python(
        "-m", "recipes", "run", "dropout", FAST, "--epochs", "1", "--seeds", "1", cwd=tmp_path
    )
    assert done.returncode == 1 and "error: dropout failed" in done.stderr
    assert "TypeError" in done.stderr
    names = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert names == [f"{FAST}.json", f"{FAST}.png"]


def test_copy_never_overwrites(tmp_path, capsys):
    assert house.main(["copy", "dropout", str(tmp_path / "mine")]) == 0
    mine = tmp_path / "mine" / "dropout.py"
    assert mine.read_bytes() == (ROOT / "recipes" / "dropout.py").read_bytes()
    assert house.main(["copy", "dropout", str(tmp_path / "mine")]) == 0  # the same: unchanged
    mine.write_text("changed")
    refused(capsys, "copy", "dropout", tmp_path / "mine")
    refused(capsys, "copy", "dropout", mine)  # a file where a folder should be
    assert "Errno" not in refused(capsys, "copy", "dropout", "/proc/mine")
    assert mine.read_text() == "changed"
    for name in ("relu_activation", "weight_initialization", "diagnose_and_repair"):  # one folder
        assert house.main(["copy", name, str(tmp_path / "mine")]) == 0
    callbacks = tmp_path / "mine" / "callbacks"
    assert (callbacks / "diagnosis" / "__init__.py").exists()
    (callbacks / "gradient_monitor.py").write_text("changed")
    refused(capsys, "copy", "gradient_clipping", tmp_path / "mine")
    assert not (tmp_path / "mine" / "gradient_clipping.py").exists()


def test_callbacks_are_copied_by_name(tmp_path):
    assert {"dropout", "activation_monitor", "diagnosis", "gradient_monitor"} <= set(copyable())
    copy("activation_monitor", tmp_path / "one")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["activation_monitor.py"]
    copy("diagnosis", tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.py")}
    here = {path.relative_to(ROOT / "callbacks") for path in (ROOT / "callbacks").rglob("*.py")}
    folder = {path.as_posix() for path in here if path.parts[0] == "diagnosis"}
    assert found == folder | {"gradient_monitor.py", "one/activation_monitor.py"}
    program = (
        "from diagnosis import Diagnosis; from one.activation_monitor import *; print(Diagnosis())"
    )
    done = python("-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


def test_notebook_runs(tmp_path, capsys):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    path = tmp_path / "mine" / "relu.ipynb"
    copy("relu_activation", path)  # with its callback beside it
    refused(capsys, "copy", "dropout", path)
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown"
    assert all(line in path.read_text() for line in ("**Symptom**", "def build_model"))
    training = notebook.cells[-2]
    training.source = training.source.replace("compare()", "compare(range(1), epochs=1)")
    folder = {"metadata": {"path": path.parent}}
    nbclient.NotebookClient(notebook, timeout=300, resources=folder).execute()
    shown = [output.get("data", {}) for output in notebook.cells[-1].outputs]
    assert [data for data in shown if "image/png" in data]


def test_notebook_without_nbformat(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbformat", None)
    sentence = refused(capsys, "copy", "dropout", tmp_path / "dropout.ipynb")
    assert "pip install nbformat" in sentence and not list(tmp_path.iterdir())
