"""What both counters say of a module that has no closed form here: a count is whole, or there is none.

An op that a counter has no formula for must be known to hold no multiply-adds, else that counter's count is None and
the op is named. Two counts that differ are shown, and neither is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from skaprof.count.counters import ELSEWHERE, Counted, count_fvcore, count_torch
from skaprof.count.without_macs import holds_no_macs
from skaprof.foreign_code import UserModule, contained, reason_of
from skaprof.nn.user import built_mixer, first_that_runs
from skaprof.workload import Workload


@dataclass(frozen=True, slots=True)
class Tally:
    """A counter's MACs for each unit, None where an op in it is unknown; and those ops, or why it failed."""

    source: str
    macs: Mapping[str, int | None]
    trouble: str = ""

    @property
    def total(self) -> int | None:
        """MACs of the whole module."""
        known = [macs for macs in self.macs.values() if macs is not None]
        return sum(known) if len(known) == len(self.macs) and self.macs else None


@dataclass(frozen=True, slots=True)
class UserCount:
    """Parameters of a module, and what each counter says of one forward call."""

    params: int
    fvcore: Tally
    torch: Tally

    @property
    def macs(self) -> int | None:
        """What both counters say, or the one that knows every op; None where they differ or neither does."""
        return agreed(self.fvcore.total, self.torch.total)

    @property
    def error(self) -> str | None:
        """Why there is no count, or not both; None where both agree."""
        found = [tally.trouble for tally in (self.fvcore, self.torch) if tally.trouble]
        if self.macs is None and not found:
            found = [f"fvcore counts {self.fvcore.total:,} MACs, FlopCounterMode {self.torch.total:,}"]
        return "; ".join(found) or None

    def as_dict(self) -> dict[str, Any]:
        """The keys of a proof, and `error`. Two counts verify each other, or not; one alone leaves it open."""
        both = self.fvcore.total is not None and self.torch.total is not None
        return {
            "params_counted": self.params,
            "macs_fvcore": self.fvcore.total,
            "macs_torch": self.torch.total,
            "verified": self.macs is not None if both else None,
            "error": self.error,
        }


def agreed(fvcore: int | None, torch_count: int | None) -> int | None:
    """The count of both, or of the one there is; None where they differ."""
    if fvcore is None or torch_count is None:
        return torch_count if fvcore is None else fvcore
    return fvcore if fvcore == torch_count else None


def count_user(user: UserModule, w: Workload, dtype: str = "float32") -> UserCount:
    """What the counters say of a user's mixer at these sizes, on meta tensors if it runs there.

    Raises:
        SkaprofError: it fails to import, to build or to run, with its own error, or gives another shape.
    """
    module, x = first_that_runs(lambda device: built_mixer(user, w, dtype, device))
    return count_module(module, x)


def count_module(module: nn.Module, x: Tensor, units: Sequence[str] = ()) -> UserCount:
    """What the counters say of a module's forward call, in all and for each of the named submodules."""
    params = sum(parameter.numel() for parameter in module.parameters())
    return UserCount(
        params,
        _tally("fvcore", lambda: count_fvcore(module, x, units), units),
        _tally("FlopCounterMode", lambda: count_torch(module, x, units), units),
    )


def _tally(source: str, count: Callable[[], Counted], units: Sequence[str]) -> Tally:
    try:
        with contained():
            counted = count()
    except (Exception, SystemExit) as error:  # a counter may fail in any way on code that it was not made for
        return Tally(source, dict.fromkeys((*units, ELSEWHERE)), f"{source} fails: {reason_of(error)}")
    macs: dict[str, int | None] = {}
    unknown: dict[str, None] = {}
    for unit in (*units, ELSEWHERE):
        here = [op for op in counted.left_out.get(unit, Counter()) if not holds_no_macs(op)]
        unknown |= dict.fromkeys(here)
        macs[unit] = None if here else counted.macs.get(unit, 0)
    return Tally(source, macs, f"{source} does not know {', '.join(unknown)}" if unknown else "")
