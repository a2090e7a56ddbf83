"""Times of one op at sizes that were not measured: what its time is made of, bent to what was measured.

First a sum of terms that a time may have (a constant, bytes, multiply-adds: products of the sizes), none below 0, so
that more work never takes less time (least squares, Lawson and Hanson, "Solving Least Squares Problems", 1974). Then a
Gaussian process around it over the logarithms of the sizes (Rasmussen and Williams, "Gaussian Processes for Machine
Learning", 2006, chapter 2): near what was measured it bends to that, far away the sum of terms is left. All layouts of
an op share it, and differ as far as they were measured to. Loads numpy and scipy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from math import log
from typing import TYPE_CHECKING, Any, NamedTuple

from skaprof.model.kernel_times import DispatchedKernel, KernelTime

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Kinds = NDArray[np.intp]

LENGTHS = (0.7, 1.5, 3.0)
"""How far, in logarithms of a size, a process keeps its bend: the likeliest is taken, and for each size on its own."""
STRETCHES = (0.5, 1.0, 2.0, 4.0)
NOISES = (0.01, 0.03, 0.06)
"""Standard deviations of a measured logarithm: the likeliest is taken."""
OWN = (0.05, 0.2, 0.6)
"""Share of the bend that is a layout's own: likewise."""
ABOVE, ROUNDS = 2.0, 2
"""How much more uncertain a time above the process is than one below, and how often that is looked at anew."""
MOST = 400
"""Times of an op that are fitted, evenly over those measured."""
TRIED = 160
"""Of those, how many tell which process is likeliest."""
OUTSIDE = log(2.0)
"""How far beyond the sizes that were measured, as a logarithm, a time is still said to be within them."""
SLACK = 1.1
"""By how much a time may be below that of a smaller measured one, or above that of a larger one: vectors and blocks
that do not come out even make small steps up, and times have noise.
"""
WARM = 1024.0
"""KiB touched by a call, below which all of it stays in the nearest caches."""
VECTOR = 16
"""Values that a processor works on at once: a size that is no multiple of it takes a step more."""
_FLOOR = 1e-7
_CONVOLUTION = ((), (0, 1), (0, 1, 2, 5), (0, 1, 3, 6), (1, 2, 3, 4), (0, 1, 2, 4, 6), (0, 1, 2, 3, 4, 6))
"""Of (batch, groups, channels in and out of a group, window, positions in and out): tensors, and multiply-adds."""


class Process(NamedTuple):
    """How alike two times are: by the distance of their sizes, each stretched on its own, and by their layouts."""

    stretches: tuple[float, ...]
    noise: float
    own: float
    variance: float

    def alike(self, points: Array, kinds: Kinds, others: Array, of_others: Kinds) -> Array:
        """The covariance of the logarithms at points with those at others."""
        import numpy as np

        scale = np.array(self.stretches)
        a, b = points / scale, others / scale
        apart = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
        same = (kinds[:, None] == of_others[None]).astype(float)
        near = np.exp(-0.5 * np.maximum(apart, 0.0))
        found: Array = self.variance * near * (1 - self.own + self.own * same) + 0.5 * self.variance * same
        return found

    def factor(self, points: Array, kinds: Kinds) -> Array:
        """The Cholesky factor of the measured times' covariance."""
        import numpy as np

        found: Array = np.linalg.cholesky(
            self.alike(points, kinds, points, kinds) + self.noise**2 * np.eye(len(points))
        )
        return found

    def likelihood(self, points: Array, kinds: Kinds, values: Array) -> float:
        """The logarithm of how likely these values are."""
        import numpy as np

        factor = self.factor(points, kinds)
        return float(-0.5 * values @ _solved(factor, values) - np.log(np.diag(factor)).sum())


