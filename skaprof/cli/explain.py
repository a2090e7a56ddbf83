"""`skaprof explain`: why one mixer takes longer than another, from measured times and a machine's ceilings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from skaprof.analysis.explain import explained_rows
from skaprof.analysis.roofline_request import measured_against
from skaprof.analysis.roofline_rows import measured_with_tf32, require_possible
from skaprof.answers import ExplainedRow
from skaprof.cli import options as opt
from skaprof.cli.output import say_notices
from skaprof.cli.show import Page, View, show
from skaprof.errors import bad_value
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.spec import parse_mixer
from skaprof.saved import read_results
from skaprof.workload import FORMS, check_choice


@opt.with_options
def explain(
    *,
    results: Annotated[
        str, typer.Option("--results", "-r", metavar="FILE", help="Results of skaprof latency, .json or .jsonl.")
    ],
    hardware: Annotated[str, opt.HARDWARE],
    mixer: Annotated[
        str, typer.Option("--mixer", "-m", metavar="SPEC[/FORM]", help="The mixer to explain, such as ska or ska/sdpa.")
    ] = "ska",
    baseline: Annotated[
        str, typer.Option("--baseline", "-b", metavar="SPEC[/FORM]", help="What it is held against.")
    ] = "mhsa",
    allow_different_machine: Annotated[bool, opt.DIFFERENT_MACHINE] = False,
    to: opt.Tabled,
) -> None:
    """Split the measured difference of two mixers into compute, bandwidth, slow kernels, launch, faults and the rest.

    At every size at which the file has both, forward and in training. The machine is best one that skaprof calibrate
    measured.
    """
    to.require()
    ours, theirs = _wanted("--mixer", mixer), _wanted("--baseline", baseline)
    if ours == theirs:
        raise bad_value("--baseline", baseline, "another mixer or form than --mixer")
    machine = find_hardware(hardware)
    saved = read_results(results, "--results")
    allowed = allow_different_machine
    points, notices = measured_against(saved, [ours[0], theirs[0]], machine, allow_different_machine=allowed)
    say_notices(notices)
    tf32 = measured_with_tf32(saved)
    require_possible(points, machine, tf32=tf32)
    from skaprof.api.loading import load_predict

    predict = load_predict(machine, allow_different_machine=allowed)
    rows = explained_rows(points, ours, theirs, machine, predict, tf32=tf32)
    show(rows, to, View(lambda: _page(rows, machine)))


def _wanted(option: str, text: str) -> tuple[str, str | None]:
    """The spec and the form that an option names.

    Raises:
        SkaprofError: an unknown mixer or form.
    """
    spec, _, form = text.partition("/")
    return parse_mixer(spec, option).text, check_choice(option, form, FORMS) if form else None


def _page(rows: Sequence[ExplainedRow], machine: Hardware) -> Page:
    from skaprof.report import explain as report
    from skaprof.report.table import caption

    heading = f"{machine.name}\n{caption(rows)}"
    return Page(report.explain_table(rows), heading, report.sentences(rows, machine))
