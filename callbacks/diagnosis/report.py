"""The findings as text and as a figure."""

import functools
import io
import pathlib

import numpy as np


class Text(str):
    """A text that a notebook, or Python's prompt, shows as it is and not in quotation marks."""

    def __repr__(self):
        """Return the text."""
        return str(self)


def to_write(path):
    """Return the path of a file to write, its folder made."""
    path = pathlib.Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def new_figure():
    """Return a figure that a notebook shows, whether or not pyplot is in use there."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    figure._repr_png_ = functools.partial(_png, figure)
    return figure


def _png(figure):
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return image.getvalue()


def text_of(findings, headline, left_out=(), stopped=None):
    """Return the findings as text: headline, what was left out, root cause, its consequences."""
    lines = [f"Training was stopped because of {stopped}."] if stopped else []
    lines.append(headline)
    if left_out:
        lines.append("Not judged: " + "; ".join(_by_reason(left_out)) + ".")
    for number, finding in enumerate(findings, 1):
        indent, title = "", f"{finding.severity}: {finding.symptom} (change: {finding.cause})"
        advice = finding.remedy
        if finding.consequence_of:
            indent, title = "   ", f"explained by {finding.consequence_of}: {finding.symptom}"
            advice = f"If it stays: {advice}"
        elif finding.recipe or finding.severity != "note":
            advice += f" See {finding.recipe}." if finding.recipe else " No recipe treats it."
        lines.append(f"{indent}{number}. {title}")
        lines += [f"{indent}   {text}" for text in (finding.evidence, advice)]
    return Text("\n".join(lines))


def _by_reason(left_out):
    """Join what was left out, "what (why)", where the reason is the same."""
    reasons, found = {}, []
    for text in left_out:
        what, _, why = text.partition(" (")
        reasons.setdefault(why or what, []).append(what)
    for why, whats in reasons.items():
        found.append(why if whats == [why] else f"{', '.join(whats)} ({why}")
    return found


def figure_of(findings, history, norms, names, headline):
    """Draw learning curves and gradients with the serious findings on them.

    `norms` (steps, L) are those of the gradients of L layers with these names; the headline is for
    a run without serious findings.
    """
    figure = new_figure()
    grid = figure.add_gridspec(2, 2, height_ratios=[2.2, 1])
    curve, heat = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    text = figure.add_subplot(grid[1, :])
    _draw_curves(curve, history)
    _draw_norms(figure, heat, norms, names)
    serious = [f for f in findings if f.severity != "note"][:4]
    red = "#CC3311"
    box = {"color": "white", "va": "center", "bbox": {"facecolor": red, "pad": 2}}
    for number, finding in enumerate(serious, 1):
        if finding.layer in names:
            row, across = names.index(finding.layer), heat.get_yaxis_transform()
            heat.text(0.01, row, str(number), transform=across, **box)
        if finding.epoch is not None:
            place, up = (finding.epoch + 1, 1 - 0.07 * number), curve.get_xaxis_transform()
            curve.axvline(place[0], color=red, linestyle=":")
            curve.text(*place, f"{number} ", color=red, transform=up, ha="right")
    lines = [f"{n}. {f.symptom}: {f.evidence}" for n, f in enumerate(serious, 1)]
    said = text.text(0, 1, "\n".join(lines) or headline, va="top", wrap=True)
    said.set_in_layout(False)  # else the layout makes room for it as if it were one line
    text.axis("off")
    return figure


def _draw_curves(curve, history):
    epochs = np.arange(1, len(history["loss"]) + 1)
    lines = (("loss", "#0072B2", "training"), ("val_loss", "#D55E00", "validation"))
    for name, color, label in lines:
        if name in history:
            values, marker = history[name], "o" if len(epochs) < 20 else None
            curve.plot(epochs[-len(values) :], values, color=color, label=label, marker=marker)
    if np.all(np.array(history["loss"]) > 0):
        curve.set_yscale("log")
    curve.set(xlabel="epoch", ylabel="loss", title="Learning curves")
    curve.xaxis.get_major_locator().set_params(integer=True)
    curve.legend()


def _draw_norms(figure, heat, norms, names):
    if norms.size:
        rows = np.log10(np.where(np.isfinite(norms) & (norms > 0), norms, np.nan))
        image = heat.imshow(rows.T, aspect="auto", cmap="viridis", interpolation="nearest")
        figure.colorbar(image, ax=heat, label="log10 of L2 norm")
        heat.set_facecolor("lightgray")
        shown = np.arange(0, len(names), -(-len(names) // 30))
        heat.set_yticks(shown, [names[i] for i in shown])
    title = "Gradient norm of each layer (grey: 0, infinite, NaN, none)"
    heat.set(xlabel="recorded step", title=title)
