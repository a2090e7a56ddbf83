"""What a row is made of: a frozen record whose annotations are its keys, filled by name, and read back with checks.

A class costs no generated code, as a dataclass would: every command starts with these.
"""

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Annotated, Any, ClassVar, NamedTuple, Self, dataclass_transform, get_args, get_origin, get_type_hints

from skaprof.errors import SkaprofError, shown

_SMALLEST, _LARGEST = 1e-100, 1e100


class Key(NamedTuple):
    """What a key means, the least it may be, and the words that it may hold; annotated where the key first appears."""

    words: str
    least: int | None = None
    choices: tuple[str, ...] = ()


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record:
    """A row. A subclass's annotations are its keys, after those of its bases, the last base's first.

    `fields`: every key, in the order of every format. `required`: those without a default.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        bases = [base for base in reversed(cls.__mro__) if issubclass(base, Record) and base is not Record]
        cls.fields = tuple(dict.fromkeys(name for base in bases for name in base.__annotations__))
        said_last = {name: base for base in bases for name in base.__annotations__}
        cls.required = frozenset(name for name, base in said_last.items() if name not in base.__dict__)

    def __init__(self, **values: Any) -> None:
        if not self.required <= values.keys() <= set(self.fields):
            wrong = self.required - values.keys() or values.keys() - set(self.fields)
            raise TypeError(f"{type(self).__name__}: missing or unknown: {', '.join(sorted(wrong))}")
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.as_dict() == getattr(other, "as_dict", dict)()

    def __hash__(self) -> int:
        return hash(tuple(self.as_dict().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.as_dict().items())})"

    def as_dict(self) -> dict[str, Any]:
        """The row's keys and values, in the order every format uses."""
        return {name: getattr(self, name) for name in self.fields}

    def replace(self, **changes: Any) -> Self:
        """The same row with other values."""
        return type(self)(**(self.as_dict() | changes))

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """The record of a row that this program wrote; keys that it does not have are left aside."""
        return cls(**{name: row[name] for name in cls.fields if name in row})


class Expected(NamedTuple):
    """What the value of a key may be; `items` of a list's."""

    types: tuple[type, ...]
    key: Key
    items: tuple[type, ...] = ()

    def __str__(self) -> str:
        limit = "" if self.key.least is None else f" of {self.key.least} or more"
        return f"{' or '.join(json_name(kind) for kind in self.types)}{limit}"

    def require(self, key: str, value: Any) -> None:
        """Raise unless the value is one of these."""
        if not self._fits(value):
            raise SkaprofError(f"{key} is {'null' if value is None else shown(value)}: expected {self}")

    def _fits(self, value: Any) -> bool:
        if not _is_one_of(value, self.types):
            return False
        if isinstance(value, list):
            return all(_is_one_of(item, self.items) for item in value)
        return self.key.least is None or value is None or value >= self.key.least


def _is_one_of(value: Any, types: tuple[type, ...]) -> bool:
    if type(value) in types:
        return True
    return float in types and isinstance(value, int) and not isinstance(value, bool)


def require_figures(key: str, value: Any) -> None:
    """Raise unless arithmetic with a number, or with those of a list, cannot overflow; no figure comes near it."""
    for number in value if isinstance(value, list) else (value,):
        if isinstance(number, int | float) and number and not _SMALLEST < abs(number) < _LARGEST:
            raise SkaprofError(f"{shown(key)} is not finite, or beyond 1e100: expected a number or null")


_JSON_NAMES: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    NoneType: "null",
}


def json_name(kind: type) -> str:
    """A Python type as JSON Schema calls it."""
    return _JSON_NAMES[kind]


def expectations(record: type[Record]) -> dict[str, Expected]:
    """What each key of a record may hold, after its annotations."""
    return {
        key: _expected(hint)
        for key, hint in get_type_hints(record, include_extras=True).items()
        if key in record.fields
    }


def _expected(hint: Any) -> Expected:
    key = Key("")
    if get_origin(hint) is Annotated:
        hint, key = get_args(hint)
    types = tuple(_plain_types(hint))
    items = next((get_args(part) for part in (hint, *get_args(hint)) if get_origin(part) is list), ())
    return Expected(types, key, items)


def _plain_types(hint: Any) -> Iterator[type]:
    """The types of a union, lists and objects without what they hold."""
    if get_origin(hint) in (list, dict) or isinstance(hint, type):
        yield get_origin(hint) or hint
        return
    for part in get_args(hint):
        yield from _plain_types(part)
