"""The words of the report."""

import math


def remarks(result):
    """Say what a reader should know about the numbers of a search.

    Args:
        result: `report.Result` with at least one completed trial.

    Returns:
        list of str, one sentence or two each.

    """
    best, found = result.best, []
    if best["rerun_scores"]:
        gain = (best["score"] - best["rerun_score"]) * (1 if result.direction == "max" else -1)
        found.append(
            f"On {count(len(best['rerun_scores']), 'fresh seed')} this setting scores "
            f"{_score(best['rerun_score'], best['rerun_interval'])}; the search had "
            f"{best['score']:.4g}, {_better_or_worse(gain)}. Quote the fresh seeds' number: "
            "nothing was chosen by them."
        )
    elif not best["rerun_failed"]:
        found.append(
            f"{best['score']:.4g} was the best of many noisy scores, so it is too good; "
            "train again on fresh seeds (seeds=3) before quoting a number."
        )
    rows = result.per_batch_size()
    failed = [row for row in rows if row["rerun_failed"] and row["trial"] != best["trial"]]
    for row in [best] * (best["rerun_failed"] > 0) + failed:
        found.append(
            f"Of the trainings of batch size {row['batch_size']}, learning rate "
            f"{row['learning_rate']:.3g}, on fresh seeds {row['rerun_failed']} failed, "
            f"{len(row['rerun_scores'])} did not; the first: {row['rerun_reason']}."
        )
    ties = [row for row in rows if row["ties"]]
    if len(ties) > 1:
        fast = min(ties, key=lambda row: _last_if_nan(row["seconds_to_target"]))
        sizes = ", ".join(str(row["batch_size"]) for row in ties)
        found.append(
            f"Batch sizes {sizes} tie within noise: take the fastest, {fast['batch_size']} "
            f"(learning rate {fast['learning_rate']:.3g})."
        )
    rates = [row["learning_rate"] for row in result.trials if "learning_rate" in row]
    low, high = result.settings["bounds"]
    if min(rates) < low * 0.999 or max(rates) > high * 1.001:
        found.append(
            f"The guessed range {low:.2g} to {high:.2g} was widened by a decade, since the best "
            "rate of the first trials was at its edge."
        )
    edge = result.at_edge()
    if edge:
        found.append(
            f"The best learning rate {best['learning_rate']:.3g} is at the {edge} edge of what was "
            "searched: the optimum may lie beyond it. Search a wider range."
        )
    sizes = result.settings["batch_size"]
    if len(sizes) > 1 and best["batch_size"] in (sizes[0], sizes[-1]) and len(ties) < 2:
        found.append(f"The best batch size {best['batch_size']} is at the edge of those searched.")
    return found


def count(number, what):
    """Return a number of things in words: 1 trial, 2 trials."""
    return f"{number} {what}" + "s" * (number != 1)


def _better_or_worse(gain):
    return f"{gain:.2g} too good" if gain > 0 else "which was not too good"


def _last_if_nan(value):
    return math.inf if math.isnan(value) else value


def _score(mean, half):
    return f"{mean:.4g}" if math.isnan(half) else f"{mean:.4g} ± {half:.2g}"


def _number(value, form):
    return "never" if math.isnan(value) else format(value, form)


def _table(head, rows):
    """Align columns of text."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def summary(result, top=10):
    """Write the report as text: leaderboard, batch sizes, remarks, failures, lines to paste.

    Args:
        result: `report.Result`.
        top: int, lines of the leaderboard.

    Returns:
        str.

    """
    board = result.leaderboard()
    failed = [row for row in result.trials if row["status"] == "failed"]
    running = [row for row in result.trials if row["status"] == "running"]
    engines = {(row["engine"], row["engine_reason"]) for row in result.trials if row["engine"]}
    parts = [
        f"{result.project}: {count(len(board), 'trial')} completed, {len(failed)} failed"
        + (f", {len(running)} unfinished" if running else "")
        + f" (objective {result.objective}, {result.direction})"
    ]
    parts += [f"Engine {kind}: {reason}." for kind, reason in sorted(engines)]
    if board:
        parts.append(_leaderboard(board[:top]))
        parts.append(_batch_sizes(result))
        parts += result.remarks()
    if failed:
        parts.append(_failures(failed))
    if result.test is not None:
        mean = ", ".join(f"{name} {value:.4g}" for name, value in result.test["mean"].items())
        runs = count(len(result.test["runs"]), "training")
        mean_of = "" if len(result.test["runs"]) == 1 else "mean of "
        parts.append(f"Test set, used once, {mean_of}{runs}: {mean}.")
    if board:
        parts.append(
            "For your own project, with the best score:\n\n" + _indent(result.paste_lines())
        )
    return "\n\n".join(parts)


def _leaderboard(rows):
    names = list(dict.fromkeys(name for row in rows for name in row["values"]))
    lines = [
        [
            str(place + 1),
            *[_cell(row["values"].get(name, "")) for name in names],
            f"{row['score']:.4g}",
            str(row["best_epoch"] or "-"),
            f"{row['seconds']:.1f}",
            row["trial"],
        ]
        for place, row in enumerate(rows)
    ]
    return _table(["", *names, "score", "epoch", "seconds", "trial"], lines)


def _batch_sizes(result):
    rows = result.per_batch_size()
    lines = [
        [
            str(row["batch_size"]),
            f"{row['learning_rate']:.3g}",
            f"{row['score']:.4g}",
            _score(row["rerun_score"], row["rerun_interval"]) if row["rerun_scores"] else "-",
            f"{row['examples_per_second']:.3g}",
            _number(row["steps_to_target"], ".0f"),
            _number(row["seconds_to_target"], ".2g"),
        ]
        for row in rows
    ]
    head = ["batch size", "best rate", "score", "fresh seeds", "examples/s", "steps", "seconds"]
    return (
        "Each batch size with its own best learning rate; steps and seconds until "
        f"{result.objective} reaches {rows[0]['target']:.4g}:\n\n" + _table(head, lines)
    )


def _failures(rows):
    lines = [f"  trial {row['trial']} ({_values(row)}): {row['reason']}" for row in rows]
    return "Failed trials:\n" + "\n".join(lines)


def _values(row):
    return ", ".join(f"{name} {_cell(value)}" for name, value in row["values"].items())


def _cell(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _indent(text):
    return "\n".join("    " + line for line in text.splitlines())
