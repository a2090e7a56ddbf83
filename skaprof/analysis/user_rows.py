"""Rows of the user's own modules, counted at the sizes of planned mixers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from skaprof.analysis.plan import PlannedRow
from skaprof.foreign_code import SOURCE_KEYS, UserModule
from skaprof.results import METRICS
from skaprof.workload import DTYPE_BYTES, Workload

if TYPE_CHECKING:
    from skaprof.count.user import UserCount

Row = dict[str, Any]
Count = Callable[[UserModule, Workload, str], "UserCount"]
"""What counts a module at a size and dtype: `skaprof.count.user.count_user`."""


def with_counted(
    rows: Iterable[Row], planned: Sequence[PlannedRow], modules: Sequence[UserModule], count: Count
) -> Iterator[Row]:
    """The rows of `planned`, and at the end of each size those of the modules in every dtype.

    Raises:
        SkaprofError: a module fails to import, build or run, or gives another shape.
    """
    keys = [_key(each) for each in planned]
    dtypes = dict.fromkeys(each.variant.dtype for each in planned)
    for row, key, following in zip(rows, keys, [*keys[1:], None], strict=True):
        yield row | dict.fromkeys(("error", *SOURCE_KEYS))
        if key != following:
            yield from [counted_row(user, Workload(*key), dtype, count) for dtype in dtypes for user in modules]


def counted_rows(
    planned: Sequence[PlannedRow], modules: Sequence[UserModule], count: Count
) -> dict[tuple[Any, ...], Row]:
    """The counted row of each module at each size and dtype, under all three: every size is tried before any is timed.

    Raises:
        SkaprofError: as `with_counted`.
    """
    sizes = dict.fromkeys((_key(each), each.variant.dtype) for each in planned)
    return {
        (key, dtype, user): counted_row(user, Workload(*key), dtype, count) for key, dtype in sizes for user in modules
    }


def _key(planned: PlannedRow) -> tuple[int, int, int, int]:
    w = planned.workload
    return w.batch, w.height, w.width, w.dim


def counted_row(user: UserModule, w: Workload, dtype: str, count: Count) -> Row:
    """The module's row at this size: what was counted of it, and what no counter tells left out.

    Raises:
        SkaprofError: as `with_counted`.
    """
    found = count(user, w, dtype)
    figures = {
        "params": found.params,
        "macs": found.macs,
        "flops": None if found.macs is None else 2 * found.macs,
        "weight_bytes": found.params * DTYPE_BYTES[dtype],
    }
    return _identity(user, w, dtype) | dict.fromkeys(METRICS) | figures | found.as_dict() | user.identity()


def _identity(user: UserModule, w: Workload, dtype: str) -> Row:
    """The keys that say what a row of the user's module is about; heads and a kernel it may have are not known."""
    sizes = {"batch": w.batch, "height": w.height, "width": w.width, "tokens": w.tokens, "dim": w.dim}
    own = dict.fromkeys(("heads", "head_dim", "kernel_size"))
    return {"mixer": user.path, "implementation": "eager", "mode": "forward"} | sizes | own | {"dtype": dtype}
