"""A process that answers call after call: what dies or hangs there is told, and the next call finds a new one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from conftest import ROOT

from skaprof.lasting_python import LastingPython, Reply

TASKS = """
import os, sys, time
from skaprof.errors import SkaprofError

def number(task):
    print("printed", flush=True)
    os.write(1, b"written\\n")
    return [os.getpid(), task]

def dies(task):
    print("its last words", file=sys.stderr)
    os._exit(3)

def hangs(task):
    time.sleep(60)

def refuses(task):
    raise SkaprofError("no such device")
"""


@pytest.fixture
def python(tmp_path: Path) -> Iterator[LastingPython]:
    (tmp_path / "lasting_tasks.py").write_text(TASKS)
    made = LastingPython({**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])})
    yield made
    made.end()


def test_one_process_answers_until_it_dies_and_then_another(python: LastingPython) -> None:
    first, again = (python.call("lasting_tasks:number", task, 20).answer for task in ("ü", [1]))
    assert (first[1], again) == ("ü", [first[0], [1]])
    assert python.call("lasting_tasks:refuses", None, 20) == Reply(refused="no such device")
    assert python.call("lasting_tasks:number", 2, 20).answer == [first[0], 2]
    assert python.call("lasting_tasks:dies", None, 20) == Reply(trouble="its process ended with code 3: its last words")
    other = python.call("lasting_tasks:number", 3, 20).answer[0]
    assert other != first[0]
    assert python.call("lasting_tasks:hangs", None, 0.1) == Reply(trouble="it gave no answer within 0.1 s")
    assert not is_there(other)


def test_it_outlives_the_thread_that_called_it_and_not_its_parent(python: LastingPython, tmp_path: Path) -> None:
    caller = Thread(target=python.call, args=("lasting_tasks:number", 0, 20))
    caller.start()
    caller.join()
    time.sleep(0.05)
    number = python.call("lasting_tasks:number", 1, 20).answer[0]
    assert is_there(number)
    program = (
        "import os; from skaprof.lasting_python import LastingPython; python = LastingPython(dict(os.environ))\n"
        "print(python.call('lasting_tasks:number', 0, 20).answer[0], flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(python.variables or {}), capture_output=True, text=True, check=False
    )
    deadline = time.monotonic() + 10
    while is_there(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_there(int(done.stdout))


def is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
        return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[:1]
    except (ProcessLookupError, FileNotFoundError):
        return False
