"""What is shown while a search goes on."""

import contextlib

from rich import progress


@contextlib.contextmanager
def search_bar(oracle, verbose=True):
    """Show trials done, best score so far and time left.

    Yield a function that prints a line above the bar, and a function `update(part, text)` that
    shows the present state, with the part of a trial that is done and a text before the score.
    """
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

        def say(text):
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        def update(part=0.0, text=""):
            ended = [oracle.trials[name] for name in list(oracle.end_order)]
            scores = [trial.score for trial in ended if trial.score is not None]
            failed = sum(trial.status == "FAILED" for trial in ended)
            best = (max if oracle.objective.direction == "max" else min)(scores, default=None)
            parts = [text] if text else []
            parts += [f"best {oracle.objective.name} {best:.4g}"] if scores else []
            parts += [f"{failed} failed"] if failed else []
            bar.update(task, completed=len(ended) + part, text=", ".join(parts))

        yield say, update
