"""What every command that prints rows does alike: the chosen format, the environment, the rendering."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from skaprof._version import __version__
from skaprof.answers import FormulaRow
from skaprof.cli.output import suffix_of
from skaprof.errors import SkaprofError, missing_package, shown, shown_path
from skaprof.report.formats import ENDINGS, FORMATS, Row, cells, to_bmf, to_csv, to_json, to_markdown
from skaprof.results import ResultRow
from skaprof.workload import check_choice

if TYPE_CHECKING:
    from rich.table import Table

MOST_TABLE_ROWS = 2_000


def format_of(format: str | None, output: str | None, formats: tuple[str, ...] = FORMATS) -> str:
    """The format asked for, one of `formats`, or that of the output file's ending, or a table.

    Raises:
        SkaprofError: an unknown format, an ending that names none, or one that names another format.
    """
    if format is not None:
        _require_agreement(check_choice("--format", format, formats), output)
        return format
    return ENDINGS[suffix_of("--output", output, ENDINGS)] if output is not None else "table"


def _require_agreement(format: str, output: str | None) -> None:
    ending = Path(output or "").suffix.lower()
    named = ENDINGS.get(ending, format)
    if named not in (format, "json" if format == "bmf" else format):  # Bencher's format is JSON
        raise SkaprofError(
            f"--format: {shown(format)} is not what --output {shown_path(output)} ends in: "
            f"expected {named}, which {ending} stands for, or another ending"
        )


def command_line() -> str:
    """The command as the user typed it."""
    import shlex

    return shlex.join(["skaprof", *sys.argv[1:]])


def environment(*, counters: bool = False) -> dict[str, str]:
    """What a figure of the analytic model depends on, and the counters' versions where they took part."""
    system = os.uname() if hasattr(os, "uname") else None
    found = {
        "skaprof": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": f"{system.sysname} {system.machine}" if system else sys.platform,
    }
    if counters:
        from importlib.metadata import version

        found |= {package: version(package) for package in ("torch", "fvcore")}
    return found


def data_text(rows: Iterable[Row], chosen: str, command: str, where: Mapping[str, str]) -> Iterator[str]:
    """The rows as text in a data format: any but a table."""
    if chosen == "json":
        return to_json(command, where, rows)
    if chosen == "bmf":
        return to_bmf(rows)
    return to_csv(rows) if chosen == "csv" else to_markdown(rows)


def rendered(
    rows: Iterable[Row],
    chosen: str,
    command: str,
    where: Mapping[str, str],
    words: list[str],
    *,
    to_terminal: bool,
) -> Iterator[str]:
    """The rows in the chosen format, as text to write."""
    if chosen != "table":
        return data_text(rows, chosen, command, where)
    return _cost_table_text(list(rows), words, to_terminal=to_terminal)


def require_package(package: str, purpose: str) -> None:
    """Nothing, where the package is installed.

    Raises:
        SkaprofError: it is not (exit 3).
    """
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise missing_package(package, purpose)


def table_text(body: Table, heading: str, words: list[str], *, to_terminal: bool, mark: str = "") -> Iterator[str]:
    """A heading, the table in full, and sentences; styled and wrapped on a terminal only."""
    import io

    from rich.console import Console

    from skaprof.report.table import print_table

    styled = to_terminal and sys.stdout.isatty()
    stream = io.StringIO()
    width = Console(file=sys.stdout).width if styled else 10_000
    console = Console(file=stream, force_terminal=styled, width=width, highlight=False, markup=False, emoji=False)
    if heading:
        console.print(heading, style="bold")
        console.print()
    print_table(console, body)
    console.print()
    for sentence in ([mark] if mark else []) + words:
        console.print(sentence)
    text = stream.getvalue()
    yield text if styled else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _cost_table_text(rows: list[Row], words: list[str], *, to_terminal: bool) -> Iterator[str]:
    from skaprof.report import table
    from skaprof.report.cost_sentences import size_groups

    if not rows:
        return iter([f"{sentence}\n" for sentence in words])
    formulas = [row for row in rows if isinstance(row, FormulaRow)]
    if formulas:
        return table_text(table.formula_table(formulas), "", words, to_terminal=to_terminal)
    costs = [ResultRow.read(cells(row)) for row in rows]
    groups = size_groups(costs)
    mark = f"{table.MARK} lowest at its size" if any(table.lowest_rows(costs, groups).values()) else ""
    body = table.cost_table(costs, groups)
    return table_text(body, table.caption(costs), words, to_terminal=to_terminal, mark=mark)
