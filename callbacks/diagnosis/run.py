"""What is known of a training run: the record that the rules read, plain names and NumPy arrays.

Nothing here knows Keras: `look` and `callback` fill it in, the rules only read it.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Output:
    """One output of the model with its loss and a sample of its labels.

    Args:
        name: name of the output in the model, or of its layer.
        layer: name of the layer that computes it, None if it is not known.
        units: size of the last axis, None if it is not known.
        activation: name of the activation applied last, "linear" if there is none, None if
            it is not known.
        double_softmax: whether softmax is applied more than once.
        loss: Keras's name of the loss, "custom" if Keras does not know it.
        from_logits: whether the loss takes logits.
        y: float64 array (rows, columns) of labels, in the units of the data.
        kind: of the labels: "onehot", "multilabel", "binary", "sparse" or "regression".
        one_hot: whether the labels as given are one-hot rows.
        score: accuracy (0 to 1) or R² (at most 1) of the predictions on the probe.
        trivial: the same of the best constant prediction.
        gain: (score − trivial) / (1 − trivial): 0 for a constant, 1 for a perfect prediction.
        neighbours: score of a vote of the nearest rows, where it was asked for.

    """

    name: str
    layer: str | None = None
    units: int | None = None
    activation: str | None = None
    double_softmax: bool = False
    loss: str = "custom"
    from_logits: bool = False
    y: np.ndarray | None = None
    kind: str = "regression"
    one_hot: bool = False
    score: float | None = None
    trivial: float | None = None
    gain: float | None = None
    neighbours: float | None = None


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

    Before training:
        inputs: dict from the input in words to array (rows, ...), a sample of the training rows.
        table: the same array if the model has a single input of numbers, else None.
        scaled_inside: set of the inputs (in words) that the model scales itself.
        outputs: list of `Output`.
        complete: whether the sample is drawn from all rows (not from the first batches).
        num_rows: number of training rows, None if it is not known.
        batch_size: rows of a batch, None if it is not known.
        has_validation: whether `fit` was given validation data.
        kernels: dict from layer to its initial kernel, array (..., fan_out), trainable ones only.
        linear_pairs: list of `LinearPair`.
        hidden_softmax: list of (layer, units) with softmax inside of the network.
        dropout: dict from layer to its rate, 0 to 1.
        optimizer: name of its class.
        learning_rate: None for a schedule.
        momentum: of SGD, 0 for others.

    While training:
        epoch: index of the last epoch, from 0.
        losses: float array (steps,), loss of each batch.
        epoch_losses: list of the loss of each epoch.
        non_finite_at: (step, loss) of the first loss that is NaN or infinite, else None.
        largest_loss: largest loss before that.
        layer_names, norms: names of L layers, array (steps, L) of their gradients' L2 norms.
        activations: dict from hidden layer to (name of the activation, array (rows, ..., units))
            on the probe, without dropout.
        predictions: list of arrays (rows, ...), one per output, on the probe.

    At the end:
        history: dict from metric to its values per epoch.
        curves: list of (training, validation, metric, whether more is better).
        targets: list of (metric, training, validation, wanted value).
        field_metrics: dict from metric to its value on data from the field, or None.
        trivial: accuracy of the majority class, for a single output of classes.
        variance: of the labels, for a single output under mean squared error.
        gain: the least of the outputs' gains: how well the run trains.

    """

    inputs: dict = field(default_factory=dict)
    table: np.ndarray | None = None
    scaled_inside: set = field(default_factory=set)
    outputs: list = field(default_factory=list)
    complete: bool = False
    num_rows: int | None = None
    batch_size: int | None = None
    has_validation: bool = False
    kernels: dict = field(default_factory=dict)
    linear_pairs: list = field(default_factory=list)
    hidden_softmax: list = field(default_factory=list)
    dropout: dict = field(default_factory=dict)
    optimizer: str | None = None
    learning_rate: float | None = None
    momentum: float = 0.0

    epoch: int | None = None
    losses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    epoch_losses: list = field(default_factory=list)
    non_finite_at: tuple | None = None
    largest_loss: float = np.nan
    layer_names: list = field(default_factory=list)
    norms: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    activations: dict = field(default_factory=dict)
    predictions: list | None = None

    history: dict = field(default_factory=dict)
    curves: list = field(default_factory=list)
    targets: list = field(default_factory=list)
    field_metrics: dict | None = None
    trivial: float | None = None
    variance: float | None = None
    gain: float = 1.0
