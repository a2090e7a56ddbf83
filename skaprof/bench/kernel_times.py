"""The times of the ops of calls on this processor, and what calls cost beside them: what predictions rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skaprof.analysis.kernel_model import MOST, call_costs
from skaprof.bench.allocator import put_allocator
from skaprof.bench.chains import measured_chains
from skaprof.model.kernel_times import VIEW, KernelTime, KernelTimes, fastest

CONDITIONS = ("cpu", "torch", "threads")


def measured_kernels(
    budget: float, where: Mapping[str, Any], tick: Callable[[float], None] = lambda share: None
) -> KernelTimes:
    """The times of ops in calls over so many seconds, memory kept; PyTorch has one thread.

    Args:
        where: the environment, whose processor and PyTorch are written with them.
    """
    put_allocator("keep")
    calls = measured_chains(budget, tick)
    conditions = {key: str(where[key]) for key in CONDITIONS if where.get(key) is not None}
    return KernelTimes(tuple(_kept([time for call in calls for time in call.times])), call_costs(calls), conditions)


def _kept(times: Sequence[KernelTime]) -> list[KernelTime]:
    """One time a kernel; of a kind, as many as are fitted, evenly over those measured."""
    kinds: dict[tuple[str, str], list[KernelTime]] = {}
    views = sorted(time.seconds for time in times if time.kernel.kind == VIEW)
    for time in fastest(time for time in times if time.kernel.kind != VIEW):
        kinds.setdefault(time.kernel[:2], []).append(time)
    found = [time for of_kind in kinds.values() for time in of_kind[:: max(1, len(of_kind) // MOST)]]
    view = next((time.kernel for time in times if time.kernel.kind == VIEW), None)
    return found if view is None else [KernelTime(view, views[len(views) // 2]), *found]
