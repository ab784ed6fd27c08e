"""What must be the same when a search is resumed, described so that it can be compared."""

import re
import warnings
import zlib

import keras
import numpy as np


def describe_compiled(model):
    """Describe what `describe` leaves out: the layers' settings, the optimizer and the loss.

    Left out are names, modules and seeds, which may differ from one run to the next, and the
    learning rate, which is searched. What the user's own class cannot describe is None.
    """
    layers = model._flatten_layers(include_self=False)
    layers = [layer for layer in layers if not isinstance(layer, keras.Model)]
    settings = repr([_text(layer.get_config) for layer in layers])
    return {
        "layers": f"checksum {zlib.crc32(settings.encode()):08x}",
        "optimizer": _text(model.optimizer.get_config),
        "loss": _text(lambda: _loss(model.get_compile_config() or {})),
    }


def _loss(compiled):
    return [compiled.get("loss"), compiled.get("loss_weights")]


def _text(config):
    try:
        with warnings.catch_warnings():  # that a lambda is not safe to load
            warnings.simplefilter("ignore")
            text = repr(config())
    except Exception:  # whatever the user's own classes raise
        return None
    text = re.sub(r"('__lambda__', 'config': ){[^}]*}", r"\1...", text)  # holds line numbers
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    left_out = "name|module|registered_name|seed|learning_rate"
    text = re.sub(rf"'({left_out})': ('[^']*'|None|[-\d.e+]+)(, )?", "", text)
    return re.sub(r"'\w+': (None|False)(, )?", "", text).replace(", }", "}")


def describe_space(build, hyperparameters):
    """Describe by name what a model declares beside learning rate and batch size."""
    build(hyperparameters)
    found = {}
    for hp in hyperparameters.space:
        if hp.name not in ("learning_rate", "batch_size"):
            config = {k: v for k, v in hp.get_config().items() if k != "name" and v}
            found.setdefault(hp.name, []).append(f"{type(hp).__name__} {config}")
    return found


def first_examples(data):
    """Return a checksum of the first examples, or a word if they are others each time."""
    once, again = (_checksum(data.head(32)) for _ in range(2))
    return f"{once:08x}" if once == again else "shuffled"


def _checksum(batch):
    found = 0
    for leaf in map(np.asarray, keras.tree.flatten(batch)):
        text = leaf.tobytes() if leaf.dtype != object else repr(leaf.tolist()).encode()
        found = zlib.crc32(text, found)
    return found


def differences(old, new, words="{} was {}, now {}"):
    """Say what differs between the settings of a search and those of its resumption."""
    found = []
    for name in filter(old.__contains__, new):  # earlier versions kept less
        was, now = old[name], new[name]
        if isinstance(was, dict) and isinstance(now, dict):
            names = [key for key in {**was, **now} if was.get(key) != now.get(key)]
            found += [words.format(key, was.get(key), now.get(key)) for key in names]
        elif was != now:
            found.append(words.format(name, was, now))
    return found
