"""Roofline: each kernel of a mixer against a machine's ceilings. Importing this loads the standard library alone.

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (2009): a kernel takes as long as
its arithmetic at the peak or its bytes at the bandwidth, whichever is longer.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from skaprof.analysis.costs import variant_op_costs
from skaprof.analysis.plan import Variant
from skaprof.answers import BOUNDS
from skaprof.model.cost import OpCost
from skaprof.model.hardware import COUNTED_IN_FLOPS, Hardware
from skaprof.model.ops import Op
from skaprof.model.spec import MixerSpec
from skaprof.workload import FUSED, Workload


class Kernel(NamedTuple):
    """What one launch runs: an op, or a fused group. `bytes` are the activations' traffic and the weights, once.

    `kind` is one of `skaprof.model.hardware.KINDS`.
    """

    name: str
    kind: str
    flops: int
    elementwise_flops: int
    bytes: int

    @property
    def intensity(self) -> float:
        """FLOPs, elementwise ones too, per byte."""
        return (self.flops + self.elementwise_flops) / self.bytes


class Times(NamedTuple):
    """Seconds of a kernel: its arithmetic, its bytes, and what comes on top for launching it."""

    compute: float
    memory: float
    launch: float

    @property
    def seconds(self) -> float:
        """The longer of arithmetic and bytes, and the launch."""
        return max(self.compute, self.memory) + self.launch

    @property
    def bound(self) -> str:
        """The largest part."""
        return max(zip(self, BOUNDS, strict=True))[1]


class Launch(NamedTuple):
    """A kernel's name and kind, and the ops that it runs."""

    name: str
    kind: str
    ops: Sequence[Op]


def kernels(variant: Variant, w: Workload) -> list[Kernel]:
    """The kernels that a forward call of the variant launches, in order."""
    costs = iter(variant_op_costs(variant, w))
    ops = variant.spec.ops(w, variant.implementation)
    return [
        _kernel(launch.name, launch.kind, list(islice(costs, len(launch.ops))))
        for launch in launches(ops, fused=variant.is_fused)
    ]


def launches(ops: Sequence[Op], *, fused: bool) -> list[Launch]:
    """The ops by the kernels that run them, in order: each fused group is one, every other op another."""
    if not fused:
        return [Launch(op.name, _kind(op), [op]) for op in ops]
    groups = [(name, list(of_group)) for name, of_group in groupby(ops, key=lambda op: op.group or op.name)]
    return [Launch(name, _attention_kind(of) if of[0].group else _kind(of[0]), of) for name, of in groups]


def _kernel(name: str, kind: str, costs: Sequence[OpCost]) -> Kernel:
    return Kernel(
        name,
        kind,
        sum(cost.flops for cost in costs),
        sum(cost.elementwise_flops for cost in costs),
        sum(cost.traffic_bytes + cost.weight_bytes for cost in costs),
    )


def _kind(op: Op) -> str:
    if op.kind == "conv2d":
        return "depthwise" if op.parameters[0].shape[1] == 1 else "conv2d"
    return op.kind if op.kind in ("linear", "matmul", "softmax", "unfold") else "elementwise"


def _attention_kind(ops: Sequence[Op]) -> str:
    """Fused kernels take other ways where queries are wider than values, as CSKA's unfolded ones are.

    What runs tile by tile is as fast as a fused kernel, or where its scores are a convolution, as matrix products.
    """
    scores, *_, mix = (op for op in ops if op.macs)
    if scores.kind == "conv2d":
        return "matmul"
    query_width, value_width = scores.contracted[0].shape[-1], mix.contracted[1].shape[-1]
    return "attention" if query_width == value_width else "attention_wide"


def ideal(kernel: Kernel, hardware: Hardware, peak: str) -> Times:
    """At the ceilings, with launches for nothing. Arithmetic of both sorts is added, and all bytes come from memory:
    a kernel that overlaps the sorts, or finds its tensors in a cache, can be faster.

    Args:
        peak: the dtype, or "tf32".

    Raises:
        SkaprofError: the machine has no such peak.
    """
    vector = hardware.vector or hardware.peak(peak)
    compute = kernel.flops / hardware.peak(peak) + kernel.elementwise_flops / vector
    return Times(compute, kernel.bytes / hardware.bandwidth, 0.0)


def predicted(kernel: Kernel, hardware: Hardware, dtype: str) -> Times | None:
    """At the rates that were measured for its kind near its size; None where the machine is not calibrated for it.

    A rate of a kind counted in FLOPs takes the place of its peak, of one counted in bytes that of the bandwidth. The
    bytes of the former move as fast as an elementwise kernel of as many moved them: small ones never leave the cache.
    """
    work = kernel.flops if kernel.kind in COUNTED_IN_FLOPS else kernel.bytes
    rate = hardware.rate(kernel.kind, dtype, work)
    if rate is None or hardware.launch is None:
        return None
    if kernel.kind in COUNTED_IN_FLOPS:
        bandwidth = max(hardware.bandwidth, hardware.rate("elementwise", dtype, kernel.bytes) or 0.0)
        return Times(work / rate, kernel.bytes / bandwidth, hardware.launch)
    vector = hardware.vector or hardware.peak(dtype)
    return Times(kernel.elementwise_flops / vector, work / rate, hardware.launch)


def total(times: Iterable[Times]) -> float:
    """Seconds of kernels that run one after the other."""
    return sum(time.seconds for time in times)


def ridge(hardware: Hardware, peak: str) -> float:
    """FLOPs per byte at which the two ceilings meet: below, memory bounds; above, arithmetic."""
    return hardware.peak(peak) / hardware.bandwidth


def has_wide_queries(spec: MixerSpec) -> bool:
    """Whether the mixer's fused kernel has queries wider than values, as CSKA's unfolded ones are."""
    w = Workload(1, 2, 2, 64, 2, 32, 3)
    return FUSED in spec.forms() and any(kernel.kind == "attention_wide" for kernel in kernels(Variant(spec, FUSED), w))
