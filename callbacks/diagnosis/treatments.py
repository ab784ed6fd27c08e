"""Single changes that may repair a training: each alone, as a function of the laboratory.

Which of several findings is the root cannot be argued out; it can be tried. AutoTrainer (Zhang et
al., 2021) did so for five planted faults; here it is any change that a clone can carry.
"""

import copy
from dataclasses import replace

import keras
import numpy as np

from .clones import (
    WIDTH,
    Change,
    compile_line,
    edited_layers,
    edited_lines,
    lift_noise,
    lift_penalties,
)
from .finding import enter
from .graph import WITH_KERNEL, loss_name, mask_of, optimizer_of, tensors_of
from .known import note_known
from .look import CLIPPING
from .rows import Rows, each_named, joined, name_of, named
from .scores import is_autoencoder
from .target import USUAL, last_values

SPOILED = 0.7  # skill on training rows: above it they can be learned as they are
FEWEST_HELD = 200  # validation rows to learn from
HOLDS_BACK = (*CLIPPING, "weight_decay", "epsilon", "beta_1", "beta_2", "momentum")
FAIR_MOMENTUM = 0.95
MOST_FLATTENED = 8192  # numbers of a row that a dense layer is given
TREATMENTS = []  # among equal gains the first is named: data before model, model before steps
GOOD_ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "swish", "mish")
SCALED_BY = ("Glorot", "He", "Lecun", "Variance", "Orthogonal", "Identity")


def treatment(*symptoms):
    """Enter a function of the laboratory that returns a `Change`, or None where it would be none.

    Its docstring is its reason. Of the symptoms that it treats the first one is that of a cause
    which no rule has seen.
    """
    return enter(TREATMENTS, symptoms=symptoms)


def edit_change(lab, name, cause, edit):
    """Return the change that edits layers, None if it edits none."""
    lines = edited_lines(lab, edit)
    return Change(name, cause, lines, edit=edit) if lines else None


# ---- rows ----


@treatment("split_mismatch")
def validation_of_the_same_rows(lab):
    """Part anew: validation rows of another kind measure something else (Ng, 2018, ch. 5-7)."""
    if not lab.validation_differs or lab.targets[0].last is not None:
        return None  # a series is split in time on purpose

    def split(train, held):
        parts = [(part.x, part.y, part.weights) for part in (train, held)]
        if any(weights is None for *_, weights in parts):
            parts = [part[:2] for part in parts]
        rows = Rows(*joined(parts))
        note_known(lab.model, rows)
        order = np.random.default_rng(lab.seed).permutation(len(rows))
        return rows.take(order[: len(train)]), rows.take(order[len(train) :])

    shuffle = "order = np.random.default_rng(0).permutation(len(x)); x, y = x[order], y[order]"
    lines = (("", f"{shuffle}  # before training and validation rows are parted"),)
    name = "validation rows drawn from the same rows as the training's"
    return Change(name, "data", lines, split=split)


@treatment("inputs_tell_nothing", "label_problem")
def training_rows_like_validation(lab):
    """Look at the training rows as the network gets them: a few validation rows teach more.

    Their labels may stand at other rows (shuffled or zipped apart), or what is done to the rows on
    their way (augmentation in `dataset.map`) may make another class of them (Northcutt, 2021).
    """
    fits = lab.skill(lab.baseline.train_score) >= SPOILED
    weighs = lab.rows.weights is not None or lab.class_weight
    if fits or weighs or not lab.has_validation or len(lab.held) < FEWEST_HELD:
        return None
    if len(np.unique(lab.targets[0].labels(lab.labels(lab.held)[0]))) < 2:  # told by any network
        return None

    def split(train, held):
        order = np.random.default_rng(lab.seed).permutation(len(held))
        cut = len(held) // 4
        return held.take(order[cut:]), held.take(order[:cut])

    return Change("training on three quarters of the validation rows", "data", split=split)


