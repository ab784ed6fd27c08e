"""The progress display of a search."""

import contextlib


@contextlib.contextmanager
def search_bar(oracle, verbose=True):
    """Show trials done, best score so far and time left.

    Args:
        oracle: `keras_tuner.Oracle`.
        verbose: False shows nothing.

    Yields:
        `rich.progress.Progress`, and a function `update(part, text)` that shows the present state
        of the oracle, with the part of a trial that is done and a text before the best score.

    """
    from rich import progress

    columns = [
        progress.TextColumn("trials"),
        progress.BarColumn(),
        progress.TextColumn("{task.completed:.0f} of {task.total}"),
        progress.TextColumn("{task.fields[text]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    ]
    with progress.Progress(*columns, refresh_per_second=4, disable=not verbose) as bar:
        task = bar.add_task("search", total=oracle.max_trials, text="")

        def update(part=0.0, text=""):
            ended = [oracle.trials[name] for name in list(oracle.end_order)]
            scores = [trial.score for trial in ended if trial.score is not None]
            failed = sum(trial.status == "FAILED" for trial in ended)
            best = (max if oracle.objective.direction == "max" else min)(scores, default=None)
            parts = [text] if text else []
            parts += [f"best {oracle.objective.name} {best:.4g}"] if scores else []
            parts += [f"{failed} failed"] if failed else []
            bar.update(task, completed=len(ended) + part, text=", ".join(parts))

        yield bar, update


@contextlib.contextmanager
def progress(runner, verbose):
    """Show the progress of a `SearchTuner` while it runs; its `on_progress` is set."""
    from tuning.search_tuner import role

    if not verbose or role() != "alone":
        yield
        return
    if runner.oracle.end_order:
        print(f"Going on with {runner.project}; trials done: {len(runner.oracle.end_order)}.")
    with search_bar(runner.oracle) as (_, update):
        runner.on_progress = update
        yield
        update()
