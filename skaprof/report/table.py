"""The terminal table: figures with SI units in the headers, the lowest of the mixers marked at each size."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.measure import Measurement
from rich.text import Text

from skaprof.answers import AuditRow, ExportRow, FormulaRow
from skaprof.implementations import PYTORCH, elsewhere
from skaprof.records import Record
from skaprof.report.numbers import NumberFormat, lowest_places
from skaprof.report.plain_table import PlainTable
from skaprof.results import ResultRow, Sized, class_tokens_of, values_of

SizedRow = ResultRow | Sized | AuditRow | ExportRow


class Column(NamedTuple):
    """A figure's column: its key, the words above it, and its unit (None: print the value as it is)."""

    key: str
    words: str
    unit: str | None = None


FIGURES = (
    Column("params", "params", ""),
    Column("params_ratio", "ratio"),
    Column("macs", "MACs", ""),
    Column("macs_ratio", "ratio"),
    Column("flops", "FLOPs", ""),
    Column("elementwise_flops", "elementwise", "FLOP"),
    Column("elementwise_flops_ratio", "ratio"),
    Column("weight_bytes", "weights", "B"),
    Column("traffic_bytes", "traffic", "B"),
    Column("traffic_bytes_ratio", "ratio"),
    Column("saved_bytes", "saved", "B"),
    Column("peak_bytes", "peak", "B"),
)
_IN_ONE_MODE = ("saved_bytes", "peak_bytes")
"""Figures of training alone and of inference alone: no column where no row has any."""
PROOF = (
    Column("params_counted", "params\ncounted", ""),
    Column("macs_fvcore", "MACs\nfvcore", ""),
    Column("macs_torch", "MACs\ntorch", ""),
    Column("verified", "verified"),
)
MARK = "*"


def has_proof(rows: Sequence[ResultRow]) -> bool:
    """Whether counters were asked."""
    return any(row.params_counted is not None for row in rows)


def cost_table(rows: Sequence[ResultRow], groups: Sequence[int]) -> PlainTable:
    """The table of cost rows; `groups` gives each row's size, and the lowest figure of each size is marked."""
    table = PlainTable()
    sizes = size_columns(rows)
    add_sizes(table, sizes, rows)
    figures = [*figure_columns(rows), *(PROOF if has_proof(rows) else ())]
    numbers = {column.key: NumberFormat.of([getattr(row, column.key) or 0 for row in rows]) for column in figures}
    for column in figures:
        table.add(column.key, words=_header(column, numbers[column.key]), number=True)
    lowest = lowest_rows(rows, groups)
    for index, row in enumerate(rows):
        cells: list[str | Text] = [*size_cells(sizes, row)]
        for column in figures:
            is_lowest = index in lowest.get(column.key, ())
            cells.append(_figure(column, getattr(row, column.key), numbers[column.key], is_lowest))
        table.add_row(*cells, of=row)
        if index + 1 < len(rows) and groups[index + 1] != groups[index] and _has_pairs(groups):
            table.add_section()
    return table


def figure_columns(rows: Sequence[ResultRow]) -> list[Column]:
    """The columns of figures that a table of these rows has."""
    return [column for column in FIGURES if _is_shown(column, rows)]


def _is_shown(column: Column, rows: Sequence[ResultRow]) -> bool:
    if column.unit is None:
        return rows[0].baseline is not None
    return column.key not in _IN_ONE_MODE or any(getattr(row, column.key) for row in rows)


def lowest_rows(rows: Sequence[ResultRow], groups: Sequence[int]) -> dict[str, set[int]]:
    """For each figure, the indices of the rows that are lowest at their size, as `lowest_places` has it."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    lowest: dict[str, set[int]] = {}
    for column in figure_columns(rows) if rows[0].op is None else ():
        if column.unit is None:
            continue
        for indices in members.values():
            least = {indices[place] for place in lowest_places([getattr(rows[index], column.key) for index in indices])}
            if least:
                lowest.setdefault(column.key, set()).update(least)
    return lowest


def caption(rows: Sequence[SizedRow]) -> str:
    """What all rows share, in words: `forward, batch 1, 196 tokens (14 x 14), dim 256, 8 heads of 32, float32`."""
    first = rows[0]
    parts = []
    if not _varies(rows, "mode"):
        parts.append(str(first.mode))
    if not _varies(rows, "implementation"):
        parts.append(str(first.implementation))
    if not _varies(rows, "runtime"):
        parts += elsewhere(getattr(first, "runtime", None), _shared(rows, "precision"))
    if not _varies(rows, "batch"):
        parts.append(f"batch {first.batch:,}")
    if not _varies(rows, "height") and not _varies(rows, "width"):
        noun = "token" if first.tokens == 1 else "tokens"
        parts.append(f"{first.tokens:,} {noun} ({grid_text(first)})")
    if not _varies(rows, "dim"):
        parts.append(f"dim {first.dim:,}")
    heads, head_dim = _shared(rows, "heads"), _shared(rows, "head_dim")
    if heads is not None and head_dim is not None:
        parts.append(f"{heads:,} {'head' if heads == 1 else 'heads'} of {head_dim}{_not_of_modules(rows)}")
    kernel = _shared(rows, "kernel_size")
    if kernel is not None:
        parts.append(f"{kernel} x {kernel} kernel{_not_of_modules(rows)}")
    if not _varies(rows, "dtype"):
        parts.append(str(first.dtype))
    return ", ".join(parts)


def _not_of_modules(rows: Sequence[SizedRow]) -> str:
    """That a user's modules have heads and a kernel of their own, which nobody knows here."""
    names = list(dict.fromkeys(str(row.mixer) for row in rows if getattr(row, "layout", None) is not None))
    return f" (not {', '.join(names)})" if names else ""


