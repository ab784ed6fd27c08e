"""The figure of a search."""

import math
from pathlib import Path

import numpy as np


def plot(result, path=None):
    """Draw learning rate against score, speed of the batch sizes, and the progress of the search.

    Args:
        result: `report.Result`.
        path: image to write (complete, or not at all); None to write nothing.

    Returns:
        `matplotlib.figure.Figure`.

    """
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot: a notebook keeps its backend

    figure = Figure(figsize=(13, 4.4), layout="constrained")
    scores, speed, progress = figure.subplots(1, 3, width_ratios=[1.7, 1, 1])
    sizes = sorted({row["batch_size"] for row in result.trials if "batch_size" in row})
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, max(1, len(sizes))))
    color = dict(zip(sizes, shades, strict=False))
    _draw_scores(scores, result, color)
    _draw_speed(speed, result, color)
    _draw_progress(progress, result)
    if path is not None:
        path = Path(path)
        temporary = path.with_name(f".{path.stem}.part{path.suffix or '.png'}")
        figure.savefig(temporary, dpi=130)
        temporary.replace(path)
    return figure


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
    axes.plot(list(speeds), list(speeds.values()), color="gray", zorder=1)
    axes.scatter(list(speeds), list(speeds.values()), color=[color[s] for s in speeds], zorder=2)
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(speeds), [str(size) for size in speeds])
    axes.set_ylim(bottom=0)
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
        axes.legend(fontsize=8)
    axes.set(xlabel="trial", ylabel=result.objective, title="Best score so far")
    axes.grid(alpha=0.3)
