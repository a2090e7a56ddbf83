"""The accounts of the model, the module and both counters held against each other, quantity by quantity."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from skaprof.count.allocator import AllocatedPeak
from skaprof.count.counters import ELSEWHERE, Counted
from skaprof.count.memory import held_in_forward, saved_by_autograd
from skaprof.count.uncounted_ops import (
    FVCORE_LAYOUT,
    FVCORE_LEAVES_OUT,
    TILED_GROUP,
    TORCH_BACKWARD_ELEMENTWISE,
    TORCH_LAYOUT,
    TORCH_LEAVES_OUT,
    predicted,
)
from skaprof.count.verification import BACKWARD, MEMORY, Difference
from skaprof.model.cost import OpCost, total


@dataclass(frozen=True, slots=True)
class ClosedForms:
    """What the closed forms say of a module: each op's cost in a forward call, and in the mode asked for.

    `is_fused`: whether one submodule runs all ops of a group, `group_kind` how: by PyTorch's kernel, by Triton's, or
    tile by tile. `memory`: which of "saved_bytes" (in training) and "peak_bytes" (in forward) are proved: not those of
    PyTorch's kernel, which runs on no meta tensor; nor the peak of tiles, of which there is one on meta tensors; nor a
    network's peak, since the calls of its submodules hold their inputs to the end.
    """

    name: str
    forward: list[OpCost]
    costs: list[OpCost]
    is_fused: bool
    group_kind: str
    is_training: bool
    memory: tuple[str, ...]

    def unit(self, cost: OpCost) -> str:
        """The submodule that runs this op: its own, or the group's where that is one fused kernel."""
        return cost.group if self.is_fused and cost.group else cost.name


def memory_differences(closed: ClosedForms, module: nn.Module, x: torch.Tensor) -> list[Difference]:
    """What autograd saves in training, what a call holds in forward: the bytes of PyTorch's own storages."""
    metric, source = ("saved_bytes", "autograd") if closed.is_training else ("peak_bytes", "PyTorch")
    expected = getattr(total(closed.costs), metric)
    if metric not in closed.memory or expected is None:
        return []
    counted = saved_by_autograd(module, x) if closed.is_training else held_in_forward(module, x)
    return [] if counted == expected else [Difference(MEMORY, metric, source, f"{expected:,}", f"{counted:,}")]


def allocator_differences(found: AllocatedPeak | None) -> list[Difference]:
    """What the allocator hands out in a call on a processor, against what is computed of it."""
    if found is None or found.is_explained:
        return []
    expected, counted = f"{found.held:,}", f"{found.allocated:,}"
    return [Difference(MEMORY, "peak_bytes", "PyTorch's allocator", expected, counted)]


def params_differences(costs: list[OpCost], module: nn.Module) -> list[Difference]:
    counted = params_by_op(module)
    expected = Counter({cost.name: cost.params for cost in costs})
    return [
        Difference(op, "params", "the module", f"{expected[op]:,}", f"{counted[op]:,}")
        for op in dict.fromkeys((*expected, *counted))
        if expected[op] != counted[op]
    ]


def params_by_op(module: nn.Module) -> Counter[str]:
    """Parameters of each submodule that holds some: an op's parameters are its submodule's, in every form."""
    counted = Counter[str]()
    for name, parameter in module.named_parameters():
        counted[name.rpartition(".")[0]] += parameter.numel()
    return counted


def macs_differences(
    closed: ClosedForms, costs: list[OpCost], counted: Counted | None, source: str
) -> list[Difference]:
    if counted is None:
        return []
    expected = Counter[str]()
    for cost in costs:
        unit = closed.unit(cost)
        is_kernel = unit != cost.name and closed.group_kind != TILED_GROUP  # which fvcore counts as nothing
        expected[unit] += 0 if is_kernel and source == "fvcore" else cost.macs
    return [
        Difference(unit, "macs", source, f"{expected[unit]:,}", f"{counted.macs.get(unit, 0):,}")
        for unit in dict.fromkeys((*expected, *counted.macs))
        if expected[unit] != counted.macs.get(unit, 0)
    ]


def uncounted_op_differences(closed: ClosedForms, fvcore: Counted | None, torch_forward: Counted) -> list[Difference]:
    kinds: dict[str, tuple[str, ...]] = {ELSEWHERE: ()}
    biased: set[str] = set()
    for cost in closed.forward:
        unit = closed.unit(cost)
        kinds[unit] = (closed.group_kind,) if unit != cost.name else (cost.kind,)
        if cost.kind == "linear" and cost.elementwise_flops:
            biased.add(unit)
    differences = []
    for unit, unit_kinds in kinds.items():
        bias_add = {"aten.add"} if unit in biased else set()  # PyTorch splits addmm on strided inputs
        for counted, table, ignored, source in (
            (fvcore, FVCORE_LEAVES_OUT, FVCORE_LAYOUT, "fvcore"),
            (torch_forward, TORCH_LEAVES_OUT, TORCH_LAYOUT | bias_add, "FlopCounterMode"),
        ):
            if counted is None:
                continue
            expected = predicted(table, unit_kinds)
            left_out = _without(counted.left_out.get(unit, Counter()), ignored)
            if TILED_GROUP in unit_kinds:  # how often is a matter of tiles, and some are of a convolution alone
                left_out = Counter({*left_out, *expected})
            if expected != left_out:
                differences.append(Difference(unit, "ops left out", source, _listed(expected), _listed(left_out)))
    return differences


def unclassified_differences(training: Counted) -> list[Difference]:
    known = TORCH_LAYOUT | TORCH_BACKWARD_ELEMENTWISE | {name for names in TORCH_LEAVES_OUT.values() for name in names}
    left_out = _without(training.left_out.get(ELSEWHERE, Counter()), known)
    if not left_out:
        return []
    return [Difference(BACKWARD, "ops left out", "FlopCounterMode", "elementwise ops only", _listed(left_out))]


def _without(ops: Counter[str], names: frozenset[str] | set[str]) -> Counter[str]:
    return Counter({name: count for name, count in ops.items() if name not in names})


def _listed(ops: Counter[str]) -> str:
    return ", ".join(f"{name} x {count}" for name, count in sorted(ops.items())) or "none"
