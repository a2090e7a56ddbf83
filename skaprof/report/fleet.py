"""The report's section of several devices: a table and a figure of mixers on each, and where a verdict turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from skaprof.analysis.fleet import by_pair, turns
from skaprof.fleets import FleetRow
from skaprof.implementations import form_of
from skaprof.report.markdown import bullets, table_of
from skaprof.report.numbers import counted, significant
from skaprof.report.timing import Rendered
from skaprof.results import name_of, values_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOTE = (
    "Each cell: the time over that of the baseline mixer in the same form on the same device, its 95 % interval and "
    "the verdict.\n"
)
_KEYS = ("batch", "heads", "mode", "dtype", "timing")
_MOST_SIZES = 3
"""A sentence names so many."""


def fleet_section(rows: Sequence[FleetRow], figure: Callable[[str, str], str]) -> Rendered:
    """The section's markdown, its findings, and its figure."""
    devices = list(dict.fromkeys(row.device for row in rows))
    tables = "".join(_size_table(rows, size, devices) for size in dict.fromkeys(map(size_of, rows)))
    drawn = [row for row in rows if row.ratio is not None]

    def draw() -> Figure:
        from skaprof.report.fleet_figure import fleet_figure

        return fleet_figure(drawn)

    alt = f"Time over the baseline's on each of {counted(len(devices), 'device')}, with 95 % intervals"
    body = f"{figure('fleet', alt)}\n{tables}{_NOTE}\n{bullets(predicted_sentences(rows))}"
    return body, turn_sentences(rows), {"fleet": draw}


def contender_of(row: FleetRow) -> str:
    """The mixer or network and its form, as `baseline` says it."""
    return f"{name_of(row)} ({form_of(row.implementation, row.runtime, row.precision)})"


def size_of(row: FleetRow) -> str:
    """A mixer's tokens and dim, or a network's image."""
    if row.model is not None:
        return f"image {row.image_height} x {row.image_width}"
    if row.tokens is None or row.dim is None:
        return f"input {row.input_shape}"
    return f"{row.height} x {row.width} tokens, dim {row.dim:,}"


def _size_table(rows: Sequence[FleetRow], size: str, devices: Sequence[str]) -> str:
    own = [row for row in rows if size_of(row) == size]
    lines = [
        [
            *("-" if each is None else str(each) for each in values_of(pair[0], _KEYS)),
            contender_of(pair[0]),
            pair[0].baseline,
            *_cells(pair, devices),
        ]
        for pair in by_pair(own)
    ]
    return f"### {size}\n\n{table_of((*_KEYS, 'mixer', 'against', *devices), lines, 7)}\n"


def _cells(pair: Sequence[FleetRow], devices: Sequence[str]) -> list[str]:
    by_device = {row.device: row for row in pair}
    return [_cell(by_device[device]) if device in by_device else "-" for device in devices]


def _cell(row: FleetRow) -> str:
    said = []
    if row.ratio is not None:
        interval = "" if row.ratio_low is None else f", {row.ratio_low:.3f} to {row.ratio_high:.3f}"
        flags = f" ({', '.join(row.flags)})" if row.flags else ""
        said.append(f"{row.ratio:.3f}x{interval}, {row.verdict}{flags}")
    if row.predicted_ratio is not None:
        said.append(f"predicted {row.predicted_ratio:.3f}x ({significant(row.predicted_ms or 0.0, 3)} ms)")
    return "; ".join(said)


def turn_sentences(rows: Sequence[FleetRow]) -> list[str]:
    """Who is faster on one device and slower on another, and at which sizes; or that nothing turns."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for turn in turns(rows):
        row = turn.faster[0]
        kind = contender_of(row), row.baseline, *values_of(row, _KEYS[2:])
        heads = "" if row.heads is None else f", {counted(row.heads, 'head')}"
        where = f"{size_of(row)}{heads}, batch {row.batch:,}: {_ratios(turn.faster)}, against {_ratios(turn.slower)}"
        found.setdefault((kind, _devices(turn.faster), _devices(turn.slower)), []).append(where)
    if found:
        return [
            f"The verdict turns: {name} is faster than {baseline} on {faster}, and slower on {slower} "
            f"({', '.join(others)}), at {_first(places)}."
            for ((name, baseline, *others), faster, slower), places in found.items()
        ]
    several = sum(sum(row.verdict in ("faster", "slower") for row in pair) > 1 for pair in by_pair(rows))
    if not several:
        return ["Devices: no mixer is faster or slower on several of them, so that none can be said to turn."]
    return [f"Devices: no verdict turns in {counted(several, 'case')} that several of them decide."]


def _first(places: Sequence[str]) -> str:
    more = f"; and at {counted(len(places) - _MOST_SIZES, 'size')} more" if len(places) > _MOST_SIZES else ""
    return f"{'; '.join(places[:_MOST_SIZES])}{more}"


def _devices(rows: Sequence[FleetRow]) -> str:
    return " and ".join(row.device for row in rows)


def _ratios(rows: Sequence[FleetRow]) -> str:
    return " and ".join(f"{row.ratio:.2f}x" for row in rows)


def predicted_sentences(rows: Sequence[FleetRow]) -> list[str]:
    """How far the predicted ratios of each device are off, where they were measured too."""
    said = []
    for device, hardware in dict.fromkeys((row.device, row.hardware) for row in rows if row.hardware is not None):
        own = [row for row in rows if row.device == device and row.predicted_ratio]
        both = [row for row in own if row.ratio]
        off = [abs((row.predicted_ratio or 0.0) / (row.ratio or 1.0) - 1) for row in both]
        near = (
            f"half of the {len(both):,} measured are within {100 * median(off):.1f} %" if both else "none is measured"
        )
        said.append(f"{device}: {counted(len(own), 'ratio')} predicted by {hardware}; {near}.")
    return said
