"""What MACs promise against what the clock says: each timed row's MACs over those of the baseline it was timed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from skaprof.flags import unsound
from skaprof.measured import MeasuredRow
from skaprof.results import ResultRow


class Promise(NamedTuple):
    """A row that was to be timed; `macs_ratio` over the baseline's MACs, None without one."""

    row: ResultRow
    macs_ratio: float | None


class KeptOrNot(NamedTuple):
    """A row that was compared with its baseline under conditions that allow a verdict, with both ratios."""

    row: MeasuredRow
    macs_ratio: float
    interval: tuple[float, float]


def promises(rows: Sequence[ResultRow]) -> list[Promise]:
    """Each row with its MACs over those of the baseline it was compared with."""
    macs = {(row.place, row.conditions, row.contender): row.macs for row in rows}
    found = []
    for row in rows:
        baseline = macs.get((row.place, row.conditions, str(row.baseline)))
        found.append(Promise(row, row.macs / baseline if baseline and row.macs is not None else None))
    return found


def compared(found: Sequence[Promise]) -> list[KeptOrNot]:
    """Those that say something of both."""
    return [
        KeptOrNot(row, ratio, row.ratio_interval)
        for row, ratio in found
        if ratio is not None and isinstance(row, MeasuredRow) and row.ratio_interval is not None and is_sound(row)
    ]


def is_sound(row: MeasuredRow) -> bool:
    """Whether it was compared with the baseline under conditions that allow a verdict."""
    return row.ratio_interval is not None and not unsound(row.flags)
