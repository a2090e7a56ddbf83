"""Two saved runs compared: rows matched by what they are of, counts exactly, times by their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from skaprof.analysis.compared_devices import (
    devices_of,
    different_device,
    differing_witnesses,
    require_one_device,
)
from skaprof.analysis.row_trust import (
    COUNT_KEYS,
    RATIO,
    TIMED_KEYS,
    Bounds,
    baselines_of,
    figure,
    identity,
    plain_number,
    why_not_alike,
    why_unsound,
)
from skaprof.analysis.thresholds import ONE_SIDED, Threshold
from skaprof.answers import AuditRow, SwapRow
from skaprof.changed import ChangeRow
from skaprof.errors import SkaprofError, bad_value, named, shown, shown_path
from skaprof.measured import MeasuredRow
from skaprof.own_rows import PartRow
from skaprof.results import IDENTITY_KEYS, ResultRow
from skaprof.saved import SavedResults, several
from skaprof.workload import check_choice

_ALWAYS = (*COUNT_KEYS, "median_ms", "peak_memory_bytes")  # what else there is follows from the median
_UNCERTAIN = (*TIMED_KEYS, RATIO)
"""Figures that have intervals."""
TIME = "time"
BASES = (TIME, RATIO)
"""What times are compared by: themselves, or over the baseline's of their own file and device."""


Counted = ResultRow | PartRow | SwapRow | AuditRow
"""Rows that hold costs, whatever else: a report has formulas and break-evens beside them."""


class Change(NamedTuple):
    """One figure of one row in both files; of a whole row (`metric` None) where only one file has it.

    `kind` is "same", "more", "less" of exact figures; "faster", "slower", "overlapping" (the intervals do) or
    "undecided" (`reason` says why) of times; "lost" or "gained" where one of the two is null; "missing" or "added",
    and then `unjudged` are the figures that the row has, with nothing to hold them against.
    """

    row: Counted
    metric: str | None
    kind: str
    old: Bounds | None = None
    new: Bounds | None = None
    reason: str | None = None
    broken: tuple[Threshold, ...] = ()
    unjudged: frozenset[str] = frozenset()

    @property
    def is_told(self) -> bool:
        """Whether there is something to tell."""
        return self.kind not in ("same", "overlapping")

    @property
    def percent(self) -> float | None:
        """100 * (new - old) / old."""
        if self.old is None or self.new is None or not self.old.value:
            return None
        return float(100 * (self.new.value / self.old.value - 1))

    def as_row(self) -> ChangeRow:
        """The row that every format shows; intervals of times only."""
        old_low, old_high = self._interval(self.old)
        new_low, new_high = self._interval(self.new)
        return ChangeRow(
            **dict(zip(IDENTITY_KEYS, identity(self.row), strict=True)),
            metric=self.metric,
            change=self.kind,
            old=plain_number(self.old),
            new=plain_number(self.new),
            change_percent=self.percent,
            old_low=old_low,
            old_high=old_high,
            new_low=new_low,
            new_high=new_high,
            failed=bool(self.broken),
            reason=self.reason,
        )

    def _interval(self, bounds: Bounds | None) -> tuple[float | None, float | None]:
        if bounds is None or self.metric not in _UNCERTAIN:
            return None, None
        return float(bounds.low), float(bounds.high)


class Compared(NamedTuple):
    """Figures in the first file's order, then one-sided rows; how many rows both have; what to tell the user.

    `by` is one of `BASES`, and `devices` are those of each file.
    """

    changes: tuple[Change, ...]
    matched_rows: int
    warnings: tuple[str, ...]
    by: str = TIME
    devices: tuple[Sequence[str], Sequence[str]] = ((), ())


def compare(
    old: SavedResults,
    new: SavedResults,
    thresholds: Sequence[Threshold] = (),
    *,
    by: str = TIME,
    allow_different_devices: bool = False,
    allow_missing: bool = False,
) -> Compared:
    """Every figure of every row in both files; `by` the ratio to the baseline that alone, which may be of two devices.

    A threshold is broken, too, by a row of the first file that has its figure and no partner in the second, unless
    `allow_missing`: what is gone cannot be judged.

    Raises:
        SkaprofError: files of no costs or times, of different devices (unless allowed), or with nothing to compare
            that a threshold is about: such a check would pass whatever happened.
    """
    if allow_missing and any(threshold.metric == "missing" for threshold in thresholds):
        raise SkaprofError(f"{named('allow_missing')}: expected without {named('fail_on')} missing")
    by = check_choice(named("by"), by, BASES)
    old, new = several([old, new])
    devices = devices_of(old), devices_of(new)
    apart = allow_different_devices or by == RATIO
    if (differing := different_device(old, new)) and not apart:
        raise SkaprofError(
            f"{differing}: expected one device; to compare ratios to the baseline on each: {named('by')} ratio; to "
            f"compare times all the same: {named('allow_different_devices')}"
        )
    warnings = differing_witnesses(old, new)
    without = ("device",) if apart and devices[0] != devices[1] else ()
    if without:
        require_one_device(old, new)
    before, after = (_indexed(saved, without, warnings) for saved in (old, new))
    matched = [(row, after[key]) for key, row in before.items() if key in after]
    metrics = _metrics(thresholds, by)
    baselines = baselines_of(old.costs), baselines_of(new.costs)
    found = [change for pair in matched for change in _compare_rows(*pair, metrics, baselines)]
    missing = _one_sided(before, after, "missing", old.path, metrics)
    _require_subjects(thresholds, found if allow_missing else found + missing, len(matched))
    found += missing + _one_sided(after, before, "added", new.path, metrics)
    judged = tuple(change._replace(broken=_broken(change, thresholds, allow_missing=allow_missing)) for change in found)
    return Compared(judged, len(matched), tuple(warnings), by, devices)


