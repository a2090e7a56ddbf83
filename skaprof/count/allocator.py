"""The peak of a call at PyTorch's allocator: of the module for real, on this machine's processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from skaprof.analysis.plan import Variant
from skaprof.count.memory import allocated_in_forward
from skaprof.model.cost import OpCost, total
from skaprof.model.workspace import fused_workspace, unmodelled
from skaprof.process_wide import PROCESS_WIDE
from skaprof.workload import FUSED, TRITON, Workload

MOST_MACS = 2_000_000_000
MOST_BYTES = 512 * 2**20
"""A call of more multiply-adds, or of weights and activations of more bytes, is not run."""
TOLERANCE = 0.02
NUMBERS = 64
"""Bytes that the numbers in an op, such as a scale, take as tensors of their own."""


@dataclass(frozen=True, slots=True)
class AllocatedPeak:
    """Most bytes of activations and scratch that the allocator handed out at once, and what was computed of them."""

    allocated: int
    held: int
    """Bytes of activations, and of the scratch that has a formula, when those are most."""
    workspace: int
    """How much of that is above `peak_bytes`."""
    unmodelled: str
    """What may be more than `held`, in words; "" for nothing."""

    @property
    def is_as_computed(self) -> bool:
        """Whether the two agree."""
        return abs(self.allocated - self.held) <= max(TOLERANCE * self.held, NUMBERS)

    @property
    def is_explained(self) -> bool:
        """Whether they agree, or more is known to be taken than has a formula."""
        return self.is_as_computed or (self.allocated > self.held and bool(self.unmodelled))

    def as_dict(self) -> dict[str, Any]:
        """The keys that it adds to a row."""
        beyond = "" if self.is_as_computed else self.unmodelled
        return {
            "workspace_bytes": self.workspace,
            "peak_allocated_bytes": self.allocated,
            "peak_note": f"{self.allocated / self.held - 1:.1%} above: {beyond}" if beyond else None,
        }


NOT_RUN: dict[str, Any] = {"workspace_bytes": None, "peak_allocated_bytes": None, "peak_note": None}
"""The same keys where no call was run."""


def allocated_peak(
    variant: Variant, w: Workload, costs: Sequence[OpCost], build: Callable[[], nn.Module]
) -> AllocatedPeak | None:
    """What a call of the variant's module takes; None where it has no ops, or is too large, or none for a processor."""
    cost = total(costs)
    if variant.implementation == TRITON or cost.peak_bytes is None:
        return None
    if cost.macs > MOST_MACS or cost.weight_bytes + 2 * cost.peak_bytes > MOST_BYTES:
        return None
    scratch = _workspace(variant, w, costs)
    held = max((op.peak_bytes or 0) + (scratch if op.group else 0) for op in costs)
    dtype = getattr(torch, variant.dtype)
    with PROCESS_WIDE, torch.device("cpu"):
        module, x = build().to(dtype), torch.zeros(w.batch, w.tokens, w.dim, dtype=dtype)
        allocated = allocated_in_forward(module, x)
    words = unmodelled(costs, variant.implementation, variant.dtype)
    return AllocatedPeak(allocated, int(held), int(held - cost.peak_bytes), words)


def _workspace(variant: Variant, w: Workload, costs: Sequence[OpCost]) -> int:
    """The scratch of the variant's fused kernel."""
    if variant.implementation != FUSED or any(cost.kind == "unfold" for cost in costs):
        return 0
    return fused_workspace(w, variant.dtype, torch.get_num_threads())
