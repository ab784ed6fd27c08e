"""What a checkup has found: numbers, report and figure."""

import textwrap
from dataclasses import dataclass, field

import numpy as np

from .clones import Change
from .laboratory import SEEDS
from .report import Text, new_figure, to_write

FEW_HELD = 50  # rows
BLUE, RED, GREY = "#0072B2", "#D55E00", "#777777"


@dataclass
class Outcome:
    """What a change reached."""

    change: Change  # what was tried
    scores: list  # on held-out rows, one per seed
    gains: list  # of skill over the baseline of the same seed: 0 a constant, 1 perfect
    losses: np.ndarray  # of each batch under the first seed

    @property
    def score(self):
        """Mean over the seeds."""
        return float(np.mean(self.scores))

    @property
    def gain(self):
        """Mean over the seeds."""
        return float(np.mean(self.gains))

    @property
    def spread(self):
        """Half the difference of the gains of two seeds, infinite for one."""
        return float(np.ptp(self.gains)) / 2 if len(self.gains) == SEEDS else np.inf


@dataclass
class Verdict:
    """What to do."""

    kind: str  # "healthy", "repair", "longer", "pattern" or "unknown"
    sentence: str  # in words
    change: Change | None = None  # that repairs
    cause: str | None = None  # what to change, one of `CAUSES`
    # `Outcome`s that repair, the first to make in front
    repairs: list = field(default_factory=list)


@dataclass(repr=False)
class Checkup:
    """Results of `checkup`."""

    measure: str  # name of the score
    updates: int  # of each short training, and so the next three
    batch_size: int
    num_rows: int
    num_held: int
    baseline: Outcome  # of the model as it is
    results: list = field(default_factory=list)  # of `Result`, one per experiment
    outcomes: list = field(default_factory=list)  # of `Outcome` of changes, largest gain first
    findings: list = field(default_factory=list)  # given, or of the rules without training
    patterns: list = field(default_factory=list)  # of `Pattern` seen, blamed first in front
    left_out: list = field(default_factory=list)  # of texts: what was not made, and why
    verdict: Verdict | None = None
    seconds: float = 0.0  # what it took
    whole: float | None = None  # score of the user's whole training on the held-out rows, if known
    ahead: float | None = None  # how much more of the way to a perfect score the baseline has made

    def __repr__(self):
        """Return the verdict: a notebook shows what its last line gives, after the report."""
        return f"<Checkup: {self.verdict.sentence if self.verdict else 'no verdict yet'}>"

    def report(self):
        """Return experiments, changes and verdict as text."""
        budget = f"{self.updates} updates of {self.batch_size} rows, on {self.num_rows} rows"
        lines = [f"Checkup: {budget}, scored on {self.num_held} others; {self.seconds:.0f} s.", ""]
        for result in self.results:
            marks = {"left out": "?", result.experiment.outcomes[0]: " "}
            lines.append(f"{marks.get(result.outcome, '!')} {result.name}: {result.outcome}")
            lines.append(f"    expected  {result.experiment.expectation}")
            lines.append(f"    seen      {result.seen}")
        lines += ["", f"Changes, each alone: {self.measure} on held-out rows, mean of the seeds;"]
        lines.append("beside it the gain, of the way from a constant's score to the perfect 1")
        each = ", ".join(f"{score:.2f}" for score in self.baseline.scores)
        lines.append(f"  {self.baseline.score:6.2f}  {'':15}  as it is (by seed: {each})")
        for outcome in self.outcomes:
            spread = "one seed" if outcome.spread == np.inf else f"± {outcome.spread:.2f}"
            text = f"{outcome.gain:+.2f} {spread}"
            lines.append(f"  {outcome.score:6.2f}  {text:15}  {outcome.change.name}")
        if -1.0 in (self.baseline.score, *(outcome.score for outcome in self.outcomes)):
            lines += ["", "-1.00 stands for every R² below."]
        if self.num_held < FEW_HELD:
            chance = 1 / np.sqrt(max(1, self.num_held))  # two standard errors of an accuracy
            text = f"Only {self.num_held} rows are held out: scores less than {chance:.2f} "
            lines += ["", f"{text}apart may differ by chance."]
        lines += ["", self.verdict.sentence]
        if self.verdict.change is not None:
            for old, new in self.verdict.change.lines:
                lines += [f"  - {old}"] * bool(old) + [f"  + {new}"] * bool(new)
        if self.left_out:
            lines.append("Left out: " + "; ".join(self.left_out) + ".")
        return Text("\n".join(lines))

    def plot(self, path=None):
        """Draw what each change reaches, and the loss as it is and with the best one.

        Args:
            path: image file to write, or None to return the figure only.

        Returns:
            matplotlib.figure.Figure

        """
        figure = new_figure()
        bars, curve = figure.subplots(1, 2, width_ratios=[1.3, 1])
        shown = [self.baseline, *self.outcomes[:12]][::-1]
        below = [o.score - min(o.scores) for o in shown]
        above = [max(o.scores) - o.score for o in shown]
        repair = self.verdict.change
        chosen = next((o for o in self.outcomes if o.change is repair), None)
        colors = [GREY if o is self.baseline else RED if o is chosen else BLUE for o in shown]
        places, scores = np.arange(len(shown)), [o.score for o in shown]
        bars.barh(places, scores, xerr=[below, above], color=colors, height=0.7)
        bars.set_yticks(places, [_wrapped(o.change.name) for o in shown])
        bars.axvline(self.baseline.score, color=GREY, linestyle=":", label="as it is")
        for result in self.results:
            if result.name == "simple_models" and result.numbers:
                best = max(result.numbers.values())
                bars.axvline(best, color="k", linestyle="--", label="simple models")
        bars.set(xlabel=f"{self.measure} on held-out rows (bars: two seeds)")
        bars.set_title("Each change alone, with the same budget")
        bars.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
        for outcome, color in ((self.baseline, GREY), (chosen, RED)):
            if outcome is None:
                continue
            width = max(1, len(outcome.losses) // 20)
            smooth = np.convolve(outcome.losses, np.ones(width) / width, "valid")
            updates = np.arange(len(smooth)) + width
            curve.plot(updates, smooth, color=color, label=_wrapped(outcome.change.name))
        curve.set(xlabel="update", ylabel="loss (moving mean)", title="Loss while training")
        curve.legend()
        figure.suptitle(self.verdict.sentence, wrap=True)
        if path is not None:
            figure.savefig(to_write(path), dpi=120)
        return figure


def _wrapped(name, width=36, most=108):
    """Return the name of a change in lines that leave room for the bars."""
    return textwrap.fill(textwrap.shorten(name, most, placeholder=" …"), width)
