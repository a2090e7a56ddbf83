"""What a comparison found, as a terminal table and as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from skaprof.analysis.comparison import Change, Compared
from skaprof.analysis.row_trust import RATIO
from skaprof.analysis.thresholds import Threshold
from skaprof.changed import ChangeRow
from skaprof.errors import printable
from skaprof.implementations import form_of
from skaprof.report.numbers import counted, signed_percent, significant, told_apart
from skaprof.report.plain_table import NARROW, PlainTable
from skaprof.report.table import add_sizes, size_cells, size_columns
from skaprof.results import name_of

_STYLES = {"slower": "bold red", "lost": "bold red", "faster": "bold green", "undecided": "yellow"}
_EXTRA = ("scope", "op")
_NAMED = 3
"""Of rows without a partner, so many are named."""


def changes_table(changes: Sequence[Change], among: Sequence[Change]) -> PlainTable:
    """One line a change: what it is of, the two figures, the change, and the intervals of times.

    What tells rows apart is judged `among` all that were compared, not only those shown.
    """
    rows, all_rows = [change.as_row() for change in changes], [change.as_row() for change in among]
    sizes = [column for column in size_columns(all_rows) if column.key not in _EXTRA]
    extra = [key for key in _EXTRA if len({getattr(row, key) for row in all_rows}) > 1]
    table = PlainTable(padding=NARROW)
    add_sizes(table, sizes, all_rows)
    for key in extra:
        table.add(key)
    table.add("metric", words="figure")
    for key, words in (("old", "old"), ("new", "new"), ("change_percent", "change")):
        table.add(key, words=words, number=True)
    table.add("change", "failed", words="")
    timed = any(row.old_low is not None or row.new_low is not None for row in rows)
    for side in ("old", "new") if timed else ():
        table.add(f"{side}_low", f"{side}_high", words=f"{side} interval")
    reasoned = any(row.reason for row in rows)
    if reasoned:
        table.add("reason", words="", folds=True)
    for change, row in zip(changes, rows, strict=True):
        names = [*size_cells(sizes, row), *(getattr(row, key) or "-" for key in extra)]
        table.add_row(*names, *_cells(change, row, timed=timed), *([row.reason or ""] if reasoned else ()), of=row)
    return table


def _cells(change: Change, row: ChangeRow, *, timed: bool) -> list[str | Text]:
    intervals = _interval(row.old_low, row.old_high), _interval(row.new_low, row.new_high)
    return [
        change.metric or "-",
        *_figures(row),
        _percent(change) or "-",
        Text(change.kind + (", FAILED" if change.broken else ""), style=_style(change)),
        *(intervals if timed else ()),
    ]


def _style(change: Change) -> str:
    return "bold red" if change.broken else _STYLES.get(change.kind, "")


def _percent(change: Change) -> str:
    """The change in per cent, to the digits that show it and which limit it is beyond."""
    limits = [float(100 * threshold.limit) for threshold in change.broken if threshold.relative]
    return "" if change.percent is None else signed_percent(change.percent, limits)


def _figures(row: ChangeRow) -> tuple[str, str]:
    """Old and new; in as many digits as tell them apart."""
    texts = _figure(row.old), _figure(row.new)
    return texts if row.old is None or row.new is None else told_apart(row.old, row.new, texts)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else significant(value)


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{significant(low)} to {significant(high)}"


def largest(compared: Compared, count: int) -> list[Change]:
    """So many of the figures that changed: those that fail first, and of these the largest change."""
    told = [change for change in compared.changes if change.metric is not None and (change.is_told or change.broken)]
    return sorted(told, key=lambda change: (not change.broken, -abs(change.percent or 0)))[:count]


def sentences(compared: Compared, thresholds: Sequence[Threshold]) -> list[str]:
    """What changed, in one sentence; then what the times show, and how each threshold came out."""
    changes = Counter(change.kind for change in compared.changes)
    changed = [change for change in compared.changes if change.is_told and change.metric]
    told = f"{counted(compared.matched_rows, 'row')} compared: "
    if changed:
        rows = len({id(change.row) for change in changed})
        told += f"{counted(len(changed), 'figure')} changed in {counted(rows, 'row')}"
    else:
        told += "nothing changed" if compared.matched_rows else "the files have no row in common"
    found = [_over_baselines(compared)] if compared.by == RATIO else []
    found += ["; ".join([told, *(_one_sided(compared, side) for side in _SIDES if changes[side])]) + "."]
    if changes["overlapping"]:
        found.append(f"Intervals overlap for {counted(changes['overlapping'], 'figure')}: no difference is shown.")
    return found + [threshold_sentence(compared, threshold) for threshold in thresholds]


def _over_baselines(compared: Compared) -> str:
    ours, theirs = (", ".join(devices) for devices in compared.devices)
    where = ours if ours == theirs else f"first {ours}, then {theirs}"
    return f"The time over the baseline's, in the same rounds on one device, {where}: slower is a higher ratio."


_SIDES = {"missing": "first", "added": "second"}


def _one_sided(compared: Compared, side: str) -> str:
    """`41 only in the first file: 25 of ska (eager), 16 of ska (sdpa)`."""
    alone = [change for change in compared.changes if change.kind == side]
    return f"{len(alone):,} only in the {_SIDES[side]} file: {_named(alone)}"


def _named(alone: Sequence[Change]) -> str:
    """Few rows with their sizes, more of them by what they are of: `25 of ska (eager), 16 of ska (sdpa)`."""
    if len(alone) <= _NAMED:
        return "; ".join(map(_of_what, alone))
    names = Counter(_of_what(change, sizes=False) for change in alone).most_common()
    parts = [f"{count:,} of {name}" for name, count in names[:_NAMED]]
    rest = sum(count for _, count in names[_NAMED:])
    return ", ".join([*parts, *([f"{rest:,} of others"] if rest else [])])


def threshold_sentence(compared: Compared, threshold: Threshold) -> str:
    """How one `--fail-on` came out, with the first row that breaks it, and the rows that nothing could judge."""
    broken = [change for change in compared.changes if threshold in change.broken]
    judged = [change for change in broken if change.metric is not None or change.kind == threshold.metric]
    gone = [change for change in broken if change.metric is None and change.kind != threshold.metric]
    told = f"--fail-on {threshold.text}: {'failed' if broken else 'passed'}"
    if judged:
        told += f" {counted(len(judged), 'time')}, first {_described(judged[0])}"
    said = [told]
    if gone:
        rows = counted(len(gone), "row")
        said.append(f"{rows} without a partner in the second file: {_named(gone)} (--allow-missing lets that pass)")
    return f"{'; '.join([*said, *_unjudged(compared, threshold.metric)])}."


def _unjudged(compared: Compared, metric: str) -> list[str]:
    """What no threshold of a figure can judge: what only the second file has, unsound times, and zeros."""
    said = []
    if rows := sum(change.kind == "added" and metric in change.unjudged for change in compared.changes):
        said.append(f"not judged: {counted(rows, 'row')} that only the second file has")
    found = [change for change in compared.changes if change.metric == metric]
    if figures := sum(change.kind == "gained" for change in found):
        said.append(f"not judged: {counted(figures, 'figure')} that only the second file has")
    if unsound := [change for change in found if change.kind == "undecided"]:
        first = f"{_of_what(unsound[0])}: {unsound[0].reason}"
        said.append(f"undecided: {counted(len(unsound), 'figure')}, first of {first}")
    values = [side.value for change in found for side in (change.old, change.new) if side]
    if values and not any(values):
        said.append(f"{metric} is 0 everywhere{_HINTS.get(metric, '')}")
    return said


_HINTS = {"saved_bytes": " (what training keeps: rows of --mode train have it)"}


def _of_what(change: Change, *, sizes: bool = True) -> str:
    """What a row is of: its name, implementation and sizes."""
    row = change.as_row()
    parts = [f"{name_of(row)} ({form_of(row.implementation, row.runtime, row.precision)})".lstrip()]
    if not sizes:
        return printable(parts[0])
    parts += [f"{row.image_height} x {row.image_width} pixels"] if row.image_height is not None else []
    parts += [f"{row.tokens:,} tokens"] if row.tokens is not None else []
    parts += [f"dim {row.dim:,}"] if row.dim is not None else []
    return printable(", ".join((*parts, *filter(None, (row.scope, row.op)))))


def _described(change: Change) -> str:
    name = _of_what(change)
    if change.metric is None:
        return f"{name}, {change.kind}"
    percent = _percent(change)
    return f"{name}: {change.metric} {' to '.join(_figures(change.as_row()))}{f' ({percent})' if percent else ''}"