@treatment("label_problem")
def targets_of_the_other_output(lab):
    """Two outputs of one kind may have been given each other's targets: a list goes by place.

    Keras, `fit`: lists of targets are in the order of the outputs, a dict goes by their names.
    """
    outs = lab.run.outputs
    kinds = {(out.kind, out.label_shape, out.units, out.loss) for out in outs}
    if len(outs) != 2 or len(kinds) != 1 or len(lab.targets) != 2:
        return None

    def exchanged(x, y):
        return keras.tree.pack_sequence_as(y, keras.tree.flatten(y)[::-1])

    first, second = (out.name for out in outs)
    line = ("model.fit(x, [y1, y2])", f"model.fit(x, {{{first!r}: y2, {second!r}: y1}})")
    return Change(
        f"the targets of {first!r} and {second!r} exchanged",
        "data",
        (line,),
        labels=exchanged,
        predictions=lambda x, values: values[::-1],
    )


@treatment("batches_in_order", "repeated_batches")
def shuffled_batches(lab):
    """Batches of one class, or in one order, pull the weights to and fro (Bengio, 2012)."""
    if not lab.in_order:
        return None
    line = ("model.fit(x, y, shuffle=False)", "model.fit(x, y, shuffle=True)")
    if lab.rows.in_order:
        line = ("dataset.batch(…)", "dataset.shuffle(NUM_ROWS).batch(…)  # of all rows")
    return Change("shuffled batches", "data", (line,), shuffle=True)


@treatment("imbalanced_classes", "class_weights_too_strong")
def balanced_class_weights(lab):
    """Weight classes: a rare one pays too little to be predicted (King & Zeng, 2001)."""
    target = lab.targets[0]
    if len(lab.targets) != 1 or not target.output.of_classes:
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
    name, recipe = "balanced class weights", "class_imbalance"
    return Change(name, "data", lines, recipe=recipe, class_weight=weight)


def _numbered(lab, step):
    """Return the change that reads a frozen table of words so many rows on, None without one."""
    run = lab.run
    is_frozen = any(layer in run.frozen for layer, *_ in run.embedded)
    if not (run.has_ids and is_frozen and len(run.embedded) == len(run.inputs) == 1):
        return None
    ((name, _, _, size, *_),) = run.embedded
    sign, more = ("+", "more") if step > 0 else ("-", "less")
    by = abs(step)
    line = (
        "",
        f"x = np.clip(x {sign} {by}, 0, {size - 1})  # as the rows of {name!r} are numbered",
    )
    words = f"numbers {more} by {by} for {name!r}, whose rows are frozen"

    def moved(numbers):
        return np.clip(numbers.astype("int32") + step, 0, size - 1)  # bytes would wrap around

    def inputs(x):
        return keras.tree.map_structure(moved, x)

    return Change(words, "preprocessing", (line,), inputs=inputs)


@treatment("frozen_features")
def numbers_one_less(lab):
    """Look one row back: a table may begin with word 0 where texts are numbered from 1."""
    return _numbered(lab, -1)


@treatment("frozen_features")
def numbers_three_less(lab):
    """Look three rows back: Keras's texts number words from 4 on (index_from=3 of load_data)."""
    return _numbered(lab, -3)


@treatment("frozen_features")
def numbers_one_more(lab):
    """Look one row on: a table may have a row for padding of which the texts know nothing."""
    return _numbered(lab, 1)


# ---- scale ----


@treatment("repeats_last_value")
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


@treatment("unnormalized_inputs")
def scaled_inputs(lab):
    """Mean 0 and variance 1 make the loss equally steep in all weights (LeCun et al., 1998)."""
    x, moments = lab.rows.x, {}
    for key, array in named(x).items():
        is_raw = name_of(key, x) not in lab.run.scaled_inside
        if array is not None and array.dtype.kind in "fiub" and is_raw and not _is_scaled(array):
            moments[key] = _moments(array)
    if all(np.all(abs(m) < 0.5) and np.all((s > 0.3) & (s < 3)) for m, s in moments.values()):
        return None

    def scaled(key, array):
        if key not in moments:
            return array
        mean, deviation = moments[key]
        return ((array - mean) / deviation).astype("float32")

    lines = ()
    for key in moments:
        it = f"x[{key!r}]" if len(named(x)) > 1 else "x"
        first = f"mean, std = {it}.mean(axis=0), {it}.std(axis=0) + 1e-7  # of the training rows"
        lines += (("", first), ("", f"{it} = ({it} - mean) / std  # likewise x_validation"))
    name, cause = "scaled inputs", "preprocessing"
    return Change(name, cause, lines, inputs=lambda x: each_named(x, scaled))


