"""Commands whose options reach them as typed, without a conversion that none of them needs, and none lost.

An option that is given more than once joins where its value is a list, and is refused where it is none: no value is
dropped without a word. Words of other tools for an option, where there is one meaning, are taken for it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from skaprof.errors import SkaprofError, shown
from skaprof.words import spellings

LISTS = frozenset(("GRID", "LIST", "HxW", "PIXELS", "SPEC,...", "KEY,..."))
"""What the help calls a value that is a list: given twice, `--dim 64 --dim 128` is `--dim 64,128`."""
SEPARABLE = frozenset(("SPEC", "COUNTER", "CHANGE", "LIMIT"))
"""What it calls a repeatable option's value that has no comma in it: `-m mhsa,ska` is `-m mhsa -m ska`."""

_ROUNDS = ("--rounds", "--rounds says how many rounds of samples a size gets at most")
_WARM = ("--rounds", "each call is warmed up until it is steady, and no option says for how long (docs/timing.md)")
_ELSEWHERE = {
    **dict.fromkeys(("--iterations", "--iters", "--repeats", "--runs"), _ROUNDS),
    **dict.fromkeys(("--warmup", "--warm-up", "--warmups"), _WARM),
    **{f"--{word}": ("--device", f"--device {word} says so") for word in ("cpu", "cuda")},
    **{f"--{word}": ("--dtype", f"--dtype {word} says so") for word in ("fp16", "bf16", "half")},
    **{f"--{word}": ("--format", f"--format {word} says so") for word in ("json", "csv", "markdown")},
}
"""Options of other tools: what a command must have for the hint to fit, and the hint."""


class Command(TyperCommand):
    """A command whose options are taken as typed."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters."""
        return _taken_as_typed(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is left of the arguments once the options are read.

        Raises:
            SkaprofError: an option that other tools have, with what says the same here.
        """
        try:
            return super().parse_args(ctx, args)
        except _USAGE_ERROR as error:
            name = str(getattr(error, "option_name", ""))
            needed, hint = _ELSEWHERE.get(name, ("", ""))
            if not any(needed in each.opts for each in self.params):
                raise
            raise SkaprofError(f"No such option: {name}: {hint}") from None


_USAGE_ERROR: Any = typer.BadParameter.__base__  # click's, or typer's own copy of it, depending on typer's version


class Group(TyperGroup):
    """The program, whose options are taken as typed."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters."""
        return _taken_as_typed(super().get_params(ctx))


def _taken_as_typed(parameters: list[Any]) -> list[Any]:
    """The parameters, each leaving its value as it is: text, several texts or a flag, which need no conversion.

    From 0.29 on, typer converts with pydantic, whose import would double the start-up time of every command.
    """
    for parameter in parameters:
        if "process_value" not in vars(parameter):
            parameter.process_value = partial(_value_as_typed, parameter, parameter.process_value)
            if parameter.param_type_name == "option":
                parameter.add_to_parser = partial(_known_to, parameter, parameter.add_to_parser)
    return parameters


def _known_to(parameter: Any, add: Callable[[Any, Any], None], parser: Any, context: Any) -> None:
    """Have the parser know the option by all its names, and keep each value of it; help names it as it is."""
    named, repeatable = parameter.opts, parameter.multiple
    parameter.opts = [*named, *(f"--{word}" for name in named for word in spellings(name.removeprefix("--")))]
    parameter.multiple = repeatable or not parameter.is_flag
    try:
        add(parser, context)
    finally:
        parameter.opts, parameter.multiple = named, repeatable


def _value_as_typed(
    parameter: Any, convert: Callable[[typer.Context, Any], Any], context: typer.Context, value: Any
) -> Any:
    if parameter.param_type_name == "option" and isinstance(value, list | tuple) and value:
        value = _several(parameter, list(value))
    if parameter.required and parameter.value_is_missing(value):
        return convert(context, value)  # which says so
    return value if parameter.callback is None else parameter.callback(context, parameter, value)


def _several(parameter: Any, values: list[str]) -> Any:
    """What an option means that was given these values, each as typed.

    Raises:
        SkaprofError: it was given more than once, and has one value.
    """
    if parameter.multiple:
        parts = (part.split(",") if parameter.metavar in SEPARABLE else [part] for part in values)
        return [part for each in parts for part in each]
    if len(values) == 1:
        return values[0]
    if parameter.metavar in LISTS:
        return ",".join(values)
    raise SkaprofError(f"{max(parameter.opts, key=len)}: {' and '.join(map(shown, values))}: expected it once")
