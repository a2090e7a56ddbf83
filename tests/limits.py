"""What a command may take of time and memory, whatever file it is given."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from skaprof.cli.app import main

resource = pytest.importorskip("resource", reason="needs a system that tells the memory used")

LONGEST_SECONDS, MOST_MIB = 10.0, 1024.0


@contextmanager
def soon_and_small() -> Iterator[None]:
    """The block takes little time and memory."""
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - start < LONGEST_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MOST_MIB


def exit_code_of(*arguments: str) -> int:
    """The exit code of a command in this process, which may leave things as it needs them; `sys.argv` is the test's."""
    sys.argv = ["skaprof", *arguments]
    return main()
