"""One configuration: all mixers and implementations at one size, timed together, as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import exp, inf
from typing import Any, NamedTuple, Protocol, TypeVar

import torch

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Plan, Variant
from skaprof.bench import statistics
from skaprof.bench.capacity import least_bytes, release, require_free
from skaprof.bench.contenders import Built, CallError, UnsupportedError, build, explained, first_line
from skaprof.bench.cpu import CpuDevice
from skaprof.bench.cuda import CudaDevice
from skaprof.bench.device import Device
from skaprof.bench.engine import measure
from skaprof.bench.gate import WrongOutputError
from skaprof.bench.kernels import attention_backend
from skaprof.bench.record import Comparison, Measurement, Record, Settings
from skaprof.foreign_code import SOURCE_KEYS, contained
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.model.spec import parse_mixer
from skaprof.results import SIZE_KEYS
from skaprof.workload import DTYPE_BYTES, Workload, is_fused

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to measure: a mixer, its sizes, and the implementation that runs it. Plain values, so that it travels."""

    mixer: str
    mode: str
    dtype: str
    implementation: str
    sizes: tuple[int | None, ...]

    @property
    def workload(self) -> Workload:
        """The sizes."""
        return Workload(*self.sizes)

    @property
    def variant(self) -> Variant:
        """The mixer in the form that the implementation runs; compiled code is the eager form."""
        form = IMPLEMENTATIONS[self.implementation].form
        spec = parse_mixer(self.mixer)
        return Variant(spec, form if form in spec.mixer.op_lists else "eager", self.mode, self.dtype)

    @property
    def name(self) -> str:
        """What is timed, without its implementation."""
        return self.mixer

    @property
    def batch(self) -> int:
        """Batch size."""
        return int(self.workload.batch)

    def head(self) -> Row:
        """The keys of its row that timing does not add."""
        return {**cost_row(self.variant, self.workload).as_dict(), "implementation": self.implementation}

    def build(self, options: Options, device: Device) -> Built:
        """The contender.

        Raises:
            UnsupportedError, WrongOutputError, MemoryError: as `skaprof.bench.contenders.build`.
        """
        kind = options.device.partition(":")[0]
        if kind == "cpu":
            form = self.variant.implementation
            ops = self.variant.spec.ops(self.workload, form)
            require_free(least_bytes(ops, DTYPE_BYTES[self.dtype], fused=is_fused(form)), kind, "it")
        timing, cache_bytes = options.timing, device.cache_bytes
        return build(self.variant, self.workload, self.implementation, kind, timing, cache_bytes)


class Timed(Protocol):
    """What can be measured, a row of its own: a mixer, or a module."""

    @property
    def implementation(self) -> str:
        """A name of `skaprof.implementations.IMPLEMENTATIONS`."""

    @property
    def name(self) -> str:
        """What is timed, without its implementation."""

    @property
    def batch(self) -> int:
        """Batch size."""

    def head(self) -> Row:
        """The keys of its row that timing does not add."""

    def build(self, options: Options, device: Device) -> Built:
        """The contender."""


@dataclass(frozen=True, slots=True)
class Options:
    """How every configuration of a run is measured. Plain values, so that they travel and can be compared."""

    device: str = "cpu"
    timing: str = "hot"
    tolerance: float = 0.02
    tf32: bool = False
    baseline: str = ""
    samples_per_block: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the file's header."""
        return asdict(self)


def configurations(plan: Plan, implementations: tuple[str, ...]) -> list[list[Entry]]:
    """The plan's rows, once for each implementation, in groups that are timed together: those of one size.

    A mixer without heads joins the first group of its size.
    """
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    headless: list[tuple[tuple[Any, ...], list[Entry]]] = []
    for variant, w, *_ in plan.rows():
        size = (variant.mode, variant.dtype, w.batch, w.height, w.width, w.dim)
        entries = [Entry(variant.spec.text, variant.mode, variant.dtype, name, tuple(w)) for name in implementations]
        if w.heads is None:
            headless.append((size, entries))
        else:
            groups.setdefault((*size, w.heads, w.head_dim), []).extend(entries)
    for size, entries in headless:
        home = next((key for key in groups if key[: len(size)] == size), size)
        groups.setdefault(home, []).extend(entries)
    return list(groups.values())


def open_device(name: str, siblings: int = 0) -> Device:
    """The device of that name, ready to time; `siblings` other processes of this run hold it too."""
    kind, _, index = name.partition(":")
    return CudaDevice(int(index or 0), siblings) if kind == "cuda" else CpuDevice()


