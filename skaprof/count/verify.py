"""The proof: the model against the built module, fvcore and FlopCounterMode, op by op.

A figure is verified when parameters and MACs of every op agree exactly with the module and with both counters, and
when each counter left out exactly the ops the model predicts it leaves out; and in eager form, when autograd saves and
a forward call holds exactly the bytes that the model says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from skaprof.analysis.costs import variant_op_costs
from skaprof.analysis.plan import Variant
from skaprof.analysis.scopes import TOTAL
from skaprof.count.counters import ELSEWHERE, Counted, count_fvcore, count_torch, count_torch_training
from skaprof.count.memory import held_in_forward, saved_by_autograd
from skaprof.count.uncounted_ops import (
    FVCORE_LAYOUT,
    FVCORE_LEAVES_OUT,
    TORCH_BACKWARD_ELEMENTWISE,
    TORCH_LAYOUT,
    TORCH_LEAVES_OUT,
    predicted,
)
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError
from skaprof.foreign_code import attempted
from skaprof.model.backbones import IMAGE_CHANNELS
from skaprof.model.cost import OpCost, total
from skaprof.model.mixers import MIXERS
from skaprof.model.network import Network, network_costs
from skaprof.model.spec import MixerSpec
from skaprof.nn import build_mixer, build_network
from skaprof.workload import Workload

MEMORY = "memory"
"""What a difference in bytes is of: what one op saves or holds depends on the others."""
BACKWARD = "backward"
"""What a difference of the whole backward pass is of, since no op can be blamed for it."""
_LARGEST_COUNT = 2**63  # fvcore multiplies shapes in 64-bit integers


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
    In the sdpa form it lacks the fused attention, which fvcore counts as nothing: that omission is predicted.
    """

    params_counted: int
    macs_fvcore: int | None
    macs_torch: int
    differences: tuple[Difference, ...]
    params_by_op: Mapping[str, int]
    macs_fvcore_by_unit: Mapping[str, int] | None
    macs_torch_by_unit: Mapping[str, int]

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
        }

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


def verify(variant: Variant, workload: Workload) -> Verification:
    """The proof of one row, on meta tensors: no memory and some 10 ms at any size.

    Raises:
        SkaprofError: the size is beyond what the counters can count or PyTorch can describe.
    """
    stated = ToProve(
        f"{variant.spec.text} at {workload.tokens:,} tokens",
        variant_op_costs(_in_forward(variant), workload),
        variant_op_costs(variant, workload),
        is_fused=variant.is_fused,
        is_training=variant.mode == "train",
        memory=("saved_bytes", "peak_bytes") if _is_ours(variant) and variant.implementation == "eager" else (),
    )
    shape = (workload.batch, workload.tokens, workload.dim)

    def prove() -> Verification:
        return _prove(stated, lambda: build_mixer(variant.spec, workload, variant.implementation), shape, variant.dtype)

    return _apart([variant.spec], prove)


def _is_ours(variant: Variant) -> bool:
    """Whether the module is one of skaprof's: an installed package's may copy where its op list does not."""
    return variant.spec.mixer.name in MIXERS


def verify_network(network: Network, dtype: str = "float32", mode: str = "forward") -> Verification:
    """The proof of a whole backbone, op by op, on meta tensors.

    Raises:
        SkaprofError: as `verify`.
    """
    stated = ToProve(
        f"{network.backbone.name} at {network.height} x {network.width}",
        network_costs(network, dtype),
        network_costs(network, dtype, mode),
        is_fused=True,  # only ops that one fused kernel runs have a group
        is_training=mode == "train",
        # what a group norm saves depends on the layout that PyTorch gave its input
        memory=("saved_bytes",) if network.implementation == "eager" and network.backbone.norm == "layer_norm" else (),
    )
    shape = (network.batch, IMAGE_CHANNELS, network.height, network.width)
    specs = [placed.spec for placed in network.stages]
    return _apart(specs, lambda: _prove(stated, lambda: build_network(network), shape, dtype))


