"""Rows of figures from a planned variant and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skaprof.analysis.plan import Variant
from skaprof.model.cost import OpCost, op_costs, total
from skaprof.results import METRICS, SIZE_KEYS, CostRow
from skaprof.workload import DTYPE_BYTES, Workload

RATIO_METRICS = ("params", "macs", "elementwise_flops", "traffic_bytes")


def variant_op_costs(variant: Variant, workload: Workload) -> list[OpCost]:
    """The cost of each op of the variant at these sizes. The sdpa form runs its attention group as one fused kernel."""
    ops = variant.spec.ops(workload, variant.implementation)
    return op_costs(ops, DTYPE_BYTES[variant.dtype], variant.mode, fused=variant.is_fused)


def cost_row(variant: Variant, workload: Workload) -> CostRow:
    """The variant's totals at these sizes."""
    cost = total(variant_op_costs(variant, workload))
    return CostRow(*_identity(variant, workload), *(getattr(cost, metric) for metric in METRICS))


def op_rows(variant: Variant, workload: Workload) -> list[dict[str, Any]]:
    """One row an op; over a variant they add up to its `cost_row`."""
    identity = dict(zip(SIZE_KEYS, _identity(variant, workload), strict=True))
    return [
        {**identity, "op": cost.name, "kind": cost.kind, **{metric: getattr(cost, metric) for metric in METRICS}}
        for cost in variant_op_costs(variant, workload)
    ]


def ratios(row: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, float | None]:
    """`params_ratio`, `macs_ratio`, ... of a row over the baseline's row at the same sizes; None over zero."""
    return {f"{metric}_ratio": row[metric] / baseline[metric] if baseline[metric] else None for metric in RATIO_METRICS}


def _identity(variant: Variant, w: Workload) -> tuple[Any, ...]:
    return (
        variant.spec.text,
        variant.implementation,
        variant.mode,
        w.batch,
        w.height,
        w.width,
        w.tokens,
        w.dim,
        w.heads,
        w.head_dim,
        w.kernel_size,
        variant.dtype,
    )
