"""Records of options: a command that takes one has its fields as options, in its place (`with_options`).

Whatever a command is given besides may name a file that it reads: none of those is written over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Self, dataclass_transform, get_origin, get_type_hints

import typer

from skaprof.cli.output import require_no_input
from skaprof.errors import option_of

_Argument = type(typer.Argument())


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Options:
    """A frozen record of options as typed, its fields annotated as a command's parameters are.

    A dataclass, but for the code that one would compile at every start.
    """

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} is not to be set: options are as typed")

    def but(self, **changes: Any) -> Self:
        """The same options with some changed."""
        return type(self)(**vars(self) | changes)

    @property
    def read_and_written(self) -> tuple[str, ...]:
        """The options whose file is gone on with, and not replaced."""
        return ()

    def destinations(self) -> list[tuple[str, str]]:
        """The files that are written, each with its option."""
        return []


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer sees it: each parameter that is a record of options is the record's fields instead."""
    records: dict[str, tuple[type[Options], list[str]]] = {}
    parameters: list[Parameter] = []
    hints = get_type_hints(command, include_extras=True)
    for parameter in signature(command).parameters.values():
        kind = hints[parameter.name]
        if not (isinstance(kind, type) and issubclass(kind, Options)):
            parameters.append(parameter.replace(annotation=kind))
            continue
        hints_of_kind = get_type_hints(kind, include_extras=True)
        fields = {name: hint for name, hint in hints_of_kind.items() if get_origin(hint) is Annotated}
        records[parameter.name] = kind, list(fields)
        parameters += [
            Parameter(name, Parameter.KEYWORD_ONLY, default=getattr(kind, name), annotation=hint)
            for name, hint in fields.items()
        ]

    @wraps(command)
    def parsed(**given: Any) -> None:
        made = {
            name: kind(**{field: given.pop(field) for field in fields if field in given})
            for name, (kind, fields) in records.items()
        }
        _require_apart(made.values(), given, hints)
        command(**made, **given)

    parsed.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what inspect.signature looks for first
    parsed.__annotations__ = {}
    return parsed


def _require_apart(records: Collection[Options], given: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    """Raise where a file that a record has written to is one that anything else given names.

    Raises:
        SkaprofError: as `require_no_input`.
    """
    read = {_word_of(name, hints[name]): value for name, value in given.items()}
    for record in records:
        if not record.destinations():
            read |= {option_of(name): value for name, value in vars(record).items()}
    for record in records:
        for option, path in record.destinations():
            require_no_input(option, path, {name: read[name] for name in read if name not in record.read_and_written})


def _word_of(name: str, hint: Any) -> str:
    """What a message calls a parameter: its option, or the word that stands for an argument in the help."""
    argument = next((mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, _Argument)), None)
    return option_of(name) if argument is None else str(argument.metavar or name)
