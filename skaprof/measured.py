"""The rows of what was timed, and of what could not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from skaprof.implementations import ALLOCATORS, DECIDING_CLOCKS, PRECISIONS, PYTORCH, RUNTIMES, elsewhere
from skaprof.records import Key
from skaprof.results import VERDICTS, ResultRow
from skaprof.workload import DTYPE_BYTES

SAMPLE_KEYS = (
    "samples_ms",
    "off_clock_samples_ms",
    "wall_samples_ms",
    "cpu_samples_ms",
    "sample_preemptions",
    "sample_faults",
)
"""The keys of a measured row that hold every sample: in JSON alone."""


class _Timed(ResultRow):
    """What rows of times have alike. Those of older files are PyTorch's, in their dtype."""

    runtime: Annotated[
        str | None, Key("What ran it: PyTorch, or a runtime that its export was given.", choices=RUNTIMES)
    ] = PYTORCH
    precision: Annotated[
        str | None,
        Key(
            "What the runtime computes in; of PyTorch the dtype.",
            choices=tuple(dict.fromkeys((*PRECISIONS, *DTYPE_BYTES))),
        ),
    ] = None
    host: Annotated[str | None, Key("The machine that it was measured on; null where nobody says.")] = None
    environment: Annotated[
        dict[str, Any] | None,
        Key("Of a file of several machines, or of one at several times: in what the file's is another's."),
    ] = None
    reruns: Annotated[
        int | None, Key("How often it was begun anew, its worker lost; null where no cluster measured it.", 0)
    ] = None

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """As `skaprof.implementations.elsewhere`."""
        return elsewhere(self.runtime, self.precision)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """As `Record.read`."""
        return super().read({"precision": row["dtype"], **row})


class FailedRow(_Timed):
    """A row that should have been timed, and why it was not."""

    device: str
    timing: str
    verdict: str
    flags: list[str]


