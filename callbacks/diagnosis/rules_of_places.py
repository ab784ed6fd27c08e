"""Rules about places: axes of the inputs, and what labels of steps and of pixels stand at."""

from dataclasses import replace

import numpy as np

from .finding import SUSPICION, Seen, rule
from .scores import WELL, told_within
from .target import classes_of

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D")
AS_IS = "as they are"
TURNS = {  # of maps (rows, height, width, columns)
    AS_IS: lambda maps: maps,
    "mirrored left to right": lambda maps: maps[:, :, ::-1],
    "turned upside down": lambda maps: maps[:, ::-1],
    "turned by half": lambda maps: maps[:, ::-1, ::-1],
    "transposed": lambda maps: maps.swapaxes(1, 2),
}


@rule("axes_swapped", "start", SUSPICION, change="preprocessing")
def axes_swapped(run, smoother=0.5):
    """Time or place does not stand on the axis over which the layers go.

    Source: a series changes little from step to step; layers take axis 1 for time, the last for
    features.
    """
    recurrent = any(kind in RECURRENT for kind in run.first_layers)
    for name, x in run.inputs.items():
        if x.ndim == 4 and x.shape[1] in (1, 3, 4) and x.shape[2] == x.shape[3] > 4:
            text = f"Rows of {name} have shape {x.shape[1:]}: the channels seem to stand first."
            yield Seen(text, "Move them to the end: np.moveaxis(x, 1, -1).")
        if x.ndim != 3 or not (recurrent or "Conv1D" in run.first_layers) or run.has_ids:
            continue
        _, steps, features = x.shape
        if steps == 1 and recurrent and not run.stateful:
            text = f"Rows of {name} have shape {x.shape[1:]}, one time step: a recurrent layer "
            remedy = "Give each row a window of time steps, the values before it included; if the "
            remedy += "features are the past, make them the steps: x.swapaxes(1, 2)."
            yield Seen(f"{text}has no past to go through.", remedy)
        elif min(steps, features) >= 4 and not list(steps_reshaped(run)):
            by_step, by_feature = _roughness(x, 1), _roughness(x, 2)
            if by_feature < smoother * by_step and by_feature < smoother:
                text = f"In {name} neighbours on the last axis ({features}) differ by "
                text += f"{by_feature:.2g} of the spread, on the time axis ({steps}) by "
                text += f"{by_step:.2g}: time seems to stand last."
                remedy = "Swap the axes with np.swapaxes(x, 1, 2), not with reshape, which mixes "
                yield Seen(text, f"{remedy}the values.")


