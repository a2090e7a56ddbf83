"""Processes of our own: none outlives its parent or its time, and none gets more of the environment than it needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from skaprof.subprocesses import run_python

PATIENCE = 60.0
"""Seconds for a process to start on a machine that is busy."""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture(autouse=True)
def work_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")


def started(file: Path) -> int:
    """The process that told its number there."""
    deadline = time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(file.read_text())


def is_gone(process: int, seconds: float = 2.0) -> bool:
    """Whether it ends within so many seconds; one that only waits for its exit code to be read has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        status = Path(f"/proc/{process}/stat")
        if status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    os.kill(process, signal.SIGKILL)
    return False


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_process_ends_with_its_parent(tmp_path: Path, end: signal.Signals) -> None:
    file = tmp_path / "who"
    program = f"from skaprof.subprocesses import run_python; run_python('hostile_work', 'sleep', {str(file)!r}, 120.0)"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as parent:
        child = started(file)
        parent.send_signal(end)
        assert is_gone(child)


def test_the_pipe_alone_tells_where_the_kernel_does_not(tmp_path: Path) -> None:
    file = tmp_path / "who"
    program = (
        "import sys; sys.platform = 'other'; from skaprof.subprocesses import serve; serve('hostile_work', 'sleep', 0)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(str(file)).encode() + b"\n")
        process.stdin.flush()
        child = started(file)
        process.stdin.close()
        assert is_gone(child)
        assert process.wait() == 1


def test_a_process_that_hangs_is_ended_with_those_it_started(tmp_path: Path) -> None:
    file = tmp_path / "who"
    for longest in (1.0, 4.0, 16.0, 60.0):  # until the inner one had time to start
        ended = run_python("hostile_work", "sleep_with_a_child", str(file), longest)
        assert ended == ("", f"it gave no answer within {longest:g} s")
        if file.exists():
            break
    assert is_gone(started(file))


def test_it_gets_the_environment_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ("PATH", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "LC_ALL", "TORCH_LOGS", "LD_LIBRARY_PATH")
    others = ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "BASH_ENV", "MY_KEY", "SSH_AUTH_SOCK")
    for name in (*needed[1:], *others):
        monkeypatch.setenv(name, "")
    ended = run_python("hostile_work", "surroundings", None, PATIENCE)
    found = json.loads(ended.output)
    assert set(needed) <= set(found["names"])
    assert not set(others) & set(found["names"])
    assert found["stdin"] == ""


def test_a_task_of_any_length_arrives_and_an_end_is_told() -> None:
    assert run_python("hostile_work", "length", "x" * 2**20, PATIENCE) == (f"{2**20}\n", None)
    trouble = run_python("hostile_work", "nothing", "x" * 2**20, PATIENCE).trouble
    assert trouble is not None
    assert trouble.startswith("its process ended with code 1: AttributeError: ")
    trouble = run_python("ctypes", "string_at", 0, PATIENCE).trouble
    assert trouble == f"its process ended with code {-signal.SIGSEGV}: no message"
