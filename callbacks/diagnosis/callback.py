"""Diagnosis: when to look at a training run, and what is then asked of whom."""

import difflib
import math
import pickle
import time
from dataclasses import replace

import keras
import numpy as np

from . import look, report, verdict
from .checkup import examine, is_number
from .confirm import confirmed, in_doubt, told
from .finding import TRIED_ALL, UNKNOWN, apply, rules_at
from .following import forget
from .graph import flat_layers, is_built
from .laboratory import FEWEST_UPDATES
from .own_code import draws_of, numbers_of
from .passing import Passing
from .rows import Rows, counted, first_line, is_arrays, mean_weight
from .rules_of_scores import high_variance
from .rules_of_training import non_finite_loss
from .run import Run
from .scores import judge_scores

if "." in __package__:
    from ..gradient_monitor import GradientMonitor
else:  # this folder was copied into a folder that is no package, beside gradient_monitor.py
    from gradient_monitor import GradientMonitor

LEAST_ROWS = 100  # below, a fourth of them held out cannot tell a repair from chance
LEAST_TRIALS = 10  # short trainings that must fit into the time
TRACED = 2  # networks that are built at least: as it is, and with a change
PROBED = {"dead_relu", "high_variance"}  # the probe's outputs tell


class Diagnosis(keras.callbacks.Callback):
    """Say what is wrong with a training run, with the numbers, and which recipe treats it.

    Looks at the compiled model and a sample of the data before the first step, at the gradients
    (`GradientMonitor`) and losses while training, and at the end at the scores and at what can be
    tried on the sample: the same rows as in training, a row without the others, later steps
    exchanged. What was measured is blamed before what is only unusual, and that only if the run
    trains badly: less than 0.7 of the way from a constant prediction to a perfect score on the
    sample, or below `target`. Data of which simple models tell no more are excused. Where the cause
    stays a matter of argument, single changes are tried on clones of the model, and what repairs is
    blamed first (see `checkup`; fewer than 100 rows, or a step too slow, are not tried).

    What is left out, and said under the report: the layers of a `call` that uses more than layers,
    operators and `keras.ops`, the balance of several optimizers, the scores of a stateful layer.
    What the loss leaves out is not scored: rows and steps of weight 0, steps that a mask hides,
    labels of its `ignore_class`. A loss of one's own is judged by what it does: on right and on
    permuted predictions. Gradients, losses and the scores of known labels are judged all the same.
    Each finding has the epoch since which it is seen; the rules are applied after 1, 2, 4, 8, …
    epochs, those of the probe's activations at the end.

    Args:
        target: dict from metric name to the wanted value, e.g. `{"accuracy": 0.95}`: needed where
            the best possible score is far from perfect, as with noisy labels.
        stop_on: symptoms that end the training as soon as they are found. `high_variance` is
            judged after each epoch; the other verdicts on scores are known at the end only.
        probe: (x, y), rows to look at instead of a sample of the training data; needed where the
            data cannot be read before training.
        field: dict of metrics measured on data from the field, to compare with validation.
        verbose: print the report when training ends.
        checkup_seconds: at most how long to try single changes on clones of the model at the end of
            a training that disappoints, or whose validation score could be better, where the cause
            is a matter of argument; 0 for not at all.

    Attributes:
        findings: list of `Finding`, root cause first, then what it explains, then the others.
        monitor: the `GradientMonitor` with the gradients.
        left_out: list of str, checks that were not possible, and why.
        checkup: the `Checkup` with what was tried on clones, None if nothing was.

    Raises:
        ValueError: before training, for an unknown symptom, a target for a metric that the model
            does not have, a probe that does not fit the model, or a field that is no dict.

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

    def __init__(
        self, target=None, stop_on=(), probe=None, field=None, verbose=True, checkup_seconds=20
    ):
        super().__init__()
        stop_on = [stop_on] if isinstance(stop_on, str) else list(stop_on)
        for symptom in stop_on:
            if symptom not in verdict.RECIPES:
                nearest = difflib.get_close_matches(str(symptom), verdict.RECIPES, 1, 0.0)[0]
                raise ValueError(f"Unknown symptom {symptom!r}. Did you mean {nearest!r}?")
        if probe is not None and (not isinstance(probe, (tuple, list)) or len(probe) != 2):
            raise ValueError("`probe` must be a pair (x, y) of arrays.")
        if field is not None and not isinstance(field, dict):
            raise ValueError(f"`field` must be a dict from metric to value, got {field!r:.60}.")
        if not is_number(checkup_seconds) or not checkup_seconds >= 0:
            text = "`checkup_seconds` must be a number of seconds, 0 for no trial"
            raise ValueError(f"{text}; got {checkup_seconds!r}.")
        self.target, self.stop_on, self.probe, self.field = target, stop_on, probe, field
        self.verbose, self.checkup_seconds = verbose, checkup_seconds
        self.monitor = GradientMonitor()
        self._run = None
        self._reset()

    def _reset(self):
        self._forget_graph()
        self.findings, self.left_out, self.checkup = [], [], None
        self._history, self._batch_logs = {}, []
        self._static = []
        self._run, self._sample, self._validation = Run(), None, None
        self._passing, self._passing_validation = None, None
        self._drawn = None  # what has passed in the first epoch
        self._fit = None  # variables of the running `fit`, until the model has been described
        self._since = {}  # (symptom, layer): epoch
        self._stopped = None
        self._is_training = False  # an interrupted `fit` does not say that it ends
        self._monitors = True
        self._numbers = None  # see `numbers_of`, after the first epoch
        self._draws, self._states = [], []  # see `draws_of`; around the first two batches
        self._epoch_began, self._step_seconds = 0.0, np.inf  # of the fastest epoch
        self._first_seconds = 0.0  # of the first step, which traces it

    def _forget_graph(self):
        """Take what was followed of a `call` of the user's own off its layers again."""
        if self._run is not None and self._run.followed is not None:
            forget(self._run.followed)
            self._run.followed = None

    # ---- results ----

    @property
    def verdict(self):
        """One of "wrong", "disappoints", "not judged" and "healthy", as the headline says."""
        return verdict.headline(self.findings, self._run)[0]

    def report(self):
        """Return the findings as text: root cause first, consequences under it."""
        if not self._is_training and not self._history.get("loss"):
            return "No epoch of a `fit` with this callback was seen: there is nothing to judge."
        kind, headline = verdict.headline(self.findings, self._run)
        findings = self.findings
        if self.checkup is not None:
            if self.checkup.outcomes:  # what is advised there was done
                headline = headline.removesuffix(verdict.NEXT).rstrip()
                findings = [
                    replace(f, remedy=TRIED_ALL) if f.remedy == UNKNOWN else f for f in findings
                ]
            headline += f"\n{told(self.checkup, self.findings, kind == 'healthy')}"
        if self._is_training:
            epochs = len(self._history.get("loss", []))
            text = f"The training has not ended, or was interrupted: {epochs} whole epochs were "
            headline = f"{text}seen, and no score was judged.\n{headline}"
        return report.text_of(findings, headline, self.left_out, self._stopped)

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
            raise ValueError("Nothing recorded: no epoch of a `fit` with this callback has ended.")
        norms, names = self._gradients()
        headline = self.report().splitlines()[0]
        figure = report.figure_of(self.findings, self._history, norms, names, headline)
        if path is not None:
            figure.savefig(report.to_write(path), dpi=120)
        return figure

    # ---- training ----

    def on_train_begin(self, logs=None):
        """Check the arguments, look at the model and the data, start the monitor."""
        self._reset()
        self.monitor.set_model(self.model)
        self.monitor.set_params(self.params)
        self._is_training = True
        self._check_target()
        earlier = look.attempt(self.left_out, "earlier fits", look.updates_so_far, self.model)
        self._run.earlier = earlier or 0
        if earlier:
            text = f"the {earlier} updates before this `fit`, and changes on clones, which "
            self.left_out.append(f"{text}would begin anew (one `fit` of all epochs has both)")
        fit = look.fit_arguments(self.model)
        if self.probe is not None:
            x, y = keras.tree.map_structure(np.asarray, tuple(self.probe))
            look.check_probe(self.model, x, y)
            self._sample = Rows(x, y)
        seen = look.attempt(self.left_out, "the data", look.arrays_of, fit)
        training, self._validation = seen or (None, None)
        self._sample = self._sample or training
        x = None if self._sample is None else self._sample.x
        if isinstance(self.model, keras.Sequential) and not self.model.built and is_arrays(x):
            # As its first step would do: so that its initial weights can be seen.
            shape = (None, *np.shape(x)[1:])
            look.attempt(self.left_out, "the initial weights", self.model.build, shape)
        self._tell_monitor("on_train_begin", logs)
        steps, together = self.params.get("steps"), getattr(self.model, "steps_per_execution", 1)
        if steps:
            self._run.steps_per_loss = steps / math.ceil(steps / together)
        if is_built(self.model):
            look.look_at_model(self._run, self.model, fit, self.left_out)
        else:
            self._fit = fit
        if self._sample is not None:
            self._look_at_data()
        elif "epoch_iterator" in fit:
            what = (fit["epoch_iterator"], self.params.get("steps"), self.left_out)
            self._passing = look.attempt(self.left_out, "the data", Passing, *what)
        else:
            self.left_out.append("the data (this `fit` is not one of Keras's own)")

    def _look_at_data(self, has_stepped=False):
        """Describe the data and apply the rules that need no training.

        A model that its first step has not built never will be: its step calls parts of it.
        """
        run, self._run.epoch = self._run, None
        if self._fit is not None and (has_stepped or is_built(self.model)):
            look.look_at_model(run, self.model, self._fit, self.left_out)
            self._fit, run.kernels_are_late = None, True
        whole, self._sample = self._sample, self._without_weight_0(self._sample)
        run.num_light = len(whole) - len(self._sample)
        run.mean_weight = look.attempt(self.left_out, "sample weights", mean_weight, whole)
        what = (run, self.model, self._sample, self.left_out, has_stepped)
        look.attempt(self.left_out, "the data", look.look_at_data, *what)
        self._look_at_validation()
        self._static = apply(rules_at("start"), run)
        before = bool(self.findings)
        self._update(self._static)
        if self.verbose and not before and self.findings and self.findings[0].severity == "error":
            # Now, as training may take hours, or end at once with an error of Keras.
            print(f"Before training: {self.findings[0].symptom}: {self.findings[0].evidence}")

    def _without_weight_0(self, rows):
        return look.attempt(self.left_out, "rows of weight 0", counted, rows) or rows

    def _look_at_validation(self):
        if self._validation is not None and len(self._validation) == 0:
            self.left_out.append("validation: its data have no rows")
            self._validation = None
        if self._validation is not None:
            self._validation = self._without_weight_0(self._validation)
            what = (self._run, self.model, self._validation)
            look.attempt(self.left_out, "the validation data", look.look_at_validation, *what)

    def _tell_monitor(self, event, *arguments):
        """Hand an event to the monitor; what it cannot record is left out."""
        if self._monitors:
            try:
                getattr(self.monitor, event)(*arguments)
            except (ValueError, RuntimeError, AttributeError, TypeError) as error:
                self._monitors = False
                self.left_out.append(f"the gradients ({error})")

    def _check_target(self):
        if self.target is None:
            return
        if not isinstance(self.target, dict) or not self.target:
            raise ValueError(
                f"`target` must be a dict such as {{'accuracy': 0.95}}, got {self.target!r}."
            )
        known = look.metric_names(self.model)
        for name in self.target:
            if name.removeprefix("val_") not in known:
                text = f"`target` names {name!r}, which the model does not have; it has "
                raise ValueError(f"{text}{sorted(known)}.")

    def on_epoch_begin(self, epoch, logs=None):
        """Start the monitor's epoch."""
        self._tell_monitor("on_epoch_begin", epoch, logs)
        count = len(self._history.get("loss", []))
        if self._drawn is not None and count & (count - 1) == 0:
            look.attempt(self.left_out, "the data of later epochs", self._drawn.look_again)
        self._batch_logs, self._epoch_began = [], time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        """Let the monitor look at the gradients of this batch."""
        self._tell_monitor("on_train_batch_begin", batch, logs)
        if len(self._states) in (0, 2):
            self._note_draws()

    def on_train_batch_end(self, batch, logs=None):
        """Keep the loss as the backend holds it, so that no step waits for the device."""
        self._tell_monitor("on_train_batch_end", batch, logs)
        if not self._first_seconds:
            self._first_seconds = time.monotonic() - self._epoch_began
        if len(self._states) in (1, 3):
            self._note_draws()
        if self._sample is None and self._passing is not None:
            self._sample = self._passing.sample()
            if self._sample is not None:
                self._look_at_data(has_stepped=True)
        elif self._fit is not None and self._sample is not None:  # now there are layers to look at
            self._run = Run(earlier=self._run.earlier)
            self._look_at_data(has_stepped=True)
        if logs and "loss" in logs:
            self._batch_logs.append(logs["loss"])
            if "non_finite_loss" in self.stop_on and not np.isfinite(float(logs["loss"])):
                self._read_losses()
                self._update(self.findings)

    def _note_draws(self):
        """Keep the state of what code of the user's draws from, around each of two batches."""
        if not self._states:
            what = (draws_of, self.model, flat_layers(self.model))
            self._draws = look.attempt(self.left_out, "code of your own", *what) or []
        self._states.append([pickle.dumps(state()) for _, state in self._draws])
        if len(self._states) == 4:
            around = zip(self._draws, *self._states, strict=True)
            self._run.drawn_once = [
                where
                for (where, _), before, after, again, last in around
                if before != after and again == last
            ]

    def on_test_begin(self, logs=None):
        """Copy what passes in the first validation of this `fit`, if it is no array."""
        iterator = getattr(self.model, "_eval_epoch_iterator", None)
        known = self._validation is not None or self._passing_validation is not None
        if iterator is None or known or not self._run.has_validation:
            return
        what = (iterator, None, self.left_out)
        passing = look.attempt(self.left_out, "the validation data", Passing, *what)
        self._passing_validation = passing

    def on_test_end(self, logs=None):
        """Keep the sample of the validation data."""
        if self._passing_validation is not None and self._validation is None:
            self._passing_validation.end()
            self._validation = self._passing_validation.sample()
            self._look_at_validation()

    def _read_losses(self, epoch_loss=None):
        """Turn Keras's running means of this epoch into one loss per batch.

        What a step of the user's own returns may be no mean: then the loss of the epoch, which
        Keras takes from its own, is not that of the last batch.
        """
        means = np.array([float(value) for value in self._batch_logs])
        counts = np.arange(1, len(means) + 1)
        self._batch_logs = []
        with np.errstate(invalid="ignore"):
            losses = np.diff(means * counts, prepend=0.0)
        run = self._run
        if run.own_step and epoch_loss is not None and len(means):
            same = np.isclose(means[-1], epoch_loss, rtol=1e-3, equal_nan=True)
            run.logs_other_loss = run.logs_other_loss or not same
        losses = means if run.logs_other_loss else losses
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
        self._tell_monitor("on_epoch_end", epoch, logs)
        seconds = (time.monotonic() - self._epoch_began) / max(1, len(self._batch_logs))
        self._step_seconds = min(self._step_seconds, seconds)
        logs, so_far = dict(logs or {}), len(self._run.losses)
        what = ("the losses of the batches", self._read_losses, logs.get("loss"))
        look.attempt(self.left_out, *what)
        if self._run.logs_other_loss:
            logs["loss"] = np.mean(self._run.losses[so_far:])
        if self._passing is not None:
            self._passing.end()
            self._sample = self._passing.sample()
            self._drawn, self._passing = self._passing, None
            if self._sample is not None:
                self._look_at_data()
        if self._drawn is not None:
            self._run.first_batches = self._drawn.spreads
            self._run.relabelled = self._drawn.relabelled
            self._run.rescaled = self._drawn.rescaled
        self._run.epoch = epoch
        for name, value in logs.items():
            if np.ndim(value) == 0:  # an array has no curve
                self._history.setdefault(name, []).append(float(value))
        rate = look.attempt(self.left_out, "the learning rate", look.rate_now, self.model)
        self._run.rates.append(np.nan if rate is None else rate)
        if self._numbers is None:
            self._numbers = self._read_numbers()
        count = len(self._history.get("loss", [0]))
        if self.stop_on or count & (count - 1) == 0:
            findings = self._static + self._seen_so_far(bool(PROBED.intersection(self.stop_on)))
            if "high_variance" in self.stop_on:
                self._judge_scores()
                findings += apply((high_variance,), self._run)
            self._update(findings)

    def _read_numbers(self):
        what = (numbers_of, self.model, flat_layers(self.model))
        return look.attempt(self.left_out, "code of your own", *what) or {}

    def _seen_so_far(self, read_probe):
        """Return the findings while training, each with the epoch since which it is seen."""
        run = self._run
        run.epoch_losses = self._history.get("loss", [])
        run.norms, run.layer_names = self._gradients()
        run.optimizers, run.no_gradient = self.monitor.optimizers, self.monitor.no_gradient
        if read_probe and self._sample is not None and self.model.built:
            what = (run, self.model, self._sample, self._validation, self.left_out)
            look.look_at_predictions(*what)
        findings = apply(rules_at("training"), run)
        self._since = {
            (f.symptom, f.layer): self._since.get((f.symptom, f.layer), f.epoch) for f in findings
        }
        return [replace(f, epoch=self._since[f.symptom, f.layer]) for f in findings]

    def _gradients(self):
        """Return the norms and the names of the layers, in the order in which they are called."""
        names, called = self.monitor.layer_names, self._run.called
        last = [name.rsplit("/", 1)[-1] for name in names]
        places = [called.index(n) if n in called else len(called) for n in last]
        order = np.argsort(places, kind="stable") if called else np.arange(len(names))
        return self.monitor.norms[:, order], [names[i] for i in order]

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
        look.attempt(self.left_out, "the scores", judge_scores, run, self.target, self._static)

    def on_train_end(self, logs=None):
        """Judge the run, with the weights that it leaves, and print the report."""
        self._tell_monitor("on_train_end", logs)
        for passing in filter(None, (self._passing, self._drawn)):
            passing.end()
        # they hold the user's iterators
        self._passing = self._passing_validation = self._drawn = None
        best = look.attempt(self.left_out, "the weights restored after it", self._weights_to_come)
        now = None if best is None else self.model.get_weights()
        try:
            if best is not None:
                self.model.set_weights(best)
            self._judge()
        finally:
            self._is_training = False
            self._forget_graph()
            if now is not None:
                self.model.set_weights(now)  # callbacks between the two still see these
        if self.verbose:
            print(self.report())

    def _weights_to_come(self):
        """Weights of the best epoch, which an `EarlyStopping` gives back after this callback."""
        given = getattr(look.fit_arguments(self.model).get("callbacks"), "callbacks", [self])
        later = given[given.index(self) :] if self in given else []  # one of theirs may call it
        stopping = [c for c in later if isinstance(c, keras.callbacks.EarlyStopping)]
        restored = [c.best_weights for c in stopping if c.restore_best_weights]
        return restored[-1] if restored else None

    def _judge(self):
        """Look at the model as it is now, judge the run, try changes."""
        during = self._seen_so_far(read_probe=True)
        if not self.model.built:  # what its `call` alone uses has no weights yet
            text = "the scores (training calls parts of the model only: a call of the whole would "
            self.left_out.append(f"{text}make new weights)")
        elif self._sample is not None and (self._run.shuffled or not self._run.stateful):
            look.try_on_rows(self._run, self.model, self._sample.x, self.left_out)
        self.left_out += [f"the gradients ({text})" for text in self.monitor.not_recorded]
        if not self.monitor.norms.size and not any("gradients" in text for text in self.left_out):
            self.left_out.append("the gradients (no step of the compiled optimizer was seen)")
        if len(self._run.optimizers) > 1:
            names = ", ".join(self._run.optimizers)
            text = f"the balance of the optimizers {names} and the learning rates of all but the "
            self.left_out.append(f"{text}compiled one")
        now = self._read_numbers()
        both = [(where, value, now.get(where, value)) for where, value in self._numbers.items()]
        self._run.numbers_changed = [each for each in both if each[1] != each[2]]
        self._judge_scores()
        outputs = [out for out in self._run.outputs if not self._run.is_left_out(out)]
        unscored = [out.where for out in outputs if out.gain is None]
        if 0 < len(unscored) < len(outputs):
            text = f"the scores of {', '.join(unscored)} (their loss decides what they mean: "
            self.left_out.append(f"{text}nothing compares them with their labels)")
        findings = self._static + during + apply(rules_at("end"), self._run)
        self.findings = verdict.judge(findings, self._run.known_gain, True, self._run)
        self._try_changes()

    def _try_changes(self):
        """Try changes on clones where that may say more than the findings do."""
        rows = self._sample
        if not self.checkup_seconds or rows is None or rows.y is None or len(rows) < LEAST_ROWS:
            return
        if self._run.earlier or not self.model.built:
            return
        if not in_doubt(self.findings, self.verdict, self._run):
            return
        if self._run.gives_vectors or any(out.moves_labels for out in self._run.outputs):
            text = "changes on clones (your train step or loss decides what outputs mean: no score "
            self.left_out.append(f"{text}compares them with labels)")
            return
        least = LEAST_TRIALS * FEWEST_UPDATES * self._step_seconds
        building = TRACED * self._first_seconds
        if least + building > self.checkup_seconds:
            text = f"changes on clones (a step takes {self._step_seconds:.2g} s, the first one "
            text += f"{self._first_seconds:.2g} s: give checkup_seconds="
            self.left_out.append(f"{text}{math.ceil(least + building)} or more)")
            return
        if self.verbose:
            text = f"Trying changes on clones, for {self.checkup_seconds:g} s at most"
            print(f"{text} (Ctrl-C ends it) ...", flush=True)
        run, held = self._run, self._validation
        fit = {"batch_size": run.batch_size, "epochs": run.planned, "shuffle": run.shuffled}
        fit["class_weight"] = run.class_weight
        if run.schedule is None:  # before a callback lowered it, after one has warmed it up
            fit["learning_rate"] = max((rate for rate in run.rates if rate > 0), default=None)
        reached = [out.validation_prediction for out in run.outputs]

        def is_whole(out):
            seen, known = out.validation_prediction, out.validation_known
            return seen is not None and len(seen) == (len(held) if known is None else known.sum())

        known = held is not None and all(map(is_whole, run.outputs))
        what = (rows, held, self.checkup_seconds, 0, fit, self.findings, lambda text: None)
        try:
            self.checkup = examine(self.model, *what, reached if known and reached else None)
            self.findings = confirmed(self.findings, self.checkup, run)
        except KeyboardInterrupt:  # the training is done: its history is the user's
            self.left_out.append("changes on clones (interrupted)")
        except Exception as error:
            is_sentence = isinstance(error, ValueError) and "\n" not in str(error)
            text = str(error) if is_sentence else first_line(error)
            self.left_out.append(f"changes on clones ({text})")
