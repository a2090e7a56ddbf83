"""What other mixers do to a whole model, in one table: what it costs, holds and takes, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skaprof.measured import MeasuredRow, result_row
from skaprof.own_rows import TradeRow
from skaprof.records import Record

COUNTED = ("params", "macs", "weight_bytes", "traffic_bytes", "peak_bytes", "saved_bytes")
_TIMED = "median_ms"


def trade_rows(
    forward: tuple[Record, Record],
    trained: tuple[Record, Record],
    measured: Sequence[dict[str, Any]],
    model: str,
    mixer: str,
) -> list[TradeRow]:
    """A row for each figure of a model before and after.

    Args:
        forward, trained: what is counted of the whole model before and after, in each mode.
        measured: rows of the two timed together, before and after in turn, for each implementation.
        model, mixer: what the rows are of, and what was put in.
    """
    head: dict[str, Any] = {"model": model, "mixer": mixer}
    found = []
    for key in COUNTED:
        before, after = (getattr(each, key) for each in (trained if key == "saved_bytes" else forward))
        ratio = after / before if before and after is not None else None
        found.append(TradeRow(**head, trade=key, implementation="eager", before=before, after=after, ratio=ratio))
    names = list(dict.fromkeys(str(row["implementation"]) for row in measured))
    for name in names:
        before_row, after_row = (result_row(row) for row in measured if row["implementation"] == name)
        found.append(TradeRow(**head, trade=_TIMED, implementation=name, **_timed(before_row, after_row)))
    return found


def _timed(before: Record, after: Record) -> dict[str, Any]:
    if not isinstance(before, MeasuredRow) or not isinstance(after, MeasuredRow):
        failed = next(row for row in (after, before) if not isinstance(row, MeasuredRow))
        return {"before": None, "after": None, "error": getattr(failed, "error", None), "verdict": failed.verdict}  # type: ignore[attr-defined]
    return {
        "before": before.median_ms,
        "after": after.median_ms,
        "before_low": before.ci_low_ms,
        "before_high": before.ci_high_ms,
        "after_low": after.ci_low_ms,
        "after_high": after.ci_high_ms,
        "ratio": after.ratio,
        "ratio_low": after.ratio_low,
        "ratio_high": after.ratio_high,
        "verdict": after.verdict,
        "rounds": after.rounds,
        "device": after.device,
        "clock": after.clock,
        "threads": after.threads,
        "flags": sorted({*(before.flags or ()), *(after.flags or ())}),
    }
