"""Rules of the scores: bias, variance, patience, the field."""

from collections import namedtuple

import numpy as np

from .finding import SUSPICION, UNKNOWN, Seen, rule
from .rules_of_training import USUAL_RATES
from .scores import (
    CHANCE,
    CONVERGED,
    FINE,
    LINEAR,
    WELL,
    misses,
    trend_of,
    trend_of_the_worst,
)

# Validation far behind training: in words; how well validation does, of the way from trivial to
# perfect; whether it is unrelated to training; whether it was better in an epoch before.
Gap = namedtuple("Gap", "text level unrelated was_better")


def _pace(trend, run, how="fell by"):
    """Return the epochs that halving the loss takes, and a sentence that says so."""
    rate, after = trend
    halving = np.log(2) / rate
    text = f"The loss {how} {100 * (1 - np.exp(-rate)):.3g} % per epoch at the end (to "
    epochs = f"{round(halving, 1):g}" if halving < 1000 else "more than 1000"
    text += f"{after:.4g}); halving it takes {epochs} epochs, "
    text += f"{len(run.epoch_losses)} were trained"
    text += f" ({run.updates} updates)." if len(run.losses) else "."
    stopper = _ended_by(run)
    if stopper:
        text += f" EarlyStopping({stopper.monitor!r}, patience={stopper.patience}) ended "
        text += f"it before the {run.planned} asked for."
    return halving, text


def _ended_by(run):
    """Return the EarlyStopping that ended the training, None if none did."""
    stoppers = [w for w in run.watchers if w.kind == "EarlyStopping"]
    return stoppers[0] if stoppers and len(run.epoch_losses) < run.planned else None


