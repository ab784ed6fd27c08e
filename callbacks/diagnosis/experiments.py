"""Small experiments, as a good engineer makes them: an expectation, a number, an outcome.

Sources: Karpathy, 2019, A recipe for training neural networks; CS231n, Neural networks 3 (sanity
checks before training); Ben Braiek & Khomh, 2023, TheDeepChecker; Rabanser et al., 2019, Failing
loudly. What the outcomes mean together stands in one table, `PATTERNS`.
"""

from dataclasses import dataclass, field, replace

import keras
import numpy as np

from . import passing, rules_of_data, rules_of_split
from .clones import KEPT, Change, clone, lift_noise, lift_penalties
from .finding import enter
from .graph import NOISE, has_own_call
from .laboratory import put_weights
from .learner import Learner
from .passes import COMPARED_ROWS, company
from .rows import each, inputs_of
from .scores import (
    NEIGHBOURS,
    is_autoencoder,
    side_by_side,
    simple_guesses,
    standardized,
    word_counts,
)
from .target import columns_of, last_values

EXPERIMENTS = []  # in the order in which they are made: those of the data first
LEAST_SKILL = 0.1  # less is no better than a constant
ONE_BATCH = 16
LEARNERS_ROWS = 1000  # rows that simple models see
MAX_COLUMNS = 2000  # columns that they see
BOOSTED_COLUMNS = 50  # columns that boosting sees
DIFFER_IN_TRAINING = ("Normalization", "Dropout", *NOISE)  # parts of the names of layers


@dataclass
class Result:
    """What an experiment has shown."""

    experiment: object  # the function, with its `expectation`
    outcome: str  # one of its `outcomes`; "left out" if it was not made
    seen: str  # the numbers, or why it was left out, in a sentence
    numbers: dict = field(default_factory=dict)  # the same by name

    @property
    def name(self):
        """Name of the experiment."""
        return self.experiment.__name__


class NotApplicable(Exception):
    """The experiment says nothing of this model or these data; says why."""


def experiment(expectation, outcomes, source, trainings=0, applies=None):
    """Enter a function of the laboratory that returns (outcome, sentence with the numbers, dict).

    `outcomes` are words for what can be seen, the first one where all is well as in `expectation`;
    `trainings` is how many short ones it takes, roughly; `applies(lab)` tells whether it can be
    made, where that is known before it has cost anything.
    """
    about = {"expectation": expectation, "outcomes": outcomes}
    return enter(EXPERIMENTS, source=source, trainings=trainings, applies=applies, **about)


# ---- of the data ----


@experiment(
    "Each batch holds the classes, or the range of targets, as all rows do.",
    ("mixed", "one kind per batch"),
    "Bengio (2012), Practical recommendations, ch. 2.2",
)
def batches(lab):
    """Only where the order is fixed: the batches that training would see."""
    if not lab.in_order:
        raise NotApplicable("the rows are shuffled in each epoch")
    if len(lab.rows) < 4 * lab.batch_size:
        raise NotApplicable("there are fewer than 4 batches")
    drawn = passing.batches_in_order(lab.rows.x, lab.rows.y, lab.batch_size)
    for seen in rules_of_data.batches_in_order(replace(lab.run, batches=drawn)):
        return "one kind per batch", seen.evidence, {}
    return "mixed", "The labels of batches differ about as much as by chance.", {}


@experiment(
    "The model does as well as simple models on the same rows.",
    ("as well", "simple models do better", "nothing beats a constant"),
    "Karpathy (2019): set up baselines; Cover & Hart (1967)",
    trainings=1,
)
def simple_models(lab):
    """Where something simple does better it is the model; where nothing does it is the data.

    Beside the simple models of `scores` boosting, as it also finds what is no sum of columns.
    """
    target = lab.targets[0]
    if len(lab.targets) > 1 or target.kind == "multilabel":
        raise NotApplicable("it takes one output with one label per row")
    if is_autoencoder(lab.run, target.output):
        raise NotApplicable("the labels are the inputs, which a linear model copies")
    train, held = lab.some(LEARNERS_ROWS), lab.held
    y, held_y = (target.labels(lab.labels(rows)[0]) for rows in (train, held))
    if len(y) != len(train) or len(y) <= NEIGHBOURS:
        raise NotApplicable("it takes one label per row, and more than a few rows")
    x, held_x = _tables(lab, [train, held])
    scores = {"a constant": target.trivial}
    if target.last is not None:
        scores["the last value"] = target.score(held_y, last_values(held.x, target.last), held.x)
    simple = replace(target, output=replace(target.output, loss="", from_logits=False))
    wanted = y
    if target.classes:
        simple.output.kind, wanted = "sparse", np.eye(target.classes)[y]
    guesses, left_out = simple_guesses(x, wanted, held_x), ""
    if target.columns == 1 or target.classes:
        try:
            guesses["boosting"] = _boosting(x, y, held_x, target.classes)
        except ImportError:
            left_out = " Boosting was left out: scikit-learn is not installed."
    for name, guess in guesses.items():
        if target.classes:  # a rare class counts as much as a frequent one
            guess = guess - wanted.mean(axis=0)
        scores[name] = simple.score(held_y, guess, held.x)
    best = max(scores, key=scores.get)
    lab.reference = max(lab.skill(scores[best]), 0.0)
    model = lab.skill(lab.baseline.score)
    texts = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    seen = f"{target.measure}: {texts}; the model {lab.baseline.score:.2f}.{left_out}"
    if max(lab.reference, model) < max(LEAST_SKILL, _luck(target, len(held))):
        return "nothing beats a constant", seen, scores
    better = lab.reference > model + LEAST_SKILL
    return "simple models do better" if better else "as well", seen, scores


