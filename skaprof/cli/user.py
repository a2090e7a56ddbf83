"""`--module`: the user's own mixers beside the built-in ones, in `skaprof flops` and `skaprof latency`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.errors import SkaprofError, shown_option
from skaprof.workload import check_choice

if TYPE_CHECKING:
    from skaprof.analysis.plan import Plan
    from skaprof.foreign_code import UserModule

Row = dict[str, Any]
_OWN = "Your own mixer"

Module = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PACKAGE.MODULE:CLASS",
        help="A torch.nn.Module of your own (or FILE.py:CLASS) beside the mixers, counted exactly; repeatable.",
        rich_help_panel=_OWN,
    ),
]
Argument = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        metavar="NAME=VALUE",
        help="An argument of --module: a Python literal, else text; {dim}, {tokens}, {height}, {width}, {batch} stand "
        "for the row's sizes. CLASS:NAME=VALUE is for one of several modules. Repeatable.",
        rich_help_panel=_OWN,
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        metavar="LAYOUT", help="What --module takes and gives: BNC (default), BHWC or BCHW.", rich_help_panel=_OWN
    ),
]


class Users(opt.Options):
    """The user's own modules, as typed."""

    module: Module = None
    arg: Argument = None
    input: Input = None

    def modules(self) -> "list[UserModule]":
        """The modules that the options name.

        Raises:
            SkaprofError: --arg or --input without --module, or a value that is not valid.
        """
        if not self.module:
            for option, given in (("--arg", self.arg), ("--input", self.input)):
                if given:
                    raise SkaprofError(f"{option}: {shown_option(given)} needs --module, which is not given")
            return []
        from skaprof.foreign_code import LAYOUTS, UserModule, arguments_of, require_known_sizes

        paths = list(dict.fromkeys(self.module))
        named = {path: arguments_of("--arg", self.arg or (), path, paths) for path in paths}
        for arguments in named.values():
            require_known_sizes("--arg", arguments)
        taken = check_choice("--input", self.input or LAYOUTS[0], LAYOUTS)
        return [UserModule(path, named[path], taken) for path in paths]


def say_hidden_mixers() -> None:
    """Say which mixers of installed packages are never reached; it takes some time, so only where torch is loaded."""
    from skaprof.model.installed import hidden_names

    for name in hidden_names():
        say(f"an installed package names a mixer {name!r}, which is built in: the package's is not used")


def with_counted(rows: Iterable[Row], plan: "Plan", modules: "Sequence[UserModule]") -> Iterator[Row]:
    """The plan's rows, and at the end of each size those of the user's modules.

    Raises:
        SkaprofError: a module fails to import, build or run, or gives another shape.
    """
    from skaprof.analysis import user_rows
    from skaprof.api import load_count_user

    return user_rows.with_counted(rows, list(plan.rows()), modules, load_count_user())


def counted_rows(plan: "Plan", modules: "Sequence[UserModule]") -> dict[tuple[Any, ...], Row]:
    """The counted row of each module at each size, dtype and mode of the plan.

    Raises:
        SkaprofError: as `with_counted`.
    """
    if not modules:
        return {}
    from skaprof.analysis import user_rows
    from skaprof.api import load_count_user

    return user_rows.counted_rows(list(plan.rows()), modules, load_count_user())
