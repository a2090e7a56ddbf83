"""Rows of figures from a planned variant and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skaprof.analysis.plan import Variant
from skaprof.model.cost import Cost, OpCost, op_costs, total
from skaprof.results import METRICS, CostRow, OpRow
from skaprof.workload import DTYPE_BYTES, Workload

RATIO_METRICS = ("params", "macs", "elementwise_flops", "traffic_bytes")


def variant_op_costs(variant: Variant, workload: Workload) -> list[OpCost]:
    """The cost of each op of the variant at these sizes. The sdpa form runs its attention group as one fused kernel."""
    ops = variant.spec.ops(workload, variant.implementation)
    return op_costs(ops, DTYPE_BYTES[variant.dtype], variant.mode, fused=variant.is_fused)


def cost_row(variant: Variant, workload: Workload) -> CostRow:
    """The variant's totals at these sizes."""
    cost = total(variant_op_costs(variant, workload))
    return CostRow(**sizes_of(variant, workload), **_figures(cost), flops_per_param=cost.flops_per_param)


def op_rows(variant: Variant, workload: Workload) -> list[OpRow]:
    """One row an op; over a variant they add up to its `cost_row`."""
    sizes = sizes_of(variant, workload)
    return [
        OpRow(**sizes, op=cost.name, kind=cost.kind, **_figures(cost)) for cost in variant_op_costs(variant, workload)
    ]


def ratios(row: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, float | None]:
    """`params_ratio`, `macs_ratio`, ... of a row over the baseline's row at the same sizes; None over zero."""
    return {f"{metric}_ratio": row[metric] / baseline[metric] if baseline[metric] else None for metric in RATIO_METRICS}


def _figures(cost: Cost | OpCost) -> dict[str, Any]:
    return {metric: getattr(cost, metric) for metric in METRICS}


def sizes_of(variant: Variant, w: Workload) -> dict[str, Any]:
    """What a row of the variant is about, by the keys of `skaprof.results.Sized`."""
    return {
        "mixer": variant.spec.text,
        "implementation": variant.implementation,
        "mode": variant.mode,
        "batch": w.batch,
        "height": w.height,
        "width": w.width,
        "tokens": w.tokens,
        "dim": w.dim,
        "heads": w.heads,
        "head_dim": w.head_dim,
        "kernel_size": w.kernel_size,
        "dtype": variant.dtype,
    }
