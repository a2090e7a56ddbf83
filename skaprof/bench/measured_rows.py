"""The row of what was measured, or of what could not be."""

from __future__ import annotations

from math import exp
from typing import Any

from skaprof.bench import statistics
from skaprof.bench.configuration import Options, Row, Timed
from skaprof.bench.contenders import Built
from skaprof.bench.device import Device
from skaprof.bench.kernels import attention_backend
from skaprof.bench.record import Comparison, Measurement, Record, Settings
from skaprof.implementations import IMPLEMENTATIONS

MEASURED_KEYS = (
    "device",
    "timing",
    "median_ms",
    "ci_low_ms",
    "ci_high_ms",
    "baseline",
    "ratio",
    "ratio_low",
    "ratio_high",
    "aa_low",
    "aa_high",
    "verdict",
    "rounds_to_decide",
    "flags",
    "rounds",
    "tolerance",
    "images_per_s",
    "tflops",
    "cycles",
    "peak_memory_bytes",
    "checked_tokens",
    "backend",
    "kernels",
    "outliers",
    "off_clock_samples_ms",
    "samples_ms",
    "error",
)
"""The keys that timing adds to a row.

Ratios are over the baseline; `aa_low` and `aa_high` bound the baseline's ratio to itself, the A/A control. `tflops` is
2 FLOPs a MAC, 1e12 a second. `checked_tokens` is the size at which the output was checked against float64.
"""


def failed_row(entry: Timed, device: str, options: Options, verdict: str, error: str) -> Row:
    """The row of what could not be measured: why, and nothing filled in."""
    blank = dict.fromkeys(MEASURED_KEYS)
    said = {"device": device, "timing": options.timing, "verdict": verdict, "error": error, "flags": []}
    return {**entry.head(), **blank, **said}


def measured_row(
    entry: Timed,
    built: Built,
    record: Record,
    comparison: Comparison | None,
    latency: tuple[float, float] | None,
    found: Measurement,
    baseline: str,
    device: Device,
    options: Options,
) -> Row:
    head = entry.head()
    has_intervals = "few-rounds" not in record.flags
    against = comparison.ratio if comparison is not None else None
    told, control = (against, found.control) if has_intervals else (None, None)
    latency = latency if has_intervals else None
    widened = statistics.tolerance_used(Settings(tolerance=options.tolerance).log_tolerance, control)
    values: dict[str, Any] = {
        "device": device.name,
        "timing": options.timing,
        "median_ms": record.seconds * 1e3,
        "ci_low_ms": latency[0] * 1e3 if latency else None,
        "ci_high_ms": latency[1] * 1e3 if latency else None,
        "baseline": baseline,
        "ratio": exp(against.mean) if against else 1.0,
        "ratio_low": exp(told.low) if told else None,
        "ratio_high": exp(told.high) if told else None,
        "aa_low": exp(control.low) if control else None,
        "aa_high": exp(control.high) if control else None,
        "verdict": comparison.verdict if comparison is not None else "baseline",
        "rounds_to_decide": comparison.rounds_to_decide if comparison is not None else None,
        "flags": sorted(record.flags),
        "rounds": found.rounds,
        "tolerance": exp(widened) - 1,
        "images_per_s": entry.batch / record.seconds,
        "tflops": None if head["flops"] is None else head["flops"] / record.seconds / 1e12,
        "cycles": round(record.seconds * record.clock) if record.clock else None,
        "peak_memory_bytes": built.peak_memory_bytes,
        "checked_tokens": built.checked_tokens,
        "backend": attention_backend(record.kernels) if IMPLEMENTATIONS[entry.implementation].is_fused else "",
        "kernels": list(record.kernels),
        "outliers": statistics.outliers(record.samples),
        "off_clock_samples_ms": [sample * 1e3 for sample in record.off_clock_samples],
        "samples_ms": [sample * 1e3 for sample in record.samples],
        "error": None,
    }
    return {**head, **built.extra, **values}
