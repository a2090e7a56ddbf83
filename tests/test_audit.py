"""The audit: its rows, a reversed ranking, its tables, and the command."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fake_counters
import pytest
from conftest import ROOT, Run
from fake_counters import CASES, fake, told
from jsonschema import Draft202012Validator
from rich.console import Console

from skaprof import counters
from skaprof.analysis import planned_rows
from skaprof.analysis.audit import summaries, with_reversals
from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.answers import AuditRow
from skaprof.count import answering, audit
from skaprof.count.asked import Answer, Case
from skaprof.count.audit import absent_row, case_row, counter_rows
from skaprof.count.elsewhere import audited_elsewhere
from skaprof.counters import COUNTERS, SPELLINGS, Counter
from skaprof.distributions import Owner
from skaprof.elsewhere import Done
from skaprof.errors import SkaprofError
from skaprof.model.spec import parse_mixer
from skaprof.report.audit import audit_table, detail_table, error_sentences, reversal_sentences, sentences
from skaprof.schema import schema

pytestmark = pytest.mark.usefixtures("fakes_can_be_imported")


def test_counters_on_other_machines_give_the_rows_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other machine is this process, which answers of the second counter first, and then is lost."""
    both = [fake("honest"), fake("honest")._replace(name="fake-lost")]
    monkeypatch.setitem(COUNTERS, "fake-honest", both[0])
    plan = make_plan([parse_mixer("ska"), parse_mixer("mhsa")], SizeGrid())
    assert answering.machine({"counters": ["fake-honest"]})["environment"]["fake-honest"] == both[0].version
    said = {"host": "node7", "environment": {"torch": "1.0"}, "reruns": 1}

    class There:
        def done(self, function: str, tasks: list[Any], *_: object) -> Iterator[Done]:
            assert function == "skaprof.count.answering:counted"
            yield Done(1, None, "its worker was lost", said)
            yield Done(0, answering.counted(json.loads(json.dumps(tasks[0]))), None, said)

    heard: list[None] = []
    rows = audited_elsewhere(plan, both, ["@"], There(), lambda words: None, lambda: heard.append(None))
    here = [row.replace(seconds=None, **said) for row in with_reversals(counter_rows(both[0], plan, ["@"]))]
    assert [row.replace(seconds=None) for row in rows[:2]] == here
    lost = [(row.counter, row.error, row.host) for row in rows[2:]]
    assert lost == [("fake-lost", "its worker was lost", "node7")] * 2
    assert len(heard) == 2
    with pytest.raises(SkaprofError, match="counter: tf-profiler is not installed"):
        answering.machine({"counters": ["tf-profiler"]})


def rows_told(name: str) -> list[AuditRow]:
    return with_reversals([case_row(fake(name), *each, ()) for each in zip(CASES, told(name), strict=True)])


def test_an_honest_counter_captures_everything() -> None:
    rows = rows_told("honest")
    assert [row.captured for row in rows] == [1.0] * 3
    assert [row.reversed_against for row in rows] == [[], [], []]
    (found,) = summaries(rows)
    assert (found.exact, found.spellings, found.turned, found.pairs) == (3, 3, 0, 3)


def test_a_reversed_ranking_is_noticed() -> None:
    rows = rows_told("reversing")
    assert rows[0].macs < rows[1].macs
    assert rows[1].reversed_against == ["ska (@)", "ska:query=false (@)"]
    assert rows[0].reversed_against == []
    (sentence,) = reversal_sentences(rows)
    assert "fake-reversing REVERSES rankings: ska (@) comes out dearer than mhsa (@)" in sentence
    (found,) = summaries(rows)
    assert (found.turned, found.pairs, found.worst) == (2, 3, rows[1])


def test_a_ranking_is_of_two_mixers_by_one_counter_in_one_mode() -> None:
    rows = rows_told("honest")[:2]
    for change in ({"mixer": "ska"}, {"counter": "other"}, {"mode": "train"}):
        apart = [rows[0], rows[1].replace(macs_counted=1, **change)]
        assert [row.reversed_against for row in with_reversals(apart)] == [[], []], change


