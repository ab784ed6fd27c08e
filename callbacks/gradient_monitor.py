"""GradientMonitor: every layer's gradient, every step, read inside the compiled train step.

Copy this file alone: it needs Keras 3 and NumPy (matplotlib for `plot`, tensorboard for `log_dir`).
"""

import collections
import concurrent.futures
import contextlib
import csv
import difflib
import fnmatch
import inspect
import itertools
import os
import threading
import time
import warnings
import weakref

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()
if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch

EXTRA_STATS = ("mean", "max", "zeros", "update_ratio")
BUFFER_ROWS = 256  # rows kept on the device between two fetches
NO_GRADIENT, NOT_UPDATED = -1.0, -2.0  # norms are never negative: NaN stays free for real NaNs
SCOPE = "gradient_monitor"  # names what this file adds to a TensorFlow graph
# The upper 10 bits of a float32 (sign, exponent, 1 bit of the mantissa) number its histogram bin:
# 512 bins of rising size for the positive, then for the negative; the last 2 of each not finite.
BIN_BITS, HALF = 22, 512
# Autograph must not convert what is inserted into a user's tf.function.
_as_written = tf.autograph.experimental.do_not_convert if BACKEND == "tensorflow" else lambda f: f
LIMITS = (np.arange(HALF - 1, dtype="int32") << BIN_BITS).view("float32")  # 0, 1e-38, ..., inf
EDGES = np.concatenate([-LIMITS[:0:-1], LIMITS]).clip(-3.4e38, 3.4e38)


