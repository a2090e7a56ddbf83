"""The audit: every spelling computes the same, counters cannot harm it, and a reversed ranking is noticed."""

from __future__ import annotations

import functools
import io
import json
from typing import Any

import pytest
import torch
from conftest import ROOT, Run, thorough
from jsonschema import Draft202012Validator
from rich.console import Console
from torch import nn

from skaprof.analysis.audit import with_reversals
from skaprof.answers import AuditRow
from skaprof.count import audit
from skaprof.count.audit import Answer, Case, _row, absent_row, answers_of, ask, audit_rows
from skaprof.count.spellings import build_spelling, spellings_of
from skaprof.counters import COUNTERS, SPELLINGS, Counter
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.report.audit import audit_table, error_sentences, reversal_sentences, sentences
from skaprof.schema import schema
from skaprof.workload import Workload

W = Workload(2, 3, 4, 16, 2, 8)
CASES = [Case(mixer, "@", tuple(W)) for mixer in ("ska", "mhsa", "ska:query=false")]


def fake(name: str) -> Counter:
    return Counter(f"fake-{name}", "torch", "torch", "MACs", 1, f"fake_counters:load_{name}")


@pytest.fixture(autouse=True)
def fakes_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")


@pytest.mark.parametrize("mixer", ["mhsa", "mhsa:bias=true", "ska", "ska:query=false", "cska", "linear"])
def test_every_spelling_computes_the_same(mixer: str) -> None:
    spec = parse_mixer(mixer)
    w = W._replace(kernel_size=spec.resolve_kernel_size())
    x = torch.randn(2, 12, 16)
    names = [name for name in spellings_of(spec, w) if not name.startswith("mha")]
    assert len(names) >= 3
    reference = build_spelling(spec, w, "@")
    for name in names:
        module = build_spelling(spec, w, name)
        module.load_state_dict(reference.state_dict())
        torch.testing.assert_close(module(x), reference(x))


def test_the_spellings_use_the_functions_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def recorded(name: str, function: Any) -> Any:
        return lambda *arguments: called.append(name) or function(*arguments)

    monkeypatch.setattr(torch, "matmul", recorded("matmul", torch.matmul))
    monkeypatch.setattr(torch, "einsum", recorded("einsum", torch.einsum))
    for name, expected in (("@", []), ("matmul", ["matmul"] * 2), ("einsum", ["einsum"] * 2)):
        called.clear()
        build_spelling(parse_mixer("ska"), W, name)(torch.randn(2, 12, 16))
        assert called == expected


def test_torchs_own_attention_is_the_same_function_and_takes_its_fast_path_when_asked() -> None:
    x = torch.randn(2, 12, 16)
    own = build_mixer(parse_mixer("mhsa:bias=true"), W)
    found = {}
    for name in ("mha", "mha-fast"):
        module = build_spelling(parse_mixer("mhsa"), W, name)
        attention = module.attention
        assert isinstance(attention, nn.MultiheadAttention)
        weights = torch.cat([own.query.weight, own.key.weight, own.value.weight])
        biases = torch.cat([own.query.bias, own.key.bias, own.value.bias])
        state = {"in_proj_weight": weights, "in_proj_bias": biases}
        state |= {"out_proj.weight": own.output.weight, "out_proj.bias": own.output.bias}
        attention.load_state_dict(state)
        with torch.profiler.profile() as profile:
            torch.testing.assert_close(module(x), own(x))
        found[name] = "aten::_native_multi_head_attention" in {event.key for event in profile.key_averages()}
    assert found == {"mha": False, "mha-fast": True}


def test_spellings_are_those_a_mixer_has() -> None:
    assert spellings_of(parse_mixer("sepconv"), W._replace(kernel_size=7)) == ("modules",)
    assert spellings_of(parse_mixer("linear"), W) == ("@", "matmul", "einsum")
    assert "mha-fast" not in spellings_of(parse_mixer("mhsa"), W._replace(heads=1, head_dim=16))
    assert "mha" not in spellings_of(parse_mixer("mhsa"), W._replace(head_dim=4))