def _apart(specs: Iterable[MixerSpec], prove: Callable[[], Verification]) -> Verification:
    """What `prove` finds; where an installed package's module takes part, any error names it.

    Raises:
        SkaprofError: that module fails.
    """
    foreign = dict.fromkeys(spec.text for spec in specs if spec.mixer.name not in MIXERS)
    if not foreign:
        return prove()
    found: Verification = attempted(f"mixer {', '.join(map(repr, foreign))}", "its module cannot run", prove)
    return found


@dataclass(frozen=True, slots=True)
class ToProve:
    """What the model says of a module: each op's cost in a forward call, and in the mode asked for.

    `is_fused`: whether ops of one group run as one kernel. `memory`: which of "saved_bytes" (in training) and
    "peak_bytes" (in forward) are proved: not those of a fused kernel, which runs on no meta tensor; nor a network's
    peak, since the calls of its submodules hold their inputs to the end.
    """

    name: str
    forward: list[OpCost]
    costs: list[OpCost]
    is_fused: bool
    is_training: bool
    memory: tuple[str, ...]

    def unit(self, cost: OpCost) -> str:
        """The submodule that runs this op: its own, or the group's where that is one fused kernel."""
        return cost.group if self.is_fused and cost.group else cost.name


def _prove(stated: ToProve, build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: str) -> Verification:
    """What the module that `build` makes and both counters say, on an input of this shape."""
    if sum(cost.macs for cost in stated.costs) >= _LARGEST_COUNT:
        raise SkaprofError(
            f"--verify: {stated.name} has more MACs than a 64-bit counter can count: expected less than 2^63"
        )
    units = list(dict.fromkeys(map(stated.unit, stated.costs)))
    try:
        module, x = _on_meta(build, shape, dtype)
        _require_units(stated, module)
        fvcore = count_fvcore(module, x, units)
        torch_forward = count_torch(module, x, units)
        training = count_torch_training(module, x, units) if stated.is_training else None
        memory = _memory_differences(stated, module, x)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise SkaprofError(f"--verify: PyTorch cannot describe {stated.name}: {reason}") from None
    differences = [
        *_params_differences(stated.costs, module),
        *_macs_differences(stated, stated.forward, fvcore, "fvcore"),
        *_macs_differences(stated, stated.forward, torch_forward, "FlopCounterMode"),
        *_leftover_differences(stated, fvcore, torch_forward),
        *memory,
    ]
    if training is not None:
        differences += _macs_differences(stated, stated.costs, training, "FlopCounterMode")
        differences += _unclassified(training)
    params = _params_by_op(module)
    counted = training if training is not None else torch_forward
    return Verification(
        sum(params.values()),
        fvcore.total if training is None else None,
        counted.total,
        tuple(differences),
        {cost.name: 0 for cost in stated.costs} | params,
        fvcore.macs if training is None else None,
        counted.macs,
    )


def _require_units(stated: ToProve, module: nn.Module) -> None:
    """Nothing, where the module has a submodule of each op's name: each op is proved alone.

    Raises:
        SkaprofError: one is missing, as an installed package's may be (exit 1).
    """
    known = {name for name, _ in module.named_modules()}
    for unit in map(stated.unit, stated.costs):
        if unit not in known:
            raise SkaprofError(
                f"{stated.name}: its module has no submodule {unit!r}, which its ops name", EXIT_CHECK_FAILED
            )


def _in_forward(variant: Variant) -> Variant:
    return Variant(variant.spec, variant.implementation, "forward", variant.dtype)


def _on_meta(build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: str) -> tuple[nn.Module, torch.Tensor]:
    torch_dtype = getattr(torch, dtype)
    with torch.device("meta"):
        return build().to(torch_dtype), torch.empty(shape, dtype=torch_dtype)


