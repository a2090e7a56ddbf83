"""What a plan asks for, row by row: costs, ratios to a baseline, ops, proofs, closed forms, and break-evens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from skaprof.analysis.costs import cost_row, op_rows, ratios, variant_op_costs
from skaprof.analysis.plan import Plan, PlannedRow, SizeGrid, Variant
from skaprof.errors import SkaprofError, named
from skaprof.machine import available_bytes
from skaprof.model.spec import MixerSpec
from skaprof.workload import Workload

if TYPE_CHECKING:
    from skaprof.analysis.breakeven import BreakEven
    from skaprof.answers import FormulaRow
    from skaprof.count.verification import Verification

Row = dict[str, Any]
_VECTORIZE_FROM = 5_000  # above this, one pass of numpy beats one row at a time even with numpy's import
PROOF_KEYS = (
    "params_counted",
    "macs_fvcore",
    "macs_torch",
    "verified",
    "workspace_bytes",
    "peak_allocated_bytes",
    "peak_note",
)


def planned_rows(plan: Plan, reference: MixerSpec | None = None, *, per_op: bool = False) -> Iterable[Row]:
    """The plan's rows, with ratios to `reference` at the same sizes where one is given; or the rows of their ops."""
    if not per_op and reference is None and plan.row_count > _VECTORIZE_FROM:
        from skaprof.analysis.columns import sweep_rows

        return sweep_rows(plan)
    return _one_by_one(plan, reference, per_op=per_op)


def _one_by_one(plan: Plan, reference: MixerSpec | None, *, per_op: bool) -> Iterator[Row]:
    for planned in plan.rows():
        if per_op:
            yield from (row.as_dict() for row in op_rows(planned.variant, planned.workload))
            continue
        row = cost_row(planned.variant, planned.workload).as_dict()
        if reference is not None:
            baseline = cost_row(*plan.counterpart(planned, reference)).as_dict()
            row |= {"baseline": reference.text, **ratios(row, baseline)}
        yield row


def proved_rows(
    planned: Iterable[PlannedRow],
    prove: Callable[[Variant, Workload], Verification],
    tell: Callable[[str], None],
    proofs: list[Verification],
    *,
    per_op: bool = False,
    asked: bool = True,
) -> Iterator[Row]:
    """The rows with what the counters say of each, whose proofs `proofs` gets; differences are told as they are found.

    Raises:
        SkaprofError: a row is beyond the counters; where no proof was `asked` for, that is told and the row has none.
    """
    for variant, workload, *_ in planned:
        try:
            proof = prove(variant, workload)
        except SkaprofError as error:
            if asked:
                raise
            tell(f"not proved: {error.without('verify')}")
            yield cost_row(variant, workload).as_dict() | dict.fromkeys(PROOF_KEYS)
            continue
        if proof.missing and not any(earlier.missing for earlier in proofs):
            tell(f"proved without fvcore: {proof.missing}")
        proofs.append(proof)
        for difference in proof.differences:
            tell(f"{variant.spec.text}, {workload.tokens} tokens, dim {workload.dim}, {variant.mode}: {difference}")
        if per_op:
            for row in op_rows(variant, workload):
                yield row.as_dict() | proof.of_op(row.op)
        else:
            yield cost_row(variant, workload).as_dict() | proof.as_dict()


def require_one_size(plan: Plan) -> None:
    """Raise unless every size has one value.

    Raises:
        SkaprofError: one has several.
    """
    if plan.swept:
        raise SkaprofError(f"{named(plan.swept[0])}: several values: expected one size to audit at")


def most_in_memory(plan: Plan) -> int | None:
    """How many counts on real tensors the free memory holds at once, each of the row that needs the most.

    A count needs the module, a copy of its weights to see whether they are changed, and its largest op's tensors, at
    least. None where the system does not say what is free.

    Raises:
        SkaprofError: it holds none, with what one needs.
    """
    free = available_bytes()
    if free is None:
        return None
    row = max(plan.rows(), key=_counted_bytes)
    needed = _counted_bytes(row)
    if needed > free:
        raise SkaprofError(
            f"{row.variant.spec.text}: a count on real tensors needs at least {needed / 2**30:,.1f} GiB, and "
            f"{free / 2**30:,.1f} GiB are free: expected smaller sizes"
        )
    return free // needed


def _counted_bytes(row: PlannedRow) -> int:
    costs = variant_op_costs(row.variant, row.workload)
    needed: int = 2 * sum(cost.weight_bytes for cost in costs) + max((cost.traffic_bytes for cost in costs), default=1)
    return needed


def planned_formulas(plan: Plan) -> list[FormulaRow]:
    """The closed forms of the plan's variants, each under its mixer's own text.

    Raises:
        SkaprofError: the grid has several values of a size that a formula is of one of.
    """
    from skaprof.analysis.symbolic import formula_rows

    return [
        row.replace(mixer=variant.spec.text)
        for variant in (block.variant for block in plan.blocks)
        for row in formula_rows(_with_given_sizes(variant.spec, plan.grid), variant.implementation, variant.mode)
    ]


def _with_given_sizes(spec: MixerSpec, grid: SizeGrid) -> MixerSpec:
    """The spec with the grid's one value of heads, head_dim and kernel_size, where it has the axis and no own choice.

    Raises:
        SkaprofError: several values: a formula is of one.
    """
    sizes = {"heads": grid.heads, "head_dim": grid.head_dims, "kernel_size": grid.kernel_sizes}
    for name, values in sizes.items():
        if len(values) > 1:
            raise SkaprofError(f"{named(name)}: {len(values)} values with {named('formula')}: expected one")
    has_heads, has_kernel = spec.mixer.has_heads, spec.mixer.kernel_size is not None
    applies = {"heads": has_heads, "head_dim": has_heads, "kernel_size": has_kernel}
    for name, values in sizes.items():
        if values and applies[name] and getattr(spec, name) is None:
            spec = spec._replace(**{name: values[0]})  # type: ignore[arg-type]  # the names are the three above
    return spec


class PlannedBreakEven(NamedTuple):
    """Where a variant costs less than the baseline over the tokens, by metric, its other sizes as planned."""

    variant: Variant
    baseline: str
    dim: int
    found: dict[str, BreakEven | None]


def planned_breakevens(plan: Plan, reference: MixerSpec | None) -> list[PlannedBreakEven]:
    """Each mixer's break-even with the baseline, by mode and form; none where a size other than the tokens has several.

    The baseline is `reference`, or the plan's first mixer.
    """
    from skaprof.analysis.breakeven import token_breakevens

    grid = plan.grid
    others = (grid.batches, grid.dims, grid.heads, grid.head_dims, grid.kernel_sizes)
    if any(len(values) > 1 for values in others) or grid.class_tokens:  # along grids, a class token stays one
        return []
    base = reference or plan.blocks[0].variant.spec
    found: dict[tuple[str, str, str], PlannedBreakEven] = {}
    for planned in islice(plan.rows(), len(plan.blocks)):  # one size, every variant
        variant = planned.variant
        key = (variant.spec.text, variant.mode, variant.implementation)
        if variant.spec.text != base.text and key not in found:
            ours, theirs = (variant, planned.workload), plan.counterpart(planned, base)
            costs_less = token_breakevens(ours, theirs, ("params", "macs"))
            found[key] = PlannedBreakEven(variant, base.text, int(planned.workload.dim), costs_less)
    return list(found.values())
