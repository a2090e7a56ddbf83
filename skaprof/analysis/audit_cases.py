"""Which spellings each mixer has, in each framework: what an audit asks its counters about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from skaprof.analysis.plan import Plan
from skaprof.counters import SPELLINGS, Counter, Spelling
from skaprof.errors import named
from skaprof.model.spec import MixerSpec
from skaprof.workload import Workload, check_choice

_IN_OTHER_FRAMEWORKS = ("mhsa", "ska", "cska")


class Asked(NamedTuple):
    """One mixer at its sizes, in one spelling and mode."""

    spec: MixerSpec
    workload: Workload
    spelling: Spelling
    mode: str


def spellings_of(spec: MixerSpec, w: Workload) -> tuple[str, ...]:
    """The names of the spellings that this mixer has in PyTorch at these sizes."""
    kinds = {op.kind for op in spec.ops(w)}
    found = ["@", "matmul", "einsum"] if "matmul" in kinds else ["modules"]
    found += ["sdpa"] if "sdpa" in spec.forms() else []
    if spec.mixer.name == "mhsa" and w.attention_dim == w.dim:
        found += ["mha", "mha-weights", "mha-train"]
        found += [] if w.heads % 2 else ["mha-fast"]  # the fast path refuses an odd number of heads
    found += ["parent-key"] if spec.mixer.name == "ska" else []
    found += ["same", "channels-first"] if "conv2d" in kinds else []
    return (*found, "exported", "compiled")


def chosen_spellings(names: Iterable[str]) -> tuple[str, ...]:
    """The spellings named.

    Raises:
        SkaprofError: there is no such one, with the nearest name.
    """
    return tuple(check_choice(named("spelling"), name, tuple(SPELLINGS)) for name in names)


def cases_for(counter: Counter, plan: Plan, only: Collection[str] = ()) -> list[Asked]:
    """Every mixer of the plan in every spelling, or in `only` these, and mode that the counter can be asked about."""
    found = []
    for row in plan.rows():
        for spelling in _spellings_for(counter, row.variant.spec, row.workload):
            if only and spelling.name not in only:
                continue
            if counter.loader:
                found.append(Asked(row.variant.spec, row.workload, spelling, "forward"))
            if counter.training and spelling.trains:
                found.append(Asked(row.variant.spec, row.workload, spelling, "train"))
    return found


def _spellings_for(counter: Counter, spec: MixerSpec, w: Workload) -> Iterator[Spelling]:
    """The spellings of this mixer that the counter can be asked about."""
    here = spellings_of(spec, w)
    for spelling in SPELLINGS.values():
        elsewhere = spelling.framework != "torch" and spec.mixer.name in _IN_OTHER_FRAMEWORKS
        if spelling.framework in counter.frameworks and (spelling.name in here or elsewhere):
            yield spelling
