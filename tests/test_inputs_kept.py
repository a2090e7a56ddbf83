"""No output takes the place of a file that the same command reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, Run

from skaprof.cli.output import is_one_file

DATA = ROOT / "tests" / "data"
PLUGIN = "import torch\nclass Own(torch.nn.Identity):\n    pass\n"


@pytest.fixture
def folder(tmp_path: Path, skaprof: Run) -> Path:
    """A working folder with one file of each kind that commands read, and links to the results."""
    shutil.copy(DATA / "latency.json", tmp_path / "r.json")
    shutil.copy(DATA / "latency.json", tmp_path / "r.png")
    shutil.copy(DATA / "runs.jsonl", tmp_path / "runs.jsonl")
    shutil.copy(ROOT / "claims" / "paper.toml", tmp_path / "claims.md")
    (tmp_path / "symbolic.json").symlink_to("r.json")
    (tmp_path / "hard.json").hardlink_to(tmp_path / "r.json")
    (tmp_path / "lines.json").symlink_to("runs.jsonl")
    for name in ("own.csv", "machine.txt", "net.txt"):
        (tmp_path / name).write_text(PLUGIN)
    done = skaprof("report", "--analytic-only", "--config", small(tmp_path), "--output", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def small(folder: Path) -> str:
    path = folder / "small.toml"
    path.write_text('sections = ["sizes"]\n')
    return str(path)


@pytest.mark.parametrize(
    ("command", "option", "reads"),
    [
        ("compare r.json runs.jsonl --output r.json", "--output", "OLD"),
        ("compare runs.jsonl r.json --output r.json", "--output", "NEW"),
        ("compare r.json r.json --output symbolic.json", "--output", "OLD"),
        ("compare r.json r.json --output hard.json", "--output", "OLD"),
        ("compare symbolic.json runs.jsonl --output r.json", "--output", "OLD"),
        ("compare report r.json --output report/results.json", "--output", "OLD"),
        ("check claims.md --output claims.md", "--output", "CLAIMS"),
        ("check claims.md --results r.json --output ./r.json", "--output", "--results"),
        ("roofline --results r.png --plot r.png", "--plot", "--results"),
        ("roofline --hardware machine.txt --output machine.txt", "--output", "--hardware"),
        ("crossover --results r.json --output r.json", "--output", "--results"),
        ("explain --results r.json --hardware l4 --output r.json", "--output", "--results"),
        ("model net.txt --output net.txt", "--output", "NAME"),
        ("model net.txt[stage1=ska] --output net.txt", "--output", "NAME"),
        ("search net.txt --output net.txt", "--output", "NAME"),
        ("flops --module own.csv:Own --output own.csv", "--output", "--module"),
        ("latency --module own.csv:Own --output own.csv", "--output", "--module"),
        ("latency --model net.txt --output net.txt", "--output", "--model"),
        ("latency --resume runs.jsonl --output lines.json", "--output", "--resume"),
        ("swap own.csv:Own --replace a=ska --output own.csv", "--output", "PACKAGE.MODULE:NAME"),
        ("report --from report/results.json --output report --force", "--output", "--from"),
        ("report --latency runs.jsonl --output . --force", "--output", "--latency"),
        ("report --config small.toml --output . --force", "--output", "--config"),
    ],
)
def test_an_output_that_is_an_input_is_refused(
    skaprof: Run, folder: Path, command: str, option: str, reads: str
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = skaprof(*command.split(), cwd=folder)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith(f"skaprof: {option}: ")
    assert f"which {reads} reads: expected another place" in done.stderr
    assert done.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "command",
    [
        "compare r.json hard.json --output changes.json",
        "compare r.json r.json --output runs.json",
        "report --from report/results.json --output again",
        "report --from report/results.json --output report --check",
    ],
)
def test_others_are_written(skaprof: Run, folder: Path, command: str) -> None:
    done = skaprof(*command.split(), cwd=folder)
    assert done.returncode == 0, done.stderr


def test_two_outputs_are_told_apart_by_what_they_lead_to(skaprof: Run, folder: Path) -> None:
    (folder / "a.png").hardlink_to(folder / "r.json")
    done = skaprof("flops", "--tokens", "4,9", "--output", "r.json", "--plot", "a.png", cwd=folder)
    assert done.returncode == 2
    assert "is named twice" in done.stderr


def test_what_is_not_there_is_no_file() -> None:
    assert is_one_file("nowhere", os.path.join(".", "nowhere"))
    assert not is_one_file("nowhere", "elsewhere")
    assert not is_one_file("a\0", "b")
