"""What this machine really reaches: each kind of kernel at some sizes, bandwidth and launch cost, timed by the engine.

The kinds and their sizes are those of `skaprof.model.hardware.KINDS`: kernels as the mixers run them, on tensors of no
mixer in particular.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skaprof.bench.allocator import put_allocator
from skaprof.bench.device import Contender, Device
from skaprof.bench.engine import measure
from skaprof.bench.record import Settings
from skaprof.flags import unsound
from skaprof.model.hardware import CALIBRATED_HEAD_DIM as _HEAD_DIM
from skaprof.model.hardware import CALIBRATED_KERNEL_SIZE as _WINDOW
from skaprof.model.hardware import COUNTED_IN_FLOPS, Rate

SIZES = ((8, 64), (14, 256), (28, 512))
"""(side of the token grid, dim) of small, medium and large kernels."""
LARGEST_PRODUCT = {"cpu": 1024, "cuda": 8192}
"""Side of the square product that the peak is measured with."""
COPIED_BYTES = {"cpu": 2**28, "cuda": 2**29}
"""Size of each of the two buffers that the bandwidth is measured with: together larger than any cache."""
ROUNDS = (8,)
LEAST_SHARE = 0.1
"""Of its time, a kernel is left at least this share when the launch cost is taken off."""


class Job(NamedTuple):
    """One call to time: `work` FLOPs, or bytes, of a kind; kinds of no kernel are "copy" and "launch"."""

    kind: str
    dtype: str
    work: float
    run: Callable[[], object]


class _JobModule(nn.Module):
    """A job as the mixers run an op: through a module, whose call is part of the launch cost."""

    def __init__(self, run: Callable[[], object]) -> None:
        super().__init__()
        self.run = run

    def forward(self) -> object:
        return self.run()


class Calibration(NamedTuple):
    """What was found: rates less launch cost, bandwidth in B/s, launch cost in s, and the flags of its measurement."""

    rates: list[Rate]
    bandwidth: float
    launch: float
    flags: frozenset[str]

    @property
    def peaks(self) -> dict[str, float]:
        """The highest FLOP/s that any kernel of a dtype reached."""
        found: dict[str, float] = {}
        for rate in self.rates:
            if rate.kind in COUNTED_IN_FLOPS:
                found[rate.dtype] = max(found.get(rate.dtype, 0.0), rate.per_second)
        return found


def calibrate(
    device: Device,
    where: str,
    dtypes: Sequence[str],
    timing: str = "hot",
    sizes: Sequence[tuple[int, int]] = SIZES,
    tick: Callable[[int], None] = lambda rounds: None,
) -> Calibration:
    """Time every job on `device` in interleaved rounds.

    Args:
        where: "cpu" or "cuda:INDEX", where tensors are made.
        timing: as `skaprof.implementations.TIMINGS`.
        sizes: (side of the token grid, dim) of the kernels.
    """
    if where == "cpu":
        put_allocator("keep")  # as times are measured that these rates predict
    with torch.device(where):
        jobs = list(_jobs(dtypes, sizes, where.partition(":")[0]))
    contenders = [
        Contender(f"{job.kind} {job.dtype} {job.work:g}", _JobModule(job.run), context=_no_gradients) for job in jobs
    ]
    found = measure(device, contenders, Settings(timing, looks=ROUNDS, samples_per_block=3), tick)
    seconds = [record.seconds for record in found.records]
    flags = frozenset(unsound(flag for record in found.records for flag in record.flags))
    return conclude(jobs, seconds, flags)


def conclude(jobs: Sequence[Job], seconds: Sequence[float], flags: frozenset[str] = frozenset()) -> Calibration:
    """The calibration that these times mean."""
    launch = min(time for job, time in zip(jobs, seconds, strict=True) if job.kind == "launch")
    bandwidth = max(job.work / time for job, time in zip(jobs, seconds, strict=True) if job.kind == "copy")
    rates = [
        Rate(job.kind, job.dtype, job.work, job.work / max(time - launch, LEAST_SHARE * time))
        for job, time in zip(jobs, seconds, strict=True)
        if job.kind not in ("copy", "launch")
    ]
    return Calibration(rates, bandwidth, launch, flags)


def _no_gradients() -> AbstractContextManager[object]:
    context: AbstractContextManager[object] = torch.no_grad()
    return context


def _jobs(dtypes: Sequence[str], sizes: Sequence[tuple[int, int]], kind: str) -> Iterator[Job]:
    """Every call: the launch of next to nothing first, which is what the engine compares with."""
    tiny = torch.ones(1, 1)
    yield Job("launch", "float32", 0, lambda: F.linear(tiny, tiny))
    source = torch.ones(COPIED_BYTES[kind], dtype=torch.uint8)
    target = torch.empty_like(source)
    yield Job("copy", "float32", 2 * COPIED_BYTES[kind], lambda: target.copy_(source))
    for dtype in dtypes:
        side = LARGEST_PRODUCT[kind]
        yield _linear(side, side, dtype)
        for grid, dim in sizes:
            yield from _kernels(grid, dim, dtype)


def _kernels(grid: int, dim: int, dtype: str) -> Iterator[Job]:
    """One job of each kind on grid x grid tokens."""
    tokens, heads = grid * grid, max(1, dim // _HEAD_DIM)
    size = torch.empty(0, dtype=getattr(torch, dtype)).element_size()

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=getattr(torch, dtype))

    yield _linear(tokens, dim, dtype)
    q, k, v = (drawn(1, heads, tokens, _HEAD_DIM) for _ in range(3))
    scores = drawn(1, heads, tokens, tokens)
    product = 2 * heads * tokens * tokens * _HEAD_DIM
    yield Job("matmul", dtype, product, lambda: q @ k.transpose(-2, -1))
    moved = 2 * scores.numel() * size
    yield Job("elementwise", dtype, moved, lambda: scores * 0.5)
    yield Job("softmax", dtype, moved, lambda: scores.softmax(-1))
    yield Job("attention", dtype, 2 * product, lambda: F.scaled_dot_product_attention(q, k, v))
    patch = _WINDOW * _WINDOW * _HEAD_DIM
    wide_q, wide_k = (drawn(1, heads, tokens, patch) for _ in range(2))
    wide = product * (_WINDOW * _WINDOW + 1)
    yield Job("attention_wide", dtype, wide, lambda: F.scaled_dot_product_attention(wide_q, wide_k, v))
    yield from _convolutions(drawn, grid, heads, dtype, size)


def _convolutions(drawn: Callable[..., Tensor], grid: int, heads: int, dtype: str, size: int) -> Iterator[Job]:
    tokens, channels = grid * grid, heads * _HEAD_DIM
    image = drawn(1, channels, grid, grid)
    keys, depthwise = (drawn(out, into, _WINDOW, _WINDOW) for out, into in ((heads * tokens, _HEAD_DIM), (channels, 1)))
    flops = 2 * tokens * keys.numel()
    yield Job("conv2d", dtype, flops, lambda: F.conv2d(image, keys, padding=_WINDOW // 2, groups=heads))
    flops = 2 * tokens * depthwise.numel()
    yield Job("depthwise", dtype, flops, lambda: F.conv2d(image, depthwise, padding=_WINDOW // 2, groups=channels))
    moved = (1 + _WINDOW * _WINDOW) * image.numel() * size
    yield Job("unfold", dtype, moved, lambda: F.unfold(image, _WINDOW, padding=_WINDOW // 2))


def _linear(rows: int, dim: int, dtype: str) -> Job:
    x, weight = (torch.randn(count, dim, dtype=getattr(torch, dtype)) for count in (rows, dim))
    return Job("linear", dtype, 2 * rows * dim * dim, lambda: F.linear(x, weight))
