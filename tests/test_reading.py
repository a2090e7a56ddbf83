"""What people read: tables that fit their terminal and say what they leave out, columns that can be picked, and
markdown that is the same page."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from rich.console import Console

import skaprof as skaprof_package
from skaprof.answers import AuditRow, ExplainedRow, SwapRow
from skaprof.cli import show
from skaprof.measured import result_row
from skaprof.report.audit import audit_table
from skaprof.report.explain import explain_table
from skaprof.report.formats import to_bmf
from skaprof.report.latency import latency_table
from skaprof.report.plain_table import LEAST_NEEDED, PlainTable
from skaprof.report.swap import swap_table

DATA = ROOT / "tests" / "data"
RUNS = str(DATA / "runs-forward.jsonl")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def terminal(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What a command shows in a terminal of so many columns, line by line, without its colours."""

    def shown(width: int, *arguments: str) -> list[str]:
        with monkeypatch.context() as patched:
            patched.setattr(show, "on_terminal", lambda: True)
            done = skaprof(*arguments, env={**os.environ, "COLUMNS": str(width), "TERM": "xterm"}, cwd=ROOT)
        assert done.returncode in (0, 1), done.stderr
        return [ANSI.sub("", line).rstrip() for line in done.stdout.splitlines()]

    return shown


COMMANDS = [
    ("flops",),
    ("flops", "--baseline", "mhsa", "--tokens", "49,196", "--dim", "256,512", "--implementation", "eager,sdpa"),
    ("flops", "--per-op"),
    ("flops", "--formula", "--mode", "forward,train"),
    ("model", "caformer_s18"),
    ("model", "caformer_s18", "--stage", "3=ska", "--mode", "train", "--depth", "block"),
    ("search", "caformer_s18"),
    ("crossover",),
    ("crossover", "--mixer", "linear", "--axis", "dim", "--tokens", "49"),
    ("roofline", "--hardware", "epyc-9654", "--results", RUNS),
    ("roofline", "--per-op"),
    ("explain", "--hardware", "epyc-9654", "--results", RUNS),
    ("compare", str(DATA / "runs.jsonl"), RUNS),
    ("check", "tests/data/long_claims.toml"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments)[:40])
def test_every_table_fits_a_terminal(terminal: Callable[..., list[str]], arguments: tuple[str, ...]) -> None:
    lines = terminal(80, *arguments)
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


def test_tables_of_what_is_measured_and_counted_fit_too() -> None:
    timed = [result_row(json.loads(line)) for line in Path(RUNS).read_text().splitlines()[1:]]
    sites = [SwapRow.read(dict.fromkeys(SwapRow.fields, 10**6) | words(row)) for row in ("layers.0.attention", "total")]
    audited = [audit_row(name, place) for place, name in enumerate(("fvcore", "torch", "thop", "deepspeed-profiler"))]
    for table in (latency_table(timed), swap_table(sites), audit_table(audited * 2), explain_table(ledger())):
        full, none = table.fitted(10_000)
        assert (printed_width(full) > 80, none) == (True, [])
        narrow, gone = table.fitted(80)
        assert gone
        assert printed_width(narrow) <= 80


def ledger() -> list[ExplainedRow]:
    """Differences of two forms at two sizes, one of them within the noise."""
    same = dict.fromkeys(ExplainedRow.fields, -0.000498) | {"mixer": "ska", "baseline": "mhsa", "mode": "forward"}
    same |= {"dtype": "float32", "batch": 1, "head_dim": 32, "kernel_size": None}
    sizes = dict.fromkeys(("height", "width", "tokens", "dim", "heads"), 64)
    return [
        ExplainedRow.read(
            same | {key: by * size for key, size in sizes.items()} | {"implementation": form, "decided": is_one}
        )
        for form, by, is_one in (("eager", 1, True), ("sdpa", 2, False))
    ]


def words(scope: str) -> dict[str, Any]:
    return {"scope": scope, "replaced": "MultiheadSelfAttention", "mixer": "ska", "model": "m", "error": None}


