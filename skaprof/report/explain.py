"""The gap ledger: what makes one mixer slower than another, in parts that add up to the measured difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.table import Table

from skaprof.analysis.roofline_rows import Point, Timed, timed_kernels
from skaprof.analysis.row_trust import baselines_of, faster_of
from skaprof.errors import SkaprofError, named
from skaprof.model.hardware import Hardware
from skaprof.report.numbers import significant
from skaprof.report.table import size_cells, size_columns

Row = Mapping[str, Any]

PARTS = ("compute_ms", "bandwidth_ms", "kernels_ms", "launch_ms", "faults_ms", "unexplained_ms")


class Ledger(NamedTuple):
    """Where a time goes, in ms, kernel by kernel: arithmetic or bytes at the ceilings, whichever take longer; what
    kernels of its kind and size take beyond that, below 0 where caches make them faster; and the launch.
    """

    compute_ms: float
    bandwidth_ms: float
    kernels_ms: float
    launch_ms: float


def ledger(timed: Iterable[Timed]) -> Ledger:
    """The parts of these kernels' times."""
    found = dict.fromkeys(Ledger._fields, 0.0)
    for each in timed:
        at_ceiling, known = each.ideal, each.best_known
        longest = max(at_ceiling.compute, at_ceiling.memory)
        found["compute_ms" if at_ceiling.compute >= at_ceiling.memory else "bandwidth_ms"] += 1e3 * longest
        found["kernels_ms"] += 1e3 * (max(known.compute, known.memory) - longest)
        found["launch_ms"] += 1e3 * known.launch
    return Ledger(**found)


def explained_rows(
    points: Sequence[Point],
    mixer: tuple[str, str | None],
    baseline: tuple[str, str | None],
    hardware: Hardware,
    *,
    tf32: bool = False,
) -> list[dict[str, Any]]:
    """One row for each size at which both were measured under the same conditions, with the parts of their difference.

    Args:
        mixer, baseline: the spec, and the form ("eager", "sdpa"), or None for every form that both were measured in.
        tf32: whether float32 was measured with TF32 allowed.

    Raises:
        SkaprofError: there is no such size.
    """
    ours = [point for point in points if _matches(point, mixer)]
    baselines = baselines_of([point.measured for point in points if point.measured])
    rows = [
        _row(point, other, hardware, baselines, tf32=tf32)
        for point in ours
        for other in points
        if _matches(other, baseline) and _beside(point, other, same_form=mixer[1] is None and baseline[1] is None)
    ]
    if not rows:
        measured = ", ".join(dict.fromkeys(f"{p.variant.spec.text}/{p.variant.implementation}" for p in points))
        raise SkaprofError(
            f"{named('results')}: no size at which {_named(mixer)} and {_named(baseline)} were both measured: "
            f"the file has {measured}"
        )
    return rows


def _matches(point: Point, wanted: tuple[str, str | None]) -> bool:
    spec, form = wanted
    return point.variant.spec.text == spec and form in (None, point.variant.implementation)


def _beside(point: Point, other: Point, *, same_form: bool) -> bool:
    """Whether two were measured at one size, on one device with one timing; one without heads or kernel fits any."""
    a, b = point.workload, other.workload
    alike = (a.batch, a.height, a.width, a.dim) == (b.batch, b.height, b.width, b.dim)
    shared = all(None in pair or pair[0] == pair[1] for pair in zip(a[4:], b[4:], strict=True))
    forms = not same_form or point.variant.implementation == other.variant.implementation
    conditions = point.conditions == other.conditions and point.variant.dtype == other.variant.dtype
    return alike and shared and forms and conditions


def _named(wanted: tuple[str, str | None]) -> str:
    return "/".join(word for word in wanted if word)


