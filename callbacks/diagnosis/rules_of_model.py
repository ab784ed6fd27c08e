"""Rules of the compiled model: outputs, losses, layers and their initial weights."""

import math

import numpy as np

from .finding import SUSPICION, Seen, rule
from .graph import NEVER_NEGATIVE
from .target import USUAL, share_of_no_class

SHAPING = {"reshape", "expand_dims", "squeeze", "newaxis", "flatten", "ravel"}
UNBOUNDED = ("linear", "relu", "tanh", "leaky_relu", "elu", "selu", "gelu", "softplus", "silu")
UNBOUNDED += ("softsign", "hard_tanh", "relu6", "swish")
RANGES = {"softmax": (0, 1), "sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1)}
RANGES |= {"relu": (0, np.inf), "softplus": (0, np.inf), "softsign": (-1, 1)}


@rule("unsuitable_output_activation", "start", "error", change="activation", recipe="loss_function")
def unsuitable_output_activation(run):
    """The output cannot take the values that the loss and the targets need.

    Softmax divides by the sum over units, so one unit is 1 whatever the input; a cross-entropy
    takes the logarithm of a probability.

    Source: Goodfellow et al. (2016), Deep Learning, ch. 6.2.2.
    """
    for out in run.outputs:
        if out.activation is None or not np.all(np.isfinite(out.y)):
            continue
        name, entropy = out.activation, "crossentropy" in out.loss
        good = "sigmoid" if entropy and out.kind == "regression" else USUAL[out.kind][0]
        good = "linear" if entropy and out.from_logits else good
        good = "softplus" if out.fails_below_zero else "tanh" if "hinge" in out.loss else good
        text, severity = _output_against_loss(out, name, entropy), None
        of_classes = entropy and "binary" not in out.loss
        if not text and of_classes and name == "sigmoid" and out.units > 1:
            text = f"{out.loss} over {out.units} sigmoid units, which do not sum to 1"
            severity = "note"  # it works: Keras divides by the sum
        if text:
            remedy = f"Give {out.layer!r} activation={good!r}"
            if out.kind == "multilabel" and of_classes:
                remedy += " and compile with loss='binary_crossentropy'"
            yield Seen(f"Output {out.name!r}: {text}.", f"{remedy}.", out.layer, severity)


def _output_against_loss(out, name, entropy):
    """Return what cannot work, None if nothing."""
    units, sums, low, high = out.units, out.y.sum(axis=-1), out.y.min(), out.y.max()
    if out.fails_below_zero:
        return f"{out.loss} is not finite where a prediction is negative, which {name} gives"
    if name == "softmax" and units == 1:
        return "softmax over 1 unit is 1 for every input"
    if out.double_softmax:
        return "softmax is applied twice, which flattens the probabilities"
    if entropy and out.from_logits and name in ("softmax", "sigmoid"):
        return f"{out.loss} expects logits (from_logits=True) but gets the output of {name}"
    if entropy and not out.from_logits and name in UNBOUNDED:
        return f"{out.loss} takes the logarithm of a probability but {name} gives any number"
    if name == "softmax" and out.kind == "multilabel" and not share_of_no_class(out):
        share = float(np.mean(sums != 1))
        return f"softmax forces the {units} outputs to sum to 1; {share:.0%} of label rows do not"
    if name == "relu" and out.kind != "regression" and not out.has_own_loss:
        return "relu gives 0 with gradient 0 for every negative input of the output unit"
    if out.loss in ("hinge", "squared_hinge") and name in NEVER_NEGATIVE:
        return f"{out.loss} asks for negative scores of one class, and {name} gives none"
    if entropy or out.has_own_loss or "hinge" in out.loss:
        return None
    if (name, out.kind) == ("softmax", "regression") and not np.allclose(sums, 1, atol=1e-3):
        return f"softmax makes {units} outputs sum to 1 but the targets do not"
    bounds = RANGES.get(name, (-np.inf, np.inf))
    if low < bounds[0] or high > bounds[1]:
        return f"{name} gives {bounds[0]} to {bounds[1]}, targets run {low:.3g} to {high:.3g}"
    return None


@rule(
    "poor_initialization",
    "start",
    SUSPICION,
    change="initialization",
    recipe="weight_initialization",
)
def poor_initialization(run, least=0.1, most=5, whole=1e-3):
    """The scale of the initial weights grows or dies with depth, or all of them are equal.

    Above 5 a sigmoid is full; below 0.1 in one layer it matters if all of them together leave less
    than a thousandth. Equal weights get equal gradients and stay equal, but for the last layer's:
    what its units lack differs, and some networks start there at zero on purpose, as they do with
    the last layer of a branch that is added to its input (Goyal et al., 2017).

    Source: Glorot & Bengio (2010): std · sqrt(fan_in) near 1 keeps the variance.
    """
    kernels = {n: k for n, k in run.kernels.items() if k.ndim >= 2 and k.size >= 4}
    gains = {n: float(k.std() * np.sqrt(np.prod(k.shape[:-1]))) for n, k in kernels.items()}
    together = float(np.prod(list(gains.values())))
    links = run.chain.get("links", [])
    added = {layer.name for layer, _, following in links if type(following).__name__ == "Add"}
    for name, gain in gains.items():
        severity, good = None, "'he_normal' (relu) or 'glorot_uniform'"
        text = f"Initial weights of {name!r}: standard deviation × sqrt(fan_in) = {gain:.3g}; "
        text += "about 1 keeps the scale from layer to layer"
        if gain == 0 and (name == list(kernels)[-1] or name in added):
            continue
        if gain and run.kernels_are_late:  # a step too large may have made them so
            continue
        if gain == 0:
            severity, good = "error", "'glorot_uniform'"
            size, value = kernels[name].size, kernels[name].flat[0]
            text = f"All {size} initial weights of {name!r} are {value:g}: its units get equal "
            text += "gradients and stay equal"
        elif gain < least and together < whole:
            text += f", and {len(gains)} layers together leave {together:.2g}"
        elif gain <= most:
            continue
        yield Seen(f"{text}.", f"Give {name!r} kernel_initializer={good}.", name, severity)
    for names in run.twins:
        text = f"{len(names)} layers ({', '.join(map(repr, names[:3]))}, …) read the same and "
        text += "start with the same weights, as of one initializer with a seed: they stay one."
        remedy = "Give each an initializer of its own, without a seed or with another one "
        yield Seen(text, f"{remedy}(kernel_initializer='glorot_uniform' makes one for each).")


@rule(
    "missing_hidden_activation", "start", SUSPICION, change="activation", recipe="relu_activation"
)
def missing_hidden_activation(run):
    """No activation stands between two layers with weights.

    Linear layers with one in between that is narrower than both ends are left alone: that is a
    low-rank factorization, as of a linear autoencoder.

    Source: Goodfellow et al. (2016), ch. 6.1: two linear maps in a row are one linear map.
    """
    stacks = {}  # name of the last layer: pairs up to it
    for pair in run.linear_pairs:
        stacks[pair.following] = [*stacks.pop(pair.layer, []), pair]
    for stack in stacks.values():
        if min(pair.units for pair in stack) < min(stack[0].fan_in, stack[-1].next_units):
            continue
        for pair in stack:
            text = f"No activation between {pair.layer!r} ({pair.units} units) and "
            text += f"{pair.following!r}: "
            text += "only max pooling." if pair.pooled else "together they are one linear map."
            yield Seen(text, f"Give {pair.layer!r} activation='relu'.", pair.layer)


@rule("vanishing_gradient", "start", SUSPICION, change="activation", recipe="relu_activation")
def hidden_softmax(run):
    """A softmax inside of the network: n outputs share a sum of 1, each passes on about 1 / n.

    Source: derivative of softmax: p (1 − p), at most 1/4 and near 1 / n for n equal shares.
    """
    for layer, units in run.hidden_softmax:
        if layer in run.frozen:
            continue  # its slopes train nothing; see `frozen_features`
        text = f"The {units} outputs of hidden layer {layer!r} are a softmax: on average "
        text += f"{1 / units:.2g}, and so are their slopes."
        remedy = f"Give {layer!r} activation='relu'; softmax belongs into the output."
        yield Seen(text, remedy, layer)


@rule("axes_swapped", "start", SUSPICION, change="layers")
def features_added_up(run):
    """A layer of one's own reduces the features of each step, and keeps the steps.

    Source: Bahdanau et al. (2015): attention adds up the steps, each with its weight.
    """
    for layer, steps, features in run.without_features:
        text = f"{layer!r} takes {steps} steps of {features} features and gives {steps} numbers, "
        text += "which a Dense layer reads: the features are added up, and the steps stay."
        remedy = f"Sum over the steps, axis=1, so that {features} features are left."
        yield Seen(text, remedy, layer)


@rule("noise_too_strong", "start", SUSPICION, change="layers", recipe="dropout")
def heavy_dropout(run, most=0.6):
    """Dropout so heavy that it costs capacity rather than variance.

    Source: Srivastava et al. (2014), ch. 7.3: error flat for units kept with 0.4 to 0.8.
    """
    for layer, rate in run.dropout.items():
        if rate > most:
            text = f"{layer!r} sets {rate:.0%} of its inputs to 0 in every step."
            yield Seen(text, f"Give {layer!r} a rate of 0.2 to 0.5.", layer)


@rule("nothing_trainable", "start", "error", change="layers")
def nothing_trainable(run):
    """No weight of the model is trainable.

    Source: definition: without trainable weights nothing is learned.
    """
    if run.trainable == 0:
        names = ", ".join(map(repr, run.frozen[:4])) or "the model has no weights"
        yield Seen(f"No weight is trainable (frozen: {names}).", "Set trainable=True and compile.")


@rule("unsuitable_output_activation", "start", "warning", change="layers", recipe="loss_function")
def dropout_at_end(run):
    """Dropout acts on the scores themselves: a right answer is set to 0 at random.

    Source: Srivastava et al. (2014): dropout is for hidden units.
    """
    if run.dropout_at_end and run.outputs:
        text = f"Dropout {run.dropout_at_end!r} stands behind the last layer with weights."
        yield Seen(text, f"Move {run.dropout_at_end!r} before it.", run.dropout_at_end)


@rule("axes_swapped", "start", SUSPICION, change="layers")
def channels_put_first(run):
    """A Reshape is to put the channels first, and mixes them with the places.

    Source: a reshape keeps the order of the numbers in memory: neighbours become channels.
    """
    for name, given, made in run.reshaped:
        order = (len(given), *range(1, len(given)))
        text = f"{name!r} makes {made} of {given}: a reshape keeps the order of the numbers, so "
        text += f"that the {given[-1]} channels of one place come to stand at several places."
        remedy = f"Move the axis with layers.Permute({order}), or let the places come first and "
        remedy += "the channels last."
        yield Seen(text, remedy, name)


@rule("shapes_broadcast", "start", SUSPICION, change="data")
def shapes_broadcast(run):
    """Labels and predictions have shapes that fit only by broadcasting.

    Source: broadcasting: (n,) against (n, 1) makes (n, n).
    """
    for out in run.outputs:
        if out.shape is None or "sparse" in out.loss or out.kind == "sparse":
            continue
        if out.loss == "custom" or out.in_own_terms:  # it may pack what it likes into the labels
            continue
        label, given = tuple(out.label_shape), tuple(out.shape)
        if None in given:
            continue
        if run.step_names & SHAPING:  # it may put them right itself
            continue
        own = out.loss == "own step" or run.own_loss_sum or run.own_sum_in_step
        if not own:  # Keras itself puts a last axis of 1 right
            label, given = (s[:-1] if s and s[-1] == 1 else s for s in (label, given))
        if label == given or (own and given[:-1] == label and given[-1] > 1):  # names of vectors
            continue
        text = f"Labels have shape (n, {', '.join(map(str, out.label_shape))}), predictions "
        text = text.replace("(n, )", "(n,)")
        text += f"(n, {', '.join(map(str, out.shape))}): they fit by broadcasting only, so that "
        if not own and given[: len(label)] == label:
            text += f"each label is asked of {math.prod(given[len(label) :])} predictions at once."
            remedy = "For one prediction a label: return_sequences=False in the last recurrent "
            remedy += "layer, or Flatten before the last layer; else give each its own label."
            yield Seen(text, remedy, severity="warning", change="layers")
            continue
        text += "each prediction is compared with labels that are not its own."
        remedy = "Give both the same shape"
        remedy += "" if out.label_shape else ": y[:, None] for one column"
        yield Seen(text, f"{remedy}; return_sequences=False, Flatten or units to match.")


@rule("nothing_passes", "start", "warning", change="layers")
def softmax_of_one_value(run):
    """A softmax inside of the network runs over an axis of size 1.

    Source: exp(x) / exp(x) = 1, so that its slope is 0.
    """
    for name in run.softmax_of_one:
        text = f"{name!r} is a softmax over an axis of size 1: its output is always 1, and nothing "
        text += "that stands before it makes a difference or learns."
        remedy = "Let it go over what is to be weighed: for attention scores of shape (rows, "
        yield Seen(text, f"{remedy}steps, 1) that is axis=1.", name)


@rule("axes_swapped", "start", "warning", change="layers")
def steps_reversed(run):
    """A recurrent layer that goes backwards gives its steps last first, and each has a label.

    Two of them turn the steps twice; what a Bidirectional layer holds is turned back by it.

    Source: Keras, RNN layers: go_backwards returns the reversed sequence.
    """
    each_step = any(
        out.shape and len(out.shape) > 1 and len(out.label_shape) for out in run.outputs
    )
    if len(run.reversed_steps) == 1 and each_step:
        (name,) = run.reversed_steps
        text = f"{name!r} has go_backwards=True and return_sequences=True: it gives its steps in "
        text += "reverse order, and so the first step's output stands at the last step."
        remedy = "Turn its output round with ops.flip(steps, axis=1), or use layers.Bidirectional, "
        yield Seen(text, f"{remedy}which does so.", name)


@rule("nothing_passes", "start", SUSPICION, change="layers", recipe="layer_normalization")
def one_value_normalized(run):
    """A layer pools a row to one number, or normalizes over one value or two.

    Source: Ba et al. (2016), Layer normalization: of one value the mean is the value itself, and
    two are as far from theirs as from each other.
    """
    for layer in run.pooled_to_one:
        text = f"The pooling {layer!r} hands on a single number of each row: it averages the only "
        remedy = "Give it more channels first, pool over them (data_format='channels_first'), or "
        yield Seen(f"{text}channel.", f"{remedy}Flatten.", layer)
    for layer, (kind, number) in run.few_normalized.items():
        text = f"{kind} {layer!r} normalizes over one value, and so always gives its beta: nothing "
        text += "passes through it."
        if kind == "UnitNormalization":
            text = f"{kind} {layer!r} divides each value by its own size: only the sign passes."
        elif number == 2:
            text = f"{kind} {layer!r} normalizes over two values, and so makes 1 of the larger and "
            text += "-1 of the other: how large they are does not pass."
        remedy = f"Take {kind} {layer!r} out (to scale inputs: Normalization with adapt, or "
        remedy += "BatchNormalization), or give it more channels: Dense(16) in front."
        yield Seen(text, remedy, layer)


@rule("half_precision", "start", SUSPICION, change="optimizer")
def half_precision(run):
    """Weights are float16, so that small steps and the optimizer's epsilon round to 0.

    Source: Micikevicius et al. (2018), Mixed precision training: below 6e-8 float16 is 0.
    """
    if run.half:
        text = f"Weights of {len(run.half)} layers are float16 ({', '.join(run.half[:3])}): what "
        text += "is below 6e-8 becomes 0, above 65504 infinite"
        text += f"; {run.optimizer}'s epsilon is {run.epsilon:g}." if run.epsilon else "."
        remedy = "Use the policy 'mixed_float16', which keeps the weights float32"
        remedy += ", or give the optimizer epsilon=1e-3." if run.epsilon else "."
        yield Seen(text, remedy, run.half[0])


@rule("state_mixed", "start", SUSPICION, change="data")
def state_mixed(run):
    """A stateful layer hands its state to the next batch, and the batches are shuffled.

    Source: Keras: state i of a batch goes on as state i of the next batch.
    """
    if run.stateful and run.shuffled:
        steps = [x.shape[1] for x in run.inputs.values() if x.ndim > 2]
        text = f"{run.stateful[0]!r} is stateful, but `fit` shuffles: a row goes on from the state "
        text += "of another one" + (f", and has {steps[0]} step(s) itself." if steps else ".")
        remedy = "Give each row the past that it needs as time steps (a window), with "
        yield Seen(text, f"{remedy}stateful=False; or fit with shuffle=False, rows in order.")


@rule("unbounded_recurrence", "start", SUSPICION, change="activation", recipe="relu_activation")
def unbounded_recurrence(run):
    """A recurrent layer has an activation without bound, so that its state may grow every step.

    Source: Le et al. (2015), A simple way to initialize recurrent networks of rectified units.
    """
    for name, activation in run.recurrent.items():
        if activation in ("relu", "linear", "elu", "leaky_relu", "selu", "gelu", "softplus"):
            text = f"Recurrent layer {name!r} has activation {activation!r}, which has no bound: "
            text += "what it passes to itself may grow with every time step."
            yield Seen(text, f"Give {name!r} activation='tanh', its default.", name)


@rule("frozen_features", "start", SUSPICION, change="layers")
def untracked_weights(run):
    """A layer of one's own keeps weights where Keras does not look, so that no optimizer sees them.

    Source: Keras trains what `add_weight` or `keras.Variable` makes, and what is an attribute.
    """
    for layer, kept in run.untracked:
        is_inside = "an object" in kept
        # nobody makes a variable or a layer of what is to stay as it is
        severity = "warning" if "variable" in kept or is_inside else None
        has = "keeps" if is_inside else "has no weights, and keeps"
        text = f"Layer {layer!r} {has} {kept}: it is never trained."
        remedy = "Make tensors in `build` with self.add_weight(shape=…), and sublayers in "
        remedy += "`__init__` of a layer of your own instead of a Lambda."
        if is_inside:
            remedy = "Make it an attribute of the layer too (a list of layers may be one: "
            remedy += "self.inner_layers = [...]), or let the object be a keras.layers.Layer."
        yield Seen(text, remedy, layer, severity)
