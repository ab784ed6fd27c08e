"""Small experiments, as a good engineer makes them: an expectation, a number, an outcome.

Sources: Karpathy, 2019, A recipe for training neural networks; CS231n, Neural networks 3 (sanity
checks before training); Ben Braiek & Khomh, 2023, TheDeepChecker; Rabanser et al., 2019, Failing
loudly. What the outcomes mean together stands in one table, `PATTERNS`.
"""

from dataclasses import dataclass, field

import keras
import numpy as np

from .clones import Change, clone
from .trial import Learner

EXPERIMENTS = []  # in the order in which they are made
LEAST_SKILL = 0.1  # less is no better than a constant
ONE_BATCH = 16
ONE_BATCH_UPDATES = 200
RATE_UPDATES = 40
KEPT = Change("as it is", "data")


@dataclass
class Result:
    """What an experiment has shown.

    Args:
        name: of the experiment.
        expectation: what should be seen.
        seen: the numbers, in a sentence.
        outcome: one of the experiment's words, the expected one first; "left out" if it was not
            made, and `seen` says why.
        expected: the expected word.
        numbers: dict of the numbers.
        seconds: it took.

    """

    name: str
    expectation: str
    seen: str
    outcome: str
    expected: str
    numbers: dict = field(default_factory=dict)
    seconds: float = 0.0


class NotApplicable(Exception):
    """The experiment says nothing of this model or these data; says why."""


def experiment(expectation, outcomes, source, trainings=0):
    """Enter a function of the laboratory that returns (outcome, sentence with the numbers, dict).

    Args:
        expectation: what is seen where all is well.
        outcomes: words for what can be seen, the expected one first.
        source: where it comes from.
        trainings: how many short trainings it takes, roughly.

    """

    def enter(function):
        function.expectation, function.outcomes = expectation, outcomes
        function.source, function.trainings = source, trainings
        EXPERIMENTS.append(function)
        return function

    return enter


# ---- without training ----


@experiment(
    "The loss at the start is that of a constant prediction: ln C for C classes, the variance "
    "for numbers.",
    ("at chance", "far from chance", "not finite"),
    "CS231n; Karpathy (2019)",
)
def loss_at_start(lab, factor=3):
    """Ask a model that knows nothing to say so: a larger loss is a wrong scale."""
    output, target = lab.run.outputs[0] if lab.run.outputs else None, lab.targets[0]
    if output is None or len(lab.targets) > 1:
        raise NotApplicable("it has a meaning for one output with a compiled loss")
    if "crossentropy" in output.loss:
        chance = np.log(2) if output.loss.startswith("binary") else np.log(max(2, output.units))
        name = "ln 2" if output.loss.startswith("binary") else f"ln {output.units}"
    elif output.loss == "mean_squared_error" and target.kind == "numbers":
        labels = target.labels(lab.rows.y)
        chance, name = float(np.mean(np.var(labels, axis=0))), "the variance"
    else:
        raise NotApplicable(f"no chance level is known for the loss {output.loss}")
    loss, _ = lab.learner.data_loss(lab.some(256))
    numbers = {"loss": loss, "chance": float(chance)}
    seen = f"{loss:.4g}; {name} is {chance:.4g}."
    if not np.isfinite(loss):
        return "not finite", seen, numbers
    far = chance > 0 and not chance / factor <= loss <= chance * factor
    return "far from chance" if far else "at chance", seen, numbers


@experiment(
    "Penalties on weights are smaller than the loss of the data.",
    ("smaller", "outweigh the data"),
    "Karpathy (2019); CS231n",
)
def penalties(lab):
    """Compare: what is larger is minimized first, so a large penalty drives all weights to 0."""
    loss, penalty = lab.learner.data_loss(lab.some(256))
    numbers = {"loss": loss, "penalties": penalty}
    if not penalty:
        raise NotApplicable("the model has no penalties")
    outcome = "outweigh the data" if penalty > abs(loss) else "smaller"
    return outcome, f"Penalties {penalty:.4g}, loss of the data {loss:.4g}.", numbers


