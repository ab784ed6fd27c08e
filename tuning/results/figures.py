"""Figures: of a search, a sweep, a range test and the speed of batch sizes.

Each function returns a `matplotlib.figure.Figure` and, if there is a `path`, writes it there,
complete or not at all. matplotlib is imported where it draws, and not pyplot: a notebook keeps its
backend.
"""

import functools
import io
import math
from pathlib import Path

import numpy as np

from ..store import replacing
from .words import count

BEST = "#d55e00"


def _new(width, height, columns=1):
    """Return a figure that a notebook displays, with pyplot in use or not, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = functools.partial(png, figure)
    return figure, figure.subplots(1, columns)


def png(figure):
    """Return the bytes of a figure as a PNG image."""
    image = io.BytesIO()
    figure.savefig(image, dpi=90, format="png")
    return image.getvalue()


def _written(figure, path):
    if path is not None:
        with replacing(path) as file:
            figure.savefig(file, dpi=130, format=Path(path).suffix[1:] or "png")
    return figure


def _rate_axis(axes, low, high):
    """Scale for learning rates; within a decade matplotlib's own labels would overlap."""
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_xlim(low / 1.2, high * 1.2)
    axes.xaxis.set_minor_formatter("")
    if high < 100 * low:
        ticks = [float(f"{tick:.2g}") for tick in np.geomspace(low, high, 3 if high > low else 1)]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])


# ---- a search ----


def plot(result, path=None):
    """Draw the scores of a `Result` over the learning rate, a color for each batch size."""
    import matplotlib

    figure, axes = _new(8, 4.4)
    board = result.leaderboard()
    failed = [row for row in result.trials if row["status"] == "failed" and "batch_size" in row]
    rates = [*result.settings["bounds"], *(row["learning_rate"] for row in [*board, *failed])]
    _rate_axis(axes, min(rates), max(rates))
    axes.set(ylabel=f"{result.objective}, best epoch", title="Trials")
    axes.grid(alpha=0.3)
    sizes = sorted({row["batch_size"] for row in [*board, *failed]})
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, max(1, len(sizes))))
    edge = 0.02 if result.direction == "max" else 0.98
    at_edge = {"transform": axes.get_xaxis_transform(), "linestyle": "none", "marker": "x"}
    for size, shade in zip(sizes, shades, strict=False):
        rows = [row for row in board if row["batch_size"] == size]
        points = [row["learning_rate"] for row in rows], [row["score"] for row in rows]
        axes.plot(*points, "o", color=shade, label=f"batch size {size}")
        for row in [row for row in failed if row["batch_size"] == size]:
            axes.plot(row["learning_rate"], edge, color=shade, **at_edge)
    if failed:
        axes.plot([], [], "x", color="gray", label="failed (at the edge)")
    if board:
        _draw_best(axes, result.best)
        # one trial that learned nothing must not flatten all others
        values = [row["score"] for row in board]
        if result.direction == "min" and 0 < 20 * min(values) < max(values):
            axes.set_yscale("log")
        figure.legend(loc="outside right upper", fontsize=8)  # it would hide points
    else:  # numbers at the axis would look like a result
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no trial has completed", ha="center", transform=axes.transAxes)
    return _written(figure, path)


def _draw_best(axes, best):
    ring = {"markerfacecolor": "none", "markeredgecolor": BEST, "markeredgewidth": 1.8}
    axes.plot(best["learning_rate"], best["score"], "*", markersize=17, label="best", **ring)
    if best["rerun_scores"]:
        half = 0 if math.isnan(best["rerun_interval"]) else best["rerun_interval"]
        bar = {"fmt": "_", "color": BEST, "capsize": 4, "markersize": 12}
        label = "best on fresh seeds, 95 %"
        axes.errorbar(best["learning_rate"], best["rerun_score"], half, label=label, **bar)


# ---- the other commands ----