def audit_row(counter: str, place: int) -> AuditRow:
    figures = dict.fromkeys(AuditRow.fields) | {"mixer": "mhsa", "spelling": "nn.MultiheadAttention, fast path" * 2}
    return AuditRow.read(figures | {"counter": counter, "macs": 7, "macs_counted": place, "captured": place / 7})


def printed_width(table: PlainTable) -> int:
    console = Console(width=10_000, file=io.StringIO())
    console.print(table)
    return max(len(line.rstrip()) for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


def test_the_last_in_rank_go_first_and_are_named_with_their_cure(terminal: Callable[..., list[str]]) -> None:
    arguments = ("flops", "--baseline", "mhsa")
    said = [" ".join(terminal(width, *arguments)).partition("Not shown at ")[2] for width in (90, 70)]
    keys = [text.partition(": ")[2].partition(" (")[0].split(", ") for text in said]
    assert set(keys[0]) < set(keys[1]) < set(LEAST_NEEDED)
    assert max(map(LEAST_NEEDED.index, keys[0])) < min(map(LEAST_NEEDED.index, set(keys[1]) - set(keys[0])))
    assert said[0].startswith("90: ")
    assert "(--columns picks; a pipe or a file has all)" in said[0]


def test_off_a_terminal_everything_stays(skaprof: Run, tmp_path: Path) -> None:
    narrow = {**os.environ, "COLUMNS": "40"}
    piped = skaprof("flops", "--baseline", "mhsa", env=narrow)
    skaprof("flops", "--baseline", "mhsa", "--output", str(tmp_path / "a.txt"), env=narrow)
    assert piped.stdout == (tmp_path / "a.txt").read_text()
    assert "Not shown" not in piped.stdout
    assert "elementwise" in piped.stdout.splitlines()[2]


def test_columns_are_picked_by_the_keys_of_json_and_in_their_order(skaprof: Run) -> None:
    table = skaprof("flops", "--columns", "macs, mixer,tokens,height")
    assert table.stdout.splitlines()[3].split() == ["(M)", "mixer", "tokens", "height"]
    page = skaprof("flops", "--columns", "macs,mixer,tokens", "-f", "markdown").stdout.splitlines()
    assert page[2:5] == ["| MACs (M) | mixer | tokens |", "|---:|---|---:|", "| 71.05 | mhsa | 196 |"]
    lines = list(csv.reader(io.StringIO(skaprof("flops", "--columns", "macs,mixer,tokens", "-f", "csv").stdout)))
    assert lines[:2] == [["macs", "mixer", "tokens"], ["71049216", "mhsa", "196"]]
    assert "traffic = " not in table.stdout
    assert "1 MAC = " in table.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("flops", "--columns", "mac"), "'mac' is not valid: expected one of mixer, params, macs, flops,"),
        (("flops", "--columns", "median_ms"), "'median_ms' is not valid: expected one of mixer, params, macs, flops,"),
        (("flops", "--columns", "mac", "-f", "csv"), "dtype, params, macs, flops, elementwise_flops, weight_bytes"),
        (("flops", "--columns", "macs", "-f", "json"), "--columns: 'macs': expected without json, which has every key"),
        (("model", "vit_tiny", "--columns", "mixer,latency"), "'latency' is not valid: expected one of scope, mixer"),
        (("latency", "--columns", "median"), "'median' is not valid: expected one of mixer"),
        (("audit", "--columns", "mac"), "did you mean 'macs'?"),
        (("env", "--columns", "name"), "No such option"),
    ],
)
def test_a_column_that_is_none_gets_one_line_that_lists_them(
    skaprof: Run, arguments: tuple[str, ...], words: str
) -> None:
    done = skaprof(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_markdown_is_the_table_that_people_read(skaprof: Run) -> None:
    table, page = (skaprof("flops", "--format", wanted).stdout for wanted in ("table", "markdown"))
    assert "| mixer | params (k) | MACs (M) | FLOPs (M) | elementwise (MFLOP) |" in page
    assert "| ska | **246.8** | **58.20** |" in page
    assert page.startswith("forward, eager, batch 1, 196 tokens (14 x 14)")
    sentences = table.partition("\n* lowest at its size\n")[2].splitlines()
    assert [line.removeprefix("- ") for line in page.splitlines()[-len(sentences) :]] == sentences
    assert "- Bold: lowest at its size.\n" in page


@pytest.mark.parametrize(("mode", "shown", "absent"), [("forward", "peak", "saved"), ("train", "saved", "peak")])
def test_a_backbones_memory_stands_in_its_table_and_only_what_is_shown_is_explained(
    skaprof: Run, mode: str, shown: str, absent: str
) -> None:
    page = skaprof("model", "vit_tiny", "--mode", mode).stdout
    header = page.splitlines()[2:5]
    assert any(f" {shown} " in line for line in header)
    assert f"{shown} = " in page
    assert absent not in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("flops", "--tokens", "197"), "197 is taken as a grid of 1 x 197: 14 x 14 is --tokens 196, and with a class"),
        (("flops", "--tokens", "16,577"), "577 is taken as a grid of 1 x 577: 24 x 24 is --tokens 576"),
        (("crossover", "--axis", "dim", "--tokens", "197"), "grid of 1 x 197: 14 x 14 is --tokens 196\n"),
        (("flops", "--tokens", "197", "--class-token"), "--tokens 197 and its --class-token make 198 tokens: 14 x 14"),
    ],
)
def test_a_square_and_one_is_said_to_be_another_grid(skaprof: Run, arguments: tuple[str, ...], told: str) -> None:
    done = skaprof(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert told in done.stderr
    assert skaprof("flops", "--tokens", "196:200,64,1024").stderr == ""


def test_a_class_token_stands_beside_the_grid_and_is_proved_with_it(skaprof: Run) -> None:
    forms = ("--dim", "64", "--tokens", "16", "--class-token", "--mode", "forward,train")
    done = skaprof("flops", *forms, "-m", "cska", "-m", "ska", "-m", "mhsa", "--verify", "-f", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {(row["tokens"], row["height"], row["width"], row["verified"]) for row in rows} == {(17, 4, 4, True)}
    d, n, heads, head_dim = 64, 17, 2, 32
    cska, ska, mhsa = rows[:3]
    assert mhsa["macs"] == 4 * n * d * d + 2 * n * n * d
    assert ska["params"] == 3 * d * d + n * d
    assert cska["params"] == 3 * d * d + 9 * n * d + heads * n + heads * n * head_dim  # and the class token's own key
    assert "17 tokens (4 x 4 + 1)" in skaprof("flops", *forms[:5]).stdout
    assert skaprof_package.cost("cska", tokens=16, dim=64, class_token=True).as_dict().items() <= cska.items()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("flops", "-m", "sepconv"), "--class-token: sepconv has no place for one in its 'eager' form: expected mhsa,"),
        (("flops", "--formula"), "--class-token: expected none here"),
        (("audit",), "--class-token: expected none here"),
        (("latency", "--model", "vit_tiny"), "--class-token: expected none here"),
    ],
)
def test_a_class_token_without_a_place_is_refused(skaprof: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof(*arguments, "--class-token")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr


def test_a_timed_class_token_is_held_against_the_ceilings_and_named_apart(skaprof: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "times.json")
    sizes = ("--tokens", "4", "--dim", "8", "--class-token", "--max-seconds", "0.1")
    done = skaprof("latency", *sizes, "-m", "mhsa", "-m", "cska", "--output", file)
    assert done.returncode == 0, done.stderr
    rows = json.loads(Path(file).read_text())["rows"]
    assert [row["verdict"] for row in rows if row["mixer"] == "cska"][1] == "unsupported"
    names = list(json.loads("".join(to_bmf(rows))))
    assert all("/size=2x2+1/" in name for name in names)
