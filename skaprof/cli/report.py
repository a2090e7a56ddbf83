"""`skaprof report`: one folder with a page, figures, exact results and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.analysis.report_rows import Contents
from skaprof.cli import options as opt
from skaprof.cli.output import STDOUT, require_no_input, say
from skaprof.cli.report_times import Timings, by_section, of_machine, read_timings, side_by_side
from skaprof.cli.show import command_into, environment
from skaprof.errors import EXIT_CHECK_FAILED, EXIT_INTERRUPTED, SkaprofError, bad_value, printable, shown_path
from skaprof.files import write_folder
from skaprof.measured import result_row
from skaprof.model.hardware import find_hardware
from skaprof.report.folder import report_files, saved_report, why_not_replaced
from skaprof.report.numbers import counted

if TYPE_CHECKING:
    from skaprof.cli.measured_sections import ExpectedSize

Row = dict[str, Any]
Results = dict[str, Any]


def report(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="DIR", help="The folder to write; it must not exist yet.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace the report that is in DIR.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where DIR is not what would be written.")
    ] = False,
    analytic_only: Annotated[
        bool, typer.Option("--analytic-only", help="Closed forms alone: no counters, no timing, no torch.")
    ] = False,
    from_results: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="Redraw from a report's results.json.")
    ] = None,
    latency: Annotated[
        list[str] | None,
        typer.Option(
            "--latency",
            metavar="FILE",
            help="Times from `skaprof latency --output FILE.jsonl` instead of timing here; repeatable.",
        ),
    ] = None,
    accuracy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Runs of skaprof accuracy, or what skaprof accuracy import gave: a section on what networks are "
            "worth, with the times of --latency; repeatable.",
        ),
    ] = None,
    audit: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Counters from `skaprof audit` in other environments; repeatable."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE.toml", help="Title, sections, sizes, mixers and how to time.")
    ] = None,
    mixer: opt.Mixers = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:INDEX.")] = None,
    hardware: Annotated[
        list[str] | None,
        typer.Option(
            "--hardware",
            metavar="NAME|FILE",
            help="The machine of the roofline and of predictions, best a file of skaprof calibrate; repeatable, for "
            "each device of --latency.",
        ),
    ] = None,
    max_seconds: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="Time limit of all timing, shared among the timed sections, of which each has one size at least; "
            "counting and drawing come on top. Default: 120 for each section.",
        ),
    ] = None,
) -> None:
    """A folder with report.md, its figures (PNG and SVG), results.json, and a CSV for each section.

    The page states its findings in sentences computed from the numbers. The same results give the same bytes.
    """
    if output == STDOUT:
        raise bad_value("--output", output, "a folder: a report is several files")
    chosen = config or mixer or latency or accuracy or audit or analytic_only or device or max_seconds or hardware
    if from_results is not None and chosen:
        raise SkaprofError("--from redraws what a file holds: expected no option that chooses contents beside it")
    if analytic_only and (latency or audit or device or max_seconds):
        raise SkaprofError(
            "--analytic-only times nothing: expected no --latency, --audit, --device or --max-seconds beside it"
        )
    if not check:
        read = {"--from": from_results, "--latency": latency, "--accuracy": accuracy, "--audit": audit}
        require_no_input("--output", output, {**read, "--config": config, "--hardware": hardware})
    interrupted, source = False, None
    if from_results is not None:
        results, source = saved_report(from_results, "--from"), f"--from: {shown_path(from_results)}"
    else:
        contents = _contents(config, mixer, device, max_seconds)
        contents = contents._replace(accuracies=tuple(accuracy or ()), timings=tuple(latency or ()))
        contents = contents._replace(audits=tuple(audit or ()), machines=_machines(contents, hardware or []))
        contents = contents._replace(
            hardware=contents.machines[0] if len(contents.machines) == 1 else contents.hardware
        )
        results, interrupted = _collected(contents, analytic_only=analytic_only)
    files = report_files(results, source)
    if check:
        _require_unchanged(output, files)
    else:
        if interrupted and Path(output).exists():  # a whole report is not given up for a part of one
            output = f"{output.rstrip('/')}.interrupted"
        write_folder("--output", output, files, why_not_replaced if force or interrupted else None)
        say(f"wrote {len(files)} files to {printable(output)}")
    if interrupted:
        say("skaprof: interrupted; the report has what was measured until then")
        raise SystemExit(EXIT_INTERRUPTED)


def _contents(config: str | None, mixers: list[str] | None, device: str | None, max_seconds: str | None) -> Contents:
    from skaprof.cli.latency_options import positive_number
    from skaprof.cli.report_config import read_contents

    contents = read_contents(config) if config is not None else Contents()
    if mixers:
        contents = contents._replace(mixers=tuple(dict.fromkeys(mixers)))
    if device is not None:
        contents = contents._replace(device=device)
    if max_seconds is not None:
        contents = contents._replace(max_seconds=positive_number("--max-seconds", max_seconds))
    contents.specs  # noqa: B018  # an unknown mixer is told before any work
    return contents


def _machines(contents: Contents, hardware: Sequence[str]) -> tuple[str, ...]:
    """The machines named, each of which exists: those typed, or the configuration's."""
    for name in hardware:
        find_hardware(name, "--hardware")
    return tuple(hardware) or ((contents.hardware,) if contents.hardware is not None else ())


