"""Imported accuracies, as a table and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from skaprof.published import ImportedRow
from skaprof.report.model import Column, scaled, table_of
from skaprof.report.numbers import counted
from skaprof.report.plain_table import PlainTable


def imported_table(rows: Sequence[ImportedRow]) -> PlainTable:
    """One line a model of the file."""
    columns = [
        Column(("model",), "model", False, lambda row: row.model),
        Column(("data",), "data", False, lambda row: row.data or "-"),
        Column(("accuracy",), "accuracy\n(%)", True, _percent),
        Column(("mixers",), "mixers", False, lambda row: row.mixers or "-"),
        Column(("image_height", "image_width"), "image", True, _image),
        scaled(rows, "params", "params", ""),
        scaled(rows, "macs", "MACs", ""),
        scaled(rows, "peak_bytes", "peak", "B"),
        scaled(rows, "saved_bytes", "kept in\ntraining", "B"),
    ]
    table = table_of(columns)
    for row in rows:
        table.add_row(*(column.text(row) for column in columns), of=row)
    return table


def _percent(row: ImportedRow) -> str:
    """To one place, or two where the second says something."""
    return f"{100 * (row.accuracy or 0):.2f}".removesuffix("0")


def _image(row: ImportedRow) -> str:
    return "-" if row.image_height is None else f"{row.image_height} x {row.image_width}"


def sentences(rows: Sequence[ImportedRow]) -> list[str]:
    """How many were joined, why others were not, and that none was measured here."""
    joined = [row for row in rows if row.network is not None]
    told = [f"{len(joined):,} of {counted(len(rows), 'model')} joined to exact costs; no accuracy was measured here."]
    why: dict[str, list[str]] = {}
    for row in rows:
        if row.network is None:
            why.setdefault((row.note or "").rpartition("; ")[2], []).append(row.model)
    for reason, models in why.items():
        shown = ", ".join(models[:_MOST_NAMED]) + (
            f" and {len(models) - _MOST_NAMED:,} more" if len(models) > _MOST_NAMED else ""
        )
        told.append(f"Without costs: {shown}: {reason}.")
    told += [f"{row.model}: {row.note}." for row in joined if row.note]
    told += [f"Source: {source}." for source in dict.fromkeys(row.source for row in rows)]
    return told


_MOST_NAMED = 3
