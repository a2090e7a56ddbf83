"""Two mixers side by side along a size: who they are, all other sizes, and the points at which both exist."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt, lcm
from typing import Any, NamedTuple

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.errors import SkaprofError, bad_value, named
from skaprof.grids import DEFAULT_PATCH
from skaprof.model.spec import MixerSpec
from skaprof.results import CostRow
from skaprof.workload import (
    AXIS_SYMBOLS,
    DEFAULT_DIM,
    DEFAULT_HEAD_DIM,
    DEFAULT_TOKENS,
    Workload,
    check_choice,
    nearly_square,
)

AXES = tuple(AXIS_SYMBOLS)


class Sizes(NamedTuple):
    """The sizes that stay as they are; that of the axis is not read. None: each mixer's own default."""

    batch: int = 1
    tokens: int = DEFAULT_TOKENS
    dim: int = DEFAULT_DIM
    heads: int | None = None
    head_dim: int | None = None
    kernel_size: int | None = None
    patch: int = DEFAULT_PATCH
    dtype: str = "float32"


class MixerPair(NamedTuple):
    """Two mixers, the axis along which they are compared, and all other sizes."""

    mixer: MixerSpec
    baseline: MixerSpec
    axis: str
    sizes: Sizes

    @property
    def specs(self) -> tuple[MixerSpec, MixerSpec]:
        """The mixer and the baseline."""
        return self.mixer, self.baseline

    @property
    def points(self) -> Points:
        """The sizes on the axis at which both mixers exist."""
        return _POINTS[self.axis](self)

    def row_at(self, spec: MixerSpec, at: int, implementation: str = "eager", mode: str = "forward") -> CostRow:
        """What one of the two costs at a point of the axis."""
        return cost_row(*self.at(spec, at, implementation, mode))

    def at(
        self, spec: MixerSpec, at: int, implementation: str = "eager", mode: str = "forward"
    ) -> tuple[Variant, Workload]:
        """One of the two at a point of the axis."""
        sizes = Sizes(**self.sizes._asdict() | ({} if self.axis == "resolution" else {self.axis: at}))
        tokens = (at // sizes.patch) ** 2 if self.axis == "resolution" else sizes.tokens
        channels = spec.resolve_channels(sizes.dim, sizes.heads, sizes.head_dim)
        if self.axis == "dim" and (spec.head_dim, sizes.head_dim, spec.heads, sizes.heads) == (None,) * 4:
            channels = spec.resolve_channels(sizes.dim, None, DEFAULT_HEAD_DIM)
        workload = Workload(sizes.batch, *nearly_square(tokens), *channels, spec.resolve_kernel_size(sizes.kernel_size))
        return Variant(spec, implementation, mode, sizes.dtype), workload


class Points(NamedTuple):
    """The whole sizes on an axis: every `step` from `start`, or the `listed` ones alone, in order."""

    start: int = 1
    step: int = 1
    listed: tuple[int, ...] = ()

    def at_most(self, limit: int) -> int | None:
        """The largest point up to `limit`."""
        if self.listed:
            return max((point for point in self.listed if point <= limit), default=None)
        return self.start + (limit - self.start) // self.step * self.step if limit >= self.start else None

    def at_least(self, limit: int) -> int | None:
        """The smallest point from `limit` on."""
        if self.listed:
            return min((point for point in self.listed if point >= limit), default=None)
        return self.start + max(0, -(-(limit - self.start) // self.step)) * self.step


def make_pair(mixer: MixerSpec, baseline: MixerSpec, axis: str, sizes: Sizes) -> MixerPair:
    """The comparison, checked.

    Raises:
        SkaprofError: no such axis, an axis that neither mixer has, the same mixer twice, or sizes that do not fit.
    """
    axis = check_choice(named("axis"), axis, AXES)
    if mixer.text == baseline.text:
        raise bad_value(named("baseline"), baseline.text, f"another mixer than {named('mixer')}")
    if not any(has_axis(spec, axis) for spec in (mixer, baseline)):
        raise SkaprofError(
            f"{named('axis')}: {axis} is no axis of {mixer.text} and {baseline.text}: "
            "neither has it, or their specs say which; expected a size that is free"
        )
    if axis in ("heads", "kernel_size") and getattr(sizes, axis) is not None:
        raise SkaprofError(f"{named(axis)} and {named('axis')} {axis} both set it: expected one of them")
    pair = MixerPair(mixer, baseline, axis, sizes)
    _first_rows(pair)  # sizes that do not fit at the second point are refused here too, not while the axis is walked
    return pair


def _first_rows(pair: MixerPair) -> list[CostRow]:
    """Both mixers at the first two points of the axis."""
    first = pair.points.at_least(1) or 1
    points = [at for at in (first, pair.points.at_least(first + 1)) if at is not None]
    return [pair.row_at(spec, at) for spec in pair.specs for at in points]


def has_axis(spec: MixerSpec, axis: str) -> bool:
    """Whether the size is the mixer's, and not said by its spec."""
    if axis == "heads":
        return spec.mixer.has_heads and spec.heads is None
    if axis == "kernel_size":
        return spec.mixer.kernel_size is not None and spec.kernel_size is None
    return True


def _divisors(pair: MixerPair) -> Points:
    free = [spec for spec in pair.specs if has_axis(spec, "heads")]
    if all((spec.head_dim or pair.sizes.head_dim) is not None for spec in free):
        return Points()
    dim = pair.sizes.dim
    small = [count for count in range(1, isqrt(dim) + 1) if dim % count == 0]
    return Points(listed=tuple(sorted({*small, *(dim // count for count in small)})))


def _dims(pair: MixerPair) -> Points:
    """Multiples of the heads, or of the head_dim, that stay as they are while dim grows."""
    steps = [1]
    for spec in (spec for spec in pair.specs if spec.mixer.has_heads):
        heads, head_dim = spec.heads or pair.sizes.heads, spec.head_dim or pair.sizes.head_dim
        if heads is None or head_dim is None:
            steps.append(heads or head_dim or DEFAULT_HEAD_DIM)
    return Points(lcm(*steps), lcm(*steps))


_POINTS: dict[str, Callable[[MixerPair], Points]] = {
    "tokens": lambda pair: Points(),
    "resolution": lambda pair: Points(pair.sizes.patch, pair.sizes.patch),
    "dim": _dims,
    "heads": _divisors,
    "kernel_size": lambda pair: Points(1, 2),
}


def row_identity(pair: MixerPair, metric: str, implementation: str, mode: str) -> dict[str, Any]:
    """The keys that say what a row is about. None: the size of the axis, and what is not the same for both mixers."""
    sizes = pair.sizes._asdict() | _held(pair)
    sizes |= {"tokens": None} if pair.axis == "resolution" else {pair.axis: None}
    if pair.axis != "resolution":
        sizes["patch"] = None
    about = {"mixer": pair.mixer.text, "baseline": pair.baseline.text, "axis": pair.axis}
    return {"metric": metric, **about, "implementation": implementation, "mode": mode, **sizes}


def _held(pair: MixerPair) -> dict[str, Any]:
    """The heads, head_dim and kernel_size that stay along the axis, the same for each mixer that has them."""
    rows = _first_rows(pair)
    found = {key: {getattr(row, key) for row in rows} - {None} for key in ("heads", "head_dim", "kernel_size")}
    return {key: values.pop() if len(values) == 1 else None for key, values in found.items()}