def _collected(contents: Contents, *, analytic_only: bool) -> tuple[Results, bool]:
    """The results, and whether Ctrl-C cut the measuring short."""
    from skaprof.bench.session import Interrupted
    from skaprof.cli.measured_sections import EXPECTED, measured_machine, section_rows, shared_limit
    from skaprof.cli.progress import progress
    from skaprof.report.sections import SECTIONS

    timings = read_timings(contents.timings)
    files, measured, notes = timings.files, by_section(timings), list[str]()
    several = len(timings.places) > 1
    if several:
        measured["fleet"] = side_by_side(timings, contents.machines, notes)
    given = {"models": contents.models, "swaps": contents.swaps, "accuracy": contents.accuracies, "fleet": several}
    own = [name for name, named in given.items() if named]
    elsewhere = ["runtimes"] if (contents.runtimes or measured.get("runtimes")) and not analytic_only else []
    asked = [name for name in SECTIONS if _is_offered(name, contents, analytic_only=analytic_only)]
    offered = [name for name in SECTIONS if name in (*own, *elsewhere, *asked)]
    names = [name for name in offered if name in own or SECTIONS[name].rows is not None or not analytic_only]
    if not names:
        raise SkaprofError(f"--analytic-only: every section asked for is measured: {', '.join(contents.sections)}")
    if not contents.hardware and not analytic_only and {"roofline", "crossovers"}.intersection(names):
        contents = contents._replace(machine=measured_machine(contents, files))
    rows: list[Row] = []
    interrupted = False
    limit = shared_limit(contents, [name for name in names if name not in measured])
    if "roofline" in names and contents.ceilings is None:
        notes.append(_NO_MACHINE)
    for name in progress(names, len(names), "collecting"):
        try:
            found = measured[name] if name in measured else section_rows(name, contents, limit)
        except Interrupted as cut:
            found, interrupted = cut.rows, True
        rows += [{"section": name, **row} for row in found]
        if name in EXPECTED and name not in measured:
            notes += _shortfall(SECTIONS[name].title, found, EXPECTED[name](contents), interrupted=interrupted)
        if interrupted:
            break
    if {"roofline", "latency"} <= set(names) and not interrupted:
        rows = _predicted(contents, rows, timings)
    timed = any(SECTIONS[name].rows is None and name not in own for name in names) or several
    settings = {"title": contents.title, "notes": notes, "commands": [saved.command for saved in files]}
    where = _environment(contents, timings, timed=timed)
    head = {"command": command_into("DIR"), "environment": where, "settings": settings}
    return {**head, "rows": rows}, interrupted