class MeasuredRow(_Timed):
    """A row that was timed. Ratios are over the baseline, in the same rounds; with too few of them, no intervals."""

    device: str
    timing: str
    verdict: str
    flags: list[str]
    baseline: str
    median_ms: Annotated[float, Key("Median of block medians, in ms; null where nothing was timed.", 0)]
    ci_low_ms: Annotated[float | None, Key("Its interval's lower bound, in ms.", 0)]
    ci_high_ms: Annotated[float | None, Key("Its interval's upper bound, in ms.", 0)]
    ratio: Annotated[float, Key("Time over the baseline's time.", 0)]
    ratio_low: Annotated[float | None, Key("Its interval's lower bound.", 0)]
    ratio_high: Annotated[float | None, Key("Its interval's upper bound.", 0)]
    aa_low: Annotated[float | None, Key("Lower bound of the ratio of the baseline to itself (A/A control).", 0)]
    aa_high: Annotated[float | None, Key("Upper bound of the same.", 0)]
    rounds_to_decide: Annotated[int | None, Key("Rounds that would decide an inconclusive verdict.", 0)]
    rounds: Annotated[int, Key("Rounds taken.", 0)]
    tolerance: Annotated[float, Key("What a difference must exceed, as a fraction.", 0)]
    images_per_s: Annotated[float, Key("batch / median.", 0)]
    tflops: Annotated[float | None, Key("1e12 FLOPs a second.", 0)]
    cycles: Annotated[int | None, Key("Device clock cycles of the median.", 0)]
    peak_memory_bytes: Annotated[int | None, Key("Most device memory held, measured.", 0)]
    checked_tokens: Annotated[int | None, Key("Tokens at which the output was checked against float64.", 1)]
    backend: Annotated[str | None, Key("The attention kernel family that ran.")]
    kernels: Annotated[list[str], Key("Names of the kernels that ran.")]
    outliers: Annotated[int | None, Key("Samples beyond Tukey's fences.", 0)]
    off_clock_samples_ms: Annotated[list[float], Key("Samples taken off the clock, in ms.")]
    samples_ms: Annotated[list[float], Key("Every sample in order, in ms.")]
    clock: Annotated[
        str | None, Key("Whose time decides: CPU time, the wall clock, or a GPU's events.", choices=DECIDING_CLOCKS)
    ] = None
    allocator: Annotated[
        str | None, Key("Whether malloc kept its memory between calls; null on a GPU.", choices=ALLOCATORS)
    ] = None
    threads: Annotated[int | None, Key("Threads that PyTorch worked with; null on a GPU.", 1)] = None
    wall_ms: Annotated[float | None, Key("As median_ms, by the wall clock; null by events.", 0)] = None
    cpu_ms: Annotated[
        float | None, Key("As median_ms, in CPU time of the working threads; null where that is not counted.", 0)
    ] = None
    preemptions: Annotated[
        float | None, Key("Turns on the core that others took, a call; null where they are not counted.", 0)
    ] = None
    faults: Annotated[float | None, Key("Page faults, a call; null where they are not counted.", 0)] = None
    faults_ms: Annotated[
        float | None, Key("What the page faults of a call cost; of explain, part of the difference.")
    ] = None
    best: Annotated[str | None, Key("The fastest form of this mixer.")] = None
    best_baseline: Annotated[str | None, Key("The fastest form of the baseline's mixer.")] = None
    ratio_best: Annotated[float | None, Key("The time of best over that of best_baseline.", 0)] = None
    ratio_best_low: Annotated[float | None, Key("Its interval's lower bound.", 0)] = None
    ratio_best_high: Annotated[float | None, Key("Its interval's upper bound.", 0)] = None
    cpu_of: Annotated[
        str | None,
        Key(
            "Whose CPU time: the calling thread's; the process's, where a runtime may work in a thread of its own.",
            choices=("thread", "process"),
        ),
    ] = None
    runtime_version: Annotated[str | None, Key("Its version.")] = None
    graph_level: Annotated[str | None, Key("How far ONNX Runtime was let rewrite the graph.")] = None
    fused: Annotated[
        list[str] | None,
        Key(
            "OpenVINO: ops of the export that it made one kernel of, joined by +; ONNX Runtime: ops that its rewritten "
            "graph has besides."
        ),
    ] = None
    output_error: Annotated[
        float | None, Key("Largest error of the output against float64, over the largest output.", 0)
    ] = None
    model_bytes: Annotated[int | None, Key("Bytes of the exported file.", 0)] = None
    session_bytes: Annotated[
        int | None, Key("Bytes that the runtime's allocator held once loaded: packed weights.", 0)
    ] = None
    verdict_by_cpu: Annotated[
        str | None, Key("What CPU time says where the wall clock leaves it open.", choices=VERDICTS[1:5])
    ] = None
    wall_samples_ms: Annotated[list[float] | None, Key("Every sample by the wall clock.")] = None
    cpu_samples_ms: Annotated[list[float] | None, Key("Every sample in CPU time.")] = None
    sample_preemptions: Annotated[list[int] | None, Key("Turns that others took in each sample.")] = None
    sample_faults: Annotated[list[int] | None, Key("Page faults of each sample.")] = None
    time_scopes: Annotated[list[str] | None, Key("The parts of a backbone that its time is shared among.")] = None
    time_shares: Annotated[list[float] | None, Key("Their shares of a forward call, 0 to 1, by the profiler.")] = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The median's interval in ms; None where there is none."""
        return _both(self.ci_low_ms, self.ci_high_ms)

    @property
    def ratio_interval(self) -> tuple[float, float] | None:
        """The ratio's interval; None where there is none."""
        return _both(self.ratio_low, self.ratio_high)

    @property
    def control(self) -> tuple[float, float] | None:
        """The interval of the baseline over itself; None where the row carries none."""
        return _both(self.aa_low, self.aa_high)


def _both(low: float | None, high: float | None) -> tuple[float, float] | None:
    return (low, high) if low and high else None


def result_kind(row: Mapping[str, Any]) -> type[ResultRow]:
    """Which of the three a row of costs or times is."""
    if "median_ms" not in row:
        return ResultRow
    return FailedRow if row["median_ms"] is None else MeasuredRow


def result_row(row: Mapping[str, Any]) -> ResultRow:
    """The record of a row of costs or times that this program made."""
    return result_kind(row).read(row)
