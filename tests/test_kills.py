"""The program ended from outside at moments drawn by a seed: nothing is lost, half-written or left behind.

Six ends in CI, 200 in a thorough run, and as many as SKAPROF_KILLS says.
"""

from __future__ import annotations

import csv
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import ROOT, THOROUGH
from in_process import run_here

from skaprof import neighbours
from skaprof.bench import store
from skaprof.files import write_folder, write_whole
from skaprof.saved import read_results

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
KILLS = int(os.environ.get("SKAPROF_KILLS") or (200 if THOROUGH else 6))
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)
PATIENCE = 2.0
"""Seconds until nothing of it runs any more, where each process has a core for itself."""
MARK = "SKAPROF_KILLED"
LATENCY = ("latency", "--device", "cpu", "--tokens", "4:100:4", "-m", "mhsa", "--dim", "16", "--rounds", "2")
TIMED = 'sections = ["sizes", "latency"]\n[latency]\ndevice = "cpu"\nimplementations = ["eager"]\nmax_seconds = 3\n'


class Kind(NamedTuple):
    """A command, how long it runs at most before it is ended, and what must hold of its folder then."""

    arguments: tuple[str, ...]
    seconds: float
    check: Callable[[Path, str, bool], None]


def rows_said(stderr: str) -> int:
    """How many rows the program says it measured: one of each size and of its two implementations."""
    found = re.search(r"interrupted after ([\d,]+) of", stderr)
    return 2 * int(found[1].replace(",", "")) if found else 0


def lines_are_whole(folder: Path, stderr: str, killed: bool) -> None:
    path = folder / "runs.jsonl"
    if not path.exists() or path.read_bytes() == b"":
        assert rows_said(stderr) == 0
        return
    _, rows, _, damaged = store.read(path)
    assert not damaged
    assert len(rows) >= rows_said(stderr)


def resumed_lines_are_whole(folder: Path, stderr: str, killed: bool) -> None:
    lines_are_whole(folder, stderr, killed)
    before = (folder / "before").read_bytes().splitlines()
    assert (folder / "runs.jsonl").read_bytes().splitlines()[: len(before)] == before


def forced_lines_are_whole(folder: Path, stderr: str, killed: bool) -> None:
    if (folder / "runs.jsonl").read_bytes() != (folder / "before").read_bytes():
        assert rows_said(stderr) > 0 or killed or not stderr or "interrupted" in stderr
        assert len(store.read(folder / "runs.jsonl")[1]) > 0
    lines_are_whole(folder, "", killed)


def json_is_whole(folder: Path, stderr: str, killed: bool) -> None:
    path = folder / "times.json"
    if rows_said(stderr) > 0 or path.exists():
        assert len(read_results(path, "latency").rows) >= rows_said(stderr)


def table_is_whole(folder: Path, stderr: str, killed: bool) -> None:
    path = folder / "costs.csv"
    with path.open() as stream:
        found = list(csv.DictReader(stream))
    assert path.read_text() == "old\n" or len(found) == 3 * 20_000


def report_is_whole(folder: Path, stderr: str, killed: bool) -> None:
    for name in ("report", "report.interrupted"):
        path = folder / name
        if name == "report" or path.exists():
            settings = read_results(path / "results.json", "report").settings
            assert settings is not None
            assert sorted(os.listdir(path)) == sorted(settings["files"])


