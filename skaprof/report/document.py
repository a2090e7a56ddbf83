"""A whole report from its results: the same results give the same bytes, file by file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from skaprof.errors import SkaprofError, printable
from skaprof.files import encoded
from skaprof.measured import SAMPLE_KEYS
from skaprof.report.formats import escape_markdown, flat, to_csv, to_json
from skaprof.report.markdown import bullets, table_of
from skaprof.report.sections import SECTIONS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
_FIGURE_ENDINGS = (".png", ".svg")


def files_of(results: Mapping[str, Any], source: str | None = None) -> Iterator[tuple[str, bytes]]:
    """The report's files by name, but results.json: a CSV a section, each figure as PNG and SVG, and report.md.

    Args:
        results: the JSON envelope; `settings.title`, and `section` in each row.
        source: what a user knows the file by that the results come from; None where this program just made them.

    Raises:
        SkaprofError: the rows of a section in that file are not what it is made of.
    """
    body: list[str] = []
    findings: list[str] = []
    for name, section in SECTIONS.items():
        rows = [_without_section(row) for row in results["rows"] if row["section"] == name]
        if not rows:
            continue
        with _rows_of(source, name):
            rendered = section.render(rows)
            findings += rendered.findings
            body.append(f"## {section.title}\n\n{rendered.body}\n")
            files = [(f"{name}.csv", "".join(to_csv(flat(row, SAMPLE_KEYS) for row in rows)).encode())]
            for name_of_figure, draw in rendered.figures.items():
                files += _images(name_of_figure, draw())
        yield from files
    head = _head(results["settings"]["title"], [*results["settings"].get("notes", ()), *findings])
    yield "report.md", f"{head}{''.join(body)}{_appendix(results)}".encode()


@contextmanager
def _rows_of(source: str | None, section: str) -> Iterator[None]:
    """Around what is made of a section's rows: each was checked by itself, not whether they fit each other."""
    try:
        yield
    except (SkaprofError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, StopIteration) as error:
        if source is None:
            raise
        what = error.message if isinstance(error, SkaprofError) else "expected all that `skaprof report` wrote"
        raise SkaprofError(f"{source}: the rows of its section {section} make no report: {what}") from error


def _images(name: str, figure: Figure) -> Iterator[tuple[str, bytes]]:
    from skaprof.report.canvas import encoded_as

    names = [f"{name}{ending}" for ending in _FIGURE_ENDINGS]
    return zip(names, encoded_as(figure, _FIGURE_ENDINGS), strict=True)


def results_file(results: Mapping[str, Any]) -> bytes:
    """results.json: all that the report was made from."""
    envelope = to_json(results["command"], results["environment"], results["rows"], results["settings"])
    return encoded("".join(envelope))


def _head(title: str, findings: Sequence[str]) -> str:
    said = f"## Findings\n\n{bullets(findings)}\n" if findings else ""
    return f"# {escape_markdown(title)}\n\n{said}"


def _appendix(results: Mapping[str, Any]) -> str:
    environment = [(key, str(value)) for key, value in results["environment"].items() if value is not None]
    commands = [results["command"], *results["settings"].get("commands", ())]
    lines = "".join(f"{printable(command)}\n" for command in commands)
    fence = "`" * max(3, _longest_run(lines) + 1)
    return (
        f"## Environment\n\n{table_of(('what', 'value'), environment, 2)}\n"
        f"## Commands\n\n{fence}sh\n{lines}{fence}\n\n"
        "Exact figures: results.json and the CSV files beside this page. At any other size: "
        "`skaprof explore --output explorer.html` makes one page of the same closed forms, to turn like knobs.\n"
    )


def _longest_run(text: str) -> int:
    """The longest run of backticks: a fence must be longer."""
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _without_section(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "section"}