class GradientMonitor(keras.callbacks.Callback):
    """Record the norm of every layer's gradient at every optimizer step of `fit`.

    They are read where they already exist, in the compiled train step as the optimizer receives
    them: of the real batch, summed over replicas, loss scale removed, averaged over accumulation
    steps, before clipping. There is no second forward or backward pass; the numbers stay in a
    buffer on the device, fetched once per some hundred steps.

    Every optimizer of Keras that the train step applies is heard (on JAX that of `compile`). A row
    is a train step (with accumulation an update); a layer that is updated k times in a step takes
    k rows. Each `fit` starts a new record. A step skipped by loss scaling is a row with NaN or
    infinity. Norms are float32 sums of squares: below about 1e-19 they read 0, above 1e19
    infinity, unless `wide_range` is set.

    The training is what it would be without: on TensorFlow Keras's own train function runs, traced
    when Keras traces it. If a fit without this callback has traced it before, it is traced once
    more, and used if both consist of the same operations; otherwise nothing is recorded. That and
    all else that cannot be recorded is a warning. For `train_on_batch` call `on_train_begin`,
    `on_train_batch_begin`, `on_train_batch_end` and `on_train_end` around it. Keras itself fails
    when gradients are accumulated under `tf.distribute.MirroredStrategy`, and so does this.

    Args:
        stats: extra quantities, any of `"mean"` (mean |g|), `"max"` (max |g|), `"zeros"` (share of
            entries that are exactly 0) and `"update_ratio"` (|Δw| / |w|, L2 norms; about 1e-3 is
            healthy). Each is found afterwards in `monitor.stats[name]`, shape (T, L).
        layers: names or patterns (`"block_*"`) of the layers to record; all by default.
        per_variable: one column per variable instead of one per layer.
        every: record every `every`-th optimizer step, a positive integer.
        histograms: keep a histogram of every variable's gradient entries, one per epoch over all
            its recorded steps, in `monitor.histograms[variable] = (counts (E, B), edges (B + 1,))`.
            Two bins for each power of 2, so that no limit need be known before. It reads every
            entry some three times more; the counts, 1 KiB or less per variable and epoch, are
            not part of `memory_limit`.
        wide_range: norms from 1e-37 to 1e37, as at the first layers of a very deep sigmoid network:
            every gradient is divided by its maximum before it is squared, at twice the cost.
        csv_path: write all rows to this CSV file while training; each `fit` starts it anew.
        log_dir: write TensorBoard scalars (and histograms) to this folder while training.
        memory_limit: bytes of host memory for the record. When it is full every second row is
            dropped and the spacing doubled; `steps` says which rows remain.

    Attributes:
        layer_names: list of str, the L layers (or variables) that an optimizer updates, in forward
            order; unique, nested layers as paths. Known after the first step.
        steps: int64 array (T,), the optimizer step of each row, counted from
            `optimizer.iterations` at the start of `fit`; skipped steps count.
        norms: float32 array (T, L), L2 norm over all trainable gradients of the layer. NaN: not a
            number, no gradient, or no entry; `updated` and `no_gradient` tell.
        stats: dict of such arrays: `"norm"` and the quantities asked for.
        updated: bool array (T, L), was the layer handed to an optimizer in this row?
        no_gradient: list of str, layers handed to an optimizer that never got a gradient.
        optimizers: dict from an optimizer's name to the list of its layers.

    Raises:
        ValueError: before training, if an argument or a path cannot work; a wrong layer name in a
            subclassed model that is not built yet, at the first step before any update.

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

    def __init__(
        self,
        stats=(),
        layers=None,
        per_variable=False,
        every=1,
        histograms=False,
        wide_range=False,
        csv_path=None,
        log_dir=None,
        memory_limit=64 * 2**20,
    ):
        super().__init__()
        extra = [stats] if isinstance(stats, str) else list(stats)
        unknown = [name for name in extra if name not in EXTRA_STATS]
        if unknown:
            raise ValueError(f"Unknown stats {unknown}; known are {list(EXTRA_STATS)}.")
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ValueError(f"`every` must be a positive integer, got {every!r}.")
        if memory_limit <= 0:
            raise ValueError(f"`memory_limit` must be positive (bytes), got {memory_limit!r}.")
        self._stats = ["norm", *extra]
        self._want_ratio = "update_ratio" in extra
        self._simple = [name for name in extra if name != "update_ratio"]
        self._patterns = [layers] if isinstance(layers, str) else layers
        self._per_variable = per_variable
        self._every = int(every)
        self._want_histograms = histograms
        self._wide_range = wide_range
        self._csv_path = csv_path
        self._log_dir = log_dir
        self._memory_limit = memory_limit
        self._reset()

    def _reset(self):
        self.layer_names, self.optimizers = [], {}
        self._trained, self._fit, self._options = None, None, None  # model, its history
        self._sites, self._active = {}, []  # site → rows read; those with rows
        self._iterations, self._left_out, self._said = {}, [], []  # of optimizers; warnings
        self._variables, self._variable_names, self._starts = [], [], []
        self._kept = {name: [] for name in ("step", "updated", *self._stats)}  # to be put together
        self._kept_histograms = []  # per epoch: variables, which of the V × bins are not 0, counts
        self._reached = set()  # layers with a gradient in any row so far
        self._first_step, self._num_fetched, self._spacing = None, 0, 1
        self._calls, self._batches, self._batches_until_fetch = 0, 0, 1
        self._num_epochs = 0
        self._event_file = None
        self._stopped_writing = False

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

    @property
    def histograms(self):
        """Dict from variable to (counts (E, B), edges (B + 1,)) of its gradient's entries."""
        counts = {name: [] for name in self._variable_names}
        for names, places, numbers in self._kept_histograms:
            epoch = np.zeros((len(names), 2 * HALF))
            epoch.flat[places] = numbers
            for name in self._variable_names:
                row = epoch[names.index(name)] if name in names else np.zeros(2 * HALF)
                counts[name].append(row)
        return {name: _from_bins(np.array(rows)) for name, rows in counts.items() if rows}

    def summary(self):
        """Print and return a table: median, min and max of each layer's norm, first row / last row.

        Below it stand the number of rows that are not finite and the layers without gradient.
        """
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
        if (norms == 0).any() and not self._wide_range:
            lines.append("Norms of 0 may be norms below 1e-19: `wide_range=True` tells.")
        if never.any():
            lines.append("No gradient reaches: " + ", ".join(np.array(self.layer_names)[never]))
        table = "\n".join(lines)
        print(table)
        return table

    def to_csv(self, path):
        """Write one line per kept row to the file `path`: step, each layer's norm, other stats."""
        unfinished = f"{path}.unfinished"
        with open(unfinished, "w", newline="", encoding="utf-8") as file:
            self._write_csv(file, self.steps, {"updated": self.updated, **self.stats})
        os.replace(unfinished, path)

    def _write_csv(self, file, steps, stats):
        writer = csv.writer(file)
        if file.tell() == 0:
            others = [f"{name}/{stat}" for stat in self._stats[1:] for name in self.layer_names]
            writer.writerow(["step", *self.layer_names, *others])
        rows = np.concatenate([stats[stat] for stat in self._stats], axis=1).astype(object)
        rows[~np.tile(stats["updated"], len(self._stats))] = ""  # no entry
        writer.writerows([step, *row] for step, row in zip(steps, rows.tolist(), strict=True))

    def plot(self, path=None):
        """Draw log10 of the norm as layer × step, beside first against last layer.

        Args:
            path: image file to write, or None to return the figure only.

        Returns:
            matplotlib.figure.Figure; ValueError if nothing has been recorded.

        """
        from matplotlib.figure import Figure

        norms, steps = self.norms, self.steps
        if not norms.size:
            raise ValueError("Nothing recorded yet: call `fit` with this callback first.")
        names = [name if len(name) <= 32 else "…" + name[-31:] for name in self.layer_names]
        positive = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
        height = min(14, max(4, 0.13 * len(names) + 1.5))
        figure = Figure(figsize=(12, height), layout="constrained")
        heat, curves = figure.subplots(1, 2, width_ratios=[1.4, 1])
        end = steps[-1] + (steps[-1] - steps[-2] if len(steps) > 1 else 1)
        image = heat.imshow(
            np.log10(positive).T,
            aspect="auto",
            interpolation="nearest",
            extent=(steps[0], end, len(names) - 0.5, -0.5),
        )
        figure.colorbar(image, ax=heat, aspect=5 * height, label="log10 of L2 norm")
        heat.set_facecolor("lightgray")
        shown = np.arange(0, len(names), -(-len(names) // 75))
        heat.set_yticks(shown, [names[i] for i in shown], fontsize=9 if len(names) <= 30 else 6)
        title = "Gradient norm of each layer (grey: 0, NaN or none)"
        heat.set(title=title, xlabel="optimizer step")
        live = np.flatnonzero(np.isfinite(positive).any(axis=0))
        lines = [("first", "#0072B2", "-"), ("last", "#D55E00", "--")]
        for i, (which, color, style) in zip([*live[:1], *live[-1:]], lines, strict=False):
            rows = self.updated[:, i]  # the curve passes over rows without an entry
            style += "o" if rows.sum() == 1 else ""
            label = f"{which}: {names[i]}"
            curves.semilogy(steps[rows], positive[rows, i], style, color=color, label=label)
            curves.legend()
        title, label = "First and last layer", "L2 norm of the gradient"
        curves.set(title=title, xlabel="optimizer step", ylabel=label)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    # ---- training ----

    def on_train_begin(self, logs=None):
        """Forget the last run and check that everything asked for can work."""
        self._fetch()  # what an interrupted fit left
        self._reset()
        self._trained = model = self.model  # on JAX each use of `self.model` copies the weights
        self._fit = getattr(model, "history", None)
        if self._patterns is not None and model.built:
            _select(_layer_groups(model, model.trainable_variables), self._patterns)
        elif self._patterns is not None and isinstance(model, keras.Sequential):
            plain = [name for name in self._patterns if not set(name) & set("/*?[")]
            _select({layer.name: [] for layer in model.layers}, plain)
        try:
            if self._csv_path is not None:
                open(self._csv_path, "w", encoding="utf-8").close()
            if self._log_dir is not None:
                self._event_file = _new_event_file(str(self._log_dir))
        except OSError as error:
            raise ValueError(f"The CSV or the log folder cannot be written: {error}") from error
        except ImportError as error:
            raise ValueError("`log_dir` needs the package tensorboard.") from error
        if BACKEND == "jax" and keras.distribution.distribution() is not None:
            self._trained = None
            self._warn("it does not work with keras.distribution on JAX: nothing is recorded.")

    def on_epoch_begin(self, epoch, logs=None):
        """Begin a histogram."""
        for site in self._sites:
            site.clear_histogram()

    def on_train_batch_begin(self, batch, logs=None):
        """Look at the gradients of this batch."""
        if self._trained is None:
            return
        if self._options is None:
            self._begin()
        _Hook.arm(self)

    def _begin(self):
        """At the first batch: what is known of this model from earlier fits."""
        model = self._trained
        self._options = _Options(
            None if self._patterns is None else tuple(self._patterns),
            ("norm", *["change", "weight"] * self._want_ratio, *self._simple),
            self._every,
            max(BUFFER_ROWS, 4 * model.steps_per_execution),
            self._want_histograms,
            self._wide_range,
        )
        for optimizer in _optimizers(model):
            self.know(optimizer)
        for site in list(_SITES):
            if site.model() is model and site.options == self._options:
                self.adopt(site)

    def know(self, optimizer):
        """Remember how many updates an optimizer had made before this fit."""
        if optimizer not in self._iterations:
            self._iterations[optimizer] = _iterations(optimizer)

    def adopt(self, site):
        """Read the rows of this site from now on."""
        if site not in self._sites:
            self.know(site.optimizer)
            site.begin(self)
            self._sites[site] = 0

    def on_train_batch_end(self, batch, logs=None):
        """Fetch the rows when the buffer may be full at the next batch."""
        if self._trained is not None and self._options is None:
            self._warn("a callback hands on on_train_batch_end, but not on_train_batch_begin.")
        self._batches += 1
        if self._batches >= self._batches_until_fetch:
            self._fetch()

    def on_epoch_end(self, epoch, logs=None):
        """Fetch the rows and the histogram, and bring the files up to date."""
        self._fetch()
        self._num_epochs += 1
        self._say_what_was_missed()
        if self._want_histograms:
            counts = {id(v): np.zeros(2 * HALF) for v in self._variables}
            for site in self._active:
                rows = ops.convert_to_numpy(site.buffer["histogram"])
                for variable, row in zip(site.variables, rows, strict=True):
                    counts[id(variable)] = counts[id(variable)] + row
            counts = np.reshape(list(counts.values()), (-1, 2 * HALF))
            places = np.flatnonzero(counts).astype("int32")
            self._kept_histograms.append((self._variable_names, places, counts.flat[places]))
            self._write([], {}, [(epoch, _histogram_values(self._variable_names, counts))])

    def on_train_end(self, logs=None):
        """Fetch the rest."""
        self._fetch()
        self._say_what_was_missed()
        self._trained = None
        for site in self._sites:
            site.readers.discard(self)

    def _say_what_was_missed(self):
        """Compare the updates seen with those the optimizers have counted: no silent zero."""
        if self._trained is None:
            return
        for optimizer, before in self._iterations.items():
            made = _iterations(optimizer) - before
            seen = sum(site.num_updates() for site in self._sites if site.optimizer is optimizer)
            # A step that finds no batch left, at an epoch's end, counts as an update in Keras.
            if seen < made - self._num_epochs and optimizer not in self._left_out:
                self._left_out.append(optimizer)
                self._warn(
                    f"only {seen} of {made} updates by the optimizer {optimizer.name!r} were seen. "
                    "The others were made in a tf.function traced by an earlier fit (`compile` "
                    "does not trace it anew), or outside this fit's own batches, for example by "
                    "`train_on_batch` in another callback."
                )
        if not self._active and not self._left_out:
            reason = "no optimizer of Keras was applied in a batch that this callback was told of"
            if not self._trained.trainable_variables:
                reason = "the model has no trainable weights"
            self._warn(f"nothing is recorded, as {reason}.")

    def _warn(self, text):
        if text not in self._said:
            self._said.append(text)
            warnings.warn(f"GradientMonitor: {text}", stacklevel=3)

    # ---- from the device to the host ----

    def _fetch(self):
        """Copy the new rows out of the buffers; the only host synchronisation."""
        found, most, lost = [], 0, 0
        for site, num_read in self._sites.items():
            if self not in site.readers:
                continue
            num_rows, stamps, raw = site.rows(num_read)
            most = max(most, num_rows - num_read)
            lost = max(lost, num_rows - num_read - len(raw))
            self._sites[site] = num_rows
            if len(raw):
                found.append((site, stamps, raw))
        if self._batches:  # the first batch tells how many rows a batch brings
            capacity = self._options.capacity if self._options else BUFFER_ROWS
            per_batch = max(capacity // BUFFER_ROWS, -(-most // self._batches))
            self._batches_until_fetch = max(1, capacity // per_batch - 1)
            self._batches = 0
        if lost:
            self._warn(f"{lost} rows are lost: too many in one step.")
        if not found:
            return
        active = [site for site in self._sites if self._sites[site]]
        if active != self._active:
            self._active = active
            self._name_columns()
        if self._first_step is None:
            self._first_step = self._iterations[found[0][0].optimizer]
        places, num_rows = _places(found)
        parts = np.full((num_rows, len(self._options.parts), len(self._variables)), NOT_UPDATED)
        column = {id(v): i for i, v in enumerate(self._variables)}
        for (site, _, raw), place in zip(found, places, strict=True):
            columns = [column[id(v)] for v in site.variables]
            parts[np.ix_(place, range(parts.shape[1]), columns)] = raw
        numbers = self._num_fetched + lost + np.arange(num_rows)
        self._num_fetched = numbers[-1] + 1
        steps, stats = self._first_step + numbers * self._every, self._per_column(parts)
        self._write(steps, stats)
        for name, values in [("step", steps), *stats.items()]:
            self._kept[name].append(values[numbers % self._spacing == 0])
        row_bytes = 8 + len(self.layer_names) * (1 + 4 * len(self._stats))
        most = max(1, self._memory_limit // row_bytes)
        while sum(map(len, self._kept["step"])) > most:
            self._spacing *= 2
            self._kept = {name: [np.concatenate(x)[::2]] for name, x in self._kept.items()}

    def _name_columns(self):
        """Decide which variable belongs to which column; widen what was kept before."""
        wanted = [variable for site in self._active for variable in site.variables]
        groups = _layer_groups(self._trained, wanted)
        pairs = [(layer, v) for layer, variables in groups.items() for v in variables]
        single = _unique((f"{layer}/{variable.name}", [variable]) for layer, variable in pairs)
        groups = single if self._per_variable else groups
        before = [id(self._variables[start]) for start in self._starts]
        self.layer_names, self._variable_names = list(groups), list(single)
        self._variables = [variable for _, variable in pairs]
        self._starts = np.cumsum([0, *map(len, groups.values())])[:-1]
        self._sizes = np.array([np.prod(v.shape, dtype="float64") for v in self._variables])
        column = {id(v): i for i, group in enumerate(groups.values()) for v in group}
        self.optimizers = {}
        for site in self._active:
            mine = {column[id(v)] for v in site.variables}
            names = self.optimizers.get(site.optimizer.name, [])
            names = {*names, *(self.layer_names[i] for i in mine)}
            self.optimizers[site.optimizer.name] = [n for n in self.layer_names if n in names]
        if before:  # a layer that was not trained until now
            for name, arrays in self._kept.items():
                if name != "step":
                    old = np.concatenate(arrays)
                    empty = False if name == "updated" else np.nan
                    wide = np.full((len(old), len(groups)), empty, old.dtype)
                    wide[:, [column[first] for first in before]] = old
                    self._kept[name] = [wide]
            if self._csv_path is not None:
                self.to_csv(self._csv_path)

    def _per_column(self, parts):
        """Turn rows (T, parts, V) into a dict of arrays (T, L): each stat, and `"updated"`."""

        def add(values):
            return np.add.reduceat(values, self._starts, axis=1)

        parts = dict(zip(self._options.parts, parts.swapaxes(0, 1), strict=True))
        missing = parts["norm"] < 0
        absent = np.logical_and.reduceat(missing, self._starts, axis=1)
        unchanged = parts["norm"] == NOT_UPDATED
        updated = ~np.logical_and.reduceat(unchanged, self._starts, axis=1)
        self._reached |= {self.layer_names[i] for i in np.flatnonzero((~absent).any(axis=0))}
        sizes = np.where(missing, 0, self._sizes)
        norms = {
            k: np.sqrt(add(np.where(missing, 0, parts[k]) ** 2))
            for k in parts
            if k not in self._simple
        }
        stats = {"updated": updated}
        with np.errstate(all="ignore"):
            for stat in self._stats:
                if stat == "norm":
                    values = norms["norm"]
                elif stat == "update_ratio":
                    values = norms["change"] / norms["weight"]
                elif stat == "max":
                    values = np.maximum.reduceat(parts["max"], self._starts, axis=1)
                else:
                    values = add(np.where(missing, 0, parts[stat]) * sizes) / add(sizes)
                stats[stat] = np.where(absent, np.nan, values).astype("float32")
        return stats

    def _write(self, steps, stats, events=()):
        """Append to the files; none stays open, so an interrupted fit leaves them complete."""
        if self._stopped_writing:
            return
        try:
            if self._csv_path is not None and stats:
                with open(self._csv_path, "a", newline="", encoding="utf-8") as file:
                    self._write_csv(file, steps, stats)
            if self._event_file is not None:
                rows = _scalars(steps, stats, self.layer_names)
                _append_events(self._event_file, [*rows, *events])
        except OSError as error:  # a full disk must not end the training
            self._stopped_writing = True
            self._warn(f"it stops writing files ({error}); the data stay in memory.")


def _places(found):
    """Give the rows of several sites their rows in the record, and count these.

    `found` has (site, stamps, rows) each; a stamp is the number of the call of the train function.
    An update takes the first row of its call in which its variables have no entry yet.
    """
    keys = []
    for i, (site, stamps, _) in enumerate(found):
        turns = np.arange(len(stamps)) - np.searchsorted(stamps, stamps)
        mine = set(map(id, site.variables))
        for other, theirs, _ in found[:i]:
            if mine & set(map(id, other.variables)):
                left, right = (np.searchsorted(theirs, stamps, side) for side in ("left", "right"))
                turns += right - left
        keys.append(np.stack([stamps, turns], axis=1))
    rows, places = np.unique(np.concatenate(keys), axis=0, return_inverse=True)
    return np.split(places, np.cumsum([len(key) for key in keys])[:-1]), len(rows)


# ---- on the device ----

_Options = collections.namedtuple("_Options", "patterns parts every capacity histograms wide_range")
_Update = collections.namedtuple("_Update", "hook optimizer sites gradients is_update scale old")
_GATES = weakref.WeakKeyDictionary()  # model → number of the call that is listened to, or -1
_SITES = weakref.WeakSet()  # a traced graph keeps its sites alive, for the next fit to find


class _Site:
    """The buffer for the updates that one optimizer makes to one list of variables.

    What is computed depends on the options only, not on a monitor, as the traced step outlives it.
    """

    def __init__(self, model, optimizer, handed, variables, options):
        self.model, self.optimizer = weakref.ref(model), optimizer
        self.handed, self.variables, self.options = handed, variables, options
        self.sizes = [np.prod(v.shape, dtype="float64") for v in variables]
        self.gate = _GATES.get(model)
        self.readers, self.fit = weakref.WeakSet(), None
        self.row_shapes = [(2 + len(options.parts) * len(variables),)]  # stamp and loss scale first
        rows = _device_value((options.capacity, *self.row_shapes[0]), "float32")
        self.buffer = {"rows": rows, "seen": _device_value((), "int")}
        if options.histograms:
            self.row_shapes.append((len(variables), 2 * HALF))
            self.buffer["histogram"] = _device_value(self.row_shapes[1], "float32")
        _SITES.add(self)

    def begin(self, monitor):
        """Count from 0 for a new fit, after who read the last one has read the rest."""
        if self.fit is not monitor._fit or self.num_updates():
            for reader in list(self.readers):
                reader._fetch()
            self.readers.clear()
            self.buffer["seen"] = _cleared(self.buffer["seen"])
            self.clear_histogram()
        self.fit = monitor._fit
        self.readers.add(monitor)

    def clear_histogram(self):
        """Begin a histogram."""
        if self.options.histograms:
            self.buffer["histogram"] = _cleared(self.buffer["histogram"])

    def num_updates(self):
        """Return how many updates this fit has made."""
        seen = self.buffer["seen"]
        if BACKEND == "jax" and seen.is_deleted():
            return 0  # a step that failed had begun to reuse the memory
        return int(ops.convert_to_numpy(seen))

    def rows(self, start):
        """Return the number of rows so far and, from row `start`, stamps (n,), rows (n, parts, V).

        The loss scale is taken out. Of more rows than the buffer holds, the last are returned.
        """
        options, num_rows = self.options, -(-self.num_updates() // self.options.every)
        numbers = np.arange(max(start, num_rows - options.capacity), num_rows)
        if not len(numbers):
            return num_rows, np.zeros(0), np.zeros((0, len(options.parts), len(self.variables)))
        raw = np.array(ops.convert_to_numpy(self.buffer["rows"]))[numbers % options.capacity]
        raw = raw.astype("float64")
        stamps, scale = raw[:, 0], raw[:, 1, None, None]
        parts = raw[:, 2:].reshape(len(raw), len(options.parts), len(self.variables))
        linear = np.isin(options.parts, ("norm", "mean", "max"))[None, :, None]
        with np.errstate(all="ignore"):
            return num_rows, stamps, np.where(linear & ~(parts < 0), parts / scale, parts)

    def measure(self, update, old, value, buffer):
        """Compute what the buffer is to hold after a step, from what `_Hook.before` returned.

        `value` gives a variable's tensor; `buffer` and the result are dicts of tensors, where the
        new row is a pair (index, row).
        """
        options, by_id = self.options, update.gradients
        gradients = [_dense_rows(by_id.get(id(v)), v) for v in self.variables]
        seen, wanted = ops.copy(buffer["seen"]), update.is_update
        stamp, is_heard = _call_number(self.gate)
        if is_heard is not None:
            wanted = is_heard if wanted is None else ops.logical_and(wanted, is_heard)
        new = {"seen": seen + (1 if wanted is None else ops.cast(wanted, seen.dtype))}
        if options.every > 1:
            due = ops.equal(seen % options.every, 0)
            wanted = due if wanted is None else ops.logical_and(wanted, due)

        def measured():
            ratio = [value(v) - o for v, o in old] + [o for _, o in old]
            head = [ops.cast(stamp, "float32"), ops.cast(update.scale, "float32")]
            parts = [ops.stack(head), _norms(gradients + ratio, options.wide_range)]
            pairs = list(zip(gradients, self.sizes, strict=True))
            simple = [name for name in options.parts if name in ("mean", "max", "zeros")]
            parts += [ops.stack([_reduce(stat, *pair) for pair in pairs]) for stat in simple]
            if not options.histograms:
                return [ops.concatenate(parts)]
            return [ops.concatenate(parts), ops.stack([_histogram(*pair) for pair in pairs])]

        row, *histograms = _where(wanted, measured, self.row_shapes)
        number = (seen + options.every - 1) // options.every
        new["rows"] = (number % options.capacity, row)
        if histograms:
            new["histogram"] = buffer["histogram"] + histograms[0]
        return new


# ---- the hook ----


class _Hook:
    """Stands in for the train function during one call of it, and hears of each update in it.

    It is there when Keras traces the step, in Keras's own train function: what is measured becomes
    a part of that graph, which runs in fits without a monitor too, where it writes nothing. So the
    steps, the random numbers and whatever was fixed by tracing are those of Keras.

    `arm` lets `model.train_function` point to `step`, which first points it back. So whatever ends
    a fit finds the model as it was; only an error between the two, in another callback, leaves the
    pointer, until the train function is asked for or called by another fit. Keras has no public
    place between the gradients and the optimizer.
    """

    @staticmethod
    def arm(monitor):
        """Let the next call of the train function be heard by this monitor."""
        model = monitor._trained
        hook = getattr(model.train_function, "__self__", None)
        if isinstance(hook, _Hook) and hook.fit is monitor._fit:
            hook.monitors += [] if monitor in hook.monitors else [monitor]
            return
        if isinstance(hook, _Hook):
            hook.disarm()
        if model.train_function is None:  # train_on_batch makes it only now
            model.make_train_function()
        _Hook(model, monitor).swap_in()

    def __init__(self, model, monitor):
        self.model, self.monitors, self.fit = model, [monitor], monitor._fit
        self.thread, self.open = threading.get_ident(), []

    def swap_in(self):
        """Run `step` in place of the next call of the train function."""
        self.inner = self.model.train_function
        vars(self.model)["train_function"] = self.step  # past Keras's tracking of attributes
        vars(self.model)["make_train_function"] = self.rebuild

    def disarm(self):
        """Let the model have its train function back, unless it was recompiled since."""
        if self.model.train_function == self.step:
            vars(self.model)["train_function"] = self.inner
        vars(self.model).pop("make_train_function", None)

    def is_left_over(self):
        """Return whether the fit that armed it was ended by an error since."""
        return getattr(self.model, "history", None) is not self.fit

    def rebuild(self, force=False):
        """Keras's `make_train_function`: train_on_batch, a callback or the next fit asks."""
        self.disarm()
        self.model.make_train_function(force=force)
        if not self.is_left_over():
            self.swap_in()

    def step(self, *args):
        """One call of the train function with the updates listened to."""
        self.disarm()
        if self.is_left_over():
            return self.inner(*args)
        self.number = max(monitor._calls for monitor in self.monitors)
        for monitor in self.monitors:
            monitor._calls = self.number + 1
        with _listening(self):
            _set_gate(self.model, -1)
            try:
                function, args = self.function(args)
                _set_gate(self.model, self.number)
                return self.with_buffer(function, *args) if BACKEND == "jax" else function(*args)
            finally:
                _set_gate(self.model, -1)

    def function(self, args):
        """Return the train function to run, and its arguments.

        That is Keras's own, unless it was traced while nobody listened. Then it is traced once
        more, kept beside it, and used if the new trace is sure to train alike.
        """
        wanted = frozenset(monitor._options for monitor in self.monitors)
        is_method = inspect.ismethod(self.inner)  # whose attributes are those of its class
        known = {} if is_method else getattr(self.inner, "__dict__", {}).setdefault(SCOPE, {})
        for options, function in known.items():
            if wanted <= options:
                return function, args
        is_traced = BACKEND == "jax" or self.model.jit_compile
        if BACKEND == "tensorflow":
            is_traced = _num_traces(self.inner)
        function = self.new_function() if is_traced else self.inner
        if BACKEND == "tensorflow" and function is not self.inner:
            data, args = _example(args[0], self.model.steps_per_execution)
            reason = _difference(self.inner, function, data)
            if reason:
                function = self.inner
            if reason and reason != HEARD:
                text = "nothing is recorded, as the train step was traced by an earlier fit and "
                for monitor in self.monitors:
                    monitor._left_out += monitor._iterations
                    monitor._warn(
                        f"{text}{reason}. Call `compile` again, or give it to the first fit."
                    )
        known[wanted] = function
        return function, args

    def new_function(self):
        """Let Keras make one more train function, which is not traced yet."""
        self.model.train_function = None
        self.model.make_train_function()
        function, self.model.train_function = self.model.train_function, self.inner
        return function

    def cannot_read(self, optimizer, error):
        """Say why an optimizer's updates are not recorded; the training goes on."""
        for monitor in self.monitors:
            monitor._left_out.append(optimizer)
            monitor._warn(f"updates by the optimizer {optimizer.name!r} cannot be read: {error}")

    def is_within(self, optimizer):
        """Return whether this update is a part of one that is heard of already."""
        thread = threading.get_ident()
        return any(
            (thread, optimizer) == pair or getattr(pair[1], "inner_optimizer", None) is optimizer
            for pair in self.open
        )

    def sites(self, optimizer, variables):
        """Return a site for each set of options that the monitors ask for."""
        sites = []
        for options in dict.fromkeys(monitor._options for monitor in self.monitors):
            site = _find_site(self.model, optimizer, variables, options)
            for monitor in self.monitors:
                if monitor._options == options and site is None:
                    monitor._left_out.append(optimizer)  # none of its layers is asked for
                elif monitor._options == options:
                    monitor.adopt(site)
            sites += [site] * (site is not None)
        return sites

    def before(self, optimizer, grads, variables, value):
        """Take the gradients as the weights will see them, before clipping.

        Returns:
            _Update: the sites; dict from `id(variable)` to gradient; None or a boolean tensor (is
            this call an update?); the loss scale still in the gradients; per site pairs
            (variable, copy of its value), if needed.

        """
        self.open.append((threading.get_ident(), optimizer))
        keras_variables = {id(v.value): v for v in self.model.weights} if BACKEND != "jax" else {}
        variables = [keras_variables.get(id(v), v) for v in variables]  # if given raw
        pairs = [
            (v, g)
            for v, g in zip(variables, grads, strict=True)
            if not getattr(v, "overwrite_with_gradient", False)  # float8: a value, no gradient
        ]
        sites = _outside_of_graphs(self.sites, optimizer, [v for v, _ in pairs])
        for site in sites:
            _keep_with_graph(site)
        try:
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            if not optimizer.built and (
                inner is not optimizer or inner.gradient_accumulation_steps
            ):
                with keras.name_scope(optimizer.name, caller=optimizer):  # as Keras does
                    optimizer.build(variables)
            with _named():
                return _Update(self, optimizer, sites, *_look(optimizer, pairs, value, sites))
        except Exception as error:
            self.cannot_read(optimizer, error)
            return _Update(self, optimizer, [], {}, None, 1.0, [])

    def after(self, update, value):
        """TensorFlow and PyTorch: write into the buffers."""
        self.open.remove((threading.get_ident(), update.optimizer))
        try:
            with _named():
                for site, old in zip(update.sites, update.old, strict=True):
                    buffer = {name: variable.value for name, variable in site.buffer.items()}
                    new = site.measure(update, old, value, buffer)
                    if _is_first_replica():
                        with _wait_for(new["rows"][1]):
                            for name, variable in site.buffer.items():
                                _assign(variable, new[name])
        except Exception as error:
            self.cannot_read(update.optimizer, error)

    def with_buffer(self, function, state, iterator):
        """JAX: a step can change only what it is given, so the buffers ride along in the state."""
        weights, others, optimizer_variables, metrics = state
        variables = self.model.trainable_variables
        self.riding = self.sites(self.model.optimizer, variables) if variables else []
        values = [value for site in self.riding for value in site.buffer.values()]
        state = (weights, others, [*optimizer_variables, *values], metrics)
        logs, (weights, others, optimizer_variables, metrics) = function(state, iterator)
        values = iter(optimizer_variables[-len(values) :] if values else ())
        for site in self.riding:
            site.buffer = {name: next(values) for name in site.buffer}
        num = sum(len(site.buffer) for site in self.riding)
        return logs, (
            weights,
            others,
            optimizer_variables[: len(optimizer_variables) - num],
            metrics,
        )

    def stateless_apply(self, original, optimizer, optimizer_variables, grads, weights):
        """JAX: an update with the buffers behind the optimizer's variables."""
        num = len(optimizer.variables)
        riding, theirs = optimizer_variables[num:], optimizer_variables[:num]
        variables = self.model.trainable_variables

        def mapping(new_theirs, new_weights):
            values = {id(v): x for v, x in zip(optimizer.variables, new_theirs, strict=True)}
            values |= {id(v): x for v, x in zip(variables, new_weights, strict=True)}
            return lambda variable: values[id(variable)]

        update = self.before(optimizer, grads, variables, mapping(theirs, weights))
        new_weights, theirs = original(optimizer, theirs, grads, weights)
        value, riding, buffers = mapping(theirs, new_weights), iter(riding), []
        for site, old in zip(self.riding, update.old or [[]] * len(self.riding), strict=True):
            buffer = {name: next(riding) for name in site.buffer}
            if update.sites:
                new = site.measure(update, old, value, buffer)
                index, row = new["rows"]
                new["rows"] = ops.scatter_update(buffer["rows"], [[index]], row[None])
                buffer = {name: ops.cast(new[name], buffer[name].dtype) for name in buffer}
            buffers += buffer.values()
        self.open.remove((threading.get_ident(), optimizer))
        return new_weights, [*theirs, *buffers]


def _look(optimizer, pairs, value, sites):
    """Return gradients by `id(variable)`, whether it is an update, loss scale, old values."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    is_dynamic, steps = inner is not optimizer, inner.gradient_accumulation_steps
    is_update, scale = None, inner.loss_scale_factor or 1.0
    variables, grads = zip(*pairs, strict=True) if pairs else ((), ())
    if is_dynamic:
        scale = ops.copy(value(optimizer.dynamic_scale))
    if steps:
        sums, calls = _accumulated(inner, variables, value)
        grads = [
            None if g is None else (ops.convert_to_tensor(g) / scale + total) / steps
            for g, total in zip(grads, sums, strict=True)
        ]
        scale, is_update = 1.0, ops.equal((calls + 1) % steps, 0)
    grads = _all_reduce(grads)
    if steps and is_dynamic:  # a call that loss scaling skips is recorded too
        is_update = ops.logical_or(is_update, ops.logical_not(optimizer.check_finite(grads)))
    by_id = {id(v): g for v, g in zip(variables, grads, strict=True)}
    old = [
        [(v, ops.copy(value(v))) for v in site.variables] if "weight" in site.options.parts else []
        for site in sites
    ]
    return by_id, is_update, scale, old


def _find_site(model, optimizer, variables, options):
    """Return the site of an earlier trace, so that all traces write into one, or a new one."""
    ids = list(map(id, variables))
    for site in list(_SITES):
        same = site.optimizer is optimizer and site.options == options and site.model() is model
        if same and list(map(id, site.handed)) == ids:
            return site
    groups = _layer_groups(model, [*model.trainable_variables, *variables])
    if options.patterns is not None:
        groups = _select(groups, options.patterns)
    chosen = [v for group in groups.values() for v in group if id(v) in ids]
    return _Site(model, optimizer, variables, chosen, options) if chosen else None


_HEARING = []  # hooks whose train function runs now
_HEARD_CLASSES = {}  # class → number of hooks that need it wrapped, its own method
_LOCK = threading.Lock()
METHOD = "stateless_apply" if BACKEND == "jax" else "apply"


@contextlib.contextmanager
def _listening(hook):
    """Let `hook` hear of updates: wrap `apply` of Keras's optimizers while a train function runs.

    In their classes, as a train step may apply any optimizer, not only those the model knows.
    """
    kinds = [keras.optimizers.Optimizer, keras.optimizers.LossScaleOptimizer]
    kinds += [type(optimizer) for monitor in hook.monitors for optimizer in monitor._iterations]
    classes = {cls for kind in kinds for cls in kind.__mro__ if METHOD in vars(cls)}
    classes.discard(getattr(keras.optimizers, "MultiOptimizer", None))  # it hands on to others
    with _LOCK:
        for cls in classes:
            count, original = _HEARD_CLASSES.get(cls, (0, vars(cls)[METHOD]))
            _HEARD_CLASSES[cls] = (count + 1, original)
            if count == 0:
                setattr(cls, METHOD, _heard(original))
        _HEARING.append(hook)
    try:
        yield
    finally:
        with _LOCK:
            _HEARING.remove(hook)
            for cls in classes:
                count, original = _HEARD_CLASSES.pop(cls)
                if count > 1:
                    _HEARD_CLASSES[cls] = (count - 1, original)
                else:
                    setattr(cls, METHOD, original)


def _heard(original):
    """Wrap `apply` of an optimizer's class. No control flow here: autograph may convert it."""

    def apply(optimizer, grads, *args, **kwargs):
        update = _before(optimizer, grads, *args, **kwargs)
        result = original(optimizer, grads, *args, **kwargs)
        _after(update)
        return result

    def stateless_apply(optimizer, optimizer_variables, grads, trainable_variables):
        hook = _hook_for(optimizer)
        args = (optimizer, optimizer_variables, grads, trainable_variables)
        if hook is None or optimizer is not hook.model.optimizer:
            return original(*args)
        return hook.stateless_apply(original, *args)

    return stateless_apply if BACKEND == "jax" else apply


def _hook_for(optimizer):
    """Return the hook of the train step that this update is a part of, or None."""
    thread, strategy = threading.get_ident(), None
    if BACKEND == "tensorflow" and tf.distribute.has_strategy():  # each replica has its thread
        strategy = tf.distribute.get_strategy()
    for hook in reversed(_HEARING):
        if hook.thread == thread or (strategy and hook.model.distribute_strategy is strategy):
            return None if hook.is_within(optimizer) else hook
    return None


def _current_value(variable):
    return variable.value if isinstance(variable, keras.Variable) else variable


@_as_written
def _before(optimizer, grads, trainable_variables=None, *args, **kwargs):
    hook = _hook_for(optimizer)
    if trainable_variables is None:
        trainable_variables = getattr(optimizer, "_trainable_variables", ())  # as `apply` does
    # An iterator can be read only once, and Keras itself refuses lists of different lengths.
    are_lists = all(isinstance(part, (list, tuple)) for part in (grads, trainable_variables))
    if hook is None or not are_lists or not 0 < len(grads) == len(trainable_variables):
        return None
    return hook.before(optimizer, grads, trainable_variables, _current_value)


@_as_written
def _after(update):
    if update is not None:
        update.hook.after(update, _current_value)


def _accumulated(optimizer, variables, value):
    """Return the running sum of each variable's gradients and the number of calls so far.

    Both are private in Keras: `optimizer.iterations` is already divided by the accumulation steps,
    and no public name gives the sums.
    """
    sums, index = optimizer._accumulated_gradients, optimizer._get_variable_index
    return [value(sums[index(v)]) for v in variables], value(optimizer._iterations)


def _optimizers(model):
    """Return the optimizer of `compile` and those in attributes of the model, lists and dicts."""
    values = []
    for value in vars(model).values():
        values += value.values() if isinstance(value, dict) else [value]
        values += value if isinstance(value, (list, tuple)) else []
    found = [model.optimizer, *values]
    found = [item for item in found if isinstance(item, keras.optimizers.Optimizer)]
    return list(dict.fromkeys(found))


def _iterations(optimizer):
    """Return how many updates an optimizer has counted."""
    try:
        return int(ops.convert_to_numpy(optimizer.iterations))
    except Exception:  # one that is not Keras's own need not count
        return 0


# ---- a train step that TensorFlow has traced already ----

HEARD = "heard"


def _traced(train_function):
    """Return the tf.function of one step in Keras's train function, None if it runs eagerly.

    Only the closure has it; Keras has no public name for it.
    """
    try:
        found = inspect.getclosurevars(train_function).nonlocals.get("one_step_on_data")
    except TypeError:
        return None
    kind = tf.types.experimental.PolymorphicFunction
    found = found if isinstance(found, kind) else getattr(found, "__wrapped__", None)
    return found if isinstance(found, kind) else None


def _num_traces(train_function):
    step = _traced(train_function)
    return 0 if step is None else step.experimental_get_tracing_count()


def _example(iterator, num_batches):
    """Return what one step is given, as arrays or their specification, and the arguments anew."""
    if hasattr(iterator, "element_spec"):
        data = tf.nest.map_structure(
            lambda spec: None if isinstance(spec, tf.OptionalSpec) else spec, iterator.element_spec
        )
        return data, (iterator,)
    batches = list(itertools.islice(iterator, num_batches))
    return batches[0], (iter(batches),)


def _difference(plain, new, data):
    """Trace `new` and say what could make it train otherwise than `plain`; None if nothing.

    Python values are fixed when a step is traced, and TensorFlow's own random operations count
    from the start in each trace. So both must consist of the same operations and variables, none
    of them random, apart from what is measured.
    """
    before = _num_traces(plain)
    plain_graph = _traced(plain).get_concrete_function(data).graph
    if _num_traces(plain) > before:
        return HEARD  # data of a new shape: Keras's own was traced just now
    step = _traced(new)
    if step is None:
        return "cannot be traced anew"
    new_graph = step.get_concrete_function(data).graph
    buffers = {id(v.value) for site in list(_SITES) for v in site.buffer.values()}
    buffers |= set(map(id, _GATES.values()))
    variables = [{id(v) for v in graph.variables} - buffers for graph in (plain_graph, new_graph)]
    contents, randoms = zip(*map(_contents, (plain_graph, new_graph)), strict=True)
    if any(randoms):
        return "has random operations of TensorFlow, which would begin anew"
    if contents[0] != contents[1] or variables[0] != variables[1]:
        return "would be another if traced now: a value or a flag was changed since"
    return None


def _contents(graph):
    """Count the operations of a graph with their settings; say whether some are random."""
    definition = graph.as_graph_def()
    nodes = list(definition.node)
    for function in definition.library.function:
        nodes += () if SCOPE in function.signature.name else function.node_def
    counts, is_random = collections.Counter(), False
    for node in nodes:
        kinds = {value.WhichOneof("value") for value in node.attr.values()}
        if SCOPE in node.name or node.op == "Placeholder":
            continue
        is_random |= "seed2" in node.attr
        settings = sorted(node.attr.items()) if "func" not in kinds else ()
        settings = [(k, v.SerializeToString()) for k, v in settings if not k.startswith("_")]
        counts[node.op, *settings] += 1
    return counts, is_random


# ---- what differs between the backends ----


def _device_value(shape, dtype):
    """Create a zero that lives on the device: in JAX an array, otherwise a variable."""
    dtype = keras.backend.standardize_dtype(dtype)
    if BACKEND == "jax":
        return ops.zeros(shape, dtype)
    # Named, because a name made by Keras would change those of the user's next variables.
    return keras.Variable("zeros", shape, dtype, trainable=False, name="gradient_monitor")


def _assign(variable, new):
    """Assign a value, or one row `(index, row)` in place."""
    if not isinstance(new, tuple):
        variable.assign(ops.cast(new, variable.dtype))
    elif BACKEND == "tensorflow":
        variable.value.scatter_update(tf.IndexedSlices(new[1], new[0]))
    else:
        variable.value.index_copy_(0, new[0].reshape(1).long(), new[1][None])


def _cleared(value):
    """Fill with zeros: in JAX a new array, otherwise the same variable."""
    if BACKEND != "jax":
        value.assign(ops.zeros(value.shape, value.dtype))
        return value
    return ops.zeros(value.shape, value.dtype)


def _wait_for(row):
    """In a TensorFlow graph, let no step be counted when there is no batch left to measure."""
    return tf.control_dependencies([row]) if BACKEND == "tensorflow" else contextlib.nullcontext()


def _where(wanted, function, shapes):
    """Run `function` only if wanted. In PyTorch always: asking the device would wait for it."""
    if wanted is None:
        return function()
    if BACKEND == "torch":
        return [ops.where(wanted, result, 0.0) for result in function()]
    return ops.cond(wanted, function, lambda: [ops.zeros(shape, "float32") for shape in shapes])


def _outside_of_graphs(function, *args):
    """Call at once, while a graph is being built: another thread builds none.

    `tf.init_scope` would not do: tf.function counts variables made in it, and traces once more.
    """
    if BACKEND != "tensorflow" or tf.executing_eagerly():
        return function(*args)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


def _named():
    """In TensorFlow: let what is inserted into a graph be told apart by its name."""
    return tf.name_scope(SCOPE) if BACKEND == "tensorflow" else contextlib.nullcontext()


def _set_gate(model, number):
    """In TensorFlow: let the graph write into the buffers, or not, by a variable that it reads."""
    if BACKEND != "tensorflow":
        return
    if model not in _GATES:
        _GATES[model] = tf.Variable(number, name=SCOPE, trainable=False)
    gate = _GATES[model]
    if isinstance(gate, tf.distribute.DistributedValues):  # made within a strategy's scope
        gate.assign(number)
    else:  # half as dear as `assign`, and made twice for each batch
        tf.raw_ops.AssignVariableOp(resource=gate.handle, value=tf.constant(number))


def _call_number(gate):
    """Return the number of this call, and whether it is listened to: None if that is sure."""
    if BACKEND != "tensorflow":
        return ops.zeros((), "int32"), None
    number = ops.copy(gate)
    return number, None if tf.executing_eagerly() else number >= 0


def _keep_with_graph(site):
    """In TensorFlow: let the site live as long as the graph that writes into it."""
    if BACKEND != "tensorflow" or tf.executing_eagerly():
        return
    graph = tf.compat.v1.get_default_graph()
    while getattr(graph, "is_control_flow_graph", False):  # a branch of tf.cond, a body of a loop
        graph = graph.outer_graph
    graph.add_to_collection(SCOPE, site)


def _replica_context():
    """Return the context of this replica of a tf.distribute strategy; None if it is alone."""
    context = tf.distribute.get_replica_context() if BACKEND == "tensorflow" else None
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def _is_first_replica():
    context = _replica_context()
    return context is None or tf.get_static_value(context.replica_id_in_sync_group) in (0, None)


def _all_reduce(grads):
    """Sum over the replicas, as the optimizer will."""
    context = _replica_context()
    if context is None:
        return grads
    present = [tf.convert_to_tensor(g) for g in grads if g is not None]
    reduced = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if g is None else next(reduced) for g in grads]


def _dense_rows(gradient, variable):
    """Return the gradient, for tf.IndexedSlices its rows with those of equal index added up."""
    if gradient is None:
        return None
    if not hasattr(gradient, "indices") or BACKEND != "tensorflow":
        return ops.cast(gradient, "float32")
    # The first position of each index: linear time and fixed shapes, so XLA can compile it.
    count = tf.shape(gradient.indices)[0]
    first = tf.math.unsorted_segment_min(tf.range(count), gradient.indices, variable.shape[0])
    rows = tf.gather(first, gradient.indices)
    return tf.cast(tf.math.unsorted_segment_sum(gradient.values, rows, count), "float32")


def _norms(arrays, wide_range):
    """L2 norm of each array, and NO_GRADIENT where there is none: a tensor (V,)."""
    missing = np.array([array is None for array in arrays])
    norm = _scaled_norm if wide_range else _sum_of_squares
    norms = ops.stack([0.0 if array is None else norm(array) for array in arrays])
    norms = norms if wide_range else ops.sqrt(SQUARES_PER_SUM * norms)
    return ops.where(missing, NO_GRADIENT, norms) if missing.any() else norms


# What `_sum_of_squares` gives times this is the sum: l2_loss is a third faster than square and sum.
SQUARES_PER_SUM = 2.0 if BACKEND == "tensorflow" else 1.0


def _sum_of_squares(array):
    return tf.nn.l2_loss(array) if BACKEND == "tensorflow" else ops.sum(array * array)


def _scaled_norm(array):
    largest = ops.max(ops.abs(array))
    largest = ops.where(largest > 0, largest, 1.0)
    return largest * ops.sqrt(SQUARES_PER_SUM * _sum_of_squares(array / largest))


def _reduce(stat, gradient, size):
    """Reduce one gradient to its mean, its max or its share of zeros."""
    if gradient is None:
        return ops.convert_to_tensor(NO_GRADIENT, "float32")
    if stat == "mean":
        return ops.sum(ops.abs(gradient)) / size
    if stat == "max":
        return ops.max(ops.abs(gradient))
    nonzero = ops.sum(ops.cast(ops.not_equal(gradient, 0), "float32"))
    return (size - nonzero) / size


def _histogram(gradient, size):
    """Count the entries in each bin; rows that are left out of tf.IndexedSlices are zeros."""
    if gradient is None:
        return ops.zeros((2 * HALF,), "float32")
    flat = ops.reshape(gradient, (-1,))
    if BACKEND == "tensorflow":
        bits = tf.bitcast(flat, tf.int32)
    else:
        bits = flat.view("int32" if BACKEND == "jax" else torch.int32)
    bins = ops.bitwise_and(ops.right_shift(bits, BIN_BITS), 2 * HALF - 1)
    counts = ops.segment_sum(ops.ones_like(bins), bins, num_segments=2 * HALF)
    counts = ops.cast(counts, "float32")
    absent = ops.cast(size - ops.sum(counts), "float32")
    return counts + absent * ops.one_hot(0, 2 * HALF, dtype="float32")


def _from_bins(counts):
    """Put bins (E, 2 × HALF) in order of value; return them and their edges, empty ones merged."""
    counts = np.concatenate([counts[:, 2 * HALF - 3 : HALF - 1 : -1], counts[:, : HALF - 2]], 1)
    used = counts.any(axis=0)
    used[HALF - 2] |= not used.any()  # at least the bin of 0
    edges = np.flatnonzero(np.append(used, False) | np.append(False, used))
    return np.add.reduceat(counts, edges[:-1], axis=1), EDGES[edges]


# ---- names ----


def _layer_groups(model, wanted):
    """Return a dict from layer name to those of its variables that are wanted, in forward order."""
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
    return [p for p in parts[parts.index(layer.name) + 1 :] if not p.startswith(cells)]


def _unique(pairs):
    groups = {}
    for name, variables in pairs:
        new, count = name, 1
        while new in groups:
            count += 1
            new = f"{name}_{count}"
        groups[new] = variables
    return groups


def _select(groups, patterns):
    chosen = set()
    for pattern in patterns:
        hits = fnmatch.filter(groups, pattern)
        if not hits:
            nearest = difflib.get_close_matches(pattern, groups, 1, 0.0)
            message = f"No layer {pattern!r}. Did you mean {nearest[0]!r}? The layers with "
            raise ValueError(f"{message}trainable weights are {list(groups)}.")
        chosen.update(hits)
    return {name: variables for name, variables in groups.items() if name in chosen}


# ---- TensorBoard ----


def _new_event_file(folder):
    """Name a file in TensorBoard's format and check that it can be written."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"events.out.tfevents.{time.time():.6f}.gradients")
    _append_events(path, [])
    return path


def _append_events(path, events):
    """Append `(step, list of summary values as dicts)` to an event file, and close it."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    with open(path, "ab") as file:
        if file.tell() == 0:
            version = Event(wall_time=time.time(), file_version="brain.Event:2")
            RecordWriter(file).write(version.SerializeToString())
        for step, values in events:
            summary = Summary(value=[Summary.Value(**value) for value in values])
            event = Event(wall_time=time.time(), step=int(step), summary=summary)
            RecordWriter(file).write(event.SerializeToString())


def _scalars(steps, stats, layers):
    for i, step in enumerate(steps):
        yield (
            step,
            [
                {"tag": f"gradient_{stat}/{layer}", "simple_value": float(value)}
                for stat, values in stats.items()
                for layer, value, present in zip(
                    layers, values[i], stats["updated"][i], strict=True
                )
                if stat != "updated" and present
            ],
        )


def _histogram_values(names, counts):
    for name, row in zip(names, counts, strict=True):
        (bucket,), edges = _from_bins(row[None])
        edges = edges.astype("float64")
        centers = (edges[1:] + edges[:-1]) / 2
        histogram = {"min": edges[0], "max": edges[-1], "num": bucket.sum()}
        histogram |= {"sum": bucket @ centers, "sum_squares": bucket @ centers**2}
        histogram |= {"bucket_limit": edges[1:], "bucket": bucket}
        yield {"tag": f"gradient/{name}", "histo": histogram}
