"""Small experiments, as a good engineer makes them: an expectation, a number, an outcome.

Sources: Karpathy, 2019, A recipe for training neural networks; CS231n, Neural networks 3 (sanity
checks before training); Ben Braiek & Khomh, 2023, TheDeepChecker; Rabanser et al., 2019, Failing
loudly. What the outcomes mean together stands in one table, `PATTERNS`.
"""

from dataclasses import dataclass, field

import keras
import numpy as np

from .clones import Change, clone
from .samples import columns_of, last_values
from .trial import Learner

EXPERIMENTS = []  # in the order in which they are made
LEAST_SKILL = 0.1  # less is no better than a constant
ONE_BATCH = 16
ONE_BATCH_UPDATES = 200
RATE_UPDATES = 40
LEARNERS_ROWS = 1000  # rows that scikit-learn sees
MAX_COLUMNS = 50  # columns that boosting and neighbours see
VOCABULARY = 2000
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
    """A model that knows nothing should say so: a larger loss is confidence in a wrong scale."""
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
    """What is larger is minimized first: a penalty above the loss drives all weights to 0."""
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
    return "rows mix in the loss" if apart > 1e-2 else "independent", text, numbers


def _loss_of(lab, rows):
    """Loss of these rows as training computes it; by a step of length 0 in a user's own step."""
    own_step = type(lab.model).train_step is not keras.Model.train_step
    if not own_step:
        return lab.learner.data_loss(rows)[0]
    if any("Dropout" in kind or "BatchNorm" in kind for kind in lab.kinds):
        raise NotApplicable("the model has its own train_step and random or batch-wise layers")
    lab.learner.restart(0.0)
    return float(lab.learner.train(rows, [np.arange(len(rows))], None)[0])


@experiment(
    "Each batch holds the classes, or the range of targets, as all rows do.",
    ("mixed", "one kind per batch"),
    "Bengio (2012), Practical recommendations, ch. 2.2",
)
def batches(lab):
    """Only where the order is fixed: the batches that training would see."""
    if not lab.in_order:
        raise NotApplicable("the rows are shuffled in each epoch")
    target = lab.targets[0]
    labels = target.labels(keras.tree.flatten(lab.rows.y)[0])
    count = len(labels) // lab.batch_size
    if len(labels) != len(lab.rows) or count < 4:
        raise NotApplicable("there are fewer than 4 batches with one label per row")
    labels = labels.reshape(len(labels), -1)[: count * lab.batch_size, 0]
    shuffled = np.random.default_rng(0).permutation(labels)
    share = {}
    for name, values in (("in order", labels), ("shuffled", shuffled)):
        parts = values.reshape(count, lab.batch_size)
        if target.kind == "numbers":
            share[name] = float(1 - np.mean(np.var(parts, axis=1)) / max(np.var(values), 1e-12))
        else:
            share[name] = float(np.mean([np.unique(p, return_counts=True)[1].max() for p in parts]))
            share[name] /= lab.batch_size
    apart = share["in order"] > share["shuffled"] + 0.4 * (1 - share["shuffled"])
    what = "of the variance lies between batches" if target.kind == "numbers" else "are of one class"
    seen = f"{share['in order']:.0%} of a batch {what}; shuffled, {share['shuffled']:.0%}."
    return "one kind per batch" if apart else "mixed", seen, share


# ---- with scikit-learn ----


