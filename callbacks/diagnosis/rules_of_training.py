"""Rules of the training: learning rate, losses, gradients, activations of the probe."""

import re

import numpy as np

from .finding import SUSPICION, Seen, rule
from .scores import WELL
from .target import classes_of

USUAL_RATES = {"SGD": 0.01, "Adagrad": 0.01, "Adadelta": 1.0, "Ftrl": 0.01}  # others 0.001


@rule(
    "learning_rate_too_high",
    "start",
    SUSPICION,
    change="learning_rate",
    recipe="learning_rate_schedule",
)
def learning_rate_above_range(run, factor=10):
    """The learning rate is more than ten times the optimizer's default.

    Source: Bengio (2012), Practical recommendations, ch. 3.1: the default is usually within one
    order of magnitude.
    """
    usual = USUAL_RATES.get(run.optimizer, 0.001)
    rate = run.learning_rate
    if rate is not None and rate > factor * usual * (1 + 1e-6):
        text = f"Learning rate {rate:g} is {rate / usual:.3g} × the usual {usual:g} of "
        remedy = f"Compile with {run.optimizer}(learning_rate={usual:g})."
        yield Seen(f"{text}{run.optimizer}.", remedy)


@rule(
    "learning_rate_too_low",
    "start",
    SUSPICION,
    change="learning_rate",
    recipe="optimizer_comparison",
)
def learning_rate_below_range(run, factor=10):
    """The learning rate is a tenth of the optimizer's default or less.

    Source: Bengio (2012), Practical recommendations, ch. 3.1; momentum m multiplies the step of
    SGD by 1 / (1 − m).
    """
    usual = USUAL_RATES.get(run.optimizer, 0.001)
    rate = run.learning_rate
    if rate is None:
        return
    effective = rate / (1 - run.momentum) if run.momentum < 1 else rate
    if effective <= usual / factor * (1 + 1e-6):
        text = f"Learning rate {rate:g} (effective {effective:.3g}) is "
        text += f"{usual / max(effective, 1e-30):.3g} times below the usual {usual:g} of "
        remedy = f"Compile with {run.optimizer}(learning_rate={usual:g})."
        yield Seen(f"{text}{run.optimizer}.", remedy)


