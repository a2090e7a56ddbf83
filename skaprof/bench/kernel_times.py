"""The times of the ops of calls on this processor, and what calls cost beside them: what predictions rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skaprof.analysis.kernel_model import call_costs
from skaprof.bench.allocator import put_allocator
from skaprof.bench.call_store import CallStore
from skaprof.bench.chains import measured_chains
from skaprof.model.kernel_times import KernelTime, KernelTimes, averaged

CONDITIONS = ("cpu", "torch", "threads")


def measured_kernels(
    budget: float,
    where: Mapping[str, Any],
    tick: Callable[[float], None] = lambda share: None,
    resume: str | None = None,
) -> KernelTimes:
    """The times of ops in calls over so many seconds, memory kept; PyTorch has one thread.

    Args:
        where: the environment, whose processor and PyTorch are written with them.
        resume: a file that keeps each call as it is timed, and whose calls are not timed again.

    Raises:
        SkaprofError: the file is of another machine, or of something else.
    """
    put_allocator("keep")
    conditions = conditions_of(where)
    calls = measured_chains(budget, CallStore(resume, conditions), tick)
    return KernelTimes(tuple(_kept([time for call in calls for time in call.times])), call_costs(calls), conditions)


def conditions_of(where: Mapping[str, Any]) -> dict[str, str]:
    """What a calibration holds for: processor, PyTorch, threads."""
    return {key: str(where[key]) for key in CONDITIONS if where.get(key) is not None}


MOST = 500
"""Times of a kind that are written, evenly over those measured."""


def _kept(times: Sequence[KernelTime]) -> list[KernelTime]:
    """One time a kernel; of a kind, not too many."""
    kinds: dict[tuple[str, str], list[KernelTime]] = {}
    for time in averaged(times):
        kinds.setdefault(time.kernel[:2], []).append(time)
    return [time for of_kind in kinds.values() for time in of_kind[:: -(-len(of_kind) // MOST)]]
