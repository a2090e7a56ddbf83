"""Times of ops at sizes that were not measured: a smooth surface over the logarithms of the sizes, one for each kind.

A Gaussian process (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, chapter 2) around a power
law: far from what was measured the power law is left, near it the process bends to it, and says how sure it is.
One path for every kind of op. Loads numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import exp, log, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from skaprof.model.kernel_times import VIEW, CallCosts, DispatchedKernel, KernelTime, TimedCall, fastest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

LENGTHS = (0.7, 1.5, 3.0)
"""How far, in logarithms of a size, a surface keeps its bend: the likeliest is taken."""
NOISES = (0.02, 0.05, 0.1)
"""Standard deviations of a measured logarithm: likewise."""
FEWEST = 5
"""Times of a kind, below which those of the same op in other layouts are taken with them."""
MOST = 300
"""Times of a kind that are fitted, evenly over those measured."""
OUTSIDE = log(2.0)
"""How far beyond the sizes that were measured, as a logarithm, a time is still said to be within them."""
_FLOOR = 1e-7


class Surface:
    """log(seconds) over log(sizes) of one kind."""

    def __init__(self, times: Sequence[KernelTime]) -> None:
        import numpy as np

        step = max(1, len(times) // MOST)
        kept = times[::step]
        self.points: Array = np.log(np.array([[max(1, size) for size in time.kernel.sizes] for time in kept], float))
        values = np.log([max(_FLOOR, time.seconds) for time in kept])
        self.center = self.points.mean(axis=0)
        self.law = _power_law(self.points - self.center, values)
        rest = values - self._power(self.points)
        self.variance = max(float(rest.var()), 1e-4)
        _, self.length, self.noise = max(
            (_likelihood(self._alike(self.points, length), rest, noise), length, noise)
            for length in LENGTHS
            for noise in NOISES
        )
        alike = self._alike(self.points, self.length)
        self.factor = np.linalg.cholesky(alike + self.noise**2 * np.eye(len(values)))
        self.weights = _solved(self.factor, rest)

    def at(self, sizes: Sequence[int]) -> tuple[float, float]:
        """The expected log(seconds) at these sizes, and its standard deviation."""
        import numpy as np

        point = np.log([[max(1.0, size) for size in sizes]])
        alike = self._alike(point, self.length)[0]
        inner = np.linalg.solve(self.factor, alike)
        spread = max(0.0, self.variance - float(inner @ inner))
        return float(self._power(point)[0] + alike @ self.weights), sqrt(spread)

    def is_outside(self, sizes: Sequence[int]) -> bool:
        """Whether one of the sizes is far beyond all that were measured."""
        import numpy as np

        point = np.log([max(1.0, size) for size in sizes])
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        return bool((point < low - OUTSIDE).any() or (point > high + OUTSIDE).any())

    def _power(self, points: Array) -> Array:
        found: Array = self.law[0] + (points - self.center) @ self.law[1:]
        return found

    def _alike(self, points: Array, length: float) -> Array:
        import numpy as np

        apart = ((points[:, None] - self.points[None]) ** 2).sum(axis=-1)
        found: Array = self.variance * np.exp(-0.5 * apart / length**2)
        return found


def _power_law(points: Array, values: Array) -> Array:
    """The exponents that fit best, held near 0 where the sizes do not tell."""
    import numpy as np

    columns = np.column_stack([np.ones(len(points)), points])
    hold = 1e-2 * np.eye(columns.shape[1])
    hold[0, 0] = 0.0
    found: Array = np.linalg.solve(columns.T @ columns + hold, columns.T @ values)
    return found


def _likelihood(alike: Array, rest: Array, noise: float) -> float:
    import numpy as np

    factor: Array = np.linalg.cholesky(alike + noise**2 * np.eye(len(rest)))
    return float(-0.5 * rest @ _solved(factor, rest) - np.log(np.diag(factor)).sum())


def _solved(factor: Array, values: Array) -> Array:
    import numpy as np

    found: Array = np.linalg.solve(factor.T, np.linalg.solve(factor, values))
    return found


class Predicted(NamedTuple):
    """Seconds that a call will take, within what nine in ten calls were; None where an op of it was never measured.

    `unknown` are those ops; `outside` those whose sizes are far from all that were measured.
    """

    seconds: float | None
    low: float | None
    high: float | None
    unknown: tuple[str, ...]
    outside: tuple[str, ...]


class KernelModel:
    """Predicts the times of calls from those of kernels."""

    def __init__(self, times: Iterable[KernelTime], calls: Mapping[str, CallCosts]) -> None:
        self.calls = calls
        self._times: dict[tuple[str, str], list[KernelTime]] = {}
        self._of_ops: dict[tuple[str, str, int], list[KernelTime]] = {}
        for time in fastest(times):
            kernel = time.kernel
            self._times.setdefault((kernel.kind, kernel.dtype), []).append(time)
            self._of_ops.setdefault((kernel.op, kernel.dtype, len(kernel.sizes)), []).append(time)
        self._surfaces: dict[tuple[str, str, int], Surface | None] = {}
        self._known: dict[DispatchedKernel, float | None] = {}
        self._outside: dict[DispatchedKernel, bool] = {}

    @cached_property
    def view_seconds(self) -> float:
        """What an op that touches no memory takes."""
        seconds = sorted(time.seconds for time in self._times.get((VIEW, ""), ()))
        return seconds[len(seconds) // 2] if seconds else 0.0

    def seconds(self, kernel: DispatchedKernel) -> float | None:
        """What the kernel takes; None where its op was never measured."""
        if kernel not in self._known:
            self._known[kernel] = self._estimate(kernel)
        return self._known[kernel]

    def _estimate(self, kernel: DispatchedKernel) -> float | None:
        if kernel.kind == VIEW:
            return self.view_seconds
        surface = self._surface(kernel)
        return None if surface is None else exp(surface.at(kernel.sizes)[0])

    def predict(self, kernels: Sequence[DispatchedKernel], mode: str = "forward") -> Predicted:
        """What a call of these kernels takes; unknown in a mode that no call was timed in."""
        costs = self.calls.get(mode)
        if costs is None:
            return Predicted(None, None, None, (f"{mode} calls",), ())
        found = [self.seconds(kernel) for kernel in kernels]
        known = [seconds for seconds in found if seconds is not None]
        if len(known) < len(found):
            unknown = {kernel.op: None for kernel, seconds in zip(kernels, found, strict=True) if seconds is None}
            return Predicted(None, None, None, tuple(unknown), ())
        whole = max(costs.scale * sum(known) + costs.per_op * len(known), 0.5 * sum(known))
        outside = tuple(dict.fromkeys(kernel.op for kernel in kernels if self.is_outside(kernel)))
        spread = 1 + costs.spread
        return Predicted(whole, whole / spread, whole * spread, (), outside)

    def is_outside(self, kernel: DispatchedKernel) -> bool:
        """Whether the kernel's sizes are far from all that were measured of it."""
        if kernel not in self._outside:
            surface = None if kernel.kind == VIEW else self._surface(kernel)
            self._outside[kernel] = surface is not None and surface.is_outside(kernel.sizes)
        return self._outside[kernel]

    def _surface(self, kernel: DispatchedKernel) -> Surface | None:
        key = kernel.kind, kernel.dtype, len(kernel.sizes)
        if key not in self._surfaces:
            times = [time for time in self._times.get(key[:2], ()) if len(time.kernel.sizes) == key[2]]
            if len(times) < FEWEST:
                times = self._of_ops.get((kernel.op, *key[1:]), [])
            self._surfaces[key] = Surface(times) if times else None
        return self._surfaces[key]


FOLDS = 5
_COVERED = 0.9


def call_costs(calls: Sequence[TimedCall]) -> dict[str, CallCosts]:
    """What calls of each mode cost beside their ops, and how far predictions are off of calls not learned from."""
    modes = dict.fromkeys(call.mode for call in calls)
    costs = {mode: CallCosts(*_beside_ops([call for call in calls if call.mode == mode]), 0.0) for mode in modes}
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


def _beside_ops(calls: Sequence[TimedCall], rounds: int = 30) -> tuple[float, float]:
    """The scale and the seconds an op that make sums of ops equal calls, by least absolute relative error."""
    import numpy as np

    wholes = np.array([call.seconds for call in calls])
    sums = np.array([sum(time.seconds for time in call.times) for call in calls])
    columns = np.column_stack([sums, [len(call.times) for call in calls]]) / wholes[:, None]
    found = np.array([1.0, 0.0])
    for _ in range(rounds):
        weights = 1 / np.sqrt(np.maximum(np.abs(columns @ found - 1), 1e-3))
        found = np.linalg.lstsq(columns * weights[:, None], weights, rcond=None)[0]
    return float(found[0]), float(found[1])