@rule("batch_size_unsuitable", "start", SUSPICION, change="batch_size", recipe="batch_size")
def batch_size_unsuitable(run, many=512, tiny=4, few_updates=100, usual=64):
    """Batches so large that few updates are left, or too small for BatchNormalization.

    Source: Masters & Luschi (2018), Revisiting small batch training.
    """
    if run.batch_norms and run.batch_size and run.batch_size < tiny:
        text = f"BatchNormalization takes mean and variance over batches of {run.batch_size}."
        yield Seen(text, "Use batch_size=32, or LayerNormalization.")
    if run.batch_size and run.num_rows and run.num_rows >= many:
        updates = -(-run.num_rows // run.batch_size)
        few = 0 < updates * run.planned < few_updates
        if updates == 1 or (few and run.batch_size > usual):
            text = f"Batch size {run.batch_size} for {run.num_rows} rows: {updates} update(s) per "
            yield Seen(f"{text}epoch.", "Use batch_size=32.")


@rule("non_finite_loss", "training", "error", change="learning_rate", recipe="gradient_clipping")
def non_finite_loss(run):
    """The loss became NaN or infinite.

    Source: arithmetic: a loss of NaN never comes back.
    """
    if run.non_finite_at is not None:
        step, value = run.non_finite_at
        place = f"at step {step}" if len(run.losses) else f"in epoch {step + 1}"
        text = f"The loss is {value} {place}; before that at most {run.largest_loss:.4g}."
        text = text if step else f"The loss is {value} from the start."
        remedy = "Divide the learning rate by 10"
        remedy += "." if run.clipped else ", or clip gradients (clipnorm=1.0)."
        change = None
        if _is_calm_before_the_end(run):
            text += " Neither loss nor gradients grew before: that is no explosion."
            other = "Look for values that are no numbers in the rows of that step, and for a "
            other += "logarithm, division or root of 0 in your loss; if there are none: "
            remedy, change = other + remedy[0].lower() + remedy[1:], "data"
        yield Seen(text, remedy, change=change)


@rule("infinite_slope", "training", "error", change="layers")
def infinite_slope(run, most=100.0):
    """A step's loss is finite and its gradient is not, and neither had grown before.

    Source: calculus: the slopes of root, norm, logarithm and 1/x have no bound at 0.
    """
    bad = np.flatnonzero(~np.all(np.isfinite(run.norms), axis=1))
    if run.half or run.non_finite_at is None or not len(bad) or run.non_finite_at[0] <= bad[0]:
        return
    step, largest = bad[0], run.norms[: bad[0]].max(axis=1, initial=0.0)
    grown = step and largest.max() > most * np.median(largest[:3])
    if grown or not abs(run.losses[step]) <= most * abs(run.losses[0]):
        return
    broken = run.layer_names[np.flatnonzero(~np.isfinite(run.norms[step]))[-1]]
    text = f"At step {step} the loss was {run.losses[step]:.4g} and the gradient of {broken!r} "
    text += "and the layers before it no number: behind it something has an infinite slope at 0, "
    text += "as a square root, a distance or norm of equal rows, a logarithm or a division has."
    remedy = "Add an epsilon inside of it: ops.sqrt(x + 1e-6), ops.log(x + 1e-6), x / (y + 1e-6)."
    change, at_end = None, run.only_output
    if at_end is not None and at_end.loss == "custom" and broken == run.layer_names[-1]:
        text += " No layer with weights stands behind it, but your loss."
        change = "loss"
    yield Seen(text, remedy, broken, change=change)


def _is_calm_before_the_end(run, times=10.0):
    """Tell whether losses and gradients were of one size until they were no numbers."""
    losses = run.losses[np.isfinite(run.losses)]
    norms = run.norms[np.all(np.isfinite(run.norms), axis=1)].max(axis=1, initial=0)
    if len(losses) < 8 or len(norms) < 8:
        return False
    return run.largest_loss <= 2 * max(losses[:2]) and norms.max() <= times * np.median(norms)


@rule(
    "learning_rate_too_high",
    "training",
    "error",
    change="learning_rate",
    recipe="learning_rate_schedule",
)
def diverging_loss(run, rise=1.2):
    """The loss ends above the first one, which is no matter of patience.

    Batches differ: even the smallest of the last ones must lie above the first two.

    Source: LeCun et al. (1998), ch. 4.6: above 2/λ_max of the curvature descent moves away.
    """
    losses, begin, end = run.losses, 2, 5
    if not len(losses):  # of a log
        losses, begin, end = np.array(run.epoch_losses), 1, 2
    if len(losses) >= begin + end and np.all(np.isfinite(losses)):
        ending = losses[-max(end, len(losses) // 10) :]
        first, last = float(max(losses[:begin])), float(np.median(ending))
        if first > 0 and min(ending) > rise * first:
            text = f"The loss rose from {first:.4g} to {last:.4g}, {last / first:.3g}-fold."
            yield Seen(text, "Divide the learning rate by 10.")


@rule("nothing_passes", "training", "warning", change="layers")
def nothing_passes_back(run):
    """Layers get no gradient but rounding at any step, while the others get one.

    What is made of their output has no slope. A relu layer that is dead as a whole does the same,
    and is named as such.

    Source: chain rule: a softmax over a single element is 1, rounding and argmax are flat.
    """
    names, most, clear = _cut_off(run)
    if names and not (run.batch_norms and run.batch_size == 1):  # a row less its own mean is 0
        text = f"At each of {len(run.norms)} recorded steps the gradient of "
        text += f"{', '.join(map(repr, names[:3]))}{' …' if len(names) > 3 else ''} was at most "
        text += f"{most:.1g} of the largest layer's, which is 0 but for rounding; others reached "
        text += f"{clear:.1g} of it or more. What is made of their output does not depend on it."
        remedy = f"Look at what follows {names[-1]!r}: a softmax over an axis of size 1 is always "
        remedy += "1 (attention over steps of shape (rows, steps, 1) needs axis=1); rounding, "
        remedy += "argmax, comparisons and a factor or loss weight of 0 have no slope; a softmax "
        remedy += "over the steps that ask (axis=1) says nothing once these are averaged: that of "
        remedy += "attention goes over the steps that are read (axis=-1); a mask of attention is "
        remedy += "True where it may look, and one that hides all hides what it tells; behind a "
        remedy += "causal mask the first step sees itself alone: read the last."
        severity = None
        for out in run.outputs:
            if out.layer == names[-1] and not out.alone:
                severity = "note" if run.is_left_out(out) else None
                weight = run.loss_weights.get(out.name, 1.0)
                text += f" It is an output, and its loss weighs {weight:g} in the sum."
                remedy = f"Give the loss of {out.name!r} a part in `loss_weights` of compile; what "
                remedy += "a callback changes in them later changes nothing."
        yield Seen(text, remedy, names[-1], severity)


def _cut_off(run, faint=1e-6, clear=1e-3):
    """Return the layers that get no gradient, the size of theirs, and the least of the others.

    Sizes are parts of the largest layer's gradient. In between there is none: a gradient that
    vanishes on its way through many layers fades from one to the next.
    """
    norms = run.norms[np.all(np.isfinite(run.norms), axis=1)]
    largest = norms.max(axis=1, initial=0)
    norms = norms[largest > 0] / largest[largest > 0, None]
    dead = [kind == "relu" and np.all(values <= 0) for kind, values in run.activations.values()]
    if len(norms) < 2 or len(run.optimizers) > 1 or any(dead):
        return [], 0.0, 0.0
    most = norms.max(axis=0)
    is_faint = most <= faint
    names = [name for name, cut in zip(run.layer_names, is_faint, strict=True) if cut]
    names = [name for name in names if name not in run.no_gradient]
    if not names or most[~is_faint].min() < clear:
        return [], 0.0, 0.0
    return names, most[is_faint].max(), most[~is_faint].min()


@rule("no_gradient", "training", "warning", change="layers")
def no_gradient(run):
    """A layer's gradient is 0 or missing at every step, or no optimizer is handed its weights.

    Source: chain rule: what does not lead to the loss does not learn.
    """
    finite = np.where(np.isfinite(run.norms), run.norms, 0)
    if len(run.norms) < 2 or not np.any(finite > 0):
        return
    cut_off = _cut_off(run)[0]
    for name, column in zip(run.layer_names, run.norms.T, strict=True):
        if name in run.no_gradient or (np.all(column == 0) and name not in cut_off):
            text = f"Layer {name!r} got no gradient in {len(column)} recorded steps."
            remedy = f"Look whether anything reads what {name!r} gives, and at what stands between "
            remedy += "it and the loss: rounding, argmax, comparisons, a cast to whole numbers and "
            remedy += "stop_gradient pass no gradient on (straight through: x + stop_gradient("
            remedy += "round(x) - x))."
            yield Seen(text, remedy, name, "error" if name in run.no_gradient else None)
    handed = {name.split("/")[-1] for name in run.layer_names}
    for name in run.kernels:
        if name not in handed:
            text = f"Layer {name!r} is trainable, but no optimizer is handed its weights in "
            text += f"{len(run.norms)} recorded steps."
            remedy = "Give the optimizer all of model.trainable_variables."
            yield Seen(text, remedy, name, SUSPICION)


@rule("vanishing_gradient", "training", SUSPICION, change="activation", recipe="relu_activation")
def vanishing_gradient(run, least=1e-3, part=0.1, few=3, many=5):
    """The first layer's gradient is a small part of the last layer's, whatever the loss's scale.

    Behind a few sigmoids a tenth of it is small. Behind many the norms need not show it, as
    penalties add to those of the first layers.

    Source: Glorot & Bengio (2010): a sigmoid passes on 1/4 at most, so 5 layers 1/1024.
    """
    norms = run.norms[np.all(np.isfinite(run.norms), axis=1)]
    if len(run.optimizers) > 1 or len(norms) < 2 or norms.shape[1] < 3:
        return  # the first layer of one optimizer is no part of the other's chain
    first, last = (float(np.median(column)) for column in (norms[:, 0], norms[:, -1]))
    count = sum(kind == "sigmoid" for kind, _ in run.activations.values())
    has_vanished = 0 < first < least * last  # 0 has not vanished: it is dead
    if has_vanished or count >= many or (count >= few and 0 < first < part * last):
        text = f"A vanishing gradient: its median norm is {last:.3g} in the last layer, "
        text += f"{run.layer_names[-1]!r}, and {first:.3g} in the first, {run.layer_names[0]!r}."
        remedy = "Use relu with he_normal in the hidden layers"
        if count:
            text += f" {count} hidden layers are sigmoids, with a derivative of at most 0.25 each: "
            text += f"together they pass on {0.25**count:.1g} of it at most."
            remedy += " instead of sigmoid"
        remedy += ", or BatchNormalization between them; of many layers add the input of each "
        remedy += "block to its output."
        severity = "warning" if has_vanished else None
        yield Seen(text, remedy, run.layer_names[0], severity)


@rule(
    "exploding_gradient", "training", "warning", change="learning_rate", recipe="gradient_clipping"
)
def exploding_gradient(run, growth=1000, low=0.75):
    """The gradient grew 1000-fold, past any learning rate.

    It is a note where three quarters of the epochs had no smaller loss than the last: a likelihood
    is the steeper, the narrower it has become.

    Source: Pascanu et al. (2013), On the difficulty of training recurrent neural networks.
    """
    total = np.sqrt(np.nansum(np.square(run.norms, dtype="float64"), axis=1))
    total = total[np.isfinite(total)]
    if len(total) >= 10:
        start, largest = float(np.median(total[:5])), float(total.max())
        if start > 0 and largest > growth * start:
            text = f"The gradient norm grew from {start:.3g} to {largest:.3g}."
            remedy = "Compile the optimizer with clipnorm=1.0, or divide the learning rate by 10."
            if run.clipped:  # what is recorded are the gradients before they are clipped
                remedy = "Divide the learning rate by 10: the optimizer clips already."
            losses = run.epoch_losses
            is_low = len(losses) > 2 and np.mean(np.array(losses) >= losses[-1]) >= low
            yield Seen(text, remedy, severity="note" if is_low else None)


@rule("dead_relu", "training", SUSPICION, change="learning_rate", recipe="weight_initialization")
def dead_relu(run, share=0.5, most=0.75, enough=16):
    """A large share of a layer's ReLUs is 0 on every row, so that no gradient reaches them.

    Where a quarter of the units and 16 of them still live it is a note, unless the learning rate is
    far above the usual too: two signs of one thing.

    Source: Lu et al. (2019), Dying ReLU, theorem 3.3: few random units die, narrow layers
    whole.
    """
    for name, (kind, values) in run.activations.items():
        units = values.reshape(-1, values.shape[-1])
        dead = float(np.mean(np.all(units <= 0, axis=0)))
        if kind == "relu" and len(values) >= 4 and dead >= share:
            few = dead < 1 and 0 < len(run.losses) < 100  # they say nothing about the rate
            alive = dead < most and (1 - dead) * units.shape[1] >= enough
            few = few or (alive and not list(learning_rate_above_range(run)))
            text = f"{dead:.0%} of the {units.shape[1]} ReLU units of {name!r} are dead, 0 on all "
            text += f"{len(values)} probe rows."
            remedy = f"Lower the learning rate, or use leaky_relu with he_normal in {name!r}."
            yield Seen(text, remedy, name, "note" if few else None)


@rule("moving_averages_behind", "end", SUSPICION, change="layers", recipe="layer_normalization")
def moving_averages_behind(run, gap=0.1, small=16):
    """The same rows score much better in training mode: BatchNormalization's averages lag behind.

    After n updates a share momentum^n of the averages is still their initial value; all of it where
    no step has called the model in training mode.

    Source: Ioffe & Szegedy (2015), ch. 3.1: inference uses averages that training has gathered.
    """
    if not run.batch_norms:
        return
    if run.idle_norms and len(run.losses):
        name = run.idle_norms[0]
        text = f"After {run.steps} updates mean and variance of {name!r} are 0 and 1, as "
        text += "they were made: no step has called it in training mode, so that it normalizes "
        text += "nothing, and dropout does nothing either."
        remedy = "Give `call` of your model an argument `training`, and hand it on to its layers."
        if run.own_step:
            remedy = "Call self(x, training=True) in your train_step, and hand `training` on in "
            remedy += "`call`."
        yield Seen(text, remedy, name)
        return
    for out, plain, noisy in _modes(run):
        if noisy - plain < gap:
            continue
        name, momentum = max(run.batch_norms.items(), key=lambda pair: pair[1])
        share = momentum**run.steps
        text = f"On the same rows {out.measure} is {noisy:.3f} with the statistics of the "
        text += f"batch and {plain:.3f} as in predict: after {run.steps} updates "
        text += f"{share:.0%} of the moving averages of {name!r} (momentum {momentum:g}) is their "
        text += "initial value."
        if momentum < 0.5:
            text += f" {1 - momentum:.0%} of them is what the last batch had."
        better = max(0.5, round(0.01 ** (4 / max(1, run.steps)), 1))  # of the last quarter
        remedy = f"Give BatchNormalization momentum={min(better, 0.9):g}, or train on: some times "
        remedy += f"{1 / max(1 - momentum, 1e-9):.0f} updates."
        if momentum < 0.5:
            remedy = f"Keras's momentum is the share that is kept: give {name!r} momentum=0.9 or "
            remedy += "more (PyTorch's 0.1 is 0.9 here)."
        elif share < 0.05 and (run.batch_size or 0) < small:
            remedy = f"Use larger batches ({small} or more), or LayerNormalization or "
            remedy += "GroupNormalization."
        yield Seen(text, remedy, name, severity="warning")


@rule("moving_averages_behind", "end", "warning", change="layers")
def own_modes_differ(run, gap=0.1):
    """A layer of the user's own does in predict what it was not trained with.

    Source: Ioffe & Szegedy (2015), ch. 3.1: inference uses averages that training has gathered.
    """
    for out, plain, noisy in _modes(run):
        if run.own_modes and not run.batch_norms and noisy - plain > gap:
            text = f"On the same rows {out.measure} is {noisy:.3f} with training=True and "
            text += f"{plain:.3f} as in predict, and {', '.join(map(repr, run.own_modes[:3]))} "
            text += "of your own tells the two apart."
            remedy = "Check what it uses with training=False: averages are weights "
            remedy += "(add_weight(trainable=False)) that each training step assigns anew."
            severity = "error" if noisy >= WELL > plain else "warning"
            yield Seen(text, remedy, run.own_modes[0], severity=severity)


@rule("moving_averages_behind", "end", SUSPICION, change="optimizer", recipe="weight_averaging")
def averaged_weights_behind(run, share=0.1, part=0.3):
    """The optimizer's moving average of the weights still holds the first ones.

    At the end of `fit` Keras puts it in the place of the weights, whose scores `fit` has shown.

    Source: Polyak & Juditsky (1992), Acceleration of stochastic approximation by averaging: after n
    updates a share momentum^n is still that of the first.
    """
    left = run.averaged**run.steps
    kept = 1 - run.averaged**run.overwrites
    if run.averaged and run.overwrites and kept < part:
        text = f"{run.optimizer} puts the average of the weights in their place after each "
        text += f"{run.overwrites} updates (ema_overwrite_frequency={run.overwrites}): of what "
        text += f"these have learned {kept:.1%} is left (ema_momentum={run.averaged:g})."
        remedy = "Leave ema_overwrite_frequency out: the average is put there at the end of `fit`."
        yield Seen(text, remedy)
    elif run.averaged and left > share:
        text = f"{run.optimizer} averages the weights (use_ema, ema_momentum={run.averaged:g}): "
        text += f"after {run.steps} updates {left:.0%} of the average are the first weights, "
        text += "and `fit` ends with the average in their place."
        better = max(0.5, round(1 - 10 / max(20, run.steps), 2))  # of the last tenth
        remedy = f"Give it ema_momentum={better:g}, leave use_ema out, or train on: some times "
        yield Seen(text, f"{remedy}{1 / (1 - run.averaged):.0f} updates.")


@rule("penalty_too_strong", "training", SUSPICION, change="layers", recipe="l1_l2_regularization")
def penalty_too_strong(run, shrunk=0.3, part=0.5, gone=0.02, little=0.01):
    """Penalties on the weights outweigh the data: kernels shrink to nothing, or fill the loss.

    Source: Krogh & Hertz (1992), A simple weight decay: it pulls weights to 0 against the data.
    """
    decays = run.weight_decay > 0
    for name, norm in run.kernel_norms.items():
        if not (decays or name in run.penalized):
            continue
        start = float(np.linalg.norm(run.kernels[name]))
        if start > 0 and norm < shrunk * start:
            factor, what = run.penalized.get(name, run.weight_decay), "regularizer"
            what = what if name in run.penalized else "weight decay"
            text = f"The kernel of {name!r} shrank from norm {start:.3g} to {norm:.3g} under a "
            text += f"{what} of {factor:g}."
            remedy = f"Make its {what} smaller, a hundredth ({factor / 100:g}) or 0."
            if norm < gone * start and factor < little:
                text += " So small a factor does so only where nothing else moves the weights."
                remedy = "Look for what keeps the gradient of the loss from them: stop_gradient, a "
                remedy += "detached copy, NumPy in between."
            yield Seen(text, remedy, name, "warning" if norm < gone * start else None)
    loss = run.epoch_losses[-1] if run.epoch_losses else np.nan
    is_large = run.penalty > 0 and np.isfinite(loss) and run.penalty > part * abs(loss)
    if is_large and not list(penalties_left_out(run)):
        text = f"Of the loss {loss:.3g}, {run.penalty:.3g} are penalties on the weights."
        yield Seen(text, "Divide the regularizers by 100, or drop them.")


@rule("unsuitable_loss", "end", "warning", change="loss", recipe="l1_l2_regularization")
def penalties_left_out(run):
    """The loss that a step of one's own shows is below the layers' penalties: it leaves them out.

    It is a suspicion where no score tells how well the run does: some leave them out on purpose.

    Source: Keras, Customizing `fit()`: what layers add to the loss stands in `model.losses`.
    """
    loss = run.epoch_losses[-1] if run.epoch_losses else np.nan
    if (run.own_step or run.own_loss_sum) and 0 <= loss < run.penalty:
        text = f"The loss that your train step shows is {loss:.3g}, and the penalties of "
        text += f"{', '.join(map(repr, list(run.penalized)[:3]))} are {run.penalty:.3g}: they are "
        text += "not in it. Where its gradient leaves them out too, nothing keeps weights small."
        remedy = "Add them where the loss is made: loss += sum(self.losses)."
        severity = "error" if run.judged_gain < WELL else None
        yield Seen(text, remedy, severity=SUSPICION if run.gain is None else severity)


@rule("penalty_too_strong", "end", "warning", change="layers", recipe="activity_regularization")
def added_loss_too_strong(run, part=0.1, shrunk=0.1, gain=0.35):
    """What layers add to the loss is served first, and the data's loss stays that of a constant.

    Seen by its fall: at the start a tenth of the loss or more, at the end next to nothing: the
    code carries nothing any more.

    Source: Bowman et al. (2016), Generating sentences from a continuous space: the code
    collapses.
    """
    if run.known_gain >= gain or not len(run.losses) or not np.isfinite(run.losses[0]):
        return
    first, last = float(run.losses[0]), float(run.epoch_losses[-1])
    if run.added_at_start < part * first or not np.isfinite(last):
        return
    if run.added < shrunk * run.added_at_start:
        text = "What layers add to the loss (add_loss, penalties on activity) was "
        text += f"{run.added_at_start:.3g} of {first:.3g} before training and is {run.added:.3g} "
        text += f"of {last:.3g} now: to make it small is all that was learned."
        remedy = "Divide the weight of this penalty by 100, or raise it slowly while training."
        yield Seen(text, remedy)


@rule("penalty_too_strong", "end", "warning", change="loss", recipe="activity_regularization")
def divergence_vanished(run, shrunk=0.1, nats=0.05):
    """The divergence that a step of one's own logs has gone to next to nothing: an empty code.

    Source: Bowman et al. (2016), Generating sentences from a continuous space: the code
    collapses.
    """
    for name, values in run.history.items():
        is_named = re.search(r"(^|_)kl(d|_|$)|diverg", name.lower())
        if not is_named or name.startswith("val_") or not np.all(np.isfinite(values)):
            continue
        if 0 <= values[-1] < min(nats, shrunk * max(values)):
            text = f"{name} fell from {max(values):.3g} to {values[-1]:.3g}: the code holds next "
            text += "to nothing of its row, so that every row is reconstructed alike."
            remedy = "Sum the error over the values of a row where the divergence is summed over "
            remedy += "the code (a mean makes it as many times too small), lower the weight of the "
            yield Seen(text, f"{remedy}divergence, or raise that slowly from 0 (annealing).")


@rule("nothing_passes", "end", "warning", change="loss")
def restores_nothing(run, least=0.1, updates=100):
    """Rows to be restored come back nearly the same for all: without labels no score would show it.

    Source: Bowman et al. (2016), Generating sentences from a continuous space: where the divergence
    weighs more than the reconstruction, the codes of an autoencoder tell nothing of the row.
    """
    varies = run.effects.get("all", np.inf)
    if not run.outputs and varies < least and len(run.losses) >= updates:
        text = f"What the model gives varies over the rows by {varies:.2g} of what the inputs do: "
        text += "all come back as nearly the same, near the mean row, whatever the loss says."
        remedy = "Of a variational autoencoder let the reconstruction weigh more: sum its errors "
        remedy += "over the values of a row, as the divergence is a sum over the codes, or raise "
        remedy += "the weight of the divergence slowly from 0. Of other models look for the layer "
        yield Seen(text, f"{remedy}behind which all rows are the same.")


@rule("noise_too_strong", "end", "warning", change="layers", recipe="dropout")
def noise_too_strong(run, gap=0.25, gain=0.35, fine=0.85):
    """Dropout or augmentation hide so much that the rows cannot be told apart while training.

    Where BatchNormalization has no statistics the modes differ by these.

    Source: Srivastava et al. (2014), ch. 7.3.
    """
    if not (run.augmentation or run.dropout) or run.idle_norms or run.known_gain >= fine:
        return
    for out, *judged in _modes(run):
        plain, noisy = ((score - out.trivial) / max(1 - out.trivial, 1e-9) for score in judged)
        if plain > gap and plain - noisy > gap and noisy < gain:
            names = ", ".join(map(repr, [*run.augmentation, *run.dropout][:3]))
            text = f"On the same rows {out.measure} is {judged[0]:.3f} as in predict and "
            text += f"{judged[1]:.3f} as in training, with {names}: they hide what decides."
            remedy = "Weaken them: dropout of 0.2, and only changes under which the label stays "
            remedy += "right."
            yield Seen(text, remedy)


@rule("watched_wrongly", "end", "warning", change="epochs")
def starts_anew(run, alike=0.15, falls=0.2, fewest=3, steady=-0.5):
    """Each epoch starts from the loss of the first step again: what it learned is thrown away.

    The loss of a step falls all along an epoch: epochs may have their rows in one and the same
    order, with the same easy ones at the end.

    Source: w_new = w_old - rate * gradient: w_old is the weight that the last step left.
    """
    epochs = len(run.epoch_losses)
    steps = len(run.losses) // max(1, epochs)
    if epochs < fewest or steps < 10 or not np.all(np.isfinite(run.losses)):
        return
    guesses = [out.prediction for out in run.outputs if out.prediction is not None]
    if guesses and all(np.all(guess == guess[:1]) for guess in guesses):
        return  # one answer for all rows: what falls is the order of the rows
    losses = run.losses[-steps * epochs :].reshape(epochs, steps)
    some = max(2, steps // 10)
    first, last = losses[:, :some].mean(axis=1), losses[:, -some:].mean(axis=1)
    is_alike = np.all(np.abs(first - first[0]) <= alike * first[0])
    along = np.corrcoef(np.arange(steps), np.argsort(np.argsort(losses.mean(axis=0))))[0, 1]
    is_alike = is_alike and along < steady
    if run.known_gain < WELL and is_alike and np.all(last < (1 - falls) * first):
        text = f"The loss falls in each epoch (to {last[-1]:.3g} in the last) and starts again "
        text += f"from that of the first steps ({first[0]:.3g}, then {first[1:].mean():.3g}): what "
        text += "an epoch has learned is gone in the next."
        remedy = "Look for what gives the model its first weights again: a callback or loop with "
        yield Seen(text, f"{remedy}set_weights, load_weights or a new model in each epoch.")


@rule("watched_wrongly", "end", SUSPICION, change="epochs", recipe="early_stopping")
def watched_wrongly(run, together=0.8, fewest=5, worse=1.5):
    """A callback takes the worst epoch for the best: its mode has the wrong sign.

    The name of the metric tells; of another name that it moves with the loss, or against it.

    Source: Prechelt (1998), Early stopping - but when?.
    """
    short = len(run.epoch_losses) < run.planned
    for watcher in run.watchers:
        less = any(word in watcher.monitor for word in ("loss", "error", "mse", "mae"))
        more = any(word in watcher.monitor for word in ("acc", "auc", "precision", "recall", "f1"))
        if watcher.rises is not None:
            less, more = not watcher.rises, watcher.rises
        values = run.history.get(watcher.monitor, [])
        losses = run.history.get("val_loss" if watcher.monitor.startswith("val_") else "loss", [])
        is_whole = len(values) == len(losses) >= fewest and len(set(values)) > len(values) / 2
        if not less and not more and is_whole:
            ranks = np.argsort(np.argsort([values, losses], axis=1), axis=1)
            along = np.corrcoef(ranks)[0, 1]
            less, more = along > together, along < -together
        if (watcher.wants_more and less) or (watcher.wants_more is False and more):
            text = f"{watcher.kind}(monitor={watcher.monitor!r}) has mode="
            text += f"{'max' if watcher.wants_more else 'min'!r}: it takes "
            text += f"{'more' if less else 'less'} for better"
            ended = short and watcher.kind == "EarlyStopping"
            if ended:
                text += f", and ended the training after {len(run.epoch_losses)} of "
                text += f"{run.planned} epochs"
            remedy = f"Give it mode={'min' if less else 'max'!r}."
            change = "learning_rate" if watcher.kind == "ReduceLROnPlateau" else None
            severity = "warning" if ended else None
            if (watcher.restores or watcher.saves) and is_whole:
                epoch = int(np.argmax(values) if watcher.wants_more else np.argmin(values))
                text += f", and keeps epoch {epoch + 1} with a loss of {losses[epoch]:.3g} (the "
                text += f"smallest was {min(losses):.3g})"
                severity = "warning" if losses[epoch] > worse * min(losses) > 0 else severity
            yield Seen(f"{text}.", remedy, severity=severity, change=change)


@rule(
    "learning_rate_too_low",
    "end",
    SUSPICION,
    change="learning_rate",
    recipe="learning_rate_schedule",
)
def rate_decayed(run, part=1e-2, risen=0.1, nothing=1e-3):
    """The learning rate fell to next to nothing, or never rose, with something still to learn.

    What does not wait for a plateau is blamed where half of the training moved nothing, whatever
    the data allow.

    Source: Robbins & Monro (1951): steps must not add up to less than the way.
    """
    rates = np.array(run.rates)
    if len(rates) and not rates.any() and not run.peak:
        text = f"The learning rate was 0 at the end of each epoch ({run.steps} updates in all)."
        remedy = "Look at what sets it: a schedule or a callback whose rate begins with 0, as "
        yield Seen(text, f"{remedy}whole numbers do (epoch // 10, 1 // 3).", severity="error")
    elif len(rates) and np.all(np.isfinite(rates)):
        first = rates.max()
        if run.schedule:  # within the first epoch it may have fallen already
            first = max(first, run.peak or USUAL_RATES.get(run.optimizer, 0.001))
        rises = rates[-1] > 2 * rates[0]
        half = rates[len(rates) // 2]
        plateaus = [w for w in run.watchers if w.kind == "ReduceLROnPlateau"]
        is_late = rises and rates[-1] < first / 2
        if half < (risen if is_late else part) * first:
            updates = run.steps // 2
            text = f"The learning rate was {half:.3g} after half of the training"
            text += f" ({updates} updates), {half / first:.2g} of {first:.3g}."
            remedy = "Let it decay over the whole training: decay_steps = epochs × steps per epoch."
            if rises:
                text += f" It still rises: the warm-up is longer than the {updates * 2} updates."
                remedy = "Let the warm-up end after a tenth of the training: warmup_steps counts "
                remedy += "updates."
            elif run.schedule:
                text += f" {run.schedule} counts updates, not epochs."
            elif plateaus:
                text += f" ReduceLROnPlateau({plateaus[0].monitor!r}, patience="
                text += f"{plateaus[0].patience}) lowered it."
                remedy = "Give ReduceLROnPlateau more patience, and min_lr."
            gains = [out.gain for out in run.outputs if out.gain is not None]
            ends = half < nothing * first and not plateaus and gains
            if ends and not run.schedule:  # LearningRateScheduler, or a callback of one's own
                text += " A callback lowers it: one that multiplies the rate it is given does so "
                text += "again in each epoch."
                remedy = "Compute it from the first rate and the epoch: first * 0.9 ** epoch."
            yield Seen(text, remedy, severity="warning" if ends and min(gains) < WELL else None)


def _modes(run):
    """Yield (output, its score as in inference, as in training) where both are known."""
    for out in run.outputs:
        if None not in (out.score, out.training_score) and np.isfinite(out.score):
            yield out, out.score, out.training_score


@rule("nothing_trainable", "end", "error", change="layers")
def weights_stay(run):
    """Trainable layers are what they were before, and no optimizer has them.

    Source: Keras traces a step once: what was trainable then is trained.
    """
    handed = {name.split("/")[-1] for name in run.layer_names}
    still = [name for name, way in run.moved.items() if way == 0 and name not in handed]
    if not still or not run.updates or len(run.optimizers) > 1:
        return
    if len(still) == len(run.moved) and not run.norms.size:
        text = f"The weights have not changed in {run.steps} steps: none of {len(still)} "
        text += "kernels has."
        remedy = "Check that the gradients are applied (self.optimizer.apply in your own "
        remedy += "train_step; a counter or condition of Python is read once, when it is traced), "
        remedy += "and that the learning rate is not 0."
        yield Seen(text, remedy, change="optimizer")
    elif len(still) < len(run.moved) and not run.own_step:
        text = f"{len(still)} trainable layers ({', '.join(still[:3])}) have not changed in "
        text += f"{run.steps} updates, and others have: the traced step does not train them, "
        text += "as where trainable was set after compile."
        remedy = "Compile again after setting trainable: model.compile(…)."
        yield Seen(text, remedy, still[0])


@rule("noise_too_strong", "end", "warning", change="layers", recipe="data_augmentation")
def augmentation_hides(run, known=0.75):
    """Augmented rows look like rows of other classes, which the network does not tell apart.

    Source: Shorten & Khoshgoftaar (2019), Image data augmentation: labels have to survive it.
    """
    out = run.only_output
    if run.turned is None or out.prediction is None or not np.all(np.isfinite(out.prediction)):
        return
    one, other, share = run.turned
    names = ", ".join(map(repr, run.augmentation[:3]))
    labels = classes_of(out, out.y)[: len(out.prediction)]
    guesses = classes_of(out, out.prediction, predicted=True)
    both = np.isin(labels, (one, other))
    right = float(np.mean(guesses[both] == labels[both])) if both.any() else 1.0
    if right < known:
        text = f"The nearest row of {share:.0%} of the augmented rows of class {one} is of class "
        text += f"{other}: {names} turn one into the other, as a flip does with left and right. Of "
        text += f"these two {right:.0%} are told right."
        yield Seen(text, f"Take out of {names} what changes the label.")


@rule("own_train_step", "end", "warning", change="loss")
def number_kept_by_the_trace(run):
    """A number that compiled code reads was given another value after it was traced: it keeps its.

    Source: TensorFlow, Better performance with tf.function: a number of Python is a constant there.
    """
    for where, before, after in run.numbers_changed:
        text = f"{where} went from {before:.4g} to {after:.4g} during training. The compiled step "
        text += "keeps the number with which it was traced, so that this changes nothing."
        remedy = f"Keep a keras.Variable({before:.4g}, trainable=False) in its place, and give it "
        yield Seen(text, f"{remedy}new values with assign.")


@rule("invalid_inputs", "training", SUSPICION, change="preprocessing", recipe="noise")
def drawn_while_traced(run):
    """Code that is traced draws with NumPy or Python: once, and the same for ever.

    Source: TensorFlow, Better performance with tf.function: Python and NumPy run once, in tracing.
    """
    for where in run.drawn_once:
        text = f"{where} draws random numbers with NumPy or Python, and did so in the first batch "
        text += "only, while the step was traced: every batch is given the same noise."
        remedy = "Draw with keras.random (and a keras.random.SeedGenerator) or tf.random, or by a "
        yield Seen(text, f"{remedy}layer such as GaussianNoise: they draw anew in every step.")
