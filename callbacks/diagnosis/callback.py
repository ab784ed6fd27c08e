"""Diagnosis: when to look at a training run, and what is then asked of whom."""

import difflib
from dataclasses import replace

import keras
import numpy as np

from . import look, report, verdict
from .finding import apply, rules_at
from .rules_of_scores import high_variance
from .rules_of_training import non_finite_loss
from .run import Run
from .scores import judge_scores
from .verdict import RECIPES

if "." in __package__:
    from ..gradient_monitor import GradientMonitor
else:  # this folder was copied into a folder that is no package, beside gradient_monitor.py
    from gradient_monitor import GradientMonitor

PROBED = {"dead_relu", "saturated_activation", "high_variance"}  # the probe's outputs tell


class Diagnosis(keras.callbacks.Callback):
    """Say what is wrong with a training run, with the numbers, and which recipe treats it.

    Looks at the compiled model and a sample of the data before the first step, at the gradients
    (`GradientMonitor`) and losses while training, and at the scores when it ends. A thing that is
    only unusual counts as a warning if the run then trains badly: less than 0.7 of the way from a
    constant prediction to a perfect score on the sample, or below `target`; data so noisy that the
    nearest rows predict no better are excused.

    What is left out, and said under the report: data that cannot be read before training (pass
    `probe`), a custom loss (whether it suits the output and the labels), a subclassed model (its
    layers and activations). Gradients, losses and the scores of known labels are judged all the
    same. Each finding has the epoch since which it is seen; the rules are applied after 1, 2, 4,
    8, … epochs, those of the probe's activations at the end.

    Args:
        target: dict from metric name to the wanted value, e.g. `{"accuracy": 0.95}`: needed where
            the best possible score is far from perfect, as with noisy labels.
        stop_on: symptoms that end the training as soon as they are found. `high_variance` is
            judged after each epoch; the other verdicts on scores are known at the end only.
        probe: (x, y), rows to look at instead of a sample of the training data; needed where the
            data cannot be read before training.
        field: dict of metrics measured on data from the field, to compare with validation.
        verbose: print the report when training ends.

    Attributes:
        findings: list of `Finding`, root cause first, then what it explains, then the others.
        monitor: the `GradientMonitor` with the gradients.
        left_out: list of str, checks that were not possible, and why.

    Raises:
        ValueError: before training, for an unknown symptom, a target for a metric that the model
            does not have, or a probe that does not fit the model.

    Source: Ng, 2018, Machine Learning Yearning (bias and variance); Schoop et al., 2021, UMLAUT
    (checks before training); Zhang et al., 2021, AutoTrainer (symptoms while training).

    Example:
        >>> import keras, numpy as np
        >>> from callbacks.diagnosis import Diagnosis
        >>> model = keras.Sequential([keras.layers.Dense(1, "softmax")])
        >>> model.compile("adam", "binary_crossentropy")
        >>> x = np.random.default_rng(0).normal(size=(64, 4))
        >>> diagnosis = Diagnosis(verbose=False)
        >>> history = model.fit(x, x[:, 0] > 0, verbose=0, callbacks=[diagnosis])
        >>> diagnosis.findings[0].symptom
        'unsuitable_output_activation'

    """

    def __init__(self, target=None, stop_on=(), probe=None, field=None, verbose=True):
        super().__init__()
        stop_on = [stop_on] if isinstance(stop_on, str) else list(stop_on)
        for symptom in stop_on:
            if symptom not in RECIPES:
                nearest = difflib.get_close_matches(str(symptom), RECIPES, 1, 0.0)[0]
                raise ValueError(f"Unknown symptom {symptom!r}. Did you mean {nearest!r}?")
        if probe is not None and (not isinstance(probe, (tuple, list)) or len(probe) != 2):
            raise ValueError("`probe` must be a pair (x, y) of arrays.")
        self.target, self.stop_on, self.probe, self.field = target, stop_on, probe, field
        self.verbose = verbose
        self.monitor = GradientMonitor()
        self._reset()

    def _reset(self):
        self.findings, self.left_out = [], []
        self._history, self._batch_logs = {}, []
        self._static = []
        self._run, self._read_probe = Run(), None
        self._since = {}  # (symptom, layer): epoch
        self._stopped = None

    # ---- results ----

    def report(self):
        """Return the findings as text: root cause first, consequences under it."""
        return report.text_of(self.findings, self.left_out, self._stopped)

    def plot(self, path=None):
        """Draw learning curves and gradients with the serious findings on them.

        Args:
            path: image file to write, or None to return the figure only.

        Returns:
            matplotlib.figure.Figure

        Raises:
            ValueError: if nothing has been recorded.

        """
        if not self._history.get("loss"):
            raise ValueError("Nothing recorded yet: call `fit` with this callback first.")
        norms, names = self.monitor.norms, self.monitor.layer_names
        figure = report.figure_of(self.findings, self._history, norms, names)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    # ---- training ----

    def set_model(self, model):
        """Hand the model to the monitor too."""
        super().set_model(model)
        self.monitor.set_model(model)

    def set_params(self, params):
        """Hand the parameters to the monitor too."""
        super().set_params(params)
        self.monitor.set_params(params)

    def on_train_begin(self, logs=None):
        """Check the arguments, look at the model and the data, start the monitor."""
        self._reset()
        self._check_target()
        self.monitor.on_train_begin(logs)
        fit = look.fit_arguments(self.model)
        seen = look.look_at(self.model, fit, self.probe, self.left_out)
        self._run, self._read_probe = seen
        self._static = apply(rules_at("start"), self._run)
        self._update(self._static)
        if self.verbose and self.findings and self.findings[0].severity == "error":
            # Now, as training may take hours, or end at once with an error of Keras.
            print(f"Before training: {self.findings[0].symptom}: {self.findings[0].evidence}")

    def _check_target(self):
        if self.target is None:
            return
        if not isinstance(self.target, dict) or not self.target:
            raise ValueError(
                f"`target` must be a dict such as {{'accuracy': 0.95}}, got {self.target!r}."
            )
        compiled = getattr(self.model, "_compile_metrics", None)
        known = {"loss"}
        for metric in keras.tree.flatten(getattr(compiled, "_user_metrics", None) or []):
            name = metric if isinstance(metric, str) else getattr(metric, "name", None)
            known.add(name or getattr(metric, "__name__", ""))
        outputs = getattr(self.model, "output_names", None) or []
        if len(outputs) > 1:
            known |= {f"{output}_{name}" for output in outputs for name in known}
        for name in self.target:
            if name.removeprefix("val_") not in known:
                text = f"`target` names {name!r}, which the model does not have; it has "
                raise ValueError(f"{text}{sorted(known)}.")

    def on_epoch_begin(self, epoch, logs=None):
        """Start the monitor's epoch."""
        self.monitor.on_epoch_begin(epoch, logs)
        self._batch_logs = []

    def on_train_batch_begin(self, batch, logs=None):
        """Let the monitor look at the gradients of this batch."""
        self.monitor.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Keep the loss as the backend holds it, so that no step waits for the device."""
        self.monitor.on_train_batch_end(batch, logs)
        if logs and "loss" in logs:
            self._batch_logs.append(logs["loss"])
            if "non_finite_loss" in self.stop_on and not np.isfinite(float(logs["loss"])):
                self._read_losses()
                self._update(self.findings)

    def _read_losses(self):
        """Turn Keras's running means of this epoch into one loss per batch."""
        means = np.array([float(value) for value in self._batch_logs])
        counts = np.arange(1, len(means) + 1)
        self._batch_logs = []
        with np.errstate(invalid="ignore"):
            losses = np.diff(means * counts, prepend=0.0)
        run = self._run
        bad = np.flatnonzero(~np.isfinite(means))
        if len(bad) and run.non_finite_at is None:
            run.non_finite_at = (len(run.losses) + int(bad[0]), means[bad[0]])
            before = [*run.losses, *losses[: bad[0]]]
            run.largest_loss = max(before, default=np.nan)
        run.losses = np.append(run.losses, losses)

    def on_epoch_end(self, epoch, logs=None):
        """Apply the rules after 1, 2, 4, 8, … epochs: so a long run pays little for them.

        They are applied after each if they are to stop the run; the probe is read at the end only,
        unless a symptom of the activations is to stop it.
        """
        self.monitor.on_epoch_end(epoch, logs)
        self._read_losses()
        self._run.epoch = epoch
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(float(value))
        count = len(self._history.get("loss", [0]))
        if self.stop_on or count & (count - 1) == 0:
            read_probe = bool(PROBED.intersection(self.stop_on))
            findings = self._static + self._seen_so_far(read_probe)
            if "high_variance" in self.stop_on:
                self._judge_scores()
                findings += apply((high_variance,), self._run)
            self._update(findings)

    def _seen_so_far(self, read_probe):
        """Return the findings while training, each with the epoch since which it is seen."""
        run = self._run
        run.epoch_losses = self._history.get("loss", [])
        run.layer_names, run.norms = self.monitor.layer_names, self.monitor.norms
        if read_probe and self._read_probe is not None:
            what = "activations and predictions"
            seen = look.attempt(self.left_out, what, self._read_probe)
            run.activations, run.predictions = seen or ({}, None)
            self._read_probe = self._read_probe if seen else None
        findings = apply(rules_at("training"), run)
        self._since = {
            (f.symptom, f.layer): self._since.get((f.symptom, f.layer), f.epoch) for f in findings
        }
        return [replace(f, epoch=self._since[f.symptom, f.layer]) for f in findings]

    def _update(self, findings):
        if self._run.non_finite_at and not any(f.symptom == "non_finite_loss" for f in findings):
            findings = [*findings, *apply((non_finite_loss,), self._run)]
        self.findings = verdict.judge(findings, 1.0, False)
        for finding in findings:  # a suspicion is enough for whoever asked for it
            if finding.symptom in self.stop_on and finding.severity != "note":
                self._stopped = self._stopped or f"{finding.symptom}: {finding.evidence}"
                self.model.stop_training = True

    def _judge_scores(self):
        run = self._run
        run.history, run.field_metrics = self._history, self.field
        look.attempt(self.left_out, "scores", judge_scores, run, self.target, self._static)

    def on_train_end(self, logs=None):
        """Judge the run and print the report."""
        self.monitor.on_train_end(logs)
        during = self._seen_so_far(read_probe=True)
        self._judge_scores()
        findings = self._static + during + apply(rules_at("end"), self._run)
        self.findings = verdict.judge(findings, self._run.gain, True)
        if self.verbose:
            print(self.report())
