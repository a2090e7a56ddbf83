"""One configuration in a process of its own (`--isolate`): the task on stdin as JSON, the rows on stdout as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from skaprof.bench.allocator import put_allocator
from skaprof.bench.configuration import Options, Row, Timed, open_device
from skaprof.bench.environment import put_tf32, put_threads
from skaprof.bench.measured_rows import failed_row
from skaprof.bench.measuring import measure_configuration
from skaprof.bench.travelling import packed, unpacked
from skaprof.subprocesses import run_python

_GRACE_SECONDS = 120.0
"""What a process gets beyond its time, to load PyTorch and to end what it is at."""
_LONGEST_SECONDS = 3600.0
"""Where nobody set a time: a configuration that takes longer hangs."""


def measure_isolated(entries: Sequence[Timed], options: Options, device: str, seconds: float) -> list[Row]:
    """The rows of one configuration, measured in a fresh process on the device of that name.

    A process that dies, or stops answering, takes its own size with it and no other: its rows say `crashed`, and its
    last words.
    """
    done = run_python("skaprof.bench.worker", "work", task_of(entries, options, seconds), longest(seconds))
    if done.trouble:
        return [failed_row(entry, device, options, "crashed", done.trouble) for entry in entries]
    rows: list[Row] = json.loads(done.output.splitlines()[-1])
    return rows


def task_of(entries: Sequence[Timed], options: Options, seconds: float) -> dict[str, Any]:
    """What another process is told to measure, of plain values."""
    return {
        "entries": list(map(packed, entries)),
        "options": options.as_dict(),
        "seconds": None if seconds == inf else seconds,
    }


def longest(seconds: float) -> float:
    """After how many a process that was given so many seconds is taken to hang."""
    return _LONGEST_SECONDS if seconds == inf else max(seconds, 0.0) + _GRACE_SECONDS


def work(task: Mapping[str, Any]) -> None:
    """What the process does."""
    options = Options(**task["options"])
    put_allocator(options.allocator)
    put_threads(options.threads)
    put_tf32(options.tf32)
    entries = list(map(unpacked, task["entries"]))
    device = open_device(options.device, siblings=1, runtimes=[entry.runtime for entry in entries])
    deadline = inf if task["seconds"] is None else device.now() + task["seconds"]
    sys.stdout.write("\n" + json.dumps(measure_configuration(entries, options, device, deadline)) + "\n")
