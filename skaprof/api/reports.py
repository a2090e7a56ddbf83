"""What is written: a report's folder, and the explorer page. `skaprof.report` is the package that draws them."""

from __future__ import annotations

from skaprof.analysis.explorer import explorer_data, explorer_request
from skaprof.api.arguments import Path, Words, words_of
from skaprof.errors import named, needing
from skaprof.files import write_folder, write_whole
from skaprof.report.explorer import TITLE, explorer_page
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


def write_explorer(
    output: Path,
    mixer: Words = (),
    *,
    model: Words = (),
    hardware: Words = (),
    results: Words = (),
    title: str = TITLE,
) -> None:
    """Write one HTML page in which sizes, mixers and backbones are turned like knobs; no server, no network.

    >>> skaprof.write_explorer("explorer.html", ["mhsa", "ska"], model="caformer_s18[stage3=ska]")

    Args:
        output: the file to write.
        mixer: those to begin with, the first as the baseline; the default mixers where there are none.
        model: backbones to begin with, such as "caformer_s18[stage3=ska]" or the path of a TOML file.
        hardware: machines beside those built in: files of `skaprof calibrate`.
        results: files of `skaprof latency`, whose times stand beside the mixers at the sizes measured.
        title: what the page is called.

    Raises:
        SkaprofError: a value that is not valid, a mixer without closed forms, or a file that cannot be read or written.
    """
    given = {"mixer": mixer, "model": model, "hardware": hardware, "results": results}
    request = explorer_request(*([*map(str, words_of(name, words))] if words else [] for name, words in given.items()))
    write_whole(named("output"), str(output), [explorer_page(explorer_data(request), title)])
