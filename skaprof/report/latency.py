"""Measured rows as a terminal table, as sentences, and as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from skaprof.flags import flag_sentences, unsound
from skaprof.report.latency_evidence import evidence_sentences
from skaprof.report.numbers import significant
from skaprof.report.table import Column, size_cells, size_columns
from skaprof.results import name_of

Row = Mapping[str, Any]

_SPARKS = "▁▂▃▄▅▆▇█"
_BAR_WIDTH = 16
_VERDICT_STYLES = {"faster": "bold green", "slower": "bold red", "inconclusive": "yellow"}


def latency_table(rows: Sequence[Row]) -> Table:
    """One line a row: median and interval, ratio to the baseline and verdict, throughput, a bar, and flags."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    sizes = size_columns(rows)
    for column in sizes:
        table.add_column(column.words, no_wrap=True)
    for words in ("median\n(ms)", "95 % CI\n(ms)", "ratio", "verdict", "images/s", "TFLOP/s"):
        table.add_column(words, justify="left" if words == "verdict" else "right", no_wrap=True)
    for words in ("", "samples", "flags"):
        table.add_column(words, no_wrap=True)
    slowest = max((row["median_ms"] for row in rows if row["median_ms"]), default=1.0)
    for row in rows:
        table.add_row(*size_cells(sizes, row), *_figures(row, slowest))
    return table


def _figures(row: Row, slowest: float) -> list[str | Text]:
    if row["median_ms"] is None:
        return ["-", "-", "-", Text(row["verdict"], style="yellow"), "-", "-", "", "", ""]
    bar = "█" * max(1, round(_BAR_WIDTH * row["median_ms"] / slowest))
    return [
        significant(row["median_ms"]),
        interval_text(row),
        f"{row['ratio']:.3f}x",
        Text(row["verdict"], style=_VERDICT_STYLES.get(row["verdict"], "")),
        significant(row["images_per_s"]),
        "-" if row["tflops"] is None else significant(row["tflops"], 3),
        bar,
        sparkline(row["samples_ms"]),
        ", ".join(row["flags"]),
    ]


def interval_text(row: Row) -> str:
    """The latency interval in ms; with too few rounds there is none."""
    if row["ci_low_ms"] is None:
        return "-"
    return f"{significant(row['ci_low_ms'])} to {significant(row['ci_high_ms'])}"


