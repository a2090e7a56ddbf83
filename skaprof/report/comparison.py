"""What a comparison found, as a terminal table and as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from skaprof.analysis.comparison import Change, Compared
from skaprof.analysis.thresholds import Threshold
from skaprof.answers import ChangeRow
from skaprof.errors import printable
from skaprof.report.numbers import counted, significant
from skaprof.report.table import PlainTable, size_cells, size_columns
from skaprof.results import name_of

_STYLES = {"slower": "bold red", "lost": "bold red", "faster": "bold green", "undecided": "yellow"}
_EXTRA = ("scope", "op")


def changes_table(changes: Sequence[Change], among: Sequence[Change]) -> Table:
    """One line a change: what it is of, the two figures, the change, and the intervals of times.

    What tells rows apart is judged `among` all that were compared, not only those shown.
    """
    rows, all_rows = [change.as_row() for change in changes], [change.as_row() for change in among]
    sizes = [column for column in size_columns(all_rows) if column.key not in _EXTRA]
    extra = [key for key in _EXTRA if len({getattr(row, key) for row in all_rows}) > 1]
    table = PlainTable()
    for words in (*(column.words for column in sizes), *extra, "figure"):
        table.add_column(words, no_wrap=True)
    for words in ("old", "new", "change"):
        table.add_column(words, justify="right", no_wrap=True)
    timed = any(row.old_low is not None or row.new_low is not None for row in rows)
    for words in ("", *(("old interval", "new interval") if timed else ()), ""):
        table.add_column(words, no_wrap=True)
    for change, row in zip(changes, rows, strict=True):
        names = [*size_cells(sizes, row), *(getattr(row, key) or "-" for key in extra)]
        table.add_row(*names, *_cells(change, row, timed=timed))
    return table


def _cells(change: Change, row: ChangeRow, *, timed: bool) -> list[str | Text]:
    percent = change.percent
    intervals = _interval(row.old_low, row.old_high), _interval(row.new_low, row.new_high)
    return [
        change.metric or "-",
        _figure(row.old),
        _figure(row.new),
        "-" if percent is None else f"{percent:+.2f} %",
        Text(change.kind + (", FAILED" if change.broken else ""), style=_style(change)),
        *(intervals if timed else ()),
        row.reason or "",
    ]


def _style(change: Change) -> str:
    return "bold red" if change.broken else _STYLES.get(change.kind, "")


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else significant(value)


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{significant(low)} to {significant(high)}"


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
    sides = [f"{changes[side]:,} only in the {file} file" for side, file in _SIDES.items() if changes[side]]
    found = ["; ".join([told, *sides]) + "."]
    if changes["overlapping"]:
        found.append(f"Intervals overlap for {counted(changes['overlapping'], 'figure')}: no difference is shown.")
    return found + [threshold_sentence(compared, threshold) for threshold in thresholds]


_SIDES = {"missing": "first", "added": "second"}


def threshold_sentence(compared: Compared, threshold: Threshold) -> str:
    """How one `--fail-on` came out, with the first row that breaks it."""
    broken = [change for change in compared.changes if threshold in change.broken]
    if not broken:
        return f"--fail-on {threshold.text}: passed."
    return f"--fail-on {threshold.text}: failed {counted(len(broken), 'time')}, first {_described(broken[0])}."


def _described(change: Change) -> str:
    row = change.as_row()
    name = f"{name_of(row)} ({row.implementation})"
    if row.dim is not None:
        name += f", {row.tokens:,} tokens, dim {row.dim:,}"
    name = printable(f"{name}, {row.op}" if row.op else name)
    if change.metric is None:
        return f"{name}, {change.kind}"
    percent = "" if change.percent is None else f" ({change.percent:+.2f} %)"
    return f"{name}: {change.metric} {_figure(row.old)} to {_figure(row.new)}{percent}"
