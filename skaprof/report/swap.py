"""A model before and after a swap, as a table and sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from skaprof.report.model import Column, percent, scaled
from skaprof.report.numbers import si

Row = Mapping[str, Any]


def swap_table(rows: Sequence[Row]) -> Table:
    """One line a submodule, and the whole model below: before, after, and the change."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    columns: list[Column] = [
        ("scope", False, lambda row: str(row["scope"])),
        ("was", False, lambda row: str(row["replaced"])),
        ("mixer", False, lambda row: str(row["mixer"])),
        ("tokens", True, lambda row: _or_dash(row["tokens"])),
        ("grid", True, lambda row: "-" if row["height"] is None else f"{row['height']} x {row['width']}"),
        ("dim", True, lambda row: _or_dash(row["dim"])),
        ("heads", True, lambda row: _or_dash(row["heads"])),
    ]
    for key, words in (("params", "params"), ("macs", "MACs")):
        columns.append(scaled(rows, f"{key}_before", f"{words}\nbefore", "", like=key))
        columns.append(scaled(rows, key, f"{words}\nafter", ""))
        columns.append(scaled(rows, f"{key}_delta", "change", "", signed=True))
    for words, is_number, _ in columns:
        table.add_column(words, justify="right" if is_number else "left", no_wrap=True)
    for place, row in enumerate(rows):
        table.add_row(*(text(row) for _, _, text in columns), end_section=place == len(rows) - 2)
    return table


def _or_dash(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def sentences(rows: Sequence[Row]) -> list[str]:
    """What the swap changes, and what the counters did not know."""
    *sites, total = rows
    told = [f"{len(sites):,} submodules replaced: {', '.join(_change(total, *words) for words in _NOUNS)}."]
    proved = sum(row["verified"] for row in sites)
    told.append(f"Verified {proved:,} of {len(sites):,} mixers: both counters and the closed forms agree.")
    if total["error"]:
        told.append(f"{'Not counted' if total['macs_delta'] is None else 'By one counter alone'}: {total['error']}.")
    return [*told, "1 MAC = one multiply-add of a linear, matrix product or convolution; FLOPs = 2 x MACs."]


_NOUNS = (("params", "parameters"), ("macs", "MACs"))


def _change(total: Row, key: str, noun: str) -> str:
    change, before = total[f"{key}_delta"], total[f"{key}_before"]
    if change is None:
        return f"no count of {noun}"
    if not change:
        return f"as many {noun}"
    relative = f" ({percent(abs(change) / before)})" if before else ""
    return f"{si(abs(change))}{relative} {'fewer' if change < 0 else 'more'} {noun}"
