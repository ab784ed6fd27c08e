"""The progress display of a search."""

import contextlib


@contextlib.contextmanager
def progress(runner, verbose):
    """Show trials done, best score so far and time left while a `SearchTuner` runs.

    Args:
        runner: `SearchTuner`; its `on_progress` is set.
        verbose: False shows nothing.

    """
    from tuning.search_tuner import role

    if not verbose or role() != "alone":
        yield
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [
        TextColumn("trials"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total}"),
        TextColumn("{task.fields[best]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    oracle = runner.oracle
    if oracle.end_order:
        print(f"Going on with {runner.project}: {len(oracle.end_order)} trials are done.")
    with Progress(*columns, refresh_per_second=4) as bar:
        task = bar.add_task("search", total=oracle.max_trials, best="")

        def update(part=0.0):
            ended = len(oracle.end_order)
            good = [t.score for t in oracle.trials.values() if t.score is not None]
            best = ""
            if good:
                value = (max if oracle.objective.direction == "max" else min)(good)
                best = f"best {oracle.objective.name} {value:.4g}"
            failed = sum(t.status == "FAILED" for t in oracle.trials.values())
            best += f", {failed} failed" if failed else ""
            bar.update(task, completed=ended + part, best=best)

        runner.on_progress = update
        yield
        update()