@rule("axes_swapped", "start", "warning", change="preprocessing")
def channels_reshaped(run, smoother=0.985, fewest_pixels=20_000):
    """Images with their channels first were reshaped to have them last, which mixes the pixels.

    Read with the channels first again, they are smoother along rows and along columns.

    Source: a reshape keeps the order of the numbers in memory: neighbours become channels.
    """
    for name, x in run.inputs.items():
        if x.ndim != 4 or x.shape[-1] not in (2, 3, 4) or x[..., 0].size < fewest_pixels:
            continue
        _, height, width, channels = x.shape
        x = x[: 1 + 2_000_000 // x[0].size].astype("float32")  # enough; bytes would overflow
        before = x.reshape(-1, channels, height, width)
        rough, smooth = (
            max(_roughness(images, axis) for axis in axes)
            for images, axes in ((x, (1, 2)), (before, (2, 3)))
        )
        if smooth < smoother * rough:
            text = f"Neighbouring pixels of {name} differ by {rough:.3g} of the spread; read as "
            text += f"{before.shape[1:]}, with the channels first, by {smooth:.3g}: the channels "
            text += "stood first, and a reshape has mixed the pixels."
            remedy = f"Move the axis of the array (n, {channels}, {height}, {width}) instead: "
            yield Seen(text, f"{remedy}np.moveaxis(x, 1, -1).")


def _roughness(x, axis):
    """Mean difference of neighbours on an axis, as a part of that of any two values."""
    usual = 2 / np.sqrt(np.pi) * float(x.std())  # of two normal numbers
    return float(np.mean(np.abs(np.diff(x, axis=axis)))) / max(usual, 1e-12)


@rule("axes_swapped", "start", SUSPICION, change="preprocessing")
def steps_reshaped(run, more=0.05, rows=256):
    """What follows a step's last column is the next step's first one: axes were reshaped.

    Of axes that were exchanged a value is like the same column's one step on; of channels with all
    their steps, cut anew into steps with their channels, it is like the value that stands next.

    Source: NumPy, `reshape` keeps the order of the values, `transpose` that of the axes.
    """
    for name, x in run.inputs.items():
        found = _goes_on(x[:rows].astype("float64")) if x.ndim == 3 and not run.has_ids else None
        along, onwards = found or (0.0, 0.0)
        if onwards > along + more:
            text = f"In {name} a value is more like the one that stands next, also from a step's "
            text += f"last column to the next step's first one (correlation {onwards:.2f}), than "
            text += f"like its own column's one step on ({along:.2f}): it was reshaped where axes "
            text += "were to be exchanged, unless a step is to hold what follows (a day's hours)."
            remedy = "Exchange axes by np.transpose(x, (0, 2, 1)); reshape keeps the order of the "
            yield Seen(text, f"{remedy}values.")


def _goes_on(x):
    """How alike a value is to its column's one step on, and, as a reshape leaves it, to the next.

    The second is 0 where the columns are steps, so that each value comes again one step on.
    """
    if x.shape[1] < 4 or x.shape[2] < 2 or not np.all(np.isfinite(x)):
        return None
    beside = _correlation(x[:, :, :-1], x[:, :, 1:])
    earlier = _correlation(x[:, :-1, 1:], x[:, 1:, :-1])
    onwards = min(beside, _correlation(x[:, :-1, -1], x[:, 1:, 0]))
    return _correlation(x[:, :-1], x[:, 1:]), onwards if earlier < 0.999 else 0.0


def _correlation(one, other):
    one, other = one.ravel() - one.mean(), other.ravel() - other.mean()
    return float(one @ other / max(np.sqrt((one @ one) * (other @ other)), 1e-12))


def _steps(run):
    """Return inputs (rows, steps, ...) and labels (rows, steps, columns), None if steps have none.

    Labels that do not count, as a mask hides them, are taken out of the rows: then it is None too.
    """
    out = run.only_output
    x = next(iter(run.inputs.values())) if len(run.inputs) == 1 else np.zeros(0)
    if out is None or out.known is not None or x.ndim not in (2, 3) or not out.label_shape:
        return None
    rows, steps = x.shape[:2]
    if out.label_shape[0] != steps or len(out.y) != rows * steps or steps < 4:
        return None
    return x, out.y.reshape(rows, steps, -1)


@rule("label_problem", "end", "warning", change="data")
def labels_of_other_steps(run, most=3, better=0.2, pairs=2000, kinds=64):
    """Simple models tell a step's label from the inputs of a step beside it, not from its own.

    Labels that are the inputs of another step are meant so: to forecast, or to recall.

    Source: definition of a label: it is of the inputs that it stands beside.
    """
    found, out = _steps(run), run.only_output
    if found is None or out.prediction is None or run.known_gain >= WELL:
        return
    x, y = found
    if any(_are_inputs(x, y, shift) for shift in range(-most, most + 1)):
        return
    size = max(1, pairs // x.shape[1])
    guess = out.prediction.reshape(-1, x.shape[1], out.prediction.shape[-1])[:size]
    x, y, told = x[: len(guess)], y[: len(guess)], {}
    if x.ndim == 2 and run.has_ids:
        values, counts = np.unique(x, return_counts=True)
        x = (x[..., None] == values[np.argsort(-counts)[:kinds]]).astype("float64")
    for shift in range(-most, most + 1):
        own, there = _shifted(shift)
        labels, own_guess = (part[:, own].reshape(-1, part.shape[-1]) for part in (y, guess))
        seen = x[:, there].reshape(len(labels), -1)
        told[shift] = told_within(replace(out, y=labels, prediction=own_guess), seen)
    if None in told.values():
        return
    best = max(told, key=lambda shift: told[shift][0])
    plain, _, own = told[0]
    if best and told[best][0] > max(plain, own) + better:
        place = f"{abs(best)} step{'s' * (abs(best) > 1)} {'before' if best > 0 else 'after'}"
        text = f"From the input {place} simple models tell a step's label with {out.measure} "
        text += f"{told[best][0]:.2f}, from its own input with {plain:.2f}; the network has "
        text += f"{own:.2f}: the labels are shifted."
        here, there = (f"[:, {abs(best)}:]", f"[:, :-{abs(best)}]")
        here, there = (here, there) if best > 0 else (there, here)
        remedy = f"Give each step its own label: x{there} with y{here}. If it is meant so, let a "
        yield Seen(text, f"{remedy}step see its neighbours: LSTM, Conv1D.")


def _shifted(shift):
    """Return slices of the steps that have an input so many steps before, and of these inputs."""
    if shift >= 0:
        return slice(shift, None), slice(0, -shift or None)
    return slice(0, shift), slice(-shift, None)


def _are_inputs(x, y, shift):
    own, there = _shifted(shift)
    values = x.reshape(*x.shape[:2], -1)[:, there]
    return bool(np.mean(np.any(np.isclose(values, y[:, own, :1]), axis=-1)) > 0.5)


@rule("target_in_inputs", "start", "warning", change="data", recipe="sequence_baseline")
def labels_of_their_own_inputs(run):
    """A network over steps is to tell at each of them what stands there in its inputs.

    One that has to pass its last step, as an autoencoder of texts, is left alone, and so is a loss
    of one's own, which may move the labels.

    Source: Graves (2013), Generating sequences: the label of a step is the input of the next one.
    """
    found, out = _steps(run), run.only_output
    goes_over_steps = run.recurrent or run.attends
    if found is None or not goes_over_steps or run.last_step or out.has_own_loss:
        return
    x, y = found
    if out.kind == "sparse" and x.ndim == 2 and np.array_equal(x, y[..., 0]):
        text = "The label of each step is the number that stands at the same step of the inputs: "
        text += "to copy it is all there is to learn."
        remedy = "To tell what comes next, move the labels by a step: x[:, :-1] with x[:, 1:]."
        yield Seen(text, remedy)


@rule("label_problem", "start", "warning", change="preprocessing", recipe="masking")
def labels_padded_otherwise(run, apart=0.3):
    """Rows are padded with 0 at one end, and the labels of their steps at the other.

    Source: Keras, pad_sequences: it pads at the front, unless padding='post' is given.
    """
    for out in run.outputs:
        first, last, label_first, label_last = out.padded or (0.0, 0.0, 0.0, 0.0)
        here, there = first - last, label_first - label_last
        if min(abs(here), abs(there)) > apart and here * there < 0:
            text = f"{first:.0%} of the rows begin with 0 and {last:.0%} end with it; of the "
            text += f"labels of their steps {label_first:.0%} begin and {label_last:.0%} end with "
            text += "0. Where each step has a label of its own, it now stands at another step."
            remedy = "Pad both alike: pad_sequences(…, padding='post') for rows and labels, or for "
            yield Seen(text, f"{remedy}neither.")


@rule("label_problem", "end", "error", change="data", recipe="data_augmentation")
def maps_beside_their_images(run, lies=0.25, rows=32):
    """Maps of labels lie on what their images show in validation rows and not in training rows.

    Measured is how much better an image goes together with its map, pixel by pixel, than with that
    of another row.

    Source: definition of a segmentation: whatever turns an image has to turn its map alike.
    """
    out, x, other = run.only_output, run.table, run.validation_table
    size = tuple(out.label_shape[:2]) if out is not None else ()
    if x is None or other is None or x.ndim != 4 or len(size) < 2:
        return
    if not x.shape[1:3] == other.shape[1:3] == size:
        return
    if out.validation_y is None or out.known is not None or min(len(x), len(other)) < rows:
        return
    sides = []
    for images, maps in ((x, out.y), (other, out.validation_y)):
        images, maps = images[:rows], maps.reshape(len(images), *size, -1)[:rows]
        sides.append((_lies_on(images, maps), _lies_on(images, np.roll(maps, 1, axis=0))))
    (here, strange), (there, by_chance) = sides
    if there - by_chance >= lies and here - strange < (there - by_chance) / 4:
        text = "Images and their maps of labels go together in the validation rows (correlation "
        text += f"{there:.2f} pixel by pixel, with maps of other rows {by_chance:.2f}) and not in "
        text += f"the training rows ({here:.2f} and {strange:.2f}): there the maps do not lie on "
        text += "their images, as where each is turned or shuffled for itself."
        remedy = "Augment both in the same way: one generator of random numbers, or one seed, for "
        yield Seen(text, f"{remedy}an image and its map; and keep both in the same order.")


def _lies_on(images, maps):
    """Mean correlation, without its sign, of an image's brightness and its map's first column."""
    fit = np.abs(_fits(images.mean(axis=-1, keepdims=True), maps[..., :1])[:, 0, 0, 0])
    return float(fit[fit > 0].mean()) if fit.any() else 0.0


@rule("label_problem", "end", "warning", change="data")
def labels_of_other_pixels(run, least=0.3, better=0.2, often=0.2):
    """Maps of labels fit their images far better once they are moved, mirrored or transposed.

    Fit is the correlation of labels and pixels over an image, for each column and channel. Where
    some maps fit as they are and others mirrored, one of image and map was augmented alone.

    Source: Reddy & Chatterji (1996), An FFT-based technique for image registration.
    """
    found = _maps(run)
    if found is None or run.known_gain >= WELL or list(maps_beside_their_images(run)):
        return
    x, y = found
    turned = {name: turn(y) for name, turn in TURNS.items()}
    fits = {name: _fits(x, maps) for name, maps in turned.items() if maps.shape == y.shape}
    remedy = "Treat images and maps alike: listed in one order, with the same axes, cropped, "
    remedy += "resized and mirrored together."
    means = {name: np.abs(fit.mean(axis=0)) for name, fit in fits.items()}
    plain = float(means[AS_IS][:, 0, 0].max())
    best = max(means, key=lambda name: means[name].max())
    reached = float(means[best].max())
    if reached > max(least, plain + better):
        _, *peak = np.unravel_index(means[best].argmax(), means[best].shape)
        size = np.array(y.shape[1:3])
        down, right = (peak + size // 2) % size - size // 2
        text = f"Labels follow the pixels of their images with a correlation of {plain:.2f}; maps "
        text += f"{best}, moved by {abs(down)} {'down' if down > 0 else 'up'} and {abs(right)} to "
        text += f"the {'right' if right > 0 else 'left'} (of {size[0]} by {size[1]}), with "
        text += f"{reached:.2f}."
        yield Seen(text, remedy)
        return
    pair = int(np.abs(fits[AS_IS][..., 0, 0]).mean(axis=0).argmax())
    sign = np.sign(fits[AS_IS][:, pair, 0, 0].mean())
    rows = {name: sign * fit[:, pair, 0, 0] for name, fit in fits.items()}
    for name, fit in rows.items():
        others = fit > np.maximum(least, rows[AS_IS] + better)
        of_others = _fits(x, np.roll(turned[name], 1, axis=0))[:, pair, 0, 0]
        by_chance = np.mean(sign * of_others > np.maximum(least, rows[AS_IS] + better))
        if others.mean() > max(often, 2 * by_chance):
            text = f"{others.mean():.0%} of the maps fit their images {name} and not as they are: "
            yield Seen(f"{text}one of both was changed alone.", remedy)
            return


@rule("label_problem", "start", "warning", change="preprocessing")
def classes_between(run, share=0.1, of_leaps=0.4, fewest=50):
    """Along borders of maps from one class to a higher one stand pixels of the class between both.

    Class numbers are names: of a map that was resized or turned with averages, half of class 0 and
    half of class 2 is class 1, where nothing of it is.

    Source: TensorFlow, tf.image.resize: "bilinear", the default, averages; "nearest" does not.
    """
    out = run.only_output
    if out is None or out.kind != "sparse" or len(out.label_shape) < 2 or out.known is not None:
        return
    size = out.label_shape[:2]
    maps = classes_of(out, out.y)
    maps = maps[: len(maps) - len(maps) % int(np.prod(size))].reshape(-1, *size)[:64]
    steps = np.diff(maps, axis=2)
    one, then = steps[..., :-1], steps[..., 1:]
    num_between, num_steps = np.count_nonzero(one * then > 0), np.count_nonzero(steps)
    num_leaps = np.count_nonzero(np.abs(steps) > 1)
    if num_between > max(fewest, of_leaps * num_leaps, share * num_steps):
        text = f"In {num_between} places of the maps of {out.where} one pixel of a class stands "
        text += f"between a lower and a higher one, and {num_leaps} times two classes that are not "
        text += "next to each other meet: class numbers were averaged along the borders?"
        remedy = "Resize and turn maps of classes with the nearest pixel: "
        yield Seen(text, f"{remedy}tf.image.resize(maps, size, method='nearest').")


def _maps(run, rows=32, most=64, columns=4):
    """Return images and labels, each (rows, height, width, columns), None if labels are no maps.

    Of large ones every other pixel is taken, or fewer.
    """
    out = run.only_output
    x = next(iter(run.inputs.values())) if len(run.inputs) == 1 else np.zeros(0)
    if out is None or out.known is not None or x.ndim != 4 or x.shape[-1] > columns:
        return None
    size = x.shape[1:3]
    if tuple(out.label_shape[:2]) != size or min(size) < 8 or len(out.y) % (size[0] * size[1]):
        return None
    y = out.y.reshape(-1, *size, out.y.shape[-1])[:rows]
    if out.kind == "sparse":
        values, counts = np.unique(y, return_counts=True)
        y = y == values[np.argsort(-counts)[:columns]]
    step = -(-max(size) // most)
    x, y = (part[: len(y), ::step, ::step].astype("float64") for part in (x, y[..., :columns]))
    return x, y


def _fits(x, y):
    """Correlate channels and columns over each image, for each way of moving the labels round.

    Returns an array (rows, pairs of channel and column, down, right).
    """
    x, y = (np.moveaxis(part, -1, 1) for part in (x, y))
    x, y = (part - part.mean(axis=(2, 3), keepdims=True) for part in (x, y))
    norms = [np.sqrt(np.square(part).sum(axis=(2, 3), keepdims=True)) for part in (x, y)]
    x, y = (part / np.maximum(norm, 1e-12) for part, norm in zip((x, y), norms, strict=True))
    waves = np.fft.rfft2(x)[:, :, None] * np.conj(np.fft.rfft2(y))[:, None]
    fits = np.fft.irfft2(waves, s=x.shape[2:])
    return fits.reshape(len(x), -1, *x.shape[2:])


@rule("imbalanced_classes", "end", "warning", change="layers", recipe="masking")
def padding_counts(run, most=0.5):
    """Most steps are padding, whose label tells itself: it fills loss and accuracy.

    Source: Keras, Masking and padding: what a mask hides is in neither.
    """
    found, out = _steps(run), run.only_output
    if found is None or not run.has_ids or not out.of_classes or run.known_gain >= WELL:
        return
    x, y = found
    padded = (x == 0).ravel()
    labels = classes_of(out, y.reshape(len(padded), -1))
    share, of_padding = padded.mean(), np.unique(labels[padded])
    if most < share < 1 and len(of_padding) == 1 and not np.any(labels[~padded] == of_padding[0]):
        text = f"{share:.0%} of the steps are padding, all with label {of_padding[0]}, and count: "
        text += "with these alone an accuracy is that high, and the other steps are a small part "
        text += "of the loss."
        remedy = "Leave them out: Embedding(…, mask_zero=True), or a loss with "
        yield Seen(text, f"{remedy}ignore_class={of_padding[0]}.")
