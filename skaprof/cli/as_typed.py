"""Commands whose options reach them as typed, without a conversion that none of them needs."""

from collections.abc import Callable
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose options are taken as typed."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters."""
        return _taken_as_typed(super().get_params(ctx))


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
    return parameters


def _value_as_typed(
    parameter: Any, convert: Callable[[typer.Context, Any], Any], context: typer.Context, value: Any
) -> Any:
    if parameter.required and parameter.value_is_missing(value):
        return convert(context, value)  # which says so
    return value if parameter.callback is None else parameter.callback(context, parameter, value)