@rule("stopped_too_soon", "end", SUSPICION, change="epochs", recipe="train_longer")
def stopped_too_soon(run, patience=10, few_updates=100, soon=3, hasty=5):
    """The loss still falls, fast enough to wait for it, or there were hardly any updates.

    Or an early stopping with a patience of a few epochs has ended a training that had hardly begun.

    It is a note where the score has not left that of a constant after many updates, or where
    halving the loss takes three times the epochs: then waiting is no remedy. So it is where the
    run trains well, an early ended one where it is fine.

    Source: Goodfellow et al. (2016), ch. 8; gradient descent at the rate α takes 1 / (α λ)
    steps along a curvature λ: 100 at the usual 0.01 where the inputs have variance 1.
    """
    trend, epochs = trend_of_the_worst(run), len(run.epoch_losses)
    updates = run.updates + run.earlier
    few = (len(run.losses) or run.earlier) and updates < few_updates and run.known_gain < WELL
    if few and run.accumulated > 1:
        text = f"gradient_accumulation_steps={run.accumulated} makes one update of "
        text += f"{run.accumulated} batches: of {run.steps} batches {run.updates}."
        remedy = "Take no more batches together than leave some hundred updates, or train as many "
        yield Seen(text, f"{remedy}times longer.", severity="warning")
        return
    if trend is None:
        if few and np.all(np.isfinite(run.losses)):
            text = f"There were only {updates} updates."
            yield Seen(text, "Train on, or use smaller batches: some hundred updates at least.")
        return
    halving, text = _pace(trend, run, "was still falling, by")
    stopper = _ended_by(run)
    is_cut = stopper and (stopper.patience or 0) < hasty and epochs <= run.planned / 2
    learns = few or is_cut or (run.known_gain > CHANCE and halving <= soon * epochs)
    losses = run.history.get("val_loss") or []
    has_turned = len(losses) > 2 and np.argmin(losses) < len(losses) - 2
    if has_turned and not (is_cut or few):  # waiting gains nothing
        return
    if halving <= patience * epochs and run.known_gain < CONVERGED:
        severity = "warning" if is_cut or halving <= 2 * epochs else None
        if not learns or run.earlier or run.known_gain >= (FINE if is_cut else WELL):
            severity = "note"
        pace = f" (about {epochs + max(1, int(3 * halving))} epochs at this pace)"
        pace = "" if severity == "note" else pace  # nothing asks for so many
        remedy = f"Train on{pace} for as long as the validation loss falls."
        if is_cut:
            remedy = "Give EarlyStopping more patience (10 epochs or more): the watched score of a "
            remedy += "few epochs is noise."
        yield Seen(text, remedy, severity=severity)
    elif few and run.known_gain < WELL / 2:
        steps = max(1, len(run.losses) // epochs)
        remedy = f"Train for {-(-1000 // steps)} epochs, or use smaller batches."
        yield Seen(text, remedy)


@rule("slow_convergence", "end", SUSPICION, change="learning_rate", recipe="optimizer_comparison")
def slow_convergence(run, patience=10, few_updates=100, far=0.3, soon=3, high=1000):
    """The loss falls so slowly that patience is not the remedy: the step is.

    Halving the loss takes more than ten times the epochs trained, or more than three times and the
    score is still that of a constant. Where the weights went a long way all the same, another step
    does not help. At a rate of more than a thousand times the usual one no step is too small.

    Source: Goodfellow et al. (2016), ch. 8.
    """
    trend, epochs = trend_of(run), len(run.epoch_losses)
    way = float(np.median(list(run.moved.values()))) if run.moved else 0.0
    if trend is None or run.known_gain >= WELL / 2 or run.is_limit_unknown:
        return
    if len(run.losses) and run.updates < few_updates:
        return
    if (run.learning_rate or 0.0) > high * USUAL_RATES.get(run.optimizer, 0.001):
        return  # such a rate has thrown the weights away: see `learning_rate_above_range`
    halving, text = _pace(trend, run)
    at_chance = run.known_gain < CHANCE
    if halving <= (soon if at_chance else patience) * epochs or (at_chance and way > far):
        return
    if way:
        text += f" The weights moved by {way:.1%} of their norm."
    step, remedy, change = _another_step(run)
    yield Seen(text + step.removeprefix("."), remedy, change=change)  # a log knows no optimizer


def _another_step(run, clips=0.01, epsilon=0.01, light=0.05):
    """Return what makes the steps of this run, a better step, and whether it is the optimizer's."""
    rate = run.learning_rate or 0.0
    norm = float(np.median(np.linalg.norm(run.norms, axis=1))) if len(run.norms) else np.nan
    step = f" Its steps are those of {run.optimizer}" if run.optimizer else ""
    step += f" with learning rate {rate:g}" if rate else ""
    if 0 < run.clipped < clips * norm:
        step += f", of gradients of norm {norm:.3g} clipped at {run.clipped:g}."
        return step, "Clip at 1 (clipnorm=1.0), or not at all.", "optimizer"
    if run.epsilon >= epsilon:
        step += f" and epsilon={run.epsilon:g}, which is added to the size of the gradient by "
        return f"{step}which each step is divided.", "Leave epsilon as it is (1e-07).", "optimizer"
    weight = 1.0 if run.weights is None else float(run.weights.mean())
    if weight < light and run.optimizer == "SGD":
        step += f", of rows that weigh {weight:.2g} on average, and so do their gradients."
        return step, "Divide the sample weights by their mean.", "loss"
    larger = "a learning rate ten times as large" + (f" ({10 * rate:g})" if rate else "")
    if rate >= 5 * USUAL_RATES.get(run.optimizer, 0.001):
        return f"{step}.", "Try learning rates ten times smaller, and ten times larger.", None
    if run.optimizer == "SGD" and not run.momentum:
        return f"{step} and no momentum.", f"Use Adam, or momentum=0.9 and {larger}.", "optimizer"
    adapts = str(run.optimizer).startswith(("Adam", "Nadam", "RMSprop", "Lion"))
    return f"{step}.", f"Use {larger}." if adapts else f"Use Adam, or {larger}.", None


@rule("high_bias", "end", "warning", change="layers", recipe="model_capacity")
def high_bias(run, still=0.99):
    """Training itself ends near the score of a constant prediction, or misses the target.

    Source: Ng (2018), Machine Learning Yearning, ch. 20-22; Cover & Hart (1967) for the nearest
    rows.
    """
    for metric, train, _, wanted in run.targets:
        if train is not None and misses(metric, train, wanted):
            text = f"Training {metric} {train:.4g} misses the target {wanted:g}."
            remedy, change = "Give the model more units or layers, or train longer.", None
            losses = run.epoch_losses
            if run.epoch == 0:
                remedy, change = "Train on: one epoch says nothing of the model's size.", "epochs"
            elif losses and losses[-1] > still * losses[0] > 0:
                moved = "has hardly moved" if still * losses[-1] < losses[0] else "rose"
                text += f" The loss {moved} ({losses[0]:.4g} to {losses[-1]:.4g})."
                remedy = "Look at labels, learning rate and gradients (GradientMonitor) first."
                change = "learning_rate"
            yield Seen(text, remedy, change=change)
    for out in run.outputs if not run.targets else []:
        if out.gain is not None and -np.inf < out.gain < WELL:
            trivial = out.trivial or 0.0
            text = f"Training {out.measure} of {out.where} is {out.score:.3f}; a constant "
            text += f"prediction has {trivial:.3f}."
            spread = 1.0 if out.prediction is None else float(np.std(out.prediction, axis=0).max())
            if spread < 1e-4:
                text += f" Its predictions are the same for all rows (spread {spread:.2g})."
            few = len(run.losses) and run.updates < 100  # they say nothing about the capacity
            given_by_step = out.loss == "own step"  # labels need not be what outputs should be
            excused = few or given_by_step or run.is_limit_unknown
            severity = "note" if out.gain >= WELL / 2 or excused else None
            remedy = UNKNOWN
            if out.simple is not None:
                text += f" A simple model ({out.simple[1]}) reaches {out.simple[0]:.3f}, the "
                text += f"network {out.simple[2]:.3f} on the same rows."
                if not out.balanced and out.simple[0] <= trivial:
                    text += " No more than a constant, either: do labels stand at their own rows?"
            if run.known_gain >= WELL or run.is_limit_unknown:
                severity, remedy = "note", "The inputs may not tell more: give a `target`."
            yield Seen(text, remedy, severity=severity)


def narrowest(run):
    """Return the name and the units of the hidden layer with the fewest, (None, 0) without one."""
    outputs = [out.layer for out in run.outputs]
    hidden = [name for name in list(run.kernels)[:-1] if name not in outputs]
    widths = {name: run.kernels[name].shape[-1] for name in hidden}
    thin = min(widths, key=widths.get, default=None)
    return thin, widths.get(thin, 0)


@rule("too_small", "end", "warning", change="layers", recipe="model_capacity")
def too_small(run, narrow=4):
    """A simple model does better on the same rows, and a layer is so narrow that it explains it.

    Capacity is not the first thing to doubt: of the ways to score low it is one of many.

    Source: Cover & Hart (1967) for the nearest rows; Karpathy (2019): compare with simple
    models.
    """
    for out in run.outputs[:1]:
        if out.simple is None or run.known_gain >= WELL or out.simple[0] < out.simple[2] + 0.05:
            continue
        text = f"a simple model ({out.simple[1]}) reaches {out.simple[0]:.3f}, the network "
        text += f"{out.simple[2]:.3f} on the same rows."
        thin, units = narrowest(run)
        if run.trainable == len(run.kernels) * 2 == 2:  # one kernel, one bias
            if out.simple[1] == LINEAR:  # so can this network
                continue
            remedy = "Give the model more units or layers: a hidden layer with relu"
            rest = ""
            if run.frozen:
                rest = f" (frozen are {', '.join(map(repr, run.frozen[:3]))})"
                remedy += ", or set trainable=True at a tenth of the learning rate"
            yield Seen(f"What is trained is one linear layer{rest}; {text}", f"{remedy}.")
        elif thin and units <= max(narrow, out.units // 4):
            text = f"Layer {thin!r} has {units} units; {text}"
            yield Seen(text, f"Give the model more units or layers: widen {thin!r}.", thin)


@rule("missing_hidden_activation", "end", "warning", change="activation", recipe="relu_activation")
def network_is_linear(run, straight=1e-3, better=0.1):
    """Measured, a network of several layers is one linear map, and its data ask for more.

    Source: Goodfellow et al. (2016), ch. 6.1: linear maps in a row are one linear map.
    """
    out = run.only_output
    if run.bend is None or run.bend > straight or run.linear_pairs or out.simple is None:
        return
    if run.known_gain < WELL and out.simple[0] > out.simple[2] + better:
        text = "Between any two rows the predictions run in a straight line: all its layers are "
        text += f"one linear map. A simple model ({out.simple[1]}) reaches {out.simple[0]:.3f}, "
        text += f"the network {out.simple[2]:.3f} on the same rows."
        remedy = "Give the hidden layers an activation, in `call` of a layer of your own too: "
        yield Seen(text, f"{remedy}keras.ops.relu(x @ w + b).")


@rule("unsuitable_output_activation", "end", "warning", change="activation", recipe="loss_function")
def predictions_end_at_one(run, edge=0.95, most=0.5, beyond=0.2):
    """Predictions crowd at the end of 0 to 1, or of -1 to 1, and many labels lie beyond it.

    So it is seen where the layers are not, as in a model of one's own.

    Source: Bishop (2006), ch. 4.3.6: an output has the range of its labels, or is linear.
    """
    for out in run.outputs:
        given = out.prediction
        if out.kind != "regression" or out.activation is not None or given is None:
            continue
        is_within = np.abs(given).max() <= 1 + 1e-6 and run.known_gain < WELL
        if is_within and np.mean(np.abs(given) > edge) > most and np.mean(out.y > 1) > beyond:
            low = 0 if given.min() >= 0 else -1
            text = f"All predictions of {out.where} lie in {low} to 1, {np.mean(given > edge):.0%} "
            text += f"above {edge}, and its labels in {out.y.min():.4g} to {out.y.max():.4g}: does "
            text += f"it end in {'tanh' if low else 'a sigmoid'}?"
            remedy = "Leave the last activation out, or scale the labels to its range."
            yield Seen(text, remedy, out.layer)


OWN_LAYERS = "Make a layer for each: [layers.Dense(1) for _ in range(3)], not [head] * 3."


@rule("too_small", "end", "warning", change="layers")
def outputs_of_one_layer(run):
    """Several outputs predict the same of each row, though their labels differ.

    Source: what calls one layer several times shares its weights.
    """
    same = {}
    for out in run.outputs:
        if out.prediction is not None and np.ptp(out.prediction) > 0:
            same.setdefault(np.round(out.prediction, 6).tobytes(), []).append(out)
    for outputs in same.values():
        if len({out.y.tobytes() for out in outputs}) > 1:
            text = f"Outputs {', '.join(repr(out.name) for out in outputs)} predict the same of "
            text += "each row, and have other labels: one layer, with one set of weights, gives "
            text += "them all ([head] * 3 is one layer three times)."
            yield Seen(text, OWN_LAYERS)
    for out in run.outputs:
        given, columns = out.prediction, 1 if out.y is None else out.y.shape[1]
        is_alike = given is not None and given.ndim == 2 and given.shape[1] == columns > 1
        is_alike = is_alike and np.ptp(given) > 0 and np.ptp(given, axis=1).max() < 1e-6
        if is_alike and np.any(np.ptp(out.y, axis=1) > 0):
            text = f"The {columns} columns of {out.where} are the same in each row, and their "
            text += "labels are not: one layer, with one set of weights, gives them all."
            yield Seen(text, OWN_LAYERS)


@rule("high_variance", "end", "warning", change="data", recipe="dropout")
def high_variance(run, gap_limit=0.1):
    """Validation lacks more to training than training lacks to the target.

    Without a target, accuracies may differ by a tenth. A loss has no scale of its own: squared
    errors are compared with the variance of the targets, others with the best validation loss of
    the run, and one that rises again above ten times that of training is enough. A model that does
    well on validation data too gets a note.

    Source: Ng (2018), Machine Learning Yearning, ch. 20-22; Prechelt (1998), Early stopping -
    but when?.
    """
    remedy = "More data, augmentation, Dropout or weight decay."
    for metric, train, val, wanted in run.targets:
        missed = val is not None and misses(metric, val, wanted)
        if missed and (train is None or abs(train - val) > abs(wanted - train)):
            text = f"Validation {metric} {val:.4g} misses the target {wanted:g}"
            text += "." if train is None else f"; training has {train:.4g}."
            yield Seen(text, remedy)
    gap = _gap(run, gap_limit)
    if gap and not gap.unrelated:
        severity = None if gap.level is None or gap.level < WELL else "note"
        text, change = f"The network overfits: {gap.text}", None
        if gap.was_better:
            remedy = f"{remedy[:-1]}; stop at the best epoch."
        blind = [w for w in run.watchers if not w.monitor.startswith("val_")]
        if blind and blind[0].kind == "EarlyStopping":
            watched = blind[0].monitor
            text += f". EarlyStopping watches {watched!r} of the training rows, which hides it"
            remedy, change = f"Let it watch 'val_{watched}'. {remedy}", "epochs"
        yield Seen(f"{text}.", remedy, severity=severity, change=change)


@rule("label_problem", "end", "warning", change="data", recipe="mixup")
def labels_learned_by_heart(run, gap_limit=0.1):
    """Training does well, validation no better than a constant: labels and rows do not belong.

    Source: Zhang et al. (2017), Understanding deep learning requires rethinking generalization.
    """
    gap = _gap(run, gap_limit)
    if gap and gap.unrelated:
        text = f"{gap.text}, where a constant prediction does as well: labels that are not those "
        text += "of their rows, learned by heart, or validation rows numbered or scaled otherwise."
        remedy = "Check that each label stands at its own row, and that the validation "
        yield Seen(text, f"{remedy}data are drawn and prepared like the training data.")


def _gap(run, gap_limit, better=0.02, times=10, risen=1.1):
    """Return the first gap between training and validation, None if there is none."""
    if any(val is not None for _, _, val, _ in run.targets):
        return None
    for train, val, name, is_accuracy in run.curves:
        if not val:
            continue
        kept = _epoch_kept(run) if len(train) == len(val) else -1
        first, last = train[kept], val[kept]
        gap = abs(last - first)
        if max(len(train), len(val)) < 2 or not np.all(np.isfinite([first, last])):
            continue
        if is_accuracy:
            bad = first > last and gap > gap_limit and (1 - last) > 2 * (1 - first)
            known = run.trivial is not None and run.trivial < 1
            level = (last - run.trivial) / (1 - run.trivial) if known else None
        else:
            far = run.variance is not None and gap > gap_limit * run.variance
            positive = min(first, *val) > 0  # twice as much says nothing of others
            torn = last > times * first and last > risen * min(val)
            bad = positive and last > 2 * first and (far or torn or last > 1.5 * min(val))
            level = 1 - last / run.variance if run.variance else None
        if bad:
            best = int(np.argmax(val) if is_accuracy else np.argmin(val))
            text = f"{name} is {first:.4g} in training and {last:.4g} in validation (best "
            text += "epoch" if len(train) == len(val) else "validation"
            text += f" {best + 1} of {len(val)}: {val[best]:.4g})"
            unrelated = level is not None and level < CHANCE and run.known_gain >= WELL
            was_better = val[best] > last + better if is_accuracy else val[best] < 0.8 * last
            return Gap(text, level, unrelated, was_better)
    return None


def _epoch_kept(run):
    """Return the place of the epoch whose weights are kept: the last, or the best if restored."""
    for watcher in run.watchers:
        values = run.history.get(watcher.monitor)
        if watcher.restores and values:
            more = watcher.wants_more
            more = "acc" in watcher.monitor if more is None else more
            return int(np.argmax(values) if more else np.argmin(values))
    return -1


@rule("data_mismatch", "end", "warning", change="data", recipe="data_mismatch")
def data_mismatch(run, gap_limit=0.1):
    """The field does worse than validation.

    Source: Ng (2018), ch. 36-41: such a gap is no overfitting.
    """
    for name, value in (run.field_metrics or {}).items():
        values = run.history.get(f"val_{name}")
        if values and values[-1] - value > gap_limit and "loss" not in name:
            text = f"{name} is {values[-1]:.4g} on validation data and {value:.4g} in the field."
            yield Seen(text, "Put data from the field into the validation and the training set.")


@rule("no_validation_data", "end", "note", change="data", recipe="train_validation_test_split")
def no_validation_data(run):
    """Without validation data nobody sees whether the model generalizes.

    Source: Ng (2018), Machine Learning Yearning, ch. 20-22.
    """
    if not run.has_validation and len(run.optimizers) < 2:  # two networks judge each other
        text = "No validation data: high variance cannot be seen."
        how = "Pass validation_data, or validation_split=0.2 with shuffled rows."
        if run.of_batches:
            how = "Pass validation_data, as batches of rows that are not trained on."
        if run.stateful:
            how = "Pass later rows of the series as validation_data."
        if not run.evaluates:
            how += " As no loss is compiled, your model needs a `test_step` for that."
        yield Seen(text, how)


@rule("uninformative_metric", "end", "note", change="loss", recipe="loss_function")
def uninformative_metric(run):
    """Accuracy is watched in a regression, or the loss that is logged is not that of the step.

    Source: definition: accuracy counts equal numbers.
    """
    if run.logs_other_loss:
        text = "The loss that `fit` shows is not the one that your train_step returns: Keras shows "
        text += "its own mean of that name, which the step does not update."
        remedy = "Return it under another name, or update a keras.metrics.Mean in the step, listed "
        yield Seen(text, f"{remedy}in the model's `metrics`.")
    regression = [o for o in run.outputs if o.kind == "regression" and "crossentropy" not in o.loss]
    named = [name for name in run.metrics if "acc" in name]
    regression = [out for out in regression if not out.numbered]
    if regression and len(regression) == len(run.outputs) and named:
        text = f"{named[0]!r} says nothing about {regression[0].where}, whose targets are numbers."
        yield Seen(text, "Compile with metrics=['mae'] and judge by the validation loss.")


@rule("unsuitable_output_activation", "end", "error", change="activation", recipe="loss_function")
def outputs_and_probabilities(run, apart=0.05):
    """What the outputs are is read off them, also where the layers cannot be looked at.

    A cross-entropy takes probabilities unless it is told that it gets logits.

    Source: definition of a probability: between 0 and 1; those of a row's classes sum to 1.
    """
    for out in run.outputs:
        if out.prediction is None or "crossentropy" not in out.loss:
            continue
        values = out.prediction.reshape(-1, out.prediction.shape[-1])
        if not np.all(np.isfinite(values)):
            continue
        low, high, sums = values.min(), values.max(), values.sum(axis=1)
        within = low >= -1e-3 and high <= 1 + 1e-3
        one_class_each = "binary" not in out.loss and values.shape[1] > 1
        if out.activation is None and values.shape[1] == 1 and low == high == 1 and out.y.min() < 1:
            text = f"Every output of {out.where} is 1: so it is with softmax over 1 unit."
            yield Seen(text, "End the model with activation='sigmoid'.", out.layer)
        elif out.activation is None and not out.from_logits and not within:
            text = f"The outputs of {out.where} run from {low:.3g} to {high:.3g}: they are no "
            text += f"probabilities, which {out.loss} expects."
            name = "softmax" if one_class_each else "sigmoid"
            remedy = f"Compile with the loss from_logits=True, or end the model with {name}."
            yield Seen(text, remedy, out.layer)
        elif one_class_each and np.all(np.abs(sums - 1) < 1e-3) and within:
            if out.activation is None and out.from_logits:
                text = f"The outputs of a row of {out.where} sum to 1: they are probabilities, and "
                text += f"{out.loss} is told from_logits=True, so softmax is taken twice."
                yield Seen(text, "Compile with from_logits=False.", out.layer)
        elif out.activation == "softmax" and np.mean(np.abs(sums - 1) > apart) > 0.5:
            text = f"The outputs of a row of {out.where} sum to {sums.min():.2f} to "
            text += f"{sums.max():.2f}, not to 1: softmax is taken over another axis."
            yield Seen(text, "Take softmax over the classes: axis=-1.", out.layer)


@rule("zero_output", "end", "warning", change="activation", recipe="loss_function")
def zero_output(run, share=0.2):
    """The output's relu stands at 0 where the targets are not.

    Source: relu has no gradient below 0.
    """
    for out in run.outputs:
        if out.activation != "relu" or out.prediction is None or out.kind != "regression":
            continue
        if out.in_own_terms:
            continue
        prediction = out.prediction.reshape(-1, out.y.shape[1])
        y = out.y[: len(prediction)]
        stuck = float(np.mean((prediction[: len(y)] <= 0) & (y > 0)))
        if stuck > share:
            text = f"{stuck:.0%} of the predictions of {out.where} are 0 where the target is not."
            yield Seen(text, f"Give {out.layer!r} activation='linear'.", out.layer)


@rule("never_sure", "end", "warning", change="layers", recipe="label_smoothing")
def never_sure(run, right=0.9, sure=0.5, span=3.0, falls=0.02):
    """Classes are told rightly and none is ever likely: their scores stay near each other.

    Of bounded scores, such as cosines, softmax makes no probability near 1, however long they are
    trained.

    Source: Wang et al. (2017), NormFace: cosines need a scale; Guo et al. (2017): temperature.
    """
    out, losses = run.only_output, run.epoch_losses
    if out is None or out.kind not in ("sparse", "onehot") or len(losses) < 3:
        return
    if out.score is None or "categorical_crossentropy" not in out.loss:
        return
    scores = out.prediction.reshape(-1, out.prediction.shape[-1]).astype("float64")
    scores = scores if out.from_logits else np.log(np.clip(scores, 1e-7, 1))
    spans = np.ptp(scores, axis=1)
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    likely = 1 / likely.sum(axis=1)  # probability of the likeliest class
    is_over = losses[-1] > (1 - falls) * losses[-2]
    if out.score >= right and likely.mean() < sure and spans.max() < span and is_over:
        text = f"{out.measure} is {out.score:.3f}, yet the likeliest class has a probability of "
        text += f"{likely.mean():.2f} on average and the loss stays at {losses[-1]:.3g}: before "
        text += f"the softmax the scores of a row are at most {spans.max():.2g} apart."
        remedy = "Multiply the scores by a scale before the softmax (16, or a weight that is "
        remedy += "trained: a temperature), or let a plain Dense layer give them, without bounds."
        yield Seen(text, remedy, out.layer)


@rule("frozen_features", "end", SUSPICION, change="layers", recipe="transfer_learning")
def frozen_head(run):
    """The layer that gives the scores keeps its first weights, and others are trained.

    Source: Yosinski et al. (2014), How transferable are features in deep neural networks?: what is
    frozen is the front.
    """
    out = run.only_output
    if out is not None and out.layer in run.frozen and run.trainable and run.known_gain < FINE:
        text = f"The last layer, {out.layer!r}, is frozen, and layers before it are trained."
        yield Seen(text, f"Set {out.layer!r}.trainable = True before compile.", out.layer)


@rule("frozen_features", "end", SUSPICION, change="layers", recipe="transfer_learning")
def frozen_features(run, gain=0.35, fine=0.85, less=0.1, updates=100, strange=10):
    """What frozen layers give tells less than the inputs, or the run with them learns little.

    The first is measured by simple models on both; where it could not be the second is a suspicion,
    if there were updates enough. Biases and moving means start at 0 and do not stay there: where
    all are 0 the layers have never been trained. A frozen BatchNormalization knows the spread of
    what it was trained on: far from it the inputs are in another range.

    Source: Yosinski et al. (2014), How transferable are features in deep neural networks?.
    """
    frozen = [name for name in run.frozen if name not in run.batch_norms]
    features, raw = run.frozen_tells or (0.0, 0.0)
    remedy = "Prepare the inputs as the frozen layers were trained with (their preprocess_input: "
    remedy += "the order of the channels, RGB or BGR, their range), or set trainable=True at a "
    remedy += "tenth of the learning rate."
    why, change = "what they know is of another task, or of inputs in another form", "layers"
    untrained = bool(run.frozen_biases) and not any(run.frozen_biases.values())
    tops = [(layer, classes) for layer, classes in run.hidden_softmax if layer in frozen]
    if tops:
        top, classes = tops[0]
        why = f"they end in a softmax, the {classes} probabilities of the old classes ({top!r})"
        remedy = f"Cut them off before {top!r} (include_top=False): what tells other "
        remedy += "classes apart stands there."
    elif untrained:
        why = "all of their biases and moving means are 0, as before any training: their weights "
        why += "were never loaded"
        remedy = "Load their weights (load_weights with by_name or skip_mismatch leaves out what "
        remedy += "it does not find), or set trainable=True. A network that shares its layers with "
        remedy += "a frozen one (a teacher) is frozen too: give that one its own, by clone_model."
    elif run.frozen_form:
        form, score = run.frozen_form
        why = f"of {form} they tell {score:.3f}, the inputs are not in the form that these were "
        why, change = f"{why}trained on", "preprocessing"
    layer, ratio = run.frozen_spread or (None, 1.0)
    if not tops and run.known_gain < fine and not 1 / strange < ratio < strange:
        text = f"What frozen BatchNormalization {layer!r} is given spreads {ratio:.2g} times as "
        text += "much as what it was trained on: the inputs are in another range than it knows."
        change = "layers" if untrained else "preprocessing"
        yield Seen(text, remedy, severity="warning", change=change)
        return
    if features < raw - less and run.known_gain < fine:
        text = f"From what the frozen layers give, simple models reach {features:.3f}, from the "
        text += f"inputs themselves {raw:.3f}: {why}."
        yield Seen(text, remedy, severity="warning", change=change)
        return
    if run.trainable == 0:
        return
    severity = None if run.chain else "note"  # in a `call` of one's own they may be a teacher
    if frozen and untrained and not tops and run.known_gain < WELL:
        text = f"{len(frozen)} layers with weights are frozen as they were made "
        yield Seen(f"{text}({', '.join(frozen[:3])}); {why}.", remedy, None, severity)
        return
    if run.frozen_tells or 0 < len(run.losses) < updates:
        return
    if run.known_gain < gain and len(frozen) >= max(1, len(run.kernels)):
        text = f"{len(frozen)} layers with weights are frozen ({', '.join(frozen[:3])}) and the "
        text += "run scores little better than a constant: their features hardly tell the labels"
        yield Seen(f"{text}; {why}." if change == "layers" else f"{text}.", remedy, None, severity)