def _luck(target, num_rows, errors=2.5):
    """Return the skill that one of several models without any reaches by luck on so few rows.

    It is 2.5 standard errors of a share of the rows: the best of some five is as far off.
    """
    if not target.classes:
        return 0.0
    error = np.sqrt(target.trivial * (1 - target.trivial) / num_rows)
    return errors * error / (1 - target.trivial)


def _boosting(x, y, other_x, classes):
    """Predict other rows by boosting: (rows, columns), one for each class if there are any.

    Small trees; the kind that uses all cores takes a hundred times as long on a busy machine.
    """
    from sklearn import decomposition, ensemble, utils

    x, other_x = standardized(x, other_x)
    if x.shape[1] > BOOSTED_COLUMNS:
        components = decomposition.PCA(min(BOOSTED_COLUMNS, len(x) - 1), random_state=0).fit(x)
        x, other_x = components.transform(x), components.transform(other_x)
    settings = {"n_estimators": 50, "subsample": 0.8, "max_features": "sqrt", "random_state": 0}
    if not classes:
        model = ensemble.GradientBoostingRegressor(**settings).fit(x, y.ravel())
        return model.predict(other_x)[:, None]
    weights = utils.class_weight.compute_sample_weight("balanced", y)
    model = ensemble.GradientBoostingClassifier(**settings).fit(x, y, weights)
    return np.eye(classes)[model.predict(other_x)]


def _take_numbers(lab):
    if any(a is not None and a.dtype.kind not in "fiub" for a in keras.tree.flatten(lab.rows.x)):
        raise NotApplicable("an input holds no numbers")


