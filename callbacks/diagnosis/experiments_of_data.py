"""Experiments that ask the data: batches, scikit-learn, validation against training."""

import keras
import numpy as np

from .experiments import LEAST_SKILL, NotApplicable, experiment
from .target import columns_of, last_values

LEARNERS_ROWS = 1000  # rows that scikit-learn sees
MAX_COLUMNS = 50  # columns that boosting and neighbours see
VOCABULARY = 2000  # words that are counted, and columns that a linear model sees


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
    what = (
        "of the variance lies between batches" if target.kind == "numbers" else "are of one class"
    )
    seen = f"{share['in order']:.0%} of a batch {what}; shuffled, {share['shuffled']:.0%}."
    return "one kind per batch" if apart else "mixed", seen, share


@experiment(
    "The model does as well as a few lines of scikit-learn on the same rows.",
    ("as well", "scikit-learn does better", "nothing beats a constant"),
    "Karpathy (2019): set up baselines; Cover & Hart (1967)",
    trainings=1,
)
def scikit_learn(lab):
    """Where something simple does better it is the model; where nothing does it is the data."""
    from sklearn.utils.class_weight import compute_sample_weight

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
        weight = {}
        if name == "boosting" and target.kind != "numbers":
            weight = {"sample_weight": compute_sample_weight("balanced", flat)}
        guess = learner.fit(tables[0], flat, **weight).predict(tables[1])
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
    """Name → (estimator, (training table, held-out table)); fast ones, all on one core."""
    from sklearn import linear_model, neighbors

    if target.kind != "numbers":
        return {
            "linear": (linear_model.RidgeClassifier(10.0, class_weight="balanced"), wide),
            "neighbours": (neighbors.KNeighborsClassifier(5), narrow),
            "boosting": (_boosting(True), narrow),
        }
    found = {
        "linear": (linear_model.RidgeCV(np.logspace(-2, 4, 7)), wide),
        "neighbours": (neighbors.KNeighborsRegressor(10), narrow),
    }
    return found if target.columns > 1 else found | {"boosting": (_boosting(False), narrow)}


def _boosting(classes):
    """Small trees; the one that uses all cores takes a hundred times as long on a busy machine."""
    from sklearn import ensemble

    kind = ensemble.GradientBoostingClassifier if classes else ensemble.GradientBoostingRegressor
    return kind(n_estimators=50, subsample=0.8, max_features="sqrt", random_state=0)


def _tables(lab, inputs):
    """Return (standardized table of each input set, the same in few columns)."""
    from sklearn.decomposition import PCA

    if "Embedding" in lab.kinds:  # numbers of words: count them
        size = int(min(VOCABULARY, 1 + max(columns_of(x).max() for x in inputs)))
        tables = [
            np.stack([np.bincount(r % size, minlength=size) for r in columns_of(x).astype(int)])
            for x in inputs
        ]
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
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    rng = np.random.default_rng(0)
    parts = [r.take(rng.permutation(len(r))[:rows]) for r in (lab.rows, lab.held)]
    narrow = np.concatenate(_tables(lab, [part.x for part in parts])[1])
    origin = np.repeat([0, 1], [len(part) for part in parts])
    share = cross_val_predict(_boosting(True), narrow, origin, cv=3, method="predict_proba")[:, 1]
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
