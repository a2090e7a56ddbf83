"""A counter in a process of its own: whatever it does there is a row that says so, and costs no other case."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fake_counters
import pytest
from fake_counters import CASES, W, fake, told

from skaprof.count.asked import PROBE, Case
from skaprof.count.audit import ask, case_row
from skaprof.counters import FRAMEWORKS

pytestmark = pytest.mark.usefixtures("fakes_can_be_imported")


def errors_of(name: str, limit: float = 60, cases: Sequence[Case] = CASES, **settings: Any) -> list[str | None]:
    """What is said of each case, where each that is counted is counted rightly, from processes of its own."""
    answers = ask(fake(name, **settings), cases, limit)
    for case, answer in zip(cases, answers, strict=True):
        assert answer.error or answer.counted == fake_counters.honest(case, None)
    return [answer.error for answer in answers]


def test_what_a_counter_prints_is_no_answer_and_is_said_of_it() -> None:
    answers = ask(fake("noisy"), CASES)
    assert [answer.counted for answer in answers] == [fake_counters.honest(case, None) for case in CASES]
    assert {(answer.params, answer.memory, answer.side_effects) for answer in answers} == {(5, 6, ("prints",))}
    assert all(answer.seconds and answer.seconds > 0 for answer in answers)


def test_a_counter_that_kills_its_process_is_a_row() -> None:
    first, killed, last = errors_of("killed")
    assert (first, last) == (None, None)
    assert killed is not None
    assert "ended with code" in killed


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process of a counter's is forked")
@pytest.mark.parametrize(("frameworks", "loads"), [(("torch",), 1), (("jax",), 2)])
def test_a_counter_that_raised_gets_a_fresh_process(
    frameworks: tuple[str, ...], loads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork of one that has loaded it, unless its framework is one that cannot be forked."""
    monkeypatch.setenv(fake_counters.LOADED, str(tmp_path / "loads"))
    assert errors_of("raising", frameworks=frameworks) == [None, "RuntimeError: no idea", None]
    assert len((tmp_path / "loads").read_text().splitlines()) == loads


def test_a_counter_that_changes_the_module_is_told_on() -> None:
    probe = Case(PROBE, "linear")
    (answer,) = told("changing", [probe], FRAMEWORKS)
    assert (answer.counted, answer.side_effects) == (1, ("leaves the module in training mode",))
    assert case_row(fake("changing"), CASES[0], answer, ()).side_effects == ["leaves the module in training mode"]


def test_a_counter_that_never_ends_is_ended_and_given_up_after_two_times() -> None:
    cases = [CASES[place] for place in (0, 1, 1, 2)]
    late = "it gave no answer within 0.5 s"
    assert errors_of("stuck", 0.5, cases) == [None, late, late, "not tried: 2 times it gave no answer within 0.5 s"]
    assert errors_of("holding", 0.5, CASES[:2]) == [None, late]
    assert errors_of("stuck", 0.5, CASES[:2], frameworks=("jax",)) == [None, late]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("leaving", [None, "its process ended without an answer", None]),
        ("exiting", [None, "it exits the interpreter, with code 3"]),
        ("not", ["it cannot be loaded: ImportError: No module named 'elsewhere'"] * 3),
        ("away", ["it cannot be loaded: it exits the interpreter, with code goodbye"] * 3),
        ("nothing", ["it counted nan"]),
    ],
)
def test_a_counter_that_leaves_or_cannot_be_loaded_says_so(name: str, expected: list[str | None]) -> None:
    found = errors_of(name) if name == "leaving" else [answer.error for answer in told(name)]
    assert found == expected


def test_what_cannot_be_built_costs_no_other_case() -> None:
    cases = [Case("pooling", "modules", tuple(W)), CASES[0]]
    assert [answer.error for answer in told("honest", cases)] == [
        "there is no such module here: ImportError: no pooling here",
        None,
    ]
