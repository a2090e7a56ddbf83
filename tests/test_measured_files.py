"""A file of measurements: never emptied unasked, and written by one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT, Run

from skaprof import locks
from skaprof.bench.store import Store
from skaprof.errors import SkaprofError
from skaprof.locks import Held, Lock

FAST = ("latency", "--device", "cpu", "--tokens", "9", "--dim", "16", "-m", "mhsa", "--rounds", "2")
HEAD = {"command": "skaprof latency"}


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the lock of the file."""
    program = f"from skaprof.locks import Lock; kept = Lock({str(path)!r}); print('held', flush=True); input()"
    settings = {"cwd": ROOT, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, **settings) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_file_that_is_there_is_refused_and_kept(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text("hours of work\n")
    done = skaprof(*FAST, "--output", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    for word in ("--output: ", str(path), "is there already", "--resume", "--force"):
        assert word in done.stderr
    assert path.read_text() == "hours of work\n"
    done = skaprof(*FAST, "--resume", str(path), "--force")
    assert done.returncode == 2
    assert "--force replaces a file, and --resume goes on with one" in done.stderr


@pytest.mark.usefixtures("steady_clock")
def test_force_replaces_it_and_an_empty_one_needs_none(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.touch()
    for force in ([], ["--force"], ["--force"]):
        done = skaprof(*FAST, "--output", str(path), *force)
        assert done.returncode == 0, done.stderr
        assert path.read_text().count("\n") == 3
    assert os.listdir(tmp_path) == [path.name]


def test_force_gives_nothing_up_before_there_is_something_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text("hours of work\n")
    store = Store(path)
    store.start(HEAD, force=True)
    assert path.read_text() == "hours of work\n"
    store.append([{"mixer": "ska"}])
    store.append([{"mixer": "mhsa"}])
    assert path.read_text() == '{"command": "skaprof latency"}\n{"mixer": "ska"}\n{"mixer": "mhsa"}\n'
    store.close()
    again = Store(path)
    again.start(HEAD, force=True)
    again.rewrite([{"mixer": "cska"}])
    again.close()
    assert path.read_text() == '{"command": "skaprof latency"}\n{"mixer": "cska"}\n'


def test_a_start_that_fails_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.jsonl"

    def full(*_: object) -> None:
        raise SkaprofError("No space left on device")

    monkeypatch.setattr("skaprof.bench.store.append", full)
    with pytest.raises(SkaprofError, match="No space"):
        Store(path).start(HEAD)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not locks.HAS_LOCKS, reason="the system has no such locks")
@pytest.mark.parametrize("option", ["--output", "--resume"])
def test_a_second_process_is_refused_and_told_by_whom(skaprof: Run, tmp_path: Path, option: str) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text("measuring\n")
    with held_elsewhere(path) as other:
        for force in ([], ["--force"])[: 2 if option == "--output" else 1]:
            done = skaprof(*FAST, option, str(path), *force)
            assert (done.returncode, done.stdout) == (2, "")
            assert f"{option}: '{path}' is being written by " in done.stderr
            if locks._LOCKS.exists():
                assert f"process {other.pid} on {os.uname().nodename}, since 2" in done.stderr
        with pytest.raises(SkaprofError, match="is being written by"):  # it may have come in meanwhile
            Store(path).start(HEAD, force=True)
    assert path.read_text() == "measuring\n"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(not locks.HAS_LOCKS, reason="the system has no such locks")
def test_the_lock_outlives_a_rewrite_and_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    store = Store(path)
    store.start(HEAD)
    store.append([{"mixer": "ska"}])
    store.rewrite([{"mixer": "mhsa"}])
    with pytest.raises(Held):
        Lock(path)
    store.close()
    with held_elsewhere(path) as other:
        with pytest.raises(Held):
            Lock(path)
        other.kill()
        other.wait()
        Lock(path).release()


@pytest.mark.skipif(not locks.HAS_LOCKS, reason="the system has no such locks")
def test_a_file_that_was_replaced_between_opening_and_locking_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, taken = tmp_path / "runs.jsonl", []

    def replaced(descriptor: int) -> bool:
        if not taken:
            (tmp_path / "new").write_text("new")
            os.replace(tmp_path / "new", path)
        taken.append(os.fstat(descriptor).st_ino)
        return True

    path.write_text("old")
    monkeypatch.setattr(locks, "take", replaced)
    Lock(path).release()
    assert taken[-1] == path.stat().st_ino
    assert len(taken) == 2


def test_where_the_system_tells_nothing_it_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_LOCKS", Path("/nowhere"))
    assert locks._owner(1) == "another process"


def test_a_system_without_locks_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "HAS_LOCKS", False)
    path = tmp_path / "runs.jsonl"
    for force in (False, True):
        store = Store(path)
        store.start(HEAD, force=force)
        store.append([{"mixer": "ska"}])
    assert path.read_text().count("\n") == 2
