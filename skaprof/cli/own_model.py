"""A whole model of the user's own, as typed: what builds it, and what it is called with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from skaprof.cli import options as opt
from skaprof.errors import SkaprofError, shown_option
from skaprof.foreign_code import arguments_of
from skaprof.foreign_model import KEEP, UserModel, parse_shapes, user_model

PANEL = "Your own model"

Arguments = Annotated[
    list[str] | None,
    typer.Option(
        "--model-arg",
        metavar="NAME=VALUE",
        help="An argument of what builds it: a Python literal, else text; MODEL:NAME=VALUE is for one of several. "
        "Repeatable.",
        rich_help_panel=PANEL,
    ),
]


class OwnModel(opt.Options):
    """How a model of the user's own is built and called, as typed."""

    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BxCxHxW",
            help="Shape of the model's input, the batch first; repeatable, one an input. Default: 1x3x224x224.",
            rich_help_panel=PANEL,
        ),
    ] = None
    input_dtype: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="What the inputs hold, one for all or one each: float32 (then the model's own dtype), or int64 for "
            "token ids.",
            rich_help_panel=PANEL,
        ),
    ] = None
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:NAME",
            help="A function that gives what the model is called with: a tensor, a tuple, or a dict of keywords.",
            rich_help_panel=PANEL,
        ),
    ] = None
    model_arg: Arguments = None

    def named(self, path: str, dtype: str | None = None, paths: Sequence[str] = ()) -> UserModel:
        """The model at the path, cast to the dtype if there is one; `paths` are those of all models.

        Raises:
            SkaprofError: a value that is not valid.
        """
        return user_model(
            path,
            arguments_of("--model-arg", self.model_arg or (), path, paths or (path,)),
            parse_shapes("--shape", self.shape or ()),
            self.input_dtype.split(",") if self.input_dtype else (),
            self.inputs,
            dtype or KEEP,
        )

    def require_none(self) -> None:
        """Raise where any of these is given though no model of the user's own is.

        Raises:
            SkaprofError: one is.
        """
        for name in ("shape", "input_dtype", "inputs", "model_arg"):
            given = getattr(self, name)
            if given:
                option = f"--{name.replace('_', '-')}"
                raise SkaprofError(f"{option}: {shown_option(given)} needs a model of your own, FILE.py:NAME")