class Failure(NamedTuple):
    """What could not be measured: its verdict, and why; the call that failed, where it was one."""

    verdict: str
    reason: str
    call: Callable[[], object] | None = None


def measure_configuration(
    entries: Sequence[Timed],
    options: Options,
    device: Device,
    deadline: float = inf,
    tick: Callable[[int], None] = lambda rounds: None,
) -> list[Row]:
    """One row for each entry, in order; what cannot run here is a row that says why."""
    failures: dict[int, Failure] = {}
    built: dict[int, Built] = {}
    for index, entry in enumerate(entries):
        found = _attempted(partial(entry.build, options, device))
        if isinstance(found, Failure):
            failures[index] = found
        else:
            built[index] = found
    order = sorted(built, key=lambda index: not _is_baseline(entries[index], options))
    left = {index: built[index] for index in order}
    rows = _timed_rows(entries, left, failures, options, device, deadline, tick)
    rows |= {index: failed_row(entries[index], device.name, options, *why[:2]) for index, why in failures.items()}
    built.clear()
    left.clear()
    release(options.device)
    return [rows[index] for index in range(len(entries))]


def _timed_rows(
    entries: Sequence[Timed],
    left: dict[int, Built],
    failures: dict[int, Failure],
    options: Options,
    device: Device,
    deadline: float,
    tick: Callable[[int], None],
) -> dict[int, Row]:
    """The rows of what was built, by index, the baseline first.

    A contender whose call fails while it is timed goes from `left` to `failures`, and the others are timed again.
    """
    settings = Settings(
        options.timing, options.tolerance, deadline=deadline, samples_per_block=options.samples_per_block
    )

    def timed() -> Measurement:
        with explained(options.device.partition(":")[0]):
            return measure(device, [of_one.contender for of_one in left.values()], settings, tick)

    while left:
        found = _attempted(timed)
        if not isinstance(found, Failure):
            return _measured_rows(entries, left, found, device, options)
        blamed = [index for index, of_one in left.items() if of_one.contender.call is found.call is not None]
        for index in blamed or list(left):
            failures[index] = found._replace(call=None)  # it holds a module
            del left[index]
    return {}


def _measured_rows(
    entries: Sequence[Timed], built: dict[int, Built], found: Measurement, device: Device, options: Options
) -> dict[int, Row]:
    baseline = found.records[0].label
    results = zip(built.items(), found.records, found.comparisons, found.latencies, strict=True)
    return {
        index: _measured(entries[index], of_one, record, comparison, latency, found, baseline, device, options)
        for (index, of_one), record, comparison, latency in results
    }


def _attempted(make: Callable[[], T]) -> T | Failure:
    """What `make` makes, or why it cannot be made here; what foreign code sets of PyTorch does not outlast it."""
    try:
        with contained():
            return make()
    except UnsupportedError as error:
        return Failure("unsupported", str(error), _failed_call(error))
    except WrongOutputError as error:
        return Failure("wrong-output", str(error))
    except (torch.OutOfMemoryError, MemoryError) as error:
        return Failure("out-of-memory", first_line(error), _failed_call(error))


def _failed_call(error: BaseException) -> Callable[[], object] | None:
    return error.__cause__.call if isinstance(error.__cause__, CallError) else None


def _is_baseline(entry: Timed, options: Options) -> bool:
    return f"{entry.name} ({entry.implementation})" == options.baseline


def failed_row(entry: Timed, device: str, options: Options, verdict: str, error: str) -> Row:
    """The row of what could not be measured: why, and nothing filled in."""
    blank = dict.fromkeys(MEASURED_KEYS)
    said = {"device": device, "timing": options.timing, "verdict": verdict, "error": error, "flags": []}
    return {**entry.head(), **blank, **said}


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


def _measured(
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


def identity(row: Row | Timed) -> tuple[Any, ...]:
    """What makes two rows the same row: its sizes, mixer, implementation, mode and dtype, and a backbone's image.

    Of a user's own code, also what it was given and what its file held.
    """
    found = row if isinstance(row, dict) else row.head()
    return tuple(found.get(key) for key in (*SIZE_KEYS, "model", "image_height", "image_width", *SOURCE_KEYS))


def unmeasured(groups: Sequence[Sequence[Timed]], done: set[tuple[Any, ...]]) -> Iterator[Sequence[Timed]]:
    """The groups of which a row is missing, whole: rows of one group are compared with each other."""
    for group in groups:
        if any(identity(entry) not in done for entry in group):
            yield group
