"""Runs as text: JSON, CSV and markdown, exact and complete, one row after the other as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from skaprof.results import SCHEMA_VERSION

FORMATS = ("table", "json", "csv", "markdown")
ENDINGS = {".json": "json", ".csv": "csv", ".md": "markdown", ".markdown": "markdown", ".txt": "table"}

Row = Mapping[str, Any]


def to_json(
    command: str, environment: Mapping[str, Any], rows: Iterable[Row], settings: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """The envelope of the command-line contract, with the run's settings if it has any; one row a line."""
    import json

    head: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "command": command, "environment": dict(environment)}
    head |= {} if settings is None else {"settings": dict(settings)}
    yield json.dumps(head, ensure_ascii=False, indent=2)[: -len("\n}")] + ',\n  "rows": ['
    separator = "\n    "
    for row in rows:
        yield separator + json.dumps(row, ensure_ascii=False)
        separator = ",\n    "
    yield "\n  ]\n}\n"


def flat(row: Row, dropped: Sequence[str] = ()) -> dict[str, Any]:
    """A row whose lists are joined by semicolons, for one cell of a table, without some keys."""
    return {
        key: ";".join(map(str, value)) if isinstance(value, list) else value
        for key, value in row.items()
        if key not in dropped
    }


def to_csv(rows: Iterable[Row]) -> Iterator[str]:
    """A header of keys, then one line a row; a missing value is empty, a boolean true or false."""
    import csv
    import io

    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        return
    keys = list(first)
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\r\n")  # so that a lone \r or \n in a text is quoted
    for values in chain((keys,), ([_csv_value(row[key]) for key in keys] for row in chain((first,), iterator))):
        writer.writerow(values)
        yield line.getvalue().removesuffix("\r\n") + "\n"
        line.seek(0)
        line.truncate()


def _csv_value(value: Any) -> Any:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value


def to_markdown(rows: Iterable[Row]) -> Iterator[str]:
    """A GitHub table with exact figures; keys as headers, numbers to the right."""
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        return
    keys = list(first)
    yield f"| {' | '.join(keys)} |\n"
    yield f"|{'|'.join('---' if isinstance(first[key], str) else '---:' for key in keys)}|\n"
    for row in chain((first,), iterator):
        yield f"| {' | '.join(_markdown_value(row[key]) for key in keys)} |\n"


def _markdown_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape_markdown(str(value))


def escape_markdown(text: str) -> str:
    """Text that cannot break out of a table cell: pipes, HTML, emphasis and line ends escaped."""
    text = text.replace("\\", "\\\\").replace("\n", " ").replace("\r", " ")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "|`*_[]":
        text = text.replace(mark, f"\\{mark}")
    return text
