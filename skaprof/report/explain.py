"""The gap ledger: what makes one mixer slower than another, in parts that add up to the measured difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.table import Table

from skaprof.errors import SkaprofError
from skaprof.model.hardware import Hardware
from skaprof.report.ceilings import Point, Timed, timed_kernels
from skaprof.report.numbers import significant
from skaprof.report.table import size_cells, size_columns

Row = Mapping[str, Any]

PARTS = ("compute_ms", "bandwidth_ms", "launch_ms", "unexplained_ms")


class Ledger(NamedTuple):
    """Where a time goes, in ms: each kernel's arithmetic or its bytes, whichever is longer, and its launch."""

    compute_ms: float
    bandwidth_ms: float
    launch_ms: float


def ledger(timed: Iterable[Timed]) -> Ledger:
    """The parts of these kernels' times."""
    found = dict.fromkeys(Ledger._fields, 0.0)
    for each in timed:
        compute, memory, launch = each.best_known
        found["compute_ms" if compute >= memory else "bandwidth_ms"] += 1e3 * max(compute, memory)
        found["launch_ms"] += 1e3 * launch
    return Ledger(**found)


def explained_rows(
    points: Sequence[Point], mixer: tuple[str, str | None], baseline: tuple[str, str | None], hardware: Hardware
) -> list[dict[str, Any]]:
    """One row for each size at which both were measured in the same dtype, with the parts of their difference.

    Args:
        mixer, baseline: the spec, and the form ("eager", "sdpa"), or None for every form that both were measured in.

    Raises:
        SkaprofError: there is no such size.
    """
    ours = [point for point in points if _matches(point, mixer)]
    rows = [
        _row(point, other, hardware)
        for point in ours
        for other in points
        if _matches(other, baseline) and _beside(point, other, same_form=mixer[1] is None and baseline[1] is None)
    ]
    if not rows:
        measured = ", ".join(dict.fromkeys(f"{p.variant.spec.text}/{p.variant.implementation}" for p in points))
        raise SkaprofError(
            f"--results: no size at which {_named(mixer)} and {_named(baseline)} were both measured: "
            f"the file has {measured}"
        )
    return rows


def _matches(point: Point, wanted: tuple[str, str | None]) -> bool:
    spec, form = wanted
    return point.variant.spec.text == spec and form in (None, point.variant.implementation)


def _beside(point: Point, other: Point, *, same_form: bool) -> bool:
    """Whether two were measured at one size: heads and kernels are each mixer's own."""
    a, b = point.workload, other.workload
    alike = (a.batch, a.height, a.width, a.dim) == (b.batch, b.height, b.width, b.dim)
    heads = None in (a.heads, b.heads) or (a.heads, a.head_dim) == (b.heads, b.head_dim)
    forms = not same_form or point.variant.implementation == other.variant.implementation
    return alike and heads and forms and point.variant.dtype == other.variant.dtype


def _named(wanted: tuple[str, str | None]) -> str:
    return "/".join(word for word in wanted if word)


def _row(point: Point, other: Point, hardware: Hardware) -> dict[str, Any]:
    assert point.measured_ms is not None
    assert other.measured_ms is not None
    ours, theirs = (ledger(timed_kernels(each, hardware, each.variant.dtype)) for each in (point, other))
    parts = [mine - yours for mine, yours in zip(ours, theirs, strict=True)]
    difference = point.measured_ms - other.measured_ms
    return {
        **point.identity,
        "baseline": f"{other.variant.spec.text} ({other.variant.implementation})",
        "hardware": hardware.id,
        "measured_ms": point.measured_ms,
        "baseline_ms": other.measured_ms,
        "difference_ms": difference,
        **dict(zip(PARTS, (*parts, difference - sum(parts)), strict=True)),
    }


_COLUMNS = {
    "baseline_ms": "baseline\n(ms)",
    "measured_ms": "measured\n(ms)",
    "difference_ms": "difference\n(ms)",
    "compute_ms": "compute\n(ms)",
    "bandwidth_ms": "bandwidth\n(ms)",
    "launch_ms": "launch\n(ms)",
    "unexplained_ms": "unexplained\n(ms)",
}


def explain_table(rows: Sequence[Row]) -> Table:
    """One line a size: both times, their difference, and its parts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    sizes = size_columns(rows)
    for column in sizes:
        table.add_column(column.words, no_wrap=True)
    table.add_column("baseline", no_wrap=True)
    for words in _COLUMNS.values():
        table.add_column(words, justify="right", no_wrap=True)
    for row in rows:
        figures = (_signed(row[key], plain=key in ("baseline_ms", "measured_ms")) for key in _COLUMNS)
        table.add_row(*size_cells(sizes, row), row["baseline"], *figures)
    return table


def _signed(value: float, *, plain: bool) -> str:
    text = significant(abs(value), 3)
    return text if plain or not value else f"{'+' if value > 0 else '-'}{text}"


def sentences(rows: Sequence[Row], hardware: Hardware) -> list[str]:
    """What the parts mean, the largest of them over all sizes, and what the ledger cannot say."""
    sums = {part: sum(abs(row[part]) for row in rows) for part in PARTS}
    whole = sum(sums.values())
    shares = (
        ", ".join(f"{part.removesuffix('_ms')} {100 * sums[part] / whole:.0f} %" for part in PARTS) if whole else ""
    )
    found = [f"Of all that was gained and lost over {len(rows)} sizes: {shares}."] if whole else []
    found.append(
        "Differences are the mixer's less the baseline's, and the four parts add up to them. A kernel's time is its "
        "arithmetic or its bytes, whichever takes longer, and its launch; unexplained is what was measured beyond that."
    )
    if not hardware.calibrated:
        found.append(
            f"{hardware.id} is not calibrated: parts are those at the data sheet's ceilings, and launches and slow "
            "kernels are all unexplained; skaprof calibrate measures them."
        )
    return found