def _row(point: Point, other: Point, hardware: Hardware, baselines: Sequence[Row], *, tf32: bool) -> dict[str, Any]:
    row, against = point.measured or {}, other.measured or {}
    ours, theirs = (ledger(timed_kernels(each, hardware, each.peak(tf32=tf32))) for each in (point, other))
    parts = [mine - yours for mine, yours in zip(ours, theirs, strict=True)]
    parts.append(_faults_ms(row) - _faults_ms(against))
    difference = row["median_ms"] - against["median_ms"]
    return {
        **point.identity,
        "baseline": f"{other.variant.spec.text} ({other.variant.implementation})",
        "hardware": hardware.id,
        "measured_ms": row["median_ms"],
        "baseline_ms": against["median_ms"],
        "difference_ms": difference,
        "decided": faster_of(row, against, baselines) is not None,
        **dict(zip(PARTS, (*parts, difference - sum(parts)), strict=True)),
    }


def _faults_ms(row: Row) -> float:
    """What page faults cost a call; a file from before they were counted says nothing, and they stay unexplained."""
    return float(row.get("faults_ms") or 0.0)


_COLUMNS = {
    "baseline_ms": "baseline\n(ms)",
    "measured_ms": "measured\n(ms)",
    "difference_ms": "difference\n(ms)",
    "compute_ms": "compute\n(ms)",
    "bandwidth_ms": "bandwidth\n(ms)",
    "kernels_ms": "kernels\n(ms)",
    "launch_ms": "launch\n(ms)",
    "faults_ms": "faults\n(ms)",
    "unexplained_ms": "unexplained\n(ms)",
}


def explain_table(rows: Sequence[Row]) -> Table:
    """One line a size: both times, their difference, and its parts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    sizes = size_columns(rows)
    for column in sizes:
        table.add_column(column.words, no_wrap=True)
    table.add_column("baseline", no_wrap=True)
    shows_decided = not all(row["decided"] for row in rows)
    for words in _COLUMNS.values():
        table.add_column(words, justify="right", no_wrap=True)
    if shows_decided:
        table.add_column("", no_wrap=True)
    for row in rows:
        figures = (_signed(row[key], plain=key in ("baseline_ms", "measured_ms")) for key in _COLUMNS)
        decided = ["" if row["decided"] else "not decided"] if shows_decided else []
        table.add_row(*size_cells(sizes, row), row["baseline"], *figures, *decided)
    return table


def _signed(value: float, *, plain: bool) -> str:
    text = significant(abs(value), 3)
    return text if plain or not value else f"{'+' if value > 0 else '-'}{text}"


def sentences(rows: Sequence[Row], hardware: Hardware) -> list[str]:
    """What the parts mean, the largest of them over all sizes, and what the ledger cannot say."""
    decided = [row for row in rows if row["decided"]]
    found = [_shares(decided)] if decided else []
    if len(decided) < len(rows):
        found.append(
            f"Not decided: {len(rows) - len(decided)} of {len(rows)} differences, which are no larger than the noise; "
            "they are in no share."
        )
    found.append(
        "Differences are the mixer's less the baseline's, and the parts add up to them. Compute and bandwidth: each "
        "kernel's arithmetic or its bytes at the ceilings, whichever takes longer; kernels: what kernels of their kind "
        "and size take beyond that (less than 0: data stays in a cache); launch; faults: what page faults of "
        "the allocator cost; unexplained: what was measured beyond all of it."
    )
    if not hardware.calibrated:
        found.append(
            f"{hardware.id} is not calibrated: parts are those at the data sheet's ceilings, and launches and slow "
            "kernels are all unexplained; skaprof calibrate measures them."
        )
    return found


def _shares(rows: Sequence[Row]) -> str:
    """What share each part has of all that was gained and lost."""
    sums = {part: sum(abs(row[part]) for row in rows) for part in PARTS}
    whole = sum(sums.values())
    shares = [f"{part.removesuffix('_ms')} {100 * sums[part] / whole:.0f} %" for part in PARTS]
    return f"Of all that was gained and lost in {len(rows)} decided differences: {', '.join(shares)}."
