"""What tests of planted faults share."""

import keras
import numpy as np
from keras import layers

from callbacks.diagnosis import rules_of_rows as rows
from callbacks.diagnosis import rules_of_scores as at_end
from callbacks.diagnosis import scores, verdict
from callbacks.diagnosis.finding import apply
from callbacks.diagnosis.run import Run


def texts(rule, run):
    """Evidence of what a rule finds."""
    return [seen.evidence for seen in rule(run)]


def settled(**facts):
    """A run with one output, trained until its loss hardly falls."""
    losses = [1.0, *(0.9 - 1e-5 * np.arange(19))]
    return Run(epoch_losses=losses, losses=np.ones(800), planned=20, **facts)


def given_only(y_true, y_pred):
    """Squared error where the label is a number."""
    known = keras.ops.logical_not(keras.ops.isnan(y_true))
    return keras.ops.mean(keras.ops.where(known, keras.ops.square(y_true - y_pred), 0), axis=-1)


def blamed(run):
    """Symptoms of what is held against a run, and the kind of the headline."""
    scores.judge_scores(run, None, [])
    rules = (at_end.slow_convergence, at_end.high_bias, rows.inputs_tell_nothing)
    findings = verdict.judge(apply(rules, run), run.known_gain, True, run)
    serious = {finding.symptom for finding in findings if finding.severity != "note"}
    return serious, verdict.headline(findings, run)[0]


class Doubled(layers.Layer):
    """Doubles what it is given, and hands its mask on or not."""

    def __init__(self, hands_on):
        super().__init__(name="doubled")
        self.supports_masking = hands_on

    def call(self, x):
        return 2 * x