@experiment(
    "A prediction and its loss depend on their own row only.",
    ("independent", "rows mix in the model", "rows mix in the loss"),
    "Karpathy (2019): use backprop to chart dependencies",
)
def rows_independent(lab, size=8):
    """Rows alone and rows together agree; a loss that broadcasts (n,) to (n, n) does not."""
    rows = lab.some(size)
    together = lab.learner.predict(rows.x)
    alone = [lab.learner.predict(rows.take([i]).x) for i in range(len(rows))]
    alone = [np.concatenate(values) for values in zip(*alone, strict=True)]
    scale = max(float(np.abs(p).max()) for p in together) + 1e-6
    off = max(float(np.abs(p - q).max()) for p, q in zip(together, alone, strict=True)) / scale
    if off > 1e-2:
        text = f"Predictions of {size} rows alone and together differ by {off:.2g} of their size."
        return "rows mix in the model", text, {"model": off}
    whole = _loss_of(lab, rows)
    each = np.array([_loss_of(lab, rows.take([i])) for i in range(len(rows))])
    mean, total = float(each.mean()), float(each.sum())
    apart = min(abs(whole - mean), abs(whole - total)) / (abs(mean) + 1e-6)
    text = f"Loss of {size} rows together {whole:.4g}, mean of each alone {mean:.4g}."
    numbers = {"model": off, "together": whole, "alone": mean}
    lab.rows_mix = apart > 1e-2
    return "rows mix in the loss" if lab.rows_mix else "independent", text, numbers


def _loss_of(lab, rows):
    """Loss of these rows as training computes it; by a step of length 0 in a user's own step."""
    if not lab.learner.has_own_step:
        return lab.learner.data_loss(rows)[0]
    if any("Dropout" in kind or "BatchNorm" in kind for kind in lab.kinds):
        raise NotApplicable("the model has its own train_step and random or batch-wise layers")
    lab.learner.restart(0.0)
    return float(lab.learner.train(rows, [np.arange(len(rows))], None)[0])


# ---- with short trainings ----


@experiment(
    "Training mode and inference mode predict the same rows alike.",
    ("alike", "inference is worse"),
    "Ioffe & Szegedy (2015); Karpathy (2019): train and eval mode",
    trainings=1,
)
def training_against_inference(lab):
    """BatchNormalization uses the batch in training and moving averages, maybe late, after it."""
    if not any("Normalization" in kind or "Dropout" in kind for kind in lab.kinds):
        raise NotApplicable("no layer of the model behaves differently in training")
    lab.try_change(KEPT, 0)
    rows = lab.some(256)
    scores = {}
    for name, mode in (("inference", False), ("training", True)):
        scores[name] = lab.score(rows, lab.learner.predict(rows.x, training=mode))
    gap = lab.skill(scores["training"]) - lab.skill(scores["inference"])
    seen = f"{lab.measure} of training rows: {scores['training']:.2f} in training mode, "
    seen += f"{scores['inference']:.2f} in inference mode."
    return "inference is worse" if gap > 0.15 else "alike", seen, scores


@experiment(
    "Real inputs do better than zeroed inputs, and real labels better than shuffled ones.",
    ("inputs are used", "no better than zeroed inputs", "shuffled labels do as well"),
    "Karpathy (2019): input-independent baseline; Zhang et al. (2017)",
    trainings=2,
)
def inputs_matter(lab):
    """Take inputs or labels away: who does as well without has learned nothing from them."""
    order = np.random.default_rng(0).permutation(len(lab.rows))

    def zeros(x):
        return keras.tree.map_structure(np.zeros_like, x)

    def shuffled(x, y):
        return keras.tree.map_structure(lambda a: a[order], y)

    scores = {"real": lab.baseline.score}
    scores["zeroed inputs"] = lab.try_change(Change("", "data", inputs=zeros), 0).score
    scores["shuffled labels"] = lab.try_change(Change("", "data", labels=shuffled), 0).score
    real, zeroed, mixed = (lab.skill(score) for score in scores.values())
    seen = f"{lab.measure} on held-out rows: "
    seen += ", ".join(f"{name} {value:.2f}" for name, value in scores.items()) + "."
    if real - max(zeroed, 0.0) < LEAST_SKILL:
        return "no better than zeroed inputs", seen, scores
    if real - mixed < LEAST_SKILL:
        return "shuffled labels do as well", seen, scores
    return "inputs are used", seen, scores


