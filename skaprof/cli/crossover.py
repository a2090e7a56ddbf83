"""`skaprof crossover`: where one mixer overtakes another along a size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import deliver, draw, require_destinations, say
from skaprof.cli.run import command_line, data_text, environment, format_of, table_text
from skaprof.errors import SkaprofError
from skaprof.grids import DEFAULT_PATCH, parse_count
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import parse_mixer
from skaprof.report.sampled import METRIC, Timed, sampled_rows, timed_samples
from skaprof.results import AXIS_SYMBOLS
from skaprof.saved import SavedResults, read_results
from skaprof.workload import DEFAULT_DIM, DEFAULT_TOKENS, DTYPE_BYTES, check_choice, require_odd_kernel

if TYPE_CHECKING:
    from skaprof.crossover import Duel, Sizes

Row = dict[str, Any]

_DRAWN = {
    ("params", "eager", "forward"): "parameters",
    ("macs", "eager", "forward"): "MACs",
    ("traffic_bytes", "eager", "forward"): "activation traffic, eager (bytes)",
    ("saved_bytes", "eager", "train"): "saved for backward, eager (bytes)",
}
_DRAWN_POINTS = 64
_DRAWN_BEYOND = 2
"""How far beyond the last crossing a plot goes, as a factor."""

One = Annotated[str | None, typer.Option(metavar="COUNT", rich_help_panel="Sizes")]


def crossover(
    mixer: opt.Mixers = None,
    baseline: Annotated[str, typer.Option(metavar="SPEC", help="What each mixer is compared with.")] = "mhsa",
    axis: Annotated[
        str, typer.Option(metavar="SIZE", help=f"The size that grows: {', '.join(AXIS_SYMBOLS)}.")
    ] = "tokens",
    tokens: One = None,
    patch: One = None,
    dim: One = None,
    batch: One = None,
    heads: One = None,
    head_dim: One = None,
    kernel_size: One = None,
    dtype: Annotated[str, typer.Option(metavar="DTYPE", help="Sets the bytes.", rich_help_panel="Sizes")] = "float32",
    results: Annotated[
        str | None,
        typer.Option("--results", "-r", metavar="FILE", help="Results of skaprof latency: adds measured time."),
    ] = None,
    format: opt.Format = None,
    output: opt.Output = None,
    plot: opt.Plot = None,
) -> None:
    """Where one mixer starts or stops costing less than another as a size grows.

    In parameters, MACs, activation traffic and memory saved for backward: exact, from the closed forms, as a formula
    and at your sizes. With --results also in measured time: between which sizes the verdict changes.
    """
    chosen = format_of(format, output)
    require_destinations(output, plot)
    _require_free(axis, tokens=tokens, dim=dim, heads=heads, kernel_size=kernel_size)
    saved = read_results(results, "--results") if results is not None else None
    from skaprof.crossover import Sizes, crossover_rows

    sizes = Sizes(
        _one("--batch", batch, 1),
        _one("--tokens", tokens, DEFAULT_TOKENS),
        _one("--dim", dim, DEFAULT_DIM),
        _optional("--heads", heads),
        _optional("--head-dim", head_dim),
        _kernel(kernel_size),
        _one("--patch", patch, DEFAULT_PATCH),
        check_choice("--dtype", dtype, tuple(DTYPE_BYTES)),
    )
    rows: list[Row] = []
    drawn = []
    for duel in _duels(mixer, baseline, axis, sizes):
        found = crossover_rows(duel)
        timed = _timed(duel, saved) if saved is not None else []
        rows += [*found, *_measured_rows(duel, timed)]
        drawn.append((duel, found, timed))
    _plot(drawn, plot or [])
    deliver(_text(rows, chosen, to_terminal=output is None), output)


def _require_free(axis: str, **sizes: str | None) -> None:
    check_choice("--axis", axis, tuple(AXIS_SYMBOLS))
    taken = "tokens" if axis == "resolution" else axis
    if sizes.get(taken) is not None:
        raise SkaprofError(f"--{taken.replace('_', '-')} and --axis {axis} both set it: expected one of them")


def _one(option: str, text: str | None, default: int) -> int:
    return default if text is None else parse_count(option, text)


def _optional(option: str, text: str | None) -> int | None:
    return None if text is None else parse_count(option, text)


def _kernel(text: str | None) -> int | None:
    return None if text is None else require_odd_kernel(parse_count("--kernel-size", text), "--kernel-size")


def _duels(mixers: list[str] | None, baseline: str, axis: str, sizes: Sizes) -> list[Duel]:
    from skaprof.crossover import make_duel

    reference = parse_mixer(baseline, "--baseline")
    named = mixers or [name for name in DEFAULT_MIXERS if name != reference.text]
    return [make_duel(parse_mixer(text, "--mixer"), reference, axis, sizes) for text in dict.fromkeys(named)]


def _timed(duel: Duel, saved: SavedResults) -> list[Timed]:
    """The samples of the duel, at its sizes, in a results file."""
    if saved.warning:
        say(f"skaprof: {saved.warning}")
    return timed_samples(saved, duel.mixer.text, duel.baseline.text, lambda row: _size_of(duel, row))


def _size_of(duel: Duel, row: Mapping[str, Any]) -> int | None:
    """A row's size on the axis, None where its other sizes are not the duel's."""
    sizes, spec = duel.sizes, next(spec for spec in duel.specs if spec.text == row["mixer"])
    at: int | None = row.get(duel.axis)
    if duel.axis == "resolution":
        at = row["height"] * sizes.patch if row.get("height") == row.get("width") else None
    elif duel.axis in ("heads", "kernel_size") and at is None:
        return None
    if at is None:
        return None
    try:
        expected = duel.row_at(spec, at)._asdict()
    except SkaprofError:  # heads that do not fit
        return None
    shared = ("batch", "tokens", "dim", "heads", "head_dim", "kernel_size", "dtype")
    return at if all(row.get(key) == expected[key] for key in shared) else None


def _measured_rows(duel: Duel, timed: Iterable[Timed]) -> list[Row]:
    from skaprof.crossover import row_identity

    rows = []
    for samples in timed:
        identity = row_identity(duel, METRIC, samples.implementation, samples.mode)
        rows += sampled_rows(identity, samples, duel.mixer.text)
    return rows


def _plot(drawn: Sequence[tuple[Duel, list[Row], list[Timed]]], paths: Sequence[str]) -> None:
    if not paths:
        return
    if len(drawn) > 1:
        raise SkaprofError(f"--plot: {len(drawn)} mixers: expected one --mixer, drawn with the baseline")
    from skaprof.report.crossover import caption
    from skaprof.report.crossover_plot import crossover_plot
    from skaprof.report.plot import AXES

    duel, rows, timed = drawn[0]
    panels, names = _panels(duel, rows, timed), (duel.mixer.text, duel.baseline.text)
    words = AXES.get(duel.axis, "resolution r (pixels)")
    title = f"{duel.mixer.text} {caption(rows)}"
    draw(paths, lambda suffix: crossover_plot(panels, names, words, title, suffix))


def _panels(duel: Duel, rows: Sequence[Row], timed: Sequence[Timed]) -> list[Any]:
    from skaprof.report.crossover_plot import Panel, measured_panel

    points = _drawn_points(duel, rows, timed)
    panels = []
    for (metric, implementation, mode), words in _DRAWN.items():
        costs = {at: _both(duel, at, metric, implementation, mode) for at in points}
        own = [row for row in rows if (row["metric"], row["implementation"]) == (metric, implementation)]
        panels.append(Panel(words, [(at, *costs[at]) for at in points], _winning_ranges(own, points)))
    for samples in timed:
        fewer = {}
        for sample in samples.samples:
            ours, theirs = _both(duel, sample.at, "macs", "eager", "forward")
            fewer[sample.at] = ours < theirs
        words = f"measured time, {samples.implementation}, {samples.mode} (ms)"
        panels.append(measured_panel(words, samples.samples, duel.mixer.text, duel.baseline.text, fewer))
    return panels


def _both(duel: Duel, at: int, metric: str, implementation: str, mode: str) -> tuple[int, int]:
    ours, theirs = (getattr(duel.row_at(spec, at, implementation, mode), metric) for spec in duel.specs)
    return ours, theirs


def _drawn_points(duel: Duel, rows: Sequence[Row], timed: Sequence[Timed]) -> list[int]:
    """Sizes from the first to somewhat beyond the last crossing, and those that were timed."""
    defaults = {"tokens": DEFAULT_TOKENS, "resolution": 224, "dim": 2 * DEFAULT_DIM, "heads": 32, "kernel_size": 11}
    crossings = [row["crossover"] for row in rows if row["crossover"] is not None]
    measured = [sample.at for samples in timed for sample in samples.samples]
    last = max([_DRAWN_BEYOND * max(crossings, default=0), defaults[duel.axis], *measured])
    first = duel.points.at_least(1) or 1
    wanted = [first + (last - first) * step / (_DRAWN_POINTS - 1) for step in range(_DRAWN_POINTS)]
    found = {duel.points.at_most(int(at)) for at in wanted} | set(measured)
    return sorted(at for at in found if at is not None)


def _winning_ranges(rows: Sequence[Row], points: Sequence[int]) -> list[tuple[float, float]]:
    """Where the mixer costs less, between the crossings."""
    edges = [float(points[0]), *(row["crossover"] for row in rows if row["crossover"] is not None), float(points[-1])]
    winners = [rows[0]["winner_below"], *(row["winner_above"] for row in rows if row["crossover"] is not None)]
    return [ends for ends, winner in zip(pairwise(edges), winners, strict=True) if winner == rows[0]["mixer"]]


def _text(rows: list[Row], chosen: str, *, to_terminal: bool) -> Iterable[str]:
    if chosen != "table":
        return data_text(rows, chosen, command_line(), environment())
    from skaprof.report.crossover import caption, crossover_sentences, crossover_table

    return table_text(crossover_table(rows), caption(rows), crossover_sentences(rows), to_terminal=to_terminal)