class Surface:
    """Seconds of one op at any sizes, in each layout that it was measured in or like all of them."""

    def __init__(self, times: Sequence[KernelTime]) -> None:
        import numpy as np

        kept = times[:: -(-len(times) // MOST)]
        self.op = kept[0].kernel.op
        self._kinds = {kind: number for number, kind in enumerate(dict.fromkeys(time.kernel.kind for time in kept))}
        sizes = np.array([[max(1, size) for size in time.kernel.sizes] for time in kept], float)
        self.most = sizes.max(axis=0)
        self.least = sizes.min(axis=0)
        seconds = np.array([max(_FLOOR, time.seconds) for time in kept])
        self.sizes, self.measured = self._held(sizes), seconds
        self.weights = _made_of(_terms(self.op, self.sizes), seconds)
        self.points = _features(self.sizes)
        self.kinds: Kinds = np.array([self._kinds[time.kernel.kind] for time in kept])
        rest = np.log(seconds) - self._sum(self.sizes)
        self.process = _likeliest(self.points, self.kinds, rest)
        self.bends = self._bent(rest)

    def seconds(self, kernels: Sequence[DispatchedKernel]) -> Array:
        """The expected seconds of each: hardly less than of a measured one with less work, and hardly more than of one
        with more.
        """
        import numpy as np

        sizes = self._held(np.array([[max(1, size) for size in kernel.sizes] for kernel in kernels], float))
        kinds = np.array([self._kinds.get(kernel.kind, -1) for kernel in kernels])
        alike = self.process.alike(_features(sizes), kinds, self.points, self.kinds)
        expected = np.exp(self._sum(sizes) + alike @ self.bends)
        same = kinds[:, None] == self.kinds[None]
        smaller = same & (self.sizes[None] <= sizes[:, None]).all(axis=2)
        larger = same & (self.sizes[None] >= sizes[:, None]).all(axis=2)
        least = np.where(smaller, self.measured, 0.0).max(axis=1) / SLACK
        most = np.where(larger, self.measured, np.inf).min(axis=1) * SLACK
        found: Array = np.maximum(np.minimum(expected, most), least)
        return found

    def _bent(self, rest: Array) -> Array:
        """The weights of the measured times: those above the process count less, since disturbances only add."""
        import numpy as np

        near = self.process.alike(self.points, self.kinds, self.points, self.kinds)
        noise = np.full(len(rest), self.process.noise)
        bends = _solved(np.linalg.cholesky(near + np.diag(noise**2)), rest)
        for _ in range(ROUNDS):
            noise = np.where(rest > near @ bends, ABOVE, 1.0) * self.process.noise
            bends = _solved(np.linalg.cholesky(near + np.diag(noise**2)), rest)
        return bends

    def is_outside(self, kernel: DispatchedKernel) -> bool:
        """Whether one of the kernel's own sizes is far beyond all that were measured."""
        import numpy as np

        sizes = np.log(np.maximum(1.0, np.array(kernel.sizes[:-1], float)))
        low, high = np.log(self.least[:-1]) - OUTSIDE, np.log(self.most[:-1]) + OUTSIDE
        return bool((sizes < low).any() or (sizes > high).any())

    def _held(self, sizes: Array) -> Array:
        """The sizes, where a call that touches more than any that was measured finds as little in a cache."""
        import numpy as np

        held = sizes.copy()
        held[:, -1] = np.clip(sizes[:, -1], WARM, max(WARM, self.most[-1]))
        return held

    def _sum(self, held: Array) -> Array:
        """The logarithm of the sum of terms."""
        import numpy as np

        found: Array = np.log(np.maximum(_FLOOR, _terms(self.op, held) @ self.weights))
        return found


def _terms(op: str, sizes: Array) -> Array:
    """What the time of an op may be made of, (times, terms): each as it is, and more the less is in a cache."""
    import numpy as np

    own = sizes[:, :-1]
    columns = [own[:, list(places)].prod(axis=1) for places in _products(op, own.shape[1])]
    cold = np.log(sizes[:, -1:] / WARM) / log(64)
    made = np.column_stack(columns)
    found: Array = np.hstack([made, made * cold])
    return found


def _products(op: str, count: int) -> Iterator[tuple[int, ...]]:
    if "convolution" in op and count == max(_CONVOLUTION[-1]) + 1:
        yield from _CONVOLUTION
        return
    yield from chain.from_iterable(combinations(range(count), size) for size in range(count + 1))


def _made_of(terms: Array, seconds: Array) -> Array:
    """How much of each term, none below 0, by least squares of relative errors."""
    import numpy as np
    from scipy.optimize import nnls

    largest = np.maximum(terms.max(axis=0), 1e-30)
    share, _ = nnls(terms / largest / seconds[:, None], np.ones(len(seconds)), maxiter=100 * terms.shape[1])
    found: Array = share / largest
    return found


def _features(sizes: Array) -> Array:
    """Where a time lies: the logarithm of each size, and of what rounding it up to a whole vector adds."""
    import numpy as np

    own = sizes[:, :-1]
    padded = np.ceil(own / VECTOR) * VECTOR / own
    found: Array = np.hstack([np.log(sizes), np.log(np.where(own > VECTOR, padded, 1.0)) * 4])
    return found


def _likeliest(points: Array, kinds: Kinds, values: Array) -> Process:
    """The process that makes a part of the times likeliest: one stretch for all sizes first, then for each its own."""
    step = -(-len(points) // TRIED)
    some = points[::step], kinds[::step], values[::step]
    variance = max(float((some[2] ** 2).mean()), 1e-4)
    count = points.shape[1]
    tried = [Process((length,) * count, noise, own, variance) for length in LENGTHS for noise in NOISES for own in OWN]
    best = max(tried, key=lambda process: process.likelihood(*some))
    for place in range(count):
        if float(points[:, place].max() - points[:, place].min()) < 1e-9:
            continue
        stretched = [_stretched(best, place, times) for times in STRETCHES]
        best = max(stretched, key=lambda process: process.likelihood(*some))
    return best


def _stretched(process: Process, place: int, times: float) -> Process:
    stretches = list(process.stretches)
    stretches[place] *= times
    return process._replace(stretches=tuple(stretches))


def _solved(factor: Array, values: Array) -> Array:
    import numpy as np
    from scipy.linalg import cho_solve

    found: Array = np.asarray(cho_solve((factor, True), values))
    return found