def plot_sweep(sweep, path=None):
    """Draw the heat map epoch × learning rate and the final scores of a `sweep.Sweep`."""
    import matplotlib

    order = np.argsort(sweep.learning_rates)
    rates, scores = sweep.learning_rates[order], sweep.scores[order]
    values = sweep.history[sweep.objective][:, order].mean(axis=2)
    name = sweep.objective.replace("val_", "validation ").replace("_", " ")
    seeds = count(scores.shape[1], "seed")
    figure, (left, right) = _new(11, 4.2, 2)
    step = (rates[-1] / rates[0]) ** (0.5 / max(1, len(rates) - 1)) if len(rates) > 1 else 2
    edges = [rates[0] / step, *np.sqrt(rates[1:] * rates[:-1]), rates[-1] * step]
    is_max = sweep.direction == "max"
    low, high = np.nanpercentile(values, [5, 100] if is_max else [0, 95])
    colors = matplotlib.colormaps["viridis" if is_max else "viridis_r"]
    mesh = left.pcolormesh(
        edges,
        np.arange(len(values) + 1) + 0.5,
        np.ma.masked_invalid(values),
        cmap=colors.with_extremes(bad="lightgray"),
        vmin=low,
        vmax=high,
    )
    figure.colorbar(mesh, ax=left, label=f"{name}, mean of {seeds}")
    _rate_axis(left, rates[0], rates[-1])
    left.set(ylabel="epoch", xlim=(edges[0], edges[-1]), title="Epoch by epoch (gray: failed)")
    left.yaxis.get_major_locator().set_params(integer=True)
    marker = "." if len(rates) < 40 else None
    right.plot(rates, scores.mean(axis=1), marker=marker, label=f"mean of {seeds}")
    low, high = scores.min(axis=1), scores.max(axis=1)
    right.fill_between(rates, low, high, alpha=0.3, lw=0, label="range")
    best = sweep.best
    right.axvline(best["learning_rate"], color=BEST, linestyle="--")
    _rate_axis(right, rates[0], rates[-1])
    right.set_ylabel(f"{name} after {len(values)} epochs")
    if not is_max and np.nanmin(scores) > 0:
        right.set_yscale("log")
    right.legend()
    right.set_title(f"At the end; best {best['learning_rate']:.2g}: {best[sweep.objective]:.4g}")
    number = count(len(rates), "learning rate")
    how = "one after the other" if sweep.reason else "all at once"
    figure.suptitle(f"{number} × {seeds}, {how}: {sweep.seconds:.0f} s")
    return _written(figure, path)


def plot_range(found, mean, path=None):
    """Draw the losses of a `LearningRateRange`, their smoothed mean, and the range to search."""
    figure, axes = _new(7, 4.2)
    rates, losses = found.learning_rates, found.losses
    label = f"search here: {found.low:.2g} to {found.high:.2g}"
    axes.axvspan(found.low, found.high, color="tab:blue", alpha=0.15, linewidth=0, label=label)
    axes.plot(rates, losses.T, color="0.7", linewidth=0.8)
    axes.plot(rates, mean, color="tab:blue", linewidth=2)
    axes.axvline(found.high, color=BEST, linestyle="--", label="nine tenths of the fall")
    start, lowest = np.nanmedian(losses[:, :5]), np.nanmin(mean)
    room = max(start - lowest, 1e-3 * abs(start))
    axes.set_ylim(min(lowest, np.nanmin(losses)) - 0.1 * room, start + 0.8 * room)
    _rate_axis(axes, rates[0], rates[-1])
    axes.legend(loc="upper left")
    seeds = f"{count(len(losses), 'seed')} (grey) and mean"
    axes.set(ylabel="training loss of one batch", title=f"Learning rate range test, {seeds}")
    return _written(figure, path)


def plot_speeds(found, path=None):
    """Draw the speeds of a `MaxBatchSize` over the batch sizes, with the knee and the largest."""
    figure, axes = _new(7, 4.2)
    sizes, speeds = found.batch_sizes, found.examples_per_second
    axes.plot(sizes, speeds, "o-", color="tab:blue", label="measured")
    ring = {"markersize": 14, "fillstyle": "none", "color": BEST, "linestyle": "none"}
    label = f"knee: {found.knee}, 90 % of the highest"
    if found.knee == sizes[-1]:
        label = "no knee: still growing"
    axes.plot(found.knee, speeds[list(sizes).index(found.knee)], "o", label=label, **ring)
    axes.axvline(found.largest, color="0.4", linestyle="--", label=f"largest: {found.largest}")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("batch size")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(0, 1.15 * max(speeds))
    axes.set_ylabel("examples per second in training")
    axes.set_title(f"Throughput; the test ended because {found.limit}", fontsize=10, wrap=True)
    axes.legend(loc="upper left")
    return _written(figure, path)
