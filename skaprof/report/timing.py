"""The report's latency section: what was measured beside what MACs promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import exp, log
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

from skaprof.analysis.promises import BEST, Compared, Promise, best_pairs, promises, same_form_pairs
from skaprof.measured import MeasuredRow
from skaprof.report.latency import interval_text, measured, run_sentences, share_sentences
from skaprof.report.markdown import bullets, table_of
from skaprof.report.numbers import counted, significant
from skaprof.results import VERDICTS, ResultRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Rendered: TypeAlias = "tuple[str, Sequence[str], Mapping[str, Callable[[], Figure]]]"
"""A section's markdown, its findings, and its figures."""
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
    "against",
    "time ratio",
    "95 % CI",
    "verdict",
    "flags",
)


def latency_section(rows: Sequence[ResultRow], figure: Callable[[str, str], str]) -> Rendered:
    """The section's markdown, its findings, and its figures, from the rows of `skaprof latency`."""
    found = promises(rows)
    same_form = same_form_pairs(rows)
    sound = [pair for pair in same_form if pair.is_sound and pair.macs_ratio is not None]

    def draw() -> Figure:
        from skaprof.report.macs_vs_time import promise_figure

        return promise_figure(sound, f"What MACs promise and what the clock says, on {rows[0].device}")

    tables = "".join(_size_table(found, size) for size in dict.fromkeys(map(_place, rows)))
    sentences = run_sentences(rows)
    alt = f"Time over MACs, both relative to the baseline mixer's same form, in {len(sound)} sound cases"
    shown = figure("promise", alt) if sound else ""
    findings = [*outcomes(same_form), *outcomes(best_pairs(rows)), *kept_promises(sound)]
    return f"{shown}\n{tables}{bullets(sentences)}", findings, {"promise": draw} if sound else {}


def network_section(rows: Sequence[ResultRow]) -> Rendered:
    """Whole backbones: their milliseconds, each stage's share of them, and findings, like with like."""
    found = promises(rows)
    tables = "".join(_size_table(found, size) for size in dict.fromkeys(map(_place, rows)))
    findings = [*outcomes(same_form_pairs(rows)), *outcomes(best_pairs(rows))]
    return f"{tables}{bullets([*run_sentences(rows), *share_sentences(rows)])}", findings, {}


def heads_section(rows: Sequence[ResultRow], figure: Callable[[str, str], str]) -> Rendered:
    """Figure 3's speed half: throughput over the number of heads."""
    from skaprof.report.figures import figure_3

    headers = ("mixer", "heads", "images/s", "median (ms)", "flags")
    cells = [
        (
            row.name,
            f"{row.heads}",
            significant(row.images_per_s) if isinstance(row, MeasuredRow) else "-",
            significant(row.median_ms) if isinstance(row, MeasuredRow) else "-",
            ", ".join(row.flags or ()) or str(row.verdict),
        )
        for row in rows
    ]
    drawable = measured(rows)
    alt = f"Images per second of {', '.join(dict.fromkeys(row.name for row in rows))} over the number of heads"
    shown = figure("figure3", alt) if drawable else ""
    figures = {"figure3": partial(figure_3, drawable)} if drawable else {}
    return f"{shown}\n{table_of(headers, cells)}", (), figures


def kept_promises(pairs: Sequence[Compared]) -> list[str]:
    """For each mode and dtype, how often fewer MACs were faster; and the worst broken promise of all."""
    told = [pair for pair in pairs if (pair.macs_ratio or 1) < 1 and pair.verdict != "inconclusive"]
    sentences = []
    for kind in dict.fromkeys(pair.kind for pair in told):
        own = [pair for pair in told if pair.kind == kind]
        faster = sum(pair.verdict == "faster" for pair in own)
        sentences.append(
            f"Fewer MACs than the baseline mixer in the same form were also faster in {faster:,} of "
            f"{counted(len(own), 'decided case')} ({', '.join(kind)})."
        )
    broken = [pair for pair in told if pair.verdict == "slower"]
    if broken:
        worst = max(broken, key=lambda pair: pair.ratio)
        row = worst.row
        where = row.image if row.tokens is None else f"{row.tokens:,} tokens"
        where += "" if row.dim is None else f", dim {row.dim:,}"
        sentences.append(
            f"The worst: {row.contender} at {where}, batch {row.batch:,}, {row.mode}, {row.dtype}: "
            f"{worst.macs_ratio:.2f}x the MACs and {worst.ratio:.2f}x the time of {worst.other.contender}."
        )
    return sentences


def outcomes(pairs: Sequence[Compared]) -> list[str]:
    """For each mixer, form, mode and dtype, how often it was faster, slower or neither, and the range and mean of its
    ratios: like with like."""
    members: dict[str, list[Compared]] = {}
    for pair in pairs:
        ours, theirs = (
            (pair.row.name, pair.other.name) if pair.form == BEST else (pair.row.contender, pair.other.contender)
        )
        best = ", each in its fastest form" if pair.form == BEST else ""
        members.setdefault(f"{ours} against {theirs}{best}, {', '.join(pair.kind)}", []).append(pair)
    return [_outcome(name, of_one) for name, of_one in members.items()]


def _outcome(name: str, pairs: Sequence[Compared]) -> str:
    sound = [pair for pair in pairs if pair.is_sound]
    verdicts = Counter(pair.verdict for pair in sound)
    counts = [f"{verdicts[verdict]:,} {verdict}" for verdict in VERDICTS if verdicts[verdict]]
    if undecided := [pair for pair in pairs if not pair.is_sound]:
        flags = ", ".join(dict.fromkeys(flag for pair in undecided for flag in pair.unsound)) or "no interval"
        counts.append(f"{len(undecided):,} without a verdict ({flags})")
    said = f"{name}: {', '.join(counts)} of {counted(len(pairs), 'case')}"
    if not sound:
        return f"{said}."
    ratios = [pair.ratio for pair in sound]
    if len(ratios) == 1:
        return f"{said}; time ratio {ratios[0]:.2f}."
    mean = exp(fmean(map(log, ratios)))
    return f"{said}; time ratio {min(ratios):.2f} to {max(ratios):.2f}, geometric mean {mean:.2f}."


def _place(row: ResultRow) -> str:
    """A table's heading: the image of a whole backbone, or the token grid of a mixer."""
    if row.model is not None:
        return f"Images of {row.image}" if row.image_height is not None else row.image.capitalize()
    return f"{row.height} x {row.width} tokens, dim {row.dim:,}"


def _size_table(found: Sequence[Promise], place: str) -> str:
    cells = [_cells(row, macs_ratio) for row, macs_ratio in found if _place(row) == place]
    return f"### {place}\n\n{table_of(_HEADERS, cells, 6)}\n"


def _cells(row: ResultRow, macs_ratio: float | None) -> list[str]:
    identity = [f"{row.batch}", row.mode, row.dtype, row.timing or "", row.name, row.form]
    promise = "-" if macs_ratio is None else f"{macs_ratio:.3f}x"
    if not isinstance(row, MeasuredRow):
        return [*identity, promise, "-", "-", str(row.baseline or "-"), "-", "-", row.verdict or "", ""]
    interval = "-" if row.ratio_interval is None else "{:.3f} to {:.3f}".format(*row.ratio_interval)
    flags = ", ".join(row.flags)
    median = significant(row.median_ms)
    ratio = f"{row.ratio:.3f}x"
    return [*identity, promise, median, interval_text(row), row.baseline, ratio, interval, row.verdict, flags]
