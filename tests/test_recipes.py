"""Every recipe: alone in an empty folder, repeatable, and literal where it should be."""

import ast
import gzip
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
RECIPES = sorted(path for path in (ROOT / "recipes").glob("[a-z]*.py"))
SHARED = "# ---- From here on"
FAST = "input_normalization"  # the quickest recipe
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "MPLBACKEND": "Agg"}


def python(*arguments, cwd=ROOT, **environment):
    command = [sys.executable, *map(str, arguments)]
    environment = ENVIRONMENT | environment
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def one_sentence(text):
    lines = [line for line in text.splitlines() if "error:" in line]
    return len(lines) == 1 and "Traceback" not in text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_runs_alone_and_repeats(path, tmp_path):
    copied = python("-m", "recipes", "copy", path.stem, tmp_path)  # and the callbacks it names
    assert copied.returncode == 0, copied.stderr
    # Imported first in the same process: importing must print and write nothing.
    program = (
        "import contextlib, io, os, sys; sys.path.insert(0, '.'); out = io.StringIO()\n"
        f"with contextlib.redirect_stdout(out): import {path.stem} as recipe\n"
        "assert not out.getvalue() and not os.path.exists('results')\n"
        "recipe.main(['--quick'])\n"
        "recipe.main(['--quick', '--output', 'again'])"
    )
    done = python("-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "will be ignored" not in done.stderr  # no option of `fit` that has no effect
    first, again = (
        json.loads((tmp_path / d / f"{path.stem}.json").read_text()) for d in ("results", "again")
    )
    for a, b in zip(first["runs"], again["runs"], strict=True):
        assert a["variant"] == b["variant"]
        for run in (a, b):
            del run["numbers"]["seconds"]
        assert a == b  # the same seed gives the same numbers
    assert (tmp_path / "results" / f"{path.stem}.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*/.*"))  # no temporary file stays
    assert set(first["versions"]) == {"keras", "tensorflow", "numpy"}
    variants = [run["variant"] for run in first["runs"]]
    for numbers in (run["numbers"] for run in first["runs"]):
        if "generalization gap (points)" in numbers:
            train, validation = (
                next(value for name, value in numbers.items() if name.startswith(part))
                for part in ("train ", "validation ")
            )
            assert numbers["generalization gap (points)"] == pytest.approx(train - validation)
    for effect in first["effects"]:
        values = {run["variant"]: run["numbers"] for run in first["runs"]}
        after, before = (values[effect[k]][effect["quantity"]] for k in ("remedy", "baseline"))
        if after is not None and before is not None:
            np.testing.assert_allclose(effect["difference"], after - before, rtol=1e-9, atol=1e-12)
    # A test score belongs to a variant selected on the validation data; not all are tested.
    tested = {
        run["variant"]: name
        for run in first["runs"]
        for name in run["numbers"]
        if name.startswith("test ")
    }
    assert bool(tested) == ("\nSELECT = []" not in path.read_text())
    assert len(tested) < len(variants)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_form(path):
    source = path.read_text()
    template = (ROOT / "recipes" / "dropout.py").read_text()
    above, below = source[: source.index(SHARED)], source[source.index(SHARED) :]
    assert below == template[template.index(SHARED) :]
    assert above.count("\n") <= 160 and below.count("\n") <= 125  # to be read, to be passed over
    header = re.match(r"# /// script\n(.*?)# ///\n", source, re.S).group(1)
    metadata = tomllib.loads("".join(line[2:] + "\n" for line in header.splitlines()))
    required = {
        line.partition("#")[0].strip()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
    }
    assert set(metadata["dependencies"]) <= required
    tree = ast.parse(source)
    for word in ("Symptom", "Remedy", "Look for", "Not when", "Source"):
        assert re.search(rf"^{word} ", ast.get_docstring(tree), re.M), word
    modules = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not any(module.startswith(("recipes", "tensorflow")) for module in modules)
    assert set(re.findall(r"\btf\.\w+", source)) == {"tf.data"}  # the rest is Keras


