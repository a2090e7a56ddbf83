"""Rows of `skaprof latency` as a file holds them, for tests of what reads them."""

from __future__ import annotations

from typing import Any

from skaprof.measured import MeasuredRow
from skaprof.results import CostRow


def measured_row(costs: CostRow, median_ms: float, **changes: Any) -> dict[str, Any]:
    """A whole row: one mixer timed beside others, the times without intervals but where `changes` give some."""
    blank = {key: None for key in MeasuredRow.__annotations__ if not key.startswith("time_")}
    plain = {
        "device": "cpu",
        "timing": "hot",
        "median_ms": median_ms,
        "baseline": "mhsa (eager)",
        "ratio": 1.0,
        "verdict": "same",
        "flags": ["stable"],
        "rounds": 20,
        "tolerance": 0.02,
        "images_per_s": costs.batch / median_ms * 1e3,
        "kernels": [],
        "off_clock_samples_ms": [],
        "samples_ms": [],
        "error": None,
    }
    return costs.as_dict() | blank | plain | changes