def _is_scaled(array, least=0.1):
    """Tell whether images or steps lie between -1 and 1 and make use of it: more is only pace."""
    return array.ndim > 2 and np.all(np.abs(array) <= 1) and np.std(array) > least


def _moments(array):
    """Mean and deviation of each column of a table, else of each channel."""
    axes = (0,) if array.ndim <= 2 else tuple(range(array.ndim - 1))
    finite = np.where(np.isfinite(array), array, np.nan).astype("float64")
    mean, deviation = np.nanmean(finite, axis=axes), np.nanstd(finite, axis=axes)
    return mean, np.where(deviation > 1e-7, deviation, 1.0)


@treatment("unscaled_targets")
def scaled_targets(lab):
    """Scale targets: the output has to travel to 1000 before it learns anything else."""
    labels, moments, places = named(lab.rows.y), {}, {}
    for place, target in enumerate(lab.targets):
        key = target.output.name if isinstance(lab.rows.y, dict) else place
        if target.kind != "regression" or key not in labels:
            continue
        y = np.asarray(labels[key], "float64")
        mean, deviation = float(np.nanmean(y)), float(np.nanstd(y))
        if deviation > 0 and (abs(mean) >= 1 or not 0.3 < deviation < 3):
            moments[key], places[place] = (mean, deviation), key
    if not moments or len(labels) != len(lab.targets):
        return None

    def scaled(key, y):
        if key not in moments:
            return y
        mean, deviation = moments[key]
        return ((y - mean) / deviation).astype("float32")

    def in_units(x, values):
        values = list(values)
        for place, key in places.items():
            mean, deviation = moments[key]
            values[place] = values[place] * deviation + mean
        return values

    lines = ()
    for place, key in places.items():
        mean, deviation = moments[key]
        y, made = "y", "model.predict(x)"
        if len(labels) > 1:
            y, made = f"y[{key!r}]", f"model.predict(x)[{place}]"
        lines += (("", f"{y} = ({y} - {mean:.4g}) / {deviation:.4g}"),)
        lines += ((f"prediction = {made}", f"prediction = {made} * {deviation:.4g} + {mean:.4g}"),)
    return Change(
        "scaled targets",
        "preprocessing",
        lines,
        recipe="target_scaling",
        labels=lambda x, y: each_named(y, scaled),
        predictions=in_units,
    )


# ---- output and loss ----


@treatment("shapes_broadcast")
def labels_as_a_column(lab):
    """Labels (n,) against predictions (n, 1) make a loss of (n, n): each row pays for all."""
    may_mix = lab.rows_mix or lab.run.own_sum_in_step
    if not may_mix or getattr(lab.rows.y, "ndim", 0) != 1:
        return None
    line = ("", "y = y.reshape(-1, 1)  # one column, as the output has")
    return Change("labels as a column", "loss", (line,), labels=lambda x, y: y.reshape(-1, 1))


@treatment("unsuitable_loss")
def swapped_arguments(lab):
    """Keras calls a loss with the labels first, whatever the names of its arguments."""
    own = lab.model.loss
    if len(lab.run.outputs) != 1 or lab.run.outputs[0].loss != "custom" or not callable(own):
        return None
    seen = lab.run.outputs[0].properties or {}
    if "costs" in seen and seen["right"] < seen["wrong"]:  # of two classes, each mistake costs
        return None
    name = getattr(own, "__name__", "loss")
    line = (f"def {name}(y_pred, y_true):", f"def {name}(y_true, y_pred):")
    title = "arguments of the loss in Keras's order"
    return Change(title, "loss", (line,), loss=lambda y_true, y_pred: own(y_pred, y_true))


