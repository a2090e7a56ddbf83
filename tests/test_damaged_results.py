"""Results files with something wrong in them: each command that reads one says what, where, and exits with 2."""

from __future__ import annotations

import copy
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, THOROUGH
from limits import exit_code_of, soon_and_small

EXAMPLES = 10_000 if THOROUGH else 500
DATA = ROOT / "tests" / "data"
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 0.5, -0.5, 1e60, 1e-60, -1e60, 1e99, 1e101, 10**30, 10**200),
    *(float("nan"), float("inf"), -float("inf"), 2**63, 1e19),
    *(
        "",
        "x",
        "\ud800",
        "\x1b[31m\x00\n\u202e",
        "=1+1",
        "$x$",
        "mhsa",
        "ska:heads=0",
        "mhsa (eager)",
        "eager",
        "train",
    ),
    *("total", "stage1", "tokens", "x" * 3000, "-", "never", "equal", "n**9**9**9", "1"),
    *([], [1], ["x"], [None], [[]], [{}], ["stable", "noisy"], {}, {"a": 1}, {"a": {"b": []}}, [[[[1]]]]),
)
NAMED = ("ratio", "dim", "verdict", "tolerance", "flags", "implementation", "heads", "rounds", "mixer", "median_ms")
"""Keys that were once read without a look at them."""
ADDED = ("=x", "\ud800", "op", "median_ms", "params", "section", "scope", "model")
HEADS = ("schema_version", "command", "environment", "settings", "rows")
SETTINGS = ("title", "notes", "commands", "files", "tf32", "baseline")
Document = dict[str, Any]


def lines_of(name: str) -> Document:
    """A file of JSON lines as one document."""
    head, *rows = map(json.loads, (DATA / name).read_text().splitlines())
    return {**head, "rows": rows}


def report() -> dict[str, list[Document]]:
    """The rows of a report by their section; of the long sections, the first."""
    found: dict[str, list[Document]] = {}
    for row in json.loads((ROOT / "reports" / "cpu" / "results.json").read_text())["rows"]:
        found.setdefault(row["section"], []).append(row)
    return {name: rows if name in ("audit", "backbones") else rows[:24] for name, rows in found.items()}


TIMED, TRAINED, REPORT = lines_of("runs-forward.jsonl"), lines_of("runs.jsonl"), report()


def drawn_document(kind: str, draw: random.Random) -> Document:
    """A whole results file that a command of this kind reads."""
    if kind == "report":
        sections = draw.sample(list(REPORT), draw.choice((1, 1, 2)))
        rows = [row for name in sections for row in REPORT[name]]
        head = {key: TIMED[key] for key in ("schema_version", "command", "environment")}
        return copy.deepcopy({**head, "settings": {"title": "T", "notes": [], "commands": []}, "rows": rows})
    return copy.deepcopy(draw.choice((TIMED, TIMED, TRAINED)))


def damage_row(rows: list[Any], draw: random.Random) -> None:
    """One thing wrong with one row."""
    place = draw.randrange(len(rows))
    row, kind = rows[place], draw.randrange(12)
    if not isinstance(row, dict) or not row:
        return
    key = draw.choice(NAMED) if draw.random() < 0.3 else draw.choice(list(row))
    if kind < 6:
        row[key] = draw.choice(VALUES)
    elif kind == 6:
        row.pop(key, None)
    elif kind == 7:
        row[draw.choice(("=x", "\ud800", "op", "median_ms", "params", "section", "scope", "model"))] = draw.choice(
            VALUES
        )
    elif kind == 8:
        del rows[place]
    elif kind == 9:
        rows.insert(place, copy.deepcopy(row))
    elif kind == 10:
        rows[place] = draw.choice(VALUES)
    else:
        other = draw.choice(rows)
        if isinstance(other, dict):
            row[key] = other.get(key)


def damage_head(document: Document, draw: random.Random) -> None:
    """One thing wrong before the rows."""
    kind, value = draw.randrange(3), draw.choice(VALUES)
    if kind == 0:
        document[draw.choice(HEADS)] = value
    elif kind == 1 and isinstance(document.get("environment"), dict):
        document["environment"]["device"] = value
    elif isinstance(document.get("settings"), dict):
        document["settings"][draw.choice(SETTINGS)] = value