def formula_table(rows: Sequence[FormulaRow]) -> PlainTable:
    """The closed forms, one mixer after the other."""
    columns = size_columns(rows)
    table = PlainTable()
    add_sizes(table, columns, rows)
    table.add("quantity")
    table.add("text", words="closed form", folds=True)
    previous: list[str] = []
    for row in rows:
        identity = [str(getattr(row, column.key)) for column in columns]
        if previous and identity != previous:
            table.add_section()
        table.add_row(*(identity if identity != previous else [""] * len(columns)), row.quantity, row.text, of=row)
        previous = identity
    return table


_WIDEST = 10_000


def print_table(console: Console, table: PlainTable) -> None:
    """Print the table in full: on a terminal too narrow for it, lines run on rather than lose digits."""
    terminal_width = console.width
    if terminal_width < _WIDEST:
        needed = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
        console.width = max(terminal_width, needed)
    console.print(table, crop=False, no_wrap=True, overflow="ignore")
    console.width = terminal_width


_NUMBERS = {"image_height", "image_width", "batch", "tokens", "height", "dim", "heads", "head_dim", "kernel_size"}
_SIZE_WORDS = {
    "given": "model",
    "model": "model",
    "image_height": "image\nheight",
    "image_width": "image\nwidth",
    "mixer": "mixer",
    "implementation": "form",
    "runtime": "runtime",
    "precision": "precision",
    "mode": "mode",
    "batch": "batch",
    "tokens": "tokens",
    "height": "grid",
    "dim": "dim",
    "heads": "heads",
    "head_dim": "head\ndim",
    "kernel_size": "kernel",
    "dtype": "dtype",
    "op": "op",
    "kind": "kind",
    "arguments": "arguments",
    "layout": "layout",
    "device": "device",
    "timing": "timing",
}


def size_columns(rows: Sequence[Record]) -> list[Column]:
    """The columns that tell rows apart: the mixer, the op, and every size that is not the same in all rows."""
    named = {"given"} if _values(rows, "given") else {"mixer"}
    always = {*named, "op", "kind"}
    keys = [key for key in _SIZE_WORDS if named != {"given"} or key not in ("model", "mixer")]
    keys = [key for key in keys if _varies(rows, key) or (key in always and _values(rows, key))]
    if "precision" in keys and _values(rows, "runtime") <= {PYTORCH}:  # whose dtype says it
        keys.remove("precision")
    if _varies(rows, "width") and "height" not in keys:
        keys.insert(keys.index("tokens") + 1 if "tokens" in keys else 1, "height")
    return [Column(key, _SIZE_WORDS[key]) for key in keys]


def add_sizes(table: PlainTable, columns: Sequence[Column], rows: Sequence[Record]) -> None:
    """The columns that tell rows apart. A narrow terminal does without the grid alone, where the tokens tell it."""
    grids = {values_of(row, ("tokens", "height", "width")) for row in rows}
    is_told = "tokens" in {column.key for column in columns} and len(grids) == len({tokens for tokens, *_ in grids})
    for column in columns:
        keys = ("height", "width") if column.key == "height" else (column.key,)
        is_needed = not (is_told and column.key == "height")
        table.add(*keys, words=column.words, number=column.key in _NUMBERS, needed=is_needed)


def _values(rows: Sequence[Record], key: str) -> set[Any]:
    return {getattr(row, key, None) for row in rows} - {None}


def _varies(rows: Sequence[Record], key: str) -> bool:
    return len(_values(rows, key)) > 1


def _shared(rows: Sequence[Record], key: str) -> Any:
    values = _values(rows, key)
    return values.pop() if len(values) == 1 else None


def size_cells(columns: Sequence[Column], row: Record) -> list[str]:
    """The cells of a row under those columns."""
    return [_size_text(column.key, row) for column in columns]


def grid_text(row: Record) -> str:
    """The token grid, height first, and the class tokens beside it: `14 x 14 + 1`; a dash where there is none."""
    height, width = values_of(row, ("height", "width"))
    beside = class_tokens_of(row)
    return "-" if height is None else f"{height} x {width}" + (f" + {beside}" if beside else "")


def _size_text(key: str, row: Record) -> str:
    if key == "height":
        return grid_text(row)
    value = getattr(row, key, None)
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _scaled(column: Column) -> bool:
    return column.unit is not None


def _header(column: Column, number: NumberFormat) -> str:
    if not _scaled(column):
        return column.words
    unit = f"{number.prefix}{column.unit}"
    return f"{column.words}\n({unit})" if unit else column.words


def _figure(column: Column, value: Any, number: NumberFormat, lowest: bool) -> Text:
    if value is None:
        return Text("- ")
    if isinstance(value, bool):
        return Text("yes" if value else "NO", style="" if value else "bold red")
    if not _scaled(column):
        return Text(f"{value:.3f}x")
    return Text(number.text(value) + (MARK if lowest else " "), style="bold green" if lowest else "")


def _has_pairs(groups: Sequence[int]) -> bool:
    return len(set(groups)) < len(groups)
