"""Runs as text: JSON, CSV and markdown, exact and complete, one row after the other as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from skaprof.errors import printable
from skaprof.grids import parse_choices
from skaprof.measured import MeasuredRow, result_row
from skaprof.records import Record
from skaprof.results import METRICS, SCHEMA_VERSION, ResultRow, values_of

FORMATS = ("table", "json", "csv", "markdown")
SPOKEN_FORMATS = ("table", "markdown")
"""The formats with room for sentences."""
COST_FORMATS = (*FORMATS, "bmf")
"""The formats of commands whose rows are costs or times."""
ENDINGS = {".json": "json", ".csv": "csv", ".md": "markdown", ".markdown": "markdown", ".txt": "table"}

Row = Mapping[str, Any] | Record
"""A row by its keys, or a record of them."""


def cells(row: Row) -> Mapping[str, Any]:
    """The row's keys and values."""
    return row.as_dict() if isinstance(row, Record) else row


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
        yield separator + json.dumps(cells(row), ensure_ascii=False)
        separator = ",\n    "
    yield "\n  ]\n}\n"


def flat(row: Row, dropped: Sequence[str] = ()) -> dict[str, Any]:
    """A row whose lists and objects are joined by semicolons, for one cell of a table, without some keys."""
    return {key: _in_a_cell(value) for key, value in cells(row).items() if key not in dropped}


def _in_a_cell(value: Any) -> Any:
    if isinstance(value, dict):
        value = [f"{key}={each}" for key, each in value.items()]
    return ";".join(map(str, value)) if isinstance(value, list) else value


def picked(rows: Iterable[Row], option: str, columns: str | None) -> Iterable[Row]:
    """The rows with these keys alone, as typed for the option, or with all.

    Raises:
        SkaprofError: they have no such key.
    """
    iterator = map(cells, rows)
    first = next(iterator, None)
    if columns is None or first is None:
        return chain(() if first is None else (first,), iterator)
    keys = parse_choices(option, columns, tuple(first))
    return ({key: row[key] for key in keys} for row in chain((first,), iterator))


def to_csv(rows: Iterable[Row]) -> Iterator[str]:
    """A header of keys, then one line a row; a missing value is empty, a boolean true or false.

    Control characters in text are escaped, and text that a spreadsheet would take for a formula follows an apostrophe.
    """
    import csv
    import io

    iterator = map(cells, rows)
    first = next(iterator, None)
    if first is None:
        return
    keys = list(first)
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for values in chain(
        (map(_csv_value, keys),), ([_csv_value(row.get(key)) for key in keys] for row in chain((first,), iterator))
    ):
        writer.writerow(map(_csv_value, values))
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _csv_value(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, int | float) else _csv_text(printable(value))


_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""How a cell begins that a spreadsheet evaluates: the last four are the first in full width."""


def _csv_text(text: str) -> str:
    """The text, but for a number and a lone sign after an apostrophe where a spreadsheet would evaluate it."""
    is_formula = text.startswith(_FORMULA) and len(text) > 1 and not _is_number(text)
    return f"'{text}" if is_formula else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def to_bmf(rows: Iterable[Row]) -> Iterator[str]:
    """Bencher Metric Format: an object of benchmarks, each with its measures under the keys of every other format.

    A benchmark is named by all that tells rows apart, so that its name is the same in every run and no other row's.
    """
    import json

    separator = "\n  "
    yield "{"
    for row in (result_row(cells(row)) for row in rows):
        yield f"{separator}{json.dumps(_bmf_name(row))}: {json.dumps(_bmf_measures(row))}"
        separator = ",\n  "
    yield "\n}\n"


_BMF_MEASURES = (*METRICS, "median_ms", "images_per_s", "tflops", "peak_memory_bytes")


def _bmf_name(row: ResultRow) -> str:
    """`ska/eager/forward/batch=1/size=14x14/dim=256/heads=8x32/float32`, and what else the row is about."""
    parts: list[str | None] = [row.model, f"image={row.image_height}x{row.image_width}"] if row.model else []
    parts += [row.mixer, row.implementation, row.mode, f"batch={row.batch}"]
    parts += (
        [f"size={row.height}x{row.width}{f'+{row.class_tokens}' if row.class_tokens else ''}", f"dim={row.dim}"]
        if row.dim is not None
        else []
    )
    parts += [f"heads={row.heads}x{row.head_dim}"] if row.heads is not None else []
    parts += [f"kernel={row.kernel_size}"] if row.kernel_size is not None else []
    others = row.scope, row.op, row.device, row.timing, *row.elsewhere, row.arguments, row.layout
    return "/".join(str(part) for part in (*parts, row.dtype, *filter(None, others)))


def _bmf_measures(row: ResultRow) -> dict[str, dict[str, Any]]:
    values = zip(_BMF_MEASURES, values_of(row, _BMF_MEASURES), strict=True)
    measures = {key: {"value": value} for key, value in values if value is not None}
    if isinstance(row, MeasuredRow) and row.ci_low_ms is not None:
        measures["median_ms"] |= {"lower_value": row.ci_low_ms, "upper_value": row.ci_high_ms}
    return measures


def to_markdown(rows: Iterable[Row]) -> Iterator[str]:
    """A GitHub table with exact figures; keys as headers, numbers to the right."""
    iterator = map(cells, rows)
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
    """Text that cannot break out of a table cell: pipes, HTML, emphasis, line ends and control characters escaped."""
    text = printable(text.replace("\n", " ").replace("\r", " ").replace("\\", "\\\\"))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "|`*_[]":
        text = text.replace(mark, f"\\{mark}")
    return text
