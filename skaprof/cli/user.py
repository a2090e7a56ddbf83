"""`--module`: the user's own mixers beside the built-in ones, in `skaprof flops` and `skaprof latency`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.cli.output import say
from skaprof.errors import SkaprofError, shown_option
from skaprof.results import METRICS
from skaprof.workload import DTYPE_BYTES, Workload, check_choice

if TYPE_CHECKING:
    from skaprof.analysis.plan import PlannedRow
    from skaprof.bench.configuration import Timed
    from skaprof.foreign_code import UserModule

Row = dict[str, Any]
_OWN = "Your own mixer"

Module = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PACKAGE.MODULE:CLASS",
        help="A torch.nn.Module of your own (or FILE.py:CLASS) beside the mixers, counted by both counters; "
        "repeatable.",
        rich_help_panel=_OWN,
    ),
]
Argument = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        metavar="NAME=VALUE",
        help="An argument of --module: a Python literal, else text; {dim}, {tokens}, {height}, {width}, {batch} stand "
        "for the row's sizes. Repeatable.",
        rich_help_panel=_OWN,
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        metavar="LAYOUT", help="What --module takes and gives: BNC (default), BHWC or BCHW.", rich_help_panel=_OWN
    ),
]


def say_hidden_mixers() -> None:
    """Say which mixers of installed packages are never reached; it takes some time, so only where torch is loaded."""
    from skaprof.model.installed import hidden_names

    for name in hidden_names():
        say(f"an installed package names a mixer {name!r}, which is built in: the package's is not used")


def user_modules(paths: list[str] | None, arguments: list[str] | None, layout: str | None) -> list[UserModule]:
    """The modules that the options name.

    Raises:
        SkaprofError: --arg or --input without --module, or a value that is not valid.
    """
    if not paths:
        for option, given in (("--arg", arguments), ("--input", layout)):
            if given:
                raise SkaprofError(f"{option}: {shown_option(given)} needs --module, which is not given")
        return []
    from skaprof.foreign_code import LAYOUTS, UserModule, parse_arguments, require_known_sizes

    named = parse_arguments("--arg", arguments or ())
    require_known_sizes("--arg", named)
    taken = check_choice("--input", layout or LAYOUTS[0], LAYOUTS)
    return [UserModule(path, named, taken) for path in dict.fromkeys(paths)]


def with_counted(
    rows: Iterable[Row], planned: Sequence[PlannedRow], modules: Sequence[UserModule], counted: list[Row]
) -> Iterator[Row]:
    """The rows of `planned`, and at the end of each size and dtype those of the user's modules, also put in `counted`.

    Raises:
        SkaprofError: a module fails to import, build or run, or gives another shape.
    """
    from skaprof.foreign_code import SOURCE_KEYS

    keys = [_key(each) for each in planned]
    for row, key, following in zip(rows, keys, [*keys[1:], None], strict=True):
        yield row | dict.fromkeys(("error", *SOURCE_KEYS))
        if key != following:
            dtypes = dict.fromkeys(each.variant.dtype for each in planned)
            fresh = [_counted_row(user, Workload(*key), dtype) for dtype in dtypes for user in modules]
            counted += fresh
            yield from fresh


def counted_rows(planned: Sequence[PlannedRow], modules: Sequence[UserModule]) -> dict[tuple[Any, ...], Row]:
    """The counted row of each module at each size and dtype, under both: every size is tried before any is timed.

    Raises:
        SkaprofError: as `with_counted`.
    """
    sizes = dict.fromkeys((_key(each), each.variant.dtype) for each in planned)
    return {(key, dtype, user): _counted_row(user, Workload(*key), dtype) for key, dtype in sizes for user in modules}


def with_timed(
    groups: Sequence[Sequence[Timed]], modules: Sequence[UserModule], counted: dict[tuple[Any, ...], Row]
) -> list[Sequence[Timed]]:
    """The groups, each with the user's modules at its size in every implementation that is not a fused attention.

    Where only those are asked for, in these: the rows say that a module has no such form.
    """
    from skaprof.bench.modules import UserEntry
    from skaprof.implementations import IMPLEMENTATIONS

    found: list[Sequence[Timed]] = []
    for group in groups:
        row = group[0].head()
        key = tuple(row[name] for name in ("batch", "height", "width", "dim"))
        names = dict.fromkeys(entry.implementation for entry in group)
        plain = [name for name in names if IMPLEMENTATIONS[name].form == "eager"] or list(names)
        own = [
            UserEntry(user, counted[key, row["dtype"], user], name, row["mode"]) for user in modules for name in plain
        ]
        found.append([*group, *own])
    return found


def _key(planned: PlannedRow) -> tuple[int, int, int, int]:
    w = planned.workload
    return w.batch, w.height, w.width, w.dim


def _counted_row(user: UserModule, w: Workload, dtype: str) -> Row:
    from skaprof.api import load_count_user

    found = load_count_user()(user, w, dtype)
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
