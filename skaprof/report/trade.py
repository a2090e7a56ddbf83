"""A whole model before and after other mixers, as one table: what it costs, holds and takes."""

from __future__ import annotations

from collections.abc import Sequence

from skaprof.flags import flag_sentences
from skaprof.own_rows import TradeRow
from skaprof.report.cost_sentences import LEGEND
from skaprof.report.model import Column, percent, table_of
from skaprof.report.numbers import counted, si, signed, significant
from skaprof.report.plain_table import PlainTable

_WORDS = {
    "params": ("parameters", ""),
    "macs": ("MACs", ""),
    "weight_bytes": ("weights", "B"),
    "traffic_bytes": ("traffic", "B"),
    "peak_bytes": ("peak", "B"),
    "saved_bytes": ("saved, in training", "B"),
}
_TIMED = "median_ms"
TRADE_LEGEND = {"trade": "; ".join(LEGEND[key] for key in ("macs", "traffic_bytes", "peak_bytes", "saved_bytes"))}


def trade_table(rows: Sequence[TradeRow]) -> PlainTable:
    """A line a figure: before, after, and the change; a latency with its intervals and verdict."""
    columns = [
        Column(("trade",), "figure", False, _figure),
        Column(("before",), "before", True, lambda row: _value(row, "before")),
        Column(("after",), "after", True, lambda row: _value(row, "after")),
        Column(("ratio", "verdict"), "change", False, _change),
    ]
    table = table_of(columns)
    for row in rows:
        table.add_row(*(column.text(row) for column in columns), of=row)
    return table


def _figure(row: TradeRow) -> str:
    return f"latency, {row.implementation}" if row.trade == _TIMED else _WORDS[row.trade][0]


def _value(row: TradeRow, side: str) -> str:
    value, low, high = (getattr(row, key) for key in (side, f"{side}_low", f"{side}_high"))
    if value is None:
        return "-"
    if row.trade != _TIMED:
        return si(value, _WORDS[row.trade][1])
    interval = "" if low is None or high is None else f" [{significant(low)}, {significant(high)}]"
    return f"{significant(value)} ms{interval}"


def _change(row: TradeRow) -> str:
    if row.before is None or row.after is None:
        return str(row.verdict or "not known")
    if row.trade != _TIMED:
        change = row.after - row.before
        relative = (
            f" ({'-' if change < 0 else '+'}{percent(abs(change) / row.before)})" if change and row.before else ""
        )
        return f"{signed(change, _WORDS[row.trade][1])}{relative}"
    bounds = "" if row.ratio_low is None or row.ratio_high is None else f" [{row.ratio_low:.3f}, {row.ratio_high:.3f}]"
    return f"{row.ratio:.3f}x{bounds}: {row.verdict}"


def sentences(rows: Sequence[TradeRow]) -> list[str]:
    """Where and how it was timed, and what was found against that."""
    timed = [row for row in rows if row.trade == _TIMED]
    found = [
        f"Timed on {row.device}{_how(row)} in {row.rounds} rounds of both, eager, each forward then reversed."
        for row in timed[:1]
        if row.rounds
    ]
    found += [f"Not timed: {row.error}." for row in timed if row.error]
    return found + flag_sentences(flag for row in timed for flag in row.flags or ())


def _how(row: TradeRow) -> str:
    """In how many threads, and by which clock, where that is known."""
    threads = "" if row.threads is None else f", {counted(row.threads, 'thread')}"
    clock = {"cpu": ", by CPU time,", "wall": ", by the wall clock,"}.get(row.clock or "", "")
    return f"{threads}{clock}"
