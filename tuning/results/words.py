"""The words of the report; each function takes a `result.Result` with a completed trial."""

import math
import re

RATES = ("initial_learning_rate", "warmup_target", "end_learning_rate", "values")


def summary(result, top=10):
    """Return the report as text, with `top` lines of the leaderboard."""
    board = result.leaderboard()
    failed = [row for row in result.trials if row["status"] == "failed"]
    running = [row for row in result.trials if row["status"] == "running"]
    head = f"{result.project}: {count(len(board), 'trial')} completed, {len(failed)} failed"
    head += f", {len(running)} unfinished: the same search again goes on" if running else ""
    parts = [f"{head} (objective {result.objective}, {result.direction})"]
    engines = {(row["engine"], row["engine_reason"]) for row in result.trials if row["engine"]}
    parts += [f"Engine {kind}: {reason}." for kind, reason in sorted(engines)]
    if board:
        parts += [_leaderboard(board[:top]), _batch_sizes(result), *remarks(result)]
    if failed:
        lines = ["Failed trials:", *(_failed(row, result) for row in failed)]
        parts.append("\n".join(lines))
    if result.test is not None:
        mean = ", ".join(f"{name} {value:.4g}" for name, value in result.test["mean"].items())
        runs = count(len(result.test["runs"]), "training")
        mean_of = "" if len(result.test["runs"]) == 1 else "mean of "
        parts.append(f"Test set, used once, {mean_of}{runs}: {mean}.")
    if board:
        lines = [f"    {line}" for line in paste_lines(result).splitlines()]
        parts.append("\n".join(["For your own project, with the best score:\n", *lines]))
    if result.weights is not None:
        given = "build_model" if result.settings.get("has_inputs", True) else "build_model, x"
        where = f"tuning.load({str(result.project)!r}).best_model({given})"
        text = f"As a trained model: {where}, or best_model() of what `search` returned"
        parts.append(f"{text}; its weights: {result.weights}")
    return "\n\n".join(parts)


# ---- what a reader should know about the numbers ----


