"""`skaprof accuracy recipe`: how networks are trained, as a TOML file."""

from __future__ import annotations

from typing import Annotated

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import STDOUT, deliver
from skaprof.cli.output_options import output_option
from skaprof.train.recipe import Recipe, read_recipe, recipe_text


@opt.with_options
def recipe(
    *,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE.toml", help="A recipe of your own: printed with what it leaves out.")
    ] = None,
    output: Annotated[str, output_option("Write to FILE instead of stdout.")] = STDOUT,
) -> None:
    """How skaprof accuracy trains networks: every setting with its default, as the TOML file that --recipe takes."""
    found = Recipe() if file is None else read_recipe(file)
    deliver([recipe_text(found)], output)
