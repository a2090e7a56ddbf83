"""What MACs promise against what the clock says, like with like: a mixer's form against the baseline mixer's same form,
and the best form of the one against the best of the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from skaprof.analysis.row_trust import baselines_of, faster_of, figure, noise
from skaprof.flags import unsound
from skaprof.measured import MeasuredRow
from skaprof.results import ResultRow

BEST = "best"
"""Stands for a form where each mixer's fastest was taken."""
Ends = tuple[float, float]


class Promise(NamedTuple):
    """A row that was to be timed; `macs_ratio` over the MACs of what it was timed against, None without."""

    row: ResultRow
    macs_ratio: float | None


class Compared(NamedTuple):
    """A timed row and the baseline mixer's beside it, of the same `form`, or each of the best one.

    `ratio` of times with its interval, None where it has none; `verdict` as rows have it; `unsound` are the flags that
    forbid one.
    """

    row: MeasuredRow
    other: MeasuredRow
    form: str
    ratio: float
    interval: Ends | None
    verdict: str
    unsound: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the conditions allow a verdict."""
        return self.interval is not None and not self.unsound

    @property
    def macs_ratio(self) -> float | None:
        """The row's MACs over the other's; None where one has none."""
        return self.row.macs / self.other.macs if self.other.macs and self.row.macs is not None else None

    @property
    def kind(self) -> tuple[str, ...]:
        """Mode, dtype and runtime: what no mean goes across."""
        return self.row.mode, self.row.dtype, *self.row.elsewhere


def promises(rows: Sequence[ResultRow]) -> list[Promise]:
    """Each row with its MACs over those of the baseline it was compared with."""
    macs = {(*row.session, row.contender): row.macs for row in rows}
    found = []
    for row in rows:
        baseline = macs.get((*row.session, str(row.baseline)))
        found.append(Promise(row, row.macs / baseline if baseline and row.macs is not None else None))
    return found


def same_form_pairs(rows: Iterable[ResultRow]) -> list[Compared]:
    """Each row of another mixer than the baseline's beside the baseline mixer's row of the same form, where that was
    timed too."""
    timed = [row for row in rows if isinstance(row, MeasuredRow)]
    baselines = baselines_of(timed)
    found = []
    for beside in _by_place(timed):
        for row in beside:
            others = [other for other in beside if other.name == _baseline_mixer(row)]
            others = [other for other in others if other.implementation == row.implementation]
            if row not in others and others:
                found.append(_compared(row, _of_its_heads(others, row), row.implementation, baselines))
    return found


def best_pairs(rows: Iterable[ResultRow]) -> list[Compared]:
    """Each mixer's fastest form beside the baseline mixer's, at the sizes at which several forms were timed."""
    timed = [row for row in rows if isinstance(row, MeasuredRow)]
    baselines = baselines_of(timed)
    found = []
    for beside in _by_place(timed):
        if len({row.implementation for row in beside}) < 2:
            continue
        fastest: dict[tuple[Any, ...], MeasuredRow] = {}
        for row in sorted(beside, key=lambda row: row.median_ms):
            fastest.setdefault((row.name, row.heads, row.head_dim), row)
        for row in fastest.values():
            others = [other for other in fastest.values() if other.name == _baseline_mixer(row)]
            if row not in others and others:
                found.append(_at_their_best(row, _of_its_heads(others, row), beside, baselines))
    return found


def _at_their_best(
    row: MeasuredRow, other: MeasuredRow, beside: Sequence[MeasuredRow], baselines: Sequence[MeasuredRow]
) -> Compared:
    """By the rounds that the two share where the row says so, which also chose them; else by their medians."""
    labelled = {each.contender: each for each in beside}
    own, theirs = labelled.get(row.best or ""), labelled.get(row.best_baseline or "")
    if row.ratio_best is None or own is None or theirs is None:
        return _compared(row, other, BEST, baselines)
    flags = tuple(unsound([*own.flags, *theirs.flags]))
    if row.ratio_best_low is None or row.ratio_best_high is None:
        return Compared(own, theirs, BEST, row.ratio_best, None, "inconclusive", flags)
    interval, factor = (row.ratio_best_low, row.ratio_best_high), noise(row, baselines)
    verdict = "faster" if interval[1] * factor < 1 else "slower" if interval[0] / factor > 1 else "inconclusive"
    return Compared(own, theirs, BEST, row.ratio_best, interval, verdict, flags)


def _compared(row: MeasuredRow, other: MeasuredRow, form: str, baselines: Sequence[MeasuredRow]) -> Compared:
    """By the verdict of their rounds where the one was timed against the other, else by the intervals of both."""
    if row.baseline == other.contender:
        return Compared(row, other, form, row.ratio, row.ratio_interval, row.verdict, tuple(unsound(row.flags)))
    ours, theirs = figure(row, "median_ms", baselines), figure(other, "median_ms", baselines)
    interval = None
    if ours is not None and theirs is not None and row.interval and other.interval:
        interval = float(ours.low / theirs.high), float(ours.high / theirs.low)
    winner = faster_of(row, other, baselines)
    verdict = "inconclusive" if winner is None else "faster" if winner is row else "slower"
    flags = tuple(unsound([*row.flags, *other.flags]))
    return Compared(row, other, form, row.median_ms / other.median_ms, interval, verdict, flags)


def _by_place(rows: Sequence[MeasuredRow]) -> list[list[MeasuredRow]]:
    """The rows that may be compared with each other: of one size, mode, dtype, device, timing and runtime."""
    found: dict[tuple[Any, ...], list[MeasuredRow]] = {}
    for row in rows:
        found.setdefault((row.place, row.conditions), []).append(row)
    return list(found.values())


def _baseline_mixer(row: MeasuredRow) -> str:
    """What the row was timed against, without its form: of `mhsa (eager)` mhsa."""
    return row.baseline.rpartition(" (")[0]


def _of_its_heads(others: Sequence[MeasuredRow], row: MeasuredRow) -> MeasuredRow:
    """The one with as many heads as the row, or the first."""
    return next((other for other in others if (other.heads, other.head_dim) == (row.heads, row.head_dim)), others[0])