@experiment(
    "The model does as well as a few lines of scikit-learn on the same rows.",
    ("as well", "scikit-learn does better", "nothing beats a constant"),
    "Karpathy (2019): set up baselines; Cover & Hart (1967)",
    trainings=1,
)
def scikit_learn(lab):
    """Where something simple does better it is the model; where nothing does it is the data."""
    target = lab.targets[0]
    y, held_y = (target.labels(keras.tree.flatten(r.y)[0]) for r in (lab.rows, lab.held))
    if len(lab.targets) > 1 or len(y) != len(lab.rows) or target.kind == "multilabel":
        raise NotApplicable("it takes one output with one label per row")
    train, held = np.arange(len(y))[:LEARNERS_ROWS], np.arange(len(held_y))[:LEARNERS_ROWS]
    if len(y) > LEARNERS_ROWS:
        train = np.sort(np.random.default_rng(0).choice(len(y), LEARNERS_ROWS, replace=False))
    wide, narrow = _tables(lab, [lab.rows.take(train).x, lab.held.take(held).x])
    scores = {"a constant": target.trivial}
    truth = lab.held.take(held)
    labels = keras.tree.flatten(truth.y)[0]
    if target.last is not None:
        scores["the last value"] = target.score(labels, last_values(truth.x, target.last), truth.x)
    for name, (learner, tables) in _learners(target, wide, narrow).items():
        flat = y[train].ravel() if y.ndim == 1 or y.shape[1] == 1 else y[train]
        if lab.clock.left() < 1:
            break
        guess = learner.fit(tables[0], flat).predict(tables[1])
        scores[name] = target.score_guess(labels, guess, truth.x)
    best = max(scores, key=scores.get)
    lab.reference = max(lab.skill(scores[best]), 0.0)
    model = lab.skill(lab.baseline.score)
    texts = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    seen = f"{target.measure}: {texts}; the model {lab.baseline.score:.2f}."
    if max(lab.reference, model) < LEAST_SKILL:
        return "nothing beats a constant", seen, scores
    better = lab.reference > model + LEAST_SKILL
    return "scikit-learn does better" if better else "as well", seen, scores


def _learners(target, wide, narrow):
    """Name → (estimator, (training table, held-out table))."""
    from sklearn import ensemble, linear_model, neighbors

    if target.kind == "numbers":
        found = {
            "linear": (linear_model.RidgeCV(np.logspace(-2, 4, 7)), wide),
            "neighbours": (neighbors.KNeighborsRegressor(10), narrow),
        }
        boosting = ensemble.HistGradientBoostingRegressor(max_iter=50, random_state=0)
        return found if target.columns > 1 else found | {"boosting": (boosting, narrow)}
    balanced = {"class_weight": "balanced", "random_state": 0}
    return {
        "linear": (linear_model.LogisticRegression(max_iter=200, **balanced), wide),
        "neighbours": (neighbors.KNeighborsClassifier(5), narrow),
        "boosting": (ensemble.HistGradientBoostingClassifier(max_iter=30, **balanced), narrow),
    }


def _tables(lab, inputs):
    """Return (standardized table of each input set, the same in few columns)."""
    from sklearn.decomposition import PCA

    if "Embedding" in lab.kinds:  # numbers of words: count them
        size = int(min(VOCABULARY, 1 + max(columns_of(x).max() for x in inputs)))
        tables = [np.stack([np.bincount(r % size, minlength=size) for r in columns_of(x).astype(int)]) for x in inputs]
        tables = [np.sqrt(table) for table in tables]
    else:
        tables = [columns_of(x) for x in inputs]
    mean, deviation = tables[0].mean(axis=0), tables[0].std(axis=0)
    tables = [(table - mean) / np.where(deviation > 1e-9, deviation, np.inf) for table in tables]
    if tables[0].shape[1] <= MAX_COLUMNS:
        return tables, tables
    components = PCA(min(MAX_COLUMNS, len(tables[0]) - 1), svd_solver="randomized", random_state=0)
    components.fit(tables[0])
    narrow = [components.transform(table) for table in tables]
    return (tables if tables[0].shape[1] <= VOCABULARY else narrow), narrow