@treatment("unsuitable_output_activation", "unsuitable_loss")
def output_and_loss_for_the_labels(lab):
    """Use the likelihood of the labels' kind and its inverse link (Bishop, 2006, ch. 4.3.6)."""
    output, target = lab.run.outputs[0] if lab.run.outputs else None, lab.targets[0]
    if len(lab.targets) != 1 or output is None or output.layer is None or output.in_own_terms:
        return None
    activation, kind = USUAL[target.kind]
    units, loss = {"sparse": target.classes}.get(target.kind, target.columns), loss_name(kind())
    logits = output.activation == "linear" and output.from_logits
    are_shares = target.kind == "regression" and target.low >= 0 and target.high <= 1
    if are_shares and "crossentropy" in output.loss:  # which is their likelihood
        return None
    suits = output.activation == activation or logits
    if suits and output.loss == loss and output.units == units and target.is_numbered:
        return None

    def edit(layer, config):
        if layer.name == output.layer:
            for key in WIDTH:
                if key in config and config[key] != units:
                    config[key] = units
            if config.get("activation") is not None:
                config["activation"] = activation
        elif layer.name in lab.output_activations:
            return keras.layers.Activation("linear", name=layer.name)
        return None

    lines, more = edited_lines(lab, edit), {}
    if lines:
        more["edit"] = edit
    if loss != output.loss:
        lines += ((compile_line(lab), compile_line(lab, loss)),)
        more["loss"] = loss
    if not target.is_numbered:
        high, width = target.high, target.high - target.low
        lines += (("", f"y = (y == {high:g}).astype('float32')  # 0 and 1"),)
        more["labels"] = lambda x, y: (np.asarray(y) == high).astype("float32")
        more["predictions"] = lambda x, values: [target.low + p * width for p in values]
    if not lines:
        return None
    if more.keys() == {"loss"}:  # the output suits the labels already
        return Change(f"{loss} as the loss", "loss", lines, **more)
    return Change(f"{activation} output with {loss}", "activation", lines, **more)


# ---- layers ----


@treatment("poor_initialization")
def usual_initial_weights(lab):
    """Weights of another scale grow or die with depth, equal ones stay equal (Glorot, 2010)."""

    def edit(layer, config):
        initializer = config.get("kernel_initializer") or {"class_name": "Glorot"}
        if not str(initializer.get("class_name")).startswith(SCALED_BY):
            good = keras.initializers.GlorotUniform()
            config["kernel_initializer"] = keras.initializers.serialize(good)
        bias = config.get("bias_initializer")
        if bias and isinstance(layer, WITH_KERNEL) and not lab.is_output(layer):
            config["bias_initializer"] = keras.initializers.serialize(keras.initializers.Zeros())

    name = "usual initial weights (glorot_uniform, biases of 0)"
    return edit_change(lab, name, "initialization", edit)


@treatment("vanishing_gradient", "dead_relu", "missing_hidden_activation")
def relu_with_he_normal(lab):
    """Slopes of 1, and a scale that is kept from layer to layer (He et al., 2015)."""

    def edit(layer, config):
        alone = isinstance(layer, keras.layers.Activation)
        if not (alone or isinstance(layer, WITH_KERNEL)) or lab.is_output(layer):
            return
        activation = config["activation"]
        if activation not in GOOD_ACTIVATIONS and layer.name not in lab.before_activation:
            config["activation"] = "relu"
        elif alone or str(config["kernel_initializer"]["class_name"]).startswith(SCALED_BY):
            return
        if not alone:
            he_normal = keras.initializers.serialize(keras.initializers.HeNormal())
            config["kernel_initializer"] = he_normal

    return edit_change(lab, "relu with he_normal in the hidden layers", "activation", edit)


@treatment("part_unseen")
def flattened_maps(lab):
    """Keep the places: a mean or maximum of a whole map says what is there, not where.

    Liu et al. (2018), CoordConv.
    """

    def edit(layer, config):
        if not type(layer).__name__.startswith("Global"):
            return None
        tensor, *_ = tensors_of(layer, "input") or (None,)
        if tensor is None or mask_of(tensor) is not None:  # which no `Flatten` takes
            return None
        sizes = tensor.shape[1:]
        if None in sizes or np.prod(sizes) > MOST_FLATTENED:
            return None
        return keras.layers.Flatten(name=layer.name)

    return edit_change(lab, "places kept instead of pooled", "layers", edit)


@treatment("frozen_features", "nothing_trainable")
def trainable_layers(lab):
    """Unfreeze: what is frozen knows and averages other data than these (Yosinski et al., 2014)."""

    def edit(layer, config):
        if layer.weights and not layer.trainable and not hasattr(layer, "adapt"):
            config["trainable"] = True

    return edit_change(lab, "all layers trainable", "layers", edit)


