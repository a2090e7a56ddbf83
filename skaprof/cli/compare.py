"""`skaprof compare`: what changed between two saved runs, and whether that is a failure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from skaprof.analysis.comparison import TIME, Change
from skaprof.analysis.comparison import compare as compare_results
from skaprof.analysis.thresholds import parse_threshold
from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.cli.show import Page, View, show
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError
from skaprof.grids import parse_count
from skaprof.report.comparison import changes_table, largest, sentences, threshold_sentence
from skaprof.report.formats import SPOKEN_FORMATS
from skaprof.saved import read_results


@opt.with_options
def compare(
    *,
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD", help="Results of flops, model, latency or report: .json, .jsonl, or a report's folder."
        ),
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Results to compare with them.")],
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="CHANGE",
            help="Exit 1 on this change, repeatable: 'macs>0%', 'params>=1k', 'median_ms>5%', 'ratio>5%'; "
            "missing or added: rows that only one file has. A time whose intervals overlap never fails; a row of OLD "
            "that has the figure and no partner in NEW does.",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="time|ratio",
            help="ratio: the time over the baseline's, each file's own, alone; the files may be of different devices.",
        ),
    ] = TIME,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Rows of OLD without a partner in NEW fail nothing.")
    ] = False,
    allow_different_devices: Annotated[
        bool, typer.Option("--allow-different-devices", help="Compare times of different devices all the same.")
    ] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Show also what did not change.")] = False,
    top: Annotated[
        str | None,
        typer.Option(
            metavar="COUNT", help="Show so many figures that changed, failed and largest first, and no whole rows."
        ),
    ] = None,
    to: opt.Tabled,
) -> None:
    """What changed between two saved runs: counts exactly, times by their intervals.

    Rows are matched by mixer, implementation, mode and sizes. Two times, or two ratios to the baseline, differ only
    where their intervals, each widened by what its own run's A/A control calls noise, do not overlap.
    """
    to.require()
    if show_all and top is not None:
        raise SkaprofError("--all and --top cannot be combined: expected one of them")
    thresholds = [parse_threshold("--fail-on", text) for text in dict.fromkeys(fail_on or ())]
    compared = compare_results(
        read_results(_results_in(old), "OLD"),
        read_results(_results_in(new), "NEW"),
        thresholds,
        by=by,
        allow_different_devices=allow_different_devices,
        allow_missing=allow_missing,
    )
    for warning in compared.warnings:
        say(f"skaprof: {warning}")
    shown = [change for change in compared.changes if show_all or change.is_told or change.broken]
    among: Sequence[Change] = compared.changes
    if top is not None:
        shown = among = largest(compared, parse_count("--top", top))
    words = sentences(compared, thresholds)
    rows = [change.as_row() for change in shown]
    show(rows, to, View(lambda: _page(shown, among, words)))
    broken = {threshold for change in compared.changes for threshold in change.broken}
    if broken and (not to.tells_on_stdout(*SPOKEN_FORMATS)):
        for threshold in filter(broken.__contains__, thresholds):
            say(f"skaprof: {threshold_sentence(compared, threshold)}")
    if broken:
        raise typer.Exit(EXIT_CHECK_FAILED)


def _results_in(path: str) -> str:
    """The file itself, or that of the report in a folder."""
    return str(Path(path) / "results.json") if Path(path).is_dir() else path


def _page(shown: Sequence[Change], among: Sequence[Change], words: Sequence[str]) -> Page:
    return Page(changes_table(shown, among) if shown else None, words=words, concludes=True)
