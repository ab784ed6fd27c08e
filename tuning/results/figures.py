"""Figures: of a search, a sweep, a range test and the speed of batch sizes.

matplotlib is imported where it draws, and not pyplot: a notebook keeps its backend.
"""

import math
from pathlib import Path

import numpy as np

from ..store import replacing


def plot(result, path=None):
    """Draw learning rate against score, speed of the batch sizes, and the progress of the search.

    Args:
        result: `report.Result`.
        path: image to write (complete, or not at all); None to write nothing.

    Returns:
        `matplotlib.figure.Figure`.

    """
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.4), layout="constrained")
    scores, speed, progress = figure.subplots(1, 3, width_ratios=[1.7, 1, 1])
    sizes = sorted({row["batch_size"] for row in result.trials if "batch_size" in row})
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, max(1, len(sizes))))
    color = dict(zip(sizes, shades, strict=False))
    _draw_scores(scores, result, color)
    _draw_speed(speed, result, color)
    _draw_progress(progress, result)
    _write(figure, path, 130)
    return figure


def _write(figure, path, dpi):
    if path is not None:
        path = Path(path).expanduser()
        with replacing(path) as file:
            figure.savefig(file, dpi=dpi, format=path.suffix[1:] or "png")


def _say(axes, text):
    """Write why nothing is drawn; numbers at the axis would look like a result."""
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, ha="center", color="gray", transform=axes.transAxes)


def _draw_scores(axes, result, color):
    board = result.leaderboard()
    for size in color:
        rows = [row for row in board if row["batch_size"] == size]
        axes.plot(
            [row["learning_rate"] for row in rows],
            [row["score"] for row in rows],
            "o",
            color=color[size],
            label=f"batch size {size}",
        )
    failed = [row for row in result.trials if row["status"] == "failed" and "batch_size" in row]
    bottom = 0.02 if result.direction == "max" else 0.98
    for row in failed:
        axes.plot(
            row["learning_rate"],
            bottom,
            "x",
            color=color[row["batch_size"]],
            transform=axes.get_xaxis_transform(),
        )
    if failed:
        axes.plot([], [], "x", color="gray", label="failed (at the edge)")
    if board:
        best = result.best
        axes.plot(
            best["learning_rate"],
            best["score"],
            "*",
            markersize=17,
            markerfacecolor="none",
            markeredgecolor="#d55e00",
            markeredgewidth=1.8,
            label="best",
        )
        if best["rerun_scores"]:
            half = 0 if math.isnan(best["rerun_interval"]) else best["rerun_interval"]
            axes.errorbar(
                best["learning_rate"],
                best["rerun_score"],
                half,
                fmt="_",
                color="#d55e00",
                capsize=4,
                markersize=12,
                label="best on fresh seeds, 95 %",
            )
        # one trial that learned nothing must not flatten all others
        values = np.array([row["score"] for row in board])
        if result.direction == "min" and values.min() > 0 and values.max() > 20 * values.min():
            axes.set_yscale("log")
    axes.set_xscale("log")
    if not board:
        low, high = result.settings["bounds"]
        axes.set_xlim(low / 1.1, high * 1.1)
        _say(axes, "no trial has completed")
    axes.set(xlabel="learning rate", ylabel=f"{result.objective}, best epoch", title="Trials")
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)


def _draw_speed(axes, result, color):
    speeds = {}
    for size in color:
        values = [r["examples_per_second"] for r in result.trials if r.get("batch_size") == size]
        values = [value for value in values if math.isfinite(value)]
        if values:
            speeds[size] = float(np.median(values))
    if speeds:  # matplotlib has no log scale without points
        shades = [color[size] for size in speeds]
        axes.plot(list(speeds), list(speeds.values()), color="gray", zorder=1)
        axes.scatter(list(speeds), list(speeds.values()), color=shades, zorder=2)
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(speeds), [str(size) for size in speeds])
        axes.set_ylim(0, 1.1 * max(speeds.values()))
    else:
        axes.set_xticks([])
        _say(axes, "no epoch has ended")
    axes.set(xlabel="batch size", ylabel="training examples per second", title="Speed")
    axes.grid(alpha=0.3)


def _draw_progress(axes, result):
    sign = 1 if result.direction == "max" else -1
    points = [(i + 1, r["score"]) for i, r in enumerate(result.trials) if r["score"] is not None]
    if points:
        numbers, scores = zip(*points, strict=True)
        so_far = sign * np.maximum.accumulate(sign * np.array(scores))
        axes.plot(numbers, scores, "o", color="#bbbbbb", markersize=4, label="trial")
        axes.step(numbers, so_far, where="post", color="#0072b2", label="best so far")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(fontsize=8)
    else:
        axes.set_xticks([])
        _say(axes, "no trial has completed")
    axes.set(xlabel="trial", ylabel=result.objective, title="Best score so far")
    axes.grid(alpha=0.3)