def _metrics(thresholds: Sequence[Threshold], by: str) -> list[str]:
    """The figures to compare.

    Raises:
        SkaprofError: a threshold of absolute figures where ratios are compared.
    """
    asked = [threshold for threshold in thresholds if threshold.metric not in ONE_SIDED]
    if by == TIME:
        return list(dict.fromkeys((*_ALWAYS, *(threshold.metric for threshold in asked))))
    for threshold in asked:
        if threshold.metric != RATIO:
            raise bad_value(named("fail_on"), threshold.text, f"a change of {RATIO}, as {named('by')} {RATIO} compares")
    return [RATIO]


def _one_sided(
    ours: Mapping[tuple[Any, ...], Counted],
    theirs: Mapping[tuple[Any, ...], Counted],
    change: str,
    path: str,
    metrics: Iterable[str],
) -> list[Change]:
    reason = f"only in {shown_path(path)}"
    alone = [row for key, row in ours.items() if key not in theirs]
    has = [frozenset(metric for metric in metrics if getattr(row, metric, None) is not None) for row in alone]
    return [Change(row, None, change, reason=reason, unjudged=found) for row, found in zip(alone, has, strict=True)]


def _compare_rows(
    old: Counted, new: Counted, metrics: Iterable[str], baselines: tuple[Sequence[MeasuredRow], Sequence[MeasuredRow]]
) -> list[Change]:
    found = []
    for metric in metrics:
        before, after = figure(old, metric, baselines[0]), figure(new, metric, baselines[1])
        if before is None and after is None:
            continue
        if before is None or after is None:
            reason = (new if after is None else old).error
            found.append(Change(new, metric, "lost" if after is None else "gained", before, after, reason))
        elif metric not in _UNCERTAIN:
            change = "same" if before == after else "more" if after.value > before.value else "less"
            found.append(Change(new, metric, change, before, after))
        else:
            found.append(_compare_times(old, new, metric, before, after))
    return found


def _compare_times(old: Counted, new: Counted, metric: str, before: Bounds, after: Bounds) -> Change:
    """The rule for two runs apart in time: different only where the widened intervals do not overlap."""
    if not before.apart_from(after):
        return Change(new, metric, "same" if before == after else "overlapping", before, after)
    reason = why_unsound(old) or why_unsound(new) or why_not_alike(old, new)
    if reason := reason or (_other_baseline(old, new) if metric == RATIO else None):
        return Change(new, metric, "undecided", before, after, reason)
    slower = (after.value > before.value) == (metric in ("median_ms", RATIO))
    return Change(new, metric, "slower" if slower else "faster", before, after)


def _other_baseline(old: Counted, new: Counted) -> str | None:
    ours, theirs = getattr(old, "baseline", None), getattr(new, "baseline", None)
    return None if ours == theirs else f"over {ours} and over {theirs}"


def _broken(change: Change, thresholds: Iterable[Threshold], *, allow_missing: bool) -> tuple[Threshold, ...]:
    return tuple(threshold for threshold in thresholds if _breaks(change, threshold, allow_missing=allow_missing))


def _breaks(change: Change, threshold: Threshold, *, allow_missing: bool) -> bool:
    if change.metric is None:
        is_gone = change.kind == "missing" and not allow_missing
        return threshold.metric == change.kind or (is_gone and threshold.metric in change.unjudged)
    if change.metric != threshold.metric or change.kind in ("overlapping", "undecided", "gained"):
        return False
    if change.old is None or change.new is None:
        return True  # a figure was lost
    if change.metric in _UNCERTAIN and change.kind == "same":
        return False
    return threshold.is_broken_by(change.old.value, change.new.value)


def _require_subjects(thresholds: Iterable[Threshold], found: Sequence[Change], matched: int) -> None:
    figures = {change.metric for change in found}.union(*(change.unjudged for change in found))
    for threshold in thresholds:
        if threshold.metric in ONE_SIDED or threshold.metric in figures:
            continue
        why = "no row has that figure" if matched else "no row is in both"
        raise SkaprofError(f"{named('fail_on')}: {shown(threshold.text)} compares nothing in these files: {why}")


def _indexed(saved: SavedResults, without: Sequence[str], warnings: list[str]) -> dict[tuple[Any, ...], Counted]:
    """The rows by what they are of. A row that stands twice counts as it stands last."""
    comparable = [
        row for row in saved.records if isinstance(row, Counted) and (row.mixer or not isinstance(row, AuditRow))
    ]
    if not comparable:
        raise SkaprofError(
            f"{shown_path(saved.path)} holds no costs or times: expected results of flops, model, latency or report"
        )
    rows = {identity(row, without): row for row in comparable}
    if repeated := len(comparable) - len(rows):
        warnings.append(f"{shown_path(saved.path)}: {repeated:,} of its rows are repeated; the last of each counts")
    if saved.warning:
        warnings.append(saved.warning)
    return rows