def remarks(result):
    """Return what a reader should know about the numbers, as sentences."""
    best, rows, settings = result.best, result.per_batch_size(), result.settings
    board = result.leaderboard()
    found = [_against_present(result)] if result.present is not None else []
    is_same = len(board) > 2 and len({row["score"] for row in board}) == 1
    if is_same:
        text = f"All {len(board)} trials scored {best['score']:.4g}: what was searched makes no "
        if best["score"] != {"max": 1, "min": 0}[result.direction]:
            rates = [row["learning_rate"] for row in board]
            text += "difference, as where a model learns at none of the learning rates tried "
            text += f"({min(rates):.2g} to {max(rates):.2g}). Mend that first, or try others."
            return [text]
        found.insert(0, f"{text}difference: all of it is good enough for these validation data.")
    constant = settings.get("most_frequent")
    is_accuracy = result.objective.endswith("accuracy") and "top_k" not in result.objective
    reached = best["rerun_score"] if best["rerun_scores"] else best["score"]
    if constant and is_accuracy and reached <= constant:
        found.append(
            f"The best has learned nothing: its accuracy {reached:.4g} is no more than that of a "
            f"constant, as {constant:.4g} of the validation rows are of one class. Mend that "
            "first, or search other rates."
        )
    if best["rerun_scores"]:
        gain = (best["score"] - best["rerun_score"]) * (1 if result.direction == "max" else -1)
        how = f"{gain:.2g} too good" if gain > 0 else "no better"
        found.append(
            f"On {count(len(best['rerun_scores']), 'fresh seed')} this setting scores "
            f"{mean_and_half(best['rerun_score'], best['rerun_interval'])}; the search had "
            f"{best['score']:.4g}, {how}. Quote the fresh seeds' number: nothing was chosen by "
            "them."
        )
    elif not best["rerun_failed"]:
        found.append(
            f"{best['score']:.4g} was the best of many noisy scores, so it is too good; "
            "train again on fresh seeds (seeds=3) before quoting a number."
        )
    for row in [best, *(row for row in rows if row["trial"] != best["trial"])]:
        if row["rerun_failed"]:
            found.append(
                f"Of the trainings of batch size {row['batch_size']}, learning rate "
                f"{row['learning_rate']:.3g}, on fresh seeds {row['rerun_failed']} failed, "
                f"{len(row['rerun_scores'])} did not; the first: {row['rerun_reason']}."
            )
    ties = [row for row in rows if row["ties"]]
    if len(ties) > 1:
        reached = [row for row in ties if not math.isnan(row["seconds_to_target"])]
        fast = min(reached or ties[:1], key=lambda row: row["seconds_to_target"])
        found.append(
            f"Batch sizes {', '.join(str(row['batch_size']) for row in ties)} tie within the noise "
            f"of {count(len(best['rerun_scores']), 'fresh seed')}: "
            f"{fast['batch_size']} (learning rate {fast['learning_rate']:.3g}) takes the fewest "
            f"seconds to {fast['target']:.4g}."
        )
    if board[0]["trial"] != best["trial"]:
        found.append(
            f"Trial {board[0]['trial']} leads the leaderboard with {board[0]['score']:.4g}, but on "
            f"the fresh seeds that chose, trial {best['trial']} was better or as good: it is the "
            "best here."
        )
    if settings.get("averages"):
        found.append(
            "The optimizer averages the weights (use_ema). The scores are those of the weights "
            "before that, as val_ in `fit`; the model that is kept, and the test set's numbers, "
            "are of the average: evaluate it before you quote a number."
        )
    if settings.get("doubt"):
        found.append(settings["doubt"])
    train, _ = settings.get("data", (2, 2))
    if isinstance(train, dict) and train["steps"]:
        found.append(
            f"Each epoch has read the first {train['steps']} batches of the dataset. If it has "
            "more, `fit` goes on with them in the next: what is not shuffled before it repeats "
            "scores otherwise there."
        )
    found += _against_schedule(result)
    short = [row["epochs"] for row in result.trials[1:] if row["is_short"]]
    if short and len(short) == len(result.trials) - 1:
        found.append(
            f"No training of Hyperband was longer than {max(short)} of {settings['epochs']} "
            "epochs: which setting is best after all of them was not searched."
        )
    if best["epochs"] < settings["epochs"]:
        found.append(
            f"The best trial scored best around epoch {best['epochs']} of {settings['epochs']}: "
            "the trainings on fresh seeds, and the lines below, are so long."
        )
    edge = result.at_edge()
    if edge and not is_same:
        bounds, place = settings["bounds"], f"at the {edge} edge of what was searched"
        if bounds and not min(bounds) <= best["learning_rate"] <= max(bounds):  # the present one
            place = f"outside of what was searched, {min(bounds):.3g} to {max(bounds):.3g}"
        found.append(
            f"The best learning rate {best['learning_rate']:.3g} is {place}: the optimum may lie "
            "beyond it. Search a wider range."
        )
    return found


def _against_present(result):
    """Say first whether the search has gained anything on the user's own setting."""
    best, present, gain = result.best, result.present, result.gain()
    name = f"Your present setting (learning rate {present['learning_rate']:.3g}, batch size "
    name += f"{present['batch_size']}"
    own = result.settings.get("own_batch_size", present["batch_size"])
    if own != present["batch_size"]:
        name += f", of those searched the nearest to {own}"
    name += f", {count(present['epochs'], 'epoch')})"
    if present["trial"] == best["trial"] and len(result.trials) == 1:
        return f"{name} is all that was tried: max_trials=2 or more compares it with others."
    if present["trial"] == best["trial"]:
        return f"{name} is the best that was found: keep it."
    if gain is None:
        return f"{name} scored {present['score']:.4g} in the search, the best {best['score']:.4g}."
    mean, half, is_tie = gain
    scores = [mean_and_half(row["rerun_score"], row["rerun_interval"]) for row in (present, best)]
    scores = " against ".join(scores)
    if math.isnan(half) and mean <= 0:
        return f"{name} scores {scores} on one fresh seed: nothing was gained, or it is noise."
    if mean + half < 0:
        text = f"{name} does better than the best that was found, {scores} on fresh seeds: keep it"
        return f"{text}. What follows is of the other one."
    if is_tie:
        text = f"{name} ties with the best, {scores} on fresh seeds: keep it"
        if mean > 0:
            number = count(len(best["rerun_scores"]), "fresh seed")
            text = f"{name} cannot be told from the best by {number}, {scores}: keep it, or train "
            text += "on more (seeds=10) to know"
        return f"{text}. What follows is of the best that was found."
    if math.isnan(half):
        return f"{name} scores {scores} on one fresh seed: a gain of {mean:.2g}, or noise."
    return f"{name} scores {scores} on fresh seeds: the search gained {mean_and_half(mean, half)}."


