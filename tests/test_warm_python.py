"""Processes that are forks of one: each ends as a process of its own would, and takes nothing else with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT

from skaprof.subprocesses import Ended
from skaprof.warm_python import Run, warm_python


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")
        with warm_python("fake_counters", "obey", ["skaprof.workload", "no_such_module"]) as found:
            yield found


@pytest.mark.parametrize(
    ("deed", "trouble"),
    [
        ("say", None),
        ("fail", "its process ended with code 1: ZeroDivisionError: so it goes"),
        ("leave", "its process ended with code 3: no message"),
        ("die", "its process ended with code -6: "),
    ],
)
def test_a_fork_ends_as_any_process_does(run: Run, deed: str, trouble: str | None) -> None:
    output, found = run([deed, "a", "b"], 60)
    assert output == "a b\n" or deed == "die"
    assert found == trouble or (deed == "die" and str(found).startswith(str(trouble)))


def test_a_fork_that_stays_is_ended(run: Run) -> None:
    assert run(["stay", "still"], 0.3) == Ended("still\n", "it gave no answer within 0.3 s")


def test_forks_run_beside_each_other(run: Run) -> None:
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda word: run(["say", word * 100_000], 60), "abcd"))
    assert found == [Ended(f"{word * 100_000}\n", None) for word in "abcd"]


def test_whoever_ends_is_not_kept_by_one_that_stays(run: Run) -> None:
    with ThreadPoolExecutor() as pool:
        napping = pool.submit(run, ["nap", "a"], 60)
        time.sleep(0.1)
        staying = pool.submit(run, ["stay", "b"], 1.5)
        assert napping.result() == Ended("a\n", None)
        assert not staying.done()


def test_without_modules_to_load_each_process_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")
    with warm_python("fake_counters", "obey", ()) as run:
        assert run(["leave", "a"], 60) == Ended("a\n", "its process ended with code 3: no message")
