"""Names made to hurt: no control character reaches a terminal, page or figure, and a dollar is a dollar."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import ROOT, Run

from skaprof.errors import SkaprofError

NASTY = "\x1b[31m\x00\a\x9b\u202e\u2066\u2028\u200b\ud800\r\n$x$_<b>"
SEEN = "$x$"
FREE = {
    *("mixer", "implementation", "model", "swap", "panel", "device", "backend", "error", "spelling", "counter", "op"),
    *("counter_version", "counter_unit", "formula", "text", "baseline", "arguments", "layout"),
}
"""Keys whose text is whatever somebody wrote."""
KEPT = ("crossovers", "roofline")
"""Sections whose mixers and forms name what this program has: they are read as such."""
SPEC_KEYS = {"mixer", "baseline", "implementation", "formula"}
PARTS = (*("\x1b", "\x00"), "\a", "\x9b", "\u202e", "\u2066", "\u2028", "\u200b", "\ud800", "\r")


def shows_nothing_hidden(text: str) -> bool:
    """Whether a terminal can be sent it as it is."""
    return all(line.isprintable() for line in text.split("\n"))


def report_rows() -> Iterator[dict[str, Any]]:
    """A few rows of each section of a report, whole tables of those that have many."""
    seen: Counter[str] = Counter()
    for row in json.loads((ROOT / "reports" / "cpu" / "results.json").read_text())["rows"]:
        seen[row["section"]] += 1
        if row["section"] == "audit" or seen[row["section"]] <= 36:
            yield row


def hostile(row: dict[str, Any]) -> dict[str, Any]:
    """The row with each name made nasty."""
    free = FREE - SPEC_KEYS if row.get("section") in KEPT else FREE
    return {key: nasty(value) if key in free and isinstance(value, str) else value for key, value in row.items()}


def nasty(name: str) -> str:
    """The name with what hurts at its end; of `mhsa (eager)`, at both their ends."""
    return re.sub(r"( \(|\)?$)", lambda end: NASTY + end[1], name, count=2) if name else NASTY


def saved(path: Path, rows: list[dict[str, Any]], **head: Any) -> str:
    """A results file of these rows."""
    document = {"schema_version": 1, "command": f"skaprof {NASTY}", "environment": {"device": f"d{NASTY}"}, **head}
    path.write_text(json.dumps({**document, "rows": rows}))
    return str(path)


def test_a_report_of_hostile_names_is_clean_and_its_figures_are_well_formed(tmp_path: Path, skaprof: Run) -> None:
    settings = {"title": f"T{NASTY}", "notes": [f"n{NASTY}"], "commands": [f"c{NASTY}"]}
    path = saved(tmp_path / "results.json", list(map(hostile, report_rows())), settings=settings)
    done = skaprof("report", "--from", path, "--output", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr[-13:]) == (0, "files to out\n"), done.stderr
    figures = sorted((tmp_path / "out").glob("*.svg"))
    assert len(figures) >= 5
    for figure in figures:
        ElementTree.parse(figure)
        assert shows_nothing_hidden(figure.read_bytes().decode()), figure
    assert SEEN in (tmp_path / "out" / "figure4.svg").read_text()
    for file in [*(tmp_path / "out").glob("*.csv"), tmp_path / "out" / "report.md"]:
        assert shows_nothing_hidden(file.read_bytes().decode()), file
    assert "\\x1b" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize("written", ["table", "csv", "markdown"])
def test_commands_that_read_hostile_results_say_them_escaped(written: str, tmp_path: Path, skaprof: Run) -> None:
    rows = [json.loads(line) for line in (ROOT / "tests" / "data" / "runs-forward.jsonl").read_text().splitlines()[1:]]
    plain = saved(tmp_path / "plain.json", [row | {"device": f"d{NASTY}"} for row in rows])
    old = saved(tmp_path / "old.json", list(map(hostile, rows)))
    new = saved(tmp_path / "new.json", [row | {"median_ms": 1.0, "macs": 5} for row in map(hostile, rows)])
    claims = tmp_path / "claims.toml"
    claims.write_text('[[claim]]\nclaim = "ska.median_ms < mhsa.median_ms @ tokens=196,dim=320"\nsource = "us"\n')
    runs = [
        ("compare", old, new, "--fail-on", "macs>0%"),
        ("roofline", "--hardware", "l4", "--results", plain),
        ("crossover", "--mixer", "ska", "--baseline", "mhsa", "--dim", "320", "--results", plain),
        ("explain", "--mixer", "ska", "--baseline", "mhsa", "--hardware", "l4", "--results", plain),
        ("check", str(claims), "--results", plain),
        ("check", str(claims), "--results", old),
    ]
    said = []
    for arguments in runs:
        done = skaprof(*arguments, "--format", written)
        assert done.returncode in (0, 1, 2), done.stderr
        assert shows_nothing_hidden(done.stdout), arguments
        assert shows_nothing_hidden(done.stderr), arguments
        said.append(done.stdout + done.stderr)
    assert SEEN in said[0]


def test_a_hostile_file_name_is_said_escaped(tmp_path: Path, skaprof: Run) -> None:
    for ending in (".csv", ".svg"):
        name = f"a\x1b[31m\n\u202eb{ending}"
        option = "--output" if ending == ".csv" else "--plot"
        done = skaprof("flops", "--tokens", "49,64", option, name, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, f"wrote a\\x1b[31m\\n\\u202eb{ending}\n")
        assert (tmp_path / name).exists()


@pytest.mark.parametrize("part", [*PARTS, "\n"])
def test_an_error_holds_no_character_that_a_terminal_obeys(part: str) -> None:
    assert SkaprofError(f"a{part}b", below=("  c", f"{part[:0]}  ^")).message.split("\n")[1:] == ["  c", "  ^"]
    assert SkaprofError(f"a{part}b").message.isprintable()
    assert str(SkaprofError(f"a{part}b")).isprintable()


@pytest.mark.parametrize("kind", ["model", "roofline", "report", "check"])
def test_a_hostile_key_of_toml_is_said_escaped(kind: str, tmp_path: Path, skaprof: Run) -> None:
    path = tmp_path / "a\x1b[1m.toml"
    path.write_text('"\\u001b[31m\\n\\u202e" = 1\n')
    arguments = {
        "model": ("model", str(path)),
        "roofline": ("roofline", "--hardware", str(path)),
        "report": ("report", "--config", str(path), "--output", "out"),
        "check": ("check", str(path)),
    }
    done = skaprof(*arguments[kind], cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr[:-1].isprintable(), done.stderr


def test_a_hostile_machine_is_drawn_and_told_escaped(tmp_path: Path, skaprof: Run) -> None:
    name = "\\u001b[31m\\u0000\\n\\u202e$x$"
    path = tmp_path / "mine.toml"
    path.write_text(
        f'[[hardware]]\nid = "mine"\nname = "{name}"\npeak_float32 = "1 TFLOP/s"\nbandwidth = "100 GB/s"\n'
        'memory = "80 GB"\nsource = "us"\ndate = "2024-01-01"\n'
    )
    for written in ("table", "csv", "markdown"):
        plot = f"{written}.svg"
        done = skaprof("roofline", "--hardware", str(path), "--format", written, "--plot", plot, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert shows_nothing_hidden(done.stdout + done.stderr)
        ElementTree.parse(tmp_path / plot)
        assert "$x$" in (tmp_path / plot).read_text()


def test_a_name_with_dollars_is_in_the_figure_as_it_is(tmp_path: Path, skaprof: Run) -> None:
    """Two dollars are mathematics to matplotlib, and `\\frac` without its arguments an error."""
    (tmp_path / "a.toml").write_text(
        "resolution = 64\n[stem]\nkernel_size = 4\nstride = 4\npadding = 0\n"
        '[[stages]]\ndepth = 1\ndim = 64\nmixer = "sepconv"\n'
    )
    (tmp_path / "a.toml").rename(tmp_path / "$\\frac$.toml")
    for ending in ("png", "svg"):
        done = skaprof("model", "$\\frac$.toml", "--plot", f"q.{ending}", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, f"wrote q.{ending}\n"), done.stderr
    assert "$\\frac$" in (tmp_path / "q.svg").read_text()


def test_a_table_escapes_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    from skaprof.report.table import PlainTable

    table = PlainTable()
    for part in PARTS:
        table.add_row(f"a{part}\n", Text(f"b{part}", style="bold"))
    Console(width=200).print(table)
    assert shows_nothing_hidden(capsys.readouterr().out)


def test_ticks_and_numerals_are_not_shown_as_mathematics(tmp_path: Path, skaprof: Run) -> None:
    runs = [
        ("roofline", "--hardware", "l4"),
        ("search", "caformer_s18"),
        ("crossover", "--mixer", "cska", "--dim", "320"),
    ]
    for number, arguments in enumerate(runs):
        done = skaprof(*arguments, "--plot", f"{number}.svg", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "$" not in (tmp_path / f"{number}.svg").read_text(), arguments
