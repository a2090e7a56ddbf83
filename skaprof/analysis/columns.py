"""Whole grids at once: every row's totals as numpy columns, exact, from the same formulas as a single row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Block, Plan, SizeGrid
from skaprof.errors import SkaprofError
from skaprof.results import FLOPS_PER_PARAM, METRICS, CostRow
from skaprof.workload import Workload

if TYPE_CHECKING:
    import pandas as pd

MAX_SWEEP_BYTES = 4 * 2**30
_TEXT_KEYS = ("mixer", "implementation", "mode", "dtype")
_OPTIONAL_KEYS = ("heads", "head_dim", "kernel_size", "peak_bytes")
_BYTES_PER_ROW = 8 * (len(CostRow.fields) - len(_TEXT_KEYS)) + len(_OPTIONAL_KEYS) + len(_TEXT_KEYS)

Column = NDArray[Any]


def sweep_frame(plan: Plan) -> pd.DataFrame:
    """A DataFrame with one row for each planned row, in order, and the keys of `CostRow` as columns.

    Text columns are categorical; heads, head_dim, kernel_size and peak_bytes are nullable Int64; figures are int64, or
    Python integers (dtype object) where a float could not hold them; flops_per_param is float64, NaN where there are no
    parameters.

    Raises:
        SkaprofError: the sweep would take more than `MAX_SWEEP_BYTES`.
    """
    import pandas as pd

    columns = sweep_columns(plan)
    data: dict[str, Any] = {}
    for key, column in columns.items():
        if key in _TEXT_KEYS:
            words = list(dict.fromkeys(_word(block, key) for block in plan.blocks))
            codes = np.array([words.index(_word(block, key)) for block in plan.blocks], dtype=np.int16)
            data[key] = pd.Categorical.from_codes(codes[column], categories=words)
        elif key in _OPTIONAL_KEYS:
            data[key] = _nullable(column)
        else:
            data[key] = column
    return pd.DataFrame(data, copy=False)


def _nullable(column: Column) -> Any:
    """The column with nothing where it is 0: nullable integers, or Python ones where they are no int64."""
    import pandas as pd

    if column.dtype == object:
        return np.array([value or None for value in column.tolist()], dtype=object)
    return pd.arrays.IntegerArray(column, column == 0)


def sweep_rows(plan: Plan) -> Iterator[dict[str, Any]]:
    """The planned rows as dicts of Python values, in order: for sweeps too long to compute one by one.

    Raises:
        SkaprofError: as `sweep_frame`.
    """
    columns = sweep_columns(plan)
    words = {key: [_word(block, key) for block in plan.blocks] for key in _TEXT_KEYS}
    lists: dict[str, Sequence[Any]] = {}
    for key in list(columns):
        column = columns.pop(key)
        if key in _TEXT_KEYS:
            lists[key] = [words[key][index] for index in column.tolist()]
        elif key in _OPTIONAL_KEYS:
            lists[key] = [value or None for value in column.tolist()]
        elif key == FLOPS_PER_PARAM:
            lists[key] = [None if isnan(value) else value for value in column.tolist()]
        else:
            lists[key] = column.tolist()
    return (dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True))


def sweep_columns(plan: Plan) -> dict[str, Column]:
    """One array a key. Text keys hold the index of the row's block in the plan; a missing size or peak is 0, and a
    missing quotient NaN.

    Raises:
        SkaprofError: the sweep would take more than `MAX_SWEEP_BYTES`.
    """
    require_size(plan)
    blocks = [_block_columns(plan.grid, block) for block in plan.blocks]
    positions = _positions(plan)
    columns: dict[str, Column] = {}
    for key in CostRow.fields:
        if key in _TEXT_KEYS:
            columns[key] = _place(plan.row_count, positions, [np.int16(index) for index in range(len(blocks))])
        else:
            columns[key] = _place(plan.row_count, positions, [block.pop(key) for block in blocks])
    return columns


def require_size(plan: Plan) -> None:
    """Raise unless the sweep fits.

    Raises:
        SkaprofError: it would take more than `MAX_SWEEP_BYTES`, with its size.
    """
    size = plan.row_count * _BYTES_PER_ROW
    if size > MAX_SWEEP_BYTES:
        raise SkaprofError(
            f"the sweep has {plan.row_count:,} rows, some {size / 2**30:,.1f} GiB: "
            f"expected at most {MAX_SWEEP_BYTES // _BYTES_PER_ROW:,} rows ({MAX_SWEEP_BYTES / 2**30:.0f} GiB); "
            "use coarser grids, or split it"
        )


def _word(block: Block, key: str) -> str:
    """The text that every row of the block has under `key`."""
    variant = block.variant
    return variant.spec.text if key == "mixer" else str(getattr(variant, key))


def _block_columns(grid: SizeGrid, block: Block) -> dict[str, Column]:
    """The block's sizes and figures, broadcastable to (batches, sides, channels, kernels) and raveled on placing."""
    shape = (len(grid.batches), len(grid.sides), len(block.channels), len(block.kernels))
    dims, heads, head_dims = zip(*(channels for _, channels in block.channels), strict=True)
    heights, widths = zip(*grid.sides, strict=True)
    kernels = [kernel for _, kernel in block.kernels]
    number = _number_type(block, grid)

    def axis(values: Sequence[int | None], position: int) -> Column:
        column: Column = np.array([value or 0 for value in values], dtype=number)
        return column.reshape([-1 if at == position else 1 for at in range(4)])

    sizes = Workload(
        axis(grid.batches, 0),
        axis(heights, 1),
        axis(widths, 1),
        axis(dims, 2),
        axis(heads, 2),
        axis(head_dims, 2),
        axis(kernels, 3),
        grid.class_tokens,
    )
    row = cost_row(block.variant, sizes).as_dict()
    types = dict.fromkeys(METRICS, number) | {FLOPS_PER_PARAM: np.float64}
    absent = {FLOPS_PER_PARAM: nan}
    return {
        key: np.broadcast_to(
            np.asarray(absent.get(key, 0) if value is None else value, dtype=types.get(key, np.int64)), shape
        )
        for key, value in row.items()
        if key not in _TEXT_KEYS
    }


