"""The report's latency section: what was measured beside what MACs promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from statistics import fmean
from typing import TYPE_CHECKING, Any

from skaprof.flags import unsound
from skaprof.report.latency import interval_text, run_sentences
from skaprof.report.markdown import bullets, table_of
from skaprof.report.numbers import significant
from skaprof.results import name_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

_HEADERS = (
    *("batch", "mode", "dtype", "timing", "mixer", "implementation"),
    *("MACs ratio", "median (ms)", "95 % CI (ms)", "time ratio", "95 % CI", "verdict", "flags"),
)
_SIZE = ("mode", "dtype", "batch", "height", "width", "dim", "image_height", "image_width", "timing", "device")


def latency_section(
    rows: Sequence[Row], figure: Callable[[str, str], str]
) -> tuple[str, Sequence[str], Mapping[str, Callable[[], Figure]]]:
    """The section's markdown, its findings, and its figures, from the rows of `skaprof latency`."""
    rows = with_promises(rows)
    compared = [row for row in rows if _is_sound(row) and row["macs_ratio"] is not None]

    def draw() -> Figure:
        from skaprof.report.macs_vs_time import promise_figure

        return promise_figure(compared, f"What MACs promise and what the clock says, on {rows[0]['device']}")

    tables = "".join(_size_table(rows, size) for size in dict.fromkeys(_place(row) for row in rows))
    sentences = run_sentences(rows)
    alt = f"Time over MACs, both relative to the baseline, in {len(compared)} sound cases"
    shown = figure("promise", alt) if compared else ""
    findings = [*outcomes(rows), *_promises(compared)]
    return f"{shown}\n{tables}{bullets(sentences)}", findings, {"promise": draw} if compared else {}


def _promises(compared: Sequence[Row]) -> list[str]:
    if not compared:
        return []
    from skaprof.report.macs_vs_time import kept_promises

    return kept_promises(compared)


def with_promises(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows with `macs_ratio`: their MACs over those of the baseline they were compared with, None without one."""
    macs = {(_size(row), _contender(row)): row["macs"] for row in rows}
    found = []
    for row in rows:
        baseline = macs.get((_size(row), row["baseline"]))
        found.append({**row, "macs_ratio": row["macs"] / baseline if baseline and row["macs"] is not None else None})
    return found


def _size(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in _SIZE)


def _contender(row: Row) -> str:
    """As `baseline` names it."""
    return f"{name_of(row)} ({row['implementation']})"


def _is_sound(row: Row) -> bool:
    """Whether it was compared with the baseline under conditions that allow a verdict."""
    return row["ratio_low"] is not None and not unsound(row["flags"])


def outcomes(rows: Sequence[Row]) -> list[str]:
    """For each contender, how often it was faster, slower or neither, and the range and mean of its ratios."""
    members: dict[str, list[Row]] = {}
    for row in rows:
        if row["verdict"] not in (None, "baseline") and row["ratio"] is not None:
            name = f"{_contender(row)} against {row['baseline']}"
            members.setdefault(name, []).append(row)
    return [_outcome(name, of_one) for name, of_one in members.items()]


def _outcome(name: str, rows: Sequence[Row]) -> str:
    sound = [row for row in rows if _is_sound(row)]
    verdicts = Counter(row["verdict"] for row in sound)
    counts = [f"{verdicts[verdict]:,} {verdict}" for verdict in _VERDICTS if verdicts[verdict]]
    if undecided := [row for row in rows if not _is_sound(row)]:
        flags = ", ".join(unsound(flag for row in undecided for flag in row["flags"]))
        counts.append(f"{len(undecided):,} without a verdict ({flags})")
    said = f"{name}: {', '.join(counts)} of {len(rows):,} {'case' if len(rows) == 1 else 'cases'}"
    if not sound:
        return f"{said}."
    ratios = [row["ratio"] for row in sound]
    if len(ratios) == 1:
        return f"{said}; time ratio {ratios[0]:.2f}."
    mean = exp(fmean(map(log, ratios)))
    return f"{said}; time ratio {min(ratios):.2f} to {max(ratios):.2f}, geometric mean {mean:.2f}."


_VERDICTS = ("faster", "slower", "same", "inconclusive")


def _place(row: Row) -> str:
    """A table's heading: the image of a whole backbone, or the token grid of a mixer."""
    if row.get("model") is not None:
        return f"Images of {row['image_height']} x {row['image_width']}"
    return f"{row['height']} x {row['width']} tokens, dim {row['dim']:,}"


def _size_table(rows: Sequence[Row], place: str) -> str:
    cells = [_cells(row) for row in rows if _place(row) == place]
    return f"### {place}\n\n{table_of(_HEADERS, cells, 6)}\n"


def _cells(row: Row) -> list[str]:
    identity = [*(str(row[key]) for key in _HEADERS[:4]), name_of(row), row["implementation"]]
    promise = "-" if row["macs_ratio"] is None else f"{row['macs_ratio']:.3f}x"
    if row["median_ms"] is None:
        return [*identity, promise, "-", "-", "-", "-", row["verdict"], ""]
    interval = "-" if row["ratio_low"] is None else f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}"
    ratio = f"{row['ratio']:.3f}x"
    flags = ", ".join(row["flags"])
    return [
        *identity,
        promise,
        significant(row["median_ms"]),
        interval_text(row),
        ratio,
        interval,
        row["verdict"],
        flags,
    ]