def _against_schedule(result, near=1.25):
    """Say where a schedule of Keras ends long before or after a training of all epochs."""
    schedule, best, settings = result.settings.get("schedule"), result.best, result.settings
    if settings.get("schedule_follows"):
        return []
    config = (schedule or {}).get("config") or {}
    end = (config.get("boundaries") or [0])[-1]
    if schedule and schedule["class_name"] in ("CosineDecay", "PolynomialDecay"):
        end = config["decay_steps"] + (config.get("warmup_steps") or 0)
    if not end or config.get("cycle"):
        return []
    for size in [best["batch_size"], *(row["batch_size"] for row in result.per_batch_size())]:
        steps = settings["epochs"] * math.ceil(settings["num_examples"] / size)
        if 1 / near < steps / end < near:
            continue
        return [
            f"{schedule['class_name']} counts steps and ends after {end}; a training of "
            f"{count(settings['epochs'], 'epoch')} in batches of {size} has {steps}. Multiply its "
            f"numbers of steps by {steps / end:.2g} for that size and search again: as it is, "
            "batch sizes are compared with different decays."
        ]
    return []


def count(number, what):
    """Return a number of things in words: 1 trial, 2 trials."""
    return f"{number} {what}" + "s" * (number != 1)


def mean_and_half(mean, half):
    """Return a mean and the half width of its interval in words; the width may be NaN."""
    return f"{mean:.4g}" if math.isnan(half) else f"{mean:.4g} ± {half:.2g}"


# ---- tables ----


def _leaderboard(rows):
    names = list(dict.fromkeys(name for row in rows for name in row["values"]))
    lines = [["", *names, "score", "epoch", "seconds", "trial"]]
    for place, row in enumerate(rows, 1):
        values = [_cell(row["values"].get(name, "")) for name in names]
        epoch, seconds = str(row["best_epoch"] or "-"), f"{row['seconds']:.1f}"
        lines.append([str(place), *values, f"{row['score']:.4g}", epoch, seconds, row["trial"]])
    return _table(lines)


def _batch_sizes(result):
    rows = result.per_batch_size()
    lines = [["batch size", "best rate", "score", "fresh seeds", "seconds"]]
    for row in rows:
        fresh = mean_and_half(row["rerun_score"], row["rerun_interval"])
        seconds = row["seconds_to_target"]
        lines.append(
            [
                str(row["batch_size"]),
                f"{row['learning_rate']:.3g}",
                f"{row['score']:.4g}",
                fresh if row["rerun_scores"] else "-",
                "never" if math.isnan(seconds) else f"{seconds:.2g}",
            ]
        )
    return (
        f"Each batch size with its own best learning rate; seconds until {result.objective} "
        f"reaches {rows[0]['target']:.4g}:\n\n{_table(lines)}"
    )


