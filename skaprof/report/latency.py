"""Measured rows as a terminal table, as sentences, and as figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from skaprof.flags import flag_sentences, unsound
from skaprof.measured import MeasuredRow
from skaprof.report.latency_evidence import evidence_sentences
from skaprof.report.numbers import significant
from skaprof.report.plain_table import PlainTable
from skaprof.report.table import Column, add_sizes, size_cells, size_columns
from skaprof.results import ResultRow

_SPARKS = "▁▂▃▄▅▆▇█"
_BAR_WIDTH = 16
BAR = "bar"
"""What the column of bars is called, which shows the median and is no key of a row."""
_VERDICT_STYLES = {"faster": "bold green", "slower": "bold red", "inconclusive": "yellow"}


def latency_table(rows: Sequence[ResultRow]) -> PlainTable:
    """One line a row: median and interval, ratio to the baseline and verdict, throughput, a bar, and flags.

    Where a runtime was let compute in less than float32, also the error of the output, over the largest output.
    """
    table = PlainTable()
    sizes = size_columns(rows)
    add_sizes(table, sizes, rows)
    table.add("median_ms", words="median\n(ms)", number=True)
    table.add("ci_low_ms", "ci_high_ms", words="95 % CI\n(ms)", number=True)
    has_errors = any(len(row.elsewhere) > 1 for row in measured(rows))
    if has_errors:
        table.add("output_error", words="error", number=True)
    table.add("ratio", number=True)
    table.add("verdict")
    table.add("images_per_s", words="images/s", number=True)
    table.add("tflops", words="TFLOP/s", number=True)
    table.add(BAR, words="")
    table.add("samples_ms", words="samples")
    table.add("flags", folds=True)
    slowest = max((row.median_ms for row in measured(rows)), default=1.0)
    for row in rows:
        median, interval, *others = _figures(row, slowest)
        error = [_error_text(row)] if has_errors else []
        table.add_row(*size_cells(sizes, row), median, interval, *error, *others, of=row)
    return table


def measured(rows: Iterable[ResultRow]) -> list[MeasuredRow]:
    """The rows that were timed."""
    return [row for row in rows if isinstance(row, MeasuredRow)]


def _figures(row: ResultRow, slowest: float) -> list[str | Text]:
    if not isinstance(row, MeasuredRow):
        return ["-", "-", "-", Text(row.verdict or "", style="yellow"), "-", "-", "", "", ""]
    bar = "█" * max(1, round(_BAR_WIDTH * row.median_ms / slowest))
    return [
        significant(row.median_ms),
        interval_text(row),
        f"{row.ratio:.3f}x",
        Text(row.verdict, style=_VERDICT_STYLES.get(row.verdict, "")),
        significant(row.images_per_s),
        "-" if row.tflops is None else significant(row.tflops, 3),
        bar,
        sparkline(row.samples_ms),
        ", ".join(row.flags),
    ]


def _error_text(row: ResultRow) -> str:
    """The output's error where it was rounded, which a time must not stand without."""
    return f"{row.output_error:.1e}" if isinstance(row, MeasuredRow) and row.output_error is not None else "-"


def interval_text(row: MeasuredRow) -> str:
    """The latency interval in ms; with too few rounds there is none."""
    return "-" if row.interval is None else " to ".join(map(significant, row.interval))


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


_NAMED = ("given", "model", "mixer", "implementation", "runtime", "precision")
"""What a row's name in a sentence has already."""


def pair_sentences(rows: Sequence[ResultRow]) -> list[str]:
    """One sentence for each row that was compared with its baseline."""
    told_apart_by = [column for column in size_columns(rows) if column.key not in _NAMED]
    compared = [row for row in measured(rows) if row.verdict != "baseline"]
    return [_pair_sentence(row, _where(row, told_apart_by)) for row in compared]


def _where(row: MeasuredRow, columns: Sequence[Column]) -> str:
    """` at tokens 49, mode train`: what tells this row's size from the others'."""
    values = zip(columns, size_cells(columns, row), strict=True)
    words = [f"{column.words.replace(chr(10), ' ')} {value}" for column, value in values if value != "-"]
    return f" at {', '.join(words)}" if words else ""


