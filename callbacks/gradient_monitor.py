"""GradientMonitor: every layer's gradient, every step, read inside the compiled train step.

Copy this file alone: it needs Keras 3 and NumPy (matplotlib for `plot`, tensorboard for `log_dir`).
"""

import contextlib
import csv
import difflib
import fnmatch
import os
import time
import warnings

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
NO_GRADIENT = -1.0  # a norm is never negative, so NaN stays free for real NaNs
# The upper 10 bits of a float32 (sign, exponent, 1 bit of the mantissa) number its histogram bin:
# 512 bins of rising size for the positive, then for the negative; the last 2 of each not finite.
BIN_BITS, HALF = 22, 512
LIMITS = (np.arange(HALF - 1, dtype="int32") << BIN_BITS).view("float32")  # 0, 1e-38, ..., inf
EDGES = np.concatenate([-LIMITS[:0:-1], LIMITS]).clip(-3.4e38, 3.4e38)


class GradientMonitor(keras.callbacks.Callback):
    """Record the norm of every layer's gradient at every optimizer step of `fit`.

    They are read where they already exist, in the compiled train step as the optimizer receives
    them: of the real batch, summed over replicas, loss scale removed, averaged over accumulation
    steps, before clipping. There is no second forward or backward pass; the numbers stay in a
    buffer on the device, fetched once per some hundred steps. The step is traced once per `fit`.

    Each `fit` starts a new record. A step skipped by loss scaling is a row with NaN or infinity, a
    layer that gets no gradient a column of NaN. Norms are float32 sums of squares: below about
    1e-19 they read 0, above 1e19 infinity, unless `wide_range` is set. Keras itself fails when
    gradients are accumulated under `tf.distribute.MirroredStrategy`, and so does this.

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
        layer_names: list of str, the L layers (or variables) with trainable weights in forward
            order; unique, nested layers as paths.
        steps: int64 array (T,), the optimizer step of each row, counted from
            `optimizer.iterations` at the start of `fit`; skipped steps count.
        norms: float32 array (T, L), L2 norm over all trainable gradients of the layer.
        stats: dict of such arrays: `"norm"` and the quantities asked for.

    Raises:
        ValueError: before training, if an argument, the model or a path cannot work; a wrong layer
            name in a subclassed model that is not built yet, at the first step before any update.
        RuntimeError: if this Keras version has no hook that we know.

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
        self._hook = None
        self.layer_names, self._variable_names, self._variables = [], [], []
        self._buffer = {}  # on the device: rows, seen (steps so far), histogram (of this epoch)
        self._kept = {name: [] for name in ("step", *self._stats)}  # arrays to be put together
        self._kept_histograms = []  # per epoch: which of the V × bins are not 0, their counts
        self._never = None  # per layer: no gradient in any row so far
        self._num_fetched = 0  # rows fetched from the device in this fit
        self._spacing = 1
        self._batches, self._batches_until_fetch = 0, 1
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
    def histograms(self):
        """Dict from variable to (counts (E, B), edges (B + 1,)) of its gradient's entries."""
        counts = np.zeros((len(self._kept_histograms), len(self._variable_names), 2 * HALF))
        for epoch, (places, numbers) in zip(counts, self._kept_histograms, strict=True):
            epoch.flat[places] = numbers
        return {name: _from_bins(counts[:, i]) for i, name in enumerate(self._variable_names)}

    def summary(self):
        """Print and return a table: median, min and max of each layer's norm, first row / last row.

        Below it stand the number of rows that are not finite and the layers without gradient.
        """
        norms = self.norms
        width = max([5, *map(len, self.layer_names)])
        heads = ("median", "min", "max", "first/last")
        lines = [f"{'layer':<{width}}" + "".join(f"{head:>12}" for head in heads)]
        for name, column in zip(self.layer_names, norms.T, strict=True):
            finite = column[np.isfinite(column)] if np.isfinite(column).any() else [np.nan]
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = column[0] / column[-1] if len(column) else np.nan
            values = (np.median(finite), np.min(finite), np.max(finite), ratio)
            lines.append(f"{name:<{width}}" + "".join(f"{value:>12.3g}" for value in values))
        never = np.zeros(len(self.layer_names), bool) if self._never is None else self._never
        skipped = (~np.isfinite(norms[:, ~never])).any(axis=1).sum()
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
            self._write_csv(file, self.steps, self.stats)
        os.replace(unfinished, path)

    def _write_csv(self, file, steps, stats):
        writer = csv.writer(file)
        if file.tell() == 0:
            others = [f"{name}/{stat}" for stat in self._stats[1:] for name in self.layer_names]
            writer.writerow(["step", *self.layer_names, *others])
        rows = np.concatenate(list(stats.values()), axis=1).tolist()
        writer.writerows([step, *row] for step, row in zip(steps, rows, strict=True))

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
            style += "o" if len(steps) == 1 else ""
            curves.semilogy(steps, positive[:, i], style, color=color, label=f"{which}: {names[i]}")
            curves.legend()
        title, label = "First and last layer", "L2 norm of the gradient"
        curves.set(title=title, xlabel="optimizer step", ylabel=label)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    # ---- training ----

    def on_train_begin(self, logs=None):
        """Forget the last run and check that everything asked for can work."""
        if self._hook is not None:  # the last fit was interrupted
            self._fetch()
            self._hook.disarm()
        self._reset()
        if getattr(self.model, "optimizer", None) is None:
            raise ValueError("GradientMonitor needs a model compiled with an optimizer.")
        if BACKEND == "jax" and keras.distribution.distribution() is not None:
            raise ValueError("GradientMonitor does not work with keras.distribution on JAX.")
        _check_keras(self.model)
        if self.model.built:
            self._name_columns()
        elif self._patterns is not None and isinstance(self.model, keras.Sequential):
            plain = [name for name in self._patterns if not set(name) & set("/*?[")]
            _select({layer.name: [] for layer in self.model.layers}, plain)
        try:
            if self._csv_path is not None:
                open(self._csv_path, "w", encoding="utf-8").close()
            if self._log_dir is not None:
                self._event_file = _new_event_file(str(self._log_dir))
        except OSError as error:
            raise ValueError(f"The CSV or the log folder cannot be written: {error}") from error
        except ImportError as error:
            raise ValueError("`log_dir` needs the package tensorboard.") from error

    def on_epoch_begin(self, epoch, logs=None):
        """Put the hook in at the first epoch; begin a histogram at each."""
        if self._hook is None:
            self._first_step = int(ops.convert_to_numpy(self.model.optimizer.iterations))
            if self.model.built:
                self._allocate()
            self._hook = _Hook(self)
        elif self._want_histograms:
            self._buffer["histogram"] = _cleared(self._buffer["histogram"])

    def on_train_batch_begin(self, batch, logs=None):
        """Look at the gradients of this batch."""
        self._hook.arm()

    def on_train_batch_end(self, batch, logs=None):
        """Fetch the rows when the buffer may be full at the next batch."""
        if not self._hook.has_run:  # never a silent zero
            message = f"GradientMonitor saw no train step of Keras {keras.__version__}; "
            raise RuntimeError(f"{message}does a callback hand on its calls incompletely?")
        self._batches += 1
        if self._batches >= self._batches_until_fetch:
            self._fetch()

    def on_epoch_end(self, epoch, logs=None):
        """Fetch the rows and the histogram, and bring the files up to date."""
        self._fetch()
        if self._want_histograms:
            counts = ops.convert_to_numpy(self._buffer["histogram"])
            places = np.flatnonzero(counts).astype("int32")
            self._kept_histograms.append((places, counts.flat[places]))
            self._write([], {}, [(epoch, _histogram_values(self._variable_names, counts))])

    def on_train_end(self, logs=None):
        """Fetch the rest."""
        self._fetch()
        self._hook = None

    def _name_columns(self):
        """Decide which variable belongs to which column."""
        groups = _layer_groups(self.model)
        if not groups:
            raise ValueError("The model has no trainable weights: nothing for GradientMonitor.")
        if self._patterns is not None:
            groups = _select(groups, self._patterns)
        pairs = [(layer, v) for layer, variables in groups.items() for v in variables]
        single = _unique((f"{layer}/{variable.name}", [variable]) for layer, variable in pairs)
        groups = single if self._per_variable else groups
        self.layer_names, self._variable_names = list(groups), list(single)
        self._variables = [variable for _, variable in pairs]
        self._starts = np.cumsum([0, *map(len, groups.values())])[:-1]
        self._sizes = np.array([np.prod(v.shape, dtype="float64") for v in self._variables])

    def _allocate(self):
        """Create the buffer on the device; a row is a loss scale and parts × variables."""
        if not self._variables:
            self._name_columns()
        self._parts = ["norm", *["change", "weight"] * self._want_ratio, *self._simple]
        num_variables = len(self._variables)
        self._capacity = max(BUFFER_ROWS, 4 * self.model.steps_per_execution)
        self._row_shapes = [(1 + len(self._parts) * num_variables,)]
        rows = _device_value((self._capacity, *self._row_shapes[0]), "float32")
        self._buffer = {"rows": rows, "seen": _device_value((), "int")}
        if self._want_histograms:
            self._row_shapes.append((num_variables, 2 * HALF))
            self._buffer["histogram"] = _device_value(self._row_shapes[1], "float32")

    # ---- inside the compiled step ----

    def _measure(self, gradients, is_update, scale, old, value, buffer):
        """Compute what the buffer is to hold after a step, from what `before_update` returned.

        `value` gives a variable's tensor; `buffer` and the result are dicts of tensors, where the
        new row is a pair (index, row).
        """
        gradients = [_dense_rows(gradients.get(id(v)), v) for v in self._variables]
        seen = ops.copy(buffer["seen"])
        wanted, row_number = is_update, seen
        if self._every > 1:
            due = ops.equal(seen % self._every, 0)
            wanted = due if wanted is None else ops.logical_and(wanted, due)
            row_number = (seen + self._every - 1) // self._every

        def measured():
            ratio = [value(v) - o for v, o in old] + [o for _, o in old]
            parts = [
                ops.stack([ops.cast(scale, "float32")]),
                _norms(gradients + ratio, self._wide_range),
            ]
            pairs = list(zip(gradients, self._sizes, strict=True))
            parts += [ops.stack([_reduce(stat, *pair) for pair in pairs]) for stat in self._simple]
            histograms = [ops.stack([_histogram(*pair) for pair in pairs])] * self._want_histograms
            return [ops.concatenate(parts), *histograms]

        step = 1 if is_update is None else ops.cast(is_update, seen.dtype)
        row, *histograms = _where(wanted, measured, self._row_shapes)
        new = {"rows": (row_number % self._capacity, row), "seen": seen + step}
        if histograms:
            new["histogram"] = buffer["histogram"] + histograms[0]
        return new

    # ---- from the device to the host ----

    def _fetch(self):
        """Copy the new rows out of the buffer; the only host synchronisation."""
        seen = self._buffer.get("seen")
        if self._hook is None or seen is None or (BACKEND == "jax" and seen.is_deleted()):
            return  # nothing yet; or on JAX a step that failed had begun to reuse the memory
        total = -(-int(ops.convert_to_numpy(seen)) // self._every)
        new = total - self._num_fetched
        if self._batches:  # the first batch tells how many rows a batch brings
            per_batch = max(self.model.steps_per_execution, -(-new // self._batches))
            self._batches_until_fetch = max(1, self._capacity // per_batch - 1)
            self._batches = 0
        if new <= 0:
            return
        if new > self._capacity:
            lost = new - self._capacity
            warnings.warn(f"GradientMonitor lost {lost} rows: too many in one step.", stacklevel=2)
        numbers = np.arange(total - min(new, self._capacity), total)
        raw = np.array(ops.convert_to_numpy(self._buffer["rows"]))[numbers % self._capacity]
        self._num_fetched = total
        steps, stats = self._first_step + numbers * self._every, self._per_column(raw)
        self._write(steps, stats)
        for name, values in [("step", steps), *stats.items()]:
            self._kept[name].append(values[numbers % self._spacing == 0])
        row_bytes = 8 + 4 * len(self.layer_names) * len(self._stats)
        most = max(1, self._memory_limit // row_bytes)
        while sum(map(len, self._kept["step"])) > most:
            self._spacing *= 2
            self._kept = {name: [np.concatenate(x)[::2]] for name, x in self._kept.items()}

    def _per_column(self, raw):
        """Turn raw rows (T, 1 + stats × V) into a dict of float32 arrays (T, L)."""

        def add(values):
            return np.add.reduceat(values, self._starts, axis=1)

        scale, *parts = np.split(raw.astype("float64"), range(1, raw.shape[1], len(self._sizes)), 1)
        parts = dict(zip(self._parts, parts, strict=True))
        missing = parts["norm"] == NO_GRADIENT
        absent = np.logical_and.reduceat(missing, self._starts, axis=1)
        never = absent.all(axis=0)
        self._never = never if self._never is None else self._never & never
        sizes = np.where(missing, 0, self._sizes)
        norms = {
            k: np.sqrt(add(np.where(missing, 0, parts[k]) ** 2))
            for k in parts
            if k not in self._simple
        }
        stats = {}
        with np.errstate(all="ignore"):
            for stat in self._stats:
                if stat == "norm":
                    values = norms["norm"] / scale
                elif stat == "update_ratio":
                    values = norms["change"] / norms["weight"]
                elif stat == "max":
                    values = np.maximum.reduceat(parts["max"], self._starts, axis=1) / scale
                else:
                    sums = add(np.where(missing, 0, parts[stat]) * sizes)
                    values = sums / add(sizes) / (scale if stat == "mean" else 1)
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
            message = f"GradientMonitor stops writing files ({error}); the data stay in memory."
            warnings.warn(message, stacklevel=2)


# ---- the hook ----


class _Hook:
    """Wraps the optimizer's `apply`, but only while Keras runs the train function.

    At each batch `arm` lets `model.train_function` point to `step`, which first points it back.
    So whatever ends a fit finds model and optimizer as they were; only an error between the two,
    in another callback, leaves the pointer, until Keras asks for the train function of the next
    fit. Keras has no public place between the gradients and the optimizer; `train_function` is
    where `fit` looks it up.
    """

    def __init__(self, monitor):
        self.monitor, self.model = monitor, monitor.model
        self.optimizer = self.model.optimizer
        self.has_run, self.unarm = False, None
        plain, self.model.train_function = self.model.train_function, None
        self.model.make_train_function()
        self.traced, self.model.train_function = self.model.train_function, plain

    def arm(self):
        """Run `step` in place of the next call of the train function."""
        self.inner = self.model.train_function
        vars(self.model)["train_function"] = self.step  # past Keras's tracking of attributes
        self.unarm = _shadow(self.model, "make_train_function", self.make_train_function)

    def disarm(self):
        """Let the model have its train function back, unless it was recompiled since."""
        if self.unarm is not None:
            self.unarm()
            self.unarm = None
            if self.model.train_function == self.step:
                vars(self.model)["train_function"] = self.inner

    def make_train_function(self, force=False):
        """Keras calls this as a fit begins: the last one ended between `arm` and `step`."""
        self.disarm()
        self.model.make_train_function(force=force)

    def step(self, *args):
        """One call of the train function with the gradients looked at."""
        self.disarm()
        self.has_run = True
        is_other_monitor = isinstance(getattr(self.inner, "__self__", None), _Hook)
        function = self.inner if is_other_monitor else self.traced
        name = "stateless_apply" if BACKEND == "jax" else "apply"
        self.original = getattr(self.optimizer, name)
        undo = _shadow(self.optimizer, name, getattr(self, name))
        try:
            return self.with_buffer(function, *args) if BACKEND == "jax" else function(*args)
        finally:
            undo()

    def apply(self, grads, trainable_variables=None):
        """TensorFlow and PyTorch: `optimizer.apply`, with a look at the gradients."""
        grads = list(grads)
        variables = self.model.trainable_variables
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            mine = {id(variable.value): variable for variable in variables}  # if given raw
            variables = [mine.get(id(variable), variable) for variable in trainable_variables]
        if not self.monitor._buffer:  # a model that Keras builds in its first train step
            self.monitor._allocate()
        buffer = self.monitor._buffer

        def value(variable):
            return variable.value

        before = self.before_update(grads, variables, value)
        result = self.original(grads, trainable_variables)
        new = self.monitor._measure(*before, value, {name: v.value for name, v in buffer.items()})
        context = _replica_context()
        if context is None or tf.get_static_value(context.replica_id_in_sync_group) in (0, None):
            with _wait_for(new["rows"][1]):
                for name, variable in buffer.items():
                    _assign(variable, new[name])
        return result

    def with_buffer(self, function, state, iterator):
        """JAX: a step can change only what it is given, so the buffer rides along in the state."""
        self.names, values = zip(*self.monitor._buffer.items(), strict=True)
        weights, others, optimizer_variables, metrics = state
        state = (weights, others, [*optimizer_variables, *values], metrics)
        logs, (weights, others, optimizer_variables, metrics) = function(state, iterator)
        values = optimizer_variables[-len(values) :]
        self.monitor._buffer = dict(zip(self.names, values, strict=True))
        return logs, (weights, others, optimizer_variables[: -len(values)], metrics)

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """JAX: the same as `apply`, with the buffer behind the optimizer's variables."""
        num = len(self.names)
        variables, theirs = self.model.trainable_variables, optimizer_variables[:-num]
        buffer = dict(zip(self.names, optimizer_variables[-num:], strict=True))
        values = {id(v): x for v, x in zip(self.optimizer.variables, theirs, strict=False)}
        values |= {id(v): x for v, x in zip(variables, trainable_variables, strict=True)}

        def value(variable):
            return values[id(variable)]

        before = self.before_update(grads, variables, value)
        weights, theirs = self.original(theirs, grads, trainable_variables)
        values = {id(v): x for v, x in zip(variables, weights, strict=True)}
        new = self.monitor._measure(*before, value, buffer)
        index, row = new["rows"]
        new["rows"] = ops.scatter_update(buffer["rows"], [[index]], row[None])
        return weights, [*theirs, *(ops.cast(new[n], buffer[n].dtype) for n in self.names)]

    def before_update(self, grads, variables, value):
        """Take the gradients as the weights will see them, before clipping.

        Returns:
            dict from `id(variable)` to gradient; None or a boolean tensor (is this call an
            update?); the loss scale still in the gradients; pairs (variable, copy of its
            value), if needed.

        """
        optimizer = self.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        is_dynamic, steps = inner is not optimizer, inner.gradient_accumulation_steps
        if (is_dynamic or steps) and not optimizer.built:
            with keras.name_scope(optimizer.name, caller=optimizer):  # as Keras does
                optimizer.build(variables)
        is_update, scale = None, inner.loss_scale_factor or 1.0
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
        mine = self.monitor._variables if self.monitor._want_ratio else []
        return by_id, is_update, scale, [(v, ops.copy(value(v))) for v in mine]


def _accumulated(optimizer, variables, value):
    """Return the running sum of each variable's gradients and the number of calls so far.

    Both are private in Keras: `optimizer.iterations` is already divided by the accumulation steps,
    and no public name gives the sums. Nothing else here reads a private attribute.
    """
    sums, index = optimizer._accumulated_gradients, optimizer._get_variable_index
    return [value(sums[index(v)]) for v in variables], value(optimizer._iterations)


def _shadow(item, name, function):
    """Shadow a method by an instance attribute; return the function that takes it away."""
    before = vars(item).get(name)
    vars(item)[name] = function

    def undo():
        if before is None:
            vars(item).pop(name, None)
        else:
            vars(item)[name] = before

    return undo


def _check_keras(model):
    """Fail clearly on a Keras whose models or optimizers lack what this file uses."""
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    of_optimizer = "apply stateless_apply build iterations _iterations _get_variable_index "
    of_optimizer += "gradient_accumulation_steps loss_scale_factor"
    of_model = "make_train_function train_function steps_per_execution"
    missing = [name for name in of_optimizer.split() if not hasattr(inner, name)]
    missing += [name for name in of_model.split() if not hasattr(model, name)]
    if missing:
        version = keras.__version__
        raise RuntimeError(f"GradientMonitor does not know Keras {version}: {missing} not found.")


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


def _replica_context():
    """Return the context of this replica of a tf.distribute strategy; None if it is alone."""
    context = tf.distribute.get_replica_context() if BACKEND == "tensorflow" else None
    return context if context is not None and context.num_replicas_in_sync > 1 else None


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


def _layer_groups(model):
    """Return a dict from layer name to its trainable variables, in forward order."""
    left = {id(variable) for variable in model.trainable_variables}
    pairs = []

    def visit(layer, prefix):
        if isinstance(layer, keras.Model):
            for inner in layer.layers:
                visit(inner, [*prefix, inner.name])
        own = {}
        for variable in layer.trainable_variables:
            if id(variable) in left:
                left.remove(id(variable))
                own.setdefault(tuple(_sub_path(layer, variable)), []).append(variable)
        pairs.extend(("/".join([*prefix, *path]) or model.name, vs) for path, vs in own.items())

    visit(model, [])
    return _unique(pairs)


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
    tags = [f"gradient_{stat}/{layer}" for stat in stats for layer in layers]
    for i, step in enumerate(steps):
        row = np.concatenate([values[i] for values in stats.values()])
        yield step, [{"tag": t, "simple_value": float(x)} for t, x in zip(tags, row, strict=True)]


def _histogram_values(names, counts):
    for name, row in zip(names, counts, strict=True):
        (bucket,), edges = _from_bins(row[None])
        edges = edges.astype("float64")
        centers = (edges[1:] + edges[:-1]) / 2
        histogram = {"min": edges[0], "max": edges[-1], "num": bucket.sum()}
        histogram |= {"sum": bucket @ centers, "sum_squares": bucket @ centers**2}
        histogram |= {"bucket_limit": edges[1:], "bucket": bucket}
        yield {"tag": f"gradient/{name}", "histo": histogram}
