"""What a lasting process is asked of counters: whether it has them, and what one of them says."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from importlib.metadata import version
from typing import Any

from skaprof._version import __version__
from skaprof.counters import COUNTERS
from skaprof.errors import EXIT_MISSING, SkaprofError, named, require_package
from skaprof.machine import system_name
from skaprof.warm_python import Run

_LASTING = ExitStack()


def machine(task: Mapping[str, Any]) -> dict[str, Any]:
    """The versions of what counts here; counters run on the processor.

    Raises:
        SkaprofError: PyTorch or one of the counters is not installed (exit 3).
    """
    require_package("torch", "skaprof audit")
    counters = [COUNTERS[name] for name in task["counters"]]
    for counter in counters:
        if not counter.installed:
            raise SkaprofError(f"{named('counter')}: {counter.name} is {counter.why_absent}", EXIT_MISSING)
    return {"device": "cpu", "environment": {**versions(), **{each.name: each.version for each in counters}}}


def versions() -> dict[str, Any]:
    """Those of this program and of PyTorch, and the system."""
    return {"skaprof": __version__, "torch": version("torch"), "platform": system_name()}


def counted(task: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of a counter for the cases of a task."""
    from skaprof.count.asked import Case
    from skaprof.count.audit import rows_of_cases

    how = {"run": _forks()} if task["forks"] else {}
    cases = [Case(**case | {"sizes": tuple(case["sizes"])}) for case in task["cases"]]
    rows = rows_of_cases(COUNTERS[task["counter"]], cases, **how)
    return {"rows": [row.as_dict() for row in rows]}


@cache
def _forks() -> Run:
    """What runs a counter in a fork, for as long as this process lives."""
    from skaprof.count.audit import forking

    return _LASTING.enter_context(forking())