def written(document: Document, draw: random.Random) -> bytes:
    """The document as JSON or JSON lines, sometimes cut short or with one byte changed."""
    rows = document.get("rows")
    if isinstance(rows, list) and draw.random() < 0.5:
        head = {key: value for key, value in document.items() if key != "rows"}
        data = bytearray("".join(json.dumps(line) + "\n" for line in (head, *rows)).encode())
    else:
        data = bytearray(json.dumps(document, indent=draw.choice((None, 1))).encode())
    if draw.random() < 0.1:
        data[draw.randrange(len(data))] = draw.randrange(256)
    if draw.random() < 0.05:
        del data[draw.randrange(len(data)) :]
    return bytes(data)


def damaged(kind: str, draw: random.Random) -> bytes:
    """A results file with one to three things wrong."""
    document = drawn_document(kind, draw)
    for _ in range(draw.choice((1, 1, 2, 3))):
        rows = document.get("rows")
        if isinstance(rows, list) and rows and draw.random() < 0.85:
            damage_row(rows, draw)
        else:
            damage_head(document, draw)
    return written(document, draw)


CLAIMS = """[[claim]]
claim = "ska.median_ms < mhsa.median_ms @ tokens=196,dim=320"
source = "us"
[[claim]]
claim = "cska.peak_memory_bytes <= 2 * mhsa.peak_memory_bytes @ mode=train"
source = "us"
"""
PAIR = ("--mixer", "ska", "--baseline", "mhsa")
COMMANDS: dict[str, tuple[str, ...]] = {
    "compare old": ("compare", "FILE", str(DATA / "runs-forward.jsonl")),
    "compare new": ("compare", str(DATA / "runs-forward.jsonl"), "FILE", "--all", "--format", "markdown"),
    "compare itself": ("compare", "FILE", "FILE", "--allow-different-devices"),
    "roofline": ("roofline", "--hardware", "l4", "--results", "FILE"),
    "roofline plot": ("roofline", "--hardware", "l4", "--results", "FILE", "--plot", "roofline.svg"),
    "crossover": ("crossover", *PAIR, "--dim", "320", "--results", "FILE"),
    "explain": ("explain", *PAIR, "--hardware", "l4", "--results", "FILE"),
    "check": ("check", "claims.toml", "-r", "FILE", "--allow-missing"),
    "report": ("report", "--from", "FILE", "--output", "out", "--force"),
    "timed report": ("report", "--latency", "FILE", "--config", "latency.toml", "--output", "out", "--force"),
}
INCOMPLETE = "skaprof: --results: ", "skaprof: --hardware: l4: a peak of "
"""How a message may begin that names no file: what is missing from --results, or what is impossible in it."""
OFTEN = [name for name in COMMANDS for _ in range(1 if name in ("report", "timed report", "roofline plot") else 3)]
"""The commands, those that draw less often: a figure takes a hundred times as long as a word."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    (tmp_path / "claims.toml").write_text(CLAIMS)
    (tmp_path / "latency.toml").write_text('sections = ["latency"]\n')
    return tmp_path


def run(name: str, data: bytes, folder: Path) -> int:
    """The exit code of the command on a file of these bytes."""
    (folder / "damaged.json").write_bytes(data)
    with soon_and_small():
        return exit_code_of(*(word.replace("FILE", "damaged.json") for word in COMMANDS[name]))


def require_a_clear_word(name: str, code: int, said: str, data: object) -> None:
    """0 where nothing that the command needs is wrong, 2 with the file named where there is; of claims judged, 1."""
    assert code in ((0, 1, 2) if name == "check" else (0, 2)), (name, said, data)
    assert "Traceback" not in said, (name, said, data)
    assert all(line.isprintable() for line in said.split("\n")), (name, said, data)
    if code == 2:
        last = said.splitlines()[-1]
        assert last.startswith("skaprof: "), (name, said, data)
        assert "damaged.json" in last or last.startswith(INCOMPLETE), (name, said, data)


def test_damaged_results_have_one_clear_message(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    draw, seen = random.Random("skaprof results"), Counter[tuple[str, int]]()
    for _ in range(EXAMPLES):
        name = draw.choice(OFTEN)
        data = damaged(name.split()[0], draw)
        code = run(name, data, folder)
        require_a_clear_word(name, code, capfd.readouterr().err, data)
        seen[name, code] += 1
    assert {name for name, code in seen if code == 0} == {name for name, code in seen if code == 2} == set(COMMANDS)


def with_row(**changes: Any) -> Callable[[Document], None]:
    """Other values in the second row."""
    return lambda document: document["rows"][1].update(changes)


def without(key: str) -> Callable[[Document], None]:
    """The second row without a key."""
    return lambda document: document["rows"][1].pop(key)


NAMED_DAMAGES: dict[str, tuple[Callable[[Document], None], str]] = {
    **{f"{key} null": (with_row(**{key: None}), f"{key} is null") for key in NAMED[:6]},
    "ratio 0": (with_row(ratio=0), "ratio is '0'"),
    "ratio 1e60": (with_row(ratio=1e60), "ratio is '1e+60'"),
    "no rounds": (without("rounds"), "rounds is missing"),
    "no mixer": (without("mixer"), "mixer is missing"),
    "a dict in flags": (with_row(flags=[{}]), "flags is"),
    "flags a dict": (with_row(flags={}), "flags is"),
}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "report"])
@pytest.mark.parametrize("damage", NAMED_DAMAGES)
@pytest.mark.parametrize("lines", [False, True], ids=["json", "jsonl"])
def test_the_row_and_the_key_are_named(
    name: str, damage: str, lines: bool, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document, (do, words) = copy.deepcopy(TIMED), NAMED_DAMAGES[damage]
    do(document)
    rows = document["rows"]
    head = {key: value for key, value in document.items() if key != "rows"}
    text = "".join(json.dumps(line) + "\n" for line in (head, *rows)) if lines else json.dumps(document)
    assert run(name, text.encode(), folder) == 2
    said = capfd.readouterr().err
    assert ("line 3: " if lines else "row 2: ") + words in said, said
    assert "'damaged.json'" in said


def test_a_device_is_a_name(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    document = {**TIMED, "environment": {"device": {"a": [{}]}}}
    for name in COMMANDS:
        assert run(name, json.dumps(document).encode(), folder) == 2
        assert "'damaged.json' has no name as environment.device: expected a string or null\n" in capfd.readouterr().err


HARMLESS: dict[str, Callable[[Document], None]] = {
    "heads null": with_row(heads=None),
    "a lone surrogate": with_row(mixer="ska\ud800"),
    "settings.files a number": lambda document: document.update(settings={"files": 1}),
    "settings.files of lists": lambda document: document.update(settings={"files": [[], {}, None, "\ud800"]}),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("damage", HARMLESS)
def test_what_a_command_need_not_read_may_be_anything(
    name: str, damage: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document = copy.deepcopy(TIMED)
    HARMLESS[damage](document)
    code = run(name, json.dumps(document).encode(), folder)
    require_a_clear_word(name, code, capfd.readouterr().err, damage)


@pytest.mark.parametrize("files", [1, None, {}, [[]], [{}], [None], "results.json", ["\ud800"], ["../x"]])
def test_a_folder_of_a_damaged_report_is_not_replaced(
    files: Any, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [row | {"section": "formulas"} for row in REPORT["formulas"]]
    document = {**TIMED, "settings": {"title": "T", "files": files}, "rows": rows}
    (folder / "out").mkdir()
    (folder / "out" / "results.json").write_text(json.dumps(document))
    (folder / "out" / "mine.txt").write_text("mine")
    code = run("report", json.dumps(document).encode(), folder)
    assert (code, (folder / "out" / "mine.txt").read_text()) == (2, "mine")
    assert "'out' is not written" in capfd.readouterr().err
