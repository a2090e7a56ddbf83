"""What a calibrated machine will take, as a column and as a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skaprof.predictions import Prediction
from skaprof.report.numbers import significant


def time_text(row: Any, key: str = "predicted_ms") -> str:
    """The predicted milliseconds of a row; a dash where there are none."""
    milliseconds = getattr(row, key, None)
    return "-" if milliseconds is None else significant(milliseconds)


def predicted_sentence(row: Prediction, where: str) -> str:
    """The time of a whole call on a machine, within what nine in ten calls of its calibration were."""
    said = f"Predicted {where} on {row.hardware}"
    if row.predicted_ms is None or row.predicted_low_ms is None or row.predicted_high_ms is None:
        return f"{said}: nothing, as these ops were never timed there: {row.unknown_ops}."
    low, high = significant(row.predicted_low_ms), significant(row.predicted_high_ms)
    outside = [] if row.outside_ops is None else row.outside_ops.split(", ")
    return (
        f"{said}: {significant(row.predicted_ms)} ms, {low} to {high} as far as nine in ten calls of the "
        f"calibration were off; CPU time of one thread.{outside_words(outside)}"
    )


def outside_words(ops: Sequence[str]) -> str:
    """That these ops are far from what was timed; nothing where there are none."""
    return f" Extrapolated, as far from all sizes that were timed: {', '.join(ops)}." if ops else ""