KINDS = {
    "lines": Kind((*LATENCY, "--output", "runs.jsonl"), 8.0, lines_are_whole),
    "resumed": Kind((*LATENCY, "--resume", "runs.jsonl"), 8.0, resumed_lines_are_whole),
    "forced": Kind((*LATENCY, "--output", "runs.jsonl", "--force"), 6.0, forced_lines_are_whole),
    "json": Kind((*LATENCY, "--output", "times.json"), 8.0, json_is_whole),
    "isolated": Kind((*LATENCY, "--isolate", "--output", "runs.jsonl"), 14.0, lines_are_whole),
    "flops": Kind(("flops", "--tokens", "1:20000", "--output", "costs.csv"), 3.5, table_is_whole),
    "report": Kind(("report", "--analytic-only", "--force", "--output", "report"), 6.0, report_is_whole),
    "timed report": Kind(("report", "--config", "timed.toml", "--force", "--output", "report"), 8.0, report_is_whole),
}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands in the folder before each command."""
    folder = tmp_path_factory.mktemp("before")
    short = [word if word != "4:100:4" else "4,8" for word in LATENCY]
    for arguments in ((*short, "--output", "runs.jsonl"), ("report", "--analytic-only", "--output", "report")):
        assert run_here(*arguments, cwd=folder).returncode == 0
    return folder


def surroundings(mark: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), MARK: mark}


def filled(folder: Path, kind: str, before: Path) -> None:
    """The folder as the command finds it."""
    if kind in ("resumed", "forced"):
        for name in ("runs.jsonl", "before"):
            (folder / name).write_bytes((before / "runs.jsonl").read_bytes())
    if "report" in kind:
        (folder / "report").mkdir()
        for file in (before / "report").iterdir():
            (folder / "report" / file.name).write_bytes(file.read_bytes())
        (folder / "timed.toml").write_text(TIMED)
    if kind == "flops":
        (folder / "costs.csv").write_text("old\n")


def alive(mark: str) -> Iterator[int]:
    """The processes that were started with this mark in their environment, and still run."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and f"{MARK}={mark}\0".encode() in (process / "environ").read_bytes():
                yield int(process.name)
        except OSError:  # it has ended, or is another user's
            continue


def heed_signals() -> None:
    """A process that was started in the background ignores some, and so would those that it starts."""
    for number in SIGNALS[:3]:
        signal.signal(number, signal.SIG_DFL)


def ended(kind: str, folder: Path, number: int, seconds: float, mark: str) -> tuple[int, str]:
    """Start a command, end it, and return its exit code and what it said, once nothing of it runs any more."""
    program = [sys.executable, "-m", "skaprof", *KINDS[kind].arguments]
    with (folder / "stderr").open("w+") as said:
        process = subprocess.Popen(
            program,
            cwd=folder,
            env=surroundings(mark),
            stdout=said,
            stderr=said,
            preexec_fn=heed_signals,  # noqa: PLW1509  # one thread
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        patience = PATIENCE * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))
        deadline = time.monotonic() + patience
        while (left := list(alive(mark))) and time.monotonic() < deadline:
            process.poll()
            time.sleep(0.02)
        for other in left:
            os.kill(other, signal.SIGKILL)
        code = process.wait()
        said.seek(0)
        words = said.read()
        assert left == [], f"{kind}, {number} after {seconds:.3f} s, runs on after {patience:.1f} s: {words}"
        return code, words


def taken_away(folder: Path) -> list[str]:
    """The hidden names that stay in the folder after the next process has written there."""
    for name in ("runs.jsonl", "times.json", "costs.csv"):
        write_whole("--output", str(folder / name), [""])
    write_folder("--output", str(folder / "report"), {}, lambda _: None)
    return [name for name in os.listdir(folder) if name.startswith(".")]


@pytest.mark.parametrize("number", range(KILLS))
def test_nothing_is_lost_half_written_or_left(
    number: int, before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_YOUNGEST_LEFT", -1.0)
    draw = random.Random(f"skaprof {number}")
    kind, end = list(KINDS)[number % len(KINDS)], SIGNALS[number // len(KINDS) % len(SIGNALS)]
    if len(KINDS) * len(SIGNALS) > KILLS:
        end = draw.choice(SIGNALS)
    seconds = draw.uniform(0.1, KINDS[kind].seconds)
    filled(tmp_path, kind, before)
    code, stderr = ended(kind, tmp_path, end, seconds, f"{os.getpid()}-{number}")
    case = f"{kind}, {end.name} after {seconds:.3f} s: exit code {code}: {stderr}"
    assert code in (0, -end, 128 + end), case
    assert "Traceback" not in stderr, case
    hidden = [name for name in os.listdir(tmp_path) if name.startswith(".")]
    assert hidden == [] or end == signal.SIGKILL, case
    KINDS[kind].check(tmp_path, stderr, end == signal.SIGKILL)
    assert taken_away(tmp_path) == [], case
