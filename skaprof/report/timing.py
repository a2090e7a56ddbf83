"""The report's latency section: what was measured beside what MACs promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from statistics import fmean
from typing import TYPE_CHECKING

from skaprof.analysis.promises import KeptOrNot, Promise, compared, is_sound, promises
from skaprof.flags import unsound
from skaprof.measured import MeasuredRow
from skaprof.report.latency import interval_text, measured, run_sentences
from skaprof.report.markdown import bullets, table_of
from skaprof.report.numbers import significant
from skaprof.results import VERDICTS, ResultRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_HEADERS = (
    "batch",
    "mode",
    "dtype",
    "timing",
    "mixer",
    "implementation",
    "MACs ratio",
    "median (ms)",
    "95 % CI (ms)",
    "time ratio",
    "95 % CI",
    "verdict",
    "flags",
)


def latency_section(
    rows: Sequence[ResultRow], figure: Callable[[str, str], str]
) -> tuple[str, Sequence[str], Mapping[str, Callable[[], Figure]]]:
    """The section's markdown, its findings, and its figures, from the rows of `skaprof latency`."""
    found = promises(rows)
    sound = compared(found)

    def draw() -> Figure:
        from skaprof.report.macs_vs_time import promise_figure

        return promise_figure(sound, f"What MACs promise and what the clock says, on {rows[0].device}")

    tables = "".join(_size_table(found, size) for size in dict.fromkeys(map(_place, rows)))
    sentences = run_sentences(rows)
    alt = f"Time over MACs, both relative to the baseline, in {len(sound)} sound cases"
    shown = figure("promise", alt) if sound else ""
    findings = [*outcomes(rows), *kept_promises(sound)]
    return f"{shown}\n{tables}{bullets(sentences)}", findings, {"promise": draw} if sound else {}


def kept_promises(rows: Sequence[KeptOrNot]) -> list[str]:
    """How often fewer MACs were faster, and the worst broken promise."""
    told = [kept for kept in rows if kept.macs_ratio < 1 and kept.row.verdict != "inconclusive"]
    if not told:
        return []
    faster = sum(kept.row.verdict == "faster" for kept in told)
    sentences = [f"Fewer MACs than the baseline were also faster in {faster:,} of {len(told):,} decided cases."]
    broken = [kept for kept in told if kept.row.verdict == "slower"]
    if broken:
        row, macs_ratio, _ = max(broken, key=lambda kept: kept.row.ratio)
        sentences.append(
            f"The worst: {row.mixer} ({row.implementation}) at {row.tokens:,} tokens, dim "
            f"{row.dim:,}, batch {row.batch:,}, {row.mode}, {row.dtype}: "
            f"{macs_ratio:.2f}x the MACs and {row.ratio:.2f}x the time."
        )
    return sentences


def outcomes(rows: Sequence[ResultRow]) -> list[str]:
    """For each contender, how often it was faster, slower or neither, and the range and mean of its ratios."""
    members: dict[str, list[MeasuredRow]] = {}
    for row in measured(rows):
        if row.verdict != "baseline":
            members.setdefault(f"{row.contender} against {row.baseline}", []).append(row)
    return [_outcome(name, of_one) for name, of_one in members.items()]


def _outcome(name: str, rows: Sequence[MeasuredRow]) -> str:
    sound = list(filter(is_sound, rows))
    verdicts = Counter(row.verdict for row in sound)
    counts = [f"{verdicts[verdict]:,} {verdict}" for verdict in VERDICTS if verdicts[verdict]]
    if undecided := [row for row in rows if not is_sound(row)]:
        flags = ", ".join(unsound(flag for row in undecided for flag in row.flags))
        counts.append(f"{len(undecided):,} without a verdict ({flags})")
    said = f"{name}: {', '.join(counts)} of {len(rows):,} {'case' if len(rows) == 1 else 'cases'}"
    if not sound:
        return f"{said}."
    ratios = [row.ratio for row in sound]
    if len(ratios) == 1:
        return f"{said}; time ratio {ratios[0]:.2f}."
    mean = exp(fmean(map(log, ratios)))
    return f"{said}; time ratio {min(ratios):.2f} to {max(ratios):.2f}, geometric mean {mean:.2f}."


def _place(row: ResultRow) -> str:
    """A table's heading: the image of a whole backbone, or the token grid of a mixer."""
    if row.model is not None:
        return f"Images of {row.image_height} x {row.image_width}"
    return f"{row.height} x {row.width} tokens, dim {row.dim:,}"


def _size_table(found: Sequence[Promise], place: str) -> str:
    cells = [_cells(row, macs_ratio) for row, macs_ratio in found if _place(row) == place]
    return f"### {place}\n\n{table_of(_HEADERS, cells, 6)}\n"


def _cells(row: ResultRow, macs_ratio: float | None) -> list[str]:
    identity = [f"{row.batch}", row.mode, row.dtype, row.timing or "", row.name, row.implementation]
    promise = "-" if macs_ratio is None else f"{macs_ratio:.3f}x"
    if not isinstance(row, MeasuredRow):
        return [*identity, promise, "-", "-", "-", "-", row.verdict or "", ""]
    interval = "-" if row.ratio_interval is None else "{:.3f} to {:.3f}".format(*row.ratio_interval)
    flags = ", ".join(row.flags)
    median = significant(row.median_ms)
    return [*identity, promise, median, interval_text(row), f"{row.ratio:.3f}x", interval, row.verdict, flags]
