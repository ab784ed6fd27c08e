"""ActivationMonitor: what every layer puts out for a fixed probe batch, once per epoch.

Copy this file alone: it needs Keras 3 and NumPy (matplotlib for `plot`).
"""

import contextlib
import csv
import functools
import io
import pathlib
import random
import re
import warnings

import keras
import numpy as np

if keras.backend.backend() == "tensorflow":
    from tensorflow.python.eager import context

NOTHING = "Nothing recorded: no epoch of a `fit` with this callback has ended."
STATS = ("mean", "spread", "dead", "saturated")
# An output this close to its limit has at most a fifth of the largest slope, for tanh a tenth.
SATURATED = {"sigmoid": lambda y: (y < 0.05) | (y > 0.95), "tanh": lambda y: np.abs(y) > 0.95}


class ActivationMonitor(keras.callbacks.Callback):
    """Record mean, spread, dead units and saturation of every layer's output at each epoch's end.

    One forward pass (inference mode) of the probe batch per epoch. The training is not touched:
    states of layers and random numbers are as without it. If the pass fails, a warning says so.

    Args:
        x: probe batch, array (or list or dict of arrays) as `model(x)` takes it; some 100 samples.

    Attributes:
        layer_names: list of str, the L layers in forward order; nested layers as paths.
        epochs: int array (E,), epochs recorded, counted from 0.
        stats: dict of float32 arrays (E, L). `"mean"` and `"spread"` (standard deviation) over all
            samples and units. `"dead"`: share of a ReLU layer's units (last axis) that are zero
            for every sample and position. `"saturated"`: share of a sigmoid layer's outputs below
            0.05 or above 0.95, of a tanh layer's outputs beyond ±0.95. NaN where it does not apply
            or an output is no number.

    Raises:
        ValueError: before training, if the probe is empty or no arrays.

    Source: Glorot & Bengio, 2010, Understanding the difficulty of training deep feedforward
    neural networks (saturation per layer); Lu et al., 2019, Dying ReLU and Initialization.

    Example:
        >>> import keras, numpy as np
        >>> from callbacks.activation_monitor import ActivationMonitor
        >>> model = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((64, 4)), np.ones((64, 1))
        >>> monitor = ActivationMonitor(x[:16])
        >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
        >>> monitor.stats["dead"].shape
        (2, 2)

    """

    def __init__(self, x):
        super().__init__()
        x = keras.tree.map_structure(lambda p: p.toarray() if hasattr(p, "toarray") else p, x)
        if isinstance(x, list) and all(np.ndim(leaf) == 0 for leaf in keras.tree.flatten(x)):
            x = np.asarray(x)  # numbers in lists are one array
        arrays = [part for part in keras.tree.flatten(x) if part is not None]
        if any(len(np.shape(array)) == 0 for array in arrays):
            raise ValueError(
                f"The probe batch `x` must be arrays, as `model(x)` takes them; got {x!r:.60}."
            )
        if not arrays or any(len(array) == 0 for array in arrays):
            raise ValueError("The probe batch `x` is empty.")
        self._probe = x
        self._reset()

    def _reset(self):
        self._rows = []
        self._epochs = []
        self._why = None  # it stopped recording
        self.layer_names = []

    @property
    def epochs(self):
        """Epochs recorded, int array (E,)."""
        return np.array(self._epochs, "int64")

    @property
    def stats(self):
        """Dict of float32 arrays (E, L), see the class."""
        rows = np.reshape(self._rows, (len(self._rows), len(STATS), len(self.layer_names)))
        return {name: rows[:, i].astype("float32") for i, name in enumerate(STATS)}

    def on_train_begin(self, logs=None):
        """Forget the last run."""
        self._reset()

    def on_epoch_end(self, epoch, logs=None):
        """Send the probe batch through the model and record what each layer puts out."""
        if self._why is not None:
            return
        try:
            with _undisturbed():
                outputs = _layer_outputs(self.model, self._probe)
        except Exception as error:  # the user's training goes on
            lines = re.sub(r"\x1b\[\d*m", "", str(error)).split("\n")
            said = [line for line in lines if line and not line.startswith("Exception encountered")]
            reason = f"{type(error).__name__}: {said[0] if said else ''}"
            self._stop(f"the probe does not pass through the model: {reason}")
            return
        if self._rows and list(outputs) != self.layer_names:
            self._stop("the model has other layers now.")
            return
        self.layer_names = list(outputs)
        row = np.reshape([_measure(*pair) for pair in outputs.values()], (-1, len(STATS))).T
        self._rows.append(row)
        self._epochs.append(epoch)

    def _stop(self, why):
        self._why = why
        warnings.warn(f"ActivationMonitor stops recording, as {why}", stacklevel=3)

    def _nothing(self):
        return NOTHING if self._why is None else f"Nothing recorded, as {self._why}"

    def summary(self):
        """Print the last epoch's numbers per layer and return the table as a str."""
        width = max([5, *map(len, self.layer_names)])
        lines = [f"{'layer':<{width}}" + "".join(f"{stat:>12}" for stat in STATS)]
        last = [values[-1] for values in self.stats.values()] if self._rows else []
        for name, *values in zip(self.layer_names, *last):  # noqa: B905
            shown = ["-" if np.isnan(value) else f"{value:.3g}" for value in values]
            lines.append(f"{name:<{width}}" + "".join(f"{text:>12}" for text in shown))
        lines += [] if self._rows else [self._nothing()]
        table = "\n".join(lines)
        print(table)
        return table

    def to_csv(self, path):
        """Write one line per epoch: epoch, then `layer/stat` for every layer and stat."""
        if not self._rows:
            raise ValueError(self._nothing())
        with open(_to_write(path), "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *(f"{n}/{stat}" for stat in STATS for n in self.layer_names)])
            for epoch, row in zip(self._epochs, self._rows, strict=True):
                writer.writerow([epoch, *map(float, row.ravel())])

    def plot(self, path=None):
        """Draw each quantity as layer × epoch.

        Args:
            path: image file to write, or None to return the figure only.

        Returns:
            matplotlib.figure.Figure

        Raises:
            ValueError: if nothing has been recorded.

        """
        from matplotlib.figure import Figure

        if not self._rows:
            raise ValueError(self._nothing())
        num_layers = len(self.layer_names)
        height = min(14, max(3.5, 0.13 * num_layers + 1.5))
        figure = Figure(figsize=(15, height), layout="constrained")
        figure._repr_png_ = functools.partial(_png, figure)
        axes = figure.subplots(1, len(STATS), sharey=True)
        titles = (
            "Mean activation\ngrey: no number",
            "Spread (standard deviation)\ngrey: no number",
            "Dead ReLU units (share)\ngrey: no ReLU, no number",
            "Saturated outputs (share)\ngrey: no sigmoid, no tanh, no number",
        )
        edges = np.append(self.epochs, self.epochs[-1] + 1) - 0.5
        rows = np.arange(num_layers + 1) - 0.5
        for axis, stat, title in zip(axes, STATS, titles, strict=True):
            values = self.stats[stat].T
            limits = {"vmin": 0, "vmax": 1} if stat in ("dead", "saturated") else {}
            mesh = axis.pcolormesh(edges, rows, values, cmap="viridis", rasterized=True, **limits)
            axis.set_facecolor("lightgray")
            axis.set(title=title, xlabel="epoch (from 0)")
            axis.xaxis.get_major_locator().set_params(integer=True)
            figure.colorbar(mesh, ax=axis)
        axes[0].invert_yaxis()
        shown = np.arange(0, num_layers, -(-num_layers // 75))
        names = [self.layer_names[i] for i in shown]
        is_full = num_layers > 30 or max(map(len, names)) > 32
        names = [n if len(n) <= 60 else f"{n[:30]}…{n[-29:]}" for n in names]
        axes[0].set_yticks(shown, names, fontsize=6 if is_full else 9)
        if path is not None:
            figure.savefig(_to_write(path), dpi=120)
        return figure


def _png(figure):
    """Return a figure as a notebook shows it, whether or not pyplot is in use there."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return image.getvalue()


def _to_write(path):
    path = pathlib.Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def _undisturbed():
    """Leave states of layers and random numbers as they are.

    TensorFlow draws the seeds of its own random operations from a generator without a public name.
    Another one takes its place: a seed used twice would go on where its operation had stopped.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    seeds = context.context() if keras.backend.backend() == "tensorflow" else None
    if not hasattr(seeds, "_rng"):  # while no seed was set there is none
        seeds = None
    if seeds is not None:
        kept, seeds._rng = seeds._rng, random.Random("activations")
    try:
        with keras.StatelessScope():
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
        if seeds is not None:
            seeds._rng = kept


def _layer_outputs(model, x):
    """Return a dict from layer name to (layer, output array) of one inference pass.

    Each layer's `call` is shadowed by an instance attribute during the pass, which works for
    subclassed models too, where no graph of layers exists.
    """
    named, outputs = {}, {}

    def visit(parent, prefix):
        for layer in parent.layers:
            name = "/".join([*prefix, layer.name])
            if isinstance(layer, keras.Model):
                visit(layer, [*prefix, layer.name])
            elif not isinstance(layer, keras.layers.InputLayer) and layer not in named.values():
                named[name] = layer

    def spy(name, original):
        def call(*args, **kwargs):
            result = original(*args, **kwargs)
            tensors = [t for t in keras.tree.flatten(result) if hasattr(t, "shape")]
            outputs.setdefault(name, []).extend(keras.ops.convert_to_numpy(t) for t in tensors[:1])
            return result

        return call

    visit(model, [])
    try:
        for name, layer in named.items():
            layer.call = spy(name, layer.call)
        tensors = keras.tree.map_structure(
            lambda part: None if part is None else keras.ops.convert_to_tensor(part), x
        )
        model(tensors, training=False)
    finally:
        for layer in named.values():
            vars(layer).pop("call", None)
    # A shared layer is called several times: its outputs are put together.
    return {
        name: (named[name], np.concatenate([o.reshape(-1, o.shape[-1]) for o in found]))
        for name, found in outputs.items()
        if found and found[0].ndim
    }


def _measure(layer, values):
    """Mean, spread, dead share and saturated share of outputs (samples × positions, units)."""
    values = values.astype("float64")
    activation = getattr(layer, "activation", None)
    kind = getattr(activation, "__name__", None)
    if kind == "relu6" or any(isinstance(one, keras.layers.ReLU) for one in (layer, activation)):
        kind = "relu"
    if isinstance(layer, keras.layers.RNN):  # the output is a product of gates
        kind = None
    known = np.isfinite(values).all()
    dead = np.mean((values == 0).all(axis=0)) if known and kind == "relu" else np.nan
    saturated = np.mean(SATURATED[kind](values)) if known and kind in SATURATED else np.nan
    with np.errstate(invalid="ignore"):  # infinite outputs have no spread
        return values.mean(), values.std(), dead, saturated
