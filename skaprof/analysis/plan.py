"""From grids and mixers to the rows to compute: which sizes apply to which mixer, in which order, and how many.

A row's sizes vary slowest and its variant (dtype, mode, mixer, implementation) fastest, so that the mixers stand
beside each other at each size. An axis that a mixer does not have (heads of a convolution, the kernel of an attention)
does not multiply its rows.
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import product
from typing import NamedTuple, TypeVar

from skaprof.errors import SkaprofError, named
from skaprof.grids import MAX_GRID_VALUES
from skaprof.model.mixers import MIXERS
from skaprof.model.spec import MixerSpec
from skaprof.workload import DEFAULT_DIM, DEFAULT_TOKENS, Workload, is_fused, nearly_square

T = TypeVar("T")
Channels = tuple[int, int | None, int | None]


class SizeGrid(NamedTuple):
    """The values of every size axis. Empty heads, head_dims or kernel_sizes mean each mixer's default.

    So many `class_tokens` stand beside every grid.
    """

    batches: tuple[int, ...] = (1,)
    sides: tuple[tuple[int, int], ...] = (nearly_square(DEFAULT_TOKENS),)
    dims: tuple[int, ...] = (DEFAULT_DIM,)
    heads: tuple[int, ...] = ()
    head_dims: tuple[int, ...] = ()
    kernel_sizes: tuple[int, ...] = ()
    class_tokens: int = 0

    @property
    def channel_choices(self) -> Iterator[tuple[int, int | None, int | None]]:
        """Every (dim, heads or None, head_dim or None) that the axes make; a channel slot is a place among them."""
        return product(self.dims, self.heads or (None,), self.head_dims or (None,))

    def channel_choice(self, slot: int) -> tuple[int, int | None, int | None]:
        """The choice at that place of `channel_choices`."""
        heads, head_dims = self.heads or (None,), self.head_dims or (None,)
        rest, head_dim_place = divmod(slot, len(head_dims))
        dim_place, heads_place = divmod(rest, len(heads))
        return self.dims[dim_place], heads[heads_place], head_dims[head_dim_place]


class Variant(NamedTuple):
    """What is not a size: the mixer, its implementation, the mode and the dtype."""

    spec: MixerSpec
    implementation: str = "eager"
    mode: str = "forward"
    dtype: str = "float32"

    @property
    def is_fused(self) -> bool:
        """Whether its attention group runs as one kernel."""
        return is_fused(self.implementation)


class Block(NamedTuple):
    """All rows of one variant: the product of the axes its mixer has. A slot is the value's place in the whole grid."""

    variant: Variant
    channels: tuple[tuple[int, Channels], ...]
    kernels: tuple[tuple[int, int | None], ...]


class PlannedRow(NamedTuple):
    """One row: what it is of, at which sizes, and the places of its choices in the grid."""

    variant: Variant
    workload: Workload
    channel_slot: int
    kernel_slot: int


class Plan(NamedTuple):
    """Every row to compute, before any is computed."""

    grid: SizeGrid
    blocks: tuple[Block, ...]

    @property
    def swept(self) -> tuple[str, ...]:
        """The row keys of the size axes with more than one value, the one with the most values first."""
        values: dict[str, Sequence[object]] = {
            "tokens": sorted({height * width for height, width in self.grid.sides}),
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

    def rows(self) -> Iterator[PlannedRow]:
        """The rows, in order, made as they are asked for."""
        for batch, (height, width) in product(self.grid.batches, self.grid.sides):
            for (channel_slot, kernel_slot), index, channels, kernel_size in merge(
                *map(self._slots, range(len(self.blocks)))
            ):
                sizes = Workload(batch, height, width, *channels, kernel_size, self.grid.class_tokens)
                yield PlannedRow(self.blocks[index].variant, sizes, channel_slot, kernel_slot)

    def counterpart(self, row: PlannedRow, spec: MixerSpec) -> tuple[Variant, Workload]:
        """`spec` where `row` is: the same implementation, mode and dtype, and what the grid's same choices mean for it.

        Not the row's own kernel size or heads: those may be defaults, or part of its own spec.

        Raises:
            SkaprofError: `spec` has no such implementation, or the sizes do not fit it.
        """
        variant, w = row.variant, row.workload
        spec.require_implementation(variant.implementation)
        channels = spec.resolve_channels(*self.grid.channel_choice(row.channel_slot))
        kernels = self.grid.kernel_sizes or (None,)
        kernel_size = spec.resolve_kernel_size(kernels[row.kernel_slot])
        sizes = Workload(w.batch, w.height, w.width, *channels, kernel_size, w.class_tokens)
        return Variant(spec, variant.implementation, variant.mode, variant.dtype), sizes

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
            f"{named('dim')}, {named('heads')} and {named('head_dim')}: their product has "
            f"{combinations:,} combinations: expected at most {MAX_GRID_VALUES:,}"
        )
    if not specs:
        raise SkaprofError("mixer: none given: expected at least one")
    unique = list({spec.text: spec for spec in specs}.values())
    for spec, implementation in product(unique, implementations):
        spec.require_implementation(implementation)
        if grid.class_tokens and implementation not in spec.mixer.class_token_forms:
            raise SkaprofError(
                f"{named('class_token')}: {spec.text} has no place for one in its {implementation!r} form: expected "
                f"{', '.join(name for name, mixer in MIXERS.items() if implementation in mixer.class_token_forms)}"
            )
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
    return _first_slots([spec.resolve_channels(*choice) for choice in grid.channel_choices])


def _kernels(spec: MixerSpec, grid: SizeGrid) -> tuple[tuple[int, int | None], ...]:
    return _first_slots([spec.resolve_kernel_size(kernel_size) for kernel_size in grid.kernel_sizes or (None,)])