def test_bad_options_end_with_one_sentence(tmp_path, capsys):
    recipe = importlib.import_module("recipes.dropout")
    (tmp_path / "file").touch()
    (tmp_path / "dropout.json").mkdir()
    for options in (
        ["--epochs", "0"],
        ["--seeds", "0"],
        ["--dataset", "digit"],
        ["--output", str(tmp_path / "file" / "below")],
        ["--output", str(tmp_path)],  # where the numbers would go stands a folder
    ):
        with pytest.raises(SystemExit) as stopped:
            recipe.main(options)
        assert stopped.value.code == 2, options
        assert one_sentence(capsys.readouterr().err), options
    # No network and an empty cache: the data set cannot be had.
    offline = {"KERAS_HOME": str(tmp_path / "none"), "https_proxy": "http://127.0.0.1:9"}
    done = python(ROOT / "recipes" / "dropout.py", "--dataset", "mnist", cwd=tmp_path, **offline)
    assert done.returncode == 2 and one_sentence(done.stderr), done.stderr


def test_keras_dataset_in_its_own_cache_format(tmp_path):
    folder = tmp_path / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (600, 28, 28), np.uint8)
    labels = np.arange(600, dtype=np.uint8) % 10
    for part, count in (("train", 600), ("t10k", 60)):  # idx files: a header of 8 or 16 bytes
        for name, header, content in (("labels-idx1", 8, labels), ("images-idx3", 16, images)):
            with gzip.open(folder / f"{part}-{name}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + content[:count].tobytes())
    program = (
        "import recipes.dropout as recipe\n"
        "splits = recipe.load_data('fashion_mnist', 0)\n"
        "x, y = splits['train']; print(x.shape, x.max(), sum(len(v[1]) for v in splits.values()))"
    )
    done = python("-c", program, KERAS_HOME=str(tmp_path))
    assert done.stdout.split()[-4:] == ["(150,", "784)", "1.0", "600"], done.stderr[-2000:]


def test_interval_and_wrong_labels():
    sys.path.insert(0, str(ROOT))
    import recipes.dropout as recipe

    # Student's t for 4 degrees of freedom at 97.5 % is 2.776; sd of 1..5 is sqrt(2.5).
    mean, half = recipe.interval([1, 2, 3, 4, 5])
    assert mean == 3 and half == pytest.approx(2.776 * np.sqrt(2.5 / 5), rel=1e-3)
    from sklearn.datasets import load_digits

    x, y = recipe.load_data("digits", 0)["train"]
    pixels, labels = load_digits(return_X_y=True)
    truth = [labels[np.all(pixels == row, axis=1)][0] for row in np.round(x * 16)]
    assert np.sum(truth != y) == int(0.2 * 150)


def test_weights_near_zero_are_counted(monkeypatch):
    recipe = importlib.import_module("recipes.l1_l2_regularization")
    models, build = [], recipe.build_model
    monkeypatch.setattr(
        recipe, "build_model", lambda *a, **k: models.append(build(*a, **k)) or models[-1]
    )
    numbers, _, _ = recipe.train("L1", recipe.load_data("digits", 0), epochs=3)
    kernels = [weight for weight in models[0].get_weights() if weight.ndim == 2][:2]
    small = sum(abs(value) < 1e-3 for kernel in kernels for value in kernel.ravel().tolist())
    assert small > 0
    assert numbers["weights near zero (%)"] == pytest.approx(100 * small / (64 * 256 + 256 * 256))


def test_bound_of_the_chain_rule(monkeypatch):
    """The sigmoid's derivative is at most 0.25, at 0; through 8 of them at most 0.25 ** 8."""
    x = np.linspace(-9, 9, 1801)
    slope = np.diff(1 / (1 + np.exp(-x))) / np.diff(x)
    assert slope.max() == pytest.approx(0.25, abs=1e-5) and abs(x[slope.argmax()]) < 0.02
    recipe = importlib.import_module("recipes.relu_activation")
    monkeypatch.setitem(recipe.VARIANTS, "elu", "he_normal")  # as a reader would try one more
    curves = {"gradient": [3.0] * 9, "loss": [1.0, 0.5]}
    numbers = {"first-layer weights moved (%)": 1.0}
    runs = [{"variant": v, "curves": curves, "numbers": numbers} for v in recipe.VARIANTS]
    axis = recipe.plot(runs).axes[0]
    bound = next(line for line in axis.lines if "0.25" in line.get_label())
    np.testing.assert_allclose(bound.get_ydata(), [3 * 0.25**k for k in range(8, -1, -1)])


def test_quick_leaves_what_is_given_beside_it(tmp_path):
    recipe = importlib.import_module("recipes.dropout")
    options = recipe.parse_options(["--quick", "--epochs", "7", "--output", str(tmp_path)])
    assert (options.epochs, options.seeds) == (7, 1)


def test_recipe_without_its_callback_says_so(tmp_path):
    (tmp_path / "relu_activation.py").write_bytes(
        (ROOT / "recipes" / "relu_activation.py").read_bytes()
    )
    done = python("relu_activation.py", "--quick", cwd=tmp_path)
    assert done.returncode == 2 and one_sentence(done.stderr)
    assert "recipes copy relu_activation" in done.stderr


def test_catalogue_command(tmp_path):
    listed = python("-m", "recipes").stdout
    assert all(f"  {path.stem} " in listed for path in RECIPES)
    copied = python("-m", "recipes", "copy", "dropout", tmp_path / "mine")
    assert copied.returncode == 0
    mine = tmp_path / "mine" / "dropout.py"
    assert mine.read_bytes() == (ROOT / "recipes" / "dropout.py").read_bytes()
    mine.write_text("changed")
    for arguments in (
        ["copy", "dropout", tmp_path / "mine"],
        ["copy", "droput", tmp_path],
        ["run", "droput"],
        ["run"],
        ["--seed", "5"],
        ["report", tmp_path / "nowhere"],
        ["report", tmp_path],
    ):
        done = python("-m", "recipes", *arguments)
        assert done.returncode == 2 and one_sentence(done.stderr), (arguments, done.stderr)
    assert mine.read_text() == "changed"
    for name in ("relu_activation", "weight_initialization", "diagnose_and_repair"):  # one folder
        assert python("-m", "recipes", "copy", name, tmp_path / "mine").returncode == 0
    (tmp_path / "mine" / "callbacks" / "gradient_monitor.py").write_text("changed")
    done = python("-m", "recipes", "copy", "gradient_clipping", tmp_path / "mine")
    assert done.returncode == 2 and one_sentence(done.stderr)
    assert not (tmp_path / "mine" / "gradient_clipping.py").exists()


def test_module_runs_from_another_folder(tmp_path):
    done = python("-m", f"recipes.{FAST}", "--quick", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr[-2000:]
    done = python(ROOT / "recipes" / f"{FAST}.py", "--quick", cwd=tmp_path)
    assert done.returncode == 0 and "Replaced" in done.stdout
    assert sorted(p.name for p in tmp_path.rglob("*.*")) == [f"{FAST}.json", f"{FAST}.png"]


def test_interrupt_leaves_finished_results_whole(tmp_path):
    """Ctrl-C goes to the command and to the recipe it is running, as from a terminal."""
    command = [sys.executable, "-m", "recipes", "run", FAST, FAST, "--epochs", "3"]
    command += ["--output", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, start_new_session=True, bufsize=1, **pipes
    )
    for line in process.stdout:
        if line.startswith("[1/") and (tmp_path / f"{FAST}.json").exists():  # in the second recipe
            break
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Stopped" in errors
    assert len(json.loads((tmp_path / f"{FAST}.json").read_text())["runs"]) == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{FAST}.json", f"{FAST}.png"]


def test_a_failure_does_not_stop_the_others(tmp_path):
    (tmp_path / f"{FAST}.json").mkdir()  # the first recipe cannot write its numbers
    names, options = [FAST, "early_stopping"], ["--quick", "--output", tmp_path]
    done = python("-m", "recipes", "run", *names, *options)
    assert done.returncode == 1 and f"Failed: {FAST}\n" in done.stderr
    assert json.loads((tmp_path / "early_stopping.json").read_text())["runs"]


def test_report_is_self_contained(tmp_path):
    done = python("-m", "recipes", "run", "dropout", "--quick", "--output", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert python("-m", "recipes", "report", tmp_path).returncode == 0
    page = (tmp_path / "index.html").read_text()
    assert "data:image/png;base64," in page and "dropout.py" in page
    assert not re.search(r'(src|href)="https?:', page)
    result = json.loads((tmp_path / "dropout.json").read_text())
    expected = f"{result['effects'][0]['difference']:+.3g}"
    assert expected in (tmp_path / "table.md").read_text()
    (tmp_path / "dropout.png").unlink()
    done = python("-m", "recipes", "report", tmp_path)
    assert done.returncode == 2 and one_sentence(done.stderr)
    for foreign in ("{", "[1]", '{"runs": []}'):
        (tmp_path / "dropout.json").write_text(foreign)
        done = python("-m", "recipes", "report", tmp_path)
        assert done.returncode == 2 and one_sentence(done.stderr)
