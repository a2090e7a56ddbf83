"""What ends the program from outside: nothing measured is lost, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from skaprof import neighbours
from skaprof.cli import signals
from skaprof.cli.app import _message_and_exit_code
from skaprof.cli.signals import Signals
from skaprof.errors import named
from skaprof.files import write_folder, write_whole

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")
OUTPUT = named("output")
LATENCY = ("latency", "--device", "cpu", "--tokens", "4:400:4", "-m", "mhsa", "--dim", "32")
FLOPS = ("flops", "--tokens", "1:60000", "--format", "csv")


def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "skaprof", *arguments]
    return subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True, env=environment, **options)


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_was_measured_is_kept_and_shown(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "runs.jsonl"
    with started(*LATENCY, "--output", str(path), "--format", "json") as process:
        wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= 3, process)
        process.send_signal(number)
        process.send_signal(number)  # as a terminal that is closed does
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stderr
    assert "interrupted after" in stderr
    assert "Traceback" not in stderr
    saved = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert json.loads(stdout)["rows"][: len(saved)] == saved
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_file_that_is_being_written_goes_with_its_process(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "costs.csv"
    path.write_text("old")
    with started(*FLOPS, "--output", str(path)) as process:
        wait_until(lambda: len(os.listdir(tmp_path)) > 1, process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (128 + number, "skaprof: interrupted\n")
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_text() == "old"


def test_what_a_killed_process_left_the_next_one_takes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "costs.csv"
    with started(*FLOPS, "--output", str(path)) as process:
        wait_until(lambda: bool(os.listdir(tmp_path)), process)
        monkeypatch.setattr(neighbours, "_YOUNGEST_LEFT", -1.0)
        wait_until(lambda: any(file.stat().st_size for file in tmp_path.iterdir()), process)
        write_whole(OUTPUT, str(path), ["ours"])
        assert len(os.listdir(tmp_path)) == 2, "what a process still writes is let be"
        process.kill()
        process.communicate()
    (tmp_path / ".costs.csv.own").write_text("a user's")
    write_whole(OUTPUT, str(path), ["new"])
    assert sorted(os.listdir(tmp_path)) == [".costs.csv.own", "costs.csv"]


def test_nohup_is_respected(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    with started("flops", "--tokens", "1:20000", "--output", str(path), preexec_fn=ignore) as process:
        wait_until(lambda: bool(os.listdir(tmp_path)), process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert path.read_text().count("\n") > 20_000


def test_a_signal_within_the_text_of_an_exec_exits_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import signal\nfrom skaprof import __main__\nfrom skaprof.cli import app\n"
        "app.main = lambda: exec('signal.raise_signal(signal.SIGTERM)')\n__main__.run()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "program"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (143, "skaprof: interrupted\n")


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator[Signals]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before, hook = [signal.getsignal(number) for number in numbers], sys.unraisablehook
    monkeypatch.setattr(signals, "_AGAIN", 0.001)
    found = Signals()
    found.watch()
    yield found
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    sys.unraisablehook = hook


def test_a_second_hang_up_interrupts_again_only_later(watching: Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(signals, "_ONCE", 0.0)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert watching.exit_code(130) == 129


@pytest.mark.usefixtures("watching")
def test_a_signal_that_comes_while_python_cleans_up_is_not_lost() -> None:
    class Leaving:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def wait() -> None:
        Leaving()
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        wait()


@pytest.mark.parametrize("longest", [60.0, 0.0])
def test_a_module_is_loaded_before_a_signal_ends_the_program(
    watching: Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, longest: float
) -> None:
    (tmp_path / "slow_to_load.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGTERM)\ntime.sleep(0.1)\n"
        "import sys\nsys.modules['was_loaded'] = sys\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "was_loaded", raising=False)
    monkeypatch.setattr(signals, "_LONGEST_IMPORT", longest)

    def load() -> None:
        import_module("slow_to_load")
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        load()
    assert ("was_loaded" in sys.modules) == (longest > 0)
    assert watching.first == signal.SIGTERM
    for name in ("was_loaded", "slow_to_load"):
        sys.modules.pop(name, None)


def test_an_error_that_follows_a_signal_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecursionError) as caught:
        raise RecursionError("a half-loaded package")
    assert _message_and_exit_code(caught.value)[1] == 70
    monkeypatch.setattr(signals.SIGNALS, "first", signal.SIGTERM)
    assert _message_and_exit_code(caught.value) == ("interrupted", 130)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "report"
    write_folder(OUTPUT, str(folder), {"old": b"1"}, None)
    return folder


def test_a_folder_is_exchanged_in_one_step_or_in_three(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(OUTPUT, str(report), {"new": b"2"}, lambda _: None)
    assert os.listdir(report) == ["new"]
    monkeypatch.setattr(neighbours, "_exchanged_at_once", lambda *_: False)
    write_folder(OUTPUT, str(report), {"newer": b"3"}, lambda _: None)
    assert os.listdir(report) == ["newer"]
    assert os.listdir(report.parent) == ["report"]


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
def test_linux_has_no_moment_without_the_folder(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "rename", None)
    write_folder(OUTPUT, str(report), {"new": b"2"}, lambda _: None)
    assert os.listdir(report) == ["new"]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_signal_between_two_renames_loses_nothing(report: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    rename, done = Path.rename, []

    def interrupted(self: Path, target: Path) -> Path:
        done.append(target)
        if len(done) == step:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(neighbours, "_exchanged_at_once", lambda *_: False)
    monkeypatch.setattr(neighbours, "_YOUNGEST_LEFT", -1.0)
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_folder(OUTPUT, str(report), {"new": b"2"}, lambda _: None)
    monkeypatch.setattr(Path, "rename", rename)
    assert os.listdir(report) == (["new"] if step == 3 else ["old"])
    write_folder(OUTPUT, str(report), {"newer": b"3"}, lambda _: None)
    assert os.listdir(report.parent) == ["report"]


def test_a_folder_that_a_killed_process_put_aside_is_put_back(report: Path) -> None:
    report.rename(f"{neighbours.neighbour_of(report)}.old")
    with pytest.raises(Exception, match="it is there already"):
        write_folder(OUTPUT, str(report), {"new": b"2"}, None)
    assert os.listdir(report) == ["old"]
    assert os.listdir(report.parent) == ["report"]