def _number_type(block: Block, grid: SizeGrid) -> type:
    """int64 where no figure can overflow it and floats hold every figure, so that quotients are those of Python's
    integers; else those.

    Every cost is a polynomial with coefficients of 0 or more, so no row, and no step on the way to it, exceeds the
    figures at the largest value of every axis.
    """
    channels = [channels for _, channels in block.channels]
    dim, heads, head_dim = (max(values[at] or 0 for values in channels) for at in range(3))
    height, width = (max(sides[at] for sides in grid.sides) for at in range(2))
    kernel = max(kernel or 0 for _, kernel in block.kernels)
    sizes = Workload(max(grid.batches), height, width, dim, heads, head_dim, kernel, grid.class_tokens)
    largest = cost_row(block.variant, sizes)
    return np.int64 if max(getattr(largest, metric) or 0 for metric in METRICS) <= 2**53 else object


def _positions(plan: Plan) -> list[slice | Column]:
    """Where each block's rows go: sizes vary slowest, blocks fastest, as in `Plan.rows`."""
    blocks = plan.blocks
    slots = [([slot for slot, _ in block.channels], [slot for slot, _ in block.kernels]) for block in blocks]
    if all(slot == slots[0] for slot in slots):
        return [slice(index, None, len(blocks)) for index in range(len(blocks))]
    outer = np.arange(len(plan.grid.batches) * len(plan.grid.sides))[:, None, None]
    channel_count = 1 + max(max(channels) for channels, _ in slots)
    kernel_count = 1 + max(max(kernels) for _, kernels in slots)
    keys = [
        (
            ((outer * channel_count + np.array(channels)[:, None]) * kernel_count + np.array(kernels)) * len(blocks)
            + index
        ).ravel()
        for index, (channels, kernels) in enumerate(slots)
    ]
    order = np.argsort(np.concatenate(keys), kind="stable")
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return list(np.split(ranks, np.cumsum([len(key) for key in keys])[:-1]))


def _place(count: int, positions: Sequence[slice | Column], values: Sequence[Any]) -> Column:
    dtype = np.result_type(*(np.asarray(value).dtype for value in values))
    column: Column = np.empty(count, dtype=dtype)
    for position, value in zip(positions, values, strict=True):
        column[position] = np.ravel(value) if np.ndim(value) else value
    return column
