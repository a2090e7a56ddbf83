"""The row of what was measured, or of what could not be."""

from __future__ import annotations

from math import exp, inf
from typing import Any

import torch

from skaprof.bench import allocator, statistics
from skaprof.bench.best_forms import Best
from skaprof.bench.configuration import Options, Row, Timed
from skaprof.bench.contenders import Built
from skaprof.bench.device import Device
from skaprof.bench.evidence import fault_seconds, faults, preemptions
from skaprof.bench.kernels import attention_backend
from skaprof.bench.record import Measurement, Record
from skaprof.implementations import IMPLEMENTATIONS, PYTORCH

MEASURED_KEYS = (
    "device",
    "timing",
    "runtime",
    "runtime_version",
    "precision",
    "graph_level",
    "fused",
    "output_error",
    "model_bytes",
    "session_bytes",
    "clock",
    "cpu_of",
    "allocator",
    "threads",
    "median_ms",
    "ci_low_ms",
    "ci_high_ms",
    "wall_ms",
    "cpu_ms",
    "preemptions",
    "faults",
    "faults_ms",
    "baseline",
    "ratio",
    "ratio_low",
    "ratio_high",
    "best",
    "best_baseline",
    "ratio_best",
    "ratio_best_low",
    "ratio_best_high",
    "aa_low",
    "aa_high",
    "verdict",
    "verdict_by_cpu",
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
    "wall_samples_ms",
    "cpu_samples_ms",
    "sample_preemptions",
    "sample_faults",
    "error",
)
"""The keys that timing adds to a row.

`median_ms`, its interval, the ratios and `samples_ms` are by the `clock` that decides: "cpu", "wall" or "events" (a
GPU's). `wall_ms` and `cpu_ms` are the same figure by each clock that was read. `preemptions` and `faults` are a call's,
`faults_ms` what the faults cost. Ratios are over `baseline`; `ratio_best` is `best` over `best_baseline`, each mixer's
fastest form; `aa_low` and `aa_high` bound the baseline's ratio to itself, the A/A control. `verdict_by_cpu` is what CPU
time would say where the wall clock decides of one thread. `tflops` is 2 FLOPs a MAC, 1e12 a second. `checked_tokens` is
the size at which the output was checked against float64.
"""


def failed_row(entry: Timed, device: str, options: Options, verdict: str, error: str) -> Row:
    """The row of what could not be measured: why, and nothing filled in."""
    head = entry.head()
    said = {"device": device, "timing": options.timing, "verdict": verdict, "error": error, "flags": []}
    return dict.fromkeys((*head, *MEASURED_KEYS)) | _of_pytorch(head) | head | said


def measured_row(
    entry: Timed, built: Built, place: int, found: Measurement, best: Best, device: Device, options: Options
) -> Row:
    """The row of the record at that place."""
    head, record = entry.head(), found.records[place]
    how, in_pytorch = IMPLEMENTATIONS[entry.implementation], entry.runtime == PYTORCH
    values: dict[str, Any] = {
        "device": device.name,
        "timing": options.timing,
        **_of_pytorch(head),
        "runtime_version": torch.__version__,
        "clock": record.decides,
        "cpu_of": device.cpu_of,
        "allocator": None if device.has_queue else allocator.held(),
        "threads": None if device.has_queue else torch.get_num_threads(),
        **_times(entry, record, device, head["flops"]),
        **_comparisons(place, found, best, options),
        "flags": sorted(record.flags),
        "rounds": found.rounds,
        "peak_memory_bytes": built.peak_memory_bytes,
        "checked_tokens": built.checked_tokens,
        "backend": attention_backend(record.kernels) if in_pytorch and (how.has_backend or how.compiled) else "",
        "kernels": list(record.kernels),
        **_samples(record),
        "error": None,
    }
    return head | {key: values.get(key) for key in MEASURED_KEYS} | built.extra


def _of_pytorch(head: Row) -> Row:
    """What ran a row that says nothing of it."""
    return {"runtime": PYTORCH, "precision": head["dtype"]}


def _times(entry: Timed, record: Record, device: Device, flops: int | None) -> Row:
    faults_took = fault_seconds(device, record)
    return {
        "median_ms": record.seconds * 1e3,
        "wall_ms": None if record.decides == "events" else record.seconds_by("wall") * 1e3,
        "cpu_ms": record.seconds_by("cpu") * 1e3 if record.has_cpu_times else None,
        "preemptions": preemptions(record),
        "faults": faults(record),
        "faults_ms": None if faults_took is None else faults_took * 1e3,
        "images_per_s": entry.batch / record.seconds,
        "tflops": None if flops is None else flops / record.seconds / 1e12,
        "cycles": round(record.seconds * record.clock) if record.clock else None,
    }


def _comparisons(place: int, found: Measurement, best: Best, options: Options) -> Row:
    """With too few rounds there are ratios, and no intervals."""
    record, comparison, latency = found.records[place], found.comparisons[place], found.latencies[place]
    has_intervals = "few-rounds" not in record.flags
    against = comparison.ratio if comparison is not None else None
    told, control = (against, found.control) if has_intervals else (None, None)
    best_told = best.ratio if has_intervals else None
    latency = latency if has_intervals else None
    widened = statistics.tolerance_used(options.settings(inf).log_tolerance, control)
    return {
        "ci_low_ms": latency[0] * 1e3 if latency else None,
        "ci_high_ms": latency[1] * 1e3 if latency else None,
        "baseline": found.records[record.against].label,
        "ratio": exp(against.mean) if against else 1.0,
        "ratio_low": exp(told.low) if told else None,
        "ratio_high": exp(told.high) if told else None,
        "best": best.label,
        "best_baseline": best.baseline,
        "ratio_best": exp(best.ratio.mean) if best.ratio else 1.0,
        "ratio_best_low": exp(best_told.low) if best_told else None,
        "ratio_best_high": exp(best_told.high) if best_told else None,
        "aa_low": exp(control.low) if control else None,
        "aa_high": exp(control.high) if control else None,
        "verdict": comparison.verdict if comparison is not None else "baseline",
        "verdict_by_cpu": comparison.verdict_by_cpu if comparison is not None else None,
        "rounds_to_decide": comparison.rounds_to_decide if comparison is not None else None,
        "tolerance": exp(widened) - 1,
    }


def _samples(record: Record) -> Row:
    """Every sample, by each clock and with what was counted; what was not is None."""
    spent = record.all_spent
    walls = None
    if record.decides != "events":
        walls = [sample * 1e3 for blocks in record.rounds for block in blocks for sample in block]
    has_counts = bool(spent) and spent[0].faults is not None
    return {
        "outliers": statistics.outliers(record.samples),
        "off_clock_samples_ms": [sample * 1e3 for sample in record.off_clock_samples],
        "samples_ms": [sample * 1e3 for sample in record.samples],
        "wall_samples_ms": walls,
        "cpu_samples_ms": [each.cpu * 1e3 for each in spent if each.cpu is not None] if record.has_cpu_times else None,
        "sample_preemptions": [each.preemptions for each in spent] if has_counts else None,
        "sample_faults": [each.faults for each in spent] if has_counts else None,
    }
