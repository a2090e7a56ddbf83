"""What every command that prints rows does alike: draw them, render them in the format chosen, deliver them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from skaprof._version import __version__
from skaprof.cli.output import STDOUT, deliver, draw
from skaprof.errors import printable_lines
from skaprof.machine import system_name
from skaprof.report.formats import Row, cells, picked, to_bmf, to_csv, to_json, to_markdown

if TYPE_CHECKING:
    from skaprof.cli.options import Shown
    from skaprof.report.plain_table import PlainTable

MOST_TABLE_ROWS = 2_000
COLUMNS = "--columns"
_WIDE = 10_000


class Page(NamedTuple):
    """What people read of rows: a heading, the table in full, sentences, what its mark means, and what its figures do.

    `legend` has what figures mean by key: of those that are shown, it is said. Where the page `concludes`, its
    sentences are the answer, and stand above the table in markdown.
    """

    table: PlainTable | None
    heading: str = ""
    words: Sequence[str] = ()
    mark: str = ""
    legend: Mapping[str, str] = {}
    concludes: bool = False

    def picked(self, columns: str | None, rows: Iterable[Row]) -> Page:
        """The page with these columns of its table, its own or keys of the rows, or with all.

        Raises:
            SkaprofError: there is no such column.
        """
        if columns is None or self.table is None:
            return self
        names = (name.strip() for name in columns.split(","))
        keys = {key for row in rows for key in cells(row)}
        return self._replace(table=self.table.picked(COLUMNS, names, keys))

    def told(self, table: PlainTable | None) -> list[str]:
        """The sentences, and what the figures of this table mean."""
        keys = () if table is None else table.keys
        meanings = [words for key, words in self.legend.items() if key in keys]
        return [*self.words, *([f"{'; '.join(meanings)}."] if meanings else [])]


class View(NamedTuple):
    """How rows look where they are not data.

    `figure` draws them, in the format of an ending. `environment` is what the figures depend on, this program and
    platform by default. `cells` gives the rows as CSV has them, where they hold more than JSON's values. `settings` say
    how they were made, in JSON alone.
    """

    page: Callable[[], Page]
    figure: Callable[[str], bytes] | None = None
    environment: Mapping[str, Any] | None = None
    cells: Callable[[], Iterable[Row]] | None = None
    settings: Mapping[str, Any] | None = None


def show(rows: Iterable[Row], to: Shown, view: View) -> None:
    """Draw the rows where a figure is asked for, then write them to each file of --output, and last to stdout.

    Raises:
        SkaprofError: they cannot be drawn, or not be written.
    """
    if view.figure is not None:
        draw(to.plots, view.figure)
    targets = to.targets
    held = rows if len(targets) == 1 else list(rows)
    for path, chosen in sorted(targets, key=lambda target: target[0] == STDOUT):  # its reader may have left
        deliver(_text(held, to, chosen, view, to_terminal=path == STDOUT), path)


def _text(rows: Iterable[Row], to: Shown, chosen: str, view: View, *, to_terminal: bool) -> Iterator[str]:
    """The rows in a format."""
    if chosen == "json":
        where = environment() if view.environment is None else view.environment
        return to_json(command_line(), where, rows, view.settings)
    if chosen == "bmf":
        return to_bmf(rows)
    if chosen == "csv":
        return to_csv(picked(rows if view.cells is None else view.cells(), COLUMNS, to.columns))
    page = view.page().picked(to.columns, rows)
    if chosen == "table":
        return page_text(page, to_terminal=to_terminal, drops=to.columns is None)
    if page.table is None and rows:
        return to_markdown(rows)
    return page_markdown(page)


def page_markdown(page: Page) -> Iterator[str]:
    """The page as markdown that people read: the table's columns, units and winners, and its sentences as a list."""
    from skaprof.report.markdown import bullets, from_terminal, paragraph
    from skaprof.report.table import MARK

    told = page.told(page.table)
    if page.mark and page.table and page.table.has(MARK):
        told = [f"Bold: {page.mark}.", *told]
    parts = [paragraph(page.heading), "" if page.table is None else from_terminal(page.table), bullets(told)]
    yield "\n".join(filter(None, reversed(parts) if page.concludes else parts))


def page_text(page: Page, *, to_terminal: bool, drops: bool = True) -> Iterator[str]:
    """The page as text: styled, wrapped, and where it `drops`, without what a narrow terminal lacks room for, on a
    terminal only."""
    if page.table is None:
        return iter([f"{printable_lines(sentence)}\n" for sentence in page.words])
    return iter([_printed(page, page.table, styled=to_terminal and on_terminal(), drops=drops)])


def on_terminal() -> bool:
    """Whether what is printed is read in a terminal as it comes."""
    return sys.stdout.isatty()


def _printed(page: Page, table: PlainTable, *, styled: bool, drops: bool) -> str:
    import io

    from rich.console import Console

    from skaprof.report.table import MARK, print_table

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
    fitted, gone = table.fitted(width, drops=drops)
    print_table(console, fitted)
    put("")
    if gone:
        put(f"Not shown at {width}: {', '.join(gone)} (--columns picks; a pipe or a file has all).", "dim")
    if page.mark and fitted.has(MARK):
        put(f"{MARK} {page.mark}")
    for sentence in page.told(fitted):
        put(sentence)
    text = stream.getvalue()
    return text if styled else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def command_line() -> str:
    """The command as the user typed it."""
    import shlex

    return shlex.join(["skaprof", *sys.argv[1:]])


def command_into(folder: str) -> str:
    """The command as typed, but for where it wrote, and how: that is not what its result is about."""
    import shlex

    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word in ("--output", "-o"):
            next(words, None)
        elif word not in ("--force", "--check") and not word.startswith("--output="):
            kept.append(word)
    return shlex.join(["skaprof", *kept, "--output", folder])


def environment(*, counters: bool = False) -> dict[str, str]:
    """What a figure of the analytic model depends on, and the counters' versions where they took part."""
    found = {
        "skaprof": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": system_name(),
    }
    if counters:
        from importlib.metadata import version

        found |= {package: version(package) for package in ("torch", "fvcore")}
    return found