def plot_sweep(sweep, path=None):
    """Draw the heat map epoch × learning rate and the final scores of a `sweep.Sweep`.

    Args:
        sweep: `sweep.Sweep`.
        path: image to write (complete, or not at all); None to write nothing.

    Returns:
        `matplotlib.figure.Figure`.

    """
    import matplotlib
    from matplotlib.figure import Figure

    rates = sweep.learning_rates
    order = np.argsort(rates)
    rates = rates[order]
    values = sweep.history[sweep.objective][:, order].mean(axis=2)
    scores = sweep.scores[order]
    name = sweep.objective.replace("val_", "validation ").replace("_", " ")
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    middle = np.sqrt(rates[1:] * rates[:-1])
    if len(rates) > 1:
        first, last = rates[0] ** 2 / middle[0], rates[-1] ** 2 / middle[-1]
        edges = np.concatenate([[first], middle, [last]])
    else:
        edges = np.array([rates[0] / 2, rates[0] * 2])
    scale = np.nanpercentile(values, [5, 100] if sweep.direction == "max" else [0, 95])
    colors = matplotlib.colormaps["viridis" if sweep.direction == "max" else "viridis_r"]
    colors = colors.with_extremes(bad="lightgray")
    mesh = left.pcolormesh(
        edges,
        np.arange(len(values) + 1) + 0.5,
        np.ma.masked_invalid(values),
        cmap=colors,
        vmin=scale[0],
        vmax=scale[1],
    )
    seeds = "1 seed" if scores.shape[1] == 1 else f"{scores.shape[1]} seeds"
    figure.colorbar(mesh, ax=left, label=f"{name}, mean of {seeds}")
    left.set(xscale="log", xlabel="learning rate", ylabel="epoch")
    left.yaxis.get_major_locator().set_params(integer=True)
    left.set_title("Epoch by epoch (gray: failed or dropped)")
    with np.errstate(all="ignore"):
        mean = scores.mean(axis=1)
        right.fill_between(rates, scores.min(axis=1), scores.max(axis=1), alpha=0.3, lw=0)
    right.plot(rates, mean, marker="." if len(rates) < 40 else None)
    best = sweep.best
    is_left = best["learning_rate"] ** 2 < rates[0] * rates[-1]
    right.axvline(best["learning_rate"], color="tab:orange", linestyle="--")
    right.annotate(
        f"best: {best['learning_rate']:.2g}\n{best[sweep.objective]:.4g}",
        (best["learning_rate"], best[sweep.objective]),
        textcoords="offset points",
        xytext=(8 if is_left else -8, -30 if sweep.direction == "max" else 30),
        ha="left" if is_left else "right",
    )
    right.set(xscale="log", xlabel="learning rate", ylabel=f"{name} after {len(values)} epochs")
    if sweep.direction == "min" and np.nanmin(scores) > 0:
        right.set_yscale("log")
    right.set_title(f"At the end: mean and range of {seeds}")
    how = "one after the other" if sweep.reason else "all at once"
    figure.suptitle(f"{len(rates)} learning rates × {seeds}, {how}: {sweep.seconds:.0f} s")
    _write(figure, path, 120)
    return figure


def plot_range(found, mean, path=None):
    """Draw the losses of a range test over the rates, and the range to search.

    Args:
        found: `learning_rate_range.LearningRateRange`.
        mean: float array (steps,), the smoothed mean of the losses.
        path: image to write (complete, or not at all); None to write nothing.

    Returns:
        `matplotlib.figure.Figure`.

    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.axvspan(found.low, found.high, color="tab:blue", alpha=0.15, linewidth=0)
    axis.semilogx(found.learning_rates, found.losses.T, color="0.7", linewidth=0.8)
    axis.semilogx(found.learning_rates, mean, color="tab:blue", linewidth=2)
    axis.axvline(found.high, color="tab:orange", linestyle="--")
    start, lowest = np.nanmedian(found.losses[:, :5]), np.nanmin(mean)
    room = max(start - lowest, 1e-3 * abs(start))
    axis.set_ylim(min(lowest, np.nanmin(found.losses)) - 0.1 * room, start + 0.8 * room)
    high_up = {"transform": axis.get_xaxis_transform(), "va": "top"}
    text = f"search here  \n{found.low:.2g} to {found.high:.2g}  "
    axis.text(found.low, 0.98, text, ha="right", color="tab:blue", **high_up)
    axis.text(found.high, 0.98, "  loss is\n  lowest", color="tab:orange", **high_up)
    axis.set_xlabel("learning rate (log scale)")
    axis.set_ylabel("training loss of one batch")
    seeds = len(found.losses)
    axis.set_title(f"Learning rate range test, {seeds} seed{'s' * (seeds > 1)} (grey) and mean")
    _write(figure, path, 150)
    return figure


def plot_speeds(found, path=None):
    """Draw examples per second over batch sizes, with the knee and the largest.

    Args:
        found: `max_batch_size.MaxBatchSize`.
        path: image to write (complete, or not at all); None to write nothing.

    Returns:
        `matplotlib.figure.Figure`.

    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.plot(found.batch_sizes, found.examples_per_second, "o-", color="tab:blue")
    at_knee = found.examples_per_second[list(found.batch_sizes).index(found.knee)]
    axis.plot(found.knee, at_knee, "o", markersize=14, fillstyle="none", color="tab:orange")
    has_knee = found.knee < found.batch_sizes[-1]
    axis.annotate(
        f"knee: {found.knee}, 90 % of the highest" if has_knee else "no knee: still growing",
        (found.knee, at_knee),
        xytext=(-12, 8),
        textcoords="offset points",
        ha="right",
        va="bottom",
        color="tab:orange",
    )
    axis.axvline(found.largest, color="0.4", linestyle="--")
    text = f"largest: {found.largest}  "
    transform = axis.get_xaxis_transform()
    axis.text(found.largest, 0.02, text, ha="right", color="0.3", transform=transform)
    axis.loglog(base=2)
    axis.set_xticks(found.batch_sizes, [str(size) for size in found.batch_sizes])
    axis.minorticks_off()
    axis.set_ylim(min(found.examples_per_second) / 2, 3 * max(found.examples_per_second))
    powers = [n for n in 10 ** np.arange(10) if axis.get_ylim()[0] < n < axis.get_ylim()[1]]
    axis.set_yticks(powers, [f"{n:,}" for n in powers])
    axis.set_xlabel("batch size (log scale)")
    axis.set_ylabel("examples per second in training (log scale)")
    axis.set_title(f"Throughput; the test ended because {found.limit}", fontsize=10, wrap=True)
    _write(figure, path, 150)
    return figure
