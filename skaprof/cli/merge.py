"""`skaprof merge`: results files of one kind put together."""

from __future__ import annotations

from typing import Annotated

import typer

from skaprof.analysis.merged_kinds import ACCURACIES
from skaprof.analysis.merging import Merged, merged
from skaprof.bench.store import lines_of_results, require_free
from skaprof.cli.output import emit, require_destinations, require_no_input, say, say_notices
from skaprof.cli.show import Page, command_line, page_text
from skaprof.errors import bad_value, printable
from skaprof.files import write_whole
from skaprof.saved import read_results
from skaprof.schema import row_from
from skaprof.trained import TrainedRow, TrialRow, VerdictRow

LINES = ".jsonl"


def merge(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Files that skaprof latency, accuracy or audit wrote, all of one kind."),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE.jsonl", help="Where to: JSON lines, a header and a row each.")
    ],
    prefer: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="Where files have different figures of one row: first or last, in the order of the files, or "
            "more-rounds, of times. Default: that is refused.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Results of several processes or machines as one file: one row an identity, each with its device.

    Shards of one run come out in its order, other files one after the other. What was measured otherwise, with other
    settings, is refused by name; where only the environment differs, rows say their own. Accuracies are judged anew.
    """
    if not output.lower().endswith(LINES):
        raise bad_value("--output", output, f"a file that ends in {LINES}")
    require_destinations([output], ())
    require_no_input("--output", output, {"FILE": files})
    require_free(output, None, force=force, resumes=False)
    found = merged([read_results(path, "FILE") for path in dict.fromkeys(files)], prefer)
    say_notices(found.notices)
    lines = lines_of_results(command_line(), found.environment, found.settings, found.rows)
    write_whole("--output", output, lines)
    say(f"wrote {len(found.rows):,} rows to {printable(output)}")
    if found.kind is ACCURACIES:
        emit(page_text(_judged(found), to_terminal=True))


def _judged(found: Merged) -> Page:
    """What the runs of all files together say."""
    from skaprof.report.accuracy import accuracy_table, caption, sentences

    records = [row_from(row) for row in found.rows]
    runs = [row for row in records if isinstance(row, TrainedRow)]
    trials = [row for row in records if isinstance(row, TrialRow)]
    verdicts = [row for row in records if isinstance(row, VerdictRow)]
    if not runs:
        return Page(None, words=["No network is trained to its end yet."])
    seeds = len({run.seed for run in runs})
    return Page(
        accuracy_table(runs, verdicts), caption(runs[0], seeds), sentences(runs, trials, verdicts, found.settings)
    )
