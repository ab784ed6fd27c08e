"""Single changes that may repair a training: each alone, as a function of the laboratory.

Which of several findings is the root cannot be argued out; it can be tried. AutoTrainer (Zhang et
al., 2021) did so for five planted faults; here it is any change that a clone can carry.
"""

import keras
import numpy as np

from .clones import WIDTH, Change, compile_line, edited_lines

TREATMENTS = []  # all of them; among equal gains the first is named: roots before symptoms
GOOD_ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "swish", "mish")
SCALED_BY = ("Glorot", "He", "Lecun", "Variance", "Orthogonal", "Identity")
WITH_KERNEL = (
    *(keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
)


def treatment(function):
    """Enter a function of the laboratory that returns a `Change`, or None where it would be none.

    Its docstring is its reason.
    """
    TREATMENTS.append(function)
    return function


def edit_change(lab, name, cause, edit, **more):
    """Return the change that edits layers, None if it edits none."""
    lines = edited_lines(lab, edit)
    return Change(name, cause, (*lines, *more.pop("lines", ())), edit, **more) if lines else None


# ---- output and loss ----


@treatment
def labels_as_a_column(lab):
    """Labels (n,) against predictions (n, 1) make a loss of (n, n): each row pays for all."""
    if not lab.rows_mix or getattr(lab.rows.y, "ndim", 0) != 1:
        return None
    line = ("", "y = y.reshape(-1, 1)  # one column, as the output has")
    return Change(
        *("labels as a column", "loss", (line,)),
        labels=lambda x, y: y.reshape(-1, 1),
        own_model=True,  # a step that was traced for (n,) does not take (n, 1)
    )


@treatment
def swapped_arguments(lab):
    """Keras calls a loss with the labels first, whatever the names of its arguments."""
    own = lab.model.loss
    if len(lab.run.outputs) != 1 or lab.run.outputs[0].loss != "custom" or not callable(own):
        return None
    name = getattr(own, "__name__", "loss")
    line = (f"def {name}(y_pred, y_true):", f"def {name}(y_true, y_pred):")
    return Change(
        *("arguments of the loss in Keras's order", "loss", (line,)),
        loss=lambda y_true, y_pred: own(y_pred, y_true),
    )


@treatment
def output_and_loss_for_the_labels(lab):
    """Use the likelihood of the labels' kind and its inverse link (Bishop, 2006, ch. 4.3.6)."""
    output, target = lab.run.outputs[0] if lab.run.outputs else None, lab.targets[0]
    if len(lab.targets) != 1 or output is None or output.layer is None:
        return None
    units, activation, loss = {
        "classes": (target.classes, "softmax", "sparse_categorical_crossentropy"),
        "one-hot": (target.columns, "softmax", "categorical_crossentropy"),
        "binary": (1, "sigmoid", "binary_crossentropy"),
        "multilabel": (target.columns, "sigmoid", "binary_crossentropy"),
        "numbers": (target.columns, "linear", "mean_squared_error"),
    }[target.kind]
    logits = output.activation == "linear" and output.from_logits
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

    compiled = ((compile_line(lab), compile_line(lab, loss)),) if loss != output.loss else ()
    more = {"loss": loss}
    if not target.is_numbered:
        high, width = target.high, target.high - target.low
        compiled += (("", f"y = (y == {high:g}).astype('float32')  # 0 and 1"),)
        more["labels"] = lambda x, y: (np.asarray(y) == high).astype("float32")
        more["predictions"] = lambda x, values: [target.low + p * width for p in values]
    name = f"{activation} output with {loss}"
    change = edit_change(lab, name, "activation", edit, lines=compiled, **more)
    return change or Change(loss, "loss", compiled, **more)


# ---- layers ----


@treatment
def usual_initial_weights(lab):
    """Weights of another scale grow or die with depth, equal ones stay equal (Glorot, 2010)."""

    def edit(layer, config):
        initializer = config.get("kernel_initializer") or {"class_name": "Glorot"}
        if not str(initializer.get("class_name")).startswith(SCALED_BY):
            good = keras.initializers.GlorotUniform()
            config["kernel_initializer"] = keras.initializers.serialize(good)

    return edit_change(lab, "glorot_uniform initial weights", "initialization", edit)


@treatment
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


@treatment
def trainable_layers(lab):
    """Unfreeze: a frozen layer with random weights passes on a random view."""

    def edit(layer, config):
        if layer.weights and not layer.trainable and not hasattr(layer, "adapt"):
            config["trainable"] = True

    return edit_change(lab, "all layers trainable", "layers", edit)


@treatment
def no_weight_penalties(lab):
    """Lift penalties: one larger than the loss of the data is all that is minimized."""

    def edit(layer, config):
        for key in list(config):
            if key.endswith("regularizer") and config[key]:
                config[key] = None

    return edit_change(lab, "no weight penalties", "layers", edit)


@treatment
def no_dropout(lab):
    """Dropout costs capacity: needless where training rows are not fitted (Srivastava, 2014)."""

    def edit(layer, config):
        keys = ["dropout", "recurrent_dropout"]
        keys += ["rate"] if "Dropout" in type(layer).__name__ else []
        for key in keys:
            if config.get(key):
                config[key] = 0.0

    return edit_change(lab, "no dropout", "layers", edit)


@treatment
def faster_moving_averages(lab):
    """With momentum m the averages need several times 1 / (1 − m) updates (Ioffe, 2015)."""

    def edit(layer, config):
        if isinstance(layer, keras.layers.BatchNormalization) and config["momentum"] > 0.9:
            config["momentum"] = 0.9

    return edit_change(lab, "BatchNormalization with momentum 0.9", "layers", edit)


def _width(lab, factor, name):
    def edit(layer, config):
        if lab.is_output(layer) or not layer.trainable:
            return
        for key in WIDTH:
            if isinstance(config.get(key), int):
                config[key] = max(2, int(config[key] * factor))

    return edit_change(lab, name, "layers", edit)


@treatment
def four_times_the_width(lab):
    """Too few units cannot hold the rule (Ng, 2018, ch. 25)."""
    return _width(lab, 4, "four times the width")


@treatment
def quarter_of_the_width(lab):
    """Fewer units learn less by heart (Ng, 2018, ch. 26)."""
    return _width(lab, 0.25, "a quarter of the width") if lab.overfits else None


@treatment
def weight_penalty(lab):
    """Small weights vary less with the rows (Krogh & Hertz, 1992)."""

    def edit(layer, config):
        if "kernel_regularizer" in config and not lab.is_output(layer):
            config["kernel_regularizer"] = keras.regularizers.serialize(keras.regularizers.L2(0.01))

    return edit_change(lab, "an L2 penalty of 0.01", "layers", edit) if lab.overfits else None


# ---- steps ----


def _rate(lab, factor, name):
    kind, rate = type(lab.model.optimizer), lab.learner.rate
    if rate is not None:
        new = f"keras.optimizers.{kind.__name__}(learning_rate={rate * factor:g})"
        lines = ((compile_line(lab), compile_line(lab, optimizer=new)),)
        return Change(name, "learning_rate", lines, options=(("rate", factor),))

    def scaled():
        config = lab.model.optimizer.get_config()
        schedule = config["learning_rate"]["config"]
        for key in ("initial_learning_rate", "warmup_target", "end_learning_rate"):
            if isinstance(schedule.get(key), (int, float)):
                schedule[key] *= factor
        return kind.from_config(config)

    lines = (("", f"# every rate of the schedule × {factor:g}"),)
    return Change(name, "learning_rate", lines, optimizer=scaled)


@treatment
def usual_rate(lab):
    """Take the optimizer's default: seldom far off (Bengio, 2012, ch. 3.1)."""
    usual = type(lab.model.optimizer)().get_config()["learning_rate"]
    if lab.learner.rate is None or 0.09 < usual / max(lab.learner.rate, 1e-30) < 11:
        return None
    name = "the optimizer's usual learning rate"
    return _rate(lab, float(usual) / lab.learner.rate, name)


@treatment
def rate_divided_by_10(lab):
    """Above 2 / curvature a step leads away (LeCun et al., 1998, ch. 4.6)."""
    return _rate(lab, 0.1, "learning rate / 10")


@treatment
def rate_times_10(lab):
    """Below the usual range training needs as many times the updates (Bengio, 2012)."""
    return _rate(lab, 10.0, "learning rate × 10")


@treatment
def clipped_gradients(lab):
    """Clip: a gradient of bounded length takes no leap (Pascanu et al., 2013)."""
    optimizer = lab.model.optimizer
    if np.all(np.isfinite(lab.baseline.losses)) or optimizer.clipnorm:
        return None
    config = optimizer.get_config() | {"clipnorm": 1.0}
    rate = "…" if lab.learner.rate is None else f"{lab.learner.rate:g}"
    new = f"keras.optimizers.{type(optimizer).__name__}(learning_rate={rate}, clipnorm=1.0)"
    lines = ((compile_line(lab), compile_line(lab, optimizer=new)),)
    return Change(
        "clipped gradients",
        "learning_rate",
        lines,
        optimizer=lambda: type(optimizer).from_config(config),
    )


@treatment
def adam(lab):
    """Use steps of one size for each weight, whatever its gradient's scale (Kingma, 2015)."""
    if type(lab.model.optimizer).__name__ in ("Adam", "AdamW", "Nadam"):
        return None
    new = "keras.optimizers.Adam(learning_rate=0.001)"
    lines = ((compile_line(lab), compile_line(lab, optimizer=new)),)
    return Change("Adam", "optimizer", lines, optimizer=lambda: keras.optimizers.Adam(0.001))


@treatment
def fewer_updates(lab):
    """Stop early: the best epoch may have passed (Prechelt, 1998)."""
    if not lab.overfits:
        return None
    new = "keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)"
    lines = (("model.fit(x, y)", f"model.fit(x, y, callbacks=[{new}])"),)
    options = (("updates", max(1, lab.updates // 4)),)
    return Change("a quarter of the updates", "epochs", lines, options=options)


@treatment
def more_updates(lab):
    """Wait: a loss that still falls wants time, before anything else is changed."""
    lines = (("model.fit(x, y, epochs=n)", "model.fit(x, y, epochs=4 * n)"),)
    options = (("updates", 4 * lab.updates),)
    name = f"four times the updates ({4 * lab.updates})"
    return Change(name, "epochs", lines, options=options, same_budget=False)
