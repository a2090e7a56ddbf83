"""Markdown that GitHub renders: tables from cells or from the terminal's tables, and images with alt text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from skaprof.report.formats import escape_markdown
from skaprof.report.plain_table import PlainTable
from skaprof.report.table import MARK


def table_of(headers: Sequence[str], cells: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """A table whose columns from the `numbers_from`th on stand to the right. Cells are escaped."""
    sides = ["---" if place < numbers_from else "---:" for place in range(len(headers))]
    lines = [list(map(escape_markdown, headers)), *([escape_markdown(cell) for cell in line] for line in cells)]
    return _joined(lines, sides)


def from_terminal(table: PlainTable) -> str:
    """A terminal table as markdown; what is bold there is bold here."""
    sides = ["---:" if column.justify == "right" else "---" for column in table.columns]
    columns = [[_cell(cell) for cell in column.cells] for column in table.columns]
    headers = [escape_markdown(str(column.header).replace("\n", " ")) for column in table.columns]
    return _joined([headers, *map(list, zip(*columns, strict=True))], sides)


def paragraph(lines: str) -> str:
    """Lines of text that stay lines, escaped."""
    return "".join(f"{line}\n" for line in ["  \n".join(map(escape_markdown, lines.splitlines()))] if line)


def image(file: str, alt: str, larger: str) -> str:
    """An image that leads to another file of it."""
    return f"[![{escape_markdown(alt)}]({file})]({larger})\n"


def bullets(sentences: Sequence[str]) -> str:
    """A list of sentences, escaped."""
    return "".join(f"- {escape_markdown(sentence)}\n" for sentence in sentences)


def _cell(cell: object) -> str:
    if not isinstance(cell, Text):
        return escape_markdown(str(cell))
    text = escape_markdown(cell.plain.strip().removesuffix(MARK))
    return f"**{text}**" if "bold" in str(cell.style) else text


def _joined(lines: Sequence[Sequence[str]], sides: Sequence[str]) -> str:
    header, *body = (f"| {' | '.join(line)} |\n" for line in lines)
    return "".join((header, f"|{'|'.join(sides)}|\n", *body))
