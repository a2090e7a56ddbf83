"""What calls take on a calibrated machine: the sum over the ops that they dispatch, and what calls cost beside them.

One path for every kind of op: `skaprof.analysis.kernel_surface`. Loads numpy and scipy where something is predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import exp, log, prod
from typing import NamedTuple

from skaprof.analysis.kernel_surface import Surface
from skaprof.model.kernel_times import VIEW, CallCosts, DispatchedKernel, KernelTime, TimedCall, averaged


class Predicted(NamedTuple):
    """Seconds that a call will take, within what nine in ten calls were; None where an op of it was never measured.

    `unknown` are those ops; `outside` those whose sizes are far from all that were measured; `kernels` what its kernels
    take together, the rest of `seconds` being what the call costs beside them.
    """

    seconds: float | None
    low: float | None = None
    high: float | None = None
    unknown: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    kernels: float = 0.0

    @property
    def calls(self) -> float:
        """What the call costs beside its kernels, in seconds; 0 where nothing is predicted."""
        return 0.0 if self.seconds is None else self.seconds - self.kernels


class KernelModel:
    """Predicts the times of calls from those of kernels."""

    def __init__(
        self, times: Iterable[KernelTime], calls: Mapping[str, CallCosts], peaks: Mapping[str, float] | None = None
    ) -> None:
        """`peaks` are the machine's, in FLOP/s by dtype: no kernel is predicted beyond them."""
        self.calls = calls
        self.peaks = peaks or {}
        self._of_ops: dict[tuple[str, str, int], list[KernelTime]] = {}
        self._known: dict[DispatchedKernel, float | None] = {}
        for time in averaged(times):
            self._of_ops.setdefault(_surface_key(time.kernel), []).append(time)
            if time.kernel.is_view:
                self._known[time.kernel] = time.seconds
        self._surfaces: dict[tuple[str, str, int], Surface | None] = {}
        self._outside: dict[DispatchedKernel, bool] = {}

    @cached_property
    def view_seconds(self) -> float:
        """What an op that touches no memory takes, where it was not measured itself."""
        seconds = sorted(time.seconds for time in self._of_ops.get((VIEW, "", 0), ()))
        return seconds[len(seconds) // 2] if seconds else 0.0

    def seconds(self, kernels: Sequence[DispatchedKernel]) -> list[float | None]:
        """What each kernel takes; None where its op was never measured."""
        new: dict[tuple[str, str, int], list[DispatchedKernel]] = {}
        for kernel in dict.fromkeys(kernels):
            if kernel not in self._known:
                new.setdefault(_surface_key(kernel), []).append(kernel)
        for key, of_op in new.items():
            self._known.update(zip(of_op, self._estimates(key, of_op), strict=True))
        return [self._known[kernel] for kernel in kernels]

    def _estimates(self, key: tuple[str, str, int], kernels: Sequence[DispatchedKernel]) -> list[float | None]:
        if kernels[0].is_view:
            return [self.view_seconds] * len(kernels)
        surface = self._surface(key)
        if surface is None:
            return [None] * len(kernels)
        peak = self.peaks.get(key[1])
        found = surface.seconds(kernels).tolist()
        return [
            max(seconds, 2 * multiply_adds(kernel) / peak if peak else 0.0)
            for kernel, seconds in zip(kernels, found, strict=True)
        ]

    def predict(self, kernels: Sequence[DispatchedKernel], mode: str = "forward") -> Predicted:
        """What a call of these kernels takes; unknown in a mode that no call was timed in."""
        costs = self.calls.get(mode)
        if costs is None:
            return Predicted(None, unknown=(f"{mode} calls",))
        found = self.seconds(kernels)
        known = [seconds for seconds in found if seconds is not None]
        if len(known) < len(found):
            unknown = {kernel.op: None for kernel, seconds in zip(kernels, found, strict=True) if seconds is None}
            return Predicted(None, unknown=tuple(unknown))
        whole = costs.of(sum(known), len(known))
        outside = tuple(dict.fromkeys(kernel.op for kernel in kernels if self.is_outside(kernel)))
        spread = 1 + costs.spread
        return Predicted(whole, whole / spread, whole * spread, (), outside, sum(known))

    def is_outside(self, kernel: DispatchedKernel) -> bool:
        """Whether the kernel's sizes are far from all that were measured of it."""
        if kernel not in self._outside:
            surface = None if kernel.is_view else self._surface(_surface_key(kernel))
            self._outside[kernel] = surface is not None and surface.is_outside(kernel)
        return self._outside[kernel]

    def _surface(self, key: tuple[str, str, int]) -> Surface | None:
        if key not in self._surfaces:
            times = self._of_ops.get(key)
            self._surfaces[key] = Surface(times) if times else None
        return self._surfaces[key]


def _surface_key(kernel: DispatchedKernel) -> tuple[str, str, int]:
    return kernel.op, kernel.dtype, len(kernel.sizes)


_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "addbmm", "mv", "addmv")