@experiment(
    "No classifier can tell validation rows from training rows, and their labels are shared alike.",
    ("alike", "validation rows differ", "labels are shared otherwise", "the same rows"),
    "Rabanser et al. (2019): a domain classifier; Lopez-Paz & Oquab (2017)",
    trainings=1,
)
def validation_from_training(lab, rows=500, least_auc=0.7):
    """If it can, a validation score measures something else than the training prepares for."""
    if not lab.has_validation:
        raise NotApplicable("no validation rows were given")
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    rng = np.random.default_rng(0)
    parts = [r.take(rng.permutation(len(r))[:rows]) for r in (lab.rows, lab.held)]
    narrow = np.concatenate(_tables(lab, [part.x for part in parts])[1])
    origin = np.repeat([0, 1], [len(part) for part in parts])
    classifier = HistGradientBoostingClassifier(max_iter=30, random_state=0, class_weight="balanced")
    share = cross_val_predict(classifier, narrow, origin, cv=3, method="predict_proba")[:, 1]
    auc = float(roc_auc_score(origin, share))
    numbers = {"auc": auc, "label_distance": _label_distance(lab, parts)}
    numbers["repeated"] = _repeated(lab)
    noise = 2 * np.sqrt(1 / (12 * min(map(len, parts))))  # two standard errors at chance
    seen = f"AUC {auc:.2f} (0.5: alike); shares of labels differ by {numbers['label_distance']:.0%}"
    seen += f"; {numbers['repeated']:.0%} of the validation rows are training rows."
    outcome = "alike"
    if numbers["repeated"] > 0.5:
        outcome = "the same rows"
    elif numbers["label_distance"] > 0.25:
        outcome = "labels are shared otherwise"
    elif auc > max(least_auc, 0.5 + 2 * noise):
        outcome = "validation rows differ"
    lab.validation_differs = outcome in ("validation rows differ", "labels are shared otherwise")
    return outcome, seen, numbers


