"""What is known of a training run: the record that the rules read, plain names and NumPy arrays.

Nothing here knows Keras: `look`, `callback` and `scores` fill it in, the rules only read it. Each
field stands beside its meaning; None means "not known" unless it says otherwise.
"""
# ruff: noqa: RUF009 - `_new` is a `field`

from dataclasses import dataclass, field

import numpy as np


def _new(kind):
    return field(default_factory=kind)


@dataclass
class Output:
    """One output of the model with its loss and a sample of its labels.

    A custom loss is one of the user's own. A score is accuracy (0 to 1) or R² (at most 1); where
    classes are rare balanced accuracy, the mean of the classes' own accuracies. A gain is
    (score − trivial) / (1 − trivial): 0 for a constant, 1 for a perfect prediction.
    """

    name: str  # in the model
    index: int = 0  # place among the model's outputs
    alone: bool = True  # whether the model has no other
    layer: str | None = None  # that computes it
    units: int | None = None  # size of the last axis
    shape: tuple | None = None  # of a prediction, without the rows
    label_shape: tuple = ()  # of a label as given, without the rows
    activation: str | None = None  # the one applied last, "linear" if there is none
    double_softmax: bool = False  # whether softmax is applied more than once

    loss: str = "custom"  # Keras's name; "own step": a train step of the user's own, no loss
    function: object = None  # the compiled loss as given, None if there is none
    from_logits: bool = False  # whether the loss takes logits
    ignored: int | None = None  # class that it leaves out, by its settings or as was measured
    properties: dict | None = None  # what a custom loss does: `own_loss.properties_of`
    # Whether a custom loss decides itself what labels mean: it takes several outputs for each, such
    # as a mean and a spread, or leaves out those that are not known.
    in_own_terms: bool = False
    is_one_number: bool = False  # whether a custom loss is one for a batch, not one for each row
    compares_all_rows: bool = False  # whether a custom loss has a number for each pair of rows
    rows_read: int | None = None  # of a batch of 16 by a loss of one's own, None where more than 4
    idle_columns: list = _new(list)  # of packed labels: in which row they stand makes no difference
    own_skill: float | None = None  # 1 − custom loss / that of the best constant prediction
    label_cost: float | None = None  # by how much it is larger with the labels of other rows
    # Whether a custom loss is least near the labels themselves; else the predictions are something
    # else, which no accuracy or R² tells about.
    asks_for_labels: bool = True
    fails_below_zero: bool = False  # whether a loss of Keras has no value at negative predictions
    blind_to_length: bool = False  # whether the loss does not see how long a row of predictions is

    y: np.ndarray | None = None  # float64 (rows, columns), labels in the units of the data
    validation_y: np.ndarray | None = None  # the same of the validation rows
    # Which labels count, bool (rows, steps, …), None if all do; `y` and predictions are of these.
    known: np.ndarray | None = None
    validation_known: np.ndarray | None = None
    one_hot: bool = False  # whether the labels as given are one-hot rows
    lag: int = 0  # steps by which a loss of one's own moves the label that it compares an answer to
    agreement: tuple = (0.0, 0.0)  # shares of answers that are their own label, and that at the lag
    lag_is_meant: bool = False  # as the labels are the inputs: `known` and labels are moved alike
    # Shares of rows that begin and that end with 0: of the inputs, and of labels of their steps.
    padded: tuple | None = None
    kind: str = "regression"  # or "onehot", "multilabel", "binary", "sparse": of the labels

    prediction: np.ndarray | None = None  # (rows, ..., units) on the sample, without dropout
    validation_prediction: np.ndarray | None = None  # the same on the validation rows
    training_prediction: np.ndarray | None = None  # as in training: dropout, batch statistics
    score: float | None = None  # of `prediction`
    trivial: float | None = None  # score of the best constant prediction
    gain: float | None = None  # of `prediction`
    few_off: bool = False  # whether the score leaves out the twentieth with the largest errors
    asks_for_ranks: bool = False  # whether AUC is among the compiled metrics
    # accuracy of a simple classifier, its name, that of the rounded outputs, on the same rows: of
    # targets that are class numbers, by what is watched and what can be told; None of others
    numbered: tuple | None = None
    balanced: bool = False  # whether scores are balanced accuracies
    ranked: bool = False  # whether they are areas under the curve: rare classes, and asked for
    validation_score: float | None = None
    validation_gain: float | None = None
    training_score: float | None = None  # of `training_prediction`
    # (score, name, the network's score on the same rows) of the best simple model, fitted on rows
    # of the sample and scored on others; None where it was not asked for.
    simple: tuple | None = None
    simple_within: float | None = None  # on other training rows, where `simple` is of validation

    @property
    def directions(self):
        """Whether only directions are scored: of few numbers of other lengths these are wanted."""
        lengths = np.linalg.norm(self.y, axis=1) if self.blind_to_length else np.ones(1)
        is_of_amounts = self.y is not None and self.y.shape[1] <= 4
        return self.blind_to_length and not (is_of_amounts and np.ptp(lengths) > lengths.mean())

    @property
    def moves_labels(self):
        """Whether a loss of one's own reads labels otherwise than any of Keras's would."""
        return bool(self.lag) or (self.loss == "custom" and self.ignored is not None)

    @property
    def has_own_loss(self):
        """Whether the loss is the user's own, of `compile` or of a train step."""
        return self.loss in ("custom", "own step")

    @property
    def own_loss(self):
        """A loss of the user's own in words, with the name that it was given."""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        own = "Your loss" if name in ("NoneType", "<lambda>") else f"Your loss {name!r}"
        return f"{own} of {self.where}"

    @property
    def measure(self):
        """Name of the score."""
        if self.kind == "regression":
            name = "R² of log(1 + target)" if self.of_logarithms else "R²"
            name += " of all but 5 % of the rows" if self.few_off else ""
            return "accuracy (rounded)" if self.numbered else name
        if self.ranked:
            return "AUC"
        return "balanced accuracy" if self.balanced else "accuracy"

    @property
    def of_logarithms(self):
        """Whether the loss compares the logarithms of targets and predictions."""
        return "logarithmic" in self.loss

    @property
    def threshold(self):
        """Predictions above it mean 1."""
        return 0.0 if self.from_logits or "hinge" in self.loss else 0.5

    @property
    def of_classes(self):
        """Whether each row has one class."""
        return self.kind in ("binary", "onehot", "sparse")

    @property
    def where(self):
        """The output in the user's words: by name where there are several."""
        return "the output" if self.alone else f"output {self.name!r}"


