"""Rows of the user's own modules, counted at the sizes of planned mixers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from skaprof.analysis.plan import PlannedRow
from skaprof.analysis.planned_rows import PROOF_KEYS
from skaprof.foreign_code import SOURCE_KEYS, UserModule
from skaprof.model.cost import flops_per_param
from skaprof.results import FLOPS_PER_PARAM, METRICS
from skaprof.workload import Workload

if TYPE_CHECKING:
    from skaprof.count.user import UserCount

Row = dict[str, Any]
Count = Callable[[UserModule, Workload, str, str], "UserCount"]
"""What counts a module at a size, in a dtype and mode: `skaprof.count.user.count_user`."""


def with_counted(
    rows: Iterable[Row], planned: Sequence[PlannedRow], modules: Sequence[UserModule], count: Count
) -> Iterator[Row]:
    """The rows of `planned`, and at the end of each size those of the modules in every dtype and mode.

    Raises:
        SkaprofError: a module fails to import, build or run, or gives another shape.
    """
    keys = [_key(each) for each in planned]
    forms = dict.fromkeys((each.variant.dtype, each.variant.mode) for each in planned)
    for row, key, following in zip(rows, keys, [*keys[1:], None], strict=True):
        yield row | dict.fromkeys(("error", *SOURCE_KEYS))
        if key != following:
            yield from [counted_row(user, Workload(*key), *form, count) for form in forms for user in modules]


def counted_rows(
    planned: Sequence[PlannedRow], modules: Sequence[UserModule], count: Count
) -> dict[tuple[Any, ...], Row]:
    """The counted row of each module at each size, dtype and mode, under all four: all are tried before any is timed.

    Raises:
        SkaprofError: as `with_counted`.
    """
    sizes = dict.fromkeys((_key(each), each.variant.dtype, each.variant.mode) for each in planned)
    return {
        (key, dtype, mode, user): counted_row(user, Workload(*key), dtype, mode, count)
        for key, dtype, mode in sizes
        for user in modules
    }


def _key(planned: PlannedRow) -> tuple[int, int, int, int]:
    w = planned.workload
    return w.batch, w.height, w.width, w.dim


def counted_row(user: UserModule, w: Workload, dtype: str, mode: str, count: Count) -> Row:
    """The module's row at this size: what was counted of it, and what no counter tells left out.

    Raises:
        SkaprofError: as `with_counted`.
    """
    found = count(user, w, dtype, mode)
    figures = {
        "params": found.params,
        "macs": found.macs,
        "flops": None if found.macs is None else 2 * found.macs,
        "weight_bytes": found.learned.bytes,
        "saved_bytes": found.saved_bytes,
        FLOPS_PER_PARAM: None
        if found.macs is None or found.params is None
        else flops_per_param(2 * found.macs, found.params),
    }
    costs, proof = dict.fromkeys(METRICS) | figures, dict.fromkeys(PROOF_KEYS) | found.as_dict()
    return _identity(user, w, dtype, mode) | costs | proof | user.identity()


def _identity(user: UserModule, w: Workload, dtype: str, mode: str) -> Row:
    """The keys that say what a row of the user's module is about; heads and a kernel it may have are not known."""
    sizes = {"batch": w.batch, "height": w.height, "width": w.width, "tokens": w.tokens, "dim": w.dim}
    own = dict.fromkeys(("heads", "head_dim", "kernel_size"))
    return {"mixer": user.path, "implementation": "eager", "mode": mode} | sizes | own | {"dtype": dtype}
