"""A report's folder. Called `write_report`, since `skaprof.report` is the package that draws."""

from __future__ import annotations

from skaprof.api.arguments import Path
from skaprof.errors import named, needing
from skaprof.files import write_folder
from skaprof.report.folder import report_files, saved_report, why_not_replaced


def write_report(output: Path, from_results: Path, *, force: bool = False) -> tuple[str, ...]:
    """Draw a report again from its results.json: report.md, figures (PNG and SVG), results.json and a CSV a section.

    The same results give the same bytes. `skaprof report` makes the results.

    >>> skaprof.write_report("redrawn", from_results="report/results.json")
    ('formulas.csv', 'report.md', 'results.json')

    Args:
        output: the folder to write; it must not exist yet.
        from_results: the results.json of a report, in which the page, figures and tables are all there is.
        force: replace the report that is in `output`; never a folder that holds anything else.

    Returns:
        The names of the files in it.

    Raises:
        SkaprofError: results that cannot be read or are no report's, or a folder that cannot be written.
    """
    results = saved_report(str(from_results), named("from_results"))
    with needing("skaprof.write_report"):
        files = report_files(results, named("from_results"))
    write_folder(named("output"), str(output), files, why_not_replaced if force else None)
    return tuple(files)
