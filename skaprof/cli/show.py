"""What every command that prints rows does alike: draw them, render them in the format chosen, deliver them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from skaprof._version import __version__
from skaprof.cli.output import deliver, draw
from skaprof.errors import printable_lines
from skaprof.report.formats import Row, to_bmf, to_csv, to_json, to_markdown, to_markdown_page

if TYPE_CHECKING:
    from rich.table import Table

    from skaprof.cli.options import Shown

MOST_TABLE_ROWS = 2_000
_WIDE = 10_000


class Page(NamedTuple):
    """What a terminal shows of rows: a heading, the table in full, what its mark means, and sentences."""

    table: Table | None
    heading: str = ""
    words: Sequence[str] = ()
    mark: str = ""


class View(NamedTuple):
    """How rows look where they are not data.

    `figure` draws them, in the format of an ending. `environment` is what the figures depend on, this program and
    platform by default. `cells` gives the rows as CSV and markdown have them, where they hold more than JSON's values.
    `speaks`: in markdown the page's sentences stand above the rows.
    """

    page: Callable[[], Page]
    figure: Callable[[str], bytes] | None = None
    environment: Mapping[str, Any] | None = None
    cells: Callable[[str], Iterable[Row]] | None = None
    speaks: bool = False


def show(rows: Iterable[Row], to: Shown, view: View) -> None:
    """Draw the rows where a figure is asked for, then write them to stdout or the file of --output.

    Raises:
        SkaprofError: they cannot be drawn, or not be written.
    """
    if view.figure is not None:
        draw(to.plots, view.figure)
    deliver(_text(rows, to, view), to.output)


def _text(rows: Iterable[Row], to: Shown, view: View) -> Iterator[str]:
    """The rows in the format chosen."""
    chosen = to.chosen
    cells = rows if view.cells is None else view.cells(chosen)
    if chosen == "json":
        return to_json(command_line(), environment() if view.environment is None else view.environment, rows)
    if chosen == "bmf":
        return to_bmf(rows)
    if chosen == "csv":
        return to_csv(cells)
    if chosen == "markdown":
        return to_markdown_page(view.page().words, list(cells)) if view.speaks else to_markdown(cells)
    return page_text(view.page(), to_terminal=to.output is None)


def page_text(page: Page, *, to_terminal: bool) -> Iterator[str]:
    """The page as text, styled and wrapped on a terminal only."""
    if page.table is None:
        return iter([f"{printable_lines(sentence)}\n" for sentence in page.words])
    return iter([_printed(page, page.table, styled=to_terminal and sys.stdout.isatty())])


def _printed(page: Page, table: Table, *, styled: bool) -> str:
    import io

    from rich.console import Console

    from skaprof.report.table import print_table

    stream = io.StringIO()
    width = Console(file=sys.stdout).width if styled else _WIDE
    console = Console(file=stream, force_terminal=styled, width=width, highlight=False, markup=False, emoji=False)

    def put(line: str, style: str | None = None) -> None:
        line = printable_lines(line)
        if styled:
            console.print(line, style=style)
        else:  # as the console would, which takes its time
            stream.write(f"{line}\n")

    if page.heading:
        put(page.heading, "bold")
        put("")
    print_table(console, table)
    for sentence in ("", *([page.mark] if page.mark else []), *page.words):
        put(sentence)
    text = stream.getvalue()
    return text if styled else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


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