def sparkline(samples: Sequence[float], width: int = 16) -> str:
    """The samples in order, as so many blocks: each the mean of its share, between the 5 % and 95 % quantiles."""
    if not samples:
        return ""
    ordered = sorted(samples)
    low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
    width = min(width, len(samples))
    blocks = []
    for at in range(width):
        share = samples[at * len(samples) // width : (at + 1) * len(samples) // width]
        level = (sum(share) / len(share) - low) / (high - low) if high > low else 0.0
        blocks.append(_SPARKS[min(7, max(0, int(level * 8)))])
    return "".join(blocks)


_NAMED = ("model", "mixer", "implementation")
"""What a row's name in a sentence has already."""


def pair_sentences(rows: Sequence[Row]) -> list[str]:
    """One sentence for each row that was compared with its baseline."""
    told_apart_by = [column for column in size_columns(rows) if column.key not in _NAMED]
    compared = [row for row in rows if row["median_ms"] is not None and row["verdict"] != "baseline"]
    return [_pair_sentence(row, _where(row, told_apart_by)) for row in compared]


def _where(row: Row, columns: Sequence[Column]) -> str:
    """` at tokens 49, mode train`: what tells this row's size from the others'."""
    values = zip(columns, size_cells(columns, row), strict=True)
    words = [f"{column.words.replace(chr(10), ' ')} {value}" for column, value in values if value != "-"]
    return f" at {', '.join(words)}" if words else ""


def _pair_sentence(row: Row, where: str) -> str:
    name = f"{_name(row)}{where}"
    low, middle, high = row["ratio_low"], row["ratio"], row["ratio_high"]
    if low is None:
        said = f"against {row['baseline']}: no verdict, since time ran out; ratio so far {middle:.3f}"
    elif row["verdict"] == "faster":
        said = f"is {1 / middle:.2f}x faster than {row['baseline']}, 95 % CI {1 / high:.2f} to {1 / low:.2f}"
    elif row["verdict"] == "slower":
        said = f"is {middle:.2f}x slower than {row['baseline']}, 95 % CI {low:.2f} to {high:.2f}"
    elif row["verdict"] == "same":
        said = f"is as fast as {row['baseline']}, 95 % CI of the ratio {low:.3f} to {high:.3f}"
    elif forbidding := unsound(row["flags"]):
        said = f"against {row['baseline']}: no verdict, since the run was not sound ({', '.join(forbidding)})"
    else:
        said = f"against {row['baseline']}: inconclusive, ratio {middle:.3f}, 95 % CI {low:.3f} to {high:.3f}"
        said += f", where a difference must exceed {100 * row['tolerance']:.1f} %"
        if row["rounds_to_decide"]:
            said += f"; some {row['rounds_to_decide']:,} rounds would decide"
    return f"{name} {said}."


def run_sentences(rows: Sequence[Row]) -> list[str]:
    """How it was measured, and what the flags mean that were raised."""
    measured = [row for row in rows if row["median_ms"] is not None]
    if not measured:
        return [*_failures(rows), "Nothing could be measured."]
    rounds = sorted({row["rounds"] for row in measured})
    tolerances = [f"{100 * value:.1f}" for value in sorted({row["tolerance"] for row in measured})]
    widest = tolerances[0] if tolerances[0] == tolerances[-1] else f"{tolerances[0]} to {tolerances[-1]}"
    spread = " to ".join(map(str, dict.fromkeys((rounds[0], rounds[-1]))))
    sentences = [
        f"{measured[0]['timing']} timing on {measured[0]['device']}, {spread} rounds of all contenders, each forward "
        f"then reversed; intervals over rounds; to be faster or slower takes {widest} % "
        "(the tolerance, or what the baseline differs from itself)."
    ]
    sentences += evidence_sentences(measured)
    sentences += flag_sentences(flag for row in measured for flag in row["flags"])
    return [*_failures(rows), *_disagreements(measured), *_checked_smaller(measured), *sentences]


def share_sentences(rows: Sequence[Row]) -> list[str]:
    """Where a backbone's time goes, by the profiler."""
    found = []
    for row in rows:
        if row.get("time_shares"):
            pairs = zip(row["time_scopes"], row["time_shares"], strict=True)
            parts = ", ".join(f"{scope} {significant(100 * share, 3)} %" for scope, share in pairs)
            size = f"{row['image_height']} x {row['image_width']}, batch {row['batch']}"
            found.append(f"Time of {_name(row)} at {size}, by the profiler, forward: {parts}.")
    return found


def _name(row: Row) -> str:
    return f"{name_of(row)} ({row['implementation']})"


def _failures(rows: Sequence[Row]) -> list[str]:
    """One sentence for each reason why rows were not measured."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["median_ms"] is None:
            name = _name(row)
            names = reasons.setdefault((row["verdict"], str(row["error"])), [])
            names.extend([name] if name not in names else [])
    return [f"{verdict}: {', '.join(names)}: {error}." for (verdict, error), names in reasons.items()]


def _disagreements(rows: Sequence[Row]) -> list[str]:
    """Where the medians, taken alone, say another ratio than the rounds do."""
    baselines = {_group(row): row["median_ms"] for row in rows if row["verdict"] == "baseline"}
    off = []
    for row in rows:
        baseline = baselines.get(_group(row))
        if row["ratio_low"] and baseline and not row["ratio_low"] <= row["median_ms"] / baseline <= row["ratio_high"]:
            off.append(_name(row))
    if not off:
        return []
    names = ", ".join(dict.fromkeys(off))
    return [f"{names}: the medians alone give another ratio than the rounds compared one by one; trust the ratio."]


def _group(row: Row) -> tuple[Any, ...]:
    keys = ("mode", "dtype", "batch", "height", "width", "dim", "image_height", "image_width")
    return (*(row.get(key) for key in keys), row["baseline"])


def _checked_smaller(rows: Sequence[Row]) -> list[str]:
    """Where the output was checked at another size than the one timed."""
    names = [_name(row) for row in rows if row["checked_tokens"] not in (None, row["tokens"])]
    if not names:
        return []
    smallest = min(row["checked_tokens"] for row in rows if row["checked_tokens"] is not None)
    return [
        f"{', '.join(dict.fromkeys(names))}: the output was checked against float64 at {smallest:,} tokens, since the "
        "reference of the size timed does not fit in memory."
    ]