def _memory_differences(stated: ToProve, module: nn.Module, x: torch.Tensor) -> list[Difference]:
    """What autograd saves in training, what a call holds in forward: the bytes of PyTorch's own storages."""
    metric, source = ("saved_bytes", "autograd") if stated.is_training else ("peak_bytes", "PyTorch")
    expected = getattr(total(stated.costs), metric)
    if metric not in stated.memory or expected is None:
        return []
    counted = saved_by_autograd(module, x) if stated.is_training else held_in_forward(module, x)
    return [] if counted == expected else [Difference(MEMORY, metric, source, f"{expected:,}", f"{counted:,}")]


def _params_differences(costs: list[OpCost], module: nn.Module) -> list[Difference]:
    counted = _params_by_op(module)
    expected = Counter({cost.name: cost.params for cost in costs})
    return [
        Difference(op, "params", "the module", f"{expected[op]:,}", f"{counted[op]:,}")
        for op in dict.fromkeys((*expected, *counted))
        if expected[op] != counted[op]
    ]


def _params_by_op(module: nn.Module) -> Counter[str]:
    """Parameters of each submodule that holds some: an op's parameters are its submodule's, in every form."""
    counted = Counter[str]()
    for name, parameter in module.named_parameters():
        counted[name.rpartition(".")[0]] += parameter.numel()
    return counted


def _macs_differences(stated: ToProve, costs: list[OpCost], counted: Counted, source: str) -> list[Difference]:
    expected = Counter[str]()
    for cost in costs:
        unit = stated.unit(cost)
        unseen = source == "fvcore" and unit != cost.name  # fvcore counts a fused attention as nothing
        expected[unit] += 0 if unseen else cost.macs
    return [
        Difference(unit, "macs", source, f"{expected[unit]:,}", f"{counted.macs.get(unit, 0):,}")
        for unit in dict.fromkeys((*expected, *counted.macs))
        if expected[unit] != counted.macs.get(unit, 0)
    ]


def _leftover_differences(stated: ToProve, fvcore: Counted, torch_forward: Counted) -> list[Difference]:
    kinds: dict[str, tuple[str, ...]] = {ELSEWHERE: ()}
    biased: set[str] = set()
    for cost in stated.forward:
        unit = stated.unit(cost)
        kinds[unit] = ("fused_attention",) if unit != cost.name else (cost.kind,)
        if cost.kind == "linear" and cost.elementwise_flops:
            biased.add(unit)
    differences = []
    for unit, unit_kinds in kinds.items():
        bias_add = {"aten.add"} if unit in biased else set()  # PyTorch splits addmm on strided inputs
        for counted, table, ignored, source in (
            (fvcore, FVCORE_LEAVES_OUT, FVCORE_LAYOUT, "fvcore"),
            (torch_forward, TORCH_LEAVES_OUT, TORCH_LAYOUT | bias_add, "FlopCounterMode"),
        ):
            expected = predicted(table, unit_kinds)
            left_out = _without(counted.left_out.get(unit, Counter()), ignored)
            if expected != left_out:
                differences.append(Difference(unit, "ops left out", source, _listed(expected), _listed(left_out)))
    return differences


def _unclassified(training: Counted) -> list[Difference]:
    known = TORCH_LAYOUT | TORCH_BACKWARD_ELEMENTWISE | {name for names in TORCH_LEAVES_OUT.values() for name in names}
    left_out = _without(training.left_out.get(ELSEWHERE, Counter()), known)
    if not left_out:
        return []
    return [Difference(BACKWARD, "ops left out", "FlopCounterMode", "elementwise ops only", _listed(left_out))]


def _without(ops: Counter[str], names: frozenset[str] | set[str]) -> Counter[str]:
    return Counter({name: count for name, count in ops.items() if name not in names})


def _listed(ops: Counter[str]) -> str:
    return ", ".join(f"{name} x {count}" for name, count in sorted(ops.items())) or "none"
