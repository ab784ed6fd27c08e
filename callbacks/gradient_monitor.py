"""GradientMonitor: every layer's gradient, every step, read inside the compiled train step.

Copy this file alone: it needs Keras 3 and NumPy (matplotlib for `plot`, tensorboard for `log_dir`).
"""

import csv
import difflib
import fnmatch
import os
import time
import warnings

import keras
import numpy as np
from keras import ops

EXTRA_STATS = ("mean", "max", "zeros", "update_ratio")
HISTOGRAM_BINS = 40
BUFFER_ROWS = 256  # rows kept on the device between two fetches
NO_GRADIENT = -1.0  # sums of squares are never negative, so NaN stays free for real NaNs


class GradientMonitor(keras.callbacks.Callback):
    """Record the norm of every layer's gradient at every optimizer step of `fit`.

    The gradients are read where they already exist, in the compiled train step as the optimizer
    receives them: of the real batch, summed over replicas, loss scale removed, averaged over
    accumulation steps, before clipping. There is no second forward or backward pass; the numbers
    stay in a buffer on the device and are fetched once per some hundred steps.

    Each `fit` starts a new record. A step skipped by loss scaling is a row with NaN or infinity.
    A layer that gets no gradient is a column of NaN. Norms are accumulated as float32 sums of
    squares, so a norm below about 1e-19 reads 0 and one above 1e19 reads infinity; `"max"` is not
    squared and stays exact there. The train function is traced once more per `fit`.

    Args:
        stats: extra quantities, any of `"mean"` (mean |g|), `"max"` (max |g|), `"zeros"` (share of
            entries that are exactly 0) and `"update_ratio"` (|Δw| / |w|, L2 norms; about 1e-3 is
            healthy). Each is found afterwards in `monitor.stats[name]`, shape (T, L).
        layers: names or patterns (`"block_*"`) of the layers to record; all by default.
        per_variable: one column per variable instead of one per layer.
        every: record every `every`-th optimizer step, a positive integer.
        histograms: keep a histogram of every variable's gradient entries, in
            `monitor.histograms[variable] = (counts (E, 40), edges (E, 41))`. It is a sample: each
            of the E epochs is represented by the gradient of its first step alone.
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

    Raises:
        ValueError: before the first step, if an argument, the model or a path cannot work.
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
        csv_path=None,
        log_dir=None,
        memory_limit=64 * 2**20,
    ):
        super().__init__()
        self._extra = [stats] if isinstance(stats, str) else list(stats)
        unknown = [name for name in self._extra if name not in EXTRA_STATS]
        if unknown:
            raise ValueError(f"Unknown stats {unknown}; known are {list(EXTRA_STATS)}.")
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ValueError(f"`every` must be a positive integer, got {every!r}.")
        if memory_limit <= 0:
            raise ValueError(f"`memory_limit` must be positive (bytes), got {memory_limit!r}.")
        self._patterns = [layers] if isinstance(layers, str) else layers
        self._per_variable = per_variable
        self._every = int(every)
        self._want_histograms = histograms
        self._csv_path = csv_path
        self._log_dir = log_dir
        self._memory_limit = memory_limit
        self._hook = None
        self._reset()

    def _reset(self):
        self._buffer = self._seen = self._histogram = self._histogram_due = None
        self._variables = []
        self._steps = []
        self._rows = {name: [] for name in ("norm", *self._extra)}
        self._num_fetched = 0  # rows fetched from the device in this fit
        self._spacing = 1
        self._batches_until_fetch = 1
        self._batches = 0
        self._epoch = 0
        self._stopped_writing = False
        self._event_file = None
        self._dead = None  # per layer: no gradient in any row so far
        self.layer_names = []
        self.histograms = {}

    # ---- results ----

    @property
    def steps(self):
        """Optimizer step of each row, int64 array (T,)."""
        self._fetch()
        return np.concatenate([np.zeros(0, "int64"), *self._steps])

    @property
    def norms(self):
        """L2 norm of each layer's gradient, float32 array (T, L)."""
        return self.stats["norm"]

    @property
    def stats(self):
        """Dict of float32 arrays (T, L): `"norm"` and the quantities asked for."""
        self._fetch()
        empty = np.zeros((0, len(self.layer_names)), "float32")
        return {name: np.concatenate([empty, *rows]) for name, rows in self._rows.items()}

    def summary(self):
        """Print a table per layer and return it.

        Returns:
            str: median, minimum, maximum of the norm and the ratio of first to last recorded row;
            layers without any gradient are named below the table.

        """
        norms = self.norms
        width = max([5, *map(len, self.layer_names)])
        heads = ("median", "min", "max", "first/last")
        lines = [f"{'layer':<{width}}" + "".join(f"{head:>12}" for head in heads)]
        for name, column in zip(self.layer_names, norms.T, strict=True):
            finite = column[np.isfinite(column)]
            values = (
                [np.median(finite), finite.min(), finite.max()] if len(finite) else [np.nan] * 3
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                values.append(column[0] / column[-1] if len(column) else np.nan)
            lines.append(f"{name:<{width}}" + "".join(f"{value:>12.3g}" for value in values))
        skipped = (~np.isfinite(norms[:, ~self._without_gradient()])).any(axis=1).sum()
        if skipped:
            lines.append(f"{skipped} of {len(norms)} rows have a gradient that is not finite.")
        if self._without_gradient().any():
            names = np.array(self.layer_names)[self._without_gradient()]
            lines.append("No gradient reaches: " + ", ".join(names))
        table = "\n".join(lines)
        print(table)
        return table

    def _without_gradient(self):
        """Boolean (L,): layers that never received a gradient."""
        return np.zeros(len(self.layer_names), bool) if self._dead is None else self._dead

    def to_csv(self, path):
        """Write one line per kept row: step, then each layer's norm, then the other stats.

        Args:
            path: file to write; overwritten.

        """
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self._csv_header())
            stats = self.stats
            values = np.concatenate([stats[name] for name in self._rows], axis=1)
            writer.writerows(
                [step, *map(float, row)] for step, row in zip(self.steps, values, strict=True)
            )

    def _csv_header(self):
        others = [f"{name}/{stat}" for stat in self._extra for name in self.layer_names]
        return ["step", *self.layer_names, *others]

    def plot(self, path=None):
        """Draw log10 of the norm as layer × step, beside first against last layer.

        Args:
            path: image file to write, or None to return the figure only.

        Returns:
            matplotlib.figure.Figure

        Raises:
            ValueError: if nothing has been recorded.

        """
        from matplotlib.figure import Figure

        norms, steps = self.norms, self.steps
        if not norms.size:
            raise ValueError("Nothing recorded yet: call `fit` with this callback first.")
        num_layers = len(self.layer_names)
        positive = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
        figure = Figure(
            figsize=(12, min(14, max(4, 0.13 * num_layers + 1.5))), layout="constrained"
        )
        heat, curves = figure.subplots(1, 2, width_ratios=[1.4, 1])
        edge = steps[-1] + (steps[-1] - steps[-2] if len(steps) > 1 else 1)
        mesh = heat.pcolormesh(
            np.append(steps, edge),
            np.arange(num_layers + 1) - 0.5,
            np.log10(positive).T,
            cmap="viridis",
            rasterized=True,
        )
        heat.set_facecolor("lightgray")
        heat.invert_yaxis()
        shown = np.arange(0, num_layers, -(-num_layers // 75))
        size = 9 if num_layers <= 30 else 6
        heat.set_yticks(shown, [_shorten(self.layer_names[i]) for i in shown], fontsize=size)
        heat.set(
            xlabel="optimizer step", title="Gradient norm of each layer (grey: 0, NaN or none)"
        )
        figure.colorbar(mesh, ax=heat, label="log10 of L2 norm")
        live = np.flatnonzero(np.isfinite(positive).any(axis=0))
        for index, color, style in zip(
            live[[0, -1]] if len(live) else [], ("#0072B2", "#D55E00"), ("-", "--"), strict=False
        ):
            which = "first" if index == live[0] else "last"
            label = f"{which}: {_shorten(self.layer_names[index])}"
            marker = "o" if len(steps) == 1 else None
            curves.plot(steps, positive[:, index], style, color=color, label=label, marker=marker)
        if len(live):
            curves.set_yscale("log")
            curves.legend()
        curves.set(
            xlabel="optimizer step", ylabel="L2 norm of the gradient", title="First and last layer"
        )
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    # ---- training ----

    def on_train_begin(self, logs=None):
        """Forget the last run and check that everything asked for can work."""
        self._remove()
        self._reset()
        if getattr(self.model, "optimizer", None) is None:
            raise ValueError("GradientMonitor needs a model compiled with an optimizer.")
        _check_keras(self.model)
        if self.model.built:
            self._name_columns()
        try:
            if self._csv_path is not None:
                open(self._csv_path, "w", encoding="utf-8").close()
        except OSError as error:
            raise ValueError(f"The CSV {self._csv_path!r} cannot be written: {error}") from error
        if self._log_dir is not None:
            self._event_file = _new_event_file(str(self._log_dir))

    def on_epoch_begin(self, epoch, logs=None):
        """Put the hook in at the first epoch; mark the histogram of each as due."""
        self._epoch = epoch
        if self._hook is None:
            self._install()
        if self._histogram_due is not None:
            self._histogram_due.assign(True)

    def on_train_batch_begin(self, batch, logs=None):
        """Look at the gradients of this batch."""
        self._hook.arm()

    def on_train_batch_end(self, batch, logs=None):
        """Fetch the rows when the buffer may be full at the next batch."""
        self._batches += 1
        if self._batches >= self._batches_until_fetch:
            self._fetch()

    def on_epoch_end(self, epoch, logs=None):
        """Bring the files up to date."""
        self._fetch()
        self._fetch_histogram(epoch)

    def on_train_end(self, logs=None):
        """Fetch the rest and take the hook out."""
        self._remove()

    def _install(self):
        self._first_step = int(ops.convert_to_numpy(self.model.optimizer.iterations))
        if self.model.built:
            self._allocate()
        self._hook = _Hook(self)

    def _remove(self):
        """Take this monitor out of the optimizer; harmless when it is not in."""
        if self._hook is not None:
            try:
                self._fetch()
            finally:
                hook, self._hook = self._hook, None
                hook.remove()

    def _name_columns(self):
        """Decide which variable belongs to which column."""
        groups = _layer_groups(self.model)
        if not groups:
            raise ValueError("The model has no trainable weights: nothing for GradientMonitor.")
        if self._patterns is not None:
            groups = _select(groups, self._patterns)
        if self._per_variable:
            groups = _unique(
                (f"{layer}/{variable.name}", [variable])
                for layer, variables in groups.items()
                for variable in variables
            )
        self.layer_names = list(groups)
        self._variables = [variable for variables in groups.values() for variable in variables]
        self._starts = np.cumsum([0, *map(len, groups.values())])[:-1]
        self._sizes = np.array([np.prod(v.shape, dtype="float64") for v in self._variables])

    def _allocate(self):
        """Create the buffer on the device: rows × (one loss scale + stats × variables)."""
        if not self._variables:
            self._name_columns()
        kinds = len(self._extra) + 1 + ("update_ratio" in self._extra)
        columns = 1 + kinds * len(self._variables)
        per_call = max(1, self.model.steps_per_execution)
        self._capacity = max(BUFFER_ROWS, 4 * per_call)
        self._batches_until_fetch = 1  # the first batch tells how many rows a batch brings
        self._buffer = _variable(self.model, (self._capacity, columns), "float32")
        self._seen = _variable(self.model, (), "int")
        if self._want_histograms:
            shape = (len(self._variables), HISTOGRAM_BINS + 2)
            self._histogram = _variable(self.model, shape, "float32")
            self._histogram_due = _variable(self.model, (), "bool", ops.ones)

    def _device_variables(self):
        mine = (self._buffer, self._seen, self._histogram, self._histogram_due)
        return [variable for variable in mine if variable is not None]

    # ---- inside the compiled step ----

    def _before_update(self, gradients, is_update, scale, value):
        """Measure the gradients; return a function that gives the new device values afterwards.

        Args:
            gradients: dict from `id(variable)` to gradient.
            is_update: None, or a boolean tensor: whether this call updates the weights.
            scale: scalar, the loss scale that is still in the gradients.
            value: function from a variable to its present tensor.

        """
        found = [gradients.get(id(variable)) for variable in self._variables]
        found = [
            None if g is None else _dense_rows(g, v)
            for g, v in zip(found, self._variables, strict=True)
        ]
        seen = ops.copy(value(self._seen))
        wanted, row_number = is_update, seen
        if self._every > 1:
            due = ops.equal(seen % self._every, 0)
            wanted = due if wanted is None else ops.logical_and(wanted, due)
            row_number = (seen + self._every - 1) // self._every
        scale = ops.cast(scale, "float32")
        kinds = [kind for kind in ("norm", *self._extra) if kind != "update_ratio"]

        def measured():
            pairs = list(zip(found, self._sizes, strict=True))
            return ops.stack([scale, *(_reduce(kind, *pair) for kind in kinds for pair in pairs)])

        row = _where(wanted, measured, 1 + len(kinds) * len(found))
        old = []
        if "update_ratio" in self._extra:
            old = [ops.copy(value(variable)) for variable in self._variables]
        if self._histogram is not None:
            is_due = ops.copy(value(self._histogram_due))
            kept = ops.convert_to_tensor(value(self._histogram))
            histogram = ops.cond(
                is_due, lambda: ops.stack([_histogram(g) for g in found]), lambda: kept
            )

        def after(value):
            full_row = row
            if old:
                changes = [value(v) - o for v, o in zip(self._variables, old, strict=True)]
                ratio = _where(
                    wanted,
                    lambda: ops.stack([_reduce("norm", v, 1) for v in changes + old]),
                    2 * len(old),
                )
                full_row = ops.concatenate([row, ratio])
            step = 1 if is_update is None else ops.cast(is_update, seen.dtype)
            updates = [
                (self._buffer, (row_number % self._capacity, full_row)),
                (self._seen, seen + step),
            ]
            if self._histogram is not None:
                updates += [(self._histogram, histogram), (self._histogram_due, False)]
            return updates

        return after

    # ---- from the device to the host ----

    def _fetch(self):
        """Copy the new rows out of the buffer; the only host synchronisation."""
        if self._hook is None or self._buffer is None:
            return
        _sync(self.model)
        total = -(-int(ops.convert_to_numpy(self._seen)) // self._every)
        new = total - self._num_fetched
        if self._batches:
            per_batch = max(self.model.steps_per_execution, -(-new // self._batches))
            self._batches_until_fetch = max(1, self._capacity // per_batch - 1)
            self._batches = 0
        if new <= 0:
            return
        if new > self._capacity:
            warnings.warn(
                f"GradientMonitor lost {new - self._capacity} rows: the train step "
                "applies gradients more often than once per step.",
                stacklevel=2,
            )
        numbers = np.arange(max(self._num_fetched, total - self._capacity), total)
        raw = np.array(ops.convert_to_numpy(self._buffer))[numbers % self._capacity]
        self._num_fetched = total
        steps = self._first_step + numbers * self._every
        stats = self._per_column(raw.astype("float64"))
        self._write(self._write_rows, steps, stats)
        dead = np.isnan(stats["norm"]).all(axis=0) & self._missing
        self._dead = dead if self._dead is None else self._dead & dead
        keep = numbers % self._spacing == 0
        self._steps.append(steps[keep])
        for name, rows in self._rows.items():
            rows.append(stats[name][keep])
        row_bytes = 8 + 4 * len(self.layer_names) * len(self._rows)
        while sum(map(len, self._steps)) * row_bytes > self._memory_limit:
            kept_steps, kept = self._kept()
            if len(kept_steps) < 2:
                break
            self._spacing *= 2
            self._steps = [kept_steps[::2]]
            self._rows = {name: [values[::2]] for name, values in kept.items()}

    def _kept(self):
        """Return steps and stats as held on the host, without fetching."""
        return (
            np.concatenate(self._steps),
            {name: np.concatenate(rows) for name, rows in self._rows.items()},
        )

    def _per_column(self, raw):
        """Turn raw rows (T, 1 + kinds × V) into a dict of float32 arrays (T, L)."""
        scale, num = raw[:, :1], len(self._variables)
        kinds = [raw[:, 1 + i * num : 1 + (i + 1) * num] for i in range(raw.shape[1] // num)]
        missing = kinds[0] == NO_GRADIENT
        absent = np.logical_and.reduceat(missing, self._starts, axis=1)
        self._missing = absent.any(axis=0)
        add = lambda values: np.add.reduceat(values, self._starts, axis=1)  # noqa: E731
        sizes = add(np.where(missing, 0, self._sizes))
        stats = {}
        with np.errstate(all="ignore"):
            for kind in ("norm", *(name for name in self._extra if name != "update_ratio")):
                values = np.where(missing, 0, kinds.pop(0))
                if kind == "norm":
                    stats[kind] = np.sqrt(add(values) * _norm_factor()) / scale
                elif kind == "max":
                    stats[kind] = np.maximum.reduceat(values, self._starts, axis=1) / scale
                else:
                    mean = add(values * self._sizes) / sizes
                    stats[kind] = mean / scale if kind == "mean" else mean
            if "update_ratio" in self._extra:
                change, weight = kinds
                stats["update_ratio"] = np.sqrt(add(change)) / np.sqrt(add(weight))
            return {
                name: np.where(absent, np.nan, values).astype("float32")
                for name, values in stats.items()
            }

    def _fetch_histogram(self, epoch):
        if self._histogram is None:
            return
        _sync(self.model)
        if bool(ops.convert_to_numpy(self._histogram_due)):
            return
        raw, values = np.array(ops.convert_to_numpy(self._histogram)), []
        for name, row in zip(self._variable_names(), raw, strict=True):
            edges = np.linspace(row[0], row[1], HISTOGRAM_BINS + 1)
            counts, old_edges = self.histograms.get(
                name, (np.zeros((0, HISTOGRAM_BINS)), np.zeros((0, HISTOGRAM_BINS + 1)))
            )
            self.histograms[name] = (np.vstack([counts, row[2:]]), np.vstack([old_edges, edges]))
            values.append(_histogram_event(f"gradient/{name}", row[2:], edges))
        if self._event_file is not None:
            self._write(_append_events, self._event_file, [(epoch, values)])

    def _variable_names(self):
        if self._per_variable:
            return self.layer_names
        bounds = np.append(self._starts, len(self._variables))
        return [
            f"{layer}/{variable.name}"
            for layer, a, b in zip(self.layer_names, bounds[:-1], bounds[1:], strict=True)
            for variable in self._variables[a:b]
        ]

    def _write_rows(self, steps, stats):
        """Append to the files; none stays open, so an interrupted fit leaves them complete."""
        rows = np.concatenate(list(stats.values()), axis=1).tolist()
        if self._csv_path is not None:
            with open(self._csv_path, "a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                if file.tell() == 0:
                    writer.writerow(self._csv_header())
                writer.writerows([step, *row] for step, row in zip(steps, rows, strict=True))
        if self._event_file is not None:
            tags = [f"gradient_{name}/{layer}" for name in stats for layer in self.layer_names]
            scalars = [
                [{"tag": tag, "simple_value": x} for tag, x in zip(tags, row, strict=True)]
                for row in rows
            ]
            _append_events(self._event_file, zip(steps, scalars, strict=True))

    def _write(self, function, *arguments):
        """Call a writing function; a full disk must not end the training."""
        if self._stopped_writing:
            return
        try:
            function(*arguments)
        except OSError as error:
            self._stopped_writing = True
            warnings.warn(
                f"GradientMonitor stops writing files ({error}); the data stay in memory.",
                stacklevel=2,
            )


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
        self.is_jax = keras.backend.backend() == "jax"
        plain, self.model.train_function = self.model.train_function, None
        self.model.make_train_function()
        self.traced, self.model.train_function = self.model.train_function, plain
        self.undo, self.unarm = [], None
        if self.is_jax:  # the buffer is among the optimizer's variables until the fit ends
            self.save = self.optimizer.save_own_variables
            self.finalize = self.optimizer.finalize_variable_values
            self.undo = [
                _shadow(self.optimizer, "save_own_variables", self.save_without_buffer),
                _shadow(self.optimizer, "finalize_variable_values", self.leave_and_finalize),
            ]

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
        is_other_monitor = isinstance(getattr(self.inner, "__self__", None), _Hook)
        name = "stateless_apply" if self.is_jax else "apply"
        self.original = getattr(self.optimizer, name)
        undo = _shadow(self.optimizer, name, getattr(self, name))
        try:
            return (self.inner if is_other_monitor else self.traced)(*args)
        finally:
            undo()

    def save_without_buffer(self, store):
        """Keep the buffer out of files that a checkpoint saves during the fit."""
        mine = self.monitor._device_variables()
        _untrack(self.optimizer, mine)
        try:
            self.save(store)
        finally:
            for variable in mine:
                self.optimizer._track_variable(variable)

    def leave_and_finalize(self, variables):
        """Leave before Keras ends the fit; it also calls this after an exception."""
        try:
            self.monitor._remove()
        except Exception as error:  # it must not hide the one that ended the fit
            warnings.warn(f"GradientMonitor lost its last rows: {error}", stacklevel=2)
        self.finalize(variables)

    def remove(self):
        """Leave model and optimizer as they were."""
        self.disarm()
        for undo in self.undo:
            undo()
        if self.undo:
            _untrack(self.optimizer, self.monitor._device_variables())

    def apply(self, grads, trainable_variables=None):
        """TensorFlow and PyTorch: `optimizer.apply`, with a look at the gradients."""
        grads = list(grads)
        variables = self.model.trainable_variables
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            mine = {id(variable.value): variable for variable in variables}  # if given raw
            variables = [mine.get(id(variable), variable) for variable in trainable_variables]

        def value(variable):
            return variable.value

        update = self.measure(grads, variables, value)
        result = self.original(grads, trainable_variables)
        updates = update(value)
        if _is_first_replica():
            for variable, new in updates:
                _assign(variable, new)
        return result

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """JAX: the same, with the buffer among the optimizer's variables."""
        mine, theirs = self.optimizer.variables, self.model.trainable_variables
        values = {id(v): x for v, x in zip(mine, optimizer_variables, strict=True)}
        values |= {id(v): x for v, x in zip(theirs, trainable_variables, strict=True)}
        update = self.measure(grads, theirs, lambda variable: values[id(variable)])
        weights, new_variables = self.original(optimizer_variables, grads, trainable_variables)
        values |= {id(v): x for v, x in zip(theirs, weights, strict=True)}
        results = {id(v): x for v, x in zip(mine, new_variables, strict=True)}
        for variable, new in update(lambda variable: values[id(variable)]):
            if isinstance(new, tuple):
                index, row = new
                new = ops.scatter_update(values[id(variable)], [[index]], row[None])
            results[id(variable)] = ops.cast(new, variable.dtype)
        return weights, [results[id(variable)] for variable in mine]

    def measure(self, grads, variables, value):
        """Measure what arrives at the optimizer; return what is to be done after the update."""
        applied, is_update, scale = _as_applied(self.optimizer, grads, variables, value)
        by_id = {id(v): g for v, g in zip(variables, applied, strict=True)}
        if self.monitor._buffer is None:  # a model that Keras builds in its first train step
            self.monitor._allocate()
        return self.monitor._before_update(by_id, is_update, scale, value)


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
    """Fail clearly on a Keras whose optimizers lack what this file uses."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    needed = [
        "apply",
        "stateless_apply",
        "finalize_variable_values",
        "iterations",
        "add_variable",
        "_iterations",
        "_track_variable",
        "_untrack_variable",
        "_get_variable_index",
        "gradient_accumulation_steps",
        "loss_scale_factor",
    ]
    missing = [name for name in needed if not hasattr(optimizer, name)]
    missing += [n for n in ("make_train_function", "train_function") if not hasattr(model, n)]
    if keras.backend.backend() == "jax" and not hasattr(model, "jax_state_sync"):
        missing.append("jax_state_sync")
    if missing:
        raise RuntimeError(
            f"GradientMonitor does not know Keras {keras.__version__}: {missing} not found."
        )


def _as_applied(optimizer, grads, variables, value):
    """Return the gradients as the weights will see them, before clipping.

    Reads the private `_iterations` and `_accumulated_gradients`: `optimizer.iterations` is already
    divided by the accumulation steps, and no public name gives the running sum.

    Returns:
        list of gradients, None or a boolean tensor (is this call an update?), the loss scale that
        is still in the gradients.

    """
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        if not optimizer.built:
            optimizer.build(variables)
        scale = value(optimizer.dynamic_scale)
    else:
        inner, scale = optimizer, optimizer.loss_scale_factor or 1.0
    grads = _all_reduce(grads)
    steps = inner.gradient_accumulation_steps
    if not steps:
        return grads, None, scale
    finite = optimizer.check_finite(grads) if inner is not optimizer else True
    if not inner.built:
        inner.build(variables)
    sums = [value(inner._accumulated_gradients[inner._get_variable_index(v)]) for v in variables]
    grads = [
        None if g is None else (ops.convert_to_tensor(g) / scale + total) / steps
        for g, total in zip(grads, sums, strict=True)
    ]
    is_update = ops.equal((value(inner._iterations) + 1) % steps, 0)
    if inner is not optimizer:  # a call that loss scaling skips is recorded too
        is_update = ops.logical_or(is_update, ops.logical_not(finite))
    return grads, is_update, 1.0


def _untrack(optimizer, variables):
    """Take variables out of `optimizer.variables`.

    Private, because Keras has `add_variable` but no way to remove one; only needed on JAX, where a
    train step can change nothing but the model's and the optimizer's variables.
    """
    for variable in variables:
        optimizer._untrack_variable(variable)


# ---- what differs between the backends ----


def _variable(model, shape, dtype, fill=ops.zeros):
    def initial(shape, dtype):
        return fill(shape, dtype)

    if keras.backend.backend() == "jax":
        return model.optimizer.add_variable(
            shape, initializer=initial, dtype=dtype, name="gradient_monitor"
        )
    return keras.Variable(initial, shape, dtype, trainable=False, name="gradient_monitor")


def _sync(model):
    """On JAX the variables are empty between two steps; Keras fills them on request."""
    if keras.backend.backend() == "jax":
        model.jax_state_sync()


def _assign(variable, new):
    """Assign a value, or one row `(index, row)` in place."""
    if not isinstance(new, tuple):
        variable.assign(ops.cast(new, variable.dtype))
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        variable.value.scatter_update(tf.IndexedSlices(new[1], new[0]))
    else:
        variable.value.index_copy_(0, new[0].reshape(1).long(), new[1][None])


def _where(wanted, function, length):
    """Run `function` only if wanted. In PyTorch always: asking the device would wait for it."""
    if wanted is None or keras.backend.backend() == "torch":
        return function()
    return ops.cond(wanted, function, lambda: ops.zeros((length,), "float32"))


def _is_first_replica():
    if keras.backend.backend() != "tensorflow":
        return True
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context is None or tf.get_static_value(context.replica_id_in_sync_group) in (0, None)


def _all_reduce(grads):
    """Sum over the replicas of a tf.distribute strategy, as the optimizer will."""
    if keras.backend.backend() != "tensorflow":
        return grads
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return grads
    present = [tf.convert_to_tensor(g) for g in grads if g is not None]
    reduced = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if g is None else next(reduced) for g in grads]


def _dense_rows(gradient, variable):
    """Return the gradient, for tf.IndexedSlices its rows with those of equal index added up."""
    if keras.backend.backend() != "tensorflow" or not hasattr(gradient, "indices"):
        return ops.cast(gradient, "float32")
    import tensorflow as tf

    # The first position of each index: linear time and fixed shapes, so XLA can compile it.
    count = tf.shape(gradient.indices)[0]
    first = tf.math.unsorted_segment_min(tf.range(count), gradient.indices, variable.shape[0])
    rows = tf.gather(first, gradient.indices)
    return tf.cast(tf.math.unsorted_segment_sum(gradient.values, rows, count), "float32")


def _reduce(kind, gradient, size):
    """Reduce one gradient to a scalar: sum of squares, mean, max, or share of zeros."""
    if gradient is None:
        return ops.convert_to_tensor(NO_GRADIENT, "float32")
    if kind == "norm":
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            return tf.nn.l2_loss(gradient)  # half of it; a third faster than square and sum
        return ops.sum(ops.square(gradient))
    if kind == "mean":
        return ops.sum(ops.abs(gradient)) / size
    if kind == "max":
        return ops.max(ops.abs(gradient))
    nonzero = ops.sum(ops.cast(ops.not_equal(gradient, 0), "float32"))
    return (size - nonzero) / size


def _norm_factor():
    """Sum of squares per what `_reduce` returns; one product here, not one per variable."""
    return 2.0 if keras.backend.backend() == "tensorflow" else 1.0


def _histogram(gradient):
    """Histogram of the finite entries: (minimum, maximum, counts...), shape (2 + bins,)."""
    if gradient is None:
        return ops.zeros((HISTOGRAM_BINS + 2,), "float32")
    flat = ops.reshape(gradient, (-1,))
    finite = ops.isfinite(flat)
    flat = ops.where(finite, flat, 0.0)
    low, high = ops.min(flat), ops.max(flat)
    width = ops.where(high > low, high - low, 1.0)
    bins = ops.cast(ops.minimum((flat - low) / width * HISTOGRAM_BINS, HISTOGRAM_BINS - 1), "int32")
    counts = ops.segment_sum(ops.cast(finite, "float32"), bins, num_segments=HISTOGRAM_BINS)
    return ops.concatenate([ops.stack([low, high]), counts])


# ---- names ----


def _layer_groups(model):
    """Return a dict from layer name to its trainable variables, in forward order."""
    trainable = {id(variable) for variable in model.trainable_variables}
    seen, pairs = set(), []

    def visit(layer, prefix):
        if isinstance(layer, keras.Model):
            for inner in layer.layers:
                visit(inner, [*prefix, inner.name])
        own = {}
        for variable in layer.trainable_variables:
            if id(variable) not in trainable or id(variable) in seen:
                continue
            seen.add(id(variable))
            own.setdefault(tuple(_sub_path(layer, variable)), []).append(variable)
        pairs.extend(("/".join([*prefix, *path]) or model.name, vs) for path, vs in own.items())

    visit(model, [])
    return _unique(pairs)


def _sub_path(layer, variable):
    """Path of a variable's owner below the layer; a recurrent layer's cell is the layer itself."""
    parts = variable.path.split("/")[:-1]
    if isinstance(layer, keras.layers.RNN) or layer.name not in parts:
        return []
    parts = parts[parts.index(layer.name) + 1 :]
    return [
        p
        for p, before in zip(parts, [layer.name, *parts], strict=False)
        if not p.startswith(("lstm_cell", "gru_cell", "simple_rnn_cell"))
    ]


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
            raise ValueError(
                f"No layer {pattern!r}. Did you mean {nearest[0]!r}? The layers with "
                f"trainable weights are {list(groups)}."
            )
        chosen.update(hits)
    return {name: variables for name, variables in groups.items() if name in chosen}


def _shorten(name):
    return name if len(name) <= 32 else "…" + name[-31:]


# ---- TensorBoard ----


def _new_event_file(folder):
    """Name a file in TensorBoard's format and check that it can be written."""
    try:
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"events.out.tfevents.{time.time():.6f}.gradients")
        _append_events(path, [])
    except OSError as error:
        raise ValueError(f"The log folder {folder!r} cannot be written: {error}") from error
    except ImportError as error:
        raise ValueError("`log_dir` needs the package tensorboard.") from error
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


def _histogram_event(tag, counts, edges):
    centers = (edges[1:] + edges[:-1]) / 2
    histogram = {
        "min": edges[0],
        "max": edges[-1],
        "num": counts.sum(),
        "sum": (counts * centers).sum(),
        "sum_squares": (counts * centers**2).sum(),
        "bucket_limit": edges[1:],
        "bucket": counts,
    }
    return {"tag": tag, "histo": histogram}