def _tables(lab, parts):
    """Return the inputs of each part as a table for simple models: of numbers of words counts."""
    _take_numbers(lab)
    if lab.run.looked_up:
        return side_by_side([inputs_of(part.x) for part in parts], lab.run.looked_up)
    tables = [columns_of(part.x) for part in parts]
    if "Embedding" in lab.kinds:
        return word_counts(tables)
    return [table[:, :: 1 + table.shape[1] // MAX_COLUMNS] for table in tables]


@experiment(
    "No classifier can tell validation rows from training rows, and their labels are shared alike.",
    ("alike", "validation rows differ", "labels are shared otherwise", "the same rows"),
    "Rabanser et al. (2019): a domain classifier; Lopez-Paz & Oquab (2017)",
)
def validation_from_training(lab, classes=0.25, told=0.8):
    """If it can, a validation score measures something else than the training prepares for."""
    if not lab.has_validation:
        raise NotApplicable("no validation rows were given")
    run = lab.run
    for seen in rules_of_split.rows_on_both_sides(run):
        return "the same rows", seen.evidence, {}
    labels = [rules_of_split.labels_apart(run, out, classes) for out in run.outputs]
    inputs = [rules_of_split.inputs_apart(run, name, told) for name in run.inputs]
    lab.validation_differs = any(labels) or any(inputs)
    for text in filter(None, labels):
        return "labels are shared otherwise", text, {}
    for text, _ in filter(None, inputs):
        return "validation rows differ", text, {}
    return "alike", "Labels are shared alike, and no classifier tells the rows of both.", {}


# ---- without training ----


@experiment(
    "The loss at the start is that of a constant prediction: ln C for C classes, the variance "
    "for numbers.",
    ("at chance", "far from chance", "not finite"),
    "CS231n; Karpathy (2019)",
)
def loss_at_start(lab, factor=3):
    """Ask a model that knows nothing to say so: a larger loss is a wrong scale."""
    if len(lab.targets) > 1 or not lab.run.outputs:
        raise NotApplicable("it has a meaning for one output with a compiled loss")
    output, target = lab.run.outputs[0], lab.targets[0]
    if "crossentropy" in output.loss:
        count = 2 if output.loss.startswith("binary") else max(2, target.classes, target.columns)
        chance, name = float(np.log(count)), f"ln {count}"
    elif output.loss == "mean_squared_error" and target.kind == "regression":
        labels = target.labels(lab.rows.y)
        chance, name = float(np.mean(np.var(labels, axis=0))), "the variance"
    else:
        raise NotApplicable(f"no chance level is known for the loss {output.loss}")
    loss, _ = lab.learner.data_loss(lab.some(256))
    seen, numbers = f"{loss:.4g}; {name} is {chance:.4g}.", {"loss": loss, "chance": chance}
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
    if lab.model.loss is None:
        raise NotApplicable("no loss is compiled")
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
    changes = company(lab.learner.model, lab.some(COMPARED_ROWS).x)
    if changes.get("again", 0.0) > 0.05:
        raise NotApplicable("the same rows, predicted twice, differ: something is random")
    off = changes.get("alone", 0.0)
    if off > 0.05:
        text = f"Predicted with other rows beside it, a row changes by {off:.2g} of the spread."
        return "rows mix in the model", text, {"model": off}
    whole = _loss_of(lab, rows)
    alone = np.array([_loss_of(lab, rows.take([i])) for i in range(len(rows))])
    mean, total = float(alone.mean()), float(alone.sum())
    apart = min(abs(whole - mean), abs(whole - total)) / (abs(mean) + 1e-6)
    text = f"Loss of {size} rows together {whole:.4g}, mean of each alone {mean:.4g}."
    numbers = {"model": off, "together": whole, "alone": mean}
    lab.rows_mix = apart > 1e-2
    if lab.rows_mix and lab.learner.has_own_step:  # which may only move the weights by the batch
        order = np.roll(np.arange(size), 1)
        permuted = replace(rows, y=each(lambda leaf: leaf[order], rows.y))
        lab.rows_mix = bool(np.isclose(_loss_of(lab, permuted), whole, rtol=1e-3))
    return "rows mix in the loss" if lab.rows_mix else "independent", text, numbers


def _loss_of(lab, rows):
    """Loss of these rows as training computes it; by a step of length 0 in a user's own step."""
    if not lab.learner.has_own_step:
        return lab.learner.data_loss(rows)[0]
    if any("Dropout" in kind or "BatchNorm" in kind for kind in lab.kinds):
        raise NotApplicable("the model has its own train_step and random or batch-wise layers")
    _check_told_loss(lab)
    lab.learner.restart(0.0)
    return float(lab.learner.train(rows, [np.arange(len(rows))])[0])


def _check_told_loss(lab):
    """Refuse a train step that logs no loss of its own: Keras then shows 0, or none."""
    if not lab.learner.has_own_step:
        return
    losses = lab.learner.train(lab.rows, lab.places(2, 0), lab.clock, lab.class_weight)
    if not np.any(np.nan_to_num(losses)):
        raise NotApplicable("the train_step of the model logs no loss")


# ---- with short trainings ----


@experiment(
    "Training mode and inference mode predict the same rows alike.",
    ("alike", "inference is worse", "noise makes a difference"),
    "Ioffe & Szegedy (2015); Karpathy (2019): train and eval mode",
    trainings=1,
)
def training_against_inference(lab):
    """BatchNormalization uses the batch in training, averages after it; noise ends with it."""
    if not any(part in kind for kind in lab.kinds for part in DIFFER_IN_TRAINING):
        raise NotApplicable("no layer of the model behaves differently in training")
    lab.try_change(KEPT, 0)
    rows = lab.some(256)
    scores = {}
    for name, mode in (("inference", False), ("training", True)):
        scores[name] = lab.score(rows, lab.learner.predict(rows.x, training=mode))
    gap = lab.skill(scores["training"]) - lab.skill(scores["inference"])
    seen = f"Of the same training rows {lab.measure} is {scores['training']:.2f} in training mode "
    seen += f"and {scores['inference']:.2f} in inference mode."
    if abs(gap) <= 0.15:
        return "alike", seen, scores
    is_late = gap > 0 and any("BatchNormalization" in kind for kind in lab.kinds)
    return "inference is worse" if is_late else "noise makes a difference", seen, scores


@experiment(
    "Real inputs do better than zeroed inputs, and real labels better than shuffled ones.",
    ("inputs are used", "no better than zeroed inputs", "shuffled labels do as well"),
    "Karpathy (2019): input-independent baseline; Zhang et al. (2017)",
    trainings=2,
)
def inputs_matter(lab):
    """Take inputs or labels away: who does as well without has learned nothing from them."""
    _take_numbers(lab)
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
    ("nearly as well", "learned by heart", "training rows are harder"),
    "Ng (2018), Machine Learning Yearning, ch. 20-22",
)
def held_out_against_training(lab, gap=0.2):
    """Compare the two scores of the model as it is, of the way from trivial to perfect."""
    train, held = lab.baseline.train_score, lab.baseline.score
    ahead = lab.skill(train) - lab.skill(held)
    lab.overfits = ahead > gap
    seen = f"{lab.measure} {train:.2f} on training rows, {held:.2f} on held-out rows."
    outcome = "training rows are harder" if ahead < -gap else "nearly as well"
    outcome = "learned by heart" if lab.overfits else outcome
    return outcome, seen, {"training": train, "held out": held}


@experiment(
    "The learning rate is in range: neither ten times nor a tenth of it gets much further.",
    ("in range", "ten times is better", "a tenth is better", "nothing moves"),
    "Bengio (2012), ch. 3.1; CS231n",
    trainings=1,
)
def learning_rate(lab, updates=40, still=0.01):
    """Make a few updates from the same start: the same loss can be compared."""
    if lab.learner.rate is None:
        raise NotApplicable("the learning rate is a schedule")
    _check_told_loss(lab)
    falls = {}
    for factor in (0.1, 1.0, 10.0):
        lab.learner.restart(factor)
        losses = lab.learner.train(lab.rows, lab.places(updates, 0), lab.clock, lab.class_weight)
        if factor == 0.1:
            first = np.mean(losses[:2])  # of the slowest: a rate too high spoils the second
        last = np.mean(losses[-updates // 8 :])
        falls[factor] = float(1 - last / first) if np.isfinite(last) and first else -np.inf
    texts = ", ".join(f"{-100 * fall:+.0f} % (× {factor:g})" for factor, fall in falls.items())
    seen = f"In {updates} updates the loss changes by {texts}."
    numbers = {f"× {factor:g}": fall for factor, fall in falls.items()}
    most = max(falls[1.0], 0.0)
    if max(falls.values()) - min(falls.values()) < still:
        return "nothing moves", seen, numbers
    if falls[0.1] > 2 * most + 0.05:
        return "a tenth is better", seen, numbers
    return "ten times is better" if falls[10.0] > 2 * most + 0.05 else "in range", seen, numbers


def _has_own_step(lab):
    return lab.learner.has_own_step and lab.model.loss is not None


@experiment(
    "A train step of one's own moves the weights as Keras's would, at first and later on.",
    (
        "as Keras's",
        "heeds no weights",
        "against Keras's",
        "of another length",
        "later steps differ",
        "elsewhere",
    ),
    "w_new = w_old - rate * gradient, from the same weights on the same batches",
    trainings=3,
    applies=_has_own_step,
)
def own_step(lab, updates=8, alike=0.7, length=2.0):
    """Make both steps with plain SGD from the same weights and compare where they lead.

    A first step of length 0 may gather gradients for a later one: then the way is compared.
    """
    if not _has_own_step(lab):
        raise NotApplicable("the model has no train_step of its own beside a compiled loss")
    places = list(lab.places(updates, 0))
    own, usual = (_ways(lab, is_keras, places) for is_keras in (False, True))
    found = [_compared(*ways) for ways in zip(own, usual, strict=True)]
    (first, direction), (later, course) = found
    seen = "Of the same weights and batches, with plain SGD: the first step of your own is "
    seen += f"{first:.2g} times as long as Keras's (cosine {direction:.2f}), the way of {updates} "
    seen += f"steps {later:.2g} times (cosine {course:.2f})."
    numbers = {"length": first, "cosine": direction, "later": later, "course": course}
    if (lab.rows.weights is not None or lab.class_weight) and _is_deaf_to_weights(lab, places):
        text = "Your own steps are the same, to the last bit, where half of the rows weigh "
        return "heeds no weights", f"{text}nothing. {seen}", numbers
    if not first and course > alike:
        return "as Keras's", seen, numbers
    if direction < alike:
        return "against Keras's" if direction < -alike else "elsewhere", seen, numbers
    if not 1 / length < first < length:
        return "of another length", seen, numbers
    is_alike = course > alike and 1 / length < later / first < length
    return "as Keras's" if is_alike else "later steps differ", seen, numbers


def _own_learner(lab, is_keras, rate=0.01):
    """Return a clone that takes its steps with plain SGD from the first weights, without noise."""
    edit = None if has_own_call(lab.model) else lift_noise  # a `call` of one's own stays
    change = Change("", "", edit=edit, keras_step=is_keras)
    model, _ = clone(lab, replace(change, optimizer=lambda: keras.optimizers.SGD(rate)))
    put_weights(model, lab.weights(0))
    return Learner(model)


def _ways(lab, is_keras, places):
    """Return how far the trainable weights come in the first step and in all, two flat arrays."""
    learner, ways = _own_learner(lab, is_keras), []
    start = _flat(learner.model)
    for some in (places[:1], places):
        learner.restart()
        learner.train(lab.rows, some, lab.clock, lab.class_weight)
        ways.append(_flat(learner.model) - start)
    return ways


def _is_deaf_to_weights(lab, places):
    """Tell whether steps that move the weights do so alike where every other row weighs nothing."""
    learner = _own_learner(lab, is_keras=False)
    ends = [_flat(learner.model)]
    halves = np.resize(np.float32([2, 0]), len(lab.rows))
    for factors in (np.ones_like(halves), halves):
        weights = each(lambda leaf, f=factors: _times(np.ones_like(leaf), f), lab.rows.weights)
        rows = replace(lab.rows, weights=factors if weights is None else weights)
        learner.restart()
        learner.train(rows, places, lab.clock)
        ends.append(_flat(learner.model))
    start, alike, halved = ends
    return np.array_equal(alike, halved) and not np.array_equal(start, alike)


def _times(leaf, factors):
    """Multiply the rows of an array by factors (rows,)."""
    return leaf * factors.reshape(-1, *[1] * (leaf.ndim - 1))


def _flat(model):
    """Return the trainable weights as one array."""
    parts = [keras.ops.convert_to_numpy(v).ravel() for v in model.trainable_variables]
    return np.concatenate(parts)


def _compared(own, usual):
    """Return how many times as long a way is as the usual one, and the cosine between them."""
    lengths = np.linalg.norm(own), np.linalg.norm(usual)
    if 0 in lengths:
        return 0.0, 0.0
    return float(lengths[0] / lengths[1]), float(np.dot(own, usual) / np.prod(lengths))


@experiment(
    f"One batch of {ONE_BATCH} rows is learned by heart, without penalties, dropout and noise.",
    ("learned", "only with Adam at 0.003", "not learned"),
    "Karpathy (2019): overfit one batch; CS231n",
    trainings=3,
)
def one_batch(lab, updates=200):
    """Learn 16 rows: who cannot has a mistake in layers, loss or labels, not in size."""
    order = np.random.default_rng(lab.seed).permutation(len(lab.rows))
    rows, texts, numbers = lab.rows.take(order[:ONE_BATCH]), [], {}
    for name, optimizer in (
        ("the own optimizer", None),
        ("Adam at 0.003", lambda: keras.optimizers.Adam(0.003)),
    ):
        try:
            model, _ = clone(lab, Change("", "", edit=_without_penalties, optimizer=optimizer))
        except ValueError:  # layers that cannot be cloned are taken as they are
            model, _ = clone(lab, Change("", "", optimizer=optimizer))
        learner = Learner(model)
        put_weights(model, lab.weights(0))  # with those that were adapted or trained before
        losses = learner.train(rows, [np.arange(len(rows))] * updates, lab.clock)
        skill = lab.skill(lab.score(rows, learner.predict(rows.x)))
        numbers[name] = {"first": losses[0], "last": losses[-1], "skill": skill}
        text = f"{name} takes the loss from {losses[0]:.3g} to {losses[-1]:.3g}"
        is_told = np.any(np.nan_to_num(losses))  # a step of one's own may log none
        texts.append(text if is_told else f"{name} makes {skill:.0%} of the way to a perfect score")
        if skill > 0.9 or losses[-1] < 0.1 * losses[0]:
            seen = f"In {updates} updates {', '.join(texts)}."
            return "learned" if optimizer is None else "only with Adam at 0.003", seen, numbers
    return "not learned", f"In {updates} updates {', '.join(texts)}.", numbers


def _without_penalties(layer, config):
    lift_penalties(layer, config)
    return lift_noise(layer, config)
