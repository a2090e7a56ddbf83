"""`skaprof explain`: why one mixer takes longer than another, from measured times and a machine's ceilings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from skaprof.analysis.roofline_rows import measured_with_tf32, require_possible
from skaprof.answers import ExplainedRow
from skaprof.cli import options as opt
from skaprof.cli.output import deliver, require_writable
from skaprof.cli.results import points_of
from skaprof.cli.run import command_line, data_text, environment, format_of, table_text
from skaprof.errors import bad_value
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.spec import parse_mixer
from skaprof.saved import read_results
from skaprof.workload import FORMS, check_choice


def explain(
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
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Split the measured difference between two mixers into compute, bandwidth, slow kernels, launch and unexplained.

    At every size at which the file has both, forward. The machine is best one that skaprof calibrate measured.
    """
    chosen = format_of(format, output)
    if output is not None:
        require_writable("--output", output)
    ours, theirs = _wanted("--mixer", mixer), _wanted("--baseline", baseline)
    if ours == theirs:
        raise bad_value("--baseline", baseline, "another mixer or form than --mixer")
    machine = find_hardware(hardware)
    saved = read_results(results, "--results")
    points = points_of(saved, [ours[0], theirs[0]], machine)
    tf32 = measured_with_tf32(saved)
    require_possible(points, machine, tf32=tf32)
    from skaprof.analysis.explain import explained_rows

    rows = explained_rows(points, ours, theirs, machine, tf32=tf32)
    deliver(_text(rows, machine, chosen, to_terminal=output is None), output)


def _wanted(option: str, text: str) -> tuple[str, str | None]:
    """The spec and the form that an option names.

    Raises:
        SkaprofError: an unknown mixer or form.
    """
    spec, _, form = text.partition("/")
    parse_mixer(spec, option)
    return spec, check_choice(option, form, FORMS) if form else None


def _text(rows: list[ExplainedRow], machine: Hardware, chosen: str, *, to_terminal: bool) -> Iterator[str]:
    if chosen != "table":
        return data_text(rows, chosen, command_line(), environment())
    from skaprof.report import explain as report
    from skaprof.report.table import caption

    words = report.sentences(rows, machine)
    heading = f"{machine.name}\n{caption(rows)}"
    return table_text(report.explain_table(rows), heading, words, to_terminal=to_terminal)