@pytest.fixture(scope="module")
def honest_rows() -> list[AuditRow]:
    """The rows of an honest counter, from a process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")
        return audit_rows(fake("honest"), CASES)


def test_an_honest_counter_captures_everything_and_its_noise_goes_nowhere(honest_rows: list[AuditRow]) -> None:
    for rows in (honest_rows, audit_rows(fake("noisy"), CASES)):
        assert [row.captured for row in rows] == [1.0] * 3
        assert with_reversals(rows)[0].reversed_against == []
        assert all(row.seconds > 0 for row in rows)


def test_a_counter_that_kills_its_process_is_a_row() -> None:
    """`hasattr(module, "key")`: mhsa, whose key is a projection."""
    rows = audit_rows(fake("killed_by_attention"), CASES)
    assert "ended with code" in rows[1].error
    assert [row.captured for row in rows] == [1.0, None, 1.0]


@thorough
def test_a_counter_that_raised_gets_a_fresh_process() -> None:
    counter = fake("raising_with_functions_replaced")
    assert [answer.error for answer in ask(counter, CASES)] == [None, "RuntimeError: no idea", None]
    assert [row.captured for row in audit_rows(counter, CASES)] == [1.0, None, 1.0]


@thorough
def test_a_counter_that_never_ends_is_ended() -> None:
    answers = ask(fake("stuck"), CASES, longest=15)
    assert [answer.error for answer in answers] == [None, "it gave no answer within 15 s", None]


def test_a_counter_that_cannot_be_loaded_or_counts_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests")
    cannot = list(answers_of("fake_counters:load_not", CASES))
    assert [answer.error for answer in cannot] == ["it cannot be loaded: ImportError: No module named 'elsewhere'"] * 3
    assert next(answers_of("fake_counters:load_nothing", CASES)).error == "it counted nan"


def test_a_reversed_ranking_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests")
    answers = answers_of("fake_counters:load_reversing", CASES)
    rows = with_reversals([_row(fake("reversing"), *each) for each in zip(CASES, answers, strict=True)])
    assert rows[0].macs < rows[1].macs
    assert rows[1].reversed_against == ["ska (@)", "ska:query=false (@)"]
    assert rows[0].reversed_against == []
    (sentence,) = reversal_sentences(rows)
    assert "fake-reversing REVERSES rankings: ska (@) comes out dearer than mhsa (@)" in sentence


def test_two_spellings_of_one_mixer_are_no_ranking_and_counters_are_kept_apart(honest_rows: list[AuditRow]) -> None:
    rows = honest_rows[:2]
    same = [rows[0], rows[1].replace(mixer="ska", macs_counted=1)]
    assert reversal_sentences(with_reversals(same)) == []
    apart = [rows[0], rows[1].replace(macs_counted=1, counter="other")]
    assert reversal_sentences(with_reversals(apart)) == []
    assert [row.reversed_against for row in with_reversals(apart)] == [[], []]


def table_text(rows: list[AuditRow]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(audit_table(rows))
    return console.export_text()


def test_the_table_tells_exact_from_rounded_and_nothing_from_little(honest_rows: list[dict[str, Any]]) -> None:
    row = honest_rows[0]
    others = [
        row.replace(counter="rounded", macs_counted=row.macs + 1, captured=1 + 1 / row.macs),
        row.replace(counter="blind", macs_counted=0, captured=0.0),
        row.replace(counter="broken", macs_counted=None, captured=None, error="ValueError: no", seconds=None),
    ]
    rows = with_reversals([row, *others])
    text = table_text(rows)
    assert all(word in text for word in ("100 %", "100.0 %", "0 %", "error"))
    assert error_sentences(rows) == ["broken on ska (@): ValueError: no"]
    said = " ".join(sentences(rows, [absent_row(fake("honest")._replace(name="absent"))]))
    assert "Exact, of 1 spellings: fake-honest 1, rounded 0, blind 0, broken 0 (1 not known)." in said
    assert "Not installed: absent" in said


def test_every_counter_can_be_loaded_or_is_absent() -> None:
    for counter in COUNTERS.values():
        module, _, function = counter.loader.partition(":")
        assert hasattr(__import__(module, fromlist=[function]), function)
        assert counter.installed == (counter.version is not None)


def test_the_command(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_once = functools.cache(ask)  # of the two tables, what is said is alike
    monkeypatch.setattr(audit, "ask", lambda counter, cases: ask_once(counter, tuple(cases)))
    sizes = ("--tokens", "12", "--dim", "16", "--heads", "2", "--counter", "fvcore", "--counter", "torch")
    done = skaprof("audit", *sizes, "--format", "json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    Draft202012Validator(schema()).validate(document)
    unnamed = {key for row in document["rows"] for key in row} - set(schema()["$defs"]["row"]["properties"])
    assert unnamed == set()
    assert {row["spelling"] for row in document["rows"]} == set(SPELLINGS) - {"modules"}
    assert "fvcore REVERSES" in done.stderr
    assert "fvcore REVERSES" in skaprof("audit", *sizes).stdout


@pytest.mark.parametrize("spelling", spellings_of(parse_mixer("mhsa"), W))
def test_a_row_has_the_parameters_of_the_module_that_was_counted(spelling: str) -> None:
    case = Case("mhsa", spelling, tuple(W))
    row = _row(COUNTERS["torch"], case, Answer(None, None))
    module = build_spelling(parse_mixer("mhsa"), W, spelling)
    assert row.params == sum(parameter.numel() for parameter in module.parameters())
    assert (row.mixer, row.implementation) == ("mhsa", SPELLINGS[spelling].form)


def test_an_absent_counter_is_a_row_unless_it_was_asked_for(skaprof: Run) -> None:
    absent = [name for name, counter in COUNTERS.items() if not counter.installed]
    if not absent:
        pytest.skip("every counter is installed here")
    done = skaprof("audit", "--counter", absent[0])
    assert (done.returncode, done.stdout) == (3, "")
    assert "pip install" in done.stderr
    Draft202012Validator(schema()["$defs"]["audit_row"]).validate(absent_row(COUNTERS[absent[0]]).as_dict())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--counter", "fvcroe"), "did you mean 'fvcore'"),
        (("--dim", "64,128"), "--dim: several values"),
        (("--tokens", "1000000"), "GiB are free"),
        (("--mixer", "skka"), "did you mean 'ska'"),
    ],
)
def test_bad_input(skaprof: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof("audit", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
