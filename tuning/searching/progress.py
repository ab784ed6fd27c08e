"""What is shown while a search goes on."""

import contextlib

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .oracle import has_score


@contextlib.contextmanager
def search_bar(oracle, verbose=True):
    """Show trials done, best score so far and time left.

    Yield a function that prints a line above the bar, and a function `update(part, text)` that
    shows the present state, with the part of a trial that is done and a text before the score.
    """
    text = TextColumn("trials {task.completed:.0f} of {task.total}{task.description}")
    columns = [BarColumn(), text, TimeElapsedColumn(), TimeRemainingColumn()]
    with Progress(*columns, refresh_per_second=4, disable=not verbose) as bar:
        task = bar.add_task("", total=oracle.max_trials)

        def say(text):
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        def update(part=0.0, text=""):
            ended = [oracle.trials[name] for name in list(oracle.end_order)]
            scores = [trial.score for trial in ended if has_score(trial)]
            best = (max if oracle.objective.direction == "max" else min)(scores, default=None)
            failed = len(ended) - len(scores)
            parts = ["", text] if text else [""]
            parts += [f"best {oracle.objective.name} {best:.4g}"] if scores else []
            parts += [f"{failed} failed"] if failed else []
            bar.update(task, completed=len(ended) + part, description=", ".join(parts))

        yield say, update
