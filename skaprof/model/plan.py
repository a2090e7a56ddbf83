"""From grids and mixers to the rows to compute: which sizes apply to which mixer, in which order, and how many.

A row's sizes vary slowest and its variant (dtype, mode, mixer, implementation) fastest, so that the mixers stand
beside each other at each size. An axis that a mixer does not have (heads of a convolution, the kernel of an attention)
does not multiply its rows.
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import product
from typing import NamedTuple, TypeVar

from skaprof.errors import SkaprofError
from skaprof.grids import MAX_GRID_VALUES
from skaprof.model.spec import MixerSpec
from skaprof.workload import DEFAULT_DIM, DEFAULT_TOKENS, Workload, nearly_square

T = TypeVar("T")
Channels = tuple[int, int | None, int | None]


class SizeGrid(NamedTuple):
    """The values of every size axis. Empty heads, head_dims or kernel_sizes mean each mixer's default."""

    batches: tuple[int, ...] = (1,)
    sides: tuple[tuple[int, int], ...] = (nearly_square(DEFAULT_TOKENS),)
    dims: tuple[int, ...] = (DEFAULT_DIM,)
    heads: tuple[int, ...] = ()
    head_dims: tuple[int, ...] = ()
    kernel_sizes: tuple[int, ...] = ()


class Variant(NamedTuple):
    """What is not a size: the mixer, its implementation, the mode and the dtype."""

    spec: MixerSpec
    implementation: str = "eager"
    mode: str = "forward"
    dtype: str = "float32"


class Block(NamedTuple):
    """All rows of one variant: the product of the axes its mixer has. A slot is the value's place in the whole grid."""

    variant: Variant
    channels: tuple[tuple[int, Channels], ...]
    kernels: tuple[tuple[int, int | None], ...]


class Plan(NamedTuple):
    """Every row to compute, before any is computed."""

    grid: SizeGrid
    blocks: tuple[Block, ...]

    @property
    def swept(self) -> tuple[str, ...]:
        """The row keys of the size axes with more than one value, the one with the most values first."""
        values: dict[str, Sequence[object]] = {
            "tokens": self.grid.sides,
            "dim": self.grid.dims,
            "batch": self.grid.batches,
            "heads": self.grid.heads,
            "head_dim": self.grid.head_dims,
            "kernel_size": self.grid.kernel_sizes,
        }
        swept = [key for key in values if len(values[key]) > 1]
        return tuple(sorted(swept, key=lambda key: -len(values[key])))

    @property
    def row_count(self) -> int:
        """Number of rows."""
        shared = len(self.grid.batches) * len(self.grid.sides)
        return sum(shared * len(block.channels) * len(block.kernels) for block in self.blocks)

    def rows(self) -> Iterator[tuple[Variant, Workload]]:
        """Each row's variant and sizes, in order, made as they are asked for."""
        for batch, (height, width) in product(self.grid.batches, self.grid.sides):
            for _, index, channels, kernel_size in merge(*map(self._slots, range(len(self.blocks)))):
                yield self.blocks[index].variant, Workload(batch, height, width, *channels, kernel_size)

    def _slots(self, index: int) -> Iterator[tuple[tuple[int, int], int, Channels, int | None]]:
        block = self.blocks[index]
        for (channel_slot, channels), (kernel_slot, kernel_size) in product(block.channels, block.kernels):
            yield (channel_slot, kernel_slot), index, channels, kernel_size


def make_plan(
    specs: Sequence[MixerSpec],
    grid: SizeGrid,
    implementations: Sequence[str] = ("eager",),
    modes: Sequence[str] = ("forward",),
    dtypes: Sequence[str] = ("float32",),
) -> Plan:
    """The plan of all `specs` over `grid`.

    Raises:
        SkaprofError: sizes that do not fit a mixer, an implementation a mixer does not have, or an exploding product.
    """
    combinations = len(grid.dims) * max(1, len(grid.heads)) * max(1, len(grid.head_dims))
    if combinations > MAX_GRID_VALUES:
        raise SkaprofError(
            f"--dim, --heads and --head-dim: their product has {combinations:,} combinations: "
            f"expected at most {MAX_GRID_VALUES:,}"
        )
    unique = list({spec.text: spec for spec in specs}.values())
    for spec, implementation in product(unique, implementations):
        spec.require_implementation(implementation)
    sizes = {spec.text: (_channels(spec, grid), _kernels(spec, grid)) for spec in unique}
    blocks = tuple(
        Block(Variant(spec, implementation, mode, dtype), *sizes[spec.text])
        for dtype in dtypes
        for mode in modes
        for spec in unique
        for implementation in implementations
    )
    return Plan(grid, blocks)


def _first_slots(values: Sequence[T]) -> tuple[tuple[int, T], ...]:
    """(slot, value) of each value's first appearance."""
    first: dict[T, int] = {}
    for slot, value in enumerate(values):
        first.setdefault(value, slot)
    return tuple((slot, value) for value, slot in first.items())


def _channels(spec: MixerSpec, grid: SizeGrid) -> tuple[tuple[int, Channels], ...]:
    choices = product(grid.dims, grid.heads or (None,), grid.head_dims or (None,))
    return _first_slots([spec.resolve_channels(*choice) for choice in choices])


def _kernels(spec: MixerSpec, grid: SizeGrid) -> tuple[tuple[int, int | None], ...]:
    return _first_slots([spec.resolve_kernel_size(kernel_size) for kernel_size in grid.kernel_sizes or (None,)])