def _predicted(contents: Contents, rows: list[Row], timings: Timings) -> list[Row]:
    """The rows, where the report's machine predicts calls: its roofline then has the times that were measured, too, of
    several devices those of its own."""
    from skaprof.analysis.roofline_request import machine_rows
    from skaprof.analysis.roofline_rows import points_of
    from skaprof.api.loading import load_predict

    machine = contents.ceilings
    if machine is None or machine.kernels is None:
        return rows
    own = of_machine(timings, machine) if len(timings.places) > 1 else None
    timed = [row for row in rows if row["section"] == "latency" and (own is None or row["device"] in own)]
    points = points_of(list(map(result_row, timed))).points
    if not points:
        return rows
    found = machine_rows(points, machine, tf32=False, per_op=False, predict=load_predict(machine))
    section = [{"section": "roofline", **row.as_dict()} for row in found]
    place = next((at for at, row in enumerate(rows) if row["section"] == "roofline"), len(rows))
    kept = [row for row in rows if row["section"] != "roofline"]
    return [*kept[:place], *section, *kept[place:]]


def _is_offered(name: str, contents: Contents, *, analytic_only: bool) -> bool:
    """Whether a section that stands for itself is in the report: those named, or by default."""
    from skaprof.report.sections import SECTIONS

    if name in BY_CONTENTS:
        return False
    return name in contents.sections if contents.sections else SECTIONS[name].in_analytic or not analytic_only


BY_CONTENTS = ("models", "swaps", "accuracy", "runtimes", "fleet")
"""The sections that are there where what they are about is named, in the configuration or by a file."""
_NO_MACHINE = (
    "Roofline: the ceilings of the machine are not known here, so there is none: name it as `hardware` in the "
    "configuration, or a file of skaprof calibrate."
)


def _shortfall(title: str, found: list[Row], expected: Sequence[ExpectedSize], *, interrupted: bool) -> list[str]:
    """What a reader must know where not all was measured, or not for long enough."""
    of_size = [(size, [row for row in found if size.keys.items() <= row.items()]) for size in expected]
    missing = [size.words for size, rows in of_size if not rows]
    short = [size.words for size, rows in of_size if any("few-rounds" in row["flags"] for row in rows)]
    notes = []
    if missing:
        why = "it was interrupted" if interrupted else "a verdict takes more time there; --max-seconds sets the limit"
        done = f"{len(expected) - len(missing):,} of {counted(len(expected), 'case')} measured"
        notes.append(f"{title}: {done}. Left out: {'; '.join(missing)}: {why}.")
    if short:
        notes.append(
            f"{title}: too few rounds for a verdict at {'; '.join(short)}: time ran out; --max-seconds sets the limit."
        )
    return notes


def _environment(contents: Contents, timings: Timings, *, timed: bool) -> dict[str, Any]:
    """What the figures depend on; of closed forms alone, that is this program."""
    if not timed:
        counts = contents.models or contents.swaps
        found = environment(counters=bool(counts))
        return {key: found[key] for key in ("skaprof", *(("torch",) if counts else ()))}
    if not timings.files:
        from skaprof.bench.environment import resolve_device, stamp

        return {**environment(counters=True), **stamp(resolve_device(contents.device))}
    return timings.environment


def _require_unchanged(output: str, files: Mapping[str, bytes]) -> None:
    """Raise unless the folder holds exactly these files.

    Raises:
        typer.Exit: it does not; what differs has been said.
    """
    folder = Path(output)
    if not folder.is_dir():
        raise SkaprofError(f"--check: {shown_path(output)} is no folder: expected a report to compare with")
    there = {entry.name for entry in folder.iterdir()}
    differing = [name for name, data in files.items() if name in there and (folder / name).read_bytes() != data]
    said = {"missing": sorted(set(files) - there), "not the report's": sorted(there - set(files)), "differs": differing}
    for what, names in said.items():
        for name in names:
            say(f"skaprof: --check: {shown_path(folder / name)}: {what}")
    if any(said.values()):
        raise typer.Exit(EXIT_CHECK_FAILED)
    say(f"{printable(output)} is what would be written")
