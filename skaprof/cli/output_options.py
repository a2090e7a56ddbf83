"""How a command's rows are shown and where they go, as typed: the options of every command that has rows.

Annotations are evaluated here, not kept as text, as in `skaprof.cli.options`, where commands find these.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import typer

from skaprof.cli.option_records import Options
from skaprof.cli.output import STDOUT, format_of, require_destinations, suffix_of
from skaprof.errors import SkaprofError, bad_value, shown, shown_path
from skaprof.grids import parse_choices
from skaprof.report.formats import COST_FORMATS, ENDINGS, FORMATS, SPOKEN_FORMATS

_OUTPUT = "Output"
LINES = ".jsonl"
"""How a file ends that rows are added to one after the other."""


def format_option(words: str) -> Any:
    """`--format`, explained in these words."""
    return typer.Option("--format", "-f", metavar="FORMAT", help=words, rich_help_panel=_OUTPUT)


def output_option(words: str) -> Any:
    """`--output`, explained in these words."""
    return typer.Option("--output", "-o", metavar="FILE", help=words, rich_help_panel=_OUTPUT)


class Shown(Options):
    """How a command's rows are shown, and where: checked before any work is done."""

    format: Annotated[str | None, format_option("table, json, csv or markdown. Default: table.")] = None
    output: Annotated[
        list[str] | None,
        output_option(
            "Write to FILE instead of stdout, which is -; its ending (.json, .csv, .md, .txt) gives the format. "
            "Repeatable."
        ),
    ] = None
    columns: str | None = None
    formats: ClassVar[tuple[str, ...]] = FORMATS

    def destinations(self) -> list[tuple[str, str]]:
        """The files to write, each with its option."""
        files = [("--output", path) for path in self.output or () if path != STDOUT]
        return files + [("--plot", path) for path in self.plots]

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Where the rows go, `-` being stdout, and in which format each.

        Raises:
            SkaprofError: as `format_of`.
        """
        return [(path, format_of(self.format, path, self.formats)) for path in self.output or (STDOUT,)]

    @property
    def chosen(self) -> frozenset[str]:
        """The formats that the rows are written in.

        Raises:
            SkaprofError: as `format_of`.
        """
        return frozenset(chosen for _, chosen in self.targets)

    def tells_on_stdout(self, *formats: str) -> bool:
        """Whether stdout gets the rows in one of these formats."""
        return any(path == STDOUT and chosen in formats for path, chosen in self.targets)

    @property
    def plots(self) -> Sequence[str]:
        """The files to draw to."""
        return ()

    def require(self) -> frozenset[str]:
        """The formats that the rows are written in, where every file named can be written.

        Raises:
            SkaprofError: one is not valid, or cannot.
        """
        chosen = self.chosen
        require_destinations(self.output or (), self.plots)
        return chosen


class Tabled(Shown):
    """As `Shown`, of rows in a table, whose columns can be picked."""

    columns: Annotated[
        str | None,
        typer.Option(
            metavar="KEY,...",
            help="The columns of the table, markdown or CSV, by the keys of JSON and in this order. Default: all, of "
            "which a terminal too narrow for them leaves out the last, and says which.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None

    def require(self) -> frozenset[str]:
        """As `Shown`; and no columns where every format has every key.

        Raises:
            SkaprofError: as `Shown`, or there are.
        """
        chosen = super().require()
        if self.columns is not None and chosen.isdisjoint((*SPOKEN_FORMATS, "csv")):
            formats = " and ".join(sorted(chosen))
            raise SkaprofError(f"--columns: {shown(self.columns)}: expected without {formats}, which has every key")
        return chosen

    def require_columns(self, keys: Sequence[str]) -> None:
        """Raise unless the columns are among these keys: for commands that take long until they have rows.

        Raises:
            SkaprofError: one is not.
        """
        if self.columns is not None:
            parse_choices("--columns", self.columns, tuple(dict.fromkeys(keys)))


class Drawn(Tabled):
    """As `Tabled`, and where to draw the rows."""

    plot: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Draw it: .png, .svg or .pdf; repeatable.", rich_help_panel=_OUTPUT),
    ] = None

    @property
    def plots(self) -> Sequence[str]:
        """The files to draw to."""
        return self.plot or ()


class DrawnCosts(Drawn):
    """As `Drawn`, of rows that dashboards may want."""

    format: Annotated[
        str | None,
        format_option("table, json, csv, markdown, or bmf: Bencher Metric Format, for dashboards. Default: table."),
    ] = None
    formats: ClassVar[tuple[str, ...]] = COST_FORMATS


def lines_of(output: Sequence[str] | None) -> str | None:
    """The file of lines, if that is what an --output names.

    Raises:
        SkaprofError: several are.
    """
    found = [path for path in output or () if _is_lines(path)]
    if len(found) > 1:
        raise bad_value("--output", found[1], f"one {LINES} file, and {shown_path(found[0])} is one")
    return found[0] if found else None


def rows_on_stdout(output: Sequence[str] | None, format: str | None, formats: tuple[str, ...]) -> list[tuple[str, str]]:
    """Where rows go at the end, and in which format each: to stdout always, whatever files they go to.

    Raises:
        SkaprofError: as `format_of`.
    """
    files = [path for path in output or () if path != STDOUT and not _is_lines(path)]
    for path in files if format is None else ():
        suffix_of("--output", path, (*ENDINGS, LINES))
    on_stdout = None if files and STDOUT not in (output or ()) else format
    shown = (STDOUT, format_of(on_stdout, STDOUT, formats))
    return [shown, *((path, format_of(format, path, formats)) for path in files)]


def _is_lines(path: str) -> bool:
    return path.lower().endswith(LINES)
