"""What a comparison found, as a terminal table and as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from skaprof.analysis.comparison import Compared, Comparison
from skaprof.analysis.thresholds import Threshold
from skaprof.errors import printable
from skaprof.report.numbers import counted, significant
from skaprof.report.table import size_cells, size_columns
from skaprof.results import name_of

Row = Mapping[str, Any]

_STYLES = {"slower": "bold red", "lost": "bold red", "faster": "bold green", "undecided": "yellow"}
_EXTRA = ("scope", "op")


def changes_table(comparisons: Sequence[Comparison], among: Sequence[Comparison]) -> Table:
    """One line a comparison: what it is of, the two figures, the change, and the intervals of times.

    What tells rows apart is judged `among` all that were compared, not only those shown.
    """
    rows = [_shown_row(comparison) for comparison in comparisons]
    sizes = size_columns([_shown_row(comparison) for comparison in among])
    extra = [key for key in _EXTRA if len({comparison.row.get(key) for comparison in among}) > 1]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for words in (*(column.words for column in sizes), *extra, "figure"):
        table.add_column(words, no_wrap=True)
    for words in ("old", "new", "change"):
        table.add_column(words, justify="right", no_wrap=True)
    timed = any(row["old_low"] is not None or row["new_low"] is not None for row in rows)
    for words in ("", *(("old interval", "new interval") if timed else ()), ""):
        table.add_column(words, no_wrap=True)
    for comparison, row in zip(comparisons, rows, strict=True):
        names = [*size_cells(sizes, row), *(printable(comparison.row.get(key) or "-") for key in extra)]
        table.add_row(*names, *_cells(comparison, row, timed=timed))
    return table


def _shown_row(comparison: Comparison) -> dict[str, Any]:
    """The comparison as a terminal may show it; its op is left to `_EXTRA`, which names ops where there are any."""
    row = comparison.as_dict()
    return {key: printable(row[key]) if isinstance(row[key], str) else row[key] for key in row if key != "op"}


def _cells(comparison: Comparison, row: Row, *, timed: bool) -> list[str | Text]:
    percent = comparison.change_percent
    intervals = [_interval(row[f"{side}_low"], row[f"{side}_high"]) for side in ("old", "new")]
    return [
        comparison.metric or "-",
        _figure(row["old"]),
        _figure(row["new"]),
        "-" if percent is None else f"{percent:+.2f} %",
        Text(comparison.change + (", FAILED" if comparison.broken else ""), style=_style(comparison)),
        *(intervals if timed else ()),
        row["reason"] or "",
    ]


def _style(comparison: Comparison) -> str:
    return "bold red" if comparison.broken else _STYLES.get(comparison.change, "")


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else significant(value)


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{significant(low)} to {significant(high)}"


def sentences(compared: Compared, thresholds: Sequence[Threshold]) -> list[str]:
    """What changed, in one sentence; then what the times show, and how each threshold came out."""
    changes = Counter(comparison.change for comparison in compared.comparisons)
    changed = [comparison for comparison in compared.comparisons if comparison.changed and comparison.metric]
    told = f"{counted(compared.matched_rows, 'row')} compared: "
    if changed:
        rows = len({id(comparison.row) for comparison in changed})
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
    broken = [comparison for comparison in compared.comparisons if threshold in comparison.broken]
    if not broken:
        return f"--fail-on {threshold.text}: passed."
    return f"--fail-on {threshold.text}: failed {counted(len(broken), 'time')}, first {_described(broken[0])}."


def _described(comparison: Comparison) -> str:
    row = comparison.as_dict()
    name = f"{name_of(row)} ({row['implementation']})"
    if row["dim"] is not None:
        name += f", {row['tokens']:,} tokens, dim {row['dim']:,}"
    name = printable(f"{name}, {row['op']}" if row["op"] else name)
    if comparison.metric is None:
        return f"{name}, {comparison.change}"
    percent = "" if comparison.change_percent is None else f" ({comparison.change_percent:+.2f} %)"
    return f"{name}: {comparison.metric} {_figure(row['old'])} to {_figure(row['new'])}{percent}"
