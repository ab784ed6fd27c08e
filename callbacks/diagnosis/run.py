"""What is known of a training run: the record that the rules read, plain names and NumPy arrays.

Nothing here knows Keras: `look`, `callback` and `scores` fill it in, the rules only read it.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Output:
    """One output of the model with its loss and a sample of its labels.

    Args:
        name: name of the output in the model.
        index: its place among the model's outputs.
        alone: whether the model has no other.
        layer: name of the layer that computes it, None if it is not known.
        units: size of the last axis, None if it is not known.
        shape: shape of a prediction without the rows, None if it is not known.
        label_shape: shape of a label as given, without the rows.
        activation: name of the activation applied last, "linear" if there is none, None if
            it is not known.
        double_softmax: whether softmax is applied more than once.
        loss: Keras's name of the loss, "custom" for one of the user's own, "own step" if the model
            has a train step of its own and no compiled loss.
        function: the compiled loss as given, None if there is none.
        properties: what a custom loss does, as `own_loss.properties_of` tells.
        own_skill: 1 − custom loss / that of the best constant prediction; None if not known.
        asks_for_labels: whether a custom loss is least near the labels themselves; else the
            predictions are something else, which no accuracy or R² tells about.
        below_zero: what a loss of Keras does at negative predictions that the activation can give:
            "not finite", "flat", or None.
        from_logits: whether the loss takes logits.
        settings: dict of the configuration of a loss of Keras given as an object.
        y: float64 array (rows, columns) of labels, in the units of the data.
        kind: of the labels: "onehot", "multilabel", "binary", "sparse" or "regression".
        one_hot: whether the labels as given are one-hot rows.
        validation_y: as `y`, of the validation data, or None.
        prediction: array (rows, columns) on the probe, without dropout, None if there is none.
        validation_prediction: the same on the validation rows.
        training_prediction: the same on the probe as in training: dropout, statistics of batches.
        score: accuracy (0 to 1) or R² (at most 1) of `prediction`. Where classes are rare,
            balanced accuracy: the mean of the classes' own accuracies.
        trivial: the same of the best constant prediction.
        gain: (score − trivial) / (1 − trivial): 0 for a constant, 1 for a perfect prediction.
        balanced: whether the score is balanced accuracy.
        validation_score, validation_gain: the same of the validation rows.
        training_score: the same of `training_prediction`.
        simple: (score, name, the network's score on the same rows) of the best simple model,
            fitted on rows of the sample and scored on others; None where it was not asked for.
        simple_within: the score on other training rows, where `simple` has that on validation rows.

    """

    name: str
    index: int = 0
    alone: bool = True
    layer: str | None = None
    units: int | None = None
    shape: tuple | None = None
    label_shape: tuple = ()
    activation: str | None = None
    double_softmax: bool = False
    loss: str = "custom"
    function: object = None
    properties: dict | None = None
    own_skill: float | None = None
    asks_for_labels: bool = True
    below_zero: str | None = None
    from_logits: bool = False
    settings: dict = field(default_factory=dict)
    y: np.ndarray | None = None
    kind: str = "regression"
    one_hot: bool = False
    validation_y: np.ndarray | None = None
    prediction: np.ndarray | None = None
    validation_prediction: np.ndarray | None = None
    training_prediction: np.ndarray | None = None
    score: float | None = None
    trivial: float | None = None
    gain: float | None = None
    balanced: bool = False
    validation_score: float | None = None
    validation_gain: float | None = None
    training_score: float | None = None
    simple: tuple | None = None
    simple_within: float | None = None

    @property
    def measure(self):
        """Name of the score."""
        if self.kind == "regression":
            return "R²"
        return "balanced accuracy" if self.balanced else "accuracy"

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
    """A callback that watches a metric, such as `EarlyStopping`.

    Args:
        kind: name of its class.
        monitor: the metric.
        wants_more: whether it takes more of it for better, None if it decides by the name.
        patience: epochs that it waits, or None.

    """

    kind: str
    monitor: str
    wants_more: bool | None
    patience: int | None


@dataclass
class LinearPair:
    """Two layers with weights and no activation between them.

    Args:
        layer: name of the first.
        following: name of the second.
        fan_in: inputs of one unit of the first.
        units: units of the first.
        next_units: units of the second.
        pooled: whether max pooling stands between them.

    """

    layer: str
    following: str
    fan_in: int
    units: int
    next_units: int
    pooled: bool


@dataclass
class Run:
    """All that the rules may look at.

    The model and the settings of `fit`:
        kernels: dict from layer to its initial kernel, array (..., fan_out), trainable ones only.
        linear_pairs: list of `LinearPair`.
        hidden_softmax: list of (layer, units) with softmax inside of the network.
        dropout: dict from layer to its rate, 0 to 1.
        augmentation: list of layers that change their inputs at random while training.
        value_ranges: dict from layer that changes values at random to the range it takes for given.
        coarsest: (rows, columns) of the map that all must pass on its way to an output of maps, at
            the widest path; None if it is not known.
        stateful: list of recurrent layers that keep their state from batch to batch.
        last_step: list of recurrent layers that give their last step only.
        recurrent: dict from recurrent layer to the name of its activation.
        first_layers: names of the classes of the first three layers.
        half: list of layers with float16 weights.
        embedded: list of (Embedding layer, least and largest value that reaches it, its
            `input_dim`, share of whole numbers).
        has_ids: whether an Embedding reads the only input as it is.
        constant_layers: list of layers that normalize over a single value.
        padded_end: mean share of steps at the end of a row that are 0, where no mask hides them.
        batch_norms: dict from BatchNormalization layer to its momentum, 0 to 1.
        frozen: list of layers with weights of which none is trainable.
        constrained: dict from layer to the name of the constraint on its kernel.
        pooled_to_one: list of global pooling layers that give a single number.
        has_shortcuts: whether any layer or operation has more than one input.
        attends: whether a layer attends to other steps.
        penalized: dict from layer to the largest factor of its L1 and L2 regularizers.
        trainable: number of trainable arrays, None if it is not known.
        rescaling: dict from a first layer that scales the inputs to (root mean square of what it
            gives on the sample, largest standard deviation of a column to the median one).
        hidden_steps: (layer, share of the sample's rows that its mask hides wholly, share of rows
            in which it hides steps between others, share of the different rows that are equal to
            others behind it), or None.
        dropout_at_end: name of a dropout layer after the last layer with weights, or None.
        chain: what stands after what, as `graph.chain_of` gives it.
        untracked: list of (layer, what it keeps): tensors, or layers that a Lambda calls, which no
            optimizer trains.
        own_step, own_loss_sum: whether `train_step`, `compute_loss` are the user's own.
        metrics: list of the names of the compiled metrics.
        optimizer: name of its class, None if there is none.
        learning_rate: None for a schedule.
        schedule: name of the schedule's class, or None.
        momentum: of SGD, 0 for others.
        clipped: whether the optimizer clips gradients.
        clip_norm: norm to which it clips, None if it does not.
        epsilon, weight_decay: of the optimizer, 0 if it has none.
        loss_weights: dict from output to its weight in the loss, {} if none were given.
        batch_size: rows of a batch, None if it is not known.
        class_weight: dict from class to weight, or None.
        has_validation: whether `fit` was given validation data.
        validation_split: as given to `fit`: it takes the last rows.
        planned: epochs asked for.
        shuffled: whether `fit` was to shuffle.
        watchers: list of `Watcher`.

    The data, a sample of at most 1024 rows:
        inputs, validation_inputs: dict from the input in words to array (rows, ...).
        table, validation_table: the same array if the model has a single input of numbers, or None.
        scaled_inside: set of the inputs (in words) that the model scales itself.
        weights: array (rows,) of sample weights, or None.
        outputs: list of `Output`.
        complete: whether the number of rows is known and all could be drawn.
        num_rows: rows of the whole training set, None if not known.
        windows: whether each row repeats the one before, moved on by a step: a time series.
        not_finite: texts that tell which values outside the sample are no finite numbers.
        batches: list (epochs) of lists of `passing.Batch` in their order, where it was seen.

    While training:
        epoch: index of the last epoch, from 0.
        losses: float array (steps,), loss of each batch.
        epoch_losses: list of the loss of each epoch.
        non_finite_at: (step, loss) of the first loss that is NaN or infinite, else None.
        largest_loss: largest loss before that.
        layer_names, norms: names of L layers, array (steps, L) of their gradients' L2 norms.
        optimizers: dict from an optimizer's name to the names of its layers.
        no_gradient: names of layers that were handed to an optimizer, but got no gradient.
        activations: dict from hidden layer to (name of the activation, array (rows, ..., units))
            on the probe, without dropout.
        penalty: sum of the penalties on the weights in the loss, at the end.
        added_at_start, added: what layers add to the loss of a batch otherwise (`add_loss`,
            penalties on activity), before training and at the end.
        company: largest change of a prediction, as a part of their spread, when rows are predicted
            "again" or "alone".
        vote: how often the nearest row has the same label, of rows as they are and as augmented,
            and (class, the one that augmentation makes of it, share of its rows) or None; None if
            it is not known.
        frozen_tells: (score of simple models on what the frozen layers give, on the inputs), None
            if it is not known.
        effects: dict from a part of the inputs, in words, to the largest change of the predictions,
            as a part of their spread, when it is exchanged between rows.
        next_step: whether the labels are the inputs of the next step.
        sees_ahead: then the same when the inputs of later steps change.
        kernel_norms: dict from layer to the L2 norm of its kernel at the end.
        moved: dict from layer to the way of its kernel since the start, as a part of its norm.
        rates: list of the learning rate at the end of each epoch, where there is one.

    At the end:
        history: dict from metric to its values per epoch.
        curves: list of (training, validation, metric, whether more is better).
        targets: list of (metric, training, validation, wanted value).
        field_metrics: dict from metric to its value on data from the field, or None.
        trivial: accuracy of the majority class, for a single output of classes.
        variance: of the labels, for a single output under mean squared error.
        gain: the least of the outputs' gains: how well the run trains; None if not known.
        held_out_gain: the same on validation rows.
        settled: whether the loss has stopped falling.
        is_limit_unknown: whether a run between bad and good does as well as simple models, on data
            of which these tell too little to say that no network does better.

    """

    kernels: dict = field(default_factory=dict)
    linear_pairs: list = field(default_factory=list)
    hidden_softmax: list = field(default_factory=list)
    dropout: dict = field(default_factory=dict)
    augmentation: list = field(default_factory=list)
    value_ranges: dict = field(default_factory=dict)
    coarsest: tuple | None = None
    stateful: list = field(default_factory=list)
    last_step: list = field(default_factory=list)
    recurrent: dict = field(default_factory=dict)
    first_layers: list = field(default_factory=list)
    half: list = field(default_factory=list)
    embedded: list = field(default_factory=list)
    has_ids: bool = False
    constant_layers: list = field(default_factory=list)
    padded_end: float = 0.0
    batch_norms: dict = field(default_factory=dict)
    frozen: list = field(default_factory=list)
    constrained: dict = field(default_factory=dict)
    pooled_to_one: list = field(default_factory=list)
    has_shortcuts: bool = False
    attends: bool = False
    penalized: dict = field(default_factory=dict)
    trainable: int | None = None
    rescaling: dict = field(default_factory=dict)
    hidden_steps: tuple | None = None
    dropout_at_end: str | None = None
    chain: dict = field(default_factory=dict)
    untracked: list = field(default_factory=list)
    own_step: bool = False
    own_loss_sum: bool = False
    metrics: list = field(default_factory=list)
    optimizer: str | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    momentum: float = 0.0
    clipped: bool = False
    clip_norm: float | None = None
    epsilon: float = 0.0
    weight_decay: float = 0.0
    loss_weights: dict = field(default_factory=dict)
    batch_size: int | None = None
    class_weight: dict | None = None
    has_validation: bool = False
    validation_split: float = 0.0
    planned: int = 0
    shuffled: bool = True
    watchers: list = field(default_factory=list)

    inputs: dict = field(default_factory=dict)
    validation_inputs: dict = field(default_factory=dict)
    table: np.ndarray | None = None
    validation_table: np.ndarray | None = None
    scaled_inside: set = field(default_factory=set)
    weights: np.ndarray | None = None
    outputs: list = field(default_factory=list)
    complete: bool = False
    num_rows: int | None = None
    windows: bool = False
    not_finite: list = field(default_factory=list)
    batches: list = field(default_factory=list)

    epoch: int | None = None
    losses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    epoch_losses: list = field(default_factory=list)
    non_finite_at: tuple | None = None
    largest_loss: float = np.nan
    layer_names: list = field(default_factory=list)
    norms: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    optimizers: dict = field(default_factory=dict)
    no_gradient: list = field(default_factory=list)
    activations: dict = field(default_factory=dict)
    penalty: float = 0.0
    added_at_start: float = 0.0
    added: float = 0.0
    company: dict = field(default_factory=dict)
    vote: tuple | None = None
    frozen_tells: tuple | None = None
    effects: dict = field(default_factory=dict)
    next_step: bool = False
    sees_ahead: float = 0.0
    kernel_norms: dict = field(default_factory=dict)
    moved: dict = field(default_factory=dict)
    rates: list = field(default_factory=list)

    history: dict = field(default_factory=dict)
    curves: list = field(default_factory=list)
    targets: list = field(default_factory=list)
    field_metrics: dict | None = None
    trivial: float | None = None
    variance: float | None = None
    gain: float | None = None
    held_out_gain: float | None = None
    settled: bool = False
    is_limit_unknown: bool = False

    @property
    def known_gain(self):
        """The gain, or 1 where it is not known: of such a run no score is held against it."""
        return 1.0 if self.gain is None else self.gain

    @property
    def only_output(self):
        """The `Output` of a model that has one, None if it has several."""
        return self.outputs[0] if len(self.outputs) == 1 else None