def multiply_adds(kernel: DispatchedKernel) -> int:
    """Those of a product, a convolution forward or fused attention forward; 0 of all else."""
    own = kernel.sizes[:-1]
    if kernel.op in _PRODUCTS:
        return prod(own)
    if kernel.op in ("convolution", "mkldnn_convolution"):
        return prod(own[:5]) * own[6]
    if kernel.op.startswith("_scaled_dot_product") and "backward" not in kernel.op:
        sequences, queries, keys, width, value_width = own
        return sequences * queries * keys * (width + value_width)
    return 0


FEWEST = 12
"""Calls of a mode, below which what a call costs beside its ops is one factor."""
FOLDS = 5
_COVERED = 0.9


def call_costs(calls: Sequence[TimedCall]) -> dict[str, CallCosts]:
    """What calls of each mode cost beside their ops, and how far predictions are off of calls not learned from."""
    modes = dict.fromkeys(call.mode for call in calls)
    whole = KernelModel((time for call in calls for time in call.times), {})
    costs = {mode: _beside_ops([call for call in calls if call.mode == mode], whole) for mode in modes}
    off: dict[str, list[float]] = {mode: [] for mode in modes}
    for fold in range(FOLDS):
        model = KernelModel(_times_of(calls, fold), costs)
        for call in calls[fold::FOLDS]:
            said = model.predict([time.kernel for time in call.times], call.mode)
            if said.seconds:
                off[call.mode].append(abs(log(said.seconds / call.seconds)))
    return {mode: of_mode._replace(spread=_spread(off[mode])) for mode, of_mode in costs.items()}


def _spread(off: Sequence[float]) -> float:
    ordered = sorted(off)
    return exp(ordered[min(len(ordered) - 1, int(_COVERED * len(ordered)))]) - 1 if ordered else 0.0


def _times_of(calls: Sequence[TimedCall], left_out: int) -> list[KernelTime]:
    return [time for number, call in enumerate(calls) if number % FOLDS != left_out for time in call.times]


def _beside_ops(calls: Sequence[TimedCall], model: KernelModel, rounds: int = 30) -> CallCosts:
    """The scale, and the seconds an op and a call, that make sums of predicted ops equal calls, by least absolute
    relative error.
    """
    import numpy as np

    wholes = np.array([call.seconds for call in calls])
    sums = np.array([sum(filter(None, model.seconds([time.kernel for time in call.times]))) for call in calls])
    if len(calls) < FEWEST:
        return CallCosts(float(np.median(wholes / sums)), 0.0, 0.0, 0.0)
    counts = [len(call.times) for call in calls]
    columns = np.column_stack([sums, counts, np.ones(len(calls))]) / wholes[:, None]
    found = np.array([1.0, 0.0, 0.0])
    for _ in range(rounds):
        weights = 1 / np.sqrt(np.maximum(np.abs(columns @ found - 1), 1e-3))
        found = np.linalg.lstsq(columns * weights[:, None], weights, rcond=None)[0]
    scale, per_op, per_call = map(float, found)
    return CallCosts(scale, per_op, per_call, 0.0)
