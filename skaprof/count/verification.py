"""What a proof found: the accounts of the module and of both counters, and where they differ from the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skaprof.analysis.scopes import TOTAL
from skaprof.count.allocator import NOT_RUN, AllocatedPeak
from skaprof.count.counters import ELSEWHERE

MEMORY = "memory"
"""What a difference in bytes is of: what one op saves or holds depends on the others."""
BACKWARD = "backward"
"""What a difference of the whole backward pass is of, since no op can be blamed for it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One op on which two accounts disagree."""

    op: str
    quantity: str
    source: str
    expected: str
    counted: str

    def __str__(self) -> str:
        return f"{self.op}: {self.quantity}: the model says {self.expected}, {self.source} {self.counted}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What the module and both counters say of one row, and where they differ from the model.

    `macs_fvcore` is None in training: fvcore counts forward calls only, and its forward count is checked all the same.
    In the sdpa form it lacks the fused attention, which fvcore counts as nothing: that omission is predicted. Where
    fvcore fails, it is None, `missing` says why, and the other accounts stand.
    """

    params_counted: int
    macs_fvcore: int | None
    macs_torch: int
    differences: tuple[Difference, ...]
    params_by_op: Mapping[str, int]
    macs_fvcore_by_unit: Mapping[str, int] | None
    macs_torch_by_unit: Mapping[str, int]
    missing: str = ""
    """Why fvcore does not testify, where it fails; then FlopCounterMode does alone."""
    allocated: AllocatedPeak | None = None
    """What the allocator says of a call in forward, where one was run."""

    @property
    def verified(self) -> bool:
        """Whether every op agrees."""
        return not self.differences

    def as_dict(self) -> dict[str, Any]:
        """The keys `--verify` adds to a row."""
        return {
            "params_counted": self.params_counted,
            "macs_fvcore": self.macs_fvcore,
            "macs_torch": self.macs_torch,
            "verified": self.verified,
            **(NOT_RUN if self.allocated is None else self.allocated.as_dict()),
        } | ({"error": self.missing} if self.missing else {})

    def of_scope(self, scope: str) -> dict[str, Any]:
        """The same keys for the ops below a scope of a network, or for "total".

        What no op can be blamed for leaves no scope verified.
        """

        def inside(op: str) -> bool:
            return scope == TOTAL or f"{op}.".startswith(f"{scope}.")

        def summed(figures: Mapping[str, int]) -> int:
            return sum(figure for op, figure in figures.items() if inside(op))

        fvcore = None if self.macs_fvcore_by_unit is None else summed(self.macs_fvcore_by_unit)
        return {
            "params_counted": summed(self.params_by_op),
            "macs_fvcore": fvcore,
            "macs_torch": summed(self.macs_torch_by_unit),
            "verified": not any(
                inside(difference.op) or difference.op in (ELSEWHERE, BACKWARD, MEMORY)
                for difference in self.differences
            ),
        }

    def of_op(self, op: str) -> dict[str, Any]:
        """The same keys for one op; counts are None inside a fused kernel, which the counters see as one."""
        fvcore = None if self.macs_fvcore_by_unit is None else self.macs_fvcore_by_unit.get(op)
        units = {op} if op in self.macs_torch_by_unit else set(self.macs_torch_by_unit) - set(self.params_by_op)
        return {
            "params_counted": self.params_by_op[op],
            "macs_fvcore": fvcore,
            "macs_torch": self.macs_torch_by_unit.get(op),
            "verified": not any(difference.op in {op, *units} for difference in self.differences),
        }