@dataclass
class Watcher:
    """A callback that watches a metric, such as `EarlyStopping`."""

    kind: str  # name of its class
    monitor: str  # the metric
    wants_more: bool | None  # whether it takes more for better, None if it decides by the name
    patience: int | None  # epochs that it waits
    rises: bool | None = None  # whether more of the metric is better, None where that is not known
    restores: bool = False  # whether it gives back the weights of the best epoch
    saves: bool = False  # whether it writes those of the best epoch only


@dataclass
class LinearPair:
    """Two layers with weights and no activation between them."""

    layer: str  # name of the first
    following: str  # name of the second
    fan_in: int  # inputs of one unit of the first
    units: int  # of the first
    next_units: int  # of the second
    pooled: bool  # whether max pooling stands between them


@dataclass
class Run:
    """All that the rules may look at. "Layer" is the name of a layer, "input" that in words."""

    # The model.
    kernels: dict = _new(dict)  # layer: initial kernel (..., fan_out), trainable ones only
    kernels_are_late: bool = False  # whether these are those after the first step, which built them
    twins: list = _new(list)  # of lists of layers with the same input and initial kernel
    linear_pairs: list = _new(list)  # of `LinearPair`
    hidden_softmax: list = _new(list)  # of (layer, units) with softmax inside of the network
    dropout: dict = _new(dict)  # layer: its rate, above 0 and up to 1
    followed: object = None  # Functional model of the layers that a `call` of one's own calls
    called: list = _new(list)  # names of these, in the order in which it calls them
    dropout_at_end: str | None = None  # dropout layer after the last layer with weights, or None
    reshaped: list = _new(list)  # of (Reshape, shape before, after) that puts the channels first
    augmentation: list = _new(list)  # of layers that change inputs at random while training
    # (rows, columns) of the map that all must pass on its way to an output of maps, at the widest
    # path.
    coarsest: tuple | None = None
    recurrent: dict = _new(dict)  # recurrent layer: name of its activation
    stateful: list = _new(list)  # of recurrent layers that keep their state from batch to batch
    # First layer that is given a mask and hands none on, where one of these two gets none.
    loses_mask: str | None = None
    shared_tables: list = _new(list)  # of (Embedding layer, names of inputs of one number each)
    last_step: list = _new(list)  # of recurrent layers that give their last step only
    averages: list = _new(list)  # of GlobalAveragePooling1D, which leaves out what a mask hides
    attends: bool = False  # whether a layer attends to other steps
    first_layers: list = _new(list)  # names of the classes of the first three layers
    half: list = _new(list)  # of layers with float16 weights
    # Of own layers that add up the features of each step: (layer, steps, features).
    without_features: list = _new(list)
    reversed_steps: list = _new(list)  # of recurrent layers that give all steps, the last one first
    softmax_of_one: list = _new(list)  # names of what takes a softmax over an axis of size 1
    few_normalized: dict = _new(dict)  # layer that normalizes one or two values: (class, how many)
    pooled_to_one: list = _new(list)  # of pooling layers that give a single number
    batch_norms: dict = _new(dict)  # BatchNormalization layer: its momentum, 0 to 1
    own_modes: list = _new(list)  # own layers that are told whether they train or predict
    frozen: list = _new(list)  # of layers with weights of which none is trainable
    # Frozen layer with biases or moving means: whether any of them is not 0.
    frozen_biases: dict = _new(dict)
    penalized: dict = _new(dict)  # layer: largest factor of its L1 and L2 regularizers
    untracked: list = _new(list)  # of (layer, what it keeps) that no optimizer trains, in words
    trainable: int | None = None  # number of trainable arrays
    chain: dict = _new(dict)  # what stands after what: `graph.chain_of`
    earlier: int = 0  # updates before this `fit`
    num_light: int = 0  # rows of the sample that weigh next to nothing, and are left out of it
    mean_weight: float | None = None  # of the rows of the sample, None without sample weights
    only_batch: int | None = None  # rows of the only batch for which the shapes in the model fit
    own_step: bool = False  # whether `train_step` is the user's own
    evaluates: bool = True  # whether there is a loss, or a `test_step`, for validation data
    step_names: set = _new(set)  # names of attributes and globals in its code
    drawn_once: list = _new(list)  # functions of the user's that draw while they are traced only
    numbers_changed: list = _new(list)  # of (owner and attribute, first, last), see `numbers_of`
    own_sum_in_step: bool = False  # whether the user's `train_step` computes its loss without Keras
    own_loss_sum: bool = False  # whether `compute_loss` is the user's own
    metrics: list = _new(list)  # names of the compiled metrics
    measures_ranks: bool = False  # whether one of them is an area under a curve
    loss_weights: dict = _new(dict)  # output: its weight in the loss, {} if none were given
    weight_may_change: bool = False  # whether a callback of the user's own could have changed one

    # Optimizer and settings of `fit`.
    optimizer: str | None = None  # name of its class, None if there is none
    learning_rate: float | None = None  # None for a schedule
    schedule: str | None = None  # name of the schedule's class, None if there is none
    peak: float = 0.0  # largest rate in a million steps of a schedule of Keras, else 0
    momentum: float = 0.0  # of SGD, 0 for others
    clipped: float = 0.0  # norm or value at which the optimizer clips gradients, 0 if it does not
    epsilon: float = 0.0  # 0 if it has none
    accumulated: int = 1  # batches whose gradients make one update
    steps_per_loss: float = 1.0  # batches that one of `losses` is of: `steps_per_execution`
    averaged: float = 0.0  # momentum of the average of weights that it makes, 0 if it makes none
    overwrites: int = 0  # updates after which it puts the average in their place, 0 for none
    weight_decay: float = 0.0  # 0 if it has none
    batch_size: int | None = None  # rows of a batch
    class_weight: dict | None = None  # class: weight, None if none were given
    has_validation: bool = False  # whether `fit` was given validation data
    validation_split: float = 0.0  # as given to `fit`: it takes the last rows
    planned: int = 0  # epochs asked for
    shuffled: bool = True  # whether `fit` was to shuffle
    watchers: list = _new(list)  # of `Watcher`

    # The data: a sample of at most 1024 rows.
    inputs: dict = _new(dict)  # input: array (rows, ...), those of numbers
    all_are_numbers: bool = False  # whether these are all of its inputs
    validation_inputs: dict = _new(dict)  # the same of the validation rows
    table: np.ndarray | None = None  # the same array if the model has a single input of numbers
    validation_table: np.ndarray | None = None
    outputs: list = _new(list)  # of `Output`
    weights: np.ndarray | None = None  # (rows,) of sample weights, None if there are none
    num_rows: int | None = None  # rows of the whole training set
    windows: bool = False  # whether each row repeats the one before, moved on by a step: a series
    not_finite: list = _new(list)  # of sentences: values outside the sample that are no numbers
    rows_held: dict = _new(dict)  # shape of a row: rows that the user's dataset keeps as arrays
    first_batches: list = _new(list)  # spread of the first batch of epochs, of data in batches
    rescaled: float | None = None  # by what labels of known rows were multiplied between epochs
    relabelled: float = 0.0  # how far rows' labels moved, 1 for as far as others' are apart
    of_batches: bool = False  # whether `fit` was given batches, and no arrays
    batches: list = _new(list)  # of `passing.Batch`, those of the first epoch in order, where seen
    scaled_inside: set = _new(set)  # of the inputs that the model scales itself
    looked_up: set = _new(set)  # of several inputs those that Embeddings read as they are
    # Layer that scales the inputs: root mean square of what it gives, largest spread of a column of
    # it to the median one.
    rescaling: dict = _new(dict)
    # (layer, share of the rows that its mask hides wholly, share of rows in which it hides steps
    # between others, share of the different rows that are equal to others behind it), or None.
    hidden_steps: tuple | None = None
    padded_end: float = 0.0  # mean share of steps at the end of a row that are 0 without a mask
    # (layer, first number of the step that most rows end in, mean share of such steps at the end of
    # a row), where its mask hides nothing.
    unmasked: tuple | None = None
    has_ids: bool = False  # whether an Embedding reads the only input as it is
    # Of (attention layer, shape of its mask (steps that ask, steps that are read), steps that it
    # reads, share of the steps shown that are padding, share of the others that are hidden).
    attention_masks: list = _new(list)
    # Of (Embedding layer, least and largest value that reaches it, its `input_dim`, share of whole
    # numbers, (kinds of numbers in the input, of those that it reads in their place) or None).
    embedded: list = _new(list)
    # (TextVectorization layer, words that it keeps, median of the words in a text), or None.
    cut_texts: tuple | None = None
    # Of (StringLookup or IntegerLookup, share of the inputs that it does not know, one in words).
    unknown_words: list = _new(list)
    # Of (TextVectorization that keeps as many words as it may, how many, share of those left out).
    rare_words: list = _new(list)
    unknown_in_validation: list = _new(list)  # the same of the validation rows

    # While training.
    epoch: int | None = None  # index of the last epoch, from 0; None before the first
    losses: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (steps,), of each batch
    epoch_losses: list = _new(list)  # loss of each epoch
    logs_other_loss: bool = False  # whether `fit` logs another loss than the user's step returns
    rates: list = _new(list)  # learning rate at the end of each epoch, NaN if there is none
    non_finite_at: tuple | None = None  # (step, loss) of the first NaN or infinite loss, or None
    largest_loss: float = np.nan  # before that
    layer_names: list = _new(list)  # of L layers that optimizers train
    norms: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))  # (steps, L) of gradients
    optimizers: dict = _new(dict)  # name of an optimizer: names of its layers
    no_gradient: list = _new(list)  # of layers handed to an optimizer without a gradient
    added_at_start: float = 0.0  # what layers add to a batch's loss (`add_loss`, activity) at first
    added: float = 0.0  # the same at the end
    penalty: float = 0.0  # sum of the penalties on the weights in the loss, at the end

    # The model as it is at the end, on the sample. Changes are parts of the predictions' spread.
    activations: dict = _new(dict)  # hidden layer: (activation, array (rows, ..., units))
    idle_norms: list = _new(list)  # of BatchNormalization whose averages are as they were made
    kernel_norms: dict = _new(dict)  # layer: L2 norm of its kernel
    moved: dict = _new(dict)  # layer: way of its kernel since the start, as a part of its norm
    company: dict = _new(dict)  # "again", "alone": change when rows are predicted again, alone
    # (class, the one that augmentation makes of it, share of its rows), or None.
    turned: tuple | None = None
    frozen_tells: tuple | None = None  # simple models' scores on frozen features, on the inputs
    # (form of the inputs of which frozen layers tell more, that score), or None.
    frozen_form: tuple | None = None
    cut_tells: tuple | None = None  # (a layer that cuts, these scores of what it leaves), or None
    # (frozen BatchNormalization, spread of what it is given / of what it was trained on), or None.
    frozen_spread: tuple | None = None
    # (prediction for two equal inputs, a custom loss of it for label 0, for label 1), or None.
    equal_inputs: tuple | None = None
    effects: dict = _new(dict)  # part of the inputs in words: change when rows exchange it
    # Layer that gives steps: part of the spread of its units that lies between rows, in order.
    row_shares: dict = _new(dict)
    bend: float | None = None  # 0 for a network that is a linear function, see `passes.bend`
    next_step: bool = False  # whether the labels are the inputs of the next step
    sees_ahead: float = 0.0  # then the change when the inputs of later steps change

    # How well it does.
    history: dict = _new(dict)  # metric: its values per epoch
    curves: list = _new(list)  # of (training, validation, metric, whether more is better)
    targets: list = _new(list)  # of (metric, training, validation, wanted value)
    field_metrics: dict | None = None  # metric: value on data from the field, None if not given
    trivial: float | None = None  # accuracy of the majority class, of a single output of classes
    variance: float | None = None  # of the labels, of a single output under mean squared error
    gain: float | None = None  # least of the outputs' gains: how well the run trains
    held_out_gain: float | None = None  # the same on validation rows
    # Whether a run between bad and good does as well as simple models, on data of which these tell
    # too little to say that no network does better.
    is_limit_unknown: bool = False

    @property
    def known_gain(self):
        """The gain, or 1 where it is not known: of such a run no score is held against it."""
        return 1.0 if self.gain is None else self.gain

    @property
    def judged_gain(self):
        """The gain on validation rows, and where there is none the known one."""
        return self.known_gain if self.held_out_gain is None else self.held_out_gain

    def is_left_out(self, out):
        """Tell whether an output is not to be learned: its loss weighs 0 from start to end."""
        return self.loss_weights.get(out.name) == 0 and not self.weight_may_change

    @property
    def steps(self):
        """Batches trained on in this `fit`, as far as they were seen."""
        return round(len(self.losses) * self.steps_per_loss)

    @property
    def updates(self):
        """Updates that these batches made."""
        return self.steps // self.accumulated

    @property
    def step_draws(self):
        """Whether a train step of the user's own draws at random."""
        return "random" in self.step_names

    @property
    def gives_vectors(self):
        """Whether a step of one's own asks for something else than labels, as far as one can see.

        No score compares outputs with labels, and its code names nothing that would.
        """
        asks = ("entropy", "compute_loss", "compiled_loss", "train_step", "accuracy")
        names_one = any(word in name.lower() for name in self.step_names for word in asks)
        return self.own_step and bool(self.outputs) and self.gain is None and not names_one

    @property
    def watches_accuracy(self):
        """Whether a compiled metric is an accuracy."""
        return any("acc" in name for name in self.metrics)

    @property
    def only_output(self):
        """The `Output` of a model that has one, None if it has several."""
        return self.outputs[0] if len(self.outputs) == 1 else None