def text_of(table: Any) -> str:
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_the_tables_tell_exact_from_rounded_and_nothing_from_little() -> None:
    row = rows_told("honest")[0].replace(counter_params=7, memory_captured=0.25, conventions=["counts MACs as flops"])
    others = [
        row.replace(counter="rounded", macs_counted=row.macs + 1, captured=1 + 1 / row.macs),
        row.replace(counter="blind", macs_counted=0, captured=0.0, conventions=[], side_effects=["prints"]),
        row.replace(counter="broken", macs_counted=None, captured=None, error="ValueError: no", seconds=None),
        row.replace(counter="trained", mode="train", captured=30.0, macs_counted=30 * row.macs),
    ]
    rows = with_reversals([row, *others])
    for table in (audit_table(rows), detail_table(rows)):
        text = text_of(table)
        assert all(word in text for word in ("100 %", "100.0 %", "0 %", "error", "30 times"))
    assert "25.0 %" in text_of(audit_table(rows))
    assert error_sentences(rows) == ["broken on ska (@): ValueError: no"]
    absent = [absent_row(fake("honest", extra="audit-jax")._replace(name="xla"))]
    said = sentences(rows, absent)
    assert said[0].endswith("exact in every spelling: fake-honest.")
    assert "fake-honest counts MACs as flops." in said
    assert "blind prints (in some spellings)." in said
    assert "Not installed: xla; skaprof[audit-jax] brings them." in said


def test_every_counter_can_be_loaded_or_is_absent() -> None:
    """Each names functions that are there, where the framework that they need is."""
    for counter in COUNTERS.values():
        assert counter.installed == (counter.version is not None)
        for loader in filter(None, (counter.loader, counter.training)):
            module, _, function = loader.partition(":")
            if "jax" not in module:
                assert hasattr(__import__(module, fromlist=[function]), function)


def test_the_counters_are_kept_apart_by_the_package_that_has_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    thop, other = COUNTERS["thop"], COUNTERS["ultralytics-thop"]
    monkeypatch.setattr(counters, "owner_of", lambda module: Owner("Ultralytics_thop", "2.2.3"))
    assert (thop.installed, thop.version, other.installed, other.version) == (False, None, True, "2.2.3")
    assert thop.why_absent == (
        "not installed (the module thop is that of Ultralytics_thop 2.2.3 here); run: pip install thop"
    )


@pytest.fixture
def asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters are asked in no process: each is honest, but knows nothing of fused attention."""

    def answered(counter: Counter, cases: Sequence[Case], **settings: Any) -> list[Answer]:
        return [Answer(0.0 if case.spelling == "sdpa" else fake_counters.honest(case, None), 0.1) for case in cases]

    monkeypatch.setattr(audit, "ask", answered)


SIZES = ("--tokens", "12", "--dim", "16", "--heads", "2")


@pytest.mark.usefixtures("asked_here")
def test_the_command(skaprof: Run, tmp_path: Path) -> None:
    saved = tmp_path / "elsewhere.json"
    done = skaprof("audit", *SIZES, "--counter", "fvcore", "--output", str(saved))
    assert (done.returncode, done.stdout) == (0, "")
    assert "fvcore REVERSES" in done.stderr
    document = json.loads(saved.read_text())
    Draft202012Validator(schema()).validate(document)
    assert {key for row in document["rows"] for key in row} <= set(schema()["$defs"]["row"]["properties"])
    in_torch = {name for name, spelling in SPELLINGS.items() if spelling.framework == "torch"}
    assert {row["spelling"] for row in document["rows"]} == in_torch - {"modules"}
    joined = skaprof("audit", *SIZES, "--counter", "torch", "--counter", "fvcore", "--results", str(saved), "--detail")
    assert joined.stdout.count("fvcore REVERSES") == 1
    assert joined.stdout.index("fvcore") < joined.stdout.index("torch")
    assert "mha-fast" not in skaprof("audit", *SIZES, "--counter", "fvcore", "--spelling", "@").stdout


@pytest.mark.usefixtures("asked_here")
def test_counters_run_beside_each_other_and_their_rows_keep_their_order() -> None:
    plan = make_plan([parse_mixer("ska")], SizeGrid())
    done: list[None] = []
    rows = audit.audited(plan, [fake(str(place)) for place in range(9)], ["@"], lambda: done.append(None))
    assert [row.counter for row in rows] == [f"fake-{place}" for place in range(9)]
    assert len(done) == 9


@pytest.mark.usefixtures("asked_here")
def test_no_more_run_at_once_than_the_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is taken to be at the mixer that needs the most: its weights twice, and the tensors of its last product."""
    plan = make_plan([parse_mixer("cska"), parse_mixer("mhsa")], SizeGrid((1,), ((3, 4),), (16,)))
    weights = 3 * 16 * 16 + 9 * 12 * 16 + 12
    needed = 4 * (2 * weights + 12 * 12 + 2 * 12 * 16)
    at_once: list[int] = []
    monkeypatch.setattr(audit, "_in_parallel", lambda calls, number, advance: at_once.append(number) or iter([]))
    monkeypatch.setattr(audit.os, "cpu_count", lambda: 8)
    for counts, expected in ((1, 1), (3, 3), (9, 4), (None, 4)):
        monkeypatch.setattr(planned_rows, "available_bytes", lambda counts=counts: counts and counts * needed)
        audit.audited(plan, [fake("honest")])
        assert at_once.pop() == expected
    monkeypatch.setattr(planned_rows, "available_bytes", lambda: needed - 1)
    with pytest.raises(SkaprofError, match="cska: a count on real tensors needs at least"):
        audit.audited(plan, [fake("honest")])