@treatment("penalty_too_strong")
def no_weight_penalties(lab):
    """Lift penalties and constraints: one larger than the data's loss is all that is minimized."""
    return edit_change(lab, "no weight penalties or constraints", "layers", lift_penalties)


@treatment("noise_too_strong")
def no_noise(lab):
    """Leave rows as they are: a label has to survive what is done to its row (Shorten, 2019)."""
    noisy = [layer for layer, *_ in edited_layers(lab, lift_noise)]
    names = [f"{type(layer).__name__} {layer.name!r}" for layer in noisy]
    names[3:] = [f"{len(names) - 3} more"] if len(names) > 3 else []
    name = f"training without the noise of {', '.join(names)}"
    change = edit_change(lab, name, "layers", lift_noise)
    is_augmented = any(type(layer).__name__.startswith("Rand") for layer in noisy)
    return replace(change, recipe="data_augmentation") if is_augmented else change


@treatment("moving_averages_behind")
def faster_moving_averages(lab):
    """With momentum m the averages need several times 1 / (1 − m) updates (Ioffe, 2015)."""

    def edit(layer, config):
        if isinstance(layer, keras.layers.BatchNormalization) and config["momentum"] > 0.9:
            config["momentum"] = 0.9

    return edit_change(lab, "BatchNormalization with momentum 0.9", "layers", edit)


@treatment("too_small")
def four_times_the_width(lab):
    """Too few units cannot hold the rule (Ng, 2018, ch. 25); an autoencoder is to have few."""
    out = lab.run.only_output
    if out is not None and is_autoencoder(lab.run, out):
        return None

    nested = [layer for layer in lab.model.layers if isinstance(layer, keras.Model)]
    # what a network within the model gives has the shape that is read
    ends = {network.layers[-1].name for network in nested if network.layers}

    def edit(layer, config):
        if lab.is_output(layer) or layer.name in ends or not layer.trainable:
            return
        for key in WIDTH:
            if isinstance(config.get(key), int):
                config[key] *= 4

    return edit_change(lab, "four times the width", "layers", edit)


@treatment("high_variance")
def weight_penalty(lab):
    """Small weights vary less with the rows (Krogh & Hertz, 1992)."""

    def edit(layer, config):
        if "kernel_regularizer" in config and not lab.is_output(layer):
            config["kernel_regularizer"] = keras.regularizers.serialize(keras.regularizers.L2(0.01))

    return edit_change(lab, "an L2 penalty of 0.01", "layers", edit) if lab.overfits else None


# ---- steps ----


def _optimizer(lab):
    """Return the kind of the optimizer and its options."""
    optimizer = optimizer_of(lab.model)
    return type(optimizer), optimizer.get_config()


def _usual(kind):
    """Return the usual options of a kind of optimizer, {} of one that has to be given some."""
    try:
        return kind().get_config()
    except TypeError:
        return {}


def _rate(lab, factor, name):
    (kind, config), rate = _optimizer(lab), lab.learner.rate
    if rate is not None:
        name += f" ({rate * factor:.2g})"
        new = f"keras.optimizers.{kind.__name__}(learning_rate={rate * factor:g})"
        lines = ((compile_line(lab), compile_line(lab, optimizer=new)),)
        return Change(name, "learning_rate", lines, rate=factor)

    def scaled():
        schedule = copy.deepcopy(config["learning_rate"])
        for key in ("initial_learning_rate", "warmup_target", "end_learning_rate"):
            if isinstance(schedule["config"].get(key), (int, float)):
                schedule["config"][key] *= factor
        return kind.from_config({**config, "learning_rate": schedule})

    lines = (("", f"# every rate of the schedule × {factor:g}"),)
    return Change(name, "learning_rate", lines, optimizer=scaled)


@treatment("own_train_step", "no_gradient", "shapes_broadcast")
def keras_train_step(lab):
    """Leave the step to Keras, or do in yours what it does (Keras, Customizing `fit()`).

    Predict with training=True, take the loss of these rows with their sample weights, and hand
    each gradient once, and no sum of former ones, to its own weight.
    """
    output, target = lab.run.outputs[0] if lab.run.outputs else None, lab.targets[0]
    if not lab.learner.has_own_step or len(lab.targets) != 1 or output is None:
        return None
    lines = ((f"{type(lab.model).__name__}.train_step", ""),)
    if lab.model.loss is not None:
        return Change("Keras's own train step", "optimizer", lines, keras_step=True)
    if output.activation is None:
        return None
    kind = USUAL[target.kind][1]  # the step has a loss of its own, which may be what is wrong
    is_number = target.kind == "regression"
    loss = kind() if is_number else kind(from_logits=output.activation == "linear")
    lines += ((compile_line(lab), compile_line(lab, loss.name)),)
    return Change("Keras's own train step", "loss", lines, loss=loss, keras_step=True)


