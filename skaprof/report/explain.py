"""The gap ledger as a table and as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from skaprof.analysis.explain import PARTS
from skaprof.answers import ExplainedRow
from skaprof.model.hardware import Hardware
from skaprof.report.numbers import significant
from skaprof.report.plain_table import NARROW, PlainTable
from skaprof.report.table import add_sizes, size_cells, size_columns

_COLUMNS = {
    "baseline_ms": "baseline\n(ms)",
    "measured_ms": "measured\n(ms)",
    "difference_ms": "difference\n(ms)",
    "compute_ms": "compute\n(ms)",
    "bandwidth_ms": "bandwidth\n(ms)",
    "kernels_ms": "kernels\n(ms)",
    "launch_ms": "calls\n(ms)",
    "faults_ms": "faults\n(ms)",
    "unexplained_ms": "unexplained\n(ms)",
}


def explain_table(rows: Sequence[ExplainedRow]) -> PlainTable:
    """One line a size: both times, their difference, and its parts."""
    table = PlainTable(padding=NARROW)
    sizes = size_columns(rows)
    add_sizes(table, sizes, rows)
    table.add("baseline", folds=True)
    shows_decided = not all(row.decided for row in rows)
    for key, words in _COLUMNS.items():
        table.add(key, words=words, number=True)
    if shows_decided:
        table.add("decided", words="")
    for row in rows:
        figures = (_signed(getattr(row, key), plain=key in ("baseline_ms", "measured_ms")) for key in _COLUMNS)
        decided = ["" if row.decided else "not decided"] if shows_decided else []
        table.add_row(*size_cells(sizes, row), row.baseline, *figures, *decided, of=row)
    return table


def _signed(value: float, *, plain: bool) -> str:
    text = significant(abs(value), 3)
    return text if plain or not value else f"{'+' if value > 0 else '-'}{text}"


def sentences(rows: Sequence[ExplainedRow], hardware: Hardware) -> list[str]:
    """What the parts mean, the largest of them over all sizes, and what the ledger cannot say."""
    decided = [row for row in rows if row.decided]
    found = [_shares(decided)] if decided else []
    if len(decided) < len(rows):
        found.append(
            f"Not decided: {len(rows) - len(decided)} of {len(rows)} differences, which are no larger than the noise; "
            "they are in no share."
        )
    found.append(
        "Differences are the mixer's less the baseline's, and the parts add up to them. Compute and bandwidth: each "
        "kernel's arithmetic or its bytes at the ceilings, whichever takes longer; kernels: what kernels of their kind "
        "and size take beyond that (less than 0: data stays in a cache); calls: what a call costs beside its kernels, "
        "launches among it; faults: memory management, what page faults of the allocator cost; unexplained: what was "
        "measured beyond all of it."
    )
    if not hardware.calibrated and hardware.kernels is None:
        found.append(
            f"{hardware.id} is not calibrated: parts are those at the data sheet's ceilings, and launches and slow "
            "kernels are all unexplained; skaprof calibrate measures them."
        )
    return found


_WORDS = {"launch_ms": "calls"}


def _shares(rows: Sequence[ExplainedRow]) -> str:
    """What share each part has of all that was gained and lost."""
    sums = {part: sum(abs(getattr(row, part)) for row in rows) for part in PARTS}
    whole = sum(sums.values())
    shares = [f"{_WORDS.get(part, part.removesuffix('_ms'))} {100 * sums[part] / whole:.0f} %" for part in PARTS]
    return f"Of all that was gained and lost in {len(rows)} decided differences: {', '.join(shares)}."
