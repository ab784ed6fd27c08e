"""Changes to the rows: how they are parted, ordered, weighted and scaled."""

import keras
import numpy as np

from .clones import Change
from .rows import together
from .target import last_values
from .treatments import treatment

# ---- rows ----


@treatment
def validation_of_the_same_rows(lab):
    """Part anew: validation rows of another kind measure something else (Ng, 2018, ch. 5-7)."""
    if not lab.validation_differs or lab.targets[0].last is not None:
        return None  # a series is split in time on purpose

    def split(train, held):
        rows = together(train, held)
        order = np.random.default_rng(lab.seed).permutation(len(rows))
        return rows.take(order[: len(train)]), rows.take(order[len(train) :])

    shuffle = "order = np.random.default_rng(0).permutation(len(x)); x, y = x[order], y[order]"
    lines = (("", f"{shuffle}  # before training and validation rows are parted"),)
    name = "validation rows drawn from the same rows as the training's"
    return Change(name, "data", lines, split=split)


@treatment
def shuffled_batches(lab):
    """Batches of one class, or in one order, pull the weights to and fro (Bengio, 2012)."""
    if not lab.in_order:
        return None
    line = ("model.fit(x, y, shuffle=False)", "model.fit(x, y, shuffle=True)")
    if lab.rows.in_order:
        line = ("dataset.batch(…)", "dataset.shuffle(NUM_ROWS).batch(…)  # of all rows")
    return Change("shuffled batches", "data", (line,), options=(("shuffle", True),))


@treatment
def no_class_weights(lab):
    """Weights that turn the balance over make the majority the class that does not count."""
    if not lab.class_weight:
        return None
    line = (f"model.fit(x, y, class_weight={lab.class_weight})", "model.fit(x, y)")
    return Change("no class weights", "loss", (line,), options=(("class_weight", None),))


@treatment
def balanced_class_weights(lab):
    """Weight classes: a rare one pays too little to be predicted (King & Zeng, 2001)."""
    target = lab.targets[0]
    if len(lab.targets) != 1 or target.kind not in ("classes", "one-hot", "binary"):
        return None
    labels = target.labels(lab.rows.y)
    numbers, counts = np.unique(labels, return_counts=True)
    rare = counts.min() < 0.5 * len(labels) / len(numbers)
    if len(labels) != len(lab.rows) or len(numbers) < 2 or not (rare or lab.class_weight):
        return None
    weights = np.round(len(labels) / (len(numbers) * counts), 3).tolist()
    if target.kind == "binary":
        numbers = [(target.low, target.high)[number] for number in numbers]
    weight = {int(number): value for number, value in zip(numbers, weights, strict=True)}
    old = f", class_weight={lab.class_weight}" if lab.class_weight else ""
    lines = ((f"model.fit(x, y{old})", f"model.fit(x, y, class_weight={weight})"),)
    return Change("balanced class weights", "data", lines, options=(("class_weight", weight),))


# ---- scale ----


@treatment
def relative_to_the_last_value(lab):
    """Forecast a wandering series by its change: the level says nothing new.

    Hyndman & Athanasopoulos (2021), Forecasting, ch. 9.1: difference until it is stationary.
    """
    target = lab.targets[0]
    if len(lab.targets) != 1 or target.last is None:
        return None
    scale = float(np.std(target.labels(lab.rows.y)[:, 0] - last_values(lab.rows.x, target.last)))

    def last(x, like):
        return last_values(x, target.last).reshape(-1, *[1] * (np.ndim(like) - 1))

    lines = (
        ("", "last = x.reshape(len(x), -1)[:, -1]  # the last known value of each row"),
        ("", f"x = (x - last.reshape(-1, *[1] * (x.ndim - 1))) / {scale:.3g}"),
        ("", f"y = (y - last.reshape(y.shape)) / {scale:.3g}"),
        ("prediction = model.predict(x)", f"prediction = model.predict(x) * {scale:.3g} + last"),
    )
    return Change(
        "inputs and targets relative to the last value",
        "preprocessing",
        lines,
        inputs=lambda x: ((x - last(x, x)) / scale).astype("float32"),
        labels=lambda x, y: ((y - last(x, y)) / scale).astype("float32"),
        predictions=lambda x, values: [p * scale + last(x, p) for p in values],
    )


@treatment
def scaled_inputs(lab):
    """Mean 0 and variance 1 make the loss equally steep in all weights (LeCun et al., 1998)."""
    arrays = keras.tree.flatten(lab.rows.x)
    if lab.run.scaled_inside or any(a.dtype.kind not in "fiub" for a in arrays):
        return None
    moments = [_moments(a) for a in arrays]
    if all(np.all(abs(m) < 0.5) and np.all((s > 0.3) & (s < 3)) for m, s in moments):
        return None

    def scale(x):
        pairs = zip(keras.tree.flatten(x), moments, strict=True)
        scaled = [((a - mean) / deviation).astype("float32") for a, (mean, deviation) in pairs]
        return keras.tree.pack_sequence_as(x, scaled)

    lines = (
        ("", "mean, std = x.mean(axis=0), x.std(axis=0) + 1e-7  # of the training rows"),
        ("", "x, x_validation = (x - mean) / std, (x_validation - mean) / std"),
    )
    return Change("scaled inputs", "preprocessing", lines, inputs=scale)


def _moments(array):
    """Mean and deviation of each column of a table, else of each channel."""
    axes = (0,) if array.ndim <= 2 else tuple(range(array.ndim - 1))
    finite = np.where(np.isfinite(array), array, np.nan).astype("float64")
    mean, deviation = np.nanmean(finite, axis=axes), np.nanstd(finite, axis=axes)
    return mean, np.where(deviation > 1e-7, deviation, 1.0)


@treatment
def scaled_targets(lab):
    """Scale targets: the output has to travel to 1000 before it learns anything else."""
    if len(lab.targets) != 1 or lab.targets[0].kind != "numbers":
        return None
    y = np.asarray(lab.rows.y, "float64")
    mean, deviation = float(np.nanmean(y)), float(np.nanstd(y))
    if not deviation > 0 or (abs(mean) < 1 and 0.3 < deviation < 3):
        return None
    lines = (
        ("", f"y = (y - {mean:.4g}) / {deviation:.4g}"),
        (
            "prediction = model.predict(x)",
            f"prediction = model.predict(x) * {deviation:.4g} + {mean:.4g}",
        ),
    )
    return Change(
        "scaled targets",
        "preprocessing",
        lines,
        labels=lambda x, y: ((y - mean) / deviation).astype("float32"),
        predictions=lambda x, values: [p * deviation + mean for p in values],
    )
