"""The proof: the model against the built module, fvcore and FlopCounterMode, op by op.

A figure is verified when parameters and MACs of every op agree exactly with the module and with both counters, and
when each counter left out exactly the ops the model predicts it leaves out; where no fused kernel runs, when autograd
saves and a forward call holds exactly the bytes that the model says; and when PyTorch's allocator hands out no more in
a call on this processor than is computed, or known to have no formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from skaprof.analysis.costs import variant_op_costs
from skaprof.analysis.plan import Variant
from skaprof.count.allocator import AllocatedPeak, allocated_peak
from skaprof.count.counters import Counted, count_fvcore, count_torch, count_torch_training
from skaprof.count.differences import (
    ClosedForms,
    allocator_differences,
    macs_differences,
    memory_differences,
    params_by_op,
    params_differences,
    unclassified_differences,
    uncounted_op_differences,
)
from skaprof.count.matmul_formulas import BlindError
from skaprof.count.uncounted_ops import GROUP_KINDS
from skaprof.count.verification import Verification
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, named
from skaprof.foreign_code import attempted, reason_of
from skaprof.model.backbones import IMAGE_CHANNELS
from skaprof.model.mixers import MIXERS
from skaprof.model.network import Network, network_costs
from skaprof.model.spec import MixerSpec
from skaprof.nn import build_mixer, build_network
from skaprof.workload import FUSED, TILED, TRITON, Workload

_BOTH = ("saved_bytes", "peak_bytes")
_PROVED_MEMORY = {"eager": _BOTH, TILED: ("saved_bytes",), TRITON: _BOTH}
"""Of PyTorch's kernel there is nothing to see; on meta tensors all tiles are one, which holds more than one does."""
_LARGEST_COUNT = 2**63  # fvcore multiplies shapes in 64-bit integers


def verify(variant: Variant, workload: Workload) -> Verification:
    """The proof of one row, on meta tensors: no memory and some 10 ms at any size.

    Raises:
        SkaprofError: the size is beyond what the counters can count or PyTorch can describe.
    """
    closed = ClosedForms(
        f"{variant.spec.text} at {workload.tokens:,} tokens",
        variant_op_costs(_in_forward(variant), workload),
        variant_op_costs(variant, workload),
        is_fused=variant.is_fused,
        group_kind=GROUP_KINDS.get(variant.implementation, ""),
        is_training=variant.mode == "train",
        memory=_PROVED_MEMORY.get(variant.implementation, ()) if _is_ours(variant) else (),
    )
    shape = (workload.batch, workload.tokens, workload.dim)

    def build() -> nn.Module:
        return build_mixer(variant.spec, workload, variant.implementation)

    def prove() -> Verification:
        allocated = None
        if _is_ours(variant) and not closed.is_training:
            allocated = allocated_peak(variant, workload, closed.costs, build)
        return _prove(closed, build, shape, variant.dtype, allocated)

    return _apart([variant.spec], prove)


def _is_ours(variant: Variant) -> bool:
    """Whether the module is one of skaprof's: an installed package's may copy where its op list does not."""
    return variant.spec.mixer.name in MIXERS


def verify_network(network: Network, dtype: str = "float32", mode: str = "forward") -> Verification:
    """The proof of a whole backbone, op by op, on meta tensors.

    Raises:
        SkaprofError: as `verify`.
    """
    closed = ClosedForms(
        f"{network.backbone.name} at {network.height} x {network.width}",
        network_costs(network, dtype),
        network_costs(network, dtype, mode),
        is_fused=True,  # only ops that one submodule runs together have a group
        group_kind=GROUP_KINDS.get(network.implementation, ""),
        is_training=mode == "train",
        # what a group norm saves depends on the layout that PyTorch gave its input
        memory=("saved_bytes",) if network.implementation != FUSED and network.backbone.norm == "layer_norm" else (),
    )
    shape = (network.batch, IMAGE_CHANNELS, network.height, network.width)
    return _apart(network.choice.kinds, lambda: _prove(closed, lambda: build_network(network), shape, dtype))


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


def _prove(
    closed: ClosedForms,
    build: Callable[[], nn.Module],
    shape: tuple[int, ...],
    dtype: str,
    allocated: AllocatedPeak | None = None,
) -> Verification:
    """What the module that `build` makes and both counters say, on an input of this shape."""
    if sum(cost.macs for cost in closed.costs) >= _LARGEST_COUNT:
        raise SkaprofError(
            f"{named('verify')}: {closed.name} has more MACs than a 64-bit counter can count: expected less than 2^63"
        )
    units = list(dict.fromkeys(map(closed.unit, closed.costs)))
    try:
        module, x = _on_meta(build, shape, dtype)
        _require_units(closed, module)
        torch_forward = count_torch(module, x, units)
        training = count_torch_training(module, x, units) if closed.is_training else None
        memory = memory_differences(closed, module, x)
        fvcore, missing = _by_fvcore(module, x, units)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise SkaprofError(f"{named('verify')}: PyTorch cannot describe {closed.name}: {reason}") from None
    differences = [
        *params_differences(closed.costs, module),
        *macs_differences(closed, closed.forward, fvcore, "fvcore"),
        *macs_differences(closed, closed.forward, torch_forward, "FlopCounterMode"),
        *uncounted_op_differences(closed, fvcore, torch_forward),
        *memory,
        *allocator_differences(allocated),
    ]
    if training is not None:
        differences += macs_differences(closed, closed.costs, training, "FlopCounterMode")
        differences += unclassified_differences(training)
    params = params_by_op(module)
    counted = training if training is not None else torch_forward
    return Verification(
        sum(params.values()),
        fvcore.total if training is None and fvcore is not None else None,
        counted.total,
        tuple(differences),
        {cost.name: 0 for cost in closed.costs} | params,
        fvcore.macs if training is None and fvcore is not None else None,
        counted.macs,
        missing,
        allocated,
    )


def _by_fvcore(module: nn.Module, x: torch.Tensor, units: Sequence[str]) -> tuple[Counted | None, str]:
    """fvcore's count; or none, and why: it may not work with a PyTorch that is newer than it."""
    try:
        return count_fvcore(module, x, units), ""
    except BlindError as error:
        return None, f"fvcore {error}"
    except Exception as error:  # in whatever way; FlopCounterMode counted the same module
        return None, f"fvcore fails: {reason_of(error)}"


def _require_units(closed: ClosedForms, module: nn.Module) -> None:
    """Raise unless the module has a submodule of each op's name: each op is proved alone.

    Raises:
        SkaprofError: one is missing, as an installed package's may be (exit 1).
    """
    known = {name for name, _ in module.named_modules()}
    for unit in map(closed.unit, closed.costs):
        if unit not in known:
            raise SkaprofError(
                f"{closed.name}: its module has no submodule {unit!r}, which its ops name", EXIT_CHECK_FAILED
            )


def _in_forward(variant: Variant) -> Variant:
    return Variant(variant.spec, variant.implementation, "forward", variant.dtype)


def _on_meta(build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: str) -> tuple[nn.Module, torch.Tensor]:
    torch_dtype = getattr(torch, dtype)
    with torch.device("meta"):
        return build().to(torch_dtype), torch.empty(shape, dtype=torch_dtype)