def _table(lines):
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [[cell.rjust(w) for cell, w in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("  ".join(row).rstrip() for row in rows)


def _failed(row, result):
    is_present = row is result.trials[0] and result.settings.get("present")
    name = f"trial {row['trial']}" + ", your present setting" * bool(is_present)
    values = ", ".join(f"{name} {_cell(value)}" for name, value in row["values"].items())
    return f"  {name} ({values}): {row['reason']}"


def _cell(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# ---- lines to paste ----


def paste_lines(result):
    """Return the lines that bring the best setting into one's own project; they run as they are.

    They use `build_model`, and `x`, `y`, `x_val`, `y_val` (and weights `w`, `w_val`), or `train`
    and `validation` datasets; and `callbacks` where the search had some.
    """
    best, settings = result.best, result.settings
    lines, hp = [], ""
    if settings.get("takes_hp"):
        hp = "hp"
        lines = ["hp = keras_tuner.HyperParameters()"]
        lines += [f"hp.values = {result.hyperparameters().values!r}"]
    lines.append(f"model = {settings.get('build', 'build_model')}({hp})")
    if not settings.get("own_rate"):
        follows = settings.get("schedule_follows")
        lines.append(_rate_line(best["learning_rate"], settings.get("schedule"), follows))
    train, validation = settings.get("data", (2, 2))
    if isinstance(train, dict):
        data, options, comment = _of_datasets(train, validation, best["batch_size"], settings)
    else:
        lines += _split_lines(train, settings)
        if settings.get("text"):  # which `fit` takes as tensors only
            tensors = "keras.tree.map_structure(tensorflow.convert_to_tensor, (x, x_val))"
            lines.append(f"x, x_val = {tensors}")
        options = {"batch_size": best["batch_size"]}
        data, comment = ", ".join(("x", "y")[:train]), ""
        if train == 3:
            options["sample_weight"] = "w"
    options["epochs"] = best["epochs"]
    if settings.get("class_weight"):
        weights = ", ".join(f"{name}: {weight}" for name, weight in settings["class_weight"])
        options["class_weight"] = f"{{{weights}}}"
    if settings["callbacks"]:
        options["callbacks"] = "callbacks"
    options["validation_data"] = "validation"
    if not isinstance(validation, dict):
        parts = ", ".join(("x_val", "y_val", "w_val")[:validation])
        options["validation_data"] = f"({parts},)" if validation == 1 else f"({parts})"
    options = ", ".join(f"{name}={value}" for name, value in options.items())
    lines.append(f"model.fit({data}, {options}){comment}")
    text = "\n".join(lines)
    packages = ("keras", "keras_tuner", "numpy", "tensorflow")
    imports = [f"import {name}\n" for name in packages if re.search(rf"\b{name}\.", text)]
    return "".join(imports) + text


def _of_datasets(train, validation, batch_size, settings):
    data, options, comment = "train", {}, f"  # in batches of {batch_size}"
    if train["dataset"] == "tf.data":
        comment = ""
        if batch_size != train["batch_size"]:
            data = f"train.unbatch().batch({batch_size})"
    if train["steps"]:
        options["steps_per_epoch"] = math.ceil(settings["num_examples"] / batch_size)
    if isinstance(validation, dict) and validation["steps"]:
        options["validation_steps"] = validation["steps"]
    return data, options, comment


def _split_lines(parts, settings):
    """Return the lines that split off the validation rows of a search with `validation_split`."""
    if not settings.get("validation_split"):
        return []
    held = settings["num_validation"]
    total, seed = settings["num_examples"] + held, settings["seed"]
    lines = [f"order = numpy.random.default_rng({seed}).permutation({total})"]
    is_nested = settings["train"].count("(") > parts  # dicts or lists of arrays
    for name in ("x", "y", "w")[:parts]:
        for new, rows in ((f"{name}_val", f"order[:{held}]"), (name, f"order[{held}:]")):
            part = f"numpy.asarray({name})[{rows}]"
            if is_nested:
                part = f"keras.tree.map_structure(lambda part: part[{rows}], {name})"
            lines.append(f"{new} = {part}")
    return lines


def _rate_line(rate, schedule, follows):
    """Return the lines that set the learning rate; a schedule of Keras is scaled as a whole.

    What is known is that of one batch size: one that follows the batch size is scaled as built.
    """
    if schedule is None:
        return f"model.optimizer.learning_rate = {rate:.6g}"
    factor, kind, config = rate / schedule["peak"], schedule["class_name"], schedule["config"]
    if config is None:
        return f"# multiply {kind} by {factor:.6g}: its largest rate is then {rate:.6g}"
    rates = {name: config[name] for name in RATES if config.get(name) is not None}
    made = f"model.optimizer.learning_rate = keras.optimizers.schedules.{kind}"
    if follows:
        lines = ['schedule = model.optimizer.get_config()["learning_rate"]["config"]']
        for name, value in rates.items():
            as_built = f'schedule["{name}"]'
            scaled = f"{as_built} * {factor:.6g}"
            if isinstance(value, list):
                scaled = f"[value * {factor:.6g} for value in {as_built}]"
            lines.append(f"{as_built} = {scaled}")
        return "\n".join([*lines, f"{made}(**schedule)"])
    for name, value in rates.items():
        is_list = isinstance(value, list)
        config = config | {name: [v * factor for v in value] if is_list else value * factor}
    arguments = ", ".join(f"{name}={value!r}" for name, value in config.items())
    return f"{made}({arguments})"