@experiment(
    "Held-out rows are predicted nearly as well as training rows.",
    ("nearly as well", "learned by heart"),
    "Ng (2018), Machine Learning Yearning, ch. 20-22",
)
def held_out_against_training(lab, gap=0.2):
    """Compare the two scores of the model as it is, of the way from trivial to perfect."""
    train, held = lab.baseline.train_score, lab.baseline.score
    lab.overfits = lab.skill(train) - lab.skill(held) > gap
    seen = f"{lab.measure} {train:.2f} on training rows, {held:.2f} on held-out rows."
    outcome = "learned by heart" if lab.overfits else "nearly as well"
    return outcome, seen, {"training": train, "held out": held}


@experiment(
    "The learning rate is in range: neither ten times nor a tenth of it gets much further.",
    ("in range", "ten times is better", "a tenth is better"),
    "Bengio (2012), ch. 3.1; CS231n",
    trainings=1,
)
def learning_rate(lab):
    """Make a few updates from the same start: the same loss can be compared."""
    if lab.learner.rate is None:
        raise NotApplicable("the learning rate is a schedule")
    updates, falls = min(RATE_UPDATES, max(lab.updates, 10)), {}
    for factor in (0.1, 1.0, 10.0):
        lab.learner.restart(factor)
        losses = lab.learner.train(lab.rows, lab.places(updates, 0), lab.clock, lab.class_weight)
        part = max(2, updates // 8)
        if factor == 0.1:
            first = np.mean(losses[:2])  # of the slowest: a rate too high spoils the second
        last = np.mean(losses[-part:])
        falls[factor] = float(1 - last / first) if np.isfinite(last) and first else -np.inf
    seen = f"In {updates} updates the loss changes by "
    seen += (
        ", ".join(f"{-100 * fall:+.0f} % (× {factor:g})" for factor, fall in falls.items()) + "."
    )
    numbers = {f"× {factor:g}": fall for factor, fall in falls.items()}
    most = max(falls[1.0], 0.0)
    if falls[0.1] > 2 * most + 0.05:
        return "a tenth is better", seen, numbers
    return "ten times is better" if falls[10.0] > 2 * most + 0.05 else "in range", seen, numbers


@experiment(
    f"One batch of {ONE_BATCH} rows is learned by heart, without penalties and dropout.",
    ("learned", "only with Adam", "not learned"),
    "Karpathy (2019): overfit one batch; CS231n",
    trainings=3,
)
def one_batch(lab, updates=ONE_BATCH_UPDATES):
    """Learn 16 rows: who cannot has a mistake in layers, loss or labels, not in size."""
    rows = lab.some(ONE_BATCH, shuffled=True)
    numbers = {}
    for name, optimizer in (("own", None), ("Adam", lambda: keras.optimizers.Adam(0.003))):
        learner = _without_penalties(lab, optimizer)
        losses = learner.train(rows, [np.arange(len(rows))] * updates, lab.clock)
        skill = lab.skill(lab.score(rows, learner.predict(rows.x)))
        learned = skill > 0.9 or losses[-1] < 0.1 * losses[0]
        numbers[name] = {"first": losses[0], "last": losses[-1], "skill": skill, "learned": learned}
        if learned and name == "own":
            break
    seen = "; ".join(
        f"{'with the own optimizer' if name == 'own' else 'with Adam'} the loss goes from "
        f"{n['first']:.3g} to {n['last']:.3g} in {updates} updates"
        for name, n in numbers.items()
    )
    seen = seen[0].upper() + seen[1:] + "."
    if numbers["own"]["learned"]:
        return "learned", seen, numbers
    return "only with Adam" if numbers["Adam"]["learned"] else "not learned", seen, numbers


def _without_penalties(lab, optimizer):
    """Return a learner without penalties and dropout; as it is where it cannot be cloned."""
    try:
        model, _ = clone(lab, Change("", "data", edit=_free_of_penalties, optimizer=optimizer))
    except ValueError:
        model, _ = clone(lab, Change("", "data", optimizer=optimizer))
    return Learner(model)


def _free_of_penalties(layer, config):
    for key in list(config):
        is_rate = key == "rate" and "Dropout" in type(layer).__name__
        if key.endswith("regularizer"):
            config[key] = None
        elif is_rate or (key in ("dropout", "recurrent_dropout") and config[key]):
            config[key] = 0.0
