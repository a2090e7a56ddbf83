"""`skaprof check`: whether the claims of a file hold, by the closed forms and by saved measurements."""

from __future__ import annotations

from typing import Annotated

import typer

from skaprof.analysis.claims.figures import Sources
from skaprof.analysis.claims.file import stated_claims
from skaprof.analysis.claims.outcomes import outcomes_of
from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.cli.show import Page, View, show
from skaprof.errors import EXIT_CHECK_FAILED
from skaprof.report.claims import claim_sentence, claims_table, sentences
from skaprof.report.formats import SPOKEN_FORMATS
from skaprof.saved import read_results


@opt.with_options
def check(
    *,
    claims: Annotated[
        list[str], typer.Argument(metavar="CLAIMS", help="TOML files of claims, or claims: 'ska.macs < mhsa.macs'.")
    ],
    results: Annotated[
        list[str] | None,
        typer.Option(
            "--results",
            "-r",
            metavar="FILE",
            help="Results of skaprof latency, .json or .jsonl, for claims about times and measured memory; repeatable.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 also for claims that are inconclusive or not testable here.")
    ] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="A claim that --results should tell and lack fails nothing.")
    ] = False,
    to: opt.Tabled,
) -> None:
    """Whether claims about costs hold, such as cska.macs <= 0.85 * mhsa.macs @ tokens=49,dim=512.

    Each comes out as holds, fails, inconclusive, or not testable here. Counts come from the closed forms, exactly;
    times only from --results. Exit 1 where one comes out as the file does not expect, or where --results are of the
    device and timing that it is about and lack its rows.
    """
    to.require()
    stated = stated_claims(claims)
    saved = [read_results(path, "--results") for path in results or ()]
    sources = Sources(saved)
    for warning in sources.warnings:
        say(f"skaprof: {warning}")
    outcomes = outcomes_of(stated, sources, strict=strict, allow_missing=allow_missing)
    rows = [outcome.as_row() for outcome in outcomes]
    words = sentences(outcomes)
    show(rows, to, View(lambda: Page(claims_table(outcomes), words=words, concludes=True)))
    failures = [outcome for outcome in outcomes if outcome.is_failure]
    if not to.tells_on_stdout(*SPOKEN_FORMATS):
        for outcome in failures:
            say(f"skaprof: {claim_sentence(outcome)}")
    if failures:
        raise typer.Exit(EXIT_CHECK_FAILED)