def test_an_error_of_ours_in_one_of_them_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **settings: object) -> list[Answer]:
        raise ZeroDivisionError

    monkeypatch.setattr(audit, "ask", fail)
    with pytest.raises(ZeroDivisionError):
        audit.audited(make_plan([parse_mixer("ska")], SizeGrid()), [fake("honest")])


@pytest.mark.usefixtures("asked_here")
def test_training_is_asked_of_those_that_count_it() -> None:
    plan = make_plan([parse_mixer("cska"), parse_mixer("mhsa")], SizeGrid())
    trained = counter_rows(COUNTERS["hf-trainer"], plan)
    assert [(row.mixer, row.spelling, row.mode) for row in trained] == [
        ("cska", "@", "train"),
        ("cska", "same", "train"),
        ("mhsa", "@", "train"),
        ("mhsa", "mha-train", "train"),
    ]
    assert trained[0].macs > 2.9 * counter_rows(COUNTERS["fvcore"], plan, ["@"])[0].macs


def test_an_absent_counter_is_a_row_unless_it_was_asked_for(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[[str], Owner | None] = counters.owner_of
    monkeypatch.setattr(counters, "owner_of", lambda module: None if module == "thop" else find(module))
    done = skaprof("audit", "--counter", "thop")
    assert (done.returncode, done.stdout) == (3, "")
    assert "thop is not installed; run: pip install thop" in done.stderr
    Draft202012Validator(schema()["$defs"]["audit_row"]).validate(absent_row(COUNTERS["thop"]).as_dict())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--counter", "fvcroe"), "did you mean 'fvcore'"),
        (("--spelling", "einsun"), "did you mean 'einsum'"),
        (("--spelling", "keras", "--counter", "torch"), "none of these mixers has one"),
        (("--dim", "64,128"), "--dim: several values"),
        (("--tokens", "1000000"), "GiB are free"),
        (("--mixer", "skka"), "did you mean 'ska'"),
        (("--results", "tests/data/runs.jsonl"), "has no counts: expected a file of skaprof audit"),
    ],
)
def test_bad_input(skaprof: Run, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = skaprof("audit", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("asked_here")
def test_results_of_other_sizes_are_refused(skaprof: Run, tmp_path: Path) -> None:
    saved = str(tmp_path / "elsewhere.json")
    skaprof("audit", *SIZES, "--counter", "fvcore", "--output", saved)
    done = skaprof("audit", "--results", saved, "--counter", "torch")
    assert done.returncode == 2
    assert "has mhsa at 12 tokens, dim 16, batch 1: expected the mixers and sizes asked for" in done.stderr
