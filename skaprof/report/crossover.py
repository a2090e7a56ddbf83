"""Crossovers as a person reads them: a table and sentences from the rows of `skaprof crossover`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from math import isqrt

from skaprof.analysis.crossover_times import IDEAL, MEASURED, PREDICTED, UNDECIDED
from skaprof.analysis.roofline import has_wide_queries
from skaprof.answers import CrossoverRow
from skaprof.implementations import form_of
from skaprof.model.spec import parse_mixer
from skaprof.report.numbers import significant
from skaprof.report.plain_table import PlainTable
from skaprof.results import FLOPS_PER_PARAM, values_of
from skaprof.workload import AXIS_SYMBOLS, SYMBOLS, is_fused

_NOUNS = {
    "params": "fewer parameters",
    "macs": "fewer MACs",
    FLOPS_PER_PARAM: "fewer FLOPs per parameter",
    "traffic_bytes": "less activation traffic",
    "saved_bytes": "less memory saved for backward",
    MEASURED: "less time",
    PREDICTED: "less predicted time",
    IDEAL: "less time at the ceilings",
}
_WORDS = {
    "params": "params",
    "macs": "MACs",
    FLOPS_PER_PARAM: "FLOPs / param",
    "traffic_bytes": "traffic",
    "saved_bytes": "saved",
    MEASURED: "measured time",
    PREDICTED: "predicted time",
    IDEAL: "time at ceilings",
}
_IN_EVERY_FORM = ("params", "macs", FLOPS_PER_PARAM)
_TIMES = (MEASURED, PREDICTED, IDEAL)


def crossover_table(rows: Sequence[CrossoverRow]) -> PlainTable:
    """One line a crossing: where it is, who costs less on either side, and where the mixer does."""
    table = PlainTable()
    symbol = AXIS_SYMBOLS[rows[0].axis]
    table.add("mixer")
    table.add("metric", words="quantity")
    table.add("implementation", "mode", "device", "timing", words="form", folds=True)
    table.add("formula", words="closed form")
    table.add("crossover", "crossover_low", "crossover_high", words=f"{symbol} at the\ncrossing")
    for side in ("below", "above"):
        table.add(f"winner_{side}", words=side)
    for key in ("last_win", "first_win"):
        table.add(key, words=key.replace("_", " "), number=True)
    previous = ""
    for row in rows:
        if previous and row.mixer != previous:
            table.add_section()
        cells = (row.winner_below, row.winner_above, _count(row.last_win), _count(row.first_win))
        name = "" if row.mixer == previous else row.mixer
        table.add_row(name, _WORDS[row.metric], _form(row), _formula(row), _place(row), *cells, of=row)
        previous = row.mixer
    return table


def caption(rows: Sequence[CrossoverRow]) -> str:
    """The sizes that stay as they are."""
    row = rows[0]
    parts = [f"against {row.baseline}", f"batch {row.batch:,}"]
    if row.axis == "resolution":
        parts.append(f"patch {row.patch}")
    elif row.tokens is not None:
        parts.append(f"{row.tokens:,} tokens")
    parts += [f"dim {row.dim:,}"] if row.dim is not None else []
    parts += [f"{row.heads} heads"] if row.heads is not None else []
    parts += [f"head dim {row.head_dim}"] if row.head_dim is not None else []
    parts += [f"{row.kernel_size} x {row.kernel_size} kernel"] if row.kernel_size is not None else []
    return ", ".join([*parts, row.dtype])


def crossover_sentences(rows: Sequence[CrossoverRow]) -> list[str]:
    """For each mixer and quantity, where the mixer costs less than the baseline."""
    key = ("mixer", "metric", "implementation", "mode", "device", "timing")
    groups = groupby(rows, lambda row: values_of(row, key))
    sentences = [_sentence(list(group)) for _, group in groups]
    return [*sentences, *_cautions(rows), _legend(rows)]


def _cautions(rows: Sequence[CrossoverRow]) -> list[str]:
    """What the figures rest on, where that is not plain."""
    found = []
    fused = [row for row in rows if row.metric == "saved_bytes" and is_fused(row.implementation)]
    named = dict.fromkeys(text for row in fused for text in (row.mixer, row.baseline))
    wide = [text for text in named if has_wide_queries(parse_mixer(text))]
    if wide:
        found.append(
            f"Fused, {', '.join(wide)} is taken to run one kernel; where PyTorch has none for queries wider than "
            "values, as on processors, it keeps more for backward than this."
        )
    if any(row.metric == IDEAL for row in rows):
        found.append("Time at the ceilings: launches are free, and every kernel is as fast as the machine allows.")
    return found


def _sentence(rows: Sequence[CrossoverRow]) -> str:
    row = rows[0]
    form = f" ({_form(row)})" if _form(row) else ""
    noun = _NOUNS[row.metric]
    if row.winner_below == row.winner_above == "equal":
        same = noun.replace("fewer", "as many").replace("less", "as much")
        return f"{row.mixer} needs {same}{form} as {row.baseline} at every size."
    if row.winner_below == UNDECIDED:
        return f"Whether {row.mixer} needs {noun}{form} than {row.baseline} is undecided at every size timed."
    return f"{row.mixer} needs {noun}{form} than {row.baseline} {_where(rows)}."


def _where(rows: Sequence[CrossoverRow]) -> str:
    row = rows[0]
    if row.winner_below == row.winner_above:
        return f"at {'every' if row.winner_below == row.mixer else 'no'} size{_sampled(row)}"
    parts = [_range(row, low, high) for low, high in _winning(rows)]
    twice = f"; the two cross {len(rows)} times" if len(rows) > 1 else ""
    decided, timed = row.sizes_decided, row.sizes_sampled
    is_open = row.metric == MEASURED and decided != timed
    rest = f"; decided at {decided} of {timed} sizes timed, not known at the others" if is_open else ""
    return " and ".join(parts) + twice + rest


def _sampled(row: CrossoverRow) -> str:
    """Of how many sizes a time is known."""
    if row.metric == MEASURED:
        decided, timed = row.sizes_decided, row.sizes_sampled
        return " timed" if decided == timed else f" decided, {decided} of {timed} timed"
    return f" of {row.sizes_sampled} looked at" if row.metric in _TIMES else ""


def _winning(rows: Sequence[CrossoverRow]) -> Iterable[tuple[CrossoverRow | None, CrossoverRow | None]]:
    """The crossings on either side of each interval in which the mixer costs less; None where there is none."""
    edges: list[CrossoverRow | None] = [None, *rows, None]
    for low, high in pairwise(edges):
        side = high.winner_below if high else low.winner_above if low else None
        if side == rows[0].mixer:
            yield low, high


def _range(row: CrossoverRow, low: CrossoverRow | None, high: CrossoverRow | None) -> str:
    symbol = AXIS_SYMBOLS[row.axis]
    last, first = high.last_win if high else None, low.first_win if low else None
    if row.metric in _TIMES:
        return _timed_range(row, low, high)
    bounds = [f"{symbol} > {_bound(low)}"] if low else []
    bounds += [f"{symbol} < {_bound(high)}"] if high else []
    at = [f"from {_size(row.axis, first)}"] if first is not None else []
    at += [f"up to {_size(row.axis, last)}"] if last is not None else []
    nowhere = (low and first is None) or (high and last is None)
    there = "where no whole size lies" if nowhere else f"{_here(row)}{' '.join(at)}{_squares(row, last)}"
    return f"while {' and '.join(bounds)}, {there}"


def _here(row: CrossoverRow) -> str:
    """The size that a crossing depends on most, of those that stay as they are."""
    return f"at {row.tokens:,} tokens " if row.axis == "dim" else f"at dim {row.dim:,} "


def _timed_range(row: CrossoverRow, low: CrossoverRow | None, high: CrossoverRow | None) -> str:
    parts = [f"from {_size(row.axis, low.crossover_high)} (not at {low.crossover_low:,})"] if low else []
    parts += [f"up to {_size(row.axis, high.crossover_low)} (not at {high.crossover_high:,})"] if high else []
    return " ".join(parts)


def _squares(row: CrossoverRow, last: int | None) -> str:
    if row.axis != "tokens" or last is None:
        return ""
    return f" (squares up to {isqrt(last)} x {isqrt(last)})"


def _size(axis: str, size: int | None) -> str:
    """A size with its unit: `39 tokens`, `dim 448`."""
    assert size is not None  # sampled rows with a change have both its ends
    if axis in ("tokens", "heads"):
        return f"{size:,} {axis if size != 1 else axis.removesuffix('s')}"
    return f"{size:,} pixels" if axis == "resolution" else f"{axis.replace('_', ' ')} {size:,}"


def _bound(row: CrossoverRow) -> str:
    return _formula(row) or significant(row.crossover or 0.0)


def _formula(row: CrossoverRow) -> str:
    """The closed form as a person writes it, in letters that every terminal has: `d^2/(9 d + h)`."""
    return (row.formula or "").replace("**", "^").replace("*", " ")


def _place(row: CrossoverRow) -> str:
    if row.crossover is not None:
        return significant(row.crossover)
    if row.crossover_low is not None:
        return f"{row.crossover_low:,} to {row.crossover_high:,}"
    return "-"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _form(row: CrossoverRow) -> str:
    if row.metric in _IN_EVERY_FORM:
        return ""
    if row.metric == MEASURED:
        return f"{form_of(row.implementation, row.runtime, row.precision)}, {row.mode}, {row.timing} on {row.device}"
    if row.metric in _TIMES:
        return f"{row.implementation}, {row.device}"
    return str(row.implementation)


def _legend(rows: Sequence[CrossoverRow]) -> str:
    """The symbols that the rows' formulas hold, and the axis's."""
    meanings = {**SYMBOLS, "r": "resolution", "p": "patch"}
    held = set(re.findall(r"[a-zA-Z]+", " ".join(row.formula or "" for row in rows)))
    used = [symbol for symbol in meanings if symbol in held | {AXIS_SYMBOLS[rows[0].axis]}]
    listed = ", ".join(f"{symbol} {meanings[symbol]}" for symbol in used)
    return f"{listed}. Counts are exact: closed forms solved for the axis."