def _pair_sentence(row: MeasuredRow, where: str) -> str:
    middle = row.ratio
    low, high = row.ratio_interval or (middle, middle)
    if row.ratio_interval is None:
        said = f"against {row.baseline}: no verdict, since time ran out; ratio so far {middle:.3f}"
    elif row.verdict == "faster":
        said = f"is {1 / middle:.2f}x faster than {row.baseline}, 95 % CI {1 / high:.2f} to {1 / low:.2f}"
    elif row.verdict == "slower":
        said = f"is {middle:.2f}x slower than {row.baseline}, 95 % CI {low:.2f} to {high:.2f}"
    elif row.verdict == "same":
        said = f"is as fast as {row.baseline}, 95 % CI of the ratio {low:.3f} to {high:.3f}"
    elif forbidding := unsound(row.flags):
        said = f"against {row.baseline}: no verdict, since the run was not sound ({', '.join(forbidding)})"
    else:
        said = f"against {row.baseline}: inconclusive, ratio {middle:.3f}, 95 % CI {low:.3f} to {high:.3f}"
        said += f", where a difference must exceed {100 * row.tolerance:.1f} %"
        if row.rounds_to_decide:
            said += f"; some {row.rounds_to_decide:,} rounds would decide: --rounds {row.rounds_to_decide}"
    return f"{row.contender}{where} {said}."


def run_sentences(rows: Sequence[ResultRow]) -> list[str]:
    """How it was measured, and what the flags mean that were raised."""
    timed = measured(rows)
    if not timed:
        return [*_failures(rows), "Nothing could be measured."]
    rounds = sorted({row.rounds for row in timed})
    tolerances = [f"{100 * value:.1f}" for value in sorted({row.tolerance for row in timed})]
    widest = tolerances[0] if tolerances[0] == tolerances[-1] else f"{tolerances[0]} to {tolerances[-1]}"
    spread = " to ".join(map(str, dict.fromkeys((rounds[0], rounds[-1]))))
    sentences = [
        f"{timed[0].timing} timing on {timed[0].device}, {spread} rounds of all contenders, each forward "
        f"then reversed; intervals over rounds; to be faster or slower takes {widest} % "
        "(the tolerance, or what the baseline differs from itself)."
    ]
    sentences += evidence_sentences(timed)
    sentences += flag_sentences(flag for row in timed for flag in row.flags)
    return [*_failures(rows), *_disagreements(timed), *_checked_smaller(timed), *sentences]


def share_sentences(rows: Sequence[ResultRow]) -> list[str]:
    """Where a backbone's time goes, by the profiler."""
    found = []
    for row in measured(rows):
        if row.time_scopes and row.time_shares:
            pairs = zip(row.time_scopes, row.time_shares, strict=True)
            parts = ", ".join(f"{scope} {significant(100 * share, 3)} %" for scope, share in pairs)
            size = f"{row.image}, batch {row.batch}"
            found.append(f"Time of {row.contender} at {size}, by the profiler, forward: {parts}.")
    return found


def _failures(rows: Sequence[ResultRow]) -> list[str]:
    """One sentence for each reason why rows were not measured."""
    reasons: dict[tuple[str | None, str | None], dict[str, None]] = {}
    for row in rows:
        if not isinstance(row, MeasuredRow):
            reasons.setdefault((row.verdict, row.error), {})[row.contender] = None
    return [f"{verdict}: {', '.join(names)}: {error}." for (verdict, error), names in reasons.items()]


def _disagreements(rows: Sequence[MeasuredRow]) -> list[str]:
    """Where the medians, taken alone, say another ratio than the rounds do."""
    baselines = {(row.place, row.baseline): row.median_ms for row in rows if row.verdict == "baseline"}
    off: dict[str, None] = {}
    for row in rows:
        baseline = baselines.get((row.place, row.baseline))
        if baseline and row.ratio_interval is not None:
            low, high = row.ratio_interval
            off |= {} if low <= row.median_ms / baseline <= high else {row.contender: None}
    if not off:
        return []
    return [
        f"{', '.join(off)}: the medians alone give another ratio than the rounds compared one by one; trust the ratio."
    ]


def _checked_smaller(rows: Sequence[MeasuredRow]) -> list[str]:
    """Where the output was checked at another size than the one timed."""
    names = dict.fromkeys(row.contender for row in rows if row.checked_tokens not in (None, row.tokens))
    if not names:
        return []
    smallest = min(row.checked_tokens for row in rows if row.checked_tokens is not None)
    return [
        f"{', '.join(names)}: the output was checked against float64 at {smallest:,} tokens, since the "
        "reference of the size timed does not fit in memory."
    ]
