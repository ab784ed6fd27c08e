"""The list of field programs is sound, and what is counted of it is what is claimed."""

import inspect
import re
from types import SimpleNamespace

import pytest

from benchmarks import diagnosis
from benchmarks.field import blind, field, third
from benchmarks.field._program import STANDARD, case
from callbacks.diagnosis import CAUSES, Finding

LISTS = field, blind, third
PROGRAMS = [program for module in LISTS for program in module.PROGRAMS]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_facts_of_a_program(program):
    facts = program.case
    assert facts.source.startswith("https://")
    assert set(facts.causes.split()) <= set(CAUSES)
    re.compile(facts.evidence)
    for pattern in facts.advice:
        re.compile(STANDARD.get(pattern, pattern))
    assert facts.repair
    for settings in (facts.repair, *facts.advice.values()):
        inspect.signature(program).bind(0, [], **settings)  # a setting that does not exist raises
        defaults = {n: p.default for n, p in inspect.signature(program).parameters.items()}
        assert any(defaults[name] != value for name, value in settings.items())  # else nothing new


def test_no_program_is_left_out():
    names = [value for module in LISTS for value in vars(module).values()]
    functions = filter(inspect.isfunction, names)
    written = [f for f in functions if hasattr(f, "case")]
    assert {f.__name__ for f in written} == {f.__name__ for f in PROGRAMS}
    assert len({f.case.source for f in PROGRAMS}) == len(PROGRAMS) == 41


def test_faulty_twin_fails_and_repaired_twin_does_well():
    program = field.swapped_arguments
    assert program(0, []) < program.case.good <= program(0, [], **program.case.repair)


def test_a_cause_is_named_only_with_evidence_of_it():
    facts = field.validation_preprocessing.case
    by_word = SimpleNamespace(cause="data", evidence="accuracy is 0.97 in training, 0.1 outside.")
    told = SimpleNamespace(cause="data", evidence="Validation data have mean 0.5, training 0.")
    elsewhere = SimpleNamespace(cause="layers", evidence=told.evidence)
    assert [facts.names(f) for f in (by_word, told, elsewhere)] == [False, True, False]


def test_advice_of_the_program_goes_before_the_usual_one():
    facts = field.decay_per_update.case
    assert facts.settings("Give the schedule more decay_steps, or train longer.") == {
        "decay_steps": 44
    }
    assert facts.settings("Train for 60 epochs.") == {"epochs": 80}
    assert facts.settings("Give 'dense' more units, or train longer.") == {"units": 256}
    assert facts.settings("Consult the stars.") is None


def finding(remedy, severity="warning"):
    return Finding("high_bias", severity, "layers", "Its units are too few.", remedy)


def counted(remedy, capsys):
    """Answers of `field` for a program whose Diagnosis gives this remedy, None for none at all."""

    @case(
        source="https://example.org",
        cause="too few units",
        causes="layers",
        evidence="units",
        repair={"units": 8},
        advice={"wider": {"units": 8}, "longer": {"epochs": 9}},
        metric="score",
        good=0.5,
    )
    def program(seed, callbacks, units=1, epochs=1):
        for callback in callbacks:
            callback.findings = [finding(remedy)] if remedy and units == 1 else []
        return float(units == 8)

    totals = diagnosis.field([program], range(2), None, False)
    return list(totals.values()), capsys.readouterr().out


@pytest.mark.parametrize(
    ("remedy", "found", "repairs", "text"),
    [
        ("Give it more units.", True, True, "REPAIRS"),
        ("Train for 9 epochs.", True, False, "fails"),
        ("Consult the stars.", True, False, "nobody foresaw: Consult the stars."),
        (None, False, False, "NOT FOUND"),
    ],
)
def test_what_is_counted(remedy, found, repairs, text, capsys):
    answers, printed = counted(remedy, capsys)
    detected, _, named, repaired, quiet, blamed = answers
    assert detected == named == [found] * 2
    assert repaired == [repairs] * 2
    assert quiet == [True, True]
    assert blamed == [False, False]
    assert printed.count(text) == 2