@treatment("slow_convergence")
def usual_options(lab):
    """Leave out what can hold back each step: clipping below the gradients' norm makes it tiny.

    Pascanu et al. (2013) for clipping; Kingma & Ba (2015) for the usual options.
    """
    kind, config = _optimizer(lab)
    usual = _usual(kind)
    keys = [key for key in HOLDS_BACK if usual and config.get(key) not in (None, usual.get(key))]
    unusual = {key: config[key] for key in keys}
    if unusual.get("momentum", 1) <= FAIR_MOMENTUM:
        del unusual["momentum"]
    if not unusual:
        return None
    without = ", ".join(f"{key}={value:g}" for key, value in unusual.items())
    old = compile_line(lab)
    lines = ((old.replace("), loss", f", {without}), loss"), old),)
    options = {**config, **{key: usual.get(key) for key in unusual}}
    name = f"{kind.__name__} without {without}"
    return Change(name, "optimizer", lines, optimizer=lambda: kind.from_config(dict(options)))


@treatment("learning_rate_too_low", "learning_rate_too_high")
def constant_rate(lab):
    """Keep the rate: a schedule counts updates, and what it asks for may not fit this training."""
    if lab.learner.rate is not None or not lab.run.peak:
        return None
    kind, config = _optimizer(lab)
    new = f"keras.optimizers.{kind.__name__}(learning_rate={lab.run.peak:g})"
    lines = ((compile_line(lab), compile_line(lab, optimizer=new)),)
    options = {**config, "learning_rate": lab.run.peak}
    name = f"a constant learning rate ({lab.run.peak:g}) in place of {lab.run.schedule}"
    more = {"recipe": "learning_rate_schedule"}
    more["optimizer"] = lambda: kind.from_config(dict(options))
    return Change(name, "learning_rate", lines, **more)


@treatment("learning_rate_too_high", "learning_rate_too_low", "slow_convergence")
def usual_rate(lab):
    """Take the optimizer's default: seldom far off (Bengio, 2012, ch. 3.1)."""
    rate, usual = lab.learner.rate, _usual(_optimizer(lab)[0]).get("learning_rate")
    if None in (rate, usual) or 0.09 < usual / max(rate, 1e-30) < 11:
        return None
    name = "the optimizer's usual learning rate"
    return _rate(lab, float(usual) / lab.learner.rate, name)


@treatment("learning_rate_too_high", "dead_relu", "exploding_gradient")
def rate_divided_by_10(lab):
    """Above 2 / curvature a step leads away (LeCun et al., 1998, ch. 4.6)."""
    return _rate(lab, 0.1, "learning rate / 10")


@treatment("learning_rate_too_low", "slow_convergence")
def rate_times_10(lab):
    """Below the usual range training needs as many times the updates (Bengio, 2012)."""
    return _rate(lab, 10.0, "learning rate × 10")


@treatment("slow_convergence")
def adam(lab):
    """Use steps of one size for each weight, whatever its gradient's scale (Kingma, 2015)."""
    if _optimizer(lab)[0].__name__ in ("Adam", "AdamW", "Nadam"):
        return None
    new = "keras.optimizers.Adam(learning_rate=0.001)"
    lines = ((compile_line(lab), compile_line(lab, optimizer=new)),)
    return Change("Adam", "optimizer", lines, optimizer=lambda: keras.optimizers.Adam(0.001))


@treatment("slow_convergence", "stopped_too_soon", "moving_averages_behind")
def more_updates(lab):
    """Wait: a loss that still falls wants time, before anything else is changed."""
    lines = (("model.fit(x, y, epochs=n)", "model.fit(x, y, epochs=4 * n)"),)
    name = f"four times the updates ({4 * lab.updates})"
    return Change(name, "epochs", lines, recipe="train_longer", factor=4)
