"""GradientMonitor: every layer's gradient, every step, read inside the compiled train step.

Copy this file alone: it needs Keras 3 and NumPy (matplotlib for `plot`).
"""

import collections
import concurrent.futures
import contextlib
import csv
import functools
import io
import pathlib
import threading
import warnings
import weakref

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()
if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax

# What is measured of each variable's gradient, and for `update_ratio` of its weights.
PARTS = ("norm", "mean", "max", "zeros", "change", "weight")
NEEDED = {name: {name} for name in ("mean", "max", "zeros")}
NEEDED["update_ratio"] = {"change", "weight"}
STEPS = 128  # between two fetches
NO_GRADIENT, NOT_UPDATED = -1.0, -2.0  # norms are never negative: NaN stays free for real NaNs
HEAD = 3  # a row on the device begins with: number of the call, loss scale, is this an update?
NOTHING = "Nothing recorded: no step of a `fit` with this callback was seen."
SCOPE = "gradient_monitor"  # names what this file adds to a TensorFlow graph


class GradientMonitor(keras.callbacks.Callback):
    """Record the norm of every layer's gradient at every optimizer step of `fit`.

    They are read where they already exist, in the compiled train step as the optimizer receives
    them: of the real batch, summed over replicas, loss scale removed, averaged over accumulation
    steps, before clipping. There is no second forward or backward pass; the numbers stay on the
    device and are fetched once per some hundred steps.

    Every optimizer of Keras that the train step applies is heard. A row is a train step (with
    accumulation an update); a layer that is updated k times in a step takes k rows. Each `fit`
    starts a new record. A step skipped by loss scaling is a row with NaN or infinity. Norms are
    float32 sums of squares: below about 1e-19 they read 0, above 1e19 infinity, unless `wide_range`
    is set.

    The training is what it would be without: Keras's own train function runs, traced when Keras
    traces it. After a fit without this callback it is traced already, and cannot be heard: call
    `model.make_train_function(force=True)` before `fit`. All that is not recorded is a warning. XLA
    may fuse a step that is measured, TensorFlow add a penalty's gradient in another order: then
    weights agree to rounding. Around `train_on_batch` call set_model, on_train_begin, on_train_end.

    Args:
        stats: extra quantities, any of `"mean"` (mean |g|), `"max"` (max |g|), `"zeros"` (share of
            entries that are exactly 0) and `"update_ratio"` (|Δw| / |w|, L2 norms; about 1e-3 is
            healthy).
        per_variable: one column per variable instead of one per layer.
        every: keep every `every`-th row; it saves memory (5 bytes per row and layer), not time.
        wide_range: norms from 1e-37 to 1e37, at twice the cost: every gradient is divided by its
            maximum before it is squared.

    Attributes:
        layer_names: list of str, the L layers (or variables) that an optimizer updates, in forward
            order, of a subclassed model in that of its attributes; unique, nested layers as paths.
            Known after the first step.
        steps: int64 array (T,), the optimizer step of each row, counted from
            `optimizer.iterations` at the start of `fit`; skipped steps count.
        norms: float32 array (T, L), L2 norm over all trainable gradients of the layer. NaN: not a
            number, no gradient, or no entry; `updated` and `no_gradient` tell.
        stats: dict of such arrays: `"norm"` and the quantities asked for.
        updated: bool array (T, L), was the layer handed to an optimizer in this row?
        no_gradient: list of str, layers handed to an optimizer that never got a gradient.
        optimizers: dict from an optimizer's name to the list of its layers.
        not_recorded: list of str, what could not be recorded and why, as warned.

    Raises:
        ValueError: before training, if an argument cannot work.

    Source: Glorot & Bengio, 2010, Understanding the difficulty of training deep feedforward
    neural networks (gradient per layer as a diagnosis).

    Example:
        >>> import keras, numpy as np
        >>> from callbacks.gradient_monitor import GradientMonitor
        >>> model = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((64, 4)), np.ones((64, 1))
        >>> monitor = GradientMonitor()
        >>> history = model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[monitor])
        >>> monitor.norms.shape
        (8, 2)

    """

    def __init__(self, stats=(), per_variable=False, every=1, wide_range=False):
        super().__init__()
        extra = [stats] if isinstance(stats, str) or stats is None else list(stats)
        unknown = [name for name in extra if name not in NEEDED]
        if unknown:
            raise ValueError(f"Unknown stats {unknown}; known are {list(NEEDED)}.")
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ValueError(f"`every` must be a positive integer, got {every!r}.")
        self._stats = ["norm", *extra]
        self._wanted = {"norm"}.union(*(NEEDED[name] for name in extra))
        self._wanted |= {"wide_range"} if wide_range else set()
        self._per_variable, self._every = per_variable, int(every)
        self._reset()

    def _reset(self):
        self.layer_names, self.optimizers, self.not_recorded = [], {}, []
        self._watched = None  # the train function of the fit that is recorded now
        self._sites = []  # those with rows so far
        self._variables, self._starts = [], []  # in the order of columns; the first of each column
        self._kept = {name: [] for name in ("step", "updated", *self._stats)}  # to be put together
        self._reached = set()  # layers with a gradient in any row so far
        self._first_step, self._num_rows, self._num_epochs = None, 0, 0

    # ---- results ----

    @property
    def steps(self):
        """Optimizer step of each row, int64 array (T,)."""
        self._fetch()
        return np.concatenate([np.zeros(0, "int64"), *self._kept["step"]])

    @property
    def norms(self):
        """L2 norm of each layer's gradient, float32 array (T, L)."""
        return self.stats["norm"]

    @property
    def stats(self):
        """Dict of float32 arrays (T, L): `"norm"` and the quantities asked for."""
        self._fetch()
        empty = np.zeros((0, len(self.layer_names)), "float32")
        return {name: np.concatenate([empty, *self._kept[name]]) for name in self._stats}

    @property
    def updated(self):
        """Was the layer handed to an optimizer in this row? Boolean array (T, L)."""
        self._fetch()
        empty = np.zeros((0, len(self.layer_names)), bool)
        return np.concatenate([empty, *self._kept["updated"]])

    @property
    def no_gradient(self):
        """Layers that were handed to an optimizer, but never got a gradient: list of str."""
        self._fetch()
        return [name for name in self.layer_names if name not in self._reached]

    def summary(self):
        """Print and return a table: median, min and max of each layer's norm, first row / last."""
        norms, updated = self.norms, self.updated
        width = max([5, *map(len, self.layer_names)])
        heads = ("median", "min", "max", "first/last")
        lines = [f"{'layer':<{width}}" + "".join(f"{head:>12}" for head in heads)]
        for name, column, present in zip(self.layer_names, norms.T, updated.T, strict=True):
            column = column[present]
            finite = column[np.isfinite(column)] if np.isfinite(column).any() else [np.nan]
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = column[0] / column[-1] if len(column) else np.nan
            values = (np.median(finite), np.min(finite), np.max(finite), ratio)
            lines.append(f"{name:<{width}}" + "".join(f"{value:>12.3g}" for value in values))
        never = np.isin(self.layer_names, self.no_gradient)
        skipped = (updated & ~np.isfinite(norms) & ~never).any(axis=1).sum()
        if skipped:
            lines.append(f"{skipped} of {len(norms)} rows have a gradient that is not finite.")
        if (norms == 0).any() and "wide_range" not in self._wanted:
            lines.append("Norms of 0 may be norms below 1e-19: `wide_range=True` tells.")
        if never.any():
            lines.append("No gradient reaches: " + ", ".join(np.array(self.layer_names)[never]))
        lines += [] if norms.size else [*self.not_recorded, NOTHING][:1]
        table = "\n".join(lines)
        print(table)
        return table

    def to_csv(self, path):
        """Write one line per kept row to the file `path`: step, each layer's norm, other stats."""
        self._recorded()
        stats, updated = self.stats, self.updated
        rows = np.concatenate(list(stats.values()), axis=1).astype(object)
        rows[~np.tile(updated, len(stats))] = ""  # no entry
        others = [f"{name}/{stat}" for stat in self._stats[1:] for name in self.layer_names]
        with open(_to_write(path), "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["step", *self.layer_names, *others])
            writer.writerows([step, *row] for step, row in zip(self.steps, rows, strict=True))

    def plot(self, path=None):
        """Draw log10 of the norm as layer × step, beside first against last layer.

        Args:
            path: image file to write, or None to return the figure only.

        Returns:
            matplotlib.figure.Figure

        """
        from matplotlib.figure import Figure

        norms, steps = self._recorded(), self.steps
        names = [n if len(n) <= 60 else f"{n[:30]}…{n[-29:]}" for n in self.layer_names]
        positive = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
        height = min(14, max(4, 0.13 * len(names) + 1.5))
        figure = Figure(figsize=(12, height), layout="constrained")
        figure._repr_png_ = functools.partial(_png, figure)
        heat, curves = figure.subplots(1, 2, width_ratios=[1.4, 1])
        extent = (steps[0], steps[-1] + self._every, len(names) - 0.5, -0.5)
        logs = np.log10(positive).T
        image = heat.imshow(logs, aspect="auto", interpolation="nearest", extent=extent)
        figure.colorbar(image, ax=heat, aspect=5 * height, label="log10 of L2 norm")
        shown = np.arange(0, len(names), -(-len(names) // 75))
        heat.set_yticks(shown, [names[i] for i in shown], fontsize=8 if len(names) <= 30 else 6)
        title = "Gradient norm of each layer\n(grey: 0, infinite, NaN, none)"
        heat.set(title=title, facecolor="lightgray")
        lines = [("first", 0, "#0072B2", "-"), ("last", len(names) - 1, "#D55E00", "--")]
        for which, i, color, style in lines[: len(names)]:
            rows = self.updated[:, i]  # the curve passes over rows without an entry
            points = np.isfinite(positive[rows, i]).sum()
            style += "o" if points == 1 else ""
            label = f"{which}: {names[i] if len(names[i]) <= 16 else '…' + names[i][-15:]}"
            label += "" if points else " (grey)"
            curves.semilogy(steps[rows], positive[rows, i], style, color=color, label=label)
        curves.legend(fontsize="x-small")
        curves.set(title="First and last layer", ylabel="L2 norm")
        for axis in (heat, curves):
            axis.set(xlabel="optimizer step", xlim=extent[:2])
            axis.xaxis.get_major_locator().set_params(integer=True)
        if path is not None:
            figure.savefig(_to_write(path), dpi=120)
        return figure

    def _recorded(self):
        """Return the norms; ValueError if there are none, as of `to_csv` and `plot`."""
        if not self.norms.size:
            raise ValueError([*self.not_recorded, NOTHING][0])
        return self.norms

    # ---- training ----

    def on_train_begin(self, logs=None):
        """Forget the last run and begin to listen."""
        if self._watched is not None:  # an error has ended the last fit
            self._watched.leave(self)
        self._reset()
        if BACKEND == "jax" and keras.distribution.distribution() is not None:
            self._warn("it does not work with keras.distribution on JAX: nothing is recorded.")
            return
        model = self.model
        if isinstance(model.train_function, _Watched) and model.train_function.is_over():
            model.train_function.release()
        if not isinstance(model.train_function, _Watched):
            _Watched(model).attach()
        self._watched = model.train_function
        self._watched.monitors.append(self)

    def on_train_batch_begin(self, batch, logs=None):
        """Listen to the train function, also to one that was made during the fit."""
        if self._watched is not None:
            self._watched.attach()

    def on_epoch_end(self, epoch, logs=None):
        """Fetch the rows, and say what cannot be seen."""
        self._num_epochs += 1
        self._say_what_was_missed()

    def on_train_end(self, logs=None):
        """Fetch the rest and listen no more."""
        self._say_what_was_missed()
        if self._watched is not None:
            self._watched.leave(self)

    def _fetch(self):
        if self._watched is not None:
            self._watched.fetch()

    def _say_what_was_missed(self):
        """Compare the updates seen with those the optimizers have counted: no silent zero."""
        if self._watched is None:
            return
        self._fetch()
        for optimizer, before in self._watched.iterations.items():
            made = _iterations(optimizer) - before
            sites = [site for site in self._watched.sites if site.optimizer is optimizer]
            seen = sum(site.num_updates for site in sites)
            # A step that finds no batch left, at an epoch's end, counts as an update in Keras.
            if seen < made - self._num_epochs:
                self._warn(f"updates by the optimizer {optimizer.name!r} are missing. {UNHEARD}")
            if any(self._wanted - site.wanted for site in sites):
                self._warn(f"some quantities are NaN. {UNHEARD}")
        if self._num_epochs and not self._sites and not self.not_recorded:
            reason = "no optimizer of Keras has made an update"
            if not self._watched.model.trainable_variables:
                reason = "the model has no trainable weights"
            self._warn(f"nothing is recorded, as {reason}.")

    def _warn(self, text):
        if text not in self.not_recorded:
            self.not_recorded.append(text)
            warnings.warn(f"GradientMonitor: {text}", stacklevel=3)

    # ---- the record ----

    def _add(self, found):
        """Keep new rows; `found` has pairs (site, its rows)."""
        found = [(site, rows) for site, rows in found if len(rows)]
        if not found:
            return
        new_sites = [site for site, _ in found if site not in self._sites]
        if new_sites:
            self._sites += new_sites
            self._name_columns()
        if self._first_step is None:
            self._first_step = self._watched.iterations.get(found[0][0].optimizer, 0)
        places, num_rows = _places(found)
        empty = np.full((num_rows, len(self._variables)), NOT_UPDATED)
        parts = {part: empty.copy() for part in PARTS if part in self._wanted}
        column = {id(v): i for i, v in enumerate(self._variables)}
        for (site, rows), place in zip(found, places, strict=True):
            columns, values = [column[id(v)] for v in site.variables], site.values(rows)
            for part, array in parts.items():  # NaN: traced for a monitor that did not ask for it
                array[np.ix_(place, columns)] = values.get(part, np.nan)
        numbers = self._num_rows + np.arange(num_rows)
        self._num_rows += num_rows
        new = {"step": self._first_step + numbers, **self._stats_of(parts)}
        for name, values in new.items():
            self._kept[name].append(values[numbers % self._every == 0])

    def _name_columns(self):
        """Decide which variable belongs to which column; widen what was kept before."""
        wanted = [variable for site in self._sites for variable in site.variables]
        groups = _layer_groups(self._watched.model, wanted)
        pairs = [(layer, v) for layer, variables in groups.items() for v in variables]
        if self._per_variable:
            groups = _unique((f"{layer}/{variable.name}", [variable]) for layer, variable in pairs)
        before = [id(self._variables[start]) for start in self._starts]
        self.layer_names = list(groups)
        self._variables = [variable for _, variable in pairs]
        self._starts = np.cumsum([0, *map(len, groups.values())])[:-1]
        column = {id(v): i for i, group in enumerate(groups.values()) for v in group}
        columns = {}
        for site in self._sites:
            mine = columns.setdefault(site.name, set())
            mine.update(column[id(v)] for v in site.variables)
        self.optimizers = {k: [self.layer_names[i] for i in sorted(v)] for k, v in columns.items()}
        for name, arrays in self._kept.items():  # a layer that was not trained until now
            if name != "step" and before:
                old = np.concatenate(arrays)
                wide = np.full((len(old), len(groups)), False if name == "updated" else np.nan)
                wide[:, [column[first] for first in before]] = old
                self._kept[name] = [wide.astype(old.dtype)]

    def _stats_of(self, parts):
        """Turn arrays (T, V) of each part into arrays (T, L): each stat, and `"updated"`."""
        add = functools.partial(np.add.reduceat, indices=self._starts, axis=1)
        missing = parts["norm"] < 0
        absent = np.logical_and.reduceat(missing, self._starts, axis=1)
        unchanged = np.logical_and.reduceat(parts["norm"] == NOT_UPDATED, self._starts, axis=1)
        self._reached |= {self.layer_names[i] for i in np.flatnonzero((~absent).any(axis=0))}
        sizes = np.array([np.prod(v.shape, dtype="float64") for v in self._variables])
        sizes = np.where(missing, 0, sizes)
        parts = {name: np.where(missing, 0, values) for name, values in parts.items()}
        stats = {"updated": ~unchanged}
        with np.errstate(all="ignore"):
            for stat in self._stats:
                if stat == "norm":
                    values = np.sqrt(add(parts["norm"] ** 2))
                elif stat == "update_ratio":
                    values = np.sqrt(add(parts["change"] ** 2) / add(parts["weight"] ** 2))
                elif stat == "max":
                    values = np.maximum.reduceat(parts["max"], self._starts, axis=1)
                elif stat == "mean":
                    values = add(parts["mean"]) / add(sizes)
                else:
                    values = 1 - add(parts["zeros"]) / add(sizes)
                stats[stat] = np.where(absent, np.nan, values).astype("float32")
        return stats


def _png(figure):
    """Return a figure as a notebook shows it, whether or not pyplot is in use there."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return image.getvalue()


def _to_write(path):
    path = pathlib.Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _places(found):
    """Give the rows of several sites their rows in the record, and count these.

    `found` has (site, rows) each; a row begins with the number of the call of the train function.
    An update takes the first row of its call in which its variables have no entry yet.
    """
    keys = []
    for i, (site, rows) in enumerate(found):
        calls = rows[:, 0]
        turns = np.arange(len(calls)) - np.searchsorted(calls, calls)
        mine = set(map(id, site.variables))
        for other, others_rows in found[:i]:
            if mine & set(map(id, other.variables)):
                turns -= np.searchsorted(others_rows[:, 0], calls, "left")
                turns += np.searchsorted(others_rows[:, 0], calls, "right")
        keys.append(np.stack([calls, turns], axis=1))
    rows, places = np.unique(np.concatenate(keys), axis=0, return_inverse=True)
    return np.split(places, np.cumsum([len(key) for key in keys])[:-1]), len(rows)


# ---- listening to the train function ----

UNHEARD = (
    "The step was traced by a fit without this callback, or one that asked for less: call "
    "`model.make_train_function(force=True)` before `fit`. A tf.function of your own stays traced "
    "even so, and updates in no train function of this model cannot be heard."
)


class _Watched:
    """Keras's train function, and the monitors of one fit that listen to it.

    Keras has no public place between the gradients and the optimizer. So this stands in for
    `model.train_function` until the fit ends, by itself or by an error; and while a call of it
    runs, `apply` of Keras's optimizers is wrapped. Then Keras traces the step, by its own rules:
    what is measured becomes a part of that graph, and the steps, the random numbers and whatever
    is fixed by tracing are those of Keras. In a fit without a monitor nobody reads what it writes.
    """

    def __init__(self, model):
        self.model, self.fit = model, getattr(model, "history", None)
        self.thread = threading.get_ident()
        self.monitors, self.sites, self.within = [], [], set()
        self.iterations = {optimizer: _iterations(optimizer) for optimizer in _optimizers(model)}
        kinds = [keras.optimizers.Optimizer, keras.optimizers.LossScaleOptimizer]
        kinds += map(type, self.iterations)
        self.classes = {cls for kind in kinds for cls in kind.__mro__ if METHOD in vars(cls)}
        self.classes.discard(getattr(keras.optimizers, "MultiOptimizer", None))  # it hands on
        self.num_calls, self.calls_until_fetch = 0, max(1, STEPS // model.steps_per_execution)
        self.is_compiled = BACKEND == "tensorflow" and not model.run_eagerly

    def attach(self):
        """Stand in for the train function, also for one that was made since."""
        if self.model.train_function is self:
            return
        self.is_listening = True
        if self.model.train_function is None:  # train_on_batch makes it only now
            self.model.make_train_function()
        self.function, self.model.train_function = self.model.train_function, self
        self.traced = _TRACED.setdefault(self.function, [])

    def is_over(self):
        """Return whether an error has ended the fit: the model has the history of another."""
        return getattr(self.model, "history", None) is not self.fit

    def leave(self, monitor):
        monitor._watched = None
        self.monitors.remove(monitor)
        if not self.monitors:
            self.release()

    def release(self):
        """Let the model have its train function back, and the monitors the rest of their rows."""
        if self.model.train_function is self:
            self.model.train_function = self.function
        self.fetch()
        self.is_listening = False

    def __call__(self, *args):
        """Run one call of the train function with the updates listened to."""
        if self.is_over():
            self.release()
            return self.function(*args)
        for site in self.traced:
            self.read(site)
        if len(self.sites) > 1 or not self.is_compiled:  # for one site it would only take time
            for site in self.sites:
                site.number_call(self.num_calls)
        try:
            with _listening(self):
                result = self.function(*args)
        except BaseException:  # an error, or no batch is left in this epoch
            self.release()
            raise
        self.num_calls += 1
        if self.num_calls == 1 or self.num_calls % self.calls_until_fetch == 0:
            self.fetch()
        if self.num_calls == 1:
            for monitor in self.monitors:
                monitor._say_what_was_missed()
        return result

    def read(self, site):
        """Let a site's rows be read, from here on if it is its first call in this fit."""
        if site not in self.sites:
            self.sites.append(site)
            site.begin()
            for each in self.sites:
                each.number_call(self.num_calls)

    def fetch(self):
        """Hand the new rows to the monitors; the only host synchronisation."""
        if self.is_listening:  # otherwise the sites may be those of a later fit
            found = [(site, site.take()) for site in self.sites]
            for monitor in self.monitors:
                monitor._add(found)

    def site_for(self, optimizer, variables):
        if optimizer not in self.iterations:
            self.iterations[optimizer] = _iterations(optimizer)
        wanted = set().union(*(monitor._wanted for monitor in self.monitors))
        same = [
            site
            for site in [*self.traced, *self.sites]
            if site.optimizer is optimizer and wanted <= site.wanted
            if list(map(id, site.variables)) == list(map(id, variables))
        ]
        if not same:
            kind = _SiteInGraph if BACKEND == "tensorflow" else _SiteOnHost
            capacity = 8 * max(STEPS, self.model.steps_per_execution)  # 8 updates in a step
            same = [kind(optimizer, variables, wanted, capacity)]
        if same[0] not in self.traced:
            self.traced.append(same[0])
        self.read(same[0])
        return same[0]

    def cannot_read(self, optimizer, error):
        """Say why an optimizer's updates are not recorded; the training goes on."""
        self.iterations.pop(optimizer, None)
        for monitor in self.monitors:
            monitor._warn(f"updates by the optimizer {optimizer.name!r} cannot be read: {error}")


def _optimizers(model):
    """Return the optimizer of `compile` and those in attributes of the model, lists and dicts."""
    found = [model.optimizer, *getattr(model.optimizer, "optimizers", [])]
    for value in vars(model).values():
        found.extend(value.values() if isinstance(value, dict) else [value])
        found.extend(value if isinstance(value, (list, tuple)) else [])
    found = [item for item in found if isinstance(item, keras.optimizers.Optimizer)]
    return [item for item in found if not hasattr(item, "optimizers")]


def _iterations(optimizer):
    try:
        return int(ops.convert_to_numpy(optimizer.iterations))
    except Exception:  # one that is not Keras's own need not count
        return 0


# ---- listening to the optimizers ----

_RUNNING, _WRAPPED, _LOCK = [], {}, threading.Lock()  # _WRAPPED: class → its own method
METHOD = "stateless_apply" if BACKEND == "jax" else "apply"
# Autograph must not convert what is inserted into a user's tf.function.
_as_written = tf.autograph.experimental.do_not_convert if BACKEND == "tensorflow" else lambda f: f


@contextlib.contextmanager
def _listening(watched):
    """Wrap `apply` of the optimizers' classes while a train function runs."""
    with _LOCK:
        _RUNNING.append(watched)
        for cls in watched.classes - _WRAPPED.keys():
            _WRAPPED[cls] = vars(cls)[METHOD]
            setattr(cls, METHOD, _heard(_WRAPPED[cls]))
    try:
        yield
    finally:
        with _LOCK:
            _RUNNING.remove(watched)
            if not _RUNNING:
                for cls, original in _WRAPPED.items():
                    setattr(cls, METHOD, original)
                _WRAPPED.clear()


def _heard(original):
    """Wrap `apply` of an optimizer's class. No control flow here: autograph may convert it."""

    def apply(optimizer, grads, *args, **kwargs):
        with _measured(optimizer, grads, *args, **kwargs):
            result = original(optimizer, grads, *args, **kwargs)
        return result

    def stateless_apply(optimizer, own, grads, weights):
        variables = [*optimizer.variables, *optimizer._trainable_variables]
        values = list(zip(variables, [*own, *weights], strict=True))
        with keras.StatelessScope(values), _measured(optimizer, grads):
            weights, own = original(optimizer, own, grads, weights)
            for variable, value in zip(variables, [*own, *weights], strict=True):
                variable.assign(value)
        return weights, own

    return stateless_apply if BACKEND == "jax" else apply


@_as_written
@contextlib.contextmanager
def _measured(optimizer, grads, trainable_variables=None):
    """Take the gradients before an update as the weights will see them; measure after it."""
    thread, variables, seen = threading.get_ident(), trainable_variables, None
    watched = _watched_by(thread)
    if variables is None:
        variables = getattr(optimizer, "_trainable_variables", ())  # as `apply` does
    if watched is None or not isinstance(variables, (list, tuple)):
        variables = ()  # an iterator can be read only once
    pairs = [
        (v, g)
        for v, g in zip(variables, grads, strict=False)  # Keras refuses lists that do not match
        if not getattr(v, "overwrite_with_gradient", False)  # float8: a value, no gradient
    ]
    if not pairs:
        yield
        return
    try:
        if not optimizer.built:
            with keras.name_scope(optimizer.name, caller=optimizer):  # as Keras does
                optimizer.build(variables)
        site = _outside_of_graphs(watched.site_for, optimizer, [v for v, _ in pairs])
        seen = _look(optimizer, pairs, site)
    except Exception as error:
        watched.cannot_read(optimizer, error)
    watched.within.add(thread)
    try:
        yield
    finally:
        watched.within.remove(thread)
    try:
        if seen is not None:
            site.write(*seen)
    except Exception as error:
        watched.cannot_read(optimizer, error)


def _watched_by(thread):
    """Return the train function that an update is a part of; None too within another update."""
    strategy = None
    if BACKEND == "tensorflow" and tf.distribute.has_strategy():  # each replica has its thread
        strategy = tf.distribute.get_strategy()
    for watched in reversed(_RUNNING):
        if watched.thread == thread or (strategy and watched.model.distribute_strategy is strategy):
            return None if thread in watched.within else watched
    return None


# ---- rows on the device ----

_TRACED = weakref.WeakKeyDictionary()  # sites that a trace writes into: a later fit finds them


class _Site:
    """The updates that one optimizer makes to one list of variables, a row each.

    What is measured depends on what is wanted, not on a monitor: the traced step outlives it.
    `begin` forgets the rows so far, `number_call` gives the next ones their number, `take` returns
    those since the last time (n, width).
    """

    def __init__(self, optimizer, variables, wanted):
        self.optimizer, self.name = optimizer, optimizer.name
        self.variables, self.wanted = variables, wanted
        self.parts = [part for part in PARTS if part in wanted]
        self.width = HEAD + len(self.parts) * len(variables)

    def row(self, number, gradients, old, is_update, scale):
        """Measure an update: HEAD, then parts × variables."""
        gradients = [_dense_rows(g, v) for g, v in zip(gradients, self.variables, strict=True)]
        arrays = dict.fromkeys(PARTS, gradients)
        if "change" in self.parts:
            pairs = zip(self.variables, old, strict=True)
            arrays |= {"weight": old, "change": [_value(v) - o for v, o in pairs]}
        values = [ops.cast(value, "float32") for value in (number, scale, is_update)]
        for part in self.parts:
            values += [_measure(part, a, "wide_range" in self.wanted) for a in arrays[part]]
        return ops.stack(values)

    def values(self, rows):
        """Return rows (n, HEAD + parts × V) as a dict of arrays (n, V), without the loss scale."""
        parts = rows[:, HEAD:].reshape(len(rows), len(self.parts), len(self.variables))
        values = dict(zip(self.parts, parts.swapaxes(0, 1), strict=True))
        with np.errstate(all="ignore"):
            for part, given in values.items():
                is_sum = part in SQUARES and "wide_range" not in self.wanted
                new = np.sqrt(given / HALF) if is_sum else given
                scale = rows[:, 1:2] if part in ("norm", "mean", "max") else 1.0
                values[part] = np.where(given < 0, given, new / scale)
        return values


class _SiteInGraph(_Site):
    """TensorFlow: rows in a variable that the graph writes, the newest over the oldest."""

    def __init__(self, optimizer, variables, wanted, capacity):
        super().__init__(optimizer, variables, wanted)
        self.capacity = capacity
        self.rows = tf.Variable(tf.zeros((capacity, self.width)), trainable=False, name=SCOPE)
        self.count = tf.Variable(0, trainable=False, name=SCOPE)
        self.number = tf.Variable(0.0, trainable=False, name=SCOPE)

    def begin(self):
        self.num_read, self.num_updates = int(self.count.numpy()), 0

    def number_call(self, number):
        self.number.assign(number, read_value=False)

    def write(self, gradients, old, is_update, scale):
        """Write a row in any case: next to a condition it is cheap. Count it if it is an update."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        if tf.get_static_value(replica) not in (0, None):
            return
        row = self.row(self.number, gradients, old, is_update, scale)
        self.rows.scatter_update(tf.IndexedSlices(row, self.count % self.capacity))
        with tf.control_dependencies([row]):  # a step that finds no batch left has none
            self.count.assign_add(tf.cast(is_update, "int32"), read_value=False)

    def take(self):
        count = int(self.count.numpy())
        new = np.arange(max(self.num_read, count - self.capacity), count)
        self.num_read = count
        self.num_updates += len(new)
        return tf.gather(self.rows, new % self.capacity).numpy().astype("float64")


class _SiteOnHost(_Site):
    """JAX and PyTorch: rows in a list; a compiled step of JAX calls back, and nobody waits."""

    def __init__(self, optimizer, variables, wanted, capacity):
        super().__init__(optimizer, variables, wanted)
        self.rows, self.number, self.num_updates = collections.deque(maxlen=capacity), 0, 0

    def begin(self):
        self.take()
        self.num_updates = 0

    def number_call(self, number):
        self.number = number

    def write(self, *seen):
        row = self.row(self.number, *seen)
        if BACKEND == "jax":
            jax.debug.callback(self.rows.append, row, ordered=True)
        else:
            self.rows.append(row)

    def take(self):
        if BACKEND == "jax":
            jax.effects_barrier()
        rows = [ops.convert_to_numpy(self.rows.popleft()) for _ in range(len(self.rows))]
        rows = np.reshape(rows, (-1, self.width)).astype("float64")
        rows = rows[rows[:, 2] > 0]
        if BACKEND == "jax":  # the call that a row belongs to is not known when it comes back
            rows[:, 0] = self.num_updates + np.arange(len(rows))
        self.num_updates += len(rows)
        return rows


# ---- what differs between the backends ----


def _value(variable):
    return variable.value if isinstance(variable, keras.Variable) else variable


def _outside_of_graphs(function, *args):
    """Call in a thread of its own, where no graph is being built.

    `tf.init_scope` would not do: tf.function counts variables made in it, and traces once more.
    """
    if BACKEND != "tensorflow":
        return function(*args)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


def _all_reduce(grads):
    """Sum over the replicas of a tf.distribute strategy, as the optimizer will."""
    context = tf.distribute.get_replica_context() if BACKEND == "tensorflow" else None
    if context is None or context.num_replicas_in_sync == 1:
        return grads
    present = [tf.convert_to_tensor(g) for g in grads if g is not None]
    reduced = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if g is None else next(reduced) for g in grads]


def _dense_rows(gradient, variable):
    """Return the gradient, for tf.IndexedSlices its rows with those of equal index added up."""
    if not hasattr(gradient, "indices") or BACKEND != "tensorflow":
        return None if gradient is None else ops.cast(gradient, "float32")
    # The first position of each index: linear time and fixed shapes, so XLA can compile it.
    count = tf.shape(gradient.indices)[0]
    first = tf.math.unsorted_segment_min(tf.range(count), gradient.indices, variable.shape[0])
    places = tf.gather(first, gradient.indices)
    return tf.cast(tf.math.unsorted_segment_sum(gradient.values, places, count), "float32")


# ---- what is measured ----


def _look(optimizer, pairs, site):
    """Return the gradients, the old weights if needed, whether this is an update, the loss scale.

    With accumulation, the sums and the number of calls are private in Keras:
    `optimizer.iterations` is already divided by the accumulation steps.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    is_dynamic, steps = inner is not optimizer, inner.gradient_accumulation_steps
    is_update, scale = True, inner.loss_scale_factor or 1.0
    variables, grads = zip(*pairs, strict=True)
    if is_dynamic:
        scale = ops.copy(_value(optimizer.dynamic_scale))
    if steps:
        dense = tf.convert_to_tensor if BACKEND == "tensorflow" else ops.convert_to_tensor
        sums = [inner._accumulated_gradients[inner._get_variable_index(v)] for v in variables]
        grads = [
            None if g is None else (dense(g) / scale + _value(total)) / steps
            for g, total in zip(grads, sums, strict=True)
        ]
        scale, is_update = 1.0, ops.equal((_value(inner._iterations) + 1) % steps, 0)
    grads = _all_reduce(grads)
    if steps and is_dynamic:  # a call that loss scaling skips is recorded too
        is_update = ops.logical_or(is_update, ops.logical_not(optimizer.check_finite(grads)))
    old = [ops.copy(_value(v)) for v in variables] if "change" in site.parts else []
    return grads, old, is_update, scale


SQUARES = ("norm", "change", "weight")  # the sum of squares, from which the host takes the norm
HALF = 0.5 if BACKEND == "tensorflow" else 1.0  # l2_loss is a third faster than square and sum
_squares = tf.nn.l2_loss if BACKEND == "tensorflow" else lambda array: ops.sum(array * array)


def _measure(part, array, wide_range):
    """Reduce an array to a number: NO_GRADIENT where there is none."""
    if array is None:
        return NO_GRADIENT
    if part in SQUARES and wide_range:
        largest = ops.max(ops.abs(array))
        largest = ops.where(largest > 0, largest, 1.0)
        return largest * ops.sqrt(_squares(array / largest) / HALF)
    if part in SQUARES:
        return _squares(array)
    if part == "mean":
        return ops.sum(ops.abs(array))
    if part == "max":
        return ops.max(ops.abs(array))
    return ops.sum(ops.cast(ops.not_equal(array, 0), "float32"))  # of "zeros": those that are not


# ---- names ----


def _layer_groups(model, wanted):
    """Return a dict from layer name to those of its variables that are wanted, in order."""
    left = {id(variable): variable for variable in wanted}
    pairs = []

    def visit(layer, prefix):
        if isinstance(layer, keras.Model):
            for inner in layer.layers:
                visit(inner, [*prefix, inner.name])
        own = {}
        for variable in layer.weights:
            if left.pop(id(variable), None) is not None:
                own.setdefault(tuple(_sub_path(layer, variable)), []).append(variable)
        pairs.extend(("/".join([*prefix, *path]) or model.name, vs) for path, vs in own.items())

    visit(model, [])
    outside = {}  # variables that the model does not track
    for variable in left.values():
        path = getattr(variable, "path", variable.name).split("/")
        outside.setdefault("/".join(path[:-1]) or path[0], []).append(variable)
    return _unique([*pairs, *outside.items()])


def _sub_path(layer, variable):
    """Path of a variable's owner below the layer; a recurrent layer's cell is the layer itself."""
    parts = variable.path.split("/")[:-1]
    if isinstance(layer, keras.layers.RNN) or layer.name not in parts:
        return []
    cells = ("lstm_cell", "gru_cell", "simple_rnn_cell")
    behind = parts[::-1].index(layer.name)  # a model may have a layer of its own name
    return [p for p in parts[len(parts) - behind :] if not p.startswith(cells)]


def _unique(pairs):
    groups = {}
    for name, variables in pairs:
        new, count = name, 1
        while new in groups:
            count += 1
            new = f"{name}_{count}"
        groups[new] = variables
    return groups
