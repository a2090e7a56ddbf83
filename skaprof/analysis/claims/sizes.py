"""The sizes a claim is about: what follows its @, as points at which every figure has one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple, TypeVar

from skaprof.analysis.claims.nodes import Claim, ClaimError, StatedSize
from skaprof.errors import SkaprofError
from skaprof.grids import parse_choices, parse_grid, parse_sizes, token_grid_sides
from skaprof.implementations import IMPLEMENTATIONS, TIMINGS
from skaprof.model.spec import MixerSpec
from skaprof.workload import (
    DEFAULT_DIM,
    DTYPE_BYTES,
    MODES,
    Workload,
    require_odd_kernel,
    resolve_heads,
)

SIZES_OF_BACKBONES = ("batch", "resolution", "dtype", "mode", "implementation", "device", "timing")
MOST_POINTS = 100_000

DEFAULT_SIDE = 224
"""Of images, in pixels, where neither a claim nor its backbones say it."""
T = TypeVar("T")


class Point(NamedTuple):
    """One size. `resolution` is the image's (height, width) in pixels, for backbones; device and timing may be open."""

    batch: int
    height: int
    width: int
    resolution: tuple[int, int]
    dim: int
    heads: int | None
    head_dim: int | None
    kernel_size: int | None
    dtype: str
    mode: str
    implementation: str
    device: str | None
    timing: str | None

    def workload(self, spec: MixerSpec) -> Workload:
        """The sizes of a mixer at this point.

        Raises:
            SkaprofError: they do not fit it.
        """
        channels = spec.resolve_channels(self.dim, self.heads, self.head_dim)
        kernel_size = spec.resolve_kernel_size(self.kernel_size)
        return Workload(self.batch, self.height, self.width, *channels, kernel_size)

    def size(self, word: str) -> int:
        """The size that a side of a claim names; heads as mixers get them by default.

        Raises:
            SkaprofError: heads that do not fit dim, or a kernel that is not given.
        """
        if word in ("heads", "head_dim"):
            return resolve_heads(self.dim, self.heads, self.head_dim)[word == "head_dim"]
        value: int | None = self.height * self.width if word == "tokens" else getattr(self, word)
        if value is None:
            raise SkaprofError(f"{word} is not given: expected {word}=... after the @")
        return value

    def text(self, stated: Mapping[str, StatedSize]) -> str:
        """The point in the words of the claim: what it states, one value each."""
        values = {
            "tokens": self.height * self.width,
            "size": f"{self.height}x{self.width}",
            "resolution": f"{self.resolution[0]}x{self.resolution[1]}",
        }
        words = [f"{key}={values.get(key) or getattr(self, key)}" for key in stated if key != "patch"]
        return ",".join(words)


def points_of(claim: Claim, *, of_tokens: bool, side: int = DEFAULT_SIDE) -> list[Point]:
    """Every size the claim is about: the product of its grids. `of_tokens`: it names a mixer or a size.

    `side` is that of its images, in pixels, where it states none.

    Raises:
        ClaimError: a value that is not valid, or too many sizes.
    """
    stated = claim.sizes
    if of_tokens:
        sides = _each_side(stated, side)
    else:
        _require_sizes_of_backbones(stated)
        sides = [((1, 1), image) for image in _resolutions(stated, side)]
    axes: tuple[Sequence[Any], ...] = (
        _values(stated, "batch", "1", parse_grid),
        sides,
        _values(stated, "dim", str(DEFAULT_DIM), parse_grid),
        _optional(stated, "heads", parse_grid),
        _optional(stated, "head_dim", parse_grid),
        _optional(stated, "kernel_size", _odd_kernels),
        _values(stated, "dtype", "float32", _choices_of(tuple(DTYPE_BYTES))),
        _values(stated, "mode", "forward", _choices_of(MODES)),
        _values(stated, "implementation", "eager", _choices_of(tuple(IMPLEMENTATIONS))),
        _optional(stated, "device", _names),
        _optional(stated, "timing", _choices_of(TIMINGS)),
    )
    count = prod(map(len, axes))
    if count > MOST_POINTS:
        column = next(iter(stated.values())).column
        raise ClaimError(f"the claim is about {count:,} sizes: expected at most {MOST_POINTS:,}", column)
    return [
        Point(batch, height, width, image, *rest)
        for batch, ((height, width), image), *rest in product(*axes)  # the rest in the order of the axes
    ]


def _require_sizes_of_backbones(stated: Mapping[str, StatedSize]) -> None:
    for key, given in stated.items():
        if key not in SIZES_OF_BACKBONES:
            raise ClaimError(f"{key}: a backbone has its own: expected resolution, batch, dtype or mode", given.column)


def _values(
    stated: Mapping[str, StatedSize], key: str, default: str, parse: Callable[[str, str], tuple[T, ...]]
) -> tuple[T, ...]:
    given = stated.get(key)
    return _at_its_place(given, parse, key, given.value if given else default)


def _optional(
    stated: Mapping[str, StatedSize], key: str, parse: Callable[[str, str], tuple[T, ...]]
) -> tuple[T | None, ...]:
    return _values(stated, key, "", parse) if key in stated else (None,)


def _at_its_place(given: StatedSize | None, parse: Callable[..., T], *arguments: str | None) -> T:
    """What `parse` makes of the arguments; its error says where in the claim the value stands."""
    try:
        return parse(*arguments)
    except SkaprofError as error:
        raise ClaimError(error.message, given.column if given else 0) from None


def _each_side(stated: Mapping[str, StatedSize], image_side: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(token grid, image) of each token grid; the image is the default where the claim names none."""
    tokens, size, resolution, patch = (
        stated[key].value if key in stated else None for key in ("tokens", "size", "resolution", "patch")
    )
    given = next((stated[key] for key in ("patch", "resolution", "size", "tokens") if key in stated), None)
    found = []
    for image in _resolutions(stated, image_side):
        pixels = None if resolution is None else f"{image[0]}x{image[1]}"
        sides = _at_its_place(given, token_grid_sides, tokens, size, pixels, patch)
        found += [(side, image) for side in sides]
    return found


def _resolutions(stated: Mapping[str, StatedSize], side: int) -> tuple[tuple[int, int], ...]:
    return _values(stated, "resolution", str(side), parse_sizes)


def _odd_kernels(key: str, text: str) -> tuple[int, ...]:
    return tuple(require_odd_kernel(size, key) for size in parse_grid(key, text))


def _choices_of(choices: tuple[str, ...]) -> Callable[[str, str], tuple[str, ...]]:
    return lambda key, text: parse_choices(key, text, choices)


def _names(key: str, text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