def _label_distance(lab, parts):
    """Largest difference between the distributions of the labels: Kolmogorov's, or of shares."""
    labels = [lab.targets[0].labels(keras.tree.flatten(part.y)[0]) for part in parts]
    labels = [np.asarray(values).reshape(len(values), -1)[:, 0] for values in labels]
    values = np.unique(np.concatenate(labels))
    if lab.targets[0].kind == "numbers":
        below = [np.searchsorted(np.sort(v), values, side="right") / len(v) for v in labels]
        return float(np.abs(below[0] - below[1]).max())
    shares = [np.array([np.mean(v == value) for value in values]) for v in labels]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _repeated(lab):
    """Share of the validation rows that stand among the training rows."""
    seen = {row.tobytes() for row in columns_of(lab.rows.x)}
    return float(np.mean([row.tobytes() in seen for row in columns_of(lab.held.x)]))


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
    """A network that does as well without its inputs or on shuffled labels has learned neither."""
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
    "The learning rate is in range: neither ten times nor a tenth of it gets much further.",
    ("in range", "ten times is better", "a tenth is better"),
    "Bengio (2012), ch. 3.1; CS231n",
    trainings=1,
)
def learning_rate(lab):
    """A few updates from the same start; the loss compares, as it is the same loss."""
    if lab.learner.rate is None:
        raise NotApplicable("the learning rate is a schedule")
    updates, falls = min(RATE_UPDATES, max(lab.updates, 10)), {}
    for factor in (0.1, 1.0, 10.0):
        lab.learner.restart(factor)
        losses = lab.learner.train(lab.rows, lab.places(updates, 0), lab.clock, lab.class_weight)
        part = max(2, updates // 8)
        first, last = np.mean(losses[:2]), np.mean(losses[-part:])
        falls[factor] = float(1 - last / first) if np.isfinite(last) and first else -np.inf
    seen = f"In {updates} updates the loss changes by "
    seen += ", ".join(f"{-100 * fall:+.0f} % (× {factor:g})" for factor, fall in falls.items()) + "."
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
    """A network that cannot learn 16 rows has a mistake in layers, loss or labels, not in size."""
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
        if key.endswith("regularizer"):
            config[key] = None
        elif key in ("dropout", "recurrent_dropout") and config[key]:
            config[key] = 0.0
        elif key == "rate" and "Dropout" in type(layer).__name__:
            config[key] = 0.0


# ---- what outcomes mean together ----

# The first pattern all of whose outcomes were seen names the cause; data before model, model
# before steps, as a later stage cannot work on what an earlier one has spoiled.
PATTERNS = (
    (
        {"validation_from_training": ("the same rows",)},
        "data",
        "Validation rows are training rows: the validation score says nothing. Part them.",
    ),
    (
        {"validation_from_training": ("labels are shared otherwise",)},
        "data",
        "Validation has other labels than training: shuffle the rows before parting them.",
    ),
    (
        {"rows_independent": ("rows mix in the loss",)},
        "loss",
        "The loss of a row depends on other rows: give labels and predictions one shape, "
        "y.reshape(-1, 1) for one output unit.",
    ),
    (
        {"rows_independent": ("rows mix in the model",)},
        "layers",
        "A prediction depends on the other rows of its batch: look for a reshape, a softmax or a "
        "mean over axis 0.",
    ),
    (
        {"scikit_learn": ("nothing beats a constant",), "one_batch": ("learned",)},
        "data",
        "The model can learn rows by heart, and nothing finds a rule in them: check that each "
        "label stands at its own row and that the inputs hold what the target needs.",
    ),
    (
        {"batches": ("one kind per batch",)},
        "data",
        "Batches hold one kind of rows at a time: shuffle over all rows.",
    ),
    (
        {"penalties": ("outweigh the data",)},
        "layers",
        "Penalties outweigh the loss of the data: lower their factor.",
    ),
    (
        {"training_against_inference": ("inference is worse",)},
        "layers",
        "BatchNormalization's moving averages have not caught up: train longer, or lower its "
        "momentum.",
    ),
    (
        {"one_batch": ("only with Adam",), "learning_rate": ("ten times is better",)},
        "learning_rate",
        "The learning rate is too low.",
    ),
    (
        {"learning_rate": ("a tenth is better",)},
        "learning_rate",
        "The learning rate is too high.",
    ),
    (
        {"one_batch": ("only with Adam",)},
        "optimizer",
        "The optimizer does not get there: use Adam, or another learning rate.",
    ),
    (
        {"loss_at_start": ("far from chance", "not finite"), "one_batch": ("not learned",)},
        "preprocessing",
        "The network starts far from chance and cannot learn 16 rows: check the scale of inputs, "
        "targets and initial weights.",
    ),
    (
        {"one_batch": ("not learned",)},
        "activation",
        "The network cannot learn 16 rows by heart: check output activation, loss and labels, "
        "then the path of the gradient.",
    ),
    (
        {"validation_from_training": ("validation rows differ",)},
        "data",
        "Validation rows can be told from training rows: they are of another kind.",
    ),
    (
        {"scikit_learn": ("nothing beats a constant",)},
        "data",
        "Nothing beats a constant: check that each label stands at its own row.",
    ),
    (
        {"scikit_learn": ("scikit-learn does better",), "inputs_matter": ("inputs are used",)},
        "layers",
        "The data tell more than the model has learned: train longer, or change its size.",
    ),
    (
        {"inputs_matter": ("no better than zeroed inputs",)},
        "preprocessing",
        "The inputs do not reach the output: check their scale and the layers that read them.",
    ),
    (
        {"learning_rate": ("ten times is better",)},
        "learning_rate",
        "The learning rate is low: training takes longer than it needs to.",
    ),
)


def matching_pattern(results):
    """Return (cause, sentence) of the first pattern that was seen, None if none was.

    Args:
        results: list of `Result`.

    """
    outcomes = {result.name: result.outcome for result in results}
    for conditions, cause, sentence in PATTERNS:
        if all(outcomes.get(name) in words for name, words in conditions.items()):
            return cause, sentence
    return None


def tables():
    """Return the experiments and the patterns as two Markdown tables."""
    lines = ["| experiment | expectation | outcomes | source |", "|---|---|---|---|"]
    for function in EXPERIMENTS:
        words = ", ".join(function.outcomes)
        cells = (function.__name__, function.expectation, words, function.source)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| seen together | cause | what it says |", "|---|---|---|"]
    for conditions, cause, sentence in PATTERNS:
        seen = "; ".join(f"{name}: {' or '.join(words)}" for name, words in conditions.items())
        lines.append(f"| {seen} | {cause} | {sentence} |")
    return "\n".join(lines)
